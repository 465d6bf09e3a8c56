# shellcheck shell=bash source-path=SCRIPTDIR/../../tutorial
# SPDX-License-Identifier: Apache-2.0
#
# What the system tests of Bastion have in common.  A test is a shell script
# that sources this file, builds its scene with the functions of the sandbox
# library, and leaves the traffic to a Python program of the same name, which
# prints one line per check and fails if one of them failed.

set -u

# The names are those that the sandbox library asks for.
# shellcheck disable=SC2034
SANDBOX_PRIVATE=yes SANDBOX_BUILD=$abs_top_builddir SANDBOX_DIR=$PWD
# shellcheck source=sandbox-lib.sh
. "$abs_top_srcdir/tutorial/sandbox-lib.sh"

tests=$abs_top_srcdir/tests/system

skip() {
    echo "skipped: $*"
    exit 77
}

require() {
    local program
    for program; do
        command -v "$program" > /dev/null || skip "no $program"
    done
}

# Debian's own Python is the one that has scapy.
python() {
    PYTHONPATH=$tests /usr/bin/python3 -u "$@"
}
python -c 'import scapy' 2> /dev/null || skip "no scapy"

# Sanitizers report when a program ends.
trap sandbox_stop EXIT
sandbox_init
