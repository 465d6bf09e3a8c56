/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cni/cni-error.h"
#include "cni/host-side.h"
#include "cni/netconf.h"
#include "cni/result.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "util.h"

/* Configuration. */

static const struct cni_request add_request = {
    .command = CNI_ADD,
    .container_id = "c1",
    .ifname = "eth0",
    .netns = "/run/netns/c1",
    .args = "",
    .path = "/usr/lib/cni",
};

/* Parses 'text', and returns the error's code and message. */
static char *
parse_error(const char *text, const char *args)
{
    struct cni_request request = add_request;
    struct netconf conf;

    request.args = args;
    struct cni_error *error = netconf_parse(text, &request, &conf);
    char *s = (error ? xasprintf("%u %s", error->code, error->msg)
               : xstrdup("ok"));
    cni_error_destroy(error);
    netconf_destroy(&conf);
    return s;
}

static void
check_error(const char *text, const char *args, const char *expected)
{
    char *s = parse_error(text, args);

    assert_string_equal(s, expected);
    free(s);
}

#define CONF(MORE) "{\"cniVersion\":\"1.0.0\",\"name\":\"web\"" MORE "}"

static void
test_netconf(void **state OVS_UNUSED)
{
    struct cni_request request = add_request;
    struct netconf conf;

    assert_null(netconf_parse(CONF(), &request, &conf));
    assert_string_equal(conf.network, "web");
    assert_string_equal(conf.service, "unassigned");
    assert_true(conf.default_service);
    assert_int_equal(conf.timeout, 10);
    assert_null(conf.ipam_type);
    assert_null(conf.bridge);
    assert_null(conf.prev_result);
    netconf_destroy(&conf);

    request.args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;"
                   "MAC=02:00:00:00:00:07";
    assert_null(netconf_parse(
                    CONF(",\"service\":\"net2/front\",\"mtu\":1400,"
                         "\"timeout\":3,\"bridge\":\"br0\","
                         "\"ipam\":{\"type\":\"host-local\"},"
                         "\"bastion-db\":\"tcp:127.0.0.1:6644\","
                         "\"unknown\":[{}]"), &request, &conf));
    assert_string_equal(conf.network, "net2");
    assert_string_equal(conf.service, "front");
    assert_false(conf.default_service);
    assert_int_equal(conf.mtu, 1400);
    assert_int_equal(conf.timeout, 3);
    assert_string_equal(conf.bridge, "br0");
    assert_string_equal(conf.ipam_type, "host-local");
    assert_string_equal(conf.bastion_db, "tcp:127.0.0.1:6644");
    assert_string_equal(conf.pod_namespace, "shop");
    assert_string_equal(conf.pod_name, "web-0");
    assert_true(conf.has_mac && conf.mac.ea[5] == 7);
    netconf_destroy(&conf);
}

static void
test_netconf_errors(void **state OVS_UNUSED)
{
    char *s = parse_error("{\"cniVersion\":\"1.0.0\",", "");
    assert_memory_equal(s, "6 configuration: ", 17);
    free(s);

    check_error("[]", "", "6 configuration: not an object");
    check_error("{}", "",
                "7 configuration: \"cniVersion\" must be a string");
    check_error("{\"cniVersion\":\"2.0.0\",\"name\":\"web\"}", "",
                "1 CNI version \"2.0.0\" is not supported");
    check_error("{\"cniVersion\":\"0.2.0\",\"name\":\"web\"}", "",
                "1 CNI version \"0.2.0\" is not supported");
    check_error("{\"cniVersion\":\"1.0.0\"}", "",
                "7 configuration: \"name\" must be there");
    check_error(CONF(",\"mtu\":\"x\""), "",
                "7 configuration: \"mtu\" must be an integer from 68 to "
                "65535");
    check_error(CONF(",\"mtu\":67"), "",
                "7 configuration: \"mtu\" must be an integer from 68 to "
                "65535");
    check_error(CONF(",\"timeout\":0"), "",
                "7 configuration: \"timeout\" must be an integer from 1 to "
                "600");
    check_error(CONF(",\"bridge\":1"), "",
                "7 configuration: \"bridge\" must be a string that is not "
                "empty");
    check_error(CONF(",\"ipam\":[]"), "",
                "7 configuration: \"ipam\" must be an object");
    check_error(CONF(",\"ipam\":{\"type\":\"a/b\"}"), "",
                "7 configuration: \"type\" must be the name of an IPAM "
                "plugin");
    check_error(CONF(",\"ipam\":{\"type\":\"..\"}"), "",
                "7 configuration: \"type\" must be the name of an IPAM "
                "plugin");
    check_error(CONF(",\"service\":\"a/b\",\"bastion-network\":\"c\""), "",
                "7 configuration: \"service\" is in another network than "
                "\"bastion-network\"");
    check_error(CONF(",\"runtimeConfig\":{\"mac\":1}"), "",
                "7 configuration: \"mac\" must be a string");
    check_error(CONF(",\"cni.dev/valid-attachments\":[{}]"), "",
                "7 configuration: \"cni.dev/valid-attachments\" must be an "
                "array of objects with containerID and ifname");
    check_error(CONF(), "MAC", "4 CNI_ARGS: \"MAC\" is not a list of "
                "KEY=VALUE");
    check_error(CONF(), ";;", "ok");

    s = parse_error(CONF(), "MAC=01:00:00:00:00:00");
    assert_memory_equal(s, "7 MAC address: ", 15);
    free(s);
    s = parse_error(CONF(",\"service\":\"a/b/c\""), "");
    assert_memory_equal(s, "7 configuration: \"service\"", 26);
    free(s);
}

