# SPDX-License-Identifier: Apache-2.0
#
# make check         unit tests, checks of the source, Autotest; no root
# make check-system  tests with traffic in namespaces; root
#
# A unit test is a program in check_PROGRAMS and TESTS, with its _SOURCES and
# _LDADD.  An area of the Autotest suite is a file in TESTSUITE_AT that
# tests/testsuite.at includes.  A system test is an executable in SYSTEM_TESTS
# whose name ends in ".sh"; tests/run-system-test says what it may rely on.
# Every test runs in the environment that tests/atlocal sets up.

AM_TESTS_ENVIRONMENT = \
	. $(abs_top_builddir)/tests/atlocal; \
	BASTION_PROGRAMS='$(sbin_PROGRAMS) $(bin_PROGRAMS) $(cni_PROGRAMS) $(check_PROGRAMS)'; \
	export BASTION_PROGRAMS;
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = $(srcdir)/tests/run-system-test

EXTRA_DIST += \
	tests/allowed-skips \
	tests/bench/cni \
	tests/bench/control-plane \
	tests/bench/kubernetes \
	tests/bench/kubernetes.py \
	tests/check-sanitizers \
	tests/ovs-patches \
	tests/run \
	tests/run-system-test \
	tests/vm/run

# Checks of the source and of what was built from it.
source_checks = \
	build-aux/check-c-style \
	build-aux/check-hardening \
	build-aux/check-includes \
	build-aux/check-shell \
	build-aux/check-spdx \
	build-aux/check-symbols
EXTRA_DIST += $(source_checks)
TESTS += $(source_checks)

# Autotest.
TESTSUITE = $(srcdir)/tests/testsuite
TESTSUITE_AT = \
	tests/testsuite.at \
	tests/macros.at \
	tests/bastionctl.at \
	tests/bastion-macros.at \
	tests/keystone.at \
	tests/controller.at \
	tests/schema.at \
	tests/of-switch.at
EXTRA_DIST += $(TESTSUITE_AT) $(TESTSUITE) tests/package.m4
DISTCLEANFILES += tests/atconfig

CHECK_LOCAL += check-autotest
check-autotest: $(TESTSUITE)
	$(SHELL) '$(TESTSUITE)' -C tests $(TESTSUITEFLAGS)
	$(srcdir)/tests/check-sanitizers tests/sanitizers

CLEAN_LOCAL += clean-autotest
clean-autotest:
	test ! -f '$(TESTSUITE)' || $(SHELL) '$(TESTSUITE)' -C tests --clean
	rm -rf tests/sanitizers tests/system.dir tests/fuzz/found

# Both are made in the source tree, because a release contains them.
$(TESTSUITE): $(TESTSUITE_AT) $(srcdir)/tests/package.m4
	$(AM_V_GEN)$(AUTOM4TE) --language=autotest -I '$(srcdir)' -I '$(srcdir)/tests' \
		-o $@.$$$$ \
		$(srcdir)/tests/testsuite.at && \
	mv $@.$$$$ $@

$(srcdir)/tests/package.m4: $(top_srcdir)/configure.ac
	$(AM_V_GEN){ \
	  echo 'm4_define([AT_PACKAGE_NAME],      [$(PACKAGE_NAME)])'; \
	  echo 'm4_define([AT_PACKAGE_TARNAME],   [$(PACKAGE_TARNAME)])'; \
	  echo 'm4_define([AT_PACKAGE_VERSION],   [$(PACKAGE_VERSION)])'; \
	  echo 'm4_define([AT_PACKAGE_STRING],    [$(PACKAGE_STRING)])'; \
	  echo 'm4_define([AT_PACKAGE_BUGREPORT], [$(PACKAGE_BUGREPORT)])'; \
	} > $@.$$$$ && mv $@.$$$$ $@

# Fuzz targets.  A target is tests/fuzz/fuzz-NAME.c, an entry in FUZZ_TARGETS,
# and tests/fuzz/corpus/NAME/.  "make check" gives it its corpus.  With
# --enable-fuzzers, "make check-fuzz" looks for new inputs, for FUZZ_SECONDS
# each.
FUZZ_SECONDS = 30
FUZZ_TARGETS = \
	tests/fuzz/fuzz-bpf-parse \
	tests/fuzz/fuzz-cni \
	tests/fuzz/fuzz-docker \
	tests/fuzz/fuzz-kubernetes \
	tests/fuzz/fuzz-of-switch \
	tests/fuzz/fuzz-packet-in \
	tests/fuzz/fuzz-parsers
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += tests/fuzz/check-corpus
EXTRA_DIST += tests/fuzz/check-corpus tests/fuzz/corpus

