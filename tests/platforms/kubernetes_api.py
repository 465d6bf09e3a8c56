# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the API server of Kubernetes.

It lists and watches, with pages, bookmarks and versions, and misbehaves when
told to.
"""

import collections
import http.server
import json
import queue
import ssl
import threading
import urllib.parse

PATHS = {
    "/api/v1/pods": "Pod",
    "/api/v1/namespaces": "Namespace",
    "/api/v1/nodes": "Node",
    "/api/v1/services": "Service",
    "/apis/discovery.k8s.io/v1beta1/endpointslices": "EndpointSlice",
    "/apis/networking.k8s.io/v1/networkpolicies": "NetworkPolicy",
}
CLUSTER_WIDE = ("Namespace", "Node")


def pod(namespace, name, labels, ip, ports=(), **spec):
    """Returns a pod that runs.  'ports' has (NAME, NUMBER, PROTOCOL)."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": "node1", "containers": [{
            "name": "main", "image": "none", "ports": [
                {"name": n, "containerPort": number, "protocol": protocol}
                for n, number, protocol in ports]}], **spec},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]},
    }


def netpol(namespace, name, spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def namespace_object(name, labels):
    return {"metadata": {"name": name, "labels": labels}}


class Cluster:
    """The objects, and what has become of them."""

    HISTORY = 100000

    def __init__(self):
        self.lock = threading.RLock()
        self.version = 100
        self.oldest = 100
        self.objects = collections.defaultdict(dict)
        self.history = collections.deque(maxlen=self.HISTORY)
        self.watches = []
        self.requests = collections.Counter()
        self.fault = None   # Called with (handler, path, query): True if done.

    def key(self, kind, obj):
        meta = obj["metadata"]
        return (meta["name"] if kind in CLUSTER_WIDE
                else f"{meta['namespace']}/{meta['name']}")

    def put(self, kind, obj):
        with self.lock:
            key = self.key(kind, obj)
            change = "MODIFIED" if key in self.objects[kind] else "ADDED"
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            self.objects[kind][key] = obj
            self.notify(kind, change, obj)

    def delete(self, kind, key):
        with self.lock:
            obj = self.objects[kind].pop(key)
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            self.notify(kind, "DELETED", obj)

    def notify(self, kind, change, obj):
        line = json.dumps({"type": change, "object": obj}).encode() + b"\n"
        self.history.append((self.version, kind, line))
        for watched, lines in self.watches:
            if watched == kind:
                lines.put(line)

    def send_raw(self, kind, data):
        """Sends 'data' to all who watch 'kind'."""
        with self.lock:
            for watched, lines in self.watches:
                if watched == kind:
                    lines.put(data)

    def bookmark(self, kind):
        with self.lock:
            self.send_raw(kind, json.dumps(
                {"type": "BOOKMARK", "object": {"metadata": {
                    "resourceVersion": str(self.version)}}}).encode() + b"\n")

    def cut(self):
        """Ends all watches in the middle."""
        with self.lock:
            for _, lines in self.watches:
                lines.put(None)

    def wipe(self):
        """Begins again with an empty database."""
        with self.lock:
            self.objects.clear()
            self.history.clear()
            self.version = self.oldest = 1
            self.cut()

    def compact(self):
        """Forgets history."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self.history.clear()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send_json(self, status, value):
        body = value if isinstance(value, bytes) else json.dumps(
            value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def start_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        kind = PATHS.get(url.path)
        cluster = self.server.cluster
        token = self.server.token
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            self.send_json(401, {"kind": "Status", "code": 401})
            return
        if not kind:
            self.send_json(404, {"kind": "Status", "code": 404})
            return
        what = "watch" if "watch" in query else "list"
        with cluster.lock:
            cluster.requests[what, kind] += 1
            cluster.requests[what] += 1
            fault = cluster.fault
        try:
            if fault and fault(self, kind, query):
                return
            if what == "watch":
                self.watch(cluster, kind, query)
            else:
                self.list(cluster, kind, query)
        except OSError:
            self.close_connection = True

    def list(self, cluster, kind, query):
        limit = int(query.get("limit", 0))
        start = 0
        with cluster.lock:
            version = cluster.version
            if "continue" in query:
                version, start = map(int, query["continue"].split("/"))
                if version < cluster.oldest:
                    self.send_json(410, {"kind": "Status", "code": 410,
                                         "reason": "Expired"})
                    return
            items = list(cluster.objects[kind].values())
        page = items[start:start + limit] if limit else items
        meta = {"resourceVersion": str(version)}
        if start + len(page) < len(items):
            meta["continue"] = f"{version}/{start + len(page)}"
        self.send_json(200, {"kind": f"{kind}List", "metadata": meta,
                             "items": page})

    def watch(self, cluster, kind, query):
        lines = queue.Queue()
        since = int(query["resourceVersion"])
        with cluster.lock:
            expired = since < cluster.oldest
            if not expired:
                for version, watched, line in cluster.history:
                    if watched == kind and version > since:
                        lines.put(line)
            cluster.watches.append((kind, lines))
        try:
            self.start_stream()
            if expired:
                self.chunk(json.dumps({"type": "ERROR", "object": {
                    "kind": "Status", "code": 410, "reason": "Expired",
                    "message": "too old resource version"}}).encode() + b"\n")
                lines.put(None)
            while True:
                line = lines.get(timeout=int(query["timeoutSeconds"]))
                if line is None:
                    break
                self.chunk(line)
        except queue.Empty:
            self.chunk(b"")
            return
        finally:
            with cluster.lock:
                cluster.watches.remove((kind, lines))
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(self, cluster, port=0, token=None, certificate=None,
                 key=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.cluster = cluster
        self.token = token
        scheme = "http"
        if certificate:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
        self.port = self.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def stop(self):
        """As if the process had been killed."""
        self.shutdown()
        self.server_close()
        self.cluster.cut()
