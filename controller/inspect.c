/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "controller/bastion-db.h"
#include "controller/compiler.h"
#include "controller/fastpath-driver.h"
#include "controller/inspect-args.h"
#include "controller/inspect-format.h"
#include "controller/inspect-show.h"
#include "controller/inspect-trace.h"
#include "controller/node-ovs.h"
#include "controller/of-switch.h"
#include "controller/row-statistics.h"
#include "controller/switches.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "table.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(inspect);

/* Arguments and options together. */
#define MAX_UNIXCTL_ARGS 12

struct inspect {
    struct inspect_sources sources;
    struct ovs_list requests;           /* Contains "struct request"s. */
    struct inspect_trace *trace;
};

/* A command that waits for fresh dumps of one or more switches. */
struct request {
    struct ovs_list list_node;          /* In struct inspect's 'requests'. */
    struct inspect *inspect;
    struct unixctl_conn *conn;
    enum table_format format;
    void (*finish)(struct request *);   /* Replies. */

    size_t n_pending;                   /* Dumps not completed. */
    struct ovs_list dumps;              /* Contains "struct dump"s. */

    char *port;                         /* bastion/drops: or NULL. */
    struct ds text;                     /* bastion/verify: findings. */
    size_t n_problems;                  /* bastion/verify. */
};

struct dump {
    struct ovs_list list_node;          /* In struct request's 'dumps'. */
    struct request *request;
    char *bridge;
    struct of_switch *of_switch;        /* NULL when completed. */
    char *error;                        /* Why it failed, or NULL. */
};

static void register_commands(struct inspect *);
static void request_destroy(struct request *);

struct inspect *
inspect_create(struct compiler *compiler, const struct bastion_db *bastion_db,
               const struct node_ovs *node_ovs, struct switches *switches,
               const struct fastpath_driver *fastpath)
{
    struct inspect *inspect = xzalloc(sizeof *inspect);

    inspect->sources = (struct inspect_sources) {
        .compiler = compiler,
        .bastion_db = bastion_db,
        .node_ovs = node_ovs,
        .switches = switches,
        .fastpath = fastpath
    };
    ovs_list_init(&inspect->requests);
    inspect->trace = inspect_trace_create(&inspect->sources);
    register_commands(inspect);
    return inspect;
}

void
inspect_run(struct inspect *inspect)
{
    inspect_trace_run(inspect->trace);
}

void
inspect_wait(struct inspect *inspect)
{
    inspect_trace_wait(inspect->trace);
}

void
inspect_destroy(struct inspect *inspect)
{
    if (inspect) {
        struct request *request;

        LIST_FOR_EACH_SAFE (request, list_node, &inspect->requests) {
            unixctl_command_reply_error(request->conn,
                                        "the controller is exiting");
            request_destroy(request);
        }
        inspect_trace_destroy(inspect->trace);
        free(inspect);
    }
}

/* Replies. */

static void
reply_json(struct unixctl_conn *conn, struct json *json)
{
    char *s = json_to_string(json, JSSF_SORT);

    unixctl_command_reply(conn, s);
    free(s);
    json_destroy(json);
}

static void
reply_table(struct unixctl_conn *conn, struct table *table,
            enum table_format format)
{
    struct table_style style = table_style_default;
    struct ds s = DS_EMPTY_INITIALIZER;

    style.format = format;
    table_format_reset();
    table_format(table, &style, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    table_destroy(table);
}

/* Parses arguments.  On failure, replies and returns false. */
static bool
parse_args(struct unixctl_conn *conn, int argc, const char *argv[],
           size_t max, bool is_table, struct inspect_args *args)
{
    char *error = inspect_args_parse(argc, argv, 0, max, is_table, NULL,
                                     args);

    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
        return false;
    }
    return true;
}

static void OVS_PRINTF_FORMAT(2, 3)
reply_error(struct unixctl_conn *conn, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *error = xvasprintf(format, args);
    va_end(args);
    unixctl_command_reply_error(conn, error);
    free(error);
}

/* Commands that are answered at once. */

static void
cmd_show(struct unixctl_conn *conn, int argc, const char *argv[],
         void *inspect_)
{
    struct inspect *inspect = inspect_;
    struct inspect_args args;

    if (!parse_args(conn, argc, argv, 0, false, &args)) {
        return;
    } else if (args.format == TF_JSON) {
        reply_json(conn, inspect_show_to_json(&inspect->sources));
    } else {
        struct ds s = DS_EMPTY_INITIALIZER;
        inspect_show_format(&inspect->sources, &s);
        unixctl_command_reply(conn, ds_cstr(&s));
        ds_destroy(&s);
    }
}

