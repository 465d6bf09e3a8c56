/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/inspect-trace.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/compiler.h"
#include "controller/fastpath-driver.h"
#include "controller/flow-table.h"
#include "controller/inspect-args.h"
#include "controller/inspect-format.h"
#include "controller/inspect-show.h"
#include "controller/node-ovs.h"
#include "daemon.h"
#include "dirs.h"
#include "flow.h"
#include "jsonrpc.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/poll-loop.h"
#include "packets.h"
#include "socket-util.h"
#include "stream.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

/* How long ovs-vswitchd has to answer. */
#define VSWITCHD_TIMEOUT 1000   /* Milliseconds. */

/* A client that does not wait for its answers cannot pile up more. */
#define MAX_REQUESTS 16

/* Options of the command, by their bits in struct inspect_args. */
enum trace_option {
    OPTION_REPLY = 1 << 0,
    OPTION_ESTABLISHED = 1 << 1,
    OPTION_RELATED = 1 << 2,
};
static const char *const trace_options[] = {
    "--reply", "--established", "--related", NULL
};

struct inspect_trace {
    const struct inspect_sources *sources;
    struct ovs_list requests;       /* Contains "struct trace_request"s. */
    size_t n_requests;
};

struct trace_request {
    struct ovs_list list_node;      /* In struct inspect_trace's 'requests'. */
    struct inspect_trace *trace;
    struct unixctl_conn *conn;
    bool json;

    /* What is asked. */
    char *port;
    struct sim_packet packet;
    char *bridge;
    char *packet_text;              /* For people. */
    char *flow_text;                /* For ofproto/trace. */

    /* What the simulator says. */
    struct sim_verdict verdict;
    struct ds explanation;

    char *path;                     /* What the fast path does. */

    /* What ovs-vswitchd says. */
    struct jsonrpc *rpc;
    struct json *rpc_id;
    long long int deadline;         /* In ms. */
    char *output;                   /* Of ofproto/trace, or NULL. */
    char *failure;                  /* Why there is none. */
};

static char *trace_request_parse(struct trace_request *,
                                 const struct inspect_args *);
static void trace_request_simulate(struct trace_request *);
static void trace_request_connect(struct trace_request *);
static bool trace_request_run(struct trace_request *);
static void trace_request_reply(struct trace_request *);
static void trace_request_destroy(struct trace_request *);

struct inspect_trace *
inspect_trace_create(const struct inspect_sources *sources)
{
    struct inspect_trace *trace = xzalloc(sizeof *trace);

    trace->sources = sources;
    ovs_list_init(&trace->requests);
    return trace;
}

void
inspect_trace_run(struct inspect_trace *trace)
{
    struct trace_request *request;

    LIST_FOR_EACH_SAFE (request, list_node, &trace->requests) {
        if (trace_request_run(request)) {
            trace_request_reply(request);
            trace_request_destroy(request);
        }
    }
}

void
inspect_trace_wait(struct inspect_trace *trace)
{
    struct trace_request *request;

    LIST_FOR_EACH (request, list_node, &trace->requests) {
        if (request->rpc) {
            jsonrpc_wait(request->rpc);
            jsonrpc_recv_wait(request->rpc);
            poll_timer_wait_until(request->deadline);
        } else {
            poll_immediate_wake();
        }
    }
}

void
inspect_trace_destroy(struct inspect_trace *trace)
{
    if (trace) {
        struct trace_request *request;

        LIST_FOR_EACH_SAFE (request, list_node, &trace->requests) {
            unixctl_command_reply_error(request->conn,
                                        "the controller is exiting");
            trace_request_destroy(request);
        }
        free(trace);
    }
}

void
inspect_trace_start(struct inspect_trace *trace, struct unixctl_conn *conn,
                    int argc, const char *argv[])
{
    struct inspect_args args;
    char *error = inspect_args_parse(argc, argv, 2, 2, false, trace_options,
                                     &args);

    if (!error && trace->n_requests >= MAX_REQUESTS) {
        error = xasprintf("%d traces are in progress", MAX_REQUESTS);
    }
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
        return;
    }

    struct trace_request *request = xzalloc(sizeof *request);
    request->trace = trace;
    request->conn = conn;
    request->json = args.format == TF_JSON;
    ds_init(&request->explanation);
    ovs_list_push_back(&trace->requests, &request->list_node);
    trace->n_requests++;

    error = trace_request_parse(request, &args);
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
        trace_request_destroy(request);
        return;
    }
    trace_request_simulate(request);
    trace_request_connect(request);
}

