/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/reconcile.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "lib/bastion-idl.h"
#include "manager/desired.h"
#include "manager/reconcile-index.h"
#include "openvswitch/compiler.h"
#include "ovsdb-idl.h"
#include "smap.h"
#include "util.h"

#define MAX_IDENTITY 16777215
#define MAX_NETWORK_KEY 1535
#define MAX_NAME_LENGTH 255
#define MAX_SUBNETS 16
#define MAX_GATEWAYS 16
#define MAX_IPS 64

/* Keeps transactions small enough not to stop the server for long. */
#define MAX_CHANGES_PER_TXN 2000

/* Where bastion-cni puts containers of which it knows no service. */
#define UNASSIGNED "unassigned"

struct reconciler {
    struct ovsdb_idl_txn *txn;
    const struct bsrec_bastion *root;
    const char *owner;
    const struct desired *desired;
    struct reconcile_index index;
    struct sset placed;         /* Places of containers in 'desired'. */
    struct reconcile_result *result;
};

static void write_networks(struct reconciler *);
static void write_services(struct reconciler *);
static void write_containers(struct reconciler *);
static void write_dependencies(struct reconciler *);
static void delete_containers(struct reconciler *);
static void delete_dependencies(struct reconciler *);
static void delete_services(struct reconciler *, struct ovsdb_idl *);
static void delete_networks(struct reconciler *, struct ovsdb_idl *);

void
reconcile(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
          const struct bsrec_bastion *root, const char *owner,
          const struct desired *desired, struct reconcile_result *result)
{
    struct reconciler r = {
        .txn = txn,
        .root = root,
        .owner = owner,
        .desired = desired,
        .placed = SSET_INITIALIZER(&r.placed),
        .result = result
    };

    *result = (struct reconcile_result) { .complete = true };
    reconcile_index_init(&r.index, idl, owner);

    /* What goes, goes first: a new container may have the interface of one
     * that is gone.  A service goes when nothing is in it any more. */
    delete_dependencies(&r);
    delete_containers(&r);
    write_networks(&r);
    write_services(&r);
    write_containers(&r);
    write_dependencies(&r);
    if (result->complete) {
        delete_services(&r, idl);
    }
    if (result->complete) {
        delete_networks(&r, idl);
    }
    reconcile_index_destroy(&r.index);
    sset_destroy(&r.placed);
}

/* Only bastion-cni's rows have an owner and no key. */
void
reconcile_get_owners(struct ovsdb_idl *idl, struct sset *owners)
{
    const struct bsrec_dependency *dependency;
    const struct bsrec_container *container;
    const struct bsrec_service *service;
    const struct bsrec_network *network;

#define ADD_OWNER(ROW)                                                  \
    if (smap_get(&(ROW)->external_ids, ROW_KEY)                         \
        && smap_get(&(ROW)->external_ids, OWNER_KEY)) {                 \
        sset_add(owners, smap_get(&(ROW)->external_ids, OWNER_KEY));    \
    }

    BSREC_NETWORK_FOR_EACH (network, idl) {
        ADD_OWNER(network);
    }
    BSREC_SERVICE_FOR_EACH (service, idl) {
        ADD_OWNER(service);
    }
    BSREC_CONTAINER_FOR_EACH (container, idl) {
        ADD_OWNER(container);
    }
    BSREC_DEPENDENCY_FOR_EACH (dependency, idl) {
        ADD_OWNER(dependency);
    }
#undef ADD_OWNER
}

