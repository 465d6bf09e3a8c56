/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_INSPECT_ARGS_H
#define BASTION_INSPECT_ARGS_H 1

/* Arguments of a bastion/... command
 * ==================================
 *
 * Options may stand before, between or after the other arguments:
 *
 *     --json, -f json, -fjson, --format=json   for programs
 *     -f FORMAT, --format=FORMAT               table, list, csv or html, for
 *                                              what is printed as a table
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/compiler.h"
#include "table.h"

#define INSPECT_MAX_ARGS 2

struct inspect_args {
    enum table_format format;
    const char *positional[INSPECT_MAX_ARGS];   /* NULL if not given. */
    size_t n_positional;
    unsigned long int flags;    /* Bit i: the command's own option i. */
};

/* Parses the arguments 'argv[1]' to 'argv[argc - 1]'.  'own_options' are
 * options that only this command has, without arguments, NULL at the end; it
 * may be NULL.  Unless 'is_table', only JSON may be asked for.  What is in
 * '*args' refers to 'argv'.
 *
 * Returns NULL if successful, otherwise an error message that the caller must
 * free(). */
char *inspect_args_parse(int argc, const char *argv[], size_t min, size_t max,
                         bool is_table, const char *const own_options[],
                         struct inspect_args *args)
    OVS_WARN_UNUSED_RESULT;

#endif /* inspect-args.h */