static void
cmd_netmap(struct unixctl_conn *conn, int argc, const char *argv[],
           void *inspect_)
{
    struct inspect *inspect = inspect_;
    struct inspect_args args;

    if (parse_args(conn, argc, argv, 0, true, &args)) {
        struct table table;
        table_init(&table);
        inspect_format_netmap(compiler_get_netmap(inspect->sources.compiler),
                              &table);
        reply_table(conn, &table, args.format);
    }
}

static void
cmd_depmap(struct unixctl_conn *conn, int argc, const char *argv[],
           void *inspect_)
{
    struct inspect *inspect = inspect_;
    const struct compiler *compiler = inspect->sources.compiler;
    struct inspect_args args;

    if (parse_args(conn, argc, argv, 0, true, &args)) {
        struct table table;
        table_init(&table);
        inspect_format_depmap(compiler_get_netmap(compiler),
                              compiler_get_depmap(compiler), &table);
        reply_table(conn, &table, args.format);
    }
}

/* Calls 'cb' for each bridge that has desired flows, in order of names. */
static void
for_each_table(const struct inspect *inspect,
               void (*cb)(const char *bridge, const struct flow_table *,
                          void *aux),
               void *aux)
{
    const struct shash *bridges
        = node_ovs_get_bridges(inspect->sources.node_ovs);
    const struct shash_node **nodes = shash_sort(bridges);

    for (size_t i = 0; i < shash_count(bridges); i++) {
        const struct flow_table *table = compiler_get_flows(
            inspect->sources.compiler, nodes[i]->name);
        if (table) {
            cb(nodes[i]->name, table, aux);
        }
    }
    free(nodes);
}

static void
cmd_fastpath(struct unixctl_conn *conn, int argc, const char *argv[],
             void *inspect_)
{
    struct inspect *inspect = inspect_;
    const struct inspect_sources *sources = &inspect->sources;
    struct inspect_args args;

    if (!parse_args(conn, argc, argv, 1, false, &args)) {
        return;
    }

    const char *port = args.n_positional ? args.positional[0] : NULL;
    struct json *json = NULL;
    struct ds s = DS_EMPTY_INITIALIZER;
    bool ok;

    if (args.format == TF_JSON) {
        json = fastpath_driver_to_json(sources->fastpath, sources->node_ovs,
                                       sources->compiler, port);
        ok = json != NULL;
    } else {
        ok = fastpath_driver_format(sources->fastpath, sources->node_ovs,
                                    sources->compiler, port, &s);
    }
    if (!ok) {
        reply_error(conn, "%s: no such interface of a container", port);
    } else if (json) {
        reply_json(conn, json);
    } else {
        unixctl_command_reply(conn, ds_cstr(&s));
    }
    ds_destroy(&s);
}

static void
cmd_connections(struct unixctl_conn *conn, int argc, const char *argv[],
                void *inspect_)
{
    struct inspect *inspect = inspect_;
    const struct inspect_sources *sources = &inspect->sources;
    struct inspect_args args;

    if (!parse_args(conn, argc, argv, 0, false, &args)) {
        return;
    }
    if (args.format == TF_JSON) {
        reply_json(conn, fastpath_driver_connections_to_json(
                       sources->fastpath, sources->compiler));
    } else {
        struct ds s = DS_EMPTY_INITIALIZER;

        fastpath_driver_format_connections(sources->fastpath,
                                           sources->compiler, &s);
        unixctl_command_reply(conn, ds_cstr(&s));
        ds_destroy(&s);
    }
}

static void
cmd_events(struct unixctl_conn *conn, int argc, const char *argv[],
           void *inspect_)
{
    struct inspect *inspect = inspect_;
    const struct inspect_sources *sources = &inspect->sources;
    struct inspect_args args;

    if (!parse_args(conn, argc, argv, 0, false, &args)) {
        return;
    }
    if (args.format == TF_JSON) {
        reply_json(conn, fastpath_driver_events_to_json(sources->fastpath,
                                                        sources->compiler));
    } else {
        struct ds s = DS_EMPTY_INITIALIZER;

        fastpath_driver_format_events(sources->fastpath, sources->compiler,
                                      &s);
        unixctl_command_reply(conn, ds_cstr(&s));
        ds_destroy(&s);
    }
}

