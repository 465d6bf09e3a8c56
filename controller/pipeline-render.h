/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_PIPELINE_RENDER_H
#define BASTION_PIPELINE_RENDER_H 1

/* Building blocks of the pipeline
 * ===============================
 *
 * Only for the files that implement pipeline.h.  A flow is described from
 * begin(), which returns the match to be filled in, through actions, to
 * finish() or what ends in it: drop() or go().
 *
 *     m = begin(r, PIPELINE_ADMISSION, 80);
 *     match_set_dl_type(m, htons(ETH_TYPE_ARP));
 *     go(r, PIPELINE_SOURCE);
 */

#include <netinet/icmp6.h>
#include <string.h>

#include "byte-order.h"
#include "controller/flow-table.h"
#include "controller/pipeline.h"
#include "flow.h"
#include "lib/address.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"

/* Priorities.  Within a table, larger ranges leave room for prefix lengths
 * and shards. */
enum {
    PRIO_GUARD = 50000,         /* Before anything that rows add. */
    PRIO_RULE = 40000,          /* Flows that decide a rule by themselves. */
    PRIO_CONJUNCTION = 1000,    /* Plus a shard number. */
    PRIO_MISS = 0,

    /* Table "source" and "nd-source". */
    PRIO_SOURCE_SERVER = 150,   /* Declared DHCP servers. */
    PRIO_SOURCE_NEVER = 140,    /* What no container may send. */
    PRIO_SOURCE_NO_ADDRESS = 130,   /* Senders without an address yet. */
    PRIO_SOURCE_OWN = 120,      /* About oneself, to nobody in particular. */
    PRIO_SOURCE = 100,
    PRIO_SOURCE_CLASS = 50,     /* Better reasons for what is left. */
    PRIO_SOURCE_PORT = 10,      /* What is left, by port. */

    /* Tables "destination" and "external-source". */
    PRIO_ADDRESS_ND = 6000,
    PRIO_ADDRESS_DHCP = 5100,
    PRIO_ADDRESS_NO_DHCP = 5050,
    PRIO_ADDRESS_GROUP = 5000,
    PRIO_ADDRESS_SELF = 3100,
    PRIO_ADDRESS_CONTAINER = 3000,
    PRIO_ADDRESS_GATEWAY = 2900,
    PRIO_ADDRESS_HOST = 2800,
    PRIO_ADDRESS_SUBNET = 1000, /* Plus the prefix length. */
    PRIO_ADDRESS_OTHER = 500,   /* Plus the prefix length. */
    PRIO_ADDRESS_WORLD = 100,

    /* Tables "egress", "ingress", "peer-egress", "peer-ingress". */
    PRIO_OPEN = 20,             /* Not isolated. */
};

/* How the flows of one object are claimed. */
struct renderer {
    const struct pipeline *pipeline;
    struct flow_table *table;
    const struct uuid *owner;
    struct flow_spec spec;      /* The flow being built. */
};

/* The bit that makes an Ethernet address a group address. */
static const struct eth_addr eth_addr_group
    = ETH_ADDR_C(01,00,00,00,00,00);

static inline void
renderer_init(struct renderer *r, const struct pipeline *pipeline,
              struct flow_table *table, const struct uuid *owner)
{
    r->pipeline = pipeline;
    r->table = table;
    r->owner = owner;
    ofpbuf_init(&r->spec.ofpacts, 256);
}

static inline void
renderer_uninit(struct renderer *r)
{
    ofpbuf_uninit(&r->spec.ofpacts);
}

/* Starts a new flow that matches everything.  Returns its match. */
static inline struct match *
begin(struct renderer *r, enum pipeline_table table, int priority)
{
    r->spec.table_id = r->pipeline->table_base + table;
    r->spec.priority = priority;
    r->spec.reason = DROP_NONE;
    r->spec.audited = false;
    match_init_catchall(&r->spec.match);
    ofpbuf_clear(&r->spec.ofpacts);
    return &r->spec.match;
}

static inline void
finish(struct renderer *r)
{
    flow_table_claim(r->table, r->owner, &r->spec);
}

/* Finishes the flow as one that drops. */
static inline void
drop(struct renderer *r, enum drop_reason reason)
{
    ofpbuf_clear(&r->spec.ofpacts);
    r->spec.reason = reason;
    finish(r);
}

