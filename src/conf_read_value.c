/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of libconfig's tree into members, and what is said about those that do not fit. A value
 * of the wrong type or out of range leaves the member as it is.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf_reader.h"
#include "suggest.h"

struct conf_where conf_setting_where(const struct conf_reader *r, const config_setting_t *setting)
{
	const struct conf_where *where =
		conf_text_where(r->text, config_setting_source_line(setting));

	return where ? *where : (struct conf_where){ NULL, 0 };
}

static const char *found_text(const config_setting_t *setting, char *text, size_t size)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(text, size, "%lld", config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(text, size, "%g", config_setting_get_float(setting));
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(text, size, "%s", config_setting_get_bool(setting) ? "true" : "false");
		break;
	case CONFIG_TYPE_STRING:
		snprintf(text, size, "\"%.60s\"", config_setting_get_string(setting));
		break;
	case CONFIG_TYPE_GROUP: return "{ … }";
	case CONFIG_TYPE_ARRAY: return "[ … ]";
	default: return "( … )";
	}
	return text;
}

static const char *found_type(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64: return "an integer";
	case CONFIG_TYPE_FLOAT: return "a number with a fraction";
	case CONFIG_TYPE_BOOL: return "a boolean";
	case CONFIG_TYPE_STRING: return "a string";
	case CONFIG_TYPE_GROUP: return "a group";
	case CONFIG_TYPE_ARRAY: return "an array";
	default: return "a list";
	}
}

/* "LABEL: KEY = VALUE: MESSAGE" at the value's place. */
__attribute__((format(printf, 5, 6))) static void
mistake(struct conf_reader *r, const struct conf_object *object, const struct conf_key *key,
	const config_setting_t *setting, const char *format, ...)
{
	struct conf_where where = conf_setting_where(r, setting);
	char found[80], *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	conf_error(r->errors, &where, "%s%s%s = %s: %s", object->label, *object->label ? ": " : "",
		   key->name, found_text(setting, found, sizeof(found)), text ? text : "wrong");
	free(text);
}

static void choices_text(const struct conf_key *key, char *text, size_t size)
{
	size_t n = 0;

	*text = '\0';
	for (unsigned i = 0; key->choices[i] && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s\"%s\"",
				      !i		  ? "" :
				      key->choices[i + 1] ? ", " :
							    " or ",
				      key->choices[i]);
}

