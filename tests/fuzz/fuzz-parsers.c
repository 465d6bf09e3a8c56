/* SPDX-License-Identifier: Apache-2.0 */

/* The parsers of what operators and the database say.
 *
 * The first byte of the input selects the parser, the rest is the string.
 * What a parser accepts must come back from its formatter in a form that it
 * accepts again, as the same thing. */

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
fuzz_policy(const char *s)
{
    struct policy policy, again;
    struct port_mask masks[POLICY_MAX_MASKS];
    struct ds text = DS_EMPTY_INITIALIZER;
    char *error = policy_parse(s, &policy);

    if (!error) {
        policy_format(&policy, &text);
        ovs_assert(!policy_parse(ds_cstr(&text), &again));
        ovs_assert(policy_equals(&policy, &again));
        ovs_assert(policy_port_masks(&policy, masks) <= POLICY_MAX_MASKS);
    }
    ds_destroy(&text);
    free(error);
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
        peer_destroy(&again);
        peer_destroy(&peer);
    }
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
    }
    ds_destroy(&text);
    free(error);
}

static void
fuzz_mac(const char *s)
{
    struct eth_addr mac;

    free(mac_parse(s, &mac));
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
