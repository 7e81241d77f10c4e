/* SPDX-License-Identifier: Apache-2.0 */
/* The compact store of routes. See route_table.h. */
#include "route_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mix.h"

#define BUCKETS_MIN 64u
#define CHUNK_ROUTES (1u << ROUTE_CHUNK_BITS)

int route_table_init(struct route_table *t, unsigned words)
{
	*t = (struct route_table){
		.words = words,
		.size = sizeof(struct route) + words * sizeof(uint32_t),
		.n_buckets = BUCKETS_MIN,
		.bucket_room = BUCKETS_MIN,
	};
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
		t->seed = (uintptr_t)t;
	t->bucket = calloc(BUCKETS_MIN, sizeof(*t->bucket));
	return t->bucket ? 0 : -ENOMEM;
}

void route_table_fini(struct route_table *t)
{
	for (uint32_t i = 0; i < t->n_chunks; i++)
		free(t->chunk[i]);
	free(t->chunk);
	free(t->bucket);
	*t = (struct route_table){ 0 };
}

size_t route_table_bytes(const struct route_table *t)
{
	return (size_t)t->n_chunks * (CHUNK_ROUTES * (size_t)t->size + sizeof(*t->chunk)) +
	       (size_t)t->bucket_room * sizeof(*t->bucket);
}

static uint64_t key_hash(const struct route_table *t, const uint32_t *key, unsigned len)
{
	uint64_t h = mix64(t->seed, (uint64_t)key[0] << 8 | len);

	if (t->words == 4) {
		h = mix64(h, (uint64_t)key[1] << 32 | key[2]);
		h = mix64(h, key[3]);
	}
	return h;
}

/* Linear hashing: the buckets below n - 2^k have been split already. */
static uint32_t *bucket_of(const struct route_table *t, uint64_t hash)
{
	uint32_t half = 1u << (31 - __builtin_clz(t->n_buckets));
	uint32_t i = (uint32_t)hash & (half * 2 - 1);

	return &t->bucket[i < t->n_buckets ? i : i & (half - 1)];
}

static uint32_t *bucket_of_route(const struct route_table *t, const struct route *r)
{
	return bucket_of(t, key_hash(t, r->key, r->len));
}

/* Adds one bucket and moves what belongs there from the one it splits; runs keep their order. */
static void split_one(struct route_table *t)
{
	uint32_t room = t->bucket_room * 2, fresh = t->n_buckets, kept = 0, moved = 0, i;
	uint32_t *keep_end = &kept, *move_end = &moved, *bucket, old;

	if (fresh == t->bucket_room) {
		bucket = realloc(t->bucket, (size_t)room * sizeof(*bucket));
		if (!bucket)
			return; /* longer chains, nothing worse */
		t->bucket = bucket;
		t->bucket_room = room;
	}
	old = fresh & ~(1u << (31 - __builtin_clz(fresh)));
	t->n_buckets++;
	t->bucket[fresh] = 0;
	for (i = t->bucket[old]; i; i = route_table_at(t, i)->next) {
		if (bucket_of_route(t, route_table_at(t, i)) == &t->bucket[fresh]) {
			*move_end = i;
			move_end = &route_table_at(t, i)->next;
		} else {
			*keep_end = i;
			keep_end = &route_table_at(t, i)->next;
		}
	}
	*keep_end = *move_end = 0;
	t->bucket[old] = kept;
	t->bucket[fresh] = moved;
}

static bool same_prefix(const struct route_table *t, const struct route *r, const uint32_t *key,
			unsigned len)
{
	return r->len == len && r->key[0] == key[0] && (t->words == 1 || !memcmp(r->key, key, 16));
}

uint32_t route_table_find(const struct route_table *t, const uint32_t *key, unsigned len)
{
	uint32_t i = *bucket_of(t, key_hash(t, key, len));

	while (i && !same_prefix(t, route_table_at(t, i), key, len))
		i = route_table_at(t, i)->next;
	return i;
}

uint32_t route_table_next(const struct route_table *t, uint32_t index)
{
	const struct route *r = route_table_at(t, index);

	if (!(r->flags & ROUTE_SHARED) || !r->next)
		return 0;
	return same_prefix(t, route_table_at(t, r->next), r->key, r->len) ? r->next : 0;
}

