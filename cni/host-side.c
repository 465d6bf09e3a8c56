/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "cni/host-side.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cni/cni-error.h"
#include "cni/link.h"
#include "sha1.h"
#include "util.h"

struct cni_error *
system_error(int error, const char *what, const char *name)
{
    return (error ? cni_error_create(CNI_ERR_SYSTEM, "%s %s: %s", what, name,
                                     ovs_strerror(error))
            : NULL);
}

/* 48 bits of a hash are enough to tell the containers of one machine apart,
 * and if two of them collide, the second one's ADD fails. */
void
host_names_init(struct host_names *names, const char *container_id,
                const char *ifname)
{
    char *key = xasprintf("%s/%s", container_id, ifname);
    uint8_t digest[SHA1_DIGEST_SIZE];

    sha1_bytes(key, strlen(key), digest);
    free(key);
    snprintf(names->port, sizeof names->port, "bc%02x%02x%02x%02x%02x%02x",
             digest[0], digest[1], digest[2], digest[3], digest[4], digest[5]);
    snprintf(names->veth, sizeof names->veth, "bv%s", names->port + 2);
}

#define DISABLE_IPV6 "/proc/sys/net/ipv6/conf/%s/disable_ipv6"

/* Without IPv6, there is nothing to turn off. */
static int
disable_ipv6(const char *name)
{
    char *file = xasprintf(DISABLE_IPV6, name);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;

    free(file);
    if (error) {
        return error == ENOENT ? 0 : error;
    }
    if (write(fd, "1", 1) != 1) {
        error = errno;
    }
    close(fd);
    return error;
}

struct cni_error *
host_side_open(struct link_ns *host, const char *name)
{
    uint32_t ifindex;
    int error = link_get(host, name, &ifindex, NULL);

    if (!error) {
        error = disable_ipv6(name);
    }
    if (!error) {
        error = link_set_silent(host, ifindex, true);
    }
    return system_error(error, "setting up", name);
}

/* What arrives at 'from' leaves from 'to'.  A kernel that cannot do that has
 * only the fast path's programs to connect the two; until they are there,
 * nothing must get to the host. */
static int
redirect(struct link_ns *host, uint32_t from, uint32_t to)
{
    int error = link_redirect(host, from, to);

    return (error == ENOENT || error == EOPNOTSUPP ? link_block(host, from)
            : error);
}

static int
connect_interfaces(struct link_ns *host, const struct host_names *names)
{
    uint32_t port, veth;
    int error = link_get(host, names->port, &port, NULL);

    error = error ? error : link_get(host, names->veth, &veth, NULL);
    error = error ? error : disable_ipv6(names->port);
    error = error ? error : disable_ipv6(names->veth);
    error = error ? error : redirect(host, port, veth);
    error = error ? error : redirect(host, veth, port);
    error = error ? error : link_set_silent(host, port, true);
    return error ? error : link_set_silent(host, veth, true);
}

struct cni_error *
host_side_connect(struct link_ns *host, const struct host_names *names)
{
    return system_error(connect_interfaces(host, names), "connecting",
                        names->port);
}
