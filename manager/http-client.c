/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/http-client.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bastion/version.h"
#include "coverage.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(http_client);

COVERAGE_DEFINE(http_request);
COVERAGE_DEFINE(http_request_failed);

#define DEFAULT_CONNECT_TIMEOUT_MS 10000

/* Of all headers of one response. */
#define MAX_HEADER_BYTES (64 * 1024)

#define MAX_TOKEN_LENGTH (32 * 1024)

struct http_client {
    struct event_base *base;
    CURLM *multi;
    struct event *timer;        /* When libcurl wants to be called. */
    struct event *work;         /* Active while there is something in the
                                 * lists below: libcurl's callbacks must not
                                 * add or remove transfers. */
    struct ovs_list requests;   /* All, by 'list_node'. */

    char *url;                  /* Before each path; no slash at its end. */
    char *socket;               /* Path of a Unix domain socket, or NULL. */
    char *ca_file;
    char *certificate_file;
    char *key_file;
    char *token_file;
    int connect_timeout_ms;
};

enum request_state {
    REQUEST_NEW,                /* To be given to libcurl. */
    REQUEST_RUNNING,            /* libcurl has it. */
    REQUEST_FAILED,             /* To be ended; 'error' says why. */
    REQUEST_CANCELED            /* To be freed. */
};

struct http_request {
    struct ovs_list list_node;  /* In struct http_client's 'requests'. */
    struct http_client *client;
    enum request_state state;
    CURL *easy;
    bool in_multi;
    struct curl_slist *headers;

    struct event *idle_timer;   /* NULL if there is no limit. */
    struct timeval idle_timeout;

    size_t n_header_bytes;
    bool started;
    int status;
    char *error;                /* If other than libcurl's. */
    char curl_error[CURL_ERROR_SIZE];

    struct http_callbacks callbacks;
    void *aux;
};

static char *parse_endpoint(const char *endpoint, struct http_client *);
static char *check_options(const struct http_client *);
static int socket_changed(CURL *, curl_socket_t, int what, void *client,
                          void *event);
static int timer_changed(CURLM *, long int timeout_ms, void *client);
static void timer_expired(evutil_socket_t, short int what, void *client);
static void do_work(evutil_socket_t, short int what, void *client);
static void idle_expired(evutil_socket_t, short int what, void *request);
static char *request_set_up(struct http_request *, const char *path);
static void request_fail(struct http_request *, char *error);
static void request_free(struct http_request *);

static void
initialize_curl(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        CURLcode error = curl_global_init(CURL_GLOBAL_DEFAULT);

        if (error) {
            ovs_fatal(0, "libcurl: %s", curl_easy_strerror(error));
        }
        ovsthread_once_done(&once);
    }
}

/* Client. */

struct http_client *
http_client_create(const struct http_options *options,
                   struct event_base *base, char **errorp)
{
    struct http_client *client = xzalloc(sizeof *client);

    ovs_list_init(&client->requests);
    client->base = base;
    client->ca_file = nullable_xstrdup(options->ca_file);
    client->certificate_file = nullable_xstrdup(options->certificate_file);
    client->key_file = nullable_xstrdup(options->key_file);
    client->token_file = nullable_xstrdup(options->token_file);
    client->connect_timeout_ms = (options->connect_timeout_ms
                                  ? options->connect_timeout_ms
                                  : DEFAULT_CONNECT_TIMEOUT_MS);
    *errorp = parse_endpoint(options->endpoint, client);
    if (!*errorp) {
        *errorp = check_options(client);
    }
    if (*errorp) {
        http_client_destroy(client);
        return NULL;
    }

    initialize_curl();
    client->multi = curl_multi_init();
    ovs_assert(client->multi);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    client->timer = evtimer_new(base, timer_expired, client);
    client->work = event_new(base, -1, 0, do_work, client);
    return client;
}

