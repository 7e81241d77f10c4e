/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting datagrams, and a flow stage for them. See support_fragment.h. */
#include "support_fragment.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "src/bytes.h"
#include "src/parse.h"

#define PAYLOAD_MAX 70000

/* Bytes of the datagram from `start` on: a header, then each byte its offset's. */
static void payload(const struct cut *cut, uint8_t protocol, uint8_t *to)
{
	const unsigned header = cut->chain ? 8 : 0;
	uint8_t whole[96];

	memset(whole, 0, sizeof(whole));
	if (cut->chain) {
		whole[0] = protocol;
		whole[2] = 1; /* PadN */
		whole[3] = 4;
	}
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		whole[header] = cut->icmp_type;
		bytes_put16(whole + header + 4, 0x4d2);
	} else {
		bytes_put16(whole + header, cut->sport ? cut->sport : 1000);
		bytes_put16(whole + header + 2, cut->dport ? cut->dport : 2000);
	}
	if (protocol == IPPROTO_UDP)
		bytes_put16(whole + header + 6, 0x1234); /* a wrong one, but one */
	if (protocol == IPPROTO_TCP)
		whole[header + 12] = (uint8_t)((cut->tcp_header ? cut->tcp_header : 20) / 4 << 4);
	for (unsigned at = cut->start; at < cut->end; at++)
		*to++ = at < sizeof(whole) ? whole[at] : (uint8_t)(at / 8);
}

static uint32_t cut4(const struct cut *cut, uint8_t *ip)
{
	const uint8_t protocol = cut->protocol ? cut->protocol : IPPROTO_UDP;

	memcpy(ip, (uint8_t[20]){ 0x45 }, 20);
	bytes_put16(ip + 2, (uint16_t)(20 + cut->end - cut->start));
	bytes_put16(ip + 4, (uint16_t)cut->id);
	bytes_put16(ip + 6, (uint16_t)((cut->more ? 0x2000 : 0) | cut->start / 8));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, cut->host ? cut->host : 5 }, 4);
	memcpy(ip + 16, (uint8_t[]){ 198, 51, 100, 7 }, 4);
	bytes_put16(ip + 10, support_checksum(ip, 20, 0));
	payload(cut, protocol, ip + 20);
	return 20 + cut->end - cut->start;
}

static uint32_t cut6(const struct cut *cut, uint8_t *ip)
{
	const uint8_t protocol = cut->protocol ? cut->protocol : IPPROTO_UDP;
	const struct ip_addr to = support_addr("2001:db8:ffff::7");
	struct ip_addr from = support_addr("2001:db8:1::5");

	if (cut->host)
		from.addr.s6_addr[7] = cut->host; /* a source is a /64 */
	bytes_put32(ip, 0x60000000);
	bytes_put16(ip + 4, (uint16_t)(8 + cut->end - cut->start));
	ip[6] = IPPROTO_FRAGMENT;
	ip[7] = 64;
	memcpy(ip + 8, &from.addr, 16);
	memcpy(ip + 24, &to.addr, 16);
	ip[40] = cut->chain ? IPPROTO_DSTOPTS : protocol;
	ip[41] = 0;
	bytes_put16(ip + 42, (uint16_t)((cut->start & ~7u) | cut->more));
	bytes_put32(ip + 44, cut->id);
	payload(cut, protocol, ip + 48);
	return 48 + cut->end - cut->start;
}

struct packet *support_cut(struct support *s, const struct cut *cut)
{
	static uint8_t frame[PAYLOAD_MAX];
	uint32_t len;

	assert(cut->end >= cut->start && cut->start <= 65528 && cut->end - cut->start <= 65535);
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 8 }, 12);
	bytes_put16(frame + 12, cut->family == 4 ? 0x0800 : 0x86dd);
	len = cut->family == 4 ? cut4(cut, frame + 14) : cut6(cut, frame + 14);
	return support_packet(s, frame, 14 + len, LAN);
}

/* What the functions of a chain make of a fragment. */
static void decide(struct packet *p)
{
	if (p->verdict != PACKET_CONTINUE)
		return;
	if ((p->flags & PKT_FRAGMENT) && !(p->flags & PKT_LATER_FRAGMENT) &&
	    ntohs(p->dport) == DENIED_PORT)
		packet_drop(p, DROP_PROHIBIT);
	else
		p->verdict = PACKET_TX;
}

void support_stage(struct support *s, struct packet **packets, unsigned n)
{
	struct packet *batch[BURST_MAX];

	s->counters.rx_packets += n;
	for (unsigned i = 0; i < n; i++) {
		const uint16_t reason = parse_packet(packets[i]);

		if (reason)
			packet_drop(packets[i], reason);
		else if (packets[i]->flags & PKT_FRAGMENT)
			reassembly_input(&s->dp, packets[i]);
	}
	for (unsigned i = 0; i < n; i++)
		decide(packets[i]);
	datapath_finish(&s->dp, packets, n);
	while (reassembly_pending(&s->dp)) {
		n = reassembly_release(&s->dp, batch);
		for (unsigned i = 0; i < n; i++) {
			reassembly_input(&s->dp, batch[i]);
			decide(batch[i]);
		}
		datapath_finish(&s->dp, batch, n);
	}
}
