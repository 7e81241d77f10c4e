/* SPDX-License-Identifier: Apache-2.0 */
/* Less of an answer. See filter.h. */
#include "filter.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "value.h"

static bool is_named(const json_t *object, const char *name)
{
	return !strcmp(value_string(object, "name"), name);
}

enum outcome filter_name(json_t *list, const char *name)
{
	const size_t n = json_array_size(list);
	bool found = false;

	for (size_t i = 0; i < n; i++)
		found = found || is_named(json_array_get(list, i), name);
	if (!found) {
		fprintf(stderr, "visorctl: there is no '%s'%s", name, n ? "; there are: " : "");
		for (size_t i = 0; i < n; i++)
			fprintf(stderr, "%s%s", i ? ", " : "",
				value_string(json_array_get(list, i), "name"));
		fputc('\n', stderr);
		return OUTCOME_REFUSED;
	}
	for (size_t i = n; i--;)
		if (!is_named(json_array_get(list, i), name))
			json_array_remove(list, i);
	return OUTCOME_OK;
}

void filter_family(json_t *list, int family)
{
	for (size_t i = json_array_size(list); i--;) {
		const json_t *object = json_array_get(list, i);
		const char *address = value_string(
			object, json_object_get(object, "address") ? "address" : "dst");

		if ((strchr(address, ':') != NULL) != (family == 6))
			json_array_remove(list, i);
	}
}
