/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes that a lookup reads, and the one step that it makes in each of them.
 *
 * A node answers for one byte of the address: 256 slots, each with an entry. An entry is 32 bits:
 *   bit 31 clear   the answer: a value of up to 24 bits, 0 = no route
 *   bit 31 set     the next node: bits 0-23 its first line, bits 24-30 its format
 *
 * Neighbouring slots mostly share their entry, so a node keeps runs. What costs time is not their
 * search but the cache lines it touches, hence the rule of this format: whatever the node's size, a
 * lookup reads exactly one line of it. A node has 2^k lines, each for 256 / 2^k slots, and a line has
 * its own sorted run starts (bytes) and its runs' entries:
 *
 *   entries of 1 byte    31 starts, 32 entries at byte 32
 *   entries of 2 bytes   20 starts, 21 entries at byte 22
 *   entries of 4 bytes   12 starts, 13 entries at byte 12
 *
 * The first run of a line starts with the line and has no start byte. The run of a slot is the number
 * of starts not above it: one vector comparison and a population count. Unused starts are 255 and the
 * unused entries repeat the last one, so that slot 255 may count them. Where a line's runs do not fit,
 * k grows; at the k where each slot's entry fits as it is (1 byte: 4 lines, 2: 8, 4: 16) the lines are
 * plain arrays. A node takes the narrowest entries that hold its largest value; only 4-byte ones can
 * refer to other nodes. Small values make small tables.
 *
 * Once readers can reach a node, nothing in it changes but references to other nodes, each by one
 * aligned store. Readers load them in wider pieces, vectors even; on x86-64 what matters holds: the four
 * bytes come from one store, and what the reference leads to was written before it.
 */
#ifndef LPM_NODE_H
#define LPM_NODE_H

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lpm_arena.h"

#define LPM_ENTRY_NODE 0x80000000u
#define LPM_VALUE_MAX 0xffffffu
#define LPM_NODE_SLOTS 256
#define LPM_NODE_BYTES (LPM_LINE << LPM_ORDER_MAX)

/*
 * The formats: number, log2 of the lines, start bytes in a line, mask of the slot that is the index in a
 * plain array, offset of a line's entries, log2 of an entry's bytes, mask of an entry's bits. Number 0
 * is an answer; numbers fit into four bits, for the vector code.
 */
#define LPM_FORMATS(X)                     \
	X(1, 0, 31, 0, 32, 0, 0xff)        \
	X(2, 1, 31, 0, 32, 0, 0xff)        \
	X(3, 2, 0, 63, 0, 0, 0xff)         \
	X(4, 0, 20, 0, 22, 1, 0xffff)      \
	X(5, 1, 20, 0, 22, 1, 0xffff)      \
	X(6, 2, 20, 0, 22, 1, 0xffff)      \
	X(7, 3, 0, 31, 0, 1, 0xffff)       \
	X(8, 0, 12, 0, 12, 2, 0xffffffff)  \
	X(9, 1, 12, 0, 12, 2, 0xffffffff)  \
	X(10, 2, 12, 0, 12, 2, 0xffffffff) \
	X(11, 3, 12, 0, 12, 2, 0xffffffff) \
	X(12, 4, 0, 15, 0, 2, 0xffffffff)

/* What the top byte of an entry says, as one table row: no branch in the lookup asks for it. */
struct lpm_format {
	uint32_t line_mask; /* of the entry's bits that are a line number: none in an answer */
	uint8_t slot_shift; /* slot >> this = line of the node */
	uint8_t starts;
	uint8_t raw_mask;
	uint8_t entries_at;
	uint8_t width_shift;
	uint8_t order;
	uint8_t pad[2];
	uint32_t entry_mask;
};

extern const struct lpm_format lpm_formats[256];

struct lpm_node_image {
	uint8_t bytes[LPM_NODE_BYTES] __attribute__((aligned(64)));
	unsigned int format; /* index into lpm_formats */
};

