# SPDX-License-Identifier: Apache-2.0
#
# A new program goes into bin_PROGRAMS with its _SOURCES and _LDADD.
