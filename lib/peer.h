/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_PEER_H
#define BASTION_PEER_H 1

/* One side of a dependency, as an operator writes it in one argument.
 *
 *     NETWORK/SERVICE                   the containers of a service
 *     host                              the node itself
 *     world                             addresses outside every network
 *     any                               everything
 *     cidr:PREFIX[,except=PREFIX,...]   addresses
 *
 * All the functions are pure, hence safe in any thread. */

#include <stdbool.h>
#include <stddef.h>
#include "address.h"

struct ds;

enum peer_type {
    PEER_SERVICE,
    PEER_HOST,
    PEER_WORLD,
    PEER_CIDR,
    PEER_ANY,
};

struct peer {
    enum peer_type type;

    /* PEER_SERVICE only, otherwise NULL.  Owned. */
    char *network;
    char *service;

    /* PEER_CIDR only.  Each exception is a proper part of 'prefix'; they are
     * in ascending order, without duplicates.  Owned. */
    struct ip_prefix prefix;
    struct ip_prefix *except;
    size_t n_except;
};

char *peer_parse(const char *, struct peer *) OVS_WARN_UNUSED_RESULT;
void peer_destroy(struct peer *);
void peer_format(const struct peer *, struct ds *);

char *name_check(const char *) OVS_WARN_UNUSED_RESULT;

#endif /* lib/peer.h */
