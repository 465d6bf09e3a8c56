/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "controller/attachments.h"
#include "util.h"

/* Adds "KEY=VALUE" pairs with spaces between them. */
static void
add_pairs(struct smap *ids, const char *pairs)
{
    char *copy = xstrdup(pairs);
    char *save_ptr = NULL;

    for (char *pair = strtok_r(copy, " ", &save_ptr); pair;
         pair = strtok_r(NULL, " ", &save_ptr)) {
        char *equals = strchr(pair, '=');

        assert_non_null(equals);
        *equals = '\0';
        smap_add(ids, pair, equals + 1);
    }
    free(copy);
}

static struct attachment *
parse(const char *port, const char *interface)
{
    struct smap port_ids = SMAP_INITIALIZER(&port_ids);
    struct smap interface_ids = SMAP_INITIALIZER(&interface_ids);

    add_pairs(&port_ids, port);
    add_pairs(&interface_ids, interface);
    struct attachment *a = attachment_parse(&port_ids, &interface_ids);
    smap_destroy(&port_ids);
    smap_destroy(&interface_ids);
    return a;
}

/* One line of all there is. */
static char *
format(const struct attachment *a)
{
    if (!a) {
        return xstrdup("none");
    }

    char *ips = svec_join((struct svec *) &a->ips, ",", "");
    char *s = xasprintf("%s container=%s pod=%s/%s mac=%s ips=%s",
                        a->convention, a->container_id, a->pod_namespace,
                        a->pod_name, a->mac, ips);
    free(ips);
    return s;
}

static void
check(const char *port, const char *interface, const char *expected)
{
    struct attachment *a = parse(port, interface);
    char *s = format(a);

    assert_string_equal(s, expected);
    free(s);
    attachment_destroy(a);
}

static void
check_id(const char *port, const char *interface, const char *key,
         const char *expected)
{
    struct attachment *a = parse(port, interface);

    assert_non_null(a);
    assert_string_equal(smap_get_def(&a->external_ids, key, ""), expected);
    attachment_destroy(a);
}

#define ID "f4b0c7d1e2a34f45" \
           "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718"

static void
test_antrea(void **state OVS_UNUSED)
{
    static const char port[]
        = "antrea-type=container attached-mac=5E:B5:E3:A6:90:B7 "
          "ip-address=10.10.0.26,fd00:10::1a container-id="ID" "
          "pod-name=coredns-5d78 pod-namespace=kube-system "
          "net-ns=/var/run/netns/cni-1a2b";

    check(port, "", "antrea container="ID" pod=kube-system/coredns-5d78 "
          "mac=5e:b5:e3:a6:90:b7 ips=10.10.0.26,fd00:10::1a");
    check_id(port, "", "netns", "/var/run/netns/cni-1a2b");

    /* Ports that are no containers. */
    check("antrea-type=gateway attached-mac=5e:b5:e3:a6:90:b7", "", "none");
    check("antrea-type=tunnel", "", "none");

    /* The keys count in the Port row only. */
    check("", port, "bastion container="ID" pod=kube-system/coredns-5d78 "
          "mac=5e:b5:e3:a6:90:b7 ips=");
}

static void
test_ovn_kubernetes(void **state OVS_UNUSED)
{
    check("", "attached_mac=0a:58:0a:f4:01:0d iface-id=default_web-6d4c "
          "iface-id-ver=2b3e sandbox="ID" "
          "ip_addresses=10.244.1.13/24,fd00:10:244:2::d/64 "
          "ovn-installed=true ovn-installed-ts=1700000000000",
          "ovn-kubernetes container="ID" pod=default/web-6d4c "
          "mac=0a:58:0a:f4:01:0d ips=10.244.1.13,fd00:10:244:2::d");
    check_id("", "iface-id=default_web sandbox=s iface-id-ver=2b3e",
             "pod-uid", "2b3e");

    /* A network of the user's. */
    check("", "iface-id=tenant.red_default_web.0 sandbox=s",
          "ovn-kubernetes container=s pod=default/web.0 mac= ips=");

    /* The node's management port. */
    check("", "iface-id=k8s-node1", "none");
    check("", "iface-id=default_web", "none");
    check("", "iface-id=_ sandbox=s",
          "ovn-kubernetes container=s pod=/ mac= ips=");
}

