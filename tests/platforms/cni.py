#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of bastion-cni; see cni.sh."""

import json
import os
import signal
import subprocess
import sys
import time

from cni_runtime import Container, PluginError, call, finish, run, start

PLUGIN = sys.argv[1]
KERNEL = sys.argv[2:] == ["kernel"]     # The datapath.
BASE = {
    "cniVersion": "1.0.0",
    "name": "web",
    "type": "bastion-cni",
    "state-dir": os.path.abspath("state"),
    "ipam": {
        "type": "host-local",
        "dataDir": os.path.abspath("ipam"),
        "ranges": [
            [{"subnet": "10.32.0.0/24", "gateway": "10.32.0.1",
              "rangeStart": "10.32.0.10"}],
            [{"subnet": "fd00:32::/64", "gateway": "fd00:32::1",
              "rangeStart": "fd00:32::10"}],
        ],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    },
}
if KERNEL:
    BASE["timeout"] = 60        # An emulated machine is slow.
failures = 0


def check(ok, what):
    global failures
    print("ok" if ok else "NOT OK", "-", what)
    failures += not ok
    return ok


def conf(**changes):
    return {**BASE, **{k.replace("_", "-"): v for k, v in changes.items()}}


def add(container, configuration=None):
    return call(PLUGIN, "ADD", container, configuration or BASE)


def delete(container, configuration=None):
    return call(PLUGIN, "DEL", container, configuration or BASE)


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def reaches(container, address):
    """A neighbor that was asked in vain may be asked again only later."""
    return wait_until(lambda: container.ping(address, 1))


def table(name, *columns):
    """Rows of a table of the Bastion database, as dictionaries."""
    text = run("bastionctl", "--format=json", f"--columns={','.join(columns)}",
               "list", name)
    return [dict(zip(columns, row)) for row in json.loads(text)["data"]]


def addresses(result, version):
    return [ip["address"].split("/")[0] for ip in result["ips"]
            if (":" in ip["address"]) == (version == 6)]


def snapshot():
    """Everything that an attachment leaves somewhere."""
    leases = os.listdir("ipam/web") if os.path.exists("ipam/web") else []
    return {
        "links": sorted(line.split()[0].split("@")[0] for line
                        in run("ip", "-br", "link").splitlines()),
        "ports": sorted(run("ovs-vsctl", "list-ports", "br-int").split()),
        "containers": sorted(row["name"] for row
                             in table("Container", "name")),
        "leases": sorted(name for name in leases
                         if "last_reserved" not in name and name != "lock"),
        "pending": os.listdir("state") if os.path.exists("state") else [],
    }


def is_back(before):
    """Returns whether nothing is left of what was done since 'before'."""
    if wait_until(lambda: snapshot() == before):
        return True
    after = snapshot()
    print("    more or less than before:", {
        key: sorted(set(before[key]) ^ set(after[key])) for key in before
        if before[key] != after[key]})
    return False


def daemon(request):
    """Has the shell start or stop a daemon."""
    name = f"daemon.{request}"
    with open(name, "w", encoding="utf-8"):
        pass
    if not wait_until(lambda: not os.path.exists(name), 30):
        raise RuntimeError(f"{request}: nobody answers")


def refused(code, container, configuration, command="ADD", env=None):
    """Returns whether a command fails with 'code'."""
    try:
        finish(start(PLUGIN, {**container.environment(command), **(env or {})},
                     configuration))
    except PluginError as error:
        if error.code != code:
            print(f"    {error}")
        return error.code == code
    return False


# What ADD makes.

def test_version(c):
    versions = call(PLUGIN, "VERSION", c, {"cniVersion": "1.0.0"})
    check({"0.4.0", "1.0.0", "1.1.0"} <= set(versions["supportedVersions"]),
          "VERSION says what is supported")


def test_attach(c1, c2):
    result = add(c1)
    result2 = add(c2)
    inside = json.loads(run("ip", "-n", c1.name, "-j", "addr", "show",
                            "eth0"))[0]
    interface = result["interfaces"][result["ips"][0]["interface"]]
    check(interface == {"name": "eth0", "mac": inside["address"],
                        "sandbox": c1.netns}, "the result has the interface")
    found = {f"{a['local']}/{a['prefixlen']}" for a in inside["addr_info"]}
    check({ip["address"] for ip in result["ips"]} <= found
          and len(result["ips"]) == 2, "the container has both addresses")
    check("default via 10.32.0.1" in run("ip", "-n", c1.name, "route")
          and "default via fd00:32::1" in run("ip", "-n", c1.name, "-6",
                                              "route"),
          "the container has default routes")
    rows = {row["name"]: row for row
            in table("Container", "name", "status", "external_ids")}
    check(rows["web-0"]["status"] == "active",
          "the container is registered by its pod's name")
    attachments = table("Attachment", "container_id", "pod_name",
                        "pod_namespace", "convention", "mac")
    check({"container_id": c1.name, "pod_name": "web-0",
           "pod_namespace": "shop", "convention": "bastion",
           "mac": inside["address"]} in attachments,
          "the controller has published the attachment")
    call(PLUGIN, "CHECK", c1, conf(prevResult=result))
    check(True, "CHECK agrees")
    return result, result2


