/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_PLUGIN_H
#define BASTION_CNI_PLUGIN_H 1

/* The plugin's commands.
 *
 * Standalone, ADD makes a veth pair whose end in the container gets the
 * addresses that the IPAM plugin hands out, and adds the other end to the
 * network's bridge:
 *
 *     kernel datapath     The host's end is the port.
 *
 *     userspace datapath  The port is an internal interface, a shadow port
 *                         (see Documentation/howto/fast-path.rst), because the
 *                         host's network stack would otherwise see everything
 *                         that the container sends.  Filters connect it to the
 *                         host's end; if the fast path's programs are attached
 *                         to the two, these take precedence.
 *
 * Chained, the plugin leaves the interface to the plugins before it.
 *
 * In both cases ADD registers the container in the Bastion database and
 * returns when its node enforces that.  An ADD that fails undoes what it has
 * done.
 *
 * DEL does not need the databases.  What it cannot delete there, it writes
 * down in a directory, and the next ADD, DEL or GC makes up for it. */

#include "cni/host-side.h"
#include "openvswitch/compiler.h"

struct cni_error;
struct cni_request;
struct json;
struct netconf;
struct ovsdb_client;
struct svec;

/* A command that is being executed. */
struct plugin {
    const struct cni_request *request;
    const struct netconf *conf;
    const char *text;           /* That 'conf' was parsed from. */
    long long int deadline;     /* In ms, as from time_msec(). */
    struct host_names names;    /* ADD, CHECK and DEL only. */
    struct ovsdb_client *ovs;
    struct ovsdb_client *bastion;
};

/* Executes 'request' with the configuration 'conf', parsed from 'text'.
 * Stores what there is to print in '*output', or NULL; the caller must free
 * it. */
struct cni_error *plugin_run(const struct cni_request *request,
                             const struct netconf *conf, const char *text,
                             struct json **output)
    OVS_WARN_UNUSED_RESULT;

/* Parts of plugin_run(). */
struct cni_error *plugin_add(struct plugin *, struct json **output)
    OVS_WARN_UNUSED_RESULT;
struct cni_error *plugin_check(struct plugin *) OVS_WARN_UNUSED_RESULT;

/* Deletes from the databases what the attachment of 'container_id' and
 * 'ifname' has there. */
struct cni_error *plugin_forget(struct plugin *, const char *container_id,
                                const char *ifname)
    OVS_WARN_UNUSED_RESULT;

/* Deletes what could not be deleted earlier, as far as possible. */
void plugin_catch_up(struct plugin *);

#endif /* cni/plugin.h */
