/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

#ifndef BASTION_BPF_CONNECTION_H
#define BASTION_BPF_CONNECTION_H 1

/* Connections and fragments.
 *
 * An entry that has timed out counts as absent and is deleted by its timer.
 * The timer is not started again with each packet: when it expires, it looks
 * how long it has to go on. */

#include "account.h"

#define CLOCK_MONOTONIC 1

/* Timeouts, in seconds, as in Open vSwitch's userspace connection tracking
 * (lib/conntrack-tp.c); those of SCTP, which it does not track, as in Linux's
 * (net/netfilter/nf_conntrack_proto_sctp.c). */
#define TIMEOUT_TCP_OPENING 30
#define TIMEOUT_TCP_ESTABLISHED (24 * 60 * 60)
#define TIMEOUT_TCP_CLOSING (15 * 60)
#define TIMEOUT_TCP_FIN_WAIT 45
#define TIMEOUT_TCP_CLOSED 30
#define TIMEOUT_SCTP_OPENING 10
#define TIMEOUT_SCTP_ESTABLISHED 210
#define TIMEOUT_SCTP_CLOSED 10
#define TIMEOUT_UDP_FIRST 60
#define TIMEOUT_UDP_MULTIPLE 30
#define TIMEOUT_ICMP_FIRST 60
#define TIMEOUT_ICMP_REPLY 30
#define TIMEOUT_FRAGMENT 15

#define CONN_ANY_END (BASTION_CONN_FIN | BASTION_CONN_REPLY_FIN | \
		      BASTION_CONN_RESET)

/* Has TCP or SCTP said that the connection is over? */
static __always_inline bool is_closed(__u32 flags)
{
	return flags & BASTION_CONN_RESET ||
	       (flags & BASTION_CONN_FIN && flags & BASTION_CONN_REPLY_FIN);
}

static __always_inline __u64 timeout(__u8 protocol, __u32 flags)
{
	__u32 n;

	switch (protocol) {
	case IPPROTO_TCP:
		n = flags & BASTION_CONN_RESET ? TIMEOUT_TCP_CLOSED :
		    is_closed(flags) ? TIMEOUT_TCP_FIN_WAIT :
		    flags & CONN_ANY_END ? TIMEOUT_TCP_CLOSING :
		    flags & BASTION_CONN_ESTABLISHED ? TIMEOUT_TCP_ESTABLISHED :
		    TIMEOUT_TCP_OPENING;
		break;
	case IPPROTO_SCTP:
		n = flags & CONN_ANY_END ? TIMEOUT_SCTP_CLOSED :
		    flags & BASTION_CONN_ESTABLISHED ? TIMEOUT_SCTP_ESTABLISHED :
		    TIMEOUT_SCTP_OPENING;
		break;
	case IPPROTO_UDP:
		n = flags & BASTION_CONN_REPLIED ? TIMEOUT_UDP_MULTIPLE :
		    TIMEOUT_UDP_FIRST;
		break;
	default:
		n = flags & BASTION_CONN_REPLIED ? TIMEOUT_ICMP_REPLY :
		    TIMEOUT_ICMP_FIRST;
		break;
	}
	return n * second;
}

/* Returns how long the connection has to live, or 0. */
static __always_inline __u64 remaining(const struct bastion_connection *conn,
				       __u8 protocol, __u64 now)
{
	__u64 age = now - conn->last_seen;
	__u64 limit = timeout(protocol, conn->flags);

	/* Another CPU may have seen a later packet. */
	if ((__s64)age < 0)
		age = 0;
	return age < limit ? limit - age : 0;
}

/* A connection that 'ifindex' has opened is gone. */
static __always_inline void forget(__u32 ifindex)
{
	struct bastion_port_state *state = find_state(ifindex);

	if (state)
		__sync_fetch_and_add(&state->connections, -1);
}

static int expire_connection(void *map,
			     const struct bastion_connection_key *key,
			     struct bastion_connection *conn)
{
	__u64 rest = remaining(conn, key->protocol, bpf_ktime_get_ns());
	__u32 ifindex = conn->ifindex;

	if (rest)
		bpf_timer_start(&conn->timer, rest, 0);
	else if (!bpf_map_delete_elem(map, key))
		forget(ifindex);
	return 0;
}

static int expire_fragment(void *map, const struct bastion_fragment_key *key,
			   const struct bastion_fragment *fragment)
{
	bpf_map_delete_elem(map, key);
	return 0;
}

static __always_inline struct bastion_connection *
find_connection(const struct bastion_connection_key *key, __u64 now)
{
	struct bastion_connection *conn;

	conn = bpf_map_lookup_elem(&connections, key);
	return conn && remaining(conn, key->protocol, now) ? conn : NULL;
}

