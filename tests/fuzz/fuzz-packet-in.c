/* SPDX-License-Identifier: Apache-2.0 */

/* Packets that flows send to the controller.
 *
 * The first byte of the input is a set of flags, the rest is the packet.  An
 * answer to a Neighbor Solicitation must be an advertisement of its target, to
 * its sender, with the MAC address that the flow gave. */

#include <config.h>

#include <netinet/in.h>
#include <netinet/ip6.h>
#include <stdint.h>
#include <stdlib.h>

#include "controller/netmap.h"
#include "controller/nd-responder.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

enum {
    F_AUDIT = 1 << 0,           /* PACKET_IN_AUDIT, else PACKET_IN_ND. */
    F_FIX_CHECKSUM = 1 << 1,    /* Make the ICMPv6 checksum right. */
    F_HOST = 1 << 2,            /* The target is the host. */
    F_VALID_MAC = 1 << 3        /* The flow gives a MAC address. */
};

/* Corrects the checksum, without which nothing is worth a look, as well as it
 * can be done without trusting the packet. */
static void
fix_checksum(uint8_t *data, size_t size)
{
    const size_t l3_ofs = ETH_HEADER_LEN, l4_ofs = l3_ofs + IPV6_HEADER_LEN;

    if (size < l4_ofs + ND_MSG_LEN) {
        return;
    }

    struct ovs_16aligned_ip6_hdr *ip6 = (void *) (data + l3_ofs);
    struct ovs_nd_msg *ns = (void *) (data + l4_ofs);
    size_t len = MIN(ntohs(ip6->ip6_plen), size - l4_ofs);

    ns->icmph.icmp6_cksum = 0;
    uint32_t csum = packet_csum_pseudoheader6(ip6);
    ns->icmph.icmp6_cksum = csum_finish(csum_continue(csum, ns, len));
}

static void
check_reply(const struct ofputil_packet_in *pin, struct dp_packet *reply,
            ofp_port_t port, struct eth_addr mac)
{
    struct dp_packet packet;
    struct flow asked, answered;

    dp_packet_use_const(&packet, pin->packet, pin->packet_len);
    flow_extract(&packet, &asked);
    flow_extract(reply, &answered);
    ovs_assert(port == pin->flow_metadata.flow.in_port.ofp_port);
    ovs_assert(is_nd(&answered, NULL));
    ovs_assert(answered.tp_src == htons(ND_NEIGHBOR_ADVERT));
    ovs_assert(eth_addr_equals(answered.dl_src, mac));
    ovs_assert(eth_addr_equals(answered.dl_dst, asked.dl_src));
    ovs_assert(eth_addr_equals(answered.arp_tha, mac));
    ovs_assert(ipv6_addr_equals(&answered.ipv6_src, &asked.nd_target));
    ovs_assert(ipv6_addr_equals(&answered.nd_target, &asked.nd_target));
    ovs_assert(ipv6_addr_equals(&answered.ipv6_dst, &asked.ipv6_src));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }

    uint8_t flags = data[0];
    size_t packet_len = size - 1;

    /* Ethernet headers are 2 bytes off alignment, as in real messages. */
    uint8_t *message = xmalloc(packet_len + 2);
    uint8_t *bytes = message + 2;
    memcpy(bytes, data + 1, packet_len);
    if (flags & F_FIX_CHECKSUM) {
        fix_checksum(bytes, packet_len);
    }

    uint8_t userdata = flags & F_AUDIT ? PACKET_IN_AUDIT : PACKET_IN_ND;
    struct eth_addr mac = ETH_ADDR_C(02,00,00,00,00,01);
    struct ofputil_packet_in pin = {
        .packet = bytes,
        .packet_len = packet_len,
        .userdata = &userdata,
        .userdata_len = 1,
        .cookie = OVS_BE64_MAX,
        .flow_metadata = MATCH_CATCHALL_INITIALIZER,
    };
    struct flow *metadata = &pin.flow_metadata.flow;
    metadata->in_port.ofp_port = u16_to_ofp(1);
    metadata->regs[1] = flags & F_HOST ? IDENTITY_HOST : 256;
    if (flags & F_VALID_MAC) {
        flow_set_xreg(metadata, 3, eth_addr_to_uint64(mac));
    }

    if (packet_in_type(&pin) == PACKET_IN_ND) {
        struct dp_packet *reply;
        ofp_port_t port;
        const char *error = nd_responder_reply(&pin, &reply, &port);

        ovs_assert(!error == !!reply);
        if (reply) {
            check_reply(&pin, reply, port, mac);
            dp_packet_delete(reply);
        }
    } else {
        struct ds text = DS_EMPTY_INITIALIZER;

        packet_in_format_audit(&pin, NULL, &text);
        for (const char *p = ds_cstr(&text); *p; p++) {
            ovs_assert(*p >= ' ' && *p <= '~');
        }
        ds_destroy(&text);
    }
    free(message);
    return 0;
}
