/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_LINK_H
#define BASTION_CNI_LINK_H 1

/* Network interfaces, by rtnetlink.
 *
 * A "struct link_ns" stands for a network namespace: the host's, or that of a
 * container.  Functions return 0 if successful, otherwise a positive errno
 * value. */

#include <netinet/in.h>
#include <stdbool.h>

#include "lib/address.h"
#include "openvswitch/types.h"

struct cni_ip;
struct link_ns;

/* Opens the network namespace that 'path' names, or that of this process if
 * 'path' is NULL.  If it fails, '*nsp' is NULL. */
int link_ns_open(const char *path, struct link_ns **nsp);
void link_ns_close(struct link_ns *);

/* The host's end of a veth pair is 'host_name' in 'host' and the container's
 * is 'name' in 'container', with Ethernet address 'mac'.  'mtu' may be 0.  If
 * one of the names is taken, returns EEXIST. */
struct link_veth {
    const char *host_name;
    const char *name;
    struct eth_addr mac;
    int mtu;
};
int link_add_veth(struct link_ns *host, struct link_ns *container,
                  const struct link_veth *);

/* Returns ENODEV if there is no interface 'name', or it is none of a veth
 * pair. */
int link_delete_veth(struct link_ns *, const char *name);

/* Stores the interface's number, and its Ethernet address unless 'mac' is
 * NULL. */
int link_get(struct link_ns *, const char *name, uint32_t *ifindex,
             struct eth_addr *mac);

/* What the host's side of a container is: up, and without a part in the
 * host's own protocols. */
int link_set_silent(struct link_ns *, uint32_t ifindex, bool up);

/* The container's side: up, with a link-local address from the Ethernet
 * address. */
int link_set_up(struct link_ns *, uint32_t ifindex);

/* Sends everything that arrives at interface 'from' out of interface 'to', so
 * that the host's network stack does not get to see it. */
int link_redirect(struct link_ns *, uint32_t from, uint32_t to);

/* Drops everything that arrives at 'ifindex'. */
int link_block(struct link_ns *, uint32_t ifindex);

int link_add_address(struct link_ns *, uint32_t ifindex,
                     const struct cni_ip *);
bool link_has_address(struct link_ns *, uint32_t ifindex,
                      const struct cni_ip *);

/* 'gateway' may be NULL. */
int link_add_route(struct link_ns *, uint32_t ifindex,
                   const struct ip_prefix *dst,
                   const struct in6_addr *gateway);
bool link_has_route(struct link_ns *, uint32_t ifindex,
                    const struct ip_prefix *dst,
                    const struct in6_addr *gateway);

#endif /* cni/link.h */
