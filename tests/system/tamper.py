# SPDX-License-Identifier: Apache-2.0
"""Interference with the switch; the scene is in tamper.sh."""

import contextlib
import json
import re
import socket
import threading
import time

from scapy.layers.inet import UDP

import openflow
import wire
from scene import Scene, add_neighbors
from wire import HOST, Report

PATIENCE = 10
report = Report()
scene = Scene()


def ofctl(*args):
    return wire.run("ovs-ofctl", "-O", "OpenFlow15", *args)


def attack_arrives(expected=False):
    return scene.arrives("attacker", "client", UDP(sport=1, dport=53),
                         expected=expected)


def flows():
    """The installed flows, without their counters."""
    text = ofctl("--no-stats", "dump-flows", "br-int")
    return sorted(line.strip() for line in text.splitlines()
                  if "actions=" in line)


def show():
    """What bastion/show says of the connection to br-int."""
    data = json.loads(wire.unixctl("bastion-controller", "bastion/show",
                                   "--json"))
    bridge = [b for b in data["bridges"] if b["name"] == "br-int"][0]
    return bridge


def numbers(data, prefix=""):
    """All integers in 'data', by their path."""
    result = {}
    for key, value in (data.items() if isinstance(data, dict)
                       else enumerate(data)):
        if isinstance(value, (dict, list)):
            result.update(numbers(value, f"{prefix}{key}."))
        elif isinstance(value, int) and not isinstance(value, bool):
            result[f"{prefix}{key}"] = value
    return result


def log_lines(text):
    with open("bastion-controller.log") as f:
        return sum(text in line for line in f)


def tamper(name, change, counter):
    """Makes a change and sees it undone, logged and counted."""
    before = flows()
    logged = log_lines("somebody else has changed")
    counted = numbers(show())
    start = time.monotonic()
    change()
    undone = wire.wait_until(lambda: flows() == before, PATIENCE)
    took = time.monotonic() - start
    report.check(f"{name}: undone after {took:.2f} s", undone)
    report.check(f"{name}: logged", wire.wait_until(
        lambda: log_lines("somebody else has changed") > logged))
    report.check(f"{name}: counted", wire.wait_until(lambda: any(
        counter in key and value > counted.get(key, 0)
        for key, value in numbers(show()).items())), numbers(show()))
    report.check(f"{name}: attacks fail afterwards", not attack_arrives())
    report.check(f"{name}: what is allowed passes", scene.marker("client"))
    report.equal(f"{name}: bastion/verify", wire.verify(), "")


def opened(*args):
    """A change after which attacks arrive until it is undone."""
    def change():
        ofctl("add-flow", "br-int", *args)
    return change


def check_flows():
    table, match = next(filter(None, (re.search(
        r"table=(\d+),.*(priority=[1-9]\S*) actions=drop", line)
        for line in flows()))).groups()
    for name, change, counter in (
            ("hand-added NORMAL", opened("priority=65535,actions=NORMAL"),
             "foreign"),
            ("hand-added output", opened(
                "table=1,priority=65535,in_port=attacker,"
                "actions=output:client"), "foreign"),
            ("flow with our cookie", opened(
                "cookie=0xba57000000010000,table=1,priority=65000,"
                "actions=goto_table:16"), "foreign"),
            ("flow in an unused table", opened(
                "table=99,priority=1,actions=NORMAL"), "foreign"),
            ("all flows deleted", lambda: ofctl("del-flows", "br-int"),
             "missing"),
            ("a table deleted", lambda: ofctl(
                "del-flows", "br-int", "table=1"), "missing"),
            ("a drop turned into NORMAL", lambda: ofctl(
                "--strict", "mod-flows", "br-int",
                f"table={table},{match},actions=NORMAL"), "modified"),
            ("replaced by a NORMAL switch", lambda: ofctl(
                "replace-flows", "br-int", "normal.flows"), "")):
        tamper(name, change, counter)


def check_that_it_matters():
    """Without a controller that undoes it, the hand-added flow opens."""
    wire.sandbox("sandbox_stop_daemon", "bastion-controller")
    opened("priority=65535,actions=NORMAL")()
    report.check("a hand-added NORMAL opens the bridge",
                 attack_arrives(True))
    wire.sandbox("sandbox_start_controller")
    report.check("a controller that starts closes it", wire.wait_until(
        lambda: not attack_arrives(), PATIENCE))
    report.check("and is content", wire.wait_until(
        lambda: not wire.verify(), PATIENCE), wire.verify())


