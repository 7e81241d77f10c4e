/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's surroundings in plain memory. See support_packet.h. */
#include "support_packet.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nf/nf.h"
#include "src/bytes.h"
#include "src/chain.h"
#include "src/egress.h"
#include "src/lpm4.h"
#include "src/lpm6.h"
#include "src/neighbour_wait.h"
#include "src/parse.h"
#include "src/reassembly.h"

#define HEADROOM 256

static struct support *support_of(const struct datapath *dp)
{
	return (struct support *)dp; /* its first member */
}

static void *memory(struct support *s, size_t len)
{
	void *at = calloc(1, len);

	s->memory = realloc(s->memory, (s->n_memory + 1) * sizeof(void *));
	s->memory[s->n_memory++] = at;
	return at;
}

struct ip_addr support_addr(const char *text)
{
	struct ip_addr addr = { .family = strchr(text, ':') ? 6 : 4 };

	if (addr.family == 6) {
		assert(inet_pton(AF_INET6, text, &addr.addr) == 1);
		return addr;
	}
	memset(addr.addr.s6_addr + 10, 0xff, 2);
	assert(inet_pton(AF_INET, text, addr.addr.s6_addr + 12) == 1);
	return addr;
}

static void fill_hop(struct support *s, struct nexthop *nh, enum nexthop_kind kind, uint16_t iface,
		     const char *gateway, unsigned mark)
{
	const uint32_t id = nh->id;

	*nh = (struct nexthop){ .kind = kind, .iface = iface, .mtu = 1500, .id = id };
	if (gateway)
		nh->gateway = support_addr(gateway);
	nh->port = s->iface[iface].port;
	nh->mtu = s->iface[iface].mtu;
	if (kind != NEXTHOP_FORWARD)
		return;
	nh->l2_len = 14;
	memcpy(nh->l2, (uint8_t[]){ 0x02, 0xaa, 0, 0, (uint8_t)(mark >> 8), (uint8_t)mark }, 6);
	memcpy(nh->l2 + 6, s->iface[iface].mac, 6);
}

struct nexthop *support_hop(struct support *s, uint32_t id, enum nexthop_kind kind, uint16_t iface,
			    const char *gateway)
{
	struct nexthop *nh = &s->hop[id];

	nh->id = id;
	fill_hop(s, nh, kind, iface, gateway, id);
	s->nexthops[id] = nh;
	s->fib.generation++;
	return nh;
}

void support_route(struct support *s, const char *prefix, uint32_t id)
{
	char text[64];
	struct ip_addr addr;
	unsigned len;
	int err;

	assert(sscanf(prefix, "%63[^/]/%u", text, &len) == 2);
	addr = support_addr(text);
	if (addr.family == 4) {
		const uint32_t net = bytes_get32(addr.addr.s6_addr + 12);

		err = id ? lpm4_set(s->fib.lpm4, net, len, id) : lpm4_del(s->fib.lpm4, net, len);
	} else {
		err = id ? lpm6_set(s->fib.lpm6, &addr.addr, len, id) :
			   lpm6_del(s->fib.lpm6, &addr.addr, len);
	}
	assert(!err);
	s->fib.generation++;
}

static struct nexthop *find_neighbour(struct support *s, uint16_t iface, const struct ip_addr *addr)
{
	for (unsigned i = 0; i < s->n_neighbours; i++)
		if (s->neighbour[i].iface == iface &&
		    s->neighbour[i].gateway.family == addr->family &&
		    !memcmp(&s->neighbour[i].gateway.addr, &addr->addr, 16))
			return &s->neighbour[i];
	return NULL;
}

void support_neighbour(struct support *s, uint16_t iface, const char *addr, enum nexthop_kind kind)
{
	const struct ip_addr key = support_addr(addr);
	struct nexthop *nh = find_neighbour(s, iface, &key);

	if (!nh) {
		assert(s->n_neighbours < SUPPORT_NEIGHBOURS);
		nh = &s->neighbour[s->n_neighbours++];
	}
	fill_hop(s, nh, kind, iface, addr, 0x100 + key.addr.s6_addr[15]);
	s->fib.generation++;
}

const struct nexthop *fib_neighbour4(const struct fib *fib, uint16_t slot, __be32 addr)
{
	struct support *s = (struct support *)((char *)fib - offsetof(struct support, fib));
	struct ip_addr key = { .family = 4 };
	struct nexthop *nh;

	memset(key.addr.s6_addr + 10, 0xff, 2);
	bytes_store32(key.addr.s6_addr + 12, addr);
	nh = find_neighbour(s, slot, &key);
	return nh && nh->kind ? nh : NULL;
}

