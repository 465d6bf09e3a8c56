/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "bastion/bpf-abi.h"
#include "controller/map-table.h"
#include "openvswitch/dynamic-string.h"
#include "random.h"
#include "test-random.h"
#include "util.h"
#include "uuid.h"

/* What has been taken out of a table, as text: "-MAP KEY" and "+MAP
 * KEY=VALUE", with the first four bytes of keys and values as numbers. */
struct taken {
    struct ds text;
    int failing_map;            /* Additions to it fail, unless it is -1. */
    uint32_t failing_key;       /* As do those with this key, unless 0. */
    int n_batches;
};

static struct map_table table;
static struct taken taken;

static int
setup(void **state OVS_UNUSED)
{
    map_table_init(&table);
    ds_init(&taken.text);
    taken.failing_map = -1;
    taken.failing_key = 0;
    taken.n_batches = 0;
    return 0;
}

static int
teardown(void **state OVS_UNUSED)
{
    map_table_destroy(&table);
    ds_destroy(&taken.text);
    return 0;
}

static uint32_t
number(const void *p)
{
    uint32_t n;

    memcpy(&n, p, sizeof n);
    return n;
}

static void
remove_cb(enum map_id map, const void *keys_, size_t n, void *aux)
{
    const uint8_t *keys = keys_;

    assert_in_range(n, 1, MAP_BATCH_MAX);
    assert_ptr_equal(aux, &taken);
    for (size_t i = 0; i < n; i++) {
        ds_put_format(&taken.text, "-%s %u ", map_name(map),
                      number(&keys[i * map_key_size(map)]));
    }
    taken.n_batches++;
}

static size_t
add_cb(enum map_id map, const void *keys_, const void *values_, size_t n,
       void *aux)
{
    const uint8_t *keys = keys_;
    const uint8_t *values = values_;

    assert_in_range(n, 1, MAP_BATCH_MAX);
    assert_ptr_equal(aux, &taken);
    taken.n_batches++;
    for (size_t i = 0; i < n; i++) {
        uint32_t key = number(&keys[i * map_key_size(map)]);
        bool ok = (int) map != taken.failing_map && key != taken.failing_key;

        ds_put_format(&taken.text, "%c%s %u=%u ", ok ? '+' : '!',
                      map_name(map), key,
                      map_value_size(map) >= 4
                      ? number(&values[i * map_value_size(map)]) : 1);
        if (!ok) {
            return i;
        }
    }
    return n;
}

static void
expect(const char *text)
{
    ds_chomp(&taken.text, ' ');
    assert_string_equal(ds_cstr(&taken.text), text);
    ds_clear(&taken.text);
}

static void
removals(const char *text)
{
    map_table_take_removals(&table, remove_cb, &taken);
    expect(text);
}

static void
additions(const char *text)
{
    map_table_take_additions(&table, add_cb, remove_cb, &taken);
    expect(text);
    assert_false(map_table_has_additions(&table));
}

static struct uuid
owner(uint32_t n)
{
    return (struct uuid) { .parts = { n, 0, 0, 0 } };
}

/* 'key' and 'value' become the first four bytes. */
static void
claim(uint32_t owner_, enum map_id map, uint32_t key, uint32_t value)
{
    struct uuid uuid = owner(owner_);
    uint8_t key_bytes[MAP_KEY_MAX] = { 0 };
    uint8_t value_bytes[MAP_VALUE_MAX] = { 0 };

    memcpy(key_bytes, &key, sizeof key);
    memcpy(value_bytes, &value, sizeof value);
    map_table_claim(&table, &uuid, map, key_bytes, value_bytes);
}

static void
release(uint32_t owner_)
{
    struct uuid uuid = owner(owner_);

    map_table_release(&table, &uuid);
}

static void
test_add_and_remove(void **state OVS_UNUSED)
{
    assert_false(map_table_has_additions(&table));
    claim(1, MAP_POLICY, 5, 50);
    claim(1, MAP_ADDRESSES, 6, 60);
    assert_true(map_table_has_additions(&table));
    assert_int_equal(table.n[MAP_POLICY], 1);
    removals("");
    additions("+policy 5=50 +addresses 6=60");
    removals("");
    additions("");

    release(1);
    assert_int_equal(table.n[MAP_POLICY], 0);
    removals("-policy 5 -addresses 6");
    additions("");
    release(1);
    removals("");
}

/* What comes and goes unseen costs nothing. */
static void
test_unseen_changes(void **state OVS_UNUSED)
{
    claim(1, MAP_POLICY, 5, 50);
    release(1);
    removals("");
    additions("");

    claim(1, MAP_POLICY, 5, 50);
    removals("");
    additions("+policy 5=50");
    release(1);
    claim(1, MAP_POLICY, 5, 50);
    removals("");
    additions("");
}

/* An entry never has a new value before the second step, and not the old one
 * after the first. */
