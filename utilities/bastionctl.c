/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "bastion/version.h"
#include "command-line.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-data.h"
#include "ovsdb-idl.h"
#include "process.h"
#include "stream.h"
#include "stream-ssl.h"
#include "table.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bastionctl);

/* --wait: For whom to wait once the database has changed. */
enum wait_type {
    WAIT_NONE,                  /* Nobody. */
    WAIT_MANAGER,               /* bastion-manager has seen the change. */
    WAIT_NODE                   /* Every node has applied the change. */
};

/* The command line's options that concern all commands. */
struct options {
    const char *db;
    enum wait_type wait_type;
    bool oneline;
    bool dry_run;
    bool retry;
    unsigned int timeout;       /* Seconds, 0 to wait forever. */
    bool leader_only;
    bool shuffle_remotes;
    struct table_style table_style;
    bool has_table_format;      /* Was --format or --bare given? */
};

/* The commands, and what they are to be run with. */
struct session {
    const struct options *options;
    const char *args;           /* The command line, for the log. */
    struct ctl_command *commands;
    size_t n_commands;
    struct ovsdb_idl *idl;
    long long int deadline;     /* In msec, LLONG_MAX if none. */
};

/* For bastionctl_exit() only. */
static struct ovsdb_idl *the_idl;
static struct ovsdb_idl_txn *the_idl_txn;

static void register_commands(void);
static void parse_options(int argc, char *argv[], struct options *,
                          struct shash *local_options);
static void run_prerequisites(struct session *);
static bool run_session(struct session *, int *exit_statusp);
OVS_NO_RETURN static void bastionctl_exit(int status);

static const char *
default_db(void)
{
    static char *db;

    if (!db) {
        const char *env = getenv("BASTION_DB");

        db = (env && env[0] ? xstrdup(env)
              : xasprintf("unix:%s/bastion_db.sock", ovs_rundir()));
    }
    return db;
}

/* Arranges for the process to end when it has run for 'timeout' seconds, or
 * what OVS_CTL_TIMEOUT says if that is 0.  Returns the time, in msec. */
static long long int
set_up_timeout(unsigned int timeout)
{
    if (!timeout) {
        const char *env = getenv("OVS_CTL_TIMEOUT");

        if (env && env[0]) {
            str_to_uint(env, 10, &timeout);
        }
    }
    if (!timeout) {
        return LLONG_MAX;
    }
    time_alarm(timeout);
    return time_msec() + timeout * 1000LL;
}

int
main(int argc, char *argv[])
{
    struct options options = {
        .leader_only = true,
        .shuffle_remotes = true,
        .table_style = TABLE_STYLE_DEFAULT,
    };
    struct session session = { .options = &options };
    struct shash local_options = SHASH_INITIALIZER(&local_options);
    int exit_status = EXIT_SUCCESS;

    set_program_name(argv[0]);
    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    vlog_set_levels_from_string_assert("reconnect:warn");
    /* Its warnings about failed transactions are repeated as our errors. */
    vlog_set_levels_from_string_assert("ovsdb_idl:console:err");

    register_commands();

    char *args = process_escape_args(argv);
    session.args = args;
    parse_options(argc, argv, &options, &local_options);
    char *error = ctl_parse_commands(argc - optind, argv + optind,
                                     &local_options, &session.commands,
                                     &session.n_commands);
    if (error) {
        ctl_fatal("%s", error);
    }
    shash_destroy(&local_options);
    VLOG(ctl_might_write_to_db(session.commands, session.n_commands)
         ? VLL_INFO : VLL_DBG, "Called as %s", args);
    session.deadline = set_up_timeout(options.timeout);

    struct ovsdb_idl *idl = the_idl = session.idl
        = ovsdb_idl_create_unconnected(&bsrec_idl_class, false);
    ovsdb_idl_set_shuffle_remotes(idl, options.shuffle_remotes);
    ovsdb_idl_set_remote(idl, options.db, options.retry);
    ovsdb_idl_set_leader_only(idl, options.leader_only);
    ovsdb_idl_set_db_change_aware(idl, false);
    run_prerequisites(&session);

    /* A transaction that fails because the database has changed is worth
     * another try only after the change has arrived here. */
    unsigned int seqno = ovsdb_idl_get_seqno(idl);
    bool done = false;
    while (!done) {
        ovsdb_idl_run(idl);
        if (!ovsdb_idl_is_alive(idl)) {
            ctl_fatal("%s: database connection failed (%s)", options.db,
                      ovs_retval_to_string(ovsdb_idl_get_last_error(idl)));
        }

        if (seqno != ovsdb_idl_get_seqno(idl)) {
            seqno = ovsdb_idl_get_seqno(idl);
            done = run_session(&session, &exit_status);
        }
        if (!done && seqno == ovsdb_idl_get_seqno(idl)) {
            ovsdb_idl_wait(idl);
            poll_block();
        }
    }
    free(args);
    bastionctl_exit(exit_status);
}

