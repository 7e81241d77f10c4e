/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router: forwards IPv4 and IPv6 by destination.
 *
 *   check()   may this packet be forwarded at all?    RFC 1812 5.2-5.3, RFC 4291, RFC 8200
 *   lookup    where to (egress_lookup)
 *   admit()   TTL, redirects                          RFC 1812 5.3.1, 5.2.7.2
 *   send      L2 header, MTU, neighbours (egress_send)
 *
 * Each step runs over the whole burst before the next one begins. The common packet passes check()
 * and admit() on a few comparisons without a branch taken; whatever is odd about a packet is found
 * out in functions that are kept out of its way.
 *
 * The parser has seen to lengths and the header checksum (parse.h).
 */
#include <netinet/in.h>

#include "bytes.h"
#include "egress.h"
#include "icmp.h"
#include "lpm4.h"
#include "lpm6.h"
#include "nf/nf.h"
#include "parse.h"

extern const struct nf_ops router_ops;

struct router_conf {
	struct conf_where where;
	bool redirects;
};

enum router_drop {
	ROUTER_TTL,
	ROUTER_MARTIAN_SOURCE,
	ROUTER_MARTIAN_DESTINATION,
	ROUTER_OWN_SOURCE,
	ROUTER_LINK_LOCAL,
	ROUTER_L2_GROUP,
	ROUTER_SOURCE_ROUTE,
	ROUTER_IP_OPTIONS,
};

static const char *const router_drops[] = {
	[ROUTER_TTL] = "ttl_exceeded",
	[ROUTER_MARTIAN_SOURCE] = "martian_source",
	[ROUTER_MARTIAN_DESTINATION] = "martian_destination",
	[ROUTER_OWN_SOURCE] = "own_source",
	[ROUTER_LINK_LOCAL] = "link_local",
	[ROUTER_L2_GROUP] = "l2_group",
	[ROUTER_SOURCE_ROUTE] = "source_route",
	[ROUTER_IP_OPTIONS] = "ip_options",
	NULL,
};

/* Its first byte says whether an IPv4 address needs a second look, as source and as destination:
 * 0/8, 127/8, 169.254/16, 224/4 and 240/4 (RFC 1812 5.3.7, RFC 3927 7, RFC 6890). */
static const uint8_t odd_first_byte[256] = {
	[0] = 1,
	[127] = 1,
	[169] = 1,
	[224 ... 255] = 1,
};

static bool router_refuse(const struct nf *nf, struct packet *p, enum router_drop why)
{
	packet_drop(p, (uint16_t)(nf->drop_base + why));
	return false;
}

static bool is_martian4(uint32_t addr)
{
	return addr >> 24 == 0 || addr >> 24 == 127 || addr >> 28 >= 0xe;
}

static bool is_link_local4(uint32_t addr)
{
	return addr >> 16 == 0xa9fe;
}

static __attribute__((noinline)) bool odd_addresses4(const struct nf *nf, struct packet *p)
{
	const uint32_t source = bytes_get32(packet_l3(p) + 12);
	const uint32_t destination = bytes_get32(packet_l3(p) + 16);

	if (is_martian4(source))
		return router_refuse(nf, p, ROUTER_MARTIAN_SOURCE);
	if (destination >> 28 == 0xe || destination == UINT32_MAX) {
		packet_drop(p, DROP_BROADCAST);
		return false;
	}
	if (is_martian4(destination))
		return router_refuse(nf, p, ROUTER_MARTIAN_DESTINATION);
	if (is_link_local4(source) || is_link_local4(destination))
		return router_refuse(nf, p, ROUTER_LINK_LOCAL);
	return true;
}

/* Addresses that never are on a wire: unspecified, loopback, IPv4-compatible, IPv4-mapped
 * (RFC 4291 2.5, RFC 6890). */
static bool is_martian6(const uint8_t *addr)
{
	const uint32_t third = bytes_get32(addr + 8);

	return !bytes_load64(addr) && (third == 0 || third == 0xffff);
}

static bool is_link_local6(const uint8_t *addr)
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

