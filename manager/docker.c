/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <event2/event.h>
#include <json-c/json.h>
#include <string.h>

#include "coverage.h"
#include "manager/collector.h"
#include "manager/compose-file.h"
#include "manager/desired.h"
#include "manager/docker-model.h"
#include "manager/docker-parse.h"
#include "manager/http-client.h"
#include "manager/json-reader.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(docker);

COVERAGE_DEFINE(docker_event);
COVERAGE_DEFINE(docker_list);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);

/* The Docker and Podman collectors
 * ================================
 *
 * The stream of events only says that something has changed: then the networks
 * and the containers, running or not, are listed, which takes two requests and
 * cannot be misunderstood.  What comes while a list is under way makes for
 * another list.  Events are asked for before the first list, so that nothing
 * is missed; and there is a list from time to time in any case.
 *
 * Podman sends the headers of the stream with the first event, so they are not
 * waited for for long. */

/* After the request for events, if its answer does not begin. */
#define EVENTS_GRACE_MS 300

/* After an event, for those that come with it. */
#define RELIST_DELAY_MS 20

/* Lists take this part of the time at most, however many events there are. */
#define LIST_SHARE 5

#define DEFAULT_RESYNC_S 60
#define LIST_IDLE_TIMEOUT_MS 15000
#define LIST_TIMEOUT_MS 60000

#define DEFAULT_BRIDGE "br-int"

enum list_state {
    LIST_IDLE,                  /* To begin when the timer expires. */
    LIST_NETWORKS,
    LIST_CONTAINERS
};

struct docker {
    struct collector up;
    struct http_client *http;
    struct docker_options options;
    bool read_compose_files;
    int resync_ms;

    struct docker_model model;

    /* Events.  'events' is NULL while the next attempt is waited for. */
    struct http_request *events;
    struct json_reader *event_reader;
    struct event *events_timer; /* For the next attempt. */
    char *events_error;         /* Of 'event_reader', or NULL. */

    /* Lists. */
    enum list_state list_state;
    struct http_request *list;
    struct json_reader *list_reader;
    struct json_object *networks;       /* The answer, as it comes in... */
    struct json_object *containers;
    int list_status;
    char *list_error;
    bool list_again;            /* Something has changed meanwhile. */
    struct event *list_timer;   /* For the next list; or, during a list, when
                                 * it has taken too long. */
    long long int list_due;     /* When 'list_timer' expires, in ms. */
    long long int list_start;   /* In ms. */
    long long int list_duration;

    unsigned int n_events;
    unsigned int n_lists;
    unsigned int n_errors;
};

static char *parse_config(struct docker *, const struct collector_config *);
static void options_destroy(struct docker_options *);
static void open_events(struct docker *);
static void close_events(struct docker *);
static void events_timer_expired(evutil_socket_t, short int, void *);
static void list_timer_expired(evutil_socket_t, short int, void *);
static void schedule_list(struct docker *, long long int delay_ms);
static void begin_list(struct docker *);
static void abort_list(struct docker *);
static void list_failed(struct docker *, const char *error);
static void list_complete(struct docker *);
static void read_compose_files(struct docker *);

static struct docker *
docker_cast(const struct collector *collector)
{
    return CONTAINER_OF(CONST_CAST(struct collector *, collector),
                        struct docker, up);
}

/* Life cycle. */

static void
docker_destroy(struct collector *collector)
{
    struct docker *docker = docker_cast(collector);

    http_client_destroy(docker->http);
    json_reader_destroy(docker->event_reader);
    json_reader_destroy(docker->list_reader);
    json_object_put(docker->networks);
    json_object_put(docker->containers);
    if (docker->events_timer) {
        event_free(docker->events_timer);
        event_free(docker->list_timer);
    }
    free(docker->events_error);
    free(docker->list_error);
    docker_model_destroy(&docker->model);
    options_destroy(&docker->options);
    collector_uninit(&docker->up);
    free(docker);
}

