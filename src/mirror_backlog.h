/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that were received but not applied yet: a queue of whole netlink messages in one piece of
 * memory. Reading the socket is several times faster than applying what it says, and user memory is
 * larger than a socket buffer: a burst that would overrun the socket waits here, and so does what
 * comes in while a dump is under way. control.
 */
#ifndef VISOR_MIRROR_BACKLOG_H
#define VISOR_MIRROR_BACKLOG_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mirror_backlog {
	uint8_t *data;
	size_t head, tail, room; /* messages lie in [head, tail) */
	uint64_t taken;		 /* bytes ever taken out, so that a place in the queue has a name */
};

void mirror_backlog_free(struct mirror_backlog *backlog);

/* At least `bytes` of room behind the last message, NULL where memory fails; then say how many of
 * them were used. */
uint8_t *mirror_backlog_room(struct mirror_backlog *backlog, size_t bytes);
void mirror_backlog_added(struct mirror_backlog *backlog, size_t bytes); /* one datagram */

/* The next message, valid until room is asked for; NULL: none. */
const struct nlmsghdr *mirror_backlog_take(struct mirror_backlog *backlog);

size_t mirror_backlog_bytes(const struct mirror_backlog *backlog);

#endif
