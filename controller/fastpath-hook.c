/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath-hook.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coverage.h"
#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "svec.h"
#include "tc.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fastpath_hook);

COVERAGE_DEFINE(fastpath_attach);
COVERAGE_DEFINE(fastpath_detach);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

/* In newer headers, BPF_TCX_INGRESS. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type) 46)

/* Our filter comes before others; its handle is not likely to be somebody
 * else's. */
#define FILTER_PRIORITY 1
#define FILTER_HANDLE 0xba57

static char *
pin_path(const char *directory, const char *kind, uint32_t ifindex)
{
    return xasprintf("%s/%s-%"PRIu32, directory, kind, ifindex);
}

static void
unpin(const char *directory, const char *kind, uint32_t ifindex)
{
    char *path = pin_path(directory, kind, ifindex);

    unlink(path);
    free(path);
}

static bool
is_pinned(const char *directory, const char *kind, uint32_t ifindex)
{
    char *path = pin_path(directory, kind, ifindex);
    bool found = !access(path, F_OK);

    free(path);
    return found;
}

uint32_t
hook_get_prog_id(int prog_fd)
{
    struct bpf_prog_info info;
    uint32_t len = sizeof info;

    memset(&info, 0, sizeof info);
    return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

/* tcx. */

static bool
is_attached_by_tcx(uint32_t ifindex, uint32_t prog_id)
{
    uint32_t ids[64];
    uint32_t n = ARRAY_SIZE(ids);

    /* The kernel takes an ifindex for this type of attachment. */
    if (bpf_prog_query(ifindex, ATTACH_TCX_INGRESS, 0, NULL, ids, &n)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == prog_id) {
            return true;
        }
    }
    return false;
}

/* Returns true if there was a link. */
static bool
detach_tcx(const char *directory, uint32_t ifindex)
{
    char *path = pin_path(directory, "link", ifindex);
    int fd = bpf_obj_get(path);

    if (fd >= 0) {
        /* The kernel would take its time after unlink(). */
        bpf_link_detach(fd);
        close(fd);
    }
    bool found = !unlink(path);
    free(path);
    return found;
}

/* Makes the pinned link of 'ifindex', if there is one that still belongs to
 * that interface, run 'prog_fd'. */
static bool
update_link(const char *directory, uint32_t ifindex, int prog_fd)
{
    char *path = pin_path(directory, "link", ifindex);
    int fd = bpf_obj_get(path);
    bool ok = fd >= 0 && !bpf_link_update(fd, prog_fd, NULL);

    free(path);
    if (fd >= 0) {
        close(fd);
    }
    return ok && is_attached_by_tcx(ifindex, hook_get_prog_id(prog_fd));
}

/* Returns 0 or a positive errno value, EINVAL if the kernel has no tcx. */
static int
attach_tcx(const char *directory, uint32_t ifindex, int prog_fd)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts);

    if (update_link(directory, ifindex, prog_fd)) {
        return 0;
    }

    /* A link may be left of an interface that had the same index. */
    detach_tcx(directory, ifindex);

    int fd = bpf_link_create(prog_fd, ifindex, ATTACH_TCX_INGRESS, &opts);
    if (fd < 0) {
        return errno;
    }

    char *path = pin_path(directory, "link", ifindex);
    int error = bpf_obj_pin(fd, path) ? errno : 0;

    free(path);
    close(fd);
    return error;
}

/* clsact. */

static uint32_t
query_filter(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
                .priority = FILTER_PRIORITY);

    return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

/* Returns the id of the program with that pin, or 0 and an errno value. */
static uint32_t
pinned_prog_id(const char *directory, const char *kind, uint32_t ifindex)
{
    char *path = pin_path(directory, kind, ifindex);
    int fd = bpf_obj_get(path);
    int error = fd < 0 ? errno : 0;
    uint32_t id = fd >= 0 ? hook_get_prog_id(fd) : 0;

    free(path);
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return id;
}

static bool
clsact_has_filters(uint32_t ifindex, uint32_t parent)
{
    struct ofpbuf request, reply, buf;
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct nl_dump dump;
    struct tcmsg *tcmsg = tc_make_request(ifindex, RTM_GETTFILTER,
                                          NLM_F_DUMP, &request);

    tcmsg->tcm_parent = TC_H_MAKE(TC_H_CLSACT, parent);
    nl_dump_start(&dump, NETLINK_ROUTE, &request);
    ofpbuf_uninit(&request);
    ofpbuf_use_stub(&buf, stub, sizeof stub);

    bool found = nl_dump_next(&dump, &reply, &buf);

    ofpbuf_uninit(&buf);
    return nl_dump_done(&dump) || found;
}

/* Detaches the filter if it is one of those that the pins are about, and
 * deletes the qdisc that was made for it, if nobody else uses it.  Returns
 * true if there was a pin. */
static bool
detach_clsact(const char *directory, uint32_t ifindex)
{
    static const char *const kinds[] = { "clsact", "filter", "next" };
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
                .priority = FILTER_PRIORITY);
    bool made_qdisc = is_pinned(directory, "clsact", ifindex);
    bool found = false;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        found |= is_pinned(directory, kinds[i], ifindex);
    }
    if (!found) {
        return false;
    }

    uint32_t prog_id = query_filter(ifindex);
    bool ours = false;
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && prog_id; i++) {
        /* Without the right to see the program, believe the pin. */
        ours |= (is_pinned(directory, kinds[i], ifindex)
                 && (pinned_prog_id(directory, kinds[i], ifindex) == prog_id
                     || errno == EPERM));
    }
    if (ours) {
        bpf_tc_detach(&hook, &opts);
    }
    if (ours && made_qdisc
        && !clsact_has_filters(ifindex, TC_H_MIN_INGRESS)
        && !clsact_has_filters(ifindex, TC_H_MIN_EGRESS)) {
        hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
        bpf_tc_hook_destroy(&hook);
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        unpin(directory, kinds[i], ifindex);
    }
    return true;
}

