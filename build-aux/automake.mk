# SPDX-License-Identifier: Apache-2.0
#
# Scripts of the build and their data go into EXTRA_DIST.

EXTRA_DIST += \
	build-aux/check-ovs-patches \
	build-aux/ovs-tree
