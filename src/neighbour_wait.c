/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiting packets of one worker. See neighbour_wait.h.
 *
 * Two lists run through the slots: all packets by age, which is the order of their deadlines since
 * all wait equally long, and those of one neighbour by age. Neighbours are found by a hash table.
 * Nothing here is for the fast path: while no packet waits, poll() is one comparison.
 *
 * Order within a flow: a neighbour's packets leave in the order in which they came, and a packet
 * that finds its neighbour resolved first releases those that wait for it.
 */
#include "neighbour_wait.h"

#include <stdlib.h>

#include "bytes.h"
#include "egress.h"
#include "icmp.h"

#define NONE 0xffff
#define BUCKETS 256
#define ASKED 256
#define ASK_AGAIN_NS 200000000ull  /* ask for one neighbour no sooner than this */
#define ASK_WINDOW_NS 250000000ull /* and at most ASKS_MAX times in such a window for all */
#define ASKS_MAX 256
#define RETRY_NS 200000ull /* routes may change all the time: retry no sooner than this */
#define LOOK_AGAIN_NS \
	250000000ull /* retry and ask again although nothing seems to have changed   \
				    */

_Static_assert(WAIT_PACKETS < NONE && WAIT_PER_NEIGHBOUR <= WAIT_PACKETS, "indices are 16 bits");

enum order { BY_AGE, BY_NEIGHBOUR, ORDERS };

struct list {
	uint16_t oldest, newest;
};

struct slot {
	struct packet packet;
	uint64_t deadline_ns;
	uint16_t neighbour;
	struct {
		uint16_t older, newer;
	} link[ORDERS]; /* `newer` by age also chains free slots */
};

struct neighbour_key {
	struct in6_addr addr; /* IPv4: ::ffff:a.b.c.d */
	uint16_t iface;
	uint8_t family;
};

struct waiting_neighbour {
	struct neighbour_key key;
	struct list packets;
	uint16_t count;
	uint16_t next; /* in its bucket, or free */
};

struct neighbour_wait {
	unsigned count;
	bool retrying;
	struct list all;
	uint16_t free_slot, free_neighbour;
	uint64_t generation; /* of the FIB at the last retry */
	uint64_t retried_ns;
	uint64_t ask_window_ns;
	unsigned asks;
	uint16_t bucket[BUCKETS];
	struct {
		uint32_t hash;
		uint64_t ns;
	} asked[ASKED];
	struct slot slot[WAIT_PACKETS];
	struct waiting_neighbour neighbour[WAIT_PACKETS];
	struct packet ready[WAIT_PACKETS]; /* taken off the lists, on their way */
};

struct neighbour_wait *neighbour_wait_new(void)
{
	struct neighbour_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->all = (struct list){ NONE, NONE };
	memset(w->bucket, 0xff, sizeof(w->bucket));
	for (unsigned i = 0; i < WAIT_PACKETS; i++) {
		const uint16_t next = i + 1 < WAIT_PACKETS ? (uint16_t)(i + 1) : NONE;

		w->slot[i].link[BY_AGE].newer = next;
		w->neighbour[i].next = next;
	}
	return w;
}

void neighbour_wait_free(struct neighbour_wait *wait)
{
	free(wait);
}

static void list_append(struct neighbour_wait *w, struct list *list, enum order order, uint16_t i)
{
	w->slot[i].link[order].older = list->newest;
	w->slot[i].link[order].newer = NONE;
	if (list->newest == NONE)
		list->oldest = i;
	else
		w->slot[list->newest].link[order].newer = i;
	list->newest = i;
}

static void list_remove(struct neighbour_wait *w, struct list *list, enum order order, uint16_t i)
{
	const uint16_t older = w->slot[i].link[order].older, newer = w->slot[i].link[order].newer;

	if (older == NONE)
		list->oldest = newer;
	else
		w->slot[older].link[order].newer = newer;
	if (newer == NONE)
		list->newest = older;
	else
		w->slot[newer].link[order].older = older;
}

/* Whom p waits for: the next hop's gateway, or its own destination on that interface. */
static struct neighbour_key key_of(const struct packet *p, const struct nexthop *nh)
{
	struct neighbour_key key = {
		.iface = nh->iface == IFACE_NONE ? p->iface : nh->iface,
		.family = nh->gateway.family,
		.addr = nh->gateway.addr,
	};

	if (key.family)
		return key;
	key.family = p->ip_version;
	if (p->ip_version == 6) {
		memcpy(&key.addr, packet_l3(p) + 24, sizeof(key.addr));
		return key;
	}
	memset(&key.addr, 0, sizeof(key.addr));
	memset(key.addr.s6_addr + 10, 0xff, 2);
	memcpy(key.addr.s6_addr + 12, packet_l3(p) + 16, 4);
	return key;
}

