/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/switches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "controller/compiler.h"
#include "controller/flow-table.h"
#include "controller/nd-responder.h"
#include "controller/node-ovs.h"
#include "controller/of-switch.h"
#include "controller/pipeline.h"
#include "coverage.h"
#include "dirs.h"
#include "dp-packet.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "socket-util.h"
#include "stream.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(switches);

COVERAGE_DEFINE(switches_accepted);
COVERAGE_DEFINE(switches_dialed);
COVERAGE_DEFINE(switches_full);
COVERAGE_DEFINE(switches_nd_reply);
COVERAGE_DEFINE(switches_nd_refused);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
static struct vlog_rate_limit audit_rl = VLOG_RATE_LIMIT_INIT(60, 60);

/* Peers that do not finish their handshake are gone after a few seconds, so
 * that they cannot hold their places for long. */
#define MAX_CONNECTIONS 128

/* Places that peers that anyone could be cannot take. */
#define RESERVED_CONNECTIONS 32

#define MAX_ACCEPTS 8           /* In one switches_run(), per listener. */

#define SLOW_PATH_RATE 1000     /* Packets per second. */

/* The database may be later than the connection. */
#define UNKNOWN_GRACE 5000      /* Milliseconds. */

/* A bridge that does not come by itself for so long is called.  Then, and
 * whenever that fails, it gets as much time again. */
#define DIAL_INTERVAL 500       /* Milliseconds. */

struct switches {
    struct pvconn **listeners;
    size_t n_listeners, allocated_listeners;

    struct ovs_list connections; /* "struct switches_connection"s. */
    size_t n_connections;

    const struct compiler *compiler; /* During switches_run(). */
    uint64_t version;
    int audit_interval;
    unsigned long long int n_audits; /* Of connections that are gone. */

    /* When to call the bridges that are not there, LLONG_MAX if all are. */
    long long int next_dial;
};

static void connection_create(struct switches *, struct vconn *,
                              const char *dialed);
static void connection_destroy(struct switches_connection *);
static void assign_roles(struct switches *, const struct node_ovs *,
                         const struct compiler *, bool ready);
static void connection_detach(struct switches_connection *);
static void handle_packet_in(struct of_switch *,
                             const struct ofputil_packet_in *,
                             void *connection);

struct switches *
switches_create(void)
{
    struct switches *switches = xzalloc(sizeof *switches);

    ovs_list_init(&switches->connections);
    switches->audit_interval = OF_SWITCH_AUDIT_INTERVAL;
    switches->next_dial = time_msec() + DIAL_INTERVAL;
    return switches;
}

void
switches_destroy(struct switches *switches)
{
    if (switches) {
        struct switches_connection *conn;
        LIST_FOR_EACH_SAFE (conn, list_node, &switches->connections) {
            connection_destroy(conn);
        }
        for (size_t i = 0; i < switches->n_listeners; i++) {
            pvconn_close(switches->listeners[i]);
        }
        free(switches->listeners);
        free(switches);
    }
}

static bool
is_loopback(const struct sockaddr_storage *ss)
{
    struct in6_addr ip = ss_get_address(ss);

    return (IN6_IS_ADDR_V4MAPPED(&ip) ? ip.s6_addr[12] == 127
            : IN6_IS_ADDR_LOOPBACK(&ip));
}

/* Whoever can reach an unencrypted listener can pretend to be a switch. */
static void
warn_if_exposed(const char *name)
{
    struct sockaddr_storage ss;

    if (!strncmp(name, "ptcp:", 5)
        && inet_parse_passive(name + 5, OFP_PORT, &ss, false, NULL)
        && !is_loopback(&ss)) {
        VLOG_WARN("%s: neither encrypted nor limited to this host", name);
    }
}

