/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_JSON_READER_H
#define BASTION_MANAGER_JSON_READER_H 1

/* JSON from platforms
 * ===================
 *
 * Reads a stream of JSON values, as it comes in, within limits: a platform is
 * not trusted to send well-formed, small or shallow values.  Built on json-c's
 * tokener.
 *
 * json-c and Open vSwitch's library have a function json_object_put() each.
 * Files that include <json-c/json.h> are in manager/libcollectors.la, which is
 * compiled so that the name is json-c's, and must not include
 * openvswitch/json.h or what includes it, as ovsdb-idl.h.
 *
 * The accessors take any value, NULL too, and return a value of the type that
 * they promise or say that there is none, so that a wrong type in a field is
 * the same as an absent field.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

struct json_limits {
    size_t max_bytes;           /* Of one value. */
    int max_depth;
    size_t max_parts;           /* Of one value: members and elements of all
                                 * that is in it. */
};

#define JSON_LIMITS_DEFAULT { 64 * 1024 * 1024, 64, 1000 * 1000 }

struct json_reader;

/* 'cb' gets each value and must put it (json_object_put()).  It must not
 * destroy the reader. */
struct json_reader *json_reader_create(const struct json_limits *,
                                       void (*cb)(struct json_object *,
                                                  void *aux),
                                       void *aux);
void json_reader_destroy(struct json_reader *);

/* Returns NULL if all is well, else one line that the caller must free().
 * After an error, or after json_reader_finish(), nothing more may be fed. */
char *json_reader_feed(struct json_reader *, const void *data, size_t size);
char *json_reader_finish(struct json_reader *);

/* Member 'path' of 'object', borrowed, or NULL.  'path' may have several names
 * with dots between them, none of which has a dot itself.  Here and below, an
 * empty 'path' is 'object' itself. */
struct json_object *json_get(struct json_object *, const char *path);

/* A string without NUL bytes in it that is valid UTF-8, or NULL. */
const char *json_get_text(struct json_object *, const char *path);
bool json_get_number(struct json_object *, const char *path, int64_t *);
bool json_get_flag(struct json_object *, const char *path, bool default_);

/* The array or object at 'path', or NULL. */
struct json_object *json_get_list(struct json_object *, const char *path);
struct json_object *json_get_map(struct json_object *, const char *path);

#endif /* manager/json-reader.h */
