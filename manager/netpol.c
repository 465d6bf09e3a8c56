/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/netpol.h"

#include <netinet/in.h>
#include <string.h>

#include "manager/desired.h"
#include "manager/netpol-classes.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* A list of classes without duplicates. */
struct class_list {
    struct pod_class **classes;
    size_t n, allocated;
};

struct netpol_compiler {
    const struct k8s_cluster *cluster;
    const struct netpol_options *options;
    struct pod_classes classes;
    size_t last_mark;
    struct desired *desired;
};

/* What a rule is about, apart from ports. */
struct rule_ends {
    enum k8s_direction direction;
    struct class_list near;     /* The pods that the policy selects. */
    struct class_list far;      /* The pods that its peers are. */
    bool any;                   /* Everyone is a peer. */
    struct shash blocks;        /* Prefix -> struct sset * of excepts. */
};

/* Lists of classes. */

/* Begins a list: classes that have been added to others before can be added
 * again. */
static void
class_list_begin(struct netpol_compiler *c, struct class_list *list)
{
    *list = (struct class_list) { .n = 0 };
    c->last_mark++;
}

/* Adds 'class' to the list that was begun last. */
static void
class_list_add(struct netpol_compiler *c, struct class_list *list,
               struct pod_class *class)
{
    if (class->mark != c->last_mark) {
        class->mark = c->last_mark;
        if (list->n >= list->allocated) {
            list->classes = x2nrealloc(list->classes, &list->allocated,
                                       sizeof *list->classes);
        }
        list->classes[list->n++] = class;
    }
}

static void
class_list_add_matches(struct netpol_compiler *c, struct class_list *list,
                       const struct pod_namespace *namespace,
                       const struct k8s_selector *pods)
{
    struct pod_class *class;

    HMAP_FOR_EACH (class, node, &namespace->classes) {
        if (k8s_selector_matches(pods, &class->pod->labels)) {
            class_list_add(c, list, class);
        }
    }
}

/* Adds the classes in all namespaces that 'namespaces' selects. */
static void
class_list_add_all(struct netpol_compiler *c, struct class_list *list,
                   const struct k8s_selector *namespaces,
                   const struct k8s_selector *pods)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &c->classes.namespaces) {
        if (pod_namespace_matches(node->data, namespaces)) {
            class_list_add_matches(c, list, node->data, pods);
        }
    }
}

static void
put_services(const struct class_list *list, struct sset *services)
{
    for (size_t i = 0; i < list->n; i++) {
        sset_add(services, list->classes[i]->service);
    }
}

/* Blocks of addresses. */

static char *
format_prefix(const struct ip_prefix *prefix)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ip_prefix_format(prefix, &s);
    return ds_steal_cstr(&s);
}

/* Adds a block.  If its prefix is there already, what remains excepted is what
 * both except. */
static void
add_block(struct shash *blocks, const struct k8s_peer *peer)
{
    char *key = format_prefix(&peer->block);
    struct sset *excepts = shash_find_data(blocks, key);
    struct sset old = SSET_INITIALIZER(&old);
    bool first = !excepts;

    if (first) {
        excepts = xmalloc(sizeof *excepts);
        sset_init(excepts);
        shash_add(blocks, key, excepts);
    } else {
        sset_swap(&old, excepts);
    }

    for (size_t i = 0; i < peer->n_except; i++) {
        const struct ip_prefix *a = &peer->except[i];
        const char *text;

        if (first) {
            sset_add_and_free(excepts, format_prefix(a));
        }
        SSET_FOR_EACH (text, &old) {
            struct ip_prefix b;
            char *error = ip_prefix_parse(text, &b);

            ovs_assert(!error);
            if (ip_prefix_covers(a, &b)) {
                sset_add(excepts, text);
            } else if (ip_prefix_covers(&b, a)) {
                sset_add_and_free(excepts, format_prefix(a));
            }
        }
    }
    sset_destroy(&old);
    free(key);
}

static void
put_blocks(const struct shash *blocks, struct desired_peers *peers)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, blocks) {
        struct sset *excepts = desired_peers_add_cidr(peers, node->name);
        const char *except;

        SSET_FOR_EACH (except, (const struct sset *) node->data) {
            sset_add(excepts, except);
        }
    }
}

/* Ports. */

static const char *
protocol_name(uint8_t nw_proto)
{
    return (nw_proto == IPPROTO_TCP ? "tcp"
            : nw_proto == IPPROTO_UDP ? "udp" : "sctp");
}

