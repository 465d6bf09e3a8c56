/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_OF_SWITCH_H
#define BASTION_OF_SWITCH_H 1

/* OpenFlow switch
 * ===============
 *
 * One object per OpenFlow connection.  It makes the flows of the
 * bridge at the other end equal to a desired flow table and keeps them so.
 *
 * Life of a connection:
 *
 *     1. of_switch_create() takes the connection over.  The object negotiates
 *        OpenFlow 1.4 or 1.5, asks for the datapath id and configures the
 *        connection.  It touches no flow.
 *
 *     2. The user waits for of_switch_get_datapath_id() to return true and
 *        looks up whose bridge this is.
 *
 *     3. When the desired flow table of that bridge is complete, and not
 *        before, the user calls of_switch_attach().  The object dumps the
 *        installed flows and sends the difference, only the difference, as
 *        one atomic ordered bundle.  A bridge that is never attached is left
 *        alone.
 *
 *     4. From then on changes of the desired table are sent as they come,
 *        one bundle at a time, each acknowledged by a barrier.
 *
 *     5. When of_switch_is_alive() returns false, the user calls
 *        of_switch_destroy().  The switch connects again by itself.
 *
 * The loop that drives it is the usual one:
 *
 *     of_switch_run(sw);
 *     ...change the desired flow table...
 *     of_switch_set_version(sw, ++version);
 *     ...
 *     of_switch_wait(sw);
 *     poll_block();
 *
 * of_switch_wait() wakes up at once if the table has changed since
 * of_switch_run(), so that the order does not matter.
 *
 *
 * Audit
 * -----
 *
 * Nobody else should change a flow on the bridge, but anybody with access to
 * the management socket of ovs-vswitchd can.  The object therefore dumps the
 * installed flows periodically, takes their statistics, and repairs and
 * reports each difference.  In addition it has a flow monitor installed: a
 * change that is not ours triggers an audit at once, at most one per second.
 *
 * A dump of a big table costs time in both processes.  As long as the flow
 * monitor works, the periodic dump is only a second line of defense, so that
 * its interval is stretched to 200 times the processing time that the last
 * one took here, that is, it takes at most 0.5% of a CPU.
 *
 * While a dump is in progress no bundle is started.  This keeps the
 * comparison exact: the dump shows just what had been committed.
 *
 *
 * Hostile or broken peers
 * -----------------------
 *
 * A peer that does not speak OpenFlow, or speaks the wrong version, or does
 * not answer in time is disconnected with a rate-limited message.  Memory for
 * messages to a peer that does not read is bounded, as is the work that one
 * peer can cause in one of_switch_run().
 *
 *
 * Thread-safety
 * -------------
 *
 * None; use from one thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds;
struct flow_table;
struct json;
struct ofputil_packet_in;
struct ofputil_packet_out;
struct vconn;

struct of_switch;

/* OpenFlow versions that an of_switch can use.  The user should pass it to
 * pvconn_open(). */
#define OF_SWITCH_VERSIONS ((1u << OFP14_VERSION) | (1u << OFP15_VERSION))

#define OF_SWITCH_PROBE_INTERVAL 5          /* Default, in seconds. */
#define OF_SWITCH_AUDIT_INTERVAL 10000      /* Default, in milliseconds. */

/* A meter that flows refer to.  Meters cannot be part of a bundle, so that
 * they are installed before the flows. */
struct of_meter {
    uint32_t id;                /* OpenFlow meter id, 1 or more. */
    uint32_t rate;              /* Packets per second. */
    uint32_t burst;             /* Packets. */
};

/* Counters since the connection was accepted, all of them cumulative. */
struct of_switch_stats {
    unsigned long long int n_bundles;           /* Acknowledged. */
    unsigned long long int n_flow_mods;         /* Acknowledged. */
    unsigned long long int n_errors;            /* Bundles that failed. */
    unsigned long long int n_audits;            /* Completed dumps. */
    unsigned long long int foreign_removed;     /* Repairs: flows that were */
    unsigned long long int missing_readded;     /* not ours, were gone, or */
    unsigned long long int modified_restored;   /* had been changed. */
    unsigned long long int meters_restored;
    unsigned long long int n_packet_ins;
};

struct of_switch_status {
    const char *name;           /* As of_switch_get_name(). */
    const char *state;          /* E.g. "synced". */
    bool attached;
    bool synced;                /* As of_switch_is_synced(). */
    uint64_t dpid;              /* If 'openflow_minor'. */
    int openflow_minor;         /* 5 for OpenFlow 1.5, 0 during handshake. */
    bool flow_monitor;          /* Foreign changes are noticed at once. */
    size_t n_installed;         /* Flows, at the last dump or bundle. */
    size_t n_in_flight;         /* Flow mods, not acknowledged. */
    struct of_switch_stats stats;
    long long int last_audit_time;  /* Ms on the wall clock, 0 if never. */
    long long int last_audit_usec;  /* Processing time. */
    const char *last_error;         /* NULL if there was none. */
    long long int last_error_time;  /* Ms on the wall clock. */
};

