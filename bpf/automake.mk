# SPDX-License-Identifier: Apache-2.0
#
# The eBPF programs, which are linked into the controller as a skeleton.  They
# include nothing of ours but include/bastion.

bpf_headers = \
	bpf/account.h \
	bpf/connection.h \
	bpf/maps.h \
	bpf/neighbor.h \
	bpf/parse.h \
	bpf/policy.h \
	include/bastion/bpf-abi.h \
	include/bastion/drop-reasons.h

EXTRA_DIST += bpf/bastion.bpf.c $(bpf_headers)
BUILT_SOURCES += bpf/bastion.skel.h
CLEANFILES += bpf/bastion.bpf.o bpf/bastion.bpf.tmp.o bpf/bastion.skel.h

bpf/bastion.bpf.o: bpf/bastion.bpf.c $(bpf_headers)
	$(AM_V_GEN)$(MKDIR_P) bpf && \
	$(CLANG) -target bpf -mcpu=v3 -D__BPF__ -g -O2 -Wall -Wextra -Werror \
		-Wno-unused-parameter $(BPF_CPPFLAGS) \
		-I $(top_srcdir)/include -I $(top_srcdir)/bpf \
		-c $(top_srcdir)/bpf/bastion.bpf.c -o bpf/bastion.bpf.tmp.o && \
	$(BPFTOOL) gen object $@ bpf/bastion.bpf.tmp.o && \
	rm -f bpf/bastion.bpf.tmp.o

bpf/bastion.skel.h: bpf/bastion.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/bastion.bpf.o \
		name bastion_bpf > $@.tmp && mv $@.tmp $@
