/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command. Which chains become firewalls: those of type filter at the hooks that a forwarded
 * packet passes, in the kernel's order. Each is a firewall of its own, since in nftables, too, what
 * one base chain accepts goes on to the next.
 */
#include "import_nft.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"

#define ITEMS_MAX 1000000
#define CONFIG_MAX (16 << 20)

struct item *import_item(struct import *import, struct item **items, size_t *n, size_t *room)
{
	if (*n == *room) {
		const size_t more = *room ? 2 * *room : 16;
		struct item *grown = *n < ITEMS_MAX ? realloc(*items, more * sizeof(*grown)) : NULL;

		if (!grown) {
			fprintf(stderr, "visorctl: %s: more than %d rules\n", import->file,
				ITEMS_MAX);
			exit(OUTCOME_REFUSED);
		}
		*items = grown;
		*room = more;
	}
	return &(*items)[(*n)++];
}

void import_comment(struct import *import, struct instance *inst, const char *text)
{
	struct item *item =
		inst ? import_item(import, &inst->items, &inst->n, &inst->room) :
		       import_item(import, &import->notes, &import->n_notes, &import->notes_room);

	*item = (struct item){ .comment = text };
}

const char *import_clean(struct import *import, const char *text)
{
	char *copy = arena_print(&import->arena, "%s", text);

	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\')
			*c = '?';
	return copy;
}

static const char *place_text(struct import *import, const struct place *place)
{
	struct arena *arena = &import->arena;
	const char *text;

	if (!place)
		return "";
	text = arena_print(arena, "table %s %s", import_clean(import, place->family),
			   import_clean(import, place->table));
	if (place->chain)
		text = arena_print(arena, "%s chain %s", text, import_clean(import, place->chain));
	if (place->handle)
		text = arena_print(arena, "%s handle %lld", text, (long long)place->handle);
	return arena_print(arena, "%s: ", text);
}

void import_tell(struct import *import, struct instance *inst, enum import_kind kind,
		 const struct place *place, const char *format, ...)
{
	static const char *const kinds[] = { "not carried: ", "differs: ", "note: " };
	char message[1024];
	const char *text;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	text = arena_print(&import->arena, "%s%s%s", place_text(import, place), kinds[kind],
			   message);
	import_comment(import, inst, text);
	if (json_object_get(import->told, text))
		return;
	json_object_set_new(import->told, text, json_true());
	fprintf(stderr, "visorctl: %s\n", text);
	import->lost += kind != IMPORT_NOTE;
}

static bool has_rules(const struct import_chain *chain)
{
	return json_array_size(chain->rules) || !strcmp(chain->policy, "drop");
}

static bool is_hook(const struct import_chain *chain, const char *hook)
{
	return !strcmp(chain->hook, hook);
}

/* A base chain that becomes no firewall. */
static void pass_over(struct import *import, const struct import_chain *chain)
{
	const struct place place = { chain->family, chain->table, chain->name, 0 };

	if (!has_rules(chain))
		return;
	if (is_hook(chain, "input") || is_hook(chain, "output"))
		import_tell(
			import, NULL, IMPORT_NOTE, &place,
			"hook %s is about packets of the host itself, which stay with the kernel "
			"and its ruleset",
			import_clean(import, chain->hook));
	else if (!strcmp(chain->family, "arp"))
		import_tell(import, NULL, IMPORT_NOTE, &place,
			    "ARP stays with the kernel and its ruleset");
	else if (!strcmp(chain->type, "nat"))
		import_tell(import, NULL, IMPORT_LOST, &place, "address translation");
	else
		import_tell(import, NULL, IMPORT_LOST, &place, "a chain of type %s at hook %s",
			    import_clean(import, chain->type), import_clean(import, chain->hook));
}

/* 0 prerouting, 1 forward, 2 postrouting; -1: not where forwarded packets are filtered. */
static int stage(const struct import_chain *chain)
{
	if (strcmp(chain->type, "filter") ||
	    (strcmp(chain->family, "ip") && strcmp(chain->family, "ip6") &&
	     strcmp(chain->family, "inet")))
		return -1;
	return is_hook(chain, "prerouting")  ? 0 :
	       is_hook(chain, "forward")     ? 1 :
	       is_hook(chain, "postrouting") ? 2 :
					       -1;
}

