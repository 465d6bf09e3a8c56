/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/keystone-packet.h"

#include <netinet/icmp6.h>
#include <string.h>

#include "controller/netmap.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "random.h"
#include "tests/keystone-world.h"
#include "util.h"

/* What a packet is made from. */
struct origin {
    const struct netmap *netmap;
    const char *bridge;
    const struct netmap_network *network;
    const struct netmap_endpoint *endpoint;     /* NULL: gateway port. */
    struct flow *flow;
    struct in6_addr src, dst;
    struct eth_addr mac;        /* The sender's. */
};

/* Picking from the netmap. */

/* Returns a random network of 'bridge' (of any bridge, if NULL). */
static const struct netmap_network *
random_network(const struct netmap *netmap, const char *bridge)
{
    const struct netmap_network *network, *result = NULL;
    unsigned int n = 0;

    HMAP_FOR_EACH (network, hmap_node, &netmap->networks) {
        if ((!bridge || !strcmp(network->bridge, bridge)) && !pick(++n)) {
            result = network;
        }
    }
    return result;
}

/* Returns a random endpoint of 'network' (of any network, if NULL), or NULL
 * if there is none. */
static const struct netmap_endpoint *
random_endpoint(const struct netmap *netmap,
                const struct netmap_network *network, bool present)
{
    const struct netmap_endpoint *endpoint, *result = NULL;
    unsigned int n = 0;

    HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
        if ((!network || endpoint->service->network == network)
            && (!present || endpoint->ofport != OFPP_NONE) && !pick(++n)) {
            result = endpoint;
        }
    }
    return result;
}

static struct in6_addr
parse_address(const char *s)
{
    struct in6_addr ip;
    char *error = ip_address_parse(s, &ip);

    ovs_assert(!error);
    return ip;
}

static struct in6_addr
random_constant(bool v4)
{
    static const char *const v4s[] = {
        "0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255",
        "240.0.0.1", "10.0.0.255", "10.77.0.1", "198.51.100.9",
        "198.51.100.200"
    };
    static const char *const v6s[] = {
        "::", "::1", "fe80::1", "fe80::dead", "ff02::1", "ff02::2",
        "ff02::16", "ff02::1:2", "ff02::1:ff00:5", "fd00:77::1", "::5",
        "2001:db8::9", "64:ff9b::1"
    };

    return parse_address(v4 ? v4s[pick(ARRAY_SIZE(v4s))]
                         : v6s[pick(ARRAY_SIZE(v6s))]);
}

static bool
random_of_array(const struct in6_addr *ips, size_t n, bool v4,
                struct in6_addr *ip)
{
    unsigned int seen = 0;

    for (size_t i = 0; i < n; i++) {
        if (ip_is_v4(&ips[i]) == v4 && !pick(++seen)) {
            *ip = ips[i];
        }
    }
    return seen > 0;
}

static struct in6_addr
unused_address(const struct netmap_network *network, bool v4)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        if (network->subnets[i].is_v4 == v4) {
            struct in6_addr ip = network->subnets[i].addr;

            ip.s6_addr[15] = 200 + pick(55);
            return ip;
        }
    }
    return random_constant(v4);
}

/* An address of interest to 'network'. */
static struct in6_addr
random_address(const struct netmap *netmap,
               const struct netmap_network *network, bool v4)
{
    const struct netmap_endpoint *endpoint;
    struct in6_addr ip = random_constant(v4);

    /* An address of the other version, IPv4-mapped. */
    if (!v4 && chance(3)) {
        return random_address(netmap, network, true);
    }
    switch (pick(16)) {
    case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7:
        endpoint = random_endpoint(netmap, network, false);
        if (endpoint) {
            random_of_array(endpoint->ips, endpoint->n_ips, v4, &ip);
        }
        break;

    case 8:
        endpoint = random_endpoint(netmap, NULL, false);
        if (endpoint) {
            random_of_array(endpoint->ips, endpoint->n_ips, v4, &ip);
        }
        break;

    case 9: case 10:
        if (chance(30)) {
            network = random_network(netmap, NULL);
        }
        if (!v4 && chance(20)) {
            ip_lla_from_mac(network->gateway_mac, &ip);
        } else {
            random_of_array(network->gateways, network->n_gateways, v4, &ip);
        }
        break;

    case 11:
        random_of_array(netmap->host_addresses, netmap->n_host_addresses, v4,
                        &ip);
        break;

    case 12:
        ip = unused_address(network, v4);
        break;

    case 13:
        ip = unused_address(random_network(netmap, NULL), v4);
        break;

    case 14: case 15:
        break;
    }
    return ip;
}

