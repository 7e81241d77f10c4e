/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of the flow table: from a key to the flow, in buckets of one cache line.
 *
 * A bucket has room for twelve entries, each a reference of 32 bits and a tag of 8 from the key's hash.
 * A key has two buckets: its *primary* one, and a *secondary* one that is used where the primary is
 * full; both full, an entry of one of them moves to its own secondary. A lookup compares the twelve
 * tags at once, and almost always reads one bucket: `away` counts the keys that live in another bucket
 * although this one is their primary, and while that is 0, the second bucket need not be looked at.
 * Filling the primary first beats the usual less loaded of the two for that reason: a miss and most
 * hits are one cache miss. Keys are not in the index: an entry is verified with the flow's own line.
 *
 * The number of buckets is no power of two, so that the index is 12 bytes for each flow and no more:
 * 2.25 places for the 2 entries of a flow, 89 % full when every flow is in use.
 *
 * Any thread changes it, none waits. A place goes through
 *
 *   ref 0 -> ref E (compare-and-swap: ours) -> tag of E (stored)              flow_index_add()
 *   ref E -> ref BUSY (compare-and-swap) -> tag 0 -> ref 0 (both stored)      flow_index_remove()
 *
 * so between the two swaps only one thread writes the tag. A reader who sees a tag and then reads the
 * place's reference may find a newer one there; comparing keys sorts that out. Moves go from a primary
 * bucket to a secondary one and never back: the copy is published before the original is erased, and
 * readers (and those who remove) look into the primary first, so they meet one of the two at least.
 * Two threads may move the same entry at once: erasing the original is a compare-and-swap, and the one
 * that loses it takes its copy back. Who removes an entry erases all copies that it meets; it need not
 * care for one that appears behind its back, since the mover that made it will find the original gone.
 * `away` is raised before a copy appears and lowered by whoever erases it, so it is never too low.
 *
 * References stay good for all of this, since memory of a flow that was ever in the index is used
 * again only after a grace period (flow_pool.h): there is no ABA.
 */
#ifndef VISOR_FLOW_INDEX_H
#define VISOR_FLOW_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "flow_hash.h"
#include "flow_table.h"

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#include <emmintrin.h>
#define FLOW_INDEX_SSE2 1
#endif

#define FLOW_BUCKET_PLACES 12
#define FLOW_BUCKET_ALL ((1u << FLOW_BUCKET_PLACES) - 1)
#define FLOW_REF_BUSY FLOW_INDEX /* above FLOW_MAX: being erased */

struct flow_bucket {
	uint32_t ref[FLOW_BUCKET_PLACES];
	uint8_t tag[FLOW_BUCKET_PLACES]; /* 0: none */
	uint32_t away;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

struct flow_index {
	struct flow_bucket *bucket;
	uint32_t buckets;
	struct flow_secret secret;
};

/* Where a key's entry can be. */
struct flow_place {
	uint32_t primary, secondary; /* never the same */
	uint8_t tag;
};

/* How many buckets `flows` flows need; what they take of memory is 64 times that. any. */
uint32_t flow_index_buckets(uint64_t flows);

static inline uint32_t flow_hash_primary(const struct flow_index *index, uint64_t hash)
{
	return (uint32_t)(((hash >> 32) * index->buckets) >> 32);
}

static inline uint32_t flow_hash_secondary(const struct flow_index *index, uint64_t hash,
					   uint32_t primary)
{
	uint64_t step = 1 + (((hash & UINT32_MAX) * (index->buckets - 1)) >> 32);
	uint64_t secondary = primary + step;

	return (uint32_t)(secondary < index->buckets ? secondary : secondary - index->buckets);
}

static inline uint8_t flow_hash_tag(uint64_t hash)
{
	uint8_t tag = (uint8_t)(hash >> 32);

	return tag ? tag : 1;
}

static inline struct flow_place flow_index_place(const struct flow_index *index,
						 const struct flow_key *key)
{
	uint64_t hash = flow_hash(&index->secret, key);
	uint32_t primary = flow_hash_primary(index, hash);

	return (struct flow_place){ primary, flow_hash_secondary(index, hash, primary),
				    flow_hash_tag(hash) };
}

/* The places of a bucket that have this tag, as bits; what is read afterwards is not older. any. */
static inline uint32_t flow_bucket_match(const struct flow_bucket *bucket, uint8_t tag)
{
#ifdef FLOW_INDEX_SSE2
	/* loads are in order on x86, the compiler has to be told */
	__m128i tags = *(const volatile __m128i *)(const volatile void *)bucket->tag;

	__atomic_signal_fence(__ATOMIC_ACQUIRE);
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) &
	       FLOW_BUCKET_ALL;
#else
	uint32_t match = 0;

	for (unsigned i = 0; i < FLOW_BUCKET_PLACES; i++)
		match |= (uint32_t)(__atomic_load_n(&bucket->tag[i], __ATOMIC_ACQUIRE) == tag) << i;
	return match;
#endif
}

static inline uint32_t flow_bucket_ref(const struct flow_bucket *bucket, unsigned place)
{
	return __atomic_load_n(&bucket->ref[place], __ATOMIC_ACQUIRE);
}

/* To be asked after the primary bucket was searched. */
static inline bool flow_bucket_away(const struct flow_bucket *bucket)
{
	return __atomic_load_n(&bucket->away, __ATOMIC_ACQUIRE) != 0;
}

/* Enter a reference; false: there is no room within the bounded probe. It can be found when this
 * returns. any. */
bool flow_index_add(const struct flow_table *table, const struct flow_place *place, uint32_t ref);
/* Take it out again; false: it was not there. any. */
bool flow_index_remove(const struct flow_table *table, const struct flow_place *place,
		       uint32_t ref);

#endif
