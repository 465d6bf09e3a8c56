/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/keystone-bpf.h"

#include <bpf/bpf.h>
#include <netinet/ip6.h>
#include <string.h>
#include <time.h>

#include "controller/compiler.h"
#include "controller/depmap.h"
#include "controller/map-table.h"
#include "controller/netmap.h"
#include "controller/policy-sim.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "tests/bpf-harness.h"
#include "tests/keystone-packet.h"
#include "tests/keystone-world.h"
#include "tests/ovs-compat.h"
#include "util.h"
#include "uuid.h"

/* Earlier packets, to be repeated and answered. */
#define HISTORY 32

struct keystone_bpf {
    struct bpf_harness *harness;
    struct sim_packet history[HISTORY];
    unsigned int n_history;

    /* Coverage. */
    unsigned int n_packets, n_delivered, n_replies, n_arp, n_nd, n_to_ovs;
    unsigned int n_plain, n_audited, n_fragments, n_errors;
    unsigned int n_reasons[N_DROP_REASONS];
    uint64_t n_full;
};

/* A packet on its way through both. */
struct trial {
    const struct compiler *compiler;
    const struct netmap *netmap;
    const struct netmap_endpoint *source;
    struct sim_packet packet;
    struct sim_packet quoted;   /* If it is an ICMP error. */
    bool is_error;
    struct dp_packet bytes;
    bool spoiled;               /* Some bytes of it are random. */
    struct sim_verdict sim;
    struct ds explanation;
    struct harness_verdict bpf;
};

struct keystone_bpf *
keystone_bpf_create(void)
{
    struct keystone_bpf *k = xzalloc(sizeof *k);

    k->harness = bpf_harness_create(&harness_defaults);
    return k;
}

void
keystone_bpf_destroy(struct keystone_bpf *k)
{
    if (k) {
        bpf_harness_destroy(k->harness);
        free(k);
    }
}

void
keystone_bpf_restart(struct keystone_bpf *k)
{
    bpf_harness_clear(k->harness);
    k->n_history = 0;
}

void
keystone_bpf_install(struct keystone_bpf *k, struct compiler *c)
{
    struct map_table *maps = compiler_get_maps(c);

    bpf_harness_remove(k->harness, maps);
    bpf_harness_add(k->harness, maps);
    bpf_harness_check(k->harness, maps);
}

unsigned int
keystone_bpf_n_packets(const struct keystone_bpf *k)
{
    return k->n_packets;
}

/* Packets. */

static bool
is_v4(const struct flow *flow)
{
    return flow->dl_type == htons(ETH_TYPE_IP);
}

static bool
is_ip(const struct flow *flow)
{
    return is_v4(flow) || flow->dl_type == htons(ETH_TYPE_IPV6);
}

