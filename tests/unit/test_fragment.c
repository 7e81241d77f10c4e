/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 fragmentation: the pieces make the datagram again. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/egress.h"
#include "src/fragment.h"
#include "src/parse.h"
#include "support_packet.h"

/* Put the sent pieces together; returns the payload's length from `base` (in 8 bytes) on, and
 * whether the last one says that more follow. */
static uint32_t reassemble(const struct support *s, unsigned base, uint8_t *payload, bool *more)
{
	uint32_t end = 0;

	for (unsigned i = 0; i < s->n_sent; i++) {
		const uint8_t *ip = s->sent[i].data + 14;
		const unsigned header = (ip[0] & 15) * 4, total = bytes_get16(ip + 2);
		const unsigned word = bytes_get16(ip + 6);
		const uint32_t at = ((word & 0x1fff) - base) * 8;

		assert_int_equal(s->sent[i].len, 14 + total);
		assert_int_equal(at, end); /* in order, without gaps */
		assert_true(support_checksums_good(ip, total));
		if (i + 1 < s->n_sent)
			assert_true(word & 0x2000);
		*more = word & 0x2000;
		memcpy(payload + at, ip + header, total - header);
		end = at + total - header;
	}
	return end;
}

static struct packet *fragment(struct support *s, struct packet *p, uint32_t mtu)
{
	s->hop[HOP_WAN].mtu = mtu;
	s->counters.rx_packets++;
	assert_int_equal(parse_packet(p), DROP_NONE);
	egress_route(&s->dp, &p, 1);
	datapath_finish(&s->dp, &p, 1);
	egress_flush(&s->dp);
	assert_true(support_balanced(s));
	return p;
}

static void pieces_make_the_datagram_again(void **state)
{
	static const uint16_t lengths[] = { 577, 600, 1000, 1472, 1500 };
	static const uint16_t mtus[] = { 68, 100, 576, 571, 999 };

	for (unsigned i = 0; i < 25; i++) {
		const struct probe probe = { .from = "10.0.0.5",
					     .to = "203.0.113.9",
					     .ip_len = lengths[i / 5],
					     .id = 0xbeef };
		struct support *s = support_new();
		struct packet *p = support_probe(s, &probe, LAN);
		uint8_t again[2000];
		bool more = true;

		if (probe.ip_len <= mtus[i % 5]) {
			support_free(s);
			continue;
		}
		fragment(s, p, mtus[i % 5]);
		assert_int_equal(p->reason, DROP_FRAGMENTED);
		assert_int_equal(reassemble(s, 0, again, &more), probe.ip_len - 20);
		assert_false(more);
		assert_memory_equal(again, packet_l4(p), probe.ip_len - 20);
		for (unsigned k = 0; k < s->n_sent; k++) {
			const uint8_t *ip = s->sent[k].data + 14;

			assert_in_range(bytes_get16(ip + 2), 21, mtus[i % 5]);
			assert_int_equal(bytes_get16(ip + 4), 0xbeef);
			assert_int_equal(ip[8], 64);
			assert_int_equal(s->sent[k].iface, WAN);
			assert_memory_equal(s->sent[k].data, s->hop[HOP_WAN].l2, 12);
			if (k + 1 < s->n_sent) /* as large as may be */
				assert_true(bytes_get16(ip + 2) + 8 > mtus[i % 5]);
		}
		support_free(s);
	}
	(void)state;
}

static void a_fragment_is_fragmented_in_its_place(void **state)
{
	for (unsigned last = 0; last < 2; last++) {
		const struct probe probe = { .from = "10.0.0.5",
					     .to = "203.0.113.9",
					     .ip_len = 1500,
					     .fragment = (uint16_t)(last ? 185 : 0x2000 | 185) };
		struct support *s = support_new();
		struct packet *p = support_probe(s, &probe, LAN);
		uint8_t again[2000];
		bool more;

		fragment(s, p, 1000);
		assert_int_equal(s->n_sent, 2);
		assert_int_equal(reassemble(s, 185, again, &more), 1480);
		assert_int_equal(more, !last);
		assert_memory_equal(again, packet_l4(p), 1480);
		support_free(s);
	}
	(void)state;
}

