/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buddy allocator for the nodes of a longest-prefix-match table.
 *
 * Why not malloc: a lookup is one or two cache misses, so a node must start on a cache line, a reference
 * to it must fit into 32 bits beside its format, and all of them should lie in a few huge pages. Nodes
 * have only five sizes, 1, 2, 4, 8 and 16 lines; buddies of those sizes keep the holes usable while the
 * table churns.
 *
 * One range of addresses is reserved without access and opened step by step from its start, so that the
 * base never moves under a reader and a table costs what it uses. Huge pages are asked for with
 * MADV_HUGEPAGE and not taken from the hugetlb pool: that one is the administrator's, for packet memory.
 *
 * A block is live, retired or free. Retired means unreachable for new readers but perhaps in use by one
 * that began earlier; it becomes free after synchronize_rcu(). The lists run through an array beside the
 * blocks, so retiring needs no memory and never touches a line that a reader may be in.
 */
#include "lpm_arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <urcu-qsbr.h>

#if defined(__SANITIZE_ADDRESS__)
#define LPM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LPM_ASAN 1
#endif
#endif

#ifdef LPM_ASAN
#include <sanitizer/asan_interface.h>
#define lpm_poison(p, n) __asan_poison_memory_region(p, n)
#define lpm_unpoison(p, n) __asan_unpoison_memory_region(p, n)
#else
#define lpm_poison(p, n) ((void)(p), (void)(n))
#define lpm_unpoison(p, n) ((void)(p), (void)(n))
#endif

#define RESERVE_MAX ((size_t)1 << 30) /* 2^24 lines */
#define RESERVE_MIN ((size_t)1 << 24)
#define STEP ((size_t)2 << 20) /* one huge page */
#define SUPER (1u << LPM_ORDER_MAX)

enum block_state { BLOCK_LIVE, BLOCK_FREE, BLOCK_RETIRED };

struct lpm_block {
	uint32_t next;
	uint32_t prev;
	uint8_t state; /* of the block that starts at this line */
	uint8_t order;
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes + STEP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	uint8_t *start = p;
	uint8_t *aligned;

	if (p == MAP_FAILED)
		return NULL;
	aligned = (uint8_t *)round_up((uintptr_t)start, STEP);
	if (aligned > start)
		munmap(start, (size_t)(aligned - start));
	munmap(aligned + bytes, (size_t)(start + STEP - aligned));
	return aligned;
}

static size_t block_reserved(const struct lpm_arena *a)
{
	return round_up(a->reserved / LPM_LINE * sizeof(struct lpm_block), STEP);
}

/* Opens the range up to @line lines. @return false when there is no memory for it. */
static bool arena_open(struct lpm_arena *a, size_t lines)
{
	size_t want = round_up(lines * LPM_LINE, STEP);
	size_t want_block = round_up(want / LPM_LINE * sizeof(struct lpm_block), 4096);

	if (want <= a->mapped)
		return true;
	if (want > a->reserved)
		return false;
	if (want_block > a->block_mapped) {
		if (mprotect(a->block, want_block, PROT_READ | PROT_WRITE))
			return false;
		a->block_mapped = want_block;
	}
	if (mprotect(a->base, want, PROT_READ | PROT_WRITE))
		return false;
	a->mapped = want;
	return true;
}

int lpm_arena_init(struct lpm_arena *a, uint32_t fixed_lines)
{
	memset(a, 0, sizeof(*a));
	a->limit = SIZE_MAX;
	for (a->reserved = RESERVE_MAX; a->reserved >= RESERVE_MIN; a->reserved /= 2) {
		a->base = reserve(a->reserved);
		if (!a->base)
			continue;
		a->block = reserve(block_reserved(a));
		if (a->block)
			break;
		munmap(a->base, a->reserved);
		a->base = NULL;
	}
	if (!a->base)
		return -ENOMEM;
	/* A kernel without transparent huge pages refuses: then they are small. */
	(void)madvise(a->base, a->reserved, MADV_HUGEPAGE);
	a->fixed = (uint32_t)round_up(fixed_lines, SUPER);
	if (!arena_open(a, a->fixed)) {
		lpm_arena_fini(a);
		return -ENOMEM;
	}
	a->top = a->fixed;
	return 0;
}

void lpm_arena_fini(struct lpm_arena *a)
{
	if (!a->base)
		return;
	lpm_unpoison(a->base, a->mapped);
	munmap(a->base, a->reserved);
	munmap(a->block, block_reserved(a));
	a->base = NULL;
	a->block = NULL;
}

static void list_push(struct lpm_arena *a, uint32_t line, unsigned int order)
{
	struct lpm_block *b = &a->block[line];

	b->state = BLOCK_FREE;
	b->order = (uint8_t)order;
	b->prev = 0;
	b->next = a->free_head[order];
	if (b->next)
		a->block[b->next].prev = line;
	a->free_head[order] = line;
}