/* Adds what 'ports' open whatever the destination is. */
static void
put_numbered_ports(const struct k8s_policy_port *ports, size_t n,
                   struct sset *policies)
{
    for (size_t i = 0; i < n; i++) {
        const char *protocol = protocol_name(ports[i].nw_proto);

        if (ports[i].type == K8S_PORT_ANY) {
            sset_add(policies, protocol);
        } else if (ports[i].type == K8S_PORT_RANGE) {
            sset_add_and_free(
                policies,
                ports[i].min == ports[i].max
                ? xasprintf("%s:%d", protocol, ports[i].min)
                : xasprintf("%s:%d-%d", protocol, ports[i].min,
                            ports[i].max));
        }
    }
}

/* Adds what the named ones of 'ports' open on pods like 'pod'. */
static void
put_named_ports(const struct k8s_policy_port *ports, size_t n,
                const struct k8s_pod *pod, struct sset *policies)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; ports[i].type == K8S_PORT_NAME && j < pod->n_ports;
             j++) {
            const struct k8s_port *port = &pod->ports[j];

            if (port->nw_proto == ports[i].nw_proto
                && !strcmp(port->name, ports[i].name)) {
                sset_add_and_free(policies,
                                  xasprintf("%s:%d",
                                            protocol_name(port->nw_proto),
                                            port->number));
            }
        }
    }
}

static bool
has_named_ports(const struct k8s_policy_port *ports, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ports[i].type == K8S_PORT_NAME) {
            return true;
        }
    }
    return false;
}

/* Classes, by what named ports mean there: the policies, joined by commas ->
 * struct class_list.  Those where they mean nothing are left out. */
static void
group_by_port(struct netpol_compiler *c, const struct class_list *list,
              const struct k8s_policy_port *ports, size_t n,
              struct shash *groups)
{
    c->last_mark++;
    for (size_t i = 0; i < list->n; i++) {
        struct sset policies = SSET_INITIALIZER(&policies);

        put_named_ports(ports, n, list->classes[i]->pod, &policies);
        if (!sset_is_empty(&policies)) {
            char *key = sset_join(&policies, ",", "");
            struct class_list *group = shash_find_data(groups, key);

            if (!group) {
                group = xzalloc(sizeof *group);
                shash_add(groups, key, group);
            }
            class_list_add(c, group, list->classes[i]);
            free(key);
        }
        sset_destroy(&policies);
    }
}

static void
destroy_groups(struct shash *groups)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, groups) {
        struct class_list *group = node->data;

        free(group->classes);
    }
    shash_destroy_free_data(groups);
}

/* Dependencies. */

/* Adds a dependency between 'ends', if neither of them is empty. */
static void
add_dependency(struct netpol_compiler *c, const char *key,
               enum desired_direction direction, const struct rule_ends *ends,
               const struct sset *policies)
{
    if (!ends->near.n || sset_is_empty(policies)
        || (!ends->far.n && !ends->any && shash_is_empty(&ends->blocks))) {
        return;
    }

    struct desired_dependency *d = desired_add_dependency(c->desired, key);
    bool ingress = ends->direction == K8S_INGRESS;
    struct desired_peers *near = ingress ? &d->destination : &d->source;
    struct desired_peers *far = ingress ? &d->source : &d->destination;
    const char *policy;

    d->direction = direction;
    put_services(&ends->near, &near->services);
    far->any = ends->any;
    if (!ends->any) {
        put_services(&ends->far, &far->services);
        put_blocks(&ends->blocks, far);
    }
    SSET_FOR_EACH (policy, policies) {
        sset_add(&d->policies, policy);
    }
}

/* Adds what one rule, with one set of policies, means.
 *
 * A rule speaks of one half of a connection.  In zero trust the other half is
 * closed even if no policy isolates the pod at the other end: there, the rule
 * opens both. */
static void
add_rule(struct netpol_compiler *c, const char *key,
         const struct rule_ends *ends, const struct sset *policies)
{
    bool ingress = ends->direction == K8S_INGRESS;
    enum desired_direction half = ingress ? DESIRED_INGRESS : DESIRED_EGRESS;

    if (c->options->mode != NETPOL_ZERO_TRUST) {
        add_dependency(c, key, half, ends, policies);
        return;
    }

    struct rule_ends one = *ends, both = *ends;
    struct class_list all;

    class_list_begin(c, &all);
    if (ends->any) {
        const struct k8s_selector everything = { .n = 0 };

        class_list_add_all(c, &all, &everything, &everything);
    }
    const struct class_list *far = ends->any ? &all : &ends->far;

    class_list_begin(c, &one.far);
    class_list_begin(c, &both.far);
    both.any = false;
    shash_init(&both.blocks);
    for (size_t i = 0; i < far->n; i++) {
        struct pod_class *class = far->classes[i];

        class_list_add(c, class->isolated[!ends->direction]
                          ? &one.far : &both.far, class);
    }

    char *open = xasprintf("%s open", key);
    add_dependency(c, key, half, &one, policies);
    add_dependency(c, open, DESIRED_BOTH, &both, policies);
    free(open);

    shash_destroy(&both.blocks);
    free(both.far.classes);
    free(one.far.classes);
    free(all.classes);
}

