/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table as one worker sees it: found by both keys, given back, filled to the last flow. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow_index.h"
#include "flow_table.h"

static struct flow_table *make(uint32_t narrow, uint32_t wide, unsigned workers)
{
	struct flow_table *table;
	char why[256];

	assert_int_equal(flow_table_new(&table, narrow, wide, workers, HUGEPAGES_PREFER, why), 0);
	for (unsigned i = 0; i < workers; i++)
		flow_quiescent(flow_table_cache(table, i));
	return table;
}

static struct flow_key key4(uint32_t number, uint8_t protocol)
{
	return (struct flow_key){
		.v4 = { htonl(0x0a000000 + (number >> 8)), htonl(0xc0000201),
			htons((uint16_t)(1024 + (number & 255))), htons(443) },
		.family = 4,
		.protocol = protocol,
	};
}

static struct flow_key key6(uint32_t number, uint8_t protocol)
{
	struct flow_key key = { .family = 6, .protocol = protocol };

	key.v6.source.s6_addr[0] = 0x20;
	memcpy(&key.v6.source.s6_addr[12], &number, 4);
	key.v6.destination.s6_addr[15] = 1;
	key.v6.sport = htons(5000);
	key.v6.dport = htons(53);
	return key;
}

static int insert(struct flow_table *table, uint32_t handle, struct flow_key key0,
		  struct flow_key key1, uint32_t *winner)
{
	flow_head(table, handle)->state = FLOW_UDP_NEW;
	return flow_insert(table, handle, &key0, &key1, winner);
}

/* A flow without translation. */
static uint32_t open_flow(struct flow_table *table, unsigned worker, struct flow_key key)
{
	uint32_t handle = flow_alloc(flow_table_cache(table, worker), key.family == 6), winner;

	assert_int_not_equal(handle, 0);
	assert_int_equal(insert(table, handle, key, flow_key_turned(&key), &winner), 0);
	return handle;
}

static void close_flow(struct flow_table *table, unsigned worker, uint32_t handle)
{
	flow_head(table, handle)->state = FLOW_DEAD;
	flow_remove(table, handle);
	flow_retire(flow_table_cache(table, worker), handle);
}

static uint32_t find(const struct flow_table *table, struct flow_key key)
{
	uint32_t ref;

	flow_lookup(table, &key, &ref, 1);
	return ref;
}

static void settle(struct flow_table *table, unsigned workers)
{
	for (unsigned round = 0; round < 100; round++)
		for (unsigned i = 0; i < workers; i++)
			flow_quiescent(flow_table_cache(table, i));
}

static uint32_t in_use(const struct flow_table *table)
{
	struct flow_table_use use;

	flow_table_use(table, &use);
	return use.narrow + use.wide;
}

static void a_flow_is_found_by_both_keys(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);
	struct flow_key key = key4(7, 6);
	struct flow_key turned = flow_key_turned(&key);
	uint32_t handle = open_flow(table, 0, key);

	assert_int_equal(find(table, key), handle);
	assert_int_equal(find(table, turned), handle | FLOW_DIRECTION);
	close_flow(table, 0, handle);
	assert_int_equal(find(table, key), 0);
	assert_int_equal(find(table, turned), 0);
	flow_table_free(table);
}

static void each_part_of_a_key_counts(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);

	for (unsigned family = 4; family <= 6; family += 2) {
		struct flow_key key = family == 4 ? key4(7, 6) : key6(7, 6), other;
		unsigned bytes = family == 4 ? sizeof(key.v4) : sizeof(key.v6);

		open_flow(table, 0, key);
		for (unsigned i = 0; i < bytes; i++) {
			other = key;
			((uint8_t *)&other.v6)[i] ^= 0x40;
			assert_int_equal(find(table, other), 0);
		}
		other = key;
		other.protocol = 17;
		assert_int_equal(find(table, other), 0);
	}
	flow_table_free(table);
}

