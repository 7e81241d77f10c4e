/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows that count for rules: taken when a rule lets one in, given back when it ends, exactly once,
 * whatever reloads come in between. What was taken is noted by the flow's key (limit.h).
 */
#include <stdlib.h>

#include "firewall.h"
#include "firewall_packet.h"
#include "flow_label.h"

static bool counts(const struct firewall_rule *rule)
{
	return rule->limit && (rule->limit->max_flows || rule->limit->max_flows_per_source);
}

/* Flows of the label count as well: those from before the rule had a limit. */
static bool rule_take(const struct firewall_rule *rule, bool again)
{
	const struct firewall_limits *limit = rule->limit;
	uint64_t n = __atomic_fetch_add(&limit->live->flows, 1, __ATOMIC_RELAXED);

	if (again || !limit->max_flows ||
	    (n < limit->max_flows && flow_label_alive(rule->label) < limit->max_flows))
		return true;
	__atomic_fetch_sub(&limit->live->flows, 1, __ATOMIC_RELAXED);
	return false;
}

/* A rule that lost all limits and has some again does not know of the flows from before. */
static void rule_give_back(const struct firewall_rule *rule)
{
	uint64_t *flows = &rule->limit->live->flows;
	uint64_t n = __atomic_load_n(flows, __ATOMIC_RELAXED);

	while (n && !__atomic_compare_exchange_n(flows, &n, n - 1, false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
		;
}

static bool source_take(const struct firewall *fw, const struct firewall_rule *rule,
			uint64_t source, bool again, uint16_t *reason)
{
	const uint32_t most = rule->limit->max_flows_per_source;
	enum firewall_taken taken;

	if (!most)
		return true;
	taken = firewall_source_flow_take(fw->flows_by_source, rule->label, source,
					  again ? UINT32_MAX : most);
	*reason = taken == FIREWALL_TABLE_FULL ? FIREWALL_BY_SOURCE_TABLE :
						 FIREWALL_BY_SOURCE_FLOWS;
	return taken == FIREWALL_TAKEN;
}

static bool take(const struct firewall *fw, const struct firewall_rule *rule,
		 const struct flow_key *key, bool again, uint16_t *reason)
{
	const uint64_t source = firewall_source(key);

	*reason = FIREWALL_BY_FLOWS;
	if (!rule_take(rule, again))
		return false;
	if (!source_take(fw, rule, source, again, reason)) {
		rule_give_back(rule);
		return false;
	}
	if (firewall_flow_note(fw->notes, key, rule->label))
		return true;
	*reason = FIREWALL_BY_SOURCE_TABLE;
	if (fw->flows_by_source)
		firewall_source_flow_give_back(fw->flows_by_source, rule->label, source);
	rule_give_back(rule);
	return false;
}

bool firewall_flow_count(const struct firewall *fw, const struct firewall_rule *rule,
			 const struct flow_key *key, bool again, uint16_t *reason)
{
	if (!counts(rule) || take(fw, rule, key, again, reason))
		return true;
	__atomic_fetch_add(&rule->limit->live->flows_refused, 1, __ATOMIC_RELAXED);
	return false;
}

static int by_label(const void *label, const void *element)
{
	const struct firewall_rule *const *rule = element;
	const uint32_t wanted = *(const uint32_t *)label;

	return (wanted > (*rule)->label) - (wanted < (*rule)->label);
}

/* A rule that has gone has nothing to be given back. */
void firewall_flow_uncount(const struct firewall *fw, const struct flow_key *key)
{
	const uint32_t label = fw->notes ? firewall_flow_forget(fw->notes, key) : 0;
	const struct firewall_rule *const *rule;

	if (!label)
		return;
	if (fw->flows_by_source)
		firewall_source_flow_give_back(fw->flows_by_source, label, firewall_source(key));
	rule = bsearch(&label, fw->counting, fw->n_counting, sizeof(*fw->counting), by_label);
	if (rule)
		rule_give_back(*rule);
}
