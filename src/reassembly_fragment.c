/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fragment says of itself: its datagram, which part of it it is, and whether its headers are
 * whole. The parser has seen to lengths and extension headers.
 */
#include "bytes.h"
#include "drops.h"
#include "parse.h"
#include "reassembly_datagram.h"

#define IP6_HEADER 40
#define IP6_FRAGMENT_HEADER 8
#define DATAGRAM_MAX 65535 /* IPv4: header included; IPv6: extension headers included */

/* IPv4: RFC 791 3.1. `around`: bytes that count towards the datagram's length besides those of the
 * fragmentable part, as far as this fragment shows. */
static unsigned read4(const struct packet *p, struct fragment *f, unsigned *around)
{
	const uint8_t *ip = packet_l3(p);
	const unsigned word = bytes_get16(ip + 6);

	memset(f->key.from.s6_addr + 10, 0xff, 2);
	memset(f->key.to.s6_addr + 10, 0xff, 2);
	memcpy(f->key.from.s6_addr + 12, ip + 12, 4);
	memcpy(f->key.to.s6_addr + 12, ip + 16, 4);
	f->key.id = bytes_load16(ip + 4);
	f->key.protocol = p->protocol;
	f->start = (word & 0x1fff) * 8;
	f->more = word & 0x2000;
	*around = p->l4 - p->l3;
	return p->ip_len - *around;
}

/* IPv6: RFC 8200 4.5. The fragmentable part begins behind the fragment header; in the first fragment
 * there may be more extension headers in it. */
static unsigned read6(const struct packet *p, struct fragment *f, unsigned *around)
{
	const uint8_t *ip = packet_l3(p);
	const unsigned at = parse_ip6_extension(p, IPPROTO_FRAGMENT);
	const unsigned word = bytes_get16(ip + at + 2);

	memcpy(&f->key.from, ip + 8, sizeof(f->key.from));
	memcpy(&f->key.to, ip + 24, sizeof(f->key.to));
	f->key.id = bytes_load32(ip + at + 4);
	f->start = word & ~7u;
	f->more = word & 1;
	*around = at - IP6_HEADER;
	return p->ip_len - at - IP6_FRAGMENT_HEADER;
}

/* RFC 1858 3, RFC 3128, RFC 7112 5: filters see all of a header in the first fragment or nothing. */
static bool header_is_cut(const struct packet *p, const struct fragment *f)
{
	unsigned tcp;

	if (f->start)
		return p->protocol == IPPROTO_TCP && f->start == 8;
	if (!(p->flags & PKT_L4_COMPLETE))
		return true;
	if (p->protocol != IPPROTO_TCP)
		return false;
	tcp = (packet_l4(p)[12] >> 4) * 4u;
	return p->l4 + tcp > p->first_len || p->l4 + tcp > (unsigned)p->l3 + p->ip_len;
}

uint16_t fragment_read(const struct packet *p, struct fragment *f)
{
	unsigned around, len;

	*f = (struct fragment){ .key.family = p->ip_version };
	len = p->ip_version == 4 ? read4(p, f, &around) : read6(p, f, &around);
	f->end = f->start + len;
	if (!len || (f->more && len % 8) || around + f->end > DATAGRAM_MAX)
		return DROP_FRAGMENT_LENGTH;
	f->tiny = header_is_cut(p, f);
	return DROP_NONE;
}