static void
test_value_change(void **state OVS_UNUSED)
{
    claim(1, MAP_ADDRESSES, 5, 50);
    removals("");
    additions("+addresses 5=50");

    release(1);
    claim(1, MAP_ADDRESSES, 5, 51);
    removals("-addresses 5");
    removals("");
    additions("+addresses 5=51");

    /* Back again between the two steps. */
    release(1);
    claim(1, MAP_ADDRESSES, 5, 52);
    removals("-addresses 5");
    release(1);
    claim(1, MAP_ADDRESSES, 5, 51);
    removals("");
    additions("+addresses 5=51");
}

/* The least UUID has its way, in whatever order they come. */
static void
test_several_claims(void **state OVS_UNUSED)
{
    claim(2, MAP_POLICY, 5, 52);
    claim(3, MAP_POLICY, 5, 53);
    assert_int_equal(table.n[MAP_POLICY], 1);
    removals("");
    additions("+policy 5=52");

    claim(1, MAP_POLICY, 5, 51);
    removals("-policy 5");
    additions("+policy 5=51");

    release(2);
    removals("");
    additions("");
    release(1);
    removals("-policy 5");
    additions("+policy 5=53");
    release(3);
    removals("-policy 5");
    assert_int_equal(table.n[MAP_POLICY], 0);
}

static void
test_same_owner_twice(void **state OVS_UNUSED)
{
    claim(1, MAP_POLICY, 5, 50);
    claim(1, MAP_POLICY, 5, 50);
    removals("");
    additions("+policy 5=50");
    release(1);
    removals("-policy 5");
}

/* Keys are compared in full, by map. */
static void
test_same_key_in_two_maps(void **state OVS_UNUSED)
{
    claim(1, MAP_ENDPOINTS, 5, 50);
    claim(2, MAP_SOURCES, 5, 1);
    removals("");
    additions("+sources 5=1 +endpoints 5=50");
    release(2);
    removals("-sources 5");
    additions("");
}

/* Endpoints drop what is not from their sources. */
static void
test_endpoints_come_last_and_go_first(void **state OVS_UNUSED)
{
    claim(1, MAP_ENDPOINTS, 5, 50);
    claim(1, MAP_SOURCES, 5, 1);
    claim(1, MAP_ADDRESSES, 5, 1);
    removals("");
    additions("+sources 5=1 +addresses 5=1 +endpoints 5=50");

    release(1);
    claim(1, MAP_SOURCES, 6, 1);
    claim(1, MAP_ENDPOINTS, 6, 50);
    removals("-endpoints 5 -sources 5 -addresses 5");
    additions("+sources 6=1 +endpoints 6=50");
}

static void
test_full_map(void **state OVS_UNUSED)
{
    claim(1, MAP_POLICY, 5, 50);
    claim(2, MAP_ENDPOINTS, 7, 70);
    taken.failing_map = MAP_POLICY;
    removals("");
    additions("!policy 5=50 +endpoints 7=70");

    /* Not tried again before something else has gone. */
    taken.failing_map = -1;
    removals("");
    additions("");
    release(2);
    removals("-endpoints 7");
    assert_true(map_table_has_additions(&table));
    additions("+policy 5=50");

    /* One that has failed goes without a trace. */
    claim(3, MAP_POLICY, 6, 60);
    taken.failing_map = MAP_POLICY;
    removals("");
    additions("!policy 6=60");
    release(3);
    removals("");
    additions("");
}

/* One that cannot be added does not keep back those behind it. */
static void
test_full_batch(void **state OVS_UNUSED)
{
    for (uint32_t i = 1; i <= 3; i++) {
        claim(i, MAP_POLICY, i, 10 * i);
    }
    taken.failing_key = 2;
    removals("");
    additions("+policy 1=10 !policy 2=20 +policy 3=30");
    taken.failing_key = 0;
    release(1);
    removals("-policy 1");
    additions("+policy 2=20");
}

static void
test_batches(void **state OVS_UNUSED)
{
    for (uint32_t i = 0; i < 2 * MAP_BATCH_MAX + 1; i++) {
        claim(1 + i / 2, MAP_POLICY, 1 + i, 1);
    }
    claim(1, MAP_ENDPOINTS, 1, 1);
    claim(1, MAP_ENDPOINTS, 2, 1);
    map_table_take_removals(&table, remove_cb, &taken);
    assert_int_equal(taken.n_batches, 0);
    map_table_take_additions(&table, add_cb, remove_cb, &taken);
    assert_int_equal(taken.n_batches, 4);
    for (uint32_t i = 0; i < 2 * MAP_BATCH_MAX + 1; i++) {
        release(1 + i / 2);
    }
    map_table_take_removals(&table, remove_cb, &taken);
    assert_int_equal(taken.n_batches, 8);
}

