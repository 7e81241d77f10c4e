/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier against linear search: entries of several shapes, some of them made to hurt, keys in
 * and beside the entries, every way in which this processor can search, changes one at a time, and a
 * reader that looks up while the entries change.
 *
 * VISOR_CLASSBENCH names a folder of ClassBench rules and traces (classbench-SEED-N.rules.gz and
 * .trace.gz) for the tests with those; without it ../shared/data is tried.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "nf/firewall/classifier.h"
#include "nf/firewall/classifier_linear.h"
#include "nf/firewall/classifier_search.h"

static uint64_t random_state;

static uint64_t rnd(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned int rnd_below(unsigned int n)
{
	return (unsigned int)(rnd() % n);
}

/* --- entries ------------------------------------------------------------------------------------ */

static struct classifier_entry entry_any(uint32_t priority)
{
	return (struct classifier_entry){ .sport_hi = 0xffff,
					  .dport_hi = 0xffff,
					  .proto = CLASSIFIER_ANY_PROTO,
					  .in = CLASSIFIER_ANY_ZONE,
					  .out = CLASSIFIER_ANY_ZONE,
					  .priority = priority,
					  .rule = priority };
}

/* Bytes in the order of the packet, for both families. */
static void addr_bytes(unsigned int family, const union classifier_addr *a, uint8_t byte[16])
{
	memset(byte, 0, 16);
	if (family == 6)
		memcpy(byte, &a->v6, 16);
	else
		for (unsigned int i = 0; i < 4; i++)
			byte[i] = (uint8_t)(a->v4 >> (24 - 8 * i));
}

static union classifier_addr addr_from(unsigned int family, const uint8_t byte[16])
{
	union classifier_addr a;

	memset(&a, 0, sizeof(a));
	if (family == 6)
		memcpy(&a.v6, byte, 16);
	else
		a.v4 = (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 |
		       byte[3];
	return a;
}

static void bytes_mask(uint8_t byte[16], unsigned int len)
{
	for (unsigned int bit = len; bit < 128; bit++)
		byte[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* Few different values in each byte, so that prefixes lie within others. */
static union classifier_addr addr_random(unsigned int family, unsigned int len)
{
	uint8_t byte[16];

	for (unsigned int i = 0; i < 16; i++)
		byte[i] = (uint8_t)(rnd_below(4) ? 16 * rnd_below(8) : rnd());
	bytes_mask(byte, len);
	return addr_from(family, byte);
}

static unsigned int bits_of(unsigned int family)
{
	return family == 6 ? 128 : 32;
}

static void ports_random(uint16_t *lo, uint16_t *hi)
{
	uint16_t a = (uint16_t)rnd(), b = (uint16_t)rnd();

	switch (rnd_below(5)) {
	case 0: *lo = *hi = (uint16_t)rnd_below(64); break;
	case 1: *lo = 1024, *hi = 0xffff; break;
	case 2: *lo = a < b ? a : b, *hi = a < b ? b : a; break;
	default: *lo = 0, *hi = 0xffff; break;
	}
}

/* Anything goes. */
static void shape_mixed(unsigned int family, struct classifier_entry *e)
{
	e->src_len = (uint8_t)(rnd_below(4) ? rnd_below(bits_of(family) + 1) : 0);
	e->dst_len = (uint8_t)(rnd_below(4) ? rnd_below(bits_of(family) + 1) : 0);
	e->src = addr_random(family, e->src_len);
	e->dst = addr_random(family, e->dst_len);
	ports_random(&e->sport_lo, &e->sport_hi);
	ports_random(&e->dport_lo, &e->dport_hi);
	if (rnd_below(2))
		e->proto = (uint16_t)(rnd_below(3) ? 6 : rnd_below(256));
	if (rnd_below(3) == 0)
		e->in = (uint16_t)(rnd_below(5) ? rnd_below(4) : rnd_below(CLASSIFIER_ZONES));
	if (rnd_below(3) == 0)
		e->out = (uint16_t)(rnd_below(5) ? rnd_below(4) : rnd_below(CLASSIFIER_ZONES));
}

/* Every pair of prefix lengths: as many tuples as there can be. */
static void shape_tuples(unsigned int family, struct classifier_entry *e)
{
	e->src_len = (uint8_t)rnd_below(bits_of(family) + 1);
	e->dst_len = (uint8_t)rnd_below(bits_of(family) + 1);
	e->src = addr_random(family, e->src_len);
	e->dst = addr_random(family, e->dst_len);
}

/* Exact in one field, anything in the others: each copied everywhere if a tree cuts another field. */
static void shape_crossing(unsigned int family, struct classifier_entry *e)
{
	switch (rnd_below(6)) {
	case 0:
		e->src_len = (uint8_t)bits_of(family);
		e->src = addr_random(family, e->src_len);
		break;
	case 1:
		e->dst_len = (uint8_t)bits_of(family);
		e->dst = addr_random(family, e->dst_len);
		break;
	case 2: e->sport_lo = e->sport_hi = (uint16_t)rnd(); break;
	case 3: e->dport_lo = e->dport_hi = (uint16_t)rnd(); break;
	case 4: e->in = (uint16_t)rnd_below(CLASSIFIER_ZONES); break;
	case 5: e->out = (uint16_t)rnd_below(CLASSIFIER_ZONES); break;
	}
}

/* Ranges around the middle of both ports: all of them overlap, and no cut separates any. */
static void shape_nested(unsigned int family, struct classifier_entry *e)
{
	(void)family;
	e->sport_lo = (uint16_t)rnd_below(0x8000);
	e->sport_hi = (uint16_t)(0x8000 + rnd_below(0x8000));
	e->dport_lo = (uint16_t)rnd_below(0x8000);
	e->dport_hi = (uint16_t)(0x8000 + rnd_below(0x8000));
	e->src_len = (uint8_t)rnd_below(2);
	e->src = addr_random(family, e->src_len);
}

typedef void (*shape_fn)(unsigned int family, struct classifier_entry *e);

static const shape_fn shapes[] = { shape_mixed, shape_tuples, shape_crossing, shape_nested };
#define SHAPES (sizeof(shapes) / sizeof(*shapes))

/* @n entries; several share a priority, and then the rule. Some are there twice. */
static struct classifier_entry *entries_make(unsigned int family, shape_fn shape, size_t n)
{
	struct classifier_entry *e = calloc(n, sizeof(*e));

	assert_non_null(e);
	for (size_t i = 0; i < n; i++) {
		e[i] = entry_any(rnd_below((unsigned int)n));
		shape(family, &e[i]);
		if (i && rnd_below(50) == 0)
			e[i] = e[rnd_below((unsigned int)i)];
	}
	return e;
}

/* --- keys --------------------------------------------------------------------------------------- */

static union classifier_addr addr_within(unsigned int family, const union classifier_addr *prefix,
					 unsigned int len)
{
	uint8_t in[16], out[16];
	uint8_t fill = rnd_below(3) ? (uint8_t)rnd() : rnd_below(2) ? 0xff : 0;

	addr_bytes(family, prefix, in);
	for (unsigned int i = 0; i < 16; i++)
		out[i] = rnd_below(3) ? fill : (uint8_t)rnd();
	for (unsigned int bit = 0; bit < len; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		out[bit / 8] = (uint8_t)((out[bit / 8] & ~mask) | (in[bit / 8] & mask));
	}
	return addr_from(family, out);
}

/* A boundary of the range, next to one, or within. */
static uint16_t port_near(uint16_t lo, uint16_t hi)
{
	switch (rnd_below(6)) {
	case 0: return lo;
	case 1: return hi;
	case 2: return (uint16_t)(lo - 1);
	case 3: return (uint16_t)(hi + 1);
	default: return (uint16_t)(lo + rnd_below((unsigned int)(hi - lo) + 1));
	}
}

static struct classifier_key key_near(unsigned int family, const struct classifier_entry *e)
{
	struct classifier_key k;

	memset(&k, 0, sizeof(k));
	k.src = addr_within(family, &e->src, e->src_len);
	k.dst = addr_within(family, &e->dst, e->dst_len);
	k.has_ports = rnd_below(8) != 0;
	if (k.has_ports) {
		k.sport = port_near(e->sport_lo, e->sport_hi);
		k.dport = port_near(e->dport_lo, e->dport_hi);
	}
	k.proto = (uint8_t)(e->proto == CLASSIFIER_ANY_PROTO || rnd_below(16) == 0 ? rnd() :
										     e->proto);
	k.in = (uint16_t)(e->in == CLASSIFIER_ANY_ZONE || rnd_below(16) == 0 ?
				  rnd_below(CLASSIFIER_ZONES) :
				  e->in);
	k.out = (uint16_t)(e->out == CLASSIFIER_ANY_ZONE || rnd_below(16) == 0 ?
				   rnd_below(CLASSIFIER_ZONES) :
				   e->out);
	return k;
}

/* --- comparing ---------------------------------------------------------------------------------- */

static void burst_compare(const struct classifier *c, const struct classifier_linear *l,
			  const struct classifier_key *key, const uint32_t *from, unsigned int n)
{
	struct classifier_match is[CLASSIFIER_BURST_MAX], should[CLASSIFIER_BURST_MAX];

	classifier_lookup(c, key, from, is, n);
	classifier_linear_lookup(l, key, from, should, n);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(is[i].priority, should[i].priority);
		assert_int_equal(is[i].rule, should[i].rule);
	}
}

static void keys_compare(const struct classifier *c, const struct classifier_linear *l,
			 unsigned int bursts)
{
	for (unsigned int b = 0; b < bursts; b++) {
		unsigned int n = 1 + rnd_below(CLASSIFIER_BURST_MAX);
		struct classifier_key key[CLASSIFIER_BURST_MAX];
		uint32_t from[CLASSIFIER_BURST_MAX];

		for (unsigned int i = 0; i < n; i++) {
			struct classifier_entry any = entry_any(0);

			key[i] = key_near(l->family,
					  l->n && rnd_below(8) ?
						  &l->entry[rnd_below((unsigned int)l->n)] :
						  &any);
			from[i] = rnd_below(4) ? rnd_below((unsigned int)l->n + 1) : 0;
		}
		burst_compare(c, l, key, b % 2 ? from : NULL, n);
	}
}

static void linear_fill(struct classifier_linear *l, unsigned int family,
			const struct classifier_entry *e, size_t n)
{
	classifier_linear_init(l, family);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(classifier_linear_add(l, &e[i]), 0);
}

/* --- loading ------------------------------------------------------------------------------------ */

static void load_and_compare(unsigned int family, shape_fn shape, size_t n)
{
	struct classifier_entry *e = entries_make(family, shape, n);
	struct classifier *c = classifier_new(family);
	struct classifier_linear l;

	assert_non_null(c);
	assert_int_equal(classifier_load(c, e, n), 0);
	assert_int_equal(classifier_count(c), n);
	linear_fill(&l, family, e, n);
	keys_compare(c, &l, n < 1000 ? 16 : 6);
	classifier_linear_fini(&l);
	classifier_free(c);
	free(e);
}

static void loaded_entries_answer_as_linear_search(void **state)
{
	static const size_t sizes[] = { 1, 4, 5, 40, 300, 2500 };

	(void)state;
	for (unsigned int cpu = CLASSIFIER_CPU_ANY; cpu <= CLASSIFIER_CPU_AVX512; cpu++) {
		classifier_cpu_limit = cpu;
		for (unsigned int family = 4; family <= 6; family += 2)
			for (unsigned int s = 0; s < SHAPES; s++)
				for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
					load_and_compare(family, shapes[s], sizes[i]);
	}
	classifier_cpu_limit = CLASSIFIER_CPU_AVX512;
}

static void nothing_matches_in_an_empty_classifier(void **state)
{
	struct classifier *c = classifier_new(4);
	struct classifier_key key = { .proto = 6, .has_ports = true };
	struct classifier_match m;

	(void)state;
	classifier_lookup(c, &key, NULL, &m, 1);
	assert_int_equal(m.rule, CLASSIFIER_NONE);
	assert_int_equal(m.priority, CLASSIFIER_NONE);
	assert_int_equal(classifier_load(c, NULL, 0), 0);
	classifier_free(c);
}

static void a_second_load_is_refused(void **state)
{
	struct classifier *c = classifier_new(4);
	struct classifier_entry e = entry_any(1);

	(void)state;
	assert_int_equal(classifier_load(c, &e, 1), 0);
	assert_int_equal(classifier_load(c, &e, 1), -EBUSY);
	assert_int_equal(classifier_count(c), 1);
	assert_int_equal(classifier_del(c, &e), 0);
	assert_int_equal(classifier_load(c, &e, 1), 0);
	classifier_free(c);
}

/* --- what an entry means ------------------------------------------------------------------------ */

static uint32_t answer(const struct classifier *c, const struct classifier_key *key, uint32_t from)
{
	struct classifier_match m;

	classifier_lookup(c, key, &from, &m, 1);
	return m.rule;
}

static void entries_that_are_not_valid_are_refused(void **state)
{
	struct classifier *c = classifier_new(4);
	struct classifier_entry good = entry_any(1), bad;

	(void)state;
	bad = good, bad.src_len = 24, bad.src.v4 = 0x0a000001;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	bad = good, bad.dst_len = 33;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	bad = good, bad.sport_lo = 2, bad.sport_hi = 1;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	bad = good, bad.proto = 257;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	bad = good, bad.in = CLASSIFIER_ZONES;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	bad = good, bad.priority = CLASSIFIER_NONE;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	bad = good, bad.rule = CLASSIFIER_NONE;
	assert_int_equal(classifier_load(c, &bad, 1), -EINVAL);
	assert_int_equal(classifier_count(c), 0);
	classifier_free(c);
	c = classifier_new(6);
	bad = good, bad.dst_len = 64, bad.dst.v6.s6_addr[8] = 1;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	bad = good, bad.dst_len = 129;
	assert_int_equal(classifier_add(c, &bad), -EINVAL);
	classifier_free(c);
}

static void a_packet_without_ports_matches_only_where_all_ports_do(void **state)
{
	struct classifier *c = classifier_new(4);
	struct classifier_entry low = entry_any(1), any = entry_any(2);
	struct classifier_key key = { .proto = 17, .has_ports = true };

	(void)state;
	low.dport_hi = 0xfffe; /* has port 0, and nearly all */
	assert_int_equal(classifier_add(c, &low), 0);
	assert_int_equal(classifier_add(c, &any), 0);
	assert_int_equal(answer(c, &key, 0), 1);
	key.has_ports = false;
	assert_int_equal(answer(c, &key, 0), 2);
	classifier_free(c);
}

static void a_range_ends_with_its_last_port(void **state)
{
	struct classifier *c = classifier_new(4);
	struct classifier_entry e = entry_any(7);
	struct classifier_key key = { .proto = 6, .has_ports = true };

	(void)state;
	e.sport_lo = 100, e.sport_hi = 200;
	assert_int_equal(classifier_add(c, &e), 0);
	for (unsigned int port = 0; port < 65536; port++) {
		key.sport = (uint16_t)port;
		assert_int_equal(answer(c, &key, 0),
				 port >= 100 && port <= 200 ? 7 : CLASSIFIER_NONE);
	}
	classifier_free(c);
}

static void zones_that_no_entry_names_match_only_any(void **state)
{
	struct classifier *c = classifier_new(4);
	struct classifier_entry named = entry_any(1), any = entry_any(2);
	struct classifier_key key = { .in = CLASSIFIER_ZONES - 1 };

	(void)state;
	named.in = CLASSIFIER_ZONES - 1;
	assert_int_equal(classifier_add(c, &named), 0);
	assert_int_equal(classifier_add(c, &any), 0);
	assert_int_equal(answer(c, &key, 0), 1);
	key.in = 0x1000 + CLASSIFIER_ZONES - 1; /* the same in its low 12 bits */
	assert_int_equal(answer(c, &key, 0), 2);
	key.in = CLASSIFIER_ANY_ZONE;
	assert_int_equal(answer(c, &key, 0), 2);
	classifier_free(c);
}

static void the_next_match_is_found_from_a_priority_on(void **state)
{
	struct classifier *c = classifier_new(6);
	struct classifier_key key;

	(void)state;
	memset(&key, 0, sizeof(key));
	for (uint32_t p = 0; p < 100; p++) {
		struct classifier_entry e = entry_any(p * 10);

		assert_int_equal(classifier_add(c, &e), 0);
	}
	for (uint32_t from = 0; from <= 990; from++)
		assert_int_equal(answer(c, &key, from), (from + 9) / 10 * 10);
	assert_int_equal(answer(c, &key, 991), CLASSIFIER_NONE);
	assert_int_equal(answer(c, &key, CLASSIFIER_NONE), CLASSIFIER_NONE);
	classifier_free(c);
}

/* --- changes ------------------------------------------------------------------------------------ */

/* Adds up to @n, keeps changing, and deletes all; from an empty classifier or a loaded one. */
static void change_and_compare(unsigned int family, shape_fn shape, size_t n, size_t loaded)
{
	struct classifier_entry *e = entries_make(family, shape, n);
	struct classifier *c = classifier_new(family);
	struct classifier_linear l;

	assert_int_equal(classifier_load(c, e, loaded), 0);
	linear_fill(&l, family, e, loaded);
	for (size_t i = loaded; i < n; i++) {
		assert_int_equal(classifier_add(c, &e[i]), 0);
		assert_int_equal(classifier_linear_add(&l, &e[i]), 0);
		if (i % (n / 8) == 0)
			keys_compare(c, &l, 4);
	}
	for (size_t i = 0; i < n; i++) {
		struct classifier_entry *one = &e[rnd_below((unsigned int)n)];

		if (rnd_below(2)) {
			assert_int_equal(classifier_del(c, one), classifier_linear_del(&l, one));
		} else {
			assert_int_equal(classifier_add(c, one), 0);
			assert_int_equal(classifier_linear_add(&l, one), 0);
		}
		if (i % (n / 8) == 0)
			keys_compare(c, &l, 4);
	}
	assert_int_equal(classifier_count(c), l.n);
	while (l.n) {
		struct classifier_entry one = l.entry[rnd_below((unsigned int)l.n)];

		assert_int_equal(classifier_del(c, &one), 0);
		assert_int_equal(classifier_linear_del(&l, &one), 0);
		if (l.n % (n / 8) == 0)
			keys_compare(c, &l, 4);
		if (l.n % 64 == 0)
			assert_int_equal(classifier_del(c, &one), classifier_linear_del(&l, &one));
	}
	assert_int_equal(classifier_count(c), 0);
	keys_compare(c, &l, 2);
	classifier_reclaim(c);
	classifier_linear_fini(&l);
	classifier_free(c);
	free(e);
}

static void changed_entries_answer_as_linear_search(void **state)
{
	(void)state;
	for (unsigned int family = 4; family <= 6; family += 2)
		for (unsigned int s = 0; s < SHAPES; s++) {
			change_and_compare(family, shapes[s], 64, 0);
			change_and_compare(family, shapes[s], 1000, 0);
			change_and_compare(family, shapes[s], 1500, 1200);
		}
}

/* Entries that match everything, added to a tree of many leaves, go aside and are found there. */
static void wide_entries_added_late_are_found(void **state)
{
	struct classifier_entry *e = entries_make(4, shape_crossing, 4000);
	struct classifier *c = classifier_new(4);
	struct classifier_linear l;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < 4000; i++) {
		e[i].src_len = e[i].dst_len = 32;
		e[i].src.v4 = (uint32_t)rnd();
		e[i].dst.v4 = (uint32_t)rnd();
	}
	assert_int_equal(classifier_load(c, e, 4000), 0);
	linear_fill(&l, 4, e, 4000);
	bytes = classifier_bytes(c);
	for (uint32_t i = 0; i < 40; i++) {
		struct classifier_entry wide = entry_any(100 * i + 50);

		wide.dport_hi = (uint16_t)(0xff + i);
		assert_int_equal(classifier_add(c, &wide), 0);
		assert_int_equal(classifier_linear_add(&l, &wide), 0);
		keys_compare(c, &l, 2);
	}
	assert_true(classifier_bytes(c) < 2 * bytes);
	for (uint32_t i = 0; i < 40; i++) {
		struct classifier_entry wide = entry_any(100 * i + 50);

		wide.dport_hi = (uint16_t)(0xff + i);
		assert_int_equal(classifier_del(c, &wide), 0);
		assert_int_equal(classifier_del(c, &wide), -ENOENT);
	}
	classifier_linear_fini(&l);
	classifier_free(c);
	free(e);
}

/* --- a reader meanwhile ------------------------------------------------------------------------- */

struct reader {
	const struct classifier *c;
	const struct classifier_key *key;
	const struct classifier_linear *always, *ever;
	bool stop;
	uint64_t wrong, bursts;
};

/*
 * Some entries never change. Whatever else there is, an answer is never worse than theirs, and it is an
 * entry that matches.
 */
static void reader_check(struct reader *r, unsigned int at)
{
	struct classifier_match is[CLASSIFIER_BURST_MAX];

	classifier_lookup(r->c, r->key + at, NULL, is, CLASSIFIER_BURST_MAX);
	for (unsigned int i = 0; i < CLASSIFIER_BURST_MAX; i += 16) {
		struct classifier_match worst, hit;
		uint32_t from = is[i].priority;

		classifier_linear_lookup(r->always, r->key + at + i, NULL, &worst, 1);
		r->wrong += is[i].priority > worst.priority;
		if (from == CLASSIFIER_NONE)
			continue;
		classifier_linear_lookup(r->ever, r->key + at + i, &from, &hit, 1);
		r->wrong += hit.priority != is[i].priority || hit.rule != is[i].rule;
	}
}

#define READER_KEYS (32 * CLASSIFIER_BURST_MAX)

static void *reader_run(void *arg)
{
	struct reader *r = arg;

	rcu_register_thread();
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		reader_check(r, CLASSIFIER_BURST_MAX * (unsigned int)(r->bursts % 32));
		rcu_quiescent_state();
		__atomic_store_n(&r->bursts, r->bursts + 1, __ATOMIC_RELAXED);
	}
	rcu_unregister_thread();
	return NULL;
}

static void a_reader_sees_each_change_whole(void **state)
{
	const size_t n = 600;
	struct classifier_entry *e = entries_make(4, shape_mixed, n);
	struct classifier *c = classifier_new(4);
	struct classifier_linear always, ever;
	struct classifier_key *key = calloc(READER_KEYS, sizeof(*key));
	struct reader r = { .c = c, .key = key, .always = &always, .ever = &ever };
	bool *in = calloc(n, sizeof(*in));
	pthread_t thread;

	(void)state;
	assert_int_equal(classifier_load(c, e, n), 0);
	linear_fill(&always, 4, e, n / 4);
	linear_fill(&ever, 4, e, n);
	memset(in, 1, n * sizeof(*in));
	for (unsigned int i = 0; i < READER_KEYS; i++)
		key[i] = key_near(4, &e[rnd_below((unsigned int)n)]);
	pthread_create(&thread, NULL, reader_run, &r);
	for (unsigned int i = 0; i < 20000 || __atomic_load_n(&r.bursts, __ATOMIC_RELAXED) < 100;
	     i++) {
		size_t at = n / 4 + rnd_below((unsigned int)(n - n / 4));

		assert_int_equal(in[at] ? classifier_del(c, &e[at]) : classifier_add(c, &e[at]), 0);
		in[at] = !in[at];
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(r.wrong, 0);
	classifier_linear_fini(&always);
	classifier_linear_fini(&ever);
	classifier_free(c);
	free(key);
	free(in);
	free(e);
}

/* --- ClassBench --------------------------------------------------------------------------------- */

static FILE *classbench_open(const char *set, const char *what)
{
	const char *folder = getenv("VISOR_CLASSBENCH");
	char path[512], command[600];

	snprintf(path, sizeof(path), "%s/classbench-%s.%s.gz", folder ? folder : "../shared/data",
		 set, what);
	if (access(path, R_OK) || strchr(path, '\''))
		return NULL;
	snprintf(command, sizeof(command), "gzip -dc '%s'", path);
	return popen(command, "r");
}

static bool classbench_entry(const char *line, struct classifier_entry *e, uint32_t priority)
{
	unsigned int s[5], d[5], sp[2], dp[2], proto, mask;

	if (sscanf(line, "@%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u : %u %u : %u %x/%x", &s[0], &s[1],
		   &s[2], &s[3], &s[4], &d[0], &d[1], &d[2], &d[3], &d[4], &sp[0], &sp[1], &dp[0],
		   &dp[1], &proto, &mask) != 16)
		return false;
	*e = entry_any(priority);
	e->src_len = (uint8_t)s[4];
	e->dst_len = (uint8_t)d[4];
	e->src.v4 =
		s[4] ? (s[0] << 24 | s[1] << 16 | s[2] << 8 | s[3]) & UINT32_MAX << (32 - s[4]) : 0;
	e->dst.v4 =
		d[4] ? (d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3]) & UINT32_MAX << (32 - d[4]) : 0;
	e->sport_lo = (uint16_t)sp[0], e->sport_hi = (uint16_t)sp[1];
	e->dport_lo = (uint16_t)dp[0], e->dport_hi = (uint16_t)dp[1];
	e->proto = mask ? (uint16_t)proto : CLASSIFIER_ANY_PROTO;
	return true;
}

static size_t classbench_rules(const char *set, struct classifier_linear *l)
{
	FILE *f = classbench_open(set, "rules");
	struct classifier_entry e;
	char line[256];

	classifier_linear_init(l, 4);
	while (f && fgets(line, sizeof(line), f))
		if (classbench_entry(line, &e, (uint32_t)l->n))
			assert_int_equal(classifier_linear_add(l, &e), 0);
	if (f)
		pclose(f);
	return l->n;
}

/* Each @stride-th packet. @return how many were compared. */
static size_t classbench_trace(const char *set, unsigned int stride, const struct classifier *c,
			       const struct classifier_linear *l)
{
	FILE *f = classbench_open(set, "trace");
	struct classifier_key key[CLASSIFIER_BURST_MAX];
	unsigned int n = 0;
	size_t at = 0, compared = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned int src, dst, sport, dport, proto;

		if (at++ % stride ||
		    sscanf(line, "%u %u %u %u %u", &src, &dst, &sport, &dport, &proto) != 5)
			continue;
		key[n++] = (struct classifier_key){ .src.v4 = src,
						    .dst.v4 = dst,
						    .sport = (uint16_t)sport,
						    .dport = (uint16_t)dport,
						    .proto = (uint8_t)proto,
						    .has_ports = true };
		if (n < CLASSIFIER_BURST_MAX)
			continue;
		burst_compare(c, l, key, NULL, n);
		compared += n;
		n = 0;
	}
	if (f)
		pclose(f);
	return compared;
}

