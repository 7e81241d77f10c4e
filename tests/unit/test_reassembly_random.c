/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shallow reassembly against a model of it, on random fragments; and on random damage, under limits
 * and time-outs, that each packet is finished exactly once.
 *
 * Each packet carries its number in its source MAC address, so that its end can be told apart from
 * all others'.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/parse.h"
#include "support_fragment.h"
#include "support_packet.h"

#define MS 1000000ull
#define PACKETS 500 /* of one round */
#define IDS 8
#define EIGHTS 24
#define NO_END 0xffff /* not finished: it waits */
#define SENT 0xfffe

static uint16_t ends[PACKETS];
static unsigned numbered;

static unsigned below(unsigned n)
{
	return (unsigned)random() % n;
}

static void record_end(struct support *s, const struct packet *p)
{
	const unsigned number = bytes_get32(p->data + 8);

	assert_true(number < numbered);
	assert_int_equal(ends[number], NO_END);
	ends[number] = p->verdict == PACKET_TX ? SENT : p->reason;
	(void)s;
}

static struct packet *numbered_packet(struct support *s, const struct cut *cut)
{
	struct packet *p = support_cut(s, cut);

	bytes_put32(p->data + 8, numbered);
	ends[numbered++] = NO_END;
	return p;
}

static struct support *start(const struct reassembly_config *config)
{
	struct support *s = support_new();

	assert_int_equal(reassembly_new(&s->dp.reassembly, config), 0);
	s->finished = record_end;
	numbered = 0;
	return s;
}

/* Nothing is left, and all of them were finished. */
static void finish(struct support *s)
{
	reassembly_drop_all(&s->dp);
	assert_int_equal(s->counters.held, 0);
	assert_int_equal(reassembly_stats(s->dp.reassembly)->datagrams, 0);
	assert_true(support_balanced(s));
	for (unsigned i = 0; i < numbered; i++)
		assert_int_not_equal(ends[i], NO_END);
	reassembly_free(s->dp.reassembly);
	support_free(s);
}

/* --- the model: lists that are looked through from end to end --- */

struct model {
	bool passed, deciding, dead, denied;
	uint16_t reason;
	unsigned n, n_held;
	struct cut piece[PACKETS];
	unsigned held[PACKETS];
};

static struct model models[2 * IDS];
static uint16_t expected[PACKETS];

static unsigned eights(unsigned bytes)
{
	return (bytes + 7) / 8;
}

static uint16_t model_check(const struct model *m, const struct cut *f)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct cut *o = &m->piece[i];

		if (!o->more && (f->end > o->end || (!f->more && f->end != o->end)))
			return DROP_FRAGMENT_LENGTH;
		if (!f->more && o->end > f->end)
			return DROP_FRAGMENT_LENGTH;
	}
	for (unsigned i = 0; i < m->n; i++)
		if (m->piece[i].start == f->start && eights(m->piece[i].end) == eights(f->end))
			return DROP_FRAGMENT_DUPLICATE;
	for (unsigned i = 0; i < m->n; i++)
		if (m->piece[i].start / 8 < eights(f->end) &&
		    f->start / 8 < eights(m->piece[i].end))
			return DROP_FRAGMENT_OVERLAP;
	return DROP_NONE;
}

static bool model_complete(const struct model *m)
{
	unsigned total = 0, sum = 0;

	for (unsigned i = 0; i < m->n; i++) {
		sum += m->piece[i].end - m->piece[i].start;
		if (!m->piece[i].more)
			total = m->piece[i].end;
	}
	return total && sum == total;
}

static void model_end_held(struct model *m, uint16_t how)
{
	for (unsigned i = 0; i < m->n_held; i++)
		expected[m->held[i]] = how;
	m->n_held = 0;
}

static void model_kill(struct model *m, uint16_t reason)
{
	model_end_held(m, reason);
	m->dead = true;
	m->deciding = false;
	m->reason = reason;
}

