/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bastion/version.h"
#include "command-line.h"
#include "controller/attachments.h"
#include "controller/bastion-db.h"
#include "controller/compiler.h"
#include "controller/fastpath-driver.h"
#include "controller/fastpath.h"
#include "controller/host-addresses.h"
#include "controller/inspect.h"
#include "controller/node-ovs.h"
#include "controller/of-switch.h"
#include "controller/switches.h"
#include "coverage.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "lib/ovs-daemon.h"
#include "memory.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "stopwatch.h"
#include "stream-ssl.h"
#include "stream.h"
#include "svec.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(controller);

COVERAGE_DEFINE(controller_compiled);

/* Durations, for stopwatch/show. */
#define COMPILE_STOPWATCH "compile"     /* A change of the database... */
#define INSTALL_STOPWATCH "install"     /* ...until every bridge has it. */

/* How long attaching programs may wait for switches. */
#define MAX_FASTPATH_DELAY 100          /* Milliseconds. */

/* Where the fast path pins what it has, by default. */
#define BPF_DIRECTORY "/sys/fs/bpf/bastion"

struct options {
    char *unixctl_path;
    struct svec listeners;
    char *bpf_directory;
    bool remove_fast_path;
    char *bastion_remote;
    char *ovs_remote;
};

/* Generation 'generation' of the database is installed when version 'version'
 * is (see switches.h). */
struct pending_ack {
    uint64_t version;
    int64_t generation;
};

struct controller {
    struct compiler *compiler;
    struct bastion_db *bastion_db;
    struct node_ovs *node_ovs;
    struct host_addresses *host_addresses;
    struct switches *switches;
    struct fastpath_driver *fastpath;
    struct inspect *inspect;

    char *node;                         /* Name of this node, or NULL. */
    bool have_host_addresses;
    uint64_t version;                   /* Of what has been compiled. */

    /* Oldest first.  If there are too many, the last one gives way. */
    struct pending_ack acks[16];
    size_t n_acks;
    int64_t last_generation;            /* That 'acks' was told of, or -1. */
    long long int last_ack_expected;    /* When that was, in ms. */

    /* The installation that is being measured, or version 0. */
    uint64_t install_version;
    unsigned long long int install_start;   /* In us. */

    unsigned long long int stats_audits;    /* Audits at last statistics. */
    unsigned int attachments_seqno;         /* That the database was told. */
    unsigned long long int foreign_audits;  /* At the last look at these: */
    struct simap foreign_removed;       /* Foreign flows, by bridge. */
};

static void parse_options(int argc, char *argv[], struct options *);
static void options_destroy(struct options *);
OVS_NO_RETURN static void usage(void);
OVS_NO_RETURN static void remove_fast_path(const char *bpf_directory);
static void controller_init(struct controller *, const struct options *);
static void controller_run(struct controller *);
static void controller_wait(struct controller *);
static void controller_destroy(struct controller *);
static void controller_get_memory_usage(const struct controller *,
                                        struct simap *);
static unixctl_cb_func controller_exit;

int
main(int argc, char *argv[])
{
    struct unixctl_server *unixctl;
    struct controller controller;
    struct options options;
    bool exiting = false;

    ovs_cmdl_proctitle_init(argc, argv);
    ovs_set_program_name(argv[0], BASTION_VERSION);
    service_start(&argc, &argv);
    parse_options(argc, argv, &options);
    if (options.remove_fast_path) {
        remove_fast_path(options.bpf_directory);
    }
    fatal_ignore_sigpipe();
    ovs_daemon_become_new_user();

    /* The pid file and the sockets of listeners are nobody else's business;
     * the control socket gets the permissions that it has in Open vSwitch. */
    mode_t default_umask = umask(077);
    ovs_daemonize_start();

    umask(default_umask);
    int error = unixctl_server_create(options.unixctl_path, &unixctl);
    if (error) {
        exit(EXIT_FAILURE);
    }
    umask(077);
    unixctl_command_register("exit", "", 0, 0, controller_exit, &exiting);

    controller_init(&controller, &options);
    options_destroy(&options);
    daemonize_complete();

    while (!exiting) {
        memory_run();
        if (memory_should_report()) {
            struct simap usage = SIMAP_INITIALIZER(&usage);
            controller_get_memory_usage(&controller, &usage);
            memory_report(&usage);
            simap_destroy(&usage);
        }
        controller_run(&controller);
        unixctl_server_run(unixctl);

        controller_wait(&controller);
        memory_wait();
        unixctl_server_wait(unixctl);
        if (exiting) {
            poll_immediate_wake();
        }
        poll_block();
        if (should_service_stop()) {
            exiting = true;
        }
    }

    /* The bridges keep the flows that they have. */
    controller_destroy(&controller);
    unixctl_server_destroy(unixctl);
    service_stop();
    return 0;
}

