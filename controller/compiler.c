/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/compiler.h"

#include <stdarg.h>
#include <string.h>

#include "controller/fastpath-render.h"
#include "controller/map-table.h"
#include "controller/pipeline.h"
#include "controller/row-parse.h"
#include "controller/row.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

/* Owners of flows that come from no row. */
static const struct uuid static_owner = { .parts = { 0, 0, 0, 1 } };
static const struct uuid host_owner = { .parts = { 0, 0, 0, 2 } };

/* A port of a bridge. */
struct port {
    ofp_port_t ofport;
    struct eth_addr mac;
    uint32_t ifindex;           /* Of the fast path, 0 if it is off. */
    uint32_t mtu;
};

/* A bridge of this node. */
struct bridge {
    char *name;
    bool userspace;
    struct shash ports;         /* Of "struct port", by interface name. */
    struct flow_table *flows;   /* NULL until a network needs it. */
    bool dirty;                 /* Static flows have to be rendered again. */
};

struct compiler {
    /* Input. */
    struct hmap rows;           /* By UUID. */
    struct hmap interfaces;     /* Container rows by interface. */
    struct shash bridges;       /* Of "struct bridge". */
    char *node;                 /* May be NULL. */
    enum enforcement default_enforcement;
    enum nd_responder nd_responder;
    struct in6_addr *host_addresses;
    size_t n_host_addresses;
    bool host_dirty;
    struct ovs_list dirty[ROW_N_KINDS];     /* Rows to be compiled. */
    struct ovs_list refused[ROW_N_KINDS];   /* Rows with an error. */
    struct ovs_list new_statuses;   /* Rows whose status is news. */
    bool retry[ROW_N_KINDS];    /* Refused rows may be acceptable now. */

    /* Output. */
    struct netmap netmap;
    struct depmap depmap;
    struct map_table maps;
    struct hmap conj_ids;       /* Of "struct conj_id". */
    struct ovs_list graveyard;  /* Of "struct dead_table". */
    unsigned long long int n_compiled;
};

/* A conjunction id in use. */
struct conj_id {
    struct hmap_node hmap_node;
    uint32_t id;
    struct row *row;            /* A dependency. */
};

/* A flow table that whoever syncs a switch may still look at. */
struct dead_table {
    struct ovs_list list_node;
    struct flow_table *flows;
};

static struct row *find_row(const struct compiler *, const struct uuid *);
static void mark_dirty(struct compiler *, struct row *);
static void mark_interface_dirty(struct compiler *, const char *interface);
static void mark_kind_dirty(struct compiler *, enum row_kind);
static void propagate(struct compiler *);
static void withdraw_row(struct compiler *, struct row *);
static void compile_rows(struct compiler *, enum row_kind);
static void render_dependency(struct compiler *, const struct row *);
static bool render_bridges(struct compiler *);
static void bury_flows(struct compiler *, struct bridge *);
static bool update_flow_tables(struct compiler *);
static void empty_graveyard(struct compiler *);
static struct pipeline bridge_pipeline(const struct compiler *,
                                       const struct bridge *);

struct compiler *
compiler_create(void)
{
    struct compiler *c = xzalloc(sizeof *c);

    hmap_init(&c->rows);
    hmap_init(&c->interfaces);
    shash_init(&c->bridges);
    netmap_init(&c->netmap);
    depmap_init(&c->depmap);
    map_table_init(&c->maps);
    hmap_init(&c->conj_ids);
    ovs_list_init(&c->graveyard);
    ovs_list_init(&c->new_statuses);
    for (int kind = 0; kind < ROW_N_KINDS; kind++) {
        ovs_list_init(&c->dirty[kind]);
        ovs_list_init(&c->refused[kind]);
    }
    return c;
}

static void
bridge_destroy(struct bridge *bridge)
{
    shash_destroy_free_data(&bridge->ports);
    free(bridge->name);
    free(bridge);
}

void
compiler_destroy(struct compiler *c)
{
    if (!c) {
        return;
    }

    struct row *row;
    for (int kind = ROW_N_KINDS - 1; kind >= 0; kind--) {
        HMAP_FOR_EACH (row, uuid_node, &c->rows) {
            if (row->kind == kind) {
                withdraw_row(c, row);
            }
        }
    }
    HMAP_FOR_EACH_SAFE (row, uuid_node, &c->rows) {
        hmap_remove(&c->rows, &row->uuid_node);
        row_destroy(row);
    }
    hmap_destroy(&c->rows);
    hmap_destroy(&c->interfaces);

    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &c->bridges) {
        bury_flows(c, node->data);
        bridge_destroy(node->data);
    }
    shash_destroy(&c->bridges);
    empty_graveyard(c);

    netmap_destroy(&c->netmap);
    depmap_destroy(&c->depmap);
    map_table_destroy(&c->maps);
    hmap_destroy(&c->conj_ids);
    free(c->node);
    free(c->host_addresses);
    free(c);
}

/* Input: rows. */

