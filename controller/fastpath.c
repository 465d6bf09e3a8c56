/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "bastion/bpf-abi.h"
#include "bpf/bastion.skel.h"
#include "controller/fastpath-events.h"
#include "controller/fastpath-hook.h"
#include "controller/map-table.h"
#include "coverage.h"
#include "hmapx.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "rtnetlink.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fastpath);

COVERAGE_DEFINE(fastpath_repair);
COVERAGE_DEFINE(fastpath_map_error);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

/* Magic number of a bpf file system, from linux/magic.h. */
#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

/* Size in bytes of the largest key of any map. */
#define BASTION_KEY_MAX sizeof(struct bastion_connection_key)
BUILD_ASSERT_DECL(BASTION_KEY_MAX >= MAP_KEY_MAX);
BUILD_ASSERT_DECL(BASTION_KEY_MAX >= sizeof(struct bastion_fragment_key));

/* Nobody says when a program has been taken off an interface, nor when pins
 * have been removed. */
#define CHECK_INTERVAL_MS 500

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
    char *pins;                 /* Subdirectory with maps of this ABI. */
    char *error;                /* Why nothing works, or NULL. */
    struct bastion_bpf *skel;
    int n_cpus;
    struct bastion_config config;   /* As written to the map. */
    struct shash ports;         /* Of "struct port", by veth name. */
    struct nln_notifier *notifier;
    bool links_changed;         /* All interfaces have to be looked at. */
    struct hmapx changed;       /* Contains the "struct shash_node"s of ports
                                 * whose interfaces have to be looked at. */
    bool allow_tcx;
    struct fastpath_events *events;     /* May be NULL. */
    long long int next_check;   /* When programs are looked for again. */
    bool has_batches;           /* Until the kernel says otherwise. */
    uint64_t seqno;
    unsigned int kill_after;    /* See fastpath_kill_after(). */
};

static void check_port(struct fastpath *, const char *veth, struct port *);
static void detach_port(struct fastpath *, struct port *);
static void detach_veth(struct fastpath *, struct port *);
static void detach_tap(struct fastpath *, struct port *);
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
    return xasprintf("%s/%s", fp->pins, name);
}

