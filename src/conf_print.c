/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs back to libconfig text that reads to the same structs, and to JSON. Keys without a value
 * (no name, no address) are left out in both: absence is how a file says that, too. The text
 * leaves out empty lists as well.
 */
#include "conf_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void indent(FILE *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		fputc('\t', out);
}

static void string_print(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void strings_print(FILE *out, const struct conf_strings *strings)
{
	fputs("[", out);
	for (unsigned i = 0; i < strings->n; i++) {
		fputs(i ? ", " : " ", out);
		string_print(out, strings->value[i]);
	}
	fputs(" ]", out);
}

/* An integer without quotes, but not one that would be read as another text ("010"). */
static bool is_integer(const char *word)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", strtoll(word, NULL, 10));
	return !strcmp(text, word);
}

static void words_print(FILE *out, const struct conf_strings *words)
{
	fputs("[", out);
	for (unsigned i = 0; i < words->n; i++) {
		fputs(i ? ", " : " ", out);
		if (is_integer(words->value[i]))
			fputs(words->value[i], out);
		else
			string_print(out, words->value[i]);
	}
	fputs(" ]", out);
}

static void ints_print(FILE *out, const struct conf_ints *ints)
{
	fputs("[", out);
	for (unsigned i = 0; i < ints->n; i++)
		fprintf(out, "%s%" PRId64, i ? ", " : " ", ints->value[i]);
	fputs(" ]", out);
}

static void group_print(FILE *out, const struct conf_schema *schema, const void *filled,
			unsigned depth)
{
	fputs("{\n", out);
	conf_struct_print(out, schema, filled, depth + 1);
	indent(out, depth);
	fputc('}', out);
}

static void list_print(FILE *out, const struct conf_schema *sub, const struct conf_list *list,
		       unsigned depth)
{
	fputs("(", out);
	for (unsigned i = 0; i < list->n; i++) {
		fputs(i ? ", " : " ", out);
		group_print(out, sub, (const char *)list->item + i * sub->size, depth);
	}
	fputs(" )", out);
}

static void value_print(FILE *out, const struct conf_key *key, const void *member, unsigned depth)
{
	char text[CONF_VALUE_TEXT];

	switch (key->type) {
	case CONF_BOOL: fputs(*(const bool *)member ? "true" : "false", out); break;
	case CONF_INT: fprintf(out, "%" PRId64, *(const int64_t *)member); break;
	case CONF_STRING:
	case CONF_NAME: string_print(out, *(const char *const *)member); break;
	case CONF_ENUM: string_print(out, key->choices[*(const int *)member]); break;
	case CONF_ADDRESS: string_print(out, conf_address_text(member, text)); break;
	case CONF_PREFIX: string_print(out, conf_prefix_text(member, text)); break;
	case CONF_INTS: ints_print(out, member); break;
	case CONF_STRINGS: strings_print(out, member); break;
	case CONF_WORDS: words_print(out, member); break;
	case CONF_GROUP: group_print(out, key->sub, member, depth); break;
	case CONF_LIST: list_print(out, key->sub, member, depth); break;
	}
}

static bool worth_printing(const struct conf_key *key, const void *member)
{
	if (key->type == CONF_LIST && !key->required)
		return ((const struct conf_list *)member)->n != 0;
	if (key->type == CONF_WORDS && !key->required)
		return ((const struct conf_strings *)member)->n != 0;
	return conf_key_present(key, member);
}

void conf_struct_print(FILE *out, const struct conf_schema *schema, const void *filled,
		       unsigned depth)
{
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		const void *member = conf_member(key, filled);

		if (!worth_printing(key, member))
			continue;
		indent(out, depth);
		fprintf(out, "%s = ", key->name);
		value_print(out, key, member, depth);
		fputs(";\n", out);
	}
}

/* Strings of a file need not be UTF-8, those of JSON must be. */
static json_t *string_json(const char *s)
{
	json_t *json = json_string(s);
	char *ascii;

	if (json || !(ascii = strdup(s)))
		return json;
	for (char *c = ascii; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	json = json_string(ascii);
	free(ascii);
	return json;
}

static json_t *strings_json(const struct conf_strings *strings)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < strings->n; i++)
		json_array_append_new(array, string_json(strings->value[i]));
	return array;
}

static json_t *ints_json(const struct conf_ints *ints)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < ints->n; i++)
		json_array_append_new(array, json_integer(ints->value[i]));
	return array;
}

static json_t *list_json(const struct conf_schema *sub, const struct conf_list *list)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < list->n; i++)
		json_array_append_new(
			array, conf_struct_json(sub, (const char *)list->item + i * sub->size));
	return array;
}

static json_t *value_json(const struct conf_key *key, const void *member)
{
	char text[CONF_VALUE_TEXT];

	switch (key->type) {
	case CONF_BOOL: return json_boolean(*(const bool *)member);
	case CONF_INT: return json_integer(*(const int64_t *)member);
	case CONF_STRING:
	case CONF_NAME: return string_json(*(const char *const *)member);
	case CONF_ENUM: return json_string(key->choices[*(const int *)member]);
	case CONF_ADDRESS: return json_string(conf_address_text(member, text));
	case CONF_PREFIX: return json_string(conf_prefix_text(member, text));
	case CONF_INTS: return ints_json(member);
	case CONF_STRINGS:
	case CONF_WORDS: return strings_json(member);
	case CONF_GROUP: return conf_struct_json(key->sub, member);
	case CONF_LIST: return list_json(key->sub, member);
	}
	return NULL;
}

json_t *conf_struct_json(const struct conf_schema *schema, const void *filled)
{
	json_t *object = json_object();

	for (const struct conf_key *key = schema->keys; key->name; key++) {
		const void *member = conf_member(key, filled);

		if (conf_key_present(key, member))
			json_object_set_new(object, key->name, value_json(key, member));
	}
	return object;
}
