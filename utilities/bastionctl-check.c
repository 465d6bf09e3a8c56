/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <limits.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/address-cuts.h"
#include "lib/address.h"
#include "lib/peer.h"
#include "lib/policy.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "svec.h"
#include "util.h"
#include "utilities/bastionctl-end.h"

/* The "check" verb
 * ================
 *
 * Evaluates, on the rows of the database alone,
 *
 *     allowed(s, d, l4) = (not isolated_egress(s)  or a row lets s open l4)
 *                     and (not isolated_ingress(d) or a row lets d accept l4)
 *
 * It knows nothing of interfaces, links and flows, so it answers what the
 * operator has asked for; "ovs-appctl -t bastion-controller bastion/trace"
 * answers what becomes of a packet. */

/* Exit status of "check" for a connection that is not allowed. */
#define EXIT_DENIED 2

/* Parses the PROTO:PORT argument: a policy that opens one kind of connection
 * only.  An ICMP type without a code stands for code 0, and a bare ICMP
 * protocol for its echo request. */
static bool
parse_l4(struct ctl_context *ctx, const char *text, struct policy *l4)
{
    char *error = policy_parse(text, l4);

    if (!error) {
        bool is_icmp = (l4->nw_proto == IPPROTO_ICMP
                        || l4->nw_proto == IPPROTO_ICMPV6);

        if (is_icmp && l4->icmp_type < 0) {
            l4->icmp_type = (l4->nw_proto == IPPROTO_ICMP
                             ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
        }
        if (is_icmp && l4->icmp_code < 0) {
            l4->icmp_code = 0;
        }
        if (!is_icmp && (!l4->has_ports || l4->port_min != l4->port_max)) {
            error = xasprintf("%s: expected one port, as in tcp:80, or an "
                              "ICMP type, as in icmp:8", text);
        }
    }
    if (error) {
        bad_argument(ctx, "PROTO:PORT", error);
    }
    return !error;
}

/* A Dependency row, parsed once for all the addresses to look at. */
struct rule {
    const struct bsrec_dependency *row;
    const struct bsrec_network *network;        /* That of its services. */
    struct policy *policies;
    size_t n_policies;
};

static bool
cidr_is_valid(const struct bsrec_cidr_block *block)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(block->prefix, &prefix);

    for (size_t i = 0; i < block->n_except && !error; i++) {
        struct ip_prefix except;

        error = ip_prefix_parse(block->except[i], &except);
        if (!error && !ip_prefix_covers(&prefix, &except)) {
            return false;
        }
    }
    bool valid = !error;
    free(error);
    return valid;
}

static bool
cidrs_are_valid(struct bsrec_cidr_block **cidrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!cidr_is_valid(cidrs[i])) {
            return false;
        }
    }
    return true;
}

/* Sets '*network' to the network of 'services', if that is null.  Returns
 * false if any of them is in another network than '*network'. */
static bool
get_network(struct bsrec_service **services, size_t n,
            const struct bsrec_network **network)
{
    for (size_t i = 0; i < n; i++) {
        if (*network && services[i]->network != *network) {
            return false;
        }
        *network = services[i]->network;
    }
    return true;
}

/* If services and CIDR blocks of 'row' are such that the controller accepts
 * it, returns the network that it is about, otherwise NULL. */
static const struct bsrec_network *
network_of_row(const struct bsrec_dependency *row)
{
    const struct bsrec_network *network = NULL;
    bool valid = (get_network(row->source_services, row->n_source_services,
                              &network)
                  && get_network(row->destination_services,
                                 row->n_destination_services, &network)
                  && cidrs_are_valid(row->source_cidrs, row->n_source_cidrs)
                  && cidrs_are_valid(row->destination_cidrs,
                                     row->n_destination_cidrs)
                  && (row->n_source_services || row->n_source_cidrs
                      || row->n_source_special)
                  && (row->n_destination_services || row->n_destination_cidrs
                      || row->n_destination_special));

    return valid ? network : NULL;
}