static void
trace_request_destroy(struct trace_request *request)
{
    ovs_list_remove(&request->list_node);
    request->trace->n_requests--;
    jsonrpc_close(request->rpc);
    json_destroy(request->rpc_id);
    ds_destroy(&request->explanation);
    free(request->port);
    free(request->bridge);
    free(request->packet_text);
    free(request->flow_text);
    free(request->path);
    free(request->output);
    free(request->failure);
    free(request);
}

/* The packet. */

static bool
is_icmp6(const struct flow *flow)
{
    return flow->dl_type == htons(ETH_TYPE_IPV6)
           && flow->nw_proto == IPPROTO_ICMPV6;
}

/* ICMP answers have other types than what they answer. */
static void
set_original_icmp(struct flow *flow)
{
    static const struct {
        uint8_t nw_proto, reply, request;
    } types[] = {
        { IPPROTO_ICMP, 0, 8 },         /* Echo. */
        { IPPROTO_ICMP, 14, 13 },       /* Timestamp. */
        { IPPROTO_ICMPV6, 129, 128 },   /* Echo. */
    };

    flow->ct_tp_src = flow->tp_src;
    flow->ct_tp_dst = flow->tp_dst;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (flow->nw_proto == types[i].nw_proto
            && flow->tp_src == htons(types[i].reply)) {
            flow->ct_tp_src = htons(types[i].request);
        }
    }
}

void
inspect_trace_set_original(struct flow *flow, enum sim_ct_state state)
{
    bool reversed = (state == SIM_CT_REPLY || state == SIM_CT_RELATED_REPLY);

    if (!is_ip_any(flow) || flow->ct_nw_proto) {
        return;
    }
    flow->ct_nw_proto = flow->nw_proto;
    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        flow->ct_nw_src = reversed ? flow->nw_dst : flow->nw_src;
        flow->ct_nw_dst = reversed ? flow->nw_src : flow->nw_dst;
    } else {
        flow->ct_ipv6_src = reversed ? flow->ipv6_dst : flow->ipv6_src;
        flow->ct_ipv6_dst = reversed ? flow->ipv6_src : flow->ipv6_dst;
    }
    if (reversed && (flow->nw_proto == IPPROTO_ICMP || is_icmp6(flow))) {
        set_original_icmp(flow);
    } else {
        flow->ct_tp_src = reversed ? flow->tp_dst : flow->tp_src;
        flow->ct_tp_dst = reversed ? flow->tp_src : flow->tp_dst;
    }
}

/* An honest sender on a port. */
struct sender {
    struct eth_addr mac;
    const struct in6_addr *ips;
    size_t n_ips;
};

static void
sender_from_endpoint(struct sender *sender,
                     const struct netmap_endpoint *endpoint)
{
    sender->mac = endpoint->mac;
    sender->ips = endpoint->ips;
    sender->n_ips = endpoint->n_ips;
}

/* What 'flow' is sent to. */
static struct in6_addr
get_destination(const struct flow *flow)
{
    return (flow->dl_type != htons(ETH_TYPE_IPV6)
            ? in6_addr_mapped_ipv4(flow->nw_dst)
            : is_nd(flow, NULL) ? flow->nd_target
            : flow->ipv6_dst);
}

/* Behind a gateway port is the gateway of each network that has the port; the
 * destination says which. */
static bool
sender_from_gateway(struct sender *sender, const struct netmap *netmap,
                    const char *bridge, const struct flow *flow)
{
    struct in6_addr destination = get_destination(flow);
    const struct netmap_network *network;

    HMAP_FOR_EACH (network, hmap_node, &netmap->networks) {
        if (!strcmp(network->bridge, bridge)
            && network->gateway_ofport == flow->in_port.ofp_port
            && netmap_network_has_subnet_for(network, &destination)) {
            sender->mac = network->gateway_mac;
            sender->ips = network->gateways;
            sender->n_ips = network->n_gateways;
            return true;
        }
    }
    return false;
}

/* Returns the first address of 'sender' of the IP version that 'dl_type'
 * says, NULL if there is none. */
