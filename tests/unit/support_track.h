/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow and its packets, for tests of protocol tracking. A TCP conversation is written one packet a
 * line, as one would draw it:
 *
 *     "> S 1000 w=29200 s=7 -> ok syn-sent"
 *     "< SA 5000 a=1001 s=9 -> ok syn-received"
 *     "> A 1001+100 a=5001 -> ok established"
 *
 * Direction; flags (S F R A P U, `.` for none); sequence number, +length; a= acknowledgement; w=
 * window (65535); s= window scale option; `frag`: first fragment of a datagram; then what
 * flow_track() has to say (ok, invalid, reopen, syn) and the state after it. The first packet, and one
 * after `reopen`, opens the flow. `assured` or `unassured` may follow.
 */
#ifndef VISOR_SUPPORT_TRACK_H
#define VISOR_SUPPORT_TRACK_H

#include "src/flow_track.h"

struct track {
	struct flow_head head;
	struct packet packet;
	uint8_t bytes[256];
	bool open, loose;
	uint8_t flags; /* flow flags to set once it is open */
	uint32_t offset;
};

struct track_segment {
	const char *flags; /* "SA" */
	uint32_t seq, ack, length;
	uint16_t window;
	int shift; /* -1: no option */
	bool fragment;
};

/* A packet of `protocol` with this behind the IP header; `payload` more bytes that are not looked
 * at. */
const struct packet *track_packet(struct track *t, unsigned version, uint8_t protocol,
				  const void *l4, unsigned len, unsigned payload);
const struct packet *track_tcp(struct track *t, const struct track_segment *segment);
/* Give it to the flow, which it opens where it is not open. */
enum flow_track_result track_give(struct track *t, enum flow_direction d, const struct packet *p);

/* Walk through the lines, up to NULL; a line that is not met fails the test by its text. */
void track_walk(struct track *t, const char *const *lines);

#endif
