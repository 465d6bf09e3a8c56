/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/kubernetes-parse.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <string.h>

#include "manager/json-reader.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

#define ANNOTATIONS "metadata.annotations"

/* Values. */

static bool
is_absent(struct json_object *parent, const char *path)
{
    return json_get(parent, path) == NULL;
}

/* Names and labels have no control characters and are not huge, so that they
 * can be put together with these between them. */
static bool
is_plain(const char *text)
{
    size_t n = 0;

    for (; text[n]; n++) {
        if ((unsigned char) text[n] <= ' ' || text[n] == 0x7f || n > 1024) {
            return false;
        }
    }
    return true;
}

static const char *
get_plain(struct json_object *parent, const char *path)
{
    const char *text = json_get_text(parent, path);

    return text && is_plain(text) ? text : NULL;
}

/* Names of objects are parts of keys, too. */
static const char *
get_name(struct json_object *parent, const char *path)
{
    const char *name = get_plain(parent, path);

    return name && *name && !strchr(name, '/') ? name : NULL;
}

static const char *
get_annotation(struct json_object *json, const char *name)
{
    struct json_object *value;
    struct json_object *annotations = json_get_map(json, ANNOTATIONS);

    return (annotations && json_object_object_get_ex(annotations, name, &value)
            ? json_get_text(value, "")
            : NULL);
}

/* Adds the strings of the map at 'path', which may be absent.  Returns false
 * if it is not a map of strings. */
static bool
get_labels(struct json_object *parent, const char *path, struct smap *labels)
{
    struct json_object *map = json_get_map(parent, path);

    if (!map) {
        return is_absent(parent, path);
    }
    json_object_object_foreach (map, key, json) {
        const char *value = get_plain(json, "");

        if (!value || !is_plain(key)) {
            return false;
        }
        smap_replace(labels, key, value);
    }
    return true;
}

/* Adds the strings of the list at 'path', which may be absent.  Returns false
 * if it is not a list of strings. */
static bool
get_strings(struct json_object *parent, const char *path, struct sset *strings)
{
    struct json_object *list = json_get_list(parent, path);
    size_t n = list ? json_object_array_length(list) : 0;

    if (!list) {
        return is_absent(parent, path);
    }
    for (size_t i = 0; i < n; i++) {
        const char *s = get_plain(json_object_array_get_idx(list, i), "");

        if (!s) {
            return false;
        }
        sset_add(strings, s);
    }
    return true;
}

/* Returns 0 if the protocol at 'path' is none that has ports. */
static uint8_t
get_protocol(struct json_object *parent, const char *path)
{
    const char *protocol = json_get_text(parent, path);

    return (is_absent(parent, path) ? IPPROTO_TCP
            : !protocol ? 0
            : !strcmp(protocol, "TCP") ? IPPROTO_TCP
            : !strcmp(protocol, "UDP") ? IPPROTO_UDP
            : !strcmp(protocol, "SCTP") ? IPPROTO_SCTP
            : 0);
}

/* Returns 0 if there is no port number at 'path'. */
static uint16_t
get_port(struct json_object *parent, const char *path)
{
    int64_t number;

    return (json_get_number(parent, path, &number)
            && number > 0 && number <= UINT16_MAX ? number : 0);
}

/* Selectors. */

static bool
get_requirement(struct json_object *json, struct k8s_selector *selector)
{
    static const struct {
        const char *name;
        enum k8s_operator operator;
    } operators[] = {
        { "In", K8S_IN },
        { "NotIn", K8S_NOT_IN },
        { "Exists", K8S_EXISTS },
        { "DoesNotExist", K8S_DOES_NOT_EXIST },
    };
    const char *key = get_plain(json, "key");
    const char *name = json_get_text(json, "operator");

    for (size_t i = 0; key && name && i < ARRAY_SIZE(operators); i++) {
        if (!strcmp(name, operators[i].name)) {
            struct k8s_requirement *requirement
                = k8s_selector_add(selector, key, operators[i].operator);
            bool needs_values = (requirement->operator == K8S_IN
                                 || requirement->operator == K8S_NOT_IN);

            return (get_strings(json, "values", &requirement->values)
                    && needs_values == !sset_is_empty(&requirement->values));
        }
    }
    return false;
}

