#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# Attacks on Bastion itself: from containers that may talk to the world or to
# the host's DNS, from local users, from peers that pretend to be switches, and
# by rows that should not be there.

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

sandbox_start

# The world, behind the host, which is as careless as the kernel allows: even
# loopback addresses are routed.
ip netns add world
ip link add uplink type veth peer name eth0 netns world
ip addr add 203.0.113.1/24 dev uplink
ip addr add 2001:db8:77::1/64 dev uplink nodad
ip link set uplink up
# shellcheck disable=SC2016 # Expanded by the inner shell.
sandbox_exec world sh -c '
    ip link set lo up
    ip addr add 203.0.113.2/24 dev eth0
    ip addr add 2001:db8:77::2/64 dev eth0 nodad
    ip link set eth0 up
    ip route add default via 203.0.113.1
    ip route add default via 2001:db8:77::1'
sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
    net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.br-int.route_localnet=1 \
    net.ipv4.conf.all.accept_local=1

sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
i=2
for name in traveller resolver server; do
    sandbox_add_service web/$name
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/traveller web/server udp:53
sandbox_add_dependency web/resolver web/server udp:53
sandbox_add_dependency web/server web/resolver udp:53
sandbox_add_dependency web/traveller world any
sandbox_add_dependency web/resolver host udp:53
sandbox_sync
python "$tests/control-plane-attack.py"
