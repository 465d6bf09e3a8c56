#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Kubernetes, from the real API server to packets: the cases of NetworkPolicies
# and what happens when the API server, its database or the manager fail.  And
# the other mode, without packets.

netpol=$abs_top_srcdir/tests/netpol
"$netpol/simulate.sh" zero-trust "$netpol/zero-trust.json" || exit
NETPOL_PROGRAM=$abs_top_srcdir/tests/platforms/kubernetes.py \
    exec "$netpol/traffic.sh" kubernetes "$netpol/cases.json"