/* Takes ownership of 'new', which replaces the row with the same UUID. */
static void
set_row(struct compiler *c, struct row *new)
{
    struct row *old = find_row(c, &new->uuid);

    if (old && row_columns_equal(old, new)) {
        row_destroy(new);
        return;
    }
    if (old) {
        new->senior = old->accepted || (old->dirty && old->senior);
        new->status = old->status;
        old->status = NULL;
        if (!ovs_list_is_empty(&old->status_node)) {
            ovs_list_push_back(&c->new_statuses, &new->status_node);
        }
        compiler_remove_row(c, &new->uuid);
    }
    hmap_insert(&c->rows, &new->uuid_node, uuid_hash(&new->uuid));
    if (new->kind == ROW_CONTAINER) {
        hmap_insert(&c->interfaces, &new->interface_node,
                    hash_string(new->container.interface, 0));
    }
    mark_dirty(c, new);
}

void
compiler_set_network(struct compiler *c, const struct bsrec_network *rec)
{
    set_row(c, row_from_network(rec));
}

void
compiler_set_service(struct compiler *c, const struct bsrec_service *rec)
{
    set_row(c, row_from_service(rec));
}

void
compiler_set_container(struct compiler *c, const struct bsrec_container *rec)
{
    set_row(c, row_from_container(rec));
}

void
compiler_set_dependency(struct compiler *c,
                        const struct bsrec_dependency *rec)
{
    set_row(c, row_from_dependency(rec));
}

/* Withdraws everything that refers to 'row', which is about to go. */
static void
withdraw_referrers(struct compiler *c, const struct row *row)
{
    propagate(c);
    for (int kind = ROW_N_KINDS - 1; kind > (int) row->kind; kind--) {
        struct row *other;

        LIST_FOR_EACH (other, list_node, &c->dirty[kind]) {
            withdraw_row(c, other);
        }
    }
}

void
compiler_remove_row(struct compiler *c, const struct uuid *uuid)
{
    struct row *row = find_row(c, uuid);
    if (!row) {
        return;
    }

    if (row->kind == ROW_NETWORK || row->kind == ROW_SERVICE) {
        mark_dirty(c, row);
        withdraw_referrers(c, row);
    }
    withdraw_row(c, row);
    for (int kind = row->kind; kind < ROW_N_KINDS; kind++) {
        c->retry[kind] = true;
    }
    if (row->kind == ROW_CONTAINER) {
        hmap_remove(&c->interfaces, &row->interface_node);
    }
    hmap_remove(&c->rows, &row->uuid_node);
    row_destroy(row);
}

void
compiler_set_node(struct compiler *c, const char *node)
{
    if (!nullable_string_is_equal(c->node, node)) {
        free(c->node);
        c->node = nullable_xstrdup(node);
        mark_kind_dirty(c, ROW_CONTAINER);
    }
}

void
compiler_set_options(struct compiler *c, enum enforcement default_,
                     enum nd_responder nd_responder)
{
    if (c->default_enforcement != default_) {
        c->default_enforcement = default_;
        mark_kind_dirty(c, ROW_NETWORK);
    }
    if (c->nd_responder != nd_responder) {
        struct shash_node *node;

        c->nd_responder = nd_responder;
        SHASH_FOR_EACH (node, &c->bridges) {
            struct bridge *bridge = node->data;

            bridge->dirty = true;
        }
    }
}

/* Input: ports. */

/* Networks on 'bridge' and what belongs to them have to be compiled again. */
static void
mark_bridge_dirty(struct compiler *c, const char *bridge)
{
    struct row *row;

    HMAP_FOR_EACH (row, uuid_node, &c->rows) {
        if (row->kind == ROW_NETWORK
            && !strcmp(row->network.bridge, bridge)) {
            mark_dirty(c, row);
        }
    }
}

void
compiler_set_bridge(struct compiler *c, const char *name, bool userspace)
{
    struct bridge *bridge = shash_find_data(&c->bridges, name);

    if (!bridge) {
        bridge = xzalloc(sizeof *bridge);
        bridge->name = xstrdup(name);
        bridge->userspace = userspace;
        bridge->dirty = true;
        shash_init(&bridge->ports);
        shash_add(&c->bridges, name, bridge);
        mark_bridge_dirty(c, name);
    } else if (bridge->userspace != userspace) {
        bridge->userspace = userspace;
        bridge->dirty = true;
    }
}

void
compiler_remove_bridge(struct compiler *c, const char *name)
{
    struct bridge *bridge = shash_find_and_delete(&c->bridges, name);

    if (bridge) {
        struct netmap_bridge *nb = netmap_find_bridge(&c->netmap, name);

        if (nb) {
            netmap_remove_bridge(&c->netmap, nb);
        }
        bury_flows(c, bridge);
        bridge_destroy(bridge);
        mark_bridge_dirty(c, name);
    }
}

/* Whatever depends on 'interface' of 'bridge' has to be compiled again. */
static void
mark_port_dirty(struct compiler *c, const char *bridge, const char *interface)
{
    const struct netmap_network *network;

    mark_interface_dirty(c, interface);
    HMAP_FOR_EACH (network, hmap_node, &c->netmap.networks) {
        if (!strcmp(network->gateway_port, interface)
            && !strcmp(network->bridge, bridge)) {
            mark_dirty(c, find_row(c, &network->uuid));
        }
    }
}

void
compiler_set_port(struct compiler *c, const char *bridge_name,
                  const char *interface, ofp_port_t ofport,
                  struct eth_addr mac)
{
    struct bridge *bridge = shash_find_data(&c->bridges, bridge_name);
    if (!bridge) {
        return;
    }