/* Creates the clsact qdisc, unless it is there.  '*kindp' becomes the name of
 * the pin. */
static int
create_clsact(const char *directory, uint32_t ifindex, const char **kindp)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_INGRESS);
    int error = -bpf_tc_hook_create(&hook);

    *kindp = (!error || is_pinned(directory, "clsact", ifindex) ? "clsact"
              : "filter");
    return error == EEXIST ? 0 : error;
}

static int
attach_clsact(const char *directory, uint32_t ifindex, int prog_fd)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
                .priority = FILTER_PRIORITY, .prog_fd = prog_fd,
                .flags = BPF_TC_F_REPLACE);
    const char *kind;
    int error = create_clsact(directory, ifindex, &kind);

    if (error) {
        return error;
    }

    char *path = pin_path(directory, kind, ifindex);
    char *next = pin_path(directory, "next", ifindex);

    unlink(next);
    error = (bpf_obj_pin(prog_fd, next) ? errno
             : -bpf_tc_attach(&hook, &opts));
    if (!error && rename(next, path)) {
        error = errno;
    }
    if (error) {
        unlink(next);
    }
    free(path);
    free(next);
    return error;
}

/* Both. */

int
hook_attach(struct hook *hook, const char *directory, uint32_t ifindex,
            int prog_fd, bool allow_tcx)
{
    int error = (allow_tcx ? attach_tcx(directory, ifindex, prog_fd)
                 : EINVAL);

    hook->kind = HOOK_TCX;
    if (!error) {
        detach_clsact(directory, ifindex);
    } else if (error == EINVAL) {
        error = attach_clsact(directory, ifindex, prog_fd);
        hook->kind = HOOK_CLSACT;
        if (!error) {
            detach_tcx(directory, ifindex);
        }
    }
    hook->ifindex = error ? 0 : ifindex;
    hook->prog_id = hook_get_prog_id(prog_fd);
    if (!error) {
        COVERAGE_INC(fastpath_attach);
    }
    return error;
}

static void
detach_ifindex(const char *directory, uint32_t ifindex)
{
    bool tcx = detach_tcx(directory, ifindex);
    bool clsact = detach_clsact(directory, ifindex);

    if (tcx || clsact) {
        COVERAGE_INC(fastpath_detach);
    }
}

void
hook_detach(struct hook *hook, const char *directory)
{
    if (hook->ifindex) {
        detach_ifindex(directory, hook->ifindex);
        hook->ifindex = 0;
    }
}

bool
hook_is_attached(const struct hook *hook)
{
    return (hook->ifindex
            && (hook->kind == HOOK_TCX
                ? is_attached_by_tcx(hook->ifindex, hook->prog_id)
                : query_filter(hook->ifindex) == hook->prog_id));
}

void
hook_detach_all(const char *directory,
                bool (*keep)(uint32_t ifindex, const void *aux),
                const void *aux)
{
    DIR *dir = opendir(directory);
    if (!dir) {
        return;
    }

    /* Detaching changes what readdir() reads. */
    struct svec names = SVEC_EMPTY_INITIALIZER;
    const struct dirent *de;
    while ((de = readdir(dir))) {
        svec_add(&names, de->d_name);
    }
    closedir(dir);

    const char *name;
    size_t i;
    SVEC_FOR_EACH (i, name, &names) {
        char kind[8];
        uint32_t ifindex;

        if (sscanf(name, "%7[a-z]-%"SCNu32, kind, &ifindex) == 2
            && !(keep && keep(ifindex, aux))) {
            VLOG_INFO_RL(&rl, "taking a program off interface %"PRIu32,
                         ifindex);
            detach_ifindex(directory, ifindex);
        }
    }
    svec_destroy(&names);
}

const char *
hook_kind_name(enum hook_kind kind)
{
    return (kind == HOOK_TCX ? "tcx"
            : kind == HOOK_CLSACT ? "clsact"
            : "nothing");
}

/* Interfaces. */

/* Returns 0 or a positive errno value. */
static int
interface_ioctl(const char *name, unsigned long int request,
                struct ifreq *ifr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0) {
        return errno;
    }
    ovs_strlcpy(ifr->ifr_name, name, sizeof ifr->ifr_name);
    error = ioctl(fd, request, ifr) ? errno : 0;
    close(fd);
    return error;
}

uint32_t
interface_get_mtu(const char *name)
{
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    return interface_ioctl(name, SIOCGIFMTU, &ifr) ? 0 : ifr.ifr_mtu;
}

/* Packets can be redirected to the other end of no other kinds of
 * interfaces. */
bool
interface_is_veth(const char *name)
{
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    ifr.ifr_data = (void *) &info;
    return (!interface_ioctl(name, SIOCETHTOOL, &ifr)
            && (!strcmp(info.driver, "veth")
                || !strcmp(info.driver, "netkit")));
}
