/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments of real datagrams, and a stand-in for the flow stage, for tests of shallow reassembly.
 *
 * A datagram is described by a struct cut, its fragments are cut out of it at any two offsets, also
 * at such as no honest sender would cut. The stage parses, asks reassembly, sends what goes on (or
 * drops it, where a first fragment's destination port is DENIED_PORT), and lets out what was held.
 */
#ifndef VISOR_SUPPORT_FRAGMENT_H
#define VISOR_SUPPORT_FRAGMENT_H

#include "src/reassembly.h"
#include "support_packet.h"

#define DENIED_PORT 9

struct cut {
	unsigned family;  /* 4 or 6 */
	uint8_t protocol; /* 0: UDP */
	uint8_t host;	  /* last byte of the source address */
	uint32_t id;
	uint16_t sport, dport; /* 0: 1000, 2000 */
	unsigned start, end;   /* bytes of the datagram's payload, transport header included */
	bool more;
	uint8_t icmp_type;
	uint8_t tcp_header; /* bytes, as its data offset says; 0: 20 */
	uint8_t chain;	    /* IPv6: destination options of 8 bytes behind the fragment header */
};

/* The fragment in a packet of its own, not parsed. Its payload's bytes tell their offset. */
struct packet *support_cut(struct support *s, const struct cut *cut);

/* Take a burst through the stage. Verdicts and reasons stay to be read in the descriptors, but those
 * of packets that were held are STOLEN for good: see s->sent and the counters. n <= BURST_MAX. */
void support_stage(struct support *s, struct packet **packets, unsigned n);

#endif
