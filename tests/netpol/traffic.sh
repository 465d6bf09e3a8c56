#!/bin/bash
# shellcheck source-path=SCRIPTDIR/../system
# SPDX-License-Identifier: Apache-2.0
#
# Usage: traffic.sh MODE FILE [CASE]...
#
# What tests/netpol/run does in namespaces of its own.  It attaches the pods as
# Antrea does.  $NETPOL_PROGRAM is run instead of netpol.py if it is set.

# shellcheck source=common.sh
. "$abs_top_srcdir/tests/system/common.sh"

netpol=$abs_top_srcdir/tests/netpol/netpol.py
missing=$(python "$netpol" missing) || exit 1
[ -z "$missing" ] || skip "no $missing"

file=$2
trap 'sandbox_stop_daemon bastion-manager; sandbox_stop' EXIT
sandbox_start
sandbox_daemon bastion-manager "$abs_top_builddir/manager/bastion-manager"
# shellcheck disable=SC2094 # Two files.
python "$netpol" topology "$file" > pods || exit 1
while read -r what name ips; do
    read -ra ips <<< "$ips"
    case $what in
    network)
        sandbox_add_network "$name" "${ips[@]}" ;;
    pod)
        SANDBOX_BASTION=no sandbox_add_container pods/none "$name" "${ips[@]}"
        sandbox_run ovs-vsctl set Port "$(sandbox_port "$name")" \
            external_ids:antrea-type=container \
            external_ids:pod-namespace="${name%%.*}" \
            external_ids:pod-name="${name#*.}" \
            external_ids:attached-mac="\"$(sandbox_mac "$name")\"" \
            external_ids:ip-address="\"$(IFS=,; echo "${ips[*]}")\"" ;;
    esac
done < pods
python "${NETPOL_PROGRAM-$netpol}" traffic "$@"
