/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/docker-model.h"

#include <inttypes.h>
#include <string.h>

#include "hash.h"
#include "lib/peer.h"
#include "lib/policy.h"
#include "manager/desired.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "util.h"

/* Longest part of a name that is kept if it is not valid as it is. */
#define MAX_KEPT 100

struct derivation {
    const struct docker_model *model;
    const struct docker_options *options;
    struct desired *desired;

    /* "NETWORK/SERVICE" -> struct sset * of policies. */
    struct shash exposed;

    struct sset taken;          /* "NETWORK ADDRESS" that have a container. */
};

/* Life cycle. */

static void
network_destroy(struct docker_network *network)
{
    free(network->driver);
    free(network->project);
    sset_destroy(&network->subnets);
    sset_destroy(&network->gateways);
    free(network);
}

static void
container_destroy(struct docker_container *container)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &container->endpoints) {
        struct docker_endpoint *endpoint = node->data;

        free(endpoint->mac);
        sset_destroy(&endpoint->ips);
        sset_destroy(&endpoint->aliases);
    }
    shash_destroy_free_data(&container->endpoints);
    smap_destroy(&container->labels);
    sset_destroy(&container->exposed);
    sset_destroy(&container->published);
    free(container->id);
    free(container->name);
    free(container);
}

static void
clear_texts(struct shash *map)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, map) {
        sset_destroy(node->data);
    }
    shash_clear_free_data(map);
}

void
docker_model_init(struct docker_model *model)
{
    shash_init(&model->networks);
    shash_init(&model->containers);
    shash_init(&model->compose_depends);
    shash_init(&model->compose_exposes);
}

void
docker_model_destroy(struct docker_model *model)
{
    docker_model_clear_networks(model);
    docker_model_clear_containers(model);
    docker_model_clear_compose(model);
    shash_destroy(&model->networks);
    shash_destroy(&model->containers);
    shash_destroy(&model->compose_depends);
    shash_destroy(&model->compose_exposes);
}

void
docker_model_clear_networks(struct docker_model *model)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->networks) {
        network_destroy(node->data);
    }
    shash_clear(&model->networks);
}

void
docker_model_clear_containers(struct docker_model *model)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->containers) {
        container_destroy(node->data);
    }
    shash_clear(&model->containers);
}

void
docker_model_clear_compose(struct docker_model *model)
{
    clear_texts(&model->compose_depends);
    clear_texts(&model->compose_exposes);
}

struct docker_network *
docker_model_add_network(struct docker_model *model, const char *name)
{
    struct docker_network *network = shash_find_data(&model->networks, name);

    if (!network) {
        network = xzalloc(sizeof *network);
        sset_init(&network->subnets);
        sset_init(&network->gateways);
        shash_add(&model->networks, name, network);
    }
    return network;
}

struct docker_container *
docker_model_add_container(struct docker_model *model, const char *id)
{
    struct docker_container *container = shash_find_data(&model->containers,
                                                         id);

    if (!container) {
        container = xzalloc(sizeof *container);
        container->id = xstrdup(id);
        smap_init(&container->labels);
        shash_init(&container->endpoints);
        sset_init(&container->exposed);
        sset_init(&container->published);
        shash_add(&model->containers, id, container);
    }
    return container;
}

struct docker_endpoint *
docker_container_add_endpoint(struct docker_container *container,
                              const char *network)
{
    struct docker_endpoint *endpoint = shash_find_data(&container->endpoints,
                                                       network);

    if (!endpoint) {
        endpoint = xzalloc(sizeof *endpoint);
        sset_init(&endpoint->ips);
        sset_init(&endpoint->aliases);
        shash_add(&container->endpoints, network, endpoint);
    }
    return endpoint;
}

struct sset *
docker_model_add_texts(struct shash *map, const char *key)
{
    struct sset *texts = shash_find_data(map, key);

    if (!texts) {
        texts = xmalloc(sizeof *texts);
        sset_init(texts);
        shash_add(map, key, texts);
    }
    return texts;
}

char *
docker_port_policy(const char *port, const char *protocol)
{
    char *text = xasprintf("%s:%s", protocol, port);
    struct policy policy;
    char *error = policy_parse(text, &policy);

    if (error || !policy.has_ports) {
        free(error);
        free(text);
        return NULL;
    }
    return text;
}

/* Names. */

/* Returns 'name' if the database takes it, otherwise a name of its own that
 * resembles it.  The caller must free() it. */
