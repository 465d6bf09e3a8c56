/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/flow-sync.h"

#include <limits.h>
#include <stdlib.h>

#include "byte-order.h"
#include "coverage.h"
#include "hash.h"
#include "nx-match.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "timeval.h"
#include "util.h"

COVERAGE_DEFINE(flow_sync_encode);
COVERAGE_DEFINE(flow_sync_grave_overflow);
COVERAGE_DEFINE(flow_sync_grave_expired);

#define MAX_TEXT_LINES 1000
#define GRAVE_TIMEOUT 600000        /* In milliseconds. */
#define GRAVE_CHECK_INTERVAL 5000   /* In milliseconds. */

/* A flow that is installed, but not as it was committed. */
struct installed_flow {
    struct hmap_node hmap_node; /* In struct flow_dump's 'flows'. */
    uint8_t table_id;
    uint16_t priority;
    struct minimatch match;
    ovs_be64 cookie;
    struct ofpact *ofpacts;
    size_t ofpacts_len;
    bool odd;                   /* Has timeouts or flags that ours have not. */
    uint64_t n_packets;         /* UINT64_MAX if not known. */
    uint64_t n_bytes;           /* UINT64_MAX if not known. */
};

/* A flow whose last counters are to come. */
struct flow_grave {
    struct hmap_node hmap_node; /* In struct flow_graves's 'graves'. */
    uint8_t table_id;
    uint16_t priority;
    struct minimatch match;
    ovs_be64 cookie;
    uint64_t last_packets;
    uint64_t last_bytes;
    long long int expires;
};

/* A comparison that is being made. */
struct comparison {
    const struct flow_dump *dump;
    bool trust_committed;
    struct flow_ops *ops;
    struct flow_differences *diff;
    struct ds *text;
    size_t n_lines;
};

static int compare_ops(const void *, const void *);
static void compare_entry(struct comparison *, const struct flow_entry *,
                          const struct installed_flow *);
static void compare_foreign(struct comparison *,
                            const struct installed_flow *);
static struct installed_flow *find_installed(const struct flow_dump *,
                                             const struct flow_entry *);
static bool encode_and_decode_match(const struct minimatch *,
                                    enum ofp_version, struct minimatch *out);
static void update_stats(struct flow_table *, struct flow_entry *,
                         uint64_t n_packets, uint64_t n_bytes);
static void installed_flow_destroy(struct installed_flow *);
static bool content_is(const struct flow_content *, ovs_be64 cookie,
                       const struct ofpact *, size_t ofpacts_len,
                       enum ofp_version);
static void format_flow(uint8_t table_id, uint16_t priority, ovs_be64 cookie,
                        const struct minimatch *, const struct ofpact *,
                        size_t ofpacts_len, struct ds *);
static struct flow_op *append_op(struct flow_ops *, enum flow_op_type,
                                 uint8_t table_id, uint16_t priority,
                                 const struct minimatch *);
static void append_entry_op(struct flow_ops *, enum flow_op_type,
                            const struct flow_entry *);

static uint32_t
flow_key_hash(uint8_t table_id, uint16_t priority,
              const struct minimatch *match)
{
    return minimatch_hash(match, hash_2words(table_id, priority));
}

/* Operations. */

void
flow_ops_destroy(struct flow_ops *ops)
{
    for (size_t i = 0; i < ops->n; i++) {
        minimatch_destroy(&ops->ops[i].match);
        free(ops->ops[i].ofpacts);
    }
    free(ops->ops);
    *ops = (struct flow_ops) FLOW_OPS_INITIALIZER;
}

void
flow_ops_from_changes(struct flow_ops *ops, struct flow_table *table)
{
    struct flow_entry *entry;

    FLOW_TABLE_FOR_EACH_CHANGED (entry, table) {
        if (!entry->desired && entry->committed) {
            append_entry_op(ops, FLOW_OP_DELETE, entry);
        }
    }
    FLOW_TABLE_FOR_EACH_CHANGED (entry, table) {
        if (entry->desired
            && !flow_content_equal(entry->desired, entry->committed)) {
            append_entry_op(ops, (entry->committed
                                  ? FLOW_OP_MODIFY : FLOW_OP_ADD), entry);
        }
    }
}

