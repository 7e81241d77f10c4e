/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chained hash table of nodes that live inside their objects: the control thread's registries
 * (links, neighbours, next hops …) use it. It doubles when there is a node per bucket; where memory
 * for that is missing it merely gets slower, so adding cannot fail. control (no locking).
 */
#ifndef VISOR_HTABLE_H
#define VISOR_HTABLE_H

#include <stddef.h>
#include <stdint.h>

struct hnode {
	struct hnode *next;
	uint32_t hash;
};

struct htable {
	struct hnode **bucket;
	uint32_t mask; /* buckets - 1 */
	uint32_t count;
};

/* `container` of a node: htable_entry(node, struct link, by_index). */
#define htable_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

int htable_init(struct htable *t);
void htable_fini(struct htable *t); /* the nodes are the caller's */

void htable_add(struct htable *t, struct hnode *node, uint64_t hash);
void htable_del(struct htable *t, struct hnode *node);

/* Nodes with this hash, one after the other; the caller compares what it looks for. */
struct hnode *htable_first(const struct htable *t, uint64_t hash);
struct hnode *htable_next(const struct hnode *node);

/* Every node: `previous` NULL begins. The previous node must still be in the table. */
struct hnode *htable_each(const struct htable *t, const struct hnode *previous);

size_t htable_bytes(const struct htable *t);

#endif
