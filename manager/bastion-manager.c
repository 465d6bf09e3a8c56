/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bastion/version.h"
#include "command-line.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "lib/ovs-daemon.h"
#include "manager/event-loop.h"
#include "manager/platforms.h"
#include "memory.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "stream-ssl.h"
#include "stream.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(manager);

struct options {
    char *unixctl_path;
    char *remote;
};

static void parse_options(int argc, char *argv[], struct options *);
OVS_NO_RETURN static void usage(void);
static void run_memory_report(const struct platforms *);
static void register_commands(struct platforms *);
static unixctl_cb_func manager_exit;

int
main(int argc, char *argv[])
{
    struct unixctl_server *unixctl;
    struct event_base *base;
    struct platforms *platforms;
    struct options options;
    bool exiting = false;

    ovs_cmdl_proctitle_init(argc, argv);
    ovs_set_program_name(argv[0], BASTION_VERSION);
    service_start(&argc, &argv);
    parse_options(argc, argv, &options);
    fatal_ignore_sigpipe();
    ovs_daemon_become_new_user();

    /* The pid file is nobody else's business; the control socket gets the
     * permissions that it has in Open vSwitch. */
    mode_t default_umask = umask(077);
    ovs_daemonize_start();

    umask(default_umask);
    int error = unixctl_server_create(options.unixctl_path, &unixctl);
    if (error) {
        exit(EXIT_FAILURE);
    }
    umask(077);
    unixctl_command_register("exit", "", 0, 0, manager_exit, &exiting);

    base = event_loop_create();
    platforms = platforms_create(options.remote, base);
    free(options.remote);
    register_commands(platforms);
    daemonize_complete();

    while (!exiting) {
        run_memory_report(platforms);
        event_loop_run(base);
        platforms_run(platforms);
        unixctl_server_run(unixctl);

        event_loop_wait(base);
        platforms_wait(platforms);
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

    /* The database keeps what has been learnt. */
    platforms_destroy(platforms);
    event_base_free(base);
    unixctl_server_destroy(unixctl);
    service_stop();
    return 0;
}

static void
run_memory_report(const struct platforms *platforms)
{
    memory_run();
    if (memory_should_report()) {
        struct simap usage = SIMAP_INITIALIZER(&usage);

        platforms_get_memory_usage(platforms, &usage);
        memory_report(&usage);
        simap_destroy(&usage);
    }
}

/* Commands. */

static void
manager_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *exiting_)
{
    bool *exiting = exiting_;

    *exiting = true;
    unixctl_command_reply(conn, NULL);
}

static void
manager_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *platforms)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    platforms_show(platforms, &s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
manager_sources(struct unixctl_conn *conn, int argc, const char *argv[],
                void *platforms)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (platforms_show_desired(platforms, argc > 1 ? argv[1] : NULL, &s)) {
        unixctl_command_reply(conn, ds_cstr(&s));
    } else {
        unixctl_command_reply_error(conn, "no such platform");
    }
    ds_destroy(&s);
}

static void
manager_resync(struct unixctl_conn *conn, int argc, const char *argv[],
               void *platforms)
{
    if (platforms_resync(platforms, argc > 1 ? argv[1] : NULL)) {
        unixctl_command_reply(conn, NULL);
    } else {
        unixctl_command_reply_error(conn, "no such platform");
    }
}

static void
register_commands(struct platforms *platforms)
{
    unixctl_command_register("manager/show", "", 0, 0, manager_show,
                             platforms);
    unixctl_command_register("manager/sources", "[platform]", 0, 1,
                             manager_sources, platforms);
    unixctl_command_register("manager/resync", "[platform]", 0, 1,
                             manager_resync, platforms);
}

/* Command line. */

static char *
default_remote(void)
{
    const char *env = getenv("BASTION_DB");

    return (env && env[0] ? xstrdup(env)
            : xasprintf("unix:%s/bastion_db.sock", ovs_rundir()));
}

static void
parse_options(int argc, char *argv[], struct options *options)
{
    enum {
        OPT_UNIXCTL = UCHAR_MAX + 1,
        OPT_PEER_CA_CERT,
        OPT_BOOTSTRAP_CA_CERT,
        VLOG_OPTION_ENUMS,
        DAEMON_OPTION_ENUMS,
        SSL_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
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
    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);
        if (c == -1) {
            break;
        }

        switch (c) {
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

    if (argc - optind > 1) {
        ovs_fatal(0, "at most one argument (the Bastion database) is "
                  "accepted; use --help for usage");
    }
    options->remote = (argc > optind ? xstrdup(argv[optind])
                       : default_remote());
}

static void
usage(void)
{
    printf("%s: learns containers from container platforms\n"
           "usage: %s [OPTIONS] [BASTION_DB]\n"
           "where BASTION_DB is the Bastion database (default: $BASTION_DB or "
           "unix:%s/bastion_db.sock).\n",
           program_name, program_name, ovs_rundir());
    stream_usage("database", true, false, true);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}
