/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP and ICMPv6 errors.
 *
 * Whom: never a sender that could not be one, never about what was sent to many, never about an
 * error or a later fragment (RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 e).
 * From: the interface that the packet came in by, with the address that is in the sender's subnet
 * where there is one, so that a traceroute shows the way there. Where that interface has no address
 * (unnumbered, RFC 1812 5.2.7, IPv4 over IPv6 next hops) the way back's, then any.
 * What: as much of the packet as fits into 576 bytes (RFC 1812 4.3.2.3), IPv6: 1280 (RFC 4443 2.4).
 * How many: a token bucket per worker, deep enough for a few traceroutes at once. What it swallows
 * is counted as made and dropped.
 */
#include "icmp.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "bytes.h"
#include "icmp_message.h"

static const struct {
	uint8_t type4, code4, type6, code6;
} errors[ICMP_ERROR_KINDS] = {
	[ICMP_ERROR_TTL] = { ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, ICMP6_TIME_EXCEEDED,
			     ICMP6_TIME_EXCEED_TRANSIT },
	[ICMP_ERROR_NET_UNREACHABLE] = { ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ICMP6_DST_UNREACH,
					 ICMP6_DST_UNREACH_NOROUTE },
	[ICMP_ERROR_HOST_UNREACHABLE] = { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
					  ICMP6_DST_UNREACH_ADDR },
	[ICMP_ERROR_ROUTE_UNREACHABLE] = { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
					   ICMP6_DST_UNREACH_NOROUTE },
	[ICMP_ERROR_PORT_UNREACHABLE] = { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ICMP6_DST_UNREACH,
					  ICMP6_DST_UNREACH_NOPORT },
	[ICMP_ERROR_PROHIBITED] = { ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, ICMP6_DST_UNREACH,
				    ICMP6_DST_UNREACH_ADMIN },
	[ICMP_ERROR_SOURCE_ROUTE] = { ICMP_DEST_UNREACH, ICMP_SR_FAILED, ICMP6_PARAM_PROB,
				      ICMP6_PARAMPROB_HEADER },
	[ICMP_ERROR_TOO_BIG] = { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP6_PACKET_TOO_BIG, 0 },
	[ICMP_ERROR_PARAMETER] = { ICMP_PARAMETERPROB, 0, ICMP6_PARAM_PROB,
				   ICMP6_PARAMPROB_HEADER },
	[ICMP_ERROR_SCOPE] = { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
			       ICMP6_DST_UNREACH_BEYONDSCOPE },
};

/* The second word of the message: RFC 792, RFC 1191 4 (MTU), RFC 4443 3. */
static void put_detail(uint8_t *icmp, unsigned version, enum icmp_error_kind kind, uint32_t detail)
{
	bytes_store32(icmp + 4, 0);
	if (version == 6)
		bytes_put32(icmp + 4, detail);
	else if (kind == ICMP_ERROR_TOO_BIG)
		bytes_put16(icmp + 6, (uint16_t)(detail < UINT16_MAX ? detail : UINT16_MAX));
	else if (kind == ICMP_ERROR_PARAMETER)
		icmp[4] = (uint8_t)detail;
}

static void error4(struct datapath *dp, const struct packet *cause, enum icmp_error_kind kind,
		   uint32_t detail)
{
	const uint32_t quote = icmp_quote_len(cause, ICMP4_MAX - ICMP_IP4 - ICMP_FIXED);
	const uint8_t *from = packet_l3(cause);
	const __be32 to = bytes_load32(from + 12);
	struct packet *p;
	uint8_t *icmp;
	__be32 source;

	if (kind == ICMP_ERROR_PORT_UNREACHABLE) { /* its destination is ours, and answers */
		source = bytes_load32(from + 16);
	} else if (!icmp_source4(dp, cause, to, &source)) {
		datapath_not_made(dp, DROP_ICMP_NO_SOURCE);
		return;
	}
	p = icmp_message_new(dp, cause, ICMP_IP4 + ICMP_FIXED + quote);
	if (!p)
		return;
	icmp = p->data + ICMP_IP4;
	icmp[0] = errors[kind].type4;
	icmp[1] = errors[kind].code4;
	put_detail(icmp, 4, kind, detail);
	memcpy(icmp + ICMP_FIXED, from, quote);
	icmp_finish4(dp, p, source, to);
}

static void error6(struct datapath *dp, const struct packet *cause, enum icmp_error_kind kind,
		   uint32_t detail)
{
	const uint32_t quote = icmp_quote_len(cause, ICMP6_MAX - ICMP_IP6 - ICMP_FIXED);
	struct in6_addr source, to;
	struct packet *p;
	uint8_t *icmp;

	memcpy(&to, packet_l3(cause) + 8, sizeof(to));
	if (kind == ICMP_ERROR_PORT_UNREACHABLE) {
		memcpy(&source, packet_l3(cause) + 24, sizeof(source));
	} else if (!icmp_source6(dp, cause, &to, &source)) {
		datapath_not_made(dp, DROP_ICMP_NO_SOURCE);
		return;
	}
	p = icmp_message_new(dp, cause, ICMP_IP6 + ICMP_FIXED + quote);
	if (!p)
		return;
	icmp = p->data + ICMP_IP6;
	icmp[0] = errors[kind].type6;
	icmp[1] = errors[kind].code6;
	put_detail(icmp, 6, kind, detail);
	memcpy(icmp + ICMP_FIXED, packet_l3(cause), quote);
	icmp_finish6(p, &source, &to, ICMP_HOP_LIMIT);
}

void icmp_error(struct datapath *dp, const struct packet *cause, enum icmp_error_kind kind,
		uint32_t detail)
{
	if (!icmp_may_answer(cause))
		return;
	if (cause->ip_version == 4)
		error4(dp, cause, kind, detail);
	else
		error6(dp, cause, kind, detail);
}
