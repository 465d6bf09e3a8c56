/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/event-loop.h"

#include <event2/event.h>
#include <poll.h>
#include <sys/time.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/types.h"
#include "timeval.h"
#include "util.h"

static int wait_for_event(const struct event_base *, const struct event *,
                          void *now);

struct event_base *
event_loop_create(void)
{
    struct event_config *config = event_config_new();

    /* With coarse timers, libevent would find a timer not quite due when the
     * poll loop wakes up for it, again and again for some milliseconds. */
    ovs_assert(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER
                          | EVENT_BASE_FLAG_NOLOCK);

    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    ovs_assert(base);
    return base;
}

void
event_loop_run(struct event_base *base)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

void
event_loop_wait(struct event_base *base)
{
    struct timeval now;

    if (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE)) {
        /* An event that was made active has no time that it is due. */
        poll_immediate_wake();
        return;
    }
    event_base_gettimeofday_cached(base, &now);
    event_base_foreach_event(base, wait_for_event, &now);
}

/* Returns the milliseconds from 'now' to 'then', rounded up, at least 0. */
static long long int
msec_until(const struct timeval *now, const struct timeval *then)
{
    long long int usec = ((then->tv_sec - now->tv_sec) * 1000000LL
                          + (then->tv_usec - now->tv_usec));

    return usec > 0 ? DIV_ROUND_UP(usec, 1000) : 0;
}

static int
wait_for_event(const struct event_base *base OVS_UNUSED,
               const struct event *event, void *now)
{
    short int events = event_get_events(event);
    evutil_socket_t fd = event_get_fd(event);
    struct timeval due;

    if (fd >= 0 && events & (EV_READ | EV_WRITE)) {
        poll_fd_wait(fd, ((events & EV_READ ? POLLIN : 0)
                          | (events & EV_WRITE ? POLLOUT : 0)));
    }
    if (event_pending(event, EV_TIMEOUT, &due)) {
        poll_timer_wait_until(time_msec() + msec_until(now, &due));
    }
    return 0;
}