const struct nexthop *fib_neighbour6(const struct fib *fib, uint16_t slot,
				     const struct in6_addr *addr)
{
	struct support *s = (struct support *)((char *)fib - offsetof(struct support, fib));
	const struct ip_addr key = { .family = 6, .addr = *addr };
	struct nexthop *nh = find_neighbour(s, slot, &key);

	return nh && nh->kind ? nh : NULL;
}

static void add_interface(struct support *s, uint16_t slot, const char *name, const char *addr4,
			  const char *addr6, const char *local6)
{
	struct interface *iface = &s->iface[slot];
	const struct ip_addr a = support_addr(addr4), b = support_addr(addr6),
			     c = support_addr(local6);

	snprintf(iface->name, sizeof(iface->name), "%s", name);
	iface->slot = slot;
	iface->port = slot;
	iface->mtu = 1500;
	iface->up = true;
	memcpy(iface->mac, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)(slot + 1) }, 6);
	iface->addr4[iface->n4].addr = bytes_load32(a.addr.s6_addr + 12);
	iface->addr4[iface->n4++].len = 24;
	iface->addr6[iface->n6].addr = b.addr;
	iface->addr6[iface->n6++].len = 64;
	iface->addr6[iface->n6].addr = c.addr;
	iface->addr6[iface->n6++].len = 64;
	s->slots[slot] = iface;
}

static void own(struct support *s, const char *addr, uint32_t hop)
{
	const struct ip_addr key = support_addr(addr);
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "%s/%d", addr, key.family == 4 ? 32 : 128);
	support_route(s, prefix, hop);
	own_filter_add(&s->fib.own, &key);
}

struct support *support_new(void)
{
	struct support *s = calloc(1, sizeof(*s));

	s->dp.fib = &s->fib;
	s->dp.counters = &s->counters;
	s->dp.wait = neighbour_wait_new();
	s->dp.now_ns = 1000000000000;
	s->dp.icmp_rate = 1000;
	s->dp.random = 1;
	s->dp.workers = 1;
	s->dp.frame_size = SUPPORT_FRAME;
	s->frames_left = 10000;
	s->fib.lpm4 = lpm4_new();
	s->fib.lpm6 = lpm6_new();
	s->fib.nexthops = s->nexthops;
	s->fib.ifaces = s->slots;
	s->fib.generation = 1;
	add_interface(s, LAN, "lan", "10.0.0.1", "2001:db8:1::1", "fe80::1");
	add_interface(s, WAN, "wan", "192.0.2.1", "2001:db8:2::1", "fe80::2");
	support_hop(s, HOP_NONE, NEXTHOP_NONE, LAN, NULL);
	support_hop(s, HOP_WAN, NEXTHOP_FORWARD, WAN, "192.0.2.254");
	support_hop(s, HOP_WAN6, NEXTHOP_FORWARD, WAN, "fe80::254");
	support_hop(s, HOP_LAN_LINK, NEXTHOP_ONLINK, LAN, NULL);
	support_hop(s, HOP_WAN_LINK, NEXTHOP_ONLINK, WAN, NULL);
	support_hop(s, HOP_LOCAL, NEXTHOP_LOCAL, LAN, NULL);
	support_hop(s, HOP_BROADCAST, NEXTHOP_BROADCAST, LAN, NULL);
	support_route(s, "0.0.0.0/0", HOP_WAN);
	support_route(s, "::/0", HOP_WAN6);
	support_route(s, "10.0.0.0/24", HOP_LAN_LINK);
	support_route(s, "192.0.2.0/24", HOP_WAN_LINK);
	support_route(s, "2001:db8:1::/64", HOP_LAN_LINK);
	support_route(s, "2001:db8:2::/64", HOP_WAN_LINK);
	own(s, "10.0.0.1", HOP_LOCAL);
	own(s, "192.0.2.1", HOP_LOCAL);
	own(s, "2001:db8:1::1", HOP_LOCAL);
	own(s, "2001:db8:2::1", HOP_LOCAL);
	own(s, "10.0.0.255", HOP_BROADCAST);
	own(s, "192.0.2.255", HOP_BROADCAST);
	support_neighbour(s, LAN, "10.0.0.5", NEXTHOP_FORWARD);
	support_neighbour(s, WAN, "192.0.2.5", NEXTHOP_FORWARD);
	support_neighbour(s, LAN, "2001:db8:1::5", NEXTHOP_FORWARD);
	support_neighbour(s, WAN, "2001:db8:2::5", NEXTHOP_FORWARD);
	return s;
}

void support_free(struct support *s)
{
	neighbour_wait_drop_all(&s->dp);
	neighbour_wait_free(s->dp.wait);
	lpm4_free(s->fib.lpm4);
	lpm6_free(s->fib.lpm6);
	for (unsigned i = 0; i < s->n_memory; i++)
		free(s->memory[i]);
	free(s->memory);
	free(s);
}

/* --- what the worker gives to the data path --- */

