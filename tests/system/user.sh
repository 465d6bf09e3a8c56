#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# bastion-controller --user=USER:GROUP does its work without root's rights, if
# USER may write to the run directory and use the databases.
#
# Functions are called by name, through check().
# shellcheck disable=SC2317

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

account=nobody
uid=$(id -u "$account")
gid=$(id -g "$account")
group=$(id -gn "$account")
failed=0
umask 022

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

# What /proc says about the controller in line $1.
status() {
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status" | tr '\t' ' '
}

is() {
    [ "$1" = "$2" ] || { echo "  \"$1\", not \"$2\""; return 1; }
}

owned() {
    is "$(stat -c '%u:%g %a' "$OVS_RUNDIR/$1")" "$uid:$gid $2"
}

fails_to_start() {
    ! timeout 20 bastion-controller --user="$account:$group" --detach \
        --no-chdir --pidfile 2> start.log &&
        grep -q 'Permission denied' start.log
}

pings() {
    sandbox_exec "$1" ping -q -c 1 -W "$3" "$2" > ping.log
}

sandbox_start_ovsdb
sandbox_start_bastion_db
# shellcheck disable=SC2119
sandbox_start_vswitchd
check "without a run directory that $account may write to, it does not start" \
    fails_to_start
check "and leaves nothing behind" \
    test ! -e "$OVS_RUNDIR/bastion-controller.mgmt"

cd "$OVS_RUNDIR" && chgrp "$group" . db.sock bastion_db.sock &&
    chmod g+rwx . db.sock bastion_db.sock && cd "$SANDBOX_DIR" || exit 1
sandbox_start_controller --user="$account:$group"
pid=$(sandbox_daemon_pid bastion-controller)
check "every user id is that of $account" is "$(status Uid)" "$uid $uid $uid $uid"
check "every group id is that of $group" \
    is "$(status Gid)" "$gid $gid $gid $gid"
check "no other group is left" is "$(status Groups)" ""
# Open vSwitch's library keeps CAP_NET_BIND_SERVICE and CAP_IPC_LOCK.
check "only harmless capabilities are left" \
    is "$(status CapPrm) $(status CapEff)" "0000000000004400 0000000000004400"
check "the socket for bridges is its own" owned bastion-controller.mgmt 700
check "the control socket is its own" owned "bastion-controller.$pid.ctl" 750
check "the pid file is its own" owned bastion-controller.pid 600

sandbox_add_bridge "$SANDBOX_BRIDGE"
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 gateway=10.32.0.1
i=2
for name in alice bob carol; do
    sandbox_add_service web/$name
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/alice web/bob icmp:8 icmp6:128
sandbox_sync
check "its bridge lets pass what a dependency allows" pings alice 10.32.0.3 5
check "in IPv6, too" pings alice fd00:32::3 5
check "and nothing else" eval '! pings carol 10.32.0.3 1'
sandbox_add_dependency web/carol web/bob icmp:8
sandbox_sync
check "it follows the database" pings carol 10.32.0.3 5
check "root controls it" ovs-appctl -t bastion-controller bastion/show > show
check "it is still $account" is "$(status Uid)" "$uid $uid $uid $uid"
check "nothing was refused" \
    eval '! grep -i "permission denied\|not permitted" bastion-controller.log'
exit $failed