static struct eth_addr
random_mac(const struct netmap *netmap, const struct netmap_network *network)
{
    static const struct eth_addr constants[] = {
        ETH_ADDR_C(00,00,00,00,00,00), ETH_ADDR_C(ff,ff,ff,ff,ff,ff),
        ETH_ADDR_C(33,33,00,00,00,01), ETH_ADDR_C(02,77,00,00,00,01),
        ETH_ADDR_C(01,80,c2,00,00,00)
    };
    const struct netmap_endpoint *endpoint;

    switch (pick(4)) {
    case 0: case 1:
        endpoint = random_endpoint(netmap, chance(80) ? network : NULL,
                                   false);
        if (endpoint) {
            return endpoint->mac;
        }
        /* Fall through. */
    case 2:
        return network->gateway_mac;
    default:
        return constants[pick(ARRAY_SIZE(constants))];
    }
}

/* Who sends. */

static void
random_own_address(struct origin *o, bool v4)
{
    o->src = random_constant(v4);
    if (o->endpoint) {
        random_of_array(o->endpoint->ips, o->endpoint->n_ips, v4, &o->src);
    } else if (chance(40)) {
        random_of_array(o->network->gateways, o->network->n_gateways, v4,
                        &o->src);
    } else if (chance(50)) {
        random_of_array(o->netmap->host_addresses,
                        o->netmap->n_host_addresses, v4, &o->src);
    } else if (!v4 && chance(30)) {
        ip_lla_from_mac(o->network->gateway_mac, &o->src);
    } else {
        o->src = parse_address(v4 ? "198.51.100.7" : "2001:db8::7");
    }
}

static void
random_origin(const struct netmap *netmap, const char *bridge,
              struct flow *flow, struct origin *o)
{
    o->netmap = netmap;
    o->bridge = bridge;
    o->flow = flow;
    o->network = random_network(netmap, bridge);
    o->endpoint = random_endpoint(netmap, o->network, true);
    if (!o->endpoint || chance(25)) {
        o->endpoint = NULL;
        o->mac = o->network->gateway_mac;
        flow->in_port.ofp_port = o->network->gateway_ofport;
    } else {
        o->mac = o->endpoint->mac;
        flow->in_port.ofp_port = o->endpoint->ofport;
    }
    if (flow->in_port.ofp_port == OFPP_NONE || chance(2)) {
        flow->in_port.ofp_port = u16_to_ofp(1 + pick(WORLD_MAX_OFPORT));
    }
    flow->dl_src = o->mac;
    flow->dl_dst = random_mac(netmap, o->network);
}

/* Kinds of packets.  Each fills in honest fields; then mutate() spoils
 * some. */

static void
random_arp(struct origin *o)
{
    struct flow *flow = o->flow;

    random_own_address(o, true);
    o->dst = random_address(o->netmap, o->network, true);
    flow->dl_type = htons(ETH_TYPE_ARP);
    flow->nw_proto = chance(80) ? ARP_OP_REQUEST
                     : chance(70) ? ARP_OP_REPLY : pick(10);
    flow->nw_src = in6_addr_get_mapped_ipv4(&o->src);
    flow->nw_dst = in6_addr_get_mapped_ipv4(&o->dst);
    flow->arp_sha = o->mac;
    flow->arp_tha = chance(70) ? eth_addr_zero
                    : random_mac(o->netmap, o->network);
    if (chance(8)) {
        flow->nw_src = 0;
    }
    if (chance(8)) {
        flow->nw_dst = in6_addr_get_mapped_ipv4(&o->src);
    }
    if (chance(50)) {
        flow->dl_dst = eth_addr_broadcast;
    }
}

static void
begin_ip(struct origin *o, bool v4)
{
    struct flow *flow = o->flow;

    random_own_address(o, v4);
    o->dst = random_address(o->netmap, o->network, v4);
    flow->dl_type = htons(v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6);
    flow->nw_ttl = 64;
}

