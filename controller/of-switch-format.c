/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/of-switch.h"

#include <inttypes.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

void
of_switch_format(const struct of_switch *sw, struct ds *s)
{
    const struct of_switch_stats *stats;
    struct of_switch_status status;

    of_switch_get_status(sw, &status);
    stats = &status.stats;
    ds_put_format(s, "%s: %s", status.name, status.state);
    if (status.openflow_minor) {
        ds_put_format(s, ", datapath %016"PRIx64", OpenFlow 1.%d",
                      status.dpid, status.openflow_minor);
    }
    ds_put_char(s, '\n');
    if (!status.attached) {
        return;
    }

    ds_put_format(s, "    flows: %"PRIuSIZE" installed, %"PRIuSIZE" in "
                  "flight%s\n", status.n_installed, status.n_in_flight,
                  status.synced ? ", up to date" : "");
    ds_put_format(s, "    sent: %llu flow mods in %llu bundles, %llu "
                  "errors\n", stats->n_flow_mods, stats->n_bundles,
                  stats->n_errors);
    ds_put_format(s, "    repaired: %llu foreign, %llu missing, %llu "
                  "modified, %llu meters, in %llu audits\n",
                  stats->foreign_removed, stats->missing_readded,
                  stats->modified_restored, stats->meters_restored,
                  stats->n_audits);
    if (status.last_audit_time) {
        ds_put_strftime_msec(s, "    last audit: %Y-%m-%d %H:%M:%S.###",
                             status.last_audit_time, false);
        ds_put_format(s, ", took %lld.%03lld ms%s\n",
                      status.last_audit_usec / 1000,
                      status.last_audit_usec % 1000,
                      status.flow_monitor ? "" : ", no flow monitor");
    }
    if (status.last_error) {
        ds_put_strftime_msec(s, "    last error: %Y-%m-%d %H:%M:%S.###: ",
                             status.last_error_time, false);
        ds_put_format(s, "%s\n", status.last_error);
    }
}

static void
put_integer(struct json *object, const char *name, unsigned long long int n)
{
    json_object_put(object, name, json_integer_create(n));
}

static void
put_boolean(struct json *object, const char *name, bool b)
{
    json_object_put(object, name, json_boolean_create(b));
}

static void
put_stats(struct json *object, const struct of_switch_stats *stats)
{
    put_integer(object, "bundles", stats->n_bundles);
    put_integer(object, "flow_mods", stats->n_flow_mods);
    put_integer(object, "errors", stats->n_errors);
    put_integer(object, "audits", stats->n_audits);
    put_integer(object, "foreign_removed", stats->foreign_removed);
    put_integer(object, "missing_readded", stats->missing_readded);
    put_integer(object, "modified_restored", stats->modified_restored);
    put_integer(object, "meters_restored", stats->meters_restored);
    put_integer(object, "packet_ins", stats->n_packet_ins);
}

struct json *
of_switch_to_json(const struct of_switch *sw)
{
    struct json *object = json_object_create();
    struct of_switch_status status;

    of_switch_get_status(sw, &status);
    json_object_put_string(object, "name", status.name);
    json_object_put_string(object, "state", status.state);
    put_boolean(object, "attached", status.attached);
    put_boolean(object, "synced", status.synced);
    put_boolean(object, "flow_monitor", status.flow_monitor);
    if (status.openflow_minor) {
        json_object_put_format(object, "datapath_id", "%016"PRIx64,
                               status.dpid);
        json_object_put_format(object, "openflow", "1.%d",
                               status.openflow_minor);
    }
    put_integer(object, "installed", status.n_installed);
    put_integer(object, "in_flight", status.n_in_flight);
    put_stats(object, &status.stats);
    if (status.last_audit_time) {
        put_integer(object, "last_audit", status.last_audit_time);
        put_integer(object, "audit_usec", status.last_audit_usec);
    }
    if (status.last_error) {
        json_object_put_string(object, "last_error", status.last_error);
        put_integer(object, "last_error_time", status.last_error_time);
    }
    return object;
}
