/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/kubernetes-model.h"

#include <string.h>

#include "lib/peer.h"
#include "sha1.h"
#include "util.h"

/* Makes room for one more element at the end of 'ARRAY' of 'N'. */
#define GROW(ARRAY, N) \
    ((ARRAY) = xrealloc(ARRAY, ((N) + 1) * sizeof *(ARRAY)), &(ARRAY)[(N)++])

/* Returns 'text' with each character that a name must not have replaced, and
 * at most 'max_len' long. */
static char *
sanitize(const char *text, size_t max_len)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    char *s = xmemdup0(text, MIN(strlen(text), max_len));

    for (char *p = s; *p; p++) {
        if (!strchr(good, *p) || (p == s && (*p == '.' || *p == '-'))) {
            *p = '_';
        }
    }
    return s;
}

/* A namespace's name has no dots, so that those of different namespaces have
 * different beginnings up to the first dot.  That a namespace is called
 * otherwise is not possible in Kubernetes; if it is told so nevertheless, the
 * hash keeps names apart. */
char *
k8s_make_name(const char *namespace, const char *readable, const char *unique,
              bool readable_is_unique)
{
    char *error = name_check(readable);
    char *name;

    if (!error && readable_is_unique && !strchr(namespace, '.')) {
        return xstrdup(readable);
    }
    free(error);

    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1_bytes(unique, strlen(unique), digest);

    char hex[SHA1_HEX_DIGEST_LEN + 1];
    sha1_to_hex(digest, hex);

    char *s = sanitize(readable, 200);
    name = xasprintf("%s%s-%.16s", s, strchr(s, '.') ? "" : ".", hex);
    free(s);
    return name;
}

void
k8s_selector_init(struct k8s_selector *selector)
{
    *selector = (struct k8s_selector) { .n = 0 };
}

void
k8s_selector_destroy(struct k8s_selector *selector)
{
    for (size_t i = 0; i < selector->n; i++) {
        free(selector->requirements[i]->key);
        sset_destroy(&selector->requirements[i]->values);
        free(selector->requirements[i]);
    }
    free(selector->requirements);
    k8s_selector_init(selector);
}

/* Adds a requirement without values and returns it. */
struct k8s_requirement *
k8s_selector_add(struct k8s_selector *selector, const char *key,
                 enum k8s_operator operator)
{
    struct k8s_requirement *requirement = xmalloc(sizeof *requirement);

    *GROW(selector->requirements, selector->n) = requirement;
    requirement->key = xstrdup(key);
    requirement->operator = operator;
    sset_init(&requirement->values);
    return requirement;
}

static bool
requirement_holds(const struct k8s_requirement *requirement,
                  const struct smap *labels)
{
    const char *value = smap_get(labels, requirement->key);

    switch (requirement->operator) {
    case K8S_IN:
        return value && sset_contains(&requirement->values, value);

    case K8S_NOT_IN:
        return !value || !sset_contains(&requirement->values, value);

    case K8S_EXISTS:
        return value != NULL;

    case K8S_DOES_NOT_EXIST:
        return value == NULL;

    default:
        OVS_NOT_REACHED();
    }
}

bool
k8s_selector_matches(const struct k8s_selector *selector,
                     const struct smap *labels)
{
    if (selector->malformed) {
        return false;
    }
    for (size_t i = 0; i < selector->n; i++) {
        if (!requirement_holds(selector->requirements[i], labels)) {
            return false;
        }
    }
    return true;
}

struct k8s_pod *
k8s_pod_create(const char *namespace, const char *name)
{
    struct k8s_pod *pod = xzalloc(sizeof *pod);
    char *readable = xasprintf("%s.%s", namespace, name);
    char *unique = xasprintf("%s/%s", namespace, name);

    pod->namespace = xstrdup(namespace);
    pod->name = xstrdup(name);
    pod->container = k8s_make_name(namespace, readable, unique, true);
    smap_init(&pod->labels);
    sset_init(&pod->ips);
    free(unique);
    free(readable);
    return pod;
}

void
k8s_pod_destroy(struct k8s_pod *pod)
{
    if (pod) {
        for (size_t i = 0; i < pod->n_ports; i++) {
            free(pod->ports[i].name);
        }
        free(pod->ports);
        sset_destroy(&pod->ips);
        smap_destroy(&pod->labels);
        free(pod->depends_on);
        free(pod->node);
        free(pod->container);
        free(pod->name);
        free(pod->namespace);
        free(pod);
    }
}

void
k8s_pod_add_port(struct k8s_pod *pod, const char *name, uint8_t nw_proto,
                 uint16_t number)
{
    struct k8s_port *port = GROW(pod->ports, pod->n_ports);

    *port = (struct k8s_port) {
        .name = xstrdup(name), .nw_proto = nw_proto, .number = number,
    };
}

struct k8s_namespace *
k8s_namespace_create(const char *name)
{
    struct k8s_namespace *namespace = xzalloc(sizeof *namespace);

    namespace->name = xstrdup(name);
    smap_init(&namespace->labels);
    return namespace;
}

void
k8s_namespace_destroy(struct k8s_namespace *namespace)
{
    if (namespace) {
        smap_destroy(&namespace->labels);
        free(namespace->name);
        free(namespace);
    }
}

struct k8s_node *
k8s_node_create(const char *name)
{
    struct k8s_node *node = xzalloc(sizeof *node);

    node->name = xstrdup(name);
    sset_init(&node->pod_cidrs);
    return node;
}

void
k8s_node_destroy(struct k8s_node *node)
{
    if (node) {
        sset_destroy(&node->pod_cidrs);
        free(node->name);
        free(node);
    }
}

static void
policy_ports_destroy(struct k8s_policy_port *ports, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(ports[i].name);
    }
    free(ports);
}

