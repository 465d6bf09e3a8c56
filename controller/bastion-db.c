/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/bastion-db.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bastion/version.h"
#include "controller/attachment-rows.h"
#include "controller/compiler.h"
#include "controller/row-statistics.h"
#include "coverage.h"
#include "hash.h"
#include "lib/address.h"
#include "lib/bastion-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "simap.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bastion_db);

COVERAGE_DEFINE(bastion_db_full_read);
COVERAGE_DEFINE(bastion_db_row_changed);
COVERAGE_DEFINE(bastion_db_status_written);
COVERAGE_DEFINE(bastion_db_statistics_written);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

#define DEFAULT_AUDIT_INTERVAL 10000    /* Milliseconds. */
#define MIN_AUDIT_INTERVAL 1000
#define STATISTICS_INTERVAL 10000

/* After a transaction that the database refused; doubles each time. */
#define MIN_WRITE_BACKOFF 1000          /* Milliseconds. */
#define MAX_WRITE_BACKOFF 60000

/* After another controller has taken this node's row. */
#define DUPLICATE_BACKOFF 60000         /* Milliseconds. */

/* How often to see to it that the database knows which Node row is ours. */
#define CONDITION_INTERVAL 100          /* Milliseconds. */

/* Keeps transactions small enough not to stop the server for long. */
#define MAX_STATUSES_PER_TXN 1000

/* What there is to know of a table whose rows the compiler gets. */
struct row_class {
    const struct ovsdb_idl_table_class *table;

    /* Columns that matter for the compiler, NULL at the end. */
    const struct ovsdb_idl_column *columns[12];

    /* The compiler reads columns of rows that are referred to. */
    bool reads_references;

    void (*tell)(struct compiler *, const struct ovsdb_idl_row *);
    const char *(*get_status)(const struct ovsdb_idl_row *);
    void (*set_status)(const struct ovsdb_idl_row *, const char *);

    /* NULL if the table has no statistics. */
    const struct ovsdb_idl_column *statistics;
    void (*set_statistics)(const struct ovsdb_idl_row *, const char **keys,
                           const int64_t *values, size_t n);
};

/* A row that the compiler has been told of. */
struct known_row {
    struct hmap_node hmap_node;     /* In struct bastion_db's 'rows'. */
    struct uuid uuid;
    const struct row_class *class;
    struct ovs_list status_node;    /* In 'new_statuses', or empty list. */
    uint32_t stats_hash;            /* Of the statistics that the database
                                     * has, 0 if not known. */
};

struct bastion_db {
    struct ovsdb_idl_loop loop;
    struct ovsdb_idl_txn *txn;      /* Non-NULL between run and wait. */
    char *remote;
    unsigned int seqno;             /* Of the contents that were read last. */
    bool has_contents;
    bool initialized;               /* Is there a Bastion row? */
    bool must_reread;               /* Tracked changes are not enough. */

    struct hmap rows;               /* Contains "struct known_row"s. */
    struct ovs_list new_statuses;   /* Contains "struct known_row"s. */

    /* From the Bastion row. */
    int64_t generation;
    int audit_interval;
    bool fast_path;

    /* The row of this node. */
    char *node;
    char *hostname;
    char *instance;                 /* Tells this process from others. */
    bool node_written;              /* Has it our 'instance' by now? */
    bool writing_node;              /* ...if the transaction succeeds? */
    bool duplicate_node;            /* Did someone else take it? */
    long long int duplicate_until;  /* Time to take it back, in ms. */
    char **addresses;
    size_t n_addresses;
    struct attachment_rows *attachments;    /* NULL until they are known. */
    bool attachments_dirty;         /* May the database have others? */
    int64_t applied;                /* Generation, -1 if none yet. */
    long long int applied_at;       /* Wall-clock time, in ms. */

    long long int next_stats;       /* No statistics before, in ms. */

    bool in_flight;                 /* Is a transaction under way? */
    int write_backoff;              /* After the next failure, in ms. */
    long long int next_write;       /* Not before this time, in ms. */
};

/* The four kinds of rows. */

