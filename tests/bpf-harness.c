/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "tests/bpf-harness.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/bastion.skel.h"
#include "controller/map-table.h"
#include "util.h"

struct bpf_harness {
    struct bastion_bpf *skel;
    int n_cpus;
    uint64_t counters[BASTION_N_COUNTERS];
    struct bastion_config config;
    struct ring_buffer *events;
    struct bastion_event event; /* The last one that has been read... */
    bool has_event;             /* ...if there was one. */
};

const struct harness_options harness_defaults = {
    .second = UINT64_C(1000000000),
    .n_connections = 65536,
    .n_fragments = 4096,
    .events_size = 256 * 1024,
};

OVS_NO_RETURN static void
skip(const char *what, int error)
{
    printf("skipped: %s (%s)\n", what, ovs_strerror(error));
    exit(77);
}

/* Both ends of veth pairs serve. */
static void
create_interfaces(void)
{
    FILE *ip = popen("ip -batch -", "w");

    if (!ip) {
        ovs_fatal(errno, "cannot run \"ip\"");
    }
    for (int i = 0; i < HARNESS_N_IFINDEXES; i += 2) {
        int ifindex = HARNESS_IFINDEX + i;

        fprintf(ip, "link add name t%d index %d type veth "
                "peer name t%d index %d\n",
                ifindex, ifindex, ifindex + 1, ifindex + 1);
    }
    if (pclose(ip)) {
        ovs_fatal(0, "\"ip\" does not create interfaces");
    }
}

static int
log_libbpf(enum libbpf_print_level level OVS_UNUSED,
           const char *format OVS_UNUSED, va_list args OVS_UNUSED)
{
    return 0;
}

/* Keeps one event, which the caller of ring_buffer__consume() waits for. */
static int
keep_event(void *h_, void *event, size_t size)
{
    struct bpf_harness *h = h_;

    ovs_assert(size == sizeof h->event);
    memcpy(&h->event, event, size);
    h->has_event = true;
    return -EINTR;
}

static void
write_config(const struct bpf_harness *h)
{
    uint32_t key = 0;

    if (bpf_map_update_elem(bpf_harness_map(h, "config"), &key, &h->config,
                            BPF_ANY)) {
        ovs_fatal(errno, "cannot write map \"config\"");
    }
}

static void
set_current(struct bpf_harness *h, bool current)
{
    h->config.flags &= ~BASTION_CONFIG_CURRENT;
    h->config.flags |= current ? BASTION_CONFIG_CURRENT : 0;
    write_config(h);
}

void
bpf_harness_configure(struct bpf_harness *h,
                      const struct bastion_config *config)
{
    uint32_t current = h->config.flags & BASTION_CONFIG_CURRENT;

    h->config = *config;
    h->config.flags |= current;
    write_config(h);
}

static void
open_skeleton(struct bpf_harness *h, const struct harness_options *options)
{
    h->skel = bastion_bpf__open();
    if (!h->skel) {
        ovs_fatal(errno, "cannot open eBPF programs");
    }
    h->skel->rodata->second = options->second;
    bpf_map__set_max_entries(h->skel->maps.connections,
                             options->n_connections);
    bpf_map__set_max_entries(h->skel->maps.fragments, options->n_fragments);
    bpf_map__set_max_entries(h->skel->maps.events, options->events_size);
}

static void
add_port_state(struct bpf_harness *h, uint32_t ifindex)
{
    struct bastion_port_state zero = { .miss_time = 0 };

    if (bpf_map_update_elem(bpf_harness_map(h, "port_states"), &ifindex,
                            &zero, BPF_ANY)) {
        ovs_fatal(errno, "cannot write map \"port_states\"");
    }
}

struct bpf_harness *
bpf_harness_create(const struct harness_options *options)
{
    struct bpf_harness *h = xzalloc(sizeof *h);

    if (unshare(CLONE_NEWNET)) {
        skip("no network namespace", errno);
    }
    libbpf_set_print(log_libbpf);
    open_skeleton(h, options);

    int error = -bastion_bpf__load(h->skel);
    if (error == EPERM) {
        skip("cannot load eBPF programs", error);
    } else if (error) {
        ovs_fatal(error, "cannot load eBPF programs");
    }
    h->n_cpus = libbpf_num_possible_cpus();
    create_interfaces();
    for (uint32_t i = 0; i < HARNESS_N_IFINDEXES; i++) {
        bpf_harness_attach(h, HARNESS_IFINDEX + i, 0);
        add_port_state(h, HARNESS_IFINDEX + i);
    }
    h->events = ring_buffer__new(bpf_harness_map(h, "events"), keep_event, h,
                                 NULL);
    if (!h->events) {
        ovs_fatal(errno, "cannot read map \"events\"");
    }
    return h;
}

