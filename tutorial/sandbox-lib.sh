# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
#
# Open vSwitch, Bastion and "containers" in private namespaces.
#
# This file is sourced by bash scripts: bastion-sandbox, the quickstart and the
# system tests.  Everything that it starts or creates lives in a network, a
# mount, a UTS and a PID namespace of its own and ends with the calling script,
# however that ends; the machine around it is not touched.
#
# A container is a network namespace that is joined to the bridge by a veth
# pair: "eth0" inside, an interface named like the container (see
# sandbox_port) in the bridge.  The sandbox's own network namespace plays the
# container host.  It holds ovs-vswitchd and the gateway addresses.
#
# How to use it:
#
#     #!/bin/bash
#     . .../tutorial/sandbox-lib.sh
#     SANDBOX_BUILD=/path/to/build        # see "Settings" below
#     sandbox_enter "$0" "$@"             # this script again, in namespaces
#     sandbox_init
#     sandbox_start
#     sandbox_add_network web 10.32.0.0/24 fd00:32::/64 \
#         gateway=10.32.0.1 gateway=fd00:32::1
#     sandbox_add_service web/client
#     sandbox_add_service web/server
#     sandbox_add_container web/client c1 10.32.0.2 fd00:32::2
#     sandbox_add_container web/server s1 10.32.0.3 fd00:32::3
#     sandbox_add_dependency web/client web/server tcp:80
#     sandbox_sync
#     sandbox_spawn s1 nc -lk 80
#     wait_until 10 sandbox_exec c1 nc -z 10.32.0.3 80
#
# All functions print nothing when all is well.  Functions that start or add
# something end the script with one line on stderr when they fail
# (sandbox_die), because nothing sensible can follow.
#
# Namespaces
#     sandbox_enter SCRIPT [ARG...]   Replaces the script by SCRIPT in fresh
#                                     namespaces; returns at once when it
#                                     already runs in them.
#     sandbox_init                    Private /run and /sys, loopback, PATH.
#
# Daemons
#     sandbox_start                   Databases, ovs-vswitchd, the controller
#                                     and the bridge $SANDBOX_BRIDGE.
#     sandbox_start_ovsdb, sandbox_start_bastion_db,
#     sandbox_start_vswitchd, sandbox_start_controller [OPTION...]
#                                     One daemon each, for restart tests.
#     sandbox_stop_daemon NAME        Stops one daemon, politely, then not.
#     sandbox_stop                    Stops all daemons (so that sanitizers
#                                     and coverage get to write their results).
#     sandbox_add_bridge BRIDGE       One more bridge.
#     sandbox_sync                    Waits until the switch enforces what the
#                                     database says.
#
# Content (the arguments are those of bastionctl's commands)
#     sandbox_add_network NETWORK SUBNET... [gateway=IP]... [KEY=VALUE]...
#     sandbox_add_service NETWORK/SERVICE [isolate=MODE]
#     sandbox_add_container NETWORK/SERVICE NAME IP... [mac=MAC]
#     sandbox_del_container NAME
#     sandbox_add_port NAME [COLUMN=VALUE]...
#                                     Adds a container's port to its bridge
#                                     again, after "ovs-vsctl del-port".
#     sandbox_add_dependency SRC DST [POLICY...]
#     sandbox_load_scenario FILE      All of it from a file, after a check.
#
# Containers
#     sandbox_exec NAME COMMAND [ARG...]
#     sandbox_spawn NAME COMMAND [ARG...]
#                                     The same in the background; the process
#                                     id is in SANDBOX_PID, the output in
#                                     $SANDBOX_DIR/NAME.log.
#     sandbox_kill PID                Ends such a process and waits for it.
#     sandbox_port NAME               Prints the interface in the bridge.
#     sandbox_veth NAME               Prints the host's end of a veth pair that
#                                     is behind a shadow port.
#     sandbox_mac NAME                Prints the container's MAC address.
#
# Small things
#     wait_until SECONDS COMMAND [ARG...]
#                                     Runs COMMAND (output discarded) until it
#                                     succeeds; returns 1 after SECONDS.
#     sandbox_die MESSAGE             "PROGRAM: MESSAGE" on stderr, exit 1.
#
# Settings, to be set before sandbox_init (all optional)
#     SANDBOX_BUILD       Bastion's build directory; else installed programs.
#     SANDBOX_OVS_BUILD   Open vSwitch's build directory; else the one that
#                         SANDBOX_BUILD was configured with, else installed.
#     SANDBOX_DATAPATH    netdev (user space, default), system (the kernel's)
#                         or dummy (no packets but simulated ones: containers
#                         are dummy interfaces without a namespace).
#     SANDBOX_BASTION     yes (default), or no: a plain bridge whose only flow
#                         is NORMAL; services and dependencies are ignored.
#     SANDBOX_FASTPATH    no (default), or yes: the fast path is on.  With
#                         netdev, containers that are added have shadow ports:
#                         the bridge gets an internal interface instead of the
#                         host's end of the veth pair.
#     SANDBOX_BRIDGE      br-int.
#     SANDBOX_DIR         Logs, databases and temporary files; by default
#                         /run/bastion-sandbox, which ends with the sandbox.
#     SANDBOX_PRIVATE     yes: the script has been started in network and mount
#                         namespaces of its own; sandbox_enter is not needed.
#
# Results, valid after sandbox_init
#     SANDBOX_DIR         As above.
#     OVS_RUNDIR          Sockets and pid files, as for every OVS program.