int
switches_listen(struct switches *switches, const char *name)
{
    mode_t saved_umask = umask(077);
    struct pvconn *pvconn;
    int error = pvconn_open(name, OF_SWITCH_VERSIONS, DSCP_DEFAULT, &pvconn);
    umask(saved_umask);

    if (!error) {
        warn_if_exposed(name);
        if (switches->n_listeners >= switches->allocated_listeners) {
            switches->listeners = x2nrealloc(switches->listeners,
                                             &switches->allocated_listeners,
                                             sizeof *switches->listeners);
        }
        switches->listeners[switches->n_listeners++] = pvconn;
    }
    return error;
}

/* A Unix domain socket belongs to the user that we run as, and TLS asks for a
 * certificate.  Whoever is on the other end of plain TCP could be anyone on
 * this host. */
static bool
is_plain_tcp(const char *vconn_name)
{
    return !strncmp(vconn_name, "tcp:", 4) || !strncmp(vconn_name, "ptcp:", 5);
}

/* How many connections there may be before 'listener' stops accepting. */
static size_t
max_connections(const struct pvconn *listener)
{
    return (is_plain_tcp(pvconn_get_name(listener))
            ? MAX_CONNECTIONS - RESERVED_CONNECTIONS
            : MAX_CONNECTIONS);
}

static void
accept_connections(struct switches *switches, struct pvconn *listener)
{
    for (int i = 0; i < MAX_ACCEPTS; i++) {
        if (switches->n_connections >= max_connections(listener)) {
            COVERAGE_INC(switches_full);
            VLOG_WARN_RL(&rl, "%s: %"PRIuSIZE" OpenFlow connections are open, "
                         "not accepting more", pvconn_get_name(listener),
                         switches->n_connections);
            return;
        }

        struct vconn *vconn;
        int error = pvconn_accept(listener, &vconn);
        if (error) {
            if (error != EAGAIN) {
                VLOG_WARN_RL(&rl, "%s: accept failed (%s)",
                             pvconn_get_name(listener), ovs_strerror(error));
            }
            return;
        }
        COVERAGE_INC(switches_accepted);
        connection_create(switches, vconn, NULL);
    }
}

/* Calling bridges. */

static bool
is_same_socket_file(const char *a, const char *b)
{
    char *abs_a = abs_file_name(ovs_rundir(), a);
    char *abs_b = abs_file_name(ovs_rundir(), b);
    bool equal = !strcmp(abs_a, abs_b);

    free(abs_a);
    free(abs_b);
    return equal;
}

static bool
is_same_port(const char *listener, const struct sockaddr_storage *ss)
{
    struct sockaddr_storage listener_ss;

    return (inet_parse_passive(listener, OFP_PORT, &listener_ss, false, NULL)
            && ss_get_port(&listener_ss) == ss_get_port(ss));
}

/* Is 'target', of a bridge on this host, one of our listeners? */
static bool
is_listener(const struct switches *switches, const char *target)
{
    bool is_unix = !strncmp(target, "unix:", 5);
    struct sockaddr_storage ss;

    /* Names are not looked up, and other addresses are not of interest. */
    if (!is_unix
        && ((strncmp(target + strcspn(target, ":"), ":127.", 5)
             && strncmp(target + strcspn(target, ":"), ":[::1]", 6))
            || !stream_parse_target_with_default_port(target, OFP_PORT, &ss)
            || !is_loopback(&ss))) {
        return false;
    }
    for (size_t i = 0; i < switches->n_listeners; i++) {
        const char *name = pvconn_get_name(switches->listeners[i]);

        /* "unix:FILE" and "punix:FILE", "tcp:..." and "ptcp:...". */
        if (is_unix
            ? (!strncmp(name, "punix:", 6)
               && is_same_socket_file(name + 6, target + 5))
            : (!strncmp(name + 1, target, 4) && is_same_port(name + 5, &ss))) {
            return true;
        }
    }
    return false;
}

/* May we call 'bridge', that is, has it been told to come to us, and does a
 * network name it? */
static bool
may_dial(const struct switches *switches, const struct node_bridge *bridge,
         const struct compiler *compiler)
{
    if (!bridge || !compiler_get_flows(compiler, bridge->name)) {
        return false;
    }
    for (size_t i = 0; i < bridge->controllers.n; i++) {
        if (is_listener(switches, bridge->controllers.names[i])) {
            return true;
        }
    }
    return false;
}

