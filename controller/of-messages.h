/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_OF_MESSAGES_H
#define BASTION_OF_MESSAGES_H 1

/* OpenFlow messages as we need them
 * =================================
 *
 * Thin layer above the encoders of libopenvswitch that fixes what is the same
 * in every message of ours.  The caller must free or send what is returned.
 *
 * Thread-safety: pure functions, callable from anywhere. */

#include <stdint.h>

#include "openflow/openflow.h"

struct ofpbuf;

/* Asks for packets sent to 'controller_id'. */
struct ofpbuf *of_encode_controller_id(enum ofp_version,
                                       uint16_t controller_id);

/* Asks a switch that we have called for asynchronous messages at all. */
struct ofpbuf *of_encode_switch_config(enum ofp_version);

/* Asks for packet-ins and for the counters of flows that go, and for no other
 * asynchronous messages. */
struct ofpbuf *of_encode_async_config(enum ofp_version);

/* Asks for notifications of changes of flows.  Those of our own are
 * abbreviated. */
struct ofpbuf *of_encode_flow_monitor(enum ofp_version);

/* Asks for all flows. */
struct ofpbuf *of_encode_flow_dump(enum ofp_version);

/* Bundles are atomic and ordered.  'type' is one of OFPBCT_*_REQUEST. */
struct ofpbuf *of_encode_bundle_ctrl(enum ofp_version, uint32_t bundle_id,
                                     uint16_t type);
struct ofpbuf *of_encode_bundle_add(enum ofp_version, uint32_t bundle_id,
                                    const struct ofpbuf *msg);

#endif /* of-messages.h */
