/* SPDX-License-Identifier: Apache-2.0 */
/* Entries come and go. The algorithm and why it is right with any number of threads: flow_index.h. */
#include "flow_index.h"

#include "flow_match.h"

/* How many entries move out of one another's way, less one. With one, a table of ten million flows
 * fills up to the last; with none, one of a million refuses a flow at 99 %. */
#define DEPTH_MAX 1

uint32_t flow_index_buckets(uint64_t flows)
{
	return (uint32_t)(flows * 12 / sizeof(struct flow_bucket));
}

/* A free place of the bucket gets the entry; -1: there is none. */
static int bucket_add(struct flow_bucket *bucket, uint32_t ref, uint8_t tag)
{
	uint32_t free = flow_bucket_match(bucket, 0);

	for (; free; free &= free - 1) {
		unsigned at = (unsigned)__builtin_ctz(free);
		uint32_t expected = 0;

		if (__atomic_load_n(&bucket->ref[at], __ATOMIC_RELAXED) != 0 ||
		    !__atomic_compare_exchange_n(&bucket->ref[at], &expected, ref, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			continue;
		__atomic_store_n(&bucket->tag[at], tag, __ATOMIC_RELEASE);
		return (int)at;
	}
	return -1;
}

static bool place_erase(struct flow_bucket *bucket, unsigned at, uint32_t ref)
{
	/* only one thread gets the right to */
	if (!__atomic_compare_exchange_n(&bucket->ref[at], &ref, FLOW_REF_BUSY, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&bucket->tag[at], 0, __ATOMIC_RELEASE);
	__atomic_store_n(&bucket->ref[at], 0, __ATOMIC_RELEASE);
	return true;
}

static int secondary_add(const struct flow_index *index, const struct flow_place *place,
			 uint32_t ref)
{
	uint32_t *away = &index->bucket[place->primary].away;
	struct flow_bucket *secondary = &index->bucket[place->secondary];
	int at = -1;

	/* no need to disturb the other readers of a counter for nothing */
	if (flow_bucket_match(secondary, 0)) {
		__atomic_fetch_add(away, 1, __ATOMIC_SEQ_CST);
		at = bucket_add(secondary, ref, place->tag);
		if (at < 0)
			__atomic_fetch_sub(away, 1, __ATOMIC_SEQ_CST);
	}
	return at;
}

static bool secondary_erase(const struct flow_index *index, const struct flow_place *place,
			    unsigned at, uint32_t ref)
{
	if (!place_erase(&index->bucket[place->secondary], at, ref))
		return false;
	__atomic_fetch_sub(&index->bucket[place->primary].away, 1, __ATOMIC_SEQ_CST);
	return true;
}

static bool bucket_make_room(const struct flow_table *table, uint32_t primary, unsigned depth);

/* Where an entry of this bucket could move to; false: nowhere. A flow that is being inserted stays
 * where it is, its keys are not final. */
static bool can_move(const struct flow_table *table, uint32_t primary, uint32_t ref,
		     struct flow_place *place)
{
	struct flow_key key;

	if (!ref || ref == FLOW_REF_BUSY || !flow_is_live(flow_head(table, ref)))
		return false;
	flow_key_of(table, flow_handle(ref), flow_direction(ref), &key);
	*place = flow_index_place(table->index, &key);
	return place->primary == primary;
}

/* The entry at `at` moves to its secondary bucket; false: it cannot, or was gone. */
static bool place_move(const struct flow_table *table, uint32_t primary, unsigned at,
		       unsigned depth)
{
	const struct flow_index *index = table->index;
	struct flow_bucket *bucket = &index->bucket[primary];
	uint32_t ref = flow_bucket_ref(bucket, at);
	struct flow_place place;
	int copy;

	if (!can_move(table, primary, ref, &place))
		return false;
	copy = secondary_add(index, &place, ref);
	if (copy < 0 && depth && bucket_make_room(table, place.secondary, depth - 1))
		copy = secondary_add(index, &place, ref);
	if (copy < 0)
		return false;
	if (place_erase(bucket, at, ref))
		return true;
	secondary_erase(index, &place, (unsigned)copy, ref);
	return false;
}

/* An entry that has this bucket for its primary moves out; with `depth`, where its secondary bucket is
 * full, an entry of that one does before. */
static bool bucket_make_room(const struct flow_table *table, uint32_t primary, unsigned depth)
{
	for (unsigned at = 0; at < FLOW_BUCKET_PLACES; at++)
		if (place_move(table, primary, at, depth))
			return true;
	return false;
}

bool flow_index_add(const struct flow_table *table, const struct flow_place *place, uint32_t ref)
{
	const struct flow_index *index = table->index;
	struct flow_bucket *primary = &index->bucket[place->primary];

	if (bucket_add(primary, ref, place->tag) >= 0 || secondary_add(index, place, ref) >= 0)
		return true;
	for (unsigned depth = 0; depth <= DEPTH_MAX; depth++) {
		if (bucket_make_room(table, place->primary, depth) &&
		    bucket_add(primary, ref, place->tag) >= 0)
			return true;
		if (bucket_make_room(table, place->secondary, depth) &&
		    secondary_add(index, place, ref) >= 0)
			return true;
	}
	return false;
}

bool flow_index_remove(const struct flow_table *table, const struct flow_place *place, uint32_t ref)
{
	const struct flow_index *index = table->index;
	struct flow_bucket *bucket = &index->bucket[place->primary];
	uint32_t match = flow_bucket_match(bucket, place->tag);
	bool found = false;

	for (; match; match &= match - 1)
		if (place_erase(bucket, (unsigned)__builtin_ctz(match), ref))
			return true;
	bucket = &index->bucket[place->secondary];
	match = flow_bucket_match(bucket, place->tag);
	for (; match; match &= match - 1)
		found |= secondary_erase(index, place, (unsigned)__builtin_ctz(match), ref);
	return found;
}
