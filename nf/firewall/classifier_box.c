/* SPDX-License-Identifier: Apache-2.0 */
/* Entries to boxes, boxes to blocks and back. */
#include "classifier_box.h"

#include <string.h>

#include "bytes.h"

static void range_prefix(uint32_t *lo, uint32_t *hi, uint32_t prefix, unsigned int len)
{
	uint32_t free_bits = len >= 32 ? 0 : UINT32_MAX >> len;

	*lo = prefix & ~free_bits;
	*hi = prefix | free_bits;
}

static void range_ports(uint32_t *lo, uint32_t *hi, uint16_t from, uint16_t to)
{
	bool any = from == 0 && to == 0xffff;

	*lo = from;
	*hi = any ? UINT32_MAX : to;
}

static unsigned int box_addr(unsigned int family, struct classifier_box *box, unsigned int at,
			     const union classifier_addr *prefix, unsigned int len)
{
	if (family == 4) {
		range_prefix(&box->lo[at], &box->hi[at], prefix->v4, len);
		return at + 1;
	}
	for (unsigned int w = 0; w < 4; w++, at++) {
		unsigned int within = len <= 32 * w ? 0 : len - 32 * w;

		range_prefix(&box->lo[at], &box->hi[at], bytes_get32(&prefix->v6.s6_addr[4 * w]),
			     within);
	}
	return at;
}

static void box_meta(struct classifier_box *box, uint32_t value, unsigned int shift,
		     unsigned int bits)
{
	box->value |= value << shift;
	box->mask |= ((1u << bits) - 1) << shift;
}

void classifier_box_from(unsigned int family, const struct classifier_entry *e,
			 struct classifier_box *box)
{
	unsigned int w;

	*box = (struct classifier_box){ .priority = e->priority, .rule = e->rule };
	w = box_addr(family, box, 0, &e->src, e->src_len);
	w = box_addr(family, box, w, &e->dst, e->dst_len);
	range_ports(&box->lo[w], &box->hi[w], e->sport_lo, e->sport_hi);
	range_ports(&box->lo[w + 1], &box->hi[w + 1], e->dport_lo, e->dport_hi);
	for (w += 2; w < CLASSIFIER_WORDS_MAX; w++)
		box->hi[w] = UINT32_MAX;
	if (e->proto != CLASSIFIER_ANY_PROTO)
		box_meta(box, e->proto, 0, CLASSIFIER_PROTO_BITS);
	if (e->in != CLASSIFIER_ANY_ZONE)
		box_meta(box, e->in, CLASSIFIER_IN_SHIFT, CLASSIFIER_ZONE_BITS);
	if (e->out != CLASSIFIER_ANY_ZONE)
		box_meta(box, e->out, CLASSIFIER_OUT_SHIFT, CLASSIFIER_ZONE_BITS);
}

bool classifier_box_equal(unsigned int words, const struct classifier_box *a,
			  const struct classifier_box *b)
{
	return !memcmp(a->lo, b->lo, words * sizeof(*a->lo)) &&
	       !memcmp(a->hi, b->hi, words * sizeof(*a->hi)) && a->value == b->value &&
	       a->mask == b->mask && a->priority == b->priority && a->rule == b->rule;
}

static struct classifier_tail *block_tail(unsigned int words, uint32_t *block)
{
	return (struct classifier_tail *)(void *)(block + words * 2 * CLASSIFIER_BLOCK);
}

static void place_write(unsigned int words, uint32_t *block, unsigned int place,
			const struct classifier_box *box)
{
	struct classifier_tail *tail = block_tail(words, block);
	uint32_t *span = block + words * CLASSIFIER_BLOCK;

	for (unsigned int w = 0; w < words; w++) {
		block[w * CLASSIFIER_BLOCK + place] = box->lo[w];
		span[w * CLASSIFIER_BLOCK + place] = box->hi[w] - box->lo[w];
	}
	tail->priority[place] = box->priority;
	tail->rule[place] = box->rule;
	tail->value[place] = box->value;
	tail->mask[place] = box->mask;
}

static const struct classifier_box unused = {
	.value = UINT32_MAX, /* a zone that no key has */
	.mask = UINT32_MAX,
	.priority = CLASSIFIER_NONE,
	.rule = CLASSIFIER_NONE,
};

void classifier_block_clear(unsigned int words, void *block)
{
	for (unsigned int place = 0; place < CLASSIFIER_BLOCK; place++)
		place_write(words, block, place, &unused);
}

void classifier_blocks_write(unsigned int words, void *blocks,
			     const struct classifier_box *const *box, unsigned int n)
{
	uint32_t *block = blocks;

	for (unsigned int i = 0; i < n; i += CLASSIFIER_BLOCK) {
		for (unsigned int place = 0; place < CLASSIFIER_BLOCK; place++)
			place_write(words, block, place, i + place < n ? box[i + place] : &unused);
		block += classifier_block_bytes(words) / sizeof(*block);
	}
}

bool classifier_blocks_read(unsigned int words, const void *blocks, unsigned int i,
			    struct classifier_box *box)
{
	const uint32_t *block =
		(const uint32_t *)blocks +
		i / CLASSIFIER_BLOCK * (classifier_block_bytes(words) / sizeof(uint32_t));
	const struct classifier_tail *tail = block_tail(words, (uint32_t *)(uintptr_t)block);
	const uint32_t *span = block + words * CLASSIFIER_BLOCK;
	unsigned int place = i % CLASSIFIER_BLOCK;

	if (tail->priority[place] == CLASSIFIER_NONE)
		return false;
	for (unsigned int w = 0; w < words; w++) {
		box->lo[w] = block[w * CLASSIFIER_BLOCK + place];
		box->hi[w] = box->lo[w] + span[w * CLASSIFIER_BLOCK + place];
	}
	box->priority = tail->priority[place];
	box->rule = tail->rule[place];
	box->value = tail->value[place];
	box->mask = tail->mask[place];
	return true;
}
