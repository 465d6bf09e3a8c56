/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

#ifndef BASTION_BPF_PARSE_H
#define BASTION_BPF_PARSE_H 1

/* What the programs need to know of a packet.
 *
 * A container with raw sockets can send anything, so each header is checked
 * before it is read, and what is out of the ordinary (wrong lengths, too many
 * extension headers) is not looked at any further: Open vSwitch decides about
 * it.  What is said here about a packet is what Open vSwitch finds in it.
 *
 * Nothing here needs a kernel: tests/fuzz/fuzz-bpf-parse.c compares it with
 * what Open vSwitch finds in the same bytes. */

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

/* A Neighbor Solicitation or Advertisement (RFC 4861 sections 4.3 and 4.4)
 * without options. */
struct nd_header {
	struct icmp6hdr icmp6;
	__u8 target[16];
} __attribute__((packed));

/* The same with one link-layer address option (section 4.6.1). */
struct nd_message {
	struct nd_header header;
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

/* Messages of hosts about groups. */
#define MLD_REPORT 131
#define MLD_DONE 132
#define MLD2_REPORT 143

/* RFC 8200 section 4.5. */
struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;		/* The low bit says that there are more. */
	__be32 id;
};

/* RFC 4960 section 3: the common header and the beginning of the first
 * chunk. */
struct sctp_header {
	__be16 source;
	__be16 dest;
	__be32 tag;
	__be32 checksum;
	__u8 chunk_type;
	__u8 chunk_flags;
	__be16 chunk_len;
};

enum {
	SCTP_DATA = 0,
	SCTP_INIT = 1,
	SCTP_INIT_ACK = 2,
	SCTP_ABORT = 6,
	SCTP_SHUTDOWN = 7,
	SCTP_SHUTDOWN_ACK = 8,
	SCTP_COOKIE_ACK = 11,
	SCTP_SHUTDOWN_COMPLETE = 14,
};

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST,
	FRAGMENT_LATER,
};

/* The protocol of a packet whose chain of extension headers is broken or too
 * long.  The number is reserved. */
#define PROTOCOL_UNKNOWN 255

/* An IP packet. */
struct packet {
	struct bastion_address source;
	struct bastion_address destination;
	__u8 protocol;		/* Of the transport header. */
	__u8 fragment;		/* enum fragment. */
	bool v4;
	bool visible;		/* Its transport header has at least 8 bytes,
				 * and they can be read. */
	bool known_only;	/* May not open a connection: an ICMP error or
				 * a later fragment.  The protocol and what
				 * follows of an error are those of an answer
				 * to the packet that it quotes. */
	__u8 flags;		/* Byte 13 of the TCP header; the type of the
				 * first chunk of SCTP. */
	__u16 l4;		/* Offset of the transport header. */
	__u16 l4_len;		/* Its length and what follows, as the IP
				 * header has it. */
	__u16 headers;		/* Bytes of IP and transport headers. */
	__be32 fragment_id;
	__be16 source_port;	/* Identifier of ICMP echo. */
	__be16 destination_port;	/* Type and code of ICMP. */
};

#define TCP_FLAG_FIN_BIT 0x01
#define TCP_FLAG_SYN_BIT 0x02
#define TCP_FLAG_RST_BIT 0x04
#define TCP_FLAG_ACK_BIT 0x10

/* A transport header that begins farther behind is not looked at. */
#define L4_MAX 0xff

/* A packet has as many extension headers at most. */
#define EXTENSIONS_MAX 4

static __always_inline bool mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] &&
	       a[3] == b[3] && a[4] == b[4] && a[5] == b[5];
}

