# SPDX-License-Identifier: Apache-2.0
#
# A new source file and its header go into lib_libbastion_la_SOURCES.

noinst_LTLIBRARIES += lib/libbastion.la
lib_libbastion_la_SOURCES = \
	lib/address-cuts.c \
	lib/address-cuts.h \
	lib/address.c \
	lib/address.h \
	lib/drop-reason.c \
	lib/ovs-daemon.h \
	lib/peer.c \
	lib/peer.h \
	lib/policy.c \
	lib/policy.h
nodist_lib_libbastion_la_SOURCES = \
	lib/bastion-idl.c \
	lib/bastion-idl.h
lib_libbastion_la_LIBADD = $(OVS_LIBDIR)/libopenvswitch.la
