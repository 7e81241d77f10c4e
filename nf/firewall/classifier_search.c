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
#include "classifier_search.h"

#include <string.h>

#include "bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET_AVX512 \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,bmi,bmi2,popcnt")))
#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#endif
#define INLINE static inline __attribute__((always_inline))

/* What a key has passed and not looked into. */
struct pending {
	uint64_t ref;
	uint64_t priority;
};

struct search {
	const struct classifier_tree *tree;
	const uint8_t *base;
	struct classifier_words key[CLASSIFIER_BURST_MAX];
	uint64_t ref[CLASSIFIER_BURST_MAX]; /* where each key is */
	uint32_t from[CLASSIFIER_BURST_MAX];
	uint32_t best[CLASSIFIER_BURST_MAX]; /* priority, and */
	uint32_t rule[CLASSIFIER_BURST_MAX];
	uint8_t walk[CLASSIFIER_BURST_MAX]; /* keys on their way to a leaf */
	uint8_t leaf[CLASSIFIER_BURST_MAX]; /* and those that are there */
	uint8_t depth[CLASSIFIER_BURST_MAX];
	struct pending stack[CLASSIFIER_BURST_MAX][CLASSIFIER_DEPTH_MAX + 2];
};

enum classifier_cpu classifier_cpu_limit = CLASSIFIER_CPU_AVX512;

/* --- keys --------------------------------------------------------------------------------------- */

/* Zones that no entry can have become one that none has. */
INLINE uint32_t zone_of(uint16_t zone)
{
	return zone < CLASSIFIER_ZONE_MASK ? zone : CLASSIFIER_ZONE_MASK;
}

INLINE void key_ports(uint32_t *word, const struct classifier_key *key)
{
	word[0] = key->has_ports ? key->sport : CLASSIFIER_NO_PORT;
	word[1] = key->has_ports ? key->dport : CLASSIFIER_NO_PORT;
}

INLINE void key_words(struct classifier_words *words, const struct classifier_key *key,
		      const bool v6)
{
	uint32_t *word = words->word;

	if (v6) {
		for (unsigned int i = 0; i < 4; i++) {
			word[i] = bytes_get32(&key->src.v6.s6_addr[4 * i]);
			word[4 + i] = bytes_get32(&key->dst.v6.s6_addr[4 * i]);
		}
		key_ports(word + 8, key);
		word[10] = word[11] = 0;
	} else {
		word[0] = key->src.v4;
		word[1] = key->dst.v4;
		key_ports(word + 2, key);
	}
	word[CLASSIFIER_META] = key->proto | zone_of(key->in) << CLASSIFIER_IN_SHIFT |
				zone_of(key->out) << CLASSIFIER_OUT_SHIFT;
}

INLINE void search_start(struct search *s, const struct classifier_tree *t,
			 const struct classifier_key *key, const uint32_t *from, unsigned int n,
			 const bool v6)
{
	uint64_t root = __atomic_load_n(&t->root[CLASSIFIER_MAIN], __ATOMIC_ACQUIRE);
	uint64_t wide = __atomic_load_n(&t->root[CLASSIFIER_WIDE], __ATOMIC_ACQUIRE);
	uint32_t priority = __atomic_load_n(&t->wide_priority, __ATOMIC_RELAXED);

	s->tree = t;
	s->base = t->arena.base;
	for (unsigned int i = 0; i < n; i++) {
		key_words(&s->key[i], &key[i], v6);
		s->from[i] = from ? from[i] : 0;
		s->best[i] = s->rule[i] = CLASSIFIER_NONE;
		s->ref[i] = root;
		s->walk[i] = (uint8_t)i;
		s->stack[i][0] = (struct pending){ wide, priority };
		s->depth[i] = wide != 0;
	}
}

/* --- the way down ------------------------------------------------------------------------------- */

INLINE void ref_prefetch(const uint8_t *at)
{
	__builtin_prefetch(at);
	__builtin_prefetch(at + 64);
	__builtin_prefetch(at + 128);
}

/* One node further. */
INLINE void step(struct search *s, unsigned int i)
{
	uint64_t ref = s->ref[i];
	const struct classifier_node *node = classifier_node_at(s->base, ref);
	uint32_t slot = s->key[i].word[classifier_ref_word(ref)] >> classifier_ref_shift(ref) &
			((1u << classifier_ref_bits(ref)) - 1);

	s->ref[i] = __atomic_load_n(&node->child[slot], __ATOMIC_ACQUIRE);
	if (ref & CLASSIFIER_RESTS) {
		uint64_t rest = __atomic_load_n(&node->rest, __ATOMIC_ACQUIRE);

		s->stack[i][s->depth[i]] =
			(struct pending){ rest,
					  __atomic_load_n(&node->rest_priority, __ATOMIC_RELAXED) };
		s->depth[i] = (uint8_t)(s->depth[i] + (rest != 0));
	}
	ref_prefetch((const uint8_t *)classifier_node_at(s->base, s->ref[i]));
}

