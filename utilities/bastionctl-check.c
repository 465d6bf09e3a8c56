/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <limits.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/address.h"
#include "lib/peer.h"
#include "lib/policy.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "svec.h"
#include "util.h"

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

enum end_type {
    END_CONTAINER,
    END_SERVICE,                /* Each container of a service. */
    END_HOST,
    END_WORLD,                  /* An outside address, or any of them. */
    END_OTHER                   /* An address that is none of the above. */
};

/* One end of a connection. */
struct end {
    enum end_type type;
    const struct bsrec_container *container;    /* END_CONTAINER only. */
    const struct bsrec_service *service;        /* Or END_SERVICE. */
    const struct in6_addr *ips; /* The addresses it may use. */
    size_t n_ips;               /* May be 0, except for END_CONTAINER. */
    char *name;                 /* For messages.  Owned. */
    struct in6_addr *storage;   /* Owned. */
};

static void
end_destroy(struct end *end)
{
    free(end->name);
    free(end->storage);
}

static void
end_init_container(struct end *end, const struct bsrec_container *container)
{
    struct eth_addr mac;
    char *error;

    end->type = END_CONTAINER;
    end->container = container;
    end->service = container->service;
    end->name = container_name(container);
    end->storage = xmalloc((container->n_ips + 1) * sizeof *end->storage);
    end->ips = end->storage;
    for (size_t i = 0; i < container->n_ips; i++) {
        error = ip_address_parse(container->ips[i],
                                 &end->storage[end->n_ips]);
        end->n_ips += !error;
        free(error);
    }

    /* Every container has the link-local address of its interface. */
    error = mac_parse(container->mac, &mac);
    if (!error) {
        ip_lla_from_mac(mac, &end->storage[end->n_ips++]);
    }
    free(error);
}

/* Of a service, only the identity counts: a row that names its addresses need
 * not be about all of its containers. */
static void
end_init_service(struct end *end, const struct bsrec_service *service)
{
    end->type = END_SERVICE;
    end->service = service;
    end->name = service_name(service);
}

/* Narrows 'end' to 'ip'. */
static void
end_set_ip(struct end *end, const struct in6_addr *ip)
{
    free(end->storage);
    end->ips = end->storage = xmemdup(ip, sizeof *ip);
    end->n_ips = 1;
}

static const struct bsrec_service *
end_service(const struct end *end)
{
    return (end->type == END_CONTAINER || end->type == END_SERVICE
            ? end->service
            : NULL);
}

static bool
contains_ip(char **texts, size_t n, const char *canonical)
{
    for (size_t i = 0; i < n; i++) {
        char *ip = canonical_ip(texts[i]);
        bool equal = !strcmp(ip, canonical);

        free(ip);
        if (equal) {
            return true;
        }
    }
    return false;
}

static bool
has_subnet_for(const struct bsrec_network *network, const struct in6_addr *ip)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        struct ip_prefix subnet;
        char *error = ip_prefix_parse(network->subnets[i], &subnet);
        bool contains = !error && ip_prefix_contains(&subnet, ip);

        free(error);
        if (contains) {
            return true;
        }
    }
    return false;
}

/* Returns the network whose subnets contain 'ip', 'preferred' if that is one
 * of them, or NULL. */
static const struct bsrec_network *
network_of_ip(struct ctl_context *ctx, const struct in6_addr *ip,
              const struct bsrec_network *preferred)
{
    const struct bsrec_network *network;

    if (has_subnet_for(preferred, ip)) {
        return preferred;
    }
    BSREC_NETWORK_FOR_EACH (network, ctx->idl) {
        if (has_subnet_for(network, ip)) {
            return network;
        }
    }
    return NULL;
}

static bool
has_mac_of(const char *mac_text, const struct in6_addr *lla)
{
    struct eth_addr mac;
    struct in6_addr expected;
    char *error = mac_parse(mac_text, &mac);

    if (error) {
        free(error);
        return false;
    }
    ip_lla_from_mac(mac, &expected);
    return ipv6_addr_equals(&expected, lla);
}

/* Returns true if 'ip', which 'text' spells, is one of the host's. */
static bool
is_host_address(struct ctl_context *ctx, const struct bsrec_network *network,
                const struct in6_addr *ip, const char *text)
{
    const struct bsrec_node *node;

    if (contains_ip(network->gateways, network->n_gateways, text)
        || (network->gateway_mac && IN6_IS_ADDR_LINKLOCAL(ip)
            && has_mac_of(network->gateway_mac, ip))) {
        return true;
    }
    BSREC_NODE_FOR_EACH (node, ctx->idl) {
        if (contains_ip(node->addresses, node->n_addresses, text)) {
            return true;
        }
    }
    return false;
}

/* Returns the container that has address 'ip' in 'network', or NULL. */
static const struct bsrec_container *
find_container_by_ip(struct ctl_context *ctx,
                     const struct bsrec_network *network,
                     const struct in6_addr *ip, const char *text)
{
    const struct bsrec_container *container
        = find_claim(ctx, "IP %s/%s", network->name, text);

    if (!container && IN6_IS_ADDR_LINKLOCAL(ip)) {
        const struct bsrec_container *c;

        BSREC_CONTAINER_FOR_EACH (c, ctx->idl) {
            if (c->service->network == network && has_mac_of(c->mac, ip)) {
                container = c;
            }
        }
    }
    return container;
}

