# SPDX-License-Identifier: Apache-2.0
"""What a container runtime does with CNI plugins, for tests."""

import json
import os
import subprocess

DEBIAN_PLUGINS = "/usr/lib/cni"


class PluginError(Exception):
    """A plugin failed and said why."""

    def __init__(self, code, msg):
        super().__init__(f"code {code}: {msg}")
        self.code = code
        self.msg = msg


def run(*argv, check=True):
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}")
    return done.stdout


class Container:
    """A network namespace with a container's ID."""

    def __init__(self, name, ifname="eth0", pod=None):
        self.name = name
        self.ifname = ifname
        self.netns = f"/run/netns/{name}"
        self.args = "IgnoreUnknown=1"
        if pod:
            namespace, pod_name = pod.split("/")
            self.args += (f";K8S_POD_NAMESPACE={namespace}"
                          f";K8S_POD_NAME={pod_name}")
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def delete(self):
        run("ip", "netns", "del", self.name)

    def exec(self, *argv):
        """Returns whether a command in the container succeeds."""
        return subprocess.run(
            ["nsenter", f"--net={self.netns}", "--", *argv], check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode == 0

    def ping(self, address, timeout=5):
        return self.exec("ping", "-n", "-c", "1", "-W", str(timeout), address)

    def environment(self, command):
        return dict(os.environ, CNI_COMMAND=command,
                    CNI_CONTAINERID=self.name, CNI_NETNS=self.netns,
                    CNI_IFNAME=self.ifname, CNI_ARGS=self.args,
                    CNI_PATH=DEBIAN_PLUGINS)


def start(plugin, env, conf):
    """Starts a plugin; 'conf' may be text that is not JSON."""
    text = conf if isinstance(conf, str) else json.dumps(conf)
    process = subprocess.Popen([plugin], env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:
        pass
    return process


def finish(process):
    """Returns what the plugin has printed, or None, or raises an error."""
    text = process.stdout.read()
    process.stdout.close()
    output = json.loads(text) if text.strip() else None
    if process.wait():
        raise PluginError(output["code"], output["msg"])
    return output


def call(plugin, command, container, conf):
    return finish(start(plugin, container.environment(command), conf))
