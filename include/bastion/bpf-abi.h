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

#ifdef __BPF__
#include <linux/types.h>
#else
#include <stdint.h>
#include <linux/types.h>
#endif

/* Changed whenever the meaning or the layout of anything here changes.  Pins
 * of another version are not used. */
#define BASTION_BPF_MAGIC 0xba570001U
#define BASTION_BPF_ABI_VERSION 1

/* The only entry, with key 0, of map "meta". */
struct bastion_meta {
	__u32 magic;
	__u32 abi_version;
};

struct bastion_address {
	__u8 bytes[16];
};

/* Flags of "endpoints" and "addresses". */
enum {
	BASTION_OPEN_EGRESS = 1 << 0,	/* Not isolated for egress. */
	BASTION_OPEN_INGRESS = 1 << 1,	/* Not isolated for ingress. */
	BASTION_GATEWAY = 1 << 2,	/* Only ARP and ND are answered. */
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

/* addresses: local containers and the gateway, by network and address. */
struct bastion_address_key {
	__u32 zone;
	struct bastion_address address;
};

struct bastion_address_value {
	__u32 identity;
	__u32 ifindex;		/* Host's end of the veth pair, or 0. */
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
 * there; a rule for any peer has the peer BASTION_PEER_ANY, for which the
 * programs look in a second step.  Entries only ever allow, so it does not
 * matter which of several matching ones is found. */
enum {
	BASTION_EGRESS = 1,
	BASTION_INGRESS = 2,
};

#define BASTION_PEER_ANY 0xffffffffU

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

/* connections: written by the programs.  The key is in the direction of the
 * packet that opened the connection. */
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
};

struct bastion_connection {
	__u64 last_seen;	/* bpf_ktime_get_ns(). */
	__u32 flags;
	__u16 icmp_type_code;	/* Of the packet that opened it. */
	__u16 pad;
};

/* fragments: written by the programs.  The ports of fragmented packets whose
 * first fragment has been delivered; only that one has them. */
struct bastion_fragment_key {
	__u32 zone;
	__be32 id;
	__u8 protocol;
	__u8 pad[3];
	struct bastion_address source;
	struct bastion_address destination;
};

struct bastion_fragment {
	__u64 last_seen;	/* bpf_ktime_get_ns(). */
	__be16 source_port;	/* Identifier of ICMP echo. */
	__be16 destination_port;
	__u32 pad;
};

/* counters: by enum drop_reason for drops, then the ones below; per CPU,
 * written by the programs. */
enum {
	BASTION_COUNTER_DROPS = 0,	/* + reason. */
	BASTION_COUNTER_DELIVERED = 64,
	BASTION_COUNTER_SLOW,		/* Handed to OVS. */
	BASTION_COUNTER_ARP,		/* Requests answered. */
	BASTION_COUNTER_ND,
	BASTION_COUNTER_FROM_SLOW,	/* Delivered for OVS. */
	BASTION_N_COUNTERS,
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
};

#endif /* bastion/bpf-abi.h */
