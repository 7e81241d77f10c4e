/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reload changes, found by comparing two configurations through their tables: what is new
 * in a table is compared without a line here.
 */
#include "config_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct diff {
	void (*change)(void *arg, const struct conf_change *change);
	void *arg;
	const char *section;
	int n;
};

static void report(struct diff *d, enum conf_change_kind kind, const char *name, const char *key,
		   const void *before, const void *after)
{
	struct conf_change change = { kind, d->section, name, key, before, after };

	d->n++;
	d->change(d->arg, &change);
}

static void keys_diff(struct diff *d, const struct conf_schema *schema, const char *name,
		      const void *before, const void *after)
{
	for (const struct conf_key *key = schema->keys; key->name; key++)
		if (!conf_key_equal(key, conf_member(key, before), conf_member(key, after)))
			report(d, CONF_CHANGED, name, key->name, before, after);
}

static const void *item(const struct conf_schema *schema, const struct conf_list *list, unsigned i)
{
	return (const char *)list->item + i * schema->size;
}

static const char *item_name(const struct conf_key *key, const void *filled)
{
	return *(const char *const *)conf_member(key, filled);
}

/* The item with this name; `guess` is where it most likely is. */
static const void *find_named(const struct conf_schema *schema, const struct conf_key *key,
			      const struct conf_list *list, const char *name, unsigned guess)
{
	if (guess < list->n && !strcmp(item_name(key, item(schema, list, guess)), name))
		return item(schema, list, guess);
	for (unsigned i = 0; i < list->n; i++)
		if (!strcmp(item_name(key, item(schema, list, i)), name))
			return item(schema, list, i);
	return NULL;
}

static void named_diff(struct diff *d, const struct conf_schema *schema, const struct conf_key *key,
		       const struct conf_list *before, const struct conf_list *after)
{
	for (unsigned i = 0; i < before->n; i++) {
		const void *old = item(schema, before, i);
		const char *name = item_name(key, old);
		const void *new = find_named(schema, key, after, name, i);

		if (new)
			keys_diff(d, schema, name, old, new);
		else
			report(d, CONF_REMOVED, name, NULL, old, NULL);
	}
	for (unsigned i = 0; i < after->n; i++) {
		const void *new = item(schema, after, i);
		const char *name = item_name(key, new);

		if (!find_named(schema, key, before, name, i))
			report(d, CONF_ADDED, name, NULL, NULL, new);
	}
}

static bool match(const struct conf_schema *schema, const void *filled,
		  const struct conf_list *list, bool *taken, unsigned guess)
{
	for (unsigned n = 0; n < list->n; n++) {
		unsigned i = (guess + n) % list->n;

		if (!taken[i] && conf_equal(schema, filled, item(schema, list, i)))
			return taken[i] = true;
	}
	return false;
}

/* Objects without a name: those that have no equal on the other side. */
static int unnamed_diff(struct diff *d, const struct conf_schema *schema,
			const struct conf_list *before, const struct conf_list *after)
{
	bool *taken = calloc(after->n + 1, sizeof(*taken));
	char text[128];

	if (!taken)
		return -ENOMEM;
	for (unsigned i = 0; i < before->n; i++) {
		const void *old = item(schema, before, i);

		if (!match(schema, old, after, taken, i))
			report(d, CONF_REMOVED,
			       conf_key_text(schema->keys, conf_member(schema->keys, old), text,
					     sizeof(text)),
			       NULL, old, NULL);
	}
	for (unsigned i = 0; i < after->n; i++) {
		const void *new = item(schema, after, i);

		if (!taken[i])
			report(d, CONF_ADDED,
			       conf_key_text(schema->keys, conf_member(schema->keys, new), text,
					     sizeof(text)),
			       NULL, NULL, new);
	}
	free(taken);
	return 0;
}

static int section_diff(struct diff *d, const struct conf_key *key, const void *before,
			const void *after)
{
	const struct conf_key *name = key->type == CONF_LIST ? conf_schema_name_key(key->sub) :
							       NULL;

	d->section = key->name;
	if (name)
		named_diff(d, key->sub, name, before, after);
	else if (key->type == CONF_LIST)
		return unnamed_diff(d, key->sub, before, after);
	else if (key->type == CONF_GROUP)
		keys_diff(d, key->sub, NULL, before, after);
	else if (!conf_key_equal(key, before, after))
		report(d, CONF_CHANGED, NULL, key->name, before, after);
	return 0;
}

static const struct conf_key *find_key(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_key *key = schema->keys; key->name; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

/* A function may have been loaded since, and its section not exist in `running`. */
int conf_diff(const struct config *running, const struct config *next,
	      void (*change)(void *arg, const struct conf_change *change), void *arg)
{
	const struct conf_schema *before = config_file_of(running)->schema;
	const struct conf_schema *after = config_file_of(next)->schema;
	static const struct conf_list none;
	struct diff d = { .change = change, .arg = arg };
	const struct conf_key *other;
	int err = 0;

	for (const struct conf_key *key = before->keys; key->name && !err; key++) {
		other = find_key(after, key->name);
		err = section_diff(&d, key, conf_member(key, running),
				   other ? conf_member(other, next) : &none);
	}
	for (const struct conf_key *key = after->keys; key->name && !err; key++)
		if (!find_key(before, key->name))
			err = section_diff(&d, key, &none, conf_member(key, next));
	return err ? err : d.n;
}
