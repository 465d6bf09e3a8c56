/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Bastion's fast path.
 *
 * "from_container" runs where packets of a container enter the host: it drops
 * what is certainly forged, answers ARP and Neighbor Solicitations, and takes
 * packets that the policy certainly allows straight into the destination
 * container.  Everything else goes on to Open vSwitch, which decides.
 *
 * "to_container" takes what Open vSwitch has decided to deliver through a
 * shadow port into the container behind it. */

#include "maps.h"
#include "parse.h"
#include "bastion/drop-reasons.h"

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2

/* Timeouts, in seconds, as in Open vSwitch's userspace connection tracking
 * (lib/conntrack-tp.c). */
#define SECONDS 1000000000ULL
#define TIMEOUT_TCP_OPENING 30
#define TIMEOUT_TCP_ESTABLISHED (24 * 60 * 60)
#define TIMEOUT_TCP_CLOSING 45
#define TIMEOUT_TCP_CLOSED 30
#define TIMEOUT_UDP_FIRST 60
#define TIMEOUT_UDP_MULTIPLE 30
#define TIMEOUT_ICMP_FIRST 60
#define TIMEOUT_ICMP_REPLY 30

static __always_inline void count(struct __sk_buff *skb, __u32 counter)
{
	struct bastion_counter *c = bpf_map_lookup_elem(&counters, &counter);

	if (c) {
		c->packets++;
		c->bytes += skb->len;
	}
}

/* Whose packet it is. */
struct from {
	__u32 ifindex;
	const struct bastion_attachment *attachment;
	const struct bastion_endpoint *endpoint;
	struct bastion_port_counters *port;	/* May be NULL. */
};

static __always_inline int drop(struct __sk_buff *skb, const struct from *from,
				enum drop_reason reason)
{
	count(skb, BASTION_COUNTER_DROPS + reason);
	if (from->port) {
		from->port->dropped.packets++;
		from->port->dropped.bytes += skb->len;
	}
	return TC_ACT_SHOT;
}

/* Hands the packet to Open vSwitch. */
static __always_inline int slow(struct __sk_buff *skb, const struct from *from)
{
	count(skb, BASTION_COUNTER_SLOW);
	if (from->port) {
		from->port->slow.packets++;
		from->port->slow.bytes += skb->len;
	}
	if (from->attachment->slow_ifindex)
		return bpf_redirect(from->attachment->slow_ifindex, 0);
	return TC_ACT_UNSPEC;
}

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

/* In the maps, such an address is an IPv4 address. */
static __always_inline bool is_ipv4_mapped(const struct in6_addr *ip)
{
	return !(ip->s6_addr32[0] | ip->s6_addr32[1]) &&
	       ip->s6_addr32[2] == bpf_htonl(0xffff);
}

/* ARP. */

static __always_inline int answer_arp(struct __sk_buff *skb,
				      const struct from *from,
				      struct ethhdr *eth,
				      struct arp_ipv4 *arp,
				      const struct bastion_address_value *to)
{
	__u8 tpa[4];

	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, to->mac, ETH_ALEN);
	arp->op = bpf_htons(ARP_REPLY);
	__builtin_memcpy(arp->tha, arp->sha, ETH_ALEN);
	__builtin_memcpy(arp->sha, to->mac, ETH_ALEN);
	__builtin_memcpy(tpa, arp->tpa, 4);
	__builtin_memcpy(arp->tpa, arp->spa, 4);
	__builtin_memcpy(arp->spa, tpa, 4);
	count(skb, BASTION_COUNTER_ARP);
	return bpf_redirect(from->ifindex, 0);
}

static __always_inline int handle_arp(struct __sk_buff *skb,
				      const struct from *from)
{
	struct bastion_address spa, tpa;
	const struct bastion_address_value *to;
	struct ethhdr *eth;
	struct arp_ipv4 *arp;
	bool request, own_tpa;
	void *end;

	eth = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	arp = (void *)(eth + 1);
	if ((void *)(arp + 1) > end ||
	    arp->hardware_type != bpf_htons(1) ||
	    arp->protocol_type != bpf_htons(ETH_P_IP) ||
	    arp->hardware_len != ETH_ALEN || arp->protocol_len != 4)
		return slow(skb, from);
	if (!mac_equal(eth->h_source, from->endpoint->mac) ||
	    !mac_equal(arp->sha, from->endpoint->mac))
		return drop(skb, from, DROP_ARP_SPOOF);

	map_ipv4(&spa, arp->spa);
	map_ipv4(&tpa, arp->tpa);
	request = arp->op == bpf_htons(ARP_REQUEST);
	own_tpa = is_own_address(from, &tpa);
	if (!is_own_address(from, &spa))
		return drop(skb, from,
			    request && own_tpa && is_ipv4_zero(arp->spa)
			    ? DROP_ARP_UNSOLICITED : DROP_ARP_SPOOF);
	if (!request)
		return drop(skb, from, DROP_ARP_UNSOLICITED);
	if (own_tpa)
		return slow(skb, from);
	to = find_address(from->endpoint->zone, &tpa);
	if (!to || !is_visible(from, to))
		return slow(skb, from);
	return answer_arp(skb, from, eth, arp, to);
}