void
http_client_destroy(struct http_client *client)
{
    struct http_request *request;

    if (!client) {
        return;
    }
    LIST_FOR_EACH_SAFE (request, list_node, &client->requests) {
        request_free(request);
    }
    if (client->multi) {
        curl_multi_cleanup(client->multi);
        event_free(client->timer);
        event_free(client->work);
    }
    free(client->url);
    free(client->socket);
    free(client->ca_file);
    free(client->certificate_file);
    free(client->key_file);
    free(client->token_file);
    free(client);
}

static char *
parse_endpoint(const char *endpoint, struct http_client *client)
{
    if (!strncmp(endpoint, "unix:", 5)) {
        const char *path = endpoint + 5;

        path += path[0] == '/' && path[1] == '/' ? 2 : 0;
        if (path[0] != '/') {
            return xasprintf("%s: expected an absolute path after \"unix:\"",
                             endpoint);
        }
        client->socket = xstrdup(path);
        client->url = xstrdup("http://localhost");
        return NULL;
    }

    CURLU *parsed = curl_url();
    char *scheme = NULL, *user = NULL, *query = NULL;
    char *error = NULL;

    curl_url_set(parsed, CURLUPART_URL, endpoint, 0);
    curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(parsed, CURLUPART_USER, &user, 0);
    curl_url_get(parsed, CURLUPART_QUERY, &query, 0);
    if (!scheme || (strcmp(scheme, "http") && strcmp(scheme, "https"))
        || user || query) {
        error = xasprintf("%s: expected unix:PATH, http://HOST[:PORT] or "
                          "https://HOST[:PORT]", endpoint);
    } else {
        client->url = xmemdup0(endpoint, strlen(endpoint));
        for (size_t n = strlen(endpoint); n && client->url[n - 1] == '/';) {
            client->url[--n] = '\0';
        }
    }
    curl_free(scheme);
    curl_free(user);
    curl_free(query);
    curl_url_cleanup(parsed);
    return error;
}

static bool
is_loopback(const char *url)
{
    static const char *const prefixes[] = {
        "http://127.0.0.1", "http://localhost", "http://[::1]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t len = strlen(prefixes[i]);

        if (!strncmp(url, prefixes[i], len)
            && (!url[len] || url[len] == ':' || url[len] == '/')) {
            return true;
        }
    }
    return false;
}

static char *
check_options(const struct http_client *client)
{
    if (client->key_file && !client->certificate_file) {
        return xasprintf("%s: a key needs a certificate", client->key_file);
    } else if (client->token_file && !client->socket
               && strncmp(client->url, "https:", 6)
               && !is_loopback(client->url)) {
        return xasprintf("%s: a token is not sent without TLS", client->url);
    }
    return NULL;
}

/* Events of libcurl's sockets and timer. */

static void
check_finished(struct http_client *client)
{
    CURLMsg *message;
    int n;

    while ((message = curl_multi_info_read(client->multi, &n))) {
        struct http_request *request;
        char *error = NULL;

        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        if (request->error) {
            error = request->error;
            request->error = NULL;
        } else if (message->data.result) {
            error = xstrdup(request->curl_error[0] ? request->curl_error
                            : curl_easy_strerror(message->data.result));
        }
        if (request->state == REQUEST_RUNNING) {
            request_fail(request, error);
        } else {
            free(error);
        }
    }
}

static void
socket_ready(evutil_socket_t fd, short int what, void *client_)
{
    struct http_client *client = client_;
    int running;

    curl_multi_socket_action(client->multi, fd,
                             ((what & EV_READ ? CURL_CSELECT_IN : 0)
                              | (what & EV_WRITE ? CURL_CSELECT_OUT : 0)),
                             &running);
    check_finished(client);
}

static int
socket_changed(CURL *easy OVS_UNUSED, curl_socket_t fd, int what,
               void *client_, void *event_)
{
    struct http_client *client = client_;
    struct event *event = event_;

    if (event) {
        event_free(event);
        event = NULL;
    }
    if (what != CURL_POLL_REMOVE) {
        event = event_new(client->base, fd,
                          ((what & CURL_POLL_IN ? EV_READ : 0)
                           | (what & CURL_POLL_OUT ? EV_WRITE : 0)
                           | EV_PERSIST),
                          socket_ready, client);
        event_add(event, NULL);
    }
    curl_multi_assign(client->multi, fd, event);
    return 0;
}

