/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "controller/compiler.h"
#include "controller/pipeline.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "svec.h"
#include "tests/test-rows.h"
#include "util.h"
#include "uuid.h"

/* One network with two services, one of them on another node, and a bit of
 * everything. */
static void
set_up(struct test_rows *rows)
{
    static const char *const lines[] = {
        "network net1 key=1 subnets=10.1.0.0/24,fd00:1::/64 "
        "gateways=10.1.0.1 dhcp_servers=10.1.0.1",
        "service web identity=256",
        "service db identity=257 isolate=ingress",
        "container web1 service=web interface=if1 mac=02:00:00:00:00:01 "
        "ips=10.1.0.11,fd00:1::11",
        "container db1 service=db interface=if2 node=node2 "
        "mac=02:00:00:00:00:02 ips=10.1.0.12",
        "dependency web-db from=web to=db policies=tcp:3306",
        "dependency web-outside from=web to=cidr:198.51.100.0/24,host "
        "policies=tcp:80-81,udp:53",
    };
    struct in6_addr host;

    test_rows_init(rows);
    in6_addr_set_mapped_ipv4(&host, inet_addr("192.0.2.1"));
    compiler_set_host_addresses(rows->compiler, &host, 1);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        test_rows_set(rows, lines[i]);
    }
    test_rows_run(rows);
}

static int
compare_entries(const void *a_, const void *b_)
{
    const struct flow_entry *const *a = a_;
    const struct flow_entry *const *b = b_;

    return ((*a)->table_id != (*b)->table_id
            ? (*a)->table_id - (*b)->table_id
            : (*b)->priority - (*a)->priority);
}

/* Appends the flows of 'table' to 's', one a line, by table, priority and
 * text, with the names of tables and rows. */
static void
format_flows(const struct compiler *c, const struct flow_table *table,
             struct ds *s)
{
    size_t n = 0;
    struct flow_entry **entries = xcalloc(hmap_count(&table->flows),
                                          sizeof *entries);
    struct flow_entry *entry;

    HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
        if (entry->desired) {
            entries[n++] = entry;
        }
    }
    qsort(entries, n, sizeof *entries, compare_entries);

    struct svec lines = SVEC_EMPTY_INITIALIZER;
    for (size_t i = 0; i < n; i++) {
        struct ds line = DS_EMPTY_INITIALIZER;
        char *owner = compiler_describe_row(c, flow_entry_owner(entries[i]));

        flow_entry_format(entries[i], &line);
        ds_put_format(&line, "  # %s", owner);
        svec_add_nocopy(&lines, ds_steal_cstr(&line));
        free(owner);
        if (i + 1 == n || compare_entries(&entries[i], &entries[i + 1])) {
            svec_sort(&lines);
            for (size_t j = 0; j < lines.n; j++) {
                ds_put_format(s, "%s\n", lines.names[j]);
            }
            svec_clear(&lines);
        }
        if (i + 1 < n && entries[i]->table_id != entries[i + 1]->table_id) {
            ds_put_format(s, "\n# %s\n",
                          pipeline_table_name(entries[i + 1]->table_id));
        }
    }
    svec_destroy(&lines);
    free(entries);
}

static char *
golden_path(void)
{
    const char *srcdir = getenv("abs_top_srcdir");

    return xasprintf("%s/tests/test-pipeline.flows", srcdir ? srcdir : ".");
}

static void
read_file(const char *path, struct ds *s)
{
    FILE *file = fopen(path, "r");
    int c;

    if (!file) {
        ovs_fatal(errno, "%s", path);
    }
    while ((c = getc(file)) != EOF) {
        ds_put_char(s, c);
    }
    fclose(file);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file || fputs(text, file) < 0 || fclose(file)) {
        ovs_fatal(errno, "%s", path);
    }
}

/* All the flows of a small network, for people to read and for changes not to
 * go unnoticed.  BASTION_UPDATE_GOLDEN=1 writes the file anew. */
