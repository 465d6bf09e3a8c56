/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/of-messages.h"

#include "openvswitch/match.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofpbuf.h"

#define BUNDLE_FLAGS (OFPBF_ATOMIC | OFPBF_ORDERED)
#define FLOW_MONITOR_ID 1

struct ofpbuf *
of_encode_controller_id(enum ofp_version version, uint16_t controller_id)
{
    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXT_SET_CONTROLLER_ID,
                                      version, 0);
    struct nx_controller_id *nci = ofpbuf_put_zeros(msg, sizeof *nci);

    nci->controller_id = htons(controller_id);
    return msg;
}

struct ofpbuf *
of_encode_switch_config(enum ofp_version version)
{
    /* ovs-vswitchd sends packet-ins to those who connect to its management
     * socket only if they have set a length. */
    struct ofputil_switch_config config = {
        .frag = OFPUTIL_FRAG_NORMAL,
        .miss_send_len = OFP_DEFAULT_MISS_SEND_LEN,
        .invalid_ttl_to_controller = -1,
    };

    return ofputil_encode_set_config(&config, version);
}

struct ofpbuf *
of_encode_async_config(enum ofp_version version)
{
    struct ofputil_async_cfg cfg = OFPUTIL_ASYNC_CFG_INIT;

    cfg.primary[OAM_PACKET_IN] = (1u << OFPR_ACTION) | (1u << OFPR_NO_MATCH)
                                 | (1u << OFPR_EXPLICIT_MISS)
                                 | (1u << OFPR_IMPLICIT_MISS)
                                 | (1u << OFPR_ACTION_SET)
                                 | (1u << OFPR_GROUP)
                                 | (1u << OFPR_PACKET_OUT);
    cfg.primary[OAM_FLOW_REMOVED] = (1u << OFPRR_IDLE_TIMEOUT)
                                    | (1u << OFPRR_HARD_TIMEOUT)
                                    | (1u << OFPRR_DELETE)
                                    | (1u << OFPRR_GROUP_DELETE)
                                    | (1u << OFPRR_METER_DELETE)
                                    | (1u << OFPRR_EVICTION);
    return ofputil_encode_set_async_config(
        &cfg, (1u << OAM_N_TYPES) - 1, version);
}

struct ofpbuf *
of_encode_flow_monitor(enum ofp_version version)
{
    struct ofputil_flow_monitor_request fmr = {
        .id = FLOW_MONITOR_ID,
        .command = OFPFMC_ADD,
        .flags = OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY,
        .out_port = OFPP_NONE,
        .out_group = OFPG_ANY,
        .table_id = 0xff,
    };
    struct ofpbuf *msg = ofpbuf_new(64);

    match_init_catchall(&fmr.match);
    ofputil_append_flow_monitor_request(
        &fmr, msg, ofputil_protocol_from_ofp_version(version));
    ofpmsg_update_length(msg);
    return msg;
}

struct ofpbuf *
of_encode_flow_dump(enum ofp_version version)
{
    struct ofputil_flow_stats_request fsr = {
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = 0xff,
    };

    match_init_catchall(&fsr.match);
    return ofputil_encode_flow_stats_request(
        &fsr, ofputil_protocol_from_ofp_version(version));
}

struct ofpbuf *
of_encode_bundle_ctrl(enum ofp_version version, uint32_t bundle_id,
                      uint16_t type)
{
    struct ofputil_bundle_ctrl_msg ctrl = {
        .bundle_id = bundle_id,
        .type = type,
        .flags = BUNDLE_FLAGS,
    };

    return ofputil_encode_bundle_ctrl_request(version, &ctrl);
}

struct ofpbuf *
of_encode_bundle_add(enum ofp_version version, uint32_t bundle_id,
                     const struct ofpbuf *msg)
{
    struct ofputil_bundle_add_msg bam = {
        .bundle_id = bundle_id,
        .flags = BUNDLE_FLAGS,
        .msg = msg->data,
    };

    return ofputil_encode_bundle_add(version, &bam);
}