static const struct in6_addr *
first_ip(const struct sender *sender, ovs_be16 dl_type)
{
    for (size_t i = 0; i < sender->n_ips; i++) {
        if (ip_is_v4(&sender->ips[i]) == (dl_type != htons(ETH_TYPE_IPV6))) {
            return &sender->ips[i];
        }
    }
    return NULL;
}

/* Fills in what 'sender' would have in a packet and the user did not say. */
static void
complete_packet(struct flow *flow, const struct sender *sender)
{
    const struct in6_addr *ip = first_ip(sender, flow->dl_type);

    if (eth_addr_is_zero(flow->dl_src)) {
        flow->dl_src = sender->mac;
    }
    if (flow->dl_type == htons(ETH_TYPE_ARP)) {
        if (eth_addr_is_zero(flow->arp_sha)) {
            flow->arp_sha = sender->mac;
        }
        if (!flow->nw_proto) {
            flow->nw_proto = ARP_OP_REQUEST;
        }
    }
    if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        if (ip && ipv6_addr_equals(&flow->ipv6_src, &in6addr_any)
            && !is_icmp6(flow)) {
            flow->ipv6_src = *ip;
        }
    } else if (ip && !flow->nw_src) {
        flow->nw_src = in6_addr_get_mapped_ipv4(ip);
    }
    if (is_ip_any(flow) && !flow->nw_ttl) {
        flow->nw_ttl = is_nd(flow, NULL) ? 255 : 64;
    }
}

/* Finds the bridge port called 'name'.  Returns NULL if successful, otherwise
 * an error message. */
static char *
find_port(struct trace_request *request, const char *name)
{
    const struct shash *bridges
        = node_ovs_get_bridges(request->trace->sources->node_ovs);
    const struct shash_node *node;

    SHASH_FOR_EACH (node, bridges) {
        const struct node_bridge *bridge = node->data;
        const struct node_port *port = shash_find_data(&bridge->ports, name);

        if (port) {
            if (port->ofport == OFPP_NONE) {
                return xasprintf("%s: the port has no OpenFlow port number",
                                 name);
            }
            request->port = xstrdup(name);
            request->bridge = xstrdup(bridge->name);
            request->packet.bridge = request->bridge;
            request->packet.flow.in_port.ofp_port = port->ofport;
            return NULL;
        }
    }
    return xasprintf("%s: no bridge of this node has an interface of this "
                     "name", name);
}

static enum sim_ct_state
option_ct_state(unsigned long int flags)
{
    return (flags & OPTION_RELATED
            ? (flags & OPTION_REPLY ? SIM_CT_RELATED_REPLY : SIM_CT_RELATED)
            : flags & OPTION_REPLY ? SIM_CT_REPLY
            : flags & OPTION_ESTABLISHED ? SIM_CT_ESTABLISHED
            : SIM_CT_NEW);
}

/* What makes the parser of ofproto/trace accept the fields of the original
 * direction: it wants "new", "est" or "rpl" as well. */
static uint32_t
ct_state_bits(enum sim_ct_state state)
{
    switch (state) {
    case SIM_CT_NEW:
        return CS_TRACKED | CS_NEW;
    case SIM_CT_ESTABLISHED:
        return CS_TRACKED | CS_ESTABLISHED;
    case SIM_CT_REPLY:
        return CS_TRACKED | CS_ESTABLISHED | CS_REPLY_DIR;
    case SIM_CT_RELATED:
        return CS_TRACKED | CS_NEW | CS_RELATED;
    case SIM_CT_RELATED_REPLY:
        return CS_TRACKED | CS_RELATED | CS_REPLY_DIR;
    case SIM_CT_INVALID:
        return CS_TRACKED | CS_INVALID;
    }
    OVS_NOT_REACHED();
}

static const char *
ct_state_name(enum sim_ct_state state)
{
    return (state == SIM_CT_NEW ? "first packet of a connection"
            : state == SIM_CT_ESTABLISHED
            ? "established connection, original direction"
            : state == SIM_CT_REPLY ? "established connection, reply"
            : state == SIM_CT_INVALID ? "invalid"
            : "ICMP error about a connection");
}

/* As ofproto/trace's --ct-next wants it. */
static const char *
ct_next(enum sim_ct_state state)
{
    return (state == SIM_CT_NEW ? "trk,new"
            : state == SIM_CT_ESTABLISHED ? "trk,est"
            : state == SIM_CT_REPLY ? "trk,est,rpl"
            : state == SIM_CT_RELATED ? "trk,rel"
            : state == SIM_CT_RELATED_REPLY ? "trk,rel,rpl"
            : "trk,inv");
}

