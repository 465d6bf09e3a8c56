/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "bastion/bpf-abi.h"
#include "controller/compiler.h"
#include "controller/fastpath-render.h"
#include "controller/map-table.h"
#include "controller/netmap.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "svec.h"
#include "tests/test-rows.h"
#include "util.h"

/* Entries as text, one a line, in order. */

static void
put_ip(struct ds *s, const struct bastion_address *address)
{
    struct in6_addr ip;

    memcpy(&ip, address, sizeof ip);
    ipv6_format_mapped(&ip, s);
}

static void
put_mac(struct ds *s, const uint8_t *bytes)
{
    struct eth_addr mac;

    memcpy(&mac, bytes, sizeof mac);
    ds_put_format(s, " "ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
}

static void
put_flags(struct ds *s, uint32_t flags)
{
    static const char *const names[] = {
        "open-egress", "open-ingress", "gateway", "audit", "dhcp-server",
        "dhcp-v4", "dhcp-v6"
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (flags & (1u << i)) {
            ds_put_format(s, " %s", names[i]);
        }
    }
    assert_int_equal(flags >> ARRAY_SIZE(names), 0);
}

static void
put_endpoint(struct ds *s, const void *key, const void *value)
{
    const struct bastion_endpoint *e = value;
    uint32_t ifindex;

    memcpy(&ifindex, key, sizeof ifindex);
    ds_put_format(s, "%u is %u in %u", ifindex, e->identity,
                  e->zone - NETMAP_ZONE_BASE);
    put_mac(s, e->mac);
    put_flags(s, e->flags);
}

static void
put_address(struct ds *s, const void *key_, const void *value)
{
    const struct bastion_address_key *key = key_;
    const struct bastion_address_value *v = value;

    ds_put_format(s, "%u ", key->zone - NETMAP_ZONE_BASE);
    put_ip(s, &key->address);
    if (v->identity == IDENTITY_HOST) {
        ds_put_cstr(s, " is host");
    } else {
        ds_put_format(s, " is %u", v->identity);
    }
    put_mac(s, v->mac);
    if (v->ifindex) {
        ds_put_format(s, " on %u, mtu %u", v->ifindex, v->mtu);
    }
    put_flags(s, v->flags);
}

static void
put_subject(struct ds *s, uint32_t subject)
{
    if (subject == BASTION_SUBJECT_ANY(NETMAP_ZONE_BASE + 1)) {
        ds_put_cstr(s, "any");
    } else {
        ds_put_format(s, "%u", subject);
    }
}

static void
put_policy(struct ds *s, const void *key_, const void *value)
{
    const struct bastion_policy_key *key = key_;
    const struct bastion_policy_value *v = value;
    int n_bits = key->prefixlen - BASTION_POLICY_PREFIX_PROTOCOL;

    put_subject(s, key->subject);
    ds_put_cstr(s, key->direction == BASTION_EGRESS ? " to " : " from ");
    if (key->peer == BASTION_PEER_ANY) {
        ds_put_cstr(s, "any");
    } else {
        ds_put_format(s, "%u", key->peer);
    }
    if (n_bits < 0) {
        assert_int_equal(key->prefixlen, BASTION_POLICY_PREFIX_ANY);
        assert_int_equal(key->protocol, 0);
        assert_int_equal(key->port, 0);
    } else {
        ds_put_format(s, " %u:%u/%d", key->protocol, ntohs(key->port),
                      n_bits);
    }
    ds_put_format(s, " rule %u", v->rule);
}

static void
put_entry(enum map_id map, const void *key, const void *value, void *lines)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%s ", map_name(map));
    switch (map) {
    case MAP_ENDPOINTS:
        put_endpoint(&s, key, value);
        break;
    case MAP_SOURCES: {
        const struct bastion_source_key *source = key;

        ds_put_format(&s, "%u ", source->ifindex);
        put_ip(&s, &source->address);
        break;
    }
    case MAP_ADDRESSES:
        put_address(&s, key, value);
        break;
    case MAP_PEERS: {
        const struct bastion_peers_key *peers = key;

        ds_put_format(&s, "%u %u", peers->source, peers->destination);
        break;
    }
    case MAP_POLICY:
        put_policy(&s, key, value);
        break;
    case MAP_PARTIAL: {
        const struct bastion_partial_key *partial = key;

        put_subject(&s, partial->subject);
        ds_put_cstr(&s, (partial->direction == BASTION_EGRESS
                         ? " to" : " from"));
        break;
    }
    case MAP_N:
    default:
        fail();
    }
    svec_add_nocopy(lines, ds_steal_cstr(&s));
}

