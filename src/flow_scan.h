/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's look at all flows: in the order of the table's arrays, while workers open and
 * end them. A flow that lives throughout is seen once; one that comes or goes meanwhile, perhaps.
 *
 * The scan takes part in the table's grace periods as one more worker, which is offline whenever
 * nothing is scanned: a flow whose state was seen to be alive stays this flow until the scan goes on
 * to the next stretch of the table. Stretches are short (some milliseconds), so that the memory of
 * flows that end meanwhile does not pile up. Only the hot lines are read, in order, at the memory's
 * speed; what else a visitor wants it pays for.
 */
#ifndef VISOR_FLOW_SCAN_H
#define VISOR_FLOW_SCAN_H

#include "flows.h"

/* One flow that is alive and visible. False: enough. */
typedef bool flow_visitor(void *arg, uint32_t handle, uint8_t state);

/* Visit the flows from `first` on (0: all). The handle to go on from, or 0 at the end. control. */
uint32_t flow_scan(const struct flows *flows, uint32_t first, flow_visitor *visit, void *arg);

/* One flow between flow_scan_begin() and flow_scan_end(): its state if it is alive and visible, else
 * FLOW_DEAD; it stays this flow until flow_scan_end(). control. */
void flow_scan_begin(const struct flows *flows);
uint8_t flow_scan_state(const struct flows *flows, uint32_t handle);
void flow_scan_end(const struct flows *flows);

/* Counts by state, as "established": 5 …; flow_summary.c. */
json_t *flow_states_json(const uint64_t states[FLOW_STATES]);

#endif