/* Names that people and the formatter of flows use for fields, but that the
 * parser of exact flows takes for another protocol's, and fields that the
 * formatter shows and the parser refuses. */
static const struct {
    uint8_t nw_proto;           /* 0 for any. */
    const char *from, *to;
} replacements[] = {
    { IPPROTO_ICMPV6, ",icmp_type=", ",icmpv6_type=" },
    { IPPROTO_ICMPV6, ",icmp_code=", ",icmpv6_code=" },
    { IPPROTO_ICMPV6, ",nd_sll=00:00:00:00:00:00", "" },
    { IPPROTO_ICMPV6, ",nd_tll=00:00:00:00:00:00", "" },
    { IPPROTO_UDP, ",tp_src=", ",udp_src=" },
    { IPPROTO_UDP, ",tp_dst=", ",udp_dst=" },
    { IPPROTO_SCTP, ",tp_src=", ",sctp_src=" },
    { IPPROTO_SCTP, ",tp_dst=", ",sctp_dst=" },
    { 0, ",vlan_tci1=0x0000", "" },
    { 0, ",dl_type=0x0000", "" },
};

/* Returns a copy of 'text', a flow with network protocol 'nw_proto', in which
 * the parser understands every field. */
static char *
make_parseable(const char *text, uint8_t nw_proto)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    while (*text) {
        size_t i;

        for (i = 0; i < ARRAY_SIZE(replacements); i++) {
            const char *from = replacements[i].from;
            if ((!replacements[i].nw_proto
                 || replacements[i].nw_proto == nw_proto)
                && !strncmp(text, from, strlen(from))) {
                break;
            }
        }
        if (i < ARRAY_SIZE(replacements)) {
            ds_put_cstr(&s, replacements[i].to);
            text += strlen(replacements[i].from);
        } else {
            ds_put_char(&s, *text++);
        }
    }
    return ds_steal_cstr(&s);
}

/* Returns 'flow' in the syntax of ofproto/trace, which the caller must
 * free. */
static char *
format_flow_for_trace(const struct flow *flow)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    flow_format(&s, flow, NULL);
    char *text = make_parseable(ds_cstr(&s), flow->nw_proto);
    ds_destroy(&s);
    return text;
}

/* Returns the network protocol that a keyword in 'text' selects, 0 if none
 * does. */
static uint8_t
find_protocol(const char *text)
{
    char *copy = xstrdup(text);
    char *pos = copy;
    uint8_t nw_proto = 0;
    char *key, *value;

    while (ofputil_parse_key_value(&pos, &key, &value)) {
        const struct ofp_protocol *p;
        if (ofp_parse_protocol(key, &p) && p->nw_proto) {
            nw_proto = p->nw_proto;
        }
    }
    free(copy);
    return nw_proto;
}

/* Parses 'text' as the user wrote it.  Returns NULL if successful, otherwise
 * an error message. */
static char *
parse_flow(const char *text, struct flow *flow)
{
    char *copy = make_parseable(text, find_protocol(text));
    char *error = parse_ofp_exact_flow(flow, NULL, NULL, copy, NULL);
    free(copy);

    if (!error && flow->in_port.ofp_port != OFPP_NONE) {
        error = xasprintf("%s: the packet comes from PORT, in_port does not "
                          "belong here", text);
    }
    return error;
}

