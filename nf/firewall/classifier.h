/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet classifier: of the entries that match a packet, the one that comes first.
 *
 * A classifier holds entries of one address family. An entry constrains addresses by prefix, ports by
 * range, the protocol and the two zones exactly or not at all; the firewall expands what a rule says
 * beyond that (lists, ranges of addresses, negations, several zones) into several entries of one
 * priority. A rule can also have conditions that no entry can express (TCP flags, state, sets …): the
 * caller checks those on what the classifier found, and where one fails asks again for the next match
 * by @from.
 *
 * One control thread changes it; any number of RCU (QSBR) readers look up at the same time. Each change
 * is published by itself: a reader has the entry or does not have it. A policy of many rules that is to
 * change at once is a classifier of its own, filled by classifier_load() and then published by its
 * owner.
 */
#ifndef FIREWALL_CLASSIFIER_H
#define FIREWALL_CLASSIFIER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLASSIFIER_BURST_MAX 64
#define CLASSIFIER_NONE UINT32_MAX /* no match: as rule and as priority */
#define CLASSIFIER_ANY_ZONE 0xffff
#define CLASSIFIER_ANY_PROTO 0x100
#define CLASSIFIER_ZONES 0xfff /* zones are below this */

union classifier_addr {
	uint32_t v4;	    /* host order */
	struct in6_addr v6; /* as in the packet */
};

struct classifier_entry {
	union classifier_addr src, dst; /* no bits beyond the length */
	uint8_t src_len, dst_len;
	uint16_t proto; /* or CLASSIFIER_ANY_PROTO */
	uint16_t sport_lo, sport_hi;
	uint16_t dport_lo, dport_hi;
	uint16_t in, out;  /* zones, or CLASSIFIER_ANY_ZONE */
	uint32_t priority; /* the lowest wins; not CLASSIFIER_NONE */
	uint32_t rule;	   /* what a lookup answers; not CLASSIFIER_NONE */
};

/*
 * What is asked about a packet. Without ports (has_ports false, both of them 0) only entries match that
 * take every port. @in and @out are zones, never CLASSIFIER_ANY_ZONE.
 */
struct classifier_key {
	union classifier_addr src, dst;
	uint16_t sport, dport;
	uint16_t in, out;
	uint8_t proto;
	bool has_ports;
};

struct classifier_match {
	uint32_t rule;
	uint32_t priority;
};

struct classifier;

/* @family: 4 or 6. @return an empty classifier, or NULL when there is no memory. *control* */
struct classifier *classifier_new(unsigned int family);

/* No reader may still use it: unpublish, synchronize_rcu(), then this. NULL is fine. *control* */
void classifier_free(struct classifier *c);

/*
 * Adds many entries to an empty classifier that no reader knows yet; the way to build a large one.
 * @return 0; -EINVAL: an entry is not as described above; -EBUSY: not empty; -ENOMEM. After an error it
 * is empty. *control*
 */
int classifier_load(struct classifier *c, const struct classifier_entry *entry, size_t n);

/*
 * Adds an entry. The same entry may be added several times, and is then there as many times. Waits for
 * a grace period once in some thousands of changes.
 * @return 0; -EINVAL: it is not as described above; -ENOMEM: then nothing has changed. *control*
 */
int classifier_add(struct classifier *c, const struct classifier_entry *e);

/*
 * Deletes an entry that equals @e in every field.
 * @return 0; -ENOENT: there is none; -ENOMEM: then nothing has changed. *control*
 */
int classifier_del(struct classifier *c, const struct classifier_entry *e);

/*
 * For each of @n <= CLASSIFIER_BURST_MAX keys the matching entry of the lowest priority that is not
 * below from[i]. @from NULL: from the start, which is also the fastest. Of several matching entries with
 * this priority any one is the answer. *worker, control*
 */
void classifier_lookup(const struct classifier *c, const struct classifier_key *key,
		       const uint32_t *from, struct classifier_match *match, unsigned int n);

/* Number of entries. *control* */
size_t classifier_count(const struct classifier *c);

/* Frees what was replaced, after a grace period; for quiet moments. *control* */
void classifier_reclaim(struct classifier *c);

/* Bytes of what lookups read, holes included, and of what only the control thread reads. *control* */
size_t classifier_bytes(const struct classifier *c);
size_t classifier_control_bytes(const struct classifier *c);

/* Whether an entry of this family is as described above. *any* */
bool classifier_entry_valid(unsigned int family, const struct classifier_entry *e);

#endif
