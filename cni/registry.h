/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_REGISTRY_H
#define BASTION_CNI_REGISTRY_H 1

/* The plugin's part of the Bastion database: Container rows, and the service
 * that containers are in until somebody knows better.
 *
 * The rows have external_ids:bastion-owner=cni, container-id, ifname and
 * cni-network, by which they are found again: their service may have changed
 * in the meantime. */

#include <stdint.h>

#include "openvswitch/compiler.h"
#include "svec.h"

struct cni_error;
struct ovsdb_client;

struct registry_network {
    char *uuid;
    char *bridge;
};

/* Fails if there is no network 'name'.  'network' needs
 * registry_network_destroy() in any case. */
struct cni_error *registry_find_network(struct ovsdb_client *,
                                        const char *name,
                                        long long int deadline,
                                        struct registry_network *network)
    OVS_WARN_UNUSED_RESULT;
void registry_network_destroy(struct registry_network *);

/* Whose attachment it is. */
struct registry_key {
    const char *node;
    const char *container_id;
    const char *ifname;         /* In the container. */
};

struct registry_container {
    struct registry_key key;
    const char *cni_network;
    const char *network;        /* Name of the Bastion network. */
    const char *network_uuid;
    const char *service;
    bool create_service;        /* If there is no such service. */
    const char *interface;      /* In the bridge. */
    const char *pod_name;       /* NULL if not known, as below. */
    const char *pod_namespace;
    const char *mac;
    struct svec ips;
};

/* Waits until the node's controller knows of its port 'interface'. */
struct cni_error *registry_wait_attachment(struct ovsdb_client *,
                                           const char *node,
                                           const char *interface,
                                           long long int deadline)
    OVS_WARN_UNUSED_RESULT;

/* Adds a row, and stores the database's generation that has it. */
struct cni_error *registry_add(struct ovsdb_client *,
                               const struct registry_container *,
                               long long int deadline, int64_t *generation)
    OVS_WARN_UNUSED_RESULT;

/* Waits until the node enforces 'generation', and fails if its controller
 * refuses the container. */
struct cni_error *registry_wait_applied(struct ovsdb_client *,
                                        const struct registry_key *,
                                        int64_t generation,
                                        long long int deadline)
    OVS_WARN_UNUSED_RESULT;

/* Fails unless the row is there and in force. */
struct cni_error *registry_check(struct ovsdb_client *,
                                 const struct registry_key *,
                                 long long int deadline)
    OVS_WARN_UNUSED_RESULT;

/* Deletes the row, if there is one. */
struct cni_error *registry_delete(struct ovsdb_client *,
                                  const struct registry_key *,
                                  long long int deadline)
    OVS_WARN_UNUSED_RESULT;

/* Appends to 'keys' the node's rows of 'cni_network', each as
 * "CONTAINER-ID IFNAME". */
struct cni_error *registry_list(struct ovsdb_client *, const char *node,
                                const char *cni_network,
                                long long int deadline, struct svec *keys)
    OVS_WARN_UNUSED_RESULT;

#endif /* cni/registry.h */
