/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <event2/event.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

#include "coverage.h"
#include "manager/collector.h"
#include "manager/desired.h"
#include "manager/http-client.h"
#include "manager/json-reader.h"
#include "manager/kubernetes-config.h"
#include "manager/kubernetes-parse.h"
#include "manager/netpol.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(kubernetes);

COVERAGE_DEFINE(kubernetes_event);
COVERAGE_DEFINE(kubernetes_list);
COVERAGE_DEFINE(kubernetes_malformed);

/* The Kubernetes collector
 * ========================
 *
 * For each kind of object that policy depends on there is a follower, which
 * lists all objects of the kind, in pages, and then watches for changes from
 * the version of the list on.  A watch ends after a while and is continued
 * from the last version that was seen.  Before that, the follower asks for the
 * server's version: if it is older than the last one, the cluster's database
 * is another one now, and the watch would be silent.
 *
 * It lists again if the server does not know the version any more (HTTP status
 * or code 410), if it could not be reached, and if what it says cannot be
 * understood. */

#define MIN_BACKOFF_MS 250
#define MAX_BACKOFF_MS 5000

/* Before a list that the server asks for. */
#define RELIST_DELAY_MS 50

/* A page of a list is parsed as a whole. */
#define DEFAULT_PAGE_SIZE 200

/* How long a list may take without a sign of life, and a watch, beyond the
 * time that it was asked for. */
#define IDLE_TIMEOUT_MS 15000

/* An object is stored in etcd, which by default takes 1.5 MB. */
#define MAX_EVENT_BYTES (4 * 1024 * 1024)

#define WATCH_SECONDS 60        /* To twice as much. */

static const struct resource {
    const char *name;           /* In statistics. */
    const char *paths[3];       /* Those of newer servers first. */
} resources[K8S_N_KINDS] = {
    [K8S_PODS] = { "pods", { "/api/v1/pods" } },
    [K8S_NAMESPACES] = { "namespaces", { "/api/v1/namespaces" } },
    [K8S_NETPOLS] = { "network-policies",
                      { "/apis/networking.k8s.io/v1/networkpolicies" } },
    [K8S_SERVICES] = { "services", { "/api/v1/services" } },
    [K8S_ENDPOINTS] = { "endpoint-slices",
                        { "/apis/discovery.k8s.io/v1/endpointslices",
                          "/apis/discovery.k8s.io/v1beta1/endpointslices" } },
    [K8S_NODES] = { "nodes", { "/api/v1/nodes" } },
};

enum follower_state {
    FOLLOWER_WAITING,           /* For its timer, to do the next request. */
    FOLLOWER_LISTING,           /* Gets one page of a list. */
    FOLLOWER_COMPARING,         /* Gets the server's version. */
    FOLLOWER_WATCHING
};

struct follower {
    struct kubernetes *kubernetes;
    enum k8s_kind kind;
    bool needed;
    enum follower_state state;
    struct event *timer;
    int backoff_ms;

    int path;                   /* Index in resource's 'paths'. */
    struct http_request *request;
    struct json_reader *reader;
    int http_status;            /* 0 until the headers are there. */
    bool answered;              /* Something usable has come. */

    /* Where a watch goes on; NULL if a list is needed first. */
    char *version;
    bool compared;              /* With the server's. */

    /* The list that is being read. */
    struct shash incoming;
    char *incoming_version;
    char *continuation;         /* Of the next page; NULL at the end. */

    bool listed;                /* At least once, to its end. */
    char *error;                /* What went wrong last, or NULL. */
};

struct kubernetes {
    struct collector up;
    struct event_base *base;

    /* From the Platform row. */
    char *endpoint;
    char *context;
    struct smap credentials;
    char *network;
    char *bridge;
    bool has_network;           /* It is the operator's. */
    bool filtered;
    struct sset namespaces;     /* Those to look at, if 'filtered'. */
    struct netpol_options options;
    int page_size;

    struct k8s_config config;
    struct timespec config_mtime;
    struct http_client *client; /* NULL if 'config' could not be loaded. */

    struct k8s_cluster cluster;
    struct follower followers[K8S_N_KINDS];

    unsigned int n_events, n_lists, n_errors, n_malformed;
};

static void follower_start(struct follower *);
static void follower_fail(struct follower *, char *error);
static void follower_done(int status, const char *error, void *follower);
static void follower_timer(evutil_socket_t, short int what, void *follower);
static void got_value(struct json_object *, void *follower);

