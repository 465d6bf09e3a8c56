# SPDX-License-Identifier: Apache-2.0
"""Who on the host sees a packet; the scene is in observer.sh."""

import socket
import sys

import wire
from wire import HOST, PACKET_IGNORE_OUTGOING, Report, Tap, Token, bastionctl

DATAPATH, DOCUMENT = sys.argv[1:]
BRIDGE = "br-int"
FAMILIES = {4: (socket.AF_INET, "10.32.0.{}"),
            6: (socket.AF_INET6, "fd00:32::{}")}
report = Report()


class Observer(Tap):
    """What tcpdump on an interface of the host would see."""

    def __init__(self, interface):
        super().__init__(HOST, interface)
        self.socket.setsockopt(263, PACKET_IGNORE_OUTGOING, 0)


def interfaces(source, destination, shadow):
    """The host's interfaces on the way, None for one that does not exist."""
    if shadow:
        return [f"v-{source}", source, BRIDGE, destination, f"v-{destination}"]
    return [source, None, BRIDGE, None, destination]


def observe(source, destination, number, shadow, version):
    """A word about each of the interfaces."""
    family, address = FAMILIES[version]
    names = interfaces(source, destination, shadow)
    observers = [Observer(name) if name else None for name in names]
    # Without a receiver, an ICMP error would have the token, too.
    receiver = wire.make_socket(destination, family, socket.SOCK_DGRAM)
    receiver.bind(("", 9000))
    inside = Tap(destination)
    # The first packet is Open vSwitch's to resolve neighbors with.
    for _ in range(2):
        token = Token.new()
        with wire.make_socket(source, family, socket.SOCK_DGRAM) as sock:
            sock.sendto(token, (address.format(number), 9000))
        report.check(f"{source} reaches {destination} by IPv{version}",
                     inside.wait(token))
    words = ["" if o is None else "yes" if o.saw(token) else "no"
             for o in observers]
    for tap in (*filter(None, observers), inside, receiver):
        tap.close()
    return words


def row(title, *args):
    words = observe(*args, 4)
    report.equal(f"{title}: IPv6 is like IPv4", observe(*args, 6), words)
    line = "  ".join([f"{title:<38}"] + [f"{word or '--':<6}"
                                         for word in words]).rstrip()
    print(line)
    with open(DOCUMENT, encoding="utf-8") as document:
        report.check(f"{title}: the documentation says so",
                     line in document.read().splitlines())


def fast_path(on):
    bastionctl("--wait=node", "set", "Bastion", ".",
               f"options:fast-path={'true' if on else 'false'}")

    def is_so():
        text = wire.unixctl("bastion-controller", "bastion/fastpath",
                            "alice")
        return ("not enabled" in text) != on

    report.check(f"the fast path is {'on' if on else 'off'}",
                 wire.wait_until(is_so))


def main():
    kernel = DATAPATH == "system"
    title = "kernel datapath" if kernel else "shadow port"
    fast_path(True)
    row(f"{title}, fast path", "alice", "bob", 3, not kernel)
    fast_path(False)
    row(f"{title}, no fast path", "alice", "bob", 3, not kernel)
    if not kernel:
        row("userspace datapath, ordinary port", "carol", "dave", 5, False)
    report.finish()


if __name__ == "__main__":
    main()
