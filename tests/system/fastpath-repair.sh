#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# The fast path when others meddle with its programs, pins and interfaces, when
# it is upgraded, when the controller is killed between any two writes of a map,
# and with no more privileges than it needs.
#
# shellcheck disable=SC2317 # Functions are called by "check" and others.

# shellcheck disable=SC2034 # For the sandbox library.
SANDBOX_FASTPATH=yes
# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"
# shellcheck source=fastpath-lib.sh
. "$tests/fastpath-lib.sh"

require ping nc bpftool tc
export BASTION_BPF_FAULTS=yes
pins=/sys/fs/bpf/bastion
log=$SANDBOX_DIR/bastion-controller.log
sandbox_start

sandbox_add_network web 10.32.0.0/24 fd00:32::/64 gateway=10.32.0.1
i=2
for name in client server other; do
    sandbox_add_service web/$name
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/client web/server tcp:9000 icmp
sandbox_sync
veth=$(sandbox_veth client)
for name in server other; do
    sandbox_spawn $name nc -lk 9000
done

is_fast() {
    moves client delivered pings 10.32.0.3
}
restart_controller() {
    sandbox_stop_daemon bastion-controller
    sandbox_start_controller
    wait_until 5 is_attached client
}
kill_controller() {
    kill -KILL "$(sandbox_daemon_pid bastion-controller)"
    rm -f "$OVS_RUNDIR/bastion-controller.pid"
}
ifindex() {
    cat "/sys/class/net/$1/ifindex"
}
n_messages() {
    grep -c "$1" "$log"
}
# repairs DESCRIPTION MESSAGE COMMAND...: MESSAGE is logged, and all is well
# again within a second, to which the time that the checks take is added.
repairs() {
    local description=$1 message=$2 before
    shift 2
    before=$(n_messages "$message")
    sandbox_run "$@"
    check "$description: logged" wait_until 2 eval \
        "[ \$(n_messages '$message') -gt $before ]"
    check "$description: repaired" wait_until 2 is_fast
}
detach_link() {
    bpftool link detach pinned "$pins/link-$(ifindex "$veth")"
}
remove_link() {
    detach_link
    rm "$pins/link-$(ifindex "$veth")"
}

wait_until 5 is_fast
check "attached by tcx" eval "fastpath client | grep -q 'by tcx'"
repairs "a link is detached" "has been taken off" detach_link
repairs "a link is removed" "has been taken off" remove_link
repairs "pins are removed" "pins have been removed" rm -rf "$pins"
check "the maps are pinned again" test -e "$pins/v2/meta"
check "a restart finds them" eval "restart_controller && is_fast"

# Interfaces.
check "the MTU is followed" eval "sandbox_run ip link set $veth mtu 1400
    wait_until 2 eval 'fastpath client | grep -q \"MTU 1400\"'"
sandbox_run ip link set "$veth" mtu 1500
sandbox_run ip link set "$veth" address 02:00:00:00:99:99
check "the host's end may have another MAC address" is_fast
sandbox_run ip link set "$veth" name elsewhere
check "a renamed interface is missed" wait_until 2 eval \
    "fastpath client | grep -q 'there is no interface'"
sandbox_run ip link set elsewhere name "$veth"
check "and found again" wait_until 2 is_fast

# Gives the container a new interface, with the index of the old one if $1 is
# not empty.
plug() {
    local index=${1:+index $(ifindex "$veth")} mac
    mac=$(sandbox_mac client)
    sandbox_run ip link del "$veth"
    # shellcheck disable=SC2086
    sandbox_run ip link add name "$veth" $index type veth \
        peer name eth0 address "$mac" netns client
    sandbox_run ip link set "$veth" up
    sandbox_run ip -n client link set eth0 up
    sandbox_run ip -n client addr add 10.32.0.2/24 dev eth0
}
plug ""
check "a new interface with the old name" wait_until 2 is_fast
plug same
check "with the old index, too" wait_until 2 is_fast

# The same with clsact, as before Linux 6.6.
export BASTION_BPF_ATTACH=clsact
restart_controller
check "attached by clsact" eval "fastpath client | grep -q 'by clsact'"
check "it takes the place of tcx" test ! -e "$pins/link-$(ifindex "$veth")"
check "it works" is_fast
repairs "a filter is deleted" "has been taken off" \
    tc filter del dev "$veth" ingress
repairs "a qdisc is deleted" "has been taken off" \
    tc qdisc del dev "$veth" clsact
check "not a packet is lost when it is replaced" eval "
    sandbox_spawn client ping -q -i 0.01 -c 200 10.32.0.3
    ping=\$SANDBOX_PID
    restart_controller
    wait \$ping
    grep '200 received, 0%' client.log"
