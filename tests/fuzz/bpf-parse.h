/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_FUZZ_BPF_PARSE_H
#define TESTS_FUZZ_BPF_PARSE_H 1

/* The fast path's parsers (bpf/parse.h), compiled for this machine, behind an
 * interface of their own: their kernel headers do not go with Open vSwitch's
 * headers in one file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

/* What they find in an IP packet.  Ports are in host byte order. */
struct bpf_parsed {
    struct in6_addr source, destination;
    uint8_t protocol;
    bool v4;
    bool known;                 /* 'protocol' is, and what follows. */
    bool first_fragment, later_fragment;

    /* What is visible of the transport header, however broken it is. */
    bool visible;
    uint16_t visible_source, visible_destination;

    /* If the transport header is one that the programs can track. */
    bool tracked;
    bool is_error;
    uint8_t flags;
    uint16_t headers;
    uint16_t source_port, destination_port;
};

/* Parses the Ethernet frame of 'size' bytes at 'data', which must be IPv4, if
 * 'v4', or IPv6.  Returns false if it is malformed. */
bool bpf_parse(const uint8_t *data, size_t size, bool v4, struct bpf_parsed *);

#endif /* tests/fuzz/bpf-parse.h */
