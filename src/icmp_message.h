/* SPDX-License-Identifier: Apache-2.0 */
/* What the ICMP messages that we send have in common; for icmp*.c only. All: worker. */
#ifndef VISOR_ICMP_MESSAGE_H
#define VISOR_ICMP_MESSAGE_H

#include "datapath.h"

#define ICMP_IP4 20
#define ICMP_IP6 40
#define ICMP_FIXED 8
#define ICMP4_MAX 576  /* RFC 1812 4.3.2.3 */
#define ICMP6_MAX 1280 /* RFC 4443 2.4 c */
#define ICMP_HOP_LIMIT 64

/* May its sender be told anything? RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 e. */
bool icmp_may_answer(const struct packet *p);

/* How many bytes of the cause to send back, from its IP header on. */
uint32_t icmp_quote_len(const struct packet *cause, uint32_t most);

/* A packet of `len` bytes from the IP header on, which is at its data, for an answer to cause.
 * NULL, and counted, where the rate or the frames are used up. */
struct packet *icmp_message_new(struct datapath *dp, const struct packet *cause, uint32_t len);

/* Write the IP header and the checksums around an ICMP message that is complete but for them. */
void icmp_finish4(struct datapath *dp, struct packet *p, __be32 source, __be32 to);
void icmp_finish6(struct packet *p, const struct in6_addr *source, const struct in6_addr *to,
		  uint8_t hop_limit);

/* The address to speak as to `to` about cause; false where there is none at all. */
bool icmp_source4(const struct datapath *dp, const struct packet *cause, __be32 to, __be32 *source);
bool icmp_source6(const struct datapath *dp, const struct packet *cause, const struct in6_addr *to,
		  struct in6_addr *source);

/* One of this interface's own (it may be NULL), of the scope of `to`; best in a subnet with it. */
bool icmp_pick6(const struct interface *iface, const struct in6_addr *to, struct in6_addr *source);

bool icmp_is_link_local(const struct in6_addr *addr);
bool icmp_covers4(__be32 addr, unsigned len, __be32 other);
bool icmp_covers6(const struct in6_addr *addr, unsigned len, const struct in6_addr *other);

#endif
