/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <string.h>

#include "lib/address.h"
#include "lib/peer.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "svec.h"
#include "table.h"
#include "util.h"

struct bastionctl_context *
bastionctl_context_cast(struct ctl_context *base)
{
    return CONTAINER_OF(base, struct bastionctl_context, base);
}

void
pre_inventory(struct ctl_context *ctx)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &bsrec_bastion_col_default_enforcement,
        &bsrec_bastion_col_next_identity,
        &bsrec_bastion_col_next_network_key,
        &bsrec_network_col_name,
        &bsrec_network_col_key,
        &bsrec_network_col_subnets,
        &bsrec_network_col_bridge,
        &bsrec_network_col_gateways,
        &bsrec_network_col_gateway_mac,
        &bsrec_network_col_gateway_port,
        &bsrec_network_col_dhcp_servers,
        &bsrec_network_col_enforcement,
        &bsrec_network_col_status,
        &bsrec_service_col_name,
        &bsrec_service_col_network,
        &bsrec_service_col_identity,
        &bsrec_service_col_isolate,
        &bsrec_service_col_status,
        &bsrec_container_col_name,
        &bsrec_container_col_service,
        &bsrec_container_col_interface,
        &bsrec_container_col_node,
        &bsrec_container_col_mac,
        &bsrec_container_col_ips,
        &bsrec_container_col_status,
    };
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(ctx->idl, columns[i]);
    }
}

void
pre_dependencies(struct ctl_context *ctx)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &bsrec_dependency_col_direction,
        &bsrec_dependency_col_source_services,
        &bsrec_dependency_col_source_cidrs,
        &bsrec_dependency_col_source_special,
        &bsrec_dependency_col_destination_services,
        &bsrec_dependency_col_destination_cidrs,
        &bsrec_dependency_col_destination_special,
        &bsrec_dependency_col_policies,
        &bsrec_dependency_col_status,
        &bsrec_cidr_block_col_prefix,
        &bsrec_cidr_block_col_except,
    };
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(ctx->idl, columns[i]);
    }
    pre_inventory(ctx);
}

void
pre_everything(struct ctl_context *ctx)
{
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_name);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_hostname);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_version);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_generation);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_applied_at);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_addresses);
    pre_dependencies(ctx);
}

static struct row_index *
row_index(struct ctl_context *ctx)
{
    return &bastionctl_context_cast(ctx)->index;
}

void
row_index_init(struct row_index *index)
{
    index->valid = false;
    index->has_conflicts = false;
    shash_init(&index->networks);
    shash_init(&index->services);
    shash_init(&index->containers);
    shash_init(&index->claims);
    index->dependencies_valid = false;
    shash_init(&index->dependencies);
}

void
row_index_destroy(struct row_index *index)
{
    shash_destroy(&index->networks);
    shash_destroy(&index->services);
    shash_destroy(&index->containers);
    shash_destroy(&index->claims);
    shash_destroy(&index->dependencies);
}

/* Forgets the index.  A command that deletes rows, or changes what the index
 * knows of them, must call this afterward. */
void
row_index_invalidate(struct ctl_context *ctx)
{
    struct row_index *index = row_index(ctx);

    row_index_destroy(index);
    row_index_init(index);
}

/* Returns an index of the networks, services and containers. */
const struct row_index *
inventory(struct ctl_context *ctx)
{
    struct row_index *index = row_index(ctx);

    if (!index->valid) {
        const struct bsrec_network *network;
        const struct bsrec_service *service;
        const struct bsrec_container *container;

        index->valid = true;
        BSREC_NETWORK_FOR_EACH (network, ctx->idl) {
            index_network(ctx, network);
        }
        BSREC_SERVICE_FOR_EACH (service, ctx->idl) {
            index_service(ctx, service);
        }
        BSREC_CONTAINER_FOR_EACH (container, ctx->idl) {
            index_container(ctx, container);
        }
    }
    return index;
}

/* Returns an index of the dependencies, too. */
const struct row_index *
inventory_with_dependencies(struct ctl_context *ctx)
{
    struct row_index *index = row_index(ctx);

    inventory(ctx);
    if (!index->dependencies_valid) {
        const struct bsrec_dependency *dependency;

        index->dependencies_valid = true;
        BSREC_DEPENDENCY_FOR_EACH (dependency, ctx->idl) {
            index_dependency(ctx, dependency);
        }
    }
    return index;
}