static bool
is_icmp(const struct flow *flow)
{
    return flow->nw_proto == (is_v4(flow) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static struct in6_addr
source_address(const struct flow *flow)
{
    return (is_v4(flow) ? in6_addr_mapped_ipv4(flow->nw_src)
            : flow->ipv6_src);
}

static struct in6_addr
destination_address(const struct flow *flow)
{
    return (is_v4(flow) ? in6_addr_mapped_ipv4(flow->nw_dst)
            : flow->ipv6_dst);
}

/* Are there IPv4 addresses in an IPv6 packet? */
static bool
is_mapped(const struct flow *flow)
{
    return (!is_v4(flow) && (IN6_IS_ADDR_V4MAPPED(&flow->ipv6_src)
                             || IN6_IS_ADDR_V4MAPPED(&flow->ipv6_dst)));
}

static const struct netmap_endpoint *
find_sender(const struct netmap *netmap, const struct sim_packet *packet)
{
    return netmap_find_endpoint_by_ofport(netmap, packet->bridge,
                                          packet->flow.in_port.ofp_port);
}

/* What a packet's receiver sends back. */
static void
make_reply(const struct netmap *netmap, struct sim_packet *packet)
{
    struct flow *flow = &packet->flow;
    const struct netmap_endpoint *from = find_sender(netmap, packet);
    struct in6_addr dst = destination_address(flow);
    const struct netmap_endpoint *to
        = (from ? netmap_find_endpoint_by_ip(netmap, from->service->network,
                                             &dst)
           : NULL);
    if (!to) {
        return;
    }

    flow->in_port.ofp_port = to->ofport;
    flow->dl_src = to->mac;
    flow->dl_dst = from->mac;
    if (is_v4(flow)) {
        ovs_be32 nw_src = flow->nw_src;

        flow->nw_src = flow->nw_dst;
        flow->nw_dst = nw_src;
    } else {
        struct in6_addr ipv6_src = flow->ipv6_src;

        flow->ipv6_src = flow->ipv6_dst;
        flow->ipv6_dst = ipv6_src;
    }
    if (is_icmp(flow)) {
        if (flow->tp_src == htons(8) || flow->tp_src == htons(128)) {
            flow->tp_src = htons(is_v4(flow) ? 0 : 129);
        }
    } else {
        ovs_be16 tp_src = flow->tp_src;

        flow->tp_src = flow->tp_dst;
        flow->tp_dst = tp_src;
    }
}

/* Puts a fragment header after the IPv6 header. */
static void
insert_fragment_header(const struct flow *flow, struct dp_packet *bytes)
{
    struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(bytes);
    bool later = flow->nw_frag & FLOW_NW_FRAG_LATER;
    size_t l4_ofs = bytes->l4_ofs;
    size_t l4_len = dp_packet_size(bytes) - l4_ofs;
    struct ovs_16aligned_ip6_frag frag = {
        .ip6f_nxt = ip6->ip6_nxt,
        .ip6f_offlg = later ? htons(0x10) : IP6F_MORE_FRAG,
    };

    ip6->ip6_nxt = IPPROTO_FRAGMENT;
    ip6->ip6_plen = htons(l4_len + sizeof frag);
    dp_packet_put_zeros(bytes, sizeof frag);

    uint8_t *l4 = dp_packet_l4(bytes);
    memmove(l4 + sizeof frag, l4, l4_len);
    memcpy(l4, &frag, sizeof frag);
}

/* Says in the IP header that 'n' bytes have been added. */
static void
lengthen_ip(struct dp_packet *bytes, bool v4, size_t n)
{
    if (v4) {
        struct ip_header *ip = dp_packet_l3(bytes);

        ip->ip_tot_len = htons(ntohs(ip->ip_tot_len) + n);
        ip->ip_csum = 0;
        ip->ip_csum = csum(ip, sizeof *ip);
    } else {
        struct ovs_16aligned_ip6_hdr *ip6 = dp_packet_l3(bytes);

        ip6->ip6_plen = htons(ntohs(ip6->ip6_plen) + n);
    }
}

/* Adds a chunk, whose type is in 'flow''s TCP flags. */
static void
add_chunk(const struct flow *flow, struct dp_packet *bytes)
{
    uint8_t chunk[20] = { ntohs(flow->tcp_flags), 0, 0, sizeof chunk };

    dp_packet_put(bytes, chunk, sizeof chunk);
    lengthen_ip(bytes, is_v4(flow), sizeof chunk);
}

/* What flow_compose() leaves out: fragments of IPv6, the length of what comes
 * in fragments, SCTP chunks, and ARP packets of unusual kinds. */
static void
compose(const struct flow *flow, struct dp_packet *bytes)
{
    dp_packet_init(bytes, 0);
    compat_flow_compose(bytes, flow);
    if (is_ip(flow) && flow->nw_proto == IPPROTO_SCTP
        && !(flow->nw_frag & FLOW_NW_FRAG_LATER)) {
        add_chunk(flow, bytes);
    }
    if (is_ip(flow) && flow->nw_proto == IPPROTO_UDP
        && flow->nw_frag == FLOW_NW_FRAG_ANY) {
        struct udp_header *udp = dp_packet_l4(bytes);

        udp->udp_len = htons(ntohs(udp->udp_len) + 100);
    }
    if (flow->dl_type == htons(ETH_TYPE_ARP)) {
        struct arp_eth_header *arp = dp_packet_l3(bytes);

        *arp = (struct arp_eth_header) {
            .ar_hrd = htons(ARP_HRD_ETHERNET),
            .ar_pro = htons(ARP_PRO_IP),
            .ar_hln = sizeof arp->ar_sha,
            .ar_pln = sizeof arp->ar_spa,
            .ar_op = htons(flow->nw_proto),
            .ar_sha = flow->arp_sha,
            .ar_tha = flow->arp_tha,
        };
        put_16aligned_be32(&arp->ar_spa, flow->nw_src);
        put_16aligned_be32(&arp->ar_tpa, flow->nw_dst);
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6) && flow->nw_frag) {
        insert_fragment_header(flow, bytes);
    }
}

/* Appends the packet that the ICMP error 't' is about. */
static void
add_quoted(struct trial *t)
{
    const struct flow *flow = &t->quoted.flow;
    size_t n = (is_v4(flow) ? IP_HEADER_LEN : IPV6_HEADER_LEN) + 8;
    struct dp_packet quoted;

    compose(flow, &quoted);
    dp_packet_put(&t->bytes, dp_packet_l3(&quoted), n);
    lengthen_ip(&t->bytes, is_v4(flow), n);
    dp_packet_uninit(&quoted);
}

/* Finds in the bytes of 't' what flow_extract() does not. */
static void
see_more(struct trial *t)
{
    struct flow *flow = &t->packet.flow;
    const uint8_t *data = dp_packet_data(&t->bytes);
    size_t len = dp_packet_size(&t->bytes);

    if (!is_ip(flow)) {
        return;
    }
    if (!is_v4(flow) && flow->nw_proto == IPPROTO_FRAGMENT
        && len > ETH_HEADER_LEN + IPV6_HEADER_LEN) {
        flow->nw_proto = data[ETH_HEADER_LEN + IPV6_HEADER_LEN];
    }
    if (flow->nw_proto == IPPROTO_SCTP && dp_packet_l4(&t->bytes)
        && len > t->bytes.l4_ofs + SCTP_HEADER_LEN) {
        flow->tcp_flags = htons(data[t->bytes.l4_ofs + SCTP_HEADER_LEN]);
    }
}

#define SPOIL_MIN (ETH_HEADER_LEN + IPV6_HEADER_LEN)

/* Makes a few bytes of the packet random.  What the simulator gets to see is
 * what Open vSwitch finds in such a packet. */
static void
spoil(struct trial *t)
{
    uint8_t *data = dp_packet_data(&t->bytes);
    size_t len = dp_packet_size(&t->bytes);
    union flow_in_port in_port = t->packet.flow.in_port;

    /* The kernel refuses to test what is too short for an IP header. */
    if (len > SPOIL_MIN && chance(20)) {
        len = SPOIL_MIN + pick(len - SPOIL_MIN);
        dp_packet_set_size(&t->bytes, len);
    }
    for (int n = pick(3); n > 0; n--) {
        size_t i = pick(len < SPOIL_MIN ? 2 * ETH_ADDR_LEN : len);

        data[i] = chance(50) ? pick(256) : data[pick(len)];
    }
    flow_extract(&t->bytes, &t->packet.flow);
    t->packet.flow.in_port = in_port;
    see_more(t);
    t->spoiled = true;
}

static uint16_t
random_chunk(void)
{
    static const uint16_t chunks[] = { 1, 1, 1, 2, 10, 11, 0, 0, 6, 7, 8, 14 };

    return chance(5) ? pick(256) : chunks[pick(ARRAY_SIZE(chunks))];
}

static uint16_t
random_tcp_flags(void)
{
    static const uint16_t flags[] = {
        TCP_SYN, TCP_SYN, TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK,
        TCP_ACK, TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK, TCP_RST,
        TCP_RST | TCP_ACK, TCP_SYN | TCP_FIN, 0, TCP_FIN,
    };

    return chance(5) ? pick(256) : flags[pick(ARRAY_SIZE(flags))];
}

/* Makes the packet one that 'rule' is about. */
static void
aim(const struct netmap *netmap, const struct depmap_rule *rule,
    struct sim_packet *packet)
{
    struct flow *flow = &packet->flow;
    const struct netmap_endpoint *from = find_sender(netmap, packet);
    const struct netmap_endpoint *e, *to = NULL;
    unsigned int n = 0;

    HMAP_FOR_EACH (e, hmap_node, &netmap->endpoints) {
        if (e != from && e->service->network == from->service->network
            && depmap_peers_match(&rule->destinations, e->service->identity,
                                  &e->ips[0])
            && !pick(++n)) {
            to = e;
        }
    }
    if (!to) {
        return;
    }

    const struct policy *policy = &rule->policies[pick(rule->n_policies)];
    struct in6_addr src = from->ips[pick(from->n_ips)];
    struct in6_addr dst = to->ips[pick(to->n_ips)];
    ovs_be16 dl_type = htons(ip_is_v4(&src) ? ETH_TYPE_IP : ETH_TYPE_IPV6);
    uint8_t proto = policy->nw_proto ? policy->nw_proto : IPPROTO_TCP;

    if (ip_is_v4(&src) != ip_is_v4(&dst)) {
        return;
    }
    memset(flow, 0, sizeof *flow);
    flow->in_port.ofp_port = from->ofport;
    flow->dl_src = from->mac;
    flow->dl_dst = to->mac;
    flow->dl_type = dl_type;
    flow->nw_ttl = 64;
    flow->nw_proto = proto;
    if (is_v4(flow)) {
        flow->nw_src = in6_addr_get_mapped_ipv4(&src);
        flow->nw_dst = in6_addr_get_mapped_ipv4(&dst);
    } else {
        flow->ipv6_src = src;
        flow->ipv6_dst = dst;
    }
    if (is_icmp(flow)) {
        flow->tp_src = htons(is_v4(flow) ? 8 : 128);
    } else {
        flow->tp_src = htons(1024 + pick(3));
        flow->tp_dst = htons(policy->has_ports
                             ? policy->port_min + pick(policy->port_max
                                                       - policy->port_min + 1)
                             : 80);
    }
}

static void
aim_at_rule(const struct compiler *c, struct sim_packet *packet)
{
    const struct netmap *netmap = compiler_get_netmap(c);
    const struct netmap_endpoint *from = find_sender(netmap, packet);
    const struct depmap_rule *rule, *picked = NULL;
    unsigned int n = 0;

    if (!from) {
        return;
    }
    HMAP_FOR_EACH (rule, hmap_node, &compiler_get_depmap(c)->rules) {
        if (rule->zone == from->service->network->zone
            && depmap_peers_match(&rule->sources, from->service->identity,
                                  &from->ips[0])
            && !pick(++n)) {
            picked = rule;
        }
    }
    if (picked) {
        aim(netmap, picked, packet);
    }
}

/* Makes the packet of 't', which has been sent, one that its receiver is not
 * content with. */
static void
make_error(struct trial *t)
{
    struct flow *flow = &t->packet.flow;
    bool v4 = is_v4(flow);

    t->quoted = t->packet;
    t->is_error = true;
    make_reply(t->netmap, &t->packet);
    flow->nw_proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    flow->tp_src = htons(v4 ? 3 : 1);
    flow->tp_dst = htons(pick(4));
}

static bool
is_quotable(const struct flow *flow)
{
    return (is_ip(flow) && !flow->nw_frag
            && (flow->nw_proto == IPPROTO_TCP || flow->nw_proto == IPPROTO_UDP
                || flow->nw_proto == IPPROTO_SCTP
                || (is_icmp(flow)
                    && (flow->tp_src == htons(is_v4(flow) ? 8 : 128)
                        || flow->tp_src == htons(is_v4(flow) ? 0 : 129)))));
}

static void
random_packet(struct keystone_bpf *k, const struct compiler *c,
              const char *bridge, struct trial *t)
{
    struct sim_packet *packet = &t->packet;

    if (k->n_history && chance(40)) {
        *packet = k->history[pick(MIN(k->n_history, HISTORY))];
        if (is_quotable(&packet->flow) && chance(20)) {
            make_error(t);
            return;
        } else if (is_ip(&packet->flow) && chance(70)) {
            make_reply(compiler_get_netmap(c), packet);
        }
    } else {
        packet_random(compiler_get_netmap(c), bridge, packet);
        if (chance(60)) {
            aim_at_rule(c, packet);
        }
    }
    packet->flow.tcp_flags = 0;
    if (is_ip(&packet->flow) && packet->flow.nw_proto == IPPROTO_UDP
        && chance(10)) {
        packet->flow.nw_frag = FLOW_NW_FRAG_ANY;
        if (chance(50)) {
            packet->flow.nw_frag |= FLOW_NW_FRAG_LATER;
            packet->flow.tp_src = packet->flow.tp_dst = 0;
        }
    }
    if (is_ip(&packet->flow)
        && !(packet->flow.nw_frag & FLOW_NW_FRAG_LATER)) {
        if (packet->flow.nw_proto == IPPROTO_TCP) {
            packet->flow.tcp_flags = htons(random_tcp_flags());
        } else if (packet->flow.nw_proto == IPPROTO_SCTP) {
            packet->flow.tcp_flags = htons(random_chunk());
        }
    }
}

/* Can the packet only be the first of a connection? */
static bool
is_first(const struct flow *flow)
{
    return (is_icmp(flow)
            ? flow->tp_src == htons(is_v4(flow) ? 8 : 128)
            : flow->nw_proto == IPPROTO_SCTP
            ? flow->tcp_flags == htons(1)
            : flow->nw_proto == IPPROTO_TCP
              && (ntohs(flow->tcp_flags) & (TCP_SYN | TCP_ACK | TCP_RST
                                            | TCP_FIN)) == TCP_SYN);
}

/* Connections. */

/* The timeouts of fast-path.rst, in seconds. */
static unsigned int
timeout(uint8_t nw_proto, uint32_t flags)
{
    uint32_t fins = BASTION_CONN_FIN | BASTION_CONN_REPLY_FIN;

    switch (nw_proto) {
    case IPPROTO_TCP:
        return (flags & BASTION_CONN_RESET ? 30
                : (flags & fins) == fins ? 45
                : flags & fins ? 900
                : flags & BASTION_CONN_ESTABLISHED ? 86400
                : 30);
    case IPPROTO_SCTP:
        return (flags & (BASTION_CONN_RESET | fins) ? 10
                : flags & BASTION_CONN_ESTABLISHED ? 210
                : 10);
    default:
        return flags & BASTION_CONN_REPLIED ? 30 : 60;
    }
}

static bool
is_alive(uint8_t nw_proto, const struct bastion_connection *conn)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec * UINT64_C(1000000000) + now.tv_nsec - conn->last_seen
            < timeout(nw_proto, conn->flags) * UINT64_C(1000000000));
}

