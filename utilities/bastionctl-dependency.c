/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <limits.h>
#include <string.h>

#include "lib/address.h"
#include "lib/peer.h"
#include "lib/policy.h"
#include "openvswitch/dynamic-string.h"
#include "svec.h"
#include "util.h"

/* Verbs for dependencies.
 *
 * These keep one row for each triple of source, destination and direction.
 * Rows with several sources or destinations are for those who write the
 * database directly; the verbs show them but leave them alone. */

/* The arguments of dependency-add and dependency-del, checked. */
struct dependency_settings {
    struct peer source;
    struct peer destination;
    char *pair;                 /* SRC " " DST, canonical. */
    struct svec policies;       /* Canonical, sorted. */
    const char *direction;      /* NULL if not given. */
};

static void
dependency_settings_destroy(struct dependency_settings *settings)
{
    peer_destroy(&settings->source);
    peer_destroy(&settings->destination);
    free(settings->pair);
    svec_destroy(&settings->policies);
}

/* Returns the one text for the policy that 'text' spells, or a copy of it if
 * it is not a policy. */
static char *
canonical_policy(const char *text)
{
    struct policy policy;
    char *error = policy_parse(text, &policy);

    if (error) {
        free(error);
        return xstrdup(text);
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    policy_format(&policy, &s);
    return ds_steal_cstr(&s);
}

static bool
parse_policies(struct ctl_context *ctx, struct dependency_settings *settings)
{
    for (int i = 3; i < ctx->argc; i++) {
        struct policy policy;
        char *error = policy_parse(ctx->argv[i], &policy);

        if (error) {
            bad_argument(ctx, "POLICY", error);
            return false;
        }
        svec_add_nocopy(&settings->policies, canonical_policy(ctx->argv[i]));
    }
    svec_sort_unique(&settings->policies);
    return true;
}

static bool
parse_dependency_settings(struct ctl_context *ctx,
                          struct dependency_settings *settings)
{
    char *error = peer_parse(ctx->argv[1], &settings->source);
    if (error) {
        bad_argument(ctx, "SRC", error);
        return false;
    }
    error = peer_parse(ctx->argv[2], &settings->destination);
    if (error) {
        bad_argument(ctx, "DST", error);
        return false;
    }

    struct ds pair = DS_EMPTY_INITIALIZER;
    peer_format(&settings->source, &pair);
    ds_put_char(&pair, ' ');
    peer_format(&settings->destination, &pair);
    settings->pair = ds_steal_cstr(&pair);

    const char *direction = shash_find_data(&ctx->options, "--direction");
    if (direction && strcmp(direction, "both") && strcmp(direction, "egress")
        && strcmp(direction, "ingress")) {
        bad_argument(ctx, "--direction",
                     xasprintf("%s: expected both, egress or ingress",
                               direction));
        return false;
    }
    settings->direction = direction;
    return parse_policies(ctx, settings);
}

static bool
check_peers(struct ctl_context *ctx,
            const struct dependency_settings *settings)
{
    const struct bsrec_service *source = NULL;
    const struct bsrec_service *destination = NULL;

    if (settings->source.type != PEER_SERVICE
        && settings->destination.type != PEER_SERVICE) {
        bad_argument(ctx, "DST",
                     xasprintf("%s: expected NETWORK/SERVICE, because SRC is "
                               "none, and a dependency is about the "
                               "containers of a service", ctx->argv[2]));
        return false;
    }
    if (settings->source.type == PEER_SERVICE) {
        source = find_service(ctx, ctx->argv[1], true);
        if (!source) {
            return false;
        }
    }
    if (settings->destination.type == PEER_SERVICE) {
        destination = find_service(ctx, ctx->argv[2], true);
        if (!destination) {
            return false;
        }
    }
    if (source && destination && source->network != destination->network) {
        bad_argument(ctx, "DST",
                     xasprintf("%s: expected a service of network %s, as that "
                               "of the source", ctx->argv[2],
                               source->network->name));
        return false;
    }
    return true;
}

static void
set_peer(struct ctl_context *ctx, const struct bsrec_dependency *dependency,
         bool is_source, const struct peer *peer, const char *text)
{
    if (peer->type == PEER_SERVICE) {
        struct bsrec_service *service;

        service = CONST_CAST(struct bsrec_service *,
                             find_service(ctx, text, false));
        if (is_source) {
            bsrec_dependency_set_source_services(dependency, &service, 1);
        } else {
            bsrec_dependency_set_destination_services(dependency, &service,
                                                      1);
        }
    } else if (peer->type == PEER_CIDR) {
        struct bsrec_cidr_block *block = bsrec_cidr_block_insert(ctx->txn);
        struct svec except = SVEC_EMPTY_INITIALIZER;
        struct ds s = DS_EMPTY_INITIALIZER;

        for (size_t i = 0; i < peer->n_except; i++) {
            ds_clear(&s);
            ip_prefix_format(&peer->except[i], &s);
            svec_add(&except, ds_cstr(&s));
        }
        ds_clear(&s);
        ip_prefix_format(&peer->prefix, &s);
        bsrec_cidr_block_set_prefix(block, ds_cstr(&s));
        bsrec_cidr_block_set_except(block, (const char **) except.names,
                                    except.n);
        ds_destroy(&s);
        svec_destroy(&except);

        if (is_source) {
            bsrec_dependency_set_source_cidrs(dependency, &block, 1);
        } else {
            bsrec_dependency_set_destination_cidrs(dependency, &block, 1);
        }
    } else {
        const char *special = (peer->type == PEER_HOST ? "host"
                               : peer->type == PEER_WORLD ? "world"
                               : "any");
        if (is_source) {
            bsrec_dependency_set_source_special(dependency, &special, 1);
        } else {
            bsrec_dependency_set_destination_special(dependency, &special,
                                                     1);
        }
    }
}

static void
insert_dependency(struct ctl_context *ctx,
                  const struct dependency_settings *settings,
                  const char *direction)
{
    struct bsrec_dependency *dependency = bsrec_dependency_insert(ctx->txn);

    bsrec_dependency_set_direction(dependency, direction);
    set_peer(ctx, dependency, true, &settings->source, ctx->argv[1]);
    set_peer(ctx, dependency, false, &settings->destination, ctx->argv[2]);
    bsrec_dependency_set_policies(dependency,
                                  (const char **) settings->policies.names,
                                  settings->policies.n);
    index_dependency(ctx, dependency);
}

/* Returns true if 'dependency' has a policy that 'policy' spells canonically.
 */
static bool
has_policy(const struct bsrec_dependency *dependency, const char *policy)
{
    for (size_t i = 0; i < dependency->n_policies; i++) {
        char *theirs = canonical_policy(dependency->policies[i]);
        bool equal = !strcmp(theirs, policy);

        free(theirs);
        if (equal) {
            return true;
        }
    }
    return false;
}

static void
set_policies(const struct bsrec_dependency *dependency,
             const struct svec *policies)
{
    bsrec_dependency_verify_policies(dependency);
    bsrec_dependency_set_policies(dependency,
                                  (const char **) policies->names,
                                  policies->n);
}

/* Adds the policies of 'settings' to 'dependency'. */
static void
extend_dependency(struct ctl_context *ctx,
                  const struct bsrec_dependency *dependency,
                  const struct dependency_settings *settings, bool may_exist)
{
    struct svec policies = SVEC_EMPTY_INITIALIZER;
    size_t n_new = 0;

    for (size_t i = 0; i < dependency->n_policies; i++) {
        svec_add(&policies, dependency->policies[i]);
    }
    for (size_t i = 0; i < settings->policies.n; i++) {
        const char *policy = settings->policies.names[i];

        if (!has_policy(dependency, policy)) {
            svec_add(&policies, policy);
            n_new++;
        } else if (!may_exist) {
            ctl_error(ctx, "dependency %s -> %s has policy %s already",
                      ctx->argv[1], ctx->argv[2], policy);
            break;
        }
    }
    if (!ctx->error && n_new) {
        set_policies(dependency, &policies);
    }
    svec_destroy(&policies);
}

static void
cmd_dependency_add(struct ctl_context *ctx)
{
    bool may_exist = shash_find(&ctx->options, "--may-exist");
    struct dependency_settings settings = { .direction = NULL };

    if (parse_dependency_settings(ctx, &settings)
        && check_peers(ctx, &settings)) {
        const char *direction = (settings.direction ? settings.direction
                                 : "both");
        char *key = xasprintf("%s %s", settings.pair, direction);
        const struct bsrec_dependency *dependency;

        if (!settings.policies.n) {
            svec_add(&settings.policies, "any");
        }
        dependency = shash_find_data(
            &inventory_with_dependencies(ctx)->dependencies, key);
        if (dependency) {
            extend_dependency(ctx, dependency, &settings, may_exist);
        } else {
            insert_dependency(ctx, &settings, direction);
        }
        free(key);
    }
    dependency_settings_destroy(&settings);
}

/* Returns true if 'key', of an index entry, is for the dependency that
 * 'settings' describe. */
static bool
matches_settings(const char *key, const struct dependency_settings *settings)
{
    size_t len = strlen(settings->pair);

    return (!strncmp(key, settings->pair, len)
            && key[len] == ' '
            && !strchr(key + len + 1, ' ')
            && (!settings->direction
                || !strcmp(key + len + 1, settings->direction)));
}

/* Returns a row that has the source and the destination of 'settings' among
 * others, or NULL. */
static const struct bsrec_dependency *
find_shared_row(struct ctl_context *ctx,
                const struct dependency_settings *settings)
{
    const struct bsrec_dependency *dependency, *found = NULL;
    char *source = xmemdup0(settings->pair, strcspn(settings->pair, " "));
    const char *destination = settings->pair + strlen(source) + 1;

    BSREC_DEPENDENCY_FOR_EACH (dependency, ctx->idl) {
        struct svec sources = SVEC_EMPTY_INITIALIZER;
        struct svec destinations = SVEC_EMPTY_INITIALIZER;

        dependency_peers(dependency, true, &sources);
        dependency_peers(dependency, false, &destinations);
        if (svec_contains(&sources, source)
            && svec_contains(&destinations, destination)) {
            found = dependency;
        }
        svec_destroy(&destinations);
        svec_destroy(&sources);
    }
    free(source);
    return found;
}

/* Removes from 'dependency' the policies of 'settings', or all of them if
 * there are none.  Removes those that it found from 'missing'.  Returns false
 * if nothing was left, so that it has deleted 'dependency'. */
static bool
reduce_dependency(const struct bsrec_dependency *dependency,
                  const struct dependency_settings *settings,
                  struct svec *missing)
{
    struct svec rest = SVEC_EMPTY_INITIALIZER;

    for (size_t i = 0; i < dependency->n_policies; i++) {
        char *policy = canonical_policy(dependency->policies[i]);

        if (!settings->policies.n) {
            /* All go. */
        } else if (!svec_contains(&settings->policies, policy)) {
            svec_add(&rest, dependency->policies[i]);
        } else if (svec_contains(missing, policy)) {
            svec_del(missing, policy);
        }
        free(policy);
    }

    bool something_left = rest.n > 0;
    if (!something_left) {
        bsrec_dependency_delete(dependency);
    } else if (rest.n < dependency->n_policies) {
        set_policies(dependency, &rest);
    }
    svec_destroy(&rest);
    return something_left;
}

static void
report_missing(struct ctl_context *ctx,
               const struct dependency_settings *settings,
               const struct svec *missing, bool if_exists)
{
    const struct bsrec_dependency *shared = find_shared_row(ctx, settings);

    if (shared) {
        ctl_error(ctx, "dependency %s -> %s is part of row "UUID_FMT", which "
                  "has other sources, destinations or direction: change that "
                  "row", ctx->argv[1], ctx->argv[2],
                  UUID_ARGS(&shared->header_.uuid));
    } else if (!if_exists) {
        ctl_error(ctx, "no dependency %s -> %s%s%s", ctx->argv[1],
                  ctx->argv[2], missing->n ? " with policy " : "",
                  missing->n ? missing->names[0] : "");
    }
}

static void
cmd_dependency_del(struct ctl_context *ctx)
{
    bool if_exists = shash_find(&ctx->options, "--if-exists");
    struct dependency_settings settings = { .direction = NULL };

    if (!parse_dependency_settings(ctx, &settings)) {
        dependency_settings_destroy(&settings);
        return;
    }

    const struct row_index *index = inventory_with_dependencies(ctx);
    struct shash_node *node;
    struct svec missing;
    size_t n_rows = 0;

    svec_clone(&missing, &settings.policies);
    SHASH_FOR_EACH_SAFE (node, &index->dependencies) {
        if (matches_settings(node->name, &settings)) {
            n_rows++;
            if (!reduce_dependency(node->data, &settings, &missing)) {
                unindex_dependency(ctx, node);
            }
        }
    }
    if (!n_rows) {
        report_missing(ctx, &settings, &missing, if_exists);
    } else if (missing.n && !if_exists) {
        ctl_error(ctx, "dependency %s -> %s has no policy %s", ctx->argv[1],
                  ctx->argv[2], missing.names[0]);
    }

    svec_destroy(&missing);
    dependency_settings_destroy(&settings);
}

static bool
has_peer(const struct bsrec_dependency *dependency, const char *peer)
{
    struct svec peers = SVEC_EMPTY_INITIALIZER;

    dependency_peers(dependency, true, &peers);
    dependency_peers(dependency, false, &peers);
    bool found = svec_contains(&peers, peer);
    svec_destroy(&peers);
    return found;
}

static void
cmd_dependency_list(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Source", "Destination", "Direction", "Policy", "Status", "Row", NULL,
    };
    const struct row_index *index = inventory_with_dependencies(ctx);
    const char *peer = ctx->argc > 1 ? ctx->argv[1] : NULL;

    if (peer) {
        struct peer parsed;
        char *error = peer_parse(peer, &parsed);

        if (error) {
            bad_argument(ctx, "PEER", error);
            return;
        }
        bool is_service = parsed.type == PEER_SERVICE;
        peer_destroy(&parsed);
        if (is_service && !find_service(ctx, peer, true)) {
            return;
        }
    }

    const struct shash_node **nodes = shash_sort(&index->dependencies);
    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&index->dependencies); i++) {
        const struct bsrec_dependency *dependency = nodes[i]->data;

        if (peer && !has_peer(dependency, peer)) {
            continue;
        }

        add_row(ctx);
        for (int source = 1; source >= 0; source--) {
            struct svec peers = SVEC_EMPTY_INITIALIZER;

            dependency_peers(dependency, source, &peers);
            add_texts(ctx, peers.names, peers.n);
            svec_destroy(&peers);
        }
        add_text(ctx, "%s", dependency->direction);
        add_texts(ctx, dependency->policies, dependency->n_policies);
        add_text(ctx, "%s", dependency->status);
        add_text(ctx, UUID_FMT, UUID_ARGS(&dependency->header_.uuid));
    }
    free(nodes);
}

const struct ctl_command_syntax dependency_commands[] = {
    {"dependency-add", 2, INT_MAX, "PEER PEER [POLICY]...",
     pre_dependencies, cmd_dependency_add, NULL, "--may-exist,--direction=",
     RW},
    {"dependency-del", 2, INT_MAX, "PEER PEER [POLICY]...",
     pre_dependencies, cmd_dependency_del, NULL, "--if-exists,--direction=",
     RW},
    {"dependency-list", 0, 1, "[PEER]", pre_dependencies,
     cmd_dependency_list, NULL, "", RO},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
