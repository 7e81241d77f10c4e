/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and headers from ClassBench's files. */
#ifndef SUPPORT_RULES_FILES_H
#define SUPPORT_RULES_FILES_H

#include "nf/firewall/classifier.h"

struct rules {
	struct classifier_entry *entry; /* the first has priority 0, the next 1 … */
	size_t n;
};

/* ClassBench's rules, perhaps gzipped. @return 0, -errno; -EINVAL: there are none in it. */
int rules_read(const char *path, struct rules *r);

/* ClassBench's headers, perhaps gzipped. */
int rules_trace_read(const char *path, struct classifier_key **key, size_t *n);

#endif
