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
#include "cni/registry.h"
#include "cni/result.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "sha1.h"
#include "smap.h"
#include "svec.h"
#include "util.h"

/* An attachment that is being made. */
struct add {
    struct plugin *plugin;
    struct registry_network network;
    struct bridge_info info;
    struct link_ns *host, *container;
    struct eth_addr mac;
    struct ipam ipam;
    bool ipam_runs;
    struct cni_result result;   /* Of the IPAM plugin or of the chain. */
    const char *interface;      /* In the bridge. */
    char mac_string[ETH_ADDR_STRLEN + 1];
    struct svec ips;            /* Without prefix lengths. */

    /* What there is to undo. */
    bool has_veth, has_ipam, has_port, has_row;
};

/* Shared by both modes. */

static void
append_ip(struct svec *ips, const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ip_address_format(addr, &s);
    svec_add_nocopy(ips, ds_steal_cstr(&s));
}

static struct registry_key
make_key(const struct add *add)
{
    return (struct registry_key) {
        .node = add->info.node,
        .container_id = add->plugin->request->container_id,
        .ifname = add->plugin->request->ifname
    };
}

/* Registers the container and waits until its node enforces that.
 *
 * Only when the controller knows the port can it have flows for it, and it
 * learns of the port and of the container from different databases: hence the
 * first wait. */
static struct cni_error *
register_container(struct add *add)
{
    struct plugin *plugin = add->plugin;
    const struct netconf *conf = plugin->conf;
    struct registry_container container = {
        .key = make_key(add),
        .cni_network = conf->name,
        .network = conf->network,
        .network_uuid = add->network.uuid,
        .service = conf->service,
        .create_service = conf->default_service,
        .interface = add->interface,
        .pod_name = conf->pod_name,
        .pod_namespace = conf->pod_namespace,
        .mac = add->mac_string,
        .ips = add->ips,
    };
    int64_t generation = 0;
    struct cni_error *error;

    error = registry_wait_attachment(plugin->bastion, add->info.node,
                                     add->interface, plugin->deadline);
    if (!error) {
        /* Without an answer, nobody knows whether the row is there. */
        add->has_row = true;
        error = registry_add(plugin->bastion, &container, plugin->deadline,
                             &generation);
    }
    if (!error) {
        error = registry_wait_applied(plugin->bastion, &container.key,
                                      generation, plugin->deadline);
    }
    return error;
}

static struct cni_error *
read_databases(struct add *add)
{
    struct plugin *plugin = add->plugin;
    const struct netconf *conf = plugin->conf;
    struct cni_error *error = registry_find_network(
        plugin->bastion, conf->network, plugin->deadline, &add->network);

    if (!error && conf->bridge
        && strcmp(conf->bridge, add->network.bridge)) {
        error = cni_error_create(CNI_ERR_CONFIG, "configuration: \"bridge\" "
                                 "is %s, but network %s has bridge %s",
                                 conf->bridge, conf->network,
                                 add->network.bridge);
    }
    return error ? error : bridge_info_read(plugin->ovs, add->network.bridge,
                                            plugin->deadline, &add->info);
}

/* Standalone. */

/* An address that the container keeps when it is attached again, and that
 * nobody else has but by a chance of one in 2**46. */
static struct eth_addr
choose_mac(const struct add *add)
{
    const struct netconf *conf = add->plugin->conf;

    if (conf->has_mac) {
        return conf->mac;
    }

    const struct cni_request *request = add->plugin->request;
    char *key = xasprintf("mac/%s/%s/%s", conf->name, request->container_id,
                          request->ifname);
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct eth_addr mac;

    sha1_bytes(key, strlen(key), digest);
    free(key);
    memcpy(&mac, digest, sizeof mac);
    mac.ea[0] = (mac.ea[0] & 0xfc) | 2;     /* Local and unicast. */
    return mac;
}

