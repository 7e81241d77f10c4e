/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow engine: what takes a packet of a stateful chain to its flow, and what opens, ends and
 * shows flows. A packet's way, in the order of the files:
 *
 *   flow_stage.c    keys, lookup of the whole burst ─ hit → track, count, rewrite, next hop
 *                                                   └ miss ↓
 *   flow_miss.c     ask each stateful function of the chain (open()), make a flow of the answers
 *   flow_again.c    a flow whose policy has changed: ask again
 *   flow_related.c  an ICMP error about a flow
 *   flow_expiry.c   the end of a flow: idle, closed, denied, evicted, flushed
 *   flows.c         making it all, control thread
 *   flow_show.c     show and flush, control thread; flow_filter.c: which, flow_scan.c: all of them
 *   flow_summary.c  counters, control thread
 *
 * One struct flows for the process, made when the first configuration with a stateful chain comes;
 * workers find it in dp->flows. Its size changes only at a restart.
 */
#ifndef VISOR_FLOWS_H
#define VISOR_FLOWS_H

#include <jansson.h>

#include "config.h"
#include "flow_open.h"
#include "flow_table.h"
#include "flow_track.h"
#include "flow_wheel.h"

struct nf;
struct chain;

/* Written by one worker, read (relaxed) by the control thread. */
struct flow_stats {
	uint64_t hits, misses;	  /* packets that were looked up; those that were not found */
	uint64_t opened, refused; /* refused: by a function, or for want of room */
	uint64_t expired, denied, evicted, reopened, raced;
	uint64_t related, invalid;
};

/* One worker's part. */
struct flow_worker {
	struct flow_cache *cache;
	struct flow_wheel *wheel;
	struct reassembly *reassembly;
	uint32_t hand[2]; /* where the search for flows to evict goes on: narrow, wide */
	uint32_t tick;	  /* of this round */
	uint64_t opened_seen;
	bool awake; /* others wait for it before they reuse flows' memory */
	struct flow_stats stats;
} __attribute__((aligned(64)));

/* The stateful instances, to be told of the end of flows; replaced by RCU. */
struct flow_functions {
	unsigned n;
	struct nf *nf[];
};

struct flows {
	struct flow_table *table;
	const struct flow_functions *functions;
	struct flow_timeouts timeouts; /* words are replaced one by one at a reload */
	bool loose;
	struct flow_cache *reader; /* the control thread's part in grace periods (flow_scan.h) */
	uint64_t flushed;	   /* the control thread's */
	unsigned workers;
	struct flow_worker *worker[];
};

/* --- control --- */

/* 0 or -errno; `why` (256 bytes) says what to change. */
int flows_new(struct flows **flows, const struct flows_config *config, unsigned workers,
	      enum hugepages pages, char *why);
/* What may change at a reload. */
void flows_update(struct flows *flows, const struct flows_config *config);
/* The functions that close() is called of. The old list is good until a grace period has passed:
 * it is returned, to be freed then. */
struct flow_functions *flows_set_functions(struct flows *flows, struct flow_functions *functions);
void flows_free(struct flows *flows); /* no worker runs any more */

/* `visorctl show flows`: `args` is a filter (flow_filter.h), and of
 *   "sort"   "bytes", "packets", "age", "idle": the greatest first
 *   "limit"  so many rows at most; 1000 unless given, at most 20000
 *   "next"   what the answer before had as "next", for what follows
 * The answer: "flows", "shown", "next" (null: that is all) and, but for "next", "total" and "states",
 * a count for each state's name. NULL with *error set. */
json_t *flows_show(struct flows *flows, const struct fib *fib, const json_t *args, char **error);
/* End the flows that the filter matches, or with "all" every one; an empty filter is refused. The
 * answer: "flushed". They are forwarding no more at once; their memory is given back, and functions
 * are told, within FLOW_VISIT_TICKS. */
json_t *flows_flush(struct flows *flows, const struct fib *fib, const json_t *args, char **error);
/* How full the table is, counters of flows and fragments; with `states` a count for each state, which
 * costs a look at all flows. */
json_t *flows_summary(const struct flows *flows, bool states);
/* Tell flow_label_read() of what living flows have counted so far: a look at all flows. */
void flows_count_living(const struct flows *flows);

/* --- worker --- */

static inline struct flow_worker *flow_worker(const struct datapath *dp)
{
	return dp->flows->worker[dp->index];
}

/* Take a burst of a stateful chain to its flows. Packets that may go on are CONTINUE, rewritten, with
 * p->nexthop set where the route is known. */
void flow_stage(struct datapath *dp, const struct chain *chain, struct burst *burst);

/* At the beginning of a round of the worker's loop, before it looks at any flow: what time it is, and
 * that it is there again. */
void flow_wake(struct datapath *dp);
/* At its end: eviction, time-outs, quiescence. How many flows it has looked at. */
unsigned flow_round(struct datapath *dp);
/* Before sleeping. */
void flow_sleep(struct datapath *dp);

/* --- between the engine's files; worker --- */

#define FLOW_FIRST_VISIT_TICKS 4 /* a second: short time-outs are seen soon */

/* p is a packet of the flow `ref`: count it, rewrite it. Its next hop in *hop: 0 not known. */
void flow_apply(struct datapath *dp, uint32_t ref, struct packet *p);

/* The answer to a miss: the reference of a flow that p belongs to now, or 0 where there is none: p's
 * verdict is set then, or CONTINUE where it may go on without a flow. */
uint32_t flow_miss(struct datapath *dp, const struct chain *chain, struct packet *p,
		   const struct flow_key *key, enum flow_class class);

/* Ask the functions again about an existing flow. False: it was ended, and p dropped. */
bool flow_again(struct datapath *dp, uint32_t ref, struct packet *p);

/* p is an ICMP error. True: it is about a flow, and was rewritten as that needs; *ref is the flow,
 * with the direction that p goes. False and dropped: the flow was, by flow_again(). */
bool flow_related(struct datapath *dp, struct packet *p, uint32_t *ref);

/* Make it FLOW_DEAD and take it out of the index, if it still is in state `from`. */
bool flow_end(struct datapath *dp, uint32_t handle, uint8_t from);

/* A free flow, at the price of a less important one perhaps: 0 where there is none. */
uint32_t flow_make_room(struct datapath *dp, bool wide);

/* Fill what a function is asked or told from what the flow holds. */
void flow_keys_out(const struct flow_table *table, uint32_t handle, struct flow_key *key,
		   struct flow_key *out);

#endif
