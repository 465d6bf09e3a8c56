/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/address-cuts.h"
#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "tests/test-random.h"
#include "util.h"

static struct in6_addr
address(const char *s)
{
    struct in6_addr addr;
    char *error = ip_address_parse(s, &addr);

    assert_null(error);
    return addr;
}

static struct ip_prefix
prefix(const char *s)
{
    struct ip_prefix p;
    char *error = ip_prefix_parse(s, &p);

    assert_null(error);
    return p;
}

/* Fails unless 'error' names 'value' and contains 'expected'.  Frees it. */
static void
check_error(char *error, const char *value, const char *expected)
{
    assert_non_null(error);
    if (!strstr(error, value) || !strstr(error, expected)) {
        fail_msg("\"%s\" does not mention \"%s\" and \"%s\"",
                 error, value, expected);
    }
    free(error);
}

static void
check_prefix_text(const struct ip_prefix *p, const char *expected)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ip_prefix_format(p, &s);
    assert_string_equal(ds_cstr(&s), expected);
    ds_destroy(&s);
}

static void
test_address_parse(void **state OVS_UNUSED)
{
    static const char *const good[] = {
        "0.0.0.0", "10.0.0.1", "255.255.255.255",
        "::", "::1", "fd00::1", "fe80::1:2:3:4", "2001:db8::ffff:1:2",
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct in6_addr addr = address(good[i]);
        struct ds s = DS_EMPTY_INITIALIZER;

        ip_address_format(&addr, &s);
        assert_string_equal(ds_cstr(&s), good[i]);
        assert_int_equal(ip_is_v4(&addr), !strchr(good[i], ':'));
        ds_destroy(&s);
    }

    static const char *const bad[] = {
        "", " ", "10", "10.0.0", "10.0.0.1 ", " 10.0.0.1", "10.0.0.256",
        "10.0.0.1/8", "10.0.0.0x1", "10.0.0.01", "1.2.3.4.5", "fe80::1%eth0",
        "fe80::1%1", ":", ":::", "fd00::1/64", "[fd00::1]", "g::1",
        "1:2:3:4:5:6:7:8:9", "host",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct in6_addr addr;

        check_error(ip_address_parse(bad[i], &addr), bad[i], "not an IPv4");
    }

    struct in6_addr addr;
    check_error(ip_address_parse("::ffff:10.0.0.1", &addr),
                "::ffff:10.0.0.1", "expected 10.0.0.1");
    check_error(ip_address_parse("::ffff:a00:1", &addr),
                "::ffff:a00:1", "expected 10.0.0.1");
}