/* Is there a connection that 'flow' opens, or answers in? */
static bool
has_connection(const struct keystone_bpf *k, const struct trial *t,
               const struct flow *flow, bool reply,
               struct bastion_connection *conn)
{
    struct bastion_connection_key key = {
        .zone = t->source->service->network->zone,
        .protocol = flow->nw_proto,
    };
    struct in6_addr src = source_address(flow);
    struct in6_addr dst = destination_address(flow);

    memcpy(&key.source, reply ? &dst : &src, sizeof key.source);
    memcpy(&key.destination, reply ? &src : &dst, sizeof key.destination);
    if (!is_icmp(flow)) {
        key.source_port = reply ? flow->tp_dst : flow->tp_src;
        key.destination_port = reply ? flow->tp_src : flow->tp_dst;
    }
    return (!bpf_map_lookup_elem(bpf_harness_map(k->harness, "connections"),
                                 &key, conn)
            && is_alive(flow->nw_proto, conn));
}

/* The identification of the packet that 't' is a fragment of. */
static uint32_t
fragment_id(const struct trial *t)
{
    const uint8_t *data = dp_packet_data(&t->bytes);
    bool v4 = is_v4(&t->packet.flow);
    size_t offset = ETH_HEADER_LEN + (v4 ? 4 : IPV6_HEADER_LEN + 4);
    size_t n = v4 ? 2 : 4;
    uint32_t id = 0;

    if (offset + n <= dp_packet_size(&t->bytes)) {
        memcpy(&id, data + offset, n);
    }
    return id;
}

