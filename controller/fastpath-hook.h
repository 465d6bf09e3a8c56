/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_FASTPATH_HOOK_H
#define BASTION_FASTPATH_HOOK_H 1

/* eBPF programs on interfaces
 * ===========================
 *
 * Attaches programs to the ingress of interfaces, by tcx (Linux 6.6 and newer)
 * or by a filter of the clsact qdisc, so that they stay when this process ends
 * and another one can take them over or off.
 *
 * What is attached has a pin in a directory of a bpf file system:
 *
 *     link-IFINDEX    the link of tcx.
 *
 *     clsact-IFINDEX  the program of a filter, on a clsact qdisc that was made
 *                     for it.
 *
 *     filter-IFINDEX  the same, on a clsact qdisc that was there before.
 *
 *     next-IFINDEX    the program that is about to replace that of a filter.
 *
 * A program takes the place of another one without a packet in between.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stdint.h>

enum hook_kind {
    HOOK_NONE,
    HOOK_TCX,
    HOOK_CLSACT
};

struct hook {
    uint32_t ifindex;           /* 0 if not attached. */
    enum hook_kind kind;
    uint32_t prog_id;
};

/* Attaches 'prog_fd' to 'ifindex' in place of what is pinned for it in
 * 'directory'.  Without 'allow_tcx', uses clsact.  Returns 0 or a positive
 * errno value. */
int hook_attach(struct hook *, const char *directory, uint32_t ifindex,
                int prog_fd, bool allow_tcx);
void hook_detach(struct hook *, const char *directory);

/* Is the program still where hook_attach() has put it? */
bool hook_is_attached(const struct hook *);

/* Detaches everything that is pinned in 'directory', except for what 'keep',
 * if it is nonnull, returns true for. */
void hook_detach_all(const char *directory,
                     bool (*keep)(uint32_t ifindex, const void *aux),
                     const void *aux);

const char *hook_kind_name(enum hook_kind);

/* Returns 0 if 'prog_fd' is none. */
uint32_t hook_get_prog_id(int prog_fd);

/* Facts about interfaces. */
uint32_t interface_get_mtu(const char *name);   /* 0 if not known. */
bool interface_is_veth(const char *name);

#endif /* fastpath-hook.h */
