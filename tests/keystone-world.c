/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/keystone-world.h"

#include <string.h>

#include "controller/compiler.h"
#include "flow.h"
#include "lib/bastion-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "random.h"
#include "smap.h"
#include "svec.h"
#include "util.h"
#include "uuid.h"

/* Of each network. */
#define N_SERVICES 4
#define N_CONTAINERS 8
#define N_DEPENDENCIES 8
#define N_PORTS 10

#define WORLD_MAX_HOST_ADDRESSES 8

struct world_port {
    bool present;
    char *name;
    unsigned int bridge;        /* Index in the world's 'bridges'. */
    ofp_port_t ofport;
    struct eth_addr mac;
};

struct world_bridge {
    bool present;
    bool userspace;
    char *name;
};

/* A row.  'rec' stays where it is when the row goes, so that others may still
 * refer to it. */
#define WORLD_ROWS(TYPE)                        \
    struct {                                    \
        struct TYPE *recs;                      \
        bool *present;                          \
        size_t n;                               \
    }

struct world {
    struct compiler *compiler;
    unsigned int quality;
    size_t n_networks;
    WORLD_ROWS(bsrec_network) networks;
    WORLD_ROWS(bsrec_service) services;
    WORLD_ROWS(bsrec_container) containers;
    WORLD_ROWS(bsrec_dependency) dependencies;
    struct world_port *ports;
    size_t n_ports;
    struct world_bridge bridges[WORLD_N_BRIDGES];
    const char *node;
    enum enforcement default_enforcement;
    enum nd_responder nd_responder;
    struct in6_addr host_addresses[WORLD_MAX_HOST_ADDRESSES];
    size_t n_host_addresses;
    struct ds change;
};

static void change_options(struct world *);

/* Random choices. */

unsigned int
pick(unsigned int n)
{
    return random_uint32() % n;
}

bool
chance(unsigned int percent)
{
    return pick(100) < percent;
}

static bool
is_bad(const struct world *w)
{
    return pick(w->quality) == 0;
}

static void
random_uuid(struct uuid *uuid)
{
    random_bytes(uuid, sizeof *uuid);
}

/* Conjunction ids come from the first part: a world is full of collisions,
 * also next to the largest number. */
static void
random_dependency_uuid(struct uuid *uuid)
{
    random_uuid(uuid);
    if (chance(50)) {
        uuid->parts[0] = UINT32_MAX - 2 + pick(6);
    }
}

/* Columns. */

static void
set_string(char **column, char *value)
{
    free(*column);
    *column = value;
}

static void
clear_strings(char ***column, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        free((*column)[i]);
    }
    free(*column);
    *column = NULL;
    *n = 0;
}

/* Takes ownership of 'value'. */
static void
add_string(char ***column, size_t *n, char *value)
{
    for (size_t i = 0; i < *n; i++) {
        if (!strcmp((*column)[i], value)) {
            free(value);
            return;             /* It is a set. */
        }
    }
    *column = xrealloc(*column, (*n + 1) * sizeof **column);
    (*column)[(*n)++] = value;
}

/* Rows. */

static char *
random_v4(const struct world *w, size_t network)
{
    if (is_bad(w)) {
        static const char *const bad[] = {
            "10.0.0.0/24", "1.2.3", "10.300.0.1", "224.0.0.5", "192.168.7.7",
            "0.0.0.0", "127.0.0.1", ""
        };
        return xstrdup(bad[pick(ARRAY_SIZE(bad))]);
    }
    return xasprintf("10.%"PRIuSIZE".0.%u", network, 2 + pick(30));
}

static char *
random_v6(const struct world *w, size_t network)
{
    if (is_bad(w)) {
        static const char *const bad[] = {
            "::", "::1", "ff02::1", "fd00:99::1", "::ffff:10.0.0.1", "x",
            "fe80::77"
        };
        return xstrdup(bad[pick(ARRAY_SIZE(bad))]);
    }
    return xasprintf("fd00:%"PRIuSIZE"::%x", network, 2 + pick(30));
}

