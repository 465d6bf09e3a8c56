/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/test-rows.h"

#include <string.h>

#include "controller/compiler.h"
#include "flow.h"
#include "lib/bastion-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "smap.h"
#include "util.h"
#include "uuid.h"

/* Any kind of row: each begins with its header. */
union rec {
    struct ovsdb_idl_row header_;
    struct bsrec_network network;
    struct bsrec_service service;
    struct bsrec_container container;
    struct bsrec_dependency dependency;
};

void
test_rows_init(struct test_rows *rows)
{
    struct eth_addr mac = ETH_ADDR_C(02,fd,00,00,00,00);

    rows->compiler = compiler_create();
    shash_init(&rows->recs);
    rows->last_network = rows->last_service = NULL;
    compiler_set_node(rows->compiler, "node1");
    compiler_set_bridge(rows->compiler, "br0", true);
    compiler_set_port(rows->compiler, "br0", "br0", OFPP_LOCAL, mac);
    for (int i = 1; i <= 9; i++) {
        char name[] = { 'i', 'f', '0' + i, '\0' };

        mac.ea[5] = i;
        compiler_set_port(rows->compiler, "br0", name, u16_to_ofp(i), mac);
    }
}

static union rec *
get_rec(const struct test_rows *rows, const char *kind, const char *name)
{
    char *key = xasprintf("%s %s", kind, name);
    union rec *rec = shash_find_data(&rows->recs, key);

    if (!rec) {
        ovs_fatal(0, "no %s", key);
    }
    free(key);
    return rec;
}

static void
add_string(char ***strings, size_t *n, const char *s)
{
    *strings = xrealloc(*strings, (*n + 1) * sizeof **strings);
    (*strings)[(*n)++] = xstrdup(s);
}

static void
set_strings(char ***strings, size_t *n, const char *value)
{
    for (size_t i = 0; i < *n; i++) {
        free((*strings)[i]);
    }
    free(*strings);
    *strings = NULL;
    *n = 0;

    char *copy = xstrdup(value);
    char *save = NULL;
    for (char *s = strtok_r(copy, ",", &save); s;
         s = strtok_r(NULL, ",", &save)) {
        add_string(strings, n, s);
    }
    free(copy);
}

static void
set_string(char **column, const char *value)
{
    free(*column);
    *column = value ? xstrdup(value) : NULL;
}

/* Columns.  Each returns false if there is no such column. */

static bool
set_network_column(struct bsrec_network *rec, const char *key,
                   const char *value)
{
    if (!strcmp(key, "key")) {
        rec->key = atoll(value);
    } else if (!strcmp(key, "bridge")) {
        set_string(&rec->bridge, value);
    } else if (!strcmp(key, "subnets")) {
        set_strings(&rec->subnets, &rec->n_subnets, value);
    } else if (!strcmp(key, "gateways")) {
        set_strings(&rec->gateways, &rec->n_gateways, value);
    } else if (!strcmp(key, "gateway_mac")) {
        set_string(&rec->gateway_mac, value);
    } else if (!strcmp(key, "gateway_port")) {
        set_string(&rec->gateway_port, value);
    } else if (!strcmp(key, "dhcp_servers")) {
        set_strings(&rec->dhcp_servers, &rec->n_dhcp_servers, value);
    } else if (!strcmp(key, "enforcement")) {
        set_string(&rec->enforcement, value);
    } else if (!strcmp(key, "status")) {
        set_string(&rec->status, value);
    } else {
        return false;
    }
    return true;
}

static bool
set_service_column(const struct test_rows *rows, struct bsrec_service *rec,
                   const char *key, const char *value)
{
    if (!strcmp(key, "network")) {
        rec->network = &get_rec(rows, "network", value)->network;
    } else if (!strcmp(key, "identity")) {
        rec->identity = atoll(value);
    } else if (!strcmp(key, "isolate")) {
        set_string(&rec->isolate, value);
    } else if (!strcmp(key, "status")) {
        set_string(&rec->status, value);
    } else {
        return false;
    }
    return true;
}

static bool
set_container_column(const struct test_rows *rows,
                     struct bsrec_container *rec, const char *key,
                     const char *value)
{
    if (!strcmp(key, "service")) {
        rec->service = &get_rec(rows, "service", value)->service;
    } else if (!strcmp(key, "interface")) {
        set_string(&rec->interface, value);
    } else if (!strcmp(key, "mac")) {
        set_string(&rec->mac, value);
    } else if (!strcmp(key, "ips")) {
        set_strings(&rec->ips, &rec->n_ips, value);
    } else if (!strcmp(key, "node")) {
        set_string(&rec->node, value);
    } else if (!strcmp(key, "status")) {
        set_string(&rec->status, value);
    } else {
        return false;
    }
    return true;
}

