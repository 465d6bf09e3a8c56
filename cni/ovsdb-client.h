/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_OVSDB_CLIENT_H
#define BASTION_CNI_OVSDB_CLIENT_H 1

/* A client that sends transactions to an OVSDB server (RFC 7047) and waits for
 * the answers.
 *
 * Unlike the database library's IDL it has no copy of the database: a plugin
 * runs for milliseconds and looks at few rows of many.  What it has read may
 * change; operations "wait" make a transaction depend on it.
 *
 * Usage:
 *
 *     struct json *ops = ovsdb_ops_create("Bastion");
 *     struct json *op = ovsdb_op_add(ops, "select", "Network");
 *     ovsdb_op_where(op, "name", "==", json_string_create("web"));
 *     enum ovsdb_outcome outcome = ovsdb_client_transact(
 *         client, ops, deadline, &results, &reason);
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/compiler.h"

struct json;
struct smap;
struct svec;
struct ovsdb_client;

enum ovsdb_outcome {
    OVSDB_OK,
    OVSDB_CONFLICT,             /* A "wait" or an index refused it. */
    OVSDB_AWAY,                 /* There was no answer until the deadline, or
                                 * no connection. */
    OVSDB_ERROR
};

/* Connects to 'remotes', a list with commas.  With 'patient', tries again
 * until a deadline when that fails, otherwise does not.  Never fails. */
struct ovsdb_client *ovsdb_client_create(const char *remotes, bool patient);
void ovsdb_client_destroy(struct ovsdb_client *);
const char *ovsdb_client_get_name(const struct ovsdb_client *);

/* Sends 'ops', of which this function takes ownership.  'deadline' is a time
 * in ms, as from time_msec().  If successful, stores the array of results in
 * '*results', otherwise a reason in '*reason'; both are for the caller to
 * free.  'results' may be NULL. */
enum ovsdb_outcome ovsdb_client_transact(struct ovsdb_client *,
                                         struct json *ops,
                                         long long int deadline,
                                         struct json **results, char **reason)
    OVS_WARN_UNUSED_RESULT;

/* Operations. */
struct json *ovsdb_ops_create(const char *database);
struct json *ovsdb_op_add(struct json *ops, const char *op, const char *table);

/* The functions below take ownership of 'value'. */
void ovsdb_op_where(struct json *op, const char *column, const char *function,
                    struct json *value);
void ovsdb_op_mutate(struct json *op, const char *column, const char *mutator,
                     struct json *value);
void ovsdb_op_columns(struct json *op, const char *const columns[], size_t n);
void ovsdb_op_set(struct json *op, const char *column, struct json *value);

/* For operation "wait": at most until 'deadline', and what the rows are to be
 * ('equal') or not to be.  'rows' is an array of rows. */
void ovsdb_op_wait(struct json *op, long long int deadline, bool equal,
                   struct json *rows);

/* Values. */
struct json *ovsdb_uuid(const char *uuid);
struct json *ovsdb_named_uuid(const char *name);
struct json *ovsdb_string_set(const struct svec *);
struct json *ovsdb_map(const struct smap *);

/* The rows that operation 'i' has selected. */
size_t ovsdb_n_rows(const struct json *results, size_t i);
const struct json *ovsdb_row(const struct json *results, size_t i, size_t row);

/* How many rows operation 'i' has changed. */
long long int ovsdb_count(const struct json *results, size_t i);

/* Columns of a row: NULL, or 0, if not there or of another type. */
const char *ovsdb_get_string(const struct json *row, const char *column);
const char *ovsdb_get_uuid(const struct json *row, const char *column);
long long int ovsdb_get_integer(const struct json *row, const char *column);
const char *ovsdb_get_map_value(const struct json *row, const char *column,
                                const char *key);

#endif /* cni/ovsdb-client.h */
