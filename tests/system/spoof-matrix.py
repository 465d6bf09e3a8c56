# SPDX-License-Identifier: Apache-2.0
"""usage: spoof-matrix.py plain|bastion

Sends forged frames from container a1, which depends on p1 but has nothing to
do with v1, and from the gateway's side, and looks where they arrive.
"""

import logging
import os
import sys
from collections import Counter
from dataclasses import dataclass

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Advertise
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA,
    ICMPv6ND_Redirect, ICMPv6NDOptDstLLAddr, ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr, ICMPv6MLReport2, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether, LLC, STP
from scapy.packet import Raw
from scapy.utils import checksum

import wire
from wire import HOST, Report, Tap, Token, unixctl

# Drop reasons.
VLAN, MULTICAST_SRC, ETHERTYPE = 2, 3, 4
ARP_SPOOF, ARP_UNSOLICITED, ARP_UNKNOWN, ARP_INVISIBLE = 5, 6, 7, 8
IP_SPOOF, IPV6_SPOOF, ND_SPOOF, ND_UNSOLICITED = 9, 10, 11, 12
ND_UNKNOWN, ND_INVISIBLE, RA, REDIRECT = 13, 14, 15, 16
DHCP_SERVER, DHCP_CLIENT, GROUP, UNKNOWN = 17, 18, 19, 20
SELF, INVALID, EGRESS, INGRESS = 23, 24, 25, 26
# Verdicts that are none.
SILENT = "dropped by the datapath"
ANSWERED = "answered"
# With the fast path, what a1 may send to p1 is there before the userspace
# datapath looks for wrong checksums and waits for the rest of a packet.
FAST = {"p1"} if os.environ["SANDBOX_FASTPATH"] == "yes" else set()
# Incomplete, overlapping or repeated fragments.
LOST = {SILENT, INVALID}

MAC = {"a": "02:00:0a:20:00:02", "p": "02:00:0a:20:00:03",
       "v": "02:00:0a:20:00:04", "gateway": "aa:55:aa:55:00:01",
       "unused": "02:00:0a:20:00:63"}
IP4 = {"a": "10.32.0.2", "a2": "10.32.0.12", "p": "10.32.0.3",
       "p2": "10.32.0.13", "v": "10.32.0.4", "v2": "10.32.0.14",
       "gateway": "10.32.0.1", "unused": "10.32.0.99", "world": "192.0.2.7"}
IP6 = {"a": "fd00:32::2", "a2": "fd00:32::12", "p": "fd00:32::3",
       "p2": "fd00:32::13", "v": "fd00:32::4", "v2": "fd00:32::14",
       "gateway": "fd00:32::1", "unused": "fd00:32::99",
       "world": "2001:db8::7"}
LLA = {"a": "fe80::aff:fe20:2", "p": "fe80::aff:fe20:3",
       "v": "fe80::aff:fe20:4", "unused": "fe80::aff:fe20:63"}
VALUES = ("a", "v", "gateway", "unused")
WHERE = {"p": "p1", "v": "v1", "gateway": HOST, "a": "a1"}
BROADCAST = "ff:ff:ff:ff:ff:ff"
logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
# What a1 may send, of each kind.
HONEST = ("arp op=1 src=a sha=a spa=a", "arp op=2 src=a sha=a spa=a",
          "ip udp to p src=a ip=a", "ip tcp to p src=a ip=a",
          "ip echo to p src=a ip=a", "ipv6 udp to p src=a ip=a",
          "ipv6 tcp to p src=a ip=a", "ipv6 echo to p src=a ip=a",
          "ipv6 from own link-local address", "ns src=a ip=a sll=a",
          "na src=a ip=a target=a tll=a", "gateway side: ip from gateway",
          "gateway side: ipv6 from gateway", "gateway side: arp op=1",
          "gateway side: ns ip=gateway sll=gateway")


@dataclass
class Row:
    """A frame, and what becomes of it: the place where it arrives, ANSWERED,
    SILENT, or the reason why it is dropped."""
    name: str
    frame: bytes
    token: bytes
    expected: object
    sender: str = "a1"
    plain: bool = True      # Arrives on a bridge without Bastion.
    arrived: bool = False

    def verdicts(self):
        return (self.expected if isinstance(self.expected, set)
                else {self.expected})

    def reasons(self):
        return {e for e in self.verdicts() if isinstance(e, int)}


ROWS = []


def add(name, expected, make, plain=True, sender="a1", short=False):
    """Adds a row; 'make' gets a token and returns a frame.  Frames whose
    payload does not hold the token have it behind the packet, at a distance
    because Open vSwitch answers a solicitation without an option by writing an
    option type there; but not if they are 'short', that is, must not have
    anything there."""
    token = Token.new()
    frame = make(token)
    frame = frame if isinstance(frame, bytes) else bytes(frame)
    if short:
        token, plain = None, False
    elif token not in frame:
        frame = frame.ljust(60, b"\0") + bytes(8) + token
    ROWS.append(Row(name, frame, token, expected, sender, plain))


def ether(target, src="a", **kwargs):
    return Ether(src=MAC.get(src, src), dst=MAC.get(target, target), **kwargs)


def udp(dport=9999, sport=3333):
    return UDP(sport=sport, dport=dport)


# Rows for ARP.

def arp_frame(target, src, sha, spa, op, tpa, **kwargs):
    return ether(target, src) / ARP(
        op=op, hwsrc=MAC[sha], psrc=IP4.get(spa, spa), hwdst=kwargs.get(
            "tha", "00:00:00:00:00:00"), pdst=IP4.get(tpa, tpa))


def arp_verdict(src, sha, spa, op, tpa):
    if src != "a" or sha != "a" or spa not in ("a", "a2"):
        return ARP_SPOOF
    if op != 1 or spa == tpa:
        return ARP_UNSOLICITED
    return ANSWERED


