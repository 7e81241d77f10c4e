/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows are made visible and taken away: both keys at once, by any number of workers.
 *
 * A flow is entered into the index under both keys while it is FLOW_PENDING, which no reader takes for
 * a flow. Then its worker looks for others with one of the keys, and a single compare-and-swap of the
 * flags, the *commit*, makes both directions visible. Two workers that open the same flow enter theirs
 * before they look around (with a full fence in between), so at least one sees the other's:
 *
 *   - one that is committed has won: ours goes out of the index again, and the caller gets that one;
 *   - one that is pending has its commit prevented (FLOW_ABORTED), by a compare-and-swap that fails
 *     where it was faster. Whose commit fails takes the mark off and looks around anew.
 *
 * Two flows with the same key cannot both be committed: whichever looked around last before its commit
 * (after its own mark was taken off) found the other committed, or kept it from that. To keep two
 * workers from aborting each other for ever, the flow with the lower handle is waited for first, some
 * hundred cycles; if its worker was interrupted in the middle, nobody waits for longer than that.
 *
 * A pending flow that had to give up may still be in the hands of a worker that just read its
 * reference: it stays FLOW_PENDING, and flow_unalloc() sends it through a grace period.
 *
 * A flow whose two keys are the same (a packet from an address to itself) has one entry.
 */
#include <assert.h>
#include <errno.h>

#include "flow_index.h"
#include "flow_match.h"

#define PATIENCE 64 /* times a pause of the processor */

static inline void processor_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

static void words_store(void *shared, const void *from, unsigned bytes)
{
	uint32_t *word = shared, own;

	for (unsigned i = 0; i < bytes / sizeof(own); i++) {
		memcpy(&own, (const char *)from + i * sizeof(own), sizeof(own));
		__atomic_store_n(&word[i], own, __ATOMIC_RELAXED);
	}
}

static void keys_store(struct flow_table *table, uint32_t handle,
		       const struct flow_key *const key[2])
{
	for (unsigned i = 0; i < 2; i++) {
		if (handle & FLOW_WIDE) {
			struct flow6 *flow = &table->hot6[handle & FLOW_INDEX];
			struct flow_tuple6 mapped =
				key[i]->family == 6 ? key[i]->v6 : flow_tuple_mapped(&key[i]->v4);

			__atomic_store_n(&flow->family[i], key[i]->family, __ATOMIC_RELAXED);
			__atomic_store_n(&flow->protocol[i], key[i]->protocol, __ATOMIC_RELAXED);
			words_store(&flow->key[i], &mapped, sizeof(mapped));
		} else {
			words_store(&table->hot4[handle & FLOW_INDEX].key[i], &key[i]->v4,
				    sizeof(key[i]->v4));
		}
	}
	__atomic_store_n(&flow_head(table, handle)->protocol, key[0]->protocol, __ATOMIC_RELAXED);
}

static bool keys_equal(const struct flow_key *a, const struct flow_key *b)
{
	if (a->family != b->family || a->protocol != b->protocol)
		return false;
	return a->family == 4 ? !flow_words_differ(&a->v4, &b->v4, sizeof(a->v4)) :
				!flow_words_differ(&a->v6, &b->v6, sizeof(a->v6));
}

/* A pending flow has a key of ours. False: it will not be committed before it has looked around
 * again; true: it is committed. */
