/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/address.h"
#include "lib/peer.h"
#include "lib/policy.h"
#include "manager/desired.h"
#include "manager/json-reader.h"
#include "manager/kubernetes-parse.h"
#include "manager/netpol.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* A cluster, as it is told in JSON, and what is made of it. */
struct scene {
    struct k8s_cluster cluster;
    struct netpol_options options;
    struct desired desired;
};

static void
scene_init(struct scene *scene)
{
    k8s_cluster_init(&scene->cluster);
    desired_init(&scene->desired);
    scene->options = (struct netpol_options) {
        .network = "pods", .node_traffic = NETPOL_NODE_FROM,
    };
}

static void
scene_destroy(struct scene *scene)
{
    desired_destroy(&scene->desired);
    k8s_cluster_destroy(&scene->cluster);
}

/* JSON with apostrophes instead of quotation marks. */
static struct json_object *
json_of(const char *text)
{
    char *s = xstrdup(text);
    enum json_tokener_error error;

    for (char *p = s; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }

    struct json_object *json = json_tokener_parse_verbose(s, &error);
    if (error != json_tokener_success) {
        fail_msg("%s: %s", s, json_tokener_error_desc(error));
    }
    free(s);
    return json;
}

/* Adds an object, or puts it in the place of one with the same name.  Returns
 * what is malformed, or NULL. */
static char *
put_json(struct scene *scene, enum k8s_kind kind, struct json_object *json)
{
    struct shash *objects = &scene->cluster.objects[kind];
    char *key;
    void *object;
    char *error = k8s_parse(kind, json, &key, &object);

    json_object_put(json);
    assert_true(object || error);
    if (key) {
        k8s_object_destroy(kind, shash_find_and_delete(objects, key));
        if (object) {
            shash_add(objects, key, object);
        }
    }
    free(key);
    return error;
}

static void
put(struct scene *scene, enum k8s_kind kind, const char *text)
{
    char *error = put_json(scene, kind, json_of(text));

    if (error) {
        fail_msg("%s: %s", text, error);
    }
}

static void
put_malformed(struct scene *scene, enum k8s_kind kind, const char *text)
{
    char *error = put_json(scene, kind, json_of(text));

    if (!error) {
        fail_msg("%s: not found malformed", text);
    }
    free(error);
}

static void
put_namespace(struct scene *scene, const char *name, const char *labels)
{
    char *text = xasprintf("{'metadata': {'name': '%s', 'labels': %s}}",
                           name, labels);

    put(scene, K8S_NAMESPACES, text);
    free(text);
}

static void
put_pod(struct scene *scene, const char *namespace, const char *name,
        const char *labels, const char *ip, const char *ports)
{
    char *text = xasprintf(
        "{'metadata': {'name': '%s', 'namespace': '%s', 'labels': %s},"
        " 'spec': {'nodeName': 'n1',"
        "          'containers': [{'ports': [%s]}]},"
        " 'status': {'phase': 'Running', 'podIPs': [{'ip': '%s'}]}}",
        name, namespace, labels, ports, ip);

    put(scene, K8S_PODS, text);
    free(text);
}

static void
put_netpol(struct scene *scene, const char *namespace, const char *name,
           const char *spec)
{
    char *text = xasprintf("{'metadata': {'name': '%s', 'namespace': '%s'},"
                           " 'spec': %s}", name, namespace, spec);

    put(scene, K8S_NETPOLS, text);
    free(text);
}

static void
put_malformed_netpol(struct scene *scene, const char *namespace,
                     const char *name, const char *spec)
{
    char *text = xasprintf("{'metadata': {'name': '%s', 'namespace': '%s'},"
                           " 'spec': %s}", name, namespace, spec);

    put_malformed(scene, K8S_NETPOLS, text);
    free(text);
}

/* Checks what the database, or its reader, would check. */
static void
check_peers(const struct scene *scene, const struct desired_peers *peers)
{
    const char *service;
    const struct shash_node *node;

    SSET_FOR_EACH (service, &peers->services) {
        assert_non_null(shash_find(&scene->desired.services, service));
    }
    SHASH_FOR_EACH (node, &peers->cidrs) {
        char *except = sset_join(node->data, ",", "");
        char *text = xasprintf("cidr:%s%s%s", node->name,
                               *except ? ",except=" : "", except);
        struct peer peer;
        char *error = peer_parse(text, &peer);

        if (error) {
            fail_msg("%s", error);
        }
        peer_destroy(&peer);
        free(text);
        free(except);
    }
    assert_true(!sset_is_empty(&peers->services)
                || !shash_is_empty(&peers->cidrs)
                || peers->any || peers->host || peers->world);
}

static void
check_name(const char *name)
{
    assert_memory_equal(name, "pods/", 5);
    assert_null(name_check(name + 5));
}