static int order(const void *a, const void *b)
{
	const struct import_chain *one = ((const struct instance *)a)->chain;
	const struct import_chain *other = ((const struct instance *)b)->chain;

	if (stage(one) != stage(other))
		return stage(one) - stage(other);
	if (one->priority != other->priority)
		return one->priority < other->priority ? -1 : 1;
	return one < other ? -1 : 1;
}

static bool sleeps(struct import *import, const struct import_chain *chain)
{
	return json_object_get(import->asleep,
			       arena_print(&import->arena, "%s\n%s", chain->family, chain->table));
}

static void choose_chains(struct import *import)
{
	for (size_t i = 0; i < import->n_chains; i++) {
		const struct import_chain *chain = &import->chains[i];
		const struct place place = { chain->family, chain->table, chain->name, 0 };

		if (!chain->hook)
			continue;
		if (sleeps(import, chain))
			import_tell(import, NULL, IMPORT_NOTE, &place, "its table is dormant");
		else if (stage(chain) < 0)
			pass_over(import, chain);
		else if (has_rules(chain))
			import->instances[import->n_instances++] = (struct instance){
				.chain = chain,
				.set_names = json_object(),
			};
	}
	if (import->n_instances)
		qsort(import->instances, import->n_instances, sizeof(*import->instances), order);
}

static bool of_one_family(const struct instance *inst)
{
	return strcmp(inst->chain->family, "inet") != 0;
}

/* The chain does not see packets of the other family, whatever their state. */
static void let_other_family(struct import *import, struct instance *inst)
{
	const bool six = !strcmp(inst->chain->family, "ip6");
	const enum field family = FIELD_FAMILY;
	struct item item = { .action = ACTION_ACCEPT };

	if (!of_one_family(inst) || inst->merged ||
	    (strcmp(inst->chain->policy, "drop") && !inst->asks_state))
		return;
	item.name = import_name(import, inst->names, six ? "all-ipv4" : "all-ipv6");
	for (unsigned state = 0; import_states[state]; state++)
		if (strcmp(import_states[state], "established"))
			item.states |= 1u << state;
	term_any(import, &item.term);
	item.term.field[family] = ranges_one(&import->arena, !six, !six);
	import_item(import, &inst->items, &inst->n, &inst->room);
	memmove(&inst->items[1], inst->items, (inst->n - 1) * sizeof(*inst->items));
	inst->items[0] = item;
}

/* One sees IPv4 and the other one IPv6, at the same place. */
static bool are_twins(const struct instance *a, const struct instance *b)
{
	return of_one_family(a) && of_one_family(b) && strcmp(a->chain->family, b->chain->family) &&
	       stage(a->chain) == stage(b->chain) && a->chain->priority == b->chain->priority;
}

/* What iptables and ip6tables have made is one firewall, if both have the same policy and both ask
 * for states or neither does. */
static bool merge(struct import *import, struct instance *a, struct instance *b)
{
	if (!are_twins(a, b) || a->merged || a->asks_state != b->asks_state ||
	    strcmp(a->chain->policy, b->chain->policy))
		return false;
	import_comment(import, a, import_chain_text(import, b->chain));
	for (size_t i = 0; i < b->n; i++)
		*import_item(import, &a->items, &a->n, &a->room) = b->items[i];
	a->strict = ranges_or(&import->arena, a->strict, b->strict);
	a->loose = ranges_or(&import->arena, a->loose, b->loose);
	a->merged = true;
	return true;
}

static void count_limits(struct import *import)
{
	for (size_t c = 0; c < import->n_chains; c++) {
		const json_t *rule, *statement;
		size_t r, s;

		json_array_foreach (import->chains[c].rules, r, rule) {
			json_array_foreach (json_object_get(rule, "expr"), s, statement) {
				const char *name =
					json_string_value(json_object_get(statement, "limit"));
				const char *key;

				if (!name)
					continue;
				key = arena_print(&import->arena, "limit\n%s\n%s\n%s",
						  import->chains[c].family, import->chains[c].table,
						  name);
				json_object_set_new(import->uses, key,
						    json_integer(json_integer_value(json_object_get(
									 import->uses, key)) +
								 1));
			}
		}
	}
}

