/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/pipeline.h"

#include <netinet/icmp6.h>
#include <string.h>

#include "bastion/drop-reasons.h"
#include "byte-order.h"
#include "controller/depmap.h"
#include "controller/flow-table.h"
#include "controller/netmap.h"
#include "flow.h"
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

/* Conjunctions are spread over this many priorities, so that no flow carries
 * more conjunction() actions than a flow_mod can hold (64 kB, 16 bytes each),
 * however many rules name, say, TCP port 80. */
#define N_SHARDS 16

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

static const char *table_names[] = {
#define PIPELINE_TABLE(SYMBOL, NAME, MISS) NAME,
    PIPELINE_TABLES
#undef PIPELINE_TABLE
};

static const enum drop_reason table_misses[] = {
#define PIPELINE_TABLE(SYMBOL, NAME, MISS) DROP_##MISS,
    PIPELINE_TABLES
#undef PIPELINE_TABLE
};

/* Returns the name of the table with number 'table' relative to the base, or
 * "unknown". */
const char *
pipeline_table_name(unsigned int table)
{
    return table < PIPELINE_N_TABLES ? table_names[table] : "unknown";
}

/* Building blocks. */

static void
renderer_init(struct renderer *r, const struct pipeline *pipeline,
              struct flow_table *table, const struct uuid *owner)
{
    r->pipeline = pipeline;
    r->table = table;
    r->owner = owner;
    ofpbuf_init(&r->spec.ofpacts, 256);
}

static void
renderer_uninit(struct renderer *r)
{
    ofpbuf_uninit(&r->spec.ofpacts);
}

/* Starts a new flow that matches everything.  Returns its match. */
static struct match *
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

static void
finish(struct renderer *r)
{
    flow_table_claim(r->table, r->owner, &r->spec);
}

/* Finishes the flow as one that drops. */
static void
drop(struct renderer *r, enum drop_reason reason)
{
    ofpbuf_clear(&r->spec.ofpacts);
    r->spec.reason = reason;
    finish(r);
}

/* Finishes the flow with a jump to 'table'. */
static void
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
static void
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

static void
set_reg(struct renderer *r, enum mf_field_id id, uint32_t value)
{
    ovs_be32 be = htonl(value);

    set_field(r, id, &be, NULL);
}

static void
set_flag(struct renderer *r, uint32_t flag)
{
    ovs_be32 value = htonl(flag);

    set_field(r, MFF_REG4, &value,
                         &value);
}

static void
set_mac_reg(struct renderer *r, struct eth_addr mac)
{
    ovs_be64 value = htonll(eth_addr_to_uint64(mac));

    set_field(r, MFF_XREG3, &value,
                         NULL);
}

static void
set_eth_dst(struct renderer *r, struct eth_addr mac)
{
    set_field(r, MFF_ETH_DST, &mac,
                         NULL);
}

static void
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

static void
stack(struct ofpact_stack *s, enum mf_field_id id)
{
    s->subfield.field = mf_from_id(id);
    s->subfield.ofs = 0;
    s->subfield.n_bits = s->subfield.field->n_bits;
}

static void
swap(struct renderer *r, enum mf_field_id a, enum mf_field_id b)
{
    stack(ofpact_put_STACK_PUSH(&r->spec.ofpacts), a);
    stack(ofpact_put_STACK_PUSH(&r->spec.ofpacts), b);
    stack(ofpact_put_STACK_POP(&r->spec.ofpacts), a);
    stack(ofpact_put_STACK_POP(&r->spec.ofpacts), b);
}

static void
output_in_port(struct renderer *r)
{
    ofpact_put_OUTPUT(&r->spec.ofpacts)->port = OFPP_IN_PORT;
}

static void
meter(struct renderer *r, enum pipeline_meter id)
{
    ofpact_put_METER(&r->spec.ofpacts)->meter_id = id;
}

