/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpm_bench: how fast lpm4 and lpm6 are, in one process with DPDK's rte_fib and rte_fib6.
 *
 * The same table, the same addresses in the same order, bursts of 64 for everyone. Implementations
 * take turns in short rounds, so that a noisy neighbour or a changed clock hits all of them; the medians
 * are printed, and the ratio to each of the peer's variants. "scalar" is what DPDK selects by itself;
 * "avx512" is what it has when told to use 512-bit vectors. One thread.
 *
 * Addresses, 2^20 of each kind:
 *   uniform    IPv4: any address. IPv6: any in 2000::/3; nearly none has a route.
 *   in-table   a random route's prefix, the rest random: what a busy router sees, without its locality.
 *   near-miss  IPv6: the first 20 to 32 bits of a random route, the rest random, and no route: each goes
 *              as deep as it can before it fails.
 *
 * --verify compares instead of measuring: all these addresses, then random tables under random changes.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "lpm4.h"
#include "lpm6.h"
#include "lpm_peer.h"
#include "measure.h"

#define ADDRS (1u << 20)
#define BURST 64
#define ROUNDS 9
#define SIDES_MAX (1 + LPM_PEER_VARIANTS_MAX)

struct route {
	uint8_t key[16];
	uint32_t value;
	uint8_t len;
	bool absent;
};

struct options {
	const char *table;
	double seconds;
	unsigned int nexthops;
	uint64_t seed;
	bool verify;
	bool no_peer;
	bool small_pages;
};

struct family {
	const char *name;
	bool v6;
	struct route *route;
	size_t routes;
	struct lpm4 *lpm4;
	struct lpm6 *lpm6;
	bool has_peer;
	struct lpm_peer peer;
};

enum kind { UNIFORM, IN_TABLE, NEAR_MISS, KINDS };

static const char *const kind_names[KINDS] = { "uniform", "in-table", "near-miss" };

static uint64_t random_state = 1;

static uint64_t rnd(void)
{
	return bench_random(&random_state);
}

static uint32_t key_v4(const uint8_t *key)
{
	return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}

/* --- the routes --------------------------------------------------------------------------------- */

static void key_mask(uint8_t *key, unsigned int len)
{
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = len > 8 * i ? len - 8 * i : 0;

		key[i] &= (uint8_t)(keep >= 8 ? 0xff : 0xff00 >> keep);
	}
}

/* Takes the first @len bits from @from. */
static void key_mix(uint8_t *key, const uint8_t *from, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		key[i / 8] = (uint8_t)((key[i / 8] & ~bit) | (from[i / 8] & bit));
	}
}

/* The next hop of a prefix depends on nothing but the prefix, so that runs are comparable. */
static uint32_t nexthop_of(const uint8_t *key, unsigned int len, unsigned int nexthops)
{
	uint64_t hash = 0xcbf29ce484222325u ^ len;

	for (unsigned int i = 0; i < 16; i++)
		hash = (hash ^ key[i]) * 0x100000001b3u;
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15u;
	return (uint32_t)((hash >> 40) % nexthops) + 1;
}

static void route_add(struct family *f, const uint8_t *key, unsigned int len, unsigned int nexthops)
{
	struct route r = { .len = (uint8_t)len };

	if (f->routes % 65536 == 0) {
		f->route = realloc(f->route, (f->routes + 65536) * sizeof(*f->route));
		if (!f->route)
			abort();
	}
	memcpy(r.key, key, 16);
	key_mask(r.key, len);
	r.value = nexthop_of(r.key, len, nexthops);
	f->route[f->routes++] = r;
}