    struct port *port = shash_find_data(&bridge->ports, interface);
    if (port && port->ofport == ofport && eth_addr_equals(port->mac, mac)) {
        return;
    }
    if (!port) {
        port = xzalloc(sizeof *port);
        shash_add(&bridge->ports, interface, port);
    }
    port->ofport = ofport;
    port->mac = mac;
    mark_port_dirty(c, bridge_name, interface);
}

void
compiler_set_fastpath(struct compiler *c, const char *bridge_name,
                      const char *interface, uint32_t ifindex, uint32_t mtu)
{
    struct bridge *bridge = shash_find_data(&c->bridges, bridge_name);
    struct port *port = (bridge ? shash_find_data(&bridge->ports, interface)
                         : NULL);

    if (port && (port->ifindex != ifindex || port->mtu != mtu)) {
        port->ifindex = ifindex;
        port->mtu = mtu;
        mark_port_dirty(c, bridge_name, interface);
    }
}

void
compiler_remove_port(struct compiler *c, const char *bridge_name,
                     const char *interface)
{
    struct bridge *bridge = shash_find_data(&c->bridges, bridge_name);
    struct port *port = (bridge
                         ? shash_find_and_delete(&bridge->ports, interface)
                         : NULL);

    if (port) {
        free(port);
        mark_port_dirty(c, bridge_name, interface);
    }
}

void
compiler_set_host_addresses(struct compiler *c,
                            const struct in6_addr *addresses, size_t n)
{
    size_t size = n * sizeof *addresses;

    if (n == c->n_host_addresses
        && (!n || !memcmp(addresses, c->host_addresses, size))) {
        return;
    }
    free(c->host_addresses);
    c->host_addresses = n ? xmemdup(addresses, size) : NULL;
    c->n_host_addresses = n;
    c->host_dirty = true;
}

/* Compiling. */

bool
compiler_run(struct compiler *c)
{
    bool changed = c->host_dirty;

    empty_graveyard(c);
    propagate(c);
    changed |= render_bridges(c);
    for (int kind = ROW_N_KINDS - 1; kind >= 0; kind--) {
        struct row *row;

        LIST_FOR_EACH (row, list_node, &c->dirty[kind]) {
            withdraw_row(c, row);
            changed = true;
        }
    }
    for (int kind = 0; kind < ROW_N_KINDS; kind++) {
        compile_rows(c, kind);
    }
    changed |= update_flow_tables(c);
    return changed;
}

void
compiler_recompute(struct compiler *c)
{
    struct shash_node *node;

    mark_kind_dirty(c, ROW_NETWORK);
    mark_kind_dirty(c, ROW_SERVICE);
    mark_kind_dirty(c, ROW_CONTAINER);
    mark_kind_dirty(c, ROW_DEPENDENCY);
    SHASH_FOR_EACH (node, &c->bridges) {
        struct bridge *bridge = node->data;

        bridge->dirty = true;
    }
    c->host_dirty = true;
    compiler_run(c);
}

struct compiler *
compiler_clone(const struct compiler *c)
{
    struct compiler *new = compiler_create();

    compiler_set_node(new, c->node);
    compiler_set_options(new, c->default_enforcement, c->nd_responder);
    compiler_set_host_addresses(new, c->host_addresses, c->n_host_addresses);

    const struct shash_node *node;
    SHASH_FOR_EACH (node, &c->bridges) {
        const struct bridge *bridge = node->data;
        const struct shash_node *port_node;

        compiler_set_bridge(new, bridge->name, bridge->userspace);
        SHASH_FOR_EACH (port_node, &bridge->ports) {
            const struct port *port = port_node->data;

            compiler_set_port(new, bridge->name, port_node->name,
                              port->ofport, port->mac);
            compiler_set_fastpath(new, bridge->name, port_node->name,
                                  port->ifindex, port->mtu);
        }
    }

    const struct row *row;
    HMAP_FOR_EACH (row, uuid_node, &c->rows) {
        set_row(new, row_clone(row));
    }
    compiler_run(new);
    return new;
}

/* Output. */

struct flow_table *
compiler_get_flows(const struct compiler *c, const char *name)
{
    const struct bridge *bridge = shash_find_data(&c->bridges, name);

    return bridge ? bridge->flows : NULL;
}

const struct netmap *
compiler_get_netmap(const struct compiler *c)
{
    return &c->netmap;
}

struct map_table *
compiler_get_maps(const struct compiler *c)
{
    return CONST_CAST(struct map_table *, &c->maps);
}

const struct depmap *
compiler_get_depmap(const struct compiler *c)
{
    return &c->depmap;
}

enum nd_responder
compiler_get_nd_responder(const struct compiler *c, const char *name)
{
    const struct bridge *bridge = shash_find_data(&c->bridges, name);

    return (bridge && bridge_pipeline(c, bridge).nd_packet_in
            ? ND_RESPONDER_PACKET_IN : ND_RESPONDER_FLOW);
}

const char *
compiler_get_status(const struct compiler *c, const struct uuid *uuid)
{
    const struct row *row = find_row(c, uuid);

    return row ? row->status : NULL;
}