static void
test_kube_ovn(void **state OVS_UNUSED)
{
    check("", "iface-id=web-0.default vendor=kube-ovn pod_name=web-0 "
          "pod_namespace=default ip=10.16.0.5,fd00:10:16::5 "
          "pod_netns=/var/run/netns/cni-1",
          "kube-ovn container= pod=default/web-0 mac= "
          "ips=10.16.0.5,fd00:10:16::5");

    /* Keys count for more than the name of the logical port, which is that of
     * a virtual machine here. */
    check("", "iface-id=vm-1.default vendor=kube-ovn pod_name=launcher-vm-1-x "
          "pod_namespace=default",
          "kube-ovn container= pod=default/launcher-vm-1-x mac= ips=");

    check("", "iface-id=web.v2.default vendor=kube-ovn",
          "kube-ovn container= pod=default/web.v2 mac= ips=");
    check("", "iface-id=web.v2.default.net1.kube-system.ovn vendor=kube-ovn",
          "kube-ovn container= pod=default/web.v2 mac= ips=");
    check("", "iface-id=node-a.example.org vendor=kube-ovn", "none");
    check("", "vendor=kube-ovn", "none");
    check("", "vendor=kube-ovn iface-id=nodot", "none");
    check("", "vendor=kube-ovn iface-id=.ovn",
          "kube-ovn container= pod=/ mac= ips=");
}

static void
test_ovs_cni(void **state OVS_UNUSED)
{
    static const char port[]
        = "contPodUid=9c1f contNetns=/var/run/netns/x contIface=net1 "
          "owner=ovs-cni.network.kubevirt.io";

    check(port, "", "ovs-cni container= pod=/ mac= ips=");
    check_id(port, "", "pod-uid", "9c1f");
    check_id(port, "", "netns", "/var/run/netns/x");
    check_id(port, "", "ifname", "net1");

    /* With bastion-cni after it in the chain. */
    check(port, "container-id=c1 pod-name=web pod-namespace=shop",
          "ovs-cni container=c1 pod=shop/web mac= ips=");
    check("owner=somebody contIface=net1", "", "none");
}

static void
test_ovs_docker(void **state OVS_UNUSED)
{
    check("", "container_id=web container_iface=eth1",
          "ovs-docker container=web pod=/ mac= ips=");
    check_id("", "container_id=web container_iface=eth1", "ifname", "eth1");
    check("", "container_iface=eth1", "none");
}

static void
test_os_vif(void **state OVS_UNUSED)
{
    check("", "iface-id=4bf2 iface-status=active "
          "attached-mac=fa:16:3e:a4:22:10 vm-uuid=77aa",
          "os-vif container=77aa pod=/ mac=fa:16:3e:a4:22:10 ips=");

    /* ovn-docker-overlay-driver. */
    check("", "iface-id=4bf2 iface-status=active "
          "attached-mac=fa:16:3e:a4:22:10 vm-id=77bb",
          "os-vif container=77bb pod=/ mac=fa:16:3e:a4:22:10 ips=");
    check("", "iface-id=4bf2 iface-status=inactive "
          "attached-mac=fa:16:3e:a4:22:10", "none");
    check("", "iface-id=4bf2", "none");
}

static void
test_bastion(void **state OVS_UNUSED)
{
    check("", "container-id=c1 attached-mac=02:00:00:00:00:01 "
          "ip-addresses=10.0.0.2,fd00::2 pod-name=p pod-namespace=n",
          "bastion container=c1 pod=n/p mac=02:00:00:00:00:01 "
          "ips=10.0.0.2,fd00::2");
    check("", "bastion-veth=v1", "none");
    check("", "", "none");
}

