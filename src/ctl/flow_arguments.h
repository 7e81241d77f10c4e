/* SPDX-License-Identifier: Apache-2.0 */
/* The words that say which flows: "src 192.0.2.0/24 dport 443 state established sort bytes". */
#ifndef VISORCTL_FLOW_ARGUMENTS_H
#define VISORCTL_FLOW_ARGUMENTS_H

#include "command.h"

/* As "args" for the daemon; false after a word on stderr. */
bool flow_show_arguments(const struct options *options, const struct operands *operands,
			 json_t *args);
bool flow_flush_arguments(const struct options *options, const struct operands *operands,
			  json_t *args);

/* "192.0.2.0/24", "2001:db8::/32", or an address (commands.c). */
bool is_prefix(const char *text);

/* The words that may stand at the beginning of a filter, in `out`, for the shell. */
void flow_words_print(FILE *out);

#endif
