/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Longest-prefix match for IPv4: prefixes of 0 to 32 bits to values of 1 to 2^24 - 1. Addresses and
 * prefixes are in host byte order. One control thread writes; any number of RCU (QSBR) readers look up
 * at the same time and get, for each address, the answer before or after a change.
 *
 * Values are best handed out densely from 1: tables whose values are below 256, or below 65536, are
 * smaller and faster.
 */
#ifndef LPM4_H
#define LPM4_H

#include <stddef.h>
#include <stdint.h>

#define LPM4_BURST_MAX 64

struct lpm4;

/* @return an empty table, or NULL when there is no memory. *control* */
struct lpm4 *lpm4_new(void);

/* No reader may still use it: unpublish, synchronize_rcu(), then this. NULL is fine. *control* */
void lpm4_free(struct lpm4 *t);

/*
 * Inserts a prefix or replaces its value. Waits for a grace period once in a few thousand changes.
 * @return 0; -EINVAL: length above 32, host bits set, value 0 or above 2^24 - 1; -ENOMEM: then nothing
 * has changed. *control*
 */
int lpm4_set(struct lpm4 *t, uint32_t prefix, unsigned int len, uint32_t value);

/* As lpm4_set(); -ENOENT when there is no such prefix. A removal can need memory, too. *control* */
int lpm4_del(struct lpm4 *t, uint32_t prefix, unsigned int len);

/* @return the value of exactly this prefix, 0 when there is none. *control* */
uint32_t lpm4_get(const struct lpm4 *t, uint32_t prefix, unsigned int len);

/* @return the value of the longest prefix that matches, 0 when none does. *worker, control* */
uint32_t lpm4_lookup(const struct lpm4 *t, uint32_t addr);

/* lpm4_lookup() for @n <= LPM4_BURST_MAX addresses at once: several times as fast. *worker, control* */
void lpm4_lookup_burst(const struct lpm4 *t, const uint32_t *addr, uint32_t *value, unsigned int n);

/*
 * Calls @visit for each prefix in ascending order, a shorter one before those inside of it, until it
 * answers other than 0, which is then the return value. It must not change the table. *control*
 */
int lpm4_walk(const struct lpm4 *t,
	      int (*visit)(uint32_t prefix, unsigned int len, uint32_t value, void *arg),
	      void *arg);

/* Number of prefixes. *control* */
size_t lpm4_count(const struct lpm4 *t);

/* Frees what was replaced, after a grace period; for quiet moments. *control* */
void lpm4_reclaim(struct lpm4 *t);

/* Bytes of what lookups read, holes included, and of what only the control thread reads. *control* */
size_t lpm4_bytes(const struct lpm4 *t);
size_t lpm4_control_bytes(const struct lpm4 *t);

/* Caps both; a change that needs more gets -ENOMEM. SIZE_MAX, the default: no cap. *control* */
void lpm4_limit(struct lpm4 *t, size_t bytes, size_t control_bytes);

#endif
