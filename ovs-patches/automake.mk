# SPDX-License-Identifier: Apache-2.0
#
# Patches go into EXTRA_DIST, next to the series that names them.

EXTRA_DIST += \
	ovs-patches/3.1/series
