/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/node-ovs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/attachments.h"
#include "controller/compiler.h"
#include "coverage.h"
#include "flow.h"
#include "hmapx.h"
#include "lib/vswitch-idl.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "simap.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(node_ovs);

COVERAGE_DEFINE(node_ovs_read);
COVERAGE_DEFINE(node_ovs_write);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

/* Someone who undoes our settings again and again does not make us write more
 * often than this; nor does a database that refuses them. */
#define MIN_WRITE_INTERVAL 1000 /* Milliseconds. */

struct node_ovs {
    struct ovsdb_idl_loop loop;
    struct ovsdb_idl_txn *txn;  /* Non-NULL between run and wait. */
    char *remote;
    unsigned int seqno;         /* Of the contents that were read last. */
    unsigned int attachments_seqno;
    uint64_t n_reads;
    bool has_contents;

    struct shash bridges;       /* Contains "struct node_bridge"s. */
    char *system_id;
    char *version;

    bool writing;               /* Is a transaction of ours under way? */
    long long int next_write;   /* Not before this time, in ms. */
};

static void node_ovs_read(struct node_ovs *, struct compiler *,
                          const struct ovsrec_open_vswitch *);
static void node_bridge_destroy(struct node_bridge *);

/* Columns that are only looked at when another one has changed are
 * replicated, too, but do not wake us up. */
static void
node_ovs_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *columns[] = {
        &ovsrec_open_vswitch_col_bridges,
        &ovsrec_open_vswitch_col_external_ids,
        &ovsrec_open_vswitch_col_ovs_version,
        &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_ports,
        &ovsrec_bridge_col_datapath_id,
        &ovsrec_bridge_col_datapath_type,
        &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_other_config,
        &ovsrec_bridge_col_external_ids,
        &ovsrec_bridge_col_controller,
        &ovsrec_bridge_col_mirrors,
        &ovsrec_bridge_col_netflow,
        &ovsrec_bridge_col_sflow,
        &ovsrec_bridge_col_ipfix,
        &ovsrec_bridge_col_stp_enable,
        &ovsrec_bridge_col_rstp_enable,
        &ovsrec_port_col_interfaces,
        &ovsrec_port_col_external_ids,
        &ovsrec_port_col_qos,
        &ovsrec_interface_col_name,
        &ovsrec_interface_col_ofport,
        &ovsrec_interface_col_mac_in_use,
        &ovsrec_interface_col_external_ids,
        &ovsrec_interface_col_ingress_policing_rate,
        &ovsrec_interface_col_ingress_policing_kpkts_rate,
        &ovsrec_controller_col_target,
        &ovsrec_controller_col_connection_mode,
        &ovsrec_mirror_col_select_all,
        &ovsrec_mirror_col_select_src_port,
        &ovsrec_mirror_col_select_dst_port,
        &ovsrec_mirror_col_output_port,
    };
    static const struct ovsdb_idl_table_class *tables[] = {
        &ovsrec_table_open_vswitch, &ovsrec_table_bridge, &ovsrec_table_port,
        &ovsrec_table_interface, &ovsrec_table_controller,
        &ovsrec_table_mirror,
        /* Only whether a bridge or a port refers to a row of these. */
        &ovsrec_table_netflow, &ovsrec_table_sflow, &ovsrec_table_ipfix,
        &ovsrec_table_qos,
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        ovsdb_idl_add_table(idl, tables[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }
}

struct node_ovs *
node_ovs_create(const char *remote)
{
    struct node_ovs *no = xzalloc(sizeof *no);
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &ovsrec_idl_class,
                                             false, true);

    node_ovs_add_columns(idl);
    no->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    no->remote = xstrdup(remote);
    no->next_write = LLONG_MIN;
    shash_init(&no->bridges);
    return no;
}

static void
destroy_bridges(struct shash *bridges)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, bridges) {
        node_bridge_destroy(node->data);
    }
    shash_destroy(bridges);
}

void
node_ovs_destroy(struct node_ovs *no)
{
    if (no) {
        destroy_bridges(&no->bridges);
        ovsdb_idl_loop_destroy(&no->loop);
        free(no->remote);
        free(no->system_id);
        free(no->version);
        free(no);
    }
}

