/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a flow. Whoever finds that it is over makes it FLOW_DEAD, which happens once, and takes
 * it out of the index. Its owner then tells the functions, adds up the counters and gives the memory
 * back: at once where it is the one who ended it, else when the wheel comes by. The control thread
 * (flow_show.c) makes it FLOW_DEAD and no more, then taking it out is its owner's as well.
 *
 * When the table is nearly full the owner looks for less important flows of its own: a clock hand
 * over the table, a bounded number of flows a round. Resets and closed ones go first, then half-open
 * and unanswered ones, then the short-lived; established ones never. What is still missing then
 * makes new flows fail, by a named counter.
 */
#include "bytes.h"
#include "flow_label.h"
#include "flow_route.h"
#include "flow_seen.h"
#include "flows.h"
#include "nf/nf.h"
#include "reassembly.h"

#define VISITS_A_ROUND 256 /* of the wheel: at most so many flows are looked at in one go */
#define EVICT_SCAN 512	   /* flows that the clock hand passes in one go */
#define EVICT_MAX 128	   /* flows that it ends in one go */
#define LOW_WATER 32	   /* one part in so many is kept free */
#define LOW_WATER_MAX 65536u

/* --- the owner's part --- */

static void tell_functions(struct datapath *dp, uint32_t handle)
{
	const struct flow_functions *functions =
		__atomic_load_n(&dp->flows->functions, __ATOMIC_CONSUME);
	const struct flow_cold *cold = flow_cold(dp->flows->table, handle);
	struct flow_close close = {
		.label = cold->label,
		.opened = true,
		.in_iface = cold->iface,
		.counters = *flow_counters(dp->flows->table, handle),
	};

	flow_keys_out(dp->flows->table, handle, &close.key, &close.out);
	for (unsigned i = 0; functions && i < functions->n; i++)
		functions->nf[i]->ops->close(functions->nf[i], dp, &close);
	if (close.label)
		flow_label_closed(flow_label_of(dp->index, close.label),
				  close.counters.packets[0] + close.counters.packets[1],
				  close.counters.bytes[0] + close.counters.bytes[1]);
}

/* Dead, out of the index and out of the wheel. */
static void bury(struct datapath *dp, uint32_t handle)
{
	tell_functions(dp, handle);
	flow_retire(flow_worker(dp)->cache, handle);
}

bool flow_end(struct datapath *dp, uint32_t handle, uint8_t from)
{
	struct flow_head *head = flow_head(dp->flows->table, handle);

	if (from <= FLOW_DEAD || !flow_state_change(head, from, FLOW_DEAD))
		return false;
	flow_remove(dp->flows->table, handle);
	if (head->owner == dp->index) {
		flow_wheel_remove(flow_worker(dp)->wheel, handle);
		bury(dp, handle);
	}
	return true;
}

/* --- time --- */