static void classbench_traces_answer_as_linear_search(void **state)
{
	static const char *const sets[] = { "acl1-1000",  "fw1-1000",  "ipc1-1000",
					    "acl1-10000", "fw1-10000", "ipc1-10000" };
	bool all = getenv("VISOR_CLASSBENCH") != NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		struct classifier *c = classifier_new(4);
		struct classifier_linear l;

		if (!classbench_rules(sets[i], &l)) {
			classifier_free(c);
			print_message("no ClassBench sets in VISOR_CLASSBENCH or ../shared/data\n");
			skip();
		}
		assert_int_equal(classifier_load(c, l.entry, l.n), 0);
		assert_true(classbench_trace(sets[i], all ? 1 : i < 3 ? 5 : 50, c, &l) > 500);
		classifier_linear_fini(&l);
		classifier_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loaded_entries_answer_as_linear_search),
		cmocka_unit_test(nothing_matches_in_an_empty_classifier),
		cmocka_unit_test(a_second_load_is_refused),
		cmocka_unit_test(entries_that_are_not_valid_are_refused),
		cmocka_unit_test(a_packet_without_ports_matches_only_where_all_ports_do),
		cmocka_unit_test(a_range_ends_with_its_last_port),
		cmocka_unit_test(zones_that_no_entry_names_match_only_any),
		cmocka_unit_test(the_next_match_is_found_from_a_priority_on),
		cmocka_unit_test(changed_entries_answer_as_linear_search),
		cmocka_unit_test(wide_entries_added_late_are_found),
		cmocka_unit_test(a_reader_sees_each_change_whole),
		cmocka_unit_test(classbench_traces_answer_as_linear_search),
	};
	const char *seed = getenv("VISOR_SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
