/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ATTACHMENTS_H
#define BASTION_ATTACHMENTS_H 1

/* What programs that attach containers write about a port
 * =======================================================
 *
 * Programs that add containers' ports to Open vSwitch bridges leave
 * external_ids in the Port or the Interface row that say what is behind the
 * port, each with keys of its own.  This module makes one thing of them:
 *
 *     convention      found by                        says
 *     --------------  ------------------------------  ------------------------
 *     antrea          Port: antrea-type=container     container, pod, MAC, IPs
 *     kube-ovn        Interface: vendor=kube-ovn      pod, IPs
 *     ovn-kubernetes  Interface: sandbox and iface-id container, pod, MAC, IPs
 *     ovs-cni         Port: owner=ovs-cni...          the pod's UID
 *     ovs-docker      Interface: container_id         container
 *     bastion         Interface: container-id         container, pod, MAC, IPs
 *     os-vif          Interface: iface-id and         instance, MAC
 *                     attached-mac
 *
 * (Sources: Antrea, pkg/agent/cniserver/pod_configuration.go; Kube-OVN,
 * pkg/daemon/ovs_linux.go; OVN-Kubernetes, go-controller/pkg/cni/
 * helper_linux.go; ovs-cni, pkg/ovsdb/ovsdb.go; Open vSwitch,
 * utilities/ovs-docker; os-vif, vif_plug_ovs/ovsdb/ovsdb_lib.py.)
 *
 * Nothing that is said here opens anything; it only helps to find the
 * container.  Whoever may write to the database may lie, and a value that
 * makes no sense is left out.
 *
 * All the functions are pure, hence safe in any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smap.h"
#include "svec.h"

/* What there is to know of the container behind a port.  Strings are never
 * NULL, and empty if not known. */
struct attachment {
    const char *convention;     /* As in table Attachment. */
    char *container_id;
    char *pod_namespace;
    char *pod_name;
    char *mac;                  /* Canonical. */
    struct svec ips;            /* Canonical, sorted. */
    struct smap external_ids;   /* More for the same table. */

    char *key;                  /* Two ports with the same one are for the same
                                 * interface of the same container or pod. */
    long long int installed_at; /* When OVN had set it up, in ms; else 0. */
};

/* Returns what the external_ids of a Port and its Interface say, or NULL if
 * they say nothing about a container. */
struct attachment *attachment_parse(const struct smap *port_ids,
                                    const struct smap *interface_ids);
void attachment_destroy(struct attachment *);

/* A port with an attachment. */
struct attached_port {
    const char *interface;
    const char *bridge;
    unsigned int ofport;
    bool netns_exists;          /* Of "netns" in 'external_ids'. */
    const struct attachment *attachment;
};

/* While a pod's sandbox is being replaced, the old port may still be there
 * next to the new one.  Moves the live one of each such pair to the front,
 * sorts by interface, and returns how many there are.
 *
 * The live one is the one whose network namespace exists, or else the one that
 * OVN has installed last, or else the one that the bridge has had for the
 * shorter time: Open vSwitch numbers ports in ascending order. */
size_t attached_ports_select(struct attached_port *, size_t n);

#endif /* attachments.h */