/* Initializes 'rule' from 'row' and returns true, if the controller accepts
 * 'row'. */
static bool
rule_init(struct rule *rule, const struct bsrec_dependency *row)
{
    rule->row = row;
    rule->network = network_of_row(row);
    if (!rule->network || status_is_error(row->status)) {
        return false;
    }

    rule->policies = xmalloc(MAX(row->n_policies, 1)
                             * sizeof *rule->policies);
    rule->n_policies = 0;
    for (size_t i = 0; i < row->n_policies; i++) {
        char *error = policy_parse(row->policies[i],
                                   &rule->policies[rule->n_policies++]);

        if (error) {
            free(error);
            free(rule->policies);
            return false;
        }
    }
    return true;
}

static bool
cidr_contains(const struct bsrec_cidr_block *block, const struct in6_addr *ip)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(block->prefix, &prefix);
    bool contains = !error && ip_prefix_contains(&prefix, ip);

    free(error);
    for (size_t i = 0; i < block->n_except && contains; i++) {
        error = ip_prefix_parse(block->except[i], &prefix);
        contains = error || !ip_prefix_contains(&prefix, ip);
        free(error);
    }
    return contains;
}

/* One side of a row. */
struct side {
    struct bsrec_service **services;
    size_t n_services;
    struct bsrec_cidr_block **cidrs;
    size_t n_cidrs;
    char **special;
    size_t n_special;
};

static struct side
get_side(const struct bsrec_dependency *row, bool source)
{
    return (source
            ? (struct side) {
                row->source_services, row->n_source_services,
                row->source_cidrs, row->n_source_cidrs,
                row->source_special, row->n_source_special }
            : (struct side) {
                row->destination_services, row->n_destination_services,
                row->destination_cidrs, row->n_destination_cidrs,
                row->destination_special, row->n_destination_special });
}

/* Returns true if 'side' says who 'end' is. */
static bool
names_end(const struct side *side, const struct end *end)
{
    for (size_t i = 0; i < side->n_special; i++) {
        const char *special = side->special[i];

        if (!strcmp(special, "any")
            || (!strcmp(special, "host") && end->type == END_HOST)
            || (!strcmp(special, "world") && end->type == END_WORLD)) {
            return true;
        }
    }
    for (size_t i = 0; i < side->n_services; i++) {
        if (side->services[i] == end_service(end)) {
            return true;
        }
    }
    return false;
}

/* Returns true if 'side' says who 'end' is, or contains its address 'ip',
 * which may be null if it is not known. */
static bool
matches_end(const struct side *side, const struct end *end,
            const struct in6_addr *ip)
{
    if (names_end(side, end)) {
        return true;
    }
    for (size_t i = 0; i < side->n_cidrs; i++) {
        if (ip && end->type != END_HOST
            && cidr_contains(side->cidrs[i], ip)) {
            return true;
        }
    }
    return false;
}

/* A set of policies: what any of them opens is open. */
struct policy_set {
    struct policy *policies;    /* Owned. */
    size_t n, allocated;
};

static void
policy_set_add(struct policy_set *set, const struct policy *policy)
{
    if (set->n >= set->allocated) {
        set->policies = x2nrealloc(set->policies, &set->allocated,
                                   sizeof *set->policies);
    }
    set->policies[set->n++] = *policy;
}

static void
policy_set_destroy(struct policy_set *set)
{
    free(set->policies);
    *set = (struct policy_set) { .n = 0 };
}

/* Adds 'policy' to 'set', unless it opens nothing new, and removes what then
 * opens nothing more than it does. */
static void
policy_set_merge(struct policy_set *set, const struct policy *policy)
{
    struct policy common;
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (policy_intersect(&set->policies[i], policy, &common)
            && policy_equals(&common, policy)) {
            return;
        }
    }
    for (size_t i = 0; i < set->n; i++) {
        if (!policy_intersect(&set->policies[i], policy, &common)
            || !policy_equals(&common, &set->policies[i])) {
            set->policies[n++] = set->policies[i];
        }
    }
    set->n = n;
    policy_set_add(set, policy);
}

