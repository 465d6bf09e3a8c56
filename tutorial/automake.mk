# SPDX-License-Identifier: Apache-2.0
#
# A new file goes into EXTRA_DIST.

EXTRA_DIST +=