static char *
random_port_name(const struct world *w)
{
    return xasprintf("if%u", pick(w->n_ports));
}

static void
randomize_subnets(struct world *w, struct bsrec_network *rec, size_t i)
{
    clear_strings(&rec->subnets, &rec->n_subnets);
    if (chance(95)) {
        add_string(&rec->subnets, &rec->n_subnets,
                   xasprintf("10.%"PRIuSIZE".0.0/24", i));
    }
    if (chance(85)) {
        add_string(&rec->subnets, &rec->n_subnets,
                   xasprintf("fd00:%"PRIuSIZE"::/64", i));
    }
    if (is_bad(w)) {
        static const char *const bad[] = {
            "10.0.0.0/8", "10.1.0.0/24", "10.0.0.0/25", "fd00:1::/48", "::/0",
            "0.0.0.0/0", "224.0.0.0/8", "fe80::/64", "10.1.1.1/8", "a/b",
            "127.0.0.0/8", "169.254.0.0/16"
        };
        add_string(&rec->subnets, &rec->n_subnets,
                   xstrdup(bad[pick(ARRAY_SIZE(bad))]));
    }
}

static void
randomize_gateway(struct world *w, struct bsrec_network *rec, size_t i)
{
    clear_strings(&rec->gateways, &rec->n_gateways);
    if (chance(80)) {
        add_string(&rec->gateways, &rec->n_gateways,
                   xasprintf("10.%"PRIuSIZE".0.1", i));
    }
    if (chance(70)) {
        add_string(&rec->gateways, &rec->n_gateways,
                   xasprintf("fd00:%"PRIuSIZE"::1", i));
    }
    if (chance(10)) {
        add_string(&rec->gateways, &rec->n_gateways, xstrdup("fe80::1"));
    }
    if (is_bad(w)) {
        add_string(&rec->gateways, &rec->n_gateways, random_v4(w, i));
    }
    set_string(&rec->gateway_mac,
               chance(50) ? NULL
               : is_bad(w) ? xstrdup("01:00:00:00:00:01")
               : xasprintf("02:ff:00:00:00:%02x", pick(3)));
    set_string(&rec->gateway_port,
               chance(60) ? NULL : random_port_name(w));
}

static void
randomize_network(struct world *w, size_t i)
{
    struct bsrec_network *rec = &w->networks.recs[i];
    static const char *const enforcements[] = {
        "enforce", "enforce", "audit", "audit", "off"
    };

    set_string(&rec->name, xasprintf("net%"PRIuSIZE, i));
    rec->key = i + 1 + (chance(10) ? 100 : 0);
    randomize_subnets(w, rec, i);
    set_string(&rec->bridge,
               is_bad(w) ? xstrdup("br-none")
               : xasprintf("br%"PRIuSIZE, (i + chance(10)) % WORLD_N_BRIDGES));
    randomize_gateway(w, rec, i);
    clear_strings(&rec->dhcp_servers, &rec->n_dhcp_servers);
    for (int n = chance(40) ? 1 + pick(2) : 0; n > 0; n--) {
        add_string(&rec->dhcp_servers, &rec->n_dhcp_servers,
                   chance(10) ? xstrdup("fe80::fd:ff:fe00:0")
                   : chance(30) ? xasprintf("10.%"PRIuSIZE".0.1", i)
                   : chance(30) ? xasprintf("fd00:%"PRIuSIZE"::1", i)
                   : chance(60) ? random_v4(w, i)
                   : random_v6(w, i));
    }
    set_string(&rec->enforcement,
               chance(40) ? NULL
               : xstrdup(enforcements[pick(ARRAY_SIZE(enforcements))]));
    smap_init(&rec->other_config);
    set_string(&rec->status, xstrdup(""));
}

