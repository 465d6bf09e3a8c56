/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/attachment-rows.h"

#include <stdlib.h>
#include <string.h>

#include "controller/attachments.h"
#include "coverage.h"
#include "lib/bastion-idl.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "smap.h"
#include "svec.h"
#include "util.h"

COVERAGE_DEFINE(attachment_written);

/* What a row should be. */
struct wanted_row {
    char *bridge;
    char *convention;
    char *container_id;
    char *pod_namespace;
    char *pod_name;
    char *mac;
    struct svec ips;
    struct smap external_ids;
};

struct attachment_rows {
    struct shash wanted;        /* Interface -> "struct wanted_row". */
};

void
attachment_rows_add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *columns[] = {
        &bsrec_attachment_col_node,
        &bsrec_attachment_col_interface,
        &bsrec_attachment_col_bridge,
        &bsrec_attachment_col_convention,
        &bsrec_attachment_col_container_id,
        &bsrec_attachment_col_pod_namespace,
        &bsrec_attachment_col_pod_name,
        &bsrec_attachment_col_mac,
        &bsrec_attachment_col_ips,
        &bsrec_attachment_col_external_ids,
    };

    ovsdb_idl_add_table(idl, &bsrec_table_attachment);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
        ovsdb_idl_set_write_changed_only(idl, columns[i], true);
    }
}

unsigned int
attachment_rows_set_condition(struct ovsdb_idl *idl, const char *node)
{
    struct ovsdb_idl_condition condition;

    ovsdb_idl_condition_init(&condition);
    if (node) {
        bsrec_attachment_add_clause_node(&condition, OVSDB_F_EQ, node);
    }
    unsigned int seqno = ovsdb_idl_set_condition(
        idl, &bsrec_table_attachment, &condition);
    ovsdb_idl_condition_destroy(&condition);
    return seqno;
}

static void
wanted_row_destroy(struct wanted_row *row)
{
    free(row->bridge);
    free(row->convention);
    free(row->container_id);
    free(row->pod_namespace);
    free(row->pod_name);
    free(row->mac);
    svec_destroy(&row->ips);
    smap_destroy(&row->external_ids);
    free(row);
}

static void
clear(struct attachment_rows *rows)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &rows->wanted) {
        wanted_row_destroy(node->data);
    }
    shash_clear(&rows->wanted);
}

struct attachment_rows *
attachment_rows_create(void)
{
    struct attachment_rows *rows = xzalloc(sizeof *rows);

    shash_init(&rows->wanted);
    return rows;
}

void
attachment_rows_destroy(struct attachment_rows *rows)
{
    if (rows) {
        clear(rows);
        shash_destroy(&rows->wanted);
        free(rows);
    }
}

void
attachment_rows_set(struct attachment_rows *rows,
                    const struct attached_port *ports, size_t n)
{
    clear(rows);
    for (size_t i = 0; i < n; i++) {
        const struct attachment *a = ports[i].attachment;
        struct wanted_row *row = xzalloc(sizeof *row);

        row->bridge = xstrdup(ports[i].bridge);
        row->convention = xstrdup(a->convention);
        row->container_id = xstrdup(a->container_id);
        row->pod_namespace = xstrdup(a->pod_namespace);
        row->pod_name = xstrdup(a->pod_name);
        row->mac = xstrdup(a->mac);
        svec_clone(&row->ips, &a->ips);
        smap_clone(&row->external_ids, &a->external_ids);
        if (!shash_add_once(&rows->wanted, ports[i].interface, row)) {
            wanted_row_destroy(row);
        }
    }
}

static void
write_row(const struct bsrec_attachment *row, const struct wanted_row *wanted)
{
    bsrec_attachment_set_bridge(row, wanted->bridge);
    bsrec_attachment_set_convention(row, wanted->convention);
    bsrec_attachment_set_container_id(row, wanted->container_id);
    bsrec_attachment_set_pod_namespace(row, wanted->pod_namespace);
    bsrec_attachment_set_pod_name(row, wanted->pod_name);
    bsrec_attachment_set_mac(row, wanted->mac);
    bsrec_attachment_set_ips(row, (const char **) wanted->ips.names,
                             wanted->ips.n);
    if (!smap_equal(&row->external_ids, &wanted->external_ids)) {
        bsrec_attachment_set_external_ids(row, &wanted->external_ids);
    }
}

void
attachment_rows_write(const struct attachment_rows *rows,
                      struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                      const char *node)
{
    struct shash missing = SHASH_INITIALIZER(&missing);
    const struct bsrec_attachment *row;
    struct shash_node *shash_node;

    SHASH_FOR_EACH (shash_node, &rows->wanted) {
        shash_add(&missing, shash_node->name, shash_node->data);
    }
    BSREC_ATTACHMENT_FOR_EACH_SAFE (row, idl) {
        if (!strcmp(row->node, node)) {
            const struct wanted_row *wanted
                = shash_find_and_delete(&missing, row->interface);

            if (wanted) {
                write_row(row, wanted);
            } else {
                bsrec_attachment_delete(row);
            }
        }
    }
    SHASH_FOR_EACH (shash_node, &missing) {
        struct bsrec_attachment *new = bsrec_attachment_insert(txn);

        COVERAGE_INC(attachment_written);
        bsrec_attachment_set_node(new, node);
        bsrec_attachment_set_interface(new, shash_node->name);
        write_row(new, shash_node->data);
    }
    shash_destroy(&missing);
}