/* A zone needs interfaces, which only the ruleset's rules can tell. */
static void check_zones(struct import *import, struct instance *inst)
{
	const struct place place = { inst->chain->family, inst->chain->table, inst->chain->name,
				     0 };

	if ((inst->strict.n || inst->loose.n) && !json_array_size(import->ifaces))
		import_tell(import, inst, IMPORT_LOST, &place,
			    "the reverse path check: the ruleset names no interface to make a zone "
			    "of; antispoof = \"strict\" or \"loose\" of a zone does it");
}

static void forget_instance(struct instance *inst)
{
	free(inst->items);
	json_decref(inst->names);
	json_decref(inst->set_names);
}

/* It lets everything through; what was said about it is said at the top. */
static void drop_instance(struct import *import, struct instance *inst)
{
	for (size_t i = 0; i < inst->n; i++)
		if (inst->items[i].comment)
			import_comment(import, NULL, inst->items[i].comment);
	forget_instance(inst);
}

static void carry(struct import *import)
{
	struct instance *all = import->instances;
	json_t *names = json_object();
	size_t kept = 0;

	count_limits(import);
	choose_chains(import);
	for (size_t i = 0; i < import->n_instances; i++) {
		all[i].names = i && are_twins(&all[i - 1], &all[i]) ?
				       json_incref(all[i - 1].names) :
				       json_object();
		import_walk(import, &all[i]);
	}
	for (size_t i = 0; i < import->n_instances; i++) {
		if (!all[i].decides)
			drop_instance(import, &all[i]);
		else if (kept && merge(import, &all[kept - 1], &all[i]))
			forget_instance(&all[i]);
		else
			all[kept++] = all[i];
	}
	import->n_instances = kept;
	for (size_t i = 0; i < kept; i++) {
		all[i].name = import_name(import, names,
					  arena_print(&import->arena, "%s-%s", all[i].chain->table,
						      all[i].chain->name));
		let_other_family(import, &all[i]);
		check_zones(import, &all[i]);
	}
	json_decref(names);
}

static void summary(const struct import *import)
{
	fprintf(stderr, "visorctl: %s: %zu rules in %zu firewalls", import->file, import->rules,
		import->n_instances);
	if (import->lost)
		fprintf(stderr, "; %zu things are not carried or differ, see above", import->lost);
	fputc('\n', stderr);
}

/* The configuration is made first: one that is too large is not for visord, and says so. */
static void print_bounded(struct import *import, bool firewall_only, FILE *out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);

	if (!memory || (import_print(import, firewall_only, memory), fclose(memory)))
		err(OUTCOME_REFUSED, "import");
	fwrite(text, 1, len, out);
	free(text);
	if (len <= CONFIG_MAX)
		return;
	import->lost++;
	fprintf(stderr,
		"visorctl: the configuration has %zu bytes, %d are what visord takes: move the "
		"elements of large sets to list files (file = \"…\" in the set)\n",
		len, CONFIG_MAX);
}

enum outcome import_nft(const char *path, bool firewall_only, FILE *out)
{
	const bool stdin_wanted = !strcmp(path, "-");
	struct import import = { .file = stdin_wanted ? "standard input" : path };
	enum outcome outcome = OUTCOME_REFUSED;
	FILE *in = stdin_wanted ? stdin : fopen(path, "re");

	if (!in) {
		fprintf(stderr, "visorctl: %s: %s\n", path, strerror(errno));
		return OUTCOME_REFUSED;
	}
	if (import_read(&import, in)) {
		carry(&import);
		print_bounded(&import, firewall_only, out);
		summary(&import);
		outcome = import.lost ? OUTCOME_PARTIAL : OUTCOME_OK;
	}
	if (!stdin_wanted)
		fclose(in);
	import_forget(&import);
	return outcome;
}