/* Adds what the named ports of a rule mean, which depends on the destination.
 * Outside the cluster, it is nothing. */
static void
add_named_ports(struct netpol_compiler *c, const char *key,
                const struct rule_ends *ends,
                const struct k8s_policy_port *ports, size_t n)
{
    bool ingress = ends->direction == K8S_INGRESS;
    struct shash groups = SHASH_INITIALIZER(&groups);
    struct class_list all = { .n = 0 };
    const struct shash_node *node;

    if (!ingress && ends->any) {
        const struct k8s_selector everything = { .n = 0 };

        class_list_begin(c, &all);
        class_list_add_all(c, &all, &everything, &everything);
    }
    group_by_port(c, ingress ? &ends->near : ends->any ? &all : &ends->far,
                  ports, n, &groups);

    SHASH_FOR_EACH (node, &groups) {
        struct rule_ends group = *ends;
        struct sset policies;
        char *group_key = xasprintf("%s %s", key, node->name);

        if (ingress) {
            group.near = *(struct class_list *) node->data;
        } else {
            group.far = *(struct class_list *) node->data;
            group.any = false;
            shash_init(&group.blocks);
        }
        sset_from_delimited_string(&policies, node->name, ",");
        add_rule(c, group_key, &group, &policies);
        sset_destroy(&policies);
        free(group_key);
        if (!ingress) {
            shash_destroy(&group.blocks);
        }
    }
    destroy_groups(&groups);
    free(all.classes);
}

static void
find_peers(struct netpol_compiler *c, const struct k8s_netpol *netpol,
           const struct k8s_rule *rule, struct rule_ends *ends)
{
    struct pod_namespace *own = shash_find_data(&c->classes.namespaces,
                                                netpol->namespace);

    ends->any = rule->any_peer;
    shash_init(&ends->blocks);
    class_list_begin(c, &ends->far);
    for (size_t i = 0; !ends->any && i < rule->n_peers; i++) {
        const struct k8s_peer *peer = &rule->peers[i];

        if (peer->type == K8S_PEER_BLOCK) {
            add_block(&ends->blocks, peer);
        } else if (peer->type == K8S_PEER_PODS && peer->has_namespaces) {
            class_list_add_all(c, &ends->far, &peer->namespaces, &peer->pods);
        } else if (peer->type == K8S_PEER_PODS) {
            class_list_add_matches(c, &ends->far, own, &peer->pods);
        }
    }
}

static void
compile_rule(struct netpol_compiler *c, const struct k8s_netpol *netpol,
             enum k8s_direction direction, size_t index,
             const struct class_list *near)
{
    const struct k8s_rule *rule = &netpol->directions[direction].rules[index];
    char *key = xasprintf("netpol %s/%s %s %"PRIuSIZE,
                          netpol->namespace, netpol->name,
                          direction == K8S_INGRESS ? "ingress" : "egress",
                          index);
    struct rule_ends ends = { .direction = direction, .near = *near };
    struct sset policies = SSET_INITIALIZER(&policies);
    struct shash_node *node;

    find_peers(c, netpol, rule, &ends);
    if (rule->any_port) {
        sset_add(&policies, "any");
    } else {
        put_numbered_ports(rule->ports, rule->n_ports, &policies);
        if (has_named_ports(rule->ports, rule->n_ports)) {
            add_named_ports(c, key, &ends, rule->ports, rule->n_ports);
        }
    }
    add_rule(c, key, &ends, &policies);

    SHASH_FOR_EACH (node, &ends.blocks) {
        sset_destroy(node->data);
    }
    shash_destroy_free_data(&ends.blocks);
    free(ends.far.classes);
    sset_destroy(&policies);
    free(key);
}

/* Finds the classes that 'netpol' selects. */
static void
find_subjects(struct netpol_compiler *c, const struct k8s_netpol *netpol,
              struct class_list *subjects)
{
    const struct pod_namespace *namespace
        = shash_find_data(&c->classes.namespaces, netpol->namespace);

