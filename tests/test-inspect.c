/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "controller/compiler.h"
#include "controller/inspect-args.h"
#include "controller/inspect-format.h"
#include "controller/inspect-trace.h"
#include "controller/row-statistics.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "table.h"
#include "tests/test-rows.h"
#include "util.h"

static void
set_up(struct test_rows *rows)
{
    test_rows_init(rows);
    test_rows_set(rows, "network net1 key=1 subnets=10.1.0.0/24,fd00:1::/64 "
                  "gateways=10.1.0.1");
    test_rows_set(rows, "service b identity=257");
    test_rows_set(rows, "service a identity=256");
    test_rows_set(rows, "container b1 service=b interface=if2 "
                  "mac=02:00:00:00:00:02 ips=10.1.0.12");
    test_rows_set(rows, "container a1 service=a interface=if1 "
                  "mac=02:00:00:00:00:01 ips=10.1.0.11,fd00:1::11");
    test_rows_set(rows, "dependency d from=a to=b policies=tcp:80");
    test_rows_run(rows);
}

static void
check_table(struct table *table, enum table_format format,
            const char *expected)
{
    struct table_style style = table_style_default;
    struct ds s = DS_EMPTY_INITIALIZER;

    style.format = format;
    table_format_reset();
    table_format(table, &style, &s);
    assert_string_equal(ds_cstr(&s), expected);
    ds_destroy(&s);
    table_destroy(table);
}

/* Arguments. */

static char *
parse(struct inspect_args *args, size_t min, size_t max, bool is_table,
      const char *text)
{
    static const char *const own[] = { "--one", "--two", NULL };
    const char *argv[16] = { "bastion/test" };
    char *copy = xstrdup(text);
    char *save_ptr = NULL;
    int argc = 1;

    for (char *arg = strtok_r(copy, " ", &save_ptr); arg;
         arg = strtok_r(NULL, " ", &save_ptr)) {
        argv[argc++] = arg;
    }
    char *error = inspect_args_parse(argc, argv, min, max, is_table, own,
                                     args);
    for (size_t i = 0; i < args->n_positional; i++) {
        args->positional[i] = text + (args->positional[i] - copy);
    }
    free(copy);
    return error;
}

static void
test_args(void **state OVS_UNUSED)
{
    static const char *const json[] = {
        "--json x", "x --json", "-f json x", "-fjson x", "x --format=json",
        "x --format json"
    };
    struct inspect_args args;

    for (size_t i = 0; i < ARRAY_SIZE(json); i++) {
        assert_null(parse(&args, 0, 1, false, json[i]));
        assert_int_equal(args.format, TF_JSON);
        assert_int_equal(args.n_positional, 1);
    }

    assert_null(parse(&args, 0, 2, true, "--two -f csv x y"));
    assert_int_equal(args.format, TF_CSV);
    assert_int_equal(args.flags, 2);
    assert_int_equal(args.n_positional, 2);
    assert_string_equal(args.positional[1], "y");

    assert_null(parse(&args, 0, 0, true, ""));
    assert_int_equal(args.format, TF_TABLE);
    assert_int_equal(args.flags, 0);
}

static void
test_bad_args(void **state OVS_UNUSED)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "", "\"bastion/test\" requires at least 1 argument" },
        { "x y", "y: unexpected argument, expected at most 1" },
        { "x --three", "--three: unknown option" },
        { "x -", "-: unknown option" },
        { "x -f", "-f: missing argument" },
        { "x --format", "--format: missing argument" },
        { "x --format=", ": unknown format, expected json" },
        { "x -f csv", "csv: unknown format, expected json" },
        { "x --json=1", "--json=1: unknown option" },
    };
    struct inspect_args args;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *error = parse(&args, 1, 1, false, cases[i].text);
        assert_non_null(error);
        assert_string_equal(error, cases[i].error);
        free(error);
    }
}

/* Maps. */

