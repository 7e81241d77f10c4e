/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one longest-prefix-match table: blocks of 1 to 16 cache lines, in one reserved range of
 * addresses, so that a 24-bit line number names a block.
 */
#ifndef LPM_ARENA_H
#define LPM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LPM_LINE 64u	 /* bytes of a line, the unit of everything here */
#define LPM_ORDER_MAX 4u /* the largest block: 16 lines */
#define LPM_ORDERS (LPM_ORDER_MAX + 1)

struct lpm_block;

struct lpm_arena {
	uint8_t *base;		 /* line n lies at base + n * LPM_LINE */
	struct lpm_block *block; /* one per line: what the writer knows about it */
	size_t reserved;	 /* bytes of addresses behind base */
	size_t mapped;		 /* of which are readable and writable */
	size_t block_mapped;
	size_t limit;	/* never map more than this */
	uint32_t fixed; /* lines that lpm_arena_init() handed out */
	uint32_t top;	/* lines ever handed out; the rest is untouched */
	uint32_t used;	/* lines in live blocks, without the fixed ones */
	uint32_t limbo; /* lines in retired blocks */
	uint32_t limbo_head;
	uint32_t free_head[LPM_ORDERS];
	char tsan_fence;
};

/*
 * Reserves the addresses and hands out the first @fixed_lines, zeroed, for good. @return 0, -ENOMEM.
 * *control*
 */
int lpm_arena_init(struct lpm_arena *a, uint32_t fixed_lines);

/* Unmaps everything; the caller has waited for its readers. *control* */
void lpm_arena_fini(struct lpm_arena *a);

/*
 * A block of 2^@order lines, aligned to its size, with unknown contents. Waits for a grace period when
 * that is the only way to find room. @return its line number, or 0 when there is no memory. *control*
 */
uint32_t lpm_arena_alloc(struct lpm_arena *a, unsigned int order);

/* Gives back a block that no reader has ever seen. *control* */
void lpm_arena_release(struct lpm_arena *a, uint32_t line, unsigned int order);

/* Puts aside a block that readers may still be in; lpm_arena_reclaim() frees it. *control* */
void lpm_arena_retire(struct lpm_arena *a, uint32_t line, unsigned int order);

/* Waits for a grace period if blocks are waiting for one, and frees them. *control* */
void lpm_arena_reclaim(struct lpm_arena *a);

/* Bytes that the blocks take up, holes between them included. *control* */
size_t lpm_arena_bytes(const struct lpm_arena *a);

/* Bytes of the writer's notes about the blocks. *control* */
size_t lpm_arena_control_bytes(const struct lpm_arena *a);

/*
 * ThreadSanitizer does not see into liburcu, so it is told what a grace period guarantees: the lookups
 * that ended before it happened before the reuse of what they read. A lookup that is still under way
 * when its block is reused stays a reported race.
 */
#if defined(__SANITIZE_THREAD__)
#define LPM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LPM_TSAN 1
#endif
#endif

#ifdef LPM_TSAN
#include <sanitizer/tsan_interface.h>
static inline void lpm_arena_reader_done(const struct lpm_arena *a)
{
	__tsan_release((void *)(uintptr_t)&a->tsan_fence);
}
#else
static inline void lpm_arena_reader_done(const struct lpm_arena *a)
{
	(void)a;
}
#endif

#endif
