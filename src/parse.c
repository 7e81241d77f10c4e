/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser. The common packet (untagged or one tag, IPv4 of 20 bytes or IPv6 without extension
 * headers) goes straight through; tags, options and extension headers are in functions of their
 * own so that they cost the others nothing. Nothing is read before its end was compared with the
 * end of the first frame.
 */
#include "parse.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include "bytes.h"
#include "drops.h"

#define IP4_MIN 20
#define IP6_HEADER 40
#define IP6_EXTENSIONS_MAX 8

/* What a protocol's header begins with. */
#define SHAPE_LENGTH 0x3f /* bytes of its fixed part */
#define SHAPE_PORTS 0x80  /* its first four bytes tell flows apart: ports, or ESP's SPI */

static const uint8_t shapes[256] = {
	[IPPROTO_ICMP] = 8,
	[IPPROTO_TCP] = 20 | SHAPE_PORTS,
	[IPPROTO_UDP] = 8 | SHAPE_PORTS,
	[IPPROTO_DCCP] = 12 | SHAPE_PORTS,
	[IPPROTO_GRE] = 4,
	[IPPROTO_ESP] = 8 | SHAPE_PORTS,
	[IPPROTO_ICMPV6] = 8,
	[IPPROTO_SCTP] = 12 | SHAPE_PORTS,
	[IPPROTO_UDPLITE] = 8 | SHAPE_PORTS,
};

/* A 64 by 64 bit product folded to 64: each input bit reaches every output bit. Odd constants
 * without structure (digits of pi); they only have to differ from what NICs use for RSS. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	const unsigned __int128 product =
		(unsigned __int128)(a ^ 0x243f6a8885a308d3) * (b ^ 0x13198a2e03707345);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What tells a host pair's flows apart. All fragments of a datagram have to take one way, so for
 * them it is nothing: only the first has ports, and behind IPv6 extension headers the protocol is
 * not the same in all of them. */
static inline uint64_t upper_layer(unsigned flags, uint8_t protocol, const uint8_t *l4)
{
	uint32_t ports = 0;

	if (unlikely(flags & PKT_FRAGMENT))
		return 0;
	if (likely((flags & PKT_L4_COMPLETE) && (shapes[protocol] & SHAPE_PORTS)))
		ports = bytes_load32(l4);
	return (uint64_t)ports << 8 | protocol;
}

static inline uint32_t flow_hash(const uint8_t *ip, unsigned version, uint64_t upper)
{
	uint64_t addresses;

	if (version == 4) {
		addresses = bytes_load64(ip + 12);
	} else {
		/* not symmetric, as in IPv4: a flow's two directions need not take one way */
		addresses = hash_mix(bytes_load64(ip + 8), bytes_load64(ip + 16)) * 3 +
			    hash_mix(bytes_load64(ip + 24), bytes_load64(ip + 32));
	}
	return (uint32_t)((hash_mix(addresses, upper) * 0x9e3779b97f4a7c15) >> 32);
}

uint32_t parse_flow_hash(const struct packet *p)
{
	return flow_hash(packet_l3(p), p->ip_version,
			 upper_layer(p->flags, p->protocol, packet_l4(p)));
}

/* What was found, before it is written down: bytes of the packet may alias the descriptor as far
 * as the compiler knows, so it would be written and read again between any two of them. */
struct found {
	unsigned l3, l4, ip_len, version, flags;
	uint8_t protocol;
};

/* The datagram ends at l3 + ip_len; what follows is padding of Ethernet's. A multi-buffer packet
 * keeps it: its length is spread over frames that only their owner may shorten. */
static inline void describe(struct packet *p, const struct found *f)
{
	unsigned end = f->l3 + f->ip_len, flags = f->flags;

	if (likely(!p->segments)) {
		p->len = end;
		p->first_len = (uint16_t)end;
	} else if (p->first_len < end) {
		end = p->first_len;
	}
	if (f->l4 + (shapes[f->protocol] & SHAPE_LENGTH) <= end && !(flags & PKT_LATER_FRAGMENT))
		flags |= PKT_L4_COMPLETE;
	p->hash = flow_hash(p->data + f->l3, f->version,
			    upper_layer(flags, f->protocol, p->data + f->l4));
	p->flags = (uint8_t)flags;
	p->l3 = (uint16_t)f->l3;
	p->l4 = (uint16_t)f->l4;
	p->ip_len = (uint16_t)f->ip_len;
	p->ip_version = (uint8_t)f->version;
	p->protocol = f->protocol;
}

bool parse_ip4_options(const uint8_t *ip, unsigned header, struct ip4_options *found)
{
	unsigned at = IP4_MIN;

	*found = (struct ip4_options){ 0 };
	while (at < header && ip[at] != IP4_OPTION_END) {
		const uint8_t type = ip[at];
		unsigned len;

		if (type == IP4_OPTION_NOP) {
			at++;
			continue;
		}
		found->problem = (uint8_t)at;
		if (at + 2 > header)
			return false;
		len = ip[at + 1];
		if (len < 2 || at + len > header) {
			found->problem = (uint8_t)(at + 1);
			return false;
		}
		if (type == IP4_OPTION_LSRR || type == IP4_OPTION_SSRR)
			found->source_route = (uint8_t)at;
		at += len;
	}
	found->problem = 0;
	return true;
}

