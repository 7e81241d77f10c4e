/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of flows between two lives: free ones, and ended ones that somebody may still look at.
 *
 * Free flows cost nothing: they are chained through their own cold parts. A *slab* is a chain of a
 * fixed number of flows; the common pool is a lock-free stack of slabs (treiber.h), a worker's cache
 * holds two slabs, after Bonwick's magazines, so that a worker that opens and closes flows touches
 * the common pool once for many. Small tables have small slabs: what rests in other workers' caches
 * is never more than an eighth of the table.
 *
 *   cold.next   the next flow of the slab
 *   cold.prev   first flow of a slab: the next slab, in the pool or in limbo
 *   cold.seen   first flow of a slab: how many flows it has
 *
 * Ended flows wait in their owner's *limbo*: slabs as well, in two batches. One is being filled; when
 * the other one is empty, the next quiescent state of the owner closes it and notes the other
 * workers' epochs. Each worker counts its quiescent states in a word of its own, 0 while it is offline,
 * with a full fence behind, so that what it reads afterwards is not older than the announcement. A
 * batch is free when each of the others has been seen offline or with a different number; whole slabs
 * go back to the pool, a limited number a round, so a million expired flows are no stall.
 *
 * (liburcu would do it with a call_rcu() thread, and a callback per flow; here a flow's grace period
 * costs about as much as linking it into a list.)
 */
#ifndef VISOR_FLOW_POOL_H
#define VISOR_FLOW_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "flow_table.h"

struct flow_pool; /* all caches and the common pool */

/* control. -ENOMEM: no memory for it. */
int flow_pool_new(struct flow_pool **pool, struct flow_table *table, unsigned workers);
void flow_pool_free(struct flow_pool *pool);
struct flow_cache *flow_pool_cache(struct flow_pool *pool, unsigned worker);

/* Flows that are not free, narrow or wide; approximate while workers run. any. */
uint32_t flow_pool_use(const struct flow_pool *pool, bool wide);

#endif