void
reconcile_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &bsrec_network_col_name, &bsrec_network_col_key,
        &bsrec_network_col_subnets, &bsrec_network_col_gateways,
        &bsrec_network_col_bridge, &bsrec_network_col_external_ids,
        &bsrec_service_col_name, &bsrec_service_col_network,
        &bsrec_service_col_identity, &bsrec_service_col_isolate,
        &bsrec_service_col_external_ids,
        &bsrec_container_col_name, &bsrec_container_col_service,
        &bsrec_container_col_interface, &bsrec_container_col_node,
        &bsrec_container_col_mac, &bsrec_container_col_ips,
        &bsrec_container_col_external_ids,
        &bsrec_dependency_col_direction,
        &bsrec_dependency_col_source_services,
        &bsrec_dependency_col_source_cidrs,
        &bsrec_dependency_col_source_special,
        &bsrec_dependency_col_destination_services,
        &bsrec_dependency_col_destination_cidrs,
        &bsrec_dependency_col_destination_special,
        &bsrec_dependency_col_policies,
        &bsrec_dependency_col_external_ids,
        &bsrec_cidr_block_col_prefix, &bsrec_cidr_block_col_except,
        &bsrec_attachment_col_node, &bsrec_attachment_col_interface,
        &bsrec_attachment_col_bridge, &bsrec_attachment_col_container_id,
        &bsrec_attachment_col_pod_namespace, &bsrec_attachment_col_pod_name,
        &bsrec_attachment_col_mac, &bsrec_attachment_col_ips,
    };

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }
}

/* Common to all rows. */

/* Returns false if the transaction is full: then there will be another. */
static bool
may_write(struct reconciler *r)
{
    if (r->result->n_changes >= MAX_CHANGES_PER_TXN) {
        r->result->complete = false;
    }
    return r->result->complete;
}

static void OVS_PRINTF_FORMAT(2, 3)
report(struct reconciler *r, const char *format, ...)
{
    if (!r->result->problem) {
        va_list args;

        va_start(args, format);
        r->result->problem = xvasprintf(format, args);
        va_end(args);
    }
}

static void
make_ids(const struct reconciler *r, const char *key, struct smap *ids)
{
    smap_init(ids);
    smap_add(ids, OWNER_KEY, r->owner);
    smap_add(ids, ROW_KEY, key);
}

static bool
same_texts(char **texts, size_t n, const struct sset *expected)
{
    bool same = n == sset_count(expected);

    for (size_t i = 0; i < n && same; i++) {
        same = sset_contains(expected, texts[i]);
    }
    return same;
}

/* Splits "NETWORK/NAME".  The caller must free() '*network'. */
static const char *
split_name(const char *full_name, char **network)
{
    size_t length = strcspn(full_name, "/");

    *network = xmemdup0(full_name, length);
    return full_name + length + (full_name[length] == '/');
}

static bool
is_name(struct reconciler *r, const char *name)
{
    if (!name[0] || strlen(name) > MAX_NAME_LENGTH) {
        report(r, "%.20s...: not a name", name);
        return false;
    }
    return true;
}

/* Networks. */

static int64_t
allocate_network_key(struct reconciler *r)
{
    int64_t key = r->root->next_network_key;

    for (;; key++) {
        char *text = xasprintf("%"PRId64, key);
        bool added = sset_add(&r->index.network_keys, text) != NULL;

        free(text);
        if (added) {
            break;
        }
    }
    if (key > MAX_NETWORK_KEY) {
        report(r, "network keys are used up");
        return 0;
    }
    bsrec_bastion_set_next_network_key(r->root, key + 1);
    return key;
}

static void
set_texts(void (*set)(const struct bsrec_network *, const char **, size_t),
          const struct bsrec_network *row, const struct sset *texts)
{
    const char **array = sset_sort(texts);

    set(row, array, sset_count(texts));
    free(array);
}

static void
write_network(struct reconciler *r, const char *name,
              const struct desired_network *desired)
{
    const struct bsrec_network *row = shash_find_data(&r->index.networks,
                                                      name);
    size_t n_subnets = sset_count(&desired->subnets);

    if (row && !reconcile_is_owner(&row->external_ids, r->owner)) {
        return;
    }
    if (!n_subnets || n_subnets > MAX_SUBNETS
        || sset_count(&desired->gateways) > MAX_GATEWAYS) {
        report(r, "network %s: number of subnets or gateways is not supported",
               name);
        return;
    }

    if (!row) {
        int64_t key = is_name(r, name) ? allocate_network_key(r) : 0;
        struct smap ids;

        if (!key) {
            return;
        }
        make_ids(r, name, &ids);
        row = bsrec_network_insert(r->txn);
        bsrec_network_set_name(row, name);
        bsrec_network_set_key(row, key);
        bsrec_network_set_external_ids(row, &ids);
        smap_destroy(&ids);
        shash_add(&r->index.networks, name, row);
    } else if (same_texts(row->subnets, row->n_subnets, &desired->subnets)
               && same_texts(row->gateways, row->n_gateways,
                             &desired->gateways)
               && !strcmp(row->bridge, desired->bridge)) {
        return;
    }
    set_texts(bsrec_network_set_subnets, row, &desired->subnets);
    set_texts(bsrec_network_set_gateways, row, &desired->gateways);
    bsrec_network_set_bridge(row, desired->bridge);
    r->result->n_changes++;
}