static char *
valid_name(const char *name)
{
    char *error = name_check(name);
    struct ds s = DS_EMPTY_INITIALIZER;

    if (!error) {
        return xstrdup(name);
    }
    free(error);

    ds_put_char(&s, '_');
    for (size_t i = 0; name[i] && i < MAX_KEPT; i++) {
        char c = name[i];

        ds_put_char(&s, ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                         || (c >= '0' && c <= '9') || strchr("_.-", c)
                         ? c : '_'));
    }

    /* Two seeds: 64 bits of hash. */
    ds_put_format(&s, "-%08"PRIx32"%08"PRIx32, hash_string(name, 1),
                  hash_string(name, 2));
    return ds_steal_cstr(&s);
}

static const char *
get_project(const struct docker_container *container)
{
    return smap_get(&container->labels, COMPOSE_LABEL_PROJECT);
}

/* The service's name in its project, or that of a container without one. */
static const char *
plain_service(const struct docker_container *container)
{
    const char *name = smap_get(&container->labels, DOCKER_LABEL_SERVICE);

    if (!name && get_project(container)) {
        name = smap_get(&container->labels, COMPOSE_LABEL_SERVICE);
    }
    return name ? name : container->name;
}

/* Returns "NETWORK/SERVICE" for 'service' of 'project' on 'network'.  The
 * caller must free() it. */
static char *
service_in_network(const struct derivation *d, const char *network,
                   const char *project, const char *service)
{
    const struct docker_network *n = shash_find_data(&d->model->networks,
                                                     network);
    const char *network_project = n && !d->options->network ? n->project
                                                            : NULL;
    bool same = nullable_string_is_equal(project, network_project);
    char *plain = (same && !strchr(service, '.') ? xstrdup(service)
                   : xasprintf("%s.%s", project ? project : "_", service));
    char *name = valid_name(plain);
    char *network_name = valid_name(d->options->network ? d->options->network
                                    : network);
    char *full_name = xasprintf("%s/%s", network_name, name);

    free(network_name);
    free(name);
    free(plain);
    return full_name;
}

static char *
service_of(const struct derivation *d, const char *network,
           const struct docker_container *container)
{
    return service_in_network(d, network, get_project(container),
                              plain_service(container));
}

/* What is selected. */

static bool
is_network_selected(const struct derivation *d, const char *name)
{
    const struct docker_network *network = shash_find_data(
        &d->model->networks, name);

    if (!name[0] || !strcmp(name, "host") || !strcmp(name, "none")
        || (network && (!strcmp(network->driver, "host")
                        || !strcmp(network->driver, "null")))) {
        return false;
    }
    if (!sset_is_empty(&d->options->networks)) {
        return sset_contains(&d->options->networks, name);
    }

    /* Docker's default network: its containers find each other by address
     * only and nobody has asked for it. */
    return strcmp(name, "bridge");
}

static bool
is_container_selected(const struct derivation *d,
                      const struct docker_container *container)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &d->options->labels) {
        const char *value = smap_get(&container->labels, node->key);

        if (!value || (node->value[0] && strcmp(value, node->value))) {
            return false;
        }
    }
    return true;
}

/* Podman lists the addresses of a pod's infra container for each member; the
 * one that has them is the one that its aliases name. */
static bool
owns_endpoint(const struct docker_container *container,
              const struct docker_endpoint *endpoint)
{
    const char *alias;
    bool has_id = false;

    SSET_FOR_EACH (alias, &endpoint->aliases) {
        size_t length = strlen(alias);

        if (length == 12 && strspn(alias, "0123456789abcdef") == length) {
            if (!strncmp(container->id, alias, length)) {
                return true;
            }
            has_id = true;
        }
    }
    return !has_id;
}

/* Derivation. */

/* Returns the interface that the label names, if it can be one, or NULL. */
static const char *
get_interface(const struct docker_container *container)
{
    const char *name = smap_get(&container->labels, DOCKER_LABEL_INTERFACE);

    return name && name[0] && strlen(name) <= 255 ? name : NULL;
}

/* A network whose subnets are not known, as one that a CNI plugin makes, is
 * the operator's to add. */
static void
derive_network(struct derivation *d, const char *name)
{
    const struct docker_network *network = shash_find_data(
        &d->model->networks, name);

    if (!network || sset_is_empty(&network->subnets)) {
        return;
    }

    char *valid = valid_name(name);
    struct desired_network *desired = desired_add_network(d->desired, valid);

    free(valid);
    if (!desired->bridge) {
        const char *text;

        desired->bridge = xstrdup(d->options->bridge);
        SSET_FOR_EACH (text, &network->subnets) {
            sset_add(&desired->subnets, text);
        }
        SSET_FOR_EACH (text, &network->gateways) {
            sset_add(&desired->gateways, text);
        }
    }
}

static void
add_all(struct sset *to, const struct sset *from)
{
    const char *text;

    if (from) {
        SSET_FOR_EACH (text, from) {
            sset_add(to, text);
        }
    }
}

