/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath-driver.h"

#include <string.h>

#include "bastion/bpf-abi.h"
#include "controller/compiler.h"
#include "controller/fastpath-connections.h"
#include "controller/fastpath-events.h"
#include "controller/fastpath-explain.h"
#include "controller/fastpath.h"
#include "controller/map-table.h"
#include "controller/netmap.h"
#include "controller/node-ovs.h"
#include "controller/row-statistics.h"
#include "controller/policy-sim.h"
#include "coverage.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fastpath_driver);

COVERAGE_DEFINE(fastpath_place);

/* For so long, a bridge that had somebody else's flows gets all packets. */
#define FOREIGN_FLOWS_INTERVAL 10000    /* Milliseconds. */

/* All that decides who is on the fast path. */
struct inputs {
    bool enabled;
    uint64_t ports;             /* node_ovs_get_seqno(). */
    uint64_t netmap;            /* struct netmap's 'seqno'. */
    uint64_t fastpath;          /* fastpath_get_seqno(), 0 without. */
    uint64_t foreign_flows;     /* struct fastpath_driver's 'foreign_seqno'. */
};

struct fastpath_driver {
    char *directory;
    bool enabled;
    struct fastpath *fastpath;  /* NULL if there is nothing to do. */
    struct sset veths;          /* Those that are not off. */
    struct shash foreign_flows; /* Bridge name -> "long long int *", the time
                                 * until which it counts as having them. */
    uint64_t foreign_seqno;     /* Changes when a name comes or goes. */
    struct inputs placed;       /* What the containers have been placed by. */
    bool ready;                 /* The compiler has run. */
    bool cleaned;               /* Nothing of an earlier controller is left. */
    bool adopted;               /* The maps have what is desired, no more. */
};

struct fastpath_driver *
fastpath_driver_create(const char *directory)
{
    struct fastpath_driver *d = xzalloc(sizeof *d);

    d->directory = xstrdup(directory);
    sset_init(&d->veths);
    shash_init(&d->foreign_flows);
    return d;
}

void
fastpath_driver_destroy(struct fastpath_driver *d)
{
    if (d) {
        fastpath_destroy(d->fastpath);
        sset_destroy(&d->veths);
        shash_destroy_free_data(&d->foreign_flows);
        free(d->directory);
        free(d);
    }
}

void
fastpath_driver_set_enabled(struct fastpath_driver *d, bool enabled)
{
    d->enabled = enabled;
}

void
fastpath_driver_set_foreign_flows(struct fastpath_driver *d,
                                  const char *bridge)
{
    long long int *until = shash_find_data(&d->foreign_flows, bridge);

    if (!until) {
        until = xmalloc(sizeof *until);
        shash_add(&d->foreign_flows, bridge, until);
        d->foreign_seqno++;
        poll_immediate_wake();
    }
    *until = time_msec() + FOREIGN_FLOWS_INTERVAL;
}

static void
expire_foreign_flows(struct fastpath_driver *d)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &d->foreign_flows) {
        const long long int *until = node->data;

        if (time_msec() >= *until) {
            free(shash_steal(&d->foreign_flows, node));
            d->foreign_seqno++;
        }
    }
}

/* Why Open vSwitch has to get all packets of 'endpoint', or NULL. */
static const char *
diversion(const struct fastpath_driver *d,
          const struct netmap_endpoint *endpoint,
          const struct node_bridge *bridge, const struct node_port *port)
{
    const struct netmap_network *network = endpoint->service->network;

    return (!d->enabled ? "not enabled"
            : !network->fast_path ? "not enabled for the network"
            : !endpoint->fast_path ? "not enabled for the container"
            : network->enforcement == ENFORCEMENT_OFF
            ? "the network's enforcement is off"
            : shash_find(&d->foreign_flows, bridge->name)
            ? "the bridge had flows that are not Bastion's"
            : bridge->diversion ? bridge->diversion
            : port->diversion);
}

