/* SPDX-License-Identifier: Apache-2.0 */

#ifndef BASTION_PIPELINE_TABLES_H
#define BASTION_PIPELINE_TABLES_H 1

#include "openvswitch/util.h"

/* The tables of the pipeline, in order.
 *
 * PIPELINE_TABLE(SYMBOL, NAME, MISS)
 *
 *     SYMBOL  Becomes the enumerator PIPELINE_<SYMBOL>.
 *     NAME    As bastion/flows and the documentation call it.
 *     MISS    The drop reason of the table's lowest flow.  Tables whose miss
 *             does something else have their own flow above it.
 *
 * To add a table, add its line where packets pass it, give it flows in
 * pipeline.c, the same meaning in policy-sim.c, and a section in
 * Documentation/reference/flow-tables.rst.  Numbers are relative to a base,
 * so nothing else refers to them. */
#define PIPELINE_TABLES                                                  \
    /* Frames that are no part of a container network. */                \
    PIPELINE_TABLE(ADMISSION,       "admission",       PIPELINE)         \
    /* Binds every identity field to the port. */                        \
    PIPELINE_TABLE(SOURCE,          "source",          UNKNOWN_PORT)     \
    /* Binds the fields of neighbor discovery to the port. */            \
    PIPELINE_TABLE(ND_SOURCE,       "nd-source",       PIPELINE)         \
    /* Who speaks through the gateway port. */                           \
    PIPELINE_TABLE(EXTERNAL_SOURCE, "external-source", PIPELINE)         \
    /* Longest prefix match on the destination address. */               \
    PIPELINE_TABLE(DESTINATION,     "destination",     PIPELINE)         \
    /* Longest prefix match on an ARP or ND target address. */           \
    PIPELINE_TABLE(NEIGHBOR_TARGET, "neighbor-target", PIPELINE)         \
    /* Sends packets through connection tracking. */                     \
    PIPELINE_TABLE(CONNTRACK,       "conntrack",       PIPELINE)         \
    /* Turns packets into the original direction of their connection. */ \
    PIPELINE_TABLE(CONNECTION,      "connection",      CT_INVALID)       \
    /* May the source open anything to the destination? */               \
    PIPELINE_TABLE(PEER_EGRESS,     "peer-egress",     FRAGMENT)         \
    /* May the destination accept anything from the source? */           \
    PIPELINE_TABLE(PEER_INGRESS,    "peer-ingress",    FRAGMENT)         \
    /* Answers ARP and ND; passes later fragments. */                    \
    PIPELINE_TABLE(PEER_MATCH,      "peer-match",      PIPELINE)         \
    /* Second step of an ND answer. */                                   \
    PIPELINE_TABLE(ND_REPLY,        "nd-reply",        PIPELINE)         \
    /* May the source open this to the destination? */                   \
    PIPELINE_TABLE(EGRESS,          "egress",          PIPELINE)         \
    /* May the destination accept this from the source? */               \
    PIPELINE_TABLE(INGRESS,         "ingress",         PIPELINE)         \
    /* Drops, counts by port, or lets pass in audit mode. */             \
    PIPELINE_TABLE(DENIED,          "denied",          PIPELINE)         \
    /* Commits new connections. */                                       \
    PIPELINE_TABLE(ACCEPTED,        "accepted",        PIPELINE)         \
    /* Explicit output; nothing floods, nothing learns. */               \
    PIPELINE_TABLE(OUTPUT,          "output",          PIPELINE)

enum pipeline_table {
#define PIPELINE_TABLE(SYMBOL, NAME, MISS) PIPELINE_##SYMBOL,
    PIPELINE_TABLES
#undef PIPELINE_TABLE
    PIPELINE_N_TABLES
};

/* OpenFlow has 254 tables; base 200 must leave room for all of ours. */
BUILD_ASSERT_DECL(PIPELINE_N_TABLES <= 54);

#endif /* pipeline-tables.h */
