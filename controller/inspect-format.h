/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_INSPECT_FORMAT_H
#define BASTION_INSPECT_FORMAT_H 1

/* What bastion/... commands print
 * ===============================
 *
 * Turns the compiler's data into tables, text and JSON.  The functions read
 * their arguments and nothing else, so that a test can call them.
 *
 * Thread-safety: none, because of what they read. */

#include <stddef.h>

struct compiler;
struct depmap;
struct ds;
struct flow_entry;
struct flow_table;
struct json;
struct netmap;
struct netmap_endpoint;
struct row_statistics;
struct table;
struct uuid;

/* The two maps.  'table' must have been initialized; rows are in ascending
 * order. */
void inspect_format_netmap(const struct netmap *, struct table *table);
void inspect_format_depmap(const struct netmap *, const struct depmap *,
                           struct table *table);

/* Drops: one row for each reason that has been counted. */
void inspect_format_drops(const struct row_statistics *, struct table *);

/* Returns the entries of 'table' that are desired, in the order in which
 * packets meet them.  If 'owners' is nonnull, only those that one of the
 * 'n_owners' rows claims.  The caller must free the array. */
const struct flow_entry **inspect_sort_flows(const struct flow_table *table,
                                             const struct uuid *owners,
                                             size_t n_owners, size_t *n);

/* Each entry in the format of ovs-ofctl, followed by the row that it comes
 * from, under the name of its table. */
void inspect_format_flows(const struct compiler *,
                          const struct flow_entry *const *, size_t n,
                          struct ds *);
struct json *inspect_flows_to_json(const struct compiler *,
                                   const struct flow_entry *const *, size_t n);

/* Stores in '*uuidsp', which the caller must free, the rows that 'name'
 * means:
 *
 *     UUID                 that row
 *     interface            the container on that port
 *     container's name     the containers with that name
 *     NETWORK/SERVICE      that service
 *     NETWORK/SERVICE/CONTAINER
 *     network's name       that network
 *     gateway port         the networks that have it
 *
 * Returns how many there are. */
size_t inspect_find_rows(const struct compiler *, const char *name,
                         struct uuid **uuidsp);

/* The same, but 'name' can only be the interface of a container on this node,
 * or the gateway port of one or more networks. */
size_t inspect_find_port_rows(const struct compiler *, const char *name,
                              struct uuid **uuidsp);

/* The container on this node whose interface 'name' is, or NULL. */
const struct netmap_endpoint *inspect_find_port(const struct netmap *,
                                                const char *name);

/* "NETWORK/SERVICE", "host", "world" or a number, appended. */
void inspect_format_identity(const struct netmap *, unsigned int identity,
                             struct ds *);

#endif /* inspect-format.h */
