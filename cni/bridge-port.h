/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_BRIDGE_PORT_H
#define BASTION_CNI_BRIDGE_PORT_H 1

/* Ports of the node's Open vSwitch bridges. */

#include <stdbool.h>

#include "openvswitch/compiler.h"
#include "smap.h"

struct cni_error;
struct ovsdb_client;

/* What there is to know of the node and one of its bridges. */
struct bridge_info {
    char *node;                 /* Name of this node. */
    char *uuid;
    bool userspace;             /* Has it a datapath in user space? */
};

/* Fails if 'bridge', unless it is NULL, does not exist.  'info' needs
 * bridge_info_destroy() in any case. */
struct cni_error *bridge_info_read(struct ovsdb_client *, const char *bridge,
                                   long long int deadline,
                                   struct bridge_info *info)
    OVS_WARN_UNUSED_RESULT;
void bridge_info_destroy(struct bridge_info *);

struct bridge_port {
    const char *bridge;
    const char *name;
    bool internal;              /* Type "internal", else a system device. */
    int mtu;                    /* 0 if nobody cares. */
    struct smap external_ids;   /* Of the Interface. */
};

/* Adds 'port' to the database, after which bridge_port_wait() waits until the
 * bridge has it. */
struct cni_error *bridge_port_add(struct ovsdb_client *,
                                  const struct bridge_info *,
                                  const struct bridge_port *port,
                                  long long int deadline)
    OVS_WARN_UNUSED_RESULT;

struct cni_error *bridge_port_wait(struct ovsdb_client *, const char *name,
                                   long long int deadline)
    OVS_WARN_UNUSED_RESULT;

/* Deletes the port 'name', if it exists and is the container's. */
struct cni_error *bridge_port_delete(struct ovsdb_client *, const char *name,
                                     const char *container_id,
                                     long long int deadline)
    OVS_WARN_UNUSED_RESULT;

/* Fails unless the port 'name' exists, is the container's and works.  With
 * 'container_id' NULL, it may be anybody's. */
struct cni_error *bridge_port_check(struct ovsdb_client *, const char *name,
                                    const char *container_id,
                                    long long int deadline)
    OVS_WARN_UNUSED_RESULT;

/* Has 'bridge' a port 'name'? */
struct cni_error *bridge_port_find(struct ovsdb_client *,
                                   const struct bridge_info *bridge,
                                   const char *name, long long int deadline,
                                   bool *found)
    OVS_WARN_UNUSED_RESULT;

/* Adds 'ids' to the external_ids of interface 'name'.  Keys that are there
 * already keep their values. */
struct cni_error *bridge_port_mark(struct ovsdb_client *, const char *name,
                                   const struct smap *ids,
                                   long long int deadline)
    OVS_WARN_UNUSED_RESULT;

#endif /* cni/bridge-port.h */