static void
write_networks(struct reconciler *r)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &r->desired->networks) {
        if (!may_write(r)) {
            break;
        }
        write_network(r, node->name, node->data);
    }
}

/* A network stays while somebody else has a service in it. */
static void
delete_networks(struct reconciler *r, struct ovsdb_idl *idl)
{
    const struct bsrec_network *network;

    BSREC_NETWORK_FOR_EACH_SAFE (network, idl) {
        const struct bsrec_service *service;
        bool in_use = false;

        if (!reconcile_is_owner(&network->external_ids, r->owner)
            || shash_find(&r->desired->networks, network->name)) {
            continue;
        }
        BSREC_SERVICE_FOR_EACH (service, idl) {
            in_use = in_use || service->network == network;
        }
        if (!in_use) {
            bsrec_network_delete(network);
            r->result->n_changes++;
        }
    }
}

/* Services. */

static int64_t
allocate_identity(struct reconciler *r)
{
    int64_t identity = r->root->next_identity;

    for (;; identity++) {
        char *text = xasprintf("%"PRId64, identity);
        bool added = sset_add(&r->index.identities, text) != NULL;

        free(text);
        if (added) {
            break;
        }
    }
    if (identity > MAX_IDENTITY) {
        report(r, "identities are used up");
        return 0;
    }
    bsrec_bastion_set_next_identity(r->root, identity + 1);
    return identity;
}

static const struct bsrec_service *
insert_service(struct reconciler *r, const char *full_name,
               const char *isolate)
{
    const struct bsrec_service *row = NULL;
    const struct bsrec_network *network;
    char *network_name;
    const char *name = split_name(full_name, &network_name);

    network = shash_find_data(&r->index.networks, network_name);
    if (!network) {
        report(r, "network %s does not exist", network_name);
    } else if (is_name(r, name)) {
        int64_t identity = allocate_identity(r);

        if (identity) {
            row = bsrec_service_insert(r->txn);
            bsrec_service_set_name(row, name);
            bsrec_service_set_network(row, network);
            bsrec_service_set_identity(row, identity);
            bsrec_service_set_isolate(row, isolate);
            shash_add(&r->index.services, full_name, row);
            r->result->n_changes++;
        }
    }
    free(network_name);
    return row;
}

static const char *
isolate_text(enum desired_isolate isolate)
{
    return (isolate == DESIRED_ISOLATE_BOTH ? "both"
            : isolate == DESIRED_ISOLATE_EGRESS ? "egress"
            : isolate == DESIRED_ISOLATE_INGRESS ? "ingress"
            : "none");
}

static void
write_service(struct reconciler *r, const char *full_name,
              const struct desired_service *desired)
{
    const struct bsrec_service *row = shash_find_data(&r->index.services,
                                                      full_name);
    const char *isolate = isolate_text(desired->isolate);

    if (!row) {
        row = insert_service(r, full_name, isolate);
        if (row) {
            struct smap ids;

            make_ids(r, full_name, &ids);
            bsrec_service_set_external_ids(row, &ids);
            smap_destroy(&ids);
        }
    } else if (reconcile_is_owner(&row->external_ids, r->owner)
               && strcmp(row->isolate, isolate)) {
        bsrec_service_set_isolate(row, isolate);
        r->result->n_changes++;
    }
}

static void
write_services(struct reconciler *r)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &r->desired->services) {
        if (!may_write(r)) {
            break;
        }
        write_service(r, node->name, node->data);
    }
}