/* Narrows 'set' to what 'other' opens, too. */
static void
policy_set_intersect(struct policy_set *set, const struct policy_set *other)
{
    struct policy_set both = { .n = 0 };

    for (size_t i = 0; i < set->n; i++) {
        for (size_t j = 0; j < other->n; j++) {
            struct policy policy;

            if (policy_intersect(&set->policies[i], &other->policies[j],
                                 &policy)) {
                policy_set_merge(&both, &policy);
            }
        }
    }
    policy_set_destroy(set);
    *set = both;
}

/* Appends the policies of 'set' in canonical form to 'texts'. */
static void
policy_set_format(const struct policy_set *set, struct svec *texts)
{
    for (size_t i = 0; i < set->n; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;

        policy_format(&set->policies[i], &s);
        svec_add_nocopy(texts, ds_steal_cstr(&s));
    }
    svec_sort_unique(texts);
}

/* What is being asked, and the answer so far. */
struct question {
    struct rule *rules;
    size_t n_rules, allocated_rules;
    struct end source;
    struct end destination;
    struct policy l4;           /* "any" to ask what is open at all. */

    struct policy_set open;     /* What is open. */
    bool egress_open;           /* May the source open something? */
    bool ingress_open;          /* May the destination accept something? */
    bool compared;              /* Was there a pair of addresses? */
};

/* Adds to 'set' what the rules of 'network' let 'subject' open to 'peer', if
 * 'egress', or else let it accept from 'peer'.
 *
 * A rule is about those that it names.  An address range in it is only ever
 * the other side, so that a container cannot get rights by an address. */
static void
collect_half(const struct question *q, bool egress,
             const struct bsrec_network *network, const struct end *subject,
             const struct end *peer, const struct in6_addr *peer_ip,
             struct policy_set *set)
{
    for (size_t i = 0; i < q->n_rules; i++) {
        const struct rule *rule = &q->rules[i];
        struct side subjects = get_side(rule->row, egress);
        struct side peers = get_side(rule->row, !egress);

        if (rule->network != network
            || !strcmp(rule->row->direction, egress ? "ingress" : "egress")
            || !names_end(&subjects, subject)
            || !matches_end(&peers, peer, peer_ip)) {
            continue;
        }
        for (size_t j = 0; j < rule->n_policies; j++) {
            struct policy policy;

            if (policy_intersect(&rule->policies[j], &q->l4, &policy)) {
                policy_set_add(set, &policy);
            }
        }
    }
}

static bool
isolates(const struct end *end, const char *direction)
{
    const struct bsrec_service *service = end_service(end);

    return (service
            ? (!strcmp(service->isolate, "both")
               || !strcmp(service->isolate, direction))
            : end->type == END_HOST && !strcmp(direction, "ingress"));
}

/* An ICMP policy opens nothing to the other IP version. */
static bool
is_possible(const struct policy *policy, const struct in6_addr *ip)
{
    return (!ip
            || (policy->nw_proto != IPPROTO_ICMP
                && policy->nw_proto != IPPROTO_ICMPV6)
            || (policy->nw_proto == IPPROTO_ICMP) == ip_is_v4(ip));
}

/* How 'end' appears to rules about containers of 'network': a service of
 * another network means nothing there. */
static struct end
seen_from(const struct end *end, const struct bsrec_network *network)
{
    struct end seen = *end;

    if (end_service(end) && end->service->network != network) {
        seen.type = END_OTHER;
    }
    return seen;
}

/* Evaluates connections from 'src_ip' to 'dst_ip', the latter of which may be
 * null for a destination without particular addresses. */
