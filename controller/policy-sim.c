/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/policy-sim.h"

#include <netinet/icmp6.h>
#include <string.h>

#include "controller/depmap.h"
#include "controller/netmap.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

/* One evaluation. */
struct sim {
    const struct netmap *netmap;
    const struct depmap *depmap;
    const struct sim_packet *packet;
    const struct flow *flow;
    struct sim_verdict *verdict;
    struct ds *explanation;             /* May be NULL. */

    const struct netmap_network *network;
    const struct netmap_endpoint *source;   /* NULL: gateway port. */
    const struct netmap_endpoint *target;   /* NULL: not a container. */
    uint32_t src_identity, dst_identity;    /* Of the packet. */
    bool dhcp_reply;            /* Answer of a declared DHCP server. */
};

static void unmap_addresses(struct flow *);
static void explain(struct sim *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
static bool drop(struct sim *, enum drop_reason);
static bool admit(struct sim *);
static bool verify_source(struct sim *);
static void answer_neighbor(struct sim *, const struct in6_addr *asker,
                            const struct in6_addr *target, bool arp);
static bool find_destination(struct sim *);
static void decide(struct sim *);

void
policy_sim(const struct netmap *netmap, const struct depmap *depmap,
           const struct sim_packet *packet, struct sim_verdict *verdict,
           struct ds *explanation)
{
    struct flow flow = packet->flow;
    struct sim sim = {
        .netmap = netmap,
        .depmap = depmap,
        .packet = packet,
        .flow = &flow,
        .verdict = verdict,
        .explanation = explanation,
    };

    unmap_addresses(&flow);
    memset(verdict, 0, sizeof *verdict);
    verdict->action = SIM_DROP;
    verdict->out_port = OFPP_NONE;
    if (admit(&sim) && verify_source(&sim) && find_destination(&sim)) {
        decide(&sim);
    }
}

/* An IPv4-mapped address stands for an IPv4 address everywhere here, but one
 * in an IPv6 packet does not: replaces those by others that nobody has. */
static void
unmap_addresses(struct flow *flow)
{
    struct in6_addr *addresses[] = {
        &flow->ipv6_src, &flow->ipv6_dst, &flow->nd_target,
        &flow->ct_ipv6_src, &flow->ct_ipv6_dst
    };

    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        if (flow->dl_type == htons(ETH_TYPE_IPV6)
            && ip_is_v4(addresses[i])) {
            addresses[i]->s6_addr[11] = 0xfe;
        }
    }
}

/* Looks for a rule of 'direction' that lets 'source' open 'policy' to
 * 'destination'.  With 'visibility', whatever it opens is enough. */
static bool
find_rule(const struct depmap *depmap, enum depmap_direction direction,
          uint16_t zone, uint32_t source, const struct in6_addr *src_ip,
          uint32_t destination, const struct in6_addr *dst_ip,
          bool visibility, uint8_t nw_proto, uint16_t tp_src, uint16_t tp_dst,
          struct uuid *uuid)
{
    const struct depmap_rule *rule;

    HMAP_FOR_EACH (rule, hmap_node, &depmap->rules) {
        if (!(rule->direction & direction) || rule->zone != zone
            || !depmap_peers_match(&rule->sources, source, src_ip)
            || !depmap_peers_match(&rule->destinations, destination, dst_ip)) {
            continue;
        }

        /* CIDR blocks are never what a rule is about, only its peers. */
        const struct depmap_peers *subjects
            = direction == DEPMAP_EGRESS ? &rule->sources
                                         : &rule->destinations;
        uint32_t subject = direction == DEPMAP_EGRESS ? source : destination;
        bool named = subjects->any;
        for (size_t i = 0; i < subjects->n_identities; i++) {
            named |= subjects->identities[i] == subject;
        }
        if (!named) {
            continue;
        }

        bool open = visibility;
        for (size_t i = 0; i < rule->n_policies; i++) {
            open |= policy_matches(&rule->policies[i], nw_proto, tp_src,
                                   tp_dst);
        }
        if (open) {
            if (uuid) {
                *uuid = rule->uuid;
            }
            return true;
        }
    }
    return false;
}

static bool
is_isolated(const struct netmap *netmap, uint32_t identity, bool egress)
{
    if (identity == IDENTITY_HOST) {
        return !egress;
    }

    const struct netmap_service *service
        = netmap_find_service_by_identity(netmap, identity);
    return service && (egress ? service->isolated_egress
                              : service->isolated_ingress);
}