void
node_ovs_run(struct node_ovs *no, struct compiler *compiler)
{
    no->txn = ovsdb_idl_loop_run(&no->loop);

    unsigned int seqno = ovsdb_idl_get_seqno(no->loop.idl);
    if (seqno == no->seqno || !ovsdb_idl_has_ever_connected(no->loop.idl)) {
        return;
    }
    no->seqno = seqno;

    /* A database without its root row has just been created: ovs-vswitchd or
     * "ovs-vsctl init" fills it in. */
    const struct ovsrec_open_vswitch *cfg
        = ovsrec_open_vswitch_first(no->loop.idl);
    if (cfg) {
        node_ovs_read(no, compiler, cfg);
        no->has_contents = true;
    }
}

/* Marks a bridge that is Bastion's, or was and may still have its flows. */
#define MARK "bastion-owned"

/* Must something be written to 'bridge'? */
static bool
node_bridge_needs_write(const struct node_bridge *bridge)
{
    return (bridge->owned
            ? (!bridge->marked || !bridge->fail_mode_secure
               || !bridge->in_band_disabled || !bridge->out_of_band)
            : bridge->released && bridge->marked);
}

/* Adds to the open transaction what makes 'row' safe: no forwarding of its
 * own when no controller is connected, and none of the hidden flows for
 * in-band control, which have higher priority than any other. */
static void
write_settings(struct ovsdb_idl_txn *txn, const struct ovsrec_bridge *row)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (!smap_get_bool(&row->external_ids, MARK, false)) {
        ovsrec_bridge_update_external_ids_setkey(row, MARK, "true");
        ds_put_cstr(&s, " external_ids:"MARK"=true");
    }
    if (!row->fail_mode || strcmp(row->fail_mode, "secure")) {
        ovsrec_bridge_set_fail_mode(row, "secure");
        ds_put_cstr(&s, " fail_mode=secure");
    }
    if (!smap_get_bool(&row->other_config, "disable-in-band", false)) {
        ovsrec_bridge_update_other_config_setkey(row, "disable-in-band",
                                                 "true");
        ds_put_cstr(&s, " other_config:disable-in-band=true");
    }
    for (size_t i = 0; i < row->n_controller; i++) {
        const struct ovsrec_controller *c = row->controller[i];
        if (!c->connection_mode || strcmp(c->connection_mode, "out-of-band")) {
            ovsrec_controller_set_connection_mode(c, "out-of-band");
            ds_put_format(&s, " connection_mode=out-of-band(%s)", c->target);
        }
    }
    COVERAGE_INC(node_ovs_write);
    ovsdb_idl_txn_add_comment(txn, "bastion-controller: settings of %s",
                              row->name);
    VLOG_INFO_RL(&rl, "bridge %s: setting%s", row->name, ds_cstr(&s));
    ds_destroy(&s);
}

static void
warn_of_second_controller(struct node_bridge *bridge)
{
    if (bridge->controllers.n < 2) {
        bridge->warned = false;
    } else if (!bridge->warned) {
        char *targets = svec_join(&bridge->controllers, ", ", "");
        VLOG_WARN_RL(&rl, "bridge %s has %"PRIuSIZE" controllers (%s); flows "
                     "that another one adds are removed as soon as they are "
                     "noticed", bridge->name, bridge->controllers.n, targets);
        free(targets);
        bridge->warned = true;
    }
}

void
node_ovs_update(struct node_ovs *no)
{
    bool lacking = false;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &no->bridges) {
        struct node_bridge *bridge = node->data;
        if (bridge->owned) {
            warn_of_second_controller(bridge);
        }
        lacking |= node_bridge_needs_write(bridge);
    }
    if (!lacking || !no->txn || no->writing) {
        return;
    }
    if (time_msec() < no->next_write) {
        poll_timer_wait_until(no->next_write);
        return;
    }

    const struct ovsrec_bridge *row;
    OVSREC_BRIDGE_FOR_EACH (row, no->loop.idl) {
        const struct node_bridge *bridge = shash_find_data(&no->bridges,
                                                           row->name);
        if (bridge && node_bridge_needs_write(bridge)) {
            if (bridge->owned) {
                write_settings(no->txn, row);
            } else {
                ovsrec_bridge_update_external_ids_delkey(row, MARK);
            }
            no->writing = true;
        }
    }
    no->next_write = time_msec() + MIN_WRITE_INTERVAL;
}

void
node_ovs_wait(struct node_ovs *no)
{
    int retval = ovsdb_idl_loop_commit_and_wait(&no->loop);

    no->txn = NULL;
    if (retval >= 0) {
        if (!retval && no->writing) {
            VLOG_WARN_RL(&rl, "%s: could not write settings of bridges",
                         no->remote);
            poll_timer_wait_until(no->next_write);
        }
        no->writing = false;
    }
}

