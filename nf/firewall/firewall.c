/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firewall: what may pass. Stateful, its rules are asked for the first packet of a flow (open)
 * and again when they have changed; stateless, for each packet (process).
 *
 * Closed by default: what nothing allows is dropped, and so is everything that the firewall cannot
 * make sense of.
 */
#include "firewall.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "firewall_packet.h"
#include "flow_policy.h"
#include "syn_proxy.h"

extern const struct nf_ops firewall_ops;

const char *const firewall_reason_names[] = {
	[FIREWALL_BY_RULE_DROP] = "rule",
	[FIREWALL_BY_RULE_REJECT] = "rejected",
	[FIREWALL_BY_DEFAULT] = "default",
	[FIREWALL_BY_SPOOF] = "antispoof",
	[FIREWALL_BY_INVALID] = "invalid",
	[FIREWALL_BY_RATE] = "rate",
	[FIREWALL_BY_FLOWS] = "max_flows",
	[FIREWALL_BY_SOURCE_FLOWS] = "max_flows_per_source",
	[FIREWALL_BY_SOURCE_TABLE] = "source_table_full",
	NULL,
};

/* --- worker --- */

/* Tell the sender where the rule says so. */
static void tell(struct datapath *dp, const struct packet *p, const struct firewall_decision *d)
{
	if (d->rule && d->rule->action == FIREWALL_REJECT)
		firewall_reject(dp, p, d->rule->reject_with);
}

static enum nf_verdict deny(struct nf *nf, struct flow_open *open, enum firewall_reason reason)
{
	open->reason = (uint16_t)(nf->drop_base + reason);
	return NF_DROP;
}

/* The rules that let it in are others than before: it counts for those from now on. */
static void relabel(const struct firewall *fw, struct flow_open *open,
		    const struct firewall_rule *rule)
{
	uint16_t reason;

	if (rule->label == open->label)
		return;
	firewall_flow_uncount(fw, &open->key);
	firewall_flow_count(fw, rule, &open->key, true, &reason);
	open->label = rule->label;
}

static enum nf_verdict firewall_open(struct nf *nf, struct datapath *dp, struct flow_open *open)
{
	const struct firewall *fw = nf->state;
	struct firewall_decision decision;
	struct firewall_packet p;
	bool challenge;

	if (open->again && fw->keys->on_change == FIREWALL_KEEP)
		return NF_ACCEPT;
	firewall_syn_answer(fw, dp, open);
	challenge = firewall_syn_wanted(fw, dp, open);
	firewall_packet_of_flow(fw, dp, open, &p);
	p.again |= challenge; /* nothing is used up: there will be no flow */
	if (fw->asks_spoof && firewall_spoofed(fw, dp, &p))
		return deny(nf, open, FIREWALL_BY_SPOOF);
	firewall_decide(fw, dp, &p, &decision, 1);
	if (!decision.accept) {
		tell(dp, open->packet, &decision);
		return deny(nf, open, decision.reason);
	}
	if (firewall_syn_accepted(fw, dp, open, challenge) == NF_STOLEN)
		return NF_STOLEN;
	if (open->again && !open->echo)
		relabel(fw, open, decision.rule);
	else if (!open->again && decision.rule)
		open->label = decision.rule->label;
	return NF_ACCEPT;
}

static void firewall_close(struct nf *nf, struct datapath *dp, const struct flow_close *close)
{
	const struct firewall *fw = nf->state;

	(void)dp;
	firewall_flow_uncount(fw, &close->key);
}

/* Packets of one family. */
static void process_family(struct nf *nf, struct datapath *dp, struct packet *const *packets,
			   unsigned n)
{
	const struct firewall *fw = nf->state;
	struct firewall_decision decisions[BURST_MAX];
	struct firewall_packet asked[BURST_MAX];
	unsigned going = 0;

	firewall_packets_of(fw, dp, packets, asked, n);
	for (unsigned i = 0; i < n && fw->asks_spoof; i++) {
		if (firewall_spoofed(fw, dp, &asked[i]))
			packet_drop(packets[i], (uint16_t)(nf->drop_base + FIREWALL_BY_SPOOF));
		else if (going++ != i)
			asked[going - 1] = asked[i];
	}
	n = fw->asks_spoof ? going : n;
	if (!n)
		return;
	firewall_decide(fw, dp, asked, decisions, n);
	for (unsigned i = 0; i < n; i++) {
		struct packet *p = (struct packet *)asked[i].packet;

		if (decisions[i].accept)
			continue;
		tell(dp, p, &decisions[i]);
		packet_drop(p, (uint16_t)(nf->drop_base + decisions[i].reason));
	}
}

static void firewall_process(struct nf *nf, struct datapath *dp, struct burst *burst)
{
	struct packet *by_family[2][BURST_MAX];
	unsigned n[2] = { 0, 0 };

	for (unsigned i = 0; i < burst->count; i++) {
		struct packet *p = burst->packet[i];
		const unsigned family = p->ip_version == 6;
		const uint16_t reason = firewall_unreadable(nf, p);

		if (unlikely(reason))
			packet_drop(p, reason);
		else
			by_family[family][n[family]++] = p;
	}
	for (unsigned f = 0; f < 2; f++)
		if (n[f])
			process_family(nf, dp, by_family[f], n[f]);
}

/* --- control --- */

