/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timing wheel. See flow_wheel.h.
 *
 * No visit is further away than FLOW_VISIT_TICKS, so one level with as many slots holds them all:
 * Varghese and Lauck's scheme 4, without the rounds that a longer time-out would need. Slots are
 * circular lists through flow_cold.next and prev; the end of a list is a reference with
 * FLOW_DIRECTION set, which no flow's handle has, and the number of the list. So a flow is unlinked
 * without a search and without knowing its slot.
 *
 * Invariants: slots hold what is due in (now, now + FLOW_VISIT_TICKS], each tick in its own; what is
 * due has been moved, slot by slot and in O(1) each, to the end of the list DUE. So neither an
 * advance that runs out of budget nor a clock that jumps makes slots of different ticks meet.
 */
#include "flow_wheel.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS FLOW_VISIT_TICKS
#define DUE SLOTS
_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a tick's slot is its low bits");

struct links {
	uint32_t next, prev;
};

struct flow_wheel {
	struct flow_table *table;
	uint32_t now;
	uint32_t count;
	struct links list[SLOTS + 1];
};

static inline uint32_t list_end(unsigned list)
{
	return FLOW_DIRECTION | list;
}

static inline uint32_t *next_of(struct flow_wheel *w, uint32_t ref)
{
	return ref & FLOW_DIRECTION ? &w->list[ref & FLOW_INDEX].next :
				      &flow_cold(w->table, ref)->next;
}

static inline uint32_t *prev_of(struct flow_wheel *w, uint32_t ref)
{
	return ref & FLOW_DIRECTION ? &w->list[ref & FLOW_INDEX].prev :
				      &flow_cold(w->table, ref)->prev;
}

static void list_empty(struct flow_wheel *w, unsigned list)
{
	w->list[list] = (struct links){ list_end(list), list_end(list) };
}

static inline bool list_is_empty(const struct flow_wheel *w, unsigned list)
{
	return w->list[list].next == list_end(list);
}

struct flow_wheel *flow_wheel_new(struct flow_table *table, uint32_t now)
{
	struct flow_wheel *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->table = table;
	w->now = now;
	for (unsigned i = 0; i <= SLOTS; i++)
		list_empty(w, i);
	return w;
}

void flow_wheel_free(struct flow_wheel *wheel)
{
	free(wheel);
}

static void append(struct flow_wheel *w, unsigned list, uint32_t handle)
{
	struct flow_cold *cold = flow_cold(w->table, handle);
	const uint32_t last = w->list[list].prev;

	cold->next = list_end(list);
	cold->prev = last;
	*next_of(w, last) = handle;
	w->list[list].prev = handle;
}

void flow_wheel_add(struct flow_wheel *wheel, uint32_t handle, uint32_t ticks)
{
	if (ticks < 1)
		ticks = 1;
	if (ticks > FLOW_VISIT_TICKS)
		ticks = FLOW_VISIT_TICKS;
	append(wheel, (wheel->now + ticks) & (SLOTS - 1), handle);
	wheel->count++;
}

void flow_wheel_remove(struct flow_wheel *wheel, uint32_t handle)
{
	struct flow_cold *cold = flow_cold(wheel->table, handle);

	if (!cold->next)
		return;
	*next_of(wheel, cold->prev) = cold->next;
	*prev_of(wheel, cold->next) = cold->prev;
	cold->next = 0;
	cold->prev = 0;
	wheel->count--;
}

/* All of one slot to the end of DUE. */
static void slot_is_due(struct flow_wheel *w, unsigned slot)
{
	const uint32_t first = w->list[slot].next, last = w->list[slot].prev;
	const uint32_t before = w->list[DUE].prev;

	if (list_is_empty(w, slot))
		return;
	*next_of(w, before) = first;
	*prev_of(w, first) = before;
	*next_of(w, last) = list_end(DUE);
	w->list[DUE].prev = last;
	list_empty(w, slot);
}

static void catch_up(struct flow_wheel *w, uint32_t now)
{
	const uint32_t passed = now - w->now;

	if ((int32_t)passed <= 0)
		return;
	for (uint32_t i = 1; i <= passed && i <= SLOTS; i++)
		slot_is_due(w, (w->now + i) & (SLOTS - 1));
	w->now = now;
}

unsigned flow_wheel_advance(struct flow_wheel *wheel, uint32_t now, unsigned budget,
			    const struct flow_wheel_visitor *visitor)
{
	unsigned visits;

	catch_up(wheel, now);
	for (visits = 0; visits < budget && !list_is_empty(wheel, DUE); visits++) {
		const uint32_t handle = wheel->list[DUE].next;
		const uint32_t next = flow_cold(wheel->table, handle)->next;
		uint32_t again;

		if (!(next & FLOW_DIRECTION)) {
			__builtin_prefetch(flow_cold(wheel->table, next), 1);
			__builtin_prefetch(flow_head(wheel->table, next));
		}
		flow_wheel_remove(wheel, handle);
		again = visitor->visit(visitor->arg, handle, wheel->now);
		if (again)
			flow_wheel_add(wheel, handle, again);
	}
	return visits;
}

bool flow_wheel_due(const struct flow_wheel *wheel, uint32_t now)
{
	const uint32_t passed = now - wheel->now;

	if (!list_is_empty(wheel, DUE))
		return true;
	for (uint32_t i = 1; (int32_t)passed > 0 && i <= passed && i <= SLOTS; i++)
		if (!list_is_empty(wheel, (wheel->now + i) & (SLOTS - 1)))
			return true;
	return false;
}

uint32_t flow_wheel_count(const struct flow_wheel *wheel)
{
	return wheel->count;
}