/* Returns another connection of 'bridge' than 'except' that is not plain TCP,
 * or NULL. */
static const struct switches_connection *
find_trusted(const struct switches *switches, const char *bridge,
             const struct switches_connection *except)
{
    const struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        const char *name = conn->dialed ? conn->dialed : conn->bridge;

        if (conn != except && !conn->plain_tcp && name
            && !strcmp(name, bridge)) {
            return conn;
        }
    }
    return NULL;
}

/* Calls bridges that have not come, or only over plain TCP. */
static void
dial_bridges(struct switches *switches, const struct node_ovs *node_ovs,
             const struct compiler *compiler)
{
    long long int next_dial = LLONG_MAX;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, node_ovs_get_bridges(node_ovs)) {
        if (!may_dial(switches, node->data, compiler)
            || find_trusted(switches, node->name, NULL)) {
            continue;
        }
        next_dial = MIN(switches->next_dial, time_msec() + DIAL_INTERVAL);
        if (time_msec() < switches->next_dial) {
            continue;
        }

        char *name = xasprintf("unix:%s/%s.mgmt", ovs_rundir(), node->name);
        struct vconn *vconn;
        int error = vconn_open(name, OF_SWITCH_VERSIONS, DSCP_DEFAULT,
                               &vconn);
        if (!error) {
            COVERAGE_INC(switches_dialed);
            connection_create(switches, vconn, node->name);
        } else {
            VLOG_DBG_RL(&rl, "%s: %s", name, ovs_strerror(error));
        }
        free(name);
        next_dial = time_msec() + DIAL_INTERVAL;
    }
    switches->next_dial = next_dial;
}

/* Hangs up where a bridge has been told not to come any more, or has come by
 * itself.  Before anything is received, so that the user has heard of the
 * acknowledgement that it waits for. */
static void
hang_up(struct switches *switches, const struct node_ovs *node_ovs)
{
    const struct shash *bridges = node_ovs_get_bridges(node_ovs);
    struct switches_connection *conn;

    LIST_FOR_EACH_SAFE (conn, list_node, &switches->connections) {
        if (!conn->dialed) {
            continue;
        }

        const struct node_bridge *bridge = shash_find_data(bridges,
                                                           conn->dialed);
        bool wanted = false;
        for (size_t i = 0; bridge && i < bridge->controllers.n; i++) {
            wanted |= is_listener(switches, bridge->controllers.names[i]);
        }
        if (!wanted
            || (find_trusted(switches, conn->dialed, conn)
                && (conn->role == SWITCH_UNNAMED
                    || of_switch_is_synced(conn->of_switch)))) {
            connection_destroy(conn);
        }
    }
}

void
switches_run(struct switches *switches, const struct node_ovs *node_ovs,
             const struct compiler *compiler, bool ready)
{
    switches->compiler = compiler;
    if (ready) {
        hang_up(switches, node_ovs);
        dial_bridges(switches, node_ovs, compiler);
    }
    for (size_t i = 0; i < switches->n_listeners; i++) {
        accept_connections(switches, switches->listeners[i]);
    }

    struct switches_connection *conn;
    LIST_FOR_EACH_SAFE (conn, list_node, &switches->connections) {
        of_switch_run(conn->of_switch);
        if (!of_switch_is_alive(conn->of_switch)) {
            connection_destroy(conn);
        }
    }
    assign_roles(switches, node_ovs, compiler, ready);
    switches->compiler = NULL;
}

void
switches_wait(struct switches *switches)
{
    struct switches_connection *conn;

    for (size_t i = 0; i < switches->n_listeners; i++) {
        struct pvconn *listener = switches->listeners[i];

        if (switches->n_connections < max_connections(listener)) {
            pvconn_wait(listener);
        }
    }
    if (switches->next_dial != LLONG_MAX) {
        poll_timer_wait_until(switches->next_dial);
    }
    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        of_switch_wait(conn->of_switch);
        if (conn->role == SWITCH_UNKNOWN && !conn->reported) {
            poll_timer_wait_until(conn->created + UNKNOWN_GRACE);
        }
    }
}

