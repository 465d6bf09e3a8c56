/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/cni-error.h"

#include <stdarg.h>
#include <stdlib.h>

#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

struct cni_error *
cni_error_create(unsigned int code, const char *format, ...)
{
    struct cni_error *error = xzalloc(sizeof *error);
    va_list args;

    error->code = code;
    va_start(args, format);
    error->msg = xvasprintf(format, args);
    va_end(args);
    return error;
}

void
cni_error_destroy(struct cni_error *error)
{
    if (error) {
        free(error->msg);
        free(error->details);
        free(error);
    }
}

struct cni_error *
cni_error_first(struct cni_error *first, struct cni_error *second)
{
    if (first) {
        cni_error_destroy(second);
        return first;
    }
    return second;
}

struct json *
cni_error_to_json(const struct cni_error *error, const char *cni_version)
{
    struct json *object = json_object_create();

    json_object_put_string(object, "cniVersion", cni_version);
    json_object_put(object, "code", json_integer_create(error->code));
    json_object_put_string(object, "msg", error->msg);
    if (error->details) {
        json_object_put_string(object, "details", error->details);
    }
    return object;
}

static const char *
get_string(const struct json *object, const char *name)
{
    const struct json *member = shash_find_data(json_object(object), name);

    return member && member->type == JSON_STRING ? json_string(member) : NULL;
}

struct cni_error *
cni_error_from_json(const struct json *object, const char *whose)
{
    const struct json *code
        = (object && object->type == JSON_OBJECT
           ? shash_find_data(json_object(object), "code") : NULL);

    if (!code || code->type != JSON_INTEGER || json_integer(code) <= 0
        || json_integer(code) > INT_MAX) {
        return cni_error_create(CNI_ERR_IPAM, "%s failed without saying why",
                                whose);
    }

    const char *msg = get_string(object, "msg");
    struct cni_error *error = cni_error_create(json_integer(code), "%s: %s",
                                               whose, msg ? msg : "failed");
    error->details = nullable_xstrdup(get_string(object, "details"));
    return error;
}
