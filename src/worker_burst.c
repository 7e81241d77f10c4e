/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet's way through a worker, in the order in which it happens:
 *
 *   worker_receive ─ queue_receive ─ parse_packet ─ interface ─┐
 *   worker_take_over (from another worker) ────────────────────┤
 *                          run_chains ─ chain_run: the flow stage, each function's process()
 *                                                              │
 *                       datapath_finish: TX ring · other worker · drop ─ worker_flush
 */
#include "worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "bytes.h"
#include "chain.h"
#include "egress.h"
#include "flows.h"
#include "nf/nf.h"
#include "parse.h"
#include "reassembly.h"

#define TAKE_OVER_MAX 256

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;

	if (write(worker->event, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is awake */
}

/* --- freeing --- */

static void free_frames(struct worker *worker, const struct packet *p)
{
	uint64_t addr = (uint64_t)(p->data - worker->umem->area);
	const struct packet_segments *list =
		(const void *)umem_data(worker->umem, umem_base(worker->umem, addr));

	for (unsigned i = 0; i < p->segments; i++) {
		uint64_t segment = list->desc[i] & 0xffffffffffffull;

		frame_cache_put(worker->dp.frames, &segment, 1);
	}
	frame_cache_put(worker->dp.frames, &addr, 1);
}

static void count_drop(struct datapath *dp, uint16_t reason)
{
	datapath_count(&dp->counters->drops[reason], 1);
}

/* --- leaving --- */

static bool transmit(struct worker *worker, struct queue *queue, struct packet *p)
{
	if (__builtin_expect(!queue_transmit(queue, p), 0)) {
		queue_flush(queue);
		queue_complete(queue, worker->dp.frames);
		if (!queue_transmit(queue, p)) {
			datapath_count(&queue->counters.tx_full, 1);
			packet_drop(p, DROP_TX_FULL);
			return false;
		}
	}
	return true;
}

static bool hand_over(struct worker *worker, uint16_t to, struct packet *p)
{
	struct packet *slot = spsc_reserve(worker->to[to]);

	if (!slot) {
		packet_drop(p, DROP_WORKER_RING_FULL);
		return false;
	}
	*slot = *p;
	datapath_count(&worker->stats.handed_over, 1);
	return true;
}

/* Send one packet whose verdict is TX; false: its verdict is DROP now. */
static bool send_packet(struct worker *worker, const struct worker_set *set, struct packet *p)
{
	struct iface_counters *iface = &worker->dp.counters->iface[p->out_iface];
	static const struct worker_tx nowhere = { .worker = WORKER_NONE };
	const struct worker_tx *tx = p->out_port < PORT_MAX ? &set->tx[p->out_port] : &nowhere;

	if (!tx->queue && tx->worker != WORKER_NONE)
		return hand_over(worker, tx->worker, p);
	if (__builtin_expect(!tx->queue, 0)) {
		packet_drop(p, DROP_PORT_GONE);
		return false;
	}
	if (!transmit(worker, tx->queue, p))
		return false;
	datapath_count(&worker->dp.counters->tx_packets, 1);
	datapath_count(&iface->tx_packets, 1);
	datapath_count(&iface->tx_bytes, p->len);
	return true;
}

void datapath_finish(struct datapath *dp, struct packet *const *packets, unsigned n)
{
	struct worker *worker = dp->worker;
	const struct worker_set *set = worker->set_in_use;

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = packets[i];

		if (p->verdict == PACKET_STOLEN)
			continue;
		if (p->verdict == PACKET_CONTINUE)
			packet_drop(p, DROP_END_OF_CHAIN);
		if (p->verdict == PACKET_TX && send_packet(worker, set, p))
			continue;
		count_drop(dp, p->reason);
		free_frames(worker, p);
	}
}

/* --- made here --- */

uint32_t datapath_frame_room(const struct datapath *dp)
{
	return dp->worker->umem->frame_size - FRAME_HEADROOM;
}

struct packet *datapath_packet_new(struct datapath *dp, uint32_t room)
{
	struct worker *worker = dp->worker;
	struct packet *p;
	uint64_t addr;

	if (dp->n_originated == ORIGINATED_MAX || room > datapath_frame_room(dp) ||
	    !frame_cache_get(dp->frames, &addr, 1))
		return NULL;
	p = &dp->originated[dp->n_originated++];
	memset(p, 0, sizeof(*p));
	p->data = umem_data(worker->umem, addr) + FRAME_HEADROOM;
	p->flags = PKT_ORIGINATED;
	p->rx_ns = dp->now_ns;
	p->iface = IFACE_NONE;
	p->port = PORT_NONE;
	datapath_count(&dp->counters->originated, 1);
	return p;
}

