/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/keystone-ovs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/flow-table.h"
#include "controller/pipeline.h"
#include "controller/policy-sim.h"
#include "dirs.h"
#include "flow.h"
#include "jsonrpc.h"
#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/shash.h"
#include "openvswitch/vconn.h"
#include "packets.h"
#include "tests/keystone-packet.h"
#include "tests/ovs-compat.h"
#include "unixctl.h"
#include "util.h"

struct ovs {
    struct jsonrpc *unixctl;
    struct shash bridges;       /* Of "struct ovs_bridge". */
};

struct ovs_bridge {
    struct vconn *vconn;
};

static struct ovs_bridge *
bridge_get(struct ovs *ovs, const char *name)
{
    struct ovs_bridge *bridge = shash_find_data(&ovs->bridges, name);

    if (!bridge) {
        char *target = xasprintf("unix:%s/%s.mgmt", ovs_rundir(), name);
        int error;

        bridge = xzalloc(sizeof *bridge);
        error = vconn_open_block(target, 1u << OFP15_VERSION, 0, 10000,
                                 &bridge->vconn);
        if (error) {
            ovs_fatal(error, "%s", target);
        }
        free(target);
        shash_add(&ovs->bridges, name, bridge);
    }
    return bridge;
}

/* Returns the control socket of the ovs-vswitchd in ovs_rundir(). */
static char *
find_control_socket(void)
{
    char *path = xasprintf("%s/ovs-vswitchd.pid", ovs_rundir());
    FILE *file = fopen(path, "r");
    int pid;

    if (!file || fscanf(file, "%d", &pid) != 1) {
        ovs_fatal(errno, "%s", path);
    }
    fclose(file);
    free(path);
    return xasprintf("%s/ovs-vswitchd.%d.ctl", ovs_rundir(), pid);
}

struct ovs *
ovs_connect(void)
{
    struct ovs *ovs = xzalloc(sizeof *ovs);
    char *path = find_control_socket();
    int error = unixctl_client_create(path, &ovs->unixctl);

    if (error) {
        ovs_fatal(error, "%s", path);
    }
    free(path);
    shash_init(&ovs->bridges);
    return ovs;
}

void
ovs_disconnect(struct ovs *ovs)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &ovs->bridges) {
        struct ovs_bridge *bridge = node->data;

        vconn_close(bridge->vconn);
    }
    shash_destroy_free_data(&ovs->bridges);
    jsonrpc_close(ovs->unixctl);
    free(ovs);
}

/* Installing. */

static struct ofpbuf *
encode_change(const struct flow_entry *entry)
{
    const struct flow_content *content = entry->desired;
    struct ofputil_flow_mod fm = {
        .priority = entry->priority,
        .new_cookie = content ? content->cookie : OVS_BE64_MAX,
        .table_id = entry->table_id,
        .command = content ? OFPFC_ADD : OFPFC_DELETE_STRICT,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .ofpacts = content ? content->ofpacts : NULL,
        .ofpacts_len = content ? content->ofpacts_len : 0,
    };

    minimatch_clone(&fm.match, &entry->match);

    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);
    minimatch_destroy(&fm.match);
    return msg;
}

static struct ofpbuf *
encode_delete_all(void)
{
    struct ofputil_flow_mod fm = {
        .new_cookie = OVS_BE64_MAX,
        .table_id = OFPTT_ALL,
        .command = OFPFC_DELETE,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };
    struct match match = MATCH_CATCHALL_INITIALIZER;

    minimatch_init(&fm.match, &match);

    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);
    minimatch_destroy(&fm.match);
    return msg;
}

static void
transact_bundle(struct ovs_bridge *bridge, struct ovs_list *requests)
{
    struct ovs_list errors;
    int retval = vconn_bundle_transact(bridge->vconn, requests,
                                       OFPBF_ORDERED | OFPBF_ATOMIC, &errors);
    struct ofpbuf *error;

    LIST_FOR_EACH (error, list_node, &errors) {
        char *text = ofp_to_string(error->data, error->size, NULL, NULL, 2);

        fprintf(stderr, "%s\n", text);
        free(text);
    }
    if (retval || !ovs_list_is_empty(&errors)) {
        ovs_fatal(retval, "the switch refused flows");
    }
    ofpbuf_list_delete(requests);
}