/* Forget routes of long ago: the word's generation could come round. */
static void forget_route(struct flow_head *head, uint32_t generation)
{
	uint64_t word = __atomic_load_n(&head->route, __ATOMIC_RELAXED);

	if (word && (uint32_t)(word >> 40) != generation)
		__atomic_compare_exchange_n(&head->route, &word, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

static uint32_t visit(void *arg, uint32_t handle, uint32_t now)
{
	struct datapath *dp = arg;
	struct flow_table *table = dp->flows->table;
	struct flow_head *head = flow_head(table, handle);
	const uint8_t state = flow_state(head);
	struct flow_cold *cold = flow_cold(table, handle);
	uint32_t timeout, idle;

	if (state == FLOW_DEAD) {
		flow_remove(table, handle); /* one that was flushed is still in the index */
		bury(dp, handle);
		return 0;
	}
	forget_route(head, dp->route);
	timeout = __atomic_load_n(&dp->flows->timeouts.ticks[state], __ATOMIC_RELAXED);
	cold->seen = flow_last_seen(head, cold, now);
	idle = now - cold->seen;
	if (idle < timeout || !flow_state_change(head, state, FLOW_DEAD))
		return idle < timeout ? timeout - idle : 1;
	flow_remove(table, handle);
	datapath_count(&flow_worker(dp)->stats.expired, 1);
	bury(dp, handle);
	return 0;
}

/* --- room --- */

static void evict_one(struct datapath *dp, uint32_t handle, uint8_t state)
{
	if (flow_end(dp, handle, state))
		datapath_count(&flow_worker(dp)->stats.evicted, 1);
}

/* Pass the clock hand over a part of the table, ending at most `most` flows. */
static unsigned evict(struct datapath *dp, bool wide, unsigned most)
{
	struct flow_worker *fw = flow_worker(dp);
	const struct flow_table *table = dp->flows->table;
	const uint32_t n = wide ? table->wide : table->narrow;
	uint32_t *hand = &fw->hand[wide], modest = 0;
	unsigned ended = 0;

	for (unsigned i = 0; i < EVICT_SCAN && ended < most; i++) {
		uint32_t handle;
		const struct flow_head *head;
		uint8_t state;

		*hand = *hand >= n ? 1 : *hand + 1;
		handle = *hand | (wide ? FLOW_WIDE : 0);
		head = flow_head(table, handle);
		state = flow_state(head);
		if (state <= FLOW_DEAD || head->owner != dp->index)
			continue;
		switch (flow_state_rank(state, head->flags)) {
		case 0:
		case 1:
			evict_one(dp, handle, state);
			ended++;
			break;
		case 2: modest = modest ? modest : handle; break;
		default: break;
		}
	}
	if (!ended && modest) {
		evict_one(dp, modest, flow_state(flow_head(table, modest)));
		ended++;
	}
	return ended;
}

uint32_t flow_make_room(struct datapath *dp, bool wide)
{
	struct flow_worker *fw = flow_worker(dp);
	uint32_t handle = flow_alloc(fw->cache, wide);

	if (likely(handle != 0))
		return handle;
	/* the memory of what ends now is free only after a grace period: for those who come next */
	evict(dp, wide, 1);
	return flow_alloc(fw->cache, wide);
}

static void keep_room(struct datapath *dp, bool wide, uint32_t used, uint32_t size)
{
	const uint32_t part = size / LOW_WATER, keep = part < LOW_WATER_MAX ? part : LOW_WATER_MAX;

	if (size - used < keep)
		evict(dp, wide, EVICT_MAX);
}

/* Only a round that has opened flows can have run short of room. */
static void look_for_room(struct datapath *dp)
{
	struct flow_worker *fw = flow_worker(dp);
	struct flow_table_use use;

	if (fw->opened_seen == fw->stats.opened + fw->stats.refused)
		return;
	fw->opened_seen = fw->stats.opened + fw->stats.refused;
	flow_table_use(dp->flows->table, &use);
	keep_room(dp, false, use.narrow, dp->flows->table->narrow);
	keep_room(dp, true, use.wide, dp->flows->table->wide);
}

void flow_wake(struct datapath *dp)
{
	struct flow_worker *fw = flow_worker(dp);

	fw->tick = flow_ticks(dp->now_ns);
	if (fw->awake)
		return;
	fw->awake = true;
	flow_quiescent(fw->cache);
}

unsigned flow_round(struct datapath *dp)
{
	struct flow_worker *fw = flow_worker(dp);
	const struct flow_wheel_visitor visitor = { visit, dp };
	unsigned visits;

	look_for_room(dp);
	visits = flow_wheel_advance(fw->wheel, fw->tick, VISITS_A_ROUND, &visitor);
	flow_quiescent(fw->cache);
	return visits;
}

void flow_sleep(struct datapath *dp)
{
	flow_worker(dp)->awake = false;
	flow_offline(flow_worker(dp)->cache);
}