static void list_remove(struct lpm_arena *a, uint32_t line)
{
	struct lpm_block *b = &a->block[line];

	if (b->prev)
		a->block[b->prev].next = b->next;
	else
		a->free_head[b->order] = b->next;
	if (b->next)
		a->block[b->next].prev = b->prev;
	b->state = BLOCK_LIVE;
}

/* Frees a block and joins it with its buddy for as long as that one is free and whole. */
static void block_free(struct lpm_arena *a, uint32_t line, unsigned int order)
{
	while (order < LPM_ORDER_MAX) {
		uint32_t buddy = line ^ (1u << order);

		if (a->block[buddy].state != BLOCK_FREE || a->block[buddy].order != order)
			break;
		list_remove(a, buddy);
		a->block[line].state = BLOCK_LIVE;
		line &= ~(1u << order);
		order++;
	}
	list_push(a, line, order);
}

/* An empty arena starts again at its beginning and gives its pages back. */
static void arena_rewind(struct lpm_arena *a)
{
	size_t keep = round_up((size_t)a->fixed * LPM_LINE, 4096);
	size_t end = (size_t)a->top * LPM_LINE;

	lpm_unpoison(a->base + keep, a->mapped - keep);
	if (end > keep)
		(void)madvise(a->base + keep, round_up(end, 4096) - keep, MADV_DONTNEED);
	memset(a->block + a->fixed, 0, (a->top - a->fixed) * sizeof(*a->block));
	memset(a->free_head, 0, sizeof(a->free_head));
	a->top = a->fixed;
}

static void free_used(struct lpm_arena *a, uint32_t line, unsigned int order)
{
	lpm_poison(a->base + (size_t)line * LPM_LINE, (size_t)LPM_LINE << order);
	block_free(a, line, order);
	a->used -= 1u << order;
	if (!a->used && !a->limbo)
		arena_rewind(a);
}

static bool arena_grow(struct lpm_arena *a)
{
	size_t lines = (size_t)a->top + SUPER;

	if (lines * LPM_LINE > a->limit || !arena_open(a, lines))
		return false;
	list_push(a, a->top, LPM_ORDER_MAX);
	a->top = (uint32_t)lines;
	return true;
}

static uint32_t block_take(struct lpm_arena *a, unsigned int order)
{
	unsigned int from = order;
	uint32_t line;

	while (from <= LPM_ORDER_MAX && !a->free_head[from])
		from++;
	if (from > LPM_ORDER_MAX)
		return 0;
	line = a->free_head[from];
	list_remove(a, line);
	while (from > order) {
		from--;
		list_push(a, line + (1u << from), from);
	}
	a->block[line].order = (uint8_t)order;
	a->used += 1u << order;
	lpm_unpoison(a->base + (size_t)line * LPM_LINE, (size_t)LPM_LINE << order);
	return line;
}

uint32_t lpm_arena_alloc(struct lpm_arena *a, unsigned int order)
{
	uint32_t line = block_take(a, order);

	if (!line && arena_grow(a))
		line = block_take(a, order);
	if (!line && a->limbo) {
		lpm_arena_reclaim(a);
		line = block_take(a, order);
		if (!line && arena_grow(a))
			line = block_take(a, order);
	}
	return line;
}

void lpm_arena_release(struct lpm_arena *a, uint32_t line, unsigned int order)
{
	free_used(a, line, order);
}

void lpm_arena_retire(struct lpm_arena *a, uint32_t line, unsigned int order)
{
	struct lpm_block *b = &a->block[line];

	b->state = BLOCK_RETIRED;
	b->order = (uint8_t)order;
	b->next = a->limbo_head;
	a->limbo_head = line;
	a->limbo += 1u << order;
	a->used -= 1u << order;
}

void lpm_arena_reclaim(struct lpm_arena *a)
{
	uint32_t line = a->limbo_head;

	if (!line)
		return;
	synchronize_rcu();
#ifdef LPM_TSAN
	__tsan_acquire(&a->tsan_fence);
#endif
	a->limbo_head = 0;
	while (line) {
		struct lpm_block *b = &a->block[line];
		uint32_t next = b->next;

		a->limbo -= 1u << b->order;
		a->used += 1u << b->order;
		free_used(a, line, b->order);
		line = next;
	}
}

size_t lpm_arena_bytes(const struct lpm_arena *a)
{
	return (size_t)a->top * LPM_LINE;
}

size_t lpm_arena_control_bytes(const struct lpm_arena *a)
{
	return (size_t)a->top * sizeof(*a->block);
}
