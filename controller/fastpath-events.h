/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FASTPATH_EVENTS_H
#define BASTION_FASTPATH_EVENTS_H 1

/* Events of the fast path
 * =======================
 *
 * Reads what the programs report about packets from their ring buffer, keeps
 * the latest, and logs some.  The programs limit the rate of each container;
 * here, the ring is looked at ten times a second at most, so that containers
 * cannot keep the controller busy.
 *
 * Thread-safety: none. */

#include <stddef.h>

struct ds;
struct fastpath_events;
struct json;
struct netmap;

/* How many are kept. */
#define FASTPATH_EVENTS_MAX 512

/* 'map_fd' is that of the map "events".  Returns NULL if it cannot be read. */
struct fastpath_events *fastpath_events_create(int map_fd);
void fastpath_events_destroy(struct fastpath_events *);

void fastpath_events_run(struct fastpath_events *);
void fastpath_events_wait(struct fastpath_events *);

/* The events that are kept, the oldest first: a line for each, or an array
 * that the caller must free. */
void fastpath_events_format(const struct fastpath_events *,
                            const struct netmap *, struct ds *);
struct json *fastpath_events_to_json(const struct fastpath_events *,
                                     const struct netmap *);

#endif /* fastpath-events.h */
