/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shallow reassembly: which fragments go on, which wait and which are dropped. See reassembly.h; for
 * what has come of each datagram reassembly_datagram.h.
 *
 *               first                     released, first not dropped
 *   WAITING ───────────→ DECIDING ─────────────────────────────────────→ PASSED
 *      │ holds early ones    │ holds those of the same burst                │ lets all go on
 *      │                     │ first dropped                                │
 *      └─────────────────────┴──────────────────→ DEAD ←───────────────────┘
 *         nonsense, limits                     drops all       nonsense
 *
 * A datagram is forgotten when all of it has come (a sender may use its id again at once), when its
 * time is up, and when it gives way to another. A dead one is remembered, for what still comes.
 *
 * The time begins anew with each state, which keeps each state's list in the order of deadlines.
 */
#include "reassembly.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bytes.h"
#include "flow_key.h"
#include "mix.h"
#include "reassembly_datagram.h"

#define NONE 0xffff
#define SOURCES 1024	  /* counters, by a keyed hash: sources that meet share their limit */
#define EXPIRE_AT_ONCE 64 /* datagrams in one poll */

#define DATAGRAMS 4096
#define DATAGRAMS_MIN 256 /* never all of them DECIDING: that is a burst's at most */
#define DATAGRAMS_MAX 1048576
#define HELD 256
#define HELD_MAX 32768
#define HELD_DATAGRAM 48
#define TIMEOUT_NS 2000000000ull

/* A packet that waits. */
struct held {
	struct packet packet;
	uint16_t next; /* of its datagram, or free */
	uint16_t source;
};

struct reassembly {
	struct reassembly_config limit;
	struct datagram_table table;
	uint32_t held;
	uint16_t free_held;
	struct held *slot; /* limit.held, and a burst's: those of DECIDING datagrams are no burden */
	uint16_t source[SOURCES];
	struct reassembly_stats stats;
};

static uint32_t or_default(uint32_t value, uint32_t dflt)
{
	return value ? value : dflt;
}

static int set_limits(struct reassembly_config *limit, const struct reassembly_config *config)
{
	if (config)
		*limit = *config;
	limit->datagrams = or_default(limit->datagrams, DATAGRAMS);
	limit->held = or_default(limit->held, HELD);
	limit->held_source = or_default(limit->held_source, (limit->held + 1) / 2);
	limit->held_datagram = or_default(limit->held_datagram, HELD_DATAGRAM);
	limit->timeout_ns = limit->timeout_ns ? limit->timeout_ns : TIMEOUT_NS;
	if (limit->datagrams < DATAGRAMS_MIN || limit->datagrams > DATAGRAMS_MAX ||
	    limit->held > HELD_MAX)
		return -EINVAL;
	if (limit->seed)
		return 0;
	return getrandom(&limit->seed, sizeof(limit->seed), 0) == sizeof(limit->seed) ? 0 : -EIO;
}

int reassembly_new(struct reassembly **result, const struct reassembly_config *config)
{
	struct reassembly *r = calloc(1, sizeof(*r));
	uint32_t slots;
	int err;

	if (!r)
		return -ENOMEM;
	err = set_limits(&r->limit, config);
	if (err)
		goto fail;
	err = datagram_table_new(&r->table, r->limit.datagrams, r->limit.seed);
	if (err)
		goto fail;
	slots = r->limit.held + BURST_MAX;
	r->slot = calloc(slots, sizeof(*r->slot));
	err = r->slot ? 0 : -ENOMEM;
	if (err)
		goto fail;
	for (uint32_t i = 0; i < slots; i++)
		r->slot[i].next = i + 1 < slots ? (uint16_t)(i + 1) : NONE;
	*result = r;
	return 0;
fail:
	reassembly_free(r);
	return err;
}

void reassembly_free(struct reassembly *r)
{
	if (!r)
		return;
	datagram_table_free(&r->table);
	free(r->slot);
	free(r);
}

const struct reassembly_stats *reassembly_stats(const struct reassembly *r)
{
	return &r->stats;
}

/* --- packets that wait --- */

/* The counter of a source: its address, or its /64. */
static uint16_t source_of(const struct reassembly *r, const struct datagram_key *key)
{
	const uint64_t word = bytes_load64(key->from.s6_addr + (key->family == 4 ? 8 : 0));

	return (uint16_t)(mix64(r->limit.seed, word) % SOURCES);
}

static void count_held(struct datapath *dp)
{
	__atomic_store_n(&dp->counters->held, dp->reassembly->held, __ATOMIC_RELAXED);
}

static void put_held(struct datapath *dp, struct datagram *d, struct packet *p)
{
	struct reassembly *r = dp->reassembly;
	const uint16_t i = r->free_held;
	struct held *slot = &r->slot[i];

	r->free_held = slot->next;
	p->verdict = PACKET_STOLEN;
	slot->packet = *p;
	slot->next = NONE;
	slot->source = source_of(r, &d->key);
	r->source[slot->source]++;
	if (d->held++)
		r->slot[d->newest_held].next = i;
	else
		d->oldest_held = i;
	d->newest_held = i;
	r->held++;
	count_held(dp);
}

