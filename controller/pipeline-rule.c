/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/pipeline.h"

#include "bastion/drop-reasons.h"
#include "controller/depmap.h"
#include "controller/netmap.h"
#include "controller/pipeline-render.h"

/* Conjunctions are spread over this many priorities, so that no flow carries
 * more conjunction() actions than a flow_mod can hold (64 kB, 16 bytes each),
 * however many rules name, say, TCP port 80. */
#define N_SHARDS 16

/* Rules.
 *
 * One half of a rule, egress or ingress, is a conjunction of up to three
 * dimensions: subject, peer, and what may be opened.  A dimension is a list
 * of alternative terms.  A dimension with one term adds it to the terms of
 * the others instead; what is left is either a single list, each of whose
 * terms decides by itself, or a conjunctive match with as many flows as there
 * are terms (n + m flows, never n x m). */

enum term_kind {
    TERM_IDENTITY,              /* Identity in a register. */
    TERM_CT_PREFIX,             /* Address of the original direction. */
    TERM_ARP_PREFIX,            /* Address in an ARP packet. */
    TERM_ND_PREFIX,             /* Address in a Neighbor Solicitation. */
    TERM_POLICY                 /* Protocol and port or type. */
};

struct term {
    enum term_kind kind;
    bool source;                /* About the source, else the destination. */
    bool swapped;               /* ARP and ND: with PIPELINE_FLAG_SWAPPED. */
    uint32_t identity;
    const struct ip_prefix *prefix;
    const struct policy *policy;
    struct port_mask ports;
};

struct dimension {
    struct term *terms;
    size_t n, allocated;
};

static struct term *
add_term(struct dimension *d, enum term_kind kind)
{
    if (d->n >= d->allocated) {
        d->terms = x2nrealloc(d->terms, &d->allocated, sizeof *d->terms);
    }

    struct term *t = &d->terms[d->n++];
    memset(t, 0, sizeof *t);
    t->kind = kind;
    return t;
}

static void
match_not_host(struct match *m, bool source)
{
    match_set_reg_masked(m, source ? 0 : 1, 0, IDENTITY_NOT_CIDR);
}

static void
match_ct_prefix(struct match *m, const struct ip_prefix *p, bool source)
{
    struct in6_addr mask = ip_prefix_mask(p);

    match_ct(m, 0, 0);
    match_ip(m, p->is_v4);
    match_not_host(m, source);
    if (p->is_v4) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&p->addr);
        ovs_be32 ip_mask = be32_prefix_mask(p->plen);

        if (source) {
            match_set_ct_nw_src_masked(m, ip, ip_mask);
        } else {
            match_set_ct_nw_dst_masked(m, ip, ip_mask);
        }
    } else if (source) {
        match_set_ct_ipv6_src_masked(m, &p->addr, &mask);
    } else {
        match_set_ct_ipv6_dst_masked(m, &p->addr, &mask);
    }
}

/* The asker's address is the sender's; while the identities are swapped, the
 * asker is the destination. */
static void
match_neighbor_prefix(struct match *m, const struct term *t)
{
    const struct ip_prefix *p = t->prefix;
    struct in6_addr mask = ip_prefix_mask(p);
    bool asker = t->source != t->swapped;

    match_not_host(m, t->source);
    match_set_reg_masked(m, 4, t->swapped ? PIPELINE_FLAG_SWAPPED : 0,
                         PIPELINE_FLAG_SWAPPED);
    if (t->kind == TERM_ARP_PREFIX) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&p->addr);
        ovs_be32 ip_mask = be32_prefix_mask(p->plen);

        match_arp(m);
        if (asker) {
            match_set_nw_src_masked(m, ip, ip_mask);
        } else {
            match_set_nw_dst_masked(m, ip, ip_mask);
        }
    } else {
        match_nd(m, ND_NEIGHBOR_SOLICIT);
        if (asker) {
            match_set_ipv6_src_masked(m, &p->addr, &mask);
        } else {
            match_set_nd_target_masked(m, &p->addr, &mask);
        }
    }
}

