/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_POLICY_H
#define BASTION_POLICY_H 1

/* What a dependency opens: "any", or a protocol with ports or ICMP types.
 *
 *     any
 *     tcp[:PORT[-PORT]]     udp[:PORT[-PORT]]     sctp[:PORT[-PORT]]
 *     icmp[:TYPE[:CODE]]    icmp6[:TYPE[:CODE]]
 *
 * PORT is the destination port of the connection's first packet, from 1 to
 * 65535.  TYPE and CODE range from 0 to 255.  Numbers are decimal, without
 * sign or leading zeros.
 *
 * This is the only parser of that syntax.  All the functions are pure, hence
 * safe in any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"

struct ds;

/* Numbers are in host byte order. */
struct policy {
    uint8_t nw_proto;           /* IPPROTO_*, or 0 for any protocol. */

    /* TCP, UDP and SCTP. */
    bool has_ports;             /* False: any port. */
    uint16_t port_min;          /* Inclusive; 0 if !has_ports. */
    uint16_t port_max;          /* Inclusive; 0 if !has_ports. */

    /* ICMP and ICMPv6; -1 for any and for the other protocols. */
    int16_t icmp_type;
    int16_t icmp_code;
};

char *policy_parse(const char *, struct policy *) OVS_WARN_UNUSED_RESULT;
void policy_format(const struct policy *, struct ds *);
bool policy_equals(const struct policy *, const struct policy *);
bool policy_matches(const struct policy *, uint8_t nw_proto,
                    uint16_t tp_src, uint16_t tp_dst);
bool policy_intersect(const struct policy *, const struct policy *,
                      struct policy *result);

/* A match on port numbers: those that equal 'value' in the bits of 'mask'.
 * Host byte order. */
struct port_mask {
    uint16_t value;
    uint16_t mask;
};

/* No range of 16-bit numbers needs more: one block for each bit of either
 * end. */
#define POLICY_MAX_MASKS 32

size_t policy_port_masks(const struct policy *,
                         struct port_mask masks[POLICY_MAX_MASKS]);

#endif /* lib/policy.h */
