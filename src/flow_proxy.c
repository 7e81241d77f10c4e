/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_proxy.h"

#include <netinet/tcp.h>

#include "bytes.h"
#include "flows.h"
#include "tcp_segment.h"

static unsigned put_options(uint8_t *at, const struct syn_options *options)
{
	unsigned n = 4;

	at[0] = 2;
	at[1] = 4;
	bytes_put16(at + 2, options->mss);
	if (options->sack) {
		memcpy(at + n, (const uint8_t[]){ 1, 1, 4, 2 }, 4);
		n += 4;
	}
	if (options->scale != SYN_NO_SCALE) {
		memcpy(at + n, (const uint8_t[]){ 1, 3, 3, options->scale }, 4);
		n += 4;
	}
	return n;
}

static unsigned l4_room(const struct packet *p)
{
	return (unsigned)(p->first_len - p->l4);
}

void flow_proxy_challenge(struct datapath *dp, const struct packet *syn, const struct flow_key *key,
			  uint16_t mss)
{
	const uint8_t *tcp = packet_l4(syn);
	const uint32_t isn = bytes_get32(tcp + 4);
	struct tcp_segment answer = { .key = flow_key_turned(key),
				      .ack = isn + 1,
				      .flags = TH_SYN | TH_ACK };
	struct syn_options options;

	syn_options_read(tcp, l4_room(syn), key->family == 6, &options);
	answer.seq = syn_cookie_make(key, isn, dp->now_ns, &options);
	/* what the client is told is about the server's side */
	options.mss = mss;
	if (options.scale != SYN_NO_SCALE)
		options.scale = FLOW_PROXY_SCALE;
	answer.options_len = (uint8_t)put_options(answer.options, &options);
	tcp_segment_send(dp, syn, &answer);
}