static int routes_read(const char *path, struct family *v4, struct family *v6,
		       unsigned int nexthops)
{
	char command[4200], line[128];
	FILE *p;

	if (strchr(path, '\'') || access(path, R_OK)) {
		fprintf(stderr, "lpm_bench: %s: cannot read it\n", path);
		return -1;
	}
	snprintf(command, sizeof(command), "gzip -dcf '%s'", path);
	p = popen(command, "r");
	while (p && fgets(line, sizeof(line), p)) {
		struct family *f = strchr(line, ':') ? v6 : v4;
		char *slash = strchr(line, '/');
		uint8_t key[16] = { 0 };

		if (!slash)
			continue;
		*slash = 0;
		if (inet_pton(f->v6 ? AF_INET6 : AF_INET, line, key) == 1)
			route_add(f, key, (unsigned int)atoi(slash + 1), nexthops);
	}
	return p && pclose(p) == 0 ? 0 : -1;
}

/* Prefixes of each length in a full table, in thousandths. */
struct share {
	uint8_t len;
	uint16_t share;
};

static unsigned int len_random(const struct share *s)
{
	unsigned int at = (unsigned int)(rnd() % 1000);

	while (s->share && at >= s->share)
		at -= s++->share;
	return s->share ? s->len : 24;
}

static int route_compare(const void *a, const void *b)
{
	const struct route *x = a, *y = b;
	int order = memcmp(x->key, y->key, sizeof(x->key));

	return order ? order : (int)x->len - (int)y->len;
}

static void routes_unique(struct family *f)
{
	size_t n = 0;

	qsort(f->route, f->routes, sizeof(*f->route), route_compare);
	for (size_t i = 0; i < f->routes; i++)
		if (!n || route_compare(&f->route[n - 1], &f->route[i]))
			f->route[n++] = f->route[i];
	f->routes = n;
}

/* Like a full table: blocks as registries hand them out, cut into pieces of the usual lengths. */
static void routes_make(struct family *f, size_t n, unsigned int nexthops)
{
	static const struct share v4[] = { { 16, 15 },	{ 17, 9 },  { 18, 15 },	 { 19, 28 },
					   { 20, 47 },	{ 21, 56 }, { 22, 120 }, { 23, 107 },
					   { 24, 601 }, { 32, 2 },  { 0, 0 } };
	static const struct share v6[] = { { 29, 27 },	{ 32, 141 }, { 33, 18 }, { 34, 16 },
					   { 36, 37 },	{ 40, 84 },  { 44, 90 }, { 46, 60 },
					   { 48, 525 }, { 64, 2 },   { 0, 0 } };
	uint8_t block[16] = { 0 };
	size_t left = 0;

	while (f->routes < n) {
		uint8_t key[16];
		uint64_t r[2] = { rnd(), rnd() };
		unsigned int shared = f->v6 ? 38 : 16;

		if (!left--) {
			/* IPv6: most blocks lie in the same allocation as the one before. */
			unsigned int keep = f->v6 ?
						    (const uint8_t[]){
							    0, 28, 28, 32, 32, 32, 32, 32
						    }[rnd() % 8] :
						    0;

			left = f->v6 ? rnd() % 14 : rnd() % 72;
			memcpy(key, r, sizeof(key));
			key[0] = f->v6 ? 0x20 | (key[0] & 0xe) : (uint8_t)(1 + key[0] % 223);
			if (f->v6)
				key[1] &= 0x07;
			key_mix(key, block, keep);
			memcpy(block, key, sizeof(block));
			r[0] = rnd();
		}
		memcpy(key, r, sizeof(key));
		key_mix(key, block, shared);
		route_add(f, key, len_random(f->v6 ? v6 : v4), nexthops);
	}
	routes_unique(f);
}

static void routes_shuffle(struct family *f)
{
	for (size_t i = f->routes; i > 1; i--) {
		size_t j = rnd() % i;
		struct route other = f->route[j];

		f->route[j] = f->route[i - 1];
		f->route[i - 1] = other;
	}
}

/* --- our side ----------------------------------------------------------------------------------- */

