/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/pending.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

static char *
file_name(const char *dir, const char *container_id, const char *ifname)
{
    return xasprintf("%s/%s:%s", dir, container_id, ifname);
}

/* Creates directory 'dir' and those that it is in. */
static void
make_directory(const char *dir)
{
    char *copy = xstrdup(dir);

    for (char *p = copy + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(copy, 0755);
        *p = '/';
    }
    mkdir(copy, 0700);
    free(copy);
}

int
pending_add(const char *dir, const char *container_id, const char *ifname)
{
    char *name = file_name(dir, container_id, ifname);

    make_directory(dir);
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    free(name);
    return error;
}

int
pending_remove(const char *dir, const char *container_id, const char *ifname)
{
    char *name = file_name(dir, container_id, ifname);
    int error = unlink(name) ? errno : 0;

    free(name);
    return error;
}

void
pending_list(const char *dir, struct svec *keys)
{
    DIR *stream = opendir(dir);

    if (!stream) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(stream)); ) {
        const char *colon = strchr(entry->d_name, ':');

        if (colon && colon != entry->d_name && colon[1]) {
            svec_add_nocopy(keys, xasprintf("%.*s %s",
                                            (int) (colon - entry->d_name),
                                            entry->d_name, colon + 1));
        }
    }
    closedir(stream);
}
