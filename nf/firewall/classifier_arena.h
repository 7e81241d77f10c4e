/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one classifier: pieces of whole cache lines in one reserved range of addresses, so that a
 * 32-bit line number names a piece.
 */
#ifndef FIREWALL_CLASSIFIER_ARENA_H
#define FIREWALL_CLASSIFIER_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define CLASSIFIER_LINE 64u
#define CLASSIFIER_ARENA_CLASSES 160

struct classifier_piece {
	uint32_t line, lines;
};

struct classifier_arena {
	uint8_t *base;	 /* line n lies at base + n * CLASSIFIER_LINE */
	size_t reserved; /* bytes of addresses behind base */
	size_t mapped;	 /* of which are readable and writable */
	uint32_t fixed;	 /* lines that are no piece */
	uint32_t top;	 /* lines ever handed out, those included */
	uint32_t used;	 /* lines in live pieces */
	uint32_t limbo_lines;
	struct classifier_piece *limbo; /* retired, perhaps still read */
	size_t limbo_n, limbo_room;
	uint32_t free_head[CLASSIFIER_ARENA_CLASSES];
};

/* Hands out the first @fixed > 0 lines, zeroed, for good. @return 0, -ENOMEM. *control* */
int classifier_arena_init(struct classifier_arena *a, uint32_t fixed);

/* Unmaps everything; the caller has waited for its readers. *control* */
void classifier_arena_fini(struct classifier_arena *a);

/* Forgets every piece but the fixed lines; nobody may know any. *control* */
void classifier_arena_reset(struct classifier_arena *a);

/* @return the first of @lines lines with unknown contents, or 0: no memory. *control* */
uint32_t classifier_arena_alloc(struct classifier_arena *a, uint32_t lines);

/* Gives back a piece that no reader has ever seen. *control* */
void classifier_arena_release(struct classifier_arena *a, uint32_t line, uint32_t lines);

/*
 * Puts aside a piece that no new reader can reach but one that began earlier may be in. Waits for a
 * grace period where the list of them cannot grow. *control*
 */
void classifier_arena_retire(struct classifier_arena *a, uint32_t line, uint32_t lines);

/* Waits for a grace period if pieces are waiting for one, and frees them. *control* */
void classifier_arena_reclaim(struct classifier_arena *a);

static inline void *classifier_arena_at(const struct classifier_arena *a, uint32_t line)
{
	return a->base + (size_t)line * CLASSIFIER_LINE;
}

#endif
