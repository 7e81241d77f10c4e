/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP as somebody in the middle sees it: RFC 9293, with windows as in Guido van Rooij's "Real stateful
 * TCP packet filtering in IP Filter" (2001).
 *
 * What a side d has sent is known by end[d]. What it may send is bounded by what the other side o has
 * told it: with A = acked[o], the highest acknowledgement of o, and W the largest window that o ever
 * announced, every honest segment of d, retransmissions included, has
 *
 *     A - 2W - 64K  <=  SEQ  <=  A + W
 *
 * The upper bound is the window's right edge or beyond it. Below, a sender that missed all of o's
 * acknowledgements repeats what is at most W behind; as much again, and 64K, let copies pass that the
 * network held back for about a round trip. Likewise the acknowledgement
 *
 *     acked[d] - W' - 64K  <=  ACK  <=  end[o]           (W': d's own largest window)
 *
 * which is what RFC 5961 section 5.2 lets an endpoint accept, and 64K. So an off-path attacker has to
 * guess one of 3W + 64K sequence numbers in 2^32 and such an acknowledgement too. Both bounds
 * lean on acknowledgements only, which cannot pass what was sent: a segment that was guessed can
 * widen the windows, never shut honest packets out.
 *
 * A reset ends the flow where its sequence number is A or end[d]: what the receiver expects next is
 * between the two, and these are what endpoints send (a reset that answers a segment repeats its
 * acknowledgement; one that aborts follows what was sent). Elsewhere from A to A + W it passes and
 * changes nothing: the receiver answers with a challenge ACK if it must, and the reset that this
 * brings is exact. A SYN in a live flow passes likewise, at any number in direction 0, whose SYN the
 * policy has accepted; so a host that came up again can find out, and reset the old connection. In
 * direction 1 it has to be in the window.
 *
 * Opening. Until direction 0 has acknowledged anything, acked[0] is its initial sequence number, and
 * direction 1 is believed where it acknowledges the SYN. Both sides may open at once. A split
 * handshake (SYN answered by a bare SYN) looks the same and is handled as that: which side is the
 * client was decided by the first SYN, and nothing here turns a flow round. The flow is established
 * when each side has acknowledged the other.
 *
 * The next connection between the same ports begins with a SYN (FLOW_TRACK_REOPEN) once this one was
 * reset or all of it, both FINs included, is acknowledged. Before that a SYN is only a question: a
 * host that has forgotten the connection resets it by the answer, and its repeated SYN finds the
 * flow closed. If both have forgotten it without a word, the flow stands in the way until it has been
 * silent for FLOW_SILENT_TICKS, which such SYNs do not interrupt: any rule that ended it earlier
 * would let a forged SYN end a living one.
 *
 * In mid-stream (FLOW_LOOSE) shifts are not known. Each window counts as LOOSE_WINDOW, and an
 * acknowledgement may be as much beyond what was seen to be sent.
 *
 * Concurrency: end, acked and max_window of [d] are written by packets of d, but for the opening
 * SYN-ACK's view of tcp_scale, before the state says so. tcp_seen and flags gather bits by atomic or.
 * What a packet acknowledges was seen before it, by whichever worker, as it had to travel to the
 * other side and back.
 */
#include "bytes.h"
#include "flow_track_impl.h"
#include "tcp_option.h"

#define SEG_FIN 0x01u
#define SEG_SYN 0x02u
#define SEG_RST 0x04u
#define SEG_ACK 0x10u
#define SEG_URG 0x20u
#define SEG_FLAGS (SEG_FIN | SEG_SYN | SEG_RST | SEG_ACK | SEG_URG)

#define TCP_HEADER 20u
#define SHIFT_MAX 14u
#define SHIFT_UNKNOWN 15u

#define LATE 65536u		/* how much older than the window a segment may be */
#define LOOSE_WINDOW (1u << 25) /* more than common systems announce by themselves */
#define FRAGMENT_SLACK 65536u	/* what the later fragments of a datagram may carry */

