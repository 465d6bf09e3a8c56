# SPDX-License-Identifier: Apache-2.0
"""usage: spoof-rows.py

Prints the rows of tests/system/spoof-matrix.py that container a1 sends, for
tests/test-bpf-matrix.c: name, what may become of the frame, and the frame in
hexadecimal digits, with tabs in between.
"""

import importlib.util
import os
import sys

SYSTEM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "system")
PATH = os.path.join(SYSTEM, "spoof-matrix.py")


def load():
    os.environ["SANDBOX_FASTPATH"] = "yes"
    sys.path.insert(0, SYSTEM)
    spec = importlib.util.spec_from_file_location("spoof_matrix", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["spoof_matrix"] = module
    spec.loader.exec_module(module)
    return module


def main():
    m = load()
    m.add_arp()
    m.add_sources(m.IP4, m.IP, m.ICMP, m.IP_SPOOF, "ip")
    m.add_sources(m.IP6, m.IPv6, m.ICMPv6EchoRequest, m.IPV6_SPOOF, "ipv6")
    m.add_special_sources()
    m.add_nd()
    m.add_routers_and_servers()
    m.add_layer2()
    m.add_options()
    m.add_fragments()
    m.add_extension_headers()
    m.add_truncated()
    names = {m.SILENT: "lost", m.ANSWERED: "answered", m.HOST: "host"}
    for row in m.ROWS:
        if row.sender == "a1":
            expected = ",".join(sorted(
                str(names.get(e, e)) for e in row.verdicts()))
            print(row.name, expected, row.frame.hex(), sep="\t")


if __name__ == "__main__":
    main()
