/* SPDX-License-Identifier: Apache-2.0 */

#ifndef KEYSTONE_BPF_H
#define KEYSTONE_BPF_H 1

/* The fast path against the simulator
 * ===================================
 *
 * Runs random sequences of packets through the fast path's programs:
 * connections, answers, ICMP errors, fragments, and changes of policy and of
 * the time between them.  What the programs deliver, answer or drop, the
 * simulator must deliver in the same way, answer alike, or drop for the same
 * reason.  They may hand anything to Open vSwitch, but for ordinary packets
 * that plain dependencies allow, and first packets of connections that policy
 * refuses for certain.
 *
 * The connections that there are for the simulator are those of the programs'
 * own map, as long as they have not timed out.  Needs root; see
 * bpf-harness.h. */

#include <stdbool.h>
#include <stddef.h>

struct compiler;
struct ds;
struct keystone_bpf;

struct keystone_bpf *keystone_bpf_create(void);
void keystone_bpf_destroy(struct keystone_bpf *);

/* Forgets all there was, for another compiler. */
void keystone_bpf_restart(struct keystone_bpf *);
/* Takes over what the compiler wants in the maps. */
void keystone_bpf_install(struct keystone_bpf *, struct compiler *);
/* Makes a random packet into 'bridge' and compares.  Returns false and says in
 * 'failure' what is wrong if the fast path does what it may not. */
bool keystone_bpf_packet(struct keystone_bpf *, const struct compiler *,
                         const char *bridge, struct ds *failure);
unsigned int keystone_bpf_n_packets(const struct keystone_bpf *);
void keystone_bpf_print_coverage(const struct keystone_bpf *);

#endif /* tests/keystone-bpf.h */
