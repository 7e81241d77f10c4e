/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up a burst of keys.
 *
 * All keys take their steps together: a round walks every key down to a leaf, node by node, and fetches
 * what it comes to for all of them before any of them needs it, so that the cache misses of 64 keys
 * overlap; then it compares the leaves. Rests that were passed on the way are on a stack of their key
 * with the lowest priority that they can answer; the next round takes from each stack the first that can
 * still win. Keys that have nothing left are out.
 *
 * Leaves are compared in blocks of four boxes: with AVX-512 all words of IPv4 in one register, with AVX2
 * in two, else word by word. A place matches if each word of the key is in its range, the meta word
 * equals in the bits that count, and its priority is not below the key's `from` and better than the best
 * so far: one unsigned comparison of differences for a range each.
 */
#include "classifier_burst.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#endif

enum classifier_cpu classifier_cpu_limit = CLASSIFIER_CPU_AVX512;

/* --- the way down ------------------------------------------------------------------------------- */

INLINE void step(struct search *s, struct counts *c, unsigned int i, uint64_t ref)
{
	const struct classifier_node *node = classifier_node_at(s->base, ref);
	uint32_t slot = s->key[i].word[classifier_ref_word(ref)] >> classifier_ref_shift(ref) &
			((1u << classifier_ref_bits(ref)) - 1);

	if (ref & CLASSIFIER_RESTS)
		rest_push(s, i, ref);
	place(s, c, i, __atomic_load_n(&node->child[slot], __ATOMIC_ACQUIRE));
}

/* @return how many have come to a leaf: all of them. */
INLINE unsigned int search_walk(struct search *s, struct counts c)
{
	while (c.nodes) {
		unsigned int n = c.nodes;

		c.nodes = 0;
		for (unsigned int j = 0; j < n; j++)
			step(s, &c, s->node.key[j], s->node.ref[j]);
	}
	for (unsigned int j = 0; j < c.leaves; j++) {
		const uint8_t *at = (const uint8_t *)classifier_node_at(s->base, s->leaf.ref[j]);

		__builtin_prefetch(at);
		__builtin_prefetch(at + 64);
		__builtin_prefetch(at + 128);
	}
	return c.leaves;
}

/* --- any processor ------------------------------------------------------------------------------ */

INLINE unsigned int block_any(const struct search *s, unsigned int i, const uint32_t *block,
			      const struct classifier_tail *tail, const unsigned int words)
{
	const uint32_t *key = s->key[i].word, *span = block + words * CLASSIFIER_BLOCK;
	unsigned int matches = 0;

	for (unsigned int p = 0; p < CLASSIFIER_BLOCK; p++) {
		bool ok = ((key[CLASSIFIER_META] ^ tail->value[p]) & tail->mask[p]) == 0;

		ok &= tail->priority[p] >= s->from[i];
		for (unsigned int w = 0; w < words; w++)
			ok &= key[w] - block[w * CLASSIFIER_BLOCK + p] <=
			      span[w * CLASSIFIER_BLOCK + p];
		matches |= (unsigned int)ok << p;
	}
	return matches;
}

INLINE void leaf_any(struct search *s, unsigned int i, uint64_t ref, const unsigned int words)
{
	const uint32_t *block = (const uint32_t *)(const void *)classifier_node_at(s->base, ref);

	for (uint32_t b = classifier_ref_blocks(ref); b; b--) {
		const struct classifier_tail *tail =
			(const void *)(block + words * 2 * CLASSIFIER_BLOCK);
		unsigned int matches = block_any(s, i, block, tail, words);

		found(s, i, tail, matches);
		if (matches)
			return;
		block += classifier_block_bytes(words) / sizeof(*block);
	}
}

INLINE void search_any(const struct classifier_tree *t, const struct classifier_key *key,
		       const uint32_t *from, struct classifier_match *match, unsigned int n,
		       const bool v6)
{
	struct search s;

	struct roots roots;

	search_start(&s, &roots, t, key, from, n, v6);
	for (unsigned int r = 0; r < roots.n; r++) {
		struct counts c = search_root(&s, &roots.root[r], n);

		while (c.nodes | c.leaves) {
			unsigned int leaves = search_walk(&s, c);

			for (unsigned int j = 0; j < leaves; j++)
				leaf_any(&s, s.leaf.key[j], s.leaf.ref[j],
					 v6 ? CLASSIFIER_WORDS_6 : CLASSIFIER_WORDS_4);
			c = search_next(&s, leaves);
		}
	}
	search_end(&s, match, n);
}

static void search4_any(const struct classifier_tree *t, const struct classifier_key *key,
			const uint32_t *from, struct classifier_match *match, unsigned int n)
{
	search_any(t, key, from, match, n, false);
}

static void search6_any(const struct classifier_tree *t, const struct classifier_key *key,
			const uint32_t *from, struct classifier_match *match, unsigned int n)
{
	search_any(t, key, from, match, n, true);
}

