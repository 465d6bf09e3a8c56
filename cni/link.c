/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni/result.h"
#include "netlink.h"
#include "netlink-socket.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

struct link_ns {
    int fd;                     /* Of the namespace. */
    struct nl_sock *sock;       /* Made in it, so it acts on it. */
};

/* Priority of our filters: behind those of the fast path, which have 1. */
#define FILTER_PRIORITY 100

/* Namespaces. */

#define OWN_NETNS "/proc/thread-self/ns/net"

/* Makes a socket in the namespace 'fd', in which this thread is for as long
 * as that takes. */
static int
create_socket(int fd, struct nl_sock **sockp)
{
    int own = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
    if (own < 0) {
        return errno;
    }

    int error = setns(fd, CLONE_NEWNET) ? errno : 0;
    if (!error) {
        error = nl_sock_create(NETLINK_ROUTE, sockp);
        if (setns(own, CLONE_NEWNET)) {
            ovs_abort(errno, "cannot return to the network namespace");
        }
    }
    close(own);
    return error;
}

int
link_ns_open(const char *path, struct link_ns **nsp)
{
    struct link_ns *ns = xzalloc(sizeof *ns);
    int error = 0;

    ns->fd = open(path ? path : OWN_NETNS, O_RDONLY | O_CLOEXEC);
    if (ns->fd < 0) {
        error = errno;
    } else {
        error = (path ? create_socket(ns->fd, &ns->sock)
                 : nl_sock_create(NETLINK_ROUTE, &ns->sock));
    }
    if (error) {
        link_ns_close(ns);
        ns = NULL;
    }
    *nsp = ns;
    return error;
}

void
link_ns_close(struct link_ns *ns)
{
    if (ns) {
        nl_sock_destroy(ns->sock);
        if (ns->fd >= 0) {
            close(ns->fd);
        }
        free(ns);
    }
}

/* Messages. */

static void *
put_header(struct ofpbuf *request, uint16_t type, uint16_t flags, size_t size)
{
    ofpbuf_init(request, 256);
    nl_msg_put_nlmsghdr(request, size, type, NLM_F_REQUEST | flags);

    void *header = nl_msg_put_uninit(request, size);
    memset(header, 0, size);
    return header;
}

/* Sends 'request', which this function frees, and waits for the answer, which
 * the caller must free unless 'replyp' is NULL. */
static int
transact(struct link_ns *ns, struct ofpbuf *request, struct ofpbuf **replyp)
{
    uint64_t stub[4096 / 8];
    struct ofpbuf reply = OFPBUF_STUB_INITIALIZER(stub);
    int error = nl_sock_send(ns->sock, request, true);

    if (!error) {
        uint32_t seq = nl_msg_nlmsghdr(request)->nlmsg_seq;

        do {
            error = nl_sock_recv(ns->sock, &reply, NULL, true);
        } while (!error && nl_msg_nlmsghdr(&reply)->nlmsg_seq != seq);
        if (!error && !nl_msg_nlmsgerr(&reply, &error, NULL) && replyp) {
            *replyp = ofpbuf_clone(&reply);
        }
    }
    ofpbuf_uninit(&reply);
    ofpbuf_uninit(request);
    return error;
}

static int
send_request(struct link_ns *ns, struct ofpbuf *request)
{
    nl_msg_nlmsghdr(request)->nlmsg_flags |= NLM_F_ACK;
    return transact(ns, request, NULL);
}

/* Sends 'request', which this function frees, for a list of objects.  Returns
 * true if 'match' does for one of them. */