#define DEFINE_ROW_CLASS_FUNCTIONS(TABLE)                               \
    static void                                                         \
    tell_##TABLE(struct compiler *c, const struct ovsdb_idl_row *row)   \
    {                                                                   \
        compiler_set_##TABLE(c, CONTAINER_OF(row, struct bsrec_##TABLE, \
                                             header_));                 \
    }                                                                   \
                                                                        \
    static const char *                                                 \
    get_##TABLE##_status(const struct ovsdb_idl_row *row)               \
    {                                                                   \
        return CONTAINER_OF(row, struct bsrec_##TABLE, header_)->status; \
    }                                                                   \
                                                                        \
    static void                                                         \
    set_##TABLE##_status(const struct ovsdb_idl_row *row,               \
                         const char *status)                            \
    {                                                                   \
        bsrec_##TABLE##_set_status(                                     \
            CONTAINER_OF(row, struct bsrec_##TABLE, header_), status);  \
    }

#define DEFINE_ROW_CLASS_STATISTICS(TABLE)                              \
    static void                                                         \
    set_##TABLE##_statistics(const struct ovsdb_idl_row *row,           \
                             const char **keys, const int64_t *values,  \
                             size_t n)                                  \
    {                                                                   \
        bsrec_##TABLE##_set_statistics(                                 \
            CONTAINER_OF(row, struct bsrec_##TABLE, header_),           \
            keys, values, n);                                           \
    }

DEFINE_ROW_CLASS_FUNCTIONS(network)
DEFINE_ROW_CLASS_FUNCTIONS(service)
DEFINE_ROW_CLASS_FUNCTIONS(container)
DEFINE_ROW_CLASS_FUNCTIONS(dependency)
DEFINE_ROW_CLASS_STATISTICS(network)
DEFINE_ROW_CLASS_STATISTICS(container)
DEFINE_ROW_CLASS_STATISTICS(dependency)

static const struct row_class row_classes[] = {
    { .table = &bsrec_table_network,
      .columns = { &bsrec_network_col_name, &bsrec_network_col_key,
                   &bsrec_network_col_subnets, &bsrec_network_col_bridge,
                   &bsrec_network_col_gateways,
                   &bsrec_network_col_gateway_mac,
                   &bsrec_network_col_gateway_port,
                   &bsrec_network_col_dhcp_servers,
                   &bsrec_network_col_enforcement,
                   &bsrec_network_col_other_config },
      .tell = tell_network,
      .get_status = get_network_status,
      .set_status = set_network_status,
      .statistics = &bsrec_network_col_statistics,
      .set_statistics = set_network_statistics },
    { .table = &bsrec_table_service,
      .columns = { &bsrec_service_col_name, &bsrec_service_col_network,
                   &bsrec_service_col_identity, &bsrec_service_col_isolate },
      .tell = tell_service,
      .get_status = get_service_status,
      .set_status = set_service_status },
    { .table = &bsrec_table_container,
      .columns = { &bsrec_container_col_name, &bsrec_container_col_service,
                   &bsrec_container_col_interface, &bsrec_container_col_node,
                   &bsrec_container_col_mac, &bsrec_container_col_ips,
                   &bsrec_container_col_options },
      .tell = tell_container,
      .get_status = get_container_status,
      .set_status = set_container_status,
      .statistics = &bsrec_container_col_statistics,
      .set_statistics = set_container_statistics },
    { .table = &bsrec_table_dependency,
      .columns = { &bsrec_dependency_col_direction,
                   &bsrec_dependency_col_source_services,
                   &bsrec_dependency_col_source_cidrs,
                   &bsrec_dependency_col_source_special,
                   &bsrec_dependency_col_destination_services,
                   &bsrec_dependency_col_destination_cidrs,
                   &bsrec_dependency_col_destination_special,
                   &bsrec_dependency_col_policies },
      .reads_references = true,
      .tell = tell_dependency,
      .get_status = get_dependency_status,
      .set_status = set_dependency_status,
      .statistics = &bsrec_dependency_col_statistics,
      .set_statistics = set_dependency_statistics },
};

static void read_all_rows(struct bastion_db *, struct compiler *);
static void read_changed_rows(struct bastion_db *, struct compiler *);
static void read_bastion_row(struct bastion_db *, struct compiler *,
                             const struct bsrec_bastion *);
static void known_row_destroy(struct bastion_db *, struct known_row *);
static void recheck_all(struct bastion_db *);
static bool write_statuses(struct bastion_db *, const struct compiler *);
static void write_node(struct bastion_db *);
static void write_statistics(struct bastion_db *,
                             const struct flow_table *const *tables,
                             size_t n_tables);
