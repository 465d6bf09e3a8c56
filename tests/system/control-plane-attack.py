# SPDX-License-Identifier: Apache-2.0
"""Attacks on Bastion itself; the scene is in control-plane-attack.sh."""

import contextlib
import json
import os
import random
import re
import socket
import stat
import struct
import time

import openflow
import wire
from openflow import message, receive
from scene import WORLD, Scene, add_neighbors, tcp, udp
from wire import HOST, Report, UnixctlError, bastionctl, unixctl

CONTAINERS = ("traveller", "resolver", "server")
# OpenFlow, OVSDB, and the ports that are next to them.
PORTS = (6653, 6633, 6640, 6641, 6642)
report = Report()
scene = Scene()


def all_is_well(what):
    """The daemon lives and works, and nothing was opened."""
    report.equal(f"{what}: the controller lives",
                 wire.daemon_pid("bastion-controller"), PID)
    report.check(f"{what}: what is allowed passes",
                 all(scene.marker(name) for name in CONTAINERS))
    report.check(f"{what}: what is forbidden does not", not scene.arrives(
        "resolver", "server", tcp(80), expected=False))


def a_change_is_applied(what):
    """A new dependency opens, and closes, br-int."""
    args = ("web/resolver", "web/server", "udp:81")
    try:
        for verb, opens in (("dependency-add", True),
                            ("dependency-del", False)):
            start = time.monotonic()
            bastionctl(verb, *args)
            # The datapath's caches follow in their own time.
            applied = wire.wait_until(lambda: scene.arrives(
                "resolver", "server", udp(81), expected=False) == opens)
            took = time.monotonic() - start
            report.check(f"{what}: {verb} is applied", applied and took < 5,
                         f"took {took:.1f} s")
    except RuntimeError as e:
        report.check(f"{what}: a change is applied", False, str(e))


# From containers.

def host_addresses():
    """Whatever might mean the host."""
    addresses = []
    for line in json.loads(wire.run("ip", "-json", "addr")):
        addresses += [info["local"] for info in line["addr_info"]]
    return addresses + [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::",
        "::ffff:127.0.0.1", "::ffff:10.32.0.1", "::10.32.0.1",
        "255.255.255.255", "10.32.0.255", "10.32.0.0", "203.0.113.255",
        "203.0.113.0", "2001:db8:77::", "fd00:32::",
        "224.0.0.1", "ff02::1", "ff02::2", "ff01::1", "169.254.1.1"]