/* Neighbor discovery. */

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

static __always_inline int answer_nd(struct __sk_buff *skb,
				     const struct from *from,
				     struct ethhdr *eth, struct ipv6hdr *ip6,
				     struct nd_message *nd,
				     const struct bastion_address_value *to)
{
	struct {
		struct in6_addr source, destination;
		struct nd_message nd;
	} old, new;
	__sum16 checksum = nd->icmp6.icmp6_cksum;
	bool router = to->flags & BASTION_GATEWAY;

	__builtin_memset(&old, 0, sizeof old);
	__builtin_memset(&new, 0, sizeof new);
	old.source = ip6->saddr;
	old.destination = ip6->daddr;
	old.nd = *nd;
	old.nd.icmp6.icmp6_cksum = 0;

	__builtin_memcpy(&new.source, nd->target, 16);
	new.destination = ip6->saddr;
	new.nd = old.nd;
	new.nd.icmp6.icmp6_type = ND_ADVERT;
	new.nd.icmp6.icmp6_dataun.un_data32[0] =
		bpf_htonl(router ? 0xe0000000 : 0x60000000);
	new.nd.option_type = ND_OPT_TARGET_MAC;
	__builtin_memcpy(new.nd.option_mac, to->mac, ETH_ALEN);
	new.nd.icmp6.icmp6_cksum = update_checksum(
		checksum, bpf_csum_diff((__be32 *)&old, sizeof old,
					(__be32 *)&new, sizeof new, 0));

	ip6->saddr = new.source;
	ip6->daddr = new.destination;
	*nd = new.nd;
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, to->mac, ETH_ALEN);
	count(skb, BASTION_COUNTER_ND);
	return bpf_redirect(from->ifindex, 0);
}

/* Called for a packet whose IPv6 source is the container's own. */
static __always_inline int
handle_nd_solicitation(struct __sk_buff *skb,
		       const struct from *from)
{
	const struct bastion_address_value *to;
	struct bastion_address target;
	struct ethhdr *eth;
	struct ipv6hdr *ip6;
	struct nd_message *nd;
	void *end;

	eth = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip6 = (void *)(eth + 1);
	nd = (void *)(ip6 + 1);
	if ((void *)(nd + 1) > end ||
	    ip6->payload_len != bpf_htons(sizeof *nd) ||
	    ip6->hop_limit != 255 || nd->icmp6.icmp6_code ||
	    nd->option_type != ND_OPT_SOURCE_MAC || nd->option_len != 1)
		return slow(skb, from);
	if (!mac_equal(nd->option_mac, from->endpoint->mac))
		return drop(skb, from, DROP_ND_SPOOF);

	__builtin_memcpy(target.bytes, nd->target, 16);
	if (is_ipv4_mapped((const struct in6_addr *)target.bytes) ||
	    is_own_address(from, &target))
		return slow(skb, from);
	to = find_address(from->endpoint->zone, &target);
	if (!to || !is_visible(from, to))
		return slow(skb, from);
	return answer_nd(skb, from, eth, ip6, nd, to);
}

/* Policy. */

static __always_inline bool allows_peer(__u32 subject, __u32 peer,
					__u16 direction, __u8 protocol,
					__be16 port)
{
	struct bastion_policy_key key = {
		.prefixlen = BASTION_POLICY_PREFIX_PORT,
		.subject = subject,
		.peer = peer,
		.direction = direction,
		.protocol = protocol,
		.port = port,
	};

	return bpf_map_lookup_elem(&policy, &key) != NULL;
}

static __always_inline bool allows(__u32 subject, __u32 peer, __u16 direction,
				   __u8 protocol, __be16 port)
{
	return allows_peer(subject, peer, direction, protocol, port) ||
	       allows_peer(subject, BASTION_PEER_ANY, direction, protocol,
			   port);
}

