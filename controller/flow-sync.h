/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FLOW_SYNC_H
#define BASTION_FLOW_SYNC_H 1

/* Difference between desired and installed flows
 * ==============================================
 *
 * What has to be sent to a switch so that it has the flows of a flow_table,
 * either from what has changed in the table since it was last committed
 * (flow_ops_from_changes()) or from a dump of what is installed (flow_dump).
 * The result is a list of operations that stays valid whatever happens to the
 * table.
 *
 * Comparison
 * ----------
 *
 * Actions that mean the same can differ in memory: "struct ofpact" remembers
 * which of several wire formats it came from (for output to a register,
 * resubmit and controller actions), and the padding of a set_field action is
 * not initialized.  Actions are therefore the same if they are on the wire,
 * where every action of ours has one form only.
 *
 * Matches come back from a switch as they are on the wire, too.  They have the
 * same form in a flow_table, which normalizes them, but for a few exceptions
 * that cost time only: bits that the wire format has no room for (a vlan_tci
 * or nw_frag with more than the mask's defined bits) and fields without their
 * prerequisites (tcp_flags without tcp).
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/flow-table.h"
#include "hmapx.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-protocol.h"

struct ds;
struct ofpbuf;

/* Operations. */

enum flow_op_type {
    FLOW_OP_DELETE,
    FLOW_OP_MODIFY,             /* Also changes the cookie. */
    FLOW_OP_ADD
};

struct flow_op {
    enum flow_op_type type;
    uint8_t table_id;
    uint16_t priority;
    struct minimatch match;
    ovs_be64 cookie;
    struct ofpact *ofpacts;     /* NULL if there are none. */
    size_t ofpacts_len;         /* In bytes. */

    /* FLOW_OP_DELETE: counters of the flow when last seen. */
    uint64_t last_packets;
    uint64_t last_bytes;
};

struct flow_ops {
    struct flow_op *ops;
    size_t n;
    size_t allocated;
};

#define FLOW_OPS_INITIALIZER { NULL, 0, 0 }

void flow_ops_destroy(struct flow_ops *);

/* Appends what makes a switch with the committed flows have the desired ones,
 * deletions first.  Does not commit. */
void flow_ops_from_changes(struct flow_ops *, struct flow_table *);

/* Returns 'op' as a flow mod that refers to exactly one flow, with the given
 * transaction id. */
struct ofpbuf *flow_op_encode(const struct flow_op *op, enum ofputil_protocol,
                              ovs_be32 xid);
void flow_op_format(const struct flow_op *op, struct ds *);

/* Flow mod flags that a flow of ours with the given 'cookie' has.  Flows that
 * drop for a reason report their counters when they go. */
enum ofputil_flow_mod_flags flow_cookie_flags(ovs_be64 cookie);

/* Dump of installed flows. */

struct flow_dump {
    enum ofp_version version;
    struct hmapx intact;        /* "struct flow_entry"s that are installed as
                                 * they were committed. */
    struct hmap flows;          /* Contains "struct installed_flow"s: what
                                 * else is installed. */
    size_t n_flows;             /* All together. */
};

/* Limits the memory that a peer can make us use. */
#define FLOW_DUMP_MAX_FLOWS 1000000

void flow_dump_init(struct flow_dump *, enum ofp_version);
void flow_dump_destroy(struct flow_dump *);

/* Adds what a switch reports to 'dump', and its counters to the statistics of
 * 'table'.  'table' may gain and lose claims while a dump is built, but must
 * not be committed.  Returns false if there are too many flows. */
bool flow_dump_add(struct flow_dump *dump, struct flow_table *table,
                   const struct ofputil_flow_stats *);

struct flow_differences {
    size_t foreign;             /* Installed, but not ours. */
    size_t missing;             /* Ours, but not installed. */
    size_t modified;            /* Ours, but with other actions and so on. */
};

/* Compares the complete 'dump' with 'table'.
 *
 * Appends to 'ops' what makes the installed flows equal to the desired ones.
 * Of installed flows that are not in 'table', those without a cookie of ours
 * are left alone, and are no difference, unless 'exclusive' is true.
 *
 * Counts in 'diff' how the installed flows differ from the committed ones if
 * 'trust_committed' is true, else from the desired ones.  If 'text' is not
 * NULL, appends a line "- FLOW" for each flow that is not installed, "+ FLOW"
 * for one that should not be, and both if it is installed differently, but
 * not more than a thousand. */
void flow_dump_compare(struct flow_dump *dump, struct flow_table *table,
                       bool exclusive, bool trust_committed,
                       struct flow_ops *ops, struct flow_differences *diff,
                       struct ds *text);

/* Flows that have been deleted, whose last counters the switch is about to
 * report in an asynchronous message. */

struct flow_graves {
    struct hmap graves;         /* Contains "struct flow_grave"s. */
    long long int next_expire;  /* Next time to look at all of them, in ms. */
};

#define FLOW_GRAVES_MAX 65536

void flow_graves_init(struct flow_graves *);
void flow_graves_destroy(struct flow_graves *);

/* Remembers those deletions in 'ops' that the switch will report. */
void flow_graves_add(struct flow_graves *, const struct flow_ops *ops);
/* Forgets about deletions that have not been reported for ten minutes: the
 * switch may refuse them for a while. */
void flow_graves_expire(struct flow_graves *);

/* Adds the last counters of a flow to the statistics of 'table'. */
void flow_graves_report(struct flow_graves *, struct flow_table *,
                        const struct ofputil_flow_removed *);

#endif /* flow-sync.h */
