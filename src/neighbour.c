/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours: what the kernel knows of who answers at which MAC address, and asking it to find out.
 *
 * The kernel resolves; this only asks it to (NTF_USE), on three occasions: a worker had a packet
 * for an address that is not known (rib_resolve); a stale neighbour is in use and should be
 * confirmed, since the kernel itself sees no traffic to it; a failed one is in use, or is a gateway,
 * and may be back (rib_tick).
 *
 * A neighbour that has failed is *suspect* until it answers: while the kernel tries again the
 * next hop stays FAILED instead of flapping, so a group does not send flows to a dead member for
 * the seconds of each attempt.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "mix.h"
#include "rib_internal.h"

#define SECOND 1000000000ull
#define STALE_INTERVAL (5 * SECOND) /* the kernel's DELAY */
#define FAILED_INTERVAL (SECOND * 9 / 10)
#define PROBES_PER_TICK 256
#define LOOKS_PER_TICK 8192    /* neighbours looked at, so that a tick is short */
#define PROBES_PER_SECOND 1000 /* rib_resolve(): a scan must not flood the kernel's table */

uint64_t rib_now(struct rib *rib)
{
	uint64_t now = clock_now_ns();

	return now > rib->now_ns ? now : rib->now_ns;
}

static uint64_t addr_hash(const struct rib *rib, int ifindex, const struct ip_addr *addr)
{
	return ip_addr_hash(addr, rib->seed ^ (uint32_t)ifindex);
}

static struct neighbour *neighbour_find(const struct rib *rib, int ifindex,
					const struct ip_addr *addr)
{
	struct hnode *node = htable_first(&rib->neighbours, addr_hash(rib, ifindex, addr));

	for (; node; node = htable_next(node)) {
		struct neighbour *n = htable_entry(node, struct neighbour, by_addr);

		if (n->link->k.ifindex == ifindex && ip_addr_equal(&n->addr, addr))
			return n;
	}
	return NULL;
}

struct neighbour *neighbour_get(struct rib *rib, struct link *link, const struct ip_addr *addr)
{
	struct neighbour *n = neighbour_find(rib, link->k.ifindex, addr);

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->link = link;
	n->addr = ip_addr_clean(addr);
	CDS_INIT_LIST_HEAD(&n->paths);
	CDS_INIT_LIST_HEAD(&n->watch);
	cds_list_add(&n->on_link, &link->neighbours);
	htable_add(&rib->neighbours, &n->by_addr, addr_hash(rib, link->k.ifindex, addr));
	return n;
}

void neighbour_release(struct rib *rib, struct neighbour *n)
{
	struct link *link = n->link;

	if (n->present || !cds_list_empty(&n->paths))
		return;
	cds_list_del(&n->on_link);
	cds_list_del(&n->watch);
	htable_del(&rib->neighbours, &n->by_addr);
	free(n);
	link_release(rib, link);
}

static bool resolved(const struct neighbour *n)
{
	return n->present &&
	       (n->state == RIB_NEIGHBOUR_REACHABLE || n->state == RIB_NEIGHBOUR_STALE);
}

void neighbour_describe(const struct neighbour *n, const struct interface *iface,
			struct nexthop *nh)
{
	nh->gateway = n->addr;
	if (resolved(n)) {
		nh->kind = NEXTHOP_FORWARD;
		nh->stale = n->state == RIB_NEIGHBOUR_STALE;
		nh->l2_len = nexthop_l2(nh->l2, n->mac, iface);
	} else {
		nh->kind = n->suspect ? NEXTHOP_FAILED : NEXTHOP_INCOMPLETE;
	}
}

/* Workers' view of it as a destination on its own link: none where the link is not ours. */
static void publish(struct rib *rib, struct neighbour *n, const struct interface *iface)
{
	struct nexthop_box *box = NULL, *old = n->box;

	if (n->present && iface) {
		box = nexthop_box_new(0);
		if (!box)
			return; /* the old one stays; the next message tries again */
		box->nh.port = iface->port;
		box->nh.iface = iface->slot;
		box->nh.mtu = iface->mtu;
		neighbour_describe(n, iface, &box->nh);
		if (old && nexthop_same(&old->nh, &box->nh)) {
			free(box);
			return;
		}
	}
	if (!box && !old)
		return;
	/* the same address under another slot is another key */
	if (old && (!box || old->nh.iface != box->nh.iface))
		neighbour_table_del(rib, old);
	if (box && old)
		box->nh.used = __atomic_load_n(&old->nh.used, __ATOMIC_RELAXED);
	if (box && neighbour_table_set(rib, box)) {
		free(box);
		return;
	}
	n->box = box;
	rib->changed = true;
	if (old)
		rib_retire(rib, &old->retired, RETIRED_MEMORY, 0);
}

void neighbour_refresh(struct rib *rib, struct neighbour *n)
{
	const struct interface *iface = fib_interface(&rib->fib, n->link->slot);
	struct path *p;

	if (!n->link->present || !iface || !iface->up)
		n->suspect = n->present && n->state == RIB_NEIGHBOUR_FAILED;
	publish(rib, n, iface);
	cds_list_for_each_entry(p, &n->paths, on_neighbour) path_compile(rib, p);
	if (iface)
		rib->neighbours_changed = true;
	cds_list_del_init(&n->watch);
	if (!iface || !iface->up)
		return;
	if (n->suspect)
		cds_list_add_tail(&n->watch, &rib->failed);
	else if (n->present && n->state == RIB_NEIGHBOUR_STALE)
		cds_list_add_tail(&n->watch, &rib->stale);
}

