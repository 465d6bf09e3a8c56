/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "manager/json-reader.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "unicode.h"
#include "util.h"

struct json_reader {
    struct json_limits limits;
    void (*cb)(struct json_object *, void *aux);
    void *aux;

    struct json_tokener *tokener;

    /* Of the value that is being read. */
    bool in_value;
    char quote;                 /* That the current string began with, or 0.
                                 * json-c accepts names in single quotes. */
    bool after_backslash;       /* In a string. */
    size_t n_bytes;
    size_t n_parts;
};

/* Bytes that are given to the tokener at once, so that the limits are checked
 * before much memory is used. */
#define MAX_STEP 4096

static char *check_step(struct json_reader *, const char *data, size_t size);
static char *parse_step(struct json_reader *, const char *data, size_t size,
                        size_t *n_used);

struct json_reader *
json_reader_create(const struct json_limits *limits,
                   void (*cb)(struct json_object *, void *aux), void *aux)
{
    struct json_reader *reader = xzalloc(sizeof *reader);

    reader->limits = *limits;
    reader->cb = cb;
    reader->aux = aux;
    reader->tokener = json_tokener_new_ex(limits->max_depth);
    ovs_assert(reader->tokener);
    json_tokener_set_flags(reader->tokener,
                           JSON_TOKENER_STRICT
                           | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    return reader;
}

void
json_reader_destroy(struct json_reader *reader)
{
    if (reader) {
        json_tokener_free(reader->tokener);
        free(reader);
    }
}

char *
json_reader_feed(struct json_reader *reader, const void *data_, size_t size)
{
    const char *data = data_;

    while (size) {
        if (!reader->in_value) {
            size_t n_space = 0;

            while (n_space < size && strchr(" \t\r\n", data[n_space])
                   && data[n_space]) {
                n_space++;
            }
            data += n_space;
            size -= n_space;
            if (!size) {
                break;
            }
            reader->in_value = true;
            reader->n_bytes = reader->n_parts = 0;
        }

        size_t n_used;
        char *error = parse_step(reader, data, MIN(size, MAX_STEP), &n_used);
        if (error) {
            return error;
        }
        data += n_used;
        size -= n_used;
    }
    return NULL;
}

char *
json_reader_finish(struct json_reader *reader)
{
    if (reader->in_value) {
        /* A number ends only where something else begins. */
        char *error = json_reader_feed(reader, "\n", 1);
        if (error) {
            return error;
        }
    }
    return (reader->in_value ? xstrdup("JSON ends in the middle of a value")
            : NULL);
}

/* Gives the tokener what there is, and the value to the callback if that
 * completes it.  Stores the number of bytes that belong to the value in
 * '*n_used'. */
static char *
parse_step(struct json_reader *reader, const char *data, size_t size,
           size_t *n_used)
{
    struct json_object *value = json_tokener_parse_ex(reader->tokener, data,
                                                      size);
    enum json_tokener_error error = json_tokener_get_error(reader->tokener);

    *n_used = (error == json_tokener_success
               ? json_tokener_get_parse_end(reader->tokener) : size);
    if (error != json_tokener_success && error != json_tokener_continue) {
        return xasprintf("not valid JSON: %s",
                         json_tokener_error_desc(error));
    }

    char *complaint = check_step(reader, data, *n_used);
    if (complaint) {
        json_object_put(value);
        return complaint;
    }
    if (error == json_tokener_success) {
        json_tokener_reset(reader->tokener);
        reader->in_value = false;
        reader->cb(value, reader->aux);
    }
    return NULL;
}

/* Counts the 'size' bytes of 'data', which the tokener has found well-formed
 * so far, and checks them against the limits. */
static char *
check_step(struct json_reader *reader, const char *data, size_t size)
{
    reader->n_bytes += size;
    if (reader->n_bytes > reader->limits.max_bytes) {
        return xasprintf("JSON value is longer than %"PRIuSIZE" bytes",
                         reader->limits.max_bytes);
    }

    for (size_t i = 0; i < size; i++) {
        char c = data[i];

        if (reader->after_backslash) {
            reader->after_backslash = false;
        } else if (reader->quote) {
            reader->after_backslash = c == '\\';
            if (c == reader->quote) {
                reader->quote = '\0';
            }
        } else if (c == '"' || c == '\'') {
            reader->quote = c;
        } else if (c == ',' || c == '[' || c == '{') {
            reader->n_parts++;
        }
    }
    if (reader->n_parts > reader->limits.max_parts) {
        return xasprintf("JSON value has more than %"PRIuSIZE" parts",
                         reader->limits.max_parts);
    }
    return NULL;
}

/* Accessors. */

struct json_object *
json_get(struct json_object *object, const char *path)
{
    while (*path && object) {
        size_t len = strcspn(path, ".");
        char name[64];

        ovs_assert(len < sizeof name);
        memcpy(name, path, len);
        name[len] = '\0';
        if (!json_object_is_type(object, json_type_object)
            || !json_object_object_get_ex(object, name, &object)) {
            return NULL;
        }
        path += len + (path[len] == '.');
    }
    return object;
}

static struct json_object *
get_typed(struct json_object *object, const char *path, enum json_type type)
{
    struct json_object *value = json_get(object, path);

    /* json-c's NULL is JSON's null. */
    return value && json_object_is_type(value, type) ? value : NULL;
}

const char *
json_get_text(struct json_object *object, const char *path)
{
    struct json_object *value = get_typed(object, path, json_type_string);

    if (!value) {
        return NULL;
    }

    const char *text = json_object_get_string(value);
    size_t length;

    if (strlen(text) != json_object_get_string_len(value)) {
        return NULL;
    }
    char *error = utf8_validate(text, &length);
    free(error);
    return error ? NULL : text;
}

bool
json_get_number(struct json_object *object, const char *path, int64_t *number)
{
    struct json_object *value = get_typed(object, path, json_type_int);

    *number = value ? json_object_get_int64(value) : 0;
    return value != NULL;
}

bool
json_get_flag(struct json_object *object, const char *path, bool default_)
{
    struct json_object *value = get_typed(object, path, json_type_boolean);

    return value ? json_object_get_boolean(value) : default_;
}

struct json_object *
json_get_list(struct json_object *object, const char *path)
{
    return get_typed(object, path, json_type_array);
}

struct json_object *
json_get_map(struct json_object *object, const char *path)
{
    return get_typed(object, path, json_type_object);
}
