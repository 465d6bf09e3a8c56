/* SPDX-License-Identifier: Apache-2.0 */

/* What a container runtime and other plugins tell bastion-cni.
 *
 * The first byte of the input selects the parser, the rest is the text.  A
 * result that is accepted must come back from its formatter in a form that is
 * accepted again, as the same thing. */

#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cni/cni-error.h"
#include "cni/netconf.h"
#include "cni/result.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

#define SMALLEST_CONF "{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}"

static void
fuzz_netconf(const char *text, const char *args)
{
    const struct cni_request request = {
        .command = CNI_ADD,
        .container_id = "c1",
        .ifname = "eth0",
        .netns = "/n",
        .args = args,
        .path = "",
    };
    struct netconf conf;
    struct cni_error *error = netconf_parse(text, &request, &conf);

    ovs_assert(conf.cni_version);
    ovs_assert(error || (conf.name && conf.network && conf.service
                         && conf.state_dir && conf.timeout > 0));
    ovs_assert(error || !conf.ipam_type || !strchr(conf.ipam_type, '/'));
    cni_error_destroy(error);
    netconf_destroy(&conf);
}

static void
fuzz_result(const char *text)
{
    struct json *json = json_from_string(text);
    struct cni_result result, again;
    struct cni_error *error = cni_result_parse(json, "it", &result);

    if (!error) {
        struct json *out = cni_result_to_json(&result, "1.0.0");

        ovs_assert(!cni_result_parse(out, "it", &again));
        struct json *out2 = cni_result_to_json(&again, "1.0.0");
        ovs_assert(json_equal(out, out2));
        json_destroy(out);
        json_destroy(out2);
        cni_result_destroy(&again);
    }
    cni_error_destroy(error);
    cni_result_destroy(&result);
    json_destroy(json);
}

static void
fuzz_error(const char *text)
{
    struct json *json = json_from_string(text);
    struct cni_error *error = cni_error_from_json(json, "it");

    ovs_assert(error->code > 0);
    json_destroy(cni_error_to_json(error, "1.0.0"));
    cni_error_destroy(error);
    json_destroy(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }

    char *s = xmemdup0((const char *) data + 1, size - 1);
    switch (data[0]) {
    case 'c': fuzz_netconf(s, ""); break;
    case 'a': fuzz_netconf(SMALLEST_CONF, s); break;
    case 'r': fuzz_result(s); break;
    case 'e': fuzz_error(s); break;
    }
    free(s);
    return 0;
}
