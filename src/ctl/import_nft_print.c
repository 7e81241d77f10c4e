/* SPDX-License-Identifier: Apache-2.0 */
/* The import as a configuration file. */
#include "import_nft.h"

#include <stdlib.h>
#include <string.h>

static void print_chains(struct import *import, FILE *out)
{
	fputs("\nchains = ( { functions = [ ", out);
	for (size_t i = 0; i < import->n_instances; i++)
		fprintf(out, "\"firewall:%s\", ", import->instances[i].name);
	fputs("\"router\" ]; } );\n", out);
}

/* --- a firewall --- */

static void zone_words(struct import *import, struct ranges ifaces, json_t *words)
{
	json_t *name;
	size_t i;

	json_array_foreach (import->port_names, i, name) {
		if (ranges_have(ifaces, i))
			json_array_append(words, name);
	}
}

static void print_zone(struct import *import, const char *mode, struct ranges ifaces, bool *first,
		       FILE *out)
{
	json_t *words = json_array();

	zone_words(import, ifaces, words);
	if (json_array_size(words)) {
		fprintf(out, "%s\n    { name = \"antispoof-%s\"; antispoof = \"%s\";",
			*first ? "  zones = (" : ",", mode, mode);
		import_print_words(import, "interfaces", words, 60, out);
		fputs(" }", out);
		*first = false;
	}
	json_decref(words);
}

static void print_zones(struct import *import, struct instance *inst, FILE *out)
{
	const struct ranges not_strict =
		ranges_not(&import->arena, inst->strict, import_field_max(FIELD_IN));
	bool first = true;

	print_zone(import, "strict", inst->strict, &first, out);
	print_zone(import, "loose", ranges_and(&import->arena, inst->loose, not_strict), &first,
		   out);
	if (!first)
		fputs(" );\n", out);
}

static void print_set(struct import *import, const char *name, struct import_set *set, FILE *out)
{
	const bool ports_set = set->kind == SET_PORT;
	json_t *words = json_array();
	struct ranges value;

	if (!import_set_elements(import, set, &value))
		import_words(import,
			     ports_set		       ? FIELD_DPORT :
			     set->kind == SET_ADDRESS6 ? FIELD_SRC6 :
							 FIELD_SRC4,
			     value, "", words);
	fprintf(out, "\n    { name = \"%s\";%s", name, ports_set ? " type = \"ports\";" : "");
	if (set->timeout_s)
		fprintf(out, " timeout = %lu;", set->timeout_s);
	if (json_array_size(words)) {
		fputs("\n     ", out);
		import_print_words(import, ports_set ? "ports" : "addresses", words, 5, out);
	}
	fputs(" }", out);
	json_decref(words);
}

static void print_sets(struct import *import, struct instance *inst, FILE *out)
{
	const char *place;
	json_t *name;
	bool first = true;

	json_object_foreach (inst->set_names, place, name) {
		if (!*place)
			continue;
		fputs(first ? "  sets = (" : ",", out);
		print_set(import, json_string_value(name), &import->sets[strtoul(place, NULL, 10)],
			  out);
		first = false;
	}
	if (!first)
		fputs(" );\n", out);
}

/* After a comment there is always a line's end, so the comma stands before it. */
static void print_rules(struct import *import, struct instance *inst, FILE *out)
{
	size_t last = inst->n;

	if (!inst->n)
		return;
	for (size_t i = 0; i < inst->n; i++)
		if (!inst->items[i].comment)
			last = i;
	fputs("  rules = (\n", out);
	for (size_t i = 0; i < inst->n; i++) {
		const struct item *item = &inst->items[i];

		if (item->comment) {
			import_print_comment(out, 2, item->comment);
			continue;
		}
		import_print_rule(import, inst, item, out);
		fputs(i == last ? "\n" : ",\n", out);
	}
	fputs("  );\n", out);
}

static void print_instance(struct import *import, struct instance *inst, FILE *out)
{
	char *rules = NULL;
	size_t len;
	FILE *memory = open_memstream(&rules, &len);

	if (!memory)
		return;
	print_rules(import, inst, memory); /* first, since it says which sets are in use */
	fclose(memory);
	fprintf(out, "{ name = \"%s\"; default = \"%s\";%s\n", inst->name, inst->chain->policy,
		inst->asks_state ? "" : " stateful = false;");
	import_print_comment(out, 2, import_chain_text(import, inst->chain));
	print_zones(import, inst, out);
	print_sets(import, inst, out);
	fputs(rules, out);
	fputs("}", out);
	free(rules);
}

void import_print(struct import *import, bool firewall_only, FILE *out)
{
	import_name_ports(import);
	import_print_comment(out, 0,
			     arena_print(&import->arena,
					 "From the nftables ruleset %s, by visorctl import nft.",
					 import_clean(import, import->file)));
	for (size_t i = 0; i < import->n_notes; i++)
		import_print_comment(out, 0, import->notes[i].comment);
	fputc('\n', out);
	if (!firewall_only)
		import_print_ports(import, out);
	if (!import->n_instances)
		import_print_comment(out, 0,
				     "Nothing in the ruleset denies anything that is forwarded.");
	for (size_t i = 0; i < import->n_instances; i++) {
		fputs(i ? ", " : "firewall = ( ", out);
		print_instance(import, &import->instances[i], out);
	}
	if (import->n_instances)
		fputs(" );\n", out);
	if (!firewall_only)
		print_chains(import, out);
}
