/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MAP_TABLE_H
#define BASTION_MAP_TABLE_H 1

/* Desired entries of the fast path's maps
 * =======================================
 *
 * The entries that the maps of the fast path should have, with the rows that
 * they come from.  It is to the maps what a flow_table is to a bridge: rows
 * claim entries and release all that they have claimed; an entry that several
 * rows claim has the value of the one with the least UUID.
 *
 * The order in which the fast path and Open vSwitch change matters: what is
 * no longer allowed must be gone here before it goes there, and what is newly
 * allowed must be there before it comes here.  So changes are taken out in
 * two steps:
 *
 *     map_table_take_removals()   at once: entries that go, and entries whose
 *                                 value changes (they go, too).
 *     map_table_take_additions()  when Open vSwitch has acknowledged the
 *                                 flows: entries that come.
 *
 * An entry of "endpoints" makes the fast path drop what does not come from one
 * of the container's "sources".  So it comes after them, goes before them, and
 * is not there while one of them cannot be added.  Entries that cannot be
 * added are tried again when others have gone.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"

enum map_id {
    MAP_ENDPOINTS,
    MAP_SOURCES,
    MAP_ADDRESSES,
    MAP_PEERS,
    MAP_POLICY,
    MAP_PARTIAL,
    MAP_N
};

/* Sizes in bytes of the keys and values of all maps. */
#define MAP_KEY_MAX 20
#define MAP_VALUE_MAX 24

struct map_entry {
    struct hmap_node hmap_node;     /* In struct map_table's 'entries'. */
    struct ovs_list changed_node;   /* In 'changed' or 'failed', or empty
                                     * list. */
    struct ovs_list claims;         /* Contains "struct map_claim"s. */
    enum map_id map;
    uint8_t key[MAP_KEY_MAX];       /* Zero beyond the key's size. */
    uint8_t value[MAP_VALUE_MAX];   /* Desired, if there are claims. */
    bool installed;                 /* Has been taken out as an addition... */
    uint8_t installed_value[MAP_VALUE_MAX];     /* ...with this value. */
};

struct map_table {
    struct hmap entries;
    struct hmap owners;             /* Contains "struct map_owner"s. */
    struct ovs_list changed;        /* Entries that may have to be sent. */
    struct ovs_list failed;         /* Entries that could not be added. */
    size_t n[MAP_N];                /* Number of desired entries. */
};

typedef void map_table_cb(enum map_id, const void *key, const void *value,
                          void *aux);

/* Changes come in batches of at most MAP_BATCH_MAX.  'keys' and 'values' are
 * arrays with elements of map_key_size() and map_value_size() bytes. */
#define MAP_BATCH_MAX 128

typedef void map_table_remove_cb(enum map_id, const void *keys, size_t n,
                                 void *aux);
/* Returns the number of entries, from the first one on, that have been added.
 * If it is less than 'n', the next one could not be. */
typedef size_t map_table_add_cb(enum map_id, const void *keys,
                                const void *values, size_t n, void *aux);

void map_table_init(struct map_table *);
void map_table_destroy(struct map_table *);

void map_table_claim(struct map_table *, const struct uuid *owner, enum map_id,
                     const void *key, const void *value);
void map_table_release(struct map_table *, const struct uuid *owner);

/* Calls 'cb' for the entries that have to be deleted. */
void map_table_take_removals(struct map_table *, map_table_remove_cb *cb,
                             void *aux);
bool map_table_has_additions(const struct map_table *);
/* Returns true if all that is desired has been added, and all else deleted. */
bool map_table_is_installed(const struct map_table *);
/* Calls 'add' for the entries that have to be added, and 'remove' for those
 * that must go because others could not be added. */
void map_table_take_additions(struct map_table *, map_table_add_cb *add,
                              map_table_remove_cb *remove, void *aux);
/* Returns true if an entry with 'key' and 'value' is desired. */
bool map_table_contains(const struct map_table *, enum map_id,
                        const void *key, const void *value);
bool map_table_has_key(const struct map_table *, enum map_id,
                       const void *key);
/* Calls 'cb' for each desired entry. */
void map_table_for_each(const struct map_table *, map_table_cb *cb, void *aux);
/* Nothing is installed any more: everything has to be added again. */
void map_table_reset(struct map_table *);

size_t map_key_size(enum map_id);
size_t map_value_size(enum map_id);
const char *map_name(enum map_id);

#endif /* map-table.h */