static void a_translated_flow_has_two_keys_of_its_own(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);
	struct flow_key key = key4(7, 17), reply = key4(900, 17), back;
	uint32_t handle = flow_alloc(flow_table_cache(table, 0), false), winner;

	assert_int_equal(insert(table, handle, key, reply, &winner), 0);
	assert_int_equal(find(table, key), handle);
	assert_int_equal(find(table, reply), handle | FLOW_DIRECTION);
	assert_int_equal(find(table, flow_key_turned(&key)), 0);
	flow_key_of(table, handle, FLOW_REPLY, &back);
	assert_memory_equal(&back, &reply, sizeof(back));
	flow_table_free(table);
}

static void a_wide_flow_translates_between_families(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);
	struct flow_key key = key6(7, 58), reply = key4(900, 1), back;
	uint32_t handle = flow_alloc(flow_table_cache(table, 0), true), winner;

	assert_int_equal(insert(table, handle, key, reply, &winner), 0);
	assert_int_equal(find(table, key), handle);
	assert_int_equal(find(table, reply), handle | FLOW_DIRECTION);
	flow_key_of(table, handle, FLOW_REPLY, &back);
	assert_memory_equal(&back, &reply, sizeof(back));
	flow_key_of(table, handle, FLOW_ORIGINAL, &back);
	assert_memory_equal(&back, &key, sizeof(back));
	close_flow(table, 0, handle);
	assert_int_equal(find(table, reply), 0);
	flow_table_free(table);
}

static void a_flow_from_an_address_to_itself_has_one_entry(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);
	struct flow_key key = key4(7, 6);
	uint32_t handle;

	key.v4.destination = key.v4.source;
	key.v4.dport = key.v4.sport;
	handle = open_flow(table, 0, key);
	assert_int_equal(find(table, key), handle);
	close_flow(table, 0, handle);
	assert_int_equal(find(table, key), 0);
	flow_table_free(table);
}

static void the_second_to_open_a_flow_is_given_the_first(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);
	struct flow_cache *cache = flow_table_cache(table, 0);
	struct flow_key key = key4(7, 6), other = key4(8, 6);
	uint32_t first = open_flow(table, 0, key), second = flow_alloc(cache, false), winner;

	assert_int_equal(insert(table, second, key, flow_key_turned(&key), &winner), -EEXIST);
	assert_int_equal(winner, first);
	/* its reply opens a flow too */
	assert_int_equal(insert(table, second, flow_key_turned(&key), key, &winner), -EEXIST);
	assert_int_equal(winner, first | FLOW_DIRECTION);
	/* only the second key is taken, by a flow that is nobody's business: a port that is in use */
	assert_int_equal(insert(table, second, other, flow_key_turned(&key), &winner), -EEXIST);
	assert_int_equal(winner, 0);
	assert_int_equal(find(table, other), 0);
	/* and with another port it goes */
	assert_int_equal(insert(table, second, other, key4(500, 6), &winner), 0);
	assert_int_equal(find(table, other), second);
	flow_table_free(table);
}

static void a_dead_flow_is_not_found_and_stands_in_nobodys_way(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);
	struct flow_key key = key4(7, 6);
	uint32_t first = open_flow(table, 0, key), second;

	flow_head(table, first)->state = FLOW_DEAD;
	assert_int_equal(find(table, key), 0);
	second = open_flow(table, 0, key);
	assert_int_equal(find(table, key), second);
	flow_remove(table, first);
	assert_int_equal(find(table, key), second);
	assert_int_equal(find(table, flow_key_turned(&key)), second | FLOW_DIRECTION);
	flow_table_free(table);
}

static void a_new_flow_is_all_zero(void **state)
{
	static const struct flow_counters no_counters;
	static const struct flow_cold no_cold;
	struct flow_table *table = make(1024, 1024, 2);
	struct flow_cache *cache = flow_table_cache(table, 1);
	struct flow6 none = { .head.owner = 1 };
	uint32_t handle;

	for (unsigned round = 0; round < 1024; round++) {
		handle = flow_alloc(cache, true);
		assert_memory_equal(&table->hot6[handle & FLOW_INDEX], &none, sizeof(none));
		assert_memory_equal(flow_counters(table, handle), &no_counters,
				    sizeof(no_counters));
		assert_memory_equal(flow_cold(table, handle), &no_cold, sizeof(no_cold));
		memset(&table->hot6[handle & FLOW_INDEX], 0x3f, sizeof(none));
		memset(flow_counters(table, handle), 0xff, sizeof(no_counters));
		memset(flow_cold(table, handle), 0xff, sizeof(no_cold));
		flow_retire(cache, handle);
		flow_offline(flow_table_cache(table, 0));
		settle(table, 2);
	}
	flow_table_free(table);
}

