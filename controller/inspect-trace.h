/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_INSPECT_TRACE_H
#define BASTION_INSPECT_TRACE_H 1

/* bastion/trace
 * =============
 *
 * Says what must happen to a packet, stage by stage, from the simulator; then
 * has ovs-vswitchd say what its flows do with the same packet, and compares.
 *
 * ovs-vswitchd is asked over its control socket without ever blocking the
 * main loop; if it does not answer within a second, the reply goes without
 * it.
 *
 * Thread-safety: none. */

#include <stdbool.h>

#include "controller/policy-sim.h"
#include "openvswitch/compiler.h"

struct ds;
struct flow;
struct inspect_sources;
struct inspect_trace;
struct unixctl_conn;

struct inspect_trace *inspect_trace_create(const struct inspect_sources *);
void inspect_trace_run(struct inspect_trace *);
void inspect_trace_wait(struct inspect_trace *);
void inspect_trace_destroy(struct inspect_trace *);

/* Executes the command with arguments 'argv[1]' to 'argv[argc - 1]' and
 * replies to 'conn', now or later. */
void inspect_trace_start(struct inspect_trace *, struct unixctl_conn *,
                         int argc, const char *argv[]);

/* The parts that do no I/O. */

/* Sets the fields in 'flow' that name the original direction of the packet's
 * connection, if they are not set. */
void inspect_trace_set_original(struct flow *flow, enum sim_ct_state);

/* What the output of ofproto/trace says about the packet's end. */
struct trace_result {
    bool delivered;
    ofp_port_t port;            /* If delivered; OFPP_NONE if not known. */
    enum drop_reason reason;    /* Of the last flow that drops, or audits. */
    bool audited;
};
void inspect_trace_parse(const char *output, ofp_port_t in_port,
                         struct trace_result *);

#endif /* inspect-trace.h */