bool
policy_sim_egress(const struct netmap *netmap, const struct depmap *depmap,
                  uint16_t zone,
                  uint32_t source, const struct in6_addr *src_ip,
                  uint32_t destination, const struct in6_addr *dst_ip,
                  uint8_t nw_proto, uint16_t tp_src, uint16_t tp_dst,
                  struct uuid *rule)
{
    return (!is_isolated(netmap, source, true)
            || find_rule(depmap, DEPMAP_EGRESS, zone, source, src_ip,
                         destination, dst_ip, false, nw_proto, tp_src, tp_dst,
                         rule));
}

bool
policy_sim_ingress(const struct netmap *netmap, const struct depmap *depmap,
                   uint16_t zone,
                   uint32_t source, const struct in6_addr *src_ip,
                   uint32_t destination, const struct in6_addr *dst_ip,
                   uint8_t nw_proto, uint16_t tp_src, uint16_t tp_dst,
                   struct uuid *rule)
{
    return (!is_isolated(netmap, destination, false)
            || find_rule(depmap, DEPMAP_INGRESS, zone, source, src_ip,
                         destination, dst_ip, false, nw_proto, tp_src, tp_dst,
                         rule));
}

/* May 's' open anything to 'd'? */
static bool
may_open_anything(const struct sim *sim,
                  uint32_t s, const struct in6_addr *s_ip,
                  uint32_t d, const struct in6_addr *d_ip)
{
    uint16_t zone = sim->network->zone;

    return ((!is_isolated(sim->netmap, s, true)
             || find_rule(sim->depmap, DEPMAP_EGRESS, zone, s, s_ip, d, d_ip,
                          true, 0, 0, 0, NULL))
            && (!is_isolated(sim->netmap, d, false)
                || find_rule(sim->depmap, DEPMAP_INGRESS, zone, s, s_ip, d,
                             d_ip, true, 0, 0, 0, NULL)));
}

/* Appends one line to the explanation. */
static void
explain(struct sim *sim, const char *format, ...)
{
    if (sim->explanation) {
        va_list args;

        va_start(args, format);
        ds_put_format_valist(sim->explanation, format, args);
        va_end(args);
        ds_put_char(sim->explanation, '\n');
    }
}

/* Ends the evaluation.  Always returns false. */
static bool
drop(struct sim *sim, enum drop_reason reason)
{
    sim->verdict->action = SIM_DROP;
    sim->verdict->reason = reason;
    sim->verdict->audited = false;
    explain(sim, "dropped: %s (reason %d): %s", drop_reason_name(reason),
            reason, drop_reason_explanation(reason));
    return false;
}

/* Ends the evaluation as a drop, or notes it in audit mode.  Returns true if
 * the packet goes on. */
static bool
deny(struct sim *sim, enum drop_reason reason)
{
    if (sim->network->enforcement == ENFORCEMENT_AUDIT) {
        sim->verdict->reason = reason;
        sim->verdict->audited = true;
        explain(sim, "audit: would be dropped: %s (reason %d): %s",
                drop_reason_name(reason), reason,
                drop_reason_explanation(reason));
        return true;
    }
    return drop(sim, reason);
}

/* Fields. */

static bool
is_ip(const struct flow *flow)
{
    return (flow->dl_type == htons(ETH_TYPE_IP)
            || flow->dl_type == htons(ETH_TYPE_IPV6));
}

static bool
is_later_fragment(const struct flow *flow)
{
    return is_ip(flow) && flow->nw_frag & FLOW_NW_FRAG_LATER;
}

static struct in6_addr
ip_src(const struct flow *flow)
{
    return (flow->dl_type == htons(ETH_TYPE_IPV6) ? flow->ipv6_src
            : in6_addr_mapped_ipv4(flow->nw_src));
}

static struct in6_addr
ip_dst(const struct flow *flow)
{
    return (flow->dl_type == htons(ETH_TYPE_IPV6) ? flow->ipv6_dst
            : in6_addr_mapped_ipv4(flow->nw_dst));
}

/* Fragments, even first ones, have no ports and types before they have passed
 * connection tracking, which reassembles: that is how Open vSwitch handles
 * them, but for "set-frags nx-match". */