static bool
find_object(struct link_ns *ns, struct ofpbuf *request,
            bool (*match)(const struct ofpbuf *, const void *aux),
            const void *aux)
{
    uint64_t stub[65536 / 8];
    struct ofpbuf buffer = OFPBUF_STUB_INITIALIZER(stub);
    bool found = false, done = false;
    int error = nl_sock_send(ns->sock, request, true);
    uint32_t seq = nl_msg_nlmsghdr(request)->nlmsg_seq;

    while (!error && !done) {
        struct ofpbuf msg;

        error = nl_sock_recv(ns->sock, &buffer, NULL, true);
        while (!error && !done && nl_msg_next(&buffer, &msg)) {
            const struct nlmsghdr *header = nl_msg_nlmsghdr(&msg);

            if (header->nlmsg_seq != seq) {
                continue;
            }
            done = (header->nlmsg_type == NLMSG_DONE
                    || header->nlmsg_type == NLMSG_ERROR);
            found |= !done && match(&msg, aux);
        }
    }
    ofpbuf_uninit(&buffer);
    ofpbuf_uninit(request);
    return found;
}

/* Links. */

static void
put_peer(struct ofpbuf *request, const struct link_ns *container,
         const struct link_veth *veth)
{
    size_t peer = nl_msg_start_nested(request, VETH_INFO_PEER);

    memset(nl_msg_put_uninit(request, sizeof(struct ifinfomsg)), 0,
           sizeof(struct ifinfomsg));
    nl_msg_put_string(request, IFLA_IFNAME, veth->name);
    nl_msg_put_unspec(request, IFLA_ADDRESS, &veth->mac, sizeof veth->mac);
    nl_msg_put_u32(request, IFLA_NET_NS_FD, container->fd);
    if (veth->mtu) {
        nl_msg_put_u32(request, IFLA_MTU, veth->mtu);
    }
    nl_msg_end_nested(request, peer);
}

int
link_add_veth(struct link_ns *host, struct link_ns *container,
              const struct link_veth *veth)
{
    struct ofpbuf request;

    put_header(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
               sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, veth->host_name);
    if (veth->mtu) {
        nl_msg_put_u32(&request, IFLA_MTU, veth->mtu);
    }

    size_t info = nl_msg_start_nested(&request, IFLA_LINKINFO);
    nl_msg_put_string(&request, IFLA_INFO_KIND, "veth");
    size_t data = nl_msg_start_nested(&request, IFLA_INFO_DATA);
    put_peer(&request, container, veth);
    nl_msg_end_nested(&request, data);
    nl_msg_end_nested(&request, info);
    return send_request(host, &request);
}

/* Asks for interface 'name'.  If successful, the caller must free '*replyp'
 * with ofpbuf_delete(). */
static int
get_link(struct link_ns *ns, const char *name, struct ofpbuf **replyp)
{
    struct ofpbuf request;

    *replyp = NULL;
    put_header(&request, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, name);

    int error = transact(ns, &request, replyp);
    if (!error && (!*replyp || !ofpbuf_at(*replyp, NLMSG_HDRLEN,
                                          sizeof(struct ifinfomsg)))) {
        ofpbuf_delete(*replyp);
        *replyp = NULL;
        error = EPROTO;
    }
    return error;
}

#define LINK_ATTRS (NLMSG_HDRLEN + sizeof(struct ifinfomsg))

static bool
is_veth(const struct ofpbuf *reply)
{
    const struct nlattr *info = nl_attr_find(reply, LINK_ATTRS, IFLA_LINKINFO);
    const struct nlattr *kind = (info
                                 ? nl_attr_find_nested(info, IFLA_INFO_KIND)
                                 : NULL);

    return kind && !strncmp(nl_attr_get_string(kind), "veth",
                            nl_attr_get_size(kind));
}

int
link_delete_veth(struct link_ns *ns, const char *name)
{
    struct ofpbuf request, *reply;
    int error = get_link(ns, name, &reply);

    if (!error && !is_veth(reply)) {
        error = ENODEV;
    }
    ofpbuf_delete(reply);
    if (error) {
        return error;
    }
    put_header(&request, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, name);
    return send_request(ns, &request);
}

