/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/docker-parse.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "lib/address.h"
#include "manager/docker-model.h"
#include "manager/json-reader.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* As the database's columns are limited; more is not a name or a label. */
#define MAX_TEXT 4096

/* Returns the text at 'path', or NULL if there is none or it is empty. */
static const char *
get_text(struct json_object *object, const char *path)
{
    const char *text = json_get_text(object, path);

    return text && text[0] && strlen(text) <= MAX_TEXT ? text : NULL;
}

/* Adds the address 'text', in its canonical form, if it is one. */
static void
add_ip(struct sset *ips, const char *text)
{
    struct in6_addr ip;
    char *error = text ? ip_address_parse(text, &ip) : xstrdup("");

    if (!error) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ip_address_format(&ip, &s);
        sset_add(ips, ds_cstr(&s));
        ds_destroy(&s);
    }
    free(error);
}

static void
add_subnet(struct sset *subnets, const char *text)
{
    struct ip_prefix prefix;
    char *error = text ? ip_prefix_parse(text, &prefix) : xstrdup("");

    if (!error) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ip_prefix_format(&prefix, &s);
        sset_add(subnets, ds_cstr(&s));
        ds_destroy(&s);
    }
    free(error);
}

static void
parse_network(struct json_object *object, struct docker_model *model)
{
    const char *name = get_text(object, "Name");
    const char *driver = get_text(object, "Driver");
    struct json_object *labels = json_get_map(object, "Labels");
    struct json_object *config = json_get_list(object, "IPAM.Config");
    struct docker_network *network;

    if (!name || !driver || shash_find(&model->networks, name)) {
        return;
    }
    network = docker_model_add_network(model, name);
    network->driver = xstrdup(driver);
    if (labels) {
        struct json_object *project = NULL;

        json_object_object_get_ex(labels, COMPOSE_LABEL_PROJECT, &project);
        network->project = nullable_xstrdup(get_text(project, ""));
    }
    for (size_t i = 0; config && i < json_object_array_length(config); i++) {
        struct json_object *item = json_object_array_get_idx(config, i);

        add_subnet(&network->subnets, json_get_text(item, "Subnet"));
        add_ip(&network->gateways, json_get_text(item, "Gateway"));
    }
}

char *
docker_parse_networks(struct json_object *list, struct docker_model *model)
{
    if (!json_get_list(list, "")) {
        return xstrdup("the list of networks is not a list");
    }
    docker_model_clear_networks(model);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        parse_network(json_object_array_get_idx(list, i), model);
    }
    return NULL;
}

static void
parse_labels(struct json_object *labels, struct smap *map)
{
    if (labels) {
        json_object_object_foreach(labels, key, value) {
            const char *text = json_get_text(value, "");

            if (text && strlen(key) + strlen(text) <= MAX_TEXT) {
                smap_replace(map, key, text);
            }
        }
    }
}

static void
parse_ports(struct json_object *ports, struct docker_container *container)
{
    for (size_t i = 0; ports && i < json_object_array_length(ports); i++) {
        struct json_object *item = json_object_array_get_idx(ports, i);
        const char *protocol = json_get_text(item, "Type");
        int64_t private, public;
        char *text, *policy;

        if (!protocol || !json_get_number(item, "PrivatePort", &private)) {
            continue;
        }
        text = xasprintf("%"PRId64, private);
        policy = docker_port_policy(text, protocol);
        if (policy) {
            sset_add(&container->exposed, policy);
            if (json_get_number(item, "PublicPort", &public) && public) {
                sset_add(&container->published, policy);
            }
        }
        free(policy);
        free(text);
    }
}

static void
parse_endpoint(const char *network, struct json_object *object,
               struct docker_container *container)
{
    const char *mac = json_get_text(object, "MacAddress");
    struct json_object *aliases = json_get_list(object, "Aliases");
    struct docker_endpoint *endpoint;
    struct eth_addr parsed;
    char *error;

    endpoint = docker_container_add_endpoint(container, network);
    error = mac ? mac_parse(mac, &parsed) : xstrdup("");
    if (!error && !endpoint->mac) {
        endpoint->mac = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(parsed));
    }
    free(error);
    add_ip(&endpoint->ips, json_get_text(object, "IPAddress"));
    add_ip(&endpoint->ips, json_get_text(object, "GlobalIPv6Address"));
    for (size_t i = 0; aliases && i < json_object_array_length(aliases);
         i++) {
        const char *alias = get_text(json_object_array_get_idx(aliases, i),
                                     "");
        if (alias) {
            sset_add(&endpoint->aliases, alias);
        }
    }
}

/* A container may have several names, if it is linked to: its own is the one
 * without a second slash. */
static const char *
parse_name(struct json_object *names)
{
    for (size_t i = 0; names && i < json_object_array_length(names); i++) {
        const char *name = get_text(json_object_array_get_idx(names, i), "");

        if (name) {
            name += name[0] == '/';
            if (name[0] && !strchr(name, '/')) {
                return name;
            }
        }
    }
    return NULL;
}

static void
parse_container(struct json_object *object, struct docker_model *model)
{
    const char *id = get_text(object, "Id");
    const char *name = parse_name(json_get_list(object, "Names"));
    const char *mode = json_get_text(object, "HostConfig.NetworkMode");
    struct json_object *networks = json_get_map(object,
                                                "NetworkSettings.Networks");
    struct docker_container *container;

    /* A container in the network namespace of another one is behind that
     * one's interface, and so is that one for all that concerns policy. */
    if (!id || !name || shash_find(&model->containers, id)
        || (mode && !strncmp(mode, "container:", 10))) {
        return;
    }
    container = docker_model_add_container(model, id);
    container->name = xstrdup(name);
    parse_labels(json_get_map(object, "Labels"), &container->labels);
    parse_ports(json_get_list(object, "Ports"), container);
    if (networks) {
        json_object_object_foreach(networks, network, endpoint) {
            if (strlen(network) <= MAX_TEXT) {
                parse_endpoint(network, endpoint, container);
            }
        }
    }
}

char *
docker_parse_containers(struct json_object *list, struct docker_model *model)
{
    if (!json_get_list(list, "")) {
        return xstrdup("the list of containers is not a list");
    }
    docker_model_clear_containers(model);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        parse_container(json_object_array_get_idx(list, i), model);
    }
    return NULL;
}
