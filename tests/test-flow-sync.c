/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "byte-order.h"
#include "controller/flow-sync.h"
#include "nx-match.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofpbuf.h"
#include "svec.h"
#include "util.h"

#define COOKIE(OWNER, REASON) \
    (FLOW_COOKIE_PREFIX | (uint64_t) (OWNER) << 16 | (REASON))

static void
parse_flow(struct ofputil_flow_mod *fm, const char *s)
{
    enum ofputil_protocol protocols;

    assert_null(parse_ofp_flow_mod_str(fm, s, NULL, NULL, OFPFC_ADD,
                                       &protocols));
}

static void
free_flow(struct ofputil_flow_mod *fm)
{
    minimatch_destroy(&fm->match);
    free(fm->ofpacts);
}

/* Makes 'owner' claim flow 's'. */
static void
claim(struct flow_table *table, uint32_t owner, enum drop_reason reason,
      const char *s)
{
    struct uuid uuid = { .parts = { owner, 0, 0, 0 } };
    struct flow_spec spec;
    struct ofputil_flow_mod fm;

    parse_flow(&fm, s);
    spec.table_id = fm.table_id;
    spec.priority = fm.priority;
    spec.reason = reason;
    spec.audited = false;
    minimatch_expand(&fm.match, &spec.match);
    ofpbuf_use_const(&spec.ofpacts, fm.ofpacts, fm.ofpacts_len);
    flow_table_claim(table, &uuid, &spec);
    free_flow(&fm);
}

static void
release(struct flow_table *table, uint32_t owner)
{
    struct uuid uuid = { .parts = { owner, 0, 0, 0 } };

    flow_table_release(table, &uuid);
}

/* Adds flow 's' to 'dump' as a switch would report it. */
static void
dump_flow(struct flow_dump *dump, struct flow_table *table, uint64_t cookie,
          uint64_t n_packets, const char *s)
{
    struct ofputil_flow_mod fm;
    struct ofpbuf wire, ofpacts;

    parse_flow(&fm, s);
    ofpbuf_init(&wire, 64);
    ofpbuf_init(&ofpacts, 0);
    ofpacts_put_openflow_instructions(fm.ofpacts, fm.ofpacts_len, &wire,
                                      OFP15_VERSION);
    assert_int_equal(ofpacts_pull_openflow_instructions(
        &wire, wire.size, OFP15_VERSION, NULL, NULL, &ofpacts), 0);

    struct ofputil_flow_stats fs = {
        .cookie = htonll(cookie),
        .table_id = fm.table_id,
        .priority = fm.priority,
        .idle_timeout = fm.idle_timeout,
        .packet_count = n_packets,
        .byte_count = n_packets * 100,
        .ofpacts = ofpacts.data,
        .ofpacts_len = ofpacts.size,
        .flags = flow_cookie_flags(htonll(cookie)),
    };
    minimatch_expand(&fm.match, &fs.match);
    ofpbuf_clear(&wire);
    oxm_put_match(&wire, &fs.match, OFP15_VERSION);
    assert_int_equal(oxm_pull_match(&wire, false, NULL, NULL, &fs.match), 0);
    assert_true(flow_dump_add(dump, table, &fs));
    ofpbuf_uninit(&wire);
    ofpbuf_uninit(&ofpacts);
    free_flow(&fm);
}

static void
split_lines(struct svec *lines, const char *s)
{
    while (*s) {
        size_t len = strcspn(s, "\n");

        svec_add_nocopy(lines, xmemdup0(s, len));
        s += len + (s[len] == '\n');
    }
}

/* Checks that 's' has the lines of 'expected', in any order. */
static void
check_lines(struct ds *s, const char *expected)
{
    struct svec a = SVEC_EMPTY_INITIALIZER, b = SVEC_EMPTY_INITIALIZER;

    split_lines(&a, ds_cstr(s));
    split_lines(&b, expected);
    svec_sort(&a);
    svec_sort(&b);

    char *a_joined = svec_join(&a, "\n", "");
    char *b_joined = svec_join(&b, "\n", "");
    assert_string_equal(a_joined, b_joined);
    free(a_joined);
    free(b_joined);
    svec_destroy(&a);
    svec_destroy(&b);
}

