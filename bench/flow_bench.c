/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_bench: how fast the flow table is, in one process with DPDK's rte_hash.
 *
 *     flow_bench [--flows N]... [--fill PERCENT] [--seconds S] [--no-peer] [--small-pages] [--seed N]
 *
 * Both have room for the same number of entries, two for each flow: its key and the reply's. Keys are IPv4 five-tuples in 16 bytes, one after the other; ours are unpacked from there
 * into what a parser leaves, inside of what is measured. Lookups go in bursts of 32. One thread, and
 * the processor time that it uses; implementations take turns in short rounds, so that a noisy
 * neighbour or a changed clock hits all of them; medians are printed, and the ratio to each of the peer's variants.
 *
 *   hits     of keys in random order, a share of them in the table, either direction
 *   state    the same with all keys in the table, and a word of each flow's 64 bytes of state is read:
 *            what a lookup is for. With ours that is the line that verified the key; rte_hash gives a
 *            pointer to it, and all of a burst are prefetched first
 *   churn    as hits, but one lookup in ten misses: it opens a flow (both keys), and the oldest flow
 *            is closed; counted are the lookups
 *   insert   an empty table is filled; counted are entries. Ours looks for other flows with one of the
 *            keys, takes the flow from the pool and clears it
 *   set-up   a flow is opened (both keys), and the oldest one is closed; counted are flows
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow_peer.h"
#include "flow_table.h"
#include "hugepage.h"
#include "measure.h"

#define BURST 32
#define PICKS (1u << 20)
#define ROUNDS 15
#define SIDES_MAX 3

struct side {
	const char *name;
	struct flow_table *table; /* ours, or */
	struct flow_cache *cache;
	uint32_t *handle; /* by flow's number, modulo `capacity` */
	struct flow_peer peer;
	struct hugepage_area memory;
	uint64_t (*state)[8];	 /* the peer's user's, by flow's number, modulo `capacity` */
	uint64_t oldest, next;	 /* numbers of the flows that are in */
	uint32_t capacity, fill; /* flows: room for, percent of them used */
};

struct options {
	uint32_t flows[8];
	unsigned sizes, fill;
	double seconds;
	bool no_peer, small_pages;
	uint64_t seed;
};

static uint64_t seed;

/* Flow `number`'s key, or its reply's. */
static struct flow_peer_key key_of(uint64_t number, bool reply)
{
	uint64_t state = seed + number * 0x2545f4914f6cdd1d, bits = bench_random(&state);
	struct flow_peer_key key = { .source = (uint32_t)bits,
				     .destination = (uint32_t)(bits >> 32) & 0xffff,
				     .sport = (uint16_t)(bits >> 48),
				     .dport = 0xbb01,
				     .protocol = 6 };

	if (reply)
		key = (struct flow_peer_key){ key.destination, key.source,   key.dport,
					      key.sport,       key.protocol, { 0 } };
	return key;
}

/* In place, as a parser does: a copy of what was just written in pieces is waited for. */
static inline void unpack(struct flow_key *key, const struct flow_peer_key *packed)
{
	memcpy(&key->v4, packed, sizeof(key->v4));
	key->family = 4;
	key->protocol = packed->protocol;
}

static void die(const char *what)
{
	fprintf(stderr, "flow_bench: %s\n", what);
	exit(1);
}

/* --- what is measured, on either side --- */

static void ours_open(struct side *side, uint64_t number)
{
	uint32_t handle = flow_alloc(side->cache, false), winner;
	struct flow_peer_key packed = key_of(number, false);
	struct flow_key key, reply;

	unpack(&key, &packed);
	reply = flow_key_turned(&key);
	if (!handle)
		die("no free flow");
	flow_head(side->table, handle)->state = FLOW_TCP_SYN_SENT;
	if (flow_insert(side->table, handle, &key, &reply, &winner))
		die("a flow does not fit");
	side->handle[number % side->capacity] = handle;
}

static void ours_close(struct side *side, uint64_t number)
{
	uint32_t handle = side->handle[number % side->capacity];
	struct flow_head *head = flow_head(side->table, handle);

	if (!flow_state_change(head, FLOW_TCP_SYN_SENT, FLOW_DEAD))
		die("a flow has another state");
	flow_remove(side->table, handle);
	flow_retire(side->cache, handle);
}

static unsigned ours_lookup(const struct side *side, const struct flow_peer_key *packed)
{
	struct flow_key key[BURST];
	uint32_t ref[BURST];
	unsigned hits = 0;

	for (unsigned i = 0; i < BURST; i++)
		unpack(&key[i], &packed[i]);
	flow_lookup(side->table, key, ref, BURST);
	for (unsigned i = 0; i < BURST; i++)
		hits += ref[i] != 0;
	return hits;
}

