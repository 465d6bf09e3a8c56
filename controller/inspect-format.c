/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/inspect-format.h"

#include <stdlib.h>
#include <string.h>

#include "controller/compiler.h"
#include "controller/pipeline.h"
#include "controller/row-statistics.h"
#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-port.h"
#include "ovsdb-types.h"
#include "packets.h"
#include "svec.h"
#include "table.h"
#include "util.h"

/* Tables. */

static void
add_text(struct table *table, char *text)
{
    table_add_cell(table)->text = text;
}

static void
add_integer(struct table *table, long long int value)
{
    struct cell *cell = table_add_cell(table);

    cell->json = json_integer_create(value);
    cell->type = &ovsdb_type_integer;
}

/* A row of text cells, to be sorted. */
struct text_row {
    char *cells[6];
};

static int
compare_text_rows(const void *a_, const void *b_)
{
    const struct text_row *a = a_;
    const struct text_row *b = b_;

    for (size_t i = 0; i < ARRAY_SIZE(a->cells); i++) {
        int cmp = (a->cells[i] && b->cells[i]
                   ? strcmp(a->cells[i], b->cells[i]) : 0);
        if (cmp) {
            return cmp;
        }
    }
    return 0;
}

/* Adds the 'n' 'rows', sorted, to 'table', and frees them. */
static void
add_sorted_rows(struct table *table, struct text_row *rows, size_t n)
{
    if (n) {
        qsort(rows, n, sizeof *rows, compare_text_rows);
    }
    for (size_t i = 0; i < n; i++) {
        table_add_row(table);
        for (size_t j = 0; j < ARRAY_SIZE(rows[i].cells); j++) {
            if (rows[i].cells[j]) {
                add_text(table, rows[i].cells[j]);
            }
        }
    }
    free(rows);
}

/* The link-local address that follows from the MAC address is left out. */
static char *
format_ips(const struct netmap_endpoint *endpoint)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct in6_addr lla;

    ip_lla_from_mac(endpoint->mac, &lla);
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        if (!ipv6_addr_equals(&endpoint->ips[i], &lla)) {
            ds_put_cstr(&s, s.length ? "," : "");
            ip_address_format(&endpoint->ips[i], &s);
        }
    }
    return ds_steal_cstr(&s);
}

void
inspect_format_netmap(const struct netmap *netmap, struct table *table)
{
    struct text_row *rows = xcalloc(hmap_count(&netmap->endpoints) + 1,
                                    sizeof *rows);
    const struct netmap_endpoint *endpoint;
    size_t n = 0;

    table_add_column(table, "Container");
    table_add_column(table, "Network");
    table_add_column(table, "Service");
    table_add_column(table, "Interface");
    table_add_column(table, "IP address");
    table_add_column(table, "MAC address");
    HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
        struct text_row *row = &rows[n++];

        row->cells[0] = xstrdup(endpoint->name);
        row->cells[1] = xstrdup(endpoint->service->network->name);
        row->cells[2] = xstrdup(endpoint->service->name);
        row->cells[3] = xstrdup(endpoint->interface);
        row->cells[4] = format_ips(endpoint);
        row->cells[5] = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(endpoint->mac));
    }
    add_sorted_rows(table, rows, n);
}

void
inspect_format_identity(const struct netmap *netmap, unsigned int identity,
                        struct ds *s)
{
    const struct netmap_service *service;

    if (identity == IDENTITY_HOST) {
        ds_put_cstr(s, "host");
    } else if (identity == IDENTITY_WORLD) {
        ds_put_cstr(s, "world");
    } else if (identity == IDENTITY_NONE) {
        ds_put_cstr(s, "unknown");
    } else if ((service = netmap_find_service_by_identity(netmap,
                                                          identity))) {
        ds_put_format(s, "%s/%s", service->network->name, service->name);
    } else {
        ds_put_format(s, "%u", identity);
    }
}

