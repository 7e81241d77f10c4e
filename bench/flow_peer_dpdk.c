/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's rte_hash for flow_bench, with its CRC32 hash, the fastest it has (and not keyed).
 *
 * Two variants: for one thread, as it is by default, and lock-free for readers beside a writer, where
 * a removed key's memory has to be freed after the readers are done with it; with a single thread that
 * is at once.
 */
#include "flow_peer.h"

#include <errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <stdio.h>

#include "start_dpdk.h"

int flow_peer_start(bool huge_pages)
{
	return start_dpdk("flow_bench", 2048, huge_pages);
}

int flow_peer_new(struct flow_peer *peer, uint32_t entries, bool shared)
{
	struct rte_hash_parameters parameters = {
		.name = shared ? "shared" : "single",
		.entries = entries,
		.key_len = sizeof(struct flow_peer_key),
		.hash_func = rte_hash_crc,
		.extra_flag = shared ? RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF : 0,
	};

	peer->shared = shared;
	peer->name = shared ? "rte_hash lock-free" : "rte_hash";
	peer->hash = rte_hash_create(&parameters);
	return peer->hash ? 0 : -ENOMEM;
}

void flow_peer_free(struct flow_peer *peer)
{
	rte_hash_free(peer->hash);
}

bool flow_peer_insert(struct flow_peer *peer, const struct flow_peer_key *key, void *data)
{
	return rte_hash_add_key_data(peer->hash, key, data) == 0;
}

void flow_peer_remove(struct flow_peer *peer, const struct flow_peer_key *key)
{
	int32_t position = rte_hash_del_key(peer->hash, key);

	if (position >= 0 && peer->shared)
		(void)rte_hash_free_key_with_position(peer->hash, position);
}

void flow_peer_lookup(const struct flow_peer *peer, const struct flow_peer_key *key, int32_t *found,
		      unsigned n)
{
	const void *keys[RTE_HASH_LOOKUP_BULK_MAX];

	for (unsigned i = 0; i < n; i++)
		keys[i] = &key[i];
	(void)rte_hash_lookup_bulk(peer->hash, keys, n, found);
}

void flow_peer_lookup_data(const struct flow_peer *peer, const struct flow_peer_key *key,
			   void **data, unsigned n)
{
	const void *keys[RTE_HASH_LOOKUP_BULK_MAX];
	uint64_t hits;

	for (unsigned i = 0; i < n; i++)
		keys[i] = &key[i];
	(void)rte_hash_lookup_bulk_data(peer->hash, keys, n, &hits, data);
	for (unsigned i = 0; i < n; i++)
		if (!(hits >> i & 1))
			data[i] = NULL;
}
