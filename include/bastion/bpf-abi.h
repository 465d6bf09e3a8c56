/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

#ifndef BASTION_BPF_ABI_H
#define BASTION_BPF_ABI_H 1

/* Maps between bastion-controller and its eBPF programs
 * =====================================================
 *
 * The controller writes, the programs read, except where said otherwise.
 * Whatever is not in a map is left to Open vSwitch: a missing entry costs
 * speed, never safety.
 *
 * Addresses are 16 bytes in network byte order, IPv4 ones v4-mapped.  Numbers
 * are in host byte order but for those marked __be. */

#ifndef __BPF__
#include <stdint.h>
#endif
#include <linux/bpf.h>
#include <linux/types.h>

/* Changed whenever the meaning or the layout of anything here changes.  Pins
 * of another version are not used. */
#define BASTION_BPF_MAGIC 0xba570001U
#define BASTION_BPF_ABI_VERSION 2

/* The only entry, with key 0, of map "meta". */
struct bastion_meta {
	__u32 magic;
	__u32 abi_version;
};

struct bastion_address {
	__u8 bytes[16];
};

/* config: options, the only entry, with key 0.  While it is all zeros, nothing
 * is limited or reported, and no packet is dropped for a lack of policy. */
struct bastion_config {
	__u32 flags;
	__u32 miss_rate;	/* Packets per second and port that no entry
				 * allows and that Open vSwitch is asked about;
				 * more are dropped (DROP_RATE_LIMIT).  0: no
				 * limit. */
	__u32 miss_burst;	/* That many at once. */
	__u32 event_rate;	/* Events per second and port; 0: none. */
	__u32 event_burst;
	__u32 port_connections;	/* Entries of "connections" that one container
				 * may open; 0: no limit. */
};

enum {
	/* The maps hold all that is to be in them, and Open vSwitch has the
	 * same policy.  Only then is a missing entry of "policy" a refusal.
	 * The controller clears the flag before it takes anything out of a
	 * map, and sets it when everything has been added. */
	BASTION_CONFIG_CURRENT = 1 << 0,
	/* Report new connections. */
	BASTION_CONFIG_CONNECTIONS = 1 << 1,
};

/* Flags of "endpoints" and "addresses". */
enum {
	BASTION_OPEN_EGRESS = 1 << 0,	/* Not isolated for egress. */
	BASTION_OPEN_INGRESS = 1 << 1,	/* Not isolated for ingress. */
	BASTION_GATEWAY = 1 << 2,	/* Only ARP and ND are answered. */
	BASTION_AUDIT = 1 << 3,		/* What policy refuses passes, counted
					 * as audited. */
	/* Endpoints only: what is said to, or by, a DHCP server is Open
	 * vSwitch's.  Without these, it is dropped. */
	BASTION_DHCP_SERVER = 1 << 4,	/* Is one. */
	BASTION_DHCP_V4 = 1 << 5,	/* The network has one. */
	BASTION_DHCP_V6 = 1 << 6,
};

/* attachments: an interface that "from_container" is attached to, the host's
 * end of a veth pair.  An entry is there before the program is attached and as
 * long as it is: a packet from an interface without an entry is dropped. */
struct bastion_attachment {
	__u32 slow_ifindex;	/* Port of OVS to hand packets to, or 0 if
				 * they just have to be let pass. */
};

/* shadows: an interface that "to_container" is attached to, a port of OVS.
 * The value is the ifindex of the host's end of the veth pair of the container
 * behind it.  The rule about missing entries is the same. */

/* endpoints: a container, by the interface whose packets come from it, that
 * is, the host's end of its veth pair. */

struct bastion_endpoint {
	__u32 identity;
	__u32 zone;		/* The network. */
	__u32 flags;
	__u8 mac[6];
	__u8 pad[2];
};

/* sources: addresses that a container may use.  The value is not used. */
struct bastion_source_key {
	__u32 ifindex;
	struct bastion_address address;
};

/* addresses: containers with a port on this node and the gateway, by network
 * and address. */
struct bastion_address_key {
	__u32 zone;
	struct bastion_address address;
};