static void
controller_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
                const char *argv[] OVS_UNUSED, void *exiting_)
{
    bool *exiting = exiting_;

    *exiting = true;
    unixctl_command_reply(conn, NULL);
}

/* Controller. */

static void
controller_init(struct controller *c, const struct options *options)
{
    memset(c, 0, sizeof *c);
    c->last_generation = -1;
    simap_init(&c->foreign_removed);

    c->switches = switches_create();
    for (size_t i = 0; i < options->listeners.n; i++) {
        const char *name = options->listeners.names[i];
        int error = switches_listen(c->switches, name);
        if (error) {
            ovs_fatal(error, "%s: cannot listen", name);
        }
    }

    c->compiler = compiler_create();
    c->bastion_db = bastion_db_create(options->bastion_remote);
    c->node_ovs = node_ovs_create(options->ovs_remote);
    c->host_addresses = host_addresses_create();
    c->fastpath = fastpath_driver_create(options->bpf_directory);
    c->inspect = inspect_create(c->compiler, c->bastion_db, c->node_ovs,
                                c->switches, c->fastpath);

    /* These start a thread, which daemonize_start() would have lost. */
    stopwatch_create(COMPILE_STOPWATCH, SW_US);
    stopwatch_create(INSTALL_STOPWATCH, SW_US);
}

static void
controller_destroy(struct controller *c)
{
    inspect_destroy(c->inspect);
    fastpath_driver_destroy(c->fastpath);
    switches_destroy(c->switches);
    host_addresses_destroy(c->host_addresses);
    node_ovs_destroy(c->node_ovs);
    bastion_db_destroy(c->bastion_db);
    compiler_destroy(c->compiler);
    simap_destroy(&c->foreign_removed);
    free(c->node);
}

static void
run_host_addresses(struct controller *c)
{
    if (host_addresses_run(c->host_addresses)) {
        size_t n;
        const struct in6_addr *ips = host_addresses_get(c->host_addresses, &n);
        compiler_set_host_addresses(c->compiler, ips, n);
        bastion_db_set_host_addresses(c->bastion_db, ips, n);
        c->have_host_addresses = true;
    }
}

/* The node's name does not change while it is running, unless someone changes
 * the system-id. */
static void
run_node_name(struct controller *c)
{
    if (!node_ovs_has_contents(c->node_ovs)) {
        return;
    }

    const char *system_id = node_ovs_get_system_id(c->node_ovs);
    const char *name = (system_id && system_id[0] ? system_id
                        : bastion_db_get_hostname(c->bastion_db));
    if (!c->node || strcmp(c->node, name)) {
        free(c->node);
        c->node = xstrdup(name);
        compiler_set_node(c->compiler, name);
        bastion_db_set_node(c->bastion_db, name);
    }
}

static void
expect_ack(struct controller *c, int64_t generation)
{
    if (c->n_acks >= ARRAY_SIZE(c->acks)) {
        c->n_acks--;
    }
    c->acks[c->n_acks++] = (struct pending_ack) {
        .version = c->version,
        .generation = generation
    };
    c->last_generation = generation;
    c->last_ack_expected = time_msec();
}

/* Attaching a program takes the kernel longer than anything else here, 10 to
 * 20 ms.  Somebody may be waiting for an acknowledgement, but nobody waits for
 * a program.  So that must not be done between the two messages of a switch,
 * unless the second one does not come. */
