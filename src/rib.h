/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's side of forwarding: what the kernel (and the configuration) says about
 * links, addresses, neighbours, next-hop objects and routes, and the compilation of all that into
 * struct fib. All functions: control thread.
 *
 * Sources: the netlink mirror (mirror.h) and static routes of the configuration. The mirror's
 * resync is mark and sweep: rib_resync_begin(), the whole dump through the setters (unchanged
 * entries cost nothing and disturb nobody), rib_resync_end() removes what was not seen.
 *
 * Choice among routes to one prefix: the order of the tables in the configuration, with the local
 * table before all; then the lowest metric; static before kernel at equal metric; then the oldest.
 * A route all of whose next hops are down loses against any other route to the same prefix, and
 * wins again when one is back. Where it is the only one it stays, and packets are dropped as
 * "egress_down": as in the kernel, losing a carrier does not send packets by a shorter prefix.
 *
 * What the kernel drops without a message is dropped here by inference, on the calls as they come
 * from the mirror (so the mirror need not know):
 *   - rib_link_set() of a link that was up and is not: the kernel's routes all of whose hops leave
 *     by links that are down (IPv4; IPv6 as well, since skip_notify_on_dev_down may be set). Not
 *     IPv4 routes to own addresses. They come back by new messages only.
 *   - a link that is not up and running loses its next-hop objects, they leave their groups, and
 *     the routes by objects that are gone go too. The same on rib_nexthop_object_del().
 *   - rib_address_del(): IPv4 routes of the main table that prefer it as their source, once no link
 *     has it any more;
 *     and when it was the link's last IPv4 address, all IPv4 routes by the link.
 *   - rib_link_del(): everything by that link, its addresses and neighbours too.
 * Static routes are never dropped; they wait for their interface. A carrier that is lost drops
 * nothing. rib_hop.dead is not used for any of this (nobody says when it ends): the link's state is.
 */
#ifndef VISOR_RIB_H
#define VISOR_RIB_H

#include <jansson.h>

#include "fib.h"

struct rib;

struct rib_link {
	int ifindex;
	char name[16];
	uint8_t mac[6];
	uint32_t mtu;
	bool up;	     /* IFF_UP */
	bool running;	     /* carrier: IFF_RUNNING / operstate up or unknown */
	int parent;	     /* IFLA_LINK: ifindex below a VLAN device, 0 none */
	uint16_t vlan_id;    /* of a kernel VLAN device, 0 otherwise */
	uint16_t vlan_proto; /* ETH_P_8021Q or ETH_P_8021AD, host order */
};

struct rib_address {
	int ifindex;
	struct ip_addr addr;
	uint8_t len;
	bool link_scope; /* link-local */
	bool tentative;	 /* DAD not done, or failed: not usable as a source */
	bool secondary;
	struct ip_addr broadcast; /* IPv4 broadcast address, family 0 none */
};

enum rib_neighbour_state {
	RIB_NEIGHBOUR_INCOMPLETE,
	RIB_NEIGHBOUR_REACHABLE, /* also PERMANENT and NOARP */
	RIB_NEIGHBOUR_STALE,	 /* usable, unconfirmed: STALE, DELAY, PROBE */
	RIB_NEIGHBOUR_FAILED,
};

struct rib_neighbour {
	int ifindex;
	struct ip_addr addr;
	uint8_t mac[6];
	enum rib_neighbour_state state;
};

struct rib_hop {
	int ifindex;
	struct ip_addr gateway; /* family 0: on-link */
	uint16_t weight;	/* 1..65535 */
	bool onlink;		/* gateway reachable though no route covers it */
	bool dead;		/* the kernel says RTNH_F_DEAD or LINKDOWN; see above */
	/* Static routes: the name of an interface of ours instead of ifindex (which is then 0); the
	 * hop follows it when its device is made anew. With neither a name nor an ifindex the
	 * interface is the one with an address whose prefix covers the gateway. NULL: by ifindex. */
	const char *interface;
};

#define RIB_HOPS_MAX 256

/* What a route or a next-hop object leads to. Two hops to the same gateway count as one with the
 * weights added. More than RIB_HOPS_MAX: -E2BIG. */
struct rib_target {
	uint8_t kind; /* NEXTHOP_FORWARD (one or more hops), BLACKHOLE, UNREACHABLE, PROHIBIT,
				* LOCAL, BROADCAST */
	uint32_t nexthop_object; /* RTA_NH_ID, 0 none; then hops are not given */
	uint16_t n_hops;
	const struct rib_hop *hops; /* read during the call only */
};

struct rib_route {
	uint8_t family; /* 4 or 6 */
	uint8_t len;
	struct in6_addr prefix; /* IPv4 as ::ffff:a.b.c.d */
	uint32_t table;
	uint32_t metric;
	uint8_t protocol;	/* RTPROT_* */
	uint32_t mtu;		/* RTAX_MTU, 0 none */
	bool is_static;		/* from our configuration */
	struct ip_addr prefsrc; /* family 0 none */
	struct rib_target target;
};

