#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# bastion-manager with a real Docker daemon and docker-compose.
#
# shellcheck disable=SC2317 # Functions are called by "check" and others.

# shellcheck source=runtimes.sh
. "$abs_top_srcdir/tests/platforms/runtimes.sh"

require dockerd docker docker-compose containerd runc ethtool
[ -x /bin/busybox ] || skip "no busybox-static"

start_docker() {
    dockerd --host unix:///run/docker.sock --data-root "$PWD/docker" \
        --exec-root /run/docker --pidfile /run/dockerd.pid --bridge none \
        --iptables=false --ip6tables=false --ip-forward=false --live-restore \
        --storage-driver vfs >> dockerd.log 2>&1 &
    dockerd_pid=$!
    wait_until 30 docker version
}
export DOCKER_HOST=unix:///run/docker.sock

write_compose_file() {
    mkdir -p shop
    cat > shop/docker-compose.yml << 'END'
version: "2.4"
services:
  db:
    image: local/busybox:1
    command: httpd -f -p 5432 -h /etc
    expose: ["5432"]
  app:
    image: local/busybox:1
    command: httpd -f -p 8080 -h /etc
    depends_on:
      db: {condition: service_started}
  web:
    image: local/busybox:1
    command: httpd -f -p 8080 -h /etc
    depends_on: [app]
    ports: ["127.0.0.1:18080:8080"]
networks:
  default:
    ipam: {config: [{subnet: 10.40.0.0/24, gateway: 10.40.0.1}]}
END
}

attach_container() {
    attach "$(docker inspect -f '{{.State.Pid}}' "$1")" \
        "$(docker inspect -f '{{.Id}}' "$1")"
}

# Docker's own bridge must not answer for the gateway.
take_over() {
    local bridge
    bridge=br-$(docker network inspect -f '{{.Id}}' "$1" | cut -c 1-12)
    ip addr flush dev "$bridge"
    ip addr add "$2" dev br-int
    ip link set br-int up
}

ip_of() {
    docker inspect -f \
        '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"
}

fetch() {
    docker exec "$1" wget -q -O /dev/null "http://$2:$3/passwd"
}

fetch_fails() {
    ! timeout 3 docker exec "$1" wget -q -O /dev/null "http://$2:$3/passwd"
}

sandbox_start
start_docker || sandbox_die "dockerd does not start"
make_image
docker import -c 'ENV PATH=/bin' image.tar local/busybox:1 > import.out
write_compose_file
(cd shop && docker-compose -p shop up -d > ../compose.out 2>&1)
check "compose has started the project" docker inspect shop_db_1

start_manager
check "the platform is added" \
    bastionctl platform-add docker unix:/run/docker.sock
check_soon "it is followed" has_column Platform docker status active
check_soon "the network is there" has_column Network shop_default subnets \
    10.40.0.0/24
check "the services are there" has_column Service db isolate both
check "containers without a known interface are not" \
    has_no_row Container shop_db_1
check "compose's dependency has the port that is exposed" \
    has_dependency shop_default/app shop_default/db tcp:5432
check "and the port that is published" \
    has_dependency shop_default/web shop_default/app any
check "a published port is open to the world" \
    has_dependency world shop_default/web tcp:8080

take_over shop_default 10.40.0.1/24
for name in shop_db_1 shop_app_1 shop_web_1; do
    check "$name is attached" attach_container $name
    check_soon "$name is registered" has_column Container $name status active
done
settle
db=$(ip_of shop_db_1) app=$(ip_of shop_app_1) web=$(ip_of shop_web_1)
check_soon "app reaches db" fetch shop_app_1 "$db" 5432
check "web reaches app" fetch shop_web_1 "$app" 8080
check "web does not reach db" fetch_fails shop_web_1 "$db" 5432
check "db does not reach app" fetch_fails shop_db_1 "$app" 8080
check "app does not reach web" fetch_fails shop_app_1 "$web" 8080

# Nothing changes without a reason.
flows() {
    ovs-ofctl dump-flows br-int --no-stats | sort
}
installed() {
    ovs-appctl -t bastion-controller coverage/read-counter "$1"
}
flows > flows.before
flow_mods=$(installed of_switch_flow_mod)
stop_manager -KILL
start_manager
check_soon "a manager that was killed follows again" \
    manager manager/sources docker
check_soon "and has listed" eval 'manager manager/show | grep -q active'
settle
check "and has written nothing" has_changed 0
flows > flows.after
check "and no flow has changed" cmp flows.before flows.after
check "nor been sent" test "$flow_mods" -gt 0 -a \
    "$(installed of_switch_flow_mod)" = "$flow_mods"