static void
parse_wait(struct options *options, const char *value)
{
    if (!strcmp(value, "none")) {
        options->wait_type = WAIT_NONE;
    } else if (!strcmp(value, "manager")) {
        options->wait_type = WAIT_MANAGER;
    } else if (!strcmp(value, "node")) {
        options->wait_type = WAIT_NODE;
    } else {
        ctl_fatal("--wait argument: %s: expected none, manager or node",
                  value);
    }
}

static void
print_version(void)
{
    printf("bastionctl (Bastion) %s\n"
           "Open vSwitch Library %s\n"
           "DB Schema %s\n",
           BASTION_VERSION, VERSION, bsrec_get_db_version());
}

enum {
    OPT_DB = UCHAR_MAX + 1,
    OPT_ONELINE,
    OPT_NO_SYSLOG,
    OPT_NO_WAIT,
    OPT_WAIT,
    OPT_DRY_RUN,
    OPT_BOOTSTRAP_CA_CERT,
    OPT_PEER_CA_CERT,
    OPT_LOCAL,
    OPT_RETRY,
    OPT_COMMANDS,
    OPT_OPTIONS,
    OPT_LEADER_ONLY,
    OPT_NO_LEADER_ONLY,
    OPT_SHUFFLE_REMOTES,
    OPT_NO_SHUFFLE_REMOTES,
    VLOG_OPTION_ENUMS,
    TABLE_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
};

static const struct option global_long_options[] = {
    {"db", required_argument, NULL, OPT_DB},
    {"no-syslog", no_argument, NULL, OPT_NO_SYSLOG},
    {"no-wait", no_argument, NULL, OPT_NO_WAIT},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"oneline", no_argument, NULL, OPT_ONELINE},
    {"timeout", required_argument, NULL, 't'},
    {"retry", no_argument, NULL, OPT_RETRY},
    {"help", no_argument, NULL, 'h'},
    {"commands", no_argument, NULL, OPT_COMMANDS},
    {"options", no_argument, NULL, OPT_OPTIONS},
    {"leader-only", no_argument, NULL, OPT_LEADER_ONLY},
    {"no-leader-only", no_argument, NULL, OPT_NO_LEADER_ONLY},
    {"shuffle-remotes", no_argument, NULL, OPT_SHUFFLE_REMOTES},
    {"no-shuffle-remotes", no_argument, NULL, OPT_NO_SHUFFLE_REMOTES},
    {"version", no_argument, NULL, 'V'},
    VLOG_LONG_OPTIONS,
    TABLE_LONG_OPTIONS,
    STREAM_SSL_LONG_OPTIONS,
    {"bootstrap-ca-cert", required_argument, NULL, OPT_BOOTSTRAP_CA_CERT},
    {"peer-ca-cert", required_argument, NULL, OPT_PEER_CA_CERT},
    {NULL, 0, NULL, 0},
};

/* Handles the global option 'c', which is none of those that
 * handle_library_option() handles. */