/* flow_head.tcp_seen */
#define FRAGMENTED 0x01u	    /* of some datagrams only the first fragment was looked at */
#define ANSWERED 0x02u		    /* direction 1 has sent: end[1] */
#define ACKED(d) (0x04u << (d))	    /* it has acknowledged: acked[d]; max_window[d] is scaled */
#define FIN_SENT(d) (0x10u << (d))  /* end[d] is one past its FIN */
#define FIN_ACKED(d) (0x40u << (d)) /* the other side has acknowledged its FIN */
#define ACKED_BOTH (ACKED(0) | ACKED(1))
#define OPEN (ANSWERED | ACKED_BOTH)
#define FIN_SENT_BOTH (FIN_SENT(0) | FIN_SENT(1))
#define FIN_ACKED_BOTH (FIN_ACKED(0) | FIN_ACKED(1))

struct segment {
	uint32_t seq, ack;
	uint32_t end; /* seq + what it takes of the sequence space */
	uint16_t window;
	uint8_t flags;
	uint8_t header; /* bytes, with options */
};

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

static inline bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/* low <= x <= high in sequence space. */
static inline bool between(uint32_t x, uint32_t low, uint32_t high)
{
	return x - low <= high - low;
}

/* ECN, PSH and reserved bits aside: all that makes sense (RFC 9293 3.10.7). */
static inline bool flags_possible(unsigned flags)
{
	const uint64_t possible = 1ull << SEG_SYN | 1ull << (SEG_SYN | SEG_URG) |
				  1ull << (SEG_SYN | SEG_ACK) | 1ull << SEG_RST |
				  1ull << (SEG_RST | SEG_ACK) | 1ull << SEG_ACK |
				  1ull << (SEG_ACK | SEG_URG) | 1ull << (SEG_ACK | SEG_FIN) |
				  1ull << (SEG_ACK | SEG_FIN | SEG_URG);

	return possible >> flags & 1;
}

/* `offset` is taken off the sequence number. */
static inline bool segment_read(struct segment *s, const struct packet *p, uint32_t offset)
{
	const uint8_t *l4 = packet_l4(p);
	const unsigned room = p->l3 + p->ip_len - p->l4, header = (l4[12] >> 4) * 4u;
	const unsigned flags = l4[13] & SEG_FLAGS;

	if (header < TCP_HEADER || header > room || !flags_possible(flags))
		return false;
	s->seq = bytes_get32(l4 + 4) - offset;
	s->ack = bytes_get32(l4 + 8);
	s->window = bytes_get16(l4 + 14);
	s->flags = (uint8_t)flags;
	s->header = (uint8_t)header;
	s->end = s->seq + (room - header) + (flags & SEG_FIN) + (flags >> 1 & 1);
	return true;
}

/* The window scale option of a SYN; SHIFT_UNKNOWN where it has none. RFC 7323 2.3: above 14 is 14. */
static unsigned segment_shift(const struct segment *s, const struct packet *p)
{
	const uint8_t *l4 = packet_l4(p);
	const unsigned there = p->first_len - p->l4, end = s->header < there ? s->header : there;
	struct tcp_option option = { .at = 0 };

	while (tcp_option_next(l4, end, &option))
		if (option.kind == TCP_OPTION_SCALE && option.size == 3)
			return l4[option.at + 2] > SHIFT_MAX ? SHIFT_MAX : l4[option.at + 2];
	return SHIFT_UNKNOWN;
}

static inline unsigned shift_of(const struct flow_head *head, enum flow_direction d)
{
	return LOAD(head->tcp_scale) >> (4 * d) & 15;
}

/* A window field that is not scaled, in units of those that are. */
static uint16_t window_scaled(const struct flow_head *head, enum flow_direction d, uint16_t window)
{
	const unsigned shift = shift_of(head, d);

	return shift == SHIFT_UNKNOWN ? window : (uint16_t)((window + (1u << shift) - 1) >> shift);
}

