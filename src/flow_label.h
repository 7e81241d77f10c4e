/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels: what let a flow in, by name ("firewall:edge/web"). A function registers one for each of
 * its rules and gives it to the flows that the rule opens; the engine counts by label: flows opened
 * and alive, packets, bytes, the time of the last. The same owner and name get the same label
 * again, so a rule keeps its counters and its flows over a reload.
 *
 * Counters are each worker's own, and written without a lock. A flow's packets and bytes are added
 * when it ends; flow_label_read() is told of those of living flows by the engine (flow_show.c).
 */
#ifndef VISOR_FLOW_LABEL_H
#define VISOR_FLOW_LABEL_H

#include <stdint.h>

#define FLOW_LABELS_MAX (1u << 18)

struct flow_label_counters {
	uint64_t opened, closed; /* flows; alive = opened - closed */
	uint64_t packets, bytes; /* of ended flows, and of packets that had no flow */
	uint64_t last_ns; /* CLOCK_MONOTONIC of the last packet that asked the rule, 0 never */
};

/* control */
int flow_labels_start(unsigned workers); /* 0 or -errno */
void flow_labels_stop(void);
/* The label "owner/name", 1 or more; or -ENOSPC, -ENOMEM. */
int flow_label_register(const char *owner, const char *name);
const char *flow_label_name(uint32_t label); /* "firewall:edge/web"; "" for 0 */
/* Sum over the workers. Any thread. */
void flow_label_read(uint32_t label, struct flow_label_counters *sum);

/* worker: its own counters of that label. */
struct flow_label_counters *flow_label_of(unsigned worker, uint32_t label);
/* Flows alive by that label, over all workers; any thread. */
uint64_t flow_label_alive(uint32_t label);

#endif