def test_policy(c1, result2):
    v4, v6 = addresses(result2, 4)[0], addresses(result2, 6)[0]
    check(not c1.ping(v4, 1) and not c1.ping(v6, 1),
          "nothing passes without a dependency")
    run("bastionctl", "--wait=node", "dependency-add", "web/unassigned",
        "web/unassigned", "icmp", "icmp6")
    check(reaches(c1, v4) and reaches(c1, v6),
          "what a dependency allows passes, in IPv4 and IPv6")


def test_ready(result):
    """The first packet after ADD must pass, without a wait."""
    run("bastionctl", "--wait=node", "dependency-add", "web/front",
        "web/unassigned", "icmp", "icmp6")
    good = 0
    for i in range(5):
        container = Container(f"ready{i}")
        configuration = conf(service="web/front")
        add(container, configuration)
        good += container.ping(addresses(result, 4)[0])
        delete(container, configuration)
        container.delete()
    check(good == 5, "policy is in force when ADD returns")


def test_host_is_closed(c1):
    """The host must not hear what is for the bridge."""
    veth = [name for name in snapshot()["links"] if name.startswith("bv")][0]
    for name in (veth, "bc" + veth[2:]):
        check("mirred" in run("tc", "filter", "show", "dev", name, "ingress"),
              f"a filter takes everything that arrives at {name[:2]}...")
    with open(f"/proc/sys/net/ipv6/conf/{veth}/disable_ipv6",
              encoding="ascii") as file:
        check(file.read().strip() == "1", "the host's end has no IPv6")
    check(not c1.ping("10.32.0.1", 1), "the host does not answer")


def test_old_version():
    container = Container("old")
    configuration = conf(cniVersion="0.4.0", mtu=1400)
    result = add(container, configuration)
    check(result["cniVersion"] == "0.4.0"
          and [ip["version"] for ip in result["ips"]] == ["4", "6"],
          "version 0.4.0 has versions of addresses")
    check("mtu 1400" in run("ip", "-n", "old", "link", "show", "eth0"),
          "the MTU is as configured")
    delete(container, configuration)
    container.delete()


def test_without_programs(result):
    """The filters connect a container that has no eBPF programs."""
    daemon("no-programs")
    container = Container("plain")
    configuration = conf(service="web/front")
    add(container, configuration)
    check("cannot create" in run("ovs-appctl", "-t", "bastion-controller",
                                 "bastion/fastpath"), "there are none")
    check(reaches(container, addresses(result, 4)[0])
          and reaches(container, addresses(result, 6)[0]),
          "a container without programs is connected")
    delete(container, configuration)
    container.delete()
    daemon("programs")


# What CHECK finds.

def test_check(c1, result):
    configuration = conf(prevResult=result)
    address = result["ips"][0]["address"]

    def different(what):
        check(refused(106, c1, configuration, "CHECK"),
              f"CHECK notices a lost {what}")

    run("ip", "-n", c1.name, "route", "del", "default")
    different("route")
    run("ip", "-n", c1.name, "route", "add", "default", "via", "10.32.0.1")
    run("ip", "-n", c1.name, "addr", "del", address, "dev", "eth0")
    different("address")
    run("ip", "-n", c1.name, "addr", "add", address, "dev", "eth0")
    run("ip", "-n", c1.name, "route", "replace", "default", "via",
        "10.32.0.1")
    call(PLUGIN, "CHECK", c1, configuration)
    check(True, "CHECK agrees again")
    check(refused(106, Container("nobody"), configuration, "CHECK"),
          "CHECK of a container that was never added fails")


# What fails leaves nothing.