static struct collector *
create(const struct collector_class *class,
       const struct collector_config *config, struct event_base *base,
       char **errorp)
{
    const struct http_options http_options = {
        .endpoint = config->endpoint,
        .ca_file = smap_get(config->credentials, "ca-cert"),
        .certificate_file = smap_get(config->credentials, "certificate"),
        .key_file = smap_get(config->credentials, "private-key"),
        .token_file = smap_get(config->credentials, "token"),
    };
    struct docker *docker = xzalloc(sizeof *docker);

    collector_init(&docker->up, class, config->name);
    docker_model_init(&docker->model);
    sset_init(&docker->options.networks);
    smap_init(&docker->options.labels);
    *errorp = parse_config(docker, config);
    if (!*errorp) {
        docker->http = http_client_create(&http_options, base, errorp);
    }
    if (*errorp) {
        docker_destroy(&docker->up);
        return NULL;
    }
    docker->events_timer = evtimer_new(base, events_timer_expired, docker);
    docker->list_timer = evtimer_new(base, list_timer_expired, docker);
    open_events(docker);
    return &docker->up;
}

static struct collector *
docker_create(const struct collector_config *config, struct event_base *base,
              char **errorp)
{
    return create(&docker_collector_class, config, base, errorp);
}

static struct collector *
podman_create(const struct collector_config *config, struct event_base *base,
              char **errorp)
{
    return create(&podman_collector_class, config, base, errorp);
}

static void
docker_resync(struct collector *collector)
{
    struct docker *docker = docker_cast(collector);

    close_events(docker);
    abort_list(docker);
    open_events(docker);
}

static void
docker_get_desired(const struct collector *collector, struct desired *desired)
{
    const struct docker *docker = docker_cast(collector);

    docker_model_get_desired(&docker->model, &docker->options, desired);
}

static void
docker_get_statistics(const struct collector *collector,
                      struct simap *statistics)
{
    const struct docker *docker = docker_cast(collector);

    simap_put(statistics, "containers",
              shash_count(&docker->model.containers));
    simap_put(statistics, "networks", shash_count(&docker->model.networks));
    simap_put(statistics, "events", docker->n_events);
    simap_put(statistics, "lists", docker->n_lists);
    simap_put(statistics, "errors", docker->n_errors);
}

const struct collector_class docker_collector_class = {
    .type = "docker",
    .create = docker_create,
    .destroy = docker_destroy,
    .resync = docker_resync,
    .get_desired = docker_get_desired,
    .get_statistics = docker_get_statistics,
};

const struct collector_class podman_collector_class = {
    .type = "podman",
    .create = podman_create,
    .destroy = docker_destroy,
    .resync = docker_resync,
    .get_desired = docker_get_desired,
    .get_statistics = docker_get_statistics,
};

/* Configuration. */

static void
options_destroy(struct docker_options *options)
{
    free(options->network);
    free(options->bridge);
    free(options->node);
    sset_destroy(&options->networks);
    smap_destroy(&options->labels);
}

static char *
parse_flag(const char *key, const char *value, bool *flag)
{
    *flag = !strcmp(value, "true");
    return (*flag || !strcmp(value, "false") ? NULL
            : xasprintf("%s=%s: expected true or false", key, value));
}

static char *
parse_option(struct docker *docker, const char *key, const char *value)
{
    struct docker_options *options = &docker->options;
    char *error = NULL;

    if (!strcmp(key, "bridge") || !strcmp(key, "node")) {
        char **text = key[0] == 'b' ? &options->bridge : &options->node;

        free(*text);
        *text = xstrdup(value);
        error = (value[0] && strlen(value) <= 255 ? NULL
                 : xasprintf("%s=%s: expected a name", key, value));
    } else if (!strcmp(key, "implicit")) {
        options->implicit = (!strcmp(value, "network")
                             ? DOCKER_IMPLICIT_NETWORK
                             : !strcmp(value, "exposed")
                             ? DOCKER_IMPLICIT_EXPOSED
                             : DOCKER_IMPLICIT_NONE);
        if (!options->implicit && strcmp(value, "none")) {
            error = xasprintf("implicit=%s: expected none, network or "
                              "exposed", value);
        }
    } else if (!strcmp(key, "publish")) {
        error = parse_flag(key, value, &options->publish);
    } else if (!strcmp(key, "compose-files")) {
        error = parse_flag(key, value, &docker->read_compose_files);
    } else if (!strcmp(key, "resync-interval")) {
        unsigned int seconds;

        if (!str_to_uint(value, 10, &seconds) || seconds < 1
            || seconds > 86400) {
            error = xasprintf("resync-interval=%s: expected 1 to 86400 "
                              "seconds", value);
        } else {
            docker->resync_ms = seconds * 1000;
        }
    } else {
        error = xasprintf("%s: no such option", key);
    }
    return error;
}

