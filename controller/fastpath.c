/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bastion/bpf-abi.h"
#include "bpf/bastion.skel.h"
#include "controller/map-table.h"
#include "coverage.h"
#include "if-notifier.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fastpath);

COVERAGE_DEFINE(fastpath_attach);
COVERAGE_DEFINE(fastpath_detach);
COVERAGE_DEFINE(fastpath_map_error);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

/* In newer headers, BPF_TCX_INGRESS. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type) 46)

/* Magic number of a bpf file system, from linux/magic.h. */
#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

enum attachment {
    ATTACHMENT_NONE,
    ATTACHMENT_TCX,             /* Linux 6.6 and newer. */
    ATTACHMENT_CLSACT
};

/* A program on an interface. */
struct hook {
    uint32_t ifindex;           /* 0 if not attached. */
    enum attachment attachment;
    uint32_t prog_id;
};

/* Nobody says when a program has been taken off an interface. */
#define CHECK_INTERVAL_MS 1000

struct port {
    enum fastpath_mode mode;    /* As it should be. */
    char *tap;                  /* Interface name, or NULL. */
    struct hook veth_hook;
    struct hook tap_hook;
    uint32_t mtu;
    char *error;                /* Why it is not attached, or NULL. */
};

struct fastpath {
    char *directory;
    char *error;                /* Why nothing works, or NULL. */
    struct bastion_bpf *skel;
    int n_cpus;
    struct bastion_config config;   /* As written to the map. */
    struct shash ports;         /* Of "struct port", by veth name. */
    struct if_notifier *notifier;
    bool links_changed;         /* Interfaces have to be looked at again. */
    long long int next_check;   /* When programs are looked for again. */
    uint64_t seqno;
};

static void check_port(struct fastpath *, const char *veth, struct port *);
static void detach_port(struct fastpath *, struct port *);
static bool port_is_attached(const struct port *);
static void port_destroy(struct port *);
static void delete_key(int fd, uint32_t ifindex);

static int
map_fd(const struct fastpath *fp, enum map_id map)
{
    struct bpf_map *maps[MAP_N] = {
        [MAP_ENDPOINTS] = fp->skel->maps.endpoints,
        [MAP_SOURCES] = fp->skel->maps.sources,
        [MAP_ADDRESSES] = fp->skel->maps.addresses,
        [MAP_PEERS] = fp->skel->maps.peers,
        [MAP_POLICY] = fp->skel->maps.policy,
        [MAP_PARTIAL] = fp->skel->maps.partial,
    };

    return bpf_map__fd(maps[map]);
}

/* Loading. */

/* libbpf's notices are about what the user can do nothing about. */
static int
log_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
    if (level != LIBBPF_DEBUG) {
        char *s = xvasprintf(format, args);

        s[strcspn(s, "\n")] = '\0';
        VLOG_DBG("%s", s);
        free(s);
    }
    return 0;
}

/* Creates 'directory', which must be in a bpf file system. */
static char *
make_directory(const char *directory)
{
    struct statfs fs;

    if (mkdir(directory, 0700) && errno != EEXIST) {
        return xasprintf("%s: cannot create (%s)", directory,
                         ovs_strerror(errno));
    } else if (statfs(directory, &fs)) {
        return xasprintf("%s: %s", directory, ovs_strerror(errno));
    } else if (fs.f_type != (long) BPF_FS_MAGIC) {
        return xasprintf("%s: not in a bpf file system", directory);
    }
    return NULL;
}

static char *
pin_path(const struct fastpath *fp, const char *name)
{
    return xasprintf("%s/%s", fp->directory, name);
}

/* Takes the program off 'ifindex', however it is attached. */
static void
detach_ifindex(const char *directory, uint32_t ifindex)
{
    char *path = xasprintf("%s/link-%"PRIu32, directory, ifindex);
    int fd = bpf_obj_get(path);

    if (fd >= 0) {
        /* The kernel would take its time after unlink(). */
        bpf_link_detach(fd);
        close(fd);
        unlink(path);
    } else {
        LIBBPF_OPTS(bpf_tc_hook, tc, .ifindex = ifindex,
                    .attach_point = BPF_TC_INGRESS);
        LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

        bpf_tc_detach(&tc, &opts);
    }
    free(path);
}

