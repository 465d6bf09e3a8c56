# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Bash completion for bastionctl.  Installed under the name of the command, so
# that bash-completion loads it when it is needed; without bash-completion,
# source it.
#
# Commands, options and the kinds of arguments come from "bastionctl
# --commands" and "--options", names from the database that the command line
# or BASTION_DB names.  A database that does not answer at once is left alone.

_bastionctl_options()
{
    bastionctl --options 2>/dev/null |
        sed -n 's/^\(--.*\)=ARG$/\1=/p; s/^\(--[^=]*\)$/\1/p'
}

# Prints "OPTIONS,NAME,ARGUMENTS" of command $1, or of all commands.
_bastionctl_syntax()
{
    bastionctl --commands 2>/dev/null |
        if [ -n "${1-}" ]; then grep ",$1,"; else cat; fi
}

# Prints the output of a query, with the --db option of the command line.
_bastionctl_query()
{
    bastionctl ${_bastionctl_db:+"$_bastionctl_db"} --no-syslog --timeout=1 \
        --format=csv --no-headings "$@" 2>/dev/null
}

_bastionctl_services()
{
    _bastionctl_query service-list | awk -F, '{ print $2 "/" $1 }'
}

_bastionctl_containers()
{
    _bastionctl_query container-list |
        awk -F, '{ print $1; print $2 "/" $3 "/" $1 }'
}

# Prints the values that the setting with the given prefix can have, in the
# context of the given command.
_bastionctl_settings()
{
    case $1 in
    network-add)
        echo bridge= gateway= gateway-port= dhcp-server= \
             enforcement=enforce enforcement=audit enforcement=off ;;
    service-add)
        echo isolate=both isolate=ingress isolate=egress isolate=none ;;
    platform-add)
        echo name= network= ca-cert= certificate= private-key= token= \
             networks= labels= namespaces= bridge= node= implicit=none \
             implicit=network implicit=exposed publish=false \
             compose-files=false resync-interval= ;;
    container-add)
        _bastionctl_query node-list | awk -F, '{ print "node=" $1 }' ;;
    esac
}

_bastionctl_tables="Attachment Bastion CIDR_Block Connection Container
    Dependency Network Node Platform SSL Service"

_bastionctl_records()
{
    case $1 in
    Bastion | SSL) echo . ;;
    Network | Service | Container | Node | Platform)
        _bastionctl_query --columns=name list "$1" | tr -d '"' ;;
    Connection)
        _bastionctl_query --columns=target list "$1" | tr -d '"' ;;
    *)
        _bastionctl_query --data=bare --columns=_uuid list "$1" ;;
    esac
}

_bastionctl_columns()
{
    _bastionctl_query --format=json list "$1" |
        sed 's/.*"headings":\[\([^]]*\)\].*/\1/' | tr -d '"' | tr ',' ' '
}

# Prints what can stand for argument $1 (such as "!NETWORK") of command $2,
# whose first argument is $3.
_bastionctl_argument()
{
    case $1 in
    ?NETWORK)
        [ "$2" = network-add ] ||
            _bastionctl_query --columns=name list Network | tr -d '"' ;;
    ?NETWORK/SERVICE)
        if [ "$2" = service-add ]; then
            _bastionctl_query --columns=name list Network |
                sed 's/"//g; s,$,/,'
        else
            _bastionctl_services
        fi ;;
    ?NETWORK\?/SERVICE | ?NETWORK*SERVICE*)
        _bastionctl_query --columns=name list Network | tr -d '"'
        _bastionctl_services ;;
    ?CONTAINER) _bastionctl_containers ;;
    ?NETWORK\|CONTAINER)
        _bastionctl_query --columns=name list Network | tr -d '"'
        _bastionctl_containers ;;
    ?PEER) echo host world any cidr:; _bastionctl_services ;;
    ?POLICY) echo any tcp: udp: sctp: icmp icmp6 ;;
    ?PLATFORM) _bastionctl_query --columns=name list Platform | tr -d '"' ;;
    ?TYPE) echo docker kubernetes podman ;;
    ?NODE) _bastionctl_query --columns=name list Node | tr -d '"' ;;
    ?ARG)
        [ "$2" != check ] || {
            echo host world cidr:
            _bastionctl_services
            _bastionctl_containers
        } ;;
    ?KEY=VALUE) _bastionctl_settings "$2" ;;
    ?TABLE) echo "$_bastionctl_tables" ;;
    ?RECORD) _bastionctl_records "$3" ;;
    ?COLUMN*) _bastionctl_columns "$3" ;;
    esac
}

# Prints the argument specification for the argument with index $2 (from 0)
# of those in $1.  One that may be repeated stands for all after it.
_bastionctl_nth()
{
    local spec i=0

    for spec in $1; do
        case $spec in
        [*+]*) echo "$spec" ;;
        *) [ "$i" != "$2" ] || echo "$spec" ;;
        esac
        if [ "$i" = "$2" ]; then
            return
        fi
        i=$((i + 1))
    done
}

_bastionctl()
{
    local cur words cword word i command='' arguments=0 first=''
    local _bastionctl_db='' syntax candidates=''

    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n := cur words cword
    else
        words=("${COMP_WORDS[@]}")
        cword=$COMP_CWORD
        cur=${words[cword]}
    fi

    # The command in which the cursor is starts after the last "--".
    for ((i = 1; i < cword; i++)); do
        word=${words[i]}
        case $word in
        --) command='' arguments=0 first='' ;;
        --db=*) _bastionctl_db=$word ;;
        -*) ;;
        *)
            if [ -z "$command" ]; then
                command=$word
            else
                [ "$arguments" != 0 ] || first=$word
                arguments=$((arguments + 1))
            fi ;;
        esac
    done

    if [ -z "$command" ]; then
        case $cur in
        --wait=*) candidates='--wait=none --wait=manager --wait=node' ;;
        --format=*)
            candidates='--format=table --format=list --format=html
                --format=csv --format=json' ;;
        -*)
            candidates="$(_bastionctl_options)
                $(_bastionctl_syntax | sed 's/,.*//; s/[][]//g' |
                      tr ' ' '\n' | sort -u)" ;;
        *) candidates=$(_bastionctl_syntax | cut -d, -f2) ;;
        esac
    else
        syntax=$(_bastionctl_syntax "$command")
        for word in $(_bastionctl_nth "${syntax#*,*,}" "$arguments"); do
            candidates+=" $(_bastionctl_argument "$word" "$command" "$first")"
        done
        candidates+=' --'
    fi

    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
    case ${COMPREPLY[0]-} in
    *= | *: | */) compopt -o nospace 2>/dev/null ;;
    esac
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    fi
}

complete -F _bastionctl bastionctl