static bool set_node_condition(struct bastion_db *);

/* Life cycle. */

/* The columns that this program writes are replicated, so that they need not
 * be written again without a change, but do not wake it up. */
static void
add_written_column(struct ovsdb_idl *idl,
                   const struct ovsdb_idl_column *column)
{
    ovsdb_idl_add_column(idl, column);
    ovsdb_idl_omit_alert(idl, column);
    ovsdb_idl_set_write_changed_only(idl, column, true);
}

static const struct ovsdb_idl_column *
status_column(const struct row_class *class)
{
    return (class->table == &bsrec_table_network ? &bsrec_network_col_status
            : class->table == &bsrec_table_service ? &bsrec_service_col_status
            : class->table == &bsrec_table_container
            ? &bsrec_container_col_status
            : &bsrec_dependency_col_status);
}

static void
add_columns(struct ovsdb_idl *idl)
{
    for (size_t i = 0; i < ARRAY_SIZE(row_classes); i++) {
        const struct row_class *class = &row_classes[i];
        ovsdb_idl_add_table(idl, class->table);
        for (size_t j = 0; class->columns[j]; j++) {
            ovsdb_idl_add_column(idl, class->columns[j]);
            ovsdb_idl_track_add_column(idl, class->columns[j]);
        }
        add_written_column(idl, status_column(class));
        if (class->statistics) {
            add_written_column(idl, class->statistics);
        }
    }

    ovsdb_idl_add_table(idl, &bsrec_table_cidr_block);
    ovsdb_idl_add_column(idl, &bsrec_cidr_block_col_prefix);
    ovsdb_idl_track_add_column(idl, &bsrec_cidr_block_col_prefix);
    ovsdb_idl_add_column(idl, &bsrec_cidr_block_col_except);
    ovsdb_idl_track_add_column(idl, &bsrec_cidr_block_col_except);

    ovsdb_idl_add_table(idl, &bsrec_table_bastion);
    ovsdb_idl_add_column(idl, &bsrec_bastion_col_generation);
    ovsdb_idl_add_column(idl, &bsrec_bastion_col_default_enforcement);
    ovsdb_idl_add_column(idl, &bsrec_bastion_col_options);

    ovsdb_idl_add_table(idl, &bsrec_table_node);
    ovsdb_idl_add_column(idl, &bsrec_node_col_name);
    ovsdb_idl_add_column(idl, &bsrec_node_col_external_ids);
    add_written_column(idl, &bsrec_node_col_hostname);
    add_written_column(idl, &bsrec_node_col_version);
    add_written_column(idl, &bsrec_node_col_generation);
    add_written_column(idl, &bsrec_node_col_applied_at);
    add_written_column(idl, &bsrec_node_col_addresses);
    add_written_column(idl, &bsrec_node_col_statistics);

    attachment_rows_add_columns(idl);
}

static char *
get_hostname(void)
{
    char name[HOST_NAME_MAX + 1];

    if (gethostname(name, sizeof name)) {
        return xstrdup("localhost");
    }
    name[sizeof name - 1] = '\0';
    return xstrdup(name);
}

struct bastion_db *
bastion_db_create(const char *remote)
{
    struct bastion_db *db = xzalloc(sizeof *db);
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &bsrec_idl_class, false,
                                             true);
    struct uuid instance;

    add_columns(idl);

    /* Any member of a cluster will do. */
    ovsdb_idl_set_leader_only(idl, false);

    db->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    db->remote = xstrdup(remote);
    db->must_reread = true;
    hmap_init(&db->rows);
    ovs_list_init(&db->new_statuses);
    db->audit_interval = DEFAULT_AUDIT_INTERVAL;
    db->hostname = get_hostname();
    uuid_generate(&instance);
    db->instance = xasprintf(UUID_FMT, UUID_ARGS(&instance));
    db->applied = -1;
    db->next_stats = LLONG_MIN;
    db->write_backoff = MIN_WRITE_BACKOFF;
    db->next_write = LLONG_MIN;
    set_node_condition(db);
    return db;
}

