/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_MANAGER_HTTP_CLIENT_H
#define BASTION_MANAGER_HTTP_CLIENT_H 1

/* HTTP client
 * ===========
 *
 * Requests over libcurl, in a libevent base: they run while the base's loop
 * does, and never block.  Connections are kept alive and shared between the
 * requests of a client.
 *
 * Thread-safety: none. */

#include <stddef.h>

struct event_base;

/* Strings may be NULL if they are not needed.  They are copied. */
struct http_options {
    const char *endpoint;       /* "unix:PATH", "http://HOST[:PORT]" or
                                 * "https://HOST[:PORT]", perhaps with a path
                                 * that comes before each request's. */
    const char *ca_file;        /* Certificates that a server's is checked
                                 * against; NULL: the system's. */
    const char *certificate_file;
    const char *key_file;
    const char *token_file;     /* Read for each request: tokens rotate. */
    int connect_timeout_ms;     /* 0: 10 s. */
};

struct http_client;
struct http_request;

/* Returns NULL and stores one line that the caller must free() in '*errorp' if
 * something in the options is not valid. */
struct http_client *http_client_create(const struct http_options *,
                                       struct event_base *, char **errorp);

/* Cancels all requests, without calling back. */
void http_client_destroy(struct http_client *);

/* Callbacks may start and cancel requests, their own too, but must not destroy
 * the client. */
struct http_callbacks {
    /* Once, when the headers are there.  'status' is HTTP's.  May be NULL. */
    void (*started)(int status, void *aux);

    /* A part of the body.  A result other than zero ends the request with an
     * error. */
    int (*body)(const void *data, size_t size, void *aux);

    /* Once, at the end, unless the request was cancelled: 'error' is NULL or
     * says in one line what went wrong.  An HTTP status of 400 and above is
     * not an error here, as its body has been passed on.  The request is gone
     * afterwards. */
    void (*done)(int status, const char *error, void *aux);
};

/* GETs 'path', which begins with a slash and is properly encoded.  The request
 * ends with an error if there has been nothing from the server for
 * 'idle_timeout_ms', 0: never. */
struct http_request *http_get(struct http_client *, const char *path,
                              int idle_timeout_ms,
                              const struct http_callbacks *, void *aux);
void http_request_cancel(struct http_request *);

#endif /* manager/http-client.h */