fuzz_driver = tests/fuzz/fuzz.h
if !FUZZERS
fuzz_driver += tests/fuzz/replay.c
endif
tests_fuzz_fuzz_cni_SOURCES = tests/fuzz/fuzz-cni.c $(fuzz_driver)
tests_fuzz_fuzz_cni_LDADD = cni/libbastion-cni.la
tests_fuzz_fuzz_cni_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
tests_fuzz_fuzz_kubernetes_SOURCES = \
	tests/fuzz/fuzz-kubernetes.c \
	$(fuzz_driver)
tests_fuzz_fuzz_kubernetes_CPPFLAGS = $(AM_CPPFLAGS) -Ujson_object_put
tests_fuzz_fuzz_kubernetes_CFLAGS = $(AM_CFLAGS) $(JSON_C_CFLAGS)
tests_fuzz_fuzz_kubernetes_LDADD = manager/libcollectors.la $(JSON_C_LIBS)
tests_fuzz_fuzz_kubernetes_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
tests_fuzz_fuzz_bpf_parse_SOURCES = \
	tests/fuzz/bpf-parse.c \
	tests/fuzz/bpf-parse.h \
	tests/fuzz/fuzz-bpf-parse.c \
	$(fuzz_driver)
tests_fuzz_fuzz_bpf_parse_LDADD = controller/libbastion-controller.la
tests_fuzz_fuzz_bpf_parse_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
tests_fuzz_fuzz_docker_SOURCES = tests/fuzz/fuzz-docker.c $(fuzz_driver)
tests_fuzz_fuzz_docker_CPPFLAGS = $(AM_CPPFLAGS) -Ujson_object_put
tests_fuzz_fuzz_docker_CFLAGS = $(AM_CFLAGS) $(JSON_C_CFLAGS)
tests_fuzz_fuzz_docker_LDADD = manager/libcollectors.la $(JSON_C_LIBS)
tests_fuzz_fuzz_docker_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
tests_fuzz_fuzz_of_switch_SOURCES = \
	tests/fuzz/fuzz-of-switch.c $(fuzz_driver)
tests_fuzz_fuzz_of_switch_LDADD = controller/libbastion-controller.la
tests_fuzz_fuzz_of_switch_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
tests_fuzz_fuzz_packet_in_SOURCES = \
	tests/fuzz/fuzz-packet-in.c $(fuzz_driver)
tests_fuzz_fuzz_packet_in_LDADD = controller/libbastion-controller.la
tests_fuzz_fuzz_packet_in_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
tests_fuzz_fuzz_parsers_SOURCES = tests/fuzz/fuzz-parsers.c $(fuzz_driver)
tests_fuzz_fuzz_parsers_LDADD = lib/libbastion.la
tests_fuzz_fuzz_parsers_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)

check-fuzz: $(FUZZ_TARGETS)
	@$(AM_TESTS_ENVIRONMENT) status=0; \
	$(srcdir)/tests/fuzz/check-corpus \
		-max_total_time=$(FUZZ_SECONDS) || status=1; \
	$(srcdir)/tests/check-sanitizers tests/sanitizers && exit $$status
.PHONY: check-fuzz

# System tests.
SYSTEM_TESTS = \
	tests/system/bpf-kernels.sh \
	tests/system/fastpath-shield.sh \
	tests/platforms/cni-kernel.sh \
	tests/platforms/cni-runtimes.sh \
	tests/platforms/cni.sh \
	tests/platforms/docker.sh \
	tests/platforms/podman.sh \
	tests/platforms/kubernetes.sh \
	tests/system/control-plane-attack.sh \
	tests/system/control-plane-attack-fastpath.sh \
	tests/system/discovery.sh \
	tests/system/discovery-fastpath.sh \
	tests/system/fastpath.sh \
	tests/system/fastpath-direct.sh \
	tests/system/fastpath-repair.sh \
	tests/system/kernel-datapath.sh \
	tests/system/observer.sh \
	tests/system/ovs-baseline.sh \
	tests/system/policy.sh \
	tests/system/policy-fastpath.sh \
	tests/system/restart.sh \
	tests/system/restart-fastpath.sh \
	tests/system/spoof-matrix.sh \
	tests/system/spoof-matrix-fastpath.sh \
	tests/system/tamper.sh \
	tests/system/tamper-fastpath.sh \
	tests/system/user.sh
EXTRA_DIST += \
	$(SYSTEM_TESTS) \
	tests/platforms/cni.py \
	tests/platforms/cni_runtime.py \
	tests/platforms/runtimes.sh \
	tests/system/common.sh \
	tests/system/control-plane-attack.py \
	tests/system/discovery.py \
	tests/system/fastpath-direct.py \
	tests/system/fastpath-lib.sh \
	tests/system/kernel-datapath.py \
	tests/system/observer.py \
	tests/system/openflow.py \
	tests/system/policy.py \
	tests/system/restart.py \
	tests/system/scene.py \
	tests/system/spoof-matrix.py \
	tests/system/tamper.py \
	tests/system/vm-lib.sh \
	tests/system/wire.py

