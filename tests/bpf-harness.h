/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BPF_HARNESS_H
#define BPF_HARNESS_H 1

/* The fast path's programs without a network
 * ==========================================
 *
 * Loads the programs, fills their maps from a map_table and runs single
 * packets through them (BPF_PROG_TEST_RUN).  Needs root: the process moves to
 * a network namespace of its own, because packets have to come from an
 * interface that there is.
 *
 * Every packet must end in exactly one counter; anything else, like any error
 * of the kernel, ends the program. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bastion/bpf-abi.h"
#include "bastion/drop-reasons.h"

struct map_table;

/* Packets come from interfaces HARNESS_IFINDEX to HARNESS_IFINDEX +
 * HARNESS_N_IFINDEXES - 1, to all of which the program is attached. */
#define HARNESS_IFINDEX 100
#define HARNESS_N_IFINDEXES 128

enum harness_action {
    HARNESS_TO_OVS,
    HARNESS_DROPPED,
    HARNESS_DELIVERED,          /* Perhaps audited. */
    HARNESS_ARP,                /* Answered. */
    HARNESS_ND
};

struct harness_verdict {
    enum harness_action action;
    enum drop_reason reason;    /* Of a drop, or audited. */
    int retval;                 /* Of the program. */
    uint8_t data[2048];         /* The packet afterwards. */
    size_t len;
};

struct bpf_harness;

struct harness_options {
    uint64_t second;            /* Its length in nanoseconds. */
    uint32_t n_connections;     /* Size of map "connections". */
    uint32_t n_fragments;
    uint32_t events_size;       /* Of ring buffer "events" in bytes. */
};

/* What the programs are built for is the default. */
extern const struct harness_options harness_defaults;

/* Prints why and exits with status 77 if it cannot be had. */
struct bpf_harness *bpf_harness_create(const struct harness_options *);
void bpf_harness_destroy(struct bpf_harness *);

/* Empties the maps that a map_table or the programs fill. */
void bpf_harness_clear(struct bpf_harness *);

/* Without limits and events before.  BASTION_CONFIG_CURRENT is set by
 * bpf_harness_add(). */
void bpf_harness_configure(struct bpf_harness *,
                           const struct bastion_config *);

/* Does what 'table' says has to be done. */
void bpf_harness_remove(struct bpf_harness *, struct map_table *table);
void bpf_harness_add(struct bpf_harness *, struct map_table *table);
/* Checks that the maps have what 'table' wants, and nothing else. */
void bpf_harness_check(struct bpf_harness *, const struct map_table *table);

/* A map by its name in the object file. */
int bpf_harness_map(const struct bpf_harness *, const char *name);

/* 'slow_ifindex' 0: "direct" mode. */
void bpf_harness_attach(struct bpf_harness *, uint32_t ifindex,
                        uint32_t slow_ifindex);

/* Makes all connections older.  Nothing deletes those from then on. */
void bpf_harness_age(struct bpf_harness *, unsigned int seconds);

/* 'gso_size' is 0 for a packet that is not to be segmented. */
void bpf_harness_run(struct bpf_harness *, uint32_t ifindex,
                     const void *data, size_t len, uint32_t gso_size,
                     struct harness_verdict *);
/* The sum over all CPUs of a counter's packets. */
uint64_t bpf_harness_counter(const struct bpf_harness *, uint32_t counter);
/* The same for map "rules". */
uint64_t bpf_harness_rule(const struct bpf_harness *, uint32_t rule);
/* The oldest event that has not been read yet.  Returns false if there is
 * none. */
bool bpf_harness_event(struct bpf_harness *, struct bastion_event *);

/* Runs the program of shadow ports.  Returns its return value. */
int bpf_harness_run_shadow(struct bpf_harness *, uint32_t ifindex,
                           const void *data, size_t len);

#endif /* tests/bpf-harness.h */