void conf_wrong_type(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting)
{
	const char *example = key->dflt && *key->dflt ? key->dflt : NULL;
	char expected[256], choices[160];

	switch (key->type) {
	case CONF_BOOL: snprintf(expected, sizeof(expected), "true or false"); break;
	case CONF_INT:
		snprintf(expected, sizeof(expected), "an integer such as %lld",
			 example && strcmp(example, "0") ? strtoll(example, NULL, 0) :
			 key->min > 0			 ? (long long)key->min :
							   1);
		break;
	case CONF_STRING:
		snprintf(expected, sizeof(expected), "a string such as \"%s\"",
			 example ? example : "eth0");
		break;
	case CONF_NAME:
		snprintf(expected, sizeof(expected), "a name such as \"%s\"",
			 example ? example : "a1");
		break;
	case CONF_ENUM:
		choices_text(key, choices, sizeof(choices));
		snprintf(expected, sizeof(expected), "%s", choices);
		break;
	case CONF_ADDRESS:
		snprintf(expected, sizeof(expected),
			 "an address such as \"192.0.2.1\" or \"2001:db8::1\"");
		break;
	case CONF_PREFIX:
		snprintf(expected, sizeof(expected),
			 "a prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"");
		break;
	case CONF_INTS:
		snprintf(expected, sizeof(expected),
			 "an integer or an array of them such as [ 1, 2 ]");
		break;
	case CONF_STRINGS:
		snprintf(expected, sizeof(expected),
			 "a string or an array of them such as [ \"%s\" ]",
			 example ? example : "a");
		break;
	case CONF_WORDS:
		snprintf(expected, sizeof(expected),
			 "a string, an integer or an array of them such as [ 80, \"8000-8080\" ]");
		break;
	case CONF_GROUP: snprintf(expected, sizeof(expected), "a group { … }"); break;
	case CONF_LIST:
		snprintf(expected, sizeof(expected), "a list of groups ( { … }, { … } )");
		break;
	}
	mistake(r, object, key, setting, "expected %s, found %s", expected, found_type(setting));
}

static bool is_type(const config_setting_t *setting, int type)
{
	int found = config_setting_type(setting);

	return found == type || (type == CONFIG_TYPE_INT && found == CONFIG_TYPE_INT64);
}

static const char *unit_text(const struct conf_key *key)
{
	return key->unit ? key->unit : "";
}

static bool int_read(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting, int64_t *value)
{
	int64_t found;

	if (!is_type(setting, CONFIG_TYPE_INT)) {
		conf_wrong_type(r, object, key, setting);
		return false;
	}
	found = config_setting_get_int64(setting);
	if (found < key->min || found > key->max) {
		mistake(r, object, key, setting, "expected %" PRId64 " to %" PRId64 "%s%s",
			key->min, key->max, key->unit ? " " : "", unit_text(key));
		return false;
	}
	*value = found;
	return true;
}

/* A string that is not empty; NULL: not one, reported. */
static const char *string_read(struct conf_reader *r, const struct conf_object *object,
			       const struct conf_key *key, const config_setting_t *setting)
{
	const char *found;

	if (!is_type(setting, CONFIG_TYPE_STRING)) {
		conf_wrong_type(r, object, key, setting);
		return NULL;
	}
	found = config_setting_get_string(setting);
	if (!*found) {
		mistake(r, object, key, setting, "expected a value, found an empty string");
		return NULL;
	}
	return found;
}

static void plain_string_read(struct conf_reader *r, const struct conf_object *object,
			      const struct conf_key *key, const config_setting_t *setting,
			      const char **value)
{
	const char *found = string_read(r, object, key, setting);
	size_t n = found ? strlen(found) : 0;

	if (!found)
		return;
	if (key->type == CONF_NAME && !conf_name_valid(found))
		mistake(r, object, key, setting,
			"expected a name: 1 to 31 letters, digits, \"_\", \".\" or \"-\"");
	else if (key->type == CONF_STRING && key->max && n > (size_t)key->max)
		mistake(r, object, key, setting, "expected at most %" PRId64 " bytes, found %zu",
			key->max, n);
	else
		*value = conf_arena_strdup(r->arena, found);
}

static const char *next_choice(void *arg, unsigned i)
{
	return ((const struct conf_key *)arg)->choices[i];
}

static void enum_read(struct conf_reader *r, const struct conf_object *object,
		      const struct conf_key *key, const config_setting_t *setting, int *value)
{
	const char *found, *meant;
	char choices[160];

	found = string_read(r, object, key, setting);
	if (!found || conf_enum_parse(key->choices, found, value))
		return;
	choices_text(key, choices, sizeof(choices));
	meant = suggest_from(found, next_choice, (void *)key);
	mistake(r, object, key, setting, "expected %s%s%s%s", choices,
		meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
}

static void address_read(struct conf_reader *r, const struct conf_object *object,
			 const struct conf_key *key, const config_setting_t *setting,
			 struct ip_addr *value)
{
	const char *found = string_read(r, object, key, setting);
	struct ip_addr addr;

	if (!found)
		return;
	if (conf_address_parse(found, &addr))
		*value = addr;
	else if (strchr(found, '/'))
		mistake(r, object, key, setting, "expected an address, found a prefix");
	else if (!strncasecmp(found, "::ffff:", 7))
		mistake(r, object, key, setting, "expected an IPv4 address as \"192.0.2.1\"");
	else
		mistake(r, object, key, setting,
			"expected an address such as \"192.0.2.1\" or \"2001:db8::1\"");
}

static void prefix_read(struct conf_reader *r, const struct conf_object *object,
			const struct conf_key *key, const config_setting_t *setting,
			struct conf_prefix *value)
{
	const char *found = string_read(r, object, key, setting);
	struct conf_prefix prefix;
	char meant[CONF_VALUE_TEXT];
	bool host_bits;

	if (!found)
		return;
	if (!conf_prefix_parse(found, &prefix, &host_bits))
		mistake(r, object, key, setting, "expected a prefix such as \"%s\" or \"%s\"",
			strcmp(found, "default") ? "192.0.2.0/24" : "0.0.0.0/0",
			strcmp(found, "default") ? "2001:db8::/32" : "::/0");
	else if (host_bits)
		mistake(r, object, key, setting,
			"bits after the prefix are set; did you mean \"%s\"?",
			conf_prefix_text(&prefix, meant));
	else
		*value = prefix;
}

/* Elements of an array, or the one value that stands for an array of one. */
static unsigned elements(const config_setting_t *setting)
{
	return config_setting_is_aggregate(setting) ? (unsigned)config_setting_length(setting) : 1;
}

static const config_setting_t *element(const config_setting_t *setting, unsigned i)
{
	return config_setting_is_aggregate(setting) ? config_setting_get_elem(setting, i) : setting;
}

bool conf_count_fits(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting, unsigned n)
{
	const char *what = key->type == CONF_LIST ? "group" : "value";

	if ((int64_t)n < key->min)
		mistake(r, object, key, setting, "expected at least %" PRId64 " %s%s, found %u",
			key->min, what, key->min == 1 ? "" : "s", n);
	else if (key->max && (int64_t)n > key->max)
		mistake(r, object, key, setting, "expected at most %" PRId64 " %s%s, found %u",
			key->max, what, key->max == 1 ? "" : "s", n);
	else
		return true;
	return false;
}

static bool is_array(const config_setting_t *setting)
{
	return !config_setting_is_group(setting);
}

static void ints_read(struct conf_reader *r, const struct conf_object *object,
		      const struct conf_key *key, const config_setting_t *setting,
		      struct conf_ints *value)
{
	unsigned n = elements(setting);
	struct conf_where where;

	if (!is_array(setting)) {
		conf_wrong_type(r, object, key, setting);
		return;
	}
	value->n = 0;
	value->value = conf_arena_alloc(r->arena, n * sizeof(*value->value));
	for (unsigned i = 0; value->value && i < n; i++) {
		where = conf_setting_where(r, element(setting, i));
		conf_errors_place(r->errors, &value->value[value->n], &where);
		value->n += int_read(r, object, key, element(setting, i), &value->value[value->n]);
	}
}

static void strings_read(struct conf_reader *r, const struct conf_object *object,
			 const struct conf_key *key, const config_setting_t *setting,
			 struct conf_strings *value)
{
	unsigned n = elements(setting);
	struct conf_where where;
	const char *found;

	if (!is_array(setting)) {
		conf_wrong_type(r, object, key, setting);
		return;
	}
	if (!conf_count_fits(r, object, key, setting, n))
		return;
	value->n = 0;
	value->value = conf_arena_alloc(r->arena, n * sizeof(*value->value));
	for (unsigned i = 0; value->value && i < n; i++) {
		found = string_read(r, object, key, element(setting, i));
		if (!found)
			continue;
		where = conf_setting_where(r, element(setting, i));
		conf_errors_place(r->errors, &value->value[value->n], &where);
		value->value[value->n] = conf_arena_strdup(r->arena, found);
		value->n += !!value->value[value->n];
	}
}

static const char *word_read(struct conf_reader *r, const struct conf_object *object,
			     const struct conf_key *key, const config_setting_t *setting)
{
	const char *found;
	char text[24];

	if (is_type(setting, CONFIG_TYPE_INT)) {
		snprintf(text, sizeof(text), "%lld", config_setting_get_int64(setting));
		return conf_arena_strdup(r->arena, text);
	}
	found = string_read(r, object, key, setting);
	return found ? conf_arena_strdup(r->arena, found) : NULL;
}

static void words_read(struct conf_reader *r, const struct conf_object *object,
		       const struct conf_key *key, const config_setting_t *setting,
		       struct conf_strings *value)
{
	unsigned n = elements(setting);
	struct conf_where where;

	if (!is_array(setting)) {
		conf_wrong_type(r, object, key, setting);
		return;
	}
	if (!conf_count_fits(r, object, key, setting, n))
		return;
	value->n = 0;
	value->value = conf_arena_alloc(r->arena, n * sizeof(*value->value));
	for (unsigned i = 0; value->value && i < n; i++) {
		where = conf_setting_where(r, element(setting, i));
		conf_errors_place(r->errors, &value->value[value->n], &where);
		value->value[value->n] = word_read(r, object, key, element(setting, i));
		value->n += !!value->value[value->n];
	}
}

void conf_value_read(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting, void *member)
{
	switch (key->type) {
	case CONF_BOOL:
		if (is_type(setting, CONFIG_TYPE_BOOL))
			*(bool *)member = config_setting_get_bool(setting);
		else
			conf_wrong_type(r, object, key, setting);
		break;
	case CONF_INT: int_read(r, object, key, setting, member); break;
	case CONF_STRING:
	case CONF_NAME: plain_string_read(r, object, key, setting, member); break;
	case CONF_ENUM: enum_read(r, object, key, setting, member); break;
	case CONF_ADDRESS: address_read(r, object, key, setting, member); break;
	case CONF_PREFIX: prefix_read(r, object, key, setting, member); break;
	case CONF_INTS: ints_read(r, object, key, setting, member); break;
	case CONF_STRINGS: strings_read(r, object, key, setting, member); break;
	case CONF_WORDS: words_read(r, object, key, setting, member); break;
	case CONF_GROUP:
	case CONF_LIST: break;
	}
}
