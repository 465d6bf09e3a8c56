/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

#ifndef BASTION_BPF_POLICY_H
#define BASTION_BPF_POLICY_H 1

/* Policy. */

#include "account.h"

/* Who opens what to whom: the first packet of a connection. */
struct opening {
	__u32 zone;
	__u32 source, destination;	/* Identities. */
	__u32 source_flags, destination_flags;
	__u8 protocol;
	__be16 port;		/* Destination; type and code of ICMP. */
};

#define RULE_FOUND (1ULL << 32)

/* Returns RULE_FOUND and the rule, or 0. */
static __always_inline __u64 find_entry(__u32 subject, __u32 peer,
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
	const struct bastion_policy_value *value;

	value = bpf_map_lookup_elem(&policy, &key);
	return value ? RULE_FOUND | value->rule : 0;
}

/* Looks for a rule that lets 'subject' open (egress) or accept (ingress) what
 * 'what' says: direction, protocol and port, from the highest bits on. */
static __noinline __u64 find_rule(__u32 subject, __u32 peer, __u32 zone,
				  __u64 what)
{
	__u16 direction = what >> 24;
	__u8 protocol = what >> 16;
	__be16 port = what;
	__u64 rule;

	rule = find_entry(subject, peer, direction, protocol, port);
	if (!rule)
		rule = find_entry(subject, BASTION_PEER_ANY, direction,
				  protocol, port);
	if (!rule)
		rule = find_entry(BASTION_SUBJECT_ANY(zone), peer, direction,
				  protocol, port);
	if (!rule)
		rule = find_entry(BASTION_SUBJECT_ANY(zone), BASTION_PEER_ANY,
				  direction, protocol, port);
	return rule;
}

static __always_inline bool allows(struct from *from, __u32 subject,
				   __u32 peer, const struct opening *o,
				   __u32 direction)
{
	bool egress = direction == BASTION_EGRESS;
	__u64 rule = find_rule(subject, peer, o->zone,
			       (__u64)direction << 24 | o->protocol << 16 |
			       o->port);

	from->has_rule[!egress] = rule != 0;
	from->rules[!egress] = rule;
	return rule;
}

/* Returns 0 if 'o' is allowed, as far as the maps go, else the drop reason of
 * the half that does not allow it. */
static __always_inline __u32 find_refusal(struct from *from,
					  const struct opening *o)
{
	if (!(o->source_flags & BASTION_OPEN_EGRESS) &&
	    !allows(from, o->source, o->destination, o, BASTION_EGRESS))
		return DROP_EGRESS_POLICY;
	if (!(o->destination_flags & BASTION_OPEN_INGRESS) &&
	    !allows(from, o->destination, o->source, o, BASTION_INGRESS))
		return DROP_INGRESS_POLICY;
	return 0;
}

static __always_inline bool is_partial(__u32 subject, __u32 direction)
{
	struct bastion_partial_key key = {
		.subject = subject,
		.direction = direction,
	};

	return bpf_map_lookup_elem(&partial, &key) != NULL;
}

/* Would Open vSwitch refuse 'o', too, and for the same reason?  The maps must
 * have been complete all the time from before the first one was looked into,
 * as an entry that goes and comes back may have been missed. */
static __always_inline bool is_certain(const struct from *from,
				       const struct opening *o, __u32 reason)
{
	bool egress = reason == DROP_EGRESS_POLICY;
	__u32 direction = egress ? BASTION_EGRESS : BASTION_INGRESS;

	if (!(from->config_flags & BASTION_CONFIG_CURRENT) ||
	    is_partial(egress ? o->source : o->destination, direction) ||
	    is_partial(BASTION_SUBJECT_ANY(o->zone), direction))
		return false;
	return from->config && *(volatile __u32 *)&from->config->flags &
			       BASTION_CONFIG_CURRENT;
}

#endif /* policy.h */
