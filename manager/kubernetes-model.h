/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_KUBERNETES_MODEL_H
#define BASTION_MANAGER_KUBERNETES_MODEL_H 1

/* What Bastion knows of a Kubernetes cluster
 * ==========================================
 *
 * The parts of the API's objects that policy depends on, as plain structures.
 * kubernetes-parse.h makes them of JSON, netpol.h compiles them.
 *
 * What an object says that cannot be understood must not open anything.  So a
 * malformed selector of peers, a malformed peer and a malformed port match
 * nothing, and a NetworkPolicy that is malformed as a whole isolates all the
 * pods of its namespace and has no rules.
 *
 * Numbers are in host byte order.  Pointers are owned.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/address.h"
#include "openvswitch/shash.h"
#include "smap.h"
#include "sset.h"

/* Returns a name that name_check() takes and that says 'readable' as far as
 * possible: exactly, if that is valid and 'readable_is_unique'.  Different
 * 'unique' make different names. */
char *k8s_make_name(const char *namespace, const char *readable,
                    const char *unique, bool readable_is_unique);

/* Selectors of labels. */

enum k8s_operator {
    K8S_IN,                     /* Has 'key' with one of 'values'. */
    K8S_NOT_IN,                 /* Lacks 'key' or has another value. */
    K8S_EXISTS,
    K8S_DOES_NOT_EXIST
};

struct k8s_requirement {
    char *key;
    enum k8s_operator operator;
    struct sset values;
};

/* All 'requirements' must hold; so one without any selects everything. */
struct k8s_selector {
    bool malformed;             /* Selects nothing. */
    size_t n;
    struct k8s_requirement **requirements;
};

void k8s_selector_init(struct k8s_selector *);
void k8s_selector_destroy(struct k8s_selector *);
struct k8s_requirement *k8s_selector_add(struct k8s_selector *,
                                         const char *key, enum k8s_operator);
bool k8s_selector_matches(const struct k8s_selector *,
                          const struct smap *labels);

/* Ports that a pod's containers have given a name to. */
struct k8s_port {
    char *name;
    uint8_t nw_proto;           /* IPPROTO_TCP, _UDP or _SCTP. */
    uint16_t number;
};

struct k8s_pod {
    char *namespace;
    char *name;
    char *container;            /* What the container is called. */
    char *node;                 /* NULL if not scheduled yet. */
    char *depends_on;           /* Annotation "bastion/depends-on", or NULL. */
    bool host_network;          /* Shares the addresses of its node. */
    bool completed;             /* Its address may be another's now. */
    struct smap labels;
    struct sset ips;
    size_t n_ports;
    struct k8s_port *ports;
};

struct k8s_pod *k8s_pod_create(const char *namespace, const char *name);
void k8s_pod_destroy(struct k8s_pod *);
void k8s_pod_add_port(struct k8s_pod *, const char *name, uint8_t nw_proto,
                      uint16_t number);

struct k8s_namespace {
    char *name;
    struct smap labels;
};

struct k8s_namespace *k8s_namespace_create(const char *name);
void k8s_namespace_destroy(struct k8s_namespace *);

struct k8s_node {
    char *name;
    struct sset pod_cidrs;
};

struct k8s_node *k8s_node_create(const char *name);
void k8s_node_destroy(struct k8s_node *);

/* NetworkPolicy, of networking.k8s.io/v1. */

enum k8s_peer_type {
    K8S_PEER_MALFORMED,         /* No one. */
    K8S_PEER_PODS,
    K8S_PEER_BLOCK
};

struct k8s_peer {
    enum k8s_peer_type type;

    /* K8S_PEER_PODS.  Without 'has_namespaces', those of the policy's own
     * namespace. */
    struct k8s_selector pods;
    bool has_namespaces;
    struct k8s_selector namespaces;

    /* K8S_PEER_BLOCK.  Every exception is a smaller prefix inside 'block'. */
    struct ip_prefix block;
    size_t n_except;
    struct ip_prefix *except;
};

enum k8s_policy_port_type {
    K8S_PORT_MALFORMED,         /* None. */
    K8S_PORT_ANY,               /* Any of the protocol. */
    K8S_PORT_RANGE,
    K8S_PORT_NAME               /* Of the destination pod. */
};

struct k8s_policy_port {
    enum k8s_policy_port_type type;
    uint8_t nw_proto;           /* IPPROTO_TCP, _UDP or _SCTP. */
    uint16_t min, max;          /* K8S_PORT_RANGE: inclusive. */
    char *name;                 /* K8S_PORT_NAME. */
};

struct k8s_rule {
    bool any_peer;
    size_t n_peers;
    struct k8s_peer *peers;

    bool any_port;              /* Of any protocol, too. */
    size_t n_ports;
    struct k8s_policy_port *ports;
};

enum k8s_direction {
    K8S_INGRESS,
    K8S_EGRESS
#define K8S_N_DIRECTIONS 2
};

struct k8s_netpol {
    char *namespace;
    char *name;
    struct k8s_selector pods;
    struct {
        bool isolates;
        size_t n_rules;
        struct k8s_rule *rules;
    } directions[K8S_N_DIRECTIONS];
};

struct k8s_netpol *k8s_netpol_create(const char *namespace, const char *name);
void k8s_netpol_destroy(struct k8s_netpol *);
void k8s_netpol_set_malformed(struct k8s_netpol *);
struct k8s_rule *k8s_netpol_add_rule(struct k8s_netpol *, enum k8s_direction);
struct k8s_peer *k8s_rule_add_peer(struct k8s_rule *, enum k8s_peer_type);
void k8s_peer_add_except(struct k8s_peer *, const struct ip_prefix *);
struct k8s_policy_port *k8s_rule_add_port(struct k8s_rule *,
                                          enum k8s_policy_port_type);

/* Service.  Without 'has_selector' it is not Kubernetes that chooses its
 * endpoints. */
struct k8s_service {
    char *namespace;
    char *name;
    struct sset allowed;        /* Annotation "bastion/allow-namespaces". */
    bool has_selector;
    struct k8s_selector pods;
    size_t n_ports;
    struct k8s_policy_port *ports;  /* Of the pods, not of the service. */
};

struct k8s_service *k8s_service_create(const char *namespace,
                                       const char *name);
void k8s_service_destroy(struct k8s_service *);
struct k8s_policy_port *k8s_service_add_port(struct k8s_service *,
                                             enum k8s_policy_port_type);

/* The endpoints of a service that one EndpointSlice lists. */
struct k8s_endpoints {
    char *namespace;
    char *service;              /* NULL if the slice is of no service. */
    struct sset pods;           /* Names of pods of the namespace. */
};

struct k8s_endpoints *k8s_endpoints_create(const char *namespace);
void k8s_endpoints_destroy(struct k8s_endpoints *);

/* A cluster: objects by name, or by "NAMESPACE/NAME". */

enum k8s_kind {
    K8S_PODS,
    K8S_NAMESPACES,
    K8S_NETPOLS,
    K8S_SERVICES,
    K8S_ENDPOINTS,
    K8S_NODES
#define K8S_N_KINDS 6
};

struct k8s_cluster {
    struct shash objects[K8S_N_KINDS];
};

void k8s_cluster_init(struct k8s_cluster *);
void k8s_cluster_destroy(struct k8s_cluster *);

/* Objects of unknown kind. */
void k8s_object_destroy(enum k8s_kind, void *object);
void k8s_objects_clear(enum k8s_kind, struct shash *objects);

#endif /* manager/kubernetes-model.h */