static void
test_golden(void **state OVS_UNUSED)
{
    struct ds actual = DS_EMPTY_INITIALIZER;
    struct ds expected = DS_EMPTY_INITIALIZER;
    char *path = golden_path();
    struct test_rows rows;

    set_up(&rows);
    ds_put_cstr(&actual, "# SPDX-License-Identifier: Apache-2.0\n#\n"
                "# The flows of the network in test-pipeline.c.\n\n"
                "# admission\n");
    format_flows(rows.compiler, compiler_get_flows(rows.compiler, "br0"),
                 &actual);
    if (getenv("BASTION_UPDATE_GOLDEN")) {
        write_file(path, ds_cstr(&actual));
    }
    read_file(path, &expected);
    if (strcmp(ds_cstr(&actual), ds_cstr(&expected))) {
        write_file("test-pipeline.actual", ds_cstr(&actual));
        print_error("see diff %s test-pipeline.actual\n", path);
    }
    assert_true(!strcmp(ds_cstr(&actual), ds_cstr(&expected)));
    ds_destroy(&actual);
    ds_destroy(&expected);
    free(path);
    test_rows_destroy(&rows);
}

/* Renders everything that 'c' knows at 'base'. */
static void
render_all(const struct compiler *c, uint8_t base, struct flow_table *table)
{
    struct pipeline pipeline = { .table_base = base };
    const struct netmap *netmap = compiler_get_netmap(c);
    const struct uuid owner = { .parts = { 99, 0, 0, 0 } };
    const struct netmap_network *network;
    const struct netmap_service *service;
    const struct netmap_endpoint *endpoint;
    const struct depmap_rule *rule;

    pipeline_render_static(&pipeline, table, &owner);
    pipeline_render_host(&pipeline, table, &owner, netmap->host_addresses,
                         netmap->n_host_addresses);
    HMAP_FOR_EACH (network, hmap_node, &netmap->networks) {
        pipeline_render_network(&pipeline, table, network);
        pipeline_render_foreign_network(&pipeline, table, network);
    }
    HMAP_FOR_EACH (service, hmap_node, &netmap->services) {
        pipeline_render_service(&pipeline, table, service);
    }
    HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
        pipeline_render_endpoint(&pipeline, table, endpoint);
    }
    HMAP_FOR_EACH (rule, hmap_node, &compiler_get_depmap(c)->rules) {
        pipeline_render_rule(&pipeline, table, rule, rule->uuid.parts[1]);
    }
}

/* Every table that an action names is one of ours. */
static void
check_tables(const struct flow_entry *entry, unsigned int base)
{
    const struct flow_content *content = entry->desired;
    const struct ofpact *a;

    assert_in_range(entry->table_id, base, base + PIPELINE_N_TABLES - 1);
    OFPACT_FOR_EACH_FLATTENED (a, content->ofpacts, content->ofpacts_len) {
        unsigned int table = base;

        if (a->type == OFPACT_GOTO_TABLE) {
            table = ofpact_get_GOTO_TABLE(a)->table_id;
            assert_true(table > entry->table_id);
        } else if (a->type == OFPACT_RESUBMIT) {
            table = ofpact_get_RESUBMIT(a)->table_id;
        } else if (a->type == OFPACT_CT
                   && ofpact_get_CT(a)->recirc_table != NX_CT_RECIRC_NONE) {
            table = ofpact_get_CT(a)->recirc_table;
        }
        assert_in_range(table, base, base + PIPELINE_N_TABLES - 1);
    }
}

static void
test_table_base(void **state OVS_UNUSED)
{
    const unsigned int base = 200;
    struct flow_table zero, high;
    const struct flow_entry *entry;
    struct test_rows rows;

    set_up(&rows);
    flow_table_init(&zero);
    flow_table_init(&high);
    render_all(rows.compiler, 0, &zero);
    render_all(rows.compiler, base, &high);
    assert_int_equal(hmap_count(&zero.flows), hmap_count(&high.flows));
    HMAP_FOR_EACH (entry, hmap_node, &high.flows) {
        struct match match;

        check_tables(entry, base);
        minimatch_expand(&entry->match, &match);
        assert_non_null(flow_table_find(&zero, entry->table_id - base,
                                        entry->priority, &match));
    }
    HMAP_FOR_EACH (entry, hmap_node, &zero.flows) {
        check_tables(entry, 0);
    }
    flow_table_destroy(&zero);
    flow_table_destroy(&high);
    test_rows_destroy(&rows);
}

/* Returns the number of flows of 'row' in 'table', or in all tables if
 * 'table' is negative. */