def add_arp():
    # The whole product, asking or telling an allowed peer.
    for src in VALUES:
        for sha in VALUES:
            for spa in VALUES + ("a2",):
                for op in (1, 2, 3, 4, 8):
                    add(f"arp op={op} src={src} sha={sha} spa={spa}",
                        arp_verdict(src, sha, spa, op, "p"),
                        lambda t: arp_frame("p", src, sha, spa, op, "p"))
    # One forged field at a time, towards others.
    for target in ("gateway", "v"):
        for src, sha, spa in (("v", "a", "a"), ("a", "v", "a"),
                              ("a", "a", "v"), ("a", "a", "gateway"),
                              ("a", "gateway", "gateway"), ("v", "v", "v")):
            for op in (1, 2):
                add(f"arp to {target} op={op} src={src} sha={sha} spa={spa}",
                    ARP_SPOOF,
                    lambda t: arp_frame(target, src, sha, spa, op, target))
    for op, expected in ((1, ANSWERED), (2, ARP_UNSOLICITED)):
        add(f"arp to gateway op={op}", expected,
            lambda t: arp_frame(BROADCAST, "a", "a", "a", op, "gateway"))
    add("arp for victim", ARP_INVISIBLE,
        lambda t: arp_frame(BROADCAST, "a", "a", "a", 1, "v"))
    add("arp for victim's second address", ARP_INVISIBLE,
        lambda t: arp_frame(BROADCAST, "a", "a", "a2", 1, "v2"))
    add("arp for unused address", ARP_UNKNOWN,
        lambda t: arp_frame(BROADCAST, "a", "a", "a", 1, "unused"))
    add("arp for the world", ARP_UNKNOWN,
        lambda t: arp_frame(BROADCAST, "a", "a", "a", 1, "world"))
    add("arp announcement of victim's address", ARP_SPOOF,
        lambda t: arp_frame(BROADCAST, "a", "a", "v", 1, "v"))
    add("gratuitous arp reply of gateway's address", ARP_SPOOF,
        lambda t: arp_frame(BROADCAST, "a", "a", "gateway", 2, "gateway"))
    add("arp announcement of own address", ARP_UNSOLICITED,
        lambda t: arp_frame(BROADCAST, "a", "a", "a", 1, "a"))
    add("arp probe of own address", ARP_UNSOLICITED,
        lambda t: arp_frame(BROADCAST, "a", "a", "0.0.0.0", 1, "a"))
    add("arp probe of victim's address", ARP_SPOOF,
        lambda t: arp_frame(BROADCAST, "a", "a", "0.0.0.0", 1, "v"))
    # A MAC address that an ARP field names is not a way around either.
    add("arp reply with victim as target", ARP_UNSOLICITED,
        lambda t: arp_frame("v", "a", "a", "a", 2, "v", tha=MAC["v"]))
    add("arp with address lengths of others", ARP_SPOOF,
        lambda t: ether("p") / ARP(hwlen=8, plen=16, hwsrc=MAC["a"],
                                   psrc=IP4["a"], pdst=IP4["p"]))
    add("arp of another hardware", ARP_SPOOF,
        lambda t: ether("p") / ARP(hwtype=6, ptype=0x86dd, hwsrc=MAC["a"],
                                   psrc=IP4["a"], pdst=IP4["p"]))


# Rows for IPv4 and IPv6 sources.

def add_sources(ips, ip, echo, spoof, family):
    def frame(t, target, src, ip_src, dst_ip=None, l4=None):
        return (ether(target, src)
                / ip(src=ips.get(ip_src, ip_src), dst=ips[dst_ip or target])
                / (l4 or udp()) / t)

    for target, allowed in (("p", True), ("gateway", False), ("v", False)):
        for src in VALUES + ("p",):
            for ip_src in VALUES + ("a2", "v2", "p", "world"):
                own = src == "a" and ip_src in ("a", "a2")
                if own and target != "p":
                    expected = EGRESS
                else:
                    expected = WHERE[target] if own else spoof
                for name, l4 in (("udp", udp()), ("echo", echo()),
                                 ("tcp", TCP(sport=3333, dport=9999,
                                             flags="S"))):
                    if name != "udp" and target != "p":
                        continue
                    add(f"{family} {name} to {target} src={src} ip={ip_src}",
                        expected,
                        lambda t: frame(t, target, src, ip_src, l4=l4))
    # The destination MAC address opens nothing: an allowed packet goes where
    # its IP address is, and a forbidden one nowhere.
    for dst in ("v", "gateway", "unused", BROADCAST, "01:00:5e:00:00:01",
                "33:33:00:00:00:01", "01:80:c2:00:00:00", "a"):
        add(f"{family} for peer with MAC {dst}", "p1",
            lambda t: frame(t, dst, "a", "a", "p"), plain=dst != "a")
        add(f"{family} for victim with MAC {dst}", EGRESS,
            lambda t: frame(t, dst, "a", "a", "v"), plain=dst != "a")
    add(f"{family} for victim with peer's MAC", EGRESS,
        lambda t: frame(t, "p", "a", "a", "v"))
    add(f"{family} to an unused address", UNKNOWN,
        lambda t: frame(t, BROADCAST, "a", "a", "unused"))
    add(f"{family} to itself", SELF,
        lambda t: frame(t, BROADCAST, "a", "a", "a2"))
    add(f"{family} to the world", EGRESS,
        lambda t: frame(t, "gateway", "a", "a", "world"))
    group = {4: ("224.0.0.251", "239.1.2.3", "255.255.255.255",
                 "10.32.0.255"), 6: ("ff02::1", "ff05::1:3", "ff0e::1")}
    for address in group[4 if ips is IP4 else 6]:
        ips[address] = address
        # The broadcast address of its subnet is the host's.
        expected = EGRESS if address == "10.32.0.255" else GROUP
        add(f"{family} to {address}", expected,
            lambda t: frame(t, BROADCAST, "a", "a", address))


def add_special_sources():
    for source in ("0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1",
                   "255.255.255.255", "10.32.0.255"):
        add(f"ip src={source}", IP_SPOOF, lambda t: ether("p")
            / IP(src=source, dst=IP4["p"]) / udp() / t)
    for source in ("::", "::1", "ff02::1", "fe80::1234", LLA["v"],
                   "::ffff:10.32.0.2", "::10.32.0.2", "2002:0a20:0002::1"):
        add(f"ipv6 src={source}", IPV6_SPOOF, lambda t: ether("p")
            / IPv6(src=source, dst=IP6["p"]) / udp() / t)
    add("ipv6 from own link-local address", "p1", lambda t: ether("p")
        / IPv6(src=LLA["a"], dst=LLA["p"]) / udp() / t)
    add("ipv6 to victim's link-local address", EGRESS, lambda t: ether("v")
        / IPv6(src=LLA["a"], dst=LLA["v"]) / udp() / t)
    add("ipv6 to unused link-local address", UNKNOWN, lambda t: ether("v")
        / IPv6(src=LLA["a"], dst=LLA["unused"]) / udp() / t)
    for destination in ("127.0.0.1", "169.254.169.254", "0.0.0.0"):
        add(f"ip dst={destination}", EGRESS, lambda t: ether("gateway")
            / IP(src=IP4["a"], dst=destination) / udp() / t)
    for destination in ("::1", "::", "::ffff:10.32.0.4"):
        add(f"ipv6 dst={destination}", EGRESS, lambda t: ether("gateway")
            / IPv6(src=IP6["a"], dst=destination) / udp() / t)