static bool
is_udp_ports(const struct flow *flow, bool v4, uint16_t src, uint16_t dst)
{
    return (flow->dl_type == htons(v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6)
            && flow->nw_proto == IPPROTO_UDP
            && !flow->nw_frag
            && flow->tp_src == htons(src) && flow->tp_dst == htons(dst));
}

static bool
is_icmp6(const struct flow *flow, uint8_t type)
{
    return (flow->dl_type == htons(ETH_TYPE_IPV6)
            && flow->nw_proto == IPPROTO_ICMPV6
            && !flow->nw_frag
            && flow->tp_src == htons(type));
}

/* Neighbor discovery proper (RFC 4861 section 7.1, RFC 6980). */
static bool
is_valid_nd(const struct flow *flow, uint8_t type)
{
    return (is_icmp6(flow, type) && !flow->tp_dst && flow->nw_ttl == 255);
}

static bool
endpoint_has_ip(const struct netmap_endpoint *endpoint,
                const struct in6_addr *ip)
{
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        if (ipv6_addr_equals(&endpoint->ips[i], ip)) {
            return true;
        }
    }
    return false;
}

static bool
in_constant_prefix(const char *s, const struct in6_addr *ip)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(s, &prefix);

    ovs_assert(!error);
    return ip_prefix_contains(&prefix, ip);
}

static bool
is_group(const struct in6_addr *ip)
{
    return (in_constant_prefix("224.0.0.0/4", ip)
            || in_constant_prefix("255.255.255.255/32", ip)
            || in_constant_prefix("ff00::/8", ip));
}

/* The identity of an address that is no container of the network. */
static uint32_t
outside_identity(const struct sim *sim, const struct in6_addr *ip)
{
    static const char *const special[] = {
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "240.0.0.0/4", "::/80",
        "fe80::/10"
    };

    if (netmap_network_is_gateway_ip(sim->network, ip)
        || netmap_is_host_address(sim->netmap, ip)) {
        return IDENTITY_HOST;
    }
    for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
        if (in_constant_prefix(special[i], ip)) {
            return IDENTITY_NONE;
        }
    }

    const struct netmap_network *network;
    HMAP_FOR_EACH (network, hmap_node, &sim->netmap->networks) {
        if (netmap_network_has_subnet_for(network, ip)) {
            return IDENTITY_NONE;
        }
    }
    return IDENTITY_WORLD;
}

/* Stages. */

static bool
admit(struct sim *sim)
{
    const struct flow *flow = sim->flow;

    if (flow->vlans[0].tci & htons(VLAN_CFI)) {
        return drop(sim, DROP_VLAN_TAG);
    } else if (eth_addr_is_multicast(flow->dl_src)) {
        return drop(sim, DROP_MULTICAST_SOURCE);
    } else if (!is_ip(flow) && flow->dl_type != htons(ETH_TYPE_ARP)) {
        return drop(sim, DROP_ETHERTYPE);
    }
    explain(sim, "admission: an untagged ARP or IP frame");
    return true;
}

static bool
is_dhcp_server(const struct netmap_network *network,
               const struct in6_addr *ip)
{
    for (size_t i = 0; i < network->n_dhcp_servers; i++) {
        if (ipv6_addr_equals(&network->dhcp_servers[i], ip)) {
            return true;
        }
    }
    return false;
}

static bool
has_dhcp_server(const struct netmap_network *network, bool v4)
{
    for (size_t i = 0; i < network->n_dhcp_servers; i++) {
        if (ip_is_v4(&network->dhcp_servers[i]) == v4) {
            return true;
        }
    }
    return false;
}

/* What nobody but a declared DHCP server may send.  Returns true if the
 * packet is none of that. */
static bool
check_never(struct sim *sim)
{
    const struct flow *flow = sim->flow;

    if (is_udp_ports(flow, true, 67, 68)
        || is_udp_ports(flow, false, 547, 546)) {
        return drop(sim, DROP_DHCP_SERVER);
    } else if (is_icmp6(flow, ND_ROUTER_ADVERT)) {
        return drop(sim, DROP_ROUTER_ADVERTISEMENT);
    } else if (is_icmp6(flow, ND_REDIRECT)) {
        return drop(sim, DROP_REDIRECT);
    }
    return true;
}

/* If the packet is an answer of a declared DHCP server that has 'mac' and
 * sits on this port, returns true. */
