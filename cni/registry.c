/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/registry.h"

#include <stdlib.h>
#include <string.h>

#include "cni/cni-error.h"
#include "cni/ovsdb-client.h"
#include "lib/address.h"
#include "lib/peer.h"
#include "openvswitch/json.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

#define DATABASE "Bastion"

#define MAX_IDENTITY 16777215  /* Limit of the schema. */

/* A server that waits gets this much longer to say that it was in vain. */
#define GRACE 2000              /* Milliseconds. */

/* Returns the error that 'outcome' is, and frees 'reason'. */
static struct cni_error *
database_error(const struct ovsdb_client *client, enum ovsdb_outcome outcome,
               char *reason)
{
    struct cni_error *error = cni_error_create(
        outcome == OVSDB_AWAY ? CNI_ERR_TRY_AGAIN : CNI_ERR_DATABASE,
        "Bastion database %s: %s", ovsdb_client_get_name(client), reason);

    free(reason);
    return error;
}

static struct json *
add_select(struct json *ops, const char *table, const char *const columns[],
           size_t n)
{
    struct json *op = ovsdb_op_add(ops, "select", table);

    ovsdb_op_columns(op, columns, n);
    return op;
}

/* Selects the container's row. */
static void
put_key(struct json *op, const struct registry_key *key)
{
    struct smap ids = SMAP_INITIALIZER(&ids);

    smap_add(&ids, "bastion-owner", "cni");
    smap_add(&ids, "container-id", key->container_id);
    smap_add(&ids, "ifname", key->ifname);
    ovsdb_op_where(op, "node", "==", json_string_create(key->node));
    ovsdb_op_where(op, "external_ids", "includes", ovsdb_map(&ids));
    smap_destroy(&ids);
}

/* Says that the database has changed. */
static void
add_generation(struct json *ops)
{
    static const char *const columns[] = { "generation" };

    ovsdb_op_mutate(ovsdb_op_add(ops, "mutate", "Bastion"), "generation", "+=",
                    json_integer_create(1));
    add_select(ops, "Bastion", columns, ARRAY_SIZE(columns));
}

/* Networks. */

struct cni_error *
registry_find_network(struct ovsdb_client *client, const char *name,
                      long long int deadline,
                      struct registry_network *network)
{
    static const char *const columns[] = { "_uuid", "bridge" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = add_select(ops, "Network", columns, ARRAY_SIZE(columns));
    struct json *results;
    char *reason;

    memset(network, 0, sizeof *network);
    ovsdb_op_where(op, "name", "==", json_string_create(name));
    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, &reason);
    if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }
    if (ovsdb_n_rows(results, 0)) {
        const struct json *row = ovsdb_row(results, 0, 0);

        network->uuid = nullable_xstrdup(ovsdb_get_uuid(row, "_uuid"));
        network->bridge = nullable_xstrdup(ovsdb_get_string(row, "bridge"));
    }
    json_destroy(results);

    if (!network->uuid || !network->bridge) {
        struct cni_error *error = cni_error_create(
            CNI_ERR_CONFIG, "network %s does not exist in the Bastion "
            "database", name);
        error->details = xstrdup("add it with \"bastionctl network-add\"");
        return error;
    }
    return NULL;
}

void
registry_network_destroy(struct registry_network *network)
{
    free(network->uuid);
    free(network->bridge);
}

/* Adding. */

/* What a new row depends on. */
struct situation {
    char *service_uuid;         /* NULL if there is no such service. */
    int64_t next_identity;
    bool name_taken;
};

/* Can a container be called 'name' without a doubt, in commands, whether that
 * is a container? */
static bool
is_container_name(const char *name)
{
    struct in6_addr ip;
    char *reason = name_check(name);
    char *not_ip = ip_address_parse(name, &ip);
    bool ok = (!reason && not_ip && strcmp(name, "host")
               && strcmp(name, "world") && strcmp(name, "any"));

    free(reason);
    free(not_ip);
    return ok;
}

/* The pod's name, if it is known and free, otherwise the container's. */
static char *
choose_name(const struct registry_container *c, bool pod_name_taken)
{
    if (c->pod_name && !pod_name_taken && is_container_name(c->pod_name)) {
        return xstrdup(c->pod_name);
    }
    return (strcmp(c->key.ifname, "eth0")
            || !is_container_name(c->key.container_id)
            ? xasprintf("%s-%s", c->key.container_id, c->interface)
            : xstrdup(c->key.container_id));
}

/* Fails if a container of the network has address 'ip', which is among
 * 'results'.  (The controller refuses such a row as well, but by then it is in
 * the database, and others may prefer it.) */
