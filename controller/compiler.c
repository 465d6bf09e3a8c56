/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/compiler-private.h"

#include <string.h>

#include "hash.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

static void mark_interface_dirty(struct compiler *, const char *interface);
static void mark_kind_dirty(struct compiler *, enum row_kind);
static void propagate(struct compiler *);

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
                compiler_withdraw_row(c, row);
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
        compiler_bury_flows(c, node->data);
        compiler_bridge_destroy(node->data);
    }
    shash_destroy(&c->bridges);
    compiler_empty_graveyard(c);

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
    struct row *old = compiler_find_row(c, &new->uuid);

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
    compiler_mark_dirty(c, new);
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
            compiler_withdraw_row(c, other);
        }
    }
}

void
compiler_remove_row(struct compiler *c, const struct uuid *uuid)
{
    struct row *row = compiler_find_row(c, uuid);
    if (!row) {
        return;
    }

    if (row->kind == ROW_NETWORK || row->kind == ROW_SERVICE) {
        compiler_mark_dirty(c, row);
        withdraw_referrers(c, row);
    }
    compiler_withdraw_row(c, row);
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
            struct compiler_bridge *bridge = node->data;

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
            compiler_mark_dirty(c, row);
        }
    }
}

void
compiler_set_bridge(struct compiler *c, const char *name, bool userspace)
{
    struct compiler_bridge *bridge = compiler_find_bridge(c, name);

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
    struct compiler_bridge *bridge = shash_find_and_delete(&c->bridges, name);

    if (bridge) {
        struct netmap_bridge *nb = netmap_find_bridge(&c->netmap, name);

        if (nb) {
            netmap_remove_bridge(&c->netmap, nb);
        }
        compiler_bury_flows(c, bridge);
        compiler_bridge_destroy(bridge);
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
            compiler_mark_dirty(c, compiler_find_row(c, &network->uuid));
        }
    }
}

void
compiler_set_port(struct compiler *c, const char *bridge_name,
                  const char *interface, ofp_port_t ofport,
                  struct eth_addr mac)
{
    struct compiler_bridge *bridge = compiler_find_bridge(c, bridge_name);
    if (!bridge) {
        return;
    }

    struct compiler_port *port = shash_find_data(&bridge->ports, interface);
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
    struct compiler_port *port = compiler_find_port(c, bridge_name, interface);

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
    struct compiler_bridge *bridge = compiler_find_bridge(c, bridge_name);
    struct compiler_port *port
        = bridge ? shash_find_and_delete(&bridge->ports, interface) : NULL;

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

    compiler_empty_graveyard(c);
    propagate(c);
    changed |= compiler_render_bridges(c);
    for (int kind = ROW_N_KINDS - 1; kind >= 0; kind--) {
        struct row *row;

        LIST_FOR_EACH (row, list_node, &c->dirty[kind]) {
            compiler_withdraw_row(c, row);
            changed = true;
        }
    }
    for (int kind = 0; kind < ROW_N_KINDS; kind++) {
        compiler_compile_rows(c, kind);
    }
    changed |= compiler_update_flow_tables(c);
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
        struct compiler_bridge *bridge = node->data;

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
        const struct compiler_bridge *bridge = node->data;
        const struct shash_node *port_node;

        compiler_set_bridge(new, bridge->name, bridge->userspace);
        SHASH_FOR_EACH (port_node, &bridge->ports) {
            const struct compiler_port *port = port_node->data;

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
    const struct compiler_bridge *bridge = compiler_find_bridge(c, name);

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
    const struct compiler_bridge *bridge = compiler_find_bridge(c, name);

    return (bridge && compiler_bridge_pipeline(c, bridge).nd_packet_in
            ? ND_RESPONDER_PACKET_IN : ND_RESPONDER_FLOW);
}

const char *
compiler_get_status(const struct compiler *c, const struct uuid *uuid)
{
    const struct row *row = compiler_find_row(c, uuid);

    return row ? row->status : NULL;
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
        const struct compiler_bridge *bridge = node->data;

        if (bridge->flows) {
            usage->n_flows += hmap_count(&bridge->flows->flows);
        }
    }
}

/* Rows. */

struct row *
compiler_find_row(const struct compiler *c, const struct uuid *uuid)
{
    struct row *row;

    HMAP_FOR_EACH_WITH_HASH (row, uuid_node, uuid_hash(uuid), &c->rows) {
        if (uuid_equals(&row->uuid, uuid)) {
            return row;
        }
    }
    return NULL;
}

void
compiler_mark_dirty(struct compiler *c, struct row *row)
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
            compiler_mark_dirty(c, row);
        }
    }
}

static void
mark_kind_dirty(struct compiler *c, enum row_kind kind)
{
    struct row *row;

    HMAP_FOR_EACH (row, uuid_node, &c->rows) {
        if (row->kind == kind) {
            compiler_mark_dirty(c, row);
        }
    }
}

static bool
is_dirty(const struct compiler *c, const struct uuid *uuid)
{
    const struct row *row = compiler_find_row(c, uuid);

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
                    compiler_mark_dirty(c, row);
                }
            }
        }
        if (upstream || c->retry[kind]) {
            LIST_FOR_EACH_SAFE (row, list_node, &c->refused[kind]) {
                compiler_mark_dirty(c, row);
            }
            c->retry[kind] = false;
        }
        upstream |= kind <= ROW_SERVICE && !ovs_list_is_empty(&c->dirty[kind]);
    }
}