static int
timer_changed(CURLM *multi OVS_UNUSED, long int timeout_ms, void *client_)
{
    struct http_client *client = client_;

    if (timeout_ms < 0) {
        event_del(client->timer);
    } else {
        struct timeval timeout = {
            .tv_sec = timeout_ms / 1000,
            .tv_usec = timeout_ms % 1000 * 1000
        };
        event_add(client->timer, &timeout);
    }
    return 0;
}

static void
timer_expired(evutil_socket_t fd OVS_UNUSED, short int what OVS_UNUSED,
              void *client_)
{
    struct http_client *client = client_;
    int running;

    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    check_finished(client);
}

/* Requests. */

struct http_request *
http_get(struct http_client *client, const char *path, int idle_timeout_ms,
         const struct http_callbacks *callbacks, void *aux)
{
    struct http_request *request = xzalloc(sizeof *request);

    COVERAGE_INC(http_request);
    request->client = client;
    request->state = REQUEST_NEW;
    request->callbacks = *callbacks;
    request->aux = aux;
    ovs_list_push_back(&client->requests, &request->list_node);
    if (idle_timeout_ms) {
        request->idle_timeout.tv_sec = idle_timeout_ms / 1000;
        request->idle_timeout.tv_usec = idle_timeout_ms % 1000 * 1000;
        request->idle_timer = evtimer_new(client->base, idle_expired, request);
        event_add(request->idle_timer, &request->idle_timeout);
    }

    char *error = request_set_up(request, path);
    if (error) {
        request_fail(request, error);
    }
    event_active(client->work, EV_TIMEOUT, 0);
    return request;
}

void
http_request_cancel(struct http_request *request)
{
    if (request) {
        request->state = REQUEST_CANCELED;
        event_active(request->client->work, EV_TIMEOUT, 0);
    }
}

/* Ends 'request' as soon as that is possible: successfully, if 'error' is
 * NULL.  Takes ownership of 'error'. */
static void
request_fail(struct http_request *request, char *error)
{
    free(request->error);
    request->error = error;
    request->state = REQUEST_FAILED;
    event_active(request->client->work, EV_TIMEOUT, 0);
}

static void
request_free(struct http_request *request)
{
    if (request->in_multi) {
        curl_multi_remove_handle(request->client->multi, request->easy);
    }
    if (request->idle_timer) {
        event_free(request->idle_timer);
    }
    ovs_list_remove(&request->list_node);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    free(request->error);
    free(request);
}

/* Frees 'request' and tells its owner that it has ended. */
static void
request_end(struct http_request *request)
{
    void (*done)(int, const char *, void *) = request->callbacks.done;
    void *aux = request->aux;
    int status = request->status;
    char *error = request->error;

    if (error) {
        COVERAGE_INC(http_request_failed);
        VLOG_DBG("%s: %s", request->client->url, error);
    }
    request->error = NULL;
    request_free(request);
    done(status, error, aux);
    free(error);
}

static struct http_request *
find_request_with_work(struct http_client *client)
{
    struct http_request *request;

    LIST_FOR_EACH (request, list_node, &client->requests) {
        if (request->state != REQUEST_RUNNING) {
            return request;
        }
    }
    return NULL;
}

/* Callbacks may do anything to the list, so it is searched again after each.
 * It is short. */
static void
do_work(evutil_socket_t fd OVS_UNUSED, short int what OVS_UNUSED,
        void *client_)
{
    struct http_client *client = client_;
    struct http_request *request;

    while ((request = find_request_with_work(client))) {
        switch (request->state) {
        case REQUEST_NEW:
            request->state = REQUEST_RUNNING;
            request->in_multi = true;
            curl_multi_add_handle(client->multi, request->easy);
            break;

        case REQUEST_FAILED:
            request_end(request);
            break;

        case REQUEST_CANCELED:
            request_free(request);
            break;

        case REQUEST_RUNNING:
        default:
            OVS_NOT_REACHED();
        }
    }
}

