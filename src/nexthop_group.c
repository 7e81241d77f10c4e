/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which member of an ECMP group has which bucket: weighted rendezvous hashing (Thaler and
 * Ravishankar 1998; the weights as by Schindelhauer and Schomaker 2005), bucket by bucket.
 *
 * For a bucket each member draws a number u in (0, 1) from the hash of itself and the bucket, and
 * the smallest -ln(u) / weight wins. What a bucket's members draw does not depend on who else is
 * there: when a member goes, the buckets that it had move and no other; when it comes back, it
 * gets exactly those; and the table is the same whichever way it came about, also when the
 * kernel replaces a group by one with a leg less. Tables with fixed quotas (or a modulo) are exact
 * in their shares but move others' flows.
 *
 * Shares: with independent draws the error of a half of 4096 buckets would have a deviation of 32.
 * Here a member's draws are a pseudo-random permutation of the buckets, that is: each value of u
 * exactly once. Its marginal distribution is then exact and what is left is a third of the
 * variance: below 0.5 % of the traffic at 4096 buckets.
 */
#include <math.h>

#include "mix.h"
#include "nexthop.h"

#define BITS_DEFAULT 12
#define BITS_MANY_GROUPS 9 /* when groups are so many that their tables would take much memory */
#define MANY_GROUPS 4096
#define BITS_MAX 14

unsigned buckets_bits(unsigned members, unsigned groups)
{
	unsigned bits = groups > MANY_GROUPS ? BITS_MANY_GROUPS : BITS_DEFAULT;

	while (bits < BITS_MAX && members << 6 > 1u << bits)
		bits++;
	return members > 1 ? bits : 0;
}

/* -ln(u) for the ranks of 2^bits buckets; made once per size. control. */
static const float *costs(unsigned bits)
{
	static float cost[BITS_MAX + 1][1u << BITS_MAX];
	static bool made[BITS_MAX + 1];
	unsigned n = 1u << bits;

	if (!made[bits]) {
		for (unsigned i = 0; i < n; i++)
			cost[bits][i] = -logf(((float)i + 0.5f) / (float)n);
		made[bits] = true;
	}
	return cost[bits];
}

/* A permutation of 0 … 2^bits - 1 that the key chooses: rounds of bijections of that many bits. */
static uint32_t permute(uint32_t x, uint64_t key, unsigned bits)
{
	uint32_t mask = (1u << bits) - 1;
	unsigned half = (bits + 1) / 2;

	for (unsigned round = 0; round < 4; round++) {
		x = (x + (uint32_t)(key >> (round * 16))) & mask;
		x = (x * ((uint32_t)(key >> (8 + round * 7)) << 1 | 1)) & mask;
		x ^= x >> half;
		x = (x * (0x9e3779b1u + (round << 4))) & mask;
		x ^= x >> half;
	}
	return x;
}

void buckets_fill(const struct bucket_member *m, unsigned n, uint32_t *buckets, unsigned bits)
{
	const float *cost = costs(bits);
	float factor[RIB_HOPS_MAX];
	uint64_t key[RIB_HOPS_MAX];

	for (unsigned i = 0; i < n; i++) {
		factor[i] = 1.0f / (float)(m[i].weight ? m[i].weight : 1);
		key[i] = mix64(m[i].key, 0x6275636b6574ull);
	}
	for (uint32_t b = 0; b < 1u << bits; b++) {
		float best = INFINITY;
		unsigned winner = 0;

		for (unsigned i = 0; i < n; i++) {
			float score = cost[permute(b, key[i], bits)] * factor[i];

			if (score < best || (score == best && m[i].key < m[winner].key)) {
				best = score;
				winner = i;
			}
		}
		buckets[b] = n ? m[winner].id : 0;
	}
}
