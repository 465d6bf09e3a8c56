#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# discovery.sh with the fast path on.

SANDBOX_FASTPATH=yes exec bash "$abs_top_srcdir/tests/system/discovery.sh" "$@"
