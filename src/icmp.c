/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP and ICMPv6 errors.
 *
 * Whom: never a sender that could not be one, never about what was sent to many, never about an
 * error or a later fragment (RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 e).
 * From: the interface that the packet came in by, with the address that is in the sender's subnet
 * where there is one, so that a traceroute shows the way there. Where that interface has no address
 * (unnumbered, RFC 1812 5.2.7, IPv4 over IPv6 next hops) the way back's, then any.
 * What: as much of the packet as fits into 576 bytes (RFC 1812 4.3.2.3), IPv6: 1280 (RFC 4443 2.4 c).
 * How many: a token bucket per worker, deep enough for a few traceroutes at once. What it swallows
 * is counted as made and dropped.
 */
#include "icmp.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "bytes.h"
#include "checksum.h"
#include "lpm4.h"
#include "lpm6.h"
#include "parse.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define ICMP_HEADER 8
#define ICMP4_MAX 576
#define ICMP6_MAX 1280
#define HOP_LIMIT 64
/* Precedence "internetwork control" (RFC 1812 4.3.2.5), which is CS6 in today's words. */
#define TRAFFIC_CLASS 0xc0
#define BURST_MIN 50
#define SECOND_NS 1000000000ull
#define REDIRECT_AGAIN_NS SECOND_NS
#define NEVER 0xff

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

static bool is_link_local(const struct in6_addr *addr)
{
	return addr->s6_addr[0] == 0xfe && (addr->s6_addr[1] & 0xc0) == 0x80;
}

static bool is_single_host4(uint32_t addr)
{
	return addr >> 24 != 0 && addr >> 24 != 127 && addr >> 28 < 0xe;
}

static bool is_icmp_error4(uint8_t type)
{
	switch (type) {
	case ICMP_ECHOREPLY:
	case ICMP_ECHO:
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REQUEST:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESS:
	case ICMP_ADDRESSREPLY:
		return false;
	default:
		return true; /* what we do not know may be one */
	}
}

static bool is_icmp_error6(uint8_t type)
{
	return !(type & ICMP6_INFOMSG_MASK) || type == ND_REDIRECT;
}

static bool may_answer4(const struct packet *p)
{
	const uint8_t *ip = packet_l3(p);

	if (!is_single_host4(bytes_get32(ip + 12)) || bytes_get32(ip + 16) >> 28 >= 0xe)
		return false;
	return p->protocol != IPPROTO_ICMP ||
	       ((p->flags & PKT_L4_COMPLETE) && !is_icmp_error4(packet_l4(p)[0]));
}

static bool may_answer6(const struct packet *p)
{
	struct in6_addr source;

	memcpy(&source, packet_l3(p) + 8, sizeof(source));
	if (IN6_IS_ADDR_UNSPECIFIED(&source) || IN6_IS_ADDR_LOOPBACK(&source) ||
	    IN6_IS_ADDR_MULTICAST(&source) || packet_l3(p)[24] == 0xff)
		return false;
	return p->protocol != IPPROTO_ICMPV6 ||
	       ((p->flags & PKT_L4_COMPLETE) && !is_icmp_error6(packet_l4(p)[0]));
}

static bool may_answer(const struct packet *p)
{
	if (p->flags & (PKT_ORIGINATED | PKT_NO_ERROR | PKT_LATER_FRAGMENT | PKT_L2_GROUP))
		return false;
	return p->ip_version == 4 ? may_answer4(p) : may_answer6(p);
}

/* The bucket holds time; a message costs the time that the rate gives it. */
static bool within_rate(struct datapath *dp)
{
	const uint64_t rate = dp->icmp_rate;
	uint64_t cost, burst;

	if (!rate)
		return false;
	cost = SECOND_NS / rate;
	burst = rate / 10 > BURST_MIN ? rate / 10 : BURST_MIN;
	dp->icmp_tokens += dp->now_ns - dp->icmp_refill_ns;
	dp->icmp_refill_ns = dp->now_ns;
	if (dp->icmp_tokens > cost * burst)
		dp->icmp_tokens = cost * burst;
	if (dp->icmp_tokens < cost)
		return false;
	dp->icmp_tokens -= cost;
	return true;
}

static const struct interface *egress_of(const struct datapath *dp, uint32_t id)
{
	const struct nexthop *nh = fib_nexthop(dp->fib, id);

	if (nh->kind == NEXTHOP_GROUP)
		nh = fib_nexthop(dp->fib, nh->buckets[0]);
	if (nh->kind != NEXTHOP_FORWARD && nh->kind != NEXTHOP_ONLINK &&
	    nh->kind != NEXTHOP_INCOMPLETE)
		return NULL;
	return fib_interface(dp->fib, nh->iface);
}

