# SPDX-License-Identifier: Apache-2.0
#
# Everything but main() is in a convenience library, so that tests and fuzzers
# link it.  A new source file and its header go into
# controller_libbastion_controller_la_SOURCES; bastion-controller.c alone stays
# with the program.

noinst_LTLIBRARIES += controller/libbastion-controller.la
controller_libbastion_controller_la_SOURCES = \
	controller/attachment-rows.c \
	controller/attachment-rows.h \
	controller/attachments.c \
	controller/attachments.h \
	controller/bastion-db.c \
	controller/bastion-db.h \
	controller/compiler-bridges.c \
	controller/compiler-describe.c \
	controller/compiler-private.h \
	controller/compiler-rows.c \
	controller/compiler.c \
	controller/compiler.h \
	controller/depmap.c \
	controller/depmap.h \
	controller/fastpath-connections.c \
	controller/fastpath-connections.h \
	controller/fastpath-driver.c \
	controller/fastpath-driver.h \
	controller/fastpath-events.c \
	controller/fastpath-events.h \
	controller/fastpath-explain.c \
	controller/fastpath-explain.h \
	controller/fastpath-hook.c \
	controller/fastpath-hook.h \
	controller/fastpath.c \
	controller/fastpath.h \
	controller/fastpath-render.c \
	controller/fastpath-render.h \
	controller/flow-sync.c \
	controller/flow-sync.h \
	controller/flow-table.c \
	controller/flow-table.h \
	controller/host-addresses.c \
	controller/host-addresses.h \
	controller/inspect-args.c \
	controller/inspect-args.h \
	controller/inspect-format.c \
	controller/inspect-format.h \
	controller/inspect-show.c \
	controller/inspect-show.h \
	controller/inspect-trace.c \
	controller/inspect-trace.h \
	controller/inspect.c \
	controller/inspect.h \
	controller/map-table.c \
	controller/map-table.h \
	controller/nd-responder.c \
	controller/nd-responder.h \
	controller/netmap.c \
	controller/netmap.h \
	controller/node-ovs.c \
	controller/node-ovs.h \
	controller/of-messages.c \
	controller/of-messages.h \
	controller/of-meters.c \
	controller/of-meters.h \
	controller/of-switch-format.c \
	controller/of-switch.c \
	controller/of-switch.h \
	controller/pipeline-network.c \
	controller/pipeline-render.h \
	controller/pipeline-rule.c \
	controller/pipeline-tables.h \
	controller/pipeline.c \
	controller/pipeline.h \
	controller/policy-sim.c \
	controller/policy-sim.h \
	controller/row-parse.c \
	controller/row-parse.h \
	controller/row-statistics.c \
	controller/row-statistics.h \
	controller/row.c \
	controller/row.h \
	controller/switches.c \
	controller/switches.h
controller_libbastion_controller_la_LIBADD = lib/libbastion.la $(LIBBPF_LIBS)

sbin_PROGRAMS += controller/bastion-controller
controller_bastion_controller_SOURCES = controller/bastion-controller.c
controller_bastion_controller_LDADD = controller/libbastion-controller.la
dist_man_MANS += controller/bastion-controller.8