/* Checks all entries but those of link-local addresses and, unless 'all', only
 * those of "policy", "partial" and "peers". */
static void
check(struct test_rows *rows, bool all, const char *expected)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;
    struct ds text = DS_EMPTY_INITIALIZER;
    const char *line;
    size_t i;

    test_rows_run(rows);
    map_table_for_each(compiler_get_maps(rows->compiler), put_entry, &lines);
    svec_sort(&lines);
    SVEC_FOR_EACH (i, line, &lines) {
        if (!strstr(line, "fe80::")
            && (all || line[0] == 'p')) {
            ds_put_format(&text, "%s\n", line);
        }
    }
    assert_string_equal(ds_cstr(&text), expected);
    ds_destroy(&text);
    svec_destroy(&lines);
}

static struct test_rows rows;

static int
setup(void **state OVS_UNUSED)
{
    test_rows_init(&rows);
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/24,fd00::/64 "
                  "gateways=10.0.0.1,fd00::1");
    test_rows_set(&rows, "service a identity=300");
    test_rows_set(&rows, "container a1 interface=if1 mac=02:00:00:00:00:01 "
                  "ips=10.0.0.11,fd00::11");
    test_rows_set(&rows, "service b identity=301 isolate=none");
    test_rows_set(&rows, "container b1 interface=if2 mac=02:00:00:00:00:02 "
                  "ips=10.0.0.12");
    compiler_set_fastpath(rows.compiler, "br0", "if1", 71, 1400);
    compiler_set_fastpath(rows.compiler, "br0", "if2", 72, 1500);
    return 0;
}

static int
teardown(void **state OVS_UNUSED)
{
    test_rows_destroy(&rows);
    return 0;
}

static void
test_endpoints(void **state OVS_UNUSED)
{
    check(&rows, true,
          "addresses 1 10.0.0.1 is host 02:fd:00:00:00:00 gateway\n"
          "addresses 1 10.0.0.11 is 300 02:00:00:00:00:01 on 71, mtu 1400\n"
          "addresses 1 10.0.0.12 is 301 02:00:00:00:00:02 on 72, mtu 1500"
          " open-egress open-ingress\n"
          "addresses 1 fd00::1 is host 02:fd:00:00:00:00 gateway\n"
          "addresses 1 fd00::11 is 300 02:00:00:00:00:01 on 71, mtu 1400\n"
          "endpoints 71 is 300 in 1 02:00:00:00:00:01\n"
          "endpoints 72 is 301 in 1 02:00:00:00:00:02"
          " open-egress open-ingress\n"
          "sources 71 10.0.0.11\n"
          "sources 71 fd00::11\n"
          "sources 72 10.0.0.12\n");

    /* Link-local ones, too. */
    const struct map_table *maps = compiler_get_maps(rows.compiler);
    assert_int_equal(maps->n[MAP_SOURCES], 3 + 2);
    assert_int_equal(maps->n[MAP_ADDRESSES], 5 + 2 + 1);
}

static void
test_not_on_the_fast_path(void **state OVS_UNUSED)
{
    compiler_set_fastpath(rows.compiler, "br0", "if1", 0, 0);
    test_rows_set(&rows, "container b1 service=b interface=if2 "
                  "mac=02:00:00:00:00:02 ips=10.0.0.12 node=elsewhere");
    check(&rows, true,
          "addresses 1 10.0.0.1 is host 02:fd:00:00:00:00 gateway\n"
          "addresses 1 10.0.0.11 is 300 02:00:00:00:00:01\n"
          "addresses 1 fd00::1 is host 02:fd:00:00:00:00 gateway\n"
          "addresses 1 fd00::11 is 300 02:00:00:00:00:01\n");
}

static void
test_no_gateway(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/24,fd00::/64 "
                  "gateways=10.0.0.1,fd00::1 gateway_port=none");
    test_rows_remove(&rows, "container a1");
    test_rows_remove(&rows, "container b1");
    check(&rows, true, "");
}

static void
test_does_not_enforce(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/24,fd00::/64 "
                  "gateways=10.0.0.1,fd00::1 enforcement=off");
    check(&rows, true, "");
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/24 "
                  "enforcement=audit");
    test_rows_set(&rows, "container a1 service=a interface=if1 "
                  "mac=02:00:00:00:00:01 ips=10.0.0.11");
    check(&rows, true,
          "addresses 1 10.0.0.11 is 300 02:00:00:00:00:01 on 71, mtu 1400"
          " audit\n"
          "addresses 1 10.0.0.12 is 301 02:00:00:00:00:02 on 72, mtu 1500"
          " open-egress open-ingress audit\n"
          "endpoints 71 is 300 in 1 02:00:00:00:00:01 audit\n"
          "endpoints 72 is 301 in 1 02:00:00:00:00:02"
          " open-egress open-ingress audit\n"
          "sources 71 10.0.0.11\n"
          "sources 72 10.0.0.12\n");
}