/* Largest window of d; it has acknowledged. */
static inline uint32_t window_of(const struct flow_head *head, enum flow_direction d)
{
	const unsigned shift = shift_of(head, d);

	if (unlikely(shift == SHIFT_UNKNOWN))
		return LOOSE_WINDOW;
	return (uint32_t)LOAD(head->tcp.max_window[d]) << shift;
}

/* How far an acknowledgement may be ahead of what was seen. */
static inline uint32_t ack_slack(const struct flow_head *head, unsigned seen)
{
	if (unlikely(LOAD(head->flags) & FLOW_LOOSE))
		return LOOSE_WINDOW;
	return unlikely(seen & FRAGMENTED) ? FRAGMENT_SLACK : 0;
}

static inline bool has_sent(unsigned seen, enum flow_direction d)
{
	return d == FLOW_ORIGINAL || seen & ANSWERED;
}

/* Both directions have sent and acknowledged. */
static inline bool in_window(const struct flow_head *head, enum flow_direction d,
			     const struct segment *s, uint32_t slack)
{
	const uint32_t edge = LOAD(head->tcp.acked[!d]), window = window_of(head, !d);
	const uint32_t oldest = LOAD(head->tcp.acked[d]) - window_of(head, d) - LATE;

	return between(s->seq, edge - 2 * window - LATE, edge + window) &&
	       between(s->ack, oldest, LOAD(head->tcp.end[!d]) + slack);
}

static inline void remember(struct flow_head *head, enum flow_direction d, const struct segment *s)
{
	struct flow_tcp *tcp = &head->tcp;

	if (after(s->end, LOAD(tcp->end[d])))
		STORE(tcp->end[d], s->end);
	if (after(s->ack, LOAD(tcp->acked[d])))
		STORE(tcp->acked[d], s->ack);
	if (s->window > LOAD(tcp->max_window[d]))
		STORE(tcp->max_window[d], s->window);
}

static unsigned seen_add(struct flow_head *head, unsigned bits)
{
	const unsigned seen = LOAD(head->tcp_seen);

	if ((seen & bits) == bits)
		return seen;
	return __atomic_fetch_or(&head->tcp_seen, (uint8_t)bits, __ATOMIC_ACQ_REL) | bits;
}

/* How far a connection is, by what both sides have sent. */
static unsigned state_of(unsigned seen)
{
	if ((seen & ACKED_BOTH) != ACKED_BOTH)
		return seen & ANSWERED ? FLOW_TCP_SYN_RECEIVED : FLOW_TCP_SYN_SENT;
	if ((seen & FIN_SENT_BOTH) == FIN_SENT_BOTH)
		return (seen & FIN_ACKED_BOTH) == FIN_ACKED_BOTH ? FLOW_TCP_TIME_WAIT :
								   FLOW_TCP_CLOSING;
	return seen & FIN_SENT_BOTH ? FLOW_TCP_FIN_WAIT : FLOW_TCP_ESTABLISHED;
}

static unsigned state_order(unsigned state)
{
	return state == FLOW_TCP_LOOSE ? FLOW_TCP_SYN_SENT : state;
}

/* States are left forwards only, whoever comes first; what is dead stays dead. */
static void state_advance(struct flow_head *head, unsigned to)
{
	unsigned state = flow_state(head);

	while (state > FLOW_DEAD && state_order(state) < to) {
		if (flow_state_change(head, (uint8_t)state, (uint8_t)to)) {
			if (to >= FLOW_TCP_ESTABLISHED && to <= FLOW_TCP_TIME_WAIT &&
			    !(LOAD(head->flags) & FLOW_ONE_WAY))
				flow_flag_set(head, FLOW_ASSURED);
			return;
		}
		state = flow_state(head);
	}
}

/* What an accepted segment means for the connection, where it is not just more of the same. */
static void progress(struct flow_head *head, enum flow_direction d, const struct segment *s,
		     unsigned bits)
{
	const unsigned seen = LOAD(head->tcp_seen);

	if (s->flags & SEG_FIN)
		bits |= FIN_SENT(d);
	if (seen & FIN_SENT(!d) && s->ack == LOAD(head->tcp.end[!d]))
		bits |= FIN_ACKED(!d);
	state_advance(head, state_of(seen_add(head, bits)));
}