static char *
format_peers(const struct netmap *netmap, const struct depmap_peers *peers)
{
    struct svec names = SVEC_EMPTY_INITIALIZER;
    struct ds s = DS_EMPTY_INITIALIZER;

    if (peers->any) {
        svec_add(&names, "any");
    }
    for (size_t i = 0; i < peers->n_identities; i++) {
        ds_clear(&s);
        inspect_format_identity(netmap, peers->identities[i], &s);
        svec_add(&names, ds_cstr(&s));
    }
    svec_sort(&names);
    for (size_t i = 0; i < peers->n_prefixes; i++) {
        ds_clear(&s);
        ds_put_cstr(&s, "cidr:");
        ip_prefix_format(&peers->prefixes[i], &s);
        svec_add(&names, ds_cstr(&s));
    }

    char *text = svec_join(&names, ",", "");
    svec_destroy(&names);
    ds_destroy(&s);
    return text;
}

static char *
format_policies(const struct depmap_rule *rule)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < rule->n_policies; i++) {
        ds_put_cstr(&s, i ? " " : "");
        policy_format(&rule->policies[i], &s);
    }
    if (rule->direction != DEPMAP_BOTH) {
        ds_put_format(&s, " (%s only)", (rule->direction == DEPMAP_EGRESS
                                         ? "egress" : "ingress"));
    }
    return ds_steal_cstr(&s);
}

void
inspect_format_depmap(const struct netmap *netmap,
                      const struct depmap *depmap, struct table *table)
{
    struct text_row *rows = xcalloc(hmap_count(&depmap->rules) + 1,
                                    sizeof *rows);
    const struct depmap_rule *rule;
    size_t n = 0;

    table_add_column(table, "Source");
    table_add_column(table, "Destination");
    table_add_column(table, "Policy");
    HMAP_FOR_EACH (rule, hmap_node, &depmap->rules) {
        struct text_row *row = &rows[n++];

        row->cells[0] = format_peers(netmap, &rule->sources);
        row->cells[1] = format_peers(netmap, &rule->destinations);
        row->cells[2] = format_policies(rule);
    }
    add_sorted_rows(table, rows, n);
}

static void
add_drop(struct table *table, enum drop_reason reason, const char *action,
         int64_t packets, int64_t bytes)
{
    if (packets) {
        table_add_row(table);
        add_integer(table, reason);
        add_text(table, xstrdup(drop_reason_name(reason)));
        add_text(table, xstrdup(action));
        add_integer(table, packets);
        add_integer(table, bytes);
        add_text(table, xstrdup(drop_reason_explanation(reason)));
    }
}

void
inspect_format_drops(const struct row_statistics *stats, struct table *table)
{
    table_add_column(table, "Reason");
    table_add_column(table, "Name");
    table_add_column(table, "Action");
    table_add_column(table, "Packets");
    table_add_column(table, "Bytes");
    table_add_column(table, "Explanation");
    for (int i = 0; i < N_DROP_REASONS; i++) {
        if (drop_reason_name(i)) {
            add_drop(table, i, "drop", stats->dropped[i],
                     stats->dropped_bytes[i]);
            add_drop(table, i, "audit", stats->audited[i],
                     stats->audited_bytes[i]);
        }
    }
}

/* Flows. */

/* A flow with its text, which decides last and takes long to make. */
struct sortable_flow {
    const struct flow_entry *entry;
    char *text;
};

static int
compare_flows(const void *a_, const void *b_)
{
    const struct sortable_flow *a = a_;
    const struct sortable_flow *b = b_;

    if (a->entry->table_id != b->entry->table_id) {
        return a->entry->table_id < b->entry->table_id ? -1 : 1;
    } else if (a->entry->priority != b->entry->priority) {
        return a->entry->priority > b->entry->priority ? -1 : 1;
    }
    return strcmp(a->text, b->text);
}

static void
sort_flows(const struct flow_entry **entries, size_t n)
{
    struct sortable_flow *flows = xmalloc((n + 1) * sizeof *flows);

    for (size_t i = 0; i < n; i++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        flow_entry_format(entries[i], &s);
        flows[i].entry = entries[i];
        flows[i].text = ds_steal_cstr(&s);
    }
    qsort(flows, n, sizeof *flows, compare_flows);
    for (size_t i = 0; i < n; i++) {
        entries[i] = flows[i].entry;
        free(flows[i].text);
    }
    free(flows);
}