/* Finishes the flow with a jump to 'table'. */
static inline void
go(struct renderer *r, enum pipeline_table table)
{
    ofpact_put_GOTO_TABLE(&r->spec.ofpacts)->table_id
        = r->pipeline->table_base + table;
    finish(r);
}

/* Sets field 'id' to 'value' in the bits of 'mask', NULL for all of them.
 * ofpact_put_set_field() leaves garbage behind values whose size is no
 * multiple of 8 bytes if it is given the value, and then equal actions do not
 * compare equal. */
static inline void
set_field(struct renderer *r, enum mf_field_id id, const void *value,
          const void *mask)
{
    const struct mf_field *mf = mf_from_id(id);
    struct ofpact_set_field *sf = ofpact_put_set_field(&r->spec.ofpacts, mf,
                                                       NULL, NULL);

    memcpy(sf->value, value, mf->n_bytes);
    if (mask) {
        memcpy(ofpact_set_field_mask(sf), mask, mf->n_bytes);
    } else {
        memset(ofpact_set_field_mask(sf), 0xff, mf->n_bytes);
    }
}

static inline void
set_reg(struct renderer *r, enum mf_field_id id, uint32_t value)
{
    ovs_be32 be = htonl(value);

    set_field(r, id, &be, NULL);
}

static inline void
set_flag(struct renderer *r, uint32_t flag)
{
    ovs_be32 value = htonl(flag);

    set_field(r, MFF_REG4, &value, &value);
}

static inline void
set_mac_reg(struct renderer *r, struct eth_addr mac)
{
    ovs_be64 value = htonll(eth_addr_to_uint64(mac));

    set_field(r, MFF_XREG3, &value, NULL);
}

static inline void
set_eth_dst(struct renderer *r, struct eth_addr mac)
{
    set_field(r, MFF_ETH_DST, &mac, NULL);
}

static inline void
move(struct renderer *r, enum mf_field_id src, enum mf_field_id dst,
     int n_bits)
{
    struct ofpact_reg_move *m = ofpact_put_REG_MOVE(&r->spec.ofpacts);

    m->src.field = mf_from_id(src);
    m->src.ofs = 0;
    m->src.n_bits = n_bits ? n_bits : m->src.field->n_bits;
    m->dst.field = mf_from_id(dst);
    m->dst.ofs = 0;
    m->dst.n_bits = m->src.n_bits;
}

static inline void
stack(struct ofpact_stack *s, enum mf_field_id id)
{
    s->subfield.field = mf_from_id(id);
    s->subfield.ofs = 0;
    s->subfield.n_bits = s->subfield.field->n_bits;
}

static inline void
swap(struct renderer *r, enum mf_field_id a, enum mf_field_id b)
{
    stack(ofpact_put_STACK_PUSH(&r->spec.ofpacts), a);
    stack(ofpact_put_STACK_PUSH(&r->spec.ofpacts), b);
    stack(ofpact_put_STACK_POP(&r->spec.ofpacts), a);
    stack(ofpact_put_STACK_POP(&r->spec.ofpacts), b);
}

static inline void
output_in_port(struct renderer *r)
{
    ofpact_put_OUTPUT(&r->spec.ofpacts)->port = OFPP_IN_PORT;
}

static inline void
meter(struct renderer *r, enum pipeline_meter id)
{
    ofpact_put_METER(&r->spec.ofpacts)->meter_id = id;
}

static inline void
to_controller(struct renderer *r, enum packet_in_type type, uint16_t max_len)
{
    struct ofpact_controller *oc = ofpact_put_CONTROLLER(&r->spec.ofpacts);
    uint8_t userdata = type;

    oc->max_len = max_len;
    oc->controller_id = PIPELINE_CONTROLLER_ID;
    oc->reason = OFPR_ACTION;
    oc->meter_id = NX_CTLR_NO_METER;
    ofpbuf_put(&r->spec.ofpacts, &userdata, sizeof userdata);
    oc = r->spec.ofpacts.header;
    oc->userdata_len = sizeof userdata;
    ofpact_finish_CONTROLLER(&r->spec.ofpacts, &oc);
}

/* Sends a copy to the controller for its audit log, at a bounded rate. */
static inline void
audit_copy(struct renderer *r)
{
    size_t ofs = r->spec.ofpacts.size;

    ofpact_put_CLONE(&r->spec.ofpacts);
    meter(r, PIPELINE_METER_AUDIT);
    to_controller(r, PACKET_IN_AUDIT, 128);

    struct ofpact_nest *clone = ofpbuf_at_assert(&r->spec.ofpacts, ofs,
                                                 sizeof *clone);
    r->spec.ofpacts.header = clone;
    ofpact_finish_CLONE(&r->spec.ofpacts, &clone);
}

