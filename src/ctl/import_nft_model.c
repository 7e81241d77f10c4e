/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ruleset's objects by their names. What nft prints is a flat list; a thing that is not as nft
 * prints it is a mistake that ends the import, since nothing could be said for what is built on it.
 */
#include "import_nft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MAX 31536000 /* of our sets: a year */

static bool wrong(const struct import *import, size_t i, const char *kind, const char *what)
{
	fprintf(stderr, "visorctl: %s: nftables[%zu]: %s%s%s\n", import->file, i, kind,
		*kind ? ": " : "", what);
	return false;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *index_key(struct import *import, const char *kind, const char *family,
			     const char *table, const char *name)
{
	return arena_print(&import->arena, "%s\n%s\n%s\n%s", kind, family, table, name);
}

static size_t index_get(struct import *import, const char *key)
{
	const json_t *place = json_object_get(import->index, key);

	return place ? (size_t)json_integer_value(place) : (size_t)-1;
}

static bool read_chain(struct import *import, size_t i, const json_t *object)
{
	struct import_chain *chain = &import->chains[import->n_chains];
	const json_t *priority = json_object_get(object, "prio");
	const char *key;

	*chain = (struct import_chain){
		.family = text_of(object, "family"),
		.table = text_of(object, "table"),
		.name = text_of(object, "name"),
		.type = text_of(object, "type"),
		.hook = text_of(object, "hook"),
		.policy = text_of(object, "policy"),
		.priority = json_integer_value(priority),
	};
	if (!chain->family || !chain->table || !chain->name)
		return wrong(import, i, "chain", "it has no family, table or name");
	if (!chain->type != !chain->hook || (chain->type && !json_is_integer(priority)))
		return wrong(import, i, "chain", "of type, hook and prio some are missing");
	if (chain->type && !chain->policy)
		chain->policy = "accept";
	if (chain->type && strcmp(chain->policy, "accept") && strcmp(chain->policy, "drop"))
		return wrong(import, i, "chain", "its policy is neither accept nor drop");
	key = index_key(import, "chain", chain->family, chain->table, chain->name);
	if (json_object_get(import->index, key))
		return wrong(import, i, "chain", "a second one of that name");
	chain->rules = json_array();
	json_object_set_new(import->index, key, json_integer((json_int_t)import->n_chains++));
	/* the array's owner */
	json_object_set_new(import->index, arena_print(&import->arena, "rules\n%s", key),
			    (json_t *)chain->rules);
	return true;
}

/* `typeof ip saddr`, as newer nft prints it. */
static enum set_kind kind_of_expression(const json_t *expression)
{
	const json_t *payload = json_object_get(expression, "payload");
	const char *protocol = text_of(payload, "protocol"), *field = text_of(payload, "field");

	if (!protocol || !field)
		return SET_INLINE;
	if (!strcmp(field, "saddr") || !strcmp(field, "daddr"))
		return !strcmp(protocol, "ip")	? SET_ADDRESS4 :
		       !strcmp(protocol, "ip6") ? SET_ADDRESS6 :
						  SET_INLINE;
	return !strcmp(field, "sport") || !strcmp(field, "dport") ? SET_PORT : SET_INLINE;
}

static enum set_kind kind_of(const json_t *type)
{
	const char *name = json_string_value(type);

	if (!name)
		return kind_of_expression(json_object_get(type, "typeof"));
	return !strcmp(name, "ipv4_addr")    ? SET_ADDRESS4 :
	       !strcmp(name, "ipv6_addr")    ? SET_ADDRESS6 :
	       !strcmp(name, "inet_service") ? SET_PORT :
					       SET_INLINE;
}

static bool read_set(struct import *import, size_t i, const char *kind, const json_t *object)
{
	struct import_set *set = &import->sets[import->n_sets];
	const json_t *timeout = json_object_get(object, "timeout"), *flag;
	const json_t *flags = json_object_get(object, "flags");
	const char *key;
	size_t at;

	*set = (struct import_set){
		.family = text_of(object, "family"),
		.table = text_of(object, "table"),
		.name = text_of(object, "name"),
		.json = object,
		.elements = json_object_get(object, "elem"),
		.kind = kind_of(json_object_get(object, "type")),
		.map = !strcmp(kind, "map"),
	};
	if (!set->family || !set->table || !set->name)
		return wrong(import, i, kind, "it has no family, table or name");
	if (set->elements && !json_is_array(set->elements))
		return wrong(import, i, kind, "its elem is no array");
	if (timeout && (!json_is_integer(timeout) || json_integer_value(timeout) < 0))
		return wrong(import, i, kind, "its timeout is no number of seconds");
	set->timeout_s = (unsigned long)json_integer_value(timeout);
	if (set->timeout_s > TIMEOUT_MAX)
		set->timeout_s = TIMEOUT_MAX;
	set->changes = timeout != NULL;
	json_array_foreach (flags, at, flag) {
		const char *name = json_string_value(flag);

		set->changes = set->changes ||
			       (name && (!strcmp(name, "dynamic") || !strcmp(name, "timeout")));
	}
	key = index_key(import, "set", set->family, set->table, set->name);
	if (json_object_get(import->index, key))
		return wrong(import, i, kind, "a second one of that name");
	json_object_set_new(import->index, key, json_integer((json_int_t)import->n_sets++));
	return true;
}

static bool read_table(struct import *import, size_t i, const json_t *object)
{
	const json_t *flags = json_object_get(object, "flags"), *flag;
	const char *family = text_of(object, "family"), *name = text_of(object, "name");
	size_t at;

	if (!family || !name)
		return wrong(import, i, "table", "it has no family or no name");
	if (json_is_string(flags) && !strcmp(json_string_value(flags), "dormant"))
		json_object_set_new(import->asleep,
				    arena_print(&import->arena, "%s\n%s", family, name),
				    json_true());
	json_array_foreach (flags, at, flag) {
		if (json_is_string(flag) && !strcmp(json_string_value(flag), "dormant"))
			json_object_set_new(import->asleep,
					    arena_print(&import->arena, "%s\n%s", family, name),
					    json_true());
	}
	return true;
}

static bool read_limit_object(struct import *import, size_t i, const json_t *object)
{
	const char *family = text_of(object, "family"), *table = text_of(object, "table");
	const char *name = text_of(object, "name");

	if (!family || !table || !name)
		return wrong(import, i, "limit", "it has no family, table or name");
	json_object_set(import->index, index_key(import, "limit", family, table, name),
			(json_t *)object);
	return true;
}

static bool read_metainfo(struct import *import, size_t i, const json_t *object)
{
	const json_t *version = json_object_get(object, "json_schema_version");

	if (version && json_integer_value(version) != 1)
		return wrong(import, i, "metainfo", "json_schema_version 1 was expected");
	return true;
}

/* What a ruleset may also have; it counts where a rule refers to it. */
static bool is_object(const char *kind)
{
	static const char *const kinds[] = { "flowtable", "counter",	"quota",
					     "ct helper", "ct timeout", "ct expectation",
					     "secmark",	  "synproxy",	"tunnel",
					     NULL };

	for (const char *const *known = kinds; *known; known++)
		if (!strcmp(kind, *known))
			return true;
	return false;
}

static bool read_object(struct import *import, size_t i, const char *kind, const json_t *object)
{
	if (!json_is_object(object))
		return wrong(import, i, kind, "an object was expected");
	if (!strcmp(kind, "metainfo"))
		return read_metainfo(import, i, object);
	if (!strcmp(kind, "table"))
		return read_table(import, i, object);
	if (!strcmp(kind, "chain"))
		return read_chain(import, i, object);
	if (!strcmp(kind, "set") || !strcmp(kind, "map"))
		return read_set(import, i, kind, object);
	if (!strcmp(kind, "limit"))
		return read_limit_object(import, i, object);
	if (!strcmp(kind, "rule") || is_object(kind))
		return true;
	return wrong(import, i, "",
		     arena_print(&import->arena,
				 "'%s' is nothing that `nft -j list ruleset` prints",
				 import_clean(import, kind)));
}

static bool read_rule(struct import *import, size_t i, json_t *rule)
{
	const char *family = text_of(rule, "family"), *table = text_of(rule, "table");
	const char *chain = text_of(rule, "chain");
	const json_t *expr = json_object_get(rule, "expr");
	const json_t *handle = json_object_get(rule, "handle");
	size_t at;

	if (!family || !table || !chain)
		return wrong(import, i, "rule", "it has no family, table or chain");
	if (handle && !json_is_integer(handle))
		return wrong(import, i, "rule", "its handle is no number");
	if (expr && !json_is_array(expr))
		return wrong(import, i, "rule", "its expr is no array");
	at = index_get(import, index_key(import, "chain", family, table, chain));
	if (at == (size_t)-1)
		return wrong(import, i, "rule",
			     arena_print(&import->arena, "there is no chain '%s' in table %s %s",
					 import_clean(import, chain), import_clean(import, family),
					 import_clean(import, table)));
	json_array_append((json_t *)import->chains[at].rules, rule);
	return true;
}

static bool read_list(struct import *import, const json_t *list)
{
	json_t *wrapper, *object;
	const char *kind;
	size_t i;

	json_array_foreach (list, i, wrapper) {
		if (!json_is_object(wrapper) || json_object_size(wrapper) != 1)
			return wrong(import, i, "", "an object with one member was expected");
		json_object_foreach (wrapper, kind, object) {
			if (!read_object(import, i, kind, object))
				return false;
		}
	}
	json_array_foreach (list, i, wrapper) {
		object = json_object_get(wrapper, "rule");
		if (object && !read_rule(import, i, object))
			return false;
	}
	return true;
}

bool import_read(struct import *import, FILE *in)
{
	const json_t *list;
	json_error_t error;
	size_t n;

	errno = 0;
	import->root = json_loadf(in, 0, &error);
	if (!import->root && ferror(in)) {
		fprintf(stderr, "visorctl: %s: %s\n", import->file, strerror(errno ? errno : EIO));
		return false;
	}
	if (!import->root) {
		fprintf(stderr, "visorctl: %s:%d:%d: %s\n", import->file, error.line, error.column,
			error.text);
		fputs("visorctl: what `nft -j list ruleset` prints was expected\n", stderr);
		return false;
	}
	list = json_object_get(import->root, "nftables");
	if (!json_is_array(list)) {
		fprintf(stderr,
			"visorctl: %s: it has no array \"nftables\"; what `nft -j list ruleset` "
			"prints was expected\n",
			import->file);
		return false;
	}
	n = json_array_size(list);
	import->index = json_object();
	import->ifaces = json_array();
	import->iface_index = json_object();
	import->asleep = json_object();
	import->told = json_object();
	import->uses = json_object();
	import->chains = arena_alloc(&import->arena, (n + 1) * sizeof(*import->chains));
	import->sets = arena_alloc(&import->arena, (n + 1) * sizeof(*import->sets));
	import->instances = arena_alloc(&import->arena, (n + 1) * sizeof(*import->instances));
	return read_list(import, list);
}

void import_forget(struct import *import)
{
	for (size_t i = 0; i < import->n_instances; i++) {
		json_decref(import->instances[i].names);
		json_decref(import->instances[i].set_names);
		free(import->instances[i].items);
	}
	free(import->notes);
	json_decref(import->uses);
	json_decref(import->told);
	json_decref(import->asleep);
	json_decref(import->iface_index);
	json_decref(import->port_names);
	json_decref(import->ifaces);
	json_decref(import->index);
	json_decref(import->root);
	arena_free(&import->arena);
}

struct import_chain *import_find_chain(struct import *import, const struct place *place,
				       const char *name)
{
	size_t at =
		index_get(import, index_key(import, "chain", place->family, place->table, name));

	return at == (size_t)-1 ? NULL : &import->chains[at];
}

struct import_set *import_find_set(struct import *import, const struct place *place,
				   const char *name)
{
	size_t at = index_get(import, index_key(import, "set", place->family, place->table, name));

	return at == (size_t)-1 ? NULL : &import->sets[at];
}
