/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/compiler-private.h"

#include <string.h>

#include "controller/flow-table.h"
#include "util.h"
#include "uuid.h"

const struct uuid compiler_static_owner = { .parts = { 0, 0, 0, 1 } };
const struct uuid compiler_host_owner = { .parts = { 0, 0, 0, 2 } };

/* A flow table that whoever syncs a switch may still look at. */
struct dead_table {
    struct ovs_list list_node;
    struct flow_table *flows;
};

/* Destroys 'bridge', whose flow table has been put away. */
void
compiler_bridge_destroy(struct compiler_bridge *bridge)
{
    shash_destroy_free_data(&bridge->ports);
    free(bridge->name);
    free(bridge);
}

/* Returns the bridge with the given name, or NULL if there is none. */
struct compiler_bridge *
compiler_find_bridge(const struct compiler *c, const char *name)
{
    return shash_find_data(&c->bridges, name);
}

/* Returns the port with the given interface of the bridge with the given name,
 * or NULL if there is none. */
struct compiler_port *
compiler_find_port(const struct compiler *c, const char *bridge_name,
                   const char *interface)
{
    const struct compiler_bridge *bridge = compiler_find_bridge(c,
                                                                bridge_name);

    return bridge ? shash_find_data(&bridge->ports, interface) : NULL;
}

/* Returns how the flows of 'bridge' are to be rendered. */
struct pipeline
compiler_bridge_pipeline(const struct compiler *c,
                         const struct compiler_bridge *bridge)
{
    return (struct pipeline) {
        .table_base = 0,
        .nd_packet_in = (c->nd_responder == ND_RESPONDER_PACKET_IN
                         || (c->nd_responder == ND_RESPONDER_AUTO
                             && !bridge->userspace)),
    };
}

/* Creates the flow table of 'bridge', with what does not depend on its own
 * networks. */
void
compiler_create_flows(struct compiler *c, struct compiler_bridge *bridge)
{
    struct pipeline pipeline = compiler_bridge_pipeline(c, bridge);
    const struct netmap_network *network;

    bridge->flows = xmalloc(sizeof *bridge->flows);
    flow_table_init(bridge->flows);
    pipeline_render_static(&pipeline, bridge->flows, &compiler_static_owner);
    pipeline_render_host(&pipeline, bridge->flows, &compiler_host_owner,
                         c->host_addresses, c->n_host_addresses);
    HMAP_FOR_EACH (network, hmap_node, &c->netmap.networks) {
        if (strcmp(network->bridge, bridge->name)) {
            pipeline_render_foreign_network(&pipeline, bridge->flows, network);
        }
    }
}

/* Releases what 'owner' has in the output. */
void
compiler_release(struct compiler *c, const struct uuid *owner)
{
    struct shash_node *node;

    map_table_release(&c->maps, owner);
    SHASH_FOR_EACH (node, &c->bridges) {
        struct compiler_bridge *bridge = node->data;

        if (bridge->flows) {
            flow_table_release(bridge->flows, owner);
        }
    }
}

/* Renders again what belongs to bridges as a whole, where it changed.
 * Returns true if it changed anywhere. */
bool
compiler_render_bridges(struct compiler *c)
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
        struct compiler_bridge *bridge = node->data;
        struct netmap_bridge *nb = netmap_find_bridge(netmap, bridge->name);
        struct pipeline pipeline = compiler_bridge_pipeline(c, bridge);

        if (!nb) {
            nb = xzalloc(sizeof *nb);
            nb->name = xstrdup(bridge->name);
            netmap_add_bridge(netmap, nb);
        }
        nb->userspace = bridge->userspace;
        if (bridge->flows && bridge->dirty) {
            flow_table_release(bridge->flows, &compiler_static_owner);
            pipeline_render_static(&pipeline, bridge->flows,
                                   &compiler_static_owner);
        }
        if (bridge->flows && c->host_dirty) {
            flow_table_release(bridge->flows, &compiler_host_owner);
            pipeline_render_host(&pipeline, bridge->flows,
                                 &compiler_host_owner,
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
void
compiler_bury_flows(struct compiler *c, struct compiler_bridge *bridge)
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
bool
compiler_update_flow_tables(struct compiler *c)
{
    struct shash_node *node;
    bool changed = false;

    SHASH_FOR_EACH (node, &c->bridges) {
        struct compiler_bridge *bridge = node->data;
        bool named = bridge_is_named(c, bridge->name);

        if (named != (bridge->flows != NULL)) {
            if (named) {
                compiler_create_flows(c, bridge);
            } else {
                compiler_bury_flows(c, bridge);
            }
            changed = true;
        }
    }
    return changed;
}

/* Destroys the flow tables that were put away. */
void
compiler_empty_graveyard(struct compiler *c)
{
    struct dead_table *dead;

    LIST_FOR_EACH_POP (dead, list_node, &c->graveyard) {
        flow_table_destroy(dead->flows);
        free(dead->flows);
        free(dead);
    }
}
