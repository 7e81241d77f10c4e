/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of our addresses an ICMP message comes from. RFC 1812 4.3.2.4 leaves the interface that the
 * message leaves by; we take the one that the packet came in by, as routers have come to do, so
 * that a traceroute shows the way there and not the way back.
 */
#include "icmp_message.h"

#include "bytes.h"
#include "lpm4.h"
#include "lpm6.h"

bool icmp_is_link_local(const struct in6_addr *addr)
{
	return addr->s6_addr[0] == 0xfe && (addr->s6_addr[1] & 0xc0) == 0x80;
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

bool icmp_covers4(__be32 addr, unsigned len, __be32 other)
{
	return !len || !((be32toh(addr) ^ be32toh(other)) >> (32 - len));
}

bool icmp_covers6(const struct in6_addr *addr, unsigned len, const struct in6_addr *other)
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
		if (icmp_covers4(iface->addr4[i].addr, iface->addr4[i].len, to)) {
			*source = iface->addr4[i].addr;
			break;
		}
	return true;
}

bool icmp_source4(const struct datapath *dp, const struct packet *cause, __be32 to, __be32 *source)
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
bool icmp_pick6(const struct interface *iface, const struct in6_addr *to, struct in6_addr *source)
{
	const struct in6_addr *found = NULL;

	for (unsigned i = 0; iface && i < iface->n6; i++) {
		const struct in6_addr *addr = &iface->addr6[i].addr;

		if (icmp_is_link_local(addr) != icmp_is_link_local(to))
			continue;
		if (!found)
			found = addr;
		if (icmp_covers6(addr, iface->addr6[i].len, to)) {
			found = addr;
			break;
		}
	}
	if (found)
		*source = *found;
	return found;
}

bool icmp_source6(const struct datapath *dp, const struct packet *cause, const struct in6_addr *to,
		  struct in6_addr *source)
{
	if (icmp_pick6(fib_interface(dp->fib, cause->iface), to, source))
		return true;
	if (icmp_is_link_local(to))
		return false;
	if (icmp_pick6(egress_of(dp, lpm6_lookup(dp->fib->lpm6, to)), to, source))
		return true;
	for (uint16_t slot = 0; slot < IFACE_MAX; slot++)
		if (icmp_pick6(fib_interface(dp->fib, slot), to, source))
			return true;
	return false;
}
