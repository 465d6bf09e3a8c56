/* SPDX-License-Identifier: Apache-2.0 */

/* Runs of_switch without a policy: the desired flow table comes from a file.
 *
 * Usage: ofsync-driver [OPTIONS] PVCONN
 *
 * The file has one flow per line in the format of ovs-ofctl.  Of its cookie,
 * bits 16 to 47 become the owner and bits 0 to 7 the drop reason. */

#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "command-line.h"
#include "controller/flow-table.h"
#include "controller/nd-responder.h"
#include "controller/of-switch.h"
#include "dp-packet.h"
#include "dummy.h"
#include "fatal-signal.h"
#include "lib/ovs-daemon.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ofsync_driver);

#define MAX_SWITCHES 16

struct driver {
    struct flow_table table;
    uint64_t version;
    struct of_switch *switches[MAX_SWITCHES];
    struct of_switch *attached;
    bool want_attached;
    bool exclusive;
    int audit_interval;
    bool exiting;
};

static const struct of_meter meters[] = {
    { .id = 1, .rate = 1000, .burst = 1000 },
    { .id = 2, .rate = 1000, .burst = 1000 },
    { .id = 3, .rate = 100, .burst = 0 },
};

/* Returns NULL or an error that the caller must free. */
static char *
claim_flow(struct driver *d, const char *line)
{
    enum ofputil_protocol usable_protocols;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_flow_mod_str(&fm, line, NULL, NULL, OFPFC_ADD,
                                         &usable_protocols);
    if (error) {
        return error;
    }

    uint64_t cookie = ntohll(fm.new_cookie);
    struct uuid owner = { .parts = { cookie >> 16, 0, 0, 1 } };
    struct flow_spec spec = {
        .table_id = fm.table_id == 0xff ? 0 : fm.table_id,
        .priority = fm.priority,
        .reason = cookie & 0xff,
    };
    minimatch_expand(&fm.match, &spec.match);
    ofpbuf_use_const(&spec.ofpacts, fm.ofpacts, fm.ofpacts_len);
    flow_table_claim(&d->table, &owner, &spec);
    minimatch_destroy(&fm.match);
    free(fm.ofpacts);
    return NULL;
}

static void
release_all(struct driver *d)
{
    struct flow_owner *owner;

    HMAP_FOR_EACH_SAFE (owner, hmap_node, &d->table.owners) {
        struct uuid uuid = owner->uuid;

        flow_table_release(&d->table, &uuid);
    }
}

static void
driver_load(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[], void *d_)
{
    struct driver *d = d_;
    FILE *file = fopen(argv[1], "r");
    struct ds line = DS_EMPTY_INITIALIZER;
    char *error = NULL;

    if (!file) {
        unixctl_command_reply_error(conn, ovs_strerror(errno));
        return;
    }
    release_all(d);
    while (!error && !ds_get_preprocessed_line(&line, file, NULL)) {
        error = claim_flow(d, ds_cstr(&line));
    }
    fclose(file);
    d->version++;
    if (error) {
        ds_put_format(&line, ": %s", error);
        unixctl_command_reply_error(conn, ds_cstr(&line));
    } else {
        unixctl_command_reply(conn, NULL);
    }
    ds_destroy(&line);
    free(error);
}

/* Many flows: a thousand of them for each owner. */
static void
driver_many(struct unixctl_conn *conn, int argc, const char *argv[], void *d_)
{
    struct driver *d = d_;
    int n = atoi(argv[1]);
    int skip = argc > 2 ? atoi(argv[2]) : -1;

    release_all(d);
    for (int i = 0; i < n; i++) {
        if (i != skip) {
            char *line = xasprintf(
                "table=5, cookie=%#x, priority=100, ip, nw_dst=10.%d.%d.%d, "
                "actions=set_field:%d->reg1,goto_table:6",
                (i / 1000) << 16, i >> 16, (i >> 8) & 255, i & 255, i);
            char *error = claim_flow(d, line);
            ovs_assert(!error);
            free(line);
        }
    }
    d->version++;
    unixctl_command_reply(conn, NULL);
}

static void
driver_attach(struct unixctl_conn *conn, int argc, const char *argv[],
              void *d_)
{
    struct driver *d = d_;

    d->want_attached = true;
    d->exclusive = argc < 2 || strcmp(argv[1], "shared");
    unixctl_command_reply(conn, NULL);
}