check-system: all $(check_PROGRAMS)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(SYSTEM_TESTS)' \
		TEST_SUITE_LOG=tests/check-system.log
	$(srcdir)/tests/check-sanitizers tests/sanitizers
.PHONY: check-system

# Unit tests of lib/.
unit_lib_tests = \
	tests/test-address \
	tests/test-peer \
	tests/test-policy
check_PROGRAMS += $(unit_lib_tests)
TESTS += $(unit_lib_tests)

noinst_HEADERS += tests/ovs-compat.h tests/test-random.h
tests_test_address_SOURCES = tests/test-address.c
tests_test_address_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_address_LDADD = lib/libbastion.la $(CMOCKA_LIBS)
tests_test_peer_SOURCES = tests/test-peer.c
tests_test_peer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_peer_LDADD = lib/libbastion.la $(CMOCKA_LIBS)
tests_test_policy_SOURCES = tests/test-policy.c
tests_test_policy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_policy_LDADD = lib/libbastion.la $(CMOCKA_LIBS)

# Unit tests of manager/.
unit_manager_tests = \
	tests/test-manager-docker \
	tests/test-manager-http \
	tests/test-manager-json
check_PROGRAMS += $(unit_manager_tests)
TESTS += $(unit_manager_tests)
TESTS += tests/platforms/docker-faults
EXTRA_DIST += tests/manager/http-server.py tests/platforms/docker-faults
tests_test_manager_docker_SOURCES = tests/test-manager-docker.c
tests_test_manager_docker_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_manager_docker_LDADD = manager/libmanager.la $(CMOCKA_LIBS)
tests_test_manager_http_SOURCES = tests/test-manager-http.c
tests_test_manager_http_CFLAGS = \
	$(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LIBEVENT_CFLAGS)
tests_test_manager_http_LDADD = manager/libmanager.la $(CMOCKA_LIBS)
tests_test_manager_json_SOURCES = tests/test-manager-json.c
tests_test_manager_json_CPPFLAGS = $(AM_CPPFLAGS) -Ujson_object_put
tests_test_manager_json_CFLAGS = \
	$(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
tests_test_manager_json_LDADD = manager/libcollectors.la $(CMOCKA_LIBS)

# OpenFlow switches: a driver without a policy for tests/of-switch.at.
check_PROGRAMS += tests/ofsync-driver
tests_ofsync_driver_SOURCES = tests/ofsync-driver.c
tests_ofsync_driver_LDADD = controller/libbastion-controller.la
EXTRA_DIST += \
	tests/nd-packets.py \
	tests/of-bad-peer.py \
	tests/of-switch-flows.txt

# The traffic of tests/bench/datapath.
check_PROGRAMS += tests/bench/flood tests/bench/traffic
tests_bench_flood_SOURCES = tests/bench/flood.c
tests_bench_flood_LDADD = lib/libbastion.la
tests_bench_traffic_SOURCES = tests/bench/traffic.c
tests_bench_traffic_LDADD = lib/libbastion.la
EXTRA_DIST += \
	tests/bench/datapath \
	tests/bench/datapath-inside \
	tests/bench/datapath-rules

# Simulator, flows and switch against each other: see tests/keystone.c.
check_PROGRAMS += tests/keystone
tests_keystone_SOURCES = \
	tests/bpf-harness.c \
	tests/bpf-harness.h \
	tests/keystone.c \
	tests/keystone-bpf.c \
	tests/keystone-bpf.h \
	tests/keystone-ovs.c \
	tests/keystone-ovs.h \
	tests/keystone-packet.c \
	tests/keystone-packet.h \
	tests/keystone-world.c \
	tests/keystone-world.h
tests_keystone_LDADD = controller/libbastion-controller.la

# Unit tests of controller/'s OpenFlow part.
unit_openflow_tests = \
	tests/test-flow-sync \
	tests/test-nd-responder
check_PROGRAMS += $(unit_openflow_tests)
TESTS += $(unit_openflow_tests)
tests_test_flow_sync_SOURCES = tests/test-flow-sync.c
tests_test_flow_sync_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_flow_sync_LDADD = controller/libbastion-controller.la $(CMOCKA_LIBS)
tests_test_nd_responder_SOURCES = tests/test-nd-responder.c
tests_test_nd_responder_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_nd_responder_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)

# Unit tests of controller/'s core.
unit_core_tests = \
	tests/test-compiler \
	tests/test-flow-table \
	tests/test-netmap \
	tests/test-pipeline \
	tests/test-policy-sim
