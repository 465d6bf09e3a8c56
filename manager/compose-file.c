/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/compose-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "manager/docker-model.h"
#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "util.h"

#define MAX_FILE_SIZE (1024 * 1024)

/* Of merge keys ("<<") that lead to mappings with merge keys. */
#define MAX_MERGE_DEPTH 4

#define MAX_SERVICES 1000
#define MAX_ITEMS 1000

static void read_service(yaml_document_t *, const char *project,
                         const char *name, yaml_node_t *,
                         struct docker_model *);

char *
compose_file_read(const char *name, const char *project,
                  struct docker_model *model)
{
    /* A FIFO must not block. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *error = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        error = xasprintf("%s: %s", name, ovs_strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        error = xasprintf("%s: not a regular file", name);
    } else if (st.st_size > MAX_FILE_SIZE) {
        error = xasprintf("%s: larger than %d bytes", name, MAX_FILE_SIZE);
    } else {
        char *text = xmalloc(MAX(st.st_size, 1));
        ssize_t n = read(fd, text, st.st_size);

        error = (n < 0 ? xasprintf("%s: %s", name, ovs_strerror(errno))
                 : compose_file_parse(text, n, project, model));
        free(text);
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

/* Nodes. */

/* Returns the text of 'node', or NULL if it is not a scalar.  libyaml ends it
 * with a NUL byte, and it may have others. */
static const char *
get_scalar(const yaml_node_t *node)
{
    return (node && node->type == YAML_SCALAR_NODE
            && strlen((const char *) node->data.scalar.value)
            == node->data.scalar.length
            ? (const char *) node->data.scalar.value : NULL);
}

static yaml_node_t *
get_member__(yaml_document_t *document, yaml_node_t *map, const char *name,
             int depth)
{
    yaml_node_t *merged = NULL;

    if (!map || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const char *key = get_scalar(yaml_document_get_node(document,
                                                            pair->key));
        yaml_node_t *value = yaml_document_get_node(document, pair->value);

        if (key && !strcmp(key, name)) {
            return value;
        } else if (key && !strcmp(key, "<<") && depth < MAX_MERGE_DEPTH
                   && !merged) {
            merged = get_member__(document, value, name, depth + 1);
        }
    }
    return merged;
}

/* Returns member 'name' of 'map', if that is a mapping and has it, or NULL. */
static yaml_node_t *
get_member(yaml_document_t *document, yaml_node_t *map, const char *name)
{
    return get_member__(document, map, name, 0);
}

/* Adds to 'names' the items of a sequence or the keys of a mapping. */
static void
get_names(yaml_document_t *document, const yaml_node_t *node,
          struct sset *names)
{
    if (node && node->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *item = node->data.sequence.items.start;
             item < node->data.sequence.items.top
             && sset_count(names) < MAX_ITEMS; item++) {
            const char *name = get_scalar(yaml_document_get_node(document,
                                                                 *item));
            if (name) {
                sset_add(names, name);
            }
        }
    } else if (node && node->type == YAML_MAPPING_NODE) {
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
             pair < node->data.mapping.pairs.top
             && sset_count(names) < MAX_ITEMS; pair++) {
            const char *name = get_scalar(yaml_document_get_node(document,
                                                                 pair->key));
            if (name) {
                sset_add(names, name);
            }
        }
    }
}

char *
compose_file_parse(const char *text, size_t size, const char *project,
                   struct docker_model *model)
{
    yaml_document_t document;
    yaml_parser_t parser;

    ovs_assert(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, size);
    if (!yaml_parser_load(&parser, &document)) {
        char *error = xasprintf("not valid YAML, in line %"PRIuSIZE,
                                parser.problem_mark.line + 1);
        yaml_parser_delete(&parser);
        return error;
    }

    yaml_node_t *services = get_member(&document,
                                       yaml_document_get_root_node(&document),
                                       "services");
    if (services && services->type == YAML_MAPPING_NODE) {
        int n = 0;

        for (yaml_node_pair_t *pair = services->data.mapping.pairs.start;
             pair < services->data.mapping.pairs.top && n < MAX_SERVICES;
             pair++, n++) {
            const char *name = get_scalar(yaml_document_get_node(&document,
                                                                 pair->key));
            if (name) {
                read_service(&document, project, name,
                             yaml_document_get_node(&document, pair->value),
                             model);
            }
        }
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return NULL;
}

/* Services. */

static void
read_dependencies(yaml_document_t *document, yaml_node_t *service,
                  struct sset *depends)
{
    struct sset links = SSET_INITIALIZER(&links);
    const char *link;

    get_names(document, get_member(document, service, "depends_on"), depends);
    get_names(document, get_member(document, service, "links"), &links);
    SSET_FOR_EACH (link, &links) {
        /* SERVICE or SERVICE:ALIAS. */
        char *name = xmemdup0(link, strcspn(link, ":"));

        sset_add_and_free(depends, name);
    }
    sset_destroy(&links);
}

/* Adds the policy for "[[HOST:]PORT:]PORT[/PROTOCOL]", as in "ports" and in
 * "expose": the last port is the container's. */
static void
add_port(struct sset *policies, const char *text)
{
    size_t length = strcspn(text, "/");
    const char *protocol = text[length] ? &text[length + 1] : "tcp";
    char *port = xmemdup0(text, length);
    const char *colon = strrchr(port, ':');
    char *policy = docker_port_policy(colon ? colon + 1 : port, protocol);

    if (policy) {
        sset_add_and_free(policies, policy);
    }
    free(port);
}

/* The long form of an item of "ports" is a mapping. */
static void
read_long_ports(yaml_document_t *document, const yaml_node_t *ports,
                struct sset *policies)
{
    if (!ports || ports->type != YAML_SEQUENCE_NODE) {
        return;
    }
    for (yaml_node_item_t *item = ports->data.sequence.items.start;
         item < ports->data.sequence.items.top
         && sset_count(policies) < MAX_ITEMS; item++) {
        yaml_node_t *port = yaml_document_get_node(document, *item);
        const char *target = get_scalar(get_member(document, port, "target"));
        const char *protocol = get_scalar(get_member(document, port,
                                                     "protocol"));
        char *policy = (target
                        ? docker_port_policy(target,
                                             protocol ? protocol : "tcp")
                        : NULL);
        if (policy) {
            sset_add_and_free(policies, policy);
        }
    }
}

static void
read_service(yaml_document_t *document, const char *project, const char *name,
             yaml_node_t *service, struct docker_model *model)
{
    char *key = xasprintf("%s/%s", project, name);
    struct sset *depends = docker_model_add_texts(&model->compose_depends,
                                                  key);
    struct sset *exposes = docker_model_add_texts(&model->compose_exposes,
                                                  key);
    yaml_node_t *ports = get_member(document, service, "ports");
    struct sset texts = SSET_INITIALIZER(&texts);
    const char *text;

    read_dependencies(document, service, depends);
    get_names(document, get_member(document, service, "expose"), &texts);
    if (ports && ports->type == YAML_SEQUENCE_NODE) {
        get_names(document, ports, &texts);
    }
    SSET_FOR_EACH (text, &texts) {
        add_port(exposes, text);
    }
    read_long_ports(document, ports, exposes);
    sset_destroy(&texts);
    free(key);
}