static size_t
count_flows(struct ovs_bridge *bridge)
{
    struct ofputil_flow_stats_request fsr = {
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
    };
    struct ofputil_flow_stats *stats;
    size_t n;

    match_init_catchall(&fsr.match);
    int error = vconn_dump_flows(bridge->vconn, &fsr, OFPUTIL_P_OF15_OXM,
                                 &stats, &n);
    if (error) {
        ovs_fatal(error, "dumping flows");
    }
    for (size_t i = 0; i < n; i++) {
        free(CONST_CAST(struct ofpact *, stats[i].ofpacts));
    }
    free(stats);
    return n;
}

static bool
is_new(const struct flow_table *table)
{
    const struct flow_entry *entry;

    HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
        if (entry->committed) {
            return false;
        }
    }
    return true;
}

void
ovs_install(struct ovs *ovs, const char *name, struct flow_table *table)
{
    struct ovs_bridge *bridge = bridge_get(ovs, name);
    struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);

    if (!table || is_new(table)) {
        ovs_list_push_back(&requests, &encode_delete_all()->list_node);
    }
    if (table && flow_table_has_changes(table)) {
        const struct flow_entry *entry;

        FLOW_TABLE_FOR_EACH_CHANGED (entry, table) {
            ovs_list_push_back(&requests, &encode_change(entry)->list_node);
        }
    }
    if (!ovs_list_is_empty(&requests)) {
        transact_bundle(bridge, &requests);
    }
    if (table) {
        flow_table_commit(table);
    }

    size_t installed = count_flows(bridge);
    size_t desired = table ? hmap_count(&table->flows) : 0;
    if (installed != desired) {
        ovs_fatal(0, "%s has %"PRIuSIZE" flows, expected %"PRIuSIZE, name,
                  installed, desired);
    }
}

/* Tracing. */

/* Returns the text that follows 'key' in 'line', or NULL. */
static const char *
find_value(const char *line, const char *key)
{
    const char *p = line;

    while ((p = strstr(p, key))) {
        if (p == line || strchr(", (", p[-1])) {
            return p + strlen(key);
        }
        p++;
    }
    return NULL;
}

static bool
get_mac(const char *line, const char *key, struct eth_addr *mac)
{
    const char *value = find_value(line, key);

    return value && ovs_scan(value, ETH_ADDR_SCAN_FMT,
                             ETH_ADDR_SCAN_ARGS(*mac));
}

static void
get_ip(const char *line, const char *key, struct in6_addr *ip)
{
    const char *value = find_value(line, key);

    if (value) {
        char *s = xmemdup0(value, strcspn(value, ",/ \n"));
        char *error = ip_address_parse(s, ip);

        free(error);
        free(s);
    }
}

static int
get_int(const char *line, const char *key)
{
    const char *value = find_value(line, key);

    return value ? strtol(value, NULL, 0) : -1;
}

/* Registers that are zero are not shown. */
static uint32_t
get_register(const char *line, const char *key)
{
    const char *value = find_value(line, key);

    return value ? strtoul(value, NULL, 0) : 0;
}

static void
parse_final_flow(const char *line, struct trace_verdict *v)
{
    get_mac(line, "dl_src=", &v->dl_src);
    get_mac(line, "dl_dst=", &v->dl_dst);
    get_mac(line, "arp_sha=", &v->arp_sha);
    get_mac(line, "arp_tha=", &v->arp_tha);
    get_mac(line, "nd_tll=", &v->nd_tll);
    get_ip(line, "arp_spa=", &v->src);
    get_ip(line, "arp_tpa=", &v->dst);
    get_ip(line, "ipv6_src=", &v->src);
    get_ip(line, "ipv6_dst=", &v->dst);
    get_ip(line, "nd_target=", &v->nd_target);
    v->arp_op = get_int(line, "arp_op=");
    v->icmp_type = get_int(line, "icmp_type=");
    v->identity = get_register(line, "reg1=");
    eth_addr_from_uint64((uint64_t) get_register(line, "reg6=") << 32
                         | get_register(line, "reg7="), &v->answer);
}

