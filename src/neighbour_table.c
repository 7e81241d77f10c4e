/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workers read of neighbours: (interface slot, address) → struct nexthop.
 *
 * Open addressing with linear probing and one writer. A cell is one word: the pointer to the
 * next hop, which holds the key (iface, gateway), with 16 bits of the hash above the address so
 * that a foreign cell is passed over without touching its next hop. A reader sees a cell before or
 * after a store and needs no more: a key is in one cell only, is replaced in place, and a removed
 * one leaves a tombstone so that no probe sequence is cut. (A cell before an empty one can become
 * empty itself.) When three quarters are taken a new array is filled and exchanged whole; the old
 * one is freed after a grace period.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mix.h"
#include "rib_internal.h"

#define CELLS_MIN 256u
#define TOMB ((uint64_t)1)
#define TAG_SHIFT 48
#define POINTER_MASK ((1ull << TAG_SHIFT) - 1)

struct cells {
	struct retired retired;
	uint32_t mask;
	uint32_t taken; /* tombstones included */
	uint32_t live;
	uint64_t cell[];
};

struct neighbour_table {
	struct cells *cells; /* exchanged by RCU */
	uint64_t seed;
};

static struct cells *cells_new(uint32_t n)
{
	struct cells *c = calloc(1, sizeof(*c) + n * sizeof(c->cell[0]));

	if (c)
		c->mask = n - 1;
	return c;
}

struct neighbour_table *neighbour_table_new(void)
{
	struct neighbour_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
		t->seed = (uintptr_t)t;
	t->cells = cells_new(CELLS_MIN);
	if (!t->cells) {
		free(t);
		return NULL;
	}
	return t;
}

void neighbour_table_free(struct neighbour_table *t)
{
	if (t)
		free(t->cells);
	free(t);
}

size_t neighbour_table_bytes(const struct neighbour_table *t)
{
	return sizeof(*t->cells) + ((size_t)t->cells->mask + 1) * sizeof(t->cells->cell[0]);
}

static inline uint64_t key_hash(const struct neighbour_table *t, uint16_t slot, uint8_t family,
				const struct in6_addr *addr)
{
	uint64_t word[2];

	memcpy(word, addr, sizeof(word));
	return mix64(mix64(t->seed ^ ((uint64_t)family << 16 | slot), word[0]), word[1]);
}

static inline const struct nexthop *cell_nexthop(uint64_t cell)
{
	return (const struct nexthop *)(uintptr_t)(cell & POINTER_MASK);
}

static inline bool cell_is(uint64_t cell, uint64_t hash, uint16_t slot, uint8_t family,
			   const struct in6_addr *addr)
{
	const struct nexthop *nh = cell_nexthop(cell);

	return cell != TOMB && cell >> TAG_SHIFT == hash >> TAG_SHIFT && nh->iface == slot &&
	       nh->gateway.family == family && IN6_ARE_ADDR_EQUAL(&nh->gateway.addr, addr);
}

static inline const struct nexthop *lookup(const struct fib *fib, uint16_t slot, uint8_t family,
					   const struct in6_addr *addr)
{
	const struct neighbour_table *t = fib->neighbours;
	const struct cells *c = __atomic_load_n(&t->cells, __ATOMIC_ACQUIRE);
	uint64_t hash = key_hash(t, slot, family, addr), cell;

	for (uint32_t i = (uint32_t)hash;; i++) {
		cell = __atomic_load_n(&c->cell[i & c->mask], __ATOMIC_ACQUIRE);
		if (!cell)
			return NULL;
		if (cell_is(cell, hash, slot, family, addr))
			return cell_nexthop(cell);
	}
}

const struct nexthop *fib_neighbour4(const struct fib *fib, uint16_t slot, __be32 addr)
{
	struct in6_addr mapped = { .s6_addr32 = { 0, 0, htonl(0xffff), addr } };

	return lookup(fib, slot, 4, &mapped);
}

const struct nexthop *fib_neighbour6(const struct fib *fib, uint16_t slot,
				     const struct in6_addr *addr)
{
	return lookup(fib, slot, 6, addr);
}

/* Writer */

static uint64_t nexthop_hash(const struct neighbour_table *t, const struct nexthop *nh)
{
	return key_hash(t, nh->iface, nh->gateway.family, &nh->gateway.addr);
}

static int rehash(struct rib *rib, struct neighbour_table *t)
{
	struct cells *old = t->cells, *c;
	uint32_t n = CELLS_MIN;

	while (n < (old->live + 1) * 3)
		n *= 2;
	c = cells_new(n);
	if (!c)
		return -ENOMEM;
	for (uint32_t i = 0; i <= old->mask; i++) {
		uint32_t at;

		if (!old->cell[i] || old->cell[i] == TOMB)
			continue;
		at = (uint32_t)nexthop_hash(t, cell_nexthop(old->cell[i]));
		while (c->cell[at & c->mask])
			at++;
		c->cell[at & c->mask] = old->cell[i];
	}
	c->live = c->taken = old->live;
	__atomic_store_n(&t->cells, c, __ATOMIC_RELEASE);
	rib_retire(rib, &old->retired, RETIRED_MEMORY, 0);
	return 0;
}

int neighbour_table_set(struct rib *rib, struct nexthop_box *box)
{
	struct neighbour_table *t = rib->fib.neighbours;
	const struct nexthop *nh = &box->nh;
	uint64_t hash = nexthop_hash(t, nh), *tomb = NULL, *cell;
	uint64_t word = hash >> TAG_SHIFT << TAG_SHIFT | (uintptr_t)nh;
	struct cells *c = t->cells;

	/* Without memory it gets fuller, but one cell stays empty for probes to end at. */
	if (c->taken >= (c->mask + 1) / 4 * 3 && rehash(rib, t) && c->taken >= c->mask)
		return -ENOMEM;
	c = t->cells;
	for (uint32_t i = (uint32_t)hash;; i++) {
		cell = &c->cell[i & c->mask];
		if (*cell == TOMB && !tomb)
			tomb = cell;
		if (!*cell ||
		    cell_is(*cell, hash, nh->iface, nh->gateway.family, &nh->gateway.addr))
			break;
	}
	if (!*cell) {
		c->live++;
		if (tomb)
			cell = tomb;
		else
			c->taken++;
	}
	__atomic_store_n(cell, word, __ATOMIC_RELEASE);
	return 0;
}

void neighbour_table_del(struct rib *rib, const struct nexthop_box *box)
{
	struct neighbour_table *t = rib->fib.neighbours;
	struct cells *c = t->cells;
	const struct nexthop *nh = &box->nh;
	uint64_t hash = nexthop_hash(t, nh);
	uint32_t i = (uint32_t)hash;

	while (c->cell[i & c->mask] && cell_nexthop(c->cell[i & c->mask]) != nh)
		i++;
	if (!c->cell[i & c->mask])
		return;
	c->live--;
	if (c->cell[(i + 1) & c->mask]) {
		__atomic_store_n(&c->cell[i & c->mask], TOMB, __ATOMIC_RELEASE);
		return;
	}
	__atomic_store_n(&c->cell[i & c->mask], 0, __ATOMIC_RELEASE);
	c->taken--;
}
