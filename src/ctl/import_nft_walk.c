/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A base chain and all that it jumps to as one list of rules. `live` is what can still be on its way
 * in a chain: it is asked for in every rule of the chain; what returns is taken out of it. What a
 * rule accepts or denies needs no such care, since the first rule that matches decides here too.
 */
#include "import_nft_walk.h"

#include <string.h>

#define DEPTH_MAX 32 /* the kernel's is 16 */

/* The condition of the rule together with that of its chain. */
bool import_condition(struct import_visit *visit, const struct import_rule *rule, struct terms *out)
{
	const char *why = terms_and(visit->import, &visit->live, &rule->match, out);

	if (why) {
		import_lose(visit, rule, why);
		return false;
	}
	terms_merge(visit->import, out);
	return true;
}

static bool covers_all(const struct import_rule *rule)
{
	for (size_t i = 0; i < rule->match.n; i++)
		if (term_is_any(&rule->match.t[i]))
			return true;
	return false;
}

/* What the rule has matched is not on its way any more. */
static void take_out(struct import_visit *visit, const struct import_rule *rule, const char *what)
{
	const char *why = terms_minus(visit->import, &visit->live, &rule->match, &visit->live);

	if (why) {
		import_tell(visit->import, visit->inst, IMPORT_LOST, &rule->place,
			    "the rules of chain %s behind this %s: %s",
			    import_clean(visit->import, visit->chain->name), what, why);
		visit->returned = true;
	}
	if (why || !visit->live.n)
		visit->done = true;
}

static bool walk_chain(struct import *import, struct instance *inst, struct import_chain *chain,
		       const struct terms *live, const struct limiter *limiter, unsigned depth);

/* What leaves a base chain without a verdict gets its policy. */
static void meet_policy(struct import_visit *visit, const struct import_rule *rule,
			const struct terms *terms)
{
	const bool drops = !strcmp(visit->chain->policy, "drop");

	import_emit(visit, rule, terms, drops ? ACTION_DROP : ACTION_ACCEPT, false);
	if (covers_all(rule))
		visit->done = true;
}

static void enter(struct import_visit *visit, const struct import_rule *rule,
		  const struct terms *terms)
{
	struct import *import = visit->import;
	struct import_chain *chain = import_find_chain(import, &rule->place, rule->verdict.target);
	const struct limiter *limiter = import_limited(&rule->limiter) ? &rule->limiter :
									 &visit->limiter;
	const size_t before = visit->inst->n_rules;
	bool ends;

	if (!chain || chain->walking || visit->depth >= DEPTH_MAX) {
		import_lose(visit, rule,
			    !chain	   ? "a jump to a chain that is not in the ruleset" :
			    chain->walking ? "a jump back to a chain that leads here" :
					     "jumps that are nested more than 32 deep");
		return;
	}
	ends = walk_chain(import, visit->inst, chain, terms, limiter, visit->depth + 1);
	if (import_limited(limiter) && visit->inst->n_rules > before + 1)
		import_tell(import, visit->inst, IMPORT_DIFFERS, &rule->place,
			    "its limit counts for each of the %zu rules behind this jump by itself",
			    visit->inst->n_rules - before);
	if (ends && covers_all(rule) && !import_limited(limiter)) {
		visit->done = true;
		return;
	}
	if (rule->verdict.kind != VERDICT_GOTO)
		return;
	if (!ends && !visit->depth && !import_limited(limiter)) {
		meet_policy(visit, rule, terms);
		return;
	}
	visit->returned = visit->returned || !ends;
	if (import_limited(limiter))
		import_tell(import, visit->inst, IMPORT_DIFFERS, &rule->place,
			    "what the chain behind this goto does not decide goes on here");
	else if (!ends)
		take_out(visit, rule, "goto");
}

/* `limit … return`: what is over the limit goes on. */
static void return_limited(struct import_visit *visit, const struct import_rule *rule)
{
	if (!covers_all(rule) || import_limited(&visit->limiter)) {
		import_lose(visit, rule, "a return with a limit and a condition");
		return;
	}
	visit->limiter = rule->limiter;
	visit->limiter.over = !rule->limiter.over;
	visit->before_limit = visit->inst->n_rules;
	visit->returned = true;
}

void import_decide(struct import_visit *visit, const struct import_rule *rule)
{
	struct terms terms;

	if (visit->done || !import_condition(visit, rule, &terms) || !terms.n)
		return;
	switch (rule->verdict.kind) {
	case VERDICT_NONE:
		if (rule->log || rule->counter)
			import_emit(visit, rule, &terms, ACTION_COUNT, rule->log);
		return;
	case VERDICT_FINAL:
		import_emit(visit, rule, &terms, rule->verdict.action, rule->log);
		visit->done = covers_all(rule) && !import_limited(&rule->limiter) &&
			      !import_limited(&visit->limiter);
		return;
	default: break;
	}
	if (rule->log)
		import_emit(visit, rule, &terms, ACTION_COUNT, true);
	if (rule->verdict.kind != VERDICT_RETURN) {
		enter(visit, rule, &terms);
	} else if (!visit->depth) {
		meet_policy(visit, rule, &terms);
	} else if (import_limited(&rule->limiter)) {
		return_limited(visit, rule);
	} else {
		visit->returned = true;
		take_out(visit, rule, "return");
	}
}