uint32_t datapath_frame_room(const struct datapath *dp)
{
	return SUPPORT_FRAME - HEADROOM;
}

struct packet *datapath_packet_new(struct datapath *dp, uint32_t room)
{
	struct support *s = support_of(dp);
	struct packet *p;

	if (dp->n_originated == ORIGINATED_MAX || room > datapath_frame_room(dp) || !s->frames_left)
		return NULL;
	s->frames_left--;
	p = &dp->originated[dp->n_originated++];
	*p = (struct packet){
		.data = (uint8_t *)memory(s, HEADROOM + room) + HEADROOM,
		.flags = PKT_ORIGINATED,
		.rx_ns = dp->now_ns,
	};
	memset(p->data, 0xa5, room); /* frames come as they were left */
	dp->counters->originated++;
	return p;
}

void datapath_resolve(struct datapath *dp, uint16_t iface_slot, const struct ip_addr *addr)
{
	struct support *s = support_of(dp);

	s->asked[s->n_asked % 1024].iface = iface_slot;
	s->asked[s->n_asked++ % 1024].addr = *addr;
}

bool datapath_event(struct datapath *dp, const struct datapath_event *event)
{
	struct support *s = support_of(dp);

	s->events[s->n_events++ % 64] = *event;
	return true;
}

void datapath_finish(struct datapath *dp, struct packet *const *packets, unsigned n)
{
	struct support *s = support_of(dp);

	for (unsigned i = 0; i < n; i++) {
		const struct packet *p = packets[i];

		if (p->verdict == PACKET_STOLEN)
			continue;
		if (s->finished)
			s->finished(s, p);
		if (p->verdict != PACKET_TX) {
			dp->counters->drops[p->verdict ? p->reason : DROP_END_OF_CHAIN]++;
			continue;
		}
		dp->counters->tx_packets++;
		assert(s->n_sent < SUPPORT_SENT);
		s->sent[s->n_sent++] = (struct sent){
			.data = p->data,
			.len = p->len,
			.port = p->out_port,
			.iface = p->out_iface,
			.l3 = p->l3,
		};
	}
}

/* --- packets --- */

uint16_t support_checksum(const uint8_t *data, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)(~sum & 0xffff);
}

static bool upper_good(const uint8_t *ip, uint8_t protocol, const uint8_t *l4, uint32_t len,
		       const uint8_t *addresses, uint32_t addresses_len)
{
	uint32_t sum;

	if (protocol == IPPROTO_ICMP)
		return !support_checksum(l4, len, 0);
	sum = (uint16_t)~support_checksum(addresses, addresses_len, 0);
	return !support_checksum(l4, len, sum + protocol + len);
}

bool support_checksums_good(const uint8_t *ip, uint32_t len)
{
	if (ip[0] >> 4 == 6)
		return upper_good(ip, ip[6], ip + 40, len - 40, ip + 8, 32);
	if (support_checksum(ip, (ip[0] & 15) * 4, 0))
		return false;
	if (bytes_get16(ip + 6) & 0x3fff)
		return true;
	return upper_good(ip, ip[9], ip + (ip[0] & 15) * 4, len - (ip[0] & 15) * 4, ip + 12, 8);
}

static uint32_t build_tags(const struct probe *probe, uint8_t *frame)
{
	uint32_t at = 12;

	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8 }, 12);
	if (probe->group)
		memset(frame, 0xff, 6);
	if (probe->outer_vlan) {
		bytes_put16(frame + at, 0x88a8);
		bytes_put16(frame + at + 2, probe->outer_vlan);
		at += 4;
	}
	if (probe->vlan) {
		bytes_put16(frame + at, 0x8100);
		bytes_put16(frame + at + 2, probe->vlan);
		at += 4;
	}
	return at;
}

static void build_upper(const struct probe *probe, uint8_t *l4, uint32_t len, uint8_t protocol,
			const uint8_t *addresses, uint32_t addresses_len)
{
	const uint32_t at = protocol == IPPROTO_UDP ? 6 : protocol == IPPROTO_TCP ? 16 : 2;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		l4[i] = (uint8_t)(i * 7 + 3);
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		if (len)
			l4[0] = probe->icmp_type;
		if (len >= 6 && probe->icmp_id) {
			l4[1] = 0;
			bytes_put16(l4 + 4, probe->icmp_id);
		}
	} else if (len >= 6) {
		bytes_put16(l4, probe->sport ? probe->sport : 1000);
		bytes_put16(l4 + 2, probe->dport ? probe->dport : 2000);
		if (protocol == IPPROTO_UDP)
			bytes_put16(l4 + 4, (uint16_t)len);
		if (protocol == IPPROTO_TCP && probe->tcp_flags && len >= 20) {
			bytes_put32(l4 + 4, probe->seq);
			bytes_put32(l4 + 8, probe->ack);
			l4[12] = 5 << 4;
			l4[13] = probe->tcp_flags;
			bytes_put16(l4 + 14, probe->window);
		}
	}
	if (len < at + 2)
		return;
	bytes_put16(l4 + at, 0);
	if (protocol != IPPROTO_ICMP)
		sum = (uint16_t)~support_checksum(addresses, addresses_len, 0) + protocol + len;
	bytes_put16(l4 + at, support_checksum(l4, len, sum));
}

