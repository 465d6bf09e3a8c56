# SPDX-License-Identifier: Apache-2.0
#
# A file of the Debian packages goes into EXTRA_DIST.

EXTRA_DIST += \
	debian/bastion-cni.install \
	debian/bastion-common.docs \
	debian/bastion-common.install \
	debian/bastion-controller.install \
	debian/bastion-manager.install \
	debian/bastion-controller.prerm \
	debian/bastion-tutorial.install \
	debian/changelog \
	debian/clean \
	debian/control \
	debian/copyright \
	debian/rules \
	debian/source/format
