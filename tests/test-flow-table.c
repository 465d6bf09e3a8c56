/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "controller/flow-table.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "util.h"
#include "uuid.h"

/* Owners, in order. */
static const struct uuid A = { .parts = { 0xa, 0, 0, 1 } };
static const struct uuid B = { .parts = { 0xb, 0, 0, 1 } };

/* Claims the flow that 'text' describes as ovs-ofctl would. */
static void
claim_reason(struct flow_table *table, const struct uuid *owner,
             const char *text, enum drop_reason reason, bool audited)
{
    enum ofputil_protocol usable_protocols;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_flow_mod_str(&fm, text, NULL, NULL, OFPFC_ADD,
                                         &usable_protocols);
    assert_null(error);

    struct flow_spec spec = {
        .table_id = fm.table_id,
        .priority = fm.priority,
        .reason = reason,
        .audited = audited,
    };
    minimatch_expand(&fm.match, &spec.match);
    ofpbuf_use_const(&spec.ofpacts, fm.ofpacts, fm.ofpacts_len);
    flow_table_claim(table, owner, &spec);
    minimatch_destroy(&fm.match);
    free(CONST_CAST(struct ofpact *, fm.ofpacts));
}

static void
claim(struct flow_table *table, const struct uuid *owner, const char *text)
{
    claim_reason(table, owner, text, DROP_NONE, false);
}

static struct flow_entry *
only_entry(const struct flow_table *table)
{
    struct flow_entry *entry;

    assert_int_equal(hmap_count(&table->flows), 1);
    HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
        break;
    }
    return entry;
}

static void
check_only_flow(const struct flow_table *table, const char *expected)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    flow_entry_format(only_entry(table), &s);
    assert_string_equal(ds_cstr(&s), expected);
    ds_destroy(&s);
}

static unsigned int
count_changes(struct flow_table *table)
{
    const struct flow_entry *entry;
    unsigned int n = 0;

    if (flow_table_has_changes(table)) {
        FLOW_TABLE_FOR_EACH_CHANGED (entry, table) {
            n++;
        }
    }
    return n;
}

static void
test_cookie(void **state OVS_UNUSED)
{
    ovs_be64 drop = htonll(flow_cookie(&A, DROP_SELF, false));
    ovs_be64 audit = htonll(flow_cookie(&A, DROP_EGRESS_POLICY, true));
    ovs_be64 foreign = htonll(UINT64_C(0x1234000000000117));

    assert_true(ntohll(drop) == UINT64_C(0xba570000000a0017));
    assert_true(ntohll(audit) == UINT64_C(0xba570000000a0119));
    assert_int_equal(flow_cookie_reason(drop), DROP_SELF);
    assert_int_equal(flow_cookie_reason(audit), DROP_EGRESS_POLICY);
    assert_false(flow_cookie_is_audited(drop));
    assert_true(flow_cookie_is_audited(audit));
    assert_true(flow_cookie_is_ours(drop));
    assert_false(flow_cookie_is_ours(foreign));
    assert_int_equal(flow_cookie_reason(foreign), DROP_NONE);
    assert_false(flow_cookie_is_audited(foreign));
    assert_int_equal(flow_cookie_reason(htonll(UINT64_C(0xba570000000000fe))),
                     DROP_NONE);
}

static void
test_claim_and_release(void **state OVS_UNUSED)
{
    struct flow_table table;

    flow_table_init(&table);
    assert_false(flow_table_has_changes(&table));
    claim(&table, &A, "table=3,priority=7,tcp,tp_dst=80,actions=goto_table:4");
    assert_int_equal(count_changes(&table), 1);
    check_only_flow(&table, "table=3, cookie=0xba570000000a0000, priority=7,"
                    "tcp,tp_dst=80 actions=goto_table:4");
    assert_true(uuid_equals(flow_entry_owner(only_entry(&table)), &A));
    assert_non_null(flow_table_find_owner(&table, &A));
    assert_null(flow_table_find_owner(&table, &B));

    /* What was never handed over leaves no trace. */
    flow_table_release(&table, &A);
    assert_false(flow_table_has_changes(&table));
    assert_int_equal(hmap_count(&table.flows), 0);
    assert_null(flow_table_find_owner(&table, &A));

    /* What was has to be deleted. */
    claim(&table, &A, "table=3,priority=7,ip,actions=drop");
    flow_table_commit(&table);
    assert_false(flow_table_has_changes(&table));
    flow_table_release(&table, &A);
    assert_int_equal(count_changes(&table), 1);
    assert_null(only_entry(&table)->desired);
    assert_non_null(only_entry(&table)->committed);
    assert_null(flow_entry_owner(only_entry(&table)));
    flow_table_commit(&table);
    assert_int_equal(hmap_count(&table.flows), 0);
    flow_table_release(&table, &A);
    flow_table_destroy(&table);
}