static void
to_controller(struct renderer *r, enum pipeline_packet_in kind,
              uint16_t max_len)
{
    struct ofpact_controller *oc = ofpact_put_CONTROLLER(&r->spec.ofpacts);
    uint8_t userdata = kind;

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
static void
audit_copy(struct renderer *r)
{
    size_t ofs = r->spec.ofpacts.size;

    ofpact_put_CLONE(&r->spec.ofpacts);
    meter(r, PIPELINE_METER_AUDIT);
    to_controller(r, PIPELINE_PACKET_IN_AUDIT, 128);

    struct ofpact_nest *clone = ofpbuf_at_assert(&r->spec.ofpacts, ofs,
                                                 sizeof *clone);
    r->spec.ofpacts.header = clone;
    ofpact_finish_CLONE(&r->spec.ofpacts, &clone);
}

static void
match_ip(struct match *m, bool v4)
{
    match_set_dl_type(m, htons(v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6));
}

/* Packets to (or, if 'src', from) an address in 'prefix'. */
static void
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

static void
match_address(struct match *m, const struct in6_addr *ip, bool src)
{
    struct ip_prefix prefix = ip_prefix_from_address(ip);

    match_prefix(m, &prefix, src);
}

static void
match_udp(struct match *m, bool v4, uint16_t src, uint16_t dst)
{
    match_ip(m, v4);
    match_set_nw_proto(m, IPPROTO_UDP);
    match_set_tp_src(m, htons(src));
    match_set_tp_dst(m, htons(dst));
}

static void
match_icmp6(struct match *m, uint8_t type)
{
    match_ip(m, false);
    match_set_nw_proto(m, IPPROTO_ICMPV6);
    match_set_icmp_type(m, type);
}

/* Neighbor discovery proper.  Code and hop limit are always matched: a match
 * on ND fields without them leaves these fields out of, or leaks them into,
 * datapath flows (OVS commits 61003d028 and, in OVN, 9e69b9627). */
static void
match_nd(struct match *m, uint8_t type)
{
    match_icmp6(m, type);
    match_set_icmp_code(m, 0);
    match_set_nw_ttl(m, 255);
    match_set_nw_frag_masked(m, 0, FLOW_NW_FRAG_MASK);
}

static void
match_nd_target(struct match *m, const struct ip_prefix *prefix)
{
    struct in6_addr mask = ip_prefix_mask(prefix);

    match_set_nd_target_masked(m, &prefix->addr, &mask);
}

static void
match_arp(struct match *m)
{
    match_set_dl_type(m, htons(ETH_TYPE_ARP));
}

static void
match_arp_op(struct match *m, uint8_t op)
{
    match_arp(m);
    match_set_nw_proto(m, op);
}

static void
match_arp_tpa(struct match *m, const struct ip_prefix *prefix)
{
    match_set_nw_dst_masked(m, in6_addr_get_mapped_ipv4(&prefix->addr),
                            be32_prefix_mask(prefix->plen));
}

/* Tracked and valid, with 'extra' bits of CS_* set. */
static void
match_ct(struct match *m, uint32_t set, uint32_t clear)
{
    match_set_ct_state_masked(m, CS_TRACKED | set,
                              CS_TRACKED | CS_INVALID | set | clear);
}

static void
match_later_fragment(struct match *m, bool v4)
{
    match_ip(m, v4);
    match_set_nw_frag_masked(m, FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER,
                             FLOW_NW_FRAG_MASK);
}

static const struct ip_prefix *
link_local_prefix(void)
{
    static const struct ip_prefix prefix = {
        .addr = { .s6_addr = { 0xfe, 0x80 } }, .plen = 10, .is_v4 = false
    };

    return &prefix;
}

/* Static flows. */

/* Address blocks that are neither the world nor anyone's network.  RFC 6890,
 * RFC 4291 section 2.4. */
static const char *const special_prefixes[] = {
    "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "240.0.0.0/4",
    "::/127", "fe80::/10"
};

static const char *const group_prefixes[] = {
    "224.0.0.0/4", "255.255.255.255/32", "ff00::/8"
};

static struct ip_prefix
constant_prefix(const char *s)
{
    struct ip_prefix prefix;
    char *error = ip_prefix_parse(s, &prefix);

    ovs_assert(!error);
    return prefix;
}

static void
render_admission(struct renderer *r)
{
    struct match *m;

    m = begin(r, PIPELINE_ADMISSION, 100);
    match_set_dl_tci_masked(m, htons(VLAN_CFI), htons(VLAN_CFI));
    drop(r, DROP_VLAN_TAG);

    m = begin(r, PIPELINE_ADMISSION, 90);
    match_set_dl_src_masked(m, eth_addr_group, eth_addr_group);
    drop(r, DROP_MULTICAST_SOURCE);

    static const uint16_t types[] = {
        ETH_TYPE_ARP, ETH_TYPE_IP, ETH_TYPE_IPV6
    };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        m = begin(r, PIPELINE_ADMISSION, 80);
        match_set_dl_type(m, htons(types[i]));
        go(r, PIPELINE_SOURCE);
    }

    begin(r, PIPELINE_ADMISSION, 10);
    drop(r, DROP_ETHERTYPE);
}

