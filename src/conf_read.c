/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libconfig's tree into structs, by the tables: groups, lists, defaults. A mistake leaves the member
 * at its default, so that reading goes on to the next one; the caller throws everything away in the
 * end where there was any.
 */
#include <stdlib.h>
#include <string.h>

#include "conf_reader.h"
#include "suggest.h"

static void group_read(struct conf_reader *r, const struct conf_schema *schema,
		       const config_setting_t *group, const struct conf_where *where, void *out);

struct named {
	const char *name;
	const struct conf_where *where;
};

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int names = strcmp(x->name, y->name);

	return names ? names : (x->where > y->where) - (x->where < y->where);
}

/* Items lie in the order of the file, so the first of two equal names is the earlier one. */
static void names_check(struct conf_reader *r, const struct conf_key *name,
			const struct conf_schema *schema, const struct conf_list *list)
{
	struct named *names = calloc(list->n + 1, sizeof(*names));
	unsigned n = 0;

	for (unsigned i = 0; names && i < list->n; i++) {
		const char *item = (const char *)list->item + i * schema->size;

		names[n].where = (const struct conf_where *)item;
		names[n].name = *(const char *const *)(item + name->offset);
		n += names[n].name != NULL;
	}
	if (n)
		qsort(names, n, sizeof(*names), named_compare);
	for (unsigned i = 1; i < n; i++) {
		const struct named *first = &names[i - 1], *second = &names[i];

		if (strcmp(first->name, second->name))
			continue;
		conf_error_at(r->errors, second->where, (const char *)second->where + name->offset,
			      "%s \"%s\": another %s has this %s already, on line %d", schema->name,
			      second->name, schema->name, name->name, first->where->line);
	}
	free(names);
}

static void list_read(struct conf_reader *r, const struct conf_object *object,
		      const struct conf_key *key, const config_setting_t *setting,
		      struct conf_list *value)
{
	bool one = config_setting_is_group(setting);
	unsigned n = one			     ? 1 :
		     config_setting_is_list(setting) ? (unsigned)config_setting_length(setting) :
						       0;
	const config_setting_t *item;
	struct conf_where where;

	if (!one && !config_setting_is_list(setting)) {
		conf_wrong_type(r, object, key, setting);
		return;
	}
	if (!conf_count_fits(r, object, key, setting, n))
		return;
	value->item = conf_arena_alloc(r->arena, (n + CONF_LIST_SPARE) * key->sub->size);
	for (unsigned i = 0; value->item && i < n; i++) {
		item = one ? setting : config_setting_get_elem(setting, i);
		if (!config_setting_is_group(item)) {
			conf_wrong_type(r, object, key, item);
			continue;
		}
		where = conf_setting_where(r, item);
		group_read(r, key->sub, item, &where,
			   (char *)value->item + value->n++ * key->sub->size);
	}
	for (const struct conf_key *name = key->sub->keys; name->name; name++)
		if (name->type == CONF_NAME && name->unique)
			names_check(r, name, key->sub, value);
}

static void key_read(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting)
{
	void *member = (char *)object->out + key->offset;
	struct conf_where where = conf_setting_where(r, setting);

	if (key->type != CONF_GROUP)
		conf_errors_place(r->errors, member, &where);
	switch (key->type) {
	case CONF_GROUP:
		if (config_setting_is_group(setting))
			group_read(r, key->sub, setting, &where, member);
		else
			conf_wrong_type(r, object, key, setting);
		break;
	case CONF_LIST: list_read(r, object, key, setting, member); break;
	default: conf_value_read(r, object, key, setting, member); break;
	}
}

/* Defaults are our own text: one that does not parse is a mistake of ours, found by the tests. */
static unsigned default_parts(char *text, char **parts, unsigned room)
{
	unsigned n = 0;
	char *save;

	for (char *part = strtok_r(text, ", ", &save); part && n < room;
	     part = strtok_r(NULL, ", ", &save))
		parts[n++] = part;
	return n;
}