static char *
trace_request_parse(struct trace_request *request,
                    const struct inspect_args *args)
{
    const struct netmap *netmap
        = compiler_get_netmap(request->trace->sources->compiler);
    const struct netmap_endpoint *endpoint
        = inspect_find_port(netmap, args->positional[0]);
    struct sim_packet *packet = &request->packet;
    struct flow flow;

    char *error = parse_flow(args->positional[1], &flow);
    if (error) {
        return error;
    } else if (args->flags & OPTION_RELATED && !flow.ct_nw_proto) {
        return xasprintf("%s: --related needs the connection that the ICMP "
                         "error is about: ct_state=trk|new|rel,"
                         "ct_nw_proto=6,ct_nw_src=IP,ct_nw_dst=IP,"
                         "ct_tp_dst=PORT",
                         args->positional[1]);
    }
    error = find_port(request, args->positional[0]);
    if (error) {
        return error;
    }

    flow.in_port = packet->flow.in_port;
    struct sender sender;
    if (endpoint) {
        sender_from_endpoint(&sender, endpoint);
        complete_packet(&flow, &sender);
    } else if (sender_from_gateway(&sender, netmap, request->bridge, &flow)) {
        complete_packet(&flow, &sender);
    }

    flow.ct_state = 0;
    struct ds s = DS_EMPTY_INITIALIZER;
    flow_format(&s, &flow, NULL);
    request->packet_text = ds_steal_cstr(&s);

    packet->ct_state = option_ct_state(args->flags);
    inspect_trace_set_original(&flow, packet->ct_state);
    packet->flow = flow;
    if (is_ip_any(&flow)) {
        flow.ct_state = ct_state_bits(packet->ct_state);
    }
    request->flow_text = format_flow_for_trace(&flow);
    return NULL;
}

static void
explain_rule(struct trace_request *request, const char *half,
             const struct uuid *uuid)
{
    if (!uuid_is_zero(uuid)) {
        char *row = compiler_describe_row(request->trace->sources->compiler,
                                          uuid);
        ds_put_format(&request->explanation, "%s: %s\n", half,
                      row ? row : "unknown row");
        free(row);
    }
}

static void
trace_request_simulate(struct trace_request *request)
{
    const struct compiler *compiler = request->trace->sources->compiler;
    const struct sim_verdict *verdict = &request->verdict;

    policy_sim(compiler_get_netmap(compiler), compiler_get_depmap(compiler),
               &request->packet, &request->verdict, &request->explanation);
    explain_rule(request, "egress rule", &verdict->egress_rule);
    explain_rule(request, "ingress rule", &verdict->ingress_rule);

    /* A test may do without. */
    const struct inspect_sources *sources = request->trace->sources;
    struct in6_addr destination = get_destination(&request->packet.flow);
    if (sources->fastpath) {
        request->path = fastpath_driver_explain(
            sources->fastpath, sources->node_ovs, compiler, request->port,
            &destination, &request->packet, verdict);
    }
}

/* ovs-vswitchd. */

/* Stores the path of the control socket of ovs-vswitchd in '*pathp', or
 * returns why it is not known. */
static char *
find_vswitchd(char **pathp)
{
    char *pidfile = xasprintf("%s/ovs-vswitchd.pid", ovs_rundir());
    char *error = NULL;

    if (access(pidfile, R_OK)) {
        error = xasprintf("%s: %s", pidfile, ovs_strerror(errno));
    } else {
        pid_t pid = read_pidfile(pidfile);
        if (pid < 0) {
            error = xasprintf("%s: %s", pidfile, ovs_strerror(-pid));
        } else {
            *pathp = xasprintf("%s/ovs-vswitchd.%ld.ctl", ovs_rundir(),
                               (long int) pid);
        }
    }
    free(pidfile);
    return error;
}

/* Sends the request to ovs-vswitchd.  On failure, sets 'failure'. */
static void
trace_request_connect(struct trace_request *request)
{
    char *path = NULL;

    request->failure = find_vswitchd(&path);
    if (request->failure) {
        return;
    }

    char *name = xasprintf("unix:%s", path);
    struct stream *stream;
    int error = stream_open(name, &stream, DSCP_DEFAULT);
    if (!error) {
        /* A Unix domain socket is connected at once or not at all. */
        error = stream_connect(stream);
        if (error) {
            stream_close(stream);
        }
    }
    if (error) {
        request->failure = xasprintf("%s: %s", path, ovs_strerror(error));
    } else {
        struct json *params = json_array_create_empty();
        json_array_add(params, json_string_create(request->bridge));
        json_array_add(params, json_string_create(request->flow_text));
        if (is_ip_any(&request->packet.flow)) {
            json_array_add(params, json_string_create("--ct-next"));
            json_array_add(params, json_string_create(
                               ct_next(request->packet.ct_state)));
        }

        struct jsonrpc_msg *msg = jsonrpc_create_request("ofproto/trace",
                                                         params, NULL);
        request->rpc = jsonrpc_open(stream);
        request->rpc_id = json_clone(msg->id);
        request->deadline = time_msec() + VSWITCHD_TIMEOUT;
        jsonrpc_send(request->rpc, msg);
    }
    free(name);
    free(path);
}

