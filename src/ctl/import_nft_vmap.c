/* SPDX-License-Identifier: Apache-2.0 */
/* Verdict maps: a rule for each verdict, about all elements that have it. */
#include "import_nft_walk.h"

#include <string.h>

struct vmap_group {
	const json_t *verdict;
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

/* Elements by their verdicts: no two of them match the same packet, so their order is free. */
static const char *vmap_collect(struct import_visit *visit, const struct import_rule *rule,
				const json_t *pairs, struct vmap_group *groups, size_t *n)
{
	const json_t *key = json_object_get(rule->vmap, "key"), *pair, *rest = NULL;
	struct terms others = { 0 }, any = terms_any(visit->import);
	struct import *import = visit->import;
	bool expires = false;
	size_t i, g;

	json_array_foreach (pairs, i, pair) {
		const json_t *element = import_element(json_array_get(pair, 0), &expires);
		const json_t *verdict = json_array_get(pair, 1);
		const char *star = json_string_value(element), *why;
		struct terms terms = { 0 };

		if (json_array_size(pair) != 2)
			return "a verdict map of that shape";
		if (star && !strcmp(star, "*")) {
			rest = verdict;
			continue;
		}
		why = import_key(import, &rule->place, key, element, &terms);
		if (why)
			return why;
		for (g = 0; g < *n && !json_equal(groups[g].verdict, verdict); g++)
			;
		if (g == *n)
			groups[(*n)++] = (struct vmap_group){ .verdict = verdict };
		for (size_t t = 0; t < terms.n; t++) {
			terms_add(import, &groups[g].terms, &terms.t[t]);
			terms_add(import, &others, &terms.t[t]);
		}
	}
	for (g = 0; g < *n; g++)
		terms_merge(import, &groups[g].terms);
	if (!rest)
		return NULL;
	groups[*n].verdict = rest;
	terms_merge(import, &others);
	return terms_minus(import, &any, &others, &groups[(*n)++].terms);
}

void import_decide_by_map(struct import_visit *visit, const struct import_rule *rule)
{
	struct import *import = visit->import;
	struct vmap_group *groups;
	const json_t *pairs;
	const char *why;
	size_t n = 0;

	pairs = vmap_pairs(visit, rule, &why);
	groups = arena_alloc(&import->arena, (json_array_size(pairs) + 1) * sizeof(*groups));
	if (!why)
		why = import_limited(&rule->limiter) ? "a verdict map behind a limit" :
						       vmap_collect(visit, rule, pairs, groups, &n);
	if (why) {
		import_lose(visit, rule, why);
		return;
	}
	for (size_t g = 0; g < n; g++) {
		struct import_rule one = *rule;
		struct terms implied = terms_any(import);

		one.vmap = NULL;
		one.counter = false;
		why = import_verdict(import, groups[g].verdict, &one.verdict, &implied.t[0]);
		if (!why)
			why = terms_and(import, &one.match, &groups[g].terms, &one.match);
		if (why)
			import_lose(visit, rule, why);
		else
			import_decide(visit, &one);
	}
}