static struct kubernetes *
kubernetes_cast(const struct collector *collector)
{
    return CONTAINER_OF(collector, struct kubernetes, up);
}

/* The Platform row. */

static char *
parse_choice(const struct smap *options, const char *key,
             const char *const names[], int *choice)
{
    const char *value = smap_get(options, key);

    if (!value) {
        return NULL;
    }
    for (int i = 0; names[i]; i++) {
        if (!strcmp(value, names[i])) {
            *choice = i;
            return NULL;
        }
    }
    return xasprintf("%s=%s: unknown value", key, value);
}

static char *
parse_options(struct kubernetes *k, const struct smap *options,
              const struct smap *selectors)
{
    static const char *const modes[] = { "kubernetes", "zero-trust", NULL };
    static const char *const traffic[] = { "none", "from", "both", NULL };
    static const char *const clients[]
        = { "none", "annotated", "namespace", NULL };
    int mode = NETPOL_KUBERNETES;
    int node_traffic = NETPOL_NODE_FROM;
    int service_clients = NETPOL_CLIENTS_ANNOTATED;
    const char *namespaces = smap_get(selectors, "namespaces");
    char *error = parse_choice(options, "mode", modes, &mode);

    if (!error) {
        error = parse_choice(options, "node-traffic", traffic, &node_traffic);
    }
    if (!error) {
        error = parse_choice(options, "service-clients", clients,
                             &service_clients);
    }
    k->page_size = smap_get_int(options, "page-size", DEFAULT_PAGE_SIZE);
    if (!error && (k->page_size < 1 || k->page_size > 10000)) {
        error = xstrdup("page-size: out of range");
    }
    if (namespaces) {
        sset_destroy(&k->namespaces);
        sset_from_delimited_string(&k->namespaces, namespaces, ", ");
        k->filtered = true;
    }
    k->context = nullable_xstrdup(smap_get(options, "context"));
    k->bridge = xstrdup(smap_get_def(options, "bridge", "br-int"));
    k->options = (struct netpol_options) {
        .network = k->network,
        .mode = mode,
        .node_traffic = node_traffic,
        .clients = service_clients,
        .namespaces = k->filtered ? &k->namespaces : NULL,
    };
    return error;
}

/* Makes a client from the configuration as it is now. */
static char *
connect_client(struct kubernetes *k)
{
    char *error = k8s_config_load(k->endpoint, &k->credentials, k->context,
                                  &k->config);
    if (error) {
        return error;
    }

    const struct http_options options = {
        .endpoint = k->config.server,
        .ca_file = k->config.ca_file,
        .certificate_file = k->config.certificate_file,
        .key_file = k->config.key_file,
        .token_file = k->config.token_file,
    };
    k->client = http_client_create(&options, k->base, &error);
    if (!k->client) {
        k8s_config_destroy(&k->config);
    }
    return error;
}

static bool
config_changed(struct kubernetes *k)
{
    const char *path = k->endpoint + strlen("kubeconfig:");
    struct stat s;

    if (strncmp(k->endpoint, "kubeconfig:", strlen("kubeconfig:"))
        || stat(path, &s)
        || (s.st_mtim.tv_sec == k->config_mtime.tv_sec
            && s.st_mtim.tv_nsec == k->config_mtime.tv_nsec)) {
        return false;
    }
    k->config_mtime = s.st_mtim;
    return true;
}

static struct collector *
kubernetes_create(const struct collector_config *config,
                  struct event_base *base, char **errorp)
{
    struct kubernetes *k = xzalloc(sizeof *k);

    collector_init(&k->up, &kubernetes_collector_class, config->name);
    k->base = base;
    k->endpoint = xstrdup(config->endpoint);
    smap_clone(&k->credentials, config->credentials);
    k->has_network = config->network != NULL;
    k->network = xstrdup(config->network ? config->network : config->name);
    sset_init(&k->namespaces);
    k8s_cluster_init(&k->cluster);
    for (int i = 0; i < K8S_N_KINDS; i++) {
        struct follower *f = &k->followers[i];

        f->kubernetes = k;
        f->kind = i;
        f->backoff_ms = MIN_BACKOFF_MS;
        f->timer = evtimer_new(base, follower_timer, f);
        shash_init(&f->incoming);
    }

