/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/policy.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "tests/test-random.h"
#include "util.h"

static struct policy
parse(const char *s)
{
    struct policy p;
    char *error = policy_parse(s, &p);

    assert_null(error);
    return p;
}

static void
check_text(const struct policy *p, const char *expected)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    policy_format(p, &s);
    assert_string_equal(ds_cstr(&s), expected);
    ds_destroy(&s);
}

static void
test_parse(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        const char *canonical;
        struct policy policy;
    } good[] = {
        { "any", "any", { 0, false, 0, 0, -1, -1 } },
        { "tcp", "tcp", { IPPROTO_TCP, false, 0, 0, -1, -1 } },
        { "tcp:80", "tcp:80", { IPPROTO_TCP, true, 80, 80, -1, -1 } },
        { "tcp:80-80", "tcp:80", { IPPROTO_TCP, true, 80, 80, -1, -1 } },
        { "udp:8000-8010", "udp:8000-8010",
          { IPPROTO_UDP, true, 8000, 8010, -1, -1 } },
        { "sctp:1-65535", "sctp:1-65535",
          { IPPROTO_SCTP, true, 1, 65535, -1, -1 } },
        { "icmp", "icmp", { IPPROTO_ICMP, false, 0, 0, -1, -1 } },
        { "icmp:8", "icmp:8", { IPPROTO_ICMP, false, 0, 0, 8, -1 } },
        { "icmp:0:0", "icmp:0:0", { IPPROTO_ICMP, false, 0, 0, 0, 0 } },
        { "icmp6:128:255", "icmp6:128:255",
          { IPPROTO_ICMPV6, false, 0, 0, 128, 255 } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct policy p = parse(good[i].text);

        assert_true(policy_equals(&p, &good[i].policy));
        check_text(&p, good[i].canonical);
    }

    static const struct {
        const char *text;
        const char *expected;
    } bad[] = {
        { "", "unknown protocol" },
        { "all", "unknown protocol" },
        { "TCP:80", "unknown protocol" },
        { "tc:80", "unknown protocol" },
        { "tcpx", "unknown protocol" },
        { "any:80", "unknown protocol" },
        { "80", "unknown protocol" },
        { "tcp:", "from 1 to 65535" },
        { "tcp:0", "from 1 to 65535" },
        { "tcp:65536", "from 1 to 65535" },
        { "tcp:99999999999", "from 1 to 65535" },
        { "tcp:080", "from 1 to 65535" },
        { "tcp: 80", "from 1 to 65535" },
        { "tcp:+80", "from 1 to 65535" },
        { "tcp:-80", "from 1 to 65535" },
        { "tcp:0x50", "from 1 to 65535" },
        { "tcp:80,81", "from 1 to 65535" },
        { "tcp:http", "from 1 to 65535" },
        { "tcp:80-", "last port" },
        { "tcp:80-90-100", "last port" },
        { "tcp:80-70000", "last port" },
        { "tcp:90-80", "below its first" },
        { "icmp:", "ICMP type" },
        { "icmp:256", "ICMP type" },
        { "icmp:-1", "ICMP type" },
        { "icmp:echo", "ICMP type" },
        { "icmp:8:", "ICMP code" },
        { "icmp:8:256", "ICMP code" },
        { "icmp6:8:0:0", "ICMP code" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct policy p;
        char *error = policy_parse(bad[i].text, &p);

        assert_non_null(error);
        if (strncmp(error, bad[i].text, strlen(bad[i].text))
            || !strstr(error, bad[i].expected)) {
            fail_msg("\"%s\" does not mention \"%s\" and \"%s\"",
                     error, bad[i].text, bad[i].expected);
        }
        free(error);
    }
}

static void
test_matches(void **state OVS_UNUSED)
{
    static const struct {
        const char *policy;
        uint8_t nw_proto;
        uint16_t tp_src, tp_dst;
        bool expected;
    } cases[] = {
        { "any", IPPROTO_TCP, 1, 2, true },
        { "any", IPPROTO_ICMP, 8, 0, true },
        { "any", 47, 0, 0, true },
        { "tcp", IPPROTO_TCP, 1, 0, true },
        { "tcp", IPPROTO_UDP, 1, 0, false },
        { "tcp:80", IPPROTO_TCP, 5000, 80, true },
        { "tcp:80", IPPROTO_TCP, 80, 5000, false },
        { "tcp:80", IPPROTO_UDP, 5000, 80, false },
        { "tcp:80", IPPROTO_SCTP, 5000, 80, false },
        { "udp:10-20", IPPROTO_UDP, 1, 9, false },
        { "udp:10-20", IPPROTO_UDP, 1, 10, true },
        { "udp:10-20", IPPROTO_UDP, 1, 20, true },
        { "udp:10-20", IPPROTO_UDP, 1, 21, false },
        { "icmp:8", IPPROTO_ICMP, 8, 0, true },
        { "icmp:8", IPPROTO_ICMP, 8, 7, true },
        { "icmp:8", IPPROTO_ICMP, 0, 8, false },
        { "icmp:8", IPPROTO_ICMPV6, 8, 0, false },
        { "icmp:3:4", IPPROTO_ICMP, 3, 4, true },
        { "icmp:3:4", IPPROTO_ICMP, 3, 3, false },
        { "icmp6:128:0", IPPROTO_ICMPV6, 128, 0, true },
        { "icmp6:128:0", IPPROTO_ICMPV6, 129, 0, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy p = parse(cases[i].policy);

        if (policy_matches(&p, cases[i].nw_proto, cases[i].tp_src,
                           cases[i].tp_dst) != cases[i].expected) {
            fail_msg("%s: protocol %d, %d, %d should %smatch",
                     cases[i].policy, cases[i].nw_proto, cases[i].tp_src,
                     cases[i].tp_dst, cases[i].expected ? "" : "not ");
        }
    }
}

static void
test_intersect(void **state OVS_UNUSED)
{
    static const struct {
        const char *a, *b, *expected;
    } cases[] = {
        { "any", "any", "any" },
        { "any", "tcp:80", "tcp:80" },
        { "tcp", "tcp:80", "tcp:80" },
        { "tcp:80-90", "tcp:85-100", "tcp:85-90" },
        { "tcp:80-90", "tcp:90", "tcp:90" },
        { "tcp:80-90", "tcp:91-100", NULL },
        { "tcp:80", "udp:80", NULL },
        { "icmp", "icmp:8", "icmp:8" },
        { "icmp:8", "icmp:8:0", "icmp:8:0" },
        { "icmp:8", "icmp:0", NULL },
        { "icmp:3:1", "icmp:3:4", NULL },
        { "icmp", "icmp6", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy a = parse(cases[i].a);
        struct policy b = parse(cases[i].b);
        struct policy result;

        assert_int_equal(policy_intersect(&a, &b, &result),
                         cases[i].expected != NULL);
        if (cases[i].expected) {
            check_text(&result, cases[i].expected);
        }
        assert_int_equal(policy_intersect(&b, &a, &result),
                         cases[i].expected != NULL);
        if (cases[i].expected) {
            check_text(&result, cases[i].expected);
        }
    }
}

/* The masks of a policy select each of its ports once and no other port.  A
 * pair of masks that could be merged would be one mask too many. */
static void
check_masks(const struct policy *p)
{
    struct port_mask masks[POLICY_MAX_MASKS];
    size_t n = policy_port_masks(p, masks);
    uint32_t next = p->port_min;

    assert_in_range(n, 1, POLICY_MAX_MASKS);
    for (size_t i = 0; i < n; i++) {
        uint16_t wild = ~masks[i].mask;

        assert_int_equal(wild & (wild + 1), 0);
        assert_int_equal(masks[i].value & wild, 0);
        assert_int_equal(masks[i].value, next);
        next += (uint32_t) wild + 1;

        if (i && masks[i].mask == masks[i - 1].mask) {
            uint16_t parent = masks[i].mask << 1;

            assert_int_not_equal(masks[i].value & parent,
                                 masks[i - 1].value & parent);
        }
    }
    assert_int_equal(next, (uint32_t) p->port_max + 1);
}

static void
test_masks(void **state OVS_UNUSED)
{
    struct port_mask masks[POLICY_MAX_MASKS];
    struct policy p = parse("tcp");

    assert_int_equal(policy_port_masks(&p, masks), 0);
    p = parse("any");
    assert_int_equal(policy_port_masks(&p, masks), 0);
    p = parse("icmp:8");
    assert_int_equal(policy_port_masks(&p, masks), 0);

    p = parse("tcp:80");
    assert_int_equal(policy_port_masks(&p, masks), 1);
    assert_int_equal(masks[0].value, 80);
    assert_int_equal(masks[0].mask, 0xffff);

    p = parse("tcp:1024-65535");
    assert_int_equal(policy_port_masks(&p, masks), 6);
    p = parse("tcp:8000-8010");
    assert_int_equal(policy_port_masks(&p, masks), 3);
    p = parse("tcp:1-65534");
    assert_int_equal(policy_port_masks(&p, masks), 30);

    /* Not in the syntax, but a range all the same. */
    p = (struct policy) { .nw_proto = IPPROTO_TCP, .has_ports = true,
                          .port_min = 0, .port_max = 65535 };
    assert_int_equal(policy_port_masks(&p, masks), 1);
    assert_int_equal(masks[0].mask, 0);
}

static void
test_masks_random(void **state OVS_UNUSED)
{
    test_random_init("masks_random");
    for (int iteration = 0; iteration < 20000; iteration++) {
        uint16_t a = random_uint16();
        uint16_t b = random_range(2) ? random_uint16() : a ^ random_range(64);
        struct policy p = {
            .nw_proto = IPPROTO_TCP, .has_ports = true,
            .port_min = MIN(a, b), .port_max = MAX(a, b),
            .icmp_type = -1, .icmp_code = -1,
        };
        check_masks(&p);
    }
}

static void
random_policy(struct policy *p)
{
    static const uint8_t protocols[] = {
        0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
        IPPROTO_ICMPV6,
    };

    *p = (struct policy) { .icmp_type = -1, .icmp_code = -1 };
    p->nw_proto = protocols[random_range(ARRAY_SIZE(protocols))];
    switch (p->nw_proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        p->has_ports = random_range(4);
        if (p->has_ports) {
            p->port_min = 1 + random_range(65535);
            p->port_max = p->port_min + random_range(65536 - p->port_min);
        }
        break;

    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (random_range(3)) {
            p->icmp_type = random_range(256);
            if (random_range(2)) {
                p->icmp_code = random_range(256);
            }
        }
        break;

    default:
        break;
    }
}

/* An intersection matches what both of its operands match. */
static void
test_intersect_random(void **state OVS_UNUSED)
{
    static const uint8_t protocols[] = {
        47, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
    };

    test_random_init("intersect_random");
    for (int iteration = 0; iteration < 50000; iteration++) {
        uint8_t nw_proto = protocols[random_range(ARRAY_SIZE(protocols))];
        bool is_icmp = nw_proto == IPPROTO_ICMP;
        struct policy a, b, result;

        random_policy(&a);
        random_policy(&b);
        bool intersects = policy_intersect(&a, &b, &result);

        /* Look where the answer is likely to change. */
        uint16_t tp_src = is_icmp ? a.icmp_type & 0xff : random_uint16();
        uint16_t tp_dst = (is_icmp ? b.icmp_code & 0xff
                           : random_range(2) ? a.port_max
                           : b.port_min - 1 + random_range(3));
        assert_int_equal(intersects && policy_matches(&result, nw_proto,
                                                      tp_src, tp_dst),
                         policy_matches(&a, nw_proto, tp_src, tp_dst)
                         && policy_matches(&b, nw_proto, tp_src, tp_dst));
    }
}

static void
test_round_trip_random(void **state OVS_UNUSED)
{
    test_random_init("round_trip_random");
    for (int iteration = 0; iteration < 5000; iteration++) {
        struct policy p;
        struct ds s = DS_EMPTY_INITIALIZER;

        random_policy(&p);
        policy_format(&p, &s);
        struct policy parsed = parse(ds_cstr(&s));
        assert_true(policy_equals(&p, &parsed));
        check_text(&parsed, ds_cstr(&s));
        ds_destroy(&s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_intersect),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_masks_random),
        cmocka_unit_test(test_intersect_random),
        cmocka_unit_test(test_round_trip_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
