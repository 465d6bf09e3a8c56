/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_PENDING_H
#define BASTION_CNI_PENDING_H 1

/* Deletions that a database could not be told of, as empty files in a
 * directory, called CONTAINER-ID:IFNAME. */

#include "openvswitch/compiler.h"
#include "svec.h"

/* Both return 0 if successful, otherwise a positive errno value. */
int pending_add(const char *dir, const char *container_id, const char *ifname)
    OVS_WARN_UNUSED_RESULT;
int pending_remove(const char *dir, const char *container_id,
                   const char *ifname);

/* Appends all of them to 'keys', each as "CONTAINER-ID IFNAME". */
void pending_list(const char *dir, struct svec *keys);

#endif /* cni/pending.h */