static __attribute__((noinline)) bool odd_addresses6(const struct nf *nf, struct datapath *dp,
						     struct packet *p)
{
	const uint8_t *source = packet_l3(p) + 8, *destination = packet_l3(p) + 24;

	if (is_martian6(source) || source[0] == 0xff)
		return router_refuse(nf, p, ROUTER_MARTIAN_SOURCE);
	if (destination[0] == 0xff) {
		packet_drop(p, DROP_BROADCAST);
		return false;
	}
	if (is_martian6(destination))
		return router_refuse(nf, p, ROUTER_MARTIAN_DESTINATION);
	if (is_link_local6(destination))
		return router_refuse(nf, p, ROUTER_LINK_LOCAL);
	if (is_link_local6(source)) {
		icmp_error(dp, p, ICMP_ERROR_SCOPE, 0);
		return router_refuse(nf, p, ROUTER_LINK_LOCAL);
	}
	return true;
}

/* The filter says that the source may be one of our own addresses: the FIB knows. */
static __attribute__((noinline)) bool foreign_source(const struct nf *nf, struct datapath *dp,
						     struct packet *p)
{
	const uint8_t *ip = packet_l3(p);
	struct in6_addr source;
	uint32_t id;

	if (p->marks & PKT_NEW_SOURCE)
		return true;
	if (p->ip_version == 4) {
		id = lpm4_lookup(dp->fib->lpm4, bytes_get32(ip + 12));
	} else {
		memcpy(&source, ip + 8, sizeof(source));
		id = lpm6_lookup(dp->fib->lpm6, &source);
	}
	switch (fib_nexthop(dp->fib, id)->kind) {
	case NEXTHOP_LOCAL: return router_refuse(nf, p, ROUTER_OWN_SOURCE);
	case NEXTHOP_BROADCAST: return router_refuse(nf, p, ROUTER_MARTIAN_SOURCE);
	default: return true;
	}
}

/* What the parser has marked: link-layer groups, options, source routes. */
static __attribute__((noinline)) bool odd_flags(const struct nf *nf, struct datapath *dp,
						struct packet *p)
{
	const uint8_t *ip = packet_l3(p);
	struct ip4_options options = { 0 };
	unsigned at;

	if (p->flags & PKT_L2_GROUP) /* RFC 1812 5.3.4 */
		return router_refuse(nf, p, ROUTER_L2_GROUP);
	if (p->ip_version == 4 && !parse_ip4_options(ip, p->l4 - p->l3, &options)) {
		icmp_error(dp, p, ICMP_ERROR_PARAMETER, options.problem);
		return router_refuse(nf, p, ROUTER_IP_OPTIONS);
	}
	if (p->flags & PKT_SOURCE_ROUTE) { /* RFC 7126 4.3, 4.4; RFC 5095 */
		at = p->ip_version == 4 ? 0 : parse_ip6_extension(p, IPPROTO_ROUTING) + 2;
		icmp_error(dp, p, ICMP_ERROR_SOURCE_ROUTE, at);
		return router_refuse(nf, p, ROUTER_SOURCE_ROUTE);
	}
	return true;
}

static inline bool check4(const struct nf *nf, struct datapath *dp, struct packet *p)
{
	const uint8_t *ip = packet_l3(p);

	if (unlikely(odd_first_byte[ip[12]] | odd_first_byte[ip[16]]) && !odd_addresses4(nf, p))
		return false;
	return likely(!own_filter_maybe4(&dp->fib->own, bytes_load32(ip + 12))) ||
	       foreign_source(nf, dp, p);
}

static inline bool check6(const struct nf *nf, struct datapath *dp, struct packet *p)
{
	const uint8_t *ip = packet_l3(p);
	const uint64_t source = bytes_load64(ip + 8), destination = bytes_load64(ip + 24);

	if (unlikely(!source | !destination | (ip[8] >= 0xfe) | (ip[24] >= 0xfe)) &&
	    !odd_addresses6(nf, dp, p))
		return false;
	return likely(!own_filter_maybe6(&dp->fib->own, source, bytes_load64(ip + 16))) ||
	       foreign_source(nf, dp, p);
}