static struct cni_error *
check_ip(struct ovsdb_client *client, const struct registry_container *c,
         const struct json *containers, const char *ip,
         long long int deadline)
{
    static const char *const columns[] = { "_uuid" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = add_select(ops, "Service", columns, ARRAY_SIZE(columns));
    const char *service = ovsdb_get_uuid(containers, "service");
    const char *name = ovsdb_get_string(containers, "name");
    struct cni_error *error = NULL;
    struct json *results;
    char *reason;

    ovsdb_op_where(op, "_uuid", "==", ovsdb_uuid(service));
    ovsdb_op_where(op, "network", "==", ovsdb_uuid(c->network_uuid));
    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, &reason);
    if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }
    if (ovsdb_n_rows(results, 0)) {
        error = cni_error_create(CNI_ERR_POLICY, "IP address %s: container %s "
                                 "of network %s has it already", ip, name,
                                 c->network);
    }
    json_destroy(results);
    return error;
}

/* Selects the containers that have the addresses of 'c', in the order of
 * these. */
static void
select_by_ips(struct json *ops, const struct registry_container *c)
{
    static const char *const columns[] = { "name", "service" };

    for (size_t i = 0; i < c->ips.n; i++) {
        ovsdb_op_where(add_select(ops, "Container", columns,
                                  ARRAY_SIZE(columns)),
                       "ips", "includes", json_string_create(c->ips.names[i]));
    }
}

/* Checks what select_by_ips() has selected, from operation 'first' on. */
static struct cni_error *
check_ips(struct ovsdb_client *client, const struct registry_container *c,
          const struct json *results, size_t first, long long int deadline)
{
    struct cni_error *error = NULL;

    for (size_t i = 0; i < c->ips.n && !error; i++) {
        for (size_t j = 0; j < ovsdb_n_rows(results, first + i) && !error;
             j++) {
            error = check_ip(client, c, ovsdb_row(results, first + i, j),
                             c->ips.names[i], deadline);
        }
    }
    return error;
}

/* Reads what adding 'c' depends on. */
static struct cni_error *
read_situation(struct ovsdb_client *client, const struct registry_container *c,
               long long int deadline, struct situation *s)
{
    static const char *const uuid[] = { "_uuid" };
    static const char *const next_identity[] = { "next_identity" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = add_select(ops, "Service", uuid, ARRAY_SIZE(uuid));
    struct json *results;
    char *reason;

    memset(s, 0, sizeof *s);
    ovsdb_op_where(op, "network", "==", ovsdb_uuid(c->network_uuid));
    ovsdb_op_where(op, "name", "==", json_string_create(c->service));
    add_select(ops, "Bastion", next_identity, ARRAY_SIZE(next_identity));
    op = add_select(ops, "Container", uuid, ARRAY_SIZE(uuid));
    ovsdb_op_where(op, "name", "==",
                   json_string_create(c->pod_name ? c->pod_name
                                      : c->key.container_id));
    select_by_ips(ops, c);

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, &reason);
    if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }
    if (ovsdb_n_rows(results, 0)) {
        s->service_uuid = nullable_xstrdup(
            ovsdb_get_uuid(ovsdb_row(results, 0, 0), "_uuid"));
    }
    if (ovsdb_n_rows(results, 1)) {
        s->next_identity = ovsdb_get_integer(ovsdb_row(results, 1, 0),
                                             "next_identity");
    }
    s->name_taken = ovsdb_n_rows(results, 2) > 0;
    struct cni_error *error = check_ips(client, c, results, 3, deadline);
    json_destroy(results);

    if (error) {
        return error;
    }
    if (!s->next_identity) {
        return cni_error_create(CNI_ERR_TRY_AGAIN, "the Bastion database is "
                                "not initialized");
    }
    if (!s->service_uuid && !c->create_service) {
        return cni_error_create(CNI_ERR_CONFIG, "service %s/%s does not exist",
                                c->network, c->service);
    }
    return NULL;
}

/* Creates the service, with an identity that nobody takes in the meantime. */
static void
add_service(struct json *ops, const struct registry_container *c,
            const struct situation *s)
{
    static const char *const columns[] = { "next_identity" };
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct json *row = json_object_create();
    struct json *op = ovsdb_op_add(ops, "wait", "Bastion");

    json_object_put(row, "next_identity",
                    json_integer_create(s->next_identity));
    ovsdb_op_columns(op, columns, ARRAY_SIZE(columns));
    ovsdb_op_wait(op, 0, true, json_array_create_1(row));

    op = ovsdb_op_add(ops, "update", "Bastion");
    ovsdb_op_set(op, "next_identity",
                 json_integer_create(s->next_identity + 1));

    op = ovsdb_op_add(ops, "insert", "Service");
    json_object_put_string(op, "uuid-name", "service");
    ovsdb_op_set(op, "name", json_string_create(c->service));
    ovsdb_op_set(op, "network", ovsdb_uuid(c->network_uuid));
    ovsdb_op_set(op, "identity", json_integer_create(s->next_identity));
    ovsdb_op_set(op, "isolate", json_string_create("both"));
    smap_add(&ids, "bastion-owner", "cni");
    ovsdb_op_set(op, "external_ids", ovsdb_map(&ids));
    smap_destroy(&ids);
}