/*
 * Encodes 256 entries in the smallest format. @return the entry when all slots share one that is an
 * answer, else LPM_ENTRY_NODE with the format and no line yet; @image is then filled. *control*
 */
uint32_t lpm_node_encode(const uint32_t slot[LPM_NODE_SLOTS], struct lpm_node_image *image);

static inline const struct lpm_format *lpm_entry_format(uint32_t entry)
{
	return &lpm_formats[entry >> 24];
}

/* The one line that decides about @slot in the node of @entry. An answer has line 0: readable, unused. */
static inline __attribute__((always_inline)) const uint8_t *
lpm_entry_line(const uint8_t *base, uint32_t entry, unsigned int slot)
{
	const struct lpm_format *f = lpm_entry_format(entry);

	return base + (((uint64_t)(entry & f->line_mask) + (slot >> f->slot_shift)) << 6);
}

/* ThreadSanitizer wants to be shown the loads that may meet a store. */
#ifdef LPM_TSAN
static inline uint32_t lpm_line_below(const uint8_t *line, unsigned int slot)
{
	uint32_t below = 0;

	for (unsigned int i = 0; i < 32; i++)
		below |= (uint32_t)(__atomic_load_n(line + i, __ATOMIC_RELAXED) <= slot) << i;
	return below;
}

static inline uint32_t lpm_line_word(const uint8_t *line, unsigned int at)
{
	return __atomic_load_n((const uint32_t *)(const void *)(line + (at & 60)),
			       __ATOMIC_ACQUIRE);
}
#else
/* A bit for each of the line's first 32 bytes that is not above @slot. */
static inline __attribute__((always_inline)) uint32_t lpm_line_below(const uint8_t *line,
								     unsigned int slot)
{
	const __m128i key = _mm_set1_epi8((char)slot);
	const __m128i low = _mm_load_si128((const __m128i *)(const void *)line);
	const __m128i high = _mm_load_si128((const __m128i *)(const void *)line + 1);
	/* byte <= slot, unsigned: max(byte, slot) == slot */
	const int below_low = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(low, key), key));
	const int below_high = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(high, key), key));

	return (uint32_t)below_low | (uint32_t)below_high << 16;
}

/* The aligned word around the entry: no read leaves the line. */
static inline __attribute__((always_inline)) uint32_t lpm_line_word(const uint8_t *line,
								    unsigned int at)
{
	uint32_t word;

	memcpy(&word, __builtin_assume_aligned(line + (at & 60), 4), sizeof(word));
	return word;
}
#endif

/* The offset in the line of the entry of @slot, or for an answer any. */
static inline __attribute__((always_inline)) unsigned int
lpm_line_offset(const uint8_t *line, const struct lpm_format *f, unsigned int slot)
{
	const uint32_t starts = lpm_line_below(line, slot) & ((1u << f->starts) - 1);
	const unsigned int run = (unsigned int)__builtin_popcount(starts) + (slot & f->raw_mask);

	return f->entries_at + (run << f->width_shift);
}

/*
 * The entry of @slot, given its line and the node's entry. An answer stays the answer. Branch-free:
 * formats mix in real tables and a misprediction costs more than all of this.
 */
static inline __attribute__((always_inline)) uint32_t
lpm_line_entry(const uint8_t *line, uint32_t entry, unsigned int slot)
{
	const struct lpm_format *f = lpm_entry_format(entry);
	const unsigned int at = lpm_line_offset(line, f, slot);
	const uint32_t found = lpm_line_word(line, at) >> (at * 8 & 31) & f->entry_mask;

	/* Not written as a choice: compilers make it a branch. */
	return found | (entry & ~(uint32_t)((int32_t)entry >> 31));
}

/* Where in the arena the node of @entry has the entry of @slot. *control* */
static inline uint32_t lpm_entry_offset(const uint8_t *base, uint32_t entry, unsigned int slot)
{
	const uint8_t *line = lpm_entry_line(base, entry, slot);

	return (uint32_t)(line - base) + lpm_line_offset(line, lpm_entry_format(entry), slot);
}

#endif
