/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "policy.h"

#include <netinet/in.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

static const struct protocol {
    const char *name;
    uint8_t nw_proto;
    bool is_icmp;
} protocols[] = {
    { "tcp", IPPROTO_TCP, false },
    { "udp", IPPROTO_UDP, false },
    { "sctp", IPPROTO_SCTP, false },
    { "icmp", IPPROTO_ICMP, true },
    { "icmp6", IPPROTO_ICMPV6, true },
};

static const struct protocol *protocol_from_name(const char *, size_t len);
static const struct protocol *protocol_from_number(uint8_t nw_proto);
static char *parse_ports(const char *s, const char *ports, struct policy *);
static char *parse_icmp(const char *s, const char *type, struct policy *);

/* Parses 's' into 'policy'.
 *
 * Returns NULL if successful, otherwise an error message that names 's' and
 * that the caller must free(). */
char * OVS_WARN_UNUSED_RESULT
policy_parse(const char *s, struct policy *policy)
{
    *policy = (struct policy) { .icmp_type = -1, .icmp_code = -1 };
    if (!strcmp(s, "any")) {
        return NULL;
    }

    size_t name_len = strcspn(s, ":");
    const struct protocol *protocol = protocol_from_name(s, name_len);
    if (!protocol) {
        return xasprintf("%s: unknown protocol, expected any, tcp, udp, sctp, "
                         "icmp or icmp6", s);
    }
    policy->nw_proto = protocol->nw_proto;
    if (!s[name_len]) {
        return NULL;
    }

    const char *rest = s + name_len + 1;
    return (protocol->is_icmp
            ? parse_icmp(s, rest, policy)
            : parse_ports(s, rest, policy));
}

/* Appends 'policy' to 's' in its one canonical form: equal policies give equal
 * text, and policy_parse() gives back 'policy'. */
void
policy_format(const struct policy *policy, struct ds *s)
{
    const struct protocol *protocol = protocol_from_number(policy->nw_proto);

    ds_put_cstr(s, protocol ? protocol->name : "any");
    if (policy->has_ports) {
        ds_put_format(s, ":%u", policy->port_min);
        if (policy->port_max != policy->port_min) {
            ds_put_format(s, "-%u", policy->port_max);
        }
    }
    if (policy->icmp_type >= 0) {
        ds_put_format(s, ":%d", policy->icmp_type);
        if (policy->icmp_code >= 0) {
            ds_put_format(s, ":%d", policy->icmp_code);
        }
    }
}

bool
policy_equals(const struct policy *a, const struct policy *b)
{
    return (a->nw_proto == b->nw_proto
            && a->has_ports == b->has_ports
            && a->port_min == b->port_min
            && a->port_max == b->port_max
            && a->icmp_type == b->icmp_type
            && a->icmp_code == b->icmp_code);
}

/* Returns true if 'policy' opens the connection whose first packet has IP
 * protocol 'nw_proto' and transport ports 'tp_src' and 'tp_dst', in host byte
 * order.  For ICMP and ICMPv6, 'tp_src' is the type and 'tp_dst' the code, as
 * in a struct flow. */
bool
policy_matches(const struct policy *policy, uint8_t nw_proto,
               uint16_t tp_src, uint16_t tp_dst)
{
    if (!policy->nw_proto) {
        return true;
    } else if (policy->nw_proto != nw_proto) {
        return false;
    }

    return ((!policy->has_ports
             || (tp_dst >= policy->port_min && tp_dst <= policy->port_max))
            && (policy->icmp_type < 0 || tp_src == policy->icmp_type)
            && (policy->icmp_code < 0 || tp_dst == policy->icmp_code));
}

/* Intersects ICMP types or codes, of which -1 stands for all. */
static bool
intersect_icmp(int16_t a, int16_t b, int16_t *result)
{
    *result = MAX(a, b);
    return a < 0 || b < 0 || a == b;
}

/* If some connection is open by both 'a' and 'b', stores into 'result' the
 * policy that opens exactly those and returns true.  Otherwise returns false
 * and stores nothing of use. */
