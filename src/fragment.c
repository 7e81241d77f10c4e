/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 fragmentation. Each piece is as large as the MTU and a multiple of eight bytes allow; the
 * last takes the rest. The first keeps all options, the others those with the copied flag
 * (RFC 791 3.1). The ID stays; a fragment's pieces go on from its own offset and only its last one
 * inherits its "more fragments".
 */
#include "fragment.h"

#include "bytes.h"
#include "checksum.h"
#include "egress.h"
#include "parse.h"

#define IP4_MIN 20
#define IP4_HEADER_MAX 60
#define IP4_MORE_FRAGMENTS 0x2000
#define OPTION_COPIED 0x80

struct pieces {
	struct datapath *dp;
	const struct packet *from;
	const struct nexthop *nh;
	uint8_t header[IP4_HEADER_MAX]; /* of the pieces after the first */
	unsigned header_len;
};

static const struct packet_segments *segments_of(const struct datapath *dp, const struct packet *p)
{
	const uintptr_t offset = (uintptr_t)(p->data - dp->umem);

	return (const void *)(dp->umem + (offset & ~(uintptr_t)(dp->frame_size - 1)));
}

/* Copy bytes of a packet, counted from its Ethernet header, out of all of its frames. */
static bool gather(const struct datapath *dp, const struct packet *p, uint32_t offset, uint8_t *to,
		   uint32_t len)
{
	const struct packet_segments *segments = p->segments ? segments_of(dp, p) : NULL;
	const uint8_t *at = p->data;
	uint32_t size = p->first_len;

	for (unsigned next = 0;; next++) {
		if (offset < size) {
			const uint32_t n = len < size - offset ? len : size - offset;

			memcpy(to, at + offset, n);
			to += n;
			len -= n;
			offset += n;
		}
		if (!len)
			return true;
		if (next >= p->segments || next >= PACKET_SEGMENTS_MAX)
			return false;
		offset -= size;
		at = dp->umem + (segments->desc[next] & ((UINT64_C(1) << 48) - 1));
		size = (uint32_t)(segments->desc[next] >> 48);
	}
}

/* The header of the later pieces: options without the copied flag are left out. */
static bool later_header(struct pieces *pieces, const uint8_t *ip, unsigned header)
{
	struct ip4_options found;
	unsigned at = IP4_MIN, to = IP4_MIN;

	if (!parse_ip4_options(ip, header, &found))
		return false;
	memcpy(pieces->header, ip, IP4_MIN);
	while (at < header && ip[at] != IP4_OPTION_END) {
		const unsigned len = ip[at] == IP4_OPTION_NOP ? 1 : ip[at + 1];

		if (ip[at] & OPTION_COPIED) {
			memcpy(pieces->header + to, ip + at, len);
			to += len;
		}
		at += len;
	}
	while (to & 3)
		pieces->header[to++] = IP4_OPTION_END;
	pieces->header[0] = (uint8_t)(0x40 | to >> 2);
	pieces->header_len = to;
	return true;
}

/* One piece: `len` bytes of payload from `offset` of p's own payload on. */
static bool make_piece(const struct pieces *pieces, const uint8_t *header, unsigned header_len,
		       unsigned offset, unsigned len, bool last)
{
	const struct packet *from = pieces->from;
	const unsigned word = bytes_get16(packet_l3(from) + 6);
	const unsigned at = (word & 0x1fff) + offset / 8;
	struct packet *p = datapath_packet_new(pieces->dp, header_len + len);
	uint8_t *ip;

	if (!p)
		return false;
	ip = p->data;
	memcpy(ip, header, header_len);
	if (!gather(pieces->dp, from, from->l4 + offset, ip + header_len, len)) {
		packet_drop(p, DROP_FRAGMENT_FAILED);
		return false;
	}
	bytes_put16(ip + 2, (uint16_t)(header_len + len));
	bytes_put16(ip + 6,
		    (uint16_t)(at | (last ? word & IP4_MORE_FRAGMENTS : IP4_MORE_FRAGMENTS)));
	bytes_store16(ip + 10, 0);
	bytes_store16(ip + 10, checksum(ip, header_len));
	p->l3 = 0;
	p->len = header_len + len;
	p->first_len = (uint16_t)p->len;
	parse_ip(p);
	p->iface = from->iface;
	p->port = from->port;
	p->nexthop = from->nexthop;
	p->mtu = from->mtu;
	egress_complete(p, pieces->nh);
	return true;
}

static bool make_pieces(struct pieces *pieces, unsigned mtu)
{
	const struct packet *from = pieces->from;
	const uint8_t *header = packet_l3(from);
	unsigned header_len = from->l4 - from->l3;
	const unsigned payload = from->ip_len - header_len;

	if (!later_header(pieces, header, header_len))
		return false;
	for (unsigned offset = 0, len; offset < payload; offset += len) {
		const bool last = payload - offset <= mtu - header_len;

		len = last ? payload - offset : (mtu - header_len) & ~7u;
		if (!make_piece(pieces, header, header_len, offset, len, last))
			return false;
		header = pieces->header;
		header_len = pieces->header_len;
	}
	return true;
}

void fragment_ip4(struct datapath *dp, struct packet *p, const struct nexthop *nh)
{
	struct pieces pieces = { .dp = dp, .from = p, .nh = nh };
	const uint32_t room = datapath_frame_room(dp);
	const unsigned mtu = p->mtu < room ? p->mtu : room;
	const unsigned first = dp->n_originated;

	if (mtu >= (unsigned)(p->l4 - p->l3) + 8 && make_pieces(&pieces, mtu)) {
		packet_drop(p, DROP_FRAGMENTED);
		return;
	}
	for (unsigned i = first; i < dp->n_originated; i++)
		packet_drop(&dp->originated[i], DROP_FRAGMENT_FAILED);
	packet_drop(p, DROP_FRAGMENT_FAILED);
}
