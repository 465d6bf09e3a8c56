/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_SWITCHES_H
#define BASTION_SWITCHES_H 1

/* The switches that are connected
 * ===============================
 *
 * Listens for OpenFlow connections, finds out which bridge of this node is at
 * the other end of each, and attaches it to the desired flow table of that
 * bridge if a network names it.  All other bridges are left alone, but for one
 * case: when no network names a bridge any more that was Bastion's, its flows
 * are removed.  Otherwise what the last policy allowed would stay open, with
 * nobody there to close it.
 *
 * When a bridge has several connections (because it was told of two of our
 * listeners, or because a dead connection has not been noticed yet), the
 * newest one is used and the others are kept idle.  But one of a Unix domain
 * socket or with TLS takes precedence over one of plain TCP, where anyone on
 * this host could pretend to be the bridge.
 *
 * ovs-vswitchd takes up to 8 seconds to notice that a controller is back.  So
 * we call a bridge that has been told to come to us, at its management socket,
 * and hang up when it has come by itself and what is being sent has been
 * acknowledged.  A bridge that comes over plain TCP is called, too, and kept
 * on the line, so nobody else can pretend to be it.
 *
 * Acknowledgement: a version is a state of everything that the compiler has
 * compiled.  switches_acked() is the greatest version that is known to be
 * installed in every bridge that a network names and that exists on this node.
 * Such a bridge that is not connected holds it back.  So does a bridge that no
 * network names any more, as long as it is connected and its flows are being
 * removed.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/list.h"

struct compiler;
struct node_ovs;
struct of_switch;
struct simap;

enum switch_role {
    SWITCH_CONNECTING,          /* Datapath ID is not known yet. */
    SWITCH_WAITING,             /* Desired flow tables are not complete. */
    SWITCH_UNKNOWN,             /* No bridge of this node has that ID. */
    SWITCH_UNNAMED,             /* No network names the bridge. */
    SWITCH_CLOSING,             /* None does any more: removing the flows. */
    SWITCH_REDUNDANT,           /* Another connection serves the bridge. */
    SWITCH_ACTIVE               /* Attached. */
};

/* One connection. */
struct switches_connection {
    struct ovs_list list_node;  /* In struct switches's 'connections'. */
    struct of_switch *of_switch;
    enum switch_role role;
    char *bridge;               /* Bridge name, NULL if not known. */
    bool plain_tcp;             /* Could the peer be anyone? */
    char *dialed;               /* Bridge that we have called, or NULL. */

    /* Internal. */
    struct switches *switches;
    struct flow_table *table;   /* What it is attached to, or NULL. */
    struct flow_table *nothing; /* An empty table, for SWITCH_CLOSING. */
    bool closed;                /* Have the flows been removed? */
    unsigned int meters;        /* Bitmap of enum pipeline_meter. */
    bool reported;              /* Has the role been logged? */
    long long int created;      /* In ms. */
};

struct switches;

struct switches *switches_create(void);
void switches_destroy(struct switches *);

/* Listens on 'name', e.g. "ptcp:6653:127.0.0.1".  The socket file of a Unix
 * domain socket is made accessible to its owner only.  Returns 0 or a
 * positive errno value. */
int switches_listen(struct switches *, const char *name);

/* Accepts, talks, and assigns connections to bridges.  'ready' says that the
 * desired flow tables are complete, before which nothing is attached. */
void switches_run(struct switches *, const struct node_ovs *,
                  const struct compiler *, bool ready);
void switches_wait(struct switches *);

/* Must be called before the compiler runs: lets go of tables that it is going
 * to free. */
void switches_release(struct switches *, const struct compiler *);

/* Must be called after each compilation that changed anything.  'version' is
 * the new state's, greater than any before. */
void switches_compiled(struct switches *, const struct compiler *,
                       uint64_t version);
uint64_t switches_acked(const struct switches *, const struct node_ovs *,
                        const struct compiler *);

void switches_set_audit_interval(struct switches *, int msec);

/* Number of audits that all connections together have completed. */
unsigned long long int switches_get_n_audits(const struct switches *);

/* Contains "struct switches_connection"s in order of precedence.  Only to be
 * read. */
const struct ovs_list *switches_get_connections(const struct switches *);

/* The attached switch of 'bridge', or NULL. */
struct of_switch *switches_find(const struct switches *, const char *bridge);

/* Was 'bridge' Bastion's, and have its flows been removed since? */
bool switches_is_closed(const struct switches *, const char *bridge);

/* Is 'bridge' connected, in whatever role but SWITCH_UNKNOWN? */
bool switches_is_connected(const struct switches *, const char *bridge);

const char *switch_role_name(enum switch_role);
void switches_get_memory_usage(const struct switches *, struct simap *);

#endif /* switches.h */