SANDBOX_LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
: "${SANDBOX_BUILD=}" "${SANDBOX_OVS_BUILD=}"
: "${SANDBOX_DATAPATH=netdev}" "${SANDBOX_BASTION=yes}"
: "${SANDBOX_BRIDGE=br-int}" "${SANDBOX_FASTPATH=no}"

sandbox_die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Runs a command whose failure ends the script.  Its output is shown only then.
sandbox_run() {
    local output
    output=$("$@" 2>&1) || sandbox_die "\"$*\" failed: $output"
}

wait_until() {
    local deadline=$(($(date +%s%3N) + $1 * 1000))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s%3N)" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# ## ---------- ##
# ## Namespaces ##
# ## ---------- ##

# The script is process 1 of its PID namespace, so the kernel ends everything
# in it when the script ends, and its mounts, links and netns with it.
# setpriv and --kill-child make the script end when its caller's process does.
sandbox_enter() {
    local user=() status
    if sandbox_entered; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        user=(--user --map-root-user)
        if ! unshare "${user[@]}" true 2>/dev/null; then
            if [ "$SANDBOX_DATAPATH" = dummy ]; then
                return 0
            fi
            sandbox_die "this needs root, or a kernel that lets users" \
                        "create user namespaces"
        fi
    elif ! unshare --net --mount true 2>/dev/null; then
        sandbox_die "root may not create namespaces here" \
                    "(a container needs the capability SYS_ADMIN)"
    fi
    # Not "exec": this process stays to be the one that signals can end.
    SANDBOX_INSIDE=yes setpriv --pdeathsig KILL \
        unshare "${user[@]}" --net --mount --uts --pid --fork --kill-child \
                --mount-proc --propagation private -- bash -- "$@"
    status=$?
    exit "$status"
}

# The variable alone would also be inherited by a sandbox within the sandbox.
sandbox_entered() {
    [ "${SANDBOX_INSIDE-}" = yes ] && [ $$ -eq 1 ]
}

# Whether the network and mount namespaces are not those of the machine.  A
# test harness whose process 1 is in them, too, has to tell.
sandbox_is_private() {
    local type init
    if sandbox_entered || [ "${SANDBOX_PRIVATE-}" = yes ]; then
        return 0
    fi
    for type in net mnt; do
        init=$(readlink "/proc/1/ns/$type") || return 1
        [ "$(readlink "/proc/self/ns/$type")" != "$init" ] || return 1
    done
}