void
switches_release(struct switches *switches, const struct compiler *compiler)
{
    struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->table && conn->table != conn->nothing
            && compiler_get_flows(compiler, conn->bridge) != conn->table) {
            connection_detach(conn);
            conn->role = SWITCH_CLOSING;
        }
    }
}

void
switches_compiled(struct switches *switches, const struct compiler *compiler,
                  uint64_t version)
{
    struct switches_connection *conn;

    switches->version = version;
    switches_release(switches, compiler);
    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->table) {
            of_switch_set_version(conn->of_switch, version);
        }
    }
}

uint64_t
switches_acked(const struct switches *switches,
               const struct node_ovs *node_ovs,
               const struct compiler *compiler)
{
    uint64_t acked = switches->version;
    struct shash_node *node;

    SHASH_FOR_EACH (node, node_ovs_get_bridges(node_ovs)) {
        if (compiler_get_flows(compiler, node->name)) {
            const struct of_switch *sw = switches_find(switches, node->name);
            acked = MIN(acked, sw ? of_switch_acked(sw) : 0);
        }
    }

    const struct switches_connection *conn;
    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->role == SWITCH_CLOSING
            && !switches_is_closed(switches, conn->bridge)) {
            acked = MIN(acked, of_switch_acked(conn->of_switch));
        }
    }
    return acked;
}

void
switches_set_audit_interval(struct switches *switches, int msec)
{
    struct switches_connection *conn;

    if (msec != switches->audit_interval) {
        switches->audit_interval = msec;
        LIST_FOR_EACH (conn, list_node, &switches->connections) {
            of_switch_set_audit_interval(conn->of_switch, msec);
        }
    }
}

static unsigned long long int
connection_n_audits(const struct switches_connection *conn)
{
    struct of_switch_stats stats;

    of_switch_get_stats(conn->of_switch, &stats);
    return stats.n_audits;
}

unsigned long long int
switches_get_n_audits(const struct switches *switches)
{
    unsigned long long int n = switches->n_audits;
    const struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        n += connection_n_audits(conn);
    }
    return n;
}

const struct ovs_list *
switches_get_connections(const struct switches *switches)
{
    return &switches->connections;
}

struct of_switch *
switches_find(const struct switches *switches, const char *bridge)
{
    const struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->role == SWITCH_ACTIVE && !strcmp(conn->bridge, bridge)) {
            return conn->of_switch;
        }
    }
    return NULL;
}

bool
switches_is_closed(const struct switches *switches, const char *bridge)
{
    const struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->closed && !strcmp(conn->bridge, bridge)) {
            return true;
        }
    }
    return false;
}

bool
switches_is_connected(const struct switches *switches, const char *bridge)
{
    const struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->bridge && !strcmp(conn->bridge, bridge)) {
            return true;
        }
    }
    return false;
}

const char *
switch_role_name(enum switch_role role)
{
    switch (role) {
    case SWITCH_CONNECTING: return "connecting";
    case SWITCH_WAITING: return "waiting";
    case SWITCH_UNKNOWN: return "unknown";
    case SWITCH_UNNAMED: return "unnamed";
    case SWITCH_CLOSING: return "closing";
    case SWITCH_REDUNDANT: return "redundant";
    case SWITCH_ACTIVE: return "active";
    }
    OVS_NOT_REACHED();
}

void
switches_get_memory_usage(const struct switches *switches,
                          struct simap *usage)
{
    simap_increase(usage, "connections", switches->n_connections);
}

/* Connections. */

static int
connection_rank(const struct switches_connection *conn)
{
    return conn->dialed ? 0 : !conn->plain_tcp ? 1 : 2;
}

