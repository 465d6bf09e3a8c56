/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_TESTS_OVS_COMPAT_H
#define BASTION_TESTS_OVS_COMPAT_H 1

/* Functions of Open vSwitch whose arguments have changed between 3.1 and 3.5.
 * configure finds out which ones this Open vSwitch has. */

#include "flow.h"
#include "openvswitch/json.h"
#include "unixctl.h"

/* Without payload and with a correct checksum; see flow_compose(). */
static inline void
compat_flow_compose(struct dp_packet *packet, const struct flow *flow)
{
#ifdef OVS_FLOW_COMPOSE_HAS_BAD_CSUM
    flow_compose(packet, flow, NULL, 0, false);
#else
    flow_compose(packet, flow, NULL, 0);
#endif
}

#ifdef OVS_UNIXCTL_HAS_JSON
/* Takes ownership of 'json', which is a string or null. */
static inline char *
compat_steal_string(struct json *json)
{
    char *s = json ? xstrdup(json_string(json)) : NULL;
    json_destroy(json);
    return s;
}
#endif

/* The caller must free '*result' and '*error'; see
 * unixctl_client_transact(). */
static inline int
compat_unixctl_transact(struct jsonrpc *client, const char *command,
                        int argc, char *argv[], char **result, char **error)
{
#ifdef OVS_UNIXCTL_HAS_JSON
    struct json *result_json, *error_json;
    int retval = unixctl_client_transact(client, command, argc, argv,
                                         &result_json, &error_json);
    *result = compat_steal_string(result_json);
    *error = compat_steal_string(error_json);
    return retval;
#else
    return unixctl_client_transact(client, command, argc, argv,
                                   result, error);
#endif
}

#endif /* tests/ovs-compat.h */
