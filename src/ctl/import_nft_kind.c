/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about what a packet is to the host that filters it: whether it is for the host itself, a
 * broadcast, somebody else's, or from where it could not be. Ours are asked about packets to forward
 * only: what is for the host goes to the kernel, broadcasts, multicasts and frames for another MAC
 * address are never forwarded. So most of the answers are known.
 */
#include "import_nft.h"

#include <string.h>

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

/* A value, or each of several. */
static bool all_of(const json_t *value, const char *const *words)
{
	const json_t *set = json_object_get(value, "set"), *one;
	size_t i;

	if (json_is_string(value))
		return is_one_of(json_string_value(value), words);
	if (!json_array_size(set ? set : value))
		return false;
	json_array_foreach (set ? set : value, i, one) {
		if (!json_is_string(one) || !is_one_of(json_string_value(one), words))
			return false;
	}
	return true;
}

enum kind_asked import_kind_asked(const json_t *left, const json_t *right)
{
	static const char *const never_types[] = { "local", "broadcast", "multicast", NULL };
	static const char *const never[] = { "broadcast", "multicast", "other", NULL };
	static const char *const always[] = { "host", "unicast", NULL };
	const json_t *fib = json_object_get(left, "fib"), *flags = json_object_get(fib, "flags");
	const char *result = json_string_value(json_object_get(fib, "result"));
	const char *flag = json_string_value(json_array_get(flags, 0));
	const char *meta = json_string_value(json_object_get(json_object_get(left, "meta"), "key"));

	if (result && !strcmp(result, "type") && flag && !strcmp(flag, "daddr") &&
	    json_array_size(flags) == 1 && all_of(right, never_types))
		return KIND_NEVER;
	if (meta && !strcmp(meta, "pkttype") && all_of(right, never))
		return KIND_NEVER;
	if (meta && !strcmp(meta, "pkttype") && all_of(right, always))
		return KIND_ALWAYS;
	return KIND_UNKNOWN;
}

char import_reverse_path(const json_t *match)
{
	const json_t *fib = json_object_get(json_object_get(match, "left"), "fib"), *flag;
	const json_t *right = json_object_get(match, "right");
	const char *result = json_string_value(json_object_get(fib, "result"));
	const char *op = json_string_value(json_object_get(match, "op"));
	bool source = false, by_iface = false, other = false;
	size_t i;

	if (!result || strcmp(result, "oif") || !op || strcmp(op, "=="))
		return 0;
	if (!json_is_false(right) && !(json_is_integer(right) && !json_integer_value(right)))
		return 0;
	json_array_foreach (json_object_get(fib, "flags"), i, flag) {
		const char *name = json_string_value(flag);

		source = source || (name && !strcmp(name, "saddr"));
		by_iface = by_iface || (name && !strcmp(name, "iif"));
		/* packets that are forwarded have no mark here */
		other = other || !name ||
			(strcmp(name, "saddr") && strcmp(name, "iif") && strcmp(name, "mark"));
	}
	return !source || other ? 0 : by_iface ? 's' : 'l';
}
