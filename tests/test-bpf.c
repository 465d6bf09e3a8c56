/* SPDX-License-Identifier: Apache-2.0 */

/* The fast path's programs, packet by packet.  The test is a table of packets
 * with what must become of them, in order, as connections make later ones
 * depend on earlier ones.  Needs root, else it is skipped. */

#include <config.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/compiler.h"
#include "controller/map-table.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "packets.h"
#include "tests/bpf-harness.h"
#include "tests/ovs-compat.h"
#include "tests/test-rows.h"
#include "timeval.h"
#include "util.h"

/* A line of the table.
 *
 * 'packet' is a packet in the syntax of ofproto/trace, from the container
 * whose name it begins with, perhaps with changes in braces at its end:
 * {OFFSET=HEX,...} replaces bytes, {len=N} sets the length, {gso=N} the size
 * of segments.  Or it is a command:
 *
 *     !row ROW                a row changes (see test-rows.h)
 *     !remove KIND NAME       a row goes
 *     !age SECONDS            all connections become older
 *     !forget                 all connections are lost
 *     !shadow                 what is handed on goes to a shadow port
 *
 * 'verdict' is "to CONTAINER", "to CONTAINER audit REASON", "ovs", "drop
 * REASON", "arp MAC", "na MAC", "na MAC router", or NULL for a command. */
struct line {
    const char *packet;
    const char *verdict;
};

#define MAC(X) "02:00:00:00:00:" X
#define ETH(X) X " dl_src=" MAC("0" X) ",dl_dst=" MAC("ee")
#define IP4(X, S, D) ETH(X) ",dl_type=0x800,nw_src=10.0.0." S \
    ",nw_dst=10.0.0." D ",nw_ttl=64"
#define IP6(X, S, D) ETH(X) ",dl_type=0x86dd,ipv6_src=fd00::" S \
    ",ipv6_dst=fd00::" D ",nw_ttl=64"
#define TCP(SRC, DST, FLAGS) ",nw_proto=6,tcp_src=" SRC ",tcp_dst=" DST \
    ",tcp_flags=" FLAGS
#define UDP(SRC, DST) ",nw_proto=17,udp_src=" SRC ",udp_dst=" DST
#define ECHO4(TYPE) ",nw_proto=1,icmp_type=" TYPE
/* An error of b about a packet of a, with the bytes of what it quotes from the
 * IP header on. */
#define ERROR4(X, S, D, TYPE, PROTO, L4) IP4(X, S, D) ECHO4(TYPE) \
    "{len=70,10=0038,2a=4500001c000000004000,33=" PROTO \
    ",36=0a00000a0a00000b,3e=" L4 "}"
#define ERROR6(X, S, D, TYPE, PROTO, L4) IP6(X, S, D) ECHO6(TYPE) \
    "{len=110,12=0038,3e=6000000000,44=" PROTO \
    ",46=fd00000000000000000000000000000a" \
    ",56=fd00000000000000000000000000000b,66=" L4 "}"
#define ECHO6(TYPE) ",nw_proto=58,icmpv6_type=" TYPE
#define ARP(X, OP, SHA, SPA, TPA) ETH(X) ",dl_type=0x806,arp_op=" OP \
    ",arp_sha=" MAC(SHA) ",arp_spa=10.0.0." SPA ",arp_tpa=10.0.0." TPA
#define NS(X, S, TARGET, SLL) X " dl_src=" MAC("0" X) \
    ",dl_dst=33:33:ff:00:00:0b,dl_type=0x86dd,ipv6_src=" S \
    ",ipv6_dst=ff02::1:ff00:b,nw_ttl=255,nw_proto=58,icmpv6_type=135" \
    ",nd_target=" TARGET ",nd_sll=" MAC(SLL)
#define NA(X, TARGET, TLL) X " dl_src=" MAC("0" X) \
    ",dl_dst=33:33:00:00:00:01,dl_type=0x86dd,ipv6_src=fd00::" X \
    ",ipv6_dst=ff02::1,nw_ttl=255,nw_proto=58,icmpv6_type=136" \
    ",nd_target=" TARGET ",nd_tll=" MAC(TLL)

/* The ports are in hexadecimal digits, as is the type of the first chunk. */
#define SCTP(X, S, D, SRC, DST, CHUNK) IP4(X, S, D) ",nw_proto=132" \
    "{len=54,10=0028,22=" SRC DST ",2e=" CHUNK "000014}"
/* A UDP packet with extension headers, from the first one on. */
#define EXTENDED(X, S, D, LEN, PLEN, FIRST, BYTES) \
    IP6(X, S, D) UDP("1000", "53") \
    "{len=" LEN ",12=" PLEN ",14=" FIRST ",36=" BYTES "}"

/* a may open tcp:80, udp:53 and echo to b.  c has no dependency with them, d
 * is not isolated, e is not on the fast path.  The container with letter X
 * has the addresses 10.0.0.N and fd00::X, where a is 10 and so on. */
static const char *const rows[] = {
    "network net key=1 subnets=10.0.0.0/24,fd00::/64 "
    "gateways=10.0.0.1,fd00::1 gateway_mac=02:00:00:00:00:01",
    "service a identity=300",
    "container a interface=if1 mac=02:00:00:00:00:0a ips=10.0.0.10,fd00::a",
    "service b identity=301",
    "container b interface=if2 mac=02:00:00:00:00:0b ips=10.0.0.11,fd00::b",
    "service c identity=302",
    "container c interface=if3 mac=02:00:00:00:00:0c ips=10.0.0.12,fd00::c",
    "service d identity=303 isolate=none",
    "container d interface=if4 mac=02:00:00:00:00:0d ips=10.0.0.13,fd00::d",
    "service e identity=304 isolate=none",
    "container e interface=if5 mac=02:00:00:00:00:0e ips=10.0.0.14,fd00::e",
    "dependency ab from=a to=b policies=tcp:80,udp:53,icmp:8,icmp6:128",
    "dependency ae from=a to=e policies=any",
    "network off key=2 subnets=10.0.0.0/24 enforcement=off",
    "service f identity=305 isolate=none",
    "container f interface=if6 mac=02:00:00:00:00:0f ips=10.0.0.15",
};

