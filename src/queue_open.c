/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing an AF_XDP socket: register or join the UMEM, size and map the rings, bind
 * in the best mode that the driver grants, and say why it is not a better one.
 */
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* kernel 6.18: packets that one kick sends in copy mode */
#endif

#define BIND_TRIES 20
#define SEND_BUFFER (4 << 20)
#define TX_BUDGET 256u
#define BIND_PAUSE_MS 25

static int set_option(int fd, int option, const void *value, socklen_t size)
{
	return setsockopt(fd, SOL_XDP, option, value, size) ? -errno : 0;
}

static int register_area(int fd, const struct umem *umem)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)umem->area,
		.len = (uint64_t)umem->frames * umem->frame_size,
		.chunk_size = umem->frame_size,
	};

	return set_option(fd, XDP_UMEM_REG, &reg, sizeof(reg));
}

static int ring_map(struct ring *ring, int fd, const struct xdp_ring_offset *offset, off_t page,
		    uint32_t size, size_t entry, bool produces)
{
	void *map;

	ring->map_bytes = offset->desc + size * entry;
	map = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		   page);
	if (map == MAP_FAILED)
		return -errno;
	ring->map = map;
	ring->producer = (uint32_t *)((char *)map + offset->producer);
	ring->consumer = (uint32_t *)((char *)map + offset->consumer);
	ring->flags = (uint32_t *)((char *)map + offset->flags);
	ring->entries = (char *)map + offset->desc;
	ring->size = size;
	ring->mask = size - 1;
	ring->head = produces ? *ring->producer : *ring->consumer;
	ring->seen = produces ? *ring->consumer + size : *ring->producer;
	return 0;
}

static void ring_unmap(struct ring *ring)
{
	if (ring->map)
		munmap(ring->map, ring->map_bytes);
	ring->map = NULL;
}

/* The fill ring is twice the RX ring: a zero-copy driver moves a hardware ring's worth out. */
static int map_rings(struct queue *queue, const struct queue_options *options)
{
	uint32_t fill = options->rx_ring * 2, completion = options->tx_ring;
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	int fd = queue->fd, err;

	if ((err = set_option(fd, XDP_UMEM_FILL_RING, &fill, sizeof(fill))) ||
	    (err = set_option(fd, XDP_UMEM_COMPLETION_RING, &completion, sizeof(completion))) ||
	    (err = set_option(fd, XDP_RX_RING, &options->rx_ring, sizeof(options->rx_ring))) ||
	    (err = set_option(fd, XDP_TX_RING, &options->tx_ring, sizeof(options->tx_ring))))
		return err;
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size))
		return -errno;
	if (size != sizeof(offsets))
		return -EPROTO;
	if ((err = ring_map(&queue->fill, fd, &offsets.fr, XDP_UMEM_PGOFF_FILL_RING, fill,
			    sizeof(uint64_t), true)) ||
	    (err = ring_map(&queue->completion, fd, &offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING,
			    completion, sizeof(uint64_t), false)) ||
	    (err = ring_map(&queue->rx, fd, &offsets.rx, XDP_PGOFF_RX_RING, options->rx_ring,
			    sizeof(struct xdp_desc), false)) ||
	    (err = ring_map(&queue->tx, fd, &offsets.tx, XDP_PGOFF_TX_RING, options->tx_ring,
			    sizeof(struct xdp_desc), true)))
		return err;
	return 0;
}

static void unmap_rings(struct queue *queue)
{
	ring_unmap(&queue->fill);
	ring_unmap(&queue->completion);
	ring_unmap(&queue->rx);
	ring_unmap(&queue->tx);
}

