/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/compiler-private.h"

#include "openvswitch/dynamic-string.h"
#include "util.h"
#include "uuid.h"
static void
format_service(const struct compiler *c, const struct uuid *uuid, struct ds *s)
{
    const struct row *service = compiler_find_row(c, uuid);

    if (!service || service->kind != ROW_SERVICE) {
        ds_put_cstr(s, "?");
        return;
    }

    const struct row *network
        = compiler_find_row(c, &service->service.network);
    ds_put_format(s, "%s/%s",
                  network && network->kind == ROW_NETWORK
                  ? network->network.name : "?", service->service.name);
}

static void
format_peers(const struct compiler *c, const struct row_peers *peers,
             struct ds *s)
{
    const char *comma = "";

    for (size_t i = 0; i < peers->n_services; i++) {
        ds_put_cstr(s, comma);
        format_service(c, &peers->services[i], s);
        comma = ",";
    }
    for (size_t i = 0; i < peers->n_cidrs; i++) {
        ds_put_format(s, "%scidr:%s", comma, peers->cidrs[i].prefix);
        comma = ",";
    }
    for (size_t i = 0; i < peers->special.n; i++) {
        ds_put_format(s, "%s%s", comma, peers->special.names[i]);
        comma = ",";
    }
    if (!*comma) {
        ds_put_cstr(s, "(nothing)");
    }
}

char *
compiler_describe_row(const struct compiler *c, const struct uuid *uuid)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (uuid_equals(uuid, &compiler_static_owner)) {
        return xstrdup("pipeline");
    } else if (uuid_equals(uuid, &compiler_host_owner)) {
        return xstrdup("host addresses");
    }

    const struct row *row = compiler_find_row(c, uuid);
    if (!row) {
        return NULL;
    }

    switch (row->kind) {
    case ROW_NETWORK:
        ds_put_format(&s, "network %s", row->network.name);
        break;

    case ROW_SERVICE:
        ds_put_cstr(&s, "service ");
        format_service(c, uuid, &s);
        break;

    case ROW_CONTAINER:
        ds_put_cstr(&s, "container ");
        format_service(c, &row->container.service, &s);
        ds_put_format(&s, "/%s", row->container.name);
        break;

    case ROW_DEPENDENCY:
        ds_put_cstr(&s, "dependency ");
        format_peers(c, &row->dependency.sources, &s);
        ds_put_cstr(&s, " -> ");
        format_peers(c, &row->dependency.destinations, &s);
        for (size_t i = 0; i < row->dependency.policies.n; i++) {
            ds_put_format(&s, " %s", row->dependency.policies.names[i]);
        }
        break;

    case ROW_N_KINDS:
        OVS_NOT_REACHED();
    }
    return ds_steal_cstr(&s);
}