static int chunk_add(struct route_table *t)
{
	uint8_t **chunk = t->chunk;

	if (!(t->n_chunks & (t->n_chunks - 1))) { /* at each power of two */
		chunk = realloc(t->chunk, (t->n_chunks ? t->n_chunks * 2 : 1) * sizeof(*chunk));
		if (!chunk)
			return -ENOMEM;
		t->chunk = chunk;
	}
	chunk[t->n_chunks] = calloc(CHUNK_ROUTES, t->size);
	if (!chunk[t->n_chunks])
		return -ENOMEM;
	t->n_chunks++;
	return 0;
}

static uint32_t record_new(struct route_table *t)
{
	uint32_t index = t->free_head;

	if (index) {
		t->free_head = route_table_at(t, index)->next;
		return index;
	}
	if (t->top == UINT32_MAX ||
	    ((t->top + 1) >> ROUTE_CHUNK_BITS == t->n_chunks && chunk_add(t)))
		return 0;
	return ++t->top;
}

/* Sets or clears SHARED where the size of the run says otherwise. */
static void run_flags(struct route_table *t, uint32_t first)
{
	const struct route *head = route_table_at(t, first);
	uint32_t i = head->next;
	bool shared = i && same_prefix(t, route_table_at(t, i), head->key, head->len);

	for (i = first; i; i = route_table_at(t, i)->next) {
		struct route *r = route_table_at(t, i);

		if (!same_prefix(t, r, head->key, head->len))
			break;
		if (shared == !!(r->flags & ROUTE_SHARED))
			continue;
		r->flags ^= ROUTE_SHARED;
		t->shared += shared ? 1 : -1;
	}
}

/* Puts a record at its place in its run; returns the run's first index. */
static uint32_t chain_insert(struct route_table *t, uint32_t index,
			     bool (*before)(const struct route *, const struct route *, void *),
			     void *arg)
{
	struct route *r = route_table_at(t, index), *other;
	uint32_t *bucket = bucket_of_route(t, r), *link = bucket, first;

	while (*link && !same_prefix(t, route_table_at(t, *link), r->key, r->len))
		link = &route_table_at(t, *link)->next;
	first = *link;
	if (!first)
		link = bucket;
	while (first && *link) {
		other = route_table_at(t, *link);
		if (!same_prefix(t, other, r->key, r->len) || before(r, other, arg))
			break;
		link = &other->next;
	}
	if (*link == first)
		first = 0;
	r->next = *link;
	*link = index;
	return first ? first : index;
}

/* Takes a record out of its chain; returns the first index of what is left of the run, or 0. */
static uint32_t chain_remove(struct route_table *t, uint32_t index)
{
	const struct route *r = route_table_at(t, index);
	uint32_t *link = bucket_of_route(t, r), first = 0;

	while (*link != index) {
		if (!first && same_prefix(t, route_table_at(t, *link), r->key, r->len))
			first = *link;
		link = &route_table_at(t, *link)->next;
	}
	*link = r->next;
	if (!first && r->next && same_prefix(t, route_table_at(t, r->next), r->key, r->len))
		first = r->next;
	return first;
}

uint32_t route_table_add(struct route_table *t, const uint32_t *key, unsigned len, uint32_t path,
			 uint32_t attr,
			 bool (*before)(const struct route *, const struct route *, void *),
			 void *arg)
{
	uint32_t index = record_new(t);
	struct route *r;

	if (!index)
		return 0;
	r = route_table_at(t, index);
	r->path = path;
	r->attr = attr;
	r->len = len;
	r->flags = 0;
	memcpy(r->key, key, t->words * sizeof(*key));
	if (t->count++ >= t->n_buckets && t->n_buckets < UINT32_MAX / 2)
		split_one(t);
	run_flags(t, chain_insert(t, index, before, arg));
	return index;
}

void route_table_reorder(struct route_table *t, uint32_t index,
			 bool (*before)(const struct route *, const struct route *, void *),
			 void *arg)
{
	if (!(route_table_at(t, index)->flags & ROUTE_SHARED))
		return;
	chain_remove(t, index);
	chain_insert(t, index, before, arg);
}

void route_table_del(struct route_table *t, uint32_t index)
{
	struct route *r = route_table_at(t, index);
	uint32_t first = chain_remove(t, index);

	if (r->flags & ROUTE_SHARED)
		t->shared--;
	if (first)
		run_flags(t, first);
	r->path = 0;
	r->flags = 0;
	r->next = t->free_head;
	t->free_head = index;
	t->count--;
}
