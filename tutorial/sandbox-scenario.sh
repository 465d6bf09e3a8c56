# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Scenario files, and the arithmetic on addresses that they need.  A part of
# sandbox-lib.sh, which sources it.
#
# A scenario is a text file with one declaration per line; "#" begins a
# comment.  What a line names must have been declared above it.
#
#     network NAME SUBNET... [gateway=IP]... [bridge=BRIDGE]
#         [gateway-port=INTERFACE] [dhcp-server=IP]...
#         [enforcement=enforce|audit|off]
#     service NETWORK/SERVICE [isolate=both|ingress|egress|none]
#     container NETWORK/SERVICE NAME IP... [mac=MAC]
#     dependency SRC DST [POLICY...]
#
# A file is checked as a whole before anything is done.  Each mistake is
# reported as "FILE:LINE: what is wrong".

# ## --------- ##
# ## Addresses ##
# ## --------- ##

# Prints IP address $1 as 8 (IPv4) or 32 (IPv6) hexadecimal digits.  Fails if
# it is not an address.
sandbox_ip_hex() {
    case $1 in
        *:*) sandbox_ip6_hex "$1" ;;
        *) sandbox_ip4_hex "$1" ;;
    esac
}

sandbox_ip4_hex() {
    local byte='(0|[1-9][0-9]{0,2})' i hex=''
    [[ $1 =~ ^$byte\.$byte\.$byte\.$byte$ ]] || return 1
    for i in 1 2 3 4; do
        [ "${BASH_REMATCH[i]}" -le 255 ] || return 1
        printf -v hex '%s%02x' "$hex" "${BASH_REMATCH[i]}"
    done
    echo "$hex"
}

