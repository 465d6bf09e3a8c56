/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/netpol-classes.h"

#include <netinet/in.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* What policies look at
 * =====================
 *
 * A word is a label's key, a named port, or one of the other things that
 * policies look at, with a letter in front that says which: "l" label, "p"
 * port of the form PROTOCOL/NAME. */
struct word {
    bool presence;              /* Whether a label is there matters. */
    struct sset values;         /* Values that matter. */
};

static struct word *
add_word(struct shash *words, char type, const char *text)
{
    char *key = xasprintf("%c%s", type, text);
    struct word *word = shash_find_data(words, key);

    if (!word) {
        word = xzalloc(sizeof *word);
        sset_init(&word->values);
        shash_add(words, key, word);
    }
    free(key);
    return word;
}

static void
add_selector(struct shash *words, const struct k8s_selector *selector)
{
    for (size_t i = 0; !selector->malformed && i < selector->n; i++) {
        const struct k8s_requirement *r = selector->requirements[i];
        struct word *word = add_word(words, 'l', r->key);
        const char *value;

        if (r->operator == K8S_EXISTS || r->operator == K8S_DOES_NOT_EXIST) {
            word->presence = true;
        }
        SSET_FOR_EACH (value, &r->values) {
            sset_add(&word->values, value);
        }
    }
}

static void
add_port(struct shash *words, const struct k8s_policy_port *port)
{
    if (port->type == K8S_PORT_NAME) {
        char *text = xasprintf("%d/%s", port->nw_proto, port->name);

        add_word(words, 'p', text);
        free(text);
    }
}

static void
destroy_words(struct shash *words)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, words) {
        struct word *word = node->data;

        sset_destroy(&word->values);
    }
    shash_destroy_free_data(words);
}

static struct pod_namespace *
get_namespace(struct pod_classes *classes, const struct k8s_cluster *cluster,
              const char *name)
{
    struct pod_namespace *namespace = shash_find_data(&classes->namespaces,
                                                      name);

    if (!namespace) {
        namespace = xzalloc(sizeof *namespace);
        struct shash_node *node = shash_add(&classes->namespaces, name,
                                            namespace);
        namespace->name = node->name;
        namespace->object = shash_find_data(&cluster->objects[K8S_NAMESPACES],
                                            name);
        namespace->words = xmalloc(sizeof *namespace->words);
        shash_init(namespace->words);
        hmap_init(&namespace->classes);
    }
    return namespace;
}

/* Adds what the rules of 'netpol' look at in the pods of its own namespace to
 * 'own' and what they look at in those of all namespaces to 'all'. */
static void
add_netpol(const struct k8s_netpol *netpol, struct shash *own,
           struct shash *all)
{
    add_selector(own, &netpol->pods);
    for (int d = 0; d < K8S_N_DIRECTIONS; d++) {
        for (size_t i = 0; i < netpol->directions[d].n_rules; i++) {
            const struct k8s_rule *rule = &netpol->directions[d].rules[i];
            bool far = rule->any_peer;

            for (size_t j = 0; j < rule->n_peers; j++) {
                const struct k8s_peer *peer = &rule->peers[j];

                if (peer->type == K8S_PEER_PODS) {
                    add_selector(peer->has_namespaces ? all : own,
                                 &peer->pods);
                    far |= peer->has_namespaces;
                }
            }

            /* Ports are those of the destination. */
            for (size_t j = 0; j < rule->n_ports; j++) {
                add_port(d == K8S_EGRESS && far ? all : own, &rule->ports[j]);
            }
        }
    }
}

static void
add_service(const struct k8s_service *service, struct shash *own)
{
    if (service->has_selector) {
        add_selector(own, &service->pods);
    }
    for (size_t i = 0; i < service->n_ports; i++) {
        add_port(own, &service->ports[i]);
    }
}

/* Signatures. */

static void
put_label(struct ds *signature, const struct k8s_pod *pod, const char *key,
          const struct word *word)
{
    const char *value = smap_get(&pod->labels, key);

    if (value && sset_contains(&word->values, value)) {
        ds_put_char(signature, '\n');
        ds_put_cstr(signature, key);
        ds_put_char(signature, '=');
        ds_put_cstr(signature, value);
    } else if (value && word->presence) {
        ds_put_format(signature, "\n%s", key);
    }
}

