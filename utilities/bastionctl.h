/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTIONCTL_H
#define BASTIONCTL_H 1

/* What the parts of bastionctl share.
 *
 * Each group of verbs is a source file that ends in its table of commands.
 * A verb reads rows through the index below, which finds them by the names
 * that operators use, reports the first bad argument with bad_argument() or
 * ctl_error(), and only then changes rows: so an error changes nothing. */

#include <stdbool.h>
#include <stddef.h>
#include "db-ctl-base.h"
#include "lib/bastion-idl.h"
#include "openvswitch/shash.h"

struct svec;

/* Rows by name.  A key of 'claims' is something that at most one row may have,
 * in words ("IP shop/10.0.0.1"), and its value is the row that has it. */
struct row_index {
    bool valid;
    bool has_conflicts;         /* Do two rows claim one thing? */
    struct shash networks;      /* NETWORK -> struct bsrec_network. */
    struct shash services;      /* NETWORK/SERVICE -> bsrec_service. */
    struct shash containers;    /* NETWORK/SERVICE/NAME -> bsrec_container. */
    struct shash claims;

    bool dependencies_valid;
    struct shash dependencies;  /* SRC " " DST " " DIRECTION -> row.  May hold
                                 * several rows with one key. */
};

struct bastionctl_context {
    struct ctl_context base;
    const struct bsrec_bastion *root;   /* NULL only if no command writes. */
    bool json_output;           /* Will tables be printed as JSON? */
    struct row_index index;
    int exit_status;            /* If everything goes well. */
};

struct bastionctl_context *bastionctl_context_cast(struct ctl_context *);

/* Command tables.  Commands of 'domain_commands' that write are safe against
 * concurrent ones; see verify_generation(). */
extern const struct ctl_command_syntax check_commands[];
extern const struct ctl_command_syntax container_commands[];
extern const struct ctl_command_syntax dependency_commands[];
extern const struct ctl_command_syntax fastpath_commands[];
extern const struct ctl_command_syntax map_commands[];
extern const struct ctl_command_syntax network_commands[];
extern const struct ctl_command_syntax platform_commands[];
extern const struct ctl_command_syntax server_commands[];

void print_usage(const char *default_db);

/* Prerequisites: columns to replicate. */
void pre_inventory(struct ctl_context *);
void pre_dependencies(struct ctl_context *);
void pre_everything(struct ctl_context *);

/* Index of rows. */
void row_index_init(struct row_index *);
void row_index_destroy(struct row_index *);
void row_index_invalidate(struct ctl_context *);
const struct row_index *inventory(struct ctl_context *);
const struct row_index *inventory_with_dependencies(struct ctl_context *);
void index_network(struct ctl_context *, const struct bsrec_network *);
void index_service(struct ctl_context *, const struct bsrec_service *);
void index_container(struct ctl_context *, const struct bsrec_container *);
void index_dependency(struct ctl_context *, const struct bsrec_dependency *);
void unindex_container(struct ctl_context *, const struct bsrec_container *);
void unindex_dependency(struct ctl_context *, struct shash_node *);

/* Each returns NULL if there is no such row; then, if 'must_exist', it has
 * also reported an error. */
const struct bsrec_network *find_network(struct ctl_context *,
                                         const char *name, bool must_exist);
const struct bsrec_service *find_service(struct ctl_context *,
                                         const char *network_and_name,
                                         bool must_exist);
const struct bsrec_container *find_container(struct ctl_context *,
                                             const char *reference,
                                             bool must_exist);
const void *find_claim(struct ctl_context *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

/* Names and texts of rows.  The caller must free() a returned string. */
char *service_name(const struct bsrec_service *);
char *container_name(const struct bsrec_container *);
char *canonical_ip(const char *);
char *canonical_mac(const char *);
void dependency_peers(const struct bsrec_dependency *, bool source,
                      struct svec *);
char *dependency_peer_text(const struct bsrec_dependency *, bool source);
bool status_is_error(const char *status);

/* Errors. */
void bad_argument(struct ctl_context *, const char *argument, char *reason);
bool check_name_argument(struct ctl_context *, const char *argument,
                         const char *name);
bool check_service_argument(struct ctl_context *, const char *argument,
                            const char *network_and_name);

/* The table that a command prints. */
void new_table(struct ctl_context *, const char *const headings[]);
void add_row(struct ctl_context *);
void add_text(struct ctl_context *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
void add_texts(struct ctl_context *, char *const *texts, size_t n);

#endif /* bastionctl.h */
