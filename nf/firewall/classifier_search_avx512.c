/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searching with AVX-512.
 *
 * Eight keys take a step together: a gather for the words that their nodes look at, one for the
 * children, and a compression that deals them out to the next nodes or the leaves. Then the first blocks
 * of all leaves are compared, then the second ones of those that are not done, and so on: of IPv4's, four
 * words of four boxes are in one register. Nothing on this way branches on what a packet is, except where a node has a rest; the
 * mispredicted branches of a plain walk cost as much as all the rest of it.
 */
#include "classifier_burst.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,bmi,bmi2,popcnt")))

/* --- the way down ------------------------------------------------------------------------------- */

/* The slots of eight nodes that the keys go on with. */
INLINE TARGET __m256i slots(const struct search *s, __m512i ref, __m256i key, __mmask8 on)
{
	__m256i high = _mm512_cvtepi64_epi32(_mm512_srli_epi64(ref, 32));
	__m256i word = _mm256_and_si256(high, _mm256_set1_epi32(15));
	__m256i shift = _mm256_and_si256(_mm256_srli_epi32(high, 4), _mm256_set1_epi32(31));
	__m256i bits = _mm256_and_si256(_mm256_srli_epi32(high, 9), _mm256_set1_epi32(15));
	__m256i one = _mm256_set1_epi32(1);
	__m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, bits), one);
	__m256i value = _mm256_mmask_i32gather_epi32(
		_mm256_setzero_si256(), on, _mm256_add_epi32(_mm256_slli_epi32(key, 4), word),
		s->key, 4);

	return _mm256_and_si256(_mm256_srlv_epi32(value, shift), mask);
}

INLINE TARGET __m512i children(const struct search *s, __m512i ref, __m256i slot, __mmask8 on)
{
	__m512i line = _mm512_and_si512(ref, _mm512_set1_epi64(UINT32_MAX));
	__m512i at = _mm512_add_epi64(_mm512_slli_epi64(line, 6),
				      _mm512_slli_epi64(_mm512_cvtepu32_epi64(slot), 3));

	return _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), on, at,
					   s->base + offsetof(struct classifier_node, child), 1);
}

/* Appends the chosen of eight; what is written beyond them is overwritten or not looked at. */
INLINE TARGET unsigned int places_add(struct places *p, unsigned int n, __mmask8 chosen,
				      __m512i ref, __m256i key)
{
	_mm512_storeu_si512(&p->ref[n], _mm512_maskz_compress_epi64(chosen, ref));
	_mm256_storeu_si256((__m256i *)&p->key[n], _mm256_maskz_compress_epi32(chosen, key));
	return n + (unsigned int)__builtin_popcount(chosen);
}

/* The nodes' list is written behind where it is read. */
INLINE TARGET unsigned int search_walk(struct search *s, struct counts c)
{
	while (c.nodes) {
		unsigned int n = c.nodes;

		c.nodes = 0;
		for (unsigned int j = 0; j < n; j += LANES) {
			__mmask8 on = (__mmask8)(n - j < LANES ? (1u << (n - j)) - 1 : 0xff);
			__m512i ref = _mm512_maskz_loadu_epi64(on, &s->node.ref[j]);
			__m256i key = _mm256_maskz_loadu_epi32(on, &s->node.key[j]);
			__m512i child = children(s, ref, slots(s, ref, key, on), on);
			unsigned int rests = on & _mm512_test_epi64_mask(
							  ref, _mm512_set1_epi64(CLASSIFIER_RESTS));
			__mmask8 node = on & _mm512_movepi64_mask(child);

			for (; rests; rests &= rests - 1) {
				unsigned int i = j + (unsigned int)__builtin_ctz(rests);

				rest_push(s, s->node.key[i], s->node.ref[i]);
			}
			c.nodes = places_add(&s->node, c.nodes, node, child, key);
			c.leaves = places_add(&s->leaf, c.leaves, on & ~node, child, key);
		}
	}
	return c.leaves;
}

/* --- leaves ------------------------------------------------------------------------------------- */