static bool
get_match_labels(struct json_object *map, struct k8s_selector *selector)
{
    struct smap labels = SMAP_INITIALIZER(&labels);
    bool ok = get_labels(map, "", &labels);
    struct smap_node *node;

    SMAP_FOR_EACH (node, &labels) {
        sset_add(&k8s_selector_add(selector, node->key, K8S_IN)->values,
                 node->value);
    }
    smap_destroy(&labels);
    return ok;
}

/* Stores the LabelSelector 'json' in 'selector', which is initialized.
 * Returns false if it is malformed. */
static bool
get_selector(struct json_object *json, struct k8s_selector *selector)
{
    struct json_object *expressions = json_get_list(json, "matchExpressions");
    size_t n = expressions ? json_object_array_length(expressions) : 0;
    bool ok = (json_get_map(json, "")
               && (expressions || is_absent(json, "matchExpressions"))
               && get_match_labels(json_get(json, "matchLabels"), selector));

    for (size_t i = 0; ok && i < n; i++) {
        ok = get_requirement(json_object_array_get_idx(expressions, i),
                             selector);
    }
    selector->malformed = !ok;
    return ok;
}

/* Pods. */

static bool
get_container_ports(struct json_object *container, struct k8s_pod *pod)
{
    struct json_object *ports = json_get_list(container, "ports");
    size_t n = ports ? json_object_array_length(ports) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *json = json_object_array_get_idx(ports, i);
        const char *name = get_name(json, "name");
        uint8_t nw_proto = get_protocol(json, "protocol");
        uint16_t number = get_port(json, "containerPort");

        if (name && nw_proto && number) {
            k8s_pod_add_port(pod, name, nw_proto, number);
        } else if (!is_absent(json, "name")) {
            return false;
        }
    }
    return ports || is_absent(container, "ports");
}

static bool
get_containers(struct json_object *json, struct k8s_pod *pod)
{
    static const char *const lists[] = {
        "spec.containers", "spec.initContainers"
    };

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct json_object *list = json_get_list(json, lists[i]);
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t j = 0; j < n; j++) {
            struct json_object *container = json_object_array_get_idx(list, j);
            const char *restart = json_get_text(container, "restartPolicy");

            /* An initial container serves only if it goes on to run. */
            if ((!i || (restart && !strcmp(restart, "Always")))
                && !get_container_ports(container, pod)) {
                return false;
            }
        }
    }
    return true;
}

/* Adds 'text', which may be NULL, in the database's spelling. */
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

static void *
parse_pod(struct json_object *json, const char *namespace, const char *name,
          const char **reason)
{
    struct k8s_pod *pod = k8s_pod_create(namespace, name);
    const char *node = get_name(json, "spec.nodeName");
    const char *phase = json_get_text(json, "status.phase");
    const char *depends_on = get_annotation(json, "bastion/depends-on");
    struct json_object *ips = json_get_list(json, "status.podIPs");
    size_t n = ips ? json_object_array_length(ips) : 0;

    pod->node = nullable_xstrdup(node);
    pod->depends_on = nullable_xstrdup(depends_on);
    pod->host_network = json_get_flag(json, "spec.hostNetwork", false);
    pod->completed = phase && (!strcmp(phase, "Succeeded")
                               || !strcmp(phase, "Failed"));
    add_ip(&pod->ips, json_get_text(json, "status.podIP"));
    for (size_t i = 0; i < n; i++) {
        add_ip(&pod->ips, json_get_text(json_object_array_get_idx(ips, i),
                                        "ip"));
    }

    struct json_object *host_network = json_get(json, "spec.hostNetwork");
    *reason = (!get_labels(json, "metadata.labels", &pod->labels) ? "labels"
               : !get_containers(json, pod) ? "ports"
               : host_network && !json_object_is_type(host_network,
                                                      json_type_boolean)
               ? "hostNetwork"
               : NULL);
    if (*reason) {
        k8s_pod_destroy(pod);
        return NULL;
    }
    return pod;
}

/* NetworkPolicies. */

/* Stores the prefix 'text' with the bits after its length cleared, which the
 * API does not ask for. */