static void
free_addresses(struct bastion_db *db)
{
    for (size_t i = 0; i < db->n_addresses; i++) {
        free(db->addresses[i]);
    }
    free(db->addresses);
    db->addresses = NULL;
    db->n_addresses = 0;
}

void
bastion_db_destroy(struct bastion_db *db)
{
    if (db) {
        struct known_row *known;
        HMAP_FOR_EACH_SAFE (known, hmap_node, &db->rows) {
            known_row_destroy(db, known);
        }
        hmap_destroy(&db->rows);
        ovsdb_idl_loop_destroy(&db->loop);
        free_addresses(db);
        attachment_rows_destroy(db->attachments);
        free(db->remote);
        free(db->node);
        free(db->hostname);
        free(db->instance);
        free(db);
    }
}

/* Main loop. */

void
bastion_db_run(struct bastion_db *db, struct compiler *compiler)
{
    struct ovsdb_idl *idl = db->loop.idl;

    db->txn = ovsdb_idl_loop_run(&db->loop);

    unsigned int seqno = ovsdb_idl_get_seqno(idl);
    if (seqno == db->seqno || !ovsdb_idl_has_ever_connected(idl)) {
        return;
    }
    db->seqno = seqno;
    db->attachments_dirty = true;

    const struct bsrec_bastion *row = bsrec_bastion_first(idl);
    if (!row) {
        if (db->initialized) {
            VLOG_WARN("%s: the row of table Bastion is gone; keeping the last "
                      "known contents in force until it is back", db->remote);
        }
        db->initialized = false;
        db->must_reread = true;
    } else {
        db->initialized = true;
        if (db->must_reread) {
            read_all_rows(db, compiler);
            db->must_reread = false;
        } else {
            read_changed_rows(db, compiler);
        }
        read_bastion_row(db, compiler, row);
        db->has_contents = true;
    }
    ovsdb_idl_track_clear(idl);
}

static void
note_new_status(const struct uuid *uuid, const char *status OVS_UNUSED,
                void *db_)
{
    struct bastion_db *db = db_;
    struct known_row *known;

    HMAP_FOR_EACH_WITH_HASH (known, hmap_node, uuid_hash(uuid), &db->rows) {
        if (uuid_equals(&known->uuid, uuid)) {
            if (ovs_list_is_empty(&known->status_node)) {
                ovs_list_push_back(&db->new_statuses, &known->status_node);
            }
            return;
        }
    }
}

void
bastion_db_update(struct bastion_db *db, struct compiler *compiler)
{
    compiler_for_each_new_status(compiler, note_new_status, db);

    if (!db->txn || !db->initialized) {
        return;
    }
    if (time_msec() < db->next_write) {
        poll_timer_wait_until(db->next_write);
        return;
    }
    if (!write_statuses(db, compiler)) {
        poll_immediate_wake();
        return;
    }
    write_node(db);
}

/* A transaction has failed.  'error' is the reason if it is known. */
static void
handle_failure(struct bastion_db *db, const char *error)
{
    recheck_all(db);
    db->attachments_dirty = true;

    /* One that was not even sent, for want of a connection, is another thing:
     * it is time for the next one when the connection is back. */
    if (db->in_flight) {
        VLOG_WARN_RL(&rl, "%s: transaction failed (%s), will try again in %d "
                     "ms", db->remote, error ? error : "unknown reason",
                     db->write_backoff);
        db->next_write = time_msec() + db->write_backoff;
        db->write_backoff = MIN(db->write_backoff * 2, MAX_WRITE_BACKOFF);
        poll_timer_wait_until(db->next_write);
    }
}

void
bastion_db_wait(struct bastion_db *db)
{
    const struct ovsdb_idl_txn *txn = db->loop.committing_txn;
    char *error = txn ? xstrdup(ovsdb_idl_txn_get_error(txn)) : NULL;
    int retval = ovsdb_idl_loop_commit_and_wait(&db->loop);

    db->txn = NULL;
    if (!retval) {
        handle_failure(db, error);
    } else if (retval > 0 && db->in_flight) {
        db->write_backoff = MIN_WRITE_BACKOFF;
        db->node_written |= db->writing_node;
    }
    if (retval >= 0) {
        db->writing_node = false;
    }
    db->in_flight = retval < 0;
    if (db->duplicate_node) {
        poll_timer_wait_until(db->duplicate_until);
    }
    free(error);
}

/* Accessors. */

