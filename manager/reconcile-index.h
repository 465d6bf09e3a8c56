/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_RECONCILE_INDEX_H
#define BASTION_MANAGER_RECONCILE_INDEX_H 1

/* Rows by what the reconciler looks for.  Rows are borrowed from the IDL.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include "openvswitch/shash.h"
#include "sset.h"

struct bsrec_attachment;
struct bsrec_container;
struct bsrec_network;
struct desired_container;
struct ovsdb_idl;
struct smap;

#define OWNER_KEY "bastion-owner"
#define ROW_KEY "bastion-key"
#define CNI_OWNER "cni"

struct reconcile_index {
    const char *owner;

    struct shash networks;      /* NETWORK -> struct bsrec_network. */
    struct shash services;      /* NETWORK/SERVICE -> bsrec_service. */
    struct sset identities;     /* In use, in decimal. */
    struct sset network_keys;   /* In use, in decimal. */

    /* Rows of 'owner', by external_ids:bastion-key. */
    struct shash containers;
    struct shash dependencies;

    /* All bsrec_containers, and those of bastion-cni, by NODE/INTERFACE. */
    struct shash places;
    struct shash cni_containers;

    /* struct bsrec_attachments.  There may be several with one key. */
    struct shash attachments_by_id;
    struct shash attachments_by_pod;    /* NAMESPACE/NAME. */
    struct shash attachments_by_ip;
};

void reconcile_index_init(struct reconcile_index *, struct ovsdb_idl *,
                          const char *owner);
void reconcile_index_destroy(struct reconcile_index *);

bool reconcile_is_owner(const struct smap *external_ids, const char *owner);
char *reconcile_place(const char *node, const char *interface);

/* Returns the attachment of 'container', named 'name', to 'network', or NULL
 * if there is none. */
const struct bsrec_attachment *reconcile_find_attachment(
    const struct reconcile_index *, const struct bsrec_network *,
    const char *name, const struct desired_container *container);

#endif /* manager/reconcile-index.h */
