/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTIONCTL_END_H
#define BASTIONCTL_END_H 1

/* One end of a connection, as the rows of the database say what it is.
 *
 * The caller of the functions that initialize a struct end sets it to zeros
 * before and frees it with end_destroy() after, even if they fail.  It refers
 * to rows, hence is valid as long as the database does not change. */

#include <stdbool.h>
#include <stddef.h>

struct address_cuts;
struct bsrec_container;
struct bsrec_network;
struct bsrec_service;
struct ctl_context;
struct in6_addr;

enum end_type {
    END_CONTAINER,
    END_SERVICE,                /* Each container of a service. */
    END_HOST,
    END_WORLD,                  /* An outside address, or any of them. */
    END_OTHER                   /* An address that is none of the above. */
};

struct end {
    enum end_type type;
    const struct bsrec_container *container;    /* END_CONTAINER only. */
    const struct bsrec_service *service;        /* Or END_SERVICE. */
    const struct in6_addr *ips; /* The addresses it may use. */
    size_t n_ips;               /* May be 0, except for END_CONTAINER. */
    char *name;                 /* For messages.  Owned. */
    struct in6_addr *storage;   /* Owned. */
};

void end_init_container(struct end *, const struct bsrec_container *);
void end_init_ip(struct ctl_context *, struct end *, const struct in6_addr *,
                 const struct bsrec_network *);
bool end_init_destination(struct ctl_context *, struct end *,
                          const char *text, const struct bsrec_network *);
void end_destroy(struct end *);

const struct bsrec_service *end_service(const struct end *);
bool has_subnet_for(const struct bsrec_network *, const struct in6_addr *);

void cut_at(struct address_cuts *, const char *text);
void cut_at_each(struct address_cuts *, char *const *texts, size_t n);
void cut_at_ends(struct ctl_context *, struct address_cuts *);

#endif /* utilities/bastionctl-end.h */