static void memory_waits_for_every_worker(void **state)
{
	struct flow_table *table = make(1024, 1024, 3);
	struct flow_cache *cache = flow_table_cache(table, 0);
	uint32_t handle = open_flow(table, 0, key4(7, 6));

	close_flow(table, 0, handle);
	for (unsigned i = 0; i < 100; i++) {
		flow_quiescent(cache);
		flow_quiescent(flow_table_cache(table, 1)); /* worker 2 has not been there */
		assert_int_equal(in_use(table), 1);
	}
	flow_quiescent(flow_table_cache(table, 2));
	flow_quiescent(cache);
	assert_int_equal(in_use(table), 0);

	handle = open_flow(table, 0, key4(7, 6));
	flow_offline(flow_table_cache(table, 2));
	close_flow(table, 0, handle);
	settle(table, 2); /* who is offline is not waited for */
	assert_int_equal(in_use(table), 0);
	flow_table_free(table);
}

static void what_was_not_inserted_is_free_at_once(void **state)
{
	struct flow_table *table = make(1024, 1024, 1);
	struct flow_cache *cache = flow_table_cache(table, 0);
	uint32_t handle = flow_alloc(cache, false);

	flow_unalloc(cache, handle);
	assert_int_equal(in_use(table), 0);
	assert_int_equal(flow_alloc(cache, false), handle);
	flow_table_free(table);
}

static void every_flow_of_the_table_can_be_used(void **state)
{
	enum { NARROW = 5000, WIDE = 3000 };
	struct flow_table *table = make(NARROW, WIDE, 1);
	uint32_t *handle = calloc(NARROW + WIDE, sizeof(*handle));

	for (unsigned round = 0; round < 4; round++) {
		for (uint32_t i = 0; i < NARROW + WIDE; i++)
			handle[i] = open_flow(table, 0, i < NARROW ? key4(i, 6) : key6(i, 17));
		assert_int_equal(flow_alloc(flow_table_cache(table, 0), false), 0);
		assert_int_equal(flow_alloc(flow_table_cache(table, 0), true), 0);
		assert_int_equal(in_use(table), NARROW + WIDE);
		for (uint32_t i = 0; i < NARROW + WIDE; i++) {
			struct flow_key key = i < NARROW ? key4(i, 6) : key6(i, 17);

			assert_int_equal(find(table, key), handle[i]);
			assert_int_equal(find(table, flow_key_turned(&key)),
					 handle[i] | FLOW_DIRECTION);
		}
		for (uint32_t i = 0; i < NARROW + WIDE; i++)
			close_flow(table, 0, handle[i]);
		settle(table, 1);
		assert_int_equal(in_use(table), 0);
	}
	for (uint32_t i = 0; i < table->index->buckets; i++) {
		static const struct flow_bucket empty;

		assert_memory_equal(&table->index->bucket[i], &empty, sizeof(empty));
	}
	free(handle);
	flow_table_free(table);
}

/* Random opening and closing in a table that is nearly always full, against a plain list. */
static void a_full_table_in_constant_change_stays_right(void **state)
{
	enum { KEYS = 1500, FLOWS = 1024 };
	struct flow_table *table = make(FLOWS, 1024, 1);
	uint32_t handle[KEYS] = { 0 }, seed = 1;
	unsigned refused = 0;

	for (unsigned step = 0; step < 200000; step++) {
		uint32_t i = (uint32_t)rand_r(&seed) % KEYS;
		struct flow_key key = key4(i, 6);

		assert_int_equal(find(table, key), handle[i]);
		if (handle[i]) {
			close_flow(table, 0, handle[i]);
			handle[i] = 0;
		} else {
			uint32_t winner;

			handle[i] = flow_alloc(flow_table_cache(table, 0), false);
			if (handle[i])
				assert_int_equal(insert(table, handle[i], key,
							flow_key_turned(&key), &winner),
						 0);
			else
				refused++;
		}
		flow_quiescent(flow_table_cache(table, 0));
	}
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(find(table, key4(i, 6)), handle[i]);
	assert_true(refused < 200000 / 2);
	flow_table_free(table);
}

