/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What packets do to a flow's state, and how long a flow may be idle in each state.
 *
 * TCP: RFC 9293 with window tracking (flow_tcp.c); resets and FINs as RFC 5961 has it in spirit: out
 * of the window they are refused; a reset inside it passes but ends the flow only where its sequence
 * number is exactly the next one; a SYN inside an established flow passes as the endpoint's to
 * answer (challenge ACK) without changing anything.
 * SCTP: RFC 9260, by chunks, with verification tags (flow_sctp.c).
 * UDP, ICMP echo and others: new until the other side answers.
 *
 * Checksums are not looked at: an endpoint can deceive the appliance about its own flow only.
 *
 * Plain functions of the flow and the packet; any worker.
 */
#ifndef VISOR_FLOW_TRACK_H
#define VISOR_FLOW_TRACK_H

#include "conf.h"
#include "flow.h"
#include "packet.h"

/* Idle times, in ticks, by state. */
struct flow_timeouts {
	uint32_t ticks[FLOW_STATES];
};

/* The configuration's group `flows.timeouts`, seconds, one key for each state that has a time-out;
 * the defaults are documented in the table (flow_track_conf.c). */
struct flow_timeouts_config {
	struct conf_where where;
	int64_t seconds[FLOW_STATES];
};
extern const struct conf_schema flow_timeouts_schema;
void flow_timeouts_set(struct flow_timeouts *timeouts, const struct flow_timeouts_config *config);

/* "established", "syn-sent", "new" … as `visorctl show flows` prints and filters it, beside the
 * protocol: TCP and SCTP both have an "established". */
const char *flow_state_name(unsigned state);
/* All states by that name as bits (1u << state); 0: none has it. */
uint32_t flow_states_by_name(const char *name);

enum flow_track_result {
	FLOW_TRACK_OK = 0,
	FLOW_TRACK_INVALID, /* not of this flow: out of the window, impossible flags … */
	FLOW_TRACK_REOPEN,  /* a new conversation with the same key: end this flow, then a miss */
	FLOW_TRACK_SYN,	    /* passes, a question whether the conversation goes on, and no sign that
			     * it does; after FLOW_SILENT_TICKS without one it is as REOPEN */
};

/* Both hosts may have forgotten an established connection that was silent for so long, 2 hours and
 * 4 minutes: RFC 5382 REQ-5 lets a translator forget it too. */
#define FLOW_SILENT_TICKS ((uint32_t)(7440000000000ull >> FLOW_TICK_SHIFT) + 1)

/* May p (parsed, not a later fragment) open a flow, and in which state? FLOW_TRACK_OK: head->state,
 * flags, protocol, tcp, tcp_scale and tcp_seen are set for its being the first packet of direction
 * 0. INVALID also for a packet without its whole fixed header where the protocol has one, and for
 * ICMP that is not an echo request. `loose`: TCP and SCTP in mid-conversation may. */
enum flow_track_result flow_track_open(struct flow_head *head, const struct packet *p, bool loose);

/* A packet of direction d of a flow. `offset` is flow6.seq_offset where FLOW_SEQ_OFFSET is set,
 * otherwise 0: a flow is tracked in the sequence numbers that the client knows, so it is taken away
 * from the sequence number of direction 1; that is all, as a client's acknowledgements are in these
 * numbers already. The packet is as it came in. In FLOW_TCP_PROXY it is the proxy that is asked. */
enum flow_track_result flow_track(struct flow_head *head, enum flow_direction d,
				  const struct packet *p, uint32_t offset);

/* What two handshakes with a SYN proxy in between have come to, by side; in the client's numbers. */
struct flow_handshake {
	uint32_t next[2];   /* the first sequence number after the SYN */
	uint16_t window[2]; /* as it stood in the header */
	uint8_t scale[2];   /* 15: none */
};

/* The flow is established by it; the state is the caller's to change. */
void flow_track_proxied(struct flow_head *head, const struct flow_handshake *handshake);

/* How soon it may be given up when the table is full: 0 first (reset, closed), 1 half-open and
 * unanswered, 2 short-lived or unassured, 3 never (established). */
unsigned flow_state_rank(unsigned state, unsigned flags);

#endif
