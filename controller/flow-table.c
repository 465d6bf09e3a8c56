/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/flow-table.h"

#include <string.h>

#include "byte-order.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-match.h"
#include "util.h"
#include "uuid.h"

static struct flow_entry *flow_table_find_minimatch(
    const struct flow_table *, uint8_t table_id, uint16_t priority,
    const struct minimatch *);
static struct flow_entry *flow_entry_create(struct flow_table *,
                                            const struct flow_spec *,
                                            const struct minimatch *);
static void flow_entry_destroy(struct flow_table *, struct flow_entry *);
static void flow_entry_update(struct flow_table *, struct flow_entry *);
static struct flow_owner *flow_owner_get(struct flow_table *,
                                         const struct uuid *);
static void flow_claim_destroy(struct flow_claim *);
static struct flow_content *flow_content_create(ovs_be64 cookie,
                                                const struct ofpact *,
                                                size_t ofpacts_len);
static struct flow_content *flow_content_ref(struct flow_content *);
static void flow_content_unref(struct flow_content *);

uint64_t
flow_cookie(const struct uuid *owner, enum drop_reason reason, bool audited)
{
    return FLOW_COOKIE_PREFIX
           | (uint64_t) owner->parts[0] << 16
           | (audited ? FLOW_COOKIE_AUDITED : 0)
           | reason;
}

enum drop_reason
flow_cookie_reason(ovs_be64 cookie)
{
    uint64_t reason = ntohll(cookie) & FLOW_COOKIE_REASON_MASK;

    return flow_cookie_is_ours(cookie) && reason < N_DROP_REASONS
           ? (enum drop_reason) reason : DROP_NONE;
}

bool
flow_cookie_is_audited(ovs_be64 cookie)
{
    return flow_cookie_is_ours(cookie)
           && (ntohll(cookie) & FLOW_COOKIE_AUDITED) != 0;
}

bool
flow_cookie_is_ours(ovs_be64 cookie)
{
    return (ntohll(cookie) & FLOW_COOKIE_PREFIX_MASK) == FLOW_COOKIE_PREFIX;
}

void
flow_table_init(struct flow_table *table)
{
    memset(table, 0, sizeof *table);
    hmap_init(&table->flows);
    hmap_init(&table->owners);
    ovs_list_init(&table->changed);
}

void
flow_table_destroy(struct flow_table *table)
{
    struct flow_owner *owner;

    HMAP_FOR_EACH_SAFE (owner, hmap_node, &table->owners) {
        flow_table_release(table, &owner->uuid);
    }

    struct flow_entry *entry;

    HMAP_FOR_EACH_SAFE (entry, hmap_node, &table->flows) {
        flow_entry_destroy(table, entry);
    }
    hmap_destroy(&table->flows);
    hmap_destroy(&table->owners);
}

/* Makes 'owner' claim the flow that 'spec' describes.  The caller retains
 * ownership of 'spec'. */
void
flow_table_claim(struct flow_table *table, const struct uuid *owner_uuid,
                 const struct flow_spec *spec)
{
    struct match match = spec->match;
    struct minimatch minimatch;

    /* The switch reports matches in normal form. */
    ofputil_normalize_match_quiet(&match);
    minimatch_init(&minimatch, &match);

    struct flow_entry *entry = flow_table_find_minimatch(
        table, spec->table_id, spec->priority, &minimatch);
    if (!entry) {
        entry = flow_entry_create(table, spec, &minimatch);
    } else {
        minimatch_destroy(&minimatch);
    }

    struct flow_claim *claim = xmalloc(sizeof *claim);
    uint64_t cookie = flow_cookie(owner_uuid, spec->reason, spec->audited);
    claim->entry = entry;
    claim->owner = flow_owner_get(table, owner_uuid);
    claim->content = flow_content_create(htonll(cookie), spec->ofpacts.data,
                                         spec->ofpacts.size);
    ovs_list_push_back(&claim->owner->claims, &claim->owner_node);

    /* 'claims' is in order of UUID, so that its front determines the flow. */
    struct flow_claim *next;
    LIST_FOR_EACH (next, entry_node, &entry->claims) {
        if (uuid_compare_3way(owner_uuid, &next->owner->uuid) < 0) {
            break;
        }
    }
    ovs_list_insert(next ? &next->entry_node : &entry->claims,
                    &claim->entry_node);
    flow_entry_update(table, entry);
}