/* @return how many keys have come to a leaf: all @walks of them but those whose leaf is empty. */
INLINE unsigned int search_walk(struct search *s, unsigned int walks)
{
	unsigned int leaves = 0;

	while (walks) {
		unsigned int n = walks;

		walks = 0;
		for (unsigned int j = 0; j < n; j++) {
			unsigned int i = s->walk[j];

			if (!(s->ref[i] & CLASSIFIER_NODE)) {
				s->leaf[leaves++] = (uint8_t)i;
				continue;
			}
			step(s, i);
			s->walk[walks++] = (uint8_t)i;
		}
	}
	return leaves;
}

/* The keys that have something left to look into. @return how many. */
INLINE unsigned int search_next(struct search *s, unsigned int leaves)
{
	unsigned int walks = 0;

	for (unsigned int j = 0; j < leaves; j++) {
		unsigned int i = s->leaf[j];

		while (s->depth[i]) {
			const struct pending *p = &s->stack[i][--s->depth[i]];

			if (p->priority < s->best[i]) {
				s->ref[i] = p->ref;
				s->walk[walks++] = (uint8_t)i;
				break;
			}
		}
	}
	return walks;
}

INLINE void search_end(const struct search *s, struct classifier_match *match, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		match[i] = (struct classifier_match){ s->rule[i], s->best[i] };
}

INLINE void found(struct search *s, unsigned int i, const struct classifier_tail *tail,
		  unsigned int matches)
{
	unsigned int place = (unsigned int)__builtin_ctz(matches);

	s->best[i] = tail->priority[place];
	s->rule[i] = tail->rule[place];
}

/* --- any processor ------------------------------------------------------------------------------ */

INLINE unsigned int block_any(const struct search *s, unsigned int i, const uint32_t *block,
			      const struct classifier_tail *tail, const unsigned int words)
{
	const uint32_t *key = s->key[i].word, *span = block + words * CLASSIFIER_BLOCK;
	unsigned int matches = 0;

	for (unsigned int p = 0; p < CLASSIFIER_BLOCK; p++) {
		bool ok = ((key[CLASSIFIER_META] ^ tail->value[p]) & tail->mask[p]) == 0;

		ok &= tail->priority[p] - s->from[i] < s->best[i] - s->from[i];
		for (unsigned int w = 0; w < words; w++)
			ok &= key[w] - block[w * CLASSIFIER_BLOCK + p] <=
			      span[w * CLASSIFIER_BLOCK + p];
		matches |= (unsigned int)ok << p;
	}
	return matches;
}

INLINE void leaf_any(struct search *s, unsigned int i, const unsigned int words)
{
	const uint32_t *block =
		(const uint32_t *)(const void *)classifier_node_at(s->base, s->ref[i]);

	for (uint32_t b = classifier_ref_blocks(s->ref[i]); b; b--) {
		const struct classifier_tail *tail =
			(const void *)(block + words * 2 * CLASSIFIER_BLOCK);
		unsigned int matches = block_any(s, i, block, tail, words);

		if (matches) {
			found(s, i, tail, matches);
			return;
		}
		block += classifier_block_bytes(words) / sizeof(*block);
	}
}

