/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest-prefix-match tables against an oracle that is too simple to be wrong: a hash of all
 * prefixes, asked once per length, longest first. Keys are 16 bytes in network order for both families;
 * IPv4 uses the first four.
 *
 * VISOR_BGP_TABLE names a file of prefixes, one a line, perhaps gzipped, for the test with a real table.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>

#include "lpm4.h"
#include "lpm6.h"
#include "lpm_trie.h"

/* --- a table of either family ---------------------------------------------------------------- */

struct key {
	uint8_t byte[16];
};

struct table {
	unsigned int bits;
	struct lpm4 *v4;
	struct lpm6 *v6;
};

static uint32_t key_v4(const struct key *k)
{
	return (uint32_t)k->byte[0] << 24 | (uint32_t)k->byte[1] << 16 | (uint32_t)k->byte[2] << 8 |
	       k->byte[3];
}

static const struct in6_addr *key_v6(const struct key *k)
{
	return (const struct in6_addr *)(const void *)k;
}

static struct table table_new(unsigned int bits)
{
	struct table t = { .bits = bits };

	if (bits == 32)
		t.v4 = lpm4_new();
	else
		t.v6 = lpm6_new();
	assert_true(t.v4 || t.v6);
	return t;
}

static void table_free(struct table *t)
{
	lpm4_free(t->v4);
	lpm6_free(t->v6);
}

static int table_set(struct table *t, const struct key *k, unsigned int len, uint32_t value)
{
	return t->v4 ? lpm4_set(t->v4, key_v4(k), len, value) :
		       lpm6_set(t->v6, key_v6(k), len, value);
}

static int table_del(struct table *t, const struct key *k, unsigned int len)
{
	return t->v4 ? lpm4_del(t->v4, key_v4(k), len) : lpm6_del(t->v6, key_v6(k), len);
}

static uint32_t table_get(const struct table *t, const struct key *k, unsigned int len)
{
	return t->v4 ? lpm4_get(t->v4, key_v4(k), len) : lpm6_get(t->v6, key_v6(k), len);
}

static uint32_t table_lookup(const struct table *t, const struct key *k)
{
	return t->v4 ? lpm4_lookup(t->v4, key_v4(k)) : lpm6_lookup(t->v6, key_v6(k));
}

static void table_burst(const struct table *t, const struct key *k, uint32_t *value, unsigned int n)
{
	uint32_t addr[LPM4_BURST_MAX];

	for (unsigned int i = 0; t->v4 && i < n; i++)
		addr[i] = key_v4(&k[i]);
	if (t->v4)
		lpm4_lookup_burst(t->v4, addr, value, n);
	else
		lpm6_lookup_burst(t->v6, key_v6(k), value, n);
}

static size_t table_count(const struct table *t)
{
	return t->v4 ? lpm4_count(t->v4) : lpm6_count(t->v6);
}

static void table_reclaim(struct table *t)
{
	if (t->v4)
		lpm4_reclaim(t->v4);
	else
		lpm6_reclaim(t->v6);
}

static size_t table_bytes(const struct table *t)
{
	return t->v4 ? lpm4_bytes(t->v4) : lpm6_bytes(t->v6);
}

static size_t table_control_bytes(const struct table *t)
{
	return t->v4 ? lpm4_control_bytes(t->v4) : lpm6_control_bytes(t->v6);
}

static void table_limit(struct table *t, size_t bytes, size_t control_bytes)
{
	if (t->v4)
		lpm4_limit(t->v4, bytes, control_bytes);
	else
		lpm6_limit(t->v6, bytes, control_bytes);
}

/* --- keys ------------------------------------------------------------------------------------ */

static uint64_t random_state = 1;

static uint32_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 20);
}

static struct key key_random(unsigned int bits)
{
	struct key k = { { 0 } };

	for (unsigned int i = 0; i < bits / 8; i++)
		k.byte[i] = (uint8_t)rnd();
	return k;
}

static struct key key_masked(struct key k, unsigned int len)
{
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = len > 8 * i ? len - 8 * i : 0;

		k.byte[i] &= (uint8_t)(keep >= 8 ? 0xff : 0xff00 >> keep);
	}
	return k;
}

static struct key key_last(struct key k, unsigned int len, unsigned int bits)
{
	for (unsigned int i = len; i < bits; i++)
		k.byte[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return k;
}

static struct key key_step(struct key k, unsigned int bits, int step)
{
	for (unsigned int i = bits / 8; i-- > 0;) {
		k.byte[i] = (uint8_t)(k.byte[i] + step);
		if (k.byte[i] != (step > 0 ? 0 : 0xff))
			break;
	}
	return k;
}

/* --- the oracle ------------------------------------------------------------------------------ */

struct route {
	struct key key;
	uint32_t value; /* 0 = removed */
	uint8_t len;
	bool taken;
};

struct oracle {
	unsigned int bits;
	struct route *slot;
	size_t room;   /* a power of two */
	size_t n[129]; /* prefixes of each length */
};

static struct oracle oracle_new(unsigned int bits, size_t prefixes)
{
	struct oracle o = { .bits = bits, .room = 64 };

