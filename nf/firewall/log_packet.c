/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for the log. A worker writes down what there is to say, names of interfaces included, since
 * neither it nor the rule need be there any more when the line is printed. See log_packet.h.
 */
#include "log_packet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "firewall.h"
#include "flow_label.h"

enum what { WHAT_ACCEPT, WHAT_DROP, WHAT_REJECT, WHAT_COUNT };

struct record {
	uint32_t label, left_out;
	uint16_t sport, dport, len;
	uint8_t family, protocol, tcp_flags, icmp_type, icmp_code;
	uint8_t what;	/* enum what */
	uint8_t reason; /* enum firewall_reason + 1, 0 none */
	bool ends;	/* a flow */
	char in[32], out[32];
	uint8_t from[16], to[16];
};
_Static_assert(sizeof(struct record) <= sizeof(((struct datapath_event *)0)->data),
	       "a record fits an event");

/* --- control --- */

static const char *protocol_text(const struct record *r, char text[16])
{
	switch (r->protocol) {
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_SCTP: return "sctp";
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_ICMPV6: return "icmpv6";
	default: snprintf(text, 16, "protocol %u", r->protocol); return text;
	}
}

static void flags_text(uint8_t flags, char text[40])
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};
	size_t n = 0;

	*text = '\0';
	for (unsigned i = 0; i < 8; i++)
		if (flags >> i & 1)
			n += (size_t)snprintf(text + n, 40 - n, "%s%s", n ? "," : "", names[i]);
}

static void end_text(const struct record *r, const uint8_t *addr, uint16_t port, char text[64])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(r->family == 4 ? AF_INET : AF_INET6, addr, address, sizeof(address));
	if (!r->sport && !r->dport)
		snprintf(text, 64, "%s", address);
	else
		snprintf(text, 64, r->family == 4 ? "%s:%u" : "[%s]:%u", address, port);
}

static void header_text(const struct record *r, char text[64])
{
	char flags[40];

	*text = '\0';
	if (r->protocol == IPPROTO_TCP) {
		flags_text(r->tcp_flags, flags);
		snprintf(text, 64, " flags=%s", *flags ? flags : "none");
	} else if (r->protocol == IPPROTO_ICMP || r->protocol == IPPROTO_ICMPV6) {
		snprintf(text, 64, " type=%u/%u", r->icmp_type, r->icmp_code);
	}
}

static void print(const struct datapath_event *event)
{
	static const char *const whats[] = { "accept", "drop", "reject", "count" };
	char protocol[16], from[64], to[64], header[64], reason[64] = "", left_out[48] = "";
	struct record r;

	memcpy(&r, event->data, sizeof(r));
	end_text(&r, r.from, r.sport, from);
	end_text(&r, r.to, r.dport, to);
	header_text(&r, header);
	if (r.reason)
		snprintf(reason, sizeof(reason), " (%s)", firewall_reason_names[r.reason - 1]);
	if (r.left_out)
		snprintf(left_out, sizeof(left_out), " (%u before it not logged)", r.left_out);
	log_info("%s: %s%s%s in=%s out=%s %s %s > %s%s len=%u%s", flow_label_name(r.label),
		 whats[r.what], reason, r.ends ? ", ends a flow" : "", r.in, *r.out ? r.out : "-",
		 protocol_text(&r, protocol), from, to, header, r.len, left_out);
}

/* --- worker --- */

static void iface_name(const struct datapath *dp, uint16_t slot, char name[32])
{
	const struct interface *iface = fib_interface(dp->fib, slot);

	if (iface)
		memcpy(name, iface->name, 32);
}

static void addresses_fill(struct record *r, const struct firewall_packet *p)
{
	const uint32_t from = htonl(p->key.src.v4), to = htonl(p->key.dst.v4);

	if (p->family) {
		memcpy(r->from, &p->key.src.v6, 16);
		memcpy(r->to, &p->key.dst.v6, 16);
	} else {
		memcpy(r->from, &from, 4);
		memcpy(r->to, &to, 4);
	}
}

/* Since the last line; workers that log at the same time may tell it twice or not at all. */
static uint32_t left_out_since(struct firewall_live *live)
{
	const uint64_t n = firewall_left_out(live);

	return (uint32_t)(n - __atomic_exchange_n(&live->left_out_told, n, __ATOMIC_RELAXED));
}

static void record_fill(struct record *r, const struct datapath *dp,
			const struct firewall_rule *rule, const struct firewall_packet *p,
			const struct firewall_decision *d)
{
	*r = (struct record){
		.label = rule->label,
		.left_out = left_out_since(rule->limit->live),
		.sport = p->key.sport,
		.dport = p->key.dport,
		.len = p->packet->ip_len,
		.family = p->family ? 6 : 4,
		.protocol = p->key.proto,
		.tcp_flags = p->tcp_flags,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
		.what = !d				? WHAT_COUNT :
			d->accept			? WHAT_ACCEPT :
			rule->action == FIREWALL_REJECT ? WHAT_REJECT :
							  WHAT_DROP,
		.reason = d && !d->accept && d->reason >= FIREWALL_BY_RATE ?
				  (uint8_t)(d->reason + 1) :
				  0,
		.ends = p->flow,
	};
	addresses_fill(r, p);
	iface_name(dp, p->in_iface, r->in);
	iface_name(dp, p->out_iface, r->out);
}

void firewall_log_packet(struct datapath *dp, const struct firewall_rule *rule,
			 const struct firewall_packet *packet,
			 const struct firewall_decision *decision)
{
	struct firewall_live *live = rule->limit->live;
	uint64_t *left_out = &live->left_out[dp->index % FIREWALL_LEFT_OUT].n;
	struct datapath_event event = { .print = print };
	struct record record;

	if (!firewall_rate_take(&live->log_ns, rule->limit->log_cost_ns, rule->limit->log_depth_ns,
				dp->now_ns)) {
		__atomic_fetch_add(left_out, 1, __ATOMIC_RELAXED);
		return;
	}
	record_fill(&record, dp, rule, packet, decision);
	memcpy(event.data, &record, sizeof(record));
	if (datapath_event(dp, &event))
		__atomic_fetch_add(&live->logged, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(left_out, 1, __ATOMIC_RELAXED);
}