class RogueController(threading.Thread):
    """Makes every switch that connects a plain one, again and again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 6699))
        self.connections = 0
        self.sent = 0
        self.stopping = False

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=(sock,),
                                 daemon=True).start()

    def serve(self, sock):
        with contextlib.suppress(OSError):
            sock.sendall(openflow.message(openflow.HELLO,
                                          version=openflow.OF13))
            openflow.receive(sock)
            sock.settimeout(1)
            while not self.stopping:
                sock.sendall(openflow.forward_everything())
                self.sent += 1
                with contextlib.suppress(socket.timeout):
                    received = openflow.receive(sock)
                    if not received:
                        break
                    kind, xid, body = received
                    if kind == openflow.ECHO_REQUEST:
                        sock.sendall(openflow.message(
                            openflow.ECHO_REPLY, body, xid, openflow.OF13))
                time.sleep(0.5)


def check_second_controller():
    rogue = RogueController()
    rogue.start()
    before = flows()
    target = wire.run("ovs-vsctl", "get-controller", "br-int").strip()
    warned = log_lines("bridge br-int has 2 controllers")
    wire.run("ovs-vsctl", "set-controller", "br-int", target,
             "tcp:127.0.0.1:6699")
    report.check("second controller: connects",
                 wire.wait_until(lambda: rogue.sent >= 3, 20))
    report.check("second controller: reported", wire.wait_until(
        lambda: log_lines("bridge br-int has 2 controllers") > warned))
    # Rogue and controller contend; the flow is gone time and again.
    report.check("second controller: its flow is undone", wire.wait_until(
        lambda: flows() == before, PATIENCE))
    report.check("second controller: the bridge is closed again",
                 wire.wait_until(lambda: not attack_arrives(), PATIENCE))
    hidden = hidden_flows("br-int")
    report.check("second controller: no hidden flows", not hidden, hidden)
    report.check("second controller: out of band", wire.wait_until(
        lambda: set(wire.run("ovs-vsctl", "--bare", "--columns="
                             "connection_mode", "list", "Controller")
                    .split()) == {"out-of-band"}, PATIENCE),
        wire.run("ovs-vsctl", "list", "Controller"))
    rogue.stopping = True
    rogue.listener.close()
    wire.run("ovs-vsctl", "set-controller", "br-int", target)
    report.check("second controller: gone, all is well", wire.wait_until(
        lambda: flows() == before and not wire.verify(), PATIENCE))


def hidden_flows(bridge):
    """Flows above those of any controller."""
    dump = wire.unixctl("ovs-vswitchd", "bridge/dump-flows", bridge)
    return [line for line in dump.splitlines()
            if int(re.search(r"priority=(\d+)", line).group(1)) > 65535]


def check_settings():
    report.equal("no hidden flows", hidden_flows("br-int"), [])
    wire.run("ovs-vsctl", "add-br", "br-plain", "--", "set-controller",
             "br-plain", "tcp:127.0.0.1:6698", "--", "set", "Bridge",
             "br-plain", "datapath_type=netdev", "fail_mode=secure")
    report.check("a plain bridge does have hidden flows", wire.wait_until(
        lambda: hidden_flows("br-plain")))
    for table, record, column, bad, good in (
            ("Bridge", "br-int", "fail_mode", "standalone", "secure"),
            ("Bridge", "br-int", "fail_mode", "[]", "secure"),
            ("Bridge", "br-int", "other_config:disable-in-band", "false",
             '"true"'),
            ("Controller", wire.run("ovs-vsctl", "get", "Bridge", "br-int",
                                    "controller").strip("[]\n"),
             "connection_mode", "in-band", "out-of-band")):
        wire.run("ovs-vsctl", "--no-wait", "set", table, record,
                 f"{column}={bad}")
        report.check(f"{column}={bad} is undone", wire.wait_until(
            lambda: wire.run("ovs-vsctl", "get", table, record,
                             column).strip() == good, PATIENCE),
            wire.run("ovs-vsctl", "get", table, record, column))
    report.equal("still no hidden flows", hidden_flows("br-int"), [])
    report.check("a bridge of others is left alone", "standalone" not in
                 wire.run("ovs-vsctl", "get", "Bridge", "br-plain",
                          "other_config") and hidden_flows("br-plain"))


def main():
    for i, name in enumerate(("client", "server", "attacker"), 2):
        scene.add(name, f"10.32.0.{i}", f"fd00:32::{i}")
        scene.server.listen(name, socket.SOCK_DGRAM, 53)
        scene.markers[name] = "server"
    scene.add(HOST, "10.32.0.1", "fd00:32::1", "br-int")
    add_neighbors(scene, ("client", "server", "attacker"))
    with open("normal.flows", "w") as f:
        f.write("priority=65535,actions=NORMAL\n")
    report.check("markers pass", scene.marker("client"))
    report.check("attacks fail", not attack_arrives())
    check_flows()
    check_that_it_matters()
    check_second_controller()
    check_settings()
    report.finish()


if __name__ == "__main__":
    main()
