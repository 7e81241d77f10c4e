/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6 longest-prefix match: 16 bits by the root, then nodes of 8 bits each; see lpm_node.h.
 *
 * A full table spreads over only some sixty root slots, so the root and the nodes below it stay in the
 * caches next to the core, and an address under a /32 costs one farther line, one under a /48 three. A
 * root of 20 or 24 bits saves none of those and adds megabytes.
 *
 * The addresses of a burst end at different depths. A branch per address would be mispredicted. So, with
 * vectors, all of them go on together until few are left; without, each depth runs over a list of those
 * that go on, and the list for the next depth is written without a branch.
 */
#include "lpm6.h"

#include <stdlib.h>

#include "lpm_lanes.h"
#include "lpm_trie.h"

#define FEW 16 /* one in so many lookups */

struct lpm6 {
	struct lpm_trie trie;
	void (*burst)(const struct lpm_trie *t, const struct in6_addr *addr, uint32_t *value,
		      unsigned int n);
};

struct walk6 {
	int (*visit)(const struct in6_addr *prefix, unsigned int len, uint32_t value, void *arg);
	void *arg;
};

static inline __attribute__((always_inline)) uint32_t root_slot(const struct in6_addr *addr)
{
	return (uint32_t)addr->s6_addr[0] << 8 | addr->s6_addr[1];
}

static inline __attribute__((always_inline)) void
burst(const struct lpm_trie *t, const struct in6_addr *addr, uint32_t *value, unsigned int n)
{
	const uint8_t *line[LPM6_BURST_MAX];
	uint8_t at[LPM6_BURST_MAX]; /* the addresses that go on */
	unsigned int left = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t entry = lpm_root_entry(t, root_slot(&addr[i]));

		value[i] = entry;
		line[i] = lpm_entry_line(t->base, entry, addr[i].s6_addr[2]);
		__builtin_prefetch(line[i]);
		at[left] = (uint8_t)i;
		left += entry >> 31;
	}
	for (unsigned int byte = 2; left; byte++) {
		unsigned int go_on = 0;

		for (unsigned int j = 0; j < left; j++) {
			unsigned int i = at[j];
			uint32_t entry = lpm_line_entry(line[i], value[i], addr[i].s6_addr[byte]);

			value[i] = entry;
			/* Byte 16 does not exist, nor does a node for it: nothing goes on there. */
			line[i] = lpm_entry_line(t->base, entry, addr[i].s6_addr[(byte + 1) & 15]);
			__builtin_prefetch(line[i]);
			at[go_on] = (uint8_t)i;
			go_on += entry >> 31;
		}
		left = go_on;
	}
	lpm_arena_reader_done(&t->arena);
}

static void burst_portable(const struct lpm_trie *t, const struct in6_addr *addr, uint32_t *value,
			   unsigned int n)
{
	burst(t, addr, value, n);
}

__attribute__((target("avx2,bmi,bmi2,popcnt"))) static void
burst_avx2(const struct lpm_trie *t, const struct in6_addr *addr, uint32_t *value, unsigned int n)
{
	burst(t, addr, value, n);
}

/* Four bytes of each of 16 addresses, the first of them lowest. */
static inline __attribute__((always_inline)) LPM_TARGET_AVX512 __m512i
words_avx512(const struct in6_addr *addr, unsigned int word)
{
	const __m512i first =
		_mm512_set_epi32(60, 56, 52, 48, 44, 40, 36, 32, 28, 24, 20, 16, 12, 8, 4, 0);

	return _mm512_i32gather_epi32(first, addr->s6_addr32 + word, 4);
}

/* The rest of a lookup, from the node for byte @byte on. */
static inline __attribute__((always_inline)) uint32_t lookup_rest(const struct lpm_trie *t,
								  uint32_t entry,
								  const struct in6_addr *addr,
								  unsigned int byte)
{
	for (; entry & LPM_ENTRY_NODE; byte++) {
		unsigned int slot = addr->s6_addr[byte];

		entry = lpm_line_entry(lpm_entry_line(t->base, entry, slot), entry, slot);
	}
	return entry;
}

/*
 * @n: a multiple of 16. All lookups go on together, those with an answer without effect: to sort them
 * out costs more. When only a few are left, which is where prefixes longer than /48 are rare, these go on
 * by themselves.
 */
