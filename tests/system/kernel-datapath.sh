#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# Bastion on the datapath of a stock Debian kernel, in an emulated machine:
# what is allowed passes and what is not does not, meters count, connections
# are cut and restored, and SCTP, which only this datapath tracks, is policed.

set -u

# On the real machine: starts this script again in the emulated one.
vm=$abs_top_srcdir/tests/vm/run
if [ "${BASTION_TEST_VM-}" != yes ]; then
    command -v qemu-system-x86_64 > /dev/null \
        || { echo "skipped: no qemu-system-x86_64"; exit 77; }
    "$vm" --fetch \
        || { echo "skipped: no kernel; see \"$vm --fetch\""; exit 77; }
    BASTION_TEST_VM=yes exec "$vm" --timeout=280 -- bash "$0"
fi

modprobe -a openvswitch sctp || exit 1

# ovs-vswitchd 3.1 counts no processors, and so starts no handlers, while the
# machine has been up for less than 10 s: see count_cpu_cores().
until [ "$(cut -d. -f1 /proc/uptime)" -gt 10 ]; do sleep 0.2; done

export ASAN_OPTIONS+=":log_path=$PWD/sanitizer"
export UBSAN_OPTIONS+=":log_path=$PWD/sanitizer"
SANDBOX_DATAPATH=system
# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
i=2
for name in client server other; do
    sandbox_add_service web/$name
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/client web/server icmp:8 icmp6:128 tcp:9000 udp:53
sandbox_add_dependency web/client host icmp:8 icmp6:128
sandbox_add_dependency web/other web/server udp:53
sandbox_add_dependency web/server web/other udp:53
sandbox_sync
python "$tests/kernel-datapath.py"
status=$?

# What is in files ends with the machine.
sandbox_stop
[ $status = 0 ] || tail -n 30 bastion-controller.log ovs-vswitchd.log
for file in sanitizer.*; do
    [ ! -e "$file" ] || { cat "$file"; status=1; }
done
exit $status
