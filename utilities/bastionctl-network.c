/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <limits.h>
#include <string.h>

#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "simap.h"
#include "svec.h"
#include "util.h"

/* Verbs for networks and services. */

#define DEFAULT_BRIDGE "br-int"

/* Limits of the schema. */
#define MAX_SUBNETS 16
#define MAX_GATEWAYS 16
#define MAX_DHCP_SERVERS 2
#define MAX_NETWORK_KEY 1535
#define MAX_IDENTITY 16777215

static void delete_service(struct ctl_context *,
                           const struct bsrec_service *);

/* The arguments of network-add, checked. */
struct network_settings {
    const char *name;
    struct ip_prefix subnets[MAX_SUBNETS];
    struct svec subnet_texts;
    const char *bridge;         /* NULL if not given, as the others. */
    struct in6_addr gateways[MAX_GATEWAYS];
    struct svec gateway_texts;
    char *gateway_mac;          /* Owned. */
    const char *gateway_port;
    struct svec dhcp_server_texts;
    const char *enforcement;
};

static void
network_settings_destroy(struct network_settings *settings)
{
    svec_destroy(&settings->subnet_texts);
    svec_destroy(&settings->gateway_texts);
    svec_destroy(&settings->dhcp_server_texts);
    free(settings->gateway_mac);
}

/* Addresses that no container may have, and that no subnet may contain. */
static char * OVS_WARN_UNUSED_RESULT
check_subnet(const char *text, const struct ip_prefix *subnet)
{
    static const char *const reserved[] = {
        "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3",
        "::", "::1", "fe80::/10", "ff00::/8",
    };
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        struct ip_prefix prefix;
        char *error = ip_prefix_parse(reserved[i], &prefix);

        ovs_assert(!error);
        if (ip_prefix_overlaps(subnet, &prefix)) {
            return xasprintf("%s: overlaps %s, whose addresses are not "
                             "unicast or not for containers", text,
                             reserved[i]);
        }
    }
    return NULL;
}

static char * OVS_WARN_UNUSED_RESULT
add_subnet(struct network_settings *settings, const char *text)
{
    struct ip_prefix subnet;
    struct ds canonical = DS_EMPTY_INITIALIZER;

    if (settings->subnet_texts.n >= MAX_SUBNETS) {
        return xasprintf("%s: a network has at most %d subnets", text,
                         MAX_SUBNETS);
    }
    if (!strchr(text, '/')) {
        return xasprintf("%s: expected a subnet, as ADDRESS/LENGTH", text);
    }
    char *error = ip_prefix_parse(text, &subnet);
    if (!error) {
        error = check_subnet(text, &subnet);
    }
    for (size_t i = 0; i < settings->subnet_texts.n && !error; i++) {
        if (ip_prefix_overlaps(&subnet, &settings->subnets[i])) {
            error = xasprintf("%s: overlaps subnet %s of the same network",
                              text, settings->subnet_texts.names[i]);
        }
    }
    if (!error) {
        settings->subnets[settings->subnet_texts.n] = subnet;
        ip_prefix_format(&subnet, &canonical);
        svec_add_nocopy(&settings->subnet_texts, ds_steal_cstr(&canonical));
    }
    return error;
}

/* Returns true if 'ip' is in one of the subnets. */
static bool
is_in_subnets(const struct network_settings *settings,
              const struct in6_addr *ip)
{
    for (size_t i = 0; i < settings->subnet_texts.n; i++) {
        if (ip_prefix_contains(&settings->subnets[i], ip)) {
            return true;
        }
    }
    return false;
}

/* Parses 'text' as an address that belongs to the network, and adds it to
 * 'texts' unless that has 'max' already. */
static char * OVS_WARN_UNUSED_RESULT
add_address(const struct network_settings *settings, const char *text,
            struct svec *texts, size_t max)
{
    struct in6_addr ip;
    char *error = ip_address_parse(text, &ip);

    if (error) {
        return error;
    } else if (!is_in_subnets(settings, &ip)) {
        char *subnets = svec_join(&settings->subnet_texts, ", ", "");

        error = xasprintf("%s: expected an address in %s", text, subnets);
        free(subnets);
        return error;
    } else if (texts->n >= max) {
        return xasprintf("%s: a network has at most %"PRIuSIZE" of these",
                         text, max);
    }