/* --- AVX2 --------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* Which of the four places take the meta word and the priority: all bits or none in each. */
INLINE TARGET_AVX2 __m128i tail_avx2(const struct search *s, unsigned int i,
				     const struct classifier_tail *tail)
{
	__m128i meta = _mm_set1_epi32((int)s->key[i].word[CLASSIFIER_META]);
	__m128i from = _mm_set1_epi32((int)s->from[i]);
	__m128i priority = _mm_load_si128((const __m128i *)tail->priority);
	__m128i late = _mm_cmpeq_epi32(_mm_max_epu32(priority, from), priority);
	__m128i differ =
		_mm_and_si128(_mm_xor_si128(meta, _mm_load_si128((const __m128i *)tail->value)),
			      _mm_load_si128((const __m128i *)tail->mask));

	return _mm_and_si128(late, _mm_cmpeq_epi32(differ, _mm_setzero_si128()));
}

/* Two words of a block at a time. */
INLINE TARGET_AVX2 unsigned int block_avx2(const struct search *s, unsigned int i,
					   const uint32_t *block,
					   const struct classifier_tail *tail,
					   const unsigned int words)
{
	const uint32_t *key = s->key[i].word, *span = block + words * CLASSIFIER_BLOCK;
	__m256i in = _mm256_set1_epi32(-1);
	__m128i ok;

	for (unsigned int w = 0; w < words; w += 2) {
		__m256i k = _mm256_set_m128i(_mm_set1_epi32((int)key[w + 1]),
					     _mm_set1_epi32((int)key[w]));
		__m256i x = _mm256_sub_epi32(
			k, _mm256_load_si256((const __m256i *)(block + w * CLASSIFIER_BLOCK)));
		__m256i top = _mm256_load_si256((const __m256i *)(span + w * CLASSIFIER_BLOCK));

		in = _mm256_and_si256(in, _mm256_cmpeq_epi32(_mm256_min_epu32(x, top), x));
	}
	ok = _mm_and_si128(_mm256_castsi256_si128(in), _mm256_extracti128_si256(in, 1));
	ok = _mm_and_si128(ok, tail_avx2(s, i, tail));
	return (unsigned int)_mm_movemask_ps(_mm_castsi128_ps(ok));
}

INLINE TARGET_AVX2 void leaf_avx2(struct search *s, unsigned int i, uint64_t ref,
				  const unsigned int words)
{
	const uint32_t *block = (const uint32_t *)(const void *)classifier_node_at(s->base, ref);

	for (uint32_t b = classifier_ref_blocks(ref); b; b--) {
		const struct classifier_tail *tail =
			(const void *)(block + words * 2 * CLASSIFIER_BLOCK);
		unsigned int matches = block_avx2(s, i, block, tail, words);

		found(s, i, tail, matches);
		if (matches)
			return;
		block += classifier_block_bytes(words) / sizeof(*block);
	}
}

INLINE TARGET_AVX2 void search_avx2(const struct classifier_tree *t,
				    const struct classifier_key *key, const uint32_t *from,
				    struct classifier_match *match, unsigned int n, const bool v6)
{
	struct search s;

	struct roots roots;

	search_start(&s, &roots, t, key, from, n, v6);
	for (unsigned int r = 0; r < roots.n; r++) {
		struct counts c = search_root(&s, &roots.root[r], n);

		while (c.nodes | c.leaves) {
			unsigned int leaves = search_walk(&s, c);

			for (unsigned int j = 0; j < leaves; j++)
				leaf_avx2(&s, s.leaf.key[j], s.leaf.ref[j],
					  v6 ? CLASSIFIER_WORDS_6 : CLASSIFIER_WORDS_4);
			c = search_next(&s, leaves);
		}
	}
	search_end(&s, match, n);
}

TARGET_AVX2 static void search4_avx2(const struct classifier_tree *t,
				     const struct classifier_key *key, const uint32_t *from,
				     struct classifier_match *match, unsigned int n)
{
	search_avx2(t, key, from, match, n, false);
}

TARGET_AVX2 static void search6_avx2(const struct classifier_tree *t,
				     const struct classifier_key *key, const uint32_t *from,
				     struct classifier_match *match, unsigned int n)
{
	search_avx2(t, key, from, match, n, true);
}

static enum classifier_cpu cpu_best(void)
{
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
		return CLASSIFIER_CPU_ANY;
	return classifier_search_has_avx512() ? CLASSIFIER_CPU_AVX512 : CLASSIFIER_CPU_AVX2;
}
#endif

classifier_search_fn *classifier_search_best(unsigned int family)
{
#if defined(__x86_64__)
	enum classifier_cpu cpu = cpu_best();

	if (cpu > classifier_cpu_limit)
		cpu = classifier_cpu_limit;
	if (cpu == CLASSIFIER_CPU_AVX512)
		return family == 6 ? classifier_search6_avx512 : classifier_search4_avx512;
	if (cpu == CLASSIFIER_CPU_AVX2)
		return family == 6 ? search6_avx2 : search4_avx2;
#endif
	return family == 6 ? search6_any : search4_any;
}
