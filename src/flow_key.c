/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of packets.
 *
 * TCP, UDP, UDP-Lite, SCTP and DCCP have ports. An echo request is from its identifier to 0, the
 * reply from 0 to it. An ICMP error is about another packet. All else goes by its addresses.
 */
#include "flow_key.h"

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "bytes.h"
#include "checksum.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define EMBEDDED_L4 8 /* RFC 792: 64 bits of the datagram */

static inline bool has_ports(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP: return true;
	default: return false;
	}
}

/* Where both ports are in a key, as they are in a header. */
static inline size_t ports_at(uint8_t family)
{
	return family == 4 ? offsetof(struct flow_key, v4.sport) :
			     offsetof(struct flow_key, v6.sport);
}

static inline void set_ports(struct flow_key *key, __be16 sport, __be16 dport)
{
	if (key->family == 4) {
		key->v4.sport = sport;
		key->v4.dport = dport;
	} else {
		key->v6.sport = sport;
		key->v6.dport = dport;
	}
}

static inline void set_addresses(struct flow_key *key, const uint8_t *ip)
{
	if (key->family == 4)
		memcpy(&key->v4, ip + 12, 8);
	else
		memcpy(&key->v6, ip + 8, 32);
}

static enum flow_key_kind icmp_kind(struct flow_key *key, const uint8_t *icmp)
{
	const uint8_t type = icmp[0];
	const __be16 id = bytes_load16(icmp + 4);
	const bool v4 = key->protocol == IPPROTO_ICMP;

	if (type == (v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST)) {
		set_ports(key, id, 0);
		return FLOW_KEY_FLOW;
	}
	if (type == (v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY)) {
		set_ports(key, 0, id);
		return FLOW_KEY_FLOW;
	}
	if (v4)
		return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
				       type == ICMP_PARAMETERPROB ?
			       FLOW_KEY_ERROR :
			       FLOW_KEY_INVALID;
	return type >= ICMP6_DST_UNREACH && type <= ICMP6_PARAM_PROB ? FLOW_KEY_ERROR :
								       FLOW_KEY_INVALID;
}

