/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/netconf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cni/cni-error.h"
#include "lib/address.h"
#include "lib/peer.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

const char *const cni_versions[] = {
    "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", NULL
};

#define DEFAULT_SERVICE "unassigned"
#define DEFAULT_STATE_DIR "/var/lib/cni/bastion"
#define DEFAULT_TIMEOUT 10      /* Seconds. */
#define MAX_TIMEOUT 600
#define MIN_MTU 68              /* RFC 791. */
#define MAX_MTU 65535
#define MAX_IFNAME 15           /* IFNAMSIZ - 1. */
#define MAX_NAME 253            /* Of a pod; RFC 1123. */

bool
cni_version_is_at_least(const char *version, const char *least)
{
    bool seen = false;

    for (size_t i = 0; cni_versions[i]; i++) {
        seen |= !strcmp(cni_versions[i], least);
        if (!strcmp(cni_versions[i], version)) {
            return seen;
        }
    }
    return false;
}

/* Environment. */

static const char *
get_variable(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

static bool
parse_command(const char *s, enum cni_command *command)
{
    static const char *const names[] = {
        [CNI_ADD] = "ADD",
        [CNI_CHECK] = "CHECK",
        [CNI_DEL] = "DEL",
        [CNI_GC] = "GC",
        [CNI_STATUS] = "STATUS",
        [CNI_VERSION] = "VERSION",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(s, names[i])) {
            *command = i;
            return true;
        }
    }
    return false;
}

/* "Must start with an alphanumeric character, optionally followed by any
 * combination of alphanumerics, '_', '.' and '-'", says the specification.
 * The limit is that of a file name. */
static bool
is_container_id(const char *s)
{
    return (isalnum((unsigned char) s[0])
            && strlen(s) <= 200
            && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789_.-") == strlen(s));
}

/* As the kernel has it (dev_valid_name()). */
static bool
is_ifname(const char *s)
{
    if (!s[0] || strlen(s) > MAX_IFNAME || !strcmp(s, ".")
        || !strcmp(s, "..")) {
        return false;
    }
    for (; *s; s++) {
        if (*s == '/' || *s == ':' || !isgraph((unsigned char) *s)) {
            return false;
        }
    }
    return true;
}

static struct cni_error *
bad_variable(const char *name, const char *value, const char *expected)
{
    return cni_error_create(CNI_ERR_ENVIRONMENT, "%s: \"%s\" is not %s", name,
                            value, expected);
}

struct cni_error *
cni_request_parse(struct cni_request *request)
{
    const char *command = get_variable("CNI_COMMAND");

    memset(request, 0, sizeof *request);
    if (!parse_command(command, &request->command)) {
        return bad_variable("CNI_COMMAND", command,
                            "ADD, CHECK, DEL, GC, STATUS or VERSION");
    }
    request->container_id = get_variable("CNI_CONTAINERID");
    request->ifname = get_variable("CNI_IFNAME");
    request->netns = get_variable("CNI_NETNS");
    request->args = get_variable("CNI_ARGS");
    request->path = get_variable("CNI_PATH");

    if (request->command > CNI_DEL) {
        return NULL;
    }
    if (!is_container_id(request->container_id)) {
        return bad_variable("CNI_CONTAINERID", request->container_id,
                            "a container's name");
    }
    if (!is_ifname(request->ifname)) {
        return bad_variable("CNI_IFNAME", request->ifname,
                            "an interface's name");
    }
    if (!request->netns[0] && request->command != CNI_DEL) {
        return bad_variable("CNI_NETNS", "", "a network namespace's path");
    }
    return NULL;
}

/* Configuration. */

static const struct json *
get_member(const struct json *object, const char *name)
{
    return (object && object->type == JSON_OBJECT
            ? shash_find_data(json_object(object), name)
            : NULL);
}

static struct cni_error *
bad_key(const char *key, const char *expected)
{
    return cni_error_create(CNI_ERR_CONFIG, "configuration: \"%s\" must be %s",
                            key, expected);
}

/* Stores a copy of string 'key' of 'object' in '*value', if it is there. */
static struct cni_error *
parse_string(const struct json *object, const char *key, char **value)
{
    const struct json *member = get_member(object, key);

    if (!member || member->type == JSON_NULL) {
        return NULL;
    }
    if (member->type != JSON_STRING || !json_string(member)[0]) {
        return bad_key(key, "a string that is not empty");
    }
    free(*value);
    *value = xstrdup(json_string(member));
    return NULL;
}

/* Stores integer 'key' of 'object' in '*value', if it is there. */
static struct cni_error *
parse_integer(const struct json *object, const char *key, int min, int max,
              int *value)
{
    const struct json *member = get_member(object, key);

    if (!member || member->type == JSON_NULL) {
        return NULL;
    }
    if (member->type != JSON_INTEGER || json_integer(member) < min
        || json_integer(member) > max) {
        return cni_error_create(CNI_ERR_CONFIG, "configuration: \"%s\" must "
                                "be an integer from %d to %d", key, min, max);
    }
    *value = json_integer(member);
    return NULL;
}

static struct cni_error *
parse_strings(const struct json *object, struct netconf *conf)
{
    const struct {
        const char *key;
        char **value;
    } strings[] = {
        { "name", &conf->name },
        { "bastion-network", &conf->network },
        { "service", &conf->service },
        { "bridge", &conf->bridge },
        { "bastion-db", &conf->bastion_db },
        { "ovs-db", &conf->ovs_db },
        { "state-dir", &conf->state_dir },
        { "private-key", &conf->private_key },
        { "certificate", &conf->certificate },
        { "ca-cert", &conf->ca_cert },
    };

    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        struct cni_error *error = parse_string(object, strings[i].key,
                                               strings[i].value);
        if (error) {
            return error;
        }
    }
    return NULL;
}