/* Detaches everything that the map "attachments" or "shadows" says is
 * attached. */
static void
detach_by_map(const char *directory, const char *map)
{
    char *path = xasprintf("%s/%s", directory, map);
    int fd = bpf_obj_get(path);
    uint32_t ifindex, next;

    free(path);
    if (fd < 0) {
        return;
    }
    for (int error = bpf_map_get_next_key(fd, NULL, &next); !error;
         error = bpf_map_get_next_key(fd, &ifindex, &next)) {
        ifindex = next;
        detach_ifindex(directory, ifindex);
    }
    close(fd);
}

void
fastpath_clean(const char *directory)
{
    struct statfs fs;
    DIR *dir;

    if (statfs(directory, &fs) || fs.f_type != (long) BPF_FS_MAGIC) {
        return;
    }
    dir = opendir(directory);
    if (!dir) {
        return;
    }

    detach_by_map(directory, "attachments");
    detach_by_map(directory, "shadows");
    const struct dirent *de;
    while ((de = readdir(dir))) {
        if (de->d_name[0] != '.') {
            char *path = xasprintf("%s/%s", directory, de->d_name);

            unlink(path);
            free(path);
        }
    }
    closedir(dir);
    if (rmdir(directory)) {
        VLOG_WARN("%s: cannot remove (%s)", directory, ovs_strerror(errno));
    } else {
        VLOG_INFO("fast path is off: removed %s", directory);
    }
}

/* Pins of another version of the ABI are of no use: removes them. */
static void
remove_foreign_pins(struct fastpath *fp)
{
    char *path = pin_path(fp, "meta");
    struct bastion_meta value;
    uint32_t key = 0;
    int fd = bpf_obj_get(path);

    free(path);
    if (fd >= 0) {
        bool ours = (!bpf_map_lookup_elem(fd, &key, &value)
                     && value.magic == BASTION_BPF_MAGIC
                     && value.abi_version == BASTION_BPF_ABI_VERSION);

        close(fd);
        if (ours) {
            return;
        }
        VLOG_INFO("replacing maps of another version in %s", fp->directory);
    }
    detach_by_map(fp->directory, "attachments");
    detach_by_map(fp->directory, "shadows");

    struct bpf_map *map;
    bpf_object__for_each_map (map, fp->skel->obj) {
        path = pin_path(fp, bpf_map__name(map));
        unlink(path);
        free(path);
    }
}

/* Packets and events per second and container, unless options say
 * otherwise. */
static const struct bastion_config default_config = {
    .miss_rate = 1000,
    .miss_burst = 2000,
    .event_rate = 100,
    .event_burst = 200,
    .port_connections = 16384,
};

static int
write_config(const struct fastpath *fp)
{
    uint32_t key = 0;

    return (bpf_map_update_elem(bpf_map__fd(fp->skel->maps.config), &key,
                                &fp->config, BPF_ANY) ? errno : 0);
}

/* Says to the programs whether a missing entry is a refusal. */
static void
set_current(struct fastpath *fp, bool current)
{
    uint32_t flags = ((fp->config.flags & ~BASTION_CONFIG_CURRENT)
                      | (current ? BASTION_CONFIG_CURRENT : 0));

    if (flags != fp->config.flags) {
        fp->config.flags = flags;
        int error = write_config(fp);
        if (error) {
            VLOG_WARN_RL(&rl, "cannot write map \"config\" (%s)",
                         ovs_strerror(error));
        }
    }
}