	while (o.room < 2 * prefixes)
		o.room *= 2;
	o.slot = calloc(o.room, sizeof(*o.slot));
	assert_non_null(o.slot);
	return o;
}

static struct route *oracle_slot(const struct oracle *o, const struct key *k, unsigned int len)
{
	uint64_t word[2];
	uint64_t hash;
	size_t i;

	memcpy(word, k, sizeof(word));
	hash = (word[0] * 0x9e3779b97f4a7c15u ^ word[1]) * 0xc2b2ae3d27d4eb4fu +
	       len * 0x165667b19e3779f9u;
	hash ^= hash >> 29;
	for (i = hash & (o->room - 1); o->slot[i].taken; i = (i + 1) & (o->room - 1))
		if (o->slot[i].len == len && !memcmp(&o->slot[i].key, k, sizeof(*k)))
			break;
	return &o->slot[i];
}

static void oracle_set(struct oracle *o, const struct key *k, unsigned int len, uint32_t value)
{
	struct route *r = oracle_slot(o, k, len);

	o->n[len] += (value != 0) - (r->value != 0);
	*r = (struct route){ .key = *k, .len = (uint8_t)len, .value = value, .taken = true };
}

static uint32_t oracle_get(const struct oracle *o, const struct key *k, unsigned int len)
{
	return oracle_slot(o, k, len)->value;
}

static uint32_t oracle_lookup(const struct oracle *o, const struct key *k)
{
	for (int len = (int)o->bits; len >= 0; len--) {
		struct key prefix;
		uint32_t value;

		if (!o->n[len])
			continue;
		prefix = key_masked(*k, (unsigned int)len);
		value = oracle_get(o, &prefix, (unsigned int)len);
		if (value)
			return value;
	}
	return 0;
}

/* --- comparing ------------------------------------------------------------------------------- */

static void fail_at(const struct table *t, const struct key *k, uint32_t got, uint32_t want)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(t->bits == 32 ? AF_INET : AF_INET6, k, text, sizeof(text));
	fail_msg("%s: got %u, expected %u", text, got, want);
}

struct batch {
	struct key key[LPM4_BURST_MAX];
	unsigned int n;
};

static void batch_check(const struct table *t, const struct oracle *o, struct batch *b)
{
	uint32_t value[LPM4_BURST_MAX];

	table_burst(t, b->key, value, b->n);
	for (unsigned int i = 0; i < b->n; i++) {
		uint32_t want = oracle_lookup(o, &b->key[i]);
		uint32_t single = table_lookup(t, &b->key[i]);

		if (value[i] != want)
			fail_at(t, &b->key[i], value[i], want);
		if (single != want)
			fail_at(t, &b->key[i], single, want);
	}
	b->n = 0;
}

static void batch_add(const struct table *t, const struct oracle *o, struct batch *b, struct key k)
{
	b->key[b->n++] = k;
	if (b->n == LPM4_BURST_MAX)
		batch_check(t, o, b);
}

/* The first and last address of a prefix, their neighbours outside, and one inside. */
static void batch_add_prefix(const struct table *t, const struct oracle *o, struct batch *b,
			     struct key prefix, unsigned int len)
{
	struct key last = key_last(prefix, len, t->bits);
	struct key inside = key_random(t->bits);
	struct key mask = key_last((struct key){ { 0 } }, len, t->bits);

	for (unsigned int i = 0; i < 16; i++)
		inside.byte[i] = prefix.byte[i] | (inside.byte[i] & mask.byte[i]);
	batch_add(t, o, b, prefix);
	batch_add(t, o, b, last);
	batch_add(t, o, b, key_step(prefix, t->bits, -1));
	batch_add(t, o, b, key_step(last, t->bits, 1));
	batch_add(t, o, b, inside);
}

static void compare(const struct table *t, const struct oracle *o, const struct route *r, size_t n)
{
	struct batch b = { .n = 0 };
	size_t present = 0;

	for (size_t i = 0; i < n; i++)
		batch_add_prefix(t, o, &b, r[i].key, r[i].len);
	for (size_t i = 0; i < 256; i++)
		batch_add(t, o, &b, key_random(t->bits));
	batch_check(t, o, &b);
	for (unsigned int len = 0; len <= o->bits; len++)
		present += o->n[len];
	assert_int_equal(table_count(t), present);
}