int
link_get(struct link_ns *ns, const char *name, uint32_t *ifindex,
         struct eth_addr *mac)
{
    struct ofpbuf *reply;
    int error = get_link(ns, name, &reply);

    if (!error) {
        const struct ifinfomsg *info = ofpbuf_at_assert(reply, NLMSG_HDRLEN,
                                                        sizeof *info);
        const struct nlattr *address = nl_attr_find(reply, LINK_ATTRS,
                                                    IFLA_ADDRESS);

        *ifindex = info->ifi_index;
        if (mac) {
            *mac = (address && nl_attr_get_size(address) == ETH_ADDR_LEN
                    ? nl_attr_get_eth_addr(address) : eth_addr_zero);
        }
        ofpbuf_delete(reply);
    }
    return error;
}

/* Sets the flags 'set' and how link-local addresses are made. */
static int
set_link(struct link_ns *ns, uint32_t ifindex, unsigned int set,
         uint8_t addr_gen_mode)
{
    struct ofpbuf request;
    struct ifinfomsg *info = put_header(&request, RTM_NEWLINK, 0,
                                        sizeof *info);

    info->ifi_index = ifindex;
    info->ifi_flags = set;
    info->ifi_change = set;

    size_t spec = nl_msg_start_nested(&request, IFLA_AF_SPEC);
    size_t inet6 = nl_msg_start_nested(&request, AF_INET6);
    nl_msg_put_u8(&request, IFLA_INET6_ADDR_GEN_MODE, addr_gen_mode);
    nl_msg_end_nested(&request, inet6);
    nl_msg_end_nested(&request, spec);
    return send_request(ns, &request);
}

/* Sets flags alone: for kernels without IPv6. */
static int
set_flags(struct link_ns *ns, uint32_t ifindex, unsigned int set)
{
    struct ofpbuf request;
    struct ifinfomsg *info = put_header(&request, RTM_NEWLINK, 0,
                                        sizeof *info);

    info->ifi_index = ifindex;
    info->ifi_flags = set;
    info->ifi_change = set;
    return send_request(ns, &request);
}

int
link_set_silent(struct link_ns *ns, uint32_t ifindex, bool up)
{
    unsigned int flags = IFF_NOARP | (up ? IFF_UP : 0);
    int error = set_link(ns, ifindex, flags, IN6_ADDR_GEN_MODE_NONE);

    return (error == EAFNOSUPPORT || error == EOPNOTSUPP
            ? set_flags(ns, ifindex, flags) : error);
}

int
link_set_up(struct link_ns *ns, uint32_t ifindex)
{
    int error = set_link(ns, ifindex, IFF_UP, IN6_ADDR_GEN_MODE_EUI64);

    return (error == EAFNOSUPPORT || error == EOPNOTSUPP
            ? set_flags(ns, ifindex, IFF_UP) : error);
}

/* Filters. */

static int
add_clsact(struct link_ns *ns, uint32_t ifindex)
{
    struct ofpbuf request;
    struct tcmsg *tc = put_header(&request, RTM_NEWQDISC,
                                  NLM_F_CREATE | NLM_F_EXCL, sizeof *tc);

    tc->tcm_ifindex = ifindex;
    tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    tc->tcm_parent = TC_H_CLSACT;
    nl_msg_put_string(&request, TCA_KIND, "clsact");

    /* The controller may have been here first. */
    int error = send_request(ns, &request);
    return error == EEXIST ? 0 : error;
}

/* A program of classic BPF that returns 'verdict', because each kernel has
 * that classifier. */
static void
put_program(struct ofpbuf *request, uint32_t verdict)
{
    struct sock_filter ops[] = { BPF_STMT(BPF_RET | BPF_K, verdict) };

    nl_msg_put_u16(request, TCA_BPF_OPS_LEN, ARRAY_SIZE(ops));
    nl_msg_put_unspec(request, TCA_BPF_OPS, ops, sizeof ops);
}

