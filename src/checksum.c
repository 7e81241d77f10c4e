/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Internet checksum over memory. Eight bytes at a time with the carry brought round: 2^64 - 1
 * is a multiple of 2^16 - 1, so a sum modulo the first folds to the sum modulo the second.
 */
#include "checksum.h"

#include "bytes.h"

static inline uint64_t add_carry(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t other = 0, word = 0;

	/* two chains, since each addition waits for its carry */
	for (; len >= 16; at += 16, len -= 16) {
		sum = add_carry(sum, bytes_load64(at));
		other = add_carry(other, bytes_load64(at + 8));
	}
	if (len >= 8) {
		sum = add_carry(sum, bytes_load64(at));
		at += 8;
		len -= 8;
	}
	memcpy(&word, at, len);
	return add_carry(add_carry(sum, other), word);
}

uint64_t checksum_pseudo4(__be32 source, __be32 destination, uint8_t protocol, uint16_t length)
{
	return (uint64_t)source + destination + htobe16(protocol) + htobe16(length);
}

uint64_t checksum_pseudo6(const struct in6_addr *source, const struct in6_addr *destination,
			  uint8_t protocol, uint32_t length)
{
	uint64_t sum = checksum_add(htobe32(protocol), source, sizeof(*source));

	return checksum_add(add_carry(sum, htobe32(length)), destination, sizeof(*destination));
}
