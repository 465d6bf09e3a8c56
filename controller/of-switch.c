/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/of-switch.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/flow-sync.h"
#include "controller/flow-table.h"
#include "controller/of-messages.h"
#include "controller/of-meters.h"
#include "controller/pipeline.h"
#include "coverage.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(of_switch);

COVERAGE_DEFINE(of_switch_bundle);
COVERAGE_DEFINE(of_switch_dump);
COVERAGE_DEFINE(of_switch_flow_mod);
COVERAGE_DEFINE(of_switch_foreign_change);
COVERAGE_DEFINE(of_switch_packet_in);
COVERAGE_DEFINE(of_switch_tx_overflow);
COVERAGE_DEFINE(of_switch_undecodable);
COVERAGE_DEFINE(of_switch_unexpected);

/* Limits on the work in one of_switch_run(). */
#define MAX_RX_MSGS 50
#define MAX_RX_BYTES (256 * 1024)
#define MAX_TX_OPS 500

/* Limits on what waits to be sent. */
#define MAX_TX_BYTES (256 * 1024)   /* Of a bundle. */
#define MAX_TX_REPLIES 32           /* Echo replies. */
#define MAX_TX_PACKETS 100          /* Packet-outs. */
#define MAX_DUMP_REQUESTS 64

#define MAX_UNDECODABLE 16          /* Messages, then disconnect. */
#define MAX_LOG_LINES 10            /* Of repaired flows. */

/* In milliseconds. */
#define HANDSHAKE_TIMEOUT 10000
#define DUMP_TIMEOUT 30000          /* Without any progress. */
#define BUNDLE_TIMEOUT 60000        /* Without any progress. */
#define MIN_BACKOFF 1000
#define MAX_BACKOFF 30000
#define MIN_AUDIT_GAP 1000          /* Between audits for foreign changes. */

/* A periodic dump may take this fraction of the time. */
#define AUDIT_CPU_DIVISOR 200

/* States of a connection.
 *
 *    - CONNECTING: Negotiating the OpenFlow version.
 *
 *          Connected -> HANDSHAKE.
 *
 *    - HANDSHAKE: Configured the connection, waiting for the features reply.
 *
 *          Features reply -> IDLE.
 *
 *    - IDLE: Nobody wants anything from this switch.
 *
 *          of_switch_attach() -> DUMP.
 *
 * From any of the states that follow, of_switch_detach() -> IDLE, and
 * of_switch_attach() -> DUMP.
 *
 *    - DUMP: Waiting for the rest of the installed flows.  No bundle is in
 *      progress.
 *
 *          Last part, and there is something to send -> ADD.
 *          Last part, and there is not -> SYNCED.
 *          Error -> BACKOFF.
 *
 *    - ADD: Sending the flow mods of a bundle, as fast as the switch reads.
 *
 *          Last one sent -> CLOSE.
 *          Error -> BACKOFF.
 *
 *    - CLOSE: Waiting for the switch to close the bundle.  A flow mod that the
 *      switch cannot decode is not in its bundle and would not stop it from
 *      committing the others.  Errors about such flow mods come before the
 *      reply.
 *
 *          Reply, and there was no error -> COMMIT.
 *          Error -> BACKOFF.
 *
 *    - COMMIT: Waiting for the barrier behind the bundle.
 *
 *          Barrier, and there was no error -> SYNCED.
 *          Barrier, and there was an error -> BACKOFF.
 *
 *    - SYNCED: What was desired is installed.
 *
 *          Changes of the desired table -> ADD.
 *          Time for an audit, or somebody asks for one -> DUMP.
 *
 *    - BACKOFF: Waiting after an error.  What is installed is not known.
 *
 *          Timeout, or somebody asks for a dump -> DUMP.
 *
 * Disconnection and timeouts of the other states end the connection from any
 * state. */
#define OF_SWITCH_STATES                        \
    STATE(CONNECTING, "connecting")             \
    STATE(HANDSHAKE, "handshake")               \
    STATE(IDLE, "idle")                         \
    STATE(DUMP, "dump")                         \
    STATE(ADD, "bundle-add")                    \
    STATE(CLOSE, "bundle-close")                \
    STATE(COMMIT, "bundle-commit")              \
    STATE(SYNCED, "synced")                     \
    STATE(BACKOFF, "backoff")

enum of_switch_state {
#define STATE(NAME, STRING) S_##NAME,
    OF_SWITCH_STATES
#undef STATE
};

/* One of_switch_request_dump(). */
struct dump_request {
    struct ovs_list node;       /* In 'dump_requests' or 'dump_current'. */
    of_switch_dump_cb *cb;
    void *aux;
};

struct of_switch {
    struct rconn *rconn;
    char *name;                 /* The rconn forgets its own. */
    enum of_switch_state state;
    long long int deadline;     /* Of 'state', LLONG_MAX if there is none. */
    bool was_alive;             /* For logging that it died. */

    /* Handshake. */
    enum ofp_version version;
    enum ofputil_protocol protocol;
    uint64_t dpid;              /* Valid from S_IDLE on. */

