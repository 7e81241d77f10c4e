/* SPDX-License-Identifier: Apache-2.0 */
/* A queue's rings with the kernel's side played by the test: what it gives, takes and counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "queue.h"

#define RX_RING 64
#define TX_RING 32
#define FRAMES 1024
#define FRAME_SIZE 2048

struct fixture {
	struct umem *umem;
	struct frame_cache *cache;
	struct queue *queue;
	uint64_t in_driver[FRAMES]; /* what a zero-copy driver took from the fill ring */
	unsigned n_in_driver;
};

static void ring_make(struct ring *ring, uint32_t size, size_t entry, bool produces)
{
	uint32_t *positions = test_calloc(3, sizeof(*positions));

	ring->producer = positions;
	ring->consumer = positions + 1;
	ring->flags = positions + 2;
	ring->entries = test_calloc(size, entry);
	ring->size = size;
	ring->mask = size - 1;
	ring->seen = produces ? size : 0;
}

static void ring_free(struct ring *ring)
{
	test_free(ring->producer);
	test_free(ring->entries);
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct queue *queue = aligned_alloc(64, (sizeof(*queue) + 63) / 64 * 64);
	char why[256];

	assert_int_equal(umem_new(&f->umem, FRAMES, FRAME_SIZE, HUGEPAGES_OFF, 1, why), 0);
	assert_int_equal(frame_cache_new(&f->cache, f->umem), 0);
	memset(queue, 0, sizeof(*queue));
	queue->fd = -1;
	queue->umem = f->umem;
	queue->zerocopy = true;
	queue->with_kernel = calloc(FRAMES / 64, sizeof(uint64_t));
	ring_make(&queue->rx, RX_RING, sizeof(struct xdp_desc), false);
	ring_make(&queue->tx, TX_RING, sizeof(struct xdp_desc), true);
	ring_make(&queue->fill, 2 * RX_RING, sizeof(uint64_t), true);
	ring_make(&queue->completion, TX_RING, sizeof(uint64_t), false);
	f->queue = queue;
	*state = f;
	return 0;
}

/* Every frame comes back, wherever the test left it. */
static int teardown(void **state)
{
	struct fixture *f = *state;

	ring_free(&f->queue->rx);
	ring_free(&f->queue->tx);
	ring_free(&f->queue->fill);
	ring_free(&f->queue->completion);
	queue_free(f->queue, f->cache);
	frame_cache_free(f->cache);
	assert_int_equal(umem_pool_count(f->umem), FRAMES);
	umem_free(f->umem);
	test_free(f);
	return 0;
}

/* A driver with a hardware ring of any size: it takes all that the fill ring has. */
static unsigned driver_fetch(struct fixture *f)
{
	struct ring *fill = &f->queue->fill;
	unsigned n = 0;

	for (; *fill->consumer != *fill->producer; n++)
		f->in_driver[f->n_in_driver++] =
			((uint64_t *)fill->entries)[(*fill->consumer)++ & fill->mask];
	return n;
}

static void driver_receive(struct fixture *f, unsigned n)
{
	struct ring *rx = &f->queue->rx;

	while (n--) {
		struct xdp_desc *desc = (struct xdp_desc *)rx->entries + (*rx->producer & rx->mask);

		*desc = (struct xdp_desc){ .addr = f->in_driver[--f->n_in_driver] + 256,
					   .len = 60 };
		++*rx->producer;
	}
}

/* The driver takes what the TX ring has, and so far nothing is completed. */
static void driver_send(struct fixture *f)
{
	*f->queue->tx.consumer = *f->queue->tx.producer;
}

static bool send_one(struct fixture *f)
{
	struct packet packet = { .len = 60, .first_len = 60 };
	uint64_t addr;

	assert_int_equal(frame_cache_get(f->cache, &addr, 1), 1);
	packet.data = umem_data(f->umem, addr + 256);
	if (queue_transmit(f->queue, &packet))
		return true;
	frame_cache_put(f->cache, &addr, 1);
	return false;
}