/* Inserts 'conn' in order of precedence. */
static void
insert_connection(struct switches *switches, struct switches_connection *conn)
{
    struct switches_connection *other;
    struct ovs_list *before = &switches->connections;

    LIST_FOR_EACH (other, list_node, &switches->connections) {
        if (connection_rank(conn) <= connection_rank(other)) {
            before = &other->list_node;
            break;
        }
    }
    ovs_list_insert(before, &conn->list_node);
    switches->n_connections++;
}

/* 'dialed' is the bridge that we have called, NULL if 'vconn' was accepted. */
static void
connection_create(struct switches *switches, struct vconn *vconn,
                  const char *dialed)
{
    struct switches_connection *conn = xzalloc(sizeof *conn);

    conn->dialed = nullable_xstrdup(dialed);
    conn->plain_tcp = is_plain_tcp(vconn_get_name(vconn));
    conn->of_switch = of_switch_create(vconn);
    conn->role = SWITCH_CONNECTING;
    conn->switches = switches;
    conn->created = time_msec();
    of_switch_set_audit_interval(conn->of_switch, switches->audit_interval);
    of_switch_set_packet_in_handler(conn->of_switch, handle_packet_in, conn);
    insert_connection(switches, conn);
}

static void
destroy_nothing(struct switches_connection *conn)
{
    if (conn->nothing) {
        flow_table_destroy(conn->nothing);
        free(conn->nothing);
        conn->nothing = NULL;
    }
}

static void
connection_destroy(struct switches_connection *conn)
{
    struct switches *switches = conn->switches;

    switches->n_audits += connection_n_audits(conn);
    switches->n_connections--;
    ovs_list_remove(&conn->list_node);
    of_switch_destroy(conn->of_switch);
    destroy_nothing(conn);
    free(conn->bridge);
    free(conn->dialed);
    free(conn);
}

static void
connection_detach(struct switches_connection *conn)
{
    if (conn->table) {
        VLOG_INFO("%s: no longer managing bridge %s",
                  of_switch_get_name(conn->of_switch), conn->bridge);
        of_switch_detach(conn->of_switch);
        conn->table = NULL;
        destroy_nothing(conn);
    }
}

/* All meters that a bridge may need.  ovs-vswitchd rewrites ARP for a datapath
 * of the kernel, and the meter of a flow would count there, when the work is
 * done.  The meter of the slow path is in the datapath. */
static const struct of_meter all_meters[] = {
#define SLOW_PATH_METER (1u << 0)
    { OFPM13_SLOWPATH, SLOW_PATH_RATE, SLOW_PATH_RATE },
#define ND_METER (1u << 1)
    { PIPELINE_METER_ND, PIPELINE_METER_ND_RATE, PIPELINE_METER_ND_RATE },
#define AUDIT_METER (1u << 2)
    { PIPELINE_METER_AUDIT, PIPELINE_METER_AUDIT_RATE,
      PIPELINE_METER_AUDIT_RATE },
};

/* Returns the meters that 'bridge' needs, as a bitmap of *_METER. */
static unsigned int
needed_meters(const struct compiler *compiler, const char *bridge)
{
    const struct netmap_bridge *nb = netmap_find_bridge(
        compiler_get_netmap(compiler), bridge);
    unsigned int meters = AUDIT_METER;

    if (!nb || !nb->userspace) {
        meters |= SLOW_PATH_METER;
    }
    if (compiler_get_nd_responder(compiler, bridge)
        == ND_RESPONDER_PACKET_IN) {
        meters |= ND_METER;
    }
    return meters;
}

static void
connection_attach(struct switches_connection *conn,
                  const struct compiler *compiler)
{
    struct flow_table *table = compiler_get_flows(compiler, conn->bridge);
    unsigned int needed = needed_meters(compiler, conn->bridge);

    if (conn->table == table && conn->meters == needed) {
        return;
    }

    struct of_meter meters[ARRAY_SIZE(all_meters)];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(all_meters); i++) {
        if (needed & (1u << i)) {
            meters[n++] = all_meters[i];
        }
    }
    VLOG_INFO("%s: managing bridge %s", of_switch_get_name(conn->of_switch),
              conn->bridge);
    of_switch_attach(conn->of_switch, table, true, meters, n);
    of_switch_set_version(conn->of_switch, conn->switches->version);
    conn->table = table;
    conn->meters = needed;
}

