/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier as its users see it. Readers search an immutable array of the entries; a change makes
 * a new array, publishes it and puts the old one aside for a grace period.
 */
#include "classifier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>

#include "classifier_linear.h"

#define LIMBO_BYTES ((size_t)4 << 20)

struct table {
	struct classifier_linear linear;
	struct table *next; /* in limbo */
};

struct classifier {
	struct table *table; /* RCU */
	struct table *limbo;
	size_t limbo_bytes;
	unsigned int family;
};

static struct table *table_copy(unsigned int family, const struct table *from)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	classifier_linear_init(&t->linear, family);
	for (size_t i = 0; from && i < from->linear.n; i++) {
		if (!classifier_linear_add(&t->linear, &from->linear.entry[i]))
			continue;
		classifier_linear_fini(&t->linear);
		free(t);
		return NULL;
	}
	return t;
}

static void table_free(struct table *t)
{
	classifier_linear_fini(&t->linear);
	free(t);
}

struct classifier *classifier_new(unsigned int family)
{
	struct classifier *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->family = family;
	c->table = table_copy(family, NULL);
	if (!c->table) {
		free(c);
		return NULL;
	}
	return c;
}

static void limbo_free(struct classifier *c)
{
	while (c->limbo) {
		struct table *next = c->limbo->next;

		table_free(c->limbo);
		c->limbo = next;
	}
	c->limbo_bytes = 0;
}

void classifier_free(struct classifier *c)
{
	if (!c)
		return;
	limbo_free(c);
	table_free(c->table);
	free(c);
}

static void table_publish(struct classifier *c, struct table *t)
{
	struct table *old = c->table;

	rcu_assign_pointer(c->table, t);
	old->next = c->limbo;
	c->limbo = old;
	c->limbo_bytes += old->linear.room * sizeof(*old->linear.entry);
	if (c->limbo_bytes > LIMBO_BYTES)
		classifier_reclaim(c);
}

int classifier_load(struct classifier *c, const struct classifier_entry *entry, size_t n)
{
	struct table *t;
	int rc = 0;

	if (c->table->linear.n)
		return -EBUSY;
	t = table_copy(c->family, NULL);
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < n && !rc; i++)
		rc = classifier_linear_add(&t->linear, &entry[i]);
	if (rc)
		table_free(t);
	else
		table_publish(c, t);
	return rc;
}

static int change(struct classifier *c, const struct classifier_entry *e,
		  int (*act)(struct classifier_linear *, const struct classifier_entry *))
{
	struct table *t = table_copy(c->family, c->table);
	int rc;

	if (!t)
		return -ENOMEM;
	rc = act(&t->linear, e);
	if (rc)
		table_free(t);
	else
		table_publish(c, t);
	return rc;
}

int classifier_add(struct classifier *c, const struct classifier_entry *e)
{
	return change(c, e, classifier_linear_add);
}

int classifier_del(struct classifier *c, const struct classifier_entry *e)
{
	return change(c, e, classifier_linear_del);
}

void classifier_lookup(const struct classifier *c, const struct classifier_key *key,
		       const uint32_t *from, struct classifier_match *match, unsigned int n)
{
	const struct table *t = rcu_dereference(c->table);

	classifier_linear_lookup(&t->linear, key, from, match, n);
}

size_t classifier_count(const struct classifier *c)
{
	return c->table->linear.n;
}

void classifier_reclaim(struct classifier *c)
{
	if (!c->limbo)
		return;
	synchronize_rcu();
	limbo_free(c);
}

size_t classifier_bytes(const struct classifier *c)
{
	return sizeof(*c) + c->limbo_bytes +
	       c->table->linear.room * sizeof(*c->table->linear.entry);
}

size_t classifier_control_bytes(const struct classifier *c)
{
	return 0;
}