bool flow_proxy_answer(const struct datapath *dp, const struct packet *ack,
		       const struct flow_key *key, struct syn_options *options)
{
	const uint8_t *tcp = packet_l4(ack);

	return (tcp[13] & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == TH_ACK &&
	       syn_cookie_check(key, bytes_get32(tcp + 4) - 1, bytes_get32(tcp + 8) - 1, dp->now_ns,
				options);
}

void flow_proxy_open(struct flow_open *open, const struct syn_options *options)
{
	const uint8_t *tcp = packet_l4(open->packet);

	open->class = FLOW_CLASS_NEW; /* also where flows are not picked up in mid-stream */
	open->tcp_flags = TH_SYN;
	open->state = FLOW_TCP_PROXY;
	open->flags |= FLOW_SEQ_OFFSET;
	open->seq_offset =
		bytes_get32(tcp + 8) - 1; /* the cookie, until the server's number comes */
	open->action = options->mss | (uint32_t)options->scale << 16 |
		       (uint32_t)options->sack << 24;
}

/* --- the flow --- */

void flow_proxy_begin(struct flow_head *head, const struct packet *ack)
{
	const uint8_t *tcp = packet_l4(ack);

	*head = (struct flow_head){ .protocol = IPPROTO_TCP, .state = FLOW_TCP_PROXY };
	head->tcp.end[0] = bytes_get32(tcp + 4);
	head->tcp.max_window[0] = bytes_get16(tcp + 14);
	head->tcp_scale = SYN_NO_SCALE | SYN_NO_SCALE << 4;
}

static struct flow6 *flow_of(struct datapath *dp, uint32_t ref)
{
	return &dp->flows->table->hot6[ref & FLOW_INDEX];
}

static struct flow_key towards(const struct datapath *dp, uint32_t ref, bool server)
{
	struct flow_key comes;

	/* packets to the server are those that its replies turn round, and so for the client */
	flow_key_of(dp->flows->table, flow_handle(ref), server ? FLOW_REPLY : FLOW_ORIGINAL,
		    &comes);
	return flow_key_turned(&comes);
}

/* The client's SYN, to the server. */
static void send_syn(struct datapath *dp, uint32_t ref, const struct packet *cause)
{
	const struct flow6 *flow = flow_of(dp, ref);
	const struct syn_options options = { .mss = (uint16_t)flow->action,
					     .scale = (uint8_t)(flow->action >> 16),
					     .sack = flow->action >> 24 };
	struct tcp_segment syn = { .key = towards(dp, ref, true),
				   .seq = flow->head.tcp.end[0] - 1,
				   .window = UINT16_MAX,
				   .flags = TH_SYN };

	syn.options_len = (uint8_t)put_options(syn.options, &options);
	tcp_segment_send(dp, cause, &syn);
}

/* The server is there: the offset is known, and both sides hear of it. */
static void connect_both(struct datapath *dp, uint32_t ref, const struct packet *p)
{
	struct flow6 *flow = flow_of(dp, ref);
	const uint8_t *tcp = packet_l4(p);
	const uint32_t isn = bytes_get32(tcp + 4), cookie = flow->seq_offset;
	const uint16_t window = bytes_get16(tcp + 14);
	const uint8_t client_scale = (uint8_t)(flow->action >> 16);
	struct syn_options options;
	struct flow_handshake handshake = {
		.next = { flow->head.tcp.end[0], cookie + 1 },
		.window = { flow->head.tcp.max_window[0], window },
	};
	struct tcp_segment ack = { .flags = TH_ACK };

	syn_options_read(tcp, l4_room(p), p->ip_version == 6, &options);
	handshake.scale[0] = client_scale;
	handshake.scale[1] = options.scale;
	flow->scale[0] = options.scale == SYN_NO_SCALE ? 0 : options.scale;
	flow->scale[1] = client_scale == SYN_NO_SCALE ? 0 : FLOW_PROXY_SCALE;
	flow->seq_offset = isn - cookie;
	flow_track_proxied(&flow->head, &handshake);
	ack.key = towards(dp, ref, true);
	ack.seq = handshake.next[0];
	ack.ack = isn + 1;
	ack.window = handshake.window[0];
	tcp_segment_send(dp, p, &ack);
	ack.key = towards(dp, ref, false);
	ack.seq = cookie + 1;
	ack.ack = handshake.next[0];
	ack.window = (uint16_t)(window >> flow->scale[1]); /* a SYN-ACK's is never scaled */
	tcp_segment_send(dp, p, &ack);
	flow_state_change(&flow->head, FLOW_TCP_PROXY, FLOW_TCP_ESTABLISHED);
}

/* The server does not want it: the client hears of that in its own numbers. */
static void refuse(struct datapath *dp, uint32_t ref, const struct packet *p)
{
	const struct flow6 *flow = flow_of(dp, ref);
	const struct tcp_segment reset = { .key = towards(dp, ref, false),
					   .seq = flow->seq_offset + 1,
					   .ack = flow->head.tcp.end[0],
					   .flags = TH_RST | TH_ACK };

	tcp_segment_send(dp, p, &reset);
	flow_end(dp, flow_handle(ref), FLOW_TCP_PROXY);
}

void flow_proxy_packet(struct datapath *dp, uint32_t ref, struct packet *p)
{
	const struct flow6 *flow = flow_of(dp, ref);
	const uint8_t *tcp = packet_l4(p);
	const uint8_t flags = tcp[13] & (TH_SYN | TH_ACK | TH_RST | TH_FIN);

	packet_drop(p, DROP_SYN_PROXY);
	if (flow_direction(ref) == FLOW_ORIGINAL) {
		if (flags == TH_ACK)
			send_syn(dp, ref, p);
		else if (flags & TH_RST)
			flow_end(dp, flow_handle(ref), FLOW_TCP_PROXY);
		return;
	}
	if (!(flags & TH_ACK) || bytes_get32(tcp + 8) != flow->head.tcp.end[0])
		return;
	if (flags == (TH_SYN | TH_ACK))
		connect_both(dp, ref, p);
	else if (flags & TH_RST)
		refuse(dp, ref, p);
}
