/* SPDX-License-Identifier: Apache-2.0 */
/* The classifier as its users see it: entries and keys on this side, a tree of boxes on the other. */
#include "classifier.h"

#include <errno.h>
#include <stdlib.h>

#include "classifier_search.h"

struct classifier {
	struct classifier_tree tree;
	classifier_search_fn *search;
	unsigned int family;
};

struct classifier *classifier_new(unsigned int family)
{
	struct classifier *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	if (classifier_tree_init(&c->tree, family)) {
		free(c);
		return NULL;
	}
	c->family = family;
	c->search = classifier_search_best(family);
	return c;
}

void classifier_free(struct classifier *c)
{
	if (c)
		classifier_tree_fini(&c->tree);
	free(c);
}

int classifier_load(struct classifier *c, const struct classifier_entry *entry, size_t n)
{
	struct classifier_box *box;
	int rc;

	if (c->tree.count)
		return -EBUSY;
	for (size_t i = 0; i < n; i++)
		if (!classifier_entry_valid(c->family, &entry[i]))
			return -EINVAL;
	box = malloc((n + 1) * sizeof(*box));
	if (!box)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		classifier_box_from(c->family, &entry[i], &box[i]);
	rc = classifier_tree_load(&c->tree, box, n);
	free(box);
	return rc;
}

int classifier_add(struct classifier *c, const struct classifier_entry *e)
{
	struct classifier_box box;

	if (!classifier_entry_valid(c->family, e))
		return -EINVAL;
	classifier_box_from(c->family, e, &box);
	return classifier_tree_add(&c->tree, &box);
}

int classifier_del(struct classifier *c, const struct classifier_entry *e)
{
	struct classifier_box box;

	if (!classifier_entry_valid(c->family, e))
		return -ENOENT;
	classifier_box_from(c->family, e, &box);
	return classifier_tree_del(&c->tree, &box);
}

void classifier_lookup(const struct classifier *c, const struct classifier_key *key,
		       const uint32_t *from, struct classifier_match *match, unsigned int n)
{
	c->search(&c->tree, key, from, match, n);
}

size_t classifier_count(const struct classifier *c)
{
	return c->tree.count;
}

void classifier_reclaim(struct classifier *c)
{
	classifier_arena_reclaim(&c->tree.arena);
}

size_t classifier_bytes(const struct classifier *c)
{
	return sizeof(*c) + (size_t)c->tree.arena.top * CLASSIFIER_LINE;
}

size_t classifier_control_bytes(const struct classifier *c)
{
	return classifier_cutter_bytes() + c->tree.arena.limbo_room * sizeof(*c->tree.arena.limbo);
}
