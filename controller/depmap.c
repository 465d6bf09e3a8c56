/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/depmap.h"

#include "controller/netmap.h"
#include "util.h"
#include "uuid.h"

void
depmap_init(struct depmap *depmap)
{
    hmap_init(&depmap->rules);
}

void
depmap_destroy(struct depmap *depmap)
{
    struct depmap_rule *rule;

    HMAP_FOR_EACH_SAFE (rule, hmap_node, &depmap->rules) {
        depmap_remove(depmap, rule);
    }
    hmap_destroy(&depmap->rules);
}

void
depmap_add(struct depmap *depmap, struct depmap_rule *rule)
{
    hmap_insert(&depmap->rules, &rule->hmap_node, uuid_hash(&rule->uuid));
}

/* Removes 'rule' from 'depmap' and frees it. */
void
depmap_remove(struct depmap *depmap, struct depmap_rule *rule)
{
    hmap_remove(&depmap->rules, &rule->hmap_node);
    depmap_peers_destroy(&rule->sources);
    depmap_peers_destroy(&rule->destinations);
    free(rule->policies);
    free(rule);
}

struct depmap_rule *
depmap_find(const struct depmap *depmap, const struct uuid *uuid)
{
    struct depmap_rule *rule;

    HMAP_FOR_EACH_WITH_HASH (rule, hmap_node, uuid_hash(uuid),
                             &depmap->rules) {
        if (uuid_equals(&rule->uuid, uuid)) {
            return rule;
        }
    }
    return NULL;
}

/* Frees what 'peers' points to, but not 'peers' itself. */
void
depmap_peers_destroy(struct depmap_peers *peers)
{
    free(peers->identities);
    free(peers->prefixes);
}

bool
depmap_peers_match(const struct depmap_peers *peers, uint32_t identity,
                   const struct in6_addr *ip)
{
    if (peers->any) {
        return true;
    }
    for (size_t i = 0; i < peers->n_identities; i++) {
        if (peers->identities[i] == identity) {
            return true;
        }
    }
    if (!(identity & IDENTITY_NOT_CIDR)) {
        for (size_t i = 0; i < peers->n_prefixes; i++) {
            if (ip_prefix_contains(&peers->prefixes[i], ip)) {
                return true;
            }
        }
    }
    return false;
}
