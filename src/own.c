/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's side of the filter of own addresses. See own.h. */
#include "own.h"

#include "bytes.h"
#include "fib.h"

static unsigned own_bit(const struct ip_addr *addr)
{
	const uint8_t *at = addr->addr.s6_addr;

	return addr->family == 4 ? own_hash4(bytes_load32(at + 12)) :
				   own_hash6(bytes_load64(at), bytes_load64(at + 8));
}

void own_filter_add(struct own_filter *filter, const struct ip_addr *addr)
{
	const unsigned bit = own_bit(addr);

	/* a count that is full stays so: the bit then never goes, which costs a lookup at most */
	if (filter->users[bit] < UINT16_MAX)
		filter->users[bit]++;
	__atomic_or_fetch(&filter->bits[bit >> 6], UINT64_C(1) << (bit & 63), __ATOMIC_RELAXED);
}

void own_filter_del(struct own_filter *filter, const struct ip_addr *addr)
{
	const unsigned bit = own_bit(addr);

	if (!filter->users[bit] || filter->users[bit] == UINT16_MAX)
		return;
	if (!--filter->users[bit])
		__atomic_and_fetch(&filter->bits[bit >> 6], ~(UINT64_C(1) << (bit & 63)),
				   __ATOMIC_RELAXED);
}