static const struct line lines[] = {
    /* Admission. */
    { ETH("a") ",dl_type=0x88cc", "drop ethertype" },
    { ETH("a") ",dl_type=0x8863", "drop ethertype" },
    { ETH("a") ",dl_type=0x05ff", "drop ethertype" },
    { ETH("a") ",dl_type=0x800,dl_vlan=5", "drop vlan-tag" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{c=88a80005}",
      "drop vlan-tag" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{6=03}",
      "drop multicast-source" },
    { ARP("a", "1", "0a", "10", "11") "{6=ffffffffffff}",
      "drop multicast-source" },

    /* Forged IPv4. */
    { IP4("a", "99", "11") TCP("1000", "80", "syn"), "drop ip-spoof" },
    { IP4("a", "11", "10") TCP("1000", "80", "syn"), "drop ip-spoof" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{6=020000000099}",
      "drop ip-spoof" },
    { IP4("a", "99", "11") UDP("1000", "53"), "drop ip-spoof" },
    { IP4("a", "99", "11") ",nw_proto=47", "drop ip-spoof" },
    { IP4("a", "99", "11") ",nw_proto=17,nw_frag=later", "drop ip-spoof" },
    { IP4("a", "10", "11") UDP("67", "68"), "drop dhcp-server" },
    { IP4("a", "99", "11") UDP("67", "68"), "drop dhcp-server" },
    { ETH("a") ",dl_type=0x800,nw_src=0.0.0.0,nw_dst=255.255.255.255"
      UDP("68", "67"), "drop dhcp-client" },

    /* Forged IPv6. */
    { IP6("a", "99", "b") TCP("1000", "80", "syn"), "drop ipv6-spoof" },
    { IP6("a", "b", "a") TCP("1000", "80", "syn"), "drop ipv6-spoof" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{6=020000000099}",
      "drop ipv6-spoof" },
    { IP6("a", "99", "b") ECHO6("128"), "drop ipv6-spoof" },
    { IP6("a", "99", "b") ",nw_proto=44", "ovs" },
    { IP6("a", "a", "b") ECHO6("134"), "drop router-advertisement" },
    { IP6("a", "99", "b") ECHO6("134"), "drop router-advertisement" },
    { IP6("a", "a", "b") ECHO6("137"), "drop redirect" },
    { ETH("a") ",dl_type=0x86dd,ipv6_src=::,ipv6_dst=ff02::16,nw_ttl=1"
      ECHO6("143"), "drop nd-unsolicited" },
    { ETH("a") ",dl_type=0x86dd,ipv6_src=::ffff:10.0.0.10,"
      "ipv6_dst=::ffff:10.0.0.11" TCP("1000", "80", "syn"),
      "drop ipv6-spoof" },
    { IP6("a", "a", "b") UDP("547", "546"), "drop dhcp-server" },

    /* ARP. */
    { ARP("a", "1", "0a", "10", "11"), "arp " MAC("0b") },
    { ARP("b", "1", "0b", "11", "10"), "arp " MAC("0a") },
    { ARP("a", "1", "0a", "10", "1"), "arp " MAC("01") },
    { ARP("c", "1", "0c", "12", "1"), "arp " MAC("01") },
    { ARP("c", "1", "0c", "12", "11"), "ovs" },
    { ARP("a", "1", "0a", "10", "12"), "ovs" },
    { ARP("a", "1", "0a", "10", "14"), "arp " MAC("0e") },
    { ARP("a", "1", "0a", "10", "77"), "ovs" },
    { ARP("a", "1", "99", "10", "11"), "drop arp-spoof" },
    { ARP("a", "1", "0b", "10", "11"), "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "11") "{6=020000000099}", "drop arp-spoof" },
    { ARP("a", "1", "0a", "11", "12"), "drop arp-spoof" },
    { ARP("a", "2", "0a", "1", "11"), "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "11") "{1c=00000000}", "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "10") "{1c=00000000}",
      "drop arp-unsolicited" },
    { ARP("a", "2", "0a", "10", "11"), "drop arp-unsolicited" },
    { ARP("a", "1", "0a", "10", "11") "{14=0003}", "drop arp-unsolicited" },
    { ARP("a", "1", "0a", "10", "10"), "drop arp-unsolicited" },
    { ARP("a", "1", "0a", "10", "11") "{e=0006}", "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "11") "{10=86dd}", "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "11") "{12=08}", "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "11") "{13=10}", "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "11") "{len=41}", "drop arp-spoof" },
    { ARP("a", "1", "0a", "10", "11") "{len=20}", "drop arp-spoof" },

    /* Neighbor discovery. */
    { NS("a", "fd00::a", "fd00::b", "0a"), "na " MAC("0b") },
    { NS("a", "fe80::ff:fe00:a", "fd00::b", "0a"), "na " MAC("0b") },
    { NS("a", "fe80::ff:fe00:a", "fe80::ff:fe00:b", "0a"), "na " MAC("0b") },
    { NS("b", "fd00::b", "fd00::a", "0b"), "na " MAC("0a") },
    { NS("a", "fd00::a", "fd00::1", "0a"), "na " MAC("01") " router" },
    { NS("c", "fd00::c", "fe80::ff:fe00:1", "0c"), "na " MAC("01")
      " router" },
    { NS("c", "fd00::c", "fd00::b", "0c"), "ovs" },
    { NS("a", "fd00::a", "fd00::77", "0a"), "ovs" },
    { NS("a", "fd00::a", "fd00::a", "0a"), "ovs" },
    { NS("a", "fd00::99", "fd00::b", "0a"), "drop ipv6-spoof" },
    { NS("a", "fd00::a", "fd00::b", "99"), "drop nd-spoof" },
    { NS("a", "::", "fd00::a", "0a"), "ovs" },
    { NS("a", "fd00::a", "fd00::b", "0a") "{15=fe}", "drop nd-spoof" },
    { NS("a", "fd00::a", "fd00::b", "0a") "{37=01}", "drop nd-spoof" },
    { NS("a", "fd00::a", "fd00::b", "0a") "{4e=02}", "ovs" },
    { NS("a", "fd00::a", "fd00::b", "0a") "{4f=02}", "ovs" },
    { NS("a", "fd00::a", "fd00::b", "0a") "{4f=00}", "ovs" },
    { NS("a", "fd00::a", "fd00::b", "0a") "{12=0028}", "ovs" },
    { NS("a", "fd00::a", "fd00::b", "0a") "{len=80}", "ovs" },
    { NA("a", "fd00::a", "0a"), "drop nd-unsolicited" },
    { NA("a", "fd00::b", "0a"), "drop nd-spoof" },
    { NA("a", "fd00::b", "99"), "drop nd-spoof" },

    /* Options and extension headers. */
    { IP4("a", "10", "11") UDP("1000", "53")
      "{len=46,e=46,10=0020,22=0101010103e8003500080000}", "to b" },
    { IP4("a", "99", "11") UDP("1000", "53")
      "{len=46,e=46,10=0020,22=0101010103e8003500080000}", "drop ip-spoof" },
    { IP4("a", "10", "11") UDP("1000", "53")
      "{len=46,e=46,10=0020,22=010101010043004400080000}",
      "drop dhcp-server" },
    { EXTENDED("a", "a", "b", "70", "0010", "00",
               "110000000000000003e8003500080000"), "to b" },
    { EXTENDED("a", "99", "b", "70", "0010", "00",
               "110000000000000003e8003500080000"), "drop ipv6-spoof" },
    { EXTENDED("a", "a", "b", "86", "0020", "3c",
               "2b010000000000000000000000000000110000000000000003e80035"
               "00080000"), "to b" },
    { EXTENDED("a", "a", "b", "70", "0010", "33",
               "110000000000000003e8003500080000"), "to b" },
    { EXTENDED("a", "a", "b", "70", "0010", "3c",
               "110100000000000003e8003500080000"), "ovs" },
    { EXTENDED("a", "a", "b", "102", "0030", "3c",
               "3c000000000000003c000000000000003c000000000000003c0000000000"
               "0000110000000000000003e8003500080000"), "ovs" },
    { EXTENDED("a", "a", "b", "70", "0010", "3c",
               "3a000000000000008600000000000000"), "drop "
      "router-advertisement" },
    { EXTENDED("a", "99", "b", "70", "0010", "3c",
               "3a000000000000008900000000000000"), "drop redirect" },
    { EXTENDED("a", "a", "b", "70", "0010", "3c",
               "11000000000000000223022200080000"), "drop dhcp-server" },

    /* What the fast path does not look into. */
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{e=46}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{e=4f}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{e=44}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{e=65}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{14=0001}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{10=0029}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{10=0027}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{10=0000}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{2e=40}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{2e=60}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn") "{len=53}", "ovs" },
    { IP4("a", "10", "11") UDP("1000", "53") "{26=0007}", "ovs" },
    { IP4("a", "10", "11") UDP("1000", "53") "{26=00ff}", "ovs" },
    { IP4("a", "10", "11") UDP("1000", "53") "{len=41}", "ovs" },
    { IP4("a", "10", "11") ECHO4("3"), "ovs" },
    { IP4("a", "10", "11") ECHO4("13"), "ovs" },
    { IP4("a", "10", "11") ",nw_proto=132", "ovs" },
    { IP4("a", "10", "11") ",nw_proto=47", "ovs" },
    { IP4("a", "10", "11") ECHO4("8") "{17=3a,22=80}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{14=00}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{14=2b}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{14=2c}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{14=33}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{14=3c}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{14=3b}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{e=40}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{12=0015}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{12=0000}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "syn") "{len=73}", "ovs" },
    { IP6("a", "a", "b") UDP("1000", "53") "{12=0004}", "ovs" },
    { IP6("a", "a", "b") ECHO6("1"), "ovs" },
    { IP6("a", "a", "b") ECHO6("128") "{14=01,36=08}", "ovs" },
    { ETH("a") ",dl_type=0x86dd,ipv6_src=fd00::a,ipv6_dst=ff02::1"
      UDP("1000", "53"), "drop multicast-destination" },

    /* TCP flags. */
    { IP4("a", "10", "11") TCP("1001", "80", "0"), "ovs" },
    { IP4("a", "10", "11") TCP("1001", "80", "fin"), "ovs" },
    { IP4("a", "10", "11") TCP("1001", "80", "syn|fin"), "ovs" },
    { IP4("a", "10", "11") TCP("1001", "80", "syn|rst"), "ovs" },
    { IP4("a", "10", "11") TCP("1001", "80", "syn|ack"), "ovs" },
    { IP4("a", "10", "11") TCP("1001", "80", "rst"), "ovs" },
    { IP4("a", "10", "11") TCP("1001", "80", "psh|urg"), "ovs" },
    { IP4("a", "10", "11") TCP("1001", "80", "0xfff"), "ovs" },

    /* Policy for new connections. */
    { IP4("a", "10", "11") TCP("1000", "81", "syn"), "drop egress-policy" },
    { IP4("a", "10", "11") TCP("1000", "79", "syn"), "drop egress-policy" },
    { IP4("a", "10", "12") TCP("1000", "80", "syn"), "drop egress-policy" },
    { IP4("a", "10", "14") TCP("1000", "80", "syn"), "ovs" },
    { IP4("a", "10", "1") TCP("1000", "80", "syn"), "ovs" },
    { IP4("a", "10", "10") TCP("1000", "80", "syn"), "drop self" },
    { IP4("a", "10", "99") TCP("1000", "80", "syn"), "ovs" },
    { IP4("a", "10", "13") TCP("1000", "80", "syn"), "drop egress-policy" },
    { IP4("b", "11", "10") TCP("1000", "80", "syn"), "drop egress-policy" },
    { IP4("c", "12", "11") TCP("1000", "80", "syn"), "drop egress-policy" },
    { IP4("d", "13", "11") TCP("1000", "80", "syn"), "drop ingress-policy" },
    { IP6("b", "b", "a") TCP("1000", "80", "syn"), "drop egress-policy" },
    { IP6("c", "c", "b") TCP("1000", "80", "syn"), "drop egress-policy" },
    { IP4("f", "15", "11") TCP("1000", "80", "syn"), "ovs" },
    { IP4("f", "99", "11") TCP("1000", "80", "syn"), "ovs" },
    { ARP("f", "1", "99", "99", "11"), "ovs" },
    { IP4("e", "99", "11") TCP("1000", "80", "syn"), "ovs" },

    /* A TCP connection. */
    { IP4("b", "11", "10") TCP("80", "1000", "syn|ack"), "ovs" },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn"), "to b" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "syn|ack"), "to a" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "ack|psh"), "to a" },
    { IP4("b", "11", "10") TCP("80", "1000", "syn"), "drop egress-policy" },
    { IP4("b", "11", "10") TCP("80", "1001", "ack"), "ovs" },
    { IP4("b", "11", "10") TCP("81", "1000", "ack"), "ovs" },
    { IP4("c", "12", "10") TCP("80", "1000", "ack"), "ovs" },
    { IP6("b", "b", "a") TCP("80", "1000", "ack"), "ovs" },
    { "!age 86000", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!age 86401", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "ovs" },

    /* In mid-stream, by its originator only. */
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!forget", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "fin|ack"), "to b" },

    /* One packet is not enough. */
    { "!forget", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { "!age 31", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!age 86000", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { IP4("a", "10", "11") TCP("1000", "80", "fin|ack"), "to b" },

    /* Half closed. */
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!age 899", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!age 901", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "fin|ack"), "to b" },

    /* The end of a connection, and the next one from the same port. */
    { IP4("b", "11", "10") TCP("80", "1000", "fin|ack"), "to a" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { "!age 44", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!age 2", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "ovs" },
    { "!forget", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "syn"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "rst|ack"), "to a" },
    { "!age 31", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "syn|ack"), "to a" },
    { IP4("b", "11", "10") TCP("80", "1000", "rst"), "to a" },
    { IP4("a", "10", "11") TCP("1000", "80", "syn"), "to b" },
    { "!age 29", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "syn|ack"), "to a" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { "!age 1000", NULL },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },

    /* Not answered in time. */
    { IP4("a", "10", "11") TCP("1002", "80", "syn"), "to b" },
    { "!age 31", NULL },
    { IP4("b", "11", "10") TCP("80", "1002", "syn|ack"), "ovs" },

    /* IPv6. */
    { IP6("a", "a", "b") TCP("1000", "80", "syn"), "to b" },
    { IP6("b", "b", "a") TCP("80", "1000", "syn|ack"), "to a" },
    { IP6("a", "a", "b") TCP("1000", "80", "ack"), "to b" },

    /* UDP. */
    { IP4("b", "11", "10") UDP("53", "1000"), "ovs" },
    { IP4("a", "10", "11") UDP("1000", "54"), "ovs" },
    { IP4("a", "10", "11") UDP("1000", "53"), "to b" },
    { "!age 59", NULL },
    { IP4("b", "11", "10") UDP("53", "1000"), "to a" },
    { "!age 29", NULL },
    { IP4("b", "11", "10") UDP("53", "1000"), "to a" },
    { "!age 31", NULL },
    { IP4("b", "11", "10") UDP("53", "1000"), "ovs" },
    { IP4("a", "10", "11") UDP("1000", "53"), "to b" },
    { "!age 61", NULL },
    { IP4("b", "11", "10") UDP("53", "1000"), "ovs" },
    { IP6("a", "a", "b") UDP("1000", "53"), "to b" },
    { IP6("b", "b", "a") UDP("53", "1000"), "to a" },

    /* Echo. */
    { IP4("b", "11", "10") ECHO4("0"), "ovs" },
    { IP4("b", "11", "10") ECHO4("8"), "drop egress-policy" },
    { IP4("a", "10", "11") ECHO4("8"), "to b" },
    { IP4("b", "11", "10") ECHO4("0"), "to a" },
    { IP4("b", "11", "10") ECHO4("0") "{26=0001}", "ovs" },
    { IP4("b", "11", "10") ECHO4("8"), "drop egress-policy" },
    { "!age 31", NULL },
    { IP4("b", "11", "10") ECHO4("0"), "ovs" },
    { IP6("a", "a", "b") ECHO6("128"), "to b" },
    { IP6("b", "b", "a") ECHO6("129"), "to a" },
    { IP6("b", "b", "a") ECHO6("128"), "drop egress-policy" },
    { "!age 61", NULL },

    /* SCTP. */
    { SCTP("a", "10", "11", "03e8", "0007", "01"), "drop egress-policy" },
    { SCTP("a", "10", "11", "03e8", "0007", "00"), "ovs" },
    { "!row dependency sctp from=a to=b policies=sctp:7", NULL },
    { SCTP("a", "10", "11", "03e8", "0008", "01"), "drop egress-policy" },
    { SCTP("b", "11", "10", "0007", "03e8", "02"), "ovs" },
    { SCTP("a", "10", "11", "03e8", "0007", "02"), "ovs" },
    { SCTP("a", "10", "11", "03e8", "0007", "06"), "ovs" },
    { SCTP("a", "10", "11", "03e8", "0007", "01"), "to b" },
    { SCTP("b", "11", "10", "0007", "03e8", "02"), "to a" },
    { SCTP("a", "10", "11", "03e8", "0007", "0a"), "to b" },
    { SCTP("b", "11", "10", "0007", "03e8", "0b"), "to a" },
    { SCTP("b", "11", "10", "0007", "03e8", "01"), "drop egress-policy" },
    { "!age 200", NULL },
    { SCTP("b", "11", "10", "0007", "03e8", "00"), "to a" },
    { SCTP("b", "11", "10", "0007", "03e8", "07"), "to a" },
    { SCTP("a", "10", "11", "03e8", "0007", "08"), "to b" },
    { "!age 9", NULL },
    { SCTP("b", "11", "10", "0007", "03e8", "0e"), "to a" },
    { "!age 11", NULL },
    { SCTP("b", "11", "10", "0007", "03e8", "00"), "ovs" },
    { SCTP("a", "10", "11", "03e8", "0007", "00"), "to b" },
    { SCTP("b", "11", "10", "0007", "03e8", "00"), "to a" },
    { SCTP("b", "11", "10", "0007", "03e8", "06"), "to a" },
    { SCTP("a", "10", "11", "03e8", "0007", "01"), "to b" },
    { SCTP("b", "11", "10", "0007", "03e8", "02"), "to a" },
    { ERROR4("b", "11", "10", "3", "84", "03e8000700000000"), "to a" },
    { IP4("a", "10", "11") ",nw_proto=132{len=49,10=0023,22=03e80007}",
      "ovs" },
    { "!remove dependency sctp", NULL },
    { SCTP("b", "11", "10", "0007", "03e8", "00"), "drop egress-policy" },

    /* Fragments: those of a delivered packet, in order. */
    { IP4("a", "10", "11") UDP("1000", "53")
      "{len=74,10=003c,12=0001,14=2000,26=0064}", "to b" },
    { IP4("a", "10", "11") ",nw_proto=17" "{len=74,10=003c,12=0001,14=0005}",
      "to b" },
    { IP4("a", "10", "11") ",nw_proto=17" "{len=74,10=003c,12=0002,14=0005}",
      "ovs" },
    { IP4("a", "10", "11") ",nw_proto=6" "{len=74,10=003c,12=0001,14=0005}",
      "ovs" },
    { IP4("a", "10", "12") ",nw_proto=17" "{len=74,10=003c,12=0001,14=0005}",
      "ovs" },
    { IP4("a", "99", "11") ",nw_proto=17" "{len=74,10=003c,12=0001,14=0005}",
      "drop ip-spoof" },
    { IP4("b", "11", "10") UDP("53", "1000")
      "{len=74,10=003c,12=0003,14=2000,26=0064}", "to a" },
    { IP4("b", "11", "10") ",nw_proto=17" "{len=74,10=003c,12=0003,14=0005}",
      "to a" },
    { IP4("a", "10", "11") UDP("1000", "54")
      "{len=74,10=003c,12=0004,14=2000,26=0064}", "ovs" },
    { IP4("a", "10", "11") ",nw_proto=17" "{len=74,10=003c,12=0004,14=0005}",
      "ovs" },
    { IP4("a", "10", "11") UDP("1000", "53")
      "{len=74,10=003c,12=0005,14=2000,26=0028}", "ovs" },
    { IP6("a", "a", "b") UDP("1000", "53")
      "{len=94,14=2c,12=0028,36=1100000100000001,3e=03e80035004000000000}",
      "to b" },
    { IP6("a", "a", "b") UDP("1000", "53")
      "{len=94,14=2c,12=0028,36=1100002800000001}", "to b" },
    { IP6("a", "a", "b") UDP("1000", "53")
      "{len=94,14=2c,12=0028,36=1100002800000002}", "ovs" },
    { IP6("a", "a", "b") UDP("1000", "53")
      "{len=94,14=2c,12=0028,36=1100000000000001,3e=03e80035004000000000}",
      "ovs" },
    { "!remove dependency ab", NULL },
    { IP4("a", "10", "11") ",nw_proto=17" "{len=74,10=003c,12=0001,14=0005}",
      "ovs" },
    { "!row dependency ab from=a to=b policies=tcp:80,udp:53,icmp:8,icmp6:128",
      NULL },
    { IP4("a", "10", "11") ",nw_proto=17" "{len=74,10=003c,12=0001,14=0005}",
      "to b" },
    { "!age 61", NULL },
    { IP4("a", "10", "11") ",nw_proto=17" "{len=74,10=003c,12=0001,14=0005}",
      "ovs" },

    /* Errors about connections. */
    { ERROR4("b", "11", "10", "3", "11", "03e8003500080000"), "ovs" },
    { IP4("a", "10", "11") UDP("1000", "53"), "to b" },
    { ERROR4("b", "11", "10", "3", "11", "03e8003500080000"), "to a" },
    { ERROR4("b", "11", "10", "11", "11", "03e8003500080000"), "to a" },
    { ERROR4("b", "11", "10", "5", "11", "03e8003500080000"), "ovs" },
    { ERROR4("b", "11", "10", "3", "11", "03e8003600080000"), "ovs" },
    { ERROR4("b", "11", "10", "3", "06", "03e8003500080000"), "ovs" },
    { ERROR4("c", "12", "10", "3", "11", "03e8003500080000"), "ovs" },
    { ERROR4("b", "99", "10", "3", "11", "03e8003500080000"),
      "drop ip-spoof" },
    { IP6("a", "a", "b") UDP("1000", "53"), "to b" },
    { ERROR6("b", "b", "a", "1", "11", "03e8003500080000"), "to a" },
    { ERROR6("b", "b", "a", "2", "11", "03e8003500080000"), "to a" },
    { ERROR6("b", "b", "a", "1", "11", "03e8003600080000"), "ovs" },
    { ERROR6("b", "b", "a", "1", "2c", "03e8003500080000"), "ovs" },
    { IP4("a", "10", "11") ECHO4("8"), "to b" },
    { ERROR4("b", "11", "10", "3", "01", "0800000000000000"), "to a" },
    { ERROR4("b", "11", "10", "3", "3a", "0800000000000000"), "ovs" },
    { "!remove dependency ab", NULL },
    { ERROR4("b", "11", "10", "3", "11", "03e8003500080000"), "ovs" },
    { "!row dependency ab from=a to=b policies=tcp:80,udp:53,icmp:8,icmp6:128",
      NULL },
    { "!age 61", NULL },
    { ERROR4("b", "11", "10", "3", "11", "03e8003500080000"), "ovs" },

    /* A dependency goes and comes back. */
    { IP4("a", "10", "11") TCP("1000", "80", "syn"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "syn|ack"), "to a" },
    { "!remove dependency ab", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "drop egress-policy" },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "drop egress-policy" },
    { ARP("a", "1", "0a", "10", "11"), "ovs" },
    { NS("a", "fd00::a", "fd00::b", "0a"), "ovs" },
    { "!row dependency ab from=a to=b policies=tcp:80 direction=egress",
      NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "drop ingress-policy" },
    { "!row dependency ba from=a to=b policies=tcp:1-1000 direction=ingress",
      NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { IP4("a", "10", "11") TCP("1000", "81", "syn"), "drop egress-policy" },
    { "!row dependency ba from=any to=b policies=any direction=ingress",
      NULL },
    { IP4("a", "10", "11") TCP("1003", "80", "syn"), "to b" },
    { IP4("d", "13", "11") TCP("1000", "81", "syn"), "to b" },
    { IP4("c", "12", "11") TCP("1000", "81", "syn"), "drop egress-policy" },
    { "!remove dependency ba", NULL },
    { "!row dependency ab from=a to=b policies=tcp:80,udp:53,icmp:8,icmp6:128",
      NULL },

    /* Rules about any subject, and about what is not in the maps. */
    { IP4("c", "12", "11") TCP("1000", "443", "syn"), "drop egress-policy" },
    { "!row dependency any from=any to=b policies=tcp:443", NULL },
    { IP4("c", "12", "11") TCP("1000", "443", "syn"), "to b" },
    { IP4("c", "12", "11") TCP("1000", "444", "syn"), "drop egress-policy" },
    { "!row dependency any from=any to=b,cidr:10.1.0.0/16 policies=tcp:443",
      NULL },
    { IP4("c", "12", "11") TCP("1000", "443", "syn"), "to b" },
    { IP4("c", "12", "11") TCP("1000", "444", "syn"), "ovs" },
    { IP4("d", "13", "11") TCP("1000", "444", "syn"), "drop ingress-policy" },
    { "!row dependency any from=c to=cidr:10.1.0.0/16 policies=tcp:443",
      NULL },
    { IP4("c", "12", "11") TCP("1000", "443", "syn"), "ovs" },
    { IP4("a", "10", "11") TCP("1000", "443", "syn"), "drop egress-policy" },
    { "!remove dependency any", NULL },

    /* To a container that is not on the fast path. */
    { IP4("b", "11", "14") TCP("1000", "80", "syn"), "drop egress-policy" },
    { IP4("b", "11", "14") TCP("1000", "80", "ack"), "ovs" },
    { IP4("d", "13", "14") TCP("1000", "80", "syn"), "ovs" },

    /* A DHCP server. */
    { "!row network net key=1 subnets=10.0.0.0/24,fd00::/64 "
      "gateways=10.0.0.1,fd00::1 gateway_mac=02:00:00:00:00:01 "
      "dhcp_servers=10.0.0.13", NULL },
    { ETH("a") ",dl_type=0x800,nw_src=0.0.0.0,nw_dst=255.255.255.255"
      UDP("68", "67"), "ovs" },
    { ETH("a") ",dl_type=0x800,nw_src=0.0.0.0,nw_dst=10.0.0.13"
      UDP("68", "67"), "drop dhcp-client" },
    { ETH("a") ",dl_type=0x800,nw_src=10.0.0.10,nw_dst=255.255.255.255"
      UDP("68", "67"), "ovs" },
    { ETH("a") ",dl_type=0x800,nw_src=10.0.0.10,nw_dst=255.255.255.255"
      UDP("68", "66"), "drop multicast-destination" },
    { IP4("d", "13", "10") UDP("67", "68"), "ovs" },
    { IP4("a", "10", "13") UDP("67", "68"), "drop dhcp-server" },
    { ETH("a") ",dl_type=0x86dd,ipv6_src=fd00::a,ipv6_dst=ff02::1:2"
      UDP("546", "547"), "drop dhcp-client" },
    { "!row network net key=1 subnets=10.0.0.0/24,fd00::/64 "
      "gateways=10.0.0.1,fd00::1 gateway_mac=02:00:00:00:00:01 "
      "dhcp_servers=fd00::d", NULL },
    { ETH("a") ",dl_type=0x86dd,ipv6_src=fd00::a,ipv6_dst=ff02::1:2"
      UDP("546", "547"), "ovs" },
    { ETH("a") ",dl_type=0x800,nw_src=0.0.0.0,nw_dst=255.255.255.255"
      UDP("68", "67"), "drop dhcp-client" },
    { IP6("d", "d", "a") UDP("547", "546"), "ovs" },

    /* Audit mode. */
    { "!row network net key=1 subnets=10.0.0.0/24,fd00::/64 "
      "gateways=10.0.0.1,fd00::1 gateway_mac=02:00:00:00:00:01 "
      "enforcement=audit", NULL },
    { IP4("a", "10", "11") TCP("2000", "80", "syn"), "to b" },
    { IP4("a", "10", "11") TCP("2000", "81", "syn"),
      "to b audit egress-policy" },
    { IP4("b", "11", "10") TCP("81", "2000", "syn|ack"),
      "to a audit egress-policy" },
    { IP4("a", "10", "11") TCP("2000", "81", "ack"),
      "to b audit egress-policy" },
    { IP4("d", "13", "11") TCP("2000", "81", "syn"),
      "to b audit ingress-policy" },
    { IP4("a", "10", "11") TCP("2000", "82", "ack"), "ovs" },
    { IP4("a", "10", "11") UDP("2000", "82"), "ovs" },
    { IP4("a", "10", "14") TCP("2000", "82", "syn"), "ovs" },
    { IP4("a", "99", "11") TCP("2000", "81", "syn"), "drop ip-spoof" },
    { ARP("c", "1", "0c", "12", "11"), "ovs" },
    { "!row network net key=1 subnets=10.0.0.0/24,fd00::/64 "
      "gateways=10.0.0.1,fd00::1 gateway_mac=02:00:00:00:00:01", NULL },
    { IP4("a", "10", "11") TCP("2000", "81", "ack"), "drop egress-policy" },

    /* Isolation. */
    { "!row service b network=net identity=301 isolate=egress", NULL },
    { IP4("d", "13", "11") TCP("1000", "22", "syn"), "to b" },
    { IP4("b", "11", "13") TCP("1001", "22", "syn"), "drop egress-policy" },
    { "!row service b network=net identity=301 isolate=ingress", NULL },
    { IP4("d", "13", "11") TCP("1000", "22", "ack"), "drop ingress-policy" },
    { IP4("b", "11", "13") TCP("1001", "22", "syn"), "to d" },
    { "!row service b network=net identity=301", NULL },

    /* A network that does not enforce any more. */
    { "!row network net key=1 subnets=10.0.0.0/24,fd00::/64 "
      "gateways=10.0.0.1,fd00::1 gateway_mac=02:00:00:00:00:01 "
      "enforcement=off", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "ovs" },
    { IP4("a", "99", "11") TCP("1000", "80", "ack"), "ovs" },
    { ARP("a", "1", "0a", "10", "1"), "ovs" },
    { "!row network net key=1 subnets=10.0.0.0/24,fd00::/64 "
      "gateways=10.0.0.1,fd00::1 gateway_mac=02:00:00:00:00:01", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },

    /* An address moves to another container. */
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!row container b service=b interface=if2 mac=02:00:00:00:00:0b "
      "ips=fd00::b", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "ovs" },
    { IP4("b", "11", "10") TCP("80", "1000", "ack"), "drop ip-spoof" },
    { "!row container c service=c interface=if3 mac=02:00:00:00:00:0c "
      "ips=10.0.0.11,10.0.0.12,fd00::c", NULL },
    { IP4("c", "11", "10") TCP("80", "1000", "ack"), "drop egress-policy" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "drop egress-policy" },
    { "!row container c service=b interface=if3 mac=02:00:00:00:00:0c "
      "ips=10.0.0.11,10.0.0.12,fd00::c", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to c" },
    { IP4("c", "11", "10") TCP("80", "1000", "ack"), "to a" },
    { "!row container c service=c interface=if3 mac=02:00:00:00:00:0c "
      "ips=10.0.0.12,fd00::c", NULL },
    { "!row container b service=b interface=if2 mac=02:00:00:00:00:0b "
      "ips=10.0.0.11,fd00::b", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },

    /* MTU: that of b is 1400, without Ethernet. */
    { IP4("a", "10", "11") UDP("1000", "53") "{len=1414,10=0578,26=0564}",
      "to b" },
    { IP4("a", "10", "11") UDP("1000", "53") "{len=1415,10=0579,26=0565}",
      "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack")
      "{len=1800,10=06fa,gso=1360}", "to b" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack")
      "{len=1800,10=06fa,gso=1361}", "ovs" },
    { IP4("a", "10", "11") TCP("1000", "80", "ack")
      "{len=1800,10=06fa,2e=80,gso=1349}", "ovs" },
    { IP6("a", "a", "b") TCP("1000", "80", "ack")
      "{len=1800,12=06d2,gso=1340}", "to b" },
    { IP6("a", "a", "b") TCP("1000", "80", "ack")
      "{len=1800,12=06d2,gso=1341}", "ovs" },

    /* The same to a shadow port. */
    { "!shadow", NULL },
    { IP4("a", "10", "11") TCP("1000", "80", "ack"), "to b" },
    { IP4("a", "10", "11") TCP("1000", "81", "ack"), "ovs" },
    { IP4("a", "99", "11") TCP("1000", "80", "ack"), "drop ip-spoof" },
    { ARP("a", "1", "0a", "10", "11"), "arp " MAC("0b") },
};

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2
#define TC_ACT_REDIRECT 7