# Rows for neighbor discovery.

def ns(target, src, ip_src, nd_target, sll, hlim=255, code=0, dst=None):
    frame = (ether(target, src)
             / IPv6(src=IP6.get(ip_src, ip_src),
                    dst=dst or IP6.get(nd_target, nd_target), hlim=hlim)
             / ICMPv6ND_NS(tgt=IP6.get(nd_target, nd_target), code=code))
    return frame / ICMPv6NDOptSrcLLAddr(lladdr=MAC[sll]) if sll else frame


def na(target, src, ip_src, nd_target, tll, hlim=255, code=0, dst=None):
    frame = (ether(target, src)
             / IPv6(src=IP6.get(ip_src, ip_src), dst=dst or IP6["p"],
                    hlim=hlim)
             / ICMPv6ND_NA(tgt=IP6.get(nd_target, nd_target), R=0, S=1, O=1,
                           code=code))
    return frame / ICMPv6NDOptDstLLAddr(lladdr=MAC[tll]) if tll else frame


def add_nd():
    for src in VALUES:
        for ip_src in VALUES + ("a2", LLA["a"], LLA["v"]):
            for ll in VALUES + (None,):
                known = src == "a" and ip_src in ("a", "a2", LLA["a"])
                own = known and ll in ("a", None)
                name = f"src={src} ip={ip_src}"
                add(f"ns {name} sll={ll}", ANSWERED if own else
                    ND_SPOOF if known else IPV6_SPOOF,
                    lambda t: ns("p", src, ip_src, "p", ll))
                for nd_target in VALUES + ("p",):
                    if nd_target != "a" and src != "a":
                        continue
                    add(f"na {name} target={nd_target} tll={ll}",
                        IPV6_SPOOF if not known else
                        ND_UNSOLICITED if own and nd_target == "a"
                        else ND_SPOOF,
                        lambda t: na("p", src, ip_src, nd_target, ll))
    solicited = "ff02::1:ff00:4"
    add("ns for gateway", ANSWERED,
        lambda t: ns("gateway", "a", "a", "gateway", "a"))
    for name, expected, target in (
            ("victim", ND_INVISIBLE, "v"),
            ("victim's second address", ND_INVISIBLE, "v2"),
            ("victim's link-local address", ND_INVISIBLE, LLA["v"]),
            ("unused", ND_UNKNOWN, "unused"), ("world", ND_UNKNOWN, "world"),
            ("unspecified address", ND_UNKNOWN, "::"),
            ("all nodes", ND_UNKNOWN, "ff02::1")):
        add(f"ns for {name}", expected, lambda t: ns(
            "33:33:ff:00:00:04", "a", "a", target, "a", dst=solicited))
    # What is solicited counts, not whom the solicitation is sent to.
    add("ns for victim, sent to peer", ND_INVISIBLE,
        lambda t: ns("p", "a", "a", "v", "a", dst=IP6["p"]))
    for field in ({"hlim": 254}, {"code": 1}, {"hlim": 1, "code": 7}):
        add(f"ns {field}", ND_SPOOF,
            lambda t: ns("p", "a", "a", "p", "a", **field))
        add(f"na {field}", ND_SPOOF,
            lambda t: na("p", "a", "a", "a", "a", **field))
    add("ns that probes own address", ND_UNSOLICITED, lambda t: ns(
        BROADCAST, "a", "::", "a", None, dst=solicited))
    add("ns that probes victim's address", ND_SPOOF, lambda t: ns(
        BROADCAST, "a", "::", "v", None, dst=solicited))
    add("ns that probes with a link-layer address", ND_SPOOF, lambda t: ns(
        BROADCAST, "a", "::", "a", "a", dst=solicited))
    add("na to all nodes", ND_SPOOF, lambda t: na(
        BROADCAST, "a", "a", "v", "a", dst="ff02::1"))
    add("na, two target options", ND_SPOOF, lambda t: na(
        "p", "a", "a", "a", "a")
        / ICMPv6NDOptDstLLAddr(lladdr=MAC["v"]))
    add("ns, two source options", {ND_SPOOF, ND_UNKNOWN}, lambda t: ns(
        "p", "a", "a", "p", "a")
        / ICMPv6NDOptSrcLLAddr(lladdr=MAC["v"]))
    for source, expected in (("a", GROUP), ("::", ND_UNSOLICITED)):
        add(f"group report from {source}", expected,
            lambda t: ether("33:33:00:00:00:16")
            / IPv6(src=IP6.get(source, source), dst="ff02::16", hlim=1)
            / ICMPv6MLReport2())


def add_routers_and_servers():
    router = ICMPv6ND_RA(routerlifetime=1800) / ICMPv6NDOptPrefixInfo(
        prefix="2001:db8:bad::", prefixlen=64)
    for source in ("a", LLA["a"], "v", "gateway", "unused"):
        for target, dst in (("p", IP6["p"]), ("v", IP6["v"]),
                            ("gateway", IP6["gateway"]),
                            ("33:33:00:00:00:01", "ff02::1")):
            add(f"router advertisement from {source} to {dst}", RA,
                lambda t: ether(target) / IPv6(
                    src=IP6.get(source, source), dst=dst, hlim=255) / router)
    for source in ("a", "v", "gateway", "unused"):
        for target in ("p", "gateway"):
            add(f"redirect from {source} to {target}", REDIRECT,
                lambda t: ether(target) / IPv6(
                    src=IP6[source], dst=IP6[target], hlim=255)
                / ICMPv6ND_Redirect(tgt=LLA["a"], dst=IP6["v"]))
            add(f"ip redirect from {source} to {target}",
                IP_SPOOF if source != "a" else INVALID,
                lambda t: ether(target) / IP(
                    src=IP4[source], dst=IP4[target])
                / ICMP(type=5, code=1, gw=IP4["a"])
                / IP(src=IP4[target], dst=IP4["v"]) / udp() / t)
            dhcp = UDP(sport=67, dport=68) / BOOTP(
                op=2, yiaddr=IP4["unused"], siaddr=IP4["a"]) / DHCP(
                    options=[("message-type", "offer"), "end"])
            add(f"DHCP server {source} to {target}", DHCP_SERVER,
                lambda t: ether(target) / IP(src=IP4[source],
                                             dst=IP4[target]) / dhcp / t)
            add(f"DHCPv6 server {source} to {target}", DHCP_SERVER,
                lambda t: ether(target)
                / IPv6(src=IP6[source], dst=IP6[target])
                / UDP(sport=547, dport=546) / DHCP6_Advertise() / t)
        add(f"DHCP server {source} to all", DHCP_SERVER,
            lambda t: ether(BROADCAST)
            / IP(src=IP4[source], dst="255.255.255.255") / dhcp / t)
    for source, expected in (("0.0.0.0", DHCP_CLIENT), ("a", DHCP_CLIENT),
                             ("v", IP_SPOOF)):
        add(f"DHCP client {source}", expected,
            lambda t: ether(BROADCAST)
            / IP(src=IP4.get(source, source), dst="255.255.255.255")
            / UDP(sport=68, dport=67) / BOOTP(op=1) / t)
    add("DHCPv6 client", DHCP_CLIENT, lambda t: ether("33:33:00:01:00:02")
        / IPv6(src=LLA["a"], dst="ff02::1:2")
        / UDP(sport=546, dport=547) / t)