/* The least owner determines the flow, in whatever order they come. */
static void
test_two_owners(void **state OVS_UNUSED)
{
    for (int order = 0; order <= 1; order++) {
        struct flow_table table;

        flow_table_init(&table);
        for (int i = 0; i <= 1; i++) {
            if (i == order) {
                claim(&table, &A, "table=1,ip,actions=goto_table:2");
            } else {
                claim(&table, &B, "table=1,ip,actions=goto_table:3");
            }
        }
        flow_table_commit(&table);
        check_only_flow(&table, "table=1, cookie=0xba570000000a0000, ip "
                        "actions=goto_table:2");

        /* The other one takes over, and only that is a change. */
        flow_table_release(&table, order ? &B : &A);
        assert_int_equal(count_changes(&table), order ? 0 : 1);
        check_only_flow(&table, order
                        ? "table=1, cookie=0xba570000000a0000, ip "
                          "actions=goto_table:2"
                        : "table=1, cookie=0xba570000000b0000, ip "
                          "actions=goto_table:3");
        flow_table_destroy(&table);
    }
}

static void
test_conjunctions(void **state OVS_UNUSED)
{
    struct flow_table table;

    flow_table_init(&table);
    claim(&table, &B, "table=1,ip,actions=conjunction(9,1/2)");
    claim(&table, &A, "table=1,ip,actions=conjunction(30,2/3)");
    claim(&table, &A, "table=1,ip,actions=conjunction(30,1/3)");
    claim(&table, &A, "table=1,ip,actions=conjunction(30,2/3)");
    check_only_flow(&table, "table=1, cookie=0xba570000000a0000, ip "
                    "actions=conjunction(9,1/2),conjunction(30,1/3),"
                    "conjunction(30,2/3)");
    flow_table_commit(&table);

    flow_table_release(&table, &A);
    assert_int_equal(count_changes(&table), 1);
    check_only_flow(&table, "table=1, cookie=0xba570000000b0000, ip "
                    "actions=conjunction(9,1/2)");
    flow_table_release(&table, &B);
    assert_null(only_entry(&table)->desired);
    flow_table_destroy(&table);
}

/* Flows that end up as they were are not changes. */
static void
test_back_to_committed(void **state OVS_UNUSED)
{
    struct flow_table table;

    flow_table_init(&table);
    claim(&table, &A, "table=1,ip,actions=set_field:1->reg0,goto_table:2");
    claim(&table, &A, "table=1,arp,actions=goto_table:2");
    flow_table_commit(&table);

    flow_table_release(&table, &A);
    claim(&table, &A, "table=1,arp,actions=goto_table:2");
    claim(&table, &A, "table=1,ip,actions=set_field:1->reg0,goto_table:2");
    assert_false(flow_table_has_changes(&table));

    flow_table_release(&table, &A);
    claim(&table, &A, "table=1,arp,actions=goto_table:2");
    claim(&table, &A, "table=1,ip,actions=set_field:2->reg0,goto_table:2");
    assert_int_equal(count_changes(&table), 1);

    /* A flow's cookie is part of it. */
    flow_table_commit(&table);
    flow_table_release(&table, &A);
    claim(&table, &A, "table=1,arp,actions=goto_table:2");
    claim(&table, &B, "table=1,ip,actions=set_field:2->reg0,goto_table:2");
    assert_int_equal(count_changes(&table), 1);
    flow_table_destroy(&table);
}

