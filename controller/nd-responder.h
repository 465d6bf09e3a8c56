/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ND_RESPONDER_H
#define BASTION_ND_RESPONDER_H 1

/* Packets that flows send to the controller
 * =========================================
 *
 * The first byte of a controller() action's userdata says what for:
 *
 *     PACKET_IN_ND     A Neighbor Solicitation that the flows have verified
 *                      and found allowed, on a datapath that cannot rewrite
 *                      ND options.  Answered with the Neighbor Advertisement
 *                      that the pipeline would have made elsewhere.
 *
 *     PACKET_IN_AUDIT  A packet that would be dropped if its network were not
 *                      in audit mode.  Logged.  The flow's cookie has the drop
 *                      reason.
 *
 * The functions here decide nothing about policy.  They trust registers, which
 * only flows can set, but no byte of the packet, which comes from a container.
 *
 * Thread-safety: pure functions, callable from anywhere. */

#include <stdbool.h>
#include <stdint.h>

#include "controller/pipeline.h"
#include "openvswitch/types.h"

struct dp_packet;
struct ds;
struct ofputil_packet_in;

/* Returns a PACKET_IN_* constant, or 0 if 'pin' is none of ours. */
int packet_in_type(const struct ofputil_packet_in *pin);

/* If 'pin' is a valid Neighbor Solicitation, returns NULL and stores the
 * Neighbor Advertisement in '*reply', to be output to '*port'.  The caller
 * must free '*reply' with dp_packet_delete().
 *
 * The registers in the metadata of 'pin' control the answer: xreg3 is the MAC
 * address of the target, and reg1 its identity.  The host is a router, nobody
 * else is.
 *
 * Otherwise returns a constant string that says what is wrong and stores
 * NULL. */
const char *nd_responder_reply(const struct ofputil_packet_in *pin,
                               struct dp_packet **reply, ofp_port_t *port);

/* Appends to 's' one line, without new-line, about a PACKET_IN_AUDIT 'pin':
 *
 *     egress-policy: port veth1 tcp 10.0.0.1:1234 -> 10.0.0.2:80 would be
 *     dropped
 *
 * 'port_name' may be NULL if it is not known.  Bytes of the packet get into
 * 's' only as numbers. */
void packet_in_format_audit(const struct ofputil_packet_in *pin,
                            const char *port_name, struct ds *s);

#endif /* nd-responder.h */