struct bastion_address_value {
	__u32 identity;
	__u32 ifindex;		/* Host's end of the veth pair, or 0 if Open
				 * vSwitch delivers. */
	__u32 flags;
	__u32 mtu;		/* Of the container's end, without Ethernet. */
	__u8 mac[6];
	__u8 pad[2];
};

/* peers: pairs that may see each other, by ordered pair of identities.  The
 * value is not used. */
struct bastion_peers_key {
	__u32 source;
	__u32 destination;
};

/* policy: what a service may open (egress) or accept (ingress), a longest
 * prefix match.  The fields are in the order in which they can be left out:
 * first the low bits of the port, so that one entry stands for an aligned
 * block of ports, then the protocol.  Subject, peer and direction are always
 * there.  A rule for any peer has the peer BASTION_PEER_ANY, and a rule whose
 * subjects are all containers of a network the subject BASTION_SUBJECT_ANY;
 * the programs look for these in further steps.  Entries only ever allow, so
 * it does not matter which of several matching ones is found. */
enum {
	BASTION_EGRESS = 1,
	BASTION_INGRESS = 2,
};

#define BASTION_PEER_ANY 0xffffffffU
#define BASTION_SUBJECT_ANY(ZONE) (0xff000000U | (ZONE))

struct bastion_policy_key {
	__u32 prefixlen;	/* Bits of what follows. */
	__u32 subject;
	__u32 peer;
	__u16 direction;	/* BASTION_EGRESS or BASTION_INGRESS. */
	__u8 pad;
	__u8 protocol;
	__be16 port;		/* Destination port; type and code of ICMP. */
	__u8 pad2[2];
};

#define BASTION_POLICY_PREFIX_ANY (8 * 11)	/* Any protocol. */
#define BASTION_POLICY_PREFIX_PROTOCOL (8 * 12)	/* Any port. */
#define BASTION_POLICY_PREFIX_PORT (8 * 14)	/* One port. */

struct bastion_policy_value {
	__u32 rule;		/* First 32 bits of the row's UUID. */
};

/* partial: subjects about which "policy" does not say everything, because a
 * rule is left out that is about them.  What it does not allow may be allowed
 * all the same: only Open vSwitch knows.  The value is not used. */
struct bastion_partial_key {
	__u32 subject;		/* Or BASTION_SUBJECT_ANY. */
	__u32 direction;
};

/* connections: written by the programs, which also delete what has timed out.
 * When there is no room, packets that would need a new entry are handed to
 * Open vSwitch.  The key is in the direction of the packet that opened the
 * connection. */
struct bastion_connection_key {
	__u32 zone;
	__u8 protocol;
	__u8 pad[3];
	__be16 source_port;	/* Identifier of ICMP echo. */
	__be16 destination_port;	/* Zero for ICMP. */
	struct bastion_address source;
	struct bastion_address destination;
};

enum {
	BASTION_CONN_REPLIED = 1 << 0,	/* Seen in the reply direction. */
	BASTION_CONN_FIN = 1 << 1,	/* FIN of the original direction. */
	BASTION_CONN_REPLY_FIN = 1 << 2,	/* FIN of the reply direction. */
	BASTION_CONN_RESET = 1 << 3,
	BASTION_CONN_ESTABLISHED = 1 << 4,	/* The answer was answered. */
	BASTION_CONN_MIDDLE = 1 << 5,	/* Did not begin with its first packet:
					 * one answer is enough. */
};

struct bastion_connection {
	struct bpf_timer timer;	/* The programs' own. */
	__u64 last_seen;	/* bpf_ktime_get_ns(). */
	__u32 flags;
	__u32 ifindex;		/* Of the container that opened it. */
	__u16 icmp_type_code;	/* Of the packet that opened it. */
	__u16 pad;
	__u32 pad2;
};

/* fragments: written by the programs, like "connections".  The ports of
 * fragmented packets whose first fragment has been delivered; only that one
 * has them. */
struct bastion_fragment_key {
	__u32 zone;
	__be32 id;
	__u8 protocol;
	__u8 pad[3];
	struct bastion_address source;
	struct bastion_address destination;
};