sandbox_init() {
    case $SANDBOX_DATAPATH in
        netdev | system | dummy) ;;
        *) sandbox_die "datapath must be \"netdev\", \"system\" or" \
                       "\"dummy\", not \"$SANDBOX_DATAPATH\"" ;;
    esac
    # Everything is looked up before /run, where it may lie, is covered.
    sandbox_find_programs
    if sandbox_is_private; then
        sandbox_require ip mount tc ethtool
        sandbox_run mount -t tmpfs -o mode=755 sandbox /run
        : "${SANDBOX_DIR=/run/bastion-sandbox}"
        OVS_RUNDIR=/run/openvswitch
        mkdir -p "$SANDBOX_DIR" "$OVS_RUNDIR" /run/netns /run/lock
        # /sys shows the network namespace of whoever mounted it.  (Not every
        # user namespace may mount it, and nothing here depends on it.)
        mount -t sysfs sysfs /sys 2>/dev/null
        mount -t bpf bpf /sys/fs/bpf 2>/dev/null
        sandbox_run ip link set lo up
        # As a user who is not root may not, and then does not need to.
        hostname sandbox 2>/dev/null
        # A network namespace inherits IPv4 settings from the machine.
        echo 0 > /proc/sys/net/ipv4/ip_forward
    elif [ "$SANDBOX_DATAPATH" = dummy ]; then
        # Without namespaces: nothing here touches the network.
        SANDBOX_DIR=$(mktemp -d "${TMPDIR:-/tmp}/bastion-sandbox.XXXXXX") \
            || exit 1
        OVS_RUNDIR=$SANDBOX_DIR/run
        mkdir -p "$OVS_RUNDIR"
        trap 'sandbox_stop; rm -rf "$SANDBOX_DIR"' EXIT
        trap 'exit 143' TERM HUP
        trap 'exit 130' INT
    else
        sandbox_die "not in namespaces of its own: call sandbox_enter first"
    fi
    mkdir -p "$SANDBOX_DIR/containers" "$SANDBOX_DIR/networks"
    export SANDBOX_DIR OVS_RUNDIR SANDBOX_DATAPATH SANDBOX_BASTION
    export SANDBOX_FASTPATH SANDBOX_BRIDGE SANDBOX_BUILD SANDBOX_OVS_BUILD
    export OVS_LOGDIR=$SANDBOX_DIR OVS_DBDIR=$SANDBOX_DIR
    export OVS_SYSCONFDIR=$SANDBOX_DIR
    unset OVS_UNBOUND_CONF BASTION_DB
}

sandbox_require() {
    local program
    for program; do
        command -v "$program" >/dev/null \
            || sandbox_die "the program \"$program\" was not found"
    done
}

# Prints the value of the configure variable $2 of the build directory $1.
sandbox_build_variable() {
    sed -n "s/^S\\[\"$2\"\\]=\"\\(.*\\)\"\$/\\1/p" "$1/config.status" \
        2>/dev/null
}

# Sets PATH and the places of the schemas.
sandbox_find_programs() {
    local ovs=$SANDBOX_OVS_BUILD dir
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    dir=$SANDBOX_LIB_DIR/../..
    # Installed, perhaps with a prefix that is not in PATH.
    if [ -e "$dir/sbin/bastion-controller" ]; then
        PATH=$PATH:$dir/bin:$dir/sbin
    fi
    if [ -n "$SANDBOX_BUILD" ]; then
        dir=$(cd "$SANDBOX_BUILD" 2>/dev/null && pwd) \
            || sandbox_die "build directory \"$SANDBOX_BUILD\" not found"
        SANDBOX_BUILD=$dir
        PATH=$dir/utilities:$dir/controller:$PATH
        : "${ovs:=$(sandbox_build_variable "$dir" OVS_BUILDDIR)}"
    fi
    if [ -n "$ovs" ]; then
        dir=$(cd "$ovs" 2>/dev/null && pwd) \
            || sandbox_die "OVS build directory \"$ovs\" not found"
        SANDBOX_OVS_BUILD=$dir
        PATH=$dir/utilities:$dir/ovsdb:$dir/vswitchd:$PATH
        [ -x "$dir/vswitchd/ovs-vswitchd" ] \
            || sandbox_die "no vswitchd/ovs-vswitchd in \"$ovs\""
        dir=$(cd "$dir" && cd "$(sed -n 's/^srcdir = //p' Makefile)" && pwd)
        SANDBOX_OVS_SCHEMA=$dir/vswitchd/vswitch.ovsschema
    else
        SANDBOX_OVS_SCHEMA=/usr/share/openvswitch/vswitch.ovsschema
    fi
    export PATH
    sandbox_require ovs-vsctl ovs-ofctl ovs-appctl ovsdb-server ovsdb-tool \
                    ovs-vswitchd
    if [ "$SANDBOX_BASTION" = yes ]; then
        sandbox_require bastionctl bastion-controller
        for dir in "$SANDBOX_LIB_DIR/../ovsdb-schema" "$SANDBOX_LIB_DIR" \
                   /usr/share/bastion; do
            SANDBOX_SCHEMA=$dir/bastion.ovsschema
            [ ! -e "$SANDBOX_SCHEMA" ] || break
        done
    fi
}

