/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <stdio.h>
#include <string.h>

#include "openvswitch/vlog.h"
#include "stream.h"
#include "table.h"
#include "util.h"

/* The help message. */

/* Column in which the explanation of a command or option starts. */
#define HELP_COLUMN 30

/* A command or option, or a heading if 'help' is NULL. */
struct usage {
    const char *syntax;
    const char *help;
};

static const struct usage commands[] = {
    {"Network commands", NULL},
    {"network-add NAME SUBNET... [SETTING]...", "add a container network"},
    {"network-del NAME", "delete network NAME"},
    {"network-list", "print the networks"},
    {"SETTING is bridge=BR, gateway=IP[,MAC], gateway-port=PORT,", ""},
    {"dhcp-server=IP or enforcement=enforce|audit|off", ""},

    {"Service commands", NULL},
    {"service-add NETWORK/SERVICE [isolate=both|ingress|egress|none]",
     "add a service to NETWORK"},
    {"service-del NETWORK/SERVICE", "delete a service"},
    {"service-list [NETWORK]", "print the services"},

    {"Container commands", NULL},
    {"container-add NETWORK/SERVICE NAME INTERFACE MAC IP... [node=NODE]",
     "add a container to a service"},
    {"container-del CONTAINER", "delete CONTAINER"},
    {"container-list [NETWORK[/SERVICE]]", "print the containers"},
    {"CONTAINER is NAME, NETWORK/NAME or NETWORK/SERVICE/NAME", ""},

    {"Dependency commands", NULL},
    {"dependency-add SRC DST [POLICY...]", "let SRC open connections to DST"},
    {"dependency-del SRC DST [POLICY...]", "withdraw POLICY, or all of it"},
    {"dependency-list [PEER]", "print the dependencies"},
    {"SRC, DST and PEER are NETWORK/SERVICE, host, world, any or", ""},
    {"cidr:PREFIX[,except=PREFIX,...]", ""},
    {"POLICY is any (the default), tcp[:PORT[-PORT]], udp[:...], sctp[:...],",
     ""},
    {"icmp[:TYPE[:CODE]] or icmp6[:...]", ""},

    {"Platform commands", NULL},
    {"platform-add docker|podman|kubernetes ENDPOINT [KEY=VALUE]...",
     "learn from a platform"},
    {"platform-del PLATFORM", "forget PLATFORM and what it has taught"},
    {"platform-list", "print the platforms"},

    {"Map commands", NULL},
    {"netmap", "print the container network map"},
    {"depmap", "print the inter-container dependency map"},
    {"show", "print an overview of the database"},
    {"check SRC-CONTAINER DST [PROTO:PORT]",
     "is it allowed? (exit status 2: no)"},
    {"DST is CONTAINER, NETWORK/SERVICE, an IP address, host, world or", ""},
    {"cidr:PREFIX[,except=PREFIX,...]", ""},

    {"Fast path commands", NULL},
    {"fastpath-off [NETWORK|CONTAINER]",
     "leave all packets to Open vSwitch"},
    {"fastpath-on [NETWORK|CONTAINER]", "undo fastpath-off"},

    {"Node commands", NULL},
    {"node-list", "print the nodes and what they applied"},
    {"node-del NODE", "forget about NODE"},
    {"sync", "with --wait: wait for earlier changes"},

    {"Server commands", NULL},
    {"init", "initialize the database, if not done"},
    {"get-connection", "print the connections"},
    {"set-connection TARGET...", "set the connections to TARGET..."},
    {"del-connection", "delete the connections"},
    {"get-ssl", "print the SSL configuration"},
    {"set-ssl PRIVATE-KEY CERTIFICATE CA-CERT [PROTOCOLS [CIPHERS]]",
     "set the SSL configuration"},
    {"del-ssl", "delete the SSL configuration"},
};

static const struct usage options[] = {
    {"Options", NULL},
    {"--db=DATABASE", "connect to DATABASE"},
    {"--wait=none|manager|node", "when to return (default: none)"},
    {"--no-wait", "equivalent to --wait=none"},
    {"--retry", "keep trying to connect to the server"},
    {"-t, --timeout=SECS", "wait at most SECS seconds"},
    {"--no-leader-only", "accept any server of a cluster"},
    {"--no-shuffle-remotes", "try the servers in the order given"},
    {"--dry-run", "do not commit changes to the database"},
    {"--oneline", "print one line of output per command"},
};

static void
print_usages(const struct usage *usages, size_t n)
{
    for (const struct usage *u = usages; u < &usages[n]; u++) {
        if (!u->help) {
            printf("\n%s:\n", u->syntax);
        } else if (!u->help[0]) {
            printf("    %s\n", u->syntax);
        } else {
            int width = 2 + strlen(u->syntax);

            printf("  %s", u->syntax);
            if (width >= HELP_COLUMN) {
                putchar('\n');
                width = 0;
            }
            printf("%*s%s\n", HELP_COLUMN - width, "", u->help);
        }
    }
}

void
print_usage(const char *default_db)
{
    printf("%s: Bastion management utility\n"
           "usage: %s [OPTIONS] COMMAND [ARG...]\n",
           program_name, program_name);
    print_usages(commands, ARRAY_SIZE(commands));
    printf("\n%s\n%s", ctl_get_db_cmd_usage(), ctl_list_db_tables_usage());
    print_usages(options, ARRAY_SIZE(options));
    printf("    The default DATABASE is %s.\n", default_db);
    table_usage();
    vlog_usage();
    printf("  %-*s%s\n", HELP_COLUMN - 2, "--no-syslog",
           "equivalent to -vbastionctl:syslog:warn");
    stream_usage("database", true, true, true);
    printf("\nOther options:\n"
           "  -h, --help                  display this help message\n"
           "  -V, --version               display version information\n");
}