static void
test_maps(void **state OVS_UNUSED)
{
    struct test_rows rows;
    struct table table;

    set_up(&rows);
    table_init(&table);
    inspect_format_netmap(compiler_get_netmap(rows.compiler), &table);
    check_table(&table, TF_CSV,
                "Container,Network,Service,Interface,IP address,MAC address\n"
                "a1,net1,a,if1,\"10.1.0.11,fd00:1::11\",02:00:00:00:00:01\n"
                "b1,net1,b,if2,10.1.0.12,02:00:00:00:00:02\n");

    test_rows_set(&rows, "dependency d2 from=b to=a policies=any,udp:53");
    test_rows_run(&rows);
    table_init(&table);
    inspect_format_depmap(compiler_get_netmap(rows.compiler),
                          compiler_get_depmap(rows.compiler), &table);
    check_table(&table, TF_TABLE,
                "Source Destination Policy\n"
                "------ ----------- ----------\n"
                "net1/a net1/b      tcp:80\n"
                "net1/b net1/a      any udp:53\n");
    test_rows_destroy(&rows);
}

static void
test_empty_maps(void **state OVS_UNUSED)
{
    struct test_rows rows;
    struct table table;

    test_rows_init(&rows);
    test_rows_run(&rows);
    table_init(&table);
    inspect_format_netmap(compiler_get_netmap(rows.compiler), &table);
    check_table(&table, TF_JSON,
                "{\"data\":[],\"headings\":[\"Container\",\"Network\","
                "\"Service\",\"Interface\",\"IP address\","
                "\"MAC address\"]}\n");
    test_rows_destroy(&rows);
}

static void
test_identities(void **state OVS_UNUSED)
{
    static const struct {
        unsigned int identity;
        const char *name;
    } cases[] = {
        { IDENTITY_HOST, "host" }, { IDENTITY_WORLD, "world" },
        { IDENTITY_NONE, "unknown" }, { 256, "net1/a" }, { 999, "999" },
    };
    struct test_rows rows;

    set_up(&rows);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        inspect_format_identity(compiler_get_netmap(rows.compiler),
                                cases[i].identity, &s);
        assert_string_equal(ds_cstr(&s), cases[i].name);
        ds_destroy(&s);
    }
    test_rows_destroy(&rows);
}

/* Flows. */

static void
test_find_rows(void **state OVS_UNUSED)
{
    static const struct {
        const char *name;
        size_t n;
    } cases[] = {
        { "if1", 1 }, { "a1", 1 }, { "net1/a/a1", 1 }, { "net1/a", 1 },
        { "net1", 1 }, { "net1/b/a1", 0 }, { "net", 0 }, { "net1/", 0 },
        { "", 0 }, { "a", 0 },
        { "00000000-0000-0000-0000-00000000000f", 0 },
    };
    struct test_rows rows;

    set_up(&rows);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct uuid *uuids;
        assert_int_equal(inspect_find_rows(rows.compiler, cases[i].name,
                                           &uuids), cases[i].n);
        free(uuids);
    }
    test_rows_destroy(&rows);
}

static void
test_find_port_rows(void **state OVS_UNUSED)
{
    static const struct {
        const char *name;
        size_t n;
    } cases[] = {
        { "if1", 1 }, { "br0", 1 }, { "if3", 0 }, { "a1", 0 }, { "", 0 },
    };
    struct test_rows rows;

    set_up(&rows);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct uuid *uuids;
        assert_int_equal(inspect_find_port_rows(rows.compiler, cases[i].name,
                                                &uuids), cases[i].n);
        free(uuids);
    }
    test_rows_destroy(&rows);
}

