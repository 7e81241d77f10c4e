/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration language's common ground: the arena, and structs compared by their tables. See
 * conf_impl.h for the other parts.
 */
#include "conf_impl.h"

#include <stdlib.h>
#include <string.h>

struct block {
	struct block *next;
	max_align_t data[];
};

struct conf_arena {
	struct block *blocks;
	bool failed;
};

struct conf_arena *conf_arena_new(void)
{
	return calloc(1, sizeof(struct conf_arena));
}

void conf_arena_free(struct conf_arena *arena)
{
	struct block *next;

	if (!arena)
		return;
	for (struct block *block = arena->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

bool conf_arena_failed(const struct conf_arena *arena)
{
	return arena->failed;
}

void *conf_arena_alloc(struct conf_arena *arena, size_t size)
{
	struct block *block = calloc(1, sizeof(*block) + size);

	if (!block) {
		arena->failed = true;
		return NULL;
	}
	block->next = arena->blocks;
	arena->blocks = block;
	return block->data;
}

char *conf_arena_strdup(struct conf_arena *arena, const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = conf_arena_alloc(arena, n);

	return copy ? memcpy(copy, s, n) : NULL;
}

const char *conf_changed_key(const struct conf_schema *schema, const void *a, const void *b)
{
	for (const struct conf_key *key = schema->keys; key->name; key++)
		if (!conf_key_equal(key, conf_member(key, a), conf_member(key, b)))
			return key->name;
	return NULL;
}

bool conf_equal(const struct conf_schema *schema, const void *a, const void *b)
{
	return !conf_changed_key(schema, a, b);
}

const struct conf_key *conf_schema_name_key(const struct conf_schema *schema)
{
	for (const struct conf_key *key = schema->keys; key->name; key++)
		if (key->type == CONF_NAME && key->unique)
			return key;
	return NULL;
}