/* May 's' open 'protocol' and 'port' to 'd'? */
static __always_inline bool is_allowed(__u32 s, __u32 s_flags, __u32 d,
				       __u32 d_flags, __u8 protocol,
				       __be16 port)
{
	return (s_flags & BASTION_OPEN_EGRESS ||
		allows(s, d, BASTION_EGRESS, protocol, port)) &&
	       (d_flags & BASTION_OPEN_INGRESS ||
		allows(d, s, BASTION_INGRESS, protocol, port));
}

/* Connections. */

/* Has TCP said that the connection is over? */
static __always_inline bool is_closed(__u32 flags)
{
	return flags & BASTION_CONN_RESET ||
	       (flags & BASTION_CONN_FIN && flags & BASTION_CONN_REPLY_FIN);
}

static __always_inline __u64 timeout(__u8 protocol, __u32 flags)
{
	switch (protocol) {
	case IPPROTO_TCP:
		if (flags & BASTION_CONN_RESET)
			return TIMEOUT_TCP_CLOSED * SECONDS;
		if (is_closed(flags))
			return TIMEOUT_TCP_CLOSING * SECONDS;
		if (!(flags & BASTION_CONN_REPLIED))
			return TIMEOUT_TCP_OPENING * SECONDS;
		return TIMEOUT_TCP_ESTABLISHED * SECONDS;
	case IPPROTO_UDP:
		return (flags & BASTION_CONN_REPLIED ? TIMEOUT_UDP_MULTIPLE
			: TIMEOUT_UDP_FIRST) * SECONDS;
	default:
		return (flags & BASTION_CONN_REPLIED ? TIMEOUT_ICMP_REPLY
			: TIMEOUT_ICMP_FIRST) * SECONDS;
	}
}

static __always_inline struct bastion_connection *
find_connection(const struct bastion_connection_key *key, __u64 now)
{
	struct bastion_connection *conn;

	conn = bpf_map_lookup_elem(&connections, key);
	if (conn && now - conn->last_seen < timeout(key->protocol, conn->flags))
		return conn;
	return NULL;
}

