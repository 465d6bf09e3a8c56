/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "controller/compiler.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "svec.h"
#include "tests/test-rows.h"
#include "util.h"
#include "uuid.h"

static void
check_status(struct test_rows *rows, const char *row, const char *expected)
{
    const char *status = test_rows_status(rows, row);

    if (!status || strcmp(status, expected)) {
        print_error("%s: \"%s\", expected \"%s\"\n", row,
                    status ? status : "(none)", expected);
    }
    assert_non_null(status);
    assert_string_equal(status, expected);
}

/* Two services with one container each. */
static void
set_up(struct test_rows *rows)
{
    test_rows_init(rows);
    test_rows_set(rows, "network net1 key=1 subnets=10.1.0.0/24,fd00:1::/64 "
                  "gateways=10.1.0.1");
    test_rows_set(rows, "service a identity=256");
    test_rows_set(rows, "service b identity=257");
    test_rows_set(rows, "container a1 service=a interface=if1 "
                  "mac=02:00:00:00:00:01 ips=10.1.0.11,fd00:1::11");
    test_rows_set(rows, "container b1 service=b interface=if2 "
                  "mac=02:00:00:00:00:02 ips=10.1.0.12");
    test_rows_set(rows, "dependency d from=a to=b policies=tcp:80");
    test_rows_run(rows);
}

static void
test_accepted(void **state OVS_UNUSED)
{
    static const char *const names[] = {
        "network net1", "service a", "service b", "container a1",
        "container b1", "dependency d"
    };
    struct compiler_usage usage;
    struct test_rows rows;

    set_up(&rows);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        check_status(&rows, names[i], "active");
    }
    compiler_get_usage(rows.compiler, &usage);
    assert_int_equal(usage.n_networks, 1);
    assert_int_equal(usage.n_services, 2);
    assert_int_equal(usage.n_containers, 2);
    assert_int_equal(usage.n_dependencies, 1);
    assert_int_equal(usage.n_refused, 0);
    assert_false(compiler_run(rows.compiler));
    test_rows_destroy(&rows);
}