int rib_neighbour_set(struct rib *rib, const struct rib_neighbour *k)
{
	struct link *link = link_get(rib, k->ifindex);
	struct neighbour *n = link ? neighbour_get(rib, link, &k->addr) : NULL;

	if (!n) {
		if (link)
			link_release(rib, link);
		return -ENOMEM;
	}
	n->seen = true;
	if (n->present && n->state == k->state && !memcmp(n->mac, k->mac, sizeof(n->mac)))
		return 0;
	n->present = true;
	n->state = (uint8_t)k->state;
	memcpy(n->mac, k->mac, sizeof(n->mac));
	if (k->state == RIB_NEIGHBOUR_FAILED)
		n->suspect = true;
	else if (k->state != RIB_NEIGHBOUR_INCOMPLETE)
		n->suspect = false;
	neighbour_refresh(rib, n);
	return 0;
}

static void neighbour_remove(struct rib *rib, struct neighbour *n)
{
	n->present = false;
	neighbour_refresh(rib, n);
	neighbour_release(rib, n);
}

int rib_neighbour_del(struct rib *rib, int ifindex, const struct ip_addr *addr)
{
	struct neighbour *n = neighbour_find(rib, ifindex, addr);

	if (n && n->present)
		neighbour_remove(rib, n);
	return 0;
}

void neighbour_drop_all(struct rib *rib, struct link *link)
{
	struct neighbour *n, *next;

	cds_list_for_each_entry_safe(n, next, &link->neighbours, on_link) if (n->present)
		neighbour_remove(rib, n);
}

void neighbour_sweep(struct rib *rib)
{
	struct hnode *node = NULL, *next;

	for (node = htable_each(&rib->neighbours, NULL); node; node = next) {
		struct neighbour *n = htable_entry(node, struct neighbour, by_addr);

		next = htable_each(&rib->neighbours, node);
		if (n->present && !n->seen)
			neighbour_remove(rib, n);
	}
}

/* Probing */

static bool probe(struct rib *rib, struct neighbour *n, uint64_t interval_ns)
{
	uint64_t now = rib->now_ns;

	if (n->probed_ns && now - n->probed_ns < interval_ns)
		return false;
	n->probed_ns = now;
	if (rib->callbacks.probe)
		rib->callbacks.probe(rib->callbacks.arg, n->link->k.ifindex, &n->addr);
	return true;
}

static bool take_used(const struct nexthop_box *box)
{
	uint8_t *used = box ? (uint8_t *)(uintptr_t)&box->nh.used : NULL;

	if (!used || !__atomic_load_n(used, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(used, 0, __ATOMIC_RELAXED);
	return true;
}

/* Has a packet gone to it (or wanted to), by itself or as a gateway, since the last call? */
static bool neighbour_take_used(const struct neighbour *n)
{
	bool used = take_used(n->box);
	const struct path *p;

	cds_list_for_each_entry(p, &n->paths, on_neighbour) used |= take_used(p->box);
	return used;
}

/* Goes once round the list, or as far as a tick may; the next one goes on from there. */
static unsigned watch(struct rib *rib, struct cds_list_head *list, bool failed, unsigned probes)
{
	struct neighbour *n, *first = NULL;
	bool wanted;

	for (unsigned looks = 0; probes && looks < LOOKS_PER_TICK && !cds_list_empty(list);
	     looks++) {
		n = cds_list_first_entry(list, struct neighbour, watch);
		if (n == first)
			break;
		if (!first)
			first = n;
		cds_list_del(&n->watch);
		cds_list_add_tail(&n->watch, list);
		wanted = neighbour_take_used(n) || (failed && !cds_list_empty(&n->paths));
		if (wanted && probe(rib, n, failed ? FAILED_INTERVAL : STALE_INTERVAL))
			probes--;
	}
	return probes;
}

void rib_tick(struct rib *rib, uint64_t now_ns)
{
	unsigned probes;

	if (now_ns > rib->now_ns)
		rib->now_ns = now_ns;
	probes = watch(rib, &rib->failed, true, PROBES_PER_TICK / 2);
	watch(rib, &rib->stale, false, probes + PROBES_PER_TICK / 2);
	rib_reclaim(rib);
}

/* One token a question, a second's worth at most. */
static bool may_ask(struct rib *rib, uint64_t now)
{
	uint64_t cost = SECOND / PROBES_PER_SECOND;

	rib->probe_tokens += now - rib->probe_refill_ns;
	rib->probe_refill_ns = now;
	if (rib->probe_tokens > SECOND)
		rib->probe_tokens = SECOND;
	if (rib->probe_tokens < cost)
		return false;
	rib->probe_tokens -= cost;
	return true;
}

void rib_resolve(struct rib *rib, uint16_t slot, const struct ip_addr *addr)
{
	const struct interface *iface = fib_interface(&rib->fib, slot);
	struct resolve_entry *entry;
	struct neighbour *n;
	uint64_t hash, now = rib_now(rib);

	if (!iface || !iface->ifindex || !addr->family)
		return;
	hash = addr_hash(rib, iface->ifindex, addr);
	entry = &rib->resolve[hash % RESOLVE_CACHE];
	if (entry->hash == hash && now - entry->asked_ns < SECOND)
		return;
	n = neighbour_find(rib, iface->ifindex, addr);
	if (n && resolved(n) && n->state == RIB_NEIGHBOUR_REACHABLE)
		return; /* it has come meanwhile */
	if (!may_ask(rib, now))
		return;
	entry->hash = hash;
	entry->asked_ns = now;
	if (n)
		n->probed_ns = now;
	if (rib->callbacks.probe)
		rib->callbacks.probe(rib->callbacks.arg, iface->ifindex, addr);
}
