/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first packet of a flow: each stateful function of the chain is asked in order, and their
 * answers become the flow. Also packets that belong to no flow and make none (invalid, related,
 * untracked): the functions say whether they may pass.
 */
#include <errno.h>

#include "bytes.h"
#include "egress.h"
#include "flow_label.h"
#include "flow_proxy.h"
#include "flows.h"
#include "nf/nf.h"
#include "parse.h"

/* --- where it would leave --- */

/* What the routes see of the flow's packets: the headers of one that leaves, and the hash of one as it
 * comes in, whichever packet is at hand: of a group they take the same member. */
static void probe_make(struct packet *probe, uint8_t *header, const struct flow_open *open)
{
	const struct flow_key *key = &open->key;
	const unsigned l4 = key->family == 4 ? 20 : 40;

	*probe = (struct packet){ .data = header,
				  .ip_version = key->family,
				  .protocol = key->protocol,
				  .flags = open->has_ports ? PKT_L4_COMPLETE : 0,
				  .l4 = (uint16_t)l4,
				  .iface = open->in_iface };
	if (key->family == 4) {
		memcpy(header + 12, &key->v4, 8);
		memcpy(header + l4, &key->v4.sport, 2);
		memcpy(header + l4 + 2, &key->v4.dport, 2);
	} else {
		memcpy(header + 8, &key->v6, 32);
		memcpy(header + l4, &key->v6.sport, 2);
		memcpy(header + l4 + 2, &key->v6.dport, 2);
	}
	/* of what has no ports the packet knows best */
	probe->hash = open->has_ports || open->again ? parse_flow_hash(probe) : open->packet->hash;
	probe->ip_version = open->out.family;
	if (open->out.family == 4)
		memcpy(header + 12, &open->out.v4, 8);
	else
		memcpy(header + 8, &open->out.v6, 32);
}

const struct nexthop *flow_open_route(struct datapath *dp, struct flow_open *open)
{
	uint8_t header[44] = { 0 };
	struct packet probe, *packets[1] = { &probe };

	if (open->routed && !memcmp(&open->routed_out, &open->out, sizeof(open->out)))
		return open->hop;
	probe_make(&probe, header, open);
	egress_lookup(dp, packets, &open->hop, 1);
	open->routed = true;
	open->routed_out = open->out;
	return open->hop;
}

uint16_t flow_open_out(struct datapath *dp, struct flow_open *open)
{
	return egress_iface(flow_open_route(dp, open));
}

/* --- asking --- */

static void describe(struct flow_open *open, struct packet *p, const struct flow_key *key,
		     enum flow_class class)
{
	const uint8_t *ip = packet_l3(p), *l4 = packet_l4(p);
	const bool header = (p->flags & (PKT_L4_COMPLETE | PKT_LATER_FRAGMENT)) == PKT_L4_COMPLETE;

	memset(open, 0, sizeof(*open));
	open->packet = p;
	open->key = open->out = *key;
	open->in_iface = p->iface;
	open->class = (uint8_t) class;
	open->dscp = p->ip_version == 4 ? ip[1] >> 2 : (uint8_t)((bytes_get16(ip) >> 6) & 0x3f);
	if (!header)
		return;
	switch (p->protocol) {
	case IPPROTO_TCP: open->tcp_flags = l4[13]; /* fall through */
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP: open->has_ports = true; break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		open->icmp_type = l4[0];
		open->icmp_code = l4[1];
		break;
	default: break;
	}
}

/* The flow did not come about: those that were asked give back what they had set aside. */
static void unopen(struct datapath *dp, const struct chain *chain, const struct flow_open *open,
		   unsigned asked)
{
	const struct flow_close close = {
		.key = open->key,
		.out = open->out,
		.label = open->label,
		.in_iface = open->in_iface,
	};

	for (unsigned i = 0; i < asked; i++) {
		struct nf *nf = chain->functions[i];

		if (nf->stateful && nf->ops->close)
			nf->ops->close(nf, dp, &close);
	}
}

/* How many were asked where all agree; otherwise p has its verdict, and -1. */
static int ask(struct datapath *dp, const struct chain *chain, struct flow_open *open)
{
	unsigned i;

	for (i = 0; i < chain->n; i++) {
		struct nf *nf = chain->functions[i];
		enum nf_verdict verdict;

		if (!nf->stateful)
			continue;
		verdict = nf->ops->open(nf, dp, open);
		if (verdict == NF_ACCEPT)
			continue;
		if (open->class == FLOW_CLASS_NEW)
			unopen(dp, chain, open, i);
		if (verdict == NF_DROP)
			packet_drop(open->packet, open->reason);
		return -1;
	}
	return (int)i;
}

