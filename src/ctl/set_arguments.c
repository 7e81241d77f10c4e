/* SPDX-License-Identifier: Apache-2.0 */
/* FIREWALL SET [ENTRY…] [timeout SECONDS]. See set_arguments.h. */
#include "set_arguments.h"

#include <stdlib.h>
#include <string.h>

bool instance_arguments(const struct options *options, const struct operands *operands,
			json_t *args)
{
	if (operands->n)
		json_object_set_new(args, "instance", json_string(operands->word[0]));
	if (operands->n > 1)
		json_object_set_new(args, "rule", json_string(operands->word[1]));
	if (options->limit >= 0)
		json_object_set_new(args, "limit", json_integer(options->limit));
	return true;
}

static bool names(const struct operands *operands, json_t *args)
{
	json_object_set_new(args, "instance", json_string(operands->word[0]));
	json_object_set_new(args, "set", json_string(operands->word[1]));
	return true;
}

static bool entries(const struct operands *operands, int n, json_t *args)
{
	json_t *list = json_array(), *entry;

	names(operands, args);
	json_object_set_new(args, "entries", list);
	for (int i = 2; i < n; i++) {
		entry = json_string(operands->word[i]);
		if (!entry) {
			fprintf(stderr, "visorctl: '%s' is no entry\n", operands->word[i]);
			return false;
		}
		json_array_append_new(list, entry);
	}
	return true;
}

bool set_arguments(const struct options *options, const struct operands *operands, json_t *args)
{
	(void)options;
	return entries(operands, operands->n, args);
}

static bool seconds(const char *text, json_t *args)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value > 31536000) {
		fprintf(stderr, "visorctl: timeout %s: 0 to 31536000 seconds was expected\n", text);
		return false;
	}
	json_object_set_new(args, "timeout", json_integer(value));
	return true;
}

bool set_add_arguments(const struct options *options, const struct operands *operands, json_t *args)
{
	const char *word = operands->word[operands->n - 1];
	int n = operands->n;

	(void)options;
	if (!strcmp(word, "timeout")) {
		fputs("visorctl: timeout: how many seconds?\n", stderr);
		return false;
	}
	if (n >= 5 && !strcmp(operands->word[n - 2], "timeout")) {
		if (!seconds(word, args))
			return false;
		n -= 2;
	}
	return entries(operands, n, args);
}

bool set_list_arguments(const struct options *options, const struct operands *operands,
			json_t *args)
{
	if (options->all && options->limit >= 0) {
		fputs("visorctl: either --all or --limit, not both\n", stderr);
		return false;
	}
	if (options->limit >= 0)
		json_object_set_new(args, "limit", json_integer(options->limit));
	return names(operands, args);
}
