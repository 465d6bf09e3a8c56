/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/map-table.h"

#include <string.h>

#include "bastion/bpf-abi.h"
#include "hash.h"
#include "util.h"
#include "uuid.h"

struct map_owner {
    struct hmap_node hmap_node;     /* In struct map_table's 'owners'. */
    struct uuid uuid;
    struct ovs_list claims;         /* Contains "struct map_claim"s. */
};

struct map_claim {
    struct ovs_list entry_node;     /* In struct map_entry's 'claims'. */
    struct ovs_list owner_node;     /* In struct map_owner's 'claims'. */
    struct map_entry *entry;
    struct map_owner *owner;
    uint8_t value[MAP_VALUE_MAX];
};

static const struct {
    const char *name;
    size_t key_size, value_size;
} maps[MAP_N] = {
    [MAP_ENDPOINTS] = { "endpoints", sizeof(uint32_t),
                        sizeof(struct bastion_endpoint) },
    [MAP_SOURCES] = { "sources", sizeof(struct bastion_source_key), 1 },
    [MAP_ADDRESSES] = { "addresses", sizeof(struct bastion_address_key),
                        sizeof(struct bastion_address_value) },
    [MAP_PEERS] = { "peers", sizeof(struct bastion_peers_key), 1 },
    [MAP_POLICY] = { "policy", sizeof(struct bastion_policy_key),
                     sizeof(struct bastion_policy_value) },
    [MAP_PARTIAL] = { "partial", sizeof(struct bastion_partial_key), 1 },
};

BUILD_ASSERT_DECL(sizeof(struct bastion_source_key) <= MAP_KEY_MAX);
BUILD_ASSERT_DECL(sizeof(struct bastion_address_key) <= MAP_KEY_MAX);
BUILD_ASSERT_DECL(sizeof(struct bastion_policy_key) <= MAP_KEY_MAX);
BUILD_ASSERT_DECL(sizeof(struct bastion_endpoint) <= MAP_VALUE_MAX);
BUILD_ASSERT_DECL(sizeof(struct bastion_address_value) <= MAP_VALUE_MAX);

size_t
map_key_size(enum map_id map)
{
    return maps[map].key_size;
}

size_t
map_value_size(enum map_id map)
{
    return maps[map].value_size;
}

/* Returns the name of 'map' in the object file. */
const char *
map_name(enum map_id map)
{
    return maps[map].name;
}

void
map_table_init(struct map_table *table)
{
    memset(table, 0, sizeof *table);
    hmap_init(&table->entries);
    hmap_init(&table->owners);
    ovs_list_init(&table->changed);
    ovs_list_init(&table->failed);
}

static struct map_owner *
find_owner(const struct map_table *table, const struct uuid *uuid)
{
    struct map_owner *owner;

    HMAP_FOR_EACH_WITH_HASH (owner, hmap_node, uuid_hash(uuid),
                             &table->owners) {
        if (uuid_equals(&owner->uuid, uuid)) {
            return owner;
        }
    }
    return NULL;
}

static void
entry_destroy(struct map_table *table, struct map_entry *entry)
{
    hmap_remove(&table->entries, &entry->hmap_node);
    ovs_list_remove(&entry->changed_node);
    free(entry);
}

void
map_table_destroy(struct map_table *table)
{
    struct map_owner *owner;
    HMAP_FOR_EACH_SAFE (owner, hmap_node, &table->owners) {
        map_table_release(table, &owner->uuid);
    }

    struct map_entry *entry;
    HMAP_FOR_EACH_SAFE (entry, hmap_node, &table->entries) {
        entry_destroy(table, entry);
    }
    hmap_destroy(&table->entries);
    hmap_destroy(&table->owners);
}

static uint32_t
hash_key(enum map_id map, const void *key)
{
    return hash_bytes(key, map_key_size(map), map);
}

static struct map_entry *
find_entry(const struct map_table *table, enum map_id map, const void *key)
{
    struct map_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, hmap_node, hash_key(map, key),
                             &table->entries) {
        if (entry->map == map
            && !memcmp(entry->key, key, map_key_size(map))) {
            return entry;
        }
    }
    return NULL;
}

/* Returns the entry of 'map' with 'key', which is created if need be. */
static struct map_entry *
get_entry(struct map_table *table, enum map_id map, const void *key)
{
    struct map_entry *entry = find_entry(table, map, key);
    if (entry) {
        return entry;
    }

    entry = xzalloc(sizeof *entry);
    entry->map = map;
    memcpy(entry->key, key, map_key_size(map));
    ovs_list_init(&entry->claims);
    ovs_list_init(&entry->changed_node);
    hmap_insert(&table->entries, &entry->hmap_node, hash_key(map, key));
    return entry;
}

static void
move_to(struct ovs_list *list, struct map_entry *entry)
{
    ovs_list_remove(&entry->changed_node);
    ovs_list_push_back(list, &entry->changed_node);
}

