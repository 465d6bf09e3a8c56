# SPDX-License-Identifier: Apache-2.0
"""Runs cases of NetworkPolicies: see tests/netpol/run.

Usage: netpol.py missing
       netpol.py topology FILE
       netpol.py simulate|traffic MODE FILE [CASE]...
"""

import ipaddress
import itertools
import json
import os
import selectors
import socket
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..")
for folder in ("platforms", "system"):
    sys.path.insert(0, os.path.join(TESTS, folder))
# pylint: disable=wrong-import-position
import kubernetes_server
from kubernetes_api import Cluster, Server, namespace_object, netpol, pod

NETWORK = "pods"
RUNDIR = os.environ.get("OVS_RUNDIR", "/run/openvswitch")
IPPROTO_SCTP = 132
SYNC = "netpol-sync"            # Namespace of the marker.
DENIED_SECONDS = 0.3            # After all that is allowed has arrived.
ALLOWED_SECONDS = 5


# The file.

def addresses(topology, name):
    ips = topology["ips"][name]
    return [ips] if isinstance(ips, str) else list(ips)


def subnets(topology):
    """Returns a subnet with all addresses for each version, and a gateway that
    is none of them."""
    result = []
    for version in (4, 6):
        ips = [ipaddress.ip_address(ip) for name in topology["ips"]
               for ip in addresses(topology, name)]
        ips = [ip for ip in ips if ip.version == version]
        if not ips:
            continue
        net = ipaddress.ip_network((min(ips), 24 if version == 4 else 64),
                                   strict=False)
        while max(ips) not in net:
            net = net.supernet()
        net = net.supernet(new_prefix=min(net.prefixlen,
                                          16 if version == 4 else 64))
        hosts = (net[i] for i in itertools.count(1))
        result.append((str(net), str(next(ip for ip in hosts
                                          if ip not in ips))))
    return result


def print_topology(path):
    with open(path, encoding="utf-8") as stream:
        topology = json.load(stream)["topology"]
    nets = subnets(topology)
    print("network", NETWORK, *(net for net, _ in nets),
          *(f"gateway={gateway}" for _, gateway in nets))
    for name in topology["ips"]:
        print("pod", name.replace("/", "."), *addresses(topology, name))


def pod_object(topology, name):
    namespace, short = name.split("/")
    pattern = topology.get("namedPort", "serve-<port>-<proto lower>")
    ports = [(pattern.replace("<port>", str(port)).replace(
        "<proto lower>", protocol.lower()), port, protocol)
             for port in topology["ports"]
             for protocol in topology["protocols"]]
    ips = addresses(topology, name)
    obj = pod(namespace, short, pod_labels(topology, name), ips[0], ports)
    obj["status"]["podIPs"] = [{"ip": ip} for ip in ips]
    return obj


def pod_labels(topology, name):
    return {label: name.split("/")[1]
            for label in topology.get("podLabels", ["pod"])}


def namespace_labels(topology, name):
    return {label: name for label in topology.get(
        "nsLabels", ["ns", "kubernetes.io/metadata.name"])}


# The cluster: the real API server or its stand-in.

class RealApi:
    """The real API server."""

    def __init__(self):
        self.server = kubernetes_server.KubernetesServer("kubernetes")
        self.server.start()
        self.endpoint = f"kubeconfig:{self.server.kubeconfig}"
        version = self.server.request("GET", "/version")
        self.knows_end_port = int(version["minor"].rstrip("+")) >= 22

    def put_namespace(self, name, labels):
        self.server.put_namespace(name, labels)

    def put_pod(self, obj):
        self.server.put_pod(obj)

    def delete_pod(self, name):
        self.server.delete_pod(*name.split("/"))

    def label_pod(self, name, labels):
        self.server.label_pod(*name.split("/"), labels)

    def label_namespace(self, name, labels):
        self.server.label_namespace(name, labels)

    def put_netpol(self, namespace, name, spec):
        self.server.put_netpol(namespace, name, spec if self.knows_end_port
                               else without_end_ports(spec))

    def delete_netpol(self, namespace, name):
        self.server.delete_netpol(namespace, name)

    def stop(self):
        self.server.stop()


