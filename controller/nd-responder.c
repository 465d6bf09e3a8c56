/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/nd-responder.h"

#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>

#include "controller/flow-table.h"
#include "controller/netmap.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-packet.h"
#include "packets.h"
#include "util.h"

static const char *parse_solicitation(struct dp_packet *, struct flow *);
static const char *check_icmp6(struct dp_packet *, const struct flow *);
static const char *check_options(const struct ovs_nd_msg *, size_t len);
static const char *check_addresses(const struct flow *);
static void format_endpoints(const struct flow *, struct ds *);

int
packet_in_type(const struct ofputil_packet_in *pin)
{
    uint8_t type = pin->userdata_len ? pin->userdata[0] : 0;

    return type == PACKET_IN_ND || type == PACKET_IN_AUDIT ? type : 0;
}

const char *
nd_responder_reply(const struct ofputil_packet_in *pin,
                   struct dp_packet **replyp, ofp_port_t *port)
{
    const struct flow *metadata = &pin->flow_metadata.flow;
    struct eth_addr mac;
    struct dp_packet packet;
    struct flow flow;
    const char *error;

    *replyp = NULL;

    dp_packet_use_const(&packet, pin->packet, pin->packet_len);
    error = parse_solicitation(&packet, &flow);
    if (error) {
        return error;
    }

    eth_addr_from_uint64(flow_get_xreg(metadata, 3), &mac);
    if (eth_addr_is_zero(mac) || eth_addr_is_multicast(mac)) {
        return "the flow gives no MAC address for the target";
    }
    if (ofp_to_u16(metadata->in_port.ofp_port) >= ofp_to_u16(OFPP_MAX)
        && metadata->in_port.ofp_port != OFPP_LOCAL) {
        return "it did not come from a port";
    }

    uint32_t rso = ND_RSO_SOLICITED | ND_RSO_OVERRIDE;
    if (metadata->regs[1] == IDENTITY_HOST) {
        rso |= ND_RSO_ROUTER;
    }

    struct dp_packet *reply = dp_packet_new(0);
    compose_nd_na(reply, mac, flow.dl_src, &flow.nd_target, &flow.ipv6_src,
                  htonl(rso));
    *replyp = reply;
    *port = metadata->in_port.ofp_port;
    return NULL;
}

void
packet_in_format_audit(const struct ofputil_packet_in *pin,
                       const char *port_name, struct ds *s)
{
    const char *reason = drop_reason_name(flow_cookie_reason(pin->cookie));
    struct dp_packet packet;
    struct flow flow;

    ds_put_format(s, "%s: port ", reason ? reason : "unknown");
    if (port_name) {
        ds_put_cstr(s, port_name);
    } else {
        ds_put_format(s, "%"PRIu32,
                      pin->flow_metadata.flow.in_port.ofp_port);
    }
    ds_put_char(s, ' ');

    dp_packet_use_const(&packet, pin->packet, pin->packet_len);
    flow_extract(&packet, &flow);
    format_endpoints(&flow, s);
    ds_put_cstr(s, " would be dropped");
}

/* Stores the fields of 'packet' in 'flow'.  Returns NULL if it is a valid
 * Neighbor Solicitation (RFC 4861, section 7.1.1) for somebody to answer,
 * otherwise what is wrong with it. */
static const char *
parse_solicitation(struct dp_packet *packet, struct flow *flow)
{
    const char *error;

    flow_extract(packet, flow);
    if (flow->packet_type != htonl(PT_ETH)
        || flow->dl_type != htons(ETH_TYPE_IPV6)
        || flow->vlans[0].tci
        || eth_type_mpls(flow->dl_type)) {
        return "not an IPv6 packet";
    } else if (eth_addr_is_multicast(flow->dl_src)
               || eth_addr_is_zero(flow->dl_src)) {
        return "bad source MAC address";
    } else if (flow->nw_proto != IPPROTO_ICMPV6 || flow->nw_frag) {
        return "not an unfragmented ICMPv6 message";
    } else if (flow->nw_ttl != 255) {
        return "hop limit is not 255";
    }

    error = check_icmp6(packet, flow);
    return error ? error : check_addresses(flow);
}