static void
test_prefix_parse(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        const char *canonical;
        uint8_t plen;
        bool is_v4;
    } good[] = {
        { "10.0.0.0/8", "10.0.0.0/8", 8, true },
        { "0.0.0.0/0", "0.0.0.0/0", 0, true },
        { "10.0.0.1", "10.0.0.1", 32, true },
        { "10.0.0.1/32", "10.0.0.1", 32, true },
        { "10.0.0.128/25", "10.0.0.128/25", 25, true },
        { "fd00::/64", "fd00::/64", 64, false },
        { "::/0", "::/0", 0, false },
        { "fd00::1", "fd00::1", 128, false },
        { "FD00:0:0::1/128", "fd00::1", 128, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct ip_prefix p = prefix(good[i].text);

        assert_int_equal(p.plen, good[i].plen);
        assert_int_equal(p.is_v4, good[i].is_v4);
        check_prefix_text(&p, good[i].canonical);
    }

    static const struct {
        const char *text;
        const char *expected;
    } bad[] = {
        { "10.0.0.1/8", "expected 10.0.0.0/8" },
        { "10.0.0.1/0", "expected 0.0.0.0/0" },
        { "fd00::1/64", "expected fd00::/64" },
        { "fd00::/7", "expected fc00::/7" },
        { "10.0.0.0/33", "between 0 and 32" },
        { "fd00::/129", "between 0 and 128" },
        { "10.0.0.0/", "between 0 and 32" },
        { "10.0.0.0/-1", "between 0 and 32" },
        { "10.0.0.0/+8", "between 0 and 32" },
        { "10.0.0.0/08", "between 0 and 32" },
        { "10.0.0.0/ 8", "between 0 and 32" },
        { "10.0.0.0/0x8", "between 0 and 32" },
        { "10.0.0.0/8/8", "between 0 and 32" },
        { "10.0.0.0/255.0.0.0", "between 0 and 32" },
        { "10.0.0.0/4294967304", "between 0 and 32" },
        { "::ffff:0:0/96", "expected ADDRESS/LENGTH" },
        { "/8", "expected ADDRESS/LENGTH" },
        { "", "expected ADDRESS/LENGTH" },
        { "ten/8", "expected ADDRESS/LENGTH" },
        { "fe80::1%lo/64", "expected ADDRESS/LENGTH" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct ip_prefix p;

        check_error(ip_prefix_parse(bad[i].text, &p), bad[i].text,
                    bad[i].expected);
    }
}

static void
test_mac_parse(void **state OVS_UNUSED)
{
    struct eth_addr mac;

    assert_null(mac_parse("02:00:00:00:00:0A", &mac));
    assert_true(eth_addr_equals(
                    mac, (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,0a)));

    static const struct {
        const char *text;
        const char *expected;
    } bad[] = {
        { "", "not an Ethernet address" },
        { "02:00:00:00:00", "not an Ethernet address" },
        { "02:00:00:00:00:01:02", "not an Ethernet address" },
        { "02-00-00-00-00-01", "not an Ethernet address" },
        { "2:0:0:0:0:1", "not an Ethernet address" },
        { "002:00:00:00:0:01", "not an Ethernet address" },
        { " 02:00:00:00:00:1", "not an Ethernet address" },
        { "02:00:00:00:00:0g", "not an Ethernet address" },
        { "00:00:00:00:00:00", "all zeros" },
        { "01:00:5e:00:00:01", "group address" },
        { "ff:ff:ff:ff:ff:ff", "group address" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        check_error(mac_parse(bad[i].text, &mac), bad[i].text,
                    bad[i].expected);
    }
}

static void
test_host_address(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        bool expected;
    } cases[] = {
        { "10.0.0.1", true }, { "192.0.2.1", true }, { "169.254.1.1", true },
        { "0.0.0.0", false }, { "0.0.0.1", false }, { "127.0.0.1", false },
        { "224.0.0.1", false }, { "255.255.255.255", false },
        { "fd00::1", true }, { "fe80::1", true }, { "2001:db8::1", true },
        { "::", false }, { "::1", false }, { "ff02::1", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct in6_addr addr = address(cases[i].text);

        assert_int_equal(ip_is_host_address(&addr), cases[i].expected);
    }
}

/* The example of RFC 4291 appendix A has the MAC address 34-56-78-9A-BC-DE
 * with both low bits of the first octet clear. */
static void
test_lla(void **state OVS_UNUSED)
{
    struct in6_addr expected = address("fe80::3656:78ff:fe9a:bcde");
    struct eth_addr mac;
    struct in6_addr lla;

    assert_null(mac_parse("34:56:78:9a:bc:de", &mac));
    ip_lla_from_mac(mac, &lla);
    assert_true(ipv6_addr_equals(&lla, &expected));

    expected = address("fe80::ff:fe00:1");
    assert_null(mac_parse("02:00:00:00:00:01", &mac));
    ip_lla_from_mac(mac, &lla);
    assert_true(ipv6_addr_equals(&lla, &expected));
}

static void
test_prefix_relations(void **state OVS_UNUSED)
{
    static const struct {
        const char *a, *b;
        bool covers, overlaps;
    } pairs[] = {
        { "10.0.0.0/8", "10.1.0.0/16", true, true },
        { "10.1.0.0/16", "10.0.0.0/8", false, true },
        { "10.0.0.0/8", "10.0.0.0/8", true, true },
        { "10.0.0.0/9", "10.128.0.0/9", false, false },
        { "0.0.0.0/0", "255.255.255.255", true, true },
        { "::/0", "fd00::/64", true, true },
        { "fd00::/64", "fd00:0:0:1::/64", false, false },
        { "::/0", "10.0.0.0/8", false, false },
        { "::/0", "0.0.0.0/0", false, false },
        { "0.0.0.0/0", "::/0", false, false },
        { "::/64", "10.0.0.1", false, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct ip_prefix a = prefix(pairs[i].a);
        struct ip_prefix b = prefix(pairs[i].b);

        assert_int_equal(ip_prefix_covers(&a, &b), pairs[i].covers);
        assert_int_equal(ip_prefix_overlaps(&a, &b), pairs[i].overlaps);
        assert_int_equal(ip_prefix_overlaps(&b, &a), pairs[i].overlaps);
        assert_int_equal(ip_prefix_contains(&a, &b.addr),
                         a.is_v4 == b.is_v4 && pairs[i].overlaps
                         && (pairs[i].covers
                             || ipv6_addr_equals(&a.addr, &b.addr)));
    }

    struct ip_prefix p = prefix("10.0.0.0/8");
    struct in6_addr mask = ip_prefix_mask(&p);
    struct in6_addr expected;
    assert_true(ipv6_parse("ffff:ffff:ffff:ffff:ffff:ffff:ff00:0",
                           &expected));
    assert_true(ipv6_addr_equals(&mask, &expected));
    p = prefix("::/0");
    mask = ip_prefix_mask(&p);
    assert_true(ipv6_mask_is_any(&mask));
}

static void
check_subtract(const char *whole, const char *except, const char *expected)
{
    struct ip_prefix p = prefix(whole);
    struct ip_prefix excepts[8];
    size_t n = 0;
    char *copy = xstrdup(except);
    char *save_ptr = NULL;
    for (char *s = strtok_r(copy, " ", &save_ptr); s;
         s = strtok_r(NULL, " ", &save_ptr)) {
        excepts[n++] = prefix(s);
    }
    free(copy);

    struct ip_prefix *out;
    size_t n_out;
    ip_prefix_subtract(&p, excepts, n, &out, &n_out);

    struct ds text = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < n_out; i++) {
        if (i) {
            ds_put_char(&text, ' ');
        }
        ip_prefix_format(&out[i], &text);
    }
    assert_string_equal(ds_cstr(&text), expected);
    ds_destroy(&text);
    free(out);
}

static void
test_subtract(void **state OVS_UNUSED)
{
    check_subtract("10.0.0.0/8", "", "10.0.0.0/8");
    check_subtract("10.0.0.0/8", "10.0.0.0/8", "");
    check_subtract("10.0.0.0/8", "0.0.0.0/0", "");
    check_subtract("10.0.0.0/8", "10.0.0.0/9 10.128.0.0/9", "");
    check_subtract("10.0.0.0/8", "11.0.0.0/8 fd00::/64 ::/0", "10.0.0.0/8");
    check_subtract("10.0.0.0/8", "10.128.0.0/9", "10.0.0.0/9");
    check_subtract("10.0.0.0/30", "10.0.0.1",
                   "10.0.0.0 10.0.0.2/31");
    check_subtract("10.0.0.0/30", "10.0.0.1 10.0.0.1 10.0.0.0/31",
                   "10.0.0.2/31");
    check_subtract("0.0.0.0/0", "0.0.0.0/1 192.0.0.0/2", "128.0.0.0/2");
    check_subtract("fd00::/126", "fd00::2", "fd00::/127 fd00::3");
}

/* A random prefix that lies in a space of 2**'bits' addresses, so that an
 * exhaustive comparison is possible. */
static struct ip_prefix
random_prefix(const char *base, unsigned int bits)
{
    struct ip_prefix p = prefix(base);
    unsigned int host_bits = random_range(bits + 1);
    unsigned int value = random_range(1u << bits) >> host_bits << host_bits;

    p.plen -= host_bits;
    p.addr.s6_addr[15] |= value & 0xff;
    p.addr.s6_addr[14] |= value >> 8;
    return p;
}

static size_t
count_covering(const struct ip_prefix *prefixes, size_t n,
               const struct in6_addr *addr)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        count += ip_prefix_contains(&prefixes[i], addr);
    }
    return count;
}