/* The acknowledgement is of direction 0's SYN: nobody who has not seen it knows that number. */
static bool answers_syn(const struct flow_head *head, const struct segment *s)
{
	return s->flags & SEG_ACK &&
	       between(s->ack, LOAD(head->tcp.acked[0]) + 1, LOAD(head->tcp.end[0]));
}

/* The same as in_window() with what is known so far. */
static bool in_window_early(const struct flow_head *head, enum flow_direction d,
			    const struct segment *s, unsigned seen)
{
	const struct flow_tcp *tcp = &head->tcp;
	const bool loose = LOAD(head->flags) & FLOW_LOOSE;
	const uint32_t unknown = loose ? LOOSE_WINDOW : UINT16_MAX;
	const uint32_t theirs = seen & ACKED(!d) ? window_of(head, !d) : unknown;
	const uint32_t ours = seen & ACKED(d) ? window_of(head, d) : unknown;
	const uint32_t edge = seen & ACKED(!d) ? LOAD(tcp->acked[!d]) : LOAD(tcp->end[d]);
	const uint32_t oldest = seen & ACKED(d) ? LOAD(tcp->acked[d]) : LOAD(tcp->end[!d]);

	if ((seen & ACKED(!d) || has_sent(seen, d)) &&
	    !between(s->seq, edge - 2 * theirs - LATE, edge + theirs))
		return false;
	return !has_sent(seen, !d) ||
	       between(s->ack, oldest - ours - LATE, LOAD(tcp->end[!d]) + ack_slack(head, seen));
}

static void remember_early(struct flow_head *head, enum flow_direction d, const struct segment *s,
			   unsigned seen)
{
	struct flow_tcp *tcp = &head->tcp;

	if (!has_sent(seen, d))
		STORE(tcp->end[d], s->end);
	if (!(seen & ACKED(d))) {
		STORE(tcp->acked[d], s->ack);
		STORE(tcp->max_window[d], window_scaled(head, d, LOAD(tcp->max_window[d])));
	}
	remember(head, d, s);
}

/* A segment with an acknowledgement while one side has not sent, or not acknowledged, yet. */
static __attribute__((noinline)) enum flow_track_result
early(struct flow_head *head, enum flow_direction d, const struct segment *s, unsigned seen)
{
	if (!(LOAD(head->flags) & FLOW_LOOSE)) {
		/* The server may think that an older connection goes on: its challenge ACK has to
		 * reach the client, which resets it. */
		if (!has_sent(seen, d))
			return flow_state(head) == FLOW_TCP_SYN_SENT && s->end == s->seq &&
					       !(s->flags & SEG_SYN) ?
				       FLOW_TRACK_OK :
				       FLOW_TRACK_INVALID;
		if (!has_sent(seen, !d))
			return FLOW_TRACK_INVALID;
	}
	if (!in_window_early(head, d, s, seen))
		return FLOW_TRACK_INVALID;
	remember_early(head, d, s, seen);
	progress(head, d, s, ACKED(d) | (d == FLOW_REPLY ? ANSWERED : 0));
	return FLOW_TRACK_OK;
}

static enum flow_track_result segment_track(struct flow_head *head, enum flow_direction d,
					    const struct segment *s)
{
	const unsigned seen = LOAD(head->tcp_seen);

	if ((seen & OPEN) != OPEN)
		return early(head, d, s, seen);
	if (!in_window(head, d, s, ack_slack(head, seen)))
		return FLOW_TRACK_INVALID;
	remember(head, d, s);
	if (s->flags & SEG_FIN || flow_state(head) != FLOW_TCP_ESTABLISHED)
		progress(head, d, s, 0);
	return FLOW_TRACK_OK;
}

/* Opening */

static void scale_set(struct flow_head *head, enum flow_direction d, unsigned shift)
{
	const unsigned other = LOAD(head->tcp_scale) & (0xf0u >> (4 * d));

	STORE(head->tcp_scale, (uint8_t)(other | shift << (4 * d)));
}