/* Lists the contents of 'directory'. */
static void
list_directory(const char *directory, struct svec *names)
{
    DIR *dir = opendir(directory);
    const struct dirent *de;

    svec_init(names);
    while (dir && (de = readdir(dir))) {
        if (de->d_name[0] != '.') {
            svec_add(names, de->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

/* Removes all pins in 'directory', and it. */
static void
remove_pins(const char *directory)
{
    struct svec names;
    const char *name;
    size_t i;

    list_directory(directory, &names);
    SVEC_FOR_EACH (i, name, &names) {
        char *path = xasprintf("%s/%s", directory, name);

        unlink(path);
        free(path);
    }
    svec_destroy(&names);
    if (rmdir(directory)) {
        VLOG_WARN("%s: cannot remove (%s)", directory, ovs_strerror(errno));
    }
}

/* Removes subdirectories of 'directory', but not 'keep', which may be NULL. */
static void
remove_subdirectories(const char *directory, const char *keep)
{
    struct svec names;
    const char *name;
    size_t i;

    list_directory(directory, &names);
    SVEC_FOR_EACH (i, name, &names) {
        char *path = xasprintf("%s/%s", directory, name);
        struct stat st;

        if (!nullable_string_is_equal(path, keep)
            && !stat(path, &st) && S_ISDIR(st.st_mode)) {
            VLOG_INFO("removing %s", path);
            remove_pins(path);
        }
        free(path);
    }
    svec_destroy(&names);
}

void
fastpath_clean(const char *directory)
{
    struct statfs fs;

    if (!statfs(directory, &fs) && fs.f_type == (long) BPF_FS_MAGIC) {
        hook_detach_all(directory, NULL, NULL);
        remove_subdirectories(directory, NULL);
        remove_pins(directory);
    }
}

/* Removes pins that cannot be of use although they are where ours should be.
 * What is attached goes on with the maps that it has, until it is replaced. */
static void
remove_foreign_pins(struct fastpath *fp)
{
    char *path = pin_path(fp, "meta");
    struct bastion_meta value;
    uint32_t key = 0;
    int fd = bpf_obj_get(path);
    bool ours = (fd >= 0 && !bpf_map_lookup_elem(fd, &key, &value)
                 && value.magic == BASTION_BPF_MAGIC
                 && value.abi_version == BASTION_BPF_ABI_VERSION);

    free(path);
    if (fd >= 0) {
        close(fd);
    }
    if (!ours) {
        struct svec names;
        const char *name;
        size_t i;

        list_directory(fp->pins, &names);
        SVEC_FOR_EACH (i, name, &names) {
            path = pin_path(fp, name);
            VLOG_INFO("%s: not of this version, removing", path);
            unlink(path);
            free(path);
        }
        svec_destroy(&names);
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

/* Ends the process at a point that a test has chosen. */
static void
maybe_die(struct fastpath *fp)
{
    if (fp->kill_after && !--fp->kill_after) {
        kill(getpid(), SIGKILL);
    }
}

void
fastpath_kill_after(struct fastpath *fp, unsigned int n)
{
    fp->kill_after = n;
}

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
        maybe_die(fp);
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
    if (!error) {
        error = make_directory(fp->pins);
    }
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

/* Takes note of the ports that have to be looked at again. */
static void
link_cb(const struct rtnetlink_change *change, void *fp_)
{
    struct fastpath *fp = fp_;
    struct shash_node *node;

    if (!change) {
        fp->links_changed = true;
        return;
    }
    SHASH_FOR_EACH (node, &fp->ports) {
        const struct port *port = node->data;
        uint32_t ifindex = change->if_index;
        const char *name = change->ifname ? change->ifname : "";

        if (ifindex == port->veth_hook.ifindex
            || ifindex == port->tap_hook.ifindex
            || !strcmp(name, node->name)
            || (port->tap && !strcmp(name, port->tap))) {
            hmapx_add(&fp->changed, node);
        }
    }
}

struct fastpath *
fastpath_create(const char *directory)
{
    struct fastpath *fp = xzalloc(sizeof *fp);

    fp->directory = xstrdup(directory);
    fp->pins = xasprintf("%s/v%d", directory, BASTION_BPF_ABI_VERSION);
    shash_init(&fp->ports);
    hmapx_init(&fp->changed);
    fp->has_batches = true;

    /* For tests where there is tcx. */
    const char *attach = getenv("BASTION_BPF_ATTACH");
    fp->allow_tcx = !attach || strcmp(attach, "clsact");
    fp->error = load(fp);
    if (fp->error) {
        VLOG_WARN("fast path is off: %s", fp->error);
        fastpath_clean(directory);
    } else {
        fp->notifier = rtnetlink_notifier_create(link_cb, fp);
        fp->events = fastpath_events_create(
            bpf_map__fd(fp->skel->maps.events));
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
    hmapx_destroy(&fp->changed);
    rtnetlink_notifier_destroy(fp->notifier);
    fastpath_events_destroy(fp->events);
    bastion_bpf__destroy(fp->skel);
    free(fp->directory);
    free(fp->pins);
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

/* Pins the maps again if somebody has removed the pins. */
static void
check_pins(struct fastpath *fp)
{
    char *path = pin_path(fp, "meta");

    if (access(path, F_OK)) {
        VLOG_WARN_RL(&rl, "%s: pins have been removed; pinning again",
                     fp->directory);
        COVERAGE_INC(fastpath_repair);
        free(make_directory(fp->directory));
        free(make_directory(fp->pins));

        struct bpf_map *map;
        bpf_object__for_each_map (map, fp->skel->obj) {
            const char *pin = bpf_map__pin_path(map);

            if (pin && bpf_obj_pin(bpf_map__fd(map), pin)
                && errno != EEXIST) {
                VLOG_WARN_RL(&rl, "%s: cannot pin (%s)", pin,
                             ovs_strerror(errno));
            }
        }
    }
    free(path);
}

static void
check_ports(struct fastpath *fp)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &fp->ports) {
        const struct port *port = node->data;
        bool attached = port_is_attached(port);

        if (!port->error && !attached) {
            VLOG_WARN_RL(&rl, "%s: a program has been taken off", node->name);
            COVERAGE_INC(fastpath_repair);
        }
        if (port->error || !attached) {
            check_port(fp, node->name, node->data);
        }
    }
}

void
fastpath_run(struct fastpath *fp)
{
    if (fp->error) {
        return;
    }

    if (fp->events) {
        fastpath_events_run(fp->events);
    }

    struct shash_node *node;
    rtnetlink_run();
    if (fp->links_changed) {
        SHASH_FOR_EACH (node, &fp->ports) {
            check_port(fp, node->name, node->data);
        }
    } else {
        struct hmapx_node *changed;

        HMAPX_FOR_EACH (changed, &fp->changed) {
            node = changed->data;
            check_port(fp, node->name, node->data);
        }
    }
    fp->links_changed = false;
    hmapx_clear(&fp->changed);

    if (time_msec() >= fp->next_check) {
        check_pins(fp);
        check_ports(fp);
        fp->next_check = time_msec() + CHECK_INTERVAL_MS;
    }
}

void
fastpath_wait(struct fastpath *fp)
{
    if (fp->error) {
        return;
    }
    if (fp->events) {
        fastpath_events_wait(fp->events);
    }
    rtnetlink_wait();
    if (fp->links_changed || !hmapx_is_empty(&fp->changed)) {
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
        struct shash_node *node = shash_find(&fp->ports, veth);

        hmapx_find_and_delete(&fp->changed, node);
        shash_delete(&fp->ports, node);
        port_destroy(port);
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

static bool
port_is_attached(const struct port *port)
{
    return (hook_is_attached(&port->veth_hook)
            && (!port->tap || hook_is_attached(&port->tap_hook)));
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

    int error = hook_attach(&port->veth_hook, fp->directory, ifindex,
                            bpf_program__fd(fp->skel->progs.from_container),
                            fp->allow_tcx);
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

    int error = hook_attach(&port->tap_hook, fp->directory, tap_ifindex,
                            bpf_program__fd(fp->skel->progs.to_container),
                            fp->allow_tcx);
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
    } else if (!interface_is_veth(veth)) {
        return xasprintf("%s is not one end of a veth pair", veth);
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
    uint32_t mtu = interface_get_mtu(veth);

    if (port->mtu != mtu) {
        port->mtu = mtu;
        fp->seqno++;
    }
    if (ifindex && ifindex == port->veth_hook.ifindex
        && tap_ifindex == port->tap_hook.ifindex && port_is_attached(port)) {
        return;
    }

    uint32_t old_ifindex = port->veth_hook.ifindex;

    /* While only the tap is away, the program on the veth keeps packets away
     * from the host's stack. */
    if (ifindex != port->veth_hook.ifindex) {
        detach_veth(fp, port);
    }
    if (tap_ifindex != port->tap_hook.ifindex) {
        detach_tap(fp, port);
    }
    char *error = attach_port(fp, veth, port, ifindex, tap_ifindex);
    if (!error) {
        VLOG_INFO("%s: fast path is on", veth);
    }
    set_error(fp, veth, port, error);
    if (port->veth_hook.ifindex != old_ifindex) {
        fp->seqno++;
    }
}

static bool
is_hooked(uint32_t ifindex, const void *fp_)
{
    const struct fastpath *fp = fp_;
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

/* Deletes entries about interfaces that are not those of a port. */
static void
sweep(struct fastpath *fp, struct bpf_map *map)
{
    int fd = bpf_map__fd(map);
    uint32_t ifindex, next;

    for (int error = bpf_map_get_next_key(fd, NULL, &next); !error; ) {
        ifindex = next;
        error = bpf_map_get_next_key(fd, &ifindex, &next);
        if (!is_hooked(ifindex, fp)) {
            delete_key(fd, ifindex);
        }
    }
}

void
fastpath_sweep(struct fastpath *fp)
{
    if (!fp->error) {
        hook_detach_all(fp->directory, is_hooked, fp);
        remove_subdirectories(fp->directory, fp->pins);
        sweep(fp, fp->skel->maps.attachments);
        sweep(fp, fp->skel->maps.shadows);
        sweep(fp, fp->skel->maps.ports);
        sweep(fp, fp->skel->maps.port_states);
    }
}

static void
delete_key(int fd, uint32_t ifindex)
{
    if (ifindex) {
        bpf_map_delete_elem(fd, &ifindex);
    }
}

/* First the program, then what it needs to have. */
static void
detach_veth(struct fastpath *fp, struct port *port)
{
    uint32_t ifindex = port->veth_hook.ifindex;

    if (ifindex) {
        hook_detach(&port->veth_hook, fp->directory);
        delete_key(bpf_map__fd(fp->skel->maps.attachments), ifindex);
        delete_key(bpf_map__fd(fp->skel->maps.ports), ifindex);
        delete_key(bpf_map__fd(fp->skel->maps.port_states), ifindex);
        fp->seqno++;
    }
}

static void
detach_tap(struct fastpath *fp, struct port *port)
{
    uint32_t ifindex = port->tap_hook.ifindex;

    if (ifindex) {
        hook_detach(&port->tap_hook, fp->directory);
        delete_key(bpf_map__fd(fp->skel->maps.shadows), ifindex);
        fp->seqno++;
    }
}

static void
detach_port(struct fastpath *fp, struct port *port)
{
    detach_veth(fp, port);
    detach_tap(fp, port);
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

    maybe_die(fp);
    if (bpf_map_delete_elem(map_fd(fp, map), key) && errno != ENOENT) {
        map_error("delete", map, errno);
    }
}

/* Must a batch that failed with 'error' be done entry by entry?  Linux has
 * batches for these maps since 5.10; ENOTSUPP has no name here. */
static bool
is_unsupported(int error)
{
    return error == EINVAL || error == EOPNOTSUPP || error == 524;
}

static void
delete_entries(enum map_id map, const void *keys_, size_t n, void *fp_)
{
    struct fastpath *fp = fp_;
    const uint8_t *keys = keys_;
    size_t i = 0;

    while (fp->has_batches && i + 1 < n) {
        LIBBPF_OPTS(bpf_map_batch_opts, opts);
        uint32_t count = n - i;

        maybe_die(fp);
        if (!bpf_map_delete_batch(map_fd(fp, map),
                                  &keys[i * map_key_size(map)], &count,
                                  &opts)) {
            return;
        } else if (is_unsupported(errno)) {
            fp->has_batches = false;
        } else {
            if (errno != ENOENT) {
                map_error("delete", map, errno);
            }
            i += count + 1;
        }
    }
    for (; i < n; i++) {
        delete_entry(map, &keys[i * map_key_size(map)], NULL, fp);
    }
}

/* An entry that does not fit costs speed. */
static size_t
add_entries(enum map_id map, const void *keys_, const void *values_, size_t n,
            void *fp_)
{
    struct fastpath *fp = fp_;
    const uint8_t *keys = keys_;
    const uint8_t *values = values_;

    if (fp->has_batches && n > 1) {
        LIBBPF_OPTS(bpf_map_batch_opts, opts);
        uint32_t count = n;

        maybe_die(fp);
        if (!bpf_map_update_batch(map_fd(fp, map), keys, values, &count,
                                  &opts)) {
            return n;
        } else if (!is_unsupported(errno)) {
            map_error("add", map, errno);
            return MIN(count, n - 1);
        }
        fp->has_batches = false;
    }
    for (size_t i = 0; i < n; i++) {
        maybe_die(fp);
        if (bpf_map_update_elem(map_fd(fp, map), &keys[i * map_key_size(map)],
                                &values[i * map_value_size(map)], BPF_ANY)) {
            map_error("add", map, errno);
            return i;
        }
    }
    return n;
}

void
fastpath_remove(struct fastpath *fp, struct map_table *table)
{
    if (map_table_has_additions(table)) {
        set_current(fp, false);
    }
    map_table_take_removals(table, delete_entries, fp);
    set_current(fp, map_table_is_installed(table));
}

void
fastpath_add(struct fastpath *fp, struct map_table *table)
{
    map_table_take_additions(table, add_entries, delete_entries, fp);
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

/* Calls 'cb' with each key of the map with file descriptor 'fd' and 'aux'.  As
 * entries may come and go, this may never end without a limit. */
static void
for_each_key(int fd, size_t key_size, void (*cb)(const void *key, void *aux),
             void *aux)
{
    uint8_t key[BASTION_KEY_MAX], next[BASTION_KEY_MAX];
    struct bpf_map_info info;
    uint32_t len = sizeof info;

    memset(&info, 0, sizeof info);
    if (bpf_obj_get_info_by_fd(fd, &info, &len)
        || bpf_map_get_next_key(fd, NULL, next)) {
        return;
    }
    for (uint32_t i = 0; i < info.max_entries; i++) {
        memcpy(key, next, key_size);

        bool last = bpf_map_get_next_key(fd, key, next) != 0;
        cb(key, aux);
        if (last) {
            return;
        }
    }
}

struct connections_aux {
    int fd;
    uint64_t now;
    void (*cb)(const struct bastion_connection_key *,
               const struct bastion_connection *, uint64_t now, void *aux);
    void *aux;
};

static void
take_connection(const void *key, void *aux_)
{
    struct connections_aux *aux = aux_;
    struct bastion_connection conn;

    if (!bpf_map_lookup_elem(aux->fd, key, &conn)) {
        aux->cb(key, &conn, aux->now, aux->aux);
    }
}

void
fastpath_for_each_connection(
    const struct fastpath *fp,
    void (*cb)(const struct bastion_connection_key *,
               const struct bastion_connection *, uint64_t now, void *aux),
    void *aux_)
{
    struct timespec now;

    if (!fp->error && !clock_gettime(CLOCK_MONOTONIC, &now)) {
        struct connections_aux aux = {
            .fd = bpf_map__fd(fp->skel->maps.connections),
            .now = now.tv_sec * UINT64_C(1000000000) + now.tv_nsec,
            .cb = cb,
            .aux = aux_
        };

        for_each_key(aux.fd, sizeof(struct bastion_connection_key),
                     take_connection, &aux);
    }
}

const struct fastpath_events *
fastpath_get_events(const struct fastpath *fp)
{
    return fp->events;
}

static void
count_key(const void *key OVS_UNUSED, void *n_)
{
    unsigned int *n = n_;

    (*n)++;
}

void
fastpath_format_maps(const struct fastpath *fp, struct ds *s)
{
    struct bpf_map *maps[] = {
        fp->skel->maps.endpoints, fp->skel->maps.sources,
        fp->skel->maps.addresses, fp->skel->maps.peers,
        fp->skel->maps.policy, fp->skel->maps.partial,
        fp->skel->maps.connections, fp->skel->maps.fragments,
    };

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        unsigned int n = 0;

        for_each_key(bpf_map__fd(maps[i]), bpf_map__key_size(maps[i]),
                     count_key, &n);
        ds_put_format(s, "    %s: %u of %u entries\n", bpf_map__name(maps[i]),
                      n, bpf_map__max_entries(maps[i]));
    }
}

static char *
program_tag(const struct fastpath *fp)
{
    struct bpf_prog_info info;
    uint32_t len = sizeof info;
    struct ds s = DS_EMPTY_INITIALIZER;

    memset(&info, 0, sizeof info);
    bpf_obj_get_info_by_fd(bpf_program__fd(fp->skel->progs.from_container),
                           &info, &len);
    for (size_t i = 0; i < sizeof info.tag; i++) {
        ds_put_format(&s, "%02x", info.tag[i]);
    }
    return ds_steal_cstr(&s);
}

static const char *const modes[] = {
    [FASTPATH_OFF] = "off",
    [FASTPATH_DIRECT] = "direct",
    [FASTPATH_SHADOW] = "shadow",
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
    char *tag = program_tag(fp);
    ds_put_format(s, "%s, attached to %s by %s, program %s, MTU %"PRIu32"\n",
                  modes[port->mode], veth,
                  hook_kind_name(port->veth_hook.kind), tag, port->mtu);
    free(tag);
    ds_put_format(s, "    hits: %"PRIu64" packets, misses: %"PRIu64
                  " packets\n", stats.delivered_packets
                  + stats.dropped_packets, stats.slow_packets);
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
                           hook_kind_name(port->veth_hook.kind));
    char *tag = program_tag(fp);
    json_object_put_string(object, "program", tag);
    free(tag);
    json_object_put(object, "mtu", json_integer_create(port->mtu));
    json_object_put(object, "hits",
                    json_integer_create(stats.delivered_packets
                                        + stats.dropped_packets));
    json_object_put(object, "misses", json_integer_create(stats.slow_packets));
    put_counter(object, "delivered", stats.delivered_packets,
                stats.delivered_bytes);
    put_counter(object, "to-open-vswitch", stats.slow_packets,
                stats.slow_bytes);
    put_counter(object, "dropped", stats.dropped_packets,
                stats.dropped_bytes);
    return object;
}
