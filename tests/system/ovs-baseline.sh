#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The environment of the system tests: Open vSwitch's userspace datapath
# forwards between two containers, and nothing is shared with the host.

set -eux

[ "$(ip -o link | wc -l)" = 1 ]
[ -z "$(ls -A /run/netns)" ]

ovsdb-tool create conf.db "$OVS_SRCDIR/vswitchd/vswitch.ovsschema"
ovsdb-server --detach --no-chdir --pidfile --log-file conf.db \
    --remote=punix:"$OVS_RUNDIR/db.sock"
ovs-vsctl --no-wait init
ovs-vswitchd --detach --no-chdir --pidfile --log-file --disable-system
ovs-vsctl add-br br0 -- set Bridge br0 datapath_type=netdev

for i in 1 2; do
    ip netns add c$i
    ip link add veth$i type veth peer name eth0 netns c$i
    ip link set veth$i up
    ip -n c$i address add 10.0.0.$i/24 dev eth0
    ip -n c$i link set eth0 up
    ovs-vsctl add-port br0 veth$i
done
ip netns exec c1 ping -c 3 -i 0.2 -W 5 10.0.0.2