static int ours_change(struct family *f, const struct route *r, uint32_t value)
{
	const struct in6_addr *a = (const void *)r->key;

	if (f->v6)
		return value ? lpm6_set(f->lpm6, a, r->len, value) : lpm6_del(f->lpm6, a, r->len);
	return value ? lpm4_set(f->lpm4, key_v4(r->key), r->len, value) :
		       lpm4_del(f->lpm4, key_v4(r->key), r->len);
}

static void ours_lookup(const struct family *f, const void *addr, uint32_t *value, unsigned int n)
{
	if (f->v6)
		lpm6_lookup_burst(f->lpm6, addr, value, n);
	else
		lpm4_lookup_burst(f->lpm4, addr, value, n);
}

static size_t ours_bytes(const struct family *f)
{
	return f->v6 ? lpm6_bytes(f->lpm6) : lpm4_bytes(f->lpm4);
}

static size_t ours_control_bytes(const struct family *f)
{
	return f->v6 ? lpm6_control_bytes(f->lpm6) : lpm4_control_bytes(f->lpm4);
}

static int ours_load(struct family *f)
{
	double start = bench_now();
	double loaded;

	f->lpm4 = f->v6 ? NULL : lpm4_new();
	f->lpm6 = f->v6 ? lpm6_new() : NULL;
	if (!f->lpm4 && !f->lpm6)
		return -1;
	for (size_t i = 0; i < f->routes; i++)
		if (ours_change(f, &f->route[i], f->route[i].value))
			return -1;
	if (f->v6)
		lpm6_reclaim(f->lpm6);
	else
		lpm4_reclaim(f->lpm4);
	loaded = bench_now() - start;
	printf("%s  %zu routes loaded in %.2f s; %.2f MB for lookups, %.2f MB for the writer\n",
	       f->name, f->routes, loaded, (double)ours_bytes(f) / 1e6,
	       (double)ours_control_bytes(f) / 1e6);
	printf("{\"bench\":\"lpm\",\"family\":\"%s\",\"routes\":%zu,\"load_s\":%.3f,\"bytes\":%zu,"
	       "\"control_bytes\":%zu}\n",
	       f->name, f->routes, loaded, ours_bytes(f), ours_control_bytes(f));
	return 0;
}

/* --- the peer ----------------------------------------------------------------------------------- */

static void peer_load(struct family *f, const struct options *o)
{
#ifdef BENCH_DPDK
	double start;
	int rc = lpm_peer_new(&f->peer, f->v6, f->routes + 65536, o->nexthops);

	if (rc) {
		printf("%s  the peer has no memory: %s\n", f->name, strerror(-rc));
		return;
	}
	start = bench_now();
	for (size_t i = 0; i < f->routes && !rc; i++)
		rc = lpm_peer_change(&f->peer, f->route[i].key, f->route[i].len, f->route[i].value);
	if (rc)
		printf("%s  %s does not take the table: %s\n", f->name, f->peer.name,
		       strerror(-rc));
	else
		printf("%s  %s: loaded in %.2f s; %.2f MB and more for lookups\n", f->name,
		       f->peer.name, bench_now() - start, (double)f->peer.table_bytes / 1e6);
	f->has_peer = !rc;
#else
	(void)f;
	(void)o;
#endif
}

static void peer_lookup(const struct family *f, const void *addr, uint64_t *value, unsigned int n)
{
#ifdef BENCH_DPDK
	lpm_peer_lookup(&f->peer, addr, value, n);
#else
	(void)f, (void)addr, (void)value, (void)n;
#endif
}

static void peer_select(struct family *f, unsigned int variant)
{
#ifdef BENCH_DPDK
	(void)lpm_peer_select(&f->peer, variant);
#else
	(void)f, (void)variant;
#endif
}

/* --- the addresses ------------------------------------------------------------------------------ */