/* A service stays while a container of somebody else is in it. */
static void
delete_services(struct reconciler *r, struct ovsdb_idl *idl)
{
    const struct bsrec_container *container;
    const struct bsrec_service *service;
    struct sset in_use = SSET_INITIALIZER(&in_use);

    BSREC_CONTAINER_FOR_EACH (container, idl) {
        sset_add_and_free(&in_use,
                          xasprintf("%s/%s", container->service->network->name,
                                    container->service->name));
    }
    BSREC_SERVICE_FOR_EACH_SAFE (service, idl) {
        if (reconcile_is_owner(&service->external_ids, r->owner)) {
            char *name = xasprintf("%s/%s", service->network->name,
                                   service->name);

            if (!shash_find(&r->desired->services, name)
                && !sset_contains(&in_use, name)) {
                bsrec_service_delete(service);
                r->result->n_changes++;
            }
            free(name);
        }
    }
    sset_destroy(&in_use);
}

/* Containers. */

/* What a row of table Container should have. */
struct placement {
    const struct bsrec_service *service;
    const char *name;
    const char *node;           /* NULL if not known. */
    const char *interface;
    const char *mac;
    struct sset ips;
};

/* Services of the operator and of bastion-cni may be used, those of another
 * platform may not. */
static bool
is_usable_service(const struct reconciler *r,
                  const struct bsrec_service *service)
{
    const char *owner = smap_get(&service->external_ids, OWNER_KEY);

    return (!owner || !strcmp(owner, r->owner)
            || !strcmp(owner, CNI_OWNER));
}

/* Finds out what the row for 'desired', named 'full_name', should have.
 * Returns false if something is not known yet. */
static bool
find_placement(struct reconciler *r, const char *full_name,
               const struct desired_container *desired,
               struct placement *placement)
{
    const struct bsrec_attachment *a;
    char *network_name;
    const char *name = split_name(full_name, &network_name);

    free(network_name);
    placement->service = shash_find_data(&r->index.services,
                                         desired->service);
    if (!placement->service || !is_name(r, name)) {
        return false;
    } else if (!is_usable_service(r, placement->service)) {
        report(r, "%s: service %s is another platform's", full_name,
               desired->service);
        return false;
    }
    placement->name = name;

    a = reconcile_find_attachment(&r->index, placement->service->network,
                                  name, desired);
    if (desired->interface) {
        placement->node = desired->node;
        placement->interface = desired->interface;
    } else if (a) {
        placement->node = a->node;
        placement->interface = a->interface;
    } else {
        return false;
    }

    placement->mac = desired->mac ? desired->mac : a ? a->mac : "";
    sset_clone(&placement->ips, &desired->ips);
    for (size_t i = 0; a && sset_is_empty(&desired->ips) && i < a->n_ips;
         i++) {
        sset_add(&placement->ips, a->ips[i]);
    }
    if (!placement->mac[0] || sset_is_empty(&placement->ips)
        || sset_count(&placement->ips) > MAX_IPS) {
        sset_destroy(&placement->ips);
        return false;
    }
    return true;
}

static bool
same_container(const struct bsrec_container *row, const struct placement *p)
{
    return (row->service == p->service
            && !strcmp(row->name, p->name)
            && !strcmp(row->interface, p->interface)
            && !strcmp(row->node ? row->node : "", p->node ? p->node : "")
            && !strcasecmp(row->mac, p->mac)
            && same_texts(row->ips, row->n_ips, &p->ips));
}

static void
set_container(const struct bsrec_container *row, const struct placement *p)
{
    const char **ips = sset_sort(&p->ips);

    bsrec_container_set_service(row, p->service);
    bsrec_container_set_name(row, p->name);
    bsrec_container_set_interface(row, p->interface);
    bsrec_container_set_node(row, p->node);
    bsrec_container_set_mac(row, p->mac);
    bsrec_container_set_ips(row, ips, sset_count(&p->ips));
    free(ips);
}

/* Two rows for one interface are refused by the database, with all else that
 * is in the transaction. */