static void
put_redirect(struct ofpbuf *request, uint32_t to)
{
    struct tc_mirred parms = {
        .action = TC_ACT_STOLEN,
        .eaction = TCA_EGRESS_REDIR,
        .ifindex = to,
    };
    size_t actions = nl_msg_start_nested(request, TCA_BPF_ACT);
    size_t action = nl_msg_start_nested(request, 1);

    nl_msg_put_string(request, TCA_ACT_KIND, "mirred");
    size_t options = nl_msg_start_nested(request, TCA_ACT_OPTIONS);
    nl_msg_put_unspec(request, TCA_MIRRED_PARMS, &parms, sizeof parms);
    nl_msg_end_nested(request, options);
    nl_msg_end_nested(request, action);
    nl_msg_end_nested(request, actions);
}

/* Adds a filter that redirects to 'to', or drops if that is 0. */
static int
add_filter(struct link_ns *ns, uint32_t ifindex, uint32_t to)
{
    int error = add_clsact(ns, ifindex);
    if (error) {
        return error;
    }

    struct ofpbuf request;
    struct tcmsg *tc = put_header(&request, RTM_NEWTFILTER,
                                  NLM_F_CREATE | NLM_F_EXCL, sizeof *tc);
    tc->tcm_ifindex = ifindex;
    tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    tc->tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16,
                             (OVS_FORCE uint16_t) htons(ETH_P_ALL));
    nl_msg_put_string(&request, TCA_KIND, "bpf");

    size_t options = nl_msg_start_nested(&request, TCA_OPTIONS);
    if (to) {
        put_program(&request, UINT32_MAX);
        put_redirect(&request, to);
    } else {
        put_program(&request, TC_ACT_SHOT);
        nl_msg_put_u32(&request, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    }
    nl_msg_end_nested(&request, options);
    return send_request(ns, &request);
}

int
link_redirect(struct link_ns *ns, uint32_t from, uint32_t to)
{
    return add_filter(ns, from, to);
}

int
link_block(struct link_ns *ns, uint32_t ifindex)
{
    return add_filter(ns, ifindex, 0);
}

/* Addresses and routes. */

static void
put_ip(struct ofpbuf *msg, uint16_t type, const struct in6_addr *addr)
{
    if (ip_is_v4(addr)) {
        nl_msg_put_be32(msg, type, in6_addr_get_mapped_ipv4(addr));
    } else {
        nl_msg_put_in6_addr(msg, type, addr);
    }
}

static bool
attr_is_ip(const struct nlattr *attr, const struct in6_addr *addr)
{
    if (ip_is_v4(addr)) {
        return (attr && nl_attr_get_size(attr) == sizeof(ovs_be32)
                && nl_attr_get_be32(attr) == in6_addr_get_mapped_ipv4(addr));
    }
    struct in6_addr other;
    if (!attr || nl_attr_get_size(attr) != sizeof other) {
        return false;
    }
    other = nl_attr_get_in6_addr(attr);
    return ipv6_addr_equals(&other, addr);
}

static uint8_t
ip_family(const struct in6_addr *addr)
{
    return ip_is_v4(addr) ? AF_INET : AF_INET6;
}

int
link_add_address(struct link_ns *ns, uint32_t ifindex,
                 const struct cni_ip *ip)
{
    struct ofpbuf request;
    struct ifaddrmsg *header = put_header(&request, RTM_NEWADDR,
                                          NLM_F_CREATE | NLM_F_EXCL,
                                          sizeof *header);

    header->ifa_family = ip_family(&ip->addr);
    header->ifa_prefixlen = ip->plen;
    header->ifa_index = ifindex;
    if (!ip_is_v4(&ip->addr)) {
        /* IPAM and the database see to it that nobody else has it, and nobody
         * else could answer. */
        header->ifa_flags = IFA_F_NODAD;
    }
    put_ip(&request, IFA_LOCAL, &ip->addr);
    put_ip(&request, IFA_ADDRESS, &ip->addr);
    if (ip_is_v4(&ip->addr) && ip->plen < 31) {
        ovs_be32 host = ~be32_prefix_mask(ip->plen);

        nl_msg_put_be32(&request, IFA_BROADCAST,
                        in6_addr_get_mapped_ipv4(&ip->addr) | host);
    }
    return send_request(ns, &request);
}

