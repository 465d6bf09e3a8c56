/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

#ifndef BASTION_BPF_PARSE_H
#define BASTION_BPF_PARSE_H 1

/* What the programs need to know of a packet.
 *
 * A container with raw sockets can send anything, so each header is checked
 * before it is read and what is out of the ordinary (options, extension
 * headers but for fragments, wrong lengths) is not looked at any further: Open
 * vSwitch decides about it. */

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bastion/bpf-abi.h"

/* The part of an ARP packet for IPv4 over Ethernet (RFC 826) that follows the
 * Ethernet header. */
struct arp_ipv4 {
	__be16 hardware_type;
	__be16 protocol_type;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 op;
	__u8 sha[ETH_ALEN];
	__u8 spa[4];
	__u8 tha[ETH_ALEN];
	__u8 tpa[4];
} __attribute__((packed));

#define ARP_REQUEST 1
#define ARP_REPLY 2

/* A Neighbor Solicitation or Advertisement with one link-layer address option
 * (RFC 4861 sections 4.3, 4.4 and 4.6.1). */
struct nd_message {
	struct icmp6hdr icmp6;
	__u8 target[16];
	__u8 option_type;
	__u8 option_len;	/* In units of 8 bytes. */
	__u8 option_mac[ETH_ALEN];
} __attribute__((packed));

#define ICMP_ECHOREPLY 0
#define ICMP_ECHO 8

#define ND_SOLICIT 135
#define ND_ADVERT 136
#define ND_ROUTER_ADVERT 134
#define ND_REDIRECT 137
#define ND_OPT_SOURCE_MAC 1
#define ND_OPT_TARGET_MAC 2

/* RFC 8200 section 4.5. */
struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;		/* The low bit says that there are more. */
	__be32 id;
};

/* A packet that the fast path can handle. */
struct packet {
	struct bastion_address source;
	struct bastion_address destination;
	__u8 protocol;
	bool known_only;	/* May not open a connection: an ICMP error or
				 * a later fragment.  The protocol and what
				 * follows of an error are those of an answer
				 * to the packet that it quotes. */
	bool first_fragment;
	__u8 tcp_flags;		/* Byte 13 of the TCP header. */
	__u16 headers;		/* Bytes of IP and transport headers. */
	__be32 fragment_id;
	__be16 source_port;	/* Identifier of ICMP echo. */
	__be16 destination_port;	/* Type and code of ICMP. */
};

#define TCP_FLAG_FIN_BIT 0x01
#define TCP_FLAG_SYN_BIT 0x02
#define TCP_FLAG_RST_BIT 0x04
#define TCP_FLAG_ACK_BIT 0x10

static __always_inline bool mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] &&
	       a[3] == b[3] && a[4] == b[4] && a[5] == b[5];
}