/* RFC 791 3.1: record route (7) stays in the first piece, the security option (130) is in all. */
static void options_are_copied_by_their_flag(void **state)
{
	static const char options[] = "\x07\x07\x04\0\0\0\0\x01\x82\x03\x63\0";
	const struct probe probe = { .from = "10.0.0.5",
				     .to = "203.0.113.9",
				     .ip_len = 1400,
				     .options = options,
				     .options_len = 12 };
	struct support *s = support_new();
	struct packet *p = support_probe(s, &probe, LAN);
	uint8_t again[2000];
	bool more;

	fragment(s, p, 600);
	assert_int_equal(s->n_sent, 3);
	assert_int_equal(reassemble(s, 0, again, &more), 1400 - 32);
	assert_memory_equal(again, packet_l4(p), 1400 - 32);
	assert_int_equal(s->sent[0].data[14], 0x48);
	assert_memory_equal(s->sent[0].data + 34, options, 12);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(s->sent[i].data[14], 0x46);
		assert_memory_equal(s->sent[i].data + 34, "\x82\x03\x63\0", 4);
	}
	support_free(s);
	(void)state;
}

static void without_frames_nothing_leaves(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "203.0.113.9", .ip_len = 1500 };

	for (unsigned frames = 0; frames < 3; frames++) {
		struct support *s = support_new();
		struct packet *p = support_probe(s, &probe, LAN);

		s->frames_left = frames;
		fragment(s, p, 600);
		assert_int_equal(p->reason, DROP_FRAGMENT_FAILED);
		assert_int_equal(s->n_sent, 0);
		assert_int_equal(s->counters.drops[DROP_FRAGMENT_FAILED], 1 + frames);
		support_free(s);
	}
	(void)state;
}

static void an_mtu_without_room_for_eight_bytes_is_refused(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "203.0.113.9" };
	struct support *s = support_new();
	struct packet *p = support_probe(s, &probe, LAN);

	fragment(s, p, 27);
	assert_int_equal(p->reason, DROP_FRAGMENT_FAILED);
	support_free(s);
	(void)state;
}

static void do_not_fragment_is_obeyed(void **state)
{
	const struct probe probe = {
		.from = "10.0.0.5", .to = "203.0.113.9", .ip_len = 1500, .fragment = 0x4000
	};
	struct support *s = support_new();
	struct packet *p = support_probe(s, &probe, LAN);

	fragment(s, p, 1400);
	assert_int_equal(p->reason, DROP_TOO_BIG);
	support_free(s);
	(void)state;
}

/* A datagram of 9000 bytes in frames of 2048, as AF_XDP delivers it. */
static struct packet *jumbo(struct support *s, const uint8_t *frame, uint32_t len)
{
	struct packet *p = support_packet(s, frame, 64, LAN);
	uint8_t *area = s->dp.umem;
	struct packet_segments *segments = (struct packet_segments *)(area + 4 * SUPPORT_FRAME);
	uint32_t done = SUPPORT_FRAME - 256;

	p->data = area + 4 * SUPPORT_FRAME + 256;
	memcpy(p->data, frame, done);
	p->len = len;
	p->first_len = (uint16_t)done;
	while (done < len) {
		/* out of order, and from the frame's headroom or its start on, as the kernel may */
		const unsigned at = p->segments % 2 ? 9 - p->segments : 10 + p->segments;
		const uint32_t offset = p->segments % 2 ? 256 : 0;
		const uint32_t n = len - done < SUPPORT_FRAME - offset ? len - done :
									 SUPPORT_FRAME - offset;
		const uint64_t addr = (uint64_t)at * SUPPORT_FRAME + offset;

		memcpy(area + addr, frame + done, n);
		segments->desc[p->segments++] = addr | (uint64_t)n << 48;
		done += n;
	}
	return p;
}

