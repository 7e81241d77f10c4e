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
	const unsigned __int128 product = (unsigned __int128)(a ^ 0x243f6a8885a308d3) *
					  (b ^ 0x13198a2e03707345);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What tells a host pair's flows apart. All fragments of a datagram have to take one way, so for
 * them it is nothing: only the first has ports, and behind IPv6 extension headers the protocol is
 * not the same in all of them. */
static inline uint64_t upper_layer(const struct packet *p)
{
	uint32_t ports = 0;

	if (unlikely(p->flags & PKT_FRAGMENT))
		return 0;
	if ((p->flags & PKT_L4_COMPLETE) && (shapes[p->protocol] & SHAPE_PORTS))
		ports = bytes_load32(packet_l4(p));
	return (uint64_t)ports << 8 | p->protocol;
}

static inline uint32_t hash_finish(const struct packet *p, uint64_t addresses)
{
	return (uint32_t)((hash_mix(addresses, upper_layer(p)) * 0x9e3779b97f4a7c15) >> 32);
}

static inline uint32_t flow_hash4(const struct packet *p)
{
	return hash_finish(p, bytes_load64(packet_l3(p) + 12));
}

static inline uint32_t flow_hash6(const struct packet *p)
{
	const uint8_t *ip = packet_l3(p);
	const uint64_t source = hash_mix(bytes_load64(ip + 8), bytes_load64(ip + 16));
	const uint64_t destination = hash_mix(bytes_load64(ip + 24), bytes_load64(ip + 32));

	/* not symmetric, as in IPv4: the two directions of a flow need not take one way */
	return hash_finish(p, source * 3 + destination);
}

uint32_t parse_flow_hash(const struct packet *p)
{
	return p->ip_version == 4 ? flow_hash4(p) : flow_hash6(p);
}

/* The datagram ends at p->l3 + p->ip_len; what follows is padding of Ethernet's. A multi-buffer
 * packet keeps it: its length is spread over frames that only their owner may shorten. */
static inline void trim(struct packet *p)
{
	if (likely(!p->segments)) {
		p->len = (uint32_t)p->l3 + p->ip_len;
		p->first_len = (uint16_t)p->len;
	}
}

/* Bytes of the datagram in the first frame, counted from the Ethernet header. */
static inline unsigned first_end(const struct packet *p)
{
	const unsigned end = (unsigned)p->l3 + p->ip_len;

	return p->first_len < end ? p->first_len : end;
}

static inline uint8_t l4_complete(const struct packet *p)
{
	const unsigned need = p->l4 + (shapes[p->protocol] & SHAPE_LENGTH);

	return need <= first_end(p) ? PKT_L4_COMPLETE : 0;
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

/* RFC 1812 5.2.2 (1)-(5), with options. The first 20 bytes are there. */
static __attribute__((noinline)) uint16_t ip4_with_options(struct packet *p, const uint8_t *ip,
							   unsigned room)
{
	const unsigned header = (ip[0] & 15u) * 4;
	struct ip4_options options;
	uint64_t sum = 0;

	if (ip[0] >> 4 != 4 || header < IP4_MIN)
		return DROP_IP4_HEADER;
	if (header > room)
		return DROP_TRUNCATED;
	for (unsigned at = 0; at < header; at += 4)
		sum += bytes_load32(ip + at);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum != 0xffff)
		return DROP_IP4_CHECKSUM;
	/* broken options are for the router to answer; a source route before them still counts */
	parse_ip4_options(ip, header, &options);
	p->flags |= PKT_IP_OPTIONS | (options.source_route ? PKT_SOURCE_ROUTE : 0);
	p->l4 = (uint16_t)(p->l3 + header);
	return DROP_NONE;
}

