/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Bastion's fast path.
 *
 * "from_container" runs where packets of a container enter the host: it drops
 * what is certainly forged or refused, answers ARP and Neighbor Solicitations,
 * and takes packets that the policy certainly allows straight into the
 * destination container.  Everything else goes on to Open vSwitch, which
 * decides.
 *
 * "to_container" takes what Open vSwitch has decided to deliver through a
 * shadow port into the container behind it. */

#include "account.h"
#include "connection.h"
#include "neighbor.h"
#include "policy.h"

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2

/* Bytes that may be looked at. */
#define PULL_MAX 384

/* Delivery. */

/* Would the destination's link take the packet?  A packet that has yet to be
 * segmented becomes packets with the same headers and 'gso_size' bytes. */
static __always_inline bool fits(struct __sk_buff *skb,
				 const struct packet *packet, __u32 mtu)
{
	return (skb->gso_size ? packet->headers + skb->gso_size
			      : skb->len - ETH_HLEN) <= mtu;
}

/* Adds the packet to 'conn', or to a new connection with 'key' if it is NULL.
 * Returns false if it cannot be part of one. */
static __always_inline bool connect(struct from *from,
				    struct bastion_connection_key *key,
				    struct bastion_connection *conn,
				    bool reply, __u64 now)
{
	const struct packet *packet = &from->packet;

	if (packet->known_only)
		return conn;
	/* The same port may be used again. */
	if (conn && (reply || !opens_for_sure(packet) ||
		     !(conn->flags & CONN_ANY_END))) {
		touch(conn, now, packet, reply);
		return true;
	}
	if (!opens(packet) || !add_connection(from, key, now))
		return false;
	if (is_syn(packet)) {
		make_key(packet, key->zone, true, key);
		delete_closed(key);
	}
	from->is_new = true;
	return true;
}

/* Handles a packet that the policy does not allow, as far as the maps go.
 * Returns BASTION_COUNTER_DELIVERED if it may pass all the same. */
static __always_inline verdict refuse(struct from *from,
				      const struct opening *o, __u32 reason,
				      const struct bastion_connection *conn)
{
	const struct packet *packet = &from->packet;
	bool certain = is_certain(from, o, reason);

	/* It may belong to a connection of which only Open vSwitch knows. */
	bool known = opens_for_sure(packet) ||
		     (conn && !packet->known_only);

	if (from->endpoint->flags & BASTION_AUDIT) {
		if (!known || !certain)
			return BASTION_COUNTER_SLOW;
		from->audited = reason;
		return BASTION_COUNTER_DELIVERED;
	}
	if (!certain || packet->known_only)
		return BASTION_COUNTER_SLOW;
	if (known)
		return reason;

	/* Connections with a container that is not on the fast path are all
	 * Open vSwitch's. */
	return from->to->ifindex ? miss(from) : BASTION_COUNTER_SLOW;
}

/* How long answers may be on their way, in seconds. */
#define TIMEOUT_EXEMPT 60

/* Open vSwitch gets a packet that is allowed, so that 'ifindex' will send
 * answers of whose connection nothing is known here. */
static __always_inline void expect_answers(__u32 ifindex, __u64 now)
{
	struct bastion_port_state *state = find_state(ifindex);

	if (state)
		state->exempt_until = now + TIMEOUT_EXEMPT * second;
}

/* Handles a packet of a container to another container. */
static __always_inline verdict forward(struct __sk_buff *skb,
				       struct from *from)
{
	const struct bastion_endpoint *self = from->endpoint;
	const struct bastion_address_value *to = from->to;
	struct packet *packet = &from->packet;
	struct bastion_connection *conn = NULL;
	struct bastion_connection_key key;
	__u64 now = bpf_ktime_get_ns();
	bool reply;
	__u32 reason;
	verdict v;

	if (!opens_for_sure(packet)) {
		make_key(packet, self->zone, true, &key);
		conn = find_connection(&key, now);
	}
	reply = conn;
	if (!reply) {
		make_key(packet, self->zone, false, &key);
		conn = find_connection(&key, now);
	}
	if (packet->known_only && !conn)
		return BASTION_COUNTER_SLOW;

	/* Every packet is judged anew, in the direction in which its
	 * connection was opened. */
	struct opening o = {
		.zone = self->zone,
		.source = reply ? to->identity : self->identity,
		.destination = reply ? self->identity : to->identity,
		.source_flags = reply ? to->flags : self->flags,
		.destination_flags = reply ? self->flags : to->flags,
		.protocol = packet->protocol,
		.port = conn && is_icmp(packet->protocol) &&
			(reply || packet->known_only)
			? bpf_htons(conn->icmp_type_code)
			: reply ? packet->source_port
				: packet->destination_port,
	};
	reason = find_refusal(from, &o);
	if (reason) {
		v = refuse(from, &o, reason, conn);
		if (v != BASTION_COUNTER_DELIVERED)
			return v;
	}