static bool
is_declared_dhcp_answer(const struct sim *sim, struct eth_addr mac)
{
    struct in6_addr src = ip_src(sim->flow);

    return ((is_udp_ports(sim->flow, true, 67, 68)
             || is_udp_ports(sim->flow, false, 547, 546))
            && eth_addr_equals(sim->flow->dl_src, mac)
            && is_dhcp_server(sim->network, &src)
            && (sim->source ? endpoint_has_ip(sim->source, &src)
                : netmap_network_is_gateway_ip(sim->network, &src)));
}

/* Drops a packet whose source address is not the sender's, with the best
 * reason. */
static bool
drop_spoofed(struct sim *sim, enum drop_reason otherwise)
{
    const struct flow *flow = sim->flow;

    if (is_udp_ports(flow, true, 68, 67) && !flow->nw_src) {
        return drop(sim, DROP_DHCP_CLIENT);
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6)
               && IN6_IS_ADDR_UNSPECIFIED(&flow->ipv6_src)) {
        if (is_icmp6(flow, 131) || is_icmp6(flow, 132)
            || is_icmp6(flow, 143)) {
            return drop(sim, DROP_ND_UNSOLICITED);
        } else if (is_icmp6(flow, ND_NEIGHBOR_SOLICIT)) {
            return drop(sim, DROP_ND_SPOOF);
        }
    }
    return drop(sim, otherwise);
}

static bool
verify_container_arp(struct sim *sim)
{
    const struct netmap_endpoint *source = sim->source;
    const struct flow *flow = sim->flow;
    struct in6_addr spa = in6_addr_mapped_ipv4(flow->nw_src);
    struct in6_addr tpa = in6_addr_mapped_ipv4(flow->nw_dst);

    if (!eth_addr_equals(flow->dl_src, source->mac)
        || !eth_addr_equals(flow->arp_sha, source->mac)) {
        return drop(sim, DROP_ARP_SPOOF);
    }
    if (!flow->nw_src && flow->nw_proto == ARP_OP_REQUEST
        && endpoint_has_ip(source, &tpa)) {
        return drop(sim, DROP_ARP_UNSOLICITED);
    }
    if (!endpoint_has_ip(source, &spa)) {
        return drop(sim, DROP_ARP_SPOOF);
    }
    if (flow->nw_src == flow->nw_dst || flow->nw_proto != ARP_OP_REQUEST) {
        return drop(sim, DROP_ARP_UNSOLICITED);
    }
    answer_neighbor(sim, &spa, &tpa, true);
    return false;
}

static bool
verify_container_ipv4(struct sim *sim)
{
    const struct netmap_endpoint *source = sim->source;
    const struct flow *flow = sim->flow;
    struct in6_addr src = ip_src(flow);

    if (is_declared_dhcp_answer(sim, source->mac)) {
        sim->dhcp_reply = true;
        return true;
    }
    if (!check_never(sim)) {
        return false;
    }
    if (eth_addr_equals(flow->dl_src, source->mac)) {
        if (endpoint_has_ip(source, &src)
            || (is_udp_ports(flow, true, 68, 67) && !flow->nw_src
                && flow->nw_dst == htonl(INADDR_BROADCAST)
                && has_dhcp_server(sim->network, true))) {
            return true;
        }
    }
    return drop_spoofed(sim, DROP_IP_SPOOF);
}

static bool
verify_container_nd(struct sim *sim)
{
    const struct netmap_endpoint *source = sim->source;
    const struct flow *flow = sim->flow;
    bool own_ll;

    if (is_icmp6(flow, ND_NEIGHBOR_SOLICIT)) {
        own_ll = (eth_addr_is_zero(flow->arp_sha)
                  || eth_addr_equals(flow->arp_sha, source->mac));
        if (!is_valid_nd(flow, ND_NEIGHBOR_SOLICIT) || !own_ll) {
            return drop(sim, DROP_ND_SPOOF);
        }
        answer_neighbor(sim, &flow->ipv6_src, &flow->nd_target, false);
        return false;
    } else if (is_icmp6(flow, ND_NEIGHBOR_ADVERT)) {
        own_ll = (eth_addr_is_zero(flow->arp_tha)
                  || eth_addr_equals(flow->arp_tha, source->mac));
        return drop(sim, (is_valid_nd(flow, ND_NEIGHBOR_ADVERT) && own_ll
                          && endpoint_has_ip(source, &flow->nd_target)
                          ? DROP_ND_UNSOLICITED : DROP_ND_SPOOF));
    }
    return true;
}

