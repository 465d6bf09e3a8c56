/* SPDX-License-Identifier: Apache-2.0 */

/* The fast path's parsers.  The input is an Ethernet frame.  What they find in
 * it, Open vSwitch must find, too: else they would decide about another packet
 * than it does. */

#include <config.h>

#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "tests/fuzz/bpf-parse.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

#define NET_IP_ALIGN 2

static void
check_addresses(const struct bpf_parsed *p, const struct flow *flow)
{
    struct in6_addr src = (p->v4 ? in6_addr_mapped_ipv4(flow->nw_src)
                           : flow->ipv6_src);
    struct in6_addr dst = (p->v4 ? in6_addr_mapped_ipv4(flow->nw_dst)
                           : flow->ipv6_dst);

    ovs_assert(ipv6_addr_equals(&p->source, &src));
    ovs_assert(ipv6_addr_equals(&p->destination, &dst));
}

static void
check_fragment(const struct bpf_parsed *p, const struct flow *flow)
{
    ovs_assert(p->later_fragment == !!(flow->nw_frag & FLOW_NW_FRAG_LATER));
    ovs_assert((p->first_fragment || p->later_fragment) == !!flow->nw_frag);
    ovs_assert(p->protocol == flow->nw_proto
               || (!p->v4 && p->later_fragment));
}

/* Ports, or type and code, before the transport header has been checked. */
static void
check_visible(const struct bpf_parsed *p, const struct flow *flow)
{
    uint16_t src = ntohs(flow->tp_src);
    uint16_t dst = ntohs(flow->tp_dst);

    if (p->protocol == IPPROTO_UDP) {
        ovs_assert(src == p->visible_source && dst == p->visible_destination);
    } else if (p->visible
               && p->protocol == (p->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        ovs_assert(p->visible_source == (src << 8 | dst));
    }
}

/* After the transport header has been checked. */
static void
check_transport(const struct bpf_parsed *p, const struct flow *flow,
                size_t size)
{
    uint16_t src = ntohs(flow->tp_src);
    uint16_t dst = ntohs(flow->tp_dst);

    if (p->is_error) {
        ovs_assert(p->v4 ? src == 3 || src == 11 || src == 12
                   : src >= 1 && src <= 4);
        return;
    }
    ovs_assert(p->headers <= size - ETH_HEADER_LEN);
    switch (p->protocol) {
    case IPPROTO_TCP:
        ovs_assert(p->flags == (ntohs(flow->tcp_flags) & 0xff));
        ovs_assert(p->source_port == src && p->destination_port == dst);
        break;
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        ovs_assert(p->source_port == src && p->destination_port == dst);
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        ovs_assert(p->destination_port == (src << 8 | dst));
        break;
    default:
        OVS_NOT_REACHED();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dp_packet packet;
    struct bpf_parsed parsed;
    struct flow flow;

    if (size < ETH_HEADER_LEN) {
        return 0;
    }

    /* A copy of the right size shows what is read beyond its end.  The IP
     * header is aligned, as in the kernel. */
    uint8_t *buffer = xmalloc(NET_IP_ALIGN + size);
    uint8_t *frame = buffer + NET_IP_ALIGN;
    memcpy(frame, data, size);
    ovs_be16 type = htons(frame[12] << 8 | frame[13]);
    bool v4 = type == htons(ETH_TYPE_IP);

    dp_packet_use_const(&packet, frame, size);
    flow_extract(&packet, &flow);
    if ((v4 || type == htons(ETH_TYPE_IPV6))
        && bpf_parse(frame, size, v4, &parsed)) {
        check_addresses(&parsed, &flow);
        if (parsed.known) {
            check_fragment(&parsed, &flow);
            check_visible(&parsed, &flow);
        }
        if (parsed.tracked) {
            check_transport(&parsed, &flow, size);
        }
    }
    free(buffer);
    return 0;
}
