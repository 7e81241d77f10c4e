/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol tracking: which protocol is asked, the protocols that have no more than "new" and
 * "replied", and what all states are called. See flow_track.h.
 *
 * UDP counts a flow's first packets in flow_head.tcp.end: several each way are a stream, which is
 * given up later than a question and its answer.
 */
#include "flow_track.h"

#include <netinet/in.h>
#include <string.h>

#include "bytes.h"
#include "flow_track_impl.h"

#define ICMP4_ECHO_REPLY 0
#define ICMP4_ECHO 8
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129

#define UDP_STREAM 4u /* packets each way */

static const struct {
	const char *name;
	uint8_t rank;
} states[FLOW_STATES] = {
	[FLOW_FREE] = { "free", 0 },
	[FLOW_DEAD] = { "dead", 0 },
	[FLOW_TCP_SYN_SENT] = { "syn-sent", 1 },
	[FLOW_TCP_SYN_RECEIVED] = { "syn-received", 1 },
	[FLOW_TCP_ESTABLISHED] = { "established", 3 },
	[FLOW_TCP_FIN_WAIT] = { "fin-wait", 2 },
	[FLOW_TCP_CLOSING] = { "closing", 1 },
	[FLOW_TCP_TIME_WAIT] = { "time-wait", 0 },
	[FLOW_TCP_CLOSED] = { "closed", 0 },
	[FLOW_TCP_LOOSE] = { "loose", 1 },
	[FLOW_TCP_PROXY] = { "proxy", 2 },
	[FLOW_UDP_NEW] = { "new", 1 },
	[FLOW_UDP_REPLIED] = { "replied", 3 },
	[FLOW_ICMP_NEW] = { "new", 1 },
	[FLOW_ICMP_REPLIED] = { "replied", 2 },
	[FLOW_SCTP_NEW] = { "new", 1 },
	[FLOW_SCTP_ESTABLISHED] = { "established", 3 },
	[FLOW_SCTP_SHUTDOWN] = { "shutdown", 1 },
	[FLOW_OTHER_NEW] = { "new", 1 },
	[FLOW_OTHER_REPLIED] = { "replied", 2 },
};
_Static_assert(FLOW_STATES <= 32, "a set of states is 32 bits");

const char *flow_state_name(unsigned state)
{
	return state < FLOW_STATES ? states[state].name : "unknown";
}

uint32_t flow_states_by_name(const char *name)
{
	uint32_t found = 0;

	for (unsigned i = FLOW_DEAD + 1; i < FLOW_STATES; i++)
		if (!strcmp(states[i].name, name))
			found |= 1u << i;
	return found;
}

unsigned flow_state_rank(unsigned state, unsigned flags)
{
	const unsigned rank = state < FLOW_STATES ? states[state].rank : 0;

	return rank == 3 && !(flags & FLOW_ASSURED) ? 2 : rank;
}

/* The first packet of the other side. */
static enum flow_track_result answered(struct flow_head *head, enum flow_direction d, uint8_t from,
				       uint8_t to)
{
	if (d == FLOW_REPLY && flow_state(head) == from)
		flow_state_change(head, from, to);
	return FLOW_TRACK_OK;
}

static enum flow_track_result udp_track(struct flow_head *head, enum flow_direction d)
{
	uint32_t *count = head->tcp.end, mine = __atomic_load_n(&count[d], __ATOMIC_RELAXED);

	/* beyond the threshold, for the case that both sides reach it at once and see too late */
	if (mine < 2 * UDP_STREAM) {
		__atomic_store_n(&count[d], ++mine, __ATOMIC_RELAXED);
		if (mine >= UDP_STREAM &&
		    __atomic_load_n(&count[!d], __ATOMIC_RELAXED) >= UDP_STREAM)
			flow_flag_set(head, FLOW_ASSURED);
	}
	return answered(head, d, FLOW_UDP_NEW, FLOW_UDP_REPLIED);
}

static bool icmp_is(const struct packet *p, uint8_t type4, uint8_t type6)
{
	const uint8_t *l4 = packet_l4(p);

	return l4[0] == (p->ip_version == 4 ? type4 : type6) && l4[1] == 0;
}

static enum flow_track_result icmp_track(struct flow_head *head, enum flow_direction d,
					 const struct packet *p)
{
	if (d == FLOW_ORIGINAL ? !icmp_is(p, ICMP4_ECHO, ICMP6_ECHO) :
				 !icmp_is(p, ICMP4_ECHO_REPLY, ICMP6_ECHO_REPLY))
		return FLOW_TRACK_INVALID;
	return answered(head, d, FLOW_ICMP_NEW, FLOW_ICMP_REPLIED);
}

/* The protocols of which something in the fixed header is looked at. */
static bool header_missing(const struct packet *p)
{
	switch (p->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_DCCP:
	case IPPROTO_SCTP: return !(p->flags & PKT_L4_COMPLETE);
	default: return false;
	}
}

static enum flow_track_result open_as(struct flow_head *head, uint8_t state)
{
	head->state = state;
	head->flags = 0;
	head->tcp = (struct flow_tcp){ .end = { 1 } };
	return FLOW_TRACK_OK;
}

enum flow_track_result flow_track_open(struct flow_head *head, const struct packet *p, bool loose)
{
	if (p->flags & PKT_LATER_FRAGMENT || header_missing(p))
		return FLOW_TRACK_INVALID;
	head->protocol = p->protocol;
	head->tcp_seen = 0;
	head->tcp_scale = 0;
	switch (p->protocol) {
	case IPPROTO_TCP: return flow_tcp_open(head, p, loose);
	case IPPROTO_SCTP: return flow_sctp_open(head, p, loose);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE: return open_as(head, FLOW_UDP_NEW);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((p->protocol == IPPROTO_ICMP) != (p->ip_version == 4) ||
		    !icmp_is(p, ICMP4_ECHO, ICMP6_ECHO))
			return FLOW_TRACK_INVALID;
		return open_as(head, FLOW_ICMP_NEW);
	default: return open_as(head, FLOW_OTHER_NEW);
	}
}

enum flow_track_result flow_track(struct flow_head *head, enum flow_direction d,
				  const struct packet *p, uint32_t offset)
{
	if (unlikely(flow_state(head) <= FLOW_DEAD))
		return FLOW_TRACK_REOPEN;
	if (likely(p->protocol == IPPROTO_TCP && p->flags & PKT_L4_COMPLETE))
		return flow_tcp_track(head, d, p, offset);
	if (unlikely(header_missing(p)))
		return FLOW_TRACK_INVALID;
	switch (p->protocol) {
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE: return udp_track(head, d);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: return icmp_track(head, d, p);
	case IPPROTO_SCTP: return flow_sctp_track(head, d, p);
	default: return answered(head, d, FLOW_OTHER_NEW, FLOW_OTHER_REPLIED);
	}
}