/* --- random tables --------------------------------------------------------------------------- */

struct shape {
	const char *name;
	unsigned int bits;
	unsigned int len_min, len_max;
	unsigned int fixed; /* leading bits that all prefixes share: density */
	uint32_t value_max;
	size_t n;
};

static const struct shape shapes[] = {
	{ "v4 all lengths", 32, 0, 32, 0, 250, 3000 },
	{ "v4 wide values", 32, 0, 32, 0, LPM_VALUE_MAX, 3000 },
	{ "v4 short", 32, 0, 16, 0, 60000, 1500 },
	{ "v4 around the root", 32, 14, 18, 8, 250, 3000 },
	{ "v4 dense /24", 32, 20, 24, 14, 250, 3000 },
	{ "v4 dense /24, 16-bit values", 32, 20, 24, 14, 60000, 3000 },
	{ "v4 dense /24, 24-bit values", 32, 20, 24, 14, LPM_VALUE_MAX, 3000 },
	{ "v4 dense /32", 32, 25, 32, 20, 250, 3000 },
	{ "v4 few values", 32, 16, 32, 12, 2, 3000 },
	{ "v6 all lengths", 128, 0, 128, 0, 250, 2000 },
	{ "v6 all lengths, dense", 128, 0, 128, 12, 60000, 2000 },
	{ "v6 like the Internet", 128, 19, 64, 12, 250, 3000 },
	{ "v6 dense /48", 128, 40, 48, 36, 250, 3000 },
	{ "v6 dense /64", 128, 56, 64, 50, LPM_VALUE_MAX, 3000 },
	{ "v6 dense /128", 128, 118, 128, 114, 250, 3000 },
	{ "v6 few values", 128, 16, 128, 12, 2, 2000 },
};

static struct route route_random(const struct shape *s, const struct key *common)
{
	struct route r = { .len = (uint8_t)(s->len_min + rnd() % (s->len_max - s->len_min + 1)) };

	r.key = key_random(s->bits);
	/* Half of them on the same path: nesting. */
	if (rnd() % 2)
		r.key = *common;
	for (unsigned int i = 0; i < s->bits; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		if (i < s->fixed)
			r.key.byte[i / 8] = (r.key.byte[i / 8] & (uint8_t)~bit) |
					    (common->byte[i / 8] & bit);
		else if (rnd() % 8 == 0)
			r.key.byte[i / 8] ^= bit;
	}
	r.key = key_masked(r.key, r.len);
	r.value = 1 + rnd() % s->value_max;
	return r;
}

static void shuffle(struct route *r, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = rnd() % i;
		struct route other = r[j];

		r[j] = r[i - 1];
		r[i - 1] = other;
	}
}

static void change(struct table *t, struct oracle *o, const struct route *r, uint32_t value)
{
	uint32_t before = oracle_get(o, &r->key, r->len);
	int want = value || before ? 0 : -ENOENT;
	int rc = value ? table_set(t, &r->key, r->len, value) : table_del(t, &r->key, r->len);

	assert_int_equal(rc, want);
	if (!rc)
		oracle_set(o, &r->key, r->len, value);
	assert_int_equal(table_get(t, &r->key, r->len), value);
}

static void shape_check(const struct shape *s)
{
	struct table t = table_new(s->bits);
	struct oracle o = oracle_new(s->bits, s->n);
	struct route *r = calloc(s->n, sizeof(*r));
	size_t bytes = table_bytes(&t);
	size_t control_bytes = table_control_bytes(&t);
	struct key common = key_random(s->bits);

	print_message("    %s\n", s->name);
	assert_non_null(r);
	for (size_t i = 0; i < s->n; i++) {
		r[i] = route_random(s, &common);
		change(&t, &o, &r[i], r[i].value);
		if (i % (s->n / 4) == 0)
			compare(&t, &o, r, i);
	}
	compare(&t, &o, r, s->n);
	for (size_t i = 0; i < s->n; i += 3) /* replaced */
		change(&t, &o, &r[i], 1 + rnd() % s->value_max);
	compare(&t, &o, r, s->n);
	shuffle(r, s->n);
	for (size_t i = 0; i < s->n; i++) {
		change(&t, &o, &r[i], 0); /* a duplicate is gone already: -ENOENT */
		if (i % (s->n / 4) == 0)
			compare(&t, &o, r, s->n);
		if (i % 50 == 0) /* and some come back */
			change(&t, &o, &r[rnd() % (i + 1)], 1 + rnd() % s->value_max);
	}
	for (size_t i = 0; i < s->n; i++)
		if (oracle_get(&o, &r[i].key, r[i].len))
			change(&t, &o, &r[i], 0);
	compare(&t, &o, r, s->n);
	table_reclaim(&t);
	assert_int_equal(table_count(&t), 0);
	assert_int_equal(table_bytes(&t), bytes);
	assert_int_equal(table_control_bytes(&t), control_bytes);
	free(r);
	free(o.slot);
	table_free(&t);
}

