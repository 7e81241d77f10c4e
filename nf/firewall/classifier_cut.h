/* SPDX-License-Identifier: Apache-2.0 */
/* Which bits a node of the classifier's tree looks at. */
#ifndef FIREWALL_CLASSIFIER_CUT_H
#define FIREWALL_CLASSIFIER_CUT_H

#include "classifier_box.h"

#define CLASSIFIER_CUT_BITS_MAX 14u
#define CLASSIFIER_THRIFT_MAX 4u

/*
 * The child is the value of @bits bits from @shift on of a word of the key. Boxes in more than 2^@limit
 * children go to the rest. With no bits at all there is one child, for the boxes that lie within one
 * aligned range of 2^@shift values.
 */
struct classifier_cut {
	uint8_t word, shift, bits, limit;
};

/* The children that a box reaches into: @count of them from @first, round the end. */
struct classifier_cover {
	uint32_t first, count;
};

struct classifier_cutter;

/* @return scratch memory for choosing, or NULL. *control* */
struct classifier_cutter *classifier_cutter_new(unsigned int words);
void classifier_cutter_free(struct classifier_cutter *c);
size_t classifier_cutter_bytes(void);

/*
 * Finds a cut for boxes. @thrift 0 to CLASSIFIER_THRIFT_MAX: how much memory counts beside speed.
 * @return false: they are best searched one after the other. *control*
 */
bool classifier_cut_choose(struct classifier_cutter *c, const struct classifier_box *const *box,
			   size_t n, unsigned int thrift, struct classifier_cut *cut);

static inline struct classifier_cover classifier_cut_cover(const struct classifier_cut *cut,
							   const struct classifier_box *box)
{
	uint32_t last = (1u << cut->bits) - 1;
	uint32_t lo, hi;

	if (cut->word == CLASSIFIER_META) {
		if (box->mask >> cut->shift & 1)
			return (struct classifier_cover){ box->value >> cut->shift & last, 1 };
		return (struct classifier_cover){ 0, last ? last + 1 : 2 };
	}
	lo = box->lo[cut->word] >> cut->shift;
	hi = box->hi[cut->word] >> cut->shift;
	if (!last)
		return (struct classifier_cover){ 0, lo == hi ? 1 : 2 };
	if (hi - lo >= last)
		return (struct classifier_cover){ 0, last + 1 };
	return (struct classifier_cover){ lo & last, hi - lo + 1 };
}

static inline bool classifier_cut_rests(const struct classifier_cut *cut,
					const struct classifier_cover *cover)
{
	return cover->count > 1u << cut->limit;
}

#endif
