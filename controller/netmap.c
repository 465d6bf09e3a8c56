/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/netmap.h"

#include <string.h>

#include "hash.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

static uint32_t
hash_address(const struct netmap_network *network, const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, network->zone);
}

void
netmap_init(struct netmap *netmap)
{
    hmap_init(&netmap->bridges);
    hmap_init(&netmap->networks);
    hmap_init(&netmap->services);
    hmap_init(&netmap->endpoints);
    hmap_init(&netmap->addresses);
    netmap->host_addresses = NULL;
    netmap->n_host_addresses = 0;
    netmap->seqno = 0;
}

void
netmap_destroy(struct netmap *netmap)
{
    struct netmap_endpoint *endpoint;
    HMAP_FOR_EACH_SAFE (endpoint, hmap_node, &netmap->endpoints) {
        netmap_remove_endpoint(netmap, endpoint);
    }

    struct netmap_service *service;
    HMAP_FOR_EACH_SAFE (service, hmap_node, &netmap->services) {
        netmap_remove_service(netmap, service);
    }

    struct netmap_network *network;
    HMAP_FOR_EACH_SAFE (network, hmap_node, &netmap->networks) {
        netmap_remove_network(netmap, network);
    }

    struct netmap_bridge *bridge;
    HMAP_FOR_EACH_SAFE (bridge, hmap_node, &netmap->bridges) {
        netmap_remove_bridge(netmap, bridge);
    }

    hmap_destroy(&netmap->bridges);
    hmap_destroy(&netmap->networks);
    hmap_destroy(&netmap->services);
    hmap_destroy(&netmap->endpoints);
    hmap_destroy(&netmap->addresses);
    free(netmap->host_addresses);
}

/* Finding. */

struct netmap_bridge *
netmap_find_bridge(const struct netmap *netmap, const char *name)
{
    struct netmap_bridge *bridge;

    HMAP_FOR_EACH_WITH_HASH (bridge, hmap_node, hash_string(name, 0),
                             &netmap->bridges) {
        if (!strcmp(bridge->name, name)) {
            return bridge;
        }
    }
    return NULL;
}

struct netmap_network *
netmap_find_network(const struct netmap *netmap, const struct uuid *uuid)
{
    struct netmap_network *network;

    HMAP_FOR_EACH_WITH_HASH (network, hmap_node, uuid_hash(uuid),
                             &netmap->networks) {
        if (uuid_equals(&network->uuid, uuid)) {
            return network;
        }
    }
    return NULL;
}

/* Returns the one of 'a', which may be NULL, and 'b' that is to be named, so
 * that a status does not depend on the order in which we look at networks. */
const struct netmap_network *
netmap_first_network(const struct netmap_network *a,
                     const struct netmap_network *b)
{
    return a && uuid_compare_3way(&a->uuid, &b->uuid) < 0 ? a : b;
}

struct netmap_network *
netmap_find_network_by_zone(const struct netmap *netmap, uint16_t zone)
{
    struct netmap_network *network;

    HMAP_FOR_EACH (network, hmap_node, &netmap->networks) {
        if (network->zone == zone) {
            return network;
        }
    }
    return NULL;
}

struct netmap_service *
netmap_find_service(const struct netmap *netmap, const struct uuid *uuid)
{
    struct netmap_service *service;

    HMAP_FOR_EACH_WITH_HASH (service, hmap_node, uuid_hash(uuid),
                             &netmap->services) {
        if (uuid_equals(&service->uuid, uuid)) {
            return service;
        }
    }
    return NULL;
}

struct netmap_service *
netmap_find_service_by_identity(const struct netmap *netmap,
                                uint32_t identity)
{
    struct netmap_service *service;

    HMAP_FOR_EACH (service, hmap_node, &netmap->services) {
        if (service->identity == identity) {
            return service;
        }
    }
    return NULL;
}

struct netmap_endpoint *
netmap_find_endpoint(const struct netmap *netmap, const struct uuid *uuid)
{
    struct netmap_endpoint *endpoint;

    HMAP_FOR_EACH_WITH_HASH (endpoint, hmap_node, uuid_hash(uuid),
                             &netmap->endpoints) {
        if (uuid_equals(&endpoint->uuid, uuid)) {
            return endpoint;
        }
    }
    return NULL;
}

struct netmap_endpoint *
netmap_find_endpoint_by_ip(const struct netmap *netmap,
                           const struct netmap_network *network,
                           const struct in6_addr *ip)
{
    struct netmap_address *address;

    HMAP_FOR_EACH_WITH_HASH (address, hmap_node, hash_address(network, ip),
                             &netmap->addresses) {
        if (address->network == network
            && ipv6_addr_equals(&address->ip, ip)) {
            return address->endpoint;
        }
    }
    return NULL;
}

struct netmap_endpoint *
netmap_find_endpoint_by_interface(const struct netmap *netmap,
                                  const char *interface)
{
    struct netmap_endpoint *endpoint;

    HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
        if (!strcmp(endpoint->interface, interface)) {
            return endpoint;
        }
    }
    return NULL;
}

