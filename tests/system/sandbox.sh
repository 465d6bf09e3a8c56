#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bastion-sandbox does what its man page says, and leaves nothing behind,
# however it ends.
#
# Functions are called by name, through check().
# shellcheck disable=SC2317

set -u

failed=0

# check DESCRIPTION COMMAND [ARG...]: reports whether COMMAND succeeds.
check() {
    local description=$1
    shift
    if "$@"; then
        echo "ok: $description"
    else
        echo "FAILED: $description"
        failed=1
    fi
}

program=$abs_top_srcdir/tutorial/bastion-sandbox
sandbox() {
    "$program" --build="$abs_top_builddir" "$@"
}

# Succeeds if the command after the first argument exits with that status.
exits() {
    local expected=$1
    shift
    "$@"
    [ $? -eq "$expected" ]
}

# What a sandbox could leave behind.
machine() {
    ip -o link
    cat /proc/mounts
    ls -A /run /run/netns /run/openvswitch
    find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'bastion-sandbox.*'
    pgrep -a 'ovs|bastion'
}

unchanged() {
    [ "$(machine)" = "$before" ]
}

# Waits until COMMAND [ARG...] succeeds or 30 seconds have passed.
await() {
    local i
    for ((i = 0; i < 300; i++)); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

before=$(machine)
cat > pair.scenario << 'END'
network n 10.1.0.0/24 fd00:1::/64 gateway=10.1.0.1
service n/a
service n/b   # not on speaking terms with n/a
container n/a a1 10.1.0.2 fd00:1::2
container n/a a 10.1.0.3 fd00:1::3 mac=02:00:00:00:00:03
container n/b b1 10.1.0.4 fd00:1::4
dependency n/a n/a icmp icmp6
END
ping_from_a1="ip netns exec a1 ping -q -c 1 -W 1"

check "the exit status is that of the command" \
    exits 7 sandbox -- sh -c 'exit 7'
check "nothing is left" unchanged

check "a scenario: what is allowed arrives, what is not does not" \
    sandbox --scenario=pair.scenario -- sh -ec "
        $ping_from_a1 10.1.0.3
        $ping_from_a1 fd00:1::3
        ip -n a link show eth0 | grep -q 02:00:00:00:00:03
        ! $ping_from_a1 10.1.0.4
        ! $ping_from_a1 10.1.0.1"
check "a plain bridge: everything arrives" \
    sandbox --no-bastion --scenario=pair.scenario -- sh -ec "
        $ping_from_a1 10.1.0.3
        $ping_from_a1 10.1.0.4
        $ping_from_a1 10.1.0.1"
check "a dummy datapath: flows" \
    sandbox --datapath=dummy --scenario=pair.scenario -- \
        ovs-appctl -t bastion-controller bastion/verify
check "a sandbox in the sandbox" \
    exits 3 sandbox -- "$program" --build="$abs_top_builddir" -- \
        sh -c 'exit 3'
check "nothing is left" unchanged

for signal in TERM KILL HUP; do
    rm -f ready
    "$program" --build="$abs_top_builddir" --scenario=pair.scenario -- \
        sh -c 'touch ready; exec sleep 9999' &
    check "it starts" await test -e ready
    check "it is seen while it runs" exits 1 unchanged
    kill -$signal $!
    wait $! 2> /dev/null
    check "nothing is left after SIG$signal" await unchanged
done

cat > bad.scenario << 'END'
network n 10.1.0.0/24 gateway=10.2.0.1
service n/a isolate=maybe
container n/a a1 10.1.0.2 10.1.0.300
container n/b b1 10.1.0.3
container n/a a2 10.1.0.2 mac=01:00:00:00:00:00
dependency n/a n/c tcp:0-99999
dependency n/a cidr:10.0.0.1/8 foo
bridge x
END
cat > expected << 'END'
bad.scenario:1: gateway=10.2.0.1: not in a subnet of network n
bad.scenario:2: isolate=maybe: expected one of: both ingress egress none
bad.scenario:3: "10.1.0.300": expected an IP address or mac=
bad.scenario:4: container b1: service "n/b" was not declared above
bad.scenario:5: 10.1.0.2: is the address of container a1
bad.scenario:5: mac=01:00:00:00:00:00: expected a MAC address of one station such as 02:00:00:00:00:01
bad.scenario:6: "n/c": expected a service declared above, host, world or cidr:PREFIX
bad.scenario:6: "tcp:0-99999": expected any, tcp:PORT[-PORT], udp:..., sctp:..., icmp[:TYPE[:CODE]] or icmp6...
bad.scenario:7: "cidr:10.0.0.1/8": "10.0.0.1/8" is not a prefix
bad.scenario:7: "foo": expected any, tcp:PORT[-PORT], udp:..., sctp:..., icmp[:TYPE[:CODE]] or icmp6...
bad.scenario:8: "bridge": expected network, service, container or dependency
END
check "a bad scenario is refused" \
    exits 1 sandbox --scenario=bad.scenario -- touch started 2> messages
check "every mistake is reported" diff expected messages
check "and nothing is started" test ! -e started
check "a bad option is refused" exits 1 sandbox --datapath=none -- true
check "nothing is left" unchanged
exit $failed