/* What no container may send, and better reasons for what has no address. */
static void
render_source_static(struct renderer *r)
{
    struct match *m;

    m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_NEVER);
    match_udp(m, true, 67, 68);
    drop(r, DROP_DHCP_SERVER);

    m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_NEVER);
    match_udp(m, false, 547, 546);
    drop(r, DROP_DHCP_SERVER);

    m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_NEVER);
    match_icmp6(m, ND_ROUTER_ADVERT);
    drop(r, DROP_ROUTER_ADVERTISEMENT);

    m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_NEVER);
    match_icmp6(m, ND_REDIRECT);
    drop(r, DROP_REDIRECT);

    m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_CLASS);
    match_udp(m, true, 68, 67);
    match_set_nw_src(m, htonl(INADDR_ANY));
    drop(r, DROP_DHCP_CLIENT);

    /* MLD reports and done messages of hosts that have no address yet (RFC
     * 3590).  Groups do not exist here, so nobody needs them. */
    static const uint8_t mld_types[] = { 131, 132, 143 };
    for (size_t i = 0; i < ARRAY_SIZE(mld_types); i++) {
        m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_CLASS);
        match_icmp6(m, mld_types[i]);
        match_set_ipv6_src(m, &in6addr_any);
        drop(r, DROP_ND_UNSOLICITED);
    }

    m = begin(r, PIPELINE_SOURCE, PRIO_SOURCE_CLASS);
    match_icmp6(m, ND_NEIGHBOR_SOLICIT);
    match_set_ipv6_src(m, &in6addr_any);
    drop(r, DROP_ND_SPOOF);

    begin(r, PIPELINE_ND_SOURCE, PRIO_MISS + 1);
    go(r, PIPELINE_DESTINATION);
}

/* Longest prefix match that is the same for every network, for destinations,
 * and for sources behind the gateway port. */
static void
render_addresses_static(struct renderer *r)
{
    static const enum pipeline_table tables[] = {
        PIPELINE_DESTINATION, PIPELINE_EXTERNAL_SOURCE
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        bool src = tables[i] == PIPELINE_EXTERNAL_SOURCE;
        enum mf_field_id reg = src ? MFF_REG0 : MFF_REG1;
        enum pipeline_table next = src ? PIPELINE_DESTINATION
                                       : PIPELINE_CONNTRACK;

        for (size_t j = 0; j < ARRAY_SIZE(special_prefixes); j++) {
            struct ip_prefix p = constant_prefix(special_prefixes[j]);
            bool lla = src && ip_prefix_equals(&p, link_local_prefix());

            match_prefix(begin(r, tables[i], PRIO_ADDRESS_OTHER + p.plen),
                         &p, src);
            set_reg(r, reg, lla ? IDENTITY_HOST : IDENTITY_NONE);
            go(r, next);
        }
        for (size_t j = 0; j < ARRAY_SIZE(group_prefixes); j++) {
            struct ip_prefix p = constant_prefix(group_prefixes[j]);

            match_prefix(begin(r, tables[i], PRIO_ADDRESS_GROUP), &p, src);
            drop(r, src ? p.is_v4 ? DROP_IP_SPOOF : DROP_IPV6_SPOOF
                        : DROP_MULTICAST_DESTINATION);
        }
        for (int v4 = 0; v4 <= 1; v4++) {
            match_ip(begin(r, tables[i], PRIO_ADDRESS_WORLD), v4);
            set_reg(r, reg, IDENTITY_WORLD);
            go(r, next);
        }
    }

    struct match *m;

    /* The host probes its own addresses; nobody else has them. */
    m = begin(r, PIPELINE_EXTERNAL_SOURCE, PRIO_ADDRESS_GROUP);
    match_ip(m, false);
    match_set_ipv6_src(m, &in6addr_any);
    drop(r, DROP_ND_UNSOLICITED);

    m = begin(r, PIPELINE_EXTERNAL_SOURCE, PRIO_ADDRESS_WORLD);
    match_arp(m);
    drop(r, DROP_ARP_SPOOF);

    match_nd(begin(r, PIPELINE_DESTINATION, PRIO_ADDRESS_ND),
             ND_NEIGHBOR_SOLICIT);
    go(r, PIPELINE_NEIGHBOR_TARGET);

    m = begin(r, PIPELINE_DESTINATION, PRIO_ADDRESS_NO_DHCP);
    match_udp(m, true, 68, 67);
    match_set_nw_dst(m, htonl(INADDR_BROADCAST));
    drop(r, DROP_DHCP_CLIENT);

    struct ip_prefix servers = constant_prefix("ff02::1:2");
    m = begin(r, PIPELINE_DESTINATION, PRIO_ADDRESS_NO_DHCP);
    match_udp(m, false, 546, 547);
    match_prefix(m, &servers, false);
    drop(r, DROP_DHCP_CLIENT);
}

static void
render_neighbor_target_static(struct renderer *r)
{
    match_arp_op(begin(r, PIPELINE_NEIGHBOR_TARGET, 5), ARP_OP_REQUEST);
    drop(r, DROP_ARP_TARGET_UNKNOWN);

    match_arp(begin(r, PIPELINE_NEIGHBOR_TARGET, 4));
    drop(r, DROP_ARP_UNSOLICITED);

    match_ip(begin(r, PIPELINE_NEIGHBOR_TARGET, 4), false);
    drop(r, DROP_ND_TARGET_UNKNOWN);
}

