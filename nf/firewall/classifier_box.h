/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the fast classifier sees entries and keys: words of 32 bits.
 *
 * An entry is a box: a range in each of the words of addresses and ports (4 for IPv4, 10 for IPv6; a
 * prefix is a range in each word that it reaches into), and what is exact or not there at all, the
 * protocol and the zones, in one word more, the meta word, as value and mask. A key without ports has a
 * port beyond 65535, which only the range of all 32 bits includes.
 *
 * Boxes are in blocks of four, so laid out that a register compares a word with four boxes, or (IPv4,
 * AVX-512) all words with four boxes. A block is all there is of its boxes: the writer reads them back
 * from it, and there is no second copy of the entries anywhere.
 */
#ifndef FIREWALL_CLASSIFIER_BOX_H
#define FIREWALL_CLASSIFIER_BOX_H

#include "classifier.h"

#define CLASSIFIER_WORDS_4 4u
#define CLASSIFIER_WORDS_6 12u /* the last two: padding that everything matches */
#define CLASSIFIER_WORDS_MAX 12u
#define CLASSIFIER_META 15u /* the meta word's index in a key */
#define CLASSIFIER_KEY_WORDS 16u
#define CLASSIFIER_NO_PORT 0x10000u
#define CLASSIFIER_BLOCK 4u /* boxes in a block */

/* Fields of the meta word, and their first bits. */
#define CLASSIFIER_PROTO_BITS 8u
#define CLASSIFIER_ZONE_BITS 12u
#define CLASSIFIER_IN_SHIFT 8u
#define CLASSIFIER_OUT_SHIFT 20u
#define CLASSIFIER_ZONE_MASK ((1u << CLASSIFIER_ZONE_BITS) - 1)

struct classifier_box {
	uint32_t lo[CLASSIFIER_WORDS_MAX];
	uint32_t hi[CLASSIFIER_WORDS_MAX];
	uint32_t value, mask; /* of the meta word */
	uint32_t priority, rule;
};

/* What follows the ranges in a block. An unused place has the priority CLASSIFIER_NONE. */
struct classifier_tail {
	uint32_t priority[CLASSIFIER_BLOCK]; /* ascending, also over the blocks of a leaf */
	uint32_t rule[CLASSIFIER_BLOCK];
	uint32_t value[CLASSIFIER_BLOCK];
	uint32_t mask[CLASSIFIER_BLOCK];
};

/* IPv4's blocks; IPv6's are alike with more words. */
struct classifier_block4 {
	uint32_t lo[CLASSIFIER_WORDS_4][CLASSIFIER_BLOCK];
	uint32_t span[CLASSIFIER_WORDS_4][CLASSIFIER_BLOCK]; /* hi - lo */
	struct classifier_tail tail;
} __attribute__((aligned(64)));

struct classifier_block6 {
	uint32_t lo[CLASSIFIER_WORDS_6][CLASSIFIER_BLOCK];
	uint32_t span[CLASSIFIER_WORDS_6][CLASSIFIER_BLOCK];
	struct classifier_tail tail;
} __attribute__((aligned(64)));

struct classifier_words {
	uint32_t word[CLASSIFIER_KEY_WORDS];
} __attribute__((aligned(64)));

static inline unsigned int classifier_words_of(unsigned int family)
{
	return family == 6 ? CLASSIFIER_WORDS_6 : CLASSIFIER_WORDS_4;
}

static inline size_t classifier_block_bytes(unsigned int words)
{
	return words * 2 * CLASSIFIER_BLOCK * sizeof(uint32_t) + sizeof(struct classifier_tail);
}

/* The box of an entry that is valid. */
void classifier_box_from(unsigned int family, const struct classifier_entry *e,
			 struct classifier_box *box);

bool classifier_box_equal(unsigned int words, const struct classifier_box *a,
			  const struct classifier_box *b);

/* Writes @n boxes, in the order given, over as many blocks as they need. */
void classifier_blocks_write(unsigned int words, void *blocks,
			     const struct classifier_box *const *box, unsigned int n);

/* Writes a block that nothing matches. */
void classifier_block_clear(unsigned int words, void *block);

/* Reads box @i of a leaf. @return false: that place is unused. */
bool classifier_blocks_read(unsigned int words, const void *blocks, unsigned int i,
			    struct classifier_box *box);

#endif
