/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Longest-prefix match on keys of 4 or 16 bytes: the part that lpm4 and lpm6 share. Not for other users.
 */
#ifndef LPM_TRIE_H
#define LPM_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lpm_arena.h"
#include "lpm_node.h"

#define LPM_ROOT_BITS 16
#define LPM_ROOT_SLOTS (1u << LPM_ROOT_BITS)
#define LPM_KEY_MAX 16

struct lpm_shadow;

struct lpm_trie {
	/* What a lookup reads. */
	const uint8_t *base;  /* of the nodes: lpm_entry_line() */
	const uint32_t *root; /* an entry for each value of the key's first two bytes */
	unsigned int key_bytes;
	/* What only the writer knows. */
	struct lpm_arena arena;
	uint32_t *short_value;	    /* of the prefixes of up to 16 bits, by heap position */
	struct lpm_shadow **kid;    /* one per root slot */
	struct lpm_shadow *pending; /* nodes rebuilt by the change under way */
	size_t control_bytes;
	size_t control_limit;
	size_t prefixes;
};

typedef int (*lpm_trie_visit)(const uint8_t *key, unsigned int len, uint32_t value, void *arg);

/* @return 0, -ENOMEM. *control* */
int lpm_trie_init(struct lpm_trie *t, unsigned int key_bytes);

/* No reader may be left. *control* */
void lpm_trie_fini(struct lpm_trie *t);

/*
 * Inserts a prefix or replaces its value. @return 0, -EINVAL (length, host bits, value), -ENOMEM; on
 * an error nothing has changed. May wait for a grace period. *control*
 */
int lpm_trie_set(struct lpm_trie *t, const uint8_t *key, unsigned int len, uint32_t value);

/* Removes a prefix. @return 0, -EINVAL, -ENOENT, -ENOMEM, with the same promise. *control* */
int lpm_trie_del(struct lpm_trie *t, const uint8_t *key, unsigned int len);

/* The value of exactly this prefix, 0 = none. *control* */
uint32_t lpm_trie_get(const struct lpm_trie *t, const uint8_t *key, unsigned int len);

/* Calls @visit in ascending order, shorter first, until it answers other than 0. *control* */
int lpm_trie_walk(const struct lpm_trie *t, lpm_trie_visit visit, void *arg);

size_t lpm_trie_control_bytes(const struct lpm_trie *t);

/* Caps the memory; what is in use stays. SIZE_MAX = no cap. *control* */
void lpm_trie_limit(struct lpm_trie *t, size_t data_bytes, size_t control_bytes);

/* The sets of instructions that there are lookups for. */
enum lpm_cpu { LPM_CPU_ANY, LPM_CPU_AVX2, LPM_CPU_AVX512 };

/* For tests: new tables use no more than this. */
extern enum lpm_cpu lpm_cpu_limit;

/* What new tables use: the most that this processor has. *control* */
enum lpm_cpu lpm_cpu_best(void);

static inline __attribute__((always_inline)) uint32_t lpm_root_entry(const struct lpm_trie *t,
								     uint32_t slot)
{
	/* Pairs with the release store in the trie: the node is complete before it can be found. */
	return __atomic_load_n(&t->root[slot], __ATOMIC_ACQUIRE);
}

#endif
