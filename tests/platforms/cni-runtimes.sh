#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# bastion-cni, called by real container runtimes: cnitool and Podman with its
# CNI backend.
#
# shellcheck disable=SC2317 # Functions are called by "check" and others.

# The test's own /sys has no cgroups, but the machine's is below it.
if [ ! -e /sys/fs/cgroup/cgroup.procs ] && [ ! -e /sys/fs/cgroup/unified ]
then
    mkdir -p /run/cgroup
    umount /sys && mount --rbind /sys/fs/cgroup /run/cgroup
    mount -t sysfs sysfs /sys && mount --rbind /run/cgroup /sys/fs/cgroup
fi

# shellcheck source=../system/common.sh
. "$abs_top_srcdir/tests/system/common.sh"

require podman runc conmon
[ -x /usr/lib/cni/host-local ] || skip "no containernetworking-plugins"
[ -x /bin/busybox ] || skip "no busybox-static"
cnitool=$("$abs_top_srcdir/build-aux/cnitool" --cached) \
    || skip "no cnitool (build-aux/cnitool)"

status=0

# check DESCRIPTION COMMAND [ARG...]
check() {
    local description=$1
    shift
    if "$@" > check.out 2>&1; then
        echo "ok - $description"
    else
        echo "NOT OK - $description: $*"
        sed 's/^/    /' check.out
        status=1
    fi
}

refuse() {
    local description=$1
    shift
    # shellcheck disable=SC2016 # Expanded by the inner shell.
    check "$description" bash -c '! "$@"' refuse "$@"
}

# An image with Busybox in it and nothing else.
make_image() {
    local applet
    mkdir -p image/bin image/etc image/proc image/sys image/dev image/tmp
    cp /bin/busybox image/bin
    for applet in sh ip ping nc sleep; do
        ln -s busybox image/bin/$applet
    done
    echo root:x:0:0:root:/:/bin/sh > image/etc/passwd
    tar -C image -cf image.tar .
}

# runc can set no higher limits than ours, and Podman's are higher.
configure_podman() {
    cat > containers.conf << END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
events_logger = "none"
cgroup_manager = "cgroupfs"
[network]
network_backend = "cni"
cni_plugin_dirs = ["$abs_top_builddir/cni", "/usr/lib/cni"]
network_config_dir = "$PWD/net.d"
END
    export CONTAINERS_CONF=$PWD/containers.conf
}

podman() {
    command podman --root "$PWD/podman-root" --runroot /run/podman \
        --storage-driver vfs "$@"
}

configure_network() {
    mkdir -p net.d
    cat > net.d/10-web.conflist << END
{"cniVersion": "$1", "name": "web", "plugins": [
  {"type": "bastion-cni", "state-dir": "$PWD/state",
   "capabilities": {"mac": true},
   "ipam": {"type": "host-local", "dataDir": "$PWD/ipam",
            "ranges": [[{"subnet": "10.32.0.0/24", "gateway": "10.32.0.1",
                         "rangeStart": "10.32.0.10"}],
                       [{"subnet": "fd00:32::/64",
                         "gateway": "fd00:32::1"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "tuning"}]}
END
}

container_has_status() {
    [ "$(bastionctl --bare --columns=status find Container \
         name="$1")" = "$2" ]
}

is_empty() {
    [ -z "$(bastionctl --bare --columns=_uuid list Container)" ] &&
        [ "$(ovs-vsctl list-ports br-int)" = "" ] &&
        ! ip -br link | grep -E '^b[cv]'
}

sandbox_start
sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
    gateway=10.32.0.1 gateway=fd00:32::1
sandbox_sync

# cnitool.
export CNI_PATH=$abs_top_builddir/cni:/usr/lib/cni CNI_IFNAME=eth0
export NETCONFPATH=$PWD/net.d
for version in 0.4.0 1.0.0; do
    configure_network $version
    ip netns add tool
    for command in add check del; do
        check "cnitool $command, version $version" \
            "$cnitool" $command web /run/netns/tool
        [ $command != add ] ||
            check "the container has its address" \
                sh -c "ip -n tool -4 addr show eth0 | grep -q 'inet 10.32.0.'"
    done
    check "nothing is left behind" wait_until 10 is_empty
    ip netns del tool
done

# Podman.
make_image
configure_podman
check "podman imports the image" \
    podman import -c 'ENV PATH=/bin' image.tar localhost/busybox:1
check "podman starts a container" podman run -d --name server \
    --network web --mac-address 02:00:00:00:05:01 localhost/busybox:1 \
    sh -c 'while :; do echo hello | nc -l -p 9000; done'
check "it is registered by its name" container_has_status server active
check "with the MAC address that was asked for" \
    sh -c "bastionctl --bare --columns=mac find Container name=server |
           grep -q 02:00:00:00:05:01"
server=$(bastionctl --bare --columns=ips find Container name=server |
         grep -o '10\.32\.0\.[0-9]*')
refuse "another one cannot ping it" podman run --rm --network web \
    localhost/busybox:1 ping -c 1 -W 1 "$server"
check "a dependency is added" bastionctl --wait=node dependency-add \
    web/unassigned web/unassigned icmp tcp:9000
check "now it can" podman run --rm --network web \
    localhost/busybox:1 ping -c 1 -W 2 "$server"
check "and connect, at once when it starts" podman run --rm --network web \
    localhost/busybox:1 sh -c "nc $server 9000 < /dev/null | grep hello"
check "podman removes the container" podman rm -f -t 0 server
check "nothing is left behind" wait_until 10 is_empty

# A failure is shown to whoever started the container.
sed -i 's/"name": "web"/"name": "other"/' net.d/10-web.conflist
podman run --rm --network other localhost/busybox:1 true > error.out 2>&1
check "the plugin's message reaches podman's user" \
    grep "network other does not exist" error.out
exit $status
