/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: mapping, the common pool, caches. The algorithm and its invariants are in umem.h. */
#include "umem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "treiber.h"

struct frame_cache {
	struct umem *umem;
	struct slab *current, *spare;
} __attribute__((aligned(64)));

static void stack_push(struct umem *umem, uint64_t *head, struct slab *slab)
{
	treiber_push(head, (uint32_t)(slab - umem->slabs), &slab->next);
}

static struct slab *stack_pop(struct umem *umem, uint64_t *head)
{
	uint32_t number = treiber_pop(head, &umem->slabs->next, sizeof(*umem->slabs));

	return number ? &umem->slabs[number] : NULL;
}

int umem_new(struct umem **result, uint32_t frames, uint32_t frame_size, enum hugepages pages,
	     unsigned caches, char *why)
{
	struct umem *umem = aligned_alloc(64, sizeof(*umem));
	char what[32];
	int err = -ENOMEM;

	why[0] = '\0';
	if (!umem)
		return -ENOMEM;
	memset(umem, 0, sizeof(*umem));
	frames = (frames + SLAB_FRAMES - 1) / SLAB_FRAMES * SLAB_FRAMES;
	umem->frames = frames;
	umem->frame_size = frame_size;
	umem->frame_shift = (uint32_t)__builtin_ctz(frame_size);
	/* every cache holds two slabs, full or not; frames never outnumber the room in the others */
	umem->n_slabs = frames / SLAB_FRAMES + 2 * caches + 2;
	umem->slabs = calloc(umem->n_slabs + 1, sizeof(*umem->slabs)); /* from 1 on */
	if (!umem->slabs) {
		snprintf(why, 256, "memory: no room for %u slabs", umem->n_slabs);
		goto fail;
	}
#ifdef VISOR_DEBUG
	umem->owner = calloc(frames, 1);
	if (!umem->owner)
		goto fail;
#endif
	snprintf(what, sizeof(what), "%u frames", frames);
	err = hugepage_map(&umem->memory, (size_t)frames * frame_size, pages, what, why);
	if (err)
		goto fail;
	umem->area = umem->memory.base;
	for (uint32_t i = 1, frame = 0; i <= umem->n_slabs; i++) {
		struct slab *slab = &umem->slabs[i];

		while (slab->n < SLAB_FRAMES && frame < frames)
			slab->frame[slab->n++] = (uint64_t)frame++ << umem->frame_shift;
		stack_push(umem, slab->n ? &umem->full : &umem->empty, slab);
	}
	*result = umem;
	return 0;
fail:
	umem_free(umem);
	return err;
}

void umem_free(struct umem *umem)
{
	if (!umem)
		return;
	hugepage_unmap(&umem->memory);
#ifdef VISOR_DEBUG
	free(umem->owner);
#endif
	free(umem->slabs);
	free(umem);
}

int frame_cache_new(struct frame_cache **result, struct umem *umem)
{
	struct frame_cache *cache = aligned_alloc(64, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->umem = umem;
	cache->current = stack_pop(umem, &umem->empty);
	cache->spare = stack_pop(umem, &umem->empty);
	if (!cache->current || !cache->spare) {
		frame_cache_free(cache);
		return -ENOMEM;
	}
	*result = cache;
	return 0;
}

static void slab_return(struct umem *umem, struct slab *slab)
{
	if (slab)
		stack_push(umem, slab->n ? &umem->full : &umem->empty, slab);
}

void frame_cache_free(struct frame_cache *cache)
{
	if (!cache)
		return;
	slab_return(cache->umem, cache->current);
	slab_return(cache->umem, cache->spare);
	free(cache);
}

/* Make `current` non-empty. */
static bool cache_load(struct frame_cache *cache)
{
	struct slab *slab = cache->spare;

	if (!slab->n) {
		slab = stack_pop(cache->umem, &cache->umem->full);
		if (!slab)
			return false;
		stack_push(cache->umem, &cache->umem->empty, cache->spare);
	}
	cache->spare = cache->current;
	cache->current = slab;
	return true;
}

/* Make room in `current`. */
static bool cache_unload(struct frame_cache *cache)
{
	struct slab *slab = cache->spare;

	if (slab->n == SLAB_FRAMES) {
		slab = stack_pop(cache->umem, &cache->umem->empty);
		if (!slab)
			return false;
		stack_push(cache->umem, &cache->umem->full, cache->spare);
	}
	cache->spare = cache->current;
	cache->current = slab;
	return true;
}

unsigned frame_cache_get(struct frame_cache *cache, uint64_t *frame, unsigned n)
{
	unsigned got = 0;

	while (got < n) {
		struct slab *slab = cache->current;

		if (!slab->n) {
			if (!cache_load(cache))
				break;
			continue;
		}
		uint32_t take = n - got < slab->n ? n - got : slab->n;
		uint32_t left = slab->n - take;

		memcpy(frame + got, slab->frame + left, take * sizeof(*frame));
		__atomic_store_n(&slab->n, left, __ATOMIC_RELAXED);
		got += take;
	}
	for (unsigned i = 0; i < got; i++)
		umem_own(cache->umem, frame[i], FRAME_POOL, FRAME_WORKER);
	return got;
}

void frame_cache_put(struct frame_cache *cache, const uint64_t *frame, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct slab *slab = cache->current;

		if (slab->n == SLAB_FRAMES) {
			if (!cache_unload(cache))
				return; /* cannot be: there is room for every frame */
			slab = cache->current;
		}
		umem_own(cache->umem, frame[i], FRAME_WORKER, FRAME_POOL);
		slab->frame[slab->n] = umem_base(cache->umem, frame[i]);
		__atomic_store_n(&slab->n, slab->n + 1, __ATOMIC_RELAXED);
	}
}

uint32_t frame_cache_count(const struct frame_cache *cache)
{
	return __atomic_load_n(&cache->current->n, __ATOMIC_RELAXED) +
	       __atomic_load_n(&cache->spare->n, __ATOMIC_RELAXED);
}

uint32_t umem_pool_count(const struct umem *umem)
{
	uint32_t total = 0, steps = 0;
	uint32_t index = (uint32_t)__atomic_load_n(&umem->full, __ATOMIC_ACQUIRE);

	/* a walk of a moving stack may be off; it never runs away */
	while (index && steps++ < umem->n_slabs) {
		const struct slab *slab = &umem->slabs[index];

		total += __atomic_load_n(&slab->n, __ATOMIC_RELAXED);
		index = __atomic_load_n(&slab->next, __ATOMIC_RELAXED);
	}
	return total;
}

#ifdef VISOR_DEBUG
void umem_own(struct umem *umem, uint64_t addr, enum frame_owner from, enum frame_owner to)
{
	uint64_t frame = addr >> umem->frame_shift;
	uint8_t old;

	if (frame >= umem->frames) {
		fprintf(stderr, "umem: address %#llx is outside the area\n",
			(unsigned long long)addr);
		abort();
	}
	old = __atomic_exchange_n(&umem->owner[frame], (uint8_t)to, __ATOMIC_ACQ_REL);
	if (old != from) {
		fprintf(stderr, "umem: frame %llu goes from %d to %d, but was with %u\n",
			(unsigned long long)frame, from, to, old);
		abort();
	}
}
#endif
