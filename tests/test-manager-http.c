/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP client, against tests/manager/http-server.py. */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fatal-signal.h"
#include "manager/event-loop.h"
#include "manager/http-client.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

#define TIMEOUT_MS 30000
#define MAX_BODY 100000

struct fixture {
    struct event_base *base;
    char directory[32];
    pid_t server;
    int server_stdin;
    char port[16];
};

static struct fixture f;

/* What has become of a request. */
struct result {
    int started;                /* Times. */
    bool done;
    int status;
    char *error;
    struct ds body;
    struct http_request *cancel_on_body;
};

static void
note_start(int status, void *result_)
{
    struct result *result = result_;

    assert_true(status >= 200);
    result->started++;
}

static int
note_body(const void *data, size_t size, void *result_)
{
    struct result *result = result_;

    ds_put_buffer(&result->body, data, size);
    if (result->cancel_on_body) {
        http_request_cancel(result->cancel_on_body);
    }
    return result->body.length > MAX_BODY;
}

static void
note_end(int status, const char *error, void *result_)
{
    struct result *result = result_;

    assert_false(result->done);
    result->done = true;
    result->status = status;
    result->error = nullable_xstrdup(error);
}

static const struct http_callbacks callbacks = {
    note_start, note_body, note_end
};

static void
run_until(const bool *condition, long long int ms)
{
    long long int deadline = time_msec() + ms;

    while (!*condition && time_msec() < deadline) {
        event_loop_run(f.base);
        if (!*condition) {
            event_loop_wait(f.base);
            poll_timer_wait_until(deadline);
            poll_block();
        }
    }
}

static void
result_clear(struct result *result)
{
    free(result->error);
    ds_destroy(&result->body);
    memset(result, 0, sizeof *result);
}

static void
get(struct http_client *client, const char *path, int idle_ms,
    struct result *result)
{
    result_clear(result);
    http_get(client, path, idle_ms, &callbacks, result);
    run_until(&result->done, TIMEOUT_MS);
    assert_true(result->done);
}

static struct http_client *
create(const struct http_options *options)
{
    char *error;
    struct http_client *client = http_client_create(options, f.base, &error);

    if (!client) {
        fail_msg("%s", error);
    }
    return client;
}

static void
check_ok(struct http_client *client, struct result *result)
{
    get(client, "/ok", 10000, result);
    if (result->error) {
        fail_msg("%s", result->error);
    }
    assert_int_equal(result->status, 200);
}

static char *
path_of(const char *name)
{
    return xasprintf("%s/%s", f.directory, name);
}

static struct http_client *
create_unix(const char *token_file)
{
    char *endpoint = xasprintf("unix:%s/http.sock", f.directory);
    struct http_client *client = create(
        &(struct http_options) { .endpoint = endpoint,
                                 .token_file = token_file });
    free(endpoint);
    return client;
}

static int
set_up(void **state OVS_UNUSED)
{
    const char *python = getenv("PYTHON3");
    char *script = xasprintf("%s/tests/manager/http-server.py",
                             getenv("abs_top_srcdir"));
    int in[2], out[2];

    fatal_ignore_sigpipe();
    f.base = event_loop_create();
    ovs_strlcpy(f.directory, "/tmp/test-manager.XXXXXX", sizeof f.directory);
    assert_non_null(mkdtemp(f.directory));
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    f.server = fork();
    if (!f.server) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execl(python, python, script, f.directory, NULL);
        _exit(127);
    }
    free(script);
    close(in[0]);
    close(out[1]);
    f.server_stdin = in[1];

    FILE *server = fdopen(out[0], "r");
    assert_int_equal(fscanf(server, "%15[0-9]", f.port), 1);
    fclose(server);
    return 0;
}

static int
tear_down(void **state OVS_UNUSED)
{
    char *command = xasprintf("rm -rf %s", f.directory);

    close(f.server_stdin);
    waitpid(f.server, NULL, 0);
    assert_int_equal(system(command), 0);
    free(command);
    event_base_free(f.base);
    return 0;
}

