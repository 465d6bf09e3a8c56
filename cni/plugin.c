/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cni/bridge-port.h"
#include "cni/cni-error.h"
#include "cni/ipam.h"
#include "cni/link.h"
#include "cni/netconf.h"
#include "cni/ovsdb-client.h"
#include "cni/pending.h"
#include "cni/registry.h"
#include "dirs.h"
#include "openvswitch/json.h"
#include "stream-ssl.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

/* Clean-up has this much time at least, when a command's own is over. */
#define MIN_CLEANUP_TIME 5000   /* Milliseconds. */

static char *
default_remote(const char *socket)
{
    return xasprintf("unix:%s/%s", ovs_rundir(), socket);
}

static void
plugin_open(struct plugin *plugin)
{
    const struct netconf *conf = plugin->conf;

    /* A command that needs the databases waits until they are there. */
    bool patient = plugin->request->command == CNI_ADD;
    char *ovs_db = default_remote("db.sock");
    char *bastion_db = default_remote("bastion_db.sock");

    if (conf->private_key && conf->certificate && conf->ca_cert) {
        stream_ssl_set_key_and_cert(conf->private_key, conf->certificate);
        stream_ssl_set_ca_cert_file(conf->ca_cert, false);
    }
    plugin->ovs = ovsdb_client_create(conf->ovs_db ? conf->ovs_db : ovs_db,
                                      patient);
    plugin->bastion = ovsdb_client_create((conf->bastion_db ? conf->bastion_db
                                           : bastion_db), patient);
    free(ovs_db);
    free(bastion_db);
    if (plugin->request->command <= CNI_DEL) {
        host_names_init(&plugin->names, plugin->request->container_id,
                        plugin->request->ifname);
    }
}

static void
plugin_close(struct plugin *plugin)
{
    ovsdb_client_destroy(plugin->ovs);
    ovsdb_client_destroy(plugin->bastion);
}

struct cni_error *
plugin_forget(struct plugin *plugin, const char *container_id,
              const char *ifname)
{
    long long int deadline = MAX(plugin->deadline,
                                 time_msec() + MIN_CLEANUP_TIME);
    struct bridge_info info;
    struct host_names names;

    struct cni_error *error = bridge_info_read(plugin->ovs, NULL, deadline,
                                               &info);
    if (!error) {
        struct registry_key key = {
            .node = info.node,
            .container_id = container_id,
            .ifname = ifname
        };
        error = registry_delete(plugin->bastion, &key, deadline);
    }
    bridge_info_destroy(&info);

    host_names_init(&names, container_id, ifname);
    return cni_error_first(error, bridge_port_delete(plugin->ovs, names.port,
                                                     container_id, deadline));
}

/* Splits 'key', "CONTAINER-ID IFNAME", into '*container_id', which the caller
 * must free, and returns the interface's name. */
static const char *
split_key(const char *key, char **container_id)
{
    const char *space = strchr(key, ' ');

    *container_id = xmemdup0(key, space - key);
    return space + 1;
}

void
plugin_catch_up(struct plugin *plugin)
{
    const char *dir = plugin->conf->state_dir;
    struct svec keys = SVEC_EMPTY_INITIALIZER;
    bool away = false;

    pending_list(dir, &keys);
    for (size_t i = 0; i < keys.n && !away; i++) {
        char *container_id;
        const char *ifname = split_key(keys.names[i], &container_id);
        struct cni_error *error = plugin_forget(plugin, container_id, ifname);

        if (!error) {
            pending_remove(dir, container_id, ifname);
        }
        away = error && error->code == CNI_ERR_TRY_AGAIN;
        cni_error_destroy(error);
        free(container_id);
    }
    svec_destroy(&keys);
}

/* Deletes interface 'name' of the host, but none that ovs-vswitchd has
 * made. */
static struct cni_error *
delete_link(const char *name)
{
    struct link_ns *host;
    int error = link_ns_open(NULL, &host);

    if (!error) {
        error = link_delete_veth(host, name);
    }
    link_ns_close(host);
    return system_error(error == ENODEV ? 0 : error, "deleting", name);
}

/* Forgets the attachment of 'container_id' and 'ifname' with 'forget' and
 * deletes its interfaces, in an order in which Open vSwitch misses none. */
static struct cni_error *
detach(struct plugin *plugin, const char *container_id, const char *ifname,
       struct cni_error *(*forget)(struct plugin *, const char *container_id,
                                   const char *ifname))
{
    struct cni_error *error = NULL;
    struct host_names names;

    host_names_init(&names, container_id, ifname);
    if (plugin->conf->ipam_type) {
        error = delete_link(names.veth);
    }
    error = cni_error_first(error, forget(plugin, container_id, ifname));
    if (plugin->conf->ipam_type) {
        error = cni_error_first(error, delete_link(names.port));
    }
    return error;
}

/* A database that is away is no reason to keep the container: it is written
 * down instead. */
