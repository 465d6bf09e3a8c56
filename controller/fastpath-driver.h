/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FASTPATH_DRIVER_H
#define BASTION_FASTPATH_DRIVER_H 1

/* Fast path driver
 * ================
 *
 * Decides which ports are on the fast path, and how, and keeps its maps in
 * step with the flows: what is no longer allowed leaves the maps before it
 * leaves the flow tables, and what is newly allowed comes into the maps after
 * the switches have acknowledged it.  So the fast path never lets pass what
 * Open vSwitch would not.
 *
 * In the main loop, in this order:
 *
 *     fastpath_driver_run(d, node_ovs, compiler);
 *     compiler_run(compiler);
 *     fastpath_driver_compiled(d, compiler);
 *     ...send the flows...
 *     if (every flow is acknowledged) {
 *         fastpath_driver_acked(d, compiler);
 *     }
 *
 * Thread-safety: none. */

#include <stdbool.h>

struct compiler;
struct ds;
struct json;
struct fastpath_driver;
struct in6_addr;
struct node_ovs;
struct row_statistics;
struct sim_packet;
struct sim_verdict;

/* 'directory' is where pins go; see fastpath_create(). */
struct fastpath_driver *fastpath_driver_create(const char *directory);
void fastpath_driver_destroy(struct fastpath_driver *);

/* While the fast path is disabled, shadow ports still need its programs, but
 * everything goes to Open vSwitch; other ports do not have them.  Nothing is
 * loaded, attached or pinned unless a port needs it. */
void fastpath_driver_set_enabled(struct fastpath_driver *, bool);

/* Says that 'bridge' has been found to have flows that are not Bastion's.  Its
 * ports are off for a while. */
void fastpath_driver_set_foreign_flows(struct fastpath_driver *,
                                       const char *bridge);

void fastpath_driver_run(struct fastpath_driver *, const struct node_ovs *,
                         struct compiler *);
void fastpath_driver_wait(struct fastpath_driver *);
void fastpath_driver_compiled(struct fastpath_driver *, struct compiler *);
void fastpath_driver_acked(struct fastpath_driver *, struct compiler *);

/* Appends what there is to say about 'interface', or about all ports if it is
 * NULL, for a person.  Returns false if 'interface' is not a container's. */
bool fastpath_driver_format(const struct fastpath_driver *,
                            const struct node_ovs *, const struct compiler *,
                            const char *interface, struct ds *);

/* The same for a program, an array with an object for each port, which the
 * caller must free, or NULL. */
struct json *fastpath_driver_to_json(const struct fastpath_driver *,
                                     const struct node_ovs *,
                                     const struct compiler *,
                                     const char *interface);

/* Says which path a packet from 'interface' of bridge 'packet->bridge' to
 * 'destination' takes, and why, a text that the caller must free. */
char *fastpath_driver_explain(const struct fastpath_driver *,
                              const struct node_ovs *,
                              const struct compiler *, const char *interface,
                              const struct in6_addr *destination,
                              const struct sim_packet *packet,
                              const struct sim_verdict *);

/* The connections of the fast path: a line for each, or an array that the
 * caller must free. */
void fastpath_driver_format_connections(const struct fastpath_driver *,
                                        const struct compiler *, struct ds *);
struct json *fastpath_driver_connections_to_json(
    const struct fastpath_driver *, const struct compiler *);

/* The latest events of the fast path, in the same ways. */
void fastpath_driver_format_events(const struct fastpath_driver *,
                                   const struct compiler *, struct ds *);
struct json *fastpath_driver_events_to_json(const struct fastpath_driver *,
                                            const struct compiler *);

/* See fastpath_kill_after(). */
void fastpath_driver_kill_after(const struct fastpath_driver *,
                                unsigned int n);

/* Adds what the programs have dropped, or let pass because of audit mode. */
void fastpath_driver_add_drops(const struct fastpath_driver *,
                               struct row_statistics *);

/* Compares the maps with what is desired; see fastpath_verify(). */
int fastpath_driver_verify(const struct fastpath_driver *,
                           const struct compiler *, struct ds *diff);

#endif /* fastpath-driver.h */
