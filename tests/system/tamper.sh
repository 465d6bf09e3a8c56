#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# Somebody with access to the switch adds, removes and changes flows, settings
# and controllers: it is noticed, reported and undone within 10 seconds.

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
i=2
for name in client server attacker; do
    sandbox_add_service web/$name
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/client web/server udp:53
sandbox_add_dependency web/attacker web/server udp:53
sandbox_sync
python "$tests/tamper.py"
