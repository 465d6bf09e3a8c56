#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# Forged frames, generated field by field: none of them arrives anywhere, each
# is counted for the right reason, and an honest frame right behind it passes.
# First, to know that they are worth dropping, on a bridge without Bastion.

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

add_containers() {
    sandbox_add_container web/a a1 10.32.0.2 10.32.0.12 \
        fd00:32::2 fd00:32::12
    sandbox_add_container web/p p1 10.32.0.3 10.32.0.13 \
        fd00:32::3 fd00:32::13
    sandbox_add_container web/v v1 10.32.0.4 10.32.0.14 \
        fd00:32::4 fd00:32::14
}

# The test speaks for the containers; their kernels are to be silent.
silence() {
    local name
    for name in a1 p1 v1; do
        sandbox_exec "$name" ip addr flush dev eth0
        sandbox_exec "$name" ip link set eth0 arp off
        sandbox_exec "$name" sysctl -q net.ipv6.conf.eth0.disable_ipv6=1
    done
}

sysctl -q net.ipv6.conf.default.router_solicitations=0 \
    net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
SANDBOX_BASTION=no
sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
add_containers
silence
# Floods all frames, and keeps on doing so.
ovs-vsctl set Bridge br-int flood-vlans="$(seq -s , 0 4095)" \
    other_config:forward-bpdu=true other_config:mac-table-size=10
python "$tests/spoof-matrix.py" plain || exit
ovs-vsctl del-br br-int
sandbox_stop
rm -f conf.db containers/* networks/*
for name in a1 p1 v1; do
    ip link del "$name"
    ip netns del "$name"
done

SANDBOX_BASTION=yes
sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
for service in a p v; do
    sandbox_add_service web/$service
done
add_containers
silence
sandbox_add_dependency web/a web/p any
sandbox_add_dependency web/v web/p any
sandbox_add_dependency web/a host udp:53 icmp icmp6
sandbox_add_dependency host web/a any
sandbox_sync
# Counters of flows lag behind the packets by one round of the revalidators.
ovs-vsctl set Open_vSwitch . other_config:max-revalidator=20
python "$tests/spoof-matrix.py" bastion