static void
test_flows(void **state OVS_UNUSED)
{
    struct test_rows rows;

    set_up(&rows);

    const struct flow_table *table = compiler_get_flows(rows.compiler, "br0");
    assert_non_null(table);

    /* All, in the order in which packets meet them. */
    size_t n;
    const struct flow_entry **entries = inspect_sort_flows(table, NULL, 0, &n);
    assert_int_equal(n, hmap_count(&table->flows));
    for (size_t i = 1; i < n; i++) {
        assert_true(entries[i - 1]->table_id < entries[i]->table_id
                    || (entries[i - 1]->table_id == entries[i]->table_id
                        && entries[i - 1]->priority >= entries[i]->priority));
    }
    free(entries);

    /* One row's. */
    struct uuid *uuids;
    assert_int_equal(inspect_find_rows(rows.compiler, "if1", &uuids), 1);
    entries = inspect_sort_flows(table, uuids, 1, &n);
    assert_true(n > 0 && n < hmap_count(&table->flows));

    struct ds s = DS_EMPTY_INITIALIZER;
    inspect_format_flows(rows.compiler, entries, n, &s);
    size_t n_named = 0;
    for (const char *p = ds_cstr(&s);
         (p = strstr(p, "  # container net1/a/a1")); p++) {
        n_named++;
    }
    assert_int_equal(n_named, n);
    ds_destroy(&s);

    struct json *json = inspect_flows_to_json(rows.compiler, entries, n);
    assert_int_equal(json->type, JSON_ARRAY);
    assert_int_equal(json_array(json)->n, n);
    json_destroy(json);

    free(entries);
    free(uuids);
    test_rows_destroy(&rows);
}

/* Statistics. */

static void
test_statistics(void **state OVS_UNUSED)
{
    struct row_statistics stats;
    char *keys[ROW_STATISTICS_MAX_KEYS];
    int64_t values[ROW_STATISTICS_MAX_KEYS];
    struct table table;

    memset(&stats, 0, sizeof stats);
    assert_int_equal(row_statistics_get(&stats, keys, values), 0);

    stats.packets = 3;
    stats.bytes = 180;
    stats.dropped[DROP_IP_SPOOF] = 2;
    stats.dropped_bytes[DROP_IP_SPOOF] = 120;
    stats.audited[DROP_EGRESS_POLICY] = 1;
    stats.audited_bytes[DROP_EGRESS_POLICY] = 60;

    size_t n = row_statistics_get(&stats, keys, values);
    assert_int_equal(n, 4);
    assert_string_equal(keys[0], "packets");
    assert_string_equal(keys[1], "bytes");
    assert_string_equal(keys[2], "ip-spoof");
    assert_string_equal(keys[3], "audit-egress-policy");
    assert_int_equal(values[2], 2);
    assert_int_equal(values[3], 1);
    for (size_t i = 0; i < n; i++) {
        free(keys[i]);
    }

    table_init(&table);
    inspect_format_drops(&stats, &table);
    check_table(&table, TF_CSV,
                "Reason,Name,Action,Packets,Bytes,Explanation\n"
                "9,ip-spoof,drop,2,120,the IPv4 source is not the container "
                "on this port\n"
                "25,egress-policy,audit,1,60,no dependency lets the source "
                "open this to the destination\n");
}

static void
test_statistics_of_flows(void **state OVS_UNUSED)
{
    struct row_statistics stats;
    struct test_rows rows;
    struct uuid *uuids;

    set_up(&rows);

    struct flow_table *table = compiler_get_flows(rows.compiler, "br0");
    assert_int_equal(inspect_find_rows(rows.compiler, "if1", &uuids), 1);
    memset(&stats, 0, sizeof stats);
    row_statistics_add_owner(&stats, table, uuids);
    assert_int_equal(stats.dropped[DROP_IP_SPOOF], 0);

    /* Two packets for each flow. */
    struct flow_entry *entry;
    HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
        flow_table_update_stats(table, entry, 2, 200);
    }
    row_statistics_add_owner(&stats, table, uuids);
    assert_true(stats.packets > 0);
    assert_int_equal(stats.bytes, stats.packets * 100);
    assert_int_equal(stats.dropped[DROP_IP_SPOOF], 2);
    assert_int_equal(stats.dropped_bytes[DROP_IP_SPOOF], 200);

    struct row_statistics total;
    memset(&total, 0, sizeof total);
    row_statistics_add_table(&total, table);
    assert_int_equal(total.dropped[DROP_IP_SPOOF],
                     table->drop_packets[DROP_IP_SPOOF]);
    assert_true(total.dropped[DROP_IP_SPOOF] >= 4);

    /* Who owns nothing has counted nothing. */
    struct uuid nobody = { { 1, 2, 3, 4 } };
    memset(&stats, 0, sizeof stats);
    row_statistics_add_owner(&stats, table, &nobody);
    assert_int_equal(stats.packets, 0);

    free(uuids);
    test_rows_destroy(&rows);
}

/* Traces. */

