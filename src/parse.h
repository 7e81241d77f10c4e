/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser: Ethernet, 802.1Q/802.1ad (up to two tags), IPv4 with options, IPv6 with extension
 * headers, down to the offset of TCP/UDP/ICMP/SCTP/GRE/ESP. One cursor, bounds-checked; only the
 * first frame of a multi-buffer packet is read, headers beyond it are DROP_TRUNCATED.
 *
 * Checked here: RFC 1812 5.2.2 (version, IHL, total length, header checksum), RFC 8200 (version,
 * payload length, extension-header order of hop-by-hop, a limit of 8 extension headers). Trailing
 * Ethernet padding is allowed; `len` is trimmed to the datagram's end.
 * Not checked here: martians, TTL, anything that is policy (the router's).
 */
#ifndef VISOR_PARSE_H
#define VISOR_PARSE_H

#include "packet.h"

/* Fill the descriptor (from l3 on: l3, l4, ip_len, ip_version, protocol, vlan, outer_vlan, flags,
 * hash) from p->data, p->len, p->first_len. Returns DROP_NONE or the reason; it does not set the
 * verdict. worker. */
uint16_t parse_packet(struct packet *p);

/* The same from the IP header on, for packets made here: p->l3 is set. worker. */
uint16_t parse_ip(struct packet *p);

/* Symmetric-free five-tuple hash used for ECMP and spreading; parse_packet() stores it. */
uint32_t parse_flow_hash(const struct packet *p);

#endif
