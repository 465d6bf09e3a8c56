/* SPDX-License-Identifier: Apache-2.0 */

#ifndef KEYSTONE_OVS_H
#define KEYSTONE_OVS_H 1

/* The real switch
 * ===============
 *
 * A running ovs-vswitchd, whose sockets are in ovs_rundir(): installs flow
 * tables by incremental, atomic bundles and asks ofproto/trace for verdicts.
 * Any error of the switch ends the program. */

#include <stdbool.h>
#include <stddef.h>

#include "bastion/drop-reasons.h"
#include "openvswitch/types.h"
#include <netinet/in.h>

struct flow_table;
struct ovs;
struct sim_packet;

enum trace_action {
    TRACE_DROP,
    TRACE_OUTPUT,
    TRACE_IN_PORT,
    TRACE_CONTROLLER
};

/* What the switch does with a packet. */
struct trace_verdict {
    enum trace_action action;
    enum drop_reason reason;    /* Of a drop, or of what audit mode let by. */
    bool audited;
    ofp_port_t out_port;

    /* Header fields of the packet that goes out. */
    struct eth_addr dl_src, dl_dst, arp_sha, arp_tha, nd_tll;
    int arp_op, icmp_type;
    struct in6_addr src, dst, nd_target;
    unsigned int nd_flags;
    uint32_t identity;          /* Destination, register 1. */
    struct eth_addr answer;     /* For the controller, in xreg3. */
    char *text;                 /* Everything that ofproto/trace says. */
};

struct ovs *ovs_connect(void);
void ovs_disconnect(struct ovs *);

/* Brings 'bridge' from what was last installed to what 'table' says now (no
 * flows at all, if NULL). */
void ovs_install(struct ovs *, const char *bridge, struct flow_table *table);

/* The caller must free 'verdict->text'. */
void ovs_trace(struct ovs *, const struct sim_packet *,
               struct trace_verdict *);

#endif /* tests/keystone-ovs.h */