static void
check_ops(struct flow_ops *ops, const char *expected)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ops->n; i++) {
        flow_op_format(&ops->ops[i], &s);
        ds_put_char(&s, '\n');
    }
    check_lines(&s, expected);

    /* Deletions go first. */
    for (size_t i = 1; i < ops->n; i++) {
        assert_true(ops->ops[i].type != FLOW_OP_DELETE
                    || ops->ops[i - 1].type == FLOW_OP_DELETE);
    }
    flow_ops_destroy(ops);
    ds_destroy(&s);
}

static void
test_changes(void **state OVS_UNUSED)
{
    struct flow_ops ops = FLOW_OPS_INITIALIZER;
    struct flow_table table;

    flow_table_init(&table);
    claim(&table, 1, DROP_NONE, "table=1,priority=1,ip,actions=output:1");
    claim(&table, 2, DROP_NONE, "table=1,priority=2,ip,actions=output:1");
    flow_ops_from_changes(&ops, &table);
    check_ops(&ops,
              "add table=1, cookie=0xba57000000010000, priority=1,ip "
              "actions=output:1\n"
              "add table=1, cookie=0xba57000000020000, priority=2,ip "
              "actions=output:1\n");
    flow_table_commit(&table);

    release(&table, 1);
    claim(&table, 1, DROP_NONE, "table=1,priority=1,ip,actions=output:2");
    claim(&table, 3, DROP_NONE, "table=1,priority=3,ip,actions=output:1");
    release(&table, 2);
    flow_ops_from_changes(&ops, &table);
    check_ops(&ops,
              "delete table=1, cookie=0xba57000000020000, priority=2,ip "
              "actions=drop\n"
              "modify table=1, cookie=0xba57000000010000, priority=1,ip "
              "actions=output:2\n"
              "add table=1, cookie=0xba57000000030000, priority=3,ip "
              "actions=output:1\n");
    flow_table_destroy(&table);
}

static void
test_encode(void **state OVS_UNUSED)
{
    struct flow_ops ops = FLOW_OPS_INITIALIZER;
    struct flow_table table;

    flow_table_init(&table);
    claim(&table, 1, DROP_SELF, "table=1,priority=1,ip,actions=drop");
    flow_ops_from_changes(&ops, &table);
    flow_table_commit(&table);
    release(&table, 1);
    flow_ops_from_changes(&ops, &table);
    assert_int_equal(ops.n, 2);

    for (size_t i = 0; i < 2; i++) {
        struct ofpbuf *msg = flow_op_encode(&ops.ops[i], OFPUTIL_P_OF15_OXM,
                                            htonl(0x1234));
        const struct ofp_header *oh = msg->data;
        struct ofpbuf ofpacts;
        struct ofputil_flow_mod fm;

        ofpbuf_init(&ofpacts, 0);
        assert_int_equal(ntohl(oh->xid), 0x1234);
        assert_int_equal(ofputil_decode_flow_mod(
            &fm, oh, OFPUTIL_P_OF15_OXM, NULL, NULL, &ofpacts,
            OFPP_MAX, 255), 0);
        assert_int_equal(fm.command, i ? OFPFC_DELETE_STRICT : OFPFC_ADD);
        assert_int_equal(fm.table_id, 1);
        assert_int_equal(fm.priority, 1);
        assert_int_equal(fm.flags, i ? 0 : OFPUTIL_FF_SEND_FLOW_REM);
        if (!i) {
            assert_true(ntohll(fm.new_cookie) == COOKIE(1, DROP_SELF));
        }
        minimatch_destroy(&fm.match);
        ofpbuf_uninit(&ofpacts);
        ofpbuf_delete(msg);
    }
    flow_ops_destroy(&ops);
    flow_table_destroy(&table);
}

/* Compares and checks the numbers of differences. */
static void
check_compare(struct flow_dump *dump, struct flow_table *table, bool exclusive,
              bool trust, size_t foreign, size_t missing, size_t modified,
              const char *expected_text, const char *expected_ops)
{
    struct flow_ops ops = FLOW_OPS_INITIALIZER;
    struct ds text = DS_EMPTY_INITIALIZER;
    struct flow_differences diff;

    flow_dump_compare(dump, table, exclusive, trust, &ops, &diff, &text);
    assert_int_equal(diff.foreign, foreign);
    assert_int_equal(diff.missing, missing);
    assert_int_equal(diff.modified, modified);
    check_lines(&text, expected_text);
    check_ops(&ops, expected_ops);
    ds_destroy(&text);
    flow_dump_destroy(dump);
    flow_dump_init(dump, OFP15_VERSION);
}