struct ofpbuf *
flow_op_encode(const struct flow_op *op, enum ofputil_protocol protocol,
               ovs_be32 xid)
{
    /* Adding replaces a flow that exists, including its cookie, which
     * modifying would not, and keeps its counters. */
    bool delete = op->type == FLOW_OP_DELETE;
    struct ofputil_flow_mod fm = {
        .match = op->match,
        .priority = op->priority,
        .table_id = op->table_id,
        .command = delete ? OFPFC_DELETE_STRICT : OFPFC_ADD,
        .new_cookie = delete ? OVS_BE64_MAX : op->cookie,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .flags = delete ? 0 : flow_cookie_flags(op->cookie),
        .ofpacts = delete ? NULL : op->ofpacts,
        .ofpacts_len = delete ? 0 : op->ofpacts_len,
    };
    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, protocol);
    struct ofp_header *oh = msg->data;

    oh->xid = xid;
    return msg;
}

void
flow_op_format(const struct flow_op *op, struct ds *s)
{
    static const char *const names[] = {
        [FLOW_OP_DELETE] = "delete",
        [FLOW_OP_MODIFY] = "modify",
        [FLOW_OP_ADD] = "add",
    };

    ds_put_format(s, "%s ", names[op->type]);
    format_flow(op->table_id, op->priority, op->cookie, &op->match,
                op->ofpacts, op->ofpacts_len, s);
}

enum ofputil_flow_mod_flags
flow_cookie_flags(ovs_be64 cookie)
{
    return flow_cookie_reason(cookie) ? OFPUTIL_FF_SEND_FLOW_REM : 0;
}

/* Dumps. */

void
flow_dump_init(struct flow_dump *dump, enum ofp_version version)
{
    dump->version = version;
    hmapx_init(&dump->intact);
    hmap_init(&dump->flows);
    dump->n_flows = 0;
}

void
flow_dump_destroy(struct flow_dump *dump)
{
    struct installed_flow *flow;

    HMAP_FOR_EACH_POP (flow, hmap_node, &dump->flows) {
        installed_flow_destroy(flow);
    }
    hmap_destroy(&dump->flows);
    hmapx_destroy(&dump->intact);
}

bool
flow_dump_add(struct flow_dump *dump, struct flow_table *table,
              const struct ofputil_flow_stats *fs)
{
    if (dump->n_flows >= FLOW_DUMP_MAX_FLOWS) {
        return false;
    }
    dump->n_flows++;

    bool odd = (fs->idle_timeout || fs->hard_timeout || fs->importance
                || ((fs->flags & OFPUTIL_FF_STATE)
                    != flow_cookie_flags(fs->cookie)));
    struct flow_entry *entry = flow_table_find(table, fs->table_id,
                                               fs->priority, &fs->match);
    if (entry && !odd && content_is(entry->committed, fs->cookie, fs->ofpacts,
                                    fs->ofpacts_len, dump->version)) {
        update_stats(table, entry, fs->packet_count, fs->byte_count);
        hmapx_add(&dump->intact, entry);
        return true;
    }

    struct installed_flow *flow = xmalloc(sizeof *flow);
    flow->table_id = fs->table_id;
    flow->priority = fs->priority;
    minimatch_init(&flow->match, &fs->match);
    flow->cookie = fs->cookie;
    flow->ofpacts_len = fs->ofpacts_len;
    flow->ofpacts = (fs->ofpacts_len
                     ? xmemdup(fs->ofpacts, fs->ofpacts_len) : NULL);
    flow->odd = odd;
    flow->n_packets = fs->packet_count;
    flow->n_bytes = fs->byte_count;
    hmap_insert(&dump->flows, &flow->hmap_node,
                flow_key_hash(flow->table_id, flow->priority, &flow->match));
    return true;
}

void
flow_dump_compare(struct flow_dump *dump, struct flow_table *table,
                  bool exclusive, bool trust_committed, struct flow_ops *ops,
                  struct flow_differences *diff, struct ds *text)
{
    struct comparison c = {
        .dump = dump,
        .trust_committed = trust_committed,
        .ops = ops,
        .diff = diff,
        .text = text,
    };

    *diff = (struct flow_differences) { 0, 0, 0 };

    struct flow_entry *entry;
    HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
        struct installed_flow *flow = find_installed(dump, entry);

        compare_entry(&c, entry, flow);
        if (flow) {
            update_stats(table, entry, flow->n_packets, flow->n_bytes);
            hmap_remove(&dump->flows, &flow->hmap_node);
            installed_flow_destroy(flow);
        }
    }

    struct installed_flow *flow;
    HMAP_FOR_EACH (flow, hmap_node, &dump->flows) {
        if (exclusive || flow_cookie_is_ours(flow->cookie)) {
            compare_foreign(&c, flow);
        }
    }

    /* Deletions go first: should a match of ours come back from the switch in
     * another form in spite of everything, then the flow is replaced again and
     * again, which is loud but safe, instead of added and then deleted. */
    if (ops->n) {
        qsort(ops->ops, ops->n, sizeof *ops->ops, compare_ops);
    }
}

