#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# Bastion on the datapath of a stock Debian kernel, in an emulated machine:
# what is allowed passes and what is not does not, meters count, connections
# are cut and restored, and SCTP, which only this datapath tracks, is policed.

set -u

# shellcheck source=vm-lib.sh
. "$abs_top_srcdir/tests/system/vm-lib.sh"
if vm_is_real; then
    vm_run 6.1 280
    exit
fi
vm_start sctp || exit 1

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
vm_finish $?