static inline bool ip4_checksum_good(const uint8_t *ip)
{
	uint64_t sum = (uint64_t)bytes_load32(ip) + bytes_load32(ip + 4) + bytes_load32(ip + 8) +
		       bytes_load32(ip + 12) + bytes_load32(ip + 16);

	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

static inline uint16_t parse_ip4(struct packet *p)
{
	const uint8_t *ip = packet_l3(p);
	const unsigned room = p->first_len > p->l3 ? p->first_len - p->l3 : 0;
	unsigned total, fragment;
	uint16_t reason;

	if (unlikely(room < IP4_MIN))
		return DROP_TRUNCATED;
	if (likely(ip[0] == 0x45)) {
		if (unlikely(!ip4_checksum_good(ip)))
			return DROP_IP4_CHECKSUM;
		p->l4 = p->l3 + IP4_MIN;
	} else {
		reason = ip4_with_options(p, ip, room);
		if (reason)
			return reason;
	}
	total = bytes_get16(ip + 2);
	if (unlikely(total < (unsigned)(p->l4 - p->l3)))
		return DROP_IP4_HEADER;
	if (unlikely(total > p->len - p->l3))
		return DROP_TRUNCATED;
	p->ip_len = (uint16_t)total;
	p->ip_version = 4;
	p->protocol = ip[9];
	trim(p);
	fragment = bytes_get16(ip + 6) & 0x3fff;
	if (unlikely(fragment))
		p->flags |= PKT_FRAGMENT | (fragment & 0x1fff ? PKT_LATER_FRAGMENT : 0);
	if (likely(!(p->flags & PKT_LATER_FRAGMENT)))
		p->flags |= l4_complete(p);
	p->hash = flow_hash4(p);
	return DROP_NONE;
}

static inline bool ip6_extension(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		return true;
	default:
		return false;
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
static void ip6_fragment(struct packet *p, const uint8_t *header)
{
	const unsigned word = bytes_get16(header + 2);

	if (word & ~6u)
		p->flags |= PKT_FRAGMENT;
	if (word >> 3)
		p->flags |= PKT_LATER_FRAGMENT;
}

/* Walk the extension headers, RFC 8200 4.1: hop-by-hop only as the first. p->l4 and p->protocol
 * begin at the first of them and end at the upper layer, or at a later fragment's payload. */
static __attribute__((noinline)) uint16_t ip6_extensions(struct packet *p)
{
	const unsigned end = (unsigned)p->l3 + p->ip_len;
	unsigned at = p->l4, len;

	for (unsigned n = 0; ip6_extension(p->protocol); n++) {
		const uint8_t kind = p->protocol;
		const uint8_t *header = p->data + at;

		if (n == IP6_EXTENSIONS_MAX || (kind == IPPROTO_HOPOPTS && n))
			return DROP_IP6_EXTENSIONS;
		if (at + 8 > end)
			return DROP_IP6_EXTENSIONS;
		if (at + 8 > p->first_len)
			return DROP_TRUNCATED;
		len = ip6_extension_len(kind, header);
		if (at + len > end)
			return DROP_IP6_EXTENSIONS;
		if (at + len > p->first_len)
			return DROP_TRUNCATED;
		if (kind == IPPROTO_HOPOPTS)
			p->flags |= PKT_IP_OPTIONS;
		else if (kind == IPPROTO_ROUTING && header[2] == 0)
			p->flags |= PKT_SOURCE_ROUTE;
		else if (kind == IPPROTO_FRAGMENT)
			ip6_fragment(p, header);
		at += len;
		p->protocol = header[0];
		p->l4 = (uint16_t)at;
		if (p->flags & PKT_LATER_FRAGMENT)
			break;
	}
	return DROP_NONE;
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

static inline uint16_t parse_ip6(struct packet *p)
{
	const uint8_t *ip = packet_l3(p);
	const unsigned room = p->first_len > p->l3 ? p->first_len - p->l3 : 0;
	unsigned total;
	uint16_t reason;

	if (unlikely(room < IP6_HEADER))
		return DROP_TRUNCATED;
	total = IP6_HEADER + bytes_get16(ip + 4);
	if (unlikely(ip[0] >> 4 != 6 || total > UINT16_MAX))
		return DROP_IP6_HEADER;
	if (unlikely(total > p->len - p->l3))
		return DROP_TRUNCATED;
	p->ip_len = (uint16_t)total;
	p->ip_version = 6;
	p->protocol = ip[6];
	p->l4 = p->l3 + IP6_HEADER;
	trim(p);
	if (unlikely(ip6_extension(p->protocol))) {
		reason = ip6_extensions(p);
		if (reason)
			return reason;
	}
	if (likely(!(p->flags & PKT_LATER_FRAGMENT)))
		p->flags |= l4_complete(p);
	p->hash = flow_hash6(p);
	return DROP_NONE;
}

uint16_t parse_ip(struct packet *p)
{
	p->flags &= PKT_ORIGINATED | PKT_NO_ERROR | PKT_L2_GROUP;
	p->ip_version = 0;
	if (p->first_len <= p->l3)
		return DROP_TRUNCATED;
	switch (packet_l3(p)[0] >> 4) {
	case 4:
		return parse_ip4(p);
	case 6:
		return parse_ip6(p);
	default:
		return DROP_NOT_IP;
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
	unsigned ethertype;
	uint16_t reason;

	p->l3 = ETH_HLEN;
	p->vlan = 0;
	p->outer_vlan = 0;
	p->ip_version = 0;
	p->flags = 0;
	if (unlikely(p->first_len < ETH_HLEN))
		return DROP_TRUNCATED;
	p->flags = p->data[0] & 1 ? PKT_L2_GROUP : 0;
	ethertype = bytes_get16(p->data + ETH_HLEN - 2);
	if (unlikely(is_tag(ethertype))) {
		reason = parse_tags(p, &ethertype);
		if (reason)
			return reason;
	}
	if (likely(ethertype == ETH_P_IP))
		return parse_ip4(p);
	if (likely(ethertype == ETH_P_IPV6))
		return parse_ip6(p);
	return DROP_NOT_IP;
}
