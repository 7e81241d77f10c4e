/* SPDX-License-Identifier: Apache-2.0 */
/* A chained hash table of embedded nodes. See htable.h. */
#include "htable.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 16u

int htable_init(struct htable *t)
{
	*t = (struct htable){ .mask = BUCKETS_MIN - 1 };
	t->bucket = calloc(BUCKETS_MIN, sizeof(*t->bucket));
	return t->bucket ? 0 : -ENOMEM;
}

void htable_fini(struct htable *t)
{
	free(t->bucket);
	*t = (struct htable){ 0 };
}

static void htable_grow(struct htable *t)
{
	uint32_t buckets = (t->mask + 1) * 2;
	struct hnode **bucket = calloc(buckets, sizeof(*bucket));
	struct hnode *node, *next;

	if (!bucket)
		return;
	for (uint32_t i = 0; i <= t->mask; i++)
		for (node = t->bucket[i]; node; node = next) {
			next = node->next;
			node->next = bucket[node->hash & (buckets - 1)];
			bucket[node->hash & (buckets - 1)] = node;
		}
	free(t->bucket);
	t->bucket = bucket;
	t->mask = buckets - 1;
}

void htable_add(struct htable *t, struct hnode *node, uint64_t hash)
{
	if (t->count > t->mask && t->mask < UINT32_MAX / 4)
		htable_grow(t);
	node->hash = (uint32_t)hash;
	node->next = t->bucket[node->hash & t->mask];
	t->bucket[node->hash & t->mask] = node;
	t->count++;
}

void htable_del(struct htable *t, struct hnode *node)
{
	struct hnode **link = &t->bucket[node->hash & t->mask];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	t->count--;
}

static struct hnode *with_hash(struct hnode *node, uint32_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hnode *htable_first(const struct htable *t, uint64_t hash)
{
	return with_hash(t->bucket[(uint32_t)hash & t->mask], (uint32_t)hash);
}

struct hnode *htable_next(const struct hnode *node)
{
	return with_hash(node->next, node->hash);
}

struct hnode *htable_each(const struct htable *t, const struct hnode *previous)
{
	uint32_t i = 0;

	if (previous) {
		if (previous->next)
			return previous->next;
		i = (previous->hash & t->mask) + 1;
	}
	for (; i <= t->mask; i++)
		if (t->bucket[i])
			return t->bucket[i];
	return NULL;
}

size_t htable_bytes(const struct htable *t)
{
	return ((size_t)t->mask + 1) * sizeof(*t->bucket);
}