static bool
is_taken(struct reconciler *r, const char *full_name,
         const struct bsrec_container *row, const char *place)
{
    const struct bsrec_container *other = shash_find_data(&r->index.places,
                                                          place);

    if (other && other != row) {
        report(r, "%s: another container is behind interface %s", full_name,
               other->interface);
        return true;
    }
    return false;
}

static void
write_own_container(struct reconciler *r, const char *full_name,
                    const struct placement *p, const char *place)
{
    const struct bsrec_container *row = shash_find_data(&r->index.containers,
                                                        full_name);

    if (is_taken(r, full_name, row, place)
        || (row && same_container(row, p))) {
        return;
    }
    if (!row) {
        struct smap ids;

        make_ids(r, full_name, &ids);
        row = bsrec_container_insert(r->txn);
        bsrec_container_set_external_ids(row, &ids);
        smap_destroy(&ids);
    } else {
        char *old_place = reconcile_place(row->node, row->interface);

        shash_find_and_delete(&r->index.places, old_place);
        free(old_place);
    }
    shash_replace(&r->index.places, place, row);
    set_container(row, p);
    r->result->n_changes++;
}

/* Puts 'row', which bastion-cni registered, into 'service', unless somebody
 * else has put it where it is. */
static void
move_container(struct reconciler *r, const char *full_name,
               const struct bsrec_container *row,
               const struct bsrec_service *service)
{
    if (row->service->network != service->network) {
        report(r, "%s: bastion-cni has put it into network %s", full_name,
               row->service->network->name);
    } else if (row->service != service) {
        if (!strcmp(row->service->name, UNASSIGNED)
            || reconcile_is_owner(&row->service->external_ids, r->owner)) {
            bsrec_container_set_service(row, service);
            r->result->n_changes++;
        } else if (smap_get(&row->service->external_ids, ROW_KEY)) {
            report(r, "%s: another platform has put it into service %s",
                   full_name, row->service->name);
        }
    }
}

static void
write_container(struct reconciler *r, const char *full_name,
                const struct desired_container *desired)
{
    struct placement p;

    if (!find_placement(r, full_name, desired, &p)) {
        r->result->n_waiting++;
        return;
    }

    char *place = reconcile_place(p.node, p.interface);
    const struct bsrec_container *cni;

    cni = shash_find_data(&r->index.cni_containers, place);
    if (!sset_add(&r->placed, place)) {
        report(r, "%s: another container is at interface %s, too", full_name,
               p.interface);
    } else if (!cni) {
        write_own_container(r, full_name, &p, place);
    } else {
        move_container(r, full_name, cni, p.service);
    }
    free(place);
    sset_destroy(&p.ips);
}

static void
write_containers(struct reconciler *r)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &r->desired->containers) {
        if (!may_write(r)) {
            break;
        }
        write_container(r, node->name, node->data);
    }
}

/* Moves 'row', which bastion-cni registered and the platform does not know any
 * more, out of the platform's service. */
static void
release_container(struct reconciler *r, const struct bsrec_container *row)
{
    char *name = xasprintf("%s/"UNASSIGNED, row->service->network->name);
    const struct bsrec_service *service;

    service = shash_find_data(&r->index.services, name);
    if (!service) {
        service = insert_service(r, name, "both");
        if (service) {
            const struct smap ids = SMAP_CONST1(&ids, OWNER_KEY, CNI_OWNER);

            bsrec_service_set_external_ids(service, &ids);
        }
    }
    if (service && service != row->service) {
        bsrec_container_set_service(row, service);
        r->result->n_changes++;
    }
    free(name);
}

/* Releases the rows of bastion-cni that 'desired' has no container for. */
static void
release_containers(struct reconciler *r)
{
    struct sset wanted = SSET_INITIALIZER(&wanted);
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &r->desired->containers) {
        struct placement p;

        if (find_placement(r, node->name, node->data, &p)) {
            sset_add_and_free(&wanted, reconcile_place(p.node, p.interface));
            sset_destroy(&p.ips);
        }
    }
    SHASH_FOR_EACH (node, &r->index.cni_containers) {
        const struct bsrec_container *row = node->data;

        if (reconcile_is_owner(&row->service->external_ids, r->owner)
            && !sset_contains(&wanted, node->name)) {
            release_container(r, row);
        }
    }
    sset_destroy(&wanted);
}

