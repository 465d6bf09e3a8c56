/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/inspect-trace.h"
#include "unixctl.h"
#include "util.h"

struct inspect_trace { int x; };
struct inspect_trace *inspect_trace_create(const struct inspect_sources *s OVS_UNUSED) { return xzalloc(sizeof(struct inspect_trace)); }
void inspect_trace_run(struct inspect_trace *t OVS_UNUSED) {}
void inspect_trace_wait(struct inspect_trace *t OVS_UNUSED) {}
void inspect_trace_destroy(struct inspect_trace *t) { free(t); }
void inspect_trace_start(struct inspect_trace *t OVS_UNUSED, struct unixctl_conn *c, int argc OVS_UNUSED, const char *argv[] OVS_UNUSED) { unixctl_command_reply_error(c, "no"); }
