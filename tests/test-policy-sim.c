/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "controller/compiler.h"
#include "controller/policy-sim.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "tests/test-rows.h"
#include "util.h"

/* Containers, by the last digit of whatever they have:
 *
 *     web1     port 1  02:00:00:00:00:01  10.1.0.11  fd00:1::11
 *     db1      port 2  02:00:00:00:00:02  10.1.0.12  fd00:1::12
 *     guest1   port 3  02:00:00:00:00:03  10.1.0.13  fd00:1::13
 *     absent1  none    02:00:00:00:00:04  10.1.0.14
 *     open1    port 5  02:00:00:00:00:05  10.1.0.15
 */
static void
set_up(struct test_rows *rows, const char *enforcement)
{
    static const char *const lines[] = {
        "service web identity=256",
        "service db identity=257",
        "service guest identity=258",
        "service open identity=259 isolate=none",
        "container web1 service=web interface=if1 mac=02:00:00:00:00:01 "
        "ips=10.1.0.11,fd00:1::11",
        "container db1 service=db interface=if2 mac=02:00:00:00:00:02 "
        "ips=10.1.0.12,fd00:1::12",
        "container guest1 service=guest interface=if3 mac=02:00:00:00:00:03 "
        "ips=10.1.0.13,fd00:1::13",
        "container absent1 service=guest interface=none "
        "mac=02:00:00:00:00:04 ips=10.1.0.14",
        "container open1 service=open interface=if5 mac=02:00:00:00:00:05 "
        "ips=10.1.0.15",
        "dependency web-db from=web to=db policies=tcp:3306,icmp:8,icmp6:128",
        "dependency web-world from=web to=world policies=tcp:443",
        "dependency web-cidr from=web to=cidr:198.51.100.0/24!"
        "198.51.100.128/25 policies=udp:53",
        "dependency host-web from=host to=web policies=tcp:80-81",
        "dependency guest-host from=guest to=host policies=udp:53,udp:67",
        "dependency half from=guest to=db policies=tcp:5000 "
        "direction=egress",
    };
    struct in6_addr host = IN6ADDR_ANY_INIT;
    char *network = xasprintf(
        "network net1 key=1 subnets=10.1.0.0/24,fd00:1::/64 "
        "gateways=10.1.0.1,fd00:1::1 dhcp_servers=10.1.0.1 enforcement=%s",
        enforcement);

    test_rows_init(rows);
    in6_addr_set_mapped_ipv4(&host, inet_addr("192.0.2.1"));
    compiler_set_host_addresses(rows->compiler, &host, 1);
    test_rows_set(rows, network);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        test_rows_set(rows, lines[i]);
    }
    test_rows_set(rows, "network net2 key=2 subnets=10.2.0.0/24 "
                  "bridge=br1");
    test_rows_run(rows);
    free(network);
}

/* Takes the connection from the packet. */
static void
set_connection(struct flow *flow, bool reply)
{
    flow->ct_nw_proto = flow->nw_proto;
    flow->ct_tp_src = reply ? flow->tp_dst : flow->tp_src;
    flow->ct_tp_dst = reply ? flow->tp_src : flow->tp_dst;
    flow->ct_nw_src = reply ? flow->nw_dst : flow->nw_src;
    flow->ct_nw_dst = reply ? flow->nw_src : flow->nw_dst;
    flow->ct_ipv6_src = reply ? flow->ipv6_dst : flow->ipv6_src;
    flow->ct_ipv6_dst = reply ? flow->ipv6_src : flow->ipv6_dst;
}

static void
format_verdict(const struct sim_verdict *v, struct ds *s)
{
    if (v->audited) {
        ds_put_format(s, "audit %s: ", drop_reason_name(v->reason));
    }
    switch (v->action) {
    case SIM_DROP:
        ds_put_format(s, "drop %s", drop_reason_name(v->reason));
        break;
    case SIM_DELIVER:
        ds_put_format(s, "port %u "ETH_ADDR_FMT, ofp_to_u16(v->out_port),
                      ETH_ADDR_ARGS(v->mac));
        break;
    case SIM_ARP_REPLY:
        ds_put_format(s, "ARP "ETH_ADDR_FMT, ETH_ADDR_ARGS(v->mac));
        break;
    case SIM_ND_REPLY:
        ds_put_format(s, "ND "ETH_ADDR_FMT"%s", ETH_ADDR_ARGS(v->mac),
                      v->router ? " router" : "");
        break;
    }
}

