/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/result.h"

#include <stdlib.h>
#include <string.h>

#include "cni/cni-error.h"
#include "cni/netconf.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

/* More than anybody needs; Bastion's schema has this limit for addresses. */
#define MAX_ELEMENTS 64

/* Parsing. */

static const struct json *
get_member(const struct json *object, const char *name)
{
    const struct json *member
        = (object && object->type == JSON_OBJECT
           ? shash_find_data(json_object(object), name) : NULL);

    return member && member->type != JSON_NULL ? member : NULL;
}

static const char *
get_string(const struct json *object, const char *name)
{
    const struct json *member = get_member(object, name);

    return (member && member->type == JSON_STRING && json_string(member)[0]
            ? json_string(member) : NULL);
}

/* Returns an error that has 'reason', which is freed, or is NULL if there is
 * none. */
static struct cni_error *
bad_result(const char *whose, char *reason)
{
    if (!reason) {
        return NULL;
    }

    struct cni_error *error = cni_error_create(CNI_ERR_DECODE,
                                               "result of %s: %s", whose,
                                               reason);
    free(reason);
    return error;
}

/* Parses ADDRESS/LENGTH, where the host's bits may be set. */
static char * OVS_WARN_UNUSED_RESULT
parse_address(const char *s, struct cni_ip *ip)
{
    const char *slash = strchr(s, '/');

    if (!slash || !slash[1] || strspn(slash + 1, "0123456789") > 3
        || slash[1 + strspn(slash + 1, "0123456789")]) {
        return xasprintf("%s: expected ADDRESS/LENGTH", s);
    }

    char *address = xmemdup0(s, slash - s);
    char *reason = ip_address_parse(address, &ip->addr);
    free(address);
    if (!reason) {
        ip->plen = atoi(slash + 1);
        if (ip->plen > (ip_is_v4(&ip->addr) ? 32 : 128)) {
            reason = xasprintf("%s: prefix is too long", s);
        }
    }
    return reason;
}

static char * OVS_WARN_UNUSED_RESULT
parse_gateway(const struct json *object, const char *name, bool *has,
              struct in6_addr *gateway)
{
    const char *s = get_string(object, name);

    *has = s != NULL;
    return s ? ip_address_parse(s, gateway) : NULL;
}

static char * OVS_WARN_UNUSED_RESULT
parse_ip(const struct json *object, struct cni_result *result)
{
    struct cni_ip *ip = &result->ips[result->n_ips];
    const char *address = get_string(object, "address");
    const struct json *interface = get_member(object, "interface");

    if (!address) {
        return xstrdup("an address is missing");
    }
    ip->interface = -1;
    if (interface) {
        if (interface->type != JSON_INTEGER || json_integer(interface) < 0
            || json_integer(interface) >= result->n_interfaces) {
            return xasprintf("%s: there is no such interface", address);
        }
        ip->interface = json_integer(interface);
    }

    char *reason = parse_address(address, ip);
    if (!reason) {
        reason = parse_gateway(object, "gateway", &ip->has_gateway,
                               &ip->gateway);
    }
    result->n_ips += !reason;
    return reason;
}

static char * OVS_WARN_UNUSED_RESULT
parse_route(const struct json *object, struct cni_result *result)
{
    struct cni_route *route = &result->routes[result->n_routes];
    const char *dst = get_string(object, "dst");

    if (!dst) {
        return xstrdup("the destination of a route is missing");
    }

    char *reason = ip_prefix_parse(dst, &route->dst);
    if (!reason) {
        reason = parse_gateway(object, "gw", &route->has_gateway,
                               &route->gateway);
    }
    result->n_routes += !reason;
    return reason;
}

static char * OVS_WARN_UNUSED_RESULT
parse_interface(const struct json *object, struct cni_result *result)
{
    const char *name = get_string(object, "name");

    if (!name) {
        return xstrdup("the name of an interface is missing");
    }
    cni_result_add_interface(result, name, get_string(object, "mac"),
                             get_string(object, "sandbox"));
    return NULL;
}

/* Calls 'parse' for each element of the array 'name' of 'object', after
 * making room for them. */
static char * OVS_WARN_UNUSED_RESULT
parse_array(const struct json *object, const char *name,
            struct cni_result *result,
            char *(*parse)(const struct json *, struct cni_result *))
{
    const struct json *array = get_member(object, name);

    if (!array) {
        return NULL;
    }
    if (array->type != JSON_ARRAY) {
        return xasprintf("\"%s\" is not an array", name);
    }
    if (json_array(array)->n > MAX_ELEMENTS) {
        return xasprintf("\"%s\" has more than %d elements", name,
                         MAX_ELEMENTS);
    }
    for (size_t i = 0; i < json_array(array)->n; i++) {
        char *reason = parse(json_array(array)->elems[i], result);
        if (reason) {
            return reason;
        }
    }
    return NULL;
}

struct cni_error *
cni_result_parse(const struct json *json, const char *whose,
                 struct cni_result *result)
{
    memset(result, 0, sizeof *result);
    result->ips = xcalloc(MAX_ELEMENTS, sizeof *result->ips);
    result->routes = xcalloc(MAX_ELEMENTS, sizeof *result->routes);
    if (!json || json->type != JSON_OBJECT) {
        return bad_result(whose, xstrdup("not an object"));
    }

