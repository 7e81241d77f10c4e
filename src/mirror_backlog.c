/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See mirror_backlog.h. The memory grows by doubling and moves to the front when it is empty; what
 * a burst made it grow to is given back once it has been worked off.
 */
#include "mirror_backlog.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN (256u << 10)

void mirror_backlog_free(struct mirror_backlog *backlog)
{
	free(backlog->data);
	*backlog = (struct mirror_backlog){ 0 };
}

uint8_t *mirror_backlog_room(struct mirror_backlog *backlog, size_t bytes)
{
	size_t used = backlog->tail - backlog->head, room = backlog->room;
	uint8_t *data;

	if (backlog->tail + bytes <= backlog->room)
		return backlog->data + backlog->tail;
	if (backlog->head >= used && used + bytes <= backlog->room) {
		memcpy(backlog->data, backlog->data + backlog->head, used);
		backlog->head = 0;
		backlog->tail = used;
		return backlog->data + used;
	}
	while (room < backlog->tail + bytes)
		room = room ? 2 * room : ROOM_MIN;
	data = realloc(backlog->data, room);
	if (!data)
		return NULL;
	backlog->data = data;
	backlog->room = room;
	return data + backlog->tail;
}

/* Pads to where the next message may begin, and checks here, once, that the parts add up: what
 * cannot be a message ends the datagram. */
void mirror_backlog_added(struct mirror_backlog *backlog, size_t bytes)
{
	while (bytes >= NLMSG_HDRLEN) {
		struct nlmsghdr header;
		size_t step;

		memcpy(&header, backlog->data + backlog->tail, sizeof(header));
		if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > bytes)
			return;
		step = NLMSG_ALIGN(header.nlmsg_len);
		backlog->tail += step;
		if (step >= bytes)
			return;
		bytes -= step;
	}
}

const struct nlmsghdr *mirror_backlog_take(struct mirror_backlog *backlog)
{
	const struct nlmsghdr *message;
	size_t step;

	if (backlog->head == backlog->tail) {
		backlog->head = backlog->tail = 0;
		if (backlog->room > ROOM_MIN) {
			free(backlog->data);
			backlog->data = NULL;
			backlog->room = 0;
		}
		return NULL;
	}
	message = (const struct nlmsghdr *)(const void *)(backlog->data + backlog->head);
	step = NLMSG_ALIGN(message->nlmsg_len);
	backlog->head += step;
	backlog->taken += step;
	return message;
}

size_t mirror_backlog_bytes(const struct mirror_backlog *backlog)
{
	return backlog->tail - backlog->head;
}