static char *
load(struct fastpath *fp)
{
    char *error = make_directory(fp->directory);
    if (error) {
        return error;
    }

    libbpf_set_print(log_libbpf);
    fp->skel = bastion_bpf__open();
    if (!fp->skel) {
        return xasprintf("cannot open eBPF programs (%s)",
                         ovs_strerror(errno));
    }
    fp->n_cpus = libbpf_num_possible_cpus();

    remove_foreign_pins(fp);
    struct bpf_map *map;
    bpf_object__for_each_map (map, fp->skel->obj) {
        if (!bpf_map__is_internal(map)) {
            char *path = pin_path(fp, bpf_map__name(map));

            bpf_map__set_pin_path(map, path);
            free(path);
        }
    }

    int retval = bastion_bpf__load(fp->skel);
    if (retval) {
        return xasprintf("cannot load eBPF programs (%s)",
                         ovs_strerror(-retval));
    }

    struct bastion_meta meta = {
        .magic = BASTION_BPF_MAGIC,
        .abi_version = BASTION_BPF_ABI_VERSION
    };
    uint32_t key = 0;
    if (bpf_map_update_elem(bpf_map__fd(fp->skel->maps.meta), &key, &meta,
                            BPF_ANY)) {
        return xasprintf("cannot write map \"meta\" (%s)",
                         ovs_strerror(errno));
    }

    fp->config = default_config;
    int error_number = write_config(fp);
    if (error_number) {
        return xasprintf("cannot write map \"config\" (%s)",
                         ovs_strerror(error_number));
    }
    return NULL;
}

static void
link_cb(void *fp_)
{
    struct fastpath *fp = fp_;

    fp->links_changed = true;
}

struct fastpath *
fastpath_create(const char *directory)
{
    struct fastpath *fp = xzalloc(sizeof *fp);

    fp->directory = xstrdup(directory);
    shash_init(&fp->ports);
    fp->error = load(fp);
    if (fp->error) {
        VLOG_WARN("fast path is off: %s", fp->error);
        fastpath_clean(directory);
    } else {
        fp->notifier = if_notifier_create(link_cb, fp);
    }
    return fp;
}

void
fastpath_destroy(struct fastpath *fp)
{
    if (!fp) {
        return;
    }

    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &fp->ports) {
        port_destroy(node->data);
        shash_delete(&fp->ports, node);
    }
    shash_destroy(&fp->ports);
    if_notifier_destroy(fp->notifier);
    bastion_bpf__destroy(fp->skel);
    free(fp->directory);
    free(fp->error);
    free(fp);
}

const char *
fastpath_get_error(const struct fastpath *fp)
{
    return fp->error;
}

/* Ports. */

static void
port_destroy(struct port *port)
{
    free(port->tap);
    free(port->error);
    free(port);
}

void
fastpath_run(struct fastpath *fp)
{
    struct shash_node *node;

    if_notifier_run();
    if (fp->links_changed) {
        fp->links_changed = false;
        SHASH_FOR_EACH (node, &fp->ports) {
            check_port(fp, node->name, node->data);
        }
    }
    if (time_msec() >= fp->next_check) {
        fp->next_check = time_msec() + CHECK_INTERVAL_MS;
        SHASH_FOR_EACH (node, &fp->ports) {
            const struct port *port = node->data;

            if (!port->error && !port_is_attached(port)) {
                VLOG_WARN_RL(&rl, "%s: a program has been taken off",
                             node->name);
            }
            if (port->error || !port_is_attached(port)) {
                check_port(fp, node->name, node->data);
            }
        }
    }
}

void
fastpath_wait(struct fastpath *fp)
{
    if_notifier_wait();
    if (fp->links_changed) {
        poll_immediate_wake();
    }
    if (!shash_is_empty(&fp->ports)) {
        poll_timer_wait_until(fp->next_check);
    }
}

void
fastpath_set_port(struct fastpath *fp, const char *veth,
                  enum fastpath_mode mode, const char *tap)
{
    struct port *port = shash_find_data(&fp->ports, veth);