/* Creates a switch on 'vconn', which comes from pvconn_accept() or
 * vconn_open() and which it takes ownership of. */
struct of_switch *of_switch_create(struct vconn *);
void of_switch_run(struct of_switch *);
void of_switch_wait(struct of_switch *);
void of_switch_destroy(struct of_switch *);

/* Returns false if the connection is gone for good. */
bool of_switch_is_alive(const struct of_switch *);

/* Name of the peer for log messages, e.g. "tcp:127.0.0.1:40122". */
const char *of_switch_get_name(const struct of_switch *);

/* Returns true and stores the datapath id if it is known yet. */
bool of_switch_get_datapath_id(const struct of_switch *, uint64_t *dpid);

void of_switch_set_probe_interval(struct of_switch *, int seconds);
void of_switch_set_audit_interval(struct of_switch *, int msec);

/* From now on makes the flows of the bridge equal to 'desired', which has to
 * be complete.  'desired' must stay valid until of_switch_detach() or
 * of_switch_destroy(), and at most one switch may be attached to a table,
 * because the table remembers what has been handed over to be sent.
 *
 * If 'exclusive' is true, every flow that is not in 'desired' is deleted, else
 * only those with a cookie of ours.
 *
 * Copies the 'n' elements of 'meters', which should be those that the flows
 * for this kind of datapath use.
 *
 * Attaching to what is attached already changes the parameters and starts
 * over with a dump. */
void of_switch_attach(struct of_switch *, struct flow_table *desired,
                      bool exclusive, const struct of_meter *meters,
                      size_t n);

/* Leaves the bridge as it is.  A bundle that is not committed is given up. */
void of_switch_detach(struct of_switch *);
bool of_switch_is_attached(const struct of_switch *);

/* Acknowledgement.
 *
 * After it has changed the desired table, the user gives the state that the
 * table is now in a 'version', which must never decrease.  of_switch_acked()
 * returns the greatest version whose flows are known to be installed, 0 if
 * none is.  It never needs the table to come to rest: with version 7 being
 * sent and 8 waiting it goes to 7 and then to 8. */
void of_switch_set_version(struct of_switch *, uint64_t version);
uint64_t of_switch_acked(const struct of_switch *);

/* Returns true if the switch is attached and everything in the desired table
 * is known to be installed. */
bool of_switch_is_synced(const struct of_switch *);

/* Requests a fresh dump and then calls 'cb' once, from of_switch_run() or
 * of_switch_destroy().
 *
 * 'error' is NULL if the dump was successful.  'diff' then has lines about
 * each of the 'n' differences, in flows and meters, between what had been
 * committed and what was installed, before any repair: "-" for what was not
 * installed, "+" for what should not have been.  ('diff' is cut off, but 'n'
 * is not, if there are very many.)  Otherwise 'error' says what happened and
 * 'diff' is empty. */
typedef void of_switch_dump_cb(void *aux, const char *error,
                               const struct ds *diff, size_t n);
void of_switch_request_dump(struct of_switch *, of_switch_dump_cb *,
                            void *aux);

/* Forgets the request for a dump with the given 'cb' and 'aux', if any. */
void of_switch_cancel_dump(struct of_switch *, of_switch_dump_cb *,
                           void *aux);

/* Packets.  'cb' is called from of_switch_run() for every packet-in that was
 * sent to our controller id.  'pin' is only valid during the call. */
typedef void of_switch_packet_in_cb(struct of_switch *,
                                    const struct ofputil_packet_in *,
                                    void *aux);
void of_switch_set_packet_in_handler(struct of_switch *,
                                     of_switch_packet_in_cb *, void *aux);

/* Queues 'po' for sending.  Drops it, with a COVERAGE counter, if too much is
 * queued already.  'po' keeps belonging to the caller. */
void of_switch_packet_out(struct of_switch *,
                          const struct ofputil_packet_out *po);

/* For people and for programs. */
void of_switch_get_stats(const struct of_switch *, struct of_switch_stats *);
void of_switch_get_status(const struct of_switch *, struct of_switch_status *);
void of_switch_format(const struct of_switch *, struct ds *);
struct json *of_switch_to_json(const struct of_switch *);

#endif /* of-switch.h */
