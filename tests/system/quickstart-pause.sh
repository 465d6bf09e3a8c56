#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# "quickstart --pause" stops at each step until its reader presses Enter.

set -eu

cache=${BASTION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bastion}
[ -x "$cache/servers/usr/sbin/nginx" ] || {
    echo "skipped: no $cache/servers (run build-aux/install-deps)"
    exit 77
}
exec /usr/bin/python3 -u "$abs_top_srcdir/tests/system/quickstart-pause.py" \
    "$abs_top_srcdir/tutorial" --build="$abs_top_builddir"