static void firewall_check(const void *conf, const struct config *config,
			   struct conf_errors *errors)
{
	const struct firewall_keys *keys = conf;
	struct firewall fw = { 0 };

	for (unsigned i = 0; i < keys->sets.n; i++)
		if (!conf_errors_marked(errors, firewall_set_at(keys, i)))
			firewall_set_check(firewall_set_at(keys, i), errors);
	if (firewall_compile(&fw, keys, config, errors) == -ENOMEM)
		conf_error(errors, &keys->where, "firewall: out of memory");
	firewall_compile_free(&fw);
}

static void firewall_fini(struct nf *nf)
{
	struct firewall *fw = nf->state;

	if (!fw)
		return;
	firewall_compile_free(fw);
	for (unsigned i = 0; fw->sets && i < fw->keys->sets.n; i++)
		firewall_set_put(fw->sets[i]);
	free(fw->sets);
	firewall_syn_free(fw->syn);
	free(fw);
	nf->state = NULL;
}

static int firewall_init(struct nf *nf)
{
	const struct firewall_keys *keys = nf->conf;
	struct firewall *fw = calloc(1, sizeof(*fw));
	int err = 0;

	if (!fw)
		return -ENOMEM;
	fw->nf = nf;
	fw->keys = keys;
	nf->state = fw;
	nf->stateful = keys->stateful;
	fw->sets = calloc(keys->sets.n + 1, sizeof(*fw->sets));
	if (!fw->sets)
		err = -ENOMEM;
	for (unsigned i = 0; i < keys->sets.n && !err; i++)
		err = firewall_set_get(&fw->sets[i], nf->name, firewall_set_at(keys, i));
	if (!err)
		err = firewall_compile(fw, keys, NULL, NULL);
	if (!err)
		err = firewall_syn_new(&fw->syn, keys);
	if (err)
		firewall_fini(nf);
	return err;
}

/* --- a reload --- */

static int by_label(const void *a, const void *b)
{
	const struct firewall_rule *const *x = a, *const *y = b;

	return ((*x)->label > (*y)->label) - ((*x)->label < (*y)->label);
}

/* Rates go on where they were: what is remembered of a rule is the rule's of the same name. Of its
 * flows' first packets is known what it asked then. */
static int rules_adopt(struct firewall *fw, const struct firewall *old)
{
	const struct firewall_rule **sorted =
		calloc(old->n_rules, sizeof(const struct firewall_rule *));

	if (!sorted)
		return -ENOMEM;
	for (unsigned i = 0; i < old->n_rules; i++)
		sorted[i] = &old->rules[i];
	qsort(sorted, old->n_rules, sizeof(*sorted), by_label);
	for (unsigned i = 0; i < fw->n_rules; i++) {
		struct firewall_rule *rule = &fw->rules[i];
		const struct firewall_rule **found =
			bsearch(&rule, sorted, old->n_rules, sizeof(*sorted), by_label);

		if (!found)
			continue;
		rule->other_header = !firewall_match_same_header(rule->match, (*found)->match);
		if (!rule->limit || !(*found)->limit)
			continue;
		firewall_live_put(rule->limit->live);
		rule->limit->live = (*found)->limit->live;
		rule->limit->live->refs++;
	}
	free(sorted);
	return 0;
}

static int sets_adopt(struct firewall *fw, const struct firewall *old)
{
	int err = 0;

	for (unsigned i = 0; i < fw->keys->sets.n && !err; i++)
		for (unsigned k = 0; k < old->keys->sets.n && !err; k++)
			if (!strcmp(fw->sets[i]->name, old->sets[k]->name))
				err = firewall_set_inherit(fw->sets[i], old->sets[k]);
	return err;
}

/* Also where no rule needs it any more: what is in it is still to be given back. */
static void sources_adopt(struct firewall_sources **sources, struct firewall_sources *old)
{
	if (!old)
		return;
	firewall_sources_put(*sources);
	*sources = firewall_sources_get(old);
}

static int firewall_adopt(struct nf *nf, struct nf *from)
{
	struct firewall *fw = nf->state;
	const struct firewall *old = from->state;
	int err = rules_adopt(fw, old);

	if (!err)
		err = sets_adopt(fw, old);
	sources_adopt(&fw->flows_by_source, old->flows_by_source);
	sources_adopt(&fw->rate_by_source, old->rate_by_source);
	sources_adopt(&fw->notes, old->notes);
	return err;
}

static void firewall_tick(struct nf *nf, uint64_t now_ns)
{
	const struct firewall *fw = nf->state;
	bool changed = false;

	for (unsigned i = 0; i < fw->keys->sets.n; i++)
		changed |= firewall_set_tick(fw->sets[i], now_ns);
	if (changed)
		flow_policy_changed();
	if (fw->rate_by_source)
		firewall_sources_sweep(fw->rate_by_source, now_ns);
}

const struct nf_ops firewall_ops = {
	.abi = NF_ABI,
	.name = "firewall",
	.doc = "lets in what rules allow, stateful or packet by packet",
	.schema = &firewall_schema,
	.drop_reasons = firewall_reason_names,
	.guards = true,
	.check = firewall_check,
	.checks_parts = true,
	.init = firewall_init,
	.fini = firewall_fini,
	.adopt = firewall_adopt,
	.show = firewall_show,
	.commands = firewall_commands,
	.tick = firewall_tick,
	.open = firewall_open,
	.close = firewall_close,
	.process = firewall_process,
};