    *errorp = parse_options(k, config->options, config->selectors);
    if (!*errorp) {
        config_changed(k);
        *errorp = connect_client(k);
    }
    if (*errorp) {
        k->up.class->destroy(&k->up);
        return NULL;
    }

    bool services = (k->options.mode == NETPOL_ZERO_TRUST
                     && k->options.clients != NETPOL_CLIENTS_NONE);
    for (int i = 0; i < K8S_N_KINDS; i++) {
        struct follower *f = &k->followers[i];

        f->needed = (i == K8S_SERVICES || i == K8S_ENDPOINTS ? services
                     : i == K8S_NODES ? !k->has_network
                     : true);
        if (f->needed) {
            follower_start(f);
        }
    }
    return &k->up;
}

/* Forgets what the current request has brought, except for pages. */
static void
follower_end_request(struct follower *f)
{
    http_request_cancel(f->request);
    f->request = NULL;
    f->state = FOLLOWER_WAITING;
}

static void
follower_forget_list(struct follower *f)
{
    k8s_objects_clear(f->kind, &f->incoming);
    free(f->incoming_version);
    free(f->continuation);
    f->incoming_version = f->continuation = NULL;
}

static void
kubernetes_destroy(struct collector *collector)
{
    struct kubernetes *k = kubernetes_cast(collector);

    http_client_destroy(k->client);
    for (int i = 0; i < K8S_N_KINDS; i++) {
        struct follower *f = &k->followers[i];

        follower_forget_list(f);
        shash_destroy(&f->incoming);
        json_reader_destroy(f->reader);
        event_free(f->timer);
        free(f->version);
        free(f->error);
    }
    k8s_cluster_destroy(&k->cluster);
    k8s_config_destroy(&k->config);
    sset_destroy(&k->namespaces);
    smap_destroy(&k->credentials);
    free(k->network);
    free(k->bridge);
    free(k->context);
    free(k->endpoint);
    collector_uninit(&k->up);
    free(k);
}

/* Followers. */

static void
follower_schedule(struct follower *f, int ms)
{
    struct timeval timeout = {
        .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000,
    };

    event_add(f->timer, &timeout);
}

/* Says in the platform's status what is wrong, or not any more. */
static void
update_status(struct kubernetes *k)
{
    for (int i = 0; i < K8S_N_KINDS; i++) {
        if (k->followers[i].error) {
            collector_set_status(&k->up, "%s: %s", resources[i].name,
                                 k->followers[i].error);
            return;
        }
    }
    collector_set_status(&k->up, "%s", "");
}

static void
follower_set_error(struct follower *f, char *error)
{
    free(f->error);
    f->error = error;
    update_status(f->kubernetes);
}

/* Tries again later.  Takes ownership of 'error'. */
static void
follower_fail(struct follower *f, char *error)
{
    f->kubernetes->n_errors++;
    f->compared = false;
    follower_end_request(f);
    follower_forget_list(f);
    follower_set_error(f, error);
    follower_schedule(f, f->backoff_ms / 2
                      + random_range(f->backoff_ms / 2));
    f->backoff_ms = MIN(2 * f->backoff_ms, MAX_BACKOFF_MS);
}

/* The next list or watch can do without the last. */
static void
follower_relist(struct follower *f)
{
    free(f->version);
    f->version = NULL;
    f->compared = false;
}

static void
follower_succeeded(struct follower *f)
{
    f->backoff_ms = MIN_BACKOFF_MS;
    if (f->error) {
        follower_set_error(f, NULL);
    }
}

static void
follower_started(int status, void *follower)
{
    struct follower *f = follower;

    f->http_status = status;
    if (status == 200 && f->state == FOLLOWER_WATCHING) {
        follower_succeeded(f);
    }
}

static int
follower_body(const void *data, size_t size, void *follower)
{
    struct follower *f = follower;

    /* The body of an error is not of interest. */
    if (f->http_status != 200) {
        return 0;
    }

    char *error = json_reader_feed(f->reader, data, size);
    if (error) {
        follower_relist(f);
        follower_fail(f, error);
        return -1;
    }

    /* Callbacks of the reader may have ended the request. */
    return f->request ? 0 : -1;
}

static void
put_encoded(struct ds *s, const char *text)
{
    for (; *text; text++) {
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789-._~", *text)) {
            ds_put_char(s, *text);
        } else {
            ds_put_format(s, "%%%02X", (unsigned char) *text);
        }
    }
}