sandbox_ip6_hex() {
    local ip=$1 head tail groups zeros group hex=''
    [[ $ip =~ ^[0-9a-fA-F:]+$ && $ip != *:::* && $ip != *::*::* ]] || return 1
    [[ $ip != *: || $ip == *:: ]] || return 1
    IFS=: read -ra head <<<"${ip%%::*}"
    IFS=: read -ra tail <<<"$([[ $ip != *::* ]] || echo "${ip#*::}")"
    zeros=$((8 - ${#head[@]} - ${#tail[@]}))
    if [[ $ip == *::* ]]; then
        [ "$zeros" -ge 1 ] || return 1
    else
        [ "$zeros" -eq 0 ] || return 1
    fi
    groups=("${head[@]}")
    while [ "$zeros" -gt 0 ]; do
        groups+=(0)
        zeros=$((zeros - 1))
    done
    for group in "${groups[@]}" "${tail[@]}"; do
        [[ $group =~ ^[0-9a-fA-F]{1,4}$ ]] || return 1
        printf -v hex '%s%04x' "$hex" "0x$group"
    done
    echo "$hex"
}

# Whether hexadecimal addresses $1 and $2 agree in their first $3 bits.
sandbox_same_prefix() {
    local digits=$(($3 / 4)) shift=$((4 - $3 % 4))
    [ "${#1}" -eq "${#2}" ] && [ "${1:0:digits}" = "${2:0:digits}" ] \
        && { [ "$shift" -eq 4 ] \
             || [ $((0x${1:digits:1} >> shift)) \
                  -eq $((0x${2:digits:1} >> shift)) ]; }
}

# Whether $1 is a subnet as ADDRESS/LENGTH, without bits behind LENGTH.
sandbox_is_subnet() {
    local hex length=${1##*/}
    [[ $1 == */* && $length =~ ^(0|[1-9][0-9]{0,2})$ ]] || return 1
    hex=$(sandbox_ip_hex "${1%/*}") || return 1
    [ "$length" -le $((${#hex} * 4)) ] || return 1
    while [ "$length" -lt $((${#hex} * 4)) ]; do
        [ $((0x${hex:length / 4:1} >> (3 - length % 4) & 1)) -eq 0 ] \
            || return 1
        length=$((length + 1))
    done
}

sandbox_in_subnet() {
    sandbox_same_prefix "$(sandbox_ip_hex "$1")" \
        "$(sandbox_ip_hex "${2%/*}")" "${2#*/}"
}

# Prints the first of the subnets $2... that holds address $1.
sandbox_subnet_of() {
    local ip=$1 subnet
    shift
    for subnet; do
        if sandbox_in_subnet "$ip" "$subnet"; then
            echo "$subnet"
            return 0
        fi
    done
    return 1
}

# Prints a MAC address made from the last four bytes of IP address $1.
sandbox_default_mac() {
    local hex
    hex=$(sandbox_ip_hex "$1") || return 1
    hex=${hex: -8}
    echo "02:00:${hex:0:2}:${hex:2:2}:${hex:4:2}:${hex:6:2}"
}

# ## ------ ##
# ## Checks ##
# ## ------ ##

# The functions below report with scenario_error and go on, so that one run
# shows every mistake.  They keep what was declared in associative arrays of
# sandbox_check_scenario.

scenario_error() {
    printf '%s:%d: %s\n' "$scenario_file" "$scenario_line" "$*" >&2
    scenario_errors=$((scenario_errors + 1))
}

# Checks name $2, which is that of a $1.
scenario_check_name() {
    [[ $2 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$ ]] && return 0
    scenario_error "$1 name \"$2\": expected up to 63 letters, digits and" \
                   "\"_.-\", the first not \".\" or \"-\""
    return 1
}

scenario_check_interface() {
    [[ $2 =~ ^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$ ]] && return 0
    scenario_error "$1 \"$2\": expected up to 15 letters, digits and \"_.-\""
    return 1
}

# Checks that $2, the value of key $1, is one of $3...
scenario_check_enum() {
    local key=$1 value=$2 choice
    shift 2
    for choice; do
        [ "$value" != "$choice" ] || return 0
    done
    scenario_error "$key=$value: expected one of: $*"
}

scenario_network() {
    local name=$1 arg subnets=() addresses=()
    shift
    scenario_check_name network "$name" || return
    [ -z "${scenario_subnets[$name]-}" ] \
        || scenario_error "network $name was declared before"
    for arg; do
        case $arg in
            gateway=* | dhcp-server=*) addresses+=("$arg") ;;
            bridge=* | gateway-port=*)
                scenario_check_interface "${arg%%=*}" "${arg#*=}" ;;
            enforcement=*)
                scenario_check_enum enforcement "${arg#*=}" \
                    enforce audit off ;;
            *=*)
                scenario_error "\"$arg\": expected bridge=, gateway=," \
                               "gateway-port=, dhcp-server= or enforcement=" ;;
            *)
                if sandbox_is_subnet "$arg"; then
                    subnets+=("$arg")
                else
                    scenario_error "\"$arg\": expected a subnet such as" \
                                   "10.32.0.0/24 or fd00:32::/64"
                fi ;;
        esac
    done
    if [ "${#subnets[@]}" -eq 0 ]; then
        scenario_error "network $name: expected at least one subnet"
        return
    fi
    scenario_subnets[$name]=${subnets[*]}
    for arg in "${addresses[@]}"; do
        scenario_network_address "$name" "$arg"
    done
}

# Checks $2, gateway=IP or dhcp-server=IP of network $1.
scenario_network_address() {
    local network=$1 ip=${2#*=} subnets hex
    read -ra subnets <<<"${scenario_subnets[$network]}"
    if ! hex=$(sandbox_ip_hex "$ip"); then
        scenario_error "$2: expected an IP address"
    elif ! sandbox_subnet_of "$ip" "${subnets[@]}" >/dev/null; then
        scenario_error "$2: not in a subnet of network $network"
    elif [[ $2 == gateway=* ]]; then
        scenario_addresses[$network/$hex]="the gateway"
    fi
}

scenario_service() {
    local service=$1 arg
    shift
    if [[ $service != */* ]]; then
        scenario_error "service \"$service\": expected NETWORK/SERVICE"
        return
    fi
    scenario_check_name service "${service#*/}" || return
    [ -n "${scenario_subnets[${service%%/*}]-}" ] \
        || scenario_error "service $service: network \"${service%%/*}\" was" \
                          "not declared above"
    [ -z "${scenario_services[$service]-}" ] \
        || scenario_error "service $service was declared before"
    scenario_services[$service]=yes
    for arg; do
        case $arg in
            isolate=*) scenario_check_enum isolate "${arg#*=}" \
                           both ingress egress none ;;
            *) scenario_error "\"$arg\": expected isolate=" ;;
        esac
    done
}

# Checks address $3 of container $2 in network $1.
scenario_container_ip() {
    local network=$1 name=$2 ip=$3 hex subnets
    if ! hex=$(sandbox_ip_hex "$ip"); then
        scenario_error "\"$ip\": expected an IP address or mac="
        return
    fi
    read -ra subnets <<<"${scenario_subnets[$network]-}"
    sandbox_subnet_of "$ip" "${subnets[@]}" >/dev/null \
        || scenario_error "$ip: not in a subnet of network $network"
    if [ -n "${scenario_addresses[$network/$hex]-}" ]; then
        scenario_error "$ip: is the address of" \
                       "${scenario_addresses[$network/$hex]}"
    else
        scenario_addresses[$network/$hex]="container $name"
    fi
}

scenario_container() {
    local service=$1 name=${2-} arg ips=0 hex='[0-9a-fA-F]'
    if [ $# -lt 2 ]; then
        scenario_error "expected: container NETWORK/SERVICE NAME IP..."
        return
    fi
    shift 2
    scenario_check_name container "$name" || return
    case $name in
        lo | eth0 | "$SANDBOX_BRIDGE" | ovs-netdev | ovs-system)
            scenario_error "container name \"$name\" is taken" ;;
    esac
    [ -z "${scenario_containers[$name]-}" ] \
        || scenario_error "container $name was declared before"
    scenario_containers[$name]=yes
    if [ -z "${scenario_services[$service]-}" ]; then
        scenario_error "container $name: service \"$service\" was not" \
                       "declared above"
        return
    fi
    for arg; do
        case $arg in
            mac=*)
                # The low bit of the first byte marks a group of stations.
                [[ ${arg#*=} =~ ^${hex}[02468aceACE](:${hex}{2}){5}$ ]] \
                    || scenario_error "$arg: expected a MAC address of one" \
                                      "station such as 02:00:00:00:00:01" ;;
            *)
                ips=$((ips + 1))
                scenario_container_ip "${service%%/*}" "$name" "$arg" ;;
        esac
    done
    [ "$ips" -gt 0 ] \
        || scenario_error "container $name: expected an IP address"
}

# Checks $1, a side of a dependency.
scenario_peer() {
    local prefixes prefix
    case $1 in
        host | world) ;;
        cidr:*)
            IFS=, read -ra prefixes <<<"${1#cidr:}"
            for prefix in "${prefixes[0]-}" "${prefixes[@]:1}"; do
                sandbox_is_subnet "${prefix#except=}" \
                    || scenario_error "\"$1\": \"$prefix\" is not a prefix"
            done ;;
        *)
            [ -n "${scenario_services[$1]-}" ] \
                || scenario_error "\"$1\": expected a service declared" \
                                  "above, host, world or cidr:PREFIX" ;;
    esac
}

