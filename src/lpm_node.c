/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side of a node: from 256 entries to the smallest format that holds them.
 */
#include "lpm_node.h"

/* The formats of each width, by its log2, follow one another from 1 line to the plain array. */
static const uint8_t format_first[3] = { 0x81, 0x84, 0x88 };

#define ROW(n, lines, starts_n, raw, at, width, bits) \
	[0x80 | (n)] = { .line_mask = 0xffffff,       \
			 .slot_shift = 8 - (lines),   \
			 .starts = (starts_n),        \
			 .raw_mask = (raw),           \
			 .entries_at = (at),          \
			 .width_shift = (width),      \
			 .order = (lines),            \
			 .entry_mask = (bits) },

const struct lpm_format lpm_formats[256] = { [0] = { .slot_shift =
							     8 }, /* an answer: always line 0 */
					     LPM_FORMATS(ROW) };

/* Bit i of @change: slot i differs from slot i - 1. Bit 0 stays clear. @return all entries, ORed. */
static uint32_t runs_find(const uint32_t *slot, uint64_t change[4])
{
	__m128i all = _mm_setzero_si128();
	uint32_t any[4];

	for (unsigned int w = 0; w < 4; w++) {
		uint64_t bits = 0;

		for (unsigned int i = 0; i < 64; i += 4) {
			const uint32_t *s = slot + w * 64 + i;
			__m128i here = _mm_loadu_si128((const __m128i *)s);
			__m128i before;

			if (w + i)
				before = _mm_loadu_si128((const __m128i *)(s - 1));
			else
				before = _mm_set_epi32((int)s[2], (int)s[1], (int)s[0], (int)s[0]);
			all = _mm_or_si128(all, here);
			bits |= (uint64_t)(~_mm_movemask_ps(_mm_castsi128_ps(
						   _mm_cmpeq_epi32(here, before))) &
					   15)
				<< i;
		}
		change[w] = bits;
	}
	_mm_storeu_si128((__m128i *)any, all);
	return any[0] | any[1] | any[2] | any[3];
}

/* The starts inside the line that covers slots @first and up, @n of them (n a power of two <= 256). */
static unsigned int line_starts(const uint64_t change[4], unsigned int first, unsigned int n)
{
	unsigned int count = 0;
	uint64_t word;

	if (n >= 64) {
		for (unsigned int w = first / 64; w < (first + n) / 64; w++)
			count += (unsigned int)__builtin_popcountll(change[w]);
		return count - (change[first / 64] & 1);
	}
	word = change[first / 64] >> first % 64;
	word &= ((uint64_t)1 << n) - 2;
	return (unsigned int)__builtin_popcountll(word);
}

static bool runs_fit(const uint64_t change[4], unsigned int order, unsigned int starts)
{
	unsigned int slots = (unsigned int)LPM_NODE_SLOTS >> order;

	for (unsigned int first = 0; first < LPM_NODE_SLOTS; first += slots)
		if (line_starts(change, first, slots) > starts)
			return false;
	return true;
}

static void entry_put(uint8_t *at, unsigned int width_shift, uint32_t entry)
{
	/* Little-endian: the low bytes come first. */
	memcpy(at, &entry, (size_t)1 << width_shift);
}

static void line_encode_runs(uint8_t *line, const struct lpm_format *f, const uint32_t *slot,
			     const uint64_t change[4], unsigned int first, unsigned int n)
{
	unsigned int starts = 0;
	uint32_t entry = slot[first];

	memset(line, 0, LPM_LINE);
	entry_put(line + f->entries_at, f->width_shift, entry);
	for (unsigned int w = first / 64; w <= (first + n - 1) / 64; w++) {
		uint64_t bits = change[w];

		if (n < 64)
			bits &= (((uint64_t)1 << n) - 1) << first % 64;
		for (; bits; bits &= bits - 1) {
			unsigned int i = w * 64 + (unsigned int)__builtin_ctzll(bits);

			if (i == first)
				continue;
			entry = slot[i];
			line[starts++] = (uint8_t)i;
			entry_put(line + f->entries_at + ((size_t)starts << f->width_shift),
				  f->width_shift, entry);
		}
	}
	while (starts < f->starts) {
		line[starts++] = 255;
		entry_put(line + f->entries_at + ((size_t)starts << f->width_shift), f->width_shift,
			  entry);
	}
}

static void node_encode_plain(uint8_t *bytes, const struct lpm_format *f, const uint32_t *slot)
{
	for (unsigned int i = 0; i < LPM_NODE_SLOTS; i++)
		entry_put(bytes + ((size_t)i << f->width_shift), f->width_shift, slot[i]);
}

uint32_t lpm_node_encode(const uint32_t slot[LPM_NODE_SLOTS], struct lpm_node_image *image)
{
	uint64_t change[4];
	uint32_t any = runs_find(slot, change);
	unsigned int width = any < 256 ? 0 : any < 65536 ? 1 : 2;
	unsigned int order = 0;
	const struct lpm_format *f;
	unsigned int slots;

	if (!(change[0] | change[1] | change[2] | change[3]) && !(slot[0] & LPM_ENTRY_NODE))
		return slot[0];
	for (;; order++) {
		image->format = format_first[width] + order;
		f = &lpm_formats[image->format];
		if (!f->starts || runs_fit(change, order, f->starts))
			break;
	}
	if (!f->starts) {
		node_encode_plain(image->bytes, f, slot);
	} else {
		slots = (unsigned int)LPM_NODE_SLOTS >> order;
		for (unsigned int first = 0; first < LPM_NODE_SLOTS; first += slots)
			line_encode_runs(image->bytes + (size_t)(first / slots) * LPM_LINE, f, slot,
					 change, first, slots);
	}
	return (uint32_t)image->format << 24;
}
