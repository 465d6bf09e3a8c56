# SPDX-License-Identifier: Apache-2.0
"""usage: discovery.py plain|bastion [--seed=SEED]

What the attacker finds; the scene is in discovery.sh.
"""

import argparse
import random
import re
import socket
import time

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6MLQuery, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6ND_RS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether

import wire
from scene import GATEWAY_MAC, Scene, tcp, udp
from wire import HOST, Report, Token

CONTAINERS = ("attacker", "peer", "one", "two")
BROADCAST = "ff:ff:ff:ff:ff:ff"
report = Report()
scene = Scene()


class Test:
    def __init__(self, bastion, seed):
        self.bastion = bastion
        self.random = random.Random(seed)
        self.attacker = scene["attacker"]
        self.tap = self.attacker.tap

    def expect(self, what, found, plain, bastion):
        report.equal(what, sorted(found), sorted(bastion if self.bastion
                                                 else plain))

    def settle(self):
        """Waits until all that the attacker has sent is dealt with."""
        if not scene.marker("attacker"):
            report.check("the marker passes", False)

    def heard(self, frames):
        """Sends frames and returns what comes back."""
        list(self.tap.frames())
        answers = []
        for i, frame in enumerate(frames):
            self.tap.send(frame)
            if i % 32 == 31:    # Queues are short.
                time.sleep(0.002)
        # Kernels that were found may have to look for us first.
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            answers += [Ether(frame) for frame in self.tap.frames()]
            time.sleep(0.01)
        self.settle()
        return answers + [Ether(frame) for frame in self.tap.frames()]

    # Scans.

    def scan(self):
        ether = Ether(src=self.attacker.mac, dst=BROADCAST)
        neighbors = {"10.32.0.1", "10.32.0.3"}
        answers = self.heard(
            [ether / ARP(hwsrc=self.attacker.mac, psrc=self.attacker.ip4,
                         pdst=f"10.32.0.{i}") for i in range(256)])
        self.expect("ARP scan finds", {
            p[ARP].psrc for p in answers if ARP in p and p[ARP].op == 2},
            {f"10.32.0.{i}" for i in (1, 3, 4, 5)}, neighbors)

        def solicit(target):
            return (Ether(src=self.attacker.mac, dst="33:33:ff:00:00:01")
                    / IPv6(src=self.attacker.ip6, dst=target, hlim=255)
                    / ICMPv6ND_NS(tgt=target)
                    / ICMPv6NDOptSrcLLAddr(lladdr=self.attacker.mac))
        targets = [f"fd00:32::{i:x}" for i in range(1, 256)] + [
            f"fe80::aff:fe20:{i}" for i in range(1, 9)] + [
                "fe80::a855:aaff:fe55:1"]
        answers = self.heard([solicit(target) for target in targets])
        self.expect("neighbor scan finds", {
            p[ICMPv6ND_NA].tgt for p in answers if ICMPv6ND_NA in p},
            {f"fd00:32::{i}" for i in (1, 3, 4, 5)}
            | {f"fe80::aff:fe20:{i}" for i in (3, 4, 5)}
            | {"fe80::a855:aaff:fe55:1"},
            {"fd00:32::1", "fd00:32::3", "fe80::aff:fe20:3",
             "fe80::a855:aaff:fe55:1"})

        lla = "fe80::aff:fe20:2"
        everyone = Ether(src=self.attacker.mac, dst="33:33:00:00:00:01")
        answers = self.heard([
            everyone / IPv6(src=source, dst="ff02::1", hlim=255) / what
            for source in (lla, self.attacker.ip6)
            for what in (ICMPv6EchoRequest(id=9), ICMPv6ND_RS(),
                         ICMPv6MLQuery())])
        sources = {p[IPv6].src for p in answers if ICMPv6EchoReply in p}
        self.expect("ff02::1 is answered by",
                    {source[-1] for source in sources}, {"1", "3", "4", "5"},
                    set())
        if self.bastion:
            report.equal("nobody tells of his groups or services", [
                p.summary() for p in answers if p.src != self.attacker.mac
                and scene["peer"].mac != p.src], [])

        answers = self.heard([
            Ether(src=self.attacker.mac, dst=BROADCAST)
            / IP(src=self.attacker.ip4, dst=f"10.32.0.{i}") / ICMP(id=9)
            for i in range(256)])
        self.expect("ping sweep by broadcast frames finds", {
            p[IP].src for p in answers if ICMP in p and p[ICMP].type == 0},
            {f"10.32.0.{i}" for i in (1, 3, 4, 5)}, set())

    def real_tools(self):
        found = wire.run("nmap", "-sn", "-n", "--send-eth", "-T5",
                         "10.32.0.1-15", name="attacker", timeout=60)
        self.expect("nmap finds", re.findall(r"for (10\.\S+)", found),
                    {f"10.32.0.{i}" for i in range(1, 6)},
                    {"10.32.0.1", "10.32.0.2", "10.32.0.3"})
        for address, visible in (("10.32.0.3", True), ("10.32.0.4", False)):
            report.equal(f"arping finds {address}", wire.succeeds(
                "arping", "-c1", "-w1", "-I", "eth0", address,
                name="attacker"), visible or not self.bastion)
        found = wire.run("ping", "-c2", "-W1", "-i0.3", "ff02::1%eth0",
                         name="attacker", check=False)
        self.expect("ping ff02::1 finds", {
            address[-1] for address in re.findall(
                r"from (fe80:\S+?)%?(?:eth0)?:? icmp", found)
            if not address.endswith(":2")}, {"1", "3", "4", "5"}, set())

    # Eavesdropping.

    def overheard(self, before=lambda: None):
        """How many of 10 packets between others the attacker sees, when he
        does 'before' right before each of them."""
        tokens = []
        for _ in range(10):
            # The switch has just heard of two.
            scene.arrives("two", "one", udp(7))
            before()
            self.settle()
            tokens.append(Token.new())
            scene.send("one", scene["two"].ip4, udp(7), tokens[-1])
            if self.bastion:
                report.check("one reaches two",
                             scene["two"].tap.wait(tokens[-1]))
        self.settle()
        return sum(self.tap.saw(token) for token in tokens)

    def flood(self):
        for i in range(10000):
            mac = bytes([0x02]) + self.random.randbytes(5)
            self.tap.send(b"\xff" * 6 + mac + b"\x08\0" + bytes(IP(
                src=self.attacker.ip4, dst="10.32.0.4")) + bytes(26))
            if i % 64 == 63:
                time.sleep(0.002)
        self.settle()

    def steal_port(self):
        """Has a learning switch send what is for two to the attacker."""
        self.tap.send(Ether(src=scene["two"].mac, dst=self.attacker.mac)
                      / IP(src=self.attacker.ip4, dst="10.32.0.99"))
        if not self.bastion:
            # It takes the datapath's caches some time to follow.
            self.settle()
            wire.unixctl("ovs-vswitchd", "revalidator/purge")

    def eavesdrop(self):
        report.equal("overheard at first", self.overheard(), 0)
        self.flood()
        learnt = len(wire.unixctl("ovs-vswitchd", "fdb/show",
                                  "br-int").splitlines()) - 1
        report.check(f"after MAC flooding, {learnt} addresses are learnt",
                     learnt == 0 if self.bastion else learnt > 50)
        report.equal("overheard after MAC flooding", self.overheard(), 0)
        count = self.overheard(self.steal_port)
        report.check(f"overheard after port stealing: {count} of 10",
                     count == 0 if self.bastion else count > 0)

    # Poisoning.

    def neighbor(self, place, address):
        """The MAC address that 'place' has for 'address'."""
        found = re.search(r"lladdr (\S+)", wire.run(
            "ip", "neigh", "show", address, "dev",
            "eth0" if place != HOST else "br-int", name=place))
        return found and found.group(1)

    def poison(self):
        mac = self.attacker.mac
        cases = []
        for victim in ("peer", HOST):
            for address in (scene["one"].ip4, scene["one"].ip6):
                cases.append((victim, address, scene["one"].mac))
        for address in ("10.32.0.1", "fd00:32::1"):
            cases.append(("peer", address, GATEWAY_MAC))
        # Everyone knows the addresses, as they have just been used.
        for victim, address, _ in cases:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with wire.make_socket(victim, family, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"hello", (address, 53))
        for victim, address, right in cases:
            report.check(f"{victim or 'host'} knows {address}",
                         wire.wait_until(lambda: self.neighbor(
                             victim, address) == right))
        # Linux believes an announcement only if an entry is a second old.
        time.sleep(1.1)
        poisoned = set()
        for victim, address, right in cases:
            target = scene[victim]
            if ":" in address:
                frames = [Ether(src=mac, dst=dst) / IPv6(
                    src=address, dst=ip, hlim=255) / ICMPv6ND_NA(
                        tgt=address, R=0, S=0, O=1)
                    / ICMPv6NDOptDstLLAddr(lladdr=mac)
                    for dst, ip in ((target.mac, target.ip6),
                                    ("33:33:00:00:00:01", "ff02::1"))]
                # With an honest source, only the target is a lie.
                frames.append(Ether(src=mac, dst=target.mac) / IPv6(
                    src=self.attacker.ip6, dst=target.ip6, hlim=255)
                    / ICMPv6ND_NA(tgt=address, R=0, S=0, O=1)
                    / ICMPv6NDOptDstLLAddr(lladdr=mac))
            else:
                frames = [Ether(src=mac, dst=dst) / ARP(
                    op=op, hwsrc=mac, psrc=address, hwdst=hwdst, pdst=pdst)
                    for op, dst, hwdst, pdst in (
                        (2, target.mac, target.mac, target.ip4),
                        (1, target.mac, "00:00:00:00:00:00", target.ip4),
                        (1, BROADCAST, BROADCAST, address),
                        (2, BROADCAST, BROADCAST, address))]
            for frame in frames:
                self.tap.send(frame)
            self.settle()
            if wire.wait_until(lambda: self.neighbor(victim, address) == mac,
                               0 if self.bastion else 2):
                poisoned.add((victim, address))
        self.expect("poisoned", poisoned,
                    {(victim, address) for victim, address, _ in cases},
                    set())
        if self.bastion:
            # The victims' packets still go where they belong.
            report.check("peer reaches one", scene.marker("peer"))
            for version in (4, 6):
                report.check(f"the host reaches one in IPv{version}",
                             scene.arrives(HOST, "one", udp(53),
                                           version=version))

    def run(self):
        self.scan()
        self.real_tools()
        self.eavesdrop()
        self.poison()
        if self.bastion:
            report.check("one's ports stay closed", not scene.arrives(
                "attacker", "one", tcp(80), expected=False))
            report.equal("bastion/verify", wire.verify(), "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("plain", "bastion"))
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args()
    print(f"     --seed={options.seed}")
    for i, name in enumerate(CONTAINERS, 2):
        scene.add(name, f"10.32.0.{i}", f"fd00:32::{i}")
        scene.server.listen(name, socket.SOCK_DGRAM, 53)
    scene.add(HOST, "10.32.0.1", "fd00:32::1", "br-int")
    scene.markers = {"attacker": "peer", "peer": "one", HOST: "one"}
    Test(options.mode == "bastion", options.seed).run()
    report.finish()


if __name__ == "__main__":
    main()
