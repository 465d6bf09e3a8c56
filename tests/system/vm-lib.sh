# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by system tests that run in an emulated machine with a stock kernel,
# before anything else:
#
#     vm_run 6.1 280 || exit      # This test again, there; see tests/vm/run.
#
# On the real machine, vm_run returns the test's exit status and vm_is_real
# succeeds.  In the emulated one, vm_start prepares for ovs-vswitchd.

vm_is_real() {
    [ -z "${BASTION_TEST_VM-}" ]
}

# vm_run KERNEL SECONDS
vm_run() {
    local vm=$abs_top_srcdir/tests/vm/run
    command -v qemu-system-x86_64 > /dev/null \
        || { echo "skipped: no qemu-system-x86_64"; return 77; }
    "$vm" --kernel="$1" --fetch \
        || { echo "skipped: no kernel; see \"$vm --fetch\""; return 77; }
    BASTION_TEST_VM=$1 "$vm" --kernel="$1" --timeout="$2" -- bash "$0"
}

# vm_start [MODULE]...
# shellcheck disable=SC2120
vm_start() {
    modprobe -a openvswitch "$@" || return
    # ovs-vswitchd 3.1 counts no processors, and so starts no handlers, while
    # the machine has been up for less than 10 s: see count_cpu_cores().
    until [ "$(cut -d. -f1 /proc/uptime)" -gt 10 ]; do sleep 0.2; done
    export ASAN_OPTIONS+=":log_path=$PWD/sanitizer"
    export UBSAN_OPTIONS+=":log_path=$PWD/sanitizer"
}

# vm_finish STATUS: what is in files ends with the machine.  Exits.
vm_finish() {
    local status=$1 file
    sandbox_stop
    [ "$status" = 0 ] || tail -n 30 bastion-controller.log ovs-vswitchd.log
    for file in sanitizer.*; do
        [ ! -e "$file" ] || { cat "$file"; status=1; }
    done
    exit "$status"
}