/* Adds the policies of 'list', as "tcp:80,udp:53", that make sense. */
static void
add_policy_list(struct sset *policies, const char *list)
{
    char *copy = xstrdup(list ? list : "");
    char *save_ptr = NULL;

    for (char *text = strtok_r(copy, ", ", &save_ptr); text;
         text = strtok_r(NULL, ", ", &save_ptr)) {
        struct policy policy;
        char *error = policy_parse(text, &policy);

        if (!error) {
            sset_add(policies, text);
        }
        free(error);
    }
    free(copy);
}

static void
note_exposed(struct derivation *d, const char *service,
             const struct docker_container *container)
{
    struct sset *policies = docker_model_add_texts(&d->exposed, service);
    const char *project = get_project(container);

    add_all(policies, &container->exposed);
    add_policy_list(policies,
                    smap_get(&container->labels, DOCKER_LABEL_EXPOSE));
    if (project) {
        char *key = xasprintf("%s/%s", project, plain_service(container));

        add_all(policies, shash_find_data(&d->model->compose_exposes, key));
        free(key);
    }
}

static void
open_to_world(struct derivation *d, const char *service,
              const struct docker_container *container)
{
    if (d->options->publish && !sset_is_empty(&container->published)) {
        char *key = xasprintf("published %s", service);
        struct desired_dependency *dependency;

        dependency = desired_add_dependency(d->desired, key);
        dependency->source.world = true;
        sset_add(&dependency->destination.services, service);
        add_all(&dependency->policies, &container->published);
        free(key);
    }
}

/* Returns false if another container has one of the addresses already. */
static bool
take_addresses(struct derivation *d, const char *network,
               const struct docker_endpoint *endpoint)
{
    bool all_free = true;
    const char *ip;

    SSET_FOR_EACH (ip, &endpoint->ips) {
        char *text = xasprintf("%s %s", network, ip);

        all_free = sset_add(&d->taken, text) && all_free;
        free(text);
    }
    return all_free;
}

static void
derive_container(struct derivation *d,
                 const struct docker_container *container,
                 const char *service, const struct docker_endpoint *endpoint)
{
    char *name = valid_name(container->name);
    char *full_name = xasprintf("%.*s/%s", (int) strcspn(service, "/"),
                                service, name);
    struct desired_container *desired;

    desired = desired_add_container(d->desired, full_name);
    if (!desired->service) {
        desired->service = xstrdup(service);
        desired->container_id = xstrdup(container->id);
        desired->mac = nullable_xstrdup(endpoint->mac);
        desired->interface = nullable_xstrdup(get_interface(container));
        desired->node = (desired->interface
                         ? nullable_xstrdup(d->options->node) : NULL);
        add_all(&desired->ips, &endpoint->ips);
    }
    free(full_name);
    free(name);
}

/* A container that is stopped has no address.  Its service stays, so that its
 * identity is the same when it starts again. */
static void
derive_endpoint(struct derivation *d,
                const struct docker_container *container,
                const char *network, const struct docker_endpoint *endpoint)
{
    char *service;

    if (!is_network_selected(d, network)
        || !owns_endpoint(container, endpoint)
        || !take_addresses(d, network, endpoint)) {
        return;
    }
    if (!d->options->network) {
        derive_network(d, network);
    }
    service = service_of(d, network, container);
    desired_add_service(d->desired, service)->isolate = DESIRED_ISOLATE_BOTH;
    if (!sset_is_empty(&endpoint->ips)) {
        derive_container(d, container, service, endpoint);
    }
    note_exposed(d, service, container);
    open_to_world(d, service, container);
    free(service);
}

static void
depend(struct derivation *d, const char *source, const char *destination,
       const char *policy)
{
    if (!shash_find(&d->desired->services, destination)) {
        return;
    }

    char *key = xasprintf("depends %s -> %s", source, destination);
    struct desired_dependency *dependency;
    const struct sset *exposed = shash_find_data(&d->exposed, destination);

    dependency = desired_add_dependency(d->desired, key);
    sset_add(&dependency->source.services, source);
    sset_add(&dependency->destination.services, destination);
    if (policy) {
        sset_add(&dependency->policies, policy);
    } else if (exposed && !sset_is_empty(exposed)) {
        add_all(&dependency->policies, exposed);
    } else {
        sset_add(&dependency->policies, "any");
    }
    free(key);
}

/* Makes 'source' depend on the world or the host. */
static void
depend_on_special(struct derivation *d, const char *source, const char *name,
                  const char *policy)
{
    char *key = xasprintf("depends %s -> %s", source, name);
    struct desired_dependency *dependency;

    dependency = desired_add_dependency(d->desired, key);
    sset_add(&dependency->source.services, source);
    dependency->destination.world = !strcmp(name, "world");
    dependency->destination.host = !strcmp(name, "host");
    sset_add(&dependency->policies, policy ? policy : "any");
    free(key);
}

