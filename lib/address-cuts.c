/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "address-cuts.h"

#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

static struct in6_addr last_member(const struct ip_prefix *);
static bool successor(const struct in6_addr *, struct in6_addr *);
static bool predecessor(const struct in6_addr *, struct in6_addr *);
static void add_start(struct address_cuts *, const struct in6_addr *);
static bool is_member(const struct address_cuts *, const struct in6_addr *);
static int compare_addresses(const void *, const void *);

/* Initializes 'cuts' to the single piece 'whole'. */
void
address_cuts_init(struct address_cuts *cuts, const struct ip_prefix *whole)
{
    *cuts = (struct address_cuts) { .whole = *whole };
    add_start(cuts, &whole->addr);
    if (!whole->is_v4) {
        struct ip_prefix mapped = { .plen = 96 };

        in6_addr_set_mapped_ipv4(&mapped.addr, htonl(0));
        address_cuts_add(cuts, &mapped);
    }
}

/* Frees the members of 'cuts', but not 'cuts' itself. */
void
address_cuts_destroy(struct address_cuts *cuts)
{
    free(cuts->starts);
}

/* Cuts where 'prefix' begins and ends, if that is inside.  To be called before
 * address_cuts_sort(). */
void
address_cuts_add(struct address_cuts *cuts, const struct ip_prefix *prefix)
{
    struct in6_addr last = last_member(prefix);
    struct in6_addr next;

    if (is_member(cuts, &prefix->addr)) {
        add_start(cuts, &prefix->addr);
    }
    if (successor(&last, &next) && is_member(cuts, &next)) {
        add_start(cuts, &next);
    }
}

/* Makes 'cuts' ready for address_cuts_next(). */
void
address_cuts_sort(struct address_cuts *cuts)
{
    size_t n = 0;

    qsort(cuts->starts, cuts->n, sizeof *cuts->starts, compare_addresses);
    for (size_t i = 0; i < cuts->n; i++) {
        if (!i || compare_addresses(&cuts->starts[i], &cuts->starts[n - 1])) {
            cuts->starts[n++] = cuts->starts[i];
        }
    }
    cuts->n = n;
}

/* Stores the first and last member of the next piece into '*first' and
 * '*last'.  Returns false if there is none.  '*i' is 0 before the first call
 * and the caller's to keep after that. */
bool
address_cuts_next(const struct address_cuts *cuts, size_t *i,
                  struct in6_addr *first, struct in6_addr *last)
{
    while (*i < cuts->n) {
        *first = cuts->starts[(*i)++];
        if (*i >= cuts->n || !predecessor(&cuts->starts[*i], last)) {
            *last = last_member(&cuts->whole);
        }
        if (ip_is_v4(first) == cuts->whole.is_v4) {
            return true;
        }
    }
    return false;
}

/* Appends the addresses from 'first' to 'last' to 's': as a prefix if they are
 * one, otherwise as FIRST-LAST. */
void
address_range_format(const struct in6_addr *first,
                     const struct in6_addr *last, struct ds *s)
{
    struct ip_prefix prefix = ip_prefix_from_address(first);

    for (int plen = prefix.plen; plen >= 0; plen--) {
        prefix.plen = plen;

        struct in6_addr end = last_member(&prefix);
        if (ip_prefix_contains(&prefix, first)
            && ipv6_addr_equals(&end, last)) {
            ip_prefix_format(&prefix, s);
            return;
        }
    }
    ip_address_format(first, s);
    ds_put_char(s, '-');
    ip_address_format(last, s);
}

static struct in6_addr
last_member(const struct ip_prefix *prefix)
{
    struct in6_addr mask = ip_prefix_mask(prefix);
    struct in6_addr last;

    for (size_t i = 0; i < sizeof last.s6_addr; i++) {
        last.s6_addr[i] = (prefix->addr.s6_addr[i]
                           | (uint8_t) ~mask.s6_addr[i]);
    }
    return last;
}

/* Stores the address after 'addr' into '*next'.  Returns false if 'addr' is
 * the last one of all. */
static bool
successor(const struct in6_addr *addr, struct in6_addr *next)
{
    *next = *addr;
    for (int i = sizeof next->s6_addr - 1; i >= 0; i--) {
        if (++next->s6_addr[i]) {
            return true;
        }
    }
    return false;
}

/* Stores the address before 'addr' into '*previous'.  Returns false if 'addr'
 * is the first one of all. */
static bool
predecessor(const struct in6_addr *addr, struct in6_addr *previous)
{
    *previous = *addr;
    for (int i = sizeof previous->s6_addr - 1; i >= 0; i--) {
        if (previous->s6_addr[i]--) {
            return true;
        }
    }
    return false;
}

static void
add_start(struct address_cuts *cuts, const struct in6_addr *start)
{
    if (cuts->n >= cuts->allocated) {
        cuts->starts = x2nrealloc(cuts->starts, &cuts->allocated,
                                  sizeof *cuts->starts);
    }
    cuts->starts[cuts->n++] = *start;
}

/* Unlike ip_prefix_contains(), counts IPv4-mapped addresses in. */
static bool
is_member(const struct address_cuts *cuts, const struct in6_addr *addr)
{
    struct in6_addr mask = ip_prefix_mask(&cuts->whole);
    struct in6_addr masked = ipv6_addr_bitand(addr, &mask);

    return ipv6_addr_equals(&masked, &cuts->whole.addr);
}

static int
compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}