/* Both SYNs were seen: windows are scaled where both sides said so (RFC 7323 2.2). */
static void scale_settle(struct flow_head *head)
{
	if (shift_of(head, 0) == SHIFT_UNKNOWN || shift_of(head, 1) == SHIFT_UNKNOWN)
		STORE(head->tcp_scale, 0);
}

static void syn_first(struct flow_head *head, const struct segment *s, const struct packet *p)
{
	STORE(head->tcp.end[0], s->end);
	STORE(head->tcp.acked[0], s->seq);
	STORE(head->tcp.max_window[0], s->window);
	scale_set(head, 0, segment_shift(s, p));
}

enum flow_track_result flow_tcp_open(struct flow_head *head, const struct packet *p, bool loose)
{
	struct segment s;

	if (!segment_read(&s, p, 0) || s.flags & SEG_RST)
		return FLOW_TRACK_INVALID;
	head->flags = 0;
	head->tcp_seen = p->flags & PKT_FRAGMENT ? FRAGMENTED : 0;
	head->tcp_scale = SHIFT_UNKNOWN | SHIFT_UNKNOWN << 4;
	if (!(s.flags & SEG_ACK)) {
		syn_first(head, &s, p);
		head->state = FLOW_TCP_SYN_SENT;
		return FLOW_TRACK_OK;
	}
	if (!loose)
		return FLOW_TRACK_INVALID;
	head->flags |= FLOW_LOOSE;
	head->tcp_seen |= ACKED(0) | (s.flags & SEG_FIN ? FIN_SENT(0) : 0);
	head->tcp.end[0] = s.end;
	head->tcp.acked[0] = s.ack;
	head->tcp.max_window[0] = s.window;
	head->state = FLOW_TCP_LOOSE;
	return FLOW_TRACK_OK;
}

/* Of a conversation that is over: not a late copy of what belonged to it. */
static bool syn_fresh(const struct flow_head *head, enum flow_direction d, const struct segment *s)
{
	const unsigned seen = LOAD(head->tcp_seen);
	const uint32_t end = LOAD(head->tcp.end[d]);

	if ((seen & OPEN) != OPEN)
		return true;
	return !between(s->seq, end - LATE, end);
}

/* Both sides open at once, or direction 1 splits the handshake. Anybody can send this: a SYN-ACK that
 * answers direction 0's SYN makes it forgotten. */
static void syn_crossed(struct flow_head *head, const struct segment *s, const struct packet *p)
{
	STORE(head->tcp.end[1], s->end);
	STORE(head->tcp.max_window[1], s->window);
	scale_set(head, 1, segment_shift(s, p));
	seen_add(head, ANSWERED);
}

/* In direction 0 from whatever number: it is one that the policy has accepted. */
static enum flow_track_result syn_inside(const struct flow_head *head, enum flow_direction d,
					 const struct segment *s)
{
	const unsigned seen = LOAD(head->tcp_seen);
	const uint32_t edge = LOAD(head->tcp.acked[0]);

	if (d == FLOW_ORIGINAL)
		return (seen & OPEN) == OPEN ? FLOW_TRACK_SYN : FLOW_TRACK_OK;
	if (s->end == LOAD(head->tcp.end[1]))
		return FLOW_TRACK_OK;
	if (!(seen & ACKED(0)) || !between(s->seq, edge, edge + window_of(head, 0)))
		return FLOW_TRACK_INVALID;
	return FLOW_TRACK_OK;
}

static enum flow_track_result syn_track(struct flow_head *head, enum flow_direction d,
					const struct segment *s, const struct packet *p)
{
	switch (flow_state(head)) {
	case FLOW_TCP_SYN_SENT:
		if (d == FLOW_REPLY)
			syn_crossed(head, s, p);
		else if (s->seq != LOAD(head->tcp.acked[0]))
			syn_first(head, s, p); /* the client has begun anew */
		return FLOW_TRACK_OK;
	case FLOW_TCP_LOOSE: return FLOW_TRACK_REOPEN;
	case FLOW_TCP_TIME_WAIT:
	case FLOW_TCP_CLOSED:
		if (syn_fresh(head, d, s))
			return FLOW_TRACK_REOPEN;
		break;
	default: break;
	}
	return syn_inside(head, d, s);
}

