/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <string.h>

#include "controller/flow-table.h"
#include "controller/nd-responder.h"
#include "controller/netmap.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-packet.h"
#include "packets.h"
#include "util.h"

static const struct eth_addr asker_mac = ETH_ADDR_C(02,00,00,00,00,09);
static const struct eth_addr target_mac = ETH_ADDR_C(02,00,00,00,00,01);

static struct in6_addr
ip6(const char *s)
{
    struct in6_addr ip;

    assert_true(ipv6_parse(s, &ip));
    return ip;
}

/* A Neighbor Solicitation of fd00::9 for fd00::1, as a packet-in. */
struct solicitation {
    struct dp_packet *packet;
    struct ofputil_packet_in pin;
    uint8_t userdata[2];
};

static void
solicitation_init(struct solicitation *s)
{
    struct in6_addr src = ip6("fd00::9"), target = ip6("fd00::1");
    struct flow *metadata = &s->pin.flow_metadata.flow;

    memset(s, 0, sizeof *s);
    s->packet = dp_packet_new(0);
    compose_nd_ns(s->packet, asker_mac, &src, &target);
    s->userdata[0] = PACKET_IN_ND;
    s->pin.packet = dp_packet_data(s->packet);
    s->pin.packet_len = dp_packet_size(s->packet);
    s->pin.userdata = s->userdata;
    s->pin.userdata_len = 1;
    metadata->in_port.ofp_port = u16_to_ofp(7);
    metadata->regs[1] = 256;
    flow_set_xreg(metadata, 3, eth_addr_to_uint64(target_mac));
}

static void
solicitation_destroy(struct solicitation *s)
{
    dp_packet_delete(s->packet);
}

static struct ovs_16aligned_ip6_hdr *
ip6_header(struct solicitation *s)
{
    return dp_packet_l3(s->packet);
}

static struct ovs_nd_msg *
nd_message(struct solicitation *s)
{
    return dp_packet_l4(s->packet);
}

static void
fix_checksum(struct solicitation *s)
{
    struct ovs_nd_msg *ns = nd_message(s);
    size_t len = ntohs(ip6_header(s)->ip6_plen);

    ns->icmph.icmp6_cksum = 0;
    ns->icmph.icmp6_cksum = csum_finish(csum_continue(
        packet_csum_pseudoheader6(ip6_header(s)), ns, len));
}

static void
check_refused(struct solicitation *s, const char *expected)
{
    struct dp_packet *reply;
    ofp_port_t port;
    const char *error = nd_responder_reply(&s->pin, &reply, &port);

    assert_non_null(error);
    assert_string_equal(error, expected);
    assert_null(reply);
    solicitation_destroy(s);
}

static void
check_answer(uint32_t identity, uint32_t rso_flags)
{
    struct solicitation s;
    struct dp_packet *reply;
    ofp_port_t port;
    struct flow flow;

    solicitation_init(&s);
    s.pin.flow_metadata.flow.regs[1] = identity;
    assert_null(nd_responder_reply(&s.pin, &reply, &port));
    assert_int_equal(ofp_to_u16(port), 7);

    flow_extract(reply, &flow);
    struct in6_addr src = ip6("fd00::1"), dst = ip6("fd00::9");
    assert_memory_equal(&flow.dl_src, &target_mac, ETH_ADDR_LEN);
    assert_memory_equal(&flow.dl_dst, &asker_mac, ETH_ADDR_LEN);
    assert_memory_equal(&flow.ipv6_src, &src, sizeof src);
    assert_memory_equal(&flow.ipv6_dst, &dst, sizeof dst);
    assert_memory_equal(&flow.nd_target, &src, sizeof src);
    assert_memory_equal(&flow.arp_tha, &target_mac, ETH_ADDR_LEN);
    assert_int_equal(flow.nw_ttl, 255);
    assert_int_equal(ntohs(flow.tp_src), ND_NEIGHBOR_ADVERT);
    assert_int_equal(ntohs(flow.tp_dst), 0);

    const struct ovs_nd_msg *na = dp_packet_l4(reply);
    const struct ovs_16aligned_ip6_hdr *ip6_hdr = dp_packet_l3(reply);
    size_t len = ntohs(ip6_hdr->ip6_plen);
    assert_int_equal(ntohl(get_16aligned_be32(&na->rso_flags)), rso_flags);
    assert_int_equal(len, ND_MSG_LEN + ND_LLA_OPT_LEN);
    assert_int_equal(csum_finish(csum_continue(
        packet_csum_pseudoheader6(ip6_hdr), na, len)), 0);

    dp_packet_delete(reply);
    solicitation_destroy(&s);
}

