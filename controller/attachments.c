/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/attachments.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/types.h"
#include "packets.h"
#include "util.h"

#define MAX_VALUE 255           /* Bytes; limits of the schema. */
#define MAX_IPS 64

/* Values. */

/* Returns the value of 'key' if it is sane, otherwise NULL. */
static const char *
get_value(const struct smap *ids, const char *key)
{
    const char *value = smap_get(ids, key);

    if (!value || !value[0] || strlen(value) > MAX_VALUE) {
        return NULL;
    }
    for (const char *p = value; *p; p++) {
        if (iscntrl((unsigned char) *p)) {
            return NULL;
        }
    }
    return value;
}

static void
set_string(char **string, const char *value)
{
    if (value) {
        free(*string);
        *string = xstrdup(value);
    }
}

static void
set_mac(struct attachment *a, const char *value)
{
    struct eth_addr mac;
    char *reason = value ? mac_parse(value, &mac) : xstrdup("");

    if (!reason) {
        free(a->mac);
        a->mac = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
    }
    free(reason);
}

static void
add_ip(struct attachment *a, const char *text)
{
    struct in6_addr ip;
    char *reason = ip_address_parse(text, &ip);

    if (!reason && a->ips.n < MAX_IPS) {
        struct ds s = DS_EMPTY_INITIALIZER;

        ip_address_format(&ip, &s);
        svec_add_nocopy(&a->ips, ds_steal_cstr(&s));
    }
    free(reason);
}

/* Adds the addresses of 'list', which has commas between them.  They may have
 * prefix lengths.  A list may be longer than other values. */
static void
add_ips(struct attachment *a, const struct smap *ids, const char *key)
{
    const char *list = smap_get(ids, key);
    char *copy = xstrdup(list ? list : "");
    char *save_ptr = NULL;

    for (char *ip = strtok_r(copy, ", ", &save_ptr); ip;
         ip = strtok_r(NULL, ", ", &save_ptr)) {
        ip[strcspn(ip, "/")] = '\0';
        add_ip(a, ip);
    }
    free(copy);
    svec_sort_unique(&a->ips);
}

/* Copies 'key' of 'ids', if it is there, as 'name'. */
static void
copy_id(struct attachment *a, const struct smap *ids, const char *key,
        const char *name)
{
    const char *value = get_value(ids, key);

    if (value) {
        smap_replace(&a->external_ids, name, value);
    }
}

/* Conventions.  Each function returns false if it is not this one, after
 * which nothing in 'a' has changed. */

static bool
parse_antrea(const struct smap *port, const struct smap *interface OVS_UNUSED,
             struct attachment *a)
{
    const char *type = smap_get(port, "antrea-type");

    if (!type || strcmp(type, "container")) {
        return false;
    }
    set_string(&a->container_id, get_value(port, "container-id"));
    set_string(&a->pod_name, get_value(port, "pod-name"));
    set_string(&a->pod_namespace, get_value(port, "pod-namespace"));
    set_mac(a, get_value(port, "attached-mac"));
    add_ips(a, port, "ip-address");
    copy_id(a, port, "net-ns", "netns");
    copy_id(a, port, "if-dev", "ifname");
    return true;
}

/* Takes the pod from iface-id, POD.NAMESPACE[.NAD.NAMESPACE.ovn], where POD
 * may contain dots. */
static void
parse_kube_ovn_iface_id(const char *iface_id, struct attachment *a)
{
    char *copy = xstrdup(iface_id);
    size_t length = strlen(copy);

    if (length > 4 && !strcmp(&copy[length - 4], ".ovn")) {
        for (int i = 0; i < 3; i++) {
            char *dot = strrchr(copy, '.');

            if (dot) {
                *dot = '\0';
            }
        }
    }

    char *dot = strrchr(copy, '.');
    if (dot && dot != copy && dot[1]) {
        *dot = '\0';
        set_string(&a->pod_name, copy);
        set_string(&a->pod_namespace, dot + 1);
    }
    free(copy);
}