def test_errors():
    container = Container("bad")
    before = snapshot()
    refusals = [
        ("an unknown version", 1, conf(cniVersion="7.0.0"), {}),
        ("text that is not JSON", 6, "{", {}),
        ("an unknown network", 7, conf(name="other"), {}),
        ("an unknown service", 7, conf(service="web/none"), {}),
        ("another bridge than the network's", 7, conf(bridge="br1"), {}),
        ("a missing IPAM section", 7, conf(ipam=None), {}),
        ("an IPAM plugin with a path", 7,
         conf(ipam={"type": "../../bin/true"}), {}),
        ("a missing IPAM plugin", 105, conf(ipam={"type": "none"}), {}),
        ("a missing network namespace", 3, BASE,
         {"CNI_NETNS": "/run/netns/none"}),
        ("a missing container ID", 4, BASE, {"CNI_CONTAINERID": ""}),
        ("a bad interface name", 4, BASE, {"CNI_IFNAME": "a/b"}),
        ("an address outside of the network", 103,
         conf(ipam={"type": "static",
                    "addresses": [{"address": "10.99.0.5/24"}]}), {}),
        ("the gateway's address", 103,
         conf(ipam={"type": "static",
                    "addresses": [{"address": "10.32.0.1/24"}]}), {}),
        ("another container's address", 103,
         conf(ipam={"type": "static",
                    "addresses": [{"address": "10.32.0.10/24"}]}), {}),
    ]
    for what, code, configuration, env in refusals:
        check(refused(code, container, configuration, env=env),
              f"{what}: error {code}")
    check(is_back(before), "failed ADDs leave nothing behind")
    check(run("ip", "-n", "bad", "-br", "link").split()[0::4][0] == "lo"
          and "eth0" not in run("ip", "-n", "bad", "link"),
          "nor in the container")
    add(container)
    check(refused(3, container, BASE), "a second ADD fails")
    check(reaches(container, "10.32.0.10"), "and harms nothing")
    delete(container)
    check(is_back(before), "DEL removes everything")
    delete(container)
    check(True, "a second DEL succeeds")
    container.delete()
    delete(container)
    check(True, "a DEL without a network namespace succeeds")


def test_timeout():
    """Nobody enforces: the controller is stopped."""
    container = Container("late")
    before = snapshot()
    with open("/run/openvswitch/bastion-controller.pid",
              encoding="ascii") as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGSTOP)
    check(refused(104, container, conf(timeout=1)),
          "ADD fails if the policy is not in force in time")
    os.kill(pid, signal.SIGCONT)
    check(is_back(before),
          "and leaves nothing behind")
    add(container)
    check(reaches(container, "10.32.0.10"),
          "it works when the controller does")
    delete(container)
    container.delete()


# Databases that are away.

def test_database_away(which):
    container = Container(f"away-{which}")
    before = snapshot()
    add(container)
    daemon(f"stop-{which}")
    started = time.monotonic()
    delete(container)
    check(time.monotonic() - started < 5,
          f"DEL succeeds without the {which} database")
    check("eth0" not in run("ip", "-n", container.name, "link")
          and len(os.listdir("state")) == 1,
          "the container has no interface; the rest is written down")
    check(refused(11, container, conf(timeout=1)),
          "ADD fails: try again later")
    daemon(f"start-{which}")
    other = Container(f"next-{which}")
    add(other)
    check(os.listdir("state") == [], "the next ADD makes up for it")
    delete(other)
    check(is_back(before),
          "nothing is left behind")
    container.delete()
    other.delete()


# Many at once.

def test_parallel(n=50):
    before = snapshot()
    containers = [Container(f"many{i}") for i in range(n)]
    configuration = conf(timeout=120)

    def all_of(command):
        return [start(PLUGIN, c.environment(command), configuration)
                for c in containers]

    results = [finish(process) for process in all_of("ADD")]
    unique = {ip["address"] for r in results for ip in r["ips"]}
    check(len(unique) == 2 * n, f"{n} ADDs at once have their own addresses")
    statuses = [row["status"] for row in table("Container", "name", "status")
                if row["name"].startswith("many")]
    check(statuses == ["active"] * n, "all of them are in force")
    services = [row["name"] for row in table("Service", "name")]
    check(services.count("unassigned") == 1, "there is one service for them")
    check(reaches(containers[0], addresses(results[-1], 4)[0]),
          "the first one reaches the last one")
    for process in all_of("DEL"):
        finish(process)
    check(is_back(before), f"{n} DELs at once leave nothing behind")
    check("agree" in run("ovs-appctl", "-t", "bastion-controller",
                         "bastion/verify"), "the flows are as they should be")
    for c in containers:
        c.delete()


# Version 1.1.0.

