/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Could this be an address of our own? A filter in front of the FIB, for the source of each packet.
 *
 * A packet from outside that claims to come from the router itself is spoofed and has to go
 * (RFC 1812 5.3.7, RFC 2827). Asking the FIB about the source would double the cost of the router's
 * dearest step. So there is a bitmap of 4096 bits, one hash (Bloom 1970 with k = 1): a miss, which
 * nearly every packet is, costs one load from 512 bytes that stay in the first-level cache; a hit
 * is confirmed by the FIB. With a hundred own addresses one foreign source in forty is looked up.
 *
 * Writes: control, one bit at a time; a worker sees an address a moment early or late, no more.
 */
#ifndef VISOR_OWN_H
#define VISOR_OWN_H

#include <linux/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define OWN_BITS 4096

struct ip_addr;

struct own_filter {
	uint64_t bits[OWN_BITS / 64];
	uint16_t users[OWN_BITS]; /* addresses behind each bit; control */
};

/* An address (or broadcast address) of the host came or went; add and del go in pairs. control. */
void own_filter_add(struct own_filter *filter, const struct ip_addr *addr);
void own_filter_del(struct own_filter *filter, const struct ip_addr *addr);

static inline unsigned own_hash4(__be32 addr)
{
	return (addr * 0x9e3779b1u) >> 20;
}

static inline unsigned own_hash6(uint64_t high, uint64_t low)
{
	return (unsigned)(((high * 0x9e3779b97f4a7c15) ^ low) * 0xd6e8feb86659fd93 >> 52);
}

static inline bool own_filter_bit(const struct own_filter *filter, unsigned bit)
{
	return __atomic_load_n(&filter->bits[bit >> 6], __ATOMIC_RELAXED) >> (bit & 63) & 1;
}

/* False: certainly none of ours. Wire order; IPv6 as its two halves stand in memory. worker. */
static inline bool own_filter_maybe4(const struct own_filter *filter, __be32 addr)
{
	return own_filter_bit(filter, own_hash4(addr));
}

static inline bool own_filter_maybe6(const struct own_filter *filter, uint64_t high, uint64_t low)
{
	return own_filter_bit(filter, own_hash6(high, low));
}

#endif