/* Direction 1 answers direction 0's SYN. Until that is confirmed, the last answer counts. */
static enum flow_track_result syn_answered(struct flow_head *head, const struct segment *s,
					   const struct packet *p)
{
	if (!answers_syn(head, s))
		return FLOW_TRACK_INVALID;
	if (flow_state(head) == FLOW_TCP_SYN_SENT) {
		scale_set(head, 1, segment_shift(s, p));
		scale_settle(head);
	}
	STORE(head->tcp.end[1], s->end);
	STORE(head->tcp.acked[1], s->ack);
	STORE(head->tcp.max_window[1], window_scaled(head, 1, s->window));
	state_advance(head, state_of(seen_add(head, ANSWERED | ACKED(1))));
	return FLOW_TRACK_OK;
}

static enum flow_track_result syn_ack_track(struct flow_head *head, enum flow_direction d,
					    struct segment *s, const struct packet *p)
{
	const unsigned seen = LOAD(head->tcp_seen), state = flow_state(head);

	if (d == FLOW_REPLY && !(seen & ACKED(0)) &&
	    (state == FLOW_TCP_SYN_SENT || state == FLOW_TCP_SYN_RECEIVED))
		return syn_answered(head, s, p);
	if (d == FLOW_ORIGINAL && state == FLOW_TCP_SYN_SENT) { /* both open at once */
		if (!(seen & ANSWERED) || s->seq != LOAD(head->tcp.acked[0]))
			return FLOW_TRACK_INVALID;
		scale_settle(head);
	}
	s->window = window_scaled(head, d, s->window);
	return segment_track(head, d, s);
}

/* The end */

/* Has d sent what only the real d could? Direction 1 only with the acknowledgement of a SYN. */
static bool believed(unsigned seen, enum flow_direction d)
{
	return d == FLOW_ORIGINAL || seen & ACKED(1);
}

static bool reset_exact(const struct flow_head *head, enum flow_direction d,
			const struct segment *s, unsigned seen)
{
	if (believed(seen, d) && s->seq == LOAD(head->tcp.end[d]))
		return true;
	if (seen & ACKED(!d))
		return s->seq == LOAD(head->tcp.acked[!d]);
	if (d == FLOW_REPLY)
		return answers_syn(head, s);
	return flow_state(head) == FLOW_TCP_SYN_SENT &&
	       between(s->seq, LOAD(head->tcp.acked[0]), LOAD(head->tcp.end[0]));
}

static enum flow_track_result reset_track(struct flow_head *head, enum flow_direction d,
					  const struct segment *s)
{
	const unsigned seen = LOAD(head->tcp_seen);
	uint32_t first, window;

	if (reset_exact(head, d, s, seen)) {
		state_advance(head, FLOW_TCP_CLOSED);
		return FLOW_TRACK_OK;
	}
	/* A client that opens answers so what belongs to no connection that it has. */
	if (d == FLOW_ORIGINAL && flow_state(head) == FLOW_TCP_SYN_SENT)
		return FLOW_TRACK_OK;
	if (seen & ACKED(!d)) {
		first = LOAD(head->tcp.acked[!d]);
		window = window_of(head, !d);
	} else {
		first = LOAD(head->tcp.end[d]);
		window = UINT16_MAX;
	}
	if (believed(seen, d) && between(s->seq, first, first + window))
		return FLOW_TRACK_OK;
	return FLOW_TRACK_INVALID;
}

