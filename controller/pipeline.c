/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/pipeline.h"

#include "bastion/drop-reasons.h"
#include "controller/netmap.h"
#include "controller/pipeline-render.h"

static const char *const table_names[] = {
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

/* Address blocks that are neither the world nor anyone's network.  RFC 6890,
 * RFC 4291 sections 2.4 and 2.5.5: "::/80" holds what an unwary dual-stack
 * receiver could take for an IPv4 address, such as ::ffff:127.0.0.1. */
static const char *const special_prefixes[] = {
    "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "240.0.0.0/4",
    "::/80", "fe80::/10"
};

static const char *const group_prefixes[] = {
    "224.0.0.0/4", "255.255.255.255/32", "ff00::/8"
};

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

/* DHCP server messages in fragments.  Open vSwitch hides the ports of all
 * fragments from matches, first ones too, until connection tracking has seen
 * them.  What comes out of it are fragments in the userspace datapath, whole
 * packets in the kernel's, so that 'nw_frag' would tell nothing here.  No real
 * DHCP message is that long. */
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
            match_set_nw_proto(m, IPPROTO_UDP);
            match_set_reg_masked(m, 4, 0, PIPELINE_FLAG_DHCP);
            match_set_ct_nw_proto(m, IPPROTO_UDP);
            match_set_ct_tp_src(m, htons(reply ? client : server));
            match_set_ct_tp_dst(m, htons(reply ? server : client));
            drop(r, DROP_DHCP_SERVER);
        }
    }
}

static void
track(struct renderer *r)
{
    struct ofpact_conntrack *ct = ofpact_put_CT(&r->spec.ofpacts);

    ct->zone_src.field = mf_from_id(MFF_REG2);
    ct->zone_src.ofs = 0;
    ct->zone_src.n_bits = 16;
    ct->recirc_table = r->pipeline->table_base + PIPELINE_CONNECTION;
    ofpact_finish(&r->spec.ofpacts, &ct->ofpact);
    finish(r);
}

static void
render_conntrack_static(struct renderer *r)
{
    struct match *m;

    for (int v4 = 0; v4 <= 1; v4++) {
        /* Policy is not asked about answers of a declared DHCP server, but
         * only to containers, lest the server has a way out. */
        m = begin(r, PIPELINE_CONNTRACK, 210);
        match_ip(m, v4);
        match_set_reg_masked(m, 4, PIPELINE_FLAG_DHCP, PIPELINE_FLAG_DHCP);
        match_set_reg(m, 3, 0);
        track(r);

        match_ip(begin(r, PIPELINE_CONNTRACK, 100), v4);
        track(r);
    }

    m = begin(r, PIPELINE_CONNTRACK, 200);
    match_set_reg_masked(m, 4, PIPELINE_FLAG_DHCP, PIPELINE_FLAG_DHCP);
    go(r, PIPELINE_OUTPUT);
}

static void
render_connection_static(struct renderer *r)
{
    static const uint32_t outside[] = {
        IDENTITY_HOST, IDENTITY_WORLD, IDENTITY_NONE
    };
    struct match *m;

    render_conntrack_static(r);

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
        to_controller(r, PACKET_IN_ND, UINT16_MAX);
        finish(r);
        return;
    }

    uint8_t type = ND_NEIGHBOR_ADVERT;
    move(r, MFF_ETH_SRC, MFF_ETH_DST, 0);
    move(r, MFF_XREG3, MFF_ETH_SRC, 48);
    move(r, MFF_IPV6_SRC, MFF_IPV6_DST, 0);
    move(r, MFF_ND_TARGET, MFF_IPV6_SRC, 0);
    set_field(r, MFF_ICMPV6_TYPE, &type, NULL);
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