    if (fp->error || (!port && mode == FASTPATH_OFF)) {
        return;
    }
    if (port && port->mode == mode
        && nullable_string_is_equal(port->tap, tap)) {
        return;
    }
    if (port) {
        detach_port(fp, port);
    }
    if (mode == FASTPATH_OFF) {
        port_destroy(port);
        shash_find_and_delete(&fp->ports, veth);
        return;
    }
    if (!port) {
        port = xzalloc(sizeof *port);
        shash_add(&fp->ports, veth, port);
    }
    free(port->tap);
    port->mode = mode;
    port->tap = nullable_xstrdup(tap);
    check_port(fp, veth, port);
}

uint32_t
fastpath_get_port(const struct fastpath *fp, const char *veth, uint32_t *mtu,
                  const char **reasonp)
{
    const struct port *port = shash_find_data(&fp->ports, veth);

    *mtu = 0;
    *reasonp = fp->error;
    if (!port || port->error) {
        *reasonp = port ? port->error : fp->error;
        return 0;
    }
    *mtu = port->mtu;
    return port->veth_hook.ifindex;
}

uint64_t
fastpath_get_seqno(const struct fastpath *fp)
{
    return fp->seqno;
}

static void
set_error(struct fastpath *fp, const char *veth, struct port *port,
          char *error)
{
    if (!nullable_string_is_equal(port->error, error)) {
        if (error) {
            VLOG_WARN_RL(&rl, "%s: fast path is off: %s", veth, error);
        }
        free(port->error);
        port->error = error;
        fp->seqno++;
    } else {
        free(error);
    }
}

/* Attaching. */

static char *
link_path(const struct fastpath *fp, uint32_t ifindex)
{
    return xasprintf("%s/link-%"PRIu32, fp->directory, ifindex);
}

/* Makes the pinned link of 'ifindex', which an earlier controller left, run
 * 'prog_fd'.  Returns 0 or a positive errno value. */
static int
update_link(const char *path, int prog_fd)
{
    int fd = bpf_obj_get(path);
    if (fd < 0) {
        return errno;
    }

    int error = bpf_link_update(fd, prog_fd, NULL) ? errno : 0;

    close(fd);
    if (error) {
        /* ENOLINK: the interface that it was for is gone. */
        unlink(path);
    }
    return error;
}

static int
attach_tcx(const struct fastpath *fp, uint32_t ifindex, int prog_fd)
{
    char *path = link_path(fp, ifindex);
    int error = update_link(path, prog_fd);

    if (error) {
        LIBBPF_OPTS(bpf_link_create_opts, opts);
        int fd = bpf_link_create(prog_fd, ifindex, ATTACH_TCX_INGRESS, &opts);

        error = fd < 0 ? errno : 0;
        if (!error && bpf_obj_pin(fd, path)) {
            error = errno;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    free(path);
    return error;
}

static int
attach_clsact(uint32_t ifindex, int prog_fd)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1,
                .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
    int error = -bpf_tc_hook_create(&hook);

    /* The clsact qdisc may be there already: somebody else's or ours. */
    if (error && error != EEXIST) {
        return error;
    }
    return -bpf_tc_attach(&hook, &opts);
}

static uint32_t
get_prog_id(int prog_fd)
{
    struct bpf_prog_info info;
    uint32_t len = sizeof info;

    memset(&info, 0, sizeof info);
    return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

/* Attaches 'prog' to 'ifindex'.  Returns 0 or a positive errno value. */
static int
attach(const struct fastpath *fp, struct hook *hook, uint32_t ifindex,
       const struct bpf_program *prog)
{
    int prog_fd = bpf_program__fd(prog);
    int error = attach_tcx(fp, ifindex, prog_fd);

    hook->attachment = ATTACHMENT_TCX;
    if (error == EINVAL) {
        error = attach_clsact(ifindex, prog_fd);
        hook->attachment = ATTACHMENT_CLSACT;
    }
    hook->ifindex = error ? 0 : ifindex;
    hook->prog_id = get_prog_id(prog_fd);
    if (!error) {
        COVERAGE_INC(fastpath_attach);
    }
    return error;
}

static void
detach(const struct fastpath *fp, struct hook *hook)
{
    if (hook->ifindex) {
        detach_ifindex(fp->directory, hook->ifindex);
        COVERAGE_INC(fastpath_detach);
        hook->ifindex = 0;
    }
}

static uint32_t
get_mtu(const char *interface)
{
    struct ifreq ifr;
    uint32_t mtu = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd >= 0) {
        memset(&ifr, 0, sizeof ifr);
        ovs_strlcpy(ifr.ifr_name, interface, sizeof ifr.ifr_name);
        if (!ioctl(fd, SIOCGIFMTU, &ifr)) {
            mtu = ifr.ifr_mtu;
        }
        close(fd);
    }
    return mtu;
}

static bool
is_attached_by_tcx(const struct hook *hook)
{
    uint32_t ids[64];
    uint32_t n = ARRAY_SIZE(ids);

    /* The kernel takes an ifindex for this type of attachment. */
    if (bpf_prog_query(hook->ifindex, ATTACH_TCX_INGRESS, 0, NULL, ids, &n)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == hook->prog_id) {
            return true;
        }
    }
    return false;
}

