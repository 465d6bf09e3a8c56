/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <limits.h>
#include <string.h>

#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/types.h"
#include "svec.h"
#include "util.h"

/* Verbs for containers. */

#define MAX_IPS 64              /* Limit of the schema. */

/* The arguments of container-add, checked. */
struct container_settings {
    const struct bsrec_service *service;
    const char *name;
    const char *interface;
    char *mac;                  /* Owned. */
    struct svec ips;
    const char *node;           /* NULL if not given. */
};

static void
container_settings_destroy(struct container_settings *settings)
{
    free(settings->mac);
    svec_destroy(&settings->ips);
}

/* Names in which check's DST argument could not tell a container from
 * something else. */
static bool
check_container_name(struct ctl_context *ctx, const char *name)
{
    struct in6_addr ip;

    if (!check_name_argument(ctx, "NAME", name)) {
        return false;
    }

    char *not_ip = ip_address_parse(name, &ip);
    bool reserved = (!not_ip || !strcmp(name, "host")
                     || !strcmp(name, "world") || !strcmp(name, "any"));
    free(not_ip);
    if (reserved) {
        bad_argument(ctx, "NAME",
                     xasprintf("%s: expected a name other than any, host, "
                               "world or an IP address", name));
    }
    return !reserved;
}

/* Returns the network that has 'interface' as its gateway port on the bridge
 * of 'network', or NULL. */
static const struct bsrec_network *
network_of_gateway_port(struct ctl_context *ctx,
                        const struct bsrec_network *network,
                        const char *interface)
{
    const struct bsrec_network *other;

    BSREC_NETWORK_FOR_EACH (other, ctx->idl) {
        if (!strcmp(other->bridge, network->bridge)
            && !strcmp(interface, (other->gateway_port ? other->gateway_port
                                   : other->bridge))) {
            return other;
        }
    }
    return NULL;
}

static bool
check_interface(struct ctl_context *ctx,
                const struct container_settings *settings)
{
    const char *interface = settings->interface;
    const struct bsrec_network *network;

    if (!interface[0] || strlen(interface) > 255
        || strpbrk(interface, "/ \t\r\n")) {
        bad_argument(ctx, "INTERFACE",
                     xasprintf("\"%s\": expected the name of a network "
                               "interface", interface));
        return false;
    }
    network = network_of_gateway_port(ctx, settings->service->network,
                                      interface);
    if (network) {
        bad_argument(ctx, "INTERFACE",
                     xasprintf("%s: is the gateway port of network %s",
                               interface, network->name));
        return false;
    }
    return true;
}

/* Returns true if 'ip' is the address of the IPv4 subnet 'subnet' itself or
 * its directed broadcast address (RFC 1122 section 3.2.1.3), which no host
 * can have.  A subnet of 2 or fewer addresses has neither (RFC 3021). */
static bool
is_subnet_or_broadcast(const struct ip_prefix *subnet,
                       const struct in6_addr *ip)
{
    if (!subnet->is_v4 || subnet->plen >= 31) {
        return false;
    }

    bool all_zeros = true, all_ones = true;
    for (unsigned int bit = 96 + subnet->plen; bit < 128; bit++) {
        if (ip->s6_addr[bit / 8] & (0x80u >> bit % 8)) {
            all_zeros = false;
        } else {
            all_ones = false;
        }
    }
    return all_zeros || all_ones;
}

/* Checks that a container of 'network' can have address 'ip', which 'text'
 * spells. */
static char * OVS_WARN_UNUSED_RESULT
check_ip_in_network(const struct bsrec_network *network, const char *text,
                    const struct in6_addr *ip)
{
    bool in_subnet = false;

    for (size_t i = 0; i < network->n_subnets; i++) {
        struct ip_prefix subnet;
        char *error = ip_prefix_parse(network->subnets[i], &subnet);

        if (error) {
            free(error);
        } else if (ip_prefix_contains(&subnet, ip)) {
            in_subnet = true;
            if (is_subnet_or_broadcast(&subnet, ip)) {
                return xasprintf("%s: is the subnet or broadcast address of "
                                 "subnet %s", text, network->subnets[i]);
            }
        }
    }
    if (!in_subnet) {
        struct ds subnets = DS_EMPTY_INITIALIZER;

        for (size_t i = 0; i < network->n_subnets; i++) {
            ds_put_format(&subnets, "%s%s", i ? ", " : "",
                          network->subnets[i]);
        }
        char *error = xasprintf("%s: not in a subnet of network %s, expected "
                                "an address in %s", text, network->name,
                                ds_cstr(&subnets));
        ds_destroy(&subnets);
        return error;
    }
    return NULL;
}