static void
swap_identities(struct renderer *r)
{
    swap(r, MFF_REG0, MFF_REG1);
}

/* DHCP server messages in fragments.  Open vSwitch hides the ports of all
 * fragments from matches, first ones too, but connection tracking reassembles
 * them.  No real DHCP message is that long. */
static void
render_fragmented_dhcp(struct renderer *r)
{
    for (int v4 = 0; v4 <= 1; v4++) {
        uint16_t server = v4 ? 67 : 547;
        uint16_t client = v4 ? 68 : 546;

        for (int reply = 0; reply <= 1; reply++) {
            struct match *m = begin(r, PIPELINE_CONNECTION, 195);

            match_ct(m, reply ? CS_REPLY_DIR : 0, reply ? 0 : CS_REPLY_DIR);
            match_ip(m, v4);
            match_set_nw_frag_masked(m, FLOW_NW_FRAG_ANY, FLOW_NW_FRAG_ANY);
            match_set_ct_nw_proto(m, IPPROTO_UDP);
            match_set_ct_tp_src(m, htons(reply ? client : server));
            match_set_ct_tp_dst(m, htons(reply ? server : client));
            drop(r, DROP_DHCP_SERVER);
        }
    }
}

static void
render_connection_static(struct renderer *r)
{
    static const uint32_t outside[] = {
        IDENTITY_HOST, IDENTITY_WORLD, IDENTITY_NONE
    };
    struct match *m;

    m = begin(r, PIPELINE_CONNTRACK, 200);
    match_set_reg_masked(m, 4, PIPELINE_FLAG_DHCP, PIPELINE_FLAG_DHCP);
    go(r, PIPELINE_OUTPUT);

    for (int v4 = 0; v4 <= 1; v4++) {
        match_ip(begin(r, PIPELINE_CONNTRACK, 100), v4);

        struct ofpact_conntrack *ct = ofpact_put_CT(&r->spec.ofpacts);
        ct->zone_src.field = mf_from_id(MFF_REG2);
        ct->zone_src.ofs = 0;
        ct->zone_src.n_bits = 16;
        ct->recirc_table = r->pipeline->table_base + PIPELINE_CONNECTION;
        ofpact_finish(&r->spec.ofpacts, &ct->ofpact);
        finish(r);
    }

    m = begin(r, PIPELINE_CONNECTION, 200);
    match_set_ct_state_masked(m, CS_TRACKED | CS_INVALID,
                              CS_TRACKED | CS_INVALID);
    drop(r, DROP_CT_INVALID);

    render_fragmented_dhcp(r);

    /* ICMP errors of routers outside, whose addresses have nothing to do with
     * the connection's.  That the connection lives is proof enough. */
    for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
        m = begin(r, PIPELINE_CONNECTION, 180);
        match_ct(m, CS_RELATED, 0);
        match_set_reg(m, 0, outside[i]);
        go(r, PIPELINE_OUTPUT);
    }

    /* Later fragments have no ports.  They are of no use without the first
     * one, which is judged by its ports; they pass between those who may talk
     * at all.  Those of a new connection have to be committed like the first:
     * the userspace datapath holds fragments back in each ct() until it has
     * seen them all. */
    for (int v4 = 0; v4 <= 1; v4++) {
        m = begin(r, PIPELINE_CONNECTION, 170);
        match_ct(m, CS_REPLY_DIR, 0);
        match_later_fragment(m, v4);
        swap_identities(r);
        go(r, PIPELINE_PEER_EGRESS);

        m = begin(r, PIPELINE_CONNECTION, 160);
        match_ct(m, 0, CS_REPLY_DIR);
        match_later_fragment(m, v4);
        go(r, PIPELINE_PEER_EGRESS);
    }

    match_ct(begin(r, PIPELINE_CONNECTION, 150), CS_REPLY_DIR, 0);
    swap_identities(r);
    go(r, PIPELINE_EGRESS);

    match_ct(begin(r, PIPELINE_CONNECTION, 140), 0, CS_REPLY_DIR);
    go(r, PIPELINE_EGRESS);
}

/* Those who are never isolated: host and outside as sources, outside as a
 * destination. */
static void
render_open_static(struct renderer *r, enum pipeline_table egress,
                   enum pipeline_table ingress, enum pipeline_table accepted)
{
    static const uint32_t open_sources[] = {
        IDENTITY_HOST, IDENTITY_WORLD, IDENTITY_NONE
    };
    static const uint32_t open_destinations[] = {
        IDENTITY_WORLD, IDENTITY_NONE
    };

