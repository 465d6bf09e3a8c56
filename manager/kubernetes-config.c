/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/kubernetes-config.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yaml.h>

#include "smap.h"
#include "util.h"

#define POD_FILES "/var/run/secrets/kubernetes.io/serviceaccount/"

static char *load_kubeconfig(const char *path, const char *context,
                             struct k8s_config *);
static char *load_in_cluster(struct k8s_config *);

char * OVS_WARN_UNUSED_RESULT
k8s_config_load(const char *endpoint, const struct smap *credentials,
                const char *context, struct k8s_config *config)
{
    char *error = NULL;

    *config = (struct k8s_config) { .n_fds = 0 };
    if (!strncmp(endpoint, "kubeconfig:", 11)) {
        error = load_kubeconfig(endpoint + 11, context, config);
    } else if (!strcmp(endpoint, "in-cluster")) {
        error = load_in_cluster(config);
    } else if (!strncmp(endpoint, "https:", 6)
               || !strncmp(endpoint, "http:", 5)) {
        config->server = xstrdup(endpoint);
    } else {
        error = xasprintf("%s: expected https://HOST[:PORT], "
                          "kubeconfig:PATH or in-cluster", endpoint);
    }

    const struct {
        const char *key;
        char **file;
    } files[] = {
        { "ca-cert", &config->ca_file },
        { "certificate", &config->certificate_file },
        { "private-key", &config->key_file },
        { "token", &config->token_file },
    };
    for (size_t i = 0; !error && i < ARRAY_SIZE(files); i++) {
        const char *file = smap_get(credentials, files[i].key);

        if (file) {
            free(*files[i].file);
            *files[i].file = xstrdup(file);
        }
    }
    if (error) {
        k8s_config_destroy(config);
    }
    return error;
}

void
k8s_config_destroy(struct k8s_config *config)
{
    for (size_t i = 0; i < config->n_fds; i++) {
        close(config->fds[i]);
    }
    free(config->server);
    free(config->ca_file);
    free(config->certificate_file);
    free(config->key_file);
    free(config->token_file);
    *config = (struct k8s_config) { .n_fds = 0 };
}

static char *
load_in_cluster(struct k8s_config *config)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");

    if (!host || !port) {
        return xstrdup("in-cluster: KUBERNETES_SERVICE_HOST and "
                       "KUBERNETES_SERVICE_PORT are not in the environment");
    }
    config->server = xasprintf(strchr(host, ':') ? "https://[%s]:%s"
                               : "https://%s:%s", host, port);
    config->ca_file = xstrdup(POD_FILES "ca.crt");
    config->token_file = xstrdup(POD_FILES "token");
    return NULL;
}

/* Makes 'data' readable under a file name and stores that in '*file'. */
static char *
add_copy(struct k8s_config *config, const void *data, size_t size,
         char **file)
{
    int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, data, size);

    ovs_assert(config->n_fds < ARRAY_SIZE(config->fds));
    if (fd >= 0) {
        config->fds[config->n_fds++] = fd;
    }
    if (n < 0 || (size_t) n != size) {
        return xasprintf("memfd_create: %s", ovs_strerror(errno));
    }
    free(*file);
    *file = xasprintf("/proc/self/fd/%d", fd);
    return NULL;
}

static char *
add_base64(struct k8s_config *config, const char *text, char **file)
{
    size_t len = strlen(text);
    unsigned char *data = xmalloc(len / 4 * 3 + 4);
    int n = len % 4 ? -1 : EVP_DecodeBlock(data, (const unsigned char *) text,
                                           len);
    char *error;

    if (n < 0) {
        error = xstrdup("not valid base64");
    } else {
        /* EVP_DecodeBlock() counts the padding, too. */
        n -= len >= 1 && text[len - 1] == '=';
        n -= len >= 2 && text[len - 2] == '=';
        error = add_copy(config, data, n, file);
    }
    OPENSSL_cleanse(data, len / 4 * 3 + 4);
    free(data);
    return error;
}

/* YAML. */

static yaml_node_t *
get_member(yaml_document_t *document, yaml_node_t *map, const char *name)
{
    if (!map || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(document, pair->key);

        if (key && key->type == YAML_SCALAR_NODE
            && !strcmp((char *) key->data.scalar.value, name)) {
            return yaml_document_get_node(document, pair->value);
        }
    }
    return NULL;
}

static const char *
get_text(yaml_document_t *document, yaml_node_t *map, const char *name)
{
    yaml_node_t *value = get_member(document, map, name);

    return (value && value->type == YAML_SCALAR_NODE
            && value->data.scalar.length
            ? (char *) value->data.scalar.value : NULL);
}

