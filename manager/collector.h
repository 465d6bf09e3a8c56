/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_COLLECTOR_H
#define BASTION_MANAGER_COLLECTOR_H 1

/* Collectors
 * ==========
 *
 * A collector follows one container platform and says what it wants the
 * database to be.  It is level-triggered: it keeps its own copy of what the
 * platform has told it, from a list and then from events, and derives all of
 * 'struct desired' from the copy.  When in doubt (a gap, an error, a
 * reconnect), it lists again.
 *
 * Nothing is forgotten because a platform is away: until a list has been read
 * to its end, the copy stays as it is.
 *
 * A collector does its I/O in the libevent base that it is given, through
 * http-client.h, and never blocks.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/compiler.h"
#include "smap.h"

struct desired;
struct ds;
struct event_base;
struct json_object;
struct simap;

/* What a Platform row says.  The collector copies what it needs. */
struct collector_config {
    const char *name;
    const char *endpoint;
    const char *network;        /* NULL if the row has none. */
    const struct smap *credentials;
    const struct smap *selectors;
    const struct smap *options;
};

struct collector;

struct collector_class {
    const char *type;           /* As in Platform:type. */

    /* Returns a new collector that has begun to connect, or NULL and stores
     * one line that says what is wrong with the row, which the caller must
     * free(), in '*errorp'. */
    struct collector *(*create)(const struct collector_config *,
                                struct event_base *, char **errorp);
    void (*destroy)(struct collector *);

    /* Begins again with a list. */
    void (*resync)(struct collector *);

    /* Fills 'desired', which is empty. */
    void (*get_desired)(const struct collector *, struct desired *);

    /* Adds counters, among them "containers", "events", "lists" and
     * "errors". */
    void (*get_statistics)(const struct collector *, struct simap *);
};

/* What all collectors have, at the beginning of their own structure. */
struct collector {
    const struct collector_class *class;
    char *name;                 /* Of the platform. */

    /* Changes whenever get_desired() may fill in something else.  Zero until
     * the platform has been listed for the first time: until then, rows of
     * the platform stay as they are. */
    uint64_t seqno;

    /* For Platform:status: empty if all is well, else one line. */
    char *status;

    int backoff_ms;             /* See collector_next_backoff(). */
};

extern const struct collector_class docker_collector_class;
extern const struct collector_class podman_collector_class;
extern const struct collector_class kubernetes_collector_class;

void collector_init(struct collector *, const struct collector_class *,
                    const char *name);
void collector_uninit(struct collector *);
void collector_set_status(struct collector *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

/* Returns how many milliseconds to wait before the next attempt after one that
 * has failed: each time up to twice as long as the last time, to a maximum,
 * and a random part of it, so that managers and collectors do not come all at
 * once to a server that is back. */
int collector_next_backoff(struct collector *);
void collector_reset_backoff(struct collector *);

#endif /* manager/collector.h */
