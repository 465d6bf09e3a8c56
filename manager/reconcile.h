/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_RECONCILE_H
#define BASTION_MANAGER_RECONCILE_H 1

/* Making the database what a platform wants
 * =========================================
 *
 * Compares 'struct desired' with the rows that its platform owns and writes
 * the difference into a transaction.  What is as it should be is not written,
 * so a manager that starts again changes nothing.
 *
 * A row's owner is in external_ids:bastion-owner, and what it is for the
 * owner in external_ids:bastion-key.  Rows of others are never changed, with
 * one exception: bastion-cni registers containers in a service "unassigned",
 * and a platform that knows such a container moves it into its service, and
 * back when the platform does not know it any more.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>

struct bsrec_bastion;
struct desired;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct sset;

struct reconcile_result {
    size_t n_changes;           /* Rows written. */
    size_t n_waiting;           /* Containers whose interface is not known. */
    bool complete;              /* False if there is more to write. */
    char *problem;              /* Something that could not be written, in one
                                 * line, or NULL.  The caller must free() it.
                                 */
};

/* 'txn' must be one in which nothing else writes these tables. */
void reconcile(struct ovsdb_idl *, struct ovsdb_idl_txn *,
               const struct bsrec_bastion *, const char *owner,
               const struct desired *, struct reconcile_result *);

/* Adds to 'owners' the owners of all rows that this module wrote. */
void reconcile_get_owners(struct ovsdb_idl *, struct sset *owners);

/* Chooses the columns that this module needs. */
void reconcile_add_columns(struct ovsdb_idl *);

#endif /* manager/reconcile.h */
