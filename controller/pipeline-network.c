/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/pipeline.h"

#include "bastion/drop-reasons.h"
#include "controller/netmap.h"
#include "controller/pipeline-render.h"

/* Flows for an address that is the host, of one network if 'zone' is nonzero,
 * else of all. */
static void
render_host_address(struct renderer *r, const struct in6_addr *ip,
                    uint16_t zone, int priority)
{
    struct match *m;

    m = begin(r, PIPELINE_DESTINATION, priority);
    match_address(m, ip, false);
    if (zone) {
        match_set_reg(m, 2, zone);
    }
    set_reg(r, MFF_REG1, IDENTITY_HOST);
    go(r, PIPELINE_CONNTRACK);

    m = begin(r, PIPELINE_EXTERNAL_SOURCE, priority);
    match_address(m, ip, true);
    if (zone) {
        match_set_reg(m, 2, zone);
    }
    set_reg(r, MFF_REG0, IDENTITY_HOST);
    go(r, PIPELINE_DESTINATION);

    if (ip_is_v4(ip)) {
        m = begin(r, PIPELINE_EXTERNAL_SOURCE, priority);
        match_arp(m);
        match_set_nw_src(m, in6_addr_get_mapped_ipv4(ip));
        if (zone) {
            match_set_reg(m, 2, zone);
        }
        set_reg(r, MFF_REG0, IDENTITY_HOST);
        go(r, PIPELINE_NEIGHBOR_TARGET);
    }
}

void
pipeline_render_host(const struct pipeline *pipeline,
                     struct flow_table *table, const struct uuid *owner,
                     const struct in6_addr *addresses, size_t n)
{
    struct renderer r;

    renderer_init(&r, pipeline, table, owner);
    for (size_t i = 0; i < n; i++) {
        render_host_address(&r, &addresses[i], 0, PRIO_ADDRESS_HOST);
    }
    renderer_uninit(&r);
}

/* Addresses of a network, seen from other networks: neither theirs nor the
 * world. */
static void
render_foreign_subnets(struct renderer *r,
                       const struct netmap_network *network)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        const struct ip_prefix *p = &network->subnets[i];
        int priority = PRIO_ADDRESS_OTHER + p->plen;

        match_prefix(begin(r, PIPELINE_DESTINATION, priority), p, false);
        set_reg(r, MFF_REG1, IDENTITY_NONE);
        go(r, PIPELINE_CONNTRACK);

        match_prefix(begin(r, PIPELINE_EXTERNAL_SOURCE, priority), p, true);
        set_reg(r, MFF_REG0, IDENTITY_NONE);
        go(r, PIPELINE_DESTINATION);
    }
}

void
pipeline_render_foreign_network(const struct pipeline *pipeline,
                                struct flow_table *table,
                                const struct netmap_network *network)
{
    struct renderer r;

    renderer_init(&r, pipeline, table, &network->uuid);
    render_foreign_subnets(&r, network);
    renderer_uninit(&r);
}

static void
render_own_subnets(struct renderer *r, const struct netmap_network *network)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        const struct ip_prefix *p = &network->subnets[i];
        int priority = PRIO_ADDRESS_SUBNET + p->plen;
        struct match *m;

        m = begin(r, PIPELINE_DESTINATION, priority);
        match_prefix(m, p, false);
        match_set_reg(m, 2, network->zone);
        drop(r, DROP_DESTINATION_UNKNOWN);

        m = begin(r, PIPELINE_EXTERNAL_SOURCE, priority);
        match_prefix(m, p, true);
        match_set_reg(m, 2, network->zone);
        drop(r, p->is_v4 ? DROP_IP_SPOOF : DROP_IPV6_SPOOF);
    }

    struct match *m = begin(r, PIPELINE_DESTINATION,
                            PRIO_ADDRESS_SUBNET + link_local_prefix()->plen);
    match_prefix(m, link_local_prefix(), false);
    match_set_reg(m, 2, network->zone);
    drop(r, DROP_DESTINATION_UNKNOWN);
}

/* Starts a flow for what comes through the gateway port with its MAC. */
static struct match *
begin_gateway(struct renderer *r, const struct netmap_network *network,
              int priority)
{
    struct match *m = begin(r, PIPELINE_SOURCE, priority);

    match_set_in_port(m, network->gateway_ofport);
    match_set_dl_src(m, network->gateway_mac);
    return m;
}