# The runtime is away: what is known stays.
app_pid=$(docker inspect -f '{{.State.Pid}}' shop_app_1)
kill -KILL $dockerd_pid
wait $dockerd_pid 2> /dev/null
check_soon "the platform's status says that it is away" \
    eval 'column Platform docker status | grep -q "^error: "'
check "containers stay" has_column Container shop_db_1 status active
check "traffic goes on" nsenter --net --target "$app_pid" \
    timeout 3 bash -c "exec 3<> /dev/tcp/$db/5432"
start_docker
check_soon "the runtime is back" has_column Platform docker status active
settle
check "and nothing has been written" has_changed 0
check "app still reaches db" fetch shop_app_1 "$db" 5432

# The life of a container.
check "paused containers stay" docker pause shop_db_1
settle
check "registered" has_column Container shop_db_1 status active
docker unpause shop_db_1 > unpaused.out
check "a container is renamed" docker rename shop_web_1 front
check_soon "and so is its row" has_column Container front status active
docker rename front shop_web_1 > renamed.out
check_soon "and back" has_column Container shop_web_1 status active
check "a container is killed" docker kill shop_db_1
check_soon "and its row goes" has_no_row Container shop_db_1
check "while its service stays" has_column Service db isolate both
docker network disconnect shop_default shop_db_1
docker network connect --ip 10.40.0.99 --alias db shop_default shop_db_1
check "it starts with another address" docker start shop_db_1
check "and is attached" attach_container shop_db_1
check_soon "and registered" has_column Container shop_db_1 ips 10.40.0.99
settle
check_soon "app reaches it there" fetch shop_app_1 10.40.0.99 5432

# Containers without compose.
docker run -d --name cache --network shop_default \
    --label bastion.expose=tcp:6379 local/busybox:1 \
    httpd -f -p 6379 -h /etc > /dev/null 2>&1
docker run -d --name client --network shop_default \
    --label bastion.depends-on=cache,shop.db:icmp local/busybox:1 \
    sleep 1000 > /dev/null 2>&1
docker run -d --name sidecar --network container:client local/busybox:1 \
    sleep 1000 > /dev/null 2>&1
docker run -d --name hosted --network host local/busybox:1 \
    sleep 1000 > /dev/null 2>&1
docker run -d --name lonely --network none local/busybox:1 \
    sleep 1000 > /dev/null 2>&1
for name in cache client; do
    check "$name is attached" attach_container $name
    check_soon "$name is registered" has_column Container $name status active
done
check "labels make dependencies" has_dependency shop_default/_.client \
    shop_default/_.cache tcp:6379
settle
cache=$(ip_of cache)
check_soon "a container reaches what its label says" fetch client "$cache" 6379
check "and so does another one in its namespace" fetch sidecar "$cache" 6379
check "it does not reach anything else" fetch_fails client "$app" 8080
check "what nobody depends on is not reached" fetch_fails cache "$app" 8080
for name in sidecar hosted lonely; do
    check "$name has no row" has_no_row Container $name
done

# A wish.
check "options are changed" bastionctl set Platform docker \
    options:implicit=exposed options:publish=false
check_soon "published ports are closed" \
    eval '! has_dependency world shop_default/web tcp:8080'
check_soon "and exposed ones open to the network" \
    eval 'bastionctl dependency-list | grep -q "shop_default/_.cache .*tcp:6379"'
settle
check_soon "so anybody reaches the cache" fetch shop_web_1 "$cache" 6379
check "a wrong option is refused" bastionctl set Platform docker \
    options:implicit=all
check_soon "with a reason" \
    eval 'column Platform docker status | grep -q "implicit=all: expected"'
check "and what was there stays" has_column Container shop_db_1 status active
bastionctl remove Platform docker options implicit
check_soon "until it is right" has_column Platform docker status active

# The end.
docker rm -f cache client sidecar hosted lonely > /dev/null
(cd shop && docker-compose -p shop down -t 0 >> ../compose.out 2>&1)
check_soon "nothing is left of the project" has_no_row Network shop_default
check "no container" \
    test -z "$(bastionctl --bare --columns=_uuid list Container)"
check "an operator's row stays" \
    bastionctl network-add mine 10.50.0.0/24 -- service-add mine/own
docker network create --subnet 10.41.0.0/24 other > /dev/null
docker run -d --name last --network other local/busybox:1 sleep 1000 \
    > /dev/null 2>&1
check_soon "another network comes" has_column Service last isolate both
check "the platform is deleted" bastionctl platform-del docker
check_soon "and all that came from it" has_no_row Network other
check "but the operator's row is there" has_column Service own isolate both

docker rm -f last > /dev/null
stop_manager
kill $dockerd_pid
wait $dockerd_pid 2> /dev/null
exit $status
