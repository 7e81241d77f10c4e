/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step of hashing: 64 bits of state, 64 bits of input, folded over a 128-bit product. Two
 * multiplications' worth of time and every input bit reaches every output bit. Not for flooding
 * resistance on its own: start from a random seed where the outside chooses the input.
 */
#ifndef VISOR_MIX_H
#define VISOR_MIX_H

#include <stdint.h>

/* any. */
static inline uint64_t mix64(uint64_t state, uint64_t input)
{
	__uint128_t product =
		(__uint128_t)(state ^ 0x9e3779b97f4a7c15ull) * (input ^ 0xd1b54a32d192ed03ull);
	uint64_t x = (uint64_t)product ^ (uint64_t)(product >> 64);

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ (x >> 32);
}

#endif
