/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser: Ethernet, 802.1Q/802.1ad (up to two tags), IPv4 with options, IPv6 with extension
 * headers, down to the offset of TCP/UDP/ICMP/SCTP/GRE/ESP. One cursor, bounds-checked; only the
 * first frame of a multi-buffer packet is read, headers beyond it are DROP_TRUNCATED.
 *
 * Checked here: RFC 1812 5.2.2 (version, IHL, total length, header checksum), RFC 8200 (version,
 * payload length, extension headers). Trailing Ethernet padding is allowed; `len` is trimmed to the
 * datagram's end (but not that of a multi-buffer packet: where a datagram ends is l3 + ip_len).
 *
 * IPv6 extension headers: hop-by-hop, routing, fragment, authentication and destination options are
 * walked, eight at most. `protocol` is what stands behind the last of them. Where the walk ends:
 *     beyond the eighth                          DROP_IP6_CHAIN
 *     hop-by-hop not the first, a second         DROP_IP6_EXTENSIONS
 *     fragment header, one that does not fit
 *     a first fragment that ends before the      DROP_FRAGMENT_TINY (RFC 7112 5)
 *     chain does
 *     ESP                                        what is behind it is hidden: it is the protocol
 *     59, no next header                         protocol 59; nothing behind it is looked at
 *     any other number                           it is the protocol, known or not
 * The last is RFC 7045's question, what to do with a header that one does not know: no number is
 * taken for an extension header that cannot be walked. Mobility, HIP and Shim6 messages (135, 139,
 * 140), experiments (253, 254) and numbers without a meaning are forwarded by routing as RFC 7045
 * 2.1 wants it, and are for a firewall's rules to let through by their number, or not, as in IPv4.
 *
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