# ## ------- ##
# ## Daemons ##
# ## ------- ##

# $1 is the daemon's name: that of its log, pid file and control socket.
sandbox_daemon() {
    local name=$1 program=$2
    shift 2
    sandbox_run "$program" --detach --no-chdir \
        --pidfile="$OVS_RUNDIR/$name.pid" \
        --log-file="$SANDBOX_DIR/$name.log" -vconsole:off -vsyslog:off "$@"
}

sandbox_start_ovsdb() {
    local db=$SANDBOX_DIR/conf.db version
    [ -e "$db" ] || sandbox_run ovsdb-tool create "$db" "$SANDBOX_OVS_SCHEMA"
    sandbox_daemon ovsdb-server ovsdb-server \
        --remote=punix:"$OVS_RUNDIR/db.sock" \
        --remote=db:Open_vSwitch,Open_vSwitch,manager_options "$db"
    # What a distribution's start script enters.
    version=$(ovs-vswitchd --version | sed -n '1s/.* //p')
    sandbox_run ovs-vsctl --no-wait init -- set Open_vSwitch . \
        ovs_version="\"$version\"" \
        external_ids:system-id=sandbox external_ids:hostname=sandbox
}

sandbox_start_bastion_db() {
    local db=$SANDBOX_DIR/bastion.db
    [ -e "$db" ] || sandbox_run ovsdb-tool create "$db" "$SANDBOX_SCHEMA"
    sandbox_daemon bastion-ovsdb-server ovsdb-server \
        --unixctl="$OVS_RUNDIR/bastion-ovsdb-server.ctl" \
        --remote=punix:"$OVS_RUNDIR/bastion_db.sock" \
        --remote=db:Bastion,Bastion,connections "$db"
    sandbox_run bastionctl init
}

# shellcheck disable=SC2120
sandbox_start_vswitchd() {
    local options=()
    case $SANDBOX_DATAPATH in
        netdev)
            if [ ! -r /dev/net/tun ] || [ ! -w /dev/net/tun ]; then
                sandbox_die "/dev/net/tun is missing or not for this user:" \
                            "the user-space datapath needs it"
            fi
            options=(--disable-system) ;;
        dummy)
            options=(--enable-dummy=override --disable-system) ;;
        system)
            [ -d /sys/module/openvswitch ] || sandbox_die \
                "the kernel module \"openvswitch\" is not loaded" ;;
    esac
    sandbox_daemon ovs-vswitchd ovs-vswitchd "${options[@]}" "$@" \
        "unix:$OVS_RUNDIR/db.sock"
}

# shellcheck disable=SC2120
sandbox_start_controller() {
    sandbox_daemon bastion-controller bastion-controller "$@"
}

sandbox_start() {
    sandbox_start_ovsdb
    # shellcheck disable=SC2119
    sandbox_start_vswitchd
    if [ "$SANDBOX_BASTION" = yes ]; then
        sandbox_start_bastion_db
        # shellcheck disable=SC2119
        sandbox_start_controller
    fi
    sandbox_add_bridge "$SANDBOX_BRIDGE"
    if [ "$SANDBOX_FASTPATH,$SANDBOX_BASTION" = yes,yes ]; then
        sandbox_run bastionctl set bastion . options:fast-path=true
    elif [ "$SANDBOX_DATAPATH,$SANDBOX_BASTION" = system,yes ]; then
        # Its ports would be on the fast path as they are.
        sandbox_run bastionctl set bastion . options:fast-path=false
    fi
}

# Prints the process id of daemon $1, if it runs.
sandbox_daemon_pid() {
    local pid
    pid=$(cat "$OVS_RUNDIR/$1.pid" 2>/dev/null) || return 1
    kill -0 "$pid" 2>/dev/null || return 1
    echo "$pid"
}