/* How 'endpoint' can be on the fast path. */
struct placement {
    enum fastpath_mode mode;
    const char *veth;           /* Host's end of its veth pair. */
    const char *tap;            /* Port of OVS in shadow mode, or NULL. */
    const char *reason;         /* Why everything goes to Open vSwitch, or
                                 * NULL. */
};

static struct placement
place(const struct fastpath_driver *d, const struct node_ovs *node_ovs,
      const struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;
    const struct node_bridge *bridge = shash_find_data(
        node_ovs_get_bridges(node_ovs), network->bridge);
    const struct node_port *port = (bridge
                                    ? shash_find_data(&bridge->ports,
                                                      endpoint->interface)
                                    : NULL);
    struct placement p = { .mode = FASTPATH_OFF, .veth = endpoint->interface };

    if (!port || endpoint->ofport == OFPP_NONE) {
        p.reason = "the container has no port on this node";
        return p;
    }
    p.reason = diversion(d, endpoint, bridge, port);
    if (port->veth) {
        /* Without the programs, nothing connects port and container. */
        p.mode = FASTPATH_SHADOW;
        p.veth = port->veth;
        p.tap = endpoint->interface;
    } else if (strcmp(bridge->datapath_type, "system")) {
        p.reason = "the userspace datapath reads the port itself";
    } else if (!p.reason) {
        p.mode = FASTPATH_DIRECT;
    }
    return p;
}

/* Takes 'veths', those that are on the fast path now, in place of those that
 * were. */
static void
update_veths(struct fastpath_driver *d, struct sset *veths)
{
    const char *veth;

    SSET_FOR_EACH (veth, &d->veths) {
        if (!sset_contains(veths, veth)) {
            fastpath_set_port(d->fastpath, veth, FASTPATH_OFF, NULL);
        }
    }
    sset_swap(&d->veths, veths);
    sset_destroy(veths);
}

static void
stop(struct fastpath_driver *d)
{
    fastpath_destroy(d->fastpath);
    d->fastpath = NULL;
    d->adopted = false;
    fastpath_clean(d->directory);
    d->cleaned = true;
}

static void
use_veth(struct fastpath_driver *d, const char *veth, enum fastpath_mode mode,
         const char *tap, struct sset *veths)
{
    if (!d->fastpath) {
        d->fastpath = fastpath_create(d->directory);
    }
    sset_add(veths, veth);
    fastpath_set_port(d->fastpath, veth, mode, tap);
}

static void
run_endpoint(struct fastpath_driver *d, const struct node_ovs *node_ovs,
             const struct netmap_endpoint *endpoint, struct compiler *compiler,
             struct sset *veths)
{
    struct placement p = place(d, node_ovs, endpoint);
    uint32_t ifindex = 0, mtu = 0;

    if (endpoint->ofport == OFPP_NONE) {
        /* A container of this node may have the same interface name. */
        return;
    }
    if (p.mode != FASTPATH_OFF) {
        const char *reason;

        use_veth(d, p.veth, p.mode, p.tap, veths);
        ifindex = fastpath_get_port(d->fastpath, p.veth, &mtu, &reason);
    }
    compiler_set_fastpath(compiler, endpoint->service->network->bridge,
                          endpoint->interface, p.reason ? 0 : ifindex, mtu);
}

/* Nothing but the program keeps the host's stack from reading a veth that has
 * a shadow port, so it stays while the port is there, container or not.
 * Without entries for it, everything goes to Open vSwitch, which drops it. */
static void
run_shadow_ports(struct fastpath_driver *d, const struct node_ovs *node_ovs,
                 const struct compiler *compiler, struct sset *veths)
{
    const struct shash_node *node, *port_node;

    SHASH_FOR_EACH (node, node_ovs_get_bridges(node_ovs)) {
        const struct node_bridge *bridge = node->data;

        if (!compiler_get_flows(compiler, bridge->name)) {
            continue;
        }
        SHASH_FOR_EACH (port_node, &bridge->ports) {
            const struct node_port *port = port_node->data;

            if (port->veth && !sset_contains(veths, port->veth)) {
                use_veth(d, port->veth, FASTPATH_SHADOW, port_node->name,
                         veths);
            }
        }
    }
}

