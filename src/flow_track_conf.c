/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a flow may be idle, by state: the keys of `flows.timeouts`, and why their defaults are
 * what they are.
 *
 * TCP, established: RFC 5382 REQ-5 wants 2 hours and 4 minutes at least, so that keep-alives of every
 * two hours keep a connection. Hosts that never send any, and do not expect to be forgotten, are
 * many; a day costs no more than memory, and a full table asks others first.
 * TCP, opening: SYNs are repeated after 1, 2, 4, 8, 16 s; half a minute outlasts all but the last,
 * which opens the flow again. In a flood the table is the smaller for it.
 * TCP, ending: half-closed connections may have long to answer; when both sides have sent their FIN,
 * its repetitions are all that can come (RFC 5382 wants 4 minutes of a translator's mapping for what
 * is half open or half closed: 10 minutes are above it). TIME-WAIT is that of common systems, shorter
 * than RFC 9293's 2 MSL; a new connection does not wait for its end.
 * UDP: RFC 4787 REQ-5 wants 2 minutes and recommends 5, once there has been an answer; a question
 * that nobody answers is the commonest thing in a scan and in a flood.
 * ICMP: RFC 5508 REQ-2 wants 60 s.
 * SCTP: an idle association sends heartbeats, by default each 30 s and the retransmission time-out of
 * up to 60 s (RFC 9260 section 8.3, 16): a quarter of an hour is ten of them.
 * Others (GRE, ESP, IP in IP …): tunnels have keep-alives of minutes, or none.
 */
#include "flow_track.h"

#include "clock.h"

#define MOST 2592000 /* 30 days */

#define STATE(state, name_, seconds_, doc_)                                               \
	{                                                                                 \
		.name = name_, .type = CONF_INT, .min = 1, .max = MOST, .dflt = seconds_, \
		.offset = offsetof(struct flow_timeouts_config, seconds[state]),          \
		.unit = "seconds", .doc = doc_                                            \
	}

static const struct conf_key timeouts_keys[] = {
	STATE(FLOW_TCP_SYN_SENT, "tcp_syn_sent", "30", "TCP: SYN without an answer"),
	STATE(FLOW_TCP_SYN_RECEIVED, "tcp_syn_received", "30",
	      "TCP: SYN and its answer, which the client has not acknowledged"),
	STATE(FLOW_TCP_PROXY, "tcp_proxy", "30",
	      "TCP: the client is known to the SYN proxy, the server has not answered"),
	STATE(FLOW_TCP_ESTABLISHED, "tcp_established", "86400",
	      "TCP: established; RFC 5382 wants 7440 at least"),
	STATE(FLOW_TCP_LOOSE, "tcp_loose", "300",
	      "TCP: picked up in mid-stream, while only one side was seen"),
	STATE(FLOW_TCP_FIN_WAIT, "tcp_fin_wait", "600",
	      "TCP: one side has closed, the other may still send"),
	STATE(FLOW_TCP_CLOSING, "tcp_closing", "60",
	      "TCP: both sides have closed, and not yet acknowledged it"),
	STATE(FLOW_TCP_TIME_WAIT, "tcp_time_wait", "60",
	      "TCP: closed by both sides; a new connection takes its place at once"),
	STATE(FLOW_TCP_CLOSED, "tcp_closed", "10", "TCP: reset"),
	STATE(FLOW_UDP_NEW, "udp_new", "30", "UDP without an answer"),
	STATE(FLOW_UDP_REPLIED, "udp_replied", "300",
	      "UDP with packets both ways; RFC 4787 wants 120 at least"),
	STATE(FLOW_ICMP_NEW, "icmp_new", "60", "ICMP echo without a reply"),
	STATE(FLOW_ICMP_REPLIED, "icmp_replied", "60",
	      "ICMP echo with replies; RFC 5508 wants 60 at least"),
	STATE(FLOW_SCTP_NEW, "sctp_new", "30", "SCTP: an association that is not established"),
	STATE(FLOW_SCTP_ESTABLISHED, "sctp_established", "900", "SCTP: established"),
	STATE(FLOW_SCTP_SHUTDOWN, "sctp_shutdown", "60", "SCTP: shutting down, or aborted"),
	STATE(FLOW_OTHER_NEW, "other_new", "60", "other protocols without an answer"),
	STATE(FLOW_OTHER_REPLIED, "other_replied", "600", "other protocols with packets both ways"),
	{ 0 }
};

const struct conf_schema flow_timeouts_schema = { "flow time-outs",
						  sizeof(struct flow_timeouts_config),
						  timeouts_keys };

/* One tick more than the time has: the last packet came at some time within its tick. */
void flow_timeouts_set(struct flow_timeouts *timeouts, const struct flow_timeouts_config *config)
{
	for (unsigned i = 0; i < FLOW_STATES; i++) {
		const uint64_t ns = (uint64_t)config->seconds[i] * SECOND_NS;

		timeouts->ticks[i] =
			ns ? (uint32_t)((ns + FLOW_TICK_NS - 1) >> FLOW_TICK_SHIFT) + 1 : 0;
	}
}
