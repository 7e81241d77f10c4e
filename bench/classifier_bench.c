/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classifier_bench: how fast the firewall's classifier is, in one process with DPDK's rte_acl.
 *
 * The same rules, the same packets in the same order, bursts of 64 for everyone, one thread. Both sides
 * take turns in short rounds of processor time, the medians are printed, and the ratio to each of the
 * peer's variants:
 * "avx2" is what DPDK selects by itself, "avx512x32" what it has when told to use 512-bit vectors.
 *
 * Sets: those named by --rules and --trace (ClassBench's files), or made ones that look like acl1, fw1
 * and ipc1, of each size. Then sets that are made to hurt, with packets that barely miss:
 *   tuples    every pair of prefix lengths: more than a thousand tuples
 *   crossing  exact in one field and anything in the others: a tree copies all of them everywhere
 *   nested    ranges around the middle of both ports: nothing tells them apart
 * Their rates are also given as a share of the slowest ordinary set of that size.
 *
 * Each set also gets packets whose fields come from different rules, which come near to many rules and
 * match few, so that no search can stop early: what a flood would look like that is made to hurt.
 *
 * Changes: a random entry is deleted or added again, published each time; alone, and beside a reader
 * that never pauses.
 *
 * Every set's answers are compared with linear search for --verify packets, and with the peer's for all.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

#include "classifier_peer.h"
#include "nf/firewall/classifier.h"
#include "nf/firewall/classifier_linear.h"
#include "nf/firewall/classifier_search.h"
#include "support_rules.h"
#include "support_rules_files.h"
#include "support_rules_made.h"

#define BURST CLASSIFIER_BURST_MAX
#define PACKETS 65536u
#define ROUNDS 9
#define FILES_MAX 16
#define SIZES_MAX 8
#define SIDES_MAX (1 + CLASSIFIER_PEER_VARIANTS_MAX)

struct options {
	const char *rules[FILES_MAX], *trace[FILES_MAX];
	unsigned int files;
	size_t size[SIZES_MAX];
	unsigned int sizes;
	size_t grow;
	size_t peer_max;
	size_t verify;
	double seconds;
	bool no_peer, no_worst;
};

struct set {
	char name[64];
	struct rules rules;
	struct classifier_key *key;
	size_t keys; /* a multiple of BURST */
	struct classifier *ours;
	struct classifier_peer peer;
	struct classifier_peer_key *peer_key;
	double rate;
};

/* Of this thread alone: others that want the processor do not count. */
static double spent(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), double_compare);
	return v[n / 2];
}

/* --- building ----------------------------------------------------------------------------------- */

static bool ours_build(struct set *s)
{
	double start = spent(), built;

	s->ours = classifier_new(4);
	if (!s->ours || classifier_load(s->ours, s->rules.entry, s->rules.n)) {
		fprintf(stderr, "classifier_bench: %s: the rules do not load\n", s->name);
		return false;
	}
	built = spent() - start;
	printf("%-14s %zu rules: built in %.2f s, %.2f MB for lookups", s->name, s->rules.n, built,
	       (double)classifier_bytes(s->ours) / 1e6);
	return true;
}

static void peer_build(struct set *s)
{
#ifdef BENCH_DPDK
	double start = spent();
	int rc = classifier_peer_new(&s->peer, s->rules.entry, s->rules.n);

	if (rc) {
		printf("; rte_acl does not build it: %s\n", strerror(-rc));
		return;
	}
	printf("; %s: %.2f s, %.2f MB\n", s->peer.name, spent() - start,
	       (double)s->peer.bytes / 1e6);
	s->peer_key = calloc(s->keys, sizeof(*s->peer_key));
	if (!s->peer_key)
		abort();
	for (size_t i = 0; i < s->keys; i++)
		classifier_peer_key(&s->peer_key[i], &s->key[i]);
#else
	(void)s;
#endif
}

static void set_free(struct set *s)
{
#ifdef BENCH_DPDK
	if (s->peer.context)
		classifier_peer_free(&s->peer);
#endif
	classifier_free(s->ours);
	free(s->rules.entry);
	free(s->peer_key);
	free(s->key);
}

/* --- comparing ---------------------------------------------------------------------------------- */

static void peer_lookup(const struct set *s, unsigned int variant, size_t at, uint32_t *rule)
{
#ifdef BENCH_DPDK
	classifier_peer_lookup(&s->peer, variant, s->peer_key + at, rule, BURST);
#else
	(void)s, (void)variant, (void)at, (void)rule;
#endif
}

