/* SPDX-License-Identifier: Apache-2.0 */
/* A rule's statements, from left to right. */
#include "import_nft_walk.h"

#include <string.h>

/* A log statement before a further condition logs by itself. */
static void log_now(struct import_visit *visit, struct import_rule *rule)
{
	struct terms terms;

	if (rule->log && import_condition(visit, rule, &terms))
		import_emit(visit, rule, &terms, ACTION_COUNT, true);
	rule->log = false;
}

static const char *add_match(struct import_visit *visit, struct import_rule *rule,
			     const json_t *match)
{
	struct terms one = { 0 };
	const char *why;

	if (import_limited(&rule->limiter))
		return "a condition behind a limit";
	log_now(visit, rule);
	rule->reverse_path = rule->reverse_path ? rule->reverse_path : import_reverse_path(match);
	if (import_reverse_path(match))
		return NULL;
	why = import_match(visit->import, &rule->place, match, &one);
	return why ? why : terms_and(visit->import, &rule->match, &one, &rule->match);
}

static const char *add_limiter(struct import_visit *visit, struct import_rule *rule,
			       const char *kind, const json_t *detail)
{
	struct terms implied = { 0 };
	const char *why;

	if (import_limited(&rule->limiter) || import_limited(&visit->limiter))
		return "several limits for one packet";
	log_now(visit, rule);
	if (!strcmp(kind, "limit"))
		return import_limit(visit->import, &rule->place, detail, &rule->limiter);
	if (!strcmp(kind, "ct count"))
		return import_count(detail, &rule->limiter);
	why = import_meter(visit->import, &rule->place, detail, &rule->limiter, &implied);
	if (!why && ranges_have(implied.t[0].field[FIELD_FAMILY], 1))
		import_tell(visit->import, visit->inst, IMPORT_DIFFERS, &rule->place,
			    "it limits each IPv6 source; here each /64");
	return why ? why : terms_and(visit->import, &rule->match, &implied, &rule->match);
}

static const char *add_log(struct import_visit *visit, struct import_rule *rule, const json_t *log)
{
	if (json_object_get(log, "group"))
		import_tell(visit->import, visit->inst, IMPORT_NOTE, &rule->place,
			    "it logs to a group of nflog; here it goes to the daemon's log");
	rule->log = true;
	rule->prefix = json_string_value(json_object_get(log, "prefix"));
	return NULL;
}

static const char *add_verdict(struct import_visit *visit, struct import_rule *rule,
			       const json_t *statement)
{
	struct terms implied = terms_any(visit->import);
	const char *why = import_verdict(visit->import, statement, &rule->verdict, &implied.t[0]);

	if (why)
		return why;
	if (rule->verdict.kind == VERDICT_FINAL && rule->verdict.action == ACTION_REJECT &&
	    !rule->verdict.reject_with) {
		rule->verdict.reject_with = "admin-prohibited";
		import_tell(visit->import, visit->inst, IMPORT_DIFFERS, &rule->place,
			    "it rejects with a code that ours do not have; here with "
			    "admin-prohibited");
	}
	return terms_and(visit->import, &rule->match, &implied, &rule->match);
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static const char *effect_name(struct import *import, const char *kind, const json_t *detail)
{
	const char *set = json_string_value(json_object_get(detail, kind));

	if (!strcmp(kind, "mangle"))
		return arena_print(&import->arena, "setting %s",
				   import_expression_name(import, json_object_get(detail, "key")));
	if (set)
		return arena_print(&import->arena, "changing the elements of %s",
				   import_clean(import, set));
	return arena_print(&import->arena, "`%s`", kind);
}

static const char *add_other(struct import_visit *visit, struct import_rule *rule, const char *kind,
			     const json_t *detail)
{
	/* what changes nothing about which packets pass; the flow engine offloads every flow */
	static const char *const harmless[] = { "last", "flow", NULL };
	static const char *const effects[] = {
		"mangle", "notrack", "ct helper", "ct timeout", "ct expectation",
		"dup",	  "set",     "map",	  "secmark",	NULL
	};
	const char *name = json_string_value(json_object_get(detail, "name"));
	struct arena *arena = &visit->import->arena;

	if (is_one_of(kind, harmless))
		return NULL;
	if (is_one_of(kind, effects)) {
		rule->side_effect = effect_name(visit->import, kind, detail);
		return NULL;
	}
	if (!strcmp(kind, "xt"))
		return arena_print(
			arena,
			"the iptables extension %s%s%s, which nft does not show "
			"(`iptables-save | iptables-restore-translate -f /dev/stdin` makes "
			"nft's own of most)",
			name ? "'" : "", name ? import_clean(visit->import, name) : "",
			name ? "'" : "");
	return arena_print(arena, "`%s`", import_clean(visit->import, kind));
}

static const char *add_statement(struct import_visit *visit, struct import_rule *rule,
				 const char *kind, const json_t *detail, const json_t *statement)
{
	if (!strcmp(kind, "match"))
		return add_match(visit, rule, detail);
	if (!strcmp(kind, "limit") || !strcmp(kind, "ct count") ||
	    ((!strcmp(kind, "set") || !strcmp(kind, "meter")) && json_object_get(detail, "stmt")))
		return add_limiter(visit, rule, kind, detail);
	if (import_is_verdict(kind))
		return add_verdict(visit, rule, statement);
	if (!strcmp(kind, "log"))
		return add_log(visit, rule, detail);
	if (!strcmp(kind, "counter"))
		rule->counter = true;
	else if (!strcmp(kind, "vmap"))
		rule->vmap = detail;
	else
		return add_other(visit, rule, kind, detail);
	return NULL;
}

/* Something about the connection, whatever it is; iptables extensions mostly ask for its state. */
static bool asks_connection(const json_t *statement)
{
	return json_object_get(json_object_get(json_object_get(statement, "match"), "left"), "ct");
}

void import_statements(struct import_visit *visit, struct import_rule *rule, const json_t *json)
{
	const json_t *statement;
	size_t i;

	json_array_foreach (json_object_get(json, "expr"), i, statement) {
		const char *kind = json_object_iter_key(json_object_iter((json_t *)statement));
		const char *why;

		if (!kind || json_object_size(statement) != 1)
			why = "a statement that is no object with one member";
		else if (rule->lost && !import_is_verdict(kind))
			continue; /* all that is still of interest is the verdict */
		else
			why = add_statement(visit, rule, kind, json_object_get(statement, kind),
					    statement);
		if (why && kind && (!strcmp(kind, "xt") || asks_connection(statement)))
			visit->inst->asks_state = true;
		if (!rule->lost)
			rule->lost = why;
	}
}