static void
randomize_service(struct world *w, size_t i)
{
    struct bsrec_service *rec = &w->services.recs[i];
    static const char *const isolate[] = {
        "both", "both", "both", "both", "ingress", "egress", "none"
    };

    set_string(&rec->name, xasprintf("svc%"PRIuSIZE, i));
    rec->network = &w->networks.recs[i % w->n_networks];
    rec->identity = 256 + i + (chance(5) ? 1000 : 0);
    set_string(&rec->isolate, xstrdup(isolate[pick(ARRAY_SIZE(isolate))]));
    set_string(&rec->status, xstrdup(""));
}

static void
randomize_container(struct world *w, size_t i)
{
    struct bsrec_container *rec = &w->containers.recs[i];
    size_t network = i % w->n_networks;

    set_string(&rec->name, xasprintf("con%"PRIuSIZE, i));
    rec->service = &w->services.recs[network
                                     + pick(N_SERVICES) * w->n_networks];
    set_string(&rec->interface, (is_bad(w) ? random_port_name(w)
                                 : xasprintf("if%"PRIuSIZE, i)));
    set_string(&rec->node, (chance(60) ? NULL
                            : xstrdup(chance(80) ? "node1" : "node2")));
    set_string(&rec->mac, (is_bad(w) ? xstrdup("00:00:00:00:00:00")
                           : is_bad(w) ? xstrdup("02:ff:00:00:00:01")
                           : xasprintf("02:00:00:00:%02"PRIxSIZE":%02x",
                                       chance(10) ? 255 : network,
                                       pick(40))));
    clear_strings(&rec->ips, &rec->n_ips);
    for (int n = chance(90) ? 1 + chance(20) : 0; n > 0; n--) {
        add_string(&rec->ips, &rec->n_ips, random_v4(w, network));
    }
    for (int n = chance(80) ? 1 + chance(20) : 0; n > 0; n--) {
        add_string(&rec->ips, &rec->n_ips, random_v6(w, network));
    }
    if (!rec->n_ips) {
        add_string(&rec->ips, &rec->n_ips, random_v4(w, network));
    }
    if (is_bad(w)) {
        add_string(&rec->ips, &rec->n_ips,
                   xasprintf("10.%"PRIuSIZE".0.1", network));
    }
    smap_init(&rec->options);
    set_string(&rec->status, xstrdup(""));
}

/* Peers of a dependency. */
struct world_peers {
    struct bsrec_service ***services;
    size_t *n_services;
    struct bsrec_cidr_block ***cidrs;
    size_t *n_cidrs;
    char ***special;
    size_t *n_special;
};

static struct world_peers
dependency_peers(struct bsrec_dependency *rec, bool source)
{
    return (source
            ? (struct world_peers) {
                &rec->source_services, &rec->n_source_services,
                &rec->source_cidrs, &rec->n_source_cidrs,
                &rec->source_special, &rec->n_source_special }
            : (struct world_peers) {
                &rec->destination_services, &rec->n_destination_services,
                &rec->destination_cidrs, &rec->n_destination_cidrs,
                &rec->destination_special, &rec->n_destination_special });
}

static void
clear_peers(struct world_peers p)
{
    free(*p.services);
    *p.services = NULL;
    *p.n_services = 0;
    for (size_t i = 0; i < *p.n_cidrs; i++) {
        struct bsrec_cidr_block *cidr = (*p.cidrs)[i];

        free(cidr->prefix);
        clear_strings(&cidr->except, &cidr->n_except);
        free(cidr);
    }
    free(*p.cidrs);
    *p.cidrs = NULL;
    *p.n_cidrs = 0;
    clear_strings(p.special, p.n_special);
}

static void
add_service(struct world_peers p, struct bsrec_service *service)
{
    for (size_t i = 0; i < *p.n_services; i++) {
        if ((*p.services)[i] == service) {
            return;
        }
    }
    *p.services = xrealloc(*p.services,
                           (*p.n_services + 1) * sizeof **p.services);
    (*p.services)[(*p.n_services)++] = service;
}

