/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "controller/depmap.h"
#include "controller/netmap.h"
#include "flow.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

static struct in6_addr
ip(const char *s)
{
    struct in6_addr addr;
    char *error = ip_address_parse(s, &addr);

    assert_null(error);
    return addr;
}

static struct ip_prefix
prefix(const char *s)
{
    struct ip_prefix p;
    char *error = ip_prefix_parse(s, &p);

    assert_null(error);
    return p;
}

static struct uuid
uuid(uint32_t n)
{
    return (struct uuid) { .parts = { n, 0, 0, 0 } };
}

static struct netmap_network *
add_network(struct netmap *netmap, uint32_t n, const char *bridge,
            const char *subnet)
{
    struct netmap_network *network = xzalloc(sizeof *network);

    network->uuid = uuid(n);
    network->name = xasprintf("net%"PRIu32, n);
    network->zone = NETMAP_ZONE_BASE + n;
    network->bridge = xstrdup(bridge);
    network->subnets = xmalloc(sizeof *network->subnets);
    network->subnets[0] = prefix(subnet);
    network->n_subnets = 1;
    network->gateway_port = xstrdup(bridge);
    network->gateway_ofport = OFPP_NONE;
    netmap_add_network(netmap, network);
    return network;
}

static struct netmap_service *
add_service(struct netmap *netmap, uint32_t n,
            const struct netmap_network *network)
{
    struct netmap_service *service = xzalloc(sizeof *service);

    service->uuid = uuid(n);
    service->name = xasprintf("svc%"PRIu32, n);
    service->network = network;
    service->identity = n;
    netmap_add_service(netmap, service);
    return service;
}

static struct netmap_endpoint *
add_endpoint(struct netmap *netmap, uint32_t n,
             const struct netmap_service *service, uint16_t ofport,
             const char *address)
{
    struct netmap_endpoint *endpoint = xzalloc(sizeof *endpoint);

    endpoint->uuid = uuid(n);
    endpoint->name = xasprintf("con%"PRIu32, n);
    endpoint->service = service;
    endpoint->interface = xasprintf("if%"PRIu32, n);
    endpoint->ofport = u16_to_ofp(ofport);
    endpoint->ips = xmalloc(2 * sizeof *endpoint->ips);
    endpoint->ips[0] = ip(address);
    endpoint->ips[1] = ip("fe80::1");
    endpoint->n_ips = 2;
    netmap_add_endpoint(netmap, endpoint);
    return endpoint;
}

/* Addresses and ports are unique in one network and on one bridge only. */
static void
test_find(void **state OVS_UNUSED)
{
    struct in6_addr shared = ip("10.0.0.2");
    struct in6_addr lla = ip("fe80::1");
    struct in6_addr unused = ip("10.0.0.3");
    struct netmap netmap;

    netmap_init(&netmap);
    struct netmap_network *n1 = add_network(&netmap, 1, "br0", "10.0.0.0/24");
    struct netmap_network *n2 = add_network(&netmap, 2, "br1", "10.0.0.0/24");
    struct netmap_service *s1 = add_service(&netmap, 256, n1);
    struct netmap_service *s2 = add_service(&netmap, 257, n2);
    struct netmap_endpoint *e1 = add_endpoint(&netmap, 11, s1, 5, "10.0.0.2");
    struct netmap_endpoint *e2 = add_endpoint(&netmap, 12, s2, 5, "10.0.0.2");

    assert_ptr_equal(netmap_find_network(&netmap, &n1->uuid), n1);
    assert_null(netmap_find_network(&netmap, &s1->uuid));
    assert_ptr_equal(netmap_find_network_by_zone(&netmap, 64002), n2);
    assert_null(netmap_find_network_by_zone(&netmap, 64003));
    assert_ptr_equal(netmap_find_service(&netmap, &s2->uuid), s2);
    assert_ptr_equal(netmap_find_service_by_identity(&netmap, 257), s2);
    assert_null(netmap_find_service_by_identity(&netmap, IDENTITY_HOST));
    assert_ptr_equal(netmap_find_endpoint(&netmap, &e1->uuid), e1);
    assert_ptr_equal(netmap_find_endpoint_by_ip(&netmap, n1, &shared), e1);
    assert_ptr_equal(netmap_find_endpoint_by_ip(&netmap, n2, &shared), e2);
    assert_ptr_equal(netmap_find_endpoint_by_ip(&netmap, n2, &lla), e2);
    assert_null(netmap_find_endpoint_by_ip(&netmap, n2, &unused));
    assert_ptr_equal(netmap_find_endpoint_by_interface(&netmap, "if12"), e2);
    assert_null(netmap_find_endpoint_by_interface(&netmap, "if1"));
    assert_ptr_equal(netmap_find_endpoint_by_ofport(&netmap, "br1",
                                                    u16_to_ofp(5)), e2);
    assert_null(netmap_find_endpoint_by_ofport(&netmap, "br2",
                                               u16_to_ofp(5)));
    assert_null(netmap_find_endpoint_by_ofport(&netmap, "br1",
                                               u16_to_ofp(6)));

    netmap_remove_endpoint(&netmap, e1);
    assert_null(netmap_find_endpoint_by_ip(&netmap, n1, &shared));
    assert_ptr_equal(netmap_find_endpoint_by_ip(&netmap, n2, &shared), e2);
    assert_int_equal(hmap_count(&netmap.addresses), 2);
    netmap_destroy(&netmap);
}

