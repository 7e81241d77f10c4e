/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree that the fast classifier searches: what readers and the writer share. classifier_tree.c tells
 * how it is kept, classifier_search.c how it is searched.
 *
 * A node looks at some adjacent bits of one word of the key and has a child for each of their values. A
 * box is in every child that it reaches into; if those are more than the node's limit it is in none of
 * them but in the node's rest, which a key is looked up in as well. Leaves are blocks of boxes in the
 * order of their priority. A second tree has the boxes that came later and that would have gone into too
 * many leaves of the first.
 *
 * A reference is 64 bits, so that one store replaces a subtree:
 *   node:  63: 1, 49: it can have a rest, 45-48: log2 of the limit, 41-44: bits, 36-40: shift,
 *          32-35: word, 0-31: its line
 *   leaf:  63: 0, 32-62: number of blocks, 0-31: its line; 0 is the leaf without boxes, and at line 0
 *          there is a block that nothing matches
 */
#ifndef FIREWALL_CLASSIFIER_TREE_H
#define FIREWALL_CLASSIFIER_TREE_H

#include "classifier_arena.h"
#include "classifier_box.h"
#include "classifier_cut.h"

#define CLASSIFIER_DEPTH_MAX 14u /* nodes from a root to a leaf, those before a rest counted */
#define CLASSIFIER_NODE ((uint64_t)1 << 63)
#define CLASSIFIER_RESTS ((uint64_t)1 << 49)

/* Written by the writer alone; @rest, @rest_priority and @child are read by all. */
struct classifier_node {
	uint64_t rest;
	uint32_t rest_priority; /* no box of the rest has a lower one */
	uint32_t count;		/* boxes below, those of the rest included */
	uint32_t built;		/* the same when the cut was chosen */
	uint32_t unused[3];
	uint64_t child[];
};

enum classifier_trees { CLASSIFIER_MAIN, CLASSIFIER_WIDE, CLASSIFIER_TREES };

struct classifier_tree {
	uint64_t root[CLASSIFIER_TREES];
	uint32_t wide_priority; /* no box of the second tree has a lower one */
	unsigned int words;
	struct classifier_arena arena;
	/* the writer's */
	size_t count;
	unsigned int leaves_written;
	unsigned int thrift;
	uint32_t budget; /* lines that may be in use while building */
	bool over_budget;
	struct classifier_cutter *cutter;
};

static inline struct classifier_node *classifier_node_at(const uint8_t *base, uint64_t ref)
{
	return (struct classifier_node *)(void *)(uintptr_t)(base + (size_t)(uint32_t)ref *
									    CLASSIFIER_LINE);
}

static inline unsigned int classifier_ref_word(uint64_t ref)
{
	return ref >> 32 & 15;
}

static inline unsigned int classifier_ref_shift(uint64_t ref)
{
	return ref >> 36 & 31;
}

static inline unsigned int classifier_ref_bits(uint64_t ref)
{
	return ref >> 41 & 15;
}

static inline unsigned int classifier_ref_limit(uint64_t ref)
{
	return ref >> 45 & 15;
}

static inline uint32_t classifier_ref_blocks(uint64_t ref)
{
	return (uint32_t)(ref >> 32);
}

static inline struct classifier_cut classifier_ref_cut(uint64_t ref)
{
	return (struct classifier_cut){
		.word = (uint8_t)classifier_ref_word(ref),
		.shift = (uint8_t)classifier_ref_shift(ref),
		.bits = (uint8_t)classifier_ref_bits(ref),
		.limit = (uint8_t)classifier_ref_limit(ref),
	};
}

/* @return 0, -ENOMEM. *control* */
int classifier_tree_init(struct classifier_tree *t, unsigned int family);
void classifier_tree_fini(struct classifier_tree *t);

/* As classifier_load(), classifier_add() and classifier_del(). *control* */
int classifier_tree_load(struct classifier_tree *t, const struct classifier_box *box, size_t n);
int classifier_tree_add(struct classifier_tree *t, const struct classifier_box *box);
int classifier_tree_del(struct classifier_tree *t, const struct classifier_box *box);

/* --- between classifier_tree.c and classifier_build.c -------------------------------------------- */

/*
 * A subtree of boxes in the order of their priority, @depth nodes below its root and unknown to readers.
 * @return false: no memory, or (over_budget) more than may be used; then nothing is left of it.
 */
bool classifier_build(struct classifier_tree *t, const struct classifier_box *const *box, size_t n,
		      unsigned int depth, uint64_t *ref);

/* As classifier_build(), always one leaf. */
bool classifier_build_leaf(struct classifier_tree *t, const struct classifier_box *const *box,
			   size_t n, uint64_t *ref);

/* Hands each piece of a subtree to classifier_arena_release() or classifier_arena_retire(). */
void classifier_subtree_end(struct classifier_tree *t, uint64_t ref,
			    void (*end)(struct classifier_arena *a, uint32_t line, uint32_t lines));

/* The boxes of a subtree, each once. */
struct classifier_boxes {
	struct classifier_box *box;
	size_t n, room;
};

/* Appends them. @return false: no memory. */
bool classifier_subtree_boxes(const struct classifier_tree *t, uint64_t ref,
			      struct classifier_boxes *boxes);

#endif