static void
driver_detach(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *d_)
{
    struct driver *d = d_;

    d->want_attached = false;
    if (d->attached) {
        of_switch_detach(d->attached);
        d->attached = NULL;
    }
    unixctl_command_reply(conn, NULL);
}

static void
driver_audit_interval(struct unixctl_conn *conn, int argc OVS_UNUSED,
                      const char *argv[], void *d_)
{
    struct driver *d = d_;

    d->audit_interval = atoi(argv[1]);
    for (size_t i = 0; i < MAX_SWITCHES; i++) {
        if (d->switches[i]) {
            of_switch_set_audit_interval(d->switches[i], d->audit_interval);
        }
    }
    unixctl_command_reply(conn, NULL);
}

static void
driver_synced(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *d_)
{
    struct driver *d = d_;
    bool synced = d->attached && of_switch_is_synced(d->attached);
    uint64_t acked = d->attached ? of_switch_acked(d->attached) : 0;

    unixctl_command_reply(conn, (synced && acked == d->version
                                 ? "yes" : "no"));
}

static void
driver_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *d_)
{
    struct driver *d = d_;
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < MAX_SWITCHES; i++) {
        if (d->switches[i]) {
            of_switch_format(d->switches[i], &s);
        }
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
driver_json(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *d_)
{
    struct driver *d = d_;
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < MAX_SWITCHES; i++) {
        if (d->switches[i]) {
            json_array_add(array, of_switch_to_json(d->switches[i]));
        }
    }

    char *s = json_to_string(array, JSSF_PRETTY | JSSF_SORT);
    unixctl_command_reply(conn, s);
    free(s);
    json_destroy(array);
}

static void
verify_cb(void *conn_, const char *error, const struct ds *diff, size_t n)
{
    struct unixctl_conn *conn = conn_;
    struct ds s = DS_EMPTY_INITIALIZER;

    if (error) {
        unixctl_command_reply_error(conn, error);
    } else {
        ds_put_format(&s, "%s%"PRIuSIZE" differences\n", ds_cstr_ro(diff), n);
        unixctl_command_reply(conn, ds_cstr(&s));
    }
    ds_destroy(&s);
}

static void
driver_verify(struct unixctl_conn *conn, int argc OVS_UNUSED,
              const char *argv[] OVS_UNUSED, void *d_)
{
    struct driver *d = d_;

    if (d->attached) {
        of_switch_request_dump(d->attached, verify_cb, conn);
    } else {
        unixctl_command_reply_error(conn, "no switch");
    }
}

static void
driver_drops(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *d_)
{
    struct driver *d = d_;
    struct ds s = DS_EMPTY_INITIALIZER;

    for (int i = 0; i < N_DROP_REASONS; i++) {
        if (d->table.drop_packets[i]) {
            ds_put_format(&s, "%d: %"PRIu64" packets\n",
                          i, d->table.drop_packets[i]);
        }
    }
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
driver_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
            const char *argv[] OVS_UNUSED, void *d_)
{
    struct driver *d = d_;

    d->exiting = true;
    unixctl_command_reply(conn, NULL);
}