static __always_inline bool is_icmp(__u8 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static __always_inline bool is_echo_reply(const struct packet *packet)
{
	__u8 type = bpf_ntohs(packet->destination_port) >> 8;

	return packet->protocol == IPPROTO_ICMP ? type == ICMP_ECHOREPLY
						: type == ICMPV6_ECHO_REPLY;
}

static __always_inline void
make_keys(const struct packet *packet, __u32 zone,
	  struct bastion_connection_key *original,
	  struct bastion_connection_key *reply)
{
	__builtin_memset(original, 0, sizeof *original);
	__builtin_memset(reply, 0, sizeof *reply);
	original->zone = reply->zone = zone;
	original->protocol = reply->protocol = packet->protocol;
	original->source = reply->destination = packet->source;
	original->destination = reply->source = packet->destination;
	if (is_icmp(packet->protocol)) {
		original->source_port = reply->source_port =
			packet->source_port;
	} else {
		original->source_port = reply->destination_port =
			packet->source_port;
		original->destination_port = reply->source_port =
			packet->destination_port;
	}
}

/* What comes after the end of a connection does not keep it alive. */
static __always_inline void touch(struct bastion_connection *conn, __u64 now,
				  const struct packet *packet, bool reply)
{
	__u32 flags = conn->flags;

	if (reply)
		flags |= BASTION_CONN_REPLIED;
	if (packet->protocol == IPPROTO_TCP) {
		if (packet->tcp_flags & TCP_FLAG_RST_BIT)
			flags |= BASTION_CONN_RESET;
		if (packet->tcp_flags & TCP_FLAG_FIN_BIT)
			flags |= reply ? BASTION_CONN_REPLY_FIN
				       : BASTION_CONN_FIN;
	}
	if (!is_closed(conn->flags))
		conn->last_seen = now;
	if (flags != conn->flags)
		conn->flags = flags;
}

/* Can the packet open a connection?  A TCP packet in mid-stream can, as in
 * Open vSwitch, so that a connection survives when it changes paths. */
static __always_inline bool opens(const struct packet *packet)
{
	__u8 flags = packet->tcp_flags;

	if (is_icmp(packet->protocol))
		return !is_echo_reply(packet);
	if (packet->protocol != IPPROTO_TCP)
		return true;
	return !(flags & TCP_FLAG_RST_BIT) &&
	       !(flags & TCP_FLAG_SYN_BIT && flags & TCP_FLAG_ACK_BIT);
}

static __always_inline bool is_syn(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP &&
	       (packet->tcp_flags & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) ==
	       TCP_FLAG_SYN_BIT;
}

/* Can the packet be nothing but the first of a connection? */
static __always_inline bool opens_for_sure(const struct packet *packet)
{
	return is_icmp(packet->protocol) ? !is_echo_reply(packet)
					 : is_syn(packet);
}

/* Is the packet part of a connection, known or new, that the policy certainly
 * allows?  Every packet is judged anew, in the direction in which its
 * connection was opened. */
static __always_inline bool judge(const struct packet *packet,
				  const struct bastion_endpoint *from,
				  const struct bastion_address_value *to)
{
	struct bastion_connection_key original, reply;
	struct bastion_connection *conn;
	__u64 now = bpf_ktime_get_ns();

	make_keys(packet, from->zone, &original, &reply);
	conn = opens_for_sure(packet) ? NULL : find_connection(&reply, now);
	if (conn) {
		__be16 port = is_icmp(packet->protocol)
			      ? bpf_htons(conn->icmp_type_code)
			      : packet->source_port;

		if (!is_allowed(to->identity, to->flags, from->identity,
				from->flags, packet->protocol, port))
			return false;
		touch(conn, now, packet, true);
		return true;
	}

	if (!is_allowed(from->identity, from->flags, to->identity, to->flags,
			packet->protocol, packet->destination_port))
		return false;
	conn = find_connection(&original, now);
	if (conn && !(is_syn(packet) && conn->flags & (BASTION_CONN_RESET |
						       BASTION_CONN_FIN |
						       BASTION_CONN_REPLY_FIN))) {
		touch(conn, now, packet, false);
		return true;
	}
	if (!opens(packet))
		return false;

	struct bastion_connection new = {
		.last_seen = now,
		.flags = packet->tcp_flags & TCP_FLAG_FIN_BIT
			 ? BASTION_CONN_FIN : 0,
		.icmp_type_code = is_icmp(packet->protocol)
				  ? bpf_ntohs(packet->destination_port) : 0,
	};
	return !bpf_map_update_elem(&connections, &original, &new, BPF_ANY);
}

/* Is a packet that cannot open a connection part of a known one, or about one,
 * that the policy certainly allows? */
static __always_inline bool judge_known(const struct packet *packet,
					const struct bastion_endpoint *from,
					const struct bastion_address_value *to)
{
	struct bastion_connection_key original, reply;
	struct bastion_connection *conn;
	__u64 now = bpf_ktime_get_ns();

	make_keys(packet, from->zone, &original, &reply);
	conn = find_connection(&reply, now);
	if (conn)
		return is_allowed(to->identity, to->flags, from->identity,
				  from->flags, packet->protocol,
				  is_icmp(packet->protocol)
				  ? bpf_htons(conn->icmp_type_code)
				  : packet->source_port);
	conn = find_connection(&original, now);
	return conn && is_allowed(from->identity, from->flags, to->identity,
				  to->flags, packet->protocol,
				  is_icmp(packet->protocol)
				  ? bpf_htons(conn->icmp_type_code)
				  : packet->destination_port);
}

/* Fragments. */

#define TIMEOUT_FRAGMENT 15

static __always_inline void make_fragment_key(const struct packet *packet,
					      __u32 zone,
					      struct bastion_fragment_key *key)
{
	__builtin_memset(key, 0, sizeof *key);
	key->zone = zone;
	key->id = packet->fragment_id;
	key->protocol = packet->protocol;
	key->source = packet->source;
	key->destination = packet->destination;
}

/* Without an entry, Open vSwitch gets the later fragments. */
static __always_inline void remember_fragment(const struct packet *packet,
					      __u32 zone)
{
	struct bastion_fragment_key key;
	struct bastion_fragment fragment = {
		.last_seen = bpf_ktime_get_ns(),
		.source_port = packet->source_port,
		.destination_port = packet->destination_port,
	};

	make_fragment_key(packet, zone, &key);
	bpf_map_update_elem(&fragments, &key, &fragment, BPF_ANY);
}

/* Finds out the ports of a later fragment. */
static __always_inline bool recall_fragment(struct packet *packet, __u32 zone)
{
	const struct bastion_fragment *fragment;
	struct bastion_fragment_key key;

	make_fragment_key(packet, zone, &key);
	fragment = bpf_map_lookup_elem(&fragments, &key);
	if (!fragment || bpf_ktime_get_ns() - fragment->last_seen >=
			 TIMEOUT_FRAGMENT * SECONDS)
		return false;
	packet->source_port = fragment->source_port;
	packet->destination_port = fragment->destination_port;
	packet->known_only = true;
	return true;
}

/* Delivery. */

/* Would the destination's link take the packet?  A packet that has yet to be
 * segmented becomes packets with the same headers and 'gso_size' bytes. */
static __always_inline bool fits(struct __sk_buff *skb,
				 const struct packet *packet, __u32 mtu)
{
	return (skb->gso_size ? packet->headers + skb->gso_size
			      : skb->len - ETH_HLEN) <= mtu;
}

static __always_inline int deliver(struct __sk_buff *skb,
				   const struct from *from,
				   const struct bastion_address_value *to)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return slow(skb, from);
	__builtin_memcpy(eth->h_dest, to->mac, ETH_ALEN);
	count(skb, BASTION_COUNTER_DELIVERED);
	if (from->port) {
		from->port->delivered.packets++;
		from->port->delivered.bytes += skb->len;
	}

	/* Before Linux 6.15 the packet keeps the type that it got when it
	 * came from the container, PACKET_OTHERHOST unless it was sent to the
	 * MAC address of the host's end. */
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return bpf_redirect_peer(to->ifindex, 0);
}