INLINE void search_any(const struct classifier_tree *t, const struct classifier_key *key,
		       const uint32_t *from, struct classifier_match *match, unsigned int n,
		       const bool v6)
{
	unsigned int walks = n;
	struct search s;

	search_start(&s, t, key, from, n, v6);
	while (walks) {
		unsigned int leaves = search_walk(&s, walks);

		for (unsigned int j = 0; j < leaves; j++)
			leaf_any(&s, s.leaf[j], v6 ? CLASSIFIER_WORDS_6 : CLASSIFIER_WORDS_4);
		walks = search_next(&s, leaves);
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
	__m128i top = _mm_set1_epi32((int)(s->best[i] - s->from[i]));
	__m128i rank = _mm_sub_epi32(_mm_load_si128((const __m128i *)tail->priority), from);
	__m128i differ =
		_mm_and_si128(_mm_xor_si128(meta, _mm_load_si128((const __m128i *)tail->value)),
			      _mm_load_si128((const __m128i *)tail->mask));
	__m128i late = _mm_cmpeq_epi32(_mm_max_epu32(rank, top), rank);

	return _mm_andnot_si128(late, _mm_cmpeq_epi32(differ, _mm_setzero_si128()));
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

INLINE TARGET_AVX2 void leaf_avx2(struct search *s, unsigned int i, const unsigned int words)
{
	const uint32_t *block =
		(const uint32_t *)(const void *)classifier_node_at(s->base, s->ref[i]);

	for (uint32_t b = classifier_ref_blocks(s->ref[i]); b; b--) {
		const struct classifier_tail *tail =
			(const void *)(block + words * 2 * CLASSIFIER_BLOCK);
		unsigned int matches = block_avx2(s, i, block, tail, words);

		if (matches) {
			found(s, i, tail, matches);
			return;
		}
		block += classifier_block_bytes(words) / sizeof(*block);
	}
}

INLINE TARGET_AVX2 void search_avx2(const struct classifier_tree *t,
				    const struct classifier_key *key, const uint32_t *from,
				    struct classifier_match *match, unsigned int n, const bool v6)
{
	unsigned int walks = n;
	struct search s;

	search_start(&s, t, key, from, n, v6);
	while (walks) {
		unsigned int leaves = search_walk(&s, walks);

		for (unsigned int j = 0; j < leaves; j++)
			leaf_avx2(&s, s.leaf[j], v6 ? CLASSIFIER_WORDS_6 : CLASSIFIER_WORDS_4);
		walks = search_next(&s, leaves);
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

/* --- AVX-512 ------------------------------------------------------------------------------------ */

/* Four words of a block at a time: the words' numbers in one register. */
INLINE TARGET_AVX512 __m512i words_avx512(unsigned int w)
{
	__m512i four = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);

	return _mm512_add_epi32(four, _mm512_set1_epi32((int)w));
}

INLINE TARGET_AVX512 unsigned int tail_avx512(const struct search *s, unsigned int i,
					      const struct classifier_tail *tail)
{
	__m128i meta = _mm_set1_epi32((int)s->key[i].word[CLASSIFIER_META]);
	__m128i from = _mm_set1_epi32((int)s->from[i]);
	__m128i top = _mm_set1_epi32((int)(s->best[i] - s->from[i]));
	__m128i rank = _mm_sub_epi32(_mm_load_si128((const __m128i *)tail->priority), from);
	__m128i differ = _mm_xor_si128(meta, _mm_load_si128((const __m128i *)tail->value));

	return _mm_testn_epi32_mask(differ, _mm_load_si128((const __m128i *)tail->mask)) &
	       _mm_cmplt_epu32_mask(rank, top);
}

INLINE TARGET_AVX512 void leaf_avx512(struct search *s, unsigned int i, const unsigned int words)
{
	const uint32_t *block =
		(const uint32_t *)(const void *)classifier_node_at(s->base, s->ref[i]);
	__m512i key = _mm512_load_si512(&s->key[i]);

	for (uint32_t b = classifier_ref_blocks(s->ref[i]); b; b--) {
		const uint32_t *span = block + words * CLASSIFIER_BLOCK;
		const struct classifier_tail *tail =
			(const void *)(span + words * CLASSIFIER_BLOCK);
		unsigned int matches = 0xffff;

		for (unsigned int w = 0; w < words; w += 4) {
			__m512i x =
				_mm512_sub_epi32(_mm512_permutexvar_epi32(words_avx512(w), key),
						 _mm512_load_si512(block + w * CLASSIFIER_BLOCK));

			matches &= _mm512_cmple_epu32_mask(
				x, _mm512_load_si512(span + w * CLASSIFIER_BLOCK));
		}
		matches &= matches >> 8;
		matches &= matches >> 4;
		matches &= tail_avx512(s, i, tail);
		if (matches) {
			found(s, i, tail, matches);
			return;
		}
		block += classifier_block_bytes(words) / sizeof(*block);
	}
}

INLINE TARGET_AVX512 void search_avx512(const struct classifier_tree *t,
					const struct classifier_key *key, const uint32_t *from,
					struct classifier_match *match, unsigned int n,
					const bool v6)
{
	unsigned int walks = n;
	struct search s;

	search_start(&s, t, key, from, n, v6);
	while (walks) {
		unsigned int leaves = search_walk(&s, walks);

		for (unsigned int j = 0; j < leaves; j++)
			leaf_avx512(&s, s.leaf[j], v6 ? CLASSIFIER_WORDS_6 : CLASSIFIER_WORDS_4);
		walks = search_next(&s, leaves);
	}
	search_end(&s, match, n);
}

TARGET_AVX512 static void search4_avx512(const struct classifier_tree *t,
					 const struct classifier_key *key, const uint32_t *from,
					 struct classifier_match *match, unsigned int n)
{
	search_avx512(t, key, from, match, n, false);
}

TARGET_AVX512 static void search6_avx512(const struct classifier_tree *t,
					 const struct classifier_key *key, const uint32_t *from,
					 struct classifier_match *match, unsigned int n)
{
	search_avx512(t, key, from, match, n, true);
}

static enum classifier_cpu cpu_best(void)
{
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
		return CLASSIFIER_CPU_ANY;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
		return CLASSIFIER_CPU_AVX2;
	return CLASSIFIER_CPU_AVX512;
}
#endif

classifier_search_fn *classifier_search_best(unsigned int family)
{
#if defined(__x86_64__)
	enum classifier_cpu cpu = cpu_best();

	if (cpu > classifier_cpu_limit)
		cpu = classifier_cpu_limit;
	if (cpu == CLASSIFIER_CPU_AVX512)
		return family == 6 ? search6_avx512 : search4_avx512;
	if (cpu == CLASSIFIER_CPU_AVX2)
		return family == 6 ? search6_avx2 : search4_avx2;
#endif
	return family == 6 ? search6_any : search4_any;
}