static char * OVS_WARN_UNUSED_RESULT
add_ip(struct container_settings *settings, const char *text)
{
    const struct bsrec_network *network = settings->service->network;
    struct in6_addr ip;
    char *error = ip_address_parse(text, &ip);

    if (!error) {
        error = check_ip_in_network(network, text, &ip);
    }
    if (error) {
        return error;
    }
    if (settings->ips.n >= MAX_IPS) {
        return xasprintf("%s: a container has at most %d addresses", text,
                         MAX_IPS);
    }

    char *canonical = canonical_ip(text);
    for (size_t i = 0; i < network->n_gateways && !error; i++) {
        char *gateway = canonical_ip(network->gateways[i]);

        if (!strcmp(gateway, canonical)) {
            error = xasprintf("%s: is a gateway of network %s", text,
                              network->name);
        }
        free(gateway);
    }
    if (!error && svec_contains_unsorted(&settings->ips, canonical)) {
        error = xasprintf("%s: given twice", text);
    }
    if (error) {
        free(canonical);
    } else {
        svec_add_nocopy(&settings->ips, canonical);
    }
    return error;
}

/* Parses and checks the arguments after MAC. */
static bool
parse_ips(struct ctl_context *ctx, struct container_settings *settings)
{
    for (int i = 5; i < ctx->argc; i++) {
        const char *argument = ctx->argv[i];

        if (!strncmp(argument, "node=", 5)) {
            settings->node = argument + 5;
            if (!check_name_argument(ctx, "node", settings->node)) {
                return false;
            }
        } else {
            char *error = add_ip(settings, argument);

            if (error) {
                bad_argument(ctx, "IP", error);
                return false;
            }
        }
    }
    if (!settings->ips.n) {
        ctl_error(ctx, "IP argument: expected at least one IP address");
        return false;
    }
    return true;
}

static bool
parse_container_settings(struct ctl_context *ctx,
                         struct container_settings *settings)
{
    struct eth_addr mac;

    if (!check_service_argument(ctx, "NETWORK/SERVICE", ctx->argv[1])) {
        return false;
    }
    settings->service = find_service(ctx, ctx->argv[1], true);
    settings->name = ctx->argv[2];
    settings->interface = ctx->argv[3];
    if (!settings->service
        || !check_container_name(ctx, settings->name)
        || !check_interface(ctx, settings)) {
        return false;
    }

    char *error = mac_parse(ctx->argv[4], &mac);
    if (error) {
        bad_argument(ctx, "MAC", error);
        return false;
    }
    settings->mac = canonical_mac(ctx->argv[4]);
    return parse_ips(ctx, settings);
}

static void
report_conflict(struct ctl_context *ctx, const char *argument,
                const char *value, const struct bsrec_container *container)
{
    char *name = container_name(container);

    bad_argument(ctx, argument,
                 xasprintf("%s: container %s has it already", value, name));
    free(name);
}

/* Returns a container that is behind 'interface' of 'node', or NULL.  A
 * container without a node is wherever its interface is. */
static const struct bsrec_container *
find_interface_user(struct ctl_context *ctx, const char *interface,
                    const char *node)
{
    const struct bsrec_container *container;

    BSREC_CONTAINER_FOR_EACH (container, ctx->idl) {
        if (!strcmp(container->interface, interface)
            && (!node || !container->node
                || !strcmp(container->node, node))) {
            return container;
        }
    }
    return NULL;
}

/* Reports an error and returns false if another container has something that
 * the new one wants for itself. */
static bool
check_conflicts(struct ctl_context *ctx,
                const struct container_settings *settings)
{
    const struct bsrec_network *network = settings->service->network;
    const char *interface = settings->interface;
    const struct bsrec_container *other;

    other = find_interface_user(ctx, interface, settings->node);
    if (other) {
        report_conflict(ctx, "INTERFACE", interface, other);
        return false;
    }

    other = find_claim(ctx, "MAC %s/%s", network->name, settings->mac);
    if (other) {
        report_conflict(ctx, "MAC", settings->mac, other);
        return false;
    }
    if (network->gateway_mac && !strcmp(settings->mac, network->gateway_mac)) {
        bad_argument(ctx, "MAC", xasprintf("%s: the gateway of network %s has "
                                           "it already", settings->mac,
                                           network->name));
        return false;
    }

    for (size_t i = 0; i < settings->ips.n; i++) {
        const char *ip = settings->ips.names[i];

        other = find_claim(ctx, "IP %s/%s", network->name, ip);
        if (other) {
            report_conflict(ctx, "IP", ip, other);
            return false;
        }
    }
    return true;
}

/* Reports an error unless the existing 'container' is what 'settings' ask
 * for, as far as they say. */