static bool covers4(__be32 addr, unsigned len, __be32 other)
{
	return !len || !((be32toh(addr) ^ be32toh(other)) >> (32 - len));
}

static bool covers6(const struct in6_addr *addr, unsigned len, const struct in6_addr *other)
{
	const unsigned bytes = len / 8;

	if (memcmp(addr, other, bytes))
		return false;
	return !(len & 7) || !((addr->s6_addr[bytes] ^ other->s6_addr[bytes]) >> (8 - (len & 7)));
}

static bool pick4(const struct interface *iface, __be32 to, __be32 *source)
{
	if (!iface || !iface->n4)
		return false;
	*source = iface->addr4[0].addr;
	for (unsigned i = 0; i < iface->n4; i++)
		if (covers4(iface->addr4[i].addr, iface->addr4[i].len, to)) {
			*source = iface->addr4[i].addr;
			break;
		}
	return true;
}

static bool source4(const struct datapath *dp, const struct packet *cause, __be32 to, __be32 *source)
{
	if (pick4(fib_interface(dp->fib, cause->iface), to, source) ||
	    pick4(egress_of(dp, lpm4_lookup(dp->fib->lpm4, be32toh(to))), to, source))
		return true;
	for (uint16_t slot = 0; slot < IFACE_MAX; slot++)
		if (pick4(fib_interface(dp->fib, slot), to, source))
			return true;
	return false;
}

/* Link-local destinations take a link-local source, others never do (RFC 6724 5, rule 2). */
static bool pick6(const struct interface *iface, const struct in6_addr *to, struct in6_addr *source)
{
	const struct in6_addr *found = NULL;

	for (unsigned i = 0; iface && i < iface->n6; i++) {
		const struct in6_addr *addr = &iface->addr6[i].addr;

		if (is_link_local(addr) != is_link_local(to))
			continue;
		if (!found)
			found = addr;
		if (covers6(addr, iface->addr6[i].len, to)) {
			found = addr;
			break;
		}
	}
	if (found)
		*source = *found;
	return found;
}

static bool source6(const struct datapath *dp, const struct packet *cause, const struct in6_addr *to,
		    struct in6_addr *source)
{
	if (pick6(fib_interface(dp->fib, cause->iface), to, source))
		return true;
	if (is_link_local(to))
		return false;
	if (pick6(egress_of(dp, lpm6_lookup(dp->fib->lpm6, to)), to, source))
		return true;
	for (uint16_t slot = 0; slot < IFACE_MAX; slot++)
		if (pick6(fib_interface(dp->fib, slot), to, source))
			return true;
	return false;
}

/* Bytes of the cause to send back. */
static uint32_t quote_len(const struct packet *cause, uint32_t most)
{
	uint32_t len = cause->first_len - cause->l3;

	if (len > cause->ip_len)
		len = cause->ip_len;
	return len < most ? len : most;
}

static struct packet *message_new(struct datapath *dp, const struct packet *cause, uint32_t len)
{
	struct packet *p;

	if (!within_rate(dp)) {
		datapath_not_made(dp, DROP_ICMP_RATE);
		return NULL;
	}
	p = datapath_packet_new(dp, len);
	if (!p) {
		datapath_not_made(dp, DROP_NO_FRAME);
		return NULL;
	}
	p->l3 = 0; /* egress writes the Ethernet header in front */
	p->len = len;
	p->first_len = (uint16_t)len;
	p->iface = cause->iface;
	p->port = cause->port;
	datapath_count(&dp->counters->icmp_sent, 1);
	return p;
}

/* Header and checksums around an ICMP message that is complete but for them. */
static void finish4(struct datapath *dp, struct packet *p, __be32 source, __be32 to)
{
	uint8_t *ip = p->data;

	/* xorshift32 (Marsaglia 2003): the ID only has to differ from its neighbours */
	dp->random ^= dp->random << 13;
	dp->random ^= dp->random >> 17;
	dp->random ^= dp->random << 5;
	memset(ip, 0, IP4_HEADER);
	ip[0] = 0x45;
	ip[1] = TRAFFIC_CLASS;
	bytes_put16(ip + 2, (uint16_t)p->len);
	bytes_put16(ip + 4, (uint16_t)dp->random);
	ip[8] = HOP_LIMIT;
	ip[9] = IPPROTO_ICMP;
	bytes_store32(ip + 12, source);
	bytes_store32(ip + 16, to);
	bytes_store16(ip + 10, checksum(ip, IP4_HEADER));
	bytes_store16(ip + IP4_HEADER + 2, 0);
	bytes_store16(ip + IP4_HEADER + 2, checksum(ip + IP4_HEADER, p->len - IP4_HEADER));
	parse_ip(p);
}

