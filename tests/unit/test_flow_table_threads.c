/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow table under several workers that open, find and end the same few flows.
 *
 * Each flow takes two keys out of one small set, so the first key of one is often the second of
 * another, and inserts meet each other. A shadow of the table says who has a key: a flow takes its
 * keys there right after it was inserted, and gives them back right before it is ended, so that
 * finding a key taken means that two live flows had it. `life` counts the lives of each flow's memory:
 * it must not change between finding a flow and the quiescent state that follows.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow_index.h"
#include "flow_table.h"

enum { THREADS = 4, FLOWS = 1024, KEYS_MAX = 4096, BURST = 16 };

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { ROUNDS = 4000 };
#else
enum { ROUNDS = 20000 };
#endif

static struct {
	struct flow_table *table;
	uint32_t keys;		   /* that flows come and go with */
	uint32_t shadow[KEYS_MAX]; /* who has the key */
	uint32_t life[FLOWS + 1];
	uint32_t of[FLOWS + 1][2];   /* the flow's keys' numbers */
	uint8_t doomed[FLOWS + 1];   /* somebody is ending it */
	uint8_t removed[FLOWS + 1];  /* its owner can retire it */
	uint32_t lasting[FLOWS];     /* IPv6 flows that stay */
	uint32_t opened, lost, full; /* what happened */
	const char *wrong;
} world;

/* What a worker has found in this round. */
struct found {
	uint32_t ref, life, key;
};

struct worker {
	struct flow_cache *cache;
	uint32_t own[FLOWS], n;
	struct found found[BURST * 2];
	unsigned found_n, seed;
};

static void expect(bool true_, const char *what)
{
	if (!true_)
		__atomic_store_n(&world.wrong, what, __ATOMIC_RELAXED);
}

