/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a destination to a complete frame: FIB lookup, next hop, link-layer header, MTU. Every
 * function that sends by route ends here, and so do the packets that the worker makes itself.
 *
 * In: a packet that was parsed and may be forwarded (TTL already decremented). Out: its verdict.
 *     TX       the frame is complete, out_port and out_iface are set
 *     DROP     under an engine-wide reason; the sender was told by ICMP where it should be
 *     STOLEN   waits for its neighbour (neighbour_wait.h)
 *
 * All: worker, n <= BURST_MAX.
 */
#ifndef VISOR_EGRESS_H
#define VISOR_EGRESS_H

#include "datapath.h"

/* Look up each packet's destination: p->nexthop is the id of what its route leads to, a group's own
 * where it is one. */
void egress_find(struct datapath *dp, struct packet *const *packets, unsigned n);

/* What p->nexthop leads to right now, groups and neighbours resolved; sets mtu, and nexthop to the
 * member of a group. hops[i] is FORWARD where the packet can go now; ONLINK means a neighbour that
 * nobody has asked for yet. Never NULL. */
void egress_hops(struct datapath *dp, struct packet *const *packets, const struct nexthop **hops,
		 unsigned n);

/* The slot of the interface that a next hop leaves by, resolved or not; IFACE_NONE: by none. */
uint16_t egress_iface(const struct nexthop *nh);

/* Both, the first half: what each packet's destination leads to, groups and neighbours resolved. */
void egress_lookup(struct datapath *dp, struct packet *const *packets, const struct nexthop **hops,
		   unsigned n);

/* The second half: send to, or refuse because of, hops[i]. */
void egress_send(struct datapath *dp, struct packet *const *packets,
		 const struct nexthop *const *hops, unsigned n);

/* Both halves. */
void egress_route(struct datapath *dp, struct packet *const *packets, unsigned n);

/* The last step alone: write nh's link-layer header in front of the IP header; p is TX. nh is
 * FORWARD, and the packet not too big for it. */
void egress_complete(struct packet *p, const struct nexthop *nh);

/* Route what was made during this burst and has no verdict yet; what that gives rise to as well.
 * Afterwards each of dp->originated is TX, DROP or STOLEN. */
void egress_originated(struct datapath *dp);

/* egress_originated(), then datapath_finish() on all of them; dp->originated is empty again. */
void egress_flush(struct datapath *dp);

#endif