/* Has the rows of this node replicated, but those of others not.  Returns true
 * if the database has been asked and has answered by now, so that a missing
 * row means that there is none. */
static bool
set_node_condition(struct bastion_db *db)
{
    struct ovsdb_idl *idl = db->loop.idl;
    struct ovsdb_idl_condition condition;

    ovsdb_idl_condition_init(&condition);
    if (db->node) {
        bsrec_node_add_clause_name(&condition, OVSDB_F_EQ, db->node);
    }
    unsigned int seqno = ovsdb_idl_set_condition(idl, &bsrec_table_node,
                                                 &condition);
    ovsdb_idl_condition_destroy(&condition);
    seqno = MAX(seqno, attachment_rows_set_condition(idl, db->node));
    return seqno == ovsdb_idl_get_condition_seqno(idl);
}

void
bastion_db_set_node(struct bastion_db *db, const char *name)
{
    if (!db->node || strcmp(db->node, name)) {
        VLOG_INFO("this node is \"%s\"", name);
        free(db->node);
        db->node = xstrdup(name);
        db->node_written = false;
        db->duplicate_node = false;
        set_node_condition(db);
    }
}

void
bastion_db_set_host_addresses(struct bastion_db *db,
                              const struct in6_addr *ips, size_t n)
{
    free_addresses(db);
    db->addresses = xmalloc(MAX(n, 1) * sizeof *db->addresses);
    for (size_t i = 0; i < n; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        ip_address_format(&ips[i], &s);
        db->addresses[db->n_addresses++] = ds_steal_cstr(&s);
    }
}

void
bastion_db_set_attachments(struct bastion_db *db,
                           const struct attached_port *ports, size_t n)
{
    if (!db->attachments) {
        db->attachments = attachment_rows_create();
    }
    attachment_rows_set(db->attachments, ports, n);
    db->attachments_dirty = true;
}

const char *
bastion_db_get_hostname(const struct bastion_db *db)
{
    return db->hostname;
}

int64_t
bastion_db_get_generation(const struct bastion_db *db)
{
    return db->generation;
}

void
bastion_db_set_applied(struct bastion_db *db, int64_t generation)
{
    if (db->applied != generation) {
        db->applied = generation;
        db->applied_at = time_wall_msec();
    }
}

int64_t
bastion_db_get_applied(const struct bastion_db *db)
{
    return db->applied;
}

bool
bastion_db_wants_statistics(const struct bastion_db *db)
{
    long long int now = time_msec();

    return (db->txn && db->initialized && now >= db->next_stats
            && now >= db->next_write);
}

void
bastion_db_set_statistics(struct bastion_db *db,
                          const struct flow_table *const *tables,
                          size_t n_tables)
{
    write_statistics(db, tables, n_tables);
    db->next_stats = time_msec() + STATISTICS_INTERVAL;
}

const char *
bastion_db_get_remote(const struct bastion_db *db)
{
    return db->remote;
}

bool
bastion_db_is_connected(const struct bastion_db *db)
{
    return ovsdb_idl_is_connected(db->loop.idl);
}

bool
bastion_db_has_contents(const struct bastion_db *db)
{
    return db->has_contents;
}

bool
bastion_db_is_initialized(const struct bastion_db *db)
{
    return db->initialized;
}

bool
bastion_db_is_duplicate_node(const struct bastion_db *db)
{
    return db->duplicate_node;
}

int
bastion_db_get_audit_interval(const struct bastion_db *db)
{
    return db->audit_interval;
}

bool
bastion_db_get_fast_path(const struct bastion_db *db)
{
    return db->fast_path;
}

void
bastion_db_for_each_refused(
    const struct bastion_db *db, const struct compiler *compiler,
    void (*cb)(const char *row, const char *status, void *aux), void *aux)
{
    const struct known_row *known;

    HMAP_FOR_EACH (known, hmap_node, &db->rows) {
        const char *status = compiler_get_status(compiler, &known->uuid);
        if (status && !strncmp(status, "error", 5)) {
            char *row = compiler_describe_row(compiler, &known->uuid);
            cb(row, status, aux);
            free(row);
        }
    }
}

void
bastion_db_get_memory_usage(const struct bastion_db *db, struct simap *usage)
{
    simap_increase(usage, "rows", hmap_count(&db->rows));
    ovsdb_idl_get_memory_usage(db->loop.idl, usage);
}