static void
test_dhcp(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/24,fd00::/64 "
                  "dhcp_servers=10.0.0.12");
    test_rows_remove(&rows, "container a1");
    check(&rows, true,
          "addresses 1 10.0.0.12 is 301 02:00:00:00:00:02 on 72, mtu 1500"
          " open-egress open-ingress\n"
          "endpoints 72 is 301 in 1 02:00:00:00:00:02"
          " open-egress open-ingress dhcp-server dhcp-v4\n"
          "sources 72 10.0.0.12\n");
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/24,fd00::/64 "
                  "dhcp_servers=fd00::99");
    check(&rows, true,
          "addresses 1 10.0.0.12 is 301 02:00:00:00:00:02 on 72, mtu 1500"
          " open-egress open-ingress\n"
          "endpoints 72 is 301 in 1 02:00:00:00:00:02"
          " open-egress open-ingress dhcp-v6\n"
          "sources 72 10.0.0.12\n");
}

static void
test_isolation(void **state OVS_UNUSED)
{
    test_rows_remove(&rows, "container a1");
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/24,fd00::/64");
    test_rows_set(&rows, "service b identity=301 isolate=ingress");
    check(&rows, true,
          "addresses 1 10.0.0.12 is 301 02:00:00:00:00:02 on 72, mtu 1500"
          " open-egress\n"
          "endpoints 72 is 301 in 1 02:00:00:00:00:02 open-egress\n"
          "sources 72 10.0.0.12\n");
    test_rows_set(&rows, "service b identity=301 isolate=egress");
    check(&rows, true,
          "addresses 1 10.0.0.12 is 301 02:00:00:00:00:02 on 72, mtu 1500"
          " open-ingress\n"
          "endpoints 72 is 301 in 1 02:00:00:00:00:02 open-ingress\n"
          "sources 72 10.0.0.12\n");
}

static void
test_rule(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "dependency d from=a to=b policies=tcp:80");
    check(&rows, false,
          "peers 300 301\n"
          "policy 300 to 301 6:80/16 rule 6\n"
          "policy 301 from 300 6:80/16 rule 6\n");
    test_rows_remove(&rows, "dependency d");
    check(&rows, false, "");
}

static void
test_one_direction(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "dependency d from=a to=b policies=any "
                  "direction=egress");
    check(&rows, false, "policy 300 to 301 rule 6\n");
    test_rows_set(&rows, "dependency d from=a to=b policies=any "
                  "direction=ingress");
    check(&rows, false, "policy 301 from 300 rule 6\n");
}

static void
test_port_ranges(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "dependency d from=a to=b "
                  "policies=udp:8000-8010 direction=egress");
    check(&rows, false,
          "policy 300 to 301 17:8000/13 rule 6\n"
          "policy 300 to 301 17:8008/15 rule 6\n"
          "policy 300 to 301 17:8010/16 rule 6\n");
    test_rows_set(&rows, "dependency d from=a to=b "
                  "policies=tcp:1-65535,sctp direction=egress");
    check(&rows, false,
          "policy 300 to 301 132:0/0 rule 6\n"
          "policy 300 to 301 6:1/16 rule 6\n"
          "policy 300 to 301 6:1024/6 rule 6\n"
          "policy 300 to 301 6:128/9 rule 6\n"
          "policy 300 to 301 6:16/12 rule 6\n"
          "policy 300 to 301 6:16384/2 rule 6\n"
          "policy 300 to 301 6:2/15 rule 6\n"
          "policy 300 to 301 6:2048/5 rule 6\n"
          "policy 300 to 301 6:256/8 rule 6\n"
          "policy 300 to 301 6:32/11 rule 6\n"
          "policy 300 to 301 6:32768/1 rule 6\n"
          "policy 300 to 301 6:4/14 rule 6\n"
          "policy 300 to 301 6:4096/4 rule 6\n"
          "policy 300 to 301 6:512/7 rule 6\n"
          "policy 300 to 301 6:64/10 rule 6\n"
          "policy 300 to 301 6:8/13 rule 6\n"
          "policy 300 to 301 6:8192/3 rule 6\n");
}