/* Only one direction comes this way: what it sends is all there is to go by. */
static enum flow_track_result one_way_track(struct flow_head *head, enum flow_direction d,
					    const struct segment *s, const struct packet *p)
{
	const unsigned state = flow_state(head);
	const uint32_t end = LOAD(head->tcp.end[d]);

	if (!has_sent(LOAD(head->tcp_seen), d))
		return FLOW_TRACK_OK;
	if (s->flags & SEG_RST) {
		if (s->seq == end)
			state_advance(head, FLOW_TCP_CLOSED);
	} else if (s->flags & SEG_SYN) {
		if (state == FLOW_TCP_SYN_SENT)
			syn_first(head, s, p);
		else if (state > FLOW_TCP_ESTABLISHED && !between(s->seq, end - LATE, end))
			return FLOW_TRACK_REOPEN;
	} else if (between(s->seq, end - LOOSE_WINDOW, end + LOOSE_WINDOW)) {
		if (after(s->end, end))
			STORE(head->tcp.end[d], s->end);
		state_advance(head, s->flags & SEG_FIN ? FLOW_TCP_FIN_WAIT : FLOW_TCP_ESTABLISHED);
	}
	return FLOW_TRACK_OK;
}

static enum flow_track_result tcp_track(struct flow_head *head, enum flow_direction d,
					struct segment *s, const struct packet *p)
{
	if (LOAD(head->flags) & FLOW_ONE_WAY)
		return one_way_track(head, d, s, p);
	if (!(s->flags & (SEG_SYN | SEG_RST)))
		return segment_track(head, d, s);
	if (s->flags & SEG_RST)
		return reset_track(head, d, s);
	return s->flags & SEG_ACK ? syn_ack_track(head, d, s, p) : syn_track(head, d, s, p);
}

/* All but the commonest. It takes nothing by reference, so that the caller's segment stays in
 * registers. */
static __attribute__((noinline)) enum flow_track_result
any_track(struct flow_head *head, enum flow_direction d, const struct packet *p, uint32_t offset)
{
	enum flow_track_result result;
	struct segment s;

	if (!segment_read(&s, p, offset))
		return FLOW_TRACK_INVALID;
	result = tcp_track(head, d, &s, p);
	if (p->flags & PKT_FRAGMENT && result == FLOW_TRACK_OK)
		seen_add(head, FRAGMENTED);
	return result;
}

/* Nothing but data and acknowledgements of an established connection: half the time of any_track().
 * The windows are the same. */
enum flow_track_result flow_tcp_track(struct flow_head *head, enum flow_direction d,
				      const struct packet *p, uint32_t offset)
{
	const unsigned flags = packet_l4(p)[13] & SEG_FLAGS;
	struct segment s;

	offset = d == FLOW_REPLY ? offset : 0;
	if (unlikely(flags != SEG_ACK || flow_state(head) != FLOW_TCP_ESTABLISHED ||
		     LOAD(head->flags) & (FLOW_LOOSE | FLOW_ONE_WAY) ||
		     LOAD(head->tcp_seen) != OPEN || p->flags & PKT_FRAGMENT))
		return any_track(head, d, p, offset);
	if (unlikely(!segment_read(&s, p, offset) || !in_window(head, d, &s, 0)))
		return FLOW_TRACK_INVALID;
	remember(head, d, &s);
	return FLOW_TRACK_OK;
}

void flow_track_proxied(struct flow_head *head, const struct flow_handshake *h)
{
	const bool scaled = h->scale[0] != SHIFT_UNKNOWN && h->scale[1] != SHIFT_UNKNOWN;

	for (unsigned d = 0; d < 2; d++) {
		head->tcp.end[d] = h->next[d];
		head->tcp.acked[d] = h->next[!d];
		head->tcp.max_window[d] = h->window[d];
	}
	head->tcp_scale = scaled ? (uint8_t)(h->scale[0] | h->scale[1] << 4) : 0;
	/* the server's was in its SYN-ACK, where it is not scaled */
	head->tcp.max_window[1] = window_scaled(head, 1, h->window[1]);
	__atomic_or_fetch(&head->tcp_seen, OPEN, __ATOMIC_RELEASE);
	__atomic_or_fetch(&head->flags, FLOW_ASSURED, __ATOMIC_RELAXED);
}
