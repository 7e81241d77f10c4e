/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the drop reasons: the engine's, then those that functions register. See drops.h. */
#include "drops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reason {
	char name[96];
	const char *doc;
};

static struct reason reasons[DROP_REASONS_MAX] = {
#define X(symbol, text, explanation) [symbol] = { text, explanation },
	ENGINE_DROPS(X)
#undef X
};
static unsigned reason_count = DROP_ENGINE_COUNT;

int drops_register(const char *owner, const char *const *names)
{
	char name[sizeof(reasons[0].name)];
	unsigned n = 0, base;

	while (names && names[n])
		n++;
	if (!n)
		return 0;
	snprintf(name, sizeof(name), "%s/%s", owner, names[0]);
	for (base = DROP_ENGINE_COUNT; base < reason_count; base++)
		if (!strcmp(reasons[base].name, name))
			return (int)base;
	if (reason_count + n > DROP_REASONS_MAX)
		return -ENOSPC;
	base = reason_count;
	for (unsigned i = 0; i < n; i++) {
		snprintf(reasons[base + i].name, sizeof(reasons[0].name), "%s/%s", owner, names[i]);
		reasons[base + i].doc = "";
	}
	reason_count += n;
	return (int)base;
}

unsigned drops_count(void)
{
	return reason_count;
}

const char *drops_name(unsigned reason)
{
	return reason < reason_count ? reasons[reason].name : "unknown";
}

const char *drops_doc(unsigned reason)
{
	return reason < reason_count && reasons[reason].doc ? reasons[reason].doc : "";
}