struct test_packet {
    const char *flow;
    enum sim_ct_state ct_state;
    const char *expected;
};

static void
check_packet(const struct test_rows *rows, const struct test_packet *p,
             const char *connection)
{
    struct sim_packet packet = { .bridge = "br0", .ct_state = p->ct_state };
    struct ds explanation = DS_EMPTY_INITIALIZER;
    struct ds s = DS_EMPTY_INITIALIZER;
    struct sim_verdict verdict;

    if (connection) {
        struct flow original;
        char *error = parse_ofp_exact_flow(&original, NULL, NULL, connection,
                                           NULL);
        assert_null(error);
        set_connection(&original, false);
        error = parse_ofp_exact_flow(&packet.flow, NULL, NULL, p->flow, NULL);
        assert_null(error);
        packet.flow.ct_nw_proto = original.ct_nw_proto;
        packet.flow.ct_tp_src = original.ct_tp_src;
        packet.flow.ct_tp_dst = original.ct_tp_dst;
        packet.flow.ct_nw_src = original.ct_nw_src;
        packet.flow.ct_nw_dst = original.ct_nw_dst;
    } else {
        char *error = parse_ofp_exact_flow(&packet.flow, NULL, NULL, p->flow,
                                           NULL);
        if (error) {
            print_error("%s\n", error);
        }
        assert_null(error);
        set_connection(&packet.flow, p->ct_state == SIM_CT_REPLY);
    }
    policy_sim(compiler_get_netmap(rows->compiler),
               compiler_get_depmap(rows->compiler), &packet, &verdict,
               &explanation);
    format_verdict(&verdict, &s);
    if (strcmp(ds_cstr(&s), p->expected)) {
        print_error("%s\n%s", p->flow, ds_cstr(&explanation));
    }
    assert_string_equal(ds_cstr(&s), p->expected);
    ds_destroy(&s);
    ds_destroy(&explanation);
}

static void
check_packets(const struct test_packet *packets, size_t n,
              const char *enforcement)
{
    struct test_rows rows;

    set_up(&rows, enforcement);
    for (size_t i = 0; i < n; i++) {
        check_packet(&rows, &packets[i], NULL);
    }
    test_rows_destroy(&rows);
}

/* Honest senders. */
#define WEB "in_port=1,dl_src=02:00:00:00:00:01,"
#define DB "in_port=2,dl_src=02:00:00:00:00:02,"
#define GUEST "in_port=3,dl_src=02:00:00:00:00:03,"
#define OPEN "in_port=5,dl_src=02:00:00:00:00:05,"
#define GW "in_port=LOCAL,dl_src=02:fd:00:00:00:00,"
#define WEB4 WEB "dl_type=0x800,nw_src=10.1.0.11,"
#define DB4 DB "dl_type=0x800,nw_src=10.1.0.12,"
#define GUEST4 GUEST "dl_type=0x800,nw_src=10.1.0.13,"
#define TCP(SRC, DST) "nw_proto=6,tcp_src=" #SRC ",tcp_dst=" #DST
#define UDP(SRC, DST) "nw_proto=17,udp_src=" #SRC ",udp_dst=" #DST

#define TO_WEB "port 1 02:00:00:00:00:01"
#define TO_DB "port 2 02:00:00:00:00:02"
#define TO_GW "port 65534 02:fd:00:00:00:00"

static void
test_admission(void **state OVS_UNUSED)
{
    static const struct test_packet packets[] = {
        { WEB "vlan_tci=0x1005,dl_type=0x800", 0, "drop vlan-tag" },
        { WEB "vlan_tci=0x1000,dl_type=0x806", 0, "drop vlan-tag" },
        { "in_port=1,dl_src=03:00:00:00:00:01,dl_type=0x800", 0,
          "drop multicast-source" },
        { WEB "dl_type=0x88cc", 0, "drop ethertype" },
        { WEB "dl_type=0x8035", 0, "drop ethertype" },
        { "in_port=7,dl_src=02:00:00:00:00:01,dl_type=0x800,"
          "nw_src=10.1.0.11", 0, "drop unknown-port" },
        { "in_port=7,dl_src=02:00:00:00:00:01,dl_type=0x806", 0,
          "drop unknown-port" },
    };

    check_packets(packets, ARRAY_SIZE(packets), "enforce");
}

