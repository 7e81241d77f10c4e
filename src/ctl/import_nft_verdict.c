/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule does: its verdict, and how often it may. */
#include "import_nft.h"

#include <string.h>

/* What our rules can have at most. */
#define RATE_MAX 10000000
#define BURST_MAX 1000000
#define FLOWS_MAX 1000000000
#define FLOWS_PER_SOURCE_MAX 1000000

bool import_is_verdict(const char *name)
{
	static const char *const verdicts[] = { "accept", "drop", "continue", "return",
						"jump",	  "goto", "reject",   NULL };

	for (const char *const *verdict = verdicts; *verdict; verdict++)
		if (!strcmp(name, *verdict))
			return true;
	return false;
}

static const struct {
	const char *type, *expr, *ours;
} rejects[] = {
	{ "icmpx", "port-unreachable", "port-unreachable" },
	{ "icmpx", "admin-prohibited", "admin-prohibited" },
	{ "icmpx", "no-route", "no-route" },
	{ "icmpx", "host-unreachable", "host-unreachable" },
	{ "icmp", "net-unreachable", "net-unreachable" },
	{ "icmp", "host-unreachable", "host-unreachable" },
	{ "icmp", "port-unreachable", "port-unreachable" },
	{ "icmp", "admin-prohibited", "admin-prohibited" },
	{ "icmpv6", "no-route", "no-route" },
	{ "icmpv6", "admin-prohibited", "admin-prohibited" },
	{ "icmpv6", "addr-unreachable", "host-unreachable" },
	{ "icmpv6", "port-unreachable", "port-unreachable" },
};

static void only(struct import *import, struct term *implied, enum field field, unsigned value)
{
	bool empty = false;

	term_restrict(import, implied, field, ranges_one(&import->arena, value, value), &empty);
}

static const char *reject(struct import *import, const json_t *detail, struct verdict *verdict,
			  struct term *implied)
{
	const char *type = json_string_value(json_object_get(detail, "type"));
	const char *expr = json_string_value(json_object_get(detail, "expr"));

	verdict->reject_with = "port-unreachable";
	if (!type)
		return json_object_size(detail) ? "a reject of that kind" : NULL;
	if (!strcmp(type, "tcp reset")) {
		verdict->reject_with = "tcp-reset";
		only(import, implied, FIELD_PROTO, 6);
		return NULL;
	}
	if (!strcmp(type, "icmp") || !strcmp(type, "icmpv6"))
		only(import, implied, FIELD_FAMILY, !strcmp(type, "icmpv6"));
	for (size_t i = 0; i < sizeof(rejects) / sizeof(*rejects); i++) {
		if (!strcmp(type, rejects[i].type) && expr && !strcmp(expr, rejects[i].expr)) {
			verdict->reject_with = rejects[i].ours;
			return NULL;
		}
	}
	verdict->reject_with = NULL; /* the caller says what it is rejected with instead */
	return NULL;
}

const char *import_verdict(struct import *import, const json_t *statement, struct verdict *verdict,
			   struct term *implied)
{
	const char *name = json_object_iter_key(json_object_iter((json_t *)statement));
	const json_t *detail = name ? json_object_get(statement, name) : NULL;

	*verdict = (struct verdict){ .kind = VERDICT_NONE };
	if (!name || !import_is_verdict(name))
		return arena_print(&import->arena, "the verdict `%s`",
				   import_clean(import, name ? name : "?"));
	if (!strcmp(name, "accept") || !strcmp(name, "drop") || !strcmp(name, "reject")) {
		verdict->kind = VERDICT_FINAL;
		verdict->action = *name == 'a' ? ACTION_ACCEPT :
				  *name == 'd' ? ACTION_DROP :
						 ACTION_REJECT;
		return verdict->action == ACTION_REJECT ? reject(import, detail, verdict, implied) :
							  NULL;
	}
	if (!strcmp(name, "return"))
		verdict->kind = VERDICT_RETURN;
	if (strcmp(name, "jump") && strcmp(name, "goto"))
		return NULL;
	verdict->kind = *name == 'j' ? VERDICT_JUMP : VERDICT_GOTO;
	verdict->target = json_string_value(json_object_get(detail, "target"));
	return verdict->target ? NULL : "a jump without a target";
}

static bool number_of(const json_t *object, const char *key, unsigned long *value)
{
	const json_t *found = json_object_get(object, key);

	if (!json_is_integer(found) || json_integer_value(found) < 0 ||
	    json_integer_value(found) > 0xffffffff)
		return false;
	*value = (unsigned long)json_integer_value(found);
	return true;
}