static bool
is_attached_by_clsact(const struct hook *hook)
{
    LIBBPF_OPTS(bpf_tc_hook, tc, .ifindex = hook->ifindex,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

    return !bpf_tc_query(&tc, &opts) && opts.prog_id == hook->prog_id;
}

/* Is the program that 'hook' should have on its interface still there? */
static bool
is_attached(const struct hook *hook)
{
    return (hook->ifindex
            && (hook->attachment == ATTACHMENT_TCX ? is_attached_by_tcx(hook)
                : is_attached_by_clsact(hook)));
}

static bool
port_is_attached(const struct port *port)
{
    return (is_attached(&port->veth_hook)
            && (!port->tap || is_attached(&port->tap_hook)));
}

static char *
attach_veth(struct fastpath *fp, struct port *port, uint32_t ifindex,
            uint32_t tap_ifindex)
{
    struct bastion_attachment attachment = { .slow_ifindex = tap_ifindex };
    struct bastion_port_counters *zero
        = xcalloc(fp->n_cpus, sizeof *zero);

    bpf_map_update_elem(bpf_map__fd(fp->skel->maps.ports), &ifindex, zero,
                        BPF_NOEXIST);
    free(zero);
    bpf_map_update_elem(bpf_map__fd(fp->skel->maps.port_states), &ifindex,
                        &(struct bastion_port_state) { .miss_time = 0 },
                        BPF_NOEXIST);
    if (bpf_map_update_elem(bpf_map__fd(fp->skel->maps.attachments), &ifindex,
                            &attachment, BPF_ANY)) {
        return xasprintf("cannot write map \"attachments\" (%s)",
                         ovs_strerror(errno));
    }

    int error = attach(fp, &port->veth_hook, ifindex,
                       fp->skel->progs.from_container);
    return (error ? xasprintf("cannot attach program (%s)",
                              ovs_strerror(error))
            : NULL);
}

static char *
attach_tap(struct fastpath *fp, struct port *port, uint32_t tap_ifindex,
           uint32_t ifindex)
{
    if (bpf_map_update_elem(bpf_map__fd(fp->skel->maps.shadows), &tap_ifindex,
                            &ifindex, BPF_ANY)) {
        return xasprintf("cannot write map \"shadows\" (%s)",
                         ovs_strerror(errno));
    }

    int error = attach(fp, &port->tap_hook, tap_ifindex,
                       fp->skel->progs.to_container);
    return (error ? xasprintf("cannot attach program to %s (%s)", port->tap,
                              ovs_strerror(error))
            : NULL);
}

/* Attaches what is not attached. */
static char *
attach_port(struct fastpath *fp, const char *veth, struct port *port,
            uint32_t ifindex, uint32_t tap_ifindex)
{
    if (!ifindex) {
        return xasprintf("there is no interface %s", veth);
    } else if (port->tap && !tap_ifindex) {
        return xasprintf("there is no interface %s", port->tap);
    }

    char *error = (port->tap ? attach_tap(fp, port, tap_ifindex, ifindex)
                   : NULL);
    return error ? error : attach_veth(fp, port, ifindex, tap_ifindex);
}

/* Makes 'port' attached as it should be, if its interfaces are there. */
static void
check_port(struct fastpath *fp, const char *veth, struct port *port)
{
    uint32_t ifindex = if_nametoindex(veth);
    uint32_t tap_ifindex = port->tap ? if_nametoindex(port->tap) : 0;
    uint32_t mtu = get_mtu(veth);
    bool same = (ifindex == port->veth_hook.ifindex
                 && tap_ifindex == port->tap_hook.ifindex);

    if (port->mtu != mtu) {
        port->mtu = mtu;
        fp->seqno++;
    }
    if (ifindex && same && port_is_attached(port)) {
        return;
    }
    if (!same) {
        detach_port(fp, port);
    }

    char *error = attach_port(fp, veth, port, ifindex, tap_ifindex);
    if (error) {
        detach_port(fp, port);
    } else {
        VLOG_INFO("%s: fast path is on", veth);
    }
    set_error(fp, veth, port, error);
    fp->seqno++;
}

static bool
is_hooked(const struct fastpath *fp, uint32_t ifindex)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &fp->ports) {
        const struct port *port = node->data;

        if (port->veth_hook.ifindex == ifindex
            || port->tap_hook.ifindex == ifindex) {
            return true;
        }
    }
    return false;
}