static void
handle_reply(struct trace_request *request, const struct jsonrpc_msg *msg)
{
    if (msg->result && msg->result->type == JSON_STRING) {
        request->output = xstrdup(json_string(msg->result));
    } else if (msg->error && msg->error->type == JSON_STRING) {
        request->failure = xstrdup(json_string(msg->error));
    } else {
        request->failure = xstrdup("ovs-vswitchd sent an unexpected answer");
    }
}

/* Returns true if the request is complete. */
static bool
trace_request_run(struct trace_request *request)
{
    if (request->rpc) {
        struct jsonrpc_msg *msg;

        jsonrpc_run(request->rpc);
        int error = jsonrpc_recv(request->rpc, &msg);
        if (!error) {
            if ((msg->type == JSONRPC_REPLY || msg->type == JSONRPC_ERROR)
                && json_equal(msg->id, request->rpc_id)) {
                handle_reply(request, msg);
            }
            jsonrpc_msg_destroy(msg);
        } else if (error != EAGAIN) {
            request->failure = xasprintf("ovs-vswitchd: %s",
                                         ovs_retval_to_string(error));
        } else if (time_msec() >= request->deadline) {
            request->failure = xstrdup("ovs-vswitchd did not answer in time");
        }
    }
    return request->output || request->failure;
}

/* Looks at a line of ofproto/trace's output that tells of an output, after
 * its indentation. */
static void
parse_output_line(const char *line, ofp_port_t in_port,
                  struct trace_result *result)
{
    unsigned int port;

    if (ovs_scan(line, "-> output port is %u", &port)
        || ovs_scan(line, "output:%u", &port)) {
        result->port = u16_to_ofp(port);
    } else if (!strncmp(line, "IN_PORT", 7)) {
        result->port = in_port;
    } else if (!strncmp(line, "LOCAL", 5)) {
        result->port = OFPP_LOCAL;
    }
}

void
inspect_trace_parse(const char *output, ofp_port_t in_port,
                    struct trace_result *result)
{
    char *copy = xstrdup(output);
    char *save_ptr = NULL;

    memset(result, 0, sizeof *result);
    result->port = OFPP_NONE;
    for (char *line = strtok_r(copy, "\n", &save_ptr); line;
         line = strtok_r(NULL, "\n", &save_ptr)) {
        const char *cookie = strstr(line, ", cookie 0x");
        uint64_t value;

        line += strspn(line, " ");
        if (cookie && ovs_scan(cookie, ", cookie 0x%"SCNx64, &value)
            && flow_cookie_is_ours(htonll(value))
            && flow_cookie_reason(htonll(value)) != DROP_NONE) {
            result->reason = flow_cookie_reason(htonll(value));
            result->audited = flow_cookie_is_audited(htonll(value));
        } else if (!strncmp(line, "Datapath actions: ", 18)) {
            result->delivered = strcmp(line + 18, "drop") != 0;
        } else {
            parse_output_line(line, in_port, result);
        }
    }
    free(copy);
}

/* The reply. */

/* Do the simulator and the flows agree?  'result' is what the flows do. */
static bool
verdicts_agree(const struct trace_request *request,
               const struct trace_result *result)
{
    const struct sim_verdict *verdict = &request->verdict;
    ofp_port_t in_port = request->packet.flow.in_port.ofp_port;

    if (verdict->action == SIM_DROP) {
        return !result->delivered && result->reason == verdict->reason;
    }

    ofp_port_t port = (verdict->action == SIM_DELIVER ? verdict->out_port
                       : in_port);
    return (result->delivered
            && result->audited == verdict->audited
            && (result->port == port || result->port == OFPP_NONE));
}

static char *
format_verdict(const struct sim_verdict *verdict)
{
    const char *audited = (verdict->audited
                           ? drop_reason_name(verdict->reason) : NULL);

    switch (verdict->action) {
    case SIM_DROP:
        return xasprintf("dropped: %s (reason %d): %s",
                         drop_reason_name(verdict->reason), verdict->reason,
                         drop_reason_explanation(verdict->reason));
    case SIM_DELIVER:
        return xasprintf("delivered to port %"PRIu32" as "ETH_ADDR_FMT"%s%s%s",
                         verdict->out_port, ETH_ADDR_ARGS(verdict->mac),
                         audited ? ", only because of audit mode (" : "",
                         audited ? audited : "", audited ? ")" : "");
    case SIM_ARP_REPLY:
    case SIM_ND_REPLY:
        return xasprintf("answered with "ETH_ADDR_FMT,
                         ETH_ADDR_ARGS(verdict->mac));
    }
    OVS_NOT_REACHED();
}