static void
add_cidr(struct bsrec_cidr_block ***cidrs, size_t *n, char *text)
{
    struct bsrec_cidr_block *cidr = xzalloc(sizeof *cidr);
    char *save = NULL;

    cidr->prefix = xstrdup(strtok_r(text, "!", &save));
    for (char *s = strtok_r(NULL, "!", &save); s;
         s = strtok_r(NULL, "!", &save)) {
        add_string(&cidr->except, &cidr->n_except, s);
    }
    *cidrs = xrealloc(*cidrs, (*n + 1) * sizeof **cidrs);
    (*cidrs)[(*n)++] = cidr;
}

static void
set_peers(const struct test_rows *rows, const char *value,
          struct bsrec_service ***services, size_t *n_services,
          struct bsrec_cidr_block ***cidrs, size_t *n_cidrs,
          char ***special, size_t *n_special)
{
    char *copy = xstrdup(value);
    char *save = NULL;

    for (char *s = strtok_r(copy, ",", &save); s;
         s = strtok_r(NULL, ",", &save)) {
        if (!strncmp(s, "cidr:", 5)) {
            add_cidr(cidrs, n_cidrs, s + 5);
        } else if (!strcmp(s, "any") || !strcmp(s, "host")
                   || !strcmp(s, "world") || !strcmp(s, "moon")) {
            add_string(special, n_special, s);
        } else {
            *services = xrealloc(*services,
                                 (*n_services + 1) * sizeof **services);
            (*services)[(*n_services)++]
                = &get_rec(rows, "service", s)->service;
        }
    }
    free(copy);
}

static void
clear_peers(struct bsrec_service ***services, size_t *n_services,
            struct bsrec_cidr_block ***cidrs, size_t *n_cidrs,
            char ***special, size_t *n_special)
{
    free(*services);
    *services = NULL;
    *n_services = 0;
    for (size_t i = 0; i < *n_cidrs; i++) {
        free((*cidrs)[i]->prefix);
        set_strings(&(*cidrs)[i]->except, &(*cidrs)[i]->n_except, "");
        free((*cidrs)[i]);
    }
    free(*cidrs);
    *cidrs = NULL;
    *n_cidrs = 0;
    set_strings(special, n_special, "");
}

#define SOURCES(REC)                                            \
    &(REC)->source_services, &(REC)->n_source_services,         \
    &(REC)->source_cidrs, &(REC)->n_source_cidrs,               \
    &(REC)->source_special, &(REC)->n_source_special
#define DESTINATIONS(REC)                                       \
    &(REC)->destination_services, &(REC)->n_destination_services, \
    &(REC)->destination_cidrs, &(REC)->n_destination_cidrs,     \
    &(REC)->destination_special, &(REC)->n_destination_special

static bool
set_dependency_column(const struct test_rows *rows,
                      struct bsrec_dependency *rec, const char *key,
                      const char *value)
{
    if (!strcmp(key, "from")) {
        set_peers(rows, value, SOURCES(rec));
    } else if (!strcmp(key, "to")) {
        set_peers(rows, value, DESTINATIONS(rec));
    } else if (!strcmp(key, "policies")) {
        set_strings(&rec->policies, &rec->n_policies, value);
    } else if (!strcmp(key, "direction")) {
        set_string(&rec->direction, value);
    } else if (!strcmp(key, "status")) {
        set_string(&rec->status, value);
    } else {
        return false;
    }
    return true;
}

/* Rows. */

static void
clear_network(struct bsrec_network *rec)
{
    set_string(&rec->name, NULL);
    set_string(&rec->bridge, NULL);
    set_strings(&rec->subnets, &rec->n_subnets, "");
    set_strings(&rec->gateways, &rec->n_gateways, "");
    set_string(&rec->gateway_mac, NULL);
    set_string(&rec->gateway_port, NULL);
    set_strings(&rec->dhcp_servers, &rec->n_dhcp_servers, "");
    set_string(&rec->enforcement, NULL);
    set_string(&rec->status, NULL);
}

static void
clear_dependency(struct bsrec_dependency *rec)
{
    clear_peers(SOURCES(rec));
    clear_peers(DESTINATIONS(rec));
    set_strings(&rec->policies, &rec->n_policies, "");
    set_string(&rec->direction, NULL);
    set_string(&rec->status, NULL);
}

/* Frees the columns of 'rec' and sets defaults. */
static void
clear_rec(const char *kind, union rec *rec)
{
    if (!strcmp(kind, "network")) {
        clear_network(&rec->network);
    } else if (!strcmp(kind, "service")) {
        set_string(&rec->service.name, NULL);
        set_string(&rec->service.isolate, NULL);
        set_string(&rec->service.status, NULL);
    } else if (!strcmp(kind, "container")) {
        set_string(&rec->container.name, NULL);
        set_string(&rec->container.interface, NULL);
        set_string(&rec->container.node, NULL);
        set_string(&rec->container.mac, NULL);
        set_strings(&rec->container.ips, &rec->container.n_ips, "");
        set_string(&rec->container.status, NULL);
    } else {
        clear_dependency(&rec->dependency);
    }
}