static void
format_service(const struct compiler *c, const struct uuid *uuid, struct ds *s)
{
    const struct row *service = find_row(c, uuid);

    if (!service || service->kind != ROW_SERVICE) {
        ds_put_cstr(s, "?");
        return;
    }

    const struct row *network = find_row(c, &service->service.network);
    ds_put_format(s, "%s/%s",
                  network && network->kind == ROW_NETWORK
                  ? network->network.name : "?", service->service.name);
}

static void
format_peers(const struct compiler *c, const struct row_peers *peers,
             struct ds *s)
{
    const char *comma = "";

    for (size_t i = 0; i < peers->n_services; i++) {
        ds_put_cstr(s, comma);
        format_service(c, &peers->services[i], s);
        comma = ",";
    }
    for (size_t i = 0; i < peers->n_cidrs; i++) {
        ds_put_format(s, "%scidr:%s", comma, peers->cidrs[i].prefix);
        comma = ",";
    }
    for (size_t i = 0; i < peers->special.n; i++) {
        ds_put_format(s, "%s%s", comma, peers->special.names[i]);
        comma = ",";
    }
    if (!*comma) {
        ds_put_cstr(s, "(nothing)");
    }
}

char *
compiler_describe_row(const struct compiler *c, const struct uuid *uuid)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (uuid_equals(uuid, &static_owner)) {
        return xstrdup("pipeline");
    } else if (uuid_equals(uuid, &host_owner)) {
        return xstrdup("host addresses");
    }

    const struct row *row = find_row(c, uuid);
    if (!row) {
        return NULL;
    }

    switch (row->kind) {
    case ROW_NETWORK:
        ds_put_format(&s, "network %s", row->network.name);
        break;

    case ROW_SERVICE:
        ds_put_cstr(&s, "service ");
        format_service(c, uuid, &s);
        break;

    case ROW_CONTAINER:
        ds_put_cstr(&s, "container ");
        format_service(c, &row->container.service, &s);
        ds_put_format(&s, "/%s", row->container.name);
        break;

    case ROW_DEPENDENCY:
        ds_put_cstr(&s, "dependency ");
        format_peers(c, &row->dependency.sources, &s);
        ds_put_cstr(&s, " -> ");
        format_peers(c, &row->dependency.destinations, &s);
        for (size_t i = 0; i < row->dependency.policies.n; i++) {
            ds_put_format(&s, " %s", row->dependency.policies.names[i]);
        }
        break;

    case ROW_N_KINDS:
        OVS_NOT_REACHED();
    }
    return ds_steal_cstr(&s);
}

void
compiler_for_each_new_status(
    struct compiler *c,
    void (*cb)(const struct uuid *, const char *status, void *aux), void *aux)
{
    struct row *row;

    LIST_FOR_EACH_POP (row, status_node, &c->new_statuses) {
        ovs_list_init(&row->status_node);
        cb(&row->uuid, row->status, aux);
    }
}

void
compiler_get_usage(const struct compiler *c, struct compiler_usage *usage)
{
    memset(usage, 0, sizeof *usage);
    usage->n_networks = hmap_count(&c->netmap.networks);
    usage->n_services = hmap_count(&c->netmap.services);
    usage->n_containers = hmap_count(&c->netmap.endpoints);
    usage->n_dependencies = hmap_count(&c->depmap.rules);
    usage->n_compiled = c->n_compiled;

    for (int kind = 0; kind < ROW_N_KINDS; kind++) {
        usage->n_refused += ovs_list_size(&c->refused[kind]);
    }

    const struct shash_node *node;
    SHASH_FOR_EACH (node, &c->bridges) {
        const struct bridge *bridge = node->data;

        if (bridge->flows) {
            usage->n_flows += hmap_count(&bridge->flows->flows);
        }
    }
}

/* Rows. */

static struct row *
find_row(const struct compiler *c, const struct uuid *uuid)
{
    struct row *row;

    HMAP_FOR_EACH_WITH_HASH (row, uuid_node, uuid_hash(uuid), &c->rows) {
        if (uuid_equals(&row->uuid, uuid)) {
            return row;
        }
    }
    return NULL;
}

static void
mark_dirty(struct compiler *c, struct row *row)
{
    if (!row->dirty) {
        /* Seniority is what was accepted before this round of changes. */
        row->senior |= row->accepted;
        row->dirty = true;
        ovs_list_remove(&row->list_node);
        ovs_list_push_back(&c->dirty[row->kind], &row->list_node);
    }
    c->retry[row->kind] = true;
}

static void
mark_interface_dirty(struct compiler *c, const char *interface)
{
    struct row *row;

    HMAP_FOR_EACH_WITH_HASH (row, interface_node, hash_string(interface, 0),
                             &c->interfaces) {
        if (!strcmp(row->container.interface, interface)) {
            mark_dirty(c, row);
        }
    }
}

static void
mark_kind_dirty(struct compiler *c, enum row_kind kind)
{
    struct row *row;

    HMAP_FOR_EACH (row, uuid_node, &c->rows) {
        if (row->kind == kind) {
            mark_dirty(c, row);
        }
    }
}

static bool
is_dirty(const struct compiler *c, const struct uuid *uuid)
{
    const struct row *row = find_row(c, uuid);

    return row && row->dirty;
}