check_PROGRAMS += $(unit_core_tests)
TESTS += $(unit_core_tests)
tests_test_compiler_SOURCES = \
	tests/test-compiler.c \
	tests/test-rows.c \
	tests/test-rows.h
tests_test_compiler_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_compiler_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)
tests_test_flow_table_SOURCES = tests/test-flow-table.c
tests_test_flow_table_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_flow_table_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)
tests_test_netmap_SOURCES = tests/test-netmap.c
tests_test_netmap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_netmap_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)
tests_test_pipeline_SOURCES = \
	tests/test-pipeline.c \
	tests/test-rows.c \
	tests/test-rows.h
tests_test_pipeline_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_pipeline_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)
EXTRA_DIST += tests/test-pipeline.flows
tests_test_policy_sim_SOURCES = \
	tests/test-policy-sim.c \
	tests/test-rows.c \
	tests/test-rows.h
tests_test_policy_sim_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_policy_sim_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)

# Unit tests of cni/, and of controller/'s part in it.
unit_cni_tests = \
	tests/test-attachments \
	tests/test-cni
check_PROGRAMS += $(unit_cni_tests)
TESTS += $(unit_cni_tests)
tests_test_attachments_SOURCES = tests/test-attachments.c
tests_test_attachments_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_attachments_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)
tests_test_cni_SOURCES = tests/test-cni.c
tests_test_cni_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_cni_LDADD = cni/libbastion-cni.la $(CMOCKA_LIBS)

# Unit tests of controller/'s commands.
check_PROGRAMS += tests/test-inspect
TESTS += tests/test-inspect
tests_test_inspect_SOURCES = \
	tests/test-inspect.c \
	tests/test-rows.c \
	tests/test-rows.h
tests_test_inspect_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_inspect_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)

# Unit tests of controller/'s fast path.
check_PROGRAMS += tests/bpf-verifier tests/test-bpf-matrix
TESTS += tests/bpf-verifier
tests_bpf_verifier_SOURCES = tests/bpf-verifier.c
tests_bpf_verifier_LDADD = controller/libbastion-controller.la
tests_test_bpf_matrix_SOURCES = \
	tests/bpf-harness.c \
	tests/bpf-harness.h \
	tests/test-bpf-matrix.c \
	tests/test-rows.c \
	tests/test-rows.h
tests_test_bpf_matrix_LDADD = controller/libbastion-controller.la
EXTRA_DIST += tests/spoof-rows.py
unit_fastpath_tests = \
	tests/test-bpf \
	tests/test-fastpath-render \
	tests/test-map-table
check_PROGRAMS += $(unit_fastpath_tests)
TESTS += $(unit_fastpath_tests)
tests_test_bpf_SOURCES = \
	tests/bpf-harness.c \
	tests/bpf-harness.h \
	tests/test-bpf.c \
	tests/test-rows.c \
	tests/test-rows.h
tests_test_bpf_LDADD = controller/libbastion-controller.la
tests_test_fastpath_render_SOURCES = \
	tests/test-fastpath-render.c \
	tests/test-rows.c \
	tests/test-rows.h
tests_test_fastpath_render_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_fastpath_render_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)
tests_test_map_table_SOURCES = tests/test-map-table.c
tests_test_map_table_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_test_map_table_LDADD = \
	controller/libbastion-controller.la \
	$(CMOCKA_LIBS)

# Unit tests of manager/'s Kubernetes part.
check_PROGRAMS += tests/test-netpol
TESTS += tests/test-netpol
tests_test_netpol_SOURCES = tests/test-netpol.c
tests_test_netpol_CPPFLAGS = $(AM_CPPFLAGS) -Ujson_object_put
tests_test_netpol_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
tests_test_netpol_LDADD = \
	manager/libcollectors.la $(CMOCKA_LIBS) $(JSON_C_LIBS)
EXTRA_DIST += \
	tests/netpol/cases.json \
	tests/netpol/netpol.py \
	tests/netpol/run \
	tests/netpol/simulate.sh \
	tests/netpol/traffic.sh \
	tests/netpol/zero-trust.json \
	tests/platforms/kubernetes.py \
	tests/platforms/kubernetes_server.py

# The Kubernetes collector against a stand-in for the API server.
check_PROGRAMS += tests/platforms/kubernetes-driver
TESTS += tests/platforms/kubernetes-faults
tests_platforms_kubernetes_driver_SOURCES = \
	tests/platforms/kubernetes-driver.c
tests_platforms_kubernetes_driver_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
tests_platforms_kubernetes_driver_LDADD = manager/libcollectors.la
EXTRA_DIST += \
	tests/platforms/kubernetes-faults \
	tests/platforms/kubernetes_api.py
