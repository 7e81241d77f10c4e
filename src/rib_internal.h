/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the RIB: the state that its files share, and what they call of each other.
 *
 *   interface.c  interfaces of the configuration, ports     link.c  the kernel's links
 *   address.c    addresses, own addresses of the host       neighbour.c  neighbours, probing
 *   neighbour_table.c  what workers read of neighbours      nexthop*.c  paths, groups, objects
 *   rib_route.c  routes and the choice among them           rib.c   life, commit, resync
 *   rib_show.c   JSON
 *
 * Everything: control thread.
 */
#ifndef VISOR_RIB_INTERNAL_H
#define VISOR_RIB_INTERNAL_H

#include "nexthop.h"
#include "rib.h"
#include "route_table.h"

#define TABLES_MAX 64
#define TABLE_LOCAL 255
#define TABLE_MAIN 254

enum retired_kind { RETIRED_MEMORY, RETIRED_NEXTHOP_ID, RETIRED_SLOT };

struct link {
	struct hnode by_index;
	struct rib_link k;
	bool present; /* false: only named by something, or gone */
	bool seen;
	bool held;     /* being worked on: not to be freed */
	uint16_t slot; /* interface of ours whose device this is, or IFACE_NONE */
	struct cds_list_head paths, neighbours, addresses, objects;
};

struct address {
	struct rib_address k;
	bool seen;
	struct cds_list_head on_link;
};

/* An own address or broadcast address of the host, counted over the links that have it. */
struct own_address {
	struct hnode by_addr;
	struct ip_addr addr;
	bool broadcast;
	unsigned refs;
};

struct neighbour {
	struct hnode by_addr;
	struct link *link;
	struct ip_addr addr;
	uint8_t mac[6];
	uint8_t state; /* enum rib_neighbour_state */
	bool present;  /* false: only a gateway's placeholder */
	bool seen;
	bool suspect;		 /* has failed, and has not answered since */
	struct nexthop_box *box; /* in the workers' table; NULL: not there */
	struct cds_list_head on_link;
	struct cds_list_head paths;
	struct cds_list_head watch; /* in rib->stale or rib->failed */
	uint64_t probed_ns;
};

struct interface_box {
	struct retired retired;
	struct interface iface;
};

/* An interface of the configuration. */
struct port_vlans_box;

struct rib_iface {
	struct rib_interface conf; /* strings point into the arrays below */
	char name[32], device[16], port_device[16];
	uint16_t slot;
	struct link *link;	/* the kernel's device, NULL where there is none */
	struct link *port_link; /* gives MAC and state where a VLAN has no device of its own */
	struct interface_box *box;
};

enum route_origin { ORIGIN_STATIC, ORIGIN_KERNEL, ORIGIN_ADDRESS };

/* What many routes have in common. */
struct route_attr {
	struct hnode by_content;
	uint32_t id, refs;
	uint32_t table, metric;
	struct ip_addr prefsrc;
	uint8_t protocol, origin;
	int rank;    /* of the table; -1: does not count */
	bool orphan; /* its routes are to be removed: see nexthop.h */
};

#define RESOLVE_CACHE 1024

struct resolve_entry {
	uint64_t hash, asked_ns;
};

struct rib {
	struct fib fib;
	struct rib_callbacks callbacks;
	bool changed; /* something was published since the last commit */
	bool neighbours_changed;
	bool scan; /* routes need to be looked at: orphans, eligibility */
	bool resyncing;
	uint64_t now_ns; /* the latest time that a tick brought */

	struct retired *retired;
	unsigned n_retired;
	uint64_t reclaims;
	char tsan_fence;

	struct htable links, own;
	struct rib_iface *iface[IFACE_MAX];
	bool slot_busy[IFACE_MAX]; /* in use, or waiting for a grace period */
	bool port_usable[PORT_MAX];
	struct port_vlans_box *vlans[PORT_MAX];

	struct htable neighbours;
	struct cds_list_head stale, failed;
	struct resolve_entry *resolve;
	uint64_t probe_tokens, probe_refill_ns;
	uint64_t seed;

	struct htable paths; /* by content, orphans excluded */
	struct path **path;  /* [NEXTHOP_MAX] by id, reserved address space */
	uint32_t *free_ids;
	uint32_t n_free_ids, top_id;
	unsigned n_paths, n_groups;
	struct cds_list_head dirty, floating, changed_paths;
	struct htable objects;

	struct route_table routes[2]; /* IPv4, IPv6 */
	uint8_t epoch;
	struct htable attrs;
	struct route_attr **attr;
	uint32_t attr_room, attr_top, *free_attrs, n_free_attrs;
	uint32_t tables[TABLES_MAX];
	unsigned n_tables;
};

