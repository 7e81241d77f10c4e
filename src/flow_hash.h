/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a key's entry can be: a keyed hash of five-tuples.
 *
 * Multiplications of 64 by 64 bits whose halves are folded together, each factor masked with a secret
 * word: two in a row for IPv4, three for IPv6, some ten cycles and several keys overlap. The secret is
 * random for each table, so nobody outside can tell which keys share a bucket, and nothing outside
 * depends on it. The second round takes the key in again, so that what the first one lost to folding
 * (a product is not a bijection) is not lost for good.
 *
 * An IPv4 key has one hash, whether its flow is narrow or wide.
 */
#ifndef VISOR_FLOW_HASH_H
#define VISOR_FLOW_HASH_H

#include <stdint.h>
#include <string.h>

#include "flow.h"

struct flow_secret {
	uint64_t word[6];
};

static inline uint64_t flow_hash_fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t flow_hash_word(const void *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

/* The rest of a key: both ports, protocol and family. */
static inline uint64_t flow_hash_tail(const struct flow_key *key, const void *sport)
{
	uint32_t ports;

	memcpy(&ports, sport, sizeof(ports));
	return ports | (uint64_t)key->protocol << 32 | (uint64_t)key->family << 40;
}

static inline uint64_t flow_hash4(const struct flow_secret *secret, const struct flow_key *key)
{
	const uint64_t *k = secret->word;
	uint64_t a = flow_hash_word(&key->v4.source);
	uint64_t b = flow_hash_tail(key, &key->v4.sport);
	uint64_t mixed = flow_hash_fold(a ^ k[0], b ^ k[1]);

	return flow_hash_fold(mixed ^ k[2], (a ^ (b << 32 | b >> 32)) ^ k[3]);
}

static inline uint64_t flow_hash6(const struct flow_secret *secret, const struct flow_key *key)
{
	const uint64_t *k = secret->word;
	const uint8_t *source = key->v6.source.s6_addr, *destination = key->v6.destination.s6_addr;
	uint64_t mixed =
		flow_hash_fold(flow_hash_word(source) ^ k[0], flow_hash_word(source + 8) ^ k[1]);

	mixed = flow_hash_fold(flow_hash_word(destination) ^ mixed ^ k[2],
			       flow_hash_word(destination + 8) ^ k[3]);
	return flow_hash_fold(mixed ^ k[4], flow_hash_tail(key, &key->v6.sport) ^ k[5]);
}

/* any. */
static inline uint64_t flow_hash(const struct flow_secret *secret, const struct flow_key *key)
{
	return key->family == 4 ? flow_hash4(secret, key) : flow_hash6(secret, key);
}

#endif
