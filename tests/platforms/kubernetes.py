# SPDX-License-Identifier: Apache-2.0
"""See tests/platforms/kubernetes.sh.

Usage: kubernetes.py traffic MODE FILE
"""

import copy
import json
import os
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
for folder in ("../netpol", "../system"):
    sys.path.insert(0, os.path.join(HERE, folder))
# pylint: disable=wrong-import-position
import netpol
import wire
from netpol import Failure, Runner, wait_for

DENY = {"podSelector": {}, "policyTypes": ["Ingress"]}
MANAGER = os.path.join(os.environ["abs_top_builddir"],
                       "manager/bastion-manager")
KUBERNETES = os.path.join(os.environ["abs_top_srcdir"], "kubernetes")


def run_cases(runner, data):
    for case in data["cases"]:
        runner.run_case(case)


def notice_wrong_case(runner, data):
    """A case that is wrong fails: in traffic, and in the simulation."""
    case = copy.deepcopy(next(c for c in data["cases"] if c["id"] == "K03"))
    denied = case["steps"][0]["denied"]["TCP/80"]
    open_one, closed_one = "y/b>x/b", denied[0]
    for wrong in (denied + [open_one], denied[1:]):
        case["steps"][0]["denied"]["TCP/80"] = wrong
        try:
            runner.run_case(case)
        except Failure as failure:
            what = (open_one + " TCP/80 is open" if open_one in wrong
                    else closed_one + " TCP/80 is closed")
            assert f"bastionctl check: {what}" in str(failure), failure
        else:
            raise Failure("a wrong case has passed")

        # As if the simulation had not noticed.
        runner.simulate = dict
        try:
            runner.run_case(case)
        except Failure as failure:
            assert f"traffic: {what}" in str(failure), failure
        else:
            raise Failure("traffic has not shown a wrong case")
        finally:
            del runner.simulate


def matrix(pods, denied):
    """TCP port 80 between all of 'pods', of which some are closed."""
    return {(src, dst, "TCP", 80): not denied(src, dst)
            for src in pods for dst in pods if src != dst}


def check_traffic(runner, wanted):
    got = runner.traffic.probe(wanted)
    if got != wanted:
        time.sleep(0.5)
        got = runner.traffic.probe(wanted)
    runner.compare(wanted, got, "traffic")


PODS = ("x/a", "x/b", "y/a")
ISOLATED = matrix(PODS, lambda src, dst: dst.startswith("x/"))
OPEN = matrix(PODS, lambda src, dst: False)


def survive_api_server(runner, _):
    """While the API server is away, everything stays as it was."""
    runner.api.put_netpol("x", "deny", DENY)
    runner.sync()
    check_traffic(runner, ISOLATED)
    server = runner.api.server
    server.kill_apiserver()
    wait_for(lambda: "connect" in runner.platform_status(), 20,
             "no complaint in the status")
    check_traffic(runner, ISOLATED)
    server.start_apiserver()
    server.wait_ready()
    runner.api.delete_netpol("x", "deny")
    runner.sync()
    check_traffic(runner, OPEN)
    wait_for(lambda: "connect" not in runner.platform_status(), 20,
             "a complaint in the status")


def survive_manager(runner, _):
    """A manager that is killed leaves what was enforced.  The next one sees
    what it has missed and makes no new identities."""
    runner.api.put_netpol("x", "deny", DENY)
    runner.sync()
    before = runner.database.select("Service", (), ("name", "identity"))
    with open(f"{netpol.RUNDIR}/bastion-manager.pid",
              encoding="ascii") as stream:
        os.kill(int(stream.read()), signal.SIGKILL)
    check_traffic(runner, ISOLATED)
    runner.api.put_netpol("x", "deny", {
        **DENY, "ingress": [{"from": [{"podSelector": {}}]}]})
    check_traffic(runner, ISOLATED)
    wire.sandbox("sandbox_daemon", "bastion-manager", MANAGER)
    runner.sync()
    check_traffic(runner, matrix(
        PODS, lambda src, dst: dst[0] == "x" and src[0] != "x"))
    after = runner.database.select("Service", (), ("name", "identity"))

    def kept(rows):
        return {row["name"]: row["identity"] for row in rows
                if not row["name"].startswith(netpol.SYNC)}

    assert kept(before) == kept(after), (before, after)
    runner.api.delete_netpol("x", "deny")
    runner.sync()
    check_traffic(runner, OPEN)


