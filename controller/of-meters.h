/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_OF_METERS_H
#define BASTION_OF_METERS_H 1

/* Meters of a switch
 * ==================
 *
 * The meters that a switch should have and what is known of those that it
 * has.  Meters cannot be part of a bundle.
 *
 * Usage: send of_meters_encode_request(), give every reply to
 * of_meters_decode_reply(), then send what of_meters_encode_mod() returns
 * until it returns NULL.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/of-switch.h"
#include "openflow/openflow.h"
#include "openvswitch/types.h"

struct ds;
struct ofpbuf;

/* A meter and what is known of it in the switch. */
struct switch_meter {
    struct of_meter config;
    enum { METER_MISSING, METER_DIFFERENT, METER_OK } status;
};

struct of_meters {
    struct switch_meter *meters;
    size_t n;
};

/* Copies the 'n' elements of 'meters'. */
void of_meters_init(struct of_meters *, const struct of_meter *meters,
                    size_t n);
void of_meters_destroy(struct of_meters *);

/* Forgets what is known of the switch and returns a request for it. */
struct ofpbuf *of_meters_encode_request(struct of_meters *, enum ofp_version);
void of_meters_decode_reply(struct of_meters *, struct ofpbuf *reply);

/* Number of meters that are not as they should be. */
size_t of_meters_count_bad(const struct of_meters *);
/* One line for each of them. */
void of_meters_format_bad(const struct of_meters *, struct ds *);
/* Returns a message that corrects one of them and takes it as done.  Returns
 * NULL if there is none. */
struct ofpbuf *of_meters_encode_mod(struct of_meters *, enum ofp_version);

#endif /* of-meters.h */
