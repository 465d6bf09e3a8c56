#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# The fast path on shadow ports: that it is used, that it lets nothing pass that
# Open vSwitch would not, and that nothing is lost or open while daemons, ports
# and programs come and go.
#
# shellcheck disable=SC2317 # Functions are called by "check" and others.

# shellcheck disable=SC2034 # For the sandbox library.
SANDBOX_FASTPATH=yes
# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"
# shellcheck source=fastpath-lib.sh
. "$tests/fastpath-lib.sh"

require ping nc bpftool
pins=/sys/fs/bpf/bastion
sandbox_start

sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
i=2
for name in client server other slow; do
    sandbox_add_service web/$name
    # One container stays with Open vSwitch.
    [ $name != slow ] || SANDBOX_FASTPATH=no
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/client web/server tcp:9000 udp:9000-9001 icmp icmp6
sandbox_add_dependency web/client web/slow icmp icmp6 tcp:9000
sandbox_add_dependency web/client host icmp icmp6
sandbox_sync

# Packets that Open vSwitch has forwarded.
n_flow_packets() {
    ovs-ofctl -O OpenFlow15 dump-flows br-int | grep 'actions=.*output' \
        | sed -n 's/.*n_packets=\([0-9]*\).*/\1/p' \
        | awk '{ n += $1 } END { print n + 0 }'
}

no_flow_moves() {
    local before after
    # Statistics are up to a second old.
    sleep 1.2
    before=$(n_flow_packets)
    "$@" || return 1
    sleep 1.2
    after=$(n_flow_packets)
    echo "flows: $before to $after packets"
    [ "$after" -eq "$before" ]
}

says() {
    [ "$(echo hello | sandbox_exec client nc -u -w 1 "$1" 9000 \
        | head -c 5)" = hello ]
}

# A datagram in fragments comes back whole, and one to a closed port with an
# error.
cat > datagram.py <<'END'
import socket
import sys
host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((host, port))
s.send(b"x" * size)
print(len(s.recv(65536)))
END
datagram() {
    sandbox_exec client /usr/bin/python3 datagram.py "$@" 2>&1
}
is_whole() {
    [ "$(datagram "$1" 9000 5000)" = 5000 ]
}
is_closed() {
    datagram "$1" 9001 1 | grep -q ConnectionRefused
}

for name in client server other; do
    wait_until 5 is_attached $name || not_ok "$name is not attached"
done
fastpath

# A server that echoes UDP and writes what TCP brings to its output.
cat > server.py <<'END'
import socket
import sys
import threading

def take(conn):
    while data := conn.recv(2048):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

def serve():
    tcp = socket.create_server(("::", 9000), family=socket.AF_INET6,
                               dualstack_ipv6=True, backlog=16)
    while True:
        threading.Thread(target=take, args=(tcp.accept()[0],)).start()

threading.Thread(target=serve).start()
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(("::", 9000))
while True:
    message, address = udp.recvfrom(65536)
    udp.sendto(message, address)
END
sandbox_spawn server sh -c 'exec /usr/bin/python3 server.py > received'
sandbox_spawn slow sh -c 'exec /usr/bin/python3 server.py > /dev/null'
wait_until 5 connects 10.32.0.3
wait_until 5 connects fd00:32::3
wait_until 5 connects 10.32.0.5

# What is allowed.
for ip in 10.32.0.3 fd00:32::3; do
    check "ping $ip" moves client delivered pings $ip
    check "answers of $ip" moves server delivered pings $ip
    check "TCP to $ip" moves client delivered connects $ip
    check "UDP to $ip" moves client delivered says $ip
    check "fragments to and from $ip" \
        no_flow_moves moves client delivered is_whole $ip
    check "an ICMP error of $ip" no_flow_moves is_closed $ip
    check "only ARP and ND go to Open vSwitch for $ip" \
        no_flow_moves stays client "to Open vSwitch" pings $ip
done
check "the host answers by Open vSwitch" \
    moves client "to Open vSwitch" pings 10.32.0.1
check "a port without fast path, by Open vSwitch" \
    moves client "to Open vSwitch" pings 10.32.0.5
check "the same in IPv6" \
    moves client "to Open vSwitch" pings fd00:32::5
check "TCP to a port without fast path" connects 10.32.0.5