static size_t
count_flows(const struct test_rows *rows, const char *row, int table)
{
    const struct flow_owner *owner = flow_table_find_owner(
        compiler_get_flows(rows->compiler, "br0"),
        test_rows_uuid(rows, row));
    const struct flow_claim *claim;
    size_t n = 0;

    if (owner) {
        LIST_FOR_EACH (claim, owner_node, &owner->claims) {
            n += table < 0 || claim->entry->table_id == table;
        }
    }
    return n;
}

static void
check_rule(const char *columns, size_t egress, size_t ingress,
           size_t peer_egress, size_t peer_ingress)
{
    struct test_rows rows;
    char *line = xasprintf("dependency x %s", columns);

    set_up(&rows);
    test_rows_set(&rows, "service c identity=300");
    test_rows_set(&rows, line);
    test_rows_run(&rows);
    assert_string_equal(test_rows_status(&rows, "dependency x"), "active");
    assert_int_equal(count_flows(&rows, "dependency x", PIPELINE_EGRESS),
                     egress);
    assert_int_equal(count_flows(&rows, "dependency x", PIPELINE_INGRESS),
                     ingress);
    assert_int_equal(count_flows(&rows, "dependency x",
                                 PIPELINE_PEER_EGRESS), peer_egress);
    assert_int_equal(count_flows(&rows, "dependency x",
                                 PIPELINE_PEER_INGRESS), peer_ingress);
    assert_int_equal(count_flows(&rows, "dependency x", -1),
                     egress + ingress + peer_egress + peer_ingress);
    free(line);
    test_rows_destroy(&rows);
}

/* What a rule costs: n + m + 1 flows where there are several of two or more
 * kinds, else one for each. */
static void
test_rules(void **state OVS_UNUSED)
{
    check_rule("from=web to=db policies=tcp:80", 1, 1, 1, 1);
    check_rule("from=web to=db policies=any", 1, 1, 1, 1);
    check_rule("from=web to=db policies=any,tcp:80", 1, 1, 1, 1);
    check_rule("from=web to=db policies=tcp:80 direction=egress",
               1, 0, 1, 0);
    check_rule("from=web to=db policies=tcp:80 direction=ingress",
               0, 1, 0, 1);
    check_rule("from=web to=db policies=tcp:80,udp:53,icmp:8", 3, 3, 1, 1);
    check_rule("from=web,c to=db policies=tcp:80,udp:53", 5, 5, 2, 2);
    check_rule("from=web,c,db to=web,db policies=tcp:80,udp:53",
               3 + 2 + 2 + 1, 3 + 2 + 2 + 1, 3 + 2 + 1, 3 + 2 + 1);

    /* Neither the host's egress nor anything outside is ever asked. */
    check_rule("from=host to=web policies=tcp:80", 0, 1, 0, 1);
    check_rule("from=web to=world policies=tcp:80", 1, 0, 1, 0);
    check_rule("from=any to=web policies=tcp:80", 1, 1, 1, 1);

    /* A CIDR block counts for ARP (or ND), too, in both directions. */
    check_rule("from=web to=cidr:10.0.0.0/8 policies=tcp:80", 1, 0, 3, 0);
    check_rule("from=cidr:fd00::/8!fd00::/9 to=web policies=tcp:80",
               0, 1, 0, 3);
    check_rule("from=web to=cidr:10.0.0.0/8!10.0.0.0/8 policies=any",
               0, 0, 0, 0);
}

/* Finds the flow of 'row' in table "egress" that matches 'port'. */
static size_t
count_matching_port(const struct test_rows *rows, const char *row,
                    uint16_t port)
{
    const struct flow_owner *owner = flow_table_find_owner(
        compiler_get_flows(rows->compiler, "br0"),
        test_rows_uuid(rows, row));
    const struct flow_claim *claim;
    size_t n = 0;

    LIST_FOR_EACH (claim, owner_node, &owner->claims) {
        struct match match;

        minimatch_expand(&claim->entry->match, &match);
        n += (claim->entry->table_id == PIPELINE_EGRESS
              && match.flow.ct_nw_proto == IPPROTO_TCP
              && match.wc.masks.ct_nw_proto == UINT8_MAX
              && match.flow.ct_tp_dst == (htons(port)
                                          & match.wc.masks.ct_tp_dst));
    }
    return n;
}