/* Returns true if 'ip' belongs to whichever link it is used on, so that it is
 * not of the world. */
static bool
is_link_local(const struct in6_addr *ip)
{
    return (ip_is_v4(ip)
            ? ip->s6_addr[12] == 169 && ip->s6_addr[13] == 254
            : IN6_IS_ADDR_LINKLOCAL(ip));
}

/* Finds out what 'ip' is for containers of 'network'. */
static void
end_init_ip(struct ctl_context *ctx, struct end *end,
            const struct in6_addr *ip, const struct bsrec_network *network)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    ip_address_format(ip, &text);

    const struct bsrec_network *owner = network_of_ip(ctx, ip, network);
    const struct bsrec_container *container
        = find_container_by_ip(ctx, owner ? owner : network, ip,
                               ds_cstr(&text));
    if (container) {
        end_init_container(end, container);
        ds_put_format(&text, " (%s)", end->name);
        free(end->name);
    } else if (is_host_address(ctx, network, ip, ds_cstr(&text))) {
        end->type = END_HOST;
    } else if (owner || !ip_is_host_address(ip) || is_link_local(ip)) {
        end->type = END_OTHER;
    } else {
        end->type = END_WORLD;
    }
    end->name = ds_steal_cstr(&text);
    end_set_ip(end, ip);
}

static bool
end_init_destination(struct ctl_context *ctx, struct end *end,
                     const char *text, const struct bsrec_network *network)
{
    struct in6_addr ip;

    if (!strcmp(text, "host")) {
        end->type = END_HOST;
        end->name = xstrdup(text);
        return true;
    } else if (!strcmp(text, "world")) {
        end->type = END_WORLD;
        end->name = xstrdup(text);
        return true;
    }

    char *error = ip_address_parse(text, &ip);
    if (!error) {
        end_init_ip(ctx, end, &ip, network);
        return true;
    }
    free(error);

    const struct bsrec_service *service = find_service(ctx, text, false);
    if (service) {
        end_init_service(end, service);
        return true;
    }

    const struct bsrec_container *container;
    container = find_container(ctx, text, false);
    if (!container) {
        if (!ctx->error) {
            bad_argument(ctx, "DST",
                         xasprintf("%s: expected a container, "
                                   "NETWORK/SERVICE, an IP address, host or "
                                   "world", text));
        }
        return false;
    }
    end_init_container(end, container);
    return true;
}

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

/* A set of policies. */
struct policy_set {
    struct policy *policies;
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

/* What is being asked, and the answer so far. */
struct question {
    struct rule *rules;
    size_t n_rules, allocated_rules;
    struct end source;
    struct end destination;
    struct policy l4;           /* "any" to ask what is open at all. */

    struct svec open;           /* Canonical policies that are open. */
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
                struct ds s = DS_EMPTY_INITIALIZER;

                policy_format(&both, &s);
                svec_add_nocopy(&q->open, ds_steal_cstr(&s));
            }
        }
    }
    free(egress.policies);
    free(ingress.policies);
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
    svec_sort_unique(&q->open);
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

static void
answer(struct ctl_context *ctx, const struct question *q, const char *l4_text)
{
    const char *enforcement = effective_enforcement(ctx, q);
    struct svec reasons = SVEC_EMPTY_INITIALIZER;

    add_hard_reasons(q, &reasons);
    if (reasons.n) {
        put_reasons(&ctx->output, "denied: ", &reasons);
        bastionctl_context_cast(ctx)->exit_status = EXIT_DENIED;
    } else if (q->open.n) {
        if (l4_text || svec_contains(&q->open, "any")) {
            ds_put_cstr(&ctx->output, "allowed\n");
        } else {
            put_reasons(&ctx->output, "allowed: ", &q->open);
        }
    } else if (strcmp(enforcement, "enforce")) {
        add_policy_reasons(q, l4_text, &reasons);
        ds_put_format(&ctx->output, "allowed, because enforcement is %s: ",
                      enforcement);
        put_reasons(&ctx->output, "", &reasons);
    } else {
        add_policy_reasons(q, l4_text, &reasons);
        put_reasons(&ctx->output, "denied: ", &reasons);
        bastionctl_context_cast(ctx)->exit_status = EXIT_DENIED;
    }
    svec_destroy(&reasons);
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
    svec_destroy(&q->open);
}

static void
load_rules(struct ctl_context *ctx, struct question *q)
{
    const struct bsrec_dependency *row;

    BSREC_DEPENDENCY_FOR_EACH (row, ctx->idl) {
        struct rule rule;

        if (rule_init(&rule, row)) {
            if (q->n_rules >= q->allocated_rules) {
                q->rules = x2nrealloc(q->rules, &q->allocated_rules,
                                      sizeof *q->rules);
            }
            q->rules[q->n_rules++] = rule;
        }
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
    if (end_init_destination(ctx, &q.destination, ctx->argv[2],
                             source->service->network)
        && (!l4_text || parse_l4(ctx, l4_text, &q.l4))) {
        load_rules(ctx, &q);
        evaluate(&q);
        answer(ctx, &q, l4_text);
    }
    question_destroy(&q);
}

const struct ctl_command_syntax check_commands[] = {
    {"check", 2, 3, "CONTAINER ARG [POLICY]", pre_everything, cmd_check, NULL,
     "", RO},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
