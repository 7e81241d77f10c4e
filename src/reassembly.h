/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shallow reassembly: what stateful functions need of fragments, without putting datagrams together.
 *
 * Only a datagram's first fragment has ports. It goes through the chain as any packet; the others
 * are given its ports and protocol (p->sport, p->dport, p->protocol) so that the flow lookup finds
 * the same flow, and follow its verdict: where the first was dropped they are, as fragment_denied.
 * Fragments that come before their first wait here, within limits. Nothing is copied but
 * descriptors, and what leaves are the fragments that came.
 *
 * What the classic evasions are made of never leaves (RFC 1858, 3128, 5722, 6274, 7112, 8200 4.5):
 *   fragment_overlap    one that covers part of another: the whole datagram is dead from then on,
 *                       what waits of it and what still comes included
 *   fragment_tiny       a first one without the whole transport header (TCP's with its options;
 *                       IPv6: the header chain), TCP at offset 8: the datagram is dead
 *   fragment_length     beyond 65535 bytes, empty, or not in eights: that one; past the last one's
 *                       end, or a second end: the datagram is dead
 *   fragment_duplicate  exactly one that came already, which includes another first: that one
 *   fragment_timeout    waited too long for its first
 *   fragment_limit      too many wait, of one datagram, one source or in all; too many pieces; or
 *                       too many datagrams are under way
 *   fragment_denied     its first was dropped
 * Where a limit is met the oldest datagram that still waits for its first gives way, not the
 * newcomer: under a flood of fragments those are the ones that belong to nothing.
 *
 * One table for each worker. NICs spread fragments by addresses or by whatever they take for ports,
 * so a datagram's fragments may come in by several workers: worker_receive() hands each fragment on
 * a stateful chain to its home, by the hash of its addresses (p->hash), before anything else
 * happens to it. Only fragments pay for that.
 *
 * Use, by the flow stage of a chain:
 *   1. for each packet with PKT_FRAGMENT: reassembly_input(). Goes on with those that are CONTINUE.
 *   2. of a fragment (first or later) the key's ports are p->sport and p->dport. A later fragment
 *      (PKT_LATER_FRAGMENT) has no transport header: it never opens a flow, a miss is
 *      DROP_FRAGMENT_DENIED; no TCP tracking; of a translated flow only addresses are rewritten
 *      (the checksum that covers them is in the first fragment).
 *   3. after the burst has been finished, while reassembly_pending(): reassembly_release(), and what
 *      it returns goes on from the flow stage, then datapath_finish(). They pass reassembly_input()
 *      again without being looked at.
 * A first is asked about before any of its others are let go, also where all of them came in one
 * burst.
 *
 * Accounting: packets that wait are in counters->held. A worker without a table (dp->reassembly is
 * NULL) has nothing pending, nothing to poll and nothing to drop.
 *
 * All but new and free: worker.
 */
#ifndef VISOR_REASSEMBLY_H
#define VISOR_REASSEMBLY_H

#include "datapath.h"

#define REASSEMBLY_PIECES_MAX 64 /* fragments of one datagram: 65535 bytes in a path of MTU 1280 */

/* For each worker. What is 0 has its default. */
struct reassembly_config {
	uint32_t datagrams;	/* under way at once; 4096, at least 256 */
	uint32_t held;		/* packets that wait for their first, in all; 256, at most 32768 */
	uint32_t held_source;	/* of one source (IPv6: /64); half of `held` */
	uint32_t held_datagram; /* of one datagram; 48 */
	uint64_t timeout_ns;	/* from a datagram's first sign, and again from its first; 2 s */
	uint64_t seed;		/* of the hash; a random number of the kernel's */
};

/* Written by the worker, read (relaxed) by the control thread. */
struct reassembly_stats {
	uint64_t datagrams; /* in the table now */
	uint64_t completed; /* all fragments came */
	uint64_t expired;   /* were not complete in time */
	uint64_t evicted;   /* gave way to others */
};

/* control. -ENOMEM, -EINVAL. config may be NULL. */
int reassembly_new(struct reassembly **reassembly, const struct reassembly_config *config);
/* It has to be empty: reassembly_drop_all() first. NULL is nothing. */
void reassembly_free(struct reassembly *reassembly);

/* Take a fragment in. p->verdict is then CONTINUE (go on with it), DROP, or STOLEN (waits). p has to
 * stay where it is until reassembly_release() has returned 0. */
void reassembly_input(struct datapath *dp, struct packet *p);

/* Has a first fragment come since the last reassembly_release() that returned 0? */
bool reassembly_pending(const struct datapath *dp);

/* After datapath_finish() of the burst: up to BURST_MAX fragments whose first came with it and was
 * not dropped, oldest datagram first; what is denied is dropped here. 0: that is all. The packets
 * are good until the next call of any function here. */
unsigned reassembly_release(struct datapath *dp, struct packet **packets);

/* Once per turn of the worker's loop, outside of a burst: drop what waited too long, a bounded
 * number of datagrams at a time. Costs a comparison while there is nothing. */
void reassembly_poll(struct datapath *dp);

/* When reassembly_poll() will have packets to drop though none came; UINT64_MAX never. */
uint64_t reassembly_next_ns(const struct datapath *dp);

/* Forget everything; what waits is dropped as fragment_timeout: the worker ends. */
void reassembly_drop_all(struct datapath *dp);

/* any. */
const struct reassembly_stats *reassembly_stats(const struct reassembly *reassembly);

#endif
