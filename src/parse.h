/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser: Ethernet, 802.1Q/802.1ad (up to two tags), IPv4 with options, IPv6 with extension
 * headers, down to the offset of TCP/UDP/ICMP/SCTP/GRE/ESP. One cursor, bounds-checked; only the
 * first frame of a multi-buffer packet is read, headers beyond it are DROP_TRUNCATED.
 *
 * Checked here: RFC 1812 5.2.2 (version, IHL, total length, header checksum), RFC 8200 (version,
 * payload length, extension-header order of hop-by-hop, a limit of 8 extension headers). Trailing
 * Ethernet padding is allowed; `len` is trimmed to the datagram's end (but not that of a
 * multi-buffer packet: where a datagram ends is l3 + ip_len).
 * Not checked here: martians, TTL, anything that is policy (the router's).
 */
#ifndef VISOR_PARSE_H
#define VISOR_PARSE_H

#include "packet.h"

#define IP4_OPTION_END 0
#define IP4_OPTION_NOP 1
#define IP4_OPTION_LSRR 131
#define IP4_OPTION_SSRR 137

/* Fill the descriptor (from l3 on: l3, l4, ip_len, ip_version, protocol, vlan, outer_vlan, flags,
 * hash) from p->data, p->len, p->first_len. Returns DROP_NONE or the reason; it does not set the
 * verdict. worker. */
uint16_t parse_packet(struct packet *p);

/* The same from the IP header on, for packets made here: p->l3 is set. worker. */
uint16_t parse_ip(struct packet *p);

/* The flow hash: five-tuple (ESP: SPI), for fragments the addresses; not symmetric. It is the same
 * on every start and every machine. parse_packet() stores it in p->hash; after a rewrite of
 * addresses or ports ask again. worker. */
uint32_t parse_flow_hash(const struct packet *p);

/* Offsets from the IP header's first byte; 0 none. */
struct ip4_options {
	uint8_t source_route; /* of the first LSRR or SSRR option */
	uint8_t problem;      /* of the byte that makes no sense */
};

/* Walk the options of a header of `header` bytes, all of them there. False where an option does
 * not fit; what comes before it has been looked at. Any thread. */
bool parse_ip4_options(const uint8_t *ip, unsigned header, struct ip4_options *found);

/* Offset from the IP header of p's first extension header of that kind; 0 none. p was parsed. Any
 * thread. */
unsigned parse_ip6_extension(const struct packet *p, uint8_t kind);

#endif