# What commands say.
trace() {
    ovs-appctl -t bastion-controller bastion/trace "$@" \
        | sed -n '/^Fast path/{n;p}'
}
# says_path EXPECTED PORT PACKET...
says_path() {
    local expected=$1
    shift
    trace "$@"
    trace "$@" | grep -qF "$expected"
}
check "trace: delivered" says_path "the program delivers it" \
    client tcp,nw_dst=10.32.0.3,tcp_dst=9000
check "trace: a reply" says_path "the program delivers it" \
    --reply server tcp,nw_dst=10.32.0.2,tcp_src=9000
check "trace: ping" says_path "the program delivers it" \
    client icmp,nw_dst=10.32.0.3,icmp_type=8,icmp_code=0
check "trace: refused" says_path "the program refuses it" \
    client tcp,nw_dst=10.32.0.4,tcp_dst=9000
check "trace: forged" says_path "the program drops it" \
    client icmp,nw_src=10.32.0.9,nw_dst=10.32.0.3,icmp_type=8
check "trace: to the host" says_path "is not a container" \
    client icmp,nw_dst=10.32.0.1,icmp_type=8
check "trace: the destination is off" says_path "reads the port itself" \
    client icmp,nw_dst=10.32.0.5,icmp_type=8
check "trace: the source is off" says_path "Open vSwitch: the userspace" \
    slow icmp,nw_dst=10.32.0.2,icmp_type=8
check "trace: ARP" says_path "the program answers" \
    client arp,arp_op=1,arp_tpa=10.32.0.3
connections() {
    ovs-appctl -t bastion-controller bastion/connections "$@"
}
sandbox_spawn client sh -c 'sleep 20 | nc -p 4000 10.32.0.3 9000'
holder=$SANDBOX_PID
check "connections are listed" wait_until 5 eval "connections | grep \
    'src=10.32.0.2,dst=10.32.0.3,sport=4000,dport=9000,network=web,' | grep \
    'containers=client>server,state=established,idle=[0-9.]*$'"
