/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/plugin.h"

#include <stdlib.h>
#include <string.h>

#include "cni/bridge-port.h"
#include "cni/cni-error.h"
#include "cni/ipam.h"
#include "cni/link.h"
#include "cni/netconf.h"
#include "cni/registry.h"
#include "cni/result.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

static struct cni_error *
check_address(struct link_ns *container, uint32_t ifindex,
              const struct cni_ip *ip)
{
    if (link_has_address(container, ifindex, ip)) {
        return NULL;
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    ip_address_format(&ip->addr, &s);
    struct cni_error *error = cni_error_create(
        CNI_ERR_DIFFERENT, "the container has lost address %s/%u",
        ds_cstr(&s), ip->plen);
    ds_destroy(&s);
    return error;
}

static struct cni_error *
check_route(struct link_ns *container, uint32_t ifindex,
            const struct cni_result *result, const struct cni_route *route)
{
    if (link_has_route(container, ifindex, &route->dst,
                       cni_result_get_gateway(result, route))) {
        return NULL;
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    ip_prefix_format(&route->dst, &s);
    struct cni_error *error = cni_error_create(
        CNI_ERR_DIFFERENT, "the container has lost the route to %s",
        ds_cstr(&s));
    ds_destroy(&s);
    return error;
}

static struct cni_error *
check_interface(struct link_ns *container, const char *ifname,
                const struct cni_result *result)
{
    const struct cni_interface *interface = cni_result_find_interface(result,
                                                                      ifname);
    struct cni_error *error = NULL;
    struct eth_addr mac, wanted;
    uint32_t ifindex;

    if (!interface || !interface->mac
        || !eth_addr_from_string(interface->mac, &wanted)) {
        return cni_error_create(CNI_ERR_CONFIG, "prevResult has no MAC "
                                "address of %s", ifname);
    }
    if (link_get(container, ifname, &ifindex, &mac)) {
        return cni_error_create(CNI_ERR_DIFFERENT, "the container has lost "
                                "interface %s", ifname);
    }
    if (!eth_addr_equals(mac, wanted)) {
        return cni_error_create(CNI_ERR_DIFFERENT, "interface %s has another "
                                "MAC address", ifname);
    }
    for (size_t i = 0; i < result->n_ips && !error; i++) {
        if (cni_result_ip_is_of(result, &result->ips[i], interface)) {
            error = check_address(container, ifindex, &result->ips[i]);
        }
    }
    for (size_t i = 0; i < result->n_routes && !error; i++) {
        error = check_route(container, ifindex, result, &result->routes[i]);
    }
    return error;
}

static struct cni_error *
check_container(struct plugin *plugin)
{
    const struct cni_request *request = plugin->request;
    struct cni_result result;
    struct link_ns *container = NULL;
    struct cni_error *error = cni_result_parse(plugin->conf->prev_result,
                                               "the last ADD", &result);

    if (!error && link_ns_open(request->netns, &container)) {
        error = cni_error_create(CNI_ERR_CONTAINER, "network namespace %s "
                                 "cannot be opened", request->netns);
    }
    if (!error) {
        error = check_interface(container, request->ifname, &result);
    }
    link_ns_close(container);
    cni_result_destroy(&result);
    return error;
}

static struct cni_error *
check_databases(struct plugin *plugin)
{
    const struct cni_request *request = plugin->request;
    struct bridge_info info;
    struct cni_error *error = bridge_info_read(plugin->ovs, NULL,
                                               plugin->deadline, &info);

    if (!error) {
        struct registry_key key = {
            .node = info.node,
            .container_id = request->container_id,
            .ifname = request->ifname
        };
        error = registry_check(plugin->bastion, &key, plugin->deadline);
    }
    bridge_info_destroy(&info);
    return error;
}

struct cni_error *
plugin_check(struct plugin *plugin)
{
    const struct netconf *conf = plugin->conf;
    const struct cni_request *request = plugin->request;
    struct cni_error *error = check_databases(plugin);

    if (error || !conf->ipam_type) {
        return error;
    }
    error = check_container(plugin);
    error = error ? error : bridge_port_check(
        plugin->ovs, plugin->names.port, request->container_id,
        plugin->deadline);
    return error ? error : ipam_run(conf->ipam_type, "CHECK", request->path,
                                    plugin->text);
}
