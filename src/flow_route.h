/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_head.route: the route of each direction as it was last looked up, in one word that workers
 * read and write whole: 20 bits of next-hop id for each direction (0: not known) and the low 24 of
 * the FIB's generation at that time. Only the route is remembered: what the next hop is right now,
 * its neighbour, its MAC address, is read through its id with every packet.
 *
 * A generation 2^24 changes later would pass for the same one: the wheel's visit, every quarter
 * minute, forgets words of other generations.
 */
#ifndef VISOR_FLOW_ROUTE_H
#define VISOR_FLOW_ROUTE_H

#include <stdint.h>

#define FLOW_ROUTE_BITS 20
#define FLOW_ROUTE_MASK ((1u << FLOW_ROUTE_BITS) - 1)

/* The generation as the word has it. */
static inline uint32_t flow_route_generation(uint64_t fib_generation)
{
	return (uint32_t)fib_generation & 0xffffff;
}

/* The next-hop id of a direction, 0 where it has to be looked up. */
static inline uint32_t flow_route_get(uint64_t word, unsigned direction, uint32_t generation)
{
	if ((uint32_t)(word >> 40) != generation)
		return 0;
	return (uint32_t)(word >> (direction * FLOW_ROUTE_BITS)) & FLOW_ROUTE_MASK;
}

/* The word with one direction's set; the other's is kept where it is of the same generation. */
static inline uint64_t flow_route_set(uint64_t word, unsigned direction, uint32_t generation,
				      uint32_t id)
{
	const unsigned shift = direction * FLOW_ROUTE_BITS;

	if ((uint32_t)(word >> 40) != generation)
		word = (uint64_t)generation << 40;
	word &= ~((uint64_t)FLOW_ROUTE_MASK << shift);
	return word | (uint64_t)(id & FLOW_ROUTE_MASK) << shift;
}

#endif