/* The ports of a later fragment are those of the first one. */
static void
recall_fragment(const struct keystone_bpf *k, struct trial *t)
{
    struct flow *flow = &t->packet.flow;
    struct bastion_fragment_key key = {
        .zone = t->source->service->network->zone,
        .id = fragment_id(t),
        .protocol = flow->nw_proto,
    };
    struct in6_addr src = source_address(flow);
    struct in6_addr dst = destination_address(flow);
    struct bastion_fragment fragment;

    memcpy(&key.source, &src, sizeof key.source);
    memcpy(&key.destination, &dst, sizeof key.destination);
    if (flow->nw_frag & FLOW_NW_FRAG_LATER
        && !bpf_map_lookup_elem(bpf_harness_map(k->harness, "fragments"),
                                &key, &fragment)) {
        flow->tp_src = fragment.source_port;
        flow->tp_dst = fragment.destination_port;
    }
}

/* Gives the packet of 't' the original tuple of the connection that 'flow'
 * opens, or answers in. */
static void
set_tuple(struct trial *t, const struct flow *flow, bool reply,
          const struct bastion_connection *conn)
{
    struct flow *ct = &t->packet.flow;
    struct in6_addr src = source_address(flow);
    struct in6_addr dst = destination_address(flow);

    ct->ct_nw_proto = flow->nw_proto;
    ct->ct_tp_src = reply ? flow->tp_dst : flow->tp_src;
    ct->ct_tp_dst = reply ? flow->tp_src : flow->tp_dst;
    if (conn && is_icmp(flow)) {
        ct->ct_tp_src = htons(conn->icmp_type_code >> 8);
        ct->ct_tp_dst = htons(conn->icmp_type_code & 0xff);
    }
    if (is_v4(flow)) {
        ct->ct_nw_src = reply ? flow->nw_dst : flow->nw_src;
        ct->ct_nw_dst = reply ? flow->nw_src : flow->nw_dst;
    } else {
        ct->ct_ipv6_src = reply ? dst : src;
        ct->ct_ipv6_dst = reply ? src : dst;
    }
}

