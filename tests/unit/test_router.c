/* SPDX-License-Identifier: Apache-2.0 */
/* The router, packet in, packet out: a table of what is forwarded and how, and of what is not. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "nf/nf.h"
#include "src/bytes.h"
#include "src/neighbour_wait.h"
#include "support_packet.h"

struct router_conf {
	struct conf_where where;
	bool redirects;
};

static struct router_conf conf = { .redirects = true };
static struct nf router;

static struct support *setup(void)
{
	router.ops = nf_find("router");
	router.name = "default";
	router.conf = &conf;
	router.drop_base = DROP_ENGINE_COUNT;
	conf.redirects = true;
	return support_new();
}

static void teardown(struct support *s)
{
	assert_true(support_balanced(s));
	for (unsigned i = 0; i < s->n_sent; i++)
		assert_true(support_checksums_good(s->sent[i].data + s->sent[i].l3,
						   s->sent[i].len - s->sent[i].l3));
	support_free(s);
}

static struct packet *route(struct support *s, const struct probe *probe, uint16_t iface)
{
	struct packet *p = support_probe(s, probe, iface);

	support_run(s, &router, &p, 1);
	return p;
}

/* Index of one of the router's own reasons. */
static uint16_t own_reason(const char *name)
{
	uint16_t i = 0;

	while (strcmp(router.ops->drop_reasons[i], name))
		i++;
	return DROP_ENGINE_COUNT + i;
}

static void ttl_one_is_answered_with_time_exceeded(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "198.51.100.7", .ttl = 1 };
	struct support *s = setup();
	struct packet *p = route(s, &probe, LAN);
	const uint8_t *ip;

	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(p->reason, own_reason("ttl_exceeded"));
	assert_int_equal(s->n_sent, 1);
	ip = s->sent[0].data + 14;
	assert_int_equal(s->sent[0].iface, LAN);
	assert_int_equal(ip[9], IPPROTO_ICMP);
	assert_int_equal(ip[20], 11);
	assert_int_equal(ip[21], 0);
	assert_int_equal(bytes_get32(ip + 12), 0x0a000001);
	assert_memory_equal(ip + 28, packet_l3(p), 100);
	teardown(s);
	(void)state;
}

static void packet_leaves_by_its_route_with_ttl_one_less(void **state)
{
	static const char *const to[] = { "198.51.100.7", "2001:db8:ffff::7" };
	static const char *const from[] = { "10.0.0.5", "2001:db8:1::5" };

	for (unsigned i = 0; i < 2; i++) {
		struct support *s = setup();
		const struct probe probe = { .from = from[i], .to = to[i], .ttl = 2 };
		struct packet *p = route(s, &probe, LAN);
		const uint8_t *frame = s->sent[0].data;

		assert_int_equal(p->verdict, PACKET_TX);
		assert_int_equal(s->n_sent, 1);
		assert_int_equal(s->sent[0].port, 1);
		assert_int_equal(s->sent[0].iface, WAN);
		assert_int_equal(s->sent[0].len, 114);
		assert_memory_equal(frame, s->hop[i ? HOP_WAN6 : HOP_WAN].l2, 12);
		assert_int_equal(bytes_get16(frame + 12), i ? 0x86dd : 0x0800);
		assert_int_equal(frame[14 + (i ? 7 : 8)], 1);
		teardown(s);
	}
	(void)state;
}

struct refusal {
	const char *from, *to;
	const char *reason; /* the router's own; NULL: `engine` */
	uint16_t engine;
};

