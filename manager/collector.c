/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/collector.h"

#include <stdarg.h>

#include "openvswitch/vlog.h"
#include "random.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(collector);

#define MIN_BACKOFF_MS 500
#define MAX_BACKOFF_MS 30000

void
collector_init(struct collector *c, const struct collector_class *class,
               const char *name)
{
    c->class = class;
    c->name = xstrdup(name);
    c->seqno = 0;
    c->status = xstrdup("");
    collector_reset_backoff(c);
}

void
collector_uninit(struct collector *c)
{
    free(c->name);
    free(c->status);
}

void
collector_set_status(struct collector *c, const char *format, ...)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
    va_list args;

    va_start(args, format);
    char *status = xvasprintf(format, args);
    va_end(args);

    if (!strcmp(status, c->status)) {
        free(status);
        return;
    }
    if (status[0]) {
        VLOG_WARN_RL(&rl, "%s: %s", c->name, status);
    } else {
        VLOG_INFO_RL(&rl, "%s: recovered", c->name);
    }
    free(c->status);
    c->status = status;
}

int
collector_next_backoff(struct collector *c)
{
    int backoff = c->backoff_ms;

    c->backoff_ms = MIN(2 * backoff, MAX_BACKOFF_MS);
    return backoff / 2 + random_range(backoff / 2);
}

void
collector_reset_backoff(struct collector *c)
{
    c->backoff_ms = MIN_BACKOFF_MS;
}
