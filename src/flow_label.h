/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels: what let a flow in, by name ("firewall:edge/web"). A function registers one for each of
 * its rules and gives it to the flows that the rule opens; the engine counts by label: flows opened
 * and alive, packets, bytes, the time of the last. The same owner and name get the same label
 * again, so a rule keeps its counters and its flows over a reload.
 *
 * Life. Each registration is a reference, and is released when no worker can find the label in a
 * configuration any more (after a grace period: nf_ops.fini() is the place). A label without
 * references goes on living as long as one of its flows does, so that `show flows` can say what let
 * it in; then its number is given to the next name. A name that is registered again in time finds
 * its old label. So it is the rules and flows that exist which count towards FLOW_LABELS_MAX, not
 * all there ever were.
 *
 * Counters are each worker's own, and written without a lock. A flow's packets and bytes are added
 * when it ends; those of living flows are added by whoever shows them (flow_show.c).
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

/* --- control --- */

int flow_labels_start(unsigned workers); /* 0 or -errno; before any worker runs */
void flow_labels_stop(void);
/* The label "owner/name", 1 or more, and a reference to it; or -ENOSPC, -ENOMEM. */
int flow_label_register(const char *owner, const char *name);
/* Give a reference back; label 0: nothing. */
void flow_label_release(uint32_t label);
/* "firewall:edge/web"; "" for 0. Good until the label is given to another name: as long as there is
 * a reference or a flow, and no longer than until the next registration otherwise. */
const char *flow_label_name(uint32_t label);
/* Labels that have a name now. */
uint32_t flow_labels_count(void);
/* What flows that are alive have counted so far, for flow_label_read() to add: forget it, then tell
 * it flow by flow (flows_count_living()). A flow that ends later counts twice until the next time. */
void flow_label_living_reset(void);
void flow_label_living_add(uint32_t label, uint64_t packets, uint64_t bytes);

/* --- any thread --- */

/* Sum over the workers, and what was told of living flows. */
void flow_label_read(uint32_t label, struct flow_label_counters *sum);
/* Flows alive by that label, over all workers; while workers run it may be a few too many. */
uint64_t flow_label_alive(uint32_t label);

/* --- worker --- */

/* Its own counters of that label. Others read them meanwhile: change them by the functions below. */
struct flow_label_counters *flow_label_of(unsigned worker, uint32_t label);

static inline void flow_label_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* A rule was asked: by the first packet of a flow, or by a packet that gets no flow. */
static inline void flow_label_hit(struct flow_label_counters *of, uint64_t now_ns)
{
	__atomic_store_n(&of->last_ns, now_ns, __ATOMIC_RELAXED);
}

static inline void flow_label_opened(struct flow_label_counters *of)
{
	flow_label_add(&of->opened, 1);
}

/* The last thing that is done with a flow's label: whoever sees the flow gone sees its counts. */
static inline void flow_label_closed(struct flow_label_counters *of, uint64_t packets,
				     uint64_t bytes)
{
	flow_label_add(&of->packets, packets);
	flow_label_add(&of->bytes, bytes);
	__atomic_store_n(&of->closed, of->closed + 1, __ATOMIC_RELEASE);
}

#endif