/* Withdraws every claim of 'owner'. */
void
flow_table_release(struct flow_table *table, const struct uuid *owner_uuid)
{
    struct flow_owner *owner = CONST_CAST(
        struct flow_owner *, flow_table_find_owner(table, owner_uuid));
    if (!owner) {
        return;
    }

    struct flow_claim *claim;
    LIST_FOR_EACH_SAFE (claim, owner_node, &owner->claims) {
        struct flow_entry *entry = claim->entry;

        flow_claim_destroy(claim);
        flow_entry_update(table, entry);
    }
    hmap_remove(&table->owners, &owner->hmap_node);
    free(owner);
}

/* Returns true if something has to be sent to the switch.  Forgets about
 * entries that are back to what was committed. */
bool
flow_table_has_changes(struct flow_table *table)
{
    struct flow_entry *entry;

    LIST_FOR_EACH_SAFE (entry, changed_node, &table->changed) {
        if (!flow_content_equal(entry->desired, entry->committed)) {
            continue;
        }
        if (!entry->desired) {
            flow_entry_destroy(table, entry);
        } else {
            ovs_list_remove(&entry->changed_node);
            ovs_list_init(&entry->changed_node);
        }
    }
    return !ovs_list_is_empty(&table->changed);
}

/* Records that everything that is desired now has been handed over. */
void
flow_table_commit(struct flow_table *table)
{
    struct flow_entry *entry;

    LIST_FOR_EACH_SAFE (entry, changed_node, &table->changed) {
        flow_content_unref(entry->committed);
        entry->committed = flow_content_ref(entry->desired);
        ovs_list_remove(&entry->changed_node);
        ovs_list_init(&entry->changed_node);
        if (!entry->desired) {
            flow_entry_destroy(table, entry);
        }
    }
}

/* Returns the entry with exactly the given table, priority and match, claimed
 * or only committed, or NULL. */
struct flow_entry *
flow_table_find(const struct flow_table *table, uint8_t table_id,
                uint16_t priority, const struct match *match)
{
    struct minimatch minimatch;

    minimatch_init(&minimatch, match);
    struct flow_entry *entry = flow_table_find_minimatch(table, table_id,
                                                         priority, &minimatch);
    minimatch_destroy(&minimatch);
    return entry;
}

const struct flow_owner *
flow_table_find_owner(const struct flow_table *table, const struct uuid *uuid)
{
    struct flow_owner *owner;

    HMAP_FOR_EACH_WITH_HASH (owner, hmap_node, uuid_hash(uuid),
                             &table->owners) {
        if (uuid_equals(&owner->uuid, uuid)) {
            return owner;
        }
    }
    return NULL;
}

/* Returns the row that determines the cookie of 'entry', or NULL if nobody
 * claims it. */
const struct uuid *
flow_entry_owner(const struct flow_entry *entry)
{
    if (ovs_list_is_empty(&entry->claims)) {
        return NULL;
    }

    const struct flow_claim *claim = CONTAINER_OF(
        ovs_list_front(&entry->claims), struct flow_claim, entry_node);
    return &claim->owner->uuid;
}

/* Either may be NULL, which stands for no flow. */
bool
flow_content_equal(const struct flow_content *a, const struct flow_content *b)
{
    if (a == b) {
        return true;
    } else if (!a || !b || a->cookie != b->cookie
               || a->ofpacts_len != b->ofpacts_len) {
        return false;
    }

    /* ofpact_put_set_field() leaves padding uninitialized, so equal actions
     * may differ in bytes that mean nothing. */
    return (ofpacts_equal(a->ofpacts, a->ofpacts_len,
                          b->ofpacts, b->ofpacts_len)
            || ofpacts_equal_stringwise(a->ofpacts, a->ofpacts_len,
                                        b->ofpacts, b->ofpacts_len));
}