    char *canonical = canonical_ip(text);
    if (svec_contains_unsorted(texts, canonical)) {
        error = xasprintf("%s: given twice", text);
        free(canonical);
    } else {
        svec_add_nocopy(texts, canonical);
    }
    return error;
}

/* Parses 'value' as IP[,MAC]. */
static char * OVS_WARN_UNUSED_RESULT
add_gateway(struct network_settings *settings, const char *value)
{
    const char *comma = strchr(value, ',');
    char *ip = comma ? xmemdup0(value, comma - value) : xstrdup(value);
    char *error = add_address(settings, ip, &settings->gateway_texts,
                              MAX_GATEWAYS);

    free(ip);
    if (error || !comma) {
        return error;
    }

    struct eth_addr mac;
    error = mac_parse(comma + 1, &mac);
    if (!error) {
        char *text = canonical_mac(comma + 1);

        if (settings->gateway_mac && strcmp(settings->gateway_mac, text)) {
            error = xasprintf("%s: the gateway has Ethernet address %s "
                              "already", value, settings->gateway_mac);
        }
        free(settings->gateway_mac);
        settings->gateway_mac = text;
    }
    return error;
}

static char * OVS_WARN_UNUSED_RESULT
set_enforcement(struct network_settings *settings, const char *value)
{
    if (strcmp(value, "enforce") && strcmp(value, "audit")
        && strcmp(value, "off")) {
        return xasprintf("%s: expected enforce, audit or off", value);
    }
    settings->enforcement = value;
    return NULL;
}

/* Parses 'argument' as KEY=VALUE.  Reports an error and returns false if there
 * is one. */
static bool
parse_network_setting(struct ctl_context *ctx, const char *argument,
                      struct network_settings *settings)
{
    size_t key_len = strcspn(argument, "=");
    const char *value = argument + key_len + 1;
    char *key = xmemdup0(argument, key_len);
    char *error = NULL;

    if (!*value) {
        error = xasprintf("value is missing after \"%s\"", argument);
    } else if (!strcmp(key, "bridge")) {
        settings->bridge = value;
    } else if (!strcmp(key, "gateway")) {
        error = add_gateway(settings, value);
    } else if (!strcmp(key, "gateway-port")) {
        settings->gateway_port = value;
    } else if (!strcmp(key, "dhcp-server")) {
        error = add_address(settings, value, &settings->dhcp_server_texts,
                            MAX_DHCP_SERVERS);
    } else if (!strcmp(key, "enforcement")) {
        error = set_enforcement(settings, value);
    } else {
        ctl_error(ctx, "%s: expected bridge=, gateway=, gateway-port=, "
                  "dhcp-server= or enforcement=", argument);
        free(key);
        return false;
    }

    if (error) {
        bad_argument(ctx, key, error);
    }
    free(key);
    return !error;
}

static bool
parse_network_settings(struct ctl_context *ctx,
                       struct network_settings *settings)
{
    settings->name = ctx->argv[1];
    if (!check_name_argument(ctx, "NAME", settings->name)) {
        return false;
    }
    for (int i = 2; i < ctx->argc; i++) {
        if (!strchr(ctx->argv[i], '=')) {
            char *error = add_subnet(settings, ctx->argv[i]);

            if (error) {
                bad_argument(ctx, "SUBNET", error);
                return false;
            }
        }
    }
    if (!settings->subnet_texts.n) {
        ctl_error(ctx, "SUBNET argument: expected at least one subnet, as "
                  "ADDRESS/LENGTH");
        return false;
    }
    for (int i = 2; i < ctx->argc; i++) {
        if (strchr(ctx->argv[i], '=')
            && !parse_network_setting(ctx, ctx->argv[i], settings)) {
            return false;
        }
    }
    return true;
}

/* Reports an error and returns false if a subnet overlaps one of another
 * network on the same bridge: there, a packet's address would not tell which
 * network it is for. */
