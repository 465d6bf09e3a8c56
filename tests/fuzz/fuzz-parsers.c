/* SPDX-License-Identifier: Apache-2.0 */

/* The parsers of what operators and the database say.
 *
 * The first byte of the input selects the parser, the rest is the string.
 * What a parser accepts must come back from its formatter in a form that it
 * accepts again, as the same thing.  What it refuses must come with a message
 * that starts with the string. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "lib/address.h"
#include "lib/peer.h"
#include "lib/policy.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

static void
check_error(const char *error, const char *s)
{
    ovs_assert(!error || !strncmp(error, s, strlen(s)));
}

/* The masks select exactly the ports of 'policy', each once. */
static void
check_masks(const struct policy *policy)
{
    struct port_mask masks[POLICY_MAX_MASKS];
    size_t n = policy_port_masks(policy, masks);
    uint32_t next = policy->port_min;

    ovs_assert((n > 0) == policy->has_ports);
    for (size_t i = 0; i < n; i++) {
        uint16_t wild = ~masks[i].mask;

        ovs_assert(masks[i].value == next && !(masks[i].value & wild));
        next += (uint32_t) wild + 1;
    }
    ovs_assert(!n || next == (uint32_t) policy->port_max + 1);
}

static void
fuzz_policy(const char *s)
{
    struct policy policy, again, both;
    struct ds text = DS_EMPTY_INITIALIZER;
    char *error = policy_parse(s, &policy);

    if (!error) {
        policy_format(&policy, &text);
        ovs_assert(!policy_parse(ds_cstr(&text), &again));
        ovs_assert(policy_equals(&policy, &again));
        ovs_assert(policy_intersect(&policy, &again, &both));
        ovs_assert(policy_equals(&policy, &both));
        ovs_assert(policy_matches(
                       &policy, policy.nw_proto, MAX(policy.icmp_type, 0),
                       policy.has_ports ? policy.port_max
                       : MAX(policy.icmp_code, 0)));
        check_masks(&policy);
    }
    check_error(error, s);
    ds_destroy(&text);
    free(error);
}

/* What is left of a prefix is inside it and outside of the exceptions, and the
 * pieces do not overlap. */
static void
check_rest(const struct peer *peer)
{
    struct ip_prefix *rest;
    size_t n;

    ip_prefix_subtract(&peer->prefix, peer->except, peer->n_except, &rest,
                       &n);
    for (size_t i = 0; i < n; i++) {
        ovs_assert(ip_prefix_covers(&peer->prefix, &rest[i]));
        ovs_assert(!i || !ip_prefix_overlaps(&rest[i - 1], &rest[i]));
        for (size_t j = 0; j < peer->n_except; j++) {
            ovs_assert(!ip_prefix_overlaps(&rest[i], &peer->except[j]));
        }
    }
    free(rest);
}

static void
fuzz_peer(const char *s)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct ds text2 = DS_EMPTY_INITIALIZER;
    struct peer peer, again;
    char *error = peer_parse(s, &peer);

    if (!error) {
        peer_format(&peer, &text);
        ovs_assert(!peer_parse(ds_cstr(&text), &again));
        peer_format(&again, &text2);
        ovs_assert(!strcmp(ds_cstr(&text), ds_cstr(&text2)));
        if (peer.type == PEER_CIDR) {
            check_rest(&peer);
        }
        peer_destroy(&again);
        peer_destroy(&peer);
    }
    check_error(error, s);
    ds_destroy(&text);
    ds_destroy(&text2);
    free(error);
}

static void
fuzz_address(const char *s)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct in6_addr addr, again;
    char *error = ip_address_parse(s, &addr);

    if (!error) {
        ip_address_format(&addr, &text);
        ovs_assert(!ip_address_parse(ds_cstr(&text), &again));
        ovs_assert(ipv6_addr_equals(&addr, &again));
    }
    check_error(error, s);
    ds_destroy(&text);
    free(error);
}

static void
fuzz_prefix(const char *s)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct ip_prefix prefix, again;
    char *error = ip_prefix_parse(s, &prefix);

    if (!error) {
        ip_prefix_format(&prefix, &text);
        ovs_assert(!ip_prefix_parse(ds_cstr(&text), &again));
        ovs_assert(ip_prefix_equals(&prefix, &again));
        ovs_assert(ip_prefix_contains(&prefix, &prefix.addr));
    }
    check_error(error, s);
    ds_destroy(&text);
    free(error);
}

static void
fuzz_mac(const char *s)
{
    struct eth_addr mac;
    char *error = mac_parse(s, &mac);

    ovs_assert(error
               || !(eth_addr_is_zero(mac) || eth_addr_is_multicast(mac)));
    check_error(error, s);
    free(error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }

    char *s = xmemdup0((const char *) data + 1, size - 1);
    switch (data[0]) {
    case 'p': fuzz_policy(s); break;
    case 'e': fuzz_peer(s); break;
    case 'a': fuzz_address(s); break;
    case 'x': fuzz_prefix(s); break;
    case 'm': fuzz_mac(s); break;
    }
    free(s);
    return 0;
}