static void random_tables_agree_with_the_oracle_and_leave_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		shape_check(&shapes[i]);
}

static void random_tables_agree_without_vector_instructions(void **state)
{
	for (enum lpm_cpu cpu = LPM_CPU_ANY; cpu < LPM_CPU_AVX512; cpu++) {
		lpm_cpu_limit = cpu;
		random_tables_agree_with_the_oracle_and_leave_nothing(state);
	}
	lpm_cpu_limit = LPM_CPU_AVX512;
}

/* --- particular tables ----------------------------------------------------------------------- */

static void what_no_table_can_hold_is_refused(void **state)
{
	struct lpm4 *v4 = lpm4_new();
	struct lpm6 *v6 = lpm6_new();
	struct in6_addr a = { .s6_addr = { 0x20, 0x01, 0x0d, 0xb8 } };

	(void)state;
	assert_int_equal(lpm4_set(v4, 0x0a000000, 33, 1), -EINVAL);
	assert_int_equal(lpm4_set(v4, 0x0a000001, 24, 1), -EINVAL);
	assert_int_equal(lpm4_set(v4, 0x80000000, 0, 1), -EINVAL);
	assert_int_equal(lpm4_set(v4, 0x0a000000, 8, 0), -EINVAL);
	assert_int_equal(lpm4_set(v4, 0x0a000000, 8, 1 << 24), -EINVAL);
	assert_int_equal(lpm4_set(v4, 0x0a000000, 8, (1 << 24) - 1), 0);
	assert_int_equal(lpm4_set(v4, 0x0a010203, 32, (1 << 24) - 1), 0);
	assert_int_equal(lpm4_del(v4, 0x0a000000, 9), -ENOENT);
	assert_int_equal(lpm4_del(v4, 0x0a010202, 31), -ENOENT);
	assert_int_equal(lpm4_del(v4, 0x0a010203, 31), -EINVAL);
	assert_int_equal(lpm4_del(v4, 0x0b000000, 24), -ENOENT);
	assert_int_equal(lpm4_get(v4, 0x0a000000, 9), 0);
	assert_int_equal(lpm4_get(v4, 0x0a000000, 77), 0);
	assert_int_equal(lpm4_lookup(v4, 0x0a010203), (1 << 24) - 1);
	assert_int_equal(lpm6_set(v6, &a, 129, 1), -EINVAL);
	assert_int_equal(lpm6_set(v6, &a, 28, 1), -EINVAL);
	assert_int_equal(lpm6_set(v6, &a, 32, 0), -EINVAL);
	assert_int_equal(lpm6_set(v6, &a, 32, 1 << 24), -EINVAL);
	assert_int_equal(lpm6_set(v6, &a, 29, 7), 0);
	assert_int_equal(lpm6_del(v6, &a, 30), -ENOENT);
	assert_int_equal(lpm6_lookup(v6, &a), 7);
	lpm4_free(v4);
	lpm6_free(v6);
	lpm4_free(NULL);
	lpm6_free(NULL);
}

/* Each length on one path: an address leaves it at each bit, and must get exactly that length. */
static void chain_check(unsigned int bits)
{
	struct table t = table_new(bits);
	struct oracle o = oracle_new(bits, bits + 1);
	struct key path = key_random(bits);
	struct route r[129];

	for (unsigned int len = 0; len <= bits; len++) {
		r[len] = (struct route){ .key = key_masked(path, len), .len = (uint8_t)len };
		change(&t, &o, &r[len], len + 1);
	}
	compare(&t, &o, r, bits + 1);
	for (unsigned int len = 0; len < bits; len++) {
		struct key off = path;

		off.byte[len / 8] ^= (uint8_t)(0x80 >> len % 8);
		assert_int_equal(table_lookup(&t, &off), len + 1);
	}
	shuffle(r, bits + 1);
	for (unsigned int i = 0; i <= bits; i++) {
		change(&t, &o, &r[i], 0);
		compare(&t, &o, r, bits + 1);
	}
	free(o.slot);
	table_free(&t);
}

static void nested_chains_of_every_length(void **state)
{
	(void)state;
	chain_check(32);
	chain_check(128);
}

