/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/reconcile-index.h"

#include <inttypes.h>
#include <string.h>

#include "hash.h"
#include "lib/address.h"
#include "lib/bastion-idl.h"
#include "manager/desired.h"
#include "smap.h"
#include "util.h"

/* A container's ID may be cut to as few digits as container runtimes show by
 * default. */
#define MIN_ID_LENGTH 12

static void index_services(struct reconcile_index *, struct ovsdb_idl *);
static void index_containers(struct reconcile_index *, struct ovsdb_idl *);
static void index_attachments(struct reconcile_index *, struct ovsdb_idl *);

void
reconcile_index_init(struct reconcile_index *index, struct ovsdb_idl *idl,
                     const char *owner)
{
    const struct bsrec_dependency *dependency;
    const struct bsrec_network *network;

    index->owner = owner;
    shash_init(&index->networks);
    shash_init(&index->services);
    sset_init(&index->identities);
    sset_init(&index->network_keys);
    shash_init(&index->containers);
    shash_init(&index->dependencies);
    shash_init(&index->places);
    shash_init(&index->cni_containers);
    shash_init(&index->attachments_by_id);
    shash_init(&index->attachments_by_pod);
    shash_init(&index->attachments_by_ip);

    BSREC_NETWORK_FOR_EACH (network, idl) {
        shash_add(&index->networks, network->name, network);
        sset_add_and_free(&index->network_keys,
                          xasprintf("%"PRId64, network->key));
    }
    BSREC_DEPENDENCY_FOR_EACH (dependency, idl) {
        if (reconcile_is_owner(&dependency->external_ids, owner)) {
            shash_add(&index->dependencies,
                      smap_get_def(&dependency->external_ids, ROW_KEY, ""),
                      dependency);
        }
    }
    index_services(index, idl);
    index_containers(index, idl);
    index_attachments(index, idl);
}

void
reconcile_index_destroy(struct reconcile_index *index)
{
    shash_destroy(&index->networks);
    shash_destroy(&index->services);
    sset_destroy(&index->identities);
    sset_destroy(&index->network_keys);
    shash_destroy(&index->containers);
    shash_destroy(&index->dependencies);
    shash_destroy(&index->places);
    shash_destroy(&index->cni_containers);
    shash_destroy(&index->attachments_by_id);
    shash_destroy(&index->attachments_by_pod);
    shash_destroy(&index->attachments_by_ip);
}

bool
reconcile_is_owner(const struct smap *external_ids, const char *owner)
{
    return !strcmp(smap_get_def(external_ids, OWNER_KEY, ""), owner);
}

char *
reconcile_place(const char *node, const char *interface)
{
    return xasprintf("%s/%s", node ? node : "", interface);
}

static void
index_services(struct reconcile_index *index, struct ovsdb_idl *idl)
{
    const struct bsrec_service *service;

    BSREC_SERVICE_FOR_EACH (service, idl) {
        shash_add_nocopy(&index->services,
                         xasprintf("%s/%s", service->network->name,
                                   service->name), service);
        sset_add_and_free(&index->identities,
                          xasprintf("%"PRId64, service->identity));
    }
}

static void
index_containers(struct reconcile_index *index, struct ovsdb_idl *idl)
{
    const struct bsrec_container *container;

    BSREC_CONTAINER_FOR_EACH (container, idl) {
        char *place = reconcile_place(container->node, container->interface);

        if (reconcile_is_owner(&container->external_ids, index->owner)) {
            shash_add(&index->containers,
                      smap_get_def(&container->external_ids, ROW_KEY, ""),
                      container);
        } else if (reconcile_is_owner(&container->external_ids, CNI_OWNER)) {
            shash_add(&index->cni_containers, place, container);
        }
        shash_add_nocopy(&index->places, place, container);
    }
}

static void
index_attachments(struct reconcile_index *index, struct ovsdb_idl *idl)
{
    const struct bsrec_attachment *a;

    BSREC_ATTACHMENT_FOR_EACH (a, idl) {
        if (a->container_id[0]) {
            shash_add(&index->attachments_by_id, a->container_id, a);

            if (strlen(a->container_id) > MIN_ID_LENGTH) {
                shash_add_nocopy(&index->attachments_by_id,
                                 xmemdup0(a->container_id, MIN_ID_LENGTH), a);
            }
        }
        if (a->pod_name[0]) {
            shash_add_nocopy(&index->attachments_by_pod,
                             xasprintf("%s/%s", a->pod_namespace,
                                       a->pod_name), a);
        }
        /* One that says who it is about is about nobody else: addresses are
         * used again. */
        for (size_t i = 0; i < a->n_ips && !a->pod_name[0]
                           && !a->container_id[0]; i++) {
            shash_add(&index->attachments_by_ip, a->ips[i], a);
        }
    }
}

