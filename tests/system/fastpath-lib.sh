# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the tests of the fast path: checks, and questions about ports.

status=0
ok() {
    echo "ok - $*"
}
not_ok() {
    echo "NOT OK - $*"
    status=1
}

# check DESCRIPTION COMMAND [ARG...]
check() {
    local description=$1
    shift
    if "$@" > check.out 2>&1; then
        ok "$description"
    else
        not_ok "$description: $*"
        sed 's/^/    /' check.out
    fi
}

refuse() {
    local description=$1
    shift
    if "$@" > check.out 2>&1; then
        not_ok "$description: $*"
    else
        ok "$description"
    fi
}

fastpath() {
    ovs-appctl -t bastion-controller bastion/fastpath "$@"
}

# counter PORT delivered|to Open vSwitch|dropped
counter() {
    fastpath "$1" | sed -n "s/^ *$2: \([0-9]*\) packets.*/\1/p"
}

is_attached() {
    fastpath "$1" | grep -q "shadow, attached"
}

# moves PORT COUNTER COMMAND...: the counter goes up while COMMAND succeeds.
moves() {
    local port=$1 counter=$2 before after
    shift 2
    before=$(counter "$port" "$counter")
    "$@" || return 1
    after=$(counter "$port" "$counter")
    echo "$counter of $port: $before to $after"
    [ "$after" -gt "$before" ]
}

stays() {
    local port=$1 counter=$2 before after
    shift 2
    before=$(counter "$port" "$counter")
    "$@" || return 1
    after=$(counter "$port" "$counter")
    echo "$counter of $port: $before to $after"
    [ "$after" -eq "$before" ]
}

pings() {
    sandbox_exec client ping -q -c 3 -i 0.05 -W 1 "$1"
}

connects() {
    sandbox_exec "${2:-client}" nc -z -w 1 "$1" 9000
}