static bool
check_overlaps(struct ctl_context *ctx,
               const struct network_settings *settings, const char *bridge)
{
    const struct bsrec_network *network;

    BSREC_NETWORK_FOR_EACH (network, ctx->idl) {
        if (strcmp(network->bridge, bridge)) {
            continue;
        }
        for (size_t i = 0; i < network->n_subnets; i++) {
            struct ip_prefix theirs;
            char *error = ip_prefix_parse(network->subnets[i], &theirs);

            if (error) {
                free(error);
                continue;
            }
            for (size_t j = 0; j < settings->subnet_texts.n; j++) {
                if (ip_prefix_overlaps(&theirs, &settings->subnets[j])) {
                    ctl_error(ctx, "SUBNET argument: %s: overlaps subnet %s "
                              "of network %s on the same bridge %s",
                              settings->subnet_texts.names[j],
                              network->subnets[i], network->name, bridge);
                    return false;
                }
            }
        }
    }
    return true;
}

/* Compares the 'n' texts in 'texts', in any order, with 'expected'. */
static bool
has_texts(char **texts, size_t n, const struct svec *expected)
{
    bool equal = n == expected->n;

    for (size_t i = 0; i < n && equal; i++) {
        equal = svec_contains_unsorted(expected, texts[i]);
    }
    return equal;
}

/* Reports an error unless the existing 'network' is what 'settings' ask for,
 * as far as they say. */
static void
check_same_network(struct ctl_context *ctx,
                   const struct bsrec_network *network,
                   const struct network_settings *settings)
{
    const char *what = NULL;

    if (!has_texts(network->subnets, network->n_subnets,
                   &settings->subnet_texts)) {
        what = "subnets";
    } else if (settings->bridge
               && strcmp(settings->bridge, network->bridge)) {
        what = "bridge";
    } else if (settings->gateway_texts.n
               && !has_texts(network->gateways, network->n_gateways,
                             &settings->gateway_texts)) {
        what = "gateways";
    } else if (settings->gateway_mac
               && (!network->gateway_mac
                   || strcmp(settings->gateway_mac, network->gateway_mac))) {
        what = "gateway MAC address";
    } else if (settings->gateway_port
               && (!network->gateway_port
                   || strcmp(settings->gateway_port,
                             network->gateway_port))) {
        what = "gateway-port";
    } else if (settings->dhcp_server_texts.n
               && !has_texts(network->dhcp_servers, network->n_dhcp_servers,
                             &settings->dhcp_server_texts)) {
        what = "DHCP servers";
    } else if (settings->enforcement
               && (!network->enforcement
                   || strcmp(settings->enforcement, network->enforcement))) {
        what = "enforcement";
    }
    if (what) {
        ctl_error(ctx, "network %s exists with other %s", network->name,
                  what);
    }
}

/* Returns a network key that no network has or ever had, or 0 if there are
 * none left. */
static int64_t
allocate_network_key(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    int64_t key = root->next_network_key;

    while (find_claim(ctx, "key %"PRId64, key)) {
        key++;
    }
    if (key > MAX_NETWORK_KEY) {
        ctl_error(ctx, "network keys are used up: a database creates at most "
                  "%d networks in its life", MAX_NETWORK_KEY);
        return 0;
    }
    bsrec_bastion_verify_next_network_key(root);
    bsrec_bastion_set_next_network_key(root, key + 1);
    return key;
}

static void
insert_network(struct ctl_context *ctx,
               const struct network_settings *settings, const char *bridge)
{
    int64_t key = allocate_network_key(ctx);

    if (!key) {
        return;
    }

    struct bsrec_network *network = bsrec_network_insert(ctx->txn);
    bsrec_network_set_name(network, settings->name);
    bsrec_network_set_key(network, key);
    bsrec_network_set_bridge(network, bridge);
    bsrec_network_set_subnets(network,
                              (const char **) settings->subnet_texts.names,
                              settings->subnet_texts.n);
    bsrec_network_set_gateways(network,
                               (const char **) settings->gateway_texts.names,
                               settings->gateway_texts.n);
    bsrec_network_set_dhcp_servers(
        network, (const char **) settings->dhcp_server_texts.names,
        settings->dhcp_server_texts.n);
    if (settings->gateway_mac) {
        bsrec_network_set_gateway_mac(network, settings->gateway_mac);
    }
    if (settings->gateway_port) {
        bsrec_network_set_gateway_port(network, settings->gateway_port);
    }
    if (settings->enforcement) {
        bsrec_network_set_enforcement(network, settings->enforcement);
    }
    index_network(ctx, network);
}