static void
idle_expired(evutil_socket_t fd OVS_UNUSED, short int what OVS_UNUSED,
             void *request_)
{
    struct http_request *request = request_;

    if (request->state == REQUEST_NEW || request->state == REQUEST_RUNNING) {
        request_fail(request, xstrdup("nothing from the server for too long"));
    }
}

static void
note_activity(struct http_request *request)
{
    if (request->idle_timer) {
        event_add(request->idle_timer, &request->idle_timeout);
    }
}

/* Each line of the headers. */
static size_t
header_arrived(char *data, size_t size, size_t n, void *request_)
{
    struct http_request *request = request_;
    size_t n_bytes = size * n;

    if (request->state != REQUEST_RUNNING) {
        return 0;
    }
    note_activity(request);
    request->n_header_bytes += n_bytes;
    if (request->n_header_bytes > MAX_HEADER_BYTES) {
        request->error = xasprintf("headers are longer than %d bytes",
                                   MAX_HEADER_BYTES);
        return 0;
    }

    long int status;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && !request->started
        && (data[0] == '\r' || data[0] == '\n')) {
        request->started = true;
        request->status = status;
        if (request->callbacks.started) {
            request->callbacks.started(request->status, request->aux);
        }
    }
    return request->state == REQUEST_RUNNING ? n_bytes : 0;
}

static size_t
body_arrived(char *data, size_t size, size_t n, void *request_)
{
    struct http_request *request = request_;
    size_t n_bytes = size * n;

    if (request->state != REQUEST_RUNNING) {
        return 0;
    }
    note_activity(request);
    if (request->callbacks.body(data, n_bytes, request->aux)) {
        if (request->state == REQUEST_RUNNING) {
            request->error = xstrdup("the answer was not acceptable");
        }
        return 0;
    }
    return request->state == REQUEST_RUNNING ? n_bytes : 0;
}

/* Reads the token that is in file 'name', without white space around it, into
 * '*tokenp', which the caller must free(). */
static char *
read_token(const char *name, char **tokenp)
{
    char *buffer = xmalloc(MAX_TOKEN_LENGTH);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, MAX_TOKEN_LENGTH);
    char *error = NULL;

    if (n < 0) {
        error = xasprintf("%s: %s", name, ovs_strerror(errno));
    }
    while (n > 0 && strchr(" \t\r\n", buffer[n - 1])) {
        n--;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (buffer[i] <= ' ' || buffer[i] > '~') {
            error = xasprintf("%s: not a token", name);
            break;
        }
    }
    if (!error && (!n || n == MAX_TOKEN_LENGTH)) {
        error = xasprintf("%s: not a token", name);
    }
    *tokenp = error ? NULL : xmemdup0(buffer, n);
    if (fd >= 0) {
        close(fd);
    }
    free(buffer);
    return error;
}

static char *
add_headers(struct http_request *request)
{
    const struct http_client *client = request->client;

    request->headers = curl_slist_append(NULL, "Accept: application/json");
    if (client->token_file) {
        char *token;
        char *error = read_token(client->token_file, &token);

        if (error) {
            return error;
        }
        char *header = xasprintf("Authorization: Bearer %s", token);
        request->headers = curl_slist_append(request->headers, header);
        free(header);
        free(token);
    }
    curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
    return NULL;
}

static void
set_up_tls(const struct http_request *request)
{
    const struct http_client *client = request->client;
    CURL *easy = request->easy;

    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    if (client->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (client->certificate_file) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, client->certificate_file);
        curl_easy_setopt(easy, CURLOPT_SSLKEY,
                         (client->key_file ? client->key_file
                          : client->certificate_file));
    }
}

static char *
request_set_up(struct http_request *request, const char *path)
{
    const struct http_client *client = request->client;
    CURL *easy = request->easy = curl_easy_init();
    char *url = xasprintf("%s%s", client->url, path);

    ovs_assert(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    free(url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT,
                     "bastion-manager/" BASTION_VERSION);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long) client->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_arrived);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_arrived);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    if (client->socket) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->socket);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    set_up_tls(request);
    return add_headers(request);
}