	if (to->ifindex && fits(skb, packet, to->mtu) &&
	    connect(from, &key, conn, reply, now) &&
	    (packet->fragment != FRAGMENT_FIRST ||
	     remember_fragment(packet, self->zone, now)))
		return BASTION_COUNTER_DELIVERED;
	if (!reply)
		expect_answers(to->ifindex, now);
	return BASTION_COUNTER_SLOW;
}

/* IP. */

/* Handles a packet whose source is the container's own. */
static __always_inline verdict handle_destination(struct __sk_buff *skb,
						  struct from *from)
{
	struct packet *packet = &from->packet;
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (is_group(packet))
		return DROP_MULTICAST_DESTINATION;
	from->to = find_address(from->endpoint->zone, &packet->destination);
	if (!from->to || from->to->flags & BASTION_GATEWAY)
		return BASTION_COUNTER_SLOW;
	if (from->to->ifindex == from->ifindex)
		return DROP_SELF;
	if (packet->fragment == FRAGMENT_LATER
	    ? !recall_fragment(packet, from->endpoint->zone)
	    : !parse_transport(packet, data, end))
		return BASTION_COUNTER_SLOW;
	return forward(skb, from);
}

/* What only a declared DHCP server may send, in fragments: Open vSwitch drops
 * it when it has all of them. */
static __always_inline bool is_fragmented_dhcp(const struct packet *packet)
{
	return packet->fragment == FRAGMENT_FIRST &&
	       (has_ports(packet, 67, 68) || has_ports(packet, 547, 546));
}

static __always_inline verdict handle_ipv4(struct __sk_buff *skb,
					   struct from *from)
{
	const struct bastion_endpoint *self = from->endpoint;
	struct packet *packet = &from->packet;
	struct ethhdr *eth = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct iphdr *ip = (void *)(eth + 1);
	bool whole, dhcp_request, broadcast, own_mac;

	if ((void *)(ip + 1) > end || !parse_ipv4(packet, eth, end, skb->len) ||
	    is_fragmented_dhcp(packet))
		return BASTION_COUNTER_SLOW;
	whole = packet->fragment == FRAGMENT_NONE;
	if (whole && packet->protocol == IPPROTO_UDP && !packet->visible &&
	    packet->l4_len >= sizeof(struct udphdr))
		return BASTION_COUNTER_SLOW;
	if (whole && has_ports(packet, 67, 68))
		return self->flags & BASTION_DHCP_SERVER ? BASTION_COUNTER_SLOW
							 : DROP_DHCP_SERVER;

	dhcp_request = whole && has_ports(packet, 68, 67);
	broadcast = ip->daddr == 0xffffffff;
	own_mac = mac_equal(eth->h_source, self->mac);
	if (dhcp_request && !ip->saddr)
		return own_mac && broadcast && self->flags & BASTION_DHCP_V4
		       ? BASTION_COUNTER_SLOW : DROP_DHCP_CLIENT;
	if (!own_mac || !is_own_address(from, &packet->source))
		return DROP_IP_SPOOF;
	if (dhcp_request && broadcast)
		return self->flags & BASTION_DHCP_V4 ? BASTION_COUNTER_SLOW
						     : DROP_DHCP_CLIENT;
	return handle_destination(skb, from);
}

/* Where clients look for DHCP servers (RFC 8415 section 7.1). */
static __always_inline bool
is_all_dhcp_servers(const struct bastion_address *ip)
{
	const __u32 *x = (const void *)ip;

	return x[0] == bpf_htonl(0xff020000) && !x[1] && !x[2] &&
	       x[3] == bpf_htonl(0x10002);
}

/* A packet whose IPv6 source is not the container's. */
static __always_inline verdict handle_spoofed_ipv6(struct __sk_buff *skb,
						   struct from *from,
						   bool own_mac, __u8 type)
{
	if (!is_unspecified(&from->packet.source))
		return DROP_IPV6_SPOOF;
	switch (type) {
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		return DROP_ND_UNSOLICITED;
	case ND_SOLICIT:
		return own_mac ? handle_probe(skb, from) : DROP_ND_SPOOF;
	default:
		return DROP_IPV6_SPOOF;
	}
}

static __always_inline verdict handle_ipv6(struct __sk_buff *skb,
					   struct from *from)
{
	const struct bastion_endpoint *self = from->endpoint;
	struct packet *packet = &from->packet;
	struct ethhdr *eth = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	bool own_mac, whole;
	__u8 type = 0;

	if ((void *)(eth + 1) > end || !parse_ipv6(packet, eth, end, skb->len) ||
	    packet->protocol == PROTOCOL_UNKNOWN || is_fragmented_dhcp(packet))
		return BASTION_COUNTER_SLOW;
	whole = packet->fragment == FRAGMENT_NONE;
	if (whole && !packet->visible &&
	    (packet->protocol == IPPROTO_ICMPV6 ||
	     (packet->protocol == IPPROTO_UDP &&
	      packet->l4_len >= sizeof(struct udphdr))))
		return BASTION_COUNTER_SLOW;
	if (whole && has_ports(packet, 547, 546))
		return self->flags & BASTION_DHCP_SERVER ? BASTION_COUNTER_SLOW
							 : DROP_DHCP_SERVER;
	if (whole && packet->protocol == IPPROTO_ICMPV6)
		type = visible_type(packet);
	if (type == ND_ROUTER_ADVERT)
		return DROP_ROUTER_ADVERTISEMENT;
	if (type == ND_REDIRECT)
		return DROP_REDIRECT;