static void
sweep(struct fastpath *fp, struct bpf_map *map)
{
    int fd = bpf_map__fd(map);
    uint32_t ifindex, next;

    for (int error = bpf_map_get_next_key(fd, NULL, &next); !error; ) {
        ifindex = next;
        error = bpf_map_get_next_key(fd, &ifindex, &next);
        if (!is_hooked(fp, ifindex)) {
            detach_ifindex(fp->directory, ifindex);
            delete_key(fd, ifindex);
            delete_key(bpf_map__fd(fp->skel->maps.ports), ifindex);
            delete_key(bpf_map__fd(fp->skel->maps.port_states), ifindex);
        }
    }
}

void
fastpath_sweep(struct fastpath *fp)
{
    if (!fp->error) {
        sweep(fp, fp->skel->maps.attachments);
        sweep(fp, fp->skel->maps.shadows);
    }
}

static void
delete_key(int fd, uint32_t ifindex)
{
    if (ifindex) {
        bpf_map_delete_elem(fd, &ifindex);
    }
}

/* First the programs, then what they need to have. */
static void
detach_port(struct fastpath *fp, struct port *port)
{
    uint32_t ifindex = port->veth_hook.ifindex;
    uint32_t tap_ifindex = port->tap_hook.ifindex;

    if (!ifindex && !tap_ifindex) {
        return;
    }
    detach(fp, &port->veth_hook);
    detach(fp, &port->tap_hook);
    delete_key(bpf_map__fd(fp->skel->maps.attachments), ifindex);
    delete_key(bpf_map__fd(fp->skel->maps.ports), ifindex);
    delete_key(bpf_map__fd(fp->skel->maps.port_states), ifindex);
    delete_key(bpf_map__fd(fp->skel->maps.shadows), tap_ifindex);
    fp->seqno++;
}

/* Maps. */

static void
map_error(const char *operation, enum map_id map, int error)
{
    COVERAGE_INC(fastpath_map_error);
    VLOG_WARN_RL(&rl, "cannot %s an entry of map \"%s\" (%s)", operation,
                 map_name(map), ovs_strerror(error));
}

static void
delete_entry(enum map_id map, const void *key, const void *value OVS_UNUSED,
             void *fp_)
{
    struct fastpath *fp = fp_;

    if (bpf_map_delete_elem(map_fd(fp, map), key) && errno != ENOENT) {
        map_error("delete", map, errno);
    }
}