static int
compare_ops(const void *a_, const void *b_)
{
    const struct flow_op *a = a_;
    const struct flow_op *b = b_;

    return a->type < b->type ? -1 : a->type > b->type;
}

static bool
wants_line(struct comparison *c)
{
    return c->text && c->n_lines++ < MAX_TEXT_LINES;
}

static void
put_entry_line(struct comparison *c, const struct flow_entry *entry,
               const struct flow_content *content)
{
    if (wants_line(c)) {
        ds_put_cstr(c->text, "- ");
        format_flow(entry->table_id, entry->priority, content->cookie,
                    &entry->match, content->ofpacts, content->ofpacts_len,
                    c->text);
        ds_put_char(c->text, '\n');
    }
}

static void
put_installed_line(struct comparison *c, const struct installed_flow *flow)
{
    if (wants_line(c)) {
        ds_put_cstr(c->text, "+ ");
        format_flow(flow->table_id, flow->priority, flow->cookie,
                    &flow->match, flow->ofpacts, flow->ofpacts_len, c->text);
        if (flow->odd) {
            ds_put_cstr(c->text, " (with timeouts or flags)");
        }
        ds_put_char(c->text, '\n');
    }
}

/* Returns true if 'entry' is installed with the given 'content'.  'flow' is
 * what is installed if it is not what had been committed. */
static bool
is_installed(const struct comparison *c, const struct flow_entry *entry,
             const struct installed_flow *flow,
             const struct flow_content *content)
{
    const struct flow_content *committed = entry->committed;

    if (flow) {
        return !flow->odd && content_is(content, flow->cookie, flow->ofpacts,
                                        flow->ofpacts_len, c->dump->version);
    }
    return (hmapx_contains(&c->dump->intact, entry)
            && (content == committed
                || content_is(content, committed->cookie, committed->ofpacts,
                              committed->ofpacts_len, c->dump->version)));
}

/* Compares 'entry' with 'flow', which may be NULL. */
static void
compare_entry(struct comparison *c, const struct flow_entry *entry,
              const struct installed_flow *flow)
{
    bool intact = !flow && hmapx_contains(&c->dump->intact, entry);
    const struct flow_content *desired = entry->desired;
    const struct flow_content *expected
        = c->trust_committed ? entry->committed : desired;

    if (desired && !is_installed(c, entry, flow, desired)) {
        append_entry_op(c->ops, (intact || flow
                                 ? FLOW_OP_MODIFY : FLOW_OP_ADD), entry);
    } else if (!desired && (intact || flow)) {
        append_entry_op(c->ops, FLOW_OP_DELETE, entry);
    }

    if (expected && is_installed(c, entry, flow, expected)) {
        return;
    }

    if (expected) {
        c->diff->modified += intact || flow;
        c->diff->missing += !intact && !flow;
        put_entry_line(c, entry, expected);
    } else if (intact || flow) {
        c->diff->foreign++;
    }
    if (flow) {
        put_installed_line(c, flow);
    }
}

static void
compare_foreign(struct comparison *c, const struct installed_flow *flow)
{
    struct flow_op *op = append_op(c->ops, FLOW_OP_DELETE, flow->table_id,
                                   flow->priority, &flow->match);

    /* If it drops for one of our reasons, then it has been left over from a
     * controller that has gone, and nobody has counted it yet. */
    op->cookie = flow->cookie;
    c->diff->foreign++;
    put_installed_line(c, flow);
}

static struct installed_flow *
find_installed__(const struct flow_dump *dump, const struct flow_entry *entry,
                 const struct minimatch *match)
{
    struct installed_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, hmap_node,
                             flow_key_hash(entry->table_id, entry->priority,
                                           match), &dump->flows) {
        if (flow->table_id == entry->table_id
            && flow->priority == entry->priority
            && minimatch_equal(&flow->match, match)) {
            return flow;
        }
    }
    return NULL;
}

/* Returns what 'dump' has for 'entry', if it is not intact, or NULL. */
static struct installed_flow *
find_installed(const struct flow_dump *dump, const struct flow_entry *entry)
{
    if (hmap_is_empty(&dump->flows)
        || hmapx_contains(&dump->intact, entry)) {
        return NULL;
    }

    struct installed_flow *flow = find_installed__(dump, entry, &entry->match);
    if (!flow) {
        struct minimatch match;

        if (encode_and_decode_match(&entry->match, dump->version, &match)) {
            flow = find_installed__(dump, entry, &match);
            minimatch_destroy(&match);
        }
    }
    return flow;
}

