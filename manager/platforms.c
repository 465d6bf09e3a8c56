/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/platforms.h"

#include <inttypes.h>
#include <string.h>

#include "coverage.h"
#include "lib/bastion-idl.h"
#include "manager/collector.h"
#include "manager/desired.h"
#include "manager/reconcile-index.h"
#include "manager/reconcile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(platforms);

COVERAGE_DEFINE(platforms_reconcile);
COVERAGE_DEFINE(platforms_transaction);
COVERAGE_DEFINE(platforms_transaction_failed);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

#define LOCK_NAME "bastion_manager"

#define STATISTICS_INTERVAL 10000       /* Milliseconds. */

/* After a transaction that the database refused; doubles each time. */
#define MIN_WRITE_BACKOFF 1000          /* Milliseconds. */
#define MAX_WRITE_BACKOFF 60000

static const struct collector_class *const classes[] = {
    &docker_collector_class,
    &kubernetes_collector_class,
    &podman_collector_class,
};

struct platform {
    char *name;
    char *config;               /* Text of what the row says, or NULL if the
                                 * platform is no longer in the database. */
    struct collector *collector;    /* NULL if the row makes no sense... */
    char *error;                /* ...as this says, else NULL. */

    uint64_t seqno;             /* Of the collector, for 'desired'. */
    struct desired desired;
    bool listed;                /* Is 'desired' something to go by? */

    bool dirty;                 /* To be compared with the database. */
    long long int next_write;   /* Not before this time, in ms. */
    int write_backoff;          /* After the next failure, in ms. */
    size_t n_waiting;
    unsigned long long int n_changes;
    char *problem;              /* See struct reconcile_result. */
};

struct platforms {
    struct event_base *base;
    struct ovsdb_idl_loop loop;
    unsigned int seqno;
    char *remote;

    struct shash platforms;     /* Name -> struct platform. */
    struct ovsdb_idl_txn *txn;  /* Non-NULL between run and wait. */
    const char *writing;        /* Owner that 'txn' or the transaction in
                                 * flight is for, or NULL. */
    bool in_flight;
    long long int next_statistics;
};

static void read_database(struct platforms *);
static void platform_destroy(struct platform *);
static void run_collectors(struct platforms *);
static void write_database(struct platforms *);
static void write_statuses(struct platforms *, bool with_statistics);
static void note_result(struct platforms *, int status);
static char *status_text(const struct platform *);

/* Life cycle. */

struct platforms *
platforms_create(const char *remote, struct event_base *base)
{
    struct platforms *p = xzalloc(sizeof *p);
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &bsrec_idl_class, false,
                                             true);

    reconcile_add_columns(idl);
    ovsdb_idl_add_table(idl, &bsrec_table_bastion);
    ovsdb_idl_add_column(idl, &bsrec_bastion_col_generation);
    ovsdb_idl_add_column(idl, &bsrec_bastion_col_manager_generation);
    ovsdb_idl_omit_alert(idl, &bsrec_bastion_col_manager_generation);
    ovsdb_idl_add_column(idl, &bsrec_bastion_col_next_identity);
    ovsdb_idl_add_column(idl, &bsrec_bastion_col_next_network_key);
    ovsdb_idl_add_table(idl, &bsrec_table_platform);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_name);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_type);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_endpoint);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_network);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_credentials);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_selectors);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_options);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_status);
    ovsdb_idl_omit_alert(idl, &bsrec_platform_col_status);
    ovsdb_idl_add_column(idl, &bsrec_platform_col_statistics);
    ovsdb_idl_omit_alert(idl, &bsrec_platform_col_statistics);
    ovsdb_idl_set_write_changed_only(idl, &bsrec_platform_col_statistics,
                                     true);
    ovsdb_idl_set_lock(idl, LOCK_NAME);

    p->base = base;
    p->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    p->remote = xstrdup(remote);
    shash_init(&p->platforms);
    return p;
}

void
platforms_destroy(struct platforms *p)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &p->platforms) {
        platform_destroy(node->data);
    }
    shash_destroy(&p->platforms);
    ovsdb_idl_loop_destroy(&p->loop);
    free(p->remote);
    free(p);
}