static bool
verify_container_ipv6(struct sim *sim)
{
    const struct netmap_endpoint *source = sim->source;
    const struct flow *flow = sim->flow;

    if (is_declared_dhcp_answer(sim, source->mac)) {
        sim->dhcp_reply = true;
        return true;
    }
    if (!check_never(sim)) {
        return false;
    }
    if (!eth_addr_equals(flow->dl_src, source->mac)) {
        return drop_spoofed(sim, DROP_IPV6_SPOOF);
    }
    if (is_valid_nd(flow, ND_NEIGHBOR_SOLICIT)
        && IN6_IS_ADDR_UNSPECIFIED(&flow->ipv6_src)
        && eth_addr_is_zero(flow->arp_sha)
        && endpoint_has_ip(source, &flow->nd_target)) {
        return drop(sim, DROP_ND_UNSOLICITED);
    }
    if (!endpoint_has_ip(source, &flow->ipv6_src)) {
        return drop_spoofed(sim, DROP_IPV6_SPOOF);
    }
    return verify_container_nd(sim);
}

/* Is the packet from the gateway of 'network'? */
static bool
is_from_gateway(const struct sim *sim, const struct netmap_network *network)
{
    return (!strcmp(network->bridge, sim->packet->bridge)
            && netmap_network_has_gateway(network)
            && network->gateway_ofport == sim->flow->in_port.ofp_port
            && eth_addr_equals(sim->flow->dl_src, network->gateway_mac));
}

/* The network that a packet from a gateway port to 'address' is for, or NULL.
 * A link-local address is of the network that has such a container, of the
 * one whose container comes first if there are several. */
static const struct netmap_network *
find_gateway_network(const struct sim *sim, const struct in6_addr *address)
{
    const struct netmap_network *network;
    const struct netmap_endpoint *first = NULL;

    HMAP_FOR_EACH (network, hmap_node, &sim->netmap->networks) {
        if (!is_from_gateway(sim, network)) {
            continue;
        } else if (netmap_network_has_subnet_for(network, address)) {
            return network;
        } else if (IN6_IS_ADDR_LINKLOCAL(address)) {
            const struct netmap_endpoint *endpoint
                = netmap_find_endpoint_by_ip(sim->netmap, network, address);

            if (endpoint && endpoint->ofport != OFPP_NONE
                && (!first || uuid_compare_3way(&endpoint->uuid,
                                                &first->uuid) < 0)) {
                first = endpoint;
            }
        }
    }
    return first ? first->service->network : NULL;
}

static bool
is_gateway_port(const struct sim *sim)
{
    const struct netmap_network *network;

    HMAP_FOR_EACH (network, hmap_node, &sim->netmap->networks) {
        if (!strcmp(network->bridge, sim->packet->bridge)
            && netmap_network_has_gateway(network)
            && network->gateway_ofport == sim->flow->in_port.ofp_port) {
            return true;
        }
    }
    return false;
}

static bool
verify_gateway_arp(struct sim *sim)
{
    const struct flow *flow = sim->flow;
    struct in6_addr spa = in6_addr_mapped_ipv4(flow->nw_src);
    struct in6_addr tpa = in6_addr_mapped_ipv4(flow->nw_dst);

    sim->network = find_gateway_network(sim, &tpa);
    if (!sim->network || flow->nw_proto != ARP_OP_REQUEST
        || !eth_addr_equals(flow->arp_sha, flow->dl_src)) {
        return drop(sim, DROP_ARP_UNSOLICITED);
    }
    if (outside_identity(sim, &spa) != IDENTITY_HOST) {
        return drop(sim, DROP_ARP_SPOOF);
    }
    sim->src_identity = IDENTITY_HOST;
    if (netmap_network_is_gateway_ip(sim->network, &tpa)) {
        return drop(sim, DROP_ARP_UNSOLICITED);
    }
    answer_neighbor(sim, &spa, &tpa, true);
    return false;
}

