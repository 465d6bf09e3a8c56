#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# What a capture on the host sees of a packet from one container to another, on
# each interface, in each mode of the fast path.  The results must be the table
# in Documentation/howto/fast-path.rst.

set -u

# shellcheck source=vm-lib.sh
. "$abs_top_srcdir/tests/system/vm-lib.sh"

# shellcheck disable=SC2034 # For the sandbox library.
SANDBOX_DATAPATH=netdev SANDBOX_FASTPATH=yes
if vm_is_real; then
    # First, as the emulated machine sees the files of this one.
    vm_run 6.12 140 || exit
else
    # shellcheck disable=SC2119
    vm_start || exit 1
    SANDBOX_DATAPATH=system
fi
# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
i=2
for name in alice bob carol dave; do
    sandbox_add_service web/$name
    # With a userspace datapath, carol and dave have ordinary ports.
    case $SANDBOX_DATAPATH,$name in netdev,[cd]*) SANDBOX_FASTPATH=no ;; esac
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/alice web/bob udp:9000
sandbox_add_dependency web/carol web/dave udp:9000
sandbox_sync
python "$tests/observer.py" "$SANDBOX_DATAPATH" \
    "$abs_top_srcdir/Documentation/howto/fast-path.rst"
status=$?
vm_is_real || vm_finish $status
exit $status