static bool pending_outran(struct flow_head *other, bool be_patient)
{
	uint8_t flags = __atomic_load_n(&other->flags, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; be_patient && i < PATIENCE; i++) {
		if ((flags & (FLOW_PENDING | FLOW_ABORTED)) != FLOW_PENDING)
			break;
		processor_pause();
		flags = __atomic_load_n(&other->flags, __ATOMIC_ACQUIRE);
	}
	while ((flags & (FLOW_PENDING | FLOW_ABORTED)) == FLOW_PENDING)
		if (__atomic_compare_exchange_n(&other->flags, &flags, flags | FLOW_ABORTED, false,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return false;
	return !(flags & FLOW_PENDING);
}

/* Has this entry of the index the key of our flow, and came first? */
static bool entry_outran(const struct flow_table *table, uint32_t ref, const struct flow_key *key,
			 uint32_t handle)
{
	struct flow_head *head;

	if (!ref || ref == FLOW_REF_BUSY || flow_handle(ref) == handle ||
	    !flow_has_key(table, ref, key))
		return false;
	head = flow_head(table, ref);
	if ((__atomic_load_n(&head->flags, __ATOMIC_ACQUIRE) & FLOW_PENDING) &&
	    !pending_outran(head, flow_handle(ref) < handle))
		return false;
	/* what the key said while it was pending may have been of two keys */
	return flow_is_live(head) && flow_has_key(table, ref, key);
}

static uint32_t bucket_outran(const struct flow_table *table, uint32_t at, uint8_t tag,
			      const struct flow_key *key, uint32_t handle)
{
	const struct flow_bucket *bucket = &table->index->bucket[at];
	uint32_t match = flow_bucket_match(bucket, tag);

	for (; match; match &= match - 1) {
		uint32_t ref = flow_bucket_ref(bucket, (unsigned)__builtin_ctz(match));

		if (entry_outran(table, ref, key, handle))
			return ref;
	}
	return 0;
}

/* The flow that has this key and is not ours, or 0. */
static uint32_t key_taken(const struct flow_table *table, const struct flow_key *key,
			  const struct flow_place *place, uint32_t handle)
{
	uint32_t ref = bucket_outran(table, place->primary, place->tag, key, handle);

	if (!ref && flow_bucket_away(&table->index->bucket[place->primary]))
		ref = bucket_outran(table, place->secondary, place->tag, key, handle);
	return ref;
}

/* Is one of the keys taken? The first key's flow is what the caller wants to know; it may have come
 * while the second key was looked for. */
static bool look_around(const struct flow_table *table, const struct flow_key *const key[2],
			const struct flow_place place[2], unsigned n, uint32_t handle,
			uint32_t *winner)
{
	*winner = key_taken(table, key[0], &place[0], handle);
	if (*winner)
		return true;
	if (n == 1 || !key_taken(table, key[1], &place[1], handle))
		return false;
	*winner = key_taken(table, key[0], &place[0], handle);
	return true;
}

static void index_withdraw(const struct flow_table *table, const struct flow_place place[2],
			   unsigned n, uint32_t handle)
{
	for (unsigned i = 0; i < n; i++)
		flow_index_remove(table, &place[i], handle | (i ? FLOW_DIRECTION : 0));
}

static bool index_enter(const struct flow_table *table, const struct flow_place place[2],
			unsigned n, uint32_t handle)
{
	for (unsigned i = 0; i < n; i++)
		if (!flow_index_add(table, &place[i], handle | (i ? FLOW_DIRECTION : 0))) {
			index_withdraw(table, place, i, handle);
			return false;
		}
	return true;
}

/* Visible from now on; false: somebody has prevented it, look around again. */
static bool commit(struct flow_head *head)
{
	uint8_t flags = __atomic_load_n(&head->flags, __ATOMIC_RELAXED);

	while (!(flags & FLOW_ABORTED))
		if (__atomic_compare_exchange_n(&head->flags, &flags, flags & ~FLOW_PENDING, false,
						__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	__atomic_fetch_and(&head->flags, (uint8_t)~FLOW_ABORTED, __ATOMIC_SEQ_CST);
	return false;
}

/* Others know the flow only if it is pending already. */
static void set_pending(struct flow_head *head)
{
	uint8_t flags = __atomic_load_n(&head->flags, __ATOMIC_RELAXED);

	if (!(flags & FLOW_PENDING))
		__atomic_store_n(&head->flags, flags | FLOW_PENDING, __ATOMIC_RELAXED);
}

void flow_insert_prefetch(const struct flow_table *table, const struct flow_key *key)
{
	struct flow_place place = flow_index_place(table->index, key);

	__builtin_prefetch(&table->index->bucket[place.primary], 1);
}

int flow_insert(struct flow_table *table, uint32_t handle, const struct flow_key *key0,
		const struct flow_key *key1, uint32_t *winner)
{
	const struct flow_key *const key[2] = { key0, key1 };
	struct flow_head *head = flow_head(table, handle);
	struct flow_place place[2];
	unsigned n = keys_equal(key0, key1) ? 1 : 2;

	assert(flow_state(head) > FLOW_DEAD);
	assert(handle & FLOW_WIDE || (key0->family == 4 && key1->family == 4));
	for (unsigned i = 0; i < 2; i++) {
		place[i] = flow_index_place(table->index, key[i]);
		__builtin_prefetch(&table->index->bucket[place[i].primary], 1);
	}
	/* what it takes to lose is mostly there before, then no reader ever sees ours */
	if (look_around(table, key, place, n, handle, winner))
		return -EEXIST;
	set_pending(head);
	keys_store(table, handle, key);
	if (!index_enter(table, place, n, handle))
		return -ENOSPC;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	do {
		if (look_around(table, key, place, n, handle, winner)) {
			index_withdraw(table, place, n, handle);
			return -EEXIST;
		}
	} while (!commit(head));
	return 0;
}

void flow_remove(struct flow_table *table, uint32_t handle)
{
	struct flow_place place[2];
	struct flow_key key[2];
	unsigned n;

	for (unsigned i = 0; i < 2; i++) {
		flow_key_of(table, handle, (enum flow_direction)i, &key[i]);
		place[i] = flow_index_place(table->index, &key[i]);
		__builtin_prefetch(&table->index->bucket[place[i].primary], 1);
	}
	n = keys_equal(&key[0], &key[1]) ? 1 : 2;
	index_withdraw(table, place, n, handle);
}