/* One bad row each, with what is said about it.  Nothing else changes. */
static void
test_bad_rows(void **state OVS_UNUSED)
{
    static const struct {
        const char *line;
        const char *error;
    } bad[] = {
        { "network x key=2", "it has no subnet" },
        { "network x key=2 subnets=a/b",
          "a/b: not an IPv4 or IPv6 prefix, expected ADDRESS/LENGTH" },
        { "network x key=2 subnets=10.2.0.1/24",
          "10.2.0.1/24: address has bits set beyond the prefix length, "
          "expected 10.2.0.0/24" },
        { "network x key=2 subnets=127.0.1.0/24",
          "subnet 127.0.1.0/24 overlaps 127.0.0.0/8, which no network can "
          "have" },
        { "network x key=2 subnets=::/0",
          "subnet ::/0 overlaps ::/80, which no network can have" },
        { "network x key=2 subnets=10.2.0.0/24,10.2.0.0/25",
          "two of its subnets overlap" },
        { "network x key=2 subnets=10.0.0.0/8",
          "its subnets overlap those of network net1 on the same bridge" },
        { "network x key=2 subnets=10.2.0.0/24 gateways=10.2.0.300",
          "10.2.0.300: not an IPv4 or IPv6 address" },
        { "network x key=2 subnets=10.2.0.0/24 gateways=10.3.0.1",
          "gateway 10.3.0.1 is outside the subnets of network x" },
        { "network x key=2 subnets=10.2.0.0/24 gateways=224.0.0.1",
          "gateway 224.0.0.1 is not an address that a host can have" },
        { "network x key=2 subnets=10.2.0.0/24 dhcp_servers=fd00::1",
          "DHCP server fd00::1 is outside the subnets of network x" },
        { "network x key=2 subnets=10.2.0.0/24 "
          "gateway_mac=01:00:00:00:00:00",
          "01:00:00:00:00:00: Ethernet address is a group address, expected "
          "a unicast address" },
        { "network x key=2 subnets=10.2.0.0/24 enforcement=maybe",
          "maybe: enforcement must be enforce, audit or off" },
        { "network x key=0 subnets=10.2.0.0/24",
          "0: key must be from 1 to 1535" },
        { "network x key=1536 subnets=10.2.0.0/24",
          "1536: key must be from 1 to 1535" },
        { "service x identity=255", "255: identity must be from 256 to "
          "16777215" },
        { "service x identity=16777216", "16777216: identity must be from "
          "256 to 16777215" },
        { "container x interface=if3 mac=02:00:00:00:00:0 ips=10.1.0.13",
          "02:00:00:00:00:0: not an Ethernet address, expected "
          "xx:xx:xx:xx:xx:xx" },
        { "container x interface=if3 mac=02:00:00:00:00:03 ips=10.1.0.x",
          "10.1.0.x: not an IPv4 or IPv6 address" },
        { "container x interface=if3 mac=02:00:00:00:00:03 ips=10.2.0.13",
          "address 10.2.0.13 is outside the subnets of network net1" },
        { "container x interface=if3 mac=02:00:00:00:00:03 ips=0.0.0.0",
          "address 0.0.0.0 is not an address that a host can have" },
        { "container x interface=if3 mac=02:00:00:00:00:03 ips=10.1.0.1",
          "10.1.0.1 is the address of the gateway" },
        { "container x interface=if3 mac=02:00:00:00:00:03 ips=10.1.0.11",
          "10.1.0.11 is the address of container a1, too" },
        { "container x interface=if3 mac=02:00:00:00:00:01 ips=10.1.0.13",
          "container a1 has the same MAC address" },
        { "container x interface=if1 mac=02:00:00:00:00:03 ips=10.1.0.13",
          "interface if1 is the one of container a1, too" },
        { "container x interface=br0 mac=02:00:00:00:00:03 ips=10.1.0.13",
          "interface br0 is the gateway port of network net1" },
        { "dependency x to=b policies=any", "no source is left" },
        { "dependency x from=a policies=any", "no destination is left" },
        { "dependency x from=host to=world policies=any",
          "neither its source nor its destination is a service" },
        { "dependency x from=a to=b", "it has no policy" },
        { "dependency x from=a to=b policies=tcp:0",
          "tcp:0: expected a port from 1 to 65535 or a range of ports after "
          "\"tcp:\"" },
        { "dependency x from=a to=moon policies=any",
          "moon: expected any, host or world" },
        { "dependency x from=cidr:10.0.0.0/33 to=b policies=any",
          "10.0.0.0/33: prefix length is not between 0 and 32" },
        { "dependency x from=cidr:10.0.0.0/8!11.0.0.0/8 to=b policies=any",
          "11.0.0.0/8 is not a part of 10.0.0.0/8" },
    };
    struct test_rows rows;

    set_up(&rows);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const char *line = bad[i].line;
        size_t kind_len = strcspn(line, " ");
        char *row = xasprintf("%.*s x", (int) kind_len, line);
        char *expected = xasprintf("error: %s", bad[i].error);
        struct compiler_usage usage;

        test_rows_set(&rows, line);
        test_rows_run(&rows);
        check_status(&rows, row, expected);
        check_status(&rows, "container a1", "active");
        check_status(&rows, "dependency d", "active");
        compiler_get_usage(rows.compiler, &usage);
        assert_int_equal(usage.n_refused, 1);
        test_rows_remove(&rows, row);
        test_rows_run(&rows);
        free(row);
        free(expected);

        /* Rows added from here on are of the good network and service. */
        test_rows_set(&rows, "network net1 key=1 "
                      "subnets=10.1.0.0/24,fd00:1::/64 gateways=10.1.0.1");
        test_rows_set(&rows, "service b identity=257");
    }
    test_rows_destroy(&rows);
}