static void OVS_PRINTF_FORMAT(3, 4)
claim(struct ctl_context *ctx, const void *row, const char *format, ...)
{
    struct row_index *index = row_index(ctx);
    va_list args;

    va_start(args, format);
    char *key = xvasprintf(format, args);
    va_end(args);

    /* If the database has a conflict already, the first row is as good as any
     * other to name in an error message. */
    if (!shash_add_once(&index->claims, key, row)) {
        index->has_conflicts = true;
    }
    free(key);
}

const void *
find_claim(struct ctl_context *ctx, const char *format, ...)
{
    const struct row_index *index = inventory(ctx);
    va_list args;

    va_start(args, format);
    char *key = xvasprintf(format, args);
    va_end(args);

    const void *row = shash_find_data(&index->claims, key);
    free(key);
    return row;
}

void
index_network(struct ctl_context *ctx, const struct bsrec_network *network)
{
    shash_add(&row_index(ctx)->networks, network->name, network);
    claim(ctx, network, "key %"PRId64, network->key);
}

void
index_service(struct ctl_context *ctx, const struct bsrec_service *service)
{
    char *name = service_name(service);

    shash_add(&row_index(ctx)->services, name, service);
    claim(ctx, service, "identity %"PRId64, service->identity);
    free(name);
}

/* Appends to 'claims' what no other container may have, in words. */
static void
get_container_claims(const struct bsrec_container *container,
                     struct svec *claims)
{
    const char *network = container->service->network->name;
    char *mac = canonical_mac(container->mac);

    svec_add_nocopy(claims, xasprintf("MAC %s/%s", network, mac));
    for (size_t i = 0; i < container->n_ips; i++) {
        char *ip = canonical_ip(container->ips[i]);

        svec_add_nocopy(claims, xasprintf("IP %s/%s", network, ip));
        free(ip);
    }
    free(mac);
}

void
index_container(struct ctl_context *ctx,
                const struct bsrec_container *container)
{
    char *name = container_name(container);
    struct svec claims = SVEC_EMPTY_INITIALIZER;
    const char *text;
    size_t i;

    shash_add(&row_index(ctx)->containers, name, container);
    free(name);

    get_container_claims(container, &claims);
    SVEC_FOR_EACH (i, text, &claims) {
        claim(ctx, container, "%s", text);
    }
    svec_destroy(&claims);
}

static void
forget(struct shash *shash, const char *key, const void *row)
{
    struct shash_node *node = shash_find(shash, key);

    if (node && node->data == row) {
        shash_delete(shash, node);
    }
}

/* Removes 'container', which the caller is about to delete, from the index. */
void
unindex_container(struct ctl_context *ctx,
                  const struct bsrec_container *container)
{
    struct row_index *index = row_index(ctx);
    struct svec claims = SVEC_EMPTY_INITIALIZER;
    const char *text;
    size_t i;

    /* What two rows claim must become the other one's. */
    if (index->has_conflicts) {
        row_index_invalidate(ctx);
        return;
    }

    char *name = container_name(container);
    forget(&index->containers, name, container);
    free(name);

    get_container_claims(container, &claims);
    SVEC_FOR_EACH (i, text, &claims) {
        forget(&index->claims, text, container);
    }
    svec_destroy(&claims);
}

void
index_dependency(struct ctl_context *ctx,
                 const struct bsrec_dependency *dependency)
{
    char *source = dependency_peer_text(dependency, true);
    char *destination = dependency_peer_text(dependency, false);
    char *key = xasprintf("%s %s %s", source, destination,
                          dependency->direction);

    shash_add(&row_index(ctx)->dependencies, key, dependency);
    free(key);
    free(destination);
    free(source);
}

/* Removes a row, which the caller has deleted, from the index. */
void
unindex_dependency(struct ctl_context *ctx, struct shash_node *node)
{
    shash_delete(&row_index(ctx)->dependencies, node);
}

const struct bsrec_network *
find_network(struct ctl_context *ctx, const char *name, bool must_exist)
{
    const struct bsrec_network *network;

    network = shash_find_data(&inventory(ctx)->networks, name);
    if (!network && must_exist) {
        ctl_error(ctx, "no network named %s", name);
    }
    return network;
}