void
bpf_harness_destroy(struct bpf_harness *h)
{
    ring_buffer__free(h->events);
    bastion_bpf__destroy(h->skel);
    free(h);
}

int
bpf_harness_map(const struct bpf_harness *h, const char *name)
{
    int fd = bpf_object__find_map_fd_by_name(h->skel->obj, name);

    if (fd < 0) {
        ovs_fatal(0, "no map \"%s\"", name);
    }
    return fd;
}

void
bpf_harness_attach(struct bpf_harness *h, uint32_t ifindex,
                   uint32_t slow_ifindex)
{
    struct bastion_attachment attachment = { .slow_ifindex = slow_ifindex };

    if (bpf_map_update_elem(bpf_harness_map(h, "attachments"), &ifindex,
                            &attachment, BPF_ANY)) {
        ovs_fatal(errno, "cannot write map \"attachments\"");
    }
}

/* Maps. */

static void
clear_map(struct bpf_harness *h, const char *name)
{
    uint8_t key[sizeof(struct bastion_connection_key)];
    int fd = bpf_harness_map(h, name);

    BUILD_ASSERT(sizeof key >= MAP_KEY_MAX);
    while (!bpf_map_get_next_key(fd, NULL, key)) {
        bpf_map_delete_elem(fd, key);
    }
}

void
bpf_harness_clear(struct bpf_harness *h)
{
    for (int map = 0; map < MAP_N; map++) {
        clear_map(h, map_name(map));
    }
    clear_map(h, "connections");
    clear_map(h, "fragments");
    for (uint32_t i = 0; i < HARNESS_N_IFINDEXES; i++) {
        add_port_state(h, HARNESS_IFINDEX + i);
    }
}

void
bpf_harness_age(struct bpf_harness *h, unsigned int seconds)
{
    int fd = bpf_harness_map(h, "connections");
    struct bastion_connection_key *keys = NULL;
    struct bastion_connection conn;
    size_t n = 0, allocated = 0;

    /* An update moves an entry to another place in the order. */
    do {
        if (n >= allocated) {
            keys = x2nrealloc(keys, &allocated, sizeof *keys);
        }
    } while (!bpf_map_get_next_key(fd, n ? &keys[n - 1] : NULL, &keys[n])
             && ++n);
    for (size_t i = 0; i < n; i++) {
        if (!bpf_map_lookup_elem(fd, &keys[i], &conn)) {
            conn.last_seen -= seconds * UINT64_C(1000000000);
            bpf_map_update_elem(fd, &keys[i], &conn, BPF_EXIST);
        }
    }
    free(keys);
}

static void
delete_entries(enum map_id map, const void *keys_, size_t n, void *h)
{
    const uint8_t *keys = keys_;

    for (size_t i = 0; i < n; i++) {
        if (bpf_map_delete_elem(bpf_harness_map(h, map_name(map)),
                                &keys[i * map_key_size(map)])) {
            ovs_fatal(errno, "%s: cannot delete", map_name(map));
        }
    }
}

static size_t
add_entries(enum map_id map, const void *keys_, const void *values_, size_t n,
            void *h)
{
    const uint8_t *keys = keys_;
    const uint8_t *values = values_;

    for (size_t i = 0; i < n; i++) {
        if (bpf_map_update_elem(bpf_harness_map(h, map_name(map)),
                                &keys[i * map_key_size(map)],
                                &values[i * map_value_size(map)],
                                BPF_NOEXIST)) {
            if (errno != E2BIG && errno != ENOSPC) {
                ovs_fatal(errno, "%s: cannot add", map_name(map));
            }
            return i;
        }
    }
    return n;
}

void
bpf_harness_remove(struct bpf_harness *h, struct map_table *table)
{
    set_current(h, false);
    map_table_take_removals(table, delete_entries, h);
}

void
bpf_harness_add(struct bpf_harness *h, struct map_table *table)
{
    map_table_take_additions(table, add_entries, delete_entries, h);
    set_current(h, map_table_is_installed(table));
}

static void
check_entry(enum map_id map, const void *key, const void *value, void *h)
{
    uint8_t installed[MAP_VALUE_MAX];

    if (bpf_map_lookup_elem(bpf_harness_map(h, map_name(map)), key, installed)
        || memcmp(installed, value, map_value_size(map))) {
        ovs_fatal(0, "%s: an entry is missing", map_name(map));
    }
}

void
bpf_harness_check(struct bpf_harness *h, const struct map_table *table)
{
    map_table_for_each(table, check_entry, h);
    for (int map = 0; map < MAP_N; map++) {
        int fd = bpf_harness_map(h, map_name(map));
        uint8_t key[MAP_KEY_MAX], next[MAP_KEY_MAX];
        size_t n = 0;

        for (int error = bpf_map_get_next_key(fd, NULL, next); !error;
             error = bpf_map_get_next_key(fd, key, next)) {
            memcpy(key, next, sizeof key);
            n++;
        }
        if (n != table->n[map]) {
            ovs_fatal(0, "%s: %"PRIuSIZE" entries, not %"PRIuSIZE,
                      map_name(map), n, table->n[map]);
        }
    }
}

