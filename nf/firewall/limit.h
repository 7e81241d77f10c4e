/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: rates and numbers of flows, per rule and per source, and how many lines are logged.
 *
 * A rate is a virtual scheduling algorithm (GCRA, ITU-T I.371): one number, the time at which the
 * next packet would be on time if all came evenly. It is shared by the workers and moves by
 * compare-and-swap, so a rate holds for the appliance and not for each worker.
 *
 * Per source there are tables of a fixed size, whose slots are single words: a tag of the keyed hash
 * of (rule, source) and the number, or the time. One CAS takes, counts and gives back a slot. A
 * source that finds no slot among its 16 is refused by name rather than let through uncounted.
 *
 * Which rule a flow counts for is noted in a table of the same kind, by the flow's key: what names a
 * flow in the end may be another function of the chain, and a rule that is limited since the last
 * reload has flows that were never counted. What is noted is given back when the flow ends, once.
 */
#ifndef FIREWALL_LIMIT_H
#define FIREWALL_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "keys.h"

#define FIREWALL_LEFT_OUT 8

/* What is remembered of a rule; a reload hands it on to the rule of the same name. */
struct firewall_live {
	unsigned refs;
	uint64_t rate_ns __attribute__((aligned(64))); /* GCRA's theoretical arrival time */
	uint64_t log_ns __attribute__((aligned(64)));
	uint64_t logged;
	uint64_t left_out_told; /* with the last line */
	uint64_t flows;		/* noted for the rule */
	uint64_t flows_refused;
	/* lines beyond the limit: a flood may cause many, on all workers */
	struct firewall_left_out {
		uint64_t n __attribute__((aligned(64)));
	} left_out[FIREWALL_LEFT_OUT];
};

struct firewall_limits {
	uint64_t rate_cost_ns, rate_depth_ns; /* cost 0: no rate */
	uint64_t log_cost_ns, log_depth_ns;   /* cost 0: no log */
	uint64_t max_flows;
	uint32_t max_flows_per_source;
	bool by_source, over;
	struct firewall_live *live;
};

struct firewall_sources;

enum firewall_taken { FIREWALL_TAKEN, FIREWALL_TOO_MANY, FIREWALL_TABLE_FULL };

/* --- control --- */

void firewall_limits_set(struct firewall_limits *limits, const struct firewall_rule_keys *keys);
struct firewall_live *firewall_live_new(void);
/* Lines that were not logged. Any thread. */
uint64_t firewall_left_out(const struct firewall_live *live);
void firewall_live_put(struct firewall_live *live);
struct firewall_sources *firewall_sources_new(unsigned slots); /* a power of two */
struct firewall_sources *firewall_sources_get(struct firewall_sources *sources);
void firewall_sources_put(struct firewall_sources *sources);
/* Slots of a table of rates that say nothing any more are emptied, a part of the table each call:
 * times in them are good for six days. */
void firewall_sources_sweep(struct firewall_sources *rates, uint64_t now_ns);
/* Slots in use, and sources refused for want of one. */
void firewall_sources_use(const struct firewall_sources *sources, uint64_t *used, uint64_t *size,
			  uint64_t *refused);

/* --- any worker --- */

/* Is there room for one more? It is taken then. */
bool firewall_rate_take(uint64_t *time_ns, uint64_t cost_ns, uint64_t depth_ns, uint64_t now_ns);
bool firewall_source_rate_take(struct firewall_sources *rates, uint32_t label, uint64_t source,
			       const struct firewall_limits *limits, uint64_t now_ns);
enum firewall_taken firewall_source_flow_take(struct firewall_sources *flows, uint32_t label,
					      uint64_t source, uint32_t max);
/* Note that a flow counts for a rule; false: there is no room. */
bool firewall_flow_note(struct firewall_sources *notes, const struct flow_key *key, uint32_t label);
/* The rule that the flow counts for, 0 none; from now on it does not. */
uint32_t firewall_flow_forget(struct firewall_sources *notes, const struct flow_key *key);
void firewall_source_flow_give_back(struct firewall_sources *flows, uint32_t label,
				    uint64_t source);

#endif
