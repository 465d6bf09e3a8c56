/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/desired.h"

#include "util.h"

static void desired_network_destroy(struct desired_network *);
static void desired_container_destroy(struct desired_container *);
static void desired_dependency_destroy(struct desired_dependency *);

void
desired_init(struct desired *d)
{
    shash_init(&d->networks);
    shash_init(&d->services);
    shash_init(&d->containers);
    shash_init(&d->dependencies);
}

void
desired_clear(struct desired *d)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &d->networks) {
        desired_network_destroy(node->data);
    }
    SHASH_FOR_EACH (node, &d->containers) {
        desired_container_destroy(node->data);
    }
    SHASH_FOR_EACH (node, &d->dependencies) {
        desired_dependency_destroy(node->data);
    }
    shash_clear(&d->networks);
    shash_clear_free_data(&d->services);
    shash_clear(&d->containers);
    shash_clear(&d->dependencies);
}

void
desired_destroy(struct desired *d)
{
    desired_clear(d);
    shash_destroy(&d->networks);
    shash_destroy(&d->services);
    shash_destroy(&d->containers);
    shash_destroy(&d->dependencies);
}

struct desired_network *
desired_add_network(struct desired *d, const char *name)
{
    struct desired_network *network = shash_find_data(&d->networks, name);

    if (!network) {
        network = xzalloc(sizeof *network);
        sset_init(&network->subnets);
        sset_init(&network->gateways);
        shash_add(&d->networks, name, network);
    }
    return network;
}

struct desired_service *
desired_add_service(struct desired *d, const char *network_and_name)
{
    struct desired_service *service = shash_find_data(&d->services,
                                                      network_and_name);

    if (!service) {
        service = xzalloc(sizeof *service);
        shash_add(&d->services, network_and_name, service);
    }
    return service;
}

struct desired_container *
desired_add_container(struct desired *d, const char *network_and_name)
{
    struct desired_container *container = shash_find_data(&d->containers,
                                                          network_and_name);

    if (!container) {
        container = xzalloc(sizeof *container);
        sset_init(&container->ips);
        shash_add(&d->containers, network_and_name, container);
    }
    return container;
}

static void
desired_peers_init(struct desired_peers *peers)
{
    sset_init(&peers->services);
    shash_init(&peers->cidrs);
}

struct desired_dependency *
desired_add_dependency(struct desired *d, const char *key)
{
    struct desired_dependency *dependency = shash_find_data(&d->dependencies,
                                                            key);

    if (!dependency) {
        dependency = xzalloc(sizeof *dependency);
        desired_peers_init(&dependency->source);
        desired_peers_init(&dependency->destination);
        sset_init(&dependency->policies);
        shash_add(&d->dependencies, key, dependency);
    }
    return dependency;
}

struct sset *
desired_peers_add_cidr(struct desired_peers *peers, const char *prefix)
{
    struct sset *excepts = shash_find_data(&peers->cidrs, prefix);

    if (!excepts) {
        excepts = xmalloc(sizeof *excepts);
        sset_init(excepts);
        shash_add(&peers->cidrs, prefix, excepts);
    }
    return excepts;
}

static void
desired_network_destroy(struct desired_network *network)
{
    sset_destroy(&network->subnets);
    sset_destroy(&network->gateways);
    free(network->bridge);
    free(network);
}

static void
desired_container_destroy(struct desired_container *container)
{
    free(container->service);
    free(container->container_id);
    free(container->pod_namespace);
    free(container->pod_name);
    free(container->node);
    free(container->interface);
    free(container->mac);
    sset_destroy(&container->ips);
    free(container);
}

static void
desired_peers_destroy(struct desired_peers *peers)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &peers->cidrs) {
        sset_destroy(node->data);
    }
    shash_destroy_free_data(&peers->cidrs);
    sset_destroy(&peers->services);
}

static void
desired_dependency_destroy(struct desired_dependency *dependency)
{
    desired_peers_destroy(&dependency->source);
    desired_peers_destroy(&dependency->destination);
    sset_destroy(&dependency->policies);
    free(dependency);
}