/* An error is part of the connection of what it quotes. */
static void
find_related_connection(const struct keystone_bpf *k, struct trial *t)
{
    const struct flow *flow = &t->quoted.flow;
    struct bastion_connection conn;
    bool reply;

    if (has_connection(k, t, flow, false, &conn)) {
        t->packet.ct_state = SIM_CT_RELATED_REPLY;
        reply = false;
    } else if (has_connection(k, t, flow, true, &conn)) {
        t->packet.ct_state = SIM_CT_RELATED;
        reply = true;
    } else {
        t->packet.ct_state = SIM_CT_INVALID;
        return;
    }
    set_tuple(t, flow, reply, &conn);
}

static void
find_connection(const struct keystone_bpf *k, struct trial *t)
{
    if (t->is_error) {
        find_related_connection(k, t);
        return;
    }
    recall_fragment(k, t);

    struct flow *flow = &t->packet.flow;
    struct bastion_connection conn;
    bool reply = !is_first(flow) && has_connection(k, t, flow, true, &conn);

    t->packet.ct_state = (reply ? SIM_CT_REPLY
                          : has_connection(k, t, flow, false, &conn)
                          ? SIM_CT_ESTABLISHED : SIM_CT_NEW);
    set_tuple(t, flow, reply, reply ? &conn : NULL);
}