/* Makes 'out' what 'minimatch' becomes on its way to a switch and back.  Bits
 * that have no effect do not survive it. */
static bool
encode_and_decode_match(const struct minimatch *minimatch,
                        enum ofp_version version, struct minimatch *out)
{
    uint64_t stub[256 / 8];
    struct ofpbuf wire = OFPBUF_STUB_INITIALIZER(stub);
    struct match match;

    minimatch_expand(minimatch, &match);
    oxm_put_match(&wire, &match, version);
    bool ok = !oxm_pull_match(&wire, false, NULL, NULL, &match);
    if (ok) {
        minimatch_init(out, &match);
    }
    ofpbuf_uninit(&wire);
    return ok;
}

static void
update_stats(struct flow_table *table, struct flow_entry *entry,
             uint64_t n_packets, uint64_t n_bytes)
{
    if (n_packets != UINT64_MAX && n_bytes != UINT64_MAX) {
        flow_table_update_stats(table, entry, n_packets, n_bytes);
    }
}

static void
installed_flow_destroy(struct installed_flow *flow)
{
    minimatch_destroy(&flow->match);
    free(flow->ofpacts);
    free(flow);
}

/* Returns true if 'a' and 'b' are the same on the wire. */
static bool
ofpacts_equal_encoded(const struct ofpact *a, size_t a_len,
                      const struct ofpact *b, size_t b_len,
                      enum ofp_version version)
{
    uint64_t a_stub[1024 / 8], b_stub[1024 / 8];
    struct ofpbuf a_wire = OFPBUF_STUB_INITIALIZER(a_stub);
    struct ofpbuf b_wire = OFPBUF_STUB_INITIALIZER(b_stub);

    COVERAGE_INC(flow_sync_encode);
    ofpacts_put_openflow_instructions(a, a_len, &a_wire, version);
    ofpacts_put_openflow_instructions(b, b_len, &b_wire, version);

    bool equal = ofpbuf_equal(&a_wire, &b_wire);
    ofpbuf_uninit(&a_wire);
    ofpbuf_uninit(&b_wire);
    return equal;
}

/* Returns true if 'content', which may be NULL, is what a switch reports as
 * 'cookie' and 'ofpacts'. */
static bool
content_is(const struct flow_content *content, ovs_be64 cookie,
           const struct ofpact *ofpacts, size_t ofpacts_len,
           enum ofp_version version)
{
    return (content
            && content->cookie == cookie
            && (ofpacts_equal(content->ofpacts, content->ofpacts_len,
                              ofpacts, ofpacts_len)
                || ofpacts_equal_encoded(content->ofpacts,
                                         content->ofpacts_len,
                                         ofpacts, ofpacts_len, version)));
}

static void
format_flow(uint8_t table_id, uint16_t priority, ovs_be64 cookie,
            const struct minimatch *minimatch, const struct ofpact *ofpacts,
            size_t ofpacts_len, struct ds *s)
{
    struct ofpact_format_params params = { .s = s };
    struct match match;

    ds_put_format(s, "table=%"PRIu8", cookie=%#"PRIx64", ",
                  table_id, ntohll(cookie));
    minimatch_expand(minimatch, &match);
    match_format(&match, NULL, s, priority);
    ds_put_cstr(s, " actions=");
    ofpacts_format(ofpacts, ofpacts_len, &params);
}

static struct flow_op *
append_op(struct flow_ops *ops, enum flow_op_type type, uint8_t table_id,
          uint16_t priority, const struct minimatch *match)
{
    if (ops->n >= ops->allocated) {
        ops->ops = x2nrealloc(ops->ops, &ops->allocated, sizeof *ops->ops);
    }

    struct flow_op *op = &ops->ops[ops->n++];
    *op = (struct flow_op) {
        .type = type,
        .table_id = table_id,
        .priority = priority,
    };
    minimatch_clone(&op->match, match);
    return op;
}

static void
append_entry_op(struct flow_ops *ops, enum flow_op_type type,
                const struct flow_entry *entry)
{
    struct flow_op *op = append_op(ops, type, entry->table_id,
                                   entry->priority, &entry->match);

    if (type == FLOW_OP_DELETE) {
        op->cookie = entry->committed ? entry->committed->cookie : 0;
        op->last_packets = entry->last_packets;
        op->last_bytes = entry->last_bytes;
    } else {
        op->cookie = entry->desired->cookie;
        op->ofpacts_len = entry->desired->ofpacts_len;
        op->ofpacts = (op->ofpacts_len
                       ? xmemdup(entry->desired->ofpacts, op->ofpacts_len)
                       : NULL);
    }
}

/* Graves. */