/* A sum of up to fifteen 32-bit words, checksum included. */
static inline bool ip4_sum_good(uint64_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

struct ip4_header {
	uint16_t reason;
	uint8_t len, flags;
};

/* RFC 1812 5.2.2 (1)-(5), with options. The first 20 bytes are there. */
static __attribute__((noinline)) struct ip4_header ip4_with_options(const uint8_t *ip,
								    unsigned room)
{
	struct ip4_header h = { .len = (ip[0] & 15) * 4 };
	struct ip4_options options;
	uint64_t sum = 0;

	if (ip[0] >> 4 != 4 || h.len < IP4_MIN)
		h.reason = DROP_IP4_HEADER;
	else if (h.len > room)
		h.reason = DROP_TRUNCATED;
	if (h.reason)
		return h;
	for (unsigned at = 0; at < h.len; at += 4)
		sum += bytes_load32(ip + at);
	if (!ip4_sum_good(sum))
		h.reason = DROP_IP4_CHECKSUM;
	/* broken options are for the router to answer; a source route before them still counts */
	parse_ip4_options(ip, h.len, &options);
	h.flags = PKT_IP_OPTIONS | (options.source_route ? PKT_SOURCE_ROUTE : 0);
	return h;
}

/* Bytes of the first frame from the IP header on. */
static inline unsigned room_from(const struct packet *p, unsigned l3)
{
	return p->first_len > l3 ? p->first_len - l3 : 0;
}

static inline uint16_t parse_ip4(struct packet *p, unsigned l3, unsigned flags)
{
	struct found f = { .l3 = l3, .l4 = l3 + IP4_MIN, .version = 4, .flags = flags };
	const uint8_t *ip = p->data + l3;
	const unsigned room = room_from(p, l3);
	struct ip4_header header;
	unsigned fragment;

	if (unlikely(room < IP4_MIN))
		return DROP_TRUNCATED;
	if (likely(ip[0] == 0x45)) {
		if (unlikely(!ip4_sum_good((uint64_t)bytes_load32(ip) + bytes_load32(ip + 4) +
					   bytes_load32(ip + 8) + bytes_load32(ip + 12) +
					   bytes_load32(ip + 16))))
			return DROP_IP4_CHECKSUM;
	} else {
		header = ip4_with_options(ip, room);
		if (header.reason)
			return header.reason;
		f.l4 = l3 + header.len;
		f.flags |= header.flags;
	}
	f.ip_len = bytes_get16(ip + 2);
	if (unlikely(f.ip_len < f.l4 - l3))
		return DROP_IP4_HEADER;
	if (unlikely(f.ip_len > p->len - l3))
		return DROP_TRUNCATED;
	f.protocol = ip[9];
	fragment = bytes_get16(ip + 6) & 0x3fff;
	if (unlikely(fragment))
		f.flags |= PKT_FRAGMENT | (fragment & 0x1fff ? PKT_LATER_FRAGMENT : 0);
	describe(p, &f);
	return DROP_NONE;
}

static inline bool ip6_extension(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH: return true;
	default: return false;
	}
}

static inline unsigned ip6_extension_len(uint8_t kind, const uint8_t *header)
{
	if (kind == IPPROTO_FRAGMENT)
		return 8;
	return kind == IPPROTO_AH ? header[1] * 4u + 8 : header[1] * 8u + 8;
}

/* One fragment header: RFC 8200 4.5. An atomic fragment (all of it in one, RFC 6946) belongs to no
 * other and is not marked. */
static unsigned ip6_fragment_flags(const uint8_t *header)
{
	const unsigned word = bytes_get16(header + 2);

	return (word & ~6u ? PKT_FRAGMENT : 0) | (word >> 3 ? PKT_LATER_FRAGMENT : 0);
}

/* The chain ends in the middle of a header: of a fragment that is RFC 7112's. */
static uint16_t ip6_chain_cut(unsigned flags)
{
	return flags & PKT_FRAGMENT ? DROP_FRAGMENT_TINY : DROP_IP6_EXTENSIONS;
}

/* Walk the extension headers, RFC 8200 4.1: hop-by-hop only as the first, one fragment header at
 * most. f->l4 and f->protocol begin at the first of them and end at the upper layer, or at a later
 * fragment's payload. */
