/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rule meets a packet, and what becomes of it.
 *
 * The classifier gives the first entry that fits; where its rule has more to ask (match, state,
 * rate) and that is not met, or the rule only counts, the search goes on behind it. Packets of a
 * burst search together, and those that are done fall out.
 */
#include "firewall.h"
#include "flow_label.h"
#include "log_packet.h"

struct search {
	const struct firewall *fw;
	struct datapath *dp;
	struct firewall_packet *packets;
	struct firewall_decision *decisions;
};

static bool rate_met(const struct search *s, const struct firewall_rule *rule,
		     struct firewall_packet *p)
{
	const struct firewall_limits *limit = rule->limit;
	bool within = true;

	if (p->again) /* the flow was let in when there was room */
		within = true;
	else if (limit->by_source)
		within = firewall_source_rate_take(s->fw->rate_by_source, rule->label, p->source,
						   limit, s->dp->now_ns);
	else
		within = firewall_rate_take(&limit->live->rate_ns, limit->rate_cost_ns,
					    limit->rate_depth_ns, s->dp->now_ns);
	p->rate |= !within && !limit->over;
	return within != limit->over;
}

/* The flow's first packet had the flags and the code point that the rule asks for; those of the packet
 * at hand, a reply perhaps, say nothing of that. */
static inline bool has_let_in(const struct firewall_rule *rule, const struct firewall_packet *p)
{
	return p->label && p->label == rule->label && !rule->other_header;
}

static inline bool rule_meets(const struct search *s, const struct firewall_rule *rule,
			      struct firewall_packet *p)
{
	if (!(rule->classes & FIREWALL_CLASS(p->class)))
		return false;
	if (rule->match && !firewall_match(s->fw, rule->match, p, has_let_in(rule, p)))
		return false;
	return !rule->limit || !rule->limit->rate_cost_ns || rate_met(s, rule, p);
}

/* Packets that make no flow are counted here, those of flows by the engine. */
static void count(const struct search *s, const struct firewall_rule *rule,
		  const struct firewall_packet *p, bool opens)
{
	struct flow_label_counters *c = flow_label_of(s->dp->index, rule->label);

	if (!opens) {
		flow_label_add(&c->packets, 1);
		flow_label_add(&c->bytes, p->packet->ip_len);
	}
	flow_label_hit(c, s->dp->now_ns);
}

/* The rule is the packet's: accept, or why not. */
static void settle(const struct search *s, const struct firewall_rule *rule,
		   struct firewall_packet *p, struct firewall_decision *d)
{
	const bool opens = p->class == FLOW_CLASS_NEW && !p->again;

	d->rule = rule;
	d->accept = rule->action == FIREWALL_ACCEPT;
	d->reason = p->rate && rule->fallback	    ? FIREWALL_BY_RATE :
		    rule->action == FIREWALL_REJECT ? FIREWALL_BY_RULE_REJECT :
		    rule->fallback		    ? FIREWALL_BY_DEFAULT :
						      FIREWALL_BY_RULE_DROP;
	if (d->accept && opens && rule->limit)
		d->accept = firewall_flow_count(s->fw, rule, p->flow_key, false, &d->reason);
	if (p->again && d->accept)
		return;
	count(s, rule, p, d->accept && opens);
	if (rule->limit && rule->limit->log_cost_ns)
		firewall_log_packet(s->dp, rule, p, d);
}

/* No rule has met it. */
static void settle_none(const struct search *s, struct firewall_packet *p,
			struct firewall_decision *d)
{
	if (p->class == FLOW_CLASS_RELATED || p->class == FLOW_CLASS_INVALID)
		*d = (struct firewall_decision){ .accept = p->class == FLOW_CLASS_RELATED,
						 .reason = FIREWALL_BY_INVALID };
	else
		settle(s, firewall_default(s->fw), p, d);
}

/* Is the search over with this match? */
static bool step(const struct search *s, unsigned i, const struct classifier_match *match)
{
	struct firewall_packet *p = &s->packets[i];
	const struct firewall_rule *rule;

	if (match->rule == CLASSIFIER_NONE) {
		settle_none(s, p, &s->decisions[i]);
		return true;
	}
	rule = &s->fw->rules[match->rule];
	if (!rule_meets(s, rule, p))
		return false;
	if (rule->action != FIREWALL_COUNT) {
		settle(s, rule, p, &s->decisions[i]);
		return true;
	}
	if (!p->again) {
		count(s, rule, p, false);
		if (rule->limit && rule->limit->log_cost_ns)
			firewall_log_packet(s->dp, rule, p, NULL);
	}
	return false;
}

void firewall_decide(const struct firewall *fw, struct datapath *dp,
		     struct firewall_packet *packets, struct firewall_decision *decisions,
		     unsigned n)
{
	const struct search s = { fw, dp, packets, decisions };
	const bool odd = packets->class == FLOW_CLASS_RELATED ||
			 packets->class == FLOW_CLASS_INVALID;
	const struct classifier *c = (odd ? &fw->odd : &fw->usual)->family[packets->family];
	struct classifier_match match[CLASSIFIER_BURST_MAX];
	struct classifier_key key[CLASSIFIER_BURST_MAX];
	uint32_t from[CLASSIFIER_BURST_MAX];
	uint8_t left[CLASSIFIER_BURST_MAX];
	bool first = true;

	for (unsigned i = 0; i < n; i++)
		left[i] = (uint8_t)i;
	while (n) {
		unsigned going = 0;

		for (unsigned i = 0; i < n; i++)
			key[i] = packets[left[i]].key;
		classifier_lookup(c, key, first ? NULL : from, match, n);
		for (unsigned i = 0; i < n; i++) {
			const uint8_t which = left[i];

			left[going] = which;
			from[going] = match[i].priority + 1;
			going += !step(&s, which, &match[i]);
		}
		n = going;
		first = false;
	}
}
