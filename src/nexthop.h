/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths: what routes lead to, each held once and compiled into the struct nexthop that workers
 * read under the same id. Inside the RIB; control thread.
 *
 * A path is named by its content (struct path_key), so a million routes over forty gateways have
 * forty paths, and what happens to a gateway, an interface or a next-hop object is one compilation
 * however many routes lead there. Four types:
 *
 *   SPECIAL  blackhole, unreachable, prohibit, local, broadcast
 *   LEG      a device and a gateway, or the device alone (on-link)
 *   GROUP    weighted legs
 *   OBJECT   a next-hop object of the kernel, by its number: compiled like what the object is
 *
 * `owner` is part of the content. The kernel drops routes without saying so when a link goes down
 * or an object is deleted; then exactly the paths that kernel routes of that family hold are made
 * *orphans*: out of the index, down, never found again. The routes that still point to them are
 * removed by the next commit's scan, and a route that returns meanwhile gets a fresh path. Members
 * of groups and static routes have plain paths, which come back by themselves.
 */
#ifndef VISOR_NEXTHOP_H
#define VISOR_NEXTHOP_H

#include <urcu/list.h>

#include "htable.h"
#include "rib.h"

struct link;
struct neighbour;
struct object;
struct rib;

/* What waits for a grace period: memory that begins with this. */
struct retired {
	struct retired *next;
	uint16_t kind; /* enum retired_kind */
	uint32_t value;
};

struct nexthop_box {
	struct retired retired;
	struct nexthop nh;
	uint32_t buckets[];
};

enum path_type { PATH_SPECIAL, PATH_LEG, PATH_GROUP, PATH_OBJECT };
enum path_owner { OWNER_PLAIN, OWNER_KERNEL4, OWNER_KERNEL6 };
enum leg_by { LEG_BY_IFINDEX, LEG_BY_SLOT, LEG_BY_GATEWAY };

struct path_member_key {
	uint32_t id; /* of the member's path */
	uint32_t weight;
};

struct path_key {
	uint8_t type, owner;
	uint8_t kind;		/* SPECIAL: enum nexthop_kind */
	uint8_t by;		/* LEG: what `where` is */
	uint32_t where;		/* LEG: ifindex or slot; SPECIAL: ifindex or 0; OBJECT: number */
	uint32_t mtu;		/* of the route, 0 none; a GROUP's is in its members */
	struct ip_addr gateway; /* LEG; family 0 on-link. Padding and unused bytes are zero */
	uint32_t n;
	const struct path_member_key *members; /* GROUP: sorted by id */
};

struct path_member {
	struct path *path, *group;
	uint32_t weight;
	bool ended; /* the kernel has ended IPv4 on its link while the group was there */
	struct cds_list_head in_path; /* path->parents */
};

struct path {
	struct hnode by_content;
	struct path_key key;
	uint32_t id, refs;
	bool orphan;   /* see above */
	bool eligible; /* a route by it may win against other candidates */
	bool alive;    /* as a member of a group: gets buckets */
	bool changed;  /* `eligible` has changed since the last scan */
	bool attached;
	uint8_t bucket_bits;
	struct nexthop_box *box; /* what is published */
	struct link *link;
	struct neighbour *neighbour;
	struct object *object;
	unsigned n_members;
	struct path_member *members;
	struct cds_list_head on_link, on_neighbour, on_object; /* in what it depends on */
	struct cds_list_head parents;			       /* groups that it is a member of */
	struct cds_list_head dirty, floating, changed_node;    /* in lists of the RIB */
};

/* The path of a target. create: made where there is none, with a reference for the caller.
 * Otherwise borrowed, NULL where there is none. 0 or -errno. */
int path_of_target(struct rib *rib, const struct rib_target *target, uint32_t mtu,
		   enum path_owner owner, bool create, struct path **out);
/* A target that is these legs of existing paths (the members of a group, or one leg). */
int path_of_members(struct rib *rib, const struct path_member_key *members, unsigned n,
		    enum path_owner owner, struct path **out);
int path_special(struct rib *rib, enum nexthop_kind kind, struct path **out);
struct path *path_by_id(const struct rib *rib, uint32_t id);
void path_hold(struct path *path);
void path_put(struct rib *rib, struct path *path);

/* The plain leg of a hop: borrowed, NULL where there is none. */
struct path *path_of_hop(struct rib *rib, const struct rib_hop *hop, uint32_t mtu);

/* Build and publish its struct nexthop anew; what depends on it is marked. Where memory fails it is
 * done by the next commit. */
void path_compile(struct rib *rib, struct path *path);
void path_mark_dirty(struct rib *rib, struct path *path);
void path_compile_dirty(struct rib *rib);
/* Re-attach: what it depends on has been redefined. */
void path_reattach(struct rib *rib, struct path *path);
void path_make_orphan(struct rib *rib, struct path *path);

/* Bytes of L2 header written to l2: destination, source, tags, room for the ethertype. */
uint8_t nexthop_l2(uint8_t *l2, const uint8_t *dst, const struct interface *iface);
struct nexthop_box *nexthop_box_new(uint32_t buckets);
/* Equal for workers, `used` aside. */
bool nexthop_same(const struct nexthop *a, const struct nexthop *b);

/* Next-hop objects (nexthop_object.c). */
struct object *object_get(struct rib *rib, uint32_t id); /* a placeholder where unknown, or NULL */
void object_release(struct rib *rib, struct object *object); /* frees what nothing needs */
void object_link_down(struct rib *rib, struct link *link);
void object_sweep(struct rib *rib);
void object_free_all(struct rib *rib);

struct object_member {
	uint32_t id, weight;
};

struct object {
	struct hnode by_id;
	uint32_t id;
	bool present, seen;
	uint8_t kind;
	int ifindex; /* single FORWARD */
	struct ip_addr gateway;
	unsigned n_members; /* group */
	struct object_member *members;
	unsigned in_groups; /* group definitions that name it */
	struct link *link;
	struct cds_list_head paths, on_link;
};

/* Groups: which member has which bucket (nexthop_group.c). */
struct bucket_member {
	uint64_t key; /* hash of what the member is: gateway and device, never an id */
	uint32_t id;
	uint32_t weight;
};

/* log2 of the number of buckets for that many members, when that many groups exist. */
unsigned buckets_bits(unsigned members, unsigned groups);
void buckets_fill(const struct bucket_member *members, unsigned n, uint32_t *buckets,
		  unsigned bits);

#endif