/* Determines who speaks through the gateway port. */
static bool
verify_external_source(struct sim *sim)
{
    const struct flow *flow = sim->flow;
    struct in6_addr src = ip_src(flow);
    bool v4 = flow->dl_type == htons(ETH_TYPE_IP);

    if (IN6_IS_ADDR_UNSPECIFIED(&src)) {
        return drop(sim, DROP_ND_UNSOLICITED);
    } else if (is_group(&src)) {
        return drop(sim, v4 ? DROP_IP_SPOOF : DROP_IPV6_SPOOF);
    }

    sim->src_identity = outside_identity(sim, &src);
    if (sim->src_identity != IDENTITY_HOST) {
        if (netmap_network_has_subnet_for(sim->network, &src)) {
            return drop(sim, v4 ? DROP_IP_SPOOF : DROP_IPV6_SPOOF);
        } else if (IN6_IS_ADDR_LINKLOCAL(&src)) {
            sim->src_identity = IDENTITY_HOST;
        }
    }
    return true;
}

static bool
verify_gateway_ip(struct sim *sim)
{
    const struct flow *flow = sim->flow;
    struct in6_addr dst = ip_dst(flow);
    const struct netmap_network *network;

    /* A declared DHCP server behind the gateway port. */
    HMAP_FOR_EACH (network, hmap_node, &sim->netmap->networks) {
        if (!strcmp(network->bridge, sim->packet->bridge)
            && netmap_network_has_gateway(network)
            && network->gateway_ofport == flow->in_port.ofp_port) {
            sim->network = network;
            if (is_declared_dhcp_answer(sim, network->gateway_mac)) {
                sim->dhcp_reply = true;
                sim->src_identity = IDENTITY_HOST;
                return true;
            }
        }
    }

    if (!check_never(sim)) {
        return false;
    }
    bool ns = is_valid_nd(flow, ND_NEIGHBOR_SOLICIT);
    sim->network = find_gateway_network(sim, ns ? &flow->nd_target : &dst);
    if (!sim->network) {
        sim->network = ns ? find_gateway_network(sim, &dst) : NULL;
        if (!sim->network) {
            return drop_spoofed(sim, eth_addr_is_multicast(flow->dl_dst)
                                     ? DROP_MULTICAST_DESTINATION
                                     : DROP_DESTINATION_UNKNOWN);
        }
    }
    if (!verify_external_source(sim)) {
        return false;
    }
    if (ns) {
        if (sim->src_identity == IDENTITY_HOST
            && netmap_network_is_gateway_ip(sim->network, &flow->nd_target)) {
            return drop(sim, DROP_ND_UNSOLICITED);
        }
        answer_neighbor(sim, &flow->ipv6_src, &flow->nd_target, false);
        return false;
    }
    return true;
}

static bool
verify_source(struct sim *sim)
{
    const struct flow *flow = sim->flow;
    bool arp = flow->dl_type == htons(ETH_TYPE_ARP);
    bool ok;

    sim->source = netmap_find_endpoint_by_ofport(
        sim->netmap, sim->packet->bridge, flow->in_port.ofp_port);
    if (sim->source) {
        const struct netmap_service *service = sim->source->service;

        sim->network = service->network;
        sim->src_identity = service->identity;
        explain(sim, "source: the port is container %s of service %s/%s",
                sim->source->name, sim->network->name, service->name);
        ok = (arp ? verify_container_arp(sim)
              : flow->dl_type == htons(ETH_TYPE_IP)
              ? verify_container_ipv4(sim)
              : verify_container_ipv6(sim));
    } else if (is_gateway_port(sim)) {
        explain(sim, "source: the port is a gateway port");
        ok = arp ? verify_gateway_arp(sim) : verify_gateway_ip(sim);
    } else if (arp) {
        return drop(sim, DROP_UNKNOWN_PORT);
    } else {
        return check_never(sim) && drop_spoofed(sim, DROP_UNKNOWN_PORT);
    }
    if (ok) {
        explain(sim, "source: every source field is the sender's own");
    }
    return ok;
}