/* Interfaces of the harness: of container 'x', and of all shadow ports. */
#define IFINDEX(X) (HARNESS_IFINDEX + (X) - 'a')
#define SHADOW_IFINDEX (HARNESS_IFINDEX + 100)

static struct bpf_harness *harness;
static struct test_rows test_rows;
static bool shadow;

OVS_NO_RETURN OVS_PRINTF_FORMAT(2, 3) static void
fail(const struct line *line, const char *format, ...)
{
    va_list args;

    printf("%s -> %s: ", line->packet, line->verdict ? line->verdict : "");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    exit(EXIT_FAILURE);
}

static void
install(void)
{
    struct map_table *maps = compiler_get_maps(test_rows.compiler);

    test_rows_run(&test_rows);
    bpf_harness_remove(harness, maps);
    bpf_harness_add(harness, maps);
    bpf_harness_check(harness, maps);
}

/* Commands. */

static void
forget_connections(void)
{
    int fd = bpf_harness_map(harness, "connections");
    struct bastion_connection_key key;

    while (!bpf_map_get_next_key(fd, NULL, &key)) {
        bpf_map_delete_elem(fd, &key);
    }
}

static void
run_command(const struct line *line)
{
    const char *command = line->packet + 1;

    if (!strncmp(command, "row ", 4)) {
        test_rows_set(&test_rows, command + 4);
        install();
    } else if (!strncmp(command, "remove ", 7)) {
        test_rows_remove(&test_rows, command + 7);
        install();
    } else if (!strncmp(command, "age ", 4)) {
        bpf_harness_age(harness, atoi(command + 4));
    } else if (!strcmp(command, "forget")) {
        forget_connections();
    } else if (!strcmp(command, "shadow")) {
        shadow = true;
        for (char x = 'a'; x <= 'f'; x++) {
            bpf_harness_attach(harness, IFINDEX(x), SHADOW_IFINDEX);
        }
    } else {
        fail(line, "unknown command");
    }
}