def reuse_address(runner, _):
    """A completed pod is no container, whoever has its address now."""
    server = runner.api.server
    name = "x/a"
    phase = {"phase": "Succeeded"}
    assert name in runner.database.containers()
    server.set_status("x", "a", phase)
    runner.sync()
    assert name not in runner.database.containers()
    check_traffic(runner, matrix(PODS, lambda src, dst: name in (src, dst)))
    server.delete_pod("x", "a")
    runner.api.put_pod(netpol.pod_object(runner.topology, name))
    runner.sync()
    wait_for(lambda: name in runner.database.containers(), 10, "no pod")
    netpol.bastionctl("--wait=node", "sync")
    check_traffic(runner, OPEN)


def accept_manifests(runner, _):
    """The API server accepts what Bastion is deployed with, and the manager's
    account may do what it needs, and nothing else."""
    server = runner.api.server
    manifest = os.path.join(KUBERNETES, "bastion.yaml")
    server.kubectl("apply", "--dry-run=client", "-f", manifest)
    server.kubectl("apply", "-f", os.path.join(KUBERNETES,
                                               "namespace.yaml"))
    server.kubectl("apply", "--dry-run=server", "-f", manifest)
    server.kubectl("apply", "-f", os.path.join(KUBERNETES, "rbac.yaml"))
    account = "--as=system:serviceaccount:bastion-system:bastion-manager"
    for resource, verbs in (
            ("pods", ("list", "watch")),
            ("namespaces", ("list", "watch")),
            ("nodes", ("list", "watch")),
            ("services", ("list", "watch")),
            ("networkpolicies.networking.k8s.io", ("list", "watch")),
            ("endpointslices.discovery.k8s.io", ("list", "watch")),
            ("secrets", ()), ("configmaps", ()), ("serviceaccounts", ())):
        for verb in ("get", "list", "watch", "create", "update", "patch",
                     "delete"):
            answer = subprocess.run(
                [os.path.join(netpol.kubernetes_server.SERVERS, "kubectl"),
                 f"--kubeconfig={server.kubeconfig}", "auth", "can-i", verb,
                 resource, "--all-namespaces", account], check=False,
                text=True, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL).stdout.strip()
            assert answer == ("yes" if verb in verbs else "no"), \
                f"{verb} {resource}: {answer}"


def survive_wipe(runner, _):
    """Another database behind the API server: what is not there is closed."""
    server = runner.api.server
    runner.api.put_netpol("x", "deny", DENY)
    runner.sync()
    server.wipe()
    wait_for(lambda: not runner.database.containers(), 30,
             "containers are still there: " + runner.platform_status())
    netpol.bastionctl("--wait=node", "sync")
    check_traffic(runner, matrix(PODS, lambda src, dst: True))
    runner.fill_cluster()
    wait_for(lambda: set(PODS) <= set(runner.database.containers()), 20,
             "pods have no rows")
    runner.sync()
    check_traffic(runner, OPEN)


def main():
    _, kind, mode, path = sys.argv
    with open(path, encoding="utf-8") as stream:
        data = json.load(stream)
    runner = Runner(kind, mode, data["topology"])
    failed = 0
    try:
        for test in (run_cases, notice_wrong_case, survive_api_server,
                     survive_manager, reuse_address, accept_manifests,
                     survive_wipe):
            start = time.monotonic()
            try:
                test(runner, data)
                result = "ok"
            except Exception:   # pylint: disable=broad-except
                traceback.print_exc()
                result = "FAILED"
                failed += 1
            print(f"{test.__name__}: {result} "
                  f"({time.monotonic() - start:.1f} s)", flush=True)
    finally:
        runner.api.stop()
    sys.stdout.flush()
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