static void
add_cidr(const struct world *w, struct world_peers p, size_t network)
{
    struct bsrec_cidr_block *cidr = xzalloc(sizeof *cidr);
    static const char *const prefixes[] = {
        "0.0.0.0/0", "::/0", "10.0.0.0/8", "198.51.100.0/24", "fd00::/16",
        "2001:db8::/32", "10.1.0.0/28", "192.0.2.0/24"
    };
    static const char *const bad[] = {
        "10.0.0.0", "10.0.0.1/8", "x", "10.0.0.0/33"
    };

    if (is_bad(w)) {
        cidr->prefix = xstrdup(bad[pick(ARRAY_SIZE(bad))]);
    } else if (chance(30)) {
        cidr->prefix = (chance(50)
                        ? xasprintf("10.%"PRIuSIZE".0.0/28", network)
                        : xasprintf("fd00:%"PRIuSIZE"::/124", network));
    } else {
        cidr->prefix = xstrdup(prefixes[pick(ARRAY_SIZE(prefixes))]);
    }
    if (chance(40)) {
        bool v6 = strchr(cidr->prefix, ':');

        add_string(&cidr->except, &cidr->n_except,
                   is_bad(w) ? xstrdup("172.16.0.0/12")
                   : !strcmp(cidr->prefix, "198.51.100.0/24")
                   ? xstrdup("198.51.100.0/25")
                   : v6 ? xasprintf("fd00:%"PRIuSIZE"::/126", network)
                   : xasprintf("10.%"PRIuSIZE".0.8/29", network));
        if (!strcmp(cidr->prefix, "2001:db8::/32")
            || !strcmp(cidr->prefix, "192.0.2.0/24")
            || !strcmp(cidr->prefix, "10.1.0.0/28")) {
            clear_strings(&cidr->except, &cidr->n_except);
        }
    }
    *p.cidrs = xrealloc(*p.cidrs, (*p.n_cidrs + 1) * sizeof **p.cidrs);
    (*p.cidrs)[(*p.n_cidrs)++] = cidr;
}

static void
randomize_peers(const struct world *w, struct world_peers p, size_t network)
{
    static const char *const special[] = { "host", "host", "world", "any" };

    clear_peers(p);
    for (int n = chance(80) ? 1 + (chance(40) ? pick(3) : 0) : 0; n > 0; n--) {
        size_t i = is_bad(w) ? pick(w->services.n)
                             : network + pick(N_SERVICES) * w->n_networks;

        add_service(p, &w->services.recs[i]);
    }
    for (int n = chance(25) ? 1 + pick(2) : 0; n > 0; n--) {
        add_cidr(w, p, network);
    }
    if (chance(*p.n_services ? 12 : 60)) {
        add_string(p.special, p.n_special,
                   xstrdup(special[pick(ARRAY_SIZE(special))]));
    }
}

static void
randomize_dependency(struct world *w, size_t i)
{
    struct bsrec_dependency *rec = &w->dependencies.recs[i];
    size_t network = i % w->n_networks;
    static const char *const directions[] = {
        "both", "both", "both", "egress", "ingress"
    };
    static const char *const policies[] = {
        "any", "tcp:80", "tcp:80", "tcp:1-1023", "tcp", "tcp:8000-8010",
        "udp:53", "udp:67", "udp:547", "udp", "sctp:7", "icmp", "icmp:8",
        "icmp:3:1", "icmp6", "icmp6:128", "icmp6:128:0", "tcp:443",
        "tcp:1-65535", "udp:1000-40000"
    };

    set_string(&rec->direction,
               xstrdup(directions[pick(ARRAY_SIZE(directions))]));
    randomize_peers(w, dependency_peers(rec, true), network);
    randomize_peers(w, dependency_peers(rec, false), network);
    clear_strings(&rec->policies, &rec->n_policies);
    for (int n = 1 + (chance(40) ? pick(4) : 0); n > 0; n--) {
        add_string(&rec->policies, &rec->n_policies,
                   xstrdup(is_bad(w) ? "tcp:0"
                           : policies[pick(ARRAY_SIZE(policies))]));
    }
    set_string(&rec->status, xstrdup(""));
}

