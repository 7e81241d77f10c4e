/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP segments that the appliance makes itself: resets (RFC 9293 3.10.7), and the handshakes of the
 * SYN proxy. Without data. Each becomes a packet in dp->originated that is routed after the chain.
 * worker.
 */
#ifndef VISOR_TCP_SEGMENT_H
#define VISOR_TCP_SEGMENT_H

#include "datapath.h"
#include "flow.h"

#define TCP_SEGMENT_OPTIONS_MAX 20

struct tcp_segment {
	struct flow_key key; /* as the packet will have it: source first */
	uint32_t seq, ack;
	uint16_t window; /* as it stands in the header */
	uint8_t flags;
	uint8_t options_len; /* a multiple of 4 */
	uint8_t options[TCP_SEGMENT_OPTIONS_MAX];
};

/* Make it. `cause` is the packet that it answers (its interface counts for a link-local route). False
 * where no frame is left: counted. */
bool tcp_segment_send(struct datapath *dp, const struct packet *cause,
		      const struct tcp_segment *segment);

/* Answer a TCP packet with a reset, RFC 9293 3.10.7.1: never to a reset, a group address, or a
 * packet whose header is not whole. */
void tcp_reset_send(struct datapath *dp, const struct packet *cause);

#endif
