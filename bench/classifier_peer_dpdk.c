/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's rte_acl for classifier_bench: the usual five fields, one category.
 *
 * It runs without privileges and hugetlb pages, its memory advised to be transparent huge pages, as ours
 * is, and it may use 512-bit vectors, which it does not by itself.
 */
#include "classifier_peer.h"

#include <errno.h>
#include <rte_acl.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_vect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "start_dpdk.h"

enum { FIELD_PROTO, FIELD_SRC, FIELD_DST, FIELD_SPORT, FIELD_DPORT, FIELDS };
enum { AT_PROTO = 0, AT_SRC = 2, AT_DST = 6, AT_PORTS = 10 };

RTE_ACL_RULE_DEF(peer_rule, FIELDS);

static const struct rte_acl_field_def fields[FIELDS] = {
	{ RTE_ACL_FIELD_TYPE_BITMASK, 1, FIELD_PROTO, 0, AT_PROTO },
	{ RTE_ACL_FIELD_TYPE_MASK, 4, FIELD_SRC, 1, AT_SRC },
	{ RTE_ACL_FIELD_TYPE_MASK, 4, FIELD_DST, 2, AT_DST },
	{ RTE_ACL_FIELD_TYPE_RANGE, 2, FIELD_SPORT, 3, AT_PORTS },
	{ RTE_ACL_FIELD_TYPE_RANGE, 2, FIELD_DPORT, 3, AT_PORTS + 2 },
};

int classifier_peer_start(size_t megabytes)
{
	return start_dpdk("classifier_bench", (unsigned)megabytes, true);
}

static size_t heap_used(void)
{
	struct rte_malloc_socket_stats stats;

	return rte_malloc_get_socket_stats(0, &stats) ? 0 : stats.heap_allocsz_bytes;
}

static void rule_fill(struct peer_rule *r, const struct classifier_entry *e)
{
	*r = (struct peer_rule){ .data = { .category_mask = 1,
					   .priority =
						   (int32_t)(RTE_ACL_MAX_PRIORITY - e->priority),
					   .userdata = e->rule + 1 } };
	r->field[FIELD_PROTO].value.u8 = e->proto == CLASSIFIER_ANY_PROTO ? 0 : (uint8_t)e->proto;
	r->field[FIELD_PROTO].mask_range.u8 = e->proto == CLASSIFIER_ANY_PROTO ? 0 : 0xff;
	r->field[FIELD_SRC].value.u32 = e->src.v4;
	r->field[FIELD_SRC].mask_range.u32 = e->src_len;
	r->field[FIELD_DST].value.u32 = e->dst.v4;
	r->field[FIELD_DST].mask_range.u32 = e->dst_len;
	r->field[FIELD_SPORT].value.u16 = e->sport_lo;
	r->field[FIELD_SPORT].mask_range.u16 = e->sport_hi;
	r->field[FIELD_DPORT].value.u16 = e->dport_lo;
	r->field[FIELD_DPORT].mask_range.u16 = e->dport_hi;
}

static int rules_add(struct rte_acl_ctx *context, const struct classifier_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct peer_rule r;
		int rc;

		rule_fill(&r, &e[i]);
		rc = rte_acl_add_rules(context, (struct rte_acl_rule *)&r, 1);
		if (rc)
			return rc;
	}
	return 0;
}

static void variants_find(struct classifier_peer *p)
{
	static const struct {
		const char *name;
		enum rte_acl_classify_alg algorithm;
	} all[] = {
		{ "avx2", RTE_ACL_CLASSIFY_AVX2 },
		{ "avx512x32", RTE_ACL_CLASSIFY_AVX512X32 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (rte_acl_set_ctx_classify(p->context, all[i].algorithm))
			continue;
		p->variant[p->variants] = all[i].name;
		p->algorithm[p->variants++] = all[i].algorithm;
	}
}

int classifier_peer_new(struct classifier_peer *p, const struct classifier_entry *e, size_t n)
{
	struct rte_acl_param param = { .name = "bench",
				       .socket_id = SOCKET_ID_ANY,
				       .rule_size = RTE_ACL_RULE_SZ(FIELDS),
				       .max_rule_num = (uint32_t)n };
	struct rte_acl_config config = { .num_categories = 1, .num_fields = FIELDS };
	size_t used = heap_used();
	int rc;

	*p = (struct classifier_peer){ .name = "rte_acl" };
	memcpy(config.defs, fields, sizeof(fields));
	p->context = rte_acl_create(&param);
	if (!p->context)
		return -rte_errno;
	rc = rules_add(p->context, e, n);
	if (!rc)
		rc = rte_acl_build(p->context, &config);
	if (rc) {
		classifier_peer_free(p);
		return rc;
	}
	p->bytes = heap_used() - used;
	variants_find(p);
	return 0;
}

void classifier_peer_free(struct classifier_peer *p)
{
	rte_acl_free(p->context);
	p->context = NULL;
}

void classifier_peer_key(struct classifier_peer_key *to, const struct classifier_key *key)
{
	uint32_t src = htobe32(key->src.v4), dst = htobe32(key->dst.v4);
	uint16_t port[2] = { htobe16(key->sport), htobe16(key->dport) };

	memset(to, 0, sizeof(*to));
	to->byte[AT_PROTO] = key->proto;
	memcpy(&to->byte[AT_SRC], &src, 4);
	memcpy(&to->byte[AT_DST], &dst, 4);
	memcpy(&to->byte[AT_PORTS], port, 4);
}

void classifier_peer_lookup(const struct classifier_peer *p, unsigned int variant,
			    const struct classifier_peer_key *key, uint32_t *rule, unsigned int n)
{
	const uint8_t *data[CLASSIFIER_BURST_MAX];

	for (unsigned int i = 0; i < n; i++)
		data[i] = key[i].byte;
	rte_acl_classify_alg(p->context, data, rule, n, 1,
			     (enum rte_acl_classify_alg)p->algorithm[variant]);
	for (unsigned int i = 0; i < n; i++)
		rule[i]--;
}