static void model_dead(struct model *m, const struct cut *f, unsigned number)
{
	expected[number] = m->reason;
	if (m->reason != DROP_FRAGMENT_DENIED || model_check(m, f))
		return;
	m->piece[m->n++] = *f;
	if (model_complete(m))
		memset(m, 0, sizeof(*m));
}

static bool is_tiny(const struct cut *f)
{
	return f->protocol == IPPROTO_TCP && (f->start ? f->start == 8 : f->end < 20);
}

static void model_input(struct model *m, const struct cut *f, unsigned number)
{
	uint16_t reason;

	if (f->end == f->start || (f->more && (f->end - f->start) % 8)) {
		expected[number] = DROP_FRAGMENT_LENGTH;
		return;
	}
	if (m->dead) {
		model_dead(m, f, number);
		return;
	}
	reason = is_tiny(f) ? DROP_FRAGMENT_TINY : model_check(m, f);
	if (reason) {
		expected[number] = reason;
		if (reason != DROP_FRAGMENT_DUPLICATE)
			model_kill(m, reason);
		return;
	}
	m->piece[m->n++] = *f;
	if (!f->start) {
		m->denied = f->dport == DENIED_PORT;
		expected[number] = m->denied ? DROP_PROHIBIT : SENT;
		m->deciding = true;
	} else if (m->passed) {
		expected[number] = SENT;
		if (model_complete(m))
			memset(m, 0, sizeof(*m));
	} else {
		m->held[m->n_held++] = number;
		expected[number] = NO_END;
	}
}

static void model_burst_ends(void)
{
	for (unsigned i = 0; i < 2 * IDS; i++) {
		struct model *m = &models[i];

		if (!m->deciding)
			continue;
		m->deciding = false;
		m->passed = !m->denied;
		if (m->denied)
			model_kill(m, DROP_FRAGMENT_DENIED);
		else
			model_end_held(m, SENT);
		if (model_complete(m))
			memset(m, 0, sizeof(*m));
	}
}

/* --- random fragments --- */

/* Mostly pieces of one way to cut the datagram of that id, so that some become complete; sometimes
 * anything. */
static struct cut random_cut(void)
{
	const unsigned id = below(IDS), step = 3 + id % 4, total = 8 * step * (2 + id % 3) - id % 8;
	const unsigned pieces = (total + 8 * step - 1) / (8 * step), i = below(pieces);
	struct cut cut = { .family = 4 + 2 * below(2), .id = id };

	cut.protocol = id % 4 == 3 ? IPPROTO_TCP : IPPROTO_UDP;
	if (id == 5)
		cut.dport = DENIED_PORT;
	cut.start = i * 8 * step;
	cut.end = i + 1 < pieces ? cut.start + 8 * step : total;
	cut.more = i + 1 < pieces;
	if (!below(12)) {
		cut.start = 8 * below(EIGHTS);
		cut.end = cut.start + (below(4) ? 8 * below(6) : below(48));
		cut.more = below(5);
	}
	if (!cut.start) /* all of it in one is no fragment */
		cut.more = true;
	return cut;
}

static void compare(unsigned round)
{
	for (unsigned i = 0; i < numbered; i++)
		if (ends[i] != expected[i])
			fail_msg("round %u, packet %u: %u (%s), the model says %u (%s)", round, i,
				 ends[i], drops_name(ends[i]), expected[i],
				 drops_name(expected[i]));
}