static void
answer_neighbor(struct sim *sim, const struct in6_addr *asker,
                const struct in6_addr *target, bool arp)
{
    struct sim_verdict *v = sim->verdict;
    uint32_t identity;

    v->source = sim->src_identity;
    sim->target = netmap_find_endpoint_by_ip(sim->netmap, sim->network,
                                             target);
    if (sim->target && sim->target->ofport != OFPP_NONE) {
        v->mac = sim->target->mac;
        identity = sim->target->service->identity;
    } else if (netmap_network_has_gateway(sim->network)
               && netmap_network_is_gateway_ip(sim->network, target)) {
        v->mac = sim->network->gateway_mac;
        identity = IDENTITY_HOST;
    } else {
        drop(sim, arp ? DROP_ARP_TARGET_UNKNOWN : DROP_ND_TARGET_UNKNOWN);
        return;
    }
    v->destination = identity;

    if (sim->network->enforcement == ENFORCEMENT_OFF
        || sim->src_identity == IDENTITY_HOST || identity == IDENTITY_HOST
        || may_open_anything(sim, sim->src_identity, asker, identity, target)
        || may_open_anything(sim, identity, target, sim->src_identity, asker)
        || deny(sim, arp ? DROP_ARP_TARGET_INVISIBLE
                         : DROP_ND_TARGET_INVISIBLE)) {
        v->action = arp ? SIM_ARP_REPLY : SIM_ND_REPLY;
        v->router = !arp && identity == IDENTITY_HOST;
        explain(sim, "answered with "ETH_ADDR_FMT, ETH_ADDR_ARGS(v->mac));
    }
}

static bool
is_dhcp_request(const struct flow *flow)
{
    return ((is_udp_ports(flow, true, 68, 67)
             && flow->nw_dst == htonl(INADDR_BROADCAST))
            || (is_udp_ports(flow, false, 546, 547)
                && in_constant_prefix("ff02::1:2", &flow->ipv6_dst)));
}

/* Replaces the group address that clients send to by the address of the
 * declared server, if that one is there.  Returns true if it is. */
static bool
find_dhcp_server(const struct sim *sim, struct in6_addr *dst)
{
    const struct in6_addr *server = netmap_network_first_dhcp_server(
        sim->network, sim->flow->dl_type == htons(ETH_TYPE_IP));
    if (!server) {
        return false;
    }

    const struct netmap_endpoint *endpoint
        = netmap_find_endpoint_by_ip(sim->netmap, sim->network, server);
    *dst = *server;
    return (endpoint ? endpoint->ofport != OFPP_NONE
            : (netmap_network_is_gateway_ip(sim->network, server)
               && netmap_network_has_gateway(sim->network)));
}

static bool
find_destination(struct sim *sim)
{
    const struct flow *flow = sim->flow;
    struct in6_addr dst = ip_dst(flow);

    if (is_dhcp_request(flow)) {
        if (!find_dhcp_server(sim, &dst)) {
            return drop(sim, DROP_DHCP_CLIENT);
        }
    } else if (is_group(&dst)) {
        return drop(sim, DROP_MULTICAST_DESTINATION);
    }

    sim->target = netmap_find_endpoint_by_ip(sim->netmap, sim->network, &dst);
    if (sim->target) {
        const struct netmap_service *service = sim->target->service;

        if (sim->target->ofport == OFPP_NONE) {
            return drop(sim, DROP_DESTINATION_ABSENT);
        } else if (sim->target == sim->source) {
            return drop(sim, DROP_SELF);
        }
        sim->dst_identity = service->identity;
        explain(sim, "destination: container %s of service %s/%s",
                sim->target->name, sim->network->name, service->name);
        return true;
    }

    if (netmap_network_is_gateway_ip(sim->network, &dst)
        && !netmap_network_has_gateway(sim->network)) {
        return drop(sim, DROP_NO_GATEWAY);
    }
    sim->dst_identity = outside_identity(sim, &dst);
    if (sim->dst_identity != IDENTITY_HOST
        && (netmap_network_has_subnet_for(sim->network, &dst)
            || IN6_IS_ADDR_LINKLOCAL(&dst))) {
        return drop(sim, DROP_DESTINATION_UNKNOWN);
    }
    explain(sim, "destination: %s",
            sim->dst_identity == IDENTITY_HOST ? "the host"
            : sim->dst_identity == IDENTITY_WORLD ? "the world"
            : "an address outside that is not the world");
    return true;
}

static void
deliver(struct sim *sim)
{
    struct sim_verdict *v = sim->verdict;

    if (sim->target) {
        v->out_port = sim->target->ofport;
        v->mac = sim->target->mac;
    } else if (!netmap_network_has_gateway(sim->network)) {
        drop(sim, DROP_NO_GATEWAY);
        return;
    } else if (sim->network->gateway_ofport == sim->flow->in_port.ofp_port) {
        drop(sim, DROP_SELF);
        return;
    } else {
        v->out_port = sim->network->gateway_ofport;
        v->mac = sim->network->gateway_mac;
    }
    v->action = SIM_DELIVER;
    explain(sim, "output: port %"PRIu32", to "ETH_ADDR_FMT,
            ofp_to_u16(v->out_port), ETH_ADDR_ARGS(v->mac));
}

