/* SPDX-License-Identifier: Apache-2.0 */

#ifndef KEYSTONE_WORLD_H
#define KEYSTONE_WORLD_H 1

/* Random databases
 * ================
 *
 * A world is the contents of a Bastion database, and the bridges and ports of
 * a node, all of it random, together with the compiler that is told of it.
 * Most of it makes sense; some rows are bad on purpose or contradict others.
 *
 * All randomness comes from lib/random of Open vSwitch, so that a seed
 * determines everything. */

#include <stdbool.h>
#include <stddef.h>

struct compiler;

/* Bridges have the names "br0", "br1", ... and ports have OpenFlow port
 * numbers from 1 to WORLD_MAX_OFPORT. */
#define WORLD_N_BRIDGES 2
#define WORLD_MAX_OFPORT 48

/* Fast path ports have ifindexes from here, at most WORLD_N_BRIDGES *
 * (WORLD_MAX_OFPORT + 1) of them. */
#define WORLD_IFINDEX 100

struct world;

/* One row in 'quality' is bad. */
struct world *world_create(size_t n_networks, unsigned int quality);
void world_destroy(struct world *);

struct compiler *world_compiler(const struct world *);

/* Makes one random change to the world and tells the compiler of it.  Returns
 * a description, which the next call overwrites. */
const char *world_change(struct world *);

/* Starts over with a new compiler, as after a restart of the controller: it
 * finds in the database what the old one made of each row.  Returns the old
 * compiler, which the caller must destroy. */
struct compiler *world_restart(struct world *);

bool chance(unsigned int percent);
unsigned int pick(unsigned int n);

#endif /* tests/keystone-world.h */