static void
rules_destroy(struct k8s_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < rules[i].n_peers; j++) {
            struct k8s_peer *peer = &rules[i].peers[j];

            k8s_selector_destroy(&peer->pods);
            k8s_selector_destroy(&peer->namespaces);
            free(peer->except);
        }
        free(rules[i].peers);
        policy_ports_destroy(rules[i].ports, rules[i].n_ports);
    }
    free(rules);
}

static void
netpol_clear(struct k8s_netpol *netpol)
{
    k8s_selector_destroy(&netpol->pods);
    for (int i = 0; i < K8S_N_DIRECTIONS; i++) {
        rules_destroy(netpol->directions[i].rules,
                      netpol->directions[i].n_rules);
        netpol->directions[i].rules = NULL;
        netpol->directions[i].n_rules = 0;
    }
}

/* Returns a policy that selects all pods of 'namespace' and isolates none. */
struct k8s_netpol *
k8s_netpol_create(const char *namespace, const char *name)
{
    struct k8s_netpol *netpol = xzalloc(sizeof *netpol);

    netpol->namespace = xstrdup(namespace);
    netpol->name = xstrdup(name);
    k8s_selector_init(&netpol->pods);
    return netpol;
}

void
k8s_netpol_destroy(struct k8s_netpol *netpol)
{
    if (netpol) {
        netpol_clear(netpol);
        free(netpol->name);
        free(netpol->namespace);
        free(netpol);
    }
}

/* Makes 'netpol' isolate all pods of its namespace in both directions. */
void
k8s_netpol_set_malformed(struct k8s_netpol *netpol)
{
    netpol_clear(netpol);
    for (int i = 0; i < K8S_N_DIRECTIONS; i++) {
        netpol->directions[i].isolates = true;
    }
}

/* Adds a rule without peers and ports, which opens nothing. */
struct k8s_rule *
k8s_netpol_add_rule(struct k8s_netpol *netpol, enum k8s_direction direction)
{
    struct k8s_rule *rule = GROW(netpol->directions[direction].rules,
                                 netpol->directions[direction].n_rules);

    *rule = (struct k8s_rule) { .n_peers = 0 };
    return rule;
}

struct k8s_peer *
k8s_rule_add_peer(struct k8s_rule *rule, enum k8s_peer_type type)
{
    struct k8s_peer *peer = GROW(rule->peers, rule->n_peers);

    *peer = (struct k8s_peer) { .type = type };
    k8s_selector_init(&peer->pods);
    k8s_selector_init(&peer->namespaces);
    return peer;
}

void
k8s_peer_add_except(struct k8s_peer *peer, const struct ip_prefix *except)
{
    *GROW(peer->except, peer->n_except) = *except;
}

struct k8s_policy_port *
k8s_rule_add_port(struct k8s_rule *rule, enum k8s_policy_port_type type)
{
    struct k8s_policy_port *port = GROW(rule->ports, rule->n_ports);

    *port = (struct k8s_policy_port) { .type = type };
    return port;
}

struct k8s_service *
k8s_service_create(const char *namespace, const char *name)
{
    struct k8s_service *service = xzalloc(sizeof *service);

    service->namespace = xstrdup(namespace);
    service->name = xstrdup(name);
    sset_init(&service->allowed);
    k8s_selector_init(&service->pods);
    return service;
}

void
k8s_service_destroy(struct k8s_service *service)
{
    if (service) {
        policy_ports_destroy(service->ports, service->n_ports);
        k8s_selector_destroy(&service->pods);
        sset_destroy(&service->allowed);
        free(service->name);
        free(service->namespace);
        free(service);
    }
}

struct k8s_policy_port *
k8s_service_add_port(struct k8s_service *service,
                     enum k8s_policy_port_type type)
{
    struct k8s_policy_port *port = GROW(service->ports, service->n_ports);

    *port = (struct k8s_policy_port) { .type = type };
    return port;
}

struct k8s_endpoints *
k8s_endpoints_create(const char *namespace)
{
    struct k8s_endpoints *endpoints = xzalloc(sizeof *endpoints);

    endpoints->namespace = xstrdup(namespace);
    sset_init(&endpoints->pods);
    return endpoints;
}

void
k8s_endpoints_destroy(struct k8s_endpoints *endpoints)
{
    if (endpoints) {
        sset_destroy(&endpoints->pods);
        free(endpoints->service);
        free(endpoints->namespace);
        free(endpoints);
    }
}

void
k8s_object_destroy(enum k8s_kind kind, void *object)
{
    switch (kind) {
    case K8S_PODS:
        k8s_pod_destroy(object);
        break;

    case K8S_NAMESPACES:
        k8s_namespace_destroy(object);
        break;

    case K8S_NETPOLS:
        k8s_netpol_destroy(object);
        break;

    case K8S_SERVICES:
        k8s_service_destroy(object);
        break;

    case K8S_ENDPOINTS:
        k8s_endpoints_destroy(object);
        break;

    case K8S_NODES:
        k8s_node_destroy(object);
        break;

    default:
        OVS_NOT_REACHED();
    }
}

void
k8s_objects_clear(enum k8s_kind kind, struct shash *objects)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, objects) {
        k8s_object_destroy(kind, node->data);
    }
    shash_clear(objects);
}

void
k8s_cluster_init(struct k8s_cluster *cluster)
{
    for (int i = 0; i < K8S_N_KINDS; i++) {
        shash_init(&cluster->objects[i]);
    }
}

void
k8s_cluster_destroy(struct k8s_cluster *cluster)
{
    for (int i = 0; i < K8S_N_KINDS; i++) {
        k8s_objects_clear(i, &cluster->objects[i]);
        shash_destroy(&cluster->objects[i]);
    }
}
