/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow stage: a burst of packets to their flows, one lookup each.
 *
 * Steps over the whole burst: keys; lookup, its misses overlapping; then packet by packet, in order,
 * what the flow says; at last the routes that no flow knew, looked up together. A packet whose key
 * is not found is a miss: it asks the functions (flow_miss.c), after a second look, since a packet
 * before it in the burst may have opened the flow.
 */
#include "flows.h"

#include "bytes.h"
#include "egress.h"
#include "flow_key.h"
#include "flow_proxy.h"
#include "flow_route.h"
#include "flow_seen.h"
#include "flow_seq.h"
#include "nf/nf.h"
#include "reassembly.h"

static inline void count_packet(struct flow_counters *c, enum flow_direction d,
				const struct packet *p)
{
	datapath_count(&c->packets[d], 1);
	datapath_count(&c->bytes[d], p->ip_len);
}

/* The key that a packet of this direction leaves with: the other one turned round. */
static void rewrite(const struct flow_table *table, uint32_t ref, struct packet *p)
{
	struct flow_key other, to;

	flow_key_of(table, flow_handle(ref), !flow_direction(ref), &other);
	to = flow_key_turned(&other);
	if (to.family != p->ip_version) { /* no function translates between the families yet */
		packet_drop(p, DROP_FLOW_INVALID);
		return;
	}
	if (memcmp(packet_l3(p) + (p->ip_version == 4 ? 12 : 8), &to.v6.source,
		   p->ip_version == 4 ? 4 : 16))
		p->marks |= PKT_NEW_SOURCE;
	flow_key_write(p, &to);
}

/* Its way, and its addresses. */
static inline void direct(struct datapath *dp, uint32_t ref, struct packet *p)
{
	struct flow_table *table = dp->flows->table;
	struct flow_head *head = flow_head(table, ref);
	const enum flow_direction d = flow_direction(ref);

	if (unlikely(head->flags & FLOW_TRANSLATED))
		rewrite(table, ref, p);
	p->nexthop = flow_route_get(__atomic_load_n(&head->route, __ATOMIC_RELAXED), d, dp->route);
}

void flow_apply(struct datapath *dp, uint32_t ref, struct packet *p)
{
	struct flow_head *head = flow_head(dp->flows->table, ref);
	const uint16_t seen = (uint16_t)flow_worker(dp)->tick;

	if (__atomic_load_n(&head->seen, __ATOMIC_RELAXED) != seen)
		__atomic_store_n(&head->seen, seen, __ATOMIC_RELAXED);
	direct(dp, ref, p);
}

static bool long_silent(const struct datapath *dp, uint32_t ref)
{
	const struct flow_table *table = dp->flows->table;
	const uint32_t now = flow_worker(dp)->tick;

	return now - flow_last_seen(flow_head(table, ref), flow_cold(table, ref), now) >=
	       FLOW_SILENT_TICKS;
}

/* What stands between the two sides' sequence numbers: 0 but behind a SYN proxy. */
static inline uint32_t seq_offset(const struct flow_table *table, uint32_t ref,
				  const struct flow_head *head)
{
	return unlikely(head->flags & FLOW_SEQ_OFFSET) ? table->hot6[ref & FLOW_INDEX].seq_offset :
							 0;
}

/* A packet whose key was found. False: it is a miss after all (then *class says of what sort). */
static inline bool hit(struct datapath *dp, uint32_t ref, struct packet *p, enum flow_class *class)
{
	const struct flow_table *table = dp->flows->table;
	struct flow_head *head = flow_head(table, ref);

	if (unlikely(flow_state(head) <= FLOW_DEAD))
		return false;
	if (unlikely(__atomic_load_n(&head->policy, __ATOMIC_RELAXED) != dp->policy) &&
	    !flow_again(dp, ref, p))
		return true;
	if (unlikely(p->flags & PKT_LATER_FRAGMENT)) {
		flow_apply(dp, ref, p);
		return true;
	}
	if (unlikely(flow_state(head) == FLOW_TCP_PROXY)) {
		flow_proxy_packet(dp, ref, p);
		return true;
	}
	switch (flow_track(head, flow_direction(ref), p, seq_offset(table, ref, head))) {
	case FLOW_TRACK_OK: break;
	case FLOW_TRACK_INVALID: *class = FLOW_CLASS_INVALID; return false;
	case FLOW_TRACK_SYN:
		if (!long_silent(dp, ref)) {
			direct(dp, ref, p);
			return true;
		}
		/* fall through */
	case FLOW_TRACK_REOPEN:
		if (flow_end(dp, flow_handle(ref), flow_state(head)))
			datapath_count(&flow_worker(dp)->stats.reopened, 1);
		return false;
	}
	if (unlikely(head->flags & FLOW_SEQ_OFFSET))
		flow_seq_write(&table->hot6[ref & FLOW_INDEX], flow_direction(ref), p);
	flow_apply(dp, ref, p);
	return true;
}

