/* SPDX-License-Identifier: Apache-2.0 */
/* Our own ICMP errors: about what, to whom, from where, how long, how many. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/egress.h"
#include "src/icmp.h"
#include "src/neighbour_wait.h"
#include "src/parse.h"
#include "support_packet.h"

#define V4 .from = "10.0.0.5", .to = "198.51.100.7"
#define V6 .from = "2001:db8:1::5", .to = "2001:db8:ffff::7"

static struct packet *parsed(struct support *s, const struct probe *probe)
{
	struct packet *p = support_probe(s, probe, LAN);

	assert_int_equal(parse_packet(p), DROP_NONE);
	return p;
}

/* Ask for an error about a packet; the IP header of what was sent, or NULL. */
static const uint8_t *error_about(struct support *s, const struct packet *p,
				  enum icmp_error_kind kind, uint32_t detail)
{
	const unsigned before = s->n_sent;

	icmp_error(&s->dp, p, kind, detail);
	egress_flush(&s->dp);
	assert_true(support_balanced(s));
	if (s->n_sent == before)
		return NULL;
	assert_int_equal(s->n_sent, before + 1);
	assert_true(support_checksums_good(s->sent[before].data + 14, s->sent[before].len - 14));
	return s->sent[before].data + 14;
}

static const uint8_t *error_for(struct support *s, const struct probe *probe)
{
	return error_about(s, parsed(s, probe), ICMP_ERROR_TTL, 0);
}

static void the_message_has_the_form_of_the_rfcs(void **state)
{
	struct support *s = support_new();
	const struct probe four = { V4 }, six = { V6 };
	struct packet *p = parsed(s, &four);
	const uint8_t *ip = error_about(s, p, ICMP_ERROR_TTL, 0);

	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], 0xc0); /* RFC 1812 4.3.2.5 */
	assert_int_equal(bytes_get16(ip + 2), 128);
	assert_int_equal(bytes_get16(ip + 6), 0);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], 1);
	assert_int_equal(bytes_get32(ip + 12), 0x0a000001);
	assert_int_equal(bytes_get32(ip + 16), 0x0a000005);
	assert_int_equal(bytes_get16(ip + 20), 0x0b00);
	assert_int_equal(bytes_get32(ip + 24), 0);
	assert_memory_equal(ip + 28, packet_l3(p), 100);
	p = parsed(s, &six);
	ip = error_about(s, p, ICMP_ERROR_TTL, 0);
	assert_int_equal(bytes_get32(ip), 0x6c000000);
	assert_int_equal(bytes_get16(ip + 4), 108);
	assert_int_equal(ip[6], 58);
	assert_int_equal(ip[7], 64);
	assert_memory_equal(ip + 8, support_addr("2001:db8:1::1").addr.s6_addr, 16);
	assert_memory_equal(ip + 24, support_addr("2001:db8:1::5").addr.s6_addr, 16);
	assert_int_equal(bytes_get16(ip + 40), 0x0300);
	assert_memory_equal(ip + 48, packet_l3(p), 100);
	assert_int_equal(s->sent[1].iface, LAN);
	assert_int_equal(s->counters.icmp_sent, 2);
	support_free(s);
	(void)state;
}

static void each_error_has_its_type_code_and_detail(void **state)
{
	static const struct {
		enum icmp_error_kind kind;
		uint16_t four, six;
		uint32_t detail, word4, word6;
	} cases[] = {
		{ ICMP_ERROR_TTL, 0x0b00, 0x0300, 0, 0, 0 },
		{ ICMP_ERROR_NET_UNREACHABLE, 0x0300, 0x0100, 0, 0, 0 },
		{ ICMP_ERROR_HOST_UNREACHABLE, 0x0301, 0x0103, 0, 0, 0 },
		{ ICMP_ERROR_ROUTE_UNREACHABLE, 0x0301, 0x0100, 0, 0, 0 },
		{ ICMP_ERROR_PORT_UNREACHABLE, 0x0303, 0x0104, 0, 0, 0 },
		{ ICMP_ERROR_PROHIBITED, 0x030d, 0x0101, 0, 0, 0 },
		{ ICMP_ERROR_SOURCE_ROUTE, 0x0305, 0x0400, 42, 0, 42 },
		{ ICMP_ERROR_TOO_BIG, 0x0304, 0x0200, 1400, 1400, 1400 },
		{ ICMP_ERROR_TOO_BIG, 0x0304, 0x0200, 70000, 0xffff, 70000 },
		{ ICMP_ERROR_PARAMETER, 0x0c00, 0x0400, 21, 21u << 24, 21 },
		{ ICMP_ERROR_SCOPE, 0x0301, 0x0102, 0, 0, 0 },
	};
	const struct probe four = { V4 }, six = { V6 };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct support *s = support_new();
		const uint8_t *ip =
			error_about(s, parsed(s, &four), cases[i].kind, cases[i].detail);

		assert_int_equal(bytes_get16(ip + 20), cases[i].four);
		assert_int_equal(bytes_get32(ip + 24), cases[i].word4);
		ip = error_about(s, parsed(s, &six), cases[i].kind, cases[i].detail);
		assert_int_equal(bytes_get16(ip + 40), cases[i].six);
		assert_int_equal(bytes_get32(ip + 44), cases[i].word6);
		support_free(s);
	}
	(void)state;
}

