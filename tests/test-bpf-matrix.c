/* SPDX-License-Identifier: Apache-2.0 */

/* usage: test-bpf-matrix < ROWS
 *
 * Sends the forged frames of the system test "spoof-matrix", and the honest
 * ones among them, through the fast path's programs: what they drop must be
 * dropped for a reason that the flows would have, too.  ROWS is the output of
 * tests/spoof-rows.py.  Needs root, else it is skipped. */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bastion/drop-reasons.h"
#include "controller/compiler.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "tests/bpf-harness.h"
#include "tests/test-rows.h"
#include "util.h"

/* As in tests/system/spoof-matrix.sh: a1 is on if1, p1 on if2, v1 on if3. */
static const char *const rows[] = {
    "network web key=1 subnets=10.32.0.0/24,fd00:32::/64 "
    "gateways=10.32.0.1,fd00:32::1 gateway_mac=aa:55:aa:55:00:01",
    "service a identity=300",
    "container a interface=if1 mac=02:00:0a:20:00:02 "
    "ips=10.32.0.2,10.32.0.12,fd00:32::2,fd00:32::12",
    "service p identity=301",
    "container p interface=if2 mac=02:00:0a:20:00:03 "
    "ips=10.32.0.3,10.32.0.13,fd00:32::3,fd00:32::13",
    "service v identity=302",
    "container v interface=if3 mac=02:00:0a:20:00:04 "
    "ips=10.32.0.4,10.32.0.14,fd00:32::4,fd00:32::14",
    "dependency ap from=a to=p policies=any",
    "dependency vp from=v to=p policies=any",
    "dependency ah from=a to=host policies=udp:53,icmp,icmp6",
    "dependency ha from=host to=a policies=any",
};

struct counts {
    unsigned int n, n_failed, n_dropped, n_delivered, n_answered, n_to_ovs,
                 n_too_short;
};

/* Is 'word' in 'list', in which commas separate the words? */
static bool
contains(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = list; *p; ) {
        size_t n = strcspn(p, ",");

        if (n == len && !memcmp(p, word, len)) {
            return true;
        }
        p += n + (p[n] != '\0');
    }
    return false;
}

/* The kernel does not let the programs test headers that are not whole. */
static bool
is_too_short(const uint8_t *frame, size_t len)
{
    uint16_t type = frame[12] << 8 | frame[13];

    return (len <= ETH_HEADER_LEN
            || (type == ETH_TYPE_IP && len < ETH_HEADER_LEN + IP_HEADER_LEN)
            || (type == ETH_TYPE_IPV6
                && len < ETH_HEADER_LEN + IPV6_HEADER_LEN));
}

static bool
is_delivery_right(const char *expected, const struct harness_verdict *v)
{
    static const uint8_t p1[] = { 0x02, 0x00, 0x0a, 0x20, 0x00, 0x03 };

    return !memcmp(v->data, p1, sizeof p1) && contains(expected, "p1");
}

/* Returns what is wrong, or NULL. */
static const char *
check(struct counts *counts, const char *expected,
      const struct harness_verdict *v)
{
    char reason[16];

    switch (v->action) {
    case HARNESS_DROPPED:
        counts->n_dropped++;
        snprintf(reason, sizeof reason, "%d", v->reason);
        return contains(expected, reason) ? NULL : "dropped";
    case HARNESS_DELIVERED:
        counts->n_delivered++;
        return is_delivery_right(expected, v) ? NULL : "delivered";
    case HARNESS_ARP:
    case HARNESS_ND:
        counts->n_answered++;
        return contains(expected, "answered") ? NULL : "answered";
    case HARNESS_TO_OVS:
        counts->n_to_ovs++;
        return NULL;
    }
    OVS_NOT_REACHED();
}

static void
run_row(struct bpf_harness *h, struct counts *counts, char *line)
{
    char *save = NULL;
    const char *name = strtok_r(line, "\t", &save);
    const char *expected = strtok_r(NULL, "\t", &save);
    const char *hex = strtok_r(NULL, "\t\n", &save);
    uint8_t frame[2048];
    struct harness_verdict v;
    size_t len;

    ovs_assert(hex && strlen(hex) / 2 <= sizeof frame);
    for (len = 0; hex[2 * len]; len++) {
        bool ok;

        frame[len] = hexits_value(&hex[2 * len], 2, &ok);
        ovs_assert(ok);
    }
    counts->n++;
    if (is_too_short(frame, len)) {
        counts->n_too_short++;
        return;
    }
    bpf_harness_run(h, HARNESS_IFINDEX, frame, len, 0, &v);

    const char *wrong = check(counts, expected, &v);
    if (wrong) {
        printf("%s: %s (reason %d), not %s\n", name, wrong, v.reason,
               expected);
        counts->n_failed++;
    }
}

int
main(void)
{
    struct ds line = DS_EMPTY_INITIALIZER;
    struct counts counts = { .n = 0 };
    struct test_rows test_rows;

    set_program_name("test-bpf-matrix");
    struct bpf_harness *h = bpf_harness_create(&harness_defaults);
    test_rows_init(&test_rows);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        test_rows_set(&test_rows, rows[i]);
    }
    for (uint32_t i = 0; i < 3; i++) {
        char interface[] = { 'i', 'f', '1' + i, '\0' };

        compiler_set_fastpath(test_rows.compiler, "br0", interface,
                              HARNESS_IFINDEX + i, 1500);
    }
    test_rows_run(&test_rows);
    bpf_harness_remove(h, compiler_get_maps(test_rows.compiler));
    bpf_harness_add(h, compiler_get_maps(test_rows.compiler));

    while (!ds_get_line(&line, stdin)) {
        run_row(h, &counts, ds_cstr(&line));
    }
    printf("%u frames: %u dropped, %u delivered, %u answered, %u to Open "
           "vSwitch, %u too short to be tested; %u wrong\n", counts.n,
           counts.n_dropped, counts.n_delivered, counts.n_answered,
           counts.n_to_ovs, counts.n_too_short, counts.n_failed);

    /* Most of them are certain. */
    bool ok = (!counts.n_failed && counts.n > 1000 && counts.n_delivered > 20
               && counts.n_answered > 5
               && counts.n_to_ovs < counts.n / 8);
    ds_destroy(&line);
    test_rows_destroy(&test_rows);
    bpf_harness_destroy(h);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