    /* Transaction ids.  They are our own and increase by one, so that an
     * error can be traced back to the flow mod that caused it. */
    uint32_t next_xid;
    uint32_t features_xid;
    uint32_t monitor_xid;
    uint32_t dump_xid;
    uint32_t meters_xid;        /* Of a dump of meters. */
    uint32_t meter_mod_xid;     /* First of those that followed it. */
    uint32_t n_meter_mods;
    uint32_t op_xid;            /* First of ops.n. */
    uint32_t open_xid;
    uint32_t close_xid;
    uint32_t commit_xid;
    uint32_t barrier_xid;

    /* Limits. */
    unsigned int n_undecodable;
    struct rconn_packet_counter *bundle_queued;
    struct rconn_packet_counter *reply_queued;
    struct rconn_packet_counter *packet_queued;

    /* What is wanted. */
    struct flow_table *desired; /* NULL if not attached. */
    bool exclusive;
    struct of_meters meters;
    uint64_t desired_version;
    uint64_t acked_version;

    /* Bundle in progress. */
    uint32_t bundle_id;
    struct flow_ops ops;
    size_t n_sent;              /* Of 'ops'. */
    uint64_t bundle_version;
    bool commit_replied;

    /* Result of the last bundle or dump. */
    bool trust_committed;       /* What is committed should be installed. */
    int backoff;                /* In milliseconds, 0 if all went well. */
    char *last_error;           /* NULL if there was none. */
    long long int last_error_time;  /* On the wall clock. */

    /* Dumps. */
    struct flow_dump *dump;     /* In S_DUMP. */
    long long int dump_started;
    long long int dump_usec;    /* Time spent on this dump. */
    int audit_interval;
    long long int next_audit;
    bool audit_requested;       /* By the flow monitor. */
    bool monitor_active;
    bool dump_last;             /* Had a dump since the last bundle. */
    struct ovs_list dump_requests;  /* Waiting "struct dump_request"s. */
    struct ovs_list dump_current;   /* To be answered by 'dump'. */
    size_t n_dump_requests;
    size_t n_installed;
    long long int last_audit_time;  /* On the wall clock, 0 if never. */
    long long int last_dump_usec;

    struct flow_graves graves;
    struct of_switch_stats stats;

    of_switch_packet_in_cb *packet_in_cb;
    void *packet_in_aux;
};

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 60);
static struct vlog_rate_limit peer_rl = VLOG_RATE_LIMIT_INIT(10, 30);

