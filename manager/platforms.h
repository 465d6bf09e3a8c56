/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_PLATFORMS_H
#define BASTION_MANAGER_PLATFORMS_H 1

/* Platforms
 * =========
 *
 * Follows table Platform of the Bastion database, has a collector for each
 * row, and writes what the collectors want.
 *
 * Of several managers, the one that has the database's lock writes; the others
 * stand by.
 *
 * Each transaction is for one platform, so that a platform whose rows the
 * database refuses stops no other.  Each increments Bastion:generation, and
 * fails if somebody else has done so meanwhile; so what it allocated and
 * checked is still true when it is committed.  See also bastionctl's
 * verify_generation().
 *
 * Usage, in the main loop: platforms_run(), platforms_wait().
 *
 * Thread-safety: none. */

#include <stdbool.h>

struct ds;
struct event_base;
struct simap;

struct platforms *platforms_create(const char *remote, struct event_base *);
void platforms_destroy(struct platforms *);

void platforms_run(struct platforms *);
void platforms_wait(struct platforms *);

/* Appends what there is to say of the platforms. */
void platforms_show(const struct platforms *, struct ds *);

/* Appends what the platform 'name', or each if it is NULL, wants.  Returns
 * false if there is no such platform. */
bool platforms_show_desired(const struct platforms *, const char *name,
                            struct ds *);

/* Makes the collector of platform 'name', or each if it is NULL, list anew.
 * Returns false if there is no such platform. */
bool platforms_resync(struct platforms *, const char *name);

void platforms_get_memory_usage(const struct platforms *, struct simap *);

#endif /* manager/platforms.h */