static __always_inline bool is_echo_reply(const struct packet *packet)
{
	__u8 type = bpf_ntohs(packet->destination_port) >> 8;

	return packet->protocol == IPPROTO_ICMP ? type == ICMP_ECHOREPLY
						: type == ICMPV6_ECHO_REPLY;
}

/* The key of the connection that the packet opens, or, with 'reply', of the one
 * that it is an answer in. */
static __always_inline void make_key(const struct packet *packet, __u32 zone,
				     bool reply,
				     struct bastion_connection_key *key)
{
	__builtin_memset(key, 0, sizeof *key);
	key->zone = zone;
	key->protocol = packet->protocol;
	key->source = reply ? packet->destination : packet->source;
	key->destination = reply ? packet->source : packet->destination;
	if (is_icmp(packet->protocol)) {
		key->source_port = packet->source_port;
	} else {
		key->source_port = reply ? packet->destination_port
					 : packet->source_port;
		key->destination_port = reply ? packet->source_port
					      : packet->destination_port;
	}
}

/* What the packet says about the end of the connection. */
static __always_inline __u32 end_flags(const struct packet *packet, bool reply)
{
	__u32 fin = reply ? BASTION_CONN_REPLY_FIN : BASTION_CONN_FIN;
	__u8 flags = packet->flags;

	if (packet->protocol == IPPROTO_TCP)
		return (flags & TCP_FLAG_RST_BIT ? BASTION_CONN_RESET : 0) |
		       (flags & TCP_FLAG_FIN_BIT ? fin : 0);
	if (packet->protocol == IPPROTO_SCTP)
		return flags == SCTP_ABORT ||
		       flags == SCTP_SHUTDOWN_COMPLETE ? BASTION_CONN_RESET :
		       flags == SCTP_SHUTDOWN ||
		       flags == SCTP_SHUTDOWN_ACK ? fin : 0;
	return 0;
}

/* Takes note of a packet of 'conn'.  What comes after the end of a connection
 * does not keep it alive. */
static __always_inline void touch(struct bastion_connection *conn, __u64 now,
				  const struct packet *packet, bool reply)
{
	__u32 old = conn->flags;
	__u32 flags = old | end_flags(packet, reply);

	if (reply)
		flags |= BASTION_CONN_REPLIED;
	if (flags & BASTION_CONN_REPLIED &&
	    (!reply || flags & BASTION_CONN_MIDDLE))
		flags |= BASTION_CONN_ESTABLISHED;
	if (!is_closed(old))
		conn->last_seen = now;
	if (flags == old)
		return;
	conn->flags = flags;

	/* The time that is left may have become shorter. */
	if ((flags ^ old) & CONN_ANY_END)
		bpf_timer_start(&conn->timer,
				timeout(packet->protocol, flags), 0);
}

static __always_inline bool is_syn(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP &&
	       (packet->flags & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) ==
	       TCP_FLAG_SYN_BIT;
}

/* Can the packet open a connection?  A TCP packet in mid-stream can, as in
 * Open vSwitch, so that a connection survives when it changes paths, and so
 * can one of SCTP. */
static __always_inline bool opens(const struct packet *packet)
{
	__u8 flags = packet->flags;

	switch (packet->protocol) {
	case IPPROTO_TCP:
		return !(flags & TCP_FLAG_RST_BIT) &&
		       !(flags & TCP_FLAG_SYN_BIT && flags & TCP_FLAG_ACK_BIT);
	case IPPROTO_SCTP:
		return flags != SCTP_INIT_ACK && flags != SCTP_COOKIE_ACK &&
		       flags != SCTP_ABORT && flags != SCTP_SHUTDOWN_ACK &&
		       flags != SCTP_SHUTDOWN_COMPLETE;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return !is_echo_reply(packet);
	default:
		return true;
	}
}

/* Can the packet be nothing but the first of a connection? */
static __always_inline bool opens_for_sure(const struct packet *packet)
{
	return packet->known_only ? false :
	       is_icmp(packet->protocol) ? !is_echo_reply(packet) :
	       packet->protocol == IPPROTO_SCTP ? packet->flags == SCTP_INIT :
	       is_syn(packet);
}

static __always_inline __u32 first_flags(const struct packet *packet)
{
	bool middle = (packet->protocol == IPPROTO_TCP ||
		       packet->protocol == IPPROTO_SCTP) &&
		      !opens_for_sure(packet);

	return (middle ? BASTION_CONN_MIDDLE : 0) |
	       end_flags(packet, false);
}

