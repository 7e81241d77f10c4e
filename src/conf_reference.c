/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference of all keys, from the tables: plain text for a terminal, troff (man macros) for
 * visord.conf(5). Top-level keys are sections; the keys of a group are indented below it.
 */
#include "conf_impl.h"

#include <inttypes.h>
#include <string.h>

struct form {
	FILE *out;
	bool troff;
	unsigned depth;
};

/* Words with what troff would take for its own made safe. */
static void words(const struct form *f, const char *text)
{
	if (!f->troff) {
		fputs(text, f->out);
		return;
	}
	for (const char *c = text; *c; c++) {
		if (*c == '\\')
			fputs("\\e", f->out);
		else if (*c == '-')
			fputs("\\-", f->out);
		else if ((*c == '.' || *c == '\'') && c == text)
			fprintf(f->out, "\\&%c", *c);
		else
			fputc(*c, f->out);
	}
}

static void value_form(const struct conf_key *key, char *text, size_t size)
{
	static const char *const forms[] = {
		[CONF_BOOL] = "true | false",
		[CONF_INT] = "NUMBER",
		[CONF_STRING] = "\"STRING\"",
		[CONF_NAME] = "\"NAME\"",
		[CONF_ADDRESS] = "\"ADDRESS\"",
		[CONF_PREFIX] = "\"PREFIX\"",
		[CONF_INTS] = "[ NUMBER, ... ]",
		[CONF_STRINGS] = "[ \"STRING\", ... ]",
		[CONF_WORDS] = "[ NUMBER | \"STRING\", ... ]",
		[CONF_GROUP] = "{ ... }",
		[CONF_LIST] = "( { ... }, ... )",
	};
	size_t n = 0;

	if (key->type != CONF_ENUM) {
		snprintf(text, size, "%s", forms[key->type]);
		return;
	}
	for (unsigned i = 0; key->choices[i] && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s\"%s\"", i ? " | " : "",
				      key->choices[i]);
}

/* "required, unique; 64 to 32768 descriptors; default 2048" */
static void facts(const struct conf_key *key, char *text, size_t size)
{
	bool number = key->type == CONF_INT || key->type == CONF_INTS;
	const char *quote = number || key->type == CONF_BOOL ? "" : "\"";
	size_t n = 0;

	*text = '\0';
#define FACT(...) (n += n < size ? (size_t)snprintf(text + n, size - n, __VA_ARGS__) : 0)
	if (key->required)
		FACT("required");
	if (number)
		FACT("%s%" PRId64 " to %" PRId64 "%s%s", n ? "; " : "", key->min, key->max,
		     key->unit ? " " : "", key->unit ? key->unit : "");
	else if (key->type == CONF_STRING && key->max)
		FACT("%sat most %" PRId64 " bytes", n ? "; " : "", key->max);
	if (key->dflt)
		FACT("%sdefault %s%s%s", n ? "; " : "", quote, key->dflt, quote);
#undef FACT
}

static void heading(const struct form *f, const struct conf_key *key)
{
	char form[256];

	value_form(key, form, sizeof(form));
	if (f->troff) {
		fputs(f->depth ? ".TP\n.B \"" : ".SS \"", f->out);
		words(f, key->name);
		fputs(" = ", f->out);
		for (const char *c = form; *c; c++) /* a quote inside a macro's argument is two */
			fputs(*c == '"' ? "\\(dq" : (char[]){ *c, '\0' }, f->out);
		fputs(";\"\n", f->out);
	} else {
		fprintf(f->out, "%*s%s = %s;\n", (int)(4 * f->depth), "", key->name, form);
	}
}

static void body(const struct form *f, const struct conf_key *key)
{
	char text[256];

	facts(key, text, sizeof(text));
	if (!f->troff)
		fprintf(f->out, "%*s", (int)(4 * f->depth + 4), "");
	words(f, key->doc ? key->doc : "");
	if (*text) {
		fputs(" (", f->out);
		words(f, text);
		fputc(')', f->out);
	}
	fputs(".\n", f->out);
}

static void keys(const struct form *f, const struct conf_schema *schema);

static void one_key(const struct form *f, const struct conf_key *key)
{
	struct form below = *f;

	heading(f, key);
	body(f, key);
	if (!key->sub)
		return;
	below.depth++;
	if (f->troff && f->depth)
		fputs(".RS\n", f->out);
	keys(&below, key->sub);
	if (f->troff && f->depth)
		fputs(".RE\n", f->out);
}

static void keys(const struct form *f, const struct conf_schema *schema)
{
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		one_key(f, key);
		if (!f->troff && !f->depth && key[1].name)
			fputc('\n', f->out);
	}
}

void conf_schema_reference(FILE *out, const struct conf_schema *schema, bool troff)
{
	struct form f = { out, troff, 0 };

	keys(&f, schema);
}
