#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# Usage: restart.sh [--stop-time=SECONDS] [--seed=SEED] [SCENARIO...]
#
# Whatever happens to the daemons and to the database, what is allowed goes on
# without a loss as long as Open vSwitch forwards at all, and not one packet of
# a busy attacker arrives.

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
i=2
for name in client server attacker victim one two; do
    sandbox_add_service web/$name
    sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
    i=$((i + 1))
done
sandbox_add_dependency web/client web/server icmp:8 icmp6:128 tcp:9000 udp:53
for name in attacker server one two; do
    sandbox_add_dependency web/$name web/victim udp:53
done
sandbox_sync
python "$tests/restart.py" "$@"