/* Comparing. */

/* What comes of a wrong checksum does not matter. */
static bool
same_bytes(const struct trial *t, const struct dp_packet *expected)
{
    return (t->spoiled
            || (dp_packet_size(expected) == t->bpf.len
                && !memcmp(dp_packet_data(expected), t->bpf.data,
                           t->bpf.len)));
}

/* The same packet with another destination MAC. */
static bool
delivery_agrees(const struct keystone_bpf *k, const struct trial *t)
{
    const struct netmap_endpoint *to = netmap_find_endpoint_by_ofport(
        t->netmap, t->packet.bridge, t->sim.out_port);
    struct in6_addr dst = destination_address(&t->packet.flow);
    struct bastion_address_key key = {
        .zone = t->source->service->network->zone
    };
    struct bastion_address_value value;
    size_t len = dp_packet_size(&t->bytes);
    const uint8_t *data = dp_packet_data(&t->bytes);

    memcpy(&key.address, &dst, sizeof key.address);
    return (t->sim.action == SIM_DELIVER && t->sim.reason == t->bpf.reason
            && to
            && !bpf_map_lookup_elem(bpf_harness_map(k->harness, "addresses"),
                                    &key, &value)
            && value.ifindex == to->ifindex
            && t->bpf.len == len
            && !memcmp(t->bpf.data, &t->sim.mac, ETH_ADDR_LEN)
            && !memcmp(t->bpf.data + ETH_ADDR_LEN, data + ETH_ADDR_LEN,
                       len - ETH_ADDR_LEN));
}

static bool
arp_agrees(const struct trial *t)
{
    const struct flow *flow = &t->packet.flow;
    struct dp_packet expected;

    dp_packet_init(&expected, 0);
    compose_arp(&expected, ARP_OP_REPLY, t->sim.mac, flow->dl_src, false,
                flow->nw_dst, flow->nw_src);
    bool same = same_bytes(t, &expected);
    dp_packet_uninit(&expected);
    return t->sim.action == SIM_ARP_REPLY && !t->sim.audited && same;
}

static bool
nd_agrees(const struct trial *t)
{
    const struct flow *flow = &t->packet.flow;
    uint32_t flags = ND_RSO_SOLICITED | ND_RSO_OVERRIDE;
    struct dp_packet expected;

    dp_packet_init(&expected, 0);
    compose_nd_na(&expected, t->sim.mac, flow->dl_src, &flow->nd_target,
                  &flow->ipv6_src,
                  htonl(flags | (t->sim.router ? ND_RSO_ROUTER : 0)));
    bool same = same_bytes(t, &expected);
    dp_packet_uninit(&expected);
    return t->sim.action == SIM_ND_REPLY && !t->sim.audited && same;
}