#define FLOW1 "table=1,priority=1,ip,actions=output:1"
#define FLOW2 "table=1,priority=2,ip,actions=set_field:7->reg0,goto_table:2"

static void
test_compare(void **state OVS_UNUSED)
{
    struct flow_table table;
    struct flow_dump dump;

    flow_table_init(&table);
    flow_dump_init(&dump, OFP15_VERSION);
    claim(&table, 1, DROP_NONE, FLOW1);
    claim(&table, 2, DROP_NONE, FLOW2);

    /* The first dump of a connection. */
    dump_flow(&dump, &table, COOKIE(2, 0), 0, FLOW2);
    check_compare(&dump, &table, true, false, 0, 1, 0,
                  "- table=1, cookie=0xba57000000010000, priority=1,ip "
                  "actions=output:1\n",
                  "add table=1, cookie=0xba57000000010000, priority=1,ip "
                  "actions=output:1\n");
    flow_table_commit(&table);

    /* All is well, and none is. */
    dump_flow(&dump, &table, COOKIE(1, 0), 0, FLOW1);
    dump_flow(&dump, &table, COOKIE(2, 0), 0, FLOW2);
    check_compare(&dump, &table, true, true, 0, 0, 0, "", "");

    dump_flow(&dump, &table, 5, 0, "table=1,priority=3,ip,actions=drop");
    dump_flow(&dump, &table, COOKIE(1, 0), 0,
              "table=1,priority=1,ip,idle_timeout=9,actions=output:1");
    check_compare(&dump, &table, true, true, 1, 1, 1,
                  "- table=1, cookie=0xba57000000020000, priority=2,ip "
                  "actions=set_field:0x7->reg0,goto_table:2\n"
                  "- table=1, cookie=0xba57000000010000, priority=1,ip "
                  "actions=output:1\n"
                  "+ table=1, cookie=0xba57000000010000, priority=1,ip "
                  "actions=output:1 (with timeouts or flags)\n"
                  "+ table=1, cookie=0x5, priority=3,ip actions=drop\n",
                  "delete table=1, cookie=0x5, priority=3,ip actions=drop\n"
                  "add table=1, cookie=0xba57000000020000, priority=2,ip "
                  "actions=set_field:0x7->reg0,goto_table:2\n"
                  "modify table=1, cookie=0xba57000000010000, priority=1,ip "
                  "actions=output:1\n");
    flow_dump_destroy(&dump);
    flow_table_destroy(&table);
}

/* What is not ours stays, unless it has our cookie. */
static void
test_compare_shared(void **state OVS_UNUSED)
{
    struct flow_table table;
    struct flow_dump dump;

    flow_table_init(&table);
    flow_dump_init(&dump, OFP15_VERSION);
    dump_flow(&dump, &table, 5, 0, "table=1,priority=3,ip,actions=drop");
    dump_flow(&dump, &table, COOKIE(9, 0), 0,
              "table=1,priority=4,ip,actions=drop");
    check_compare(&dump, &table, false, true, 1, 0, 0,
                  "+ table=1, cookie=0xba57000000090000, priority=4,ip "
                  "actions=drop\n",
                  "delete table=1, cookie=0xba57000000090000, priority=4,ip "
                  "actions=drop\n");
    flow_dump_destroy(&dump);
    flow_table_destroy(&table);
}

/* Changes that have not been sent yet are sent, but are no differences. */
static void
test_compare_pending(void **state OVS_UNUSED)
{
    struct flow_table table;
    struct flow_dump dump;

    flow_table_init(&table);
    flow_dump_init(&dump, OFP15_VERSION);
    claim(&table, 1, DROP_NONE, FLOW1);
    claim(&table, 2, DROP_NONE, FLOW2);
    flow_table_commit(&table);
    dump_flow(&dump, &table, COOKIE(1, 0), 0, FLOW1);
    release(&table, 1);
    dump_flow(&dump, &table, COOKIE(2, 0), 0, FLOW2);
    claim(&table, 3, DROP_NONE, "table=1,priority=3,ip,actions=drop");
    check_compare(&dump, &table, true, true, 0, 0, 0, "",
                  "delete table=1, cookie=0xba57000000010000, priority=1,ip "
                  "actions=drop\n"
                  "add table=1, cookie=0xba57000000030000, priority=3,ip "
                  "actions=drop\n");
    flow_dump_destroy(&dump);
    flow_table_destroy(&table);
}