static void
handle_option(int c, struct options *options)
{
    switch (c) {
    case OPT_DB:
        options->db = optarg;
        break;

    case OPT_ONELINE:
        options->oneline = true;
        break;

    case OPT_NO_SYSLOG:
        vlog_set_levels(&this_module, VLF_SYSLOG, VLL_WARN);
        break;

    case OPT_NO_WAIT:
        options->wait_type = WAIT_NONE;
        break;

    case OPT_WAIT:
        parse_wait(options, optarg);
        break;

    case OPT_DRY_RUN:
        options->dry_run = true;
        break;

    case OPT_RETRY:
        options->retry = true;
        break;

    case OPT_LEADER_ONLY:
    case OPT_NO_LEADER_ONLY:
        options->leader_only = c == OPT_LEADER_ONLY;
        break;

    case OPT_SHUFFLE_REMOTES:
    case OPT_NO_SHUFFLE_REMOTES:
        options->shuffle_remotes = c == OPT_SHUFFLE_REMOTES;
        break;

    case 't':
        if (!str_to_uint(optarg, 10, &options->timeout)
            || !options->timeout) {
            ctl_fatal("--timeout argument: %s: expected a number of seconds",
                      optarg);
        }
        break;

    case 'h':
        print_usage(default_db());
        exit(EXIT_SUCCESS);

    case 'V':
        print_version();
        exit(EXIT_SUCCESS);

    case OPT_COMMANDS:
        ctl_print_commands();
        break;

    case OPT_OPTIONS:
        ctl_print_options(global_long_options);
        break;

    case '?':
        exit(EXIT_FAILURE);

    default:
        OVS_NOT_REACHED();
    }
}

/* Handles the options whose implementation Open vSwitch's library brings
 * along.  Returns false if 'c' is not one of these. */
static bool
handle_library_option(int c, struct options *options)
{
    options->has_table_format |= c == 'f' || c == OPT_BARE;
    switch (c) {
    VLOG_OPTION_HANDLERS
    TABLE_OPTION_HANDLERS(&options->table_style)
    STREAM_SSL_OPTION_HANDLERS

    case OPT_PEER_CA_CERT:
        stream_ssl_set_peer_ca_cert_file(optarg);
        break;

    case OPT_BOOTSTRAP_CA_CERT:
        stream_ssl_set_ca_cert_file(optarg, true);
        break;

    default:
        return false;
    }
    return true;
}

/* Parses the global options, and collects in 'local_options' the options of
 * the first command, which may be among them. */
static void
parse_options(int argc, char *argv[], struct options *options,
              struct shash *local_options)
{
    size_t n_global = ARRAY_SIZE(global_long_options) - 1;
    struct option *all = xmemdup(global_long_options,
                                 sizeof global_long_options);
    size_t allocated = ARRAY_SIZE(global_long_options);
    size_t n = n_global;
    ctl_add_cmd_options(&all, &n, &allocated, OPT_LOCAL);

    char *tmp = ovs_cmdl_long_options_to_short_options(global_long_options);
    char *short_options = xasprintf("+%s", tmp);
    free(tmp);

    for (;;) {
        int idx;
        int c = getopt_long(argc, argv, short_options, all, &idx);

        if (c == -1) {
            break;
        } else if (c == OPT_LOCAL) {
            char *name = xasprintf("--%s", all[idx].name);

            if (shash_find(local_options, name)) {
                ctl_fatal("'%s' option specified multiple times", name);
            }
            shash_add_nocopy(local_options, name, nullable_xstrdup(optarg));
        } else if (!handle_library_option(c, options)) {
            handle_option(c, options);
        }
    }
    free(short_options);

    for (size_t i = n_global; all[i].name; i++) {
        free(CONST_CAST(char *, all[i].name));
    }
    free(all);

    if (!options->db) {
        options->db = default_db();
    }
}

static void
context_init(struct bastionctl_context *ctx, struct session *session,
             struct ctl_command *command, struct ovsdb_idl_txn *txn,
             const struct bsrec_bastion *root,
             struct ovsdb_symbol_table *symtab)
{
    ctl_context_init(&ctx->base, command, session->idl, txn, symtab,
                     row_index_invalidate);
    ctx->root = root;
    ctx->json_output = session->options->table_style.format == TF_JSON;
    ctx->exit_status = EXIT_SUCCESS;
    row_index_init(&ctx->index);
}

static void
run_prerequisites(struct session *session)
{
    struct ovsdb_idl *idl = session->idl;

    ovsdb_idl_add_column(idl, &bsrec_bastion_col_generation);
    if (session->options->wait_type == WAIT_MANAGER) {
        ovsdb_idl_add_column(idl, &bsrec_bastion_col_manager_generation);
    } else if (session->options->wait_type == WAIT_NODE) {
        ovsdb_idl_add_column(idl, &bsrec_node_col_name);
        ovsdb_idl_add_column(idl, &bsrec_node_col_generation);
    }

    for (size_t i = 0; i < session->n_commands; i++) {
        struct ctl_command *c = &session->commands[i];

        if (c->syntax->prerequisites) {
            struct bastionctl_context ctx;

            ds_init(&c->output);
            c->table = NULL;

            context_init(&ctx, session, c, NULL, NULL, NULL);
            c->syntax->prerequisites(&ctx.base);
            if (ctx.base.error) {
                ctl_fatal("%s", ctx.base.error);
            }
            ctl_context_done(&ctx.base, c);

            ovs_assert(!c->output.string);
            ovs_assert(!c->table);
        }
    }
}