static char *
parse_selector(struct docker_options *options, const char *key,
               const char *value)
{
    char *copy = xstrdup(value);
    char *save_ptr = NULL;
    char *error = NULL;

    for (char *item = strtok_r(copy, ", ", &save_ptr); item && !error;
         item = strtok_r(NULL, ", ", &save_ptr)) {
        if (!strcmp(key, "networks")) {
            sset_add(&options->networks, item);
        } else if (!strcmp(key, "labels")) {
            char *label = xmemdup0(item, strcspn(item, "="));
            const char *equals = strchr(item, '=');

            smap_replace(&options->labels, label, equals ? equals + 1 : "");
            free(label);
        } else {
            error = xasprintf("%s: no such selector", key);
        }
    }
    free(copy);
    return error;
}

static char *
parse_config(struct docker *docker, const struct collector_config *config)
{
    static const char *const credentials[] = {
        "ca-cert", "certificate", "private-key", "token",
    };
    const struct smap_node *node;
    char *error = NULL;

    docker->options.network = nullable_xstrdup(config->network);
    docker->options.bridge = xstrdup(DEFAULT_BRIDGE);
    docker->options.publish = true;
    docker->read_compose_files = true;
    docker->resync_ms = DEFAULT_RESYNC_S * 1000;
    SMAP_FOR_EACH (node, config->options) {
        if (!error) {
            error = parse_option(docker, node->key, node->value);
        }
    }
    SMAP_FOR_EACH (node, config->selectors) {
        if (!error) {
            error = parse_selector(&docker->options, node->key, node->value);
        }
    }
    SMAP_FOR_EACH (node, config->credentials) {
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(credentials); i++) {
            known = known || !strcmp(node->key, credentials[i]);
        }
        if (!known && !error) {
            error = xasprintf("%s: no such credential", node->key);
        }
    }
    return error;
}

static void
set_timer(struct event *timer, long long int ms)
{
    const struct timeval timeout = {
        .tv_sec = ms / 1000,
        .tv_usec = ms % 1000 * 1000
    };

    event_add(timer, &timeout);
}

/* Events. */

static void
event_arrived(struct json_object *event, void *docker_)
{
    /* Of these there may be many, and nothing that matters has changed. */
    static const char *const ignored[] = {
        "archive-path", "attach", "commit", "copy", "create", "detach",
        "exec", "exec_", "export", "extract-to-dir", "health_status", "init",
        "pull", "resize", "top",
    };
    struct docker *docker = docker_;
    const char *action = json_get_text(event, "Action");
    const char *type = json_get_text(event, "Type");
    bool relevant = type && (!strcmp(type, "container")
                             || !strcmp(type, "network")
                             || !strcmp(type, "pod"));

    for (size_t i = 0; i < ARRAY_SIZE(ignored) && action; i++) {
        if (!strncmp(action, ignored[i], strlen(ignored[i]))
            && type && !strcmp(type, "container")) {
            relevant = false;
        }
    }
    COVERAGE_INC(docker_event);
    docker->n_events++;
    json_object_put(event);
    if (relevant) {
        schedule_list(docker, RELIST_DELAY_MS);
    }
}

static void
events_started(int status, void *docker_)
{
    struct docker *docker = docker_;

    if (status == 200) {
        schedule_list(docker, 0);
    }
}

static int
events_body(const void *data, size_t size, void *docker_)
{
    struct docker *docker = docker_;

    free(docker->events_error);
    docker->events_error = json_reader_feed(docker->event_reader, data, size);
    return docker->events_error != NULL;
}

static void
events_done(int status, const char *error, void *docker_)
{
    struct docker *docker = docker_;

    docker->events = NULL;
    docker->n_errors++;
    if (docker->events_error) {
        error = docker->events_error;
    }
    if (error) {
        collector_set_status(&docker->up, "events: %s", error);
    } else if (status != 200) {
        collector_set_status(&docker->up, "events: HTTP status %d", status);
    }
    set_timer(docker->events_timer, collector_next_backoff(&docker->up));
}