static struct json *
container_ids(const struct registry_container *c)
{
    struct smap ids = SMAP_INITIALIZER(&ids);

    smap_add(&ids, "bastion-owner", "cni");
    smap_add(&ids, "container-id", c->key.container_id);
    smap_add(&ids, "ifname", c->key.ifname);
    smap_add(&ids, "cni-network", c->cni_network);
    if (c->pod_name) {
        smap_add(&ids, "pod-name", c->pod_name);
    }
    if (c->pod_namespace) {
        smap_add(&ids, "pod-namespace", c->pod_namespace);
    }

    struct json *map = ovsdb_map(&ids);
    smap_destroy(&ids);
    return map;
}

static void
add_container(struct json *ops, const struct registry_container *c,
              const struct situation *s)
{
    struct json *op = ovsdb_op_add(ops, "insert", "Container");
    char *name = choose_name(c, s->name_taken);

    ovsdb_op_set(op, "name", json_string_create_nocopy(name));
    ovsdb_op_set(op, "service", (s->service_uuid
                                 ? ovsdb_uuid(s->service_uuid)
                                 : ovsdb_named_uuid("service")));
    ovsdb_op_set(op, "interface", json_string_create(c->interface));
    ovsdb_op_set(op, "node", json_string_create(c->key.node));
    ovsdb_op_set(op, "mac", json_string_create(c->mac));
    ovsdb_op_set(op, "ips", ovsdb_string_set(&c->ips));
    ovsdb_op_set(op, "external_ids", container_ids(c));
}

/* Returns the last row of the last operation's result, which
 * add_generation() has added. */
static int64_t
get_generation(const struct json *results)
{
    size_t last = json_array(results)->n - 1;

    return (ovsdb_n_rows(results, last)
            ? ovsdb_get_integer(ovsdb_row(results, last, 0), "generation")
            : 0);
}

static enum ovsdb_outcome
try_to_add(struct ovsdb_client *client, const struct registry_container *c,
           long long int deadline, const struct situation *s,
           int64_t *generation, char **reason)
{
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *results;

    if (!s->service_uuid) {
        add_service(ops, c, s);
    }
    add_container(ops, c, s);
    add_generation(ops);

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, reason);
    if (outcome == OVSDB_OK) {
        *generation = get_generation(results);
        json_destroy(results);
    }
    return outcome;
}

/* Someone else may have been faster: another plugin that has created the
 * service, or has used the pod's name.  But when that was not it, there is no
 * use in going on. */
#define MAX_TRIES 100

struct cni_error *
registry_add(struct ovsdb_client *client, const struct registry_container *c,
             long long int deadline, int64_t *generation)
{
    struct cni_error *error = NULL;

    for (int i = 0; !error; i++) {
        struct situation s;
        char *reason = NULL;

        error = read_situation(client, c, deadline, &s);
        if (!error && !s.service_uuid && s.next_identity > MAX_IDENTITY) {
            error = cni_error_create(CNI_ERR_DATABASE,
                                     "identities are used up");
        }
        if (!error) {
            enum ovsdb_outcome outcome = try_to_add(client, c, deadline, &s,
                                                    generation, &reason);
            if (outcome == OVSDB_OK) {
                free(s.service_uuid);
                return NULL;
            } else if (outcome != OVSDB_CONFLICT || i >= MAX_TRIES
                       || time_msec() >= deadline) {
                error = database_error(client, outcome, reason);
            } else {
                free(reason);
            }
        }
        free(s.service_uuid);
    }
    return error;
}

/* Waiting. */

