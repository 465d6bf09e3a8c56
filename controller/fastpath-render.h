/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FASTPATH_RENDER_H
#define BASTION_FASTPATH_RENDER_H 1

/* Rendering for the fast path
 * ===========================
 *
 * Renders the netmap and the depmap into entries of the fast path's maps
 * (include/bastion/bpf-abi.h), as pipeline.h does into flows.  Rendering is
 * pure.
 *
 * What is rendered may be less than what the rows say, never more: packets
 * for which there is no entry are Open vSwitch's.  Left out are
 *
 *     - networks whose enforcement is off,
 *
 *     - CIDR blocks,
 *
 *     - rules between so many services that there would be more than
 *       FASTPATH_RULE_ENTRIES_MAX entries: maps have no conjunctions.
 *
 * What is left out of "policy" about a subject is noted in "partial", so that
 * the programs know when a missing entry means nothing.
 *
 * Thread-safety: none. */

#include <stddef.h>

struct depmap_rule;
struct map_table;
struct netmap_endpoint;
struct netmap_network;

#define FASTPATH_RULE_ENTRIES_MAX 1024

void fastpath_render_network(struct map_table *,
                             const struct netmap_network *);
void fastpath_render_endpoint(struct map_table *,
                              const struct netmap_endpoint *);
void fastpath_render_rule(struct map_table *, const struct depmap_rule *);

#endif /* fastpath-render.h */