/* Is what the rule with 'uuid' says about 's' and 'd' in the maps? */
static bool
is_plain_rule(const struct trial *t, const struct uuid *uuid, bool egress)
{
    if (uuid_is_zero(uuid)) {
        return true;
    }

    const struct depmap_rule *rule
        = depmap_find(compiler_get_depmap(t->compiler), uuid);
    const struct depmap_peers *peers
        = egress ? &rule->destinations : &rule->sources;
    uint32_t peer = egress ? t->sim.destination : t->sim.source;
    bool named = peers->any;

    for (size_t i = 0; i < peers->n_identities; i++) {
        named |= peers->identities[i] == peer;
    }
    return named;
}

static bool
is_partial(const struct keystone_bpf *k, uint32_t subject, uint32_t direction)
{
    struct bastion_partial_key key = { subject, direction };
    uint8_t value;

    return !bpf_map_lookup_elem(bpf_harness_map(k->harness, "partial"), &key,
                                &value);
}

/* Must the fast path drop the packet because policy refuses it? */
static bool
is_refused(const struct keystone_bpf *k, const struct trial *t)
{
    const struct flow *flow = &t->packet.flow;
    struct in6_addr dst = destination_address(flow);
    uint16_t zone = t->source->service->network->zone;
    bool egress = t->sim.reason == DROP_EGRESS_POLICY;
    uint32_t direction = egress ? BASTION_EGRESS : BASTION_INGRESS;

    return (t->sim.action == SIM_DROP
            && (egress || t->sim.reason == DROP_INGRESS_POLICY)
            && !flow->nw_frag && is_first(flow) && !is_mapped(flow)
            && (egress || is_plain_rule(t, &t->sim.egress_rule, true))
            && netmap_find_endpoint_by_ip(t->netmap,
                                          t->source->service->network, &dst)
            && !is_partial(k, egress ? t->sim.source : t->sim.destination,
                           direction)
            && !is_partial(k, BASTION_SUBJECT_ANY(zone), direction));
}