static struct cni_error *
open_namespaces(struct add *add)
{
    const char *netns = add->plugin->request->netns;
    int error = link_ns_open(NULL, &add->host);

    if (error) {
        return system_error(error, "opening", "the host's network namespace");
    }
    error = link_ns_open(netns, &add->container);
    return (error ? cni_error_create(CNI_ERR_CONTAINER,
                                     "network namespace %s: %s", netns,
                                     ovs_strerror(error))
            : NULL);
}

static struct cni_error *
make_veth(struct add *add)
{
    struct plugin *plugin = add->plugin;
    struct link_veth veth = {
        .host_name = (add->info.userspace ? plugin->names.veth
                      : plugin->names.port),
        .name = plugin->request->ifname,
        .mac = add->mac,
        .mtu = plugin->conf->mtu,
    };
    int error = link_add_veth(add->host, add->container, &veth);

    if (error == EEXIST) {
        return cni_error_create(CNI_ERR_CONTAINER, "container %s has an "
                                "interface %s already",
                                plugin->request->container_id, veth.name);
    }
    add->has_veth = !error;
    return system_error(error, "creating", veth.host_name);
}

static struct cni_error *
start_ipam(struct add *add)
{
    struct plugin *plugin = add->plugin;
    struct cni_error *error = ipam_start(&add->ipam, plugin->conf->ipam_type,
                                         "ADD", plugin->request->path,
                                         plugin->text);

    add->has_ipam = add->ipam_runs = !error;
    return error;
}

static struct cni_error *
finish_ipam(struct add *add)
{
    struct plugin *plugin = add->plugin;
    struct cni_error *error;

    add->ipam_runs = false;
    error = ipam_finish(&add->ipam, &add->result);
    if (!error && !add->result.n_ips) {
        error = cni_error_create(CNI_ERR_CONFIG, "IPAM plugin \"%s\" has no "
                                 "addresses", plugin->conf->ipam_type);
    }
    for (size_t i = 0; i < add->result.n_ips && !error; i++) {
        append_ip(&add->ips, &add->result.ips[i].addr);
    }
    return error;
}

static struct cni_error *
configure_container(struct add *add)
{
    const char *ifname = add->plugin->request->ifname;
    const struct cni_result *result = &add->result;
    uint32_t ifindex;
    int error = link_get(add->container, ifname, &ifindex, NULL);

    error = error ? error : link_set_up(add->container, ifindex);
    for (size_t i = 0; i < result->n_ips && !error; i++) {
        error = link_add_address(add->container, ifindex, &result->ips[i]);
    }
    for (size_t i = 0; i < result->n_routes && !error; i++) {
        const struct cni_route *route = &result->routes[i];

        error = link_add_route(add->container, ifindex, &route->dst,
                               cni_result_get_gateway(result, route));
        if (error == EEXIST) {
            /* The subnet's own, for one. */
            error = 0;
        }
    }
    return system_error(error, "configuring", ifname);
}

/* What others find the container by; see Attachment in bastion(5).  The
 * addresses are not known yet. */
static void
put_external_ids(const struct add *add, struct smap *ids)
{
    const struct plugin *plugin = add->plugin;
    const struct netconf *conf = plugin->conf;

    smap_add(ids, "container-id", plugin->request->container_id);
    smap_add(ids, "ifname", plugin->request->ifname);
    smap_add(ids, "netns", plugin->request->netns);
    smap_add(ids, "attached-mac", add->mac_string);
    if (conf->pod_name) {
        smap_add(ids, "pod-name", conf->pod_name);
    }
    if (conf->pod_namespace) {
        smap_add(ids, "pod-namespace", conf->pod_namespace);
    }
    if (add->info.userspace) {
        smap_add(ids, "bastion-veth", plugin->names.veth);
    }
}

static struct cni_error *
add_port(struct add *add)
{
    struct plugin *plugin = add->plugin;
    struct bridge_port port = {
        .bridge = add->network.bridge,
        .name = plugin->names.port,
        .internal = add->info.userspace,
        .mtu = plugin->conf->mtu,
    };
    struct cni_error *error;

    smap_init(&port.external_ids);
    put_external_ids(add, &port.external_ids);
    add->has_port = true;
    error = bridge_port_add(plugin->ovs, &add->info, &port, plugin->deadline);
    smap_destroy(&port.external_ids);
    return error;
}

