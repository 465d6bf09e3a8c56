/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/inspect-show.h"

#include <stdlib.h>
#include <string.h>

#include "bastion/version.h"
#include "controller/bastion-db.h"
#include "controller/compiler.h"
#include "controller/node-ovs.h"
#include "controller/of-switch.h"
#include "controller/switches.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "svec.h"
#include "util.h"

/* What both renderings have in common. */

/* Returns the names of the accepted networks on 'bridge', sorted, in an svec
 * that the caller must destroy. */
static void
get_networks(const struct compiler *compiler, const char *bridge,
             struct svec *names)
{
    const struct netmap_network *network;

    svec_init(names);
    HMAP_FOR_EACH (network, hmap_node,
                   &compiler_get_netmap(compiler)->networks) {
        if (!strcmp(network->bridge, bridge)) {
            svec_add(names, network->name);
        }
    }
    svec_sort(names);
}

static bool
has_network(const struct compiler *compiler, const char *bridge)
{
    const struct netmap_network *network;

    HMAP_FOR_EACH (network, hmap_node,
                   &compiler_get_netmap(compiler)->networks) {
        if (!strcmp(network->bridge, bridge)) {
            return true;
        }
    }
    return false;
}

/* What an operator should do about 'bridge', NULL if nothing. */
static char *
get_bridge_problem(const struct inspect_sources *sources,
                   const struct node_bridge *bridge)
{
    if (!compiler_get_flows(sources->compiler, bridge->name)) {
        return (switches_is_connected(sources->switches, bridge->name)
                ? xstrdup("connected, but no network names this bridge; it "
                          "is left alone") : NULL);
    } else if (!has_network(sources->compiler, bridge->name)) {
        return xstrdup("each network that names this bridge is refused, so "
                       "that everything is dropped");
    } else if (!bridge->controllers.n) {
        return xasprintf("not enforced: the bridge has no controller; "
                         "\"ovs-vsctl set-controller %s "
                         "tcp:127.0.0.1:6653\" makes this one its controller",
                         bridge->name);
    } else if (!switches_is_connected(sources->switches, bridge->name)) {
        return xstrdup("the bridge is not connected; the flows that it has "
                       "stay in force");
    } else if (bridge->controllers.n > 1) {
        char *targets = svec_join(&bridge->controllers, ", ", "");
        char *problem = xasprintf(
            "the bridge has %"PRIuSIZE" controllers (%s); flows that another "
            "one adds are removed", bridge->controllers.n, targets);
        free(targets);
        return problem;
    } else if (!bridge->fail_mode_secure || !bridge->in_band_disabled
               || !bridge->out_of_band) {
        return xstrdup("fail_mode, disable-in-band or connection_mode is "
                       "about to be set");
    }
    return NULL;
}

/* Bridges that matter: a network names them or they are connected. */
static bool
bridge_matters(const struct inspect_sources *sources,
               const struct node_bridge *bridge)
{
    return (compiler_get_flows(sources->compiler, bridge->name)
            || switches_is_connected(sources->switches, bridge->name));
}

static const char *
get_bastion_db_state(const struct bastion_db *db)
{
    return (!bastion_db_is_connected(db) ? "not connected"
            : !bastion_db_is_initialized(db)
            ? "connected, not initialized (see \"bastionctl init\")"
            : "connected");
}

static const char *
get_node_name(const struct inspect_sources *sources)
{
    const char *system_id = node_ovs_get_system_id(sources->node_ovs);

    return (system_id && system_id[0] ? system_id
            : bastion_db_get_hostname(sources->bastion_db));
}

struct refused_row {
    char *row;
    char *status;
};

struct refused_rows {
    struct refused_row *rows;
    size_t n, allocated;
};

static void
add_refused_row(const char *row, const char *status, void *refused_)
{
    struct refused_rows *refused = refused_;

    if (refused->n >= refused->allocated) {
        refused->rows = x2nrealloc(refused->rows, &refused->allocated,
                                   sizeof *refused->rows);
    }
    refused->rows[refused->n++] = (struct refused_row) {
        .row = xstrdup(row ? row : "unknown row"),
        .status = xstrdup(status)
    };
}