/* The oldest one; the slot's contents stay good until the next put_held(). */
static struct packet *take_held(struct datapath *dp, struct datagram *d)
{
	struct reassembly *r = dp->reassembly;
	const uint16_t i = d->oldest_held;
	struct held *slot = &r->slot[i];

	d->oldest_held = slot->next;
	d->held--;
	slot->next = r->free_held;
	r->free_held = i;
	r->source[slot->source]--;
	r->held--;
	count_held(dp);
	slot->packet.verdict = PACKET_CONTINUE;
	return &slot->packet;
}

static void drop_held(struct datapath *dp, struct datagram *d, uint16_t reason)
{
	while (d->held) {
		struct packet *p = take_held(dp, d);

		packet_drop(p, reason);
		datapath_finish(dp, &p, 1);
	}
}

/* --- datagrams --- */

static void count_datagrams(struct reassembly *r)
{
	__atomic_store_n(&r->stats.datagrams, r->table.count, __ATOMIC_RELAXED);
}

/* Forget it; what waits of it is dropped. */
static void forget(struct datapath *dp, struct datagram *d, uint16_t reason)
{
	struct reassembly *r = dp->reassembly;

	drop_held(dp, d, reason);
	datagram_remove(&r->table, d);
	count_datagrams(r);
}

/* Drop it, and whatever still comes of it. */
static void kill_datagram(struct datapath *dp, struct datagram *d, uint16_t reason)
{
	drop_held(dp, d, reason);
	d->reason = reason;
	datagram_move(&dp->reassembly->table, d, DATAGRAM_DEAD, dp->now_ns);
}

static void complete(struct datapath *dp, struct datagram *d)
{
	datapath_count(&dp->reassembly->stats.completed, 1);
	forget(dp, d, DROP_NONE);
}

static bool is_expired(const struct datapath *dp, const struct datagram *d)
{
	return dp->now_ns - d->since_ns >= dp->reassembly->limit.timeout_ns;
}

static void expire(struct datapath *dp, struct datagram *d)
{
	if (d->state != DATAGRAM_DEAD)
		datapath_count(&dp->reassembly->stats.expired, 1);
	forget(dp, d, DROP_FRAGMENT_TIMEOUT);
}

/* The table is full: whose packets are dropped anyway goes first, then who has sent no first
 * fragment. */
static void make_room(struct datapath *dp)
{
	static const enum datagram_state order[] = { DATAGRAM_DEAD, DATAGRAM_WAITING,
						     DATAGRAM_PASSED };
	struct reassembly *r = dp->reassembly;

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct datagram *d = r->table.list[order[i]].oldest;

		if (!d)
			continue;
		datapath_count(&r->stats.evicted, 1);
		forget(dp, d, DROP_FRAGMENT_LIMIT);
		return;
	}
}

/* The datagram of that key, made where there is none yet; NULL where there is no room. */
static struct datagram *find_or_add(struct datapath *dp, const struct datagram_key *key)
{
	struct reassembly *r = dp->reassembly;
	struct datagram *d = datagram_find(&r->table, key);

	if (d && d->state != DATAGRAM_DECIDING && is_expired(dp, d)) {
		expire(dp, d);
		d = NULL;
	}
	if (d)
		return d;
	if (!r->table.free)
		make_room(dp);
	if (!r->table.free)
		return NULL;
	d = datagram_add(&r->table, key, dp->now_ns);
	count_datagrams(r);
	return d;
}

/* --- one fragment --- */

/* It belongs to the same flow as the first. */
static void let_pass(struct packet *p, const struct datagram *d)
{
	p->protocol = d->protocol;
	p->sport = d->sport;
	p->dport = d->dport;
	p->marks |= PKT_REASSEMBLED;
}

static void take_first(struct datapath *dp, struct datagram *d, struct packet *p)
{
	struct flow_key key;

	flow_key_from_packet(p, &key);
	d->protocol = p->protocol;
	d->sport = key.family == 4 ? key.v4.sport : key.v6.sport;
	d->dport = key.family == 4 ? key.v4.dport : key.v6.dport;
	d->first = p;
	datagram_move(&dp->reassembly->table, d, DATAGRAM_DECIDING, dp->now_ns);
	let_pass(p, d);
}

/* Is there room to hold one more of d, which is WAITING? */
static bool may_wait(struct datapath *dp, const struct datagram *d)
{
	struct reassembly *r = dp->reassembly;
	struct datagram *oldest;

	if (d->held >= r->limit.held_datagram ||
	    r->source[source_of(r, &d->key)] >= r->limit.held_source)
		return false;
	while (r->held >= r->limit.held) {
		oldest = r->table.list[DATAGRAM_WAITING].oldest;
		if (oldest == d)
			return false;
		datapath_count(&r->stats.evicted, 1);
		kill_datagram(dp, oldest, DROP_FRAGMENT_LIMIT);
	}
	return true;
}