/* Closing a socket releases its queue asynchronously, so a busy queue is tried again for a while. */
static int bind_socket(struct queue *queue, const struct queue_options *options,
		       const struct queue *share, bool zerocopy)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_ifindex = (uint32_t)options->ifindex,
		.sxdp_queue_id = options->index,
	};
	struct timespec pause = { .tv_nsec = BIND_PAUSE_MS * 1000000L };

	if (share) {
		address.sxdp_flags = XDP_SHARED_UMEM;
		address.sxdp_shared_umem_fd = (uint32_t)share->fd;
	} else {
		address.sxdp_flags = XDP_USE_NEED_WAKEUP;
		address.sxdp_flags |= zerocopy ? XDP_ZEROCOPY : XDP_COPY;
		address.sxdp_flags |= options->sg ? XDP_USE_SG : 0;
	}
	for (int i = 0;; i++) {
		if (!bind(queue->fd, (struct sockaddr *)&address, sizeof(address)))
			return 0;
		if (errno != EBUSY || i == BIND_TRIES)
			return -errno;
		nanosleep(&pause, NULL);
	}
}

/* What helps where the kernel has it, and costs nothing where it has not: in copy mode a packet is
 * charged to the send buffer until its receiver frees it, and one kick sends only a small batch. */
static void tune_socket(int fd, uint32_t tx_ring)
{
	uint32_t budget = tx_ring < TX_BUDGET ? tx_ring : TX_BUDGET;
	int bytes = SEND_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
}

static const char bind_step[] = "bind";

static int open_socket(struct queue *queue, struct umem *umem, struct queue_group *group,
		       const struct queue_options *options, bool zerocopy, const char **step)
{
	struct queue **bound = &group->bound[zerocopy | options->sg << 1];
	int err;

	*step = "socket(AF_XDP)";
	queue->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (queue->fd < 0)
		return -errno;
	*step = "registering the UMEM (is RLIMIT_MEMLOCK large enough?)";
	if (!*bound && (err = register_area(queue->fd, umem)))
		goto fail;
	*step = "setting up its rings";
	if ((err = map_rings(queue, options)))
		goto fail;
	*step = bind_step;
	if ((err = bind_socket(queue, options, *bound, zerocopy)))
		goto fail;
	tune_socket(queue->fd, options->tx_ring);
	queue->zerocopy = zerocopy;
	queue->sg = options->sg;
	queue->group_next = *bound;
	*bound = queue;
	return 0;
fail:
	unmap_rings(queue);
	close(queue->fd);
	queue->fd = -1;
	return err;
}

/* A refusal to bind is the driver's answer to the mode, except where the queue is taken. */
static bool mode_refused(const char *step, int err)
{
	return step == bind_step && err && err != -EBUSY;
}

static void explain(char *why, const struct queue_options *options, const char *step, int err)
{
	if (options->mode == PORT_MODE_ZEROCOPY && mode_refused(step, err))
		snprintf(why, 256,
			 "%s queue %u: zero-copy refused by the driver: %s; set mode = \"auto\" or "
			 "\"copy\"",
			 options->device, options->index, strerror(-err));
	else
		snprintf(why, 256, "%s queue %u: %s: %s%s", options->device, options->index, step,
			 strerror(-err),
			 err == -EBUSY ? "; another process has an AF_XDP socket on this queue" :
					 "");
}

/* Why a queue is in copy mode. */
static void explain_copy(struct queue *queue, const struct queue_options *options, int err)
{
	if (err)
		snprintf(queue->why, sizeof(queue->why), "zero-copy refused by the driver: %s",
			 strerror(-err));
	else
		snprintf(queue->why, sizeof(queue->why), "%s",
			 options->generic_program ? "the program is in generic mode" :
						    "copy mode was asked for");
}

