/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of addresses or of ports. Addresses are prefixes in an LPM per family, ports bits of a map;
 * both change one entry at a time while workers ask. An entry is *fixed*, from the configuration or
 * its file, or was *added* at run time, perhaps for a while.
 *
 * A set lives by reference: the instance of a reload whose definition (and file) did not change
 * gets the very set that runs, with all that was done to it. Where the definition changed a new one
 * is made, and firewall_set_inherit() brings what was added along.
 *
 * All control, but for firewall_set_has*(): any thread.
 */
#ifndef FIREWALL_SET_H
#define FIREWALL_SET_H

#include <jansson.h>
#include <urcu-qsbr.h>

#include "htable.h"
#include "keys.h"
#include "lpm4.h"
#include "lpm6.h"
#include "span.h"

#define FIREWALL_SET_ENTRIES 4000000u /* prefixes of one set */
#define FIREWALL_SET_FOREVER 0
#define FIREWALL_SET_USUAL UINT64_MAX /* the set's own time-out */

struct firewall_set_timed;

struct firewall_set {
	struct firewall_set *next; /* of all that live */
	unsigned refs;
	char owner[64], name[32];
	uint64_t definition; /* hash of the keys, and of what the file is */
	int type;
	uint64_t timeout_s;
	struct lpm4 *lpm4; /* RCU: a flush replaces them */
	struct lpm6 *lpm6;
	uint64_t *ports, *fixed_ports; /* [1024] */
	size_t fixed, added;	       /* entries */
	uint64_t expired;
	struct htable timed;
	struct firewall_set_timed **heap; /* by time */
	unsigned n_heap, heap_room;
};

/* Values of the LPMs. */
enum firewall_set_origin { FIREWALL_SET_NONE, FIREWALL_SET_FIXED, FIREWALL_SET_ADDED };

/* Say everything that is wrong with the definition and its file. */
void firewall_set_check(const struct firewall_set_keys *keys, struct conf_errors *errors);
bool firewall_set_is_ports(const struct firewall_set_keys *keys);

/* The set of `owner` (an instance) by this definition: the living one or a new one; 0 or -errno. */
int firewall_set_get(struct firewall_set **set, const char *owner,
		     const struct firewall_set_keys *keys);
void firewall_set_put(struct firewall_set *set); /* no worker asks it any more */
int firewall_set_inherit(struct firewall_set *set, struct firewall_set *old);

/* Change one entry as `visorctl set` names it. NULL, or what is wrong (malloc'ed). *changed: was it
 * there already, or not there? */
char *firewall_set_add(struct firewall_set *set, const char *entry, uint64_t timeout_s,
		       uint64_t now_ns, bool *changed);
char *firewall_set_del(struct firewall_set *set, const char *entry, bool *changed);
/* Everything out; how many there were, or -ENOMEM. Waits for a grace period. */
int64_t firewall_set_flush(struct firewall_set *set);
/* Entries whose time has come; was there any? */
bool firewall_set_tick(struct firewall_set *set, uint64_t now_ns);
json_t *firewall_set_show(const struct firewall_set *set);
/* `limit` of its entries from the one at `first` on; "next" is where to go on, or null. */
json_t *firewall_set_list(const struct firewall_set *set, uint64_t now_ns, size_t first,
			  size_t limit);

/* --- between set.c and set_edit.c --- */

/* A part of an entry: a prefix (family 4 or 6), or a port (family 0, 16 bits). */
struct firewall_set_part {
	__uint128_t value;
	uint8_t family, len;
};

struct firewall_set_timed {
	struct hnode node;
	struct firewall_set_part part;
	uint64_t expires_ns;
	unsigned place; /* in the heap */
};

struct firewall_set_timed *firewall_set_timed_find(const struct firewall_set *set,
						   const struct firewall_set_part *part);
int firewall_set_timed_put(struct firewall_set *set, const struct firewall_set_part *part,
			   uint64_t expires_ns);
void firewall_set_timed_remove(struct firewall_set *set, struct firewall_set_timed *timed);
enum firewall_set_origin firewall_set_origin_of(const struct firewall_set *set,
						const struct firewall_set_part *part);
int firewall_set_write(struct firewall_set *set, const struct firewall_set_part *part,
		       enum firewall_set_origin origin);

/* --- any thread --- */

static inline bool firewall_set_has4(const struct firewall_set *set, uint32_t addr)
{
	const struct lpm4 *lpm = rcu_dereference(set->lpm4);

	return lpm && lpm4_lookup(lpm, addr);
}

static inline bool firewall_set_has6(const struct firewall_set *set, const struct in6_addr *addr)
{
	const struct lpm6 *lpm = rcu_dereference(set->lpm6);

	return lpm && lpm6_lookup(lpm, addr);
}

static inline bool firewall_set_has_port(const struct firewall_set *set, uint16_t port)
{
	return set->ports &&
	       (__atomic_load_n(&set->ports[port / 64], __ATOMIC_RELAXED) >> port % 64 & 1);
}

#endif