/* "service" is NETWORK/SERVICE, or SERVICE alone. */
static struct cni_error *
split_service(struct netconf *conf)
{
    conf->default_service = !conf->service;
    if (!conf->service) {
        conf->service = xstrdup(DEFAULT_SERVICE);
        return NULL;
    }

    char *slash = strchr(conf->service, '/');
    if (slash) {
        size_t length = slash - conf->service;

        if (conf->network && (strlen(conf->network) != length
                              || memcmp(conf->network, conf->service,
                                        length))) {
            return cni_error_create(CNI_ERR_CONFIG, "configuration: "
                                    "\"service\" is in another network than "
                                    "\"bastion-network\"");
        }
        free(conf->network);
        conf->network = xmemdup0(conf->service, length);

        char *service = xstrdup(slash + 1);
        free(conf->service);
        conf->service = service;
    }
    return NULL;
}

static struct cni_error *
check_names(const struct netconf *conf)
{
    const struct {
        const char *key;
        const char *name;
    } names[] = {
        { conf->default_service ? "bastion-network" : "service",
          conf->network },
        { "service", conf->service },
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *reason = name_check(names[i].name);

        if (reason) {
            struct cni_error *error = cni_error_create(
                CNI_ERR_CONFIG, "configuration: \"%s\": %s", names[i].key,
                reason);
            free(reason);
            return error;
        }
    }
    return NULL;
}

static struct cni_error *
parse_ipam(const struct json *object, struct netconf *conf)
{
    const struct json *ipam = get_member(object, "ipam");

    if (!ipam || ipam->type == JSON_NULL) {
        return NULL;
    }
    if (ipam->type != JSON_OBJECT) {
        return bad_key("ipam", "an object");
    }

    struct cni_error *error = parse_string(ipam, "type", &conf->ipam_type);
    if (!error && conf->ipam_type
        && (strchr(conf->ipam_type, '/') || conf->ipam_type[0] == '.')) {
        /* It is looked up in CNI_PATH and nowhere else. */
        error = bad_key("type", "the name of an IPAM plugin");
    }
    return error;
}

static struct cni_error *
parse_attachments(const struct json *object, struct netconf *conf)
{
    const struct json *list = get_member(object, "cni.dev/valid-attachments");

    if (!list || list->type == JSON_NULL) {
        return NULL;
    }
    if (list->type != JSON_ARRAY) {
        return bad_key("cni.dev/valid-attachments", "an array");
    }
    conf->has_valid_attachments = true;
    for (size_t i = 0; i < json_array(list)->n; i++) {
        const struct json *element = json_array(list)->elems[i];
        const struct json *id = get_member(element, "containerID");
        const struct json *ifname = get_member(element, "ifname");

        if (!id || id->type != JSON_STRING
            || !ifname || ifname->type != JSON_STRING) {
            return bad_key("cni.dev/valid-attachments",
                           "an array of objects with containerID and ifname");
        }
        svec_add_nocopy(&conf->valid_attachments,
                        xasprintf("%s %s", json_string(id),
                                  json_string(ifname)));
    }
    svec_sort(&conf->valid_attachments);
    return NULL;
}

static struct cni_error *
set_mac(struct netconf *conf, const char *s)
{
    char *reason = mac_parse(s, &conf->mac);

    if (reason) {
        struct cni_error *error = cni_error_create(CNI_ERR_CONFIG,
                                                   "MAC address: %s", reason);
        free(reason);
        return error;
    }
    conf->has_mac = true;
    return NULL;
}

/* What the runtime asks for because of "capabilities". */
static struct cni_error *
parse_runtime_config(const struct json *object, struct netconf *conf)
{
    const struct json *mac = get_member(get_member(object, "runtimeConfig"),
                                        "mac");

    if (!mac || mac->type == JSON_NULL) {
        return NULL;
    }
    return (mac->type == JSON_STRING ? set_mac(conf, json_string(mac))
            : bad_key("mac", "a string"));
}

