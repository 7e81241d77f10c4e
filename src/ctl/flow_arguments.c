/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which flows. See flow_arguments.h.
 *
 * Words come in pairs of what and which, in any order, each at most once; an address alone is a
 * host. What is wrong with a pair is said here where that needs no knowledge of the daemon's, the
 * rest (states, interfaces, protocols) by the daemon.
 */
#include "flow_arguments.h"

#include <stdlib.h>
#include <string.h>

#include "suggest.h"

enum kind { KIND_NET, KIND_PORT, KIND_STATE, KIND_TEXT, KIND_SORT, KIND_LIMIT };

/* Where two words mean the same the first is the one to show. */
static const struct word {
	const char *word, *member;
	enum kind kind;
} words[] = {
	{ "src", "src", KIND_NET },	    { "from", "src", KIND_NET },
	{ "dst", "dst", KIND_NET },	    { "to", "dst", KIND_NET },
	{ "host", "host", KIND_NET },	    { "net", "host", KIND_NET },
	{ "sport", "sport", KIND_PORT },    { "dport", "dport", KIND_PORT },
	{ "port", "port", KIND_PORT },	    { "proto", "proto", KIND_TEXT },
	{ "protocol", "proto", KIND_TEXT }, { "state", "state", KIND_STATE },
	{ "rule", "rule", KIND_TEXT },	    { "in", "in", KIND_TEXT },
	{ "sort", "sort", KIND_SORT },	    { "limit", "limit", KIND_LIMIT },
};

#define WORDS (sizeof(words) / sizeof(words[0]))
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 20000

static const struct word *word_find(const char *text)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (!strcmp(words[i].word, text))
			return &words[i];
	return NULL;
}

static bool say_unknown(const char *text)
{
	const char *list[WORDS + 2] = { NULL }, *meant;

	for (unsigned i = 0; i < WORDS; i++)
		list[i] = words[i].word;
	list[WORDS] = "all";
	meant = suggest_word(text, list);
	fprintf(stderr, "visorctl: '%s' is no filter", text);
	if (meant)
		fprintf(stderr, "; did you mean '%s'?", meant);
	fputs("\nvisorctl: expected pairs of: src, dst, host, sport, dport, port, proto, state, "
	      "rule, in, sort, limit; or an address\n",
	      stderr);
	return false;
}

static bool refuse(const char *word, const char *value, const char *expected)
{
	fprintf(stderr, "visorctl: %s '%s': %s was expected\n", word, value, expected);
	return false;
}

static bool is_ports(const char *text)
{
	char *end;
	long low, high;

	if (*text < '0' || *text > '9')
		return false;
	low = high = strtol(text, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		high = strtol(end + 1, &end, 10);
	return !*end && low <= high && high <= 65535;
}

/* "syn-sent,syn-received" as a list. */
static json_t *states(const char *text)
{
	json_t *list = json_array();

	for (;;) {
		const size_t len = strcspn(text, ",");

		json_array_append_new(list, json_stringn(text, len));
		if (!text[len])
			return list;
		text += len + 1;
	}
}

static bool read_limit(const char *text, json_t *args)
{
	char *end;
	const long limit = strtol(text, &end, 10);

	if (end == text || *end || limit < 1 || limit > LIMIT_MAX)
		return refuse("limit", text, "1 to 20000; --all is for every flow");
	json_object_set_new(args, "limit", json_integer(limit));
	return true;
}

static bool read_pair(const struct word *word, const char *value, json_t *args)
{
	static const char *const orders[] = { "bytes", "packets", "age", "idle", NULL };
	const char *const *order = orders;

	if (json_object_get(args, word->member)) {
		fprintf(stderr, "visorctl: '%s' stands twice\n", word->word);
		return false;
	}
	switch (word->kind) {
	case KIND_NET:
		if (!is_prefix(value))
			return refuse(word->word, value,
				      "an address, 192.0.2.0/24 or 2001:db8::/32");
		break;
	case KIND_PORT:
		if (!is_ports(value))
			return refuse(word->word, value, "a port of 0 to 65535, or 8000-8999,");
		break;
	case KIND_SORT:
		while (*order && strcmp(*order, value))
			order++;
		if (!*order)
			return refuse("sort", value, "bytes, packets, age or idle");
		break;
	case KIND_LIMIT: return read_limit(value, args);
	case KIND_STATE: return !json_object_set_new(args, word->member, states(value));
	case KIND_TEXT: break;
	}
	return !json_object_set_new(args, word->member, json_string(value));
}

static bool read_words(const struct options *options, const struct operands *operands, json_t *args)
{
	for (int i = 0; i < operands->n; i++) {
		const char *text = operands->word[i];
		const struct word *word = word_find(text);

		if (!word && is_prefix(text)) {
			word = word_find("host");
			i--;
		}
		if (!word)
			return say_unknown(text);
		if (i + 1 == operands->n) {
			fprintf(stderr, "visorctl: '%s' of what?\n", text);
			return false;
		}
		if (!read_pair(word, operands->word[++i], args))
			return false;
	}
	if (options->family)
		json_object_set_new(args, "family", json_integer(options->family));
	return true;
}

static bool is_alone(const struct options *options, const struct operands *operands,
		     const char *word)
{
	if (operands->n == 1 && !options->family && !options->all && options->limit < 0)
		return true;
	fprintf(stderr, "visorctl: '%s' goes with no filter\n", word);
	return false;
}

bool flow_show_arguments(const struct options *options, const struct operands *operands,
			 json_t *args)
{
	if (operands->n && !strcmp(operands->word[0], "summary"))
		return is_alone(options, operands, "summary") &&
		       !json_object_set_new(args, "summary", json_true());
	if (!read_words(options, operands, args))
		return false;
	if (options->limit >= 0 && json_object_get(args, "limit")) {
		fputs("visorctl: either limit or --limit, not both\n", stderr);
		return false;
	}
	if (options->limit > LIMIT_MAX)
		return refuse("--limit", "", "1 to 20000 (--all is for every flow)");
	if (options->all && (options->limit >= 0 || json_object_get(args, "limit") ||
			     json_object_get(args, "sort"))) {
		fputs("visorctl: --all goes with neither limit nor sort: it fetches flows page by "
		      "page, as they lie in the table\n",
		      stderr);
		return false;
	}
	if (!json_object_get(args, "limit"))
		json_object_set_new(args, "limit",
				    json_integer(options->limit >= 0 ? options->limit :
								       LIMIT_DEFAULT));
	return true;
}

bool flow_flush_arguments(const struct options *options, const struct operands *operands,
			  json_t *args)
{
	if (operands->n && !strcmp(operands->word[0], "all"))
		return is_alone(options, operands, "all") &&
		       !json_object_set_new(args, "all", json_true());
	if (!read_words(options, operands, args))
		return false;
	if (json_object_get(args, "sort") || json_object_get(args, "limit")) {
		fputs("visorctl: flush flows takes neither sort nor limit\n", stderr);
		return false;
	}
	if (json_object_size(args))
		return true;
	fputs("visorctl: which flows? Give a filter, or `flush flows all`\n", stderr);
	return false;
}

void flow_words_print(FILE *out)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (!strcmp(words[i].word, words[i].member))
			fprintf(out, "%s ", words[i].word);
	fputs("all summary ", out);
}