/* Packets. */

struct packet {
    char container;
    struct flow flow;
    struct dp_packet bytes;
    uint32_t gso_size;
};

/* Does what is in the braces of 'line'. */
static void
edit_packet(const struct line *line, struct packet *packet, char *edits)
{
    char *save = NULL;

    for (char *edit = strtok_r(edits, ",}", &save); edit;
         edit = strtok_r(NULL, ",}", &save)) {
        char *value = strchr(edit, '=') + 1;

        if (!strncmp(edit, "gso=", 4)) {
            packet->gso_size = atoi(value);
        } else if (!strncmp(edit, "len=", 4)) {
            size_t len = atoi(value);
            size_t size = dp_packet_size(&packet->bytes);

            if (len > size) {
                dp_packet_put_zeros(&packet->bytes, len - size);
            }
            dp_packet_set_size(&packet->bytes, len);
        } else {
            size_t offset = strtoul(edit, NULL, 16);
            size_t n = strlen(value) / 2;
            uint8_t *data = dp_packet_data(&packet->bytes);

            if (offset + n > dp_packet_size(&packet->bytes)) {
                fail(line, "no bytes at offset %"PRIuSIZE, offset);
            }
            for (size_t i = 0; i < n; i++) {
                bool ok;

                data[offset + i] = hexits_value(&value[2 * i], 2, &ok);
            }
        }
    }
}