static void
random_icmp6(struct origin *o)
{
    static const uint8_t types[] = {
        ND_ROUTER_SOLICIT, ND_ROUTER_ADVERT, ND_REDIRECT, 128, 129, 130, 131,
        132, 143, 1, 2
    };
    struct flow *flow = o->flow;

    begin_ip(o, false);
    flow->nw_proto = IPPROTO_ICMPV6;
    flow->nw_ttl = chance(70) ? 255 : 1;
    flow->tp_src = htons(types[pick(ARRAY_SIZE(types))]);
    if (chance(20)) {
        o->src = in6addr_any;
    }
}

static void
random_nd(struct origin *o)
{
    struct flow *flow = o->flow;
    bool solicit = chance(75);

    begin_ip(o, false);
    flow->nw_proto = IPPROTO_ICMPV6;
    flow->nw_ttl = 255;
    flow->tp_src = htons(solicit ? ND_NEIGHBOR_SOLICIT : ND_NEIGHBOR_ADVERT);
    flow->nd_target = (solicit
                       ? random_address(o->netmap, o->network, false)
                       : o->src);
    if (solicit) {
        flow->arp_sha = chance(70) ? o->mac : eth_addr_zero;
        if (chance(60)) {
            in6_addr_solicited_node(&o->dst, &flow->nd_target);
        }
    } else {
        flow->arp_tha = chance(70) ? o->mac : eth_addr_zero;
    }
    if (chance(10)) {
        flow->nd_target = o->src;
        if (chance(70)) {
            o->src = in6addr_any;
            flow->arp_sha = eth_addr_zero;
        }
    }
}

static void
random_dhcp(struct origin *o)
{
    struct flow *flow = o->flow;
    bool v4 = chance(65);
    bool client = chance(60);

    begin_ip(o, v4);
    flow->nw_proto = IPPROTO_UDP;
    flow->tp_src = htons(v4 ? (client ? 68 : 67) : (client ? 546 : 547));
    flow->tp_dst = htons(v4 ? (client ? 67 : 68) : (client ? 547 : 546));
    if (client && chance(75)) {
        o->dst = parse_address(v4 ? "255.255.255.255" : "ff02::1:2");
        if (v4 && chance(75)) {
            o->src = parse_address("0.0.0.0");
        }
    }
    if (!client && chance(50) && o->network->n_dhcp_servers) {
        const struct in6_addr *server
            = &o->network->dhcp_servers[pick(o->network->n_dhcp_servers)];
        const struct netmap_endpoint *endpoint
            = netmap_find_endpoint_by_ip(o->netmap, o->network, server);

        if (ip_is_v4(server) == v4) {
            o->src = *server;
            if (endpoint && endpoint->ofport != OFPP_NONE) {
                o->endpoint = endpoint;
                flow->in_port.ofp_port = endpoint->ofport;
                flow->dl_src = endpoint->mac;
            } else if (o->network->gateway_ofport != OFPP_NONE) {
                flow->in_port.ofp_port = o->network->gateway_ofport;
                flow->dl_src = o->network->gateway_mac;
            }
        }
    }
}

static uint16_t
random_port(void)
{
    static const uint16_t ports[] = {
        80, 80, 443, 53, 7, 67, 68, 546, 547, 8000, 8005, 8010, 8011, 7999,
        1023, 1024, 999, 1000, 40000, 40001, 1, 65535, 33333
    };

    return ports[pick(ARRAY_SIZE(ports))];
}

static void
random_ip(struct origin *o)
{
    static const uint8_t protos[] = {
        IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP, IPPROTO_SCTP,
        IPPROTO_ICMP, IPPROTO_ICMPV6, 47, 50, 89
    };
    struct flow *flow = o->flow;
    bool v4 = chance(60);

    begin_ip(o, v4);
    flow->nw_proto = protos[pick(ARRAY_SIZE(protos))];
    switch (flow->nw_proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        flow->tp_src = htons(random_port());
        flow->tp_dst = htons(random_port());
        break;

    case IPPROTO_ICMP:
        if (v4) {
            flow->tp_src = htons(chance(60) ? 8 : chance(50) ? 3 : 0);
            flow->tp_dst = htons(pick(2));
        }
        break;

    case IPPROTO_ICMPV6:
        if (!v4) {
            flow->tp_src = htons(chance(60) ? 128 : chance(50) ? 129 : 1);
            flow->tp_dst = htons(pick(2));
        }
        break;
    }
}

