/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_NETMAP_H
#define BASTION_NETMAP_H 1

/* Container network map
 * =====================
 *
 * Who is on which port, and which address belongs to whom: one of the two
 * relations that all policy is compiled to (the other is depmap.h).  It holds
 * accepted rows only, already checked and parsed; it knows nothing of flows
 * or of the database.
 *
 * Addresses are "struct in6_addr"; an IPv4 address is v4-mapped.  Ports are
 * OpenFlow port numbers of the network's bridge.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "lib/address.h"
#include "openvswitch/hmap.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

/* Identities.  Services have the numbers that the database gives them; the
 * smaller ones are reserved.  The top bit marks the identity that CIDR blocks
 * never reach: the host opens only to those whom a dependency on "host"
 * names. */
#define IDENTITY_NONE      UINT32_C(0)   /* Not known, not the world. */
#define IDENTITY_WORLD     UINT32_C(2)
#define IDENTITY_SERVICE_MIN UINT32_C(256)
#define IDENTITY_SERVICE_MAX UINT32_C(0xffffff)
#define IDENTITY_NOT_CIDR  UINT32_C(0x80000000)
#define IDENTITY_HOST      (IDENTITY_NOT_CIDR | UINT32_C(1))

/* Conntrack zone of the network with key 'k' is NETMAP_ZONE_BASE + k. */
#define NETMAP_ZONE_BASE 64000

enum enforcement {
    ENFORCEMENT_ENFORCE,        /* What policy does not allow is dropped. */
    ENFORCEMENT_AUDIT,          /* ...passes, is counted and logged. */
    ENFORCEMENT_OFF             /* Policy is not evaluated. */
};

struct netmap_bridge {
    struct hmap_node hmap_node; /* In struct netmap's 'bridges', by name. */
    char *name;
    bool userspace;             /* Datapath type is "netdev" or "dummy". */
};

struct netmap_network {
    struct hmap_node hmap_node; /* In struct netmap's 'networks', by UUID. */
    struct uuid uuid;
    char *name;
    uint16_t zone;              /* Also the network's number in registers. */
    char *bridge;               /* Bridge name. */
    struct ip_prefix *subnets;
    size_t n_subnets;
    struct in6_addr *gateways;
    size_t n_gateways;
    struct in6_addr *dhcp_servers;
    size_t n_dhcp_servers;
    char *gateway_port;         /* Interface name. */
    ofp_port_t gateway_ofport;  /* OFPP_NONE if there is no such port. */
    struct eth_addr gateway_mac; /* Zero if not known. */
    enum enforcement enforcement;
    bool fast_path;             /* May its containers use it? */
};

struct netmap_service {
    struct hmap_node hmap_node; /* In struct netmap's 'services', by UUID. */
    struct uuid uuid;
    char *name;
    const struct netmap_network *network;
    uint32_t identity;
    bool isolated_ingress;
    bool isolated_egress;
};

struct netmap_endpoint {
    struct hmap_node hmap_node; /* In struct netmap's 'endpoints', by UUID. */
    struct uuid uuid;
    char *name;
    const struct netmap_service *service;
    char *interface;
    ofp_port_t ofport;          /* OFPP_NONE if not on this node. */
    struct eth_addr mac;
    bool fast_path;             /* May it use the fast path? */
    uint32_t ifindex;           /* Of the fast path, 0 if it is off. */
    uint32_t mtu;               /* Of the container's link, if 'ifindex'. */
    struct in6_addr *ips;       /* As declared, then the link-local address */
    size_t n_ips;               /* that follows from 'mac'. */
};

struct netmap_address {
    struct hmap_node hmap_node; /* In struct netmap's 'addresses'. */
    const struct netmap_network *network;
    struct in6_addr ip;
    struct netmap_endpoint *endpoint;
};

struct netmap {
    struct hmap bridges;
    struct hmap networks;
    struct hmap services;
    struct hmap endpoints;
    struct hmap addresses;      /* By network and address. */
    struct in6_addr *host_addresses;
    size_t n_host_addresses;
    uint64_t seqno;             /* Changes whenever 'networks' or 'endpoints'
                                 * does. */
};

void netmap_init(struct netmap *);
void netmap_destroy(struct netmap *);

struct netmap_bridge *netmap_find_bridge(const struct netmap *,
                                         const char *name);
struct netmap_network *netmap_find_network(const struct netmap *,
                                           const struct uuid *);
struct netmap_network *netmap_find_network_by_zone(const struct netmap *,
                                                   uint16_t zone);
const struct netmap_network *netmap_first_network(
    const struct netmap_network *, const struct netmap_network *);
struct netmap_service *netmap_find_service(const struct netmap *,
                                           const struct uuid *);
struct netmap_service *netmap_find_service_by_identity(const struct netmap *,
                                                       uint32_t identity);
struct netmap_endpoint *netmap_find_endpoint(const struct netmap *,
                                             const struct uuid *);
struct netmap_endpoint *netmap_find_endpoint_by_ip(
    const struct netmap *, const struct netmap_network *,
    const struct in6_addr *);
struct netmap_endpoint *netmap_find_endpoint_by_interface(
    const struct netmap *, const char *interface);
struct netmap_endpoint *netmap_find_endpoint_by_ofport(
    const struct netmap *, const char *bridge, ofp_port_t);

/* Each takes ownership of its second argument. */
void netmap_add_bridge(struct netmap *, struct netmap_bridge *);
void netmap_add_network(struct netmap *, struct netmap_network *);
void netmap_add_service(struct netmap *, struct netmap_service *);
void netmap_add_endpoint(struct netmap *, struct netmap_endpoint *);

/* Each frees its second argument, to which nothing may refer any more. */
void netmap_remove_bridge(struct netmap *, struct netmap_bridge *);
void netmap_remove_network(struct netmap *, struct netmap_network *);
void netmap_remove_service(struct netmap *, struct netmap_service *);
void netmap_remove_endpoint(struct netmap *, struct netmap_endpoint *);

bool netmap_network_has_gateway(const struct netmap_network *);
bool netmap_network_has_subnet_for(const struct netmap_network *,
                                   const struct in6_addr *);
bool netmap_network_is_gateway_ip(const struct netmap_network *,
                                  const struct in6_addr *);
const struct in6_addr *netmap_network_first_dhcp_server(
    const struct netmap_network *, bool v4);
bool netmap_is_host_address(const struct netmap *, const struct in6_addr *);

#endif /* netmap.h */