static void
mark_unchanged(struct map_entry *entry)
{
    ovs_list_remove(&entry->changed_node);
    ovs_list_init(&entry->changed_node);
}

/* Takes over the value of the first claim on 'entry'. */
static void
update_entry(struct map_table *table, struct map_entry *entry)
{
    if (!ovs_list_is_empty(&entry->claims)) {
        const struct map_claim *first = CONTAINER_OF(
            ovs_list_front(&entry->claims), struct map_claim, entry_node);

        memcpy(entry->value, first->value, sizeof entry->value);
    }
    move_to(&table->changed, entry);
}

void
map_table_claim(struct map_table *table, const struct uuid *uuid,
                enum map_id map, const void *key, const void *value)
{
    struct map_entry *entry = get_entry(table, map, key);
    struct map_owner *owner = find_owner(table, uuid);
    struct map_claim *claim = xzalloc(sizeof *claim);

    if (!owner) {
        owner = xmalloc(sizeof *owner);
        owner->uuid = *uuid;
        ovs_list_init(&owner->claims);
        hmap_insert(&table->owners, &owner->hmap_node, uuid_hash(uuid));
    }
    claim->entry = entry;
    claim->owner = owner;
    memcpy(claim->value, value, map_value_size(map));
    ovs_list_push_back(&owner->claims, &claim->owner_node);
    table->n[map] += ovs_list_is_empty(&entry->claims);

    /* 'claims' is in order of UUID. */
    struct map_claim *next;
    LIST_FOR_EACH (next, entry_node, &entry->claims) {
        if (uuid_compare_3way(uuid, &next->owner->uuid) < 0) {
            break;
        }
    }
    ovs_list_insert(next ? &next->entry_node : &entry->claims,
                    &claim->entry_node);
    update_entry(table, entry);
}

/* Withdraws every claim of 'uuid'. */
void
map_table_release(struct map_table *table, const struct uuid *uuid)
{
    struct map_owner *owner = find_owner(table, uuid);
    if (!owner) {
        return;
    }

    struct map_claim *claim;
    LIST_FOR_EACH_SAFE (claim, owner_node, &owner->claims) {
        struct map_entry *entry = claim->entry;

        ovs_list_remove(&claim->entry_node);
        free(claim);
        table->n[entry->map] -= ovs_list_is_empty(&entry->claims);
        update_entry(table, entry);
    }
    hmap_remove(&table->owners, &owner->hmap_node);
    free(owner);
}

static bool
is_desired(const struct map_entry *entry)
{
    return !ovs_list_is_empty(&entry->claims);
}

static bool
value_is_installed(const struct map_entry *entry)
{
    return (entry->installed
            && !memcmp(entry->value, entry->installed_value,
                       map_value_size(entry->map)));
}

/* Changes of one map that are about to be taken out. */
struct batch {
    enum map_id map;
    size_t n;
    uint8_t keys[MAP_BATCH_MAX * MAP_KEY_MAX];
    uint8_t values[MAP_BATCH_MAX * MAP_VALUE_MAX];
    struct map_entry *entries[MAP_BATCH_MAX];   /* Of additions. */
};

/* Must 'batch' be taken out before a change of 'map' can be added to it? */
static bool
batch_must_go(const struct batch *batch, enum map_id map)
{
    return batch->n == MAP_BATCH_MAX || (batch->n && batch->map != map);
}

static void
batch_add(struct batch *batch, struct map_entry *entry)
{
    size_t key_size = map_key_size(entry->map);
    size_t value_size = map_value_size(entry->map);

    batch->map = entry->map;
    memcpy(&batch->keys[batch->n * key_size], entry->key, key_size);
    memcpy(&batch->values[batch->n * value_size], entry->value, value_size);
    batch->entries[batch->n++] = entry;
}

static void
take_removed_batch(struct batch *batch, map_table_remove_cb *cb, void *aux)
{
    if (batch->n) {
        cb(batch->map, batch->keys, batch->n, aux);
        batch->n = 0;
    }
}

/* Returns true if 'cb' has been called. */
static bool
take_removals(struct map_table *table, bool endpoints, map_table_remove_cb *cb,
              void *aux)
{
    struct batch batch = { .n = 0 };
    struct map_entry *entry;
    bool called = false;

    LIST_FOR_EACH_SAFE (entry, changed_node, &table->changed) {
        if ((entry->map == MAP_ENDPOINTS) != endpoints) {
            continue;
        }
        if (is_desired(entry) && value_is_installed(entry)) {
            mark_unchanged(entry);
            continue;
        }
        if (entry->installed) {
            entry->installed = false;
            if (batch_must_go(&batch, entry->map)) {
                take_removed_batch(&batch, cb, aux);
            }
            batch_add(&batch, entry);
            called = true;
        }
        if (!is_desired(entry)) {
            entry_destroy(table, entry);
        }
    }
    take_removed_batch(&batch, cb, aux);
    return called;
}

