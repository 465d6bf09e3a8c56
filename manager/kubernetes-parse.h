/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_KUBERNETES_PARSE_H
#define BASTION_MANAGER_KUBERNETES_PARSE_H 1

/* Objects of the Kubernetes API, from JSON
 * ========================================
 *
 * Fields that policy does not depend on are not looked at.  A field that
 * policy does depend on and that is not what the API says makes the object
 * malformed: see kubernetes-model.h for what a malformed NetworkPolicy means.
 * A malformed pod, or object of another kind, is as good as none: a pod that
 * is not known cannot send.
 *
 * Files that include this must not include openvswitch/json.h.
 *
 * Pure, hence safe in any thread. */

#include "manager/kubernetes-model.h"

struct json_object;

/* Parses 'json', an object of 'kind'.
 *
 * Stores its key in 'struct k8s_cluster' in '*keyp', or NULL if not even that
 * can be told, and the object in '*objectp', or NULL if there is nothing to
 * use.  The caller must free both.  Returns NULL if all is well, else one line
 * that says what is malformed and that the caller must free(). */
char *k8s_parse(enum k8s_kind kind, struct json_object *json,
                char **keyp, void **objectp) OVS_WARN_UNUSED_RESULT;

#endif /* manager/kubernetes-parse.h */