/* Removes the flows of a bridge that is not Bastion's any more, then lets go
 * of it. */
static void
connection_close(struct switches_connection *conn)
{
    if (!conn->table) {
        VLOG_INFO("%s: no network names bridge %s any more; removing its "
                  "flows", of_switch_get_name(conn->of_switch), conn->bridge);
        conn->nothing = xmalloc(sizeof *conn->nothing);
        flow_table_init(conn->nothing);
        conn->table = conn->nothing;
        conn->meters = 0;
        of_switch_attach(conn->of_switch, conn->nothing, true, NULL, 0);
        of_switch_set_version(conn->of_switch, conn->switches->version);
    } else if (of_switch_is_synced(conn->of_switch)) {
        connection_detach(conn);
        conn->closed = true;
    }
}

/* Is there a connection for the same bridge that takes precedence? */
static bool
has_better_for_bridge(const struct switches_connection *conn)
{
    const struct ovs_list *head = &conn->switches->connections;

    for (const struct ovs_list *node = conn->list_node.prev; node != head;
         node = node->prev) {
        const struct switches_connection *better
            = CONTAINER_OF(node, struct switches_connection, list_node);
        if ((better->role == SWITCH_ACTIVE || better->role == SWITCH_CLOSING)
            && !strcmp(better->bridge, conn->bridge)) {
            return true;
        }
    }
    return false;
}

/* Roles of connections that take precedence must be up to date. */
static enum switch_role
choose_role(const struct switches_connection *conn,
            const struct node_ovs *node_ovs, const struct compiler *compiler,
            bool ready)
{
    uint64_t datapath_id;

    if (!of_switch_get_datapath_id(conn->of_switch, &datapath_id)) {
        return SWITCH_CONNECTING;
    } else if (!ready) {
        return SWITCH_WAITING;
    } else if (!conn->bridge) {
        return SWITCH_UNKNOWN;
    } else if (has_better_for_bridge(conn)) {
        return SWITCH_REDUNDANT;
    } else if (compiler_get_flows(compiler, conn->bridge)) {
        return SWITCH_ACTIVE;
    } else if (!conn->closed
               && (conn->role == SWITCH_CLOSING
                   || node_ovs_is_marked(node_ovs, conn->bridge))) {
        return SWITCH_CLOSING;
    }
    return SWITCH_UNNAMED;
}

static void
report_role(struct switches_connection *conn)
{
    const char *name = of_switch_get_name(conn->of_switch);
    uint64_t datapath_id;

    if (conn->reported) {
        return;
    }
    conn->reported = true;
    if (conn->role == SWITCH_UNNAMED) {
        VLOG_INFO_RL(&rl, "%s: bridge %s is connected, but no network names "
                     "it; leaving it alone", name, conn->bridge);
    } else if (conn->role == SWITCH_REDUNDANT) {
        VLOG_INFO_RL(&rl, "%s: bridge %s has a better connection; keeping "
                     "this one idle", name, conn->bridge);
    } else if (conn->role == SWITCH_UNKNOWN) {
        if (time_msec() < conn->created + UNKNOWN_GRACE) {
            conn->reported = false;
        } else if (of_switch_get_datapath_id(conn->of_switch, &datapath_id)) {
            VLOG_WARN_RL(&rl, "%s: no bridge of this node has datapath id "
                         "%016"PRIx64"; leaving it alone", name, datapath_id);
        }
    }
}

static void
update_bridge_name(struct switches_connection *conn,
                   const struct node_ovs *node_ovs)
{
    const struct node_bridge *bridge = NULL;
    uint64_t datapath_id;

    if (of_switch_get_datapath_id(conn->of_switch, &datapath_id)) {
        bridge = node_ovs_find_datapath_id(node_ovs, datapath_id);
    }
    if (!nullable_string_is_equal(conn->bridge,
                                  bridge ? bridge->name : NULL)) {
        connection_detach(conn);
        free(conn->bridge);
        conn->bridge = bridge ? xstrdup(bridge->name) : NULL;
        conn->closed = false;
    }
}