struct cni_error *
registry_wait_attachment(struct ovsdb_client *client, const char *node,
                         const char *interface, long long int deadline)
{
    static const char *const columns[] = { "interface" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = ovsdb_op_add(ops, "wait", "Attachment");
    char *reason;

    ovsdb_op_where(op, "node", "==", json_string_create(node));
    ovsdb_op_where(op, "interface", "==", json_string_create(interface));
    ovsdb_op_columns(op, columns, ARRAY_SIZE(columns));
    ovsdb_op_wait(op, deadline, false, json_array_create_empty());

    enum ovsdb_outcome outcome = ovsdb_client_transact(
        client, ops, deadline + GRACE, NULL, &reason);
    if (outcome == OVSDB_CONFLICT) {
        free(reason);
        struct cni_error *error = cni_error_create(
            CNI_ERR_TIMEOUT, "the controller of node %s has not seen port %s "
            "in time", node, interface);
        error->details = xstrdup("is bastion-controller running, and is the "
                                 "bridge connected to it?");
        return error;
    }
    return (outcome == OVSDB_OK ? NULL
            : database_error(client, outcome, reason));
}

/* Fails unless the row that operation 'i' has selected is in force. */
static struct cni_error *
check_status(const struct json *results, size_t i)
{
    if (!ovsdb_n_rows(results, i)) {
        return cni_error_create(CNI_ERR_DIFFERENT, "the container is not in "
                                "the Bastion database");
    }

    const char *status = ovsdb_get_string(ovsdb_row(results, i, 0), "status");
    if (!status || strcmp(status, "active")) {
        return cni_error_create(CNI_ERR_POLICY, "the container is refused: %s",
                                (status && status[0] ? status
                                 : "no controller has seen it"));
    }
    return NULL;
}

struct cni_error *
registry_wait_applied(struct ovsdb_client *client,
                      const struct registry_key *key, int64_t generation,
                      long long int deadline)
{
    static const char *const name[] = { "name" };
    static const char *const status[] = { "status" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = ovsdb_op_add(ops, "wait", "Node");
    struct json *results;
    char *reason;

    ovsdb_op_where(op, "name", "==", json_string_create(key->node));
    ovsdb_op_where(op, "generation", ">=", json_integer_create(generation));
    ovsdb_op_columns(op, name, ARRAY_SIZE(name));
    ovsdb_op_wait(op, deadline, false, json_array_create_empty());
    put_key(add_select(ops, "Container", status, ARRAY_SIZE(status)), key);

    enum ovsdb_outcome outcome = ovsdb_client_transact(
        client, ops, deadline + GRACE, &results, &reason);
    if (outcome == OVSDB_CONFLICT) {
        free(reason);
        return cni_error_create(CNI_ERR_TIMEOUT, "node %s has not applied "
                                "generation %"PRId64" in time", key->node,
                                generation);
    } else if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }

    struct cni_error *error = check_status(results, 1);
    json_destroy(results);
    return error;
}

struct cni_error *
registry_check(struct ovsdb_client *client, const struct registry_key *key,
               long long int deadline)
{
    static const char *const columns[] = { "status" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *results;
    char *reason;

    put_key(add_select(ops, "Container", columns, ARRAY_SIZE(columns)), key);
    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, &reason);
    if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }

    struct cni_error *error = check_status(results, 0);
    json_destroy(results);
    return error;
}

/* Deleting. */

static struct cni_error *
delete_row(struct ovsdb_client *client, const struct registry_key *key,
           long long int deadline)
{
    struct json *ops = ovsdb_ops_create(DATABASE);
    char *reason;

    put_key(ovsdb_op_add(ops, "delete", "Container"), key);
    add_generation(ops);

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       NULL, &reason);
    return (outcome == OVSDB_OK ? NULL
            : database_error(client, outcome, reason));
}

struct cni_error *
registry_delete(struct ovsdb_client *client, const struct registry_key *key,
                long long int deadline)
{
    static const char *const columns[] = { "_uuid" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *results;
    char *reason;

    /* A generation is for changes only. */
    put_key(add_select(ops, "Container", columns, ARRAY_SIZE(columns)), key);
    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, &reason);
    if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }

    bool exists = ovsdb_n_rows(results, 0) > 0;
    json_destroy(results);
    return exists ? delete_row(client, key, deadline) : NULL;
}

struct cni_error *
registry_list(struct ovsdb_client *client, const char *node,
              const char *cni_network, long long int deadline,
              struct svec *keys)
{
    static const char *const columns[] = { "external_ids" };
    struct json *ops = ovsdb_ops_create(DATABASE);
    struct json *op = add_select(ops, "Container", columns,
                                 ARRAY_SIZE(columns));
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct json *results;
    char *reason;

    smap_add(&ids, "bastion-owner", "cni");
    smap_add(&ids, "cni-network", cni_network);
    ovsdb_op_where(op, "node", "==", json_string_create(node));
    ovsdb_op_where(op, "external_ids", "includes", ovsdb_map(&ids));
    smap_destroy(&ids);

    enum ovsdb_outcome outcome = ovsdb_client_transact(client, ops, deadline,
                                                       &results, &reason);
    if (outcome != OVSDB_OK) {
        return database_error(client, outcome, reason);
    }
    for (size_t i = 0; i < ovsdb_n_rows(results, 0); i++) {
        const struct json *row = ovsdb_row(results, 0, i);
        const char *id = ovsdb_get_map_value(row, "external_ids",
                                             "container-id");
        const char *ifname = ovsdb_get_map_value(row, "external_ids",
                                                 "ifname");

        if (id && ifname) {
            svec_add_nocopy(keys, xasprintf("%s %s", id, ifname));
        }
    }
    json_destroy(results);
    return NULL;
}