static void default_array(struct conf_reader *r, const struct conf_key *key, void *member)
{
	char *parts[16], *text = conf_arena_strdup(r->arena, key->dflt);
	unsigned n = text ? default_parts(text, parts, 16) : 0;
	struct conf_strings *strings = member;
	struct conf_ints *ints = member;

	if (key->type == CONF_INTS) {
		ints->value = conf_arena_alloc(r->arena, n * sizeof(*ints->value));
		for (unsigned i = 0; ints->value && i < n; i++)
			ints->n += conf_int_parse(parts[i], &ints->value[i]);
	} else {
		strings->value = conf_arena_alloc(r->arena, n * sizeof(*strings->value));
		for (unsigned i = 0; strings->value && i < n; i++)
			strings->value[strings->n++] = parts[i];
	}
}

static void key_default(struct conf_reader *r, const struct conf_key *key, void *member)
{
	static const struct conf_where nowhere;
	bool host_bits;

	if (key->type == CONF_GROUP) {
		group_read(r, key->sub, NULL, &nowhere, member);
		return;
	}
	if (!key->dflt)
		return;
	switch (key->type) {
	case CONF_BOOL: conf_bool_parse(key->dflt, member); break;
	case CONF_INT: conf_int_parse(key->dflt, member); break;
	case CONF_STRING:
	case CONF_NAME: *(const char **)member = conf_arena_strdup(r->arena, key->dflt); break;
	case CONF_ENUM: conf_enum_parse(key->choices, key->dflt, member); break;
	case CONF_ADDRESS: conf_address_parse(key->dflt, member); break;
	case CONF_PREFIX: conf_prefix_parse(key->dflt, member, &host_bits); break;
	default: default_array(r, key, member); break;
	}
}

/* An object is called by its name, or by the first of its keys where that must be there:
 * `route "10.0.0.0/8"`. */
static void label_set(struct conf_object *object, const config_setting_t *group)
{
	const struct conf_key *key = conf_schema_name_key(object->schema);
	const config_setting_t *name;

	if (!key && object->schema->keys->required)
		key = object->schema->keys;
	name = group && key ? config_setting_get_member(group, key->name) : NULL;
	if (name && config_setting_type(name) == CONFIG_TYPE_STRING &&
	    *config_setting_get_string(name))
		snprintf(object->label, sizeof(object->label), "%s \"%.60s\"", object->schema->name,
			 config_setting_get_string(name));
	else
		snprintf(object->label, sizeof(object->label), "%s", object->schema->name);
}

static const struct conf_key *key_find(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_key *key = schema->keys; key->name; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

static const char *next_key(void *arg, unsigned i)
{
	return ((const struct conf_schema *)arg)->keys[i].name;
}

static const char *key_suggest(const struct conf_schema *schema, const config_setting_t *setting)
{
	return suggest_from(config_setting_name(setting), next_key, (void *)schema);
}

static bool is_duplicate(const config_setting_t *setting)
{
	return !strncmp(config_setting_name(setting), CONF_DUPLICATE_PREFIX,
			strlen(CONF_DUPLICATE_PREFIX));
}

/* Does `key` stand in the group, rightly spelt or not? Misspelt, that is the one mistake to tell. */
static bool key_attempted(const struct conf_schema *schema, const config_setting_t *group,
			  const struct conf_key *key)
{
	if (!group)
		return false;
	if (config_setting_get_member(group, key->name))
		return true;
	for (unsigned i = 0; i < (unsigned)config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, i);
		const char *meant;

		if (is_duplicate(setting) || key_find(schema, config_setting_name(setting)))
			continue;
		meant = key_suggest(schema, setting);
		if (meant && !strcmp(meant, key->name))
			return true;
	}
	return false;
}

static void unknown_key(struct conf_reader *r, const struct conf_object *object,
			const config_setting_t *setting)
{
	const char *name = config_setting_name(setting);
	const char *meant = key_suggest(object->schema, setting);
	struct conf_where where = conf_setting_where(r, setting);
	const char *in = *object->label ? " in " : "";
	char known[512] = "";
	size_t n = 0;

	if (meant) {
		conf_error(r->errors, &where, "unknown key \"%.60s\"%s%s; did you mean \"%s\"?",
			   name, in, object->label, meant);
		return;
	}
	for (const struct conf_key *key = object->schema->keys; key->name && n < sizeof(known);
	     key++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "",
				      key->name);
	conf_error(r->errors, &where, "unknown key \"%.60s\"%s%s; expected one of: %s", name, in,
		   object->label, known);
}