static void
cmd_network_add(struct ctl_context *ctx)
{
    bool may_exist = shash_find(&ctx->options, "--may-exist");
    struct network_settings settings = { .name = NULL };

    if (parse_network_settings(ctx, &settings)) {
        const char *bridge = settings.bridge ? settings.bridge
                                             : DEFAULT_BRIDGE;
        const struct bsrec_network *network;

        network = find_network(ctx, settings.name, false);
        if (network && may_exist) {
            check_same_network(ctx, network, &settings);
        } else if (network) {
            ctl_error(ctx, "network %s exists already", settings.name);
        } else if (check_overlaps(ctx, &settings, bridge)) {
            insert_network(ctx, &settings, bridge);
        }
    }
    network_settings_destroy(&settings);
}

/* Reports an error and returns false unless 'names', the names of what is left
 * in 'owner', is empty.  Destroys 'names'. */
static bool
check_nothing_left(struct ctl_context *ctx, const char *owner,
                   const char *what, struct svec *names)
{
    enum { MAX_NAMES = 5 };
    bool empty = svec_is_empty(names);

    if (!empty) {
        size_t n_more = 0;

        svec_sort(names);
        while (names->n > MAX_NAMES) {
            svec_pop_back(names);
            n_more++;
        }

        char *list = svec_join(names, ", ", "");
        char *more = (n_more
                      ? xasprintf(" and %"PRIuSIZE" more", n_more)
                      : xstrdup(""));
        ctl_error(ctx, "%s still has %s (%s%s), expected none, or --cascade "
                  "to delete them, too", owner, what, list, more);
        free(more);
        free(list);
    }
    svec_destroy(names);
    return empty;
}

static bool
check_network_is_empty(struct ctl_context *ctx,
                       const struct bsrec_network *network)
{
    const struct bsrec_service *service;
    struct svec names = SVEC_EMPTY_INITIALIZER;

    BSREC_SERVICE_FOR_EACH (service, ctx->idl) {
        if (service->network == network) {
            svec_add(&names, service->name);
        }
    }

    char *what = xasprintf("network %s", network->name);
    bool empty = check_nothing_left(ctx, what, "services", &names);
    free(what);
    return empty;
}

static void
cmd_network_del(struct ctl_context *ctx)
{
    bool if_exists = shash_find(&ctx->options, "--if-exists");
    bool cascade = shash_find(&ctx->options, "--cascade");
    const struct bsrec_network *network;
    const struct bsrec_service *service;

    network = find_network(ctx, ctx->argv[1], !if_exists);
    if (!network || (!cascade && !check_network_is_empty(ctx, network))) {
        return;
    }
    BSREC_SERVICE_FOR_EACH_SAFE (service, ctx->idl) {
        if (service->network == network) {
            delete_service(ctx, service);
        }
    }
    bsrec_network_delete(network);
    row_index_invalidate(ctx);
}

static void
cmd_network_list(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Network", "Key", "Subnets", "Gateways", "Bridge", "Enforcement",
        "Status", NULL,
    };
    const struct row_index *index = inventory(ctx);
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    const struct shash_node **nodes = shash_sort(&index->networks);

    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&index->networks); i++) {
        const struct bsrec_network *network = nodes[i]->data;

        add_row(ctx);
        add_text(ctx, "%s", network->name);
        add_text(ctx, "%"PRId64, network->key);
        add_texts(ctx, network->subnets, network->n_subnets);
        add_texts(ctx, network->gateways, network->n_gateways);
        add_text(ctx, "%s", network->bridge);
        add_text(ctx, "%s", (network->enforcement ? network->enforcement
                             : root ? root->default_enforcement
                             : "enforce"));
        add_text(ctx, "%s", network->status);
    }
    free(nodes);
}

/* Returns an identity that no service has or ever had, or 0 if there are none
 * left. */
static int64_t
allocate_identity(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    int64_t identity = root->next_identity;

    while (find_claim(ctx, "identity %"PRId64, identity)) {
        identity++;
    }
    if (identity > MAX_IDENTITY) {
        ctl_error(ctx, "identities are used up: the largest is %d",
                  MAX_IDENTITY);
        return 0;
    }
    bsrec_bastion_verify_next_identity(root);
    bsrec_bastion_set_next_identity(root, identity + 1);
    return identity;
}