static void
run_fastpath(struct controller *c, int64_t generation)
{
    long long int deadline = c->last_ack_expected + MAX_FASTPATH_DELAY;

    if (c->n_acks && generation == c->last_generation
        && time_msec() < deadline) {
        poll_timer_wait_until(deadline);
    } else {
        fastpath_driver_run(c->fastpath, c->node_ovs, c->compiler);
    }
}

/* Compiles what has changed.  Nothing that is compiled from half the input
 * must ever get to a switch. */
static bool
run_compiler(struct controller *c)
{
    if (!c->have_host_addresses
        || !node_ovs_has_contents(c->node_ovs)
        || !bastion_db_has_contents(c->bastion_db)) {
        return false;
    }

    unsigned long long int start = time_usec();
    int64_t generation = bastion_db_get_generation(c->bastion_db);

    run_fastpath(c, generation);
    switches_release(c->switches, c->compiler);
    bool compiled = compiler_run(c->compiler);
    fastpath_driver_compiled(c->fastpath, c->compiler);
    if (compiled) {
        COVERAGE_INC(controller_compiled);
        stopwatch_start(COMPILE_STOPWATCH, start);
        stopwatch_stop(COMPILE_STOPWATCH, time_usec());
        if (!c->install_version) {
            c->install_version = c->version + 1;
            c->install_start = start;
        }
    }
    if (compiled || generation != c->last_generation) {
        c->version++;
        switches_compiled(c->switches, c->compiler, c->version);
    }
    if (generation != c->last_generation) {
        expect_ack(c, generation);
    }
    return true;
}

static void
run_acks(struct controller *c)
{
    uint64_t acked = switches_acked(c->switches, c->node_ovs, c->compiler);
    size_t n = 0;

    while (n < c->n_acks && c->acks[n].version <= acked) {
        bastion_db_set_applied(c->bastion_db, c->acks[n].generation);
        n++;
    }
    if (acked >= c->version) {
        fastpath_driver_acked(c->fastpath, c->compiler);
    }
    c->n_acks -= n;
    if (n) {
        /* For run_fastpath(). */
        poll_immediate_wake();
    }
    memmove(c->acks, &c->acks[n], c->n_acks * sizeof *c->acks);

    if (c->install_version && c->install_version <= acked) {
        stopwatch_start(INSTALL_STOPWATCH, c->install_start);
        stopwatch_stop(INSTALL_STOPWATCH, time_usec());
        c->install_version = 0;
    }
}

/* Bridges are only written to when they have come to us. */
static void
run_ownership(struct controller *c)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, node_ovs_get_bridges(c->node_ovs)) {
        node_ovs_set_owned(c->node_ovs, node->name,
                           switches_find(c->switches, node->name) != NULL);
        node_ovs_set_released(c->node_ovs, node->name,
                              switches_is_closed(c->switches, node->name));
    }
}

/* Tells the fast path of flows that an audit had to remove. */
static void
run_foreign_flows(struct controller *c)
{
    unsigned long long int n_audits = switches_get_n_audits(c->switches);
    const struct shash_node *node;

    if (n_audits == c->foreign_audits) {
        return;
    }
    c->foreign_audits = n_audits;
    SHASH_FOR_EACH (node, node_ovs_get_bridges(c->node_ovs)) {
        const struct of_switch *sw = switches_find(c->switches, node->name);
        struct of_switch_stats stats;

        if (sw) {
            of_switch_get_stats(sw, &stats);
            if (stats.foreign_removed > simap_get(&c->foreign_removed,
                                                  node->name)) {
                fastpath_driver_set_foreign_flows(c->fastpath, node->name);
            }
            /* Less, if the connection is a new one. */
            simap_put(&c->foreign_removed, node->name, stats.foreign_removed);
        }
    }
}