static uint32_t key_hash(const struct neighbour_key *key)
{
	uint64_t h = bytes_load64(key->addr.s6_addr) * 0x9e3779b97f4a7c15;

	h = (h ^ h >> 29 ^ bytes_load64(key->addr.s6_addr + 8)) * 0xd6e8feb86659fd93;
	h = (h ^ h >> 32 ^ key->iface) * 0x9e3779b97f4a7c15;
	return (uint32_t)(h >> 32);
}

static bool key_equal(const struct neighbour_key *a, const struct neighbour_key *b)
{
	return a->iface == b->iface && a->family == b->family &&
	       !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static uint16_t neighbour_find(const struct neighbour_wait *w, const struct neighbour_key *key)
{
	uint16_t i = w->bucket[key_hash(key) % BUCKETS];

	while (i != NONE && !key_equal(&w->neighbour[i].key, key))
		i = w->neighbour[i].next;
	return i;
}

/* There is always one to be had: each has a packet, and there are as many as there are slots. */
static uint16_t neighbour_add(struct neighbour_wait *w, const struct neighbour_key *key)
{
	uint16_t *bucket = &w->bucket[key_hash(key) % BUCKETS];
	const uint16_t i = w->free_neighbour;
	struct waiting_neighbour *n = &w->neighbour[i];

	w->free_neighbour = n->next;
	*n = (struct waiting_neighbour){
		.key = *key,
		.packets = { NONE, NONE },
		.next = *bucket,
	};
	*bucket = i;
	return i;
}

static void neighbour_remove(struct neighbour_wait *w, uint16_t i)
{
	uint16_t *at = &w->bucket[key_hash(&w->neighbour[i].key) % BUCKETS];

	while (*at != i)
		at = &w->neighbour[*at].next;
	*at = w->neighbour[i].next;
	w->neighbour[i].next = w->free_neighbour;
	w->free_neighbour = i;
}

/* Take a packet off its lists. The slot's contents stay good until the next hold. */
static struct packet *take(struct datapath *dp, uint16_t i)
{
	struct neighbour_wait *w = dp->wait;
	struct slot *slot = &w->slot[i];
	struct waiting_neighbour *n = &w->neighbour[slot->neighbour];

	list_remove(w, &w->all, BY_AGE, i);
	list_remove(w, &n->packets, BY_NEIGHBOUR, i);
	if (!--n->count)
		neighbour_remove(w, slot->neighbour);
	slot->link[BY_AGE].newer = w->free_slot;
	w->free_slot = i;
	w->count--;
	__atomic_store_n(&dp->counters->waiting, w->count, __ATOMIC_RELAXED);
	slot->packet.verdict = PACKET_CONTINUE;
	return &slot->packet;
}

static void drop(struct datapath *dp, uint16_t i, uint16_t reason)
{
	struct packet *p = take(dp, i);

	packet_drop(p, reason);
	datapath_finish(dp, &p, 1);
}

static void ask(struct datapath *dp, const struct neighbour_key *key)
{
	struct neighbour_wait *w = dp->wait;
	const uint32_t hash = key_hash(key);
	const struct ip_addr addr = { .family = key->family, .addr = key->addr };

	if (w->asked[hash % ASKED].hash == hash && w->asked[hash % ASKED].ns &&
	    dp->now_ns - w->asked[hash % ASKED].ns < ASK_AGAIN_NS)
		return;
	if (dp->now_ns - w->ask_window_ns >= ASK_WINDOW_NS) {
		w->ask_window_ns = dp->now_ns;
		w->asks = 0;
	}
	if (w->asks == ASKS_MAX)
		return;
	w->asks++;
	w->asked[hash % ASKED].hash = hash;
	w->asked[hash % ASKED].ns = dp->now_ns;
	datapath_resolve(dp, key->iface, &addr);
}

void neighbour_wait_ask(struct datapath *dp, const struct packet *p, const struct nexthop *nh)
{
	const struct neighbour_key key = key_of(p, nh);

	ask(dp, &key);
}

void neighbour_wait_hold(struct datapath *dp, struct packet *p, const struct nexthop *nh)
{
	struct neighbour_wait *w = dp->wait;
	const struct neighbour_key key = key_of(p, nh);
	uint16_t at = neighbour_find(w, &key), i;
	struct slot *slot;

	ask(dp, &key);
	if (at != NONE && w->neighbour[at].count == WAIT_PER_NEIGHBOUR)
		drop(dp, w->neighbour[at].packets.oldest, DROP_NEIGHBOUR_QUEUE);
	else if (w->count == WAIT_PACKETS)
		drop(dp, w->all.oldest, DROP_NEIGHBOUR_QUEUE);
	at = neighbour_find(w, &key); /* a drop may have ended it */
	if (at == NONE)
		at = neighbour_add(w, &key);
	i = w->free_slot;
	slot = &w->slot[i];
	w->free_slot = slot->link[BY_AGE].newer;
	p->verdict = PACKET_STOLEN;
	slot->packet = *p;
	slot->deadline_ns = dp->now_ns + WAIT_NS;
	slot->neighbour = at;
	list_append(w, &w->all, BY_AGE, i);
	list_append(w, &w->neighbour[at].packets, BY_NEIGHBOUR, i);
	w->neighbour[at].count++;
	w->count++;
	__atomic_store_n(&dp->counters->waiting, w->count, __ATOMIC_RELAXED);
}

/* Route the first n of w->ready, oldest first, and finish those that do not wait again. */
static void go(struct datapath *dp, unsigned n)
{
	struct neighbour_wait *w = dp->wait;
	struct packet *batch[BURST_MAX];

	w->retrying = true;
	for (unsigned done = 0, some; done < n; done += some) {
		unsigned out = 0;

		for (some = 0; some < BURST_MAX && done + some < n; some++)
			batch[some] = &w->ready[done + some];
		egress_route(dp, batch, some);
		for (unsigned i = 0; i < some; i++)
			if (batch[i]->verdict != PACKET_STOLEN)
				batch[out++] = batch[i];
		datapath_finish(dp, batch, out);
	}
	w->retrying = false;
}

void neighbour_wait_release(struct datapath *dp, const struct packet *p, const struct nexthop *nh)
{
	struct neighbour_wait *w = dp->wait;
	const struct neighbour_key key = key_of(p, nh);
	const uint16_t at = neighbour_find(w, &key);
	unsigned n = 0;

	if (at == NONE || w->retrying)
		return;
	for (uint16_t i = w->neighbour[at].packets.oldest, newer; i != NONE; i = newer) {
		newer = w->slot[i].link[BY_NEIGHBOUR].newer;
		w->ready[n++] = *take(dp, i);
	}
	go(dp, n);
}

static bool unresolved(const struct nexthop *nh)
{
	return nh->kind == NEXTHOP_ONLINK || nh->kind == NEXTHOP_INCOMPLETE;
}

/* Look all of them up again; take those that need not wait any more. */
static void retry(struct datapath *dp)
{
	struct neighbour_wait *w = dp->wait;
	const struct nexthop *hops[BURST_MAX];
	struct packet *batch[BURST_MAX];
	uint16_t slots[BURST_MAX], i = w->all.oldest;
	unsigned n, ready = 0;

	while (i != NONE) {
		for (n = 0; n < BURST_MAX && i != NONE; i = w->slot[i].link[BY_AGE].newer) {
			slots[n] = i;
			batch[n++] = &w->slot[i].packet;
		}
		egress_lookup(dp, batch, hops, n);
		for (unsigned k = 0; k < n; k++) {
			if (unresolved(hops[k]))
				neighbour_wait_ask(dp, batch[k], hops[k]);
			else
				w->ready[ready++] = *take(dp, slots[k]);
		}
	}
	go(dp, ready);
}

static void expire(struct datapath *dp)
{
	struct neighbour_wait *w = dp->wait;

	while (w->count && w->slot[w->all.oldest].deadline_ns <= dp->now_ns) {
		/* RFC 1812 5.2.7.1, RFC 4861 7.2.2: the sender is told */
		icmp_error(dp, &w->slot[w->all.oldest].packet, ICMP_ERROR_HOST_UNREACHABLE, 0);
		drop(dp, w->all.oldest, DROP_NEIGHBOUR_TIMEOUT);
	}
}

static uint64_t retry_due_ns(const struct datapath *dp)
{
	const struct neighbour_wait *w = dp->wait;
	const uint64_t now = __atomic_load_n(&dp->fib->generation, __ATOMIC_ACQUIRE);

	return w->retried_ns + (now != w->generation ? RETRY_NS : LOOK_AGAIN_NS);
}

void neighbour_wait_poll(struct datapath *dp)
{
	struct neighbour_wait *w = dp->wait;

	if (likely(!w->count))
		return;
	if (dp->now_ns >= retry_due_ns(dp)) {
		/* before the lookups: what changes while they run is seen the next time */
		w->generation = __atomic_load_n(&dp->fib->generation, __ATOMIC_ACQUIRE);
		w->retried_ns = dp->now_ns;
		retry(dp);
	}
	expire(dp);
	egress_flush(dp);
}

uint64_t neighbour_wait_next_ns(const struct datapath *dp)
{
	const struct neighbour_wait *w = dp->wait;
	uint64_t due, deadline;

	if (!w->count)
		return UINT64_MAX;
	due = retry_due_ns(dp);
	deadline = w->slot[w->all.oldest].deadline_ns;
	return due < deadline ? due : deadline;
}

void neighbour_wait_drop_all(struct datapath *dp)
{
	while (dp->wait->count)
		drop(dp, dp->wait->all.oldest, DROP_NEIGHBOUR_TIMEOUT);
}