static void
evaluate_pair(struct question *q, const struct in6_addr *src_ip,
              const struct in6_addr *dst_ip)
{
    struct policy_set egress = { .n = 0 }, ingress = { .n = 0 };
    const struct bsrec_service *src = end_service(&q->source);
    const struct bsrec_service *dst = end_service(&q->destination);

    if (!isolates(&q->source, "egress")) {
        policy_set_add(&egress, &q->l4);
    } else {
        const struct bsrec_network *network = src->network;
        struct end seen = seen_from(&q->destination, network);

        collect_half(q, true, network, &q->source, &seen, dst_ip, &egress);
    }
    if (!isolates(&q->destination, "ingress")) {
        policy_set_add(&ingress, &q->l4);
    } else {
        const struct bsrec_network *network = dst ? dst->network
                                                  : src->network;
        struct end seen = seen_from(&q->source, network);

        collect_half(q, false, network, &q->destination, &seen, src_ip,
                     &ingress);
    }

    q->egress_open |= egress.n > 0;
    q->ingress_open |= ingress.n > 0;
    for (size_t i = 0; i < egress.n; i++) {
        for (size_t j = 0; j < ingress.n; j++) {
            struct policy both;

            if (policy_intersect(&egress.policies[i], &ingress.policies[j],
                                 &both)
                && is_possible(&both, dst_ip ? dst_ip : src_ip)) {
                policy_set_add(&q->open, &both);
            }
        }
    }
    policy_set_destroy(&egress);
    policy_set_destroy(&ingress);
}

static void
evaluate(struct question *q)
{
    for (size_t i = 0; i < q->source.n_ips; i++) {
        const struct in6_addr *src_ip = &q->source.ips[i];

        if (!is_possible(&q->l4, src_ip)) {
            continue;
        }
        for (size_t j = 0; j < MAX(q->destination.n_ips, 1); j++) {
            const struct in6_addr *dst_ip = (q->destination.n_ips
                                             ? &q->destination.ips[j]
                                             : NULL);

            if (!dst_ip || ip_is_v4(src_ip) == ip_is_v4(dst_ip)) {
                q->compared = true;
                evaluate_pair(q, src_ip, dst_ip);
            }
        }
    }
}

/* Adds to 'reasons' why a row that 'end' needs does not count, if that is so.
 */
static void
add_refused_rows(const struct end *end, struct svec *reasons)
{
    const struct bsrec_service *service = end_service(end);

    if (!service) {
        return;
    }
    if (end->container && status_is_error(end->container->status)) {
        svec_add_nocopy(reasons, xasprintf("container %s is refused (%s)",
                                           end->name,
                                           end->container->status));
    } else if (status_is_error(service->status)) {
        svec_add_nocopy(reasons, xasprintf("service %s is refused (%s)",
                                           service->name, service->status));
    } else if (status_is_error(service->network->status)) {
        svec_add_nocopy(reasons, xasprintf("network %s is refused (%s)",
                                           service->network->name,
                                           service->network->status));
    }
}

/* Adds to 'reasons' why no packet gets from the source to the destination
 * whatever the policy, if that is so. */
static void
add_hard_reasons(const struct question *q, struct svec *reasons)
{
    const struct bsrec_network *network = end_service(&q->source)->network;
    const struct bsrec_service *dst = end_service(&q->destination);

    add_refused_rows(&q->source, reasons);
    add_refused_rows(&q->destination, reasons);
    if (q->destination.type == END_OTHER
        && (!ip_is_host_address(q->destination.ips)
            || IN6_IS_ADDR_LINKLOCAL(q->destination.ips))) {
        svec_add_nocopy(reasons,
                        xasprintf("%s is not a unicast address of a host "
                                  "elsewhere", q->destination.name));
    } else if (q->destination.type == END_OTHER
               && has_subnet_for(network, q->destination.ips)) {
        svec_add_nocopy(reasons,
                        xasprintf("no container of network %s has address %s",
                                  network->name, q->destination.name));
    } else if (!network->n_gateways
               && (!dst || dst->network != network)) {
        svec_add_nocopy(reasons, xasprintf("network %s has no gateway",
                                           network->name));
    }
}