static struct platform *
platform_create(struct platforms *p, const char *name)
{
    struct platform *platform = xzalloc(sizeof *platform);

    platform->name = xstrdup(name);
    platform->write_backoff = MIN_WRITE_BACKOFF;
    desired_init(&platform->desired);
    shash_add(&p->platforms, name, platform);
    return platform;
}

static void
platform_stop(struct platform *platform)
{
    if (platform->collector) {
        platform->collector->class->destroy(platform->collector);
        platform->collector = NULL;
    }
    free(platform->error);
    free(platform->config);
    platform->error = platform->config = NULL;
    platform->seqno = 0;
}

static void
platform_destroy(struct platform *platform)
{
    platform_stop(platform);
    desired_destroy(&platform->desired);
    free(platform->problem);
    free(platform->name);
    free(platform);
}

/* Main loop. */

void
platforms_run(struct platforms *p)
{
    struct ovsdb_idl *idl = p->loop.idl;

    p->txn = ovsdb_idl_loop_run(&p->loop);
    if (p->in_flight && !p->loop.committing_txn) {
        note_result(p, 1);
    }
    if (ovsdb_idl_get_seqno(idl) != p->seqno
        && ovsdb_idl_has_ever_connected(idl) && bsrec_bastion_first(idl)) {
        p->seqno = ovsdb_idl_get_seqno(idl);
        read_database(p);
    }
    run_collectors(p);
    if (p->txn && bsrec_bastion_first(idl) && ovsdb_idl_has_lock(idl)) {
        write_database(p);
    }
}

void
platforms_wait(struct platforms *p)
{
    const struct shash_node *node;

    note_result(p, ovsdb_idl_loop_commit_and_wait(&p->loop));
    p->txn = NULL;
    SHASH_FOR_EACH (node, &p->platforms) {
        const struct platform *platform = node->data;

        if (platform->dirty && platform->next_write > time_msec()) {
            poll_timer_wait_until(platform->next_write);
        }
    }
    if (!shash_is_empty(&p->platforms)) {
        poll_timer_wait_until(p->next_statistics);
    }
}

/* The database's contents. */

static const struct collector_class *
find_class(const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        if (!strcmp(classes[i]->type, type)) {
            return classes[i];
        }
    }
    return NULL;
}

static void
put_map(struct ds *s, const struct smap *map)
{
    const struct smap_node **nodes = smap_sort(map);

    for (size_t i = 0; i < smap_count(map); i++) {
        ds_put_format(s, "%s=%s\n", nodes[i]->key, nodes[i]->value);
    }
    ds_put_char(s, '\n');
    free(nodes);
}

static char *
config_text(const struct bsrec_platform *row)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%s\n%s\n%s\n", row->type, row->endpoint,
                  row->network ? row->network : "");
    put_map(&s, &row->credentials);
    put_map(&s, &row->selectors);
    put_map(&s, &row->options);
    return ds_steal_cstr(&s);
}

/* Gives 'platform' a collector that does as 'row' says. */
static void
start_collector(struct platforms *p, struct platform *platform,
                const struct bsrec_platform *row)
{
    const struct collector_class *class = find_class(row->type);
    const struct collector_config config = {
        .name = row->name,
        .endpoint = row->endpoint,
        .network = row->network,
        .credentials = &row->credentials,
        .selectors = &row->selectors,
        .options = &row->options
    };

    if (!strcmp(row->name, CNI_OWNER)) {
        platform->error = xstrdup("the name "CNI_OWNER" is bastion-cni's");
        return;
    } else if (!class) {
        platform->error = xasprintf("%s: no such type of platform",
                                    row->type);
        return;
    }
    platform->collector = class->create(&config, p->base, &platform->error);
    if (!platform->collector) {
        VLOG_WARN("%s: %s", row->name, platform->error);
    } else {
        VLOG_INFO("%s: following %s at %s", row->name, row->type,
                  row->endpoint);
    }
}

/* What a platform has written goes when its row does, however long ago that
 * was. */
static void
release_platform(struct platform *platform)
{
    if (platform->config) {
        VLOG_INFO("%s: no longer a platform", platform->name);
    }
    platform_stop(platform);
    desired_clear(&platform->desired);
    platform->listed = true;
}

