/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash table that the flow table is compared with. Built from flow_peer_dpdk.c where DPDK is
 * installed, else absent (BENCH_DPDK is not defined).
 */
#ifndef FLOW_PEER_H
#define FLOW_PEER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An IPv4 five-tuple, padded. */
struct flow_peer_key {
	__be32 source, destination;
	__be16 sport, dport;
	uint8_t protocol, zero[3];
};

struct flow_peer {
	const char *name;
	void *hash;
	bool shared;
};

int flow_peer_start(bool huge_pages);

/* Room for `entries`; `shared`: lock-free for readers beside writers, as our table is, else for one
 * thread. */
int flow_peer_new(struct flow_peer *peer, uint32_t entries, bool shared);
void flow_peer_free(struct flow_peer *peer);

/* False: there is no room. `data`: the flow of the key. */
bool flow_peer_insert(struct flow_peer *peer, const struct flow_peer_key *key, void *data);
void flow_peer_remove(struct flow_peer *peer, const struct flow_peer_key *key);
/* n <= 64 keys, alone; -1 where there is none. */
void flow_peer_lookup(const struct flow_peer *peer, const struct flow_peer_key *key, int32_t *found,
		      unsigned n);

/* The same, and where each one's flow is, or NULL. */
void flow_peer_lookup_data(const struct flow_peer *peer, const struct flow_peer_key *key,
			   void **data, unsigned n);

#endif
