/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/peer.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static void
test_good(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        const char *canonical;
        enum peer_type type;
        size_t n_except;
    } good[] = {
        { "shop/web", "shop/web", PEER_SERVICE, 0 },
        { "host/world", "host/world", PEER_SERVICE, 0 },
        { "_a.b-c/9", "_a.b-c/9", PEER_SERVICE, 0 },
        { "host", "host", PEER_HOST, 0 },
        { "world", "world", PEER_WORLD, 0 },
        { "any", "any", PEER_ANY, 0 },
        { "cidr:10.0.0.0/8", "cidr:10.0.0.0/8", PEER_CIDR, 0 },
        { "cidr:10.0.0.1/32", "cidr:10.0.0.1", PEER_CIDR, 0 },
        { "cidr:0.0.0.0/0", "cidr:0.0.0.0/0", PEER_CIDR, 0 },
        { "cidr:10.0.0.0/8,except=10.1.0.0/16",
          "cidr:10.0.0.0/8,except=10.1.0.0/16", PEER_CIDR, 1 },
        { "cidr:fd00::/32,except=fd00:0:2::/48,fd00:0:1::/48,fd00:0:2::/48",
          "cidr:fd00::/32,except=fd00:0:1::/48,fd00:0:2::/48", PEER_CIDR, 2 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct peer peer;
        struct ds s = DS_EMPTY_INITIALIZER;

        assert_null(peer_parse(good[i].text, &peer));
        assert_int_equal(peer.type, good[i].type);
        assert_int_equal(peer.n_except, good[i].n_except);
        assert_int_equal(peer.network != NULL, peer.type == PEER_SERVICE);
        assert_int_equal(peer.service != NULL, peer.type == PEER_SERVICE);
        peer_format(&peer, &s);
        assert_string_equal(ds_cstr(&s), good[i].canonical);
        ds_destroy(&s);
        peer_destroy(&peer);
    }
}

static void
test_bad(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        const char *expected;
    } bad[] = {
        { "", "expected NETWORK/SERVICE" },
        { "web", "expected NETWORK/SERVICE" },
        { "Host", "expected NETWORK/SERVICE" },
        { "shop/web/0", "expected NETWORK/SERVICE" },
        { "/web", "bad network name" },
        { "shop/", "bad service name" },
        { "sh op/web", "bad network name" },
        { "shop/-web", "bad service name" },
        { "shop/we,b", "bad service name" },
        { "10.0.0.0:8/web", "bad network name" },
        { "cidr:", "bad prefix" },
        { "cidr:ten", "bad prefix" },
        { "cidr:10.0.0.1/8", "expected 10.0.0.0/8" },
        { "cidr:10.0.0.0/8,", "expected \"except=" },
        { "cidr:10.0.0.0/8,10.1.0.0/16", "expected \"except=" },
        { "cidr:10.0.0.0/8,except=", "bad exception" },
        { "cidr:10.0.0.0/8,except=10.1.0.0/16,", "bad exception" },
        { "cidr:10.0.0.0/8,except=10.1.0.1/16", "expected 10.1.0.0/16" },
        { "cidr:10.0.0.0/8,except=11.0.0.0/16", "inside 10.0.0.0/8" },
        { "cidr:10.0.0.0/8,except=10.0.0.0/8", "smaller prefix inside" },
        { "cidr:10.0.0.0/8,except=0.0.0.0/0", "smaller prefix inside" },
        { "cidr:10.0.0.0/8,except=fd00::/64", "inside 10.0.0.0/8" },
        { "cidr:::/0,except=10.0.0.0/8", "inside ::/0" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct peer peer;
        char *error = peer_parse(bad[i].text, &peer);

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
test_names(void **state OVS_UNUSED)
{
    char name[257];

    memset(name, 'n', sizeof name);
    name[255] = '\0';
    assert_null(name_check(name));
    name[255] = 'n';
    name[256] = '\0';

    const char *const bad[] = {
        "", "-a", ".a", "a b", "a/b", "a:b", "a,b", "a=b", "a\n", "\xc3\xa9",
        "a\x7f", name,
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *error = name_check(bad[i]);

        assert_non_null(error);
        free(error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