/* A container with an address that does not fit is Open vSwitch's. */
static void
test_sources_full(void **state OVS_UNUSED)
{
    claim(1, MAP_ENDPOINTS, 5, 50);
    claim(1, MAP_SOURCES, 5, 1);
    claim(2, MAP_ENDPOINTS, 6, 60);
    taken.failing_map = MAP_SOURCES;
    removals("");
    additions("!sources 5=1 +endpoints 6=60");

    taken.failing_map = -1;
    release(2);
    removals("-endpoints 6");
    additions("+sources 5=1 +endpoints 5=50");

    /* One more address of one that is there. */
    taken.failing_map = MAP_SOURCES;
    release(1);
    claim(1, MAP_ENDPOINTS, 5, 50);
    claim(1, MAP_SOURCES, 5, 1);

    uint8_t key[MAP_KEY_MAX] = { 5, 0, 0, 0, 99 };
    uint8_t value[MAP_VALUE_MAX] = { 1 };
    struct uuid uuid = owner(1);
    map_table_claim(&table, &uuid, MAP_SOURCES, key, value);
    removals("");
    additions("!sources 5=1 -endpoints 5");

    taken.failing_map = -1;
    release(1);
    claim(1, MAP_ENDPOINTS, 5, 50);
    claim(1, MAP_SOURCES, 5, 1);
    removals("");
    additions("+endpoints 5=50");
}

static void
test_reset(void **state OVS_UNUSED)
{
    claim(1, MAP_POLICY, 5, 50);
    claim(2, MAP_POLICY, 6, 60);
    removals("");
    additions("+policy 5=50 +policy 6=60");
    release(2);
    map_table_reset(&table);
    removals("");
    additions("+policy 5=50");
}

static void
count_cb(enum map_id map OVS_UNUSED, const void *key OVS_UNUSED,
         const void *value OVS_UNUSED, void *n_)
{
    int *n = n_;

    (*n)++;
}

static void
test_contains(void **state OVS_UNUSED)
{
    uint8_t key[MAP_KEY_MAX] = { 5 };
    uint8_t value[MAP_VALUE_MAX] = { 50 };
    int n = 0;

    assert_false(map_table_contains(&table, MAP_POLICY, key, value));
    claim(1, MAP_POLICY, 5, 50);
    claim(2, MAP_POLICY, 6, 60);
    assert_true(map_table_contains(&table, MAP_POLICY, key, value));
    assert_false(map_table_contains(&table, MAP_PEERS, key, value));
    value[0] = 51;
    assert_false(map_table_contains(&table, MAP_POLICY, key, value));
    map_table_for_each(&table, count_cb, &n);
    assert_int_equal(n, 2);

    value[0] = 50;
    release(1);
    assert_false(map_table_contains(&table, MAP_POLICY, key, value));
    n = 0;
    map_table_for_each(&table, count_cb, &n);
    assert_int_equal(n, 1);
}

/* Whatever happens, what has been taken out is what is desired. */

#define N_KEYS 16

static uint32_t installed[N_KEYS];      /* 0: none. */

static void
model_remove(enum map_id map, const void *keys_, size_t n,
             void *aux OVS_UNUSED)
{
    const uint8_t *keys = keys_;

    for (size_t i = 0; i < n; i++) {
        uint32_t key = number(&keys[i * map_key_size(map)]);

        assert_int_not_equal(installed[key], 0);
        installed[key] = 0;
    }
}

static size_t
model_add(enum map_id map, const void *keys_, const void *values_, size_t n,
          void *aux OVS_UNUSED)
{
    const uint8_t *keys = keys_;
    const uint8_t *values = values_;

    for (size_t i = 0; i < n; i++) {
        uint32_t key = number(&keys[i * map_key_size(map)]);

        assert_int_equal(installed[key], 0);
        installed[key] = number(&values[i * map_value_size(map)]);
    }
    return n;
}

static void
model_check(enum map_id map OVS_UNUSED, const void *key, const void *value,
            void *n_)
{
    int *n = n_;

    assert_int_equal(installed[number(key)], number(value));
    (*n)++;
}

static void
test_random_changes(void **state OVS_UNUSED)
{
    memset(installed, 0, sizeof installed);
    for (int i = 0; i < 20000; i++) {
        uint32_t who = 1 + random_range(6);
        int n = 0;

        if (random_range(3)) {
            claim(who, MAP_POLICY, random_range(N_KEYS),
                  1 + random_range(3));
        } else {
            release(who);
        }
        if (random_range(2)) {
            continue;
        }
        map_table_take_removals(&table, model_remove, NULL);
        if (random_range(2)) {
            continue;
        }
        map_table_take_removals(&table, model_remove, NULL);
        map_table_take_additions(&table, model_add, model_remove, NULL);
        map_table_for_each(&table, model_check, &n);
        for (int j = 0; j < N_KEYS; j++) {
            n -= installed[j] != 0;
        }
        assert_int_equal(n, 0);
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_add_and_remove),
        TEST(test_unseen_changes),
        TEST(test_value_change),
        TEST(test_several_claims),
        TEST(test_same_owner_twice),
        TEST(test_same_key_in_two_maps),
        TEST(test_endpoints_come_last_and_go_first),
        TEST(test_full_map),
        TEST(test_full_batch),
        TEST(test_batches),
        TEST(test_sources_full),
        TEST(test_reset),
        TEST(test_contains),
        TEST(test_random_changes),
    };

    test_random_init("test-map-table");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
