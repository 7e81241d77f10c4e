/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of ours, and where ours are not asked what nft's are: for packets of established flows; and
 * the states that a rule of ours without `state` is not about.
 */
#include "import_nft_walk.h"

#include <string.h>

/* The log names the rule, so the prefix of nft's log lines is a good name for one that logs. */
static const char *rule_name(struct import_visit *visit, const struct import_rule *rule, bool log)
{
	const char *given = rule->comment ? rule->comment : log ? rule->prefix : NULL;
	char name[64], handle[24];
	int len;

	if (given && strpbrk(given, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
		snprintf(name, sizeof(name), "%.31s", given);
	} else {
		len = snprintf(handle, sizeof(handle), "-%lld", (long long)rule->place.handle);
		snprintf(name, sizeof(name), "%.*s%s", 31 - len, rule->place.chain, handle);
	}
	return import_name(visit->import, visit->inst->names, name);
}

enum { STATE_NEW = 1, STATE_ESTABLISHED = 2, STATE_UNTRACKED = 16, STATES_ALL = 31 };

static unsigned state_bits(const struct term *term)
{
	unsigned bits = 0;

	for (unsigned state = 0; import_states[state]; state++)
		if (ranges_have(term->field[FIELD_STATE], state))
			bits |= 1u << state;
	return bits;
}

/* Nothing but the state is asked, and the family that the chain is about anyway. */
static bool only_states(const struct instance *inst, const struct item *item)
{
	const struct range states = { 0, import_field_max(FIELD_STATE) }, families = { 0, 1 };
	struct term term = item->term;

	term.field[FIELD_STATE] = (struct ranges){ 1, &states };
	if (strcmp(inst->chain->family, "inet"))
		term.field[FIELD_FAMILY] = (struct ranges){ 1, &families };
	return term_is_any(&term) && !import_limited(&item->limiter);
}

/* A rule of ours that names no state is about new and untracked packets. What nft's rules that ask
 * for none are about is more, unless rules above have decided about the others. */
static void set_states(struct instance *inst, struct item *item)
{
	const unsigned asked = state_bits(&item->term);
	const unsigned left = asked & inst->undecided & ~(unsigned)STATE_ESTABLISHED;

	if (left != (inst->undecided & (STATE_NEW | STATE_UNTRACKED)))
		item->states = left && asked == STATES_ALL ? left : asked;
	if (item->action != ACTION_COUNT && only_states(inst, item))
		inst->undecided &= ~asked;
}

/* How packets of flows that are known fare, about which ours are not asked again. */
static void watch_replies(struct import_visit *visit, const struct import_rule *rule,
			  const struct item *item)
{
	const unsigned asked = state_bits(&item->term);
	struct instance *inst = visit->inst;

	inst->asks_state = inst->asks_state || asked != STATES_ALL || item->limiter.flows;
	if (!(asked & STATE_ESTABLISHED))
		return;
	if (item->action == ACTION_ACCEPT && asked != STATES_ALL)
		inst->lets_replies_in = true;
	if (inst->lets_replies_in)
		return;
	if ((item->action == ACTION_DROP || item->action == ACTION_REJECT) && !inst->denies.n++)
		inst->denies.first = rule->place;
	if (item->limiter.rate && !inst->limits.n++)
		inst->limits.first = rule->place;
}

/* Ours count flows in the rule that accepts them; nft refuses them in a rule before that one. So a
 * rule that accepts also what such a limit was about is two: the first has the limit. True: there
 * is nothing left for the second. */
static bool limit_flows(struct import_visit *visit, const struct import_rule *rule,
			const struct term *accepts)
{
	struct instance *inst = visit->inst;

	if (!(state_bits(accepts) & STATE_NEW))
		return false;
	for (size_t i = 0; i < inst->n_flow_limits; i++) {
		struct flow_limit *limit = &inst->flow_limits[i];
		struct terms all = { 1, 1, (struct term *)accepts }, some = { 1, 1, &limit->term };
		struct terms both = { 0 };
		struct import_rule limited_rule = *rule;

		if (terms_and(visit->import, &all, &some, &both) || !both.n)
			continue;
		limit->carried++;
		limited_rule.limiter = limit->limiter;
		limited_rule.limiter.over = false;
		limited_rule.carries_limit = true;
		import_emit(visit, &limited_rule, &both, ACTION_ACCEPT, rule->log);
		if (term_same_but_state(&both.t[0], accepts))
			return true;
	}
	return false;
}

/* Until the rule is met that accepts; whatever the state: a limit is to new flows. */
static void keep_flow_limit(struct import_visit *visit, const struct import_rule *rule,
			    const struct limiter *limiter, const struct term *term)
{
	struct instance *inst = visit->inst;
	struct flow_limit limit = { *term, *limiter, rule->place, rule->verdict.action, false };
	const size_t room = inst->flow_limits_room ? 2 * inst->flow_limits_room : 4;

	if (inst->n_flow_limits == inst->flow_limits_room) {
		struct flow_limit *more = arena_alloc(&visit->import->arena, room * sizeof(*more));

		if (inst->n_flow_limits)
			memcpy(more, inst->flow_limits, inst->n_flow_limits * sizeof(*more));
		inst->flow_limits = more;
		inst->flow_limits_room = room;
	}
	limit.term.field[FIELD_STATE] =
		ranges_one(&visit->import->arena, 0, import_field_max(FIELD_STATE));
	inst->flow_limits[inst->n_flow_limits++] = limit;
	inst->asks_state = inst->decides = true;
}

/* Ours limit flows where they accept them. */
static bool flows_fit(struct import_visit *visit, const struct import_rule *rule,
		      const struct limiter *limiter, enum action action)
{
	if (limiter->over ? action != ACTION_DROP && action != ACTION_REJECT :
			    action != ACTION_ACCEPT) {
		import_tell(visit->import, visit->inst, IMPORT_LOST, &rule->place,
			    "a number of flows that does not limit those that are accepted");
		return false;
	}
	if (!limiter->over && !rule->carries_limit)
		import_tell(visit->import, visit->inst, IMPORT_DIFFERS, &rule->place,
			    "flows beyond its limit are left to the rules below; here they are "
			    "dropped");
	return true;
}

/* A chain with a limit that is inlined again. */
static bool shares_limit(struct import_visit *visit, const struct import_rule *rule)
{
	const char *key = arena_print(&visit->import->arena, "emitted\n%s\n%s\n%s\n%lld",
				      rule->place.family, rule->place.table, rule->place.chain,
				      (long long)rule->place.handle);
	const bool before = json_object_get(visit->import->uses, key);

	json_object_set_new(visit->import->uses, key, json_true());
	return before;
}

/* ICMP is IPv4's and ICMPv6 is IPv6's. */
static bool no_packet_has(const struct term *term)
{
	const struct ranges proto = term->field[FIELD_PROTO], family = term->field[FIELD_FAMILY];

	if (proto.n != 1 || proto.r[0].lo != proto.r[0].hi || family.r[0].lo != family.r[0].hi)
		return false;
	return proto.r[0].lo == (family.r[0].lo ? 1 : 58);
}

void import_emit(struct import_visit *visit, const struct import_rule *rule,
		 const struct terms *terms, enum action action, bool log)
{
	struct import *import = visit->import;
	struct instance *inst = visit->inst;
	const struct limiter *limiter = import_limited(&rule->limiter) ? &rule->limiter :
									 &visit->limiter;

	struct terms cubes = terms_cubes(import, terms);

	if (import_limited(limiter) && cubes.n > 1)
		import_tell(
			import, inst, IMPORT_DIFFERS, &rule->place,
			"its limit counts for each of the %zu rules that it takes here by itself",
			cubes.n);
	if (limiter->rate && cubes.n && shares_limit(visit, rule))
		import_tell(import, inst, IMPORT_DIFFERS, &rule->place,
			    "several jumps lead to its limit; here each has a limit of its own");
	for (size_t i = 0; i < cubes.n; i++) {
		struct item *item;

		if (no_packet_has(&cubes.t[i]))
			continue;
		if (inst->before_routing)
			cubes.t[i].field[FIELD_OUT] =
				ranges_one(&import->arena, 0, import_field_max(FIELD_OUT));
		if (state_bits(&cubes.t[i]) == STATE_ESTABLISHED && action != ACTION_ACCEPT) {
			if (inst->undecided & STATE_ESTABLISHED)
				import_tell(
					import, inst,
					action == ACTION_COUNT ? IMPORT_NOTE : IMPORT_DIFFERS,
					&rule->place,
					"it is about packets of established connections, which ask no rule "
					"here");
			continue;
		}
		if (limiter->flows && !flows_fit(visit, rule, limiter, action))
			return;
		if (limiter->flows && limiter->over) {
			keep_flow_limit(visit, rule, limiter, &cubes.t[i]);
			continue;
		}
		if (action == ACTION_ACCEPT && !import_limited(limiter) &&
		    limit_flows(visit, rule, &cubes.t[i]))
			continue;
		item = import_item(import, &inst->items, &inst->n, &inst->room);

		*item = (struct item){
			.name = rule_name(visit, rule, log),
			.term = cubes.t[i],
			.action = action,
			.reject_with = action == ACTION_REJECT ? rule->verdict.reject_with : NULL,
			.log = log,
			.limiter = *limiter,
		};
		watch_replies(visit, rule, item);
		set_states(inst, item);
		inst->n_rules++;
		import->rules++;
		inst->decides = inst->decides || action != ACTION_ACCEPT;
	}
}

/* What becomes of packets that a rule would have decided about. */
static const char *consequence(const struct import_rule *rule)
{
	switch (rule->verdict.kind) {
	case VERDICT_FINAL:
		return rule->verdict.action == ACTION_ACCEPT ?
			       "; what it accepted is left to the rules below" :
			       "; WHAT IT DENIED IS LEFT TO THE RULES BELOW";
	case VERDICT_JUMP:
	case VERDICT_GOTO: return "; the chain that it led to is not asked from here";
	case VERDICT_RETURN: return "; what it returned goes on through this chain";
	case VERDICT_NONE: break;
	}
	return rule->vmap ? "; none of its verdicts are given" : "";
}

void import_lose(struct import_visit *visit, const struct import_rule *rule, const char *why)
{
	import_tell(visit->import, visit->inst, IMPORT_LOST, &rule->place, "%s%s", why,
		    consequence(rule));
	if (rule->verdict.kind != VERDICT_FINAL)
		visit->returned = true;
}

/* --- after the last rule --- */

/* What no rule has decided meets the policy; ours let related packets in and drop invalid ones
 * unless a rule names them. */
static void end_states(struct import *import, struct instance *inst, const struct term *live)
{
	const bool drops = !strcmp(inst->chain->policy, "drop");
	const unsigned state = drops ? 2 : 3;
	struct item *item;

	if (!inst->asks_state || !(inst->undecided & 1u << state))
		return;
	item = import_item(import, &inst->items, &inst->n, &inst->room);
	*item = (struct item){
		.name = import_name(import, inst->names,
				    drops ? "policy-related" : "policy-invalid"),
		.term = *live,
		.action = drops ? ACTION_DROP : ACTION_ACCEPT,
		.states = 1u << state,
	};
}

static void end_limits(struct import *import, struct instance *inst)
{
	for (size_t i = 0; i < inst->n_flow_limits; i++) {
		const struct flow_limit *limit = &inst->flow_limits[i];

		if (!limit->carried)
			import_tell(import, inst, IMPORT_LOST, &limit->place,
				    "a limit to the number of flows: no rule below it accepts any "
				    "of them");
		else if (limit->carried > 1)
			import_tell(import, inst, IMPORT_DIFFERS, &limit->place,
				    "flows are counted for each of the %u rules below that accept "
				    "them by itself",
				    limit->carried);
		if (limit->carried && limit->action == ACTION_REJECT)
			import_tell(import, inst, IMPORT_DIFFERS, &limit->place,
				    "flows that are too many are rejected by it; here they are "
				    "dropped");
	}
}

static const char *and_more(struct import *import, const struct early *early)
{
	return early->n > 1 ? arena_print(&import->arena, " (and %zu more)", early->n - 1) : "";
}

static void end_replies(struct import *import, struct instance *inst)
{
	if (!inst->asks_state)
		return;
	if (inst->limits.n)
		import_tell(import, inst, IMPORT_DIFFERS, &inst->limits.first,
			    "it%s limits the rate of established connections' packets, too; here "
			    "only that of flows' first packets",
			    and_more(import, &inst->limits));
	if (inst->denies.n)
		import_tell(import, inst, IMPORT_DIFFERS, &inst->denies.first,
			    "it%s denies before established connections are accepted; here it is "
			    "asked for a flow's first packet only, so replies pass",
			    and_more(import, &inst->denies));
	else if (!inst->lets_replies_in && !strcmp(inst->chain->policy, "drop"))
		import_tell(import, inst, IMPORT_DIFFERS, NULL,
			    "chain %s has no rule for established connections; here replies pass",
			    import_clean(import, inst->chain->name));
}

void import_emit_end(struct import *import, struct instance *inst, const struct term *live)
{
	end_states(import, inst, live);
	end_limits(import, inst);
	end_replies(import, inst);
}
