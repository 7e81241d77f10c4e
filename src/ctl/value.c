/* SPDX-License-Identifier: Apache-2.0 */
/* Values of an answer as text. See value.h. */
#include "value.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *value_string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : "-";
}

json_int_t value_integer(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_real(value) ? (json_int_t)json_real_value(value) : json_integer_value(value);
}

static void print_scalar(FILE *out, const json_t *value)
{
	if (json_is_string(value))
		fputs(json_string_value(value), out);
	else if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%.1f", json_real_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", out);
	else
		fputc('-', out);
}

static void print_value(FILE *out, const json_t *value, const char *separator)
{
	const char *key, *before = "";
	json_t *item;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach (value, i, item) {
			fputs(before, out);
			print_value(out, item, separator);
			before = separator;
		}
		if (!json_array_size(value))
			fputc('-', out);
	} else if (json_is_object(value)) {
		json_object_foreach ((json_t *)value, key, item) {
			fprintf(out, "%s%s ", before, key);
			print_value(out, item, separator);
			before = " ";
		}
	} else {
		print_scalar(out, value);
	}
}

static char *to_text(const json_t *value, const char *separator)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		err(1, "value");
	print_value(out, value, separator);
	if (fclose(out))
		err(1, "value");
	return text;
}

char *value_text(const json_t *value)
{
	return to_text(value, ", ");
}

void value_cell(struct table *table, enum colour colour, const json_t *object, const char *key)
{
	char *text = to_text(json_object_get(object, key), " ");

	table_cell(table, colour, "%s", *text ? text : "-");
	free(text);
}

/* Three digits and a unit: what an eye takes in. */
static char *scaled(char text[VALUE_TEXT], json_int_t number, double step, const char *const *units)
{
	double value = (double)number;
	unsigned unit = 0;

	while (value >= 999.5 && units[unit + 1]) {
		value /= step;
		unit++;
	}
	if (!unit)
		snprintf(text, VALUE_TEXT, "%" JSON_INTEGER_FORMAT "%s%s", number,
			 *units[0] ? " " : "", units[0]);
	else
		snprintf(text, VALUE_TEXT, "%.*f %s",
			 value < 9.995 ? 2 :
			 value < 99.95 ? 1 :
					 0,
			 value, units[unit]);
	return text;
}

char *value_count(char text[VALUE_TEXT], json_int_t count, const struct style *style)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E", NULL };

	if (style->human)
		return scaled(text, count, 1000, units);
	snprintf(text, VALUE_TEXT, "%" JSON_INTEGER_FORMAT, count);
	return text;
}

char *value_bytes(char text[VALUE_TEXT], json_int_t bytes, const struct style *style)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL };

	if (style->human)
		return scaled(text, bytes, 1024, units);
	snprintf(text, VALUE_TEXT, "%" JSON_INTEGER_FORMAT, bytes);
	return text;
}

char *value_duration(char text[VALUE_TEXT], json_int_t seconds)
{
	const int64_t s = seconds, days = s / 86400;

	if (s < 60)
		snprintf(text, VALUE_TEXT, "%" PRId64 " s", s);
	else if (s < 3600)
		snprintf(text, VALUE_TEXT, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else if (!days)
		snprintf(text, VALUE_TEXT, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(text, VALUE_TEXT, "%" PRId64 " d %" PRId64 " h", days, s / 3600 % 24);
	return text;
}

void value_count_cell(struct table *table, const struct style *style, enum colour colour,
		      const json_t *object, const char *key)
{
	char text[VALUE_TEXT];

	if (json_is_number(json_object_get(object, key)))
		table_cell(table, colour, "%s",
			   value_count(text, value_integer(object, key), style));
	else
		table_cell(table, COLOUR_NONE, "-");
}

void value_bytes_cell(struct table *table, const struct style *style, const json_t *object,
		      const char *key)
{
	char text[VALUE_TEXT];

	if (json_is_number(json_object_get(object, key)))
		table_cell(table, COLOUR_NONE, "%s",
			   value_bytes(text, value_integer(object, key), style));
	else
		table_cell(table, COLOUR_NONE, "-");
}
