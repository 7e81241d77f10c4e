/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the steering program and the daemon agree on: the maps, their sizes and their values.
 *
 * A program outlives the daemon that loaded it, so this is an ABI between releases. Any change of
 * a map's type, key, value or meaning takes a new STEER_ABI; a daemon that finds a program of
 * another ABI replaces it instead of using its maps.
 *
 * Map names hold at most 15 characters and are what a later process finds the maps by.
 */
#ifndef VISOR_XDP_STEER_H
#define VISOR_XDP_STEER_H

#include <linux/types.h>

#define STEER_PROGRAM "visor_steer"
#define STEER_MAP_CONFIG "visor_config"
#define STEER_MAP_SOCKETS "visor_sockets"
#define STEER_MAP_LOCAL4 "visor_local4"
#define STEER_MAP_LOCAL6 "visor_local6"
#define STEER_MAP_COUNTERS "visor_counters"

#define STEER_MAGIC 0x56535452u /* "VSTR" */
#define STEER_ABI 1u

/* One slot per RX queue. The largest NICs in use offer 128 to 256 combined channels; a slot costs
 * eight bytes, so there is no reason to be tighter, and a queue beyond the map takes the fallback. */
#define STEER_QUEUES_MAX 256

/* Own addresses of each family, directed broadcasts included: a VLAN interface has about three, so
 * this carries a device with all 4,094 VLANs. Entries are allocated as they are made. */
#define STEER_LOCAL_MAX 16384

/* The only element of STEER_MAP_CONFIG. */
struct steer_config {
	__u32 magic;
	__u32 abi;
	__u32 fallback; /* XDP_PASS or XDP_DROP; what a packet without a socket gets */
	__u32 flags;	/* STEER_FRAGS */
};

#define STEER_FRAGS 1u /* loaded with BPF_F_XDP_HAS_FRAGS; nothing else tells a later process */

/* Indices into STEER_MAP_COUNTERS, a __u64 per CPU. Redirected packets are not counted here: the
 * sockets count them, and the hot path stays free of it. */
enum steer_counter {
	STEER_COUNT_LOCAL,	/* to the kernel: for an address of this host */
	STEER_COUNT_OTHER,	/* to the kernel: not IP, ND, MLD, multicast, broadcast, link-local */
	STEER_COUNT_FALLBACK,	/* no socket on the queue: passed or dropped as configured */
	STEER_COUNTERS
};

#endif
