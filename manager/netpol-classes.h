/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_NETPOL_CLASSES_H
#define BASTION_MANAGER_NETPOL_CLASSES_H 1

/* Classes of pods
 * ===============
 *
 * Pods of one namespace that no policy can tell apart are one class, which
 * becomes one service with one identity.  What policies can tell apart is
 * found out from their selectors and ports, in advance:
 *
 *   - the value of a label, if a selector that looks at the namespace's pods
 *     mentions this value;
 *
 *   - whether there is such a label, if a selector asks for this;
 *
 *   - the number of a named port, if a rule mentions the name.
 *
 * So labels that come and go without being mentioned change no identity, nor
 * do policies that only mention what has been mentioned before.
 *
 * The name of a class follows from what its pods have in common, and nothing
 * else: it is the same after a restart.
 *
 * Pods that share their node's network, and completed pods, are in no class.
 *
 * Everything is borrowed from the cluster, which must not change meanwhile.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include "manager/kubernetes-model.h"
#include "openvswitch/hmap.h"

/* Pods that policies cannot tell apart. */
struct pod_class {
    struct hmap_node node;      /* In pod_namespace's 'classes'. */
    char *signature;            /* What the pods have in common. */
    char *service;              /* "NETWORK/SERVICE". */
    struct pod_namespace *namespace;
    const struct k8s_pod *pod;  /* Any of them. */

    bool isolated[K8S_N_DIRECTIONS];    /* By policies; for the user. */
    size_t mark;                        /* For the user; initially 0. */
};

struct pod_namespace {
    const char *name;
    const struct k8s_namespace *object; /* NULL if not known (yet). */
    struct shash *words;        /* See netpol-classes.c. */
    struct hmap classes;
};

/* What else policies look at. */
struct pod_class_options {
    const char *network;        /* That all pods are in. */
    bool depends_on;            /* Annotations of pods. */
    bool services;              /* Selectors and endpoints of services. */
    const struct sset *namespaces;      /* NULL for all. */
};

struct pod_member {
    const struct k8s_pod *pod;
    struct pod_class *class;
};

struct pod_classes {
    const char *network;
    struct shash namespaces;    /* Name -> struct pod_namespace. */
    size_t n;

    struct pod_member *members; /* The pods that are in a class. */
    size_t n_members;
};

void pod_classes_init(struct pod_classes *, const struct k8s_cluster *,
                      const struct pod_class_options *);
void pod_classes_destroy(struct pod_classes *);

bool pod_namespace_matches(const struct pod_namespace *,
                           const struct k8s_selector *);

#endif /* manager/netpol-classes.h */