/* Ports. */

static ofp_port_t
random_ofport(const struct world *w, unsigned int bridge)
{
    if (is_bad(w)) {
        return OFPP_NONE;
    }
    for (;;) {
        ofp_port_t ofport = u16_to_ofp(1 + pick(WORLD_MAX_OFPORT));
        bool used = false;

        for (size_t i = 0; i < w->n_ports; i++) {
            used |= (w->ports[i].present && w->ports[i].bridge == bridge
                     && w->ports[i].ofport == ofport);
        }
        if (!used) {
            return ofport;
        }
    }
}

/* All ports but every eighth are on the fast path. */
static uint32_t
world_ifindex(const struct world_port *port)
{
    uint16_t ofport = ofp_to_u16(port->ofport);

    return (port->ofport == OFPP_NONE || ofport % 8 == 7 ? 0
            : WORLD_IFINDEX + port->bridge * (WORLD_MAX_OFPORT + 1) + ofport);
}

static void
tell_port(struct world *w, const struct world_port *port)
{
    if (port->present) {
        compiler_set_port(w->compiler, w->bridges[port->bridge].name,
                          port->name, port->ofport, port->mac);
        compiler_set_fastpath(w->compiler, w->bridges[port->bridge].name,
                              port->name, world_ifindex(port), 1500);
    } else {
        compiler_remove_port(w->compiler, w->bridges[port->bridge].name,
                             port->name);
    }
}

static void
randomize_port(struct world *w, size_t i)
{
    struct world_port *port = &w->ports[i];

    port->present = false;
    tell_port(w, port);
    port->bridge = (i % w->n_networks + is_bad(w)) % WORLD_N_BRIDGES;
    port->ofport = random_ofport(w, port->bridge);
    port->mac = (struct eth_addr) ETH_ADDR_C(02,fe,00,00,00,00);
    port->mac.ea[5] = i;
    port->present = true;
    tell_port(w, port);
}

static void
tell_bridge(struct world *w, size_t i)
{
    const struct world_bridge *bridge = &w->bridges[i];
    struct eth_addr mac = ETH_ADDR_C(02,fd,00,00,00,00);

    mac.ea[5] = i;
    compiler_set_bridge(w->compiler, bridge->name, bridge->userspace);
    compiler_set_port(w->compiler, bridge->name, bridge->name, OFPP_LOCAL,
                      mac);
    for (size_t j = 0; j < w->n_ports; j++) {
        if (w->ports[j].present && w->ports[j].bridge == i) {
            tell_port(w, &w->ports[j]);
        }
    }
}

static void
add_bridge(struct world *w, size_t i)
{
    w->bridges[i].present = true;
    w->bridges[i].userspace = chance(70);
    tell_bridge(w, i);
}

static void
randomize_host_addresses(struct world *w)
{
    static const char *const candidates[] = {
        "192.0.2.1", "10.0.0.1", "10.1.0.1", "fd00:0::1", "10.0.0.9",
        "2001:db8::1", "172.17.0.1", "fd00:1::9"
    };
    BUILD_ASSERT(ARRAY_SIZE(candidates) <= WORLD_MAX_HOST_ADDRESSES);
    w->n_host_addresses = 0;
    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        if (chance(60)) {
            char *error = ip_address_parse(
                candidates[i], &w->host_addresses[w->n_host_addresses++]);

            ovs_assert(!error);
        }
    }
    compiler_set_host_addresses(w->compiler, w->host_addresses,
                                w->n_host_addresses);
}

/* Changes. */

static void
set_network(struct world *w, size_t i)
{
    if (!w->networks.present[i] && chance(50)) {
        random_uuid(&w->networks.recs[i].header_.uuid);
    }
    w->networks.present[i] = true;
    randomize_network(w, i);
    compiler_set_network(w->compiler, &w->networks.recs[i]);
}