/* Counters come from the dumps that audits make anyway. */
static void
run_statistics(struct controller *c)
{
    unsigned long long int n_audits = switches_get_n_audits(c->switches);

    if (n_audits == c->stats_audits
        || !bastion_db_wants_statistics(c->bastion_db)) {
        return;
    }
    c->stats_audits = n_audits;

    const struct shash *bridges = node_ovs_get_bridges(c->node_ovs);
    const struct flow_table **tables
        = xmalloc(MAX(shash_count(bridges), 1) * sizeof *tables);
    const struct shash_node *node;
    size_t n = 0;

    SHASH_FOR_EACH (node, bridges) {
        const struct flow_table *table = compiler_get_flows(c->compiler,
                                                            node->name);
        if (table) {
            tables[n++] = table;
        }
    }
    bastion_db_set_statistics(c->bastion_db, tables, n);
    free(tables);
}

static void
run_attachments(struct controller *c)
{
    unsigned int seqno = node_ovs_get_attachments_seqno(c->node_ovs);

    if (c->attachments_seqno != seqno) {
        struct attached_port *ports;
        size_t n = node_ovs_get_attached_ports(c->node_ovs, &ports);

        bastion_db_set_attachments(c->bastion_db, ports, n);
        c->attachments_seqno = seqno;
        free(ports);
    }
}

static void
controller_run(struct controller *c)
{
    run_host_addresses(c);
    node_ovs_run(c->node_ovs, c->compiler);
    run_node_name(c);
    bastion_db_run(c->bastion_db, c->compiler);

    fastpath_driver_set_enabled(c->fastpath,
                                bastion_db_get_fast_path(c->bastion_db));
    bool ready = run_compiler(c);
    switches_set_audit_interval(c->switches,
                                bastion_db_get_audit_interval(c->bastion_db));
    switches_run(c->switches, c->node_ovs, c->compiler, ready);
    if (ready) {
        run_acks(c);
        run_ownership(c);
        run_attachments(c);
        run_foreign_flows(c);
        run_statistics(c);
    }
    node_ovs_update(c->node_ovs);
    bastion_db_update(c->bastion_db, c->compiler);
    inspect_run(c->inspect);
}

static void
controller_wait(struct controller *c)
{
    host_addresses_wait(c->host_addresses);
    node_ovs_wait(c->node_ovs);
    bastion_db_wait(c->bastion_db);
    switches_wait(c->switches);
    fastpath_driver_wait(c->fastpath);
    inspect_wait(c->inspect);
}

static void
controller_get_memory_usage(const struct controller *c, struct simap *usage)
{
    struct compiler_usage cu;

    compiler_get_usage(c->compiler, &cu);
    simap_increase(usage, "networks", cu.n_networks);
    simap_increase(usage, "services", cu.n_services);
    simap_increase(usage, "containers", cu.n_containers);
    simap_increase(usage, "dependencies", cu.n_dependencies);
    simap_increase(usage, "flows", cu.n_flows);
    bastion_db_get_memory_usage(c->bastion_db, usage);
    node_ovs_get_memory_usage(c->node_ovs, usage);
    switches_get_memory_usage(c->switches, usage);
}

/* Command line. */

static char *
default_bastion_remote(void)
{
    const char *env = getenv("BASTION_DB");

    return (env && env[0] ? xstrdup(env)
            : xasprintf("unix:%s/bastion_db.sock", ovs_rundir()));
}

static void
set_defaults(struct options *options, int argc, char *argv[])
{
    argc -= optind;
    argv += optind;
    if (argc > 2) {
        ovs_fatal(0, "at most two arguments (the Bastion database and the "
                  "Open vSwitch database) are accepted; use --help for "
                  "usage");
    }
    options->bastion_remote = (argc > 0 ? xstrdup(argv[0])
                               : default_bastion_remote());
    options->ovs_remote = (argc > 1 ? xstrdup(argv[1])
                           : xasprintf("unix:%s/db.sock", ovs_rundir()));
    if (!options->listeners.n) {
        svec_add(&options->listeners, "ptcp:6653:127.0.0.1");
        svec_add_nocopy(&options->listeners,
                        xasprintf("punix:%s/bastion-controller.mgmt",
                                  ovs_rundir()));
    }
}