static bool
get_prefix(const char *text, struct ip_prefix *prefix)
{
    const char *slash = text ? strchr(text, '/') : NULL;
    struct in6_addr ip;
    char *error;

    if (!slash || strlen(slash) > 4 || !slash[1]
        || slash[1 + strspn(slash + 1, "0123456789")]) {
        return false;
    }

    char *address = xmemdup0(text, slash - text);
    int plen = atoi(slash + 1);

    error = ip_address_parse(address, &ip);
    free(address);
    if (error) {
        free(error);
        return false;
    }

    *prefix = ip_prefix_from_address(&ip);
    if (plen > prefix->plen) {
        return false;
    }
    prefix->plen = plen;

    struct in6_addr mask = ip_prefix_mask(prefix);
    for (int i = 0; i < 16; i++) {
        /* The first 96 bits of an IPv4 address say that it is one. */
        if (!prefix->is_v4 || i >= 12) {
            prefix->addr.s6_addr[i] &= mask.s6_addr[i];
        }
    }
    return true;
}

/* Stores the IPBlock 'json' in 'peer'.  An exception that leaves nothing of
 * the block makes it malformed, which is the same. */
static void
get_block(struct json_object *json, struct k8s_peer *peer)
{
    struct json_object *except = json_get_list(json, "except");
    size_t n = except ? json_object_array_length(except) : 0;

    if (!get_prefix(json_get_text(json, "cidr"), &peer->block)
        || (!except && !is_absent(json, "except"))) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct ip_prefix prefix;

        if (!get_prefix(json_get_text(json_object_array_get_idx(except, i),
                                      ""), &prefix)
            || ip_prefix_covers(&prefix, &peer->block)) {
            return;
        }
        if (ip_prefix_covers(&peer->block, &prefix)) {
            k8s_peer_add_except(peer, &prefix);
        }
    }
    peer->type = K8S_PEER_BLOCK;
}

static bool
get_peer(struct json_object *json, struct k8s_rule *rule)
{
    struct k8s_peer *peer = k8s_rule_add_peer(rule, K8S_PEER_MALFORMED);
    struct json_object *block = json_get(json, "ipBlock");
    struct json_object *pods = json_get(json, "podSelector");
    struct json_object *namespaces = json_get(json, "namespaceSelector");

    if (block && !pods && !namespaces) {
        get_block(block, peer);
    } else if (!block && (pods || namespaces)) {
        peer->has_namespaces = namespaces != NULL;
        if ((!pods || get_selector(pods, &peer->pods))
            && (!namespaces || get_selector(namespaces, &peer->namespaces))) {
            peer->type = K8S_PEER_PODS;
        }
    }
    return peer->type != K8S_PEER_MALFORMED;
}

/* Stores the port at member 'name' of 'json', a number or the name of one. */
static bool
get_port_or_name(struct json_object *json, const char *name,
                 struct k8s_policy_port *port)
{
    const char *text = get_name(json, name);

    port->min = port->max = get_port(json, name);
    if (text) {
        port->type = K8S_PORT_NAME;
        port->name = xstrdup(text);
    } else if (port->min) {
        port->type = K8S_PORT_RANGE;
    }
    return port->type != K8S_PORT_MALFORMED;
}

static bool
get_policy_port(struct json_object *json, struct k8s_rule *rule)
{
    struct k8s_policy_port *port = k8s_rule_add_port(rule,
                                                     K8S_PORT_MALFORMED);
    bool has_end = !is_absent(json, "endPort");

    port->nw_proto = get_protocol(json, "protocol");
    if (!port->nw_proto || !json_get_map(json, "")) {
        return false;
    }
    if (is_absent(json, "port")) {
        port->type = has_end ? K8S_PORT_MALFORMED : K8S_PORT_ANY;
        return !has_end;
    }
    if (!get_port_or_name(json, "port", port)) {
        return false;
    }
    if (has_end) {
        port->max = get_port(json, "endPort");
        if (port->type != K8S_PORT_RANGE || port->max < port->min) {
            port->type = K8S_PORT_MALFORMED;
            return false;
        }
    }
    return true;
}

/* Stores a rule, whose peers are in 'peers'.  Without any, they are everyone;
 * without ports, they are all. */
