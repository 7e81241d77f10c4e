/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_segment.h"

#include <netinet/tcp.h>

#include "bytes.h"
#include "checksum.h"
#include "flow_key.h"
#include "parse.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define TCP_HEADER 20
#define HOP_LIMIT 64

static void put_ip4(uint8_t *ip, const struct flow_tuple4 *tuple, unsigned len)
{
	memset(ip, 0, IP4_HEADER);
	ip[0] = 0x45;
	bytes_put16(ip + 2, (uint16_t)len);
	bytes_put16(ip + 6, 0x4000); /* whole, so no identification is needed: RFC 6864 */
	ip[8] = HOP_LIMIT;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, tuple, 8);
	bytes_store16(ip + 10, checksum(ip, IP4_HEADER));
}

static void put_ip6(uint8_t *ip, const struct flow_tuple6 *tuple, unsigned payload)
{
	bytes_put32(ip, 6u << 28);
	bytes_put16(ip + 4, (uint16_t)payload);
	ip[6] = IPPROTO_TCP;
	ip[7] = HOP_LIMIT;
	memcpy(ip + 8, tuple, 32);
}

static void put_tcp(uint8_t *tcp, const struct tcp_segment *s, unsigned len)
{
	const bool v4 = s->key.family == 4;
	uint64_t sum;

	bytes_store16(tcp, v4 ? s->key.v4.sport : s->key.v6.sport);
	bytes_store16(tcp + 2, v4 ? s->key.v4.dport : s->key.v6.dport);
	bytes_put32(tcp + 4, s->seq);
	bytes_put32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)(len / 4 << 4);
	tcp[13] = s->flags;
	bytes_put16(tcp + 14, s->window);
	bytes_store32(tcp + 16, 0);
	memcpy(tcp + TCP_HEADER, s->options, s->options_len);
	sum = v4 ? checksum_pseudo4(s->key.v4.source, s->key.v4.destination, IPPROTO_TCP,
				    (uint16_t)len) :
		   checksum_pseudo6(&s->key.v6.source, &s->key.v6.destination, IPPROTO_TCP, len);
	bytes_store16(tcp + 16, checksum_finish(checksum_add(sum, tcp, len)));
}

bool tcp_segment_send(struct datapath *dp, const struct packet *cause, const struct tcp_segment *s)
{
	const unsigned ip = s->key.family == 4 ? IP4_HEADER : IP6_HEADER;
	const unsigned len = TCP_HEADER + s->options_len;
	struct packet *p = datapath_packet_new(dp, ip + len);

	if (!p) {
		datapath_not_made(dp, DROP_NO_FRAME);
		return false;
	}
	p->l3 = 0; /* egress writes the Ethernet header in front */
	p->len = ip + len;
	p->first_len = (uint16_t)(ip + len);
	p->iface = cause->iface;
	p->port = cause->port;
	if (s->key.family == 4)
		put_ip4(p->data, &s->key.v4, ip + len);
	else
		put_ip6(p->data, &s->key.v6, len);
	put_tcp(p->data + ip, s, len);
	parse_ip(p);
	return true;
}

void tcp_reset_send(struct datapath *dp, const struct packet *cause)
{
	const uint8_t *tcp = packet_l4(cause);
	struct tcp_segment reset = { 0 };
	struct flow_key key;
	unsigned header, len;

	if ((cause->flags & (PKT_ORIGINATED | PKT_LATER_FRAGMENT | PKT_L2_GROUP)) ||
	    !(cause->flags & PKT_L4_COMPLETE) || cause->protocol != IPPROTO_TCP ||
	    (tcp[13] & TH_RST) || flow_key_from_packet(cause, &key) != FLOW_KEY_FLOW)
		return;
	header = (tcp[12] >> 4) * 4u;
	len = (unsigned)(cause->l3 + cause->ip_len - cause->l4);
	len = len > header ? len - header : 0;
	reset.key = flow_key_turned(&key);
	if (tcp[13] & TH_ACK) {
		reset.seq = bytes_get32(tcp + 8);
		reset.flags = TH_RST;
	} else {
		reset.ack =
			bytes_get32(tcp + 4) + len + !!(tcp[13] & TH_SYN) + !!(tcp[13] & TH_FIN);
		reset.flags = TH_RST | TH_ACK;
	}
	tcp_segment_send(dp, cause, &reset);
}
