/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "utilities/bastionctl.h"

#include <limits.h>
#include <string.h>

#include "lib/address.h"
#include "ovsdb-idl.h"
#include "socket-util.h"
#include "stream.h"
#include "svec.h"
#include "util.h"

/* Verbs for the database itself, its server and the nodes that use it. */

/* The row that "init" creates is there already when a command that writes is
 * run, so there is nothing left to do. */
static void
cmd_init(struct ctl_context *ctx OVS_UNUSED)
{
}

/* Increments Bastion:generation even if nothing else changes; main() sees to
 * that. */
static void
cmd_sync(struct ctl_context *ctx OVS_UNUSED)
{
}

static void
pre_node(struct ctl_context *ctx)
{
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_name);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_hostname);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_version);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_generation);
    ovsdb_idl_add_column(ctx->idl, &bsrec_node_col_addresses);
}

static void
cmd_node_list(struct ctl_context *ctx)
{
    static const char *const headings[] = {
        "Node", "Hostname", "Version", "Generation", "Addresses", NULL,
    };
    const struct bsrec_node *node;
    struct shash nodes = SHASH_INITIALIZER(&nodes);

    BSREC_NODE_FOR_EACH (node, ctx->idl) {
        shash_add(&nodes, node->name, node);
    }

    const struct shash_node **sorted = shash_sort(&nodes);
    new_table(ctx, headings);
    for (size_t i = 0; i < shash_count(&nodes); i++) {
        node = sorted[i]->data;
        add_row(ctx);
        add_text(ctx, "%s", node->name);
        add_text(ctx, "%s", node->hostname);
        add_text(ctx, "%s", node->version);
        add_text(ctx, "%"PRId64, node->generation);
        add_texts(ctx, node->addresses, node->n_addresses);
    }
    free(sorted);
    shash_destroy(&nodes);
}

static void
cmd_node_del(struct ctl_context *ctx)
{
    const struct bsrec_node *node;

    BSREC_NODE_FOR_EACH (node, ctx->idl) {
        if (!strcmp(node->name, ctx->argv[1])) {
            bsrec_node_delete(node);
            return;
        }
    }
    if (!shash_find(&ctx->options, "--if-exists")) {
        ctl_error(ctx, "no node named %s", ctx->argv[1]);
    }
}

static void
pre_connection(struct ctl_context *ctx)
{
    ovsdb_idl_add_column(ctx->idl, &bsrec_bastion_col_connections);
    ovsdb_idl_add_column(ctx->idl, &bsrec_connection_col_target);
    ovsdb_idl_add_column(ctx->idl, &bsrec_connection_col_read_only);
}

static void
cmd_get_connection(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    struct svec lines = SVEC_EMPTY_INITIALIZER;
    const char *line;
    size_t i;

    for (i = 0; root && i < root->n_connections; i++) {
        const struct bsrec_connection *connection = root->connections[i];

        svec_add_nocopy(&lines, xasprintf("%s%s", connection->target,
                                          (connection->read_only
                                           ? " read-only" : "")));
    }
    svec_sort_unique(&lines);
    SVEC_FOR_EACH (i, line, &lines) {
        ds_put_format(&ctx->output, "%s\n", line);
    }
    svec_destroy(&lines);
}

static void
delete_connections(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;

    bsrec_bastion_verify_connections(root);
    for (size_t i = 0; i < root->n_connections; i++) {
        bsrec_connection_delete(root->connections[i]);
    }
    bsrec_bastion_set_connections(root, NULL, 0);
}

static void
cmd_del_connection(struct ctl_context *ctx)
{
    delete_connections(ctx);
}

/* Returns true if TCP connections of 'target' stay inside this machine. */
static bool
is_loopback(const char *target)
{
    bool passive = !strncmp(target, "ptcp:", 5);
    char *copy = xstrdup(strchr(target, ':') + 1);
    char *host, *port;

    if (passive) {
        inet_parse_port_host_tokens(copy, &port, &host);
    } else {
        inet_parse_host_port_tokens(copy, &host, &port);
    }

    struct in6_addr ip;
    bool loopback = false;
    if (host) {
        char *error = ip_address_parse(host, &ip);

        loopback = !error && (ip_is_v4(&ip)
                              ? ip.s6_addr[12] == 127
                              : IN6_IS_ADDR_LOOPBACK(&ip));
        free(error);
    }
    free(copy);
    return loopback;
}