static const struct bsrec_bastion *
insert_root(struct ovsdb_idl_txn *txn)
{
    struct bsrec_bastion *root = bsrec_bastion_insert(txn);

    bsrec_bastion_set_next_identity(root, 256);
    bsrec_bastion_set_next_network_key(root, 1);
    bsrec_bastion_set_default_enforcement(root, "enforce");
    return root;
}

static bool
has_command(const struct session *session, const char *name)
{
    for (size_t i = 0; i < session->n_commands; i++) {
        if (!strcmp(session->commands[i].syntax->name, name)) {
            return true;
        }
    }
    return false;
}

/* Checks that row IDs that a command refers to were created by another. */
static void
check_symbols(const struct ovsdb_symbol_table *symtab)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &symtab->sh) {
        const struct ovsdb_symbol *symbol = node->data;

        if (!symbol->created) {
            ctl_fatal("row id \"%s\" is referenced but never created (e.g. "
                      "with \"-- --id=%s create ...\")",
                      node->name, node->name);
        } else if (!symbol->strong_ref) {
            VLOG_WARN("row id \"%s\" was created but no strong reference to "
                      "it was inserted, so unless its table is a root table "
                      "it will not actually appear in the database",
                      node->name);
        }
    }
}

/* Runs the commands in 'ctx'.  Returns false if they must be run again when
 * the database has changed. */
static bool
run_commands(struct session *session, struct bastionctl_context *ctx)
{
    for (size_t i = 0; i < session->n_commands; i++) {
        struct ctl_command *c = &session->commands[i];

        ds_init(&c->output);
        c->table = NULL;
    }
    for (size_t i = 0; i < session->n_commands; i++) {
        struct ctl_command *c = &session->commands[i];

        ctl_context_init_command(&ctx->base, c,
                                 i == session->n_commands - 1);
        if (c->syntax->run) {
            c->syntax->run(&ctx->base);
        }
        if (ctx->base.error) {
            ctl_fatal("%s", ctx->base.error);
        }
        ctl_context_done_command(&ctx->base, c);
        if (ctx->base.try_again) {
            return false;
        }
    }
    return true;
}

static void
run_postprocessing(struct session *session, struct ovsdb_idl_txn *txn,
                   const struct bsrec_bastion *root,
                   struct ovsdb_symbol_table *symtab)
{
    for (size_t i = 0; i < session->n_commands; i++) {
        struct ctl_command *c = &session->commands[i];

        if (c->syntax->postprocess) {
            struct bastionctl_context ctx;

            context_init(&ctx, session, c, txn, root, symtab);
            c->syntax->postprocess(&ctx.base);
            if (ctx.base.error) {
                ctl_fatal("%s", ctx.base.error);
            }
            ctl_context_done(&ctx.base, c);
        }
    }
}

/* Returns true if 'txn', which failed, should be tried again when the database
 * has changed.  Reports the error otherwise. */
static bool
should_retry(struct ovsdb_idl_txn *txn, enum ovsdb_idl_txn_status status,
             bool inserted_root)
{
    if (status == TXN_TRY_AGAIN) {
        return true;
    } else if (status == TXN_ERROR) {
        const char *error = ovsdb_idl_txn_get_error(txn);

        /* Someone else initialized the database just before us. */
        if (inserted_root && strstr(error, "\"Bastion\" table to contain")) {
            return true;
        }
        ctl_fatal("transaction error: %s", error);
    }
    OVS_NOT_REACHED();
}

static void
print_oneline(struct ds *s)
{
    ds_chomp(s, '\n');
    for (size_t i = 0; i < s->length; i++) {
        int c = s->string[i];

        if (c == '\n') {
            fputs("\\n", stdout);
        } else if (c == '\\') {
            fputs("\\\\", stdout);
        } else {
            putchar(c);
        }
    }
    putchar('\n');
}