/* Reading. */

static struct known_row *
known_row_find(const struct bastion_db *db, const struct uuid *uuid)
{
    struct known_row *known;

    HMAP_FOR_EACH_WITH_HASH (known, hmap_node, uuid_hash(uuid), &db->rows) {
        if (uuid_equals(&known->uuid, uuid)) {
            return known;
        }
    }
    return NULL;
}

static void
known_row_destroy(struct bastion_db *db, struct known_row *known)
{
    hmap_remove(&db->rows, &known->hmap_node);
    ovs_list_remove(&known->status_node);
    free(known);
}

static void
tell_row(struct bastion_db *db, struct compiler *compiler,
         const struct row_class *class, const struct ovsdb_idl_row *row)
{
    struct known_row *known = known_row_find(db, &row->uuid);

    COVERAGE_INC(bastion_db_row_changed);
    if (!known) {
        known = xzalloc(sizeof *known);
        known->uuid = row->uuid;
        known->class = class;
        ovs_list_init(&known->status_node);
        hmap_insert(&db->rows, &known->hmap_node, uuid_hash(&row->uuid));
    }

    /* Statistics do not survive a restart of the database server, after which
     * all rows come here again. */
    known->stats_hash = 0;
    class->tell(compiler, row);
}

static void
forget_row(struct bastion_db *db, struct compiler *compiler,
           const struct uuid *uuid)
{
    struct known_row *known = known_row_find(db, uuid);

    COVERAGE_INC(bastion_db_row_changed);
    if (known) {
        compiler_remove_row(compiler, uuid);
        known_row_destroy(db, known);
    }
}