static const char *state_name(enum of_switch_state);
static uint32_t send_msg(struct of_switch *, struct ofpbuf *);
static void set_state(struct of_switch *, enum of_switch_state, int timeout);
static void fail(struct of_switch *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
static void drop_connection(struct of_switch *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
static void record_error(struct of_switch *, const char *format, va_list)
    OVS_PRINTF_FORMAT(2, 0);

static void start_handshake(struct of_switch *);
static void run_rx(struct of_switch *);
static void run_state(struct of_switch *);
static void process_msg(struct of_switch *, struct ofpbuf *);

static void process_flow_stats(struct of_switch *, struct ofpbuf *);

static void start_dump(struct of_switch *);
static void finish_dump(struct of_switch *);
static void abandon_dump(struct of_switch *);
static bool dump_is_due(const struct of_switch *);
static long long int next_dump_time(const struct of_switch *);
static void answer_dump_requests(struct of_switch *, struct ovs_list *,
                                 const char *error, const struct ds *,
                                 size_t n);

static void start_bundle(struct of_switch *);

static void send_ops(struct of_switch *);
static void commit_bundle(struct of_switch *);
static void finish_bundle(struct of_switch *);
static void abandon_bundle(struct of_switch *);

static struct of_switch *
of_switch_alloc(void)
{
    struct of_switch *sw = xzalloc(sizeof *sw);

    sw->next_xid = 1;
    sw->was_alive = true;
    sw->audit_interval = OF_SWITCH_AUDIT_INTERVAL;
    sw->bundle_queued = rconn_packet_counter_create();
    sw->reply_queued = rconn_packet_counter_create();
    sw->packet_queued = rconn_packet_counter_create();
    ovs_list_init(&sw->dump_requests);
    ovs_list_init(&sw->dump_current);
    flow_graves_init(&sw->graves);
    return sw;
}

struct of_switch *
of_switch_create(struct vconn *vconn)
{
    struct of_switch *sw = of_switch_alloc();

    vconn_set_allowed_versions(vconn, OF_SWITCH_VERSIONS);
    sw->rconn = rconn_create(OF_SWITCH_PROBE_INTERVAL, 0, DSCP_DEFAULT,
                             OF_SWITCH_VERSIONS);
    sw->name = xstrdup(vconn_get_name(vconn));
    rconn_connect_unreliably(sw->rconn, vconn, NULL);
    set_state(sw, S_CONNECTING, HANDSHAKE_TIMEOUT);
    return sw;
}

void
of_switch_destroy(struct of_switch *sw)
{
    if (!sw) {
        return;
    }
    abandon_dump(sw);
    flow_ops_destroy(&sw->ops);
    rconn_destroy(sw->rconn);
    answer_dump_requests(sw, &sw->dump_requests, "connection closed", NULL, 0);
    rconn_packet_counter_destroy(sw->bundle_queued);
    rconn_packet_counter_destroy(sw->reply_queued);
    rconn_packet_counter_destroy(sw->packet_queued);
    flow_graves_destroy(&sw->graves);
    of_meters_destroy(&sw->meters);
    free(sw->last_error);
    free(sw->name);
    free(sw);
}

void
of_switch_run(struct of_switch *sw)
{
    rconn_run(sw->rconn);
    if (sw->state == S_CONNECTING && rconn_is_connected(sw->rconn)) {
        start_handshake(sw);
    }
    if (rconn_is_connected(sw->rconn)) {
        run_rx(sw);
    }
    if (of_switch_is_alive(sw)) {
        run_state(sw);
    }
    flow_graves_expire(&sw->graves);

    if (!of_switch_is_alive(sw)) {
        if (sw->was_alive) {
            int error = rconn_get_last_error(sw->rconn);

            sw->was_alive = false;
            VLOG_INFO_RL(&peer_rl, "%s: connection closed%s (%s)",
                         of_switch_get_name(sw),
                         (sw->state == S_CONNECTING
                          ? " before version negotiation" : ""),
                         error ? ovs_retval_to_string(error) : "by us");
            abandon_dump(sw);
        }
        answer_dump_requests(sw, &sw->dump_requests, "connection closed",
                             NULL, 0);
    } else if (!sw->desired) {
        answer_dump_requests(sw, &sw->dump_requests,
                             "bridge is not controlled", NULL, 0);
    }
}

void
of_switch_wait(struct of_switch *sw)
{
    if (!of_switch_is_alive(sw)) {
        poll_immediate_wake();
        return;
    }

    rconn_run_wait(sw->rconn);
    rconn_recv_wait(sw->rconn);
    if (sw->deadline != LLONG_MAX) {
        poll_timer_wait_until(sw->deadline);
    }
    if (!ovs_list_is_empty(&sw->dump_requests)
        && (!sw->desired || sw->state == S_SYNCED
            || sw->state == S_BACKOFF)) {
        poll_immediate_wake();
    }
    if (sw->state == S_IDLE && sw->desired) {
        poll_immediate_wake();
    }
    if (sw->state == S_ADD
        && rconn_packet_counter_n_bytes(sw->bundle_queued) < MAX_TX_BYTES) {
        poll_immediate_wake();
    } else if (sw->state == S_SYNCED) {
        if (flow_table_has_changes(sw->desired)) {
            poll_immediate_wake();
        } else {
            poll_timer_wait_until(next_dump_time(sw));
        }
    }
}

bool
of_switch_is_alive(const struct of_switch *sw)
{
    return rconn_is_alive(sw->rconn);
}

const char *
of_switch_get_name(const struct of_switch *sw)
{
    return sw->name;
}

bool
of_switch_get_datapath_id(const struct of_switch *sw, uint64_t *dpid)
{
    if (sw->state < S_IDLE) {
        return false;
    }
    *dpid = sw->dpid;
    return true;
}

void
of_switch_set_probe_interval(struct of_switch *sw, int seconds)
{
    rconn_set_probe_interval(sw->rconn, seconds);
}

void
of_switch_set_audit_interval(struct of_switch *sw, int msec)
{
    sw->audit_interval = MAX(msec, 100);
    sw->next_audit = MIN(sw->next_audit, time_msec() + sw->audit_interval);
}

/* Stops what is in progress. */
static void
become_idle(struct of_switch *sw)
{
    abandon_dump(sw);
    abandon_bundle(sw);
    if (sw->state > S_IDLE) {
        set_state(sw, S_IDLE, 0);
    }
}

void
of_switch_attach(struct of_switch *sw, struct flow_table *desired,
                 bool exclusive, const struct of_meter *meters, size_t n)
{
    become_idle(sw);
    of_meters_destroy(&sw->meters);
    of_meters_init(&sw->meters, meters, n);
    sw->exclusive = exclusive;
    if (sw->desired != desired) {
        sw->acked_version = sw->desired_version = 0;
    }
    sw->desired = desired;
    sw->trust_committed = false;
    sw->backoff = 0;
    send_msg(sw, of_encode_switch_config(sw->version));
    poll_immediate_wake();
}

void
of_switch_detach(struct of_switch *sw)
{
    become_idle(sw);
    sw->desired = NULL;
    sw->acked_version = sw->desired_version = 0;
}

bool
of_switch_is_attached(const struct of_switch *sw)
{
    return sw->desired != NULL;
}

void
of_switch_set_version(struct of_switch *sw, uint64_t version)
{
    sw->desired_version = version;
}

uint64_t
of_switch_acked(const struct of_switch *sw)
{
    return (of_switch_is_synced(sw)
            ? sw->desired_version : sw->acked_version);
}

bool
of_switch_is_synced(const struct of_switch *sw)
{
    return (sw->desired
            && rconn_is_connected(sw->rconn)
            && (sw->state == S_SYNCED || sw->state == S_DUMP)
            && sw->trust_committed
            && !flow_table_has_changes(sw->desired));
}

void
of_switch_request_dump(struct of_switch *sw, of_switch_dump_cb *cb, void *aux)
{
    struct dump_request *request = xmalloc(sizeof *request);

    request->cb = cb;
    request->aux = aux;
    if (sw->n_dump_requests >= MAX_DUMP_REQUESTS) {
        struct ovs_list list = OVS_LIST_INITIALIZER(&list);

        ovs_list_push_back(&list, &request->node);
        sw->n_dump_requests++;
        answer_dump_requests(sw, &list, "too many requests", NULL, 0);
        return;
    }
    ovs_list_push_back(&sw->dump_requests, &request->node);
    sw->n_dump_requests++;
}

void
of_switch_cancel_dump(struct of_switch *sw, of_switch_dump_cb *cb, void *aux)
{
    struct ovs_list *lists[] = { &sw->dump_requests, &sw->dump_current };

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct dump_request *request;

        LIST_FOR_EACH_SAFE (request, node, lists[i]) {
            if (request->cb == cb && request->aux == aux) {
                ovs_list_remove(&request->node);
                sw->n_dump_requests--;
                free(request);
            }
        }
    }
}

void
of_switch_set_packet_in_handler(struct of_switch *sw,
                                of_switch_packet_in_cb *cb, void *aux)
{
    sw->packet_in_cb = cb;
    sw->packet_in_aux = aux;
}

void
of_switch_packet_out(struct of_switch *sw, const struct ofputil_packet_out *po)
{
    if (sw->state < S_IDLE) {
        return;
    }

    struct ofpbuf *msg = ofputil_encode_packet_out(po, sw->protocol);
    if (rconn_send_with_limit(sw->rconn, msg, sw->packet_queued,
                              MAX_TX_PACKETS) == EAGAIN) {
        COVERAGE_INC(of_switch_tx_overflow);
    }
}

void
of_switch_get_stats(const struct of_switch *sw, struct of_switch_stats *stats)
{
    *stats = sw->stats;
}

void
of_switch_get_status(const struct of_switch *sw,
                     struct of_switch_status *status)
{
    *status = (struct of_switch_status) {
        .name = sw->name,
        .state = of_switch_is_alive(sw) ? state_name(sw->state) : "closed",
        .attached = sw->desired != NULL,
        .synced = of_switch_is_synced(sw),
        .dpid = sw->dpid,
        .openflow_minor = sw->state >= S_IDLE ? sw->version - 1 : 0,
        .flow_monitor = sw->monitor_active,
        .n_installed = sw->n_installed,
        .n_in_flight = sw->ops.n,
        .stats = sw->stats,
        .last_audit_time = sw->last_audit_time,
        .last_audit_usec = sw->last_dump_usec,
        .last_error = sw->last_error,
        .last_error_time = sw->last_error_time,
    };
}

/* Common to everything. */

static const char *
state_name(enum of_switch_state state)
{
    switch (state) {
#define STATE(NAME, STRING) case S_##NAME: return STRING;
        OF_SWITCH_STATES
#undef STATE
    }
    OVS_NOT_REACHED();
}

/* 'timeout' is in milliseconds, 0 if there is none. */
static void
set_state(struct of_switch *sw, enum of_switch_state state, int timeout)
{
    if (sw->state != state) {
        VLOG_DBG("%s: %s -> %s", of_switch_get_name(sw),
                 state_name(sw->state), state_name(state));
    }
    sw->state = state;
    sw->deadline = timeout ? time_msec() + timeout : LLONG_MAX;
}

/* The peer did something useful. */
static void
progress(struct of_switch *sw, int timeout)
{
    sw->deadline = time_msec() + timeout;
}

static void
record_error(struct of_switch *sw, const char *format, va_list args)
{
    free(sw->last_error);
    sw->last_error = xvasprintf(format, args);
    sw->last_error_time = time_wall_msec();
    VLOG_WARN_RL(&rl, "%s: %s", of_switch_get_name(sw), sw->last_error);
}

/* Gives up on the dump or bundle in progress and tries again later, from the
 * beginning. */
static void
fail(struct of_switch *sw, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record_error(sw, format, args);
    va_end(args);

    sw->stats.n_errors++;
    sw->trust_committed = false;
    sw->backoff = MIN(sw->backoff ? sw->backoff * 2 : MIN_BACKOFF,
                      MAX_BACKOFF);
    abandon_dump(sw);
    abandon_bundle(sw);
    set_state(sw, S_BACKOFF, sw->backoff);
}

static void
drop_connection(struct of_switch *sw, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record_error(sw, format, args);
    va_end(args);
    rconn_disconnect(sw->rconn);
}

/* Sends 'msg' with transaction id 'xid'. */
static void
send_with_xid(struct of_switch *sw, struct ofpbuf *msg, uint32_t xid,
              struct rconn_packet_counter *counter)
{
    struct ofp_header *oh = msg->data;

    oh->xid = htonl(xid);
    rconn_send(sw->rconn, msg, counter);
}

static uint32_t
send_msg(struct of_switch *sw, struct ofpbuf *msg)
{
    uint32_t xid = sw->next_xid++;

    send_with_xid(sw, msg, xid, NULL);
    return xid;
}

static void
run_state(struct of_switch *sw)
{
    if (time_msec() >= sw->deadline && sw->state != S_BACKOFF) {
        drop_connection(sw, "peer does not respond in state \"%s\"",
                        state_name(sw->state));
        return;
    }

    switch (sw->state) {
    case S_CONNECTING:
    case S_HANDSHAKE:
    case S_DUMP:
    case S_CLOSE:
    case S_COMMIT:
        break;

    case S_IDLE:
        if (sw->desired) {
            start_dump(sw);
        }
        break;

    case S_ADD:
        send_ops(sw);
        break;

    case S_SYNCED:
        /* Neither a steady stream of changes nor one of requests for dumps
         * can starve the other. */
        if (dump_is_due(sw)
            && (!sw->dump_last || !flow_table_has_changes(sw->desired))) {
            start_dump(sw);
        } else if (flow_table_has_changes(sw->desired)) {
            flow_ops_from_changes(&sw->ops, sw->desired);
            start_bundle(sw);
        }
        break;

    case S_BACKOFF:
        if (time_msec() >= sw->deadline
            || !ovs_list_is_empty(&sw->dump_requests)) {
            start_dump(sw);
        }
        break;
    }
}

/* Handshake. */

static void
start_handshake(struct of_switch *sw)
{
    sw->version = rconn_get_version(sw->rconn);
    sw->protocol = ofputil_protocol_from_ofp_version(sw->version);

    send_msg(sw, of_encode_controller_id(
        sw->version, PIPELINE_CONTROLLER_ID));
    send_msg(sw, ofputil_encode_set_packet_in_format(sw->version,
                                                     OFPUTIL_PACKET_IN_NXT2));
    send_msg(sw, of_encode_async_config(sw->version));
    sw->features_xid = send_msg(
        sw, ofpraw_alloc(OFPRAW_OFPT_FEATURES_REQUEST, sw->version, 0));
    set_state(sw, S_HANDSHAKE, HANDSHAKE_TIMEOUT);
}

static void
process_features_reply(struct of_switch *sw, struct ofpbuf *msg)
{
    struct ofputil_switch_features features;
    enum ofperr error;

    if (sw->state != S_HANDSHAKE) {
        COVERAGE_INC(of_switch_unexpected);
        return;
    }

    error = ofputil_pull_switch_features(msg, &features);
    if (error) {
        drop_connection(sw, "bad features reply (%s)",
                        ofperr_to_string(error));
        return;
    }
    sw->dpid = features.datapath_id;
    set_state(sw, S_IDLE, 0);
    VLOG_INFO_RL(&peer_rl, "%s: connected, datapath %016"PRIx64", "
                 "OpenFlow 1.%d", of_switch_get_name(sw), sw->dpid,
                 sw->version - 1);
}

/* Receiving. */

static void
run_rx(struct of_switch *sw)
{
    size_t n_bytes = 0;

    for (int i = 0; i < MAX_RX_MSGS && n_bytes < MAX_RX_BYTES; i++) {
        struct ofpbuf *msg = rconn_recv(sw->rconn);
        if (!msg) {
            break;
        }
        n_bytes += msg->size;
        process_msg(sw, msg);
        ofpbuf_delete(msg);
    }
}

static void
process_echo_request(struct of_switch *sw, const struct ofp_header *oh)
{
    if (rconn_send_with_limit(sw->rconn, ofputil_encode_echo_reply(oh),
                              sw->reply_queued, MAX_TX_REPLIES) == EAGAIN) {
        COVERAGE_INC(of_switch_tx_overflow);
    }
}

static void
process_packet_in(struct of_switch *sw, const struct ofp_header *oh)
{
    struct ofputil_packet_in pin;
    size_t total_len;
    uint32_t buffer_id;
    enum ofperr error;

    COVERAGE_INC(of_switch_packet_in);
    sw->stats.n_packet_ins++;
    if (!sw->packet_in_cb || !sw->desired) {
        return;
    }

    error = ofputil_decode_packet_in(oh, true, NULL, NULL, &pin,
                                     &total_len, &buffer_id, NULL);
    if (error) {
        VLOG_WARN_RL(&peer_rl, "%s: bad packet-in (%s)",
                     of_switch_get_name(sw), ofperr_to_string(error));
        return;
    }
    sw->packet_in_cb(sw, &pin, sw->packet_in_aux);
}

static void
process_flow_removed(struct of_switch *sw, const struct ofp_header *oh)
{
    struct ofputil_flow_removed fr;

    if (sw->desired && !ofputil_decode_flow_removed(&fr, oh)) {
        flow_graves_report(&sw->graves, sw->desired, &fr);
    }
}

static void
process_flow_monitor(struct of_switch *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_update update;
    int error;

    if (ntohl(oh->xid) == sw->monitor_xid) {
        sw->monitor_active = true;
    }
    while (!(error = ofputil_decode_flow_update(&update, msg, &ofpacts))) {
        /* Changes of our own come abbreviated. */
        if (update.event != OFPFME_ABBREV) {
            COVERAGE_INC(of_switch_foreign_change);
            sw->audit_requested = true;
        }
    }
    if (error != EOF) {
        sw->audit_requested = true;
    }
    ofpbuf_uninit(&ofpacts);
}

/* Reports error 'name' about 'op', one of a bundle. */
static void
process_op_error(struct of_switch *sw, const char *name,
                 const struct flow_op *op)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    flow_op_format(op, &s);
    fail(sw, "switch refuses flow mod (%s): %s", name, ds_cstr(&s));
    ds_destroy(&s);
}

