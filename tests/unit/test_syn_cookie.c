/* SPDX-License-Identifier: Apache-2.0 */
/* SYN cookies, and the sequence numbers of flows that began with one. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/flow_seq.h"
#include "src/parse.h"
#include "src/syn_cookie.h"
#include "support_packet.h"

#define SLOT (1ull << 35)

static struct flow_key some_key(unsigned family)
{
	struct flow_key key = { .family = (uint8_t)family, .protocol = IPPROTO_TCP };

	if (family == 4) {
		key.v4 = (struct flow_tuple4){ inet_addr("10.0.0.5"), inet_addr("198.51.100.7"),
					       htons(1000), htons(80) };
	} else {
		inet_pton(AF_INET6, "2001:db8:1::5", &key.v6.source);
		inet_pton(AF_INET6, "2001:db8:2::5", &key.v6.destination);
		key.v6.sport = htons(1000);
		key.v6.dport = htons(80);
	}
	return key;
}

static void a_cookie_brings_back_what_the_syn_offered(void **state)
{
	static const struct {
		struct syn_options offered, kept;
		unsigned family;
	} cases[] = {
		{ { 1460, 7, true }, { 1460, 7, true }, 4 },
		{ { 1460, 14, true }, { 1460, 10, true }, 4 },
		{ { 1459, 6, true }, { 1440, 5, true }, 4 },
		{ { 1460, 7, false }, { 1460, SYN_NO_SCALE, false }, 4 },
		{ { 1400, SYN_NO_SCALE, true }, { 1300, SYN_NO_SCALE, true }, 4 },
		{ { 9000, 0, true }, { 1460, 0, true }, 4 },
		{ { 536, SYN_NO_SCALE, false }, { 536, SYN_NO_SCALE, false }, 4 },
		{ { 1440, 8, true }, { 1440, 8, true }, 6 },
		{ { 1220, 1, true }, { 1220, 0, true }, 6 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct flow_key key = some_key(cases[i].family);
		struct syn_options made = cases[i].offered, checked;
		const uint32_t cookie = syn_cookie_make(&key, 4711 + i, 100 * SLOT + 5, &made);

		assert_true(syn_cookie_check(&key, 4711 + i, cookie, 100 * SLOT + 9, &checked));
		assert_int_equal(made.mss, cases[i].kept.mss);
		assert_int_equal(made.scale, cases[i].kept.scale);
		assert_int_equal(made.sack, cases[i].kept.sack);
		assert_int_equal(checked.mss, made.mss);
		assert_int_equal(checked.scale, made.scale);
		assert_int_equal(checked.sack, made.sack);
	}
	(void)state;
}

static void a_cookie_is_good_in_its_slot_and_the_next(void **state)
{
	const struct flow_key key = some_key(4);
	struct syn_options options = { 1460, 7, true };
	const uint32_t cookie = syn_cookie_make(&key, 1, 100 * SLOT, &options);

	assert_true(syn_cookie_check(&key, 1, cookie, 101 * SLOT - 1, &options));
	assert_true(syn_cookie_check(&key, 1, cookie, 102 * SLOT - 1, &options));
	for (unsigned later = 2; later < 20; later++)
		assert_false(syn_cookie_check(&key, 1, cookie, (100 + later) * SLOT, &options));
	(void)state;
}

static void a_cookie_is_good_for_its_own_connection_only(void **state)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		const struct flow_key key = some_key(family);
		struct syn_options options = { 1460, 7, true };
		const uint32_t cookie = syn_cookie_make(&key, 1, 100 * SLOT, &options);
		const unsigned size = family == 4 ? 12 : 36;
		unsigned good = 0;

		assert_false(syn_cookie_check(&key, 2, cookie, 100 * SLOT, &options));
		for (unsigned bit = 0; bit < size * 8; bit++) {
			struct flow_key other = key;

			((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1 << bit % 8);
			good += syn_cookie_check(&other, 1, cookie, 100 * SLOT, &options);
		}
		for (unsigned bit = 0; bit < 32; bit++)
			good += syn_cookie_check(&key, 1, cookie ^ 1u << bit, 100 * SLOT, &options);
		assert_int_equal(good, 0);
	}
	(void)state;
}

static void guesses_are_hardly_ever_good(void **state)
{
	const struct flow_key key = some_key(4);
	struct syn_options options;
	uint32_t x = 12345;
	unsigned good = 0;

	for (unsigned i = 0; i < 1000000; i++) {
		x = x * 1664525 + 1013904223;
		good += syn_cookie_check(&key, i, x, 100 * SLOT, &options);
	}
	assert_true(good < 5);
	(void)state;
}

static void options_are_read_whatever_they_are(void **state)
{
	static const struct {
		uint8_t options[12];
		unsigned len;
		struct syn_options expected;
	} cases[] = {
		{ { 2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 0, 0 }, 12, { 1460, 7, true } },
		{ { 1, 1, 2, 4, 5, 0xb4 }, 8, { 1460, SYN_NO_SCALE, false } },
		{ { 3, 3, 200, 0 }, 4, { 536, 14, false } },
		{ { 2, 0, 5, 0xb4, 4, 2 }, 8, { 536, SYN_NO_SCALE, false } },
		{ { 2, 9, 5, 0xb4 }, 4, { 536, SYN_NO_SCALE, false } },
		{ { 0, 4, 2, 0 }, 4, { 536, SYN_NO_SCALE, false } },
		{ { 1, 1, 1, 2 }, 4, { 536, SYN_NO_SCALE, false } },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *tcp = calloc(1, 20 + cases[i].len);
		struct syn_options options;

		tcp[12] = (uint8_t)((20 + cases[i].len) / 4 << 4);
		memcpy(tcp + 20, cases[i].options, cases[i].len);
		syn_options_read(tcp, 20 + cases[i].len, false, &options);
		assert_int_equal(options.mss, cases[i].expected.mss);
		assert_int_equal(options.scale, cases[i].expected.scale);
		assert_int_equal(options.sack, cases[i].expected.sack);
		free(tcp);
	}
	(void)state;
}

/* --- sequence numbers --- */