static void
parse_options(int argc, char *argv[], struct options *options)
{
    enum {
        OPT_LISTEN = UCHAR_MAX + 1,
        OPT_BPF_DIRECTORY,
        OPT_REMOVE_FAST_PATH,
        OPT_UNIXCTL,
        OPT_PEER_CA_CERT,
        OPT_BOOTSTRAP_CA_CERT,
        VLOG_OPTION_ENUMS,
        DAEMON_OPTION_ENUMS,
        SSL_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
        {"listen",      required_argument, NULL, OPT_LISTEN},
        {"bpf-directory", required_argument, NULL, OPT_BPF_DIRECTORY},
        {"remove-fast-path", no_argument, NULL, OPT_REMOVE_FAST_PATH},
        {"unixctl",     required_argument, NULL, OPT_UNIXCTL},
        {"help",        no_argument, NULL, 'h'},
        {"version",     no_argument, NULL, 'V'},
        DAEMON_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        STREAM_SSL_LONG_OPTIONS,
        {"peer-ca-cert", required_argument, NULL, OPT_PEER_CA_CERT},
        {"bootstrap-ca-cert", required_argument, NULL, OPT_BOOTSTRAP_CA_CERT},
        {NULL, 0, NULL, 0},
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);

    memset(options, 0, sizeof *options);
    svec_init(&options->listeners);
    options->bpf_directory = xstrdup(BPF_DIRECTORY);
    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);
        if (c == -1) {
            break;
        }

        switch (c) {
        case OPT_LISTEN:
            svec_add(&options->listeners, optarg);
            break;

        case OPT_BPF_DIRECTORY:
            free(options->bpf_directory);
            options->bpf_directory = xstrdup(optarg);
            break;

        case OPT_REMOVE_FAST_PATH:
            options->remove_fast_path = true;
            break;

        case OPT_UNIXCTL:
            options->unixctl_path = optarg;
            break;

        case 'h':
            usage();

        case 'V':
            ovs_print_version(0, 0);
            exit(EXIT_SUCCESS);

        VLOG_OPTION_HANDLERS
        DAEMON_OPTION_HANDLERS
        STREAM_SSL_OPTION_HANDLERS

        case OPT_PEER_CA_CERT:
            stream_ssl_set_peer_ca_cert_file(optarg);
            break;

        case OPT_BOOTSTRAP_CA_CERT:
            stream_ssl_set_ca_cert_file(optarg, true);
            break;

        case '?':
            exit(EXIT_FAILURE);

        default:
            OVS_NOT_REACHED();
        }
    }
    free(short_options);
    set_defaults(options, argc, argv);
}

static void
remove_fast_path(const char *bpf_directory)
{
    fastpath_clean(bpf_directory);
    if (!access(bpf_directory, F_OK)) {
        ovs_fatal(0, "%s: cannot remove", bpf_directory);
    }
    exit(EXIT_SUCCESS);
}

static void
options_destroy(struct options *options)
{
    svec_destroy(&options->listeners);
    free(options->bpf_directory);
    free(options->bastion_remote);
    free(options->ovs_remote);
}

static void
usage(void)
{
    printf("%s: Bastion controller of one node\n"
           "usage: %s [OPTIONS] [BASTION_DB [OVS_DB]]\n"
           "where BASTION_DB is the Bastion database (default: $BASTION_DB or "
           "unix:%s/bastion_db.sock)\n"
           "and OVS_DB is the node's Open vSwitch database (default: "
           "unix:%s/db.sock).\n",
           program_name, program_name, ovs_rundir(), ovs_rundir());
    printf("\nOpenFlow options:\n"
           "  --listen=PVCONN         listen on PVCONN (may be given more "
           "than once;\n"
           "                          default: ptcp:6653:127.0.0.1 and\n"
           "                          punix:%s/bastion-controller.mgmt)\n"
           "  --bpf-directory=DIR     pin the fast path's programs in DIR\n"
           "                          (default: %s)\n"
           "  --remove-fast-path      take these programs off all interfaces, "
           "remove\n"
           "                          DIR, and exit\n",
           ovs_rundir(), BPF_DIRECTORY);
    vconn_usage(false, true, true);
    stream_usage("database", true, false, true);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}