static void
finish_gateway(struct renderer *r, const struct netmap_network *network)
{
    set_reg(r, MFF_REG2, network->zone);
    go(r, PIPELINE_EXTERNAL_SOURCE);
}

static void
render_gateway_destination(struct renderer *r,
                           const struct netmap_network *network,
                           const struct ip_prefix *p)
{
    match_prefix(begin_gateway(r, network, PRIO_SOURCE), p, false);
    finish_gateway(r, network);

    struct match *m = begin_gateway(r, network, PRIO_SOURCE + 1);
    if (p->is_v4) {
        match_arp_op(m, ARP_OP_REQUEST);
        match_set_arp_sha(m, network->gateway_mac);
        match_arp_tpa(m, p);
    } else {
        match_nd(m, ND_NEIGHBOR_SOLICIT);
        match_nd_target(m, p);
    }
    finish_gateway(r, network);
}

/* What the gateway port may send: to the network's own addresses only, so
 * that one port can serve several networks.  (Link-local addresses come with
 * the containers that have them.) */
static void
render_gateway_source(struct renderer *r, const struct netmap_network *network)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        render_gateway_destination(r, network, &network->subnets[i]);
    }

    static const struct {
        ovs_be16 dl_type;
        enum drop_reason reason;
    } rest[] = {
        { CONSTANT_HTONS(ETH_TYPE_ARP), DROP_ARP_UNSOLICITED },
        { CONSTANT_HTONS(ETH_TYPE_IP), DROP_DESTINATION_UNKNOWN },
        { CONSTANT_HTONS(ETH_TYPE_IPV6), DROP_DESTINATION_UNKNOWN },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rest); i++) {
        struct match *m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_PORT);

        match_set_in_port(m, network->gateway_ofport);
        match_set_dl_type(m, rest[i].dl_type);
        drop(r, rest[i].reason);
    }
    for (int v4 = 0; v4 <= 1; v4++) {
        struct match *m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_PORT + 1);

        match_set_in_port(m, network->gateway_ofport);
        match_ip(m, v4);
        match_set_dl_dst_masked(m, eth_addr_group, eth_addr_group);
        drop(r, DROP_MULTICAST_DESTINATION);
    }
}

/* Lets pass, in audit mode, what table 'table' would drop for 'reason'. */
static void
render_audit(struct renderer *r, const struct netmap_network *network,
             enum pipeline_table table, bool arp, enum drop_reason reason)
{
    struct match *m = begin(r, table, 3);

    match_solicitation(m, arp);
    match_set_reg(m, 2, network->zone);
    match_set_reg_masked(m, 4, PIPELINE_FLAG_SWAPPED, PIPELINE_FLAG_SWAPPED);
    r->spec.reason = reason;
    r->spec.audited = true;
    go(r, PIPELINE_PEER_MATCH);
}

static void
render_enforcement(struct renderer *r, const struct netmap_network *network)
{
    static const enum pipeline_table tables[] = {
        PIPELINE_PEER_EGRESS, PIPELINE_PEER_INGRESS
    };
    struct match *m;

    switch (network->enforcement) {
    case ENFORCEMENT_ENFORCE:
        break;

    case ENFORCEMENT_AUDIT:
        for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
            render_audit(r, network, tables[i], true,
                         DROP_ARP_TARGET_INVISIBLE);
            render_audit(r, network, tables[i], false,
                         DROP_ND_TARGET_INVISIBLE);
            for (int v4 = 0; v4 <= 1; v4++) {
                m = begin(r, tables[i], 3);
                match_later_fragment(m, v4);
                match_set_reg(m, 2, network->zone);
                r->spec.reason = DROP_FRAGMENT;
                r->spec.audited = true;
                go(r, PIPELINE_PEER_MATCH);
            }
        }
        break;

    case ENFORCEMENT_OFF:
        match_set_reg(begin(r, PIPELINE_PEER_EGRESS, PRIO_GUARD), 2,
                      network->zone);
        go(r, PIPELINE_PEER_MATCH);

        m = begin(r, PIPELINE_CONNECTION, 190);
        match_ct(m, 0, 0);
        match_set_reg(m, 2, network->zone);
        go(r, PIPELINE_ACCEPTED);
        break;
    }
}

