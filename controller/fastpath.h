/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FASTPATH_H
#define BASTION_FASTPATH_H 1

/* Fast path
 * =========
 *
 * Loads the eBPF programs of bpf/, attaches them to the ports of containers
 * and keeps their maps equal to a map_table.
 *
 * A container's packets come from the host's end of its veth pair, the *veth*.
 * How the programs get hold of them depends on the datapath:
 *
 *     direct  The veth is a port of a kernel datapath.  The program runs
 *             before Open vSwitch gets to see a packet, and what it lets pass
 *             goes on to Open vSwitch.
 *
 *     shadow  A userspace datapath would read the veth before the program
 *             does, so the veth is not a port of the bridge.  The port is an
 *             internal interface, the *tap*: the program sends to it what Open
 *             vSwitch has to decide about, and a second program, on the tap,
 *             takes what Open vSwitch sends to the container.
 *
 * Programs, links and maps are pinned in a bpf file system, so that they go on
 * working when the controller stops, and the next one takes them over.
 *
 * Everything here can fail without harm: the port's traffic is Open vSwitch's
 * then.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stdint.h>

struct bastion_connection;
struct bastion_connection_key;
struct ds;
struct fastpath_events;
struct json;
struct map_table;

enum fastpath_mode {
    FASTPATH_OFF,
    FASTPATH_DIRECT,
    FASTPATH_SHADOW
};

/* Counters of a port, summed over CPUs. */
struct fastpath_port_stats {
    uint64_t delivered_packets, delivered_bytes;
    uint64_t slow_packets, slow_bytes;
    uint64_t dropped_packets, dropped_bytes;
};

struct fastpath;

/* Loads the programs with their pins in 'directory', which must be in a bpf
 * file system and is created if necessary.  Never returns NULL; if something
 * went wrong, fastpath_get_error() says what. */
struct fastpath *fastpath_create(const char *directory);

/* Leaves everything attached and pinned. */
void fastpath_destroy(struct fastpath *);

/* Detaches everything that is pinned in 'directory', whoever did it, and
 * removes 'directory'.  Nothing happens if that does not exist. */
void fastpath_clean(const char *directory);

/* Why the fast path cannot be used at all, or NULL if it can. */
const char *fastpath_get_error(const struct fastpath *);

/* For tests: has the process killed right before the 'n'th write of a map from
 * now on. */
void fastpath_kill_after(struct fastpath *, unsigned int n);

void fastpath_run(struct fastpath *);
void fastpath_wait(struct fastpath *);

/* Says that 'veth' should be attached in 'mode', with 'tap' in mode
 * FASTPATH_SHADOW, or detached in mode FASTPATH_OFF. */
void fastpath_set_port(struct fastpath *, const char *veth,
                       enum fastpath_mode mode, const char *tap);

/* Detaches what an earlier controller has attached to interfaces that are none
 * of the ports. */
void fastpath_sweep(struct fastpath *);

/* Returns the ifindex of 'veth' and stores its MTU if it is attached, else 0.
 * If it should be attached but is not, '*reasonp' says why. */
uint32_t fastpath_get_port(const struct fastpath *, const char *veth,
                           uint32_t *mtu, const char **reasonp);

/* Returns a number that changes whenever a result of fastpath_get_port() may
 * have changed. */
uint64_t fastpath_get_seqno(const struct fastpath *);

/* Deletes entries that are in the maps but not in 'table', and makes all of
 * the table's entries additions.  For entries of an earlier controller. */
void fastpath_adopt(struct fastpath *, struct map_table *table);
void fastpath_remove(struct fastpath *, struct map_table *);
void fastpath_add(struct fastpath *, struct map_table *);

/* Compares the maps with 'table' and appends a line for each difference to
 * 'diff'.  Returns the number of differences. */
int fastpath_verify(const struct fastpath *, const struct map_table *table,
                    struct ds *diff);

bool fastpath_get_port_stats(const struct fastpath *, const char *veth,
                             struct fastpath_port_stats *);

/* One of the counters of bastion/bpf-abi.h, summed over CPUs. */
void fastpath_get_counter(const struct fastpath *, unsigned int counter,
                          uint64_t *packets, uint64_t *bytes);

/* Calls 'cb' for the connections.  'now' is the time on their clock.  They
 * come and go meanwhile. */
void fastpath_for_each_connection(
    const struct fastpath *,
    void (*cb)(const struct bastion_connection_key *,
               const struct bastion_connection *, uint64_t now, void *aux),
    void *aux);

/* What the programs have reported, or NULL. */
const struct fastpath_events *fastpath_get_events(const struct fastpath *);

/* The number of entries in each map that has the controller's or the programs'
 * entries, for a person and for a program. */
void fastpath_format_maps(const struct fastpath *, struct ds *);

/* Text about 'veth' for a person: mode, attachment, counters. */
void fastpath_format_port(const struct fastpath *, const char *veth,
                          struct ds *);

/* The same for a program, an object that the caller must free. */
struct json *fastpath_port_to_json(const struct fastpath *, const char *veth);

#endif /* fastpath.h */