static void
read_all_rows(struct bastion_db *db, struct compiler *compiler)
{
    struct ovsdb_idl *idl = db->loop.idl;
    struct known_row *known;

    COVERAGE_INC(bastion_db_full_read);
    HMAP_FOR_EACH_SAFE (known, hmap_node, &db->rows) {
        if (!ovsdb_idl_get_row_for_uuid(idl, known->class->table,
                                        &known->uuid)) {
            struct uuid uuid = known->uuid;
            forget_row(db, compiler, &uuid);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(row_classes); i++) {
        const struct row_class *class = &row_classes[i];
        const struct ovsdb_idl_row *row;

        for (row = ovsdb_idl_first_row(idl, class->table); row;
             row = ovsdb_idl_next_row(row)) {
            tell_row(db, compiler, class, row);
        }
    }
    recheck_all(db);
}

/* Returns true if 'row', which is in the list of changed rows, is there for
 * more than a change of a row that it refers to. */
static bool
row_itself_changed(const struct row_class *class,
                   const struct ovsdb_idl_row *row)
{
    if (class->reads_references
        || ovsdb_idl_row_get_seqno(row, OVSDB_IDL_CHANGE_INSERT) > 0) {
        return true;
    }
    for (size_t i = 0; class->columns[i]; i++) {
        if (ovsdb_idl_track_is_updated(row, class->columns[i])) {
            return true;
        }
    }
    return false;
}

static void
read_changed_rows(struct bastion_db *db, struct compiler *compiler)
{
    struct ovsdb_idl *idl = db->loop.idl;

    for (size_t i = 0; i < ARRAY_SIZE(row_classes); i++) {
        const struct row_class *class = &row_classes[i];
        const struct ovsdb_idl_row *row;

        for (row = ovsdb_idl_track_get_first(idl, class->table); row;
             row = ovsdb_idl_track_get_next(row)) {
            if (!ovsdb_idl_get_row_for_uuid(idl, class->table, &row->uuid)) {
                struct uuid uuid = row->uuid;
                forget_row(db, compiler, &uuid);
            } else if (row_itself_changed(class, row)) {
                tell_row(db, compiler, class, row);
            }
        }
    }
}

static enum enforcement
parse_enforcement(const char *s)
{
    return (!strcmp(s, "audit") ? ENFORCEMENT_AUDIT
            : !strcmp(s, "off") ? ENFORCEMENT_OFF
            : ENFORCEMENT_ENFORCE);
}

static enum nd_responder
parse_nd_responder(const char *s)
{
    if (!strcmp(s, "flow")) {
        return ND_RESPONDER_FLOW;
    } else if (!strcmp(s, "packet-in")) {
        return ND_RESPONDER_PACKET_IN;
    } else if (strcmp(s, "auto")) {
        VLOG_WARN_RL(&rl, "options:nd-responder: \"%s\" is not \"auto\", "
                     "\"flow\" or \"packet-in\"; using \"auto\"", s);
    }
    return ND_RESPONDER_AUTO;
}

static int
parse_audit_interval(const char *s)
{
    int interval;

    if (!s) {
        return DEFAULT_AUDIT_INTERVAL;
    } else if (!str_to_int(s, 10, &interval)
               || interval < MIN_AUDIT_INTERVAL) {
        VLOG_WARN_RL(&rl, "options:audit-interval: \"%s\" is not a number of "
                     "milliseconds, at least %d; using %d", s,
                     MIN_AUDIT_INTERVAL, DEFAULT_AUDIT_INTERVAL);
        return DEFAULT_AUDIT_INTERVAL;
    }
    return interval;
}

static void
read_bastion_row(struct bastion_db *db, struct compiler *compiler,
                 const struct bsrec_bastion *row)
{
    db->generation = row->generation;
    db->fast_path = smap_get_bool(&row->options, "fast-path", true);
    db->audit_interval = parse_audit_interval(smap_get(&row->options,
                                                       "audit-interval"));
    compiler_set_options(
        compiler, parse_enforcement(row->default_enforcement),
        parse_nd_responder(smap_get_def(&row->options, "nd-responder",
                                        "auto")));
}

/* Writing. */

/* Compares the status of every row again with what the database has, and its
 * statistics when their time comes: a
 * transaction that would have written some has failed, or the database is
 * not the one it was. */
static void
recheck_all(struct bastion_db *db)
{
    struct known_row *known;

    HMAP_FOR_EACH (known, hmap_node, &db->rows) {
        if (ovs_list_is_empty(&known->status_node)) {
            ovs_list_push_back(&db->new_statuses, &known->status_node);
        }
        known->stats_hash = 0;
    }
}

/* Returns false if there is more to write. */
static bool
write_statuses(struct bastion_db *db, const struct compiler *compiler)
{
    size_t n = 0;

    while (!ovs_list_is_empty(&db->new_statuses)) {
        if (n >= MAX_STATUSES_PER_TXN) {
            return false;
        }

        struct known_row *known = CONTAINER_OF(
            ovs_list_front(&db->new_statuses), struct known_row, status_node);
        const struct row_class *class = known->class;
        const struct ovsdb_idl_row *row = ovsdb_idl_get_row_for_uuid(
            db->loop.idl, class->table, &known->uuid);
        const char *status = compiler_get_status(compiler, &known->uuid);

        ovs_list_remove(&known->status_node);
        ovs_list_init(&known->status_node);
        if (row && status && strcmp(class->get_status(row), status)) {
            COVERAGE_INC(bastion_db_status_written);
            class->set_status(row, status);
            n++;
        }
    }
    return true;
}

static const struct bsrec_node *
find_node_row(const struct bastion_db *db)
{
    const struct bsrec_node *row;

    BSREC_NODE_FOR_EACH (row, db->loop.idl) {
        if (!strcmp(row->name, db->node)) {
            return row;
        }
    }
    return NULL;
}

/* Returns true if another process has put its mark on 'row' after this one
 * did: then both serve one node, or two nodes have one name, and an
 * acknowledgement of either is worth nothing.  After a while it is this
 * process's turn again, because the other one may be gone. */
static bool
node_row_is_taken(struct bastion_db *db, const struct bsrec_node *row)
{
    const char *instance = smap_get_def(&row->external_ids, "instance", "");

    if (!strcmp(instance, db->instance)) {
        db->node_written = true;
        db->duplicate_node = false;
    } else if (db->duplicate_node) {
        if (time_msec() >= db->duplicate_until) {
            db->duplicate_node = false;
        }
    } else if (db->node_written) {
        VLOG_WARN("another controller on host \"%s\" uses the node name "
                  "\"%s\", too; it has to be unique (see "
                  "Open_vSwitch external_ids:system-id)",
                  row->hostname, db->node);
        db->duplicate_node = true;
        db->node_written = false;
        db->duplicate_until = time_msec() + DUPLICATE_BACKOFF;
    }
    return db->duplicate_node;
}

static void
write_node_columns(struct bastion_db *db, const struct bsrec_node *row,
                   bool is_new)
{
    if (is_new || strcmp(smap_get_def(&row->external_ids, "instance", ""),
                         db->instance)) {
        struct smap ids;
        smap_clone(&ids, &row->external_ids);
        smap_replace(&ids, "instance", db->instance);
        bsrec_node_set_external_ids(row, &ids);
        smap_destroy(&ids);
    }
    bsrec_node_set_hostname(row, db->hostname);
    bsrec_node_set_version(row, BASTION_VERSION);
    bsrec_node_set_addresses(row, (const char **) db->addresses,
                             db->n_addresses);
    if (db->applied >= 0 && (is_new || row->generation != db->applied)) {
        bsrec_node_set_generation(row, db->applied);
        bsrec_node_set_applied_at(row, db->applied_at);
    }
}

static void
write_node(struct bastion_db *db)
{
    if (!db->node) {
        return;
    }
    if (!set_node_condition(db)) {
        /* The database library may have the request ready without waking up
         * to send it, if the condition was set while it connected. */
        if (bastion_db_is_connected(db)) {
            poll_timer_wait(CONDITION_INTERVAL);
        }
        return;
    }

    const struct bsrec_node *row = find_node_row(db);
    if (!row) {
        struct bsrec_node *new = bsrec_node_insert(db->txn);
        bsrec_node_set_name(new, db->node);
        write_node_columns(db, new, true);
        db->writing_node = true;
    } else if (!node_row_is_taken(db, row)) {
        write_node_columns(db, row, false);
        db->writing_node = true;
    }

    if (db->attachments && db->attachments_dirty && !db->duplicate_node) {
        attachment_rows_write(db->attachments, db->loop.idl, db->txn,
                              db->node);
        db->attachments_dirty = false;
    }
}

static void
free_keys(char **keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(keys[i]);
    }
}

