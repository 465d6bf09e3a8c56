/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_COMPILER_H
#define BASTION_COMPILER_H 1

/* Policy compiler
 * ===============
 *
 * Turns rows of the Bastion database and the ports of this node into the two
 * relations, netmap and depmap, and these into the desired flow table of each
 * bridge.
 *
 * Usage: tell the compiler of every row and port that appears, changes or
 * goes with compiler_set_*() and compiler_remove_*(), in any order, then call
 * compiler_run().  Only rows that changed, and rows that refer to those, are
 * compiled again.
 *
 * A row that cannot be accepted is refused as a whole: it adds nothing to the
 * relations, so what it would have opened stays closed, and its status says
 * why.  When two rows contradict each other (two containers with one address,
 * for example), the one that was accepted before stays.  "Before" survives a
 * restart: a row whose status column already says "active" goes first.
 *
 * The rows are given as the structures of the database's IDL, but nothing
 * here does I/O, and a test can fill in such structures by hand: only
 * 'header_.uuid' and the columns are read, of a referenced row only
 * 'header_.uuid' (CIDR_Block rows: their columns, too).  Nothing is kept of
 * them.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>

#include "controller/depmap.h"
#include "controller/flow-table.h"
#include "controller/netmap.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct bsrec_bastion;
struct bsrec_container;
struct bsrec_dependency;
struct bsrec_network;
struct bsrec_service;

/* How Neighbor Solicitations are answered. */
enum nd_responder {
    ND_RESPONDER_AUTO,          /* As the bridge's datapath allows. */
    ND_RESPONDER_FLOW,          /* In OpenFlow; userspace datapath only. */
    ND_RESPONDER_PACKET_IN      /* By the controller, metered. */
};

struct compiler;
struct map_table;

struct compiler *compiler_create(void);
void compiler_destroy(struct compiler *);

/* Rows of the database. */
void compiler_set_network(struct compiler *, const struct bsrec_network *);
void compiler_set_service(struct compiler *, const struct bsrec_service *);
void compiler_set_container(struct compiler *, const struct bsrec_container *);
void compiler_set_dependency(struct compiler *,
                             const struct bsrec_dependency *);
/* The row with the given UUID, of whatever table, is gone. */
void compiler_remove_row(struct compiler *, const struct uuid *);
/* 'node' is the name of this node: a container whose 'node' column names
 * another one is not looked for here. */
void compiler_set_node(struct compiler *, const char *node);
void compiler_set_options(struct compiler *, enum enforcement default_,
                          enum nd_responder);

/* Bridges and ports of this node.  A port is known by its bridge and its
 * interface's name.  'ofport' is OFPP_NONE if the interface has none (yet).
 * The bridge's own local port is one of them (OFPP_LOCAL). */
void compiler_set_bridge(struct compiler *, const char *bridge,
                         bool userspace_datapath);
void compiler_remove_bridge(struct compiler *, const char *bridge);
void compiler_set_port(struct compiler *, const char *bridge,
                       const char *interface, ofp_port_t ofport,
                       struct eth_addr mac);
/* 'ifindex' is that of the interface whose packets the fast path takes for
 * the port, and 'mtu' its MTU.  The fast path of a port is off until it is
 * set, and with 'ifindex' 0. */
void compiler_set_fastpath(struct compiler *, const char *bridge,
                           const char *interface, uint32_t ifindex,
                           uint32_t mtu);
void compiler_remove_port(struct compiler *, const char *bridge,
                          const char *interface);
/* Every address that the host itself has, except loopback and link-local.  */
void compiler_set_host_addresses(struct compiler *,
                                 const struct in6_addr *, size_t n);

/* Compiles what changed.  Returns true if anything did. */
bool compiler_run(struct compiler *);

/* Releases and claims every flow again.  The result must be the same; see
 * flow_table_diff(). */
void compiler_recompute(struct compiler *);

/* Returns a new compiler that has been told everything that 'c' knows, and
 * has compiled it from nothing.  The caller must destroy it. */
struct compiler *compiler_clone(const struct compiler *c);

/* The desired flows of 'bridge', or NULL if no network names it or the bridge
 * is not known.  A network that is refused counts: it closes its bridge.  The
 * table lives until compiler_run() after the bridge has gone or the last
 * network has left it. */
struct flow_table *compiler_get_flows(const struct compiler *,
                                      const char *bridge);
const struct netmap *compiler_get_netmap(const struct compiler *);
const struct depmap *compiler_get_depmap(const struct compiler *);
/* The desired entries of the fast path's maps. */
struct map_table *compiler_get_maps(const struct compiler *);
enum nd_responder compiler_get_nd_responder(const struct compiler *,
                                            const char *bridge);

/* The status of a row: "active", or "error: ...", or NULL if the compiler
 * does not know the row. */
const char *compiler_get_status(const struct compiler *, const struct uuid *);

/* What a row is, for people: "network web", "dependency web/a -> web/b".  The
 * caller frees it.  NULL if the compiler does not know the row. */
char *compiler_describe_row(const struct compiler *, const struct uuid *);

/* Calls 'cb' for each row whose status has changed since the last call. */
void compiler_for_each_new_status(
    struct compiler *,
    void (*cb)(const struct uuid *, const char *status, void *aux),
    void *aux);

/* Counts, for memory/show and bastion/show. */
struct compiler_usage {
    size_t n_networks, n_services, n_containers, n_dependencies;
    size_t n_refused;           /* Rows with an error. */
    size_t n_flows;
    unsigned long long int n_compiled;  /* Rows compiled since the start. */
};
void compiler_get_usage(const struct compiler *, struct compiler_usage *);

#endif /* compiler.h */
