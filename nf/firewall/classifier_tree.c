/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a tree, and changing it box by box.
 *
 * A change is two-phased. First each leaf that the box is in is written anew, beside the old one; one
 * that has grown large is now and then given to classifier_build(), which may find a cut by now, and a
 * subtree whose number of boxes has doubled or quartered since its cut was chosen is built anew as a
 * whole. Memory can run out only here, and then the new pieces are released and nothing has happened.
 * Then each of them is published by one store to the reference in its node. A key's path leads to one
 * leaf of those, so a reader sees the box or does not. The old pieces wait in the arena for a grace
 * period.
 *
 * A box that would have to go into very many leaves (a wildcard in a set of exact entries) goes into the
 * second tree instead, so that a change stays cheap; readers look there only when its lowest priority
 * could win.
 */
#include "classifier_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIMBO_LINES 16384u /* a MB awaits a grace period before a change asks for one */
#define LEAVES_MAX 256u	   /* that one added box may go into in the first tree */
#define REBUILD_SLACK 32u

#define SMALL 4096u /* boxes of a set that caches hold, copies and all */

/* Of loading: lines for a classifier, and for each box (of IPv4's four words). */
#define BUDGET_LINES 49152u
#define BUDGET_LINES_BOX 8u

struct edit {
	uint64_t *slot;
	uint64_t old, new;
};

/* A node on the way, and whether the way went on into its rest. */
struct visit {
	struct classifier_node *node;
	bool rest;
};

struct change {
	struct classifier_tree *t;
	const struct classifier_box *box;
	bool add;
	struct edit *edit;
	size_t edits, edit_room;
	struct visit *visit;
	size_t visits, visit_room;
};

/* --- boxes of a leaf or a subtree, with the change ----------------------------------------------- */