class StandIn:
    """A stand-in for it."""

    def __init__(self):
        self.cluster = Cluster()
        self.server = Server(self.cluster)
        self.endpoint = self.server.url

    def put_namespace(self, name, labels):
        self.cluster.put("Namespace", namespace_object(name, dict(labels)))

    def put_pod(self, obj):
        self.cluster.put("Pod", obj)

    def delete_pod(self, name):
        if name in self.cluster.objects["Pod"]:
            self.cluster.delete("Pod", name)

    def label(self, kind, name, labels):
        obj = self.cluster.objects[kind][name]
        new = {**obj["metadata"]["labels"], **labels}
        meta = {**obj["metadata"], "labels": {
            key: value for key, value in new.items() if value is not None}}
        self.cluster.put(kind, {**obj, "metadata": meta})

    def label_pod(self, name, labels):
        self.label("Pod", name, labels)

    def label_namespace(self, name, labels):
        self.label("Namespace", name, labels)

    def put_netpol(self, namespace, name, spec):
        self.cluster.put("NetworkPolicy", netpol(namespace, name, spec))

    def delete_netpol(self, namespace, name):
        self.cluster.delete("NetworkPolicy", f"{namespace}/{name}")

    def stop(self):
        self.server.stop()


def without_end_ports(spec):
    """Returns what means the same to a server that ignores endPort."""
    spec = json.loads(json.dumps(spec))
    for rule in (spec.get("ingress") or []) + (spec.get("egress") or []):
        for port in [p for p in rule.get("ports") or [] if "endPort" in p]:
            rule["ports"].remove(port)
            last = port.pop("endPort")
            rule["ports"] += [{**port, "port": number}
                              for number in range(port["port"], last + 1)]
    return spec


# Bastion's database.

class Database:
    """A client of the Bastion database."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(f"{RUNDIR}/bastion_db.sock")
        self.decoder = json.JSONDecoder()
        self.buffer = ""

    def transact(self, *operations):
        self.sock.sendall(json.dumps({
            "method": "transact", "params": ["Bastion", *operations],
            "id": 1}).encode())
        while True:
            try:
                answer, end = self.decoder.raw_decode(self.buffer)
            except ValueError:
                self.buffer += self.sock.recv(1 << 20).decode()
                continue
            self.buffer = self.buffer[end:].lstrip()
            if answer.get("method") == "echo":
                self.sock.sendall(json.dumps({
                    "id": answer["id"], "result": answer["params"],
                    "error": None}).encode())
            elif answer.get("id") == 1:
                bad = [r for r in answer["result"] or [] if r and "error" in r]
                if answer["error"] or bad:
                    raise RuntimeError(f"database: {answer}")
                return answer["result"]

    def select(self, table, where=(), columns=()):
        operation = {"op": "select", "table": table, "where": list(where)}
        if columns:
            operation["columns"] = list(columns)
        return self.transact(operation)[0]["rows"]

    def containers(self):
        """Returns "NAMESPACE/POD" -> (what bastionctl calls it, its row)."""
        services = {row["_uuid"][1]: row["name"]
                    for row in self.select("Service")}
        result = {}
        for row in self.select("Container"):
            service = services.get(row["service"][1])
            if service and "." in row["name"]:
                result[row["name"].replace(".", "/", 1)] = (
                    f"{NETWORK}/{service}/{row['name']}")
        return result


def bastionctl(*args):
    return subprocess.run(
        ["bastionctl", "--timeout=20", *args], text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def add_attachments(database, topology):
    """What a controller would write if it saw the pods' ports."""
    operations = []
    for i, name in enumerate(topology["ips"]):
        namespace, short = name.split("/")
        operations.append({"op": "insert", "table": "Attachment", "row": {
            "node": "node1", "interface": f"if{i}", "bridge": "br-int",
            "convention": "antrea", "pod_namespace": namespace,
            "pod_name": short, "mac": f"02:00:00:00:00:{i:02x}",
            "ips": ["set", addresses(topology, name)]}})
    database.transact(*operations)