static void addr_make(const struct family *f, enum kind kind, uint8_t *key)
{
	const struct route *r = &f->route[rnd() % f->routes];
	unsigned int keep = kind == IN_TABLE ? r->len : 20 + (unsigned int)(rnd() % 13);
	uint64_t random[2] = { rnd(), rnd() };

	memcpy(key, random, 16);
	if (kind == UNIFORM) {
		if (f->v6)
			key[0] = 0x20 | (key[0] & 0x1f);
		return;
	}
	key_mix(key, r->key, keep);
}

static void *addrs_make(const struct family *f, enum kind kind)
{
	size_t size = f->v6 ? 16 : 4;
	uint8_t *addr = aligned_alloc(64, ADDRS * size);

	if (!addr)
		abort();
	for (size_t i = 0; i < ADDRS; i++) {
		uint8_t key[16];
		uint32_t v4;

		do {
			addr_make(f, kind, key);
		} while (kind == NEAR_MISS && lpm6_lookup(f->lpm6, (const void *)key));
		v4 = key_v4(key);
		memcpy(addr + i * size, f->v6 ? (const void *)key : (const void *)&v4, size);
	}
	return addr;
}

/* --- measuring ---------------------------------------------------------------------------------- */

/* @side 0: ours; else the peer's variant side - 1. @return million lookups a second. */
static double round_run(struct family *f, unsigned int side, const uint8_t *addr, double seconds)
{
	size_t stride = (f->v6 ? 16 : 4) * BURST;
	uint64_t value64[BURST];
	uint32_t value[BURST];
	uint64_t n = 0;
	double start;

	if (side)
		peer_select(f, side - 1);
	start = bench_now();
	do {
		for (size_t i = 0; i < ADDRS / BURST; i++) {
			if (side)
				peer_lookup(f, addr + i * stride, value64, BURST);
			else
				ours_lookup(f, addr + i * stride, value, BURST);
		}
		n += ADDRS;
	} while (bench_now() - start < seconds);
	return (double)n / (bench_now() - start) / 1e6;
}

static void kind_measure(struct family *f, enum kind kind, double seconds)
{
	unsigned int sides = 1 + (f->has_peer ? f->peer.variants : 0);
	void *addr = addrs_make(f, kind);
	double rate[SIDES_MAX][ROUNDS];
	double mid[SIDES_MAX] = { 0 };

	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int side = 0; side < sides; side++)
			rate[side][round] = round_run(f, side, addr, seconds / ROUNDS);
	for (unsigned int side = 0; side < sides; side++)
		mid[side] = bench_median(rate[side], ROUNDS);
	printf("%s  %-9s  visor %6.1f M/s", f->name, kind_names[kind], mid[0]);
	for (unsigned int side = 1; side < sides; side++)
		printf("   %s %s %6.1f (x %.2f)", f->peer.name, f->peer.variant[side - 1].name,
		       mid[side], mid[0] / mid[side]);
	printf("\n{\"bench\":\"lpm\",\"family\":\"%s\",\"addresses\":\"%s\",\"visor_mlps\":%.1f",
	       f->name, kind_names[kind], mid[0]);
	for (unsigned int side = 1; side < sides; side++) {
		const char *variant = f->peer.variant[side - 1].name;

		printf(",\"%s_%s_mlps\":%.1f,\"%s_%s_ratio\":%.2f", f->peer.name, variant,
		       mid[side], f->peer.name, variant, mid[0] / mid[side]);
	}
	printf("}\n");
	fflush(stdout);
	free(addr);
}

struct reader {
	const struct family *f;
	const void *addr;
	bool stop;
};

