/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath-events.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "bastion/bpf-abi.h"
#include "bastion/drop-reasons.h"
#include "controller/netmap.h"
#include "coverage.h"
#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/types.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fastpath_events);

COVERAGE_DEFINE(fastpath_event);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(60, 60);

#define MIN_INTERVAL 100        /* Milliseconds between looks at the ring. */

struct event {
    struct bastion_event event;
    long long int wall_msec;
};

struct fastpath_events {
    struct ring_buffer *ring;
    long long int next;         /* Not to be looked at before, in ms. */
    struct event events[FASTPATH_EVENTS_MAX];
    unsigned long long int n;   /* Number of events ever seen. */
};

static int take_event(void *, void *, size_t);

struct fastpath_events *
fastpath_events_create(int map_fd)
{
    struct fastpath_events *fe = xzalloc(sizeof *fe);

    fe->ring = ring_buffer__new(map_fd, take_event, fe, NULL);
    if (!fe->ring) {
        VLOG_WARN("cannot read events (%s)", ovs_strerror(errno));
        free(fe);
        return NULL;
    }
    return fe;
}

void
fastpath_events_destroy(struct fastpath_events *fe)
{
    if (fe) {
        ring_buffer__free(fe->ring);
        free(fe);
    }
}

void
fastpath_events_run(struct fastpath_events *fe)
{
    if (time_msec() >= fe->next) {
        if (ring_buffer__consume(fe->ring) > 0) {
            fe->next = time_msec() + MIN_INTERVAL;
        }
    }
}

void
fastpath_events_wait(struct fastpath_events *fe)
{
    if (time_msec() < fe->next) {
        poll_timer_wait_until(fe->next);
    } else {
        poll_fd_wait(ring_buffer__epoll_fd(fe->ring), POLLIN);
    }
}

static const char *
type_name(uint8_t type)
{
    return (type == BASTION_EVENT_DROP ? "drop"
            : type == BASTION_EVENT_AUDIT ? "audit"
            : type == BASTION_EVENT_CONNECTION ? "connection"
            : "unknown");
}

static bool
is_zero(const struct bastion_address *address)
{
    static const struct bastion_address zero;

    return !memcmp(address, &zero, sizeof zero);
}

static void
put_address(struct ds *s, const struct bastion_address *address)
{
    struct in6_addr ip;

    memcpy(&ip, address, sizeof ip);
    ip_address_format(&ip, s);
}

/* The packet, without names. */
static void
put_packet(struct ds *s, const struct bastion_event *e)
{
    struct eth_addr mac;

    memcpy(&mac, e->source_mac, sizeof mac);
    ds_put_format(s, "dl_src="ETH_ADDR_FMT",dl_type=0x%04x",
                  ETH_ADDR_ARGS(mac), ntohs(e->ethertype));
    if (!is_zero(&e->source) || !is_zero(&e->destination)) {
        ds_put_cstr(s, ",src=");
        put_address(s, &e->source);
        ds_put_cstr(s, ",dst=");
        put_address(s, &e->destination);
        ds_put_format(s, ",proto=%d", e->protocol);
    }
    if (e->protocol == IPPROTO_ICMP || e->protocol == IPPROTO_ICMPV6) {
        ds_put_format(s, ",type=%d,code=%d", ntohs(e->destination_port) >> 8,
                      ntohs(e->destination_port) & 0xff);
    } else if (e->source_port || e->destination_port) {
        ds_put_format(s, ",sport=%d,dport=%d", ntohs(e->source_port),
                      ntohs(e->destination_port));
    }
    ds_put_format(s, ",len=%"PRIu32, e->len);
}

static const char *
reason_name(uint8_t reason)
{
    const char *name = reason ? drop_reason_name(reason) : NULL;

    return name ? name : "-";
}

static void
log_event(const struct bastion_event *e)
{
    enum vlog_level level = (e->type == BASTION_EVENT_AUDIT ? VLL_INFO
                             : VLL_DBG);

    if (!vlog_should_drop(&this_module, level, &rl)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        put_packet(&s, e);
        VLOG(level, "%s: %s: ifindex=%"PRIu32",%s", type_name(e->type),
             reason_name(e->reason), e->ifindex, ds_cstr(&s));
        ds_destroy(&s);
    }
}

