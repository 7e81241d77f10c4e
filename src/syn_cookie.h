/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYN cookies (RFC 4987 3.6): the sequence number of a SYN-ACK that carries what there is to
 * remember of the SYN, so that a flood of them costs no memory. 32 bits:
 *
 *   31..29  time, in slots of about half a minute: a cookie is good in its slot and the next
 *   28..27  MSS, one of four
 *   26..24  SACK permitted and window scale, coded
 *   23..0   a keyed hash (SipHash-2-4, Aumasson and Bernstein 2012) of all that and of the
 *           addresses, ports and the client's sequence number
 *
 * The key is random and the process's own: who is off the path hits one in sixteen million, of two good slots.
 */
#ifndef VISOR_SYN_COOKIE_H
#define VISOR_SYN_COOKIE_H

#include "flow.h"

#define SYN_NO_SCALE 15

struct syn_options {
	uint16_t mss;  /* bytes */
	uint8_t scale; /* window scale, 0..14; SYN_NO_SCALE: none offered */
	bool sack;
};

/* Options of a SYN's header; an absent MSS is 536 (RFC 9293 3.7.1), IPv6: 1220. Any thread. */
void syn_options_read(const uint8_t *tcp, unsigned len, bool ip6, struct syn_options *options);

/* The cookie for a SYN with this key and sequence number. `options` becomes what the cookie can
 * hold, which is never more than was offered. worker. */
uint32_t syn_cookie_make(const struct flow_key *key, uint32_t client_isn, uint64_t now_ns,
			 struct syn_options *options);

/* Is it one of ours, and what does it say? worker. */
bool syn_cookie_check(const struct flow_key *key, uint32_t client_isn, uint32_t cookie,
		      uint64_t now_ns, struct syn_options *options);

#endif
