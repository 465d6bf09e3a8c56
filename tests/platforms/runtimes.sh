# shellcheck shell=bash source-path=SCRIPTDIR/../system
# SPDX-License-Identifier: Apache-2.0
#
# What tests with container runtimes have in common.  To be sourced first.

# The test's own /sys has no cgroups, but the machine's is below it.
if [ ! -e /sys/fs/cgroup/cgroup.procs ] && [ ! -e /sys/fs/cgroup/unified ]
then
    mkdir -p /run/cgroup
    umount /sys && mount --rbind /sys/fs/cgroup /run/cgroup
    mount -t sysfs sysfs /sys && mount --rbind /run/cgroup /sys/fs/cgroup
fi

# shellcheck source=../system/common.sh
. "$abs_top_srcdir/tests/system/common.sh"

status=0

# check DESCRIPTION COMMAND [ARG...]
check() {
    local description=$1
    shift
    if "$@" > check.out 2>&1; then
        echo "ok - $description"
    else
        echo "NOT OK - $description: $*"
        sed 's/^/    /' check.out
        status=1
    fi
}

refuse() {
    local description=$1
    shift
    # shellcheck disable=SC2016 # Expanded by the inner shell.
    check "$description" bash -c '! "$@"' refuse "$@"
}

# Within 20 seconds.
check_soon() {
    local description=$1
    shift
    check "$description" wait_until 20 "$@"
}

# An image with Busybox in it and nothing else, in image.tar.
make_image() {
    local applet
    mkdir -p image/bin image/etc image/proc image/sys image/dev image/tmp
    cp /bin/busybox image/bin
    for applet in sh ip ping nc sleep httpd wget cat; do
        ln -s busybox image/bin/$applet
    done
    echo root:x:0:0:root:/:/bin/sh > image/etc/passwd
    tar -C image -cf image.tar .
}

start_manager() {
    "$abs_top_builddir/manager/bastion-manager" --log-file --pidfile -vconsole:off \
        --unixctl=/run/openvswitch/manager.ctl > manager.out 2>&1 &
    manager_pid=$!
}

stop_manager() {
    kill "${1--TERM}" "$manager_pid"
    wait "$manager_pid" 2> /dev/null
}

manager() {
    ovs-appctl -t /run/openvswitch/manager.ctl "$@"
}

# Waits until the node enforces what the manager has written.
settle() {
    bastionctl --timeout=20 --wait=manager sync
    bastionctl --timeout=20 --wait=node sync
}

# Has the manager changed $1 rows since it started?
has_changed() {
    manager manager/show | grep -qx "  rows changed: $1"
}

# The one value of column $3 of the row of table $1 that is named $2.
column() {
    bastionctl --bare --columns="$3" find "$1" name="$2"
}

has_column() {
    [ "$(column "$1" "$2" "$3")" = "$4" ]
}

# Is there no such row?
has_no_row() {
    [ -z "$(column "$1" "$2" _uuid)" ]
}

# dependency "WEB SHOP/DB tcp:80" as depmap has it
has_dependency() {
    bastionctl --format=csv --no-headings dependency-list |
        grep -qx "\"*$1\"*,\"*$2\"*,both,\"*$3\"*,.*"
}

# attach PID CONTAINER-ID [BRIDGE]: takes the runtime's veth pair from its
# bridge and adds it to ours, as ovs-docker would have.
attach() {
    local pid=$1 id=$2 index veth
    nsenter --target "$pid" --net ethtool -K eth0 tx off > /dev/null
    index=$(nsenter --target "$pid" --net \
        sh -c 'ip -o link show eth0' | sed 's/.*eth0@if\([0-9]*\):.*/\1/')
    veth=$(ip -o link | sed -n "s/^$index: \([^@:]*\).*/\1/p")
    [ -n "$veth" ] || { echo "no veth for $id"; return 1; }
    ip link set "$veth" nomaster
    ip link set "$veth" up
    ovs-vsctl --may-exist add-port br-int "$veth" -- set Interface "$veth" \
        external_ids:container_id="$id" external_ids:container_iface=eth0
}
