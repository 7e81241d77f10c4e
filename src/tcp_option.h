/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the options of a TCP header (RFC 9293 3.1), which end where they do not fit. Any thread.
 *
 *     struct tcp_option option = { .at = 0 };
 *     while (tcp_option_next(tcp, end, &option)) …
 */
#ifndef VISOR_TCP_OPTION_H
#define VISOR_TCP_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_OPTION_MSS 2
#define TCP_OPTION_SCALE 3
#define TCP_OPTION_SACK_PERMITTED 4
#define TCP_OPTION_SACK 5
#define TCP_OPTIONS_AT 20

struct tcp_option {
	unsigned at;  /* of the option, from the header's first byte; 0: before the first */
	uint8_t size; /* kind and length included */
	uint8_t kind;
};

/* The next one, whole before `end` (from the header's first byte); false: there is none. */
static inline bool tcp_option_next(const uint8_t *tcp, unsigned end, struct tcp_option *option)
{
	unsigned at = option->at ? option->at + option->size : TCP_OPTIONS_AT;

	while (at < end && tcp[at] == 1)
		at++;
	if (at + 2 > end || tcp[at] == 0 || tcp[at + 1] < 2 || at + tcp[at + 1] > end)
		return false;
	*option = (struct tcp_option){ at, tcp[at + 1], tcp[at] };
	return true;
}

#endif