static void impossible_addresses_are_refused_without_a_word(void **state)
{
	static const struct refusal refusals[] = {
		{ "0.0.0.0", "198.51.100.7", "martian_source", 0 },
		{ "0.1.2.3", "198.51.100.7", "martian_source", 0 },
		{ "127.0.0.1", "198.51.100.7", "martian_source", 0 },
		{ "224.0.0.5", "198.51.100.7", "martian_source", 0 },
		{ "240.0.0.1", "198.51.100.7", "martian_source", 0 },
		{ "255.255.255.255", "198.51.100.7", "martian_source", 0 },
		{ "10.0.0.255", "198.51.100.7", "martian_source", 0 },
		{ "10.0.0.5", "0.0.0.0", "martian_destination", 0 },
		{ "10.0.0.5", "127.1.2.3", "martian_destination", 0 },
		{ "10.0.0.5", "240.0.0.1", "martian_destination", 0 },
		{ "10.0.0.5", "224.0.0.5", NULL, DROP_BROADCAST },
		{ "10.0.0.5", "255.255.255.255", NULL, DROP_BROADCAST },
		{ "10.0.0.5", "192.0.2.255", NULL, DROP_BROADCAST },
		{ "169.254.3.4", "198.51.100.7", "link_local", 0 },
		{ "10.0.0.5", "169.254.3.4", "link_local", 0 },
		{ "10.0.0.1", "198.51.100.7", "own_source", 0 },
		{ "192.0.2.1", "198.51.100.7", "own_source", 0 },
		{ "10.0.0.5", "192.0.2.1", NULL, DROP_LOCAL },
		{ "::", "2001:db8:ffff::7", "martian_source", 0 },
		{ "::1", "2001:db8:ffff::7", "martian_source", 0 },
		{ "::ffff:10.0.0.5", "2001:db8:ffff::7", "martian_source", 0 },
		{ "::10.0.0.5", "2001:db8:ffff::7", "martian_source", 0 },
		{ "ff02::1", "2001:db8:ffff::7", "martian_source", 0 },
		{ "2001:db8:1::5", "::", "martian_destination", 0 },
		{ "2001:db8:1::5", "::1", "martian_destination", 0 },
		{ "2001:db8:1::5", "::ffff:192.0.2.7", "martian_destination", 0 },
		{ "2001:db8:1::5", "ff0e::1", NULL, DROP_BROADCAST },
		{ "2001:db8:1::5", "fe80::99", "link_local", 0 },
		{ "fe80::5", "fe80::99", "link_local", 0 },
		{ "2001:db8:1::1", "2001:db8:ffff::7", "own_source", 0 },
		{ "2001:db8:1::5", "2001:db8:2::1", NULL, DROP_LOCAL },
	};

	for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];
		const struct probe probe = { .from = r->from, .to = r->to };
		struct support *s = setup();
		struct packet *p = route(s, &probe, LAN);

		assert_int_equal(p->verdict, PACKET_DROP);
		assert_string_equal(
			p->reason >= DROP_ENGINE_COUNT ?
				router.ops->drop_reasons[p->reason - DROP_ENGINE_COUNT] :
				drops_name(p->reason),
			r->reason ? r->reason : drops_name(r->engine));
		assert_int_equal(s->n_sent, 0);
		teardown(s);
	}
	(void)state;
}

#define V4 .from = "10.0.0.5", .to = "198.51.100.7"
#define V6 .from = "2001:db8:1::5", .to = "2001:db8:ffff::7"
#define BYTES(text) .options = text, .options_len = sizeof(text) - 1

/* One packet was sent, back by LAN: an ICMP message of this type, code and second word. */
static void assert_told(const struct support *s, uint16_t type_code, uint32_t detail)
{
	const uint8_t *ip = s->sent[0].data + 14;
	const uint8_t *icmp = ip + (ip[0] >> 4 == 4 ? 20 : 40);

	assert_int_equal(s->n_sent, 1);
	assert_int_equal(s->sent[0].iface, LAN);
	assert_int_equal(bytes_get16(icmp), type_code);
	assert_int_equal(bytes_get32(icmp + 4), detail);
}

static void ttl_ends_at_one_for_both_families(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct probe four = { V4 }, six = { V6 };
		struct support *s = setup();
		struct packet *p = support_probe(s, i & 1 ? &six : &four, LAN);

		if (i & 1) {
			p->data[14 + 7] = i / 2;
		} else {
			p->data[14 + 8] = i / 2;
			bytes_put16(p->data + 24, 0);
			bytes_put16(p->data + 24, support_checksum(p->data + 14, 20, 0));
		}
		support_run(s, &router, &p, 1);
		assert_int_equal(p->reason, own_reason("ttl_exceeded"));
		assert_told(s, i & 1 ? 0x0300 : 0x0b00, 0);
		teardown(s);
	}
	(void)state;
}