static bool
parse_kube_ovn(const struct smap *port OVS_UNUSED,
               const struct smap *interface, struct attachment *a)
{
    const char *vendor = smap_get(interface, "vendor");
    const char *pod_name = get_value(interface, "pod_name");
    const char *pod_namespace = get_value(interface, "pod_namespace");
    const char *iface_id = get_value(interface, "iface-id");

    /* "node-NAME" is the node's own port. */
    if (!vendor || strcmp(vendor, "kube-ovn")
        || (!pod_name && (!iface_id || !strncmp(iface_id, "node-", 5)
                          || !strchr(iface_id, '.')))) {
        return false;
    }
    if (!pod_name || !pod_namespace) {
        parse_kube_ovn_iface_id(iface_id ? iface_id : "", a);
    }
    set_string(&a->pod_name, pod_name);
    set_string(&a->pod_namespace, pod_namespace);
    add_ips(a, interface, "ip");
    copy_id(a, interface, "pod_netns", "netns");
    return true;
}

/* Takes the pod from iface-id, [NETWORK_]NAMESPACE_POD.  Names in Kubernetes
 * have no underscores. */
static void
parse_ovn_kubernetes_iface_id(const char *iface_id, struct attachment *a)
{
    char *copy = xstrdup(iface_id);
    char *pod = strrchr(copy, '_');

    if (pod && pod != copy && pod[1]) {
        *pod++ = '\0';

        char *before = strrchr(copy, '_');
        set_string(&a->pod_name, pod);
        set_string(&a->pod_namespace, before ? before + 1 : copy);
    }
    free(copy);
}

static bool
parse_ovn_kubernetes(const struct smap *port OVS_UNUSED,
                     const struct smap *interface, struct attachment *a)
{
    const char *sandbox = get_value(interface, "sandbox");
    const char *iface_id = get_value(interface, "iface-id");

    if (!sandbox || !iface_id || !strchr(iface_id, '_')) {
        return false;
    }
    set_string(&a->container_id, sandbox);
    parse_ovn_kubernetes_iface_id(iface_id, a);
    set_mac(a, get_value(interface, "attached_mac"));
    add_ips(a, interface, "ip_addresses");
    copy_id(a, interface, "iface-id-ver", "pod-uid");
    copy_id(a, interface, "pod-if-name", "ifname");
    return true;
}

static bool
parse_ovs_cni(const struct smap *port, const struct smap *interface,
              struct attachment *a)
{
    const char *owner = smap_get(port, "owner");

    if (!owner || strcmp(owner, "ovs-cni.network.kubevirt.io")) {
        return false;
    }
    copy_id(a, port, "contPodUid", "pod-uid");
    copy_id(a, port, "contNetns", "netns");
    copy_id(a, port, "contIface", "ifname");

    /* From bastion-cni, if that comes after it in a chain. */
    set_string(&a->container_id, get_value(interface, "container-id"));
    set_string(&a->pod_name, get_value(interface, "pod-name"));
    set_string(&a->pod_namespace, get_value(interface, "pod-namespace"));
    return true;
}

static bool
parse_ovs_docker(const struct smap *port OVS_UNUSED,
                 const struct smap *interface, struct attachment *a)
{
    const char *container_id = get_value(interface, "container_id");

    if (!container_id) {
        return false;
    }
    set_string(&a->container_id, container_id);
    copy_id(a, interface, "container_iface", "ifname");
    return true;
}

static bool
parse_bastion(const struct smap *port OVS_UNUSED,
              const struct smap *interface, struct attachment *a)
{
    const char *container_id = get_value(interface, "container-id");

    if (!container_id) {
        return false;
    }
    set_string(&a->container_id, container_id);
    set_string(&a->pod_name, get_value(interface, "pod-name"));
    set_string(&a->pod_namespace, get_value(interface, "pod-namespace"));
    set_mac(a, get_value(interface, "attached-mac"));
    add_ips(a, interface, "ip-addresses");
    copy_id(a, interface, "netns", "netns");
    copy_id(a, interface, "ifname", "ifname");
    return true;
}

static bool
parse_os_vif(const struct smap *port OVS_UNUSED, const struct smap *interface,
             struct attachment *a)
{
    const char *status = smap_get(interface, "iface-status");
    const char *vm = get_value(interface, "vm-uuid");

    if (!get_value(interface, "iface-id")
        || !get_value(interface, "attached-mac")
        || (status && strcmp(status, "active"))) {
        return false;
    }
    set_string(&a->container_id, vm ? vm : get_value(interface, "vm-id"));
    set_mac(a, get_value(interface, "attached-mac"));
    return true;
}