static void
check_same_container(struct ctl_context *ctx,
                     const struct bsrec_container *container,
                     const struct container_settings *settings)
{
    bool same_ips = container->n_ips == settings->ips.n;
    for (size_t i = 0; i < container->n_ips && same_ips; i++) {
        char *ip = canonical_ip(container->ips[i]);

        same_ips = svec_contains_unsorted(&settings->ips, ip);
        free(ip);
    }

    char *mac = canonical_mac(container->mac);
    const char *what = (strcmp(container->interface, settings->interface)
                        ? "interface"
                        : strcmp(mac, settings->mac) ? "MAC address"
                        : !same_ips ? "IP addresses"
                        : settings->node && (!container->node
                                             || strcmp(container->node,
                                                       settings->node))
                        ? "node"
                        : NULL);
    free(mac);
    if (what) {
        char *name = container_name(container);

        ctl_error(ctx, "container %s exists with other %s", name, what);
        free(name);
    }
}

static void
insert_container(struct ctl_context *ctx,
                 const struct container_settings *settings)
{
    struct bsrec_container *container = bsrec_container_insert(ctx->txn);

    bsrec_container_set_name(container, settings->name);
    bsrec_container_set_service(container, settings->service);
    bsrec_container_set_interface(container, settings->interface);
    bsrec_container_set_mac(container, settings->mac);
    bsrec_container_set_ips(container, (const char **) settings->ips.names,
                            settings->ips.n);
    if (settings->node) {
        bsrec_container_set_node(container, settings->node);
    }
    index_container(ctx, container);
}

static void
cmd_container_add(struct ctl_context *ctx)
{
    bool may_exist = shash_find(&ctx->options, "--may-exist");
    struct container_settings settings = { .service = NULL };

    if (parse_container_settings(ctx, &settings)) {
        char *name = xasprintf("%s/%s", ctx->argv[1], settings.name);
        const struct bsrec_container *container;

        container = shash_find_data(&inventory(ctx)->containers, name);
        if (container && may_exist) {
            check_same_container(ctx, container, &settings);
        } else if (container) {
            ctl_error(ctx, "container %s exists already", name);
        } else if (check_conflicts(ctx, &settings)) {
            insert_container(ctx, &settings);
        }
        free(name);
    }
    container_settings_destroy(&settings);
}

static void
cmd_container_del(struct ctl_context *ctx)
{
    bool if_exists = shash_find(&ctx->options, "--if-exists");
    const struct bsrec_container *container;

    container = find_container(ctx, ctx->argv[1], !if_exists);
    if (container) {
        unindex_container(ctx, container);
        bsrec_container_delete(container);
    }
}

/* Checks the argument of container-list. */
static bool
check_filter(struct ctl_context *ctx, const char *filter)
{
    return (!filter
            || (strchr(filter, '/')
                ? find_service(ctx, filter, true) != NULL
                : find_network(ctx, filter, true) != NULL));
}

static void
cmd_container_list(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Container", "Network", "Service", "Interface", "Node",
        "IP addresses", "MAC address", "Status", NULL,
    };
    const struct row_index *index = inventory(ctx);
    const char *filter = ctx->argc > 1 ? ctx->argv[1] : NULL;

    if (!check_filter(ctx, filter)) {
        return;
    }

    char *prefix = filter ? xasprintf("%s/", filter) : xstrdup("");
    const struct shash_node **nodes = shash_sort(&index->containers);
    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&index->containers); i++) {
        const struct bsrec_container *container = nodes[i]->data;

        if (strncmp(nodes[i]->name, prefix, strlen(prefix))) {
            continue;
        }
        add_row(ctx);
        add_text(ctx, "%s", container->name);
        add_text(ctx, "%s", container->service->network->name);
        add_text(ctx, "%s", container->service->name);
        add_text(ctx, "%s", container->interface);
        add_text(ctx, "%s", container->node ? container->node : "");
        add_texts(ctx, container->ips, container->n_ips);
        add_text(ctx, "%s", container->mac);
        add_text(ctx, "%s", container->status);
    }
    free(nodes);
    free(prefix);
}

const struct ctl_command_syntax container_commands[] = {
    {"container-add", 5, INT_MAX,
     "NETWORK/SERVICE NAME INTERFACE MAC IP... [KEY=VALUE]", pre_inventory,
     cmd_container_add, NULL, "--may-exist", RW},
    {"container-del", 1, 1, "CONTAINER", pre_inventory, cmd_container_del,
     NULL, "--if-exists", RW},
    {"container-list", 0, 1, "[NETWORK[/SERVICE]]", pre_inventory,
     cmd_container_list, NULL, "", RO},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
