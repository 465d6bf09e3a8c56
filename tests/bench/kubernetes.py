# SPDX-License-Identifier: Apache-2.0
"""See tests/bench/kubernetes."""

import argparse
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../platforms"))
# pylint: disable=wrong-import-position
from kubernetes_api import Cluster, Server, namespace_object, netpol, pod

RUNDIR = os.environ["OVS_RUNDIR"]
DAEMONS = ("bastion-manager", "bastion-controller", "ovs-vswitchd")


class Generations:
    """Follows Bastion:generation and Node:generation."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(f"{RUNDIR}/bastion_db.sock")
        self.decoder = json.JSONDecoder()
        self.buffer = ""
        self.wanted = self.node = 0
        self.sock.sendall(json.dumps({"id": 1, "method": "monitor", "params": [
            "Bastion", None, {"Bastion": {"columns": ["generation"]},
                              "Node": {"columns": ["generation"]}}]}).encode())

    def receive(self, timeout):
        if not select.select([self.sock], [], [], timeout)[0]:
            return
        self.buffer += self.sock.recv(1 << 20).decode()
        while self.buffer:
            try:
                message, end = self.decoder.raw_decode(self.buffer)
            except ValueError:
                return
            self.buffer = self.buffer[end:].lstrip()
            if message.get("method") == "echo":
                self.sock.sendall(json.dumps({
                    "id": message["id"], "result": message["params"],
                    "error": None}).encode())
            tables = (message["params"][1] if message.get("method") == "update"
                      else message.get("result") or {})
            if isinstance(tables, dict):
                self.update(tables)

    def update(self, tables):
        for row in tables.get("Bastion", {}).values():
            self.wanted = row["new"]["generation"]
        for row in tables.get("Node", {}).values():
            self.node = row["new"]["generation"]

    def wait_after(self, generation, timeout=60, quiet=0):
        """Waits until a generation after 'generation' has been acknowledged
        and, if 'quiet', no more has come for so many seconds.  Returns when it
        was."""
        end = time.monotonic() + timeout
        done = None
        while True:
            now = time.monotonic()
            if done and now - done >= quiet:
                return done
            if now > end:
                sys.exit("timed out")
            before = (self.wanted, self.node)
            self.receive(quiet or 1)
            if self.wanted > generation and self.node >= self.wanted:
                if not done or before != (self.wanted, self.node):
                    done = time.monotonic()
            else:
                done = None


def ip_of(i):
    return f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}"


def add_ports(names):
    """Adds a port for each pod, as Antrea would."""
    for start in range(0, len(names), 200):
        args = ["ovs-vsctl", "--no-wait"]
        for i, (namespace, name) in enumerate(names[start:start + 200], start):
            ip = ip_of(i + 1)
            args += ["--", "add-port", "br-int", f"p{i}", "--", "set",
                     "Interface", f"p{i}", "type=dummy", "--", "set", "Port",
                     f"p{i}", "external_ids:antrea-type=container",
                     f"external_ids:pod-namespace={namespace}",
                     f"external_ids:pod-name={name}",
                     f"external_ids:ip-address={ip}",
                     'external_ids:attached-mac="02:00:00:'
                     f'{i >> 16:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"']
        subprocess.run(args, check=True)


def fill(cluster, options):
    names = []
    for i in range(options.namespaces):
        cluster.put("Namespace", namespace_object(f"ns{i}", {"ns": f"ns{i}"}))
    for i in range(options.pods):
        namespace = f"ns{i % options.namespaces}"
        name = f"pod-{i}"
        names.append((namespace, name))
        cluster.put("Pod", pod(namespace, name, {
            "app": f"app{i // options.namespaces % 10}",
            "pod-template-hash": f"{i % 89}"}, ip_of(i + 1),
            [("http", 8080, "TCP")]))
    for i in range(options.policies):
        namespace = f"ns{i % options.namespaces}"
        app = i // options.namespaces % 10
        cluster.put("NetworkPolicy", netpol(namespace, f"policy-{i}", {
            "podSelector": {"matchLabels": {"app": f"app{app}"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": {"matchLabels": {
                    "app": f"app{(app + 1) % 10}"}}}],
                 "ports": [{"port": 8000 + i % 100}, {"port": "http"}]},
                {"from": [{"namespaceSelector": {"matchLabels": {
                    "ns": f"ns{(i + 1) % options.namespaces}"}}}]}]}))
    return names


def cpu_ms(daemon):
    """Returns the CPU time that 'daemon' has used."""
    with open(f"{RUNDIR}/{daemon}.pid", encoding="ascii") as stream:
        pid = stream.read().strip()
    with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf(
        "SC_CLK_TCK")


def measure(generations, name, changes, do):
    """Does 'do(i)' so many times and prints how long each takes to be
    enforced."""
    times = []
    cpu = [cpu_ms(daemon) for daemon in DAEMONS]
    for i in range(changes):
        before = generations.wanted
        start = time.monotonic()
        do(i)
        times.append(generations.wait_after(before) - start)
        # The next one is not to wait for the end of this one.
        time.sleep(0.02)
    times.sort()
    print(f"{name}: median {statistics.median(times) * 1000:.1f} ms, "
          f"99th percentile {times[int(len(times) * .99)] * 1000:.1f} ms, "
          f"maximum {times[-1] * 1000:.1f} ms; CPU " + ", ".join(
              f"{(cpu_ms(daemon) - before) / changes:.1f} ms {daemon}"
              for daemon, before in zip(DAEMONS, cpu)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--policies", type=int, default=500)
    parser.add_argument("--namespaces", type=int, default=20)
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()

    cluster = Cluster()
    names = fill(cluster, options)
    add_ports(names)
    server = Server(cluster)
    generations = Generations()
    while not generations.node:
        generations.receive(1)
    generations.wait_after(0, quiet=1)
    before = generations.wanted
    start = time.monotonic()
    subprocess.run(["bastionctl", "create", "Platform", "name=kubernetes",
                    "type=kubernetes", f'endpoint="{server.url}"',
                    "network=pods"], check=True, stdout=subprocess.DEVNULL)
    # The first generation is that of the Platform row.
    done = generations.wait_after(before + 1, quiet=1)
    rows = {table: len(subprocess.run(
        ["bastionctl", "--bare", "--columns=_uuid", "list", table],
        check=True, text=True, stdout=subprocess.PIPE).stdout.split())
            for table in ("Service", "Container", "Dependency")}
    print(f"listed: {done - start:.2f} s for {options.pods} pods and "
          f"{options.policies} policies: {rows}", flush=True)

    def label(i):
        obj = cluster.objects["Pod"]["ns0/pod-0"]
        meta = {**obj["metadata"], "labels": {
            **obj["metadata"]["labels"], "app": f"app{(i + 1) % 2}"}}
        cluster.put("Pod", {**obj, "metadata": meta})

    def policy(i):
        cluster.put("NetworkPolicy", netpol("ns0", "changing", {
            "podSelector": {"matchLabels": {"app": "app3"}},
            "ingress": [{"ports": [{"port": 1024 + i}]}]}))

    def toggle(_):
        name = "ns1/pod-1"
        if name in cluster.objects["Pod"]:
            toggle.pod = cluster.objects["Pod"][name]
            cluster.delete("Pod", name)
        else:
            cluster.put("Pod", toggle.pod)

    measure(generations, "label", options.changes, label)
    measure(generations, "policy", options.changes, policy)
    measure(generations, "pod", options.changes, toggle)
    with open(f"{RUNDIR}/bastion-manager.pid", encoding="ascii") as stream:
        pid = stream.read().strip()
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        print("memory:", next(line.split(":")[1].strip() for line in stream
                              if line.startswith("VmHWM")))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
