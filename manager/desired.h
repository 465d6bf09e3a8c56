/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_DESIRED_H
#define BASTION_MANAGER_DESIRED_H 1

/* Desired rows
 * ============
 *
 * What a platform wants the Bastion database to say: networks, services,
 * containers and dependencies, by name.  A collector makes a new 'struct
 * desired' of all that it knows whenever something has changed; the reconciler
 * compares it with the rows that the platform owns and writes the difference.
 * A collector never writes rows, and the reconciler knows no platform.
 *
 * Everything here is data: no I/O, no database types, no JSON types.
 *
 * Strings are UTF-8, NUL-terminated and copied.  Addresses are text, as in the
 * database.  A name that the database would not take (see name_check() in
 * lib/peer.h) is the collector's business: it maps it to one that is valid and
 * unambiguous.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/shash.h"
#include "sset.h"

enum desired_isolate {
    DESIRED_ISOLATE_NONE = 0,
    DESIRED_ISOLATE_EGRESS = 1 << 0,
    DESIRED_ISOLATE_INGRESS = 1 << 1,
    DESIRED_ISOLATE_BOTH = DESIRED_ISOLATE_EGRESS | DESIRED_ISOLATE_INGRESS
};

enum desired_direction {
    DESIRED_BOTH,
    DESIRED_EGRESS,
    DESIRED_INGRESS
};

/* A network that the platform manages.  Networks of the operator are used
 * without being desired. */
struct desired_network {
    struct sset subnets;        /* At least one. */
    struct sset gateways;
    char *bridge;
};

struct desired_service {
    enum desired_isolate isolate;
};

/* One attachment of a container to a network.  The reconciler finds the node,
 * the interface and, where they are NULL or empty here, MAC and addresses: in
 * the Attachment row with 'container_id' or, if that is NULL or there is none,
 * with 'pod_namespace' and 'pod_name' or with one of 'ips'.  While there is
 * none, the container has no row. */
struct desired_container {
    char *service;              /* "NETWORK/SERVICE". */
    char *container_id;         /* May be NULL. */
    char *pod_namespace;        /* May be NULL. */
    char *pod_name;             /* May be NULL. */
    char *node;                 /* The platform's word for it; may be NULL. */
    char *interface;            /* NULL: as the Attachment row says. */
    char *mac;                  /* May be NULL. */
    struct sset ips;            /* Without prefix lengths; may be empty. */
};

/* One side of a dependency.  If everything is empty, the dependency opens
 * nothing (but has a row, if its services are isolated that is by their own
 * 'isolate'). */
struct desired_peers {
    struct sset services;       /* "NETWORK/SERVICE". */
    struct shash cidrs;         /* Prefix -> struct sset * of excepts. */
    bool any, host, world;
};

struct desired_dependency {
    enum desired_direction direction;
    struct desired_peers source;
    struct desired_peers destination;
    struct sset policies;       /* As in lib/policy.h; at least one. */
};

struct desired {
    struct shash networks;      /* Name -> struct desired_network. */
    struct shash services;      /* "NETWORK/SERVICE" -> desired_service. */
    struct shash containers;    /* "NETWORK/NAME" -> desired_container. */

    /* Key -> struct desired_dependency.  The key identifies the dependency
     * within the platform for its life, as "netpol default/deny ingress 0". */
    struct shash dependencies;
};

void desired_init(struct desired *);
void desired_clear(struct desired *);
void desired_destroy(struct desired *);

/* Each adds an entry and returns it, or returns the one that is there. */
struct desired_network *desired_add_network(struct desired *,
                                            const char *name);
struct desired_service *desired_add_service(struct desired *,
                                            const char *network_and_name);
struct desired_container *desired_add_container(struct desired *,
                                                const char *network_and_name);
struct desired_dependency *desired_add_dependency(struct desired *,
                                                  const char *key);

/* Adds 'prefix' and returns its exceptions, to which the caller may add. */
struct sset *desired_peers_add_cidr(struct desired_peers *,
                                    const char *prefix);

#endif /* manager/desired.h */