static size_t linear_compare(const struct set *s, size_t packets)
{
	struct classifier_linear l;
	size_t wrong = 0;

	classifier_linear_init(&l, 4);
	for (size_t i = 0; i < s->rules.n; i++)
		if (classifier_linear_add(&l, &s->rules.entry[i]))
			abort();
	for (size_t at = 0; at < s->keys && at < packets; at += BURST) {
		struct classifier_match is[BURST], should[BURST];

		classifier_lookup(s->ours, s->key + at, NULL, is, BURST);
		classifier_linear_lookup(&l, s->key + at, NULL, should, BURST);
		for (unsigned int i = 0; i < BURST; i++)
			wrong += is[i].priority != should[i].priority;
	}
	classifier_linear_fini(&l);
	return wrong;
}

static size_t peer_compare(const struct set *s)
{
	size_t wrong = 0;

	for (size_t at = 0; s->peer.variants && at < s->keys; at += BURST) {
		struct classifier_match is[BURST];
		uint32_t rule[BURST];

		classifier_lookup(s->ours, s->key + at, NULL, is, BURST);
		peer_lookup(s, 0, at, rule);
		for (unsigned int i = 0; i < BURST; i++)
			wrong += is[i].rule != rule[i];
	}
	return wrong;
}

static bool set_verify(const struct set *s, const struct options *o)
{
	size_t linear = linear_compare(s, o->verify), peer = peer_compare(s);

	if (linear || peer)
		printf("%-14s WRONG: %zu answers differ from linear search, %zu from the peer\n",
		       s->name, linear, peer);
	return !linear && !peer;
}

/* --- measuring ---------------------------------------------------------------------------------- */

/* @side 0: ours; else the peer's variant side - 1. @return million lookups a second. */
static double round_run(const struct set *s, unsigned int side, double seconds)
{
	double start = spent(), used;
	uint64_t n = 0;
	size_t at = 0;

	do {
		for (unsigned int i = 0; i < 16; i++) {
			struct classifier_match match[BURST];
			uint32_t rule[BURST];

			if (side)
				peer_lookup(s, side - 1, at, rule);
			else
				classifier_lookup(s->ours, s->key + at, NULL, match, BURST);
			at = at + BURST < s->keys ? at + BURST : 0;
		}
		n += 16 * BURST;
		used = spent() - start;
	} while (used < seconds);
	return (double)n / used / 1e6;
}

static void set_measure(struct set *s, const struct options *o)
{
	unsigned int sides = 1 + s->peer.variants;
	double rate[SIDES_MAX][ROUNDS], mid[SIDES_MAX] = { 0 };

	for (unsigned int side = 0; side < sides; side++)
		round_run(s, side, o->seconds / 4);
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int side = 0; side < sides; side++)
			rate[side][round] = round_run(s, side, o->seconds / ROUNDS);
	for (unsigned int side = 0; side < sides; side++)
		mid[side] = median(rate[side], ROUNDS);
	s->rate = mid[0];
	printf("%-14s visor %6.1f M/s", s->name, mid[0]);
	for (unsigned int side = 1; side < sides; side++)
		printf("   %s %s %6.1f (x %.2f)", s->peer.name, s->peer.variant[side - 1],
		       mid[side], mid[0] / mid[side]);
	printf("\n{\"bench\":\"classifier\",\"set\":\"%s\",\"rules\":%zu,\"bytes\":%zu,\"visor_mlps\":%.1f",
	       s->name, s->rules.n, classifier_bytes(s->ours), mid[0]);
	for (unsigned int side = 1; side < sides; side++)
		printf(",\"%s_%s_ratio\":%.2f", s->peer.name, s->peer.variant[side - 1],
		       mid[0] / mid[side]);
	printf("}\n");
	fflush(stdout);
}

/* The same set under packets that no search can stop early for. */
static void mixed_measure(struct set *s, const struct options *o)
{
	struct classifier_key *key = s->key;
	size_t keys = s->keys;
	double rate[ROUNDS], mid;

	s->key = rules_trace_mix(s->rules.entry, s->rules.n, PACKETS);
	s->keys = PACKETS;
	for (unsigned int round = 0; round < ROUNDS; round++)
		rate[round] = round_run(s, 0, o->seconds / ROUNDS);
	mid = median(rate, ROUNDS);
	printf("%-14s visor %6.1f M/s with each field from another rule, %.0f %%\n", s->name, mid,
	       100 * mid / s->rate);
	free(s->key);
	s->key = key;
	s->keys = keys;
}

struct reader {
	const struct set *set;
	bool stop;
};