# Rows for frames that are no part of a container network.

def add_layer2():
    for name, tags in (
            ("VLAN 7", [Dot1Q(vlan=7)]), ("VLAN 4095", [Dot1Q(vlan=4095)]),
            ("priority tag", [Dot1Q(vlan=0, prio=5)]),
            ("empty tag", [Dot1Q(vlan=0)]),
            ("QinQ", [Dot1AD(vlan=7), Dot1Q(vlan=8)]),
            ("802.1ad alone", [Dot1AD(vlan=7)]),
            ("802.1ad priority tag", [Dot1AD(vlan=0, prio=1)]),
            ("two 802.1Q tags", [Dot1Q(vlan=7), Dot1Q(vlan=8)]),
            ("two priority tags", [Dot1Q(vlan=0), Dot1Q(vlan=0)]),
            ("three tags", [Dot1AD(vlan=1), Dot1AD(vlan=2), Dot1Q(vlan=3)])):
        for target in ("p", "v", "gateway"):
            def frame(t, inner, src="a"):
                result = ether(target, src)
                for tag in tags:
                    result = result / tag.copy()
                return result / inner / t
            for src in VALUES:
                add(f"{name} from {src} to {target}", VLAN, lambda t: frame(
                    t, IP(src=IP4[src], dst=IP4["p"]) / udp(), src))
        for src in VALUES:
            add(f"{name} with arp from {src}", VLAN, lambda t: frame(t, ARP(
                hwsrc=MAC["a"], psrc=IP4[src], pdst=IP4["p"])))
            add(f"{name} with ipv6 from {src}", VLAN, lambda t: frame(
                t, IPv6(src=IP6[src], dst=IP6["p"]) / udp()))
    for source in ("03:00:0a:20:00:02", BROADCAST, "01:00:5e:00:00:01",
                   "33:33:00:00:00:01"):
        for src in VALUES:
            add(f"multicast source {source} of {src}", MULTICAST_SRC,
                lambda t: ether("p", source)
                / IP(src=IP4[src], dst=IP4["p"]) / udp() / t)
            add(f"multicast source {source} of {src} with ipv6",
                MULTICAST_SRC, lambda t: ether("p", source)
                / IPv6(src=IP6[src], dst=IP6["p"]) / udp() / t)
            add(f"multicast source {source} of {src} with arp",
                MULTICAST_SRC, lambda t: ether("p", source) / ARP(
                    hwsrc=MAC[src], psrc=IP4[src], pdst=IP4["p"]))
    for name, ethertype in (
            ("RARP", 0x8035), ("LLDP", 0x88cc), ("EAPOL", 0x888e),
            ("MPLS", 0x8847), ("PPPoE", 0x8863), ("MACsec", 0x88e5),
            ("FCoE", 0x8906), ("LACP", 0x8809), ("CFM", 0x8902),
            ("RoCE", 0x8915), ("PTP", 0x88f7), ("BATMAN", 0x4305),
            ("IPX", 0x8137), ("loopback", 0x9000), ("NSH", 0x894f),
            ("HSR", 0x892f), ("local", 0x88b5), ("lowest", 0x0600),
            ("highest", 0xffff)):
        for target in ("p", "v", BROADCAST):
            add(f"{name} to {target}", ETHERTYPE,
                lambda t: ether(target, type=ethertype) / Raw(
                    b"\x00\x01\x08\x00\x06\x04\x00\x03" + bytes(40) + t))
    for src in VALUES:
        for op in (3, 4):
            add(f"RARP op={op} from {src}", ETHERTYPE, lambda t: ether(
                BROADCAST, src, type=0x8035) / ARP(
                    op=op, hwsrc=MAC[src], psrc=IP4[src], hwdst=MAC["p"],
                    pdst=IP4["p"]))
        for mac in ("01:80:c2:00:00:0e", "01:80:c2:00:00:03"):
            add(f"LLDP from {src} to {mac}", ETHERTYPE,
                lambda t: ether(mac, src, type=0x88cc)
                / Raw(b"\x02\x07\x04" + bytes(43) + t))
        add(f"STP from {src}", ETHERTYPE, lambda t: Ether(
            src=MAC[src], dst="01:80:c2:00:00:00", type=38) / LLC(
                dsap=0x42, ssap=0x42, ctrl=3) / STP())
    add("SNAP with IPv4 from victim", ETHERTYPE, lambda t: Ether(
        src=MAC["a"], dst=MAC["p"], type=64) / Raw(
            b"\xaa\xaa\x03\x00\x00\x0c\x08\x00" + bytes(56) + t))
    add("SNAP with IPv4 from victim, encapsulated Ethernet",
        {IP_SPOOF, ETHERTYPE}, lambda t: Ether(
            src=MAC["a"], dst=MAC["p"], type=72) / Raw(
                b"\xaa\xaa\x03\x00\x00\x00\x08\x00"
                + bytes(IP(src=IP4["v"], dst=IP4["p"]) / udp() / t)))
    add("IPX in 802.3", ETHERTYPE, lambda t: Ether(
        src=MAC["a"], dst=MAC["p"], type=50) / Raw(b"\xff\xff" + bytes(48)
                                                    + t))
    add("802.3 length 0", ETHERTYPE, lambda t: ether("p", type=0)
        / Raw(bytes(46) + t))


# Rows for options, fragments, extension headers and what is too short.

