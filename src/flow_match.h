/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a flow have this key, and does it count?
 *
 * The keys of a flow that is inserted do not change until a grace period after its end. Before, while
 * FLOW_PENDING is set, they may change at any time: so whoever found a reference in the index asks
 * flow_is_live() first and compares keys then, or (insertions among themselves) compares words that
 * are whole but may not belong together, and has to be content with an answer that is wrong for a key
 * that is changing.
 */
#ifndef VISOR_FLOW_MATCH_H
#define VISOR_FLOW_MATCH_H

#include <string.h>

#include "flow_table.h"

/* Is it inserted and has not ended? Keys that are read afterwards are the ones that it has. any. */
static inline bool flow_is_live(const struct flow_head *head)
{
	unsigned inserted = !(__atomic_load_n(&head->flags, __ATOMIC_ACQUIRE) & FLOW_PENDING);
	unsigned alive = flow_state(head) > FLOW_DEAD;

	return inserted & alive; /* without a branch, for lookups */
}

/* Words of a key: 0 where they are equal. */
static inline uint32_t flow_words_differ(const void *shared, const void *key, unsigned bytes)
{
	const uint32_t *word = shared;
	uint32_t differ = 0, own;

	for (unsigned i = 0; i < bytes / sizeof(own); i++) {
		memcpy(&own, (const char *)key + i * sizeof(own), sizeof(own));
		differ |= __atomic_load_n(&word[i], __ATOMIC_RELAXED) ^ own;
	}
	return differ;
}

static inline struct flow_tuple6 flow_tuple_mapped(const struct flow_tuple4 *v4)
{
	struct flow_tuple6 mapped = { .sport = v4->sport, .dport = v4->dport };

	mapped.source.s6_addr[10] = mapped.source.s6_addr[11] = 0xff;
	mapped.destination.s6_addr[10] = mapped.destination.s6_addr[11] = 0xff;
	memcpy(&mapped.source.s6_addr[12], &v4->source, 4);
	memcpy(&mapped.destination.s6_addr[12], &v4->destination, 4);
	return mapped;
}

static inline bool flow6_has_key(const struct flow6 *flow, enum flow_direction direction,
				 const struct flow_key *key)
{
	const struct flow_tuple6 *own = &flow->key[direction];
	struct flow_tuple6 mapped;

	if (__atomic_load_n(&flow->family[direction], __ATOMIC_RELAXED) != key->family ||
	    __atomic_load_n(&flow->protocol[direction], __ATOMIC_RELAXED) != key->protocol)
		return false;
	if (key->family == 6)
		return !flow_words_differ(own, &key->v6, sizeof(key->v6));
	mapped = flow_tuple_mapped(&key->v4);
	return !flow_words_differ(own, &mapped, sizeof(mapped));
}

static inline bool flow4_has_key(const struct flow4 *flow, enum flow_direction direction,
				 const struct flow_key *key)
{
	return key->family == 4 &&
	       __atomic_load_n(&flow->head.protocol, __ATOMIC_RELAXED) == key->protocol &&
	       !flow_words_differ(&flow->key[direction], &key->v4, sizeof(key->v4));
}

/* Is `key` that of this reference's direction? any. */
static inline bool flow_has_key(const struct flow_table *t, uint32_t ref,
				const struct flow_key *key)
{
	if (ref & FLOW_WIDE)
		return flow6_has_key(&t->hot6[ref & FLOW_INDEX], flow_direction(ref), key);
	return flow4_has_key(&t->hot4[ref & FLOW_INDEX], flow_direction(ref), key);
}

/* The same for a flow that is live, whose keys stay as they are, and whole words at once. */
static inline bool flow4_is(const struct flow4 *flow, enum flow_direction direction,
			    const struct flow_key *key)
{
	const struct flow_tuple4 *own = &flow->key[direction];
	uint64_t addresses[2];
	uint32_t ports[2];

	memcpy(&addresses[0], &own->source, sizeof(addresses[0]));
	memcpy(&addresses[1], &key->v4.source, sizeof(addresses[1]));
	memcpy(&ports[0], &own->sport, sizeof(ports[0]));
	memcpy(&ports[1], &key->v4.sport, sizeof(ports[1]));
	return !((addresses[0] ^ addresses[1]) | (ports[0] ^ ports[1]) |
		 (uint32_t)(flow->head.protocol ^ key->protocol));
}

static inline bool flow6_is(const struct flow6 *flow, enum flow_direction direction,
			    const struct flow_key *key)
{
	return flow->family[direction] == 6 && flow->protocol[direction] == key->protocol &&
	       !memcmp(&flow->key[direction], &key->v6, sizeof(key->v6));
}

#endif