static void a_driver_with_a_large_ring_gets_no_more_than_the_share(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		queue_refill(f->queue, f->cache);
		driver_fetch(f);
	}
	assert_int_equal(f->n_in_driver, QUEUE_RX_SHARE * RX_RING);
	assert_int_equal(f->queue->rx_pending, QUEUE_RX_SHARE * RX_RING);
	assert_int_equal(f->queue->counters.fill_starved, 0);
}

static void what_was_received_is_filled_again(void **state)
{
	struct fixture *f = *state;
	struct packet packets[BURST_MAX];
	unsigned n;

	queue_refill(f->queue, f->cache);
	driver_fetch(f);
	queue_refill(f->queue, f->cache);
	driver_fetch(f);
	driver_receive(f, BURST_MAX);
	n = queue_receive(f->queue, f->cache, packets, BURST_MAX);
	assert_int_equal(n, BURST_MAX);
	assert_int_equal(f->queue->rx_pending, QUEUE_RX_SHARE * RX_RING - BURST_MAX);
	for (unsigned i = 0; i < n; i++) {
		uint64_t addr = (uint64_t)(packets[i].data - f->umem->area);

		frame_cache_put(f->cache, &addr, 1);
	}
	queue_refill(f->queue, f->cache);
	assert_int_equal(driver_fetch(f), BURST_MAX);
}

static void no_more_is_sent_than_completes(void **state)
{
	struct fixture *f = *state;
	unsigned sent = 0;

	while (sent < 2 * TX_RING && send_one(f)) {
		sent++;
		queue_flush(f->queue);
		driver_send(f);
	}
	assert_int_equal(sent, TX_RING);
	for (unsigned i = 0; i < 3; i++)
		((uint64_t *)f->queue->completion.entries)[i] =
			((struct xdp_desc *)f->queue->tx.entries)[i].addr;
	*f->queue->completion.producer = 3;
	queue_complete(f->queue, f->cache);
	assert_int_equal(f->queue->tx_pending, TX_RING - 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(send_one(f));
	assert_false(send_one(f));
}

/* The driver wants more than the share: it says so for ever, and there is nothing to kick for. */
static void a_driver_that_has_taken_all_is_not_kicked(void **state)
{
	struct fixture *f = *state;
	uint64_t kicks;

	*f->queue->fill.flags = XDP_RING_NEED_WAKEUP;
	queue_refill(f->queue, f->cache);
	assert_int_equal(f->queue->counters.kicks, 1);
	for (int i = 0; i < 3; i++) {
		driver_fetch(f);
		queue_refill(f->queue, f->cache);
	}
	driver_fetch(f);
	kicks = f->queue->counters.kicks;
	queue_refill(f->queue, f->cache);
	assert_int_equal(f->queue->counters.kicks, kicks);
}

/* Nobody takes what is sent: kicked again, but no reason to stay awake. */
static void a_kick_that_moves_nothing_is_a_stall(void **state)
{
	struct fixture *f = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	f->queue->fd = pair[0];
	*f->queue->tx.flags = XDP_RING_NEED_WAKEUP;
	assert_true(send_one(f));
	assert_true(send_one(f));
	queue_flush(f->queue);
	assert_true(f->queue->tx_unkicked);
	assert_true(f->queue->tx_stalled);
	queue_flush(f->queue);
	assert_int_equal(f->queue->counters.kicks, 2);
	assert_true(f->queue->tx_stalled);
	driver_send(f);
	queue_flush(f->queue);
	assert_false(f->queue->tx_unkicked);
	assert_false(f->queue->tx_stalled);
	queue_flush(f->queue);
	assert_int_equal(f->queue->counters.kicks, 3);
	close(pair[0]);
	close(pair[1]);
}

static void the_configuration_counts_what_a_queue_can_have(void **state)
{
	const struct port_config port = { .rx_ring = RX_RING, .tx_ring = TX_RING };

	assert_int_equal(conf_frames_per_queue(&port), QUEUE_RX_SHARE * RX_RING + TX_RING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_driver_with_a_large_ring_gets_no_more_than_the_share),
		TEST(what_was_received_is_filled_again),
		TEST(no_more_is_sent_than_completes),
		TEST(a_driver_that_has_taken_all_is_not_kicked),
		TEST(a_kick_that_moves_nothing_is_a_stall),
		cmocka_unit_test(the_configuration_counts_what_a_queue_can_have),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
