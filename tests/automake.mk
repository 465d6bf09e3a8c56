# SPDX-License-Identifier: Apache-2.0

# Unit tests of lib/.
unit_lib_tests = \
	tests/test-address \
	tests/test-peer \
	tests/test-policy
check_PROGRAMS += $(unit_lib_tests)
TESTS += $(unit_lib_tests)

noinst_HEADERS += tests/test-random.h
tests_test_address_SOURCES = tests/test-address.c
tests_test_address_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_address_LDADD = lib/libbastion.la $(CMOCKA_LIBS)
tests_test_peer_SOURCES = tests/test-peer.c
tests_test_peer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_peer_LDADD = lib/libbastion.la $(CMOCKA_LIBS)
tests_test_policy_SOURCES = tests/test-policy.c
tests_test_policy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_policy_LDADD = lib/libbastion.la $(CMOCKA_LIBS)