    char *reason = parse_array(json, "interfaces", result, parse_interface);
    if (!reason) {
        reason = parse_array(json, "ips", result, parse_ip);
    }
    if (!reason) {
        reason = parse_array(json, "routes", result, parse_route);
    }
    result->dns = json_nullable_clone(get_member(json, "dns"));
    return bad_result(whose, reason);
}

void
cni_result_destroy(struct cni_result *result)
{
    for (size_t i = 0; i < result->n_interfaces; i++) {
        free(result->interfaces[i].name);
        free(result->interfaces[i].mac);
        free(result->interfaces[i].sandbox);
    }
    free(result->interfaces);
    free(result->ips);
    free(result->routes);
    json_destroy(result->dns);
}

/* Queries and changes. */

void
cni_result_add_interface(struct cni_result *result, const char *name,
                         const char *mac, const char *sandbox)
{
    size_t n = result->n_interfaces++;

    result->interfaces = xrealloc(result->interfaces, result->n_interfaces
                                  * sizeof *result->interfaces);
    result->interfaces[n] = (struct cni_interface) {
        .name = xstrdup(name),
        .mac = nullable_xstrdup(mac),
        .sandbox = nullable_xstrdup(sandbox),
    };
}

const struct cni_interface *
cni_result_find_interface(const struct cni_result *result, const char *name)
{
    for (size_t i = 0; i < result->n_interfaces; i++) {
        const struct cni_interface *interface = &result->interfaces[i];

        if (interface->sandbox && !strcmp(interface->name, name)) {
            return interface;
        }
    }
    return NULL;
}

bool
cni_result_ip_is_of(const struct cni_result *result, const struct cni_ip *ip,
                    const struct cni_interface *interface)
{
    return (ip->interface < 0
            || &result->interfaces[ip->interface] == interface);
}

const struct in6_addr *
cni_result_get_gateway(const struct cni_result *result,
                       const struct cni_route *route)
{
    if (route->has_gateway) {
        return &route->gateway;
    }
    for (size_t i = 0; i < result->n_ips; i++) {
        const struct cni_ip *ip = &result->ips[i];

        if (ip->has_gateway && ip_is_v4(&ip->gateway) == route->dst.is_v4) {
            return &ip->gateway;
        }
    }
    return NULL;
}

/* Formatting. */

static void
put_address(struct json *object, const char *name, const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ip_address_format(addr, &s);
    json_object_put_string(object, name, ds_cstr(&s));
    ds_destroy(&s);
}

static struct json *
ip_to_json(const struct cni_ip *ip, const char *cni_version)
{
    struct json *object = json_object_create();
    struct ds s = DS_EMPTY_INITIALIZER;

    if (!cni_version_is_at_least(cni_version, "1.0.0")) {
        json_object_put_string(object, "version",
                               ip_is_v4(&ip->addr) ? "4" : "6");
    }
    ip_address_format(&ip->addr, &s);
    ds_put_format(&s, "/%u", ip->plen);
    json_object_put_string(object, "address", ds_cstr(&s));
    ds_destroy(&s);
    if (ip->has_gateway) {
        put_address(object, "gateway", &ip->gateway);
    }
    if (ip->interface >= 0) {
        json_object_put(object, "interface",
                        json_integer_create(ip->interface));
    }
    return object;
}

static struct json *
route_to_json(const struct cni_route *route)
{
    struct json *object = json_object_create();
    struct ds s = DS_EMPTY_INITIALIZER;

    ip_prefix_format(&route->dst, &s);
    if (!strchr(ds_cstr(&s), '/')) {
        ds_put_format(&s, "/%d", route->dst.plen);
    }
    json_object_put_string(object, "dst", ds_cstr(&s));
    ds_destroy(&s);
    if (route->has_gateway) {
        put_address(object, "gw", &route->gateway);
    }
    return object;
}

static struct json *
interface_to_json(const struct cni_interface *interface)
{
    struct json *object = json_object_create();

    json_object_put_string(object, "name", interface->name);
    if (interface->mac) {
        json_object_put_string(object, "mac", interface->mac);
    }
    if (interface->sandbox) {
        json_object_put_string(object, "sandbox", interface->sandbox);
    }
    return object;
}

struct json *
cni_result_to_json(const struct cni_result *result, const char *cni_version)
{
    struct json *object = json_object_create();
    struct json *interfaces = json_array_create_empty();
    struct json *ips = json_array_create_empty();
    struct json *routes = json_array_create_empty();

    for (size_t i = 0; i < result->n_interfaces; i++) {
        json_array_add(interfaces, interface_to_json(&result->interfaces[i]));
    }
    for (size_t i = 0; i < result->n_ips; i++) {
        json_array_add(ips, ip_to_json(&result->ips[i], cni_version));
    }
    for (size_t i = 0; i < result->n_routes; i++) {
        json_array_add(routes, route_to_json(&result->routes[i]));
    }
    json_object_put_string(object, "cniVersion", cni_version);
    json_object_put(object, "interfaces", interfaces);
    json_object_put(object, "ips", ips);
    json_object_put(object, "routes", routes);
    json_object_put(object, "dns", (result->dns ? json_clone(result->dns)
                                    : json_object_create()));
    return object;
}