static bool
get_rule(struct json_object *json, const char *peers, struct k8s_rule *rule)
{
    struct json_object *list = json_get_list(json, peers);
    struct json_object *ports = json_get_list(json, "ports");
    size_t n = list ? json_object_array_length(list) : 0;
    size_t n_ports = ports ? json_object_array_length(ports) : 0;
    bool ok = (json_get_map(json, "")
               && (list || is_absent(json, peers))
               && (ports || is_absent(json, "ports")));

    rule->any_peer = ok && !n;
    rule->any_port = ok && !n_ports;
    for (size_t i = 0; i < n; i++) {
        ok &= get_peer(json_object_array_get_idx(list, i), rule);
    }
    for (size_t i = 0; i < n_ports; i++) {
        ok &= get_policy_port(json_object_array_get_idx(ports, i), rule);
    }
    return ok;
}

static bool
get_rules(struct json_object *spec, enum k8s_direction direction,
          struct k8s_netpol *netpol)
{
    const char *name = direction == K8S_INGRESS ? "ingress" : "egress";
    struct json_object *rules = json_get_list(spec, name);
    size_t n = rules ? json_object_array_length(rules) : 0;
    bool ok = rules || is_absent(spec, name);

    for (size_t i = 0; i < n; i++) {
        ok &= get_rule(json_object_array_get_idx(rules, i),
                       direction == K8S_INGRESS ? "from" : "to",
                       k8s_netpol_add_rule(netpol, direction));
    }
    return ok;
}

/* Finds out in which directions the policy isolates.  If it does not say so,
 * it does for ingress, and if it has a rule for egress, for that, too. */
static bool
get_policy_types(struct json_object *spec, struct k8s_netpol *netpol)
{
    struct sset types = SSET_INITIALIZER(&types);
    bool ok = get_strings(spec, "policyTypes", &types);
    const char *type;

    if (ok && sset_is_empty(&types)) {
        netpol->directions[K8S_INGRESS].isolates = true;
        netpol->directions[K8S_EGRESS].isolates
            = netpol->directions[K8S_EGRESS].n_rules > 0;
    }
    SSET_FOR_EACH (type, &types) {
        if (!strcmp(type, "Ingress")) {
            netpol->directions[K8S_INGRESS].isolates = true;
        } else if (!strcmp(type, "Egress")) {
            netpol->directions[K8S_EGRESS].isolates = true;
        } else {
            ok = false;
        }
    }
    sset_destroy(&types);
    return ok;
}

/* A rule that is malformed in part still opens the rest, because its parts add
 * up; but whom the policy selects and isolates must be clear. */
static void *
parse_netpol(struct json_object *json, const char *namespace,
             const char *name, const char **reason)
{
    struct k8s_netpol *netpol = k8s_netpol_create(namespace, name);
    struct json_object *spec = json_get_map(json, "spec");
    struct json_object *pods = json_get(spec, "podSelector");
    bool ok = true;

    for (int d = 0; d < K8S_N_DIRECTIONS; d++) {
        ok &= get_rules(spec, d, netpol);
    }
    *reason = ok ? NULL : "a rule";
    if (!spec || !get_policy_types(spec, netpol)
        || (!json_get_list(spec, "egress") && !is_absent(spec, "egress"))
        || (pods && !get_selector(pods, &netpol->pods))) {
        k8s_netpol_set_malformed(netpol);
        *reason = "podSelector, policyTypes or egress";
    }
    return netpol;
}

/* Objects of the other kinds. */

static void *
parse_namespace(struct json_object *json, const char *name,
                const char **reason)
{
    struct k8s_namespace *namespace = k8s_namespace_create(name);

    if (!get_labels(json, "metadata.labels", &namespace->labels)) {
        *reason = "labels";
        k8s_namespace_destroy(namespace);
        return NULL;
    }
    return namespace;
}

