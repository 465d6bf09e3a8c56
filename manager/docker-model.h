/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_DOCKER_MODEL_H
#define BASTION_MANAGER_DOCKER_MODEL_H 1

/* What Docker or Podman runs, and what follows from it
 * ====================================================
 *
 * Networks and containers as the API lists them, as data, and the derivation
 * of 'struct desired' from them.  No I/O, no JSON.
 *
 * Names.  A container of network N is in service N/S.  S is the compose
 * service or, without compose, the container's name; label "bastion.service"
 * replaces either.  If the container is not of the compose project that the
 * network is of (or has no project on a network that has none), S is
 * PROJECT.S, where PROJECT is "_" for none.  A compose project's name has no
 * dot, so both forms are never the same.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/shash.h"
#include "smap.h"
#include "sset.h"

struct desired;

struct docker_network {
    char *driver;
    char *project;              /* Compose project, or NULL. */
    struct sset subnets;
    struct sset gateways;
};

/* One network of a container. */
struct docker_endpoint {
    char *mac;                  /* NULL if not known. */
    struct sset ips;
    struct sset aliases;
};

struct docker_container {
    char *id;
    char *name;
    struct smap labels;
    struct shash endpoints;     /* Network -> struct docker_endpoint. */
    struct sset exposed;        /* Policies, as "tcp:80". */
    struct sset published;      /* Of these, those on a port of the host. */
};

struct docker_model {
    struct shash networks;      /* Name -> struct docker_network. */
    struct shash containers;    /* ID -> struct docker_container. */

    /* What compose files say: "PROJECT/SERVICE" -> struct sset * of the
     * services that it depends on, or of the policies that it exposes. */
    struct shash compose_depends;
    struct shash compose_exposes;
};

enum docker_implicit {
    DOCKER_IMPLICIT_NONE,
    DOCKER_IMPLICIT_NETWORK,
    DOCKER_IMPLICIT_EXPOSED
};

struct docker_options {
    char *network;              /* Of all containers, or NULL. */
    char *bridge;
    char *node;                 /* For containers with an interface label. */
    enum docker_implicit implicit;
    bool publish;               /* Open published ports to the world? */
    struct sset networks;       /* Selected ones; empty: all. */
    struct smap labels;         /* Selected ones: all must match. */
};

/* Labels. */
#define DOCKER_LABEL_SERVICE "bastion.service"
#define DOCKER_LABEL_DEPENDS_ON "bastion.depends-on"
#define DOCKER_LABEL_EXPOSE "bastion.expose"
#define DOCKER_LABEL_INTERFACE "bastion.interface"
#define COMPOSE_LABEL_PROJECT "com.docker.compose.project"
#define COMPOSE_LABEL_SERVICE "com.docker.compose.service"
#define COMPOSE_LABEL_NETWORK "com.docker.compose.network"
#define COMPOSE_LABEL_DEPENDS_ON "com.docker.compose.depends_on"
#define COMPOSE_LABEL_DIRECTORY "com.docker.compose.project.working_dir"
#define COMPOSE_LABEL_FILES "com.docker.compose.project.config_files"

void docker_model_init(struct docker_model *);
void docker_model_destroy(struct docker_model *);
void docker_model_clear_networks(struct docker_model *);
void docker_model_clear_containers(struct docker_model *);
void docker_model_clear_compose(struct docker_model *);

/* Each adds an entry, or returns the one that is there. */
struct docker_network *docker_model_add_network(struct docker_model *,
                                                const char *name);
struct docker_container *docker_model_add_container(struct docker_model *,
                                                    const char *id);
struct docker_endpoint *docker_container_add_endpoint(
    struct docker_container *, const char *network);
struct sset *docker_model_add_texts(struct shash *, const char *key);

/* The policy for "PORT[-PORT]" and "tcp", "udp" or "sctp", or NULL if there is
 * none.  The caller must free() it. */
char *docker_port_policy(const char *port, const char *protocol);

void docker_model_get_desired(const struct docker_model *,
                              const struct docker_options *,
                              struct desired *);

#endif /* manager/docker-model.h */
