/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_NETPOL_H
#define BASTION_MANAGER_NETPOL_H 1

/* Compiler of NetworkPolicies
 * ===========================
 *
 * Makes of a Kubernetes cluster the services, containers and dependencies that
 * mean the same in Bastion.  Pure: the result depends on the arguments only.
 *
 * Each class of pods (see netpol-classes.h) becomes a service.  Each rule of a
 * NetworkPolicy becomes one dependency that gives its half of a connection,
 * ingress or egress, and one more for each set of numbers that its named ports
 * mean.
 *
 * Thread-safety: none. */

#include <stdbool.h>

struct desired;
struct k8s_cluster;
struct sset;

enum netpol_mode {
    /* What the API says: pods that no policy selects are open. */
    NETPOL_KUBERNETES,

    /* A connection needs a policy or a Service that opens it, at either end,
     * and no policy that isolates either end from it. */
    NETPOL_ZERO_TRUST
};

/* Traffic between a pod and the node that it is on. */
enum netpol_node_traffic {
    NETPOL_NODE_NONE,           /* Policies alone decide. */
    NETPOL_NODE_FROM,           /* The node reaches its pods. */
    NETPOL_NODE_BOTH            /* And they reach the node. */
};

/* In zero trust, which pods may use a Service. */
enum netpol_clients {
    NETPOL_CLIENTS_NONE,
    NETPOL_CLIENTS_ANNOTATED,   /* That say so: "bastion/depends-on". */
    NETPOL_CLIENTS_NAMESPACE    /* All of the Service's namespace, too. */
};

struct netpol_options {
    const char *network;        /* That all pods are in. */
    enum netpol_mode mode;
    enum netpol_node_traffic node_traffic;
    enum netpol_clients clients;
    const struct sset *namespaces;  /* Of pods to look at; NULL for all. */
};

void netpol_compile(const struct k8s_cluster *, const struct netpol_options *,
                    struct desired *);

#endif /* manager/netpol.h */
