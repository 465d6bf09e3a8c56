/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ATTACHMENT_ROWS_H
#define BASTION_ATTACHMENT_ROWS_H 1

/* The rows of table Attachment of one node, kept equal to what the node's
 * Open_vSwitch database says. */

#include <stddef.h>

struct attached_port;
struct attachment_rows;
struct ovsdb_idl;
struct ovsdb_idl_txn;

/* Makes 'idl' replicate what is needed.  'node' is NULL if it is not known
 * yet.  attachment_rows_set_condition() returns a condition sequence number
 * (see ovsdb_idl_set_condition()). */
void attachment_rows_add_columns(struct ovsdb_idl *);
unsigned int attachment_rows_set_condition(struct ovsdb_idl *,
                                           const char *node);

struct attachment_rows *attachment_rows_create(void);
void attachment_rows_destroy(struct attachment_rows *);

/* Says what the rows should be; copies 'ports'. */
void attachment_rows_set(struct attachment_rows *,
                         const struct attached_port *ports, size_t n);

/* Adds to 'txn' what it takes to make the rows of 'node' like that. */
void attachment_rows_write(const struct attachment_rows *,
                           struct ovsdb_idl *, struct ovsdb_idl_txn *,
                           const char *node);

#endif /* attachment-rows.h */
