/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FLOW_TABLE_H
#define BASTION_FLOW_TABLE_H 1

/* Desired flow table of one bridge
 * ================================
 *
 * The set of OpenFlow flows that a bridge should have, with the rows that
 * they come from.
 *
 * A database row *claims* flows.  Several rows may claim one flow (same
 * table, priority and match):
 *
 *     - If their actions are conjunction() actions, the flow has the union of
 *       them.
 *
 *     - Otherwise the flow has the actions and the cookie of the claim with
 *       the least owner UUID, so that the result does not depend on the order
 *       in which rows were compiled.
 *
 * A change of a row is flow_table_release() and then flow_table_claim() for
 * each flow.  Flows that end up as they were before are not changes.
 *
 * The table also remembers, for each flow, what has been *committed*, that
 * is, what was last handed over to be sent to the switch.  Whoever syncs the
 * switch takes the difference with FLOW_TABLE_FOR_EACH_CHANGED and then calls
 * flow_table_commit().
 *
 * Thread-safety: none; use from one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bastion/drop-reasons.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct ds;
struct ofpact;

/* Cookies.
 *
 *     63           48 47                          16 15      9  8 7        0
 *     +--------------+------------------------------+---------+--+---------+
 *     |    0xba57    | first 32 bits of owner UUID  |    0    |A | reason  |
 *     +--------------+------------------------------+---------+--+---------+
 *
 * 'reason' is an enum drop_reason, 0 for a flow that does not drop.  A is set
 * if the flow lets pass, in audit mode, what it would otherwise drop. */
#define FLOW_COOKIE_PREFIX      UINT64_C(0xba57000000000000)
#define FLOW_COOKIE_PREFIX_MASK UINT64_C(0xffff000000000000)
#define FLOW_COOKIE_AUDITED     UINT64_C(0x100)
#define FLOW_COOKIE_REASON_MASK UINT64_C(0xff)

uint64_t flow_cookie(const struct uuid *owner, enum drop_reason, bool audited);
enum drop_reason flow_cookie_reason(ovs_be64 cookie);
bool flow_cookie_is_audited(ovs_be64 cookie);
bool flow_cookie_is_ours(ovs_be64 cookie);

/* Actions and cookie of a flow, shared and immutable. */
struct flow_content {
    unsigned int ref_cnt;
    ovs_be64 cookie;
    size_t ofpacts_len;         /* In bytes. */
    struct ofpact *ofpacts;
};

/* One flow. */
struct flow_entry {
    struct hmap_node hmap_node;     /* In struct flow_table's 'flows'. */
    uint8_t table_id;
    uint16_t priority;
    struct minimatch match;

    struct ovs_list claims;         /* Contains "struct flow_claim"s. */
    struct ovs_list changed_node;   /* In 'changed', or empty list. */

    struct flow_content *desired;   /* NULL if nobody claims the flow. */
    struct flow_content *committed; /* NULL if not handed over. */

    /* Statistics, added up over every installation of the flow. */
    uint64_t n_packets;
    uint64_t n_bytes;
    uint64_t last_packets;          /* Of the current installation. */
    uint64_t last_bytes;
};

/* One row's claim on a flow. */
struct flow_claim {
    struct ovs_list entry_node;     /* In struct flow_entry's 'claims'. */
    struct ovs_list owner_node;     /* In struct flow_owner's 'claims'. */
    struct flow_entry *entry;
    struct flow_owner *owner;
    struct flow_content *content;
};

/* A row that claims flows. */
struct flow_owner {
    struct hmap_node hmap_node;     /* In struct flow_table's 'owners'. */
    struct uuid uuid;
    struct ovs_list claims;         /* Contains "struct flow_claim"s. */
};

struct flow_table {
    struct hmap flows;              /* Contains "struct flow_entry"s. */
    struct hmap owners;             /* Contains "struct flow_owner"s. */
    struct ovs_list changed;        /* Entries that may differ from what has
                                     * been committed. */
    uint64_t drop_packets[N_DROP_REASONS];  /* Totals of flows that are gone */
    uint64_t drop_bytes[N_DROP_REASONS];    /* or still there. */
    uint64_t audit_packets[N_DROP_REASONS]; /* The same for flows that let */
    uint64_t audit_bytes[N_DROP_REASONS];   /* pass in audit mode. */
};

/* A flow as a renderer describes it. */
struct flow_spec {
    uint8_t table_id;
    uint16_t priority;
    enum drop_reason reason;    /* DROP_NONE if the flow does not drop. */
    bool audited;               /* Lets pass what it would drop. */
    struct match match;
    struct ofpbuf ofpacts;      /* Contains "struct ofpact"s. */
};

void flow_table_init(struct flow_table *);
void flow_table_destroy(struct flow_table *);

void flow_table_claim(struct flow_table *, const struct uuid *owner,
                      const struct flow_spec *);
void flow_table_release(struct flow_table *, const struct uuid *owner);

/* Iterates over the entries that may have changed since the last
 * flow_table_commit().  An entry with 'desired' NULL has to be deleted, one
 * with 'committed' NULL added, one with both modified. */
#define FLOW_TABLE_FOR_EACH_CHANGED(ENTRY, TABLE) \
    LIST_FOR_EACH (ENTRY, changed_node, &(TABLE)->changed)
bool flow_table_has_changes(struct flow_table *);
void flow_table_commit(struct flow_table *);

struct flow_entry *flow_table_find(const struct flow_table *,
                                   uint8_t table_id, uint16_t priority,
                                   const struct match *);
const struct flow_owner *flow_table_find_owner(const struct flow_table *,
                                               const struct uuid *);
const struct uuid *flow_entry_owner(const struct flow_entry *);

bool flow_content_equal(const struct flow_content *,
                        const struct flow_content *);

/* Takes the counters 'n_packets' and 'n_bytes' that the switch reports for
 * 'entry' into account.  Counters that went back mean a new installation. */
void flow_table_update_stats(struct flow_table *, struct flow_entry *,
                             uint64_t n_packets, uint64_t n_bytes);

/* Text in the format of ovs-ofctl, one line without new-line. */
void flow_entry_format(const struct flow_entry *, struct ds *);

/* Compares what is desired in 'a' and 'b' and appends one line for each
 * difference to 'diff', "-" for only in 'a', "+" for only in 'b'.  Returns the
 * number of differences. */
size_t flow_table_diff(const struct flow_table *a, const struct flow_table *b,
                       struct ds *diff);

#endif /* flow-table.h */