# Cases.

class Failure(Exception):
    pass


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(what)
        time.sleep(0.005)


class Runner:
    """The cluster, with all pods of the topology, and Bastion."""

    def __init__(self, kind, mode, topology):
        self.mode = mode
        self.topology = topology
        self.database = Database()
        self.traffic = None
        self.n_syncs = 0
        self.late = 0
        self.policies = set()
        self.touched_pods = set()
        self.touched_namespaces = set()
        self.deleted_pods = set()
        self.simulated = kind == "simulate"
        self.api = StandIn() if self.simulated else RealApi()
        if self.simulated:
            nets = subnets(topology)
            bastionctl("network-add", NETWORK, *(net for net, _ in nets),
                       *(f"gateway={gateway}" for _, gateway in nets))
            add_attachments(self.database, topology)
        self.fill_cluster()
        bastionctl("create", "Platform", "name=kubernetes", "type=kubernetes",
                   f"endpoint=\"{self.api.endpoint}\"", f"network={NETWORK}",
                   f"options:mode={mode}")
        wait_for(lambda: set(topology["ips"]) <= set(
            self.database.containers()), 60,
                 "pods have no rows: " + self.platform_status())
        if not self.simulated:
            self.traffic = Traffic(topology)

    def fill_cluster(self):
        for name in sorted({n.split("/")[0] for n in self.topology["ips"]}):
            self.api.put_namespace(name,
                                   namespace_labels(self.topology, name))
        for name in self.topology["ips"]:
            self.api.put_pod(pod_object(self.topology, name))
        self.api.put_namespace(SYNC, {})
        self.api.put_pod(pod(SYNC, "marker", {}, "0.0.0.1"))

    def platform_status(self):
        return str(self.database.select("Platform"))

    def sync(self):
        """Waits until all that was done before has been seen.

        The marker is a policy that depends on an object of each kind."""
        self.n_syncs += 1
        number = str(self.n_syncs)
        self.api.label_pod(f"{SYNC}/marker", {"sync": number})
        self.api.label_namespace(SYNC, {"sync": number})
        port = 1024 + self.n_syncs % 60000
        self.api.put_netpol(SYNC, "marker", {
            "podSelector": {"matchLabels": {"sync": number}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": port}], "from": [{
                "podSelector": {},
                "namespaceSelector": {"matchLabels": {"sync": number}}}]}]})
        key = ["map", [["bastion-key", f"netpol {SYNC}/marker ingress 0"
                        + (" open" if self.mode == "zero-trust" else "")]]]
        wait_for(lambda: [row for row in self.database.select(
            "Dependency", [["external_ids", "includes", key]], ["policies"])
                          if row["policies"] == f"tcp:{port}"], 20,
                 f"no marker: {self.platform_status()}")
        if not self.simulated:
            bastionctl("--wait=node", "sync")

    def act(self, action):
        operation = action["op"]
        if operation == "policy":
            self.api.put_netpol(action["ns"], action["name"], action["spec"])
            self.policies.add((action["ns"], action["name"]))
        elif operation == "delete-policy":
            self.api.delete_netpol(action["ns"], action["name"])
            self.policies.discard((action["ns"], action["name"]))
        elif operation == "label-pod":
            self.api.label_pod(action["pod"], action["labels"])
            self.touched_pods.add((action["pod"], tuple(action["labels"])))
        elif operation in ("label-ns", "label-namespace"):
            name = action.get("ns") or action.get("namespace")
            self.api.label_namespace(name, action["labels"])
            self.touched_namespaces.add((name, tuple(action["labels"])))
        elif operation == "unlabel-pod":
            self.act({"op": "label-pod", "pod": action["pod"],
                      "labels": dict.fromkeys(action["labels"])})
        elif operation == "delete-pod":
            self.api.delete_pod(action["pod"])
            self.deleted_pods.add(action["pod"])
        elif operation == "create-pod":
            self.create_pod(action["pod"])
        else:
            raise Failure(f"unknown operation {operation}")

    def create_pod(self, name):
        self.api.delete_pod(name)
        self.api.put_pod(pod_object(self.topology, name))
        self.deleted_pods.discard(name)

    def reset(self):
        for name in list(self.deleted_pods):
            self.create_pod(name)
        for namespace, name in self.policies:
            self.api.delete_netpol(namespace, name)
        for name, labels in self.touched_pods:
            self.api.label_pod(name, {**dict.fromkeys(labels),
                                      **pod_labels(self.topology, name)})
        for name, labels in self.touched_namespaces:
            self.api.label_namespace(name, {
                **dict.fromkeys(labels),
                **namespace_labels(self.topology, name)})
        self.policies.clear()
        self.touched_pods.clear()
        self.touched_namespaces.clear()
        if self.traffic:
            self.traffic.drop_held()

    def run_case(self, case):
        try:
            for number, step in enumerate(case["steps"], 1):
                for action in step["actions"]:
                    self.act(action)
                self.sync()
                try:
                    self.check_step(case, step)
                except Failure as failure:
                    raise Failure(f"step {number}: {failure}") from None
        finally:
            self.reset()

    def check_step(self, case, step):
        wanted = {}
        for port, protocol in step["probes"]:
            denied = step["denied"].get(f"{protocol}/{port}", [])
            unknown = [text for text in denied if not all(
                name in case["pods"] for name in text.split(">"))]
            if unknown:
                raise Failure(f"denied, but not among the pods: {unknown}")
            for src, dst in itertools.permutations(case["pods"], 2):
                wanted[src, dst, protocol, port] = \
                    f"{src}>{dst}" not in denied
        self.compare(wanted, self.simulate(wanted), "bastionctl check")
        if self.traffic:
            got = self.traffic.probe(wanted)
            if got != {key: wanted[key] for key in got}:
                # Caches of the datapath may be behind.
                self.late += 1
                time.sleep(0.5)
                got = self.traffic.probe(wanted)
            self.compare({key: wanted[key] for key in got}, got, "traffic")
            self.compare_held(wanted)
            self.traffic.hold(wanted)

    def simulate(self, wanted):
        """Asks "bastionctl check" about each connection."""
        names = self.database.containers()
        args = []
        for src, dst, protocol, port in wanted:
            args += ["--", "check", names[src], names[dst],
                     f"{protocol.lower()}:{port}"]
        done = subprocess.run(["bastionctl", "--timeout=60", *args[1:]],
                              text=True, stdout=subprocess.PIPE, check=False)
        answers = [line.startswith("allowed")
                   for line in done.stdout.splitlines()
                   if line.startswith(("allowed", "denied"))]
        if len(answers) != len(wanted):
            raise Failure(f"bastionctl check: {len(answers)} answers: "
                          f"{done.stdout[:500]}")
        return dict(zip(wanted, answers))

    @staticmethod
    def compare(wanted, got, who):
        wrong = [f"{src}>{dst} {protocol}/{port} is "
                 f"{'open' if got[src, dst, protocol, port] else 'closed'}"
                 for src, dst, protocol, port in wanted
                 if wanted[src, dst, protocol, port]
                 != got[src, dst, protocol, port]]
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise Failure(f"{who}: {', '.join(wrong[:5])}{more}")

    def compare_held(self, wanted):
        """Connections from the step before follow the change, too."""
        held = {key: wanted[key] for key in self.traffic.held
                if key in wanted}
        if held:
            self.compare(held, self.traffic.probe_held(held),
                         "open connection")