/* `fib saddr . iif oif missing drop` becomes a property of its zone. */
static void reverse_path(struct import_visit *visit, const struct import_rule *rule)
{
	struct import *import = visit->import;
	struct instance *inst = visit->inst;
	struct ranges *spoof = rule->reverse_path == 's' ? &inst->strict : &inst->loose;
	bool one_family = false;
	struct terms terms;

	if (rule->verdict.kind != VERDICT_FINAL || rule->verdict.action == ACTION_ACCEPT ||
	    import_limited(&rule->limiter)) {
		import_lose(visit, rule, "a reverse path check with another verdict than drop");
		return;
	}
	if (!import_condition(visit, rule, &terms))
		return;
	for (size_t i = 0; i < terms.n; i++) {
		struct term term = terms.t[i];

		one_family = one_family || !ranges_full(term.field[FIELD_FAMILY], 1);
		term.field[FIELD_IN] = ranges_one(&import->arena, 0, import_field_max(FIELD_IN));
		term.field[FIELD_OUT] = inst->before_routing ? term.field[FIELD_IN] :
							       term.field[FIELD_OUT];
		term.field[FIELD_FAMILY] = ranges_one(&import->arena, 0, 1);
		if (!term_is_any(&term)) {
			import_lose(
				visit, rule,
				"a reverse path check with a condition other than the interface");
			return;
		}
	}
	for (size_t i = 0; i < terms.n; i++)
		*spoof = ranges_or(&import->arena, *spoof, terms.t[i].field[FIELD_IN]);
	inst->decides = true;
	if (one_family)
		import_tell(import, inst, IMPORT_DIFFERS, &rule->place,
			    "it checks the reverse path of one family; here it is for both");
}

static void finish_rule(struct import_visit *visit, struct import_rule *rule)
{
	if (rule->lost) {
		import_lose(visit, rule, rule->lost);
		return;
	}
	if (rule->side_effect) {
		const bool verdict = rule->verdict.kind != VERDICT_NONE || rule->vmap;

		import_tell(visit->import, visit->inst, verdict ? IMPORT_DIFFERS : IMPORT_LOST,
			    &rule->place, verdict ? "%s is left out, its verdict is kept" : "%s",
			    rule->side_effect);
	}
	if (rule->reverse_path)
		reverse_path(visit, rule);
	else if (rule->vmap)
		import_decide_by_map(visit, rule);
	else
		import_decide(visit, rule);
}

static void walk_rule(struct import_visit *visit, const json_t *json)
{
	const json_t *comment = json_object_get(json, "comment");
	struct import_rule rule = {
		.place = { visit->chain->family, visit->chain->table, visit->chain->name,
			   json_integer_value(json_object_get(json, "handle")) },
		.comment = json_string_value(comment),
		.match = terms_any(visit->import),
	};

	import_statements(visit, &rule, json);
	finish_rule(visit, &rule);
}

/* Whether every packet that enters has got a verdict. */
static bool walk_chain(struct import *import, struct instance *inst, struct import_chain *chain,
		       const struct terms *live, const struct limiter *limiter, unsigned depth)
{
	struct import_visit visit = {
		.import = import,
		.inst = inst,
		.chain = chain,
		.live = *live,
		.limiter = *limiter,
		.depth = depth,
		.before_limit = SIZE_MAX,
	};
	const struct place place = { chain->family, chain->table, chain->name, 0 };
	const json_t *rule;
	size_t i;

	chain->walking = chain->reached = true;
	json_array_foreach (chain->rules, i, rule) {
		if (visit.done)
			break;
		walk_rule(&visit, rule);
	}
	chain->walking = false;
	if (visit.before_limit != SIZE_MAX && inst->n_rules > visit.before_limit + 1)
		import_tell(import, inst, IMPORT_DIFFERS, &place,
			    "the limit of its return counts for each of the %zu rules behind it by "
			    "itself",
			    inst->n_rules - visit.before_limit);
	return visit.done && !visit.returned;
}

void import_walk(struct import *import, struct instance *inst)
{
	struct import_chain *chain = (struct import_chain *)inst->chain;
	const struct limiter none = { 0 };
	const number nowhere = import_field_max(FIELD_OUT);
	struct terms live = terms_any(import);
	bool empty = false;

	if (!strcmp(chain->family, "ip") || !strcmp(chain->family, "ip6"))
		term_restrict(import, &live.t[0], FIELD_FAMILY,
			      ranges_one(&import->arena, chain->family[2] == '6',
					 chain->family[2] == '6'),
			      &empty);
	if (!strcmp(chain->policy, "drop"))
		inst->decides = true;
	inst->undecided = ~0u;
	/* At prerouting the kernel takes the name of the interface out for none that there is. */
	inst->before_routing = !strcmp(chain->hook, "prerouting");
	if (inst->before_routing)
		term_restrict(import, &live.t[0], FIELD_OUT,
			      ranges_one(&import->arena, nowhere, nowhere), &empty);
	walk_chain(import, inst, chain, &live, &none, 0);
	if (inst->before_routing)
		live.t[0].field[FIELD_OUT] = ranges_one(&import->arena, 0, nowhere);
	import_emit_end(import, inst, &live.t[0]);
}