static void
test_set_original(void **state OVS_UNUSED)
{
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    flow.dl_type = htons(ETH_TYPE_IP);
    flow.nw_proto = IPPROTO_TCP;
    flow.nw_src = htonl(0x0a000002);
    flow.nw_dst = htonl(0x0a000001);
    flow.tp_src = htons(80);
    flow.tp_dst = htons(1234);

    struct flow reply = flow;
    inspect_trace_set_original(&reply, SIM_CT_REPLY);
    assert_int_equal(reply.ct_nw_proto, IPPROTO_TCP);
    assert_int_equal(ntohl(reply.ct_nw_src), 0x0a000001);
    assert_int_equal(ntohs(reply.ct_tp_src), 1234);
    assert_int_equal(ntohs(reply.ct_tp_dst), 80);

    struct flow new = flow;
    inspect_trace_set_original(&new, SIM_CT_NEW);
    assert_int_equal(ntohl(new.ct_nw_src), 0x0a000002);
    assert_int_equal(ntohs(new.ct_tp_dst), 1234);

    /* What the user said stays. */
    inspect_trace_set_original(&new, SIM_CT_REPLY);
    assert_int_equal(ntohl(new.ct_nw_src), 0x0a000002);

    /* An echo reply belongs to an echo request. */
    memset(&flow, 0, sizeof flow);
    flow.dl_type = htons(ETH_TYPE_IPV6);
    flow.nw_proto = IPPROTO_ICMPV6;
    flow.tp_src = htons(129);
    inspect_trace_set_original(&flow, SIM_CT_REPLY);
    assert_int_equal(ntohs(flow.ct_tp_src), 128);

    /* ARP has no connections. */
    memset(&flow, 0, sizeof flow);
    flow.dl_type = htons(ETH_TYPE_ARP);
    flow.nw_proto = ARP_OP_REQUEST;
    inspect_trace_set_original(&flow, SIM_CT_NEW);
    assert_int_equal(flow.ct_nw_proto, 0);
}

static void
check_trace(const char *output, bool delivered, unsigned int port,
            enum drop_reason reason, bool audited)
{
    struct trace_result result;

    inspect_trace_parse(output, u16_to_ofp(7), &result);
    assert_int_equal(result.delivered, delivered);
    if (delivered) {
        assert_int_equal(ofp_to_u16(result.port), port);
    }
    assert_int_equal(result.reason, reason);
    assert_int_equal(result.audited, audited);
}

static void
test_trace_parse(void **state OVS_UNUSED)
{
    check_trace(" 0. ip, priority 1, cookie 0xba57000000000000\n"
                "    ct(table=7)\n"
                "Datapath actions: ct,recirc(0x1)\n"
                "16. priority 10, cookie 0xba57000000000000\n"
                "    output:NXM_NX_REG3[]\n"
                "     -> output port is 2\n"
                "Datapath actions: 2\n",
                true, 2, DROP_NONE, false);
    check_trace("Datapath actions: ct,recirc(0x1)\n"
                "14. priority 10, cookie 0xba57123456780019\n"
                "    drop\n"
                "Datapath actions: drop\n",
                false, 0, DROP_EGRESS_POLICY, false);
    check_trace("14. priority 10, cookie 0xba57123456780119\n"
                "    output:3\n"
                "Datapath actions: 3\n",
                true, 3, DROP_EGRESS_POLICY, true);
    check_trace("    IN_PORT\nDatapath actions: 1\n",
                true, 7, DROP_NONE, false);
    check_trace("    LOCAL\nDatapath actions: 1\n",
                true, ofp_to_u16(OFPP_LOCAL), DROP_NONE, false);

    /* Other people's cookies mean nothing. */
    check_trace(" 0. ip, priority 1, cookie 0x1234000000000019\n"
                "Datapath actions: drop\n",
                false, 0, DROP_NONE, false);
    check_trace("", false, 0, DROP_NONE, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args),
        cmocka_unit_test(test_bad_args),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_empty_maps),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_find_rows),
        cmocka_unit_test(test_find_port_rows),
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_statistics_of_flows),
        cmocka_unit_test(test_set_original),
        cmocka_unit_test(test_trace_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