static void
put_query(struct ds *s, const struct follower *f, int seconds)
{
    switch (f->state) {
    case FOLLOWER_LISTING:
        ds_put_format(s, "?limit=%d", f->kubernetes->page_size);
        if (f->continuation) {
            ds_put_cstr(s, "&continue=");
            put_encoded(s, f->continuation);
        }
        break;

    case FOLLOWER_COMPARING:
        ds_put_cstr(s, "?limit=1");
        break;

    case FOLLOWER_WATCHING:
        ds_put_format(s, "?watch=1&allowWatchBookmarks=true"
                      "&timeoutSeconds=%d&resourceVersion=", seconds);
        put_encoded(s, f->version);
        break;

    case FOLLOWER_WAITING:
    default:
        OVS_NOT_REACHED();
    }
}

/* Makes the next request. */
static void
follower_start(struct follower *f)
{
    static const struct json_limits list_limits = JSON_LIMITS_DEFAULT;
    static const struct json_limits watch_limits = {
        .max_bytes = MAX_EVENT_BYTES, .max_depth = 64, .max_parts = 250 * 1000
    };
    static const struct http_callbacks callbacks = {
        follower_started, follower_body, follower_done
    };
    int seconds = WATCH_SECONDS + random_range(WATCH_SECONDS);
    struct ds path = DS_EMPTY_INITIALIZER;

    f->state = (!f->version ? FOLLOWER_LISTING
                : !f->compared ? FOLLOWER_COMPARING
                : FOLLOWER_WATCHING);
    ds_put_cstr(&path, resources[f->kind].paths[f->path]);
    put_query(&path, f, seconds);

    json_reader_destroy(f->reader);
    f->reader = json_reader_create(f->state == FOLLOWER_WATCHING
                                   ? &watch_limits : &list_limits,
                                   got_value, f);
    f->http_status = 0;
    f->answered = false;
    f->request = http_get(f->kubernetes->client, ds_cstr(&path),
                          IDLE_TIMEOUT_MS
                          + (f->state == FOLLOWER_WATCHING
                             ? seconds * 1000 : 0),
                          &callbacks, f);
    ds_destroy(&path);
}

/* Begins anew with another client. */
static void
reconnect(struct kubernetes *k)
{
    for (int i = 0; i < K8S_N_KINDS; i++) {
        follower_end_request(&k->followers[i]);
        follower_forget_list(&k->followers[i]);
    }
    http_client_destroy(k->client);
    k->client = NULL;
    k8s_config_destroy(&k->config);

    char *error = connect_client(k);
    for (int i = 0; i < K8S_N_KINDS; i++) {
        struct follower *f = &k->followers[i];

        if (!f->needed) {
            continue;
        }
        event_del(f->timer);
        if (error) {
            follower_fail(f, xstrdup(error));
        } else {
            follower_start(f);
        }
    }
    free(error);
}

static void
follower_timer(evutil_socket_t fd OVS_UNUSED, short int what OVS_UNUSED,
               void *follower)
{
    struct follower *f = follower;

    if (!f->kubernetes->client || config_changed(f->kubernetes)) {
        reconnect(f->kubernetes);
    } else {
        follower_start(f);
    }
}

static void
kubernetes_changed(struct kubernetes *k)
{
    for (int i = 0; i < K8S_N_KINDS; i++) {
        if (k->followers[i].needed && !k->followers[i].listed) {
            return;
        }
    }
    k->up.seqno++;
}

/* The list has been read to its end. */
static void
follower_listed(struct follower *f)
{
    struct shash *objects = &f->kubernetes->cluster.objects[f->kind];

    COVERAGE_INC(kubernetes_list);
    f->kubernetes->n_lists++;
    shash_swap(objects, &f->incoming);
    free(f->version);
    f->version = f->incoming_version;
    f->incoming_version = NULL;
    f->compared = true;
    follower_forget_list(f);
    f->listed = true;
    follower_succeeded(f);
    kubernetes_changed(f->kubernetes);
}

static char *
describe_status(const struct follower *f)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        { 401, "the server does not accept the credentials" },
        { 403, "the credentials do not permit to list and watch" },
        { 404, "the server does not know this kind of object" },
        { 410, "the version is too old" },
        { 429, "the server is busy" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (texts[i].status == f->http_status) {
            return xasprintf("%s (HTTP status %d)", texts[i].text,
                             f->http_status);
        }
    }
    return xasprintf("HTTP status %d", f->http_status);
}

