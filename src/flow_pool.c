/* SPDX-License-Identifier: Apache-2.0 */
/* Free flows, limbo, epochs. How it works and why it is safe: flow_pool.h. */
#include "flow_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "treiber.h"

#define SLAB_MAX 64
#define RECYCLE_SLABS 16 /* that leave limbo in one round, at most */

enum width { NARROW, WIDE, WIDTHS };

/* Up to a slab of flows. */
struct chain {
	uint32_t first, n; /* first: index, 0 none */
};

/* Ended flows of one owner that wait for the same grace period. */
struct batch {
	struct chain part[WIDTHS]; /* less than a slab */
	uint32_t slabs[WIDTHS];	   /* first flow of the first of the whole slabs */
};

struct flow_cache {
	uint64_t epoch; /* written by the worker, read by all; 0: offline */
	/* the worker's own, on lines of their own */
	struct flow_pool *pool __attribute__((aligned(64)));
	int64_t used[WIDTHS]; /* since the start; may be below 0, others free what this one had */
	struct chain current[WIDTHS], spare[WIDTHS];
	struct batch filling, waiting;
	uint64_t count;	 /* quiescent states so far */
	uint64_t *noted; /* [workers] epochs when `waiting` was closed, 0: passed */
	unsigned next;	 /* the first worker that may not have passed */
	bool closed;	 /* `waiting` waits */
	uint8_t number;
} __attribute__((aligned(64)));

struct width_pool {
	uint64_t slabs __attribute__((aligned(64))); /* stack */
	struct flow_cold *cold;
	uint32_t slab_flows;
};

struct flow_pool {
	struct width_pool width[WIDTHS];
	struct flow_table *table;
	struct flow_cache *cache;
	uint64_t *noted;
	unsigned workers;
};

static uint32_t reference(uint32_t index, enum width width)
{
	return index | (width == WIDE ? FLOW_WIDE : 0);
}

/* --- slabs --- */

static void chain_push(struct width_pool *pool, struct chain *chain, uint32_t index)
{
	pool->cold[index].next = chain->first;
	chain->first = index;
	chain->n++;
}

static uint32_t chain_pop(struct width_pool *pool, struct chain *chain)
{
	uint32_t index = chain->first;

	chain->first = pool->cold[index].next;
	chain->n--;
	return index;
}

static void slab_push(struct width_pool *pool, const struct chain *chain)
{
	struct flow_cold *first = &pool->cold[chain->first];

	first->seen = chain->n;
	treiber_push(&pool->slabs, chain->first, &first->prev);
}

static struct chain slab_pop(struct width_pool *pool)
{
	uint32_t first = treiber_pop(&pool->slabs, &pool->cold->prev, sizeof(*pool->cold));

	return (struct chain){ first, first ? pool->cold[first].seen : 0 };
}

/* --- a worker's cache --- */

static uint32_t cache_get(struct flow_cache *cache, enum width width)
{
	struct width_pool *pool = &cache->pool->width[width];
	struct chain *current = &cache->current[width], *spare = &cache->spare[width];

	if (!current->n) {
		*current = spare->n ? *spare : slab_pop(pool);
		*spare = (struct chain){ 0 };
		if (!current->n)
			return 0;
	}
	return chain_pop(pool, current);
}

static void cache_put(struct flow_cache *cache, enum width width, uint32_t index)
{
	struct width_pool *pool = &cache->pool->width[width];
	struct chain *current = &cache->current[width], *spare = &cache->spare[width];

	if (current->n == pool->slab_flows) {
		if (spare->n)
			slab_push(pool, spare);
		*spare = *current;
		*current = (struct chain){ 0 };
	}
	chain_push(pool, current, index);
}

static void used_add(struct flow_cache *cache, enum width width, int64_t flows)
{
	__atomic_store_n(&cache->used[width], cache->used[width] + flows, __ATOMIC_RELAXED);
}