int queue_open(struct queue **result, struct umem *umem, struct queue_group *group,
	       const struct queue_options *options, char *why)
{
	struct queue *queue = aligned_alloc(64, (sizeof(*queue) + 63) / 64 * 64);
	bool want_zerocopy = options->mode == PORT_MODE_ZEROCOPY ||
			     (options->mode == PORT_MODE_AUTO && !options->generic_program);
	const char *step = "memory";
	int err = -ENOMEM, refusal = 0;

	if (!queue)
		return -ENOMEM;
	memset(queue, 0, sizeof(*queue));
	queue->fd = -1;
	queue->umem = umem;
	queue->port = options->port;
	queue->index = options->index;
	queue->ifindex = options->ifindex;
	queue->generic = options->generic_program;
	queue->with_kernel = calloc((umem->frames + 63) / 64, sizeof(uint64_t));
	if (!queue->with_kernel)
		goto fail;
	if (want_zerocopy)
		err = open_socket(queue, umem, group, options, true, &step);
	if (options->mode == PORT_MODE_AUTO && want_zerocopy && mode_refused(step, err))
		refusal = err;
	if (!want_zerocopy || refusal) {
		err = open_socket(queue, umem, group, options, false, &step);
		explain_copy(queue, options, refusal);
	}
	if (err) {
		explain(why, options, step, err);
		goto fail;
	}
	*result = queue;
	return 0;
fail:
	free(queue->with_kernel);
	free(queue);
	return err;
}

void queue_close(struct queue *queue, struct queue_group *group)
{
	struct queue **link = &group->bound[queue->zerocopy | queue->sg << 1];

	while (*link && *link != queue)
		link = &(*link)->group_next;
	if (*link)
		*link = queue->group_next;
	unmap_rings(queue);
	if (queue->fd >= 0)
		close(queue->fd);
	queue->fd = -1;
}

/* Rings of the smallest size and a UMEM of one page: enough to be allowed to bind. */
static int bind_probe(int fd, const struct queue *queue, void *page, uint32_t page_size)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY, /* the driver is not asked */
		.sxdp_ifindex = (uint32_t)queue->ifindex,
		.sxdp_queue_id = queue->index,
	};
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)page,
		.len = page_size,
		.chunk_size = page_size,
	};
	uint32_t ring = 1;
	int err;

	if ((err = set_option(fd, XDP_UMEM_REG, &reg, sizeof(reg))) ||
	    (err = set_option(fd, XDP_UMEM_FILL_RING, &ring, sizeof(ring))) ||
	    (err = set_option(fd, XDP_UMEM_COMPLETION_RING, &ring, sizeof(ring))) ||
	    (err = set_option(fd, XDP_RX_RING, &ring, sizeof(ring))))
		return err;
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

bool queue_released(const struct queue *queue)
{
	uint32_t page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	int fd, err = 0;
	void *page;

	if (!queue->zerocopy)
		return true;
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	page = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd >= 0 && page != MAP_FAILED)
		err = bind_probe(fd, queue, page, page_size);
	if (fd >= 0)
		close(fd);
	if (page != MAP_FAILED)
		munmap(page, page_size);
	return err != -EBUSY;
}

unsigned queue_free(struct queue *queue, struct frame_cache *cache)
{
	unsigned n = 0;

	for (uint32_t frame = 0; frame < queue->umem->frames; frame++) {
		uint64_t addr = (uint64_t)frame << queue->umem->frame_shift;

		if (!(queue->with_kernel[frame >> 6] & (1ull << (frame & 63))))
			continue;
		umem_own(queue->umem, addr, FRAME_KERNEL, FRAME_WORKER);
		frame_cache_put(cache, &addr, 1);
		n++;
	}
	free(queue->with_kernel);
	free(queue);
	return n;
}

int queue_kernel_counters(const struct queue *queue, struct queue_kernel_counters *counters)
{
	struct xdp_statistics s;
	socklen_t size = sizeof(s);

	memset(&s, 0, sizeof(s));
	if (queue->fd < 0 || getsockopt(queue->fd, SOL_XDP, XDP_STATISTICS, &s, &size))
		return -errno;
	*counters = (struct queue_kernel_counters){
		.rx_dropped = s.rx_dropped,
		.rx_invalid = s.rx_invalid_descs,
		.tx_invalid = s.tx_invalid_descs,
		.rx_ring_full = s.rx_ring_full,
		.fill_ring_empty = s.rx_fill_ring_empty_descs,
		.tx_ring_empty = s.tx_ring_empty_descs,
	};
	return 0;
}

const char *queue_mode(const struct queue *queue)
{
	return queue->zerocopy ? "zerocopy" : queue->generic ? "generic" : "copy";
}