/* Must the fast path take the packet? */
static bool
is_plain(const struct trial *t)
{
    const struct flow *flow = &t->packet.flow;
    struct in6_addr dst = destination_address(flow);
    uint16_t flags = ntohs(flow->tcp_flags);
    bool new = t->packet.ct_state == SIM_CT_NEW;

    if (t->sim.action != SIM_DELIVER || t->sim.audited || !is_ip(flow)
        || flow->nw_frag
        || t->source->service->network->enforcement == ENFORCEMENT_OFF
        || is_mapped(flow)) {
        return false;
    }

    const struct netmap_endpoint *to = netmap_find_endpoint_by_ip(
        t->netmap, t->source->service->network, &dst);
    if (!to || !to->ifindex
        || !is_plain_rule(t, &t->sim.egress_rule, true)
        || !is_plain_rule(t, &t->sim.ingress_rule, false)) {
        return false;
    }
    switch (flow->nw_proto) {
    case IPPROTO_TCP:
        return ((flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN
                || (flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_ACK);
    case IPPROTO_SCTP:
        return flags == 0 || flags == 1;
    case IPPROTO_UDP:
        return (flow->tp_src != htons(67) && flow->tp_src != htons(547));
    case IPPROTO_ICMP:
        return (is_v4(flow) && (flow->tp_src == htons(8)
                                || (flow->tp_src == htons(0) && !new)));
    case IPPROTO_ICMPV6:
        return (!is_v4(flow) && (flow->tp_src == htons(128)
                                 || (flow->tp_src == htons(129) && !new)));
    default:
        return false;
    }
}

/* The kernel may have no memory for the timer of a new connection at the
 * moment, so that Open vSwitch gets the packet. */
static bool
has_no_memory(struct keystone_bpf *k)
{
    uint64_t n = bpf_harness_counter(k->harness,
                                     BASTION_COUNTER_CONNECTIONS_FULL);
    bool more = n != k->n_full;

    k->n_full = n;
    return more;
}

static const char *
compare(struct keystone_bpf *k, const struct trial *t)
{
    switch (t->bpf.action) {
    case HARNESS_TO_OVS:
        k->n_to_ovs++;
        if (has_no_memory(k)) {
            return NULL;
        }
        return (!t->spoiled && is_plain(t)
                ? "a plain packet went to Open vSwitch"
                : !t->spoiled && is_refused(k, t)
                ? "a refused packet went to Open vSwitch" : NULL);
    case HARNESS_DROPPED:
        k->n_reasons[t->bpf.reason]++;
        return (t->sim.action != SIM_DROP ? "dropped"
                : !t->spoiled && t->sim.reason != t->bpf.reason
                ? "dropped for another reason" : NULL);
    case HARNESS_DELIVERED:
        k->n_delivered++;
        k->n_replies += t->packet.ct_state == SIM_CT_REPLY;
        k->n_plain += is_plain(t);
        k->n_audited += t->bpf.reason != 0;
        k->n_fragments += is_ip(&t->packet.flow) && t->packet.flow.nw_frag;
        k->n_errors += t->is_error;
        return delivery_agrees(k, t) ? NULL : "delivered";
    case HARNESS_ARP:
        k->n_arp++;
        return arp_agrees(t) ? NULL : "answered ARP";
    case HARNESS_ND:
        k->n_nd++;
        return nd_agrees(t) ? NULL : "answered ND";
    }
    OVS_NOT_REACHED();
}

static void
describe(const struct trial *t, const char *what, struct ds *s)
{
    static const char *const sim_actions[] = {
        "drop", "deliver", "ARP reply", "ND reply"
    };

    ds_put_format(s, "fast path: %s (reason %d)\n", what, t->bpf.reason);
    ds_put_format(s, "packet: %s ", t->packet.bridge);
    packet_format(&t->packet, s);
    ds_put_format(s, ",tcp_flags=%#x --ct-next ",
                  ntohs(t->packet.flow.tcp_flags));
    packet_format_ct_state(&t->packet, s);
    ds_put_format(s, "\nsimulator: %s, reason %d, audited %d, port %u, MAC "
                  ETH_ADDR_FMT"\n%s", sim_actions[t->sim.action],
                  t->sim.reason, t->sim.audited, ofp_to_u16(t->sim.out_port),
                  ETH_ADDR_ARGS(t->sim.mac), ds_cstr_ro(&t->explanation));
    ds_put_cstr(s, "bytes before and after:\n");
    ds_put_hex_dump(s, dp_packet_data(&t->bytes), dp_packet_size(&t->bytes),
                    0, false);
    ds_put_hex_dump(s, t->bpf.data, t->bpf.len, 0, false);
}

bool
keystone_bpf_packet(struct keystone_bpf *k, const struct compiler *c,
                    const char *bridge, struct ds *failure)
{
    static const unsigned int ages[] = { 9, 11, 29, 31, 46, 209, 901, 86401 };
    struct trial t = {
        .compiler = c,
        .netmap = compiler_get_netmap(c),
        .explanation = DS_EMPTY_INITIALIZER
    };

    random_packet(k, c, bridge, &t);
    t.source = find_sender(t.netmap, &t.packet);
    if (!t.source || !t.source->ifindex
        || (chance(90) && t.source->service->network->enforcement
                          == ENFORCEMENT_OFF)) {
        return true;
    }
    compose(&t.packet.flow, &t.bytes);
    if (t.is_error) {
        add_quoted(&t);
    } else if (chance(20)) {
        spoil(&t);
    }
    if (chance(2)) {
        bpf_harness_age(k->harness, ages[pick(ARRAY_SIZE(ages))]);
    }
    if (is_ip(&t.packet.flow)) {
        find_connection(k, &t);
    }
    policy_sim(t.netmap, compiler_get_depmap(c), &t.packet, &t.sim,
               &t.explanation);
    bpf_harness_run(k->harness, t.source->ifindex, dp_packet_data(&t.bytes),
                    dp_packet_size(&t.bytes), 0, &t.bpf);
    k->n_packets++;
    if (!t.spoiled && !t.is_error
        && (t.bpf.action == HARNESS_DELIVERED || chance(10))) {
        k->history[k->n_history++ % HISTORY] = t.packet;
    }

    const char *wrong = compare(k, &t);
    if (wrong) {
        describe(&t, wrong, failure);
    }
    dp_packet_uninit(&t.bytes);
    ds_destroy(&t.explanation);
    return !wrong;
}

void
keystone_bpf_print_coverage(const struct keystone_bpf *k)
{
    printf("fast path: delivered %u (%u plain, %u replies, %u audited, "
           "%u fragments, %u errors), ARP answers %u, ND answers %u; "
           "to Open vSwitch %u\n", k->n_delivered, k->n_plain, k->n_replies,
           k->n_audited, k->n_fragments, k->n_errors, k->n_arp, k->n_nd,
           k->n_to_ovs);
    printf("no memory for %"PRIu64" connections\n", k->n_full);
    for (int i = 1; i < N_DROP_REASONS; i++) {
        if (k->n_reasons[i]) {
            printf("dropped %-22s %6u\n", drop_reason_name(i),
                   k->n_reasons[i]);
        }
    }
}