/* May a container with 'state' have another connection? */
static __always_inline bool may_connect(const struct from *from,
					const struct bastion_port_state *state)
{
	const struct bastion_config *config = from->config;

	return !config || !config->port_connections || !state ||
	       (__s32)state->connections < (__s32)config->port_connections;
}

/* Adds a connection that 'packet' opens.  Returns false if there is no room
 * for it. */
static __always_inline bool
add_connection(struct from *from, const struct bastion_connection_key *key,
	       __u64 now)
{
	const struct packet *packet = &from->packet;
	struct bastion_connection *conn, new = {
		.last_seen = now,
		.flags = first_flags(packet),
		.ifindex = from->ifindex,
		.icmp_type_code = is_icmp(packet->protocol)
				  ? bpf_ntohs(packet->destination_port) : 0,
	};
	struct bastion_port_state *state;
	long error;

	/* One that has timed out may still be there. */
	conn = bpf_map_lookup_elem(&connections, key);
	if (conn) {
		conn->flags = new.flags;
		conn->icmp_type_code = new.icmp_type_code;
		conn->last_seen = now;
		return true;
	}

	state = find_state(from->ifindex);
	if (!may_connect(from, state)) {
		count(BASTION_COUNTER_PORT_CONNECTIONS, 0);
		return false;
	}
	error = bpf_map_update_elem(&connections, key, &new, BPF_NOEXIST);
	if (error == -17 /* EEXIST */)
		return true;
	conn = error ? NULL : bpf_map_lookup_elem(&connections, key);
	if (!conn) {
		count(BASTION_COUNTER_CONNECTIONS_FULL, 0);
		return false;
	}
	if (bpf_timer_init(&conn->timer, &connections, CLOCK_MONOTONIC) ||
	    bpf_timer_set_callback(&conn->timer, expire_connection) ||
	    bpf_timer_start(&conn->timer,
			    timeout(packet->protocol, new.flags), 0)) {
		/* Nobody would ever delete it. */
		bpf_map_delete_elem(&connections, key);
		count(BASTION_COUNTER_CONNECTIONS_FULL, 0);
		return false;
	}
	if (state)
		__sync_fetch_and_add(&state->connections, 1);
	return true;
}

/* The connection that came before, the other way round, is in the way of
 * the one that a SYN has opened. */
static __always_inline void
delete_closed(const struct bastion_connection_key *key)
{
	struct bastion_connection *conn;
	__u32 ifindex;

	conn = bpf_map_lookup_elem(&connections, key);
	if (!conn || !is_closed(conn->flags))
		return;
	ifindex = conn->ifindex;
	if (!bpf_map_delete_elem(&connections, key))
		forget(ifindex);
}

/* Fragments. */

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

/* Takes note of the ports of a first fragment.  Returns false if there is no
 * room: then the first one is Open vSwitch's, too. */
static __always_inline bool remember_fragment(const struct packet *packet,
					      __u32 zone, __u64 now)
{
	struct bastion_fragment *old, fragment = {
		.last_seen = now,
		.source_port = packet->source_port,
		.destination_port = packet->destination_port,
	};
	struct bastion_fragment_key key;

	make_fragment_key(packet, zone, &key);
	old = bpf_map_lookup_elem(&fragments, &key);
	if (old) {
		old->source_port = fragment.source_port;
		old->destination_port = fragment.destination_port;
		old->last_seen = now;
		return true;
	}
	if (!bpf_map_update_elem(&fragments, &key, &fragment, BPF_NOEXIST))
		old = bpf_map_lookup_elem(&fragments, &key);
	if (old && !bpf_timer_init(&old->timer, &fragments, CLOCK_MONOTONIC) &&
	    !bpf_timer_set_callback(&old->timer, expire_fragment) &&
	    !bpf_timer_start(&old->timer, TIMEOUT_FRAGMENT * second, 0))
		return true;
	if (old)
		bpf_map_delete_elem(&fragments, &key);
	count(BASTION_COUNTER_FRAGMENTS_FULL, 0);
	return false;
}

/* Finds out the ports of a later fragment. */
static __always_inline bool recall_fragment(struct packet *packet, __u32 zone)
{
	const struct bastion_fragment *fragment;
	struct bastion_fragment_key key;

	make_fragment_key(packet, zone, &key);
	fragment = bpf_map_lookup_elem(&fragments, &key);
	if (!fragment || bpf_ktime_get_ns() - fragment->last_seen >=
			 TIMEOUT_FRAGMENT * second)
		return false;
	packet->source_port = fragment->source_port;
	packet->destination_port = fragment->destination_port;
	packet->known_only = true;
	return true;
}

#endif /* connection.h */