/* Finds the service that 'network_and_name' names as NETWORK/SERVICE. */
const struct bsrec_service *
find_service(struct ctl_context *ctx, const char *network_and_name,
             bool must_exist)
{
    const struct bsrec_service *service;

    service = shash_find_data(&inventory(ctx)->services, network_and_name);
    if (!service && must_exist) {
        char *network = xmemdup0(network_and_name,
                                 strcspn(network_and_name, "/"));

        if (!find_network(ctx, network, false)) {
            ctl_error(ctx, "%s: no network named %s", network_and_name,
                      network);
        } else {
            ctl_error(ctx, "no service named %s", network_and_name);
        }
        free(network);
    }
    return service;
}

/* Returns true if 'reference' is NAME, NETWORK/NAME or NETWORK/SERVICE/NAME of
 * 'container'. */
static bool
container_has_name(const struct bsrec_container *container,
                   const char *reference)
{
    const char *name = strrchr(reference, '/');
    const char *network = container->service->network->name;

    if (!name) {
        return !strcmp(reference, container->name);
    }
    return (!strcmp(name + 1, container->name)
            && strlen(network) == name - reference
            && !strncmp(reference, network, name - reference));
}

/* Finds the container that 'reference' names as NAME, NETWORK/NAME or
 * NETWORK/SERVICE/NAME.  Always reports an error if 'reference' fits more
 * than one. */
const struct bsrec_container *
find_container(struct ctl_context *ctx, const char *reference,
               bool must_exist)
{
    const struct row_index *index = inventory(ctx);
    const struct bsrec_container *container;

    container = shash_find_data(&index->containers, reference);
    if (container) {
        return container;
    }

    struct svec matches = SVEC_EMPTY_INITIALIZER;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &index->containers) {
        if (container_has_name(node->data, reference)) {
            container = node->data;
            svec_add(&matches, node->name);
        }
    }

    if (matches.n > 1) {
        svec_sort(&matches);
        char *list = svec_join(&matches, ", ", "");
        ctl_error(ctx, "container name %s is ambiguous, expected one of %s",
                  reference, list);
        free(list);
        container = NULL;
    } else if (!matches.n && must_exist) {
        ctl_error(ctx, "no container named %s", reference);
    }
    svec_destroy(&matches);
    return container;
}

char *
service_name(const struct bsrec_service *service)
{
    return xasprintf("%s/%s", service->network->name, service->name);
}

char *
container_name(const struct bsrec_container *container)
{
    return xasprintf("%s/%s/%s", container->service->network->name,
                     container->service->name, container->name);
}

/* Returns 'text' in the one form in which an address can be compared as text,
 * or a copy of it if it is not an address. */
char *
canonical_ip(const char *text)
{
    struct in6_addr ip;
    char *error = ip_address_parse(text, &ip);

    if (error) {
        free(error);
        return xstrdup(text);
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    ip_address_format(&ip, &s);
    return ds_steal_cstr(&s);
}

/* Likewise for an Ethernet address. */
char *
canonical_mac(const char *text)
{
    struct eth_addr mac;
    char *error = mac_parse(text, &mac);

    if (error) {
        free(error);
        return xstrdup(text);
    }
    return xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
}

static char *
cidr_text(const struct bsrec_cidr_block *block)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct svec except = SVEC_EMPTY_INITIALIZER;

    for (size_t i = 0; i < block->n_except; i++) {
        svec_add(&except, block->except[i]);
    }
    svec_sort(&except);
    char *list = svec_join(&except, ",", "");
    ds_put_format(&s, "cidr:%s%s%s", block->prefix,
                  except.n ? ",except=" : "", list);
    free(list);
    svec_destroy(&except);

    struct peer peer;
    char *error = peer_parse(ds_cstr(&s), &peer);
    if (!error) {
        ds_clear(&s);
        peer_format(&peer, &s);
        peer_destroy(&peer);
    }
    free(error);
    return ds_steal_cstr(&s);
}

/* Appends to 'texts' each of the sources, if 'source' is true, or of the
 * destinations of 'dependency', in the form that peer_parse() takes, and sorts
 * them. */
