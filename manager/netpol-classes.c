/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/netpol-classes.h"

#include <netinet/in.h>
#include <string.h>

#include "hash.h"
#include "lib/peer.h"
#include "openvswitch/dynamic-string.h"
#include "sha1.h"
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
        const struct k8s_requirement *r = &selector->requirements[i];
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
        ds_put_format(signature, "\n%s=%s", key, value);
    } else if (value && word->presence) {
        ds_put_format(signature, "\n%s", key);
    }
}

static void
put_port(struct ds *signature, const struct k8s_pod *pod, const char *port)
{
    for (size_t i = 0; i < pod->n_ports; i++) {
        const struct k8s_port *p = &pod->ports[i];
        char *text = xasprintf("%d/%s", p->nw_proto, p->name);

        if (!strcmp(text, port)) {
            ds_put_format(signature, "\n:%s:%d", text, p->number);
        }
        free(text);
    }
}

/* Appends what policies can see of 'pod', given all that they look at. */
static void
put_signature(struct ds *signature, const struct k8s_pod *pod,
              const struct shash_node **all, size_t n_all,
              const struct shash_node **own, size_t n_own)
{
    size_t i = 0, j = 0;

    ds_put_cstr(signature, pod->namespace);
    while (i < n_all || j < n_own) {
        int cmp = (i >= n_all ? 1
                   : j >= n_own ? -1
                   : strcmp(all[i]->name, own[j]->name));
        const char *name = cmp <= 0 ? all[i]->name : own[j]->name;

        if (name[0] == 'p') {
            put_port(signature, pod, name + 1);
        } else {
            struct word both = {
                .values = SSET_INITIALIZER(&both.values)
            };
            const struct word *word;

            if (!cmp) {
                const struct word *a = all[i]->data;
                const struct word *b = own[j]->data;

                both.presence = a->presence || b->presence;
                sset_clone(&both.values, &a->values);

                const char *value;
                SSET_FOR_EACH (value, &b->values) {
                    sset_add(&both.values, value);
                }
                word = &both;
            } else {
                word = cmp < 0 ? all[i]->data : own[j]->data;
            }
            put_label(signature, pod, name + 1, word);
            sset_destroy(&both.values);
        }
        i += cmp <= 0;
        j += cmp >= 0;
    }
}