/* Two prefixes that are halves of a third could be replaced by it, so a
 * smallest cover has no such pair. */
static void
check_no_siblings(const struct ip_prefix *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            if (prefixes[i].plen == prefixes[j].plen && prefixes[i].plen) {
                struct ip_prefix parent = prefixes[i];

                parent.plen--;
                struct in6_addr mask = ip_prefix_mask(&parent);
                parent.addr = ipv6_addr_bitand(&parent.addr, &mask);
                assert_false(ip_prefix_covers(&parent, &prefixes[j]));
            }
        }
    }
}

static void
test_subtract_random(void **state OVS_UNUSED)
{
    enum { BITS = 9, MAX_EXCEPT = 12 };

    test_random_init("subtract_random");
    for (int iteration = 0; iteration < 400; iteration++) {
        const char *base = random_range(2) ? "10.0.0.0" : "fd00::";
        struct ip_prefix whole = random_prefix(base, BITS);
        struct ip_prefix except[MAX_EXCEPT];
        size_t n_except = random_range(MAX_EXCEPT + 1);
        for (size_t i = 0; i < n_except; i++) {
            except[i] = random_prefix(base, BITS);
        }

        struct ip_prefix *out;
        size_t n_out;
        ip_prefix_subtract(&whole, except, n_except, &out, &n_out);
        for (unsigned int i = 0; i < 1u << BITS; i++) {
            struct in6_addr addr = address(base);

            addr.s6_addr[15] |= i & 0xff;
            addr.s6_addr[14] |= i >> 8;
            bool expected = (ip_prefix_contains(&whole, &addr)
                             && !count_covering(except, n_except, &addr));
            assert_int_equal(count_covering(out, n_out, &addr), expected);
        }
        check_no_siblings(out, n_out);
        free(out);
    }
}

