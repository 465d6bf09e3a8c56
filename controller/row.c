/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/row.h"

#include <string.h>

#include "lib/bastion-idl.h"
#include "smap.h"
#include "util.h"
#include "uuid.h"

static struct row *
row_create(enum row_kind kind, const struct uuid *uuid, const char *status)
{
    struct row *row = xzalloc(sizeof *row);

    row->kind = kind;
    row->uuid = *uuid;
    ovs_list_init(&row->list_node);
    ovs_list_init(&row->status_node);
    row->senior = status && !strcmp(status, "active");
    return row;
}

static void
svec_from_array(struct svec *svec, char **strings, size_t n)
{
    svec_init(svec);
    for (size_t i = 0; i < n; i++) {
        svec_add(svec, strings[i]);
    }
    svec_sort(svec);
}

struct row *
row_from_network(const struct bsrec_network *rec)
{
    struct row *row = row_create(ROW_NETWORK, &rec->header_.uuid, rec->status);
    struct row_network *network = &row->network;

    network->name = xstrdup(rec->name);
    network->key = rec->key;
    svec_from_array(&network->subnets, rec->subnets, rec->n_subnets);
    network->bridge = xstrdup(rec->bridge);
    svec_from_array(&network->gateways, rec->gateways, rec->n_gateways);
    network->gateway_mac = nullable_xstrdup(rec->gateway_mac);
    network->gateway_port = nullable_xstrdup(rec->gateway_port);
    svec_from_array(&network->dhcp_servers, rec->dhcp_servers,
                    rec->n_dhcp_servers);
    network->enforcement = nullable_xstrdup(rec->enforcement);
    network->fast_path = smap_get_bool(&rec->other_config, "fast-path", true);
    return row;
}

struct row *
row_from_service(const struct bsrec_service *rec)
{
    struct row *row = row_create(ROW_SERVICE, &rec->header_.uuid, rec->status);
    struct row_service *service = &row->service;

    service->name = xstrdup(rec->name);
    if (rec->network) {
        service->network = rec->network->header_.uuid;
    }
    service->identity = rec->identity;
    service->isolate = xstrdup(rec->isolate);
    return row;
}

struct row *
row_from_container(const struct bsrec_container *rec)
{
    struct row *row = row_create(ROW_CONTAINER, &rec->header_.uuid,
                                 rec->status);
    struct row_container *container = &row->container;

    container->name = xstrdup(rec->name);
    if (rec->service) {
        container->service = rec->service->header_.uuid;
    }
    container->interface = xstrdup(rec->interface);
    container->node = nullable_xstrdup(rec->node);
    container->mac = xstrdup(rec->mac);
    svec_from_array(&container->ips, rec->ips, rec->n_ips);
    container->fast_path = smap_get_bool(&rec->options, "fast-path", true);
    return row;
}

static int
compare_uuids(const void *a, const void *b)
{
    return uuid_compare_3way(a, b);
}

static int
compare_cidrs(const void *a_, const void *b_)
{
    const struct row_cidr *a = a_;
    const struct row_cidr *b = b_;

    return strcmp(a->prefix, b->prefix);
}

static void
row_peers_init(struct row_peers *peers,
               struct bsrec_service **services, size_t n_services,
               struct bsrec_cidr_block **cidrs, size_t n_cidrs,
               char **special, size_t n_special)
{
    peers->services = xcalloc(n_services, sizeof *peers->services);
    peers->n_services = n_services;
    for (size_t i = 0; i < n_services; i++) {
        peers->services[i] = services[i]->header_.uuid;
    }
    if (n_services) {
        qsort(peers->services, n_services, sizeof *peers->services,
              compare_uuids);
    }

    peers->cidrs = xcalloc(n_cidrs, sizeof *peers->cidrs);
    peers->n_cidrs = n_cidrs;
    for (size_t i = 0; i < n_cidrs; i++) {
        peers->cidrs[i].prefix = xstrdup(cidrs[i]->prefix);
        svec_from_array(&peers->cidrs[i].except, cidrs[i]->except,
                        cidrs[i]->n_except);
    }
    if (n_cidrs) {
        qsort(peers->cidrs, n_cidrs, sizeof *peers->cidrs, compare_cidrs);
    }

    svec_from_array(&peers->special, special, n_special);
}

