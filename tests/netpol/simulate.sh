#!/bin/bash
# shellcheck source-path=SCRIPTDIR/../../tutorial
# SPDX-License-Identifier: Apache-2.0
#
# Usage: simulate.sh MODE FILE [CASE]...
#
# What tests/netpol/run --simulate does: a database and bastion-manager, with a
# stand-in for the API server, and no switch.

# shellcheck disable=SC2034 # The sandbox library asks for these names.
SANDBOX_BUILD=$abs_top_builddir SANDBOX_DATAPATH=dummy
# shellcheck source=sandbox-lib.sh
. "$abs_top_srcdir/tutorial/sandbox-lib.sh"
sandbox_init
trap 'sandbox_stop_daemon bastion-manager; sandbox_stop
      rm -rf "$SANDBOX_DIR"' EXIT
sandbox_start_bastion_db
sandbox_daemon bastion-manager "$abs_top_builddir/manager/bastion-manager"
"$PYTHON3" "$abs_top_srcdir/tests/netpol/netpol.py" simulate "$@" ||
    { status=$?; tail "$SANDBOX_DIR/bastion-manager.log"; exit $status; }
