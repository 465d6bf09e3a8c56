/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_HOST_SIDE_H
#define BASTION_CNI_HOST_SIDE_H 1

/* The host's side of an attachment: which interfaces there are and how they
 * are connected. */

#include "openvswitch/compiler.h"

struct cni_error;
struct link_ns;

#define HOST_NAME_SIZE 16       /* IFNAMSIZ. */

/* Names follow from the container's ID and the interface's name in the
 * container, so that DEL knows them without a database. */
struct host_names {
    char port[HOST_NAME_SIZE];  /* In the bridge. */
    char veth[HOST_NAME_SIZE];  /* Of the host's end behind a shadow port. */
};

void host_names_init(struct host_names *, const char *container_id,
                     const char *ifname);

/* Sets up the host's end 'name' of a veth pair that is a port itself. */
struct cni_error *host_side_open(struct link_ns *, const char *name)
    OVS_WARN_UNUSED_RESULT;

/* Connects the shadow port and the veth of 'names'. */
struct cni_error *host_side_connect(struct link_ns *,
                                    const struct host_names *names)
    OVS_WARN_UNUSED_RESULT;

/* Returns an error about 'what' for 'error', an errno value; NULL if that is
 * 0. */
struct cni_error *system_error(int error, const char *what, const char *name)
    OVS_WARN_UNUSED_RESULT;

#endif /* cni/host-side.h */
