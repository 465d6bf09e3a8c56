#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Pretends to be an OpenFlow switch that misbehaves.
#
# Usage: of-bad-peer.py SOCKET MODE
#
# Exits with status 0 when the other side has closed the connection, and 1 if
# it has not after 30 seconds.

import socket
import struct
import sys
import time

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = 0, 1, 2, 3
FEATURES_REQUEST, FEATURES_REPLY = 5, 6
MULTIPART_REQUEST, MULTIPART_REPLY = 18, 19
BARRIER_REQUEST, BARRIER_REPLY = 20, 21
BUNDLE_CONTROL, BUNDLE_ADD = 33, 34

DPID = 0xbad


def message(type_, body=b"", xid=1, version=6):
    return struct.pack("!BBHI", version, type_, 8 + len(body), xid) + body


class Peer(object):
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)

    def send(self, *args, **kwargs):
        self.sock.sendall(message(*args, **kwargs))

    def recv_exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def recv(self):
        _, type_, length, xid = struct.unpack("!BBHI", self.recv_exactly(8))
        return type_, xid, self.recv_exactly(length - 8)

    def wait_for_eof(self):
        while self.sock.recv(65536):
            pass

    def handshake(self):
        self.send(HELLO)
        while True:
            type_, xid, _ = self.recv()
            if type_ == FEATURES_REQUEST:
                self.send(FEATURES_REPLY,
                          struct.pack("!QIBBHII", DPID, 0, 254, 0, 0, 0, 0),
                          xid)
                return

    def serve_probes(self):
        while True:
            type_, xid, body = self.recv()
            if type_ == ECHO_REQUEST:
                self.send(ECHO_REPLY, body, xid)

    # Answers like a switch without flows until it gets 'stop_at'.
    def serve(self, stop_at):
        while True:
            type_, xid, body = self.recv()
            if type_ == stop_at:
                return
            elif type_ == ECHO_REQUEST:
                self.send(ECHO_REPLY, body, xid)
            elif type_ == MULTIPART_REQUEST:
                self.send(MULTIPART_REPLY, body[:2] + b"\0" * 6, xid)
            elif type_ == BARRIER_REQUEST:
                self.send(BARRIER_REPLY, b"", xid)
            elif type_ == BUNDLE_CONTROL:
                id_, ctrl = struct.unpack("!IH", body[:6])
                self.send(BUNDLE_CONTROL,
                          struct.pack("!IH", id_, ctrl + 1) + body[6:], xid)


def silent(peer):
    peer.wait_for_eof()


def wrong_version(peer):
    peer.send(HELLO, version=4)
    peer.wait_for_eof()


def garbage(peer):
    peer.sock.sendall(bytes(range(256)) * 64)
    peer.wait_for_eof()


def bad_length(peer):
    peer.handshake()
    peer.sock.sendall(struct.pack("!BBHI", 6, ECHO_REQUEST, 4, 1))
    peer.wait_for_eof()


def bad_types(peer):
    peer.handshake()
    for _ in range(100):
        peer.send(99)
    peer.wait_for_eof()


def bad_features(peer):
    peer.send(HELLO)
    peer.send(FEATURES_REPLY, b"\0" * 3)
    peer.wait_for_eof()


# The next three answer nothing but probes.
def no_features(peer):
    peer.send(HELLO)
    peer.serve_probes()


def mute(peer):
    peer.handshake()
    peer.serve_probes()


def mute_in_bundle(peer):
    peer.handshake()
    peer.serve(BUNDLE_ADD)
    peer.serve_probes()


# Sends an installed flow that cannot be decoded.
def bad_flow_stats(peer):
    peer.handshake()
    while True:
        type_, xid, body = peer.recv()
        if type_ == MULTIPART_REQUEST and body[:2] == b"\0\1":
            peer.send(MULTIPART_REPLY, b"\0\1" + b"\0" * 6 + b"\xff" * 20,
                      xid)
        elif type_ == MULTIPART_REQUEST:
            peer.send(MULTIPART_REPLY, body[:2] + b"\0" * 6, xid)


def close_in_bundle(peer):
    peer.handshake()
    peer.serve(BUNDLE_ADD)


# Sends, but does not read a bundle.
def slow_reader(peer):
    peer.handshake()
    peer.serve(BUNDLE_ADD)
    peer.sock.settimeout(0.2)
    deadline = time.time() + 30
    while time.time() < deadline:
        try:
            peer.send(ECHO_REQUEST, b"x" * 1000)
        except socket.timeout:
            pass
        time.sleep(0.01)
    raise socket.timeout


def main():
    peer = Peer(sys.argv[1])
    try:
        globals()[sys.argv[2].replace("-", "_")](peer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except socket.timeout:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
