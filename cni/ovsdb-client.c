/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/ovsdb-client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "ovsdb-session.h"
#include "smap.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

struct ovsdb_client {
    char *name;
    struct jsonrpc_session *session;
};

struct ovsdb_client *
ovsdb_client_create(const char *remotes, bool patient)
{
    struct ovsdb_client *client = xzalloc(sizeof *client);
    struct svec names = SVEC_EMPTY_INITIALIZER;
    struct uuid cluster_id;

    client->name = xstrdup(remotes);
    ovsdb_session_parse_remote(remotes, &names, &cluster_id);
    client->session = jsonrpc_session_open_multiple(&names, patient);
    svec_destroy(&names);

    /* Deadlines do what inactivity probes would. */
    jsonrpc_session_set_probe_interval(client->session, 0);
    return client;
}

void
ovsdb_client_destroy(struct ovsdb_client *client)
{
    if (client) {
        jsonrpc_session_close(client->session);
        free(client->name);
        free(client);
    }
}

const char *
ovsdb_client_get_name(const struct ovsdb_client *client)
{
    return client->name;
}

/* Waits for something to happen on the session.  Returns false if it is dead
 * or it is too late. */
static bool
wait_for_event(struct ovsdb_client *client, long long int deadline)
{
    if (!jsonrpc_session_is_alive(client->session)
        || time_msec() >= deadline) {
        return false;
    }
    jsonrpc_session_wait(client->session);
    jsonrpc_session_recv_wait(client->session);
    poll_timer_wait_until(deadline);
    poll_block();
    return true;
}

/* Returns the reply to request 'id', or NULL if there is none in time.
 * 'seqno' is of the connection that the request went out on. */
static struct jsonrpc_msg *
receive(struct ovsdb_client *client, const struct json *id,
        unsigned int seqno, long long int deadline)
{
    do {
        jsonrpc_session_run(client->session);
        if (jsonrpc_session_get_seqno(client->session) != seqno) {
            return NULL;
        }

        struct jsonrpc_msg *msg = jsonrpc_session_recv(client->session);
        if (msg && (msg->type == JSONRPC_REPLY || msg->type == JSONRPC_ERROR)
            && json_equal(msg->id, id)) {
            return msg;
        }
        if (msg) {
            jsonrpc_msg_destroy(msg);
            poll_immediate_wake();
        }
    } while (wait_for_event(client, deadline));
    return NULL;
}

static char *
describe_error(const struct json *error)
{
    const struct shash *members = json_object(error);
    const struct json *name = shash_find_data(members, "error");
    const struct json *details = shash_find_data(members, "details");

    return xasprintf("%s%s%s",
                     name && name->type == JSON_STRING ? json_string(name)
                     : "error",
                     details ? ": " : "",
                     details && details->type == JSON_STRING
                     ? json_string(details) : "");
}

/* Does the error called 'name' mean that the database is not as assumed? */
static bool
is_conflict(const char *name)
{
    return (!strcmp(name, "timed out")
            || !strcmp(name, "constraint violation")
            || !strcmp(name, "referential integrity violation"));
}

/* Looks for the operation that failed, if any. */
static enum ovsdb_outcome
check_results(const struct json *results, char **reason)
{
    if (results->type != JSON_ARRAY) {
        *reason = xstrdup("unexpected reply");
        return OVSDB_ERROR;
    }
    for (size_t i = 0; i < json_array(results)->n; i++) {
        const struct json *result = json_array(results)->elems[i];
        const struct json *error
            = (result->type == JSON_OBJECT
               ? shash_find_data(json_object(result), "error") : NULL);

        if (error) {
            *reason = describe_error(result);
            return (error->type == JSON_STRING
                    && is_conflict(json_string(error))
                    ? OVSDB_CONFLICT : OVSDB_ERROR);
        }
    }
    return OVSDB_OK;
}