static struct inputs
get_inputs(const struct fastpath_driver *d, const struct node_ovs *node_ovs,
           const struct compiler *compiler)
{
    return (struct inputs) {
        .enabled = d->enabled,
        .ports = node_ovs_get_seqno(node_ovs),
        .netmap = compiler_get_netmap(compiler)->seqno,
        .fastpath = d->fastpath ? fastpath_get_seqno(d->fastpath) : 0,
        .foreign_flows = d->foreign_seqno,
    };
}

static bool
inputs_are_equal(const struct inputs *a, const struct inputs *b)
{
    return (a->enabled == b->enabled && a->ports == b->ports
            && a->netmap == b->netmap && a->fastpath == b->fastpath
            && a->foreign_flows == b->foreign_flows);
}

/* Puts every container on the fast path that can be, and takes off those that
 * are gone. */
static void
place_endpoints(struct fastpath_driver *d, const struct node_ovs *node_ovs,
                struct compiler *compiler)
{
    const struct netmap_endpoint *endpoint;
    struct sset veths = SSET_INITIALIZER(&veths);

    COVERAGE_INC(fastpath_place);
    HMAP_FOR_EACH (endpoint, hmap_node,
                   &compiler_get_netmap(compiler)->endpoints) {
        run_endpoint(d, node_ovs, endpoint, compiler, &veths);
    }
    run_shadow_ports(d, node_ovs, compiler, &veths);
    update_veths(d, &veths);
    if (!sset_is_empty(&d->veths)) {
        if (!d->cleaned) {
            fastpath_sweep(d->fastpath);
            d->cleaned = true;
        }
    } else if (d->fastpath || !d->cleaned) {
        stop(d);
    }
}

void
fastpath_driver_run(struct fastpath_driver *d, const struct node_ovs *node_ovs,
                    struct compiler *compiler)
{
    if (!d->ready) {
        /* Before the compiler has run, there are no endpoints. */
        d->ready = true;
        poll_immediate_wake();
        return;
    }
    if (d->fastpath) {
        fastpath_run(d->fastpath);
    }

    expire_foreign_flows(d);
    struct inputs inputs = get_inputs(d, node_ovs, compiler);
    if (!inputs_are_equal(&inputs, &d->placed)) {
        place_endpoints(d, node_ovs, compiler);
        d->placed = get_inputs(d, node_ovs, compiler);
    }
}

void
fastpath_driver_wait(struct fastpath_driver *d)
{
    if (d->fastpath) {
        fastpath_wait(d->fastpath);
    }

    const struct shash_node *node;
    SHASH_FOR_EACH (node, &d->foreign_flows) {
        const long long int *until = node->data;

        poll_timer_wait_until(*until);
    }
}

static bool
is_usable(const struct fastpath_driver *d)
{
    return d->fastpath && !fastpath_get_error(d->fastpath);
}

/* Takes out of the maps what is no longer allowed. */
void
fastpath_driver_compiled(struct fastpath_driver *d, struct compiler *compiler)
{
    struct map_table *maps = compiler_get_maps(compiler);

    if (compiler_get_netmap(compiler)->seqno != d->placed.netmap) {
        poll_immediate_wake();
    }
    if (!is_usable(d)) {
        return;
    }
    if (!d->adopted) {
        fastpath_adopt(d->fastpath, maps);
        d->adopted = true;
    }
    fastpath_remove(d->fastpath, maps);
}

/* Puts into the maps what is now allowed. */
void
fastpath_driver_acked(struct fastpath_driver *d, struct compiler *compiler)
{
    struct map_table *maps = compiler_get_maps(compiler);

    if (d->adopted && map_table_has_additions(maps)) {
        fastpath_remove(d->fastpath, maps);
        fastpath_add(d->fastpath, maps);
    }
}

