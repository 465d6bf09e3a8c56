/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_DEPMAP_H
#define BASTION_DEPMAP_H 1

/* Inter-container dependency map
 * ==============================
 *
 * Which identity may open what to which identity: one of the two relations
 * that all policy is compiled to (the other is netmap.h).  A rule is what an
 * accepted Dependency row says.  It allows; nothing here denies.  What
 * isolates a service is a flag of the service, so that a rule that comes to
 * nothing leaves its subjects closed.
 *
 * A rule belongs to one network.  A rule with direction "both" stands for an
 * egress rule, whose subjects are its sources, and an ingress rule, whose
 * subjects are its destinations.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/policy.h"
#include "openvswitch/hmap.h"
#include "openvswitch/uuid.h"

/* A set of sources or destinations.  Matches a packet's end if 'any' is true,
 * or its identity is in 'identities', or its identity does not have
 * IDENTITY_NOT_CIDR set and its address is in one of 'prefixes'. */
struct depmap_peers {
    bool any;
    uint32_t *identities;       /* Ascending, no duplicates. */
    size_t n_identities;
    struct ip_prefix *prefixes; /* CIDR blocks less their excepts. */
    size_t n_prefixes;
};

enum depmap_direction {
    DEPMAP_EGRESS = 1 << 0,
    DEPMAP_INGRESS = 1 << 1,
    DEPMAP_BOTH = DEPMAP_EGRESS | DEPMAP_INGRESS
};

struct depmap_rule {
    struct hmap_node hmap_node; /* In struct depmap's 'rules', by UUID. */
    struct uuid uuid;           /* Of the Dependency row. */
    uint16_t zone;              /* Of the network of its services.  It says
                                 * nothing about packets of other networks,
                                 * even if it names "any" or "host". */
    enum depmap_direction direction;
    struct depmap_peers sources;
    struct depmap_peers destinations;
    struct policy *policies;
    size_t n_policies;
};

struct depmap {
    struct hmap rules;
};

void depmap_init(struct depmap *);
void depmap_destroy(struct depmap *);

/* Takes ownership of 'rule'. */
void depmap_add(struct depmap *, struct depmap_rule *rule);
void depmap_remove(struct depmap *, struct depmap_rule *rule);
struct depmap_rule *depmap_find(const struct depmap *, const struct uuid *);

void depmap_peers_destroy(struct depmap_peers *);
bool depmap_peers_match(const struct depmap_peers *, uint32_t identity,
                        const struct in6_addr *ip);

#endif /* depmap.h */
