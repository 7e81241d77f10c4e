/* SPDX-License-Identifier: Apache-2.0 */
/* Verdict maps: a rule for each verdict, about all elements that have it. */
#include "import_nft_walk.h"

#include <string.h>

#define VERDICTS_MAX 1000 /* different ones in a map */

struct vmap_group {
	const json_t *verdict;
	json_t *elements; /* array of those that have it */
	struct terms terms;
};

static const json_t *vmap_pairs(struct import_visit *visit, const struct import_rule *rule,
				const char **why)
{
	const json_t *data = json_object_get(rule->vmap, "data");
	const char *name = json_string_value(data);
	const struct import_set *map;

	*why = NULL;
	if (!name)
		return json_object_get(data, "set");
	map = *name == '@' ? import_find_set(visit->import, &rule->place, name + 1) : NULL;
	if (!map || !map->map)
		*why = "a verdict map that is not in the ruleset";
	else if (map->changes)
		*why = arena_print(&visit->import->arena, "the map @%s: its elements come and go",
				   import_clean(visit->import, name + 1));
	return map ? map->elements : NULL;
}

/* Elements by their verdicts: no two of them match the same packet, so their order is free. The
 * verdict of what is in no other element goes to *rest. */
static const char *vmap_group(const json_t *pairs, struct vmap_group *groups, size_t *n,
			      const json_t **rest)
{
	const json_t *pair;
	bool expires = false;
	size_t i, g;

	json_array_foreach (pairs, i, pair) {
		const json_t *element = import_element(json_array_get(pair, 0), &expires);
		const json_t *verdict = json_array_get(pair, 1);
		const char *star = json_string_value(element);

		if (json_array_size(pair) != 2 || !element)
			return "a verdict map of that shape";
		if (star && !strcmp(star, "*")) {
			*rest = verdict;
			continue;
		}
		for (g = 0; g < *n && !json_equal(groups[g].verdict, verdict); g++)
			;
		if (g == VERDICTS_MAX)
			return "a verdict map with more than 1000 different verdicts";
		if (g == *n)
			groups[(*n)++] = (struct vmap_group){ verdict, json_array(), { 0 } };
		json_array_append(groups[g].elements, (json_t *)element);
	}
	return NULL;
}

static const char *vmap_terms(struct import_visit *visit, const struct import_rule *rule,
			      struct vmap_group *groups, size_t *n, const json_t *rest)
{
	struct terms others = { 0 }, any = terms_any(visit->import);
	struct import *import = visit->import;

	for (size_t g = 0; g < *n; g++) {
		const char *why = import_key(import, &rule->place,
					     json_object_get(rule->vmap, "key"), groups[g].elements,
					     &groups[g].terms);

		if (why)
			return why;
		for (size_t t = 0; t < groups[g].terms.n && rest; t++)
			terms_add(import, &others, &groups[g].terms.t[t]);
	}
	if (!rest)
		return NULL;
	groups[*n].verdict = rest;
	return terms_minus(import, &any, &others, &groups[(*n)++].terms);
}

static void vmap_decide(struct import_visit *visit, const struct import_rule *rule,
			const struct vmap_group *group)
{
	struct import *import = visit->import;
	struct terms implied = terms_any(import);
	struct import_rule one = *rule;
	const char *why;

	one.vmap = NULL;
	one.counter = false;
	why = import_verdict(import, group->verdict, &one.verdict, &implied.t[0]);
	if (!why)
		why = terms_and(import, &one.match, &group->terms, &one.match);
	if (why)
		import_lose(visit, rule, why);
	else
		import_decide(visit, &one);
}

void import_decide_by_map(struct import_visit *visit, const struct import_rule *rule)
{
	struct import *import = visit->import;
	struct vmap_group *groups =
		arena_alloc(&import->arena, (VERDICTS_MAX + 1) * sizeof(*groups));
	const json_t *pairs, *rest = NULL;
	const char *why;
	size_t n = 0, made;

	pairs = vmap_pairs(visit, rule, &why);
	if (!why && import_limited(&rule->limiter))
		why = "a verdict map behind a limit";
	if (!why)
		why = vmap_group(pairs, groups, &n, &rest);
	made = n;
	if (!why)
		why = vmap_terms(visit, rule, groups, &n, rest);
	if (why)
		import_lose(visit, rule, why);
	for (size_t g = 0; g < n && !why; g++)
		vmap_decide(visit, rule, &groups[g]);
	for (size_t g = 0; g < made; g++)
		json_decref(groups[g].elements);
}