static int
compare_refused_rows(const void *a_, const void *b_)
{
    const struct refused_row *a = a_;
    const struct refused_row *b = b_;

    return strcmp(a->row, b->row);
}

static void
get_refused_rows(const struct inspect_sources *sources,
                 struct refused_rows *refused)
{
    memset(refused, 0, sizeof *refused);
    bastion_db_for_each_refused(sources->bastion_db, sources->compiler,
                                add_refused_row, refused);
    if (refused->n) {
        qsort(refused->rows, refused->n, sizeof *refused->rows,
              compare_refused_rows);
    }
}

static void
free_refused_rows(struct refused_rows *refused)
{
    for (size_t i = 0; i < refused->n; i++) {
        free(refused->rows[i].row);
        free(refused->rows[i].status);
    }
    free(refused->rows);
}

/* Text. */

static void
format_node(const struct inspect_sources *sources, struct ds *s)
{
    const char *ovs_version = node_ovs_get_version(sources->node_ovs);
    const struct netmap *netmap = compiler_get_netmap(sources->compiler);

    ds_put_format(s, "Node \"%s\"\n", get_node_name(sources));
    ds_put_format(s, "    Bastion %s, Open vSwitch %s\n", BASTION_VERSION,
                  ovs_version ? ovs_version : "of unknown version");
    ds_put_format(s, "    Bastion database: %s: %s\n",
                  bastion_db_get_remote(sources->bastion_db),
                  get_bastion_db_state(sources->bastion_db));
    ds_put_format(s, "        generation %"PRId64,
                  bastion_db_get_generation(sources->bastion_db));
    if (bastion_db_get_applied(sources->bastion_db) >= 0) {
        ds_put_format(s, ", applied %"PRId64"\n",
                      bastion_db_get_applied(sources->bastion_db));
    } else {
        ds_put_cstr(s, ", none applied\n");
    }
    if (bastion_db_is_duplicate_node(sources->bastion_db)) {
        ds_put_cstr(s, "        problem: another controller uses this node "
                    "name\n");
    }
    ds_put_format(s, "    Open vSwitch database: %s: %s\n",
                  node_ovs_get_remote(sources->node_ovs),
                  (node_ovs_is_connected(sources->node_ovs)
                   ? "connected" : "not connected"));
    ds_put_format(s, "    Host addresses: %"PRIuSIZE"\n",
                  netmap->n_host_addresses);
}

static void
put_indented(struct ds *s, const char *indentation, char *text)
{
    char *save_ptr = NULL;

    for (char *line = strtok_r(text, "\n", &save_ptr); line;
         line = strtok_r(NULL, "\n", &save_ptr)) {
        ds_put_format(s, "%s%s\n", indentation, line);
    }
}

static void
format_connection(const struct switches_connection *conn, struct ds *s)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    ds_put_format(&text, "%s connection ", switch_role_name(conn->role));
    of_switch_format(conn->of_switch, &text);
    put_indented(s, "        ", ds_cstr(&text));
    ds_destroy(&text);
}

static void
format_bridge(const struct inspect_sources *sources,
              const struct node_bridge *bridge, struct ds *s)
{
    const struct flow_table *flows = compiler_get_flows(sources->compiler,
                                                        bridge->name);
    const struct switches_connection *conn;
    struct svec networks;

    ds_put_format(s, "    Bridge %s (%s datapath)\n", bridge->name,
                  bridge->datapath_type);

    get_networks(sources->compiler, bridge->name, &networks);
    char *names = svec_join(&networks, ", ", "");
    ds_put_format(s, "        networks: %s\n", names[0] ? names : "none");
    free(names);
    svec_destroy(&networks);

    ds_put_format(s, "        ports: %"PRIuSIZE", desired flows: %"PRIuSIZE
                  "\n", shash_count(&bridge->ports),
                  flows ? hmap_count(&flows->flows) : 0);
    LIST_FOR_EACH (conn, list_node,
                   switches_get_connections(sources->switches)) {
        if (conn->bridge && !strcmp(conn->bridge, bridge->name)) {
            format_connection(conn, s);
        }
    }

    char *problem = get_bridge_problem(sources, bridge);
    if (problem) {
        ds_put_format(s, "        problem: %s\n", problem);
        free(problem);
    }
}