static void
process_error(struct of_switch *sw, const struct ofp_header *oh)
{
    uint32_t xid = ntohl(oh->xid);
    enum ofperr error = ofperr_decode_msg(oh, NULL);
    const char *name = error ? ofperr_to_string(error) : "unknown error";
    bool in_bundle = (sw->state == S_ADD || sw->state == S_CLOSE
                      || sw->state == S_COMMIT);

    if (in_bundle && xid - sw->op_xid < sw->n_sent) {
        process_op_error(sw, name, &sw->ops.ops[xid - sw->op_xid]);
    } else if (in_bundle && (xid == sw->open_xid || xid == sw->close_xid
                             || xid == sw->commit_xid)) {
        fail(sw, "switch refuses bundle (%s)", name);
    } else if (sw->state == S_DUMP && xid == sw->dump_xid) {
        fail(sw, "switch refuses to dump flows (%s)", name);
    } else if (xid == sw->monitor_xid) {
        VLOG_INFO_RL(&peer_rl, "%s: no flow monitor (%s), foreign changes "
                     "will be found by the periodic audit only",
                     of_switch_get_name(sw), name);
    } else if (sw->state == S_HANDSHAKE && xid == sw->features_xid) {
        drop_connection(sw, "switch refuses handshake (%s)", name);
    } else if (xid - sw->meter_mod_xid < sw->n_meter_mods
               || xid == sw->meters_xid) {
        VLOG_WARN_RL(&rl, "%s: cannot install meters (%s)",
                     of_switch_get_name(sw), name);
    } else if (xid != sw->commit_xid) {
        /* (A bundle that has failed already gets several errors.) */
        VLOG_WARN_RL(&peer_rl, "%s: unexpected error (%s)",
                     of_switch_get_name(sw), name);
    }
}