/* Calls out of the RIB: set once. */
struct rib_callbacks {
	void *arg;
	/* an own address (or broadcast address) of the host appeared or went: for the steering map */
	void (*local_address)(void *arg, const struct ip_addr *addr, bool present);
	/* neighbours changed: packets may be waiting. Called at most once per rib_commit(). */
	void (*neighbours_changed)(void *arg);
	/* please make the kernel resolve or confirm this neighbour (NTF_USE) */
	void (*probe)(void *arg, int ifindex, const struct ip_addr *addr);
};

int rib_new(struct rib **rib, const struct rib_callbacks *callbacks);
void rib_free(struct rib *rib);
struct fib *rib_fib(struct rib *rib); /* lives as long as the RIB */

/* Tables that count, in order of preference (numbers; the local table is always first). */
int rib_set_tables(struct rib *rib, const uint32_t *tables, unsigned n);

/* Interfaces of the configuration. A device belongs to one interface: the first that names it.
 * Static routes by an interface are to be removed before it is. `device` is the kernel device that carries the addresses; ""
 * for a VLAN: found by parent and VLAN id. The slot of a name stays the same over changes. */
struct rib_interface {
	const char *name, *device, *port_device;
	uint16_t port, vlan, outer_vlan;
	const struct chain *chain;
};
int rib_interface_set(struct rib *rib, const struct rib_interface *interface, uint16_t *slot);
int rib_interface_del(struct rib *rib, const char *name);
/* The port module says whether the port can carry packets now. */
void rib_port_state(struct rib *rib, uint16_t port, bool usable);

/* From the mirror; unchanged input is a no-op. -errno where memory fails. */
int rib_link_set(struct rib *rib, const struct rib_link *link);
int rib_link_del(struct rib *rib, int ifindex);
int rib_address_set(struct rib *rib, const struct rib_address *address);
int rib_address_del(struct rib *rib, const struct rib_address *address);
int rib_neighbour_set(struct rib *rib, const struct rib_neighbour *neighbour);
int rib_neighbour_del(struct rib *rib, int ifindex, const struct ip_addr *addr);
/* A next-hop object: a single one, or a group: then hops[i].ifindex is 0 and members[i] names the
 * member object. */
int rib_nexthop_object_set(struct rib *rib, uint32_t id, const struct rib_target *target,
			   const uint32_t *members);
int rib_nexthop_object_del(struct rib *rib, uint32_t id);

/* What a message about a route says of the other routes with its prefix, table and metric. */
enum rib_route_how {
	RIB_ROUTE_ADD = 0,     /* neither flag, and in a dump */
	RIB_ROUTE_APPEND = 1,  /* NLM_F_APPEND. IPv6: the hops join those that are there. IPv4: one
				* more route, used when those before it cannot be */
	RIB_ROUTE_REPLACE = 2, /* NLM_F_REPLACE */
	RIB_ROUTE_PREPEND = 3, /* IPv4, NLM_F_CREATE alone where there are others: before them */
};

/* A route is (prefix, table, metric, static or not). Two kernel routes may share that: IPv4 ones by
 * APPEND; IPv6 ones where each is on-link by its own device, or on-link beside one by gateways. Any
 * other takes the place of the one that is there. Tables that do not count are ignored (0). */
int rib_route_set(struct rib *rib, const struct rib_route *route, enum rib_route_how how);
/* IPv6 with hops: only those legs; without: all routes of that prefix, table and metric. IPv4: the
 * route with this target where several share the rest. 0 also where there is no such route. */
int rib_route_del(struct rib *rib, const struct rib_route *route);

/* Static routes take no part in a resync. A begin while one is under way starts it anew. */
void rib_resync_begin(struct rib *rib);
void rib_resync_end(struct rib *rib);
/* The dump of one family's routes (4, 6) was disturbed and begins anew: none has been met. */
void rib_resync_again(struct rib *rib, unsigned family);
/* ... and was so each time: what was not met of the family's routes stays. */
void rib_resync_keep(struct rib *rib, unsigned family);
/* Ends it where the dump was not complete: what was not met stays. */
void rib_resync_abandon(struct rib *rib);

/* Publish what has changed since the last call: deferred group rebuilds, generation, reclaim. The
 * mirror calls it after each batch of messages. */
void rib_commit(struct rib *rib);

/* About once a second: let the kernel confirm the stale neighbours that are in use, and ask again for
 * failed ones that are in use or are gateways. now_ns: CLOCK_MONOTONIC. */
void rib_tick(struct rib *rib, uint64_t now_ns);

/* A worker asks for a neighbour (by interface slot). Passed on at most once a second per address. */
void rib_resolve(struct rib *rib, uint16_t slot, const struct ip_addr *addr);

/* For visorctl: arrays and objects owned by the caller. */
/* {"routes", "total", "shown", "next"} in the order of prefixes. `args` may hold "family" (4, 6),
 * "prefix" (that and what lies within), "limit", and "next" as the page before gave it. NULL where
 * they make no sense. */
json_t *rib_show_routes(const struct rib *rib, const json_t *args);
json_t *rib_show_neighbours(const struct rib *rib);
json_t *rib_show_interfaces(const struct rib *rib);
json_t *rib_route_get(const struct rib *rib, const struct ip_addr *addr);
json_t *rib_summary(const struct rib *rib); /* counts, memory, generation */

#endif
