/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <limits.h>
#include <string.h>

#include "smap.h"
#include "util.h"

/* Verbs for platforms. */

static void
pre_platforms(struct ctl_context *ctx)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &bsrec_platform_col_name, &bsrec_platform_col_type,
        &bsrec_platform_col_endpoint, &bsrec_platform_col_network,
        &bsrec_platform_col_credentials, &bsrec_platform_col_selectors,
        &bsrec_platform_col_options, &bsrec_platform_col_status,
    };

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(ctx->idl, columns[i]);
    }
}

static const struct bsrec_platform *
find_platform(struct ctl_context *ctx, const char *name)
{
    const struct bsrec_platform *platform;

    BSREC_PLATFORM_FOR_EACH (platform, ctx->idl) {
        if (!strcmp(platform->name, name)) {
            return platform;
        }
    }
    return NULL;
}

/* The arguments of platform-add, checked. */
struct platform_settings {
    const char *type;
    const char *endpoint;
    const char *name;
    const char *network;        /* NULL if not given. */
    struct smap credentials;
    struct smap selectors;
    struct smap options;
};

static bool
parse_platform_setting(struct ctl_context *ctx, const char *argument,
                       struct platform_settings *settings)
{
    static const char *const credentials[] = {
        "ca-cert", "certificate", "private-key", "token",
    };
    static const char *const selectors[] = {
        "networks", "labels", "namespaces",
    };
    size_t key_len = strcspn(argument, "=");
    const char *value = argument + key_len + 1;
    struct smap *map = &settings->options;

    if (!argument[key_len] || !key_len || !*value) {
        ctl_error(ctx, "%s: expected KEY=VALUE", argument);
        return false;
    }

    char *key = xmemdup0(argument, key_len);
    for (size_t i = 0; i < ARRAY_SIZE(credentials); i++) {
        map = strcmp(key, credentials[i]) ? map : &settings->credentials;
    }
    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
        map = strcmp(key, selectors[i]) ? map : &settings->selectors;
    }
    if (!strcmp(key, "name")) {
        settings->name = value;
    } else if (!strcmp(key, "network")) {
        settings->network = value;
    } else {
        smap_replace(map, key, value);
    }
    free(key);
    return true;
}

static bool
check_platform(struct ctl_context *ctx,
               const struct platform_settings *settings)
{
    static const char *const types[] = { "docker", "kubernetes", "podman" };
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        known = known || !strcmp(settings->type, types[i]);
    }
    if (!known) {
        bad_argument(ctx, "TYPE", xasprintf("%s: expected docker, podman or "
                                            "kubernetes", settings->type));
        return false;
    }
    if (!strcmp(settings->name, "cni")) {
        bad_argument(ctx, "name", xstrdup("cni: is what bastion-cni calls "
                                          "itself in the database"));
        return false;
    }
    return (check_name_argument(ctx, "name", settings->name)
            && (!settings->network
                || check_name_argument(ctx, "network", settings->network)));
}

static void
set_platform(const struct bsrec_platform *platform,
             const struct platform_settings *settings)
{
    bsrec_platform_set_endpoint(platform, settings->endpoint);
    bsrec_platform_set_network(platform, settings->network);
    bsrec_platform_set_credentials(platform, &settings->credentials);
    bsrec_platform_set_selectors(platform, &settings->selectors);
    bsrec_platform_set_options(platform, &settings->options);
}

static bool
same_platform(const struct bsrec_platform *platform,
              const struct platform_settings *settings)
{
    return (!strcmp(platform->type, settings->type)
            && !strcmp(platform->endpoint, settings->endpoint)
            && nullable_string_is_equal(platform->network, settings->network)
            && smap_equal(&platform->credentials, &settings->credentials)
            && smap_equal(&platform->selectors, &settings->selectors)
            && smap_equal(&platform->options, &settings->options));
}

static void
cmd_platform_add(struct ctl_context *ctx)
{
    bool may_exist = shash_find(&ctx->options, "--may-exist");
    struct platform_settings settings = {
        .type = ctx->argv[1],
        .name = ctx->argv[1],
        .endpoint = ctx->argv[2]
    };
    bool ok = true;

    smap_init(&settings.credentials);
    smap_init(&settings.selectors);
    smap_init(&settings.options);
    for (int i = 3; i < ctx->argc && ok; i++) {
        ok = parse_platform_setting(ctx, ctx->argv[i], &settings);
    }
    if (ok && check_platform(ctx, &settings)) {
        const struct bsrec_platform *platform = find_platform(ctx,
                                                              settings.name);

        if (!platform) {
            platform = bsrec_platform_insert(ctx->txn);
            bsrec_platform_set_name(platform, settings.name);
            bsrec_platform_set_type(platform, settings.type);
            set_platform(platform, &settings);
        } else if (!may_exist) {
            ctl_error(ctx, "platform %s exists already", settings.name);
        } else if (!same_platform(platform, &settings)) {
            ctl_error(ctx, "platform %s exists with other settings",
                      settings.name);
        }
    }
    smap_destroy(&settings.credentials);
    smap_destroy(&settings.selectors);
    smap_destroy(&settings.options);
}

/* The manager deletes what it has learnt from the platform. */
static void
cmd_platform_del(struct ctl_context *ctx)
{
    const struct bsrec_platform *platform = find_platform(ctx, ctx->argv[1]);

    if (platform) {
        bsrec_platform_delete(platform);
    } else if (!shash_find(&ctx->options, "--if-exists")) {
        ctl_error(ctx, "no platform %s", ctx->argv[1]);
    }
}

static void
cmd_platform_list(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Platform", "Type", "Endpoint", "Network", "Status", NULL,
    };
    const struct bsrec_platform *platform;
    struct shash platforms = SHASH_INITIALIZER(&platforms);

    BSREC_PLATFORM_FOR_EACH (platform, ctx->idl) {
        shash_add(&platforms, platform->name, platform);
    }

    const struct shash_node **nodes = shash_sort(&platforms);
    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&platforms); i++) {
        platform = nodes[i]->data;
        add_row(ctx);
        add_text(ctx, "%s", platform->name);
        add_text(ctx, "%s", platform->type);
        add_text(ctx, "%s", platform->endpoint);
        add_text(ctx, "%s", platform->network ? platform->network : "");
        add_text(ctx, "%s", platform->status);
    }
    free(nodes);
    shash_destroy(&platforms);
}

const struct ctl_command_syntax platform_commands[] = {
    {"platform-add", 2, INT_MAX, "TYPE ENDPOINT [KEY=VALUE]...",
     pre_platforms, cmd_platform_add, NULL, "--may-exist", RW},
    {"platform-del", 1, 1, "PLATFORM", pre_platforms, cmd_platform_del, NULL,
     "--if-exists", RW},
    {"platform-list", 0, 0, "", pre_platforms, cmd_platform_list, NULL, "",
     RO},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
