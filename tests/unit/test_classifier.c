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

#include "nf/firewall/classifier_linear.h"
#include "nf/firewall/classifier_search.h"
#include "support_rules.h"
#include "support_rules_files.h"

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
		unsigned int n = 1 + rules_random_below(CLASSIFIER_BURST_MAX);
		struct classifier_key key[CLASSIFIER_BURST_MAX];
		uint32_t from[CLASSIFIER_BURST_MAX];

		for (unsigned int i = 0; i < n; i++) {
			struct classifier_entry any = rules_entry_any(0);

			key[i] = rules_key_near(
				l->family,
				l->n && rules_random_below(8) ?
					&l->entry[rules_random_below((unsigned int)l->n)] :
					&any);
			from[i] = rules_random_below(4) ?
					  rules_random_below((unsigned int)l->n + 1) :
					  0;
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

static void load_and_compare(unsigned int family, rules_shape_fn shape, size_t n)
{
	struct classifier_entry *e = rules_entries_make(family, shape, n);
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
	static const size_t sizes[] = { 1, 4, 5, 40, 300, 2200 };

	(void)state;
	for (unsigned int cpu = CLASSIFIER_CPU_ANY; cpu <= CLASSIFIER_CPU_AVX512; cpu++) {
		classifier_cpu_limit = cpu;
		for (unsigned int family = 4; family <= 6; family += 2)
			for (unsigned int s = 0; s < RULES_SHAPES; s++)
				for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
					load_and_compare(family, rules_shapes[s], sizes[i]);
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
	struct classifier_entry e = rules_entry_any(1);

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
	struct classifier_entry good = rules_entry_any(1), bad;

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
	struct classifier_entry low = rules_entry_any(1), any = rules_entry_any(2);
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
	struct classifier_entry e = rules_entry_any(7);
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
	struct classifier_entry named = rules_entry_any(1), any = rules_entry_any(2);
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
		struct classifier_entry e = rules_entry_any(p * 10);

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
static void change_and_compare(unsigned int family, rules_shape_fn shape, size_t n, size_t loaded)
{
	struct classifier_entry *e = rules_entries_make(family, shape, n);
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
		struct classifier_entry *one = &e[rules_random_below((unsigned int)n)];

		if (rules_random_below(2)) {
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
		struct classifier_entry one = l.entry[rules_random_below((unsigned int)l.n)];

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
		for (unsigned int s = 0; s < RULES_SHAPES; s++) {
			change_and_compare(family, rules_shapes[s], 64, 0);
			change_and_compare(family, rules_shapes[s], 600, 0);
			change_and_compare(family, rules_shapes[s], 900, 700);
		}
}

/* Entries that match everything, added to a tree of many leaves, go aside and are found there. */
static void wide_entries_added_late_are_found(void **state)
{
	struct classifier_entry *e = rules_entries_make(4, rules_shape_crossing, 4000);
	struct classifier *c = classifier_new(4);
	struct classifier_linear l;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < 4000; i++) {
		e[i].src_len = e[i].dst_len = 32;
		e[i].src.v4 = (uint32_t)rules_random();
		e[i].dst.v4 = (uint32_t)rules_random();
	}
	assert_int_equal(classifier_load(c, e, 4000), 0);
	linear_fill(&l, 4, e, 4000);
	bytes = classifier_bytes(c);
	for (uint32_t i = 0; i < 40; i++) {
		struct classifier_entry wide = rules_entry_any(100 * i + 50);

		wide.dport_hi = (uint16_t)(0xff + i);
		assert_int_equal(classifier_add(c, &wide), 0);
		assert_int_equal(classifier_linear_add(&l, &wide), 0);
		keys_compare(c, &l, 2);
	}
	assert_true(classifier_bytes(c) < bytes + 4000000);
	for (uint32_t i = 0; i < 40; i++) {
		struct classifier_entry wide = rules_entry_any(100 * i + 50);

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
	struct classifier_entry *e = rules_entries_make(4, rules_shape_mixed, n);
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
		key[i] = rules_key_near(4, &e[rules_random_below((unsigned int)n)]);
	pthread_create(&thread, NULL, reader_run, &r);
	for (unsigned int i = 0; i < 20000 || __atomic_load_n(&r.bursts, __ATOMIC_RELAXED) < 100;
	     i++) {
		size_t at = n / 4 + rules_random_below((unsigned int)(n - n / 4));

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

static bool classbench_path(char *path, size_t size, const char *set, const char *what)
{
	const char *folder = getenv("VISOR_CLASSBENCH");

	snprintf(path, size, "%s/classbench-%s.%s.gz", folder ? folder : "../shared/data", set,
		 what);
	return access(path, R_OK) == 0;
}

/* Each @stride-th burst of the trace. */
static void classbench_compare(const char *set, unsigned int stride)
{
	struct classifier *c = classifier_new(4);
	struct classifier_linear l;
	struct classifier_key *key;
	struct rules r;
	char path[512];
	size_t n;

	classbench_path(path, sizeof(path), set, "rules");
	assert_int_equal(rules_read(path, &r), 0);
	assert_int_equal(classifier_load(c, r.entry, r.n), 0);
	linear_fill(&l, 4, r.entry, r.n);
	classbench_path(path, sizeof(path), set, "trace");
	assert_int_equal(rules_trace_read(path, &key, &n), 0);
	for (size_t i = 0; i + CLASSIFIER_BURST_MAX <= n; i += stride * CLASSIFIER_BURST_MAX)
		burst_compare(c, &l, key + i, NULL, CLASSIFIER_BURST_MAX);
	classifier_linear_fini(&l);
	classifier_free(c);
	free(r.entry);
	free(key);
}

static void classbench_traces_answer_as_linear_search(void **state)
{
	static const char *const sets[] = { "acl1-1000",  "fw1-1000",  "ipc1-1000",
					    "acl1-10000", "fw1-10000", "ipc1-10000" };
	bool all = getenv("VISOR_CLASSBENCH") != NULL;
	char path[512];

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		if (!classbench_path(path, sizeof(path), sets[i], "rules")) {
			print_message("%s is not there: name its folder in VISOR_CLASSBENCH\n",
				      path);
			skip();
		}
		classbench_compare(sets[i], all ? 1 : i < 3 ? 5 : 50);
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

	rules_random_state = seed ? strtoull(seed, NULL, 0) : 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