static void
match_policy(struct match *m, const struct term *t)
{
    const struct policy *p = t->policy;

    match_ct(m, 0, 0);
    match_set_ct_nw_proto(m, p->nw_proto);
    if (p->has_ports) {
        match_set_ct_tp_dst_masked(m, htons(t->ports.value),
                                   htons(t->ports.mask));
    }
    if (p->icmp_type >= 0) {
        match_set_ct_tp_src(m, htons(p->icmp_type));
    }
    if (p->icmp_code >= 0) {
        match_set_ct_tp_dst(m, htons(p->icmp_code));
    }
}

static void
apply_term(struct match *m, const struct term *t)
{
    switch (t->kind) {
    case TERM_IDENTITY:
        match_set_reg(m, t->source ? 0 : 1, t->identity);
        break;
    case TERM_CT_PREFIX:
        match_ct_prefix(m, t->prefix, t->source);
        break;
    case TERM_ARP_PREFIX:
    case TERM_ND_PREFIX:
        match_neighbor_prefix(m, t);
        break;
    case TERM_POLICY:
        match_policy(m, t);
        break;
    }
}

/* Terms for 'peers' at one end of the packet; none if 'peers' is everyone. */
static void
peers_to_terms(const struct depmap_peers *peers, bool source, bool visibility,
               struct dimension *d)
{
    for (size_t i = 0; i < peers->n_identities; i++) {
        struct term *t = add_term(d, TERM_IDENTITY);

        t->source = source;
        t->identity = peers->identities[i];
    }
    for (size_t i = 0; i < peers->n_prefixes; i++) {
        const struct ip_prefix *p = &peers->prefixes[i];
        struct term *t = add_term(d, TERM_CT_PREFIX);

        t->source = source;
        t->prefix = p;
        for (int swapped = 0; visibility && swapped <= 1; swapped++) {
            t = add_term(d, p->is_v4 ? TERM_ARP_PREFIX : TERM_ND_PREFIX);
            t->source = source;
            t->swapped = swapped;
            t->prefix = p;
        }
    }
}

/* Terms for services and the host among 'peers': those that can be the
 * subject of isolation. */
static void
subjects_to_terms(const struct depmap_peers *peers, bool source,
                  struct dimension *d)
{
    for (size_t i = 0; i < peers->n_identities; i++) {
        uint32_t identity = peers->identities[i];

        if (identity >= IDENTITY_SERVICE_MIN
            && !(source && identity == IDENTITY_HOST)) {
            struct term *t = add_term(d, TERM_IDENTITY);

            t->source = source;
            t->identity = identity;
        }
    }
}

/* Terms for 'rule''s policies.  Returns true if everything is open, with no
 * terms. */
static bool
policies_to_terms(const struct depmap_rule *rule, struct dimension *d)
{
    for (size_t i = 0; i < rule->n_policies; i++) {
        const struct policy *p = &rule->policies[i];

        if (!p->nw_proto) {
            d->n = 0;
            return true;
        } else if (p->has_ports) {
            struct port_mask masks[POLICY_MAX_MASKS];
            size_t n = policy_port_masks(p, masks);

            for (size_t j = 0; j < n; j++) {
                struct term *t = add_term(d, TERM_POLICY);

                t->policy = p;
                t->ports = masks[j];
            }
        } else {
            add_term(d, TERM_POLICY)->policy = p;
        }
    }
    return false;
}

/* Where the flows of one half of a rule go. */
struct half {
    enum pipeline_table table;
    enum pipeline_table next;
    uint32_t conj_id;
    uint16_t zone;
};

/* Claims the flows for the conjunction of the 'n' dimensions 'dims', which
 * have at least one term each. */
