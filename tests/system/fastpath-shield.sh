#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# A container on the fast path does not get many packets that nothing allows
# past its port: refused connections end there, and what Open vSwitch has to
# decide about is limited.  What is allowed goes on meanwhile.
#
# shellcheck disable=SC2317 # Functions are called by "check".

# shellcheck disable=SC2034 # For the sandbox library.
SANDBOX_FASTPATH=yes
# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

require ping
sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
sandbox_add_service web/client
sandbox_add_service web/server
sandbox_add_container web/client client 10.32.0.2 fd00:32::2
sandbox_add_container web/server server 10.32.0.3 fd00:32::3
sandbox_add_dependency web/client web/server icmp:8 icmp6:128 tcp:9000
sandbox_sync

cat > send.py <<'END'
import socket
import sys

kind, address, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
for i in range(n):
    if kind == "udp":
        if not i:
            s = socket.socket(family, socket.SOCK_DGRAM)
        s.sendto(b"x", (address, 1024 + i % 60000))
    else:
        s = socket.socket(family, socket.SOCK_STREAM)
        s.setblocking(False)
        s.connect_ex((address, 1024 + i % 7000))
        s.close()
END

status=0
# check DESCRIPTION COMMAND [ARG...]
check() {
    local description=$1
    shift
    if "$@"; then
        echo "ok - $description"
    else
        echo "NOT OK - $description: $*"
        status=1
    fi
}

to_ovs() {
    ovs-appctl -t bastion-controller bastion/fastpath client |
        sed -n 's/^ *to Open vSwitch: \([0-9]*\) packets.*/\1/p'
}

# dropped REASON
dropped() {
    ovs-appctl -t bastion-controller bastion/drops |
        awk -v reason="$1" \
            '$2 == reason && $3 == "drop" { n += $4 } END { print n + 0 }'
}

pings() {
    sandbox_exec client ping -q -c 3 -i 0.05 -W 1 "$1" > /dev/null
}

for address in 10.32.0.3 fd00:32::3; do
    # Neighbors are known then.
    check "$address answers" pings "$address"

    before=$(to_ovs)
    refused=$(dropped egress-policy)
    sandbox_exec client /usr/bin/python3 send.py tcp "$address" 500
    after=$(to_ovs)
    echo "500 refused connections: $((after - before)) packets to Open vSwitch"
    # Other packets than those of the test are few.
    check "refused connections end at the port" [ $((after - before)) -lt 50 ]
    check "and are counted" [ $(($(dropped egress-policy) - refused)) -ge 500 ]

    before=$after
    limited=$(dropped rate-limit)
    start=$(date +%s%N)
    sandbox_exec client /usr/bin/python3 send.py udp "$address" 20000
    ms=$((($(date +%s%N) - start) / 1000000))
    after=$(to_ovs)
    echo "20000 datagrams in $ms ms: $((after - before)) to Open vSwitch," \
        "$(($(dropped rate-limit) - limited)) over the limit"
    check "Open vSwitch is asked within limits" \
        [ $((after - before)) -le $((2000 + ms + 1000)) ]
    # The burst of the address before may have used most of the limit.
    check "and is asked" [ $((after - before)) -ge 100 ]
    check "the rest is counted" \
        [ $(($(dropped rate-limit) - limited)) -ge $((20000 - 4000 - ms)) ]
    check "$address still answers" pings "$address"
done
exit $status