static void *reader_run(void *arg)
{
	struct reader *r = arg;
	struct classifier_match match[BURST];

	rcu_register_thread();
	for (size_t at = 0; !__atomic_load_n(&r->stop, __ATOMIC_RELAXED);
	     at = (at + BURST) % r->set->keys) {
		classifier_lookup(r->set->ours, r->set->key + at, NULL, match, BURST);
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static double changes_run(struct set *s, bool *absent, double seconds)
{
	double start = spent();
	size_t n = 0;

	do {
		for (unsigned int i = 0; i < 100; i++, n++) {
			size_t at = rules_random_below((unsigned int)s->rules.n);
			const struct classifier_entry *e = &s->rules.entry[at];

			if (absent[at] ? classifier_add(s->ours, e) : classifier_del(s->ours, e))
				abort();
			absent[at] = !absent[at];
		}
	} while (spent() - start < seconds);
	return (double)n / (spent() - start) / 1e3;
}

static void changes_measure(struct set *s, const struct options *o)
{
	struct reader reader = { .set = s };
	bool *absent = calloc(s->rules.n, sizeof(*absent));
	double alone, busy;
	pthread_t thread;

	if (!absent)
		abort();
	alone = changes_run(s, absent, o->seconds / 2);
	pthread_create(&thread, NULL, reader_run, &reader);
	busy = changes_run(s, absent, o->seconds / 2);
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < s->rules.n; i++)
		if (absent[i] && classifier_add(s->ours, &s->rules.entry[i]))
			abort();
	classifier_reclaim(s->ours);
	printf("%-14s changes %.0f k/s, beside a busy reader %.0f k/s; then %.2f MB, %.1f M/s\n",
	       s->name, alone, busy, (double)classifier_bytes(s->ours) / 1e6,
	       round_run(s, 0, o->seconds / 4));
	printf("{\"bench\":\"classifier\",\"set\":\"%s\",\"changes_kps\":%.0f,\"changes_with_reader_kps\":%.0f}\n",
	       s->name, alone, busy);
	free(absent);
}

/* --- sets --------------------------------------------------------------------------------------- */

/* @return 0, or 1: answers were wrong, or it could not be built. */
static int set_run(struct set *s, const struct options *o, bool peer)
{
	bool ok;

	s->keys -= s->keys % BURST;
	if (!ours_build(s))
		return 1;
	if (peer && s->rules.n <= o->peer_max)
		peer_build(s);
	else
		printf("\n");
	ok = set_verify(s, o);
	set_measure(s, o);
	mixed_measure(s, o);
	changes_measure(s, o);
	return !(ok && set_verify(s, o));
}

static int sets_made(const struct options *o, size_t n, bool peer, double *slowest)
{
	static const char *const names[RULES_KINDS] = { "acl", "fw", "ipc" };
	int rc = 0;

	for (enum rules_kind kind = 0; kind < RULES_KINDS; kind++) {
		struct set s = { .keys = PACKETS };

		snprintf(s.name, sizeof(s.name), "%s-like-%zu", names[kind], n);
		rules_make(&s.rules, kind, n);
		s.key = rules_trace_make(s.rules.entry, s.rules.n, PACKETS);
		rc |= set_run(&s, o, peer);
		if (!*slowest || s.rate < *slowest)
			*slowest = s.rate;
		set_free(&s);
	}
	return rc;
}

static int sets_worst(const struct options *o, size_t n, double slowest)
{
	static const char *const names[] = { "tuples", "crossing", "nested" };
	static const rules_shape_fn shape[] = { rules_shape_tuples, rules_shape_crossing,
						rules_shape_nested };
	int rc = 0;

	for (unsigned int i = 0; i < sizeof(shape) / sizeof(*shape); i++) {
		struct set s = { .keys = PACKETS };

		snprintf(s.name, sizeof(s.name), "%s-%zu", names[i], n);
		s.rules.entry = rules_entries_make(4, shape[i], n);
		s.rules.n = n;
		s.key = calloc(PACKETS, sizeof(*s.key));
		if (!s.key)
			abort();
		for (size_t k = 0; k < PACKETS; k++)
			s.key[k] = rules_key_near(
				4, &s.rules.entry[rules_random_below((unsigned int)n)]);
		rc |= set_run(&s, o, false);
		printf("%-14s %.0f %% of the rate of the slowest ordinary set\n", s.name,
		       100 * s.rate / slowest);
		set_free(&s);
	}
	return rc;
}

static void set_name(struct set *s, const char *path)
{
	const char *slash = strrchr(path, '/');

	snprintf(s->name, sizeof(s->name), "%.60s", slash ? slash + 1 : path);
	if (strstr(s->name, ".rules"))
		*strstr(s->name, ".rules") = 0;
	if (!strncmp(s->name, "classbench-", 11))
		memmove(s->name, s->name + 11, strlen(s->name + 11) + 1);
}

static int set_file(const struct options *o, unsigned int i, bool peer)
{
	struct set s = { 0 };
	int rc = rules_read(o->rules[i], &s.rules);

	if (rc) {
		fprintf(stderr, "classifier_bench: %s: no rules: %s\n", o->rules[i], strerror(-rc));
		return 1;
	}
	set_name(&s, o->rules[i]);
	if (o->grow > s.rules.n) {
		rules_grow(&s.rules, o->grow);
		snprintf(s.name + strlen(s.name), sizeof(s.name) - strlen(s.name), "-to-%zu",
			 s.rules.n);
	}
	if (!o->trace[i] || o->grow > s.rules.n) {
		s.keys = PACKETS;
		s.key = rules_trace_make(s.rules.entry, s.rules.n, PACKETS);
	} else if (rules_trace_read(o->trace[i], &s.key, &s.keys) || s.keys < BURST) {
		fprintf(stderr, "classifier_bench: %s: no packets\n", o->trace[i]);
		return 1;
	}
	rc = set_run(&s, o, peer);
	set_free(&s);
	return rc;
}

/* --- the program -------------------------------------------------------------------------------- */

static void usage(FILE *to)
{
	fputs("usage: classifier_bench [--rules FILE [--trace FILE]]… [--grow N] [--size N]…\n"
	      "                        [--seconds S] [--verify N] [--peer-max N] [--no-peer] [--no-worst]\n"
	      "  --rules FILE   ClassBench's rules, perhaps gzipped; without any, sets are made up\n"
	      "  --trace FILE   ClassBench's headers for those rules; without them they are made up\n"
	      "  --grow N       N rules out of each file's, with other addresses of the same structure\n"
	      "  --size N       rules of made-up sets and of those that are to hurt (1000, 10000)\n"
	      "  --seconds S    for each implementation and set (0.5)\n"
	      "  --verify N     packets of each set that are compared with linear search (2000)\n"
	      "  --peer-max N   larger sets without DPDK, which wants GBs for them (10000)\n"
	      "  --no-peer      leave DPDK out\n"
	      "  --no-worst     leave out the sets that are to hurt\n",
	      to);
}

static int options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "rules", 1, NULL, 'r' },    { "trace", 1, NULL, 't' },
		{ "grow", 1, NULL, 'g' },     { "size", 1, NULL, 'n' },
		{ "seconds", 1, NULL, 's' },  { "verify", 1, NULL, 'v' },
		{ "peer-max", 1, NULL, 'm' }, { "no-peer", 0, NULL, 'p' },
		{ "no-worst", 0, NULL, 'w' }, { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .seconds = 0.5, .verify = 2000, .peer_max = 10000 };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if ((c == 'r' && o->files == FILES_MAX) || (c == 't' && !o->files) ||
		    (c == 'n' && o->sizes == SIZES_MAX))
			c = '?';
		switch (c) {
		case 'r': o->rules[o->files++] = optarg; break;
		case 't': o->trace[o->files - 1] = optarg; break;
		case 'g': o->grow = strtoul(optarg, NULL, 0); break;
		case 'n': o->size[o->sizes++] = strtoul(optarg, NULL, 0); break;
		case 's': o->seconds = atof(optarg); break;
		case 'v': o->verify = strtoul(optarg, NULL, 0); break;
		case 'm': o->peer_max = strtoul(optarg, NULL, 0); break;
		case 'p': o->no_peer = true; break;
		case 'w': o->no_worst = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); return -1;
		}
	}
	for (unsigned int i = 0; i < o->sizes; i++)
		if (!o->size[i] || o->size[i] > 10000000)
			o->seconds = 0;
	if (optind < argc || o->seconds <= 0 || o->grow > 10000000) {
		usage(stderr);
		return -1;
	}
	if (!o->files && !o->sizes) {
		o->size[0] = 1000;
		o->size[1] = 10000;
		o->sizes = 2;
	}
	return 0;
}

static bool peer_start(const struct options *o)
{
	if (o->no_peer)
		return false;
#ifdef BENCH_DPDK
	return classifier_peer_start(o->peer_max > 10000 ? 8192 : 2048) == 0;
#else
	printf("built without DPDK (libdpdk-dev): no peer to compare with\n");
	return false;
#endif
}

int main(int argc, char **argv)
{
	struct options o;
	int rc = 0;
	bool peer;

	if (options_parse(&o, argc, argv))
		return 2;
	peer = peer_start(&o);
	for (unsigned int i = 0; i < o.files; i++)
		rc |= set_file(&o, i, peer);
	for (unsigned int i = 0; i < o.sizes; i++) {
		double slowest = 0;

		rc |= sets_made(&o, o.size[i], peer, &slowest);
		if (!o.no_worst)
			rc |= sets_worst(&o, o.size[i], slowest);
	}
	return rc;
}