void datapath_resolve(struct datapath *dp, uint16_t iface_slot, const struct ip_addr *addr)
{
	struct worker *worker = dp->worker;
	struct worker_question *question = spsc_reserve(worker->questions);
	uint64_t one = 1;

	if (!question)
		return;
	question->slot = iface_slot;
	question->addr = *addr;
	spsc_publish(worker->questions);
	if (write(worker->all->question_event, &one, sizeof(one)) < 0)
		return; /* the counter is full: the control thread is already called */
}

/* The control thread is called where the ring was empty, and empties it: the system call is once for
 * many events, and there are no more of them than the limits of those who tell allow. */
bool datapath_event(struct datapath *dp, const struct datapath_event *event)
{
	struct worker *worker = dp->worker;
	struct datapath_event *at = spsc_reserve(worker->events);
	uint64_t one = 1;

	if (!at) {
		datapath_count(&worker->stats.events_lost, 1);
		return false;
	}
	*at = *event;
	spsc_publish(worker->events);
	if (!spsc_was_empty(worker->events))
		return true;
	if (write(worker->all->question_event, &one, sizeof(one)) < 0)
		return true; /* the counter is full: the control thread is already called */
	return true;
}

/* --- the chain --- */

static const struct chain *chain_of(const struct datapath *dp, const struct packet *p)
{
	const struct interface *iface = fib_interface(dp->fib, p->iface);

	return iface ? iface->chain : NULL;
}

/* Take packets through the chains of their interfaces: nearly always one chain for all. `run` is
 * chain_run() or chain_resume(). */
static void run_chains(struct datapath *dp, struct packet *const *packets, unsigned n,
		       void (*run)(struct datapath *, const struct chain *, struct burst *))
{
	struct packet *rest[BURST_MAX];
	struct burst burst;

	memcpy(rest, packets, n * sizeof(*rest));
	while (n) {
		const struct chain *chain = chain_of(dp, rest[0]);
		unsigned left = 0;

		burst.count = 0;
		for (unsigned i = 0; i < n; i++) {
			if (chain_of(dp, rest[i]) == chain)
				burst.packet[burst.count++] = rest[i];
			else
				rest[left++] = rest[i];
		}
		n = left;
		if (chain)
			run(dp, chain, &burst);
		else
			for (unsigned i = 0; i < burst.count; i++)
				packet_drop(burst.packet[i], DROP_NO_CHAIN);
	}
}

/* Fragments whose first one has come with the burst. */
static void go_on_with_fragments(struct datapath *dp)
{
	struct packet *packets[BURST_MAX];
	unsigned n;

	while ((n = reassembly_release(dp, packets))) {
		run_chains(dp, packets, n, chain_resume);
		datapath_finish(dp, packets, n);
	}
}

static void process(struct worker *worker, struct packet *const *packets, unsigned n)
{
	struct datapath *dp = &worker->dp;

	run_chains(dp, packets, n, chain_run);
	datapath_finish(dp, packets, n);
	if (unlikely(reassembly_pending(dp)))
		go_on_with_fragments(dp);
	egress_flush(dp);
}

/* --- coming in --- */

/* Frames for others come in where a switch floods or somebody made the port promiscuous (tcpdump):
 * whoever they are for forwards them. Group addresses are the functions' to judge. */
static bool for_interface(const struct packet *p, const struct interface *iface)
{
	return !memcmp(p->data, iface->mac, sizeof(iface->mac)) || (p->flags & PKT_L2_GROUP);
}

/* The interface that a packet's tags lead to, counted; or the reason to drop it. */
static uint16_t classify_interface(struct datapath *dp, struct packet *p)
{
	const struct port_vlans *vlans =
		__atomic_load_n(&dp->fib->vlans[p->port], __ATOMIC_CONSUME);
	const struct interface *iface;
	uint16_t slot = IFACE_NONE;

	if (!vlans)
		return DROP_INTERFACE_DOWN;
	if (!(p->vlan | p->outer_vlan))
		slot = vlans->untagged;
	else if (!p->outer_vlan)
		slot = vlans->single ? vlans->single[p->vlan & 4095] : IFACE_NONE;
	else
		for (unsigned i = 0; i < vlans->n_double; i++)
			if (vlans->twice[i].outer == p->outer_vlan &&
			    vlans->twice[i].inner == p->vlan)
				slot = vlans->twice[i].slot;
	p->iface = slot;
	iface = fib_interface(dp->fib, slot);
	if (!iface)
		return DROP_VLAN;
	datapath_count(&dp->counters->iface[slot].rx_packets, 1);
	datapath_count(&dp->counters->iface[slot].rx_bytes, p->len);
	if (!iface->up)
		return DROP_INTERFACE_DOWN;
	return for_interface(p, iface) ? DROP_NONE : DROP_OTHER_HOST;
}

