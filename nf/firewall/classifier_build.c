/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a subtree of the classifier from boxes, and taking one apart.
 *
 * The boxes are dealt out to the children that they reach into by counting, which keeps their order of
 * priority, so that they are sorted once, at the top. What is built is unknown to readers until its
 * reference is stored somewhere; if memory runs out on the way, all of it is released.
 *
 * A box that lies in several children is there in copies. Taking a subtree apart counts only the copy in
 * the first child of the box's cover, at every node.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "classifier_tree.h"

static uint32_t node_lines(unsigned int bits)
{
	size_t bytes = sizeof(struct classifier_node) + sizeof(uint64_t) * ((size_t)1 << bits);

	return (uint32_t)((bytes + CLASSIFIER_LINE - 1) / CLASSIFIER_LINE);
}

static uint32_t leaf_lines(unsigned int words, uint32_t blocks)
{
	return blocks * (uint32_t)(classifier_block_bytes(words) / CLASSIFIER_LINE);
}

static uint32_t lines_alloc(struct classifier_tree *t, uint32_t lines)
{
	if (lines > t->budget || t->arena.used > t->budget - lines) {
		t->over_budget = true;
		return 0;
	}
	return classifier_arena_alloc(&t->arena, lines);
}

void classifier_subtree_end(struct classifier_tree *t, uint64_t ref,
			    void (*end)(struct classifier_arena *a, uint32_t line, uint32_t lines))
{
	const struct classifier_node *node;

	if (!ref)
		return;
	if (!(ref & CLASSIFIER_NODE)) {
		end(&t->arena, (uint32_t)ref, leaf_lines(t->words, classifier_ref_blocks(ref)));
		return;
	}
	node = classifier_node_at(t->arena.base, ref);
	for (uint32_t i = 0; i < 1u << classifier_ref_bits(ref); i++)
		classifier_subtree_end(t, node->child[i], end);
	classifier_subtree_end(t, node->rest, end);
	end(&t->arena, (uint32_t)ref, node_lines(classifier_ref_bits(ref)));
}

bool classifier_build_leaf(struct classifier_tree *t, const struct classifier_box *const *box,
			   size_t n, uint64_t *ref)
{
	uint32_t blocks = (uint32_t)((n + CLASSIFIER_BLOCK - 1) / CLASSIFIER_BLOCK);
	uint32_t line;

	*ref = 0;
	if (!n)
		return true;
	line = lines_alloc(t, leaf_lines(t->words, blocks));
	if (!line)
		return false;
	classifier_blocks_write(t->words, classifier_arena_at(&t->arena, line), box,
				(unsigned int)n);
	*ref = (uint64_t)blocks << 32 | line;
	return true;
}

/* --- nodes -------------------------------------------------------------------------------------- */

/* Boxes by child: those of child i at start[i] up to start[i + 1], the rest from start[fan] on. */
struct deal {
	struct classifier_cut cut;
	uint32_t fan;
	uint32_t *start;
	const struct classifier_box **box;
	size_t rests;
};

static void deal_count(struct deal *d, const struct classifier_box *const *box, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct classifier_cover v = classifier_cut_cover(&d->cut, box[i]);

		if (classifier_cut_rests(&d->cut, &v)) {
			d->rests++;
			continue;
		}
		for (uint32_t j = 0; j < v.count; j++)
			d->start[((v.first + j) & (d->fan - 1)) + 1]++;
	}
	for (uint32_t i = 0; i < d->fan; i++)
		d->start[i + 1] += d->start[i];
}

static void deal_place(struct deal *d, uint32_t *at, const struct classifier_box *const *box,
		       size_t n)
{
	const struct classifier_box **rest = d->box + d->start[d->fan];

	memcpy(at, d->start, d->fan * sizeof(*at));
	for (size_t i = 0; i < n; i++) {
		struct classifier_cover v = classifier_cut_cover(&d->cut, box[i]);

		if (classifier_cut_rests(&d->cut, &v)) {
			*rest++ = box[i];
			continue;
		}
		for (uint32_t j = 0; j < v.count; j++)
			d->box[at[(v.first + j) & (d->fan - 1)]++] = box[i];
	}
}

static bool deal_init(struct deal *d, const struct classifier_cut *cut,
		      const struct classifier_box *const *box, size_t n)
{
	uint32_t *at;

	*d = (struct deal){ .cut = *cut, .fan = 1u << cut->bits };
	d->start = calloc(2 * (size_t)d->fan + 1, sizeof(*d->start));
	if (!d->start)
		return false;
	at = d->start + d->fan + 1;
	deal_count(d, box, n);
	d->box = malloc((d->start[d->fan] + d->rests + 1) * sizeof(const struct classifier_box *));
	if (!d->box) {
		free(d->start);
		return false;
	}
	deal_place(d, at, box, n);
	return true;
}

