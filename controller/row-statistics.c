/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/row-statistics.h"

#include "controller/flow-table.h"
#include "util.h"
#include "uuid.h"

void
row_statistics_add_owner(struct row_statistics *stats,
                         const struct flow_table *table,
                         const struct uuid *uuid)
{
    const struct flow_owner *owner = flow_table_find_owner(table, uuid);

    if (!owner) {
        return;
    }

    const struct flow_claim *claim;
    LIST_FOR_EACH (claim, owner_node, &owner->claims) {
        const struct flow_entry *entry = claim->entry;
        const struct uuid *entry_owner = flow_entry_owner(entry);

        if (!entry->desired || !entry_owner
            || !uuid_equals(entry_owner, uuid)) {
            continue;
        }

        enum drop_reason reason = flow_cookie_reason(entry->desired->cookie);
        if (reason == DROP_NONE) {
            stats->packets += entry->n_packets;
            stats->bytes += entry->n_bytes;
        } else if (flow_cookie_is_audited(entry->desired->cookie)) {
            stats->audited[reason] += entry->n_packets;
            stats->audited_bytes[reason] += entry->n_bytes;
        } else {
            stats->dropped[reason] += entry->n_packets;
            stats->dropped_bytes[reason] += entry->n_bytes;
        }
    }
}

void
row_statistics_add_table(struct row_statistics *stats,
                         const struct flow_table *table)
{
    for (size_t i = 0; i < N_DROP_REASONS; i++) {
        stats->dropped[i] += table->drop_packets[i];
        stats->dropped_bytes[i] += table->drop_bytes[i];
        stats->audited[i] += table->audit_packets[i];
        stats->audited_bytes[i] += table->audit_bytes[i];
    }
}

size_t
row_statistics_get(const struct row_statistics *stats,
                   char *keys[ROW_STATISTICS_MAX_KEYS],
                   int64_t values[ROW_STATISTICS_MAX_KEYS])
{
    size_t n = 0;

    if (stats->packets) {
        keys[n] = xstrdup("packets");
        values[n++] = stats->packets;
        keys[n] = xstrdup("bytes");
        values[n++] = stats->bytes;
    }
    for (size_t i = 0; i < N_DROP_REASONS; i++) {
        const char *name = drop_reason_name(i);
        if (name && stats->dropped[i]) {
            keys[n] = xstrdup(name);
            values[n++] = stats->dropped[i];
        }
        if (name && stats->audited[i]) {
            keys[n] = xasprintf("audit-%s", name);
            values[n++] = stats->audited[i];
        }
    }
    return n;
}