static void
delete_containers(struct reconciler *r)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &r->index.containers) {
        const struct bsrec_container *row = node->data;

        if (!shash_find(&r->desired->containers, node->name)) {
            char *place = reconcile_place(row->node, row->interface);

            shash_find_and_delete(&r->index.places, place);
            free(place);
            bsrec_container_delete(row);
            shash_delete(&r->index.containers, node);
            r->result->n_changes++;
        }
    }
    release_containers(r);
}

/* Dependencies. */

/* Returns the rows of those services in 'names' that exist.  The caller must
 * free() them. */
static struct bsrec_service **
find_services(const struct reconciler *r, const struct sset *names,
              size_t *n_services)
{
    struct bsrec_service **services = xmalloc(MAX(sset_count(names), 1)
                                              * sizeof *services);
    const char *name;
    size_t n = 0;

    SSET_FOR_EACH (name, names) {
        struct bsrec_service *service = shash_find_data(&r->index.services,
                                                        name);
        if (service && is_usable_service(r, service)) {
            services[n++] = service;
        }
    }
    *n_services = n;
    return services;
}

static bool
same_services(const struct reconciler *r, struct bsrec_service **services,
              size_t n, const struct sset *names)
{
    size_t n_expected;
    struct bsrec_service **expected = find_services(r, names, &n_expected);
    bool same = n == n_expected;

    for (size_t i = 0; i < n && same; i++) {
        char *name = xasprintf("%s/%s", services[i]->network->name,
                               services[i]->name);

        same = sset_contains(names, name);
        free(name);
    }
    free(expected);
    return same;
}

static bool
same_cidrs(struct bsrec_cidr_block **blocks, size_t n,
           const struct shash *expected)
{
    bool same = n == shash_count(expected);

    for (size_t i = 0; i < n && same; i++) {
        const struct sset *except = shash_find_data(expected,
                                                    blocks[i]->prefix);

        same = except && same_texts(blocks[i]->except, blocks[i]->n_except,
                                    except);
    }
    return same;
}

static void
get_special(const struct desired_peers *peers, struct sset *special)
{
    sset_init(special);
    if (peers->any) {
        sset_add(special, "any");
    }
    if (peers->host) {
        sset_add(special, "host");
    }
    if (peers->world) {
        sset_add(special, "world");
    }
}

static bool
same_special(char **texts, size_t n, const struct desired_peers *peers)
{
    struct sset special;

    get_special(peers, &special);
    bool same = same_texts(texts, n, &special);
    sset_destroy(&special);
    return same;
}

static const char *
direction_text(enum desired_direction direction)
{
    return (direction == DESIRED_EGRESS ? "egress"
            : direction == DESIRED_INGRESS ? "ingress"
            : "both");
}

static bool
same_dependency(const struct reconciler *r,
                const struct bsrec_dependency *row,
                const struct desired_dependency *d)
{
    return (!strcmp(row->direction, direction_text(d->direction))
            && same_texts(row->policies, row->n_policies, &d->policies)
            && same_services(r, row->source_services, row->n_source_services,
                             &d->source.services)
            && same_services(r, row->destination_services,
                             row->n_destination_services,
                             &d->destination.services)
            && same_cidrs(row->source_cidrs, row->n_source_cidrs,
                          &d->source.cidrs)
            && same_cidrs(row->destination_cidrs, row->n_destination_cidrs,
                          &d->destination.cidrs)
            && same_special(row->source_special, row->n_source_special,
                            &d->source)
            && same_special(row->destination_special,
                            row->n_destination_special, &d->destination));
}