static void
process_bundle_reply(struct of_switch *sw, const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg ctrl;

    if (ofputil_decode_bundle_ctrl(oh, &ctrl)
        || ctrl.bundle_id != sw->bundle_id) {
        COVERAGE_INC(of_switch_unexpected);
    } else if (sw->state == S_CLOSE && ctrl.type == OFPBCT_CLOSE_REPLY
               && ntohl(oh->xid) == sw->close_xid) {
        commit_bundle(sw);
    } else if (sw->state == S_COMMIT && ctrl.type == OFPBCT_COMMIT_REPLY
               && ntohl(oh->xid) == sw->commit_xid) {
        sw->commit_replied = true;
        progress(sw, BUNDLE_TIMEOUT);
    }
}

static void
process_undecodable(struct of_switch *sw, enum ofperr error)
{
    COVERAGE_INC(of_switch_undecodable);
    if (++sw->n_undecodable >= MAX_UNDECODABLE) {
        drop_connection(sw, "peer keeps sending bad messages (%s)",
                        ofperr_to_string(error));
    } else {
        VLOG_WARN_RL(&peer_rl, "%s: bad message (%s)",
                     of_switch_get_name(sw), ofperr_to_string(error));
    }
}

static void
process_msg(struct of_switch *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    enum ofptype type;
    enum ofperr error = ofptype_decode(&type, oh);

    if (error) {
        process_undecodable(sw, error);
    } else if (type == OFPTYPE_ECHO_REQUEST) {
        process_echo_request(sw, oh);
    } else if (type == OFPTYPE_FEATURES_REPLY) {
        process_features_reply(sw, msg);
    } else if (type == OFPTYPE_FLOW_STATS_REPLY) {
        process_flow_stats(sw, msg);
    } else if (type == OFPTYPE_METER_CONFIG_STATS_REPLY) {
        if (sw->state == S_DUMP && ntohl(oh->xid) == sw->meters_xid) {
            of_meters_decode_reply(&sw->meters, msg);
        }
    } else if (type == OFPTYPE_BUNDLE_CONTROL) {
        process_bundle_reply(sw, oh);
    } else if (type == OFPTYPE_BARRIER_REPLY) {
        if (sw->state == S_COMMIT && ntohl(oh->xid) == sw->barrier_xid) {
            finish_bundle(sw);
        }
    } else if (type == OFPTYPE_ERROR) {
        process_error(sw, oh);
    } else if (type == OFPTYPE_PACKET_IN) {
        process_packet_in(sw, oh);
    } else if (type == OFPTYPE_FLOW_REMOVED) {
        process_flow_removed(sw, oh);
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REPLY) {
        process_flow_monitor(sw, msg);
    } else if (type != OFPTYPE_ECHO_REPLY && type != OFPTYPE_HELLO) {
        COVERAGE_INC(of_switch_unexpected);
    }
}

