#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Kubernetes, from the real API server to packets: the cases of NetworkPolicies
# and what happens when the API server, its database or the manager fail.

NETPOL_PROGRAM=$abs_top_srcdir/tests/platforms/kubernetes.py \
    exec "$abs_top_srcdir/tests/netpol/traffic.sh" \
    "${1-kubernetes}" "${2-$abs_top_srcdir/tests/netpol/cases.json}"