bool
fastpath_driver_format(const struct fastpath_driver *d,
                       const struct node_ovs *node_ovs,
                       const struct compiler *compiler, const char *interface,
                       struct ds *s)
{
    const struct netmap_endpoint *endpoint;
    bool found = false;

    HMAP_FOR_EACH (endpoint, hmap_node,
                   &compiler_get_netmap(compiler)->endpoints) {
        if (!interface || !strcmp(endpoint->interface, interface)) {
            struct placement p = place(d, node_ovs, endpoint);

            found = true;
            ds_put_format(s, "%s: ", endpoint->interface);
            if (p.mode == FASTPATH_OFF || !d->fastpath) {
                ds_put_format(s, "off (%s)\n",
                              p.reason ? p.reason : "not loaded");
                continue;
            }
            fastpath_format_port(d->fastpath, p.veth, s);
            if (p.reason) {
                ds_put_format(s, "    everything to Open vSwitch: %s\n",
                              p.reason);
            }
        }
    }
    if (!interface && is_usable(d)) {
        ds_put_cstr(s, "maps:\n");
        fastpath_format_maps(d->fastpath, s);
    }
    return found || !interface;
}

static struct json *
placement_to_json(const struct fastpath_driver *d, const struct placement *p)
{
    struct json *object = (p->mode == FASTPATH_OFF || !d->fastpath
                           ? json_object_create()
                           : fastpath_port_to_json(d->fastpath, p->veth));

    if (p->mode == FASTPATH_OFF || !d->fastpath) {
        json_object_put_string(object, "mode", "off");
    }
    if (p->reason) {
        json_object_put_string(object, "reason", p->reason);
    }
    return object;
}

struct json *
fastpath_driver_to_json(const struct fastpath_driver *d,
                        const struct node_ovs *node_ovs,
                        const struct compiler *compiler, const char *interface)
{
    const struct netmap_endpoint *endpoint;
    struct json *array = json_array_create_empty();
    bool found = false;

    HMAP_FOR_EACH (endpoint, hmap_node,
                   &compiler_get_netmap(compiler)->endpoints) {
        if (!interface || !strcmp(endpoint->interface, interface)) {
            struct placement p = place(d, node_ovs, endpoint);
            struct json *object = placement_to_json(d, &p);

            found = true;
            json_object_put_string(object, "port", endpoint->interface);
            json_array_add(array, object);
        }
    }
    if (!found && interface) {
        json_destroy(array);
        return NULL;
    }
    return array;
}

static void
add_counter(const struct fastpath *fastpath, unsigned int counter,
            int64_t *packets, int64_t *bytes)
{
    uint64_t n_packets, n_bytes;

    fastpath_get_counter(fastpath, counter, &n_packets, &n_bytes);
    *packets += n_packets;
    *bytes += n_bytes;
}

void
fastpath_driver_add_drops(const struct fastpath_driver *d,
                          struct row_statistics *stats)
{
    if (!d || !d->fastpath) {
        return;
    }
    for (int i = 0; i < N_DROP_REASONS; i++) {
        if (drop_reason_name(i)) {
            add_counter(d->fastpath, BASTION_COUNTER_DROPS + i,
                        &stats->dropped[i], &stats->dropped_bytes[i]);
            add_counter(d->fastpath, BASTION_COUNTER_AUDITED + i,
                        &stats->audited[i], &stats->audited_bytes[i]);
        }
    }
}

int
fastpath_driver_verify(const struct fastpath_driver *d,
                       const struct compiler *compiler,
                       struct ds *diff)
{
    return (d && d->adopted
            ? fastpath_verify(d->fastpath, compiler_get_maps(compiler), diff)
            : 0);
}

void
fastpath_driver_kill_after(const struct fastpath_driver *d,
                           unsigned int n)
{
    if (d->fastpath) {
        fastpath_kill_after(d->fastpath, n);
    }
}