sandbox_stop_daemon() {
    local name=$1 pid
    pid=$(sandbox_daemon_pid "$name") || return 0
    kill "$pid"
    if ! wait_until 5 eval "! kill -0 $pid"; then
        kill -KILL "$pid" 2>/dev/null
        wait_until 5 eval "! kill -0 $pid"
    fi
    rm -f "$OVS_RUNDIR/$name.pid"
}

sandbox_stop() {
    sandbox_stop_daemon bastion-controller
    sandbox_stop_daemon ovs-vswitchd
    sandbox_stop_daemon bastion-ovsdb-server
    sandbox_stop_daemon ovsdb-server
}

# A fixed MAC address, because OVS would change the bridge's with every port.
sandbox_add_bridge() {
    local bridge=$1 type=netdev mac n
    n=$(ovs-vsctl list-br | wc -l)
    printf -v mac 'aa:55:aa:55:00:%02x' $((n + 1))
    [ "$SANDBOX_DATAPATH" != system ] || type=system
    [ "$SANDBOX_DATAPATH" != dummy ] || type=dummy
    if [ "$SANDBOX_BASTION" = yes ]; then
        # fail_mode=secure: without a controller the last flows stay, and
        # nothing is learnt or flooded.  Out-of-band: no hidden flows for a
        # connection that is a local socket anyhow.
        sandbox_run ovs-vsctl add-br "$bridge" \
            -- set Bridge "$bridge" datapath_type="$type" fail_mode=secure \
               other_config:hwaddr="$mac" other_config:disable-in-band=true \
            -- --id=@c create Controller connection_mode=out-of-band \
               target="\"unix:$OVS_RUNDIR/bastion-controller.mgmt\"" \
            -- set Bridge "$bridge" controller=@c
    else
        sandbox_run ovs-vsctl add-br "$bridge" \
            -- set Bridge "$bridge" datapath_type="$type" \
               fail_mode=standalone other_config:hwaddr="$mac"
    fi
    if [ "$SANDBOX_DATAPATH" != dummy ]; then
        sandbox_run ip link set dev "$bridge" up
    fi
}

sandbox_sync() {
    [ "$SANDBOX_BASTION" = yes ] || return 0
    local output
    output=$(bastionctl --timeout=20 --wait=node sync 2>&1) || sandbox_die \
        "the controller does not follow: $output;" \
        "$(tail -n 5 "$SANDBOX_DIR/bastion-controller.log")"
}

# ## ------- ##
# ## Content ##
# ## ------- ##

# Adds address $2 with the prefix length of $3 to interface $1 of this netns.
sandbox_add_address() {
    local nodad=()
    case $2 in *:*) nodad=(nodad) ;; esac
    sandbox_run ip addr add "$2/${3#*/}" dev "$1" "${nodad[@]}"
}

# The gateway is an interface of the bridge in the sandbox's own namespace: the
# bridge's local port, or the one named by gateway-port=.
sandbox_add_network() {
    local network=$1 bridge=$SANDBOX_BRIDGE port='' arg
    local subnets=() gateways=() options=()
    shift
    for arg; do
        case $arg in
            gateway=*) gateways+=("${arg#*=}") ;;
            bridge=*) bridge=${arg#*=} ;;
            gateway-port=*) port=${arg#*=} options+=("$arg") ;;
            *=*) options+=("$arg") ;;
            *) subnets+=("$arg") ;;
        esac
    done
    printf '%s\n' "bridge=$bridge" "subnets='${subnets[*]}'" \
        "gateways='${gateways[*]}'" > "$SANDBOX_DIR/networks/$network"
    ovs-vsctl br-exists "$bridge" || sandbox_add_bridge "$bridge"
    if [ -n "$port" ]; then
        sandbox_run ovs-vsctl add-port "$bridge" "$port" \
            -- set Interface "$port" type=internal
    fi
    for arg in "${gateways[@]}"; do
        [ "$SANDBOX_DATAPATH" != dummy ] || break
        sandbox_run ip link set dev "${port:-$bridge}" up
        sandbox_add_address "${port:-$bridge}" "$arg" \
            "$(sandbox_subnet_of "$arg" "${subnets[@]}")"
    done
    if [ "$SANDBOX_BASTION" = yes ]; then
        sandbox_run bastionctl network-add "$network" "${subnets[@]}" \
            bridge="$bridge" "${gateways[@]/#/gateway=}" "${options[@]}"
    fi
}