static struct cni_error *
connect_port(struct add *add)
{
    struct plugin *plugin = add->plugin;
    struct cni_error *error = bridge_port_wait(
        plugin->ovs, plugin->names.port, plugin->deadline);

    add->interface = plugin->names.port;
    return (error ? error
            : add->info.userspace
            ? host_side_connect(add->host, &plugin->names)
            : host_side_open(add->host, plugin->names.port));
}

/* Last, because ovs-vswitchd goes through its whole configuration whenever
 * something is written there, while flows have to wait. */
static struct cni_error *
write_addresses(struct add *add)
{
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct cni_error *error;

    smap_add_nocopy(&ids, xstrdup("ip-addresses"),
                    svec_join(&add->ips, ",", ""));
    error = bridge_port_mark(add->plugin->ovs, add->interface, &ids,
                             add->plugin->deadline);
    smap_destroy(&ids);
    return error;
}

static struct cni_error *
attach(struct add *add)
{
    struct cni_error *error = open_namespaces(add);

    add->mac = choose_mac(add);
    snprintf(add->mac_string, sizeof add->mac_string, ETH_ADDR_FMT,
             ETH_ADDR_ARGS(add->mac));

    /* First what cannot be done twice: if this fails, then perhaps because
     * everything is there already, and nothing of that must be undone. */
    error = error ? error : make_veth(add);

    /* ovs-vswitchd and the IPAM plugin work at the same time. */
    error = error ? error : start_ipam(add);
    error = error ? error : add_port(add);
    error = error ? error : connect_port(add);
    error = error ? error : finish_ipam(add);
    error = error ? error : configure_container(add);
    error = error ? error : register_container(add);
    return error ? error : write_addresses(add);
}

/* Undoes an ADD that has failed. */
static void
detach(struct add *add)
{
    struct plugin *plugin = add->plugin;
    const struct cni_request *request = plugin->request;

    if (add->ipam_runs) {
        struct cni_result ignored;

        cni_error_destroy(ipam_finish(&add->ipam, &ignored));
        cni_result_destroy(&ignored);
    }
    if (add->has_row || add->has_port) {
        cni_error_destroy(plugin_forget(plugin, request->container_id,
                                        request->ifname));
    }
    if (add->has_veth) {
        link_delete_veth(add->host, (add->info.userspace ? plugin->names.veth
                                     : plugin->names.port));
    }
    if (add->has_ipam) {
        cni_error_destroy(ipam_run(plugin->conf->ipam_type, "DEL",
                                   request->path, plugin->text));
    }
}

/* Replaces the interfaces of the IPAM plugin's result, which normally has
 * none, by ours. */
static struct json *
format_result(struct add *add)
{
    struct plugin *plugin = add->plugin;
    struct cni_result *result = &add->result;
    const char *veth = (add->info.userspace ? plugin->names.veth
                        : plugin->names.port);
    int n = result->n_interfaces;

    cni_result_add_interface(result, veth, NULL, NULL);
    cni_result_add_interface(result, plugin->request->ifname, add->mac_string,
                             plugin->request->netns);
    for (size_t i = 0; i < result->n_ips; i++) {
        result->ips[i].interface = n + 1;
    }
    return cni_result_to_json(result, plugin->conf->cni_version);
}

/* Chained. */

/* Takes the container's side from the result of the plugins before us. */
static struct cni_error *
use_container_interface(struct add *add)
{
    const struct cni_request *request = add->plugin->request;
    const struct cni_interface *interface = cni_result_find_interface(
        &add->result, request->ifname);

    if (!interface || !interface->mac
        || !eth_addr_from_string(interface->mac, &add->mac)) {
        return cni_error_create(CNI_ERR_CONFIG, "prevResult has no MAC "
                                "address of %s", request->ifname);
    }
    snprintf(add->mac_string, sizeof add->mac_string, ETH_ADDR_FMT,
             ETH_ADDR_ARGS(add->mac));
    for (size_t i = 0; i < add->result.n_ips; i++) {
        const struct cni_ip *ip = &add->result.ips[i];

        if (cni_result_ip_is_of(&add->result, ip, interface)) {
            append_ip(&add->ips, &ip->addr);
        }
    }
    return (add->ips.n ? NULL
            : cni_error_create(CNI_ERR_CONFIG, "prevResult has no IP address "
                               "of %s", request->ifname));
}

