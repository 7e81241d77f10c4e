/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow table: memory for flows (flow.h) and the index that finds them by either direction's key.
 *
 * One table for the process, preallocated. Reading takes no lock and waits for nobody; a flow is
 * opened by one worker, found by all. flow_insert() makes both directions visible or neither, and
 * where two workers open the same flow at once exactly one of them succeeds; the other is given
 * the flow of the first.
 *
 * Memory: each worker has a cache of free flows over a common pool. Ended flows go through the
 * cache's limbo until every worker has passed a quiescent state since (flow_quiescent(), once a
 * round; flow_offline() before it sleeps): nobody can hold a reference any more.
 */
#ifndef VISOR_FLOW_TABLE_H
#define VISOR_FLOW_TABLE_H

#include "config.h"
#include "flow.h"

#define FLOW_BURST_MAX 64

struct flow_table {
	struct flow4 *hot4; /* [narrow + 1] */
	struct flow6 *hot6; /* [wide + 1] */
	struct flow_counters *counters4, *counters6;
	struct flow_cold *cold4, *cold6;
	uint32_t narrow, wide; /* how many of each there can be */
	struct flow_index *index;
	char pages[96];		    /* what the memory is made of, for people */
	struct flow_memory *memory; /* opaque: mappings, pools, caches' epochs */
};

struct flow_cache; /* one worker's */

/* control; `why` (256 bytes) says what to change where it fails. `narrow` and `wide` at least 1024.
 * The index' hash is keyed with a secret from the kernel's random numbers. */
int flow_table_new(struct flow_table **table, uint32_t narrow, uint32_t wide, unsigned workers,
		   enum hugepages pages, char *why);
void flow_table_free(struct flow_table *table); /* and its caches */
struct flow_cache *flow_table_cache(struct flow_table *table, unsigned worker);

/* The parts of a flow; any thread that may hold the reference (which may carry its direction). */
static inline struct flow_head *flow_head(const struct flow_table *t, uint32_t ref)
{
	return ref & FLOW_WIDE ? &t->hot6[ref & FLOW_INDEX].head : &t->hot4[ref & FLOW_INDEX].head;
}

static inline struct flow_counters *flow_counters(const struct flow_table *t, uint32_t ref)
{
	return ref & FLOW_WIDE ? &t->counters6[ref & FLOW_INDEX] : &t->counters4[ref & FLOW_INDEX];
}

static inline struct flow_cold *flow_cold(const struct flow_table *t, uint32_t ref)
{
	return ref & FLOW_WIDE ? &t->cold6[ref & FLOW_INDEX] : &t->cold4[ref & FLOW_INDEX];
}

/* One direction's key, in its own family. */
void flow_key_of(const struct flow_table *table, uint32_t handle, enum flow_direction direction,
		 struct flow_key *key);

/* --- worker --- */

/* Look n <= FLOW_BURST_MAX keys up at once: references with their direction, 0 where there is none.
 * The hot lines that were found are in the cache then; their counters are not. */
void flow_lookup(const struct flow_table *table, const struct flow_key *keys, uint32_t *refs,
		 unsigned n);

/* A free flow, narrow or wide: all zero, but for owner. 0: there is none. */
uint32_t flow_alloc(struct flow_cache *cache, bool wide);
/* Give back what was allocated and is not inserted, also where flow_insert() failed. */
void flow_unalloc(struct flow_cache *cache, uint32_t handle);

/* Write the keys into the flow (narrow: both IPv4) and make it visible under both. 0; -EEXIST: there
 * is one with one of the keys, *winner is it (with the direction in which `key0` was found), or 0
 * where only key1 is taken, by another flow; -ENOSPC: no room within the bounded probe. On an error
 * the flow is still the caller's, and can be tried again with other keys. All other fields are to be
 * set before; in `flags` the table's bits are not the caller's to clear. */
int flow_insert(struct flow_table *table, uint32_t handle, const struct flow_key *key0,
		const struct flow_key *key1, uint32_t *winner);

/* A flow with this key is going to be inserted soon: ask for what that reads. */
void flow_insert_prefetch(const struct flow_table *table, const struct flow_key *key);

/* Out of the index; nothing where it is out already. The state is FLOW_DEAD. Any worker. */
void flow_remove(struct flow_table *table, uint32_t handle);
/* Its memory may be used again after a grace period. Owner only, after flow_remove(). */
void flow_retire(struct flow_cache *cache, uint32_t handle);

/* The worker holds no reference now. Once a round; cheap. Offline before sleeping, quiescent after;
 * a worker that has never been quiescent is offline, and must not look up or insert. */
void flow_quiescent(struct flow_cache *cache);
void flow_offline(struct flow_cache *cache);

/* --- any thread --- */

struct flow_table_use {
	uint32_t narrow, wide; /* in use, ended ones in limbo included */
	uint64_t bytes;	       /* all memory that the table has */
};

/* Approximate while workers run. */
void flow_table_use(const struct flow_table *table, struct flow_table_use *use);

#endif