static void *reader_run(void *arg)
{
	struct reader *r = arg;
	size_t stride = (r->f->v6 ? 16 : 4) * BURST;
	uint32_t value[BURST];

	rcu_register_thread();
	for (size_t i = 0; !__atomic_load_n(&r->stop, __ATOMIC_RELAXED);
	     i = (i + 1) % (ADDRS / BURST)) {
		ours_lookup(r->f, (const uint8_t *)r->addr + i * stride, value, BURST);
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

/* Withdraws, announces again and moves random routes of the full table. */
static double changes_run(struct family *f, unsigned int nexthops, double seconds)
{
	double start = bench_now();
	size_t n = 0;

	do {
		for (unsigned int i = 0; i < 1000; i++, n++) {
			struct route *r = &f->route[rnd() % f->routes];
			uint32_t value = 0;

			if (r->absent || rnd() % 3 == 0)
				value = 1 + (uint32_t)(rnd() % nexthops);
			if (ours_change(f, r, value))
				abort();
			r->absent = !value;
		}
	} while (bench_now() - start < seconds);
	return (double)n / (bench_now() - start) / 1e3;
}

static void changes_measure(struct family *f, const struct options *o)
{
	struct reader reader = { .f = f, .addr = addrs_make(f, IN_TABLE) };
	double alone = changes_run(f, o->nexthops, o->seconds / 2);
	double busy;
	pthread_t thread;

	pthread_create(&thread, NULL, reader_run, &reader);
	busy = changes_run(f, o->nexthops, o->seconds / 2);
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("%s  changes    %.0f k/s, with a busy reader %.0f k/s; then %.2f MB\n", f->name,
	       alone, busy, (double)ours_bytes(f) / 1e6);
	printf("{\"bench\":\"lpm\",\"family\":\"%s\",\"changes_kps\":%.0f,\"changes_with_reader_kps\":%.0f,"
	       "\"bytes_after\":%zu}\n",
	       f->name, alone, busy, ours_bytes(f));
	free((void *)(uintptr_t)reader.addr);
}

/* --- comparing answers -------------------------------------------------------------------------- */

static size_t addrs_compare(struct family *f, const uint8_t *addr, const char *what)
{
	size_t stride = (f->v6 ? 16 : 4) * BURST;
	size_t wrong = 0;

	for (unsigned int variant = 0; variant < f->peer.variants; variant++) {
		peer_select(f, variant);
		for (size_t i = 0; i < ADDRS / BURST; i++) {
			uint64_t theirs[BURST];
			uint32_t ours[BURST];

			ours_lookup(f, addr + i * stride, ours, BURST);
			peer_lookup(f, addr + i * stride, theirs, BURST);
			for (unsigned int j = 0; j < BURST; j++)
				wrong += ours[j] != theirs[j];
		}
	}
	printf("%s  verify     %-24s %u addresses, %zu differ\n", f->name, what, ADDRS, wrong);
	return wrong;
}

static size_t family_verify(struct family *f)
{
	size_t wrong = 0;

	for (unsigned int kind = 0; kind < (f->v6 ? KINDS : NEAR_MISS); kind++) {
		void *addr = addrs_make(f, kind);

		wrong += addrs_compare(f, addr, kind_names[kind]);
		free(addr);
	}
#ifdef BENCH_DPDK
	/* Withdrawals, moves and new prefixes of every length; both sides get them. */
	for (unsigned int turn = 0; turn < 4; turn++) {
		uint8_t *addr;

		for (size_t i = 0; i < 50000; i++) {
			struct route *r = &f->route[rnd() % f->routes];
			struct route other = *r;
			uint32_t value = 1 + (uint32_t)(rnd() % 250);

			if (i % 10 == 0) {
				/* None shorter: with 128.0.0.0/1 in a full table rte_fib answers it for 1.1.1.1. */
				other.len = (uint8_t)(8 + rnd() % (f->v6 ? 121 : 25));
				for (unsigned int b = 0; b < 16; b++)
					other.key[b] ^= (uint8_t)(rnd() & rnd() & rnd());
				if (!f->v6)
					memset(other.key + 4, 0, 12);
				key_mask(other.key, other.len);
			} else if (!r->absent && rnd() % 2) {
				value = 0;
			}
			if (lpm_peer_change(&f->peer, other.key, other.len, value))
				continue; /* it can run out of extensions */
			if (ours_change(f, &other, value))
				wrong++;
			if (i % 10)
				r->absent = !value;
		}
		addr = addrs_make(f, turn % 2 ? UNIFORM : IN_TABLE);
		wrong += addrs_compare(f, addr, "after 50000 changes");
		free(addr);
	}
#endif
	return wrong;
}

/* --- the program -------------------------------------------------------------------------------- */

static void usage(FILE *to)
{
	fputs("usage: lpm_bench [--table FILE] [--seconds S] [--nexthops N] [--seed N] [--no-peer]\n"
	      "                 [--small-pages] [--verify]\n"
	      "  --table FILE    prefixes, one a line, perhaps gzipped; without it a table is made up\n"
	      "  --seconds S     for each implementation and kind of addresses (1)\n"
	      "  --nexthops N    dealt out by a hash of the prefix (250)\n"
	      "  --seed N        of addresses and made-up routes (1)\n"
	      "  --no-peer       leave DPDK out\n"
	      "  --small-pages   DPDK's memory as --no-huge leaves it, not in transparent huge pages\n"
	      "  --verify        compare all answers with DPDK's, measure nothing\n",
	      to);
}

static int options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "table", 1, NULL, 't' },
		{ "seconds", 1, NULL, 's' },
		{ "nexthops", 1, NULL, 'n' },
		{ "seed", 1, NULL, 'r' },
		{ "no-peer", 0, NULL, 'p' },
		{ "verify", 0, NULL, 'v' },
		{ "small-pages", 0, NULL, '4' },
		{ "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .seconds = 1, .nexthops = 250, .seed = 1 };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 't': o->table = optarg; break;
		case 's': o->seconds = atof(optarg); break;
		case 'n': o->nexthops = (unsigned int)strtoul(optarg, NULL, 0); break;
		case 'r': o->seed = strtoull(optarg, NULL, 0); break;
		case 'p': o->no_peer = true; break;
		case 'v': o->verify = true; break;
		case '4': o->small_pages = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); return -1;
		}
	}
	if (optind < argc || o->seconds <= 0 || !o->nexthops || o->nexthops >= 1 << 24) {
		usage(stderr);
		return -1;
	}
	return 0;
}