/* One node with 1 to 256 runs and each width of values: every format and its limits. */
static void node_check(uint32_t value_base, unsigned int spread)
{
	struct table t = table_new(32);
	struct oracle o = oracle_new(32, 256);

	for (unsigned int i = 0; i < 256; i++) {
		unsigned int slot = i * spread % 256;
		struct route r = { .key = { { 10, 1, (uint8_t)slot, 0 } }, .len = 24 };
		struct batch b = { .n = 0 };

		change(&t, &o, &r, value_base + slot % 251 + 1);
		for (unsigned int s = 0; s < 256; s++)
			batch_add(&t, &o, &b, (struct key){ { 10, 1, (uint8_t)s, (uint8_t)i } });
	}
	free(o.slot);
	table_free(&t);
}

static void one_node_with_every_number_of_runs(void **state)
{
	static const uint32_t bases[] = { 0, 1000, 1000000 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int spread = 1; spread < 256; spread += 34)
			node_check(bases[i], spread);
}

/* 64 nodes of @runs runs in each half of their slots, or in the whole, take @lines lines each. */
static void size_check(uint32_t value_base, unsigned int runs, unsigned int halves,
		       unsigned int lines)
{
	struct table t = table_new(32);
	size_t bytes = table_bytes(&t);

	for (unsigned int node = 0; node < 64; node++) {
		for (unsigned int i = 0; i < (runs - 1) * halves; i++) {
			unsigned int slot = i / (runs - 1) * 128 + i % (runs - 1);
			struct key k = { { 10, (uint8_t)node, (uint8_t)slot, 0 } };

			assert_int_equal(table_set(&t, &k, 24, value_base + slot), 0);
			table_reclaim(&t);
		}
	}
	/* Room that the last node grew out of may still be open. */
	assert_in_range(table_bytes(&t) - bytes, 64 * lines * LPM_LINE,
			64 * lines * LPM_LINE + 2 * LPM_NODE_BYTES);
	table_free(&t);
}

static void nodes_are_as_small_as_their_format_allows(void **state)
{
	(void)state;
	size_check(1, 32, 1, 1);
	size_check(1, 33, 1, 4);
	size_check(1, 32, 2, 2);
	size_check(1, 33, 2, 4);
	size_check(1000, 21, 1, 1);
	size_check(1000, 21, 2, 2);
	size_check(100000, 13, 1, 1);
	size_check(100000, 13, 2, 2);
	size_check(100000, 128, 2, 16);
}

/* Nodes of one size make room for nodes of another: what they left is put together again. */
static void memory_of_small_nodes_serves_large_ones(void **state)
{
	/* 1, 4, 8 and 16 lines each */
	static const struct {
		uint32_t base;
		unsigned int slots;
	} turns[] = {
		{ 1, 20 },
		{ 1, 200 },
		{ 1000, 200 },
		{ 1000000, 200 },
	};
	const struct key stays = { { 10, 200, 0, 0 } };
	struct table t = table_new(32);
	size_t empty = table_bytes(&t);

	(void)state;
	assert_int_equal(table_set(&t, &stays, 24, 1), 0);
	for (unsigned int turn = 0; turn < 16; turn++) {
		for (unsigned int i = 0; i < 100 * 200 * 2; i++) {
			unsigned int node = i % 100, slot = i / 100 % 200;
			struct key k = { { 10, (uint8_t)node, (uint8_t)slot, 0 } };

			if (i / 100 >= 200)
				(void)table_del(&t, &k, 24);
			else if (slot < turns[turn % 4].slots)
				assert_int_equal(table_set(&t, &k, 24, turns[turn % 4].base + slot),
						 0);
			if (node == 99)
				table_reclaim(&t);
		}
	}
	/* The largest nodes, and more than as much again for those that they replaced. */
	assert_in_range(table_bytes(&t) - empty, 0, 250 * LPM_NODE_BYTES);
	table_free(&t);
}

static void a_default_route_shows_through_everywhere(void **state)
{
	struct shape s = { "", 32, 1, 32, 0, 250, 2000 };
	struct table t = table_new(32);
	struct oracle o = oracle_new(32, s.n + 1);
	struct route *r = calloc(s.n, sizeof(*r));
	struct route everything = { .len = 0 };
	struct key common = key_random(32);

	(void)state;
	for (size_t i = 0; i < s.n; i++) {
		r[i] = route_random(&s, &common);
		change(&t, &o, &r[i], r[i].value);
	}
	for (uint32_t value = 300; value < 304; value++) {
		change(&t, &o, &everything, value);
		compare(&t, &o, r, s.n);
	}
	change(&t, &o, &everything, 0);
	compare(&t, &o, r, s.n);
	free(r);
	free(o.slot);
	table_free(&t);
}

