# SPDX-License-Identifier: Apache-2.0
"""Traffic of the direct mode's test; the scene is in fastpath-direct.sh.

What is redirected into a container counts as received by the port all the
same, so what proves that it went past Open vSwitch is the number of packets
that the datapath has looked up.
"""

import glob
import json
import os
import re
import socket
import threading

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6ND_RA,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Dot1Q, Ether

import wire
from scene import Scene, add_neighbors, tcp, udp
from wire import HOST, Report, Token, bastionctl

PINS = "/sys/fs/bpf/bastion"
CONTAINERS = ("client", "server", "other")
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
N_PINGS = 300
report = Report()
scene = Scene()


def build_scene():
    for i, name in enumerate(CONTAINERS, 2):
        scene.add(name, f"10.32.0.{i}", f"fd00:32::{i}")
        scene.markers[name] = "server"
        scene.server.listen(name, socket.SOCK_DGRAM, 53)
    scene.markers["server"] = "other"
    scene.add(HOST, "10.32.0.1", "fd00:32::1", "br-int")
    scene.server.listen("server", socket.SOCK_STREAM, 9000)
    scene.server.listen("other", socket.SOCK_STREAM, 9000)


# What is counted.

def fastpath(port):
    return json.loads(wire.unixctl("bastion-controller", "bastion/fastpath",
                                   "--json", port))[0]


def delivered(port):
    return fastpath(port)["delivered"]["packets"]


def lookups():
    """Packets that the datapath has looked up."""
    text = wire.unixctl("ovs-vswitchd", "dpctl/show")
    return sum(map(int, re.search(r"hit:(\d+) missed:(\d+)", text).groups()))


def program_drops():
    """Packets that the programs have dropped, by number of the reason."""
    pin, = glob.glob(f"{PINS}/v*/counters")
    dump = json.loads(wire.run("bpftool", "-j", "map", "dump", "pinned", pin))
    counts = {}
    for entry in dump:
        key = int.from_bytes(bytes(int(b, 16) for b in entry["key"]),
                             "little")
        counts[key] = sum(
            int.from_bytes(bytes(int(b, 16) for b in cpu["value"][:8]),
                           "little") for cpu in entry["values"])
    return counts


def is_attached(name):
    return fastpath(name)["mode"] == "direct"


# The checks.

def check_attachment():
    tcx = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 6)
    for name in CONTAINERS:
        wire.wait_until(lambda: is_attached(name))
        state = fastpath(name)
        report.equal(f"{name}'s mode", state["mode"], "direct")
        report.equal(f"{name}'s attachment", state.get("attached-by"),
                     "tcx" if tcx else "clsact")


def flood_ping(v):
    return wire.succeeds("ping", "-f", "-q", "-c", str(N_PINGS), "-W", "2",
                         scene["server"].ip(v), name="client")


def measure(function, *args):
    """What 'function' returns; packets that client and server got delivered
    by the programs; packets that the datapath has looked up."""
    before = delivered("client"), delivered("server"), lookups()
    result = function(*args)
    after = delivered("client"), delivered("server"), lookups()
    return (result, *(a - b for a, b in zip(after, before)))


def check_bypass():
    """Open vSwitch sees pings only when the fast path is off."""
    for v in (4, 6):
        report.check(f"IPv{v} ping", flood_ping(v))
        ok, there, back, seen = measure(flood_ping, v)
        report.check(f"IPv{v} pings are answered", ok)
        report.check(f"IPv{v} requests are delivered at once",
                     there >= N_PINGS, there)
        report.check(f"IPv{v} replies, too", back >= N_PINGS, back)
        report.check(f"IPv{v} pings go past Open vSwitch",
                     seen < N_PINGS / 2, seen)
    bastionctl("set", "Bastion", ".", "options:fast-path=false")
    for v in (4, 6):
        before = lookups()
        report.check(f"IPv{v} pings without the fast path", flood_ping(v))
        seen = lookups() - before
        report.check(f"IPv{v} pings go through Open vSwitch then",
                     seen >= 2 * N_PINGS, seen)
    report.check("no program is left", "off" == fastpath("client")["mode"]
                 and not os.path.exists(PINS))
    bastionctl("set", "Bastion", ".", "options:fast-path=true")
    report.check("the fast path comes back",
                 wire.wait_until(lambda: is_attached("client")
                                 and is_attached("server")))


