/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ROW_H
#define BASTION_ROW_H 1

/* Copies of database rows
 * =======================
 *
 * What the compiler keeps of a row of the Bastion database: its columns as
 * they are, unchecked, and what became of it.  References are UUIDs, so that
 * a row can be kept while what it refers to comes and goes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"
#include "svec.h"

struct bsrec_container;
struct bsrec_dependency;
struct bsrec_network;
struct bsrec_service;

/* In the order in which rows are compiled: each kind refers to those before
 * it only. */
enum row_kind {
    ROW_NETWORK,
    ROW_SERVICE,
    ROW_CONTAINER,
    ROW_DEPENDENCY,
    ROW_N_KINDS
};

struct row_network {
    char *name;
    int64_t key;
    struct svec subnets;
    char *bridge;
    struct svec gateways;
    char *gateway_mac;          /* May be NULL. */
    char *gateway_port;         /* May be NULL. */
    struct svec dhcp_servers;
    char *enforcement;          /* May be NULL. */
    bool fast_path;
};

struct row_service {
    char *name;
    struct uuid network;
    int64_t identity;
    char *isolate;
};

struct row_container {
    char *name;
    struct uuid service;
    char *interface;
    char *node;                 /* May be NULL. */
    char *mac;
    struct svec ips;
    bool fast_path;
};

struct row_cidr {
    char *prefix;
    struct svec except;
};

struct row_peers {
    struct uuid *services;
    size_t n_services;
    struct row_cidr *cidrs;
    size_t n_cidrs;
    struct svec special;
};

struct row_dependency {
    char *direction;
    struct row_peers sources;
    struct row_peers destinations;
    struct svec policies;
};

struct row {
    struct hmap_node uuid_node;
    struct hmap_node interface_node;    /* Containers only, by interface. */
    struct uuid uuid;
    enum row_kind kind;
    union {
        struct row_network network;
        struct row_service service;
        struct row_container container;
        struct row_dependency dependency;
    };

    struct ovs_list list_node;  /* In the compiler's 'dirty' or 'refused'
                                 * list, or empty. */
    bool dirty;                 /* Has to be compiled (again). */
    bool accepted;              /* Is in the netmap or depmap. */
    bool senior;                /* Was accepted when it last changed. */
    char *status;               /* NULL before it was first compiled. */
    struct ovs_list status_node;    /* In the compiler's 'new_statuses' list
                                     * until 'status' is reported, or empty. */
    uint32_t conj_id;           /* Dependencies only; nonzero while used. */
};

/* Each returns a new row that the caller must destroy. */
struct row *row_from_network(const struct bsrec_network *);
struct row *row_from_service(const struct bsrec_service *);
struct row *row_from_container(const struct bsrec_container *);
struct row *row_from_dependency(const struct bsrec_dependency *);
struct row *row_clone(const struct row *);
void row_destroy(struct row *);

bool row_columns_equal(const struct row *, const struct row *);

#endif /* row.h */