const char *
node_ovs_get_remote(const struct node_ovs *no)
{
    return no->remote;
}

bool
node_ovs_is_connected(const struct node_ovs *no)
{
    return ovsdb_idl_is_connected(no->loop.idl);
}

bool
node_ovs_has_contents(const struct node_ovs *no)
{
    return no->has_contents;
}

const char *
node_ovs_get_system_id(const struct node_ovs *no)
{
    return no->system_id;
}

const char *
node_ovs_get_version(const struct node_ovs *no)
{
    return no->version;
}

const struct shash *
node_ovs_get_bridges(const struct node_ovs *no)
{
    return &no->bridges;
}

uint64_t
node_ovs_get_seqno(const struct node_ovs *no)
{
    return no->n_reads;
}

/* A port that Open vSwitch has not numbered does not work (any more, or
 * yet). */
static void
add_attached_ports(const struct node_bridge *bridge,
                   struct attached_port *ports, size_t *n)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &bridge->ports) {
        const struct node_port *port = node->data;

        if (port->attachment && port->ofport != OFPP_NONE) {
            const char *netns = smap_get(&port->attachment->external_ids,
                                         "netns");
            ports[(*n)++] = (struct attached_port) {
                .interface = node->name,
                .bridge = bridge->name,
                .ofport = ofp_to_u16(port->ofport),
                .netns_exists = netns && !access(netns, F_OK),
                .attachment = port->attachment,
            };
        }
    }
}

size_t
node_ovs_get_attached_ports(const struct node_ovs *no,
                            struct attached_port **portsp)
{
    struct shash_node *node;
    size_t n_max = 0, n = 0;

    SHASH_FOR_EACH (node, &no->bridges) {
        const struct node_bridge *bridge = node->data;
        n_max += shash_count(&bridge->ports);
    }

    struct attached_port *ports = xcalloc(MAX(n_max, 1), sizeof *ports);
    SHASH_FOR_EACH (node, &no->bridges) {
        const struct node_bridge *bridge = node->data;
        if (bridge->owned) {
            add_attached_ports(bridge, ports, &n);
        }
    }
    *portsp = ports;
    return attached_ports_select(ports, n);
}

unsigned int
node_ovs_get_attachments_seqno(const struct node_ovs *no)
{
    return no->attachments_seqno;
}

const struct node_bridge *
node_ovs_find_datapath_id(const struct node_ovs *no, uint64_t datapath_id)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &no->bridges) {
        const struct node_bridge *bridge = node->data;
        if (bridge->datapath_id == datapath_id && datapath_id) {
            return bridge;
        }
    }
    return NULL;
}

void
node_ovs_set_owned(struct node_ovs *no, const char *name, bool owned)
{
    struct node_bridge *bridge = shash_find_data(&no->bridges, name);

    if (bridge && bridge->owned != owned) {
        bridge->owned = owned;
        no->attachments_seqno++;
    }
}

bool
node_ovs_is_marked(const struct node_ovs *no, const char *name)
{
    const struct node_bridge *bridge = shash_find_data(&no->bridges, name);

    return bridge && bridge->marked;
}

void
node_ovs_set_released(struct node_ovs *no, const char *name, bool released)
{
    struct node_bridge *bridge = shash_find_data(&no->bridges, name);

    if (bridge) {
        bridge->released = released;
    }
}

void
node_ovs_get_memory_usage(const struct node_ovs *no, struct simap *usage)
{
    struct shash_node *node;
    unsigned int n_ports = 0;

    SHASH_FOR_EACH (node, &no->bridges) {
        const struct node_bridge *bridge = node->data;
        n_ports += shash_count(&bridge->ports);
    }
    simap_increase(usage, "bridges", shash_count(&no->bridges));
    simap_increase(usage, "ports", n_ports);
}

/* Reading. */

static void
node_port_destroy(struct node_port *port)
{
    free(port->veth);
    attachment_destroy(port->attachment);
    free(port);
}

static void
node_bridge_destroy(struct node_bridge *bridge)
{
    if (bridge) {
        struct shash_node *node;

        SHASH_FOR_EACH (node, &bridge->ports) {
            node_port_destroy(node->data);
        }
        shash_destroy(&bridge->ports);
        svec_destroy(&bridge->controllers);
        free(bridge->datapath_type);
        free(bridge->name);
        free(bridge);
    }
}