static void agrees_with_the_model_on_random_fragments(void **state)
{
	const struct reassembly_config config = { .held = 4096,
						  .held_source = 4096,
						  .held_datagram = 4096 };
	unsigned seen[DROP_ENGINE_COUNT] = { 0 }, sent = 0;

	srandom(20261123);
	for (unsigned round = 0; round < 250; round++) {
		struct support *s = start(&config);

		memset(models, 0, sizeof(models));
		while (numbered < PACKETS) {
			const unsigned room = PACKETS - numbered, most = 1 + below(1 + round % 32);
			const unsigned n = most < room ? most : room;
			struct packet *packets[BURST_MAX];

			for (unsigned i = 0; i < n; i++) {
				const struct cut cut = random_cut();

				packets[i] = numbered_packet(s, &cut);
				model_input(&models[cut.id * 2 + (cut.family == 6)], &cut,
					    numbered - 1);
			}
			model_burst_ends();
			support_stage(s, packets, n);
			assert_true(support_balanced(s));
			compare(round);
		}
		for (unsigned i = 0; i < numbered; i++) {
			if (ends[i] < DROP_ENGINE_COUNT)
				seen[ends[i]]++;
			sent += ends[i] == SENT;
		}
		finish(s);
	}
	/* it was about something */
	assert_true(sent > 10000);
	assert_true(seen[DROP_FRAGMENT_OVERLAP] > 1000 && seen[DROP_FRAGMENT_LENGTH] > 1000);
	assert_true(seen[DROP_FRAGMENT_DUPLICATE] > 1000 && seen[DROP_FRAGMENT_DENIED] > 1000);
	assert_true(seen[DROP_FRAGMENT_TINY] > 1000);
	(void)state;
}

/* --- limits, time, damage --- */

static void damage(struct packet *p)
{
	uint8_t *ip = p->data + 14;

	for (unsigned i = below(4); i; i--)
		ip[below(below(2) ? 60 : 20) % (p->len - 14)] = (uint8_t)random();
	if (ip[0] >> 4 == 4 && (ip[0] & 15) * 4u + 14 <= p->len) {
		bytes_put16(ip + 10, 0);
		bytes_put16(ip + 10, support_checksum(ip, (ip[0] & 15) * 4u, 0));
	}
}

/* Its end is in another frame. */
static void split(struct packet *p)
{
	p->segments = 1;
	p->first_len = (uint16_t)(14 + below(p->len - 13));
}

static struct packet *odd_packet(struct support *s, unsigned hosts)
{
	struct cut cut = { .family = 4 + 2 * below(2),
			   .id = below(hosts),
			   .host = (uint8_t)(1 + below(hosts)),
			   .start = below(3) ? 8 * below(60) : 0,
			   .more = true };
	struct packet *p;

	cut.end = cut.start + 8 + 8 * below(20);
	cut.chain = below(8) == 0;
	cut.protocol = below(3) ? IPPROTO_UDP : IPPROTO_TCP;
	cut.tcp_header = (uint8_t)(20 + 4 * below(11));
	if (cut.start && !below(3))
		cut.more = false;
	p = numbered_packet(s, &cut);
	if (!below(3))
		damage(p);
	if (!below(6))
		split(p);
	return p;
}

static void each_packet_ends_once_whatever_comes(void **state)
{
	const struct reassembly_config config = {
		.datagrams = 256, .held = 40, .held_source = 10, .held_datagram = 4
	};
	uint64_t limits = 0, timeouts = 0, evicted = 0;

	srandom(20261124);
	for (unsigned round = 0; round < 200; round++) {
		struct support *s = start(&config);
		const struct reassembly_stats *stats = reassembly_stats(s->dp.reassembly);

		while (numbered < PACKETS) {
			const unsigned room = PACKETS - numbered, most = 1 + below(BURST_MAX);
			const unsigned n = most < room ? most : room;
			struct packet *packets[BURST_MAX];

			for (unsigned i = 0; i < n; i++)
				packets[i] = odd_packet(s, round % 2 ? 4 : 200);
			support_stage(s, packets, n);
			assert_true(support_balanced(s));
			assert_true(s->counters.held <= config.held);
			assert_true(stats->datagrams <= config.datagrams);
			assert_false(reassembly_pending(&s->dp));
			s->dp.now_ns += below(round % 2 ? 900 : 40) * MS;
			reassembly_poll(&s->dp);
			assert_true(support_balanced(s));
		}
		limits += s->counters.drops[DROP_FRAGMENT_LIMIT];
		timeouts += s->counters.drops[DROP_FRAGMENT_TIMEOUT];
		evicted += stats->evicted;
		finish(s);
	}
	assert_true(limits > 1000 && timeouts > 1000 && evicted > 1000);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model_on_random_fragments),
		cmocka_unit_test(each_packet_ends_once_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