static const char *limit_detail(struct import *import, const json_t *limit, struct limiter *limiter)
{
	static const char *const pers[] = { "second", "minute", "hour", "day", NULL };
	const char *unit = json_string_value(json_object_get(limit, "rate_unit"));
	const char *per = json_string_value(json_object_get(limit, "per"));

	if (unit && strcmp(unit, "packets"))
		return arena_print(&import->arena, "a limit in %s a second",
				   import_clean(import, unit));
	if (!number_of(limit, "rate", &limiter->value) || !limiter->value || !per)
		return "a limit without rate and per";
	for (const char *const *known = pers; *known; known++)
		if (!strcmp(*known, per))
			limiter->per = *known;
	if (!limiter->per)
		return arena_print(&import->arena, "a limit per %s", import_clean(import, per));
	if (!number_of(limit, "burst", &limiter->burst) || !limiter->burst)
		limiter->burst = 5; /* nft's own */
	if (limiter->value > RATE_MAX || limiter->burst > BURST_MAX)
		return "a limit of more than ours can have: 10000000, with a burst of 1000000";
	limiter->rate = true;
	limiter->over = json_is_true(json_object_get(limit, "inv"));
	return NULL;
}

/* A limit by name is one bucket for all rules that name it. */
const char *import_limit(struct import *import, const struct place *place, const json_t *limit,
			 struct limiter *limiter)
{
	const char *name = json_string_value(limit), *key;
	const json_t *object;
	const char *why;

	if (!name)
		return limit_detail(import, limit, limiter);
	key = arena_print(&import->arena, "limit\n%s\n%s\n%s", place->family, place->table, name);
	object = json_object_get(import->index, key);
	if (!object)
		return arena_print(&import->arena, "the limit '%s', which is not in the ruleset",
				   import_clean(import, name));
	why = limit_detail(import, object, limiter);
	if (!why && json_integer_value(json_object_get(import->uses, key)) > 1)
		return arena_print(&import->arena, "the limit '%s': several rules share it",
				   import_clean(import, name));
	return why;
}

const char *import_count(const json_t *count, struct limiter *limiter)
{
	if (!number_of(count, "val", &limiter->value))
		return "a ct count without a number";
	if (!limiter->value || limiter->value > FLOWS_MAX)
		return "a number of flows that is not 1 to 1000000000";
	limiter->flows = true;
	limiter->over = json_is_true(json_object_get(count, "inv"));
	return NULL;
}

static bool source_rate_fits(const struct limiter *limiter)
{
	const double per = !strcmp(limiter->per, "second") ? 1 :
			   !strcmp(limiter->per, "minute") ? 60 :
			   !strcmp(limiter->per, "hour")   ? 3600 :
							     86400;
	const double cost = per / (double)limiter->value;

	return cost >= 1e-5 && (double)(limiter->burst + 1) * cost <= 2 * 86400;
}

/* add @set { ip saddr limit rate … }: a limit for each source. */
const char *import_meter(struct import *import, const struct place *place, const json_t *set,
			 struct limiter *limiter, struct terms *implied)
{
	const json_t *statements = json_object_get(set, "stmt"),
		     *key = json_object_get(set, "elem");
	const json_t *element = json_object_get(key, "elem"), *statement, *detail;
	const char *why, *field;
	struct term term;

	if (element)
		key = json_object_get(element, "val");
	field = json_string_value(json_object_get(json_object_get(key, "payload"), "field"));
	if (json_array_size(statements) != 1 || !field || strcmp(field, "saddr"))
		return "a set that rules fill, by other than a limit for each source address";
	statement = json_array_get(statements, 0);
	if ((detail = json_object_get(statement, "limit")))
		why = import_limit(import, place, detail, limiter);
	else if ((detail = json_object_get(statement, "ct count")))
		why = import_count(detail, limiter);
	else
		return "a set that rules fill, by other than a limit for each source address";
	if (!why && limiter->flows && limiter->value > FLOWS_PER_SOURCE_MAX)
		why = "a number of flows of more than 1000000 for each source";
	if (!why && limiter->rate && !source_rate_fits(limiter))
		why = "a limit for each source of more than 100000 a second, or with a burst that is "
		      "worth more than two days";
	limiter->by_source = true;
	field = json_string_value(json_object_get(json_object_get(key, "payload"), "protocol"));
	term_any(import, &term);
	if (field && !strcmp(field, "ip6"))
		only(import, &term, FIELD_FAMILY, 1);
	else if (field && !strcmp(field, "ip"))
		only(import, &term, FIELD_FAMILY, 0);
	else
		return "a limit for each link-layer address";
	terms_add(import, implied, &term);
	return why;
}