static void
test_answer(void **state OVS_UNUSED)
{
    check_answer(256, ND_RSO_SOLICITED | ND_RSO_OVERRIDE);
    check_answer(IDENTITY_HOST,
                 ND_RSO_ROUTER | ND_RSO_SOLICITED | ND_RSO_OVERRIDE);
}

static void
test_type(void **state OVS_UNUSED)
{
    struct solicitation s;

    solicitation_init(&s);
    assert_int_equal(packet_in_type(&s.pin), PACKET_IN_ND);
    s.userdata[0] = PACKET_IN_AUDIT;
    s.pin.userdata_len = 2;
    assert_int_equal(packet_in_type(&s.pin), PACKET_IN_AUDIT);
    s.userdata[0] = 77;
    assert_int_equal(packet_in_type(&s.pin), 0);
    s.pin.userdata = NULL;
    s.pin.userdata_len = 0;
    assert_int_equal(packet_in_type(&s.pin), 0);
    solicitation_destroy(&s);
}

/* Each of these has one thing wrong, and a right checksum. */
static void
test_refused_headers(void **state OVS_UNUSED)
{
    struct solicitation s;

    solicitation_init(&s);
    ip6_header(&s)->ip6_hlim = 254;
    fix_checksum(&s);
    check_refused(&s, "hop limit is not 255");

    solicitation_init(&s);
    nd_message(&s)->icmph.icmp6_code = 1;
    fix_checksum(&s);
    check_refused(&s, "not a neighbor solicitation");

    solicitation_init(&s);
    nd_message(&s)->icmph.icmp6_type = ND_NEIGHBOR_ADVERT;
    fix_checksum(&s);
    check_refused(&s, "not a neighbor solicitation");

    solicitation_init(&s);
    nd_message(&s)->icmph.icmp6_cksum ^= htons(1);
    check_refused(&s, "bad checksum");

    solicitation_init(&s);
    struct eth_header *eth = dp_packet_eth(s.packet);
    eth->eth_src.ea[0] |= 1;
    check_refused(&s, "bad source MAC address");

    solicitation_init(&s);
    eth = dp_packet_eth(s.packet);
    eth->eth_type = htons(ETH_TYPE_ARP);
    check_refused(&s, "not an IPv6 packet");

    solicitation_init(&s);
    eth_push_vlan(s.packet, htons(ETH_TYPE_VLAN_8021Q), htons(5));
    s.pin.packet = dp_packet_data(s.packet);
    s.pin.packet_len = dp_packet_size(s.packet);
    check_refused(&s, "not an IPv6 packet");

    solicitation_init(&s);
    ip6_header(&s)->ip6_nxt = IPPROTO_UDP;
    check_refused(&s, "not an unfragmented ICMPv6 message");
}