	own_mac = mac_equal(eth->h_source, self->mac);
	if (!own_mac || is_ipv4_mapped(&packet->source) ||
	    !is_own_address(from, &packet->source))
		return handle_spoofed_ipv6(skb, from, own_mac, type);
	if (type == ND_SOLICIT)
		return handle_solicitation(skb, from);
	if (type == ND_ADVERT)
		return handle_advertisement(skb, from);
	if (whole && has_ports(packet, 546, 547) &&
	    is_all_dhcp_servers(&packet->destination))
		return self->flags & BASTION_DHCP_V6 ? BASTION_COUNTER_SLOW
						     : DROP_DHCP_CLIENT;
	if (is_ipv4_mapped(&packet->destination))
		return BASTION_COUNTER_SLOW;
	return handle_destination(skb, from);
}

/* Frames. */

/* IEEE 802.2 with SNAP (RFC 1042): Open vSwitch finds the protocol in it. */
static __always_inline bool is_snap(struct ethhdr *eth, void *end)
{
	__u8 *snap = (void *)(eth + 1);

	return bpf_ntohs(eth->h_proto) < 0x600 &&
	       (void *)(snap + 8) <= end && snap[0] == 0xaa &&
	       snap[1] == 0xaa && snap[2] == 3 &&
	       !(snap[3] | snap[4] | snap[5]);
}

static __always_inline verdict handle_frame(struct __sk_buff *skb,
					    struct from *from)
{
	struct ethhdr *eth;
	void *end;

	if (!from->endpoint)
		return BASTION_COUNTER_SLOW;

	/* A VLAN tag is not in the bytes of the packet. */
	if (skb->vlan_present)
		return DROP_VLAN_TAG;
	bpf_skb_pull_data(skb, skb->len < PULL_MAX ? skb->len : PULL_MAX);
	eth = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if ((void *)(eth + 1) > end)
		return BASTION_COUNTER_SLOW;
	if (eth->h_proto == bpf_htons(ETH_P_8021Q) ||
	    eth->h_proto == bpf_htons(ETH_P_8021AD))
		return DROP_VLAN_TAG;
	if (eth->h_source[0] & 1)
		return DROP_MULTICAST_SOURCE;

	switch (bpf_ntohs(eth->h_proto)) {
	case ETH_P_ARP:
		return handle_arp(skb, from);
	case ETH_P_IP:
		return handle_ipv4(skb, from);
	case ETH_P_IPV6:
		return handle_ipv6(skb, from);
	default:
		return is_snap(eth, end) ? BASTION_COUNTER_SLOW
					 : DROP_ETHERTYPE;
	}
}

/* Returns false if the packet is too short. */
static __always_inline bool set_destination_mac(struct __sk_buff *skb,
						const struct from *from)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if (!from->to || (void *)(eth + 1) > (void *)(long)skb->data_end)
		return false;
	__builtin_memcpy(eth->h_dest, from->to->mac, ETH_ALEN);
	return true;
}

SEC("tc")
int from_container(struct __sk_buff *skb)
{
	struct from from = { .ifindex = skb->ifindex };
	__u32 zero = 0;
	verdict v;

	from.attachment = bpf_map_lookup_elem(&attachments, &from.ifindex);
	if (!from.attachment) {
		count(DROP_UNKNOWN_PORT, skb->len);
		return TC_ACT_SHOT;
	}
	from.config = bpf_map_lookup_elem(&config, &zero);
	if (from.config)
		from.config_flags = *(volatile __u32 *)&from.config->flags;
	from.port = bpf_map_lookup_elem(&ports, &from.ifindex);
	from.endpoint = bpf_map_lookup_elem(&endpoints, &from.ifindex);

	v = handle_frame(skb, &from);
	if (v == BASTION_COUNTER_DELIVERED && !set_destination_mac(skb, &from))
		v = BASTION_COUNTER_SLOW;
	account(skb, &from, v);
	switch (v) {
	case BASTION_COUNTER_DELIVERED:
		/* Before Linux 6.15 the packet keeps the type that it got when
		 * it came from the container, PACKET_OTHERHOST unless it was
		 * sent to the MAC address of the host's end. */
		bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
		return bpf_redirect_peer(from.to->ifindex, 0);
	case BASTION_COUNTER_ARP:
	case BASTION_COUNTER_ND:
		return bpf_redirect(from.ifindex, 0);
	case BASTION_COUNTER_SLOW:
		if (from.attachment->slow_ifindex)
			return bpf_redirect(from.attachment->slow_ifindex, 0);
		return TC_ACT_UNSPEC;
	default:
		return TC_ACT_SHOT;
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
	if (!veth) {
		count(DROP_UNKNOWN_PORT, skb->len);
		return TC_ACT_SHOT;
	}
	count(BASTION_COUNTER_FROM_SLOW, skb->len);
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return bpf_redirect_peer(*veth, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
