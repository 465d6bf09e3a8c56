/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "controller/fastpath-connections.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "bastion/bpf-abi.h"
#include "controller/netmap.h"
#include "lib/address.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

static const char *
protocol_name(uint8_t protocol)
{
    return (protocol == IPPROTO_TCP ? "tcp"
            : protocol == IPPROTO_UDP ? "udp"
            : protocol == IPPROTO_SCTP ? "sctp"
            : protocol == IPPROTO_ICMP ? "icmp"
            : protocol == IPPROTO_ICMPV6 ? "icmp6"
            : "unknown");
}

static const char *
state_name(uint32_t flags)
{
    const uint32_t fins = BASTION_CONN_FIN | BASTION_CONN_REPLY_FIN;

    return (flags & BASTION_CONN_RESET || (flags & fins) == fins ? "closed"
            : flags & fins ? "closing"
            : flags & BASTION_CONN_ESTABLISHED ? "established"
            : flags & BASTION_CONN_REPLIED ? "replied"
            : "new");
}

/* One end of a connection. */
struct end {
    struct in6_addr ip;
    const char *container;      /* NULL if there is none any more. */
    char *text;                 /* The address. */
};

static void
end_init(struct end *end, const struct netmap *netmap,
         const struct netmap_network *network,
         const struct bastion_address *address)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    memcpy(&end->ip, address->bytes, sizeof end->ip);
    const struct netmap_endpoint *endpoint
        = network ? netmap_find_endpoint_by_ip(netmap, network, &end->ip)
                  : NULL;
    end->container = endpoint ? endpoint->name : NULL;
    ip_address_format(&end->ip, &s);
    end->text = ds_steal_cstr(&s);
}

static bool
is_icmp(uint8_t protocol)
{
    return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

/* Milliseconds since the last packet. */
static uint64_t
idle_msec(const struct bastion_connection *conn, uint64_t now)
{
    return now > conn->last_seen ? (now - conn->last_seen) / 1000000 : 0;
}

void
fastpath_connection_format(const struct netmap *netmap,
                           const struct bastion_connection_key *key,
                           const struct bastion_connection *conn,
                           uint64_t now, struct ds *s)
{
    const struct netmap_network *network
        = netmap_find_network_by_zone(netmap, key->zone);
    uint64_t idle = idle_msec(conn, now);
    struct end src, dst;

    end_init(&src, netmap, network, &key->source);
    end_init(&dst, netmap, network, &key->destination);
    ds_put_format(s, "%s,src=%s,dst=%s,", protocol_name(key->protocol),
                  src.text, dst.text);
    if (is_icmp(key->protocol)) {
        ds_put_format(s, "id=%d,type=%d,code=%d", ntohs(key->source_port),
                      conn->icmp_type_code >> 8, conn->icmp_type_code & 0xff);
    } else {
        ds_put_format(s, "sport=%d,dport=%d", ntohs(key->source_port),
                      ntohs(key->destination_port));
    }
    ds_put_format(s, ",network=%s,containers=%s>%s,state=%s,"
                  "idle=%"PRIu64".%03"PRIu64"\n",
                  network ? network->name : "?",
                  src.container ? src.container : "?",
                  dst.container ? dst.container : "?",
                  state_name(conn->flags), idle / 1000, idle % 1000);
    free(src.text);
    free(dst.text);
}

static void
put_end(struct json *object, const char *name, const struct end *end,
        uint8_t protocol, ovs_be16 port)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "ip", end->text);
    if (end->container) {
        json_object_put_string(json, "container", end->container);
    }
    if (!is_icmp(protocol)) {
        json_object_put(json, "port", json_integer_create(ntohs(port)));
    }
    json_object_put(object, name, json);
}

struct json *
fastpath_connection_to_json(const struct netmap *netmap,
                            const struct bastion_connection_key *key,
                            const struct bastion_connection *conn,
                            uint64_t now)
{
    const struct netmap_network *network
        = netmap_find_network_by_zone(netmap, key->zone);
    struct json *object = json_object_create();
    struct end src, dst;

    end_init(&src, netmap, network, &key->source);
    end_init(&dst, netmap, network, &key->destination);
    json_object_put_string(object, "protocol", protocol_name(key->protocol));
    put_end(object, "source", &src, key->protocol, key->source_port);
    put_end(object, "destination", &dst, key->protocol,
            key->destination_port);
    if (is_icmp(key->protocol)) {
        json_object_put(object, "id",
                        json_integer_create(ntohs(key->source_port)));
        json_object_put(object, "type",
                        json_integer_create(conn->icmp_type_code >> 8));
        json_object_put(object, "code",
                        json_integer_create(conn->icmp_type_code & 0xff));
    }
    if (network) {
        json_object_put_string(object, "network", network->name);
    }
    json_object_put_string(object, "state", state_name(conn->flags));
    json_object_put(object, "idle-msec",
                    json_integer_create(idle_msec(conn, now)));
    free(src.text);
    free(dst.text);
    return object;
}