scenario_dependency() {
    local policy ok low high number='(0|[1-9][0-9]{0,4})'
    if [ $# -lt 2 ]; then
        scenario_error "expected: dependency SRC DST [POLICY...]"
        return
    fi
    scenario_peer "$1"
    scenario_peer "$2"
    shift 2
    for policy; do
        ok=no
        if [[ $policy =~ ^(tcp|udp|sctp):$number(-$number)?$ ]]; then
            low=${BASH_REMATCH[2]} high=${BASH_REMATCH[4]:-$low}
            [ "$low" -gt "$high" ] || [ "$high" -gt 65535 ] || ok=yes
        elif [[ $policy =~ ^icmp6?(:$number(:$number)?)?$ ]]; then
            low=${BASH_REMATCH[2]:-0} high=${BASH_REMATCH[4]:-0}
            [ "$low" -gt 255 ] || [ "$high" -gt 255 ] || ok=yes
        elif [[ $policy =~ ^(any|tcp|udp|sctp)$ ]]; then
            ok=yes
        fi
        [ $ok = yes ] \
            || scenario_error "\"$policy\": expected any, tcp:PORT[-PORT]," \
                              "udp:..., sctp:..., icmp[:TYPE[:CODE]] or" \
                              "icmp6..."
    done
}

# Reads scenario file $1 into the array scenario_commands.  Returns 1 after
# messages on stderr if anything is wrong.
sandbox_check_scenario() {
    local scenario_file=$1 scenario_line=0 scenario_errors=0 line words
    local -A scenario_subnets=() scenario_services=()
    local -A scenario_containers=() scenario_addresses=()
    scenario_commands=()
    if [ ! -r "$scenario_file" ] || [ -d "$scenario_file" ]; then
        printf '%s: cannot be read\n' "$scenario_file" >&2
        return 1
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        scenario_line=$((scenario_line + 1))
        read -ra words <<<"${line%%#*}"
        [ "${#words[@]}" -gt 0 ] || continue
        case ${words[0]} in
            network | service | container | dependency)
                if [ "${#words[@]}" -lt 2 ]; then
                    scenario_error "${words[0]}: expected a name"
                    continue
                fi
                "scenario_${words[0]}" "${words[@]:1}"
                scenario_commands+=("${words[*]}") ;;
            *)
                scenario_error "\"${words[0]}\": expected network, service," \
                               "container or dependency" ;;
        esac
    done < "$scenario_file"
    [ "$scenario_errors" -eq 0 ]
}

# Creates what the scenario_commands of sandbox_check_scenario say.
sandbox_apply_scenario() {
    local command words
    for command in "${scenario_commands[@]}"; do
        read -ra words <<<"$command"
        "sandbox_add_${words[0]}" "${words[@]:1}"
    done
    sandbox_sync
}

sandbox_load_scenario() {
    local scenario_commands
    sandbox_check_scenario "$1" || exit 1
    sandbox_apply_scenario
}