/* A TCP packet of 40 bytes of TCP header: NOP, SACK with one block at an odd place, NOPs. */
static struct packet *tcp_packet(struct support *s, bool odd)
{
	const struct probe probe = { .from = "10.0.0.5",
				     .to = "198.51.100.7",
				     .protocol = IPPROTO_TCP,
				     .tcp_flags = 0x10,
				     .seq = 1000,
				     .ack = 0xfffffff0,
				     .window = 300,
				     .ip_len = 100 };
	uint8_t frame[256], *tcp = frame + 34;
	const uint32_t len = support_build(&probe, frame);
	struct packet *p;

	tcp[12] = 10 << 4;
	memset(tcp + 20, 1, 20);
	tcp[20 + odd] = 5;
	tcp[21 + odd] = 10;
	bytes_put32(tcp + 22 + odd, 0xfffffffe);
	bytes_put32(tcp + 26 + odd, 100);
	bytes_store16(tcp + 16, 0);
	bytes_put16(tcp + 16,
		    support_checksum(tcp, 80, 0x0a00 + 0x0005 + 0xc633 + 0x6407 + 6 + 80));
	p = support_packet(s, frame, len, LAN);
	assert_int_equal(parse_packet(p), 0);
	assert_true(support_checksums_good(packet_l3(p), 100));
	return p;
}

static void what_the_client_acknowledges_is_taken_on(void **state)
{
	for (unsigned odd = 0; odd < 2; odd++) {
		struct support *s = support_new();
		struct packet *p = tcp_packet(s, odd);
		const struct flow6 flow = { .seq_offset = 0x12345678 };
		const uint8_t *tcp = packet_l4(p);

		flow_seq_write(&flow, FLOW_ORIGINAL, p);
		assert_int_equal(bytes_get32(tcp + 4), 1000);
		assert_int_equal(bytes_get32(tcp + 8), 0x12345678 - 16);
		assert_int_equal(bytes_get32(tcp + 22 + odd), 0x12345676);
		assert_int_equal(bytes_get32(tcp + 26 + odd), 0x12345678 + 100);
		assert_true(support_checksums_good(packet_l3(p), 100));
		support_free(s);
	}
	(void)state;
}

static void what_the_server_sends_is_taken_back_and_its_window_scaled(void **state)
{
	static const struct {
		uint8_t real, told;
		uint16_t window;
	} cases[] = { { 7, 7, 300 }, { 0, 7, 2 }, { 9, 7, 1200 }, { 14, 0, 65535 }, { 0, 14, 1 } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct support *s = support_new();
		struct packet *p = tcp_packet(s, false);
		const struct flow6 flow = { .seq_offset = 2000,
					    .scale = { cases[i].real, cases[i].told } };
		const uint8_t *tcp = packet_l4(p);

		flow_seq_write(&flow, FLOW_REPLY, p);
		assert_int_equal(bytes_get32(tcp + 4), 0u - 1000);
		assert_int_equal(bytes_get32(tcp + 8), 0xfffffff0);
		assert_int_equal(bytes_get16(tcp + 14), cases[i].window);
		assert_true(support_checksums_good(packet_l3(p), 100));
		support_free(s);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_brings_back_what_the_syn_offered),
		cmocka_unit_test(a_cookie_is_good_in_its_slot_and_the_next),
		cmocka_unit_test(a_cookie_is_good_for_its_own_connection_only),
		cmocka_unit_test(guesses_are_hardly_ever_good),
		cmocka_unit_test(options_are_read_whatever_they_are),
		cmocka_unit_test(what_the_client_acknowledges_is_taken_on),
		cmocka_unit_test(what_the_server_sends_is_taken_back_and_its_window_scaled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