static void hold(struct datapath *dp, struct datagram *d, struct packet *p)
{
	if ((d->state == DATAGRAM_WAITING && !may_wait(dp, d)) ||
	    dp->reassembly->free_held == NONE) {
		kill_datagram(dp, d, DROP_FRAGMENT_LIMIT);
		packet_drop(p, DROP_FRAGMENT_LIMIT);
		return;
	}
	put_held(dp, d, p);
}

static void take(struct datapath *dp, struct datagram *d, struct packet *p)
{
	if (!(p->flags & PKT_LATER_FRAGMENT)) {
		take_first(dp, d, p);
	} else if (d->state == DATAGRAM_PASSED) {
		let_pass(p, d);
		if (datagram_complete(d))
			complete(dp, d);
	} else {
		hold(dp, d, p);
	}
}

/* The rest of a denied datagram: when all of it has come its id is free again. */
static void follow_dead(struct datapath *dp, struct datagram *d, struct packet *p,
			const struct fragment *f)
{
	packet_drop(p, d->reason);
	if (d->reason == DROP_FRAGMENT_DENIED && !datagram_piece(d, f) && datagram_complete(d))
		complete(dp, d);
}

void reassembly_input(struct datapath *dp, struct packet *p)
{
	struct fragment f;
	struct datagram *d;
	uint16_t reason;

	if (p->marks & PKT_REASSEMBLED)
		return;
	reason = fragment_read(p, &f);
	if (reason) {
		packet_drop(p, reason);
		return;
	}
	d = find_or_add(dp, &f.key);
	if (!d) {
		packet_drop(p, DROP_FRAGMENT_LIMIT);
		return;
	}
	if (d->state == DATAGRAM_DEAD) {
		follow_dead(dp, d, p, &f);
		return;
	}
	reason = f.tiny ? DROP_FRAGMENT_TINY : datagram_piece(d, &f);
	if (!reason) {
		take(dp, d, p);
		return;
	}
	packet_drop(p, reason);
	if (reason != DROP_FRAGMENT_DUPLICATE)
		kill_datagram(dp, d, reason);
}

/* --- after the burst --- */

bool reassembly_pending(const struct datapath *dp)
{
	return dp->reassembly && dp->reassembly->table.list[DATAGRAM_DECIDING].oldest;
}

/* Was it dropped? One that left in pieces of its own was not. */
static bool was_denied(const struct packet *first)
{
	return first->verdict == PACKET_DROP && first->reason != DROP_FRAGMENTED;
}

static void settle(struct datapath *dp, struct datagram *d)
{
	if (datagram_complete(d))
		complete(dp, d);
	else
		datagram_move(&dp->reassembly->table, d, DATAGRAM_PASSED, dp->now_ns);
}

static void deny(struct datapath *dp, struct datagram *d)
{
	kill_datagram(dp, d, DROP_FRAGMENT_DENIED);
	if (datagram_complete(d))
		complete(dp, d);
}

unsigned reassembly_release(struct datapath *dp, struct packet **packets)
{
	struct datagram *d;
	unsigned n = 0;

	while ((d = dp->reassembly->table.list[DATAGRAM_DECIDING].oldest)) {
		if (was_denied(d->first)) {
			deny(dp, d);
			continue;
		}
		while (d->held && n < BURST_MAX) {
			packets[n] = take_held(dp, d);
			let_pass(packets[n++], d);
		}
		if (d->held)
			break;
		settle(dp, d);
	}
	return n;
}

/* --- time --- */

void reassembly_poll(struct datapath *dp)
{
	static const enum datagram_state states[] = { DATAGRAM_WAITING, DATAGRAM_PASSED,
						      DATAGRAM_DEAD };
	struct reassembly *r = dp->reassembly;
	unsigned budget = EXPIRE_AT_ONCE;
	struct datagram *d;

	if (likely(!r || !r->table.count))
		return;
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		while (budget && (d = r->table.list[states[i]].oldest) && is_expired(dp, d)) {
			expire(dp, d);
			budget--;
		}
}

uint64_t reassembly_next_ns(const struct datapath *dp)
{
	const struct reassembly *r = dp->reassembly;
	const struct datagram *d = r ? r->table.list[DATAGRAM_WAITING].oldest : NULL;

	return d ? d->since_ns + r->limit.timeout_ns : UINT64_MAX;
}

void reassembly_drop_all(struct datapath *dp)
{
	struct datagram *d;

	for (unsigned state = 0; dp->reassembly && state < DATAGRAM_STATES; state++)
		while ((d = dp->reassembly->table.list[state].oldest))
			forget(dp, d, DROP_FRAGMENT_TIMEOUT);
}