def check_ports():
    listeners = []
    for address in ("10.32.0.1", "203.0.113.1"):
        listener = wire.make_socket(HOST, socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((address, 6653))
        listener.listen()
        listeners.append(listener)
        with socket.create_connection((address, 6653), 5):
            report.check(f"the host itself connects to {address}:6653", True)
    addresses = host_addresses()
    report.check("all kinds of addresses are tried", {
        "127.0.0.1", "10.32.0.1", "203.0.113.1", "fd00:32::1",
        "2001:db8:77::1", "::1"} < set(addresses)
        and any(a.startswith("fe80::a8") for a in addresses), addresses)
    for name in CONTAINERS[:2]:
        arrived = []
        for address in addresses:
            for port in PORTS:
                for flags in ("S", "A"):
                    if scene.arrives(name, HOST,
                                     tcp(port, flags=flags),
                                     address=address, expected=False):
                        arrived.append((address, port))
        report.equal(f"{name} reaches no port of {len(addresses)} addresses",
                     arrived, [])
        # The kernel's own way, without static routes or neighbors of ours.
        connected = []
        for address in addresses:
            family = (socket.AF_INET6 if ":" in address else socket.AF_INET)
            sock = wire.make_socket(name, family, socket.SOCK_STREAM)
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.connect((address, 6653) if family == socket.AF_INET
                             else (address, 6653, 0, 2))
            scene.marker(name)
            with contextlib.suppress(OSError):
                sock.getpeername()
                connected.append(address)
            sock.close()
        report.equal(f"{name} connects nowhere", connected, [])
    report.check("the world is open", scene.arrives(
        "traveller", WORLD, tcp(6653)))
    for version in (4, 6):
        report.check(f"the host's DNS is open in IPv{version}", scene.arrives(
            "resolver", HOST, udp(53), version=version))
    # What has just become the host's is no longer the world.
    address = "198.51.100.77"
    wire.run("ip", "addr", "add", f"{address}/32", "dev", "uplink")
    report.check("a new address is the host's within a second",
                 wire.wait_until(lambda: not scene.arrives(
                     "traveller", HOST, tcp(6653),
                     address=address, expected=False), 1))
    wire.run("ip", "addr", "del", f"{address}/32", "dev", "uplink")
    for listener in listeners:
        listener.close()


# From local users.

def check_permissions():
    """Only the owner and his group have to do with our files."""
    paths = [os.path.join(directory, name)
             for directory in (wire.RUNDIR, os.getcwd())
             for name in os.listdir(directory)
             if name.startswith("bastion")]
    kinds = ("bastion-controller.pid", ".ctl", "bastion-controller.mgmt",
             "bastion_db.sock", "bastion.db", "bastion-controller.log")
    report.check("sockets, pid, log and database are there", all(
        any(path.endswith(kind) for path in paths) for kind in kinds), paths)
    for path in paths:
        mode = os.lstat(path).st_mode
        if path.endswith(("bastion-ovsdb-server.pid",
                          "bastion-ovsdb-server.log")):
            # ovsdb-server's own, without secrets.
            bad = mode & stat.S_IWOTH
        else:
            bad = mode & stat.S_IRWXO
        report.check(f"{os.path.basename(path)} is not for everyone",
                     not bad, oct(mode))
        if stat.S_ISSOCK(mode):
            report.check(f"{os.path.basename(path)}: others cannot connect",
                         "PermissionError" in wire.run(
                             "setpriv", "--reuid=65534", "--clear-groups",
                             "--regid=65534", "/usr/bin/python3", "-c",
                             "import socket, sys; socket.socket("
                             "socket.AF_UNIX).connect(sys.argv[1])", path,
                             check=False))
    sockets = wire.run("ss", "-Hltnup")
    tcp = sorted(re.findall(r"^tcp\s.*?(\S+:\d+)\s.*\(\"bastion-con", sockets,
                            re.M))
    report.equal("the controller listens on loopback only", tcp,
                 ["127.0.0.1:6653"])
    report.check("no database listens on TCP", not re.search(
        r"^(tcp|udp).*ovsdb-server", sockets, re.M), sockets)
    with open("/proc/net/unix") as f:
        report.check("no abstract socket", "@bastion" not in f.read())


# Peers that pretend to be switches.

def connect(unix=False):
    if unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(f"{wire.RUNDIR}/bastion-controller.mgmt")
        return sock
    return socket.create_connection(("127.0.0.1", 6653), 5)


def become(sock, dpid):
    """Shakes hands as the switch with this datapath id.  Returns whether we
    were taken for it, that is, asked for flows."""
    sock.sendall(message(openflow.HELLO))
    while True:
        received = receive(sock)
        if not received:
            return False
        kind, xid, body = received
        if kind == openflow.FEATURES_REQUEST:
            sock.sendall(message(openflow.FEATURES_REPLY, struct.pack(
                "!QIBB2xII", dpid, 0, 254, 0, 0, 0), xid))
        elif kind == openflow.ECHO_REQUEST:
            sock.sendall(message(openflow.ECHO_REPLY, body, xid))
        elif kind == openflow.MULTIPART_REQUEST:
            return True
        elif kind == 20:        # Barrier request.
            sock.sendall(message(21, b"", xid))


def bad_peers():
    garbage = random.Random(42).randbytes
    hello = message(openflow.HELLO)
    return {
        "nothing": b"",
        "wrong version": message(openflow.HELLO, version=1),
        "unknown version": message(openflow.HELLO, version=99),
        "garbage": garbage(5000),
        "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + garbage(500),
        "hello, then silence": hello,
        "hello, then garbage": hello + garbage(5000),
        "length 0": struct.pack("!BBHI", 6, 0, 0, 1),
        "length 7": struct.pack("!BBHI", 6, 0, 7, 1),
        "half a message": hello + struct.pack("!BBHI", 6, 6, 32, 1) + b"half",
        "a message that never ends": hello + struct.pack("!BBHI", 6, 10,
                                                         65535, 1),
        "error first": message(openflow.ERROR, garbage(70)),
        "features of length 8": hello + message(openflow.FEATURES_REPLY),
        "features twice": hello + 2 * message(
            openflow.FEATURES_REPLY, struct.pack("!QIBB2xII", 7, 0, 254, 0,
                                                 0, 0)),
        "unasked messages": hello + b"".join(
            message(kind, garbage(60), xid) for kind in range(36)
            for xid in range(3)),
        "10000 echo requests": hello + 10000 * message(openflow.ECHO_REQUEST,
                                                       garbage(100)),
    }


def check_bad_peers():
    for unix in (False, True):
        socks = []
        for name, data in bad_peers().items():
            sock = connect(unix)
            # A peer that does not read what it asked for.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sock.settimeout(1)
            with contextlib.suppress(OSError):
                sock.sendall(data)
            socks.append(sock)
            if name.startswith("half"):
                sock.close()
        kind = "Unix socket" if unix else "TCP"
        all_is_well(f"bad peers on {kind}")
        a_change_is_applied(f"bad peers on {kind}")
        for sock in socks:
            sock.close()


def datapath_id(bridge):
    return int(wire.run("ovs-vsctl", "get", "Bridge", bridge,
                        "datapath_id").strip('"\n'), 16)


def check_attached_peers():
    """Peers that are taken for a bridge, as a local root could be, do not
    disturb the other bridge."""
    wire.run("ovs-vsctl", "add-br", "br-bad", "--", "set", "Bridge", "br-bad",
             "datapath_type=netdev", "other_config:datapath-id="
             "000000000000bad0")
    wire.run("bastionctl", "network-add", "bad", "10.99.0.0/24",
             "bridge=br-bad")
    dpid = datapath_id("br-bad")
    for action in ("goes away", "reads nothing", "answers nonsense",
                   "says that everything is an error"):
        with connect(unix=True) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            taken = become(sock, dpid)
            report.check(f"a peer that {action} is taken for br-bad", taken)
            with contextlib.suppress(OSError):  # It may hang up on us.
                if action == "answers nonsense":
                    for _ in range(20):
                        sock.sendall(message(openflow.MULTIPART_REPLY,
                                             random.randbytes(200), 1))
                elif action.startswith("says"):
                    for xid in range(1000):
                        sock.sendall(message(openflow.ERROR,
                                             struct.pack("!HH", 1, 1), xid))
            if action == "reads nothing":
                for i in range(20):
                    wire.run("bastionctl", "network-add", f"bad{i}",
                             f"10.99.{i + 1}.0/24", "bridge=br-bad")
            if action != "goes away":
                # With "--wait=node" this would wait for br-bad, too.
                wire.run("bastionctl", "dependency-add", "web/resolver",
                         "web/server", "tcp:82")
                report.check(
                    f"a peer that {action}: br-int gets a change",
                    wire.wait_until(lambda: scene.arrives(
                        "resolver", "server", tcp(82),
                        expected=False), 5))
                wire.run("bastionctl", "dependency-del", "web/resolver",
                         "web/server", "tcp:82")
                report.check(
                    f"a peer that {action}: and its end",
                    wire.wait_until(lambda: not scene.arrives(
                        "resolver", "server", tcp(82),
                        expected=False), 5))
        all_is_well(f"a peer that {action}")
    wire.run("bastionctl", "network-del", "bad", *sum(
        (["--", "network-del", f"bad{i}"] for i in range(20)), []))
    wire.run("ovs-vsctl", "del-br", "br-bad")


def check_impostors():
    """Local users can reach the TCP listener, but not replace the bridge."""
    dpid = datapath_id("br-int")
    with connect() as sock:
        sock.settimeout(1)
        taken = False
        with contextlib.suppress(OSError):
            taken = become(sock, dpid)
        report.check("an impostor of br-int gets no flows", not taken)
        a_change_is_applied("an impostor of br-int")
    socks = []
    with contextlib.suppress(OSError):
        while len(socks) < 300:
            socks.append(socket.create_connection(("127.0.0.1", 6653), 0.2))
    # The bridge's own connection is lost, and its next one is let in.
    target = wire.run("ovs-vsctl", "get-controller", "br-int").strip()
    wire.run("ovs-vsctl", "del-controller", "br-int")
    wire.run("ovs-vsctl", "set-controller", "br-int", target)
    a_change_is_applied(f"{len(socks)} idle connections")
    all_is_well(f"{len(socks)} idle connections")
    for sock in socks:
        sock.close()


# Bad arguments and rows.

def check_appctl():
    commands = [line.split()[0] for line in unixctl(
        "bastion-controller", "list-commands").splitlines()
        if line.strip().startswith("bastion/")]
    report.check("commands are there", len(commands) >= 8, commands)
    long = "x" * 100000
    bad = ((long,), ("%s%n%x",), ("",), ("\u2028\ud7ff",), ("-f", "no"),
           ("--json=1",), ("br-int", "in_port=1", "x", "y"), ("a",) * 11,
           ("server", long), ("server", "ip,nw_dst=1.2.3.4,nw_dst=::1"),
           ("server", "tcp,tcp_dst=99999"), ("../../etc/passwd",),
           ("\x01\x02",), ("-f", "json", "-f", "json", "--json", "nobody"))
    answered = []
    for command in commands:
        for args in bad:
            try:
                answered.append((command, args[0][:20], unixctl(
                    "bastion-controller", command, *args)[:20]))
            except UnixctlError:
                pass
    report.equal("bad arguments are errors", answered, [])
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{wire.RUNDIR}/bastion-controller.{PID}.ctl")
        sock.sendall(b'{"method": "bastion/show", "params": [{"a": 1}], '
                     b'"id": 0}{"method": 1}[[[[\0')
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{wire.RUNDIR}/bastion-controller.{PID}.ctl")
        sock.sendall(b"[" * 100000)
        all_is_well("bad arguments")


def transact(*operations):
    """Writes to the database without any checks but its own.  In rows, lists
    are sets and tuples are references."""
    text = wire.run("ovsdb-client", "transact",
                    f"unix:{wire.RUNDIR}/bastion_db.sock",
                    json.dumps(["Bastion", *operations,
                                {"op": "mutate", "table": "Bastion",
                                 "where": [], "mutations": [
                                     ["generation", "+=", 1]]}]))
    for result in json.loads(text):
        if "error" in result:
            raise RuntimeError(result)
    return json.loads(text)


def insert(table, **columns):
    def value(v):
        return ["set", [value(x) for x in v]] if isinstance(v, list) else v
    return {"op": "insert", "table": table, "row": {
        key: value(v) for key, v in columns.items()}}


def uuid_of(table, condition):
    return ("uuid", wire.run("bastionctl", "--bare", "--columns=_uuid", "find",
                             table, condition).strip())


def check_rows():
    services = {name: uuid_of("Service", f"name={name}")
                for name in CONTAINERS}
    resolver, server = services["resolver"], services["server"]
    network = uuid_of("Network", "name=web")

    def container(**columns):
        row = {"name": "bad", "service": resolver, "interface": "nowhere",
               "mac": "02:00:00:00:00:77", "ips": ["10.32.0.77"], **columns}
        return [insert("Container", **row)]

    def dependency(**columns):
        row = {"direction": "both", "source_services": [resolver],
               "destination_services": [server], "policies": ["tcp:80"],
               **columns}
        return [insert("Dependency", **row)]

    def cidr(prefix, **columns):
        return [{**insert("CIDR_Block", prefix=prefix, **columns),
                 "uuid-name": "block"},
                *dependency(destination_services=[],
                            destination_cidrs=[("named-uuid", "block")],
                            policies=["any"])]

    def other_network(name="bad", **columns):
        row = {"name": name, "key": 77, "subnets": ["10.77.0.0/24"],
               "bridge": "br-int", **columns}
        return [insert("Network", **row)]

    def foreign():
        return [{**other_network()[0], "uuid-name": "net"},
                {**insert("Service", name="bad", identity=7777,
                          network=("named-uuid", "net"), isolate="both"),
                 "uuid-name": "svc"},
                *dependency(source_services=[("named-uuid", "svc")],
                            destination_services=[server])]

    cases = {
        "IP address outside of the subnet": container(ips=["192.0.2.7"]),
        "one good and one bad address": container(
            ips=["10.32.0.77", "192.0.2.7"]),
        "IP address of another container": container(ips=["10.32.0.4"]),
        "IPv6 address of another container": container(ips=["fd00:32::4"]),
        "IP address of the gateway": container(ips=["10.32.0.1"]),
        "no IP address at all": container(ips=["ten dot one"]),
        "address with a prefix length": container(ips=["10.32.0.77/24"]),
        "group address": container(ips=["224.0.0.1"]),
        "MAC address that is none": container(mac="server"),
        "MAC address of a group": container(mac="03:00:00:00:00:77"),
        "MAC address of nobody": container(mac="00:00:00:00:00:00"),
        "MAC address of the gateway": container(mac="aa:55:aa:55:00:01"),
        "interface of another container": container(interface="server"),
        "interface of the gateway": container(interface="br-int"),
        "subnet that overlaps": other_network(subnets=["10.32.0.0/16"]),
        "subnet within another": other_network(subnets=["10.32.0.64/26"]),
        "subnet that is none": other_network(subnets=["everything"]),
        "subnet that is everything": other_network(subnets=["0.0.0.0/0"]),
        "gateway outside of the subnet": other_network(
            gateways=["192.0.2.1"]),
        "gateway MAC that is none": other_network(
            gateways=["10.77.0.1"], gateway_mac="gateway"),
        "nobody as source": dependency(source_services=[]),
        "nobody as destination": dependency(destination_services=[]),
        "policy that is none": dependency(policies=["everything"]),
        "port that is none": dependency(policies=["tcp:80", "tcp:99999"]),
        "empty range": dependency(policies=["tcp:90-80"]),
        "dependency between networks": foreign(),
        "prefix that is none": cidr("everywhere"),
        "exception outside of its prefix": cidr(
            "10.0.0.0/8", **{"except": ["192.0.2.0/24"]}),
    }
    for name, operations in cases.items():
        try:
            results = transact(*operations)
        except RuntimeError:
            report.check(f"row, {name}: refused by the database", True)
            continue
        rows = [(op["table"], result["uuid"][1])
                for op, result in zip(operations, results)
                if "uuid" in result]
        table, uuid = rows[-1]
        status = wire.wait_until(lambda: wire.run(
            "bastionctl", "get", table, uuid, "status").strip().strip('"'))
        report.check(f"row, {name}: refused",
                     str(status).startswith("error: "), status)
        report.check(f"row, {name}: shown", uuid[:8] in unixctl(
            "bastion-controller", "bastion/show")
            or str(status)[:40] in unixctl("bastion-controller",
                                           "bastion/show"))
        report.check(f"row, {name}: nothing opens", not scene.arrives(
            "resolver", "server", tcp(80), expected=False)
            and not scene.arrives("traveller", "resolver", udp(53),
                                  expected=False))
        report.check(f"row, {name}: others work", all(
            scene.marker(each) for each in CONTAINERS))
        for table, uuid in reversed(rows):
            wire.run("bastionctl", "--if-exists", "destroy", table, uuid)
    bastionctl("sync")
    report.equal("bastion/verify", wire.verify(), "")
    all_is_well("bad rows")
    a_change_is_applied("bad rows")

    # A dependency whose service goes selects nobody, not everybody.
    bastionctl("service-add", "web/temporary")
    temporary = uuid_of("Service", "name=temporary")
    result = transact(*dependency(source_services=[resolver],
                                  destination_services=[temporary]))
    uuid = result[0]["uuid"][1]
    report.check("a dependency on a service", wire.wait_until(
        lambda: wire.run("bastionctl", "get", "Dependency", uuid,
                         "status").strip() in ("active", '"active"')))
    transact({"op": "delete", "table": "Service", "where": [
        ["_uuid", "==", temporary]]})
    report.check("is refused when the service is gone", wire.wait_until(
        lambda: "error" in wire.run("bastionctl", "get", "Dependency", uuid,
                                    "status")))
    report.check("and opens nothing", not scene.arrives(
        "resolver", "server", tcp(80), expected=False))
    wire.run("bastionctl", "destroy", "Dependency", uuid)
    # What the database itself refuses.
    for name, operation in (
            ("an identity twice", insert("Service", name="x", identity=256,
                                         network=network, isolate="both")),
            ("a small identity", insert("Service", name="x", identity=2,
                                        network=network, isolate="both")),
            ("a network key twice", other_network(key=1)[0]),
            ("a container without addresses", insert(
                "Container", name="x", service=resolver, mac="x",
                interface="x", ips=[])),
            ("an unknown mode", insert("Network", name="x", key=9, bridge="x",
                                       subnets=["10.1.0.0/24"],
                                       enforcement="perhaps"))):
        try:
            transact(operation)
            refused = False
        except RuntimeError:
            refused = True
        report.check(f"the database refuses {name}", refused)


def main():
    for i, name in enumerate(CONTAINERS, 2):
        scene.add(name, f"10.32.0.{i}", f"fd00:32::{i}")
        scene.server.listen(name, socket.SOCK_DGRAM, 53)
        scene.markers[name] = "server"
    scene.markers["server"] = "resolver"
    scene.add(HOST, "10.32.0.1", "fd00:32::1", "br-int")
    scene.add(WORLD, "203.0.113.2", "2001:db8:77::2")
    add_neighbors(scene, CONTAINERS)
    all_is_well("at first")
    check_ports()
    check_permissions()
    check_bad_peers()
    check_attached_peers()
    check_impostors()
    check_appctl()
    check_rows()
    report.finish()


if __name__ == "__main__":
    PID = wire.daemon_pid("bastion-controller")
    main()