static uint32_t shared(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static struct flow_key key_of_number(uint32_t number)
{
	return (struct flow_key){ .v4 = { htonl(number), htonl(0x0a000001), htons(7), htons(80) },
				  .family = 4,
				  .protocol = 6 };
}

static struct flow_key key_lasting(uint32_t number)
{
	struct flow_key key = { .family = 6, .protocol = 17 };

	memcpy(&key.v6.source.s6_addr[12], &number, sizeof(number));
	key.v6.dport = htons(53);
	return key;
}

static unsigned any(struct worker *w, unsigned below)
{
	return (unsigned)rand_r(&w->seed) % below;
}

static bool has_key(uint32_t ref, uint32_t number)
{
	struct flow_key own, key = key_of_number(number);

	flow_key_of(world.table, flow_handle(ref), flow_direction(ref), &own);
	return !memcmp(&own, &key, sizeof(key));
}

static void note(struct worker *w, uint32_t ref, uint32_t number)
{
	if (w->found_n == BURST * 2)
		return;
	w->found[w->found_n++] =
		(struct found){ ref, shared(&world.life[ref & FLOW_INDEX]), number };
	expect(has_key(ref, number), "a flow was found that has another key");
	expect(!(__atomic_load_n(&flow_head(world.table, ref)->flags, __ATOMIC_RELAXED) &
		 FLOW_PENDING),
	       "a flow was found that is not inserted");
}

static void look_up(struct worker *w)
{
	struct flow_key key[BURST];
	uint32_t number[BURST], ref[BURST];

	for (unsigned i = 0; i < BURST; i++) {
		number[i] = any(w, i & 1 ? world.keys : FLOWS);
		key[i] = i & 1 ? key_of_number(number[i]) : key_lasting(number[i]);
	}
	flow_lookup(world.table, key, ref, BURST);
	for (unsigned i = 0; i < BURST; i++)
		if (i & 1) {
			if (ref[i])
				note(w, ref[i], number[i]);
		} else {
			expect(ref[i] == world.lasting[number[i]], "a lasting flow is not found");
		}
}

static void open_one(struct worker *w)
{
	uint32_t number[2] = { any(w, world.keys), any(w, world.keys) }, winner = 0;
	struct flow_key key[2] = { key_of_number(number[0]), key_of_number(number[1]) };
	uint32_t handle = flow_alloc(w->cache, false);
	int err;

	if (!handle)
		return;
	expect(flow_state(flow_head(world.table, handle)) == FLOW_FREE, "a free flow has a state");
	__atomic_add_fetch(&world.life[handle], 1, __ATOMIC_RELEASE);
	__atomic_store_n(&world.doomed[handle], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&world.removed[handle], 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		__atomic_store_n(&world.of[handle][i], number[i], __ATOMIC_RELAXED);
	flow_head(world.table, handle)->state = FLOW_UDP_NEW;
	err = flow_insert(world.table, handle, &key[0], &key[1], &winner);
	if (err == -EEXIST && !winner) {
		/* like a port that is in use: another one */
		number[1] = any(w, world.keys);
		key[1] = key_of_number(number[1]);
		__atomic_store_n(&world.of[handle][1], number[1], __ATOMIC_RELAXED);
		err = flow_insert(world.table, handle, &key[0], &key[1], &winner);
	}
	if (err) {
		__atomic_add_fetch(err == -EEXIST ? &world.lost : &world.full, 1, __ATOMIC_RELAXED);
		if (err == -EEXIST && winner)
			note(w, winner, number[0]);
		flow_unalloc(w->cache, handle);
		return;
	}
	__atomic_add_fetch(&world.opened, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 1u + (number[0] != number[1]); i++) {
		uint32_t nobody = 0;

		expect(__atomic_compare_exchange_n(&world.shadow[number[i]], &nobody, handle, false,
						   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED),
		       "two live flows have the same key");
	}
	w->own[w->n++] = handle;
}

/* Any worker ends any flow. */
static void end_one(uint32_t handle)
{
	uint8_t before = 0;

	if (handle & FLOW_WIDE ||
	    !__atomic_compare_exchange_n(&world.doomed[handle], &before, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	for (unsigned i = 0; i < 2 && !world.wrong; i++) {
		uint32_t *shadow = &world.shadow[shared(&world.of[handle][i])];

		if (i == 1 && shared(&world.of[handle][0]) == shared(&world.of[handle][1]))
			break;
		while (shared(shadow) != handle && !__atomic_load_n(&world.wrong, __ATOMIC_RELAXED))
			sched_yield(); /* its opener is about to say so */
		__atomic_store_n(shadow, 0, __ATOMIC_RELEASE);
	}
	expect(flow_state_change(flow_head(world.table, handle), FLOW_UDP_NEW, FLOW_DEAD),
	       "a flow's state has changed");
	flow_remove(world.table, handle);
	__atomic_store_n(&world.removed[handle], 1, __ATOMIC_RELEASE);
}

static void retire_removed(struct worker *w)
{
	for (uint32_t i = 0; i < w->n;) {
		if (__atomic_load_n(&world.removed[w->own[i]], __ATOMIC_ACQUIRE)) {
			flow_retire(w->cache, w->own[i]);
			w->own[i] = w->own[--w->n];
		} else {
			i++;
		}
	}
}

/* Nothing that was found may have become something else. */
static void end_round(struct worker *w)
{
	for (unsigned i = 0; i < w->found_n; i++) {
		const struct found *found = &w->found[i];

		expect(shared(&world.life[found->ref & FLOW_INDEX]) == found->life,
		       "memory was used again before its grace period was over");
		expect(has_key(found->ref, found->key), "a flow's key has changed");
	}
	w->found_n = 0;
	if (any(w, 50) == 0) {
		flow_offline(w->cache);
		sched_yield();
	}
	flow_quiescent(w->cache);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	flow_quiescent(w->cache);
	for (unsigned round = 0; round < ROUNDS; round++) {
		if (__atomic_load_n(&world.wrong, __ATOMIC_RELAXED))
			break;
		look_up(w);
		for (unsigned i = 0; i < 4; i++)
			open_one(w);
		if (w->found_n)
			end_one(flow_handle(w->found[any(w, w->found_n)].ref));
		if (w->n && any(w, 3) == 0)
			end_one(w->own[any(w, w->n)]);
		retire_removed(w);
		end_round(w);
	}
	while (w->n && !world.wrong) {
		for (uint32_t i = 0; i < w->n; i++)
			end_one(w->own[i]);
		retire_removed(w);
		end_round(w);
	}
	flow_offline(w->cache);
	return NULL;
}

/* Flows that nobody ends, so that the index is full and entries have to move. */
static void open_lasting(unsigned flows)
{
	struct flow_cache *cache = flow_table_cache(world.table, THREADS);
	uint32_t winner;

	flow_quiescent(cache);
	for (uint32_t i = 0; i < flows; i++) {
		struct flow_key key = key_lasting(i), turned = flow_key_turned(&key);
		uint32_t handle = flow_alloc(cache, true);

		flow_head(world.table, handle)->state = FLOW_UDP_NEW;
		assert_int_equal(flow_insert(world.table, handle, &key, &turned, &winner), 0);
		world.lasting[i] = handle;
	}
	flow_offline(cache);
}

static void close_lasting(unsigned flows)
{
	struct flow_cache *cache = flow_table_cache(world.table, THREADS);

	for (uint32_t i = 0; i < flows; i++) {
		flow_head(world.table, world.lasting[i])->state = FLOW_DEAD;
		flow_remove(world.table, world.lasting[i]);
		flow_retire(cache, world.lasting[i]);
	}
}

static void nothing_is_left(void)
{
	static const struct flow_bucket empty;
	struct flow_table_use use;

	for (unsigned round = 0; round < 200; round++)
		for (unsigned i = 0; i <= THREADS; i++)
			flow_quiescent(flow_table_cache(world.table, i));
	flow_table_use(world.table, &use);
	assert_int_equal(use.narrow, 0);
	assert_int_equal(use.wide, 0);
	for (uint32_t i = 0; i < world.table->index->buckets; i++)
		assert_memory_equal(&world.table->index->bucket[i], &empty, sizeof(empty));
}

static void hammer(uint32_t keys)
{
	static struct worker worker[THREADS];
	pthread_t thread[THREADS];
	char why[256];

	memset(&world, 0, sizeof(world));
	world.keys = keys;
	assert_int_equal(
		flow_table_new(&world.table, FLOWS, FLOWS, THREADS + 1, HUGEPAGES_OFF, why), 0);
	open_lasting(FLOWS);
	for (unsigned i = 0; i < THREADS; i++) {
		worker[i] =
			(struct worker){ .cache = flow_table_cache(world.table, i), .seed = i + 1 };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	if (world.wrong)
		fail_msg("%s", world.wrong);
	print_message("%u opened, %u lost against another, %u without room\n", world.opened,
		      world.lost, world.full);
	assert_true(world.opened > ROUNDS / 4);
	close_lasting(FLOWS);
	nothing_is_left();
	flow_table_free(world.table);
}

static void workers_that_want_the_same_few_keys_agree(void **state)
{
	hammer(6);
}

static void workers_in_a_table_that_is_nearly_full_agree(void **state)
{
	hammer(KEYS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_that_want_the_same_few_keys_agree),
		cmocka_unit_test(workers_in_a_table_that_is_nearly_full_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
