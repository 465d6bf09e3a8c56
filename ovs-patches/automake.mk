# SPDX-License-Identifier: Apache-2.0
#
# A patch goes into EXTRA_DIST, and into its release's "series".

EXTRA_DIST += \
	ovs-patches/README.rst \
	ovs-patches/3.1/0001-ofproto-dpif-xlate-Keep-ND-fields-without-icmpv6_code.patch \
	ovs-patches/3.1/0002-dpif-netdev-Modify-the-flow-with-the-given-ufid.patch \
	ovs-patches/3.1/0003-ovs-thread-Count-the-CPU-cores-right-after-boot-too.patch \
	ovs-patches/3.1/0004-netdev-linux-Add-an-eBPF-receive-filter.patch \
	ovs-patches/3.1/0005-netdev-linux-Add-statistics-of-packets-that-bypass-u.patch \
	ovs-patches/3.1/0006-ovs-vswitchd-Add-command-bastion-show.patch \
	ovs-patches/3.1/series \
	ovs-patches/3.1/tests \
	ovs-patches/3.1/touched \
	ovs-patches/3.5/0001-netdev-linux-Add-an-eBPF-receive-filter.patch \
	ovs-patches/3.5/0002-netdev-linux-Add-statistics-of-packets-that-bypass-u.patch \
	ovs-patches/3.5/0003-ovs-vswitchd-Add-command-bastion-show.patch \
	ovs-patches/3.5/series \
	ovs-patches/3.5/tests \
	ovs-patches/3.5/touched