struct row *
row_from_dependency(const struct bsrec_dependency *rec)
{
    struct row *row = row_create(ROW_DEPENDENCY, &rec->header_.uuid,
                                 rec->status);
    struct row_dependency *dependency = &row->dependency;

    dependency->direction = xstrdup(rec->direction);
    row_peers_init(&dependency->sources,
                   rec->source_services, rec->n_source_services,
                   rec->source_cidrs, rec->n_source_cidrs,
                   rec->source_special, rec->n_source_special);
    row_peers_init(&dependency->destinations,
                   rec->destination_services, rec->n_destination_services,
                   rec->destination_cidrs, rec->n_destination_cidrs,
                   rec->destination_special, rec->n_destination_special);
    svec_from_array(&dependency->policies, rec->policies, rec->n_policies);
    return row;
}

static void
row_peers_clone(struct row_peers *dst, const struct row_peers *src)
{
    dst->services = xmemdup(src->services,
                            src->n_services * sizeof *src->services);
    dst->n_services = src->n_services;
    dst->cidrs = xcalloc(src->n_cidrs, sizeof *dst->cidrs);
    dst->n_cidrs = src->n_cidrs;
    for (size_t i = 0; i < src->n_cidrs; i++) {
        dst->cidrs[i].prefix = xstrdup(src->cidrs[i].prefix);
        svec_clone(&dst->cidrs[i].except, &src->cidrs[i].except);
    }
    svec_clone(&dst->special, &src->special);
}

/* Returns a copy of the columns of 'row', which is senior if 'row' is
 * accepted. */
struct row *
row_clone(const struct row *row)
{
    struct row *new = row_create(row->kind, &row->uuid, NULL);

    new->senior = row->accepted;
    switch (row->kind) {
    case ROW_NETWORK:
        new->network.name = xstrdup(row->network.name);
        new->network.key = row->network.key;
        svec_clone(&new->network.subnets, &row->network.subnets);
        new->network.bridge = xstrdup(row->network.bridge);
        svec_clone(&new->network.gateways, &row->network.gateways);
        new->network.gateway_mac = nullable_xstrdup(row->network.gateway_mac);
        new->network.gateway_port
            = nullable_xstrdup(row->network.gateway_port);
        svec_clone(&new->network.dhcp_servers, &row->network.dhcp_servers);
        new->network.enforcement = nullable_xstrdup(row->network.enforcement);
        new->network.fast_path = row->network.fast_path;
        break;

    case ROW_SERVICE:
        new->service = row->service;
        new->service.name = xstrdup(row->service.name);
        new->service.isolate = xstrdup(row->service.isolate);
        break;

    case ROW_CONTAINER:
        new->container.name = xstrdup(row->container.name);
        new->container.service = row->container.service;
        new->container.interface = xstrdup(row->container.interface);
        new->container.node = nullable_xstrdup(row->container.node);
        new->container.mac = xstrdup(row->container.mac);
        svec_clone(&new->container.ips, &row->container.ips);
        new->container.fast_path = row->container.fast_path;
        break;

    case ROW_DEPENDENCY:
        new->dependency.direction = xstrdup(row->dependency.direction);
        row_peers_clone(&new->dependency.sources, &row->dependency.sources);
        row_peers_clone(&new->dependency.destinations,
                        &row->dependency.destinations);
        svec_clone(&new->dependency.policies, &row->dependency.policies);
        break;

    case ROW_N_KINDS:
        OVS_NOT_REACHED();
    }
    return new;
}

static void
row_peers_destroy(struct row_peers *peers)
{
    free(peers->services);
    for (size_t i = 0; i < peers->n_cidrs; i++) {
        free(peers->cidrs[i].prefix);
        svec_destroy(&peers->cidrs[i].except);
    }
    free(peers->cidrs);
    svec_destroy(&peers->special);
}

