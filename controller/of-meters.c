/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/of-meters.h"

#include <inttypes.h>
#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

void
of_meters_init(struct of_meters *ms, const struct of_meter *meters, size_t n)
{
    ms->meters = n ? xcalloc(n, sizeof *ms->meters) : NULL;
    ms->n = n;
    for (size_t i = 0; i < n; i++) {
        ms->meters[i].config = meters[i];
    }
}

void
of_meters_destroy(struct of_meters *ms)
{
    free(ms->meters);
    ms->meters = NULL;
    ms->n = 0;
}

struct ofpbuf *
of_meters_encode_request(struct of_meters *ms, enum ofp_version version)
{
    for (size_t i = 0; i < ms->n; i++) {
        ms->meters[i].status = METER_MISSING;
    }
    return ofputil_encode_meter_request(version, OFPUTIL_METER_CONFIG,
                                        OFPM13_ALL);
}

static uint16_t
meter_flags(const struct of_meter *meter)
{
    return (OFPMF13_PKTPS | OFPMF13_STATS
            | (meter->burst ? OFPMF13_BURST : 0));
}

static bool
meter_equals(const struct of_meter *meter,
             const struct ofputil_meter_config *mc)
{
    return (mc->flags == meter_flags(meter)
            && mc->n_bands == 1
            && mc->bands[0].type == OFPMBT13_DROP
            && mc->bands[0].rate == meter->rate
            && (!meter->burst || mc->bands[0].burst_size == meter->burst));
}

void
of_meters_decode_reply(struct of_meters *ms, struct ofpbuf *reply)
{
    struct ofputil_meter_config mc;
    struct ofpbuf bands;

    ofpbuf_init(&bands, 64);
    while (!ofputil_decode_meter_config(reply, &mc, &bands)) {
        for (size_t i = 0; i < ms->n; i++) {
            struct switch_meter *meter = &ms->meters[i];

            if (meter->config.id == mc.meter_id) {
                meter->status = (meter_equals(&meter->config, &mc)
                                 ? METER_OK : METER_DIFFERENT);
            }
        }
    }
    ofpbuf_uninit(&bands);
}

size_t
of_meters_count_bad(const struct of_meters *ms)
{
    size_t n = 0;

    for (size_t i = 0; i < ms->n; i++) {
        n += ms->meters[i].status != METER_OK;
    }
    return n;
}

void
of_meters_format_bad(const struct of_meters *ms, struct ds *s)
{
    for (size_t i = 0; i < ms->n; i++) {
        const struct switch_meter *meter = &ms->meters[i];

        if (meter->status != METER_OK) {
            ds_put_cstr(s, "- ");
            ofputil_format_meter_id(s, meter->config.id, '=');
            ds_put_format(s, " rate=%"PRIu32" burst=%"PRIu32" (%s)\n",
                          meter->config.rate, meter->config.burst,
                          (meter->status == METER_MISSING
                           ? "missing" : "different"));
        }
    }
}

static struct ofpbuf *
encode_mod(const struct switch_meter *meter, enum ofp_version version)
{
    struct ofputil_meter_band band = {
        .type = OFPMBT13_DROP,
        .rate = meter->config.rate,
        .burst_size = meter->config.burst,
    };
    struct ofputil_meter_mod mm = {
        .command = (meter->status == METER_MISSING
                    ? OFPMC13_ADD : OFPMC13_MODIFY),
        .meter = {
            .meter_id = meter->config.id,
            .flags = meter_flags(&meter->config),
            .n_bands = 1,
            .bands = &band,
        },
    };

    return ofputil_encode_meter_mod(version, &mm);
}

struct ofpbuf *
of_meters_encode_mod(struct of_meters *ms, enum ofp_version version)
{
    for (size_t i = 0; i < ms->n; i++) {
        struct switch_meter *meter = &ms->meters[i];

        if (meter->status != METER_OK) {
            struct ofpbuf *msg = encode_mod(meter, version);

            meter->status = METER_OK;
            return msg;
        }
    }
    return NULL;
}
