#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# The fast path on ports of the kernel's datapath, in emulated machines with
# stock Debian kernels: by clsact in Linux 6.1, by tcx in 6.12.

set -u

# shellcheck source=vm-lib.sh
. "$abs_top_srcdir/tests/system/vm-lib.sh"
if vm_is_real; then
    for kernel in 6.1 6.12; do
        echo "Linux $kernel:"
        vm_run $kernel 140 || exit
    done
    exit 0
fi
# shellcheck disable=SC2119
vm_start || exit 1

# shellcheck disable=SC2034 # For the sandbox library.
SANDBOX_DATAPATH=system SANDBOX_FASTPATH=yes
# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

require bpftool ping
sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
i=2
for name in client server other; do
    sandbox_add_service web/$name
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/client web/server icmp icmp6 tcp:9000 tcp:9002 \
    udp:53
sandbox_add_dependency web/other web/server udp:53
sandbox_add_dependency web/server web/other udp:53
sandbox_add_dependency web/client host icmp icmp6
sandbox_sync
python "$tests/fastpath-direct.py"
vm_finish $?
