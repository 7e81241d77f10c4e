/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted spans. See span.h. */
#include "span.h"

#include <stdlib.h>
#include <string.h>

__uint128_t span_address6(const struct in6_addr *addr)
{
	__uint128_t value = 0;

	for (unsigned i = 0; i < 16; i++)
		value = value << 8 | addr->s6_addr[i];
	return value;
}

struct in6_addr span_in6(__uint128_t value)
{
	struct in6_addr addr;

	for (unsigned i = 16; i-- > 0; value >>= 8)
		addr.s6_addr[i] = (uint8_t)value;
	return addr;
}

__uint128_t span_last(unsigned bits)
{
	return bits >= 128 ? ~(__uint128_t)0 : ((__uint128_t)1 << bits) - 1;
}

void spans_add(struct spans *spans, __uint128_t lo, __uint128_t hi)
{
	unsigned room = spans->room ? 2 * spans->room : 4;
	struct span *item = spans->item;

	if (spans->n == spans->room) {
		item = realloc(item, room * sizeof(*item));
		if (!item) {
			spans->failed = true;
			return;
		}
		spans->item = item;
		spans->room = room;
	}
	item[spans->n++] = (struct span){ lo, hi };
}

static int compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

void spans_sort(struct spans *spans)
{
	unsigned n = 0;

	if (!spans->n)
		return;
	qsort(spans->item, spans->n, sizeof(*spans->item), compare);
	for (unsigned i = 1; i < spans->n; i++) {
		struct span *last = &spans->item[n], *next = &spans->item[i];

		if (next->lo <= last->hi || next->lo - last->hi == 1)
			last->hi = next->hi > last->hi ? next->hi : last->hi;
		else
			spans->item[++n] = *next;
	}
	spans->n = n + 1;
}

void spans_subtract(struct spans *spans, const struct spans *what)
{
	struct spans left = { .failed = spans->failed || what->failed };
	unsigned k = 0;

	for (unsigned i = 0; i < spans->n; i++) {
		__uint128_t lo = spans->item[i].lo, hi = spans->item[i].hi;
		bool rest = true;

		while (k < what->n && what->item[k].hi < lo)
			k++;
		for (unsigned j = k; rest && j < what->n && what->item[j].lo <= hi; j++) {
			if (what->item[j].lo > lo)
				spans_add(&left, lo, what->item[j].lo - 1);
			rest = what->item[j].hi < hi;
			lo = rest ? what->item[j].hi + 1 : lo;
		}
		if (rest)
			spans_add(&left, lo, hi);
	}
	free(spans->item);
	*spans = left;
}

bool spans_contain(const struct spans *spans, __uint128_t value)
{
	unsigned lo = 0, hi = spans->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (spans->item[mid].hi < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < spans->n && spans->item[lo].lo <= value;
}

/* Bits that the largest prefix has free which begins at lo and does not go beyond hi. */
static unsigned free_bits(__uint128_t lo, __uint128_t hi, unsigned bits)
{
	unsigned n = 0;

	while (n < bits && !(lo >> n & 1) && (lo | span_last(n + 1)) <= hi)
		n++;
	return n;
}

size_t spans_prefixes(const struct spans *spans, unsigned bits,
		      void (*visit)(void *arg, __uint128_t prefix, unsigned len), void *arg)
{
	size_t n = 0;

	for (unsigned i = 0; i < spans->n; i++) {
		__uint128_t lo = spans->item[i].lo, hi = spans->item[i].hi, end;

		do {
			unsigned host = free_bits(lo, hi, bits);

			if (visit)
				visit(arg, lo, bits - host);
			n++;
			end = lo | span_last(host);
			lo = end + 1;
		} while (end < hi);
	}
	return n;
}

void spans_free(struct spans *spans)
{
	free(spans->item);
	*spans = (struct spans){ 0 };
}