/* ovsdb-server looks at a connection's read_only column only when the target
 * is new to it, so a change of it for a target that stays would be without
 * effect. */
static char * OVS_WARN_UNUSED_RESULT
check_read_only(struct ctl_context *ctx, const char *target)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    bool read_only = shash_find(&ctx->options, "--read-only");

    for (size_t i = 0; i < root->n_connections; i++) {
        const struct bsrec_connection *connection = root->connections[i];

        if (!strcmp(connection->target, target)
            && connection->read_only != read_only) {
            return xasprintf("%s: is a read-%s connection already, and the "
                             "server does not change that, expected "
                             "del-connection first", target,
                             connection->read_only ? "only" : "write");
        }
    }
    return NULL;
}

static bool
check_target(struct ctl_context *ctx, const char *target)
{
    bool insecure = shash_find(&ctx->options, "--insecure");
    char *error = NULL;

    if (stream_verify_name(target) && pstream_verify_name(target)) {
        error = xasprintf("%s: expected unix:, punix:, tcp:, ptcp:, ssl: or "
                          "pssl: and what follows these", target);
    } else if (!insecure
               && (!strncmp(target, "tcp:", 4)
                   || !strncmp(target, "ptcp:", 5))
               && !is_loopback(target)) {
        error = xasprintf("%s: lets everyone on the network change the "
                          "policy, expected ssl:, pssl: or a loopback "
                          "address (or give --insecure)", target);
    }
    if (!error) {
        error = check_read_only(ctx, target);
    }
    if (error) {
        bad_argument(ctx, "TARGET", error);
    }
    return !error;
}

static bool
parse_inactivity_probe(struct ctl_context *ctx, int64_t *msecs)
{
    const char *text = shash_find_data(&ctx->options, "--inactivity-probe");
    long long int value = 0;

    if (text && (text[strspn(text, "0123456789")]
                 || !str_to_llong(text, 10, &value))) {
        bad_argument(ctx, "--inactivity-probe",
                     xasprintf("%s: expected a number of milliseconds",
                               text));
        return false;
    }
    *msecs = text ? value : -1;
    return true;
}

static void
cmd_set_connection(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    size_t n = ctx->argc - 1;
    struct svec targets = SVEC_EMPTY_INITIALIZER;
    int64_t probe;

    if (!parse_inactivity_probe(ctx, &probe)) {
        return;
    }
    for (size_t i = 1; i <= n; i++) {
        if (!check_target(ctx, ctx->argv[i])) {
            svec_destroy(&targets);
            return;
        }
        svec_add(&targets, ctx->argv[i]);
    }
    svec_sort_unique(&targets);

    delete_connections(ctx);
    struct bsrec_connection **connections;
    connections = xmalloc(n * sizeof *connections);
    for (size_t i = 0; i < targets.n; i++) {
        connections[i] = bsrec_connection_insert(ctx->txn);
        bsrec_connection_set_target(connections[i], targets.names[i]);
        bsrec_connection_set_read_only(
            connections[i], shash_find(&ctx->options, "--read-only"));
        if (probe >= 0) {
            bsrec_connection_set_inactivity_probe(connections[i], &probe, 1);
        }
    }
    bsrec_bastion_set_connections(root, connections, targets.n);
    free(connections);
    svec_destroy(&targets);
}

static void
pre_ssl(struct ctl_context *ctx)
{
    ovsdb_idl_add_column(ctx->idl, &bsrec_bastion_col_ssl);
    ovsdb_idl_add_column(ctx->idl, &bsrec_ssl_col_private_key);
    ovsdb_idl_add_column(ctx->idl, &bsrec_ssl_col_certificate);
    ovsdb_idl_add_column(ctx->idl, &bsrec_ssl_col_ca_cert);
    ovsdb_idl_add_column(ctx->idl, &bsrec_ssl_col_bootstrap_ca_cert);
    ovsdb_idl_add_column(ctx->idl, &bsrec_ssl_col_ssl_protocols);
    ovsdb_idl_add_column(ctx->idl, &bsrec_ssl_col_ssl_ciphers);
}