class Traffic:
    """Sockets in the namespaces of the pods."""

    def __init__(self, topology):
        # pylint: disable=import-outside-toplevel
        import scene
        import wire
        self.wire = wire
        self.held = {}
        self.ips = {name: addresses(topology, name)
                    for name in topology["ips"]}
        self.protocols = {"TCP": (socket.SOCK_STREAM, 0),
                          "UDP": (socket.SOCK_DGRAM, 0)}
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM,
                          IPPROTO_SCTP).close()
            self.protocols["SCTP"] = (socket.SOCK_STREAM, IPPROTO_SCTP)
        except OSError:
            print("no SCTP in this kernel: left to bastionctl check")
        server = scene.Server()
        for name in topology["ips"]:
            for kind, protocol in self.protocols.values():
                server.listen(name.replace("/", "."), kind,
                              *topology["ports"], protocol=protocol)
        server.start()

    def connect(self, src, dst, protocol, port):
        """Begins to connect."""
        ip = self.ips[dst][0]
        kind, number = self.protocols[protocol]
        sock = self.wire.make_socket(
            src.replace("/", "."),
            socket.AF_INET6 if ":" in ip else socket.AF_INET, kind, number)
        sock.setblocking(False)
        try:
            sock.connect((ip, port))
        except BlockingIOError:
            pass
        return sock

    @staticmethod
    def exchange(socks, wanted):
        """Sends on all 'socks' until the answers are there that should.
        Returns who got one."""
        got = set()
        start = time.monotonic()
        deadline = start + ALLOWED_SECONDS
        next_send = start
        sent = set()
        with selectors.DefaultSelector() as selector:
            for key, sock in socks.items():
                selector.register(sock, selectors.EVENT_READ, key)
            while time.monotonic() < deadline:
                now = time.monotonic()
                if now >= next_send:
                    next_send = now + 0.1
                    for key, sock in socks.items():
                        if key in got or (key in sent and key[2] != "UDP"):
                            continue
                        try:
                            sock.send(b"x")
                            sent.add(key)
                        except OSError:
                            pass
                for event, _ in selector.select(0.02):
                    try:
                        if event.fileobj.recv(100):
                            got.add(event.data)
                    except BlockingIOError:
                        continue
                    except OSError:
                        pass
                    selector.unregister(event.fileobj)
                if all(key in got for key in socks if wanted[key]):
                    deadline = min(deadline,
                                   time.monotonic() + DENIED_SECONDS)
        return got

    def probe(self, wanted):
        """Returns which connections can be made, of those that can be tried
        here."""
        socks = {key: self.connect(*key) for key in wanted
                 if key[2] in self.protocols}
        got = self.exchange(socks, wanted)
        for sock in socks.values():
            sock.close()
        return {key: key in got for key in socks}

    def hold(self, wanted):
        """Opens TCP connections that are allowed and keeps them."""
        self.drop_held()
        socks = {key: self.connect(*key) for key in wanted
                 if wanted[key] and key[2] == "TCP"}
        got = self.exchange(socks, wanted)
        for key, sock in socks.items():
            if key in got:
                self.held[key] = sock
            else:
                sock.close()

    def probe_held(self, wanted):
        got = self.exchange({key: self.held[key] for key in wanted}, wanted)
        return {key: key in got for key in wanted}

    def drop_held(self):
        for sock in self.held.values():
            sock.close()
        self.held.clear()


def run(kind, mode, path, *chosen):
    with open(path, encoding="utf-8") as stream:
        data = json.load(stream)
    cases = [case for case in data["cases"]
             if not chosen or case["id"] in chosen]
    runner = Runner(kind, mode, data["topology"])
    failed = 0
    try:
        for case in cases:
            start = time.monotonic()
            try:
                runner.run_case(case)
                result = "ok"
            except Exception as failure:    # pylint: disable=broad-except
                # The file may say anything.
                result = f"FAILED: {type(failure).__name__}: {failure}"
                failed += 1
            print(f"{case['id']}: {case['title']}: {result} "
                  f"({time.monotonic() - start:.2f} s)", flush=True)
    finally:
        runner.api.stop()
    if runner.late:
        print(f"{runner.late} steps needed a second look")
    print(f"{len(cases) - failed} passed, {failed} failed")
    sys.stdout.flush()
    os._exit(1 if failed or not cases else 0)


def main():
    command = sys.argv[1]
    if command == "missing":
        print(kubernetes_server.missing())
    elif command == "topology":
        print_topology(sys.argv[2])
    else:
        run(command, *sys.argv[2:])


if __name__ == "__main__":
    main()