static void
compile(struct scene *scene)
{
    const struct shash_node *node;

    desired_clear(&scene->desired);
    netpol_compile(&scene->cluster, &scene->options, &scene->desired);

    SHASH_FOR_EACH (node, &scene->desired.services) {
        check_name(node->name);
    }
    SHASH_FOR_EACH (node, &scene->desired.containers) {
        const struct desired_container *container = node->data;

        check_name(node->name);
        assert_non_null(shash_find(&scene->desired.services,
                                   container->service));
    }
    SHASH_FOR_EACH (node, &scene->desired.dependencies) {
        const struct desired_dependency *d = node->data;
        const char *policy;

        check_peers(scene, &d->source);
        check_peers(scene, &d->destination);
        assert_true(!sset_is_empty(&d->source.services)
                    || !sset_is_empty(&d->destination.services));
        assert_false(sset_is_empty(&d->policies));
        SSET_FOR_EACH (policy, &d->policies) {
            struct policy parsed;

            assert_null(policy_parse(policy, &parsed));
        }
    }
}

/* Evaluation. */

/* One end of a connection: a pod as "NAMESPACE.NAME", "host", or an address of
 * the world. */
struct end {
    const char *service;        /* NULL if not a pod. */
    bool host;
    struct in6_addr ip;
};

static struct end
end_of(const struct scene *scene, const char *text)
{
    char *key = xasprintf("pods/%s", text);
    const struct desired_container *container
        = shash_find_data(&scene->desired.containers, key);
    struct end end = { .host = !strcmp(text, "host") };

    if (container) {
        end.service = container->service;
        text = SSET_FIRST(&container->ips);
    }
    if (!end.host) {
        char *error = ip_address_parse(text, &end.ip);

        if (error) {
            fail_msg("%s", error);
        }
    }
    free(key);
    return end;
}

static enum desired_isolate
isolation(const struct scene *scene, const struct end *end)
{
    const struct desired_service *service
        = end->service ? shash_find_data(&scene->desired.services,
                                         end->service) : NULL;

    return (service ? service->isolate
            : end->host ? DESIRED_ISOLATE_INGRESS : DESIRED_ISOLATE_NONE);
}

static bool
in_blocks(const struct desired_peers *peers, const struct end *end)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &peers->cidrs) {
        struct ip_prefix prefix;
        bool in;
        const char *except;

        assert_null(ip_prefix_parse(node->name, &prefix));
        in = !end->host && ip_prefix_contains(&prefix, &end->ip);
        SSET_FOR_EACH (except, (struct sset *) node->data) {
            assert_null(ip_prefix_parse(except, &prefix));
            in = in && !ip_prefix_contains(&prefix, &end->ip);
        }
        if (in) {
            return true;
        }
    }
    return false;
}

/* Whether 'peers' name 'end' so that the row gives it a right. */
static bool
names(const struct desired_peers *peers, const struct end *end)
{
    return (peers->any
            || (end->host && peers->host)
            || (!end->host && !end->service && peers->world)
            || (end->service && sset_contains(&peers->services,
                                              end->service)));
}

static bool
half_allowed(const struct scene *scene, const struct end *src,
             const struct end *dst, bool ingress, uint8_t nw_proto,
             uint16_t port)
{
    const struct shash_node *node;

    if (!(isolation(scene, ingress ? dst : src)
          & (ingress ? DESIRED_ISOLATE_INGRESS : DESIRED_ISOLATE_EGRESS))) {
        return true;
    }
    SHASH_FOR_EACH (node, &scene->desired.dependencies) {
        const struct desired_dependency *d = node->data;
        const char *policy;

        if (d->direction == (ingress ? DESIRED_EGRESS : DESIRED_INGRESS)
            || !names(ingress ? &d->destination : &d->source,
                      ingress ? dst : src)
            || !(names(ingress ? &d->source : &d->destination,
                       ingress ? src : dst)
                 || in_blocks(ingress ? &d->source : &d->destination,
                              ingress ? src : dst))) {
            continue;
        }
        SSET_FOR_EACH (policy, &d->policies) {
            struct policy parsed;

            assert_null(policy_parse(policy, &parsed));
            if (policy_matches(&parsed, nw_proto, 40000, port)) {
                return true;
            }
        }
    }
    return false;
}

static bool
allowed(const struct scene *scene, const char *source, const char *dest,
        const char *protocol, int port)
{
    struct end src = end_of(scene, source);
    struct end dst = end_of(scene, dest);
    uint8_t nw_proto = (!strcmp(protocol, "TCP") ? IPPROTO_TCP
                        : !strcmp(protocol, "UDP") ? IPPROTO_UDP
                        : IPPROTO_SCTP);

    return (half_allowed(scene, &src, &dst, false, nw_proto, port)
            && half_allowed(scene, &src, &dst, true, nw_proto, port));
}

/* Checks a list of connections, "+a>b" allowed and "-a>b" denied, each perhaps
 * with "UDP" or "SCTP" and a port number after colons, as "+x.a>x.b:UDP:81".
 * Without these it is TCP port 80. */
static void
check_allowed(const struct scene *scene, const char *list)
{
    char *copy = xstrdup(list);
    char *rest = copy;
    char *token;

    while ((token = strsep(&rest, " ")) != NULL) {
        char *text = xstrdup(token);
        char *ports = token + 1;
        char *source = strsep(&ports, ">");
        char *dest = strsep(&ports, ":");
        char *protocol = strsep(&ports, ":");

        if (allowed(scene, source, dest, protocol ? protocol : "TCP",
                    ports ? atoi(ports) : 80) != (text[0] == '+')) {
            fail_msg("%s is not so", text);
        }
        free(text);
    }
    free(copy);
}

