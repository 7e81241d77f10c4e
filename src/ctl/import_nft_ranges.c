/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers as ranges. See import_nft_ranges.h. */
#include "import_nft_ranges.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

#define CHUNK ((size_t)1 << 16)
#define ARENA_MAX ((size_t)1 << 31)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	_Alignas(16) char data[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	void *memory;

	size = (size + 15) & ~(size_t)15;
	if (!chunk || size > chunk->size - chunk->used) {
		size_t room = size > CHUNK ? size : CHUNK;

		if (room > ARENA_MAX - arena->total)
			errx(OUTCOME_REFUSED, "the ruleset needs more than 2 GiB of memory");
		chunk = calloc(1, sizeof(*chunk) + room);
		if (!chunk)
			err(OUTCOME_REFUSED, "import");
		arena->total += room;
		chunk->size = room;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	memory = chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

void arena_free(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
}

char *arena_print(struct arena *arena, const char *format, ...)
{
	char *made = NULL, *text;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&made, format, args);
	va_end(args);
	if (len < 0)
		err(OUTCOME_REFUSED, "import");
	text = arena_alloc(arena, (size_t)len + 1);
	memcpy(text, made, (size_t)len);
	free(made);
	return text;
}

struct ranges ranges_one(struct arena *arena, number lo, number hi)
{
	struct range *r = arena_alloc(arena, sizeof(*r));

	*r = (struct range){ lo, hi };
	return (struct ranges){ 1, r };
}

static int compare(const void *a, const void *b)
{
	const struct range *one = a, *other = b;

	return (one->lo > other->lo) - (one->lo < other->lo);
}

struct ranges ranges_of(struct range *r, size_t n)
{
	size_t used = 0;

	if (n > 1)
		qsort(r, n, sizeof(*r), compare);
	for (size_t i = 0; i < n; i++) {
		struct range *last = used ? &r[used - 1] : NULL;

		if (last && (r[i].lo <= last->hi || r[i].lo == last->hi + 1))
			last->hi = r[i].hi > last->hi ? r[i].hi : last->hi;
		else
			r[used++] = r[i];
	}
	return (struct ranges){ used, r };
}

struct ranges ranges_and(struct arena *arena, struct ranges a, struct ranges b)
{
	struct range *r = arena_alloc(arena, (a.n + b.n) * sizeof(*r));
	size_t n = 0;

	for (size_t i = 0, j = 0; i < a.n && j < b.n;) {
		number lo = a.r[i].lo > b.r[j].lo ? a.r[i].lo : b.r[j].lo;
		number hi = a.r[i].hi < b.r[j].hi ? a.r[i].hi : b.r[j].hi;

		if (lo <= hi)
			r[n++] = (struct range){ lo, hi };
		if (a.r[i].hi < b.r[j].hi)
			i++;
		else
			j++;
	}
	return (struct ranges){ n, r };
}

struct ranges ranges_or(struct arena *arena, struct ranges a, struct ranges b)
{
	struct range *r = arena_alloc(arena, (a.n + b.n) * sizeof(*r));
	size_t n = 0;

	for (size_t i = 0; i < a.n; i++)
		r[n++] = a.r[i];
	for (size_t i = 0; i < b.n; i++)
		r[n++] = b.r[i];
	return ranges_of(r, n);
}

struct ranges ranges_not(struct arena *arena, struct ranges a, number max)
{
	struct range *r = arena_alloc(arena, (a.n + 1) * sizeof(*r));
	number next = 0;
	size_t n = 0;

	for (size_t i = 0; i < a.n; i++) {
		if (a.r[i].lo > next)
			r[n++] = (struct range){ next, a.r[i].lo - 1 };
		if (a.r[i].hi >= max)
			return (struct ranges){ n, r };
		next = a.r[i].hi + 1;
	}
	r[n++] = (struct range){ next, max };
	return (struct ranges){ n, r };
}

bool ranges_equal(struct ranges a, struct ranges b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n && a.r != b.r; i++)
		if (a.r[i].lo != b.r[i].lo || a.r[i].hi != b.r[i].hi)
			return false;
	return true;
}

bool ranges_have(struct ranges a, number value)
{
	for (size_t i = 0; i < a.n && a.r[i].lo <= value; i++)
		if (value <= a.r[i].hi)
			return true;
	return false;
}