static void
test_arp(void **state OVS_UNUSED)
{
#define ARP(OP, SPA, SHA, TPA) "dl_type=0x806,arp_op=" #OP ",arp_spa=" SPA \
        ",arp_sha=02:00:00:00:00:" SHA ",arp_tpa=" TPA
    static const struct test_packet packets[] = {
        { WEB ARP(1, "10.1.0.11", "01", "10.1.0.12"), 0,
          "ARP 02:00:00:00:00:02" },
        /* Dependencies work in both directions for seeing. */
        { DB ARP(1, "10.1.0.12", "02", "10.1.0.11"), 0,
          "ARP 02:00:00:00:00:01" },
        { WEB ARP(1, "10.1.0.11", "01", "10.1.0.1"), 0,
          "ARP 02:fd:00:00:00:00" },
        { GUEST ARP(1, "10.1.0.13", "03", "10.1.0.11"), 0,
          "drop arp-target-invisible" },
        /* An egress half alone does not make anyone visible. */
        { GUEST ARP(1, "10.1.0.13", "03", "10.1.0.12"), 0,
          "drop arp-target-invisible" },
        { WEB ARP(1, "10.1.0.11", "01", "10.1.0.99"), 0,
          "drop arp-target-unknown" },
        { GUEST ARP(1, "10.1.0.13", "03", "10.1.0.14"), 0,
          "drop arp-target-unknown" },
        { WEB ARP(1, "10.1.0.12", "01", "10.1.0.1"), 0, "drop arp-spoof" },
        { WEB ARP(1, "10.1.0.11", "02", "10.1.0.1"), 0, "drop arp-spoof" },
        { DB ARP(1, "10.1.0.11", "01", "10.1.0.1"), 0, "drop arp-spoof" },
        { WEB ARP(2, "10.1.0.11", "01", "10.1.0.12"), 0,
          "drop arp-unsolicited" },
        { WEB ARP(1, "10.1.0.11", "01", "10.1.0.11"), 0,
          "drop arp-unsolicited" },
        { WEB ARP(1, "0.0.0.0", "01", "10.1.0.11"), 0,
          "drop arp-unsolicited" },
        { WEB ARP(1, "0.0.0.0", "01", "10.1.0.12"), 0, "drop arp-spoof" },
    };

    check_packets(packets, ARRAY_SIZE(packets), "enforce");
}

