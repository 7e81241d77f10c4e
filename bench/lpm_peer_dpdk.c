/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's rte_fib (DIR-24-8) and rte_fib6 (trie) for lpm_bench, in the smallest next-hop size that the
 * table fits into.
 */
#include "lpm_peer.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_memory.h>
#include <rte_vect.h>
#include <stdio.h>

#include "start_dpdk.h"

#define TBL8_4 65535
#define TBL8_6 262143

int lpm_peer_start(bool huge_pages)
{
	return start_dpdk("lpm_bench", 1024, huge_pages);
}

static void variants4(struct lpm_peer *p)
{
	static const struct lpm_peer_variant all[] = {
		{ "scalar", RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO },
		{ "avx512", RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!rte_fib_select_lookup(p->fib, (enum rte_fib_lookup_type)all[i].type))
			p->variant[p->variants++] = all[i];
}

static void variants6(struct lpm_peer *p)
{
	static const struct lpm_peer_variant all[] = {
		{ "scalar", RTE_FIB6_LOOKUP_TRIE_SCALAR },
		{ "avx512", RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!rte_fib6_select_lookup(p->fib, (enum rte_fib6_lookup_type)all[i].type))
			p->variant[p->variants++] = all[i];
}

static int new4(struct lpm_peer *p, size_t routes, unsigned int nexthops)
{
	/* One bit of an entry says that it is an extension. */
	enum rte_fib_dir24_8_nh_sz size = nexthops < 128   ? RTE_FIB_DIR24_8_1B :
					  nexthops < 32768 ? RTE_FIB_DIR24_8_2B :
							     RTE_FIB_DIR24_8_4B;
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.max_routes = (int)routes,
		.dir24_8 = { .nh_sz = size,
			     .num_tbl8 = size == RTE_FIB_DIR24_8_1B ? 127 :
					 size == RTE_FIB_DIR24_8_2B ? 32767 :
								      TBL8_4 },
	};

	p->name = "rte_fib";
	p->fib = rte_fib_create("bench4", SOCKET_ID_ANY, &conf);
	p->table_bytes = ((size_t)1 << 24) << size;
	if (p->fib)
		variants4(p);
	return p->fib ? 0 : -rte_errno;
}

static int new6(struct lpm_peer *p, size_t routes)
{
	/* The 2-byte form has 32767 extensions at most, too few for a full table. */
	struct rte_fib6_conf conf = {
		.type = RTE_FIB6_TRIE,
		.max_routes = (int)routes,
		.trie = { .nh_sz = RTE_FIB6_TRIE_4B, .num_tbl8 = TBL8_6 },
	};

	p->name = "rte_fib6";
	p->fib = rte_fib6_create("bench6", SOCKET_ID_ANY, &conf);
	p->table_bytes = ((size_t)1 << 24) * 4;
	if (p->fib)
		variants6(p);
	return p->fib ? 0 : -rte_errno;
}

int lpm_peer_new(struct lpm_peer *p, bool v6, size_t routes, unsigned int nexthops)
{
	*p = (struct lpm_peer){ .v6 = v6 };
	return v6 ? new6(p, routes) : new4(p, routes, nexthops);
}

void lpm_peer_free(struct lpm_peer *p)
{
	if (p->v6)
		rte_fib6_free(p->fib);
	else
		rte_fib_free(p->fib);
	p->fib = NULL;
}

int lpm_peer_change(struct lpm_peer *p, const uint8_t *key, unsigned int len, uint32_t value)
{
	uint32_t ip = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 |
		      key[3];

	if (p->v6)
		return value ? rte_fib6_add(p->fib, key, (uint8_t)len, value) :
			       rte_fib6_delete(p->fib, key, (uint8_t)len);
	return value ? rte_fib_add(p->fib, ip, (uint8_t)len, value) :
		       rte_fib_delete(p->fib, ip, (uint8_t)len);
}

int lpm_peer_select(struct lpm_peer *p, unsigned int variant)
{
	int type = p->variant[variant].type;

	return p->v6 ? rte_fib6_select_lookup(p->fib, (enum rte_fib6_lookup_type)type) :
		       rte_fib_select_lookup(p->fib, (enum rte_fib_lookup_type)type);
}

void lpm_peer_lookup(const struct lpm_peer *p, const void *addr, uint64_t *value, unsigned int n)
{
	if (p->v6)
		rte_fib6_lookup_bulk(p->fib, (uint8_t(*)[16])(uintptr_t)addr, value, (int)n);
	else
		rte_fib_lookup_bulk(p->fib, (uint32_t *)(uintptr_t)addr, value, (int)n);
}
