/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/bridge-port.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni/cni-error.h"
#include "cni/ovsdb-client.h"
#include "openvswitch/json.h"
#include "svec.h"
#include "util.h"

#define DATABASE "Open_vSwitch"

/* Returns the error that 'outcome' is, and frees 'reason'. */
static struct cni_error *
database_error(const struct ovsdb_client *client, enum ovsdb_outcome outcome,
               char *reason)
{
    struct cni_error *error = cni_error_create(
        outcome == OVSDB_AWAY ? CNI_ERR_TRY_AGAIN : CNI_ERR_DATABASE,
        "Open vSwitch database %s: %s", ovsdb_client_get_name(client),
        reason);

    free(reason);
    return error;
}

static char *
get_hostname(void)
{
    char name[HOST_NAME_MAX + 1];

    if (gethostname(name, sizeof name)) {
        return xstrdup("localhost");
    }
    name[sizeof name - 1] = '\0';
    return xstrdup(name);
}

/* The controller names the node in the same way. */
static char *
get_node(const struct json *results)
{
    const char *system_id
        = (ovsdb_n_rows(results, 0)
           ? ovsdb_get_map_value(ovsdb_row(results, 0, 0), "external_ids",
                                 "system-id") : NULL);

    return system_id && system_id[0] ? xstrdup(system_id) : get_hostname();
}

struct cni_error *
bridge_info_read(struct ovsdb_client *client, const char *bridge,
                 long long int deadline, struct bridge_info *info)
{
    static const char *const root_columns[] = { "external_ids" };
    static const char *const columns[] = { "_uuid", "datapath_type" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *results;
    char *reason;

    memset(info, 0, sizeof *info);
    ovsdb_op_columns(ovsdb_op_add(ops, "select", "Open_vSwitch"),
                     root_columns, ARRAY_SIZE(root_columns));
    struct json *op = ovsdb_op_add(ops, "select", "Bridge");
    ovsdb_op_columns(op, columns, ARRAY_SIZE(columns));
    ovsdb_op_where(op, "name", "==", json_string_create(bridge ? bridge : ""));

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, &reason);
    if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }

    struct cni_error *error = NULL;
    info->node = get_node(results);
    if (ovsdb_n_rows(results, 1)) {
        const struct json *row = ovsdb_row(results, 1, 0);
        const char *type = ovsdb_get_string(row, "datapath_type");

        info->uuid = nullable_xstrdup(ovsdb_get_uuid(row, "_uuid"));
        info->userspace = type && !strcmp(type, "netdev");
    }
    if (bridge && !info->uuid) {
        error = cni_error_create(CNI_ERR_BRIDGE, "bridge %s does not exist",
                                 bridge);
    }
    json_destroy(results);
    return error;
}

void
bridge_info_destroy(struct bridge_info *info)
{
    free(info->node);
    free(info->uuid);
}

/* Waits until Open vSwitch has tried to set the port up.  Before, "ofport" is
 * empty. */
static void
add_wait(struct json *ops, const char *name, long long int deadline)
{
    static const char *const columns[] = { "ofport" };
    struct svec empty = SVEC_EMPTY_INITIALIZER;
    struct json *op = ovsdb_op_add(ops, "wait", "Interface");
    struct json *row = json_object_create();

    ovsdb_op_where(op, "name", "==", json_string_create(name));
    ovsdb_op_columns(op, columns, ARRAY_SIZE(columns));
    json_object_put(row, "ofport", ovsdb_string_set(&empty));
    ovsdb_op_wait(op, deadline, false, json_array_create_1(row));
}

static void
add_select(struct json *ops, const char *name)
{
    static const char *const columns[] = { "ofport", "error", "external_ids" };
    struct json *op = ovsdb_op_add(ops, "select", "Interface");

    ovsdb_op_where(op, "name", "==", json_string_create(name));
    ovsdb_op_columns(op, columns, ARRAY_SIZE(columns));
}

/* Fails unless the interface that 'results' have works and, if 'container_id'
 * is nonnull, is that container's. */
static struct cni_error *
check_interface(const struct json *results, size_t i, const char *name,
                const char *container_id)
{
    if (!ovsdb_n_rows(results, i)) {
        return cni_error_create(CNI_ERR_DIFFERENT, "port %s does not exist",
                                name);
    }

    const struct json *row = ovsdb_row(results, i, 0);
    const char *owner = ovsdb_get_map_value(row, "external_ids",
                                            "container-id");
    const char *error = ovsdb_get_string(row, "error");

    if (container_id && (!owner || strcmp(owner, container_id))) {
        return cni_error_create(CNI_ERR_DIFFERENT, "port %s is another's",
                                name);
    }
    if (ovsdb_get_integer(row, "ofport") <= 0) {
        return cni_error_create(CNI_ERR_BRIDGE, "port %s: %s", name,
                                error ? error : "does not work");
    }
    return NULL;
}

struct cni_error *
bridge_port_wait(struct ovsdb_client *client, const char *name,
                 long long int deadline)
{
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *results;
    char *reason;

    add_wait(ops, name, deadline);
    add_select(ops, name);
    enum ovsdb_outcome outcome = ovsdb_client_transact(
        client, ops, deadline, &results, &reason);
    if (outcome == OVSDB_CONFLICT) {
        free(reason);
        return cni_error_create(CNI_ERR_TIMEOUT, "ovs-vswitchd has not added "
                                "port %s in time", name);
    } else if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }

    struct cni_error *error = check_interface(results, 1, name, NULL);
    json_destroy(results);
    return error;
}