static void
assign_roles(struct switches *switches, const struct node_ovs *node_ovs,
             const struct compiler *compiler, bool ready)
{
    struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        update_bridge_name(conn, node_ovs);

        enum switch_role role = choose_role(conn, node_ovs, compiler, ready);
        if (role != conn->role) {
            if (conn->role == SWITCH_CLOSING) {
                connection_detach(conn);
            }
            conn->role = role;
            conn->reported = false;
        }
        report_role(conn);
    }

    /* A table has to be let go by one before another one can have it. */
    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->role != SWITCH_ACTIVE && conn->role != SWITCH_CLOSING) {
            connection_detach(conn);
        }
    }
    LIST_FOR_EACH (conn, list_node, &switches->connections) {
        if (conn->role == SWITCH_ACTIVE) {
            conn->closed = false;
            connection_attach(conn, compiler);
        } else if (conn->role == SWITCH_CLOSING) {
            connection_close(conn);
        }
    }
}

/* Packets. */

static void
answer_neighbor_solicitation(struct of_switch *sw,
                             const struct ofputil_packet_in *pin)
{
    struct dp_packet *reply;
    ofp_port_t port;
    const char *error = nd_responder_reply(pin, &reply, &port);

    if (error) {
        COVERAGE_INC(switches_nd_refused);
        VLOG_DBG_RL(&rl, "%s: Neighbor Solicitation not answered: %s",
                    of_switch_get_name(sw), error);
        return;
    }

    uint64_t ofpacts_stub[64 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(ofpacts_stub);
    struct ofputil_packet_out po = {
        .packet = dp_packet_data(reply),
        .packet_len = dp_packet_size(reply),
        .buffer_id = UINT32_MAX,
    };

    ofpact_put_OUTPUT(&ofpacts)->port = port;
    po.ofpacts = ofpacts.data;
    po.ofpacts_len = ofpacts.size;
    match_init_catchall(&po.flow_metadata);
    match_set_in_port(&po.flow_metadata, OFPP_CONTROLLER);
    of_switch_packet_out(sw, &po);
    COVERAGE_INC(switches_nd_reply);

    ofpbuf_uninit(&ofpacts);
    dp_packet_delete(reply);
}

static void
log_audited_packet(const struct switches_connection *conn,
                   const struct ofputil_packet_in *pin)
{
    const struct compiler *compiler = conn->switches->compiler;

    if (VLOG_DROP_INFO(&audit_rl)) {
        return;
    }

    const struct netmap_endpoint *endpoint
        = (compiler && conn->bridge
           ? netmap_find_endpoint_by_ofport(
               compiler_get_netmap(compiler), conn->bridge,
               pin->flow_metadata.flow.in_port.ofp_port)
           : NULL);
    struct ds s = DS_EMPTY_INITIALIZER;

    packet_in_format_audit(pin, endpoint ? endpoint->interface : NULL, &s);
    VLOG_INFO("audit: bridge %s: %s", conn->bridge ? conn->bridge : "unknown",
              ds_cstr(&s));
    ds_destroy(&s);
}

static void
handle_packet_in(struct of_switch *sw,
                 const struct ofputil_packet_in *pin, void *conn_)
{
    const struct switches_connection *conn = conn_;

    /* Each of the bridge's connections gets it. */
    if (conn->role != SWITCH_ACTIVE) {
        return;
    }

    switch (packet_in_type(pin)) {
    case PACKET_IN_ND:
        answer_neighbor_solicitation(sw, pin);
        break;

    case PACKET_IN_AUDIT:
        log_audited_packet(conn, pin);
        break;

    default:
        VLOG_DBG_RL(&rl, "%s: unexpected packet-in", of_switch_get_name(sw));
        break;
    }
}