static ofp_port_t
ofport_from_row(const struct ovsrec_interface *row)
{
    int64_t ofport = row->n_ofport ? row->ofport[0] : -1;

    if ((ofport > 0 && ofport < ofp_to_u16(OFPP_MAX))
        || ofport == ofp_to_u16(OFPP_LOCAL)) {
        return u16_to_ofp(ofport);
    }
    return OFPP_NONE;
}

/* What the fast path forwards, none of these get to see. */
static const char *
bridge_diversion(const struct ovsrec_bridge *row)
{
    for (size_t i = 0; i < row->n_mirrors; i++) {
        if (row->mirrors[i]->select_all) {
            return "a mirror selects all ports of the bridge";
        }
    }
    return (row->sflow ? "the bridge has sFlow"
            : row->ipfix ? "the bridge has IPFIX"
            : row->netflow ? "the bridge has NetFlow"
            : row->stp_enable || row->rstp_enable
            ? "the bridge runs the spanning tree protocol"
            : NULL);
}

/* The ports that 'row' selects or that get what it selects.  The latter drop
 * what they receive. */
static void
add_mirrored_ports(const struct ovsrec_mirror *row, struct hmapx *ports)
{
    for (size_t i = 0; i < row->n_select_src_port; i++) {
        hmapx_add(ports, row->select_src_port[i]);
    }
    for (size_t i = 0; i < row->n_select_dst_port; i++) {
        hmapx_add(ports, row->select_dst_port[i]);
    }
    if (row->output_port) {
        hmapx_add(ports, row->output_port);
    }
}

static const char *
port_diversion(const struct ovsrec_port *row,
               const struct ovsrec_interface *interface,
               const struct hmapx *mirrored)
{
    return (hmapx_contains(mirrored, row) ? "the port has a mirror"
            : row->qos ? "the port has QoS"
            : (interface->ingress_policing_rate
               || interface->ingress_policing_kpkts_rate)
            ? "the interface has ingress policing"
            : NULL);
}

static void
add_interface(struct node_bridge *bridge, const struct node_bridge *old,
              const struct ovsrec_port *port_row,
              const struct ovsrec_interface *row, const struct hmapx *mirrored)
{
    const struct node_port *old_port
        = old ? shash_find_data(&old->ports, row->name) : NULL;
    struct node_port *port = xzalloc(sizeof *port);

    port->ofport = ofport_from_row(row);
    if (!row->mac_in_use || !eth_addr_from_string(row->mac_in_use,
                                                  &port->mac)) {
        port->mac = old_port ? old_port->mac : eth_addr_zero;
    }
    port->veth = nullable_xstrdup(smap_get(&row->external_ids,
                                           "bastion-veth"));
    port->attachment = attachment_parse(&port_row->external_ids,
                                        &row->external_ids);
    port->diversion = port_diversion(port_row, row, mirrored);
    if (!shash_add_once(&bridge->ports, row->name, port)) {
        node_port_destroy(port);
    }
}

static void
add_ports(struct node_bridge *bridge, const struct node_bridge *old,
          const struct ovsrec_bridge *row)
{
    struct hmapx mirrored = HMAPX_INITIALIZER(&mirrored);

    for (size_t i = 0; i < row->n_mirrors; i++) {
        add_mirrored_ports(row->mirrors[i], &mirrored);
    }
    for (size_t i = 0; i < row->n_ports; i++) {
        const struct ovsrec_port *port = row->ports[i];

        for (size_t j = 0; j < port->n_interfaces; j++) {
            add_interface(bridge, old, port, port->interfaces[j], &mirrored);
        }
    }
    hmapx_destroy(&mirrored);
}

/* Returns a new "struct node_bridge" for 'row'.  What 'row' does not tell
 * (yet, or any more) is taken from 'old', which may be NULL. */
