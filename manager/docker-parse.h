/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_DOCKER_PARSE_H
#define BASTION_MANAGER_DOCKER_PARSE_H 1

/* The lists of Docker's API (and Podman's, which is the same but for details)
 * as 'struct docker_model'.  Whatever is wrong with an element of a list, it
 * is the same as if the element, or the member that is wrong, were not there.
 *
 * Thread-safety: none. */

struct docker_model;
struct json_object;

/* Each replaces what the model has, or returns one line that the caller must
 * free() if 'list' is not a list. */
char *docker_parse_networks(struct json_object *list, struct docker_model *);
char *docker_parse_containers(struct json_object *list,
                              struct docker_model *);

#endif /* manager/docker-parse.h */
