/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded single-producer, single-consumer ring of fixed-size elements (Lamport 1983, with the
 * other side's index cached as in FastForward and MCRingBuffer): packets between two workers,
 * questions from a worker to the control thread.
 *
 * The producer writes elements and publishes them in batches; producer, consumer and the two
 * caches live on lines of their own.
 */
#ifndef VISOR_SPSC_H
#define VISOR_SPSC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct spsc {
	uint32_t mask, size; /* read-only after creation */
	size_t element;
	/* producer's line */
	uint32_t head __attribute__((aligned(64))); /* next to write, unpublished */
	uint32_t seen_tail;
	/* shared */
	uint32_t published __attribute__((aligned(64)));
	uint32_t tail __attribute__((aligned(64)));
	/* consumer's line */
	uint32_t seen_published __attribute__((aligned(64)));
	uint8_t elements[] __attribute__((aligned(64)));
};

/* `size` elements, a power of two. NULL where memory fails. */
static inline struct spsc *spsc_new(uint32_t size, size_t element)
{
	size_t bytes = (sizeof(struct spsc) + size * element + 63) / 64 * 64;
	struct spsc *ring = aligned_alloc(64, bytes);

	if (!ring)
		return NULL;
	memset(ring, 0, sizeof(*ring));
	ring->size = size;
	ring->mask = size - 1;
	ring->element = element;
	return ring;
}

static inline void spsc_free(struct spsc *ring)
{
	free(ring);
}

/* Producer: where the next element goes, or NULL when full. Visible after spsc_publish(). */
static inline void *spsc_reserve(struct spsc *ring)
{
	if (ring->head - ring->seen_tail == ring->size) {
		ring->seen_tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		if (ring->head - ring->seen_tail == ring->size)
			return NULL;
	}
	return ring->elements + (size_t)(ring->head++ & ring->mask) * ring->element;
}

/* Producer: is anything written and not yet visible? */
static inline bool spsc_unpublished(const struct spsc *ring)
{
	return ring->head != __atomic_load_n(&ring->published, __ATOMIC_RELAXED);
}

static inline void spsc_publish(struct spsc *ring)
{
	__atomic_store_n(&ring->published, ring->head, __ATOMIC_RELEASE);
}

/* Producer: has the consumer had all but the last element that was published? */
static inline bool spsc_was_empty(const struct spsc *ring)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->tail, __ATOMIC_RELAXED) + 1 == ring->head;
}

/* Consumer: how many elements are there (up to n). */
static inline uint32_t spsc_available(struct spsc *ring, uint32_t n)
{
	uint32_t have = ring->seen_published - ring->tail;

	if (have < n) {
		ring->seen_published = __atomic_load_n(&ring->published, __ATOMIC_ACQUIRE);
		have = ring->seen_published - ring->tail;
	}
	return have < n ? have : n;
}

/* Consumer: the i-th of the available elements. */
static inline const void *spsc_peek(const struct spsc *ring, uint32_t i)
{
	return ring->elements + (size_t)((ring->tail + i) & ring->mask) * ring->element;
}

/* Consumer: done with the first n. */
static inline void spsc_release(struct spsc *ring, uint32_t n)
{
	__atomic_store_n(&ring->tail, ring->tail + n, __ATOMIC_RELEASE);
}

#endif