static __always_inline int forward(struct __sk_buff *skb,
				   const struct packet *packet,
				   const struct from *from)
{
	const struct bastion_address_value *to;

	to = find_address(from->endpoint->zone, &packet->destination);
	if (!to || !to->ifindex || to->ifindex == from->ifindex ||
	    !fits(skb, packet, to->mtu) ||
	    !(packet->known_only ? judge_known(packet, from->endpoint, to)
				 : judge(packet, from->endpoint, to)))
		return slow(skb, from);
	if (packet->first_fragment)
		remember_fragment(packet, from->endpoint->zone);
	return deliver(skb, from, to);
}

/* IP. */

static __always_inline int handle_ipv4(struct __sk_buff *skb,
				       const struct from *from)
{
	struct packet packet = {};
	struct ethhdr *eth;
	struct iphdr *ip;
	__u32 len;
	void *end;

	eth = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return slow(skb, from);

	map_ipv4(&packet.source, &ip->saddr);
	map_ipv4(&packet.destination, &ip->daddr);
	packet.protocol = ip->protocol;
	packet.headers = sizeof *ip;
	if (is_dhcp_answer(packet.protocol, (void *)ip + ip->ihl * 4, end))
		return slow(skb, from);
	if (ip->saddr && (!mac_equal(eth->h_source, from->endpoint->mac) ||
			  !is_own_address(from, &packet.source)))
		return drop(skb, from, DROP_IP_SPOOF);
	len = bpf_ntohs(ip->tot_len);
	packet.fragment_id = ip->id;
	packet.first_fragment = (ip->frag_off & bpf_htons(0x3fff)) ==
				bpf_htons(0x2000);
	if (!ip->saddr || ip->ihl != 5 || len < sizeof *ip ||
	    len > skb->len - ETH_HLEN ||
	    !(ip->frag_off & bpf_htons(0x1fff)
	      ? recall_fragment(&packet, from->endpoint->zone)
	      : parse_transport(&packet, true, ip + 1, end,
				len - sizeof *ip)))
		return slow(skb, from);
	return forward(skb, &packet, from);
}

static __always_inline bool is_unspecified(const struct in6_addr *ip)
{
	return !(ip->s6_addr32[0] | ip->s6_addr32[1] | ip->s6_addr32[2] |
		 ip->s6_addr32[3]);
}

static __always_inline int handle_ipv6_fragment(struct __sk_buff *skb,
						struct packet *packet,
						const struct from *from,
						void *payload, void *end,
						__u32 len)
{
	struct fragment_header *header = payload;

	if ((void *)(header + 1) > end || len < sizeof *header)
		return slow(skb, from);
	len -= sizeof *header;
	packet->protocol = header->next;
	packet->fragment_id = header->id;
	if (header->offset & bpf_htons(0xfff8))
		return recall_fragment(packet, from->endpoint->zone)
		       ? forward(skb, packet, from) : slow(skb, from);
	packet->first_fragment = header->offset & bpf_htons(1);
	if (!packet->first_fragment ||
	    is_dhcp_answer(packet->protocol, header + 1, end) ||
	    !parse_transport(packet, false, header + 1, end, len))
		return slow(skb, from);
	return forward(skb, packet, from);
}