static void
make_packet(const struct line *line, struct packet *packet)
{
    char *text = xstrdup(line->packet + 2);
    char *edits = strchr(text, '{');

    memset(packet, 0, sizeof *packet);
    packet->container = line->packet[0];
    if (edits) {
        *edits++ = '\0';
    }

    char *error = parse_ofp_exact_flow(&packet->flow, NULL, NULL, text, NULL);
    if (error) {
        fail(line, "%s", error);
    }
    dp_packet_init(&packet->bytes, 0);
    compat_flow_compose(&packet->bytes, &packet->flow);
    if (edits) {
        edit_packet(line, packet, edits);
    }
    free(text);
}

static bool
is_delivered(const struct packet *packet, const struct harness_verdict *v,
             char container)
{
    struct eth_addr mac = ETH_ADDR_C(02,00,00,00,00,00);
    const uint8_t *data = dp_packet_data(&packet->bytes);

    mac.ea[5] = container - 'a' + 0xa;
    return (v->action == HARNESS_DELIVERED
            && v->retval == TC_ACT_REDIRECT
            && v->len == dp_packet_size(&packet->bytes)
            && !memcmp(v->data, &mac, sizeof mac)
            && !memcmp(v->data + 6, data + 6, v->len - 6));
}

static bool
is_answered(const struct packet *packet, const struct harness_verdict *v,
            const char *mac_, bool router)
{
    const struct flow *flow = &packet->flow;
    bool arp = flow->dl_type == htons(ETH_TYPE_ARP);
    struct dp_packet expected;
    struct eth_addr mac;

    ovs_assert(ovs_scan(mac_, ETH_ADDR_SCAN_FMT, ETH_ADDR_SCAN_ARGS(mac)));
    dp_packet_init(&expected, 0);
    if (arp) {
        compose_arp(&expected, ARP_OP_REPLY, mac, flow->dl_src, false,
                    flow->nw_dst, flow->nw_src);
    } else {
        compose_nd_na(&expected, mac, flow->dl_src, &flow->nd_target,
                      &flow->ipv6_src,
                      htonl(ND_RSO_SOLICITED | ND_RSO_OVERRIDE
                            | (router ? ND_RSO_ROUTER : 0)));
    }

    bool same = (v->action == (arp ? HARNESS_ARP : HARNESS_ND)
                 && v->retval == TC_ACT_REDIRECT
                 && v->len == dp_packet_size(&expected)
                 && !memcmp(v->data, dp_packet_data(&expected), v->len));
    dp_packet_uninit(&expected);
    return same;
}

