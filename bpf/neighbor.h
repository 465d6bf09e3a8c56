/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

#ifndef BASTION_BPF_NEIGHBOR_H
#define BASTION_BPF_NEIGHBOR_H 1

/* ARP and Neighbor Discovery. */

#include "account.h"

static __always_inline bool is_own_address(const struct from *from,
					   const struct bastion_address *ip)
{
	struct bastion_source_key key = { .ifindex = from->ifindex };

	key.address = *ip;
	return bpf_map_lookup_elem(&sources, &key) != NULL;
}

static __always_inline const struct bastion_address_value *
find_address(__u32 zone, const struct bastion_address *ip)
{
	struct bastion_address_key key = { .zone = zone };

	key.address = *ip;
	return bpf_map_lookup_elem(&addresses, &key);
}

static __always_inline bool may_see(__u32 a, __u32 b)
{
	struct bastion_peers_key key = { .source = a, .destination = b };

	return bpf_map_lookup_elem(&peers, &key) != NULL;
}

/* May the asker see the target?  If not certainly, Open vSwitch decides. */
static __always_inline bool is_visible(const struct from *from,
				       const struct bastion_address_value *to)
{
	return to->flags & BASTION_GATEWAY ||
	       may_see(from->endpoint->identity, to->identity) ||
	       may_see(to->identity, from->endpoint->identity);
}

/* In audit mode, everything has to be answered. */
static __always_inline verdict neighbor_miss(struct from *from)
{
	return from->endpoint->flags & BASTION_AUDIT ? BASTION_COUNTER_SLOW
						     : miss(from);
}

static __always_inline verdict answer_arp(struct ethhdr *eth,
					  struct arp_ipv4 *arp,
					  const __u8 *mac)
{
	__u8 tpa[4];

	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	arp->op = bpf_htons(ARP_REPLY);
	__builtin_memcpy(arp->tha, arp->sha, ETH_ALEN);
	__builtin_memcpy(arp->sha, mac, ETH_ALEN);
	__builtin_memcpy(tpa, arp->tpa, 4);
	__builtin_memcpy(arp->tpa, arp->spa, 4);
	__builtin_memcpy(arp->spa, tpa, 4);
	return BASTION_COUNTER_ARP;
}

static __always_inline verdict handle_arp(struct __sk_buff *skb,
					  struct from *from)
{
	const struct bastion_address_value *to;
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = (void *)(long)skb->data;
	struct arp_ipv4 *arp = (void *)(eth + 1);
	struct bastion_address spa, tpa;
	bool request, own_spa;

	/* Open vSwitch finds no addresses in what is too short or about
	 * another protocol. */
	if ((void *)(arp + 1) > end ||
	    arp->hardware_type != bpf_htons(1) ||
	    arp->protocol_type != bpf_htons(ETH_P_IP) ||
	    arp->hardware_len != ETH_ALEN || arp->protocol_len != 4 ||
	    !mac_equal(eth->h_source, from->endpoint->mac) ||
	    !mac_equal(arp->sha, from->endpoint->mac))
		return DROP_ARP_SPOOF;

	map_ipv4(&spa, arp->spa);
	map_ipv4(&tpa, arp->tpa);
	from->packet.source = spa;
	from->packet.destination = tpa;
	request = arp->op == bpf_htons(ARP_REQUEST);
	own_spa = is_own_address(from, &spa);
	if (!own_spa)
		return request && is_ipv4_zero(arp->spa) &&
		       is_own_address(from, &tpa)
		       ? DROP_ARP_UNSOLICITED : DROP_ARP_SPOOF;
	if (!request || address_equal(&spa, &tpa))
		return DROP_ARP_UNSOLICITED;
	to = find_address(from->endpoint->zone, &tpa);
	if (!to || to->ifindex == from->ifindex || !is_visible(from, to))
		return neighbor_miss(from);
	from->to = to;
	return answer_arp(eth, arp, to->mac);
}

/* The checksum over what an answer has different from its request. */
static __always_inline __sum16 update_checksum(__sum16 checksum, __s64 diff)
{
	__u32 sum = (__u16)~checksum;

	sum += (__u32)diff & 0xffff;
	sum += (__u32)diff >> 16;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline verdict
answer_nd(struct ethhdr *eth, struct ipv6hdr *ip6, struct nd_message *nd,
	  const struct bastion_address_value *to)
{
	/* What follows the hop limit, all of which the checksum covers. */
	struct {
		struct in6_addr source, destination;
		struct nd_message nd;
	} answer;
	struct icmp6hdr *icmp6 = &answer.nd.header.icmp6;
	__sum16 checksum = nd->header.icmp6.icmp6_cksum;
	bool router = to->flags & BASTION_GATEWAY;

	__builtin_memset(&answer, 0, sizeof answer);
	__builtin_memcpy(&answer.source, nd->header.target, 16);
	answer.destination = ip6->saddr;
	icmp6->icmp6_type = ND_ADVERT;
	icmp6->icmp6_dataun.un_data32[0] =
		bpf_htonl(router ? 0xe0000000 : 0x60000000);
	__builtin_memcpy(answer.nd.header.target, nd->header.target, 16);
	answer.nd.option_type = ND_OPT_TARGET_MAC;
	answer.nd.option_len = 1;
	__builtin_memcpy(answer.nd.option_mac, to->mac, ETH_ALEN);

	nd->header.icmp6.icmp6_cksum = 0;
	icmp6->icmp6_cksum = update_checksum(
		checksum,
		bpf_csum_diff((__be32 *)&ip6->saddr, sizeof answer,
			      (__be32 *)&answer, sizeof answer, 0));
	__builtin_memcpy(&ip6->saddr, &answer, sizeof answer);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, to->mac, ETH_ALEN);
	return BASTION_COUNTER_ND;
}