def transfer(v, size=4 << 20):
    """Whether a stream, with segmentation left to the destination, arrives as
    it was sent."""
    data = os.urandom(1 << 16) * (size >> 16)
    got = bytearray()
    with wire.make_socket("server", FAMILIES[v], socket.SOCK_STREAM) as server:
        server.bind((scene["server"].ip(v), 9002))
        server.listen()
        client = wire.make_socket("client", FAMILIES[v], socket.SOCK_STREAM)
        client.settimeout(20)
        client.connect((scene["server"].ip(v), 9002))
        conn, _ = server.accept()
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    with client, conn:
        conn.settimeout(20)
        while len(got) < size:
            piece = conn.recv(1 << 16)
            if not piece:
                break
            got += piece
        sender.join()
    return got == data


def check_stream():
    for v in (4, 6):
        ok, there, back, seen = measure(transfer, v)
        report.check(f"IPv{v} stream", ok)
        report.check(f"IPv{v} stream goes past Open vSwitch",
                     there > 20 and back > 20 and seen < 20,
                     (there, back, seen))


def check_policy():
    for v in (4, 6):
        for name, expected, src, dst, header in (
                ("allowed", True, "client", "server", tcp(9000)),
                ("allowed by Open vSwitch", True, "client", HOST,
                 ICMP() if v == 4 else ICMPv6EchoRequest()),
                ("wrong port", False, "client", "server", tcp(9001)),
                ("wrong protocol", False, "client", "server", udp(9000)),
                ("wrong source", False, "other", "server", tcp(9000)),
                ("wrong destination", False, "client", "other", tcp(9000)),
                ("reverse", False, "server", "client", tcp(9000)),
                ("to host", False, "client", HOST, tcp(22))):
            report.equal(f"IPv{v} {name}",
                         scene.arrives(src, dst, header, expected=expected,
                                       version=v), expected)


def forgeries():
    """Name, reason number and frame; each is honest but for one thing."""
    client, server, other = (scene[name] for name in CONTAINERS)
    ether = {"src": client.mac, "dst": server.mac}
    ip = {"src": client.ip4, "dst": server.ip4}
    ip6 = {"src": client.ip6, "dst": server.ip6}
    forged_ip = {**ip, "src": other.ip4}
    forged_ip6 = {**ip6, "src": other.ip6}
    forged_mac = {**ether, "src": other.mac}
    return (
        ("VLAN tag", 2, Ether(**ether) / Dot1Q(vlan=5) / IP(**ip) / udp(53)),
        ("group source", 3, Ether(src="03:00:00:00:00:01", dst=server.mac)
         / IP(**ip) / udp(53)),
        ("LLDP", 4, Ether(**ether, type=0x88cc)),
        ("ARP sender", 5, Ether(**ether) / ARP(
            hwsrc=client.mac, psrc=other.ip4, pdst=server.ip4)),
        ("ARP reply", 6, Ether(**ether) / ARP(
            op=2, hwsrc=client.mac, psrc=client.ip4, pdst=server.ip4)),
        ("IPv4 source", 9, Ether(**ether) / IP(**forged_ip) / udp(53)),
        ("MAC source", 9, Ether(**forged_mac) / IP(**ip) / udp(53)),
        ("IPv6 source", 10, Ether(**ether) / IPv6(**forged_ip6) / udp(53)),
        ("solicitation", 11, Ether(**ether) / IPv6(**ip6, hlim=255)
         / ICMPv6ND_NS(tgt=server.ip6)
         / ICMPv6NDOptSrcLLAddr(lladdr=other.mac)),
        ("advertisement", 15, Ether(**ether) / IPv6(**ip6, hlim=255)
         / ICMPv6ND_RA()))