/* The next one's lines come while this one is used. */
static void prefetch_next(const struct flow_cache *cache, enum width width)
{
	const struct flow_table *table = cache->pool->table;
	uint32_t ref = reference(cache->current[width].first, width);

	__builtin_prefetch(flow_head(table, ref), 1);
	__builtin_prefetch(flow_counters(table, ref), 1);
	__builtin_prefetch(flow_cold(table, ref), 1);
}

static void flow_clear(const struct flow_table *table, uint32_t ref)
{
	if (ref & FLOW_WIDE)
		memset(&table->hot6[ref & FLOW_INDEX], 0, sizeof(*table->hot6));
	else
		memset(&table->hot4[ref & FLOW_INDEX], 0, sizeof(*table->hot4));
	memset(flow_counters(table, ref), 0, sizeof(struct flow_counters));
	memset(flow_cold(table, ref), 0, sizeof(struct flow_cold));
}

uint32_t flow_alloc(struct flow_cache *cache, bool wide)
{
	enum width width = wide ? WIDE : NARROW;
	const struct flow_table *table = cache->pool->table;
	uint32_t ref = reference(cache_get(cache, width), width);

	if (!(ref & FLOW_INDEX))
		return 0;
	prefetch_next(cache, width);
	used_add(cache, width, 1);
	flow_clear(table, ref);
	flow_head(table, ref)->owner = cache->number;
	return ref;
}

/* --- limbo --- */

void flow_retire(struct flow_cache *cache, uint32_t handle)
{
	enum width width = handle & FLOW_WIDE ? WIDE : NARROW;
	struct width_pool *pool = &cache->pool->width[width];
	struct batch *batch = &cache->filling;
	struct chain *part = &batch->part[width];

	chain_push(pool, part, handle & FLOW_INDEX);
	if (part->n < pool->slab_flows)
		return;
	pool->cold[part->first].prev = batch->slabs[width];
	batch->slabs[width] = part->first;
	*part = (struct chain){ 0 };
}

void flow_unalloc(struct flow_cache *cache, uint32_t handle)
{
	enum width width = handle & FLOW_WIDE ? WIDE : NARROW;
	struct flow_head *head = flow_head(cache->pool->table, handle);

	/* it has been in the index for a moment */
	if (__atomic_load_n(&head->flags, __ATOMIC_RELAXED) & FLOW_PENDING) {
		__atomic_store_n(&head->state, FLOW_DEAD, __ATOMIC_RELAXED);
		flow_retire(cache, handle);
		return;
	}
	__atomic_store_n(&head->state, FLOW_FREE, __ATOMIC_RELAXED);
	cache_put(cache, width, handle & FLOW_INDEX);
	used_add(cache, width, -1);
}

/* Whole slabs to the pool, at most `budget`; returns how many are left of that. */
static unsigned recycle_slabs(struct flow_cache *cache, enum width width, unsigned budget)
{
	struct width_pool *pool = &cache->pool->width[width];
	uint32_t *slabs = &cache->waiting.slabs[width];

	for (; *slabs && budget; budget--) {
		struct chain slab = { *slabs, pool->slab_flows };

		*slabs = pool->cold[slab.first].prev;
		used_add(cache, width, (uint64_t) - (int64_t)slab.n);
		slab_push(pool, &slab);
	}
	return budget;
}

static void recycle_part(struct flow_cache *cache, enum width width)
{
	struct chain *part = &cache->waiting.part[width];

	used_add(cache, width, (uint64_t) - (int64_t)part->n);
	while (part->n)
		cache_put(cache, width, chain_pop(&cache->pool->width[width], part));
}

/* Nobody holds a reference to the flows of `waiting` any more. */
static void recycle(struct flow_cache *cache)
{
	unsigned budget = RECYCLE_SLABS;

	for (enum width width = 0; width < WIDTHS; width++)
		budget = recycle_slabs(cache, width, budget);
	if (!budget)
		return;
	for (enum width width = 0; width < WIDTHS; width++)
		recycle_part(cache, width);
	cache->closed = false;
}

