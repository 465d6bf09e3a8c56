/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/inspect-args.h"

#include <string.h>

#include "util.h"

static char *
parse_format(const char *s, bool is_table, enum table_format *format)
{
    static const struct {
        const char *name;
        enum table_format format;
    } formats[] = {
        { "json", TF_JSON }, { "table", TF_TABLE }, { "list", TF_LIST },
        { "csv", TF_CSV }, { "html", TF_HTML },
    };

    for (size_t i = 0; i < (is_table ? ARRAY_SIZE(formats) : 1); i++) {
        if (!strcmp(s, formats[i].name)) {
            *format = formats[i].format;
            return NULL;
        }
    }
    return xasprintf("%s: unknown format, expected %s", s,
                     is_table ? "table, list, csv, html or json" : "json");
}

/* If 'argv[0]' selects a format, returns how many elements of 'argv' belong to
 * that and stores an error message or NULL in '*errorp'.  Otherwise, returns
 * 0. */
static int
parse_format_option(int argc, const char *argv[], bool is_table,
                    enum table_format *format, char **errorp)
{
    const char *arg = argv[0];

    *errorp = NULL;
    if (!strcmp(arg, "--json")) {
        *format = TF_JSON;
    } else if (!strcmp(arg, "-f") || !strcmp(arg, "--format")) {
        if (argc > 1) {
            *errorp = parse_format(argv[1], is_table, format);
            return 2;
        }
        *errorp = xasprintf("%s: missing argument", arg);
    } else if (!strncmp(arg, "--format=", 9)) {
        *errorp = parse_format(arg + 9, is_table, format);
    } else if (!strncmp(arg, "-f", 2)) {
        *errorp = parse_format(arg + 2, is_table, format);
    } else {
        return 0;
    }
    return 1;
}

static bool
parse_own_option(const char *arg, const char *const own_options[],
                 struct inspect_args *args)
{
    for (size_t i = 0; own_options && own_options[i]; i++) {
        if (!strcmp(arg, own_options[i])) {
            args->flags |= 1ul << i;
            return true;
        }
    }
    return false;
}

char *
inspect_args_parse(int argc, const char *argv[], size_t min, size_t max,
                   bool is_table, const char *const own_options[],
                   struct inspect_args *args)
{
    memset(args, 0, sizeof *args);
    args->format = TF_TABLE;
    for (int i = 1; i < argc; i++) {
        char *error;
        int n = parse_format_option(argc - i, argv + i, is_table,
                                    &args->format, &error);

        if (error) {
            return error;
        } else if (n) {
            i += n - 1;
        } else if (parse_own_option(argv[i], own_options, args)) {
            continue;
        } else if (argv[i][0] == '-') {
            return xasprintf("%s: unknown option", argv[i]);
        } else if (args->n_positional >= max) {
            return xasprintf("%s: unexpected argument, expected at most "
                             "%"PRIuSIZE, argv[i], max);
        } else {
            args->positional[args->n_positional++] = argv[i];
        }
    }
    if (args->n_positional < min) {
        return xasprintf("\"%s\" requires at least %"PRIuSIZE" argument%s",
                         argv[0], min, min == 1 ? "" : "s");
    }
    return NULL;
}
