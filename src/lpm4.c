/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 longest-prefix match: 16 bits by the root, then a node of 8 bits, and one more for /25 to /32.
 *
 * Of a full table's lookups nearly all end in the root or in the first node, so they cost one load from
 * a root that fits into the L2 cache and one line of the nodes; see lpm_node.h. DIR-24-8 has one access
 * instead, into 32 MB: with such a table warm in an otherwise idle L3 cache it is ahead for addresses
 * that keep to routed space, and far behind when they do not or when the packets want the cache, too.
 * Here it is 4 MB. Nodes as plain arrays throughout (7.6 MB) were no faster than the mix.
 *
 * A burst goes in stages, so that the misses of 64 addresses overlap. No stage branches on what it
 * finds: with random addresses half of those branches would be mispredicted. An answer that is there
 * already goes through the motions with a line that is always cached.
 */
#include "lpm4.h"

#include <stdlib.h>

#include "lpm_lanes.h"
#include "lpm_trie.h"

struct lpm4 {
	struct lpm_trie trie;
	void (*burst)(const struct lpm_trie *t, const uint32_t *addr, uint32_t *value,
		      unsigned int n);
};

struct walk4 {
	int (*visit)(uint32_t prefix, unsigned int len, uint32_t value, void *arg);
	void *arg;
};

static inline __attribute__((always_inline)) uint32_t lookup_rest(const struct lpm_trie *t,
								  uint32_t entry, uint32_t addr)
{
	return lpm_line_entry(lpm_entry_line(t->base, entry, addr & 255), entry, addr & 255);
}

static inline __attribute__((always_inline)) void
burst(const struct lpm_trie *t, const uint32_t *addr, uint32_t *value, unsigned int n)
{
	const uint8_t *line[LPM4_BURST_MAX];
	uint32_t entry[LPM4_BURST_MAX];
	uint32_t any = 0;

	for (unsigned int i = 0; i < n; i++) {
		entry[i] = lpm_root_entry(t, addr[i] >> 16);
		line[i] = lpm_entry_line(t->base, entry[i], addr[i] >> 8 & 255);
		__builtin_prefetch(line[i]);
	}
	for (unsigned int i = 0; i < n; i++) {
		value[i] = lpm_line_entry(line[i], entry[i], addr[i] >> 8 & 255);
		any |= value[i];
	}
	if (any & LPM_ENTRY_NODE)
		for (unsigned int i = 0; i < n; i++)
			if (value[i] & LPM_ENTRY_NODE)
				value[i] = lookup_rest(t, value[i], addr[i]);
	lpm_arena_reader_done(&t->arena);
}

static void burst_portable(const struct lpm_trie *t, const uint32_t *addr, uint32_t *value,
			   unsigned int n)
{
	burst(t, addr, value, n);
}

__attribute__((target("avx2,bmi,bmi2,popcnt"))) static void
burst_avx2(const struct lpm_trie *t, const uint32_t *addr, uint32_t *value, unsigned int n)
{
	burst(t, addr, value, n);
}

static inline __attribute__((always_inline)) LPM_TARGET_AVX512 __m512i
slots_avx512(const uint32_t *addr)
{
	return _mm512_and_si512(_mm512_srli_epi32(_mm512_loadu_si512(addr), 8),
				_mm512_set1_epi32(255));
}

/* @n: a multiple of 16. */
static inline __attribute__((always_inline)) LPM_TARGET_AVX512 void
blocks_avx512(const struct lpm_trie *t, const uint32_t *addr, uint32_t *value, const unsigned int n)
{
	struct lpm_lanes l[LPM4_BURST_MAX / LPM_LANES];
	__m512i entry[LPM4_BURST_MAX / LPM_LANES];
	__m512i any = _mm512_setzero_si512();

	for (unsigned int b = 0; b < n / LPM_LANES; b++) {
		__m512i a = _mm512_loadu_si512(addr + b * LPM_LANES);

		entry[b] = _mm512_i32gather_epi32(_mm512_srli_epi32(a, 16), t->root, 4);
		lpm_lanes_lines(&l[b], entry[b], slots_avx512(addr + b * LPM_LANES));
	}
	for (unsigned int b = 0; b < n / LPM_LANES; b++)
		lpm_lanes_compare(t->base, &l[b], (const uint8_t *)(addr + b * LPM_LANES) + 1, 4);
	for (unsigned int b = 0; b < n / LPM_LANES; b++) {
		entry[b] = lpm_lanes_pick(t->base, &l[b], entry[b],
					  slots_avx512(addr + b * LPM_LANES));
		_mm512_storeu_si512(value + b * LPM_LANES, entry[b]);
		any = _mm512_or_si512(any, entry[b]);
	}
	if (_mm512_movepi32_mask(any))
		for (unsigned int i = 0; i < n; i++)
			if (value[i] & LPM_ENTRY_NODE)
				value[i] = lookup_rest(t, value[i], addr[i]);
}

