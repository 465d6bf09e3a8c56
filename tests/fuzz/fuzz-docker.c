/* SPDX-License-Identifier: Apache-2.0 */

/* What a Docker or Podman daemon, and a compose file, may say.
 *
 * The first byte of the input selects the reader: 'c' for a list of
 * containers, 'n' for one of networks, 'y' for a compose file.  What comes of
 * it must be something that the database takes. */

#include <config.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/peer.h"
#include "lib/policy.h"
#include "manager/compose-file.h"
#include "manager/desired.h"
#include "manager/docker-model.h"
#include "manager/docker-parse.h"
#include "manager/json-reader.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

static const char networks[] =
    "[{\"Name\":\"net\",\"Driver\":\"bridge\","
    "\"IPAM\":{\"Config\":[{\"Subnet\":\"10.0.0.0/8\"}]}}]";

static const char containers[] =
    "[{\"Id\":\"1\",\"Names\":[\"/web\"],\"Labels\":{"
    "\"com.docker.compose.project\":\"shop\","
    "\"com.docker.compose.service\":\"web\","
    "\"bastion.depends-on\":\"db:tcp:1,world,host:icmp\"},"
    "\"NetworkSettings\":{\"Networks\":{\"net\":"
    "{\"IPAddress\":\"10.0.0.1\"}}}},"
    "{\"Id\":\"2\",\"Names\":[\"/db\"],\"Labels\":{"
    "\"com.docker.compose.project\":\"shop\","
    "\"com.docker.compose.service\":\"db\"},"
    "\"NetworkSettings\":{\"Networks\":{\"net\":"
    "{\"IPAddress\":\"10.0.0.2\"}}}}]";

struct input {
    char *(*parse)(struct json_object *, struct docker_model *);
    struct docker_model *model;
};

static void
parse_value(struct json_object *value, void *input_)
{
    struct input *input = input_;

    free(input->parse(value, input->model));
    json_object_put(value);
}

static void
read_json(const void *data, size_t size, struct docker_model *model,
          char *(*parse)(struct json_object *, struct docker_model *))
{
    const struct json_limits limits = { 1024 * 1024, 32, 10000 };
    struct input input = { parse, model };
    struct json_reader *reader = json_reader_create(&limits, parse_value,
                                                    &input);
    char *error = json_reader_feed(reader, data, size);

    if (!error) {
        error = json_reader_finish(reader);
    }
    free(error);
    json_reader_destroy(reader);
}

/* "NETWORK/NAME", both valid. */
static void
check_name(const char *full_name)
{
    const char *slash = strchr(full_name, '/');
    ovs_assert(slash);

    char *network = xmemdup0(full_name, slash - full_name);
    ovs_assert(!name_check(network));
    ovs_assert(!name_check(slash + 1));
    free(network);
}

static void
check_desired(const struct desired *desired)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &desired->networks) {
        ovs_assert(!name_check(node->name));
    }
    SHASH_FOR_EACH (node, &desired->services) {
        check_name(node->name);
    }
    SHASH_FOR_EACH (node, &desired->containers) {
        const struct desired_container *container = node->data;

        check_name(node->name);
        ovs_assert(shash_find(&desired->services, container->service));
        ovs_assert(!sset_is_empty(&container->ips));
    }
    SHASH_FOR_EACH (node, &desired->dependencies) {
        const struct desired_dependency *dependency = node->data;
        const char *policy;

        ovs_assert(!sset_is_empty(&dependency->policies));
        SSET_FOR_EACH (policy, &dependency->policies) {
            struct policy parsed;

            ovs_assert(!policy_parse(policy, &parsed));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct docker_options options = {
        .bridge = CONST_CAST(char *, "br-int"),
        .publish = true
    };
    struct docker_model model;
    struct desired desired;

    if (!size) {
        return 0;
    }
    docker_model_init(&model);
    read_json(networks, sizeof networks - 1, &model, docker_parse_networks);
    read_json(containers, sizeof containers - 1, &model,
              docker_parse_containers);
    switch (data[0]) {
    case 'c':
        read_json(data + 1, size - 1, &model, docker_parse_containers);
        break;
    case 'n':
        read_json(data + 1, size - 1, &model, docker_parse_networks);
        break;
    case 'y':
        free(compose_file_parse((const char *) data + 1, size - 1, "shop",
                                &model));
        break;
    }

    sset_init(&options.networks);
    smap_init(&options.labels);
    for (int implicit = 0; implicit <= DOCKER_IMPLICIT_EXPOSED; implicit++) {
        options.implicit = implicit;
        desired_init(&desired);
        docker_model_get_desired(&model, &options, &desired);
        check_desired(&desired);
        desired_destroy(&desired);
    }
    sset_destroy(&options.networks);
    smap_destroy(&options.labels);
    docker_model_destroy(&model);
    return 0;
}
