/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_BASTION_DB_H
#define BASTION_BASTION_DB_H 1

/* The Bastion database
 * ====================
 *
 * Follows the Bastion database: tells the compiler of rows that appear,
 * change or go, and writes back what this node has to say: the status of the
 * rows, statistics, and the row of this node with the generation that it has
 * applied.
 *
 * A database that is away changes nothing: the last known contents stay in
 * force.  The same goes for a database that has lost its only row of table
 * Bastion, because it has been created anew: its emptiness is not a policy.
 *
 * Usage, in the main loop:
 *
 *     bastion_db_run(db, compiler);
 *     ...compile, make the switches follow...
 *     bastion_db_set_...();
 *     bastion_db_update(db, compiler);
 *     ...
 *     bastion_db_wait(db);
 *
 * Acknowledgement: bastion_db_get_generation() is the generation of what
 * bastion_db_run() has told the compiler last.  When all that is installed in
 * the switches, the user says so with bastion_db_set_applied().
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

struct attached_port;
struct bastion_db;
struct compiler;
struct flow_table;
struct simap;

struct bastion_db *bastion_db_create(const char *remote);
void bastion_db_destroy(struct bastion_db *);

/* Processes changes of the database and tells 'compiler' of them. */
void bastion_db_run(struct bastion_db *, struct compiler *compiler);

/* Writes what there is to write. */
void bastion_db_update(struct bastion_db *, struct compiler *);
void bastion_db_wait(struct bastion_db *);

/* The name of this node's row.  Until it is set, no such row is written. */
void bastion_db_set_node(struct bastion_db *, const char *name);
void bastion_db_set_host_addresses(struct bastion_db *,
                                   const struct in6_addr *, size_t n);

/* Says which of the node's ports have attachments; copies 'ports'.  Until this
 * has been called, rows of table Attachment are left alone. */
void bastion_db_set_attachments(struct bastion_db *,
                                const struct attached_port *ports, size_t n);

const char *bastion_db_get_hostname(const struct bastion_db *);

int64_t bastion_db_get_generation(const struct bastion_db *);
void bastion_db_set_applied(struct bastion_db *, int64_t generation);
int64_t bastion_db_get_applied(const struct bastion_db *);

/* Is it time to write statistics, and possible?  If so, the caller may have
 * those of 'tables', which should be the tables of all bridges, written with
 * bastion_db_set_statistics(), before bastion_db_wait(). */
bool bastion_db_wants_statistics(const struct bastion_db *);
void bastion_db_set_statistics(struct bastion_db *,
                               const struct flow_table *const *tables,
                               size_t n_tables);

const char *bastion_db_get_remote(const struct bastion_db *);
bool bastion_db_is_connected(const struct bastion_db *);

/* Has the database's contents been seen?  Stays true. */
bool bastion_db_has_contents(const struct bastion_db *);

/* Does the database have its row of table Bastion? */
bool bastion_db_is_initialized(const struct bastion_db *);

/* Does another controller use the same node name? */
bool bastion_db_is_duplicate_node(const struct bastion_db *);

/* In milliseconds. */
int bastion_db_get_audit_interval(const struct bastion_db *);

/* Should ports be on the fast path? */
bool bastion_db_get_fast_path(const struct bastion_db *);

/* Calls 'cb' for each row whose status is an error. */
void bastion_db_for_each_refused(
    const struct bastion_db *, const struct compiler *,
    void (*cb)(const char *row, const char *status, void *aux), void *aux);

void bastion_db_get_memory_usage(const struct bastion_db *, struct simap *);

#endif /* bastion-db.h */