static void
cmd_fastpath_kill_after(struct unixctl_conn *conn, int argc OVS_UNUSED,
                        const char *argv[], void *inspect_)
{
    struct inspect *inspect = inspect_;

    fastpath_driver_kill_after(inspect->sources.fastpath,
                               strtoul(argv[1], NULL, 10));
    unixctl_command_reply(conn, NULL);
}

struct flows_aux {
    const struct compiler *compiler;
    const struct uuid *owners;
    size_t n_owners;
    struct ds *text;            /* For text, or NULL. */
    struct json *json;          /* For JSON, or NULL. */
};

static void
put_flows(const char *bridge, const struct flow_table *table, void *aux_)
{
    struct flows_aux *aux = aux_;
    size_t n;
    const struct flow_entry **entries = inspect_sort_flows(
        table, aux->owners, aux->n_owners, &n);

    if (aux->text) {
        ds_put_format(aux->text, "bridge %s:\n", bridge);
        inspect_format_flows(aux->compiler, entries, n, aux->text);
    } else {
        struct json *object = json_object_create();
        json_object_put_string(object, "bridge", bridge);
        json_object_put(object, "flows",
                        inspect_flows_to_json(aux->compiler, entries, n));
        json_array_add(aux->json, object);
    }
    free(entries);
}

static void
cmd_flows(struct unixctl_conn *conn, int argc, const char *argv[],
          void *inspect_)
{
    struct inspect *inspect = inspect_;
    struct inspect_args args;
    struct uuid *owners = NULL;
    struct flows_aux aux = { .compiler = inspect->sources.compiler };

    if (!parse_args(conn, argc, argv, 1, false, &args)) {
        return;
    }
    if (args.n_positional) {
        aux.n_owners = inspect_find_rows(aux.compiler, args.positional[0],
                                         &owners);
        if (!aux.n_owners) {
            reply_error(conn, "%s: no such row or port, expected a UUID, an "
                        "interface, a container, NETWORK/SERVICE or a "
                        "network", args.positional[0]);
            return;
        }
        aux.owners = owners;
    }
    if (args.format == TF_JSON) {
        aux.json = json_array_create_empty();
        for_each_table(inspect, put_flows, &aux);
        reply_json(conn, aux.json);
    } else {
        struct ds s = DS_EMPTY_INITIALIZER;
        aux.text = &s;
        for_each_table(inspect, put_flows, &aux);
        unixctl_command_reply(conn, ds_cstr(&s));
        ds_destroy(&s);
    }
    free(owners);
}

static void
cmd_recompute(struct unixctl_conn *conn, int argc, const char *argv[],
              void *inspect_)
{
    struct inspect *inspect = inspect_;
    struct inspect_args args;

    if (parse_args(conn, argc, argv, 0, false, &args)) {
        struct compiler_usage usage;

        compiler_recompute(inspect->sources.compiler);
        compiler_get_usage(inspect->sources.compiler, &usage);
        VLOG_INFO("recomputed %"PRIuSIZE" flows on request", usage.n_flows);
        if (args.format == TF_JSON) {
            struct json *object = json_object_create();
            json_object_put(object, "flows",
                            json_integer_create(usage.n_flows));
            reply_json(conn, object);
        } else {
            unixctl_command_reply(conn, NULL);
        }
    }
}

static void
cmd_trace(struct unixctl_conn *conn, int argc, const char *argv[],
          void *inspect_)
{
    struct inspect *inspect = inspect_;

    inspect_trace_start(inspect->trace, conn, argc, argv);
}

/* Commands that wait for dumps. */

static struct request *
request_create(struct inspect *inspect, struct unixctl_conn *conn,
               enum table_format format, void (*finish)(struct request *))
{
    struct request *request = xzalloc(sizeof *request);

    request->inspect = inspect;
    request->conn = conn;
    request->format = format;
    request->finish = finish;
    ovs_list_init(&request->dumps);
    ds_init(&request->text);
    ovs_list_push_back(&inspect->requests, &request->list_node);
    return request;
}

static void request_dump_done(void *dump, const char *error,
                              const struct ds *diff, size_t n);

static void
request_destroy(struct request *request)
{
    struct dump *dump;

    LIST_FOR_EACH_POP (dump, list_node, &request->dumps) {
        if (dump->of_switch) {
            of_switch_cancel_dump(dump->of_switch, request_dump_done, dump);
        }
        free(dump->bridge);
        free(dump->error);
        free(dump);
    }
    ovs_list_remove(&request->list_node);
    ds_destroy(&request->text);
    free(request->port);
    free(request);
}

