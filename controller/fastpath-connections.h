/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FASTPATH_CONNECTIONS_H
#define BASTION_FASTPATH_CONNECTIONS_H 1

/* The fast path's connections
 * ===========================
 *
 * Prints entries of the map "connections", with the names of networks and
 * containers.  It does no I/O.
 *
 * Thread-safety: none. */

#include <stdint.h>

struct bastion_connection;
struct bastion_connection_key;
struct ds;
struct json;
struct netmap;

/* 'now' is the time on the clock of the entry's 'last_seen'. */
void fastpath_connection_format(const struct netmap *,
                                const struct bastion_connection_key *,
                                const struct bastion_connection *,
                                uint64_t now, struct ds *);
struct json *fastpath_connection_to_json(const struct netmap *,
                                         const struct bastion_connection_key *,
                                         const struct bastion_connection *,
                                         uint64_t now);

#endif /* fastpath-connections.h */
