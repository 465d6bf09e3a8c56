/* SPDX-License-Identifier: Apache-2.0 */

/* What is derived from Docker's containers and from Compose files. */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manager/compose-file.h"
#include "manager/desired.h"
#include "manager/docker-model.h"
#include "util.h"

struct fixture {
    struct docker_model model;
    struct docker_options options;
    struct desired desired;
};

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    struct docker_network *network;

    docker_model_init(&f->model);
    desired_init(&f->desired);
    f->options.bridge = xstrdup("br-int");
    f->options.publish = true;
    sset_init(&f->options.networks);
    smap_init(&f->options.labels);

    network = docker_model_add_network(&f->model, "shop_default");
    network->driver = xstrdup("bridge");
    network->project = xstrdup("shop");
    sset_add(&network->subnets, "10.0.0.0/24");
    sset_add(&network->gateways, "10.0.0.1");
    network = docker_model_add_network(&f->model, "bridge");
    network->driver = xstrdup("bridge");
    sset_add(&network->subnets, "172.17.0.0/16");
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    desired_destroy(&f->desired);
    docker_model_destroy(&f->model);
    free(f->options.bridge);
    sset_destroy(&f->options.networks);
    smap_destroy(&f->options.labels);
    free(f);
    return 0;
}

/* Adds a container of 'project', which may be NULL, with one address. */
static struct docker_container *
add(struct fixture *f, const char *name, const char *project,
    const char *service, const char *network, const char *ip)
{
    char *id = xasprintf("%064x", (unsigned int)
                         shash_count(&f->model.containers));
    struct docker_container *c = docker_model_add_container(&f->model, id);

    c->name = xstrdup(name);
    if (project) {
        smap_add(&c->labels, COMPOSE_LABEL_PROJECT, project);
        smap_add(&c->labels, COMPOSE_LABEL_SERVICE, service);
    }
    if (ip) {
        sset_add(&docker_container_add_endpoint(c, network)->ips, ip);
    } else {
        docker_container_add_endpoint(c, network);
    }
    free(id);
    return c;
}

static void
derive(struct fixture *f)
{
    desired_clear(&f->desired);
    docker_model_get_desired(&f->model, &f->options, &f->desired);
}

static bool
has_policy(const struct fixture *f, const char *key, const char *policy)
{
    const struct desired_dependency *d = shash_find_data(
        &f->desired.dependencies, key);

    return d && sset_contains(&d->policies, policy);
}

static void
read_compose(struct fixture *f, const char *text)
{
    char *error = compose_file_parse(text, strlen(text), "shop", &f->model);

    if (error) {
        fail_msg("%s", error);
    }
}

static void
test_names(void **state)
{
    struct fixture *f = *state;

    add(f, "shop_web_1", "shop", "web", "shop_default", "10.0.0.2");
    add(f, "shop_dotted_1", "shop", "other.web", "shop_default", "10.0.0.3");
    add(f, "other_web_1", "other", "web", "shop_default", "10.0.0.4");
    add(f, "web", NULL, NULL, "shop_default", "10.0.0.5");
    add(f, "idle", "shop", "idle", "shop_default", NULL);
    add(f, "plain", NULL, NULL, "bridge", "172.17.0.2");
    smap_add(&add(f, "odd", "shop", "x", "shop_default", "10.0.0.6")->labels,
             DOCKER_LABEL_SERVICE, "we b/x");
    derive(f);

    /* Four that could be mistaken for each other, one that has no address now,
     * and one with a name that the database would not take. */
    assert_int_equal(shash_count(&f->desired.services), 6);
    assert_non_null(shash_find(&f->desired.services, "shop_default/web"));
    assert_non_null(shash_find(&f->desired.services,
                               "shop_default/shop.other.web"));
    assert_non_null(shash_find(&f->desired.services,
                               "shop_default/other.web"));
    assert_non_null(shash_find(&f->desired.services, "shop_default/_.web"));
    assert_non_null(shash_find(&f->desired.services, "shop_default/idle"));
    assert_int_equal(shash_count(&f->desired.containers), 5);
    assert_int_equal(shash_count(&f->desired.networks), 1);
    assert_int_equal(shash_count(&f->desired.dependencies), 0);
}

