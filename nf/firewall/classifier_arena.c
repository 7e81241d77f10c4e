/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An allocator of cache lines with a list of free pieces for each size.
 *
 * Nodes and leaves have few different sizes and a classifier under change has about as many of each as
 * it had before, so lists by size with no joining of neighbours keep the holes small. Up to 64 lines
 * each number of lines is a size, beyond that four steps to a doubling. A size whose list is empty takes
 * from the untouched end.
 *
 * The range of addresses is reserved at once and opened step by step, so that the base never moves under
 * a reader. Transparent huge pages are asked for. A retired piece is not written to before the grace
 * period is over: the list of those is an array elsewhere.
 */
#include "classifier_arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <urcu-qsbr.h>

#define RESERVE_MAX ((size_t)4 << 30)
#define RESERVE_MIN ((size_t)1 << 26)
#define STEP ((size_t)2 << 20) /* one huge page */
#define EXACT 64u

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* The size class of a number of lines; @lines becomes what the class holds. */
static unsigned int class_of(uint32_t *lines)
{
	unsigned int log, step;

	if (*lines <= EXACT)
		return *lines;
	log = 31 - (unsigned int)__builtin_clz(*lines - 1);
	step = (*lines - 1 - (1u << log)) >> (log - 2);
	*lines = (1u << log) + ((step + 1) << (log - 2));
	return EXACT + 1 + (log - 6) * 4 + step;
}

static uint8_t *reserve(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes + STEP, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *aligned;

	if (p == MAP_FAILED)
		return NULL;
	aligned = (uint8_t *)round_up((uintptr_t)p, STEP);
	if (aligned > p)
		munmap(p, (size_t)(aligned - p));
	munmap(aligned + bytes, (size_t)(p + STEP - aligned));
	return aligned;
}

static bool arena_open(struct classifier_arena *a, size_t lines)
{
	size_t want = round_up(lines * CLASSIFIER_LINE, STEP);

	if (want <= a->mapped)
		return true;
	if (want > a->reserved || mprotect(a->base, want, PROT_READ | PROT_WRITE))
		return false;
	a->mapped = want;
	return true;
}

int classifier_arena_init(struct classifier_arena *a, uint32_t fixed)
{
	memset(a, 0, sizeof(*a));
	for (a->reserved = RESERVE_MAX; a->reserved >= RESERVE_MIN; a->reserved /= 2) {
		a->base = reserve(a->reserved);
		if (a->base)
			break;
	}
	if (!a->base)
		return -ENOMEM;
	(void)madvise(a->base, a->reserved, MADV_HUGEPAGE);
	if (!arena_open(a, fixed)) {
		classifier_arena_fini(a);
		return -ENOMEM;
	}
	a->top = a->fixed = fixed;
	return 0;
}

void classifier_arena_reset(struct classifier_arena *a)
{
	if (a->limbo_n)
		return; /* readers may be in what was there before */
	memset(a->free_head, 0, sizeof(a->free_head));
	a->top = a->fixed;
	a->used = 0;
}

void classifier_arena_fini(struct classifier_arena *a)
{
	if (a->base)
		munmap(a->base, a->reserved);
	free(a->limbo);
	a->base = NULL;
	a->limbo = NULL;
}

static uint32_t *link_of(const struct classifier_arena *a, uint32_t line)
{
	return classifier_arena_at(a, line);
}

uint32_t classifier_arena_alloc(struct classifier_arena *a, uint32_t lines)
{
	unsigned int class = class_of(&lines);
	uint32_t line = a->free_head[class];

	if (line) {
		a->free_head[class] = *link_of(a, line);
	} else {
		if (!arena_open(a, (size_t)a->top + lines))
			return 0;
		line = a->top;
		a->top += lines;
	}
	a->used += lines;
	return line;
}

void classifier_arena_release(struct classifier_arena *a, uint32_t line, uint32_t lines)
{
	unsigned int class = class_of(&lines);

	*link_of(a, line) = a->free_head[class];
	a->free_head[class] = line;
	a->used -= lines;
}

static bool limbo_room(struct classifier_arena *a)
{
	size_t room = a->limbo_room ? 2 * a->limbo_room : 1024;
	struct classifier_piece *p;

	if (a->limbo_n < a->limbo_room)
		return true;
	p = realloc(a->limbo, room * sizeof(*p));
	if (!p)
		return false;
	a->limbo = p;
	a->limbo_room = room;
	return true;
}

void classifier_arena_retire(struct classifier_arena *a, uint32_t line, uint32_t lines)
{
	if (!limbo_room(a)) {
		synchronize_rcu();
		classifier_arena_release(a, line, lines);
		return;
	}
	a->limbo[a->limbo_n++] = (struct classifier_piece){ line, lines };
	a->limbo_lines += lines;
}

void classifier_arena_reclaim(struct classifier_arena *a)
{
	if (!a->limbo_n)
		return;
	synchronize_rcu();
	for (size_t i = 0; i < a->limbo_n; i++)
		classifier_arena_release(a, a->limbo[i].line, a->limbo[i].lines);
	a->limbo_n = 0;
	a->limbo_lines = 0;
}