static void
random_other(struct origin *o)
{
    static const uint16_t types[] = {
        0x8035, 0x88cc, 0x8847, 0x8863, 0x0842, 0x6558
    };

    o->flow->dl_type = htons(types[pick(ARRAY_SIZE(types))]);
}

/* Spoils one field. */
static void
mutate(struct origin *o)
{
    struct flow *flow = o->flow;
    bool v4 = flow->dl_type != htons(ETH_TYPE_IPV6);

    switch (pick(11)) {
    case 0:
        flow->dl_src = random_mac(o->netmap, o->network);
        break;
    case 1: case 2:
        o->src = random_address(o->netmap, o->network, v4);
        if (flow->dl_type == htons(ETH_TYPE_ARP)) {
            flow->nw_src = in6_addr_get_mapped_ipv4(&o->src);
        }
        break;
    case 3:
        flow->arp_sha = random_mac(o->netmap, o->network);
        break;
    case 4:
        flow->arp_tha = random_mac(o->netmap, o->network);
        break;
    case 5:
        flow->nw_ttl = chance(50) ? 1 : 255;
        break;
    case 6:
        flow->nd_target = random_address(o->netmap, o->network, false);
        break;
    case 7:
        if (flow->nw_proto == IPPROTO_ICMPV6) {
            flow->tp_dst = htons(pick(3));
        }
        break;
    case 8:
        flow->in_port.ofp_port = u16_to_ofp(1 + pick(WORLD_MAX_OFPORT));
        break;
    case 9:
        flow->nw_frag = FLOW_NW_FRAG_ANY | (chance(50) ? FLOW_NW_FRAG_LATER
                                            : 0);
        break;
    case 10:
        if (chance(50)) {
            flow->vlans[0].tci = htons(VLAN_CFI | pick(4096));
            flow->vlans[0].tpid = htons(ETH_TYPE_VLAN_8021Q);
        } else {
            flow->dl_src.ea[0] |= 1;
        }
        break;
    }
}

/* Makes fields consistent, as flow_extract() would. */

static void
canonicalize(struct origin *o)
{
    struct flow *flow = o->flow;
    bool v6 = flow->dl_type == htons(ETH_TYPE_IPV6);
    bool ip = v6 || flow->dl_type == htons(ETH_TYPE_IP);
    bool arp = flow->dl_type == htons(ETH_TYPE_ARP);

    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        flow->nw_src = in6_addr_get_mapped_ipv4(&o->src);
        flow->nw_dst = in6_addr_get_mapped_ipv4(&o->dst);
    } else if (v6) {
        flow->ipv6_src = o->src;
        flow->ipv6_dst = o->dst;
    }
    if (!ip) {
        flow->nw_frag = 0;
        flow->nw_ttl = 0;
    }
    if (flow->nw_frag & FLOW_NW_FRAG_LATER) {
        flow->tp_src = flow->tp_dst = 0;
    }

    bool icmp6 = (v6 && flow->nw_proto == IPPROTO_ICMPV6
                  && !(flow->nw_frag & FLOW_NW_FRAG_LATER) && !flow->tp_dst);
    bool ns = icmp6 && flow->tp_src == htons(ND_NEIGHBOR_SOLICIT);
    bool na = icmp6 && flow->tp_src == htons(ND_NEIGHBOR_ADVERT);

    if (!ns && !na) {
        flow->nd_target = in6addr_any;
    }
    if (!ns && !arp) {
        flow->arp_sha = eth_addr_zero;
    }
    if (!na && !arp) {
        flow->arp_tha = eth_addr_zero;
    }
}

static void
set_ct_addresses(struct flow *flow, const struct in6_addr *src,
                 const struct in6_addr *dst)
{
    if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        flow->ct_ipv6_src = *src;
        flow->ct_ipv6_dst = *dst;
    } else {
        flow->ct_nw_src = in6_addr_get_mapped_ipv4(src);
        flow->ct_nw_dst = in6_addr_get_mapped_ipv4(dst);
    }
}

