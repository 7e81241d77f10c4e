/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a function may use on the data path: one worker's view of the world, passed to every
 * process(). Everything here: worker thread, the one that owns the datapath.
 *
 * Accounting, exact at any quiescent moment:
 *     received + originated = transmitted + Σ drops + waiting (for a neighbour) + held
 */
#ifndef VISOR_DATAPATH_H
#define VISOR_DATAPATH_H

#include "drops.h"
#include "fib.h"
#include "packet.h"

#define ORIGINATED_MAX 512 /* packets that one burst can give rise to: 64 of 9000 bytes in 1500 */
#define ICMP_REDIRECTS_MAX 64

struct frame_cache;
struct neighbour_wait;
struct flows;
struct reassembly;
struct worker;

/* Written by one worker, read (relaxed) by the control thread. */
struct iface_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

struct datapath_counters {
	uint64_t rx_packets, tx_packets, originated;
	uint64_t waiting; /* for a neighbour */
	uint64_t held;	  /* for the first fragment of their datagram */
	uint64_t icmp_sent;
	uint64_t drops[DROP_REASONS_MAX];
	struct iface_counters iface[IFACE_MAX];
};

struct datapath {
	uint64_t now_ns; /* CLOCK_MONOTONIC, once per burst */
	const struct fib *fib;
	struct datapath_counters *counters;
	struct frame_cache *frames;
	struct neighbour_wait *wait;
	struct flows *flows; /* NULL: no chain is stateful */
	struct reassembly *reassembly;
	uint32_t policy; /* generation of the policy, read before anything of it; once per burst */
	uint32_t route;	 /* the FIB's, as flow_route.h has it; once per burst */
	struct worker *worker; /* opaque to functions */
	uint8_t *umem;	       /* address 0 of the frames, for the segments of a packet */
	uint32_t frame_size;   /* a power of two; frames are aligned to it within the UMEM */
	uint16_t index;	       /* worker number, 0.. */
	uint16_t workers;      /* how many there are */
	uint32_t icmp_rate;    /* own ICMP errors a second for this worker */
	uint64_t icmp_tokens;  /* token bucket, in nanoseconds' worth (icmp.c) */
	uint64_t icmp_refill_ns;
	uint64_t icmp_redirect_ns[ICMP_REDIRECTS_MAX]; /* last redirect by flow (icmp.c) */
	uint32_t random;			       /* xorshift state, not 0 */
	unsigned n_originated;
	struct packet originated[ORIGINATED_MAX]; /* made during this burst; sent after the chain */
};

/* Add to a counter that the control thread reads meanwhile. */
static inline void datapath_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* A packet of our own that was not made: counted as if it had been, and dropped. */
static inline void datapath_not_made(struct datapath *dp, uint16_t reason)
{
	datapath_count(&dp->counters->originated, 1);
	datapath_count(&dp->counters->drops[reason], 1);
}

/* A fresh packet of the worker's own, the next of dp->originated: an empty frame, data at the
 * usual headroom, all else 0 but for flags PKT_ORIGINATED and rx_ns; counted as originated. NULL,
 * and nothing counted, where no frame is left or too many were made in this burst. The caller
 * fills it and gives it a verdict: TX, DROP, or CONTINUE for egress_originated() to route it after
 * the chain. `room` is the number of bytes that it must hold; NULL where a frame is smaller. */
struct packet *datapath_packet_new(struct datapath *dp, uint32_t room);

/* Bytes that one frame can hold from the usual headroom on. */
uint32_t datapath_frame_room(const struct datapath *dp);

/* Ask the control thread to resolve a neighbour; lossy, so ask again later. */
void datapath_resolve(struct datapath *dp, uint16_t iface_slot, const struct ip_addr *addr);

/* Something that people are to be told of, by a worker, who may not: the control thread calls print()
 * with it soon after. */
struct datapath_event {
	void (*print)(const struct datapath_event *event);
	uint64_t data[15]; /* print()'s */
};

/* False where too many wait: it is lost, and counted as such. */
bool datapath_event(struct datapath *dp, const struct datapath_event *event);

/* Send packets whose verdict is TX, count and free those that are DROP; for packets that come from
 * elsewhere than the worker's burst (waiting packets that can go now). */
void datapath_finish(struct datapath *dp, struct packet *const *packets, unsigned n);

#endif
