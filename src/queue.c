/* SPDX-License-Identifier: Apache-2.0 */
/* An AF_XDP socket's data path: receive, transmit, complete, refill. See queue.h for the rules. */
#include "queue.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "drops.h"

static uint64_t *entry64(const struct ring *ring, uint32_t i)
{
	return (uint64_t *)ring->entries + (i & ring->mask);
}

static struct xdp_desc *entry_desc(const struct ring *ring, uint32_t i)
{
	return (struct xdp_desc *)ring->entries + (i & ring->mask);
}

/* How many entries can be consumed; asks the kernel's position only when fewer than n are known. */
static uint32_t ring_available(struct ring *ring, uint32_t n)
{
	uint32_t have = ring->seen - ring->head;

	if (have < n) {
		ring->seen = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
		have = ring->seen - ring->head;
	}
	return have < n ? have : n;
}

/* How many entries can be produced, likewise. */
static uint32_t ring_room(struct ring *ring, uint32_t n)
{
	uint32_t room = ring->seen - ring->head;

	if (room < n) {
		ring->seen = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE) + ring->size;
		room = ring->seen - ring->head;
	}
	return room;
}

/* The kernel raises the flag and then looks at the ring; we publish and then look at the flag. Each
 * store has to be seen before the load that follows it, or both sides wait for the other. */