static struct node_bridge *
node_bridge_from_row(const struct ovsrec_bridge *row,
                     const struct node_bridge *old)
{
    struct node_bridge *bridge = xzalloc(sizeof *bridge);
    unsigned long long int datapath_id;

    bridge->name = xstrdup(row->name);
    if (row->datapath_id && str_to_ullong(row->datapath_id, 16,
                                          &datapath_id)) {
        bridge->datapath_id = datapath_id;
    } else if (old) {
        bridge->datapath_id = old->datapath_id;
    }
    bridge->datapath_type = xstrdup(row->datapath_type[0] ? row->datapath_type
                                    : "system");

    shash_init(&bridge->ports);
    add_ports(bridge, old, row);
    bridge->diversion = bridge_diversion(row);

    svec_init(&bridge->controllers);
    bridge->out_of_band = true;
    for (size_t i = 0; i < row->n_controller; i++) {
        const struct ovsrec_controller *c = row->controller[i];
        svec_add(&bridge->controllers, c->target);
        bridge->out_of_band &= (c->connection_mode
                                && !strcmp(c->connection_mode,
                                           "out-of-band"));
    }
    svec_sort(&bridge->controllers);
    bridge->marked = smap_get_bool(&row->external_ids, MARK, false);
    bridge->fail_mode_secure = (row->fail_mode
                                && !strcmp(row->fail_mode, "secure"));
    bridge->in_band_disabled = smap_get_bool(&row->other_config,
                                             "disable-in-band", false);

    bridge->owned = old && old->owned;
    bridge->released = old && old->released;
    bridge->warned = old && old->warned;
    return bridge;
}

/* Tells 'compiler' of the bridges and ports that 'old' has and 'new' lacks. */
static void
tell_removals(struct compiler *compiler, const struct shash *old,
              const struct shash *new)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, old) {
        const struct node_bridge *old_bridge = node->data;
        const struct node_bridge *new_bridge = shash_find_data(new,
                                                               node->name);
        struct shash_node *port_node;

        SHASH_FOR_EACH (port_node, &old_bridge->ports) {
            if (!new_bridge
                || !shash_find(&new_bridge->ports, port_node->name)) {
                compiler_remove_port(compiler, node->name, port_node->name);
            }
        }
        if (!new_bridge) {
            VLOG_INFO("bridge %s is gone", node->name);
            compiler_remove_bridge(compiler, node->name);
        }
    }
}

static bool
is_userspace_datapath(const char *type)
{
    return !strcmp(type, "netdev") || !strcmp(type, "dummy");
}

/* Tells 'compiler' of what 'new' has and 'old' lacks or has differently. */
static void
tell_additions(struct compiler *compiler, const struct shash *old,
               const struct shash *new)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, new) {
        const struct node_bridge *new_bridge = node->data;
        const struct node_bridge *old_bridge = shash_find_data(old,
                                                               node->name);
        struct shash_node *port_node;

        if (!old_bridge || strcmp(old_bridge->datapath_type,
                                  new_bridge->datapath_type)) {
            compiler_set_bridge(
                compiler, node->name,
                is_userspace_datapath(new_bridge->datapath_type));
        }
        SHASH_FOR_EACH (port_node, &new_bridge->ports) {
            const struct node_port *port = port_node->data;
            const struct node_port *old_port
                = old_bridge ? shash_find_data(&old_bridge->ports,
                                               port_node->name) : NULL;
            if (!old_port || old_port->ofport != port->ofport
                || !eth_addr_equals(old_port->mac, port->mac)) {
                compiler_set_port(compiler, node->name, port_node->name,
                                  port->ofport, port->mac);
            }
        }
    }
}

/* Reads everything again: it costs less than a millisecond for a thousand
 * ports, and what has not changed is not passed on. */
static void
node_ovs_read(struct node_ovs *no, struct compiler *compiler,
              const struct ovsrec_open_vswitch *cfg)
{
    struct shash bridges = SHASH_INITIALIZER(&bridges);

    COVERAGE_INC(node_ovs_read);
    no->n_reads++;
    for (size_t i = 0; i < cfg->n_bridges; i++) {
        const struct ovsrec_bridge *row = cfg->bridges[i];
        shash_add_once(&bridges, row->name,
                       node_bridge_from_row(row, shash_find_data(&no->bridges,
                                                                 row->name)));
    }

    /* Removals first: an interface may have moved to another bridge. */
    tell_removals(compiler, &no->bridges, &bridges);
    tell_additions(compiler, &no->bridges, &bridges);
    destroy_bridges(&no->bridges);
    no->bridges = bridges;
    shash_moved(&no->bridges);
    no->attachments_seqno++;

    free(no->system_id);
    no->system_id = nullable_xstrdup(smap_get(&cfg->external_ids,
                                              "system-id"));
    free(no->version);
    no->version = nullable_xstrdup(cfg->ovs_version);
}