/* Returns the value of the "isolate=" argument, or NULL if there is none.
 * Reports an error if it is bad. */
static const char *
parse_isolate(struct ctl_context *ctx)
{
    const char *argument = ctx->argc > 2 ? ctx->argv[2] : NULL;

    if (!argument) {
        return NULL;
    }
    if (strncmp(argument, "isolate=", 8)) {
        ctl_error(ctx, "%s: expected isolate=", argument);
        return NULL;
    }

    const char *value = argument + 8;
    if (strcmp(value, "both") && strcmp(value, "ingress")
        && strcmp(value, "egress") && strcmp(value, "none")) {
        bad_argument(ctx, "isolate",
                     xasprintf("%s: expected both, ingress, egress or none",
                               value));
        return NULL;
    }
    return value;
}

static void
cmd_service_add(struct ctl_context *ctx)
{
    bool may_exist = shash_find(&ctx->options, "--may-exist");
    const char *name = ctx->argv[1];
    const char *isolate;

    if (!check_service_argument(ctx, "NETWORK/SERVICE", name)) {
        return;
    }
    isolate = parse_isolate(ctx);
    if (ctx->error) {
        return;
    }

    const struct bsrec_service *existing = find_service(ctx, name, false);
    if (existing) {
        if (!may_exist) {
            ctl_error(ctx, "service %s exists already", name);
        } else if (isolate && strcmp(isolate, existing->isolate)) {
            ctl_error(ctx, "service %s exists with other isolate", name);
        }
        return;
    }

    const char *slash = strchr(name, '/');
    char *network_name = xmemdup0(name, slash - name);
    const struct bsrec_network *network;
    network = find_network(ctx, network_name, true);
    free(network_name);

    int64_t identity = network ? allocate_identity(ctx) : 0;
    if (identity) {
        struct bsrec_service *service = bsrec_service_insert(ctx->txn);

        bsrec_service_set_name(service, slash + 1);
        bsrec_service_set_network(service, network);
        bsrec_service_set_identity(service, identity);
        bsrec_service_set_isolate(service, isolate ? isolate : "both");
        index_service(ctx, service);
    }
}

/* Deletes 'service' from a side of a dependency.  Returns false if that leaves
 * the side empty. */
static bool
remove_service(const struct bsrec_dependency *dependency, bool source,
               const struct bsrec_service *service)
{
    struct bsrec_service **services = (source
                                       ? dependency->source_services
                                       : dependency->destination_services);
    size_t n = (source
                ? dependency->n_source_services
                : dependency->n_destination_services);
    struct bsrec_service **rest = xmalloc(MAX(n, 1) * sizeof *rest);
    size_t n_rest = 0;

    for (size_t i = 0; i < n; i++) {
        if (services[i] != service) {
            rest[n_rest++] = services[i];
        }
    }
    if (n_rest != n && source) {
        bsrec_dependency_verify_source_services(dependency);
        bsrec_dependency_set_source_services(dependency, rest, n_rest);
    } else if (n_rest != n) {
        bsrec_dependency_verify_destination_services(dependency);
        bsrec_dependency_set_destination_services(dependency, rest, n_rest);
    }
    free(rest);

    return n_rest || (source
                      ? (dependency->n_source_cidrs
                         || dependency->n_source_special)
                      : (dependency->n_destination_cidrs
                         || dependency->n_destination_special));
}

static bool
refers_to(const struct bsrec_dependency *dependency,
          const struct bsrec_service *service)
{
    for (size_t i = 0; i < dependency->n_source_services; i++) {
        if (dependency->source_services[i] == service) {
            return true;
        }
    }
    for (size_t i = 0; i < dependency->n_destination_services; i++) {
        if (dependency->destination_services[i] == service) {
            return true;
        }
    }
    return false;
}

/* Deletes 'service', its containers and its part in dependencies. */
static void
delete_service(struct ctl_context *ctx, const struct bsrec_service *service)
{
    const struct bsrec_container *container;
    const struct bsrec_dependency *dependency;

    BSREC_CONTAINER_FOR_EACH_SAFE (container, ctx->idl) {
        if (container->service == service) {
            bsrec_container_delete(container);
        }
    }
    BSREC_DEPENDENCY_FOR_EACH_SAFE (dependency, ctx->idl) {
        if (refers_to(dependency, service)) {
            bool has_source = remove_service(dependency, true, service);
            bool has_dest = remove_service(dependency, false, service);

            if (!has_source || !has_dest) {
                bsrec_dependency_delete(dependency);
            }
        }
    }
    bsrec_service_delete(service);
}