def add_options():
    lsrr = b"\x83\x07\x04" + bytes([10, 32, 0, 4]) + b"\0"
    for name, options in (("LSRR", lsrr), ("SSRR", b"\x89" + lsrr[1:]),
                          ("router alert", b"\x94\x04\0\0"),
                          ("record route", b"\x07\x07\x04\0\0\0\0\0"),
                          ("40 bytes of options", b"\x01" * 40),
                          ("invalid options", b"\x83\xff\xff\xff")):
        def frame(t, src, dst):
            packet = bytes(IP(src=IP4[src], dst=IP4[dst]) / udp() / t)
            header = bytearray(packet[:20] + options)
            header[0] += len(options) // 4
            header[2:4] = (len(packet) + len(options)).to_bytes(2, "big")
            header[10:12] = b"\0\0"
            header[10:12] = checksum(header).to_bytes(2, "big")
            return bytes(ether(dst, type=0x800)) + header + packet[20:]
        add(f"{name}", "p1", lambda t: frame(t, "a", "p"))
        for src in ("v", "gateway", "unused"):
            add(f"{name} from {src}", IP_SPOOF,
                lambda t: frame(t, src, "p"))
        add(f"{name} to gateway", EGRESS, lambda t: frame(t, "a", "gateway"))
        add(f"{name} to victim", EGRESS, lambda t: frame(t, "a", "v"))


def add_fragments():
    def fragment(t, src, dst, offset, more, size, ident, proto=17):
        return ether(dst) / IP(
            src=IP4[src], dst=IP4[dst], id=ident, proto=proto, frag=offset,
            flags="MF" if more else 0) / Raw(
                (bytes(UDP(sport=3333, dport=9999, len=2008, chksum=0))
                 if not offset else b"") + t.ljust(size, b"f"))
    for src in VALUES:
        for name, offset, more in (("first", 0, 1), ("middle", 150, 1),
                                   ("last", 200, 0), ("far", 8000, 0)):
            for dst in ("p", "v", "gateway"):
                expected = (IP_SPOOF if src != "a" else
                            LOST | FAST if dst == "p" else LOST)
                add(f"{name} fragment {src} to {dst}", expected,
                    lambda t: fragment(t, src, dst, offset, more, 1200,
                                       0x1000 + ord(dst[0])))
    add("tiny first fragment", INVALID, lambda t: ether("p") / IP(
        src=IP4["a"], dst=IP4["p"], id=0x2001, flags="MF", proto=6)
        / Raw(bytes(TCP(sport=3333, dport=9999, flags="S"))[:8]))
    add("tiny first fragment from victim", IP_SPOOF, lambda t: ether("p")
        / IP(src=IP4["v"], dst=IP4["p"], id=0x2002, flags="MF", proto=6)
        / Raw(bytes(TCP(sport=3333, dport=9999, flags="S"))[:8]))
    add("fragment that overwrites the TCP header", INVALID, lambda t: ether(
        "p") / IP(src=IP4["a"], dst=IP4["p"], id=0x2001, frag=1, flags="MF",
                  proto=6) / Raw(bytes(16)))
    # Of the overlapping ones nothing comes out, whichever comes first.
    for ident, parts in ((0x3001, ((0, 1, 1200), (100, 1, 1200),
                                   (251, 0, 800))),
                         (0x3002, ((200, 0, 1200), (0, 1, 1200),
                                   (150, 1, 1200)))):
        for offset, more, size in parts:
            for src in VALUES:
                add(f"overlapping fragment {ident:#x} from {src} at {offset}",
                    LOST | FAST if src == "a" else IP_SPOOF,
                    lambda t: fragment(t, src, "p", offset, more, size,
                                       ident))

    def fragment6(t, src, dst, offset, more, size, ident, head=b"", nh=17):
        return (ether(dst) / IPv6(src=IP6[src], dst=IP6[dst])
                / IPv6ExtHdrFragment(nh=nh, offset=offset, m=more, id=ident)
                / Raw(head + t.ljust(size, b"f")))
    for src in VALUES:
        for name, offset, more in (("first", 0, 1), ("middle", 160, 1),
                                   ("last", 200, 0)):
            for dst in ("p", "v", "gateway"):
                head = b"" if offset else bytes(udp())
                add(f"{name} ipv6 fragment {src} to {dst}",
                    IPV6_SPOOF if src != "a" else
                    LOST | FAST if dst == "p" else LOST,
                    lambda t: fragment6(t, src, dst, offset, more, 1280,
                                        0x1000 + ord(dst[0]), head))
    for offset, more, size in ((0, 1, 1192), (100, 1, 1200), (250, 0, 800)):
        for src in VALUES:
            head = b"" if offset else bytes(udp())
            add(f"overlapping ipv6 fragment from {src} at {offset}",
                LOST | FAST if src == "a" else IPV6_SPOOF,
                lambda t: fragment6(t, src, "p", offset, more, size, 0x3003,
                                    head))
    add("tiny first ipv6 fragment", INVALID, lambda t: fragment6(
        t, "a", "p", 0, 1, 32, 0x2001, bytes(udp())))
    # Neighbor discovery is never fragmented (RFC 6980).
    spoof = {ND_SPOOF, ND_UNSOLICITED, RA, GROUP, INVALID, SILENT}
    for name, message in (
            ("router advertisement", bytes(ICMPv6ND_RA())),
            ("redirect", bytes(ICMPv6ND_Redirect(tgt=LLA["a"]))),
            ("solicitation", bytes(ICMPv6ND_NS(tgt=IP6["p"]))),
            ("advertisement", bytes(ICMPv6ND_NA(tgt=IP6["a"])))):
        for dst in ("p", "ff02::1"):
            for more in (0, 1):
                add(f"fragmented {name} to {dst}, more={more}",
                    spoof | {REDIRECT}, lambda t: ether(
                        "p") / IPv6(src=IP6["a"], dst=IP6.get(dst, dst),
                                    hlim=255)
                    / IPv6ExtHdrFragment(nh=58, m=more, id=77)
                    / Raw(message + t.ljust(1280, b"f")))
                add(f"{name} behind options in fragments to {dst}, "
                    f"more={more}", spoof | {REDIRECT},
                    lambda t: ether("p")
                    / IPv6(src=IP6["a"], dst=IP6.get(dst, dst), hlim=255)
                    / IPv6ExtHdrFragment(nh=60, m=more, id=78)
                    / Raw(b"\x3a\x00\x01\x04\0\0\0\0" + message
                          + t.ljust(1280, b"f")))
        for header in (IPv6ExtHdrDestOpt(nh=58), IPv6ExtHdrHopByHop(nh=58),
                       IPv6ExtHdrRouting(nh=58, addresses=[IP6["v"]])):
            expected = {"router advertisement": RA, "redirect": REDIRECT,
                        "solicitation": (ANSWERED, ND_SPOOF, ND_UNKNOWN,
                                         INVALID),
                        "advertisement": (ND_SPOOF, ND_UNSOLICITED)}[name]
            add(f"{name} behind {header.name}",
                set(expected) if isinstance(expected, tuple) else expected,
                lambda t: ether("p")
                / IPv6(src=IP6["a"], dst=IP6["p"], hlim=255) / header
                / Raw(message))