/* The original direction's addresses. */
static void
original_addresses(const struct flow *flow, struct in6_addr *src,
                   struct in6_addr *dst)
{
    if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        *src = flow->ct_ipv6_src;
        *dst = flow->ct_ipv6_dst;
    } else {
        *src = in6_addr_mapped_ipv4(flow->ct_nw_src);
        *dst = in6_addr_mapped_ipv4(flow->ct_nw_dst);
    }
}

static void
explain_rule(struct sim *sim, const char *half, const struct uuid *rule)
{
    if (uuid_is_zero(rule)) {
        explain(sim, "%s: not isolated", half);
    } else {
        explain(sim, "%s: allowed by dependency "UUID_FMT, half,
                UUID_ARGS(rule));
    }
}

/* What check_never() would have dropped if it had seen the ports.  (After
 * connection tracking the kernel's datapath has no fragments any more.) */
static bool
is_fragmented_dhcp_answer(const struct sim *sim, bool reply)
{
    const struct flow *flow = sim->flow;
    bool v4 = flow->dl_type == htons(ETH_TYPE_IP);
    ovs_be16 server = htons(v4 ? 67 : 547);
    ovs_be16 client = htons(v4 ? 68 : 546);

    return (!sim->dhcp_reply
            && flow->nw_proto == IPPROTO_UDP
            && flow->ct_nw_proto == IPPROTO_UDP
            && flow->ct_tp_src == (reply ? client : server)
            && flow->ct_tp_dst == (reply ? server : client));
}

static void
decide(struct sim *sim)
{
    struct sim_verdict *v = sim->verdict;
    const struct flow *flow = sim->flow;
    enum sim_ct_state ct = sim->packet->ct_state;
    bool related = ct == SIM_CT_RELATED || ct == SIM_CT_RELATED_REPLY;
    bool reply = ct == SIM_CT_REPLY || ct == SIM_CT_RELATED_REPLY;
    struct in6_addr src, dst;

    v->source = reply ? sim->dst_identity : sim->src_identity;
    v->destination = reply ? sim->src_identity : sim->dst_identity;
    if (sim->dhcp_reply && sim->target) {
        explain(sim, "policy: not asked, answer of a declared DHCP server");
        deliver(sim);
        return;
    } else if (ct == SIM_CT_INVALID) {
        drop(sim, DROP_CT_INVALID);
        return;
    } else if (is_fragmented_dhcp_answer(sim, reply)) {
        drop(sim, DROP_DHCP_SERVER);
        return;
    } else if (sim->network->enforcement == ENFORCEMENT_OFF) {
        explain(sim, "policy: not asked, enforcement is off");
        deliver(sim);
        return;
    } else if (related && !sim->source) {
        explain(sim, "policy: ICMP error of a live connection");
        deliver(sim);
        return;
    }

    explain(sim, "connection: %s",
            reply ? "reply direction, judged by the original direction"
            : "original direction");
    original_addresses(flow, &src, &dst);
    if (is_later_fragment(flow)) {
        if (may_open_anything(sim, v->source, &src, v->destination, &dst)
            || deny(sim, DROP_FRAGMENT)) {
            deliver(sim);
        }
        return;
    }

    uint16_t zone = sim->network->zone;
    uint16_t tp_src = ntohs(flow->ct_tp_src);
    uint16_t tp_dst = ntohs(flow->ct_tp_dst);
    if (!policy_sim_egress(sim->netmap, sim->depmap, zone, v->source, &src,
                           v->destination, &dst, flow->ct_nw_proto, tp_src,
                           tp_dst, &v->egress_rule)) {
        if (deny(sim, DROP_EGRESS_POLICY)) {
            deliver(sim);
        }
        return;
    }
    explain_rule(sim, "egress policy", &v->egress_rule);
    if (!policy_sim_ingress(sim->netmap, sim->depmap, zone, v->source, &src,
                            v->destination, &dst, flow->ct_nw_proto, tp_src,
                            tp_dst, &v->ingress_rule)) {
        if (deny(sim, DROP_INGRESS_POLICY)) {
            deliver(sim);
        }
        return;
    }
    explain_rule(sim, "ingress policy", &v->ingress_rule);
    deliver(sim);
}