static void
format_bridges(const struct inspect_sources *sources, struct ds *s)
{
    const struct shash *bridges = node_ovs_get_bridges(sources->node_ovs);
    const struct shash_node **nodes = shash_sort(bridges);
    const struct switches_connection *conn;

    for (size_t i = 0; i < shash_count(bridges); i++) {
        if (bridge_matters(sources, nodes[i]->data)) {
            format_bridge(sources, nodes[i]->data, s);
        }
    }
    free(nodes);

    bool first = true;
    LIST_FOR_EACH (conn, list_node,
                   switches_get_connections(sources->switches)) {
        if (!conn->bridge) {
            if (first) {
                ds_put_cstr(s, "    Other connections\n");
                first = false;
            }
            format_connection(conn, s);
        }
    }
}

/* Networks whose bridge is not on this node have no bridge to stand under. */
static void
format_absent_networks(const struct inspect_sources *sources, struct ds *s)
{
    const struct shash *bridges = node_ovs_get_bridges(sources->node_ovs);
    const struct netmap_network *network;
    struct svec names = SVEC_EMPTY_INITIALIZER;

    HMAP_FOR_EACH (network, hmap_node,
                   &compiler_get_netmap(sources->compiler)->networks) {
        if (!shash_find(bridges, network->bridge)) {
            svec_add_nocopy(&names, xasprintf("%s (bridge %s)", network->name,
                                              network->bridge));
        }
    }
    if (names.n) {
        svec_sort(&names);
        char *text = svec_join(&names, ", ", "");
        ds_put_format(s, "    Networks without a bridge on this node: %s\n",
                      text);
        free(text);
    }
    svec_destroy(&names);
}

static void
format_usage(const struct inspect_sources *sources, struct ds *s)
{
    struct compiler_usage usage;
    struct refused_rows refused;

    compiler_get_usage(sources->compiler, &usage);
    ds_put_format(s, "    Rows: %"PRIuSIZE" networks, %"PRIuSIZE" services, "
                  "%"PRIuSIZE" containers, %"PRIuSIZE" dependencies\n",
                  usage.n_networks, usage.n_services, usage.n_containers,
                  usage.n_dependencies);

    get_refused_rows(sources, &refused);
    ds_put_format(s, "    Refused rows: %"PRIuSIZE"\n", refused.n);
    for (size_t i = 0; i < refused.n; i++) {
        ds_put_format(s, "        %s: %s\n", refused.rows[i].row,
                      refused.rows[i].status);
    }
    free_refused_rows(&refused);
}

void
inspect_show_format(const struct inspect_sources *sources, struct ds *s)
{
    format_node(sources, s);
    format_bridges(sources, s);
    format_absent_networks(sources, s);
    format_usage(sources, s);
}

/* JSON. */

static struct json *
node_to_json(const struct inspect_sources *sources)
{
    const char *ovs_version = node_ovs_get_version(sources->node_ovs);
    struct json *object = json_object_create();

    json_object_put_string(object, "name", get_node_name(sources));
    json_object_put_string(object, "version", BASTION_VERSION);
    json_object_put_string(object, "ovs_version",
                           ovs_version ? ovs_version : "");
    json_object_put(object, "duplicate",
                    json_boolean_create(bastion_db_is_duplicate_node(
                                            sources->bastion_db)));
    return object;
}

static struct json *
databases_to_json(const struct inspect_sources *sources)
{
    const struct bastion_db *db = sources->bastion_db;
    struct json *bastion = json_object_create();
    struct json *ovs = json_object_create();
    struct json *object = json_object_create();

    json_object_put_string(bastion, "remote", bastion_db_get_remote(db));
    json_object_put(bastion, "connected",
                    json_boolean_create(bastion_db_is_connected(db)));
    json_object_put(bastion, "initialized",
                    json_boolean_create(bastion_db_is_initialized(db)));
    json_object_put(bastion, "generation",
                    json_integer_create(bastion_db_get_generation(db)));
    json_object_put(bastion, "applied",
                    json_integer_create(bastion_db_get_applied(db)));
    json_object_put_string(ovs, "remote",
                           node_ovs_get_remote(sources->node_ovs));
    json_object_put(ovs, "connected",
                    json_boolean_create(node_ovs_is_connected(
                                            sources->node_ovs)));
    json_object_put(object, "Bastion", bastion);
    json_object_put(object, "Open_vSwitch", ovs);
    return object;
}

