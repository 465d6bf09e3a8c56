/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ROW_PARSE_H
#define BASTION_ROW_PARSE_H 1

/* Parsing of database rows
 * ========================
 *
 * What the columns of a row mean, checked by themselves and against the
 * netmap, which holds the rows accepted so far.
 *
 * Each function fills in the last argument, whose members must be zero but
 * for those that its comment names, and returns NULL if the row is
 * acceptable, otherwise why it is not, a string that the caller must free.
 * In any case, what the members point to is the caller's. */

#include "controller/netmap.h"

struct depmap_rule;
struct row_container;
struct row_dependency;
struct row_network;

/* 'network' needs its name and bridge, and must not be in 'netmap' yet. */
char *row_parse_network(const struct row_network *, const struct netmap *,
                        enum enforcement default_,
                        struct netmap_network *network);

/* 'endpoint' needs its service, and must not be in 'netmap' yet. */
char *row_parse_container(const struct row_container *, const struct netmap *,
                          struct netmap_endpoint *endpoint);

/* Stores the network of the services that 'rule' names into '*network', which
 * must be NULL before. */
char *row_parse_dependency(const struct row_dependency *,
                           const struct netmap *, struct depmap_rule *rule,
                           const struct netmap_network **network);

#endif /* row-parse.h */