void
dependency_peers(const struct bsrec_dependency *dependency, bool source,
                 struct svec *texts)
{
    struct bsrec_service **services = (source
                                       ? dependency->source_services
                                       : dependency->destination_services);
    size_t n_services = (source
                         ? dependency->n_source_services
                         : dependency->n_destination_services);
    for (size_t i = 0; i < n_services; i++) {
        svec_add_nocopy(texts, service_name(services[i]));
    }

    struct bsrec_cidr_block **cidrs = (source
                                       ? dependency->source_cidrs
                                       : dependency->destination_cidrs);
    size_t n_cidrs = (source
                      ? dependency->n_source_cidrs
                      : dependency->n_destination_cidrs);
    for (size_t i = 0; i < n_cidrs; i++) {
        svec_add_nocopy(texts, cidr_text(cidrs[i]));
    }

    char **special = (source
                      ? dependency->source_special
                      : dependency->destination_special);
    size_t n_special = (source
                        ? dependency->n_source_special
                        : dependency->n_destination_special);
    for (size_t i = 0; i < n_special; i++) {
        svec_add(texts, special[i]);
    }
    svec_sort(texts);
}

/* Returns the sources or the destinations of 'dependency' as one text. */
char *
dependency_peer_text(const struct bsrec_dependency *dependency, bool source)
{
    struct svec texts = SVEC_EMPTY_INITIALIZER;

    dependency_peers(dependency, source, &texts);
    char *s = svec_join(&texts, ", ", "");
    svec_destroy(&texts);
    return s;
}

/* Returns true if 'status', the status column of a row, says that the
 * controller has refused the row. */
bool
status_is_error(const char *status)
{
    return !strncmp(status, "error", 5);
}

/* Reports that 'argument', as the usage message calls it, is bad.  Takes
 * ownership of 'reason'. */
void
bad_argument(struct ctl_context *ctx, const char *argument, char *reason)
{
    ctl_error(ctx, "%s argument: %s", argument, reason);
    free(reason);
}

/* Checks that 'name', given as 'argument', can be the name of a new row. */
bool
check_name_argument(struct ctl_context *ctx, const char *argument,
                    const char *name)
{
    char *reason = name_check(name);

    if (reason) {
        bad_argument(ctx, argument, reason);
    }
    return !reason;
}

/* Checks that 'network_and_name', given as 'argument', has the form
 * NETWORK/SERVICE. */
bool
check_service_argument(struct ctl_context *ctx, const char *argument,
                       const char *network_and_name)
{
    const char *slash = strchr(network_and_name, '/');
    char *reason;

    if (slash && !strchr(slash + 1, '/')
        && strncmp(network_and_name, "cidr:", 5)) {
        struct peer peer;

        reason = peer_parse(network_and_name, &peer);
        if (!reason) {
            peer_destroy(&peer);
            return true;
        }
    } else {
        reason = xasprintf("%s: expected NETWORK/SERVICE", network_and_name);
    }
    bad_argument(ctx, argument, reason);
    return false;
}

/* Makes the output of the current command a table with 'headings', which end
 * with a null pointer. */
void
new_table(struct ctl_context *ctx, const char *const headings[])
{
    ctx->table = xmalloc(sizeof *ctx->table);
    table_init(ctx->table);
    for (size_t i = 0; headings[i]; i++) {
        table_add_column(ctx->table, "%s", headings[i]);
    }
}

void
add_row(struct ctl_context *ctx)
{
    table_add_row(ctx->table);
}

/* Appends a cell to the current row. */
void
add_text(struct ctl_context *ctx, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    table_add_cell(ctx->table)->text = xvasprintf(format, args);
    va_end(args);
}

/* Appends to the current row a cell with 'n' values: an array in JSON output,
 * otherwise a list with commas. */
void
add_texts(struct ctl_context *ctx, char *const *texts, size_t n)
{
    struct cell *cell = table_add_cell(ctx->table);

    if (bastionctl_context_cast(ctx)->json_output) {
        cell->json = json_array_create_empty();
        for (size_t i = 0; i < n; i++) {
            json_array_add(cell->json, json_string_create(texts[i]));
        }
    } else {
        struct ds s = DS_EMPTY_INITIALIZER;

        for (size_t i = 0; i < n; i++) {
            ds_put_format(&s, "%s%s", i ? ", " : "", texts[i]);
        }
        cell->text = ds_steal_cstr(&s);
    }
}
