/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock-free stack of numbered things (Treiber 1986): slabs of frames, chains of free flows.
 *
 * The head is one word, a tag over the number of the top element; 0 is the end, so numbers begin at
 * 1. Each change of the head counts the tag, against ABA: an element that was popped, used and pushed
 * again by others since it was read. An element's link is a word somewhere in it, found by a function
 * of the user's: a thread may read the link of an element that another has just popped and uses for
 * something else, which is harmless because the tag has changed by then, but the memory must stay.
 */
#ifndef VISOR_TREIBER_H
#define VISOR_TREIBER_H

#include <stdint.h>

/* Element `number` goes on top; `link` is its link. any. */
static inline void treiber_push(uint64_t *head, uint32_t number, uint32_t *link)
{
	uint64_t old = __atomic_load_n(head, __ATOMIC_RELAXED), new;

	do {
		__atomic_store_n(link, (uint32_t)old, __ATOMIC_RELAXED);
		new = (((old >> 32) + 1) << 32) | number;
	} while (!__atomic_compare_exchange_n(head, &old, new, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* The top element, or 0. `links` is the link of what would be element 0, `stride` the bytes from one
 * element's to the next one's. any. */
static inline uint32_t treiber_pop(uint64_t *head, const void *links, uint32_t stride)
{
	uint64_t old = __atomic_load_n(head, __ATOMIC_ACQUIRE), new;

	do {
		if (!(uint32_t)old)
			return 0;
		const uint32_t *link =
			(const uint32_t *)(const void *)((const char *)links +
							 (uint64_t)(uint32_t)old * stride);

		new = (((old >> 32) + 1) << 32) | __atomic_load_n(link, __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(head, &old, new, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return (uint32_t)old;
}

#endif
