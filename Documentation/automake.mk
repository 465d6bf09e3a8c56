# SPDX-License-Identifier: Apache-2.0
#
# A new page goes into DOC_PAGES and into a toctree.  build-aux/check-docs
# checks pages against the source, tests/check-docs runs their commands.

DOC_PAGES = \
	Documentation/index.rst \
	Documentation/howto/audit-then-enforce.rst \
	Documentation/howto/cidr-world.rst \
	Documentation/howto/cni.rst \
	Documentation/howto/fast-path.rst \
	Documentation/howto/dhcp.rst \
	Documentation/howto/dns-gateway.rst \
	Documentation/howto/docker-by-hand.rst \
	Documentation/howto/docker.rst \
	Documentation/howto/kubernetes.rst \
	Documentation/internals/architecture.rst \
	Documentation/internals/connection-based-policy.rst \
	Documentation/internals/fast-path.rst \
	Documentation/internals/incremental.rst \
	Documentation/internals/pipeline.rst \
	Documentation/internals/security.rst \
	Documentation/internals/speed.rst \
	Documentation/internals/testing.rst \
	Documentation/intro/install/debian.rst \
	Documentation/intro/install/general.rst \
	Documentation/performance.rst \
	Documentation/reference/appctl.rst \
	Documentation/reference/bastionctl-policy.rst \
	Documentation/reference/database.rst \
	Documentation/reference/drop-reasons.rst \
	Documentation/reference/flow-tables.rst \
	Documentation/reference/ovs-options.rst
EXTRA_DIST += $(DOC_PAGES) Documentation/conf.py
EXTRA_DIST += \
	build-aux/check-docs \
	tests/check-docs \
	tests/stand-ins/bastion-cni \
	tests/stand-ins/dig \
	tests/stand-ins/dnsmasq \
	tests/stand-ins/docker

TESTS += build-aux/check-docs
SYSTEM_TESTS += tests/system/docs.sh