static void
follower_done(int status, const char *error, void *follower)
{
    struct follower *f = follower;
    enum follower_state state = f->state;

    f->request = NULL;
    f->state = FOLLOWER_WAITING;
    if (!f->http_status) {
        /* Who knows what has happened to the server meanwhile. */
        follower_relist(f);
        follower_fail(f, xstrdup(error ? error : "no answer"));
    } else if (status == 404 && resources[f->kind].paths[f->path + 1]) {
        f->path++;
        follower_start(f);
    } else if (status != 200) {
        if (status == 410) {
            follower_relist(f);
        }
        follower_fail(f, describe_status(f));
    } else if (state == FOLLOWER_WATCHING) {
        f->compared = false;
        if (f->answered) {
            follower_start(f);
        } else {
            /* Do not ask without pause a server that hangs up at once. */
            follower_schedule(f, MIN_BACKOFF_MS);
        }
    } else if (error || !f->answered) {
        follower_relist(f);
        follower_fail(f, xstrdup(error ? error : "not a list"));
    } else {
        if (state == FOLLOWER_LISTING && !f->continuation) {
            follower_listed(f);
        }
        follower_start(f);
    }
}

/* What the server says. */

/* Puts 'json' in the place of the object with the same name, if any. */
static void
put_object(struct follower *f, struct shash *objects, struct json_object *json)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    char *key;
    void *object;
    char *error = k8s_parse(f->kind, json, &key, &object);

    if (error) {
        COVERAGE_INC(kubernetes_malformed);
        f->kubernetes->n_malformed++;
        VLOG_WARN_RL(&rl, "%s: %s: %s", f->kubernetes->up.name,
                     resources[f->kind].name, error);
        free(error);
    }
    if (key) {
        k8s_object_destroy(f->kind, shash_find_and_delete(objects, key));
        if (object) {
            shash_add_nocopy(objects, key, object);
        } else {
            free(key);
        }
    }
}

static void
delete_object(struct follower *f, struct json_object *json)
{
    struct shash *objects = &f->kubernetes->cluster.objects[f->kind];
    bool namespaced = f->kind != K8S_NAMESPACES && f->kind != K8S_NODES;
    const char *name = json_get_text(json, "metadata.name");
    const char *namespace = json_get_text(json, "metadata.namespace");

    if (name && (namespace || !namespaced)) {
        char *key = (namespaced ? xasprintf("%s/%s", namespace, name)
                     : xstrdup(name));

        k8s_object_destroy(f->kind, shash_find_and_delete(objects, key));
        free(key);
    }
}

static void
got_list(struct follower *f, struct json_object *json)
{
    struct json_object *items = json_get_list(json, "items");
    size_t n = items ? json_object_array_length(items) : 0;
    const char *version = json_get_text(json, "metadata.resourceVersion");
    const char *continuation = json_get_text(json, "metadata.continue");

    if (!version || !*version || (!items && json_get(json, "items"))) {
        return;
    }
    f->answered = true;
    for (size_t i = 0; i < n; i++) {
        put_object(f, &f->incoming, json_object_array_get_idx(items, i));
    }
    free(f->incoming_version);
    f->incoming_version = xstrdup(version);
    free(f->continuation);
    f->continuation = (continuation && *continuation ? xstrdup(continuation)
                       : NULL);
}

/* Versions are numbers that grow, if they are numbers. */
static void
got_version(struct follower *f, struct json_object *json)
{
    const char *version = json_get_text(json, "metadata.resourceVersion");
    unsigned long long int server, ours;

    f->answered = f->compared = version && *version;
    if (version && str_to_ullong(version, 10, &server)
        && str_to_ullong(f->version, 10, &ours) && server < ours) {
        follower_relist(f);
    }
}