static char *
service_of(const struct scene *scene, const char *pod)
{
    char *key = xasprintf("pods/%s", pod);
    const struct desired_container *container
        = shash_find_data(&scene->desired.containers, key);

    free(key);
    assert_non_null(container);
    return container->service;
}

/* The cases of tests/netpol/cases.json. */

static void
put_case_pod(struct scene *scene, struct json_object *topology,
             const char *pod)
{
    char *namespace = xmemdup0(pod, strcspn(pod, "/"));
    const char *name = strchr(pod, '/') + 1;
    struct json_object *ports = json_get_list(topology, "ports");
    struct json_object *protocols = json_get_list(topology, "protocols");
    struct json_object *ip;
    struct ds list = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < json_object_array_length(ports); i++) {
        for (size_t j = 0; j < json_object_array_length(protocols); j++) {
            int port = json_object_get_int(json_object_array_get_idx(ports,
                                                                     i));
            const char *protocol = json_object_get_string(
                json_object_array_get_idx(protocols, j));
            char *lower = xstrdup(protocol);

            for (char *p = lower; *p; p++) {
                *p |= 0x20;
            }
            ds_put_format(&list, "%s{'name': 'serve-%d-%s', "
                          "'containerPort': %d, 'protocol': '%s'}",
                          list.length ? ", " : "", port, lower, port,
                          protocol);
            free(lower);
        }
    }

    char *labels = xasprintf("{'ns': '%s', 'kubernetes.io/metadata.name':"
                             " '%s'}", namespace, namespace);
    put_namespace(scene, namespace, labels);
    free(labels);

    labels = xasprintf("{'pod': '%s'}", name);
    assert_true(json_object_object_get_ex(json_get_map(topology, "ips"), pod,
                                          &ip));
    put_pod(scene, namespace, name, labels, json_object_get_string(ip),
            ds_cstr(&list));
    free(labels);
    ds_destroy(&list);
    free(namespace);
}

static void
do_action(struct scene *scene, struct json_object *action)
{
    const char *op = json_get_text(action, "op");

    if (!strcmp(op, "policy")) {
        put_netpol(scene, json_get_text(action, "ns"),
                   json_get_text(action, "name"),
                   json_object_to_json_string(json_get(action, "spec")));
    } else if (!strcmp(op, "delete-policy")) {
        char *key = xasprintf("%s/%s", json_get_text(action, "ns"),
                              json_get_text(action, "name"));
        k8s_netpol_destroy(shash_find_and_delete_assert(
            &scene->cluster.objects[K8S_NETPOLS], key));
        free(key);
    } else {
        assert_string_equal(op, "label-pod");
        struct k8s_pod *pod = shash_find_data(
            &scene->cluster.objects[K8S_PODS], json_get_text(action, "pod"));
        json_object_object_foreach (json_get_map(action, "labels"), key,
                                    value) {
            smap_replace(&pod->labels, key, json_object_get_string(value));
        }
    }
}

static bool
lists(struct json_object *list, const char *text)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        if (!strcmp(json_object_get_string(json_object_array_get_idx(list,
                                                                     i)),
                    text)) {
            return true;
        }
    }
    return false;
}

/* Checks each connection between two of 'pods'.  Returns their number. */
static int
check_probe(const struct scene *scene, const char *id,
            struct json_object *pods, int port, const char *protocol,
            struct json_object *denied)
{
    int n = 0;

    for (size_t i = 0; i < json_object_array_length(pods); i++) {
        for (size_t j = 0; j < json_object_array_length(pods); j++) {
            char *src = xstrdup(json_object_get_string(
                json_object_array_get_idx(pods, i)));
            char *dst = xstrdup(json_object_get_string(
                json_object_array_get_idx(pods, j)));
            char *text = xasprintf("%s>%s", src, dst);

            *strchr(src, '/') = *strchr(dst, '/') = '.';
            if (i != j
                && allowed(scene, src, dst, protocol, port) == lists(denied,
                                                                     text)) {
                fail_msg("%s: %s %s/%d is wrong", id, text, protocol, port);
            }
            n += i != j;
            free(text);
            free(src);
            free(dst);
        }
    }
    return n;
}

static int
run_case(struct json_object *topology, struct json_object *json)
{
    struct scene scene;
    struct json_object *pods = json_get_list(json, "pods");
    struct json_object *steps = json_get_list(json, "steps");
    int n = 0;

    scene_init(&scene);
    for (size_t i = 0; i < json_object_array_length(pods); i++) {
        put_case_pod(&scene, topology, json_object_get_string(
            json_object_array_get_idx(pods, i)));
    }
    for (size_t i = 0; i < json_object_array_length(steps); i++) {
        struct json_object *step = json_object_array_get_idx(steps, i);
        struct json_object *actions = json_get_list(step, "actions");
        struct json_object *probes = json_get_list(step, "probes");

        for (size_t j = 0; j < json_object_array_length(actions); j++) {
            do_action(&scene, json_object_array_get_idx(actions, j));
        }
        compile(&scene);
        for (size_t j = 0; j < json_object_array_length(probes); j++) {
            struct json_object *probe = json_object_array_get_idx(probes, j);
            int port = json_object_get_int(json_object_array_get_idx(probe,
                                                                     0));
            const char *protocol = json_object_get_string(
                json_object_array_get_idx(probe, 1));
            char *key = xasprintf("%s/%d", protocol, port);
            struct json_object *denied;

            assert_true(json_object_object_get_ex(json_get_map(step,
                                                               "denied"),
                                                  key, &denied));
            n += check_probe(&scene, json_get_text(json, "id"), pods, port,
                             protocol, denied);
            free(key);
        }
    }
    scene_destroy(&scene);
    return n;
}

