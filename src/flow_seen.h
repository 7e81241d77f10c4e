/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a flow's last packet was: packets note the low 16 bits of the time (flow_head.seen), the
 * owner's visits the whole (flow_cold.seen). Visits are frequent, so the bits are of the last few
 * minutes; but workers' clocks are those of their rounds, and the one that met the packet may be a
 * tick ahead of the one that asks. That is now, not almost five hours ago.
 */
#ifndef VISOR_FLOW_SEEN_H
#define VISOR_FLOW_SEEN_H

#include "flow.h"

/* In ticks, never after `now`. any. */
static inline uint32_t flow_last_seen(const struct flow_head *head, const struct flow_cold *cold,
				      uint32_t now)
{
	const uint16_t seen = __atomic_load_n(&head->seen, __ATOMIC_RELAXED);
	const uint32_t before = __atomic_load_n(&cold->seen, __ATOMIC_RELAXED);
	const uint16_t ago = (uint16_t)((uint16_t)now - seen);

	if ((uint16_t)before == seen && (int32_t)(now - before) >= 0)
		return before;
	return ago < 0x8000 ? now - ago : now;
}

#endif
