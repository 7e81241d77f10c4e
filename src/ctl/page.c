/* SPDX-License-Identifier: Apache-2.0 */
/* A long list, page by page. See page.h. */
#include "page.h"

#define PAGE_ITEMS 10000

struct pages {
	const struct command *command;
	const struct options *options;
	const struct style *style;
	FILE *out;
	json_int_t shown, total;
	bool opened; /* the JSON document */
};

/* One JSON document over all pages, an item a line. */
static void print_json(struct pages *pages, const json_t *list)
{
	json_t *item;
	size_t i;

	if (!pages->opened)
		fprintf(pages->out, "{\n  \"%s\": [", pages->command->list);
	pages->opened = true;
	json_array_foreach (list, i, item) {
		fputs(pages->shown + (json_int_t)i ? ",\n    " : "\n    ", pages->out);
		json_dumpf(item, pages->out, JSON_COMPACT | JSON_ENCODE_ANY);
	}
}

static void print_page(struct pages *pages, const json_t *result)
{
	const json_t *list = json_object_get(result, pages->command->list);
	const size_t n = json_array_size(list);

	if (pages->options->json)
		print_json(pages, list);
	else if (n || !pages->shown)
		pages->command->view(result, pages->style, pages->out);
	pages->shown += (json_int_t)n;
	if (json_object_get(result, "total")) /* not every page need tell */
		pages->total = json_integer_value(json_object_get(result, "total"));
}

static enum outcome walk(struct pages *pages, json_t *args)
{
	for (;;) {
		json_t *result, *next;
		enum outcome outcome =
			request_run(pages->options->socket, pages->command->words, args, &result);

		if (outcome)
			return outcome;
		print_page(pages, result);
		next = json_incref(json_object_get(result, "next"));
		json_decref(result);
		if (!next || json_is_null(next)) {
			json_decref(next);
			return OUTCOME_OK;
		}
		json_object_set_new(args, "next", next);
		if (ferror(pages->out))
			return OUTCOME_OK;
	}
}

enum outcome page_all(const struct command *command, const struct options *options, json_t *args,
		      const struct style *style, FILE *out)
{
	struct pages pages = { .command = command, .options = options, .style = style, .out = out };
	json_t *first = json_copy(args);
	enum outcome outcome;

	json_object_set_new(first, "limit", json_integer(PAGE_ITEMS));
	outcome = walk(&pages, first);
	json_decref(first);
	if (options->json && !outcome)
		fprintf(out,
			"\n  ],\n  \"total\": %" JSON_INTEGER_FORMAT
			",\n  \"shown\": %" JSON_INTEGER_FORMAT "\n}\n",
			pages.total, pages.shown);
	return outcome;
}