/* Finding the attachment of a container. */

static bool
has_ip_in_network(const struct bsrec_attachment *a,
                  const struct bsrec_network *network)
{
    for (size_t i = 0; i < a->n_ips; i++) {
        struct in6_addr ip;
        char *error = ip_address_parse(a->ips[i], &ip);

        for (size_t j = 0; j < network->n_subnets && !error; j++) {
            struct ip_prefix subnet;

            error = ip_prefix_parse(network->subnets[j], &subnet);
            if (!error && ip_prefix_contains(&subnet, &ip)) {
                return true;
            }
        }
        free(error);
    }
    return false;
}

static bool
has_one_of(const struct bsrec_attachment *a, const struct sset *ips)
{
    for (size_t i = 0; i < a->n_ips; i++) {
        if (sset_contains(ips, a->ips[i])) {
            return true;
        }
    }
    return false;
}

/* A container has an attachment for each of its networks.  Returns false if
 * what is known of 'a' says that it is not the one to 'network'. */
static bool
fits(const struct bsrec_attachment *a, const struct bsrec_network *network,
     const struct desired_container *container)
{
    if (a->bridge[0] && strcmp(a->bridge, network->bridge)) {
        return false;
    }
    if (a->mac[0] && container->mac && strcasecmp(a->mac, container->mac)) {
        return false;
    }
    return (!a->n_ips
            || (sset_is_empty(&container->ips)
                ? has_ip_in_network(a, network)
                : has_one_of(a, &container->ips)));
}

/* A short ID is a prefix of the long one.  Which of the two the platform or
 * the attachment has does not matter. */
static bool
same_id(const char *a, const char *b)
{
    size_t n = MIN(strlen(a), strlen(b));

    return !strncmp(a, b, n) && (n >= MIN_ID_LENGTH
                                 || strlen(a) == strlen(b));
}

static bool
is_container(const struct bsrec_attachment *a, const char *name,
             const struct desired_container *container)
{
    return (same_id(a->container_id, container->container_id)
            || !strcmp(a->container_id, name));
}

/* Of several, the first in the order of nodes and interfaces, so that the
 * choice is the same each time. */
static const struct bsrec_attachment *
choose(const struct bsrec_attachment *a, const struct bsrec_attachment *b)
{
    if (!a || !b) {
        return a ? a : b;
    }

    int cmp = strcmp(a->node, b->node);
    return ((cmp ? cmp : strcmp(a->interface, b->interface)) <= 0 ? a : b);
}

/* Returns the best of the attachments that 'map' has for 'key', NULL if there
 * is none.  'name' is NULL if the key is not a container's ID. */
static const struct bsrec_attachment *
find_by_key(const struct shash *map, const char *key,
            const struct bsrec_network *network, const char *name,
            const struct desired_container *container)
{
    const struct bsrec_attachment *best = NULL;
    size_t hash = hash_string(key, 0);
    const struct shash_node *node;

    HMAP_FOR_EACH_WITH_HASH (node, node, hash, &map->map) {
        const struct bsrec_attachment *a = node->data;

        if (!strcmp(node->name, key)
            && (!name || is_container(a, name, container))
            && fits(a, network, container)) {
            best = choose(best, a);
        }
    }
    return best;
}

const struct bsrec_attachment *
reconcile_find_attachment(const struct reconcile_index *index,
                          const struct bsrec_network *network,
                          const char *name,
                          const struct desired_container *container)
{
    const struct bsrec_attachment *a = NULL;

    if (container->container_id) {
        char *key = xmemdup0(container->container_id,
                             strnlen(container->container_id, MIN_ID_LENGTH));

        a = find_by_key(&index->attachments_by_id, key, network, name,
                        container);
        free(key);
        if (!a) {
            a = find_by_key(&index->attachments_by_id, name, network, name,
                            container);
        }
    }
    if (!a && container->pod_name) {
        char *key = xasprintf("%s/%s", (container->pod_namespace
                                        ? container->pod_namespace : ""),
                              container->pod_name);

        a = find_by_key(&index->attachments_by_pod, key, network, NULL,
                        container);
        free(key);
    }
    if (!a && container->pod_name) {
        const char *ip;

        SSET_FOR_EACH (ip, &container->ips) {
            a = choose(a, find_by_key(&index->attachments_by_ip, ip, network,
                                      NULL, container));
        }
    }
    return a;
}