/* Is the target of the message that the container may send about itself? */
static __always_inline bool is_own_target(const struct from *from,
					  const struct nd_header *nd,
					  struct bastion_address *target)
{
	__builtin_memcpy(target->bytes, nd->target, 16);
	return !is_ipv4_mapped(target) && is_own_address(from, target);
}

/* A Neighbor Solicitation or Advertisement is only valid with these (RFC 4861
 * section 7.1). */
static __always_inline bool is_valid_nd(const struct ipv6hdr *ip6,
					const struct packet *packet)
{
	return ip6->hop_limit == 255 &&
	       !(bpf_ntohs(packet->source_port) & 0xff);
}

/* A solicitation from the unspecified address: duplicate address detection
 * (RFC 4862 section 5.4.2).  The container's MAC address has been
 * checked. */
static __always_inline verdict handle_probe(struct __sk_buff *skb,
					    struct from *from)
{
	const struct packet *packet = &from->packet;
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct nd_header *nd = data + (packet->l4 & L4_MAX);
	struct bastion_address target;

	if ((void *)(ip6 + 1) > end || !is_valid_nd(ip6, packet) ||
	    packet->l4_len < sizeof *nd)
		return DROP_ND_SPOOF;
	if ((void *)(nd + 1) > end)
		return BASTION_COUNTER_SLOW;
	if (!is_own_target(from, nd, &target))
		return DROP_ND_SPOOF;
	return packet->l4_len == sizeof *nd ? DROP_ND_UNSOLICITED
					    : BASTION_COUNTER_SLOW;
}

/* Called for a packet whose source is the container's own. */
static __always_inline verdict handle_advertisement(struct __sk_buff *skb,
						    struct from *from)
{
	const struct packet *packet = &from->packet;
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct nd_message *nd = data + (packet->l4 & L4_MAX);
	struct bastion_address target;

	if ((void *)(ip6 + 1) > end || !is_valid_nd(ip6, packet) ||
	    packet->l4_len < sizeof nd->header)
		return DROP_ND_SPOOF;
	if ((void *)(&nd->header + 1) > end)
		return BASTION_COUNTER_SLOW;
	if (!is_own_target(from, &nd->header, &target))
		return DROP_ND_SPOOF;
	if (packet->l4_len == sizeof nd->header)
		return DROP_ND_UNSOLICITED;
	if (packet->l4_len != sizeof *nd || (void *)(nd + 1) > end ||
	    nd->option_type != ND_OPT_TARGET_MAC || nd->option_len != 1)
		return BASTION_COUNTER_SLOW;
	return mac_equal(nd->option_mac, from->endpoint->mac) ||
	       mac_is_zero(nd->option_mac)
	       ? DROP_ND_UNSOLICITED : DROP_ND_SPOOF;
}

/* Called for a packet whose source is the container's own. */
static __always_inline verdict handle_solicitation(struct __sk_buff *skb,
						   struct from *from)
{
	const struct packet *packet = &from->packet;
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = (void *)(long)skb->data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct nd_message *nd = (void *)(ip6 + 1);
	const struct bastion_address_value *to;
	struct bastion_address target;

	if ((void *)(ip6 + 1) > end || !is_valid_nd(ip6, packet))
		return DROP_ND_SPOOF;
	if (packet->l4 != ETH_HLEN + sizeof *ip6 ||
	    packet->l4_len != sizeof *nd || (void *)(nd + 1) > end ||
	    nd->option_type != ND_OPT_SOURCE_MAC || nd->option_len != 1 ||
	    mac_is_zero(nd->option_mac))
		return neighbor_miss(from);
	if (!mac_equal(nd->option_mac, from->endpoint->mac))
		return DROP_ND_SPOOF;

	if (is_own_target(from, &nd->header, &target) ||
	    is_ipv4_mapped(&target))
		return neighbor_miss(from);
	to = find_address(from->endpoint->zone, &target);
	if (!to || !is_visible(from, to))
		return neighbor_miss(from);
	from->to = to;
	return answer_nd(eth, ip6, nd, to);
}

#endif /* neighbor.h */
