/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing the cut of a node.
 *
 * HiCuts and its successors cut a range into equal parts from its top; real addresses share their first
 * bits, and their trees grow deep. Here any adjacent bits of any word can be looked at: all positions
 * and several widths are tried on the boxes (a sample of them where they are many), and the cheapest by
 * an estimate wins. The estimate supposes that a packet is as likely meant for one box as for another:
 *
 *   cost = node + mean over the boxes of estimate(boxes in the child)
 *        + price of memory * copies a box, and of empty children
 *        + estimate(boxes in the rest), where there is one
 *   estimate(n) = 1 + log2(n / 4): a block of four is compared at once
 *
 * What ruins such trees are boxes that are wide where the others are narrow: (any, X) beside (Y, any) has
 * to be copied into all of the children whichever address is cut. Large sets are therefore split first,
 * in the way of EffiCuts: the word in which the fewest boxes are wide is chosen, and those few are left
 * to the rest, a tree of its own, whose root then does the same with the next word. Small sets are
 * not: copies are cheaper than a second tree there.
 */
#include "classifier_cut.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE 512u
#define TABLE 4096u
#define SPLIT_WIDE 64u /* fewer wide boxes than this are copied */
#define FAN_MAX (1u << CLASSIFIER_CUT_BITS_MAX)

/* In comparisons of a leaf of one block; measured on ClassBench's sets of 1,000 and 10,000 rules. */
static const float cost_node = 0.7f, cost_rest = 0.6f, cost_block = 0.5f;
static const float price_copy[CLASSIFIER_THRIFT_MAX + 1] = { 0.15f, 0.3f, 1, 4, 1000 };
static const float price_child = 0.01f;
static const uint32_t split_from[CLASSIFIER_THRIFT_MAX + 1] = { 2048, 2048, 512, 64, 64 };

struct classifier_cutter {
	unsigned int words;
	float estimate[TABLE];
	/* the sample */
	const struct classifier_box *box[SAMPLE];
	uint32_t n;
	float scale; /* boxes for each one in the sample */
	float price_copy;
	/* of the cut that is being tried */
	struct classifier_cover cover[SAMPLE];
	uint8_t class[SAMPLE]; /* log2 of the cover */
	int32_t step[FAN_MAX + 1];
	uint32_t count[FAN_MAX];
	float weight[FAN_MAX];
	/* the best one */
	float cost;
	struct classifier_cut cut;
};

static float estimate_of(float n)
{
	return n <= 0 ? 0.3f : n <= CLASSIFIER_BLOCK ? 1 : 1 + log2f(n / CLASSIFIER_BLOCK);
}

struct classifier_cutter *classifier_cutter_new(unsigned int words)
{
	struct classifier_cutter *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	c->words = words;
	for (unsigned int i = 0; i < TABLE; i++)
		c->estimate[i] = estimate_of((float)i);
	return c;
}

void classifier_cutter_free(struct classifier_cutter *c)
{
	free(c);
}

size_t classifier_cutter_bytes(void)
{
	return sizeof(struct classifier_cutter);
}

static float estimate(const struct classifier_cutter *c, float n)
{
	return n < TABLE - 1 ? c->estimate[(unsigned int)(n + 0.5f)] : estimate_of(n);
}

/* --- one cut ------------------------------------------------------------------------------------ */

/* @return the classes that occur, as bits. */
static uint32_t covers_find(struct classifier_cutter *c, const struct classifier_cut *cut)
{
	uint32_t classes = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t count;

		c->cover[i] = classifier_cut_cover(cut, c->box[i]);
		count = c->cover[i].count;
		c->class[i] = count <= 1 ? 0 : (uint8_t)(32 - __builtin_clz(count - 1));
		classes |= 1u << c->class[i];
	}
	return classes;
}

/* Enters the boxes of one class where their covers begin and end. @return how many there are. */
static uint32_t class_enter(struct classifier_cutter *c, unsigned int class, uint32_t fan)
{
	uint32_t n = 0;

	memset(c->step, 0, (fan + 1) * sizeof(*c->step));
	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t end = c->cover[i].first + c->cover[i].count;

		if (c->class[i] != class)
			continue;
		n++;
		c->step[c->cover[i].first]++;
		if (end > fan) {
			c->step[0]++;
			end -= fan;
		}
		c->step[end]--;
	}
	return n;
}

/* What the children cost with this class and the smaller ones in them; @copies counts all boxes. */
static float children_cost(struct classifier_cutter *c, unsigned int class, uint32_t fan,
			   float *copies)
{
	float share = 1.0f / (float)(1u << class);
	float weights = 0, cost = 0;
	uint32_t total = 0;
	int32_t run = 0;

	for (uint32_t i = 0; i < fan; i++) {
		run += c->step[i];
		c->count[i] += (uint32_t)run;
		if (!c->count[i])
			continue;
		c->weight[i] += (float)run * share;
		weights += c->weight[i];
		total += c->count[i];
		cost += c->weight[i] * estimate(c, (float)c->count[i] * c->scale);
	}
	*copies = (float)total;
	return cost / weights;
}