static bool
check_service_is_unused(struct ctl_context *ctx,
                        const struct bsrec_service *service)
{
    const struct bsrec_container *container;
    const struct bsrec_dependency *dependency;
    struct svec containers = SVEC_EMPTY_INITIALIZER;
    struct svec dependencies = SVEC_EMPTY_INITIALIZER;

    BSREC_CONTAINER_FOR_EACH (container, ctx->idl) {
        if (container->service == service) {
            svec_add(&containers, container->name);
        }
    }
    BSREC_DEPENDENCY_FOR_EACH (dependency, ctx->idl) {
        if (refers_to(dependency, service)) {
            char *source = dependency_peer_text(dependency, true);
            char *destination = dependency_peer_text(dependency, false);

            svec_add_nocopy(&dependencies,
                            xasprintf("%s -> %s", source, destination));
            free(source);
            free(destination);
        }
    }

    char *name = service_name(service);
    char *what = xasprintf("service %s", name);
    bool unused = check_nothing_left(ctx, what, "containers", &containers);
    if (!unused) {
        svec_destroy(&dependencies);
    } else {
        unused = check_nothing_left(ctx, what, "dependencies",
                                    &dependencies);
    }
    free(what);
    free(name);
    return unused;
}

static void
cmd_service_del(struct ctl_context *ctx)
{
    bool if_exists = shash_find(&ctx->options, "--if-exists");
    bool cascade = shash_find(&ctx->options, "--cascade");
    const struct bsrec_service *service;

    if (!check_service_argument(ctx, "NETWORK/SERVICE", ctx->argv[1])) {
        return;
    }
    service = find_service(ctx, ctx->argv[1], !if_exists);
    if (service && (cascade || check_service_is_unused(ctx, service))) {
        delete_service(ctx, service);
        row_index_invalidate(ctx);
    }
}

static void
cmd_service_list(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Service", "Network", "Identity", "Isolate", "Containers", "Status",
        NULL,
    };
    const struct row_index *index = inventory(ctx);
    const char *network = ctx->argc > 1 ? ctx->argv[1] : NULL;

    if (network && !find_network(ctx, network, true)) {
        return;
    }

    const struct bsrec_container *container;
    struct simap counts = SIMAP_INITIALIZER(&counts);
    BSREC_CONTAINER_FOR_EACH (container, ctx->idl) {
        char *name = service_name(container->service);

        simap_increase(&counts, name, 1);
        free(name);
    }

    const struct shash_node **nodes = shash_sort(&index->services);
    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&index->services); i++) {
        const struct bsrec_service *service = nodes[i]->data;

        if (network && strcmp(network, service->network->name)) {
            continue;
        }
        add_row(ctx);
        add_text(ctx, "%s", service->name);
        add_text(ctx, "%s", service->network->name);
        add_text(ctx, "%"PRId64, service->identity);
        add_text(ctx, "%s", service->isolate);
        add_text(ctx, "%u", simap_get(&counts, nodes[i]->name));
        add_text(ctx, "%s", service->status);
    }
    free(nodes);
    simap_destroy(&counts);
}

const struct ctl_command_syntax network_commands[] = {
    {"network-add", 2, INT_MAX, "NETWORK SUBNET... [KEY=VALUE]...",
     pre_inventory, cmd_network_add, NULL, "--may-exist", RW},
    {"network-del", 1, 1, "NETWORK", pre_dependencies, cmd_network_del, NULL,
     "--if-exists,--cascade", RW},
    {"network-list", 0, 0, "", pre_inventory, cmd_network_list, NULL, "", RO},

    {"service-add", 1, 2, "NETWORK/SERVICE [KEY=VALUE]", pre_inventory,
     cmd_service_add, NULL, "--may-exist", RW},
    {"service-del", 1, 1, "NETWORK/SERVICE", pre_dependencies,
     cmd_service_del, NULL, "--if-exists,--cascade", RW},
    {"service-list", 0, 1, "[NETWORK]", pre_inventory, cmd_service_list, NULL,
     "", RO},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
