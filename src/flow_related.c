/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors about flows (RFC 5508 4, RFC 4443 2.2). The packet inside the error is one that we
 * sent: turned round, its key is that of the packets which answer it, and the error goes their way.
 * So its outer header is rewritten like theirs, and the header inside back to what the sender of
 * the packet knows.
 *
 * It must be told to the one who sent that packet: whoever quotes packets of the other direction, or
 * tells a third host, has not seen one. A TCP header inside must have a sequence number that the flow could have sent (RFC 5927 4.1): off
 * the path nobody knows one.
 */
#include "bytes.h"
#include "checksum.h"
#include "flow_key.h"
#include "flows.h"

/* Is the quoted sequence number one that direction d has sent and that may still be under way? */
static bool quoted_in_window(const struct flow_head *head, enum flow_direction d,
			     const uint8_t *tcp)
{
	const uint32_t seq = bytes_get32(tcp + 4), end = head->tcp.end[d];
	const unsigned shift = head->tcp_scale >> (4 * !d) & 15;
	const uint32_t window = (uint32_t)head->tcp.max_window[!d] << (shift == 15 ? 0 : shift);

	return (int32_t)(end - seq) >= 0 && end - seq <= window + 65536;
}

/* A reply is quoted as the client knows it: back to the server's numbers. */
static void move_quoted_seq(const struct flow6 *flow, struct packet *p, uint16_t l4)
{
	uint8_t *seq = p->data + l4 + 4, *check = packet_l4(p) + 2;
	const uint32_t from = bytes_load32(seq);

	bytes_put32(seq, bytes_get32(seq) + flow->seq_offset);
	bytes_store16(check, checksum_update32(bytes_load16(check), from, bytes_load32(seq)));
}

static const void *address(const struct flow_key *key, bool destination)
{
	if (key->family == 4)
		return destination ? &key->v4.destination : &key->v4.source;
	return destination ? &key->v6.destination : &key->v6.source;
}

static bool outer_source_is(const struct packet *p, const struct flow_key *reply)
{
	return !memcmp(packet_l3(p) + (p->ip_version == 4 ? 12 : 8), address(reply, false),
		       p->ip_version == 4 ? 4 : 16);
}

/* Is the one who is told the one who sent what is quoted? */
static bool tells_the_sender(const struct packet *p, const struct flow_key *quoted)
{
	return !memcmp(packet_l3(p) + (p->ip_version == 4 ? 16 : 24), address(quoted, false),
		       p->ip_version == 4 ? 4 : 16);
}

/* Rewrite an error that goes in direction r of a translated flow. */
static void translate(const struct flow_table *table, uint32_t ref, struct packet *p, uint16_t l3,
		      uint16_t l4)
{
	const enum flow_direction r = flow_direction(ref);
	struct flow_key in, sender;

	flow_key_of(table, flow_handle(ref), r, &in);	   /* packets of direction r as they come */
	flow_key_of(table, flow_handle(ref), !r, &sender); /* what the one who is told has sent */
	flow_key_write_embedded(p, l3, l4, &sender);
	/* from the flow's far end itself: it is known by another address over there */
	flow_key_write_addresses(p, outer_source_is(p, &in) ? address(&sender, true) : NULL,
				 address(&sender, false));
}

/* Of a flow that lives, and a packet that it may have sent in direction d. */
static bool is_about(const struct flow_head *head, enum flow_direction d, const uint8_t *quoted)
{
	if (flow_state(head) <= FLOW_DEAD)
		return false;
	return head->protocol != IPPROTO_TCP || head->flags & FLOW_ONE_WAY ||
	       quoted_in_window(head, d, quoted);
}

/* Still, where the policy has changed: an error is let in as the flow is. */
static bool is_let_in(struct datapath *dp, uint32_t ref, struct packet *p)
{
	const struct flow_head *head = flow_head(dp->flows->table, ref);

	return likely(__atomic_load_n(&head->policy, __ATOMIC_RELAXED) == dp->policy) ||
	       flow_again(dp, ref, p);
}

bool flow_related(struct datapath *dp, struct packet *p, uint32_t *ref)
{
	const struct flow_table *table = dp->flows->table;
	struct flow_key quoted, key;
	const struct flow_head *head;
	uint16_t l3, l4;

	if (!flow_key_embedded(p, &quoted, &l3, &l4) || !tells_the_sender(p, &quoted))
		return false;
	key = flow_key_turned(&quoted);
	flow_lookup(table, &key, ref, 1);
	if (!*ref)
		return false;
	head = flow_head(table, *ref);
	if (!is_about(head, !flow_direction(*ref), p->data + l4) || !is_let_in(dp, *ref, p)) {
		*ref = 0;
		return false;
	}
	if (head->flags & FLOW_TRANSLATED)
		translate(table, *ref, p, l3, l4);
	if ((head->flags & FLOW_SEQ_OFFSET) && flow_direction(*ref) == FLOW_ORIGINAL)
		move_quoted_seq(&table->hot6[*ref & FLOW_INDEX], p, l4);
	datapath_count(&flow_worker(dp)->stats.related, 1);
	return true;
}