/* Counts, by port, what policy denies, and lets it pass in audit mode. */
static void
render_denied(struct renderer *r, const struct netmap_network *network,
              ofp_port_t in_port)
{
    static const enum drop_reason reasons[] = {
        DROP_EGRESS_POLICY, DROP_INGRESS_POLICY
    };

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        struct match *m = begin(r, PIPELINE_DENIED, 100);

        match_set_in_port(m, in_port);
        match_set_reg(m, 2, network->zone);
        match_set_reg(m, 5, reasons[i]);
        if (network->enforcement == ENFORCEMENT_AUDIT) {
            r->spec.reason = reasons[i];
            r->spec.audited = true;
            audit_copy(r);
            go(r, PIPELINE_ACCEPTED);
        } else {
            drop(r, reasons[i]);
        }
    }
}

/* An address that 'mac' answers for. */
static void
render_neighbor(struct renderer *r, const struct netmap_network *network,
                const struct in6_addr *ip, struct eth_addr mac,
                uint32_t identity)
{
    struct ip_prefix prefix = ip_prefix_from_address(ip);
    struct match *m = begin(r, PIPELINE_NEIGHBOR_TARGET, 100);

    if (prefix.is_v4) {
        match_arp_op(m, ARP_OP_REQUEST);
        match_arp_tpa(m, &prefix);
    } else {
        match_nd(m, ND_NEIGHBOR_SOLICIT);
        match_nd_target(m, &prefix);
    }
    match_set_reg(m, 2, network->zone);
    set_reg(r, MFF_REG1, identity);
    set_mac_reg(r, mac);
    go(r, PIPELINE_PEER_EGRESS);
}

static void
render_gateway_address(struct renderer *r,
                       const struct netmap_network *network,
                       const struct in6_addr *ip)
{
    struct ip_prefix prefix = ip_prefix_from_address(ip);

    render_host_address(r, ip, network->zone, PRIO_ADDRESS_GATEWAY);
    render_neighbor(r, network, ip, network->gateway_mac, IDENTITY_HOST);

    /* The host that asks for its own address is looking for a duplicate. */
    struct match *m = begin(r, PIPELINE_NEIGHBOR_TARGET, 150);
    match_set_reg(m, 0, IDENTITY_HOST);
    match_set_reg(m, 2, network->zone);
    if (prefix.is_v4) {
        match_arp_op(m, ARP_OP_REQUEST);
        match_arp_tpa(m, &prefix);
        drop(r, DROP_ARP_UNSOLICITED);
    } else {
        match_nd(m, ND_NEIGHBOR_SOLICIT);
        match_nd_target(m, &prefix);
        drop(r, DROP_ND_UNSOLICITED);
    }
}

static void
match_dhcp_request(struct match *m, bool v4, uint16_t zone)
{
    if (v4) {
        match_udp(m, true, 68, 67);
        match_set_nw_dst(m, htonl(INADDR_BROADCAST));
    } else {
        struct ip_prefix servers = constant_prefix("ff02::1:2");

        match_udp(m, false, 546, 547);
        match_prefix(m, &servers, false);
    }
    match_set_reg(m, 2, zone);
}

/* Sends what clients send to all DHCP servers to this one only. */
static void
render_dhcp_requests(struct renderer *r, const struct netmap_network *network,
                     bool v4, uint32_t identity, ofp_port_t ofport,
                     struct eth_addr mac)
{
    struct match *m = begin(r, PIPELINE_DESTINATION, PRIO_ADDRESS_DHCP);

    match_dhcp_request(m, v4, network->zone);
    set_reg(r, MFF_REG1, identity);
    if (identity != IDENTITY_HOST) {
        set_reg(r, MFF_REG3, ofp_to_u16(ofport));
        set_eth_dst(r, mac);
    }
    go(r, PIPELINE_CONNTRACK);

    m = begin(r, PIPELINE_DESTINATION, PRIO_ADDRESS_DHCP + 1);
    match_dhcp_request(m, v4, network->zone);
    match_set_in_port(m, ofport);
    drop(r, DROP_SELF);
}

/* Lets a declared DHCP server answer and, if it is the first one of its IP
 * version, gives it the requests.  Clients still need a dependency on it. */
