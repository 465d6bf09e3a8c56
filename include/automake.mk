# SPDX-License-Identifier: Apache-2.0
#
# A new header goes into noinst_HEADERS.

noinst_HEADERS += \
	include/bastion/drop-reasons.h