static int
compare_pointers(const void *a_, const void *b_)
{
    const struct flow_entry *const *a = a_;
    const struct flow_entry *const *b = b_;

    return *a < *b ? -1 : *a > *b;
}

/* Returns the entries that the rows claim, each once. */
static const struct flow_entry **
collect_claimed(const struct flow_table *table, const struct uuid *owners,
                size_t n_owners, size_t *np)
{
    const struct flow_entry **entries = NULL;
    size_t n = 0, allocated = 0;

    for (size_t i = 0; i < n_owners; i++) {
        const struct flow_owner *owner = flow_table_find_owner(table,
                                                               &owners[i]);
        const struct flow_claim *claim;

        if (!owner) {
            continue;
        }
        LIST_FOR_EACH (claim, owner_node, &owner->claims) {
            if (n >= allocated) {
                entries = x2nrealloc(entries, &allocated, sizeof *entries);
            }
            entries[n++] = claim->entry;
        }
    }

    size_t n_unique = 0;
    if (n) {
        qsort(entries, n, sizeof *entries, compare_pointers);
        for (size_t i = 0; i < n; i++) {
            if (!i || entries[i] != entries[i - 1]) {
                entries[n_unique++] = entries[i];
            }
        }
    }
    *np = n_unique;
    return entries;
}

const struct flow_entry **
inspect_sort_flows(const struct flow_table *table, const struct uuid *owners,
                   size_t n_owners, size_t *np)
{
    const struct flow_entry **entries;
    size_t n = 0;

    if (owners) {
        entries = collect_claimed(table, owners, n_owners, &n);
    } else {
        const struct flow_entry *entry;

        entries = xmalloc((hmap_count(&table->flows) + 1) * sizeof *entries);
        HMAP_FOR_EACH (entry, hmap_node, &table->flows) {
            if (entry->desired) {
                entries[n++] = entry;
            }
        }
    }
    sort_flows(entries, n);
    *np = n;
    return entries;
}

void
inspect_format_flows(const struct compiler *compiler,
                     const struct flow_entry *const *entries, size_t n,
                     struct ds *s)
{
    for (size_t i = 0; i < n; i++) {
        const struct flow_entry *entry = entries[i];
        const struct uuid *owner = flow_entry_owner(entry);
        size_t n_claims = ovs_list_size(&entry->claims);

        if (!i || entry->table_id != entries[i - 1]->table_id) {
            ds_put_format(s, "  table %d (%s):\n", entry->table_id,
                          pipeline_table_name(entry->table_id));
        }
        ds_put_cstr(s, "    ");
        flow_entry_format(entry, s);

        char *row = owner ? compiler_describe_row(compiler, owner) : NULL;
        ds_put_format(s, "  # %s", row ? row : "unknown row");
        if (n_claims > 1) {
            ds_put_format(s, " and %"PRIuSIZE" more", n_claims - 1);
        }
        ds_put_char(s, '\n');
        free(row);
    }
}

static struct json *
claims_to_json(const struct compiler *compiler, const struct flow_entry *entry)
{
    struct json *rows = json_array_create_empty();
    const struct flow_claim *claim;

    LIST_FOR_EACH (claim, entry_node, &entry->claims) {
        const struct uuid *uuid = &claim->owner->uuid;
        struct json *row = json_object_create();
        char *text = compiler_describe_row(compiler, uuid);

        json_object_put_format(row, "uuid", UUID_FMT, UUID_ARGS(uuid));
        json_object_put_string(row, "row", text ? text : "unknown row");
        json_array_add(rows, row);
        free(text);
    }
    return rows;
}