static bool
is_untouched(const struct packet *packet, const struct harness_verdict *v)
{
    return (v->action == HARNESS_TO_OVS
            && v->retval == (shadow ? TC_ACT_REDIRECT : TC_ACT_UNSPEC)
            && v->len == dp_packet_size(&packet->bytes)
            && !memcmp(v->data, dp_packet_data(&packet->bytes), v->len));
}

static bool
is_as_expected(const struct packet *packet, const struct harness_verdict *v,
               const char *verdict)
{
    if (!strcmp(verdict, "ovs")) {
        return is_untouched(packet, v);
    } else if (!strncmp(verdict, "to ", 3)) {
        const char *reason = verdict[4] ? strrchr(verdict, ' ') + 1 : NULL;

        return (is_delivered(packet, v, verdict[3])
                && (reason ? !strcmp(drop_reason_name(v->reason), reason)
                    : !v->reason));
    } else if (!strncmp(verdict, "drop ", 5)) {
        return (v->action == HARNESS_DROPPED && v->retval == TC_ACT_SHOT
                && !strcmp(drop_reason_name(v->reason), verdict + 5));
    } else {
        const char *mac = strchr(verdict, ' ') + 1;

        return is_answered(packet, v, mac, strstr(mac, "router"));
    }
}

/* Packets handed over because there was no room for an entry. */
static uint64_t
n_full(void)
{
    return (bpf_harness_counter(harness, BASTION_COUNTER_CONNECTIONS_FULL)
            + bpf_harness_counter(harness, BASTION_COUNTER_FRAGMENTS_FULL));
}

