/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/row-parse.h"

#include <string.h>

#include "controller/depmap.h"
#include "controller/netmap.h"
#include "controller/row.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

/* Parses 'strings' into '*addrs', which the caller must free in any case. */
static char *
parse_addresses(const struct svec *strings, struct in6_addr **addrs, size_t *n)
{
    *addrs = xcalloc(strings->n, sizeof **addrs);
    *n = 0;
    for (size_t i = 0; i < strings->n; i++) {
        char *error = ip_address_parse(strings->names[i], &(*addrs)[*n]);
        bool duplicate = false;

        if (error) {
            return error;
        }
        for (size_t j = 0; j < *n; j++) {
            duplicate |= ipv6_addr_equals(&(*addrs)[j], &(*addrs)[*n]);
        }
        *n += !duplicate;
    }
    return NULL;
}

static char *
parse_prefixes(const struct svec *strings, struct ip_prefix **prefixes,
               size_t *n)
{
    *prefixes = xcalloc(strings->n, sizeof **prefixes);
    *n = 0;
    for (size_t i = 0; i < strings->n; i++) {
        char *error = ip_prefix_parse(strings->names[i], &(*prefixes)[i]);

        if (error) {
            return error;
        }
        ++*n;
    }
    return NULL;
}

static bool
enforcement_from_string(const char *s, enum enforcement *enforcement)
{
    if (!strcmp(s, "enforce")) {
        *enforcement = ENFORCEMENT_ENFORCE;
    } else if (!strcmp(s, "audit")) {
        *enforcement = ENFORCEMENT_AUDIT;
    } else if (!strcmp(s, "off")) {
        *enforcement = ENFORCEMENT_OFF;
    } else {
        return false;
    }
    return true;
}

static bool
is_link_local(const struct in6_addr *ip)
{
    return IN6_IS_ADDR_LINKLOCAL(ip);
}

/* Checks that each of 'addrs' can be in 'network'. */
static char *
check_in_network(const struct netmap_network *network, const char *what,
                 const struct in6_addr *addrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool host = ip_is_host_address(&addrs[i]);

        if (!host
            || (!is_link_local(&addrs[i])
                && !netmap_network_has_subnet_for(network, &addrs[i]))) {
            struct ds s = DS_EMPTY_INITIALIZER;

            ds_put_format(&s, "%s ", what);
            ip_address_format(&addrs[i], &s);
            if (!host) {
                ds_put_cstr(&s, " is not an address that a host can have");
            } else {
                ds_put_format(&s, " is outside the subnets of network %s",
                              network->name);
            }
            return ds_steal_cstr(&s);
        }
    }
    return NULL;
}

static bool
networks_overlap(const struct netmap_network *a,
                 const struct netmap_network *b)
{
    for (size_t i = 0; i < a->n_subnets; i++) {
        for (size_t j = 0; j < b->n_subnets; j++) {
            if (ip_prefix_overlaps(&a->subnets[i], &b->subnets[j])) {
                return true;
            }
        }
    }
    return false;
}

/* Checks that 'subnet' has nothing in common with addresses that belong to no
 * network: those that no host can have and link-local ones, which every
 * network has anyway. */
static char *
check_subnet(const struct ip_prefix *subnet)
{
    static const char *const reserved[] = {
        "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/80", "fe80::/10",
        "ff00::/8"
    };

    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        struct ip_prefix prefix;
        char *error = ip_prefix_parse(reserved[i], &prefix);

        ovs_assert(!error);
        if (ip_prefix_overlaps(subnet, &prefix)) {
            struct ds s = DS_EMPTY_INITIALIZER;

            ds_put_cstr(&s, "subnet ");
            ip_prefix_format(subnet, &s);
            ds_put_format(&s, " overlaps %s, which no network can have",
                          reserved[i]);
            return ds_steal_cstr(&s);
        }
    }
    return NULL;
}

static char *
check_subnets(const struct netmap *netmap,
              const struct netmap_network *network)
{
    const struct netmap_network *other, *first = NULL;

    for (size_t i = 0; i < network->n_subnets; i++) {
        char *error = check_subnet(&network->subnets[i]);

        if (error) {
            return error;
        }
        for (size_t j = 0; j < i; j++) {
            if (ip_prefix_overlaps(&network->subnets[i],
                                   &network->subnets[j])) {
                return xstrdup("two of its subnets overlap");
            }
        }
    }
    HMAP_FOR_EACH (other, hmap_node, &netmap->networks) {
        if (!strcmp(other->bridge, network->bridge)
            && networks_overlap(network, other)) {
            first = netmap_first_network(first, other);
        }
    }
    return first ? xasprintf("its subnets overlap those of network %s on the "
                             "same bridge", first->name)
                 : NULL;
}