/* Forms that do not survive the wire are recognized all the same. */
static void
test_compare_forms(void **state OVS_UNUSED)
{
    static const char *const flows[] = {
        "table=1,priority=1,actions=output:NXM_NX_REG3[]",
        "table=1,priority=2,actions=resubmit(,3)",
        "table=1,priority=3,actions=controller(id=5,userdata=01)",
        "table=1,priority=4,actions=set_field:1/1->reg0,goto_table:3",
        "table=1,priority=5,actions=mod_dl_dst:02:00:00:00:00:01",
    };
    struct flow_table table;
    struct flow_dump dump;

    flow_table_init(&table);
    flow_dump_init(&dump, OFP15_VERSION);
    for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
        claim(&table, 1, DROP_NONE, flows[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
        dump_flow(&dump, &table, COOKIE(1, 0), 0, flows[i]);
    }
    claim(&table, 1, DROP_NONE,
          "table=1,priority=6,ip,nw_frag=yes,tcp_flags=+syn,actions=drop");
    dump_flow(&dump, &table, COOKIE(1, 0), 0,
              "table=1,priority=6,ip,nw_frag=yes,actions=drop");
    check_compare(&dump, &table, true, false, 0, 0, 0, "", "");
    flow_dump_destroy(&dump);
    flow_table_destroy(&table);
}

static void
report(struct flow_graves *graves, struct flow_table *table, uint64_t cookie,
       uint64_t n_packets, const char *s)
{
    struct ofputil_flow_mod fm;
    struct ofputil_flow_removed fr = { .cookie = htonll(cookie) };

    parse_flow(&fm, s);
    minimatch_expand(&fm.match, &fr.match);
    fr.priority = fm.priority;
    fr.table_id = fm.table_id;
    fr.packet_count = n_packets;
    fr.byte_count = n_packets * 100;
    flow_graves_report(graves, table, &fr);
    free_flow(&fm);
}

static void
test_graves(void **state OVS_UNUSED)
{
    const char *drop = "table=1,priority=1,ip,actions=drop";
    const uint64_t cookie = COOKIE(1, DROP_SELF);
    struct flow_ops ops = FLOW_OPS_INITIALIZER;
    struct flow_graves graves;
    struct flow_table table;
    struct flow_dump dump;

    flow_table_init(&table);
    flow_graves_init(&graves);
    claim(&table, 1, DROP_SELF, drop);
    flow_table_commit(&table);

    /* 10 are known when it is deleted, 3 more have come since. */
    flow_dump_init(&dump, OFP15_VERSION);
    dump_flow(&dump, &table, cookie, 10, drop);
    flow_dump_destroy(&dump);
    assert_int_equal(table.drop_packets[DROP_SELF], 10);
    release(&table, 1);
    flow_ops_from_changes(&ops, &table);
    flow_graves_add(&graves, &ops);
    flow_graves_add(&graves, &ops);     /* Second try. */
    flow_ops_destroy(&ops);
    flow_table_commit(&table);
    report(&graves, &table, COOKIE(2, DROP_SELF), 99, drop);
    report(&graves, &table, cookie, 13, drop);
    assert_int_equal(table.drop_packets[DROP_SELF], 13);
    assert_int_equal(table.drop_bytes[DROP_SELF], 1300);

    /* Once only. */
    report(&graves, &table, cookie, 13, drop);
    assert_int_equal(table.drop_packets[DROP_SELF], 13);

    /* Deleted by somebody else. */
    claim(&table, 1, DROP_SELF, drop);
    flow_table_commit(&table);
    report(&graves, &table, cookie, 4, drop);
    assert_int_equal(table.drop_packets[DROP_SELF], 17);

    flow_graves_expire(&graves);
    flow_graves_destroy(&graves);
    flow_table_destroy(&table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_compare_shared),
        cmocka_unit_test(test_compare_pending),
        cmocka_unit_test(test_compare_forms),
        cmocka_unit_test(test_graves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