static void
put_port(struct ds *signature, const struct k8s_pod *pod, const char *port)
{
    const char *name = strchr(port, '/') + 1;
    int nw_proto = atoi(port);

    for (size_t i = 0; i < pod->n_ports; i++) {
        const struct k8s_port *p = &pod->ports[i];

        if (p->nw_proto == nw_proto && !strcmp(p->name, name)) {
            ds_put_format(signature, "\n:%s:%d", port, p->number);
        }
    }
}

/* Adds all 'from' to 'words'. */
static void
merge_words(struct shash *words, const struct shash *from)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, from) {
        const struct word *word = node->data;
        struct word *to = add_word(words, node->name[0], node->name + 1);
        const char *value;

        to->presence |= word->presence;
        SSET_FOR_EACH (value, &word->values) {
            sset_add(&to->values, value);
        }
    }
}

/* Returns what a person would call pods like 'pod': the values in its
 * signature. */
static char *
describe(const struct k8s_pod *pod, const struct shash_node **words, size_t n)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, pod->namespace);
    for (size_t i = 0; i < n; i++) {
        const struct word *word = words[i]->data;
        const char *value = (words[i]->name[0] == 'l'
                             ? smap_get(&pod->labels, words[i]->name + 1)
                             : NULL);

        if (value && value[0] && sset_contains(&word->values, value)) {
            ds_put_format(&s, ".%s", value);
        }
    }
    return ds_steal_cstr(&s);
}

/* The names of services without a selector, by the pods that are their
 * endpoints: "NAMESPACE/NAME" -> struct sset. */
static void
collect_endpoints(const struct k8s_cluster *cluster, struct shash *endpoints)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &cluster->objects[K8S_ENDPOINTS]) {
        const struct k8s_endpoints *e = node->data;
        char *key = e->service ? xasprintf("%s/%s", e->namespace, e->service)
                               : NULL;
        const struct k8s_service *service
            = key ? shash_find_data(&cluster->objects[K8S_SERVICES], key)
                  : NULL;

        free(key);
        if (!service || service->has_selector) {
            continue;
        }

        const char *name;
        SSET_FOR_EACH (name, &e->pods) {
            char *pod = xasprintf("%s/%s", e->namespace, name);
            struct sset *services = shash_find_data(endpoints, pod);

            if (!services) {
                services = xmalloc(sizeof *services);
                sset_init(services);
                shash_add(endpoints, pod, services);
            }
            sset_add(services, e->service);
            free(pod);
        }
    }
}

static void
put_endpoints(struct ds *signature, const struct sset *services)
{
    const char **sorted = sset_sort(services);

    for (size_t i = 0; i < sset_count(services); i++) {
        ds_put_format(signature, "\n>%s", sorted[i]);
    }
    free(sorted);
}

static void
put_signature(struct ds *signature, const struct k8s_pod *pod,
              const struct shash_node **words, size_t n)
{
    ds_put_cstr(signature, pod->namespace);
    for (size_t i = 0; i < n; i++) {
        const char *text = words[i]->name + 1;

        if (words[i]->name[0] == 'p') {
            put_port(signature, pod, text);
        } else {
            put_label(signature, pod, text, words[i]->data);
        }
    }
}

static struct pod_class *
get_class(struct pod_classes *classes, struct pod_namespace *namespace,
          const char *signature, const struct k8s_pod *pod,
          const struct shash_node **words, size_t n)
{
    uint32_t hash = hash_string(signature, 0);
    struct pod_class *class;

    HMAP_FOR_EACH_WITH_HASH (class, node, hash, &namespace->classes) {
        if (!strcmp(class->signature, signature)) {
            return class;
        }
    }

    char *readable = describe(pod, words, n);
    char *name = k8s_make_name(namespace->name, readable, signature,
                               !strcmp(signature, namespace->name));

    class = xzalloc(sizeof *class);
    class->signature = xstrdup(signature);
    class->service = xasprintf("%s/%s", classes->network, name);
    class->namespace = namespace;
    class->pod = pod;
    hmap_insert(&namespace->classes, &class->node, hash);
    classes->n++;
    free(name);
    free(readable);
    return class;
}

