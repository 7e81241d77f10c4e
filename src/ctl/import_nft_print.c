/* SPDX-License-Identifier: Apache-2.0 */
/* The import as a configuration file. */
#include "import_nft.h"

#include <stdlib.h>
#include <string.h>

/* Folded at words. */
static void comment(FILE *out, unsigned indent, const char *text)
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

/* --- ports --- */

/* "eth0.100": the VLAN 100 of eth0, as most name it. */
static unsigned vlan_of(const char *device, size_t *parent)
{
	const char *dot = strrchr(device, '.');
	unsigned long vlan;
	char *end;

	if (!dot || dot == device || dot[1] < '1' || dot[1] > '9')
		return 0;
	vlan = strtoul(dot + 1, &end, 10);
	*parent = (size_t)(dot - device);
	return *end || vlan > 4094 ? 0 : (unsigned)vlan;
}

/* Ports by the name of their device, with the places of their VLAN interfaces. */
static json_t *ports(struct import *import)
{
	json_t *all = json_object(), *name;
	size_t i, len;

	json_array_foreach (import->ifaces, i, name) {
		const char *device = json_string_value(name);
		const bool vlan = vlan_of(device, &len) != 0;
		const char *port = vlan ? arena_print(&import->arena, "%.*s", (int)len, device) :
					  device;

		if (!json_object_get(all, port))
			json_object_set_new(all, port, json_array());
		if (vlan)
			json_array_append_new(json_object_get(all, port),
					      json_integer((json_int_t)i));
	}
	return all;
}

static void name_interfaces(struct import *import)
{
	json_t *taken = json_object(), *name;
	size_t i;

	import->port_names = json_array();
	json_array_foreach (import->ifaces, i, name) {
		json_array_append_new(
			import->port_names,
			json_string(import_name(import, taken, json_string_value(name))));
	}
	json_decref(taken);
}

static const char *port_name(struct import *import, const char *device)
{
	const json_t *place = json_object_get(import->iface_index, device);

	return place ? json_string_value(json_array_get(import->port_names,
							(size_t)json_integer_value(place))) :
		       import_clean(import, device);
}

static void print_vlans(struct import *import, const json_t *places, FILE *out)
{
	const json_t *place;
	size_t i, len;

	if (!json_array_size(places))
		return;
	fputs("\n    interfaces = (", out);
	json_array_foreach (places, i, place) {
		const size_t at = (size_t)json_integer_value(place);
		const char *device = json_string_value(json_array_get(import->ifaces, at));

		fprintf(out, "%s { name = \"%s\"; vlan = %u; device = \"%s\"; }", i ? "," : "",
			json_string_value(json_array_get(import->port_names, at)),
			vlan_of(device, &len), import_clean(import, device));
	}
	fputs(" );", out);
}

static void print_ports(struct import *import, FILE *out)
{
	json_t *all = ports(import), *places;
	const char *device;
	bool first = true;

	if (!json_object_size(all))
		comment(out, 0, "The ruleset names no interface: list the ports here.");
	else
		comment(out, 0,
			"The interfaces that the ruleset names; add the others, take out what is "
			"no network port.");
	fputs("ports = (", out);
	json_object_foreach (all, device, places) {
		fprintf(out, "%s\n  { name = \"%s\"; device = \"%s\";", first ? "" : ",",
			port_name(import, device), import_clean(import, device));
		print_vlans(import, places, out);
		fputs(" }", out);
		first = false;
	}
	fputs(" );\n\n", out);
	json_decref(all);
}

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
			comment(out, 2, item->comment);
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
	comment(out, 2,
		arena_print(&import->arena, "table %s %s, chain %s, hook %s, priority %lld",
			    inst->chain->family, import_clean(import, inst->chain->table),
			    import_clean(import, inst->chain->name), inst->chain->hook,
			    (long long)inst->chain->priority));
	print_zones(import, inst, out);
	print_sets(import, inst, out);
	fputs(rules, out);
	fputs("}", out);
	free(rules);
}

void import_print(struct import *import, bool firewall_only, FILE *out)
{
	name_interfaces(import);
	comment(out, 0,
		arena_print(&import->arena, "From the nftables ruleset %s, by visorctl import nft.",
			    import_clean(import, import->file)));
	for (size_t i = 0; i < import->n_notes; i++)
		comment(out, 0, import->notes[i].comment);
	fputc('\n', out);
	if (!firewall_only)
		print_ports(import, out);
	if (!import->n_instances)
		comment(out, 0, "Nothing in the ruleset denies anything that is forwarded.");
	for (size_t i = 0; i < import->n_instances; i++) {
		fputs(i ? ", " : "firewall = ( ", out);
		print_instance(import, &import->instances[i], out);
	}
	if (import->n_instances)
		fputs(" );\n", out);
	if (!firewall_only)
		print_chains(import, out);
}