static int box_order(const void *a, const void *b)
{
	const struct classifier_box *x = *(const struct classifier_box *const *)a;
	const struct classifier_box *y = *(const struct classifier_box *const *)b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

/* Pointers to all boxes in order, the changed one added or left out. NULL: no memory. */
static const struct classifier_box **boxes_changed(const struct change *c,
						   const struct classifier_boxes *boxes, size_t *n)
{
	const struct classifier_box **list = malloc((boxes->n + 1) * sizeof(*list));
	bool left_out = c->add;

	*n = 0;
	if (!list)
		return NULL;
	for (size_t i = 0; i < boxes->n; i++) {
		if (!left_out && classifier_box_equal(c->t->words, &boxes->box[i], c->box))
			left_out = true;
		else
			list[(*n)++] = &boxes->box[i];
	}
	if (c->add)
		list[(*n)++] = c->box;
	qsort(list, *n, sizeof(*list), box_order);
	return list;
}

/* Inserts into a list that is in order already but for its last. */
static void list_sink(const struct classifier_box **list, size_t n)
{
	const struct classifier_box *last = list[n - 1];
	size_t at = n - 1;

	while (at && list[at - 1]->priority > last->priority) {
		list[at] = list[at - 1];
		at--;
	}
	list[at] = last;
}

static bool room_for(void **list, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 16;
	void *p;

	if (n < *room)
		return true;
	p = realloc(*list, more * size);
	if (!p)
		return false;
	*list = p;
	*room = more;
	return true;
}

static bool edit_room(struct change *c)
{
	return room_for((void **)&c->edit, c->edits, &c->edit_room, sizeof(*c->edit));
}

static void edit_enter(struct change *c, uint64_t *slot, uint64_t new)
{
	c->edit[c->edits++] = (struct edit){ .slot = slot, .old = *slot, .new = new };
}

/* Builds with what memory one subtree may cost here; as one leaf if that does not do. */
static bool subtree_build(struct classifier_tree *t, const struct classifier_box *const *box,
			  size_t n, unsigned int depth, uint64_t *ref)
{
	uint64_t budget = (uint64_t)t->arena.used + BUDGET_LINES_BOX * 4 * (n + 64);
	bool ok;

	t->budget = budget > UINT32_MAX ? UINT32_MAX : (uint32_t)budget;
	t->over_budget = false;
	ok = classifier_build(t, box, n, depth, ref);
	t->budget = UINT32_MAX;
	if (!ok && t->over_budget)
		ok = classifier_build_leaf(t, box, n, ref);
	return ok;
}

static bool rebuild(struct change *c, uint64_t *slot, unsigned int depth)
{
	struct classifier_boxes boxes = { 0 };
	const struct classifier_box **list = NULL;
	uint64_t ref;
	size_t n = 0;
	bool ok = edit_room(c) && classifier_subtree_boxes(c->t, *slot, &boxes);

	if (ok)
		list = boxes_changed(c, &boxes, &n);
	ok = list && subtree_build(c->t, list, n, depth, &ref);
	if (ok)
		edit_enter(c, slot, ref);
	free(list);
	free(boxes.box);
	return ok;
}

/*
 * Whether to look for a cut for a leaf of @n boxes. That costs far more than writing the leaf, and mostly
 * there is none: so not each time, and in large ones only when they have doubled.
 */
static bool leaf_may_split(const struct change *c, size_t n)
{
	if (!c->add || n <= 2 * CLASSIFIER_BLOCK)
		return false;
	if (n > 16 * CLASSIFIER_BLOCK)
		return ((n - 1) & (n - 2)) == 0;
	return c->t->leaves_written++ % 8 == 0;
}

/* A leaf of the usual size needs no memory but its own. */
static bool leaf_edit_small(struct change *c, uint64_t *slot, unsigned int depth)
{
	struct classifier_box box[8 * CLASSIFIER_BLOCK];
	const struct classifier_box *list[8 * CLASSIFIER_BLOCK + 1];
	const void *blocks = classifier_arena_at(&c->t->arena, (uint32_t)*slot);
	unsigned int places = classifier_ref_blocks(*slot) * CLASSIFIER_BLOCK;
	bool left_out = c->add;
	unsigned int n = 0;
	uint64_t ref;

	for (unsigned int i = 0; i < places; i++) {
		if (!classifier_blocks_read(c->t->words, blocks, i, &box[i]))
			break;
		if (!left_out && classifier_box_equal(c->t->words, &box[i], c->box))
			left_out = true;
		else
			list[n++] = &box[i];
	}
	if (c->add) {
		list[n++] = c->box;
		list_sink(list, n);
	}
	if (!edit_room(c))
		return false;
	if (leaf_may_split(c, n)) {
		if (!subtree_build(c->t, list, n, depth, &ref))
			return false;
	} else if (!classifier_build_leaf(c->t, list, n, &ref)) {
		return false;
	}
	edit_enter(c, slot, ref);
	return true;
}

static bool leaf_edit_large(struct change *c, uint64_t *slot, unsigned int depth)
{
	struct classifier_boxes boxes = { 0 };
	const struct classifier_box **list = NULL;
	uint64_t ref;
	size_t n = 0;
	bool ok = edit_room(c) && classifier_subtree_boxes(c->t, *slot, &boxes);

	if (ok)
		list = boxes_changed(c, &boxes, &n);
	ok = list &&
	     (c->add && ((n - 1) & (n - 2)) == 0 ? subtree_build(c->t, list, n, depth, &ref) :
						   classifier_build_leaf(c->t, list, n, &ref));
	if (ok)
		edit_enter(c, slot, ref);
	free(list);
	free(boxes.box);
	return ok;
}

/* --- the way down ------------------------------------------------------------------------------- */

static bool visit_enter(struct change *c, struct classifier_node *node, bool rest)
{
	if (!room_for((void **)&c->visit, c->visits, &c->visit_room, sizeof(*c->visit)))
		return false;
	c->visit[c->visits++] = (struct visit){ node, rest };
	return true;
}

static bool node_outgrown(const struct change *c, const struct classifier_node *node)
{
	if (c->add)
		return node->count + 1 > 2 * (uint64_t)node->built + REBUILD_SLACK;
	return node->count > 1 && node->count - 1 < node->built / 4;
}

static bool prepare(struct change *c, uint64_t *slot, unsigned int depth)
{
	struct classifier_cut cut = classifier_ref_cut(*slot);
	struct classifier_node *node = classifier_node_at(c->t->arena.base, *slot);
	struct classifier_cover cover;

	if (!(*slot & CLASSIFIER_NODE)) {
		return classifier_ref_blocks(*slot) <= 8 ? leaf_edit_small(c, slot, depth) :
							   leaf_edit_large(c, slot, depth);
	}
	if (node_outgrown(c, node))
		return rebuild(c, slot, depth);
	cover = classifier_cut_cover(&cut, c->box);
	if (classifier_cut_rests(&cut, &cover))
		return visit_enter(c, node, true) && prepare(c, &node->rest, depth + 1);
	if (!visit_enter(c, node, false))
		return false;
	for (uint32_t i = 0; i < cover.count; i++) {
		uint32_t child = (cover.first + i) & ((1u << cut.bits) - 1);

		if (!prepare(c, &node->child[child], depth + 1))
			return false;
	}
	return true;
}

static void drop(struct change *c)
{
	for (size_t i = 0; i < c->edits; i++)
		classifier_subtree_end(c->t, c->edit[i].new, classifier_arena_release);
	c->edits = 0;
	c->visits = 0;
}

/* A lower bound must be there before what it bounds. */
static void publish(struct change *c)
{
	for (size_t i = 0; i < c->visits; i++) {
		struct classifier_node *node = c->visit[i].node;

		node->count = c->add ? node->count + 1 : node->count - 1;
		if (c->add && c->visit[i].rest && c->box->priority < node->rest_priority)
			__atomic_store_n(&node->rest_priority, c->box->priority, __ATOMIC_RELAXED);
	}
	for (size_t i = 0; i < c->edits; i++)
		__atomic_store_n(c->edit[i].slot, c->edit[i].new, __ATOMIC_RELEASE);
	for (size_t i = 0; i < c->edits; i++)
		classifier_subtree_end(c->t, c->edit[i].old, classifier_arena_retire);
	if (c->t->arena.limbo_lines > LIMBO_LINES)
		classifier_arena_reclaim(&c->t->arena);
}

static bool change_run(struct change *c, enum classifier_trees tree)
{
	bool ok = prepare(c, &c->t->root[tree], 0);

	if (ok) {
		if (tree == CLASSIFIER_WIDE && c->box->priority < c->t->wide_priority)
			__atomic_store_n(&c->t->wide_priority, c->box->priority, __ATOMIC_RELAXED);
		publish(c);
	} else {
		drop(c);
	}
	return ok;
}

static void change_fini(struct change *c)
{
	free(c->edit);
	free(c->visit);
}

/* @return in how many leaves the box would be; if they are too many, some number above that. */
static size_t leaves_of(const struct classifier_tree *t, uint64_t ref,
			const struct classifier_box *box)
{
	const struct classifier_node *node = classifier_node_at(t->arena.base, ref);
	struct classifier_cut cut = classifier_ref_cut(ref);
	struct classifier_cover cover;
	size_t leaves = 0;

	if (!(ref & CLASSIFIER_NODE))
		return 1;
	cover = classifier_cut_cover(&cut, box);
	if (classifier_cut_rests(&cut, &cover))
		return leaves_of(t, node->rest, box);
	for (uint32_t i = 0; i < cover.count && leaves <= LEAVES_MAX; i++)
		leaves +=
			leaves_of(t, node->child[(cover.first + i) & ((1u << cut.bits) - 1)], box);
	return leaves;
}

/* --- what others call --------------------------------------------------------------------------- */

int classifier_tree_add(struct classifier_tree *t, const struct classifier_box *box)
{
	struct change c = { .t = t, .box = box, .add = true };
	bool wide = leaves_of(t, t->root[CLASSIFIER_MAIN], box) > LEAVES_MAX;
	bool ok = change_run(&c, wide ? CLASSIFIER_WIDE : CLASSIFIER_MAIN);

	change_fini(&c);
	t->count += ok;
	return ok ? 0 : -ENOMEM;
}

/* Whether a tree has the box: then the first leaf on its way has it. */
static bool tree_has(const struct classifier_tree *t, uint64_t ref,
		     const struct classifier_box *box)
{
	struct classifier_box other;

	while (ref & CLASSIFIER_NODE) {
		const struct classifier_node *node = classifier_node_at(t->arena.base, ref);
		struct classifier_cut cut = classifier_ref_cut(ref);
		struct classifier_cover cover = classifier_cut_cover(&cut, box);

		ref = classifier_cut_rests(&cut, &cover) ? node->rest : node->child[cover.first];
	}
	for (unsigned int i = 0; i < classifier_ref_blocks(ref) * CLASSIFIER_BLOCK; i++)
		if (classifier_blocks_read(t->words, classifier_arena_at(&t->arena, (uint32_t)ref),
					   i, &other) &&
		    classifier_box_equal(t->words, &other, box))
			return true;
	return false;
}

int classifier_tree_del(struct classifier_tree *t, const struct classifier_box *box)
{
	struct change c = { .t = t, .box = box };
	bool ok;

	for (int tree = 0; tree < CLASSIFIER_TREES; tree++) {
		if (!tree_has(t, t->root[tree], box))
			continue;
		ok = change_run(&c, tree);
		change_fini(&c);
		t->count -= ok;
		return ok ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

static bool load_thrifty(struct classifier_tree *t, const struct classifier_box *const *list,
			 size_t n, uint64_t *ref)
{
	uint64_t budget = BUDGET_LINES + BUDGET_LINES_BOX * t->words / CLASSIFIER_WORDS_4 * n;

	for (t->thrift = n > SMALL; t->thrift <= CLASSIFIER_THRIFT_MAX; t->thrift++) {
		bool last = t->thrift == CLASSIFIER_THRIFT_MAX || budget > UINT32_MAX;

		t->budget = last ? UINT32_MAX : (uint32_t)budget;
		t->over_budget = false;
		classifier_arena_reset(&t->arena);
		if (classifier_build(t, list, n, 0, ref))
			break;
		if (!t->over_budget)
			return false;
	}
	t->budget = UINT32_MAX;
	return t->thrift <= CLASSIFIER_THRIFT_MAX;
}

int classifier_tree_load(struct classifier_tree *t, const struct classifier_box *box, size_t n)
{
	const struct classifier_box **list = malloc((n + 1) * sizeof(*list));
	uint64_t ref = 0;
	bool ok;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = &box[i];
	qsort(list, n, sizeof(*list), box_order);
	for (int tree = 0; tree < CLASSIFIER_TREES; tree++) {
		classifier_subtree_end(t, t->root[tree], classifier_arena_release);
		t->root[tree] = 0;
	}
	ok = load_thrifty(t, list, n, &ref);
	free(list);
	if (!ok)
		return -ENOMEM;
	t->root[CLASSIFIER_MAIN] = ref;
	t->wide_priority = CLASSIFIER_NONE;
	t->count = n;
	return 0;
}

/* The leaf without boxes has a block all the same, so that a search need not ask. */
int classifier_tree_init(struct classifier_tree *t, unsigned int family)
{
	uint32_t block_lines =
		(uint32_t)(classifier_block_bytes(classifier_words_of(family)) / CLASSIFIER_LINE);

	*t = (struct classifier_tree){ .words = classifier_words_of(family),
				       .wide_priority = CLASSIFIER_NONE,
				       .budget = UINT32_MAX };
	t->cutter = classifier_cutter_new(t->words);
	if (!t->cutter)
		return -ENOMEM;
	if (classifier_arena_init(&t->arena, block_lines)) {
		classifier_cutter_free(t->cutter);
		return -ENOMEM;
	}
	classifier_block_clear(t->words, classifier_arena_at(&t->arena, 0));
	return 0;
}

void classifier_tree_fini(struct classifier_tree *t)
{
	classifier_cutter_free(t->cutter);
	classifier_arena_fini(&t->arena);
}