/* Why Open vSwitch gets all packets of 'endpoint', or NULL. */
static const char *
get_reason(const struct fastpath_driver *d, const struct node_ovs *node_ovs,
           const struct netmap_endpoint *endpoint)
{
    struct placement p = place(d, node_ovs, endpoint);
    const char *reason;
    uint32_t mtu;

    if (p.reason || !d->fastpath) {
        return p.reason ? p.reason : "not loaded";
    }
    return (fastpath_get_port(d->fastpath, p.veth, &mtu, &reason) ? NULL
            : reason ? reason : "not attached");
}

static struct fastpath_end
get_end(const struct fastpath_driver *d, const struct node_ovs *node_ovs,
        const struct netmap_endpoint *endpoint)
{
    struct fastpath_end end = { .endpoint = NULL };

    if (endpoint && endpoint->ofport != OFPP_NONE) {
        end.endpoint = endpoint;
        end.reason = get_reason(d, node_ovs, endpoint);
    }
    return end;
}

char *
fastpath_driver_explain(const struct fastpath_driver *d,
                        const struct node_ovs *node_ovs,
                        const struct compiler *compiler, const char *interface,
                        const struct in6_addr *destination,
                        const struct sim_packet *packet,
                        const struct sim_verdict *verdict)
{
    const struct netmap *netmap = compiler_get_netmap(compiler);
    struct fastpath_end src = get_end(
        d, node_ovs, netmap_find_endpoint_by_interface(netmap, interface));
    struct fastpath_end dst = get_end(
        d, node_ovs,
        src.endpoint ? netmap_find_endpoint_by_ip(
                           netmap, src.endpoint->service->network,
                           destination) : NULL);

    return fastpath_explain(compiler_get_maps(compiler), &src, &dst, packet,
                            verdict);
}

struct connections_aux {
    const struct netmap *netmap;
    struct ds *text;            /* NULL for JSON. */
    struct json *array;
};

static void
put_connection(const struct bastion_connection_key *key,
               const struct bastion_connection *conn, uint64_t now, void *aux_)
{
    struct connections_aux *aux = aux_;

    if (aux->text) {
        fastpath_connection_format(aux->netmap, key, conn, now, aux->text);
    } else {
        json_array_add(aux->array, fastpath_connection_to_json(
                           aux->netmap, key, conn, now));
    }
}

void
fastpath_driver_format_connections(const struct fastpath_driver *d,
                                   const struct compiler *compiler,
                                   struct ds *s)
{
    struct connections_aux aux = {
        .netmap = compiler_get_netmap(compiler),
        .text = s
    };

    if (is_usable(d)) {
        fastpath_for_each_connection(d->fastpath, put_connection, &aux);
    }
}

struct json *
fastpath_driver_connections_to_json(const struct fastpath_driver *d,
                                    const struct compiler *compiler)
{
    struct connections_aux aux = {
        .netmap = compiler_get_netmap(compiler),
        .array = json_array_create_empty()
    };

    if (is_usable(d)) {
        fastpath_for_each_connection(d->fastpath, put_connection, &aux);
    }
    return aux.array;
}

static const struct fastpath_events *
get_events(const struct fastpath_driver *d)
{
    return is_usable(d) ? fastpath_get_events(d->fastpath) : NULL;
}

void
fastpath_driver_format_events(const struct fastpath_driver *d,
                              const struct compiler *compiler, struct ds *s)
{
    const struct fastpath_events *events = get_events(d);

    if (events) {
        fastpath_events_format(events, compiler_get_netmap(compiler), s);
    }
}

struct json *
fastpath_driver_events_to_json(const struct fastpath_driver *d,
                               const struct compiler *compiler)
{
    const struct fastpath_events *events = get_events(d);

    return (events ? fastpath_events_to_json(events,
                                             compiler_get_netmap(compiler))
            : json_array_create_empty());
}