struct bastion_fragment {
	struct bpf_timer timer;	/* The programs' own. */
	__u64 last_seen;	/* bpf_ktime_get_ns(). */
	__be16 source_port;	/* Identifier of ICMP echo. */
	__be16 destination_port;
	__u32 pad;
};

/* counters: by enum drop_reason for drops, then the ones below; per CPU,
 * written by the programs.  Every packet is counted once as dropped, delivered,
 * handed to OVS, or answered, and perhaps by some of the others as well. */
enum {
	BASTION_COUNTER_DROPS = 0,	/* + reason. */
	BASTION_COUNTER_DELIVERED = 64,
	BASTION_COUNTER_SLOW,		/* Handed to OVS. */
	BASTION_COUNTER_ARP,		/* Requests answered. */
	BASTION_COUNTER_ND,
	BASTION_COUNTER_FROM_SLOW,	/* Delivered for OVS. */

	/* Handed to OVS, too, for want of an entry... */
	BASTION_COUNTER_CONNECTIONS_FULL,	/* ...of "connections"; */
	BASTION_COUNTER_PORT_CONNECTIONS,	/* ...that the port may have; */
	BASTION_COUNTER_FRAGMENTS_FULL,		/* ...of "fragments". */

	BASTION_COUNTER_EVENTS,		/* In the ring buffer. */
	BASTION_COUNTER_EVENTS_LIMITED,	/* Lost to the rate limit. */
	BASTION_COUNTER_EVENTS_LOST,	/* Lost as the ring buffer is full. */

	BASTION_COUNTER_AUDITED = 128,	/* + reason: delivered in audit mode. */
	BASTION_N_COUNTERS = BASTION_COUNTER_AUDITED + 64,
};

struct bastion_counter {
	__u64 packets;
	__u64 bytes;
};

/* ports: what became of one container's packets; per CPU, the entries are made
 * by the controller, the values are written by the programs.  By ifindex. */
struct bastion_port_counters {
	struct bastion_counter delivered;
	struct bastion_counter slow;
	struct bastion_counter dropped;
	struct bastion_counter audited;	/* Of those delivered. */
};

/* rules: packets that a rule has let pass, by struct bastion_policy_value's
 * 'rule'; per CPU, written by the programs.  A rule with two halves counts a
 * packet twice, as its flows do.  The controller deletes entries of rules that
 * are no more. */

/* port_states: what the limits of "config" need to know about a port, by
 * ifindex; the entries are made by the controller, as zeros, the values are
 * written by the programs.  Nothing is limited without an entry. */
struct bastion_port_state {
	__u64 miss_time;	/* bpf_ktime_get_ns() when all will be used. */
	__u64 event_time;
	__u64 exempt_until;	/* bpf_ktime_get_ns(): 'miss_rate' is not for
				 * answers that only Open vSwitch knows. */
	__u32 connections;	/* Opened by this container. */
	__u32 pad;
};

/* events: a ring buffer of "struct bastion_event"s. */
enum {
	BASTION_EVENT_DROP = 1,
	BASTION_EVENT_AUDIT,		/* Would have been dropped. */
	BASTION_EVENT_CONNECTION,	/* Is new. */
};

struct bastion_event {
	__u64 time;		/* bpf_ktime_get_ns(). */
	__u32 ifindex;		/* Of the container that sent the packet. */
	__u32 zone;		/* 0 if that is nobody's. */
	__u32 source_identity;
	__u32 destination_identity;	/* 0 if not known. */
	__u32 rule;		/* That let it open the connection, egress
				 * before ingress, or 0. */
	__u32 len;		/* Of the packet. */
	__u8 type;
	__u8 reason;		/* enum drop_reason, or 0. */
	__u8 protocol;		/* 0 if not known. */
	__u8 tcp_flags;
	__be16 ethertype;
	/* As far as known, else zero.  ICMP: identifier; type and code. */
	__be16 source_port;
	__be16 destination_port;
	__u8 source_mac[6];
	struct bastion_address source;
	struct bastion_address destination;
};

#endif /* bastion/bpf-abi.h */
