# SPDX-License-Identifier: Apache-2.0
#
# Everything but main() is in a convenience library, so that tests and fuzzers
# link it.  A new source file and its header go into
# controller_libbastion_controller_la_SOURCES; bastion-controller.c alone stays
# with the program.

noinst_LTLIBRARIES += controller/libbastion-controller.la
controller_libbastion_controller_la_SOURCES =
controller_libbastion_controller_la_LIBADD = lib/libbastion.la
