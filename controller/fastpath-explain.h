/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FASTPATH_EXPLAIN_H
#define BASTION_FASTPATH_EXPLAIN_H 1

/* Which path a packet takes
 * =========================
 *
 * Says for bastion/trace whether the fast path's program decides about a
 * packet of a container, or why it leaves that to Open vSwitch, from the
 * desired entries of the maps.  The simulator has said what is decided.
 *
 * Thread-safety: none. */

struct map_table;
struct netmap_endpoint;
struct sim_packet;
struct sim_verdict;

/* A container, and why it is not on the fast path, or NULL. */
struct fastpath_end {
    const struct netmap_endpoint *endpoint;
    const char *reason;
};

/* Returns an explanation that the caller must free.  'dst->endpoint' is NULL
 * if the destination is not a container with a port on this node. */
char *fastpath_explain(const struct map_table *,
                       const struct fastpath_end *src,
                       const struct fastpath_end *dst,
                       const struct sim_packet *, const struct sim_verdict *);

#endif /* fastpath-explain.h */