def test_status_and_gc(c1):
    configuration = conf(cniVersion="1.1.0", ipam={
        "type": "static", "addresses": [{"address": "10.32.0.200/24"}]})
    container = Container("garbage")
    before = snapshot()
    add(container)
    valid = [{"containerID": c, "ifname": "eth0"} for c in ("c1", "c2")]
    configuration.pop("ipam")
    call(PLUGIN, "GC", c1,
         {**configuration, "cni.dev/valid-attachments": valid})
    left = snapshot()
    check(left["containers"] == before["containers"]
          and left["ports"] == before["ports"],
          "GC deletes what no longer exists, and nothing else")
    delete(container)
    container.delete()
    call(PLUGIN, "STATUS", c1, configuration)
    check(refused(50, c1, {**configuration, "name": "other"}, "STATUS"),
          "STATUS knows whether ADD would work")
    check(refused(1, c1, BASE, "STATUS"), "STATUS came with version 1.1.0")


# Chained.

def test_chain(result):
    """After a plugin that makes an ordinary port."""
    container = Container("chained")
    mac = "02:00:00:00:09:01"
    run("ip", "link", "add", "chain0", "type", "veth", "peer", "name", "eth0",
        "address", mac, "netns", "chained")
    run("ip", "link", "set", "chain0", "up")
    run("ip", "-n", "chained", "addr", "add", "10.32.0.240/24", "dev", "eth0")
    run("ip", "-n", "chained", "link", "set", "eth0", "up")
    container.exec("ethtool", "-K", "eth0", "tx", "off")
    run("ovs-vsctl", "add-port", "br-int", "chain0",
        "--", "set", "Port", "chain0",
        "external_ids:owner=ovs-cni.network.kubevirt.io",
        "external_ids:contIface=eth0")
    previous = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "br-int"}, {"name": "chain0"},
                       {"name": "eth0", "mac": mac,
                        "sandbox": container.netns}],
        "ips": [{"address": "10.32.0.240/24", "interface": 2}],
    }
    configuration = conf(prevResult=previous)
    configuration.pop("ipam")
    check(not container.ping(addresses(result, 4)[0], 1),
          "another plugin's port is closed")
    check(add(container, configuration) == previous,
          "a chained ADD passes the result on")
    check(reaches(container, addresses(result, 4)[0]),
          "its container has the policy's rights")
    check({"convention": "ovs-cni", "container_id": "chained"}
          in table("Attachment", "convention", "container_id"),
          "its port is recognised, and the container is known")
    call(PLUGIN, "CHECK", container, configuration)
    delete(container, configuration)
    check("chain0" in snapshot()["ports"]
          and "chained" not in snapshot()["containers"],
          "a chained DEL leaves the port to its owner")
    check(refused(102, container,
                  {**configuration, "prevResult": {
                      **previous, "interfaces": [
                          {"name": "lo"}, {"name": "chain1"},
                          previous["interfaces"][2]]}}),
          "a chain without a port of the bridge: error 102")
    run("ovs-vsctl", "del-port", "chain0")
    run("ip", "link", "del", "chain0")


def test_kernel_port(c1):
    """The host's end of the veth pair is the port."""
    ports = [name for name in snapshot()["links"] if name.startswith("b")
             and name != "br-int"]
    check(len(ports) == 2 and set(ports) <= set(snapshot()["ports"]),
          "the ports are veth interfaces, and there are no others")
    with open(f"/proc/sys/net/ipv6/conf/{ports[0]}/disable_ipv6",
              encoding="ascii") as file:
        check(file.read().strip() == "1", "the host's end has no IPv6")
    check(not c1.ping("10.32.0.1", 1), "the host does not answer")


def main():
    before = snapshot()
    c1 = Container("c1", pod="shop/web-0")
    c2 = Container("c2")
    test_version(c1)
    result, result2 = test_attach(c1, c2)
    test_policy(c1, result2)
    test_ready(result)
    if KERNEL:
        test_kernel_port(c1)
        delete(c1)
        delete(c2)
        check(is_back(before), "DEL leaves nothing behind")
        return failures

    test_host_is_closed(c1)
    test_old_version()
    test_without_programs(result)
    test_check(c1, result)
    test_errors()
    test_timeout()
    test_database_away("bastion")
    test_database_away("ovs")
    test_parallel()
    test_status_and_gc(c1)
    test_chain(result)
    delete(c1)
    delete(c2)
    return failures


if __name__ == "__main__":
    try:
        sys.exit(main() != 0)
    except (PluginError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"NOT OK - {error}")
        raise