static void
open_events(struct docker *docker)
{
    static const struct http_callbacks callbacks = {
        events_started, events_body, events_done
    };
    static const struct json_limits limits = {
        .max_bytes = 1024 * 1024,
        .max_depth = 16,
        .max_parts = 10000
    };
    const char *path = "/events?filters=%7B%22type%22%3A%5B%22container%22%2C"
                       "%22network%22%2C%22pod%22%5D%7D";

    json_reader_destroy(docker->event_reader);
    docker->event_reader = json_reader_create(&limits, event_arrived, docker);
    free(docker->events_error);
    docker->events_error = NULL;
    docker->events = http_get(docker->http, path, 0, &callbacks, docker);
    schedule_list(docker, EVENTS_GRACE_MS);
}

static void
close_events(struct docker *docker)
{
    http_request_cancel(docker->events);
    docker->events = NULL;
    event_del(docker->events_timer);
}

static void
events_timer_expired(evutil_socket_t fd OVS_UNUSED, short int what OVS_UNUSED,
                     void *docker_)
{
    open_events(docker_);
}

/* Lists. */

/* Makes a list begin in 'delay_ms', if not earlier, or as soon as the one that
 * is under way has ended. */
static void
schedule_list(struct docker *docker, long long int delay_ms)
{
    long long int now = time_msec();
    long long int due = now + delay_ms;

    if (docker->list_state != LIST_IDLE) {
        docker->list_again = true;
        return;
    }
    due = MAX(due, (docker->list_start
                    + docker->list_duration * LIST_SHARE));
    if (!evtimer_pending(docker->list_timer, NULL)
        || due < docker->list_due) {
        docker->list_due = due;
        set_timer(docker->list_timer, MAX(due - now, 0));
    }
}

static void
list_timer_expired(evutil_socket_t fd OVS_UNUSED, short int what OVS_UNUSED,
                   void *docker_)
{
    struct docker *docker = docker_;

    if (docker->list_state == LIST_IDLE) {
        begin_list(docker);
    } else {
        list_failed(docker, "the list takes too long");
    }
}

static void
list_started(int status, void *docker_)
{
    struct docker *docker = docker_;

    docker->list_status = status;
}

static int
list_body(const void *data, size_t size, void *docker_)
{
    struct docker *docker = docker_;

    if (docker->list_status != 200) {
        return 0;
    }
    free(docker->list_error);
    docker->list_error = json_reader_feed(docker->list_reader, data, size);
    return docker->list_error != NULL;
}

static void
list_arrived(struct json_object *value, void *docker_)
{
    struct docker *docker = docker_;
    struct json_object **list = (docker->list_state == LIST_NETWORKS
                                 ? &docker->networks : &docker->containers);

    json_object_put(*list);
    *list = value;
}

static void list_done(int status, const char *error, void *docker_);

static void
request_list(struct docker *docker, enum list_state state, const char *path)
{
    static const struct http_callbacks callbacks = {
        list_started, list_body, list_done
    };
    static const struct json_limits limits = JSON_LIMITS_DEFAULT;

    docker->list_state = state;
    docker->list_status = 0;
    free(docker->list_error);
    docker->list_error = NULL;
    json_reader_destroy(docker->list_reader);
    docker->list_reader = json_reader_create(&limits, list_arrived, docker);
    docker->list = http_get(docker->http, path, LIST_IDLE_TIMEOUT_MS,
                            &callbacks, docker);
}

static void
list_done(int status, const char *error, void *docker_)
{
    struct docker *docker = docker_;

    docker->list = NULL;
    if (docker->list_error) {
        error = docker->list_error;
    }
    if (!error && status == 200) {
        docker->list_error = json_reader_finish(docker->list_reader);
        error = docker->list_error;
    }
    if (error) {
        list_failed(docker, error);
    } else if (status != 200) {
        char *text = xasprintf("HTTP status %d", status);

        list_failed(docker, text);
        free(text);
    } else if (docker->list_state == LIST_NETWORKS) {
        request_list(docker, LIST_CONTAINERS, "/containers/json?all=1");
    } else {
        list_complete(docker);
    }
}

static void
begin_list(struct docker *docker)
{
    COVERAGE_INC(docker_list);
    docker->n_lists++;
    docker->list_again = false;
    docker->list_start = time_msec();
    set_timer(docker->list_timer, LIST_TIMEOUT_MS);
    request_list(docker, LIST_NETWORKS, "/networks");
}