static void finish6(struct packet *p, const struct in6_addr *source, const struct in6_addr *to,
		    uint8_t hop_limit)
{
	uint8_t *ip = p->data, *icmp = ip + IP6_HEADER;
	const uint32_t len = p->len - IP6_HEADER;

	bytes_put32(ip, 6u << 28 | TRAFFIC_CLASS << 20);
	bytes_put16(ip + 4, (uint16_t)len);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = hop_limit;
	memcpy(ip + 8, source, sizeof(*source));
	memcpy(ip + 24, to, sizeof(*to));
	bytes_store16(icmp + 2, 0);
	bytes_store16(icmp + 2,
		      checksum_finish(checksum_add(checksum_pseudo6(source, to, IPPROTO_ICMPV6, len),
						   icmp, len)));
	parse_ip(p);
}

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
	const uint32_t quote = quote_len(cause, ICMP4_MAX - IP4_HEADER - ICMP_HEADER);
	const uint8_t *from = packet_l3(cause);
	const __be32 to = bytes_load32(from + 12);
	struct packet *p;
	uint8_t *icmp;
	__be32 source;

	if (kind == ICMP_ERROR_PORT_UNREACHABLE) { /* its destination is ours: RFC 1122 3.2.2.1 */
		source = bytes_load32(from + 16);
	} else if (!source4(dp, cause, to, &source)) {
		datapath_not_made(dp, DROP_ICMP_NO_SOURCE);
		return;
	}
	p = message_new(dp, cause, IP4_HEADER + ICMP_HEADER + quote);
	if (!p)
		return;
	icmp = p->data + IP4_HEADER;
	icmp[0] = errors[kind].type4;
	icmp[1] = errors[kind].code4;
	put_detail(icmp, 4, kind, detail);
	memcpy(icmp + ICMP_HEADER, from, quote);
	finish4(dp, p, source, to);
}

static void error6(struct datapath *dp, const struct packet *cause, enum icmp_error_kind kind,
		   uint32_t detail)
{
	const uint32_t quote = quote_len(cause, ICMP6_MAX - IP6_HEADER - ICMP_HEADER);
	struct in6_addr source, to;
	struct packet *p;
	uint8_t *icmp;

	memcpy(&to, packet_l3(cause) + 8, sizeof(to));
	if (kind == ICMP_ERROR_PORT_UNREACHABLE) {
		memcpy(&source, packet_l3(cause) + 24, sizeof(source));
	} else if (!source6(dp, cause, &to, &source)) {
		datapath_not_made(dp, DROP_ICMP_NO_SOURCE);
		return;
	}
	p = message_new(dp, cause, IP6_HEADER + ICMP_HEADER + quote);
	if (!p)
		return;
	icmp = p->data + IP6_HEADER;
	icmp[0] = errors[kind].type6;
	icmp[1] = errors[kind].code6;
	put_detail(icmp, 6, kind, detail);
	memcpy(icmp + ICMP_HEADER, packet_l3(cause), quote);
	finish6(p, &source, &to, HOP_LIMIT);
}

void icmp_error(struct datapath *dp, const struct packet *cause, enum icmp_error_kind kind,
		uint32_t detail)
{
	if (!may_answer(cause))
		return;
	if (cause->ip_version == 4)
		error4(dp, cause, kind, detail);
	else
		error6(dp, cause, kind, detail);
}

/* One redirect a second for a pair of addresses, more or less: pairs that share a cell share it.
 * So a sender that does not listen cannot use up the tokens of the other errors either. */
static bool redirect_due(struct datapath *dp, uint64_t pair)
{
	uint64_t *last = &dp->icmp_redirect_ns[(pair * 0x9e3779b97f4a7c15) >> 58];

	_Static_assert(ICMP_REDIRECTS_MAX == 64, "six bits choose the cell");
	if (*last && dp->now_ns - *last < REDIRECT_AGAIN_NS)
		return false;
	*last = dp->now_ns;
	return true;
}