/* `where` with a line: a group that the file has, or that stands for one, so what is required must
 * be there. */
static void group_read(struct conf_reader *r, const struct conf_schema *schema,
		       const config_setting_t *group, const struct conf_where *where, void *out)
{
	struct conf_object object = { .schema = schema, .out = out };
	unsigned before = conf_errors_total(r->errors);
	const struct conf_key *key;

	memset(out, 0, schema->size); /* a group holds its defaults already */
	*(struct conf_where *)out = *where;
	label_set(&object, group);
	for (key = schema->keys; key->name; key++)
		key_default(r, key, (char *)out + key->offset);
	for (unsigned i = 0; group && i < (unsigned)config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, i);

		if (is_duplicate(setting))
			continue;
		key = key_find(schema, config_setting_name(setting));
		if (key)
			key_read(r, &object, key, setting);
		else
			unknown_key(r, &object, setting);
	}
	for (key = schema->keys; key->name; key++)
		if (key->required && where->line && !key_attempted(schema, group, key))
			conf_error(r->errors, where, "%s%s\"%s\" is missing: %s", object.label,
				   *object.label ? ": " : "", key->name, key->doc);
	if (conf_errors_total(r->errors) != before)
		conf_errors_mark(r->errors, out);
}

/* What libconfig refused, with the text of the line, which says more than "syntax error". */
static void syntax_error(const config_t *tree, const struct conf_text *text,
			 struct conf_errors *errors)
{
	const char *line = text->data, *end;
	int number = config_error_line(tree);

	for (int i = 1; i < number && line; i++) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	line = line ? line + strspn(line, " \t") : "";
	end = strchrnul(line, '\n');
	if (line == end)
		conf_error(errors, conf_text_where(text, (unsigned)number),
			   "%s, here or just before", config_error_text(tree));
	else
		conf_error(errors, conf_text_where(text, (unsigned)number),
			   "%s, here or just before: %.*s", config_error_text(tree),
			   (int)(end - line > 60 ? 60 : end - line), line);
}

bool conf_text_read(const struct conf_text *text, const struct conf_schema *schema, void *out,
		    struct conf_arena *arena, struct conf_errors *errors)
{
	struct conf_reader r = { text, arena, errors };
	struct conf_where where;
	config_t tree;
	bool ok;

	config_init(&tree);
	ok = config_read_string(&tree, text->data) == CONFIG_TRUE;
	if (ok) {
		where = *conf_text_where(text, 1);
		group_read(&r, schema, config_root_setting(&tree), &where, out);
	} else {
		syntax_error(&tree, text, errors);
	}
	config_destroy(&tree);
	return ok;
}

void conf_defaults_read(const struct conf_schema *schema, const struct conf_where *where, void *out,
			struct conf_arena *arena, struct conf_errors *errors)
{
	struct conf_reader r = { NULL, arena, errors };

	group_read(&r, schema, NULL, where, out);
}

/* The arena stands before the struct, for conf_struct_free(). */
struct parsed {
	struct conf_arena *arena;
	max_align_t filled[];
};

void *conf_struct_parse(const struct conf_schema *schema, const char *text,
			struct conf_errors *errors)
{
	struct conf_arena *arena = conf_arena_new();
	unsigned before = conf_errors_total(errors);
	struct parsed *parsed = arena ? conf_arena_alloc(arena, sizeof(*parsed) + schema->size) :
					NULL;
	struct conf_text whole;
	bool ok = false;

	if (parsed) {
		parsed->arena = arena;
		ok = conf_text_set(&whole, schema->name, text, arena, errors) &&
		     conf_text_read(&whole, schema, parsed->filled, arena, errors);
		conf_text_free(&whole);
	}
	conf_errors_forget_places(errors);
	if (ok && conf_errors_total(errors) == before && !conf_arena_failed(arena))
		return parsed->filled;
	conf_arena_free(arena);
	return NULL;
}

void conf_struct_free(void *filled)
{
	if (filled)
		conf_arena_free(
			((struct parsed *)((char *)filled - offsetof(struct parsed, filled)))
				->arena);
}