static struct cni_error *
forget_or_write_down(struct plugin *plugin, const char *container_id,
                     const char *ifname)
{
    struct cni_error *error = plugin_forget(plugin, container_id, ifname);

    if (error && error->code == CNI_ERR_TRY_AGAIN
        && !pending_add(plugin->conf->state_dir, container_id, ifname)) {
        cni_error_destroy(error);
        error = NULL;
    }
    return error;
}

static struct cni_error *
run_ipam(const struct plugin *plugin, const char *command)
{
    return (plugin->conf->ipam_type
            ? ipam_run(plugin->conf->ipam_type, command, plugin->request->path,
                       plugin->text)
            : NULL);
}

static struct cni_error *
plugin_del(struct plugin *plugin)
{
    struct cni_error *error = detach(plugin, plugin->request->container_id,
                                     plugin->request->ifname,
                                     forget_or_write_down);

    if (!error) {
        plugin_catch_up(plugin);
    }

    /* Last, so that nobody gets the addresses while they are in use. */
    return cni_error_first(error, run_ipam(plugin, "DEL"));
}

static struct cni_error *
collect_garbage(struct plugin *plugin, const struct svec *keys)
{
    struct cni_error *error = NULL;

    for (size_t i = 0; i < keys->n; i++) {
        if (!svec_contains(&plugin->conf->valid_attachments, keys->names[i])) {
            char *container_id;
            const char *ifname = split_key(keys->names[i], &container_id);

            error = cni_error_first(error, detach(plugin, container_id, ifname,
                                                  plugin_forget));
            free(container_id);
        }
    }
    return error;
}

static struct cni_error *
plugin_gc(struct plugin *plugin)
{
    struct svec keys = SVEC_EMPTY_INITIALIZER;
    struct bridge_info info;

    if (!plugin->conf->has_valid_attachments) {
        return cni_error_create(CNI_ERR_CONFIG, "configuration: "
                                "\"cni.dev/valid-attachments\" is missing");
    }
    plugin_catch_up(plugin);

    struct cni_error *error = bridge_info_read(plugin->ovs, NULL,
                                               plugin->deadline, &info);
    if (!error) {
        error = registry_list(plugin->bastion, info.node, plugin->conf->name,
                              plugin->deadline, &keys);
    }
    if (!error) {
        error = collect_garbage(plugin, &keys);
    }
    bridge_info_destroy(&info);
    svec_destroy(&keys);
    return cni_error_first(error, run_ipam(plugin, "GC"));
}

/* Would an ADD find what it needs? */
static struct cni_error *
plugin_status(struct plugin *plugin)
{
    const struct netconf *conf = plugin->conf;
    struct registry_network network;
    struct bridge_info info = { .node = NULL };
    struct cni_error *error = registry_find_network(
        plugin->bastion, conf->network, plugin->deadline, &network);

    if (!error) {
        error = bridge_info_read(plugin->ovs, network.bridge, plugin->deadline,
                                 &info);
    }
    if (error) {
        error->code = CNI_ERR_UNAVAILABLE;
    }
    bridge_info_destroy(&info);
    registry_network_destroy(&network);
    return error ? error : run_ipam(plugin, "STATUS");
}

static struct json *
supported_versions(const struct netconf *conf)
{
    struct json *object = json_object_create();
    struct json *versions = json_array_create_empty();

    for (size_t i = 0; cni_versions[i]; i++) {
        json_array_add(versions, json_string_create(cni_versions[i]));
    }
    json_object_put_string(object, "cniVersion", conf->cni_version);
    json_object_put(object, "supportedVersions", versions);
    return object;
}

/* Commands came with versions of the specification. */
static struct cni_error *
check_version(const struct cni_request *request, const struct netconf *conf)
{
    const char *least = (request->command == CNI_CHECK ? "0.4.0"
                         : request->command == CNI_GC
                         || request->command == CNI_STATUS ? "1.1.0"
                         : cni_versions[0]);

    return (cni_version_is_at_least(conf->cni_version, least) ? NULL
            : cni_error_create(CNI_ERR_VERSION, "CNI version %s has no such "
                               "command", conf->cni_version));
}

struct cni_error *
plugin_run(const struct cni_request *request, const struct netconf *conf,
           const char *text, struct json **output)
{
    struct plugin plugin = {
        .request = request,
        .conf = conf,
        .text = text,
        .deadline = time_msec() + conf->timeout * 1000LL,
    };

    *output = NULL;
    if (request->command == CNI_VERSION) {
        *output = supported_versions(conf);
        return NULL;
    }

    struct cni_error *error = check_version(request, conf);
    if (!error) {
        plugin_open(&plugin);
        error = (request->command == CNI_ADD ? plugin_add(&plugin, output)
                 : request->command == CNI_CHECK ? plugin_check(&plugin)
                 : request->command == CNI_DEL ? plugin_del(&plugin)
                 : request->command == CNI_GC ? plugin_gc(&plugin)
                 : plugin_status(&plugin));
        plugin_close(&plugin);
    }
    return error;
}