static uint64_t ours_state(const struct side *side, const struct flow_peer_key *packed)
{
	struct flow_key key[BURST];
	uint32_t ref[BURST];
	uint64_t sum = 0;

	for (unsigned i = 0; i < BURST; i++)
		unpack(&key[i], &packed[i]);
	flow_lookup(side->table, key, ref, BURST);
	for (unsigned i = 0; i < BURST; i++)
		sum += flow_head(side->table, ref[i])->state == FLOW_TCP_SYN_SENT;
	return sum;
}

#ifdef BENCH_DPDK
static void peer_open(struct side *side, uint64_t number)
{
	for (unsigned i = 0; i < 2; i++) {
		struct flow_peer_key key = key_of(number, i);

		if (!flow_peer_insert(&side->peer, &key, side->state[number % side->capacity]))
			die("a key does not fit into rte_hash");
	}
}

static void peer_close(struct side *side, uint64_t number)
{
	for (unsigned i = 0; i < 2; i++) {
		struct flow_peer_key key = key_of(number, i);

		flow_peer_remove(&side->peer, &key);
	}
}

static uint64_t peer_state(const struct side *side, const struct flow_peer_key *key)
{
	void *data[BURST];
	uint64_t sum = 0;

	flow_peer_lookup_data(&side->peer, key, data, BURST);
	for (unsigned i = 0; i < BURST; i++)
		__builtin_prefetch(data[i]);
	for (unsigned i = 0; i < BURST; i++)
		sum += *(const uint64_t *)data[i];
	return sum;
}

static unsigned peer_lookup(const struct side *side, const struct flow_peer_key *key)
{
	int32_t found[BURST];
	unsigned hits = 0;

	flow_peer_lookup(&side->peer, key, found, BURST);
	for (unsigned i = 0; i < BURST; i++)
		hits += found[i] >= 0;
	return hits;
}
#else
static void peer_open(struct side *side, uint64_t number)
{
}

static void peer_close(struct side *side, uint64_t number)
{
}

static uint64_t peer_state(const struct side *side, const struct flow_peer_key *key)
{
	return 0;
}

static unsigned peer_lookup(const struct side *side, const struct flow_peer_key *key)
{
	return 0;
}
#endif

/* As the lookup that missed does for the first key, and whoever opens a burst of flows for the other. */
static void prefetch_next(const struct side *side, unsigned n)
{
	for (unsigned i = 0; side->table && i < n; i++) {
		struct flow_peer_key packed = key_of(side->next + i, false);
		struct flow_key key, reply;

		unpack(&key, &packed);
		reply = flow_key_turned(&key);
		flow_insert_prefetch(side->table, &key);
		flow_insert_prefetch(side->table, &reply);
	}
}

static void open_next(struct side *side)
{
	if (side->table)
		ours_open(side, side->next++);
	else
		peer_open(side, side->next++);
}

static void close_oldest(struct side *side)
{
	if (side->table)
		ours_close(side, side->oldest++);
	else
		peer_close(side, side->oldest++);
}

static unsigned look_up(const struct side *side, const struct flow_peer_key *key)
{
	return side->table ? ours_lookup(side, key) : peer_lookup(side, key);
}

static void round_end(struct side *side)
{
	if (side->table)
		flow_quiescent(side->cache);
}

/* --- the measurements: a rate in millions a second each --- */

static struct flow_peer_key picks[PICKS];
static unsigned picks_hits;

/* A share of the keys is in the table of each side. */
static void picks_make(const struct side *side, unsigned percent)
{
	uint64_t state = seed;

	picks_hits = 0;
	for (uint32_t i = 0; i < PICKS; i++) {
		bool hit = bench_random(&state) % 100 < percent;
		uint64_t number = bench_random(&state) % (side->next - side->oldest);

		picks_hits += hit;
		picks[i] = key_of(hit ? side->oldest + number : UINT32_MAX + number,
				  bench_random(&state) & 1);
	}
}

static double lookups_run(struct side *side, double seconds)
{
	double start = bench_cpu();
	uint64_t n = 0;

	do {
		unsigned hits = 0;

		for (uint32_t i = 0; i < PICKS; i += BURST) {
			hits += look_up(side, &picks[i]);
			round_end(side);
		}
		if (hits != picks_hits)
			die("a lookup went wrong");
		n += PICKS;
	} while (bench_cpu() - start < seconds);
	return (double)n / (bench_cpu() - start) / 1e6;
}