    class_list_begin(c, subjects);
    class_list_add_matches(c, subjects, namespace, &netpol->pods);
}

static void
compile_netpols(struct netpol_compiler *c)
{
    const struct shash *netpols = &c->cluster->objects[K8S_NETPOLS];
    const struct shash_node *node;

    /* Who is isolated must be known before any rule is looked at. */
    SHASH_FOR_EACH (node, netpols) {
        const struct k8s_netpol *netpol = node->data;
        struct class_list subjects;

        find_subjects(c, netpol, &subjects);
        for (int d = 0; d < K8S_N_DIRECTIONS; d++) {
            for (size_t i = 0; i < subjects.n; i++) {
                subjects.classes[i]->isolated[d]
                    |= netpol->directions[d].isolates;
            }
        }
        free(subjects.classes);
    }

    SHASH_FOR_EACH (node, netpols) {
        const struct k8s_netpol *netpol = node->data;
        struct class_list subjects;

        find_subjects(c, netpol, &subjects);
        for (int d = 0; d < K8S_N_DIRECTIONS; d++) {
            for (size_t i = 0;
                 netpol->directions[d].isolates
                 && i < netpol->directions[d].n_rules;
                 i++) {
                compile_rule(c, netpol, d, i, &subjects);
            }
        }
        free(subjects.classes);
    }
}

/* Services of Kubernetes, in zero trust. */

/* Whether pods like 'class' say that they depend on 'service': in an
 * annotation that lists SERVICE or SERVICE.NAMESPACE. */
static bool
depends_on(const struct pod_class *class, const struct k8s_service *service)
{
    struct sset names;

    if (!class->pod->depends_on) {
        return false;
    }
    sset_from_delimited_string(&names, class->pod->depends_on, ", ");

    char *full = xasprintf("%s.%s", service->name, service->namespace);
    bool found = (sset_contains(&names, full)
                  || (!strcmp(class->namespace->name, service->namespace)
                      && sset_contains(&names, service->name)));
    sset_destroy(&names);
    free(full);
    return found;
}

static void
find_clients(struct netpol_compiler *c, const struct k8s_service *service,
             struct class_list *clients)
{
    const struct shash_node *node;

    class_list_begin(c, clients);
    SHASH_FOR_EACH (node, &c->classes.namespaces) {
        const struct pod_namespace *namespace = node->data;
        bool own = !strcmp(namespace->name, service->namespace);
        struct pod_class *class;

        if (!own && !sset_contains(&service->allowed, namespace->name)
            && !sset_contains(&service->allowed, "*")) {
            continue;
        }
        HMAP_FOR_EACH (class, node, &namespace->classes) {
            if (!class->isolated[K8S_EGRESS]
                && ((own && c->options->clients == NETPOL_CLIENTS_NAMESPACE)
                    || depends_on(class, service))) {
                class_list_add(c, clients, class);
            }
        }
    }
}

static void
add_endpoints(struct netpol_compiler *c, const struct k8s_endpoints *e,
              struct class_list *servers)
{
    for (size_t i = 0; i < c->classes.n_members; i++) {
        const struct pod_member *member = &c->classes.members[i];

        if (!strcmp(member->pod->namespace, e->namespace)
            && sset_contains(&e->pods, member->pod->name)
            && !member->class->isolated[K8S_INGRESS]) {
            class_list_add(c, servers, member->class);
        }
    }
}

/* Finds the classes of pods behind 'service'. */
static void
find_servers(struct netpol_compiler *c, const struct k8s_service *service,
             struct class_list *servers)
{
    const struct pod_namespace *namespace
        = shash_find_data(&c->classes.namespaces, service->namespace);
    struct pod_class *class;
    const struct shash_node *node;

    class_list_begin(c, servers);
    HMAP_FOR_EACH (class, node, &namespace->classes) {
        if (service->has_selector && !class->isolated[K8S_INGRESS]
            && k8s_selector_matches(&service->pods, &class->pod->labels)) {
            class_list_add(c, servers, class);
        }
    }
    if (service->has_selector) {
        return;
    }

    SHASH_FOR_EACH (node, &c->cluster->objects[K8S_ENDPOINTS]) {
        const struct k8s_endpoints *e = node->data;

        if (e->service && !strcmp(e->service, service->name)
            && !strcmp(e->namespace, service->namespace)) {
            add_endpoints(c, e, servers);
        }
    }
}