char *
row_parse_network(const struct row_network *row, const struct netmap *netmap,
                  enum enforcement default_, struct netmap_network *network)
{
    char *error = parse_prefixes(&row->subnets, &network->subnets,
                                 &network->n_subnets);
    if (error) {
        return error;
    }
    if (!network->n_subnets) {
        return xstrdup("it has no subnet");
    }
    error = check_subnets(netmap, network);
    if (error) {
        return error;
    }
    error = parse_addresses(&row->gateways, &network->gateways,
                            &network->n_gateways);
    if (error) {
        return error;
    }
    error = check_in_network(network, "gateway", network->gateways,
                             network->n_gateways);
    if (error) {
        return error;
    }
    error = parse_addresses(&row->dhcp_servers, &network->dhcp_servers,
                            &network->n_dhcp_servers);
    if (error) {
        return error;
    }
    error = check_in_network(network, "DHCP server", network->dhcp_servers,
                             network->n_dhcp_servers);
    if (error) {
        return error;
    }
    if (row->gateway_mac) {
        error = mac_parse(row->gateway_mac, &network->gateway_mac);
        if (error) {
            return error;
        }
    }
    network->enforcement = default_;
    if (row->enforcement
        && !enforcement_from_string(row->enforcement, &network->enforcement)) {
        return xasprintf("%s: enforcement must be enforce, audit or off",
                         row->enforcement);
    }
    if (row->key < 1 || row->key > UINT16_MAX - NETMAP_ZONE_BASE) {
        return xasprintf("%"PRId64": key must be from 1 to %d", row->key,
                         UINT16_MAX - NETMAP_ZONE_BASE);
    }
    network->zone = NETMAP_ZONE_BASE + row->key;
    return NULL;
}

/* Checks that no accepted container has an address of 'endpoint', and that
 * none of them is the gateway's. */
static char *
check_addresses(const struct netmap *netmap,
                const struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;

    for (size_t i = 0; i < endpoint->n_ips; i++) {
        const struct in6_addr *ip = &endpoint->ips[i];
        const struct netmap_endpoint *other
            = netmap_find_endpoint_by_ip(netmap, network, ip);
        struct ds s = DS_EMPTY_INITIALIZER;

        if (netmap_network_is_gateway_ip(network, ip)) {
            ip_address_format(ip, &s);
            ds_put_cstr(&s, " is the address of the gateway");
            return ds_steal_cstr(&s);
        } else if (other && eth_addr_equals(other->mac, endpoint->mac)
                   && i == endpoint->n_ips - 1) {
            return xasprintf("container %s has the same MAC address",
                             other->name);
        } else if (other) {
            ip_address_format(ip, &s);
            ds_put_format(&s, " is the address of container %s, too",
                          other->name);
            return ds_steal_cstr(&s);
        }
    }
    return NULL;
}

char *
row_parse_container(const struct row_container *row,
                    const struct netmap *netmap,
                    struct netmap_endpoint *endpoint)
{
    char *error = mac_parse(row->mac, &endpoint->mac);
    if (error) {
        return error;
    }
    error = parse_addresses(&row->ips, &endpoint->ips, &endpoint->n_ips);
    if (error) {
        return error;
    }
    error = check_in_network(endpoint->service->network, "address",
                             endpoint->ips, endpoint->n_ips);
    if (error) {
        return error;
    }

    /* The link-local address comes last, and only once. */
    struct in6_addr lla;
    ip_lla_from_mac(endpoint->mac, &lla);

    size_t n = 0;
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        if (!ipv6_addr_equals(&endpoint->ips[i], &lla)) {
            endpoint->ips[n++] = endpoint->ips[i];
        }
    }
    endpoint->ips = xrealloc(endpoint->ips, (n + 1) * sizeof *endpoint->ips);
    endpoint->ips[n++] = lla;
    endpoint->n_ips = n;

    return check_addresses(netmap, endpoint);
}