static double state_run(struct side *side, double seconds)
{
	double start = bench_cpu();
	uint64_t n = 0, sum = 0;

	do {
		for (uint32_t i = 0; i < PICKS; i += BURST) {
			sum += side->table ? ours_state(side, &picks[i]) :
					     peer_state(side, &picks[i]);
			round_end(side);
		}
		n += PICKS;
	} while (bench_cpu() - start < seconds);
	if (sum != n)
		die("a flow has another state");
	return (double)n / (bench_cpu() - start) / 1e6;
}

static double churn_run(struct side *side, double seconds)
{
	double start = bench_cpu();
	uint64_t n = 0, state = seed;

	do {
		for (unsigned round = 0; round < 1000; round++) {
			struct flow_peer_key key[BURST];
			unsigned new = round % 5 ? 3 : 4; /* 3.2 of 32 */

			for (unsigned i = 0; i < BURST; i++)
				key[i] = i < new ? key_of(side->next + i, false) :
						   key_of(side->oldest + BURST +
								  bench_random(&state) %
									  (side->next -
									   side->oldest - BURST),
							  i & 1);
			if (look_up(side, key) != BURST - new)
				die("a lookup went wrong");
			prefetch_next(side, new);
			for (unsigned i = 0; i < new; i++) {
				open_next(side);
				close_oldest(side);
			}
			round_end(side);
		}
		n += 1000 * BURST;
	} while (bench_cpu() - start < seconds);
	return (double)n / (bench_cpu() - start) / 1e6;
}

static double setups_run(struct side *side, double seconds)
{
	double start = bench_cpu();
	uint64_t n = 0;

	do {
		for (unsigned round = 0; round < 1000; round++) {
			prefetch_next(side, BURST);
			for (unsigned i = 0; i < BURST; i++) {
				open_next(side);
				close_oldest(side);
			}
			round_end(side);
		}
		n += 1000 * BURST;
	} while (bench_cpu() - start < seconds);
	return (double)n / (bench_cpu() - start) / 1e6;
}

/* Empties the table first, which is not counted. */
static double inserts_run(struct side *side, double seconds)
{
	uint64_t flows = side->next - side->oldest, n = 0;
	double start;

	while (side->oldest < side->next) {
		close_oldest(side);
		if (side->oldest % BURST == 0)
			round_end(side);
	}
	for (uint32_t i = 0; i < side->capacity; i += BURST)
		round_end(side);
	start = bench_cpu();
	for (; n < flows; n++) {
		if (n % BURST == 0) {
			round_end(side);
			prefetch_next(side, BURST);
		}
		open_next(side);
	}
	return 2 * (double)n / (bench_cpu() - start) / 1e6;
}

/* --- the program --- */

static void measure(struct side *sides, unsigned n, const char *what, unsigned rounds,
		    double seconds, double (*run)(struct side *side, double seconds))
{
	double rate[SIDES_MAX][ROUNDS], mid[SIDES_MAX] = { 0 };

	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < n; i++)
			rate[i][round] = run(&sides[i], seconds / rounds);
	for (unsigned i = 0; i < n; i++)
		mid[i] = bench_median(rate[i], rounds);
	printf("%8" PRIu64 " entries, %2u %% full  %-10s visor %6.2f M/s",
	       2 * (sides->next - sides->oldest), sides->fill, what, mid[0]);
	for (unsigned i = 1; i < n; i++)
		printf("   %s %6.2f (x %.2f)", sides[i].name, mid[i], mid[0] / mid[i]);
	printf("\n{\"bench\":\"flow\",\"entries\":%" PRIu64
	       ",\"fill_percent\":%u,\"what\":\"%s\",\"visor_mps\":%.2f",
	       2 * (sides->next - sides->oldest), sides->fill, what, mid[0]);
	for (unsigned i = 1; i < n; i++)
		printf(",\"%s_mps\":%.2f,\"%s_ratio\":%.2f", sides[i].name, mid[i], sides[i].name,
		       mid[0] / mid[i]);
	printf("}\n");
	fflush(stdout);
}

static void side_new(struct side *side, uint32_t capacity, bool peer, bool shared)
{
	char why[256];

	memset(side, 0, sizeof(*side));
	side->capacity = capacity;
	if (!peer) {
		side->name = "visor";
		if (flow_table_new(&side->table, capacity, 1024, 1, HUGEPAGES_PREFER, why))
			die(why);
		side->handle = calloc(capacity, sizeof(*side->handle));
		side->cache = flow_table_cache(side->table, 0);
		flow_quiescent(side->cache);
	}
#ifdef BENCH_DPDK
	if (peer && flow_peer_new(&side->peer, 2 * capacity, shared))
		die("no memory for rte_hash");
#endif
	if (peer)
		side->name = side->peer.name;
	if (peer && hugepage_map(&side->memory, capacity * sizeof(*side->state), HUGEPAGES_PREFER,
				 "state", why))
		die(why);
	side->state = (void *)side->memory.base;
	for (uint32_t i = 0; peer && i < capacity; i++)
		side->state[i][0] = 1;
}