/* What a later fragment without a flow is: its first was not let in, or is long gone. */
static void miss(struct datapath *dp, const struct chain *chain, struct packet *p,
		 const struct flow_key *key, enum flow_class class, uint32_t *ref)
{
	if (class == FLOW_CLASS_NEW) {
		flow_lookup(dp->flows->table, key, ref, 1);
		if (*ref && hit(dp, *ref, p, &class))
			return;
	}
	*ref = 0;
	if (p->flags & PKT_LATER_FRAGMENT) {
		packet_drop(p, DROP_FRAGMENT_DENIED);
		return;
	}
	datapath_count(&flow_worker(dp)->stats.misses, 1);
	*ref = flow_miss(dp, chain, p, key, class);
	if (!*ref)
		return;
	if (unlikely(flow_state(flow_head(dp->flows->table, *ref)) == FLOW_TCP_PROXY))
		flow_proxy_packet(dp, *ref, p);
	else
		flow_apply(dp, *ref, p);
}

static void one(struct datapath *dp, const struct chain *chain, struct packet *p,
		const struct flow_key *key, enum flow_key_kind kind, uint32_t *ref)
{
	enum flow_class class = FLOW_CLASS_NEW;

	switch (kind) {
	case FLOW_KEY_FLOW:
		if (likely(*ref && hit(dp, *ref, p, &class)))
			return;
		break;
	case FLOW_KEY_ERROR:
		*ref = 0;
		class = FLOW_CLASS_INVALID;
		if (flow_related(dp, p, ref))
			class = FLOW_CLASS_RELATED;
		else if (p->verdict != PACKET_CONTINUE)
			return;
		break;
	case FLOW_KEY_UNTRACKED: class = FLOW_CLASS_UNTRACKED; break;
	case FLOW_KEY_INVALID: class = FLOW_CLASS_INVALID; break;
	}
	miss(dp, chain, p, key, class, ref);
}

/* Look up the routes that are not known and note them in the flows. */
static void find_routes(struct datapath *dp, struct packet *const *packets, const uint32_t *refs,
			unsigned n)
{
	egress_find(dp, packets, n);
	for (unsigned i = 0; i < n; i++) {
		struct flow_head *head;
		uint64_t word;

		if (!refs[i])
			continue;
		head = flow_head(dp->flows->table, refs[i]);
		word = __atomic_load_n(&head->route, __ATOMIC_RELAXED);
		word = flow_route_set(word, flow_direction(refs[i]), dp->route,
				      packets[i]->nexthop);
		__atomic_store_n(&head->route, word, __ATOMIC_RELAXED);
	}
}

/* After all else: by now their counters have come into the cache. */
static void count(struct datapath *dp, struct packet *const *packets, const uint32_t *refs,
		  unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (refs[i] && packets[i]->verdict == PACKET_CONTINUE)
			count_packet(flow_counters(dp->flows->table, refs[i]),
				     flow_direction(refs[i]), packets[i]);
}

static void prepare(struct datapath *dp, struct burst *burst)
{
	unsigned n = 0;

	for (unsigned i = 0; i < burst->count; i++) {
		struct packet *p = burst->packet[i];

		if (unlikely(p->flags & PKT_FRAGMENT))
			reassembly_input(dp, p);
		if (likely(p->verdict == PACKET_CONTINUE))
			burst->packet[n++] = p;
	}
	burst->count = n;
}

void flow_stage(struct datapath *dp, const struct chain *chain, struct burst *burst)
{
	struct flow_key keys[BURST_MAX];
	uint8_t kind[BURST_MAX];
	uint32_t refs[BURST_MAX], lost_refs[BURST_MAX];
	struct packet *lost[BURST_MAX];
	const uint64_t misses = flow_worker(dp)->stats.misses;
	unsigned n_lost = 0;

	prepare(dp, burst);
	for (unsigned i = 0; i < burst->count; i++)
		kind[i] = (uint8_t)flow_key_from_packet(burst->packet[i], &keys[i]);
	flow_lookup(dp->flows->table, keys, refs, burst->count);
	for (unsigned i = 0; i < burst->count; i++)
		__builtin_prefetch(flow_counters(dp->flows->table, refs[i]), 1);
	for (unsigned i = 0; i < burst->count; i++) {
		struct packet *p = burst->packet[i];

		one(dp, chain, p, &keys[i], kind[i], &refs[i]);
		if (p->verdict == PACKET_CONTINUE && !p->nexthop) {
			lost[n_lost] = p;
			lost_refs[n_lost++] = refs[i];
		}
	}
	datapath_count(&flow_worker(dp)->stats.hits,
		       burst->count - (flow_worker(dp)->stats.misses - misses));
	if (n_lost)
		find_routes(dp, lost, lost_refs, n_lost);
	count(dp, burst->packet, refs, burst->count);
}