static void
test_refused_addresses(void **state OVS_UNUSED)
{
    struct solicitation s;
    struct in6_addr ip;

    solicitation_init(&s);
    ip = ip6("ff02::1");
    memcpy(&nd_message(&s)->target, &ip, sizeof ip);
    fix_checksum(&s);
    check_refused(&s, "bad target address");

    solicitation_init(&s);
    memset(&nd_message(&s)->target, 0, sizeof ip);
    fix_checksum(&s);
    check_refused(&s, "bad target address");

    /* Somebody else's group, and somebody else. */
    solicitation_init(&s);
    ip = ip6("ff02::1:ff00:2");
    memcpy(&ip6_header(&s)->ip6_dst, &ip, sizeof ip);
    fix_checksum(&s);
    check_refused(&s, "bad destination address");

    solicitation_init(&s);
    ip = ip6("fd00::2");
    memcpy(&ip6_header(&s)->ip6_dst, &ip, sizeof ip);
    fix_checksum(&s);
    check_refused(&s, "bad destination address");

    /* Detection of duplicates needs no answer. */
    solicitation_init(&s);
    memset(&ip6_header(&s)->ip6_src, 0, sizeof ip);
    fix_checksum(&s);
    check_refused(&s, "bad source address");

    solicitation_init(&s);
    ip = ip6("ff02::1");
    memcpy(&ip6_header(&s)->ip6_src, &ip, sizeof ip);
    fix_checksum(&s);
    check_refused(&s, "bad source address");
}

static void
test_refused_options(void **state OVS_UNUSED)
{
    struct solicitation s;

    /* An endless option, one that is too long, half of one. */
    solicitation_init(&s);
    nd_message(&s)->options[0].len = 0;
    fix_checksum(&s);
    check_refused(&s, "bad options");

    solicitation_init(&s);
    nd_message(&s)->options[0].len = 2;
    fix_checksum(&s);
    check_refused(&s, "bad options");

    solicitation_init(&s);
    ip6_header(&s)->ip6_plen = htons(ND_MSG_LEN + 1);
    fix_checksum(&s);
    check_refused(&s, "bad options");
}

static void
test_refused_metadata(void **state OVS_UNUSED)
{
    struct solicitation s;

    solicitation_init(&s);
    flow_set_xreg(&s.pin.flow_metadata.flow, 3, 0);
    check_refused(&s, "the flow gives no MAC address for the target");

    solicitation_init(&s);
    flow_set_xreg(&s.pin.flow_metadata.flow, 3,
                  UINT64_C(0x010000000001));
    check_refused(&s, "the flow gives no MAC address for the target");

    solicitation_init(&s);
    s.pin.flow_metadata.flow.in_port.ofp_port = OFPP_NONE;
    check_refused(&s, "it did not come from a port");

    solicitation_init(&s);
    s.pin.flow_metadata.flow.in_port.ofp_port = OFPP_CONTROLLER;
    check_refused(&s, "it did not come from a port");
}

/* A message without options is valid.  Padding behind it is, too. */
static void
test_odd_but_valid(void **state OVS_UNUSED)
{
    struct solicitation s;
    struct dp_packet *reply;
    ofp_port_t port;

    solicitation_init(&s);
    ip6_header(&s)->ip6_plen = htons(ND_MSG_LEN);
    fix_checksum(&s);
    assert_null(nd_responder_reply(&s.pin, &reply, &port));
    dp_packet_delete(reply);

    /* To the target itself, as when reachability is confirmed. */
    struct in6_addr ip = ip6("fd00::1");
    memcpy(&ip6_header(&s)->ip6_dst, &ip, sizeof ip);
    fix_checksum(&s);
    assert_null(nd_responder_reply(&s.pin, &reply, &port));
    dp_packet_delete(reply);
    solicitation_destroy(&s);
}

static void
test_truncated(void **state OVS_UNUSED)
{
    struct solicitation s;

    solicitation_init(&s);
    size_t len = s.pin.packet_len;
    for (size_t n = 0; n < len; n++) {
        /* A copy of just the right size, so that ASan sees what is behind. */
        void *copy = xmemdup(dp_packet_data(s.packet), n);
        struct dp_packet *reply;
        struct ds text = DS_EMPTY_INITIALIZER;
        ofp_port_t port;

        s.pin.packet = copy;
        s.pin.packet_len = n;
        assert_non_null(nd_responder_reply(&s.pin, &reply, &port));
        packet_in_format_audit(&s.pin, NULL, &text);
        ds_destroy(&text);
        free(copy);
    }
    solicitation_destroy(&s);
}