/* Adds to 'reasons' what policy has against the connection. */
static void
add_policy_reasons(const struct question *q, const char *l4_text,
                   struct svec *reasons)
{
    const char *what = l4_text ? l4_text : "anything";
    const char *source = q->source.name;
    const char *destination = q->destination.name;

    if (!q->compared) {
        svec_add_nocopy(reasons,
                        xasprintf("%s and %s have no addresses of one IP "
                                  "version for %s", source, destination,
                                  what));
        return;
    }
    if (!q->egress_open) {
        svec_add_nocopy(reasons,
                        xasprintf("no dependency lets %s open %s to %s",
                                  source, what, destination));
    }
    if (!q->ingress_open) {
        svec_add_nocopy(reasons,
                        xasprintf("no dependency lets %s accept %s from %s",
                                  destination, what, source));
    }
    if (q->egress_open && q->ingress_open) {
        svec_add_nocopy(reasons,
                        xasprintf("what %s may open to %s is not what %s may "
                                  "accept", source, destination,
                                  destination));
    }
}

/* Returns the enforcement of the source's network. */
static const char *
effective_enforcement(struct ctl_context *ctx, const struct question *q)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    const struct bsrec_network *network = end_service(&q->source)->network;

    return (network->enforcement ? network->enforcement
            : root ? root->default_enforcement
            : "enforce");
}

static void
put_reasons(struct ds *s, const char *heading, const struct svec *reasons)
{
    char *list = svec_join(reasons, ", ", "");

    ds_put_format(s, "%s%s\n", heading, list);
    free(list);
}

enum verdict {
    ALLOWED,
    UNENFORCED,                 /* Only because policy is not enforced. */
    DENIED
};

/* Says what the evaluation of 'q' has come to, and adds to 'reasons' why it is
 * not ALLOWED. */
static enum verdict
judge(struct ctl_context *ctx, const struct question *q, const char *l4_text,
      struct svec *reasons)
{
    add_hard_reasons(q, reasons);
    if (reasons->n) {
        return DENIED;
    } else if (q->open.n) {
        return ALLOWED;
    }
    add_policy_reasons(q, l4_text, reasons);
    return (strcmp(effective_enforcement(ctx, q), "enforce")
            ? UNENFORCED : DENIED);
}

static void
answer(struct ctl_context *ctx, const struct question *q, const char *l4_text,
       enum verdict verdict, const struct svec *reasons)
{
    struct svec open = SVEC_EMPTY_INITIALIZER;

    switch (verdict) {
    case ALLOWED:
        policy_set_format(&q->open, &open);
        if (l4_text || svec_contains(&open, "any")) {
            ds_put_cstr(&ctx->output, "allowed\n");
        } else {
            put_reasons(&ctx->output, "allowed: ", &open);
        }
        svec_destroy(&open);
        break;

    case UNENFORCED:
        ds_put_format(&ctx->output, "allowed, because enforcement is %s: ",
                      effective_enforcement(ctx, q));
        put_reasons(&ctx->output, "", reasons);
        break;

    case DENIED:
        put_reasons(&ctx->output, "denied: ", reasons);
        bastionctl_context_cast(ctx)->exit_status = EXIT_DENIED;
        break;

    default:
        OVS_NOT_REACHED();
    }
}

static void
question_destroy(struct question *q)
{
    for (size_t i = 0; i < q->n_rules; i++) {
        free(q->rules[i].policies);
    }
    free(q->rules);
    end_destroy(&q->source);
    end_destroy(&q->destination);
    policy_set_destroy(&q->open);
}

/* Returns true if 'rule' may be about connections from 'source'. */
static bool
may_concern(const struct rule *rule, const struct end *source)
{
    struct side sources = get_side(rule->row, true);

    for (size_t i = 0; i < source->n_ips; i++) {
        if (matches_end(&sources, source, &source->ips[i])) {
            return true;
        }
    }
    return false;
}

