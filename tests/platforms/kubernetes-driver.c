/* SPDX-License-Identifier: Apache-2.0 */

/* The Kubernetes collector without a database.
 *
 * Usage: kubernetes-driver ENDPOINT [KEY=VALUE...]
 *
 * KEY is that of a credential, a selector or an option of the Platform row.
 * Each line on standard input is a command; each command prints lines of which
 * the last is empty:
 *
 *    status      What is in Platform:status, and the statistics.
 *    services    Services with the directions in which they are isolated.
 *    containers  Containers with their services.
 *    desired     A checksum of all that is desired, and the CPU time that it
 *                took, in microseconds.
 *    resync      Nothing; the collector lists again.
 *
 * Exits when standard input is closed. */

#include <config.h>

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"
#include "manager/collector.h"
#include "manager/desired.h"
#include "manager/event-loop.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "socket-util.h"
#include "util.h"

static void
show_status(const struct collector *collector)
{
    struct simap statistics = SIMAP_INITIALIZER(&statistics);
    const struct simap_node *node;
    struct rusage usage;

    collector->class->get_statistics(collector, &statistics);
    getrusage(RUSAGE_SELF, &usage);
    printf("seqno %"PRIu64"\nstatus %s\nmax-rss-kb %ld\n", collector->seqno,
           collector->status, usage.ru_maxrss);
    SIMAP_FOR_EACH (node, &statistics) {
        printf("%s %u\n", node->name, node->data);
    }
    simap_destroy(&statistics);
}

static uint32_t
hash_set(const struct sset *set, uint32_t hash)
{
    char *s = sset_join(set, "\n", "");

    hash = hash_string(s, hash);
    free(s);
    return hash;
}

static uint32_t
hash_peers(const struct desired_peers *peers, uint32_t hash)
{
    uint32_t cidrs = 0;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &peers->cidrs) {
        cidrs ^= hash_set(node->data, hash_string(node->name, 0));
    }
    hash = hash_set(&peers->services, hash);
    return hash_3words(hash, cidrs, (peers->any | peers->host << 1
                                     | peers->world << 2));
}

static void
show_desired(const struct desired *d)
{
    uint32_t hash = 0;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &d->services) {
        const struct desired_service *service = node->data;

        hash ^= hash_string(node->name, service->isolate);
    }
    SHASH_FOR_EACH (node, &d->containers) {
        const struct desired_container *container = node->data;

        hash ^= hash_set(&container->ips,
                         hash_string(node->name,
                                     hash_string(container->service, 0)));
    }
    SHASH_FOR_EACH (node, &d->dependencies) {
        const struct desired_dependency *dependency = node->data;

        hash ^= hash_peers(&dependency->source,
                           hash_peers(&dependency->destination,
                                      hash_set(&dependency->policies,
                                               hash_string(node->name, 0))));
    }
    printf("hash %08x\nnetworks %"PRIuSIZE"\nservices %"PRIuSIZE"\n"
           "containers %"PRIuSIZE"\ndependencies %"PRIuSIZE"\n",
           hash, shash_count(&d->networks), shash_count(&d->services),
           shash_count(&d->containers), shash_count(&d->dependencies));
}

static void
show_services(const struct desired *d)
{
    static const char *const directions[]
        = { "none", "egress", "ingress", "both" };
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &d->services) {
        const struct desired_service *service = node->data;

        printf("%s %s\n", node->name, directions[service->isolate]);
    }
}

static void
show_containers(const struct desired *d)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &d->containers) {
        const struct desired_container *container = node->data;
        char *ips = sset_join(&container->ips, ",", "");

        printf("%s %s %s\n", node->name, container->service, ips);
        free(ips);
    }
}

static void
do_command(struct collector *collector, const char *command)
{
    struct desired desired;

    desired_init(&desired);
    if (!strcmp(command, "status")) {
        show_status(collector);
    } else if (!strcmp(command, "resync")) {
        collector->class->resync(collector);
    } else {
        clock_t start = clock();

        collector->class->get_desired(collector, &desired);
        clock_t end = clock();
        if (!strcmp(command, "services")) {
            show_services(&desired);
        } else if (!strcmp(command, "containers")) {
            show_containers(&desired);
        } else {
            show_desired(&desired);
            printf("us %ld\n", (long int) (end - start));
        }
    }
    printf("\n");
    fflush(stdout);
    desired_destroy(&desired);
}

/* Returns false at the end of the input. */
static bool
read_commands(struct collector *collector, int fd, struct ds *buffer)
{
    char data[512];
    ssize_t n = read(fd, data, sizeof data);
    char *newline;

    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    ds_put_buffer(buffer, data, n);
    while ((newline = memchr(buffer->string, '\n', buffer->length))) {
        struct ds rest = DS_EMPTY_INITIALIZER;

        *newline = '\0';
        ds_put_buffer(&rest, newline + 1,
                      buffer->length - (newline + 1 - buffer->string));
        do_command(collector, buffer->string);
        ds_destroy(buffer);
        *buffer = rest;
        if (!buffer->length) {
            break;
        }
    }
    return true;
}

int
main(int argc, char *argv[])
{
    struct smap options = SMAP_INITIALIZER(&options);
    struct smap credentials = SMAP_INITIALIZER(&credentials);
    struct smap selectors = SMAP_INITIALIZER(&selectors);
    struct ds buffer = DS_EMPTY_INITIALIZER;
    struct event_base *base = event_loop_create();
    char *error;

    /* The poll loop takes descriptor 0 for none. */
    int input = dup(STDIN_FILENO);
    set_nonblocking(input);

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    if (argc < 2) {
        ovs_fatal(0, "usage: %s ENDPOINT [KEY=VALUE...]", argv[0]);
    }
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (!value) {
            ovs_fatal(0, "%s: not KEY=VALUE", argv[i]);
        }
        *value++ = '\0';
        smap_add(!strcmp(argv[i], "token") || !strcmp(argv[i], "ca-cert")
                 ? &credentials
                 : !strcmp(argv[i], "namespaces") ? &selectors : &options,
                 argv[i], value);
    }

    const struct collector_config config = {
        .name = "test",
        .endpoint = argv[1],
        .network = "pods",
        .credentials = &credentials,
        .selectors = &selectors,
        .options = &options,
    };
    struct collector *collector
        = kubernetes_collector_class.create(&config, base, &error);
    if (!collector) {
        printf("error %s\n", error);
        free(error);
    } else {
        do {
            poll_fd_wait(input, POLLIN);
            event_loop_wait(base);
            poll_block();
            event_loop_run(base);
        } while (read_commands(collector, input, &buffer));
        collector->class->destroy(collector);
    }

    ds_destroy(&buffer);
    smap_destroy(&options);
    smap_destroy(&credentials);
    smap_destroy(&selectors);
    event_base_free(base);
    return 0;
}