static void
test_port_ranges(void **state OVS_UNUSED)
{
    struct test_rows rows;

    check_rule("from=web to=db policies=tcp:1-1023", 10, 10, 1, 1);
    check_rule("from=web to=db policies=tcp:8000-8010", 3, 3, 1, 1);
    check_rule("from=web to=db policies=tcp:1-65535", 16, 16, 1, 1);

    set_up(&rows);
    test_rows_set(&rows, "dependency x from=web to=db "
                  "policies=tcp:8000-8010");
    test_rows_run(&rows);
    for (unsigned int port = 0; port <= UINT16_MAX; port++) {
        assert_int_equal(count_matching_port(&rows, "dependency x", port),
                         port >= 8000 && port <= 8010);
    }
    test_rows_destroy(&rows);
}

/* Each table that can be reached has a lowest flow, and no flow of ours may
 * reach what others flood or learn. */
static void
test_misses(void **state OVS_UNUSED)
{
    const struct flow_table *table;
    const struct flow_entry *entry;
    struct match all = MATCH_CATCHALL_INITIALIZER;
    struct test_rows rows;

    set_up(&rows);
    table = compiler_get_flows(rows.compiler, "br0");
    for (int i = 0; i < PIPELINE_N_TABLES; i++) {
        entry = flow_table_find(table, i, 0, &all);
        assert_non_null(entry);
        assert_int_not_equal(flow_cookie_reason(entry->desired->cookie),
                             DROP_NONE);
        assert_int_equal(entry->desired->ofpacts_len, 0);
    }
    HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
        const struct flow_content *content = entry->desired;
        const struct ofpact *a;

        if (!content) {
            continue;
        }
        assert_true(flow_cookie_is_ours(content->cookie));

        /* What drops does nothing else, and what does nothing says why. */
        assert_int_equal(content->ofpacts_len == 0,
                         flow_cookie_reason(content->cookie) != DROP_NONE);
        OFPACT_FOR_EACH_FLATTENED (a, content->ofpacts,
                                   content->ofpacts_len) {
            assert_int_not_equal(a->type, OFPACT_LEARN);
            assert_int_not_equal(a->type, OFPACT_GROUP);
            if (a->type == OFPACT_OUTPUT) {
                ofp_port_t port = ofpact_get_OUTPUT(a)->port;

                assert_true(ofp_to_u16(port) < ofp_to_u16(OFPP_MAX)
                            || port == OFPP_IN_PORT || port == OFPP_LOCAL);
            } else if (a->type == OFPACT_CONTROLLER) {
                assert_int_equal(ofpact_get_CONTROLLER(a)->controller_id,
                                 PIPELINE_CONTROLLER_ID);
            }
        }
    }
    test_rows_destroy(&rows);
}

/* Neighbor discovery fields leave datapath flows, or leak into them, unless
 * code and hop limit are matched, too. */
static void
test_nd_matches(void **state OVS_UNUSED)
{
    const struct flow_table *table;
    const struct flow_entry *entry;
    struct test_rows rows;
    size_t n = 0;

    set_up(&rows);
    table = compiler_get_flows(rows.compiler, "br0");
    HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
        struct match m;

        minimatch_expand(&entry->match, &m);
        if (m.flow.dl_type == htons(ETH_TYPE_IPV6)
            && (!ipv6_mask_is_any(&m.wc.masks.nd_target)
                || !eth_addr_is_zero(m.wc.masks.arp_sha)
                || !eth_addr_is_zero(m.wc.masks.arp_tha))) {
            assert_int_equal(m.wc.masks.nw_ttl, 255);
            assert_int_equal(m.flow.nw_ttl, 255);
            assert_int_equal(m.wc.masks.tp_dst, OVS_BE16_MAX);
            assert_int_equal(m.flow.tp_dst, 0);
            n++;
        }
    }
    assert_true(n > 10);
    test_rows_destroy(&rows);
}

static void
test_table_names(void **state OVS_UNUSED)
{
    assert_string_equal(pipeline_table_name(PIPELINE_ADMISSION),
                        "admission");
    assert_string_equal(pipeline_table_name(PIPELINE_OUTPUT), "output");
    assert_string_equal(pipeline_table_name(PIPELINE_N_TABLES), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_table_base),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_port_ranges),
        cmocka_unit_test(test_misses),
        cmocka_unit_test(test_nd_matches),
        cmocka_unit_test(test_table_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
