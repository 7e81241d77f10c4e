/* SPDX-License-Identifier: Apache-2.0 */
/* Firewalls: rules and what they did, sets, limits; and sets by themselves. See view.h. */
#include <stdlib.h>
#include <string.h>

#include "value.h"
#include "view.h"

static enum colour action_colour(const char *action)
{
	if (!strcmp(action, "accept"))
		return COLOUR_GOOD;
	return strcmp(action, "drop") && strcmp(action, "reject") ? COLOUR_NONE : COLOUR_BAD;
}

static void duration_cell(struct table *table, const json_t *object, const char *key)
{
	char text[VALUE_TEXT];

	if (json_is_integer(json_object_get(object, key)))
		table_cell(table, COLOUR_NONE, "%s",
			   value_duration(text, value_integer(object, key)));
	else
		table_cell(table, COLOUR_DIM, "-");
}

static void rules_table(const json_t *rules, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "RULE", 0 },
		{ "ACTION", 0 },
		{ "PACKETS", COLUMN_RIGHT },
		{ "BYTES", COLUMN_RIGHT },
		{ "FLOWS", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "LAST", COLUMN_RIGHT },
		{ "FLOWS-REFUSED", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "LOGGED", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "NOT-LOGGED", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "MEETS", 0 },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		value_cell(table, COLOUR_NONE, rule, "name");
		value_cell(table, action_colour(value_string(rule, "action")), rule, "action");
		value_count_cell(table, style, COLOUR_NONE, rule, "packets");
		value_bytes_cell(table, style, rule, "bytes");
		value_count_cell(table, style, COLOUR_NONE, rule, "flows");
		duration_cell(table, rule, "last_s");
		value_count_cell(table, style, COLOUR_WARN, rule, "flows_refused");
		value_count_cell(table, style, COLOUR_NONE, rule, "logged");
		value_count_cell(table, style, COLOUR_WARN, rule, "log_left_out");
		value_cell(table, COLOUR_DIM, rule, "meets");
	}
	table_print(table, style, true, out);
	table_free(table);
}

static void sets_table(const json_t *sets, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "SET", 0 },
		{ "OF", 0 },
		{ "ENTRIES", COLUMN_RIGHT },
		{ "CONFIGURED", COLUMN_RIGHT },
		{ "ADDED", COLUMN_RIGHT },
		{ "TIMED", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "EXPIRED", COLUMN_RIGHT | COLUMN_OPTIONAL },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *set;
	size_t i;

	json_array_foreach (sets, i, set) {
		value_cell(table, COLOUR_NONE, set, "name");
		value_cell(table, COLOUR_NONE, set, "type");
		value_count_cell(table, style, COLOUR_NONE, set, "entries");
		value_count_cell(table, style, COLOUR_NONE, set, "configured");
		value_count_cell(table, style, COLOUR_NONE, set, "added");
		value_count_cell(table, style, COLOUR_NONE, set, "timed");
		value_count_cell(table, style, COLOUR_NONE, set, "expired");
	}
	if (i)
		fputc('\n', out);
	table_print(table, style, true, out);
	table_free(table);
}

/* A table of sources, where the rules have one. */
static void sources_line(const json_t *firewall, const char *key, const char *what,
			 const struct style *style, FILE *out)
{
	const json_t *sources = json_object_get(firewall, key);
	char used[VALUE_TEXT], size[VALUE_TEXT], refused[VALUE_TEXT];

	if (!sources)
		return;
	fprintf(out, "\n%s: room for %s, %s in use, %s refused for want of room\n", what,
		value_count(size, value_integer(sources, "size"), style),
		value_count(used, value_integer(sources, "used"), style),
		value_count(refused, value_integer(sources, "refused"), style));
}

/* There may be more than were shown: the daemon sends so many, or those that were asked for. */
static void rules_left(const json_t *firewall, const struct style *style, FILE *out)
{
	const json_int_t shown = (json_int_t)json_array_size(json_object_get(firewall, "rules"));
	const json_int_t total = value_integer(firewall, "rules_total");
	char all[VALUE_TEXT];

	if (total > shown)
		fprintf(out, "\n%" JSON_INTEGER_FORMAT " of %s rules\n", shown,
			value_count(all, total, style));
}

static void firewall_print(const json_t *firewall, const struct style *style, FILE *out)
{
	bool stateful = json_is_true(json_object_get(firewall, "stateful"));

	fprintf(out, "%sfirewall:%s%s  %s; what no rule decides: %s%s%s\n\n",
		style_on(style, COLOUR_TITLE), value_string(firewall, "name"),
		style_off(style, COLOUR_TITLE), stateful ? "stateful" : "stateless",
		value_string(firewall, "default"), stateful ? "; flows when rules change: " : "",
		stateful ? value_string(firewall, "on_change") : "");
	rules_table(json_object_get(firewall, "rules"), style, out);
	rules_left(firewall, style, out);
	sets_table(json_object_get(firewall, "sets"), style, out);
	sources_line(firewall, "flows_by_source", "flows by source", style, out);
	sources_line(firewall, "rate_by_source", "rates by source", style, out);
}

void view_firewall(const json_t *result, const struct style *style, FILE *out)
{
	json_t *firewall;
	size_t i;

	json_array_foreach (json_object_get(result, "firewall"), i, firewall) {
		if (i)
			fputc('\n', out);
		firewall_print(firewall, style, out);
	}
	if (!i)
		fputs("no firewall\n", out);
}

void view_set(const json_t *result, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "ENTRY", 0 },
		{ "FROM", 0 },
		{ "ENDS-IN", COLUMN_RIGHT | COLUMN_OPTIONAL },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_int_t total = value_integer(result, "total");
	const json_t *next = json_object_get(result, "next");
	char all[VALUE_TEXT];
	json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(result, "entries"), i, entry) {
		value_cell(table, COLOUR_NONE, entry, "entry");
		value_cell(table, COLOUR_NONE, entry, "origin");
		duration_cell(table, entry, "expires_s");
	}
	table_print(table, style, true, out);
	table_free(table);
	if (!total)
		fprintf(out, "%s is empty\n", value_string(result, "set"));
	else if (next && !json_is_null(next) && !style->all)
		fprintf(out, "\n%zu of %s; --all for all of them\n", i,
			value_count(all, total, style));
}

void view_set_change(const json_t *result, const struct style *style, FILE *out)
{
	const json_int_t unchanged = value_integer(result, "unchanged");
	char changed[VALUE_TEXT], entries[VALUE_TEXT];

	fprintf(out, "%s: %s changed", value_string(result, "set"),
		value_count(changed, value_integer(result, "changed"), style));
	if (unchanged)
		fprintf(out, ", %" JSON_INTEGER_FORMAT " as it was", unchanged);
	fprintf(out, "; %s entries\n",
		value_count(entries, value_integer(result, "entries"), style));
}