static void
test_nd(void **state OVS_UNUSED)
{
#define V6(SRC, DST) "dl_type=0x86dd,ipv6_src=" SRC ",ipv6_dst=" DST ","
#define ICMP6(TTL, TYPE, CODE) "nw_proto=58,nw_ttl=" #TTL ",icmpv6_type=" \
        #TYPE ",icmpv6_code=" #CODE
#define NS(SRC, TARGET, SLL) V6(SRC, "ff02::1:ff00:12") \
        ICMP6(255, 135, 0) ",nd_target=" TARGET ",nd_sll=" SLL
#define MAC1 "02:00:00:00:00:01"
#define NOMAC "00:00:00:00:00:00"
    static const struct test_packet packets[] = {
        { WEB NS("fd00:1::11", "fd00:1::12", MAC1), 0,
          "ND 02:00:00:00:00:02" },
        { WEB NS("fe80::ff:fe00:1", "fe80::ff:fe00:2", NOMAC), 0,
          "ND 02:00:00:00:00:02" },
        { WEB NS("fd00:1::11", "fd00:1::1", MAC1), 0,
          "ND 02:fd:00:00:00:00 router" },
        { WEB NS("fd00:1::11", "fe80::fd:ff:fe00:0", MAC1), 0,
          "ND 02:fd:00:00:00:00 router" },
        { WEB NS("fd00:1::11", "fd00:1::13", MAC1), 0,
          "drop nd-target-invisible" },
        { WEB NS("fd00:1::11", "fd00:1::99", MAC1), 0,
          "drop nd-target-unknown" },
        { WEB NS("fd00:1::12", "fd00:1::1", MAC1), 0, "drop ipv6-spoof" },
        { WEB NS("fd00:1::11", "fd00:1::1", "02:00:00:00:00:02"), 0,
          "drop nd-spoof" },
        { WEB NS("::", "fd00:1::11", NOMAC), 0, "drop nd-unsolicited" },
        { WEB NS("::", "fd00:1::12", NOMAC), 0, "drop nd-spoof" },
        { WEB V6("fd00:1::11", "ff02::1") ICMP6(254, 135, 0), 0,
          "drop nd-spoof" },
        { WEB V6("fd00:1::11", "ff02::1") ICMP6(255, 135, 1), 0,
          "drop nd-spoof" },
        { WEB V6("fd00:1::11", "ff02::1") ICMP6(255, 136, 0)
          ",nd_target=fd00:1::11,nd_tll=" MAC1, 0, "drop nd-unsolicited" },
        { WEB V6("fd00:1::11", "ff02::1") ICMP6(255, 136, 0)
          ",nd_target=fd00:1::12,nd_tll=" MAC1, 0, "drop nd-spoof" },
        { WEB V6("fe80::ff:fe00:1", "ff02::1") ICMP6(255, 134, 0), 0,
          "drop router-advertisement" },
        { WEB V6("fe80::ff:fe00:1", "fd00:1::12") ICMP6(255, 137, 0), 0,
          "drop redirect" },
        { WEB V6("fe80::ff:fe00:1", "ff02::2") ICMP6(255, 133, 0), 0,
          "drop multicast-destination" },
        { WEB V6("::", "ff02::16") ICMP6(1, 143, 0), 0,
          "drop nd-unsolicited" },
    };

    check_packets(packets, ARRAY_SIZE(packets), "enforce");
}