static enum ovsdb_outcome
process_reply(struct jsonrpc_msg *reply, struct json **results, char **reason)
{
    enum ovsdb_outcome outcome;

    if (reply->type == JSONRPC_ERROR) {
        *reason = json_to_string(reply->error, JSSF_SORT);
        outcome = OVSDB_ERROR;
    } else {
        outcome = check_results(reply->result, reason);
        if (outcome == OVSDB_OK && results) {
            *results = json_clone(reply->result);
        }
    }
    jsonrpc_msg_destroy(reply);
    return outcome;
}

enum ovsdb_outcome
ovsdb_client_transact(struct ovsdb_client *client, struct json *ops,
                      long long int deadline, struct json **results,
                      char **reason)
{
    struct jsonrpc_msg *reply = NULL;
    bool sent = false;

    *reason = NULL;
    if (results) {
        *results = NULL;
    }
    do {
        jsonrpc_session_run(client->session);
        if (jsonrpc_session_is_connected(client->session)) {
            unsigned int seqno = jsonrpc_session_get_seqno(client->session);
            struct json *id = NULL;
            struct jsonrpc_msg *request = jsonrpc_create_request(
                "transact", ops, &id);

            sent = true;
            if (!jsonrpc_session_send(client->session, request)) {
                reply = receive(client, id, seqno, deadline);
            }
            json_destroy(id);
            break;
        }
    } while (wait_for_event(client, deadline));

    if (!sent) {
        json_destroy(ops);
    }
    if (reply) {
        return process_reply(reply, results, reason);
    }

    int error = jsonrpc_session_get_last_error(client->session);
    *reason = (sent ? xstrdup("no answer")
               : xasprintf("cannot connect (%s)",
                           error ? ovs_retval_to_string(error)
                           : "no answer"));
    return OVSDB_AWAY;
}

/* Operations. */

struct json *
ovsdb_ops_create(const char *database)
{
    return json_array_create_1(json_string_create(database));
}

struct json *
ovsdb_op_add(struct json *ops, const char *name, const char *table)
{
    struct json *op = json_object_create();

    json_object_put_string(op, "op", name);
    json_object_put_string(op, "table", table);
    if (strcmp(name, "insert")) {
        json_object_put(op, "where", json_array_create_empty());
    } else {
        json_object_put(op, "row", json_object_create());
    }
    json_array_add(ops, op);
    return op;
}

static struct json *
get_or_put(struct json *op, const char *name, struct json *(*create)(void))
{
    struct json *member = shash_find_data(json_object(op), name);

    if (!member) {
        member = create();
        json_object_put(op, name, member);
    }
    return member;
}

void
ovsdb_op_where(struct json *op, const char *column, const char *function,
               struct json *value)
{
    json_array_add(get_or_put(op, "where", json_array_create_empty),
                   json_array_create_3(json_string_create(column),
                                       json_string_create(function), value));
}

void
ovsdb_op_mutate(struct json *op, const char *column, const char *mutator,
                struct json *value)
{
    json_array_add(get_or_put(op, "mutations", json_array_create_empty),
                   json_array_create_3(json_string_create(column),
                                       json_string_create(mutator), value));
}

void
ovsdb_op_columns(struct json *op, const char *const columns[], size_t n)
{
    struct json *array = get_or_put(op, "columns", json_array_create_empty);

    for (size_t i = 0; i < n; i++) {
        json_array_add(array, json_string_create(columns[i]));
    }
}

void
ovsdb_op_set(struct json *op, const char *column, struct json *value)
{
    json_object_put(get_or_put(op, "row", json_object_create), column, value);
}

void
ovsdb_op_wait(struct json *op, long long int deadline, bool equal,
              struct json *rows)
{
    long long int timeout = deadline - time_msec();

    json_object_put(op, "timeout", json_integer_create(MAX(timeout, 0)));
    json_object_put_string(op, "until", equal ? "==" : "!=");
    json_object_put(op, "rows", rows);
}