/* Packets. */

static uint64_t
sum_counter(const struct bpf_harness *h, const char *map, uint32_t key)
{
    struct bastion_counter *values = xcalloc(h->n_cpus, sizeof *values);
    uint64_t sum = 0;

    if (!bpf_map_lookup_elem(bpf_harness_map(h, map), &key, values)) {
        for (int i = 0; i < h->n_cpus; i++) {
            sum += values[i].packets;
        }
    }
    free(values);
    return sum;
}

uint64_t
bpf_harness_counter(const struct bpf_harness *h, uint32_t counter)
{
    return sum_counter(h, "counters", counter);
}

uint64_t
bpf_harness_rule(const struct bpf_harness *h, uint32_t rule)
{
    return sum_counter(h, "rules", rule);
}

bool
bpf_harness_event(struct bpf_harness *h, struct bastion_event *event)
{
    h->has_event = false;
    ring_buffer__consume(h->events);
    *event = h->event;
    return h->has_event;
}

/* Reads all counters.  Returns by how much those that say what became of a
 * packet went up together, and stores one that did in '*verdict', and the
 * reason for which a packet was audited, or 0, in '*audited'. */
static int
read_counters(struct bpf_harness *h, uint32_t *verdict, uint32_t *audited)
{
    struct bastion_counter *values = xcalloc(BASTION_N_COUNTERS * h->n_cpus,
                                             sizeof *values);
    uint32_t keys[BASTION_N_COUNTERS];
    uint32_t count = BASTION_N_COUNTERS, batch;
    int n = 0;

    if (bpf_map_lookup_batch(bpf_harness_map(h, "counters"), NULL, &batch,
                             keys, values, &count, NULL)
        && errno != ENOENT) {
        ovs_fatal(errno, "cannot read counters");
    }
    ovs_assert(count == BASTION_N_COUNTERS);
    *audited = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t sum = 0;

        for (int j = 0; j < h->n_cpus; j++) {
            sum += values[i * h->n_cpus + j].packets;
        }
        if (sum != h->counters[keys[i]]) {
            if (keys[i] >= BASTION_COUNTER_AUDITED) {
                *audited = keys[i] - BASTION_COUNTER_AUDITED;
            } else if (keys[i] <= BASTION_COUNTER_FROM_SLOW) {
                n += sum - h->counters[keys[i]];
                *verdict = keys[i];
            }
            h->counters[keys[i]] = sum;
        }
    }
    free(values);
    return n;
}

static int
run_program(const struct bpf_program *prog, uint32_t ifindex,
            const void *data, size_t len, uint32_t gso_size, void *out,
            size_t *out_len)
{
    struct __sk_buff ctx = {
        .ifindex = ifindex,
        .gso_size = gso_size,
    };
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data,
                .data_size_in = len, .data_out = out,
                .data_size_out = *out_len, .ctx_in = &ctx,
                .ctx_size_in = sizeof ctx, .repeat = 1);
    int error = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

    if (error) {
        ovs_fatal(-error, "cannot run a packet");
    }
    *out_len = opts.data_size_out;
    return opts.retval;
}

void
bpf_harness_run(struct bpf_harness *h, uint32_t ifindex, const void *data,
                size_t len, uint32_t gso_size, struct harness_verdict *v)
{
    memset(v, 0, sizeof *v);
    v->len = sizeof v->data;
    v->retval = run_program(h->skel->progs.from_container, ifindex, data, len,
                            gso_size, v->data, &v->len);

    uint32_t counter = 0;
    uint32_t audited;
    int n = read_counters(h, &counter, &audited);

    if (n != 1) {
        ovs_fatal(0, "a packet was counted %d times", n);
    }
    v->reason = audited;
    switch (counter) {
    case BASTION_COUNTER_DELIVERED:
        v->action = HARNESS_DELIVERED;
        break;
    case BASTION_COUNTER_ARP:
        v->action = HARNESS_ARP;
        break;
    case BASTION_COUNTER_ND:
        v->action = HARNESS_ND;
        break;
    case BASTION_COUNTER_SLOW:
        v->action = HARNESS_TO_OVS;
        break;
    default:
        v->action = HARNESS_DROPPED;
        v->reason = counter;
        break;
    }
}

int
bpf_harness_run_shadow(struct bpf_harness *h, uint32_t ifindex,
                       const void *data, size_t len)
{
    uint8_t out[2048];
    size_t out_len = sizeof out;

    int retval = run_program(h->skel->progs.to_container, ifindex, data, len,
                             0, out, &out_len);
    uint32_t counter, audited;

    read_counters(h, &counter, &audited);
    return retval;
}