static void
cmd_get_ssl(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;
    const struct bsrec_ssl *ssl = root ? root->ssl : NULL;

    if (ssl) {
        ds_put_format(&ctx->output,
                      "Private key: %s\n"
                      "Certificate: %s\n"
                      "CA certificate: %s\n"
                      "Bootstrap: %s\n",
                      ssl->private_key, ssl->certificate, ssl->ca_cert,
                      ssl->bootstrap_ca_cert ? "true" : "false");
        if (ssl->ssl_protocols[0]) {
            ds_put_format(&ctx->output, "Protocols: %s\n",
                          ssl->ssl_protocols);
        }
        if (ssl->ssl_ciphers[0]) {
            ds_put_format(&ctx->output, "Ciphers: %s\n", ssl->ssl_ciphers);
        }
    }
}

static void
cmd_del_ssl(struct ctl_context *ctx)
{
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;

    bsrec_bastion_verify_ssl(root);
    if (root->ssl) {
        bsrec_ssl_delete(root->ssl);
        bsrec_bastion_set_ssl(root, NULL);
    }
}

static void
cmd_set_ssl(struct ctl_context *ctx)
{
    static const char *const arguments[] = {
        "PRIVATE-KEY", "CERTIFICATE", "CA-CERT",
    };
    const struct bsrec_bastion *root = bastionctl_context_cast(ctx)->root;

    /* The server reads the files, in a working directory of its own. */
    for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
        if (ctx->argv[i + 1][0] != '/') {
            bad_argument(ctx, arguments[i],
                         xasprintf("%s: expected an absolute file name",
                                   ctx->argv[i + 1]));
            return;
        }
    }

    cmd_del_ssl(ctx);
    struct bsrec_ssl *ssl = bsrec_ssl_insert(ctx->txn);
    bsrec_ssl_set_private_key(ssl, ctx->argv[1]);
    bsrec_ssl_set_certificate(ssl, ctx->argv[2]);
    bsrec_ssl_set_ca_cert(ssl, ctx->argv[3]);
    bsrec_ssl_set_bootstrap_ca_cert(ssl, shash_find(&ctx->options,
                                                    "--bootstrap"));
    if (ctx->argc > 4) {
        bsrec_ssl_set_ssl_protocols(ssl, ctx->argv[4]);
    }
    if (ctx->argc > 5) {
        bsrec_ssl_set_ssl_ciphers(ssl, ctx->argv[5]);
    }
    bsrec_bastion_set_ssl(root, ssl);
}

const struct ctl_command_syntax server_commands[] = {
    {"init", 0, 0, "", NULL, cmd_init, NULL, "", RW},
    {"sync", 0, 0, "", NULL, cmd_sync, NULL, "", RW},

    {"node-list", 0, 0, "", pre_node, cmd_node_list, NULL, "", RO},
    {"node-del", 1, 1, "NODE", pre_node, cmd_node_del, NULL, "--if-exists",
     RW},

    {"get-connection", 0, 0, "", pre_connection, cmd_get_connection, NULL, "",
     RO},
    {"set-connection", 1, INT_MAX, "TARGET...", pre_connection,
     cmd_set_connection, NULL, "--inactivity-probe=,--read-only,--insecure",
     RW},
    {"del-connection", 0, 0, "", pre_connection, cmd_del_connection, NULL, "",
     RW},

    {"get-ssl", 0, 0, "", pre_ssl, cmd_get_ssl, NULL, "", RO},
    {"set-ssl", 3, 5, "PRIVATE-KEY CERTIFICATE CA-CERT [ARG] [ARG]", pre_ssl,
     cmd_set_ssl, NULL, "--bootstrap", RW},
    {"del-ssl", 0, 0, "", pre_ssl, cmd_del_ssl, NULL, "", RW},

    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, RO},
};