static void
test_answers(void **state OVS_UNUSED)
{
    struct http_client *client = create_unix(NULL);
    struct result result = { .done = false };

    get(client, "/ok", 10000, &result);
    assert_null(result.error);
    assert_int_equal(result.status, 200);
    assert_int_equal(result.started, 1);
    assert_string_equal(ds_cstr(&result.body), "{\"ok\": true}");

    get(client, "/missing", 10000, &result);
    assert_null(result.error);
    assert_int_equal(result.status, 404);
    assert_string_equal(ds_cstr(&result.body), "no such thing");

    get(client, "/redirect", 10000, &result);
    assert_null(result.error);
    assert_int_equal(result.status, 302);

    get(client, "/stream", 10000, &result);
    assert_null(result.error);
    assert_string_equal(ds_cstr(&result.body),
                        "{\"n\": 1}\n{\"n\": 1}\n{\"n\": 1}\n");
    result_clear(&result);
    http_client_destroy(client);
}

/* Requests one after the other share a connection. */
static void
test_keep_alive(void **state OVS_UNUSED)
{
    struct http_client *client = create_unix(NULL);
    struct result result = { .done = false };

    get(client, "/connections", 0, &result);
    char *before = xstrdup(ds_cstr(&result.body));
    for (int i = 0; i < 5; i++) {
        get(client, "/ok", 0, &result);
    }
    get(client, "/connections", 0, &result);
    assert_string_equal(ds_cstr(&result.body), before);
    http_client_destroy(client);

    client = create_unix(NULL);
    get(client, "/connections", 0, &result);
    assert_string_not_equal(ds_cstr(&result.body), before);
    free(before);
    result_clear(&result);
    http_client_destroy(client);
}

static void
test_bad_servers(void **state OVS_UNUSED)
{
    static const char *const paths[] = {
        "/silent", "/stalled", "/endless", "/endless-headers",
        "/endless-continue", "/garbage", "/truncated", "/closed",
    };
    struct http_client *client = create_unix(NULL);
    struct result result = { .done = false };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        get(client, paths[i], 500, &result);
        if (!result.error) {
            fail_msg("%s: no error", paths[i]);
        }
        assert_true(result.started <= 1);
        assert_true(result.body.length <= MAX_BODY + 65536);
    }

    /* All of that has left the client in good health. */
    get(client, "/ok", 10000, &result);
    assert_null(result.error);
    result_clear(&result);
    http_client_destroy(client);
}

static void
test_nobody_there(void **state OVS_UNUSED)
{
    char *endpoint = xasprintf("unix:%s/nobody.sock", f.directory);
    struct http_client *client = create(
        &(struct http_options) { .endpoint = endpoint });
    struct result result = { .done = false };

    get(client, "/ok", 0, &result);
    assert_non_null(result.error);
    assert_int_equal(result.status, 0);
    result_clear(&result);
    http_client_destroy(client);
    free(endpoint);
}

/* A request that is canceled, even in its own callback, does not call back any
 * more, and neither does one whose client is destroyed. */
static void
test_cancel(void **state OVS_UNUSED)
{
    struct http_client *client = create_unix(NULL);
    struct result canceled = { .done = false };
    struct result other = { .done = false };

    canceled.cancel_on_body = http_get(client, "/endless", 0, &callbacks,
                                       &canceled);
    get(client, "/ok", 10000, &other);
    for (int i = 0; i < 3; i++) {
        get(client, "/ok", 10000, &other);
        assert_null(other.error);
    }
    assert_false(canceled.done);
    assert_true(canceled.body.length <= 65536);

    struct result new = { .done = false };
    http_request_cancel(http_get(client, "/ok", 0, &callbacks, &new));
    run_until(&new.done, 100);
    assert_false(new.done);
    assert_int_equal(new.started, 0);

    http_get(client, "/stalled", 0, &callbacks, &new);
    run_until(&new.done, 100);
    assert_int_equal(new.started, 1);
    http_client_destroy(client);
    run_until(&new.done, 100);
    assert_false(new.done);

    result_clear(&canceled);
    result_clear(&other);
    result_clear(&new);
}

