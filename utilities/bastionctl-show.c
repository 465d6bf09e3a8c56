/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "svec.h"
#include "util.h"

/* Verbs that show the database as people think of it. */

static void
cmd_netmap(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Container", "Network", "Service", "Interface", "IP address",
        "MAC address", NULL,
    };
    const struct row_index *index = inventory(ctx);
    const struct shash_node **nodes = shash_sort(&index->containers);

    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&index->containers); i++) {
        const struct bsrec_container *container = nodes[i]->data;

        add_row(ctx);
        add_text(ctx, "%s", container->name);
        add_text(ctx, "%s", container->service->network->name);
        add_text(ctx, "%s", container->service->name);
        add_text(ctx, "%s", container->interface);
        add_texts(ctx, container->ips, container->n_ips);
        add_text(ctx, "%s", container->mac);
    }
    free(nodes);
}

/* Appends a cell with the sources or the destinations of 'dependency'. */
static void
add_peers(struct ctl_context *ctx, const struct bsrec_dependency *dependency,
          bool source)
{
    struct svec peers = SVEC_EMPTY_INITIALIZER;

    dependency_peers(dependency, source, &peers);
    add_texts(ctx, peers.names, peers.n);
    svec_destroy(&peers);
}

static void
cmd_depmap(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Source", "Destination", "Policy", NULL,
    };
    const struct row_index *index = inventory_with_dependencies(ctx);
    const struct shash_node **nodes = shash_sort(&index->dependencies);

    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&index->dependencies); i++) {
        const struct bsrec_dependency *dependency = nodes[i]->data;

        add_row(ctx);
        add_peers(ctx, dependency, true);
        add_peers(ctx, dependency, false);
        add_texts(ctx, dependency->policies, dependency->n_policies);
    }
    free(nodes);
}

static void
put_list(struct ds *s, const char *heading, char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ds_put_format(s, "%s%s", i ? ", " : heading, texts[i]);
    }
    if (n) {
        ds_put_char(s, '\n');
    }
}

/* Appends a line about the status of a row, if there is something to say. */
static void
put_status(struct ds *s, int indent, const char *status)
{
    if (status_is_error(status)) {
        ds_put_format(s, "%*s%s\n", indent, "", status);
    }
}

static void
show_containers(struct ctl_context *ctx, const struct shash_node **containers,
                size_t n, const struct bsrec_service *service)
{
    for (size_t i = 0; i < n; i++) {
        const struct bsrec_container *container = containers[i]->data;

        if (container->service != service) {
            continue;
        }
        ds_put_format(&ctx->output, "        container %s on %s",
                      container->name, container->interface);
        if (container->node) {
            ds_put_format(&ctx->output, " of node %s", container->node);
        }
        ds_put_format(&ctx->output, ": %s", container->mac);
        for (size_t j = 0; j < container->n_ips; j++) {
            ds_put_format(&ctx->output, " %s", container->ips[j]);
        }
        ds_put_char(&ctx->output, '\n');
        put_status(&ctx->output, 12, container->status);
    }
}

static void
show_network(struct ctl_context *ctx, const struct bsrec_network *network)
{
    struct ds *s = &ctx->output;

    ds_put_format(s, "network %s (key %"PRId64") on bridge %s\n",
                  network->name, network->key, network->bridge);
    put_status(s, 4, network->status);
    put_list(s, "    subnets: ", network->subnets, network->n_subnets);
    put_list(s, "    gateways: ", network->gateways, network->n_gateways);
    if (network->gateway_mac) {
        ds_put_format(s, "    gateway MAC address: %s\n",
                      network->gateway_mac);
    }
    if (network->gateway_port) {
        ds_put_format(s, "    gateway port: %s\n", network->gateway_port);
    }
    put_list(s, "    DHCP servers: ", network->dhcp_servers,
             network->n_dhcp_servers);
    if (network->enforcement) {
        ds_put_format(s, "    enforcement: %s\n", network->enforcement);
    }
}

static void
show_nodes(struct ctl_context *ctx)
{
    const struct bsrec_node *node;

    BSREC_NODE_FOR_EACH (node, ctx->idl) {
        ds_put_format(&ctx->output, "node %s: version %s, generation "
                      "%"PRId64"\n", node->name,
                      node->version[0] ? node->version : "unknown",
                      node->generation);
    }
}

static void
show_inventory(struct ctl_context *ctx)
{
    const struct row_index *index = inventory(ctx);
    const struct shash_node **networks = shash_sort(&index->networks);
    const struct shash_node **services = shash_sort(&index->services);
    const struct shash_node **containers = shash_sort(&index->containers);

    for (size_t i = 0; i < shash_count(&index->networks); i++) {
        show_network(ctx, networks[i]->data);
        for (size_t j = 0; j < shash_count(&index->services); j++) {
            const struct bsrec_service *service = services[j]->data;

            if (service->network != networks[i]->data) {
                continue;
            }
            ds_put_format(&ctx->output, "    service %s (identity %"PRId64")",
                          service->name, service->identity);
            if (strcmp(service->isolate, "both")) {
                ds_put_format(&ctx->output, " isolated: %s",
                              service->isolate);
            }
            ds_put_char(&ctx->output, '\n');
            put_status(&ctx->output, 8, service->status);
            show_containers(ctx, containers, shash_count(&index->containers),
                            service);
        }
    }
    free(networks);
    free(services);
    free(containers);
}

static void
show_dependencies(struct ctl_context *ctx)
{
    const struct row_index *index = inventory_with_dependencies(ctx);
    const struct shash_node **nodes = shash_sort(&index->dependencies);

    for (size_t i = 0; i < shash_count(&index->dependencies); i++) {
        const struct bsrec_dependency *dependency = nodes[i]->data;
        char *source = dependency_peer_text(dependency, true);
        char *destination = dependency_peer_text(dependency, false);

        ds_put_format(&ctx->output, "dependency %s -> %s",
                      source[0] ? source : "(nothing)",
                      destination[0] ? destination : "(nothing)");
        if (strcmp(dependency->direction, "both")) {
            ds_put_format(&ctx->output, " (%s only)", dependency->direction);
        }
        put_list(&ctx->output, ": ", dependency->policies,
                 dependency->n_policies);
        put_status(&ctx->output, 4, dependency->status);
        free(source);
        free(destination);
    }
    free(nodes);
}

static void
cmd_show(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;

    if (!root) {
        ds_put_cstr(&ctx->output, "database is not initialized\n");
        return;
    }
    ds_put_format(&ctx->output, "generation %"PRId64", enforcement %s\n",
                  root->generation, root->default_enforcement);
    show_nodes(ctx);
    show_inventory(ctx);
    show_dependencies(ctx);
}

const struct ctl_command_syntax map_commands[] = {
    {"netmap", 0, 0, "", pre_inventory, cmd_netmap, NULL, "", RO},
    {"depmap", 0, 0, "", pre_dependencies, cmd_depmap, NULL, "", RO},
    {"show", 0, 0, "", pre_everything, cmd_show, NULL, "", RO},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
