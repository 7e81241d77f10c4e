/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP and ICMPv6 errors that the appliance sends (RFC 792, RFC 1812 4.3, RFC 4443, RFC 4861 8).
 * Each becomes a packet in dp->originated that egress_originated() routes. worker.
 */
#ifndef VISOR_ICMP_H
#define VISOR_ICMP_H

#include "datapath.h"

enum icmp_error_kind {
	ICMP_ERROR_TTL,		      /* time exceeded in transit */
	ICMP_ERROR_NET_UNREACHABLE,   /* IPv6: no route to destination */
	ICMP_ERROR_HOST_UNREACHABLE,  /* IPv6: address unreachable */
	ICMP_ERROR_ROUTE_UNREACHABLE, /* an "unreachable" route: host; IPv6: no route, as Linux */
	ICMP_ERROR_PORT_UNREACHABLE,
	ICMP_ERROR_PROHIBITED,	 /* communication administratively prohibited */
	ICMP_ERROR_SOURCE_ROUTE, /* source route failed; IPv6: parameter problem; detail: offset */
	ICMP_ERROR_TOO_BIG,	 /* fragmentation needed, Packet Too Big; detail: MTU */
	ICMP_ERROR_PARAMETER,	 /* erroneous header field; detail: its offset from the IP header */
	ICMP_ERROR_SCOPE,	 /* IPv6: beyond scope of source address; IPv4: host unreachable */
	ICMP_ERROR_KINDS,
};

/* Tell the sender of `cause` (parsed; its headers as they came in, but for the TTL), unless that is
 * forbidden (RFC 1812 4.3.2.7, RFC 4443 2.4 e) or over the rate. The verdict of `cause` is the
 * caller's. */
void icmp_error(struct datapath *dp, const struct packet *cause, enum icmp_error_kind kind,
		uint32_t detail);

/* May one more packet be sent in answer to one that was refused? The token is taken; where there is
 * none that is counted. What icmp_error() does by itself; for other kinds of answers. */
bool icmp_answer_allowed(struct datapath *dp);

/* Tell the sender of `cause`, which leaves by nh where it came in, about the better first hop; not
 * where the sender is no neighbour of it, nor more than once a second for one pair of addresses.
 * (RFC 1812 5.2.7.2, RFC 4861 8.2) */
void icmp_redirect(struct datapath *dp, const struct packet *cause, const struct nexthop *nh);

#endif
