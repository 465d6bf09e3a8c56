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
	utilities/bastionctl-network.c \
	utilities/bastionctl-rows.c \
	utilities/bastionctl-server.c \
	utilities/bastionctl-show.c \
	utilities/bastionctl-usage.c
utilities_bastionctl_LDADD = lib/libbastion.la
