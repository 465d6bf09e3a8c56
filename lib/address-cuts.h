/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ADDRESS_CUTS_H
#define BASTION_ADDRESS_CUTS_H 1

/* A prefix cut into pieces wherever one of a set of prefixes begins or ends.
 *
 * The members of a piece are in the same prefixes of the set, so that whatever
 * depends on them only is true of the whole piece if it is true of its first
 * member.  'n' prefixes make at most 2 * n + 1 pieces, however large they are.
 *
 *     struct address_cuts cuts;
 *     struct in6_addr first, last;
 *     size_t i = 0;
 *
 *     address_cuts_init(&cuts, &whole);
 *     address_cuts_add(&cuts, &prefix);
 *     address_cuts_sort(&cuts);
 *     while (address_cuts_next(&cuts, &i, &first, &last)) {
 *         ...'first' to 'last' is a piece...
 *     }
 *     address_cuts_destroy(&cuts);
 *
 * The pieces come in ascending order.  IPv4-mapped addresses, which are not
 * members of IPv6 prefixes (see address.h), are in none of them.
 *
 * An instance is of use to one thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include "address.h"

struct ds;

struct address_cuts {
    struct ip_prefix whole;
    struct in6_addr *starts;    /* Where a piece begins.  Owned. */
    size_t n, allocated;
};

void address_cuts_init(struct address_cuts *, const struct ip_prefix *whole);
void address_cuts_destroy(struct address_cuts *);
void address_cuts_add(struct address_cuts *, const struct ip_prefix *);
void address_cuts_sort(struct address_cuts *);
bool address_cuts_next(const struct address_cuts *, size_t *i,
                       struct in6_addr *first, struct in6_addr *last);

void address_range_format(const struct in6_addr *first,
                          const struct in6_addr *last, struct ds *);

#endif /* lib/address-cuts.h */