void
flow_graves_init(struct flow_graves *graves)
{
    hmap_init(&graves->graves);
    graves->next_expire = LLONG_MIN;
}

static void
flow_grave_destroy(struct flow_graves *graves, struct flow_grave *grave)
{
    hmap_remove(&graves->graves, &grave->hmap_node);
    minimatch_destroy(&grave->match);
    free(grave);
}

void
flow_graves_destroy(struct flow_graves *graves)
{
    struct flow_grave *grave;

    HMAP_FOR_EACH_SAFE (grave, hmap_node, &graves->graves) {
        flow_grave_destroy(graves, grave);
    }
    hmap_destroy(&graves->graves);
}

static struct flow_grave *
flow_graves_find(const struct flow_graves *graves, uint8_t table_id,
                 uint16_t priority, ovs_be64 cookie,
                 const struct minimatch *match)
{
    struct flow_grave *grave;

    HMAP_FOR_EACH_WITH_HASH (grave, hmap_node,
                             flow_key_hash(table_id, priority, match),
                             &graves->graves) {
        if (grave->table_id == table_id && grave->priority == priority
            && grave->cookie == cookie
            && minimatch_equal(&grave->match, match)) {
            return grave;
        }
    }
    return NULL;
}

void
flow_graves_add(struct flow_graves *graves, const struct flow_ops *ops)
{
    for (size_t i = 0; i < ops->n; i++) {
        const struct flow_op *op = &ops->ops[i];

        if (op->type != FLOW_OP_DELETE || !flow_cookie_flags(op->cookie)) {
            continue;
        }
        if (hmap_count(&graves->graves) >= FLOW_GRAVES_MAX) {
            COVERAGE_INC(flow_sync_grave_overflow);
            continue;
        }
        if (flow_graves_find(graves, op->table_id, op->priority, op->cookie,
                             &op->match)) {
            /* The first try to delete it has failed. */
            continue;
        }

        struct flow_grave *grave = xmalloc(sizeof *grave);
        grave->table_id = op->table_id;
        grave->priority = op->priority;
        minimatch_clone(&grave->match, &op->match);
        grave->cookie = op->cookie;
        grave->last_packets = op->last_packets;
        grave->last_bytes = op->last_bytes;
        grave->expires = time_msec() + GRAVE_TIMEOUT;
        hmap_insert(&graves->graves, &grave->hmap_node,
                    flow_key_hash(grave->table_id, grave->priority,
                                  &grave->match));
    }
}

void
flow_graves_expire(struct flow_graves *graves)
{
    struct flow_grave *grave;
    long long int now = time_msec();

    if (now < graves->next_expire) {
        return;
    }
    graves->next_expire = now + GRAVE_CHECK_INTERVAL;
    HMAP_FOR_EACH_SAFE (grave, hmap_node, &graves->graves) {
        if (now >= grave->expires) {
            COVERAGE_INC(flow_sync_grave_expired);
            flow_grave_destroy(graves, grave);
        }
    }
}

/* Adds what 'fr' has more than 'grave'. */
static void
count_grave(struct flow_table *table, const struct flow_grave *grave,
            const struct ofputil_flow_removed *fr)
{
    enum drop_reason reason = flow_cookie_reason(grave->cookie);
    uint64_t packets = fr->packet_count, bytes = fr->byte_count;

    if (packets >= grave->last_packets && bytes >= grave->last_bytes) {
        packets -= grave->last_packets;
        bytes -= grave->last_bytes;
    }
    if (flow_cookie_is_audited(grave->cookie)) {
        table->audit_packets[reason] += packets;
        table->audit_bytes[reason] += bytes;
    } else {
        table->drop_packets[reason] += packets;
        table->drop_bytes[reason] += bytes;
    }
}

void
flow_graves_report(struct flow_graves *graves, struct flow_table *table,
                   const struct ofputil_flow_removed *fr)
{
    if (!flow_cookie_reason(fr->cookie)
        || fr->packet_count == UINT64_MAX || fr->byte_count == UINT64_MAX) {
        return;
    }

    struct minimatch match;
    minimatch_init(&match, &fr->match);
    struct flow_grave *grave = flow_graves_find(
        graves, fr->table_id, fr->priority, fr->cookie, &match);
    minimatch_destroy(&match);

    if (grave) {
        count_grave(table, grave, fr);
        flow_grave_destroy(graves, grave);
        return;
    }

    /* Somebody else has deleted it. */
    struct flow_entry *entry = flow_table_find(table, fr->table_id,
                                               fr->priority, &fr->match);
    if (entry) {
        update_stats(table, entry, fr->packet_count, fr->byte_count);
    }
}