/* Rows that refer to a refused or absent one. */
static void
test_referrers(void **state OVS_UNUSED)
{
    struct test_rows rows;

    set_up(&rows);
    test_rows_set(&rows, "network net1 key=1 subnets=10.1.0.0/33");
    test_rows_run(&rows);
    check_status(&rows, "service a", "error: its network is refused");
    check_status(&rows, "container a1", "error: its service is refused");
    check_status(&rows, "dependency d",
                 "error: one of its services is refused");

    test_rows_set(&rows, "network net1 key=1 subnets=10.1.0.0/24,fd00:1::/64 "
                  "gateways=10.1.0.1");
    test_rows_run(&rows);
    check_status(&rows, "service a", "active");
    check_status(&rows, "container a1", "active");
    check_status(&rows, "dependency d", "active");

    /* The database takes a service that goes out of dependencies, but the
     * order in which we hear of that does not matter. */
    test_rows_remove(&rows, "service b");
    test_rows_run(&rows);
    check_status(&rows, "container b1", "error: its service is refused");
    check_status(&rows, "dependency d",
                 "error: one of its services is refused");
    test_rows_set(&rows, "dependency d from=a policies=tcp:80");
    test_rows_run(&rows);
    check_status(&rows, "dependency d", "error: no destination is left");
    test_rows_destroy(&rows);
}

static void
test_two_networks(void **state OVS_UNUSED)
{
    struct test_rows rows;

    set_up(&rows);
    test_rows_set(&rows, "network net2 key=2 subnets=10.2.0.0/24");
    test_rows_set(&rows, "service c identity=300");
    test_rows_set(&rows, "dependency x from=a to=c policies=any");
    test_rows_run(&rows);
    check_status(&rows, "service c", "active");
    check_status(&rows, "dependency x", "error: its services are in "
                 "different networks, net1 and net2");

    /* The same addresses are fine on another bridge. */
    test_rows_set(&rows, "network net3 key=3 subnets=10.1.0.0/24 bridge=br1");
    test_rows_run(&rows);
    check_status(&rows, "network net3", "active");
    test_rows_set(&rows, "network net3 key=3 subnets=10.1.0.0/24");
    test_rows_run(&rows);
    check_status(&rows, "network net3", "error: its subnets overlap those of "
                 "network net1 on the same bridge");
    test_rows_destroy(&rows);
}

/* The incumbent stays, and the loser comes back when the winner goes. */
static void
test_conflict(void **state OVS_UNUSED)
{
    static const char x[] = "container x service=b interface=if3 "
                            "mac=02:00:00:00:00:03 ips=10.1.0.11";
    struct test_rows rows;

    set_up(&rows);
    test_rows_set(&rows, x);
    test_rows_run(&rows);
    check_status(&rows, "container a1", "active");
    check_status(&rows, "container x",
                 "error: 10.1.0.11 is the address of container a1, too");

    /* Changes of the incumbent that do not solve the conflict. */
    test_rows_set(&rows, "container a1 service=a interface=if4 "
                  "mac=02:00:00:00:00:01 ips=10.1.0.11");
    test_rows_run(&rows);
    check_status(&rows, "container a1", "active");
    check_status(&rows, "container x",
                 "error: 10.1.0.11 is the address of container a1, too");

    /* One that does. */
    test_rows_set(&rows, "container a1 service=a interface=if4 "
                  "mac=02:00:00:00:00:01 ips=10.1.0.14");
    test_rows_run(&rows);
    check_status(&rows, "container a1", "active");
    check_status(&rows, "container x", "active");

    /* Now the other one is the incumbent. */
    test_rows_set(&rows, "container a1 service=a interface=if4 "
                  "mac=02:00:00:00:00:01 ips=10.1.0.11");
    test_rows_run(&rows);
    check_status(&rows, "container a1",
                 "error: 10.1.0.11 is the address of container x, too");
    check_status(&rows, "container x", "active");
    test_rows_remove(&rows, "container x");
    test_rows_run(&rows);
    check_status(&rows, "container a1", "active");
    test_rows_destroy(&rows);
}

/* An address may move from one container to another in one transaction, in
 * whatever order we hear of it. */
