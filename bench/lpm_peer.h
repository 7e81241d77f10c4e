/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest-prefix-match tables that ours are compared with. Built from lpm_peer_dpdk.c where DPDK is
 * installed, else absent (BENCH_DPDK is not defined).
 */
#ifndef LPM_PEER_H
#define LPM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LPM_PEER_VARIANTS_MAX 4

/* One of the ways in which the peer can look up; the first is the one that it takes by itself. */
struct lpm_peer_variant {
	const char *name;
	int type;
};

struct lpm_peer {
	const char *name;
	void *fib;
	bool v6;
	struct lpm_peer_variant variant[LPM_PEER_VARIANTS_MAX];
	unsigned int variants;
	size_t table_bytes; /* of what its lookups read, as its own formulas have it */
};

/*
 * Starts the environment once, its memory in huge pages (as ours) or in small ones.
 * @return 0 or -errno, with a reason printed.
 */
int lpm_peer_start(bool huge_pages);

/* An empty table for about @routes routes. */
int lpm_peer_new(struct lpm_peer *p, bool v6, size_t routes, unsigned int nexthops);
void lpm_peer_free(struct lpm_peer *p);

/* @key: 16 bytes, network order, IPv4 in the first four; @value 0 removes. */
int lpm_peer_change(struct lpm_peer *p, const uint8_t *key, unsigned int len, uint32_t value);

int lpm_peer_select(struct lpm_peer *p, unsigned int variant);

/* @addr: uint32_t in host order, or 16 bytes each. */
void lpm_peer_lookup(const struct lpm_peer *p, const void *addr, uint64_t *value, unsigned int n);

#endif