static struct bsrec_cidr_block **
insert_cidrs(struct reconciler *r, const struct shash *cidrs)
{
    struct bsrec_cidr_block **blocks = xmalloc(MAX(shash_count(cidrs), 1)
                                               * sizeof *blocks);
    const struct shash_node *node;
    size_t n = 0;

    SHASH_FOR_EACH (node, cidrs) {
        const char **except = sset_sort(node->data);
        struct bsrec_cidr_block *block = bsrec_cidr_block_insert(r->txn);

        bsrec_cidr_block_set_prefix(block, node->name);
        bsrec_cidr_block_set_except(block, except, sset_count(node->data));
        free(except);
        blocks[n++] = block;
    }
    return blocks;
}

/* The setters of one side of a dependency. */
struct side {
    void (*set_services)(const struct bsrec_dependency *,
                         struct bsrec_service **, size_t);
    void (*set_cidrs)(const struct bsrec_dependency *,
                      struct bsrec_cidr_block **, size_t);
    void (*set_special)(const struct bsrec_dependency *, const char **,
                        size_t);
};

static void
set_side(struct reconciler *r, const struct bsrec_dependency *row,
         const struct desired_peers *peers, const struct side *side)
{
    struct sset special;
    size_t n_services;
    struct bsrec_service **services = find_services(r, &peers->services,
                                                    &n_services);
    struct bsrec_cidr_block **blocks = insert_cidrs(r, &peers->cidrs);

    get_special(peers, &special);
    const char **texts = sset_sort(&special);

    side->set_services(row, services, n_services);
    side->set_cidrs(row, blocks, shash_count(&peers->cidrs));
    side->set_special(row, texts, sset_count(&special));
    free(texts);
    sset_destroy(&special);
    free(blocks);
    free(services);
}

static void
set_dependency(struct reconciler *r, const struct bsrec_dependency *row,
               const struct desired_dependency *d)
{
    static const struct side source = {
        bsrec_dependency_set_source_services,
        bsrec_dependency_set_source_cidrs,
        bsrec_dependency_set_source_special,
    };
    static const struct side destination = {
        bsrec_dependency_set_destination_services,
        bsrec_dependency_set_destination_cidrs,
        bsrec_dependency_set_destination_special,
    };
    const char **policies = sset_sort(&d->policies);

    bsrec_dependency_set_direction(row, direction_text(d->direction));
    bsrec_dependency_set_policies(row, policies, sset_count(&d->policies));
    set_side(r, row, &d->source, &source);
    set_side(r, row, &d->destination, &destination);
    free(policies);
}

/* A side that is empty selects nothing, and the controller would call such a
 * row an error. */
static bool
has_peers(const struct reconciler *r, const struct desired_peers *peers)
{
    size_t n_services;

    free(find_services(r, &peers->services, &n_services));
    return (n_services || !shash_is_empty(&peers->cidrs) || peers->any
            || peers->host || peers->world);
}

static bool
opens_something(const struct reconciler *r,
                const struct desired_dependency *d)
{
    return (has_peers(r, &d->source) && has_peers(r, &d->destination)
            && !sset_is_empty(&d->policies));
}

static void
write_dependency(struct reconciler *r, const char *key,
                 const struct desired_dependency *d)
{
    const struct bsrec_dependency *row;

    row = shash_find_data(&r->index.dependencies, key);
    if (!opens_something(r, d)) {
        if (row) {
            bsrec_dependency_delete(row);
            r->result->n_changes++;
        }
    } else if (!row) {
        struct smap ids;

        make_ids(r, key, &ids);
        row = bsrec_dependency_insert(r->txn);
        bsrec_dependency_set_external_ids(row, &ids);
        smap_destroy(&ids);
        set_dependency(r, row, d);
        r->result->n_changes++;
    } else if (!same_dependency(r, row, d)) {
        set_dependency(r, row, d);
        r->result->n_changes++;
    }
}

static void
write_dependencies(struct reconciler *r)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &r->desired->dependencies) {
        if (!may_write(r)) {
            break;
        }
        write_dependency(r, node->name, node->data);
    }
}

static void
delete_dependencies(struct reconciler *r)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &r->index.dependencies) {
        if (!shash_find(&r->desired->dependencies, node->name)) {
            bsrec_dependency_delete(node->data);
            shash_delete(&r->index.dependencies, node);
            r->result->n_changes++;
        }
    }
}
