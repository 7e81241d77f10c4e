/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole configuration: read, checked, printed, freed. The functions' sections are lists of the
 * file like any other: their tables are put together with the engine's into one schema, to which
 * each function's instances get a `name`.
 */
#include "config_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNED(size) (((size) + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1))

static unsigned count_ops(const struct nf_ops *const *ops)
{
	unsigned n = 0;

	while (ops[n])
		n++;
	return n;
}

static unsigned count_keys(const struct conf_schema *schema)
{
	unsigned n = 0;

	while (schema && schema->keys[n].name)
		n++;
	return n;
}

static bool has_key(const struct conf_schema *schema, const char *name)
{
	for (unsigned i = 0; i < count_keys(schema); i++)
		if (!strcmp(schema->keys[i].name, name))
			return true;
	return false;
}

/* The function's own struct, and behind it the instance's name. */
static const struct conf_schema *section_compose(struct conf_arena *arena, const struct nf_ops *ops)
{
	size_t own = ops->schema ? ops->schema->size : sizeof(struct conf_where);
	struct conf_schema *schema = conf_arena_alloc(arena, sizeof(*schema));
	unsigned n = count_keys(ops->schema);
	struct conf_key *keys = conf_arena_alloc(arena, (n + 2) * sizeof(*keys));

	if (!schema || !keys)
		return NULL;
	assert(!has_key(ops->schema, "name"));
	keys[0] = (struct conf_key){
		.name = "name",
		.type = CONF_NAME,
		.unique = true,
		.offset = ALIGNED(own),
		.dflt = "default",
		.doc = "the instance's name, for chains: \"FUNCTION:NAME\"",
	};
	if (n)
		memcpy(&keys[1], ops->schema->keys, n * sizeof(*keys));
	schema->name = ops->name;
	schema->size = ALIGNED(own) + sizeof(max_align_t);
	schema->keys = keys;
	return schema;
}

const struct conf_schema *config_schema_compose(struct conf_arena *arena,
						const struct nf_ops *const *ops)
{
	unsigned n = count_ops(ops), n_keys = count_keys(&conf_file_schema);
	struct conf_schema *schema = conf_arena_alloc(arena, sizeof(*schema));
	struct conf_key *keys = conf_arena_alloc(arena, (n_keys + n + 1) * sizeof(*keys));
	size_t base = offsetof(struct config_file, sections) - offsetof(struct config_file, config);

	if (!schema || !keys)
		return NULL;
	memcpy(keys, conf_file_schema.keys, n_keys * sizeof(*keys));
	for (unsigned i = 0; i < n; i++) {
		keys[n_keys + i] = (struct conf_key){
			.name = ops[i]->name,
			.type = CONF_LIST,
			.doc = ops[i]->doc,
			.offset = base + i * sizeof(struct conf_list),
			.sub = section_compose(arena, ops[i]),
		};
		if (!keys[n_keys + i].sub)
			return NULL;
	}
	schema->name = conf_file_schema.name;
	schema->size = base + n * sizeof(struct conf_list);
	schema->keys = keys;
	return schema;
}

const struct conf_schema *config_section_schema(const struct config_file *file, unsigned i)
{
	return file->schema->keys[count_keys(&conf_file_schema) + i].sub;
}

static struct config_file *file_new(const struct nf_ops *const *ops)
{
	struct conf_arena *arena = conf_arena_new();
	struct config_file *file = NULL;

	if (arena)
		file = conf_arena_alloc(arena,
					sizeof(*file) + count_ops(ops) * sizeof(file->sections[0]));
	if (!file) {
		conf_arena_free(arena);
		return NULL;
	}
	file->arena = arena;
	file->ops = ops;
	file->schema = config_schema_compose(arena, ops);
	return file;
}

static void file_read(struct config_file *file, const char *path, struct conf_errors *errors)
{
	struct conf_text text;

	if (conf_text_load(&text, path, file->arena, errors) &&
	    conf_text_read(&text, file->schema, &file->config, file->arena, errors)) {
		config_rules_engine(&file->config, errors);
		config_rules_routes(&file->config, errors);
		config_rules_chains(file, errors);
		config_rules_functions(file, errors);
	}
	conf_text_free(&text);
	conf_errors_forget_places(errors);
	if (conf_arena_failed(file->arena))
		conf_error(errors, &(struct conf_where){ path, 0 }, "out of memory");
}

struct config *conf_read_with(const char *path, const struct nf_ops *const *functions,
			      struct conf_errors *errors)
{
	unsigned before = conf_errors_total(errors);
	struct config_file *file = file_new(functions);

	if (!file || !file->schema)
		conf_error(errors, NULL, "%s: out of memory", path);
	else
		file_read(file, path, errors);
	if (conf_errors_total(errors) == before) {
		config_fallback_settle(&file->config);
		return &file->config;
	}
	if (file)
		conf_arena_free(file->arena);
	return NULL;
}

void conf_free(struct config *config)
{
	if (config)
		conf_arena_free(config_file_of(config)->arena);
}

bool config_ref_split(const char *ref, char name[32], char instance[32])
{
	const char *colon = strchrnul(ref, ':');
	size_t n = (size_t)(colon - ref);

	if (!n || n > 31 || strlen(colon) > 32)
		return false;
	memcpy(name, ref, n);
	name[n] = '\0';
	strcpy(instance, *colon ? colon + 1 : "default");
	return conf_name_valid(name) && conf_name_valid(instance);
}

const struct function_config *conf_function(const struct config *c, const char *ref)
{
	char name[32], instance[32];

	if (!config_ref_split(ref, name, instance))
		return NULL;
	for (unsigned i = 0; i < c->n_functions; i++)
		if (!strcmp(c->functions[i].ops->name, name) &&
		    !strcmp(c->functions[i].name, instance))
			return &c->functions[i];
	return NULL;
}

char *conf_print(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	conf_struct_print(out, config_file_of(config)->schema, config, 0);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

json_t *conf_json(const struct config *config)
{
	return conf_struct_json(config_file_of(config)->schema, config);
}

char *conf_reference_with(const struct nf_ops *const *functions, bool troff)
{
	struct conf_arena *arena = conf_arena_new();
	const struct conf_schema *schema = arena ? config_schema_compose(arena, functions) : NULL;
	char *text = NULL;
	size_t size;
	FILE *out = schema ? open_memstream(&text, &size) : NULL;

	if (out) {
		conf_schema_reference(out, schema, troff);
		if (fclose(out)) {
			free(text);
			text = NULL;
		}
	}
	conf_arena_free(arena);
	return text;
}
