#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# What a compromised container finds out and can listen to: scans, MAC flooding
# and poisoning.  First on a bridge without Bastion, where all of it works.

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

require arping nmap ping

set_scene() {
    sandbox_start
    sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
        gateway=10.32.0.1 gateway=fd00:32::1
    i=2
    for name in attacker peer one two; do
        sandbox_add_service web/$name
        sandbox_add_container web/$name $name 10.32.0.$i fd00:32::$i
        i=$((i + 1))
    done
    sandbox_add_dependency web/attacker web/peer udp:53
    sandbox_add_dependency web/one web/two any
    sandbox_add_dependency web/two web/one any
    sandbox_add_dependency web/peer web/one udp:53
    sandbox_add_dependency host web/one udp:53
    sandbox_sync
    wait_until 10 has_addresses
}

# Until the host has made sure that nobody else has its addresses, it does not
# answer for them.
has_addresses() {
    [ -n "$(ip -6 address show dev br-int scope link -tentative)" ]
}

clear_scene() {
    ovs-vsctl del-br br-int
    sandbox_stop
    rm -f conf.db containers/* networks/*
    for name in attacker peer one two; do
        ip link del "$name"
        ip netns del "$name"
    done
}

SANDBOX_BASTION=no
set_scene
ovs-vsctl set Bridge br-int other_config:mac-table-size=64
python "$tests/discovery.py" plain "$@" || exit
clear_scene
SANDBOX_BASTION=yes
set_scene
python "$tests/discovery.py" bastion "$@"