void
flow_table_update_stats(struct flow_table *table, struct flow_entry *entry,
                        uint64_t n_packets, uint64_t n_bytes)
{
    if (n_packets < entry->last_packets || n_bytes < entry->last_bytes) {
        entry->last_packets = entry->last_bytes = 0;
    }

    uint64_t packets = n_packets - entry->last_packets;
    uint64_t bytes = n_bytes - entry->last_bytes;
    const struct flow_content *content
        = entry->committed ? entry->committed : entry->desired;

    entry->n_packets += packets;
    entry->n_bytes += bytes;
    entry->last_packets = n_packets;
    entry->last_bytes = n_bytes;
    if (content) {
        enum drop_reason reason = flow_cookie_reason(content->cookie);

        if (flow_cookie_is_audited(content->cookie)) {
            table->audit_packets[reason] += packets;
            table->audit_bytes[reason] += bytes;
        } else if (reason) {
            table->drop_packets[reason] += packets;
            table->drop_bytes[reason] += bytes;
        }
    }
}

void
flow_entry_format(const struct flow_entry *entry, struct ds *s)
{
    const struct flow_content *content
        = entry->desired ? entry->desired : entry->committed;
    struct match match;

    minimatch_expand(&entry->match, &match);
    ds_put_format(s, "table=%"PRIu8", ", entry->table_id);
    if (content) {
        ds_put_format(s, "cookie=%#"PRIx64", ", ntohll(content->cookie));
    }
    match_format(&match, NULL, s, entry->priority);
    ds_put_cstr(s, " actions=");
    if (content) {
        struct ofpact_format_params params = { .s = s };

        ofpacts_format(content->ofpacts, content->ofpacts_len, &params);
    }
}

size_t
flow_table_diff(const struct flow_table *a, const struct flow_table *b,
                struct ds *diff)
{
    const struct flow_entry *entry;
    size_t n = 0;

    HMAP_FOR_EACH (entry, hmap_node, &a->flows) {
        const struct flow_entry *other = flow_table_find_minimatch(
            b, entry->table_id, entry->priority, &entry->match);

        if (entry->desired
            && !flow_content_equal(entry->desired,
                                   other ? other->desired : NULL)) {
            ds_put_cstr(diff, "- ");
            flow_entry_format(entry, diff);
            ds_put_char(diff, '\n');
            n++;
        }
    }
    HMAP_FOR_EACH (entry, hmap_node, &b->flows) {
        const struct flow_entry *other = flow_table_find_minimatch(
            a, entry->table_id, entry->priority, &entry->match);

        if (entry->desired
            && !flow_content_equal(entry->desired,
                                   other ? other->desired : NULL)) {
            ds_put_cstr(diff, "+ ");
            flow_entry_format(entry, diff);
            ds_put_char(diff, '\n');
            n++;
        }
    }
    return n;
}

/* Entries. */

static uint32_t
flow_hash(uint8_t table_id, uint16_t priority, const struct minimatch *match)
{
    return minimatch_hash(match, hash_2words(table_id, priority));
}

static struct flow_entry *
flow_table_find_minimatch(const struct flow_table *table, uint8_t table_id,
                          uint16_t priority, const struct minimatch *match)
{
    struct flow_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, hmap_node,
                             flow_hash(table_id, priority, match),
                             &table->flows) {
        if (entry->table_id == table_id && entry->priority == priority
            && minimatch_equal(&entry->match, match)) {
            return entry;
        }
    }
    return NULL;
}

/* Takes ownership of what 'match' points to. */
static struct flow_entry *
flow_entry_create(struct flow_table *table, const struct flow_spec *spec,
                  const struct minimatch *match)
{
    struct flow_entry *entry = xzalloc(sizeof *entry);

    entry->table_id = spec->table_id;
    entry->priority = spec->priority;
    entry->match = *match;
    ovs_list_init(&entry->claims);
    ovs_list_init(&entry->changed_node);
    hmap_insert(&table->flows, &entry->hmap_node,
                flow_hash(entry->table_id, entry->priority, &entry->match));
    return entry;
}

static void
flow_entry_destroy(struct flow_table *table, struct flow_entry *entry)
{
    ovs_assert(ovs_list_is_empty(&entry->claims));
    hmap_remove(&table->flows, &entry->hmap_node);
    ovs_list_remove(&entry->changed_node);
    minimatch_destroy(&entry->match);
    flow_content_unref(entry->desired);
    flow_content_unref(entry->committed);
    free(entry);
}

static bool
content_is_conjunction(const struct flow_content *content)
{
    return content->ofpacts_len
           && content->ofpacts->type == OFPACT_CONJUNCTION;
}