/* Whoever speaks to us with a TTL of one, as BGP does, was not steered; he is told nothing. */
static void ttl_one_to_ourselves_is_no_error(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "10.0.0.1", .ttl = 1 };
	struct support *s = setup();

	assert_int_equal(route(s, &probe, LAN)->reason, DROP_LOCAL);
	assert_int_equal(s->n_sent, 0);
	teardown(s);
	(void)state;
}

/* Every header checksum there can be, 0xffff as well, which only stands for 0: RFC 1624 3. */
static void the_checksum_follows_the_ttl(void **state)
{
	const struct probe probe = { V4, .ip_len = 28 };
	struct support *s = setup();
	uint8_t frame[128];
	const uint32_t len = support_build(&probe, frame);
	struct packet *p = support_packet(s, frame, len, LAN);
	unsigned minus_zeros = 0;

	for (unsigned id = 0; id < 0x10000; id++) {
		struct packet again = *p;
		struct packet *one = &again;

		memcpy(p->data, frame, len);
		bytes_put16(p->data + 18, (uint16_t)id);
		p->data[22] = (uint8_t)(2 + id % 254);
		bytes_put16(p->data + 24, 0);
		bytes_put16(p->data + 24, support_checksum(p->data + 14, 20, 0));
		if (!bytes_get16(p->data + 24)) {
			bytes_put16(p->data + 24, 0xffff);
			minus_zeros++;
		}
		support_run(s, &router, &one, 1);
		assert_int_equal(again.verdict, PACKET_TX);
		assert_int_equal(p->data[22], 1 + id % 254);
		assert_int_equal(support_checksum(p->data + 14, 20, 0), 0);
		s->n_sent = 0;
	}
	assert_true(minus_zeros);
	teardown(s);
	(void)state;
}

static void frames_for_a_group_are_not_forwarded(void **state)
{
	const struct probe four = { V4, .group = true }, six = { V6, .group = true };
	struct support *s = setup();

	assert_int_equal(route(s, &four, LAN)->reason, own_reason("l2_group"));
	assert_int_equal(route(s, &six, LAN)->reason, own_reason("l2_group"));
	assert_int_equal(s->n_sent, 0);
	teardown(s);
	(void)state;
}

static void link_local_senders_learn_their_scope(void **state)
{
	const struct probe probe = { .from = "fe80::5", .to = "2001:db8:ffff::7" };
	struct support *s = setup();

	support_neighbour(s, LAN, "fe80::5", NEXTHOP_FORWARD);
	assert_int_equal(route(s, &probe, LAN)->reason, own_reason("link_local"));
	assert_told(s, 0x0102, 0);
	teardown(s);
	(void)state;
}

/* Neighbours of reserved blocks are no martians. */
static void ordinary_addresses_pass(void **state)
{
	static const char *const four[] = { "1.0.0.0",	   "126.255.255.255", "128.0.0.1",
					    "169.253.1.1", "169.255.0.1",     "223.255.255.254" };
	static const char *const six[] = { "64:ff9b::102:304", "2001::1",     "fc00::1", "fdff::1",
					   "fec0::1",	       "::1:0:0:0:1", "::1:0:0" };

	for (unsigned i = 0; i < 13; i++) {
		const char *addr = i < 6 ? four[i] : six[i - 6];
		const struct probe from = { .from = addr,
					    .to = i < 6 ? "198.51.100.7" : "2001:db8:ffff::7" };
		const struct probe to = { .from = i < 6 ? "10.0.0.5" : "2001:db8:1::5",
					  .to = addr };
		struct support *s = setup();

		assert_int_equal(route(s, &from, LAN)->verdict, PACKET_TX);
		assert_int_equal(route(s, &to, LAN)->verdict, PACKET_TX);
		teardown(s);
	}
	(void)state;
}

