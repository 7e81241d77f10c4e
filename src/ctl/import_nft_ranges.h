/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of numbers as sorted, disjoint ranges: what one field of a packet may be. Every field that a
 * rule can ask about is a number up to some maximum (an address, a port, the place of an interface's
 * name in a list, the eight TCP flags as one byte), so that negating and intersecting conditions is
 * the same arithmetic for all of them, and exact.
 *
 * Values are immutable and live in an arena that is freed as a whole: an import runs once and ends.
 */
#ifndef VISORCTL_IMPORT_NFT_RANGES_H
#define VISORCTL_IMPORT_NFT_RANGES_H

#include <stdbool.h>
#include <stddef.h>

__extension__ typedef unsigned __int128 number;

struct range {
	number lo, hi;
};

struct ranges {
	size_t n;
	const struct range *r; /* ascending, with gaps between them */
};

struct arena {
	struct arena_chunk *chunks;
	size_t total;
};

/* Zeroed; ends the program where there is no memory, or too much of it is wanted. */
void *arena_alloc(struct arena *arena, size_t size);
void arena_free(struct arena *arena);
/* As printf() to a string of the arena. */
char *arena_print(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct ranges ranges_one(struct arena *arena, number lo, number hi);
/* Of any ranges in any order; `r` is sorted in place and kept. */
struct ranges ranges_of(struct range *r, size_t n);
struct ranges ranges_and(struct arena *arena, struct ranges a, struct ranges b);
struct ranges ranges_or(struct arena *arena, struct ranges a, struct ranges b);
/* Of 0..max all that is not in `a`. */
struct ranges ranges_not(struct arena *arena, struct ranges a, number max);

static inline bool ranges_full(struct ranges a, number max)
{
	return a.n == 1 && a.r[0].lo == 0 && a.r[0].hi == max;
}
bool ranges_equal(struct ranges a, struct ranges b);
bool ranges_have(struct ranges a, number value);

#endif