static void
test_policy(void **state OVS_UNUSED)
{
    static const struct test_packet packets[] = {
        { WEB4 "nw_dst=10.1.0.12," TCP(9999, 3306), SIM_CT_NEW, TO_DB },
        { WEB4 "nw_dst=10.1.0.12," TCP(9999, 3306), SIM_CT_ESTABLISHED,
          TO_DB },
        { WEB4 "nw_dst=10.1.0.12," TCP(9999, 3306), SIM_CT_INVALID,
          "drop ct-invalid" },
        { DB4 "nw_dst=10.1.0.11," TCP(3306, 9999), SIM_CT_REPLY, TO_WEB },
        { DB4 "nw_dst=10.1.0.11," TCP(3306, 9999), SIM_CT_NEW,
          "drop egress-policy" },
        { WEB4 "nw_dst=10.1.0.12," TCP(9999, 3307), SIM_CT_NEW,
          "drop egress-policy" },
        { WEB4 "nw_dst=10.1.0.12," UDP(9999, 3306), SIM_CT_NEW,
          "drop egress-policy" },
        { WEB4 "nw_dst=10.1.0.12,nw_proto=1,icmp_type=8,icmp_code=0",
          SIM_CT_NEW, TO_DB },
        { WEB4 "nw_dst=10.1.0.12,nw_proto=1,icmp_type=13,icmp_code=0",
          SIM_CT_NEW, "drop egress-policy" },
        { WEB "dl_type=0x86dd,ipv6_src=fd00:1::11,ipv6_dst=fd00:1::12,"
          "nw_proto=58,icmpv6_type=128", SIM_CT_NEW, TO_DB },

        /* The egress half passes, but nothing lets db accept it. */
        { GUEST4 "nw_dst=10.1.0.12," TCP(9999, 5000), SIM_CT_NEW,
          "drop ingress-policy" },
        { GUEST4 "nw_dst=10.1.0.11," TCP(9999, 80), SIM_CT_NEW,
          "drop egress-policy" },

        /* Whoever is not isolated still needs the other's consent. */
        { OPEN "dl_type=0x800,nw_src=10.1.0.15,nw_dst=10.1.0.11,"
          TCP(1, 80), SIM_CT_NEW, "drop ingress-policy" },
        { WEB4 "nw_dst=10.1.0.15," TCP(1, 80), SIM_CT_NEW,
          "drop egress-policy" },

        { WEB4 "nw_dst=10.1.0.11," TCP(1, 3306), SIM_CT_NEW, "drop self" },
        { WEB4 "nw_dst=10.1.0.14," TCP(1, 3306), SIM_CT_NEW,
          "drop destination-absent" },
        { WEB4 "nw_dst=10.1.0.99," TCP(1, 3306), SIM_CT_NEW,
          "drop destination-unknown" },
        { WEB4 "nw_dst=10.1.0.255," UDP(1, 53), SIM_CT_NEW,
          "drop destination-unknown" },
        { WEB4 "nw_dst=224.0.0.251," UDP(5353, 5353), SIM_CT_NEW,
          "drop multicast-destination" },
        { WEB "dl_type=0x800,nw_src=10.1.0.12,nw_dst=10.1.0.12,"
          TCP(1, 3306), SIM_CT_NEW, "drop ip-spoof" },
        { "in_port=1,dl_src=02:00:00:00:00:02,dl_type=0x800,"
          "nw_src=10.1.0.11,nw_dst=10.1.0.12," TCP(1, 3306), SIM_CT_NEW,
          "drop ip-spoof" },
        { WEB "dl_type=0x86dd,ipv6_src=fd00:1::12,ipv6_dst=fd00:1::12,"
          "nw_proto=6,tcp_dst=3306", SIM_CT_NEW, "drop ipv6-spoof" },

        /* Fragments: later ones pass where anything may. */
        { WEB4 "nw_dst=10.1.0.12,nw_proto=17,nw_frag=later", SIM_CT_NEW,
          TO_DB },
        { GUEST4 "nw_dst=10.1.0.12,nw_proto=17,nw_frag=later", SIM_CT_NEW,
          "drop fragment" },
        { WEB4 "nw_dst=10.1.0.12,nw_frag=first," TCP(1, 3306), SIM_CT_NEW,
          TO_DB },
        { WEB4 "nw_dst=10.1.0.12,nw_frag=first," TCP(1, 3307), SIM_CT_NEW,
          "drop egress-policy" },
    };

    check_packets(packets, ARRAY_SIZE(packets), "enforce");
}

