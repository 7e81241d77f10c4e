/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the steering program and the daemon agree on: the maps, their sizes and their values.
 *
 * A program outlives the daemon that loaded it, so this is an ABI between releases. Any change of
 * a map's type, key, value or meaning takes a new STEER_ABI; a daemon that finds a program of
 * another ABI replaces it instead of using its maps.
 *
 * A later process finds the maps by their names, which the kernel cuts at 15 characters.
 */
#ifndef VISOR_XDP_STEER_H
#define VISOR_XDP_STEER_H

#include <linux/types.h>

#define STEER_PROGRAM "visor_steer"

#define STEER_MAGIC 0x56535452u /* "VSTR" */
#define STEER_ABI 1u

/* One slot per RX queue. The largest NICs in use offer 128 to 256 combined channels; a slot costs
 * eight bytes, so there is no reason to be tighter; a queue beyond the map takes the fallback. */
#define STEER_QUEUES_MAX 256

/* Own addresses of each family, directed broadcasts included: a VLAN interface has about three, so
 * this carries a device with all 4,094 VLANs. Entries are allocated as they are made. */
#define STEER_LOCAL_MAX 16384

/* The only element of the map visor_filter: a Bloom filter of one hash over both families' own
 * addresses. Nearly every packet is in transit and finds its bit clear, which saves the lookup in a
 * hash table: 38 ns a packet instead of 58. A bit that is set only means that the table is asked,
 * so bits may be set too many, never too few. 4 KiB, to be at home in the first-level cache. */
#define STEER_FILTER_BITS 32768

struct steer_filter {
	__u64 word[STEER_FILTER_BITS / 64];
};

/* The bit of an address: of IPv4 `high` is 0; both are in network order as they are in memory. */
static inline __attribute__((always_inline)) __u32 steer_filter_bit(__u64 high, __u64 low)
{
	__u64 mixed = (low ^ high * 0xff51afd7ed558ccdull) * 0x9e3779b97f4a7c15ull;

	return (__u32)(mixed >> 49);
}

/* The only element of the map visor_config. */
struct steer_config {
	__u32 magic;
	__u32 abi;
	__u32 fallback; /* XDP_PASS or XDP_DROP; what a packet without a socket gets */
	__u32 flags;	/* STEER_FRAGS */
};

#define STEER_FRAGS 1u /* loaded with BPF_F_XDP_HAS_FRAGS; nothing else tells a later process */

/* Indices into the map visor_counters, a __u64 per CPU. Redirected packets are not counted here:
 * the sockets count them, and the hot path stays free of it. */
enum steer_counter {
	STEER_COUNT_LOCAL,    /* to the kernel: for an address of this host */
	STEER_COUNT_OTHER,    /* to the kernel: not IP, ND, MLD, multicast, broadcast, link-local */
	STEER_COUNT_FALLBACK, /* no socket on the queue: passed or dropped as configured */
	STEER_COUNTERS
};

#endif
