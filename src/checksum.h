/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624, equation 3). Sums are
 * kept unfolded in 32/64 bits in wire order, so that no byte is ever swapped. Any thread.
 */
#ifndef VISOR_CHECKSUM_H
#define VISOR_CHECKSUM_H

#include <linux/types.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* Add `len` bytes to an unfolded sum; an odd length may only come last. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/* Fold to 16 bits and complement: the value to store. */
static inline uint16_t checksum_finish(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Checksum of a whole buffer. */
static inline uint16_t checksum(const void *data, size_t len)
{
	return checksum_finish(checksum_add(0, data, len));
}

/* Pseudo headers; `length` and `protocol` in host order. */
uint64_t checksum_pseudo4(__be32 source, __be32 destination, uint8_t protocol, uint16_t length);
uint64_t checksum_pseudo6(const struct in6_addr *source, const struct in6_addr *destination,
			  uint8_t protocol, uint32_t length);

/* RFC 1624 (3): HC' = ~(~HC + ~m + m'), all in wire order. */
static inline uint16_t checksum_update16(uint16_t check, uint16_t from, uint16_t to)
{
	uint32_t sum = (uint16_t)~check + (uint32_t)(uint16_t)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The same for a pair of IPv4 addresses or of ports, or for what two updates have in common:
 * ~(~HC + ~m + m') over 32 bits. */
static inline uint16_t checksum_update32(uint16_t check, uint32_t from, uint32_t to)
{
	return checksum_finish((uint64_t)(uint16_t)~check + (uint32_t)~from + to);
}

#endif