def add_extension_headers():
    headers = {
        "hop-by-hop": [IPv6ExtHdrHopByHop()],
        "destination options": [IPv6ExtHdrDestOpt()],
        "routing": [IPv6ExtHdrRouting(addresses=[IP6["v"]])],
        "routing, none left": [IPv6ExtHdrRouting(addresses=[IP6["v"]],
                                                 segleft=0)],
        "atomic fragment": [IPv6ExtHdrFragment(id=5)],
        "authentication": [AH(spi=7, payloadlen=4, icv=bytes(12))],
        "all": [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(),
                IPv6ExtHdrRouting(addresses=[]), IPv6ExtHdrDestOpt()],
        "20 destination options": [IPv6ExtHdrDestOpt()] * 20,
    }
    for name, chain in headers.items():
        def frame(t, src, dst, l4=None):
            packet = IPv6(src=IP6[src], dst=IP6[dst])
            payload = bytes(packet / (l4 or udp()) / t)[40:]
            for header in chain:
                packet = packet / header.copy()
            packet.lastlayer().nh = 17
            return ether(dst) / packet / Raw(payload)
        # Atomic fragments are complete, but shorter than fragments may be.
        expected = {"p1", INVALID} if name == "atomic fragment" else "p1"
        add(f"{name}", expected, lambda t: frame(t, "a", "p"))
        for src in ("v", "gateway", "unused"):
            add(f"{name} from {src}", IPV6_SPOOF,
                lambda t: frame(t, src, "p"))
        for dst in ("v", "gateway"):
            add(f"{name} to {dst}", {EGRESS, INVALID},
                lambda t: frame(t, "a", dst))
        # Ports behind a chain of headers still decide: only udp:53 is open.
        if name not in ("atomic fragment",):
            add(f"{name} to gateway, port 53", {HOST, ANSWERED},
                lambda t: frame(t, "a", "gateway", udp(53)))
    # "any" means any protocol.
    for name, proto in (("no next header", 59), ("mobility", 135),
                        ("HIP", 139), ("shim6", 140), ("ESP", 50),
                        ("experiment", 253), ("IPv6 in IPv6", 41),
                        ("SCTP", 132), ("GRE", 47)):
        inner = IPv6(src=IP6["v"], dst=IP6["p"]) / udp()
        add(f"ipv6 {name}", "p1", lambda t: ether("p") / IPv6(
            src=IP6["a"], dst=IP6["p"], nh=proto) / Raw(bytes(inner) + t))
        add(f"ipv6 {name} from victim", IPV6_SPOOF, lambda t: ether(
            "p") / IPv6(src=IP6["v"], dst=IP6["p"], nh=proto)
            / Raw(bytes(inner) + t))
    for name, proto in (("IP in IP", 4), ("GRE", 47), ("SCTP", 132),
                        ("IGMP", 2), ("OSPF", 89), ("VRRP", 112),
                        ("experiment", 253)):
        inner = IP(src=IP4["v"], dst=IP4["p"]) / udp()
        add(f"ip {name}", "p1", lambda t: ether("p") / IP(
            src=IP4["a"], dst=IP4["p"], proto=proto) / Raw(bytes(inner) + t))
        add(f"ip {name} from victim", IP_SPOOF, lambda t: ether("p") / IP(
            src=IP4["v"], dst=IP4["p"], proto=proto) / Raw(bytes(inner) + t))


def add_truncated():
    def short(packet, n, **fields):
        """The first 'n' bytes, with the token behind them."""
        return lambda t: bytes(ether("p") / packet)[:14 + n] + t

    ip = IP(src=IP4["a"], dst=IP4["p"], id=1)
    ip6 = IPv6(src=IP6["a"], dst=IP6["p"], hlim=255)
    for n in (0, 1, 8, 16, 19):
        for src in VALUES:
            add(f"ip header of {n} bytes from {src}", IP_SPOOF, short(
                IP(src=IP4[src], dst=IP4["p"], len=n), n))
    for version in (0, 6, 15):
        add(f"ip version={version}", {"p1", IP_SPOOF, INVALID},
            lambda t: ether("p") / IP(version=version, src=IP4["a"],
                                      dst=IP4["p"]) / udp() / t)
    for field, value in (("ihl", 0), ("ihl", 4), ("ihl", 15), ("len", 0),
                         ("len", 19), ("len", 2000)):
        packet = IP(src=IP4["a"], dst=IP4["p"])
        setattr(packet, field, value)
        add(f"ip {field}={value}", IP_SPOOF,
            lambda t: ether("p") / packet / udp() / t)
    for src in VALUES:
        for n in (0, 1, 6, 20, 27):
            add(f"arp of {n} bytes from {src}", ARP_SPOOF,
                lambda t: bytes(ether("p") / ARP(
                    hwsrc=MAC["a"], psrc=IP4[src], pdst=IP4["p"]))[:14 + n],
                short=True)
        for n in (0, 8, 24, 39):
            add(f"ipv6 header of {n} bytes from {src}", IPV6_SPOOF,
                lambda t: bytes(ether("p") / IPv6(
                    src=IP6[src], dst=IP6["p"], hlim=255)
                    / udp())[:14 + n], short=True)
    for version in (0, 4, 15):
        add(f"ipv6 version={version}", {IPV6_SPOOF, INVALID}, lambda t: ether(
            "p") / IPv6(version=version, src=IP6["a"], dst=IP6["p"],
                        plen=2000) / udp() / t)
    for name, l4, lengths in (("tcp", TCP(), (0, 4, 12, 19)),
                              ("udp", udp(), (0, 4, 7)),
                              ("icmp", ICMP(), (0, 2, 7))):
        for src, n in ((src, n) for src in VALUES for n in lengths):
            add(f"{name} header of {n} bytes from {src}",
                INVALID if src == "a" else IP_SPOOF, lambda t: bytes(
                    ether("p") / IP(src=IP4[src], dst=IP4["p"], len=20 + n)
                    / l4)[:34 + n])
            if name != "icmp":
                add(f"{name} header of {n} bytes from {src}, ipv6",
                    INVALID if src == "a" else IPV6_SPOOF,
                    lambda t: bytes(ether("p") / IPv6(
                        src=IP6[src], dst=IP6["p"], plen=n) / l4)[:54 + n])
    add("tcp offset=15", INVALID, lambda t: ether("p") / ip.copy()
        / TCP(dataofs=15) / t[:8])
    for n in (0, 2, 4, 12, 23):
        add(f"solicitation of {n} bytes",
            {INVALID} if n < 4 else {ND_SPOOF, ND_UNKNOWN, INVALID},
            lambda t: bytes(
                ether("p") / IPv6(src=IP6["a"], dst=IP6["p"], hlim=255,
                                  plen=n)
                / ICMPv6ND_NS(tgt=IP6["p"]))[:54 + n])
        add(f"advertisement of {n} bytes",
            {INVALID} if n < 4 else {ND_SPOOF, INVALID},
            lambda t: bytes(
                ether("p") / IPv6(src=IP6["a"], dst=IP6["p"], hlim=255,
                                  plen=n)
                / ICMPv6ND_NA(tgt=IP6["v"]))[:54 + n])
    for nh, header in ((0, IPv6ExtHdrHopByHop()), (43, IPv6ExtHdrRouting()),
                       (60, IPv6ExtHdrDestOpt()), (44, IPv6ExtHdrFragment()),
                       (51, AH(icv=bytes(12)))):
        for n in (0, 1, 7):
            add(f"{header.name} of {n} bytes", {IPV6_SPOOF, INVALID},
                lambda t: bytes(ether("p") / IPv6(
                    src=IP6["a"], dst=IP6["p"], nh=nh, plen=n)
                    / header)[:54 + n])
    add("ipv6 option header longer than the packet", {IPV6_SPOOF, INVALID},
        lambda t: ether("p") / IPv6(src=IP6["a"], dst=IP6["p"], nh=60)
        / Raw(b"\x11\xff" + bytes(6) + t))
    add("ns with an option of length 0", {ANSWERED, ND_SPOOF, ND_UNKNOWN},
        lambda t: ether("p") / ip6.copy()
        / ICMPv6ND_NS(tgt=IP6["p"]) / Raw(b"\x01\x00" + bytes(6)))
    add("ns with an option beyond its end", {ANSWERED, ND_SPOOF, ND_UNKNOWN},
        lambda t: ether("p") / ip6.copy()
        / ICMPv6ND_NS(tgt=IP6["p"]) / Raw(b"\x01\x09" + bytes(6)))
    for name, l4 in (("tcp", TCP(sport=1, dport=2, flags="S", chksum=1)),
                     ("udp", UDP(sport=1, dport=2, chksum=1)),
                     ("icmp", ICMP(chksum=1))):
        add(f"{name} with a wrong checksum", {INVALID} | FAST,
            lambda t: ether("p") / ip.copy() / l4 / t)
    for name, flags in (("no flags", 0), ("all flags", 0xff), ("SF", "SF"),
                        ("FPU", "FPU")):
        add(f"tcp {name}", INVALID, lambda t: ether("p") / ip.copy() / TCP(
            sport=4321, dport=1, flags=flags) / t)