static void
test_versions(void **state OVS_UNUSED)
{
    assert_true(cni_version_is_at_least("1.0.0", "0.4.0"));
    assert_true(cni_version_is_at_least("0.4.0", "0.4.0"));
    assert_false(cni_version_is_at_least("0.3.1", "0.4.0"));
    assert_false(cni_version_is_at_least("9.9.9", "0.4.0"));

    /* Anybody may ask for versions, in any version. */
    struct cni_request request = { .command = CNI_VERSION };
    struct netconf conf;
    assert_null(netconf_parse("{\"cniVersion\":\"9.0.0\"}", &request, &conf));
    netconf_destroy(&conf);
}

/* Environment. */

static unsigned int
request_error(const char *command, const char *id, const char *ifname,
              const char *netns)
{
    struct cni_request request;

    setenv("CNI_COMMAND", command, true);
    setenv("CNI_CONTAINERID", id, true);
    setenv("CNI_IFNAME", ifname, true);
    setenv("CNI_NETNS", netns, true);
    struct cni_error *error = cni_request_parse(&request);
    unsigned int code = error ? error->code : 0;
    cni_error_destroy(error);
    return code;
}

static void
test_request(void **state OVS_UNUSED)
{
    assert_int_equal(request_error("ADD", "c1", "eth0", "/n"), 0);
    assert_int_equal(request_error("add", "c1", "eth0", "/n"), 4);
    assert_int_equal(request_error("", "c1", "eth0", "/n"), 4);
    assert_int_equal(request_error("VERSION", "", "", ""), 0);
    assert_int_equal(request_error("DEL", "c1", "eth0", ""), 0);
    assert_int_equal(request_error("ADD", "c1", "eth0", ""), 4);
    assert_int_equal(request_error("ADD", "../c1", "eth0", "/n"), 4);
    assert_int_equal(request_error("ADD", "-c1", "eth0", "/n"), 4);
    assert_int_equal(request_error("ADD", "c1:x", "eth0", "/n"), 4);
    assert_int_equal(request_error("ADD", "c1", "a234567890123456", "/n"), 4);
    assert_int_equal(request_error("ADD", "c1", "a23456789012345", "/n"), 0);
    assert_int_equal(request_error("ADD", "c1", "..", "/n"), 4);
    assert_int_equal(request_error("ADD", "c1", "a b", "/n"), 4);
    assert_int_equal(request_error("ADD", "c1", "a/b", "/n"), 4);
}

/* Results. */

static char *
convert(const char *text, const char *version)
{
    struct json *json = json_from_string(text);
    struct cni_result result;
    struct cni_error *error = cni_result_parse(json, "it", &result);
    char *s;

    if (error) {
        s = xasprintf("%u %s", error->code, error->msg);
        cni_error_destroy(error);
    } else {
        struct json *out = cni_result_to_json(&result, version);

        s = json_to_string(out, JSSF_SORT);
        json_destroy(out);
    }
    cni_result_destroy(&result);
    json_destroy(json);
    return s;
}

static void
check_result(const char *text, const char *version, const char *expected)
{
    char *s = convert(text, version);

    assert_string_equal(s, expected);
    free(s);
}

