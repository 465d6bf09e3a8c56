#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The commands in the documentation do what it says.

set -eu

exec "$PYTHON3" "$abs_top_srcdir/tests/check-docs"
