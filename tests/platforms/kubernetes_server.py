# SPDX-License-Identifier: Apache-2.0
"""The real API server of Kubernetes, with its database, on loopback.

build-aux/kube-apiserver builds it, build-aux/install-deps unpacks etcd and
kubectl.  There is no kubelet, no scheduler and no controller: tests write what
these would.
"""

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import time

CACHE = os.environ.get("BASTION_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
    "bastion")
SERVERS = os.path.join(CACHE, "servers", "usr", "bin")
PORT = 16443
ETCD_PORT = 12379
TOKEN = "test-token"


def find_apiserver():
    """Returns the name of the program, or None if it has not been built."""
    folder = os.path.join(CACHE, "k8s")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return next((os.path.join(folder, name) for name in sorted(names)
                 if name.startswith("kube-apiserver-")), None)


def missing():
    """Returns what is not there, or an empty string."""
    return (", ".join(name for name in ("etcd", "kubectl")
                      if not os.access(os.path.join(SERVERS, name), os.X_OK))
            or ("" if find_apiserver() else "kube-apiserver"))


class KubernetesServer:
    """Runs in 'directory', which is kept."""

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        os.makedirs(self.path("pki"), exist_ok=True)
        self.etcd = self.apiserver = None
        self.connection = None
        if not os.path.exists(self.path("pki/sa.pub")):
            self.make_certificates()
        self.url = f"https://127.0.0.1:{PORT}"
        self.kubeconfig = self.path("kubeconfig")
        self.write_kubeconfig(self.kubeconfig, "admin")

    def path(self, name):
        return os.path.join(self.directory, name)

    # Credentials.

    def openssl(self, *args):
        subprocess.run(("openssl",) + args, cwd=self.path("pki"), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make_certificate(self, name, subject, extensions, days="2"):
        pki = self.path("pki")
        with open(f"{pki}/{name}.ext", "w", encoding="ascii") as stream:
            stream.write(extensions)
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout",
                     f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt",
                     "-CAkey", "ca.key", "-CAcreateserial", "-days", days,
                     "-extfile", f"{name}.ext", "-out", f"{name}.crt")

    def make_certificates(self):
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes",
                     "-keyout", "ca.key", "-out", "ca.crt", "-days", "2",
                     "-subj", "/CN=test")
        self.make_certificate("server", "/CN=kube-apiserver",
                              "subjectAltName=IP:127.0.0.1,DNS:localhost\n"
                              "extendedKeyUsage=serverAuth\n")
        self.make_certificate("admin", "/O=system:masters/CN=admin",
                              "extendedKeyUsage=clientAuth\n")
        self.make_certificate("manager", "/CN=bastion-manager",
                              "extendedKeyUsage=clientAuth\n")
        with open(self.path("pki/tokens.csv"), "w",
                  encoding="ascii") as stream:
            stream.write(f"{TOKEN},system:serviceaccount:bastion-system:"
                         "bastion-manager,1,\"system:serviceaccounts\"\n")
        self.openssl("genrsa", "-out", "sa.key", "2048")
        self.openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")

    def write_kubeconfig(self, path, user):
        pki = self.path("pki")
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": self.url,
                "certificate-authority": f"{pki}/ca.crt"}}],
            "users": [{"name": user, "user": {
                "client-certificate": f"{pki}/{user}.crt",
                "client-key": f"{pki}/{user}.key"}}],
            "contexts": [{"name": "test", "context": {
                "cluster": "test", "user": user}}],
        }
        with open(path, "w", encoding="ascii") as stream:
            json.dump(config, stream)

    # Processes.

    def spawn(self, name, *args):
        with open(self.path(f"{name}.log"), "ab") as log:
            return subprocess.Popen(args, stdout=log, stderr=log,
                                    stdin=subprocess.DEVNULL)

    def start_etcd(self):
        url = f"http://127.0.0.1:{ETCD_PORT}"
        peer = f"http://127.0.0.1:{ETCD_PORT + 1}"
        self.etcd = self.spawn(
            "etcd", os.path.join(SERVERS, "etcd"), "--name=test",
            f"--data-dir={self.path('etcd')}", "--unsafe-no-fsync",
            f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}")

    def start_apiserver(self):
        pki = self.path("pki")
        self.apiserver = self.spawn(
            "apiserver", find_apiserver(),
            f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
            f"--secure-port={PORT}", f"--cert-dir={self.path('generated')}",
            f"--tls-cert-file={pki}/server.crt",
            f"--tls-private-key-file={pki}/server.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--token-auth-file={pki}/tokens.csv",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.200.0.0/24",
            "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount", "--profiling=false",
            "--max-requests-inflight=0", "--max-mutating-requests-inflight=0",
            "--enable-priority-and-fairness=false")

    def start(self):
        self.start_etcd()
        self.start_apiserver()
        self.wait_ready()

    def wait_ready(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.apiserver.poll() is not None:
                raise RuntimeError("kube-apiserver has ended; see "
                                   + self.path("apiserver.log"))
            try:
                if self.request("GET", "/readyz", raw=True) == b"ok":
                    return
            except OSError:
                pass
            except RuntimeError:
                pass
            time.sleep(0.1)
        raise RuntimeError("kube-apiserver is not ready; see "
                           + self.path("apiserver.log"))

    @staticmethod
    def kill(process, sig):
        if process:
            process.send_signal(sig)
            process.wait(30)

    def kill_apiserver(self):
        self.close()
        self.kill(self.apiserver, signal.SIGKILL)
        self.apiserver = None

    def wipe(self):
        """Begins again with an empty database."""
        self.kill_apiserver()
        self.kill(self.etcd, signal.SIGKILL)
        shutil.rmtree(self.path("etcd"))
        self.start()

    def stop(self):
        self.kill_apiserver()
        self.kill(self.etcd, signal.SIGTERM)
        self.etcd = None

    # Requests.

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def connect(self):
        context = ssl.create_default_context(cafile=self.path("pki/ca.crt"))
        context.load_cert_chain(self.path("pki/admin.crt"),
                                self.path("pki/admin.key"))
        return http.client.HTTPSConnection("127.0.0.1", PORT, timeout=30,
                                           context=context)

    def request(self, method, path, body=None, content="application/json",
                raw=False, missing_ok=False):
        data = None if body is None else json.dumps(body).encode()
        try:
            if not self.connection:
                self.connection = self.connect()
            self.connection.request(method, path, data,
                                    {"Content-Type": content})
            response = self.connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise OSError(f"{method} {path}: {error}") from error
        if response.status >= 400 and not (missing_ok
                                           and response.status == 404):
            raise RuntimeError(f"{method} {path}: {response.status} "
                               f"{answer.decode()[:500]}")
        return answer if raw else json.loads(answer)

    def kubectl(self, *args, **kwargs):
        return subprocess.run(
            [os.path.join(SERVERS, "kubectl"),
             f"--kubeconfig={self.kubeconfig}",
             f"--cache-dir={self.path('kubectl-cache')}", *args],
            check=True, text=True, stdout=subprocess.PIPE, **kwargs).stdout

    # Objects.

    def put_namespace(self, name, labels):
        self.request("POST", "/api/v1/namespaces", {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": labels}})

    def put_pod(self, pod):
        """Creates 'pod', with its status."""
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
        self.request("POST", path, dict(pod, apiVersion="v1", kind="Pod"))
        self.set_status(pod["metadata"]["namespace"], pod["metadata"]["name"],
                        pod["status"])

    def set_status(self, namespace, name, status):
        self.request(
            "PATCH", f"/api/v1/namespaces/{namespace}/pods/{name}/status",
            {"status": status}, "application/merge-patch+json")

    def delete_pod(self, namespace, name):
        self.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}"
                     "?gracePeriodSeconds=0", missing_ok=True)

    def label_pod(self, namespace, name, labels):
        """A label that is None is removed."""
        self.request("PATCH", f"/api/v1/namespaces/{namespace}/pods/{name}",
                     {"metadata": {"labels": labels}},
                     "application/merge-patch+json")

    def label_namespace(self, name, labels):
        self.request("PATCH", f"/api/v1/namespaces/{name}",
                     {"metadata": {"labels": labels}},
                     "application/merge-patch+json")

    def put_netpol(self, namespace, name, spec):
        path = ("/apis/networking.k8s.io/v1/namespaces/"
                f"{namespace}/networkpolicies")
        old = self.request("GET", f"{path}/{name}", missing_ok=True)
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": name}, "spec": spec}
        if old["kind"] == "Status":
            self.request("POST", path, body)
        else:
            body["metadata"]["resourceVersion"] = \
                old["metadata"]["resourceVersion"]
            self.request("PUT", f"{path}/{name}", body)

    def delete_netpol(self, namespace, name):
        self.request("DELETE", "/apis/networking.k8s.io/v1/namespaces/"
                     f"{namespace}/networkpolicies/{name}", missing_ok=True)