/* An entry that does not fit costs speed. */
static bool
add_entry(enum map_id map, const void *key, const void *value, void *fp_)
{
    struct fastpath *fp = fp_;

    if (bpf_map_update_elem(map_fd(fp, map), key, value, BPF_ANY)) {
        map_error("add", map, errno);
        return false;
    }
    return true;
}

void
fastpath_remove(struct fastpath *fp, struct map_table *table)
{
    if (map_table_has_additions(table)) {
        set_current(fp, false);
    }
    map_table_take_removals(table, delete_entry, fp);
    set_current(fp, map_table_is_installed(table));
}

void
fastpath_add(struct fastpath *fp, struct map_table *table)
{
    map_table_take_additions(table, add_entry, delete_entry, fp);
    set_current(fp, map_table_is_installed(table));
}

/* Calls 'cb' with each key of 'map' that is not, or not with this value, in
 * 'table'.  'cb' may delete the entry. */
static void
for_each_stray(const struct fastpath *fp, const struct map_table *table,
               enum map_id map, map_table_cb *cb, void *aux)
{
    uint8_t key[MAP_KEY_MAX], next[MAP_KEY_MAX], value[MAP_VALUE_MAX];
    int fd = map_fd(fp, map);
    int error = bpf_map_get_next_key(fd, NULL, next);

    while (!error) {
        memcpy(key, next, sizeof key);
        error = bpf_map_get_next_key(fd, key, next);
        if (!bpf_map_lookup_elem(fd, key, value)
            && !map_table_contains(table, map, key, value)) {
            cb(map, key, NULL, aux);
        }
    }
}

void
fastpath_adopt(struct fastpath *fp, struct map_table *table)
{
    set_current(fp, false);
    for (int map = 0; map < MAP_N; map++) {
        for_each_stray(fp, table, map, delete_entry, fp);
    }
    map_table_reset(table);
}

struct verify {
    const struct fastpath *fp;
    struct ds *diff;
    int n;
};

static void
format_difference(struct verify *v, char sign, enum map_id map,
                  const void *key)
{
    ds_put_format(v->diff, "%c map=%s, key=", sign, map_name(map));
    ds_put_hex(v->diff, key, map_key_size(map));
    ds_put_char(v->diff, '\n');
    v->n++;
}

static void
verify_stray(enum map_id map, const void *key, const void *value OVS_UNUSED,
             void *v)
{
    format_difference(v, '+', map, key);
}

static void
verify_missing(enum map_id map, const void *key, const void *value OVS_UNUSED,
               void *v_)
{
    struct verify *v = v_;
    uint8_t installed[MAP_VALUE_MAX];

    if (bpf_map_lookup_elem(map_fd(v->fp, map), key, installed)) {
        format_difference(v, '-', map, key);
    }
}

int
fastpath_verify(const struct fastpath *fp, const struct map_table *table,
                struct ds *diff)
{
    struct verify v = { .fp = fp, .diff = diff };

    if (!fp->error) {
        for (int map = 0; map < MAP_N; map++) {
            for_each_stray(fp, table, map, verify_stray, &v);
        }
        map_table_for_each(table, verify_missing, &v);
    }
    return v.n;
}

/* Counters. */

bool
fastpath_get_port_stats(const struct fastpath *fp, const char *veth,
                        struct fastpath_port_stats *stats)
{
    const struct port *port = shash_find_data(&fp->ports, veth);

    memset(stats, 0, sizeof *stats);
    if (!port || !port->veth_hook.ifindex) {
        return false;
    }

    struct bastion_port_counters *values = xcalloc(fp->n_cpus,
                                                   sizeof *values);
    bool ok = !bpf_map_lookup_elem(bpf_map__fd(fp->skel->maps.ports),
                                   &port->veth_hook.ifindex, values);
    for (int i = 0; ok && i < fp->n_cpus; i++) {
        stats->delivered_packets += values[i].delivered.packets;
        stats->delivered_bytes += values[i].delivered.bytes;
        stats->slow_packets += values[i].slow.packets;
        stats->slow_bytes += values[i].slow.bytes;
        stats->dropped_packets += values[i].dropped.packets;
        stats->dropped_bytes += values[i].dropped.bytes;
    }
    free(values);
    return ok;
}

