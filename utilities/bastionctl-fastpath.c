/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <string.h>

#include "util.h"

/* Verbs for the fast path. */

#define FAST_PATH "fast-path"

static void
pre_fastpath(struct ctl_context *ctx)
{
    pre_inventory(ctx);
    ovsdb_idl_add_column(ctx->idl, &bsrec_bastion_col_options);
    ovsdb_idl_add_column(ctx->idl, &bsrec_network_col_other_config);
    ovsdb_idl_add_column(ctx->idl, &bsrec_container_col_options);
}

/* The fast path is on wherever nothing turns it off, so turning it on takes
 * that away. */
static void
set_root(const struct bsrec_bastion *root, bool on)
{
    if (on) {
        bsrec_bastion_update_options_delkey(root, FAST_PATH);
    } else {
        bsrec_bastion_update_options_setkey(root, FAST_PATH, "false");
    }
}

static void
set_network(const struct bsrec_network *network, bool on)
{
    if (on) {
        bsrec_network_update_other_config_delkey(network, FAST_PATH);
    } else {
        bsrec_network_update_other_config_setkey(network, FAST_PATH, "false");
    }
}

static void
set_container(const struct bsrec_container *container, bool on)
{
    if (on) {
        bsrec_container_update_options_delkey(container, FAST_PATH);
    } else {
        bsrec_container_update_options_setkey(container, FAST_PATH, "false");
    }
}

static void
set_fast_path(struct ctl_context *ctx, bool on)
{
    if (ctx->argc < 2) {
        set_root(bastionctl_context_cast(ctx)->root, on);
        return;
    }

    const char *name = ctx->argv[1];
    const struct bsrec_network *network = find_network(ctx, name, false);
    const struct bsrec_container *container
        = find_container(ctx, name, !network);

    if (network && container) {
        char *full_name = container_name(container);

        ctl_error(ctx, "there are a network and a container named %s; for the "
                  "container, use %s, for the network, \"set network\"", name,
                  full_name);
        free(full_name);
    } else if (network) {
        set_network(network, on);
    } else if (container) {
        set_container(container, on);
    }
}

static void
cmd_fastpath_on(struct ctl_context *ctx)
{
    set_fast_path(ctx, true);
}

static void
cmd_fastpath_off(struct ctl_context *ctx)
{
    set_fast_path(ctx, false);
}

const struct ctl_command_syntax fastpath_commands[] = {
    {"fastpath-on", 0, 1, "[NETWORK|CONTAINER]", pre_fastpath,
     cmd_fastpath_on, NULL, "", RW},
    {"fastpath-off", 0, 1, "[NETWORK|CONTAINER]", pre_fastpath,
     cmd_fastpath_off, NULL, "", RW},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