static inline __attribute__((always_inline)) LPM_TARGET_AVX512 void
blocks_avx512(const struct lpm_trie *t, const struct in6_addr *addr, uint32_t *value,
	      const unsigned int n)
{
	const __m512i low = _mm512_set1_epi32(255);
	struct lpm_lanes l[LPM6_BURST_MAX / LPM_LANES];
	__m512i entry[LPM6_BURST_MAX / LPM_LANES];
	__m512i word[LPM6_BURST_MAX / LPM_LANES];
	unsigned int left = 0, byte;

	for (unsigned int b = 0; b < n / LPM_LANES; b++) {
		__m512i w = words_avx512(addr + b * LPM_LANES, 0);
		__m512i slot = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(w, low), 8),
					       _mm512_and_si512(_mm512_srli_epi32(w, 8), low));

		word[b] = _mm512_srli_epi32(w, 16);
		entry[b] = _mm512_i32gather_epi32(slot, t->root, 4);
		left += (unsigned int)__builtin_popcount(_mm512_movepi32_mask(entry[b]));
	}
	for (byte = 2; left > n / FEW; byte++) {
		if (byte % 4 == 0)
			for (unsigned int b = 0; b < n / LPM_LANES; b++)
				word[b] = words_avx512(addr + b * LPM_LANES, byte / 4);
		for (unsigned int b = 0; b < n / LPM_LANES; b++)
			lpm_lanes_lines(&l[b], entry[b], _mm512_and_si512(word[b], low));
		for (unsigned int b = 0; b < n / LPM_LANES; b++)
			lpm_lanes_compare(t->base, &l[b], &addr[b * LPM_LANES].s6_addr[byte], 16);
		left = 0;
		for (unsigned int b = 0; b < n / LPM_LANES; b++) {
			entry[b] = lpm_lanes_pick(t->base, &l[b], entry[b],
						  _mm512_and_si512(word[b], low));
			word[b] = _mm512_srli_epi32(word[b], 8);
			left += (unsigned int)__builtin_popcount(_mm512_movepi32_mask(entry[b]));
		}
	}
	for (unsigned int b = 0; b < n / LPM_LANES; b++)
		_mm512_storeu_si512(value + b * LPM_LANES, entry[b]);
	if (left)
		for (unsigned int i = 0; i < n; i++)
			if (value[i] & LPM_ENTRY_NODE)
				value[i] = lookup_rest(t, value[i], &addr[i], byte);
}

LPM_TARGET_AVX512 static void burst_avx512(const struct lpm_trie *t, const struct in6_addr *addr,
					   uint32_t *value, unsigned int n)
{
	struct in6_addr padded[LPM6_BURST_MAX];
	uint32_t result[LPM6_BURST_MAX];
	unsigned int whole = (n + LPM_LANES - 1) & ~(LPM_LANES - 1);

	if (n == LPM6_BURST_MAX) {
		blocks_avx512(t, addr, value, LPM6_BURST_MAX);
		return;
	}
	if (n == whole) {
		blocks_avx512(t, addr, value, n);
		return;
	}
	memcpy(padded, addr, n * sizeof(*addr));
	memset(padded + n, 0, (whole - n) * sizeof(*addr));
	blocks_avx512(t, padded, result, whole);
	memcpy(value, result, n * sizeof(*value));
}

struct lpm6 *lpm6_new(void)
{
	struct lpm6 *t = calloc(1, sizeof(*t));

	if (t && lpm_trie_init(&t->trie, 16)) {
		free(t);
		return NULL;
	}
	if (t)
		t->burst = lpm_cpu_best() == LPM_CPU_AVX512 ? burst_avx512 :
			   lpm_cpu_best() == LPM_CPU_AVX2   ? burst_avx2 :
							      burst_portable;
	return t;
}

void lpm6_free(struct lpm6 *t)
{
	if (t)
		lpm_trie_fini(&t->trie);
	free(t);
}

int lpm6_set(struct lpm6 *t, const struct in6_addr *prefix, unsigned int len, uint32_t value)
{
	return lpm_trie_set(&t->trie, prefix->s6_addr, len, value);
}

int lpm6_del(struct lpm6 *t, const struct in6_addr *prefix, unsigned int len)
{
	return lpm_trie_del(&t->trie, prefix->s6_addr, len);
}

uint32_t lpm6_get(const struct lpm6 *t, const struct in6_addr *prefix, unsigned int len)
{
	return lpm_trie_get(&t->trie, prefix->s6_addr, len);
}

uint32_t lpm6_lookup(const struct lpm6 *t, const struct in6_addr *addr)
{
	uint32_t entry = lookup_rest(&t->trie, lpm_root_entry(&t->trie, root_slot(addr)), addr, 2);

	lpm_arena_reader_done(&t->trie.arena);
	return entry;
}

void lpm6_lookup_burst(const struct lpm6 *t, const struct in6_addr *addr, uint32_t *value,
		       unsigned int n)
{
	t->burst(&t->trie, addr, value, n);
}

static int walk6_visit(const uint8_t *key, unsigned int len, uint32_t value, void *arg)
{
	const struct walk6 *w = arg;
	struct in6_addr prefix;

	memcpy(&prefix, key, sizeof(prefix));
	return w->visit(&prefix, len, value, w->arg);
}

int lpm6_walk(const struct lpm6 *t,
	      int (*visit)(const struct in6_addr *prefix, unsigned int len, uint32_t value,
			   void *arg),
	      void *arg)
{
	struct walk6 w = { .visit = visit, .arg = arg };

	return lpm_trie_walk(&t->trie, walk6_visit, &w);
}

size_t lpm6_count(const struct lpm6 *t)
{
	return t->trie.prefixes;
}

void lpm6_reclaim(struct lpm6 *t)
{
	lpm_arena_reclaim(&t->trie.arena);
}

size_t lpm6_bytes(const struct lpm6 *t)
{
	return lpm_arena_bytes(&t->trie.arena);
}

size_t lpm6_control_bytes(const struct lpm6 *t)
{
	return sizeof(*t) + lpm_trie_control_bytes(&t->trie);
}

void lpm6_limit(struct lpm6 *t, size_t bytes, size_t control_bytes)
{
	lpm_trie_limit(&t->trie, bytes, control_bytes);
}
