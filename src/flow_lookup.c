/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst of keys looked up at once.
 *
 * Two cache misses lie between a key and its flow, its bucket and its hot line, and the processor can
 * wait for a dozen and more at a time. So the burst goes through in stages: all keys are hashed and
 * their buckets asked for; all tags compared and the lines of the flows asked for, which almost always
 * are the right ones; then the keys are compared. What is left over (a false match of the tag, an entry
 * in its second bucket) is rare and done one by one.
 */
#include "flow_index.h"
#include "flow_match.h"

static uint32_t bucket_find(const struct flow_table *table, const struct flow_bucket *bucket,
			    uint32_t match, const struct flow_key *key)
{
	for (; match; match &= match - 1) {
		uint32_t ref = flow_bucket_ref(bucket, (unsigned)__builtin_ctz(match));

		if (ref && ref != FLOW_REF_BUSY && flow_is_live(flow_head(table, ref)) &&
		    flow_has_key(table, ref, key))
			return ref;
	}
	return 0;
}

static uint32_t secondary_find(const struct flow_table *table, const struct flow_place *place,
			       const struct flow_key *key)
{
	const struct flow_bucket *bucket = &table->index->bucket[place->secondary];

	if (!flow_bucket_away(&table->index->bucket[place->primary]))
		return 0;
	return bucket_find(table, bucket, flow_bucket_match(bucket, place->tag), key);
}

static void flow_prefetch(const struct flow_table *table, uint32_t ref)
{
	__builtin_prefetch(flow_head(table, ref));
	__builtin_prefetch(flow_counters(table, ref), 1);
}

void flow_lookup(const struct flow_table *table, const struct flow_key *keys, uint32_t *refs,
		 unsigned n)
{
	const struct flow_index *index = table->index;
	struct flow_place place[FLOW_BURST_MAX];
	uint32_t match[FLOW_BURST_MAX];

	for (unsigned i = 0; i < n; i++) {
		place[i] = flow_index_place(index, &keys[i]);
		__builtin_prefetch(&index->bucket[place[i].primary]);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct flow_bucket *bucket = &index->bucket[place[i].primary];

		match[i] = flow_bucket_match(bucket, place[i].tag);
		if (match[i])
			flow_prefetch(table,
				      flow_bucket_ref(bucket, (unsigned)__builtin_ctz(match[i])));
		else if (flow_bucket_away(bucket))
			__builtin_prefetch(&index->bucket[place[i].secondary]);
	}
	for (unsigned i = 0; i < n; i++) {
		refs[i] = bucket_find(table, &index->bucket[place[i].primary], match[i], &keys[i]);
		if (!refs[i])
			refs[i] = secondary_find(table, &place[i], &keys[i]);
	}
}