struct address_match {
    uint32_t ifindex;
    const struct cni_ip *ip;
};

static bool
match_address(const struct ofpbuf *msg, const void *match_)
{
    const struct address_match *match = match_;
    const struct ifaddrmsg *header = ofpbuf_at(msg, NLMSG_HDRLEN,
                                               sizeof *header);

    return (header
            && header->ifa_index == match->ifindex
            && header->ifa_prefixlen == match->ip->plen
            && attr_is_ip(nl_attr_find(msg, NLMSG_HDRLEN + sizeof *header,
                                       IFA_ADDRESS), &match->ip->addr));
}

bool
link_has_address(struct link_ns *ns, uint32_t ifindex,
                 const struct cni_ip *ip)
{
    struct address_match match = { .ifindex = ifindex, .ip = ip };
    struct ofpbuf request;
    struct ifaddrmsg *header = put_header(&request, RTM_GETADDR, NLM_F_DUMP,
                                          sizeof *header);

    header->ifa_family = ip_family(&ip->addr);
    return find_object(ns, &request, match_address, &match);
}

int
link_add_route(struct link_ns *ns, uint32_t ifindex,
               const struct ip_prefix *dst, const struct in6_addr *gateway)
{
    struct ofpbuf request;
    struct rtmsg *header = put_header(&request, RTM_NEWROUTE,
                                      NLM_F_CREATE | NLM_F_EXCL,
                                      sizeof *header);

    header->rtm_family = dst->is_v4 ? AF_INET : AF_INET6;
    header->rtm_dst_len = dst->plen;
    header->rtm_table = RT_TABLE_MAIN;
    header->rtm_protocol = RTPROT_BOOT;
    header->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    header->rtm_type = RTN_UNICAST;
    put_ip(&request, RTA_DST, &dst->addr);
    if (gateway) {
        put_ip(&request, RTA_GATEWAY, gateway);
    }
    nl_msg_put_u32(&request, RTA_OIF, ifindex);
    return send_request(ns, &request);
}

struct route_match {
    uint32_t ifindex;
    const struct ip_prefix *dst;
    const struct in6_addr *gateway;
};

static bool
match_route(const struct ofpbuf *msg, const void *match_)
{
    const struct route_match *match = match_;
    const struct rtmsg *header = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *header);
    size_t offset = NLMSG_HDRLEN + sizeof *header;

    if (!header || header->rtm_dst_len != match->dst->plen) {
        return false;
    }

    const struct nlattr *oif = nl_attr_find(msg, offset, RTA_OIF);
    return (oif && nl_attr_get_size(oif) == 4
            && nl_attr_get_u32(oif) == match->ifindex
            && (!match->dst->plen
                || attr_is_ip(nl_attr_find(msg, offset, RTA_DST),
                              &match->dst->addr))
            && (!match->gateway
                || attr_is_ip(nl_attr_find(msg, offset, RTA_GATEWAY),
                              match->gateway)));
}

bool
link_has_route(struct link_ns *ns, uint32_t ifindex,
               const struct ip_prefix *dst, const struct in6_addr *gateway)
{
    struct route_match match = {
        .ifindex = ifindex,
        .dst = dst,
        .gateway = gateway
    };
    struct ofpbuf request;
    struct rtmsg *header = put_header(&request, RTM_GETROUTE, NLM_F_DUMP,
                                      sizeof *header);

    header->rtm_family = dst->is_v4 ? AF_INET : AF_INET6;
    return find_object(ns, &request, match_route, &match);
}
