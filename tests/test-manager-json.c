/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-c/json.h>
#include <string.h>

#include "manager/json-reader.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static const struct json_limits limits = {
    .max_bytes = 1000,
    .max_depth = 8,
    .max_parts = 50
};

static void
note_value(struct json_object *value, void *values)
{
    ds_put_format(values, "%s;",
                  json_object_to_json_string_ext(value,
                                                 JSON_C_TO_STRING_PLAIN));
    json_object_put(value);
}

/* Reads 'text', in parts of 'step' bytes, and appends the values. */
static char *
read_text(const char *text, size_t size, size_t step, struct ds *values)
{
    struct json_reader *reader = json_reader_create(&limits, note_value,
                                                    values);
    char *error = NULL;

    ds_clear(values);
    for (size_t i = 0; i < size && !error; i += step) {
        error = json_reader_feed(reader, text + i, MIN(step, size - i));
    }
    if (!error) {
        error = json_reader_finish(reader);
    }
    json_reader_destroy(reader);
    return error;
}

static void
test_good(void **state OVS_UNUSED)
{
    static const struct {
        const char *text;
        const char *values;
    } good[] = {
        { "", "" },
        { " \n\t\r", "" },
        { "{}", "{};" },
        { "null", "null;" },
        { "1", "1;" },
        { "-17 true\n", "-17;true;" },
        { "{\"a\":1}{\"b\":[2,\"}\\\"{\"]}",
          "{\"a\":1};{\"b\":[2,\"}\\\"{\"]};" },
        { "\n[1]\r\n\r\n[2]\r\n", "[1];[2];" },
        { "[[[[[[[]]]]]]]", "[[[[[[[]]]]]]];" },
    };
    struct ds values = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        size_t size = strlen(good[i].text);

        for (size_t step = 1; step <= size + 1; step++) {
            char *error = read_text(good[i].text, size, step, &values);
            if (error) {
                fail_msg("%s: %s", good[i].text, error);
            }
            assert_string_equal(ds_cstr(&values), good[i].values);
        }
    }
    ds_destroy(&values);
}

static void
check_bad(const char *text, size_t size, const char *expected)
{
    struct ds values = DS_EMPTY_INITIALIZER;

    for (size_t step = 1; step <= size + 1; step += 7) {
        char *error = read_text(text, size, step, &values);
        if (!error || !strstr(error, expected)) {
            fail_msg("%.20s: %s", text, error ? error : "no error");
        }
        free(error);
    }
    ds_destroy(&values);
}

static void
test_bad(void **state OVS_UNUSED)
{
    static const char *const bad[] = {
        "x", "{\"a\" 1}", "[1,]", "['a']", "/* */ 1", "tru e",
        "[1 2]", "}", "[[[[[[[[[[1]]]]]]]]]]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        check_bad(bad[i], strlen(bad[i]), "not valid JSON");
    }
    check_bad("[1,\0 2]", 7, "not valid JSON");
    check_bad("\0", 1, "not valid JSON");
    check_bad("{\"a\":", 5, "in the middle");
    check_bad("\"abc", 4, "in the middle");
}

static void
test_limits(void **state OVS_UNUSED)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    /* Of one value: many together may be larger. */
    struct ds values = DS_EMPTY_INITIALIZER;
    for (int i = 0; i < 1000; i++) {
        ds_put_cstr(&text, "[1,2]\n");
    }
    assert_null(read_text(ds_cstr(&text), text.length, 100, &values));
    assert_int_equal(values.length, 6000);
    ds_destroy(&values);

    ds_clear(&text);
    ds_put_char_multiple(&text, '"', 1);
    ds_put_char_multiple(&text, 'x', 1000);
    ds_put_char_multiple(&text, '"', 1);
    check_bad(ds_cstr(&text), text.length, "longer than 1000 bytes");

    ds_clear(&text);
    ds_put_cstr(&text, "[0");
    for (int i = 0; i < 50; i++) {
        ds_put_cstr(&text, ",0");
    }
    ds_put_cstr(&text, "]");
    check_bad(ds_cstr(&text), text.length, "more than 50 parts");

    /* json-c takes other quotes, too, for names. */
    ds_clear(&text);
    ds_put_cstr(&text, "{'\"': [0");
    for (int i = 0; i < 50; i++) {
        ds_put_cstr(&text, ",0");
    }
    ds_put_cstr(&text, "]}");
    check_bad(ds_cstr(&text), text.length, "more than 50 parts");

    /* Commas in strings are not parts. */
    ds_clear(&text);
    ds_put_cstr(&text, "\"\\\"");
    ds_put_char_multiple(&text, ',', 100);
    ds_put_cstr(&text, "\"");
    struct ds value = DS_EMPTY_INITIALIZER;
    assert_null(read_text(ds_cstr(&text), text.length, 7, &value));
    ds_destroy(&value);
    ds_destroy(&text);
}

static void
test_accessors(void **state OVS_UNUSED)
{
    struct json_object *object = json_tokener_parse(
        "{\"text\": \"x\", \"number\": 3, \"flag\": true, \"null\": null,"
        " \"nul\": \"a\\u0000b\", \"bad\": \"\xff\", \"list\": [1],"
        " \"map\": {\"inner\": {\"text\": \"y\"}}}");
    int64_t number;

    assert_non_null(object);
    assert_string_equal(json_get_text(object, "text"), "x");
    assert_string_equal(json_get_text(object, "map.inner.text"), "y");
    assert_string_equal(json_get_text(json_get(object, "text"), ""), "x");
    assert_true(json_get_number(object, "number", &number));
    assert_int_equal(number, 3);
    assert_true(json_get_flag(object, "flag", false));
    assert_non_null(json_get_list(object, "list"));
    assert_non_null(json_get_map(object, "map.inner"));

    static const char *const others[] = {
        "number", "flag", "null", "nul", "bad", "list", "map", "none",
        "text.text", "list.x", "null.x", "map.inner.text.x", "map..inner",
    };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_null(json_get_text(object, others[i]));
    }
    assert_false(json_get_number(object, "text", &number));
    assert_int_equal(number, 0);
    assert_false(json_get_flag(object, "number", false));
    assert_true(json_get_flag(object, "none", true));
    assert_null(json_get_list(object, "map"));
    assert_null(json_get_map(object, "list"));
    assert_null(json_get_text(NULL, "text"));
    assert_null(json_get_list(NULL, ""));
    json_object_put(object);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_accessors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