    for (size_t i = 0; i < ARRAY_SIZE(open_sources); i++) {
        match_set_reg(begin(r, egress, PRIO_OPEN), 0, open_sources[i]);
        go(r, ingress);
    }
    for (size_t i = 0; i < ARRAY_SIZE(open_destinations); i++) {
        match_set_reg(begin(r, ingress, PRIO_OPEN), 1, open_destinations[i]);
        go(r, accepted);
    }
}

static void
match_solicitation(struct match *m, bool arp)
{
    if (arp) {
        match_arp(m);
    } else {
        match_icmp6(m, ND_NEIGHBOR_SOLICIT);
    }
}

/* Who may see whom: whoever may open something to the other, in either
 * direction, so after a miss the question is asked again the other way. */
static void
render_peers_static(struct renderer *r)
{
    static const enum pipeline_table tables[] = {
        PIPELINE_PEER_EGRESS, PIPELINE_PEER_INGRESS
    };
    struct match *m;

    for (int arp = 0; arp <= 1; arp++) {
        /* Everyone sees the gateway; the gateway's host sees everyone. */
        for (int reg = 0; reg <= 1; reg++) {
            m = begin(r, PIPELINE_PEER_EGRESS, PRIO_GUARD + 1);
            match_solicitation(m, arp);
            match_set_reg(m, reg, IDENTITY_HOST);
            go(r, PIPELINE_PEER_MATCH);
        }

        for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
            m = begin(r, tables[i], 2);
            match_solicitation(m, arp);
            match_set_reg_masked(m, 4, 0, PIPELINE_FLAG_SWAPPED);
            swap_identities(r);
            set_flag(r, PIPELINE_FLAG_SWAPPED);

            struct ofpact_resubmit *resubmit
                = ofpact_put_RESUBMIT(&r->spec.ofpacts);
            resubmit->in_port = OFPP_IN_PORT;
            resubmit->table_id = r->pipeline->table_base
                                 + PIPELINE_PEER_EGRESS;
            finish(r);

            match_solicitation(begin(r, tables[i], 1), arp);
            drop(r, arp ? DROP_ARP_TARGET_INVISIBLE
                        : DROP_ND_TARGET_INVISIBLE);
        }
    }
    render_open_static(r, PIPELINE_PEER_EGRESS, PIPELINE_PEER_INGRESS,
                       PIPELINE_PEER_MATCH);
}

static void
render_arp_reply(struct renderer *r)
{
    match_arp_op(begin(r, PIPELINE_PEER_MATCH, 100), ARP_OP_REQUEST);
    if (r->pipeline->meter_arp) {
        meter(r, PIPELINE_METER_ARP);
    }
    move(r, MFF_ETH_SRC, MFF_ETH_DST, 0);
    move(r, MFF_XREG3, MFF_ETH_SRC, 48);

    ovs_be16 op = htons(ARP_OP_REPLY);
    set_field(r, MFF_ARP_OP, &op, NULL);
    move(r, MFF_ARP_SHA, MFF_ARP_THA, 0);
    move(r, MFF_XREG3, MFF_ARP_SHA, 48);
    swap(r, MFF_ARP_SPA, MFF_ARP_TPA);
    output_in_port(r);
    finish(r);
}

/* An answer takes two steps: ND options can be set only in a packet that is
 * known to be an advertisement already. */
static void
render_nd_reply(struct renderer *r)
{
    match_nd(begin(r, PIPELINE_PEER_MATCH, 100), ND_NEIGHBOR_SOLICIT);
    if (r->pipeline->nd_packet_in) {
        meter(r, PIPELINE_METER_ND);
        to_controller(r, PIPELINE_PACKET_IN_ND, UINT16_MAX);
        finish(r);
        return;
    }

    uint8_t type = ND_NEIGHBOR_ADVERT;
    move(r, MFF_ETH_SRC, MFF_ETH_DST, 0);
    move(r, MFF_XREG3, MFF_ETH_SRC, 48);
    move(r, MFF_IPV6_SRC, MFF_IPV6_DST, 0);
    move(r, MFF_ND_TARGET, MFF_IPV6_SRC, 0);
    set_field(r, MFF_ICMPV6_TYPE, &type,
                         NULL);
    go(r, PIPELINE_ND_REPLY);

    for (int router = 0; router <= 1; router++) {
        struct match *m = begin(r, PIPELINE_ND_REPLY, 100 + router);
        uint8_t option = ND_OPT_TARGET_LINKADDR;
        ovs_be32 flags = htonl(router ? 0xe0000000 : 0x60000000);

        match_icmp6(m, ND_NEIGHBOR_ADVERT);
        match_set_icmp_code(m, 0);
        if (router) {
            match_set_reg(m, 1, IDENTITY_HOST);
        }
        set_field(r, MFF_ND_OPTIONS_TYPE, &option, NULL);
        move(r, MFF_XREG3, MFF_ND_TLL, 48);
        set_field(r, MFF_ND_RESERVED, &flags, NULL);
        output_in_port(r);
        finish(r);
    }
}