/* Dumps. */

static void
start_dump(struct of_switch *sw)
{
    COVERAGE_INC(of_switch_dump);
    ovs_assert(!sw->dump);

    /* The monitor goes first, so that no change falls in between. */
    if (!sw->monitor_xid) {
        sw->monitor_xid = send_msg(
            sw, of_encode_flow_monitor(sw->version));
    }

    sw->dump = xmalloc(sizeof *sw->dump);
    flow_dump_init(sw->dump, sw->version);
    sw->dump_started = time_msec();
    sw->dump_usec = 0;
    sw->audit_requested = false;
    sw->dump_last = true;
    ovs_list_push_back_all(&sw->dump_current, &sw->dump_requests);

    /* All of this is answered in order, flows last. */
    if (sw->meters.n) {
        sw->meters_xid = send_msg(sw, of_meters_encode_request(&sw->meters,
                                                               sw->version));
    }
    sw->dump_xid = send_msg(sw, of_encode_flow_dump(sw->version));
    set_state(sw, S_DUMP, DUMP_TIMEOUT);
}

static void
destroy_dump(struct of_switch *sw)
{
    if (sw->dump) {
        flow_dump_destroy(sw->dump);
        free(sw->dump);
        sw->dump = NULL;
    }
}

static void
abandon_dump(struct of_switch *sw)
{
    destroy_dump(sw);
    answer_dump_requests(sw, &sw->dump_current,
                         (sw->last_error ? sw->last_error
                          : "dump was interrupted"), NULL, 0);
}