static void
compile_service(struct netpol_compiler *c, const struct k8s_service *service)
{
    char *key = xasprintf("service %s/%s", service->namespace, service->name);
    struct rule_ends ends = { .direction = K8S_INGRESS };
    struct sset policies = SSET_INITIALIZER(&policies);
    struct shash groups = SHASH_INITIALIZER(&groups);
    const struct shash_node *node;

    shash_init(&ends.blocks);
    find_clients(c, service, &ends.far);
    find_servers(c, service, &ends.near);
    put_numbered_ports(service->ports, service->n_ports, &policies);
    add_dependency(c, key, DESIRED_BOTH, &ends, &policies);

    group_by_port(c, &ends.near, service->ports, service->n_ports, &groups);
    SHASH_FOR_EACH (node, &groups) {
        struct rule_ends group = ends;
        char *group_key = xasprintf("%s %s", key, node->name);

        group.near = *(struct class_list *) node->data;
        sset_destroy(&policies);
        sset_from_delimited_string(&policies, node->name, ",");
        add_dependency(c, group_key, DESIRED_BOTH, &group, &policies);
        free(group_key);
    }

    destroy_groups(&groups);
    shash_destroy(&ends.blocks);
    sset_destroy(&policies);
    free(ends.near.classes);
    free(ends.far.classes);
    free(key);
}

/* Services and containers of Bastion. */

static void
add_node_traffic(struct netpol_compiler *c, const char *service,
                 bool isolated_ingress)
{
    if (c->options->node_traffic != NETPOL_NODE_NONE && isolated_ingress) {
        char *key = xasprintf("from-node %s", service);
        struct desired_dependency *d = desired_add_dependency(c->desired, key);

        d->direction = DESIRED_BOTH;
        d->source.host = true;
        sset_add(&d->destination.services, service);
        sset_add(&d->policies, "any");
        free(key);
    }
    if (c->options->node_traffic == NETPOL_NODE_BOTH) {
        char *key = xasprintf("to-node %s", service);
        struct desired_dependency *d = desired_add_dependency(c->desired, key);

        d->direction = DESIRED_BOTH;
        sset_add(&d->source.services, service);
        d->destination.host = true;
        sset_add(&d->policies, "any");
        free(key);
    }
}

static void
add_class(struct netpol_compiler *c, const struct pod_class *class)
{
    bool all = c->options->mode == NETPOL_ZERO_TRUST;
    bool ingress = all || class->isolated[K8S_INGRESS];
    bool egress = all || class->isolated[K8S_EGRESS];

    desired_add_service(c->desired, class->service)->isolate
        = ((ingress ? DESIRED_ISOLATE_INGRESS : 0)
           | (egress ? DESIRED_ISOLATE_EGRESS : 0));
    add_node_traffic(c, class->service, ingress);
}

static void
add_pod(struct netpol_compiler *c, const struct k8s_pod *pod,
        const struct pod_class *class)
{
    char *key = xasprintf("%s/%s", c->options->network, pod->container);
    struct desired_container *container = desired_add_container(c->desired,
                                                                key);
    const char *ip;

    container->service = xstrdup(class->service);
    container->pod_namespace = xstrdup(pod->namespace);
    container->pod_name = xstrdup(pod->name);
    container->node = nullable_xstrdup(pod->node);
    SSET_FOR_EACH (ip, &pod->ips) {
        sset_add(&container->ips, ip);
    }
    free(key);
}

static void
add_pods(struct netpol_compiler *c)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &c->classes.namespaces) {
        const struct pod_namespace *namespace = node->data;
        const struct pod_class *class;

        HMAP_FOR_EACH (class, node, &namespace->classes) {
            add_class(c, class);
        }
    }
    for (size_t i = 0; i < c->classes.n_members; i++) {
        add_pod(c, c->classes.members[i].pod, c->classes.members[i].class);
    }
}

/* Adds to 'desired' what 'cluster' means. */
void
netpol_compile(const struct k8s_cluster *cluster,
               const struct netpol_options *options, struct desired *desired)
{
    bool services = (options->mode == NETPOL_ZERO_TRUST
                     && options->clients != NETPOL_CLIENTS_NONE);
    struct pod_class_options class_options = {
        .network = options->network,
        .depends_on = services,
        .services = services,
        .namespaces = options->namespaces,
    };
    struct netpol_compiler c = {
        .cluster = cluster,
        .options = options,
        .desired = desired,
    };

    pod_classes_init(&c.classes, cluster, &class_options);
    compile_netpols(&c);
    if (services) {
        const struct shash_node *node;

        SHASH_FOR_EACH (node, &cluster->objects[K8S_SERVICES]) {
            compile_service(&c, node->data);
        }
    }
    add_pods(&c);
    pod_classes_destroy(&c.classes);
}
