/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "address.h"

#include <ctype.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* Offset of an IPv4 address in the IPv4-mapped address that stands for it. */
#define V4_BITS_OFFSET 96

static bool parse_prefix_length(const char *, unsigned int max, uint8_t *);
static unsigned int mapped_plen(const struct ip_prefix *);
static void clear_host_bits(struct ip_prefix *);

/* Parses 's' as an IPv4 address in dotted quad notation or as an IPv6
 * address.  Refuses IPv4-mapped IPv6 addresses, zone identifiers and netmasks.
 *
 * Returns NULL if successful, otherwise an error message that the caller must
 * free(). */
char * OVS_WARN_UNUSED_RESULT
ip_address_parse(const char *s, struct in6_addr *addr)
{
    ovs_be32 ip4;

    if (ip_parse(s, &ip4)) {
        in6_addr_set_mapped_ipv4(addr, ip4);
        return NULL;
    }
    if (!ipv6_parse(s, addr)) {
        return xasprintf("%s: not an IPv4 or IPv6 address", s);
    }
    if (ip_is_v4(addr)) {
        return xasprintf("%s: IPv4-mapped IPv6 address, expected "
                         IP_FMT, s,
                         IP_ARGS(in6_addr_get_mapped_ipv4(addr)));
    }
    return NULL;
}

/* Parses 's' as ADDRESS/LENGTH or as a bare ADDRESS, which stands for the
 * prefix that contains only it.  Refuses an address with bits set beyond the
 * prefix length, because one of the two must be a mistake.
 *
 * Returns NULL if successful, otherwise an error message that the caller must
 * free(). */
char * OVS_WARN_UNUSED_RESULT
ip_prefix_parse(const char *s, struct ip_prefix *prefix)
{
    const char *slash = strchr(s, '/');
    char *host = slash ? xmemdup0(s, slash - s) : xstrdup(s);
    struct in6_addr addr;
    char *error = ip_address_parse(host, &addr);

    if (error) {
        free(error);
        error = xasprintf("%s: not an IPv4 or IPv6 prefix, expected "
                          "ADDRESS/LENGTH", s);
    }
    free(host);
    if (error) {
        return error;
    }

    *prefix = ip_prefix_from_address(&addr);
    if (slash && !parse_prefix_length(slash + 1, prefix->plen,
                                      &prefix->plen)) {
        return xasprintf("%s: prefix length is not between 0 and %u", s,
                         prefix->is_v4 ? 32 : 128);
    }

    clear_host_bits(prefix);
    if (!ipv6_addr_equals(&prefix->addr, &addr)) {
        struct ds expected = DS_EMPTY_INITIALIZER;

        ip_prefix_format(prefix, &expected);
        error = xasprintf("%s: address has bits set beyond the prefix "
                          "length, expected %s", s, ds_cstr(&expected));
        ds_destroy(&expected);
    }
    return error;
}

/* Parses 's' as the Ethernet address of one station: six octets of two
 * hexadecimal digits each, separated by colons, neither a group address nor
 * all zeros.
 *
 * Returns NULL if successful, otherwise an error message that the caller must
 * free(). */
char * OVS_WARN_UNUSED_RESULT
mac_parse(const char *s, struct eth_addr *mac)
{
    /* eth_addr_from_string() also takes spaces and too large octets. */
    bool well_formed = strlen(s) == 3 * ETH_ADDR_LEN - 1;
    for (size_t i = 0; well_formed && s[i]; i++) {
        well_formed = (i % 3 == 2
                       ? s[i] == ':'
                       : isxdigit((unsigned char) s[i]));
    }

    if (!well_formed || !eth_addr_from_string(s, mac)) {
        return xasprintf("%s: not an Ethernet address, expected "
                         "xx:xx:xx:xx:xx:xx", s);
    } else if (eth_addr_is_zero(*mac)) {
        return xasprintf("%s: Ethernet address is all zeros", s);
    } else if (eth_addr_is_multicast(*mac)) {
        return xasprintf("%s: Ethernet address is a group address, expected "
                         "a unicast address", s);
    }
    return NULL;
}

/* Appends 'addr' to 's' in the usual notation of its IP version. */
void
ip_address_format(const struct in6_addr *addr, struct ds *s)
{
    ipv6_format_mapped(addr, s);
}

/* Appends 'prefix' to 's' in a form that ip_prefix_parse() understands: as a
 * bare address if it has one member only, otherwise as ADDRESS/LENGTH. */
void
ip_prefix_format(const struct ip_prefix *prefix, struct ds *s)
{
    ip_address_format(&prefix->addr, s);
    if (mapped_plen(prefix) < 128) {
        ds_put_format(s, "/%u", prefix->plen);
    }
}

/* Returns true if 'addr' stands for an IPv4 address. */
bool
ip_is_v4(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_V4MAPPED(addr);
}

/* Returns true if a host on a network can own 'addr': it is not unspecified,
 * loopback, multicast or the IPv4 limited broadcast address. */
bool
ip_is_host_address(const struct in6_addr *addr)
{
    if (ip_is_v4(addr)) {
        uint8_t first = addr->s6_addr[12];

        return first != 0 && first != 127 && first < 224;
    }
    return !(IN6_IS_ADDR_UNSPECIFIED(addr) || IN6_IS_ADDR_LOOPBACK(addr)
             || IN6_IS_ADDR_MULTICAST(addr));
}

/* Stores into 'lla' the IPv6 link-local address that a station with Ethernet
 * address 'mac' configures for itself: fe80::/64 and the modified EUI-64
 * interface identifier (RFC 4291 appendix A). */
void
ip_lla_from_mac(struct eth_addr mac, struct in6_addr *lla)
{
    in6_generate_lla(mac, lla);
}