/* --- making --- */

static bool translated(const struct flow_open *open)
{
	return memcmp(&open->key, &open->out, sizeof(open->key)) != 0;
}

static void fill(struct datapath *dp, uint32_t handle, const struct flow_head *tracked,
		 const struct flow_open *open)
{
	struct flow_head *head = flow_head(dp->flows->table, handle);
	struct flow_cold *cold = flow_cold(dp->flows->table, handle);
	const uint32_t now = flow_worker(dp)->tick;

	*head = *tracked;
	head->owner = (uint8_t)dp->index;
	head->state = FLOW_FREE;
	head->flags |= FLOW_PENDING | open->flags | (translated(open) ? FLOW_TRANSLATED : 0);
	head->policy = dp->policy;
	head->seen = (uint16_t)now;
	head->route = 0;
	cold->seen = cold->created = now;
	cold->label = open->label;
	cold->iface = open->in_iface;
	if (handle & FLOW_WIDE) {
		dp->flows->table->hot6[handle & FLOW_INDEX].seq_offset = open->seq_offset;
		dp->flows->table->hot6[handle & FLOW_INDEX].action = open->action;
	}
	*flow_counters(dp->flows->table, handle) = (struct flow_counters){ 0 };
	/* the control thread looks at all memory: not a flow before it is pending */
	__atomic_store_n(&head->state, open->state, __ATOMIC_RELEASE);
}

static bool needs_wide(const struct flow_open *open)
{
	return open->key.family == 6 || open->out.family == 6 ||
	       (open->flags & (FLOW_ENCAPSULATED | FLOW_SEQ_OFFSET));
}

static void refuse(struct datapath *dp, const struct chain *chain, struct flow_open *open,
		   uint16_t reason)
{
	datapath_count(&flow_worker(dp)->stats.refused, 1);
	unopen(dp, chain, open, chain->n);
	packet_drop(open->packet, reason);
}

static uint32_t make(struct datapath *dp, const struct chain *chain, struct flow_open *open,
		     const struct flow_head *tracked)
{
	struct flow_worker *fw = flow_worker(dp);
	const struct flow_key reply = flow_key_turned(&open->out);
	uint32_t handle = flow_make_room(dp, needs_wide(open)), winner = 0;
	int err;

	if (!handle) {
		refuse(dp, chain, open, DROP_FLOW_TABLE_FULL);
		return 0;
	}
	fill(dp, handle, tracked, open);
	err = flow_insert(dp->flows->table, handle, &open->key, &reply, &winner);
	if (err) {
		flow_unalloc(fw->cache, handle);
		if (err == -EEXIST && winner &&
		    flow_state(flow_head(dp->flows->table, winner)) > FLOW_DEAD) {
			/* another worker was faster with the same flow */
			datapath_count(&fw->stats.raced, 1);
			unopen(dp, chain, open, chain->n);
			return winner;
		}
		refuse(dp, chain, open, err == -EEXIST ? DROP_FLOW_CLASH : DROP_FLOW_TABLE_FULL);
		return 0;
	}
	flow_wheel_add(fw->wheel, handle, FLOW_FIRST_VISIT_TICKS);
	datapath_count(&fw->stats.opened, 1);
	if (open->label)
		flow_label_opened(flow_label_of(dp->index, open->label));
	return handle;
}

uint32_t flow_miss(struct datapath *dp, const struct chain *chain, struct packet *p,
		   const struct flow_key *key, enum flow_class class)
{
	struct flow_head tracked = { 0 };
	struct flow_open open;

	if (class == FLOW_CLASS_NEW &&
	    flow_track_open(&tracked, p, dp->flows->loose) != FLOW_TRACK_OK)
		class = FLOW_CLASS_INVALID;
	if (class == FLOW_CLASS_INVALID)
		datapath_count(&flow_worker(dp)->stats.invalid, 1);
	describe(&open, p, key, class);
	open.state = tracked.state;
	if (ask(dp, chain, &open) < 0)
		return 0;
	if (open.class != FLOW_CLASS_NEW)
		return 0; /* passes on its own */
	if (open.state == FLOW_TCP_PROXY)
		flow_proxy_begin(&tracked, p);
	if (open.in_iface >= IFACE_MAX)
		return 0;
	return make(dp, chain, &open, &tracked);
}
