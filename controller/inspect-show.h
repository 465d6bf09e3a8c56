/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_INSPECT_SHOW_H
#define BASTION_INSPECT_SHOW_H 1

/* bastion/show
 * ============
 *
 * The state of the controller on one page: the node, its databases, its
 * bridges, what has been compiled, and what is wrong.
 *
 * Thread-safety: none. */

struct bastion_db;
struct compiler;
struct ds;
struct json;
struct node_ovs;
struct fastpath_driver;
struct switches;

/* What there is to show.  Owns nothing. */
struct inspect_sources {
    struct compiler *compiler;
    const struct bastion_db *bastion_db;
    const struct node_ovs *node_ovs;
    struct switches *switches;
    const struct fastpath_driver *fastpath;
};

void inspect_show_format(const struct inspect_sources *, struct ds *);
struct json *inspect_show_to_json(const struct inspect_sources *);

#endif /* inspect-show.h */
