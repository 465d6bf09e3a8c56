/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/host-addresses.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "coverage.h"
#include "netlink-notifier.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(host_addresses);

COVERAGE_DEFINE(host_addresses_read);

/* Reading all the addresses is not free on a host with thousands of
 * interfaces, and notifications come in bursts. */
#define MIN_READ_INTERVAL 100   /* Milliseconds. */

/* If the kernel's notifications are not available, or an attempt to read the
 * addresses failed. */
#define POLL_INTERVAL 5000      /* Milliseconds. */

struct host_addresses {
    struct nln *nln;
    struct nln_notifier *notifiers[2];  /* IPv4, IPv6. */

    bool stale;                 /* Must the addresses be read again? */
    long long int next_read;    /* Not before this time, in ms. */

    struct in6_addr *addresses;
    size_t n;
    bool ever_read;
};

static int host_addresses_parse(struct ofpbuf *, void *change);
static void host_addresses_changed(const void *change, void *aux);
static int host_addresses_read(struct in6_addr **, size_t *);

struct host_addresses *
host_addresses_create(void)
{
    static const int groups[] = { RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR };
    struct host_addresses *ha = xzalloc(sizeof *ha);

    BUILD_ASSERT(ARRAY_SIZE(groups) == ARRAY_SIZE(ha->notifiers));
    ha->stale = true;
    ha->next_read = LLONG_MIN;
    ha->nln = nln_create(NETLINK_ROUTE, host_addresses_parse, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        ha->notifiers[i] = nln_notifier_create(ha->nln, groups[i],
                                               host_addresses_changed, ha);
    }
    return ha;
}

void
host_addresses_destroy(struct host_addresses *ha)
{
    if (ha) {
        for (size_t i = 0; i < ARRAY_SIZE(ha->notifiers); i++) {
            nln_notifier_destroy(ha->notifiers[i]);
        }
        nln_destroy(ha->nln);
        free(ha->addresses);
        free(ha);
    }
}

static bool
has_notifiers(const struct host_addresses *ha)
{
    return ha->notifiers[0] && ha->notifiers[1];
}

bool
host_addresses_run(struct host_addresses *ha)
{
    nln_run(ha->nln);

    long long int now = time_msec();
    if ((!ha->stale && has_notifiers(ha)) || now < ha->next_read) {
        return false;
    }

    struct in6_addr *addresses = NULL;
    size_t n = 0;
    int error = host_addresses_read(&addresses, &n);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
        VLOG_WARN_RL(&rl, "could not read the host's addresses (%s); "
                     "keeping those read before", ovs_strerror(error));
        ha->next_read = now + POLL_INTERVAL;
        return false;
    }

    ha->stale = false;
    ha->next_read = now + (has_notifiers(ha) ? MIN_READ_INTERVAL
                           : POLL_INTERVAL);
    if (ha->ever_read && n == ha->n
        && (!n || !memcmp(addresses, ha->addresses, n * sizeof *addresses))) {
        free(addresses);
        return false;
    }
    free(ha->addresses);
    ha->addresses = addresses;
    ha->n = n;
    ha->ever_read = true;
    return true;
}

void
host_addresses_wait(struct host_addresses *ha)
{
    nln_wait(ha->nln);
    if (ha->stale || !has_notifiers(ha)) {
        poll_timer_wait_until(ha->next_read);
    }
}

const struct in6_addr *
host_addresses_get(const struct host_addresses *ha, size_t *n)
{
    *n = ha->n;
    return ha->addresses;
}

/* Returns the multicast group of the message in 'buf', 0 if it is not one
 * about an address. */
static int
host_addresses_parse(struct ofpbuf *buf, void *change OVS_UNUSED)
{
    const struct nlmsghdr *nlmsg = buf->data;

    if (nlmsg->nlmsg_type != RTM_NEWADDR && nlmsg->nlmsg_type != RTM_DELADDR) {
        return 0;
    }

    const struct ifaddrmsg *ifa = ofpbuf_at(buf, NLMSG_HDRLEN, sizeof *ifa);
    return (!ifa ? 0
            : ifa->ifa_family == AF_INET ? RTNLGRP_IPV4_IFADDR
            : ifa->ifa_family == AF_INET6 ? RTNLGRP_IPV6_IFADDR
            : 0);
}

static void
host_addresses_changed(const void *change OVS_UNUSED, void *ha_)
{
    struct host_addresses *ha = ha_;

    ha->stale = true;
}

