#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Prints packets in hexadecimal, one in a line:
#
#     nd-packets.py solicitations    Neighbor Solicitations, good and bad
#     nd-packets.py advertisements   the answers that the good ones deserve
#     nd-packets.py pcap FILE        what is in a capture file

import ipaddress
import struct
import sys

ASKER = ("02:00:00:00:00:09", "fd00::9")
HOST = ("02:00:00:00:00:01", "fd00::1")
CONTAINER = ("02:00:00:00:00:02", "fd00::2")

ROUTER, SOLICITED, OVERRIDE = 0x80000000, 0x40000000, 0x20000000


def mac(s):
    return bytes.fromhex(s.replace(":", ""))


def ip6(s):
    return ipaddress.IPv6Address(s).packed


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def icmp6(eth_src, eth_dst, src, dst, type_, flags, target, option,
          hop_limit=255, bad_checksum=0):
    body = struct.pack("!I", flags) + ip6(target) + option
    pseudo = ip6(src) + ip6(dst) + struct.pack("!II", 4 + len(body), 58)
    csum = checksum(pseudo + struct.pack("!BBH", type_, 0, 0) + body)
    return (mac(eth_dst) + mac(eth_src) + b"\x86\xdd"
            + struct.pack("!IHBB", 0x60000000, 4 + len(body), 58, hop_limit)
            + ip6(src) + ip6(dst)
            + struct.pack("!BBH", type_, 0, csum ^ bad_checksum) + body)


def solicitation(target, **kwargs):
    last = target[1][-1]
    return icmp6(ASKER[0], "33:33:ff:00:00:0" + last, ASKER[1],
                 "ff02::1:ff00:" + last, 135, 0, target[1],
                 b"\1\1" + mac(ASKER[0]), **kwargs)


def advertisement(target, flags):
    return icmp6(target[0], ASKER[0], target[1], ASKER[1], 136,
                 flags, target[1], b"\2\1" + mac(target[0]))


def read_pcap(name):
    with open(name, "rb") as f:
        magic = f.read(24)[:4]
        order = "<" if magic in (b"\xd4\xc3\xb2\xa1",
                                 b"\x4d\x3c\xb2\xa1") else ">"
        while True:
            header = f.read(16)
            if len(header) < 16:
                return
            yield f.read(struct.unpack(order + "IIII", header)[2])


def packets(args):
    if args[0] == "solicitations":
        return [solicitation(HOST), solicitation(CONTAINER),
                solicitation(HOST, hop_limit=64),
                solicitation(HOST, bad_checksum=1)]
    elif args[0] == "advertisements":
        return [advertisement(HOST, ROUTER | SOLICITED | OVERRIDE),
                advertisement(CONTAINER, SOLICITED | OVERRIDE)]
    else:
        return read_pcap(args[1])


for packet in packets(sys.argv[1:]):
    print(packet.hex())