static void
set_service(struct world *w, size_t i)
{
    if (!w->services.present[i] && chance(50)) {
        random_uuid(&w->services.recs[i].header_.uuid);
    }
    w->services.present[i] = true;
    randomize_service(w, i);
    compiler_set_service(w->compiler, &w->services.recs[i]);
}

static void
set_container(struct world *w, size_t i)
{
    if (!w->containers.present[i] && chance(50)) {
        random_uuid(&w->containers.recs[i].header_.uuid);
    }
    w->containers.present[i] = true;
    randomize_container(w, i);
    compiler_set_container(w->compiler, &w->containers.recs[i]);
}

static void
set_dependency(struct world *w, size_t i)
{
    if (!w->dependencies.present[i] && chance(50)) {
        random_dependency_uuid(&w->dependencies.recs[i].header_.uuid);
    }
    w->dependencies.present[i] = true;
    randomize_dependency(w, i);
    compiler_set_dependency(w->compiler, &w->dependencies.recs[i]);
}

static void
note(struct world *w, const char *verb, const char *what, size_t i)
{
    ds_put_format(&w->change, "%s %s %"PRIuSIZE"; ", verb, what, i);
}

/* A change of one row, which is set again, is taken away or keeps all of its
 * columns but one or so. */
#define CHANGE_ROW(W, WHAT, KIND)                                       \
    do {                                                                \
        size_t i = pick((W)->KIND.n);                                   \
        if ((W)->KIND.present[i] && chance(30)) {                       \
            (W)->KIND.present[i] = false;                               \
            compiler_remove_row((W)->compiler,                          \
                                &(W)->KIND.recs[i].header_.uuid);       \
            note(W, "remove", #WHAT, i);                                \
        } else {                                                        \
            set_##WHAT(W, i);                                           \
            note(W, "set", #WHAT, i);                                   \
        }                                                               \
    } while (0)

static void
change_enforcement(struct world *w)
{
    size_t i = pick(w->networks.n);
    struct bsrec_network *rec = &w->networks.recs[i];
    static const char *const enforcements[] = { "enforce", "audit", "off" };

    if (w->networks.present[i]) {
        set_string(&rec->enforcement, xstrdup(enforcements[pick(3)]));
        compiler_set_network(w->compiler, rec);
        note(w, "enforcement of", "network", i);
    }
}

static void
change_port(struct world *w)
{
    size_t i = pick(w->n_ports);
    struct world_port *port = &w->ports[i];

    if (!port->present) {
        randomize_port(w, i);
        note(w, "add", "port", i);
    } else if (chance(40)) {
        port->present = false;
        tell_port(w, port);
        note(w, "remove", "port", i);
    } else {
        port->ofport = random_ofport(w, port->bridge);
        tell_port(w, port);
        note(w, "renumber", "port", i);
    }
}

static void
change_bridge(struct world *w)
{
    size_t i = pick(WORLD_N_BRIDGES);
    struct world_bridge *bridge = &w->bridges[i];

    if (!bridge->present) {
        add_bridge(w, i);
        note(w, "add", "bridge", i);
    } else if (chance(50)) {
        bridge->present = false;
        compiler_remove_bridge(w->compiler, bridge->name);
        note(w, "remove", "bridge", i);
        if (chance(70)) {
            add_bridge(w, i);
            note(w, "add", "bridge", i);
        }
    } else {
        bridge->userspace = !bridge->userspace;
        compiler_set_bridge(w->compiler, bridge->name, bridge->userspace);
        note(w, "datapath of", "bridge", i);
    }
}

static void
change_options(struct world *w)
{
    w->default_enforcement = (chance(60) ? ENFORCEMENT_ENFORCE
                              : chance(70) ? ENFORCEMENT_AUDIT
                              : ENFORCEMENT_OFF);
    w->nd_responder = (chance(60) ? ND_RESPONDER_AUTO
                       : chance(50) ? ND_RESPONDER_FLOW
                       : ND_RESPONDER_PACKET_IN);
    compiler_set_options(w->compiler, w->default_enforcement,
                         w->nd_responder);
    ds_put_cstr(&w->change, "options; ");
}

static void
change_once(struct world *w)
{
    switch (pick(20)) {
    case 0: case 1:
        CHANGE_ROW(w, network, networks);
        break;
    case 2: case 3:
        CHANGE_ROW(w, service, services);
        break;
    case 4: case 5: case 6: case 7:
        CHANGE_ROW(w, container, containers);
        break;
    case 8: case 9: case 10: case 11: case 12:
        CHANGE_ROW(w, dependency, dependencies);
        break;
    case 13: case 14: case 15:
        change_port(w);
        break;
    case 16:
        change_bridge(w);
        break;
    case 17:
        randomize_host_addresses(w);
        ds_put_cstr(&w->change, "host addresses; ");
        break;
    case 18:
        change_enforcement(w);
        break;
    case 19:
        if (chance(70)) {
            change_options(w);
        } else {
            w->node = chance(80) ? "node1" : "node2";
            compiler_set_node(w->compiler, w->node);
            ds_put_cstr(&w->change, "node; ");
        }
        break;
    }
}

const char *
world_change(struct world *w)
{
    ds_clear(&w->change);
    for (int n = chance(80) ? 1 : 1 + pick(6); n > 0; n--) {
        change_once(w);
    }
    return ds_cstr(&w->change);
}

/* The world as a whole. */

#define INIT_ROWS(ROWS, N)                                  \
    do {                                                    \
        (ROWS).n = (N);                                     \
        (ROWS).recs = xcalloc(N, sizeof *(ROWS).recs);      \
        (ROWS).present = xcalloc(N, sizeof *(ROWS).present); \
        for (size_t i_ = 0; i_ < (N); i_++) {               \
            random_uuid(&(ROWS).recs[i_].header_.uuid);     \
        }                                                   \
    } while (0)

static void
init_ports(struct world *w)
{
    w->n_ports = w->n_networks * N_PORTS;
    w->ports = xcalloc(w->n_ports, sizeof *w->ports);
    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        w->bridges[i].name = xasprintf("br%"PRIuSIZE, i);
        add_bridge(w, i);
    }
    for (size_t i = 0; i < w->n_ports; i++) {
        w->ports[i].name = xasprintf("if%"PRIuSIZE, i);
        if (chance(90)) {
            randomize_port(w, i);
        }
    }
}

struct world *
world_create(size_t n_networks, unsigned int quality)
{
    struct world *w = xzalloc(sizeof *w);

    w->compiler = compiler_create();
    w->quality = quality;
    w->n_networks = MIN(MAX(n_networks, 1),
                        WORLD_MAX_OFPORT * WORLD_N_BRIDGES / N_PORTS / 2);
    ds_init(&w->change);
    INIT_ROWS(w->networks, w->n_networks);
    INIT_ROWS(w->services, w->n_networks * N_SERVICES);
    INIT_ROWS(w->containers, w->n_networks * N_CONTAINERS);
    INIT_ROWS(w->dependencies, w->n_networks * N_DEPENDENCIES);

    w->node = "node1";
    compiler_set_node(w->compiler, w->node);
    change_options(w);
    randomize_host_addresses(w);
    init_ports(w);
    for (size_t i = 0; i < w->networks.n; i++) {
        set_network(w, i);
    }
    for (size_t i = 0; i < w->services.n; i++) {
        set_service(w, i);
    }
    for (size_t i = 0; i < w->containers.n; i++) {
        set_container(w, i);
    }
    for (size_t i = 0; i < w->dependencies.n; i++) {
        if (chance(70)) {
            set_dependency(w, i);
        }
    }
    return w;
}

static void
destroy_rows(struct world *w)
{
    for (size_t i = 0; i < w->networks.n; i++) {
        struct bsrec_network *rec = &w->networks.recs[i];

        free(rec->name);
        clear_strings(&rec->subnets, &rec->n_subnets);
        free(rec->bridge);
        clear_strings(&rec->gateways, &rec->n_gateways);
        free(rec->gateway_mac);
        free(rec->gateway_port);
        clear_strings(&rec->dhcp_servers, &rec->n_dhcp_servers);
        free(rec->enforcement);
        free(rec->status);
    }
    for (size_t i = 0; i < w->services.n; i++) {
        free(w->services.recs[i].name);
        free(w->services.recs[i].isolate);
        free(w->services.recs[i].status);
    }
    for (size_t i = 0; i < w->containers.n; i++) {
        struct bsrec_container *rec = &w->containers.recs[i];

        free(rec->name);
        free(rec->interface);
        free(rec->node);
        free(rec->mac);
        clear_strings(&rec->ips, &rec->n_ips);
        free(rec->status);
    }
    for (size_t i = 0; i < w->dependencies.n; i++) {
        struct bsrec_dependency *rec = &w->dependencies.recs[i];

        free(rec->direction);
        clear_peers(dependency_peers(rec, true));
        clear_peers(dependency_peers(rec, false));
        clear_strings(&rec->policies, &rec->n_policies);
        free(rec->status);
    }
}

#define FREE_ROWS(ROWS) (free((ROWS).recs), free((ROWS).present))

void
world_destroy(struct world *w)
{
    compiler_destroy(w->compiler);
    destroy_rows(w);
    FREE_ROWS(w->networks);
    FREE_ROWS(w->services);
    FREE_ROWS(w->containers);
    FREE_ROWS(w->dependencies);
    for (size_t i = 0; i < w->n_ports; i++) {
        free(w->ports[i].name);
    }
    free(w->ports);
    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        free(w->bridges[i].name);
    }
    ds_destroy(&w->change);
    free(w);
}