static void
check_audit(const char *packet, const char *port_name, uint64_t reason,
            const char *expected)
{
    struct ofputil_packet_in pin = {
        .cookie = htonll(FLOW_COOKIE_PREFIX | FLOW_COOKIE_AUDITED | reason),
    };
    struct dp_packet *p;
    struct ds s = DS_EMPTY_INITIALIZER;

    assert_null(eth_from_hex(packet, &p));
    pin.packet = dp_packet_data(p);
    pin.packet_len = dp_packet_size(p);
    pin.flow_metadata.flow.in_port.ofp_port = u16_to_ofp(3);
    packet_in_format_audit(&pin, port_name, &s);
    assert_string_equal(ds_cstr(&s), expected);
    ds_destroy(&s);
    dp_packet_delete(p);
}

#define ETH "020000000002" "020000000001"
#define IP4(LEN, FRAG, PROTO) \
    ETH "0800" "4500" LEN "0001" FRAG "40" PROTO "0000" "0a000001" "0a000002"
#define IP6(LEN, PROTO) \
    ETH "86dd" "60000000" LEN PROTO "40" \
    "fd000000000000000000000000000001" "fd000000000000000000000000000002"

static void
test_audit(void **state OVS_UNUSED)
{
    check_audit(IP4("0028", "0000", "06") "04d2" "0050"
                "00000000" "00000000" "5002" "ffff" "0000" "0000",
                "veth1", DROP_EGRESS_POLICY,
                "egress-policy: port veth1 tcp 10.0.0.1:1234 -> 10.0.0.2:80 "
                "would be dropped");
    check_audit(IP6("0008", "11") "04d2" "0035" "0008" "0000",
                NULL, DROP_INGRESS_POLICY,
                "ingress-policy: port 3 udp [fd00::1]:1234 -> [fd00::2]:53 "
                "would be dropped");
    check_audit(IP4("001c", "0000", "01") "0800" "0000" "0001" "0001",
                "veth1", DROP_EGRESS_POLICY,
                "egress-policy: port veth1 icmp 10.0.0.1 -> 10.0.0.2 type 8 "
                "code 0 would be dropped");
    check_audit(IP6("0008", "3a") "8000" "0000" "0001" "0001",
                "veth1", DROP_EGRESS_POLICY,
                "egress-policy: port veth1 icmp6 fd00::1 -> fd00::2 type 128 "
                "code 0 would be dropped");
    check_audit(IP4("001c", "0020", "06") "0000" "0000" "0000" "0000",
                "veth1", DROP_FRAGMENT,
                "fragment: port veth1 tcp 10.0.0.1 -> 10.0.0.2 later "
                "fragment would be dropped");
    check_audit(IP4("0014", "0000", "2f"), "veth1", DROP_EGRESS_POLICY,
                "egress-policy: port veth1 ip-proto-47 10.0.0.1 -> 10.0.0.2 "
                "would be dropped");
    check_audit(ETH "0806" "0001" "0800" "0604" "0001"
                "020000000001" "0a000001" "000000000000" "0a000002",
                "veth1", DROP_ARP_TARGET_INVISIBLE,
                "arp-target-invisible: port veth1 arp 10.0.0.1 -> 10.0.0.2 "
                "would be dropped");
    check_audit(ETH "88cc" "0000", "veth1", 255,
                "unknown: port veth1 eth-type-0x88cc 02:00:00:00:00:01 -> "
                "02:00:00:00:00:02 would be dropped");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_type),
        cmocka_unit_test(test_refused_headers),
        cmocka_unit_test(test_refused_addresses),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_refused_metadata),
        cmocka_unit_test(test_odd_but_valid),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_audit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