static uint16_t ip6_extensions(const struct packet *p, struct found *f)
{
	const unsigned end = f->l3 + f->ip_len;
	bool fragmented = false;

	for (unsigned n = 0; ip6_extension(f->protocol); n++) {
		const uint8_t kind = f->protocol;
		const uint8_t *header = p->data + f->l4;
		unsigned len;

		if (n == IP6_EXTENSIONS_MAX)
			return DROP_IP6_CHAIN;
		if ((kind == IPPROTO_HOPOPTS && n) || (kind == IPPROTO_FRAGMENT && fragmented))
			return DROP_IP6_EXTENSIONS;
		if (f->l4 + 8 > end)
			return ip6_chain_cut(f->flags);
		if (f->l4 + 8 > p->first_len)
			return DROP_TRUNCATED;
		len = ip6_extension_len(kind, header);
		if (f->l4 + len > end)
			return ip6_chain_cut(f->flags);
		if (f->l4 + len > p->first_len)
			return DROP_TRUNCATED;
		fragmented = fragmented || kind == IPPROTO_FRAGMENT;
		if (kind == IPPROTO_HOPOPTS)
			f->flags |= PKT_IP_OPTIONS;
		else if (kind == IPPROTO_ROUTING && header[2] == 0)
			f->flags |= PKT_SOURCE_ROUTE;
		else if (kind == IPPROTO_FRAGMENT)
			f->flags |= ip6_fragment_flags(header);
		f->l4 += len;
		f->protocol = header[0];
		if (f->flags & PKT_LATER_FRAGMENT)
			break;
	}
	return DROP_NONE;
}

/* Its own copy of what was found, so that the common packet's may stay in registers. */
static __attribute__((noinline)) uint16_t ip6_extended(struct packet *p, struct found f)
{
	const uint16_t reason = ip6_extensions(p, &f);

	if (!reason)
		describe(p, &f);
	return reason;
}

unsigned parse_ip6_extension(const struct packet *p, uint8_t kind)
{
	const uint8_t *ip = packet_l3(p);
	const unsigned end = p->l4 - p->l3;
	unsigned at = IP6_HEADER;
	uint8_t protocol = ip[6];

	while (at < end && protocol != kind) {
		const unsigned len = ip6_extension_len(protocol, ip + at);

		protocol = ip[at];
		at += len;
	}
	return at < end ? at : 0;
}

static inline uint16_t parse_ip6(struct packet *p, unsigned l3, unsigned flags)
{
	struct found f = { .l3 = l3, .l4 = l3 + IP6_HEADER, .version = 6, .flags = flags };
	const uint8_t *ip = p->data + l3;

	if (unlikely(room_from(p, l3) < IP6_HEADER))
		return DROP_TRUNCATED;
	f.ip_len = IP6_HEADER + bytes_get16(ip + 4);
	if (unlikely(ip[0] >> 4 != 6 || f.ip_len > UINT16_MAX))
		return DROP_IP6_HEADER;
	if (unlikely(f.ip_len > p->len - l3))
		return DROP_TRUNCATED;
	f.protocol = ip[6];
	if (unlikely(ip6_extension(f.protocol)))
		return ip6_extended(p, f);
	describe(p, &f);
	return DROP_NONE;
}

uint16_t parse_ip(struct packet *p)
{
	const unsigned flags = p->flags & (PKT_ORIGINATED | PKT_NO_ERROR | PKT_L2_GROUP);

	p->ip_version = 0;
	if (p->first_len <= p->l3)
		return DROP_TRUNCATED;
	switch (packet_l3(p)[0] >> 4) {
	case 4: return parse_ip4(p, p->l3, flags);
	case 6: return parse_ip6(p, p->l3, flags);
	default: return DROP_NOT_IP;
	}
}

static inline bool is_tag(unsigned ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* One or two tags. A service tag alone is an outer one: what a customer sent through it untagged is
 * not the VLAN of that number. */
static __attribute__((noinline)) uint16_t parse_tags(struct packet *p, unsigned *ethertype)
{
	const bool service = *ethertype == ETH_P_8021AD;
	unsigned at = ETH_HLEN - 2, n = 0;
	uint16_t tag[2] = { 0 };

	for (; is_tag(*ethertype); n++) {
		if (n == 2)
			return DROP_VLAN;
		if (at + 6 > p->first_len)
			return DROP_TRUNCATED;
		tag[n] = bytes_get16(p->data + at + 2) & 0xfff;
		at += 4;
		*ethertype = bytes_get16(p->data + at);
	}
	p->outer_vlan = n == 2 || service ? tag[0] : 0;
	p->vlan = n == 2 ? tag[1] : service ? 0 : tag[0];
	p->l3 = (uint16_t)(at + 2);
	return DROP_NONE;
}

uint16_t parse_packet(struct packet *p)
{
	unsigned ethertype, flags, l3 = ETH_HLEN;
	uint16_t reason;

	p->vlan = 0;
	p->outer_vlan = 0;
	p->ip_version = 0;
	if (unlikely(p->first_len < ETH_HLEN))
		return DROP_TRUNCATED;
	flags = p->data[0] & 1 ? PKT_L2_GROUP : 0;
	ethertype = bytes_get16(p->data + ETH_HLEN - 2);
	if (unlikely(is_tag(ethertype))) {
		reason = parse_tags(p, &ethertype);
		if (reason)
			return reason;
		l3 = p->l3;
	}
	if (likely(ethertype == ETH_P_IP))
		return parse_ip4(p, l3, flags);
	if (likely(ethertype == ETH_P_IPV6))
		return parse_ip6(p, l3, flags);
	return DROP_NOT_IP;
}