/* To which worker a packet of a spread port belongs: the hash's upper bits, ECMP takes the lower. */
static uint16_t spread_worker(const struct worker *worker, const struct packet *p)
{
	return (uint16_t)(((uint64_t)(p->hash >> 16) * worker->all->n) >> 16);
}

/* The worker that p is for. Packets of a spread port are dealt out, and a stateful chain's fragments
 * of one datagram have to come together, though only the first has ports for the NIC to see. The
 * hash of fragments is that of their addresses alone. */
static uint16_t home_of(const struct worker *worker, const struct queue *queue,
			const struct packet *p)
{
	const struct chain *chain;

	if (__atomic_load_n(&queue->spread, __ATOMIC_RELAXED))
		return spread_worker(worker, p);
	if (likely(!(p->flags & PKT_FRAGMENT)))
		return worker->dp.index;
	chain = chain_of(&worker->dp, p);
	return chain && chain->stateful ? spread_worker(worker, p) : worker->dp.index;
}

unsigned worker_receive(struct worker *worker, struct queue *queue)
{
	struct datapath *dp = &worker->dp;
	struct packet *mine[BURST_MAX], *out[BURST_MAX];
	unsigned n = queue_receive(queue, dp->frames, worker->packets, worker->set_in_use->burst);
	unsigned n_mine = 0, n_out = 0;

	if (!n)
		return 0;
	datapath_count(&dp->counters->rx_packets, n);
	datapath_count(&worker->stats.bursts, 1);
	datapath_count(&worker->stats.packets, n);
	for (unsigned i = 0; i < n; i++) {
		struct packet *p = &worker->packets[i];
		uint16_t reason = p->verdict == PACKET_DROP ? p->reason : parse_packet(p);
		uint16_t to;

		p->rx_ns = dp->now_ns;
		if (!reason)
			reason = classify_interface(dp, p);
		if (__builtin_expect(reason, 0)) {
			packet_drop(p, reason);
			out[n_out++] = p;
			continue;
		}
		to = home_of(worker, queue, p);
		if (to == dp->index)
			mine[n_mine++] = p;
		else if (!hand_over(worker, to, p))
			out[n_out++] = p;
	}
	datapath_finish(dp, out, n_out);
	process(worker, mine, n_mine);
	return n;
}

static unsigned take_over_from(struct worker *worker, struct spsc *ring)
{
	struct packet *fresh[BURST_MAX], *leaving[BURST_MAX];
	unsigned n = spsc_available(ring, BURST_MAX), n_fresh = 0, n_leaving = 0;

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = &worker->packets[i];

		*p = *(const struct packet *)spsc_peek(ring, i);
		if (p->verdict == PACKET_CONTINUE) {
			__builtin_prefetch(p->data);
			fresh[n_fresh++] = p;
		} else {
			leaving[n_leaving++] = p;
		}
	}
	spsc_release(ring, n);
	datapath_finish(&worker->dp, leaving, n_leaving);
	process(worker, fresh, n_fresh);
	return n;
}

unsigned worker_take_over(struct worker *worker)
{
	unsigned total = 0;

	for (unsigned i = 0; i < worker->all->n; i++) {
		struct spsc *ring = worker->all->worker[i]->to[worker->dp.index];
		unsigned n, taken = 0;

		while (ring && taken < TAKE_OVER_MAX && (n = take_over_from(worker, ring)))
			taken += n;
		total += taken;
	}
	if (total)
		datapath_count(&worker->stats.taken_over, total);
	return total;
}

/* --- end of the round --- */

void worker_flush(struct worker *worker)
{
	const struct worker_set *set = worker->set_in_use;

	for (unsigned i = 0; i < set->n_queues; i++)
		queue_flush(set->queues[i]);
	for (unsigned i = 0; i < worker->all->n; i++) {
		struct spsc *ring = worker->to[i];
		struct worker *other = worker->all->worker[i];

		if (!ring || !spsc_unpublished(ring))
			continue;
		spsc_publish(ring);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(&other->sleeping, __ATOMIC_RELAXED))
			worker_wake(other);
	}
}