static bool peer_start(const struct options *o)
{
	if (o->no_peer)
		return false;
#ifdef BENCH_DPDK
	return lpm_peer_start(!o->small_pages) == 0;
#else
	printf("built without DPDK (libdpdk-dev): no peer to compare with\n");
	return false;
#endif
}

static int family_run(struct family *f, const struct options *o, bool peer)
{
	routes_shuffle(f);
	if (ours_load(f)) {
		fprintf(stderr, "lpm_bench: %s: the table does not load\n", f->name);
		return 1;
	}
	if (peer)
		peer_load(f, o);
	if (o->verify) {
		if (!f->has_peer) {
			fprintf(stderr, "lpm_bench: %s: nothing to verify against\n", f->name);
			return 1;
		}
		return family_verify(f) != 0;
	}
	for (unsigned int kind = 0; kind < (f->v6 ? KINDS : NEAR_MISS); kind++)
		kind_measure(f, kind, o->seconds);
	changes_measure(f, o);
	return 0;
}

int main(int argc, char **argv)
{
	struct family family[2] = { { .name = "IPv4" }, { .name = "IPv6", .v6 = true } };
	struct options o;
	bool peer;
	int rc = 0;

	if (options_parse(&o, argc, argv))
		return 2;
	random_state = o.seed;
	peer = peer_start(&o);
	if (o.table && routes_read(o.table, &family[0], &family[1], o.nexthops))
		return 2;
	if (!o.table) {
		routes_make(&family[0], 900000, o.nexthops);
		routes_make(&family[1], 160000, o.nexthops);
	}
	for (int i = 0; i < 2; i++)
		if (family[i].routes)
			rc |= family_run(&family[i], &o, peer);
	return rc;
}