uint32_t support_build(const struct probe *probe, uint8_t *frame)
{
	const struct ip_addr from = support_addr(probe->from), to = support_addr(probe->to);
	const uint32_t at = build_tags(probe, frame);
	const uint32_t total = probe->ip_len ? probe->ip_len : 100;
	const uint8_t ttl = probe->ttl ? probe->ttl : 64;
	const uint8_t protocol = probe->protocol ? probe->protocol : IPPROTO_UDP;
	uint8_t *ip = frame + at + 2;
	uint32_t header;

	bytes_put16(frame + at, to.family == 4 ? 0x0800 : 0x86dd);
	if (to.family == 4) {
		header = 20 + probe->options_len;
		memset(ip, 0, 20);
		ip[0] = (uint8_t)(0x40 | header / 4);
		bytes_put16(ip + 2, (uint16_t)total);
		bytes_put16(ip + 4, probe->id ? probe->id : 0x1234);
		bytes_put16(ip + 6, probe->fragment);
		ip[8] = ttl;
		ip[9] = protocol;
		memcpy(ip + 12, from.addr.s6_addr + 12, 4);
		memcpy(ip + 16, to.addr.s6_addr + 12, 4);
		memcpy(ip + 20, probe->options ? probe->options : "", probe->options_len);
		bytes_put16(ip + 10, support_checksum(ip, header, 0));
		build_upper(probe, ip + header, total - header, protocol, ip + 12, 8);
	} else {
		header = 40 + probe->options_len;
		bytes_put32(ip, 0x60000000);
		bytes_put16(ip + 4, (uint16_t)(total - 40));
		ip[6] = probe->options_len ? probe->extension : protocol;
		ip[7] = ttl;
		memcpy(ip + 8, &from.addr, 16);
		memcpy(ip + 24, &to.addr, 16);
		memcpy(ip + 40, probe->options ? probe->options : "", probe->options_len);
		build_upper(probe, ip + header, total - header, protocol, ip + 8, 32);
	}
	return at + 2 + total;
}

struct packet *support_packet(struct support *s, const uint8_t *frame, uint32_t len, uint16_t iface)
{
	struct packet *p = memory(s, sizeof(*p));

	p->data = (uint8_t *)memory(s, HEADROOM + len) + HEADROOM;
	memcpy(p->data, frame, len);
	p->len = len;
	p->first_len = (uint16_t)len;
	p->iface = iface;
	p->port = iface;
	p->rx_ns = s->dp.now_ns;
	return p;
}

struct packet *support_probe(struct support *s, const struct probe *probe, uint16_t iface)
{
	uint8_t frame[70000];
	const uint32_t len = support_build(probe, frame);

	return support_packet(s, frame, len, iface);
}

static void parse_all(struct support *s, struct packet **packets, unsigned n, struct burst *burst)
{
	burst->count = 0;
	s->counters.rx_packets += n;
	for (unsigned i = 0; i < n; i++) {
		const uint16_t reason = parse_packet(packets[i]);

		if (reason)
			packet_drop(packets[i], reason);
		else
			burst->packet[burst->count++] = packets[i];
	}
}

void support_run(struct support *s, struct nf *nf, struct packet **packets, unsigned n)
{
	struct burst burst;

	parse_all(s, packets, n, &burst);
	nf->ops->process(nf, &s->dp, &burst);
	datapath_finish(&s->dp, packets, n);
	egress_flush(&s->dp);
}

void support_run_chain(struct support *s, const struct chain *chain, struct packet **packets,
		       unsigned n)
{
	struct burst burst;

	parse_all(s, packets, n, &burst);
	chain_run(&s->dp, chain, &burst);
	datapath_finish(&s->dp, packets, n);
	while (reassembly_pending(&s->dp)) {
		struct packet *released[BURST_MAX];

		burst.count = n = reassembly_release(&s->dp, released);
		memcpy(burst.packet, released, sizeof(released));
		chain_resume(&s->dp, chain, &burst);
		datapath_finish(&s->dp, released, n);
	}
	egress_flush(&s->dp);
}

bool support_balanced(const struct support *s)
{
	uint64_t drops = 0;

	for (unsigned i = 0; i < DROP_REASONS_MAX; i++)
		drops += s->counters.drops[i];
	return s->counters.rx_packets + s->counters.originated ==
	       s->counters.tx_packets + drops + s->counters.waiting + s->counters.held;
}