void
map_table_take_removals(struct map_table *table, map_table_remove_cb *cb,
                        void *aux)
{
    bool called = take_removals(table, true, cb, aux);

    called |= take_removals(table, false, cb, aux);
    if (called) {
        ovs_list_push_back_all(&table->changed, &table->failed);
    }
}

bool
map_table_has_additions(const struct map_table *table)
{
    return !ovs_list_is_empty(&table->changed);
}

bool
map_table_is_installed(const struct map_table *table)
{
    return (ovs_list_is_empty(&table->changed)
            && ovs_list_is_empty(&table->failed));
}

/* The interface that 'entry', of MAP_SOURCES or MAP_ENDPOINTS, is about. */
static uint32_t
entry_ifindex(const struct map_entry *entry)
{
    uint32_t ifindex;

    /* Both keys begin with it. */
    memcpy(&ifindex, entry->key, sizeof ifindex);
    return ifindex;
}

static bool
has_failed_source(const struct map_table *table, uint32_t ifindex)
{
    const struct map_entry *entry;

    LIST_FOR_EACH (entry, changed_node, &table->failed) {
        if (entry->map == MAP_SOURCES && entry_ifindex(entry) == ifindex) {
            return true;
        }
    }
    return false;
}

static void
take_added_batch(struct map_table *table, struct batch *batch,
                 map_table_add_cb *add, void *aux)
{
    size_t key_size = map_key_size(batch->map);
    size_t value_size = map_value_size(batch->map);
    size_t i = 0;

    while (i < batch->n) {
        size_t end = i + add(batch->map, &batch->keys[i * key_size],
                             &batch->values[i * value_size], batch->n - i,
                             aux);

        for (; i < end; i++) {
            struct map_entry *entry = batch->entries[i];

            entry->installed = true;
            memcpy(entry->installed_value, entry->value, sizeof entry->value);
            mark_unchanged(entry);
        }
        if (i < batch->n) {
            move_to(&table->failed, batch->entries[i++]);
        }
    }
    batch->n = 0;
}

static void
take_addition(struct map_table *table, struct batch *batch,
              struct map_entry *entry, map_table_add_cb *add, void *aux)
{
    if (batch_must_go(batch, entry->map)) {
        take_added_batch(table, batch, add, aux);
    }
    batch_add(batch, entry);
}

/* Must follow map_table_take_removals() without changes in between. */
void
map_table_take_additions(struct map_table *table, map_table_add_cb *add,
                         map_table_remove_cb *remove, void *aux)
{
    struct batch batch = { .n = 0 };
    struct map_entry *entry;

    LIST_FOR_EACH_SAFE (entry, changed_node, &table->changed) {
        if (entry->map != MAP_ENDPOINTS) {
            take_addition(table, &batch, entry, add, aux);
        }
    }
    take_added_batch(table, &batch, add, aux);
    LIST_FOR_EACH_SAFE (entry, changed_node, &table->changed) {
        if (has_failed_source(table, entry_ifindex(entry))) {
            move_to(&table->failed, entry);
        } else {
            take_addition(table, &batch, entry, add, aux);
        }
    }
    take_added_batch(table, &batch, add, aux);

    /* Endpoints that were there before. */
    LIST_FOR_EACH (entry, changed_node, &table->failed) {
        uint32_t ifindex = entry_ifindex(entry);
        struct map_entry *endpoint
            = (entry->map == MAP_SOURCES
               ? find_entry(table, MAP_ENDPOINTS, &ifindex) : NULL);

        if (endpoint && endpoint->installed) {
            endpoint->installed = false;
            remove(MAP_ENDPOINTS, endpoint->key, 1, aux);
            move_to(&table->failed, endpoint);
        }
    }
}

bool
map_table_contains(const struct map_table *table, enum map_id map,
                   const void *key, const void *value)
{
    const struct map_entry *entry = find_entry(table, map, key);

    return (entry && is_desired(entry)
            && !memcmp(entry->value, value, map_value_size(map)));
}

bool
map_table_has_key(const struct map_table *table, enum map_id map,
                  const void *key)
{
    const struct map_entry *entry = find_entry(table, map, key);

    return entry && is_desired(entry);
}

void
map_table_for_each(const struct map_table *table, map_table_cb *cb, void *aux)
{
    const struct map_entry *entry;

    HMAP_FOR_EACH (entry, hmap_node, &table->entries) {
        if (is_desired(entry)) {
            cb(entry->map, entry->key, entry->value, aux);
        }
    }
}

void
map_table_reset(struct map_table *table)
{
    struct map_entry *entry;

    HMAP_FOR_EACH (entry, hmap_node, &table->entries) {
        entry->installed = false;
        move_to(&table->changed, entry);
    }
}