static __always_inline int handle_ipv6(struct __sk_buff *skb,
				       const struct from *from)
{
	struct packet packet = {};
	struct icmp6hdr *icmp6;
	struct ethhdr *eth;
	struct ipv6hdr *ip6;
	__u32 len;
	void *end;

	eth = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip6 = (void *)(eth + 1);
	if ((void *)(ip6 + 1) > end || ip6->version != 6 ||
	    is_unspecified(&ip6->saddr) || is_ipv4_mapped(&ip6->saddr) ||
	    is_ipv4_mapped(&ip6->daddr))
		return slow(skb, from);

	__builtin_memcpy(packet.source.bytes, &ip6->saddr, 16);
	__builtin_memcpy(packet.destination.bytes, &ip6->daddr, 16);
	packet.protocol = ip6->nexthdr;
	packet.headers = sizeof *ip6;
	icmp6 = (void *)(ip6 + 1);
	if (packet.protocol == IPPROTO_ICMPV6 && (void *)(icmp6 + 1) <= end) {
		if (icmp6->icmp6_type == ND_ROUTER_ADVERT)
			return drop(skb, from, DROP_ROUTER_ADVERTISEMENT);
		if (icmp6->icmp6_type == ND_REDIRECT)
			return drop(skb, from, DROP_REDIRECT);
	}
	if (is_dhcp_answer(packet.protocol, ip6 + 1, end))
		return slow(skb, from);
	if (!mac_equal(eth->h_source, from->endpoint->mac) ||
	    !is_own_address(from, &packet.source))
		return drop(skb, from, DROP_IPV6_SPOOF);
	if (packet.protocol == IPPROTO_ICMPV6 && (void *)(icmp6 + 1) <= end &&
	    icmp6->icmp6_type == ND_SOLICIT)
		return handle_nd_solicitation(skb, from);
	len = bpf_ntohs(ip6->payload_len);
	if (len > skb->len - ETH_HLEN - sizeof *ip6)
		return slow(skb, from);
	if (packet.protocol == IPPROTO_FRAGMENT)
		return handle_ipv6_fragment(skb, &packet, from, ip6 + 1, end,
					    len);
	if (!parse_transport(&packet, false, ip6 + 1, end, len))
		return slow(skb, from);
	return forward(skb, &packet, from);
}

SEC("tc")
int from_container(struct __sk_buff *skb)
{
	struct from from = { .ifindex = skb->ifindex };
	struct ethhdr *eth;

	from.attachment = bpf_map_lookup_elem(&attachments, &from.ifindex);
	if (!from.attachment)
		return TC_ACT_SHOT;
	from.port = bpf_map_lookup_elem(&ports, &from.ifindex);
	from.endpoint = bpf_map_lookup_elem(&endpoints, &from.ifindex);
	if (!from.endpoint)
		return slow(skb, &from);

	/* A VLAN tag is not in the bytes of the packet. */
	if (skb->vlan_present)
		return drop(skb, &from, DROP_VLAN_TAG);
	bpf_skb_pull_data(skb, 0);
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return slow(skb, &from);
	if (eth->h_proto == bpf_htons(ETH_P_8021Q) ||
	    eth->h_proto == bpf_htons(ETH_P_8021AD))
		return drop(skb, &from, DROP_VLAN_TAG);
	if (eth->h_source[0] & 1)
		return drop(skb, &from, DROP_MULTICAST_SOURCE);

	switch (bpf_ntohs(eth->h_proto)) {
	case ETH_P_ARP:
		return handle_arp(skb, &from);
	case ETH_P_IP:
		return handle_ipv4(skb, &from);
	case ETH_P_IPV6:
		return handle_ipv6(skb, &from);
	default:
		return drop(skb, &from, DROP_ETHERTYPE);
	}
}

SEC("tc")
int to_container(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	__u32 *veth;

	/* The port of OVS is an interface of the host, which must never see
	 * what comes out of it. */
	veth = bpf_map_lookup_elem(&shadows, &ifindex);
	if (!veth)
		return TC_ACT_SHOT;
	count(skb, BASTION_COUNTER_FROM_SLOW);
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return bpf_redirect_peer(*veth, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