static void
read_database(struct platforms *p)
{
    struct sset names = SSET_INITIALIZER(&names);
    struct sset owners = SSET_INITIALIZER(&owners);
    const struct bsrec_platform *row;
    struct shash_node *node;
    const char *owner;

    BSREC_PLATFORM_FOR_EACH (row, p->loop.idl) {
        struct platform *platform = shash_find_data(&p->platforms, row->name);
        char *config = config_text(row);

        sset_add(&names, row->name);
        if (!platform) {
            platform = platform_create(p, row->name);
        }
        if (!platform->config) {
            platform->listed = false;
        }
        if (!platform->config || strcmp(config, platform->config)) {
            /* What the platform wants stays until it has been listed anew. */
            platform_stop(platform);
            platform->config = xstrdup(config);
            start_collector(p, platform, row);
        }
        free(config);
        platform->dirty = true;
    }

    reconcile_get_owners(p->loop.idl, &owners);
    SSET_FOR_EACH (owner, &owners) {
        if (!shash_find(&p->platforms, owner)) {
            platform_create(p, owner);
        }
    }
    SHASH_FOR_EACH_SAFE (node, &p->platforms) {
        struct platform *platform = node->data;

        if (sset_contains(&names, node->name)) {
            /* Nothing to do. */
        } else if (sset_contains(&owners, node->name)) {
            release_platform(platform);
            platform->dirty = true;
        } else if (p->writing != platform->name) {
            platform_destroy(platform);
            shash_delete(&p->platforms, node);
        }
    }
    sset_destroy(&owners);
    sset_destroy(&names);
}

static void
run_collectors(struct platforms *p)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &p->platforms) {
        struct platform *platform = node->data;
        const struct collector *collector = platform->collector;

        if (collector && collector->seqno
            && collector->seqno != platform->seqno) {
            platform->seqno = collector->seqno;
            desired_clear(&platform->desired);
            collector->class->get_desired(collector, &platform->desired);
            platform->listed = true;
            platform->dirty = true;
        }
    }
}

/* Writing. */

/* Writes what 'platform' wants into 'p->txn'.  Returns false if there is
 * nothing to write. */
static bool
write_platform(struct platforms *p, struct platform *platform)
{
    const struct bsrec_bastion *root = bsrec_bastion_first(p->loop.idl);
    struct reconcile_result result;

    COVERAGE_INC(platforms_reconcile);
    bsrec_bastion_verify_generation(root);
    reconcile(p->loop.idl, p->txn, root, platform->name, &platform->desired,
              &result);
    free(platform->problem);
    platform->problem = result.problem;
    platform->n_waiting = result.n_waiting;
    platform->n_changes += result.n_changes;
    platform->dirty = !result.complete;
    if (result.n_changes) {
        VLOG_DBG("%s: %"PRIuSIZE" rows change", platform->name,
                 result.n_changes);
        bsrec_bastion_set_generation(root, root->generation + 1);
        p->writing = platform->name;
        ovsdb_idl_txn_add_comment(p->txn, "bastion-manager: %s",
                                  platform->name);
        return true;
    }
    return false;
}

static void
write_database(struct platforms *p)
{
    const struct bsrec_bastion *root = bsrec_bastion_first(p->loop.idl);
    long long int now = time_msec();
    const struct shash_node *node;
    bool all_done = true;

    SHASH_FOR_EACH (node, &p->platforms) {
        struct platform *platform = node->data;

        if (!platform->dirty || !platform->listed) {
            continue;
        }
        if (now < platform->next_write || p->writing) {
            all_done = false;
        } else {
            write_platform(p, platform);
            all_done = all_done && !platform->dirty;
        }
    }

    bool with_statistics = now >= p->next_statistics;
    if (with_statistics) {
        p->next_statistics = now + STATISTICS_INTERVAL;
    }
    if (all_done && root->manager_generation != root->generation) {
        bsrec_bastion_set_manager_generation(root, root->generation);
    }
    write_statuses(p, with_statistics);
}

/* Handles the end, with 'status' as from ovsdb_idl_loop_commit_and_wait(), of
 * a transaction. */