/* The members of a Podman pod show their infra container's address. */
static void
test_pod(void **state)
{
    struct fixture *f = *state;
    struct docker_container *infra;

    add(f, "member", NULL, NULL, "shop_default", "10.0.0.2");
    infra = add(f, "infra", NULL, NULL, "shop_default", "10.0.0.2");
    char *alias = xmemdup0(infra->id, 12);
    alias[0] = 'f';
    infra->id[0] = 'f';

    const struct shash_node *node;
    SHASH_FOR_EACH (node, &f->model.containers) {
        struct docker_container *c = node->data;

        sset_add(&docker_container_add_endpoint(c, "shop_default")->aliases,
                 alias);
    }
    free(alias);
    derive(f);
    assert_int_equal(shash_count(&f->desired.containers), 1);
    assert_non_null(shash_find(&f->desired.containers, "shop_default/infra"));
}

static void
test_dependencies(void **state)
{
    struct fixture *f = *state;
    struct docker_container *web;

    web = add(f, "w", "shop", "web", "shop_default", "10.0.0.2");
    smap_add(&web->labels, DOCKER_LABEL_DEPENDS_ON,
             "db:tcp:3306, world:udp:53,nobody,host:nonsense");
    sset_add(&web->published, "tcp:80");
    add(f, "d", "shop", "db", "shop_default", "10.0.0.3");
    add(f, "c", "shop", "cache", "shop_default", "10.0.0.4");
    read_compose(f, "x-base: &base {depends_on: {cache: {}}}\n"
                 "services:\n"
                 "  web: {<<: *base, links: ['db:database']}\n"
                 "  cache: {expose: ['6379', 7000-7001/udp],\n"
                 "          ports: ['127.0.0.1:1:2', {target: 3}]}\n");
    derive(f);
    assert_int_equal(shash_count(&f->desired.dependencies), 4);
    assert_true(has_policy(f, "depends shop_default/web -> shop_default/db",
                           "tcp:3306"));
    assert_true(has_policy(f, "depends shop_default/web -> world", "udp:53"));
    assert_true(has_policy(f, "published shop_default/web", "tcp:80"));

    const char *cache = "depends shop_default/web -> shop_default/cache";
    assert_true(has_policy(f, cache, "tcp:6379"));
    assert_true(has_policy(f, cache, "udp:7000-7001"));
    assert_true(has_policy(f, cache, "tcp:2"));
    assert_true(has_policy(f, cache, "tcp:3"));
    assert_false(has_policy(f, cache, "any"));

    /* Everything is forgotten that the next file does not say. */
    docker_model_clear_compose(&f->model);
    f->options.publish = false;
    derive(f);
    assert_int_equal(shash_count(&f->desired.dependencies), 2);
}

static void
test_implicit(void **state)
{
    struct fixture *f = *state;

    add(f, "w", "shop", "web", "shop_default", "10.0.0.2");
    sset_add(&add(f, "d", "shop", "db", "shop_default", "10.0.0.3")->exposed,
             "tcp:3306");
    f->options.implicit = DOCKER_IMPLICIT_EXPOSED;
    derive(f);
    assert_int_equal(shash_count(&f->desired.dependencies), 1);
    assert_true(has_policy(f, "implicit shop_default/db", "tcp:3306"));

    f->options.implicit = DOCKER_IMPLICIT_NETWORK;
    derive(f);
    assert_int_equal(shash_count(&f->desired.dependencies), 1);
    assert_true(has_policy(f, "implicit shop_default", "any"));
}

/* A label must not make the manager read, or wait for, anything it likes. */
static void
test_bad_files(void **state)
{
    struct fixture *f = *state;
    char directory[] = "/tmp/test-manager.XXXXXX";
    static const char *const bad[] = {
        "[", "a: [1", "\t- x", "\x01", "&a [*b]", "{\"a\": \"\\x\"}",
    };

    assert_non_null(mkdtemp(directory));
    char *fifo = xasprintf("%s/fifo", directory);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    const char *files[] = { fifo, directory, "/dev/zero", "/nonexistent" };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char *error = compose_file_read(files[i], "shop", &f->model);

        assert_non_null(error);
        free(error);
    }
    unlink(fifo);
    rmdir(directory);
    free(fifo);

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *error = compose_file_parse(bad[i], strlen(bad[i]), "shop",
                                         &f->model);
        if (!error) {
            fail_msg("%s: accepted", bad[i]);
        }
        free(error);
    }
    read_compose(f, "");
    read_compose(f, "services: 5");
    read_compose(f, "services: {web: 5, 5: {depends_on: 6}}");
    assert_int_equal(shash_count(&f->model.compose_depends), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pod, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dependencies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_implicit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
