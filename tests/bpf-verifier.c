/* SPDX-License-Identifier: Apache-2.0 */

/* usage: bpf-verifier
 *
 * Loads the fast path's programs and prints what the running kernel's verifier
 * has to say about each: how many instructions it had to look at, of at most a
 * million, how many states it kept, and how deep the stack is.  Fails if there
 * is little room for another kernel's verifier to be less clever.  Needs root,
 * else it is skipped. */

#include <config.h>

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bpf/bastion.skel.h"
#include "util.h"

#define MAX_PROCESSED 500000

/* Room for the statistics of one program. */
#define LOG_SIZE 65536

/* Statistics only, no trace of the instructions. */
#define LOG_LEVEL_STATS 4

static int
log_libbpf(enum libbpf_print_level level OVS_UNUSED,
           const char *format OVS_UNUSED, va_list args OVS_UNUSED)
{
    return 0;
}

/* Prints the statistics of 'prog' that are in 'log'.  Returns false if there
 * are none or they are too high. */
static bool
print_statistics(const struct bpf_program *prog, const char *log)
{
    unsigned int processed, max_states, total_states, peak_states;
    const char *line = strstr(log, "processed ");
    const char *stack = strstr(log, "stack depth ");

    if (!line
        || sscanf(line, "processed %u insns (limit %*u) "
                  "max_states_per_insn %u total_states %u peak_states %u",
                  &processed, &max_states, &total_states, &peak_states) != 4) {
        printf("%s: no statistics\n", bpf_program__name(prog));
        return false;
    }
    printf("%s: %"PRIuSIZE" instructions, %u processed, %u states, "
           "%u at once, stack %.*s\n", bpf_program__name(prog),
           bpf_program__insn_cnt(prog), processed, total_states, peak_states,
           stack ? (int) strcspn(stack + 12, "\n") : 1,
           stack ? stack + 12 : "?");
    return processed <= MAX_PROCESSED;
}

int
main(void)
{
    static char logs[2][LOG_SIZE];
    struct bpf_program *prog;
    struct utsname uts;
    bool ok = true;
    size_t n = 0;

    set_program_name("bpf-verifier");
    libbpf_set_print(log_libbpf);
    struct bastion_bpf *skel = bastion_bpf__open();
    if (!skel) {
        ovs_fatal(errno, "cannot open eBPF programs");
    }
    bpf_object__for_each_program (prog, skel->obj) {
        ovs_assert(n < ARRAY_SIZE(logs));
        bpf_program__set_log_level(prog, LOG_LEVEL_STATS);
        bpf_program__set_log_buf(prog, logs[n++], LOG_SIZE);
    }

    int error = -bastion_bpf__load(skel);
    if (error == EPERM) {
        printf("skipped: cannot load eBPF programs\n");
        return 77;
    } else if (error) {
        ovs_fatal(error, "cannot load eBPF programs");
    }

    uname(&uts);
    printf("Linux %s\n", uts.release);
    n = 0;
    bpf_object__for_each_program (prog, skel->obj) {
        ok &= print_statistics(prog, logs[n++]);
    }
    bastion_bpf__destroy(skel);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
