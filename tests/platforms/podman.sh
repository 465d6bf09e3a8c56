#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# bastion-manager with a real Podman, whose containers bastion-cni attaches.
#
# shellcheck disable=SC2317 # Functions are called by "check" and others.

# shellcheck source=runtimes.sh
. "$abs_top_srcdir/tests/platforms/runtimes.sh"

require podman runc conmon
[ -x /usr/lib/cni/host-local ] || skip "no containernetworking-plugins"
[ -x /bin/busybox ] || skip "no busybox-static"
[ -x /usr/bin/catatonit ] || skip "no catatonit"

# runc can set no higher limits than ours, and Podman's are higher.
cat > containers.conf << END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
events_logger = "file"
cgroup_manager = "cgroupfs"
[network]
network_backend = "cni"
cni_plugin_dirs = ["$abs_top_builddir/cni", "/usr/lib/cni"]
network_config_dir = "$PWD/net.d"
END
export CONTAINERS_CONF=$PWD/containers.conf

mkdir -p net.d
cat > net.d/10-web.conflist << END
{"cniVersion": "1.0.0", "name": "web", "plugins": [
  {"type": "bastion-cni", "state-dir": "$PWD/state",
   "ipam": {"type": "host-local", "dataDir": "$PWD/ipam",
            "ranges": [[{"subnet": "10.32.0.0/24", "gateway": "10.32.0.1",
                         "rangeStart": "10.32.0.10"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
END

podman() {
    command podman --root "$PWD/podman-root" --runroot /run/podman \
        --tmpdir /run/podman-tmp --storage-driver vfs "$@"
}

start_podman() {
    command podman --root "$PWD/podman-root" --runroot /run/podman \
        --tmpdir /run/podman-tmp --storage-driver vfs \
        system service --time=0 unix:///run/podman.sock >> podman.log 2>&1 &
    podman_pid=$!
    wait_until 20 test -S /run/podman.sock
}

# The service of the container whose ID in external_ids is $1's.
is_in_service() {
    local id
    id=$(podman inspect -f '{{.Id}}' "$1")
    [ "$(bastionctl get Service "$(bastionctl --bare --columns=service \
         find Container external_ids:container-id="$id")" name)" = "$2" ]
}

ip_of() {
    bastionctl --bare --columns=ips find Container \
        external_ids:container-id="$(podman inspect -f '{{.Id}}' "$1")"
}

fetch() {
    podman exec "$1" wget -q -O /dev/null "http://$2:$3/passwd"
}

fetch_fails() {
    ! timeout 5 podman exec "$1" wget -q -O /dev/null "http://$2:$3/passwd"
}

sandbox_start
sandbox_add_network web 10.32.0.0/24 gateway=10.32.0.1
sandbox_sync
make_image
check "podman imports the image" \
    podman import -c 'ENV PATH=/bin' image.tar localhost/busybox:1
start_podman
start_manager
check "the platform is added" \
    bastionctl platform-add podman unix:/run/podman.sock network=web

check "a container starts" podman run -d --name db --network web \
    --label bastion.expose=tcp:5432 localhost/busybox:1 \
    httpd -f -p 5432 -h /etc
check "another one starts" podman run -d --name app --network web \
    --label bastion.depends-on=db localhost/busybox:1 \
    httpd -f -p 8080 -h /etc
check_soon "bastion-cni's rows are moved into services" is_in_service db db
check_soon "both of them" is_in_service app app
check "the label makes a dependency" \
    has_dependency web/app web/db tcp:5432
check "there is no second row" [ "$(bastionctl --bare --columns=_uuid list \
    Container | grep -c .)" = 2 ]
settle
db=$(ip_of db) app=$(ip_of app)
check_soon "app reaches db" fetch app "$db" 5432
check "db does not reach app" fetch_fails db "$app" 8080

stop_manager -KILL
start_manager
check_soon "a manager that was killed follows again" \
    eval 'manager manager/show | grep -q active'
settle
check "and has written nothing" has_changed 0

kill -KILL $podman_pid
wait $podman_pid 2> /dev/null
check_soon "podman's service is away" \
    eval 'column Platform podman status | grep -q "^error: "'
check "and containers stay where they are" is_in_service db db
rm -f /run/podman.sock
start_podman
check_soon "it is back" has_column Platform podman status active
check "and nothing has been written" has_changed 0

# A pod: its infra container has the interface.
check "a pod is made" podman pod create --name shop --network web \
    --label bastion.service=shop --label bastion.depends-on=db
check "a member starts" podman run -d --pod shop --name member \
    localhost/busybox:1 sleep 1000
infra=$(podman pod inspect -f '{{.InfraContainerID}}' shop)
check_soon "the pod is in the service of its label" is_in_service "$infra" shop
settle
check_soon "a member reaches what the pod depends on" fetch member "$db" 5432
check "and nothing else" fetch_fails member "$app" 8080

check "the pod is removed" podman pod rm -f -t 0 shop
check_soon "and its service goes" has_no_row Service shop
check "containers are removed" podman rm -f -t 0 db app
check_soon "and their services go" has_no_row Service db
check "their rows are gone" test -z "$(bastionctl --bare --columns=_uuid \
    list Container)"

stop_manager
kill $podman_pid
wait $podman_pid 2> /dev/null
exit $status
