# SPDX-License-Identifier: Apache-2.0
"""Traffic of the policy test; the scene is in policy.sh."""

import os
import select
import socket
import struct
import subprocess
import threading
import time

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest,
                                ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6)
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw

import wire
from scene import WORLD, Scene, add_neighbors, tcp, udp
from wire import HOST, Report, Token, bastionctl

EGRESS, INGRESS = 25, 26
CONTAINERS = ("client", "server", "other", "none", "ingress", "egress",
              "both")
FAST_PATH = os.environ["SANDBOX_FASTPATH"] == "yes"
report = Report()
scene = Scene()


def echo(version, **kwargs):
    return ICMP(**kwargs) if version == 4 else ICMPv6EchoRequest(**kwargs)


def build_scene():
    for i, name in enumerate(CONTAINERS, 2):
        scene.add(name, f"10.32.0.{i}", f"fd00:32::{i}")
        scene.markers[name] = "server"
    scene.add(HOST, "10.32.0.1", "fd00:32::1", "br-int")
    scene.add(WORLD, "203.0.113.2", "2001:db8:77::2")
    with open("/sys/class/net/uplink/address") as f:
        scene.uplink_mac = f.read().strip()
    scene.markers.update({HOST: "server", WORLD: "server", "server": "other"})
    for name in CONTAINERS + (HOST, WORLD):
        scene.server.listen(name, socket.SOCK_DGRAM, 53)
    scene.server.listen("server", socket.SOCK_DGRAM, 5000, 5001, 6000)
    scene.server.listen("server", socket.SOCK_STREAM, 80, 81, 8000, 8010)


def expect(name, expected, src, dst, *layers, **kwargs):
    report.equal(name, scene.arrives(src, dst, *layers, expected=expected,
                                     **kwargs), expected)


# Without knowing any neighbors.

def check_resolution():
    """Peers find each other, and real programs talk; others find nobody."""
    ping = ("ping", "-c1", "-W3")
    for address in ("10.32.0.3", "fd00:32::3", "10.32.0.1", "fd00:32::1"):
        report.check(f"client pings {address}",
                     wire.succeeds(*ping, address, name="client"))
        report.check(f"client pings {address} with 4000 bytes",
                     wire.succeeds(*ping, "-s4000", address, name="client"))
    for address in ("10.32.0.3", "fd00:32::3"):
        with wire.netns("client"):
            with socket.create_connection((address, 80), 5) as sock:
                sock.sendall(b"hello")
                report.equal(f"client talks to {address}", sock.recv(10),
                             b"hello")
    neighbors = {address: wire.start("other", "ping", "-c1", "-W1", address,
                                     stdout=subprocess.DEVNULL)
                 for address in ("10.32.0.2", "fd00:32::2")}
    for address, process in neighbors.items():
        report.check(f"other gets no answer from {address}", process.wait())
        report.check(f"other cannot resolve {address}", "lladdr" not in
                     wire.run("ip", "neigh", "show", address, name="other"))


# Single packets.

def check_ports():
    cases = [(tcp, port, port in (80, 8000, 8005, 8010, 9000))
             for port in (1, 79, 80, 81, 7999, 8000, 8005, 8010, 8011, 9000,
                          65535)]
    cases += [(udp, port, port in (53, 5000, 5003))
              for port in (53, 54, 80, 4999, 5000, 5003, 5004, 8000)]
    for version in (4, 6):
        for l4, port, allowed in cases:
            name = f"IPv{version} {l4.__name__}:{port}"
            expect(f"client to server {name}", allowed, "client", "server",
                   l4(port), version=version)
            if port in (80, 53):
                expect(f"other to server {name}", name.endswith("udp:53"),
                       "other", "server", l4(port), version=version)
            expect(f"client to other {name}", False, "client", "other",
                   l4(port), version=version)
            expect(f"server to client {name}", False, "server", "client",
                   l4(port), version=version)
        expect(f"client to server IPv{version} echo", True, "client",
               "server", echo(version), version=version)
        expect(f"other to server IPv{version} echo", False, "other",
               "server", echo(version), version=version)
    for kind, allowed in ((8, True), (13, False), (17, False), (15, False)):
        expect(f"client to server icmp:{kind}", allowed, "client", "server",
               ICMP(type=kind, id=7))
    # icmp:8 is not icmp6, and the other way around.
    expect("icmp in IPv6", False, "client", "other", ICMP(), version=6)
    # Only the fast path tracks it.
    for version in (4, 6):
        expect(f"allowed sctp in IPv{version}", FAST_PATH, "client",
               "server", SCTP(sport=4000, dport=80) / SCTPChunkInit(),
               version=version)
        expect(f"sctp that is not allowed in IPv{version}", False, "other",
               "server", SCTP(sport=4000, dport=80) / SCTPChunkInit(),
               version=version)