static const char *
check_icmp6(struct dp_packet *packet, const struct flow *flow)
{
    const char *l3 = dp_packet_l3(packet);
    const char *l4 = dp_packet_l4(packet);

    if (!l3 || !l4 || l4 != l3 + IPV6_HEADER_LEN) {
        return "has extension headers";
    }

    const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) l3;
    const struct ovs_nd_msg *ns = (const void *) l4;
    size_t len = ntohs(ip6->ip6_plen);

    if (len < ND_MSG_LEN
        || len > (const char *) dp_packet_tail(packet) - l4) {
        return "truncated";
    } else if (flow->tp_src != htons(ND_NEIGHBOR_SOLICIT)
               || flow->tp_dst != htons(0)) {
        return "not a neighbor solicitation";
    }

    uint32_t csum = packet_csum_pseudoheader6(ip6);
    if (csum_finish(csum_continue(csum, ns, len))) {
        return "bad checksum";
    }
    return check_options(ns, len);
}

/* Checks the options of 'ns', which is 'len' bytes long. */
static const char *
check_options(const struct ovs_nd_msg *ns, size_t len)
{
    const uint8_t *p = (const uint8_t *) (ns + 1);
    size_t left = len - sizeof *ns;

    while (left) {
        /* An option starts with its type and its length in units of 8. */
        size_t option_len = left >= 2 ? p[1] * 8 : 0;

        if (!option_len || option_len > left) {
            return "bad options";
        }
        p += option_len;
        left -= option_len;
    }
    return NULL;
}

static const char *
check_addresses(const struct flow *flow)
{
    struct in6_addr solicited_node;

    if (!ipv6_addr_is_set(&flow->nd_target)
        || ipv6_addr_is_multicast(&flow->nd_target)) {
        return "bad target address";
    } else if (!ipv6_addr_is_set(&flow->ipv6_src)
               || ipv6_addr_is_multicast(&flow->ipv6_src)) {
        return "bad source address";
    }

    in6_addr_solicited_node(&solicited_node, &flow->nd_target);
    if (!ipv6_addr_equals(&flow->ipv6_dst, &flow->nd_target)
        && !ipv6_addr_equals(&flow->ipv6_dst, &solicited_node)) {
        return "bad destination address";
    }
    return NULL;
}

static const char *
protocol_name(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_TCP: return "tcp";
    case IPPROTO_UDP: return "udp";
    case IPPROTO_SCTP: return "sctp";
    case IPPROTO_ICMP: return "icmp";
    case IPPROTO_ICMPV6: return "icmp6";
    default: return NULL;
    }
}

static void
format_ip(const struct flow *flow, bool src, bool with_port, struct ds *s)
{
    ovs_be16 port = src ? flow->tp_src : flow->tp_dst;

    if (flow->dl_type == htons(ETH_TYPE_IP)) {
        ds_put_format(s, IP_FMT, IP_ARGS(src ? flow->nw_src : flow->nw_dst));
    } else {
        ipv6_format_addr_bracket(src ? &flow->ipv6_src : &flow->ipv6_dst, s,
                                 with_port);
    }
    if (with_port) {
        ds_put_format(s, ":%"PRIu16, ntohs(port));
    }
}

static void
format_endpoints(const struct flow *flow, struct ds *s)
{
    if (flow->dl_type == htons(ETH_TYPE_ARP)) {
        ds_put_format(s, "arp "IP_FMT" -> "IP_FMT,
                      IP_ARGS(flow->nw_src), IP_ARGS(flow->nw_dst));
    } else if (flow->dl_type == htons(ETH_TYPE_IP)
               || flow->dl_type == htons(ETH_TYPE_IPV6)) {
        const char *name = protocol_name(flow->nw_proto);
        bool later = (flow->nw_frag & FLOW_NW_FRAG_LATER) != 0;
        bool icmp = is_icmpv4(flow, NULL) || is_icmpv6(flow, NULL);
        bool with_port = name && !later && !icmp;

        if (name) {
            ds_put_format(s, "%s ", name);
        } else {
            ds_put_format(s, "ip-proto-%"PRIu8" ", flow->nw_proto);
        }
        format_ip(flow, true, with_port, s);
        ds_put_cstr(s, " -> ");
        format_ip(flow, false, with_port, s);
        if (later) {
            ds_put_cstr(s, " later fragment");
        } else if (icmp) {
            ds_put_format(s, " type %"PRIu16" code %"PRIu16,
                          ntohs(flow->tp_src), ntohs(flow->tp_dst));
        }
    } else {
        ds_put_format(s, "eth-type-%#06"PRIx16" "ETH_ADDR_FMT" -> "
                      ETH_ADDR_FMT, ntohs(flow->dl_type),
                      ETH_ADDR_ARGS(flow->dl_src),
                      ETH_ADDR_ARGS(flow->dl_dst));
    }
}