static void
render_peer_match_static(struct renderer *r)
{
    render_arp_reply(r);
    render_nd_reply(r);
    for (int v4 = 0; v4 <= 1; v4++) {
        match_ip(begin(r, PIPELINE_PEER_MATCH, 10), v4);
        go(r, PIPELINE_ACCEPTED);
    }
}

static void
render_verdicts_static(struct renderer *r)
{
    static const struct {
        enum pipeline_table table;
        enum drop_reason reason;
    } misses[] = {
        { PIPELINE_EGRESS, DROP_EGRESS_POLICY },
        { PIPELINE_INGRESS, DROP_INGRESS_POLICY },
    };

    for (size_t i = 0; i < ARRAY_SIZE(misses); i++) {
        begin(r, misses[i].table, PRIO_MISS + 1);
        set_reg(r, MFF_REG5, misses[i].reason);
        go(r, PIPELINE_DENIED);

        match_set_reg(begin(r, PIPELINE_DENIED, 10), 5, misses[i].reason);
        drop(r, misses[i].reason);
    }

    for (int v4 = 0; v4 <= 1; v4++) {
        struct match *m = begin(r, PIPELINE_ACCEPTED, 100);
        match_ct(m, CS_NEW, 0);
        match_ip(m, v4);

        struct ofpact_conntrack *ct = ofpact_put_CT(&r->spec.ofpacts);
        ct->flags = NX_CT_F_COMMIT;
        ct->zone_src.field = mf_from_id(MFF_REG2);
        ct->zone_src.ofs = 0;
        ct->zone_src.n_bits = 16;
        ct->recirc_table = NX_CT_RECIRC_NONE;
        ofpact_finish(&r->spec.ofpacts, &ct->ofpact);
        go(r, PIPELINE_OUTPUT);
    }
    begin(r, PIPELINE_ACCEPTED, PRIO_MISS + 1);
    go(r, PIPELINE_OUTPUT);

    match_set_reg(begin(r, PIPELINE_OUTPUT, 50), 3, 0);
    drop(r, DROP_NO_GATEWAY);

    begin(r, PIPELINE_OUTPUT, 10);
    struct ofpact_output_reg *output
        = ofpact_put_OUTPUT_REG(&r->spec.ofpacts);
    output->src.field = mf_from_id(MFF_REG3);
    output->src.ofs = 0;
    output->src.n_bits = output->src.field->n_bits;
    output->max_len = UINT16_MAX;
    finish(r);
}

void
pipeline_render_static(const struct pipeline *pipeline,
                       struct flow_table *table, const struct uuid *owner)
{
    struct renderer r;

    renderer_init(&r, pipeline, table, owner);
    for (int i = 0; i < PIPELINE_N_TABLES; i++) {
        begin(&r, i, PRIO_MISS);
        drop(&r, table_misses[i]);
    }
    render_admission(&r);
    render_source_static(&r);
    render_addresses_static(&r);
    render_neighbor_target_static(&r);
    render_connection_static(&r);
    render_peers_static(&r);
    render_peer_match_static(&r);
    render_open_static(&r, PIPELINE_EGRESS, PIPELINE_INGRESS,
                       PIPELINE_ACCEPTED);
    render_verdicts_static(&r);
    renderer_uninit(&r);
}

/* The host and the networks. */

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

/* Rules.
 *
 * One half of a rule, egress or ingress, is a conjunction of up to three
 * dimensions: subject, peer, and what may be opened.  A dimension is a list
 * of alternative terms.  A dimension with one term adds it to the terms of
 * the others instead; what is left is either a single list, each of whose
 * terms decides by itself, or a conjunctive match with as many flows as there
 * are terms (n + m flows, never n x m). */

enum term_kind {
    TERM_IDENTITY,              /* Identity in a register. */
    TERM_CT_PREFIX,             /* Address of the original direction. */
    TERM_ARP_PREFIX,            /* Address in an ARP packet. */
    TERM_ND_PREFIX,             /* Address in a Neighbor Solicitation. */
    TERM_POLICY                 /* Protocol and port or type. */
};

struct term {
    enum term_kind kind;
    bool source;                /* About the source, else the destination. */
    bool swapped;               /* ARP and ND: with PIPELINE_FLAG_SWAPPED. */
    uint32_t identity;
    const struct ip_prefix *prefix;
    const struct policy *policy;
    struct port_mask ports;
};

struct dimension {
    struct term *terms;
    size_t n, allocated;
};

static struct term *
add_term(struct dimension *d, enum term_kind kind)
{
    if (d->n >= d->allocated) {
        d->terms = x2nrealloc(d->terms, &d->allocated, sizeof *d->terms);
    }

    struct term *t = &d->terms[d->n++];
    memset(t, 0, sizeof *t);
    t->kind = kind;
    return t;
}