static __always_inline bool mac_is_zero(const __u8 *a)
{
	return !(a[0] | a[1] | a[2] | a[3] | a[4] | a[5]);
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

static __always_inline bool is_unspecified(const struct bastion_address *ip)
{
	const __u32 *x = (const void *)ip;

	return !(x[0] | x[1] | x[2] | x[3]);
}

/* In the maps, such an address is an IPv4 address. */
static __always_inline bool is_ipv4_mapped(const struct bastion_address *ip)
{
	const __u32 *x = (const void *)ip;

	return !(x[0] | x[1]) && x[2] == bpf_htonl(0xffff);
}

/* Multicast or broadcast. */
static __always_inline bool is_group(const struct packet *packet)
{
	const __u8 *ip = packet->destination.bytes;

	if (!packet->v4)
		return ip[0] == 0xff;
	return (ip[12] & 0xf0) == 0xe0 ||
	       (ip[12] & ip[13] & ip[14] & ip[15]) == 0xff;
}

static __always_inline bool is_icmp(__u8 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
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

/* The first 8 bytes of any transport header. */
struct ports {
	__be16 source;		/* Type and code of ICMP. */
	__be16 destination;
	__u32 rest;
};

/* Reads what Open vSwitch sees of the transport header, however broken it
 * is. */
static __always_inline void parse_ports(struct packet *packet, void *data,
					void *end)
{
	struct ports *ports = data + (packet->l4 & L4_MAX);

	packet->visible = packet->fragment != FRAGMENT_LATER &&
			  packet->l4_len >= sizeof *ports &&
			  (void *)(ports + 1) <= end;
	if (!packet->visible)
		return;
	packet->source_port = ports->source;
	packet->destination_port = ports->destination;
}

static __always_inline bool has_ports(const struct packet *packet,
				      __u16 source, __u16 destination)
{
	return packet->protocol == IPPROTO_UDP && packet->visible &&
	       packet->source_port == bpf_htons(source) &&
	       packet->destination_port == bpf_htons(destination);
}

/* Returns the type of an ICMP message whose transport header is visible and
 * has not been parsed further. */
static __always_inline __u8 visible_type(const struct packet *packet)
{
	return bpf_ntohs(packet->source_port) >> 8;
}

/* Parses the IPv4 header of the frame of 'len' bytes at 'data'.  Returns false
 * if it is malformed. */
static __always_inline bool parse_ipv4(struct packet *packet, void *data,
				       void *end, __u32 len)
{
	struct iphdr *ip = data + ETH_HLEN;
	__u16 total;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return false;
	total = bpf_ntohs(ip->tot_len);
	if (total < ip->ihl * 4 || total > len - ETH_HLEN)
		return false;
	map_ipv4(&packet->source, &ip->saddr);
	map_ipv4(&packet->destination, &ip->daddr);
	packet->v4 = true;
	packet->protocol = ip->protocol;
	packet->fragment = ip->frag_off & bpf_htons(0x1fff) ? FRAGMENT_LATER :
			   ip->frag_off & bpf_htons(0x2000) ? FRAGMENT_FIRST :
			   FRAGMENT_NONE;
	packet->fragment_id = ip->id;
	packet->l4 = ETH_HLEN + ip->ihl * 4;
	packet->l4_len = total - ip->ihl * 4;
	parse_ports(packet, data, end);
	return true;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_AH ||
	       protocol == IPPROTO_FRAGMENT;
}

/* Parses the extension headers, if any, of the packet with l4 and l4_len of
 * the first one.  Returns false if there are too many, or something is wrong
 * or unusual. */
static __always_inline bool parse_extensions(struct packet *packet, void *data,
					     void *end)
{
	__u32 offset = packet->l4;
	__u32 len = packet->l4_len;
	__u8 next = packet->protocol;
	__u8 fragment = FRAGMENT_NONE;

#ifdef __BPF__
#pragma clang loop unroll(full)
#endif
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(next); i++) {
		struct fragment_header *header = data + (offset & L4_MAX);
		__u32 size;

		/* Each is 8 bytes long at least. */
		if (len < sizeof *header || (void *)(header + 1) > end ||
		    fragment == FRAGMENT_FIRST)
			return false;
		if (next == IPPROTO_FRAGMENT) {
			size = sizeof *header;
			packet->fragment_id = header->id;
			if (header->offset & bpf_htons(0xfff8))
				fragment = FRAGMENT_LATER;
			else if (header->offset & bpf_htons(1))
				fragment = FRAGMENT_FIRST;
			else
				return false;
		} else {
			size = next == IPPROTO_AH ? (header->reserved + 2) * 4
						  : (header->reserved + 1) * 8;
		}
		if (size > len || offset + size > L4_MAX)
			return false;
		next = header->next;
		offset += size;
		len -= size;
		if (fragment == FRAGMENT_LATER)
			break;
	}
	if (is_extension(next))
		return false;
	packet->protocol = next;
	packet->fragment = fragment;
	packet->l4 = offset;
	packet->l4_len = len;
	return true;
}

/* Does the same for IPv6. */
static __always_inline bool parse_ipv6(struct packet *packet, void *data,
				       void *end, __u32 len)
{
	struct ipv6hdr *ip6 = data + ETH_HLEN;

	if ((void *)(ip6 + 1) > end || ip6->version != 6)
		return false;
	packet->l4 = ETH_HLEN + sizeof *ip6;
	packet->l4_len = bpf_ntohs(ip6->payload_len);
	if (packet->l4_len > len - ETH_HLEN - sizeof *ip6)
		return false;
	__builtin_memcpy(packet->source.bytes, &ip6->saddr, 16);
	__builtin_memcpy(packet->destination.bytes, &ip6->daddr, 16);
	packet->protocol = ip6->nexthdr;
	if (!parse_extensions(packet, data, end))
		packet->protocol = PROTOCOL_UNKNOWN;
	else
		parse_ports(packet, data, end);
	return true;
}

/* Combinations of flags that no TCP sends; Open vSwitch's connection tracking
 * takes them for invalid. */
static __always_inline bool tcp_flags_make_sense(__u8 flags)
{
	if (flags & TCP_FLAG_SYN_BIT)
		return !(flags & (TCP_FLAG_FIN_BIT | TCP_FLAG_RST_BIT));
	return flags & (TCP_FLAG_ACK_BIT | TCP_FLAG_RST_BIT);
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
static __always_inline bool parse_quoted(struct packet *error, void *l4,
					 void *end)
{
	struct icmp6hdr *icmp = l4;	/* Of the same size for IPv4. */
	struct bastion_address source, destination;
	struct ipv6hdr *ip6 = (void *)(icmp + 1);
	struct iphdr *ip = (void *)(icmp + 1);
	struct echo *quoted;
	struct ports *ports;
	__u32 size;

	if (error->v4) {
		if ((void *)(ip + 1) > end || ip->version != 4 ||
		    ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
			return false;
		map_ipv4(&source, &ip->saddr);
		map_ipv4(&destination, &ip->daddr);
		error->protocol = ip->protocol;
		quoted = (void *)(ip + 1);
		size = sizeof *icmp + sizeof *ip + sizeof *quoted;
	} else {
		if ((void *)(ip6 + 1) > end || ip6->version != 6)
			return false;
		__builtin_memcpy(source.bytes, &ip6->saddr, 16);
		__builtin_memcpy(destination.bytes, &ip6->daddr, 16);
		error->protocol = ip6->nexthdr;
		quoted = (void *)(ip6 + 1);
		size = sizeof *icmp + sizeof *ip6 + sizeof *quoted;
	}
	if ((void *)(quoted + 1) > end || error->l4_len < size ||
	    !address_equal(&source, &error->destination) ||
	    !address_equal(&destination, &error->source))
		return false;

	ports = (void *)quoted;
	switch (error->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		error->source_port = ports->destination;
		error->destination_port = ports->source;
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		error->source_port = quoted->id;
		error->destination_port =
			bpf_htons(quoted->type << 8 | quoted->code);
		return error->v4 == (error->protocol == IPPROTO_ICMP);
	default:
		return false;
	}
}

static __always_inline bool parse_echo(struct packet *packet, void *l4,
				       void *end)
{
	__u8 type = visible_type(packet);
	struct echo *echo = l4;

	if ((void *)(echo + 1) > end ||
	    packet->v4 != (packet->protocol == IPPROTO_ICMP))
		return false;
	if (is_icmp_error(packet->v4, type)) {
		packet->known_only = true;
		return packet->fragment == FRAGMENT_NONE &&
		       parse_quoted(packet, l4, end);
	}
	if (packet->v4 ? type != ICMP_ECHO && type != ICMP_ECHOREPLY
		       : type != ICMPV6_ECHO_REQUEST &&
			 type != ICMPV6_ECHO_REPLY)
		return false;
	packet->destination_port = packet->source_port;
	packet->source_port = echo->id;
	return true;
}

/* Parses the transport header of 'packet'.  Returns false if it is none that
 * the fast path tracks. */
static __always_inline bool parse_transport(struct packet *packet, void *data,
					    void *end)
{
	void *l4 = data + (packet->l4 & L4_MAX);
	struct sctp_header *sctp = l4;
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;

	packet->headers = packet->l4 - ETH_HLEN;
	if (!packet->visible)
		return false;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		if ((void *)(tcp + 1) > end || tcp->doff < 5 ||
		    tcp->doff * 4 > packet->l4_len)
			return false;
		packet->flags = ((__u8 *)tcp)[13];
		packet->headers += tcp->doff * 4;
		return tcp_flags_make_sense(packet->flags);
	case IPPROTO_UDP:
		if ((void *)(udp + 1) > end ||
		    (packet->fragment == FRAGMENT_FIRST
		     ? bpf_ntohs(udp->len) <= packet->l4_len
		     : bpf_ntohs(udp->len) != packet->l4_len))
			return false;
		packet->headers += sizeof *udp;
		return true;
	case IPPROTO_SCTP:
		if ((void *)(sctp + 1) > end ||
		    packet->l4_len < sizeof *sctp)
			return false;
		packet->flags = sctp->chunk_type;
		packet->headers += sizeof *sctp;
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return parse_echo(packet, l4, end);
	default:
		return false;
	}
}

#endif /* parse.h */