static int
compare_conjunctions(const void *a_, const void *b_)
{
    const struct ofpact_conjunction *const *a = a_;
    const struct ofpact_conjunction *const *b = b_;

    return (*a)->id != (*b)->id ? ((*a)->id < (*b)->id ? -1 : 1)
           : (*a)->clause != (*b)->clause
           ? ((*a)->clause < (*b)->clause ? -1 : 1)
           : 0;
}

/* Returns the union of the conjunction() actions of the claims on 'entry', in
 * order of id and clause, with the cookie of the first claim. */
static struct flow_content *
merge_conjunctions(const struct flow_entry *entry)
{
    const struct flow_claim *first = CONTAINER_OF(
        ovs_list_front(&entry->claims), struct flow_claim, entry_node);
    const struct ofpact_conjunction **conjs = NULL;
    size_t n = 0, allocated = 0;

    const struct flow_claim *claim;
    LIST_FOR_EACH (claim, entry_node, &entry->claims) {
        const struct ofpact *a;

        OFPACT_FOR_EACH (a, claim->content->ofpacts,
                         claim->content->ofpacts_len) {
            if (n >= allocated) {
                conjs = x2nrealloc(conjs, &allocated, sizeof *conjs);
            }
            conjs[n++] = ofpact_get_CONJUNCTION(a);
        }
    }
    qsort(conjs, n, sizeof *conjs, compare_conjunctions);

    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, n * sizeof(struct ofpact_conjunction));
    for (size_t i = 0; i < n; i++) {
        if (!i || compare_conjunctions(&conjs[i - 1], &conjs[i])) {
            struct ofpact_conjunction *oc = ofpact_put_CONJUNCTION(&ofpacts);

            oc->id = conjs[i]->id;
            oc->clause = conjs[i]->clause;
            oc->n_clauses = conjs[i]->n_clauses;
        }
    }
    free(conjs);

    struct flow_content *content = flow_content_create(
        first->content->cookie, ofpacts.data, ofpacts.size);
    ofpbuf_uninit(&ofpacts);
    return content;
}

/* Recalculates the desired content of 'entry' from its claims. */
static void
flow_entry_update(struct flow_table *table, struct flow_entry *entry)
{
    struct flow_content *desired = NULL;

    if (!ovs_list_is_empty(&entry->claims)) {
        struct flow_claim *first = CONTAINER_OF(
            ovs_list_front(&entry->claims), struct flow_claim, entry_node);

        desired = (content_is_conjunction(first->content)
                   && !ovs_list_is_singleton(&entry->claims)
                   ? merge_conjunctions(entry)
                   : flow_content_ref(first->content));
    }
    flow_content_unref(entry->desired);
    entry->desired = desired;

    if (ovs_list_is_empty(&entry->changed_node)) {
        ovs_list_push_back(&table->changed, &entry->changed_node);
    }
}

/* Owners and claims. */

static struct flow_owner *
flow_owner_get(struct flow_table *table, const struct uuid *uuid)
{
    struct flow_owner *owner = CONST_CAST(
        struct flow_owner *, flow_table_find_owner(table, uuid));

    if (!owner) {
        owner = xmalloc(sizeof *owner);
        owner->uuid = *uuid;
        ovs_list_init(&owner->claims);
        hmap_insert(&table->owners, &owner->hmap_node, uuid_hash(uuid));
    }
    return owner;
}

static void
flow_claim_destroy(struct flow_claim *claim)
{
    ovs_list_remove(&claim->entry_node);
    ovs_list_remove(&claim->owner_node);
    flow_content_unref(claim->content);
    free(claim);
}

/* Content. */

static struct flow_content *
flow_content_create(ovs_be64 cookie, const struct ofpact *ofpacts,
                    size_t ofpacts_len)
{
    struct flow_content *content = xmalloc(sizeof *content);

    content->ref_cnt = 1;
    content->cookie = cookie;
    content->ofpacts_len = ofpacts_len;
    content->ofpacts = ofpacts_len ? xmemdup(ofpacts, ofpacts_len) : NULL;
    return content;
}

static struct flow_content *
flow_content_ref(struct flow_content *content)
{
    if (content) {
        content->ref_cnt++;
    }
    return content;
}

static void
flow_content_unref(struct flow_content *content)
{
    if (content && !--content->ref_cnt) {
        free(content->ofpacts);
        free(content);
    }
}