static inline bool check(const struct nf *nf, struct datapath *dp, struct packet *p)
{
	if (!(likely(p->ip_version == 4) ? check4(nf, dp, p) : check6(nf, dp, p)))
		return false;
	return likely(!(p->flags & (PKT_L2_GROUP | PKT_IP_OPTIONS | PKT_SOURCE_ROUTE))) ||
	       odd_flags(nf, dp, p);
}

static inline uint8_t *ttl_of(const struct packet *p)
{
	return packet_l3(p) + (p->ip_version == 4 ? 8 : 7);
}

/* One less, and the IPv4 checksum with it. TTL and the checksum's two bytes are in one word, little
 * end first: -1 at the bottom; +1 on the checksum's high byte, whose carry goes into its low byte
 * by itself, and out of that one comes round again (RFC 1624: 0xffff must not become 0). */
static inline void ttl_decrement(struct packet *p)
{
	uint8_t *at = ttl_of(p);
	uint64_t word;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "see above");
	if (likely(p->ip_version == 4)) {
		word = (uint64_t)bytes_load32(at) + 0x10000 - 1;
		bytes_store32(at, (uint32_t)word + (uint32_t)(word >> 32 << 16));
	} else {
		--*at;
	}
}

/* Not simply FORWARD, or the TTL is at its end, or it leaves where it came in. */
static __attribute__((noinline)) bool admit_odd(const struct nf *nf, struct datapath *dp,
						struct packet *p, const struct nexthop *nh)
{
	const struct router_conf *conf = nf->conf;

	if (nh->kind == NEXTHOP_LOCAL || nh->kind == NEXTHOP_BROADCAST)
		return true; /* not forwarded at all: egress has the name for it */
	if (*ttl_of(p) <= 1) {
		icmp_error(dp, p, ICMP_ERROR_TTL, 0);
		return router_refuse(nf, p, ROUTER_TTL);
	}
	if (nh->kind == NEXTHOP_FORWARD && nh->iface == p->iface && conf->redirects)
		icmp_redirect(dp, p, nh);
	ttl_decrement(p);
	return true;
}

static inline bool admit(const struct nf *nf, struct datapath *dp, struct packet *p,
			 const struct nexthop *nh)
{
	if (unlikely((nh->kind != NEXTHOP_FORWARD) | (nh->iface == p->iface) | (*ttl_of(p) <= 1)))
		return admit_odd(nf, dp, p, nh);
	ttl_decrement(p);
	return true;
}

static void router_process(struct nf *nf, struct datapath *dp, struct burst *burst)
{
	struct packet *packets[BURST_MAX];
	const struct nexthop *hops[BURST_MAX];
	unsigned n = 0, going = 0;

	for (unsigned i = 0; i < burst->count; i++) {
		packets[n] = burst->packet[i];
		n += check(nf, dp, packets[n]);
	}
	if (!n)
		return;
	if (packets[0]->nexthop) /* the flow stage stands before us: all of them are routed */
		egress_hops(dp, packets, hops, n);
	else
		egress_lookup(dp, packets, hops, n);
	for (unsigned i = 0; i < n; i++) {
		packets[going] = packets[i];
		hops[going] = hops[i];
		going += admit(nf, dp, packets[going], hops[going]);
	}
	egress_send(dp, packets, hops, going);
}

static void router_show(const struct nf *nf, const json_t *args, json_t *out)
{
	const struct router_conf *conf = nf->conf;

	json_object_set_new(out, "redirects", json_boolean(conf->redirects));
}

static const struct conf_key router_keys[] = {
	{
		.name = "redirects",
		.type = CONF_BOOL,
		.offset = offsetof(struct router_conf, redirects),
		.dflt = "true",
		.doc = "tell a sender by ICMP redirect of a better first hop in its own subnet",
	},
	{ 0 },
};

static const struct conf_schema router_schema = {
	.name = "router",
	.size = sizeof(struct router_conf),
	.keys = router_keys,
};

const struct nf_ops router_ops = {
	.abi = NF_ABI,
	.name = "router",
	.doc = "forwards IPv4 and IPv6 by destination",
	.schema = &router_schema,
	.drop_reasons = router_drops,
	.process = router_process,
	.show = router_show,
};