static int
compare_identities(const void *a_, const void *b_)
{
    const uint32_t *a = a_;
    const uint32_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static void
add_identity(struct depmap_peers *peers, uint32_t identity)
{
    peers->identities = xrealloc(peers->identities,
                                 (peers->n_identities + 1)
                                 * sizeof *peers->identities);
    peers->identities[peers->n_identities++] = identity;
}

static char *
parse_cidr(const struct row_cidr *cidr, struct depmap_peers *peers)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(cidr->prefix, &prefix);
    if (error) {
        return error;
    }

    struct ip_prefix *except;
    size_t n_except;
    error = parse_prefixes(&cidr->except, &except, &n_except);
    for (size_t i = 0; !error && i < n_except; i++) {
        if (!ip_prefix_covers(&prefix, &except[i])) {
            error = xasprintf("%s is not a part of %s",
                              cidr->except.names[i], cidr->prefix);
        }
    }
    if (!error) {
        struct ip_prefix *rest;
        size_t n;

        ip_prefix_subtract(&prefix, except, n_except, &rest, &n);
        if (n) {
            peers->prefixes = xrealloc(peers->prefixes,
                                       (peers->n_prefixes + n)
                                       * sizeof *peers->prefixes);
            memcpy(&peers->prefixes[peers->n_prefixes], rest,
                   n * sizeof *rest);
            peers->n_prefixes += n;
        }
        free(rest);
    }
    free(except);
    return error;
}

/* Parses 'row' into 'peers'.  '*network' is the network of the services seen
 * so far, or NULL. */
static char *
parse_peers(const struct row_peers *row, const struct netmap *netmap,
            struct depmap_peers *peers, const struct netmap_network **network)
{
    for (size_t i = 0; i < row->n_services; i++) {
        const struct netmap_service *service
            = netmap_find_service(netmap, &row->services[i]);

        if (!service) {
            return xstrdup("one of its services is refused");
        } else if (*network && *network != service->network) {
            return xasprintf("its services are in different networks, %s "
                             "and %s", (*network)->name,
                             service->network->name);
        }
        *network = service->network;
        add_identity(peers, service->identity);
    }
    for (size_t i = 0; i < row->n_cidrs; i++) {
        char *error = parse_cidr(&row->cidrs[i], peers);
        if (error) {
            return error;
        }
    }
    for (size_t i = 0; i < row->special.n; i++) {
        const char *special = row->special.names[i];

        if (!strcmp(special, "any")) {
            peers->any = true;
        } else if (!strcmp(special, "host")) {
            add_identity(peers, IDENTITY_HOST);
        } else if (!strcmp(special, "world")) {
            add_identity(peers, IDENTITY_WORLD);
        } else {
            return xasprintf("%s: expected any, host or world", special);
        }
    }
    if (peers->n_identities) {
        qsort(peers->identities, peers->n_identities,
              sizeof *peers->identities, compare_identities);
    }
    return NULL;
}

char *
row_parse_dependency(const struct row_dependency *row,
                     const struct netmap *netmap, struct depmap_rule *rule,
                     const struct netmap_network **network)
{
    char *error = parse_peers(&row->sources, netmap, &rule->sources,
                              network);
    if (error) {
        return error;
    }
    error = parse_peers(&row->destinations, netmap, &rule->destinations,
                        network);
    if (error) {
        return error;
    }

    rule->policies = xcalloc(row->policies.n, sizeof *rule->policies);
    for (size_t i = 0; i < row->policies.n; i++) {
        error = policy_parse(row->policies.names[i], &rule->policies[i]);
        if (error) {
            return error;
        }
        rule->n_policies++;
    }

    rule->direction = (!strcmp(row->direction, "egress") ? DEPMAP_EGRESS
                       : !strcmp(row->direction, "ingress") ? DEPMAP_INGRESS
                       : DEPMAP_BOTH);
    if (!row->sources.n_services && !row->sources.n_cidrs
        && !row->sources.special.n) {
        return xstrdup("no source is left");
    } else if (!row->destinations.n_services && !row->destinations.n_cidrs
               && !row->destinations.special.n) {
        return xstrdup("no destination is left");
    } else if (!*network) {
        return xstrdup("neither its source nor its destination is a service");
    } else if (!rule->n_policies) {
        return xstrdup("it has no policy");
    }
    return NULL;
}
