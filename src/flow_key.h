/* SPDX-License-Identifier: Apache-2.0 */
/* From a packet to the key of its flow, and back: the packet rewritten to another key. */
#ifndef VISOR_FLOW_KEY_H
#define VISOR_FLOW_KEY_H

#include "flow.h"
#include "packet.h"

enum flow_key_kind {
	FLOW_KEY_FLOW,	    /* the key of its flow */
	FLOW_KEY_ERROR,	    /* an ICMP error: addresses only; flow_key_embedded() has the flow's */
	FLOW_KEY_UNTRACKED, /* to a group address: addresses and ports, but no flow */
	FLOW_KEY_INVALID,   /* a kind of packet that belongs to no flow and can open none */
};

/* The key of p, which was parsed. worker. */
enum flow_key_kind flow_key_from_packet(const struct packet *p, struct flow_key *key);

/* The key of the packet that an ICMP error p is about, as it stands in the error; its L4 header's
 * offset from p->data in *l4, and how many bytes are there in *l4_len (8 or more). False where the
 * error holds too little of it, or it is a later fragment or itself an error. worker. */
bool flow_key_embedded(const struct packet *p, struct flow_key *key, uint16_t *l3, uint16_t *l4);

/* Write `to` into the headers of p: addresses, ports or echo identifier, checksums by RFC 1624. `to`
 * is of p's family and protocol. worker. */
void flow_key_write(struct packet *p, const struct flow_key *to);

/* The same for the packet inside an ICMP error p, whose headers are at l3 and l4; and the error's
 * own checksum with it. worker. */
void flow_key_write_embedded(struct packet *p, uint16_t l3, uint16_t l4, const struct flow_key *to);

/* New addresses alone in p's own IP header (an ICMP error's, a later fragment's): NULL keeps. Each
 * points to 4 or 16 bytes. The L4 checksum of ICMPv6 follows. worker. */
void flow_key_write_addresses(struct packet *p, const void *source, const void *destination);

#endif
