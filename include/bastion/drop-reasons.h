/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_DROP_REASONS_H
#define BASTION_DROP_REASONS_H 1

/* Drop reasons
 * ============
 *
 * Every packet that Bastion does not deliver is dropped for exactly one of
 * these reasons.  The numbers are an interface: they stand in the low 8 bits
 * of the cookie of every flow that drops, in statistics, in logs and in JSON
 * output.  A number is never changed and never used again; a retired reason
 * keeps its line.
 *
 * BASTION_DROP_REASON(NUMBER, SYMBOL, NAME, EXPLANATION)
 *
 *     NUMBER       1...255.
 *     SYMBOL       Becomes the C enumerator DROP_<SYMBOL>.
 *     NAME         What a program reads: stable, lower case.
 *     EXPLANATION  What an operator reads: one sentence, no full stop.
 */
#define BASTION_DROP_REASONS                                                  \
    BASTION_DROP_REASON(1, UNKNOWN_PORT, "unknown-port",                      \
        "the packet came from a port that belongs to no container")           \
    BASTION_DROP_REASON(2, VLAN_TAG, "vlan-tag",                              \
        "containers do not send VLAN-tagged frames")                          \
    BASTION_DROP_REASON(3, MULTICAST_SOURCE, "multicast-source",              \
        "the source MAC address is a group address")                          \
    BASTION_DROP_REASON(4, ETHERTYPE, "ethertype",                            \
        "only ARP, IPv4 and IPv6 are part of a container network")            \
    BASTION_DROP_REASON(5, ARP_SPOOF, "arp-spoof",                            \
        "the ARP sender is not the container on this port")                   \
    BASTION_DROP_REASON(6, ARP_UNSOLICITED, "arp-unsolicited",                \
        "an ARP reply or announcement that nobody needs, as requests are "    \
        "answered by the bridge")                                             \
    BASTION_DROP_REASON(7, ARP_TARGET_UNKNOWN, "arp-target-unknown",          \
        "nobody in the network has the address asked for")                    \
    BASTION_DROP_REASON(8, ARP_TARGET_INVISIBLE, "arp-target-invisible",      \
        "no dependency lets the asker see the address asked for")             \
    BASTION_DROP_REASON(9, IP_SPOOF, "ip-spoof",                              \
        "the IPv4 source is not the container on this port")                  \
    BASTION_DROP_REASON(10, IPV6_SPOOF, "ipv6-spoof",                         \
        "the IPv6 source is not the container on this port")                  \
    BASTION_DROP_REASON(11, ND_SPOOF, "nd-spoof",                             \
        "a neighbor discovery message with fields that are not the sender's") \
    BASTION_DROP_REASON(12, ND_UNSOLICITED, "nd-unsolicited",                 \
        "a neighbor advertisement, address probe or group report that nobody "\
        "needs, as solicitations are answered by the bridge")                 \
    BASTION_DROP_REASON(13, ND_TARGET_UNKNOWN, "nd-target-unknown",           \
        "nobody in the network has the IPv6 address asked for")               \
    BASTION_DROP_REASON(14, ND_TARGET_INVISIBLE, "nd-target-invisible",       \
        "no dependency lets the asker see the IPv6 address asked for")        \
    BASTION_DROP_REASON(15, ROUTER_ADVERTISEMENT, "router-advertisement",     \
        "containers do not advertise routers")                                \
    BASTION_DROP_REASON(16, REDIRECT, "redirect",                             \
        "containers do not redirect others")                                  \
    BASTION_DROP_REASON(17, DHCP_SERVER, "dhcp-server",                       \
        "a DHCP server message from a port that is no declared server")       \
    BASTION_DROP_REASON(18, DHCP_CLIENT, "dhcp-client",                       \
        "a DHCP client message in a network without a DHCP server")           \
    BASTION_DROP_REASON(19, MULTICAST_DESTINATION, "multicast-destination",   \
        "nothing is ever sent to a group or broadcast address")               \
    BASTION_DROP_REASON(20, DESTINATION_UNKNOWN, "destination-unknown",       \
        "nobody in the network has the destination address")                  \
    BASTION_DROP_REASON(21, DESTINATION_ABSENT, "destination-absent",         \
        "the destination container has no port on this bridge")               \
    BASTION_DROP_REASON(22, NO_GATEWAY, "no-gateway",                         \
        "the network has no gateway for the destination address")             \
    BASTION_DROP_REASON(23, SELF, "self",                                     \
        "a container's packet to itself does not belong on the wire")         \
    BASTION_DROP_REASON(24, CT_INVALID, "ct-invalid",                         \
        "connection tracking could not make sense of the packet")             \
    BASTION_DROP_REASON(25, EGRESS_POLICY, "egress-policy",                   \
        "no dependency lets the source open this to the destination")         \
    BASTION_DROP_REASON(26, INGRESS_POLICY, "ingress-policy",                 \
        "no dependency lets the destination accept this from the source")     \
    BASTION_DROP_REASON(27, FRAGMENT, "fragment",                             \
        "a later fragment between two that may not talk at all")              \
    BASTION_DROP_REASON(28, PIPELINE, "pipeline",                             \
        "no flow of an inner table matched; this is a defect")                \
    BASTION_DROP_REASON(29, RATE_LIMIT, "rate-limit",                         \
        "the container sends more packets that nothing allows than Open "     \
        "vSwitch is asked about")

enum drop_reason {
    DROP_NONE = 0,              /* Not dropped. */
#define BASTION_DROP_REASON(NUMBER, SYMBOL, NAME, EXPLANATION) \
    DROP_##SYMBOL = NUMBER,
    BASTION_DROP_REASONS
#undef BASTION_DROP_REASON
    N_DROP_REASONS              /* One more than the largest number. */
};

/* Returns the stable name of 'reason', or NULL if there is no such reason. */
const char *drop_reason_name(enum drop_reason reason);

/* Returns one sentence that explains 'reason', or NULL if there is none. */
const char *drop_reason_explanation(enum drop_reason reason);

#endif /* bastion/drop-reasons.h */