/* Values that make no sense are left out; the others count. */
static void
test_hostile(void **state OVS_UNUSED)
{
    char *longest = xasprintf("container-id=%255s", "");
    char *too_long = xasprintf("container-id=%256s", "");
    char *ips = xstrdup("container-id=c ip-addresses=10.0.0.1");

    memset(longest + 13, 'x', 255);
    memset(too_long + 13, 'x', 256);
    char *expected = xasprintf("bastion container=%s pod=/ mac= ips=",
                               longest + 13);
    check("", longest, expected);
    check("", too_long, "none");
    free(expected);
    free(longest);
    free(too_long);

    check("", "container-id=c\n attached-mac=02:00:00:00:00:01", "none");
    check("", "container-id=c pod-name=\033[2J pod-namespace=n",
          "bastion container=c pod=n/ mac= ips=");
    check("", "container-id=c attached-mac=01:00:5e:00:00:01",
          "bastion container=c pod=/ mac= ips=");
    check("", "container-id=c attached-mac=ff:ff:ff:ff:ff:ff",
          "bastion container=c pod=/ mac= ips=");
    check("", "container-id=c "
          "ip-addresses=,,x,10.0.0.1/24/7,10.0.0.1,::ffff:10.0.0.2,/",
          "bastion container=c pod=/ mac= ips=10.0.0.1");
    check("", "container-id=", "none");

    for (int i = 0; i < 100; i++) {
        char *more = xasprintf("%s,10.0.1.%d", ips, i);
        free(ips);
        ips = more;
    }
    struct attachment *a = parse("", ips);
    assert_int_equal(a->ips.n, 64);
    attachment_destroy(a);
    free(ips);
}

/* Duplicates. */

struct port_spec {
    const char *interface;
    const char *ids;
    unsigned int ofport;
    bool netns_exists;
};

/* Checks that of 'specs', 'expected' are live. */
static void
check_select(const struct port_spec *specs, size_t n, const char *expected)
{
    struct attached_port *ports = xcalloc(n, sizeof *ports);
    struct attachment **attachments = xcalloc(n, sizeof *attachments);
    struct svec names = SVEC_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        attachments[i] = parse("", specs[i].ids);
        ports[i] = (struct attached_port) {
            .interface = specs[i].interface,
            .bridge = "br0",
            .ofport = specs[i].ofport,
            .netns_exists = specs[i].netns_exists,
            .attachment = attachments[i],
        };
    }
    size_t n_live = attached_ports_select(ports, n);
    for (size_t i = 0; i < n_live; i++) {
        svec_add(&names, ports[i].interface);
    }

    char *s = svec_join(&names, " ", "");
    assert_string_equal(s, expected);
    free(s);
    svec_destroy(&names);
    for (size_t i = 0; i < n; i++) {
        attachment_destroy(attachments[i]);
    }
    free(attachments);
    free(ports);
}

static void
test_duplicates(void **state OVS_UNUSED)
{
    const struct port_spec different[] = {
        { "b", "iface-id=n_b sandbox=1", 1, false },
        { "a", "iface-id=n_a sandbox=2", 2, false },
        { "c", "container-id=c ifname=eth0", 3, false },
        { "d", "container-id=c ifname=eth1", 4, false },
    };
    check_select(different, ARRAY_SIZE(different), "a b c d");
    check_select(different, 1, "b");
    check_select(different, 0, "");

    /* Two containers that call themselves the same. */
    const struct port_spec same_pod[] = {
        { "a", "container-id=1 pod-name=p ifname=eth0", 1, true },
        { "b", "container-id=2 pod-name=p ifname=eth0", 2, false },
    };
    check_select(same_pod, ARRAY_SIZE(same_pod), "a b");

    /* A sandbox that is being replaced: OVN knows which is the later. */
    const struct port_spec installed[] = {
        { "old", "iface-id=n_p sandbox=1 ovn-installed-ts=1000", 9, false },
        { "new", "iface-id=n_p sandbox=2 ovn-installed-ts=2000", 3, false },
    };
    check_select(installed, ARRAY_SIZE(installed), "new");

    /* Nothing but the port's number. */
    const struct port_spec numbered[] = {
        { "old", "iface-id=n_p sandbox=1", 3, false },
        { "new", "iface-id=n_p sandbox=2", 4, false },
    };
    check_select(numbered, ARRAY_SIZE(numbered), "new");

    /* The network namespace counts for more than both. */
    const struct port_spec netns[] = {
        { "live", "vendor=kube-ovn iface-id=p.n pod_netns=/1", 3, true },
        { "dead", "vendor=kube-ovn iface-id=p.n pod_netns=/2 "
                  "ovn-installed-ts=5", 4, false },
        { "other", "vendor=kube-ovn iface-id=q.n pod_netns=/3", 5, false },
    };
    check_select(netns, ARRAY_SIZE(netns), "live other");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_antrea),
        cmocka_unit_test(test_ovn_kubernetes),
        cmocka_unit_test(test_kube_ovn),
        cmocka_unit_test(test_ovs_cni),
        cmocka_unit_test(test_ovs_docker),
        cmocka_unit_test(test_os_vif),
        cmocka_unit_test(test_bastion),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_duplicates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
