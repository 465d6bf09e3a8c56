/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath-render.h"

#include <string.h>

#include "bastion/bpf-abi.h"
#include "byte-order.h"
#include "controller/depmap.h"
#include "controller/map-table.h"
#include "controller/netmap.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"

static void
claim_address(struct map_table *table, const struct uuid *owner,
              const struct netmap_network *network, const struct in6_addr *ip,
              const struct bastion_address_value *value)
{
    struct bastion_address_key key = { .zone = network->zone };

    memcpy(key.address.bytes, ip, sizeof key.address.bytes);
    map_table_claim(table, owner, MAP_ADDRESSES, &key, value);
}

void
fastpath_render_network(struct map_table *table,
                        const struct netmap_network *network)
{
    if (network->enforcement == ENFORCEMENT_OFF
        || !netmap_network_has_gateway(network)) {
        return;
    }

    struct bastion_address_value value = {
        .identity = IDENTITY_HOST,
        .flags = BASTION_GATEWAY
    };
    memcpy(value.mac, &network->gateway_mac, sizeof value.mac);

    struct in6_addr lla;
    ip_lla_from_mac(network->gateway_mac, &lla);
    claim_address(table, &network->uuid, network, &lla, &value);
    for (size_t i = 0; i < network->n_gateways; i++) {
        claim_address(table, &network->uuid, network, &network->gateways[i],
                      &value);
    }
}

static bool
is_dhcp_server(const struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;

    for (size_t i = 0; i < network->n_dhcp_servers; i++) {
        for (size_t j = 0; j < endpoint->n_ips; j++) {
            if (ipv6_addr_equals(&network->dhcp_servers[i],
                                 &endpoint->ips[j])) {
                return true;
            }
        }
    }
    return false;
}

/* Flags of a container, for "endpoints" and "addresses". */
static uint32_t
endpoint_flags(const struct netmap_endpoint *endpoint)
{
    const struct netmap_service *service = endpoint->service;

    return ((service->isolated_egress ? 0 : BASTION_OPEN_EGRESS)
            | (service->isolated_ingress ? 0 : BASTION_OPEN_INGRESS)
            | (service->network->enforcement == ENFORCEMENT_AUDIT
               ? BASTION_AUDIT : 0));
}

static uint32_t
dhcp_flags(const struct netmap_endpoint *endpoint)
{
    const struct netmap_network *network = endpoint->service->network;

    return ((is_dhcp_server(endpoint) ? BASTION_DHCP_SERVER : 0)
            | (netmap_network_first_dhcp_server(network, true)
               ? BASTION_DHCP_V4 : 0)
            | (netmap_network_first_dhcp_server(network, false)
               ? BASTION_DHCP_V6 : 0));
}

/* Who sends packets, and with which addresses. */
static void
render_sender(struct map_table *table, const struct netmap_endpoint *endpoint)
{
    struct bastion_endpoint self = {
        .identity = endpoint->service->identity,
        .zone = endpoint->service->network->zone,
        .flags = endpoint_flags(endpoint) | dhcp_flags(endpoint),
    };

    memcpy(self.mac, &endpoint->mac, sizeof self.mac);
    map_table_claim(table, &endpoint->uuid, MAP_ENDPOINTS, &endpoint->ifindex,
                    &self);
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        struct bastion_source_key source = { .ifindex = endpoint->ifindex };
        uint8_t own = 1;

        memcpy(source.address.bytes, &endpoint->ips[i],
               sizeof source.address.bytes);
        map_table_claim(table, &endpoint->uuid, MAP_SOURCES, &source, &own);
    }
}

void
fastpath_render_endpoint(struct map_table *table,
                         const struct netmap_endpoint *endpoint)
{
    const struct netmap_service *service = endpoint->service;
    const struct netmap_network *network = service->network;

    if (network->enforcement == ENFORCEMENT_OFF
        || endpoint->ofport == OFPP_NONE) {
        return;
    }
    if (endpoint->ifindex) {
        render_sender(table, endpoint);
    }

    struct bastion_address_value address = {
        .identity = service->identity,
        .ifindex = endpoint->ifindex,
        .flags = endpoint_flags(endpoint),
        .mtu = endpoint->ifindex ? endpoint->mtu : 0,
    };
    memcpy(address.mac, &endpoint->mac, sizeof address.mac);
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        claim_address(table, &endpoint->uuid, network, &endpoint->ips[i],
                      &address);
    }
}

/* Rules. */

static bool
is_service(uint32_t identity)
{
    return (identity >= IDENTITY_SERVICE_MIN
            && identity <= IDENTITY_SERVICE_MAX);
}

/* The block of ports (or of ICMP types and codes) that one entry stands for:
 * those that start with the first 'n_bits' of 'value'.  All protocols if
 * 'n_bits' is negative. */
struct block {
    uint8_t protocol;
    uint16_t value;
    int n_bits;
};

#define MAX_BLOCKS POLICY_MAX_MASKS