static void bursts_of_every_size_agree_with_single_lookups(void **state)
{
	(void)state;
	for (unsigned int bits = 32; bits <= 128; bits += 96) {
		struct table t = table_new(bits);
		struct oracle o = oracle_new(bits, 1000);
		struct shape s = { "", bits, 0, bits, 10, 250, 500 };
		struct key common = key_random(bits);
		struct batch b = { .n = 0 };

		for (size_t i = 0; i < s.n; i++) {
			struct route r = route_random(&s, &common);

			change(&t, &o, &r, r.value);
		}
		for (unsigned int n = 0; n <= LPM4_BURST_MAX; n++) {
			uint32_t value[LPM4_BURST_MAX + 1];

			for (b.n = 0; b.n < n; b.n++)
				b.key[b.n] = rnd() % 2 ? key_random(bits) :
							 route_random(&s, &common).key;
			value[n] = 0x5a5a5a5a;
			table_burst(&t, b.key, value, n);
			assert_int_equal(value[n], 0x5a5a5a5a);
			batch_check(&t, &o, &b);
		}
		free(o.slot);
		table_free(&t);
	}
}

struct walked {
	const struct oracle *o;
	struct key last;
	int last_len;
	size_t n;
	size_t stop_at;
};

static int walked_visit(struct walked *w, const struct key *k, unsigned int len, uint32_t value)
{
	int order = memcmp(&w->last, k, sizeof(*k));

	assert_true(order < 0 || (order == 0 && w->last_len < (int)len));
	assert_int_equal(oracle_get(w->o, k, len), value);
	w->last = *k;
	w->last_len = (int)len;
	return ++w->n == w->stop_at ? 77 : 0;
}

static int walked_visit4(uint32_t prefix, unsigned int len, uint32_t value, void *arg)
{
	struct key k = { { (uint8_t)(prefix >> 24), (uint8_t)(prefix >> 16), (uint8_t)(prefix >> 8),
			   (uint8_t)prefix } };

	return walked_visit(arg, &k, len, value);
}

static int walked_visit6(const struct in6_addr *prefix, unsigned int len, uint32_t value, void *arg)
{
	struct key k;

	memcpy(&k, prefix, sizeof(k));
	return walked_visit(arg, &k, len, value);
}

static int table_walk(const struct table *t, struct walked *w)
{
	return t->v4 ? lpm4_walk(t->v4, walked_visit4, w) : lpm6_walk(t->v6, walked_visit6, w);
}

static void a_walk_finds_every_prefix_in_order_and_can_stop(void **state)
{
	(void)state;
	for (unsigned int bits = 32; bits <= 128; bits += 96) {
		struct table t = table_new(bits);
		struct oracle o = oracle_new(bits, 3000);
		struct shape s = { "", bits, 0, bits, 6, 250, 3000 };
		struct key common = key_random(bits);
		struct walked w = { .o = &o, .last_len = -1 };

		assert_int_equal(table_walk(&t, &w), 0);
		assert_int_equal(w.n, 0);
		for (size_t i = 0; i < s.n; i++) {
			struct route r = route_random(&s, &common);

			change(&t, &o, &r, r.value);
		}
		assert_int_equal(table_walk(&t, &w), 0);
		assert_int_equal(w.n, table_count(&t));
		w = (struct walked){ .o = &o, .last_len = -1, .stop_at = 100 };
		assert_int_equal(table_walk(&t, &w), 77);
		assert_int_equal(w.n, 100);
		free(o.slot);
		table_free(&t);
	}
}

/* --- no memory ------------------------------------------------------------------------------- */