static void
render_dhcp_server(struct renderer *r, const struct netmap_network *network,
                   const struct in6_addr *server, uint32_t identity,
                   ofp_port_t ofport, struct eth_addr mac)
{
    bool v4 = ip_is_v4(server);

    if (server == netmap_network_first_dhcp_server(network, v4)) {
        render_dhcp_requests(r, network, v4, identity, ofport, mac);
    }

    struct match *m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_SERVER);
    match_udp(m, v4, v4 ? 67 : 547, v4 ? 68 : 546);
    match_address(m, server, true);
    match_set_in_port(m, ofport);
    match_set_dl_src(m, mac);
    set_reg(r, MFF_REG0, identity);
    set_reg(r, MFF_REG2, network->zone);
    set_flag(r, PIPELINE_FLAG_DHCP);
    go(r, PIPELINE_DESTINATION);
}

static void
render_gateway(struct renderer *r, const struct netmap_network *network)
{
    struct match *m;

    render_gateway_source(r, network);
    for (size_t i = 0; i < network->n_gateways; i++) {
        render_gateway_address(r, network, &network->gateways[i]);
    }

    struct in6_addr lla;
    ip_lla_from_mac(network->gateway_mac, &lla);
    render_gateway_address(r, network, &lla);

    for (size_t i = 0; i < network->n_dhcp_servers; i++) {
        const struct in6_addr *server = &network->dhcp_servers[i];

        if (netmap_network_is_gateway_ip(network, server)) {
            render_dhcp_server(r, network, server, IDENTITY_HOST,
                               network->gateway_ofport, network->gateway_mac);
        }
    }
    render_denied(r, network, network->gateway_ofport);

    m = begin(r, PIPELINE_OUTPUT, 150);
    match_set_in_port(m, network->gateway_ofport);
    match_set_reg(m, 2, network->zone);
    match_set_reg(m, 3, 0);
    drop(r, DROP_SELF);

    m = begin(r, PIPELINE_OUTPUT, 100);
    match_set_reg(m, 2, network->zone);
    match_set_reg(m, 3, 0);
    set_eth_dst(r, network->gateway_mac);
    ofpact_put_OUTPUT(&r->spec.ofpacts)->port = network->gateway_ofport;
    finish(r);
}

/* A gateway whose port does not exist. */
static void
render_absent_gateway(struct renderer *r, const struct netmap_network *network)
{
    for (size_t i = 0; i < network->n_gateways; i++) {
        struct match *m = begin(r, PIPELINE_DESTINATION, PRIO_ADDRESS_GATEWAY);

        match_address(m, &network->gateways[i], false);
        match_set_reg(m, 2, network->zone);
        drop(r, DROP_NO_GATEWAY);
    }
}

void
pipeline_render_network(const struct pipeline *pipeline,
                        struct flow_table *table,
                        const struct netmap_network *network)
{
    struct renderer r;

    renderer_init(&r, pipeline, table, &network->uuid);
    render_foreign_subnets(&r, network);
    render_own_subnets(&r, network);
    render_enforcement(&r, network);
    if (netmap_network_has_gateway(network)) {
        render_gateway(&r, network);
    } else {
        render_absent_gateway(&r, network);
    }
    renderer_uninit(&r);
}

/* Services. */

void
pipeline_render_service(const struct pipeline *pipeline,
                        struct flow_table *table,
                        const struct netmap_service *service)
{
    static const struct {
        enum pipeline_table egress, ingress, accepted;
    } stages[] = {
        { PIPELINE_EGRESS, PIPELINE_INGRESS, PIPELINE_ACCEPTED },
        { PIPELINE_PEER_EGRESS, PIPELINE_PEER_INGRESS, PIPELINE_PEER_MATCH },
    };
    struct renderer r;

    renderer_init(&r, pipeline, table, &service->uuid);
    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        if (!service->isolated_egress) {
            match_set_reg(begin(&r, stages[i].egress, PRIO_OPEN), 0,
                          service->identity);
            go(&r, stages[i].ingress);
        }
        if (!service->isolated_ingress) {
            match_set_reg(begin(&r, stages[i].ingress, PRIO_OPEN), 1,
                          service->identity);
            go(&r, stages[i].accepted);
        }
    }
    renderer_uninit(&r);
}

/* Endpoints. */

static struct match *
begin_port(struct renderer *r, const struct netmap_endpoint *endpoint,
           enum pipeline_table table, int priority)
{
    struct match *m = begin(r, table, priority);