static size_t
policy_to_blocks(const struct policy *policy, struct block blocks[MAX_BLOCKS])
{
    blocks[0] = (struct block) { .protocol = policy->nw_proto };
    if (!policy->nw_proto) {
        blocks[0].n_bits = -1;
    } else if (policy->icmp_type >= 0) {
        blocks[0].value = policy->icmp_type << 8
                          | (policy->icmp_code >= 0 ? policy->icmp_code : 0);
        blocks[0].n_bits = policy->icmp_code >= 0 ? 16 : 8;
    } else if (policy->has_ports) {
        struct port_mask masks[POLICY_MAX_MASKS];
        size_t n = policy_port_masks(policy, masks);

        for (size_t i = 0; i < n; i++) {
            blocks[i] = (struct block) {
                .protocol = policy->nw_proto,
                .value = masks[i].value,
                .n_bits = count_1bits(masks[i].mask)
            };
        }
        return n;
    }
    return 1;
}

static void
claim_policy(struct map_table *table, const struct depmap_rule *rule,
             uint16_t direction, uint32_t subject, uint32_t peer,
             const struct block *block)
{
    struct bastion_policy_value value = { .rule = rule->uuid.parts[0] };
    struct bastion_policy_key key = {
        .prefixlen = (block->n_bits < 0 ? BASTION_POLICY_PREFIX_ANY
                      : BASTION_POLICY_PREFIX_PROTOCOL + block->n_bits),
        .subject = subject,
        .peer = peer,
        .direction = direction,
        .protocol = block->protocol,
        .port = htons(block->value),
    };

    map_table_claim(table, &rule->uuid, MAP_POLICY, &key, &value);
}

/* Says that "policy" does not have all of 'rule' about 'subject'. */
static void
claim_partial(struct map_table *table, const struct depmap_rule *rule,
              uint16_t direction, uint32_t subject)
{
    struct bastion_partial_key key = {
        .subject = subject,
        .direction = direction
    };
    uint8_t yes = 1;

    map_table_claim(table, &rule->uuid, MAP_PARTIAL, &key, &yes);
}

/* Claims entries for one half of 'rule'. */
static void
render_half(struct map_table *table, const struct depmap_rule *rule,
            uint16_t direction, const struct block *blocks, size_t n_blocks)
{
    bool egress = direction == BASTION_EGRESS;
    const struct depmap_peers *subjects
        = egress ? &rule->sources : &rule->destinations;
    const struct depmap_peers *others
        = egress ? &rule->destinations : &rule->sources;
    const uint32_t any_subject = BASTION_SUBJECT_ANY(rule->zone);
    const uint32_t any_peer = BASTION_PEER_ANY;
    const uint32_t *selves = subjects->any ? &any_subject
                                           : subjects->identities;
    const uint32_t *peers = others->any ? &any_peer : others->identities;
    size_t n_selves = subjects->any ? 1 : subjects->n_identities;
    size_t n_peers = others->any ? 1 : others->n_identities;
    bool fits = n_selves * n_peers * n_blocks <= FASTPATH_RULE_ENTRIES_MAX;

    for (size_t i = 0; i < n_selves; i++) {
        if (!subjects->any && !is_service(selves[i])) {
            continue;
        }
        if (!fits || (!others->any && others->n_prefixes)) {
            claim_partial(table, rule, direction, selves[i]);
        }
        for (size_t j = 0; fits && j < n_peers; j++) {
            if (others->any || is_service(peers[j])) {
                for (size_t k = 0; k < n_blocks; k++) {
                    claim_policy(table, rule, direction, selves[i], peers[j],
                                 &blocks[k]);
                }
            }
        }
    }
}

/* Who may see whom, for rules that are all that is needed. */
static void
render_peers(struct map_table *table, const struct depmap_rule *rule)
{
    const struct depmap_peers *src = &rule->sources;
    const struct depmap_peers *dst = &rule->destinations;

    if (rule->direction != DEPMAP_BOTH || src->any || dst->any
        || (src->n_identities * dst->n_identities
            > FASTPATH_RULE_ENTRIES_MAX)) {
        return;
    }
    for (size_t i = 0; i < src->n_identities; i++) {
        for (size_t j = 0; j < dst->n_identities; j++) {
            if (is_service(src->identities[i])
                && is_service(dst->identities[j])) {
                struct bastion_peers_key key = {
                    .source = src->identities[i],
                    .destination = dst->identities[j]
                };
                uint8_t yes = 1;

                map_table_claim(table, &rule->uuid, MAP_PEERS, &key, &yes);
            }
        }
    }
}

void
fastpath_render_rule(struct map_table *table, const struct depmap_rule *rule)
{
    struct block *blocks = xcalloc(rule->n_policies * MAX_BLOCKS,
                                   sizeof *blocks);
    size_t n = 0;

    for (size_t i = 0; i < rule->n_policies; i++) {
        n += policy_to_blocks(&rule->policies[i], &blocks[n]);
    }
    if (rule->direction & DEPMAP_EGRESS) {
        render_half(table, rule, BASTION_EGRESS, blocks, n);
    }
    if (rule->direction & DEPMAP_INGRESS) {
        render_half(table, rule, BASTION_INGRESS, blocks, n);
    }
    render_peers(table, rule);
    free(blocks);
}
