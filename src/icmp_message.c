/* SPDX-License-Identifier: Apache-2.0 */
/* What every ICMP message of our own has: may it be sent, is there a token, frame, checksums. */
#include "icmp_message.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "bytes.h"
#include "checksum.h"
#include "icmp.h"
#include "parse.h"

/* Precedence "internetwork control" (RFC 1812 4.3.2.5), which is CS6 in today's words. */
#define TRAFFIC_CLASS 0xc0
#define BURST_MIN 50
#define SECOND_NS 1000000000ull

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
	case ICMP_ADDRESSREPLY: return false;
	default: return true; /* what we do not know may be one */
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

bool icmp_may_answer(const struct packet *p)
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

bool icmp_answer_allowed(struct datapath *dp)
{
	if (within_rate(dp))
		return true;
	datapath_not_made(dp, DROP_ICMP_RATE);
	return false;
}

uint32_t icmp_quote_len(const struct packet *cause, uint32_t most)
{
	uint32_t len = cause->first_len - cause->l3;

	if (len > cause->ip_len)
		len = cause->ip_len;
	return len < most ? len : most;
}

struct packet *icmp_message_new(struct datapath *dp, const struct packet *cause, uint32_t len)
{
	struct packet *p;

	if (!icmp_answer_allowed(dp))
		return NULL;
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

void icmp_finish4(struct datapath *dp, struct packet *p, __be32 source, __be32 to)
{
	uint8_t *ip = p->data;

	/* xorshift32 (Marsaglia 2003): the ID only has to differ from its neighbours */
	dp->random ^= dp->random << 13;
	dp->random ^= dp->random >> 17;
	dp->random ^= dp->random << 5;
	memset(ip, 0, ICMP_IP4);
	ip[0] = 0x45;
	ip[1] = TRAFFIC_CLASS;
	bytes_put16(ip + 2, (uint16_t)p->len);
	bytes_put16(ip + 4, (uint16_t)dp->random);
	ip[8] = ICMP_HOP_LIMIT;
	ip[9] = IPPROTO_ICMP;
	bytes_store32(ip + 12, source);
	bytes_store32(ip + 16, to);
	bytes_store16(ip + 10, checksum(ip, ICMP_IP4));
	bytes_store16(ip + ICMP_IP4 + 2, 0);
	bytes_store16(ip + ICMP_IP4 + 2, checksum(ip + ICMP_IP4, p->len - ICMP_IP4));
	parse_ip(p);
}

void icmp_finish6(struct packet *p, const struct in6_addr *source, const struct in6_addr *to,
		  uint8_t hop_limit)
{
	uint8_t *ip = p->data, *icmp = ip + ICMP_IP6;
	const uint32_t len = p->len - ICMP_IP6;

	bytes_put32(ip, 6u << 28 | TRAFFIC_CLASS << 20);
	bytes_put16(ip + 4, (uint16_t)len);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = hop_limit;
	memcpy(ip + 8, source, sizeof(*source));
	memcpy(ip + 24, to, sizeof(*to));
	bytes_store16(icmp + 2, 0);
	bytes_store16(icmp + 2,
		      checksum_finish(checksum_add(
			      checksum_pseudo6(source, to, IPPROTO_ICMPV6, len), icmp, len)));
	parse_ip(p);
}