static int
take_event(void *fe_, void *data, size_t size)
{
    struct fastpath_events *fe = fe_;
    struct event *event = &fe->events[fe->n % FASTPATH_EVENTS_MAX];
    struct timespec now;

    if (size < sizeof event->event) {
        return 0;
    }
    COVERAGE_INC(fastpath_event);
    memcpy(&event->event, data, sizeof event->event);
    clock_gettime(CLOCK_MONOTONIC, &now);

    /* How long ago it was says when it was. */
    int64_t age = (now.tv_sec * INT64_C(1000000000) + now.tv_nsec
                   - (int64_t) event->event.time);
    event->wall_msec = time_wall_msec() - age / 1000000;
    fe->n++;
    log_event(&event->event);
    return 0;
}

static const char *
container_name(const struct netmap *netmap, uint32_t ifindex)
{
    const struct netmap_endpoint *endpoint;

    HMAP_FOR_EACH (endpoint, hmap_node, &netmap->endpoints) {
        if (ifindex && endpoint->ifindex == ifindex) {
            return endpoint->name;
        }
    }
    return "?";
}

static const char *
service_name(const struct netmap *netmap, uint32_t identity)
{
    const struct netmap_service *service
        = identity ? netmap_find_service_by_identity(netmap, identity) : NULL;

    return service ? service->name : "?";
}

static const struct event *
first_event(const struct fastpath_events *fe, unsigned long long int *i)
{
    *i = fe->n > FASTPATH_EVENTS_MAX ? fe->n - FASTPATH_EVENTS_MAX : 0;
    return *i < fe->n ? &fe->events[*i % FASTPATH_EVENTS_MAX] : NULL;
}

static const struct event *
next_event(const struct fastpath_events *fe, unsigned long long int *i)
{
    return ++*i < fe->n ? &fe->events[*i % FASTPATH_EVENTS_MAX] : NULL;
}

void
fastpath_events_format(const struct fastpath_events *fe,
                       const struct netmap *netmap, struct ds *s)
{
    unsigned long long int i;

    for (const struct event *event = first_event(fe, &i); event;
         event = next_event(fe, &i)) {
        const struct bastion_event *e = &event->event;
        char *time = xastrftime_msec("%H:%M:%S.###", event->wall_msec, false);

        ds_put_format(s, "%s %s %s container=%s to=%s,", time,
                      type_name(e->type), reason_name(e->reason),
                      container_name(netmap, e->ifindex),
                      service_name(netmap, e->destination_identity));
        put_packet(s, e);
        ds_put_char(s, '\n');
        free(time);
    }
}

static struct json *
event_to_json(const struct event *event, const struct netmap *netmap)
{
    const struct bastion_event *e = &event->event;
    struct json *object = json_object_create();
    struct ds s = DS_EMPTY_INITIALIZER;
    char *time = xastrftime_msec("%Y-%m-%dT%H:%M:%S.###Z", event->wall_msec,
                                 true);

    json_object_put_string(object, "time", time);
    json_object_put_string(object, "type", type_name(e->type));
    if (e->reason) {
        json_object_put_string(object, "reason", reason_name(e->reason));
    }
    json_object_put_string(object, "container",
                           container_name(netmap, e->ifindex));
    json_object_put_string(object, "source-service",
                           service_name(netmap, e->source_identity));
    json_object_put_string(object, "destination-service",
                           service_name(netmap, e->destination_identity));
    put_packet(&s, e);
    json_object_put_string(object, "packet", ds_cstr(&s));
    ds_destroy(&s);
    free(time);
    return object;
}

struct json *
fastpath_events_to_json(const struct fastpath_events *fe,
                        const struct netmap *netmap)
{
    struct json *array = json_array_create_empty();
    unsigned long long int i;

    for (const struct event *event = first_event(fe, &i); event;
         event = next_event(fe, &i)) {
        json_array_add(array, event_to_json(event, netmap));
    }
    return array;
}
