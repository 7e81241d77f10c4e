/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does queue_released() tell when the kernel has let go of a zero-copy queue?
 *
 *   queue_release DEVICE      in words on stdout; status 1 where it does not
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "src/queue.h"

#define TRIES 5000

static int queue_get(struct queue **queue, struct umem *umem, struct queue_group *group,
		     const char *device)
{
	struct queue_options options = {
		.device = device,
		.ifindex = (int)if_nametoindex(device),
		.mode = PORT_MODE_ZEROCOPY,
		.rx_ring = 64,
		.tx_ring = 64,
	};
	char why[256] = "";
	int err = queue_open(queue, umem, group, &options, why);

	if (err)
		fprintf(stderr, "%s\n", why[0] ? why : strerror(-err));
	return err;
}

int main(int argc, char **argv)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	struct queue_group group = { { NULL } };
	struct frame_cache *cache;
	struct queue *queue;
	struct umem *umem;
	char why[256];
	int tries = 0;

	if (argc != 2 || umem_new(&umem, 1024, 2048, HUGEPAGES_OFF, 1, why) ||
	    frame_cache_new(&cache, umem) || queue_get(&queue, umem, &group, argv[1]))
		return 1;
	if (queue_released(queue)) {
		printf("a bound queue is said to be released\n");
		return 1;
	}
	queue_close(queue, &group);
	while (!queue_released(queue) && tries++ < TRIES)
		nanosleep(&pause, NULL);
	queue_free(queue, cache);
	if (tries >= TRIES || queue_get(&queue, umem, &group, argv[1])) {
		printf("it is not released after %d tries\n", tries);
		return 1;
	}
	printf("released after %d tries, and bound again\n", tries);
	queue_close(queue, &group);
	queue_free(queue, cache);
	frame_cache_free(cache);
	umem_free(umem);
	return 0;
}
