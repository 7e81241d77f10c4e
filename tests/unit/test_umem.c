/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: handed out once, all of them, by one thread or many; and the ring between threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spsc.h"
#include "umem.h"

static struct umem *make(uint32_t frames, unsigned caches)
{
	struct umem *umem;
	char why[256];

	assert_int_equal(umem_new(&umem, frames, 2048, HUGEPAGES_OFF, caches, why), 0);
	return umem;
}

static void frames_are_aligned_and_inside_the_area(void **state)
{
	struct umem *umem = make(1000, 1);

	assert_int_equal(umem->frames, 1024); /* whole slabs */
	assert_int_equal((uintptr_t)umem->area % 4096, 0);
	assert_true(umem->memory.bytes >= 1024u * 2048);
	assert_int_equal(umem_base(umem, 5 * 2048 + 300), 5 * 2048);
	umem_free(umem);
}

static void every_frame_is_handed_out_once(void **state)
{
	struct umem *umem = make(640, 1);
	uint8_t seen[640] = { 0 };
	struct frame_cache *cache;
	uint64_t frame[64];
	unsigned total = 0, n;

	assert_int_equal(frame_cache_new(&cache, umem), 0);
	while ((n = frame_cache_get(cache, frame, 37))) {
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(seen[frame[i] / 2048]++, 0);
		total += n;
	}
	assert_int_equal(total, 640);
	for (uint64_t i = 0; i < 640; i++) {
		uint64_t addr = i * 2048 + 256; /* any address inside a frame */

		frame_cache_put(cache, &addr, 1);
	}
	assert_int_equal(umem_pool_count(umem) + frame_cache_count(cache), 640);
	frame_cache_free(cache);
	assert_int_equal(umem_pool_count(umem), 640);
	umem_free(umem);
}

static void given_back_frames_carry_their_base_address(void **state)
{
	struct umem *umem = make(64, 1);
	struct frame_cache *cache;
	uint64_t frame[64], moved;

	assert_int_equal(frame_cache_new(&cache, umem), 0);
	assert_int_equal(frame_cache_get(cache, frame, 64), 64);
	moved = frame[7] + 270; /* a head that moved: decapsulation */
	frame_cache_put(cache, &moved, 1);
	assert_int_equal(frame_cache_get(cache, &moved, 1), 1);
	assert_int_equal(moved, frame[7]);
	frame_cache_put(cache, frame, 64);
	frame_cache_free(cache);
	umem_free(umem);
}

#define THREADS 4

struct mover {
	struct frame_cache *cache;
	uint8_t *held; /* by frame: how many hold it */
	unsigned seed;
};

static void *take_and_give(void *arg)
{
	struct mover *mover = arg;
	uint64_t frame[300];
	unsigned have = 0;

	for (unsigned round = 0; round < 20000; round++) {
		unsigned want = (unsigned)rand_r(&mover->seed) % 100;

		if (have + want <= 300) {
			unsigned got = frame_cache_get(mover->cache, frame + have, want);

			for (unsigned i = have; i < have + got; i++)
				if (__atomic_fetch_add(&mover->held[frame[i] / 2048], 1,
						       __ATOMIC_RELAXED))
					return (void *)"held twice";
			have += got;
		} else {
			for (unsigned i = 0; i < have; i++)
				__atomic_fetch_sub(&mover->held[frame[i] / 2048], 1,
						   __ATOMIC_RELAXED);
			frame_cache_put(mover->cache, frame, have);
			have = 0;
		}
	}
	for (unsigned i = 0; i < have; i++)
		__atomic_fetch_sub(&mover->held[frame[i] / 2048], 1, __ATOMIC_RELAXED);
	frame_cache_put(mover->cache, frame, have);
	return NULL;
}

static void threads_never_hold_the_same_frame(void **state)
{
	struct umem *umem = make(1024, THREADS); /* fewer than all could want at once */
	struct mover mover[THREADS];
	pthread_t thread[THREADS];
	uint8_t held[1024] = { 0 };
	void *wrong;

	for (unsigned i = 0; i < THREADS; i++) {
		mover[i] = (struct mover){ .held = held, .seed = i + 1 };
		assert_int_equal(frame_cache_new(&mover[i].cache, umem), 0);
		assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &mover[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &wrong);
		assert_null(wrong);
		frame_cache_free(mover[i].cache);
	}
	assert_int_equal(umem_pool_count(umem), 1024);
	umem_free(umem);
}

static void *produce(void *arg)
{
	struct spsc *ring = arg;

	for (uint64_t i = 1; i <= 200000;) {
		uint64_t *slot = spsc_reserve(ring);

		if (!slot) {
			spsc_publish(ring);
			continue;
		}
		*slot = i++;
		if (i % 7 == 0)
			spsc_publish(ring);
	}
	spsc_publish(ring);
	return NULL;
}

static void ring_keeps_order_and_loses_nothing(void **state)
{
	struct spsc *ring = spsc_new(64, sizeof(uint64_t));
	uint64_t expected = 1;
	pthread_t thread;

	assert_non_null(ring);
	assert_int_equal(pthread_create(&thread, NULL, produce, ring), 0);
	while (expected <= 200000) {
		uint32_t n = spsc_available(ring, 16);

		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(*(const uint64_t *)spsc_peek(ring, i), expected++);
		spsc_release(ring, n);
	}
	pthread_join(thread, NULL);
	spsc_free(ring);
}

static void ring_refuses_when_full_and_hides_the_unpublished(void **state)
{
	struct spsc *ring = spsc_new(4, sizeof(uint64_t));

	for (int i = 0; i < 4; i++)
		assert_non_null(spsc_reserve(ring));
	assert_null(spsc_reserve(ring));
	assert_true(spsc_unpublished(ring));
	assert_int_equal(spsc_available(ring, 8), 0);
	spsc_publish(ring);
	assert_int_equal(spsc_available(ring, 8), 4);
	spsc_release(ring, 1);
	assert_non_null(spsc_reserve(ring));
	spsc_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_aligned_and_inside_the_area),
		cmocka_unit_test(every_frame_is_handed_out_once),
		cmocka_unit_test(given_back_frames_carry_their_base_address),
		cmocka_unit_test(threads_never_hold_the_same_frame),
		cmocka_unit_test(ring_keeps_order_and_loses_nothing),
		cmocka_unit_test(ring_refuses_when_full_and_hides_the_unpublished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