sandbox_add_service() {
    if [ "$SANDBOX_BASTION" = yes ]; then
        sandbox_run bastionctl service-add "$@"
    fi
}

sandbox_add_dependency() {
    if [ "$SANDBOX_BASTION" = yes ]; then
        sandbox_run bastionctl dependency-add "$@"
    fi
}

# An interface name has at most 15 bytes.
sandbox_port() {
    local sum
    if [ "${#1}" -le 15 ]; then
        echo "$1"
    else
        sum=$(printf %s "$1" | cksum)
        printf '%s-%06x\n' "${1:0:8}" $((${sum% *} & 0xffffff))
    fi
}

sandbox_veth() {
    sandbox_port "v-$1"
}

# Only the programs of Bastion connect a shadow port with its veth.
sandbox_has_shadow_ports() {
    [ "$SANDBOX_FASTPATH,$SANDBOX_BASTION,$SANDBOX_DATAPATH" = yes,yes,netdev ]
}

sandbox_mac() {
    # shellcheck source=/dev/null
    (. "$SANDBOX_DIR/containers/$1" && echo "$mac")
}

# The host's end of a veth pair is a port of the bridge, and still an interface
# of the host: it must not speak for itself.  Moreover, the user-space datapath
# reads a copy of what arrives there, while the original goes to the host's own
# stack, past the bridge; a filter that drops everything ends it there.  (The
# classic BPF program "return 2", TC_ACT_SHOT, because every kernel has that.
# The kernel's datapath takes packets over only behind such a filter.)
sandbox_close_host_end() {
    if [ -d "/proc/sys/net/ipv6/conf/$1" ]; then
        echo 1 > "/proc/sys/net/ipv6/conf/$1/disable_ipv6"
    fi
    if [ "$SANDBOX_DATAPATH" = netdev ]; then
        sandbox_run tc qdisc add dev "$1" clsact
        sandbox_run tc filter add dev "$1" ingress \
            bpf direct-action bytecode '1,6 0 0 2,'
    fi
}

# Creates container $1's namespace with eth0 (MAC address $2) and host end $3.
sandbox_create_veth() {
    local name=$1 mac=$2 port=$3
    sandbox_run ip netns add "$name"
    sandbox_run ip link add name "$port" type veth \
        peer name eth0 address "$mac" netns "$name"
    sandbox_close_host_end "$port"
    sandbox_run ip -n "$name" link set lo up
    sandbox_run ip -n "$name" link set eth0 addrgenmode eui64
    # The user-space datapath does not complete partial checksums.  (An
    # internal interface does before it hands packets to the datapath.)
    if [ "$SANDBOX_DATAPATH" = netdev ] && ! sandbox_has_shadow_ports; then
        sandbox_run sandbox_exec "$name" ethtool -K eth0 tx off
    fi
    # shellcheck disable=SC2016
    sandbox_run sandbox_exec "$name" sh -c '
        cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0
        echo 0 > all/accept_dad && echo 0 > eth0/accept_dad &&
        echo 0 > eth0/accept_ra && echo 0 > eth0/router_solicitations'
    sandbox_run ip link set dev "$port" up
    sandbox_run ip -n "$name" link set eth0 up
}

# Gives container $1 address $2, with the prefix length of its subnet among $3
# and a default route through the gateway among $4 that is in that subnet.
sandbox_container_address() {
    local name=$1 ip=$2 subnets gateways family=-4 nodad=() subnet gateway
    read -ra subnets <<<"$3"
    read -ra gateways <<<"$4"
    subnet=$(sandbox_subnet_of "$ip" "${subnets[@]}") \
        || sandbox_die "container $name: $ip is in none of: $3"
    case $ip in *:*) family=-6 nodad=(nodad) ;; esac
    sandbox_run ip -n "$name" addr add "$ip/${subnet#*/}" dev eth0 \
        "${nodad[@]}"
    for gateway in "${gateways[@]}"; do
        if sandbox_in_subnet "$gateway" "$subnet"; then
            sandbox_run ip -n "$name" "$family" route replace default \
                via "$gateway"
        fi
    done
}