/* The rows that the generic commands print are wide and of interest one by
 * one, the tables of the others are made to be looked at as a whole. */
static struct table_style
get_table_style(const struct options *options, const struct ctl_command *c)
{
    struct table_style style = options->table_style;

    if (!options->has_table_format && strcmp(c->syntax->name, "list")
        && strcmp(c->syntax->name, "find")) {
        style.format = TF_TABLE;
    }
    return style;
}

static void
print_output(struct session *session)
{
    const struct options *options = session->options;

    for (size_t i = 0; i < session->n_commands; i++) {
        struct ctl_command *c = &session->commands[i];
        struct table_style style = get_table_style(options, c);

        if (c->table && options->oneline) {
            struct ds s = DS_EMPTY_INITIALIZER;

            table_format(c->table, &style, &s);
            print_oneline(&s);
            ds_destroy(&s);
        } else if (c->table) {
            table_print(c->table, &style);
        } else if (options->oneline) {
            print_oneline(&c->output);
        } else {
            fputs(ds_cstr(&c->output), stdout);
        }
    }
    fflush(stdout);
}

static void
discard_output(struct session *session)
{
    for (size_t i = 0; i < session->n_commands; i++) {
        struct ctl_command *c = &session->commands[i];

        ds_destroy(&c->output);
        table_destroy(c->table);
        free(c->table);
    }
}

/* Returns true if those for whom --wait waits have reached 'generation'.
 * Otherwise returns false and, if 'laggard' is nonnull, stores into it who has
 * not; the caller must free() it. */
static bool
is_reached(const struct session *session, int64_t generation, char **laggard)
{
    bool reached = false;
    char *who = NULL;

    if (session->options->wait_type == WAIT_MANAGER) {
        const struct bsrec_bastion *root = bsrec_bastion_first(session->idl);

        reached = root && root->manager_generation >= generation;
        who = xstrdup("the manager");
    } else {
        const struct bsrec_node *node;

        /* Without any node, nothing enforces the policy yet. */
        who = xstrdup("a first node");
        BSREC_NODE_FOR_EACH (node, session->idl) {
            reached = node->generation >= generation;
            if (!reached) {
                free(who);
                who = xasprintf("node %s", node->name);
                break;
            }
        }
    }

    if (laggard && !reached) {
        *laggard = who;
    } else {
        free(who);
    }
    return reached;
}

/* Waits until those for whom --wait waits have reached 'generation'. */
static void
wait_for_generation(struct session *session, int64_t generation)
{
    struct ovsdb_idl *idl = session->idl;

    /* The change is in the database: from now on, a server that restarts is
     * no reason to give up. */
    ovsdb_idl_enable_reconnect(idl);

    /* This function ends in time and can say what it was waiting for. */
    if (session->deadline != LLONG_MAX) {
        time_alarm((session->deadline - time_msec()) / 1000 + 10);
    }
    for (;;) {
        char *laggard;

        ovsdb_idl_run(idl);
        if (is_reached(session, generation, &laggard)) {
            return;
        }
        if (time_msec() >= session->deadline) {
            ctl_fatal("timed out waiting for %s to reach generation %"PRId64
                      "; the database has been changed", laggard, generation);
        }
        free(laggard);
        ovsdb_idl_wait(idl);
        if (session->deadline != LLONG_MAX) {
            poll_timer_wait_until(session->deadline);
        }
        poll_block();
    }
}

/* Concurrent transactions of bastionctl are serialized: each increments
 * Bastion:generation, and fails and is run again if another has incremented it
 * since this one read the database.  So what a command checked (that nobody
 * else has the new container's address, say) is still true when its changes
 * are committed. */
static void
verify_generation(struct session *session, struct ovsdb_idl_txn *txn,
                  const struct bsrec_bastion *root)
{
    bsrec_bastion_verify_generation(root);
    ovsdb_idl_txn_increment(txn, &root->header_,
                            &bsrec_bastion_col_generation,
                            has_command(session, "sync"));
}

/* Returns the generation that --wait waits for, after 'txn' has ended with
 * 'status'. */
static int64_t
target_generation(const struct session *session,
                  const struct ovsdb_idl_txn *txn,
                  enum ovsdb_idl_txn_status status)
{
    const struct bsrec_bastion *root = bsrec_bastion_first(session->idl);