/* Loads the rules that count for the source of 'q'. */
static void
load_rules(struct ctl_context *ctx, struct question *q)
{
    const struct bsrec_dependency *row;

    BSREC_DEPENDENCY_FOR_EACH (row, ctx->idl) {
        struct rule rule;

        if (!rule_init(&rule, row)) {
            continue;
        } else if (!may_concern(&rule, &q->source)) {
            free(rule.policies);
        } else {
            if (q->n_rules >= q->allocated_rules) {
                q->rules = x2nrealloc(q->rules, &q->allocated_rules,
                                      sizeof *q->rules);
            }
            q->rules[q->n_rules++] = rule;
        }
    }
}

/* Ranges of addresses.
 *
 * What becomes of a connection depends on the prefixes that its destination is
 * in: subnets, blocks of addresses in rules, addresses that somebody has.  So
 * the range is cut where any of these begins or ends, and one address speaks
 * for each piece. */

static void
cut_at_rules(struct address_cuts *cuts, const struct question *q)
{
    for (size_t i = 0; i < q->n_rules; i++) {
        struct side side = get_side(q->rules[i].row, false);

        for (size_t j = 0; j < side.n_cidrs; j++) {
            const struct bsrec_cidr_block *block = side.cidrs[j];

            cut_at(cuts, block->prefix);
            cut_at_each(cuts, block->except, block->n_except);
        }
    }
}

static void
cut_range(struct address_cuts *cuts, struct ctl_context *ctx,
          const struct question *q, const struct peer *range)
{
    address_cuts_init(cuts, &range->prefix);
    for (size_t i = 0; i < range->n_except; i++) {
        address_cuts_add(cuts, &range->except[i]);
    }
    cut_at_rules(cuts, q);
    cut_at_ends(ctx, cuts);
    address_cuts_sort(cuts);
}

static bool
is_excepted(const struct peer *range, const struct in6_addr *ip)
{
    for (size_t i = 0; i < range->n_except; i++) {
        if (ip_prefix_contains(&range->except[i], ip)) {
            return true;
        }
    }
    return false;
}

/* Makes the addresses from 'first' to 'last', all of a kind, the destination
 * of 'q'. */
static void
set_destination(struct ctl_context *ctx, struct question *q,
                const struct in6_addr *first, const struct in6_addr *last)
{
    end_destroy(&q->destination);
    q->destination = (struct end) { .type = END_OTHER };
    end_init_ip(ctx, &q->destination, first,
                end_service(&q->source)->network);
    if (!ipv6_addr_equals(first, last)) {
        struct ds name = DS_EMPTY_INITIALIZER;

        address_range_format(first, last, &name);
        free(q->destination.name);
        q->destination.name = ds_steal_cstr(&name);
    }
    q->egress_open = q->ingress_open = q->compared = false;
    policy_set_destroy(&q->open);
}

/* Narrows 'open', which 'is_first' says is not set yet, to what the evaluation
 * of 'q' has found.  If nothing is left, says so in 'reasons' and returns
 * false. */
static bool
narrow(struct policy_set *open, bool is_first, struct question *q,
       struct svec *reasons)
{
    if (is_first) {
        *open = q->open;
        q->open = (struct policy_set) { .n = 0 };
        return true;
    }
    policy_set_intersect(open, &q->open);
    if (!open->n) {
        svec_add_nocopy(reasons,
                        xasprintf("nothing of what is open to the addresses "
                                  "before %s is open to it, too",
                                  q->destination.name));
    }
    return open->n > 0;
}

/* Evaluates 'q' for each address of 'range'.  Returns the worst verdict, with
 * the first reasons for it in 'reasons', and leaves in 'q' what is open to
 * every address. */