static void
match_not_host(struct match *m, bool source)
{
    match_set_reg_masked(m, source ? 0 : 1, 0, IDENTITY_NOT_CIDR);
}

static void
match_ct_prefix(struct match *m, const struct ip_prefix *p, bool source)
{
    struct in6_addr mask = ip_prefix_mask(p);

    match_ct(m, 0, 0);
    match_ip(m, p->is_v4);
    match_not_host(m, source);
    if (p->is_v4) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&p->addr);
        ovs_be32 ip_mask = be32_prefix_mask(p->plen);

        if (source) {
            match_set_ct_nw_src_masked(m, ip, ip_mask);
        } else {
            match_set_ct_nw_dst_masked(m, ip, ip_mask);
        }
    } else if (source) {
        match_set_ct_ipv6_src_masked(m, &p->addr, &mask);
    } else {
        match_set_ct_ipv6_dst_masked(m, &p->addr, &mask);
    }
}

/* The asker's address is the sender's; while the identities are swapped, the
 * asker is the destination. */
static void
match_neighbor_prefix(struct match *m, const struct term *t)
{
    const struct ip_prefix *p = t->prefix;
    struct in6_addr mask = ip_prefix_mask(p);
    bool asker = t->source != t->swapped;

    match_not_host(m, t->source);
    match_set_reg_masked(m, 4, t->swapped ? PIPELINE_FLAG_SWAPPED : 0,
                         PIPELINE_FLAG_SWAPPED);
    if (t->kind == TERM_ARP_PREFIX) {
        ovs_be32 ip = in6_addr_get_mapped_ipv4(&p->addr);
        ovs_be32 ip_mask = be32_prefix_mask(p->plen);

        match_arp(m);
        if (asker) {
            match_set_nw_src_masked(m, ip, ip_mask);
        } else {
            match_set_nw_dst_masked(m, ip, ip_mask);
        }
    } else {
        match_nd(m, ND_NEIGHBOR_SOLICIT);
        if (asker) {
            match_set_ipv6_src_masked(m, &p->addr, &mask);
        } else {
            match_set_nd_target_masked(m, &p->addr, &mask);
        }
    }
}

static void
match_policy(struct match *m, const struct term *t)
{
    const struct policy *p = t->policy;

    match_ct(m, 0, 0);
    match_set_ct_nw_proto(m, p->nw_proto);
    if (p->has_ports) {
        match_set_ct_tp_dst_masked(m, htons(t->ports.value),
                                   htons(t->ports.mask));
    }
    if (p->icmp_type >= 0) {
        match_set_ct_tp_src(m, htons(p->icmp_type));
    }
    if (p->icmp_code >= 0) {
        match_set_ct_tp_dst(m, htons(p->icmp_code));
    }
}

static void
apply_term(struct match *m, const struct term *t)
{
    switch (t->kind) {
    case TERM_IDENTITY:
        match_set_reg(m, t->source ? 0 : 1, t->identity);
        break;
    case TERM_CT_PREFIX:
        match_ct_prefix(m, t->prefix, t->source);
        break;
    case TERM_ARP_PREFIX:
    case TERM_ND_PREFIX:
        match_neighbor_prefix(m, t);
        break;
    case TERM_POLICY:
        match_policy(m, t);
        break;
    }
}

/* Terms for 'peers' at one end of the packet; none if 'peers' is everyone. */
static void
peers_to_terms(const struct depmap_peers *peers, bool source, bool visibility,
               struct dimension *d)
{
    for (size_t i = 0; i < peers->n_identities; i++) {
        struct term *t = add_term(d, TERM_IDENTITY);

        t->source = source;
        t->identity = peers->identities[i];
    }
    for (size_t i = 0; i < peers->n_prefixes; i++) {
        const struct ip_prefix *p = &peers->prefixes[i];
        struct term *t = add_term(d, TERM_CT_PREFIX);

        t->source = source;
        t->prefix = p;
        for (int swapped = 0; visibility && swapped <= 1; swapped++) {
            t = add_term(d, p->is_v4 ? TERM_ARP_PREFIX : TERM_ND_PREFIX);
            t->source = source;
            t->swapped = swapped;
            t->prefix = p;
        }
    }
}

/* Terms for services and the host among 'peers': those that can be the
 * subject of isolation. */
static void
subjects_to_terms(const struct depmap_peers *peers, bool source,
                  struct dimension *d)
{
    for (size_t i = 0; i < peers->n_identities; i++) {
        uint32_t identity = peers->identities[i];

        if (identity >= IDENTITY_SERVICE_MIN
            && !(source && identity == IDENTITY_HOST)) {
            struct term *t = add_term(d, TERM_IDENTITY);

            t->source = source;
            t->identity = identity;
        }
    }
}