static void cut_try(struct classifier_cutter *c, const struct classifier_cut *cut)
{
	uint32_t fan = 1u << cut->bits, classes = covers_find(c, cut), in = 0;
	float n = (float)c->n;

	if (classes == 1u << cut->bits)
		return; /* every box in every child */
	memset(c->count, 0, fan * sizeof(*c->count));
	memset(c->weight, 0, fan * sizeof(*c->weight));
	for (; classes; classes &= classes - 1) {
		unsigned int class = (unsigned int)__builtin_ctz(classes);
		float copies, cost;

		in += class_enter(c, class, fan);
		cost = cost_node + children_cost(c, class, fan, &copies) +
		       c->price_copy * (copies - (float)in) / n +
		       price_child * (float)fan / (n * c->scale);
		if (in < c->n)
			cost += cost_rest + estimate(c, (float)(c->n - in) * c->scale);
		if (cost < c->cost) {
			c->cost = cost;
			c->cut = *cut;
			c->cut.limit = (uint8_t) class;
		}
	}
}

/* --- all of them -------------------------------------------------------------------------------- */

static unsigned int word_width(const struct classifier_cutter *c, unsigned int word)
{
	unsigned int addresses = c->words == CLASSIFIER_WORDS_4 ? 2 : 8;

	return word < addresses ? 32 : word < addresses + 2 ? 16 : 0;
}

/* The bits in which the boxes differ: a cut that begins or ends at another one has a better sibling. */
static uint32_t word_varies(const struct classifier_cutter *c, unsigned int word)
{
	uint32_t any = 0, all = UINT32_MAX;

	for (uint32_t i = 0; i < c->n; i++) {
		any |= c->box[i]->hi[word];
		all &= c->box[i]->lo[word];
	}
	return any & ~all;
}

static void cuts_try(struct classifier_cutter *c, unsigned int word, unsigned int from,
		     unsigned int width, unsigned int max_bits)
{
	uint32_t varies = word == CLASSIFIER_META ? UINT32_MAX : word_varies(c, word);

	for (unsigned int bits = max_bits & 1 ? 1 : 2; bits <= max_bits && bits <= width;
	     bits += 2) {
		for (unsigned int shift = 0; shift + bits <= width; shift++) {
			struct classifier_cut cut = { .word = (uint8_t)word,
						      .shift = (uint8_t)(from + shift),
						      .bits = (uint8_t)bits };

			if (varies >> cut.shift & 1)
				cut_try(c, &cut);
		}
	}
}

static void meta_try(struct classifier_cutter *c, unsigned int max_bits)
{
	cuts_try(c, CLASSIFIER_META, 0, CLASSIFIER_PROTO_BITS, max_bits);
	cuts_try(c, CLASSIFIER_META, CLASSIFIER_IN_SHIFT, CLASSIFIER_ZONE_BITS, max_bits);
	cuts_try(c, CLASSIFIER_META, CLASSIFIER_OUT_SHIFT, CLASSIFIER_ZONE_BITS, max_bits);
}

/* --- splits ------------------------------------------------------------------------------------- */

static size_t boxes_wide(const struct classifier_box *const *box, size_t n,
			 const struct classifier_cut *cut)
{
	size_t wide = 0;

	for (size_t i = 0; i < n; i++)
		wide += classifier_cut_cover(cut, box[i]).count > 1;
	return wide;
}

/* Splits by the word in which the fewest are wide, if there are enough of them on both sides. */
static bool split_choose(const struct classifier_cutter *c, const struct classifier_box *const *box,
			 size_t n, struct classifier_cut *cut)
{
	static const struct classifier_cut by4[] = {
		{ 0, 24, 0, 0 }, { 1, 24, 0, 0 }, { 2, 8, 0, 0 }, { 3, 8, 0, 0 }
	};
	static const struct classifier_cut by6[] = {
		{ 0, 12, 0, 0 }, { 4, 12, 0, 0 }, { 8, 8, 0, 0 }, { 9, 8, 0, 0 }
	};
	const struct classifier_cut *by = c->words == CLASSIFIER_WORDS_4 ? by4 : by6;
	size_t least = n;

	for (unsigned int i = 0; i < 4; i++) {
		size_t wide = boxes_wide(box, n, &by[i]);

		if (wide >= least)
			continue;
		least = wide;
		*cut = by[i];
	}
	return least > SPLIT_WIDE && least < n - n / 10;
}

bool classifier_cut_choose(struct classifier_cutter *c, const struct classifier_box *const *box,
			   size_t n, unsigned int thrift, struct classifier_cut *cut)
{
	size_t step = (n + SAMPLE - 1) / SAMPLE;
	unsigned int max_bits;

	if (n <= CLASSIFIER_BLOCK)
		return false;
	if (n >= split_from[thrift] && split_choose(c, box, n, cut))
		return true;
	c->n = 0;
	for (size_t i = 0; i < n; i += step)
		c->box[c->n++] = box[i];
	c->scale = (float)n / (float)c->n;
	c->price_copy = price_copy[thrift];
	c->cost = cost_block * (float)((n + CLASSIFIER_BLOCK - 1) / CLASSIFIER_BLOCK + 1);
	c->cut.bits = 0;
	max_bits = 32 - (unsigned int)__builtin_clz((uint32_t)n);
	if (max_bits > CLASSIFIER_CUT_BITS_MAX)
		max_bits = CLASSIFIER_CUT_BITS_MAX;
	for (unsigned int word = 0; word < c->words; word++)
		cuts_try(c, word, 0, word_width(c, word), max_bits);
	meta_try(c, max_bits);
	*cut = c->cut;
	return c->cut.bits != 0;
}
