/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier that ours is compared with. Built from classifier_peer_dpdk.c where DPDK is installed,
 * else absent (BENCH_DPDK is not defined).
 */
#ifndef CLASSIFIER_PEER_H
#define CLASSIFIER_PEER_H

#include "nf/firewall/classifier.h"

#define CLASSIFIER_PEER_VARIANTS_MAX 3

struct classifier_peer {
	void *context;
	const char *name;
	const char *variant[CLASSIFIER_PEER_VARIANTS_MAX];
	int algorithm[CLASSIFIER_PEER_VARIANTS_MAX];
	unsigned int variants;
	size_t bytes; /* that its heap has lost to the built set */
};

/* A packet as the peer reads it. */
struct classifier_peer_key {
	uint8_t byte[16];
};

/* Starts the environment once. @return 0 or -errno, with a reason printed. */
int classifier_peer_start(size_t megabytes);

/* Builds a set of IPv4 entries without zones. @return 0 or -errno. */
int classifier_peer_new(struct classifier_peer *p, const struct classifier_entry *e, size_t n);
void classifier_peer_free(struct classifier_peer *p);

void classifier_peer_key(struct classifier_peer_key *to, const struct classifier_key *key);

/* @rule: that of the first match, CLASSIFIER_NONE. @n <= CLASSIFIER_BURST_MAX. */
void classifier_peer_lookup(const struct classifier_peer *p, unsigned int variant,
			    const struct classifier_peer_key *key, uint32_t *rule, unsigned int n);

#endif