static void
test_cases(void **state OVS_UNUSED)
{
    char *path = xasprintf("%s/tests/netpol/cases.json",
                           getenv("abs_top_srcdir"));
    struct json_object *json = json_object_from_file(path);
    struct json_object *cases = json_get_list(json, "cases");
    int n = 0;

    assert_non_null(cases);
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        n += run_case(json_get_map(json, "topology"),
                      json_object_array_get_idx(cases, i));
    }
    assert_true(n > 1000);
    json_object_put(json);
    free(path);
}

/* Further ones. */

/* Namespaces x and y with pods a and b each, whose addresses are 10.0.0.N. */
static void
scene_init_xy(struct scene *scene)
{
    scene_init(scene);
    put_namespace(scene, "x", "{'ns': 'x'}");
    put_namespace(scene, "y", "{'ns': 'y'}");
    put_pod(scene, "x", "a", "{'pod': 'a'}", "10.0.0.1",
            "{'name': 'web', 'containerPort': 80}");
    put_pod(scene, "x", "b", "{'pod': 'b'}", "10.0.0.2",
            "{'name': 'web', 'containerPort': 81}");
    put_pod(scene, "y", "a", "{'pod': 'a'}", "10.0.0.3",
            "{'name': 'web', 'containerPort': 8080, 'protocol': 'UDP'}");
    put_pod(scene, "y", "b", "{'pod': 'b'}", "10.0.0.4", "");
}

static void
test_open(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    compile(&scene);
    check_allowed(&scene, "+x.a>x.b +x.a>y.a +9.9.9.9>x.a +x.a>9.9.9.9 "
                  "+host>x.a -x.a>host");

    /* A policy that selects nothing. */
    put_netpol(&scene, "x", "p", "{'podSelector': {'matchLabels': "
               "{'pod': 'c'}}, 'policyTypes': ['Ingress', 'Egress']}");
    compile(&scene);
    check_allowed(&scene, "+x.a>x.b +x.a>y.a +9.9.9.9>x.a +x.a>9.9.9.9");
    scene_destroy(&scene);
}

static void
test_policy_types(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    put_netpol(&scene, "x", "p", "{'podSelector': {}}");
    compile(&scene);
    check_allowed(&scene, "-y.a>x.a +x.a>y.a");

    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'egress': []}");
    compile(&scene);
    check_allowed(&scene, "-y.a>x.a +x.a>y.a");

    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'egress': "
               "[{'ports': [{'port': 80}]}]}");
    compile(&scene);
    check_allowed(&scene, "-y.a>x.a +x.a>y.a -x.a>y.a:TCP:81");

    /* Rules of a direction that is not listed do not count. */
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'egress': "
               "[{}], 'ingress': [], 'policyTypes': ['Egress']}");
    compile(&scene);
    check_allowed(&scene, "+y.a>x.a +x.a>y.a");
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'egress': "
               "[], 'ingress': [{}], 'policyTypes': ['Egress']}");
    compile(&scene);
    check_allowed(&scene, "+y.a>x.a -x.a>y.a");
    scene_destroy(&scene);
}