struct netmap_endpoint *
netmap_find_endpoint_by_ofport(const struct netmap *netmap,
                               const char *bridge, ofp_port_t ofport)
{
    struct netmap_endpoint *endpoint;

    HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
        if (endpoint->ofport == ofport
            && !strcmp(endpoint->service->network->bridge, bridge)) {
            return endpoint;
        }
    }
    return NULL;
}

/* Adding and removing. */

void
netmap_add_bridge(struct netmap *netmap, struct netmap_bridge *bridge)
{
    hmap_insert(&netmap->bridges, &bridge->hmap_node,
                hash_string(bridge->name, 0));
}

void
netmap_add_network(struct netmap *netmap, struct netmap_network *network)
{
    hmap_insert(&netmap->networks, &network->hmap_node,
                uuid_hash(&network->uuid));
    netmap->seqno++;
}

void
netmap_add_service(struct netmap *netmap, struct netmap_service *service)
{
    hmap_insert(&netmap->services, &service->hmap_node,
                uuid_hash(&service->uuid));
}

void
netmap_add_endpoint(struct netmap *netmap, struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;

    hmap_insert(&netmap->endpoints, &endpoint->hmap_node,
                uuid_hash(&endpoint->uuid));
    netmap->seqno++;
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        struct netmap_address *address = xmalloc(sizeof *address);

        address->network = network;
        address->ip = endpoint->ips[i];
        address->endpoint = endpoint;
        hmap_insert(&netmap->addresses, &address->hmap_node,
                    hash_address(network, &address->ip));
    }
}

void
netmap_remove_bridge(struct netmap *netmap, struct netmap_bridge *bridge)
{
    hmap_remove(&netmap->bridges, &bridge->hmap_node);
    free(bridge->name);
    free(bridge);
}

void
netmap_remove_network(struct netmap *netmap, struct netmap_network *network)
{
    hmap_remove(&netmap->networks, &network->hmap_node);
    netmap->seqno++;
    free(network->name);
    free(network->bridge);
    free(network->subnets);
    free(network->gateways);
    free(network->dhcp_servers);
    free(network->gateway_port);
    free(network);
}

void
netmap_remove_service(struct netmap *netmap, struct netmap_service *service)
{
    hmap_remove(&netmap->services, &service->hmap_node);
    free(service->name);
    free(service);
}

void
netmap_remove_endpoint(struct netmap *netmap, struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;

    for (size_t i = 0; i < endpoint->n_ips; i++) {
        struct netmap_address *address;

        HMAP_FOR_EACH_WITH_HASH (address, hmap_node,
                                 hash_address(network, &endpoint->ips[i]),
                                 &netmap->addresses) {
            if (address->endpoint == endpoint
                && ipv6_addr_equals(&address->ip, &endpoint->ips[i])) {
                hmap_remove(&netmap->addresses, &address->hmap_node);
                free(address);
                break;
            }
        }
    }
    hmap_remove(&netmap->endpoints, &endpoint->hmap_node);
    netmap->seqno++;
    free(endpoint->name);
    free(endpoint->interface);
    free(endpoint->ips);
    free(endpoint);
}

/* Questions. */

bool
netmap_network_has_gateway(const struct netmap_network *network)
{
    return (network->n_gateways
            && network->gateway_ofport != OFPP_NONE
            && !eth_addr_is_zero(network->gateway_mac));
}

/* Returns true if 'ip' is in one of the subnets of 'network'. */
bool
netmap_network_has_subnet_for(const struct netmap_network *network,
                              const struct in6_addr *ip)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        if (ip_prefix_contains(&network->subnets[i], ip)) {
            return true;
        }
    }
    return false;
}

/* Returns true if 'ip' is a gateway address of 'network', or the link-local
 * address that follows from the gateway's MAC. */
bool
netmap_network_is_gateway_ip(const struct netmap_network *network,
                             const struct in6_addr *ip)
{
    for (size_t i = 0; i < network->n_gateways; i++) {
        if (ipv6_addr_equals(&network->gateways[i], ip)) {
            return true;
        }
    }
    if (netmap_network_has_gateway(network)) {
        struct in6_addr lla;

        ip_lla_from_mac(network->gateway_mac, &lla);
        return ipv6_addr_equals(&lla, ip);
    }
    return false;
}

/* Returns the declared DHCP server that is given the requests of clients, or
 * NULL if none of that IP version is declared. */
const struct in6_addr *
netmap_network_first_dhcp_server(const struct netmap_network *network, bool v4)
{
    for (size_t i = 0; i < network->n_dhcp_servers; i++) {
        if (ip_is_v4(&network->dhcp_servers[i]) == v4) {
            return &network->dhcp_servers[i];
        }
    }
    return NULL;
}

bool
netmap_is_host_address(const struct netmap *netmap, const struct in6_addr *ip)
{
    for (size_t i = 0; i < netmap->n_host_addresses; i++) {
        if (ipv6_addr_equals(&netmap->host_addresses[i], ip)) {
            return true;
        }
    }
    return false;
}