/* A foreign source that falls on the same bit as one of ours is looked up, and passes. */
static void sources_that_only_look_like_ours_pass(void **state)
{
	const struct probe probe = { .from = "10.0.0.77", .to = "198.51.100.7" };
	const struct probe probe6 = { .from = "2001:db8:1::77", .to = "2001:db8:ffff::7" };
	struct support *s = setup();

	memset(s->fib.own.bits, 0xff, sizeof(s->fib.own.bits));
	assert_int_equal(route(s, &probe, LAN)->verdict, PACKET_TX);
	assert_int_equal(route(s, &probe6, LAN)->verdict, PACKET_TX);
	teardown(s);
	(void)state;
}

static void an_own_address_that_went_is_foreign(void **state)
{
	const struct probe probe = { .from = "10.0.0.1", .to = "198.51.100.7" };
	const struct ip_addr own = support_addr("10.0.0.1");
	struct support *s = setup();

	own_filter_add(&s->fib.own, &own); /* twice: on two interfaces */
	own_filter_del(&s->fib.own, &own);
	assert_int_equal(route(s, &probe, LAN)->reason, own_reason("own_source"));
	own_filter_del(&s->fib.own, &own);
	assert_false(own_filter_maybe4(&s->fib.own, bytes_load32(own.addr.s6_addr + 12)));
	support_route(s, "10.0.0.1/32", 0);
	assert_int_equal(route(s, &probe, LAN)->verdict, PACKET_TX);
	teardown(s);
	(void)state;
}