static void
note_result(struct platforms *p, int status)
{
    struct platform *platform;

    p->in_flight = status < 0;
    if (p->in_flight || !p->writing) {
        return;
    }
    platform = shash_find_data(&p->platforms, p->writing);
    p->writing = NULL;
    COVERAGE_INC(platforms_transaction);
    if (!platform) {
        return;
    }
    if (status) {
        platform->write_backoff = MIN_WRITE_BACKOFF;
        platform->next_write = 0;
    } else if (p->loop.skip_seqno == p->loop.precommit_seqno) {
        /* Somebody else has changed the database at the same time. */
        platform->dirty = true;
    } else {
        COVERAGE_INC(platforms_transaction_failed);
        platform->dirty = true;
        platform->next_write = time_msec() + platform->write_backoff;
        platform->write_backoff = MIN(2 * platform->write_backoff,
                                      MAX_WRITE_BACKOFF);
        VLOG_WARN_RL(&rl, "%s: the database has refused a transaction; "
                     "trying again", platform->name);
    }
}

static char *
status_text(const struct platform *platform)
{
    const char *error = (platform->error ? platform->error
                         : platform->collector->status[0]
                         ? platform->collector->status
                         : platform->problem);

    return (error ? xasprintf("error: %s", error)
            : xstrdup(platform->seqno ? "active" : ""));
}

static void
write_statistics(const struct bsrec_platform *row,
                 const struct platform *platform)
{
    struct simap statistics = SIMAP_INITIALIZER(&statistics);
    const char **keys;
    int64_t *values;
    size_t n = 0;

    platform->collector->class->get_statistics(platform->collector,
                                               &statistics);
    simap_put(&statistics, "waiting", platform->n_waiting);
    simap_put(&statistics, "changes", platform->n_changes);
    keys = xmalloc(simap_count(&statistics) * sizeof *keys);
    values = xmalloc(simap_count(&statistics) * sizeof *values);

    const struct simap_node *node;
    SIMAP_FOR_EACH (node, &statistics) {
        keys[n] = node->name;
        values[n++] = node->data;
    }
    bsrec_platform_set_statistics(row, keys, values, n);
    free(keys);
    free(values);
    simap_destroy(&statistics);
}

static void
write_statuses(struct platforms *p, bool with_statistics)
{
    const struct bsrec_platform *row;

    BSREC_PLATFORM_FOR_EACH (row, p->loop.idl) {
        const struct platform *platform = shash_find_data(&p->platforms,
                                                          row->name);
        if (!platform || !(platform->collector || platform->error)) {
            continue;
        }

        char *status = status_text(platform);
        if (status[0] && strcmp(status, row->status)) {
            bsrec_platform_set_status(row, status);
        }
        free(status);
        if (with_statistics && platform->collector) {
            write_statistics(row, platform);
        }
    }
}

/* For the operator. */

static void
show_platform(const struct platform *platform, struct ds *s)
{
    struct simap statistics = SIMAP_INITIALIZER(&statistics);

    ds_put_format(s, "platform %s\n", platform->name);
    if (!platform->config) {
        ds_put_cstr(s, "  status: no longer in the database\n");
        return;
    }

    char *status = status_text(platform);
    ds_put_format(s, "  status: %s\n",
                  status[0] ? status : "waiting for the first list");
    free(status);
    ds_put_format(s, "  wanted: %"PRIuSIZE" networks, %"PRIuSIZE" services, "
                  "%"PRIuSIZE" containers, %"PRIuSIZE" dependencies\n",
                  shash_count(&platform->desired.networks),
                  shash_count(&platform->desired.services),
                  shash_count(&platform->desired.containers),
                  shash_count(&platform->desired.dependencies));
    ds_put_format(s, "  containers without a known interface: %"PRIuSIZE"\n",
                  platform->n_waiting);
    ds_put_format(s, "  rows changed: %llu%s\n", platform->n_changes,
                  platform->dirty ? ", more to do" : "");
    if (platform->collector) {
        platform->collector->class->get_statistics(platform->collector,
                                                   &statistics);
        const struct simap_node **nodes = simap_sort(&statistics);
        for (size_t i = 0; i < simap_count(&statistics); i++) {
            ds_put_format(s, "  %s: %u\n", nodes[i]->name, nodes[i]->data);
        }
        free(nodes);
    }
    simap_destroy(&statistics);
}