static void
add_words(struct pod_classes *classes, const struct k8s_cluster *cluster,
          const struct pod_class_options *options)
{
    struct shash all = SHASH_INITIALIZER(&all);
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &cluster->objects[K8S_NETPOLS]) {
        const struct k8s_netpol *netpol = node->data;

        add_netpol(netpol, get_namespace(classes, cluster,
                                         netpol->namespace)->words, &all);
    }
    if (options->services) {
        SHASH_FOR_EACH (node, &cluster->objects[K8S_SERVICES]) {
            const struct k8s_service *service = node->data;

            add_service(service, get_namespace(classes, cluster,
                                               service->namespace)->words);
        }
    }

    SHASH_FOR_EACH (node, &cluster->objects[K8S_PODS]) {
        const struct k8s_pod *pod = node->data;

        get_namespace(classes, cluster, pod->namespace);
    }
    SHASH_FOR_EACH (node, &classes->namespaces) {
        const struct pod_namespace *namespace = node->data;

        merge_words(namespace->words, &all);
    }
    destroy_words(&all);
}

/* Puts the pods of 'cluster' into classes. */
void
pod_classes_init(struct pod_classes *classes,
                 const struct k8s_cluster *cluster,
                 const struct pod_class_options *options)
{
    struct shash sorted = SHASH_INITIALIZER(&sorted);
    struct shash endpoints = SHASH_INITIALIZER(&endpoints);
    struct ds signature = DS_EMPTY_INITIALIZER;
    const struct shash_node *node;

    classes->network = options->network;
    shash_init(&classes->namespaces);
    classes->n = classes->n_members = 0;
    classes->members = xmalloc(shash_count(&cluster->objects[K8S_PODS])
                               * sizeof *classes->members);
    add_words(classes, cluster, options);
    SHASH_FOR_EACH (node, &classes->namespaces) {
        const struct pod_namespace *namespace = node->data;

        shash_add(&sorted, node->name, shash_sort(namespace->words));
    }
    if (options->services) {
        collect_endpoints(cluster, &endpoints);
    }

    SHASH_FOR_EACH (node, &cluster->objects[K8S_PODS]) {
        const struct k8s_pod *pod = node->data;

        if (pod->host_network || pod->completed
            || (options->namespaces
                && !sset_contains(options->namespaces, pod->namespace))) {
            continue;
        }

        struct pod_namespace *namespace
            = shash_find_data(&classes->namespaces, pod->namespace);
        const struct shash_node **words = shash_find_data(&sorted,
                                                          pod->namespace);
        size_t n = shash_count(namespace->words);
        const struct sset *services = shash_find_data(&endpoints, node->name);

        ds_clear(&signature);
        put_signature(&signature, pod, words, n);
        if (services) {
            put_endpoints(&signature, services);
        }
        if (options->depends_on && pod->depends_on) {
            ds_put_format(&signature, "\n@%s", pod->depends_on);
        }
        classes->members[classes->n_members++] = (struct pod_member) {
            .pod = pod,
            .class = get_class(classes, namespace, ds_cstr(&signature), pod,
                               words, n),
        };
    }

    ds_destroy(&signature);
    SHASH_FOR_EACH (node, &endpoints) {
        sset_destroy(node->data);
    }
    shash_destroy_free_data(&endpoints);
    shash_destroy_free_data(&sorted);
}

void
pod_classes_destroy(struct pod_classes *classes)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &classes->namespaces) {
        struct pod_namespace *namespace = node->data;
        struct pod_class *class;

        HMAP_FOR_EACH_POP (class, node, &namespace->classes) {
            free(class->signature);
            free(class->service);
            free(class);
        }
        hmap_destroy(&namespace->classes);
        destroy_words(namespace->words);
        free(namespace->words);
    }
    shash_destroy_free_data(&classes->namespaces);
    free(classes->members);
}

/* Labels of a namespace that is not known (yet) match nothing that looks at
 * them, not even a selector that asks for a label to be absent. */
bool
pod_namespace_matches(const struct pod_namespace *namespace,
                      const struct k8s_selector *selector)
{
    return (namespace->object
            ? k8s_selector_matches(selector, &namespace->object->labels)
            : !selector->malformed && !selector->n);
}
