#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# bastion-cni on the datapath of a stock Debian kernel, in an emulated machine:
# there, ports are veth interfaces.

set -u

# shellcheck source=../system/vm-lib.sh
. "$abs_top_srcdir/tests/system/vm-lib.sh"
if vm_is_real; then
    [ -x /usr/lib/cni/host-local ] || { echo "skipped: no host-local"; exit 77; }
    vm_run 6.1 280
    exit
fi
vm_start || exit 1

# shellcheck disable=SC2034 # For the sandbox library.
SANDBOX_DATAPATH=system
# shellcheck source=../system/common.sh
. "$abs_top_srcdir/tests/system/common.sh"

sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
sandbox_add_service web/front
sandbox_sync
python "$abs_top_srcdir/tests/platforms/cni.py" \
    "$abs_top_builddir/cni/bastion-cni" kernel
vm_finish $?
