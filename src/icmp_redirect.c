/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redirects: a neighbour sends through us what it could send to its better hop itself, on the same
 * link (RFC 792, RFC 1812 5.2.7.2, RFC 4861 8.2). The packet is forwarded all the same.
 */
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "bytes.h"
#include "icmp.h"
#include "icmp_message.h"

#define REDIRECT_AGAIN_NS 1000000000ull
#define REDIRECT6_FIXED 56 /* up to the quoted packet: message, target's address, option header */

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
	const uint32_t quote = icmp_quote_len(cause, ICMP4_MAX - ICMP_IP4 - ICMP_FIXED);
	struct packet *p;
	unsigned i = 0;

	if (nh->gateway.family == 6)
		return;
	if (nh->gateway.family == 4)
		memcpy(&better, nh->gateway.addr.s6_addr + 12, 4);
	while (i < iface->n4 && !(icmp_covers4(iface->addr4[i].addr, iface->addr4[i].len, to) &&
				  icmp_covers4(iface->addr4[i].addr, iface->addr4[i].len, better)))
		i++;
	if (i == iface->n4 || to == better || !redirect_due(dp, bytes_load64(from + 12)))
		return;
	p = icmp_message_new(dp, cause, ICMP_IP4 + ICMP_FIXED + quote);
	if (!p)
		return;
	p->data[ICMP_IP4] = ICMP_REDIRECT;
	p->data[ICMP_IP4 + 1] = ICMP_REDIR_HOST;
	bytes_store32(p->data + ICMP_IP4 + 4, better);
	memcpy(p->data + ICMP_IP4 + ICMP_FIXED, from, quote);
	icmp_finish4(dp, p, iface->addr4[i].addr, to);
}

static bool is_neighbour6(const struct interface *iface, const struct in6_addr *addr)
{
	for (unsigned i = 0; i < iface->n6; i++)
		if (iface->addr6[i].len < 128 &&
		    icmp_covers6(&iface->addr6[i].addr, iface->addr6[i].len, addr))
			return true;
	return icmp_is_link_local(addr);
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
	memcpy(icmp + REDIRECT6_FIXED, packet_l3(cause), quote);
	memset(icmp + REDIRECT6_FIXED + quote, 0, padded - quote);
}

/* IPv6: the better hop is the destination itself, or a router by its link-local address; we speak
 * as our own link-local address. */
static void redirect6(struct datapath *dp, const struct packet *cause, const struct nexthop *nh,
		      const struct interface *iface)
{
	const uint8_t *from = packet_l3(cause);
	const uint32_t quote = icmp_quote_len(cause, ICMP6_MAX - ICMP_IP6 - REDIRECT6_FIXED);
	const uint32_t padded = (quote + 7) & ~7u;
	struct in6_addr to, destination, target, source;
	struct packet *p;

	memcpy(&to, from + 8, sizeof(to));
	memcpy(&destination, from + 24, sizeof(destination));
	target = nh->gateway.family == 6 ? nh->gateway.addr : destination;
	if (!icmp_is_link_local(&target) && memcmp(&target, &destination, sizeof(target)))
		return;
	if (!is_neighbour6(iface, &to) || !memcmp(&target, &to, sizeof(to)) ||
	    !icmp_pick6(iface, &(struct in6_addr){ { { 0xfe, 0x80 } } }, &source) ||
	    !redirect_due(dp, bytes_load64(from + 16) * 3 + bytes_load64(from + 32)))
		return;
	p = icmp_message_new(dp, cause, ICMP_IP6 + REDIRECT6_FIXED + padded);
	if (!p)
		return;
	put_redirect6(p->data + ICMP_IP6, nh, &target, cause, quote, padded);
	icmp_finish6(p, &source, &to, 255);
}

void icmp_redirect(struct datapath *dp, const struct packet *cause, const struct nexthop *nh)
{
	const struct interface *iface = fib_interface(dp->fib, cause->iface);

	if (!iface || !icmp_may_answer(cause) || (cause->flags & PKT_SOURCE_ROUTE))
		return;
	if (cause->ip_version == 4)
		redirect4(dp, cause, nh, iface);
	else
		redirect6(dp, cause, nh, iface);
}