static char *
format_command(const struct trace_request *request)
{
    return (is_ip_any(&request->packet.flow)
            ? xasprintf("ovs-appctl ofproto/trace %s '%s' --ct-next %s",
                        request->bridge, request->flow_text,
                        ct_next(request->packet.ct_state))
            : xasprintf("ovs-appctl ofproto/trace %s '%s'",
                        request->bridge, request->flow_text));
}

static void
put_lines(struct ds *s, const char *indentation, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len) {
            ds_put_format(s, "%s%.*s", indentation, (int) len, text);
        }
        ds_put_char(s, '\n');
        text += len + (text[len] == '\n');
    }
}

static void
format_reply(const struct trace_request *request, const char *verdict,
             const char *command, struct ds *s)
{
    ds_put_format(s, "Packet from port %s of bridge %s", request->port,
                  request->bridge);
    if (is_ip_any(&request->packet.flow)) {
        ds_put_format(s, ", %s", ct_state_name(request->packet.ct_state));
    }
    ds_put_format(s, "\n    %s\nSimulator\n", request->packet_text);
    put_lines(s, "    ", ds_cstr_ro(&request->explanation));
    ds_put_format(s, "    verdict: %s\n", verdict);
    if (request->path) {
        ds_put_format(s, "Fast path\n    %s\n", request->path);
    }
    ds_put_format(s, "OpenFlow\n    %s\n", command);
    if (!request->output) {
        ds_put_format(s, "    not run: %s\n", request->failure);
        return;
    }

    struct trace_result result;
    inspect_trace_parse(request->output, request->packet.flow.in_port.ofp_port,
                        &result);
    put_lines(s, "    ", request->output);
    ds_put_format(s, "Simulator and flows %s\n",
                  verdicts_agree(request, &result) ? "agree" : "DISAGREE");
}

static struct json *
reply_to_json(const struct trace_request *request, const char *verdict,
              const char *command)
{
    static const char *const actions[] = {
        [SIM_DROP] = "drop",
        [SIM_DELIVER] = "deliver",
        [SIM_ARP_REPLY] = "arp-reply",
        [SIM_ND_REPLY] = "nd-reply",
    };
    struct json *object = json_object_create();

    json_object_put_string(object, "bridge", request->bridge);
    json_object_put_string(object, "port", request->port);
    json_object_put_string(object, "packet", request->packet_text);
    json_object_put_string(object, "explanation",
                           ds_cstr_ro(&request->explanation));
    json_object_put_string(object, "verdict", verdict);
    json_object_put_string(object, "action",
                           actions[request->verdict.action]);
    json_object_put(object, "audited",
                    json_boolean_create(request->verdict.audited));
    if (request->verdict.reason) {
        json_object_put_string(object, "reason",
                               drop_reason_name(request->verdict.reason));
    }
    if (request->path) {
        json_object_put_string(object, "fast-path", request->path);
    }
    json_object_put_string(object, "command", command);
    if (request->output) {
        struct trace_result result;
        inspect_trace_parse(request->output,
                            request->packet.flow.in_port.ofp_port, &result);
        json_object_put_string(object, "output", request->output);
        json_object_put(object, "agree",
                        json_boolean_create(verdicts_agree(request,
                                                           &result)));
    } else {
        json_object_put_string(object, "failure", request->failure);
    }
    return object;
}

static void
trace_request_reply(struct trace_request *request)
{
    char *verdict = format_verdict(&request->verdict);
    char *command = format_command(request);

    if (request->json) {
        struct json *json = reply_to_json(request, verdict, command);
        char *s = json_to_string(json, JSSF_SORT);
        unixctl_command_reply(request->conn, s);
        free(s);
        json_destroy(json);
    } else {
        struct ds s = DS_EMPTY_INITIALIZER;
        format_reply(request, verdict, command, &s);
        unixctl_command_reply(request->conn, ds_cstr(&s));
        ds_destroy(&s);
    }
    free(verdict);
    free(command);
}