static __always_inline bool address_equal(const struct bastion_address *a,
					  const struct bastion_address *b)
{
	const __u32 *x = (const void *)a;
	const __u32 *y = (const void *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline bool is_ipv4_zero(const __u8 *ip)
{
	return !(ip[0] | ip[1] | ip[2] | ip[3]);
}

static __always_inline void map_ipv4(struct bastion_address *address,
				     const void *ip)
{
	__builtin_memset(address->bytes, 0, 10);
	address->bytes[10] = 0xff;
	address->bytes[11] = 0xff;
	__builtin_memcpy(&address->bytes[12], ip, 4);
}

/* ICMP and ICMPv6 both start with type, code, checksum, and echo messages go
 * on with an identifier. */
struct echo {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 id;
	__be16 sequence;
};

/* Combinations of flags that no TCP sends; Open vSwitch's connection tracking
 * takes them for invalid. */
static __always_inline bool tcp_flags_make_sense(__u8 flags)
{
	if (flags & TCP_FLAG_SYN_BIT)
		return !(flags & (TCP_FLAG_FIN_BIT | TCP_FLAG_RST_BIT));
	return flags & (TCP_FLAG_ACK_BIT | TCP_FLAG_RST_BIT);
}

/* What only a declared DHCP server may send, from whichever address.  Open
 * vSwitch knows who is one. */
static __always_inline bool is_dhcp_answer(__u8 protocol, void *l4, void *end)
{
	struct udphdr *udp = l4;

	return protocol == IPPROTO_UDP && (void *)(udp + 1) <= end &&
	       ((udp->source == bpf_htons(67) && udp->dest == bpf_htons(68)) ||
		(udp->source == bpf_htons(547) &&
		 udp->dest == bpf_htons(546)));
}

/* ICMP errors: destination unreachable, time exceeded and parameter problem;
 * for ICMPv6 also packet too big. */
static __always_inline bool is_icmp_error(bool v4, __u8 type)
{
	return v4 ? type == 3 || type == 11 || type == 12
		  : type >= 1 && type <= 4;
}

/* Parses the packet that an ICMP error at 'l4' quotes, which must be one from
 * the error's destination to its source.  'error' is the error itself, and
 * becomes a packet in the direction of the error that would be an answer to
 * the one quoted.  Returns false if it is none that the fast path tracks. */
static __always_inline bool parse_quoted(struct packet *error, bool v4,
					 void *l4, void *end)
{
	struct icmp6hdr *icmp = l4;	/* Of the same size for IPv4. */
	struct bastion_address source, destination;
	struct ipv6hdr *ip6 = (void *)(icmp + 1);
	struct iphdr *ip = (void *)(icmp + 1);
	struct echo *quoted;
	__be16 *ports;

	if (v4) {
		if ((void *)(ip + 1) > end || ip->version != 4 ||
		    ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
			return false;
		map_ipv4(&source, &ip->saddr);
		map_ipv4(&destination, &ip->daddr);
		error->protocol = ip->protocol;
		quoted = (void *)(ip + 1);
	} else {
		if ((void *)(ip6 + 1) > end || ip6->version != 6)
			return false;
		__builtin_memcpy(source.bytes, &ip6->saddr, 16);
		__builtin_memcpy(destination.bytes, &ip6->daddr, 16);
		error->protocol = ip6->nexthdr;
		quoted = (void *)(ip6 + 1);
	}
	if ((void *)(quoted + 1) > end ||
	    !address_equal(&source, &error->destination) ||
	    !address_equal(&destination, &error->source))
		return false;

	ports = (void *)quoted;
	switch (error->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		error->source_port = ports[1];
		error->destination_port = ports[0];
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		error->source_port = quoted->id;
		return v4 == (error->protocol == IPPROTO_ICMP);
	default:
		return false;
	}
}

/* Parses the transport header at 'l4', of a packet whose IP header, of
 * 'packet->headers' bytes, says that it is followed by 'len' bytes.  Returns false if it is none that the fast
 * path tracks. */
static __always_inline bool parse_transport(struct packet *packet, bool v4,
					    void *l4, void *end, __u32 len)
{
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;
	struct echo *echo = l4;

	switch (packet->protocol) {
	case IPPROTO_TCP:
		if ((void *)(tcp + 1) > end || tcp->doff < 5 ||
		    tcp->doff * 4 > len)
			return false;
		packet->source_port = tcp->source;
		packet->destination_port = tcp->dest;
		packet->tcp_flags = ((__u8 *)tcp)[13];
		packet->headers += tcp->doff * 4;
		return tcp_flags_make_sense(packet->tcp_flags);
	case IPPROTO_UDP:
		if ((void *)(udp + 1) > end || len < sizeof *udp ||
		    (packet->first_fragment ? bpf_ntohs(udp->len) <= len
					    : bpf_ntohs(udp->len) != len))
			return false;
		packet->source_port = udp->source;
		packet->destination_port = udp->dest;
		packet->headers += sizeof *udp;
		return true;
	case IPPROTO_ICMP:
		if (!v4 || (void *)(echo + 1) > end || len < sizeof *echo)
			return false;
		packet->known_only = is_icmp_error(v4, echo->type);
		if (packet->known_only)
			return !packet->first_fragment &&
			       parse_quoted(packet, v4, l4, end);
		if (echo->type != ICMP_ECHO && echo->type != ICMP_ECHOREPLY)
			return false;
		break;
	case IPPROTO_ICMPV6:
		if (v4 || (void *)(echo + 1) > end || len < sizeof *echo)
			return false;
		packet->known_only = is_icmp_error(v4, echo->type);
		if (packet->known_only)
			return !packet->first_fragment &&
			       parse_quoted(packet, v4, l4, end);
		if (echo->type != ICMPV6_ECHO_REQUEST &&
		    echo->type != ICMPV6_ECHO_REPLY)
			return false;
		break;
	default:
		return false;
	}
	packet->source_port = echo->id;
	packet->destination_port = bpf_htons(echo->type << 8 | echo->code);
	return true;
}

#endif /* parse.h */
