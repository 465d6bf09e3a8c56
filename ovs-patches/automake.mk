# SPDX-License-Identifier: Apache-2.0
#
# A patch goes into EXTRA_DIST, and into its release's "series".

EXTRA_DIST += \
	ovs-patches/README.rst \
	ovs-patches/3.1/0001-ofproto-dpif-xlate-Keep-ND-fields-without-icmpv6_code.patch \
	ovs-patches/3.1/0002-dpif-netdev-Modify-the-flow-with-the-given-ufid.patch \
	ovs-patches/3.1/series \
	ovs-patches/3.1/tests
