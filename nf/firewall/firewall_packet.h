/* SPDX-License-Identifier: Apache-2.0 */
/* From packets and flows to what rules look at. worker. */
#ifndef FIREWALL_PACKET_H
#define FIREWALL_PACKET_H

#include "bytes.h"
#include "firewall.h"

/* A flow's first packet. Addresses are those that it came in with, whatever translates them behind:
 * only those can be asked for again later. */
void firewall_packet_of_flow(const struct firewall *fw, struct datapath *dp, struct flow_open *open,
			     struct firewall_packet *p);
/* DROP_NONE, or why rules cannot judge this packet by itself: what they look at is not in it, but may
 * be in another one (RFC 1858, 3128) or nowhere. */
uint16_t firewall_unreadable(const struct nf *nf, const struct packet *p);
/* n <= BURST_MAX packets by themselves. */
void firewall_packets_of(const struct firewall *fw, struct datapath *dp,
			 struct packet *const *packets, struct firewall_packet *out, unsigned n);

/* Whom a flow counts for where sources are limited. */
static inline uint64_t firewall_source(const struct flow_key *key)
{
	return key->family == 4 ? be32toh(key->v4.source) : bytes_load64(&key->v6.source);
}

#endif
