/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_NODE_OVS_H
#define BASTION_NODE_OVS_H 1

/* This node's Open vSwitch database
 * =================================
 *
 * Follows the Open_vSwitch database of the node: tells the compiler of
 * bridges and ports, says which bridge has a datapath ID, and gives the
 * bridges that Bastion owns the settings that it depends on.
 *
 * A database that is away changes nothing: what was known last stays true
 * until the database says otherwise.  The same goes for what ovs-vswitchd has
 * not written again after the database server's restart (the datapath ID of a
 * bridge, the MAC address of an interface).
 *
 * Usage, in the main loop: node_ovs_run(), then whatever changes the set of
 * owned bridges, then node_ovs_update(), then node_ovs_wait().
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/shash.h"
#include "openvswitch/types.h"
#include "svec.h"

struct attached_port;
struct attachment;
struct compiler;
struct node_ovs;
struct simap;

/* An interface of a bridge. */
struct node_port {
    ofp_port_t ofport;          /* OFPP_NONE if it has none (yet). */
    struct eth_addr mac;        /* Zero if not known. */
    char *veth;                 /* external_ids:bastion-veth: the interface
                                 * of which this port is the shadow (see
                                 * fastpath.h), or NULL. */
    struct attachment *attachment;  /* What external_ids say is behind it, or
                                     * NULL.  Owned. */
    const char *diversion;      /* Why Open vSwitch has to see each of its
                                 * packets, or NULL. */
};

/* A bridge, as the database has it. */
struct node_bridge {
    char *name;
    uint64_t datapath_id;       /* 0 if not known. */
    char *datapath_type;        /* "system", "netdev", "dummy". */
    struct shash ports;         /* Interface name -> "struct node_port". */
    struct svec controllers;    /* Targets. */
    const char *diversion;      /* As in struct node_port, for all ports. */

    bool marked;                /* Has it ever been Bastion's? */
    bool fail_mode_secure;
    bool in_band_disabled;
    bool out_of_band;           /* Are all the controllers? */

    /* Not from the database. */
    bool owned;                 /* See node_ovs_set_owned(). */
    bool released;              /* See node_ovs_set_released(). */
    bool warned;                /* About a second controller. */
};

struct node_ovs *node_ovs_create(const char *remote);
void node_ovs_destroy(struct node_ovs *);

/* Processes changes of the database and tells 'compiler' of them. */
void node_ovs_run(struct node_ovs *, struct compiler *compiler);

/* Writes the settings that owned bridges lack. */
void node_ovs_update(struct node_ovs *);
void node_ovs_wait(struct node_ovs *);

const char *node_ovs_get_remote(const struct node_ovs *);
bool node_ovs_is_connected(const struct node_ovs *);

/* Has the database's contents been seen?  Stays true. */
bool node_ovs_has_contents(const struct node_ovs *);

/* external_ids:system-id, or NULL; valid until the next node_ovs_run(). */
const char *node_ovs_get_system_id(const struct node_ovs *);

/* Version of Open vSwitch, or NULL; valid until the next node_ovs_run(). */
const char *node_ovs_get_version(const struct node_ovs *);

/* Bridge name -> "struct node_bridge".  Valid until node_ovs_run(). */
const struct shash *node_ovs_get_bridges(const struct node_ovs *);

/* Returns a number that changes whenever the bridges have been read again. */
uint64_t node_ovs_get_seqno(const struct node_ovs *);

/* Stores in '*portsp' the ports of owned bridges that have attachments,
 * without duplicates, and returns how many there are.  The caller must free
 * '*portsp', which refers to what is valid until node_ovs_run(). */
size_t node_ovs_get_attached_ports(const struct node_ovs *,
                                   struct attached_port **portsp);

/* Returns a number that changes whenever the result of
 * node_ovs_get_attached_ports() may have changed. */
unsigned int node_ovs_get_attachments_seqno(const struct node_ovs *);

/* NULL if no bridge has that datapath ID. */
const struct node_bridge *node_ovs_find_datapath_id(const struct node_ovs *,
                                                    uint64_t datapath_id);

/* Does Bastion own 'bridge', that is, does a network name it and has it
 * connected to this controller?  Only bridges that are owned are
 * written to. */
void node_ovs_set_owned(struct node_ovs *, const char *bridge, bool owned);

/* A bridge that is owned gets a mark in the database.  It stays until the
 * bridge's flows have been removed again and the user says so here. */
bool node_ovs_is_marked(const struct node_ovs *, const char *bridge);
void node_ovs_set_released(struct node_ovs *, const char *bridge,
                           bool released);

void node_ovs_get_memory_usage(const struct node_ovs *, struct simap *);

#endif /* node-ovs.h */
