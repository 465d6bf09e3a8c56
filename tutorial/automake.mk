# SPDX-License-Identifier: Apache-2.0
#
# A script that is installed goes into bin_SCRIPTS and EXTRA_DIST, a file that
# an installed script reads into dist_pkgdata_DATA, every other file into
# EXTRA_DIST.

bin_SCRIPTS += tutorial/bastion-sandbox
dist_man_MANS += tutorial/bastion-sandbox.1
dist_pkgdata_DATA += \
	tutorial/quickstart.scenario \
	tutorial/sandbox-lib.sh \
	tutorial/sandbox-scenario.sh
EXTRA_DIST += \
	Documentation/tutorials/index.rst \
	Documentation/tutorials/quickstart.rst \
	Documentation/tutorials/sandbox.rst \
	tests/system/quickstart-pause.py \
	tutorial/bastion-sandbox \
	tutorial/check-document \
	tutorial/forge.py \
	tutorial/quickstart \
	tutorial/quickstart-chain \
	tutorial/quickstart-server

SYSTEM_TESTS += \
	tests/system/quickstart-pause.sh \
	tests/system/quickstart.sh \
	tests/system/sandbox.sh