# The controller would be faster than the library with the qdisc.
add_port() {
    sandbox_stop_daemon bastion-controller
    sandbox_add_port client
    sandbox_start_controller
}
sandbox_run tc filter add dev "$veth" egress prio 7 \
    bpf direct-action bytecode '1,6 0 0 0,'
sandbox_run ovs-vsctl del-port br-int client
has_filter() {
    tc filter show dev "$veth" ingress | grep -q from_container
}
check "without a port, our filter goes" wait_until 5 eval '! has_filter'
check "a qdisc that others use stays" eval \
    "tc filter show dev $veth egress | grep -q 'pref 7'"
sandbox_run tc filter del dev "$veth" egress
sandbox_run tc qdisc del dev "$veth" clsact
add_port
check "the port comes back" wait_until 5 is_fast
sandbox_run ovs-vsctl del-port br-int client
check "a qdisc that we made goes" wait_until 5 eval \
    "! tc qdisc show dev $veth | grep -q clsact"
add_port
wait_until 5 is_fast
unset BASTION_BPF_ATTACH
restart_controller
check "back to tcx" eval "fastpath client | grep -q 'by tcx'"
check "and no filter" eval '! has_filter'

# An upgrade: what is attached is of another version.
upgrade() {
    sandbox_spawn client ping -q -i 0.01 -c 200 10.32.0.3
    local ping=$SANDBOX_PID
    kill_controller
    "$@"
    sandbox_start_controller
    wait "$ping"
    cat client.log
    grep '200 received, 0%' client.log && is_fast &&
        [ ! -e "$pins/v1" ] && [ -e "$pins/v2/meta" ]
}
write_version() {
    bpftool map update pinned "$pins/v2/meta" \
        key 0 0 0 0 value 1 0 0x57 0xba "$1" 0 0 0
}
older() {
    write_version 1
    mv "$pins/v2" "$pins/v1"
}
check "not a packet is lost over an upgrade" upgrade older
check "not a packet is lost over pins that lie" upgrade write_version 77
check "they were noticed" grep -q "v2/meta: not of this version" "$log"

# A controller that dies in the middle of an update.
opens() {
    connects 10.32.0.4 || connects 10.32.0.2 server
}
dies() {
    ovs-appctl -t bastion-controller bastion/fastpath-kill-after "$1"
    shift
    bastionctl "$@"
    # Not a child of ours: it daemonized.
    wait_until 2 eval "! sandbox_daemon_pid bastion-controller" || return
    rm -f "$OVS_RUNDIR/bastion-controller.pid"
}
n_deaths=0
for n in 1 2 3 4; do
    if dies $n dependency-del web/client web/server tcp:9000; then
        n_deaths=$((n_deaths + 1))
        refuse "killed before write $n of a removal: nothing opens" opens
        sandbox_start_controller
    fi
    sandbox_sync
    refuse "afterwards, it is removed" connects 10.32.0.3
    if dies $n dependency-add web/client web/server tcp:9000; then
        n_deaths=$((n_deaths + 1))
        refuse "killed before write $n of an addition: nothing opens" opens
        sandbox_start_controller
    fi
    sandbox_sync
    check "afterwards, it is added" wait_until 5 connects 10.32.0.3
    check "and maps agree" wait_until 5 \
        ovs-appctl -t bastion-controller bastion/verify
done
check "it was killed $n_deaths times" test "$n_deaths" -ge 4

# No more privileges than it needs.
sandbox_stop_daemon bastion-controller
sandbox_run setpriv --bounding-set=-all,+bpf,+net_admin,+perfmon \
    --inh-caps=-all bastion-controller --detach --no-chdir \
    --pidfile="$OVS_RUNDIR/bastion-controller.pid" \
    --log-file="$log" -vconsole:off
check "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are enough" \
    wait_until 5 is_fast
check "no other is there" eval \
    "grep -q 'CapEff:.000000c000001000' /proc/$(sandbox_daemon_pid \
        bastion-controller)/status"
repairs "to repair, too" "has been taken off" remove_link
kill_controller
removes_all() {
    bastion-controller --remove-fast-path && [ ! -e "$pins" ] &&
        ! bpftool net show dev "$veth" | grep from_container
}
check "a command removes everything" removes_all
sandbox_start_controller
check "a controller puts it back" wait_until 5 is_fast
for name in client server other; do
    sandbox_run ovs-vsctl del-port br-int $name
done
check "and to clean up" wait_until 5 eval "[ ! -e $pins ]"

exit $status
