#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# What dependencies open, and what they do not: protocols, ports, directions,
# host and world, replies, errors, fragments, enforcement modes, DHCP, and
# connections whose dependency goes and comes back.

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

require dnsmasq
sandbox_start

# The world, behind the host.
ip netns add world
ip link add uplink type veth peer name eth0 netns world
ip addr add 203.0.113.1/24 dev uplink
ip addr add 2001:db8:77::1/64 dev uplink nodad
ip link set uplink up
# shellcheck disable=SC2016 # Expanded by the inner shell.
sandbox_exec world sh -c '
    sysctl -q net.ipv6.conf.all.accept_dad=0
    ip link set lo up
    ip addr add 203.0.113.2/24 dev eth0
    ip addr add 2001:db8:77::2/64 dev eth0 nodad
    # Others, which are no source of answers unless they were asked.
    for i in 8 66; do
        ip addr add 203.0.113.$i/24 dev eth0
        ip addr add 2001:db8:77::$i/64 dev eth0 nodad preferred_lft 0
    done
    ip link set eth0 up
    ip route add default via 203.0.113.1
    ip route add default via 2001:db8:77::1'
sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1 dhcp-server=10.32.0.1
for service in client server other; do
    sandbox_add_service web/$service
done
for mode in none ingress egress both; do
    sandbox_add_service web/$mode isolate=$mode
done
i=2
for name in client server other none ingress egress both; do
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done

sandbox_add_dependency web/client web/server tcp:80 tcp:8000-8010 tcp:9000 \
    udp:53 udp:5000-5003 icmp:8 icmp6:128 sctp:80
sandbox_add_dependency web/client host udp:53 udp:67 icmp:8 icmp6:128
sandbox_add_dependency web/client world tcp:443 udp:53
sandbox_add_dependency web/client \
    cidr:203.0.113.0/24,except=203.0.113.64/26 udp:123
sandbox_add_dependency web/client \
    cidr:2001:db8:77::/64,except=2001:db8:77::40/122 udp:123
for service in other none ingress egress both; do
    sandbox_add_dependency web/$service web/server udp:53
done
sandbox_add_dependency web/server web/other udp:53
sandbox_add_dependency host web/server tcp:22 udp:53
sandbox_add_dependency world web/server tcp:80 udp:53
sandbox_add_dependency cidr:203.0.113.8/32 web/server tcp:8443
sandbox_sync
ovs-vsctl set Open_vSwitch . other_config:max-revalidator=100

# A real DHCP server, declared for the network.  It would rather not give out
# addresses that answer, hence no-ping.
dnsmasq --conf-file=/dev/null --port=0 --no-ping --leasefile-ro \
    --pid-file="$PWD/dnsmasq.pid" --interface=br-int --bind-interfaces \
    --dhcp-range=10.32.0.0,static,1h --log-facility="$PWD/dnsmasq.log" \
    --dhcp-host="$(sandbox_mac client)",10.32.0.2 \
    || sandbox_die "dnsmasq does not start"

python "$tests/policy.py"
status=$?
kill "$(cat dnsmasq.pid)"
exit $status
