/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_OVS_DAEMON_H
#define BASTION_OVS_DAEMON_H 1

/* Becoming a daemon, with any Open vSwitch.
 *
 * Since 3.2, the functions of <daemon.h> also ask whether the program accesses
 * hardware.  Ours accesses neither hardware nor a datapath. */

#include "daemon.h"

/* See daemon_become_new_user(). */
static inline void
ovs_daemon_become_new_user(void)
{
#ifdef OVS_DAEMON_ASKS_FOR_HARDWARE
    daemon_become_new_user(false, false);
#else
    daemon_become_new_user(false);
#endif
}

/* See daemonize_start(). */
static inline void
ovs_daemonize_start(void)
{
#ifdef OVS_DAEMON_ASKS_FOR_HARDWARE
    daemonize_start(false, false);
#else
    daemonize_start(false);
#endif
}

#endif /* lib/ovs-daemon.h */
