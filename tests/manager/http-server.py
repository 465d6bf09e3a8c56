#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server with good and bad manners, for tests of clients.

usage: http-server.py DIR

Listens on DIR/http.sock and, with TLS, on a port of 127.0.0.1.  Makes the
certificates that it takes in DIR: ca.pem, server.pem, client.pem.  Prints the
port when it is ready.  The path of a request says what to do.
"""

import os
import socket
import ssl
import subprocess
import sys
import threading

N_CONNECTIONS = 0


def answer(body, status="200 OK", headers=""):
    return (f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
            f"{headers}\r\n{body}").encode()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def forever(connection, data):
    while True:
        connection.sendall(data)


def handle(connection, path, headers):
    """Returns False when the connection should be closed."""
    if path == "/ok":
        connection.sendall(answer('{"ok": true}'))
    elif path == "/missing":
        connection.sendall(answer("no such thing", "404 Not Found"))
    elif path == "/redirect":
        connection.sendall(answer("", "302 Found", "Location: /ok\r\n"))
    elif path == "/connections":
        connection.sendall(answer(str(N_CONNECTIONS)))
    elif path == "/token":
        connection.sendall(answer(headers.get("authorization", "none")))
    elif path == "/proxied":
        connection.sendall(answer(headers.get("host", "none")))
    elif path == "/stream":
        connection.sendall(CHUNKED)
        for _ in range(3):
            connection.sendall(chunk(b'{"n": 1}\n'))
        connection.sendall(chunk(b""))
    elif path == "/silent":
        connection.recv(1)
    elif path == "/stalled":
        connection.sendall(CHUNKED + chunk(b'{"n": 1}\n'))
        connection.recv(1)
    elif path == "/endless":
        connection.sendall(CHUNKED)
        forever(connection, chunk(b"x" * 10000))
    elif path == "/endless-headers":
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        forever(connection, b"X-Header: " + b"x" * 1000 + b"\r\n")
    elif path == "/endless-continue":
        forever(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
    elif path == "/garbage":
        connection.sendall(bytes(range(256)) * 10)
        return False
    elif path == "/truncated":
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        return False
    elif path == "/closed":
        return False
    return True


def serve(connection):
    global N_CONNECTIONS
    N_CONNECTIONS += 1
    try:
        lines = connection.makefile("rb")
        while True:
            request = lines.readline().decode().split()
            if len(request) != 3:
                break
            headers = {}
            for line in iter(lines.readline, b"\r\n"):
                name, value = line.decode().split(":", 1)
                headers[name.lower()] = value.strip()
            if not handle(connection, request[1], headers):
                break
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


def accept(listener, context):
    while True:
        connection, _ = listener.accept()

        def run(connection=connection):
            try:
                serve(context.wrap_socket(connection, server_side=True)
                      if context else connection)
            except OSError:
                connection.close()
        threading.Thread(target=run, daemon=True).start()


def openssl(*args):
    subprocess.run(("openssl",) + args, check=True, capture_output=True)


def make_certificate(name, extension):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}")
    with open(f"{name}.ext", "w", encoding="utf-8") as file:
        file.write(extension)
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", "30", "-out", f"{name}.pem",
            "-extfile", f"{name}.ext")


def main():
    os.chdir(sys.argv[1])
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-days", "30", "-subj", "/CN=ca")
    make_certificate("server", "subjectAltName=IP:127.0.0.1")
    make_certificate("client", "extendedKeyUsage=clientAuth")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.pem", "server.key")
    context.load_verify_locations("ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    plain = socket.socket(socket.AF_UNIX)
    plain.bind("http.sock")
    plain.listen()
    tls = socket.create_server(("127.0.0.1", 0))
    for listener, tls_context in ((plain, None), (tls, context)):
        threading.Thread(target=accept, args=(listener, tls_context),
                         daemon=True).start()
    print(tls.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
