/* SPDX-License-Identifier: Apache-2.0 */

/* Sends frames from a network namespace as fast as it can.
 *
 * Usage: flood KIND AMOUNT NETNS MAC ADDRESS PEER-MAC PEER-ADDRESS
 *
 * AMOUNT is a number of frames or, if it ends in "s", of seconds.  The sender
 * has MAC and (IPv4) ADDRESS and asks or addresses the peer.  KIND is one of
 *
 *     vlan    an honest datagram with a VLAN tag
 *     spoof   a datagram from another address
 *     arp     ARP requests for the peer
 *     syn     TCP connections to the peer's ports, all of them in turn
 *
 * Prints the number of frames that were sent. */

#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ether.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

struct sender {
    struct ether_addr mac, peer_mac;
    struct in_addr address, peer;
};

struct frame {
    uint8_t bytes[64];
    size_t length;
};

OVS_NO_RETURN static void
die(const char *what)
{
    ovs_fatal(errno, "%s", what);
}

static void
put(struct frame *frame, const void *data, size_t n)
{
    memcpy(&frame->bytes[frame->length], data, n);
    frame->length += n;
}

static void
put_be16(struct frame *frame, uint16_t value)
{
    uint16_t be = htons(value);

    put(frame, &be, sizeof be);
}

static uint16_t
checksum(const void *data, size_t n, uint32_t sum)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < n; i += 2) {
        sum += p[i] << 8 | p[i + 1];
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return htons(~sum);
}

static void
put_ethernet(struct frame *frame, const struct sender *s, int vlan,
             uint16_t type)
{
    put(frame, &s->peer_mac, ETH_ALEN);
    put(frame, &s->mac, ETH_ALEN);
    if (vlan) {
        put_be16(frame, ETHERTYPE_VLAN);
        put_be16(frame, vlan);
    }
    put_be16(frame, type);
}

static void
put_ip(struct frame *frame, const struct sender *s, uint8_t protocol,
       uint16_t payload, struct in_addr source)
{
    struct iphdr ip = {
        .version = 4, .ihl = 5, .ttl = 64, .protocol = protocol,
        .tot_len = htons(sizeof ip + payload),
        .saddr = source.s_addr, .daddr = s->peer.s_addr,
    };

    ip.check = checksum(&ip, sizeof ip, 0);
    put(frame, &ip, sizeof ip);
}

static void
put_udp(struct frame *frame)
{
    struct udphdr udp = { .source = htons(20000), .dest = htons(5201),
                          .len = htons(sizeof udp) };

    put(frame, &udp, sizeof udp);
}

static void
make_arp(struct frame *frame, const struct sender *s)
{
    static const uint8_t nobody[ETH_ALEN];

    put_ethernet(frame, s, 0, ETHERTYPE_ARP);
    put_be16(frame, ARPHRD_ETHER);
    put_be16(frame, ETHERTYPE_IP);
    put(frame, "\6\4", 2);
    put_be16(frame, ARPOP_REQUEST);
    put(frame, &s->mac, ETH_ALEN);
    put(frame, &s->address, 4);
    put(frame, nobody, ETH_ALEN);
    put(frame, &s->peer, 4);
}

/* The 'i'th of the connections. */
static void
make_syn(struct frame *frame, const struct sender *s, uint32_t i)
{
    struct tcphdr tcp = { .source = htons(20000 + (i >> 16) % 10000),
                          .dest = htons(i), .syn = 1, .doff = 5,
                          .window = htons(1024) };
    uint16_t pseudo[6];

    memcpy(&pseudo[0], &s->address, 4);
    memcpy(&pseudo[2], &s->peer, 4);
    pseudo[4] = htons(IPPROTO_TCP);
    pseudo[5] = htons(sizeof tcp);
    tcp.check = checksum(&tcp, sizeof tcp,
                         (uint16_t) ~ntohs(checksum(pseudo, sizeof pseudo,
                                                    0)));
    put_ethernet(frame, s, 0, ETHERTYPE_IP);
    put_ip(frame, s, IPPROTO_TCP, sizeof tcp, s->address);
    put(frame, &tcp, sizeof tcp);
}

static void
make_frame(struct frame *frame, const char *kind, const struct sender *s,
           uint32_t i)
{
    struct in_addr source = s->address;

    frame->length = 0;
    if (!strcmp(kind, "vlan")) {
        put_ethernet(frame, s, 5, ETHERTYPE_IP);
        put_ip(frame, s, IPPROTO_UDP, sizeof(struct udphdr), source);
        put_udp(frame);
    } else if (!strcmp(kind, "spoof")) {
        source.s_addr ^= htonl(1 << 7);
        put_ethernet(frame, s, 0, ETHERTYPE_IP);
        put_ip(frame, s, IPPROTO_UDP, sizeof(struct udphdr), source);
        put_udp(frame);
    } else if (!strcmp(kind, "arp")) {
        make_arp(frame, s);
    } else if (!strcmp(kind, "syn")) {
        make_syn(frame, s, i);
    } else {
        ovs_fatal(0, "bad kind \"%s\"", kind);
    }
}

static int
open_packet_socket(const char *netns)
{
    struct sockaddr_ll sll = { .sll_family = AF_PACKET };
    char path[256];
    int fd;

    snprintf(path, sizeof path, "/run/netns/%s", netns);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET)) {
        die(path);
    }
    close(fd);
    fd = socket(AF_PACKET, SOCK_RAW, 0);
    sll.sll_ifindex = if_nametoindex("eth0");
    if (fd < 0 || bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        die("eth0");
    }
    return fd;
}

static double
now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

int
main(int argc, char *argv[])
{
    struct frame frame;
    struct sender s;
    uint64_t n = 0;
    double deadline = 0, number;
    char *end;
    int fd;

    set_program_name(argv[0]);
    if (argc != 8
        || !ether_aton_r(argv[4], &s.mac) || !inet_aton(argv[5], &s.address)
        || !ether_aton_r(argv[6], &s.peer_mac) || !inet_aton(argv[7], &s.peer)
        || (number = strtod(argv[2], &end)) <= 0) {
        fprintf(stderr, "usage: flood KIND AMOUNT NETNS MAC ADDRESS PEER-MAC "
                "PEER-ADDRESS\n");
        return 1;
    }
    fd = open_packet_socket(argv[3]);
    if (*end) {
        deadline = now() + number;
    }
    while (deadline ? now() < deadline : n < number) {
        make_frame(&frame, argv[1], &s, n);
        if (send(fd, frame.bytes, frame.length, 0) >= 0) {
            n++;
        } else if (errno != ENOBUFS && errno != EAGAIN) {
            die("send");
        }
    }
    printf("%"PRIu64"\n", n);
    return 0;
}