/* Parses CNI_ARGS: pairs KEY=VALUE with semicolons between them. */
static struct cni_error *
parse_args(const char *args, struct netconf *conf)
{
    struct cni_error *error = NULL;
    char *copy = xstrdup(args);
    char *save_ptr = NULL;

    for (char *pair = strtok_r(copy, ";", &save_ptr); pair && !error;
         pair = strtok_r(NULL, ";", &save_ptr)) {
        char *equals = strchr(pair, '=');

        if (!equals) {
            error = bad_variable("CNI_ARGS", args, "a list of KEY=VALUE");
            break;
        }
        *equals = '\0';
        const char *value = equals + 1;
        if (!value[0]) {
            continue;
        } else if (!strncmp(pair, "K8S_POD_NAME", 12)
                   && strlen(value) > MAX_NAME) {
            error = bad_variable(pair, value, "a pod's name or namespace");
        } else if (!strcmp(pair, "K8S_POD_NAME")) {
            free(conf->pod_name);
            conf->pod_name = xstrdup(value);
        } else if (!strcmp(pair, "K8S_POD_NAMESPACE")) {
            free(conf->pod_namespace);
            conf->pod_namespace = xstrdup(value);
        } else if (!strcmp(pair, "MAC") && !conf->has_mac) {
            error = set_mac(conf, value);
        }
    }
    free(copy);
    return error;
}

static struct cni_error *
parse_object(const struct json *object, const struct cni_request *request,
             struct netconf *conf)
{
    struct cni_error *error = parse_strings(object, conf);

    if (!error && !conf->name) {
        error = bad_key("name", "there");
    }
    error = error ? error : split_service(conf);
    if (!error && !conf->network) {
        conf->network = xstrdup(conf->name);
    }
    error = error ? error : check_names(conf);
    error = error ? error : parse_integer(object, "mtu", MIN_MTU, MAX_MTU,
                                          &conf->mtu);
    error = error ? error : parse_integer(object, "timeout", 1, MAX_TIMEOUT,
                                          &conf->timeout);
    error = error ? error : parse_ipam(object, conf);
    error = error ? error : parse_attachments(object, conf);
    error = error ? error : parse_runtime_config(object, conf);
    error = error ? error : parse_args(request->args, conf);

    const struct json *prev_result = get_member(object, "prevResult");
    if (!error && prev_result && prev_result->type != JSON_NULL) {
        conf->prev_result = json_clone(prev_result);
    }
    if (!conf->state_dir) {
        conf->state_dir = xstrdup(DEFAULT_STATE_DIR);
    }
    return error;
}

/* Takes the version from 'object', so that even an error message can be in
 * it. */
static struct cni_error *
parse_version(const struct json *object, struct netconf *conf)
{
    const struct json *version = get_member(object, "cniVersion");

    if (!version || version->type != JSON_STRING) {
        return bad_key("cniVersion", "a string");
    }
    if (!cni_version_is_at_least(json_string(version), cni_versions[0])) {
        return cni_error_create(CNI_ERR_VERSION, "CNI version \"%s\" is not "
                                "supported", json_string(version));
    }
    free(conf->cni_version);
    conf->cni_version = xstrdup(json_string(version));
    return NULL;
}

struct cni_error *
netconf_parse(const char *text, const struct cni_request *request,
              struct netconf *conf)
{
    memset(conf, 0, sizeof *conf);
    conf->cni_version = xstrdup("1.0.0");
    conf->timeout = DEFAULT_TIMEOUT;
    svec_init(&conf->valid_attachments);

    struct json *object = json_from_string(text);
    struct cni_error *error;
    if (object->type == JSON_STRING) {
        error = cni_error_create(CNI_ERR_DECODE, "configuration: %s",
                                 json_string(object));
    } else if (object->type != JSON_OBJECT) {
        error = cni_error_create(CNI_ERR_DECODE, "configuration: not an "
                                 "object");
    } else {
        error = parse_version(object, conf);
        /* Any version may ask which ones there are. */
        if (request->command == CNI_VERSION) {
            cni_error_destroy(error);
            error = NULL;
        } else if (!error) {
            error = parse_object(object, request, conf);
        }
    }
    json_destroy(object);
    return error;
}

void
netconf_destroy(struct netconf *conf)
{
    free(conf->cni_version);
    free(conf->name);
    free(conf->network);
    free(conf->service);
    free(conf->bridge);
    free(conf->bastion_db);
    free(conf->ovs_db);
    free(conf->state_dir);
    free(conf->private_key);
    free(conf->certificate);
    free(conf->ca_cert);
    free(conf->ipam_type);
    json_destroy(conf->prev_result);
    svec_destroy(&conf->valid_attachments);
    free(conf->pod_namespace);
    free(conf->pod_name);
}
