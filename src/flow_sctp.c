/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCTP (RFC 9260) as somebody in the middle sees it: the chunks say where an association is, and the
 * verification tag says who may say so. Each endpoint chooses a tag in its INIT or INIT ACK, and the
 * other puts it into every packet; who has not seen them guesses one of 2^32.
 *
 * An INIT has no tag, so anybody can send one. Inside an association it may be an endpoint that came
 * up again (section 5.2.2): its tag becomes a *candidate*, and so does the tag of the INIT ACK that
 * answers it. From then on packets pass with either, and only those with the tags of before can end
 * the association: a forged INIT changes nothing.
 *
 * An association that was not seen from its INIT on, or a further path of one that has several
 * (opened by its HEARTBEAT), shows its tags by the first packet of each direction.
 *
 * Words of flow_head.tcp: end[d] the tag that d has chosen (that packets of !d carry), acked[d] the
 * candidate.
 */
#include "bytes.h"
#include "flow_track_impl.h"

#define SCTP_HEADER 12u
#define CHUNK_HEADER 4u
#define CHUNKS_MAX 64

enum chunk {
	CHUNK_INIT = 1,
	CHUNK_INIT_ACK = 2,
	CHUNK_HEARTBEAT = 4,
	CHUNK_ABORT = 6,
	CHUNK_SHUTDOWN = 7,
	CHUNK_SHUTDOWN_ACK = 8,
	CHUNK_COOKIE_ACK = 11,
	CHUNK_SHUTDOWN_COMPLETE = 14,
	CHUNK_OTHERS = 31,
};
#define BIT(chunk) (1u << (chunk))
#define ALONE (BIT(CHUNK_INIT) | BIT(CHUNK_INIT_ACK) | BIT(CHUNK_SHUTDOWN_COMPLETE))
#define CHUNK_T 0x01 /* in ABORT and SHUTDOWN COMPLETE: the tag is the sender's own */

/* flow_head.tcp_seen */
#define TAG(d) (0x01u << (d))	    /* end[d] */
#define CANDIDATE(d) (0x04u << (d)) /* acked[d] */
#define OVER 0x10u		    /* aborted, or shut down to the end */

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

struct chunks {
	uint32_t tag;	/* verification tag */
	uint32_t types; /* BIT() of each that is there */
	uint32_t own;	/* initiate tag of INIT or INIT ACK */
	bool reflected; /* the tag is the sender's own */
};

static void chunk_note(struct chunks *c, const uint8_t *chunk, unsigned room)
{
	const unsigned type = chunk[0] < CHUNK_OTHERS ? chunk[0] : CHUNK_OTHERS;

	c->types |= BIT(type);
	if ((type == CHUNK_INIT || type == CHUNK_INIT_ACK) && room >= 8)
		c->own = bytes_get32(chunk + 4);
	if ((type == CHUNK_ABORT || type == CHUNK_SHUTDOWN_COMPLETE) && chunk[1] & CHUNK_T)
		c->reflected = true;
}

/* False where they make no sense: a length that does not fit, none at all, INIT with company. What
 * is in later frames or fragments is not seen, which is payload. */
static bool chunks_read(struct chunks *c, const struct packet *p)
{
	const uint8_t *l4 = packet_l4(p);
	const unsigned end = p->l3 + p->ip_len - p->l4, there = p->first_len - p->l4;
	unsigned at = SCTP_HEADER, n = 0;

	*c = (struct chunks){ .tag = bytes_get32(l4 + 4) };
	for (; n < CHUNKS_MAX && at + CHUNK_HEADER <= end && at + CHUNK_HEADER <= there; n++) {
		const unsigned len = bytes_get16(l4 + at + 2);

		if (len < CHUNK_HEADER || (at + len > end && !(p->flags & PKT_FRAGMENT)))
			return false;
		chunk_note(c, l4 + at, (len < there - at ? len : there - at));
		at += (len + 3) & ~3u;
	}
	if (!n || (c->types & ALONE && n > 1))
		return false;
	if (c->types & BIT(CHUNK_INIT))
		return c->tag == 0 && c->own;
	return c->tag && (c->own || !(c->types & BIT(CHUNK_INIT_ACK)));
}

enum flow_track_result flow_sctp_open(struct flow_head *head, const struct packet *p, bool loose)
{
	struct chunks c;

	if (!chunks_read(&c, p))
		return FLOW_TRACK_INVALID;
	head->state = FLOW_SCTP_NEW;
	head->flags = 0;
	head->tcp = (struct flow_tcp){ 0 };
	if (c.types & BIT(CHUNK_INIT)) {
		head->tcp.end[0] = c.own;
		head->tcp_seen = TAG(0);
		return FLOW_TRACK_OK;
	}
	if (c.types & (BIT(CHUNK_INIT_ACK) | BIT(CHUNK_ABORT) | BIT(CHUNK_SHUTDOWN_COMPLETE)) ||
	    (!loose && !(c.types & BIT(CHUNK_HEARTBEAT))))
		return FLOW_TRACK_INVALID;
	head->flags = FLOW_LOOSE;
	head->tcp.end[1] = c.tag;
	head->tcp_seen = TAG(1);
	return FLOW_TRACK_OK;
}

