/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_RESULT_H
#define BASTION_CNI_RESULT_H 1

/* Results as plugins print them: what a container's interface is to be, or is.
 *
 * Parsing and formatting are pure. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"
#include "openvswitch/compiler.h"

struct cni_error;
struct json;

struct cni_ip {
    struct in6_addr addr;       /* In the form of lib/address.h. */
    unsigned int plen;          /* Of its own IP version. */
    bool has_gateway;
    struct in6_addr gateway;
    int interface;              /* Index in 'interfaces', -1 if not given. */
};

struct cni_route {
    struct ip_prefix dst;
    bool has_gateway;
    struct in6_addr gateway;
};

struct cni_interface {
    char *name;
    char *mac;                  /* NULL if not given. */
    char *sandbox;              /* NULL: on the host. */
};

struct cni_result {
    struct cni_interface *interfaces;
    size_t n_interfaces;
    struct cni_ip *ips;
    size_t n_ips;
    struct cni_route *routes;
    size_t n_routes;
    struct json *dns;           /* NULL if not given. */
};

/* Parses 'json', which is the result of 'whose' and may be NULL.  'result'
 * needs cni_result_destroy() in any case. */
struct cni_error *cni_result_parse(const struct json *, const char *whose,
                                   struct cni_result *result)
    OVS_WARN_UNUSED_RESULT;
void cni_result_destroy(struct cni_result *);

void cni_result_add_interface(struct cni_result *, const char *name,
                              const char *mac, const char *sandbox);

/* Returns the interface called 'name' in the container, or NULL. */
const struct cni_interface *cni_result_find_interface(
    const struct cni_result *, const char *name);

/* Does 'ip' belong to 'interface'?  One that does not say is everybody's. */
bool cni_result_ip_is_of(const struct cni_result *, const struct cni_ip *,
                         const struct cni_interface *);

/* The gateway of 'route': its own, or else that of an address of the same IP
 * version, or NULL. */
const struct in6_addr *cni_result_get_gateway(const struct cni_result *,
                                              const struct cni_route *route);

struct json *cni_result_to_json(const struct cni_result *,
                                const char *cni_version);

#endif /* cni/result.h */
