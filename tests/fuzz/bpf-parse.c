/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/fuzz/bpf-parse.h"

#include <string.h>

/* Kernel code takes a void for a byte. */
#pragma GCC diagnostic ignored "-Wpointer-arith"
#include "bpf/parse.h"

bool
bpf_parse(const uint8_t *data_, size_t size, bool v4, struct bpf_parsed *p)
{
    void *data = (void *) data_;
    void *end = data + size;
    struct packet packet;

    memset(&packet, 0, sizeof packet);
    memset(p, 0, sizeof *p);
    if (!(v4 ? parse_ipv4(&packet, data, end, size)
          : parse_ipv6(&packet, data, end, size))) {
        return false;
    }
    memcpy(&p->source, &packet.source, sizeof p->source);
    memcpy(&p->destination, &packet.destination, sizeof p->destination);
    p->protocol = packet.protocol;
    p->v4 = packet.v4;
    p->known = packet.protocol != PROTOCOL_UNKNOWN;
    p->first_fragment = packet.fragment == FRAGMENT_FIRST;
    p->later_fragment = packet.fragment == FRAGMENT_LATER;
    p->visible = packet.visible;
    p->visible_source = ntohs(packet.source_port);
    p->visible_destination = ntohs(packet.destination_port);

    p->tracked = p->known && parse_transport(&packet, data, end);
    p->is_error = packet.known_only;
    p->flags = packet.flags;
    p->headers = packet.headers;
    p->source_port = ntohs(packet.source_port);
    p->destination_port = ntohs(packet.destination_port);
    return true;
}
