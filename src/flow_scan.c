/* SPDX-License-Identifier: Apache-2.0 */
/* All flows, one after the other. See flow_scan.h. Control thread. */
#include "flow_scan.h"

#include "flow_match.h"

#define STRETCH 65536u /* flows between two quiescent states */

void flow_scan_begin(const struct flows *flows)
{
	flow_quiescent(flows->reader);
}

void flow_scan_end(const struct flows *flows)
{
	flow_offline(flows->reader);
}

uint8_t flow_scan_state(const struct flows *flows, uint32_t handle)
{
	const struct flow_head *head = flow_head(flows->table, handle);
	const uint8_t state = __atomic_load_n(&head->state, __ATOMIC_ACQUIRE);

	return state > FLOW_DEAD && flow_is_live(head) ? state : FLOW_DEAD;
}

/* Where the scan goes on: IPv4's array, then the wide one; 0 at the end. */
static uint32_t place(const struct flow_table *table, uint32_t handle)
{
	if (!(handle & FLOW_WIDE) && handle > table->narrow)
		handle = FLOW_WIDE | 1;
	return handle & FLOW_WIDE && (handle & FLOW_INDEX) > table->wide ? 0 : handle;
}

uint32_t flow_scan(const struct flows *flows, uint32_t first, flow_visitor *visit, void *arg)
{
	uint32_t handle = place(flows->table, first ? first : 1);
	bool enough = false;

	while (handle && !enough) {
		flow_scan_begin(flows);
		for (unsigned i = 0; i < STRETCH && handle && !enough; i++) {
			const uint8_t state = flow_scan_state(flows, handle);

			if (state > FLOW_DEAD)
				enough = !visit(arg, handle, state);
			handle = place(flows->table, handle + 1);
		}
		flow_scan_end(flows);
	}
	return handle;
}