/* Lets a change fail with nothing to spare, then with a little more, until it succeeds. */
static void change_starved(struct table *t, struct oracle *o, const struct route *r, uint32_t value,
			   const struct route *all, size_t n, unsigned int *refused)
{
	size_t data = table_bytes(t), control = table_control_bytes(t);
	uint32_t before = oracle_get(o, &r->key, r->len);
	bool starve_data = rnd() % 2;

	for (size_t step = 0;; step++) {
		int rc;

		if (starve_data)
			table_limit(t, data + step * 1024, SIZE_MAX);
		else
			table_limit(t, SIZE_MAX, control + step * 16);
		rc = value ? table_set(t, &r->key, r->len, value) : table_del(t, &r->key, r->len);
		if (rc == 0 || rc == -ENOENT) {
			assert_int_equal(rc, value || before ? 0 : -ENOENT);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(table_get(t, &r->key, r->len), before);
		++*refused;
		if (*refused % 16 == 0)
			compare(t, o, all, n);
	}
	table_limit(t, SIZE_MAX, SIZE_MAX);
	oracle_set(o, &r->key, r->len, value);
}

static void starved_check(unsigned int bits)
{
	struct shape s = { "", bits, 0, bits, 8, 60000, 400 };
	struct table t = table_new(bits);
	struct oracle o = oracle_new(bits, s.n);
	struct route *r = calloc(s.n, sizeof(*r));
	size_t bytes = table_bytes(&t), control_bytes = table_control_bytes(&t);
	struct key common = key_random(bits);
	unsigned int refused = 0;

	for (size_t i = 0; i < s.n; i++) {
		r[i] = route_random(&s, &common);
		change_starved(&t, &o, &r[i], r[i].value, r, i, &refused);
	}
	compare(&t, &o, r, s.n);
	assert_true(refused > 20);
	for (size_t i = 0; i < s.n; i++)
		change_starved(&t, &o, &r[i], 0, r, s.n, &refused);
	compare(&t, &o, r, s.n);
	table_reclaim(&t);
	assert_int_equal(table_bytes(&t), bytes);
	assert_int_equal(table_control_bytes(&t), control_bytes);
	free(r);
	free(o.slot);
	table_free(&t);
}

static void a_change_that_finds_no_memory_changes_nothing(void **state)
{
	(void)state;
	starved_check(32);
	starved_check(128);
}

/* --- readers at the same time ---------------------------------------------------------------- */

#define CHURN_ROUTES 512
#define CHURN_KEYS 4096

/*
 * Every route of the universe has two values, 2i + 1 and 2i + 2. The even ones never change; they are
 * there from the start. An address may get the longest of the permanent routes that match, or any
 * longer one that comes and goes; everything else is wrong.
 */
struct churn {
	struct table t;
	struct route route[CHURN_ROUTES];
	struct key key[CHURN_KEYS];
	int floor[CHURN_KEYS]; /* the longest permanent route's number, -1 = none */
	struct route counter;  /* a route whose value only grows */
	bool stop;
	unsigned int wrong;
	uint64_t lookups;
};

static bool churn_legal(const struct churn *c, size_t key, uint32_t value)
{
	int floor = c->floor[key];
	const struct route *r;
	struct key masked;
	size_t i;

	if (!value)
		return floor < 0;
	i = (value - 1) / 2;
	if (i >= CHURN_ROUTES)
		return false;
	r = &c->route[i];
	masked = key_masked(c->key[key], r->len);
	if (memcmp(&masked, &r->key, sizeof(masked)))
		return false;
	return (int)i == floor || (i % 2 && (floor < 0 || r->len > c->route[floor].len));
}

static void *churn_reader(void *arg)
{
	struct churn *c = arg;
	uint32_t value[LPM4_BURST_MAX];
	uint32_t counted = 0;
	uint64_t lookups = 0;
	unsigned int wrong = 0;

	rcu_register_thread();
	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		for (size_t at = 0; at < CHURN_KEYS; at += LPM4_BURST_MAX) {
			uint32_t now;

			table_burst(&c->t, &c->key[at], value, LPM4_BURST_MAX);
			for (size_t i = 0; i < LPM4_BURST_MAX; i++)
				wrong += !churn_legal(c, at + i, value[i]);
			now = table_lookup(&c->t, &c->counter.key);
			wrong += now < counted;
			counted = now;
			rcu_quiescent_state();
		}
		lookups += CHURN_KEYS;
	}
	rcu_unregister_thread();
	__atomic_fetch_add(&c->wrong, wrong, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->lookups, lookups, __ATOMIC_RELAXED);
	return NULL;
}

static void churn_prepare(struct churn *c, unsigned int bits)
{
	struct shape s = { "", bits, 0, bits, 10, 1, 0 };
	struct key common = key_random(bits);
	struct oracle o = oracle_new(bits, CHURN_ROUTES);

	c->t = table_new(bits);
	for (size_t i = 0; i < CHURN_ROUTES; i++) {
		do { /* no prefix twice */
			c->route[i] = route_random(&s, &common);
		} while (oracle_get(&o, &c->route[i].key, c->route[i].len));
		oracle_set(&o, &c->route[i].key, c->route[i].len, 1);
		if (i % 2 == 0)
			assert_int_equal(table_set(&c->t, &c->route[i].key, c->route[i].len,
						   (uint32_t)(2 * i + 1)),
					 0);
	}
	for (size_t k = 0; k < CHURN_KEYS; k++) {
		const struct route *r = &c->route[rnd() % CHURN_ROUTES];
		uint32_t value;

		c->key[k] = rnd() % 2 ? r->key : key_last(r->key, r->len, bits);
		if (rnd() % 4 == 0)
			c->key[k] = key_random(bits);
		value = table_lookup(&c->t, &c->key[k]);
		c->floor[k] = value ? (int)((value - 1) / 2) : -1;
	}
	/* Beside the others: they share their first ten bits. */
	c->counter.key = common;
	c->counter.key.byte[0] ^= 0x80;
	c->counter.len = (uint8_t)bits;
	assert_int_equal(table_set(&c->t, &c->counter.key, bits, 1000000), 0);
	free(o.slot);
}