static void
set_defaults(struct test_rows *rows, const char *kind, const char *name,
             union rec *rec)
{
    if (!strcmp(kind, "network")) {
        set_string(&rec->network.name, name);
        set_string(&rec->network.bridge, "br0");
        set_string(&rec->network.status, "");
        smap_init(&rec->network.other_config);
        set_string(&rows->last_network, name);
    } else if (!strcmp(kind, "service")) {
        set_string(&rec->service.name, name);
        set_string(&rec->service.isolate, "both");
        set_string(&rec->service.status, "");
        rec->service.network
            = &get_rec(rows, "network", rows->last_network)->network;
        set_string(&rows->last_service, name);
    } else if (!strcmp(kind, "container")) {
        set_string(&rec->container.name, name);
        set_string(&rec->container.status, "");
        smap_init(&rec->container.options);
        rec->container.service
            = &get_rec(rows, "service", rows->last_service)->service;
    } else {
        set_string(&rec->dependency.direction, "both");
        set_string(&rec->dependency.status, "");
    }
}

static union rec *
create_rec(struct test_rows *rows, const char *kind, const char *name)
{
    char *key = xasprintf("%s %s", kind, name);
    union rec *rec = shash_find_data(&rows->recs, key);

    if (!rec) {
        uint32_t n = shash_count(&rows->recs) + 1;

        rec = xzalloc(sizeof *rec);
        rec->header_.uuid = (struct uuid) { .parts = { n, n, 0, 0 } };
        shash_add(&rows->recs, key, rec);
    } else {
        clear_rec(kind, rec);
    }
    set_defaults(rows, kind, name, rec);
    free(key);
    return rec;
}

void
test_rows_set(struct test_rows *rows, const char *line)
{
    char *copy = xstrdup(line);
    char *save = NULL;
    char *kind = strtok_r(copy, " ", &save);
    char *name = strtok_r(NULL, " ", &save);
    union rec *rec = create_rec(rows, kind, name);
    char *column;

    while ((column = strtok_r(NULL, " ", &save))) {
        char *value = strchr(column, '=');

        *value++ = '\0';
        if (!(!strcmp(kind, "network")
              ? set_network_column(&rec->network, column, value)
              : !strcmp(kind, "service")
              ? set_service_column(rows, &rec->service, column, value)
              : !strcmp(kind, "container")
              ? set_container_column(rows, &rec->container, column, value)
              : set_dependency_column(rows, &rec->dependency, column,
                                      value))) {
            ovs_fatal(0, "%s: no column %s", line, column);
        }
    }

    if (!strcmp(kind, "network")) {
        compiler_set_network(rows->compiler, &rec->network);
    } else if (!strcmp(kind, "service")) {
        compiler_set_service(rows->compiler, &rec->service);
    } else if (!strcmp(kind, "container")) {
        compiler_set_container(rows->compiler, &rec->container);
    } else {
        compiler_set_dependency(rows->compiler, &rec->dependency);
    }
    free(copy);
}

const struct uuid *
test_rows_uuid(const struct test_rows *rows, const char *row)
{
    const union rec *rec = shash_find_data(&rows->recs, row);

    if (!rec) {
        ovs_fatal(0, "no %s", row);
    }
    return &rec->header_.uuid;
}

void
test_rows_remove(struct test_rows *rows, const char *row)
{
    compiler_remove_row(rows->compiler, test_rows_uuid(rows, row));
}

const char *
test_rows_status(const struct test_rows *rows, const char *row)
{
    return compiler_get_status(rows->compiler, test_rows_uuid(rows, row));
}

static void
check_same(const struct test_rows *rows, const struct compiler *other)
{
    const struct flow_table *a = compiler_get_flows(rows->compiler, "br0");
    const struct flow_table *b = compiler_get_flows(other, "br0");
    struct ds diff = DS_EMPTY_INITIALIZER;

    if (!a != !b || (a && flow_table_diff(a, b, &diff))) {
        ovs_fatal(0, "flows differ when compiled from nothing:\n%s",
                  ds_cstr(&diff));
    }
    ds_destroy(&diff);

    struct shash_node *node;
    SHASH_FOR_EACH (node, &rows->recs) {
        const union rec *rec = node->data;
        const char *sa = compiler_get_status(rows->compiler,
                                             &rec->header_.uuid);
        const char *sb = compiler_get_status(other, &rec->header_.uuid);

        if (!nullable_string_is_equal(sa, sb)) {
            ovs_fatal(0, "%s: status \"%s\" when compiled from nothing, not "
                      "\"%s\"", node->name, sb, sa);
        }
    }
}

void
test_rows_run(struct test_rows *rows)
{
    compiler_run(rows->compiler);

    struct compiler *clone = compiler_clone(rows->compiler);
    check_same(rows, clone);
    compiler_recompute(rows->compiler);
    check_same(rows, clone);
    compiler_destroy(clone);
}

void
test_rows_destroy(struct test_rows *rows)
{
    struct shash_node *node;

    compiler_destroy(rows->compiler);
    SHASH_FOR_EACH (node, &rows->recs) {
        char *kind = xmemdup0(node->name, strcspn(node->name, " "));

        clear_rec(kind, node->data);
        free(kind);
    }
    shash_destroy_free_data(&rows->recs);
    free(rows->last_network);
    free(rows->last_service);
}