static void
send_packet(struct of_switch *sw, const struct dp_packet *packet,
            ofp_port_t port)
{
    uint64_t stub[64 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_packet_out po = {
        .packet = dp_packet_data(packet),
        .packet_len = dp_packet_size(packet),
        .buffer_id = UINT32_MAX,
    };

    ofpact_put_OUTPUT(&ofpacts)->port = port;
    po.ofpacts = ofpacts.data;
    po.ofpacts_len = ofpacts.size;
    match_init_catchall(&po.flow_metadata);
    match_set_in_port(&po.flow_metadata, OFPP_CONTROLLER);
    of_switch_packet_out(sw, &po);
    ofpbuf_uninit(&ofpacts);
}

static void
packet_in(struct of_switch *sw, const struct ofputil_packet_in *pin,
          void *aux OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct dp_packet *reply;
    const char *error;
    ofp_port_t port;

    switch (packet_in_type(pin)) {
    case PACKET_IN_ND:
        error = nd_responder_reply(pin, &reply, &port);
        if (error) {
            VLOG_INFO("bad neighbor solicitation: %s", error);
        } else {
            send_packet(sw, reply, port);
            dp_packet_delete(reply);
        }
        break;

    case PACKET_IN_AUDIT:
        packet_in_format_audit(pin, NULL, &s);
        VLOG_INFO("audit: %s", ds_cstr(&s));
        break;

    default:
        VLOG_INFO("packet-in of unknown type");
        break;
    }
    ds_destroy(&s);
}

static void
accept_switches(struct driver *d, struct pvconn *pvconn)
{
    for (size_t i = 0; i < MAX_SWITCHES; i++) {
        struct vconn *vconn;

        if (!d->switches[i] && !pvconn_accept(pvconn, &vconn)) {
            d->switches[i] = of_switch_create(vconn);
            of_switch_set_audit_interval(d->switches[i], d->audit_interval);
            of_switch_set_packet_in_handler(d->switches[i], packet_in, d);
        }
    }
}

static void
run_switches(struct driver *d)
{
    for (size_t i = 0; i < MAX_SWITCHES; i++) {
        struct of_switch *sw = d->switches[i];
        uint64_t dpid;

        if (!sw) {
            continue;
        }
        of_switch_run(sw);
        if (!of_switch_is_alive(sw)) {
            if (d->attached == sw) {
                d->attached = NULL;
            }
            of_switch_destroy(sw);
            d->switches[i] = NULL;
        } else if (d->want_attached && !d->attached
                   && of_switch_get_datapath_id(sw, &dpid)) {
            of_switch_attach(sw, &d->table, d->exclusive,
                             meters, ARRAY_SIZE(meters));
            d->attached = sw;
        }
    }
    if (d->attached) {
        of_switch_set_version(d->attached, d->version);
    }
}

static void
register_commands(struct driver *d)
{
    unixctl_command_register("load", "FILE", 1, 1, driver_load, d);
    unixctl_command_register("many", "N [SKIP]", 1, 2, driver_many, d);
    unixctl_command_register("attach", "[shared]", 0, 1, driver_attach, d);
    unixctl_command_register("detach", "", 0, 0, driver_detach, d);
    unixctl_command_register("audit-interval", "MSEC", 1, 1,
                             driver_audit_interval, d);
    unixctl_command_register("synced", "", 0, 0, driver_synced, d);
    unixctl_command_register("show", "", 0, 0, driver_show, d);
    unixctl_command_register("json", "", 0, 0, driver_json, d);
    unixctl_command_register("verify", "", 0, 0, driver_verify, d);
    unixctl_command_register("drops", "", 0, 0, driver_drops, d);
    unixctl_command_register("exit", "", 0, 0, driver_exit, d);
}

static const char *
parse_options(int argc, char *argv[])
{
    enum { VLOG_OPTION_ENUMS = UCHAR_MAX + 1, DAEMON_OPTION_ENUMS };
    static const struct option long_options[] = {
        VLOG_LONG_OPTIONS,
        DAEMON_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "v::", long_options, NULL)) != -1) {
        switch (c) {
        VLOG_OPTION_HANDLERS
        DAEMON_OPTION_HANDLERS
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (optind + 1 != argc) {
        ovs_fatal(0, "usage: %s [OPTIONS] PVCONN", program_name);
    }
    return argv[optind];
}

int
main(int argc, char *argv[])
{
    struct driver d = { .audit_interval = OF_SWITCH_AUDIT_INTERVAL };
    struct unixctl_server *unixctl;
    struct pvconn *pvconn;

    ovs_cmdl_proctitle_init(argc, argv);
    set_program_name(argv[0]);
    const char *listen = parse_options(argc, argv);
    fatal_ignore_sigpipe();
    timeval_dummy_register();
    ovs_daemonize_start();

    flow_table_init(&d.table);
    int error = pvconn_open(listen, OF_SWITCH_VERSIONS, 0, &pvconn);
    if (error) {
        ovs_fatal(error, "%s", listen);
    }
    error = unixctl_server_create(NULL, &unixctl);
    if (error) {
        ovs_fatal(error, "unixctl");
    }
    register_commands(&d);
    daemonize_complete();

    while (!d.exiting) {
        accept_switches(&d, pvconn);
        run_switches(&d);
        unixctl_server_run(unixctl);

        for (size_t i = 0; i < MAX_SWITCHES; i++) {
            if (d.switches[i]) {
                of_switch_wait(d.switches[i]);
            }
        }
        pvconn_wait(pvconn);
        unixctl_server_wait(unixctl);
        if (d.exiting) {
            poll_immediate_wake();
        }
        poll_block();
    }

    for (size_t i = 0; i < MAX_SWITCHES; i++) {
        of_switch_destroy(d.switches[i]);
    }
    flow_table_destroy(&d.table);
    pvconn_close(pvconn);
    unixctl_server_destroy(unixctl);
    return 0;
}
