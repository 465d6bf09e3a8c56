/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_NETCONF_H
#define BASTION_CNI_NETCONF_H 1

/* What the container runtime asks for: the environment variables and the
 * configuration on standard input.
 *
 * Parsing is pure.  Neither source is trusted to be well-formed. */

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/compiler.h"
#include "openvswitch/types.h"
#include "svec.h"

struct cni_error;
struct json;

/* The versions of the specification that are supported, oldest first, NULL at
 * the end. */
extern const char *const cni_versions[];

enum cni_command {
    CNI_ADD,
    CNI_CHECK,
    CNI_DEL,
    CNI_GC,
    CNI_STATUS,
    CNI_VERSION
};

/* The environment.  All strings are borrowed from it. */
struct cni_request {
    enum cni_command command;
    const char *container_id;   /* ADD, CHECK, DEL: never empty. */
    const char *ifname;         /* Likewise. */
    const char *netns;          /* ADD, CHECK: never empty.  DEL: may be "". */
    const char *args;           /* CNI_ARGS, "" if there are none. */
    const char *path;           /* CNI_PATH, "" if there is none. */
};

struct cni_error *cni_request_parse(struct cni_request *)
    OVS_WARN_UNUSED_RESULT;

/* The configuration.  Strings are owned; NULL stands for "not given". */
struct netconf {
    char *cni_version;          /* Never NULL. */
    char *name;                 /* Of the CNI network; never NULL. */
    char *network;              /* Bastion's network; never NULL. */
    char *service;              /* Never NULL. */
    bool default_service;       /* 'service' is created if necessary. */
    char *bridge;
    int mtu;                    /* 0 if not given. */
    char *bastion_db;
    char *ovs_db;
    int timeout;                /* Of the command, in seconds. */
    char *state_dir;            /* Never NULL. */
    char *private_key;          /* For remote databases: names of files. */
    char *certificate;
    char *ca_cert;

    char *ipam_type;            /* NULL: the plugin is chained. */
    bool has_mac;
    struct eth_addr mac;        /* That the runtime wants, if 'has_mac'. */
    struct json *prev_result;   /* Owned; NULL if there is none. */

    /* GC: what still exists, each as "CONTAINER-ID IFNAME".  Sorted. */
    bool has_valid_attachments;
    struct svec valid_attachments;

    char *pod_namespace;        /* From CNI_ARGS. */
    char *pod_name;
};

/* Parses 'text', which is for 'request'.  'conf' needs netconf_destroy() in
 * any case; after an error, at least 'conf->cni_version' is usable. */
struct cni_error *netconf_parse(const char *text, const struct cni_request *,
                                struct netconf *conf)
    OVS_WARN_UNUSED_RESULT;
void netconf_destroy(struct netconf *);

/* Is 'version' at least 'least'?  Both must be among 'cni_versions'. */
bool cni_version_is_at_least(const char *version, const char *least);

#endif /* cni/netconf.h */
