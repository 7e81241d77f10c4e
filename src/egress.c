/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Egress. Stages over the whole burst rather than packet by packet: the lookups of a burst overlap
 * their cache misses (lpm4.h), and the loads of its next hops do not depend on each other.
 *
 * A next hop of kind FORWARD carries its finished Ethernet header, tags included; sending is a copy
 * of 14, 18 or 22 bytes in front of the IP header, wherever that stands: a packet changes VLANs by
 * moving its beginning.
 */
#include "egress.h"

#include <linux/if_ether.h>

#include "bytes.h"
#include "fragment.h"
#include "icmp.h"
#include "lpm4.h"
#include "lpm6.h"
#include "neighbour_wait.h"

#define IP4_DONT_FRAGMENT 0x4000

/* Where an own packet's link-local destination leads: to the interface that it names. */
static const struct nexthop link_local_hop = {
	.kind = NEXTHOP_ONLINK,
	.iface = IFACE_NONE,
};

static bool is_to_link_local(const struct packet *p)
{
	return p->ip_version == 6 && (bytes_get16(packet_l3(p) + 24) & 0xffc0) == 0xfe80;
}

/* The neighbour that an on-link destination is, if the kernel knows it. */
static const struct nexthop *neighbour_of(const struct datapath *dp, struct packet *p,
					  const struct nexthop *onlink)
{
	const uint16_t iface = onlink->iface == IFACE_NONE ? p->iface : onlink->iface;
	const struct nexthop *nh;
	struct in6_addr to;

	if (p->ip_version == 4) {
		nh = fib_neighbour4(dp->fib, iface, bytes_load32(packet_l3(p) + 16));
	} else {
		memcpy(&to, packet_l3(p) + 24, sizeof(to));
		nh = fib_neighbour6(dp->fib, iface, &to);
	}
	if (!nh)
		return onlink;
	if (nh->mtu < p->mtu || !p->mtu)
		p->mtu = nh->mtu;
	return nh;
}

/* The low bits of the flow hash may already have chosen the worker: a different view of it. */
static inline uint32_t bucket_of(const struct packet *p, uint32_t mask)
{
	return (p->hash * 0x85ebca6bu) >> 12 & mask;
}

static const struct nexthop *member_of(const struct datapath *dp, struct packet *p,
				       const struct nexthop *group)
{
	const struct nexthop *nh;

	p->nexthop = group->buckets[bucket_of(p, group->bucket_mask)];
	nh = fib_nexthop(dp->fib, p->nexthop);
	p->mtu = group->mtu && group->mtu < nh->mtu ? group->mtu : nh->mtu;
	return nh;
}

static inline const struct nexthop *hop_of(const struct datapath *dp, struct packet *p)
{
	const struct nexthop *nh = fib_nexthop(dp->fib, p->nexthop);

	p->mtu = nh->mtu;
	if (unlikely((p->flags & PKT_ORIGINATED) && is_to_link_local(p))) {
		p->mtu = 0;
		nh = &link_local_hop;
	}
	if (likely(nh->kind == NEXTHOP_FORWARD))
		return nh;
	if (nh->kind == NEXTHOP_GROUP)
		nh = member_of(dp, p, nh);
	return nh->kind == NEXTHOP_ONLINK ? neighbour_of(dp, p, nh) : nh;
}

void egress_find(struct datapath *dp, struct packet *const *packets, unsigned n)
{
	struct packet *packet4[BURST_MAX], *packet6[BURST_MAX];
	uint32_t address4[BURST_MAX], id[BURST_MAX];
	struct in6_addr address6[BURST_MAX];
	unsigned n4 = 0, n6 = 0;

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = packets[i];

		if (p->ip_version == 4) {
			packet4[n4] = p;
			address4[n4++] = bytes_get32(packet_l3(p) + 16);
		} else {
			packet6[n6] = p;
			memcpy(&address6[n6++], packet_l3(p) + 24, sizeof(address6[0]));
		}
	}
	if (n4)
		lpm4_lookup_burst(dp->fib->lpm4, address4, id, n4);
	for (unsigned i = 0; i < n4; i++)
		packet4[i]->nexthop = id[i];
	if (n6)
		lpm6_lookup_burst(dp->fib->lpm6, address6, id, n6);
	for (unsigned i = 0; i < n6; i++)
		packet6[i]->nexthop = id[i];
}

uint16_t egress_iface(const struct nexthop *nh)
{
	switch ((enum nexthop_kind)nh->kind) {
	case NEXTHOP_FORWARD:
	case NEXTHOP_ONLINK:
	case NEXTHOP_INCOMPLETE:
	case NEXTHOP_FAILED:
	case NEXTHOP_DOWN: return nh->iface;
	default: return IFACE_NONE;
	}
}

void egress_hops(struct datapath *dp, struct packet *const *packets, const struct nexthop **hops,
		 unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		hops[i] = hop_of(dp, packets[i]);
}

void egress_lookup(struct datapath *dp, struct packet *const *packets, const struct nexthop **hops,
		   unsigned n)
{
	egress_find(dp, packets, n);
	egress_hops(dp, packets, hops, n);
}