/* Returns member 'member' of the element of list 'list' that has 'name', or
 * NULL. */
static yaml_node_t *
find_named(yaml_document_t *document, const char *list, const char *name,
           const char *member)
{
    yaml_node_t *node = get_member(document,
                                   yaml_document_get_root_node(document),
                                   list);

    if (!name || !node || node->type != YAML_SEQUENCE_NODE) {
        return NULL;
    }
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        yaml_node_t *element = yaml_document_get_node(document, *item);
        const char *text = get_text(document, element, "name");

        if (text && !strcmp(text, name)) {
            return get_member(document, element, member);
        }
    }
    return NULL;
}

/* Stores what 'map' has under 'name', the name of a file, or under NAME-data,
 * its contents in base64, in '*file'. */
static char *
get_file(yaml_document_t *document, yaml_node_t *map, const char *name,
         const char *dir, struct k8s_config *config, char **file)
{
    char *data_name = xasprintf("%s-data", name);
    const char *path = get_text(document, map, name);
    const char *data = get_text(document, map, data_name);
    char *error = NULL;

    if (data) {
        error = add_base64(config, data, file);
    } else if (path) {
        *file = (path[0] == '/' ? xstrdup(path)
                 : xasprintf("%s/%s", dir, path));
    }
    free(data_name);
    return error;
}

static char *
get_user(yaml_document_t *document, yaml_node_t *user, const char *dir,
         struct k8s_config *config)
{
    static const char *const unsupported[] = {
        "exec", "auth-provider", "username", "password", "as"
    };
    const char *token = get_text(document, user, "token");
    const char *token_file = get_text(document, user, "tokenFile");
    char *error;

    for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
        if (get_member(document, user, unsupported[i])) {
            return xasprintf("\"%s\" is not supported", unsupported[i]);
        }
    }
    error = get_file(document, user, "client-certificate", dir, config,
                     &config->certificate_file);
    if (!error) {
        error = get_file(document, user, "client-key", dir, config,
                         &config->key_file);
    }
    if (!error && token_file) {
        config->token_file = (token_file[0] == '/' ? xstrdup(token_file)
                              : xasprintf("%s/%s", dir, token_file));
    } else if (!error && token) {
        error = add_copy(config, token, strlen(token), &config->token_file);
    }
    return error;
}

static char *
get_config(yaml_document_t *document, const char *context, const char *dir,
           struct k8s_config *config)
{
    if (!context) {
        context = get_text(document, yaml_document_get_root_node(document),
                           "current-context");
    }

    yaml_node_t *named = find_named(document, "contexts", context, "context");
    yaml_node_t *cluster
        = find_named(document, "clusters",
                     get_text(document, named, "cluster"), "cluster");
    yaml_node_t *user = find_named(document, "users",
                                   get_text(document, named, "user"), "user");
    const char *server = get_text(document, cluster, "server");
    const char *insecure = get_text(document, cluster,
                                    "insecure-skip-tls-verify");

    if (!server) {
        return xasprintf("no context \"%s\" with a cluster and its server",
                         context ? context : "");
    }
    if (insecure && strcmp(insecure, "false")) {
        return xstrdup("\"insecure-skip-tls-verify\" is not supported");
    }
    if (get_text(document, cluster, "tls-server-name")
        || get_text(document, cluster, "proxy-url")) {
        return xstrdup("\"tls-server-name\" and \"proxy-url\" are not "
                       "supported");
    }

    config->server = xstrdup(server);
    char *error = get_file(document, cluster, "certificate-authority", dir,
                           config, &config->ca_file);
    return error ? error : get_user(document, user, dir, config);
}

static char *
load_kubeconfig(const char *path, const char *context,
                struct k8s_config *config)
{
    yaml_parser_t parser;
    yaml_document_t document;
    FILE *stream = fopen(path, "re");
    char *error;

    if (!stream) {
        return xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    ovs_assert(yaml_parser_initialize(&parser));
    yaml_parser_set_input_file(&parser, stream);
    if (yaml_parser_load(&parser, &document)) {
        char *dir = dir_name(path);

        error = get_config(&document, context, dir, config);
        free(dir);
        yaml_document_delete(&document);
    } else {
        error = xstrdup("not valid YAML");
    }
    yaml_parser_delete(&parser);
    fclose(stream);

    if (error) {
        char *reason = error;

        error = xasprintf("%s: %s", path, reason);
        free(reason);
    }
    return error;
}