static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && (!a->family || IN6_ARE_ADDR_EQUAL(&a->addr, &b->addr));
}

/* A copy whose padding and unused bytes are zero: it can be hashed and compared as bytes. */
struct ip_addr ip_addr_clean(const struct ip_addr *addr);
uint64_t ip_addr_hash(const struct ip_addr *addr, uint64_t seed);

/* ThreadSanitizer does not see into liburcu: what a grace period guarantees is told to it. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define RIB_TSAN 1
#endif
#endif
#if defined(RIB_TSAN) || defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
static inline void rib_tsan_reader_done(struct rib *rib)
{
	__tsan_release(&rib->tsan_fence);
}
static inline void rib_tsan_grace_period(struct rib *rib)
{
	__tsan_acquire(&rib->tsan_fence);
}
#else
static inline void rib_tsan_reader_done(struct rib *rib)
{
	(void)rib;
}
static inline void rib_tsan_grace_period(struct rib *rib)
{
	(void)rib;
}
#endif

/* rib.c */
void rib_retire(struct rib *rib, struct retired *retired, enum retired_kind kind, uint32_t value);
void rib_reclaim(struct rib *rib); /* waits for a grace period */
uint64_t rib_now(struct rib *rib);

/* link.c */
struct link *link_find(const struct rib *rib, int ifindex);
struct link *link_get(struct rib *rib, int ifindex);   /* a placeholder where unknown, or NULL */
void link_release(struct rib *rib, struct link *link); /* frees what nothing needs */
bool link_usable(const struct link *link);
void link_recompile(struct rib *rib, struct link *link);
enum link_loss {
	LINK_LOST_UP,	   /* not up any more: all but IPv4 routes to own addresses */
	LINK_LOST_ADDRESS, /* its last IPv4 address: all IPv4 routes */
	LINK_LOST,	   /* the link itself: all, and IPv4 ones that have other legs too */
};
/* The kernel has dropped its routes by this link. */
void link_drop_routes(struct rib *rib, struct link *link, enum link_loss loss);
/* IPv4 is back on it: so are its legs. */
void link_begin_ipv4(struct link *link);
void link_sweep(struct rib *rib);
void link_free_all(struct rib *rib);

/* interface.c */
void interface_link_changed(struct rib *rib, const struct link *link, const char *old_name);
void interface_refresh(struct rib *rib, struct rib_iface *iface);
struct rib_iface *interface_find(const struct rib *rib, const char *name);
/* The link whose addresses cover `gateway` best; NULL where none of ours does. */
struct link *interface_link_towards(const struct rib *rib, const struct ip_addr *gateway);
void interface_free_all(struct rib *rib);

/* address.c */
void address_sweep(struct rib *rib);
void address_drop_all(struct rib *rib, struct link *link); /* the link is gone */
void address_free_all(struct rib *rib);

/* neighbour.c */
struct neighbour *neighbour_get(struct rib *rib, struct link *link, const struct ip_addr *addr);
void neighbour_release(struct rib *rib, struct neighbour *n);
void neighbour_refresh(struct rib *rib, struct neighbour *n);
/* Fills kind, l2, stale of a next hop that goes to this neighbour. */
void neighbour_describe(const struct neighbour *n, const struct interface *iface,
			struct nexthop *nh);
void neighbour_drop_all(struct rib *rib, struct link *link);
void neighbour_sweep(struct rib *rib);

/* neighbour_table.c: what fib_neighbour4/6() read */
struct neighbour_table *neighbour_table_new(void);
void neighbour_table_free(struct neighbour_table *t);
int neighbour_table_set(struct rib *rib, struct nexthop_box *box); /* new, or instead of the old */
void neighbour_table_del(struct rib *rib, const struct nexthop_box *box);
size_t neighbour_table_bytes(const struct neighbour_table *t);

/* rib_route.c */
int route_address_set(struct rib *rib, const struct ip_addr *addr, bool broadcast);
void route_address_del(struct rib *rib, const struct ip_addr *addr, bool broadcast);
/* IPv4 routes of the kernel's that prefer this source address are gone. */
void route_drop_prefsrc(struct rib *rib, const struct ip_addr *addr);
void route_scan(struct rib *rib);
void route_resync_begin(struct rib *rib);
void route_set_seen(struct rib *rib, unsigned family, bool seen);
void route_sweep(struct rib *rib);
bool route_before(const struct route *a, const struct route *b, void *arg);
void route_free_all(struct rib *rib);
void route_key(const struct in6_addr *prefix, uint8_t family, unsigned len, uint32_t key[4]);

#endif