static void churn_check(unsigned int bits, unsigned int changes)
{
	struct churn *c = calloc(1, sizeof(*c));
	pthread_t reader[2];

	assert_non_null(c);
	churn_prepare(c, bits);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&reader[i], NULL, churn_reader, c), 0);
	for (unsigned int n = 0; n < changes; n++) {
		size_t i = (rnd() % CHURN_ROUTES) | 1;
		const struct route *r = &c->route[i];

		if (rnd() % 2)
			assert_int_equal(table_set(&c->t, &r->key, r->len,
						   (uint32_t)(2 * i + 1 + rnd() % 2)),
					 0);
		else
			(void)table_del(&c->t, &r->key, r->len);
		if (n % 16 == 0)
			assert_int_equal(table_set(&c->t, &c->counter.key, bits, 1000001 + n / 16),
					 0);
		if (n % 64 == 0) /* often, for blocks to be used again soon */
			table_reclaim(&c->t);
	}
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(reader[i], NULL);
	print_message("    %u changes under %llu lookups\n", changes,
		      (unsigned long long)c->lookups);
	assert_true(c->lookups > 0);
	assert_int_equal(c->wrong, 0);
	table_free(&c->t);
	free(c);
}

static void readers_see_the_old_or_the_new_route(void **state)
{
	(void)state;
	churn_check(32, 30000);
	churn_check(128, 30000);
}

/* --- a real table ---------------------------------------------------------------------------- */

static bool route_parse(char *line, struct route *r, unsigned int *bits)
{
	char *slash = strchr(line, '/');

	memset(r, 0, sizeof(*r));
	if (!slash)
		return false;
	*slash = 0;
	*bits = strchr(line, ':') ? 128 : 32;
	r->len = (uint8_t)atoi(slash + 1);
	return inet_pton(*bits == 32 ? AF_INET : AF_INET6, line, &r->key) == 1;
}

static size_t routes_read(const char *path, unsigned int bits, struct route **out)
{
	char command[4200], line[128];
	size_t n = 0, room = 0;
	struct route r;
	FILE *f;

	snprintf(command, sizeof(command), "gzip -dcf '%s'", path);
	f = popen(command, "r");
	assert_non_null(f);
	*out = NULL;
	while (fgets(line, sizeof(line), f)) {
		unsigned int family;

		if (!route_parse(line, &r, &family) || family != bits)
			continue;
		if (n == room) {
			room = room ? 2 * room : 1024;
			*out = realloc(*out, room * sizeof(**out));
			assert_non_null(*out);
		}
		r.value = 1 + rnd() % 250;
		(*out)[n++] = r;
	}
	pclose(f);
	return n;
}

static void real_check(const char *path, unsigned int bits)
{
	struct table t = table_new(bits);
	struct route *r;
	size_t n = routes_read(path, bits, &r);
	struct oracle o = oracle_new(bits, n);

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++)
		change(&t, &o, &r[i], r[i].value);
	compare(&t, &o, r, n);
	print_message("    %zu prefixes: %zu KB, for the writer %zu KB\n", n,
		      table_bytes(&t) / 1024, table_control_bytes(&t) / 1024);
	assert_true(table_bytes(&t) <= 8 << 20);
	shuffle(r, n);
	for (size_t i = 0; i < n / 2; i++)
		change(&t, &o, &r[i], i % 2 ? 0 : 1 + rnd() % 250);
	compare(&t, &o, r, n);
	free(r);
	free(o.slot);
	table_free(&t);
}

static void a_real_table_agrees_with_the_oracle(void **state)
{
	const char *path = getenv("VISOR_BGP_TABLE");

	(void)state;
	if (!path || !*path) {
		print_message("    SKIPPED: VISOR_BGP_TABLE does not name a file of prefixes\n");
		skip();
	}
	real_check(path, 32);
	real_check(path, 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_table_can_hold_is_refused),
		cmocka_unit_test(nested_chains_of_every_length),
		cmocka_unit_test(one_node_with_every_number_of_runs),
		cmocka_unit_test(nodes_are_as_small_as_their_format_allows),
		cmocka_unit_test(memory_of_small_nodes_serves_large_ones),
		cmocka_unit_test(random_tables_agree_with_the_oracle_and_leave_nothing),
		cmocka_unit_test(random_tables_agree_without_vector_instructions),
		cmocka_unit_test(a_default_route_shows_through_everywhere),
		cmocka_unit_test(bursts_of_every_size_agree_with_single_lookups),
		cmocka_unit_test(a_walk_finds_every_prefix_in_order_and_can_stop),
		cmocka_unit_test(a_change_that_finds_no_memory_changes_nothing),
		cmocka_unit_test(readers_see_the_old_or_the_new_route),
		cmocka_unit_test(a_real_table_agrees_with_the_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
