/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of numbers as sorted spans: addresses of one family (IPv4 in the low 32 bits), or ports. What
 * a rule's lists come to before they become prefixes and ranges for the classifier, and what a
 * packet is compared with where they cannot. Adding, sorting, subtracting: control. Asking: any.
 */
#ifndef FIREWALL_SPAN_H
#define FIREWALL_SPAN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	__uint128_t lo, hi; /* both inside */
};

struct spans {
	unsigned n, room;
	struct span *item;
	bool failed; /* memory was missing once: not to be used */
};

static inline __uint128_t span_address4(uint32_t addr)
{
	return addr;
}

__uint128_t span_address6(const struct in6_addr *addr);
struct in6_addr span_in6(__uint128_t value);
/* The largest number of so many bits. */
__uint128_t span_last(unsigned bits);

void spans_add(struct spans *spans, __uint128_t lo, __uint128_t hi);
/* In order, none touching the next: after the last add, before all that follows. */
void spans_sort(struct spans *spans);
/* Take `what` out of `spans`; both sorted. */
void spans_subtract(struct spans *spans, const struct spans *what);
bool spans_contain(const struct spans *spans, __uint128_t value);
/* The fewest prefixes that cover exactly these numbers of `bits` bits; how many. `visit` NULL: only
 * count. */
size_t spans_prefixes(const struct spans *spans, unsigned bits,
		      void (*visit)(void *arg, __uint128_t prefix, unsigned len), void *arg);
void spans_free(struct spans *spans);

#endif