static struct json *
connections_to_json(const struct inspect_sources *sources, const char *bridge)
{
    struct json *array = json_array_create_empty();
    const struct switches_connection *conn;

    LIST_FOR_EACH (conn, list_node,
                   switches_get_connections(sources->switches)) {
        if (nullable_string_is_equal(conn->bridge, bridge)) {
            struct json *object = of_switch_to_json(conn->of_switch);
            json_object_put_string(object, "role",
                                   switch_role_name(conn->role));
            json_array_add(array, object);
        }
    }
    return array;
}

static struct json *
bridge_to_json(const struct inspect_sources *sources,
               const struct node_bridge *bridge)
{
    const struct flow_table *flows = compiler_get_flows(sources->compiler,
                                                        bridge->name);
    struct json *object = json_object_create();
    struct json *networks = json_array_create_empty();
    struct svec names;

    get_networks(sources->compiler, bridge->name, &names);
    for (size_t i = 0; i < names.n; i++) {
        json_array_add(networks, json_string_create(names.names[i]));
    }
    svec_destroy(&names);

    json_object_put_string(object, "name", bridge->name);
    json_object_put_string(object, "datapath_type", bridge->datapath_type);
    json_object_put(object, "networks", networks);
    json_object_put(object, "ports",
                    json_integer_create(shash_count(&bridge->ports)));
    json_object_put(object, "desired_flows",
                    json_integer_create(flows ? hmap_count(&flows->flows)
                                        : 0));
    json_object_put(object, "connections",
                    connections_to_json(sources, bridge->name));

    char *problem = get_bridge_problem(sources, bridge);
    if (problem) {
        json_object_put_string(object, "problem", problem);
        free(problem);
    }
    return object;
}

static struct json *
bridges_to_json(const struct inspect_sources *sources)
{
    const struct shash *bridges = node_ovs_get_bridges(sources->node_ovs);
    const struct shash_node **nodes = shash_sort(bridges);
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < shash_count(bridges); i++) {
        if (bridge_matters(sources, nodes[i]->data)) {
            json_array_add(array, bridge_to_json(sources, nodes[i]->data));
        }
    }
    free(nodes);
    return array;
}

static struct json *
rows_to_json(const struct inspect_sources *sources)
{
    struct json *object = json_object_create();
    struct compiler_usage usage;

    compiler_get_usage(sources->compiler, &usage);
    json_object_put(object, "networks", json_integer_create(usage.n_networks));
    json_object_put(object, "services", json_integer_create(usage.n_services));
    json_object_put(object, "containers",
                    json_integer_create(usage.n_containers));
    json_object_put(object, "dependencies",
                    json_integer_create(usage.n_dependencies));
    return object;
}

static struct json *
refused_to_json(const struct inspect_sources *sources)
{
    struct json *array = json_array_create_empty();
    struct refused_rows refused;

    get_refused_rows(sources, &refused);
    for (size_t i = 0; i < refused.n; i++) {
        struct json *object = json_object_create();
        json_object_put_string(object, "row", refused.rows[i].row);
        json_object_put_string(object, "status", refused.rows[i].status);
        json_array_add(array, object);
    }
    free_refused_rows(&refused);
    return array;
}

struct json *
inspect_show_to_json(const struct inspect_sources *sources)
{
    struct json *object = json_object_create();

    json_object_put(object, "node", node_to_json(sources));
    json_object_put(object, "databases", databases_to_json(sources));
    json_object_put(object, "bridges", bridges_to_json(sources));
    json_object_put(object, "other_connections",
                    connections_to_json(sources, NULL));
    json_object_put(object, "rows", rows_to_json(sources));
    json_object_put(object, "refused", refused_to_json(sources));
    return object;
}