static void
add_interface(struct json *ops, const struct bridge_port *port)
{
    struct json *op = ovsdb_op_add(ops, "insert", "Interface");

    json_object_put_string(op, "uuid-name", "interface");
    ovsdb_op_set(op, "name", json_string_create(port->name));
    ovsdb_op_set(op, "type", json_string_create(port->internal ? "internal"
                                                : ""));
    ovsdb_op_set(op, "external_ids", ovsdb_map(&port->external_ids));
    if (port->mtu && port->internal) {
        ovsdb_op_set(op, "mtu_request", json_integer_create(port->mtu));
    }
}

struct cni_error *
bridge_port_add(struct ovsdb_client *client, const struct bridge_info *info,
                const struct bridge_port *port, long long int deadline)
{
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op;
    char *reason;

    add_interface(ops, port);
    op = ovsdb_op_add(ops, "insert", "Port");
    json_object_put_string(op, "uuid-name", "port");
    ovsdb_op_set(op, "name", json_string_create(port->name));
    ovsdb_op_set(op, "interfaces", ovsdb_named_uuid("interface"));
    op = ovsdb_op_add(ops, "mutate", "Bridge");
    ovsdb_op_where(op, "_uuid", "==", ovsdb_uuid(info->uuid));
    ovsdb_op_mutate(op, "ports", "insert", ovsdb_named_uuid("port"));

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       NULL, &reason);
    if (outcome == OVSDB_CONFLICT) {
        free(reason);
        return cni_error_create(CNI_ERR_BRIDGE, "port %s exists already",
                                port->name);
    }
    return (outcome == OVSDB_OK ? NULL
            : database_error(client, outcome, reason));
}

static struct cni_error *
find_port(struct ovsdb_client *client, const char *name,
          long long int deadline, struct json **results)
{
    static const char *const columns[] = { "_uuid" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op;
    char *reason;

    add_select(ops, name);
    op = ovsdb_op_add(ops, "select", "Port");
    ovsdb_op_where(op, "name", "==", json_string_create(name));
    ovsdb_op_columns(op, columns, ARRAY_SIZE(columns));

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       results, &reason);
    return (outcome == OVSDB_OK ? NULL
            : database_error(client, outcome, reason));
}

static struct cni_error *
delete_port(struct ovsdb_client *client, const char *uuid,
            long long int deadline)
{
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = ovsdb_op_add(ops, "mutate", "Bridge");
    char *reason;

    ovsdb_op_where(op, "ports", "includes", ovsdb_uuid(uuid));
    ovsdb_op_mutate(op, "ports", "delete", ovsdb_uuid(uuid));

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       NULL, &reason);
    return (outcome == OVSDB_OK ? NULL
            : database_error(client, outcome, reason));
}

struct cni_error *
bridge_port_delete(struct ovsdb_client *client, const char *name,
                   const char *container_id, long long int deadline)
{
    struct json *results = NULL;
    struct cni_error *error = find_port(client, name, deadline, &results);

    if (!error && ovsdb_n_rows(results, 0) && ovsdb_n_rows(results, 1)) {
        const char *owner = ovsdb_get_map_value(
            ovsdb_row(results, 0, 0), "external_ids", "container-id");
        const char *uuid = ovsdb_get_uuid(ovsdb_row(results, 1, 0), "_uuid");

        if (owner && !strcmp(owner, container_id) && uuid) {
            error = delete_port(client, uuid, deadline);
        }
    }
    json_destroy(results);
    return error;
}

struct cni_error *
bridge_port_check(struct ovsdb_client *client, const char *name,
                  const char *container_id, long long int deadline)
{
    struct json *results = NULL;
    struct cni_error *error = find_port(client, name, deadline, &results);

    if (!error) {
        error = check_interface(results, 0, name, container_id);
    }
    json_destroy(results);
    return error;
}

struct cni_error *
bridge_port_find(struct ovsdb_client *client, const struct bridge_info *bridge,
                 const char *name, long long int deadline, bool *found)
{
    static const char *const columns[] = { "_uuid" };
    struct json *results = NULL;
    struct cni_error *error = find_port(client, name, deadline, &results);

    *found = false;
    if (!error && ovsdb_n_rows(results, 1)) {
        const char *uuid = ovsdb_get_uuid(ovsdb_row(results, 1, 0), "_uuid");
        struct json *ops = ovsdb_ops_create(DATABASE);
        struct json *op = ovsdb_op_add(ops, "select", "Bridge");
        struct json *bridges;
        char *reason;

        ovsdb_op_columns(op, columns, ARRAY_SIZE(columns));
        ovsdb_op_where(op, "_uuid", "==", ovsdb_uuid(bridge->uuid));
        ovsdb_op_where(op, "ports", "includes", ovsdb_uuid(uuid ? uuid : ""));
        enum ovsdb_outcome outcome = ovsdb_client_transact(
            client, ops, deadline, &bridges, &reason);
        if (outcome != OVSDB_OK) {
            error = database_error(client, outcome, reason);
        } else {
            *found = ovsdb_n_rows(bridges, 0) > 0;
            json_destroy(bridges);
        }
    }
    json_destroy(results);
    return error;
}

struct cni_error *
bridge_port_mark(struct ovsdb_client *client, const char *name,
                 const struct smap *ids, long long int deadline)
{
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = ovsdb_op_add(ops, "mutate", "Interface");
    char *reason;

    ovsdb_op_where(op, "name", "==", json_string_create(name));
    ovsdb_op_mutate(op, "external_ids", "insert", ovsdb_map(ids));
    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       NULL, &reason);
    return (outcome == OVSDB_OK ? NULL
            : database_error(client, outcome, reason));
}
