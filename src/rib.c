/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RIB as a whole: its life, publishing (commit), resynchronisation, and giving memory back.
 *
 * Changes go to workers one by one as they are made, each by one release store; a commit completes
 * what is cheaper done once for many changes (groups' buckets, the scan of routes), lets the
 * generation grow so that flows look again, and now and then waits for a grace period to free what
 * was replaced. That waiting is batched: it takes as long as the slowest worker's burst.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <urcu-qsbr.h>

#include "lpm4.h"
#include "lpm6.h"
#include "mix.h"
#include "rib_internal.h"

#define RECLAIM_BATCH 1024

struct ip_addr ip_addr_clean(const struct ip_addr *addr)
{
	struct ip_addr clean;

	memset(&clean, 0, sizeof(clean));
	clean.family = addr->family;
	if (addr->family)
		clean.addr = addr->addr;
	return clean;
}

uint64_t ip_addr_hash(const struct ip_addr *addr, uint64_t seed)
{
	uint64_t word[2];

	memcpy(word, &addr->addr, sizeof(word));
	return mix64(mix64(seed ^ addr->family, word[0]), word[1]);
}

/* Giving back */

void rib_retire(struct rib *rib, struct retired *retired, enum retired_kind kind, uint32_t value)
{
	retired->kind = (uint16_t)kind;
	retired->value = value;
	retired->next = rib->retired;
	rib->retired = retired;
	rib->n_retired++;
}

static void give_back(struct rib *rib, struct retired *r)
{
	if (r->kind == RETIRED_NEXTHOP_ID) {
		__atomic_store_n(&rib->fib.nexthops[r->value], NULL, __ATOMIC_RELAXED);
		rib->free_ids[rib->n_free_ids++] = r->value;
	} else if (r->kind == RETIRED_SLOT) {
		rib->slot_busy[r->value] = false;
	}
	free(r);
}

void rib_reclaim(struct rib *rib)
{
	struct retired *r = rib->retired, *next;

	if (!r)
		return;
	rib->retired = NULL;
	rib->n_retired = 0;
	rib->reclaims++;
	synchronize_rcu();
	rib_tsan_grace_period(rib);
	for (; r; r = next) {
		next = r->next;
		give_back(rib, r);
	}
}

/* Life */

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static const struct nexthop no_route = {
	.kind = NEXTHOP_NONE,
	.port = PORT_NONE,
	.iface = IFACE_NONE,
};

static int fib_init(struct fib *fib)
{
	fib->lpm4 = lpm4_new();
	fib->lpm6 = lpm6_new();
	fib->nexthops = reserve(NEXTHOP_MAX * sizeof(*fib->nexthops));
	fib->ifaces = calloc(IFACE_MAX, sizeof(*fib->ifaces));
	fib->vlans = calloc(PORT_MAX, sizeof(*fib->vlans));
	fib->neighbours = neighbour_table_new();
	if (!fib->lpm4 || !fib->lpm6 || !fib->nexthops || !fib->ifaces || !fib->vlans ||
	    !fib->neighbours)
		return -ENOMEM;
	fib->nexthops[0] = &no_route;
	return 0;
}

static void fib_fini(struct fib *fib)
{
	lpm4_free(fib->lpm4);
	lpm6_free(fib->lpm6);
	if (fib->nexthops)
		munmap(fib->nexthops, NEXTHOP_MAX * sizeof(*fib->nexthops));
	free(fib->ifaces);
	free(fib->vlans);
	neighbour_table_free(fib->neighbours);
}

static int registries_init(struct rib *rib)
{
	rib->path = reserve(NEXTHOP_MAX * sizeof(struct path *));
	rib->free_ids = reserve(NEXTHOP_MAX * sizeof(*rib->free_ids));
	rib->resolve = calloc(RESOLVE_CACHE, sizeof(*rib->resolve));
	if (!rib->path || !rib->free_ids || !rib->resolve || htable_init(&rib->links) ||
	    htable_init(&rib->own) || htable_init(&rib->neighbours) || htable_init(&rib->paths) ||
	    htable_init(&rib->objects) || htable_init(&rib->attrs) ||
	    route_table_init(&rib->routes[0], 1) || route_table_init(&rib->routes[1], 4))
		return -ENOMEM;
	return 0;
}

int rib_new(struct rib **out, const struct rib_callbacks *callbacks)
{
	struct rib *rib = calloc(1, sizeof(*rib));

	if (!rib)
		return -ENOMEM;
	if (callbacks)
		rib->callbacks = *callbacks;
	CDS_INIT_LIST_HEAD(&rib->stale);
	CDS_INIT_LIST_HEAD(&rib->failed);
	CDS_INIT_LIST_HEAD(&rib->dirty);
	CDS_INIT_LIST_HEAD(&rib->floating);
	CDS_INIT_LIST_HEAD(&rib->changed_paths);
	rib->tables[0] = TABLE_MAIN;
	rib->n_tables = 1;
	if (getrandom(&rib->seed, sizeof(rib->seed), GRND_NONBLOCK) != sizeof(rib->seed))
		rib->seed = (uintptr_t)rib;
	if (fib_init(&rib->fib) || registries_init(rib)) {
		rib_free(rib);
		return -ENOMEM;
	}
	*out = rib;
	return 0;
}

void rib_free(struct rib *rib)
{
	if (!rib)
		return;
	rib->callbacks = (struct rib_callbacks){ 0 };
	if (rib->routes[1].bucket) { /* complete */
		address_free_all(rib);
		route_free_all(rib);
		object_free_all(rib);
		interface_free_all(rib);
		link_free_all(rib);
		rib_reclaim(rib);
	}
	fib_fini(&rib->fib);
	route_table_fini(&rib->routes[0]);
	route_table_fini(&rib->routes[1]);
	htable_fini(&rib->links);
	htable_fini(&rib->own);
	htable_fini(&rib->neighbours);
	htable_fini(&rib->paths);
	htable_fini(&rib->objects);
	htable_fini(&rib->attrs);
	free(rib->attr);
	free(rib->free_attrs);
	free(rib->resolve);
	if (rib->path)
		munmap(rib->path, NEXTHOP_MAX * sizeof(struct path *));
	if (rib->free_ids)
		munmap(rib->free_ids, NEXTHOP_MAX * sizeof(*rib->free_ids));
	free(rib);
}

struct fib *rib_fib(struct rib *rib)
{
	return &rib->fib;
}

/* Publishing */

void rib_commit(struct rib *rib)
{
	path_compile_dirty(rib);
	route_scan(rib);
	if (rib->changed) {
		rib->changed = false;
		__atomic_store_n(&rib->fib.generation, rib->fib.generation + 1, __ATOMIC_RELEASE);
	}
	if (rib->neighbours_changed) {
		rib->neighbours_changed = false;
		if (rib->callbacks.neighbours_changed)
			rib->callbacks.neighbours_changed(rib->callbacks.arg);
	}
	if (rib->n_retired >= RECLAIM_BATCH)
		rib_reclaim(rib);
}

/* Resynchronisation */

void rib_resync_begin(struct rib *rib)
{
	struct hnode *node;
	struct address *a;

	route_resync_begin(rib);
	for (node = NULL; (node = htable_each(&rib->links, node));) {
		struct link *link = htable_entry(node, struct link, by_index);

		link->seen = false;
		cds_list_for_each_entry(a, &link->addresses, on_link) a->seen = false;
	}
	for (node = NULL; (node = htable_each(&rib->neighbours, node));)
		htable_entry(node, struct neighbour, by_addr)->seen = false;
	for (node = NULL; (node = htable_each(&rib->objects, node));)
		htable_entry(node, struct object, by_id)->seen = false;
	rib->resyncing = true;
}

void rib_resync_end(struct rib *rib)
{
	if (!rib->resyncing)
		return;
	rib->resyncing = false;
	link_sweep(rib);
	address_sweep(rib);
	object_sweep(rib);
	neighbour_sweep(rib);
	route_sweep(rib);
	rib_commit(rib);
}

void rib_resync_again(struct rib *rib, unsigned family)
{
	if (rib->resyncing)
		route_set_seen(rib, family, false);
}

void rib_resync_keep(struct rib *rib, unsigned family)
{
	if (rib->resyncing)
		route_set_seen(rib, family, true);
}

void rib_resync_abandon(struct rib *rib)
{
	if (!rib->resyncing)
		return;
	rib->resyncing = false;
	route_set_seen(rib, 4, true);
	route_set_seen(rib, 6, true);
	rib_commit(rib);
}