static void seen_add(struct flow_head *head, unsigned bits)
{
	if ((LOAD(head->tcp_seen) & bits) != bits)
		__atomic_fetch_or(&head->tcp_seen, (uint8_t)bits, __ATOMIC_ACQ_REL);
}

static void tag_set(struct flow_head *head, enum flow_direction d, uint32_t tag)
{
	STORE(head->tcp.end[d], tag);
	seen_add(head, TAG(d));
}

static void candidate_set(struct flow_head *head, enum flow_direction d, uint32_t tag)
{
	STORE(head->tcp.acked[d], tag);
	seen_add(head, CANDIDATE(d));
}

static bool is_tag(const struct flow_head *head, enum flow_direction chosen_by, uint32_t tag)
{
	return LOAD(head->tcp_seen) & TAG(chosen_by) && LOAD(head->tcp.end[chosen_by]) == tag;
}

static bool is_candidate(const struct flow_head *head, enum flow_direction chosen_by, uint32_t tag)
{
	return LOAD(head->tcp_seen) & CANDIDATE(chosen_by) &&
	       LOAD(head->tcp.acked[chosen_by]) == tag;
}

static enum flow_track_result init_track(struct flow_head *head, enum flow_direction d,
					 const struct chunks *c)
{
	if (LOAD(head->tcp_seen) & OVER)
		return FLOW_TRACK_REOPEN;
	if (d == FLOW_ORIGINAL && flow_state(head) == FLOW_SCTP_NEW &&
	    !(LOAD(head->tcp_seen) & TAG(1)))
		tag_set(head, d, c->own);
	else
		candidate_set(head, d, c->own);
	return FLOW_TRACK_OK;
}

static void over(struct flow_head *head)
{
	seen_add(head, OVER);
	flow_state_change(head, FLOW_SCTP_NEW, FLOW_SCTP_SHUTDOWN);
	flow_state_change(head, FLOW_SCTP_ESTABLISHED, FLOW_SCTP_SHUTDOWN);
}

static void established(struct flow_head *head, uint8_t from)
{
	if (flow_state(head) == from && flow_state_change(head, from, FLOW_SCTP_ESTABLISHED))
		flow_flag_set(head, FLOW_ASSURED);
}

/* With a tag of the association's own. */
static void chunks_act(struct flow_head *head, enum flow_direction d, const struct chunks *c)
{
	if (c->types & (BIT(CHUNK_ABORT) | BIT(CHUNK_SHUTDOWN_COMPLETE))) {
		over(head);
		return;
	}
	if (c->types & BIT(CHUNK_INIT_ACK) && flow_state(head) == FLOW_SCTP_NEW)
		tag_set(head, d, c->own);
	if (c->types & BIT(CHUNK_COOKIE_ACK) || (d == FLOW_REPLY && LOAD(head->flags) & FLOW_LOOSE))
		established(head, FLOW_SCTP_NEW);
	if (c->types & (BIT(CHUNK_SHUTDOWN) | BIT(CHUNK_SHUTDOWN_ACK)))
		flow_state_change(head, FLOW_SCTP_ESTABLISHED, FLOW_SCTP_SHUTDOWN);
}

/* The other side does not come this way: nothing is known of its tag. */
static enum flow_track_result one_way_track(struct flow_head *head, const struct chunks *c)
{
	if (!(c->types & (BIT(CHUNK_INIT) | BIT(CHUNK_ABORT))))
		flow_state_change(head, FLOW_SCTP_NEW, FLOW_SCTP_ESTABLISHED);
	if (c->types & (BIT(CHUNK_SHUTDOWN) | BIT(CHUNK_SHUTDOWN_ACK)))
		flow_state_change(head, FLOW_SCTP_ESTABLISHED, FLOW_SCTP_SHUTDOWN);
	return FLOW_TRACK_OK;
}

enum flow_track_result flow_sctp_track(struct flow_head *head, enum flow_direction d,
				       const struct packet *p)
{
	enum flow_direction chosen_by;
	struct chunks c;

	if (!chunks_read(&c, p))
		return FLOW_TRACK_INVALID;
	if (LOAD(head->flags) & FLOW_ONE_WAY)
		return one_way_track(head, &c);
	if (c.types & BIT(CHUNK_INIT))
		return init_track(head, d, &c);
	chosen_by = c.reflected ? d : !d;
	if (LOAD(head->flags) & FLOW_LOOSE && !(LOAD(head->tcp_seen) & TAG(chosen_by)))
		tag_set(head, chosen_by, c.tag);
	if (is_tag(head, chosen_by, c.tag)) {
		chunks_act(head, d, &c);
		return FLOW_TRACK_OK;
	}
	if (!is_candidate(head, chosen_by, c.tag))
		return FLOW_TRACK_INVALID;
	if (c.types & BIT(CHUNK_INIT_ACK))
		candidate_set(head, d, c.own);
	if (c.types & BIT(CHUNK_COOKIE_ACK)) {
		established(head, FLOW_SCTP_NEW);
		established(head, FLOW_SCTP_SHUTDOWN);
	}
	return FLOW_TRACK_OK;
}