static void as_much_is_quoted_as_the_rfcs_allow(void **state)
{
	static const uint16_t lengths[] = { 28, 547, 548, 549, 1500 };
	static const uint16_t lengths6[] = { 48, 1231, 1232, 1233, 1500 };

	for (unsigned i = 0; i < 5; i++) {
		const struct probe four = { V4, .ip_len = lengths[i] };
		const struct probe six = { V6, .ip_len = lengths6[i] };
		struct support *s = support_new();
		struct packet *p = parsed(s, &four);
		unsigned quote = lengths[i] < 548 ? lengths[i] : 548;
		const uint8_t *ip = error_about(s, p, ICMP_ERROR_TTL, 0);

		assert_int_equal(bytes_get16(ip + 2), 28 + quote);
		assert_int_equal(s->sent[0].len, 14 + 28 + quote);
		assert_memory_equal(ip + 28, packet_l3(p), quote);
		p = parsed(s, &six);
		quote = lengths6[i] < 1232 ? lengths6[i] : 1232;
		ip = error_about(s, p, ICMP_ERROR_TTL, 0);
		assert_int_equal(bytes_get16(ip + 4), 8 + quote);
		assert_memory_equal(ip + 48, packet_l3(p), quote);
		support_free(s);
	}
	(void)state;
}

/* A packet in several frames may have something behind its end: that is no part of it. */
static void a_trailer_is_not_quoted(void **state)
{
	const struct probe probe = { V4 };
	struct support *s = support_new();
	uint8_t frame[300] = { 0 };
	struct packet *p;

	support_build(&probe, frame);
	p = support_packet(s, frame, sizeof(frame), LAN);
	p->segments = 1;
	assert_int_equal(parse_packet(p), DROP_NONE);
	assert_int_equal(bytes_get16(error_about(s, p, ICMP_ERROR_TTL, 0) + 2), 128);
	support_free(s);
	(void)state;
}