/* The places of a block whose meta word and priority suit the key. */
INLINE TARGET unsigned int tail_matches(const struct search *s, unsigned int i,
					const struct classifier_tail *tail)
{
	__m128i meta = _mm_set1_epi32((int)s->key[i].word[CLASSIFIER_META]);
	__m128i from = _mm_set1_epi32((int)s->from[i]);
	__m128i priority = _mm_load_si128((const __m128i *)tail->priority);
	__m128i differ = _mm_xor_si128(meta, _mm_load_si128((const __m128i *)tail->value));

	return _mm_testn_epi32_mask(differ, _mm_load_si128((const __m128i *)tail->mask)) &
	       _mm_cmpge_epu32_mask(priority, from);
}

INLINE TARGET unsigned int block_matches(const struct search *s, unsigned int i,
					 const uint32_t *block, const unsigned int words)
{
	const __m512i four = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
	const uint32_t *span = block + words * CLASSIFIER_BLOCK;
	__m512i key = _mm512_load_si512(&s->key[i]);
	unsigned int in = 0xffff;

	for (unsigned int w = 0; w < words; w += 4) {
		__m512i numbers = _mm512_add_epi32(four, _mm512_set1_epi32((int)w));
		__m512i x = _mm512_sub_epi32(_mm512_permutexvar_epi32(numbers, key),
					     _mm512_load_si512(block + w * CLASSIFIER_BLOCK));

		in &= _mm512_cmple_epu32_mask(x, _mm512_load_si512(span + w * CLASSIFIER_BLOCK));
	}
	in &= in >> 8;
	return in & in >> 4;
}

INLINE void blocks_prefetch(const struct search *s, const struct places *p, unsigned int n,
			    const unsigned int words)
{
	for (unsigned int j = 0; j < n; j++) {
		const uint8_t *at = (const uint8_t *)classifier_node_at(s->base, p->ref[j]);

		for (unsigned int b = 0; b < classifier_block_bytes(words); b += CLASSIFIER_LINE)
			__builtin_prefetch(at + b);
	}
}

/*
 * The next block of each leaf in a list. A leaf is done with its first match, since its priorities
 * ascend, or when they are no better than what the key has. @return how many are left, in @left.
 */
INLINE TARGET unsigned int blocks_search(struct search *s, const struct places *list,
					 struct places *left, unsigned int n,
					 const unsigned int words)
{
	const uint64_t lines = classifier_block_bytes(words) / CLASSIFIER_LINE;
	unsigned int more = 0;

	for (unsigned int j = 0; j < n; j++) {
		uint64_t ref = list->ref[j];
		unsigned int i = list->key[j];
		const uint32_t *block = (const uint32_t *)classifier_node_at(s->base, ref);
		const struct classifier_tail *tail =
			(const void *)(block + words * 2 * CLASSIFIER_BLOCK);
		unsigned int matches = block_matches(s, i, block, words) & tail_matches(s, i, tail);

		found(s, i, tail, matches);
		left->ref[more] = ref + lines - ((uint64_t)1 << 32);
		left->key[more] = i;
		more += (unsigned int)(classifier_ref_blocks(ref) > 1) & (matches == 0) &
			(tail->priority[CLASSIFIER_BLOCK - 1] < s->best[i]);
	}
	return more;
}

INLINE TARGET void search_leaves(struct search *s, unsigned int leaves, const unsigned int words)
{
	unsigned int left;

	blocks_prefetch(s, &s->leaf, leaves, words);
	left = blocks_search(s, &s->leaf, &s->node, leaves, words);
	while (left) {
		blocks_prefetch(s, &s->node, left, words);
		left = blocks_search(s, &s->node, &s->node, left, words);
	}
}

INLINE TARGET void search(const struct classifier_tree *t, const struct classifier_key *key,
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

			search_leaves(&s, leaves, v6 ? CLASSIFIER_WORDS_6 : CLASSIFIER_WORDS_4);
			c = search_next(&s, leaves);
		}
	}
	search_end(&s, match, n);
}

TARGET void classifier_search4_avx512(const struct classifier_tree *t,
				      const struct classifier_key *key, const uint32_t *from,
				      struct classifier_match *match, unsigned int n)
{
	search(t, key, from, match, n, false);
}

TARGET void classifier_search6_avx512(const struct classifier_tree *t,
				      const struct classifier_key *key, const uint32_t *from,
				      struct classifier_match *match, unsigned int n)
{
	search(t, key, from, match, n, true);
}

bool classifier_search_has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("bmi2");
}
#endif
