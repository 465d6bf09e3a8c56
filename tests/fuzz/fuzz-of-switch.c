/* SPDX-License-Identifier: Apache-2.0 */

/* What a switch sends to the controller.
 *
 * The input is a stream of OpenFlow messages that comes after a good
 * handshake, to an of_switch that has been attached to a flow table and that
 * somebody wants a dump of.  Transaction ids are deterministic, so that the
 * input can answer requests. */

#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "controller/flow-table.h"
#include "controller/nd-responder.h"
#include "controller/of-switch.h"
#include "dp-packet.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

/* Turns of the main loop that an input gets. */
#define MAX_TURNS 64

static const uint8_t handshake[] = {
    /* Hello. */
    6, 0, 0, 8, 0, 0, 0, 1,
    /* Features reply. */
    6, 6, 0, 32, 0, 0, 0, 4,
    0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 254, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0
};

static char socket_dir[] = "/tmp/fuzz-of-switch.XXXXXX";
static char *socket_name;

static void
remove_socket(void)
{
    unlink(socket_name);
    rmdir(socket_dir);
}

static struct pvconn *
get_listener(void)
{
    static struct pvconn *pvconn;

    if (!pvconn) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
        ignore(mkdtemp(socket_dir));
        socket_name = xasprintf("%s/sock", socket_dir);
        atexit(remove_socket);

        char *target = xasprintf("punix:%s", socket_name);
        int error = pvconn_open(target, OF_SWITCH_VERSIONS, 0, &pvconn);
        if (error) {
            ovs_fatal(error, "%s", target);
        }
        free(target);
    }
    return pvconn;
}

/* Stores the two ends of a new connection. */
static void
connect_switch(struct of_switch **sw, int *fd)
{
    struct pvconn *pvconn = get_listener();
    struct vconn *vconn;

    *fd = make_unix_socket(SOCK_STREAM, true, NULL, socket_name);
    if (*fd < 0 || pvconn_accept(pvconn, &vconn)) {
        ovs_fatal(0, "%s: cannot connect", socket_name);
    }
    *sw = of_switch_create(vconn);
}

static void
claim_flow(struct flow_table *table, uint16_t priority,
           enum drop_reason reason)
{
    struct uuid owner = { .parts = { priority, 0, 0, 0 } };
    struct flow_spec spec = {
        .table_id = 1,
        .priority = priority,
        .reason = reason,
        .match = MATCH_CATCHALL_INITIALIZER,
    };
    uint64_t stub[64 / 8];

    ofpbuf_use_stub(&spec.ofpacts, stub, sizeof stub);
    if (!reason) {
        ofpact_put_OUTPUT(&spec.ofpacts)->port = u16_to_ofp(1);
    }
    flow_table_claim(table, &owner, &spec);
    ofpbuf_uninit(&spec.ofpacts);
}

static void
packet_in(struct of_switch *sw OVS_UNUSED, const struct ofputil_packet_in *pin,
          void *aux OVS_UNUSED)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct dp_packet *reply;
    ofp_port_t port;

    nd_responder_reply(pin, &reply, &port);
    dp_packet_delete(reply);
    packet_in_format_audit(pin, NULL, &text);
    ds_destroy(&text);
}

static void
dump_cb(void *n_answers_, const char *error OVS_UNUSED,
        const struct ds *diff OVS_UNUSED, size_t n OVS_UNUSED)
{
    int *n_answers = n_answers_;

    *n_answers += 1;
}

/* Gives 'data' to 'sw' piece by piece through 'fd'. */
static void
feed(struct of_switch *sw, int fd, const uint8_t *data, size_t size)
{
    for (int i = 0; i < MAX_TURNS && of_switch_is_alive(sw); i++) {
        uint8_t trash[4096];

        if (size) {
            ssize_t n = write(fd, data, size);
            if (n > 0) {
                data += n;
                size -= n;
            }
        }
        of_switch_run(sw);
        while (read(fd, trash, sizeof trash) > 0) {
            continue;
        }
    }
}

static void
format_and_forget(struct of_switch *sw)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    of_switch_format(sw, &s);
    ds_destroy(&s);
    json_destroy(of_switch_to_json(sw));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct of_meter meter = { .id = 1, .rate = 1000, .burst = 10 };
    struct flow_table table;
    struct of_switch *sw;
    int n_answers = 0;
    uint64_t dpid;
    int fd;

    flow_table_init(&table);
    claim_flow(&table, 1, DROP_NONE);
    claim_flow(&table, 2, DROP_SELF);

    connect_switch(&sw, &fd);
    ignore(write(fd, handshake, sizeof handshake));
    for (int i = 0; i < 4; i++) {
        of_switch_run(sw);
    }
    ovs_assert(of_switch_get_datapath_id(sw, &dpid) && dpid == 1);

    of_switch_set_packet_in_handler(sw, packet_in, NULL);
    of_switch_attach(sw, &table, true, &meter, 1);
    of_switch_request_dump(sw, dump_cb, &n_answers);
    of_switch_run(sw);
    feed(sw, fd, data, size);
    format_and_forget(sw);

    of_switch_destroy(sw);
    ovs_assert(n_answers == 1);
    flow_table_destroy(&table);
    close(fd);
    return 0;
}