/* The type is the high byte of the port. */
static void
test_icmp(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "dependency d from=a to=b "
                  "policies=icmp:8,icmp6:128:0,icmp direction=egress");
    check(&rows, false,
          "policy 300 to 301 1:0/0 rule 6\n"
          "policy 300 to 301 1:2048/8 rule 6\n"
          "policy 300 to 301 58:32768/16 rule 6\n");
}

static void
test_any_peer(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "dependency d from=any to=b policies=tcp:80");
    check(&rows, false,
          "policy 301 from any 6:80/16 rule 6\n"
          "policy any to 301 6:80/16 rule 6\n");
    test_rows_set(&rows, "dependency d from=a to=any policies=tcp:80");
    check(&rows, false,
          "policy 300 to any 6:80/16 rule 6\n"
          "policy any from 300 6:80/16 rule 6\n");
}

static void
test_outside(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "dependency d from=a to=host,world "
                  "policies=tcp:80");
    check(&rows, false, "");
    test_rows_set(&rows, "dependency d from=a to=host,world,cidr:10.0.0.0/8 "
                  "policies=tcp:80");
    check(&rows, false, "partial 300 to\n");
    test_rows_set(&rows, "dependency d from=cidr:10.0.0.0/8 to=b "
                  "policies=tcp:80");
    check(&rows, false, "partial 301 from\n");
    test_rows_set(&rows, "dependency d from=any to=b,cidr:10.0.0.0/8 "
                  "policies=tcp:80 direction=egress");
    check(&rows, false,
          "partial any to\n"
          "policy any to 301 6:80/16 rule 6\n");
    test_rows_set(&rows, "dependency d from=a "
                  "to=b,host,cidr:10.0.0.0/8!10.1.0.0/16 policies=tcp:80");
    check(&rows, false,
          "partial 300 to\n"
          "peers 300 301\n"
          "policy 300 to 301 6:80/16 rule 6\n"
          "policy 301 from 300 6:80/16 rule 6\n");
}

/* Two rules that say the same. */
static void
test_two_rules(void **state OVS_UNUSED)
{
    test_rows_set(&rows, "dependency d from=a to=b policies=tcp:80");
    test_rows_set(&rows, "dependency e from=a to=b policies=tcp:80,udp");
    check(&rows, false,
          "peers 300 301\n"
          "policy 300 to 301 17:0/0 rule 7\n"
          "policy 300 to 301 6:80/16 rule 6\n"
          "policy 301 from 300 17:0/0 rule 7\n"
          "policy 301 from 300 6:80/16 rule 6\n");
    test_rows_remove(&rows, "dependency d");
    check(&rows, false,
          "peers 300 301\n"
          "policy 300 to 301 17:0/0 rule 7\n"
          "policy 300 to 301 6:80/16 rule 7\n"
          "policy 301 from 300 17:0/0 rule 7\n"
          "policy 301 from 300 6:80/16 rule 7\n");
}

/* Rules that would be too many entries are left out as a whole. */
static void
test_product_limit(void **state OVS_UNUSED)
{
    struct ds names = DS_EMPTY_INITIALIZER;
    const struct map_table *maps = compiler_get_maps(rows.compiler);

    for (int i = 0; i < 32; i++) {
        char *row = xasprintf("service s%d identity=%d", i, 400 + i);

        test_rows_set(&rows, row);
        ds_put_format(&names, "%ss%d", i ? "," : "", i);
        free(row);
    }

    char *row = xasprintf("dependency d from=%s to=%s policies=tcp:80",
                          ds_cstr(&names), ds_cstr(&names));
    test_rows_set(&rows, row);
    test_rows_run(&rows);
    assert_int_equal(maps->n[MAP_POLICY], 2 * 32 * 32);
    assert_int_equal(maps->n[MAP_PEERS], 32 * 32);
    assert_int_equal(maps->n[MAP_PARTIAL], 0);
    free(row);

    row = xasprintf("dependency d from=%s to=%s policies=tcp:80-81,udp",
                    ds_cstr(&names), ds_cstr(&names));
    test_rows_set(&rows, row);
    test_rows_run(&rows);
    assert_int_equal(maps->n[MAP_POLICY], 0);
    assert_int_equal(maps->n[MAP_PARTIAL], 2 * 32);
    free(row);
    ds_destroy(&names);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_endpoints),
        TEST(test_not_on_the_fast_path),
        TEST(test_no_gateway),
        TEST(test_does_not_enforce),
        TEST(test_dhcp),
        TEST(test_isolation),
        TEST(test_rule),
        TEST(test_one_direction),
        TEST(test_port_ranges),
        TEST(test_icmp),
        TEST(test_any_peer),
        TEST(test_outside),
        TEST(test_two_rules),
        TEST(test_product_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