static inline void
match_ip(struct match *m, bool v4)
{
    match_set_dl_type(m, htons(v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6));
}

/* Packets to (or, if 'src', from) an address in 'prefix'. */
static inline void
match_prefix(struct match *m, const struct ip_prefix *prefix, bool src)
{
    match_ip(m, prefix->is_v4);

    struct in6_addr mask = ip_prefix_mask(prefix);
    if (prefix->is_v4) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&prefix->addr);
        ovs_be32 ip_mask = be32_prefix_mask(prefix->plen);

        if (src) {
            match_set_nw_src_masked(m, ip, ip_mask);
        } else {
            match_set_nw_dst_masked(m, ip, ip_mask);
        }
    } else if (src) {
        match_set_ipv6_src_masked(m, &prefix->addr, &mask);
    } else {
        match_set_ipv6_dst_masked(m, &prefix->addr, &mask);
    }
}

static inline void
match_address(struct match *m, const struct in6_addr *ip, bool src)
{
    struct ip_prefix prefix = ip_prefix_from_address(ip);

    match_prefix(m, &prefix, src);
}

static inline void
match_udp(struct match *m, bool v4, uint16_t src, uint16_t dst)
{
    match_ip(m, v4);
    match_set_nw_proto(m, IPPROTO_UDP);
    match_set_tp_src(m, htons(src));
    match_set_tp_dst(m, htons(dst));
}

static inline void
match_icmp6(struct match *m, uint8_t type)
{
    match_ip(m, false);
    match_set_nw_proto(m, IPPROTO_ICMPV6);
    match_set_icmp_type(m, type);
}

/* Neighbor discovery proper.  Code and hop limit are always matched: a match
 * on ND fields without them leaves these fields out of, or leaks them into,
 * datapath flows (OVS commits 61003d028 and, in OVN, 9e69b9627). */
static inline void
match_nd(struct match *m, uint8_t type)
{
    match_icmp6(m, type);
    match_set_icmp_code(m, 0);
    match_set_nw_ttl(m, 255);
    match_set_nw_frag_masked(m, 0, FLOW_NW_FRAG_MASK);
}

static inline void
match_nd_target(struct match *m, const struct ip_prefix *prefix)
{
    struct in6_addr mask = ip_prefix_mask(prefix);

    match_set_nd_target_masked(m, &prefix->addr, &mask);
}

static inline void
match_arp(struct match *m)
{
    match_set_dl_type(m, htons(ETH_TYPE_ARP));
}

static inline void
match_arp_op(struct match *m, uint8_t op)
{
    match_arp(m);
    match_set_nw_proto(m, op);
}

static inline void
match_arp_tpa(struct match *m, const struct ip_prefix *prefix)
{
    match_set_nw_dst_masked(m, in6_addr_get_mapped_ipv4(&prefix->addr),
                            be32_prefix_mask(prefix->plen));
}

/* Tracked and valid, with 'extra' bits of CS_* set. */
static inline void
match_ct(struct match *m, uint32_t set, uint32_t clear)
{
    match_set_ct_state_masked(m, CS_TRACKED | set,
                              CS_TRACKED | CS_INVALID | set | clear);
}

static inline void
match_later_fragment(struct match *m, bool v4)
{
    match_ip(m, v4);
    match_set_nw_frag_masked(m, FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER,
                             FLOW_NW_FRAG_MASK);
}

static inline const struct ip_prefix *
link_local_prefix(void)
{
    static const struct ip_prefix prefix = {
        .addr = { .s6_addr = { 0xfe, 0x80 } }, .plen = 10, .is_v4 = false
    };

    return &prefix;
}

static inline struct ip_prefix
constant_prefix(const char *s)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(s, &prefix);

    ovs_assert(!error);
    return prefix;
}

static inline void
swap_identities(struct renderer *r)
{
    swap(r, MFF_REG0, MFF_REG1);
}

static inline void
match_solicitation(struct match *m, bool arp)
{
    if (arp) {
        match_arp(m);
    } else {
        match_icmp6(m, ND_NEIGHBOR_SOLICIT);
    }
}

#endif /* pipeline-render.h */