static void
test_outside(void **state OVS_UNUSED)
{
    static const struct test_packet packets[] = {
        { WEB4 "nw_dst=203.0.113.1," TCP(1, 443), SIM_CT_NEW, TO_GW },
        { WEB4 "nw_dst=203.0.113.1," TCP(1, 80), SIM_CT_NEW,
          "drop egress-policy" },
        { WEB4 "nw_dst=198.51.100.1," UDP(1, 53), SIM_CT_NEW, TO_GW },
        { WEB4 "nw_dst=198.51.100.129," UDP(1, 53), SIM_CT_NEW,
          "drop egress-policy" },
        /* Neither other networks nor these are the world. */
        { WEB4 "nw_dst=10.2.0.1," TCP(1, 443), SIM_CT_NEW,
          "drop egress-policy" },
        { WEB4 "nw_dst=127.0.0.1," TCP(1, 443), SIM_CT_NEW,
          "drop egress-policy" },
        { WEB4 "nw_dst=169.254.169.254," TCP(1, 443), SIM_CT_NEW,
          "drop egress-policy" },
        { GW "dl_type=0x800,nw_src=203.0.113.1,nw_dst=10.1.0.11,"
          TCP(443, 1), SIM_CT_REPLY, TO_WEB },
        { GW "dl_type=0x800,nw_src=203.0.113.1,nw_dst=10.1.0.11,"
          TCP(1, 80), SIM_CT_NEW, "drop ingress-policy" },
        { GW "dl_type=0x800,nw_src=10.1.0.12,nw_dst=10.1.0.11,"
          TCP(1, 80), SIM_CT_NEW, "drop ip-spoof" },

        /* The host, by whichever address. */
        { GUEST4 "nw_dst=10.1.0.1," UDP(1, 53), SIM_CT_NEW, TO_GW },
        { GUEST4 "nw_dst=192.0.2.1," UDP(1, 53), SIM_CT_NEW, TO_GW },
        { GUEST4 "nw_dst=10.1.0.1," TCP(1, 6653), SIM_CT_NEW,
          "drop egress-policy" },
        { OPEN "dl_type=0x800,nw_src=10.1.0.15,nw_dst=10.1.0.1,"
          TCP(1, 6653), SIM_CT_NEW, "drop ingress-policy" },
        { WEB4 "nw_dst=192.0.2.1," TCP(1, 443), SIM_CT_NEW,
          "drop egress-policy" },
        { GW "dl_type=0x800,nw_src=10.1.0.1,nw_dst=10.1.0.11," TCP(1, 81),
          SIM_CT_NEW, TO_WEB },
        { GW "dl_type=0x800,nw_src=10.1.0.1,nw_dst=10.1.0.11," TCP(1, 82),
          SIM_CT_NEW, "drop ingress-policy" },
        { GW "dl_type=0x806,arp_op=1,arp_spa=10.1.0.1,"
          "arp_sha=02:fd:00:00:00:00,arp_tpa=10.1.0.13", 0,
          "ARP 02:00:00:00:00:03" },

        /* DHCP. */
        { GUEST "dl_type=0x800,nw_src=0.0.0.0,nw_dst=255.255.255.255,"
          UDP(68, 67), SIM_CT_NEW, TO_GW },
        { WEB "dl_type=0x800,nw_src=0.0.0.0,nw_dst=255.255.255.255,"
          UDP(68, 67), SIM_CT_NEW, "drop egress-policy" },
        { WEB4 "nw_dst=10.1.0.12," UDP(67, 68), SIM_CT_NEW,
          "drop dhcp-server" },
        { WEB4 "nw_dst=10.1.0.12,nw_frag=first," UDP(67, 68), SIM_CT_NEW,
          "drop dhcp-server" },
        { GW "dl_type=0x800,nw_src=10.1.0.1,nw_dst=10.1.0.13," UDP(67, 68),
          SIM_CT_NEW, "port 3 02:00:00:00:00:03" },
        { GUEST4 "nw_dst=10.1.0.11," UDP(67, 68), SIM_CT_NEW,
          "drop dhcp-server" },
    };

    check_packets(packets, ARRAY_SIZE(packets), "enforce");
}

/* ICMP errors are judged by the connection that they are about. */
static void
test_related(void **state OVS_UNUSED)
{
    static const char tcp[] = WEB4 "nw_dst=10.1.0.12," TCP(1, 3306);
    static const char forbidden[] = WEB4 "nw_dst=10.1.0.12," TCP(1, 3307);
    static const struct test_packet error = {
        DB4 "nw_dst=10.1.0.11,nw_proto=1,icmp_type=3,icmp_code=1",
        SIM_CT_RELATED_REPLY, TO_WEB
    };
    static const struct test_packet dropped = {
        DB4 "nw_dst=10.1.0.11,nw_proto=1,icmp_type=3,icmp_code=1",
        SIM_CT_RELATED_REPLY, "drop egress-policy"
    };
    static const struct test_packet from_router = {
        GW "dl_type=0x800,nw_src=203.0.113.77,nw_dst=10.1.0.11,"
        "nw_proto=1,icmp_type=3,icmp_code=4", SIM_CT_RELATED_REPLY, TO_WEB
    };
    static const struct test_packet from_third = {
        GUEST4 "nw_dst=10.1.0.11,nw_proto=1,icmp_type=3,icmp_code=1",
        SIM_CT_RELATED_REPLY, "drop egress-policy"
    };
    struct test_rows rows;

    set_up(&rows, "enforce");
    check_packet(&rows, &error, tcp);
    check_packet(&rows, &dropped, forbidden);
    check_packet(&rows, &from_router, tcp);
    check_packet(&rows, &from_third, tcp);
    test_rows_destroy(&rows);
}