/* Is 'ip' an address that others can use to reach this host? */
static bool
is_usable(const struct in6_addr *ip)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        ovs_be32 ip4 = in6_addr_get_mapped_ipv4(ip);

        return ip4
               && !ip_is_multicast(ip4)
               && (ip4 & htonl(0xff000000)) != htonl(0x7f000000)
               && (ip4 & htonl(0xffff0000)) != htonl(0xa9fe0000);
    }
    return !IN6_IS_ADDR_UNSPECIFIED(ip)
           && !IN6_IS_ADDR_MULTICAST(ip)
           && !IN6_IS_ADDR_LOOPBACK(ip)
           && !IN6_IS_ADDR_LINKLOCAL(ip);
}

/* Growing list of addresses. */
struct address_list {
    struct in6_addr *ips;
    size_t n, allocated;
};

static void
add_address(struct address_list *list, const struct in6_addr *ip)
{
    if (is_usable(ip)) {
        if (list->n >= list->allocated) {
            list->ips = x2nrealloc(list->ips, &list->allocated,
                                   sizeof *list->ips);
        }
        list->ips[list->n++] = *ip;
    }
}

static ovs_be32
sockaddr_ip4(const struct sockaddr *sa)
{
    struct sockaddr_in sin;

    memcpy(&sin, sa, sizeof sin);
    return sin.sin_addr.s_addr;
}

static void
add_address4(struct address_list *list, ovs_be32 ip4)
{
    struct in6_addr ip = in6_addr_mapped_ipv4(ip4);

    add_address(list, &ip);
}

/* The kernel also takes for itself what is sent to the broadcast address of
 * an interface, and (before Linux 5.14) to its subnet's first address. */
static void
add_interface4(struct address_list *list, const struct ifaddrs *ifa)
{
    ovs_be32 ip = sockaddr_ip4(ifa->ifa_addr);
    ovs_be32 mask = (ifa->ifa_netmask ? sockaddr_ip4(ifa->ifa_netmask)
                     : OVS_BE32_MAX);

    add_address4(list, ip);
    if (ip_count_cidr_bits(mask) < 31) {
        add_address4(list, ip & mask);
        add_address4(list, ip | ~mask);
    }
    if (ifa->ifa_flags & IFF_BROADCAST && ifa->ifa_broadaddr) {
        add_address4(list, sockaddr_ip4(ifa->ifa_broadaddr));
    }
}

/* A router also has the Subnet-Router anycast address of each subnet (RFC 4291
 * section 2.6.1). */
static void
add_interface6(struct address_list *list, const struct ifaddrs *ifa)
{
    struct sockaddr_in6 sin6;

    memcpy(&sin6, ifa->ifa_addr, sizeof sin6);
    if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)) {
        return;
    }
    add_address(list, &sin6.sin6_addr);

    if (ifa->ifa_netmask) {
        struct sockaddr_in6 mask;

        memcpy(&mask, ifa->ifa_netmask, sizeof mask);
        if (ipv6_count_cidr_bits(&mask.sin6_addr) < 127) {
            struct in6_addr anycast = ipv6_addr_bitand(&sin6.sin6_addr,
                                                       &mask.sin6_addr);
            add_address(list, &anycast);
        }
    }
}

static int
compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

/* Stores the host's addresses, ascending and without duplicates, in
 * '*addressesp', which the caller must free, and their number in '*np'.
 * Returns 0 or a positive errno value. */
static int
host_addresses_read(struct in6_addr **addressesp, size_t *np)
{
    struct address_list list = { .n = 0 };
    struct ifaddrs *ifaddrs;

    COVERAGE_INC(host_addresses_read);
    if (getifaddrs(&ifaddrs)) {
        return errno;
    }
    for (const struct ifaddrs *ifa = ifaddrs; ifa; ifa = ifa->ifa_next) {
        if (!ifa->ifa_addr) {
            continue;
        } else if (ifa->ifa_addr->sa_family == AF_INET) {
            add_interface4(&list, ifa);
        } else if (ifa->ifa_addr->sa_family == AF_INET6) {
            add_interface6(&list, ifa);
        }
    }
    freeifaddrs(ifaddrs);

    size_t n_unique = 0;
    if (list.n) {
        qsort(list.ips, list.n, sizeof *list.ips, compare_addresses);
        for (size_t i = 0; i < list.n; i++) {
            if (!i || compare_addresses(&list.ips[i], &list.ips[i - 1])) {
                list.ips[n_unique++] = list.ips[i];
            }
        }
    }
    *addressesp = list.ips;
    *np = n_unique;
    return 0;
}