static void
parse_line(const char *line, struct trace_verdict *v)
{
    const char *s = line + strspn(line, " ");
    const char *cookie = strstr(s, ", cookie 0x");

    if (cookie) {
        ovs_be64 value = htonll(strtoull(cookie + 9, NULL, 16));

        if (flow_cookie_is_audited(value)) {
            v->audited = true;
            v->reason = flow_cookie_reason(value);
        } else if (flow_cookie_reason(value)) {
            v->audited = false;
            v->reason = flow_cookie_reason(value);
        }
    } else if (!strncmp(s, "-> output port is ", 18)) {
        v->out_port = u16_to_ofp(atoi(s + 18));
        v->action = TRACE_OUTPUT;
    } else if (!strcmp(s, "output:LOCAL") || !strcmp(s, "LOCAL")) {
        v->out_port = OFPP_LOCAL;
        v->action = TRACE_OUTPUT;
    } else if (!strncmp(s, "output:", 7) && s[7] >= '0' && s[7] <= '9') {
        v->out_port = u16_to_ofp(atoi(s + 7));
        v->action = TRACE_OUTPUT;
    } else if (!strcmp(s, "IN_PORT")) {
        v->action = TRACE_IN_PORT;
    } else if (!strncmp(s, "controller(", 11)
               && strstr(s, "userdata=01")) {
        v->action = TRACE_CONTROLLER;
    } else if (!strncmp(s, "Final flow: ", 12)
               && strcmp(s + 12, "unchanged")) {
        parse_final_flow(s + 12, v);
    }
}

/* Returns true if the last of the given datapath actions is a port number. */
static bool
ends_in_output(const char *actions)
{
    size_t n = strlen(actions);
    size_t digits = 0;

    while (digits < n && strchr("0123456789", actions[n - digits - 1])) {
        digits++;
    }
    return digits && (digits == n || actions[n - digits - 1] == ',');
}

static void
parse_trace(const char *text, const struct sim_packet *packet,
            struct trace_verdict *v)
{
    const char *last_actions = "drop";
    char *copy = xstrdup(text);
    char *save = NULL;

    memset(v, 0, sizeof *v);
    v->dl_dst = packet->flow.dl_dst;
    v->text = xstrdup(text);
    for (char *line = strtok_r(copy, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (!strncmp(line, "Datapath actions: ", 18)) {
            const char *flags = find_value(line, "nd_reserved=");

            v->nd_flags = flags ? strtoul(flags, NULL, 0) : 0;
            last_actions = line + 18;
        } else {
            parse_line(line, v);
        }
    }

    /* Whatever the flows say, this is what happens. */
    bool sent = ends_in_output(last_actions);
    if (sent != (v->action == TRACE_OUTPUT || v->action == TRACE_IN_PORT)) {
        v->action = sent ? TRACE_OUTPUT
                    : v->action == TRACE_CONTROLLER ? TRACE_CONTROLLER
                    : TRACE_DROP;
        v->reason = v->action == TRACE_CONTROLLER ? v->reason : DROP_NONE;
    }
    free(copy);
}

void
ovs_trace(struct ovs *ovs, const struct sim_packet *packet,
          struct trace_verdict *v)
{
    struct ds flow = DS_EMPTY_INITIALIZER;
    struct ds ct_state = DS_EMPTY_INITIALIZER;
    char *result, *err;

    packet_format(packet, &flow);
    packet_format_ct_state(packet, &ct_state);

    char *argv[] = {
        CONST_CAST(char *, packet->bridge), ds_steal_cstr(&flow),
        CONST_CAST(char *, "--ct-next"), ds_steal_cstr(&ct_state)
    };
    int error = compat_unixctl_transact(ovs->unixctl, "ofproto/trace", 4, argv,
                                        &result, &err);
    if (error || err) {
        ovs_fatal(error, "ofproto/trace %s %s: %s", argv[0], argv[1],
                  err ? err : "");
    }
    free(argv[1]);
    free(argv[3]);
    parse_trace(result, packet, v);
    free(result);
    free(err);
}