static void
test_operators(void **state OVS_UNUSED)
{
    static const struct {
        const char *expression;
        const char *expected;
    } tests[] = {
        { "'key': 'pod', 'operator': 'In', 'values': ['a', 'c']",
          "+x.a>y.b -x.b>y.b -x.n>y.b" },
        { "'key': 'pod', 'operator': 'NotIn', 'values': ['a', 'c']",
          "-x.a>y.b +x.b>y.b +x.n>y.b" },
        { "'key': 'pod', 'operator': 'Exists'",
          "+x.a>y.b +x.b>y.b -x.n>y.b" },
        { "'key': 'pod', 'operator': 'DoesNotExist'",
          "-x.a>y.b -x.b>y.b +x.n>y.b" },
        { "'key': 'other', 'operator': 'DoesNotExist', 'values': []",
          "+x.a>y.b +x.b>y.b +x.n>y.b" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        struct scene scene;

        scene_init_xy(&scene);
        put_pod(&scene, "x", "n", "{}", "10.0.0.5", "");
        char *spec = xasprintf("{'podSelector': {}, 'ingress': [{'from': "
                               "[{'namespaceSelector': {}, 'podSelector': "
                               "{'matchExpressions': [{%s}]}}]}]}",
                               tests[i].expression);
        put_netpol(&scene, "y", "p", spec);
        compile(&scene);
        check_allowed(&scene, tests[i].expected);
        free(spec);
        scene_destroy(&scene);
    }
}

/* All requirements of a selector hold, and both selectors of a peer. */
static void
test_and(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    put_netpol(&scene, "y", "p", "{'podSelector': {'matchLabels': "
               "{'pod': 'b'}}, 'ingress': [{'from': [{'namespaceSelector': "
               "{'matchLabels': {'ns': 'x'}}, 'podSelector': "
               "{'matchLabels': {'pod': 'a'}, 'matchExpressions': "
               "[{'key': 'pod', 'operator': 'NotIn', 'values': ['b']}]}}]}]}");
    compile(&scene);
    check_allowed(&scene, "+x.a>y.b -x.b>y.b -y.a>y.b");

    /* An unknown namespace has no labels that could match. */
    k8s_namespace_destroy(shash_find_and_delete_assert(
        &scene.cluster.objects[K8S_NAMESPACES], "x"));
    compile(&scene);
    check_allowed(&scene, "-x.a>y.b +y.b>x.a");
    put_netpol(&scene, "y", "p", "{'podSelector': {}, 'ingress': [{'from': "
               "[{'namespaceSelector': {'matchExpressions': [{'key': 'ns', "
               "'operator': 'DoesNotExist'}]}}]}]}");
    compile(&scene);
    check_allowed(&scene, "-x.a>y.b");
    put_netpol(&scene, "y", "p", "{'podSelector': {}, 'ingress': [{'from': "
               "[{'namespaceSelector': {}}]}]}");
    compile(&scene);
    check_allowed(&scene, "+x.a>y.b -9.9.9.9>y.b");
    scene_destroy(&scene);
}

static void
test_blocks(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'ingress': [{'from': "
               "[{'ipBlock': {'cidr': '9.9.9.9/8', 'except': "
               "['9.1.0.0/16', '8.0.0.0/8']}}]}]}");
    compile(&scene);
    check_allowed(&scene, "+9.9.9.9>x.a -9.1.2.3>x.a -8.1.1.1>x.a -y.a>x.a");

    /* An exception is not a denial: another rule may open it. */
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'ingress': [{'from': "
               "[{'ipBlock': {'cidr': '9.0.0.0/8', 'except': "
               "['9.1.0.0/16', '9.2.0.0/16']}}, {'ipBlock': {'cidr': "
               "'9.0.0.0/8', 'except': ['9.1.1.0/24', '9.3.0.0/16']}}]}]}");
    compile(&scene);
    check_allowed(&scene, "+9.1.2.3>x.a -9.1.1.3>x.a +9.2.2.2>x.a "
                  "+9.3.3.3>x.a");

    /* Nothing remains. */
    put_malformed_netpol(&scene, "x", "p", "{'podSelector': {}, 'ingress': "
                         "[{'from': [{'ipBlock': {'cidr': '9.0.0.0/8', "
                         "'except': ['9.0.0.0/8']}}]}]}");
    compile(&scene);
    check_allowed(&scene, "-9.1.2.3>x.a");

    /* Everything of one IP version, but not the node. */
    scene.options.node_traffic = NETPOL_NODE_NONE;
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'ingress': [{'from': "
               "[{'ipBlock': {'cidr': '0.0.0.0/0'}}]}]}");
    compile(&scene);
    check_allowed(&scene, "+9.1.2.3>x.a +y.a>x.a -fd00::1>x.a -host>x.a");
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'ingress': [{'from': "
               "[{'ipBlock': {'cidr': 'fd00::/8', 'except': "
               "['fd00:1::/32']}}]}]}");
    compile(&scene);
    check_allowed(&scene, "-9.1.2.3>x.a +fd00::1>x.a -fd00:1::1>x.a");
    scene_destroy(&scene);
}

static void
test_ports(void **state OVS_UNUSED)
{
    struct scene scene;

    /* Names mean what the destination says, per protocol, and nothing outside
     * the cluster. */
    scene_init_xy(&scene);
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'ingress': "
               "[{'ports': [{'port': 'web'}]}]}");
    compile(&scene);
    check_allowed(&scene, "+y.b>x.a:TCP:80 -y.b>x.a:TCP:81 -y.b>x.b:TCP:80 "
                  "+y.b>x.b:TCP:81 -y.b>x.a:UDP:80 +9.9.9.9>x.a:TCP:80");
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'policyTypes': "
               "['Egress'], 'egress': [{'ports': [{'port': 'web', "
               "'protocol': 'UDP'}, {'port': 53, 'protocol': 'UDP'}]}]}");
    compile(&scene);
    check_allowed(&scene, "+x.b>y.a:UDP:8080 -x.b>y.a:TCP:8080 "
                  "-x.b>x.a:UDP:80 -x.b>9.9.9.9:UDP:8080 +x.b>9.9.9.9:UDP:53 "
                  "+x.b>y.a:UDP:53");
    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'policyTypes': "
               "['Egress'], 'egress': [{'to': [{'podSelector': {}}, "
               "{'ipBlock': {'cidr': '10.0.0.3/32'}}], "
               "'ports': [{'port': 'web'}]}]}");
    compile(&scene);
    check_allowed(&scene, "+x.b>x.a:TCP:80 -x.a>x.b:TCP:80 +x.a>x.b:TCP:81 "
                  "-x.a>y.a:UDP:8080");

    put_netpol(&scene, "x", "p", "{'podSelector': {}, 'ingress': "
               "[{'ports': [{'port': 100, 'endPort': 200}, "
               "{'protocol': 'SCTP'}]}]}");
    compile(&scene);
    check_allowed(&scene, "-y.a>x.a:TCP:99 +y.a>x.a:TCP:100 "
                  "+y.a>x.a:TCP:200 -y.a>x.a:TCP:201 -y.a>x.a:UDP:100 "
                  "+y.a>x.a:SCTP:9");
    scene_destroy(&scene);
}

/* What is malformed opens nothing. */
static void
test_malformed(void **state OVS_UNUSED)
{
    static const char *const rules[] = {
        "{'from': {}}",
        "{'from': 'all'}",
        "{'ports': {}}",
        "{'from': [{}]}",
        "{'from': [null]}",
        "{'from': [{'podSelector': []}]}",
        "{'from': [{'podSelector': {'matchLabels': []}}]}",
        "{'from': [{'podSelector': {'matchLabels': {'pod': 7}}}]}",
        "{'from': [{'podSelector': {'matchExpressions': {}}}]}",
        "{'from': [{'podSelector': {'matchExpressions': [{'key': 'pod'}]}}]}",
        "{'from': [{'podSelector': {'matchExpressions': [{'key': 'pod', "
            "'operator': 'in', 'values': ['a']}]}}]}",
        "{'from': [{'podSelector': {'matchExpressions': [{'key': 'pod', "
            "'operator': 'NotIn'}]}}]}",
        "{'from': [{'podSelector': {'matchExpressions': [{'key': 'pod', "
            "'operator': 'Exists', 'values': ['a']}]}}]}",
        "{'from': [{'podSelector': {}, 'ipBlock': {'cidr': '0.0.0.0/0'}}]}",
        "{'from': [{'podSelector': {}, 'namespaceSelector': 1}]}",
        "{'from': [{'ipBlock': {}}]}",
        "{'from': [{'ipBlock': {'cidr': '10.0.0.0'}}]}",
        "{'from': [{'ipBlock': {'cidr': '10.0.0.0/33'}}]}",
        "{'from': [{'ipBlock': {'cidr': '10.0.0.0/ 8'}}]}",
        "{'from': [{'ipBlock': {'cidr': '10.0.0.0/'}}]}",
        "{'from': [{'ipBlock': {'cidr': '10.0.0.0/-8'}}]}",
        "{'from': [{'ipBlock': {'cidr': '::ffff:10.0.0.0/100'}}]}",
        "{'from': [{'ipBlock': {'cidr': '10.0.0.0/8', 'except': {}}}]}",
        "{'from': [{'ipBlock': {'cidr': '10.0.0.0/8', 'except': ['x']}}]}",
        "{'ports': [{'protocol': 'tcp'}]}",
        "{'ports': [{'protocol': 'ICMP', 'port': 80}]}",
        "{'ports': [{'port': 0}]}",
        "{'ports': [{'port': 65536}]}",
        "{'ports': [{'port': -1}]}",
        "{'ports': [{'port': []}]}",
        "{'ports': [{'port': 80.5}]}",
        "{'ports': [{'endPort': 80}]}",
        "{'ports': [{'port': 80, 'endPort': 79}]}",
        "{'ports': [{'port': 80, 'endPort': '90'}]}",
        "{'ports': [{'port': 'web', 'endPort': 90}]}",
        "{'ports': [null]}",
        "[]",
        "null",
        "7",
    };
    struct scene scene;

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        char *spec = xasprintf("{'podSelector': {}, 'ingress': [%s]}",
                               rules[i]);

        scene_init_xy(&scene);
        put_malformed_netpol(&scene, "x", "p", spec);
        compile(&scene);
        check_allowed(&scene, "-x.a>x.b -y.a>x.a -9.9.9.9>x.a +x.a>y.a");

        /* The others still count. */
        free(spec);
        spec = xasprintf("{'podSelector': {}, 'ingress': [%s, {'from': "
                         "[{'podSelector': {}}]}]}", rules[i]);
        put_malformed_netpol(&scene, "x", "p", spec);
        compile(&scene);
        check_allowed(&scene, "+x.a>x.b -y.a>x.a -9.9.9.9>x.a +x.a>y.a");
        free(spec);
        scene_destroy(&scene);
    }
}

/* A policy of which it is not clear whom it isolates isolates all. */
static void
test_malformed_policy(void **state OVS_UNUSED)
{
    static const char *const specs[] = {
        "7",
        "null",
        "{'podSelector': []}",
        "{'podSelector': {'matchExpressions': [{'operator': 'Exists'}]}, "
            "'ingress': [{}]}",
        "{'podSelector': {'matchLabels': {'pod': 'c'}}, "
            "'policyTypes': 'Ingress', 'ingress': [{}]}",
        "{'podSelector': {'matchLabels': {'pod': 'c'}}, "
            "'policyTypes': ['ingress'], 'ingress': [{}], 'egress': [{}]}",
        "{'podSelector': {'matchLabels': {'pod': 'c'}}, 'egress': {}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
        struct scene scene;

        scene_init_xy(&scene);
        put_malformed_netpol(&scene, "x", "p", specs[i]);
        compile(&scene);
        check_allowed(&scene, "-x.a>x.b -y.a>x.a -x.a>y.a +y.a>y.b");
        scene_destroy(&scene);
    }
}

/* Pods that have no service: what is not known cannot send. */
static void
test_pods_without_service(void **state OVS_UNUSED)
{
    static const char *const good[] = {
        "'spec': {'hostNetwork': true}",
        "'status': {'phase': 'Succeeded', 'podIP': '10.0.0.1'}",
        "'status': {'phase': 'Failed', 'podIP': '10.0.0.1'}",
    };
    static const char *const bad[] = {
        "'spec': {'hostNetwork': 'yes'}",
        "'spec': {'containers': [{'ports': {}}]}",
        "'spec': {'containers': [{'ports': [{'name': 'web'}]}]}",
        "'spec': {'containers': [{'ports': [{'name': 'web', "
            "'containerPort': 80, 'protocol': 'ICMP'}]}]}",
    };
    struct scene scene;
    char *text;

    scene_init_xy(&scene);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        text = xasprintf("{'metadata': {'namespace': 'x', 'name': 'h%"PRIuSIZE
                         "'}, %s}", i, good[i]);
        put(&scene, K8S_PODS, text);
        free(text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        text = xasprintf("{'metadata': {'namespace': 'x', 'name': 'm%"PRIuSIZE
                         "'}, %s}", i, bad[i]);
        put_malformed(&scene, K8S_PODS, text);
        free(text);
    }
    put_malformed(&scene, K8S_PODS, "{'metadata': {'namespace': 'x', "
                  "'name': 'm', 'labels': {'pod': ['a']}}}");
    put_malformed(&scene, K8S_PODS, "{'metadata': {'namespace': 'x', "
                  "'name': 'm', 'labels': {'pod': 'a\\npod=b'}}}");
    put_malformed(&scene, K8S_PODS, "{'metadata': {'name': 'm'}}");
    put_malformed(&scene, K8S_PODS, "{'metadata': {'namespace': 'x', "
                  "'name': 'm/n'}}");
    put_malformed(&scene, K8S_PODS, "[]");
    compile(&scene);
    assert_int_equal(shash_count(&scene.desired.containers), 4);
    scene_destroy(&scene);
}

/* Labels that no selector mentions change nothing. */
static void
test_identities(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    compile(&scene);
    assert_int_equal(shash_count(&scene.desired.services), 2);
    assert_string_equal(service_of(&scene, "x.a"), "pods/x");

    put_netpol(&scene, "x", "p", "{'podSelector': {'matchLabels': "
               "{'pod': 'a'}}}");
    compile(&scene);
    assert_int_equal(shash_count(&scene.desired.services), 3);
    assert_string_equal(service_of(&scene, "x.b"), "pods/x");
    assert_string_equal(service_of(&scene, "y.a"), "pods/y");

    char *service = xstrdup(service_of(&scene, "x.a"));
    assert_memory_equal(service, "pods/x.a-", 9);
    put_pod(&scene, "x", "a", "{'pod': 'a', 'pod-template-hash': '1'}",
            "10.0.0.1", "{'name': 'web', 'containerPort': 80}");
    put_pod(&scene, "x", "a2", "{'pod': 'a', 'pod-template-hash': '2'}",
            "10.0.0.9", "");
    put_netpol(&scene, "x", "p2", "{'podSelector': {'matchExpressions': "
               "[{'key': 'pod', 'operator': 'NotIn', 'values': ['a']}]}}");
    put_netpol(&scene, "y", "p", "{'podSelector': {'matchLabels': "
               "{'pod-template-hash': '1'}}}");
    compile(&scene);
    assert_string_equal(service_of(&scene, "x.a"), service);
    assert_string_equal(service_of(&scene, "x.a2"), service);
    assert_string_equal(service_of(&scene, "x.b"), "pods/x");

    /* Ports count when a policy mentions the name, as the number is another
     * one then. */
    put_netpol(&scene, "x", "p3", "{'podSelector': {}, 'ingress': "
               "[{'ports': [{'port': 'web'}]}]}");
    compile(&scene);
    assert_string_not_equal(service_of(&scene, "x.a"), service);
    assert_string_equal(service_of(&scene, "x.a2"), service);
    free(service);
    scene_destroy(&scene);
}

static void
test_long_names(void **state OVS_UNUSED)
{
    struct scene scene;
    char name[254];

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    scene_init_xy(&scene);
    put_pod(&scene, "x", name, "{'pod': 'c', 'app': '-'}", "10.0.0.9", "");
    put_pod(&scene, "a.b", "c", "{}", "10.0.0.10", "");
    put_pod(&scene, "a", "b.c", "{}", "10.0.0.11", "");
    put_netpol(&scene, "x", "p", "{'podSelector': {'matchLabels': "
               "{'pod': 'c', 'app': '-'}}}");
    compile(&scene);            /* Checks names. */
    assert_int_equal(shash_count(&scene.desired.containers), 7);
    scene_destroy(&scene);
}

static void
test_node_traffic(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    put_netpol(&scene, "x", "p", "{'podSelector': {}, "
               "'policyTypes': ['Ingress', 'Egress']}");
    compile(&scene);
    check_allowed(&scene, "+host>x.a -x.a>host +host>y.a -y.a>host");

    scene.options.node_traffic = NETPOL_NODE_NONE;
    compile(&scene);
    check_allowed(&scene, "-host>x.a -x.a>host +host>y.a -y.a>host");

    scene.options.node_traffic = NETPOL_NODE_BOTH;
    compile(&scene);
    check_allowed(&scene, "+host>x.a +x.a>host +host>y.a +y.a>host "
                  "-x.a>y.a -y.a>x.a");
    scene_destroy(&scene);
}

static void
test_zero_trust(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    scene.options.mode = NETPOL_ZERO_TRUST;
    compile(&scene);
    check_allowed(&scene, "-x.a>x.b -x.a>y.a -9.9.9.9>x.a -x.a>9.9.9.9 "
                  "+host>x.a -x.a>host");

    /* A policy at one end opens both halves... */
    put_netpol(&scene, "x", "in", "{'podSelector': {'matchLabels': "
               "{'pod': 'a'}}, 'ingress': [{'from': [{'namespaceSelector': "
               "{'matchLabels': {'ns': 'y'}}}]}]}");
    compile(&scene);
    check_allowed(&scene, "+y.a>x.a +y.b>x.a -x.b>x.a -x.a>y.a");

    /* ...but not that which another policy closes. */
    put_netpol(&scene, "y", "out", "{'podSelector': {'matchLabels': "
               "{'pod': 'b'}}, 'policyTypes': ['Egress']}");
    compile(&scene);
    check_allowed(&scene, "+y.a>x.a -y.b>x.a");

    /* Everyone. */
    put_netpol(&scene, "x", "in", "{'podSelector': {'matchLabels': "
               "{'pod': 'a'}}, 'ingress': [{}]}");
    compile(&scene);
    check_allowed(&scene, "+y.a>x.a -y.b>x.a +x.b>x.a +9.9.9.9>x.a -x.a>x.b");
    put_netpol(&scene, "y", "out", "{'podSelector': {'matchLabels': "
               "{'pod': 'b'}}, 'policyTypes': ['Egress'], 'egress': "
               "[{'ports': [{'port': 80}, {'port': 'web'}]}]}");
    compile(&scene);
    check_allowed(&scene, "+y.b>x.a -y.b>x.a:TCP:81 +y.b>x.b "
                  "+y.b>x.b:TCP:81 -x.b>y.b");
    scene_destroy(&scene);
}

static void
test_services(void **state OVS_UNUSED)
{
    struct scene scene;

    scene_init_xy(&scene);
    scene.options.mode = NETPOL_ZERO_TRUST;
    scene.options.clients = NETPOL_CLIENTS_NAMESPACE;
    put(&scene, K8S_SERVICES, "{'metadata': {'name': 's', 'namespace': 'x', "
        "'annotations': {'bastion/allow-namespaces': 'y, z'}}, 'spec': "
        "{'selector': {'pod': 'a'}, 'ports': [{'port': 443, "
        "'targetPort': 'web'}, {'port': 53, 'protocol': 'UDP'}]}}");
    compile(&scene);
    check_allowed(&scene, "+x.b>x.a -x.b>x.a:TCP:443 +x.b>x.a:UDP:53 "
                  "-x.a>x.b -y.a>x.a");

    /* Pods elsewhere must say that they depend on it, and be let in. */
    put(&scene, K8S_PODS, "{'metadata': {'name': 'c', 'namespace': 'y', "
        "'annotations': {'bastion/depends-on': 's.x'}}, "
        "'status': {'podIP': '10.0.0.7'}}");
    put_pod(&scene, "w", "d", "{}", "10.0.0.8", "");
    put(&scene, K8S_PODS, "{'metadata': {'name': 'c', 'namespace': 'w', "
        "'annotations': {'bastion/depends-on': 's.x,s'}}, "
        "'status': {'podIP': '10.0.0.9'}}");
    compile(&scene);
    check_allowed(&scene, "+y.c>x.a -y.a>x.a -w.c>x.a");

    scene.options.clients = NETPOL_CLIENTS_ANNOTATED;
    compile(&scene);
    check_allowed(&scene, "-x.b>x.a +y.c>x.a -w.c>x.a");

    scene.options.clients = NETPOL_CLIENTS_NONE;
    compile(&scene);
    check_allowed(&scene, "-x.b>x.a -y.c>x.a");

    /* A policy closes it. */
    scene.options.clients = NETPOL_CLIENTS_NAMESPACE;
    put_netpol(&scene, "x", "p", "{'podSelector': {'matchLabels': "
               "{'pod': 'a'}}}");
    compile(&scene);
    check_allowed(&scene, "-x.b>x.a -y.c>x.a");

    /* Endpoints that Kubernetes has not chosen. */
    put(&scene, K8S_SERVICES, "{'metadata': {'name': 't', 'namespace': 'x'}, "
        "'spec': {'ports': [{'port': 80}]}}");
    put(&scene, K8S_ENDPOINTS, "{'metadata': {'name': 't-1', 'namespace': "
        "'x', 'labels': {'kubernetes.io/service-name': 't'}}, 'endpoints': "
        "[{'targetRef': {'kind': 'Pod', 'name': 'b'}}, null, {}]}");
    compile(&scene);
    check_allowed(&scene, "+x.a>x.b -x.a>x.b:TCP:81 -y.a>x.b");
    scene_destroy(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_policy_types),
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_and),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_malformed_policy),
        cmocka_unit_test(test_pods_without_service),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_node_traffic),
        cmocka_unit_test(test_zero_trust),
        cmocka_unit_test(test_services),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