# Rows for what comes from the gateway's side.

def add_gateway_side():
    def g(name, expected, make, plain=True):
        add("gateway side: " + name, expected, make, plain, sender=HOST)

    for ips, ip, spoof, family in ((IP4, IP, IP_SPOOF, "ip"),
                                   (IP6, IPv6, IPV6_SPOOF, "ipv6")):
        for source, expected in (("gateway", "a1"), ("p", spoof),
                                 ("v", spoof), ("a", spoof),
                                 ("unused", spoof), ("world", EGRESS)):
            if source == "world":
                expected = INGRESS
            g(f"{family} from {source}", expected, lambda t: ether(
                "a", "gateway") / ip(src=ips[source], dst=ips["a"])
                / udp() / t)
            g(f"{family} from {source} to victim",
                INGRESS if source in ("gateway", "world") else spoof,
                lambda t: ether("v", "gateway")
                / ip(src=ips[source], dst=ips["v"]) / udp() / t)
        for mac in ("a", "p", "v", "unused"):
            g(f"{family} with MAC of {mac}", UNKNOWN, lambda t: ether(
                "a" if mac != "a" else "p", mac)
                / ip(src=ips["gateway"], dst=ips["a"]) / udp() / t)
        g(f"{family} to unused", UNKNOWN, lambda t: ether(
            "a", "gateway") / ip(src=ips["gateway"], dst=ips["unused"])
            / udp() / t)
        g(f"{family} to world", UNKNOWN, lambda t: ether(
            "a", "gateway") / ip(src=ips["gateway"], dst=ips["world"])
            / udp() / t)
        group = "224.0.0.251" if ips is IP4 else "ff02::fb"
        g(f"{family} to {group}", {UNKNOWN, GROUP}, lambda t: ether(
            BROADCAST, "gateway") / ip(src=ips["gateway"], dst=group)
            / udp() / t)
    for src, sha, spa in (("gateway", "gateway", "a"),
                          ("gateway", "gateway", "p"),
                          ("gateway", "gateway", "unused"),
                          ("gateway", "gateway", "world")):
        g(f"arp spa={spa}", ARP_SPOOF,
            lambda t: arp_frame("v", src, sha, spa, 1, "v"))
    for src, sha, spa in (("gateway", "v", "gateway"),
                          ("gateway", "unused", "gateway"),
                          ("p", "p", "p"), ("unused", "unused", "gateway")):
        g(f"arp src={src} sha={sha} spa={spa}", ARP_UNSOLICITED,
            lambda t: arp_frame("v", src, sha, spa, 1, "v"))
    for op, expected in ((1, ANSWERED), (2, ARP_UNSOLICITED),
                         (3, ARP_UNSOLICITED)):
        g(f"arp op={op}", expected,
            lambda t: arp_frame("v", "gateway", "gateway", "gateway", op, "v"))
    g("arp announcement of victim's address", ARP_SPOOF,
        lambda t: arp_frame(BROADCAST, "gateway", "gateway", "v", 1, "v"))
    for ip_src, sll, expected in (("gateway", "gateway", ANSWERED),
                                  ("gateway", None, ANSWERED),
                                  ("v", "gateway", IPV6_SPOOF)):
        g(f"ns ip={ip_src} sll={sll}", expected,
            lambda t: ns("a", "gateway", ip_src, "a", sll))
    g("na for victim", {INGRESS, INVALID, ND_SPOOF, ND_UNKNOWN}, lambda t: na(
        "a", "gateway", "gateway", "v", "gateway", dst=IP6["a"]))
    g("router advertisement", RA, lambda t: ether("a", "gateway") / IPv6(
        src=IP6["gateway"], dst=IP6["a"], hlim=255) / ICMPv6ND_RA())
    g("redirect", REDIRECT, lambda t: ether("a", "gateway") / IPv6(
        src=IP6["gateway"], dst=IP6["a"], hlim=255)
        / ICMPv6ND_Redirect(tgt=IP6["v"], dst=IP6["p"]))
    g("DHCP server", DHCP_SERVER, lambda t: ether("a", "gateway") / IP(
        src=IP4["gateway"], dst=IP4["a"]) / UDP(sport=67, dport=68)
        / BOOTP(op=2) / t)
    g("DHCPv6 server", DHCP_SERVER, lambda t: ether("a", "gateway") / IPv6(
        src=IP6["gateway"], dst=IP6["a"]) / UDP(sport=547, dport=546) / t)
    g("VLAN", VLAN, lambda t: ether("a", "gateway") / Dot1Q(vlan=7)
      / IP(src=IP4["gateway"], dst=IP4["a"]) / udp() / t)
    g("multicast source", MULTICAST_SRC, lambda t: ether("a", BROADCAST)
      / IP(src=IP4["gateway"], dst=IP4["a"]) / udp() / t)
    g("RARP", ETHERTYPE, lambda t: ether("a", "gateway", type=0x8035)
      / Raw(bytes(28)))
    g("LLDP", ETHERTYPE, lambda t: ether("a", "gateway", type=0x88cc)
      / Raw(bytes(50)))


