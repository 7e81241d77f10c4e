/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers read in order to forward: interfaces, routes, next hops, neighbours.
 *
 * Everything here is written by the control thread only (rib.h) and read by workers inside an RCU
 * (QSBR) read section, that is: between two quiescent states. Objects are immutable once published
 * and replaced whole; a pointer read in a burst stays valid until the burst ends.
 *
 *   destination ─ lpm4/lpm6 ─→ next-hop id ─ nexthops[id] ─→ struct nexthop
 *       NEXTHOP_GROUP   → buckets[hash & mask] is the id of a member (see nexthop.c)
 *       NEXTHOP_ONLINK  → fib_neighbour(iface, destination) is the next hop, NULL: unresolved
 *       NEXTHOP_FORWARD → the L2 header is ready, out it goes
 */
#ifndef VISOR_FIB_H
#define VISOR_FIB_H

#include <linux/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "own.h"

#define IFACE_MAX 1024 /* interfaces (ports and their VLANs) */
#define IFACE_NONE 0xffff
#define PORT_MAX 64
#define PORT_NONE 0xffff
#define IFACE_ADDRS_MAX 16 /* addresses of one interface that workers see, per family */
#define NEXTHOP_MAX (1u << 20)

struct lpm4;
struct lpm6;
struct chain;

/* An IPv4 (as ::ffff:a.b.c.d) or IPv6 address with its family. */
struct ip_addr {
	uint8_t family; /* 4, 6, or 0: none */
	struct in6_addr addr;
};

/* A logical interface: a port's untagged traffic, or one of its VLANs. Immutable. */
struct interface {
	char name[32];	 /* the name in the configuration */
	char device[16]; /* the kernel's network device that carries its addresses */
	uint16_t slot;	 /* index in the table */
	uint16_t port;
	uint16_t vlan;	     /* inner or only 802.1Q VLAN id; 0 untagged */
	uint16_t outer_vlan; /* 802.1ad service tag; 0 none */
	int ifindex;	     /* the kernel's, 0 while the device is absent */
	uint32_t mtu;	     /* IP MTU in bytes */
	uint8_t mac[6];
	bool up; /* administratively up, with carrier, and the port is bound */
	uint8_t n4, n6;
	struct {
		__be32 addr;
		uint8_t len;
	} addr4[IFACE_ADDRS_MAX]; /* the kernel's order: primaries first */
	struct {
		struct in6_addr addr;
		uint8_t len;
	} addr6[IFACE_ADDRS_MAX];  /* global scope first, then link-local */
	const struct chain *chain; /* what its packets go through; NULL: none */
};

/* Per port: which interface a tag leads to. Immutable. */
struct port_vlans {
	uint16_t untagged; /* slot or IFACE_NONE */
	uint16_t *single;  /* [4096] slots by VLAN id, NULL where the port has none */
	unsigned n_double;
	struct {
		uint16_t outer, inner, slot;
	} twice[];
};

enum nexthop_kind {
	NEXTHOP_NONE = 0,   /* no route: id 0 is always this */
	NEXTHOP_FORWARD,    /* L2 header complete */
	NEXTHOP_ONLINK,	    /* destination is itself the neighbour */
	NEXTHOP_GROUP,	    /* ECMP */
	NEXTHOP_INCOMPLETE, /* gateway known, its MAC address not yet */
	NEXTHOP_FAILED,	    /* the kernel gave up resolving it */
	NEXTHOP_BLACKHOLE,
	NEXTHOP_UNREACHABLE,
	NEXTHOP_PROHIBIT,
	NEXTHOP_LOCAL,	    /* an own address */
	NEXTHOP_BROADCAST,  /* directed broadcast, multicast */
	NEXTHOP_NOT_A_PORT, /* leaves by a device that visord does not have */
	NEXTHOP_DOWN,	    /* its interface is down */
};

/* Immutable but for `used`, which any worker may set and the control thread clears. */
struct nexthop {
	uint8_t kind;	/* enum nexthop_kind */
	uint8_t l2_len; /* 14, 18 or 22; 0 unless FORWARD */
	uint16_t port;	/* egress port */
	uint16_t iface; /* egress interface's slot */
	uint8_t used;	/* set (relaxed, only where it is 0) when a packet took it */
	uint8_t stale;	/* the neighbour is not confirmed: a use should make the kernel probe it */
	uint32_t mtu;	/* IP MTU of the path from here: min(interface, route's mtu metric) */
	uint32_t id;
	uint8_t l2[24]; /* Ethernet header with tags; its last two bytes (ethertype) are written
			  * per packet, since IPv4 may go via an IPv6 next hop */
	struct ip_addr gateway;	 /* whom to resolve; family 0 with ONLINK */
	uint32_t bucket_mask;	 /* GROUP: number of buckets - 1 */
	const uint32_t *buckets; /* GROUP: next-hop ids, never of a group */
};

struct neighbour_table; /* neighbour.c */

struct fib {
	struct lpm4 *lpm4;
	struct lpm6 *lpm6;
	const struct nexthop **nexthops; /* [NEXTHOP_MAX], reserved address space; never moves */
	const struct interface **ifaces; /* [IFACE_MAX]; NULL: free slot */
	const struct port_vlans **vlans; /* [PORT_MAX]; NULL: no such port */
	struct neighbour_table *neighbours;
	struct own_filter own; /* the RIB keeps it, in step with local_address() */
	uint64_t generation;   /* grows (release) with each change of any of these */
};

/* The next hop with this id; never NULL for an id that a lookup returned. worker. */
static inline const struct nexthop *fib_nexthop(const struct fib *fib, uint32_t id)
{
	return __atomic_load_n(&fib->nexthops[id], __ATOMIC_CONSUME);
}

static inline const struct interface *fib_interface(const struct fib *fib, uint16_t slot)
{
	return slot < IFACE_MAX ? __atomic_load_n(&fib->ifaces[slot], __ATOMIC_CONSUME) : NULL;
}

/* The neighbour `addr` on the interface in `slot`: FORWARD, INCOMPLETE or FAILED; NULL where the
 * kernel has not been asked yet. worker. */
const struct nexthop *fib_neighbour4(const struct fib *fib, uint16_t slot, __be32 addr);
const struct nexthop *fib_neighbour6(const struct fib *fib, uint16_t slot,
				     const struct in6_addr *addr);

/* Has a packet used it? Cheap when it is already marked. worker. */
static inline void nexthop_mark_used(const struct nexthop *nh)
{
	uint8_t *used = (uint8_t *)&nh->used;

	if (!__atomic_load_n(used, __ATOMIC_RELAXED))
		__atomic_store_n(used, 1, __ATOMIC_RELAXED);
}

#endif
