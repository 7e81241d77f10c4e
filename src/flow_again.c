/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy has changed since this flow was let in: the functions are asked again, with what is
 * known of its first packet. A flow that they deny ends, with the packet that found out; one that
 * they allow goes on and notices nothing. So does a flow end whose packets no chain would take any
 * more, that is when the interface that it came in by is gone or stands in none.
 *
 * Packets of a flow may find this out on several workers at once. Each has to know the answer before
 * it lets its packet go, but only one may change what is counted: who takes the generation out of the
 * flow (ASKING) and puts the new one in; the others ask without consequences (`echo`).
 */
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include "bytes.h"
#include "flow_label.h"
#include "flows.h"
#include "nf/nf.h"

#define ASKING 0 /* flow_head.policy: no generation is 0 */

void flow_keys_out(const struct flow_table *table, uint32_t handle, struct flow_key *key,
		   struct flow_key *out)
{
	struct flow_key reply;

	flow_key_of(table, handle, FLOW_ORIGINAL, key);
	flow_key_of(table, handle, FLOW_REPLY, &reply);
	*out = flow_key_turned(&reply);
}

/* What its first packet was, as far as the flow tells. */
static void first_packet(const struct flow_head *head, struct flow_open *open)
{
	switch (head->protocol) {
	case IPPROTO_TCP:
		open->tcp_flags = head->flags & FLOW_LOOSE ? TH_ACK : TH_SYN; /* fall through */
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP: open->has_ports = true; break;
	case IPPROTO_ICMP: open->icmp_type = ICMP_ECHO; break;
	case IPPROTO_ICMPV6: open->icmp_type = ICMP6_ECHO_REQUEST; break;
	default: break;
	}
}

static const struct chain *chain_of(const struct datapath *dp, uint16_t slot)
{
	const struct interface *iface = fib_interface(dp->fib, slot);

	return iface ? iface->chain : NULL;
}

static enum nf_verdict ask_again(struct datapath *dp, const struct chain *chain,
				 struct flow_open *open)
{
	open->reason = DROP_NO_CHAIN;
	if (!chain)
		return NF_DROP;
	for (unsigned i = 0; i < chain->n; i++) {
		struct nf *nf = chain->functions[i];
		enum nf_verdict verdict;

		if (!nf->stateful)
			continue;
		verdict = nf->ops->open(nf, dp, open);
		if (verdict != NF_ACCEPT)
			return verdict;
	}
	return NF_ACCEPT;
}

/* Another rule lets it in now: it is that one's flow from here on. */
static void relabel(struct datapath *dp, struct flow_cold *cold, uint32_t label)
{
	const uint32_t before = cold->label;

	if (before == label)
		return;
	if (label)
		flow_label_opened(flow_label_of(dp->index, label));
	cold->label = label & ((1u << 22) - 1);
	if (before)
		flow_label_closed(flow_label_of(dp->index, before), 0, 0);
}

/* Is it this worker that asks for the flow? */
static bool claim(struct flow_head *head)
{
	uint32_t before = __atomic_load_n(&head->policy, __ATOMIC_RELAXED);

	return before != ASKING &&
	       __atomic_compare_exchange_n(&head->policy, &before, ASKING, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* Whatever state its other packets bring it to meanwhile. */
static void deny(struct datapath *dp, uint32_t handle)
{
	const struct flow_head *head = flow_head(dp->flows->table, handle);
	uint8_t state;

	while ((state = flow_state(head)) > FLOW_DEAD)
		if (flow_end(dp, handle, state))
			datapath_count(&flow_worker(dp)->stats.denied, 1);
}

bool flow_again(struct datapath *dp, uint32_t ref, struct packet *p)
{
	struct flow_table *table = dp->flows->table;
	struct flow_head *head = flow_head(table, ref);
	struct flow_cold *cold = flow_cold(table, ref);
	const uint8_t *ip = packet_l3(p);
	const bool claimed = claim(head);
	struct flow_open open = {
		.packet = p,
		.again = true,
		.echo = !claimed,
		.class = FLOW_CLASS_ESTABLISHED,
		.in_iface = cold->iface,
		.label = cold->label,
		.flags = head->flags,
		.state = flow_state(head),
	};

	open.dscp = p->ip_version == 4 ? ip[1] >> 2 : (uint8_t)((bytes_get16(ip) >> 6) & 0x3f);
	flow_keys_out(table, flow_handle(ref), &open.key, &open.out);
	first_packet(head, &open);
	if (ask_again(dp, chain_of(dp, cold->iface), &open) != NF_ACCEPT) {
		deny(dp, flow_handle(ref));
		packet_drop(p, open.reason);
		return false;
	}
	if (!claimed)
		return true;
	relabel(dp, cold, open.label);
	__atomic_store_n(&head->policy, dp->policy, __ATOMIC_RELEASE);
	return true;
}
