/* SPDX-License-Identifier: Apache-2.0 */
/* The parser: what it finds, what it refuses, and that it never reads past the packet. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/parse.h"
#include "support_packet.h"

#define V4 .from = "10.0.0.5", .to = "198.51.100.7"
#define V6 .from = "2001:db8:1::5", .to = "2001:db8:ffff::7"
#define BYTES(text) .options = text, .options_len = sizeof(text) - 1

struct expected {
	const char *what;
	struct probe probe;
	uint16_t reason;
	uint16_t l3, l4;
	uint8_t protocol, flags;
	uint16_t vlan, outer;
};

/* One of every kind; the flags that a plain UDP packet has are PKT_L4_COMPLETE. */
static const struct expected packets[] = {
	{ "plain IPv4", { V4 }, 0, 14, 34, 17, PKT_L4_COMPLETE, 0, 0 },
	{ "plain IPv6", { V6 }, 0, 14, 54, 17, PKT_L4_COMPLETE, 0, 0 },
	{ "tag, IPv4", { V4, .vlan = 100 }, 0, 18, 38, 17, PKT_L4_COMPLETE, 100, 0 },
	{ "tag, IPv6", { V6, .vlan = 4094 }, 0, 18, 58, 17, PKT_L4_COMPLETE, 4094, 0 },
	{ "two tags", { V4, .vlan = 7, .outer_vlan = 9 }, 0, 22, 42, 17, PKT_L4_COMPLETE, 7, 9 },
	{ "service tag alone", { V4, .outer_vlan = 9 }, 0, 18, 38, 17, PKT_L4_COMPLETE, 0, 9 },
	{ "broadcast frame",
	  { V4, .group = true },
	  0,
	  14,
	  34,
	  17,
	  PKT_L4_COMPLETE | PKT_L2_GROUP,
	  0,
	  0 },
	{ "TCP, IPv4", { V4, .protocol = 6 }, 0, 14, 34, 6, PKT_L4_COMPLETE, 0, 0 },
	{ "TCP, a byte short", { V4, .protocol = 6, .ip_len = 39 }, 0, 14, 34, 6, 0, 0, 0 },
	{ "UDP header exactly", { V4, .ip_len = 28 }, 0, 14, 34, 17, PKT_L4_COMPLETE, 0, 0 },
	{ "header alone", { V4, .ip_len = 20 }, 0, 14, 34, 17, 0, 0, 0 },
	{ "unknown protocol",
	  { V4, .protocol = 99, .ip_len = 20 },
	  0,
	  14,
	  34,
	  99,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "IPv4 first fragment",
	  { V4, .fragment = 0x2000 },
	  0,
	  14,
	  34,
	  17,
	  PKT_L4_COMPLETE | PKT_FRAGMENT,
	  0,
	  0 },
	{ "IPv4 later fragment",
	  { V4, .fragment = 0x2010 },
	  0,
	  14,
	  34,
	  17,
	  PKT_FRAGMENT | PKT_LATER_FRAGMENT,
	  0,
	  0 },
	{ "IPv4 last fragment",
	  { V4, .fragment = 0x0010 },
	  0,
	  14,
	  34,
	  17,
	  PKT_FRAGMENT | PKT_LATER_FRAGMENT,
	  0,
	  0 },
	{ "IPv4 DF", { V4, .fragment = 0x4000 }, 0, 14, 34, 17, PKT_L4_COMPLETE, 0, 0 },
	{ "IPv4 record route",
	  { V4, BYTES("\x07\x07\x04\0\0\0\0\0") },
	  0,
	  14,
	  42,
	  17,
	  PKT_L4_COMPLETE | PKT_IP_OPTIONS,
	  0,
	  0 },
	{ "IPv4 LSRR",
	  { V4, BYTES("\x01\x83\x07\x04\x0a\x01\x01\x01") },
	  0,
	  14,
	  42,
	  17,
	  PKT_L4_COMPLETE | PKT_IP_OPTIONS | PKT_SOURCE_ROUTE,
	  0,
	  0 },
	{ "IPv4 SSRR",
	  { V4, BYTES("\x89\x07\x04\x0a\x01\x01\x01\0") },
	  0,
	  14,
	  42,
	  17,
	  PKT_L4_COMPLETE | PKT_IP_OPTIONS | PKT_SOURCE_ROUTE,
	  0,
	  0 },
	{ "IPv4 SSRR behind the end of the list",
	  { V4, BYTES("\0\x89\x07\x04\x0a\x01\x01\x01") },
	  0,
	  14,
	  42,
	  17,
	  PKT_L4_COMPLETE | PKT_IP_OPTIONS,
	  0,
	  0 },
	{ "IPv4 option of length 0",
	  { V4, BYTES("\x07\0\0\0") },
	  0,
	  14,
	  38,
	  17,
	  PKT_L4_COMPLETE | PKT_IP_OPTIONS,
	  0,
	  0 },
	{ "hop-by-hop",
	  { V6, BYTES("\x11\0\x05\x02\0\0\0\0"), .extension = 0 },
	  0,
	  14,
	  62,
	  17,
	  PKT_L4_COMPLETE | PKT_IP_OPTIONS,
	  0,
	  0 },
	{ "destination options of 16",
	  { V6, BYTES("\x11\x01\x01\x0c\0\0\0\0\0\0\0\0\0\0\0\0"), .extension = 60 },
	  0,
	  14,
	  70,
	  17,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "routing type 0",
	  { V6, BYTES("\x11\0\0\x01\0\0\0\0"), .extension = 43 },
	  0,
	  14,
	  62,
	  17,
	  PKT_L4_COMPLETE | PKT_SOURCE_ROUTE,
	  0,
	  0 },
	{ "routing type 4",
	  { V6, BYTES("\x11\0\x04\x01\0\0\0\0"), .extension = 43 },
	  0,
	  14,
	  62,
	  17,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "authentication header",
	  { V6, BYTES("\x11\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), .extension = 51 },
	  0,
	  14,
	  78,
	  17,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "IPv6 first fragment",
	  { V6, BYTES("\x11\0\0\x01\0\0\0\x09"), .extension = 44 },
	  0,
	  14,
	  62,
	  17,
	  PKT_L4_COMPLETE | PKT_FRAGMENT,
	  0,
	  0 },
	{ "IPv6 later fragment",
	  { V6, BYTES("\x3c\0\0\x11\0\0\0\x09"), .extension = 44 },
	  0,
	  14,
	  62,
	  60,
	  PKT_FRAGMENT | PKT_LATER_FRAGMENT,
	  0,
	  0 },
	{ "IPv6 atomic fragment",
	  { V6, BYTES("\x11\0\0\0\0\0\0\x09"), .extension = 44 },
	  0,
	  14,
	  62,
	  17,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "no next header",
	  { V6, .protocol = 59, .ip_len = 40 },
	  0,
	  14,
	  54,
	  59,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "mobility header, a protocol like any",
	  { V6, .protocol = 135, .ip_len = 48 },
	  0,
	  14,
	  54,
	  135,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "unknown behind options",
	  { V6, BYTES("\xc8\0\x01\x04\0\0\0\0"), .extension = 60 },
	  0,
	  14,
	  62,
	  200,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "no next header behind options",
	  { V6, BYTES("\x3b\0\x01\x04\0\0\0\0"), .extension = 60 },
	  0,
	  14,
	  62,
	  59,
	  PKT_L4_COMPLETE,
	  0,
	  0 },
	{ "first fragment that ends in its options",
	  { V6, BYTES("\x3c\0\0\x01\0\0\0\x09\x11\x01\x01\x04\0\0\0\0"), .extension = 44,
	    .ip_len = 56 },
	  DROP_FRAGMENT_TINY,
	  0,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "first fragment that ends before its options",
	  { V6, BYTES("\x3c\0\0\x01\0\0\0\x09"), .extension = 44, .ip_len = 48 },
	  DROP_FRAGMENT_TINY,
	  0,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "a fragment in an atomic fragment",
	  { V6, BYTES("\x2c\0\0\0\0\0\0\x09\x11\0\0\x40\0\0\0\x0a"), .extension = 44 },
	  DROP_IP6_EXTENSIONS,
	  0,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "hop-by-hop in second place",
	  { V6, BYTES("\0\0\x01\x04\0\0\0\0\x11\0\x01\x04\0\0\0\0"), .extension = 60 },
	  DROP_IP6_EXTENSIONS,
	  0,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "extension beyond the datagram",
	  { V6, BYTES("\x11\x20\x01\x04\0\0\0\0"), .extension = 60 },
	  DROP_IP6_EXTENSIONS,
	  0,
	  0,
	  0,
	  0,
	  0,
	  0 },
};

static void each_kind_of_packet_is_understood(void **state)
{
	for (unsigned i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		const struct expected *e = &packets[i];
		struct support *s = support_new();
		struct packet *p = support_probe(s, &e->probe, LAN);
		const uint16_t reason = parse_packet(p);

		if (reason != e->reason)
			fail_msg("%s: %s", e->what, drops_name(reason));
		if (!reason &&
		    (p->l3 != e->l3 || p->l4 != e->l4 || p->protocol != e->protocol ||
		     p->flags != e->flags || p->vlan != e->vlan || p->outer_vlan != e->outer))
			fail_msg("%s: l3 %u l4 %u protocol %u flags %#x vlan %u/%u", e->what, p->l3,
				 p->l4, p->protocol, p->flags, p->vlan, p->outer_vlan);
		support_free(s);
	}
	(void)state;
}

/* Change bytes of a good IPv4 or IPv6 packet; `fix`: the header checksum is made right again. */
static uint16_t parse_changed(const struct probe *probe, uint32_t at, uint16_t to, bool fix)
{
	struct support *s = support_new();
	struct packet *p = support_probe(s, probe, LAN);
	uint8_t *ip = p->data + 14;
	uint16_t reason;

	bytes_put16(p->data + at, to);
	if (fix) {
		bytes_put16(ip + 10, 0);
		bytes_put16(ip + 10, support_checksum(ip, 20, 0));
	}
	reason = parse_packet(p);
	support_free(s);
	return reason;
}

static void broken_headers_are_refused(void **state)
{
	static const struct probe four = { V4 }, six = { V6 };

	assert_int_equal(parse_changed(&four, 12, 0x0806, false), DROP_NOT_IP);
	assert_int_equal(parse_changed(&four, 12, 0x0000, false), DROP_NOT_IP);
	assert_int_equal(parse_changed(&four, 12, 0x0040, false), DROP_NOT_IP);
	assert_int_equal(parse_changed(&four, 14, 0x6500, true), DROP_IP4_HEADER);
	assert_int_equal(parse_changed(&four, 14, 0x4400, true), DROP_IP4_HEADER);
	assert_int_equal(parse_changed(&four, 16, 19, true), DROP_IP4_HEADER);
	assert_int_equal(parse_changed(&four, 16, 101, true), DROP_TRUNCATED);
	assert_int_equal(parse_changed(&four, 24, 0x1234, false), DROP_IP4_CHECKSUM);
	assert_int_equal(parse_changed(&six, 14, 0x4000, false), DROP_IP6_HEADER);
	assert_int_equal(parse_changed(&six, 18, 61, false), DROP_TRUNCATED);
	assert_int_equal(parse_changed(&six, 18, 0xffff, false), DROP_IP6_HEADER);
	(void)state;
}

static void a_jumbogram_is_refused(void **state)
{
	const struct probe probe = { V6, BYTES("\x11\0\xc2\x04\0\x01\0\0") };
	struct support *s = support_new();
	struct packet *p = support_probe(s, &probe, LAN);

	bytes_put16(p->data + 18, 0); /* RFC 2675: no payload length, but a hop-by-hop header */
	assert_int_equal(parse_packet(p), DROP_IP6_EXTENSIONS);
	support_free(s);
	(void)state;
}

static void a_third_tag_is_refused(void **state)
{
	const struct probe probe = { V4, .vlan = 5, .outer_vlan = 6 };
	struct support *s = support_new();
	struct packet *p = support_probe(s, &probe, LAN);

	bytes_put16(p->data + 20, 0x8100);
	assert_int_equal(parse_packet(p), DROP_VLAN);
	support_free(s);
	(void)state;
}

static void a_priority_tag_is_no_vlan(void **state)
{
	const struct probe probe = { V4, .vlan = 0xe000 };
	struct support *s = support_new();
	struct packet *p = support_probe(s, &probe, LAN);

	assert_int_equal(parse_packet(p), DROP_NONE);
	assert_int_equal(p->vlan, 0);
	assert_int_equal(p->l3, 18);
	support_free(s);
	(void)state;
}

static void padding_is_cut_off(void **state)
{
	const struct probe probe = { V4, .ip_len = 29, .vlan = 3 };
	struct support *s = support_new();
	uint8_t frame[256] = { 0 };
	struct packet *p;

	support_build(&probe, frame);
	p = support_packet(s, frame, 64, LAN);
	assert_int_equal(parse_packet(p), DROP_NONE);
	assert_int_equal(p->len, 47);
	assert_int_equal(p->first_len, 47);
	support_free(s);
	(void)state;
}

static void nine_extension_headers_are_too_many(void **state)
{
	char headers[9 * 8] = { 0 };

	for (unsigned n = 8; n <= 9; n++) {
		const struct probe probe = { V6, .options = headers, .options_len = n * 8,
					     .extension = 60, .ip_len = 200 };
		struct support *s = support_new();
		struct packet *p;

		for (unsigned i = 0; i < n; i++)
			headers[i * 8] = i + 1 < n ? 60 : 17;
		p = support_probe(s, &probe, LAN);
		assert_int_equal(parse_packet(p), n == 8 ? DROP_NONE : DROP_IP6_CHAIN);
		support_free(s);
	}
	(void)state;
}

static void headers_beyond_the_first_frame_are_not_read(void **state)
{
	for (unsigned i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct support *s = support_new();
		uint8_t frame[512];
		const uint32_t len = support_build(&packets[i].probe, frame);

		for (uint32_t first = 0; first < len; first++) {
			struct packet *p = support_packet(s, frame, first, LAN);

			p->len = len;
			p->segments = 1;
			if (parse_packet(p) == DROP_NONE) {
				assert_true(p->l4 <= first);
				assert_int_equal(p->len, len);
				assert_int_equal(p->first_len, first);
			}
		}
		support_free(s);
	}
	(void)state;
}

static void every_truncation_is_refused(void **state)
{
	for (unsigned i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct support *s = support_new();
		uint8_t frame[512];
		const uint32_t len = support_build(&packets[i].probe, frame);

		for (uint32_t n = 0; n < len; n++)
			assert_int_not_equal(parse_packet(support_packet(s, frame, n, LAN)), 0);
		support_free(s);
	}
	(void)state;
}

static void random_damage_is_survived(void **state)
{
	srandom(20240607);
	for (unsigned round = 0; round < 60; round++) {
		struct support *s = support_new();

		for (unsigned i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
			struct packet *p = support_probe(s, &packets[i].probe, LAN);
			uint8_t *ip;

			for (unsigned k = 0; k < 1 + round % 4; k++)
				p->data[(uint32_t)random() % p->len] = (uint8_t)random();
			ip = p->data + 14;
			if (p->len >= 34 && (ip[0] & 15) * 4u + 14 <= p->len && ip[0] >> 4 == 4) {
				bytes_put16(ip + 10, 0);
				bytes_put16(ip + 10, support_checksum(ip, (ip[0] & 15) * 4u, 0));
			}
			if (parse_packet(p) == DROP_NONE) {
				assert_true(p->l3 + p->ip_len == p->len);
				assert_true(p->l4 <= p->len);
				assert_true(!(p->flags & PKT_L4_COMPLETE) || p->l4 <= p->first_len);
				assert_true(parse_ip6_extension(p, IPPROTO_ROUTING) < p->len ||
					    p->ip_version == 4);
			}
		}
		support_free(s);
	}
	(void)state;
}

static uint32_t hash_of(const struct probe *probe)
{
	struct support *s = support_new();
	struct packet *p = support_probe(s, probe, LAN);
	uint32_t hash;

	assert_int_equal(parse_packet(p), DROP_NONE);
	hash = p->hash;
	support_free(s);
	return hash;
}

static void a_flow_has_one_hash_and_others_have_others(void **state)
{
	const struct probe four = { V4 }, six = { V6 };
	const struct probe port4 = { V4, .sport = 1001 }, port6 = { V6, .dport = 2001 };
	const struct probe long4 = { V4, .ip_len = 1400, .ttl = 3, .id = 9, .vlan = 4 };
	const struct probe tcp = { V4, .protocol = 6 };

	const struct probe back4 = { .from = "198.51.100.7", .to = "10.0.0.5" };
	const struct probe back6 = { .from = "2001:db8:ffff::7", .to = "2001:db8:1::5" };

	assert_int_equal(hash_of(&four), hash_of(&long4));
	assert_int_not_equal(hash_of(&four), hash_of(&back4));
	assert_int_not_equal(hash_of(&six), hash_of(&back6));
	assert_int_not_equal(hash_of(&four), hash_of(&port4));
	assert_int_not_equal(hash_of(&four), hash_of(&tcp));
	assert_int_not_equal(hash_of(&six), hash_of(&port6));
	(void)state;
}

static void all_fragments_of_a_datagram_have_one_hash(void **state)
{
	const struct probe first4 = { V4, .fragment = 0x2000 };
	const struct probe later4 = { V4, .fragment = 0x0010, .sport = 77 };
	const struct probe first6 = { V6, .extension = 44,
				      BYTES("\x3c\0\0\x01\0\0\0\x09\x11\0\x01\x04\0\0\0\0") };
	const struct probe later6 = { V6, BYTES("\x3c\0\0\x10\0\0\0\x09"), .extension = 44 };

	assert_int_equal(hash_of(&first4), hash_of(&later4));
	assert_int_equal(hash_of(&first6), hash_of(&later6));
	(void)state;
}

/* Flows that differ in one counting field, as load generators and address pools make them, fall
 * into 64 buckets of each end of the hash evenly: chi-square, 63 degrees of freedom, p = 0.0001. */
static void the_hash_spreads_flows_that_count(void **state)
{
	struct support *s = support_new();
	uint8_t frame[512];

	for (unsigned field = 0; field < 6; field++) {
		const struct probe four = { V4 }, six = { V6 };
		static const unsigned at[] = { 14 + 14, 14 + 18, 34, 36, 14 + 22, 14 + 36 };
		const uint32_t len = support_build(field < 4 ? &four : &six, frame);
		unsigned low[64] = { 0 }, high[64] = { 0 };
		const unsigned flows = 64 * 100;
		double chi_low = 0, chi_high = 0;

		for (unsigned i = 0; i < flows; i++) {
			struct packet p = { .data = frame, .len = len, .first_len = (uint16_t)len };

			bytes_put16(frame + at[field], (uint16_t)i);
			bytes_put16(frame + 24, 0);
			if (field < 4)
				bytes_put16(frame + 24, support_checksum(frame + 14, 20, 0));
			assert_int_equal(parse_packet(&p), DROP_NONE);
			low[p.hash & 63]++;
			high[p.hash >> 26]++;
		}
		for (unsigned i = 0; i < 64; i++) {
			chi_low += (low[i] - 100.0) * (low[i] - 100.0) / 100;
			chi_high += (high[i] - 100.0) * (high[i] - 100.0) / 100;
		}
		assert_true(chi_low < 113);
		assert_true(chi_high < 113);
	}
	support_free(s);
	(void)state;
}

static void broken_options_are_pointed_at(void **state)
{
	static const struct {
		uint8_t options[8];
		bool good;
		uint8_t problem, source_route;
	} cases[] = {
		{ { 1, 1, 1, 1, 0, 9, 9, 9 }, true, 0, 0 },
		{ { 7, 8, 4, 0, 0, 0, 0, 0 }, true, 0, 0 },
		{ { 7, 9, 4, 0, 0, 0, 0, 0 }, false, 21, 0 },
		{ { 1, 1, 7, 1, 0, 0, 0, 0 }, false, 23, 0 },
		{ { 1, 1, 1, 1, 1, 1, 1, 7 }, false, 27, 0 },
		{ { 131, 3, 4, 7, 0, 0, 0, 0 }, false, 24, 20 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip4_options found;
		uint8_t ip[28];

		memcpy(ip + 20, cases[i].options, 8);
		assert_int_equal(parse_ip4_options(ip, 28, &found), cases[i].good);
		assert_int_equal(found.problem, cases[i].problem);
		assert_int_equal(found.source_route, cases[i].source_route);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_packet_is_understood),
		cmocka_unit_test(broken_headers_are_refused),
		cmocka_unit_test(a_jumbogram_is_refused),
		cmocka_unit_test(a_third_tag_is_refused),
		cmocka_unit_test(a_priority_tag_is_no_vlan),
		cmocka_unit_test(padding_is_cut_off),
		cmocka_unit_test(nine_extension_headers_are_too_many),
		cmocka_unit_test(headers_beyond_the_first_frame_are_not_read),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(random_damage_is_survived),
		cmocka_unit_test(a_flow_has_one_hash_and_others_have_others),
		cmocka_unit_test(all_fragments_of_a_datagram_have_one_hash),
		cmocka_unit_test(the_hash_spreads_flows_that_count),
		cmocka_unit_test(broken_options_are_pointed_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