static bool batch_empty(const struct batch *batch)
{
	return !batch->slabs[NARROW] && !batch->slabs[WIDE] && !batch->part[NARROW].n &&
	       !batch->part[WIDE].n;
}

static void close_batch(struct flow_cache *cache)
{
	struct flow_pool *pool = cache->pool;

	cache->waiting = cache->filling;
	memset(&cache->filling, 0, sizeof(cache->filling));
	/* the fence of flow_quiescent() stands between their removal and this */
	for (unsigned i = 0; i < pool->workers; i++)
		cache->noted[i] = __atomic_load_n(&pool->cache[i].epoch, __ATOMIC_ACQUIRE);
	cache->noted[cache->number] = 0;
	cache->next = 0;
	cache->closed = true;
}

/* Has every other worker passed a quiescent state since the batch was closed? */
static bool grace_is_over(struct flow_cache *cache)
{
	const struct flow_pool *pool = cache->pool;

	for (; cache->next < pool->workers; cache->next++)
		if (cache->noted[cache->next] &&
		    __atomic_load_n(&pool->cache[cache->next].epoch, __ATOMIC_ACQUIRE) ==
			    cache->noted[cache->next])
			return false;
	return true;
}

void flow_quiescent(struct flow_cache *cache)
{
	__atomic_store_n(&cache->epoch, ++cache->count, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (cache->closed && grace_is_over(cache))
		recycle(cache);
	if (!cache->closed && !batch_empty(&cache->filling))
		close_batch(cache);
}

void flow_offline(struct flow_cache *cache)
{
	__atomic_store_n(&cache->epoch, 0, __ATOMIC_RELEASE);
}

/* --- all of it --- */

static void width_fill(struct width_pool *pool, uint32_t flows, struct flow_cold *cold,
		       unsigned workers)
{
	uint32_t share = flows / (16 * workers);
	struct chain chain = { 0 };

	pool->cold = cold;
	pool->slab_flows = share < 1 ? 1 : share < SLAB_MAX ? share : SLAB_MAX;
	/* from the end, so that the first flow is handed out first */
	for (uint32_t index = flows; index; index--) {
		chain_push(pool, &chain, index);
		if (chain.n == pool->slab_flows || index == 1) {
			slab_push(pool, &chain);
			chain = (struct chain){ 0 };
		}
	}
}

int flow_pool_new(struct flow_pool **result, struct flow_table *table, unsigned workers)
{
	struct flow_pool *pool = aligned_alloc(64, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	memset(pool, 0, sizeof(*pool));
	pool->table = table;
	pool->workers = workers;
	pool->cache = aligned_alloc(64, workers * sizeof(*pool->cache));
	pool->noted = calloc((size_t)workers * workers, sizeof(*pool->noted));
	if (!pool->cache || !pool->noted) {
		flow_pool_free(pool);
		return -ENOMEM;
	}
	memset(pool->cache, 0, workers * sizeof(*pool->cache));
	for (unsigned i = 0; i < workers; i++) {
		pool->cache[i].pool = pool;
		pool->cache[i].number = (uint8_t)i;
		pool->cache[i].noted = &pool->noted[(size_t)i * workers];
	}
	width_fill(&pool->width[NARROW], table->narrow, table->cold4, workers);
	width_fill(&pool->width[WIDE], table->wide, table->cold6, workers);
	*result = pool;
	return 0;
}

void flow_pool_free(struct flow_pool *pool)
{
	if (!pool)
		return;
	free(pool->cache);
	free(pool->noted);
	free(pool);
}

struct flow_cache *flow_pool_cache(struct flow_pool *pool, unsigned worker)
{
	return &pool->cache[worker];
}

uint32_t flow_pool_use(const struct flow_pool *pool, bool wide)
{
	int64_t used = 0;

	for (unsigned i = 0; i < pool->workers; i++)
		used += __atomic_load_n(&pool->cache[i].used[wide ? WIDE : NARROW],
					__ATOMIC_RELAXED);
	return used > 0 ? (uint32_t)used : 0;
}