static bool
peers_are_dirty(const struct compiler *c, const struct row_peers *peers)
{
    for (size_t i = 0; i < peers->n_services; i++) {
        if (is_dirty(c, &peers->services[i])) {
            return true;
        }
    }
    return false;
}

static bool
refers_to_dirty(const struct compiler *c, const struct row *row)
{
    switch (row->kind) {
    case ROW_NETWORK:
        return false;
    case ROW_SERVICE:
        return is_dirty(c, &row->service.network);
    case ROW_CONTAINER:
        return is_dirty(c, &row->container.service);
    case ROW_DEPENDENCY:
        return (peers_are_dirty(c, &row->dependency.sources)
                || peers_are_dirty(c, &row->dependency.destinations));
    case ROW_N_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

/* Marks containers on the gateway ports of dirty networks: they may have to
 * yield them. */
static void
propagate_gateway_ports(struct compiler *c)
{
    const struct row *row;

    LIST_FOR_EACH (row, list_node, &c->dirty[ROW_NETWORK]) {
        mark_interface_dirty(c, row->network.gateway_port
                                ? row->network.gateway_port
                                : row->network.bridge);
    }
}

/* Marks rows that refer to dirty ones, and refused rows that stood back for
 * one that changed. */
static void
propagate(struct compiler *c)
{
    bool upstream = false;

    for (int kind = 0; kind < ROW_N_KINDS; kind++) {
        struct row *row;

        if (kind == ROW_CONTAINER) {
            propagate_gateway_ports(c);
        }

        if (upstream) {
            HMAP_FOR_EACH (row, uuid_node, &c->rows) {
                if (row->kind == kind && refers_to_dirty(c, row)) {
                    mark_dirty(c, row);
                }
            }
        }
        if (upstream || c->retry[kind]) {
            LIST_FOR_EACH_SAFE (row, list_node, &c->refused[kind]) {
                mark_dirty(c, row);
            }
            c->retry[kind] = false;
        }
        upstream |= kind <= ROW_SERVICE && !ovs_list_is_empty(&c->dirty[kind]);
    }
}

static void
release_everywhere(struct compiler *c, const struct uuid *owner)
{
    struct shash_node *node;

    map_table_release(&c->maps, owner);
    SHASH_FOR_EACH (node, &c->bridges) {
        struct bridge *bridge = node->data;

        if (bridge->flows) {
            flow_table_release(bridge->flows, owner);
        }
    }
}

/* Conjunction ids.
 *
 * The id of a dependency follows from its UUID.  Where two want the same id,
 * the lesser UUID has it and the other one takes the next that is free or that
 * a greater UUID has.  (This is linear probing with priorities, whose result
 * depends on the set of rows only, not on the order in which they came.)  So
 * ids are the same after a restart. */

static struct conj_id *
find_conj_id(const struct compiler *c, uint32_t id)
{
    struct conj_id *conj;

    HMAP_FOR_EACH_WITH_HASH (conj, hmap_node, hash_int(id, 0), &c->conj_ids) {
        if (conj->id == id) {
            return conj;
        }
    }
    return NULL;
}

static void
free_conj_id(struct compiler *c, struct row *row)
{
    struct conj_id *conj = find_conj_id(c, row->conj_id);

    hmap_remove(&c->conj_ids, &conj->hmap_node);
    free(conj);

    /* Those who had to look further may have found this one taken. */
    for (uint32_t id = row->conj_id + 1; ; id++) {
        conj = id ? find_conj_id(c, id) : NULL;
        if (conj && conj->row->uuid.parts[0] != id) {
            mark_dirty(c, conj->row);
        } else if (id && !conj) {
            break;
        }
    }
    row->conj_id = 0;
}

static void
allocate_conj_id(struct compiler *c, struct row *new)
{
    struct row *row = new;

    for (uint32_t id = row->uuid.parts[0]; ; id++) {
        struct conj_id *conj = id ? find_conj_id(c, id) : NULL;

        if (!id || (conj && uuid_compare_3way(&conj->row->uuid,
                                              &row->uuid) < 0)) {
            continue;
        }

        struct row *evicted = conj ? conj->row : NULL;
        if (!conj) {
            conj = xmalloc(sizeof *conj);
            conj->id = id;
            hmap_insert(&c->conj_ids, &conj->hmap_node, hash_int(id, 0));
        }
        conj->row = row;
        row->conj_id = id;
        if (row != new) {
            release_everywhere(c, &row->uuid);
            render_dependency(c, row);
        }
        if (!evicted) {
            break;
        }
        row = evicted;
    }
}

/* Takes 'row' out of the relations and releases its flows. */
static void
withdraw_row(struct compiler *c, struct row *row)
{
    if (!row->accepted) {
        return;
    }

    row->accepted = false;
    release_everywhere(c, &row->uuid);
    switch (row->kind) {
    case ROW_NETWORK:
        netmap_remove_network(&c->netmap,
                              netmap_find_network(&c->netmap, &row->uuid));
        break;
    case ROW_SERVICE:
        netmap_remove_service(&c->netmap,
                              netmap_find_service(&c->netmap, &row->uuid));
        break;
    case ROW_CONTAINER:
        netmap_remove_endpoint(&c->netmap,
                               netmap_find_endpoint(&c->netmap, &row->uuid));
        break;
    case ROW_DEPENDENCY:
        free_conj_id(c, row);
        depmap_remove(&c->depmap, depmap_find(&c->depmap, &row->uuid));
        break;
    case ROW_N_KINDS:
        OVS_NOT_REACHED();
    }
}

/* Compiling rows.
 *
 * Each compile_<kind>() either puts its row into the relations and returns
 * NULL, or returns why it cannot, a string that the caller must free. */

/* Creates the flow table of 'bridge', with what does not depend on its own
 * networks. */
static void
create_flows(struct compiler *c, struct bridge *bridge)
{
    struct pipeline pipeline = bridge_pipeline(c, bridge);
    const struct netmap_network *network;

    bridge->flows = xmalloc(sizeof *bridge->flows);
    flow_table_init(bridge->flows);
    pipeline_render_static(&pipeline, bridge->flows, &static_owner);
    pipeline_render_host(&pipeline, bridge->flows, &host_owner,
                         c->host_addresses, c->n_host_addresses);
    HMAP_FOR_EACH (network, hmap_node, &c->netmap.networks) {
        if (strcmp(network->bridge, bridge->name)) {
            pipeline_render_foreign_network(&pipeline, bridge->flows, network);
        }
    }
}

static void
render_network(struct compiler *c, const struct netmap_network *network)
{
    struct bridge *own = shash_find_data(&c->bridges, network->bridge);
    struct shash_node *node;

    if (own && !own->flows) {
        create_flows(c, own);
    }
    SHASH_FOR_EACH (node, &c->bridges) {
        struct bridge *bridge = node->data;
        struct pipeline pipeline = bridge_pipeline(c, bridge);

        if (bridge == own) {
            pipeline_render_network(&pipeline, bridge->flows, network);
            fastpath_render_network(&c->maps, network);
        } else if (bridge->flows) {
            pipeline_render_foreign_network(&pipeline, bridge->flows, network);
        }
    }
}

static char *
compile_network(struct compiler *c, struct row *row)
{
    struct netmap_network *network = xzalloc(sizeof *network);

    network->uuid = row->uuid;
    network->name = xstrdup(row->network.name);
    network->bridge = xstrdup(row->network.bridge);
    network->gateway_port = xstrdup(row->network.gateway_port
                                    ? row->network.gateway_port
                                    : row->network.bridge);
    network->gateway_ofport = OFPP_NONE;
    network->fast_path = row->network.fast_path;

    char *error = row_parse_network(&row->network, &c->netmap,
                                    c->default_enforcement, network);
    netmap_add_network(&c->netmap, network);
    if (error) {
        netmap_remove_network(&c->netmap, network);
        return error;
    }

    const struct bridge *bridge = shash_find_data(&c->bridges,
                                                  network->bridge);
    const struct port *port = (bridge
                               ? shash_find_data(&bridge->ports,
                                                 network->gateway_port)
                               : NULL);
    if (port) {
        network->gateway_ofport = port->ofport;
        if (!row->network.gateway_mac) {
            network->gateway_mac = port->mac;
        }
    }
    render_network(c, network);
    return NULL;
}

static char *
compile_service(struct compiler *c, struct row *row)
{
    const struct row_service *columns = &row->service;
    const struct netmap_network *network
        = netmap_find_network(&c->netmap, &columns->network);
    if (!network) {
        return xstrdup("its network is refused");
    }
    if (columns->identity < IDENTITY_SERVICE_MIN
        || columns->identity > IDENTITY_SERVICE_MAX) {
        return xasprintf("%"PRId64": identity must be from %"PRIu32" to "
                         "%"PRIu32, columns->identity, IDENTITY_SERVICE_MIN,
                         IDENTITY_SERVICE_MAX);
    }

    struct netmap_service *service = xzalloc(sizeof *service);
    service->uuid = row->uuid;
    service->name = xstrdup(columns->name);
    service->network = network;
    service->identity = columns->identity;
    service->isolated_ingress = (strcmp(columns->isolate, "none")
                                 && strcmp(columns->isolate, "egress"));
    service->isolated_egress = (strcmp(columns->isolate, "none")
                                && strcmp(columns->isolate, "ingress"));
    netmap_add_service(&c->netmap, service);

    struct bridge *bridge = shash_find_data(&c->bridges, network->bridge);
    if (bridge) {
        struct pipeline pipeline = bridge_pipeline(c, bridge);

        pipeline_render_service(&pipeline, bridge->flows, service);
    }
    return NULL;
}

/* Returns the one of 'a', which may be NULL, and 'b' that is to be named, so
 * that a status does not depend on the order in which we look at networks. */
static const struct netmap_network *
first_network(const struct netmap_network *a, const struct netmap_network *b)
{
    return a && uuid_compare_3way(&a->uuid, &b->uuid) < 0 ? a : b;
}

/* A container without a node may be on any node.  Every node must come to the
 * same result, so this does not depend on which one we are. */
static bool
may_share_node(const struct row_container *a, const struct row_container *b)
{
    return !a->node || !b->node || !strcmp(a->node, b->node);
}

/* Checks that the interface of 'row' is neither a gateway port of a network on
 * the bridge of 'network' nor an accepted container's. */
static char *
check_interface(const struct compiler *c, const struct row *row,
                const struct netmap_network *network)
{
    const char *interface = row->container.interface;
    const struct netmap_network *gateway = NULL, *n;

    HMAP_FOR_EACH (n, hmap_node, &c->netmap.networks) {
        if (!strcmp(n->bridge, network->bridge)
            && !strcmp(n->gateway_port, interface)) {
            gateway = first_network(gateway, n);
        }
    }
    if (gateway) {
        return xasprintf("interface %s is the gateway port of network %s",
                         interface, gateway->name);
    }

    const struct row *other, *first = NULL;
    HMAP_FOR_EACH_WITH_HASH (other, interface_node, hash_string(interface, 0),
                             &c->interfaces) {
        if (other != row && other->accepted
            && !strcmp(other->container.interface, interface)
            && may_share_node(&other->container, &row->container)
            && (!first || uuid_compare_3way(&other->uuid, &first->uuid) < 0)) {
            first = other;
        }
    }
    return first ? xasprintf("interface %s is the one of container %s, too",
                             interface, first->container.name)
                 : NULL;
}

static char *
compile_container(struct compiler *c, struct row *row)
{
    const struct row_container *columns = &row->container;
    const struct netmap_service *service
        = netmap_find_service(&c->netmap, &columns->service);
    if (!service) {
        return xstrdup("its service is refused");
    }

    struct netmap_endpoint *endpoint = xzalloc(sizeof *endpoint);
    endpoint->uuid = row->uuid;
    endpoint->name = xstrdup(columns->name);
    endpoint->service = service;
    endpoint->interface = xstrdup(columns->interface);
    endpoint->ofport = OFPP_NONE;
    endpoint->fast_path = columns->fast_path;

    char *error = row_parse_container(columns, &c->netmap, endpoint);
    if (!error) {
        error = check_interface(c, row, service->network);
    }
    if (error) {
        free(endpoint->name);
        free(endpoint->interface);
        free(endpoint->ips);
        free(endpoint);
        return error;
    }

    struct bridge *bridge = shash_find_data(&c->bridges,
                                            service->network->bridge);
    const struct port *port = (bridge
                               ? shash_find_data(&bridge->ports,
                                                 columns->interface)
                               : NULL);
    if (port && (!columns->node
                 || nullable_string_is_equal(columns->node, c->node))) {
        endpoint->ofport = port->ofport;
        endpoint->ifindex = port->ifindex;
        endpoint->mtu = port->mtu;
    }
    netmap_add_endpoint(&c->netmap, endpoint);
    if (bridge) {
        struct pipeline pipeline = bridge_pipeline(c, bridge);

        pipeline_render_endpoint(&pipeline, bridge->flows, endpoint);
        fastpath_render_endpoint(&c->maps, endpoint);
    }
    return NULL;
}

/* Claims the flows of 'row', which is in the depmap. */
static void
render_dependency(struct compiler *c, const struct row *row)
{
    const struct depmap_rule *rule = depmap_find(&c->depmap, &row->uuid);
    const struct netmap_network *network
        = netmap_find_network_by_zone(&c->netmap, rule->zone);
    const struct bridge *bridge = shash_find_data(&c->bridges,
                                                  network->bridge);

    if (bridge) {
        struct pipeline pipeline = bridge_pipeline(c, bridge);

        pipeline_render_rule(&pipeline, bridge->flows, rule, row->conj_id);
        fastpath_render_rule(&c->maps, rule);
    }
}

static char *
compile_dependency(struct compiler *c, struct row *row)
{
    struct depmap_rule *rule = xzalloc(sizeof *rule);
    const struct netmap_network *network = NULL;

    rule->uuid = row->uuid;

    char *error = row_parse_dependency(&row->dependency, &c->netmap, rule,
                                       &network);
    depmap_add(&c->depmap, rule);
    if (error) {
        depmap_remove(&c->depmap, rule);
        return error;
    }

    rule->zone = network->zone;
    allocate_conj_id(c, row);
    render_dependency(c, row);
    return NULL;
}

static void
set_status(struct compiler *c, struct row *row, char *error)
{
    char *status = error ? xasprintf("error: %s", error) : xstrdup("active");

    if (!nullable_string_is_equal(row->status, status)) {
        free(row->status);
        row->status = status;
        ovs_list_remove(&row->status_node);
        ovs_list_push_back(&c->new_statuses, &row->status_node);
    } else {
        free(status);
    }
    free(error);
}

static int
compare_rows(const void *a_, const void *b_)
{
    const struct row *const *a = a_;
    const struct row *const *b = b_;

    return ((*a)->senior != (*b)->senior ? (*b)->senior - (*a)->senior
            : uuid_compare_3way(&(*a)->uuid, &(*b)->uuid));
}

static char *
compile_row(struct compiler *c, struct row *row)
{
    char *error = (row->kind == ROW_NETWORK ? compile_network(c, row)
                   : row->kind == ROW_SERVICE ? compile_service(c, row)
                   : row->kind == ROW_CONTAINER ? compile_container(c, row)
                   : compile_dependency(c, row));

    row->accepted = !error;
    return error;
}

/* Compiles the dirty rows of 'kind', in an order that does not depend on
 * anything but the rows. */
static void
compile_rows(struct compiler *c, enum row_kind kind)
{
    size_t n = ovs_list_size(&c->dirty[kind]);
    struct row **rows = xcalloc(n, sizeof *rows);
    struct row *row;
    size_t i = 0;

    LIST_FOR_EACH_POP (row, list_node, &c->dirty[kind]) {
        ovs_list_init(&row->list_node);
        rows[i++] = row;
    }
    if (n) {
        qsort(rows, n, sizeof *rows, compare_rows);
    }

    char **errors = xcalloc(n, sizeof *errors);
    for (i = 0; i < n; i++) {
        rows[i]->senior = false;
        rows[i]->dirty = false;
        errors[i] = compile_row(c, rows[i]);
    }

    /* What a row is refused for may be said better now that all rows that are
     * accepted are known, and so it does not depend on the order. */
    for (i = 0; i < n; i++) {
        if (errors[i]) {
            free(errors[i]);
            errors[i] = compile_row(c, rows[i]);
        }
        if (errors[i]) {
            ovs_list_push_back(&c->refused[kind], &rows[i]->list_node);
        }
        set_status(c, rows[i], errors[i]);
        c->n_compiled++;
    }
    free(errors);
    free(rows);
}

/* Bridges. */

static struct pipeline
bridge_pipeline(const struct compiler *c, const struct bridge *bridge)
{
    return (struct pipeline) {
        .table_base = 0,
        .nd_packet_in = (c->nd_responder == ND_RESPONDER_PACKET_IN
                         || (c->nd_responder == ND_RESPONDER_AUTO
                             && !bridge->userspace)),
    };
}

/* Renders again what belongs to bridges as a whole, where it changed.
 * Returns true if it changed anywhere. */
static bool
render_bridges(struct compiler *c)
{
    bool changed = false;
    struct netmap *netmap = &c->netmap;
    struct shash_node *node;

    if (c->host_dirty) {
        size_t size = c->n_host_addresses * sizeof *c->host_addresses;

        free(netmap->host_addresses);
        netmap->host_addresses = size ? xmemdup(c->host_addresses, size)
                                      : NULL;
        netmap->n_host_addresses = c->n_host_addresses;
    }
    SHASH_FOR_EACH (node, &c->bridges) {
        struct bridge *bridge = node->data;
        struct netmap_bridge *nb = netmap_find_bridge(netmap, bridge->name);
        struct pipeline pipeline = bridge_pipeline(c, bridge);

        if (!nb) {
            nb = xzalloc(sizeof *nb);
            nb->name = xstrdup(bridge->name);
            netmap_add_bridge(netmap, nb);
        }
        nb->userspace = bridge->userspace;
        if (bridge->flows && bridge->dirty) {
            flow_table_release(bridge->flows, &static_owner);
            pipeline_render_static(&pipeline, bridge->flows, &static_owner);
        }
        if (bridge->flows && c->host_dirty) {
            flow_table_release(bridge->flows, &host_owner);
            pipeline_render_host(&pipeline, bridge->flows, &host_owner,
                                 c->host_addresses, c->n_host_addresses);
        }
        changed |= bridge->dirty;
        bridge->dirty = false;
    }
    c->host_dirty = false;
    return changed;
}

/* Puts away the flow table of 'bridge', but keeps it for those who may still
 * look at it. */
static void
bury_flows(struct compiler *c, struct bridge *bridge)
{
    if (bridge->flows) {
        struct dead_table *dead = xmalloc(sizeof *dead);

        dead->flows = bridge->flows;
        ovs_list_push_back(&c->graveyard, &dead->list_node);
        bridge->flows = NULL;
    }
}

/* Does a network, accepted or refused, name 'bridge'? */
static bool
bridge_is_named(const struct compiler *c, const char *bridge)
{
    const struct netmap_network *network;
    const struct row *row;

    HMAP_FOR_EACH (network, hmap_node, &c->netmap.networks) {
        if (!strcmp(network->bridge, bridge)) {
            return true;
        }
    }
    LIST_FOR_EACH (row, list_node, &c->refused[ROW_NETWORK]) {
        if (!strcmp(row->network.bridge, bridge)) {
            return true;
        }
    }
    return false;
}

/* Puts away the flow tables of bridges that the last network has left.  A
 * bridge all of whose networks are refused keeps a table, or gets one: it is
 * not left with what was installed when they were acceptable.  Returns true if
 * anything changed. */
static bool
update_flow_tables(struct compiler *c)
{
    struct shash_node *node;
    bool changed = false;

    SHASH_FOR_EACH (node, &c->bridges) {
        struct bridge *bridge = node->data;
        bool named = bridge_is_named(c, bridge->name);

        if (named != (bridge->flows != NULL)) {
            if (named) {
                create_flows(c, bridge);
            } else {
                bury_flows(c, bridge);
            }
            changed = true;
        }
    }
    return changed;
}

static void
empty_graveyard(struct compiler *c)
{
    struct dead_table *dead;

    LIST_FOR_EACH_POP (dead, list_node, &c->graveyard) {
        flow_table_destroy(dead->flows);
        free(dead->flows);
        free(dead);
    }
}