static void
run_packet(const struct line *line)
{
    static const char *const actions[] = {
        "ovs", "drop", "delivered", "ARP answer", "NA"
    };
    struct harness_verdict v;
    struct packet packet;

    make_packet(line, &packet);
    for (int i = 0; i < 10; i++) {
        uint64_t before = n_full();

        bpf_harness_run(harness, IFINDEX(packet.container),
                        dp_packet_data(&packet.bytes),
                        dp_packet_size(&packet.bytes), packet.gso_size, &v);

        /* The kernel may have no memory for a timer at the moment. */
        if (strncmp(line->verdict, "to ", 3) || n_full() == before) {
            break;
        }
    }
    if (!is_as_expected(&packet, &v, line->verdict)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ds_put_hex_dump(&s, dp_packet_data(&packet.bytes),
                        MIN(dp_packet_size(&packet.bytes), 128), 0, false);
        ds_put_hex_dump(&s, v.data, MIN(v.len, 128), 0, false);
        fail(line, "got %s, reason %d, return value %d\n%s",
             actions[v.action], v.reason, v.retval, ds_cstr(&s));
    }
    dp_packet_uninit(&packet.bytes);
}

/* An interface that is nobody's is closed. */
static void
test_unknown_interfaces(void)
{
    uint8_t data[60] = { 2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, 8, 0 };
    uint32_t tap = SHADOW_IFINDEX;
    uint32_t veth = IFINDEX('a');
    int fd = bpf_harness_map(harness, "shadows");

    ovs_assert(bpf_harness_run_shadow(harness, tap, data, sizeof data)
               == TC_ACT_SHOT);
    bpf_map_update_elem(fd, &tap, &veth, BPF_ANY);
    ovs_assert(bpf_harness_run_shadow(harness, tap, data, sizeof data)
               == TC_ACT_REDIRECT);
    bpf_map_delete_elem(fd, &tap);
}

/* With no room for all of a container's addresses, it is not taken for a
 * forger, and gets its place when there is room. */
static void
test_full_sources(void)
{
    static const struct line to_ovs = {
        IP4("c", "99", "11") TCP("1000", "80", "syn"), "ovs"
    };
    static const struct line dropped = {
        IP4("c", "99", "11") TCP("1000", "80", "syn"), "drop ip-spoof"
    };
    struct bastion_source_key key = { .ifindex = 1 };
    struct map_table *maps = compiler_get_maps(test_rows.compiler);
    int fd = bpf_harness_map(harness, "sources");
    uint8_t value = 1;
    uint32_t n = 0;

    run_packet(&dropped);
    test_rows_remove(&test_rows, "container c");
    install();
    while (!bpf_map_update_elem(fd, &key, &value, BPF_ANY)) {
        n++;
        memcpy(key.address.bytes, &n, sizeof n);
    }
    test_rows_set(&test_rows, "container c service=c interface=if3 "
                  "mac=02:00:00:00:00:0c ips=10.0.0.12,fd00::c");
    test_rows_run(&test_rows);
    bpf_harness_remove(harness, maps);
    bpf_harness_add(harness, maps);
    run_packet(&to_ovs);

    while (n-- > 0) {
        memcpy(key.address.bytes, &n, sizeof n);
        bpf_map_delete_elem(fd, &key);
    }
    test_rows_remove(&test_rows, "container d");
    install();
    run_packet(&dropped);
}

/* Runs 'line' 'n' times. */
static void
repeat(const struct line *line, int n)
{
    for (int i = 0; i < n; i++) {
        run_packet(line);
    }
}

/* Forgets what ports have done so far. */
static void
reset_states(void)
{
    int fd = bpf_harness_map(harness, "port_states");
    struct bastion_port_state zero = { .miss_time = 0 };

    for (uint32_t i = IFINDEX('a'); i <= IFINDEX('f'); i++) {
        bpf_map_update_elem(fd, &i, &zero, BPF_EXIST);
    }
}

/* What nothing allows goes to Open vSwitch at a limited rate, as far as it is
 * certain that nothing does. */
static void
test_miss_limit(void)
{
    static const struct bastion_config config = {
        .miss_rate = 1,
        .miss_burst = 3
    };
    static const struct bastion_config none;
    static const struct line to_ovs = {
        IP4("a", "10", "11") UDP("1000", "54"), "ovs"
    };
    static const struct line limited = {
        IP4("a", "10", "11") UDP("1000", "54"), "drop rate-limit"
    };
    static const struct line others[] = {
        { IP4("a", "10", "11") UDP("1000", "53"), "to b" },
        { IP4("a", "10", "11") TCP("1000", "81", "syn"),
          "drop egress-policy" },
        { IP4("a", "99", "11") UDP("1000", "54"), "drop ip-spoof" },
        { IP4("a", "10", "1") UDP("1000", "54"), "ovs" },
        { IP4("b", "11", "14") UDP("1000", "54"), "ovs" },
    };
    static const struct line arp[] = {
        { ARP("c", "1", "0c", "12", "11"), "ovs" },
        { NS("c", "fd00::c", "fd00::b", "0c"), "ovs" },
        { ARP("c", "1", "0c", "12", "99"), "ovs" },
        { ARP("c", "1", "0c", "12", "11"), "drop rate-limit" },
        { NS("c", "fd00::c", "fd00::99", "0c"), "drop rate-limit" },
        { ARP("c", "1", "0c", "12", "1"), "arp " MAC("01") },
    };

    repeat(&to_ovs, 10);
    reset_states();
    bpf_harness_configure(harness, &config);
    repeat(&to_ovs, 3);
    repeat(&limited, 2);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        repeat(&others[i], 5);
    }
    for (size_t i = 0; i < ARRAY_SIZE(arp); i++) {
        run_packet(&arp[i]);
    }

    /* Answers in connections of Open vSwitch are not, for a while. */
    static const struct line answers[] = {
        { IP4("b", "11", "10") UDP("53", "4000"), "ovs" },
        { IP4("b", "11", "10") UDP("53", "4000"), "ovs" },
        { IP4("b", "11", "10") UDP("53", "4000"), "ovs" },
        { IP4("b", "11", "10") UDP("53", "4000"), "drop rate-limit" },
        { IP4("a", "10", "11") UDP("4000", "53")
          "{len=1415,10=0579,26=0565}", "ovs" },
        { IP4("b", "11", "10") UDP("53", "4000"), "ovs" },
        { IP4("b", "11", "10") UDP("53", "4000"), "ovs" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        run_packet(&answers[i]);
    }

    /* While policy changes, nothing is certain. */
    static const struct line syn = {
        IP4("a", "10", "11") TCP("1000", "81", "syn"), "ovs"
    };
    struct map_table *maps = compiler_get_maps(test_rows.compiler);
    bpf_harness_remove(harness, maps);
    repeat(&to_ovs, 5);
    run_packet(&syn);
    bpf_harness_add(harness, maps);
    run_packet(&limited);
    bpf_harness_configure(harness, &none);
    run_packet(&to_ovs);
}

/* Returns the next event, which must be one of 'type'. */
static struct bastion_event
next_event(int type)
{
    struct bastion_event event;

    ovs_assert(bpf_harness_event(harness, &event));
    ovs_assert(event.type == type);
    ovs_assert(event.ifindex == IFINDEX('a'));
    return event;
}