bool
policy_intersect(const struct policy *a, const struct policy *b,
                 struct policy *result)
{
    if (!a->nw_proto || !b->nw_proto) {
        *result = a->nw_proto ? *a : *b;
        return true;
    } else if (a->nw_proto != b->nw_proto) {
        return false;
    }

    *result = b->has_ports ? *b : *a;
    if (a->has_ports && b->has_ports) {
        result->port_min = MAX(a->port_min, b->port_min);
        result->port_max = MIN(a->port_max, b->port_max);
        if (result->port_min > result->port_max) {
            return false;
        }
    }
    return (intersect_icmp(a->icmp_type, b->icmp_type, &result->icmp_type)
            && intersect_icmp(a->icmp_code, b->icmp_code,
                              &result->icmp_code));
}

/* Stores into 'masks' the smallest set of disjoint matches that together
 * select exactly the ports of 'policy', in ascending order, and returns their
 * number.  Returns 0 for a policy without ports, which needs no match on the
 * port at all.
 *
 * Takes, from the bottom of the range, the largest block that is aligned to
 * its own size and still fits. */
size_t
policy_port_masks(const struct policy *policy,
                  struct port_mask masks[POLICY_MAX_MASKS])
{
    uint32_t port = policy->port_min;
    size_t n = 0;

    while (policy->has_ports && port <= policy->port_max) {
        uint32_t size = port ? port & -port : 1u << 16;

        while (port + size - 1 > policy->port_max) {
            size >>= 1;
        }

        ovs_assert(n < POLICY_MAX_MASKS);
        masks[n++] = (struct port_mask) {
            .value = port,
            .mask = ~(size - 1),
        };
        port += size;
    }
    return n;
}

static const struct protocol *
protocol_from_name(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        const struct protocol *p = &protocols[i];

        if (strlen(p->name) == len && !strncmp(p->name, name, len)) {
            return p;
        }
    }
    return NULL;
}

static const struct protocol *
protocol_from_number(uint8_t nw_proto)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (protocols[i].nw_proto == nw_proto) {
            return &protocols[i];
        }
    }
    return NULL;
}

/* Parses the 'len' bytes at 's' as a number from 'min' to 'max'. */
static bool
parse_number(const char *s, size_t len, unsigned int min, unsigned int max,
             unsigned int *valuep)
{
    unsigned int value = 0;

    if (!len || len > 5 || (len > 1 && s[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        value = value * 10 + (s[i] - '0');
    }

    *valuep = value;
    return value >= min && value <= max;
}

static char *
parse_ports(const char *s, const char *ports, struct policy *policy)
{
    unsigned int min, max;
    size_t len = strcspn(ports, "-");

    if (!parse_number(ports, len, 1, UINT16_MAX, &min)) {
        return xasprintf("%s: expected a port from 1 to 65535 or a range of "
                         "ports after \"%.*s\"", s, (int) (ports - s), s);
    }
    max = min;
    if (ports[len]) {
        const char *last = ports + len + 1;

        if (!parse_number(last, strlen(last), 1, UINT16_MAX, &max)) {
            return xasprintf("%s: expected the last port of the range, from "
                             "1 to 65535, after \"%.*s\"",
                             s, (int) (last - s), s);
        } else if (max < min) {
            return xasprintf("%s: last port of the range is below its first "
                             "port", s);
        }
    }

    policy->has_ports = true;
    policy->port_min = min;
    policy->port_max = max;
    return NULL;
}

static char *
parse_icmp(const char *s, const char *type, struct policy *policy)
{
    unsigned int value;
    size_t len = strcspn(type, ":");

    if (!parse_number(type, len, 0, UINT8_MAX, &value)) {
        return xasprintf("%s: expected an ICMP type from 0 to 255 after "
                         "\"%.*s\"", s, (int) (type - s), s);
    }
    policy->icmp_type = value;

    if (type[len]) {
        const char *code = type + len + 1;

        if (!parse_number(code, strlen(code), 0, UINT8_MAX, &value)) {
            return xasprintf("%s: expected an ICMP code from 0 to 255 after "
                             "\"%.*s\"", s, (int) (code - s), s);
        }
        policy->icmp_code = value;
    }
    return NULL;
}
