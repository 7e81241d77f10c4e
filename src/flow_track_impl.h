/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocols that flow_track.c asks, each in a file of its own; nobody else includes this. As in
 * flow_track.h; the packet's fixed header is complete. Any worker.
 */
#ifndef VISOR_FLOW_TRACK_IMPL_H
#define VISOR_FLOW_TRACK_IMPL_H

#include "flow_track.h"

enum flow_track_result flow_tcp_open(struct flow_head *head, const struct packet *p, bool loose);
enum flow_track_result flow_tcp_track(struct flow_head *head, enum flow_direction d,
				      const struct packet *p, uint32_t offset);

enum flow_track_result flow_sctp_open(struct flow_head *head, const struct packet *p, bool loose);
enum flow_track_result flow_sctp_track(struct flow_head *head, enum flow_direction d,
				       const struct packet *p);

/* A flag that any worker may set. */
static inline void flow_flag_set(struct flow_head *head, uint8_t flag)
{
	if (!(__atomic_load_n(&head->flags, __ATOMIC_RELAXED) & flag))
		__atomic_fetch_or(&head->flags, flag, __ATOMIC_RELAXED);
}

#endif
