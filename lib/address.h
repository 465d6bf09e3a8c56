/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ADDRESS_H
#define BASTION_ADDRESS_H 1

/* Addresses as Bastion's database and command line spell them.
 *
 * One representation serves both IP versions: a struct in6_addr in network
 * byte order, in which an IPv4 address a.b.c.d is the IPv4-mapped address
 * ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).  The mapped form never appears
 * in text: the parsers refuse it, so that an address has one IP version only,
 * and the formatters write dotted quads.
 *
 * Parsers return NULL if successful, otherwise an error message that names
 * the value and that the caller must free().  On error, the output arguments
 * hold nothing of use.
 *
 * All the functions are pure, hence safe in any thread. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "openvswitch/types.h"

struct ds;

/* The addresses that agree with 'addr' in the leading bits.
 *
 * 'plen' counts the bits of the address in its own IP version: 0 to 32 for
 * IPv4, 0 to 128 for IPv6.  The bits of 'addr' after these are zero.  A
 * prefix has members of its own IP version only, so that ::/0 contains no
 * IPv4 address. */
struct ip_prefix {
    struct in6_addr addr;
    uint8_t plen;
    bool is_v4;
};

/* Parsers. */
char *ip_address_parse(const char *, struct in6_addr *)
    OVS_WARN_UNUSED_RESULT;
char *ip_prefix_parse(const char *, struct ip_prefix *)
    OVS_WARN_UNUSED_RESULT;
char *mac_parse(const char *, struct eth_addr *) OVS_WARN_UNUSED_RESULT;

/* Formatters, all of which append. */
void ip_address_format(const struct in6_addr *, struct ds *);
void ip_prefix_format(const struct ip_prefix *, struct ds *);

/* Addresses. */
bool ip_is_v4(const struct in6_addr *);
bool ip_is_host_address(const struct in6_addr *);
void ip_lla_from_mac(struct eth_addr, struct in6_addr *);

/* Prefixes. */
struct ip_prefix ip_prefix_from_address(const struct in6_addr *);
struct in6_addr ip_prefix_mask(const struct ip_prefix *);
bool ip_prefix_equals(const struct ip_prefix *, const struct ip_prefix *);
bool ip_prefix_contains(const struct ip_prefix *, const struct in6_addr *);
bool ip_prefix_covers(const struct ip_prefix *outer,
                      const struct ip_prefix *inner);
bool ip_prefix_overlaps(const struct ip_prefix *, const struct ip_prefix *);
void ip_prefix_subtract(const struct ip_prefix *,
                        const struct ip_prefix *except, size_t n,
                        struct ip_prefix **outp, size_t *n_out);

#endif /* lib/address.h */
