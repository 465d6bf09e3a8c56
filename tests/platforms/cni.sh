#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# bastion-cni, called as a container runtime would: that containers it attaches
# are enforced when ADD returns, that failures leave nothing behind, that it
# copes with databases that are away and with many at once, and that a chain
# with another plugin works.

# shellcheck source=../system/common.sh
. "$abs_top_srcdir/tests/system/common.sh"

require ping tc
[ -x /usr/lib/cni/host-local ] || skip "no containernetworking-plugins"

sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
sandbox_add_service web/front
sandbox_sync
plugin=$abs_top_builddir/cni/bastion-cni
python "$abs_top_srcdir/tests/platforms/cni.py" "$plugin" &
pid=$!

# Daemons are the shell's business: cni.py asks for them by files.
while kill -0 $pid 2> /dev/null; do
    for request in daemon.*; do
        case $request in
        daemon.stop-bastion) sandbox_stop_daemon bastion-ovsdb-server ;;
        daemon.start-bastion) sandbox_start_bastion_db ;;
        daemon.stop-ovs) sandbox_stop_daemon ovsdb-server ;;
        daemon.start-ovs) sandbox_start_ovsdb ;;
        daemon.no-programs)
            sandbox_stop_daemon bastion-controller
            sandbox_start_controller --bpf-directory=/proc/none ;;
        daemon.programs)
            sandbox_stop_daemon bastion-controller
            sandbox_start_controller ;;
        *) continue ;;
        esac
        rm -f "$request"
    done
    sleep 0.1
done
wait $pid