/* Terms for 'rule''s policies.  Returns true if everything is open, with no
 * terms. */
static bool
policies_to_terms(const struct depmap_rule *rule, struct dimension *d)
{
    for (size_t i = 0; i < rule->n_policies; i++) {
        const struct policy *p = &rule->policies[i];

        if (!p->nw_proto) {
            d->n = 0;
            return true;
        } else if (p->has_ports) {
            struct port_mask masks[POLICY_MAX_MASKS];
            size_t n = policy_port_masks(p, masks);

            for (size_t j = 0; j < n; j++) {
                struct term *t = add_term(d, TERM_POLICY);

                t->policy = p;
                t->ports = masks[j];
            }
        } else {
            add_term(d, TERM_POLICY)->policy = p;
        }
    }
    return false;
}

/* Where the flows of one half of a rule go. */
struct half {
    enum pipeline_table table;
    enum pipeline_table next;
    uint32_t conj_id;
    uint16_t zone;
};

/* Claims the flows for the conjunction of the 'n' dimensions 'dims', which
 * have at least one term each. */
static void
render_conjunction(struct renderer *r, const struct half *half,
                   struct dimension *const dims[], size_t n)
{
    const struct term *common[3];
    const struct dimension *wide[3];
    size_t n_common = 0, n_wide = 0;

    for (size_t i = 0; i < n; i++) {
        if (dims[i]->n == 1) {
            common[n_common++] = dims[i]->terms;
        } else {
            wide[n_wide++] = dims[i];
        }
    }

    int priority = (n_wide < 2 ? PRIO_RULE
                    : PRIO_CONJUNCTION + half->conj_id % N_SHARDS);
    for (size_t i = 0; i < MAX(n_wide, 1); i++) {
        for (size_t j = 0; j < (n_wide ? wide[i]->n : 1); j++) {
            struct match *m = begin(r, half->table, priority);

            match_set_reg(m, 2, half->zone);
            for (size_t k = 0; k < n_common; k++) {
                apply_term(m, common[k]);
            }
            if (n_wide) {
                apply_term(m, &wide[i]->terms[j]);
            }
            if (n_wide < 2) {
                go(r, half->next);
            } else {
                struct ofpact_conjunction *c
                    = ofpact_put_CONJUNCTION(&r->spec.ofpacts);
                c->id = half->conj_id;
                c->clause = i;
                c->n_clauses = n_wide;
                finish(r);
            }
        }
    }
    if (n_wide >= 2) {
        match_set_conj_id(begin(r, half->table, priority), half->conj_id);
        go(r, half->next);
    }
}

static void
render_half(struct renderer *r, const struct depmap_rule *rule, bool egress,
            bool visibility, const struct half *half)
{
    const struct depmap_peers *subjects
        = egress ? &rule->sources : &rule->destinations;
    const struct depmap_peers *peers
        = egress ? &rule->destinations : &rule->sources;
    struct dimension subject = { .n = 0 }, peer = { .n = 0 },
                     policy = { .n = 0 };
    struct dimension *dims[3];
    bool empty = false;
    size_t n = 0;

    if (!subjects->any) {
        subjects_to_terms(subjects, egress, &subject);
        dims[n++] = &subject;
    }
    if (!peers->any) {
        peers_to_terms(peers, !egress, visibility, &peer);
        dims[n++] = &peer;
    }
    if (!visibility && !policies_to_terms(rule, &policy)) {
        dims[n++] = &policy;
    }
    for (size_t i = 0; i < n; i++) {
        empty |= !dims[i]->n;
    }
    if (!empty) {
        render_conjunction(r, half, dims, n);
    }

    free(subject.terms);
    free(peer.terms);
    free(policy.terms);
}

void
pipeline_render_rule(const struct pipeline *pipeline, struct flow_table *table,
                     const struct depmap_rule *rule, uint32_t conj_id)
{
    struct renderer r;

    renderer_init(&r, pipeline, table, &rule->uuid);
    if (rule->direction & DEPMAP_EGRESS) {
        render_half(&r, rule, true, false, &(struct half) {
            PIPELINE_EGRESS, PIPELINE_INGRESS, conj_id, rule->zone });
        render_half(&r, rule, true, true, &(struct half) {
            PIPELINE_PEER_EGRESS, PIPELINE_PEER_INGRESS, conj_id, rule->zone });
    }
    if (rule->direction & DEPMAP_INGRESS) {
        render_half(&r, rule, false, false, &(struct half) {
            PIPELINE_INGRESS, PIPELINE_ACCEPTED, conj_id, rule->zone });
        render_half(&r, rule, false, true, &(struct half) {
            PIPELINE_PEER_INGRESS, PIPELINE_PEER_MATCH, conj_id, rule->zone });
    }
    renderer_uninit(&r);
}
