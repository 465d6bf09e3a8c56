# SPDX-License-Identifier: Apache-2.0
"""Sockets in network namespaces, and what else the system tests share.

A test is one process that holds sockets in the namespaces of all containers,
so that it can send a packet here and look for it there without delay.  The
name HOST stands for the test's own namespace, the container host.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

HOST = ""
RUNDIR = os.environ.get("OVS_RUNDIR", "/run/openvswitch")
TIMEOUT = 5.0
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
PACKET_OUTGOING = 4
PACKET_IGNORE_OUTGOING = 23
SIOCGIFHWADDR = 0x8927

# What finds a packet again, wherever it arrives and however it was changed.
TOKEN = re.compile(rb"<bt\d{10}>")

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def netns(name):
    """Runs its block in the network namespace of container 'name'."""
    if name == HOST:
        yield
        return
    with open("/proc/thread-self/ns/net") as home, \
            open(f"/run/netns/{name}") as away:
        if _libc.setns(away.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns to {name}")
        try:
            yield
        finally:
            if _libc.setns(home.fileno(), CLONE_NEWNET):
                os._exit(99)


def make_socket(name, *args):
    with netns(name):
        return socket.socket(*args)


def start(name, *command, **kwargs):
    """Starts a program in container 'name'; returns its Popen."""
    with netns(name):
        return subprocess.Popen(command, **kwargs)


def run(*command, name=HOST, check=True, timeout=30):
    """Runs a program; returns its output, error output included."""
    with netns(name):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, timeout=timeout)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def succeeds(*command, name=HOST, timeout=30):
    with netns(name):
        return not subprocess.run(command, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL,
                                  timeout=timeout).returncode


def wait_until(condition, timeout=TIMEOUT, interval=0.01):
    """Waits for a true result, and returns the last one."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result or time.monotonic() >= deadline:
            return result
        time.sleep(interval)


def sandbox(function, *args):
    """Calls a function of the sandbox library, which may start a daemon."""
    library = os.path.join(os.environ["abs_top_srcdir"], "tutorial",
                           "sandbox-lib.sh")
    return run("bash", "-c", '. "$0"; "$@"', library, function, *args)


def bastionctl(*args):
    """Changes the database and waits until the switch enforces it."""
    return run("bastionctl", "--timeout=20", "--wait=node", *args)


class UnixctlError(Exception):
    pass


def unixctl(target, command, *args, timeout=20):
    """What "ovs-appctl -t TARGET COMMAND ARGS" does, but faster."""
    with open(f"{RUNDIR}/{target}.pid") as f:
        pid = f.read().strip()
    path = f"{RUNDIR}/{target}.{pid}.ctl"
    if not os.path.exists(path):
        path = f"{RUNDIR}/{target}.ctl"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        sock.sendall(json.dumps({"method": command, "params": args,
                                 "id": 0}).encode())
        answer = b""
        while True:
            data = sock.recv(65536)
            if not data:
                raise UnixctlError(f"{target} closed the connection")
            answer += data
            try:
                reply = json.loads(answer)
                break
            except ValueError:
                pass
    if reply.get("error") is not None:
        raise UnixctlError(reply["error"])
    return reply["result"]


def daemon_pid(name):
    with open(f"{RUNDIR}/{name}.pid") as f:
        return int(f.read())


def crash(name):
    """Kills a daemon, without giving it a chance to clean up."""
    pid = daemon_pid(name)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


def table(text):
    """The rows of an OVSDB style table in JSON, as dictionaries."""
    data = json.loads(text)
    if isinstance(data, dict) and "headings" in data:
        return [dict(zip(data["headings"], row)) for row in data["data"]]
    return data


def drops(*port, action="drop"):
    """Packets dropped (or audited) so far, by number of the reason."""
    rows = table(unixctl("bastion-controller", "bastion/drops", *port,
                         "--json"))
    return {int(row["Reason"]): int(row["Packets"]) for row in rows
            if row["Action"] == action}


def verify():
    """Whether database, desired and installed flows agree; else why not."""
    try:
        unixctl("bastion-controller", "bastion/verify")
        return ""
    except (UnixctlError, OSError) as e:
        return str(e) or "failed"


class Token:
    """Numbers the packets of a test."""
    last = 0

    @classmethod
    def new(cls):
        cls.last += 1
        return b"<bt%010d>" % cls.last


class Tap:
    """A raw socket on an interface: sends frames, remembers tokens seen."""

    def __init__(self, name, interface="eth0", listen=True):
        self.name = name
        self.seen = {}          # Frames with tokens, by token.
        self.others = []        # Frames without.
        with netns(name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   8 << 20)
            self.socket.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)
            self.socket.bind((interface, ETH_P_ALL if listen else 0))
            self.mac = fcntl.ioctl(
                self.socket, SIOCGIFHWADDR,
                struct.pack("16s14x", interface.encode()))[18:24].hex(":")
        self.socket.setblocking(False)

    def send(self, frame):
        while True:
            try:
                self.socket.send(bytes(frame))
                return
            except BlockingIOError:
                select.select([], [self.socket], [], TIMEOUT)
            except OSError as e:
                if e.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.001)

    def frames(self):
        """Frames that have arrived since the last call."""
        while True:
            try:
                yield self.socket.recv(65536)
            except BlockingIOError:
                return

    def drain(self):
        for frame in self.frames():
            tokens = TOKEN.findall(frame)
            for token in tokens:
                self.seen.setdefault(token, []).append(frame)
            if not tokens:
                self.others.append(frame)

    def discard(self):
        """Makes room after traffic that nobody looks for."""
        for _ in self.frames():
            pass

    def saw(self, token):
        self.drain()
        return token in self.seen

    def wait(self, token, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while not self.saw(token):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            select.select([self.socket], [], [], left)
        return True

    def close(self):
        self.socket.close()


class Report:
    """One line per check; the exit status at the end."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.start = time.monotonic()

    def check(self, name, ok, why=""):
        if ok:
            self.passed += 1
            print(f"ok   {name}")
        else:
            self.failed.append(name)
            print(f"FAIL {name}" + (f": {why}" if why else ""))
        return bool(ok)

    def equal(self, name, got, expected):
        return self.check(name, got == expected,
                          f"expected {expected!r}, got {got!r}")

    def finish(self):
        print(f"{self.passed} checks passed, {len(self.failed)} failed, "
              f"{time.monotonic() - self.start:.1f} s")
        for name in self.failed:
            print(f"FAILED: {name}")
        sys.exit(1 if self.failed else 0)
