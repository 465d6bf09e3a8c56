#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The tutorial's attack chain works on a plain bridge and fails with Bastion.

set -eu

cache=${BASTION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bastion}
[ -x "$cache/servers/usr/sbin/nginx" ] || {
    echo "skipped: no $cache/servers (run build-aux/install-deps)"
    exit 77
}
exec "$abs_top_srcdir/tutorial/quickstart" --build="$abs_top_builddir"