/* The connection that the packet belongs to. */
static void
random_connection(struct origin *o, struct sim_packet *packet)
{
    struct flow *flow = o->flow;
    bool v4 = flow->dl_type == htons(ETH_TYPE_IP);
    static const uint8_t protos[] = {
        IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP
    };

    packet->ct_state = (chance(40) ? SIM_CT_NEW
                        : chance(30) ? SIM_CT_ESTABLISHED
                        : chance(50) ? SIM_CT_REPLY
                        : chance(40) ? SIM_CT_RELATED
                        : chance(60) ? SIM_CT_RELATED_REPLY
                        : SIM_CT_INVALID);

    bool reply = (packet->ct_state == SIM_CT_REPLY
                  || packet->ct_state == SIM_CT_RELATED_REPLY);
    bool related = (packet->ct_state == SIM_CT_RELATED
                    || packet->ct_state == SIM_CT_RELATED_REPLY);

    flow->ct_nw_proto = flow->nw_proto;
    flow->ct_tp_src = reply ? flow->tp_dst : flow->tp_src;
    flow->ct_tp_dst = reply ? flow->tp_src : flow->tp_dst;
    set_ct_addresses(flow, reply ? &o->dst : &o->src,
                     reply ? &o->src : &o->dst);
    if (related || flow->nw_frag & FLOW_NW_FRAG_LATER) {
        if (!flow->nw_frag) {
            flow->ct_nw_proto = protos[pick(ARRAY_SIZE(protos))];
        }
        flow->ct_tp_src = htons(random_port());
        flow->ct_tp_dst = htons(random_port());
    }
    if (reply && (flow->nw_proto == IPPROTO_ICMP
                  || flow->nw_proto == IPPROTO_ICMPV6) && !related) {
        flow->ct_tp_src = htons(v4 ? 8 : 128);
        flow->ct_tp_dst = 0;
    }
    if (related && chance(50)) {
        struct in6_addr a = random_address(o->netmap, o->network, v4);
        struct in6_addr b = random_address(o->netmap, o->network, v4);

        set_ct_addresses(flow, &a, &b);
    }
}

void
packet_random(const struct netmap *netmap, const char *bridge,
              struct sim_packet *packet)
{
    struct origin o;

    memset(packet, 0, sizeof *packet);
    packet->bridge = bridge;
    random_origin(netmap, bridge, &packet->flow, &o);

    unsigned int kind = pick(100);
    if (kind < 15) {
        random_arp(&o);
    } else if (kind < 30) {
        random_nd(&o);
    } else if (kind < 36) {
        random_icmp6(&o);
    } else if (kind < 45) {
        random_dhcp(&o);
    } else if (kind < 97) {
        random_ip(&o);
    } else {
        random_other(&o);
    }
    for (int n = chance(60) ? 0 : 1 + (chance(20) ? pick(3) : 0); n > 0; n--) {
        mutate(&o);
    }
    canonicalize(&o);
    if (packet->flow.dl_type == htons(ETH_TYPE_IP)
        || packet->flow.dl_type == htons(ETH_TYPE_IPV6)) {
        random_connection(&o, packet);
    }
}

/* Text. */

static void
format_ipv6(struct ds *s, const char *name, const struct in6_addr *ip)
{
    ds_put_format(s, ",%s=", name);
    ipv6_format_addr(ip, s);
}

static void
format_eth(struct ds *s, const char *name, struct eth_addr mac)
{
    ds_put_format(s, ",%s="ETH_ADDR_FMT, name, ETH_ADDR_ARGS(mac));
}

static void
format_transport(const struct flow *flow, struct ds *s)
{
    bool v6 = flow->dl_type == htons(ETH_TYPE_IPV6);
    uint16_t src = ntohs(flow->tp_src);
    uint16_t dst = ntohs(flow->tp_dst);

    if (flow->nw_frag & FLOW_NW_FRAG_LATER) {
        return;
    }
    switch (flow->nw_proto) {
    case IPPROTO_TCP:
        ds_put_format(s, ",tcp_src=%u,tcp_dst=%u", src, dst);
        break;
    case IPPROTO_UDP:
        ds_put_format(s, ",udp_src=%u,udp_dst=%u", src, dst);
        break;
    case IPPROTO_SCTP:
        ds_put_format(s, ",sctp_src=%u,sctp_dst=%u", src, dst);
        break;
    case IPPROTO_ICMP:
        if (!v6) {
            ds_put_format(s, ",icmp_type=%u,icmp_code=%u", src, dst);
        }
        break;
    case IPPROTO_ICMPV6:
        if (v6) {
            ds_put_format(s, ",icmpv6_type=%u,icmpv6_code=%u", src, dst);
            if (!dst && (src == ND_NEIGHBOR_SOLICIT
                         || src == ND_NEIGHBOR_ADVERT)) {
                format_ipv6(s, "nd_target", &flow->nd_target);
                if (src == ND_NEIGHBOR_SOLICIT) {
                    format_eth(s, "nd_sll", flow->arp_sha);
                } else {
                    format_eth(s, "nd_tll", flow->arp_tha);
                }
            }
        }
        break;
    }
}