static void
test_token(void **state OVS_UNUSED)
{
    struct result result = { .done = false };
    char *name = path_of("token");
    struct http_client *client = create_unix(name);

    get(client, "/token", 10000, &result);
    assert_non_null(strstr(result.error, "No such file"));

    for (int i = 1; i <= 2; i++) {
        FILE *file = fopen(name, "w");
        fprintf(file, "secret%d\n", i);
        fclose(file);

        char *expected = xasprintf("Bearer secret%d", i);
        get(client, "/token", 10000, &result);
        assert_null(result.error);
        assert_string_equal(ds_cstr(&result.body), expected);
        free(expected);
    }

    FILE *file = fopen(name, "w");
    fputs("secret\r\nX-Injected: 1", file);
    fclose(file);
    get(client, "/token", 10000, &result);
    assert_non_null(strstr(result.error, "not a token"));

    result_clear(&result);
    http_client_destroy(client);
    free(name);
}

static void
test_tls(void **state OVS_UNUSED)
{
    char *endpoint = xasprintf("https://127.0.0.1:%s", f.port);
    char *ca = path_of("ca.pem");
    char *certificate = path_of("client.pem");
    char *key = path_of("client.key");
    struct http_options options = {
        .endpoint = endpoint,
        .ca_file = ca,
        .certificate_file = certificate,
        .key_file = key,
    };
    struct result result = { .done = false };
    struct http_client *client = create(&options);

    check_ok(client, &result);
    http_client_destroy(client);

    /* Neither side talks to a stranger. */
    options.certificate_file = options.key_file = NULL;
    client = create(&options);
    get(client, "/ok", 10000, &result);
    assert_non_null(result.error);
    http_client_destroy(client);

    options.certificate_file = certificate;
    options.key_file = key;
    options.ca_file = NULL;
    client = create(&options);
    get(client, "/ok", 10000, &result);
    assert_non_null(strstr(result.error, "certificate"));
    http_client_destroy(client);

    /* The certificate is for another name. */
    char *other = xasprintf("https://localhost:%s", f.port);
    options.ca_file = ca;
    options.endpoint = other;
    client = create(&options);
    get(client, "/ok", 10000, &result);
    assert_non_null(result.error);
    http_client_destroy(client);

    result_clear(&result);
    free(other);
    free(endpoint);
    free(ca);
    free(certificate);
    free(key);
}

static void
test_options(void **state OVS_UNUSED)
{
    static const struct http_options bad[] = {
        { .endpoint = "" },
        { .endpoint = "unix:" },
        { .endpoint = "unix:relative" },
        { .endpoint = "tcp:127.0.0.1:80" },
        { .endpoint = "file:///etc/passwd" },
        { .endpoint = "http://" },
        { .endpoint = "https://user:password@host" },
        { .endpoint = "https://host?query" },
        { .endpoint = "http://192.0.2.1", .token_file = "token" },
        { .endpoint = "http://127.0.0.1.example.com", .token_file = "token" },
        { .endpoint = "https://192.0.2.1", .key_file = "key" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *error;

        if (http_client_create(&bad[i], f.base, &error)) {
            fail_msg("%s: accepted", bad[i].endpoint);
        }
        assert_non_null(error);
        free(error);
    }

    static const struct http_options good[] = {
        { .endpoint = "unix:/run/x.sock" },
        { .endpoint = "unix:///run/x.sock" },
        { .endpoint = "http://192.0.2.1:2375" },
        { .endpoint = "https://[2001:db8::1]:6443/prefix/" },
        { .endpoint = "https://192.0.2.1", .token_file = "token" },
        { .endpoint = "http://127.0.0.1:8001", .token_file = "token" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        http_client_destroy(create(&good[i]));
    }
}

/* No event means no wake-up. */
static void
test_idle(void **state OVS_UNUSED)
{
    struct http_client *client = create_unix(NULL);
    struct result result = { .done = false };
    int n_wakeups = 0;

    http_get(client, "/stalled", 0, &callbacks, &result);
    run_until(&result.done, 300);
    assert_int_equal(result.started, 1);

    long long int deadline = time_msec() + 1500;
    while (time_msec() < deadline) {
        event_loop_run(f.base);
        event_loop_wait(f.base);
        poll_timer_wait_until(deadline);
        poll_block();
        n_wakeups++;
    }
    if (n_wakeups > 5) {
        fail_msg("%d wake-ups", n_wakeups);
    }
    http_client_destroy(client);
    result_clear(&result);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_idle),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