static void
abort_list(struct docker *docker)
{
    http_request_cancel(docker->list);
    docker->list = NULL;
    docker->list_state = LIST_IDLE;
    event_del(docker->list_timer);
    json_object_put(docker->networks);
    json_object_put(docker->containers);
    docker->networks = docker->containers = NULL;
}

/* What is known stays as it is. */
static void
list_failed(struct docker *docker, const char *error)
{
    docker->n_errors++;
    collector_set_status(&docker->up, "list: %s", error);
    abort_list(docker);
    schedule_list(docker, collector_next_backoff(&docker->up));
}

static void
list_complete(struct docker *docker)
{
    /* Both are looked at before anything is replaced. */
    char *error = (!json_get_list(docker->networks, "")
                   || !json_get_list(docker->containers, "")
                   ? xstrdup("an answer is not a list")
                   : docker_parse_networks(docker->networks, &docker->model));

    if (!error) {
        error = docker_parse_containers(docker->containers, &docker->model);
    }
    if (error) {
        list_failed(docker, error);
        free(error);
        return;
    }

    bool again = docker->list_again;
    docker->list_duration = time_msec() - docker->list_start;
    abort_list(docker);
    read_compose_files(docker);
    docker->up.seqno++;
    if (docker->events) {
        collector_set_status(&docker->up, "%s", "");
        collector_reset_backoff(&docker->up);
    }
    schedule_list(docker, again ? RELIST_DELAY_MS : docker->resync_ms);
}

/* Compose. */

/* Takes the dependencies from label "com.docker.compose.depends_on" of Compose
 * version 2, a list of SERVICE:CONDITION:RESTART. */
static void
read_depends_on_label(struct docker *docker, const char *project,
                      const struct docker_container *container)
{
    const char *service = smap_get(&container->labels, COMPOSE_LABEL_SERVICE);
    const char *label = smap_get(&container->labels,
                                 COMPOSE_LABEL_DEPENDS_ON);

    if (service && label) {
        char *key = xasprintf("%s/%s", project, service);
        struct sset *depends = docker_model_add_texts(
            &docker->model.compose_depends, key);
        char *copy = xstrdup(label);
        char *save_ptr = NULL;

        for (char *item = strtok_r(copy, ",", &save_ptr); item;
             item = strtok_r(NULL, ",", &save_ptr)) {
            item[strcspn(item, ":")] = '\0';
            sset_add(depends, item);
        }
        free(copy);
        free(key);
    }
}

/* Reads the compose files that the labels of 'container' name, unless they are
 * in 'done'. */
static void
read_files_of(struct docker *docker, const char *project,
              const struct docker_container *container, struct sset *done)
{
    const char *directory = smap_get_def(&container->labels,
                                         COMPOSE_LABEL_DIRECTORY, "");
    char *files = xstrdup(smap_get_def(&container->labels,
                                       COMPOSE_LABEL_FILES, ""));
    char *save_ptr = NULL;

    for (char *file = strtok_r(files, ",", &save_ptr); file;
         file = strtok_r(NULL, ",", &save_ptr)) {
        char *path = (file[0] == '/' ? xstrdup(file)
                      : xasprintf("%s/%s", directory, file));
        char *key = xasprintf("%s %s", project, path);

        if (path[0] == '/' && sset_add(done, key)) {
            char *error = compose_file_read(path, project, &docker->model);

            if (error) {
                VLOG_INFO_RL(&rl, "%s: %s", docker->up.name, error);
            }
            free(error);
        }
        free(key);
        free(path);
    }
    free(files);
}

static void
read_compose_files(struct docker *docker)
{
    struct sset done = SSET_INITIALIZER(&done);
    const struct shash_node *node;

    docker_model_clear_compose(&docker->model);
    SHASH_FOR_EACH (node, &docker->model.containers) {
        const struct docker_container *container = node->data;
        const char *project = smap_get(&container->labels,
                                       COMPOSE_LABEL_PROJECT);
        if (project) {
            read_depends_on_label(docker, project, container);
            if (docker->read_compose_files) {
                read_files_of(docker, project, container, &done);
            }
        }
    }
    sset_destroy(&done);
}
