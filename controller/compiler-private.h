/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_COMPILER_PRIVATE_H
#define BASTION_COMPILER_PRIVATE_H 1

/* What the parts of the compiler share.  compiler.c takes the input and knows
 * what has to be compiled again, compiler-rows.c puts rows into the relations
 * and takes them out, compiler-bridges.c keeps the flow tables of bridges, and
 * compiler-describe.c puts rows into words.  Nobody else includes this. */

#include "controller/compiler.h"
#include "controller/depmap.h"
#include "controller/map-table.h"
#include "controller/netmap.h"
#include "controller/pipeline.h"
#include "controller/row.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

/* Owners of flows that come from no row. */
extern const struct uuid compiler_static_owner;
extern const struct uuid compiler_host_owner;

/* A port of a bridge. */
struct compiler_port {
    ofp_port_t ofport;
    struct eth_addr mac;
    uint32_t ifindex;           /* Of the fast path, 0 if it is off. */
    uint32_t mtu;
};

/* A bridge of this node. */
struct compiler_bridge {
    char *name;
    bool userspace;
    struct shash ports;         /* Of "struct compiler_port", by interface. */
    struct flow_table *flows;   /* NULL until a network needs it. */
    bool dirty;                 /* Static flows have to be rendered again. */
};

struct compiler {
    /* Input. */
    struct hmap rows;           /* By UUID. */
    struct hmap interfaces;     /* Container rows by interface. */
    struct shash bridges;       /* Of "struct compiler_bridge". */
    char *node;                 /* May be NULL. */
    enum enforcement default_enforcement;
    enum nd_responder nd_responder;
    struct in6_addr *host_addresses;
    size_t n_host_addresses;
    bool host_dirty;
    struct ovs_list dirty[ROW_N_KINDS];     /* Rows to be compiled. */
    struct ovs_list refused[ROW_N_KINDS];   /* Rows with an error. */
    struct ovs_list new_statuses;   /* Rows whose status is news. */
    bool retry[ROW_N_KINDS];    /* Refused rows may be acceptable now. */

    /* Output. */
    struct netmap netmap;
    struct depmap depmap;
    struct map_table maps;
    struct hmap conj_ids;       /* Of "struct conj_id". */
    struct ovs_list graveyard;  /* Of "struct dead_table". */
    unsigned long long int n_compiled;
};

/* compiler.c. */
struct row *compiler_find_row(const struct compiler *, const struct uuid *);
void compiler_mark_dirty(struct compiler *, struct row *);

/* compiler-rows.c. */
void compiler_compile_rows(struct compiler *, enum row_kind);
void compiler_withdraw_row(struct compiler *, struct row *);

/* compiler-bridges.c. */
struct compiler_bridge *compiler_find_bridge(const struct compiler *,
                                             const char *name);
struct compiler_port *compiler_find_port(const struct compiler *,
                                         const char *bridge_name,
                                         const char *interface);
struct pipeline compiler_bridge_pipeline(const struct compiler *,
                                         const struct compiler_bridge *);
void compiler_bridge_destroy(struct compiler_bridge *);
void compiler_create_flows(struct compiler *, struct compiler_bridge *);
void compiler_release(struct compiler *, const struct uuid *owner);
void compiler_bury_flows(struct compiler *, struct compiler_bridge *);
void compiler_empty_graveyard(struct compiler *);
bool compiler_render_bridges(struct compiler *);
bool compiler_update_flow_tables(struct compiler *);

#endif /* compiler-private.h */