# A shadow port is an interface of the host that must not take part in anything.
sandbox_add_port() {
    local name=$1 service port bridge mac ips veth settings=()
    shift
    # shellcheck source=/dev/null
    . "$SANDBOX_DIR/containers/$name" || sandbox_die "no container \"$name\""
    if [ "$SANDBOX_DATAPATH" = dummy ]; then
        settings=(type=dummy)
    elif [ -n "$veth" ]; then
        settings=(type=internal external_ids:bastion-veth="$veth")
    fi
    settings+=("$@")
    [ ${#settings[@]} = 0 ] \
        || settings=(-- set Interface "$port" "${settings[@]}")
    sandbox_run ovs-vsctl add-port "$bridge" "$port" "${settings[@]}"
    if [ -n "$veth" ]; then
        sandbox_run ip link set "$port" addrgenmode none
        sandbox_run ip link set "$port" arp off
        sandbox_close_host_end "$port"
        sandbox_run ip link set "$port" up
    fi
}

sandbox_add_container() {
    local service=$1 name=$2 ips=() mac='' port veth='' arg
    local bridge subnets gateways
    shift 2
    for arg; do
        case $arg in
            mac=*) mac=${arg#*=} ;;
            *) ips+=("$arg") ;;
        esac
    done
    port=$(sandbox_port "$name")
    : "${mac:=$(sandbox_default_mac "${ips[0]}")}"
    # shellcheck source=/dev/null
    . "$SANDBOX_DIR/networks/${service%%/*}" \
        || sandbox_die "container $name: no network \"${service%%/*}\""
    if sandbox_has_shadow_ports; then
        veth=$(sandbox_veth "$name")
    fi
    printf '%s\n' "service=$service" "port=$port" "bridge=$bridge" \
        "mac=$mac" "ips='${ips[*]}'" "veth=$veth" \
        > "$SANDBOX_DIR/containers/$name"
    if [ "$SANDBOX_DATAPATH" != dummy ]; then
        sandbox_create_veth "$name" "$mac" "${veth:-$port}"
        for arg in "${ips[@]}"; do
            sandbox_container_address "$name" "$arg" "$subnets" "$gateways"
        done
    fi
    sandbox_add_port "$name"
    if [ "$SANDBOX_BASTION" = yes ]; then
        sandbox_run bastionctl container-add "$service" "$name" "$port" \
            "$mac" "${ips[@]}"
    fi
}

sandbox_del_container() {
    local name=$1 service port bridge
    # shellcheck source=/dev/null
    . "$SANDBOX_DIR/containers/$name" || sandbox_die "no container \"$name\""
    if [ "$SANDBOX_BASTION" = yes ]; then
        sandbox_run bastionctl container-del "$service/$name"
    fi
    sandbox_run ovs-vsctl --if-exists del-port "$bridge" "$port"
    if [ "$SANDBOX_DATAPATH" != dummy ]; then
        ip link del dev "$port" 2>/dev/null
        ip link del dev "$(sandbox_veth "$name")" 2>/dev/null
        sandbox_run ip netns del "$name"
    fi
    rm -f "$SANDBOX_DIR/containers/$name"
}

# ## ---------- ##
# ## Containers ##
# ## ---------- ##

# Not "ip netns exec", which also replaces /sys and, with it, what is mounted
# there.
sandbox_exec() {
    local name=$1
    shift
    nsenter --net="/run/netns/$name" -- "$@"
}

sandbox_spawn() {
    local name=$1
    shift
    nsenter --net="/run/netns/$name" -- "$@" \
        </dev/null >>"$SANDBOX_DIR/$name.log" 2>&1 &
    # shellcheck disable=SC2034
    SANDBOX_PID=$!
}

sandbox_kill() {
    kill "$1" 2>/dev/null
    if ! wait_until 5 eval "! kill -0 $1"; then
        kill -KILL "$1" 2>/dev/null
    fi
    wait "$1" 2>/dev/null
    return 0
}

# shellcheck source=sandbox-scenario.sh
. "$SANDBOX_LIB_DIR/sandbox-scenario.sh"