static void
test_address_moves(void **state OVS_UNUSED)
{
    for (int order = 0; order <= 1; order++) {
        struct test_rows rows;

        set_up(&rows);
        for (int i = 0; i <= 1; i++) {
            test_rows_set(&rows, i == order
                          ? "container a1 service=a interface=if1 "
                            "mac=02:00:00:00:00:01 ips=10.1.0.12"
                          : "container b1 service=b interface=if2 "
                            "mac=02:00:00:00:00:02 ips=10.1.0.11");
        }
        test_rows_run(&rows);
        check_status(&rows, "container a1", "active");
        check_status(&rows, "container b1", "active");
        test_rows_destroy(&rows);
    }
}

/* After a restart, who was active before stays so. */
static void
test_restart(void **state OVS_UNUSED)
{
    for (int senior = 0; senior <= 1; senior++) {
        struct test_rows rows;

        test_rows_init(&rows);
        test_rows_set(&rows, "network net1 key=1 subnets=10.1.0.0/24");
        test_rows_set(&rows, "service a identity=256");
        for (int i = 0; i <= 1; i++) {
            char *line = xasprintf(
                "container c%d interface=if%d mac=02:00:00:00:00:0%d "
                "ips=10.1.0.11 status=%s", i, i + 1, i + 1,
                i == senior ? "active" : "error");

            test_rows_set(&rows, line);
            free(line);
        }
        test_rows_run(&rows);
        check_status(&rows, senior ? "container c1" : "container c0",
                     "active");
        check_status(&rows, senior ? "container c0" : "container c1",
                     senior
                     ? "error: 10.1.0.11 is the address of container c1, too"
                     : "error: 10.1.0.11 is the address of container c0, too");
        test_rows_destroy(&rows);
    }
}

static void
test_interface_on_other_node(void **state OVS_UNUSED)
{
    struct test_rows rows;

    set_up(&rows);
    test_rows_set(&rows, "container x service=b interface=if3 node=node1 "
                  "mac=02:00:00:00:00:03 ips=10.1.0.13");
    test_rows_set(&rows, "container y service=b interface=if3 node=node2 "
                  "mac=02:00:00:00:00:04 ips=10.1.0.14");
    test_rows_run(&rows);
    check_status(&rows, "container x", "active");
    check_status(&rows, "container y", "active");
    test_rows_set(&rows, "container z service=b interface=if3 "
                  "mac=02:00:00:00:00:05 ips=10.1.0.15");
    test_rows_run(&rows);
    check_status(&rows, "container z",
                 "error: interface if3 is the one of container x, too");
    test_rows_destroy(&rows);
}

/* A network that takes a container's interface as its gateway port. */
static void
test_gateway_port(void **state OVS_UNUSED)
{
    struct test_rows rows;

    set_up(&rows);
    test_rows_set(&rows, "network net2 key=2 subnets=10.2.0.0/24 "
                  "gateways=10.2.0.1 gateway_port=if2");
    test_rows_run(&rows);
    check_status(&rows, "network net2", "active");
    check_status(&rows, "container b1",
                 "error: interface if2 is the gateway port of network net2");
    test_rows_remove(&rows, "network net2");
    test_rows_run(&rows);
    check_status(&rows, "container b1", "active");

    /* The same, for a network that is accepted late. */
    test_rows_set(&rows, "network net2 key=2 subnets=10.1.0.0/25 "
                  "gateways=10.1.0.1 gateway_port=if2");
    test_rows_run(&rows);
    check_status(&rows, "container b1", "active");
    test_rows_set(&rows, "network net1 key=1 subnets=10.1.0.0/24 bridge=br1");
    test_rows_run(&rows);
    check_status(&rows, "network net2", "active");
    check_status(&rows, "container b1", "active");
    test_rows_destroy(&rows);
}

static bool
has_flow_of_port(struct test_rows *rows, ofp_port_t ofport)
{
    const struct flow_table *flows = compiler_get_flows(rows->compiler,
                                                        "br0");
    const struct flow_entry *entry;

    HMAP_FOR_EACH (entry, hmap_node, &flows->flows) {
        struct match match;

        minimatch_expand(&entry->match, &match);
        if (entry->desired && match.wc.masks.in_port.ofp_port
            && match.flow.in_port.ofp_port == ofport) {
            return true;
        }
    }
    return false;
}

