/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/compiler-private.h"

#include <string.h>

#include "controller/fastpath-render.h"
#include "controller/row-parse.h"
#include "hash.h"
#include "openvswitch/ofp-port.h"
#include "util.h"
#include "uuid.h"

/* A conjunction id in use. */
struct conj_id {
    struct hmap_node hmap_node;
    uint32_t id;
    struct row *row;            /* A dependency. */
};

static void render_dependency(struct compiler *, const struct row *);

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
            compiler_mark_dirty(c, conj->row);
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
            compiler_release(c, &row->uuid);
            render_dependency(c, row);
        }
        if (!evicted) {
            break;
        }
        row = evicted;
    }
}

/* Takes 'row' out of the relations and releases its flows. */
void
compiler_withdraw_row(struct compiler *c, struct row *row)
{
    if (!row->accepted) {
        return;
    }

    row->accepted = false;
    compiler_release(c, &row->uuid);
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

static void
render_network(struct compiler *c, const struct netmap_network *network)
{
    struct compiler_bridge *own = compiler_find_bridge(c, network->bridge);
    struct shash_node *node;

    if (own && !own->flows) {
        compiler_create_flows(c, own);
    }
    SHASH_FOR_EACH (node, &c->bridges) {
        struct compiler_bridge *bridge = node->data;
        struct pipeline pipeline = compiler_bridge_pipeline(c, bridge);

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

    const struct compiler_port *port
        = compiler_find_port(c, network->bridge, network->gateway_port);
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

    struct compiler_bridge *bridge = compiler_find_bridge(c, network->bridge);
    if (bridge) {
        struct pipeline pipeline = compiler_bridge_pipeline(c, bridge);

        pipeline_render_service(&pipeline, bridge->flows, service);
    }
    return NULL;
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
            gateway = netmap_first_network(gateway, n);
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

    const char *bridge_name = service->network->bridge;
    const struct compiler_port *port
        = compiler_find_port(c, bridge_name, columns->interface);
    if (port && (!columns->node
                 || nullable_string_is_equal(columns->node, c->node))) {
        endpoint->ofport = port->ofport;
        endpoint->ifindex = port->ifindex;
        endpoint->mtu = port->mtu;
    }
    netmap_add_endpoint(&c->netmap, endpoint);

    const struct compiler_bridge *bridge = compiler_find_bridge(c,
                                                                bridge_name);
    if (bridge) {
        struct pipeline pipeline = compiler_bridge_pipeline(c, bridge);

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
    const struct compiler_bridge *bridge
        = compiler_find_bridge(c, network->bridge);

    if (bridge) {
        struct pipeline pipeline = compiler_bridge_pipeline(c, bridge);

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
void
compiler_compile_rows(struct compiler *c, enum row_kind kind)
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