/* Formatting and parsing are inverse on random values. */
static void
test_round_trip_random(void **state OVS_UNUSED)
{
    test_random_init("round_trip_random");
    for (int iteration = 0; iteration < 5000; iteration++) {
        struct ip_prefix p = { .is_v4 = random_range(2) };

        random_bytes(&p.addr, sizeof p.addr);
        if (p.is_v4) {
            in6_addr_set_mapped_ipv4(&p.addr, (OVS_FORCE ovs_be32)
                                     random_uint32());
        } else {
            p.addr.s6_addr[0] |= 0x20;
        }
        p.plen = random_range(p.is_v4 ? 33 : 129);
        struct in6_addr mask = ip_prefix_mask(&p);
        p.addr = ipv6_addr_bitand(&p.addr, &mask);

        struct ds s = DS_EMPTY_INITIALIZER;
        ip_prefix_format(&p, &s);
        struct ip_prefix parsed = prefix(ds_cstr(&s));
        assert_true(ip_prefix_equals(&p, &parsed));
        ds_destroy(&s);
    }
}

/* Cuts 'whole' at the prefixes in 'at', which spaces separate, and returns the
 * pieces in the same form. */
static char *
pieces(const char *whole, const char *at)
{
    struct ip_prefix p = prefix(whole);
    struct ds s = DS_EMPTY_INITIALIZER;
    struct in6_addr first, last;
    struct address_cuts cuts;
    char *copy = xstrdup(at);
    size_t i = 0;

    address_cuts_init(&cuts, &p);
    for (char *save = NULL, *token = strtok_r(copy, " ", &save); token;
         token = strtok_r(NULL, " ", &save)) {
        p = prefix(token);
        address_cuts_add(&cuts, &p);
    }
    address_cuts_sort(&cuts);
    while (address_cuts_next(&cuts, &i, &first, &last)) {
        if (s.length) {
            ds_put_char(&s, ' ');
        }
        address_range_format(&first, &last, &s);
    }
    address_cuts_destroy(&cuts);
    free(copy);
    return ds_steal_cstr(&s);
}

static void
check_pieces(const char *whole, const char *at, const char *expected)
{
    char *actual = pieces(whole, at);

    assert_string_equal(actual, expected);
    free(actual);
}

