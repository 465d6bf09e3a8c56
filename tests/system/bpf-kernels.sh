#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# The fast path's programs on this machine's kernel and on stock Debian kernels
# in emulated machines: what their verifiers say, and that packets are treated
# alike.

set -u

# shellcheck source=vm-lib.sh
. "$abs_top_srcdir/tests/system/vm-lib.sh"

if vm_is_real; then
    "$abs_top_builddir/tests/bpf-verifier" || exit
    for kernel in 6.1 6.12; do
        vm_run $kernel 140 || exit
    done
    exit 0
fi

"$abs_top_builddir/tests/bpf-verifier" || exit
"$abs_top_builddir/tests/test-bpf"
