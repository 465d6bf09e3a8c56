# SPDX-License-Identifier: Apache-2.0
"""Traffic of the kernel datapath test; the scene is in kernel-datapath.sh."""

import re
import socket

from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6NDOptSrcLLAddr, IPv6,
                                IPv6ExtHdrFragment, fragment6)
from scapy.layers.inet import IP, fragment
from scapy.layers.l2 import ARP, Ether

import wire
from scene import Scene, add_neighbors, tcp, udp
from wire import HOST, Report, Token, bastionctl

ARP_METER, ND_METER = "slowpath", 2
ARP_INVISIBLE, IP_SPOOF, IPV6_SPOOF, ND_INVISIBLE, EGRESS = 8, 9, 10, 14, 25
BROADCAST = "ff:ff:ff:ff:ff:ff"
CONTAINERS = ("client", "server", "other")
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
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


def expect(name, expected, src, dst, *layers, **kwargs):
    report.equal(name, scene.arrives(src, dst, *layers, expected=expected,
                                     **kwargs), expected)


def meter(number):
    """Packets seen and packets dropped so far."""
    text = wire.run("ovs-ofctl", "-O", "OpenFlow15", "meter-stats", "br-int",
                    f"meter={number}")
    return tuple(int(re.search(pattern, text)[1]) for pattern in
                 (r"packet_in_count:(\d+)", r"0: *packet_count:(\d+)"))


def datapath_flows(*parts):
    return [flow for flow in wire.unixctl(
                "ovs-vswitchd", "dpctl/dump-flows").splitlines()
            if all(part in flow for part in parts)]


# Without knowing any neighbors.

def check_resolution():
    report.check("the datapath is the kernel's", "system@ovs-system" in
                 wire.unixctl("ovs-vswitchd", "dpif/show"))
    before = meter(ND_METER)[0]
    ping = ("ping", "-c1", "-W5")
    for place in ("server", HOST):
        for v in (4, 6):
            address = scene[place].ip(v)
            report.check(f"client pings {address}",
                         wire.succeeds(*ping, address, name="client"))
            report.check(f"client pings {address} with 4000 bytes",
                         wire.succeeds(*ping, "-s4000", address,
                                       name="client"))
    report.check("solicitations are metered", meter(ND_METER)[0] > before)
    report.check("in the datapath",
                 datapath_flows("icmpv6(type=135", "meter("))
    for v in (4, 6):
        address = scene["client"].ip(v)
        report.check(f"other gets no answer from {address}", not wire.succeeds(
            "ping", "-c1", "-W1", address, name="other"))
        report.check(f"other cannot resolve {address}", "lladdr" not in
                     wire.run("ip", "neigh", "show", address, name="other"))


def advertisement(tap, target):
    """The router flag of the advertisement for 'target', if there is one."""
    tap.drain()
    for frame in tap.others:
        packet = Ether(frame)
        if ICMPv6ND_NA in packet and packet[ICMPv6ND_NA].tgt == target:
            return packet[ICMPv6ND_NA].R
    return None


def check_advertisements():
    """Neighbors are answered by the controller, routers called so."""
    client = scene["client"]
    for name, flag in (("server", 0), (HOST, 1), ("other", None)):
        target = scene[name].ip6
        client.tap.others.clear()
        client.tap.send(
            Ether(src=client.mac, dst="33:33:ff:00:00:01")
            / IPv6(src=client.ip6, dst="ff02::1:ff00:1", hlim=255)
            / ICMPv6ND_NS(tgt=target)
            / ICMPv6NDOptSrcLLAddr(lladdr=client.mac))
        if flag is None:
            scene.marker("client")
        else:
            wire.wait_until(
                lambda: advertisement(client.tap, target) is not None)
        report.equal(f"router flag of {target}",
                     advertisement(client.tap, target), flag)


# Single packets.

def check_policy():
    for v in (4, 6):
        for name, expected, src, dst, header in (
                ("allowed", True, "client", "server", tcp(9000)),
                ("wrong port", False, "client", "server", tcp(9001)),
                ("wrong protocol", False, "client", "server", udp(9000)),
                ("wrong source", False, "other", "server", tcp(9000)),
                ("wrong destination", False, "client", "other", tcp(9000)),
                ("reverse", False, "server", "client", tcp(9000)),
                ("to host", False, "client", HOST, tcp(22))):
            expect(f"IPv{v} {name}", expected, src, dst, header, version=v)


def check_sources():
    """The honest packet of check_policy(), with one address changed."""
    client, server, other = (scene[name] for name in CONTAINERS)
    for v, layer in ((4, IP), (6, IPv6)):
        for name, mac, ip, expected in (
                ("honest", client.mac, client.ip(v), True),
                ("forged IP", client.mac, other.ip(v), False),
                ("forged MAC", other.mac, client.ip(v), False),
                ("forged both", other.mac, other.ip(v), False)):
            token = Token.new()
            client.tap.send(Ether(src=mac, dst=server.mac)
                            / layer(src=ip, dst=server.ip(v))
                            / udp(53) / token)
            got = (server.tap.wait(token) if expected else
                   scene.marker("client") and server.tap.saw(token))
            report.equal(f"IPv{v} {name}", got, expected)