/* Nearly all rows have counted nothing since the last time, so that it pays
 * not to bother the database library with them. */
static void
write_row_statistics(struct bastion_db *db, struct known_row *known,
                     const struct flow_table *const *tables, size_t n_tables)
{
    struct row_statistics stats;

    memset(&stats, 0, sizeof stats);
    for (size_t i = 0; i < n_tables; i++) {
        row_statistics_add_owner(&stats, tables[i], &known->uuid);
    }

    uint32_t hash = hash_bytes(&stats, sizeof stats, 0) | 1;
    if (hash == known->stats_hash) {
        return;
    }

    const struct ovsdb_idl_row *row = ovsdb_idl_get_row_for_uuid(
        db->loop.idl, known->class->table, &known->uuid);
    if (row) {
        char *keys[ROW_STATISTICS_MAX_KEYS];
        int64_t values[ROW_STATISTICS_MAX_KEYS];
        size_t n = row_statistics_get(&stats, keys, values);

        known->class->set_statistics(row, (const char **) keys, values, n);
        free_keys(keys, n);
        known->stats_hash = hash;
    }
}

static void
write_node_statistics(struct bastion_db *db,
                      const struct flow_table *const *tables, size_t n_tables)
{
    const struct bsrec_node *node = db->node ? find_node_row(db) : NULL;

    if (node && !db->duplicate_node) {
        char *keys[ROW_STATISTICS_MAX_KEYS];
        int64_t values[ROW_STATISTICS_MAX_KEYS];
        struct row_statistics stats;

        memset(&stats, 0, sizeof stats);
        for (size_t i = 0; i < n_tables; i++) {
            row_statistics_add_table(&stats, tables[i]);
        }
        size_t n = row_statistics_get(&stats, keys, values);
        bsrec_node_set_statistics(node, (const char **) keys, values, n);
        free_keys(keys, n);
    }
}

static void
write_statistics(struct bastion_db *db,
                 const struct flow_table *const *tables, size_t n_tables)
{
    struct known_row *known;

    COVERAGE_INC(bastion_db_statistics_written);
    HMAP_FOR_EACH (known, hmap_node, &db->rows) {
        if (known->class->set_statistics) {
            write_row_statistics(db, known, tables, n_tables);
        }
    }
    write_node_statistics(db, tables, n_tables);
}
