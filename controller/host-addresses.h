/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_HOST_ADDRESSES_H
#define BASTION_HOST_ADDRESSES_H 1

/* The host's own addresses
 * ========================
 *
 * Watches which IP addresses the host has, of all its interfaces, except
 * loopback, link-local and multicast ones.  The broadcast and anycast
 * addresses of its interfaces' subnets are among them, because what is sent
 * there is delivered to the host.  The kernel tells of changes, so that
 * nothing wakes up in vain.
 *
 * Usage: when host_addresses_run() returns true, and it does the first time,
 * take the new set with host_addresses_get().
 *
 * Thread-safety: none. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct host_addresses;

struct host_addresses *host_addresses_create(void);
void host_addresses_destroy(struct host_addresses *);

/* Returns true if the set has changed since the last call. */
bool host_addresses_run(struct host_addresses *);
void host_addresses_wait(struct host_addresses *);

/* The addresses, ascending, without duplicates; an IPv4 address is v4-mapped.
 * They live until the next host_addresses_run(). */
const struct in6_addr *host_addresses_get(const struct host_addresses *,
                                          size_t *n);

#endif /* host-addresses.h */