struct json *
inspect_flows_to_json(const struct compiler *compiler,
                      const struct flow_entry *const *entries, size_t n)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < n; i++) {
        const struct flow_entry *entry = entries[i];
        struct json *object = json_object_create();
        struct ds s = DS_EMPTY_INITIALIZER;

        flow_entry_format(entry, &s);
        json_object_put_string(object, "flow", ds_cstr(&s));
        json_object_put(object, "table", json_integer_create(entry->table_id));
        json_object_put_string(object, "table_name",
                               pipeline_table_name(entry->table_id));
        json_object_put(object, "packets",
                        json_integer_create(entry->n_packets));
        json_object_put(object, "bytes", json_integer_create(entry->n_bytes));
        json_object_put(object, "rows", claims_to_json(compiler, entry));
        json_array_add(array, object);
        ds_destroy(&s);
    }
    return array;
}

/* Names. */

struct uuid_array {
    struct uuid *uuids;
    size_t n, allocated;
};

static void
uuid_array_add(struct uuid_array *array, const struct uuid *uuid)
{
    if (array->n >= array->allocated) {
        array->uuids = x2nrealloc(array->uuids, &array->allocated,
                                  sizeof *array->uuids);
    }
    array->uuids[array->n++] = *uuid;
}

static bool
endpoint_is_called(const struct netmap_endpoint *endpoint, const char *name)
{
    if (!strcmp(endpoint->name, name) || !strcmp(endpoint->interface, name)) {
        return true;
    }

    char *full_name = xasprintf("%s/%s/%s", endpoint->service->network->name,
                                endpoint->service->name, endpoint->name);
    bool equal = !strcmp(full_name, name);
    free(full_name);
    return equal;
}

static bool
service_is_called(const struct netmap_service *service, const char *name)
{
    size_t len = strlen(service->network->name);

    return (!strncmp(service->network->name, name, len)
            && name[len] == '/' && !strcmp(service->name, &name[len + 1]));
}

size_t
inspect_find_rows(const struct compiler *compiler, const char *name,
                  struct uuid **uuidsp)
{
    const struct netmap *netmap = compiler_get_netmap(compiler);
    struct uuid_array array = { NULL, 0, 0 };
    const struct netmap_endpoint *endpoint;
    const struct netmap_service *service;
    const struct netmap_network *network;
    struct uuid uuid;

    if (uuid_from_string(&uuid, name)) {
        char *row = compiler_describe_row(compiler, &uuid);
        if (row) {
            uuid_array_add(&array, &uuid);
            free(row);
        }
    } else {
        HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
            if (endpoint_is_called(endpoint, name)) {
                uuid_array_add(&array, &endpoint->uuid);
            }
        }
        HMAP_FOR_EACH (service, hmap_node, &netmap->services) {
            if (service_is_called(service, name)) {
                uuid_array_add(&array, &service->uuid);
            }
        }
        HMAP_FOR_EACH (network, hmap_node, &netmap->networks) {
            if (!strcmp(network->name, name)
                || !strcmp(network->gateway_port, name)) {
                uuid_array_add(&array, &network->uuid);
            }
        }
    }
    *uuidsp = array.uuids;
    return array.n;
}

size_t
inspect_find_port_rows(const struct compiler *compiler, const char *name,
                       struct uuid **uuidsp)
{
    const struct netmap *netmap = compiler_get_netmap(compiler);
    const struct netmap_endpoint *endpoint = inspect_find_port(netmap, name);
    struct uuid_array array = { NULL, 0, 0 };
    const struct netmap_network *network;

    if (endpoint) {
        uuid_array_add(&array, &endpoint->uuid);
    }
    HMAP_FOR_EACH (network, hmap_node, &netmap->networks) {
        if (!strcmp(network->gateway_port, name)) {
            uuid_array_add(&array, &network->uuid);
        }
    }
    *uuidsp = array.uuids;
    return array.n;
}

/* Containers of other nodes may have interfaces of the same name. */
const struct netmap_endpoint *
inspect_find_port(const struct netmap *netmap, const char *name)
{
    const struct netmap_endpoint *endpoint;

    HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
        if (endpoint->ofport != OFPP_NONE
            && !strcmp(endpoint->interface, name)) {
            return endpoint;
        }
    }
    return NULL;
}