    match_set_in_port(m, endpoint->ofport);
    return m;
}

/* Starts a flow for what comes from 'endpoint' with its MAC. */
static struct match *
begin_source(struct renderer *r, const struct netmap_endpoint *endpoint,
             int priority)
{
    struct match *m = begin_port(r, endpoint, PIPELINE_SOURCE, priority);

    match_set_dl_src(m, endpoint->mac);
    return m;
}

static void
finish_source(struct renderer *r, const struct netmap_endpoint *endpoint,
              enum pipeline_table next)
{
    set_reg(r, MFF_REG0, endpoint->service->identity);
    set_reg(r, MFF_REG2, endpoint->service->network->zone);
    go(r, next);
}

static void
render_source_v4(struct renderer *r, const struct netmap_endpoint *endpoint,
                 const struct in6_addr *ip6)
{
    ovs_be32 ip = in6_addr_get_mapped_ipv4(ip6);
    struct match *m;

    /* Announcements and probes (RFC 5227) of its own address. */
    m = begin_source(r, endpoint, PRIO_SOURCE_OWN);
    match_arp(m);
    match_set_arp_sha(m, endpoint->mac);
    match_set_nw_src(m, ip);
    match_set_nw_dst(m, ip);
    drop(r, DROP_ARP_UNSOLICITED);

    m = begin_source(r, endpoint, PRIO_SOURCE_OWN);
    match_arp_op(m, ARP_OP_REQUEST);
    match_set_arp_sha(m, endpoint->mac);
    match_set_nw_src(m, htonl(INADDR_ANY));
    match_set_nw_dst(m, ip);
    drop(r, DROP_ARP_UNSOLICITED);

    m = begin_source(r, endpoint, PRIO_SOURCE);
    match_arp(m);
    match_set_arp_sha(m, endpoint->mac);
    match_set_nw_src(m, ip);
    finish_source(r, endpoint, PIPELINE_NEIGHBOR_TARGET);

    m = begin_source(r, endpoint, PRIO_SOURCE);
    match_ip(m, true);
    match_set_nw_src(m, ip);
    finish_source(r, endpoint, PIPELINE_DESTINATION);
}

static void
render_source_v6(struct renderer *r, const struct netmap_endpoint *endpoint,
                 const struct in6_addr *ip)
{
    static const struct eth_addr zero;
    struct match *m;

    m = begin_source(r, endpoint, PRIO_SOURCE);
    match_ip(m, false);
    match_set_ipv6_src(m, ip);
    finish_source(r, endpoint, PIPELINE_ND_SOURCE);

    /* Duplicate address detection for its own address (RFC 4862 section
     * 5.4). */
    m = begin_source(r, endpoint, PRIO_SOURCE_NO_ADDRESS);
    match_nd(m, ND_NEIGHBOR_SOLICIT);
    match_set_ipv6_src(m, &in6addr_any);
    match_set_nd_target(m, ip);
    match_set_arp_sha(m, zero);
    drop(r, DROP_ND_UNSOLICITED);

    /* Advertisements of its own address. */
    const struct eth_addr tlls[] = { zero, endpoint->mac };
    for (size_t i = 0; i < ARRAY_SIZE(tlls); i++) {
        m = begin_port(r, endpoint, PIPELINE_ND_SOURCE, PRIO_SOURCE);
        match_nd(m, ND_NEIGHBOR_ADVERT);
        match_set_nd_target(m, ip);
        match_set_arp_tha(m, tlls[i]);
        drop(r, DROP_ND_UNSOLICITED);
    }
}

static void
render_nd_source(struct renderer *r, const struct netmap_endpoint *endpoint)
{
    const struct eth_addr slls[] = { eth_addr_zero, endpoint->mac };
    struct match *m;

    for (size_t i = 0; i < ARRAY_SIZE(slls); i++) {
        m = begin_port(r, endpoint, PIPELINE_ND_SOURCE, PRIO_SOURCE);
        match_nd(m, ND_NEIGHBOR_SOLICIT);
        match_set_arp_sha(m, slls[i]);
        go(r, PIPELINE_NEIGHBOR_TARGET);
    }

    static const uint8_t types[] = { ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        m = begin_port(r, endpoint, PIPELINE_ND_SOURCE, PRIO_SOURCE_CLASS);
        match_icmp6(m, types[i]);
        drop(r, DROP_ND_SPOOF);
    }
}