static void
format_connection(const struct flow *flow, struct ds *s)
{
    ds_put_format(s, ",ct_state=trk|new,ct_nw_proto=%u,ct_tp_src=%u,"
                  "ct_tp_dst=%u", flow->ct_nw_proto, ntohs(flow->ct_tp_src),
                  ntohs(flow->ct_tp_dst));
    if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        format_ipv6(s, "ct_ipv6_src", &flow->ct_ipv6_src);
        format_ipv6(s, "ct_ipv6_dst", &flow->ct_ipv6_dst);
    } else {
        ds_put_format(s, ",ct_nw_src="IP_FMT",ct_nw_dst="IP_FMT,
                      IP_ARGS(flow->ct_nw_src), IP_ARGS(flow->ct_nw_dst));
    }
}

/* Solicitations are answered before connection tracking.  (Others need the
 * connection in the flow that tracing begins with.) */
static bool
is_solicitation(const struct flow *flow)
{
    return (flow->dl_type == htons(ETH_TYPE_IPV6)
            && flow->nw_proto == IPPROTO_ICMPV6
            && flow->tp_src == htons(ND_NEIGHBOR_SOLICIT)
            && !flow->tp_dst && !flow->nw_frag && flow->nw_ttl == 255);
}

static void
format_ip(const struct flow *flow, struct ds *s)
{
    if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        format_ipv6(s, "ipv6_src", &flow->ipv6_src);
        format_ipv6(s, "ipv6_dst", &flow->ipv6_dst);
    } else {
        ds_put_format(s, ",nw_src="IP_FMT",nw_dst="IP_FMT,
                      IP_ARGS(flow->nw_src), IP_ARGS(flow->nw_dst));
    }
    ds_put_format(s, ",nw_proto=%u,nw_ttl=%u", flow->nw_proto, flow->nw_ttl);
    if (flow->nw_frag) {
        ds_put_format(s, ",nw_frag=%s",
                      flow->nw_frag & FLOW_NW_FRAG_LATER ? "later" : "first");
    }
    format_transport(flow, s);
    if (!is_solicitation(flow)) {
        format_connection(flow, s);
    }
}

void
packet_format(const struct sim_packet *packet, struct ds *s)
{
    const struct flow *flow = &packet->flow;

    ds_put_format(s, "in_port=%u", ofp_to_u16(flow->in_port.ofp_port));
    format_eth(s, "dl_src", flow->dl_src);
    format_eth(s, "dl_dst", flow->dl_dst);
    if (flow->vlans[0].tci) {
        ds_put_format(s, ",vlan_tci=%#x", ntohs(flow->vlans[0].tci));
    }
    ds_put_format(s, ",dl_type=%#x", ntohs(flow->dl_type));
    if (flow->dl_type == htons(ETH_TYPE_ARP)) {
        ds_put_format(s, ",arp_op=%u,arp_spa="IP_FMT",arp_tpa="IP_FMT,
                      flow->nw_proto, IP_ARGS(flow->nw_src),
                      IP_ARGS(flow->nw_dst));
        format_eth(s, "arp_sha", flow->arp_sha);
        format_eth(s, "arp_tha", flow->arp_tha);
    } else if (flow->dl_type == htons(ETH_TYPE_IP)
               || flow->dl_type == htons(ETH_TYPE_IPV6)) {
        format_ip(flow, s);
    }
}

void
packet_format_ct_state(const struct sim_packet *packet, struct ds *s)
{
    static const char *const states[] = {
        [SIM_CT_NEW] = "trk,new",
        [SIM_CT_ESTABLISHED] = "trk,est",
        [SIM_CT_REPLY] = "trk,est,rpl",
        [SIM_CT_RELATED] = "trk,rel",
        [SIM_CT_RELATED_REPLY] = "trk,rel,rpl",
        [SIM_CT_INVALID] = "trk,inv"
    };

    ds_put_cstr(s, states[packet->ct_state]);
}
