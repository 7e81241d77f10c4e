/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step of lpm_node.h for sixteen lookups at once, with AVX-512.
 *
 * Taken alone, a lookup's step is some forty instructions, most of which derive shifts and masks from
 * the entry's format, and that is what bounds its speed, not the memory. Here sixteen lookups share
 * them: the formats' columns are registers of sixteen and a format number picks from them. What has no
 * vector form, the comparison with the starts in a line of its own for each lookup, stays a loop, of
 * three instructions. A burst takes each of the three stages for all of its lookups before the next
 * stage, so that the processor finds the cache misses of later ones while it waits for those of earlier
 * ones; explicit prefetches cost more than they gained (820 to 577 million lookups a second).
 */
#ifndef LPM_LANES_H
#define LPM_LANES_H

#include <immintrin.h>

#include "lpm_node.h"

#define LPM_LANES 16
#define LPM_TARGET_AVX512      \
	__attribute__((target( \
		"avx512f,avx512bw,avx512vl,avx512dq,avx512vpopcntdq,avx2,bmi,bmi2,popcnt")))

static inline bool lpm_lanes_cpu(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("bmi2");
}

/* What the stages hand to one another about sixteen lookups. */
struct lpm_lanes {
	uint32_t offset[LPM_LANES]; /* of the line from the base */
	uint32_t below[LPM_LANES];  /* a bit for each byte in it that is not above the slot */
} __attribute__((aligned(64)));

/* One column of the formats. */
typedef uint32_t lpm_column[16] __attribute__((aligned(64)));

#define LPM_COLUMN_SHIFT(n, lines, starts, raw, at, width, bits) [n] = 8 - (lines),
#define LPM_COLUMN_STARTS(n, lines, starts, raw, at, width, bits) [n] = (1u << (starts)) - 1,
#define LPM_COLUMN_RAW(n, lines, starts, raw, at, width, bits) [n] = (raw),
#define LPM_COLUMN_AT(n, lines, starts, raw, at, width, bits) [n] = (at),
#define LPM_COLUMN_WIDTH(n, lines, starts, raw, at, width, bits) [n] = (width),
#define LPM_COLUMN_BITS(n, lines, starts, raw, at, width, bits) [n] = (bits),

static const lpm_column lpm_column_shift = { [0] = 8, LPM_FORMATS(LPM_COLUMN_SHIFT) };
static const lpm_column lpm_column_starts = { LPM_FORMATS(LPM_COLUMN_STARTS) };
static const lpm_column lpm_column_raw = { LPM_FORMATS(LPM_COLUMN_RAW) };
static const lpm_column lpm_column_at = { LPM_FORMATS(LPM_COLUMN_AT) };
static const lpm_column lpm_column_width = { LPM_FORMATS(LPM_COLUMN_WIDTH) };
static const lpm_column lpm_column_bits = { LPM_FORMATS(LPM_COLUMN_BITS) };

/* The rows' values for each lane's format: only the low four bits of an index count. */
#define lpm_pick(column, entry) \
	_mm512_permutexvar_epi32(_mm512_srli_epi32(entry, 24), _mm512_load_si512(column))

/* First: the lines that decide. */
static inline __attribute__((always_inline)) LPM_TARGET_AVX512 void
lpm_lanes_lines(struct lpm_lanes *l, __m512i entry, __m512i slot)
{
	__m512i line = _mm512_maskz_and_epi32(_mm512_movepi32_mask(entry), entry,
					      _mm512_set1_epi32(LPM_VALUE_MAX));

	line = _mm512_add_epi32(line, _mm512_srlv_epi32(slot, lpm_pick(lpm_column_shift, entry)));
	_mm512_store_si512(l->offset, _mm512_slli_epi32(line, 6));
}

/* Second: the comparisons. @slot: the first lookup's byte of the key, each @stride after the other. */
static inline __attribute__((always_inline)) LPM_TARGET_AVX512 void
lpm_lanes_compare(const uint8_t *base, struct lpm_lanes *l, const uint8_t *slot,
		  unsigned int stride)
{
#pragma GCC unroll 16
	for (unsigned int i = 0; i < LPM_LANES; i++) {
		__m256i starts =
			_mm256_load_si256((const __m256i *)(const void *)(base + l->offset[i]));

		l->below[i] =
			_mm256_cmple_epu8_mask(starts, _mm256_set1_epi8((char)slot[i * stride]));
	}
}

/* Third: @return the entries of the slots; answers stay what they are. */
static inline __attribute__((always_inline)) LPM_TARGET_AVX512 __m512i
lpm_lanes_pick(const uint8_t *base, const struct lpm_lanes *l, __m512i entry, __m512i slot)
{
	__m512i below =
		_mm512_and_si512(_mm512_load_si512(l->below), lpm_pick(lpm_column_starts, entry));
	__m512i run = _mm512_add_epi32(_mm512_popcnt_epi32(below),
				       _mm512_and_si512(slot, lpm_pick(lpm_column_raw, entry)));
	__m512i byte =
		_mm512_add_epi32(_mm512_load_si512(l->offset), lpm_pick(lpm_column_at, entry));
	__m512i found;

	byte = _mm512_add_epi32(byte, _mm512_sllv_epi32(run, lpm_pick(lpm_column_width, entry)));
	/* The aligned word around the entry: no read leaves the line. */
	found = _mm512_i32gather_epi32(_mm512_srli_epi32(byte, 2), (const void *)base, 4);
	byte = _mm512_slli_epi32(_mm512_and_si512(byte, _mm512_set1_epi32(3)), 3);
	found = _mm512_and_si512(_mm512_srlv_epi32(found, byte), lpm_pick(lpm_column_bits, entry));
	return _mm512_mask_mov_epi32(entry, _mm512_movepi32_mask(entry), found);
}

#endif
