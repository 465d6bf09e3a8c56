# SPDX-License-Identifier: Apache-2.0
"""A scene with containers, the host and the world behind it.

The world is a namespace that is joined to the host by a veth pair and routed
by the host.  Each place answers markers on UDP port 53.
"""

import ipaddress
import selectors
import socket
import threading

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

import wire
from wire import HOST, Tap, Token

GATEWAY_MAC = "aa:55:aa:55:00:01"
WORLD = "world"


class Server(threading.Thread):
    """Echoes, on UDP and TCP ports of all places."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()

    def listen(self, name, kind, *ports, protocol=0):
        for port in ports:
            sock = wire.make_socket(name, socket.AF_INET6, kind, protocol)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(64)
            sock.setblocking(False)
            with self.lock:
                self.selector.register(
                    sock, selectors.EVENT_READ,
                    self.accept if kind == socket.SOCK_STREAM else self.echo)

    def accept(self, sock):
        conn, _ = sock.accept()
        conn.setblocking(False)
        self.selector.register(conn, selectors.EVENT_READ, self.serve)

    def serve(self, sock):
        data = sock.recv(65536)
        if data:
            sock.send(data)
        else:
            self.selector.unregister(sock)
            sock.close()

    @staticmethod
    def echo(sock):
        data, peer = sock.recvfrom(65536)
        sock.sendto(data, peer)

    def run(self):
        while True:
            with self.lock:
                events = self.selector.select(0.02)
            for key, _ in events:
                try:
                    key.data(key.fileobj)
                except BlockingIOError:
                    pass
                except OSError:
                    if key.data == self.serve:
                        self.selector.unregister(key.fileobj)
                        key.fileobj.close()


def tcp(dport, sport=None, flags="S"):
    """A TCP header of a connection that has not been used before."""
    return TCP(sport=sport or 20000 + Token.last % 20000, dport=dport,
               flags=flags)


def udp(dport, sport=None):
    return UDP(sport=sport or 20000 + Token.last % 20000, dport=dport)


class Place:
    """A container, the host or the world."""

    def __init__(self, name, ip4, ip6, interface="eth0"):
        self.name = name
        self.tap = Tap(name, interface)
        self.mac = self.tap.mac
        self.ip4 = ip4
        self.ip6 = ip6

    def ip(self, version):
        return self.ip4 if version == 4 else self.ip6


def is_outside(address):
    ip = ipaddress.ip_address(address)
    return ip not in ipaddress.ip_network(
        "10.32.0.0/24" if ip.version == 4 else "fd00:32::/64")


class Scene:
    """Places by name, and packets between them."""

    def __init__(self):
        self.places = {}
        self.server = Server()
        self.server.start()
        self.markers = {}       # Where a place may send its markers.

    def add(self, name, ip4, ip6, interface="eth0", label=None):
        place = Place(name, ip4, ip6, interface)
        self.places[label or name] = place
        return place

    def __getitem__(self, name):
        return self.places[name]

    def next_hop(self, src, address):
        """MAC address to which 'src' sends what is for IP 'address'."""
        if src == WORLD:
            return self.uplink_mac
        if is_outside(address):
            return GATEWAY_MAC
        for place in self.places.values():
            if address in (place.ip4, place.ip6):
                return place.mac
        return GATEWAY_MAC

    def send(self, src, address, *layers, source=None):
        place = self.places[src]
        version = ipaddress.ip_address(address).version
        packet = (IP if version == 4 else IPv6)(
            src=source or place.ip(version), dst=address)
        for layer in layers:
            packet = packet / layer
        place.tap.send(Ether(src=place.mac, dst=self.next_hop(src, address))
                       / packet)

    def marker(self, src):
        """An honest packet and its answer: all that 'src' has sent before has
        been dealt with."""
        dst = self.markers[src]
        token = Token.new()
        with wire.make_socket(self.places[src].name, socket.AF_INET,
                              socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            # The datapath's caches may lag behind a change that opens.
            for _ in range(10):
                sock.sendto(token, (self.places[dst].ip4, 53))
                try:
                    return sock.recv(100) == token
                except OSError:
                    pass
        return False

    def arrives(self, src, dst, *layers, address=None, expected=True,
                version=4):
        """Whether a packet with 'layers' gets from 'src' to 'dst'."""
        token = Token.new()
        self.send(src, address or self.places[dst].ip(version), *layers,
                  token)
        tap = self.places[dst].tap
        if expected:
            return tap.wait(token)
        if not self.marker(src):
            raise RuntimeError(f"marker from {src} was lost")
        return tap.saw(token)


def add_neighbors(scene, names):
    """Gives each container the MAC addresses of all others, so that what is
    invisible is at least addressable."""
    for name in names:
        for other in scene.places.values():
            if other.name == name or other.name in (HOST, WORLD):
                continue
            for ip in (other.ip4, other.ip6):
                wire.run("ip", "neigh", "replace", ip, "lladdr", other.mac,
                         "nud", "permanent", "dev", "eth0", name=name)