static inline void egress_write(struct packet *p, const struct nexthop *nh)
{
	uint8_t *ip = packet_l3(p);
	const unsigned l2 = nh->l2_len;
	const int moved = (int)l2 - p->l3;

	p->data = ip - l2;
	if (likely(l2 == ETH_HLEN))
		memcpy(p->data, nh->l2, ETH_HLEN);
	else
		memcpy(p->data, nh->l2, l2);
	bytes_put16(ip - 2, p->ip_version == 4 ? ETH_P_IP : ETH_P_IPV6);
	p->len += (uint32_t)moved;
	p->first_len = (uint16_t)(p->first_len + moved);
	p->l4 = (uint16_t)(p->l4 + moved);
	p->l3 = (uint16_t)l2;
	p->out_port = nh->port;
	p->out_iface = nh->iface;
	p->verdict = PACKET_TX;
	nexthop_mark_used(nh);
}

void egress_complete(struct packet *p, const struct nexthop *nh)
{
	egress_write(p, nh);
}

/* Larger than the way out: RFC 1812 4.2.2.7 and RFC 1191 for IPv4, RFC 8200 5 for IPv6. */
static __attribute__((noinline)) void egress_too_big(struct datapath *dp, struct packet *p,
						     const struct nexthop *nh)
{
	if (p->ip_version == 4 && !(bytes_get16(packet_l3(p) + 6) & IP4_DONT_FRAGMENT)) {
		fragment_ip4(dp, p, nh);
		return;
	}
	icmp_error(dp, p, ICMP_ERROR_TOO_BIG, p->mtu);
	packet_drop(p, DROP_TOO_BIG);
}

static void refuse(struct datapath *dp, struct packet *p, enum icmp_error_kind kind,
		   uint16_t reason)
{
	icmp_error(dp, p, kind, 0);
	packet_drop(p, reason);
}

/* The next hop takes nothing: each kind has its reason, and its ICMP error where RFC 1812 5.2.7.1
 * and RFC 4443 3.1 want one. Linux answers for the route types in the same way. */
static __attribute__((noinline)) void egress_refuse(struct datapath *dp, struct packet *p,
						    const struct nexthop *nh)
{
	switch ((enum nexthop_kind)nh->kind) {
	case NEXTHOP_ONLINK:
	case NEXTHOP_INCOMPLETE: neighbour_wait_hold(dp, p, nh); return;
	case NEXTHOP_FAILED:
		neighbour_wait_ask(dp, p, nh);
		refuse(dp, p, ICMP_ERROR_HOST_UNREACHABLE, DROP_NEIGHBOUR_FAILED);
		return;
	case NEXTHOP_BLACKHOLE: packet_drop(p, DROP_BLACKHOLE); return;
	case NEXTHOP_UNREACHABLE:
		refuse(dp, p, ICMP_ERROR_ROUTE_UNREACHABLE, DROP_UNREACHABLE);
		return;
	case NEXTHOP_PROHIBIT: refuse(dp, p, ICMP_ERROR_PROHIBITED, DROP_PROHIBIT); return;
	case NEXTHOP_LOCAL: packet_drop(p, DROP_LOCAL); return;
	case NEXTHOP_BROADCAST: packet_drop(p, DROP_BROADCAST); return;
	case NEXTHOP_NOT_A_PORT: refuse(dp, p, ICMP_ERROR_NET_UNREACHABLE, DROP_NOT_A_PORT); return;
	case NEXTHOP_DOWN: refuse(dp, p, ICMP_ERROR_NET_UNREACHABLE, DROP_EGRESS_DOWN); return;
	case NEXTHOP_NONE:
	case NEXTHOP_FORWARD:
	case NEXTHOP_GROUP: break;
	}
	refuse(dp, p, ICMP_ERROR_NET_UNREACHABLE, DROP_NO_ROUTE);
}

void egress_send(struct datapath *dp, struct packet *const *packets,
		 const struct nexthop *const *hops, unsigned n)
{
	const bool waiting = neighbour_wait_any(dp);

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = packets[i];
		const struct nexthop *nh = hops[i];

		if (unlikely(nh->kind != NEXTHOP_FORWARD)) {
			egress_refuse(dp, p, nh);
			continue;
		}
		/* those that wait for this neighbour came before this one */
		if (unlikely(waiting))
			neighbour_wait_release(dp, p, nh);
		if (unlikely(p->ip_len > p->mtu)) {
			egress_too_big(dp, p, nh);
			continue;
		}
		egress_write(p, nh);
	}
}

void egress_route(struct datapath *dp, struct packet *const *packets, unsigned n)
{
	const struct nexthop *hops[BURST_MAX];

	egress_lookup(dp, packets, hops, n);
	egress_send(dp, packets, hops, n);
}

void egress_originated(struct datapath *dp)
{
	struct packet *batch[BURST_MAX];
	unsigned done = 0, n;

	/* fragments of a packet made here come in behind it while this runs: they are TX already */
	while (done < dp->n_originated) {
		for (n = 0; n < BURST_MAX && done < dp->n_originated; done++)
			if (dp->originated[done].verdict == PACKET_CONTINUE)
				batch[n++] = &dp->originated[done];
		egress_route(dp, batch, n);
	}
}

void egress_flush(struct datapath *dp)
{
	struct packet *batch[BURST_MAX];
	unsigned done = 0, n;

	egress_originated(dp);
	while (done < dp->n_originated) {
		for (n = 0; n < BURST_MAX && done < dp->n_originated; done++)
			if (dp->originated[done].verdict != PACKET_STOLEN)
				batch[n++] = &dp->originated[done];
		datapath_finish(dp, batch, n);
	}
	dp->n_originated = 0;
}