void
fastpath_get_counter(const struct fastpath *fp, unsigned int counter,
                     uint64_t *packets, uint64_t *bytes)
{
    *packets = *bytes = 0;
    if (fp->error) {
        return;
    }

    struct bastion_counter *values = xcalloc(fp->n_cpus, sizeof *values);
    uint32_t key = counter;

    if (!bpf_map_lookup_elem(bpf_map__fd(fp->skel->maps.counters), &key,
                             values)) {
        for (int i = 0; i < fp->n_cpus; i++) {
            *packets += values[i].packets;
            *bytes += values[i].bytes;
        }
    }
    free(values);
}

static const char *const modes[] = {
    [FASTPATH_OFF] = "off",
    [FASTPATH_DIRECT] = "direct",
    [FASTPATH_SHADOW] = "shadow",
};

static const char *const attachments[] = {
    [ATTACHMENT_NONE] = "nothing",
    [ATTACHMENT_TCX] = "tcx",
    [ATTACHMENT_CLSACT] = "clsact",
};

/* Why 'port', which may be NULL, is not attached. */
static const char *
port_error(const struct fastpath *fp, const struct port *port)
{
    return (port ? port->error
            : fp->error ? fp->error
            : "not requested");
}

void
fastpath_format_port(const struct fastpath *fp, const char *veth,
                     struct ds *s)
{
    const struct port *port = shash_find_data(&fp->ports, veth);

    if (!port || port->error) {
        ds_put_format(s, "off (%s)\n", port_error(fp, port));
        return;
    }

    struct fastpath_port_stats stats;
    fastpath_get_port_stats(fp, veth, &stats);
    ds_put_format(s, "%s, attached to %s by %s, MTU %"PRIu32"\n",
                  modes[port->mode], veth,
                  attachments[port->veth_hook.attachment], port->mtu);
    ds_put_format(s, "    delivered: %"PRIu64" packets, %"PRIu64" bytes\n",
                  stats.delivered_packets, stats.delivered_bytes);
    ds_put_format(s, "    to Open vSwitch: %"PRIu64" packets, "
                  "%"PRIu64" bytes\n", stats.slow_packets, stats.slow_bytes);
    ds_put_format(s, "    dropped: %"PRIu64" packets, %"PRIu64" bytes\n",
                  stats.dropped_packets, stats.dropped_bytes);
}

static void
put_counter(struct json *object, const char *name, uint64_t packets,
            uint64_t bytes)
{
    struct json *counter = json_object_create();

    json_object_put(counter, "packets", json_integer_create(packets));
    json_object_put(counter, "bytes", json_integer_create(bytes));
    json_object_put(object, name, counter);
}

struct json *
fastpath_port_to_json(const struct fastpath *fp, const char *veth)
{
    const struct port *port = shash_find_data(&fp->ports, veth);
    struct json *object = json_object_create();

    if (!port || port->error) {
        json_object_put_string(object, "mode", modes[FASTPATH_OFF]);
        json_object_put_string(object, "reason", port_error(fp, port));
        return object;
    }

    struct fastpath_port_stats stats;
    fastpath_get_port_stats(fp, veth, &stats);
    json_object_put_string(object, "mode", modes[port->mode]);
    json_object_put_string(object, "attached-to", veth);
    json_object_put_string(object, "attached-by",
                           attachments[port->veth_hook.attachment]);
    json_object_put(object, "mtu", json_integer_create(port->mtu));
    put_counter(object, "delivered", stats.delivered_packets,
                stats.delivered_bytes);
    put_counter(object, "to-open-vswitch", stats.slow_packets,
                stats.slow_bytes);
    put_counter(object, "dropped", stats.dropped_packets,
                stats.dropped_bytes);
    return object;
}