check "in JSON, too" eval "connections --json | /usr/bin/python3 -c '
import json, sys
c = [c for c in json.load(sys.stdin) if c[\"source\"].get(\"port\") == 4000]
assert c[0][\"destination\"][\"container\"] == \"server\"
assert c[0][\"state\"] == \"established\"'"
sandbox_kill "$holder"
check "the program's tag is the kernel's" eval \
    "fastpath client | grep -q \"program \$(bpftool -j prog show name \
        from_container | sed 's/.*\"tag\":\"\([0-9a-f]*\).*/\1/'),\""
check "hits and misses are counted" eval \
    "fastpath client | grep -q 'hits: [1-9].*misses: [1-9]'"
check "entries are counted" eval \
    "fastpath | grep 'endpoints: 3 of' && fastpath | grep 'policy: [1-9]'"
check "maps agree with the database" \
    ovs-appctl -t bastion-controller bastion/verify

# What is not about ports and containers does not cost their number.
n_placed() {
    ovs-appctl -t bastion-controller coverage/read-counter fastpath_place
}
is_not_placed_again() {
    local before after
    before=$(n_placed)
    sandbox_add_dependency web/other web/server tcp:9
    sandbox_run bastionctl --wait=node dependency-del web/other web/server
    after=$(n_placed)
    echo "placed $before, then $after times"
    [ "$before" -gt 0 ] && [ "$after" -eq "$before" ]
}
check "a dependency does not make it look at all containers" \
    is_not_placed_again

# What is not.
for ip in 10.32.0.2 10.32.0.4 fd00:32::4; do
    refuse "no connection from the server to $ip" connects $ip server
    refuse "no connection from the other to $ip" connects $ip other
done
refuse "nobody answers on 10.32.0.4" pings 10.32.0.4

# What is forged, in each field.  The victim must not see any of it.
cat > forge.py <<'END'
from scapy.all import (ARP, ICMP, IP, UDP, Dot1Q, Ether, ICMPv6EchoRequest,
                       ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptSrcLLAddr, IPv6,
                       conf, get_if_hwaddr)
import sys
to = sys.argv[1]
mac = get_if_hwaddr("eth0")
bad = "02:00:00:00:00:99"
frames = [
    Ether(src=mac, dst=to) / IP(src="10.32.0.99", dst="10.32.0.3") / ICMP(),
    Ether(src=bad, dst=to) / IP(src="10.32.0.2", dst="10.32.0.3") / ICMP(),
    Ether(src=mac, dst=to) / IPv6(src="fd00:32::99", dst="fd00:32::3")
    / ICMPv6EchoRequest(),
    Ether(src=bad, dst=to) / IPv6(src="fd00:32::2", dst="fd00:32::3")
    / ICMPv6EchoRequest(),
    Ether(src=mac, dst=to)
    / ARP(hwsrc=bad, psrc="10.32.0.2", pdst="10.32.0.3"),
    Ether(src=mac, dst=to)
    / ARP(hwsrc=mac, psrc="10.32.0.99", pdst="10.32.0.3"),
    Ether(src=mac, dst=to)
    / ARP(op=2, hwsrc=mac, psrc="10.32.0.2", pdst="10.32.0.3"),
    Ether(src=mac, dst=to) / IPv6(src="fd00:32::2", dst="fd00:32::3")
    / ICMPv6ND_NS(tgt="fd00:32::3") / ICMPv6NDOptSrcLLAddr(lladdr=bad),
    Ether(src=mac, dst=to) / IPv6(src="fe80::1", dst="ff02::1")
    / ICMPv6ND_RA(),
    Ether(src=mac, dst=to) / Dot1Q(vlan=5)
    / IP(src="10.32.0.2", dst="10.32.0.3") / ICMP(),
    Ether(src="03:00:00:00:00:01", dst=to)
    / IP(src="10.32.0.2", dst="10.32.0.3") / UDP(dport=9000),
    Ether(src=mac, dst=to, type=0x88cc) / b"lldp",
]
s = conf.L2socket(iface="eth0")
for frame in frames:
    s.send(frame)
print(len(frames))
END
forge() {
    [ "$(sandbox_exec client /usr/bin/python3 forge.py \
        "$(sandbox_mac server)")" = 12 ]
}
sandbox_spawn server timeout 30 tcpdump -U -n -i eth0 -w seen.pcap \
    ether src "$(sandbox_mac client)" or ether src 02:00:00:00:00:99 \
    or ether src 03:00:00:00:00:01
tcpdump_pid=$SANDBOX_PID
wait_until 5 test -s seen.pcap
before=$(counter client dropped)
check "forgeries are sent" forge
after=$(counter client dropped)
check "all are dropped" test $((after - before)) -eq 12
events() {
    ovs-appctl -t bastion-controller bastion/events "$@"
}
check "all are reported" wait_until 2 eval \
    "[ \$(events | grep -c ' drop [a-z0-9-]* container=client ') -ge 12 ]"
check "with what they are" eval "events | grep \
    'drop ip-spoof container=client .*,src=10.32.0.99,dst=10.32.0.3,proto=1,'"
check "in JSON, too" eval "events --json | grep '\"reason\":\"vlan-tag\"'"
sleep 0.5
sandbox_kill "$tcpdump_pid"
check "none arrives" test "$(tcpdump -n -r seen.pcap 2> /dev/null | wc -l)" = 0

# A dependency goes and comes back under a live connection.
sandbox_spawn client sh -c 'while echo; do sleep 0.02; done \
    | nc 10.32.0.3 9000'
size() {
    stat -c %s received
}
grows() {
    local before
    before=$(size)
    wait_until "${1:-1}" eval "[ \$(stat -c %s received) -gt $before ]"
}
wait_until 5 grows
check "the connection is on the fast path" moves client delivered sleep 0.3
cut() {
    bastionctl --wait=node dependency-del web/client web/server
}
check "the dependency is deleted" cut
sleep 1
refuse "the connection is cut" grows 1
refuse "nothing new is opened" connects 10.32.0.3
sandbox_add_dependency web/client web/server tcp:9000 udp:9000-9001 icmp icmp6
sandbox_sync
check "the connection goes on" grows 5
wait_until 5 connects 10.32.0.3
check "on the fast path" moves client delivered connects 10.32.0.3

# Without the switch.
vswitchd=$(sandbox_daemon_pid ovs-vswitchd)
kill -STOP "$vswitchd"
check "a live connection does without Open vSwitch" grows 1
check "a new connection" connects 10.32.0.3
check "ping and IPv6" pings fd00:32::3
refuse "what is forbidden stays so" connects 10.32.0.4
refuse "in the other direction, too" connects 10.32.0.2 server
kill -CONT "$vswitchd"
check "afterwards, the switch is back" pings 10.32.0.1

kill -KILL "$vswitchd"
rm -f "$OVS_RUNDIR/ovs-vswitchd.pid"
check "a live connection outlives Open vSwitch" grows 1
check "a new connection is possible" connects 10.32.0.3
refuse "but not what is forbidden" connects 10.32.0.4
sandbox_start_vswitchd
check "a new switch takes over" wait_until 15 pings 10.32.0.1
check "all the time, the connection lives" grows 1
check "the fast path is back" wait_until 5 is_attached client
check "and is used" wait_until 5 moves client delivered pings 10.32.0.3

# Without the controller.
sandbox_spawn client ping -q -i 0.01 -c 400 10.32.0.3
ping=$SANDBOX_PID
sleep 0.5
controller=$(sandbox_daemon_pid bastion-controller)
kill -KILL "$controller"
rm -f "$OVS_RUNDIR/bastion-controller.pid"
sleep 1
check "without a controller, links stay" ls "$pins"/link-*
sandbox_start_controller
wait "$ping"
check "not a packet is lost over a restart of the controller" \
    grep -q '400 received, 0%' client.log
check "the new one takes over what is there" wait_until 5 is_attached client
check "it uses it" wait_until 5 moves client delivered pings 10.32.0.3
check "maps agree after the restart" wait_until 5 \
    ovs-appctl -t bastion-controller bastion/verify

# Somebody takes a program off.
ifindex=$(cat /sys/class/net/"$(sandbox_veth client)"/ifindex)
bpftool link detach pinned "$pins/link-$ifindex"
rm -f "$pins/link-$ifindex"
check "a lost program is put back" wait_until 3 pings 10.32.0.3
check "it works" moves client delivered pings 10.32.0.3

# A port goes and comes back.
sandbox_run ovs-vsctl del-port br-int server
check "without a port, no traffic" wait_until 3 eval "! pings 10.32.0.3"
check "the reason is visible" eval \
    "fastpath server | grep -q 'has no port on this node'"
sandbox_add_port server
check "with the port, the traffic is back" wait_until 5 pings 10.32.0.3
check "on the fast path as before" \
    wait_until 5 moves client delivered pings 10.32.0.3

# Off: the ports go on by Open vSwitch.
sandbox_run bastionctl --wait=node fastpath-off
check "off, and the connection lives" grows 5
check "by Open vSwitch" stays client delivered grows 5
check "ping by Open vSwitch" moves client "to Open vSwitch" pings 10.32.0.3
refuse "nothing is open" connects 10.32.0.4
refuse "nothing is open in the other direction" connects 10.32.0.2 server
check "the reason says so" eval "fastpath client | grep -q 'not enabled'"

# In audit mode, and without enforcement.
sandbox_run bastionctl --wait=node fastpath-on
check "on again" wait_until 5 moves client delivered pings 10.32.0.3
sandbox_run bastionctl --wait=node set network web enforcement=audit
check "audit mode, on the fast path" \
    wait_until 5 moves client delivered pings 10.32.0.3
check "and what is not allowed passes" connects 10.32.0.3 other
sandbox_run bastionctl --wait=node set network web enforcement=off
check "no enforcement, by Open vSwitch" \
    wait_until 5 moves client "to Open vSwitch" pings 10.32.0.3
check "the reason is the network" eval \
    "fastpath client | grep -q 'enforcement is off'"
sandbox_run bastionctl --wait=node set network web enforcement=enforce
check "back to enforcing" wait_until 5 moves client delivered pings 10.32.0.3
refuse "what is not allowed does not pass" connects 10.32.0.3 other

# What others want to see is left to Open vSwitch.
is_diverted() {
    local reason=$1
    fastpath client | grep -F "everything to Open vSwitch: $reason" &&
        stays client delivered pings 10.32.0.3
}
is_fast() {
    moves client delivered pings 10.32.0.3
}
# diverts REASON ON-COMMAND OFF-COMMAND
diverts() {
    sandbox_run eval "$2"
    check "$1: off" wait_until 5 is_diverted "$1"
    sandbox_run eval "$3"
    check "$1: on afterwards" wait_until 5 is_fast
}
diverts "not enabled for the network" \
    "bastionctl --wait=node fastpath-off web" \
    "bastionctl --wait=node fastpath-on web"
diverts "not enabled for the container" \
    "bastionctl --wait=node fastpath-off client" \
    "bastionctl --wait=node fastpath-on client"
diverts "a mirror selects all ports of the bridge" \
    "ovs-vsctl -- --id=@p get port slow -- --id=@m create mirror name=m \
         select_all=true output_port=@p -- add bridge br-int mirrors @m" \
    "ovs-vsctl clear bridge br-int mirrors"
diverts "the port has a mirror" \
    "ovs-vsctl -- --id=@p get port slow -- --id=@c get port client \
         -- --id=@m create mirror name=m select_dst_port=@c output_port=@p \
         -- add bridge br-int mirrors @m" \
    "ovs-vsctl clear bridge br-int mirrors"
diverts "the bridge has sFlow" \
    "ovs-vsctl -- --id=@s create sflow targets='\"127.0.0.1\"' agent=lo \
         -- set bridge br-int sflow=@s" \
    "ovs-vsctl clear bridge br-int sflow"
diverts "the bridge has IPFIX" \
    "ovs-vsctl -- --id=@i create ipfix targets='\"127.0.0.1:4739\"' \
         -- set bridge br-int ipfix=@i" \
    "ovs-vsctl clear bridge br-int ipfix"
diverts "the bridge has NetFlow" \
    "ovs-vsctl -- --id=@n create netflow targets='\"127.0.0.1:2055\"' \
         -- set bridge br-int netflow=@n" \
    "ovs-vsctl clear bridge br-int netflow"
diverts "the port has QoS" \
    "ovs-vsctl -- --id=@q create qos type=linux-noop \
         -- set port client qos=@q" \
    "ovs-vsctl clear port client qos"
diverts "the interface has ingress policing" \
    "ovs-vsctl set interface client ingress_policing_rate=100000" \
    "ovs-vsctl set interface client ingress_policing_rate=0"
sandbox_run ovs-ofctl -O OpenFlow15 add-flow br-int \
    priority=1,ip,nw_dst=192.0.2.1,actions=drop
check "somebody else's flow: off" wait_until 5 \
    is_diverted "the bridge had flows that are not Bastion's"
check "on when it has been gone for a while" wait_until 20 is_fast

# Off while the controller is away.
kill -KILL "$(sandbox_daemon_pid bastion-controller)"
rm -f "$OVS_RUNDIR/bastion-controller.pid"
sandbox_run bastionctl fastpath-off
sandbox_start_controller
check "a controller that finds it off stops it" wait_until 5 eval \
    "fastpath client | grep -q 'not enabled'"
check "nothing is delivered any more" wait_until 5 \
    stays client delivered pings 10.32.0.3

# Without the privileges.
sandbox_stop_daemon bastion-controller
sandbox_run setpriv --bounding-set=-bpf,-perfmon,-sys_admin \
    --inh-caps=-bpf,-perfmon,-sys_admin \
    bastion-controller --detach --no-chdir \
    --pidfile="$OVS_RUNDIR/bastion-controller.pid" \
    --log-file="$SANDBOX_DIR/bastion-controller.log" -vconsole:off
check "without privileges, the reason is visible" wait_until 5 eval \
    "fastpath client | grep -q 'off (.*not permitted'"
check "the slow path has been told everything" sandbox_sync
refuse "containers behind shadow ports are cut off, not open" \
    pings 10.32.0.3
sandbox_stop_daemon bastion-controller
sandbox_start_controller
check "with privileges, all is well" wait_until 5 pings 10.32.0.3

# Its program is all that keeps a container from the host's own stack.
ifindex=$(cat "/sys/class/net/$(sandbox_veth other)/ifindex")
check "a container is deleted" bastionctl --wait=node container-del web/other
check "its shadow port keeps the program" [ -e "$pins/link-$ifindex" ]
sandbox_run ovs-vsctl del-port br-int other
check "until the port is gone" wait_until 5 [ ! -e "$pins/link-$ifindex" ]

# Nothing stays behind.
for name in client server; do
    sandbox_run ovs-vsctl del-port br-int $name
done
check "nothing is left when the last port is gone" \
    wait_until 5 eval "[ ! -e $pins ]"

exit $status
