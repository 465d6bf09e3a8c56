/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "peer.h"

#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

#define NAME_MAX_LEN 255

static char *parse_cidr(const char *s, char *list, struct peer *);
static char *parse_service(const char *s, struct peer *);

/* Parses 's' into 'peer'.
 *
 * Returns NULL if successful: then the caller must eventually free 'peer' with
 * peer_destroy().  Otherwise returns an error message that names 's' and that
 * the caller must free(), and leaves nothing in 'peer' to destroy. */
char * OVS_WARN_UNUSED_RESULT
peer_parse(const char *s, struct peer *peer)
{
    char *error = NULL;

    *peer = (struct peer) { .type = PEER_ANY };
    if (!strcmp(s, "host")) {
        peer->type = PEER_HOST;
    } else if (!strcmp(s, "world")) {
        peer->type = PEER_WORLD;
    } else if (!strcmp(s, "any")) {
        peer->type = PEER_ANY;
    } else if (!strncmp(s, "cidr:", 5)) {
        char *list = xstrdup(s + 5);

        error = parse_cidr(s, list, peer);
        free(list);
    } else {
        error = parse_service(s, peer);
    }

    if (error) {
        peer_destroy(peer);
    }
    return error;
}

/* Frees the members of 'peer', but not 'peer' itself. */
void
peer_destroy(struct peer *peer)
{
    if (peer) {
        free(peer->network);
        free(peer->service);
        free(peer->except);
        *peer = (struct peer) { .type = PEER_ANY };
    }
}

/* Appends 'peer' to 's' in the form that peer_parse() understands. */
void
peer_format(const struct peer *peer, struct ds *s)
{
    switch (peer->type) {
    case PEER_SERVICE:
        ds_put_format(s, "%s/%s", peer->network, peer->service);
        break;

    case PEER_HOST:
        ds_put_cstr(s, "host");
        break;

    case PEER_WORLD:
        ds_put_cstr(s, "world");
        break;

    case PEER_ANY:
        ds_put_cstr(s, "any");
        break;

    case PEER_CIDR:
        ds_put_cstr(s, "cidr:");
        ip_prefix_format(&peer->prefix, s);
        for (size_t i = 0; i < peer->n_except; i++) {
            ds_put_cstr(s, i ? "," : ",except=");
            ip_prefix_format(&peer->except[i], s);
        }
        break;

    default:
        OVS_NOT_REACHED();
    }
}

/* Checks that 'name' can name a network, service, container or node: up to 255
 * letters, digits, '_', '.' and '-', the first of them a letter, a digit or
 * '_'.  So a name never looks like an option and needs no quotes, and '/',
 * ':', ',' and '=' remain free to separate names from other things.
 *
 * Returns NULL if 'name' is good, otherwise an error message that names it and
 * that the caller must free(). */
char * OVS_WARN_UNUSED_RESULT
name_check(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_";
    size_t len = strlen(name);

    if (!len) {
        return xstrdup("name is empty");
    } else if (len > NAME_MAX_LEN) {
        return xasprintf("%.16s...: name is longer than %d characters",
                         name, NAME_MAX_LEN);
    } else if (!strchr(first, name[0])) {
        return xasprintf("%s: name does not start with a letter, a digit or "
                         "\"_\"", name);
    }
    for (size_t i = 1; i < len; i++) {
        if (!strchr(first, name[i]) && name[i] != '.' && name[i] != '-') {
            return xasprintf("%s: name contains a character other than "
                             "letters, digits, \"_\", \".\" and \"-\"", name);
        }
    }
    return NULL;
}

static int
compare_prefixes(const void *a_, const void *b_)
{
    const struct ip_prefix *a = a_;
    const struct ip_prefix *b = b_;
    int cmp = memcmp(&a->addr, &b->addr, sizeof a->addr);

    return cmp ? cmp : a->plen - b->plen;
}

/* Adds 'text', from the "except" list of 's', to 'peer'. */
static char *
add_except(const char *s, const char *text, struct peer *peer,
           size_t *allocated)
{
    struct ip_prefix except;
    char *error = ip_prefix_parse(text, &except);

    if (error) {
        char *reason = error;

        error = xasprintf("%s: bad exception: %s", s, reason);
        free(reason);
        return error;
    }
    if (!ip_prefix_covers(&peer->prefix, &except)
        || except.plen == peer->prefix.plen) {
        struct ds prefix = DS_EMPTY_INITIALIZER;

        ip_prefix_format(&peer->prefix, &prefix);
        error = xasprintf("%s: exception %s is not a smaller prefix inside "
                          "%s", s, text, ds_cstr(&prefix));
        ds_destroy(&prefix);
        return error;
    }

    if (peer->n_except >= *allocated) {
        peer->except = x2nrealloc(peer->except, allocated,
                                  sizeof *peer->except);
    }
    peer->except[peer->n_except++] = except;
    return NULL;
}

/* Parses 'list', the part of 's' after "cidr:".  Modifies 'list'. */
static char *
parse_cidr(const char *s, char *list, struct peer *peer)
{
    char *prefix = strsep(&list, ",");
    size_t allocated = 0;

    peer->type = PEER_CIDR;

    char *reason = ip_prefix_parse(prefix, &peer->prefix);
    if (reason) {
        char *error = xasprintf("%s: bad prefix: %s", s, reason);

        free(reason);
        return error;
    }
    if (!list) {
        return NULL;
    }
    if (strncmp(list, "except=", 7)) {
        return xasprintf("%s: expected \"except=PREFIX,...\" after the first "
                         "comma", s);
    }

    list += 7;
    do {
        char *error = add_except(s, strsep(&list, ","), peer, &allocated);

        if (error) {
            return error;
        }
    } while (list);

    qsort(peer->except, peer->n_except, sizeof *peer->except,
          compare_prefixes);
    size_t n = 0;
    for (size_t i = 0; i < peer->n_except; i++) {
        if (!i || compare_prefixes(&peer->except[i], &peer->except[n - 1])) {
            peer->except[n++] = peer->except[i];
        }
    }
    peer->n_except = n;
    return NULL;
}

static char *
parse_service(const char *s, struct peer *peer)
{
    const char *slash = strchr(s, '/');

    if (!slash || strchr(slash + 1, '/')) {
        return xasprintf("%s: expected NETWORK/SERVICE, host, world, any or "
                         "cidr:PREFIX[,except=PREFIX,...]", s);
    }

    peer->type = PEER_SERVICE;
    peer->network = xmemdup0(s, slash - s);
    peer->service = xstrdup(slash + 1);

    char *reason = name_check(peer->network);
    const char *what = "network";
    if (!reason) {
        reason = name_check(peer->service);
        what = "service";
    }
    if (reason) {
        char *error = xasprintf("%s: bad %s name: %s", s, what, reason);

        free(reason);
        return error;
    }
    return NULL;
}