/* Has 'request' wait for a dump of 'bridge'. */
static void
request_add_dump(struct request *request, const char *bridge)
{
    struct dump *dump = xzalloc(sizeof *dump);

    dump->request = request;
    dump->bridge = xstrdup(bridge);
    dump->of_switch = switches_find(request->inspect->sources.switches,
                                    bridge);
    ovs_list_push_back(&request->dumps, &dump->list_node);
    if (dump->of_switch) {
        request->n_pending++;
    } else {
        dump->error = xstrdup("not connected");
    }
}

static void
add_dump_cb(const char *bridge, const struct flow_table *table OVS_UNUSED,
            void *request_)
{
    request_add_dump(request_, bridge);
}

/* A callback may come before of_switch_request_dump() returns, hence the
 * extra count. */
static void
request_start(struct request *request)
{
    struct dump *dump;

    request->n_pending++;
    LIST_FOR_EACH (dump, list_node, &request->dumps) {
        if (dump->of_switch) {
            of_switch_request_dump(dump->of_switch, request_dump_done, dump);
        }
    }
    if (!--request->n_pending) {
        request->finish(request);
        request_destroy(request);
    }
}

static void
request_dump_done(void *dump_, const char *error, const struct ds *diff,
                  size_t n)
{
    struct dump *dump = dump_;
    struct request *request = dump->request;

    dump->of_switch = NULL;
    dump->error = nullable_xstrdup(error);
    if (!error && n) {
        ds_put_format(&request->text, "bridge %s: %"PRIuSIZE" difference%s "
                      "between what was sent (-) and what was installed "
                      "(+)\n", dump->bridge, n, n == 1 ? "" : "s");
        ds_put_buffer(&request->text, diff->string ? diff->string : "",
                      diff->length);
        request->n_problems += n;
    }
    if (!--request->n_pending) {
        request->finish(request);
        request_destroy(request);
    }
}

/* bastion/drops. */

struct drops_aux {
    const struct uuid *uuids;   /* NULL for all. */
    size_t n;
    struct row_statistics stats;
};

static void
add_drops_cb(const char *bridge OVS_UNUSED, const struct flow_table *table,
             void *aux_)
{
    struct drops_aux *aux = aux_;

    if (!aux->uuids) {
        row_statistics_add_table(&aux->stats, table);
    }
    for (size_t i = 0; i < aux->n; i++) {
        row_statistics_add_owner(&aux->stats, table, &aux->uuids[i]);
    }
}

static void
finish_drops(struct request *request)
{
    struct uuid none = { { 0, 0, 0, 0 } };
    struct uuid *uuids = NULL;
    struct drops_aux aux;
    struct table table;

    memset(&aux, 0, sizeof aux);
    if (request->port) {
        aux.n = inspect_find_port_rows(request->inspect->sources.compiler,
                                       request->port, &uuids);
        aux.uuids = uuids ? uuids : &none;
    }
    for_each_table(request->inspect, add_drops_cb, &aux);
    free(uuids);
    if (!request->port) {
        fastpath_driver_add_drops(request->inspect->sources.fastpath,
                                  &aux.stats);
    }

    table_init(&table);
    inspect_format_drops(&aux.stats, &table);
    reply_table(request->conn, &table, request->format);
}

static void
cmd_drops(struct unixctl_conn *conn, int argc, const char *argv[],
          void *inspect_)
{
    struct inspect *inspect = inspect_;
    struct inspect_args args;

    if (!parse_args(conn, argc, argv, 1, true, &args)) {
        return;
    }
    if (args.n_positional) {
        struct uuid *uuids;
        size_t n = inspect_find_port_rows(inspect->sources.compiler,
                                          args.positional[0], &uuids);
        free(uuids);
        if (!n) {
            reply_error(conn, "%s: neither the interface of a container on "
                        "this node nor a gateway port", args.positional[0]);
            return;
        }
    }

    struct request *request = request_create(inspect, conn, args.format,
                                             finish_drops);
    request->port = nullable_xstrdup(args.positional[0]);
    for_each_table(inspect, add_dump_cb, request);
    request_start(request);
}

/* bastion/verify. */