    return (status == TXN_SUCCESS
            ? ovsdb_idl_txn_get_increment_new_value(txn)
            : root ? root->generation : 0);
}

/* Runs the commands, commits what they changed, prints their output and waits
 * as --wait says.  Returns true if all this succeeded, and then stores the
 * exit status, or false if it must be done again when the database has
 * changed.  Exits on errors. */
static bool
run_session(struct session *session, int *exit_statusp)
{
    const struct options *options = session->options;
    bool writes = ctl_might_write_to_db(session->commands,
                                        session->n_commands);
    struct ovsdb_symbol_table *symtab = ovsdb_symbol_table_create();
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(session->idl);
    const struct bsrec_bastion *root = bsrec_bastion_first(session->idl);
    bool insert = !root && writes;
    bool done = false;

    the_idl_txn = txn;
    if (options->dry_run) {
        ovsdb_idl_txn_set_dry_run(txn);
    }
    ovsdb_idl_txn_add_comment(txn, "%s", session->args);
    if (insert) {
        root = insert_root(txn);
    }
    if (writes) {
        verify_generation(session, txn, root);
    }

    struct bastionctl_context ctx;
    context_init(&ctx, session, NULL, txn, root, symtab);
    bool complete = run_commands(session, &ctx);
    *exit_statusp = ctx.exit_status;
    ctl_context_done(&ctx.base, NULL);

    if (complete) {
        check_symbols(symtab);

        enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit_block(txn);
        if (status == TXN_SUCCESS || status == TXN_UNCHANGED) {
            int64_t generation = target_generation(session, txn, status);

            run_postprocessing(session, txn, root, symtab);
            print_output(session);
            if (options->wait_type != WAIT_NONE && !options->dry_run) {
                wait_for_generation(session, generation);
            }
            done = true;
        } else {
            should_retry(txn, status, insert);
        }
    }

    if (!done) {
        ovsdb_idl_txn_abort(txn);
    }
    ovsdb_idl_txn_destroy(txn);
    the_idl_txn = NULL;
    ovsdb_symbol_table_destroy(symtab);
    discard_output(session);
    return done;
}

static void
bastionctl_exit(int status)
{
    if (the_idl_txn) {
        ovsdb_idl_txn_abort(the_idl_txn);
        ovsdb_idl_txn_destroy(the_idl_txn);
    }
    ovsdb_idl_destroy(the_idl);
    exit(status);
}

/* How the generic database commands find rows.  UUIDs always work, too. */
static const struct ctl_table_class tables[BSREC_N_TABLES] = {
    [BSREC_TABLE_ATTACHMENT].row_ids[0]
    = {&bsrec_attachment_col_interface, NULL, NULL},

    [BSREC_TABLE_CONNECTION].row_ids[0]
    = {&bsrec_connection_col_target, NULL, NULL},

    [BSREC_TABLE_CONTAINER].row_ids[0]
    = {&bsrec_container_col_name, NULL, NULL},
    [BSREC_TABLE_CONTAINER].row_ids[1]
    = {&bsrec_container_col_interface, NULL, NULL},

    [BSREC_TABLE_CIDR_BLOCK].row_ids[0]
    = {&bsrec_cidr_block_col_prefix, NULL, NULL},

    [BSREC_TABLE_NETWORK].row_ids[0]
    = {&bsrec_network_col_name, NULL, NULL},

    [BSREC_TABLE_NODE].row_ids[0]
    = {&bsrec_node_col_name, NULL, NULL},

    [BSREC_TABLE_PLATFORM].row_ids[0]
    = {&bsrec_platform_col_name, NULL, NULL},

    [BSREC_TABLE_SERVICE].row_ids[0]
    = {&bsrec_service_col_name, NULL, NULL},
};

static void
register_commands(void)
{
    ctl_init(&bsrec_idl_class, bsrec_table_classes, tables, NULL,
             bastionctl_exit);
    ctl_register_commands(server_commands);
    ctl_register_commands(network_commands);
    ctl_register_commands(container_commands);
    ctl_register_commands(dependency_commands);
    ctl_register_commands(fastpath_commands);
    ctl_register_commands(map_commands);
    ctl_register_commands(platform_commands);
    ctl_register_commands(check_commands);
}