static void source_routes_are_refused(void **state)
{
	static const struct {
		struct probe probe;
		uint16_t told;
		uint32_t detail;
	} cases[] = {
		{ { V4, BYTES("\x83\x07\x04\x0a\x01\x01\x01\0") }, 0x0305, 0 },
		{ { V4, BYTES("\x01\x89\x07\x04\x0a\x01\x01\x01") }, 0x0305, 0 },
		{ { V6, BYTES("\x11\0\0\x01\0\0\0\0"), .extension = 43 }, 0x0400, 42 },
		{ { V6, BYTES("\x2b\0\x01\x04\0\0\0\0\x11\0\0\x01\0\0\0\0"), .extension = 0 },
		  0x0400,
		  50 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct support *s = setup();
		struct packet *p = route(s, &cases[i].probe, LAN);

		assert_int_equal(p->reason, own_reason("source_route"));
		assert_told(s, cases[i].told, cases[i].detail);
		teardown(s);
	}
	(void)state;
}

static void other_options_are_carried(void **state)
{
	static const struct probe carried[] = {
		{ V4, BYTES("\x07\x07\x04\0\0\0\0\0") },
		{ V4, BYTES("\x44\x08\x05\0\0\0\0\0") },
		{ V4, BYTES("\x94\x04\0\0") },
		{ V4, BYTES("\x01\x01\x01\0") },
		{ V6, BYTES("\x11\0\x05\x02\0\0\x01\0"), .extension = 0 },
		{ V6, BYTES("\x11\0\x04\x01\0\0\0\0"), .extension = 43 },
		{ V6, BYTES("\x11\0\0\x11\0\0\0\x09"), .extension = 44 },
	};

	for (unsigned i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		const unsigned header = i < 4 ? 20 : 40;
		struct support *s = setup();
		struct packet *p = route(s, &carried[i], LAN);

		assert_int_equal(p->verdict, PACKET_TX);
		assert_memory_equal(packet_l3(p) + header, carried[i].options,
				    carried[i].options_len);
		s->n_sent = 0; /* the upper layer's checksum is behind them */
		if (i < 4)
			assert_int_equal(support_checksum(packet_l3(p),
							  header + carried[i].options_len, 0),
					 0);
		teardown(s);
	}
	(void)state;
}

static void broken_options_are_a_parameter_problem(void **state)
{
	const struct probe probe = { V4, BYTES("\x01\x07\x01\0") };
	struct support *s = setup();

	assert_int_equal(route(s, &probe, LAN)->reason, own_reason("ip_options"));
	assert_told(s, 0x0c00, 22u << 24);
	teardown(s);
	(void)state;
}

static void what_leaves_where_it_came_in_is_redirected_and_forwarded(void **state)
{
	static const struct probe probes[] = { { V4 }, { V6 } };

	for (unsigned i = 0; i < 4; i++) {
		struct support *s = setup();
		struct packet *p;

		conf.redirects = i < 2;
		support_hop(s, HOP_TEST, NEXTHOP_FORWARD, LAN, i & 1 ? "fe80::9" : "10.0.0.9");
		support_route(s, i & 1 ? "2001:db8:ffff::/48" : "198.51.100.0/24", HOP_TEST);
		p = route(s, &probes[i & 1], LAN);
		assert_int_equal(p->verdict, PACKET_TX);
		assert_int_equal(packet_l3(p)[i & 1 ? 7 : 8], 63);
		assert_int_equal(s->n_sent, conf.redirects ? 2 : 1);
		if (conf.redirects) {
			assert_int_equal(s->sent[1].data[14 + (i & 1 ? 40 : 20)], i & 1 ? 137 : 5);
			assert_memory_equal(s->sent[1].data, "\x02\xaa", 2);
		}
		teardown(s);
	}
	(void)state;
}

static void a_burst_of_everything_is_accounted_for(void **state)
{
	static const struct probe probes[] = {
		{ V4 },
		{ V6 },
		{ V4, .ttl = 1 },
		{ V6, .ttl = 1 },
		{ V4, .group = true },
		{ .from = "127.0.0.1", .to = "198.51.100.7" },
		{ V4, .ip_len = 1500 },
		{ V6, .ip_len = 1500 },
		{ V4, .ip_len = 1500, .fragment = 0x4000 },
		{ .from = "10.0.0.5", .to = "192.0.2.99" },
	};
	struct support *s = setup();
	struct packet *packets[BURST_MAX];

	s->hop[HOP_WAN].mtu = 1400;
	s->hop[HOP_WAN6].mtu = 1400;
	for (unsigned i = 0; i < BURST_MAX; i++)
		packets[i] = support_probe(s, &probes[i % 10], LAN);
	support_run(s, &router, packets, BURST_MAX);
	assert_int_equal(s->counters.waiting, 6);
	assert_int_equal(s->counters.drops[DROP_FRAGMENTED], 6);
	assert_int_equal(s->counters.drops[DROP_TOO_BIG], 12);
	assert_int_equal(s->counters.drops[own_reason("ttl_exceeded")], 14);
	assert_int_equal(s->counters.icmp_sent, 26);
	assert_int_equal(s->n_sent, 14 + 26 + 12);
	teardown(s);
	(void)state;
}

/* --- what nobody sends but an enemy --- */

static const struct probe corpus[] = {
	{ V4 },
	{ V6 },
	{ V4, .ttl = 1 },
	{ V6, .ttl = 1 },
	{ V4, .vlan = 5 },
	{ V6, .vlan = 5, .outer_vlan = 6 },
	{ V4, .protocol = 6 },
	{ V6, .protocol = 6 },
	{ V4, .protocol = 1, .icmp_type = 8 },
	{ V6, .protocol = 58, .icmp_type = 128 },
	{ V4, .fragment = 0x2000 },
	{ V4, .fragment = 0x2010 },
	{ V4, BYTES("\x83\x07\x04\x0a\x01\x01\x01\0") },
	{ V4, BYTES("\x01\x07\x01\0") },
	{ V4, BYTES("\x07\x0b\x04\0\0\0\0\0\0\0\0\0\x82\x03\x63\0"), .ip_len = 300 },
	{ V6, BYTES("\x2b\0\x01\x04\0\0\0\0\x11\0\0\x01\0\0\0\0"), .extension = 0 },
	{ V6, BYTES("\x11\0\0\x11\0\0\0\x09"), .extension = 44 },
	{ V6, BYTES("\x11\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), .extension = 51 },
	{ .from = "fe80::5", .to = "2001:db8:ffff::7" },
	{ .from = "10.0.0.5", .to = "10.0.0.99" },
	{ .from = "10.0.0.5", .to = "203.0.113.1" },
	{ V4, .ip_len = 300 },
	{ V6, .ip_len = 1300 },
};
#define CORPUS (sizeof(corpus) / sizeof(corpus[0]))

/* Small MTU, hairpins, failed neighbours: all branches can be reached. */
static struct support *hostile_world(void)
{
	struct support *s = setup();

	s->hop[HOP_WAN].mtu = 280;
	s->hop[HOP_WAN6].mtu = 1280;
	support_hop(s, HOP_TEST, NEXTHOP_FORWARD, LAN, "10.0.0.9");
	support_route(s, "203.0.113.0/24", HOP_TEST);
	support_neighbour(s, LAN, "10.0.0.99", NEXTHOP_FAILED);
	return s;
}

static void every_truncation_is_survived(void **state)
{
	for (unsigned i = 0; i < CORPUS; i++) {
		struct support *s = hostile_world();
		uint8_t frame[2048];
		const uint32_t len = support_build(&corpus[i], frame);

		for (uint32_t n = 0; n <= len; n++) {
			struct packet *p = support_packet(s, frame, n, LAN);

			support_run(s, &router, &p, 1);
			assert_true(n == len || p->verdict == PACKET_DROP);
			s->n_sent = 0;
		}
		teardown(s);
	}
	(void)state;
}

/* The header checksum of IPv4 would hide most damage: it is made right again. */
static void heal(uint8_t *frame, uint32_t len)
{
	uint8_t *ip = frame + 14;
	const uint32_t header = (ip[0] & 15) * 4u;

	if (len >= 34 && ip[0] >> 4 == 4 && header + 14 <= len) {
		bytes_put16(ip + 10, 0);
		bytes_put16(ip + 10, support_checksum(ip, header, 0));
	}
}

static void random_damage_is_survived(void **state)
{
	srandom(20240608);
	for (unsigned round = 0; round < 40; round++) {
		struct support *s = hostile_world();

		for (unsigned i = 0; i < CORPUS * 20; i++) {
			struct packet *p = support_probe(s, &corpus[i % CORPUS], (uint16_t)(i & 1));
			const uint32_t len = p->len;

			for (long k = random() % 4; k >= 0; k--) {
				const uint32_t at = (uint32_t)random() % (k & 1 ? len : 60);

				p->data[at] = (uint8_t)(random() % 3 ? random() : random() % 3 - 1);
			}
			heal(p->data, len);
			support_run(s, &router, &p, 1);
			if (i % 7 == 0) {
				s->dp.now_ns += 100000000;
				neighbour_wait_poll(&s->dp);
			}
			/* an IPv4 header that leaves is right, whatever is in it */
			for (unsigned k = 0; k < s->n_sent; k++) {
				const uint8_t *ip = s->sent[k].data + s->sent[k].l3;

				if (ip[0] >> 4 == 4)
					assert_int_equal(support_checksum(ip, (ip[0] & 15) * 4u, 0),
							 0);
			}
			s->n_sent = 0;
		}
		teardown(s);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_leaves_by_its_route_with_ttl_one_less),
		cmocka_unit_test(ttl_one_is_answered_with_time_exceeded),
		cmocka_unit_test(ttl_ends_at_one_for_both_families),
		cmocka_unit_test(ttl_one_to_ourselves_is_no_error),
		cmocka_unit_test(the_checksum_follows_the_ttl),
		cmocka_unit_test(impossible_addresses_are_refused_without_a_word),
		cmocka_unit_test(frames_for_a_group_are_not_forwarded),
		cmocka_unit_test(link_local_senders_learn_their_scope),
		cmocka_unit_test(ordinary_addresses_pass),
		cmocka_unit_test(sources_that_only_look_like_ours_pass),
		cmocka_unit_test(an_own_address_that_went_is_foreign),
		cmocka_unit_test(source_routes_are_refused),
		cmocka_unit_test(other_options_are_carried),
		cmocka_unit_test(broken_options_are_a_parameter_problem),
		cmocka_unit_test(what_leaves_where_it_came_in_is_redirected_and_forwarded),
		cmocka_unit_test(a_burst_of_everything_is_accounted_for),
		cmocka_unit_test(every_truncation_is_survived),
		cmocka_unit_test(random_damage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