static void *
parse_service(struct json_object *json, const char *namespace,
              const char *name, const char **reason)
{
    struct k8s_service *service = k8s_service_create(namespace, name);
    const char *allowed = get_annotation(json, "bastion/allow-namespaces");
    struct json_object *selector = json_get(json, "spec.selector");
    struct json_object *ports = json_get_list(json, "spec.ports");
    size_t n = ports ? json_object_array_length(ports) : 0;

    if (allowed) {
        sset_destroy(&service->allowed);
        sset_from_delimited_string(&service->allowed, allowed, ", ");
    }

    /* A selector without labels is like none. */
    if (selector && !get_match_labels(selector, &service->pods)) {
        *reason = "selector";
        k8s_service_destroy(service);
        return NULL;
    }
    service->has_selector = service->pods.n > 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *port_json = json_object_array_get_idx(ports, i);
        struct k8s_policy_port *port
            = k8s_service_add_port(service, K8S_PORT_MALFORMED);
        const char *target = (is_absent(port_json, "targetPort") ? "port"
                              : "targetPort");

        port->nw_proto = get_protocol(port_json, "protocol");
        if (!port->nw_proto || !get_port_or_name(port_json, target, port)) {
            *reason = "a port";
        }
    }
    return service;
}

static void *
parse_endpoints(struct json_object *json, const char *namespace)
{
    struct k8s_endpoints *endpoints = k8s_endpoints_create(namespace);
    struct json_object *labels = json_get_map(json, "metadata.labels");
    struct json_object *list = json_get_list(json, "endpoints");
    size_t n = list ? json_object_array_length(list) : 0;
    struct json_object *service;

    if (labels && json_object_object_get_ex(
            labels, "kubernetes.io/service-name", &service)) {
        endpoints->service = nullable_xstrdup(get_name(service, ""));
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *endpoint = json_object_array_get_idx(list, i);
        const char *kind = json_get_text(endpoint, "targetRef.kind");
        const char *name = get_name(endpoint, "targetRef.name");

        if (kind && !strcmp(kind, "Pod") && name) {
            sset_add(&endpoints->pods, name);
        }
    }
    return endpoints;
}

static void *
parse_node(struct json_object *json, const char *name, const char **reason)
{
    struct k8s_node *node = k8s_node_create(name);
    struct sset cidrs = SSET_INITIALIZER(&cidrs);
    const char *cidr = json_get_text(json, "spec.podCIDR");

    if (!get_strings(json, "spec.podCIDRs", &cidrs)) {
        *reason = "podCIDRs";
    }
    if (cidr) {
        sset_add(&cidrs, cidr);
    }
    SSET_FOR_EACH (cidr, &cidrs) {
        struct ip_prefix prefix;

        if (get_prefix(cidr, &prefix)) {
            struct ds s = DS_EMPTY_INITIALIZER;

            ip_prefix_format(&prefix, &s);
            sset_add(&node->pod_cidrs, ds_cstr(&s));
            ds_destroy(&s);
        }
    }
    sset_destroy(&cidrs);
    return node;
}

char * OVS_WARN_UNUSED_RESULT
k8s_parse(enum k8s_kind kind, struct json_object *json,
          char **keyp, void **objectp)
{
    bool namespaced = kind != K8S_NAMESPACES && kind != K8S_NODES;
    const char *name = get_name(json, "metadata.name");
    const char *namespace = get_name(json, "metadata.namespace");
    const char *reason = NULL;

    *keyp = NULL;
    *objectp = NULL;
    if (!name || (namespaced && !namespace)) {
        return xstrdup("an object without a name");
    }
    *keyp = (namespaced ? xasprintf("%s/%s", namespace, name)
             : xstrdup(name));

    switch (kind) {
    case K8S_PODS:
        *objectp = parse_pod(json, namespace, name, &reason);
        break;

    case K8S_NAMESPACES:
        *objectp = parse_namespace(json, name, &reason);
        break;

    case K8S_NETPOLS:
        *objectp = parse_netpol(json, namespace, name, &reason);
        break;

    case K8S_SERVICES:
        *objectp = parse_service(json, namespace, name, &reason);
        break;

    case K8S_ENDPOINTS:
        *objectp = parse_endpoints(json, namespace);
        break;

    case K8S_NODES:
        *objectp = parse_node(json, name, &reason);
        break;

    default:
        OVS_NOT_REACHED();
    }
    return reason ? xasprintf("%s: malformed %s", *keyp, reason) : NULL;
}