/* In this order, so that the keys of one program do not hide those of a more
 * specific one. */
static const struct {
    const char *name;
    bool (*parse)(const struct smap *port, const struct smap *interface,
                  struct attachment *);
} conventions[] = {
    { "antrea", parse_antrea },
    { "kube-ovn", parse_kube_ovn },
    { "ovn-kubernetes", parse_ovn_kubernetes },
    { "ovs-cni", parse_ovs_cni },
    { "ovs-docker", parse_ovs_docker },
    { "bastion", parse_bastion },
    { "os-vif", parse_os_vif },
};

/* Attachments. */

static struct attachment *
attachment_create(void)
{
    struct attachment *a = xzalloc(sizeof *a);

    a->container_id = xstrdup("");
    a->pod_namespace = xstrdup("");
    a->pod_name = xstrdup("");
    a->mac = xstrdup("");
    svec_init(&a->ips);
    smap_init(&a->external_ids);
    return a;
}

/* A logical port's name says it all; otherwise it takes the pod or container,
 * and the interface in it.  bastion-cni waits for its port to be published, so
 * nobody else's may be taken for the same. */
static char *
make_key(const struct attachment *a)
{
    const char *iface_id = smap_get(&a->external_ids, "iface-id");
    const char *uid = smap_get_def(&a->external_ids, "pod-uid", "");
    const char *ifname = smap_get_def(&a->external_ids, "ifname", "");

    return (iface_id ? xasprintf("iface-id %s", iface_id)
            : !strcmp(a->convention, "bastion")
            ? xasprintf("container %s %s", a->container_id, ifname)
            : a->pod_name[0] ? xasprintf("pod %s/%s %s", a->pod_namespace,
                                         a->pod_name, ifname)
            : uid[0] ? xasprintf("uid %s %s", uid, ifname)
            : xasprintf("container %s %s", a->container_id, ifname));
}

struct attachment *
attachment_parse(const struct smap *port_ids, const struct smap *interface_ids)
{
    struct attachment *a = attachment_create();

    for (size_t i = 0; i < ARRAY_SIZE(conventions); i++) {
        if (conventions[i].parse(port_ids, interface_ids, a)) {
            const char *ts = smap_get(interface_ids, "ovn-installed-ts");

            a->convention = conventions[i].name;
            copy_id(a, interface_ids, "iface-id", "iface-id");
            a->key = make_key(a);
            if (!ts || !str_to_llong(ts, 10, &a->installed_at)) {
                a->installed_at = 0;
            }
            return a;
        }
    }
    attachment_destroy(a);
    return NULL;
}

void
attachment_destroy(struct attachment *a)
{
    if (a) {
        free(a->container_id);
        free(a->pod_namespace);
        free(a->pod_name);
        free(a->mac);
        svec_destroy(&a->ips);
        smap_destroy(&a->external_ids);
        free(a->key);
        free(a);
    }
}

/* Ports. */

/* By key, and the live one first. */
static int
compare_liveness(const void *a_, const void *b_)
{
    const struct attached_port *a = a_;
    const struct attached_port *b = b_;
    int cmp = strcmp(a->attachment->key, b->attachment->key);

    if (cmp) {
        return cmp;
    }
    if (a->netns_exists != b->netns_exists) {
        return a->netns_exists ? -1 : 1;
    }
    if (a->attachment->installed_at != b->attachment->installed_at) {
        return (a->attachment->installed_at > b->attachment->installed_at
                ? -1 : 1);
    }
    if (a->ofport != b->ofport) {
        return a->ofport > b->ofport ? -1 : 1;
    }
    return strcmp(a->interface, b->interface);
}

static int
compare_interfaces(const void *a_, const void *b_)
{
    const struct attached_port *a = a_;
    const struct attached_port *b = b_;

    return strcmp(a->interface, b->interface);
}

size_t
attached_ports_select(struct attached_port *ports, size_t n)
{
    size_t n_live = 0;

    if (n) {
        qsort(ports, n, sizeof *ports, compare_liveness);
    }
    for (size_t i = 0; i < n; i++) {
        if (!i || strcmp(ports[i].attachment->key,
                         ports[n_live - 1].attachment->key)) {
            ports[n_live++] = ports[i];
        }
    }
    if (n_live) {
        qsort(ports, n_live, sizeof *ports, compare_interfaces);
    }
    return n_live;
}