def check_fragments():
    """Messages of a DHCP server have no ports before they are put together
    again, and are no fragments afterwards."""
    client, server = scene["client"], scene["server"]
    bastionctl("dependency-add", "web/client", "web/server", "udp:68",
               "udp:546")
    for v, port, dport in ((4, 67, 68), (6, 547, 546)):
        for sport, expected in ((1024, True), (port, False)):
            token = Token.new()
            data = udp(dport, sport) / token.ljust(2000, b"f")
            if v == 4:
                packets = fragment(
                    IP(src=client.ip4, dst=server.ip4) / data, 1400)
            else:
                packets = fragment6(IPv6(src=client.ip6, dst=server.ip6)
                                    / IPv6ExtHdrFragment() / data, 1400)
            for packet in packets:
                client.tap.send(Ether(src=client.mac, dst=server.mac) / packet)
            got = (server.tap.wait(token) if expected else
                   scene.marker("client") and server.tap.saw(token))
            report.equal(f"IPv{v} {len(packets)} fragments from port {sport}",
                         got, expected)


def check_drops():
    """Every drop of the checks above has been counted: a marker may overtake a
    packet that waits for ovs-vswitchd, but not be counted for it."""
    wire.unixctl("ovs-vswitchd", "revalidator/purge")
    counts = wire.drops()
    for reason, least in ((ARP_INVISIBLE, 1), (IP_SPOOF, 3), (IPV6_SPOOF, 3),
                          (ND_INVISIBLE, 2), (EGRESS, 12)):
        report.check(f"drop reason {reason} is counted",
                     counts.get(reason, 0) >= least, counts)


# A flood.

def arping():
    return wire.succeeds("arping", "-c1", "-w1", "-I", "eth0",
                         scene["server"].ip4, name="client")


def check_arp_flood():
    client = scene["client"]
    # From the second request on, there is a flow in the datapath.
    report.check("requests are answered", wire.wait_until(arping))
    report.check("and metered in the datapath",
                 datapath_flows("eth_type(0x0806)", "meter("))
    request = bytes(Ether(src=client.mac, dst=BROADCAST)
                    / ARP(hwsrc=client.mac, psrc=client.ip4,
                          pdst=scene["server"].ip4))
    pid = wire.daemon_pid("ovs-vswitchd")
    packets, dropped = meter(ARP_METER)
    for _ in range(5000):
        client.tap.send(request)
    report.check("all of a flood is metered", wire.wait_until(
        lambda: meter(ARP_METER)[0] >= packets + 5000),
        meter(ARP_METER)[0] - packets)
    report.check("and some of it dropped", meter(ARP_METER)[1] > dropped)
    report.check("traffic passes", scene.marker("client"))
    report.equal("ovs-vswitchd lives", wire.daemon_pid("ovs-vswitchd"), pid)
    report.check("and answers", wire.unixctl("ovs-vswitchd", "version"))
    report.check("requests are answered again", wire.wait_until(arping, 10))


# Connections.

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
        report.equal(f"IPv{v} connection", echo(sock, b"1"), b"1")
    bastionctl("dependency-del", "web/client", "web/server", "tcp:9000")
    for v, sock in connections.items():
        report.equal(f"IPv{v} connection is cut", echo(sock, b"2", 1),
                     None)
    report.check("others are not", scene.marker("client"))
    bastionctl("dependency-add", "web/client", "web/server", "tcp:9000")
    for v, sock in connections.items():
        report.equal(f"IPv{v} connection is restored",
                     echo(sock, None, 20), b"2")
        report.equal(f"IPv{v} connection is intact", echo(sock, b"3"),
                     b"3")
        sock.close()


def sctp_echo(family, source, address, port):
    """Whether a message comes back."""
    with wire.make_socket("client", family, socket.SOCK_STREAM,
                          socket.IPPROTO_SCTP) as sock:
        sock.bind((source, 0))
        sock.settimeout(2)
        try:
            sock.connect((address, port))
        except TimeoutError:
            return False
        return echo(sock, b"sctp") == b"sctp"


def check_sctp():
    ports = (5000, 5001)
    scene.server.listen("server", socket.SOCK_STREAM, *ports,
                        protocol=socket.IPPROTO_SCTP)

    def check(when, *allowed):
        for v, family in FAMILIES.items():
            for port in ports:
                report.equal(
                    f"IPv{v} sctp:{port} {when}",
                    sctp_echo(family, scene["client"].ip(v),
                              scene["server"].ip(v), port), port in allowed)

    check("before")
    bastionctl("dependency-add", "web/client", "web/server", "sctp:5000")
    check("with a dependency", 5000)
    report.check("the kernel tracks SCTP", "sctp,orig=(" in wire.unixctl(
        "ovs-vswitchd", "dpctl/dump-conntrack"))
    bastionctl("dependency-del", "web/client", "web/server", "sctp:5000")
    check("afterwards")


def main():
    build_scene()
    check_resolution()
    check_advertisements()
    add_neighbors(scene, CONTAINERS)
    check_policy()
    check_sources()
    check_fragments()
    check_drops()
    check_arp_flood()
    check_revocation()
    check_sctp()
    report.equal("bastion/verify", wire.verify(), "")
    report.finish()


if __name__ == "__main__":
    main()
