/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath-explain.h"

#include <string.h>

#include "bastion/bpf-abi.h"
#include "controller/map-table.h"
#include "controller/netmap.h"
#include "controller/policy-sim.h"
#include "flow.h"
#include "packets.h"
#include "util.h"

static bool
has_policy_entry(const struct map_table *table, uint32_t subject,
                 uint32_t peer, uint16_t direction, uint8_t protocol,
                 uint16_t port, int n_bits)
{
    uint16_t mask = n_bits > 0 ? UINT16_MAX << (16 - n_bits) : 0;
    struct bastion_policy_key key = {
        .prefixlen = (n_bits < 0 ? BASTION_POLICY_PREFIX_ANY
                      : BASTION_POLICY_PREFIX_PROTOCOL + n_bits),
        .subject = subject,
        .peer = peer,
        .direction = direction,
        .protocol = n_bits < 0 ? 0 : protocol,
        .port = htons(port & mask),
    };

    return map_table_has_key(table, MAP_POLICY, &key);
}

/* As the program looks for it, see bpf/policy.h. */
static bool
has_rule(const struct map_table *table, uint16_t zone, uint32_t subject_,
         uint32_t peer_, uint16_t direction, uint8_t protocol, uint16_t port)
{
    const uint32_t subjects[] = { subject_, BASTION_SUBJECT_ANY(zone) };
    const uint32_t peers[] = { peer_, BASTION_PEER_ANY };

    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(peers); j++) {
            for (int n_bits = -1; n_bits <= 16; n_bits++) {
                if (has_policy_entry(table, subjects[i], peers[j], direction,
                                     protocol, port, n_bits)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool
is_partial(const struct map_table *table, uint16_t zone, uint32_t subject,
           uint32_t direction)
{
    struct bastion_partial_key own = { subject, direction };
    struct bastion_partial_key all = { BASTION_SUBJECT_ANY(zone), direction };

    return (map_table_has_key(table, MAP_PARTIAL, &own)
            || map_table_has_key(table, MAP_PARTIAL, &all));
}

/* Do entries allow the connection that the packet belongs to? */
static bool
entries_allow(const struct map_table *table, const struct fastpath_end *src,
              const struct fastpath_end *dst, const struct sim_packet *packet)
{
    bool reply = (packet->ct_state == SIM_CT_REPLY
                  || packet->ct_state == SIM_CT_RELATED_REPLY);
    const struct netmap_service *from
        = (reply ? dst : src)->endpoint->service;
    const struct netmap_service *to = (reply ? src : dst)->endpoint->service;
    const struct flow *flow = &packet->flow;
    uint8_t protocol = flow->ct_nw_proto;
    uint16_t port = ((protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
                     ? ntohs(flow->ct_tp_src) << 8 | ntohs(flow->ct_tp_dst)
                     : ntohs(flow->ct_tp_dst));
    uint16_t zone = from->network->zone;

    return ((!from->isolated_egress
             || has_rule(table, zone, from->identity, to->identity,
                         BASTION_EGRESS, protocol, port))
            && (!to->isolated_ingress
                || has_rule(table, zone, to->identity, from->identity,
                            BASTION_INGRESS, protocol, port)));
}

static bool
is_known_protocol(const struct flow *flow)
{
    switch (flow->nw_proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        return true;
    case IPPROTO_ICMP:
        return (ntohs(flow->tp_src) == ICMP4_ECHO_REQUEST
                || ntohs(flow->tp_src) == ICMP4_ECHO_REPLY);
    case IPPROTO_ICMPV6:
        return (ntohs(flow->tp_src) == ICMP6_ECHO_REQUEST
                || ntohs(flow->tp_src) == ICMP6_ECHO_REPLY);
    default:
        return false;
    }
}

static char *
explain_delivery(const struct map_table *table, const struct fastpath_end *src,
                 const struct fastpath_end *dst,
                 const struct sim_packet *packet)
{
    bool related = (packet->ct_state == SIM_CT_RELATED
                    || packet->ct_state == SIM_CT_RELATED_REPLY);

    if (!dst->endpoint) {
        return xstrdup("Open vSwitch: the destination is not a container on "
                       "this node");
    } else if (dst->reason) {
        return xasprintf("Open vSwitch: the destination is off: %s",
                         dst->reason);
    } else if (related) {
        return xstrdup("the program delivers the error, if it knows the "
                       "connection");
    } else if (!is_known_protocol(&packet->flow)) {
        return xstrdup("Open vSwitch: the program delivers TCP, UDP, SCTP and "
                       "echo only");
    } else if (!entries_allow(table, src, dst, packet)) {
        return xstrdup("Open vSwitch: what allows it is not in the maps");
    }
    return xstrdup("the program delivers it");
}

/* Is the packet dropped for something that the maps need not say? */
static bool
is_forgery(enum drop_reason reason)
{
    switch ((int) reason) {
    case DROP_VLAN_TAG:
    case DROP_MULTICAST_SOURCE:
    case DROP_ETHERTYPE:
    case DROP_ARP_SPOOF:
    case DROP_ARP_UNSOLICITED:
    case DROP_IP_SPOOF:
    case DROP_IPV6_SPOOF:
    case DROP_ND_SPOOF:
    case DROP_ND_UNSOLICITED:
    case DROP_ROUTER_ADVERTISEMENT:
    case DROP_REDIRECT:
    case DROP_DHCP_SERVER:
    case DROP_DHCP_CLIENT:
    case DROP_MULTICAST_DESTINATION:
    case DROP_SELF:
        return true;
    default:
        return false;
    }
}

static char *
explain_drop(const struct map_table *table, const struct fastpath_end *src,
             const struct fastpath_end *dst, const struct sim_packet *packet,
             const struct sim_verdict *verdict)
{
    bool egress = verdict->reason == DROP_EGRESS_POLICY;
    const struct fastpath_end *subject = egress ? src : dst;
    uint32_t direction = egress ? BASTION_EGRESS : BASTION_INGRESS;

    if (is_forgery(verdict->reason)) {
        return xstrdup("the program drops it");
    } else if (verdict->reason != DROP_EGRESS_POLICY
               && verdict->reason != DROP_INGRESS_POLICY) {
        return xstrdup("Open vSwitch");
    } else if (!dst->endpoint) {
        return xstrdup("Open vSwitch: the destination is not a container on "
                       "this node");
    } else if (packet->ct_state != SIM_CT_NEW
               || !is_known_protocol(&packet->flow)) {
        return xstrdup("Open vSwitch: the program refuses only what certainly "
                       "opens a connection");
    } else if (is_partial(table, src->endpoint->service->network->zone,
                          subject->endpoint->service->identity, direction)) {
        return xstrdup("Open vSwitch: the maps do not have all rules about "
                       "the service");
    } else if (packet->flow.nw_proto == IPPROTO_UDP) {
        return xstrdup("Open vSwitch: it may be an answer, but not too many "
                       "of these get there");
    }
    return xstrdup("the program refuses it, if it opens a connection");
}

static char *
explain_answer(const struct map_table *table, const struct fastpath_end *src,
               const struct fastpath_end *dst)
{
    if (dst->endpoint) {
        uint32_t a = src->endpoint->service->identity;
        uint32_t b = dst->endpoint->service->identity;
        struct bastion_peers_key forth = { a, b }, back = { b, a };

        if (!map_table_has_key(table, MAP_PEERS, &forth)
            && !map_table_has_key(table, MAP_PEERS, &back)) {
            return xstrdup("Open vSwitch: the maps do not say that the two "
                           "may see each other");
        }
    }
    return xstrdup("the program answers");
}

char *
fastpath_explain(const struct map_table *table,
                 const struct fastpath_end *src,
                 const struct fastpath_end *dst,
                 const struct sim_packet *packet,
                 const struct sim_verdict *verdict)
{
    if (!src->endpoint) {
        return xstrdup("Open vSwitch: the packet is not from a container");
    } else if (src->reason) {
        return xasprintf("Open vSwitch: %s", src->reason);
    }

    switch (verdict->action) {
    case SIM_DROP:
        return explain_drop(table, src, dst, packet, verdict);
    case SIM_DELIVER:
        return explain_delivery(table, src, dst, packet);
    case SIM_ARP_REPLY:
    case SIM_ND_REPLY:
        return explain_answer(table, src, dst);
    }
    OVS_NOT_REACHED();
}