/* Values. */

struct json *
ovsdb_uuid(const char *uuid)
{
    return json_array_create_2(json_string_create("uuid"),
                               json_string_create(uuid));
}

struct json *
ovsdb_named_uuid(const char *name)
{
    return json_array_create_2(json_string_create("named-uuid"),
                               json_string_create(name));
}

struct json *
ovsdb_string_set(const struct svec *strings)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < strings->n; i++) {
        json_array_add(array, json_string_create(strings->names[i]));
    }
    return json_array_create_2(json_string_create("set"), array);
}

struct json *
ovsdb_map(const struct smap *smap)
{
    struct json *array = json_array_create_empty();
    const struct smap_node *node;

    SMAP_FOR_EACH (node, smap) {
        json_array_add(array, json_array_create_2(
                                  json_string_create(node->key),
                                  json_string_create(node->value)));
    }
    return json_array_create_2(json_string_create("map"), array);
}

/* Results. */

static const struct json *
get_result(const struct json *results, size_t i, const char *name)
{
    const struct json *result = (i < json_array(results)->n
                                 ? json_array(results)->elems[i] : NULL);

    return (result && result->type == JSON_OBJECT
            ? shash_find_data(json_object(result), name) : NULL);
}

size_t
ovsdb_n_rows(const struct json *results, size_t i)
{
    const struct json *rows = get_result(results, i, "rows");

    return rows && rows->type == JSON_ARRAY ? json_array(rows)->n : 0;
}

const struct json *
ovsdb_row(const struct json *results, size_t i, size_t row)
{
    const struct json *rows = get_result(results, i, "rows");

    return json_array(rows)->elems[row];
}

long long int
ovsdb_count(const struct json *results, size_t i)
{
    const struct json *count = get_result(results, i, "count");

    return count && count->type == JSON_INTEGER ? json_integer(count) : 0;
}

static const struct json *
get_column(const struct json *row, const char *column)
{
    return (row->type == JSON_OBJECT
            ? shash_find_data(json_object(row), column) : NULL);
}

/* If 'value' is ["NAME", X], returns X, otherwise NULL. */
static const struct json *
get_tagged(const struct json *value, const char *name)
{
    return (value && value->type == JSON_ARRAY
            && json_array(value)->n == 2
            && json_array(value)->elems[0]->type == JSON_STRING
            && !strcmp(json_string(json_array(value)->elems[0]), name)
            ? json_array(value)->elems[1] : NULL);
}

const char *
ovsdb_get_string(const struct json *row, const char *column)
{
    const struct json *value = get_column(row, column);

    return value && value->type == JSON_STRING ? json_string(value) : NULL;
}

const char *
ovsdb_get_uuid(const struct json *row, const char *column)
{
    const struct json *value = get_tagged(get_column(row, column), "uuid");

    return value && value->type == JSON_STRING ? json_string(value) : NULL;
}

long long int
ovsdb_get_integer(const struct json *row, const char *column)
{
    const struct json *value = get_column(row, column);

    return value && value->type == JSON_INTEGER ? json_integer(value) : 0;
}

const char *
ovsdb_get_map_value(const struct json *row, const char *column,
                    const char *key)
{
    const struct json *pairs = get_tagged(get_column(row, column), "map");

    if (!pairs || pairs->type != JSON_ARRAY) {
        return NULL;
    }
    for (size_t i = 0; i < json_array(pairs)->n; i++) {
        const struct json *pair = json_array(pairs)->elems[i];

        if (pair->type == JSON_ARRAY && json_array(pair)->n == 2
            && json_array(pair)->elems[0]->type == JSON_STRING
            && json_array(pair)->elems[1]->type == JSON_STRING
            && !strcmp(json_string(json_array(pair)->elems[0]), key)) {
            return json_string(json_array(pair)->elems[1]);
        }
    }
    return NULL;
}