def check_outside():
    other = {4: "203.0.113.1", 6: "2001:db8:77::1"}     # Of the host.
    gateway = {4: "10.32.0.1", 6: "fd00:32::1"}
    excepted = {4: "203.0.113.66", 6: "2001:db8:77::66"}
    for v in (4, 6):
        for address in (gateway[v], other[v]):
            for l4, allowed in ((udp(53), True), (udp(54), False),
                                (tcp(53), False), (tcp(443), False),
                                (tcp(22), False), (udp(123), False),
                                (tcp(6653), False), (echo(v), True)):
                expect(f"client to host {address} {l4.summary()}", allowed,
                       "client", HOST, l4, address=address)
            expect(f"other to host {address}", False, "other", HOST, udp(53),
                   address=address)
        for l4, allowed in ((tcp(443), True), (udp(53), True),
                            (tcp(80), False), (udp(123), True),
                            (echo(v), False)):
            expect(f"client to world IPv{v} {l4.summary()}", allowed,
                   "client", WORLD, l4, version=v)
            expect(f"other to world IPv{v} {l4.summary()}", False, "other",
                   WORLD, l4, version=v)
        expect(f"client to {excepted[v]} tcp:443", True, "client", WORLD,
               tcp(443), address=excepted[v])
        expect(f"client to {excepted[v]} udp:123", False, "client", WORLD,
               udp(123), address=excepted[v])
        for l4, allowed in ((tcp(80), True), (tcp(22), False),
                            (tcp(8443), False), (echo(v), False)):
            expect(f"world to server IPv{v} {l4.summary()}", allowed, WORLD,
                   "server", l4, version=v)
        expect(f"world to client IPv{v}", False, WORLD, "client", udp(53),
               version=v)
        for l4, allowed in ((tcp(22), True), (udp(53), True),
                            (tcp(80), False), (echo(v), False)):
            expect(f"host to server IPv{v} {l4.summary()}", allowed, HOST,
                   "server", l4, version=v)
        expect(f"host to client IPv{v}", False, HOST, "client", udp(53),
               version=v)
    token = Token.new()
    scene.send(WORLD, "10.32.0.3", tcp(8443), token, source="203.0.113.8")
    report.check("203.0.113.8 to server tcp:8443",
                 scene["server"].tap.wait(token))
    # The kernels on the way agree.
    for address in ("203.0.113.2", "2001:db8:77::2"):
        with wire.make_socket("client", socket.AF_INET6 if ":" in address
                              else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(b"marker", (address, 53))
            report.equal(f"{address} answers through the gateway",
                         sock.recv(10), b"marker")


def check_replies():
    for v in (4, 6):
        name = f"IPv{v}"
        expect(f"{name} reply before its request", False, "server", "client",
               udp(4444 + v, 5000), version=v)
        expect(f"{name} request", True, "client", "server",
               udp(5000, 4444 + v), version=v)
        expect(f"{name} reply", True, "server", "client",
               udp(4444 + v, 5000), version=v)
        for l4 in (udp(4445 + v, 5000), udp(4444 + v, 5001),
                   udp(5000, 4444 + v), tcp(4444 + v, 5000),
                   tcp(4444 + v, 80, "SA"), tcp(4444 + v, 80, "A")):
            expect(f"{name} no reply: {l4.summary()}", False, "server",
                   "client", l4, version=v)
        expect(f"{name} reply from another", False, "other", "client",
               udp(4444 + v, 5000), version=v)
        # Taking part in somebody else's connection.
        expect(f"{name} request from another", False, "other", "server",
               udp(5000, 4444 + v), version=v)


def check_icmp_errors():
    def request(version, token):
        ip = (IP if version == 4 else IPv6)(src=scene["client"].ip(version),
                                            dst=scene["server"].ip(version))
        return ip / udp(5000, 7000) / Raw(token)

    for v in (4, 6):
        expect(f"IPv{v} request for errors", True, "client", "server",
               udp(5000, 7000), version=v)
        errors = ((ICMP(type=3, code=3), ICMP(type=3, code=4, nexthopmtu=1400),
                   ICMP(type=11)) if v == 4 else
                  (ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1400),
                   ICMPv6TimeExceeded()))
        for error in errors:
            what = f"IPv{v} {error.summary()}"
            for sender, live, allowed in (
                    ("server", True, True), ("server", False, False),
                    ("other", True, False), ("other", False, False),
                    # With the fast path, Open vSwitch does not know of the
                    # connection.  There is no router on its way, anyway.
                    (HOST, True, not FAST_PATH), (HOST, False, False)):
                token = Token.new()
                inner = request(v, token)
                if not live:
                    inner[UDP].sport = 7001
                scene.send(sender, scene["client"].ip(v), error.copy(), inner)
                tap = scene["client"].tap
                got = (tap.wait(token) if allowed
                       else scene.marker(sender) and tap.saw(token))
                report.equal(f"{what} from {sender or 'host'}, connection "
                             f"{'live' if live else 'unknown'}", got, allowed)
    for family, address in ((socket.AF_INET, "10.32.0.3"),
                            (socket.AF_INET6, "fd00:32::3")):
        with wire.make_socket("client", family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect((address, 5002))
            sock.send(b"nobody listens here")
            try:
                sock.recv(10)
                refused = False
            except ConnectionRefusedError:
                refused = True
            except OSError:
                refused = False
            report.check(f"port unreachable from {address}", refused)


def check_fragments():
    """Datagrams of several fragments, by the kernels."""
    for family, address, other in (
            (socket.AF_INET, "10.32.0.3", "10.32.0.4"),
            (socket.AF_INET6, "fd00:32::3", "fd00:32::4")):
        with wire.make_socket("client", family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            for size in (1600, 4000, 20000):
                token = Token.new() * (size // 14)
                sock.sendto(token, (address, 5000))
                report.check(f"{size} bytes to {address} and back",
                             sock.recv(65536) == token)
                for where, port in (("server", 6000), ("other", 53)):
                    token = Token.new() * (size // 14)
                    sock.sendto(token, (address if where == "server"
                                        else other, port))
                    report.check(
                        f"{size} bytes to {where}:{port} do not arrive",
                        scene.marker("client")
                        and not scene[where].tap.saw(token[:14]))


# Modes.

def check_isolation():
    """allowed = (source not isolated or rule) and (destination ...)."""
    for v in (4, 6):
        for src in CONTAINERS[3:]:
            for dst in CONTAINERS[3:]:
                if src != dst:
                    allowed = (src in ("none", "ingress")
                               and dst in ("none", "egress"))
                    expect(f"IPv{v} isolate={src} to isolate={dst}", allowed,
                           src, dst, tcp(77), version=v)
        expect(f"IPv{v} isolate=none to isolated", False, "none", "client",
               tcp(80), version=v)
        expect(f"IPv{v} isolated to isolate=none", False, "client", "none",
               tcp(80), version=v)


def check_enforcement():
    def spoofed(name):
        token = Token.new()
        scene["client"].tap.send(
            Ether(src=scene["client"].mac, dst=scene["server"].mac)
            / IP(src="10.32.0.4", dst="10.32.0.3") / udp(53) / token)
        report.check(f"spoofed packets are dropped in mode {name}",
                     scene.marker("client")
                     and not scene["server"].tap.saw(token))

    def counted():
        wire.unixctl("ovs-vswitchd", "revalidator/purge")
        return wire.drops(action="audit").get(EGRESS, 0)

    def logged():
        with open("bastion-controller.log") as f:
            return [line for line in f if "audit: bridge br-int" in line]

    bastionctl("set", "Network", "web", "enforcement=audit")
    before = counted()
    for v in (4, 6):
        expect(f"IPv{v} forbidden packet in mode audit", True, "client",
               "other", tcp(80), version=v)
        expect(f"IPv{v} forbidden reverse packet in mode audit", True,
               "other", "client", udp(53), version=v)
    report.check("solicitations pass in mode audit", wire.succeeds(
        "arping", "-c1", "-w3", "-I", "eth0", "10.32.0.4", name="client"))
    report.check("they are counted", counted() >= before + 4, counted())
    report.check("and logged", wire.wait_until(logged))
    spoofed("audit")
    bastionctl("set", "Network", "web", "enforcement=off")
    before = counted()
    for v in (4, 6):
        expect(f"IPv{v} forbidden packet in mode off", True, "client",
               "other", tcp(81), version=v)
    report.equal("nothing is counted", counted(), before)
    spoofed("off")
    bastionctl("set", "Network", "web", "enforcement=enforce")
    for v in (4, 6):
        for l4 in (tcp(80), tcp(81)):
            expect(f"IPv{v} forbidden packet in mode enforce", False,
                   "client", "other", l4, version=v)
    bastionctl("clear", "Network", "web", "enforcement")
    expect("forbidden packet in the default mode", False, "client", "other",
           tcp(82))


# DHCP.

def dhcp_exchange(name, message, timeout=3.0, **options):
    """Broadcasts a message; returns the server's answer, or None."""
    place = scene[name]
    xid = Token.last + 1
    token = Token.new()
    chaddr = bytes.fromhex(place.mac.replace(":", ""))
    place.tap.send(
        Ether(src=place.mac, dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255") / udp(67, 68)
        / BOOTP(op=1, chaddr=chaddr, xid=xid)
        / DHCP(options=[("message-type", message),
                        ("hostname", token.decode().strip("<>")),
                        *options.items(), "end"]))
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        select.select([place.tap.socket], [], [], 0.05)
        for frame in place.tap.frames():
            packet = Ether(frame)
            if BOOTP in packet and packet[BOOTP].op == 2 \
                    and packet[BOOTP].xid == xid:
                return packet
    return None


def check_dhcp():
    offer = dhcp_exchange("client", "discover")
    report.check("the declared DHCP server offers an address",
                 offer and offer[BOOTP].yiaddr == "10.32.0.2", offer)
    answer = dhcp_exchange("client", "request", server_id="10.32.0.1",
                           requested_addr="10.32.0.2")
    report.check("and acknowledges it",
                 answer and ("message-type", 5) in answer[DHCP].options,
                 answer)
    for name in CONTAINERS[1:]:
        scene[name].tap.drain()
    # What clients broadcast is for the server only.
    token = Token.new()
    scene["client"].tap.send(
        Ether(src=scene["client"].mac, dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255") / udp(67, 68) / token)
    report.check("a broadcast arrives at the server",
                 scene[HOST].tap.wait(token))
    report.check("and at nobody else", scene.marker("client") and not any(
        scene[name].tap.saw(token) for name in CONTAINERS[1:]))
    report.check("a service without a dependency is not served",
                 not dhcp_exchange("other", "discover", 0.5))
    for sport, dport in ((67, 68), (67, 67)):
        expect(f"rogue server {sport}>{dport}", False, "server", "client",
               UDP(sport=sport, dport=dport))
        token = Token.new()
        scene["server"].tap.send(
            Ether(src=scene["server"].mac, dst="ff:ff:ff:ff:ff:ff")
            / IP(src="10.32.0.3", dst="255.255.255.255")
            / UDP(sport=sport, dport=dport) / token)
        report.check(f"rogue broadcast {sport}>{dport}",
                     scene.marker("server")
                     and not scene["client"].tap.saw(token))


# Connections whose dependency goes and comes back.

class Stream(threading.Thread):
    """Numbers every few milliseconds, over a connection of the kernels, from
    the client, the server or both."""

    def __init__(self, kind, version, senders):
        super().__init__(daemon=True)
        self.kind = kind
        address = scene["server"].ip(version)
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        listener = wire.make_socket("server", family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = 9000 if kind == socket.SOCK_STREAM else 5003
        listener.bind((address, port))
        client = wire.make_socket("client", family, kind)
        client.settimeout(5)
        if kind == socket.SOCK_STREAM:
            listener.listen()
            client.connect((address, port))
            server, _ = listener.accept()
            listener.close()
        else:
            client.connect((address, port))
            client.send(struct.pack("!Q", 0))
            _, peer = listener.recvfrom(100)
            listener.connect(peer)
            server = listener
        self.ends = {"client": client, "server": server}
        self.senders = senders
        self.received = {"client": 0, "server": 0}
        self.intact = True
        self.sent = 0
        self.stopping = False
        for sock in self.ends.values():
            sock.setblocking(False)

    def run(self):
        partial = {"client": b"", "server": b""}
        while not self.stopping:
            self.sent += 1
            for name in self.senders:
                try:
                    self.ends[name].send(struct.pack("!Q", self.sent))
                except BlockingIOError:
                    if self.kind == socket.SOCK_STREAM:
                        self.sent -= 1
                except OSError:
                    self.intact = False
            time.sleep(0.005)
            for name, sock in self.ends.items():
                try:
                    data = partial[name] + sock.recv(65536)
                except BlockingIOError:
                    continue
                except OSError:
                    self.intact = False
                    continue
                count = len(data) // 8
                partial[name] = data[count * 8:]
                numbers = struct.unpack(f"!{count}Q", data[:count * 8])
                if self.kind == socket.SOCK_STREAM:
                    first = self.received[name] + 1
                    self.intact &= (numbers
                                    == tuple(range(first, first + count)))
                self.received[name] = numbers[-1] if numbers else 0

    def progress(self, places, timeout):
        """Whether all of 'places' receive something new."""
        before = dict(self.received)
        return wire.wait_until(lambda: all(
            self.received[place] > before[place] for place in places),
            timeout)

    def stop(self):
        self.stopping = True
        self.join()
        for sock in self.ends.values():
            sock.close()


def check_revocation():
    streams = {}
    for version in (4, 6):
        streams[f"TCP both ways, IPv{version}"] = Stream(
            socket.SOCK_STREAM, version, ("client", "server"))
        streams[f"TCP from the server only, IPv{version}"] = Stream(
            socket.SOCK_STREAM, version, ("server",))
        streams[f"UDP both ways, IPv{version}"] = Stream(
            socket.SOCK_DGRAM, version, ("client", "server"))
    receivers = {name: [{"client": "server", "server": "client"}[sender]
                        for sender in stream.senders]
                 for name, stream in streams.items()}
    for name, stream in streams.items():
        stream.start()
        report.check(f"{name}: flows", stream.progress(receivers[name], 5))
    for turn in (1, 2):
        start = time.monotonic()
        bastionctl("dependency-del", "web/client", "web/server", "tcp:9000",
                   "udp:5000-5003")
        # What is on its way at that moment may still arrive.
        time.sleep(max(0.0, start + 1 - time.monotonic()))
        for name, stream in streams.items():
            seen = dict(stream.received)
            streams[name].seen = seen
        report.check("markers pass", scene.marker("client"))
        time.sleep(0.3)
        for name, stream in streams.items():
            report.equal(f"{name}: cut within a second, turn {turn}",
                         stream.received, stream.seen)
        bastionctl("dependency-add", "web/client", "web/server", "tcp:9000",
                   "udp:5000-5003")
        for name, stream in streams.items():
            report.check(f"{name}: comes back, turn {turn}",
                         stream.progress(receivers[name], 15))
    for name, stream in streams.items():
        stream.stop()
        report.check(f"{name}: nothing is lost or changed", stream.intact)


def main():
    build_scene()
    check_resolution()
    add_neighbors(scene, CONTAINERS)
    check_ports()
    check_outside()
    check_replies()
    check_icmp_errors()
    check_fragments()
    check_isolation()
    check_enforcement()
    check_dhcp()
    check_revocation()
    report.equal("bastion/verify", wire.verify(), "")
    report.finish()


if __name__ == "__main__":
    main()