/* IPv4: sender and better hop have to be in one of this interface's subnets. */
static void redirect4(struct datapath *dp, const struct packet *cause, const struct nexthop *nh,
		      const struct interface *iface)
{
	const uint8_t *from = packet_l3(cause);
	const __be32 to = bytes_load32(from + 12);
	__be32 better = bytes_load32(from + 16);
	const uint32_t quote = quote_len(cause, ICMP4_MAX - IP4_HEADER - ICMP_HEADER);
	struct packet *p;
	unsigned i = 0;

	if (nh->gateway.family == 6)
		return;
	if (nh->gateway.family == 4)
		memcpy(&better, nh->gateway.addr.s6_addr + 12, 4);
	while (i < iface->n4 && !(covers4(iface->addr4[i].addr, iface->addr4[i].len, to) &&
				  covers4(iface->addr4[i].addr, iface->addr4[i].len, better)))
		i++;
	if (i == iface->n4 || to == better || !redirect_due(dp, bytes_load64(from + 12)))
		return;
	p = message_new(dp, cause, IP4_HEADER + ICMP_HEADER + quote);
	if (!p)
		return;
	p->data[IP4_HEADER] = ICMP_REDIRECT;
	p->data[IP4_HEADER + 1] = ICMP_REDIR_HOST;
	bytes_store32(p->data + IP4_HEADER + 4, better);
	memcpy(p->data + IP4_HEADER + ICMP_HEADER, from, quote);
	finish4(dp, p, iface->addr4[i].addr, to);
}

static bool is_neighbour6(const struct interface *iface, const struct in6_addr *addr)
{
	for (unsigned i = 0; i < iface->n6; i++)
		if (iface->addr6[i].len < 128 &&
		    covers6(&iface->addr6[i].addr, iface->addr6[i].len, addr))
			return true;
	return is_link_local(addr);
}

/* The message of RFC 4861 4.5, options included: the target's MAC address, the packet. */
static void put_redirect6(uint8_t *icmp, const struct nexthop *nh, const struct in6_addr *target,
			  const struct packet *cause, uint32_t quote, uint32_t padded)
{
	memset(icmp, 0, 8);
	icmp[0] = ND_REDIRECT;
	memcpy(icmp + 8, target, sizeof(*target));
	memcpy(icmp + 24, packet_l3(cause) + 24, 16);
	icmp[40] = ND_OPT_TARGET_LINKADDR;
	icmp[41] = 1;
	memcpy(icmp + 42, nh->l2, 6);
	memset(icmp + 48, 0, 8);
	icmp[48] = ND_OPT_REDIRECTED_HEADER;
	icmp[49] = (uint8_t)(1 + padded / 8);
	memcpy(icmp + 56, packet_l3(cause), quote);
	memset(icmp + 56 + quote, 0, padded - quote);
}

/* IPv6: the better hop is the destination itself, or a router by its link-local address; we speak
 * as our own link-local address. */
static void redirect6(struct datapath *dp, const struct packet *cause, const struct nexthop *nh,
		      const struct interface *iface)
{
	const uint8_t *from = packet_l3(cause);
	const uint32_t quote = quote_len(cause, ICMP6_MAX - IP6_HEADER - 56);
	const uint32_t padded = (quote + 7) & ~7u;
	struct in6_addr to, destination, target, source;
	struct packet *p;

	memcpy(&to, from + 8, sizeof(to));
	memcpy(&destination, from + 24, sizeof(destination));
	target = nh->gateway.family == 6 ? nh->gateway.addr : destination;
	if (!is_link_local(&target) && memcmp(&target, &destination, sizeof(target)))
		return;
	if (!is_neighbour6(iface, &to) || !memcmp(&target, &to, sizeof(to)) ||
	    !pick6(iface, &(struct in6_addr){ { { 0xfe, 0x80 } } }, &source) ||
	    !redirect_due(dp, bytes_load64(from + 16) * 3 + bytes_load64(from + 32)))
		return;
	p = message_new(dp, cause, IP6_HEADER + 56 + padded);
	if (!p)
		return;
	put_redirect6(p->data + IP6_HEADER, nh, &target, cause, quote, padded);
	finish6(p, &source, &to, 255);
}

void icmp_redirect(struct datapath *dp, const struct packet *cause, const struct nexthop *nh)
{
	const struct interface *iface = fib_interface(dp->fib, cause->iface);

	if (!iface || !may_answer(cause) || (cause->flags & PKT_SOURCE_ROUTE))
		return;
	if (cause->ip_version == 4)
		redirect4(dp, cause, nh, iface);
	else
		redirect6(dp, cause, nh, iface);
}