/* Handles one of the items of label "bastion.depends-on": TARGET[:POLICY]. */
static void
depend_on_item(struct derivation *d, const char *network,
               const struct docker_container *container, const char *source,
               char *item)
{
    char *policy = strchr(item, ':');
    struct policy parsed;

    if (policy) {
        *policy++ = '\0';

        char *error = policy_parse(policy, &parsed);
        if (error) {
            free(error);
            return;
        }
    }
    if (!strcmp(item, "world") || !strcmp(item, "host")) {
        depend_on_special(d, source, item, policy);
        return;
    }

    char *target = service_in_network(d, network, get_project(container),
                                      item);
    if (!shash_find(&d->desired->services, target)) {
        /* Perhaps a full name, as "shop.db", of another project. */
        char *valid = valid_name(item);
        free(target);
        target = xasprintf("%.*s/%s", (int) strcspn(source, "/"), source,
                           valid);
        free(valid);
    }
    depend(d, source, target, policy);
    free(target);
}

static void
derive_dependencies(struct derivation *d,
                    const struct docker_container *container,
                    const char *network)
{
    char *source = service_of(d, network, container);
    const char *project = get_project(container);
    char *save_ptr = NULL;

    if (!shash_find(&d->desired->services, source)) {
        free(source);
        return;
    }

    char *list = xstrdup(smap_get_def(&container->labels,
                                      DOCKER_LABEL_DEPENDS_ON, ""));
    for (char *item = strtok_r(list, ", ", &save_ptr); item;
         item = strtok_r(NULL, ", ", &save_ptr)) {
        depend_on_item(d, network, container, source, item);
    }
    free(list);

    const char *compose_service = smap_get(&container->labels,
                                           COMPOSE_LABEL_SERVICE);
    if (project && compose_service) {
        char *key = xasprintf("%s/%s", project, compose_service);
        const struct sset *targets = shash_find_data(
            &d->model->compose_depends, key);
        const char *name;

        if (targets) {
            SSET_FOR_EACH (name, targets) {
                char *target = service_in_network(d, network, project, name);

                depend(d, source, target, NULL);
                free(target);
            }
        }
        free(key);
    }
    free(source);
}

/* Opens every service to all of its network: as a whole, or what it exposes.
 */
static void
derive_implicit(struct derivation *d)
{
    bool exposed_only = d->options->implicit == DOCKER_IMPLICIT_EXPOSED;
    const struct shash_node *node, *other;

    if (d->options->implicit == DOCKER_IMPLICIT_NONE) {
        return;
    }
    SHASH_FOR_EACH (node, &d->desired->services) {
        size_t length = strcspn(node->name, "/");
        const struct sset *exposed = shash_find_data(&d->exposed, node->name);
        struct desired_dependency *dependency;
        char *key;

        if (exposed_only && (!exposed || sset_is_empty(exposed))) {
            continue;
        }
        key = (exposed_only ? xasprintf("implicit %s", node->name)
               : xasprintf("implicit %.*s", (int) length, node->name));
        dependency = desired_add_dependency(d->desired, key);
        free(key);
        sset_add(&dependency->destination.services, node->name);
        if (exposed_only) {
            add_all(&dependency->policies, exposed);
        } else {
            sset_add(&dependency->policies, "any");
        }
        SHASH_FOR_EACH (other, &d->desired->services) {
            if (!strncmp(other->name, node->name, length + 1)) {
                sset_add(&dependency->source.services, other->name);
            }
        }
    }
}

void
docker_model_get_desired(const struct docker_model *model,
                         const struct docker_options *options,
                         struct desired *desired)
{
    struct derivation d = {
        .model = model,
        .options = options,
        .desired = desired,
        .exposed = SHASH_INITIALIZER(&d.exposed),
        .taken = SSET_INITIALIZER(&d.taken)
    };
    const struct shash_node **nodes = shash_sort(&model->containers);
    size_t n = shash_count(&model->containers);

    for (size_t i = 0; i < n; i++) {
        const struct docker_container *container = nodes[i]->data;
        const struct shash_node *node;

        if (is_container_selected(&d, container)) {
            SHASH_FOR_EACH (node, &container->endpoints) {
                derive_endpoint(&d, container, node->name, node->data);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        const struct docker_container *container = nodes[i]->data;
        const struct shash_node *node;

        SHASH_FOR_EACH (node, &container->endpoints) {
            derive_dependencies(&d, container, node->name);
        }
    }
    derive_implicit(&d);
    free(nodes);
    clear_texts(&d.exposed);
    shash_destroy(&d.exposed);
    sset_destroy(&d.taken);
}
