# SPDX-License-Identifier: Apache-2.0
#
# A new program goes into bin_PROGRAMS with its _SOURCES and _LDADD.

bin_PROGRAMS += utilities/bastionctl
utilities_bastionctl_SOURCES = \
	utilities/bastionctl.c \
	utilities/bastionctl.h \
	utilities/bastionctl-check.c \
	utilities/bastionctl-container.c \
	utilities/bastionctl-dependency.c \
	utilities/bastionctl-end.c \
	utilities/bastionctl-end.h \
	utilities/bastionctl-fastpath.c \
	utilities/bastionctl-network.c \
	utilities/bastionctl-platform.c \
	utilities/bastionctl-rows.c \
	utilities/bastionctl-server.c \
	utilities/bastionctl-show.c \
	utilities/bastionctl-usage.c
utilities_bastionctl_LDADD = lib/libbastion.la
dist_man_MANS += utilities/bastionctl.8

# bash-completion looks for a file with the name of the command.
EXTRA_DIST += utilities/bastionctl-completion.bash
nodist_completion_DATA = utilities/completion/bastionctl
CLEANFILES += utilities/completion/bastionctl
utilities/completion/bastionctl: utilities/bastionctl-completion.bash
	$(AM_V_GEN)$(MKDIR_P) utilities/completion && \
	cp $(srcdir)/utilities/bastionctl-completion.bash $@