static void deal_fini(struct deal *d)
{
	free(d->box);
	free(d->start);
}

static uint64_t node_ref(const struct classifier_cut *cut, uint32_t line)
{
	bool rests = cut->limit < cut->bits || !cut->bits;

	return CLASSIFIER_NODE | (rests ? CLASSIFIER_RESTS : 0) | (uint64_t)cut->limit << 45 |
	       (uint64_t)cut->bits << 41 | (uint64_t)cut->shift << 36 | (uint64_t)cut->word << 32 |
	       line;
}

static bool node_fill(struct classifier_tree *t, const struct deal *d, struct classifier_node *node,
		      unsigned int depth)
{
	const struct classifier_box **rest = d->box + d->start[d->fan];

	node->rest_priority = d->rests ? rest[0]->priority : CLASSIFIER_NONE;
	if (!classifier_build(t, rest, d->rests, depth + 1, &node->rest))
		return false;
	for (uint32_t i = 0; i < d->fan; i++)
		if (!classifier_build(t, d->box + d->start[i], d->start[i + 1] - d->start[i],
				      depth + 1, &node->child[i]))
			return false;
	return true;
}

static bool node_build(struct classifier_tree *t, const struct classifier_cut *cut,
		       const struct classifier_box *const *box, size_t n, unsigned int depth,
		       uint64_t *ref)
{
	struct classifier_node *node;
	struct deal d;
	uint32_t line;
	bool ok;

	if (!deal_init(&d, cut, box, n))
		return false;
	line = lines_alloc(t, node_lines(cut->bits));
	if (!line) {
		deal_fini(&d);
		return false;
	}
	node = classifier_arena_at(&t->arena, line);
	memset(node, 0, sizeof(*node) + d.fan * sizeof(*node->child));
	node->count = node->built = (uint32_t)n;
	*ref = node_ref(cut, line);
	ok = node_fill(t, &d, node, depth);
	deal_fini(&d);
	if (!ok) {
		classifier_subtree_end(t, *ref, classifier_arena_release);
		*ref = 0;
	}
	return ok;
}

bool classifier_build(struct classifier_tree *t, const struct classifier_box *const *box, size_t n,
		      unsigned int depth, uint64_t *ref)
{
	struct classifier_cut cut;

	*ref = 0;
	if (depth < CLASSIFIER_DEPTH_MAX && n > CLASSIFIER_BLOCK &&
	    classifier_cut_choose(t->cutter, box, n, t->thrift, &cut))
		return node_build(t, &cut, box, n, depth, ref);
	return classifier_build_leaf(t, box, n, ref);
}

/* --- taking apart ------------------------------------------------------------------------------- */

static bool boxes_room(struct classifier_boxes *b)
{
	size_t room = b->room ? 2 * b->room : 64;
	struct classifier_box *p;

	if (b->n < b->room)
		return true;
	p = realloc(b->box, room * sizeof(*p));
	if (!p)
		return false;
	b->box = p;
	b->room = room;
	return true;
}

static bool leaf_boxes(const struct classifier_tree *t, uint64_t ref,
		       struct classifier_boxes *boxes)
{
	const void *blocks = classifier_arena_at(&t->arena, (uint32_t)ref);
	unsigned int places = classifier_ref_blocks(ref) * CLASSIFIER_BLOCK;

	for (unsigned int i = 0; i < places; i++) {
		if (!boxes_room(boxes))
			return false;
		if (classifier_blocks_read(t->words, blocks, i, &boxes->box[boxes->n]))
			boxes->n++;
	}
	return true;
}

/* Drops from @from on what does not have its first copy in @child. */
static void boxes_first(struct classifier_boxes *boxes, size_t from,
			const struct classifier_cut *cut, uint32_t child)
{
	size_t n = from;

	for (size_t i = from; i < boxes->n; i++)
		if (classifier_cut_cover(cut, &boxes->box[i]).first == child)
			boxes->box[n++] = boxes->box[i];
	boxes->n = n;
}

bool classifier_subtree_boxes(const struct classifier_tree *t, uint64_t ref,
			      struct classifier_boxes *boxes)
{
	struct classifier_cut cut = classifier_ref_cut(ref);
	const struct classifier_node *node;

	if (!ref)
		return true;
	if (!(ref & CLASSIFIER_NODE))
		return leaf_boxes(t, ref, boxes);
	node = classifier_node_at(t->arena.base, ref);
	for (uint32_t i = 0; i < 1u << cut.bits; i++) {
		size_t from = boxes->n;

		if (!classifier_subtree_boxes(t, node->child[i], boxes))
			return false;
		boxes_first(boxes, from, &cut, i);
	}
	return classifier_subtree_boxes(t, node->rest, boxes);
}
