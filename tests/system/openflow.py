# SPDX-License-Identifier: Apache-2.0
"""As much of OpenFlow as it takes to misbehave."""

import struct

OF13, OF15 = 4, 6
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = 0, 1, 2, 3
FEATURES_REQUEST, FEATURES_REPLY = 5, 6
FLOW_MOD, MULTIPART_REQUEST, MULTIPART_REPLY = 14, 18, 19
NORMAL = 0xfffffffa
ANY = 0xffffffff


def message(kind, body=b"", xid=1, version=OF15):
    return struct.pack("!BBHI", version, kind, 8 + len(body), xid) + body


def forward_everything():
    """A flow_mod, in OpenFlow 1.3, that makes the switch a plain one."""
    action = struct.pack("!HHIH6x", 0, 16, NORMAL, 0)
    instruction = struct.pack("!HH4x", 4, 8 + len(action)) + action
    match = struct.pack("!HH4x", 1, 4)
    return message(FLOW_MOD, struct.pack(
        "!QQBBHHHIIIHH", 0, 0, 0, 0, 0, 0, 65535, ANY, ANY, ANY, 0, 0)
        + match + instruction, version=OF13)


def receive(sock):
    """The next message: kind, xid and body; or None at the end."""
    head = receive_exactly(sock, 8)
    if not head:
        return None
    _, kind, length, xid = struct.unpack("!BBHI", head)
    body = receive_exactly(sock, length - 8) if length > 8 else b""
    return kind, xid, body


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            return None
        data += more
    return data
