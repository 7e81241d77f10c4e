/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear search over the entries, in no order, and what it means for an entry to match: written here
 * once, field by field, without regard for speed. The fast classifier does not use it to look up, so
 * that a mistake in one is not a mistake in both.
 */
#include "classifier_linear.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- one entry ---------------------------------------------------------------------------------- */

static bool prefix_matches4(uint32_t prefix, unsigned int len, uint32_t addr)
{
	return !len || (prefix ^ addr) >> (32 - len) == 0;
}

static bool prefix_matches6(const struct in6_addr *prefix, unsigned int len,
			    const struct in6_addr *addr)
{
	unsigned int whole = len / 8, rest = len % 8;

	if (memcmp(prefix, addr, whole))
		return false;
	return !rest || (prefix->s6_addr[whole] ^ addr->s6_addr[whole]) >> (8 - rest) == 0;
}

static bool prefix_matches(unsigned int family, const union classifier_addr *prefix,
			   unsigned int len, const union classifier_addr *addr)
{
	return family == 6 ? prefix_matches6(&prefix->v6, len, &addr->v6) :
			     prefix_matches4(prefix->v4, len, addr->v4);
}

static bool ports_any(uint16_t lo, uint16_t hi)
{
	return lo == 0 && hi == 0xffff;
}

static bool ports_match(uint16_t lo, uint16_t hi, uint16_t port, bool has_ports)
{
	return ports_any(lo, hi) || (has_ports && lo <= port && port <= hi);
}

bool classifier_entry_matches(unsigned int family, const struct classifier_entry *e,
			      const struct classifier_key *key)
{
	return prefix_matches(family, &e->src, e->src_len, &key->src) &&
	       prefix_matches(family, &e->dst, e->dst_len, &key->dst) &&
	       ports_match(e->sport_lo, e->sport_hi, key->sport, key->has_ports) &&
	       ports_match(e->dport_lo, e->dport_hi, key->dport, key->has_ports) &&
	       (e->proto == CLASSIFIER_ANY_PROTO || e->proto == key->proto) &&
	       (e->in == CLASSIFIER_ANY_ZONE || e->in == key->in) &&
	       (e->out == CLASSIFIER_ANY_ZONE || e->out == key->out);
}

static bool addr_equal(unsigned int family, const union classifier_addr *a,
		       const union classifier_addr *b)
{
	return family == 6 ? !memcmp(&a->v6, &b->v6, sizeof(a->v6)) : a->v4 == b->v4;
}

bool classifier_entry_equal(unsigned int family, const struct classifier_entry *a,
			    const struct classifier_entry *b)
{
	return addr_equal(family, &a->src, &b->src) && addr_equal(family, &a->dst, &b->dst) &&
	       a->src_len == b->src_len && a->dst_len == b->dst_len && a->proto == b->proto &&
	       a->sport_lo == b->sport_lo && a->sport_hi == b->sport_hi &&
	       a->dport_lo == b->dport_lo && a->dport_hi == b->dport_hi && a->in == b->in &&
	       a->out == b->out && a->priority == b->priority && a->rule == b->rule;
}

static bool zone_valid(uint16_t zone)
{
	return zone == CLASSIFIER_ANY_ZONE || zone < CLASSIFIER_ZONES;
}

/* No bits beyond the length. */
static bool prefix_valid(unsigned int family, const union classifier_addr *prefix, unsigned int len)
{
	if (family == 4)
		return len <= 32 && (len == 32 || (uint32_t)(prefix->v4 << len) == 0);
	if (len > 128)
		return false;
	for (unsigned int bit = len; bit < 128; bit++)
		if (prefix->v6.s6_addr[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

bool classifier_entry_valid(unsigned int family, const struct classifier_entry *e)
{
	return prefix_valid(family, &e->src, e->src_len) &&
	       prefix_valid(family, &e->dst, e->dst_len) && e->sport_lo <= e->sport_hi &&
	       e->dport_lo <= e->dport_hi && e->proto <= CLASSIFIER_ANY_PROTO &&
	       zone_valid(e->in) && zone_valid(e->out) && e->priority != CLASSIFIER_NONE &&
	       e->rule != CLASSIFIER_NONE;
}

/* --- all of them -------------------------------------------------------------------------------- */

void classifier_linear_init(struct classifier_linear *l, unsigned int family)
{
	*l = (struct classifier_linear){ .family = family };
}

void classifier_linear_fini(struct classifier_linear *l)
{
	free(l->entry);
	l->entry = NULL;
}

int classifier_linear_add(struct classifier_linear *l, const struct classifier_entry *e)
{
	if (!classifier_entry_valid(l->family, e))
		return -EINVAL;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct classifier_entry *p = realloc(l->entry, room * sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->entry = p;
		l->room = room;
	}
	l->entry[l->n++] = *e;
	return 0;
}

int classifier_linear_del(struct classifier_linear *l, const struct classifier_entry *e)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!classifier_entry_equal(l->family, &l->entry[i], e))
			continue;
		l->entry[i] = l->entry[--l->n];
		return 0;
	}
	return -ENOENT;
}

static struct classifier_match match_one(const struct classifier_linear *l,
					 const struct classifier_key *key, uint32_t from)
{
	struct classifier_match best = { CLASSIFIER_NONE, CLASSIFIER_NONE };

	for (size_t i = 0; i < l->n; i++) {
		const struct classifier_entry *e = &l->entry[i];

		if (e->priority >= from && e->priority < best.priority &&
		    classifier_entry_matches(l->family, e, key))
			best = (struct classifier_match){ e->rule, e->priority };
	}
	return best;
}

void classifier_linear_lookup(const struct classifier_linear *l, const struct classifier_key *key,
			      const uint32_t *from, struct classifier_match *match, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		match[i] = match_one(l, &key[i], from ? from[i] : 0);
}
