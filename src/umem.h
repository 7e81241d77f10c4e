/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's one UMEM: frames, and who has them.
 *
 * A frame is `frame_size` bytes, aligned to its size; its address is its offset in the area. It is
 * in exactly one place at any time: with the kernel through one queue (fill ring, driver, TX or
 * completion ring: that queue's `with_kernel` bitmap), in a worker's hands (burst, waiting for a
 * neighbour, on the way to another worker), in a worker's cache, or in the common pool.
 *
 * The pool hands frames out in slabs of SLAB_FRAMES: two lock-free stacks (treiber.h), of full and of
 * empty slabs. A worker's cache is two slabs, exchanged whole with the
 * pool, after Bonwick's magazines (USENIX 2001): one atomic operation for every 64 frames, and no
 * ping-pong at the boundary.
 *
 * A debug build keeps a byte per frame and stops at any second owner.
 */
#ifndef VISOR_UMEM_H
#define VISOR_UMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "hugepage.h"

#define SLAB_FRAMES 64
#define FRAME_HEADROOM 256 /* XDP_PACKET_HEADROOM: what the kernel leaves before a packet */

struct slab {
	uint32_t n;
	uint32_t next; /* in a stack: number of the slab below */
	uint64_t frame[SLAB_FRAMES];
};

struct frame_cache; /* one thread's */

struct umem {
	uint8_t *area; /* memory.base */
	struct hugepage_area memory;
	uint32_t frame_size;
	uint32_t frame_shift;
	uint32_t frames;
	struct slab *slabs; /* [n_slabs + 1], from 1 on */
	uint32_t n_slabs;
	uint64_t full __attribute__((aligned(64))); /* treiber.h */
	uint64_t empty __attribute__((aligned(64)));
#ifdef VISOR_DEBUG
	uint8_t *owner; /* enum frame_owner by frame */
#endif
};

enum frame_owner { FRAME_POOL, FRAME_WORKER, FRAME_KERNEL };

/* Map `frames` frames (rounded up to a slab) with the huge pages that `pages` asks for. On failure
 * `why` (256 bytes) says what to change. control. */
int umem_new(struct umem **umem, uint32_t frames, uint32_t frame_size, enum hugepages pages,
	     unsigned caches, char *why);
void umem_free(struct umem *umem);

/* A thread's cache; its frames go back to the pool with frame_cache_free(). */
int frame_cache_new(struct frame_cache **cache, struct umem *umem);
void frame_cache_free(struct frame_cache *cache);

/* Up to n frames; returns how many there were. The cache's thread. */
unsigned frame_cache_get(struct frame_cache *cache, uint64_t *frame, unsigned n);
/* Give frames back: base addresses, or any address inside the frame. The cache's thread. */
void frame_cache_put(struct frame_cache *cache, const uint64_t *frame, unsigned n);
uint32_t frame_cache_count(const struct frame_cache *cache); /* any thread, approximate */

/* Frames in the pool (not in caches). Any thread; exact when nothing moves. */
uint32_t umem_pool_count(const struct umem *umem);

/* Debug builds: a frame changes hands; stops the process where `from` is not the owner. */
#ifdef VISOR_DEBUG
void umem_own(struct umem *umem, uint64_t addr, enum frame_owner from, enum frame_owner to);
#else
static inline void umem_own(struct umem *umem, uint64_t addr, enum frame_owner from,
			    enum frame_owner to)
{
}
#endif

static inline uint64_t umem_base(const struct umem *umem, uint64_t addr)
{
	return addr & ~(uint64_t)(umem->frame_size - 1);
}

static inline uint8_t *umem_data(const struct umem *umem, uint64_t addr)
{
	return umem->area + addr;
}

#endif
