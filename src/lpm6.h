/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Longest-prefix match for IPv6: prefixes of 0 to 128 bits to values of 1 to 2^24 - 1. Addresses are
 * struct in6_addr as they stand in the packet: a lookup takes them byte by byte, so swapping them into
 * integers first would only cost time. Everything else is as in lpm4.h.
 */
#ifndef LPM6_H
#define LPM6_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define LPM6_BURST_MAX 64

struct lpm6;

/* @return an empty table, or NULL when there is no memory. *control* */
struct lpm6 *lpm6_new(void);

/* No reader may still use it: unpublish, synchronize_rcu(), then this. NULL is fine. *control* */
void lpm6_free(struct lpm6 *t);

/*
 * Inserts a prefix or replaces its value. Waits for a grace period once in a few thousand changes.
 * @return 0; -EINVAL: length above 128, host bits set, value 0 or above 2^24 - 1; -ENOMEM: then nothing
 * has changed. *control*
 */
int lpm6_set(struct lpm6 *t, const struct in6_addr *prefix, unsigned int len, uint32_t value);

/* As lpm6_set(); -ENOENT when there is no such prefix. A removal can need memory, too. *control* */
int lpm6_del(struct lpm6 *t, const struct in6_addr *prefix, unsigned int len);

/* @return the value of exactly this prefix, 0 when there is none. *control* */
uint32_t lpm6_get(const struct lpm6 *t, const struct in6_addr *prefix, unsigned int len);

/* @return the value of the longest prefix that matches, 0 when none does. *worker, control* */
uint32_t lpm6_lookup(const struct lpm6 *t, const struct in6_addr *addr);

/* lpm6_lookup() for @n <= LPM6_BURST_MAX addresses at once: several times as fast. *worker, control* */
void lpm6_lookup_burst(const struct lpm6 *t, const struct in6_addr *addr, uint32_t *value,
		       unsigned int n);

/*
 * Calls @visit for each prefix in ascending order, a shorter one before those inside of it, until it
 * answers other than 0, which is then the return value. It must not change the table. *control*
 */
int lpm6_walk(const struct lpm6 *t,
	      int (*visit)(const struct in6_addr *prefix, unsigned int len, uint32_t value,
			   void *arg),
	      void *arg);

/* Number of prefixes. *control* */
size_t lpm6_count(const struct lpm6 *t);

/* Frees what was replaced, after a grace period; for quiet moments. *control* */
void lpm6_reclaim(struct lpm6 *t);

/* Bytes of what lookups read, holes included, and of what only the control thread reads. *control* */
size_t lpm6_bytes(const struct lpm6 *t);
size_t lpm6_control_bytes(const struct lpm6 *t);

/* Caps both; a change that needs more gets -ENOMEM. SIZE_MAX, the default: no cap. *control* */
void lpm6_limit(struct lpm6 *t, size_t bytes, size_t control_bytes);

#endif
