/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

#ifndef BASTION_BPF_ACCOUNT_H
#define BASTION_BPF_ACCOUNT_H 1

/* Counters, limits and events. */

#include "maps.h"
#include "parse.h"
#include "bastion/drop-reasons.h"

/* Nanoseconds.  A test may want shorter ones. */
const volatile __u64 second = 1000000000;

/* Where a packet comes from, and what has been found out about it.  The
 * pointers are to values of maps; some may be NULL. */
struct from {
	__u32 ifindex;
	__u32 config_flags;	/* As they were before anything was looked up
				 * for the packet. */
	const struct bastion_config *config;
	const struct bastion_attachment *attachment;	/* Never NULL. */
	const struct bastion_endpoint *endpoint;
	struct bastion_port_counters *port;

	const struct bastion_address_value *to;
	__u32 audited;		/* Reason to drop it, but for audit mode. */
	__u32 rules[2];		/* That allow it, egress and ingress... */
	bool has_rule[2];	/* ...if any had to. */
	bool is_new;		/* Opens a connection. */
	struct packet packet;	/* If it is an IP packet. */
};

/* What becomes of a packet: the counter that it is counted with, that is, a
 * drop reason or BASTION_COUNTER_DELIVERED, _SLOW, _ARP or _ND. */
typedef __u32 verdict;

static __always_inline void add(struct bastion_counter *counter, __u32 len)
{
	counter->packets++;
	counter->bytes += len;
}

static __always_inline void count(__u32 counter, __u32 len)
{
	struct bastion_counter *c = bpf_map_lookup_elem(&counters, &counter);

	if (c)
		add(c, len);
}

/* Counts the packet 'n' times. */
static __always_inline void count_rule(__u32 rule, __u32 n, __u32 len)
{
	struct bastion_counter *c = bpf_map_lookup_elem(&rules, &rule);

	if (c) {
		c->packets += n;
		c->bytes += (__u64)n * len;
	} else {
		struct bastion_counter first = {
			.packets = n,
			.bytes = (__u64)n * len,
		};

		bpf_map_update_elem(&rules, &rule, &first, BPF_NOEXIST);
	}
}

static __always_inline void count_rules(const struct from *from, __u32 len)
{
	bool both = from->has_rule[0] && from->has_rule[1] &&
		    from->rules[0] == from->rules[1];

	if (from->has_rule[0])
		count_rule(from->rules[0], both ? 2 : 1, len);
	if (from->has_rule[1] && !both)
		count_rule(from->rules[1], 1, len);
}

/* Takes a token out of the bucket that is filled with 'rate' tokens a second
 * and holds 'burst'.  '*time' is when the bucket will be full, so that one
 * number is all there is to be changed (the generic cell rate algorithm, ITU-T
 * I.371). */
static __always_inline bool take_token(__u64 *time, __u32 rate, __u32 burst)
{
	__u64 interval = rate ? second / rate : 0;
	__u64 limit = burst ? (burst - 1) * interval : 0;
	__u64 now = bpf_ktime_get_ns();

	/* Other CPUs may be at it.  Whoever loses that often has to do
	 * without. */
	for (int i = 0; i < 4; i++) {
		__u64 old = *(volatile __u64 *)time;
		__u64 full = old > now ? old : now;

		if (full - now > limit)
			return false;
		if (__sync_val_compare_and_swap(time, old, full + interval) ==
		    old)
			return true;
	}
	return false;
}

static __always_inline struct bastion_port_state *find_state(__u32 ifindex)
{
	return bpf_map_lookup_elem(&port_states, &ifindex);
}

/* Hands a packet that nothing allows to Open vSwitch, but not too many. */
static __always_inline verdict miss(struct from *from)
{
	const struct bastion_config *config = from->config;
	struct bastion_port_state *state;

	if (!config || !config->miss_rate)
		return BASTION_COUNTER_SLOW;
	state = find_state(from->ifindex);
	if (!state || bpf_ktime_get_ns() < state->exempt_until ||
	    take_token(&state->miss_time, config->miss_rate,
		       config->miss_burst))
		return BASTION_COUNTER_SLOW;
	return BASTION_COUNTER_DROPS + DROP_RATE_LIMIT;
}

static __always_inline void report(const struct __sk_buff *skb,
				   const struct from *from, __u8 type,
				   __u8 reason)
{
	const struct bastion_config *config = from->config;
	const struct packet *packet = &from->packet;
	struct ethhdr *eth = (void *)(long)skb->data;
	struct bastion_port_state *state;
	struct bastion_event *event;

	if (!config || !config->event_rate)
		return;
	state = find_state(from->ifindex);
	if (!state)
		return;
	if (!take_token(&state->event_time, config->event_rate,
			config->event_burst)) {
		count(BASTION_COUNTER_EVENTS_LIMITED, skb->len);
		return;
	}
	event = bpf_ringbuf_reserve(&events, sizeof *event, 0);
	if (!event) {
		count(BASTION_COUNTER_EVENTS_LOST, skb->len);
		return;
	}

	__builtin_memset(event, 0, sizeof *event);
	event->time = bpf_ktime_get_ns();
	event->ifindex = from->ifindex;
	if (from->endpoint) {
		event->zone = from->endpoint->zone;
		event->source_identity = from->endpoint->identity;
	}
	if (from->to)
		event->destination_identity = from->to->identity;
	event->rule = from->has_rule[0] ? from->rules[0] :
		      from->has_rule[1] ? from->rules[1] : 0;
	event->len = skb->len;
	event->type = type;
	event->reason = reason;
	event->protocol = packet->protocol;
	event->tcp_flags = packet->flags;
	event->ethertype = skb->protocol;
	event->source_port = packet->source_port;
	event->destination_port = packet->destination_port;
	event->source = packet->source;
	event->destination = packet->destination;
	if ((void *)(eth + 1) <= (void *)(long)skb->data_end) {
		event->ethertype = eth->h_proto;
		__builtin_memcpy(event->source_mac, eth->h_source, ETH_ALEN);
	}
	bpf_ringbuf_submit(event, 0);
	count(BASTION_COUNTER_EVENTS, skb->len);
}

/* Counts and reports what becomes of a packet. */
static __always_inline void account(const struct __sk_buff *skb,
				    const struct from *from, verdict v)
{
	struct bastion_port_counters *port = from->port;
	bool dropped = v < BASTION_COUNTER_DELIVERED;
	bool delivered = v == BASTION_COUNTER_DELIVERED;
	__u32 len = skb->len;

	count(v, len);
	if (port && dropped)
		add(&port->dropped, len);
	else if (port && v == BASTION_COUNTER_SLOW)
		add(&port->slow, len);
	else if (port && delivered)
		add(&port->delivered, len);
	if (delivered && from->audited) {
		count(BASTION_COUNTER_AUDITED + (from->audited & 63), len);
		if (port)
			add(&port->audited, len);
	}
	if (delivered)
		count_rules(from, len);

	if (dropped)
		report(skb, from, BASTION_EVENT_DROP, v);
	else if (delivered && from->audited)
		report(skb, from, BASTION_EVENT_AUDIT, from->audited);
	else if (delivered && from->is_new && from->config &&
		 from->config->flags & BASTION_CONFIG_CONNECTIONS)
		report(skb, from, BASTION_EVENT_CONNECTION, 0);
}

#endif /* account.h */