static void
test_audit(void **state OVS_UNUSED)
{
    static const struct test_packet packets[] = {
        { WEB4 "nw_dst=10.1.0.12," TCP(9999, 3306), SIM_CT_NEW, TO_DB },
        { WEB4 "nw_dst=10.1.0.12," TCP(9999, 3307), SIM_CT_NEW,
          "audit egress-policy: " TO_DB },
        { GUEST4 "nw_dst=10.1.0.12," TCP(9999, 5000), SIM_CT_NEW,
          "audit ingress-policy: " TO_DB },
        { GUEST4 "nw_dst=10.1.0.12,nw_proto=17,nw_frag=later", SIM_CT_NEW,
          "audit fragment: " TO_DB },
        { GUEST ARP(1, "10.1.0.13", "03", "10.1.0.11"), 0,
          "audit arp-target-invisible: ARP 02:00:00:00:00:01" },
        { WEB NS("fd00:1::11", "fd00:1::13", MAC1), 0,
          "audit nd-target-invisible: ND 02:00:00:00:00:03" },

        /* Not everything is a matter of policy. */
        { WEB4 "nw_dst=10.1.0.12," TCP(9999, 3307), SIM_CT_INVALID,
          "drop ct-invalid" },
        { DB ARP(1, "10.1.0.11", "01", "10.1.0.1"), 0, "drop arp-spoof" },
        { WEB4 "nw_dst=10.1.0.99," TCP(1, 3306), SIM_CT_NEW,
          "drop destination-unknown" },
    };

    check_packets(packets, ARRAY_SIZE(packets), "audit");
}

static void
test_off(void **state OVS_UNUSED)
{
    static const struct test_packet packets[] = {
        { GUEST4 "nw_dst=10.1.0.11," TCP(9999, 80), SIM_CT_NEW, TO_WEB },
        { GUEST4 "nw_dst=10.1.0.1," TCP(9999, 80), SIM_CT_NEW, TO_GW },
        { GUEST ARP(1, "10.1.0.13", "03", "10.1.0.11"), 0,
          "ARP 02:00:00:00:00:01" },
        { GUEST4 "nw_dst=10.1.0.12,nw_proto=17,nw_frag=later", SIM_CT_NEW,
          TO_DB },
        { DB ARP(1, "10.1.0.11", "01", "10.1.0.1"), 0, "drop arp-spoof" },
        { WEB4 "nw_dst=10.1.0.12," UDP(67, 68), SIM_CT_NEW,
          "drop dhcp-server" },
        { WEB4 "nw_dst=10.1.0.12,nw_frag=first," UDP(67, 68), SIM_CT_NEW,
          "drop dhcp-server" },
    };

    check_packets(packets, ARRAY_SIZE(packets), "off");
}

/* A container that is a declared DHCP server may answer other containers, and
 * no one else. */
static void
test_dhcp_container(void **state OVS_UNUSED)
{
    static const struct test_packet packets[] = {
        { DB4 "nw_dst=10.1.0.13," UDP(67, 68), SIM_CT_NEW,
          "port 3 02:00:00:00:00:03" },
        { DB4 "nw_dst=203.0.113.1," UDP(67, 68), SIM_CT_NEW,
          "drop egress-policy" },
        { DB4 "nw_dst=10.1.0.1," UDP(67, 68), SIM_CT_NEW,
          "drop egress-policy" },
        { WEB4 "nw_dst=10.1.0.13," UDP(67, 68), SIM_CT_NEW,
          "drop dhcp-server" },
        { GUEST "dl_type=0x800,nw_src=0.0.0.0,nw_dst=255.255.255.255,"
          UDP(68, 67), SIM_CT_NEW, "drop egress-policy" },
        { DB "dl_type=0x800,nw_src=0.0.0.0,nw_dst=255.255.255.255,"
          UDP(68, 67), SIM_CT_NEW, "drop self" },
    };
    struct test_rows rows;

    set_up(&rows, "enforce");
    test_rows_set(&rows, "network net1 key=1 subnets=10.1.0.0/24,fd00:1::/64 "
                  "gateways=10.1.0.1,fd00:1::1 dhcp_servers=10.1.0.12");
    test_rows_run(&rows);
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
        check_packet(&rows, &packets[i], NULL);
    }
    test_rows_destroy(&rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admission),
        cmocka_unit_test(test_arp),
        cmocka_unit_test(test_nd),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_related),
        cmocka_unit_test(test_audit),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_dhcp_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
