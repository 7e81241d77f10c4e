/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stateful function is asked, once per flow, and what it answers: nf_ops.open() and close().
 *
 * The flow stage asks each stateful function of the chain in order, for the first packet of a flow,
 * and again (`again`) for an established flow when the policy has changed since. A function looks at
 *
 *   key    the five-tuple as the packet came in
 *   out    the five-tuple as it will leave, after what the functions before have made of it:
 *          a function that translates (NAT, load balancer) changes it; the flow's reply key is
 *          `out` turned round, and both directions are rewritten from then on
 *
 * and says NF_ACCEPT (ask the next), NF_DROP with a reason, or NF_STOLEN where it has dealt with the
 * packet itself. What it must give back when the flow ends (a port, a count) it gives back in
 * close(): it is called exactly once for each flow for which open() said NF_ACCEPT and that then
 * came into being or was refused later in the chain (`close->opened` is false then).
 *
 * With `again`, `out` is what the flow does already; a function that holds state for the flow
 * answers whether the flow may go on as it is. NF_DROP ends it. No close() follows on an accepted
 * `again`, and open's side effects (counts, ports) must not happen twice. What is moved with an `again`
 * (a count, from one rule to another) is not moved with `echo`.
 */
#ifndef VISOR_FLOW_OPEN_H
#define VISOR_FLOW_OPEN_H

#include "datapath.h"
#include "flow.h"

enum nf_verdict { NF_ACCEPT = 0, NF_DROP, NF_STOLEN };

/* What connection tracking says of the packet. */
enum flow_class {
	FLOW_CLASS_NEW,		/* the first of a conversation */
	FLOW_CLASS_ESTABLISHED, /* with `again` only: of a flow that exists */
	FLOW_CLASS_RELATED,	/* an ICMP error about a flow: no flow comes of it */
	FLOW_CLASS_INVALID,	/* fits no flow and can open none: no flow comes of it */
	FLOW_CLASS_UNTRACKED,	/* protocols and addresses that are not tracked (multicast …) */
};

struct flow_open {
	struct packet *packet; /* the packet at hand; with `again` maybe one of the reply direction */
	struct flow_key key, out;
	uint16_t in_iface; /* slot of the ingress interface of the original direction */
	uint8_t class;	   /* enum flow_class */
	uint8_t tcp_flags; /* of the first packet; with `again` what they were for sure: SYN */
	uint8_t icmp_type, icmp_code;
	uint8_t dscp; /* 0..63, of the packet at hand */
	bool again;
	bool has_ports; /* sport and dport of `key` are the wire's */
	bool echo;	/* with `again`: another worker asks the same just now, and counts */
	/* answers */
	uint32_t label;	 /* flow_label.h; the last function that sets it names the flow */
	uint16_t reason; /* with NF_DROP: index of the drop counter */
	uint8_t flags;	 /* FLOW_ENCAPSULATED, FLOW_ONE_WAY, FLOW_SEQ_OFFSET: need a wide flow */
	uint8_t state; /* enum flow_state to begin in; set from the packet before the first open */
	uint32_t seq_offset, action;
	/* the engine's */
	bool routed;
	const struct nexthop *hop;
	struct flow_key routed_out;
};

struct flow_close {
	struct flow_key key, out; /* as above */
	uint32_t label;
	bool opened; /* false: it never came into being */
	uint16_t in_iface;
	struct flow_counters counters;
};

/* Where packets of the flow will leave, by `out` as it is now: the next hop, groups and neighbours
 * resolved (FORWARD where it can go; see fib.h for the other kinds); never NULL. worker. */
const struct nexthop *flow_open_route(struct datapath *dp, struct flow_open *open);

/* The slot of the interface that they leave by, IFACE_NONE where they cannot leave. worker. */
uint16_t flow_open_out(struct datapath *dp, struct flow_open *open);

#endif