/* A client that has no IPv4 address yet.  (In IPv6 it has a link-local
 * one.) */
static void
render_dhcp_client(struct renderer *r, const struct netmap_endpoint *endpoint)
{
    struct match *m = begin_source(r, endpoint, PRIO_SOURCE_NO_ADDRESS);

    match_udp(m, true, 68, 67);
    match_set_nw_src(m, htonl(INADDR_ANY));
    match_set_nw_dst(m, htonl(INADDR_BROADCAST));
    finish_source(r, endpoint, PIPELINE_DESTINATION);
}

static void
render_source(struct renderer *r, const struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;

    for (size_t i = 0; i < endpoint->n_ips; i++) {
        if (ip_is_v4(&endpoint->ips[i])) {
            render_source_v4(r, endpoint, &endpoint->ips[i]);
        } else {
            render_source_v6(r, endpoint, &endpoint->ips[i]);
        }
    }
    render_nd_source(r, endpoint);
    for (size_t i = 0; i < network->n_dhcp_servers; i++) {
        if (ip_is_v4(&network->dhcp_servers[i])) {
            render_dhcp_client(r, endpoint);
        }
    }

    static const struct {
        ovs_be16 dl_type;
        enum drop_reason reason;
    } rest[] = {
        { CONSTANT_HTONS(ETH_TYPE_ARP), DROP_ARP_SPOOF },
        { CONSTANT_HTONS(ETH_TYPE_IP), DROP_IP_SPOOF },
        { CONSTANT_HTONS(ETH_TYPE_IPV6), DROP_IPV6_SPOOF },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rest); i++) {
        match_set_dl_type(begin_port(r, endpoint, PIPELINE_SOURCE,
                                     PRIO_SOURCE_PORT), rest[i].dl_type);
        drop(r, rest[i].reason);
    }
}

/* How others find and reach one of the addresses of 'endpoint'. */
static void
render_address(struct renderer *r, const struct netmap_endpoint *endpoint,
               const struct in6_addr *ip)
{
    const struct netmap_service *service = endpoint->service;
    uint16_t zone = service->network->zone;
    struct match *m = begin(r, PIPELINE_DESTINATION, PRIO_ADDRESS_CONTAINER);

    match_address(m, ip, false);
    match_set_reg(m, 2, zone);
    if (endpoint->ofport == OFPP_NONE) {
        drop(r, DROP_DESTINATION_ABSENT);
        return;
    }
    set_reg(r, MFF_REG1, service->identity);
    set_reg(r, MFF_REG3, ofp_to_u16(endpoint->ofport));
    set_eth_dst(r, endpoint->mac);
    go(r, PIPELINE_CONNTRACK);

    m = begin_port(r, endpoint, PIPELINE_DESTINATION, PRIO_ADDRESS_SELF);
    match_address(m, ip, false);
    match_set_reg(m, 2, zone);
    drop(r, DROP_SELF);

    render_neighbor(r, service->network, ip, endpoint->mac,
                    service->identity);
    if (IN6_IS_ADDR_LINKLOCAL(ip)
        && netmap_network_has_gateway(service->network)) {
        struct ip_prefix prefix = ip_prefix_from_address(ip);

        render_gateway_destination(r, service->network, &prefix);
    }
}

void
pipeline_render_endpoint(const struct pipeline *pipeline,
                         struct flow_table *table,
                         const struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;
    struct renderer r;

    renderer_init(&r, pipeline, table, &endpoint->uuid);
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        render_address(&r, endpoint, &endpoint->ips[i]);
    }
    if (endpoint->ofport != OFPP_NONE) {
        render_source(&r, endpoint);
        render_denied(&r, network, endpoint->ofport);
        for (size_t i = 0; i < network->n_dhcp_servers; i++) {
            const struct in6_addr *server = &network->dhcp_servers[i];

            for (size_t j = 0; j < endpoint->n_ips; j++) {
                if (ipv6_addr_equals(server, &endpoint->ips[j])) {
                    render_dhcp_server(&r, network, server,
                                       endpoint->service->identity,
                                       endpoint->ofport, endpoint->mac);
                }
            }
        }
    }
    renderer_uninit(&r);
}
