/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_COMPOSE_FILE_H
#define BASTION_MANAGER_COMPOSE_FILE_H 1

/* Compose files
 * =============
 *
 * Reads, of each service, what it depends on ("depends_on", "links") and which
 * ports it offers ("expose", "ports").  This is not an interpreter: it knows
 * anchors and merge keys, but neither variables nor "extends" or "include".
 *
 * A file is named by labels, that is, by whoever started the containers, so it
 * is read with care: it must be a regular file of moderate size.
 *
 * Thread-safety: none. */

#include <stddef.h>

struct docker_model;

/* Adds to 'compose_depends' and 'compose_exposes' of 'model' what the file
 * 'name' says about the services of 'project'.  Returns NULL if successful,
 * else one line that the caller must free(). */
char *compose_file_read(const char *name, const char *project,
                        struct docker_model *model);

/* The same for a text. */
char *compose_file_parse(const char *text, size_t size, const char *project,
                         struct docker_model *model);

#endif /* manager/compose-file.h */