static void side_free(struct side *side)
{
#ifdef BENCH_DPDK
	if (!side->table)
		flow_peer_free(&side->peer);
#endif
	flow_table_free(side->table);
	free(side->handle);
	hugepage_unmap(&side->memory);
}

/* rte_hash has powers of two only, so the nearest that are as full as that. */
static uint32_t capacity_for(uint32_t flows, unsigned fill)
{
	return (uint32_t)((uint64_t)flows * 100 / fill);
}

static void size_run(const struct options *o, uint32_t flows, unsigned n)
{
	static const unsigned percent[] = { 100, 95, 50 };
	struct side side[SIDES_MAX] = { 0 };
	char what[16];

	for (unsigned i = 0; i < n; i++) {
		side_new(&side[i], capacity_for(flows, o->fill), i > 0, i == 2);
		side[i].fill = o->fill;
		while (side[i].next < flows)
			open_next(&side[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		picks_make(side, percent[i]);
		snprintf(what, sizeof(what), "%u %% hits", percent[i]);
		measure(side, n, what, ROUNDS, o->seconds, lookups_run);
		if (percent[i] == 100)
			measure(side, n, "state", ROUNDS, o->seconds, state_run);
	}
	measure(side, n, "churn", ROUNDS, o->seconds, churn_run);
	measure(side, n, "set-ups", ROUNDS, o->seconds, setups_run);
	measure(side, n, "inserts", 3, o->seconds, inserts_run);
	for (unsigned i = 0; i < n; i++)
		side_free(&side[i]);
}

static bool peer_start(const struct options *o)
{
	if (o->no_peer)
		return false;
#ifdef BENCH_DPDK
	return flow_peer_start(!o->small_pages) == 0;
#else
	printf("flow_bench: built without DPDK (libdpdk-dev): no peer to compare with\n");
	return false;
#endif
}

static void usage(FILE *to)
{
	fputs("usage: flow_bench [--flows N]... [--fill PERCENT] [--seconds S] [--seed N] [--no-peer]\n"
	      "                  [--small-pages]\n"
	      "  --flows N       in the table, two entries each (500000 and 2000000)\n"
	      "  --fill PERCENT  of the room for flows that is used (50)\n"
	      "  --seconds S     for each implementation and kind of work (0.3)\n"
	      "  --seed N        of keys and their order (1)\n"
	      "  --no-peer       leave DPDK out\n"
	      "  --small-pages   DPDK's memory as --no-huge leaves it, not in transparent huge pages\n",
	      to);
}

static int options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "flows", 1, NULL, 'f' },   { "fill", 1, NULL, 'l' },
		{ "seconds", 1, NULL, 's' }, { "seed", 1, NULL, 'r' },
		{ "no-peer", 0, NULL, 'p' }, { "small-pages", 0, NULL, '4' },
		{ "help", 0, NULL, 'h' },    { NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .seconds = 0.3, .seed = 1, .fill = 50 };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			if (o->sizes == 8)
				return -1;
			o->flows[o->sizes++] = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'l': o->fill = (unsigned)atoi(optarg); break;
		case 's': o->seconds = atof(optarg); break;
		case 'r': o->seed = strtoull(optarg, NULL, 0); break;
		case 'p': o->no_peer = true; break;
		case '4': o->small_pages = true; break;
		case 'h': usage(stdout); exit(0);
		default: return -1;
		}
	}
	if (!o->sizes) {
		o->flows[o->sizes++] = 500000;
		o->flows[o->sizes++] = 2000000;
	}
	for (unsigned i = 0; i < o->sizes; i++)
		if (o->flows[i] < 1024 || o->flows[i] > 1u << 27)
			return -1;
	return optind < argc || o->seconds <= 0 || o->fill < 10 || o->fill > 95 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct options o;
	unsigned sides;

	if (options_parse(&o, argc, argv)) {
		usage(stderr);
		return 2;
	}
	seed = o.seed;
	sides = peer_start(&o) ? SIDES_MAX : 1;
	for (unsigned i = 0; i < o.sizes; i++)
		size_run(&o, o.flows[i], sides);
	return 0;
}
