/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are one object: a line for each member, in the daemon's order, so that what a newer
 * daemon tells is shown without our knowing it. See view.h.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"
#include "version.h"
#include "view.h"

/* "uptime_s" is shown as "uptime", its value as a duration. */
static bool is_duration(const char *key, const json_t *value)
{
	size_t len = strlen(key);

	return len > 2 && !strcmp(key + len - 2, "_s") && json_is_integer(value);
}

static void label(struct table *table, const char *key, const json_t *value)
{
	char *text = strdup(key);

	if (!text)
		err(1, "answer");
	if (is_duration(key, value))
		text[strlen(text) - 2] = '\0';
	for (char *c = text; *c; c++)
		if (*c == '_')
			*c = ' ';
	table_cell(table, COLOUR_TITLE, "%s:", text);
	free(text);
}

static void field(struct table *table, const char *key, const json_t *value)
{
	char duration[VALUE_TEXT], *text;

	label(table, key, value);
	if (is_duration(key, value)) {
		table_cell(table, COLOUR_NONE, "%s",
			   value_duration(duration, json_integer_value(value)));
		return;
	}
	text = value_text(value);
	table_cell(table, COLOUR_NONE, "%s", text);
	free(text);
}

/* An object is shown as its members, named with the object's name before theirs. */
static void members(struct table *table, const char *key, const json_t *object)
{
	const char *member;
	json_t *value;

	json_object_foreach ((json_t *)object, member, value) {
		char *name;

		if (asprintf(&name, "%s %s", key, member) < 0)
			err(1, "answer");
		field(table, name, value);
		free(name);
	}
}

/* Objects of a list have a line each; only the first is labelled. */
static void list_of_objects(struct table *table, const char *key, const json_t *list)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		char *text = value_text(item);

		if (i)
			table_cell(table, COLOUR_NONE, "%s", "");
		else
			label(table, key, list);
		table_cell(table, COLOUR_NONE, "%s", text);
		free(text);
	}
}

void view_fields(const json_t *result, const struct style *style, FILE *out)
{
	static const struct column columns[] = { { "", 0 }, { "", 0 } };
	struct table *table = table_new(columns, 2);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)result, key, value) {
		if (json_is_array(value) && json_is_object(json_array_get(value, 0)))
			list_of_objects(table, key, value);
		else if (json_is_object(value))
			members(table, key, value);
		else
			field(table, key, value);
	}
	table_print(table, style, false, out);
	table_free(table);
}

void view_config(const json_t *result, const struct style *style, FILE *out)
{
	const char *text = json_string_value(json_object_get(result, "text"));
	size_t len = text ? strlen(text) : 0;

	if (!text)
		view_fields(result, style, out);
	else
		fprintf(out, "%s%s", text, len && text[len - 1] != '\n' ? "\n" : "");
}

void view_reload(const json_t *result, const struct style *style, FILE *out)
{
	json_t *more = json_copy((json_t *)result);

	fputs("reloaded\n", out);
	json_object_del(more, "reloaded");
	if (json_is_object(more))
		view_fields(more, style, out);
	json_decref(more);
}

void view_version(const json_t *result, const struct style *style, FILE *out)
{
	fprintf(out, "visorctl %s\n", VISOR_VERSION);
	fprintf(out, "visord %s\n", value_string(result, "version"));
}

void view_functions(const json_t *result, const struct style *style, FILE *out)
{
	json_t *function;
	size_t i;

	json_array_foreach (json_object_get(result, "functions"), i, function) {
		if (i)
			fputc('\n', out);
		fprintf(out, "%s%s:%s%s\n", style_on(style, COLOUR_TITLE),
			value_string(function, "function"), value_string(function, "name"),
			style_off(style, COLOUR_TITLE));
		json_object_del(function, "function");
		json_object_del(function, "name");
		view_fields(function, style, out);
	}
	if (!i)
		fputs("no functions\n", out);
}