/* Returns the prefix whose only member is 'addr'. */
struct ip_prefix
ip_prefix_from_address(const struct in6_addr *addr)
{
    bool is_v4 = ip_is_v4(addr);

    return (struct ip_prefix) {
        .addr = *addr,
        .plen = is_v4 ? 32 : 128,
        .is_v4 = is_v4,
    };
}

/* Returns the mask that selects the prefix bits of an address.  For an IPv4
 * prefix, it is the mask of IPv4-mapped addresses, whose last 32 bits are the
 * IPv4 netmask. */
struct in6_addr
ip_prefix_mask(const struct ip_prefix *prefix)
{
    return ipv6_create_mask(mapped_plen(prefix));
}

bool
ip_prefix_equals(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return (a->is_v4 == b->is_v4
            && a->plen == b->plen
            && ipv6_addr_equals(&a->addr, &b->addr));
}

/* Returns true if 'addr' is a member of 'prefix'. */
bool
ip_prefix_contains(const struct ip_prefix *prefix,
                   const struct in6_addr *addr)
{
    struct in6_addr mask = ip_prefix_mask(prefix);
    struct in6_addr masked = ipv6_addr_bitand(addr, &mask);

    return (prefix->is_v4 == ip_is_v4(addr)
            && ipv6_addr_equals(&masked, &prefix->addr));
}

/* Returns true if every member of 'inner' is a member of 'outer'. */
bool
ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
    struct in6_addr mask = ip_prefix_mask(outer);
    struct in6_addr masked = ipv6_addr_bitand(&inner->addr, &mask);

    return (outer->is_v4 == inner->is_v4
            && outer->plen <= inner->plen
            && ipv6_addr_equals(&masked, &outer->addr));
}

/* Returns true if 'a' and 'b' have a member in common. */
bool
ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return ip_prefix_covers(a, b) || ip_prefix_covers(b, a);
}

/* Growing output of subtract__(). */
struct prefix_list {
    struct ip_prefix *prefixes;
    size_t n, allocated;
};

static bool
bit_is_set(const struct in6_addr *addr, unsigned int bit)
{
    return (addr->s6_addr[bit / 8] >> (7 - bit % 8)) & 1;
}

/* Appends to 'list' the largest aligned blocks of 'prefix' that have no member
 * in common with the 'n' prefixes in 'except', each of which is covered by
 * 'prefix'.  Reorders 'except'.
 *
 * Halves 'prefix' until a half is free of exceptions or is an exception, so it
 * recurses at most 128 times and calls itself at most 2 * 128 * 'n' times. */
static void
subtract__(const struct ip_prefix *prefix, const struct ip_prefix **except,
           size_t n, struct prefix_list *list)
{
    if (!n) {
        if (list->n >= list->allocated) {
            list->prefixes = x2nrealloc(list->prefixes, &list->allocated,
                                        sizeof *list->prefixes);
        }
        list->prefixes[list->n++] = *prefix;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (except[i]->plen == prefix->plen) {
            return;
        }
    }

    unsigned int split_bit = mapped_plen(prefix);
    size_t n_low = 0;
    for (size_t i = 0; i < n; i++) {
        if (!bit_is_set(&except[i]->addr, split_bit)) {
            const struct ip_prefix *low = except[i];

            except[i] = except[n_low];
            except[n_low++] = low;
        }
    }

    struct ip_prefix half = *prefix;
    half.plen++;
    subtract__(&half, except, n_low, list);
    half.addr.s6_addr[split_bit / 8] |= 1u << (7 - split_bit % 8);
    subtract__(&half, except + n_low, n - n_low, list);
}

/* Stores into '*outp' and '*n_out' the smallest set of disjoint prefixes whose
 * members are exactly those of 'prefix' that are not members of any of the 'n'
 * prefixes in 'except', in ascending order.  The exceptions may overlap, lie
 * outside 'prefix' or cover all of it: then '*n_out' is 0.
 *
 * The caller must free() '*outp', which may be NULL. */
void
ip_prefix_subtract(const struct ip_prefix *prefix,
                   const struct ip_prefix *except, size_t n,
                   struct ip_prefix **outp, size_t *n_out)
{
    const struct ip_prefix **inside = xmalloc(MAX(n, 1) * sizeof *inside);
    struct prefix_list list = { .n = 0 };
    bool covered = false;
    size_t n_inside = 0;

    for (size_t i = 0; i < n && !covered; i++) {
        if (ip_prefix_covers(&except[i], prefix)) {
            covered = true;
        } else if (ip_prefix_covers(prefix, &except[i])) {
            inside[n_inside++] = &except[i];
        }
    }
    if (!covered) {
        subtract__(prefix, inside, n_inside, &list);
    }
    free(inside);

    *outp = list.prefixes;
    *n_out = list.n;
}

static bool
parse_prefix_length(const char *s, unsigned int max, uint8_t *plen)
{
    unsigned int value;
    size_t n = strlen(s);

    if (!n || n > 3 || s[strspn(s, "0123456789")]
        || (n > 1 && s[0] == '0')
        || !str_to_uint(s, 10, &value) || value > max) {
        return false;
    }
    *plen = value;
    return true;
}

/* Returns the length of 'prefix' as a prefix of IPv6 addresses, in which IPv4
 * addresses are IPv4-mapped. */
static unsigned int
mapped_plen(const struct ip_prefix *prefix)
{
    return prefix->is_v4 ? V4_BITS_OFFSET + prefix->plen : prefix->plen;
}

static void
clear_host_bits(struct ip_prefix *prefix)
{
    struct in6_addr mask = ip_prefix_mask(prefix);

    prefix->addr = ipv6_addr_bitand(&prefix->addr, &mask);
}
