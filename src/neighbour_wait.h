/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that wait for their neighbour's MAC address: one short queue per neighbour and worker.
 *
 * A packet whose next hop is not resolved asks for it (control thread → kernel → ARP or ND) and
 * waits here, by its descriptor; the frame stays where it is. When anything in the FIB has changed
 * the waiting packets are looked up again, so that a route that moved frees them as well as a
 * neighbour that answered. Limits: WAIT_PER_NEIGHBOUR packets for one neighbour, of which the
 * newest stay (RFC 1122 2.3.2.2 wants the latest one kept, as Linux does), and WAIT_PACKETS in all,
 * where the oldest give way: under a scan of unused addresses those are the ones that nobody will
 * ever answer for.
 *
 * All but new and free: worker.
 */
#ifndef VISOR_NEIGHBOUR_WAIT_H
#define VISOR_NEIGHBOUR_WAIT_H

#include "datapath.h"

#ifndef WAIT_PACKETS
#define WAIT_PACKETS 256
#endif
#define WAIT_PER_NEIGHBOUR 16
/* The kernel gives up after three probes a second apart; its answer must find the packets here. */
#define WAIT_NS (4 * 1000000000ull)

struct neighbour_wait *neighbour_wait_new(void);
/* It has to be empty: neighbour_wait_drop_all() first. */
void neighbour_wait_free(struct neighbour_wait *wait);

static inline bool neighbour_wait_any(const struct datapath *dp)
{
	return dp->counters->waiting != 0;
}

/* Keep p until the next hop nh (ONLINK or INCOMPLETE) is resolved, and ask for it. p is STOLEN. */
void neighbour_wait_hold(struct datapath *dp, struct packet *p, const struct nexthop *nh);

/* Ask the kernel for p's neighbour by nh, not more than a few times a second each. */
void neighbour_wait_ask(struct datapath *dp, const struct packet *p, const struct nexthop *nh);

/* p is about to go to nh, which is resolved: send what waits for the same neighbour before it. */
void neighbour_wait_release(struct datapath *dp, const struct packet *p, const struct nexthop *nh);

/* Once per turn of the worker's loop, outside of a burst: send what can go, drop what waited too
 * long. Costs a comparison while nothing waits. */
void neighbour_wait_poll(struct datapath *dp);

/* When neighbour_wait_poll() will have something to do though no packet came; UINT64_MAX never. */
uint64_t neighbour_wait_next_ns(const struct datapath *dp);

/* Drop all: the worker ends. */
void neighbour_wait_drop_all(struct datapath *dp);

#endif
