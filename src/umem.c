/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: mapping, the common pool, caches. The algorithm and its invariants are in umem.h. */
#include "umem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_2M (2u << 20)

struct frame_cache {
	struct umem *umem;
	struct slab *current, *spare;
} __attribute__((aligned(64)));

static void stack_push(struct umem *umem, uint64_t *head, struct slab *slab)
{
	uint32_t index = (uint32_t)(slab - umem->slabs) + 1;
	uint64_t old = __atomic_load_n(head, __ATOMIC_RELAXED), new;

	do {
		__atomic_store_n(&slab->next, (uint32_t)old, __ATOMIC_RELAXED);
		new = (((old >> 32) + 1) << 32) | index;
	} while (!__atomic_compare_exchange_n(head, &old, new, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

static struct slab *stack_pop(struct umem *umem, uint64_t *head)
{
	uint64_t old = __atomic_load_n(head, __ATOMIC_ACQUIRE), new;
	struct slab *slab;

	do {
		if (!(uint32_t)old)
			return NULL;
		slab = &umem->slabs[(uint32_t)old - 1];
		new = (((old >> 32) + 1) << 32) | __atomic_load_n(&slab->next, __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(head, &old, new, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return slab;
}

/* Huge pages as asked; sets umem->pages to what was obtained. */
static int map_area(struct umem *umem, enum hugepages pages, char *why)
{
	size_t huge_bytes = (umem->bytes + HUGE_2M - 1) & ~(size_t)(HUGE_2M - 1);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
	void *area = MAP_FAILED;

	if (pages != HUGEPAGES_OFF)
		area = mmap(NULL, huge_bytes, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
	if (area != MAP_FAILED) {
		umem->bytes = huge_bytes;
		umem->huge = true;
		snprintf(umem->pages, sizeof(umem->pages), "%zu huge pages of 2 MiB",
			 huge_bytes / HUGE_2M);
		umem->area = area;
		return 0;
	}
	if (pages == HUGEPAGES_REQUIRE) {
		snprintf(why, 256,
			 "memory: %zu huge pages of 2 MiB are required and not free; "
			 "reserve them with sysctl vm.nr_hugepages=%zu",
			 huge_bytes / HUGE_2M, huge_bytes / HUGE_2M);
		return -ENOMEM;
	}
	area = mmap(NULL, umem->bytes + HUGE_2M, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		snprintf(why, 256, "memory: %zu bytes for %u frames: %s", umem->bytes, umem->frames,
			 strerror(errno));
		return -ENOMEM;
	}
	/* align to a huge page, so that transparent ones can serve and frames are aligned */
	uintptr_t start = ((uintptr_t)area + HUGE_2M - 1) & ~(uintptr_t)(HUGE_2M - 1);
	size_t head = start - (uintptr_t)area;

	if (head)
		munmap(area, head);
	if (HUGE_2M - head)
		munmap((void *)(start + umem->bytes), HUGE_2M - head);
	umem->area = (uint8_t *)start;
	bool advised = pages != HUGEPAGES_OFF &&
		       madvise(umem->area, umem->bytes, MADV_HUGEPAGE) == 0;

	madvise(umem->area, umem->bytes, MADV_POPULATE_WRITE);
	snprintf(umem->pages, sizeof(umem->pages), "%zu KiB in 4 KiB pages%s", umem->bytes >> 10,
		 advised ? ", transparent huge pages asked for" : "");
	return 0;
}

int umem_new(struct umem **result, uint32_t frames, uint32_t frame_size, enum hugepages pages,
	     unsigned caches, char *why)
{
	struct umem *umem = aligned_alloc(64, sizeof(*umem));
	int err = -ENOMEM;

	why[0] = '\0';
	if (!umem)
		return -ENOMEM;
	memset(umem, 0, sizeof(*umem));
	frames = (frames + SLAB_FRAMES - 1) / SLAB_FRAMES * SLAB_FRAMES;
	umem->frames = frames;
	umem->frame_size = frame_size;
	umem->frame_shift = (uint32_t)__builtin_ctz(frame_size);
	umem->bytes = (size_t)frames * frame_size;
	/* every cache holds two slabs, full or not; frames never outnumber the room in the others */
	umem->n_slabs = frames / SLAB_FRAMES + 2 * caches + 2;
	umem->slabs = calloc(umem->n_slabs, sizeof(*umem->slabs));
	if (!umem->slabs) {
		snprintf(why, 256, "memory: no room for %u slabs", umem->n_slabs);
		goto fail;
	}
#ifdef VISOR_DEBUG
	umem->owner = calloc(frames, 1);
	if (!umem->owner)
		goto fail;
#endif
	err = map_area(umem, pages, why);
	if (err)
		goto fail;
	for (uint32_t i = 0, frame = 0; i < umem->n_slabs; i++) {
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
	if (umem->area)
		munmap(umem->area, umem->bytes);
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
		const struct slab *slab = &umem->slabs[index - 1];

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