static void
test_ports(void **state OVS_UNUSED)
{
    struct eth_addr mac = ETH_ADDR_C(02,fd,00,00,00,09);
    struct test_rows rows;

    set_up(&rows);
    assert_true(has_flow_of_port(&rows, u16_to_ofp(1)));
    compiler_set_port(rows.compiler, "br0", "if1", u16_to_ofp(21), mac);
    test_rows_run(&rows);
    assert_false(has_flow_of_port(&rows, u16_to_ofp(1)));
    assert_true(has_flow_of_port(&rows, u16_to_ofp(21)));
    compiler_set_port(rows.compiler, "br0", "if1", OFPP_NONE, mac);
    test_rows_run(&rows);
    assert_false(has_flow_of_port(&rows, u16_to_ofp(21)));
    assert_false(has_flow_of_port(&rows, OFPP_NONE));
    compiler_remove_port(rows.compiler, "br0", "if1");
    test_rows_run(&rows);

    /* The container's node matters. */
    assert_true(has_flow_of_port(&rows, u16_to_ofp(2)));
    test_rows_set(&rows, "container b1 service=b interface=if2 node=node2 "
                  "mac=02:00:00:00:00:02 ips=10.1.0.12");
    test_rows_run(&rows);
    assert_false(has_flow_of_port(&rows, u16_to_ofp(2)));
    compiler_set_node(rows.compiler, "node2");
    test_rows_run(&rows);
    assert_true(has_flow_of_port(&rows, u16_to_ofp(2)));

    compiler_remove_bridge(rows.compiler, "br0");
    test_rows_run(&rows);
    assert_null(compiler_get_flows(rows.compiler, "br0"));
    check_status(&rows, "container a1", "active");
    test_rows_destroy(&rows);
}

static void
count_status(const struct uuid *uuid OVS_UNUSED, const char *status OVS_UNUSED,
             void *n_)
{
    unsigned int *n = n_;

    ++*n;
}

static unsigned int
count_new_statuses(struct test_rows *rows)
{
    unsigned int n = 0;

    compiler_for_each_new_status(rows->compiler, count_status, &n);
    return n;
}

static void
test_new_statuses(void **state OVS_UNUSED)
{
    struct test_rows rows;

    set_up(&rows);
    assert_int_equal(count_new_statuses(&rows), 6);
    assert_int_equal(count_new_statuses(&rows), 0);
    test_rows_set(&rows, "container b1 service=b interface=if2 "
                  "mac=02:00:00:00:00:02 ips=10.1.0.11");
    test_rows_run(&rows);
    assert_int_equal(count_new_statuses(&rows), 1);
    test_rows_set(&rows, "container b1 service=b interface=if2 "
                  "mac=02:00:00:00:00:02 ips=10.1.0.12");
    test_rows_run(&rows);
    assert_int_equal(count_new_statuses(&rows), 1);

    /* A status that comes and goes between two looks is no news, but one
     * that is set again may be. */
    test_rows_set(&rows, "container b1 service=b interface=if3 "
                  "mac=02:00:00:00:00:02 ips=10.1.0.12");
    test_rows_run(&rows);
    assert_int_equal(count_new_statuses(&rows), 0);
    test_rows_remove(&rows, "container b1");
    test_rows_run(&rows);
    assert_int_equal(count_new_statuses(&rows), 0);
    test_rows_destroy(&rows);
}

static void
check_description(struct test_rows *rows, const char *row,
                  const char *expected)
{
    char *s = compiler_describe_row(rows->compiler,
                                    test_rows_uuid(rows, row));

    assert_string_equal(s, expected);
    free(s);
}

