/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_EVENT_LOOP_H
#define BASTION_MANAGER_EVENT_LOOP_H 1

/* libevent inside Open vSwitch's poll loop
 * ========================================
 *
 * libevent's events (of libcurl's transfers, of timers, of servers) and what
 * waits in the poll loop (the database, control sockets) share one thread:
 *
 *     struct event_base *base = event_loop_create();
 *     for (;;) {
 *         event_loop_run(base);
 *         ...
 *         event_loop_wait(base);
 *         poll_block();
 *     }
 *
 * Thread-safety: none. */

struct event_base;

/* The caller must event_base_free() the base. */
struct event_base *event_loop_create(void);

/* Calls back for the events that are due, without blocking. */
void event_loop_run(struct event_base *);

/* Makes poll_block() wake up when event_loop_run() has something to do. */
void event_loop_wait(struct event_base *);

#endif /* manager/event-loop.h */
