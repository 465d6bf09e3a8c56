/* SPDX-License-Identifier: Apache-2.0 */

#ifndef KEYSTONE_PACKET_H
#define KEYSTONE_PACKET_H 1

/* Random packets
 * ==============
 *
 * Packets into one bridge of a netmap, most of them nearly right: an honest
 * packet of one of its ports, of which no, one or some fields are replaced by
 * something that is of interest elsewhere. */

#include "controller/policy-sim.h"

struct ds;
struct netmap;

/* Fills in 'packet'.  'bridge' must have at least one network and must live
 * as long as 'packet'. */
void packet_random(const struct netmap *, const char *bridge,
                   struct sim_packet *packet);

/* Appends what ofproto/trace takes as a flow, and as a --ct-next state. */
void packet_format(const struct sim_packet *, struct ds *);
void packet_format_ct_state(const struct sim_packet *, struct ds *);

#endif /* tests/keystone-packet.h */