void
row_destroy(struct row *row)
{
    if (!row) {
        return;
    }

    switch (row->kind) {
    case ROW_NETWORK:
        free(row->network.name);
        svec_destroy(&row->network.subnets);
        free(row->network.bridge);
        svec_destroy(&row->network.gateways);
        free(row->network.gateway_mac);
        free(row->network.gateway_port);
        svec_destroy(&row->network.dhcp_servers);
        free(row->network.enforcement);
        break;

    case ROW_SERVICE:
        free(row->service.name);
        free(row->service.isolate);
        break;

    case ROW_CONTAINER:
        free(row->container.name);
        free(row->container.interface);
        free(row->container.node);
        free(row->container.mac);
        svec_destroy(&row->container.ips);
        break;

    case ROW_DEPENDENCY:
        free(row->dependency.direction);
        row_peers_destroy(&row->dependency.sources);
        row_peers_destroy(&row->dependency.destinations);
        svec_destroy(&row->dependency.policies);
        break;

    case ROW_N_KINDS:
        OVS_NOT_REACHED();
    }
    ovs_list_remove(&row->list_node);
    ovs_list_remove(&row->status_node);
    free(row->status);
    free(row);
}

static bool
row_peers_equal(const struct row_peers *a, const struct row_peers *b)
{
    if (a->n_services != b->n_services || a->n_cidrs != b->n_cidrs
        || !svec_equal(&a->special, &b->special)) {
        return false;
    }
    for (size_t i = 0; i < a->n_services; i++) {
        if (!uuid_equals(&a->services[i], &b->services[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < a->n_cidrs; i++) {
        if (strcmp(a->cidrs[i].prefix, b->cidrs[i].prefix)
            || !svec_equal(&a->cidrs[i].except, &b->cidrs[i].except)) {
            return false;
        }
    }
    return true;
}

/* Returns true if nothing that the compiler looks at differs. */
bool
row_columns_equal(const struct row *a, const struct row *b)
{
    if (a->kind != b->kind) {
        return false;
    }

    switch (a->kind) {
    case ROW_NETWORK:
        return (!strcmp(a->network.name, b->network.name)
                && a->network.key == b->network.key
                && svec_equal(&a->network.subnets, &b->network.subnets)
                && !strcmp(a->network.bridge, b->network.bridge)
                && svec_equal(&a->network.gateways, &b->network.gateways)
                && nullable_string_is_equal(a->network.gateway_mac,
                                            b->network.gateway_mac)
                && nullable_string_is_equal(a->network.gateway_port,
                                            b->network.gateway_port)
                && svec_equal(&a->network.dhcp_servers,
                              &b->network.dhcp_servers)
                && nullable_string_is_equal(a->network.enforcement,
                                            b->network.enforcement)
                && a->network.fast_path == b->network.fast_path);

    case ROW_SERVICE:
        return (!strcmp(a->service.name, b->service.name)
                && uuid_equals(&a->service.network, &b->service.network)
                && a->service.identity == b->service.identity
                && !strcmp(a->service.isolate, b->service.isolate));

    case ROW_CONTAINER:
        return (!strcmp(a->container.name, b->container.name)
                && uuid_equals(&a->container.service, &b->container.service)
                && !strcmp(a->container.interface, b->container.interface)
                && nullable_string_is_equal(a->container.node,
                                            b->container.node)
                && !strcmp(a->container.mac, b->container.mac)
                && svec_equal(&a->container.ips, &b->container.ips)
                && a->container.fast_path == b->container.fast_path);

    case ROW_DEPENDENCY:
        return (!strcmp(a->dependency.direction, b->dependency.direction)
                && row_peers_equal(&a->dependency.sources,
                                   &b->dependency.sources)
                && row_peers_equal(&a->dependency.destinations,
                                   &b->dependency.destinations)
                && svec_equal(&a->dependency.policies,
                              &b->dependency.policies));

    case ROW_N_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}