static void
test_cuts(void **state OVS_UNUSED)
{
    check_pieces("10.0.0.0/24", "", "10.0.0.0/24");
    check_pieces("10.0.0.0/24", "10.0.0.0/8 10.0.0.0/24 11.0.0.0/8 fd00::/8",
                 "10.0.0.0/24");
    check_pieces("10.0.0.0/24", "10.0.0.128/25 10.0.0.128/25",
                 "10.0.0.0/25 10.0.0.128/25");
    check_pieces("10.0.0.0/29", "10.0.0.1 10.0.0.2 10.0.0.7",
                 "10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3-10.0.0.6 10.0.0.7");
    check_pieces("10.0.0.1", "10.0.0.1 10.0.0.0/8", "10.0.0.1");

    /* Next to the end of the address space. */
    check_pieces("0.0.0.0/0", "0.0.0.0 255.255.255.255 ::/0 ::1:0:0:0",
                 "0.0.0.0 0.0.0.1-255.255.255.254 255.255.255.255");
    check_pieces("ff00::/8", "ffff::/16 "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                 "ff00::-fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");

    /* IPv4 addresses are not members. */
    check_pieces("::/64", "10.0.0.0/8",
                 "::-::fffe:ffff:ffff ::1:0:0:0-::ffff:ffff:ffff:ffff");
    check_pieces("fd00::/125", "fd00::4/127",
                 "fd00::/126 fd00::4/127 fd00::6/127");
}

static struct ip_prefix
random_part(uint32_t base)
{
    struct ip_prefix p = { .is_v4 = true, .plen = 22 + random_range(11) };

    in6_addr_set_mapped_ipv4(&p.addr, htonl(base | random_range(1024)));

    struct in6_addr mask = ip_prefix_mask(&p);
    p.addr = ipv6_addr_bitand(&p.addr, &mask);
    return p;
}

/* Two neighbors are in one piece exactly if they are in the same prefixes. */
static void
test_cuts_random(void **state OVS_UNUSED)
{
    test_random_init("cuts_random");
    for (int iteration = 0; iteration < 200; iteration++) {
        uint32_t base = 0x0a000000;
        struct ip_prefix whole = prefix("10.0.0.0/22");
        struct ip_prefix at[8];
        struct in6_addr first, last;
        struct address_cuts cuts;
        bool starts[1024] = { false };
        size_t n = random_range(ARRAY_SIZE(at) + 1);
        size_t i = 0;

        address_cuts_init(&cuts, &whole);
        for (size_t j = 0; j < n; j++) {
            at[j] = random_part(base);
            address_cuts_add(&cuts, &at[j]);
        }
        address_cuts_sort(&cuts);

        uint32_t expected_first = base;
        while (address_cuts_next(&cuts, &i, &first, &last)) {
            uint32_t begin = ntohl(in6_addr_get_mapped_ipv4(&first));
            uint32_t end = ntohl(in6_addr_get_mapped_ipv4(&last));

            assert_int_equal(begin, expected_first);
            assert_true(end >= begin);
            starts[begin - base] = true;
            expected_first = end + 1;
        }
        assert_int_equal(expected_first, base + 1024);

        for (uint32_t k = 1; k < 1024; k++) {
            struct in6_addr a = in6_addr_mapped_ipv4(htonl(base + k - 1));
            struct in6_addr b = in6_addr_mapped_ipv4(htonl(base + k));
            bool differ = false;

            for (size_t j = 0; j < n; j++) {
                differ |= (ip_prefix_contains(&at[j], &a)
                           != ip_prefix_contains(&at[j], &b));
            }
            assert_int_equal(starts[k], differ);
        }
        address_cuts_destroy(&cuts);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_parse),
        cmocka_unit_test(test_prefix_parse),
        cmocka_unit_test(test_mac_parse),
        cmocka_unit_test(test_host_address),
        cmocka_unit_test(test_lla),
        cmocka_unit_test(test_prefix_relations),
        cmocka_unit_test(test_subtract),
        cmocka_unit_test(test_subtract_random),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_cuts_random),
        cmocka_unit_test(test_round_trip_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
