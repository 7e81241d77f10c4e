/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AF_XDP socket on one queue of one port: its four rings and the frames that the kernel has
 * through it.
 *
 * Every socket shares the process's one memory area. The kernel lets sockets share a UMEM object
 * only where they agree on zero-copy, need-wakeup and multi-buffer (the flags come from the first
 * socket that was bound); so there is one registration of the same area per combination in use,
 * and a socket joins whichever bound socket of its combination is alive (queue_group). A frame can
 * therefore leave by any port, whatever the modes of the two.
 *
 * Rings are single-producer, single-consumer between the kernel and the one worker that owns the
 * queue. Positions are cached on our side; the kernel's are read (acquire) only when the cached
 * ones run out, ours are published (release) once per burst.
 *
 * A queue never has more frames with the kernel than conf_frames_per_queue() says: 3 × rx_ring to
 * receive into (`rx_pending`), however large the hardware ring is that a zero-copy driver fills from
 * the fill ring, and tx_ring to send (`tx_pending`), those included that have left the TX ring and
 * are not completed. So a port whose packets pile up cannot starve the others.
 *
 * `with_kernel` has a bit per frame that went into the fill or TX ring and did not come back by RX
 * or completion. When the socket closes, those frames are nowhere to be read from; the bitmap
 * tells which they were. It also unmasks an address that the kernel never had.
 */
#ifndef VISOR_QUEUE_H
#define VISOR_QUEUE_H

#include <linux/if_xdp.h>

#include "packet.h"
#include "umem.h"

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

#define QUEUE_RX_SHARE 3 /* times rx_ring: fill ring (two), and the RX ring or the driver's */

struct ring {
	uint32_t *producer, *consumer, *flags;
	void *entries;
	uint32_t size, mask;
	uint32_t head; /* our cached position: next to produce, or to consume */
	uint32_t seen; /* the other side's position when last read (producers: + size) */
	void *map;
	size_t map_bytes;
};

/* Written by the owning worker, read by the control thread. */
struct queue_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_invalid;   /* descriptors outside the area, or frames that we never gave */
	uint64_t fill_starved; /* wanted to fill, had no frame */
	uint64_t tx_full;      /* no room in the TX ring even after a kick */
	uint64_t kicks;	       /* system calls to drive TX or fill */
	uint64_t kick_errors;
};

/* What the kernel counts (XDP_STATISTICS). */
struct queue_kernel_counters {
	uint64_t rx_dropped, rx_invalid, tx_invalid, rx_ring_full, fill_ring_empty, tx_ring_empty;
};

struct queue {
	/* the worker's */
	struct ring rx, tx, fill, completion;
	struct umem *umem;
	uint64_t *with_kernel;
	int fd;
	uint16_t port;
	uint16_t index;	     /* queue number on the device */
	uint32_t rx_pending; /* frames in the fill ring, the driver, the RX ring */
	uint32_t tx_pending; /* descriptors that the kernel has not completed */
	bool tx_unkicked;    /* produced, or the kernel left work over: kick again */
	bool tx_stalled;     /* the last kick moved nothing: kick again, but not at once */
	bool spread;	     /* distribute over all workers by flow hash */
	struct queue_counters counters;
	/* the control thread's */
	uint16_t worker; /* who owns it */
	int ifindex;
	bool zerocopy, sg, generic;
	char why[160]; /* why the mode is no better than it is, "" where it is the best */
	struct queue *group_next;
};

/* Registrations of the one area, by combination; owned by the control thread. */
struct queue_group {
	struct queue *bound[4]; /* index: zerocopy | sg << 1; list by group_next */
};

struct queue_options {
	const char *device;
	int ifindex;
	uint16_t port, index;
	enum port_mode mode;
	bool generic_program; /* the steering program is attached in generic mode */
	bool sg;	      /* packets may span frames */
	uint32_t rx_ring, tx_ring;
};

/* Open and bind. -EBUSY (after retries; `why` names what to look for), -EOPNOTSUPP, -ENETDOWN …;
 * `why` has 256 bytes. control. */
int queue_open(struct queue **queue, struct umem *umem, struct queue_group *group,
	       const struct queue_options *options, char *why);

/* Close the socket. No worker uses the queue any more. Its memory and the frames in its bitmap
 * stay until queue_free(): the kernel lets go of them asynchronously. control. */
void queue_close(struct queue *queue, struct queue_group *group);

/* Has it let go? The driver of a zero-copy queue may write to the frames until a work item of the
 * kernel's, which waits for the RTNL, has taken its pool away; who binds the queue before that gets
 * EBUSY, and trying to is the only way to know. control. */
bool queue_released(const struct queue *queue);

/* Give the frames that the kernel had back through `cache` and free the queue; at least
 * QUEUE_LINGER_MS after queue_close(), and when it is released. Returns their number. control. */
#define QUEUE_LINGER_MS 200
unsigned queue_free(struct queue *queue, struct frame_cache *cache);

int queue_kernel_counters(const struct queue *queue, struct queue_kernel_counters *counters);
const char *queue_mode(const struct queue *queue); /* "zerocopy", "copy", "generic" */

/* --- the owning worker's --- */

/* Take up to n received packets: fills data, len, first_len, segments, port. One in more frames than
 * a descriptor can list is DROP already; its surplus frames are back in the cache. */
unsigned queue_receive(struct queue *queue, struct frame_cache *cache, struct packet *packets,
		       unsigned n);

/* Put a packet's frames into the TX ring; false: full. Published by queue_flush(). */
bool queue_transmit(struct queue *queue, const struct packet *packet);

/* Publish what was produced and kick the kernel where it wants that. */
void queue_flush(struct queue *queue);

/* Take completed frames back into the cache. */
void queue_complete(struct queue *queue, struct frame_cache *cache);

/* Top the fill ring up. */
void queue_refill(struct queue *queue, struct frame_cache *cache);

/* Anything to receive? Reads the kernel's position. */
bool queue_has_rx(struct queue *queue);

#endif
