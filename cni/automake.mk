# SPDX-License-Identifier: Apache-2.0
#
# Everything but main() is in a convenience library, so that tests and fuzzers
# link it.  A new source file and its header go into
# cni_libbastion_cni_la_SOURCES; bastion-cni.c alone stays with the program.
#
# Container runtimes look for plugins in a directory, not in PATH.

noinst_LTLIBRARIES += cni/libbastion-cni.la
cni_libbastion_cni_la_SOURCES = \
	cni/bridge-port.c \
	cni/bridge-port.h \
	cni/cni-error.c \
	cni/cni-error.h \
	cni/host-side.c \
	cni/host-side.h \
	cni/ipam.c \
	cni/ipam.h \
	cni/link.c \
	cni/link.h \
	cni/netconf.c \
	cni/netconf.h \
	cni/ovsdb-client.c \
	cni/ovsdb-client.h \
	cni/pending.c \
	cni/pending.h \
	cni/plugin-add.c \
	cni/plugin-check.c \
	cni/plugin.c \
	cni/plugin.h \
	cni/registry.c \
	cni/registry.h \
	cni/result.c \
	cni/result.h
cni_libbastion_cni_la_LIBADD = lib/libbastion.la

cnidir = $(prefix)/lib/cni
cni_PROGRAMS = cni/bastion-cni
cni_bastion_cni_SOURCES = cni/bastion-cni.c
cni_bastion_cni_LDADD = cni/libbastion-cni.la
dist_man_MANS += cni/bastion-cni.8
