/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bastion/version.h"
#include "cni/cni-error.h"
#include "cni/netconf.h"
#include "cni/plugin.h"
#include "fatal-signal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "util.h"

/* A configuration that is larger is a mistake. */
#define MAX_CONFIG_SIZE (4 * 1024 * 1024)

static struct cni_error *
read_input(struct ds *text)
{
    for (;;) {
        char buffer[4096];
        ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);

        if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0) {
            return cni_error_create(CNI_ERR_IO, "standard input: %s",
                                    ovs_strerror(errno));
        } else if (!n) {
            return NULL;
        }
        ds_put_buffer(text, buffer, n);
        if (text->length > MAX_CONFIG_SIZE) {
            return cni_error_create(CNI_ERR_DECODE, "standard input: too "
                                    "long");
        }
    }
}

/* Prints 'json', of which this function takes ownership.  Returns false if
 * nobody can have read it. */
static bool
print(struct json *json)
{
    char *s = json_to_string(json, JSSF_SORT | JSSF_PRETTY);
    bool ok = puts(s) >= 0 && !fflush(stdout);

    free(s);
    json_destroy(json);
    return ok;
}

static int
run(void)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct cni_request request;
    struct netconf conf;
    struct json *output = NULL;
    struct cni_error *error = cni_request_parse(&request);

    error = cni_error_first(error, read_input(&text));

    /* Even an error is in the version of the configuration, so that is looked
     * at first. */
    struct cni_error *conf_error = netconf_parse(ds_cstr(&text), &request,
                                                 &conf);
    error = cni_error_first(error, conf_error);
    if (!error) {
        error = plugin_run(&request, &conf, ds_cstr(&text), &output);
    }

    bool ok = !error;
    if (error) {
        output = cni_error_to_json(error, conf.cni_version);
        cni_error_destroy(error);
    }
    if (output) {
        ok &= print(output);
    }
    netconf_destroy(&conf);
    ds_destroy(&text);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name(argv[0], BASTION_VERSION);
    if (argc > 1 && (!strcmp(argv[1], "--version")
                     || !strcmp(argv[1], "-V"))) {
        ovs_print_version(0, 0);
        return EXIT_SUCCESS;
    }

    /* Standard error and the system log are the runtime's. */
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    fatal_ignore_sigpipe();
    return run();
}
