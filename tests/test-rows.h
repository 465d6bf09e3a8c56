/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TEST_ROWS_H
#define TEST_ROWS_H 1

/* Database rows in one line each, for tests of the compiler.
 *
 *     network NAME key=N bridge=BR subnets=A,B gateways=A,B gateway_mac=MAC
 *             gateway_port=PORT dhcp_servers=A enforcement=E
 *     service NAME network=NAME identity=N isolate=I
 *     container NAME service=NAME interface=I mac=MAC ips=A,B node=N
 *     dependency NAME from=PEER,PEER to=PEER,PEER policies=P,P direction=D
 *
 * Columns that are not named have the database's defaults; a network's bridge
 * is "br0", and a service's network and a container's service are, by default,
 * the last one that was named.  A PEER is a service's name, "host", "world",
 * "any" or cidr:PREFIX!EXCEPT!EXCEPT.  "status=active" stands for a row that
 * was accepted before a restart.
 *
 * Rows get UUIDs whose first two parts count from 1 in order of appearance, so
 * that a row that is named before another one comes first where neither is
 * senior. */

#include "openvswitch/shash.h"

struct compiler;
struct uuid;

struct test_rows {
    struct compiler *compiler;
    struct shash recs;          /* Of "struct bsrec_...", by "KIND NAME". */
    char *last_network, *last_service;
};

/* Bridge "br0" on the userspace datapath, local port with MAC
 * 02:fd:00:00:00:00, and ports if1 to if9 with OpenFlow ports 1 to 9. */
void test_rows_init(struct test_rows *);
void test_rows_destroy(struct test_rows *);

/* Tells the compiler of the row that 'format' describes, in place of one with
 * the same kind and name. */
void test_rows_set(struct test_rows *, const char *line);
/* 'row' is "KIND NAME". */
void test_rows_remove(struct test_rows *, const char *row);
const struct uuid *test_rows_uuid(const struct test_rows *, const char *row);
const char *test_rows_status(const struct test_rows *, const char *row);

/* Runs the compiler and checks that it would come to the same from
 * nothing. */
void test_rows_run(struct test_rows *);

#endif /* tests/test-rows.h */