static void
test_result(void **state OVS_UNUSED)
{
    static const char text[]
        = "{\"cniVersion\":\"0.4.0\",\"interfaces\":[{\"name\":\"eth0\","
          "\"mac\":\"02:00:00:00:00:01\",\"sandbox\":\"/n\"}],"
          "\"ips\":[{\"version\":\"4\",\"address\":\"10.0.0.5/24\","
          "\"gateway\":\"10.0.0.1\",\"interface\":0},"
          "{\"address\":\"fd00::5/64\"}],"
          "\"routes\":[{\"dst\":\"0.0.0.0/0\"},"
          "{\"dst\":\"10.1.0.0/16\",\"gw\":\"10.0.0.9\"}],"
          "\"dns\":{\"nameservers\":[\"10.0.0.1\"]}}";

    check_result(text, "1.0.0",
                 "{\"cniVersion\":\"1.0.0\","
                 "\"dns\":{\"nameservers\":[\"10.0.0.1\"]},"
                 "\"interfaces\":[{\"mac\":\"02:00:00:00:00:01\","
                 "\"name\":\"eth0\",\"sandbox\":\"/n\"}],"
                 "\"ips\":[{\"address\":\"10.0.0.5/24\","
                 "\"gateway\":\"10.0.0.1\",\"interface\":0},"
                 "{\"address\":\"fd00::5/64\"}],"
                 "\"routes\":[{\"dst\":\"0.0.0.0/0\"},"
                 "{\"dst\":\"10.1.0.0/16\",\"gw\":\"10.0.0.9\"}]}");
    check_result("{\"ips\":[{\"address\":\"fd00::5/64\"}]}", "0.4.0",
                 "{\"cniVersion\":\"0.4.0\",\"dns\":{},\"interfaces\":[],"
                 "\"ips\":[{\"address\":\"fd00::5/64\",\"version\":\"6\"}],"
                 "\"routes\":[]}");
}

static void
test_result_errors(void **state OVS_UNUSED)
{
    check_result("[]", "1.0.0", "6 result of it: not an object");
    check_result("{\"ips\":{}}", "1.0.0",
                 "6 result of it: \"ips\" is not an array");
    check_result("{\"ips\":[{}]}", "1.0.0",
                 "6 result of it: an address is missing");
    check_result("{\"ips\":[{\"address\":\"10.0.0.5\"}]}", "1.0.0",
                 "6 result of it: 10.0.0.5: expected ADDRESS/LENGTH");
    check_result("{\"ips\":[{\"address\":\"10.0.0.5/33\"}]}", "1.0.0",
                 "6 result of it: 10.0.0.5/33: prefix is too long");
    check_result("{\"ips\":[{\"address\":\"10.0.0.5/9999999999\"}]}", "1.0.0",
                 "6 result of it: 10.0.0.5/9999999999: expected "
                 "ADDRESS/LENGTH");
    check_result("{\"ips\":[{\"address\":\"10.0.0.5/24\",\"interface\":0}]}",
                 "1.0.0", "6 result of it: 10.0.0.5/24: there is no such "
                 "interface");
    check_result("{\"routes\":[{\"gw\":\"10.0.0.1\"}]}", "1.0.0",
                 "6 result of it: the destination of a route is missing");
    check_result("{\"interfaces\":[{}]}", "1.0.0",
                 "6 result of it: the name of an interface is missing");

    struct cni_result result;
    struct cni_error *error = cni_result_parse(NULL, "it", &result);
    assert_non_null(error);
    cni_error_destroy(error);
    cni_result_destroy(&result);
}

/* What another plugin says when it fails. */
static void
test_errors(void **state OVS_UNUSED)
{
    struct json *json = json_from_string(
        "{\"code\":11,\"msg\":\"full\",\"details\":\"try\"}");
    struct cni_error *error = cni_error_from_json(json, "it");

    assert_int_equal(error->code, 11);
    assert_string_equal(error->msg, "it: full");
    assert_string_equal(error->details, "try");
    json_destroy(json);

    json = cni_error_to_json(error, "1.0.0");
    char *s = json_to_string(json, JSSF_SORT);
    assert_string_equal(s, "{\"cniVersion\":\"1.0.0\",\"code\":11,"
                        "\"details\":\"try\",\"msg\":\"it: full\"}");
    free(s);
    json_destroy(json);
    cni_error_destroy(error);

    error = cni_error_from_json(NULL, "it");
    assert_int_equal(error->code, CNI_ERR_IPAM);
    cni_error_destroy(error);
}

static void
test_host_names(void **state OVS_UNUSED)
{
    struct host_names a, b, c;

    host_names_init(&a, "c1", "eth0");
    host_names_init(&b, "c1", "eth0");
    host_names_init(&c, "c1", "eth1");
    assert_string_equal(a.port, b.port);
    assert_string_not_equal(a.port, c.port);
    assert_string_not_equal(a.port, a.veth);
    assert_string_equal(a.port + 2, a.veth + 2);
    assert_int_equal(strlen(a.port), 14);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_netconf),
        cmocka_unit_test(test_netconf_errors),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_result_errors),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_host_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