static bool ring_needs_wakeup(const struct ring *ring)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(ring->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

static void count(uint64_t *counter, uint64_t by)
{
	__atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

static bool kernel_has(const struct queue *queue, uint64_t addr)
{
	uint64_t frame = addr >> queue->umem->frame_shift;

	return queue->with_kernel[frame >> 6] & (1ull << (frame & 63));
}

static void give_to_kernel(struct queue *queue, uint64_t addr)
{
	uint64_t frame = addr >> queue->umem->frame_shift;

	umem_own(queue->umem, addr, FRAME_WORKER, FRAME_KERNEL);
	queue->with_kernel[frame >> 6] |= 1ull << (frame & 63);
}

static void take_from_kernel(struct queue *queue, uint64_t addr)
{
	uint64_t frame = addr >> queue->umem->frame_shift;

	umem_own(queue->umem, addr, FRAME_KERNEL, FRAME_WORKER);
	queue->with_kernel[frame >> 6] &= ~(1ull << (frame & 63));
}

static bool descriptor_valid(const struct queue *queue, uint64_t addr, uint32_t len)
{
	const struct umem *umem = queue->umem;

	return addr >> umem->frame_shift < umem->frames &&
	       (addr & (umem->frame_size - 1)) + len <= umem->frame_size && kernel_has(queue, addr);
}

/* The further frames of a multi-buffer packet go into the first one's headroom. Returns the index
 * after the packet's last descriptor; the kernel publishes whole packets. */
static uint32_t receive_segments(struct queue *queue, struct frame_cache *cache, struct packet *p,
				 uint32_t i, uint32_t end)
{
	struct umem *umem = queue->umem;
	uint64_t first = (uint64_t)(p->data - umem->area);
	struct packet_segments *list = (void *)umem_data(umem, umem_base(umem, first));
	bool more = true;
	uint64_t addr;

	while (more && i < end) {
		const struct xdp_desc *desc = entry_desc(&queue->rx, queue->rx.head + i++);

		more = desc->options & XDP_PKT_CONTD;
		if (!descriptor_valid(queue, desc->addr, desc->len)) {
			count(&queue->counters.rx_invalid, 1);
			continue;
		}
		take_from_kernel(queue, desc->addr);
		queue->rx_pending--;
		if (p->segments == PACKET_SEGMENTS_MAX) {
			/* the list is full: the packet is refused, its frame comes back */
			packet_drop(p, DROP_SEGMENTS);
			addr = desc->addr;
			frame_cache_put(cache, &addr, 1);
			continue;
		}
		list->desc[p->segments++] = desc->addr | (uint64_t)desc->len << 48;
		p->len += desc->len;
	}
	return i;
}

unsigned queue_receive(struct queue *queue, struct frame_cache *cache, struct packet *packets,
		       unsigned n)
{
	struct umem *umem = queue->umem;
	uint32_t available = ring_available(&queue->rx, queue->sg ? queue->rx.size : n);
	uint64_t bytes = 0;
	unsigned filled = 0;
	uint32_t i = 0;

	while (i < available && filled < n) {
		const struct xdp_desc *desc = entry_desc(&queue->rx, queue->rx.head + i++);
		struct packet *p = &packets[filled];

		if (__builtin_expect(!descriptor_valid(queue, desc->addr, desc->len), 0)) {
			count(&queue->counters.rx_invalid, 1);
			continue;
		}
		take_from_kernel(queue, desc->addr);
		queue->rx_pending--;
		p->data = umem_data(umem, desc->addr);
		__builtin_prefetch(p->data);
		p->len = desc->len;
		p->first_len = (uint16_t)desc->len;
		p->segments = 0;
		p->flags = 0;
		p->marks = 0;
		p->port = queue->port;
		p->verdict = PACKET_CONTINUE;
		p->reason = 0;
		p->nexthop = 0;
		if (desc->options & XDP_PKT_CONTD)
			i = receive_segments(queue, cache, p, i, available);
		bytes += p->len;
		filled++;
	}
	if (i) {
		queue->rx.head += i;
		__atomic_store_n(queue->rx.consumer, queue->rx.head, __ATOMIC_RELEASE);
		count(&queue->counters.rx_packets, filled);
		count(&queue->counters.rx_bytes, bytes);
	}
	return filled;
}

static void produce_desc(struct queue *queue, uint64_t addr, uint32_t len, uint32_t options)
{
	struct xdp_desc *desc = entry_desc(&queue->tx, queue->tx.head++);

	desc->addr = addr;
	desc->len = len;
	desc->options = options;
	give_to_kernel(queue, addr);
}

bool queue_transmit(struct queue *queue, const struct packet *p)
{
	struct umem *umem = queue->umem;
	uint64_t addr = (uint64_t)(p->data - umem->area);
	const struct packet_segments *list = (void *)umem_data(umem, umem_base(umem, addr));
	unsigned frames = 1u + p->segments;

	if (__builtin_expect(queue->tx_pending + frames > queue->tx.size ||
				     ring_room(&queue->tx, frames) < frames,
			     0))
		return false;
	produce_desc(queue, addr, p->first_len, p->segments ? XDP_PKT_CONTD : 0);
	for (unsigned i = 0; i < p->segments; i++)
		produce_desc(queue, list->desc[i] & 0xffffffffffffull,
			     (uint32_t)(list->desc[i] >> 48),
			     i + 1u < p->segments ? XDP_PKT_CONTD : 0);
	queue->tx_pending += frames;
	queue->tx_unkicked = true;
	count(&queue->counters.tx_packets, 1);
	count(&queue->counters.tx_bytes, p->len);
	return true;
}

/*
 * In copy mode the kernel sends a small batch per call and answers EAGAIN with work left over, so
 * the ring is kicked until its consumer has caught up, here or in a later round of the loop. Where
 * it takes nothing (the send buffer is full of packets that nobody reads, the cable is out and the
 * driver keeps them), the queue is stalled: kicking it in every round would only burn the core.
 */
void queue_flush(struct queue *queue)
{
	uint32_t before, after;

	if (!queue->tx_unkicked)
		return;
	__atomic_store_n(queue->tx.producer, queue->tx.head, __ATOMIC_RELEASE);
	queue->tx_unkicked = queue->tx_stalled = false;
	if (queue->zerocopy && !ring_needs_wakeup(&queue->tx))
		return;
	count(&queue->counters.kicks, 1);
	before = __atomic_load_n(queue->tx.consumer, __ATOMIC_RELAXED);
	if (sendto(queue->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
	    errno != EBUSY && errno != ENOBUFS) {
		/* ENETDOWN, ENXIO: the next packet tries again, the loop need not */
		count(&queue->counters.kick_errors, 1);
		return;
	}
	after = __atomic_load_n(queue->tx.consumer, __ATOMIC_ACQUIRE);
	queue->tx_unkicked = after != queue->tx.head;
	queue->tx_stalled = queue->tx_unkicked && after == before;
}

void queue_complete(struct queue *queue, struct frame_cache *cache)
{
	uint64_t frame[BURST_MAX];
	uint32_t n;

	while (queue->tx_pending && (n = ring_available(&queue->completion, BURST_MAX))) {
		unsigned good = 0;

		for (uint32_t i = 0; i < n; i++) {
			uint64_t addr = *entry64(&queue->completion, queue->completion.head + i);

			if (addr >> queue->umem->frame_shift >= queue->umem->frames ||
			    !kernel_has(queue, addr)) {
				count(&queue->counters.rx_invalid, 1);
				continue;
			}
			take_from_kernel(queue, addr);
			frame[good++] = addr;
		}
		queue->completion.head += n;
		__atomic_store_n(queue->completion.consumer, queue->completion.head,
				 __ATOMIC_RELEASE);
		queue->tx_pending -= n < queue->tx_pending ? n : queue->tx_pending;
		frame_cache_put(cache, frame, good);
	}
}

/* How many frames the fill ring may be given, up to n. */
static uint32_t fill_room(struct queue *queue, uint32_t n)
{
	uint32_t share = QUEUE_RX_SHARE * queue->rx.size - queue->rx_pending;
	uint32_t room = ring_room(&queue->fill, n);

	room = room < share ? room : share;
	return room < n ? room : n;
}

/* Does the driver wait to be told of what is in the fill ring? Where it has taken all, it wants more
 * than the queue may have, and there is nothing to tell. */
static bool fill_wants_kick(struct queue *queue)
{
	uint32_t size = queue->fill.size;

	return queue->zerocopy && queue->fill.seen - queue->fill.head < size &&
	       ring_needs_wakeup(&queue->fill) && ring_room(&queue->fill, size) < size;
}

void queue_refill(struct queue *queue, struct frame_cache *cache)
{
	uint64_t frame[BURST_MAX];
	uint32_t want;

	while ((want = fill_room(queue, BURST_MAX)) >= BURST_MAX / 2) {
		unsigned got = frame_cache_get(cache, frame, want);

		for (unsigned i = 0; i < got; i++) {
			*entry64(&queue->fill, queue->fill.head++) = frame[i];
			give_to_kernel(queue, frame[i]);
		}
		queue->rx_pending += got;
		if (got)
			__atomic_store_n(queue->fill.producer, queue->fill.head, __ATOMIC_RELEASE);
		if (got < want) {
			count(&queue->counters.fill_starved, 1);
			break;
		}
	}
	/* also when nothing was added now: the flag may have come up after the last look */
	if (fill_wants_kick(queue)) {
		count(&queue->counters.kicks, 1);
		if (recvfrom(queue->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL) < 0 && errno != EAGAIN &&
		    errno != EBUSY)
			count(&queue->counters.kick_errors, 1);
	}
}

bool queue_has_rx(struct queue *queue)
{
	return ring_available(&queue->rx, 1) > 0;
}