static void a_datagram_in_many_frames_is_gathered(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "203.0.113.9", .ip_len = 9000 };
	struct support *s = support_new();
	uint8_t frame[9100], again[9100];
	const uint32_t len = support_build(&probe, frame);
	struct packet *p;
	bool more;

	s->dp.umem = aligned_alloc(SUPPORT_FRAME, 32 * SUPPORT_FRAME);
	p = jumbo(s, frame, len);
	assert_in_range(p->segments, 4, 6);
	fragment(s, p, 1500);
	assert_int_equal(p->reason, DROP_FRAGMENTED);
	assert_int_equal(s->n_sent, 7);
	assert_int_equal(reassemble(s, 0, again, &more), 8980);
	assert_memory_equal(again, frame + 34, 8980);
	free(s->dp.umem);
	support_free(s);
	(void)state;
}

static void a_datagram_in_many_frames_goes_whole_where_it_fits(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "203.0.113.9", .ip_len = 9000 };
	struct support *s = support_new();
	uint8_t frame[9100];
	const uint32_t len = support_build(&probe, frame);
	struct packet *p;

	s->dp.umem = aligned_alloc(SUPPORT_FRAME, 32 * SUPPORT_FRAME);
	p = jumbo(s, frame, len);
	fragment(s, p, 9000);
	assert_int_equal(p->verdict, PACKET_TX);
	assert_int_equal(p->len, len);
	assert_int_equal(s->counters.originated, 0);
	free(s->dp.umem);
	support_free(s);
	(void)state;
}

/* Jumbo in, less jumbo out: a piece cannot be larger than a frame. */
static void pieces_fit_into_a_frame(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "203.0.113.9", .ip_len = 9000 };
	struct support *s = support_new();
	uint8_t frame[9100], again[9100];
	const uint32_t len = support_build(&probe, frame);
	bool more;

	s->dp.umem = aligned_alloc(SUPPORT_FRAME, 32 * SUPPORT_FRAME);
	assert_int_equal(fragment(s, jumbo(s, frame, len), 4000)->reason, DROP_FRAGMENTED);
	assert_int_equal(reassemble(s, 0, again, &more), 8980);
	assert_memory_equal(again, frame + 34, 8980);
	free(s->dp.umem);
	support_free(s);
	(void)state;
}

/* A descriptor whose frames hold less than its header says. */
static void missing_bytes_are_noticed(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "203.0.113.9", .ip_len = 9000 };
	struct support *s = support_new();
	uint8_t frame[9100];
	const uint32_t len = support_build(&probe, frame);
	struct packet *p;

	s->dp.umem = aligned_alloc(SUPPORT_FRAME, 32 * SUPPORT_FRAME);
	p = jumbo(s, frame, len);
	p->segments--;
	fragment(s, p, 1500);
	assert_int_equal(p->reason, DROP_FRAGMENT_FAILED);
	assert_int_equal(s->n_sent, 0);
	free(s->dp.umem);
	support_free(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_make_the_datagram_again),
		cmocka_unit_test(a_fragment_is_fragmented_in_its_place),
		cmocka_unit_test(options_are_copied_by_their_flag),
		cmocka_unit_test(without_frames_nothing_leaves),
		cmocka_unit_test(an_mtu_without_room_for_eight_bytes_is_refused),
		cmocka_unit_test(do_not_fragment_is_obeyed),
		cmocka_unit_test(a_datagram_in_many_frames_is_gathered),
		cmocka_unit_test(a_datagram_in_many_frames_goes_whole_where_it_fits),
		cmocka_unit_test(pieces_fit_into_a_frame),
		cmocka_unit_test(missing_bytes_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
