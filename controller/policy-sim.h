/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_POLICY_SIM_H
#define BASTION_POLICY_SIM_H 1

/* Policy simulator
 * ================
 *
 * Says what must happen to a packet, from the netmap and the depmap alone,
 * without flows.  It is the oracle of the tests and the engine of
 * bastion/trace, and for that it is written as directly as possible: every
 * rule is looked at for every packet.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "bastion/drop-reasons.h"
#include "openvswitch/flow.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct depmap;
struct ds;
struct netmap;

/* What connection tracking says about the packet. */
enum sim_ct_state {
    SIM_CT_NEW,                 /* The first packet of a connection. */
    SIM_CT_ESTABLISHED,         /* Original direction of a known one. */
    SIM_CT_REPLY,               /* Reply direction of a known one. */
    SIM_CT_RELATED,             /* ICMP error, original direction. */
    SIM_CT_RELATED_REPLY,       /* ICMP error, reply direction. */
    SIM_CT_INVALID
};

struct sim_packet {
    const char *bridge;
    struct flow flow;           /* in_port.ofp_port and header fields.  The
                                 * ct_* fields of the original direction
                                 * (ct_nw_src, ct_tp_dst, ...) must be set for
                                 * IP packets. */
    enum sim_ct_state ct_state;
};

enum sim_action {
    SIM_DROP,
    SIM_DELIVER,                /* To 'out_port', with 'dl_dst' rewritten. */
    SIM_ARP_REPLY,              /* Answered with 'mac', back to in_port. */
    SIM_ND_REPLY
};

struct sim_verdict {
    enum sim_action action;
    enum drop_reason reason;    /* Of a drop, or of what audit mode let by. */
    bool audited;               /* Would have been dropped without audit. */
    ofp_port_t out_port;
    struct eth_addr mac;        /* New dl_dst, or the answer. */
    bool router;                /* ND answer for a gateway. */
    uint32_t source, destination;   /* Identities, original direction. */
    struct uuid egress_rule, ingress_rule;  /* Zero if none was needed. */
};

/* Evaluates 'packet'.  If 'explanation' is nonnull, appends to it one line
 * for each stage that the packet passes, for a person to read. */
void policy_sim(const struct netmap *, const struct depmap *,
                const struct sim_packet *packet, struct sim_verdict *,
                struct ds *explanation);

/* The two halves of allowed(s, d, l4) for a packet of the network with the
 * given zone; see depmap.h. */
bool policy_sim_egress(const struct netmap *, const struct depmap *,
                       uint16_t zone,
                       uint32_t source, const struct in6_addr *src_ip,
                       uint32_t destination, const struct in6_addr *dst_ip,
                       uint8_t nw_proto, uint16_t tp_src, uint16_t tp_dst,
                       struct uuid *rule);
bool policy_sim_ingress(const struct netmap *, const struct depmap *,
                        uint16_t zone,
                        uint32_t source, const struct in6_addr *src_ip,
                        uint32_t destination, const struct in6_addr *dst_ip,
                        uint8_t nw_proto, uint16_t tp_src, uint16_t tp_dst,
                        struct uuid *rule);

#endif /* policy-sim.h */