static void
test_events(void)
{
    static const struct bastion_config config = {
        .flags = BASTION_CONFIG_CONNECTIONS,
        .event_rate = 1,
        .event_burst = 4,
    };
    static const struct bastion_config none;
    static const struct line forged = {
        IP4("a", "99", "11") TCP("1000", "81", "syn"), "drop ip-spoof"
    };
    static const struct line new = {
        IP4("a", "10", "11") TCP("3000", "80", "syn"), "to b"
    };
    struct bastion_event event;
    const struct in6_addr *ip = (const struct in6_addr *) &event.source;

    run_packet(&forged);
    ovs_assert(!bpf_harness_event(harness, &event));
    bpf_harness_configure(harness, &config);
    run_packet(&forged);
    event = next_event(BASTION_EVENT_DROP);
    ovs_assert(event.reason == DROP_IP_SPOOF && event.source_identity == 300
               && !event.destination_identity && event.protocol == IPPROTO_TCP
               && event.destination_port == htons(81) && event.len == 54
               && event.ethertype == htons(ETH_TYPE_IP)
               && event.source_mac[5] == 0xa
               && in6_addr_get_mapped_ipv4(ip) == htonl(0x0a000063));

    repeat(&new, 2);
    event = next_event(BASTION_EVENT_CONNECTION);
    ovs_assert(event.destination_identity == 301 && !event.reason
               && event.rule == test_rows_uuid(&test_rows,
                                               "dependency ab")->parts[0]);
    ovs_assert(!bpf_harness_event(harness, &event));

    repeat(&forged, 5);
    next_event(BASTION_EVENT_DROP);
    next_event(BASTION_EVENT_DROP);
    ovs_assert(!bpf_harness_event(harness, &event));
    ovs_assert(bpf_harness_counter(harness, BASTION_COUNTER_EVENTS) == 4);
    ovs_assert(bpf_harness_counter(harness, BASTION_COUNTER_EVENTS_LIMITED)
               == 3);
    ovs_assert(!bpf_harness_counter(harness, BASTION_COUNTER_EVENTS_LOST));
    bpf_harness_configure(harness, &none);
}

/* Both halves of a rule count. */
static void
test_rules(void)
{
    static const struct line line = {
        IP4("a", "10", "11") UDP("1000", "53"), "to b"
    };
    uint32_t rule = test_rows_uuid(&test_rows, "dependency ab")->parts[0];
    uint64_t before = bpf_harness_rule(harness, rule);

    repeat(&line, 3);
    ovs_assert(bpf_harness_rule(harness, rule) == before + 6);
}

/* Awaits that 'map' has no entries, as all have timed out. */
static void
await_empty(const char *map)
{
    int fd = bpf_harness_map(harness, map);
    uint8_t key[sizeof(struct bastion_connection_key)];
    long long int deadline = time_msec() + 10000;

    while (!bpf_map_get_next_key(fd, NULL, key)) {
        if (time_msec() > deadline) {
            ovs_fatal(0, "%s: entries do not time out", map);
        }
        usleep(1000);
    }
}

static uint32_t
n_connections(char container)
{
    uint32_t ifindex = IFINDEX(container);
    struct bastion_port_state state;

    ovs_assert(!bpf_map_lookup_elem(bpf_harness_map(harness, "port_states"),
                                    &ifindex, &state));
    return state.connections;
}

#define FIRST_FRAGMENT(ID, VERDICT) \
    { IP4("a", "10", "11") UDP("1000", "53") \
      "{len=74,10=003c,12=" ID ",14=2000,26=0064}", VERDICT }

/* Tables that are full hand over, and have room again when what is in them has
 * timed out. */
static void
test_full_tables(void)
{
    static const struct line connections[] = {
        { IP4("a", "10", "11") UDP("1000", "53"), "to b" },
        { IP4("a", "10", "11") UDP("1001", "53"), "to b" },
        { IP4("a", "10", "11") UDP("1002", "53"), "to b" },
        { IP4("a", "10", "11") UDP("1003", "53"), "ovs" },
        { IP4("a", "10", "11") UDP("1000", "53"), "to b" },
        { IP4("b", "11", "10") UDP("53", "1001"), "to a" },
    };
    static const struct line fragments[] = {
        FIRST_FRAGMENT("0001", "to b"),
        FIRST_FRAGMENT("0002", "to b"),
        FIRST_FRAGMENT("0003", "ovs"),
        FIRST_FRAGMENT("0001", "to b"),
    };
    static const struct bastion_config config = { .port_connections = 2 };
    static const struct bastion_config none;

    for (size_t i = 0; i < ARRAY_SIZE(connections); i++) {
        run_packet(&connections[i]);
    }
    ovs_assert(n_connections('a') == 3 && !n_connections('b'));
    ovs_assert(bpf_harness_counter(harness, BASTION_COUNTER_CONNECTIONS_FULL)
               >= 1);
    await_empty("connections");
    ovs_assert(!n_connections('a'));

    for (size_t i = 0; i < ARRAY_SIZE(fragments); i++) {
        run_packet(&fragments[i]);
    }
    ovs_assert(bpf_harness_counter(harness, BASTION_COUNTER_FRAGMENTS_FULL)
               >= 1);
    await_empty("fragments");
    run_packet(&fragments[0]);
    await_empty("connections");

    bpf_harness_configure(harness, &config);
    run_packet(&connections[0]);
    run_packet(&connections[1]);
    run_packet(&connections[3]);
    ovs_assert(bpf_harness_counter(harness, BASTION_COUNTER_PORT_CONNECTIONS)
               == 1);
    bpf_harness_configure(harness, &none);
    run_packet(&connections[2]);
    await_empty("connections");
    ovs_assert(!n_connections('a'));
}

/* Events that nobody reads. */
static void
test_full_ring_buffer(void)
{
    static const struct bastion_config config = {
        .event_rate = 1,
        .event_burst = 1000,
    };
    static const struct bastion_config none;
    static const struct line forged = {
        IP4("a", "99", "11") TCP("1000", "81", "syn"), "drop ip-spoof"
    };
    struct bastion_event event;

    bpf_harness_configure(harness, &config);
    repeat(&forged, 100);
    bpf_harness_configure(harness, &none);

    uint64_t n = bpf_harness_counter(harness, BASTION_COUNTER_EVENTS);
    ovs_assert(n > 0 && n < 100);
    ovs_assert(bpf_harness_counter(harness, BASTION_COUNTER_EVENTS_LOST)
               == 100 - n);
    for (; n; n--) {
        ovs_assert(bpf_harness_event(harness, &event));
    }
    ovs_assert(!bpf_harness_event(harness, &event));
}

static void
set_rows(const char *const rows_[], size_t n)
{
    test_rows_init(&test_rows);
    for (size_t i = 0; i < n; i++) {
        test_rows_set(&test_rows, rows_[i]);
    }
    for (char x = 'a'; x <= 'f'; x++) {
        char interface[] = { 'i', 'f', '1' + x - 'a', '\0' };

        if (x != 'e') {
            compiler_set_fastpath(test_rows.compiler, "br0", interface,
                                  IFINDEX(x), x == 'b' ? 1400 : 1500);
        }
    }
    install();
}

/* With small tables, whose timeouts are a thousandth. */
static void
test_small_tables(void)
{
    static const struct harness_options options = {
        .second = 1000000,
        .n_connections = 3,
        .n_fragments = 2,
        .events_size = 4096,
    };

    shadow = false;
    harness = bpf_harness_create(&options);
    set_rows(rows, ARRAY_SIZE(rows));
    test_full_tables();
    test_full_ring_buffer();
    test_rows_destroy(&test_rows);
    bpf_harness_destroy(harness);
}

int
main(void)
{
    set_program_name("test-bpf");
    harness = bpf_harness_create(&harness_defaults);
    set_rows(rows, ARRAY_SIZE(rows));

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (lines[i].packet[0] == '!') {
            run_command(&lines[i]);
        } else {
            run_packet(&lines[i]);
        }
    }
    test_unknown_interfaces();
    test_miss_limit();
    test_events();
    test_rules();
    test_full_sources();
    printf("%"PRIuSIZE" packets and changes\n", ARRAY_SIZE(lines));
    test_rows_destroy(&test_rows);
    bpf_harness_destroy(harness);
    test_small_tables();
    return EXIT_SUCCESS;
}
