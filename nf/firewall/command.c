/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `visorctl set add|del|flush|list`. Several entries of one request are changed in their order; at
 * the first that is wrong it stops, and says how many were done. Flows ask again after any change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "firewall.h"
#include "flow_policy.h"
#include "suggest.h"

#define LISTED 1000 /* entries, where no limit is given */

static const char *next_set(void *arg, unsigned i)
{
	const struct firewall *fw = arg;

	return i < fw->keys->sets.n ? fw->sets[i]->name : NULL;
}

static struct firewall_set *set_of(struct nf *nf, const json_t *args, char **error)
{
	struct firewall *fw = nf->state;
	const char *name = json_string_value(json_object_get(args, "set")), *meant;

	for (unsigned i = 0; name && i < fw->keys->sets.n; i++)
		if (!strcmp(fw->sets[i]->name, name))
			return fw->sets[i];
	meant = name ? suggest_from(name, next_set, fw) : NULL;
	if (asprintf(error, "firewall \"%s\" has no set \"%s\"%s%s%s", nf->name, name ? name : "",
		     meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "") < 0)
		*error = NULL;
	return NULL;
}

static json_t *refuse(char **error, const char *text)
{
	*error = strdup(text);
	return NULL;
}

/* The seconds that were asked for; false: not a number of them. */
static bool timeout_of(const json_t *args, uint64_t *timeout_s)
{
	const json_t *given = json_object_get(args, "timeout");

	*timeout_s = FIREWALL_SET_USUAL;
	if (!given)
		return true;
	if (!json_is_integer(given) || json_integer_value(given) < 0 ||
	    json_integer_value(given) > 31536000)
		return false;
	*timeout_s = (uint64_t)json_integer_value(given);
	return true;
}

static json_t *edit(struct nf *nf, const json_t *args, char **error, bool add)
{
	struct firewall_set *set = set_of(nf, args, error);
	json_t *entries = json_object_get(args, "entries"), *entry;
	const uint64_t now_ns = clock_now_ns();
	json_int_t changed = 0;
	uint64_t timeout_s;
	char *why = NULL, *text;
	size_t i;

	if (!set)
		return NULL;
	if (!json_is_array(entries) || !json_array_size(entries))
		return refuse(error, "\"entries\" is missing: an array of strings");
	if (!timeout_of(args, &timeout_s))
		return refuse(error, "timeout: expected 0 to 31536000 seconds");
	json_array_foreach (entries, i, entry) {
		const char *word = json_string_value(entry);
		bool one = false;

		if (!word)
			why = strdup("an entry is no string");
		else
			why = add ? firewall_set_add(set, word, timeout_s, now_ns, &one) :
				    firewall_set_del(set, word, &one);
		changed += one;
		if (why)
			break;
	}
	if (changed)
		flow_policy_changed();
	if (!why)
		return json_pack("{s:s,s:I,s:I,s:I}", "set", set->name, "changed", changed,
				 "unchanged", (json_int_t)i - changed, "entries",
				 (json_int_t)(set->fixed + set->added));
	if (asprintf(&text, "%s%s", why, changed ? "; those before it are done" : "") < 0)
		text = NULL;
	free(why);
	*error = text;
	return NULL;
}

static json_t *set_add(struct nf *nf, const json_t *args, char **error)
{
	return edit(nf, args, error, true);
}

static json_t *set_del(struct nf *nf, const json_t *args, char **error)
{
	return edit(nf, args, error, false);
}

static json_t *set_flush(struct nf *nf, const json_t *args, char **error)
{
	struct firewall_set *set = set_of(nf, args, error);
	int64_t n = set ? firewall_set_flush(set) : 0;

	if (!set)
		return NULL;
	if (n < 0)
		return refuse(error, "out of memory");
	if (n)
		flow_policy_changed();
	return json_pack("{s:s,s:I,s:I,s:I}", "set", set->name, "changed", (json_int_t)n,
			 "unchanged", (json_int_t)0, "entries", (json_int_t)0);
}

static size_t size_of(const json_t *args, const char *name, size_t otherwise)
{
	const json_t *value = json_object_get(args, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return otherwise;
	return (size_t)json_integer_value(value);
}

static json_t *set_list(struct nf *nf, const json_t *args, char **error)
{
	struct firewall_set *set = set_of(nf, args, error);

	if (!set)
		return NULL;
	return firewall_set_list(set, clock_now_ns(), size_of(args, "next", 0),
				 size_of(args, "limit", LISTED));
}

const struct nf_command firewall_commands[] = {
	{ "set add", set_add },	  { "set del", set_del }, { "set flush", set_flush },
	{ "set list", set_list }, { NULL, NULL },
};