def check_forgeries():
    client, server = scene["client"], scene["server"]
    honest = (Ether(src=client.mac, dst=server.mac)
              / IP(src=client.ip4, dst=server.ip4) / udp(53))
    server.tap.others.clear()
    client.tap.send(honest)
    marker = scene.marker("client")
    server.tap.drain()
    report.check("an honest packet arrives",
                 marker and bytes(honest) in server.tap.others)
    for name, reason, frame in forgeries():
        before = program_drops()
        server.tap.others.clear()
        client.tap.send(frame)
        marker = scene.marker("client")
        server.tap.drain()
        report.check(f"forged {name} does not arrive",
                     marker and bytes(frame) not in server.tap.others)
        after = program_drops()
        report.equal(f"forged {name} is dropped for reason {reason}",
                     {key: n - before.get(key, 0)
                      for key, n in after.items()
                      if key < 64 and n != before.get(key, 0)},
                     {reason: 1})


def echo(sock, data, timeout=wire.TIMEOUT):
    sock.settimeout(timeout)
    try:
        if data is not None:
            sock.sendall(data)
        return sock.recv(100)
    except TimeoutError:
        return None


def check_revocation():
    connections = {}
    for v, family in FAMILIES.items():
        sock = wire.make_socket("client", family, socket.SOCK_STREAM)
        sock.settimeout(wire.TIMEOUT)
        sock.connect((scene["server"].ip(v), 9000))
        connections[v] = sock
        answer, there, _, _ = measure(echo, sock, b"1")
        report.check(f"IPv{v} connection on the fast path",
                     answer == b"1" and there)
    bastionctl("dependency-del", "web/client", "web/server", "tcp:9000")
    for v, sock in connections.items():
        report.equal(f"IPv{v} connection is cut", echo(sock, b"2", 1), None)
        report.equal(f"nothing new in IPv{v}", scene.arrives(
            "client", "server", tcp(9000), expected=False, version=v), False)
    bastionctl("dependency-add", "web/client", "web/server", "tcp:9000")
    for v, sock in connections.items():
        report.equal(f"IPv{v} connection is restored", echo(sock, None, 20),
                     b"2")
        answer, there, _, _ = measure(echo, sock, b"3")
        report.check(f"IPv{v} connection is back on the fast path",
                     answer == b"3" and there)
        sock.close()


def check_crash():
    """Without a controller, the programs go on; the next one takes over."""
    ping = wire.start("client", "ping", "-q", "-i", "0.02", "-c", "200", "-W",
                      "2", scene["server"].ip4, stdout=-1, text=True)
    wire.crash("bastion-controller")
    report.check("without the controller, traffic passes",
                 scene.marker("client"))
    report.equal("and what is forbidden does not", scene.arrives(
        "client", "server", tcp(9001), expected=False), False)
    wire.sandbox("sandbox_start_controller")
    output = ping.communicate(timeout=60)[0]
    report.check("no packet is lost over a restart of the controller",
                 "200 received" in output, output)
    report.check("the new controller takes over",
                 wire.wait_until(lambda: is_attached("client"), 20))
    ok, there, _, seen = measure(flood_ping, 4)
    report.check("and the fast path is used",
                 ok and there >= N_PINGS and seen < N_PINGS / 2,
                 (ok, there, seen))


def main():
    build_scene()
    check_attachment()
    check_bypass()
    check_stream()
    for name in CONTAINERS:
        # Taps that are full would miss what comes next.
        scene[name].tap.discard()
    add_neighbors(scene, CONTAINERS)
    check_policy()
    check_forgeries()
    check_revocation()
    check_crash()
    report.equal("bastion/verify", wire.verify(), "")
    report.finish()


if __name__ == "__main__":
    main()
