/* SPDX-License-Identifier: Apache-2.0 */
/* Names as our configuration has them: [A-Za-z0-9_.-]{1,31}, each once; and comments. */
#include "import_nft.h"

#include <string.h>

#define NAME_MAX_LEN 31

static void clean(const char *wanted, char name[NAME_MAX_LEN + 1])
{
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t used = 0;

	for (; *wanted && used < NAME_MAX_LEN; wanted++)
		if (strchr(good, *wanted))
			name[used++] = *wanted;
		else if (used && name[used - 1] != '-')
			name[used++] = '-';
	while (used && name[used - 1] == '-')
		used--;
	name[used] = '\0';
	if (!used)
		strcpy(name, "unnamed");
}

const char *import_name(struct import *import, json_t *taken, const char *wanted)
{
	char base[NAME_MAX_LEN + 1], name[64];

	clean(wanted, base);
	snprintf(name, sizeof(name), "%s", base);
	for (json_int_t n = 2; json_object_get(taken, name); n++) {
		char suffix[24];
		int digits = snprintf(suffix, sizeof(suffix), "-%lld", (long long)n);
		/* where a base is in use often, the next number is known */
		const json_t *next = json_object_get(taken, "");
		const json_t *known = json_object_get(next, base);

		if (known && json_integer_value(known) > n) {
			n = json_integer_value(known) - 1;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s%s", NAME_MAX_LEN - digits, base, suffix);
		if (!next)
			json_object_set_new(taken, "", json_object());
		json_object_set_new(json_object_get(taken, ""), base, json_integer(n + 1));
	}
	json_object_set_new(taken, name, json_true());
	return arena_print(&import->arena, "%s", name);
}

const char *import_set_name(struct import *import, struct instance *inst,
			    const struct import_set *set)
{
	const char *key = arena_print(&import->arena, "%zu", (size_t)(set - import->sets));
	const json_t *known = json_object_get(inst->set_names, key);
	json_t *taken = json_object_get(inst->set_names, "");
	const char *name;

	if (known)
		return json_string_value(known);
	if (!taken) {
		taken = json_object();
		json_object_set_new(inst->set_names, "", taken);
	}
	name = import_name(import, taken, set->name);
	json_object_set_new(inst->set_names, key, json_string(name));
	return name;
}

const char *import_chain_text(struct import *import, const struct import_chain *chain)
{
	return arena_print(&import->arena, "table %s %s, chain %s, hook %s, priority %lld",
			   chain->family, import_clean(import, chain->table),
			   import_clean(import, chain->name), chain->hook,
			   (long long)chain->priority);
}

void import_print_comment(FILE *out, unsigned indent, const char *text)
{
	const unsigned columns = 100;
	unsigned column = indent + 1;

	fprintf(out, "%*s#", (int)indent, "");
	while (*text) {
		const unsigned len = (unsigned)strcspn(text, " ");

		if (column + 1 + len > columns && column > indent + 3) {
			fprintf(out, "\n%*s#  ", (int)indent, "");
			column = indent + 3;
		}
		fprintf(out, " %.*s", (int)len, text);
		column += 1 + len;
		text += len + (text[len] == ' ');
	}
	fputc('\n', out);
}
