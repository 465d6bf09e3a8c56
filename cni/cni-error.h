/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_CNI_ERROR_H
#define BASTION_CNI_ERROR_H 1

/* Errors as the Container Network Interface specification has them (version
 * 1.1.0, section "Error").
 *
 * Functions that can fail return NULL if successful, otherwise an error that
 * the caller must pass on or free with cni_error_destroy(). */

#include "openvswitch/compiler.h"

struct json;

/* The specification's codes; from 100 on they are the plugin's own.  The
 * manual page lists them. */
enum cni_error_code {
    CNI_ERR_VERSION = 1,        /* Incompatible version. */
    CNI_ERR_UNSUPPORTED = 2,    /* Unsupported field in the configuration. */
    CNI_ERR_CONTAINER = 3,      /* Container is not known or does not exist. */
    CNI_ERR_ENVIRONMENT = 4,    /* Bad environment variable. */
    CNI_ERR_IO = 5,
    CNI_ERR_DECODE = 6,         /* Standard input is not JSON. */
    CNI_ERR_CONFIG = 7,         /* Bad configuration. */
    CNI_ERR_TRY_AGAIN = 11,
    CNI_ERR_UNAVAILABLE = 50,   /* STATUS: ADD would fail. */
    CNI_ERR_SYSTEM = 100,       /* The kernel refused something. */
    CNI_ERR_DATABASE = 101,     /* A database did. */
    CNI_ERR_BRIDGE = 102,       /* Open vSwitch did. */
    CNI_ERR_POLICY = 103,       /* The container does not fit its network. */
    CNI_ERR_TIMEOUT = 104,      /* Not enforced in time. */
    CNI_ERR_IPAM = 105,         /* The IPAM plugin cannot be run. */
    CNI_ERR_DIFFERENT = 106,    /* CHECK: not as ADD left it. */
};

struct cni_error {
    unsigned int code;
    char *msg;                  /* Owned. */
    char *details;              /* Owned; NULL if there are none. */
};

struct cni_error *cni_error_create(unsigned int code, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3) OVS_WARN_UNUSED_RESULT;
void cni_error_destroy(struct cni_error *);

/* For clean-up that goes on after a failure: destroys 'second' if there is a
 * 'first' and returns the one that is left, or NULL. */
struct cni_error *cni_error_first(struct cni_error *first,
                                  struct cni_error *second)
    OVS_WARN_UNUSED_RESULT;

/* To and from the object that plugins print.  What is no such object, which
 * may be NULL, is an error of 'whose'. */
struct json *cni_error_to_json(const struct cni_error *,
                               const char *cni_version);
struct cni_error *cni_error_from_json(const struct json *, const char *whose)
    OVS_WARN_UNUSED_RESULT;

#endif /* cni/cni-error.h */