static void
render_conjunction(struct renderer *r, const struct half *half,
                   struct dimension *const dims[], size_t n)
{
    const struct term *common[3];
    const struct dimension *wide[3];
    size_t n_common = 0, n_wide = 0;

    for (size_t i = 0; i < n; i++) {
        if (dims[i]->n == 1) {
            common[n_common++] = dims[i]->terms;
        } else {
            wide[n_wide++] = dims[i];
        }
    }

    int priority = (n_wide < 2 ? PRIO_RULE
                    : PRIO_CONJUNCTION + half->conj_id % N_SHARDS);
    for (size_t i = 0; i < MAX(n_wide, 1); i++) {
        for (size_t j = 0; j < (n_wide ? wide[i]->n : 1); j++) {
            struct match *m = begin(r, half->table, priority);

            match_set_reg(m, 2, half->zone);
            for (size_t k = 0; k < n_common; k++) {
                apply_term(m, common[k]);
            }
            if (n_wide) {
                apply_term(m, &wide[i]->terms[j]);
            }
            if (n_wide < 2) {
                go(r, half->next);
            } else {
                struct ofpact_conjunction *c
                    = ofpact_put_CONJUNCTION(&r->spec.ofpacts);
                c->id = half->conj_id;
                c->clause = i;
                c->n_clauses = n_wide;
                finish(r);
            }
        }
    }
    if (n_wide >= 2) {
        match_set_conj_id(begin(r, half->table, priority), half->conj_id);
        go(r, half->next);
    }
}

static void
render_half(struct renderer *r, const struct depmap_rule *rule, bool egress,
            bool visibility, const struct half *half)
{
    const struct depmap_peers *subjects
        = egress ? &rule->sources : &rule->destinations;
    const struct depmap_peers *peers
        = egress ? &rule->destinations : &rule->sources;
    struct dimension subject = { .n = 0 }, peer = { .n = 0 },
                     policy = { .n = 0 };
    struct dimension *dims[3];
    bool empty = false;
    size_t n = 0;

    if (!subjects->any) {
        subjects_to_terms(subjects, egress, &subject);
        dims[n++] = &subject;
    }
    if (!peers->any) {
        peers_to_terms(peers, !egress, visibility, &peer);
        dims[n++] = &peer;
    }
    if (!visibility && !policies_to_terms(rule, &policy)) {
        dims[n++] = &policy;
    }
    for (size_t i = 0; i < n; i++) {
        empty |= !dims[i]->n;
    }
    if (!empty) {
        render_conjunction(r, half, dims, n);
    }

    free(subject.terms);
    free(peer.terms);
    free(policy.terms);
}

void
pipeline_render_rule(const struct pipeline *pipeline, struct flow_table *table,
                     const struct depmap_rule *rule, uint32_t conj_id)
{
    static const struct {
        enum depmap_direction direction;
        bool visibility;
        enum pipeline_table table, next;
    } halves[] = {
        { DEPMAP_EGRESS, false, PIPELINE_EGRESS, PIPELINE_INGRESS },
        { DEPMAP_INGRESS, false, PIPELINE_INGRESS, PIPELINE_ACCEPTED },
        { DEPMAP_EGRESS, true, PIPELINE_PEER_EGRESS, PIPELINE_PEER_INGRESS },
        { DEPMAP_INGRESS, true, PIPELINE_PEER_INGRESS, PIPELINE_PEER_MATCH },
    };
    struct renderer r;

    renderer_init(&r, pipeline, table, &rule->uuid);
    for (size_t i = 0; i < ARRAY_SIZE(halves); i++) {
        if (rule->direction & halves[i].direction) {
            render_half(&r, rule, halves[i].direction == DEPMAP_EGRESS,
                        halves[i].visibility, &(struct half) {
                            .table = halves[i].table,
                            .next = halves[i].next,
                            .conj_id = conj_id,
                            .zone = rule->zone,
                        });
        }
    }
    renderer_uninit(&r);
}