/* Finds the host's interface that is a port of the bridge. */
static struct cni_error *
use_host_interface(struct add *add)
{
    struct plugin *plugin = add->plugin;
    const struct cni_result *result = &add->result;

    for (size_t i = 0; i < result->n_interfaces && !add->interface; i++) {
        const struct cni_interface *interface = &result->interfaces[i];
        struct cni_error *error;
        bool found = false;

        if (interface->sandbox
            || !strcmp(interface->name, add->network.bridge)) {
            continue;
        }
        error = bridge_port_find(plugin->ovs, &add->info, interface->name,
                                 plugin->deadline, &found);
        if (error) {
            return error;
        } else if (found) {
            add->interface = interface->name;
        }
    }
    return (add->interface ? NULL
            : cni_error_create(CNI_ERR_BRIDGE, "none of the interfaces of "
                               "prevResult is a port of bridge %s",
                               add->network.bridge));
}

/* The port belongs to another plugin, which need not write anything that the
 * controller understands.  None of the known ones has these keys in this
 * row. */
static struct cni_error *
mark_port(struct add *add)
{
    const struct netconf *conf = add->plugin->conf;
    struct smap ids = SMAP_INITIALIZER(&ids);
    struct cni_error *error;

    smap_add(&ids, "container-id", add->plugin->request->container_id);
    if (conf->pod_name) {
        smap_add(&ids, "pod-name", conf->pod_name);
    }
    if (conf->pod_namespace) {
        smap_add(&ids, "pod-namespace", conf->pod_namespace);
    }
    error = bridge_port_mark(add->plugin->ovs, add->interface, &ids,
                             add->plugin->deadline);
    smap_destroy(&ids);
    return error;
}

static struct cni_error *
join_chain(struct add *add)
{
    struct cni_error *error;

    error = cni_result_parse(add->plugin->conf->prev_result, "the chain",
                             &add->result);
    error = error ? error : use_container_interface(add);
    error = error ? error : use_host_interface(add);
    error = error ? error : mark_port(add);
    return error ? error : register_container(add);
}

static struct cni_error *
add_standalone(struct add *add, struct json **output)
{
    struct cni_error *error = read_databases(add);

    error = error ? error : attach(add);
    if (error) {
        detach(add);
    } else {
        *output = format_result(add);
    }
    return error;
}

static struct cni_error *
add_chained(struct add *add, struct json **output)
{
    struct cni_error *error = read_databases(add);

    error = error ? error : join_chain(add);
    if (error && add->has_row) {
        struct registry_key key = make_key(add);

        cni_error_destroy(registry_delete(add->plugin->bastion, &key,
                                          add->plugin->deadline));
    } else if (!error) {
        *output = json_clone(add->plugin->conf->prev_result);
    }
    return error;
}

struct cni_error *
plugin_add(struct plugin *plugin, struct json **output)
{
    const struct netconf *conf = plugin->conf;
    struct cni_error *error;

    if (!conf->ipam_type == !conf->prev_result) {
        return cni_error_create(
            CNI_ERR_CONFIG, conf->ipam_type
            ? "configuration: \"ipam\" is for the first plugin of a chain only"
            : "configuration: \"ipam\" is missing, and there is no plugin "
              "before in the chain");
    }
    plugin_catch_up(plugin);

    struct add add = { .plugin = plugin };
    svec_init(&add.ips);
    error = (conf->ipam_type ? add_standalone(&add, output)
             : add_chained(&add, output));

    cni_result_destroy(&add.result);
    svec_destroy(&add.ips);
    link_ns_close(add.host);
    link_ns_close(add.container);
    bridge_info_destroy(&add.info);
    registry_network_destroy(&add.network);
    return error;
}