LPM_TARGET_AVX512 static void burst_avx512(const struct lpm_trie *t, const uint32_t *addr,
					   uint32_t *value, unsigned int n)
{
	uint32_t padded[LPM4_BURST_MAX] = { 0 };
	uint32_t result[LPM4_BURST_MAX];

	if (n % LPM_LANES == 0) {
		blocks_avx512(t, addr, value, n);
		return;
	}
	memcpy(padded, addr, n * sizeof(*addr));
	blocks_avx512(t, padded, result, (n + LPM_LANES - 1) & ~(LPM_LANES - 1));
	memcpy(value, result, n * sizeof(*value));
}

struct lpm4 *lpm4_new(void)
{
	struct lpm4 *t = calloc(1, sizeof(*t));

	if (t && lpm_trie_init(&t->trie, 4)) {
		free(t);
		return NULL;
	}
	if (t)
		t->burst = lpm_cpu_best() == LPM_CPU_AVX512 ? burst_avx512 :
			   lpm_cpu_best() == LPM_CPU_AVX2   ? burst_avx2 :
							      burst_portable;
	return t;
}

void lpm4_free(struct lpm4 *t)
{
	if (t)
		lpm_trie_fini(&t->trie);
	free(t);
}

static void key_from(uint8_t key[4], uint32_t addr)
{
	key[0] = (uint8_t)(addr >> 24);
	key[1] = (uint8_t)(addr >> 16);
	key[2] = (uint8_t)(addr >> 8);
	key[3] = (uint8_t)addr;
}

int lpm4_set(struct lpm4 *t, uint32_t prefix, unsigned int len, uint32_t value)
{
	uint8_t key[4];

	key_from(key, prefix);
	return lpm_trie_set(&t->trie, key, len, value);
}

int lpm4_del(struct lpm4 *t, uint32_t prefix, unsigned int len)
{
	uint8_t key[4];

	key_from(key, prefix);
	return lpm_trie_del(&t->trie, key, len);
}

uint32_t lpm4_get(const struct lpm4 *t, uint32_t prefix, unsigned int len)
{
	uint8_t key[4];

	key_from(key, prefix);
	return lpm_trie_get(&t->trie, key, len);
}

uint32_t lpm4_lookup(const struct lpm4 *t, uint32_t addr)
{
	uint32_t entry = lpm_root_entry(&t->trie, addr >> 16);

	if (entry & LPM_ENTRY_NODE) {
		unsigned int slot = addr >> 8 & 255;

		entry = lpm_line_entry(lpm_entry_line(t->trie.base, entry, slot), entry, slot);
	}
	if (entry & LPM_ENTRY_NODE)
		entry = lookup_rest(&t->trie, entry, addr);
	lpm_arena_reader_done(&t->trie.arena);
	return entry;
}

void lpm4_lookup_burst(const struct lpm4 *t, const uint32_t *addr, uint32_t *value, unsigned int n)
{
	t->burst(&t->trie, addr, value, n);
}

static int walk4_visit(const uint8_t *key, unsigned int len, uint32_t value, void *arg)
{
	const struct walk4 *w = arg;
	uint32_t prefix = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 |
			  key[3];

	return w->visit(prefix, len, value, w->arg);
}

int lpm4_walk(const struct lpm4 *t,
	      int (*visit)(uint32_t prefix, unsigned int len, uint32_t value, void *arg), void *arg)
{
	struct walk4 w = { .visit = visit, .arg = arg };

	return lpm_trie_walk(&t->trie, walk4_visit, &w);
}

size_t lpm4_count(const struct lpm4 *t)
{
	return t->trie.prefixes;
}

void lpm4_reclaim(struct lpm4 *t)
{
	lpm_arena_reclaim(&t->trie.arena);
}

size_t lpm4_bytes(const struct lpm4 *t)
{
	return lpm_arena_bytes(&t->trie.arena);
}

size_t lpm4_control_bytes(const struct lpm4 *t)
{
	return sizeof(*t) + lpm_trie_control_bytes(&t->trie);
}

void lpm4_limit(struct lpm4 *t, size_t bytes, size_t control_bytes)
{
	lpm_trie_limit(&t->trie, bytes, control_bytes);
}
