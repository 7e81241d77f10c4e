/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time-outs of one worker's flows: a timing wheel (Varghese and Lauck, SOSP 1987), linked through
 * flow_cold.next and prev. A packet never touches it: it only notes the time in the flow. When a
 * flow's slot comes up the wheel asks whether it has really been idle; if not, it goes into the slot
 * of its new deadline. No flow waits longer than FLOW_VISIT_TICKS for a visit, since a state may
 * have changed to one with a shorter time-out, and since flow_head.seen has only 16 bits.
 *
 * All: the owner's worker thread.
 */
#ifndef VISOR_FLOW_WHEEL_H
#define VISOR_FLOW_WHEEL_H

#include "flow_table.h"

#define FLOW_VISIT_TICKS 64 /* about 17 s */

struct flow_wheel;

/* 0: end it (the wheel has unlinked it); otherwise the number of ticks until its next visit. May add
 * and remove other flows. */
struct flow_wheel_visitor {
	uint32_t (*visit)(void *arg, uint32_t handle, uint32_t now);
	void *arg;
};

/* NULL: no memory. The table outlives the wheel; flows that are linked when it is freed stay so. */
struct flow_wheel *flow_wheel_new(struct flow_table *table, uint32_t now);
void flow_wheel_free(struct flow_wheel *wheel);

/* Visit it in `ticks` from the last advance on (at least 1; more than FLOW_VISIT_TICKS is cut to
 * that). The handle is of a flow that is in no wheel: next and prev are 0, as flow_alloc() leaves it. */
void flow_wheel_add(struct flow_wheel *wheel, uint32_t handle, uint32_t ticks);
/* Not linked, or not any more: nothing happens. */
void flow_wheel_remove(struct flow_wheel *wheel, uint32_t handle);

/* Go on to `now`, with at most `budget` visits; what is left is done by the next calls, in order.
 * Returns the number of visits. */
unsigned flow_wheel_advance(struct flow_wheel *wheel, uint32_t now, unsigned budget,
			    const struct flow_wheel_visitor *visitor);

/* Does anything wait that is due at `now`? */
bool flow_wheel_due(const struct flow_wheel *wheel, uint32_t now);
uint32_t flow_wheel_count(const struct flow_wheel *wheel);

#endif
