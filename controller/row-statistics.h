/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_ROW_STATISTICS_H
#define BASTION_ROW_STATISTICS_H 1

/* Statistics of a database row
 * ============================
 *
 * Adds up the counters of the flows of a row, or of whole flow tables, and
 * gives them as the keys and values of a "statistics" column:
 *
 *     packets, bytes   What flows that neither drop nor audit have matched.
 *     REASON           Packets dropped for that reason.
 *     audit-REASON     Packets that audit mode let pass.
 *
 * A counter that is 0 has no key.
 *
 * Thread-safety: none. */

#include <stddef.h>
#include <stdint.h>

#include "bastion/drop-reasons.h"

struct flow_table;
struct uuid;

struct row_statistics {
    int64_t packets, bytes;
    int64_t dropped[N_DROP_REASONS], dropped_bytes[N_DROP_REASONS];
    int64_t audited[N_DROP_REASONS], audited_bytes[N_DROP_REASONS];
};

/* Adds what 'table' has counted for the flows that 'owner' owns. */
void row_statistics_add_owner(struct row_statistics *,
                              const struct flow_table *table,
                              const struct uuid *owner);

/* Adds the totals of 'table'. */
void row_statistics_add_table(struct row_statistics *,
                              const struct flow_table *table);

#define ROW_STATISTICS_MAX_KEYS (2 + 2 * N_DROP_REASONS)

/* Stores keys and values and returns how many there are.  The caller must
 * free each key. */
size_t row_statistics_get(const struct row_statistics *,
                          char *keys[ROW_STATISTICS_MAX_KEYS],
                          int64_t values[ROW_STATISTICS_MAX_KEYS]);

#endif /* row-statistics.h */
