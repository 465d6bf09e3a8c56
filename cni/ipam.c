/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/ipam.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cni/cni-error.h"
#include "cni/result.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "socket-util.h"
#include "util.h"

#define MAX_OUTPUT (1024 * 1024)

extern char **environ;

/* Returns the file name of the plugin 'type', or NULL if it is in none of the
 * directories of 'path'.  The caller must free it. */
static char *
find_plugin(const char *type, const char *path)
{
    char *copy = xstrdup(path);
    char *save_ptr = NULL;
    char *found = NULL;

    for (char *dir = strtok_r(copy, ":", &save_ptr); dir && !found;
         dir = strtok_r(NULL, ":", &save_ptr)) {
        char *name = xasprintf("%s/%s", dir, type);

        if (!access(name, X_OK)) {
            found = name;
        } else {
            free(name);
        }
    }
    free(copy);
    return found;
}

static int
spawn(const char *name, int input, int output, pid_t *pid)
{
    char *argv[] = { CONST_CAST(char *, name), NULL };
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);

    if (!error) {
        error = posix_spawn_file_actions_adddup2(&actions, input,
                                                 STDIN_FILENO);
        if (!error) {
            error = posix_spawn_file_actions_adddup2(&actions, output,
                                                     STDOUT_FILENO);
        }
        if (!error) {
            /* Open vSwitch's sockets are none of the plugin's business. */
            error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        }
        if (!error) {
            error = posix_spawn(pid, name, &actions, NULL, argv, environ);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    return error;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static int
run_program(struct ipam *ipam, const char *name)
{
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC)) {
        return errno;
    }
    if (pipe2(out, O_CLOEXEC)) {
        int error = errno;

        close(in[0]);
        close(in[1]);
        return error;
    }

    int error = spawn(name, in[0], out[1], &ipam->pid);
    close(in[0]);
    close(out[1]);
    ipam->input = in[1];
    ipam->output = out[0];
    if (error) {
        close_fd(&ipam->input);
        close_fd(&ipam->output);
    }
    return error;
}

/* The configuration fits into a pipe (64 kB) unless it is enormous; then this
 * waits for the plugin to read, which it does before it writes anything. */
static void
write_input(struct ipam *ipam, const char *text)
{
    size_t length = strlen(text);

    while (length) {
        ssize_t n = write(ipam->input, text, length);

        if (n < 0 && errno == EINTR) {
            continue;
        } else if (n <= 0) {
            /* The plugin has something to say about that. */
            break;
        }
        text += n;
        length -= n;
    }
    close_fd(&ipam->input);
}

struct cni_error *
ipam_start(struct ipam *ipam, const char *type, const char *command,
           const char *path, const char *text)
{
    memset(ipam, 0, sizeof *ipam);

    char *name = find_plugin(type, path);
    if (!name) {
        return cni_error_create(CNI_ERR_IPAM, "IPAM plugin \"%s\" is not in "
                                "CNI_PATH (%s)", type, path);
    }

    /* Not always ours: an ADD that fails undoes what IPAM's ADD did. */
    setenv("CNI_COMMAND", command, true);
    int error = run_program(ipam, name);
    free(name);
    if (error) {
        return cni_error_create(CNI_ERR_IPAM, "IPAM plugin \"%s\" cannot be "
                                "run: %s", type, ovs_strerror(error));
    }
    ipam->type = xstrdup(type);
    ipam->command = xstrdup(command);
    write_input(ipam, text);
    return NULL;
}

static void
read_output(struct ipam *ipam, struct ds *output)
{
    while (output->length < MAX_OUTPUT) {
        char buffer[4096];
        ssize_t n = read(ipam->output, buffer, sizeof buffer);

        if (n < 0 && errno == EINTR) {
            continue;
        } else if (n <= 0) {
            break;
        }
        ds_put_buffer(output, buffer, n);
    }
    close_fd(&ipam->output);
}

/* Returns true if the plugin ended and said that all is well. */
static bool
wait_for_end(const struct ipam *ipam)
{
    int status;
    pid_t pid;

    do {
        pid = waitpid(ipam->pid, &status, 0);
    } while (pid < 0 && errno == EINTR);
    return pid == ipam->pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

struct cni_error *
ipam_finish(struct ipam *ipam, struct cni_result *result)
{
    struct ds output = DS_EMPTY_INITIALIZER;

    read_output(ipam, &output);
    bool ok = wait_for_end(ipam);

    char *whose = xasprintf("IPAM plugin \"%s\"", ipam->type);
    struct json *json = json_from_string(ds_cstr(&output));
    struct cni_error *error = NULL;
    if (result) {
        error = cni_result_parse(json, whose, result);
    }
    if (!ok) {
        cni_error_destroy(error);
        error = cni_error_from_json(json, whose);
    }
    json_destroy(json);
    ds_destroy(&output);
    free(whose);
    free(ipam->type);
    free(ipam->command);
    ipam->type = ipam->command = NULL;
    return error;
}

struct cni_error *
ipam_run(const char *type, const char *command, const char *path,
         const char *text)
{
    struct ipam ipam;
    struct cni_error *error = ipam_start(&ipam, type, command, path, text);

    return error ? error : ipam_finish(&ipam, NULL);
}