static bool is_icmp(const struct flow_key *key)
{
	return key->protocol == (key->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static enum flow_key_kind key_of_others(const struct packet *p, struct flow_key *key)
{
	const bool has_header = p->flags & PKT_L4_COMPLETE;

	if (is_icmp(key))
		return has_header ? icmp_kind(key, packet_l4(p)) : FLOW_KEY_INVALID;
	if (has_ports(key->protocol)) /* its header is not there */
		return FLOW_KEY_INVALID;
	set_ports(key, 0, 0);
	return FLOW_KEY_FLOW;
}

enum flow_key_kind flow_key_from_packet(const struct packet *p, struct flow_key *key)
{
	const uint8_t *ip = packet_l3(p);
	enum flow_key_kind kind = FLOW_KEY_FLOW;

	key->family = p->ip_version;
	key->protocol = p->protocol;
	memset(key->spare, 0, sizeof(key->spare));
	set_addresses(key, ip);
	if (unlikely(p->flags & PKT_LATER_FRAGMENT)) {
		set_ports(key, p->sport, p->dport);
	} else if (likely((p->flags & PKT_L4_COMPLETE) && has_ports(p->protocol))) {
		bytes_store32((uint8_t *)key + ports_at(key->family), bytes_load32(packet_l4(p)));
	} else {
		set_ports(key, 0, 0);
		kind = key_of_others(p, key);
	}
	if (unlikely(key->family == 4 ? ip[16] >= 224 : ip[24] == 0xff))
		return FLOW_KEY_UNTRACKED;
	return kind;
}

/* --- the packet inside an error --- */

static bool embedded_ip4(const uint8_t *ip, unsigned room, struct flow_key *key, unsigned *header)
{
	if (room < IP4_HEADER || ip[0] >> 4 != 4)
		return false;
	*header = (ip[0] & 15) * 4u;
	if (*header < IP4_HEADER || (bytes_get16(ip + 6) & 0x1fff))
		return false;
	key->family = 4;
	key->protocol = ip[9];
	return true;
}

/* Extension headers inside an error: hop-by-hop, routing, destination options and a first fragment's
 * header are walked, to a few. */
static bool embedded_ip6(const uint8_t *ip, unsigned room, struct flow_key *key, unsigned *header)
{
	if (room < IP6_HEADER || ip[0] >> 4 != 6)
		return false;
	key->family = 6;
	key->protocol = ip[6];
	*header = IP6_HEADER;
	for (unsigned n = 0; n < 8; n++) {
		const uint8_t *at = ip + *header;

		switch (key->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT: break;
		default: return true;
		}
		if (*header + 8 > room)
			return false;
		if (key->protocol == IPPROTO_FRAGMENT && bytes_get16(at + 2) >> 3)
			return false;
		*header += key->protocol == IPPROTO_FRAGMENT ? 8 : at[1] * 8u + 8;
		key->protocol = at[0];
	}
	return false;
}

bool flow_key_embedded(const struct packet *p, struct flow_key *key, uint16_t *l3, uint16_t *l4)
{
	const unsigned at = p->l4 + 8u;
	const unsigned end = p->first_len < p->l3 + p->ip_len ? p->first_len : p->l3 + p->ip_len;
	const unsigned room = end > at ? end - at : 0;
	const uint8_t *ip = p->data + at;
	unsigned header;

	memset(key, 0, sizeof(*key));
	if (p->ip_version == 4 ? !embedded_ip4(ip, room, key, &header) :
				 !embedded_ip6(ip, room, key, &header))
		return false;
	if (header + EMBEDDED_L4 > room)
		return false;
	set_addresses(key, ip);
	*l3 = (uint16_t)at;
	*l4 = (uint16_t)(at + header);
	if (has_ports(key->protocol)) {
		set_ports(key, bytes_load16(ip + header), bytes_load16(ip + header + 2));
		return true;
	}
	return !is_icmp(key) || icmp_kind(key, ip + header) == FLOW_KEY_FLOW;
}

/* --- writing --- */

/* A checksum after `from` has become `to`, both unfolded sums: RFC 1624 (3). */
static uint16_t moved(uint16_t check, uint64_t from, uint64_t to)
{
	return checksum_finish((uint64_t)(uint16_t)~check + checksum_finish(from) + to);
}

/* Where the checksum of that protocol stands in its header; 0: there is none to mend. */
static unsigned checksum_at(const struct flow_key *key)
{
	switch (key->protocol) {
	case IPPROTO_TCP: return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE: return 6;
	case IPPROTO_DCCP: return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: return is_icmp(key) ? 2 : 0;
	default: return 0;
	}
}

/* Does it cover the addresses? ICMP for IPv4 does not. */
static bool covers_addresses(const struct flow_key *key)
{
	return key->protocol != IPPROTO_ICMP;
}

static void put_l4_checksum(const struct flow_key *key, uint8_t *field, uint64_t from, uint64_t to)
{
	const bool optional = key->protocol == IPPROTO_UDP;
	uint16_t check = bytes_load16(field);

	if (optional && !check)
		return;
	check = moved(check, from, to);
	bytes_store16(field, optional && !check ? 0xffff : check);
}

/* Addresses and ports of one packet; what changed in sums, so that checksums can follow. `room` is
 * how much of its L4 header there is. */
static void write_key(uint8_t *ip, uint8_t *l4, unsigned room, const struct flow_key *to)
{
	const unsigned size = to->family == 4 ? 8 : 32;
	uint8_t *addresses = ip + (to->family == 4 ? 12 : 8);
	const unsigned at = checksum_at(to);
	uint64_t from_sum = checksum_add(0, addresses, size), to_sum, from_l4 = 0, to_l4 = 0;

	memcpy(addresses, &to->v6, size); /* the tuples begin with source and destination */
	to_sum = checksum_add(0, addresses, size);
	if (to->family == 4)
		bytes_store16(ip + 10, moved(bytes_load16(ip + 10), from_sum, to_sum));
	if (has_ports(to->protocol) && room >= 4) {
		from_l4 = checksum_add(0, l4, 4);
		bytes_store32(l4, bytes_load32((const uint8_t *)to + ports_at(to->family)));
		to_l4 = checksum_add(0, l4, 4);
	} else if (is_icmp(to) && room >= 8) {
		const __be16 s = to->family == 4 ? to->v4.sport : to->v6.sport;
		const __be16 d = to->family == 4 ? to->v4.dport : to->v6.dport;
		const bool request = l4[0] == ICMP_ECHO || l4[0] == ICMP6_ECHO_REQUEST;

		from_l4 = bytes_load16(l4 + 4);
		bytes_store16(l4 + 4, request ? s : d);
		to_l4 = bytes_load16(l4 + 4);
	}
	if (!at || at + 2 > room)
		return;
	if (covers_addresses(to)) {
		from_l4 += from_sum;
		to_l4 += to_sum;
	}
	put_l4_checksum(to, l4 + at, from_l4, to_l4);
}

static unsigned l4_room(const struct packet *p, unsigned l4)
{
	const unsigned end = p->first_len < p->l3 + p->ip_len ? p->first_len : p->l3 + p->ip_len;

	return end > l4 ? end - l4 : 0;
}

void flow_key_write(struct packet *p, const struct flow_key *to)
{
	write_key(packet_l3(p), packet_l4(p), p->flags & PKT_LATER_FRAGMENT ? 0 : l4_room(p, p->l4),
		  to);
}

void flow_key_write_embedded(struct packet *p, uint16_t l3, uint16_t l4, const struct flow_key *to)
{
	uint8_t *check = packet_l4(p) + 2;
	/* what write_key() may touch: the IP header and as much of L4 as a TCP checksum needs */
	const unsigned room = l4_room(p, l4);
	const unsigned end = l4 + (room < 18 ? room : 18);
	const unsigned size = (end - l3) & ~1u;
	const uint64_t from = checksum_add(0, p->data + l3, size);

	write_key(p->data + l3, p->data + l4, size - (l4 - l3), to);
	bytes_store16(check, moved(bytes_load16(check), from, checksum_add(0, p->data + l3, size)));
}

void flow_key_write_addresses(struct packet *p, const void *source, const void *destination)
{
	uint8_t *ip = packet_l3(p);
	const unsigned size = p->ip_version == 4 ? 4 : 16;
	uint8_t *at = ip + (p->ip_version == 4 ? 12 : 8);
	const uint64_t from = checksum_add(0, at, 2 * size);
	uint64_t to;

	if (source)
		memcpy(at, source, size);
	if (destination)
		memcpy(at + size, destination, size);
	to = checksum_add(0, at, 2 * size);
	if (p->ip_version == 4)
		bytes_store16(ip + 10, moved(bytes_load16(ip + 10), from, to));
	else if (p->protocol == IPPROTO_ICMPV6 && (p->flags & PKT_L4_COMPLETE))
		bytes_store16(packet_l4(p) + 2, moved(bytes_load16(packet_l4(p) + 2), from, to));
}