class Matrix:
    """Sends the rows."""

    def __init__(self, mode):
        self.mode = mode
        self.report = Report()
        self.taps = {name: Tap(name) for name in ("a1", "p1", "v1")}
        self.taps[HOST] = Tap(HOST, "br-int")

    def honest(self, src, dst, sport):
        """A packet that passes and proves that all before it have, too."""
        token = Token.new()
        sender, receiver = WHERE[src], WHERE[dst]
        self.taps[sender].send(
            ether(dst, src) / IP(src=IP4[src], dst=IP4[dst])
            / udp(53, sport) / token)
        return self.taps[receiver].wait(token)

    def settle(self, row):
        """Waits until 'row' has been dealt with; proves that the sender and
        the places where the frame might be are alive."""
        if row.sender == HOST:
            return self.honest("gateway", "a", 5001)
        return (self.honest("a", "p", 5001)
                and self.honest("a", "gateway", 5002)
                and self.honest("v", "p", 5003))

    def places(self, row):
        """Where the frame arrived."""
        for tap in self.taps.values():
            tap.drain()
        if row.token:
            found = {name for name, tap in self.taps.items()
                     if row.token in tap.seen}
        else:
            # Containers say nothing of their own.
            found = {name for name, tap in self.taps.items()
                     if name != HOST and tap.others}
        if row.sender in found:
            found.remove(row.sender)
            found.add(ANSWERED)
        return found

    def plain(self):
        """Sees that the frames are worth dropping."""
        pending = [row for row in ROWS if row.plain]
        for i, row in enumerate(pending):
            self.taps[row.sender].send(row.frame)
            if i % 16 == 15 or row is pending[-1]:
                # Queues are short.
                some = pending[i - i % 16:i + 1]
                wire.wait_until(
                    lambda: all(self.places(each) for each in some), 0.5)
        for row in pending:
            if not self.places(row):
                self.report.check(f"{row.name} is worth dropping", False)
        self.report.check(f"{len(pending)} frames arrive without Bastion",
                          not self.report.failed)

    def warm_up(self):
        """Fills the switch's caches with honest packets, so that a forged one
        that is taken for the same flow would pass."""
        for row in self.honest_rows:
            self.taps[row.sender].send(row.frame)
        self.settle(self.honest_rows[0])

    def counted(self, before):
        """Packets dropped since 'before', by reason."""
        # Pushes the statistics of cached flows.
        unixctl("ovs-vswitchd", "revalidator/purge")
        now = wire.drops()
        return Counter({reason: now[reason] - before.get(reason, 0)
                        for reason in now
                        if now[reason] != before.get(reason, 0)})

    def arrival(self, row):
        """Sends 'row'; returns what is wrong with where it arrives."""
        for tap in self.taps.values():
            tap.drain()
            tap.others.clear()
        self.taps[row.sender].send(row.frame)
        if not self.settle(row):
            return "the honest packet behind it did not arrive"
        places = self.places(row)
        if places - row.verdicts():
            return f"arrived at {places or 'no place'}"
        if not places and not row.verdicts() & ({SILENT} | row.reasons()):
            return f"did not arrive at {row.expected}"
        row.arrived = bool(places)
        return None

    def alone(self, row):
        """Tries a single row; returns what is wrong, or None."""
        self.warm_up()
        before = self.counted({})
        why = self.arrival(row)
        delta = self.counted(before)
        if why or row.arrived:
            return why
        if not delta:
            return (None if SILENT in row.verdicts()
                    else "dropped for no reason")
        if sum(delta.values()) != 1 or set(delta) - row.reasons():
            return f"dropped for {dict(delta)}"
        return None

    def together(self, rows):
        """Tries rows that have one verdict each; true if all is well."""
        self.warm_up()
        before = self.counted({})
        if any([self.arrival(row) for row in rows]):
            return False
        expected = Counter(row.expected for row in rows
                           if isinstance(row.expected, int))
        return self.counted(before) == expected

    def bastion(self):
        """What goes wrong in company is tried again alone, to know what; and
        twice, as the host itself says something now and then."""
        single = [row for row in ROWS if not isinstance(row.expected, set)]
        groups = [single[i:i + 30] for i in range(0, len(single), 30)]
        groups += [[row] for row in ROWS if isinstance(row.expected, set)]
        self.honest_rows = [row for row in ROWS if row.name in HONEST]
        assert len(self.honest_rows) == len(HONEST)
        for rows in groups:
            well = len(rows) > 1 and self.together(rows)
            for row in rows:
                why = None if well else self.alone(row) and self.alone(row)
                self.report.check(row.name, not why,
                                  f"{why}, expected {row.expected}")

    def run(self):
        getattr(self, self.mode)()
        self.report.finish()


def main():
    if sys.argv[1:] not in (["plain"], ["bastion"]):
        sys.exit(__doc__)
    add_arp()
    add_sources(IP4, IP, ICMP, IP_SPOOF, "ip")
    add_sources(IP6, IPv6, ICMPv6EchoRequest, IPV6_SPOOF, "ipv6")
    add_special_sources()
    add_nd()
    add_routers_and_servers()
    add_layer2()
    add_options()
    add_fragments()
    add_extension_headers()
    add_truncated()
    add_gateway_side()
    Matrix(sys.argv[1]).run()


if __name__ == "__main__":
    main()
