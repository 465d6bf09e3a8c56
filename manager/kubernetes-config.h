/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_KUBERNETES_CONFIG_H
#define BASTION_MANAGER_KUBERNETES_CONFIG_H 1

/* How to reach the API of a Kubernetes cluster
 * ============================================
 *
 * From what a Platform row says:
 *
 *   - "https://HOST[:PORT]" with the files that the row's credentials name:
 *     "ca-cert", "certificate", "private-key" and "token";
 *
 *   - "kubeconfig:PATH", a file as kubectl(1) reads.  Programs that make
 *     credentials, passwords and unchecked certificates are refused;
 *
 *   - "in-cluster": from the environment and the files that a pod gets.
 *
 * Files are named, not read, so that one that is replaced counts when it is
 * used next.  Only what is written in a kubeconfig itself is copied, into
 * memory that has the name of a file while the structure exists.
 *
 * Thread-safety: none. */

#include <stddef.h>
#include "openvswitch/compiler.h"

struct smap;

struct k8s_config {
    char *server;               /* A URL. */
    char *ca_file;              /* These may be NULL. */
    char *certificate_file;
    char *key_file;
    char *token_file;

    int fds[4];                 /* Of copies. */
    size_t n_fds;
};

/* 'context' is the kubeconfig's, NULL for its current one.  Returns NULL if
 * successful, else one line that the caller must free() and nothing to
 * destroy. */
char *k8s_config_load(const char *endpoint, const struct smap *credentials,
                      const char *context, struct k8s_config *)
    OVS_WARN_UNUSED_RESULT;
void k8s_config_destroy(struct k8s_config *);

#endif /* manager/kubernetes-config.h */