static void a_burst_finds_what_single_lookups_find(void **state)
{
	struct flow_table *table = make(100000, 1024, 1);
	struct flow_key key[FLOW_BURST_MAX];
	uint32_t ref[FLOW_BURST_MAX], seed = 3, hits = 0;

	for (uint32_t i = 0; i < 101024; i++)
		open_flow(table, 0, i < 100000 ? key4(i, 6) : key6(i, 6));
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = 1 + round % FLOW_BURST_MAX;

		for (unsigned i = 0; i < n; i++) {
			/* IPv4, IPv6, and both */
			key[i] = round % 3 == 0 || (round % 3 == 1 && i & 1) ?
					 key4((uint32_t)rand_r(&seed) % 130000, 6) :
					 key6(99500 + (uint32_t)rand_r(&seed) % 1500, 6);
			if (round & 1)
				key[i] = flow_key_turned(&key[i]);
		}
		flow_lookup(table, key, ref, n);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(ref[i], find(table, key[i]));
			hits += ref[i] != 0;
		}
	}
	assert_in_range(hits, 40000, 50000); /* two thirds or so of 65000 */
	flow_table_free(table);
}

static void tables_have_secrets_of_their_own(void **state)
{
	struct flow_table *a = make(1024, 1024, 1), *b = make(1024, 1024, 1);
	struct flow_key key = key4(1, 6);

	assert_memory_not_equal(&a->index->secret, &b->index->secret, sizeof(a->index->secret));
	assert_true(flow_hash(&a->index->secret, &key) != flow_hash(&b->index->secret, &key));
	flow_table_free(a);
	flow_table_free(b);
}

static void a_flow_takes_128_bytes_or_192(void **state)
{
	struct flow_table *table = make(1000000, 1024, 1);
	struct flow_table_use use;

	flow_table_use(table, &use);
	assert_true(use.bytes <= 128ull * 1000000 + 192ull * 1024 + (2 << 20) + 4096);
	flow_table_free(table);
	table = make(1024, 1000000, 1);
	flow_table_use(table, &use);
	assert_true(use.bytes <= 192ull * 1000000 + 128ull * 1024 + (2 << 20) + 4096);
	flow_table_free(table);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	struct flow_table *table;
	char why[256];

	assert_int_equal(flow_table_new(&table, 10, 1024, 1, HUGEPAGES_OFF, why), -EINVAL);
	assert_non_null(strstr(why, "expected 1024"));
	/* 136 GB; machines that have them may have them */
	if (flow_table_new(&table, FLOW_MAX, 1024, 1, HUGEPAGES_OFF, why) == 0) {
		flow_table_free(table);
		skip();
	}
	assert_non_null(strstr(why, "available"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_found_by_both_keys),
		cmocka_unit_test(each_part_of_a_key_counts),
		cmocka_unit_test(a_translated_flow_has_two_keys_of_its_own),
		cmocka_unit_test(a_wide_flow_translates_between_families),
		cmocka_unit_test(a_flow_from_an_address_to_itself_has_one_entry),
		cmocka_unit_test(the_second_to_open_a_flow_is_given_the_first),
		cmocka_unit_test(a_dead_flow_is_not_found_and_stands_in_nobodys_way),
		cmocka_unit_test(a_new_flow_is_all_zero),
		cmocka_unit_test(memory_waits_for_every_worker),
		cmocka_unit_test(what_was_not_inserted_is_free_at_once),
		cmocka_unit_test(every_flow_of_the_table_can_be_used),
		cmocka_unit_test(a_full_table_in_constant_change_stays_right),
		cmocka_unit_test(a_burst_finds_what_single_lookups_find),
		cmocka_unit_test(tables_have_secrets_of_their_own),
		cmocka_unit_test(a_flow_takes_128_bytes_or_192),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