static void
process_flow_stats(struct of_switch *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    bool more = ofpmp_more(oh);

    if (sw->state != S_DUMP || ntohl(oh->xid) != sw->dump_xid) {
        COVERAGE_INC(of_switch_unexpected);
        return;
    }
    progress(sw, DUMP_TIMEOUT);

    long long int start = time_usec();
    uint64_t stub[4096 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_stats fs;
    int error;

    while (!(error = ofputil_decode_flow_stats_reply(&fs, msg, false,
                                                     &ofpacts))) {
        if (!flow_dump_add(sw->dump, sw->desired, &fs)) {
            drop_connection(sw, "switch reports more than %d flows",
                            FLOW_DUMP_MAX_FLOWS);
            break;
        }
    }
    ofpbuf_uninit(&ofpacts);

    if (error == EOF) {
        sw->dump_usec += time_usec() - start;
        if (!more) {
            finish_dump(sw);
        }
    } else if (error) {
        fail(sw, "cannot decode installed flows (%s)",
             ovs_strerror(EPROTO));
    }
}

static void
log_repairs(struct of_switch *sw, const struct flow_differences *diff,
            size_t n_meters, const struct ds *text)
{
    VLOG_WARN_RL(&rl, "%s: somebody else has changed the flows of datapath "
                 "%016"PRIx64", repairing: %"PRIuSIZE" foreign, %"PRIuSIZE" "
                 "missing, %"PRIuSIZE" modified, %"PRIuSIZE" meters",
                 of_switch_get_name(sw), sw->dpid, diff->foreign,
                 diff->missing, diff->modified, n_meters);

    const char *line = text->string ? text->string : "";
    for (int i = 0; i < MAX_LOG_LINES && *line; i++) {
        int n = strcspn(line, "\n");

        VLOG_WARN_RL(&rl, "%s: %.*s", of_switch_get_name(sw), n, line);
        line += n + (line[n] != '\0');
    }
}

/* Schedules the next periodic audit. */
static void
schedule_audit(struct of_switch *sw)
{
    long long int interval = sw->audit_interval;

    if (sw->monitor_active) {
        interval = MAX(interval,
                       sw->last_dump_usec * AUDIT_CPU_DIVISOR / 1000);
    }
    sw->next_audit = time_msec() + interval;
}

static void
finish_dump(struct of_switch *sw)
{
    struct flow_differences diff;
    struct ds text = DS_EMPTY_INITIALIZER;
    bool trusted = sw->trust_committed;
    bool want_text = trusted || !ovs_list_is_empty(&sw->dump_current);
    long long int start = time_usec();

    sw->n_installed = sw->dump->n_flows;
    flow_dump_compare(sw->dump, sw->desired, sw->exclusive, trusted,
                      &sw->ops, &diff, want_text ? &text : NULL);
    destroy_dump(sw);
    sw->last_dump_usec = sw->dump_usec + time_usec() - start;
    sw->last_audit_time = time_wall_msec();
    sw->stats.n_audits++;
    schedule_audit(sw);

    size_t n_meters = of_meters_count_bad(&sw->meters);
    size_t n = diff.foreign + diff.missing + diff.modified + n_meters;
    of_meters_format_bad(&sw->meters, &text);
    answer_dump_requests(sw, &sw->dump_current, NULL, &text, n);
    if (trusted && n) {
        sw->stats.foreign_removed += diff.foreign;
        sw->stats.missing_readded += diff.missing;
        sw->stats.modified_restored += diff.modified;
        sw->stats.meters_restored += n_meters;
        log_repairs(sw, &diff, n_meters, &text);
    }
    ds_destroy(&text);

    if (sw->ops.n || n_meters || !trusted) {
        start_bundle(sw);
    } else {
        set_state(sw, S_SYNCED, 0);
    }
}

static bool
dump_is_due(const struct of_switch *sw)
{
    return time_msec() >= next_dump_time(sw);
}

static long long int
next_dump_time(const struct of_switch *sw)
{
    if (!ovs_list_is_empty(&sw->dump_requests)) {
        return 0;
    } else if (sw->audit_requested) {
        return MIN(sw->next_audit, sw->dump_started + MIN_AUDIT_GAP);
    } else {
        return sw->next_audit;
    }
}

static void
answer_dump_requests(struct of_switch *sw, struct ovs_list *list,
                     const char *error, const struct ds *diff, size_t n)
{
    struct ds empty = DS_EMPTY_INITIALIZER;
    struct ovs_list todo = OVS_LIST_INITIALIZER(&todo);
    struct dump_request *request;

    /* A callback may make another request. */
    ovs_list_push_back_all(&todo, list);
    LIST_FOR_EACH_POP (request, node, &todo) {
        sw->n_dump_requests--;
        request->cb(request->aux, error, diff ? diff : &empty, n);
        free(request);
    }
}

/* Bundles. */

static uint32_t
send_bundle_ctrl(struct of_switch *sw, uint16_t type)
{
    return send_msg(sw, of_encode_bundle_ctrl(sw->version, sw->bundle_id,
                                              type));
}

static void
send_barrier(struct of_switch *sw)
{
    sw->barrier_xid = send_msg(sw, ofputil_encode_barrier_request(
                                   sw->version));
    set_state(sw, S_COMMIT, BUNDLE_TIMEOUT);
}

/* Starts to send 'sw->ops', which take the switch to what is desired now. */
static void
start_bundle(struct of_switch *sw)
{
    struct ofpbuf *msg;

    flow_graves_add(&sw->graves, &sw->ops);
    flow_table_commit(sw->desired);
    sw->bundle_version = sw->desired_version;
    sw->dump_last = false;
    sw->n_sent = 0;
    sw->commit_replied = false;

    sw->meter_mod_xid = sw->next_xid;
    while ((msg = of_meters_encode_mod(&sw->meters, sw->version))) {
        send_msg(sw, msg);
    }
    sw->n_meter_mods = sw->next_xid - sw->meter_mod_xid;
    if (sw->ops.n) {
        COVERAGE_INC(of_switch_bundle);
        sw->bundle_id++;
        sw->open_xid = send_bundle_ctrl(sw, OFPBCT_OPEN_REQUEST);
        sw->op_xid = sw->next_xid;
        sw->next_xid += sw->ops.n;
        set_state(sw, S_ADD, BUNDLE_TIMEOUT);
        send_ops(sw);
    } else {
        sw->commit_replied = true;
        send_barrier(sw);
    }
}

/* Sends as much of a bundle as the peer takes. */
static void
send_ops(struct of_switch *sw)
{
    for (int i = 0; i < MAX_TX_OPS && sw->n_sent < sw->ops.n; i++) {
        if (rconn_packet_counter_n_bytes(sw->bundle_queued) >= MAX_TX_BYTES) {
            return;
        }

        uint32_t xid = sw->op_xid + sw->n_sent;
        struct ofpbuf *fm = flow_op_encode(&sw->ops.ops[sw->n_sent],
                                           sw->protocol, htonl(xid));
        COVERAGE_INC(of_switch_flow_mod);
        send_with_xid(sw, of_encode_bundle_add(sw->version, sw->bundle_id, fm),
                      xid, sw->bundle_queued);
        ofpbuf_delete(fm);
        sw->n_sent++;
        progress(sw, BUNDLE_TIMEOUT);
    }
    if (sw->n_sent == sw->ops.n) {
        set_state(sw, S_CLOSE, BUNDLE_TIMEOUT);
        sw->close_xid = send_bundle_ctrl(sw, OFPBCT_CLOSE_REQUEST);
    }
}

/* The whole bundle is in the switch, without errors. */
static void
commit_bundle(struct of_switch *sw)
{
    sw->commit_xid = send_bundle_ctrl(sw, OFPBCT_COMMIT_REQUEST);
    send_barrier(sw);
}

static void
finish_bundle(struct of_switch *sw)
{
    size_t n[FLOW_OP_ADD + 1] = { 0 };

    if (!sw->commit_replied) {
        fail(sw, "switch does not acknowledge bundle");
        return;
    }

    for (size_t i = 0; i < sw->ops.n; i++) {
        n[sw->ops.ops[i].type]++;
    }
    sw->n_installed += n[FLOW_OP_ADD];
    sw->n_installed -= MIN(n[FLOW_OP_DELETE], sw->n_installed);
    if (sw->ops.n) {
        sw->stats.n_bundles++;
        sw->stats.n_flow_mods += sw->ops.n;
    }
    VLOG(sw->trust_committed ? VLL_DBG : VLL_INFO,
         "%s: datapath %016"PRIx64" is up to date with %"PRIuSIZE" flows "
         "(%"PRIuSIZE" added, %"PRIuSIZE" modified, %"PRIuSIZE" deleted)",
         of_switch_get_name(sw), sw->dpid, sw->n_installed, n[FLOW_OP_ADD],
         n[FLOW_OP_MODIFY], n[FLOW_OP_DELETE]);

    flow_ops_destroy(&sw->ops);
    sw->acked_version = sw->bundle_version;
    sw->trust_committed = true;
    sw->backoff = 0;
    set_state(sw, S_SYNCED, 0);
}

static void
abandon_bundle(struct of_switch *sw)
{
    if (sw->state == S_ADD || sw->state == S_CLOSE) {
        send_bundle_ctrl(sw, OFPBCT_DISCARD_REQUEST);
    }
    flow_ops_destroy(&sw->ops);
    sw->n_sent = 0;
}