static void
test_describe(void **state OVS_UNUSED)
{
    struct test_rows rows;
    struct uuid unknown = { .parts = { 9, 9, 9, 9 } };

    set_up(&rows);
    test_rows_set(&rows, "dependency y from=a,cidr:10.0.0.0/8,world to=b "
                  "policies=udp:53,tcp:80");
    test_rows_set(&rows, "dependency z policies=any");
    test_rows_run(&rows);
    check_description(&rows, "network net1", "network net1");
    check_description(&rows, "service a", "service net1/a");
    check_description(&rows, "container a1", "container net1/a/a1");
    check_description(&rows, "dependency y", "dependency "
                      "net1/a,cidr:10.0.0.0/8,world -> net1/b tcp:80 udp:53");
    check_description(&rows, "dependency z",
                      "dependency (nothing) -> (nothing) any");
    assert_null(compiler_describe_row(rows.compiler, &unknown));
    test_rows_destroy(&rows);
}

static size_t
count_desired(const struct test_rows *rows)
{
    const struct flow_table *flows = compiler_get_flows(rows->compiler,
                                                        "br0");
    const struct flow_entry *entry;
    size_t n = 0;

    HMAP_FOR_EACH (entry, hmap_node, &flows->flows) {
        n += entry->desired != NULL;
    }
    return n;
}

static void
add_containers(struct test_rows *rows, int from, int to)
{
    struct eth_addr mac = ETH_ADDR_C(02,fd,00,00,00,00);

    for (int i = from; i < to; i++) {
        char *interface = xasprintf("c%d", i);
        char *line = xasprintf(
            "container c%d service=s%d interface=%s mac=02:00:00:00:%02x:%02x "
            "ips=10.0.%d.%d,fd00::%x", i, i % 10, interface, i / 256, i % 256,
            1 + i / 200, 1 + i % 200, 16 + i);

        compiler_set_port(rows->compiler, "br0", interface,
                          u16_to_ofp(100 + i), mac);
        test_rows_set(rows, line);
        free(line);
        free(interface);
    }
    test_rows_run(rows);
}

static void
add_dependencies(struct test_rows *rows, int from, int to)
{
    for (int i = from; i < to; i++) {
        char *line = xasprintf("dependency d%d from=s%d to=s%d "
                               "policies=tcp:%d", i, i % 10, i / 10 % 10,
                               1000 + i);
        test_rows_set(rows, line);
        free(line);
    }
    test_rows_run(rows);
}

/* Flows grow with containers plus dependencies, never with their product. */
static void
test_size(void **state OVS_UNUSED)
{
    struct test_rows rows;
    size_t n[5];

    test_rows_init(&rows);
    test_rows_set(&rows, "network net key=1 subnets=10.0.0.0/16,fd00::/64 "
                  "gateways=10.0.0.1,fd00::1 dhcp_servers=10.0.0.1,fd00::1");
    for (int i = 0; i < 10; i++) {
        char *line = xasprintf("service s%d identity=%d", i, 256 + i);

        test_rows_set(&rows, line);
        free(line);
    }
    test_rows_run(&rows);
    n[0] = count_desired(&rows);
    add_containers(&rows, 0, 100);
    n[1] = count_desired(&rows);
    add_containers(&rows, 100, 400);
    n[2] = count_desired(&rows);
    print_message("%"PRIuSIZE" flows without containers, %.2f for each of "
                  "100, %.2f for each of 300 more\n", n[0],
                  (n[1] - n[0]) / 100.0, (n[2] - n[1]) / 300.0);
    assert_true(n[1] - n[0] <= 40 * 100);
    assert_int_equal(n[2] - n[1], 3 * (n[1] - n[0]));

    add_dependencies(&rows, 0, 100);
    n[3] = count_desired(&rows);
    add_dependencies(&rows, 100, 400);
    n[4] = count_desired(&rows);
    print_message("%.2f for each of 100 dependencies, %.2f for each of 300 "
                  "more\n", (n[3] - n[2]) / 100.0, (n[4] - n[3]) / 300.0);
    assert_true(n[3] - n[2] <= 8 * 100);
    assert_true(n[4] - n[3] <= 8 * 300);
    assert_true(n[4] - n[3] <= 3 * (n[3] - n[2]));
    test_rows_destroy(&rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_referrers),
        cmocka_unit_test(test_two_networks),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_address_moves),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_interface_on_other_node),
        cmocka_unit_test(test_gateway_port),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_new_statuses),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
