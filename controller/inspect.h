/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_INSPECT_H
#define BASTION_INSPECT_H 1

/* bastion/... commands
 * ====================
 *
 * The commands of the control socket with which an operator looks into the
 * controller, as bastion-controller(8) describes them.
 *
 * Some commands have to wait for a switch, or for ovs-vswitchd.  They are
 * answered later; the main loop never blocks for them.
 *
 * Commands are registered with the process's control socket, so that only one
 * instance makes sense.
 *
 * Thread-safety: none. */

struct bastion_db;
struct compiler;
struct fastpath_driver;
struct inspect;
struct node_ovs;
struct switches;

/* The arguments must live longer than the returned object. */
struct inspect *inspect_create(struct compiler *, const struct bastion_db *,
                               const struct node_ovs *, struct switches *,
                               const struct fastpath_driver *);
void inspect_run(struct inspect *);
void inspect_wait(struct inspect *);

/* Answers what has not been answered with an error. */
void inspect_destroy(struct inspect *);

#endif /* inspect.h */
