/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_PIPELINE_H
#define BASTION_PIPELINE_H 1

/* OpenFlow pipeline
 * =================
 *
 * Renders the netmap and the depmap into flows.  Rendering is pure: each
 * function claims, for one owner, the flows of one object, which depend on
 * nothing but the arguments.
 *
 * Registers, the only ones in use:
 *
 *     reg0   Identity of the source.
 *     reg1   Identity of the destination, or of the target of ARP and ND.
 *     reg2   The network, as its conntrack zone.
 *     reg3   Output port, 0 for the network's gateway port.
 *     reg4   PIPELINE_FLAG_*.
 *     reg5   Drop reason, on the way to table "denied".
 *     xreg3  (reg6 and reg7) MAC address for an ARP or ND answer.
 *
 * A packet is judged as part of its connection: tables "egress" and "ingress"
 * match the connection's original direction (ct_nw_proto, ct_tp_dst, ...),
 * and for a packet in the reply direction reg0 and reg1 are swapped before.
 * So whether a connection may go on is decided anew for each of its packets,
 * in both directions, by what the rules say now; the connection itself
 * carries no mark that could be stale.
 *
 * Thread-safety: all functions may be called from any thread, for different
 * flow tables. */

#include <stdbool.h>
#include <stdint.h>

#include "controller/pipeline-tables.h"
#include "openvswitch/uuid.h"

struct depmap_rule;
struct flow_table;
struct in6_addr;
struct netmap_endpoint;
struct netmap_network;
struct netmap_service;

/* Bits of reg4. */
#define PIPELINE_FLAG_SWAPPED 1u    /* reg0 and reg1 are swapped (ARP, ND). */
#define PIPELINE_FLAG_DHCP    2u    /* Answer of a declared DHCP server. */

/* Meters of a bridge that is ours.  Rates are packets per second. */
enum pipeline_meter {
    PIPELINE_METER_ND = 2,      /* Neighbor Solicitations to us. */
    PIPELINE_METER_AUDIT = 3    /* Copies of packets for the audit log. */
};
#define PIPELINE_METER_ND_RATE 1000
#define PIPELINE_METER_AUDIT_RATE 100

/* First byte of the userdata of packet-ins. */
enum packet_in_type {
    PACKET_IN_ND = 1,           /* Answer this Neighbor Solicitation. */
    PACKET_IN_AUDIT = 2         /* Log this packet. */
};

/* OpenFlow controller id of our connections, so that packet-ins never go to
 * another controller of the bridge (those have id 0). */
#define PIPELINE_CONTROLLER_ID 0xba57

/* How a bridge's pipeline is rendered. */
struct pipeline {
    uint8_t table_base;         /* Number of table "admission". */
    bool nd_packet_in;          /* Datapath cannot rewrite ND options. */
};

const char *pipeline_table_name(unsigned int table);

/* What does not depend on any row. */
void pipeline_render_static(const struct pipeline *, struct flow_table *,
                            const struct uuid *owner);

/* Addresses that are the host, wherever they are seen. */
void pipeline_render_host(const struct pipeline *, struct flow_table *,
                          const struct uuid *owner,
                          const struct in6_addr *addresses, size_t n);

/* What 'network' means on its own bridge, and on any other bridge. */
void pipeline_render_network(const struct pipeline *, struct flow_table *,
                             const struct netmap_network *);
void pipeline_render_foreign_network(const struct pipeline *,
                                     struct flow_table *,
                                     const struct netmap_network *);

void pipeline_render_service(const struct pipeline *, struct flow_table *,
                             const struct netmap_service *);
void pipeline_render_endpoint(const struct pipeline *, struct flow_table *,
                              const struct netmap_endpoint *);

/* 'conj_id' must be nonzero and no other rule's in 'table'. */
void pipeline_render_rule(const struct pipeline *, struct flow_table *table,
                          const struct depmap_rule *, uint32_t conj_id);

#endif /* pipeline.h */