static void
finish_verify(struct request *request)
{
    const struct inspect_sources *sources = &request->inspect->sources;
    struct dump *dump;

    if (!bastion_db_has_contents(sources->bastion_db)
        || !node_ovs_has_contents(sources->node_ovs)) {
        ds_put_cstr(&request->text, "the databases have not been read yet\n");
        request->n_problems++;
    }
    LIST_FOR_EACH (dump, list_node, &request->dumps) {
        if (dump->error) {
            ds_put_format(&request->text, "bridge %s: cannot compare with "
                          "what is installed: %s\n", dump->bridge,
                          dump->error);
            request->n_problems++;
        }
    }

    struct ds diff = DS_EMPTY_INITIALIZER;
    int n = fastpath_driver_verify(sources->fastpath, sources->compiler,
                                   &diff);
    if (n) {
        ds_put_format(&request->text, "fast path: %d difference%s between "
                      "the database (-) and the maps (+)\n%s", n,
                      n == 1 ? "" : "s", ds_cstr(&diff));
        request->n_problems += n;
    }
    ds_destroy(&diff);

    if (request->format == TF_JSON) {
        struct json *object = json_object_create();
        json_object_put(object, "differences",
                        json_integer_create(request->n_problems));
        json_object_put_string(object, "text", ds_cstr(&request->text));
        char *s = json_to_string(object, JSSF_SORT);
        ds_clear(&request->text);
        ds_put_cstr(&request->text, s);
        free(s);
        json_destroy(object);
    } else if (!request->n_problems) {
        ds_put_cstr(&request->text, "database, desired flows and installed "
                    "flows agree\n");
    }
    if (request->n_problems) {
        ds_chomp(&request->text, '\n');
        unixctl_command_reply_error(request->conn, ds_cstr(&request->text));
    } else {
        unixctl_command_reply(request->conn, ds_cstr(&request->text));
    }
}

struct verify_aux {
    struct request *request;
    const struct compiler *clone;
};

static void
verify_table(const char *bridge, const struct flow_table *table, void *aux_)
{
    struct verify_aux *aux = aux_;
    struct flow_table *expected = compiler_get_flows(aux->clone, bridge);
    struct request *request = aux->request;
    struct ds diff = DS_EMPTY_INITIALIZER;

    if (!expected) {
        ds_put_format(&request->text, "bridge %s: has flows although no "
                      "network is on it\n", bridge);
        request->n_problems++;
    } else {
        size_t n = flow_table_diff(table, expected, &diff);
        if (n) {
            ds_put_format(&request->text, "bridge %s: %"PRIuSIZE" "
                          "difference%s between the desired flows (-) and "
                          "the database (+)\n%s", bridge, n,
                          n == 1 ? "" : "s", ds_cstr(&diff));
            request->n_problems += n;
        }
    }
    ds_destroy(&diff);
    request_add_dump(request, bridge);
}

static void
cmd_verify(struct unixctl_conn *conn, int argc, const char *argv[],
           void *inspect_)
{
    struct inspect *inspect = inspect_;
    struct inspect_args args;

    if (!parse_args(conn, argc, argv, 0, false, &args)) {
        return;
    }

    struct request *request = request_create(inspect, conn, args.format,
                                             finish_verify);
    struct compiler *clone = compiler_clone(inspect->sources.compiler);
    struct verify_aux aux = { .request = request, .clone = clone };

    for_each_table(inspect, verify_table, &aux);
    compiler_destroy(clone);
    request_start(request);
}

static void
register_commands(struct inspect *inspect)
{
    static const struct {
        const char *name;
        const char *usage;
        unixctl_cb_func *cb;
    } commands[] = {
        { "bastion/show", "[--json]", cmd_show },
        { "bastion/netmap", "[-f FORMAT]", cmd_netmap },
        { "bastion/depmap", "[-f FORMAT]", cmd_depmap },
        { "bastion/flows", "[--json] [ROW|PORT]", cmd_flows },
        { "bastion/trace",
          "[--json] [--reply|--established|--related] PORT FLOW", cmd_trace },
        { "bastion/drops", "[-f FORMAT] [PORT]", cmd_drops },
        { "bastion/verify", "[--json]", cmd_verify },
        { "bastion/recompute", "[--json]", cmd_recompute },
        { "bastion/fastpath", "[--json] [PORT]", cmd_fastpath },
        { "bastion/connections", "[--json]", cmd_connections },
        { "bastion/events", "[--json]", cmd_events },
    };

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        unixctl_command_register(commands[i].name, commands[i].usage, 0,
                                 MAX_UNIXCTL_ARGS, commands[i].cb, inspect);
    }
    if (getenv("BASTION_BPF_FAULTS")) {
        unixctl_command_register("bastion/fastpath-kill-after", "N", 1, 1,
                                 cmd_fastpath_kill_after, inspect);
    }
}
