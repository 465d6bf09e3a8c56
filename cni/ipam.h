/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_IPAM_H
#define BASTION_CNI_IPAM_H 1

/* Delegation to an IPAM plugin, which is a program in one of the directories
 * of CNI_PATH.  It gets our environment and our standard input. */

#include <sys/types.h>

#include "openvswitch/compiler.h"

struct cni_error;
struct cni_result;

/* An IPAM plugin that is running. */
struct ipam {
    char *type;                 /* NULL if there is none. */
    char *command;
    pid_t pid;
    int input, output;          /* File descriptors, -1 if closed. */
};

/* Starts the plugin 'type' for 'command' ("ADD", ...), so that other work can
 * be done while it works.  If successful, ipam_finish() must follow. */
struct cni_error *ipam_start(struct ipam *, const char *type,
                             const char *command, const char *path,
                             const char *text)
    OVS_WARN_UNUSED_RESULT;

/* Waits for the plugin to end.  Unless 'result' is NULL, parses what it has
 * printed into '*result', which needs cni_result_destroy() in any case. */
struct cni_error *ipam_finish(struct ipam *, struct cni_result *result)
    OVS_WARN_UNUSED_RESULT;

/* Both, for commands without a result. */
struct cni_error *ipam_run(const char *type, const char *command,
                           const char *path, const char *text)
    OVS_WARN_UNUSED_RESULT;

#endif /* cni/ipam.h */