struct compiler *
world_compiler(const struct world *w)
{
    return w->compiler;
}

/* Tells the compiler of every row. */
static void
tell_rows(struct world *w)
{
    for (size_t i = 0; i < w->networks.n; i++) {
        if (w->networks.present[i]) {
            compiler_set_network(w->compiler, &w->networks.recs[i]);
        }
    }
    for (size_t i = 0; i < w->services.n; i++) {
        if (w->services.present[i]) {
            compiler_set_service(w->compiler, &w->services.recs[i]);
        }
    }
    for (size_t i = 0; i < w->containers.n; i++) {
        if (w->containers.present[i]) {
            compiler_set_container(w->compiler, &w->containers.recs[i]);
        }
    }
    for (size_t i = 0; i < w->dependencies.n; i++) {
        if (w->dependencies.present[i]) {
            compiler_set_dependency(w->compiler, &w->dependencies.recs[i]);
        }
    }
}

#define WRITE_STATUSES(W, KIND)                                         \
    for (size_t i = 0; i < (W)->KIND.n; i++) {                          \
        if ((W)->KIND.present[i]) {                                     \
            set_string(&(W)->KIND.recs[i].status,                       \
                       xstrdup(compiler_get_status(                     \
                                   (W)->compiler,                       \
                                   &(W)->KIND.recs[i].header_.uuid)));  \
        }                                                               \
    }

struct compiler *
world_restart(struct world *w)
{
    struct compiler *old = w->compiler;

    /* A row may refer to one that has got another UUID since. */
    tell_rows(w);
    compiler_run(old);
    WRITE_STATUSES(w, networks);
    WRITE_STATUSES(w, services);
    WRITE_STATUSES(w, containers);
    WRITE_STATUSES(w, dependencies);

    w->compiler = compiler_create();
    compiler_set_node(w->compiler, w->node);
    compiler_set_options(w->compiler, w->default_enforcement,
                         w->nd_responder);
    compiler_set_host_addresses(w->compiler, w->host_addresses,
                                w->n_host_addresses);
    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        if (w->bridges[i].present) {
            tell_bridge(w, i);
        }
    }
    tell_rows(w);
    return old;
}