static void
test_find(void **state OVS_UNUSED)
{
    struct flow_table table;
    struct match match;

    flow_table_init(&table);
    claim(&table, &A, "table=1,priority=5,ip,actions=drop");
    match_init_catchall(&match);
    match_set_default_packet_type(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_IP));
    assert_non_null(flow_table_find(&table, 1, 5, &match));
    assert_null(flow_table_find(&table, 2, 5, &match));
    assert_null(flow_table_find(&table, 1, 6, &match));
    match_set_nw_proto(&match, 6);
    assert_null(flow_table_find(&table, 1, 5, &match));
    flow_table_destroy(&table);
}

static void
test_stats(void **state OVS_UNUSED)
{
    struct flow_table table;

    flow_table_init(&table);
    claim_reason(&table, &A, "table=1,ip,actions=drop", DROP_SELF, false);
    flow_table_commit(&table);

    struct flow_entry *entry = only_entry(&table);
    flow_table_update_stats(&table, entry, 10, 1000);
    flow_table_update_stats(&table, entry, 12, 1200);
    assert_int_equal(entry->n_packets, 12);
    assert_int_equal(table.drop_packets[DROP_SELF], 12);
    assert_int_equal(table.drop_bytes[DROP_SELF], 1200);

    /* It was installed again: counters start over, totals do not. */
    flow_table_update_stats(&table, entry, 3, 300);
    assert_int_equal(entry->n_packets, 15);
    assert_int_equal(entry->n_bytes, 1500);
    assert_int_equal(table.drop_packets[DROP_SELF], 15);

    /* A flow goes, its total stays. */
    flow_table_release(&table, &A);
    flow_table_commit(&table);
    assert_int_equal(table.drop_packets[DROP_SELF], 15);

    claim_reason(&table, &A, "table=1,ip,actions=goto_table:2",
                 DROP_EGRESS_POLICY, true);
    flow_table_commit(&table);
    flow_table_update_stats(&table, only_entry(&table), 4, 400);
    assert_int_equal(table.audit_packets[DROP_EGRESS_POLICY], 4);
    assert_int_equal(table.drop_packets[DROP_EGRESS_POLICY], 0);
    flow_table_destroy(&table);
}

static void
test_diff(void **state OVS_UNUSED)
{
    struct flow_table a, b;
    struct ds diff = DS_EMPTY_INITIALIZER;

    flow_table_init(&a);
    flow_table_init(&b);
    claim(&a, &A, "table=1,ip,actions=goto_table:2");
    claim(&b, &A, "table=1,ip,actions=goto_table:2");
    flow_table_commit(&a);
    assert_int_equal(flow_table_diff(&a, &b, &diff), 0);
    assert_string_equal(ds_cstr(&diff), "");

    claim(&a, &A, "table=1,arp,actions=goto_table:2");
    assert_int_equal(flow_table_diff(&a, &b, &diff), 1);
    assert_string_equal(ds_cstr(&diff), "- table=1, "
                        "cookie=0xba570000000a0000, arp "
                        "actions=goto_table:2\n");
    ds_clear(&diff);
    claim(&b, &A, "table=1,arp,actions=goto_table:3");
    assert_int_equal(flow_table_diff(&a, &b, &diff), 2);
    ds_clear(&diff);

    /* What has yet to be deleted is not desired. */
    flow_table_commit(&b);
    flow_table_release(&b, &A);
    assert_int_equal(flow_table_diff(&a, &b, &diff), 2);
    flow_table_release(&a, &A);
    ds_clear(&diff);
    assert_int_equal(flow_table_diff(&a, &b, &diff), 0);
    ds_destroy(&diff);
    flow_table_destroy(&a);
    flow_table_destroy(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookie),
        cmocka_unit_test(test_claim_and_release),
        cmocka_unit_test(test_two_owners),
        cmocka_unit_test(test_conjunctions),
        cmocka_unit_test(test_back_to_committed),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_diff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
