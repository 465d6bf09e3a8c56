/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl-end.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/address-cuts.h"
#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "utilities/bastionctl.h"

/* Blocks of addresses that are told apart from others.  The first ones are not
 * the world and nobody's network (RFC 6890; RFC 4291 sections 2.4 and 2.5.5),
 * the others are not addresses of hosts (see ip_is_host_address()). */
static const char *const special_blocks[] = {
    "169.254.0.0/16", "::/80", "fe80::/10"
};
static const char *const no_host_blocks[] = {
    "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/128", "::1/128", "ff00::/8"
};

/* Frees the members of 'end', but not 'end' itself. */
void
end_destroy(struct end *end)
{
    free(end->name);
    free(end->storage);
}

/* Initializes 'end' to 'container'. */
void
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

/* Returns the service of 'end', or NULL if it has none. */
const struct bsrec_service *
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

/* Returns true if one of the subnets of 'network' contains 'ip'. */
bool
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

static struct ip_prefix
constant_prefix(const char *s)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(s, &prefix);

    ovs_assert(!error);
    return prefix;
}

/* Returns true if 'ip' is in a block that is nobody's network, so that it is
 * not of the world. */
static bool
is_special(const struct in6_addr *ip)
{
    for (size_t i = 0; i < ARRAY_SIZE(special_blocks); i++) {
        struct ip_prefix block = constant_prefix(special_blocks[i]);

        if (ip_prefix_contains(&block, ip)) {
            return true;
        }
    }
    return false;
}

/* Initializes 'end' to what 'ip' is for containers of 'network'. */
void
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
    } else if (owner || !ip_is_host_address(ip) || is_special(ip)) {
        end->type = END_OTHER;
    } else {
        end->type = END_WORLD;
    }
    end->name = ds_steal_cstr(&text);
    end_set_ip(end, ip);
}

/* Initializes 'end' from 'text', a DST argument of a container of 'network'.
 * Returns false if it is bad and reported as such. */
bool
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
                                   "NETWORK/SERVICE, an IP address, host, "
                                   "world or cidr:PREFIX[,except=PREFIX,...]",
                                   text));
        }
        return false;
    }
    end_init_container(end, container);
    return true;
}

/* Cuts where the prefix or address 'text' begins and ends, if it is one. */
void
cut_at(struct address_cuts *cuts, const char *text)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(text, &prefix);

    if (!error) {
        address_cuts_add(cuts, &prefix);
    }
    free(error);
}

/* Cuts at each of the 'n' 'texts'. */
void
cut_at_each(struct address_cuts *cuts, char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cut_at(cuts, texts[i]);
    }
}

/* Cuts at the link-local address that the owner of 'mac' has. */
static void
cut_at_lla(struct address_cuts *cuts, const char *mac_text)
{
    struct eth_addr mac;
    char *error = mac_parse(mac_text, &mac);

    if (!error) {
        struct in6_addr lla;

        ip_lla_from_mac(mac, &lla);

        struct ip_prefix prefix = ip_prefix_from_address(&lla);
        address_cuts_add(cuts, &prefix);
    }
    free(error);
}

/* Cuts wherever end_init_ip() may find something else than next to it. */
void
cut_at_ends(struct ctl_context *ctx, struct address_cuts *cuts)
{
    const struct bsrec_network *network;
    const struct bsrec_container *container;
    const struct bsrec_node *node;

    for (size_t i = 0; i < ARRAY_SIZE(special_blocks); i++) {
        cut_at(cuts, special_blocks[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(no_host_blocks); i++) {
        cut_at(cuts, no_host_blocks[i]);
    }
    BSREC_NETWORK_FOR_EACH (network, ctx->idl) {
        cut_at_each(cuts, network->subnets, network->n_subnets);
        cut_at_each(cuts, network->gateways, network->n_gateways);
        if (network->gateway_mac) {
            cut_at_lla(cuts, network->gateway_mac);
        }
    }
    BSREC_CONTAINER_FOR_EACH (container, ctx->idl) {
        cut_at_each(cuts, container->ips, container->n_ips);
        cut_at_lla(cuts, container->mac);
    }
    BSREC_NODE_FOR_EACH (node, ctx->idl) {
        cut_at_each(cuts, node->addresses, node->n_addresses);
    }
}
