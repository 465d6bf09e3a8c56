/* SPDX-License-Identifier: Apache-2.0 */

/* What an API server of Kubernetes says.
 *
 * The first byte of the input selects options, the rest is a stream of
 * objects.  Whatever they say, what is made of them is what the database
 * takes. */

#include <config.h>

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/peer.h"
#include "lib/policy.h"
#include "manager/desired.h"
#include "manager/json-reader.h"
#include "manager/kubernetes-parse.h"
#include "manager/netpol.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

static const struct json_limits limits = { 1024 * 1024, 32, 10000 };

static void
got_object(struct json_object *json, void *cluster_)
{
    static const char *const kinds[K8S_N_KINDS] = {
        [K8S_PODS] = "Pod",
        [K8S_NAMESPACES] = "Namespace",
        [K8S_NETPOLS] = "NetworkPolicy",
        [K8S_SERVICES] = "Service",
        [K8S_ENDPOINTS] = "EndpointSlice",
        [K8S_NODES] = "Node",
    };
    struct k8s_cluster *cluster = cluster_;
    const char *name = json_get_text(json, "kind");

    for (int kind = 0; name && kind < K8S_N_KINDS; kind++) {
        if (!strcmp(name, kinds[kind])) {
            struct shash *objects = &cluster->objects[kind];
            char *key;
            void *object;

            free(k8s_parse(kind, json, &key, &object));
            ovs_assert(key || !object);
            if (key) {
                k8s_object_destroy(kind, shash_find_and_delete(objects, key));
            }
            if (object) {
                shash_add(objects, key, object);
            }
            free(key);
        }
    }
    json_object_put(json);
}

static void
check_name(const char *name)
{
    char *error = strncmp(name, "net/", 4) ? xstrdup(name)
                                           : name_check(name + 4);

    ovs_assert(!error);
}

static void
check_peers(const struct desired *desired, const struct desired_peers *peers)
{
    const struct shash_node *node;
    const char *service;

    SSET_FOR_EACH (service, &peers->services) {
        ovs_assert(shash_find(&desired->services, service));
    }
    SHASH_FOR_EACH (node, &peers->cidrs) {
        char *except = sset_join(node->data, ",", "");
        char *text = xasprintf("cidr:%s%s%s", node->name,
                               *except ? ",except=" : "", except);
        struct peer peer;
        char *error = peer_parse(text, &peer);

        ovs_assert(!error);
        peer_destroy(&peer);
        free(text);
        free(except);
    }
}

static void
check_desired(const struct desired *desired)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &desired->services) {
        check_name(node->name);
    }
    SHASH_FOR_EACH (node, &desired->containers) {
        const struct desired_container *container = node->data;

        check_name(node->name);
        ovs_assert(shash_find(&desired->services, container->service));
    }
    SHASH_FOR_EACH (node, &desired->dependencies) {
        const struct desired_dependency *d = node->data;
        const char *policy;

        ovs_assert(!sset_is_empty(&d->policies));
        SSET_FOR_EACH (policy, &d->policies) {
            struct policy parsed;
            char *error = policy_parse(policy, &parsed);

            ovs_assert(!error);
        }
        check_peers(desired, &d->source);
        check_peers(desired, &d->destination);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct k8s_cluster cluster;
    struct desired desired;

    if (!size) {
        return 0;
    }

    k8s_cluster_init(&cluster);
    struct json_reader *reader = json_reader_create(&limits, got_object,
                                                    &cluster);
    char *error = json_reader_feed(reader, data + 1, size - 1);
    free(error ? error : json_reader_finish(reader));
    json_reader_destroy(reader);

    const struct netpol_options options = {
        .network = "net",
        .mode = data[0] & 1 ? NETPOL_ZERO_TRUST : NETPOL_KUBERNETES,
        .node_traffic = (data[0] >> 1) % 3,
        .clients = (data[0] >> 3) % 3,
    };
    desired_init(&desired);
    netpol_compile(&cluster, &options, &desired);
    check_desired(&desired);
    desired_destroy(&desired);
    k8s_cluster_destroy(&cluster);
    return 0;
}