static void nobody_is_told_who_must_not_be(void **state)
{
	static const struct probe silent[] = {
		{ .from = "0.0.0.0", .to = "198.51.100.7" },
		{ .from = "127.0.0.1", .to = "198.51.100.7" },
		{ .from = "224.0.0.1", .to = "198.51.100.7" },
		{ .from = "255.255.255.255", .to = "198.51.100.7" },
		{ .from = "10.0.0.5", .to = "224.0.0.9" },
		{ .from = "10.0.0.5", .to = "255.255.255.255" },
		{ V4, .group = true },
		{ V4, .fragment = 0x2010 },
		{ V4, .fragment = 0x0001 },
		{ V4, .protocol = 1, .icmp_type = 3 },
		{ V4, .protocol = 1, .icmp_type = 4 },
		{ V4, .protocol = 1, .icmp_type = 5 },
		{ V4, .protocol = 1, .icmp_type = 11 },
		{ V4, .protocol = 1, .icmp_type = 12 },
		{ V4, .protocol = 1, .icmp_type = 77 },
		{ V4, .protocol = 1, .icmp_type = 8, .ip_len = 24 },
		{ .from = "::", .to = "2001:db8:ffff::7" },
		{ .from = "::1", .to = "2001:db8:ffff::7" },
		{ .from = "ff02::1", .to = "2001:db8:ffff::7" },
		{ .from = "2001:db8:1::5", .to = "ff0e::7" },
		{ V6, .group = true },
		{ V6, .protocol = 58, .icmp_type = 1 },
		{ V6, .protocol = 58, .icmp_type = 2 },
		{ V6, .protocol = 58, .icmp_type = 3 },
		{ V6, .protocol = 58, .icmp_type = 4 },
		{ V6, .protocol = 58, .icmp_type = 127 },
		{ V6, .protocol = 58, .icmp_type = 137 },
		{ V6, .protocol = 58, .icmp_type = 128, .ip_len = 44 },
		{ V6, .extension = 44, .options = "\x11\0\0\x11\0\0\0\x09", .options_len = 8 },
	};
	struct support *s = support_new();

	for (unsigned i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		if (error_for(s, &silent[i]))
			fail_msg("case %u was answered", i);
	assert_int_equal(s->counters.originated, 0);
	support_free(s);
	(void)state;
}

static void first_fragments_and_queries_are_answered(void **state)
{
	static const struct probe answered[] = {
		{ V4, .fragment = 0x2000 },
		{ V4, .protocol = 1, .icmp_type = 8 },
		{ V4, .protocol = 1, .icmp_type = 0 },
		{ V4, .protocol = 1, .icmp_type = 13 },
		{ V4, .protocol = 99, .ip_len = 20 },
		{ V6, .protocol = 58, .icmp_type = 128 },
		{ V6, .protocol = 58, .icmp_type = 129 },
		{ V6, .extension = 44, .options = "\x11\0\0\x01\0\0\0\x09", .options_len = 8 },
	};
	struct support *s = support_new();

	for (unsigned i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
		if (!error_for(s, &answered[i]))
			fail_msg("case %u was not answered", i);
	support_free(s);
	(void)state;
}

static void marked_packets_are_not_answered(void **state)
{
	const struct probe probe = { V4 };
	struct support *s = support_new();
	struct packet *p = parsed(s, &probe);

	p->flags |= PKT_NO_ERROR;
	assert_null(error_about(s, p, ICMP_ERROR_TTL, 0));
	p->flags ^= PKT_NO_ERROR | PKT_ORIGINATED;
	assert_null(error_about(s, p, ICMP_ERROR_TTL, 0));
	support_free(s);
	(void)state;
}

static uint32_t source4_of(struct support *s, const char *from)
{
	const struct probe probe = { .from = from, .to = "198.51.100.7" };
	const uint8_t *ip = error_for(s, &probe);

	return ip ? bytes_get32(ip + 12) : 0;
}

static void the_source_is_the_best_address_there_is(void **state)
{
	struct support *s = support_new();
	struct interface *lan = &s->iface[LAN];

	lan->addr4[1].addr = htonl(0x0a010001);
	lan->addr4[1].len = 16;
	lan->n4 = 2;
	support_route(s, "10.1.0.0/16", HOP_LAN_LINK);
	support_neighbour(s, LAN, "10.1.0.5", NEXTHOP_FORWARD);
	support_route(s, "10.9.0.0/16", HOP_WAN);
	assert_int_equal(source4_of(s, "10.0.0.5"), 0x0a000001);
	assert_int_equal(source4_of(s, "10.1.0.5"), 0x0a010001); /* that subnet's */
	assert_int_equal(source4_of(s, "10.9.0.5"), 0x0a000001); /* the first */
	lan->n4 = 0;
	assert_int_equal(source4_of(s, "10.9.0.5"), 0xc0000201); /* of the way back */
	assert_int_equal(source4_of(s, "10.1.0.5"), 0xc0000201); /* of any */
	s->iface[WAN].n4 = 0;
	assert_int_equal(source4_of(s, "10.9.0.5"), 0);
	assert_int_equal(s->counters.drops[DROP_ICMP_NO_SOURCE], 1);
	support_free(s);
	(void)state;
}

static void a_group_is_a_way_back_as_well(void **state)
{
	static const uint32_t buckets[] = { HOP_WAN, HOP_WAN };
	struct support *s = support_new();
	struct nexthop *group = support_hop(s, HOP_TEST, NEXTHOP_GROUP, WAN, NULL);
	const struct probe probe = { .from = "10.9.0.5", .to = "198.51.100.7" };
	struct packet *p = parsed(s, &probe);

	group->buckets = buckets;
	group->bucket_mask = 1;
	support_route(s, "10.9.0.0/16", HOP_TEST);
	p->iface = 7; /* came in by an interface that is gone */
	assert_int_equal(bytes_get32(error_about(s, p, ICMP_ERROR_TTL, 0) + 12), 0xc0000201);
	support_free(s);
	(void)state;
}

static const uint8_t *source6_of(struct support *s, const char *from)
{
	const struct probe probe = { .from = from, .to = "2001:db8:ffff::7" };
	const uint8_t *ip = error_for(s, &probe);

	return ip ? ip + 8 : NULL;
}

static void an_ip6_source_has_the_scope_of_the_destination(void **state)
{
	struct support *s = support_new();
	struct interface *lan = &s->iface[LAN];

	support_neighbour(s, LAN, "fe80::5", NEXTHOP_FORWARD);
	assert_memory_equal(source6_of(s, "2001:db8:1::5"),
			    support_addr("2001:db8:1::1").addr.s6_addr, 16);
	assert_memory_equal(source6_of(s, "fe80::5"), support_addr("fe80::1").addr.s6_addr, 16);
	lan->addr6[0] = lan->addr6[1]; /* link-local alone: unnumbered */
	lan->n6 = 1;
	support_route(s, "2001:db8:9::/48", HOP_WAN6);
	assert_memory_equal(source6_of(s, "2001:db8:9::5"),
			    support_addr("2001:db8:2::1").addr.s6_addr, 16);
	assert_memory_equal(source6_of(s, "2001:db8:1::5"),
			    support_addr("2001:db8:2::1").addr.s6_addr, 16);
	lan->n6 = 0;
	assert_null(source6_of(s, "fe80::5")); /* WAN's link-local one is of another link */
	s->iface[WAN].n6 = 0;
	assert_null(source6_of(s, "2001:db8:1::5"));
	support_free(s);
	(void)state;
}

static void a_link_local_sender_is_answered_on_its_link(void **state)
{
	const struct probe probe = { .from = "fe80::77", .to = "2001:db8:ffff::7" };
	struct support *s = support_new();

	/* not by the default route, and not before it is resolved */
	assert_null(error_for(s, &probe));
	assert_int_equal(s->counters.waiting, 1);
	assert_int_equal(s->n_asked, 1);
	assert_int_equal(s->asked[0].iface, LAN);
	assert_memory_equal(s->asked[0].addr.addr.s6_addr, support_addr("fe80::77").addr.s6_addr,
			    16);
	support_neighbour(s, LAN, "fe80::77", NEXTHOP_FORWARD);
	s->dp.now_ns += 1000000;
	neighbour_wait_poll(&s->dp);
	assert_int_equal(s->n_sent, 1);
	assert_int_equal(s->sent[0].iface, LAN);
	assert_int_equal(s->sent[0].data[5], 0x77);
	support_free(s);
	(void)state;
}

static void port_unreachable_comes_from_the_address_asked(void **state)
{
	const struct probe probe = { V4 };
	struct support *s = support_new();
	const uint8_t *ip = error_about(s, parsed(s, &probe), ICMP_ERROR_PORT_UNREACHABLE, 0);

	assert_int_equal(bytes_get32(ip + 12), 0xc6336407);
	support_free(s);
	(void)state;
}

static unsigned errors_sent(struct support *s, unsigned tries)
{
	const struct probe probe = { V4 };
	unsigned sent = 0;

	for (unsigned i = 0; i < tries; i++)
		sent += error_for(s, &probe) != NULL;
	return sent;
}

static void errors_are_limited_to_a_rate_and_a_burst(void **state)
{
	struct support *s = support_new();

	s->dp.icmp_rate = 100;
	assert_int_equal(errors_sent(s, 60), 50); /* room for three traceroutes at once */
	assert_int_equal(s->counters.drops[DROP_ICMP_RATE], 10);
	assert_int_equal(s->counters.icmp_sent, 50);
	s->dp.now_ns += 10000000;
	assert_int_equal(errors_sent(s, 5), 1);
	s->dp.now_ns += 100000000;
	assert_int_equal(errors_sent(s, 60), 10);
	s->dp.now_ns += 3600 * 1000000000ull;
	assert_int_equal(errors_sent(s, 60), 50);
	support_free(s);
	s = support_new();
	s->dp.icmp_rate = 1000;
	assert_int_equal(errors_sent(s, 150), 100);
	support_free(s);
	s = support_new();
	s->dp.icmp_rate = 0;
	assert_int_equal(errors_sent(s, 5), 0);
	support_free(s);
	(void)state;
}

static void a_frame_shortage_is_counted(void **state)
{
	struct support *s = support_new();

	s->frames_left = 0;
	assert_int_equal(errors_sent(s, 1), 0);
	assert_int_equal(s->counters.drops[DROP_NO_FRAME], 1);
	assert_int_equal(s->counters.icmp_sent, 0);
	support_free(s);
	(void)state;
}

/* A redirect about a packet that came in by LAN and leaves by nh. */
static const uint8_t *redirect(struct support *s, const struct probe *probe,
			       const struct nexthop *nh)
{
	const unsigned before = s->n_sent;

	icmp_redirect(&s->dp, parsed(s, probe), nh);
	egress_flush(&s->dp);
	assert_true(support_balanced(s));
	return s->n_sent > before ? s->sent[before].data + 14 : NULL;
}

static void a_neighbour_is_told_of_the_better_router(void **state)
{
	const struct probe four = { V4, .ip_len = 99 }, six = { V6, .ip_len = 99 };
	struct support *s = support_new();
	const struct nexthop *nh = support_hop(s, HOP_TEST, NEXTHOP_FORWARD, LAN, "10.0.0.254");
	const struct nexthop *nh6 = support_hop(s, HOP_TEST + 1, NEXTHOP_FORWARD, LAN, "fe80::254");
	const uint8_t *ip = redirect(s, &four, nh);

	assert_non_null(ip);
	assert_int_equal(bytes_get16(ip + 20), 0x0501);
	assert_int_equal(bytes_get32(ip + 24), 0x0a0000fe);
	assert_int_equal(bytes_get32(ip + 12), 0x0a000001);
	assert_int_equal(bytes_get32(ip + 16), 0x0a000005);
	assert_memory_equal(ip + 28, parsed(s, &four)->data + 14, 99);
	ip = redirect(s, &six, nh6);
	assert_non_null(ip);
	assert_int_equal(ip[7], 255);
	assert_memory_equal(ip + 8, support_addr("fe80::1").addr.s6_addr, 16);
	assert_int_equal(bytes_get16(ip + 40), 137 << 8);
	assert_int_equal(bytes_get32(ip + 44), 0);
	assert_memory_equal(ip + 48, support_addr("fe80::254").addr.s6_addr, 16);
	assert_memory_equal(ip + 64, support_addr("2001:db8:ffff::7").addr.s6_addr, 16);
	assert_memory_equal(ip + 80, "\x02\x01", 2);
	assert_memory_equal(ip + 82, nh6->l2, 6);
	assert_memory_equal(ip + 88, "\x04\x0e\0\0\0\0\0\0", 8);
	assert_memory_equal(ip + 96, parsed(s, &six)->data + 14, 99);
	assert_memory_equal(ip + 195, "\0\0\0\0\0", 5);
	assert_int_equal(s->sent[1].len, 14 + 40 + 56 + 104);
	for (unsigned i = 0; i < 2; i++)
		assert_true(support_checksums_good(s->sent[i].data + 14, s->sent[i].len - 14));
	support_free(s);
	(void)state;
}

static void a_neighbour_is_told_that_the_destination_is_on_its_link(void **state)
{
	static const struct probe probes[] = {
		{ .from = "10.0.0.5", .to = "10.0.0.6" },
		{ .from = "2001:db8:1::5", .to = "2001:db8:1::6" },
		{ .from = "fe80::5", .to = "2001:db8:1::6" },
	};

	for (unsigned i = 0; i < 3; i++) {
		struct support *s = support_new();
		const uint8_t *ip;

		support_neighbour(s, LAN, "fe80::5", NEXTHOP_FORWARD);
		support_neighbour(s, LAN, probes[i].to, NEXTHOP_FORWARD);
		ip = redirect(s, &probes[i], &s->neighbour[s->n_neighbours - 1]);
		assert_non_null(ip);
		if (i)
			assert_memory_equal(ip + 48, ip + 64, 16);
		else
			assert_int_equal(bytes_get32(ip + 24), 0x0a000006);
		support_free(s);
	}
	(void)state;
}

static void a_redirect_fits_into_the_smallest_mtu(void **state)
{
	const struct probe four = { V4, .ip_len = 1500 }, six = { V6, .ip_len = 1500 };
	struct support *s = support_new();

	support_hop(s, HOP_TEST, NEXTHOP_FORWARD, LAN, "10.0.0.254");
	support_hop(s, HOP_TEST + 1, NEXTHOP_FORWARD, LAN, "fe80::254");
	assert_non_null(redirect(s, &four, &s->hop[HOP_TEST]));
	assert_non_null(redirect(s, &six, &s->hop[HOP_TEST + 1]));
	assert_int_equal(s->sent[0].len, 14 + 576);
	assert_int_equal(s->sent[1].len, 14 + 1280);
	support_free(s);
	(void)state;
}

static void who_is_no_neighbour_is_not_redirected(void **state)
{
	static const struct {
		struct probe probe;
		const char *gateway;
	} cases[] = {
		{ { .from = "172.16.0.5", .to = "198.51.100.7" }, "10.0.0.254" },
		{ { V4 }, "10.99.0.254" },
		{ { .from = "10.0.0.5", .to = "10.0.0.77" }, "fe80::254" },
		{ { .from = "10.0.0.254", .to = "198.51.100.7" }, "10.0.0.254" },
		{ { V4, .options = "\x83\x07\x04\x0a\x01\x01\x01\0", .options_len = 8 },
		  "10.0.0.254" },
		{ { .from = "2001:db8:77::5", .to = "2001:db8:ffff::7" }, "fe80::254" },
		{ { V6 }, "2001:db8:1::254" }, /* RFC 4861 4.5: a router's is link-local */
		{ { V4, .protocol = 1, .icmp_type = 3 }, "10.0.0.254" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct support *s = support_new();

		support_hop(s, HOP_TEST, NEXTHOP_FORWARD, LAN, cases[i].gateway);
		if (redirect(s, &cases[i].probe, &s->hop[HOP_TEST]))
			fail_msg("case %u was redirected", i);
		assert_int_equal(s->counters.originated, 0);
		support_free(s);
	}
	(void)state;
}

static void the_same_redirect_is_sent_once_a_second(void **state)
{
	const struct probe probe = { V4 }, other = { .from = "10.0.0.5", .to = "198.51.100.8" };
	struct support *s = support_new();

	support_hop(s, HOP_TEST, NEXTHOP_FORWARD, LAN, "10.0.0.254");
	assert_non_null(redirect(s, &probe, &s->hop[HOP_TEST]));
	for (unsigned i = 0; i < 1000; i++)
		assert_null(redirect(s, &probe, &s->hop[HOP_TEST]));
	assert_non_null(redirect(s, &other, &s->hop[HOP_TEST]));
	s->dp.now_ns += 999999999;
	assert_null(redirect(s, &probe, &s->hop[HOP_TEST]));
	s->dp.now_ns += 1;
	assert_non_null(redirect(s, &probe, &s->hop[HOP_TEST]));
	/* and what was not sent took no token from other errors */
	assert_int_equal(s->counters.drops[DROP_ICMP_RATE], 0);
	support_free(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_message_has_the_form_of_the_rfcs),
		cmocka_unit_test(each_error_has_its_type_code_and_detail),
		cmocka_unit_test(as_much_is_quoted_as_the_rfcs_allow),
		cmocka_unit_test(a_trailer_is_not_quoted),
		cmocka_unit_test(nobody_is_told_who_must_not_be),
		cmocka_unit_test(first_fragments_and_queries_are_answered),
		cmocka_unit_test(marked_packets_are_not_answered),
		cmocka_unit_test(the_source_is_the_best_address_there_is),
		cmocka_unit_test(a_group_is_a_way_back_as_well),
		cmocka_unit_test(an_ip6_source_has_the_scope_of_the_destination),
		cmocka_unit_test(a_link_local_sender_is_answered_on_its_link),
		cmocka_unit_test(port_unreachable_comes_from_the_address_asked),
		cmocka_unit_test(errors_are_limited_to_a_rate_and_a_burst),
		cmocka_unit_test(a_frame_shortage_is_counted),
		cmocka_unit_test(a_neighbour_is_told_of_the_better_router),
		cmocka_unit_test(a_neighbour_is_told_that_the_destination_is_on_its_link),
		cmocka_unit_test(a_redirect_fits_into_the_smallest_mtu),
		cmocka_unit_test(who_is_no_neighbour_is_not_redirected),
		cmocka_unit_test(the_same_redirect_is_sent_once_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