static void
test_gateway(void **state OVS_UNUSED)
{
    struct in6_addr gateway = ip("10.0.0.1");
    struct in6_addr other = ip("10.0.0.2");
    struct in6_addr lla = ip("fe80::ff:fe00:1");
    struct netmap netmap;

    netmap_init(&netmap);
    struct netmap_network *n = add_network(&netmap, 1, "br0", "10.0.0.0/24");

    assert_false(netmap_network_has_gateway(n));
    assert_false(netmap_network_is_gateway_ip(n, &gateway));
    n->gateways = xmemdup(&gateway, sizeof gateway);
    n->n_gateways = 1;
    assert_true(netmap_network_is_gateway_ip(n, &gateway));
    assert_false(netmap_network_is_gateway_ip(n, &other));

    /* There has to be a port, and its MAC has to be known. */
    assert_false(netmap_network_has_gateway(n));
    n->gateway_ofport = OFPP_LOCAL;
    assert_false(netmap_network_has_gateway(n));
    assert_false(netmap_network_is_gateway_ip(n, &lla));
    n->gateway_mac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,01);
    assert_true(netmap_network_has_gateway(n));
    assert_true(netmap_network_is_gateway_ip(n, &lla));

    assert_true(netmap_network_has_subnet_for(n, &gateway));
    assert_false(netmap_network_has_subnet_for(n, &lla));
    netmap_destroy(&netmap);
}

static void
test_dhcp_server(void **state OVS_UNUSED)
{
    struct netmap netmap;

    netmap_init(&netmap);
    struct netmap_network *n = add_network(&netmap, 1, "br0", "10.0.0.0/24");

    assert_null(netmap_network_first_dhcp_server(n, true));
    n->dhcp_servers = xmalloc(2 * sizeof *n->dhcp_servers);
    n->dhcp_servers[0] = ip("fd00::1");
    n->dhcp_servers[1] = ip("10.0.0.1");
    n->n_dhcp_servers = 2;
    assert_ptr_equal(netmap_network_first_dhcp_server(n, true),
                     &n->dhcp_servers[1]);
    assert_ptr_equal(netmap_network_first_dhcp_server(n, false),
                     &n->dhcp_servers[0]);
    n->dhcp_servers[0] = ip("10.0.0.2");
    assert_ptr_equal(netmap_network_first_dhcp_server(n, true),
                     &n->dhcp_servers[0]);
    assert_null(netmap_network_first_dhcp_server(n, false));
    netmap_destroy(&netmap);
}

static void
test_host_addresses(void **state OVS_UNUSED)
{
    struct in6_addr a = ip("192.0.2.1"), b = ip("192.0.2.2");
    struct netmap netmap;

    netmap_init(&netmap);
    assert_false(netmap_is_host_address(&netmap, &a));
    netmap.host_addresses = xmemdup(&a, sizeof a);
    netmap.n_host_addresses = 1;
    assert_true(netmap_is_host_address(&netmap, &a));
    assert_false(netmap_is_host_address(&netmap, &b));
    netmap_destroy(&netmap);
}

/* CIDR blocks never match the host, "any" does. */
static void
test_peers(void **state OVS_UNUSED)
{
    struct in6_addr inside = ip("10.0.0.1");
    struct in6_addr outside = ip("11.0.0.1");
    struct ip_prefix block = prefix("10.0.0.0/8");
    uint32_t identities[] = { IDENTITY_WORLD, 256, IDENTITY_HOST };
    struct depmap_peers peers = { .n_identities = 0 };

    assert_false(depmap_peers_match(&peers, 256, &inside));
    peers.prefixes = &block;
    peers.n_prefixes = 1;
    assert_true(depmap_peers_match(&peers, 256, &inside));
    assert_true(depmap_peers_match(&peers, IDENTITY_NONE, &inside));
    assert_false(depmap_peers_match(&peers, IDENTITY_HOST, &inside));
    assert_false(depmap_peers_match(&peers, 256, &outside));

    peers.n_prefixes = 0;
    peers.identities = identities;
    peers.n_identities = ARRAY_SIZE(identities);
    assert_true(depmap_peers_match(&peers, 256, &outside));
    assert_true(depmap_peers_match(&peers, IDENTITY_HOST, &outside));
    assert_false(depmap_peers_match(&peers, 257, &outside));
    peers.any = true;
    assert_true(depmap_peers_match(&peers, 257, &outside));
}

static void
test_depmap(void **state OVS_UNUSED)
{
    struct depmap_rule *rule = xzalloc(sizeof *rule);
    struct uuid other = uuid(2);
    struct depmap depmap;

    depmap_init(&depmap);
    rule->uuid = uuid(1);
    depmap_add(&depmap, rule);
    assert_ptr_equal(depmap_find(&depmap, &rule->uuid), rule);
    assert_null(depmap_find(&depmap, &other));
    depmap_remove(&depmap, rule);
    assert_true(hmap_is_empty(&depmap.rules));

    rule = xzalloc(sizeof *rule);
    depmap_add(&depmap, rule);
    depmap_destroy(&depmap);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_gateway),
        cmocka_unit_test(test_dhcp_server),
        cmocka_unit_test(test_host_addresses),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_depmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
