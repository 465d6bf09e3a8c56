# SPDX-License-Identifier: Apache-2.0
#
# Scripts of the build and their data go into EXTRA_DIST.  The checks that
# "make check" runs are listed in tests/automake.mk.

EXTRA_DIST += \
	build-aux/build \
	build-aux/cnitool \
	build-aux/install-deps \
	build-aux/ovs-tree \
	build-aux/source-files