static void
got_event(struct follower *f, struct json_object *json)
{
    const char *type = json_get_text(json, "type");
    struct json_object *object = json_get_map(json, "object");
    const char *version = json_get_text(object, "metadata.resourceVersion");
    int64_t code;

    if (type && !strcmp(type, "ERROR")) {
        json_get_number(object, "code", &code);
        const char *message = json_get_text(object, "message");

        follower_relist(f);
        if (code == 410) {
            follower_end_request(f);
            follower_schedule(f, RELIST_DELAY_MS);
        } else {
            follower_fail(f, xasprintf("watch: %.200s", message ? message
                                       : "error"));
        }
        return;
    }
    if (!type || !version || !*version) {
        follower_relist(f);
        follower_fail(f, xstrdup("watch: not an event"));
        return;
    }

    bool changed = true;
    if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED")) {
        put_object(f, &f->kubernetes->cluster.objects[f->kind], object);
    } else if (!strcmp(type, "DELETED")) {
        delete_object(f, object);
    } else if (!strcmp(type, "BOOKMARK")) {
        changed = false;
    } else {
        follower_relist(f);
        follower_fail(f, xasprintf("watch: unknown type of event \"%.20s\"",
                                   type));
        return;
    }

    free(f->version);
    f->version = xstrdup(version);
    f->answered = true;
    follower_succeeded(f);
    if (changed) {
        COVERAGE_INC(kubernetes_event);
        f->kubernetes->n_events++;
        kubernetes_changed(f->kubernetes);
    }
}

static void
got_value(struct json_object *json, void *follower)
{
    struct follower *f = follower;

    /* What comes after the request has ended is not looked at. */
    switch (f->request ? f->state : FOLLOWER_WAITING) {
    case FOLLOWER_LISTING:
        got_list(f, json);
        break;

    case FOLLOWER_COMPARING:
        got_version(f, json);
        break;

    case FOLLOWER_WATCHING:
        got_event(f, json);
        break;

    case FOLLOWER_WAITING:
        break;

    default:
        OVS_NOT_REACHED();
    }
    json_object_put(json);
}

/* For the reconciler. */

static void
kubernetes_resync(struct collector *collector)
{
    struct kubernetes *k = kubernetes_cast(collector);

    for (int i = 0; i < K8S_N_KINDS; i++) {
        struct follower *f = &k->followers[i];

        if (f->needed) {
            follower_end_request(f);
            follower_forget_list(f);
            follower_relist(f);
            follower_schedule(f, 0);
        }
    }
}

/* Without a network of the operator's, there is one that consists of the
 * nodes' prefixes.  In each, the first address is the gateway's. */
static void
add_network(const struct kubernetes *k, struct desired *desired)
{
    struct desired_network *network = desired_add_network(desired, k->network);
    const struct shash_node *node;

    network->bridge = xstrdup(k->bridge);
    SHASH_FOR_EACH (node, &k->cluster.objects[K8S_NODES]) {
        const struct k8s_node *n = node->data;
        const char *cidr;

        SSET_FOR_EACH (cidr, &n->pod_cidrs) {
            struct ds s = DS_EMPTY_INITIALIZER;
            struct ip_prefix prefix;
            char *error = ip_prefix_parse(cidr, &prefix);

            ovs_assert(!error);
            sset_add(&network->subnets, cidr);
            prefix.addr.s6_addr[15] |= 1;
            ip_address_format(&prefix.addr, &s);
            sset_add(&network->gateways, ds_cstr(&s));
            ds_destroy(&s);
        }
    }
    if (sset_is_empty(&network->subnets)) {
        desired_clear(desired);
    }
}

static void
kubernetes_get_desired(const struct collector *collector,
                       struct desired *desired)
{
    const struct kubernetes *k = kubernetes_cast(collector);

    netpol_compile(&k->cluster, &k->options, desired);
    if (!k->has_network) {
        add_network(k, desired);
    }
}

static void
kubernetes_get_statistics(const struct collector *collector,
                          struct simap *statistics)
{
    const struct kubernetes *k = kubernetes_cast(collector);

    simap_put(statistics, "containers",
              shash_count(&k->cluster.objects[K8S_PODS]));
    simap_put(statistics, "events", k->n_events);
    simap_put(statistics, "lists", k->n_lists);
    simap_put(statistics, "errors", k->n_errors);
    simap_put(statistics, "malformed", k->n_malformed);
    for (int i = 0; i < K8S_N_KINDS; i++) {
        if (k->followers[i].needed) {
            simap_put(statistics, resources[i].name,
                      shash_count(&k->cluster.objects[i]));
        }
    }
}

const struct collector_class kubernetes_collector_class = {
    "kubernetes",
    kubernetes_create,
    kubernetes_destroy,
    kubernetes_resync,
    kubernetes_get_desired,
    kubernetes_get_statistics,
};
