/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list that is too long for one answer, page by page: as long as an answer has a "next", the
 * question is asked again with that value as its "next". Neither the daemon nor we ever hold more
 * than a page; what changes meanwhile may be seen or not.
 */
#ifndef VISORCTL_PAGE_H
#define VISORCTL_PAGE_H

#include "command.h"
#include "request.h"

/* All of command->list. */
enum outcome page_all(const struct command *command, const struct options *options, json_t *args,
		      const struct style *style, FILE *out);

#endif