void
platforms_show(const struct platforms *p, struct ds *s)
{
    const struct shash_node **nodes = shash_sort(&p->platforms);

    ds_put_format(s, "database %s: %s\n", p->remote,
                  (!ovsdb_idl_is_connected(p->loop.idl) ? "not connected"
                   : ovsdb_idl_has_lock(p->loop.idl) ? "connected, writing"
                   : "connected, standing by"));
    for (size_t i = 0; i < shash_count(&p->platforms); i++) {
        show_platform(nodes[i]->data, s);
    }
    free(nodes);
}

static void
put_peers(struct ds *s, const struct desired_peers *peers)
{
    const char **services = sset_sort(&peers->services);
    const struct shash_node *node;
    size_t start = s->length;

    for (size_t i = 0; i < sset_count(&peers->services); i++) {
        ds_put_format(s, "%s ", services[i]);
    }
    free(services);
    SHASH_FOR_EACH (node, &peers->cidrs) {
        const char *except;

        ds_put_format(s, "cidr:%s", node->name);
        SSET_FOR_EACH (except, (const struct sset *) node->data) {
            ds_put_format(s, ",except=%s", except);
        }
        ds_put_char(s, ' ');
    }
    ds_put_format(s, "%s%s%s", peers->any ? "any " : "",
                  peers->host ? "host " : "", peers->world ? "world " : "");
    ds_put_cstr(s, s->length == start ? "nothing" : "");
    ds_chomp(s, ' ');
}

static void
show_desired(const struct platform *platform, struct ds *s)
{
    const struct shash_node **nodes;

    ds_put_format(s, "platform %s\n", platform->name);
    nodes = shash_sort(&platform->desired.containers);
    for (size_t i = 0; i < shash_count(&platform->desired.containers); i++) {
        const struct desired_container *container = nodes[i]->data;
        const char **ips = sset_sort(&container->ips);

        ds_put_format(s, "  container %s: service %s", nodes[i]->name,
                      container->service);
        for (size_t j = 0; j < sset_count(&container->ips); j++) {
            ds_put_format(s, " %s", ips[j]);
        }
        ds_put_char(s, '\n');
        free(ips);
    }
    free(nodes);

    nodes = shash_sort(&platform->desired.dependencies);
    for (size_t i = 0; i < shash_count(&platform->desired.dependencies); i++) {
        const struct desired_dependency *d = nodes[i]->data;
        const char **policies = sset_sort(&d->policies);

        ds_put_format(s, "  %s: ", nodes[i]->name);
        put_peers(s, &d->source);
        ds_put_cstr(s, " -> ");
        put_peers(s, &d->destination);
        for (size_t j = 0; j < sset_count(&d->policies); j++) {
            ds_put_format(s, " %s", policies[j]);
        }
        ds_put_char(s, '\n');
        free(policies);
    }
    free(nodes);
}

bool
platforms_show_desired(const struct platforms *p, const char *name,
                       struct ds *s)
{
    const struct shash_node **nodes = shash_sort(&p->platforms);
    bool found = !name;

    for (size_t i = 0; i < shash_count(&p->platforms); i++) {
        if (!name || !strcmp(nodes[i]->name, name)) {
            show_desired(nodes[i]->data, s);
            found = true;
        }
    }
    free(nodes);
    return found;
}

bool
platforms_resync(struct platforms *p, const char *name)
{
    const struct shash_node *node;
    bool found = !name;

    SHASH_FOR_EACH (node, &p->platforms) {
        struct platform *platform = node->data;

        if (platform->collector && (!name || !strcmp(name, node->name))) {
            platform->collector->class->resync(platform->collector);
            found = true;
        }
    }
    return found;
}

void
platforms_get_memory_usage(const struct platforms *p, struct simap *usage)
{
    const struct shash_node *node;

    simap_increase(usage, "platforms", shash_count(&p->platforms));
    SHASH_FOR_EACH (node, &p->platforms) {
        const struct platform *platform = node->data;

        simap_increase(usage, "containers",
                       shash_count(&platform->desired.containers));
        simap_increase(usage, "dependencies",
                       shash_count(&platform->desired.dependencies));
    }
}