static enum verdict
judge_range(struct ctl_context *ctx, struct question *q, const char *l4_text,
            const struct peer *range, struct svec *reasons)
{
    enum verdict worst = ALLOWED;
    struct policy_set open = { .n = 0 };
    struct in6_addr first, last;
    struct address_cuts cuts;
    bool is_first = true;
    size_t i = 0;

    cut_range(&cuts, ctx, q, range);
    while (worst != DENIED && address_cuts_next(&cuts, &i, &first, &last)) {
        struct svec why = SVEC_EMPTY_INITIALIZER;

        if (is_excepted(range, &first)) {
            continue;
        }
        set_destination(ctx, q, &first, &last);
        evaluate(q);

        enum verdict verdict = judge(ctx, q, l4_text, &why);
        if (verdict == ALLOWED && worst == ALLOWED
            && !narrow(&open, is_first, q, &why)) {
            verdict = (strcmp(effective_enforcement(ctx, q), "enforce")
                       ? UNENFORCED : DENIED);
        }
        is_first = false;
        if (verdict > worst) {
            worst = verdict;
            svec_swap(reasons, &why);
        }
        svec_destroy(&why);
    }
    address_cuts_destroy(&cuts);
    policy_set_destroy(&q->open);
    q->open = open;
    return worst;
}

/* Parses 'text', a DST argument, as a range of addresses that has any. */
static bool
parse_range(struct ctl_context *ctx, const char *text, struct peer *range)
{
    struct ip_prefix *left = NULL;
    size_t n_left;
    char *error = peer_parse(text, range);

    if (!error) {
        ip_prefix_subtract(&range->prefix, range->except, range->n_except,
                           &left, &n_left);
        free(left);
        if (n_left) {
            return true;
        }
        error = xasprintf("%s: the exceptions leave no address", text);
        peer_destroy(range);
    }
    bad_argument(ctx, "DST", error);
    return false;
}

static void
check_range(struct ctl_context *ctx, struct question *q, const char *l4_text)
{
    struct peer range;

    if (!parse_range(ctx, ctx->argv[2], &range)) {
        return;
    }
    if (!l4_text || parse_l4(ctx, l4_text, &q->l4)) {
        struct svec reasons = SVEC_EMPTY_INITIALIZER;

        load_rules(ctx, q);

        enum verdict verdict = judge_range(ctx, q, l4_text, &range, &reasons);
        answer(ctx, q, l4_text, verdict, &reasons);
        svec_destroy(&reasons);
    }
    peer_destroy(&range);
}

static void
check_end(struct ctl_context *ctx, struct question *q, const char *l4_text)
{
    if (end_init_destination(ctx, &q->destination, ctx->argv[2],
                             end_service(&q->source)->network)
        && (!l4_text || parse_l4(ctx, l4_text, &q->l4))) {
        struct svec reasons = SVEC_EMPTY_INITIALIZER;

        load_rules(ctx, q);
        evaluate(q);

        enum verdict verdict = judge(ctx, q, l4_text, &reasons);
        answer(ctx, q, l4_text, verdict, &reasons);
        svec_destroy(&reasons);
    }
}

static void
cmd_check(struct ctl_context *ctx)
{
    const char *l4_text = ctx->argc > 3 ? ctx->argv[3] : NULL;
    struct question q = { .l4 = { .icmp_type = -1, .icmp_code = -1 } };
    const struct bsrec_container *source;

    source = find_container(ctx, ctx->argv[1], false);
    if (!source) {
        if (!ctx->error) {
            bad_argument(ctx, "SRC-CONTAINER",
                         xasprintf("%s: expected the name of a container",
                                   ctx->argv[1]));
        }
        return;
    }
    end_init_container(&q.source, source);
    if (!strncmp(ctx->argv[2], "cidr:", 5)) {
        check_range(ctx, &q, l4_text);
    } else {
        check_end(ctx, &q, l4_text);
    }
    question_destroy(&q);
}

const struct ctl_command_syntax check_commands[] = {
    {"check", 2, 3, "CONTAINER ARG [POLICY]", pre_everything, cmd_check, NULL,
     "", RO},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
