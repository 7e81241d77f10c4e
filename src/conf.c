/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration language's common ground: the arena, structs compared by their tables, and the
 * guess at what a misspelt word was meant to be. See conf_impl.h for the other parts.
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

#define WORD_MAX 40

/*
 * Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours,
 * the four ways in which fingers err (Damerau, CACM 7(3), 1964). Words are short, so the plain
 * quadratic table is the right algorithm.
 */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return WORD_MAX;
	for (unsigned i = 0; i <= na; i++) {
		for (unsigned j = 0; j <= nb; j++) {
			unsigned cost, best;

			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			cost = a[i - 1] != b[j - 1];
			best = d[i - 1][j - 1] + cost;
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[na][nb];
}

const char *conf_suggest(const char *word, const char *(*next)(void *arg, unsigned i), void *arg)
{
	const char *candidate, *best = NULL;
	unsigned nearest = 1 + (unsigned)strlen(word) / 4; /* more than that is another word */

	for (unsigned i = 0; (candidate = next(arg, i)); i++) {
		unsigned distance = edit_distance(word, candidate);

		if (distance < strlen(candidate) &&
		    (distance < nearest || (distance == nearest && !best))) {
			nearest = distance;
			best = candidate;
		}
	}
	return best;
}
