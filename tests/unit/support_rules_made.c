/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that look like ClassBench's.
 *
 * Made without a file: lengths of prefixes, kinds of ports and protocols are drawn in the shares that
 * they have in ClassBench's sets of 10,000; addresses from pools as large, and as concentrated in
 * networks, as theirs. More specific rules come first, roughly.
 *
 * Grown from a set: copy k changes each bit of an address by a hash of k and the bits before it, so two
 * addresses of a copy have as many bits in common as the originals. The first six bits stay.
 */
#include "support_rules_made.h"

#include <stdlib.h>
#include <string.h>

#include "mix.h"
#include "support_rules.h"

#define KEEP_BITS 6
#define LENGTHS 24
#define PORTS 16
#define RANGE_HIGH 1024

struct lengths {
	uint8_t src, dst;
	uint16_t share;
};

/* E: one port, H: 1024 and above, R: some range, *: all; of source and destination. */
struct ports {
	char kind[3];
	int16_t proto; /* -1: any */
	uint16_t share;
};

struct profile {
	struct lengths lengths[LENGTHS];
	struct ports ports[PORTS];
	unsigned int src_pool, dst_pool; /* addresses for 1000 rules */
	unsigned int src_nets, dst_nets; /* of 16 bits, for 10,000 rules */
};

static const struct profile profiles[RULES_KINDS] = {
	[RULES_ACL] = { .lengths = { { 32, 32, 490 }, { 31, 32, 125 }, { 32, 31, 106 },
				     { 31, 31, 27 },  { 32, 30, 21 },  { 23, 32, 20 },
				     { 32, 22, 17 },  { 32, 24, 16 },  { 30, 32, 16 },
				     { 24, 31, 12 },  { 31, 22, 11 },  { 31, 23, 9 },
				     { 32, 25, 8 },   { 24, 32, 6 },   { 23, 16, 4 },
				     { 24, 15, 3 },   { 29, 23, 2 },   { 31, 1, 1 },
				     { 0, 24, 1 },    { 7, 0, 1 } },
			.ports = { { "*E", 6, 548 },
				   { "**", 6, 200 },
				   { "*R", 6, 125 },
				   { "**", -1, 82 },
				   { "**", 1, 33 },
				   { "*E", 17, 12 } },
			.src_pool = 440,
			.dst_pool = 100,
			.src_nets = 128,
			.dst_nets = 400 },
	[RULES_FW] = { .lengths = { { 1, 32, 166 }, { 0, 32, 129 }, { 0, 31, 109 }, { 1, 31, 62 },
				    { 2, 32, 57 },  { 32, 1, 42 },  { 32, 32, 40 }, { 32, 0, 31 },
				    { 31, 0, 28 },  { 0, 30, 27 },  { 31, 1, 18 },  { 32, 31, 17 },
				    { 31, 32, 16 }, { 32, 2, 16 },  { 30, 0, 11 },  { 32, 30, 9 },
				    { 31, 31, 9 },  { 29, 32, 8 },  { 29, 0, 7 },   { 32, 22, 6 },
				    { 28, 0, 6 },   { 0, 0, 6 },    { 27, 21, 5 },  { 22, 0, 5 } },
		       .ports = { { "*E", 6, 421 },
				  { "*E", 17, 144 },
				  { "**", 6, 109 },
				  { "E*", 17, 92 },
				  { "**", 47, 58 },
				  { "**", 1, 44 },
				  { "HH", 6, 43 },
				  { "HH", 17, 24 },
				  { "EE", 17, 21 },
				  { "HE", 17, 17 },
				  { "EH", 17, 16 },
				  { "**", -1, 10 },
				  { "HR", 17, 1 } },
		       .src_pool = 410,
		       .dst_pool = 750,
		       .src_nets = 4000,
		       .dst_nets = 7300 },
	[RULES_IPC] = { .lengths = { { 32, 32, 250 }, { 31, 32, 85 }, { 32, 31, 51 },
				     { 24, 32, 46 },  { 23, 32, 39 }, { 25, 32, 36 },
				     { 24, 24, 36 },  { 32, 25, 30 }, { 23, 24, 29 },
				     { 24, 25, 26 },  { 25, 24, 25 }, { 25, 31, 24 },
				     { 32, 24, 22 },  { 23, 26, 21 }, { 17, 25, 20 },
				     { 25, 17, 20 },  { 16, 16, 15 }, { 30, 32, 18 },
				     { 1, 32, 13 },   { 0, 31, 13 },  { 24, 1, 12 },
				     { 15, 23, 10 },  { 0, 0, 1 } },
			.ports = { { "**", -1, 339 },
				   { "*E", 17, 226 },
				   { "*E", 6, 139 },
				   { "E*", 17, 69 },
				   { "E*", 6, 66 },
				   { "*H", 17, 62 },
				   { "**", 6, 26 },
				   { "*R", 6, 20 },
				   { "R*", 6, 19 },
				   { "**", 1, 11 },
				   { "*R", 17, 6 },
				   { "H*", 17, 4 },
				   { "EE", 17, 3 } },
			.src_pool = 160,
			.dst_pool = 300,
			.src_nets = 180,
			.dst_nets = 300 },
};

/* --- no rule twice ------------------------------------------------------------------------------ */

struct seen {
	uint64_t *hash;
	size_t mask;
};

static struct seen seen_new(size_t n)
{
	struct seen s = { .mask = 1 };

	while (s.mask < 4 * n)
		s.mask *= 2;
	s.hash = calloc(s.mask--, sizeof(*s.hash));
	if (!s.hash)
		abort();
	return s;
}

/* @return whether an entry alike but for its priority was there before. */
static bool seen_before(struct seen *s, const struct classifier_entry *e)
{
	uint64_t h = mix64((uint64_t)e->src.v4 << 32 | e->dst.v4,
			   (uint64_t)e->src_len << 32 | (uint64_t)e->dst_len << 16 | e->proto);
	size_t at;

	h = mix64(h, (uint64_t)e->sport_lo << 48 | (uint64_t)e->sport_hi << 32 |
			     (uint64_t)e->dport_lo << 16 | e->dport_hi) |
	    1;
	for (at = h >> 20 & s->mask; s->hash[at]; at = (at + 1) & s->mask)
		if (s->hash[at] == h)
			return true;
	s->hash[at] = h;
	return false;
}

/* --- made --------------------------------------------------------------------------------------- */

struct pool {
	uint32_t *addr;
	unsigned int n;
};

/* Half of a network's addresses are in two of its /24. */
static struct pool pool_new(size_t rules, unsigned int per_1000, unsigned int nets)
{
	struct pool p = { .n = (unsigned int)(rules * per_1000 / 1000 + 16) };

	nets = (unsigned int)((uint64_t)nets * rules / 10000 + 16);
	p.addr = calloc(p.n, sizeof(*p.addr));
	if (!p.addr)
		abort();
	for (unsigned int i = 0; i < p.n; i++) {
		uint64_t net = mix64(nets, rules_random_below(nets));
		uint32_t within = (uint32_t)rules_random() & 0xffff;

		if (rules_random_below(2))
			within = (within & 0x1ff) | ((uint32_t)net >> 16 & 0xfe00);
		p.addr[i] = (uint32_t)(net << 16) | within;
	}
	return p;
}

static uint32_t pool_pick(const struct pool *p, unsigned int len)
{
	return len ? p->addr[rules_random_below(p->n)] & UINT32_MAX << (32 - len) : 0;
}

/* Few ports have most of the rules. */
static void ports_pick(char kind, uint16_t *lo, uint16_t *hi)
{
	unsigned int which = rules_random_below(1 + rules_random_below(72));

	*lo = 0, *hi = 0xffff;
	if (kind == 'E')
		*lo = *hi = (uint16_t)(mix64(1, which) % (which % 3 ? 10000 : 1024));
	else if (kind == 'H')
		*lo = RANGE_HIGH;
	else if (kind == 'R')
		*lo = (uint16_t)(mix64(2, which) % 50000), *hi = (uint16_t)(*lo + which);
}

static const struct lengths *lengths_pick(const struct profile *p)
{
	unsigned int total = 0, at;

	for (unsigned int i = 0; i < LENGTHS; i++)
		total += p->lengths[i].share;
	at = rules_random_below(total);
	for (const struct lengths *l = p->lengths;; l++) {
		if (at < l->share)
			return l;
		at -= l->share;
	}
}

static const struct ports *ports_kind_pick(const struct profile *p)
{
	unsigned int total = 0, at;

	for (unsigned int i = 0; i < PORTS; i++)
		total += p->ports[i].share;
	at = rules_random_below(total);
	for (const struct ports *q = p->ports;; q++) {
		if (at < q->share)
			return q;
		at -= q->share;
	}
}

static void entry_make(const struct profile *p, const struct pool *src, const struct pool *dst,
		       struct classifier_entry *e)
{
	const struct lengths *l = lengths_pick(p);
	const struct ports *q = ports_kind_pick(p);

	/* Until they are sorted, the priority is how specific they are, with some noise. */
	*e = rules_entry_any(80 - l->src - l->dst + rules_random_below(16));
	e->src_len = l->src;
	e->dst_len = l->dst;
	e->src.v4 = pool_pick(src, l->src);
	e->dst.v4 = pool_pick(dst, l->dst);
	ports_pick(q->kind[0], &e->sport_lo, &e->sport_hi);
	ports_pick(q->kind[1], &e->dport_lo, &e->dport_hi);
	e->proto = q->proto < 0 ? CLASSIFIER_ANY_PROTO : (uint16_t)q->proto;
}

static int entry_order(const void *a, const void *b)
{
	const struct classifier_entry *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return (x->rule > y->rule) - (x->rule < y->rule);
}

static void rules_number(struct rules *r)
{
	for (size_t i = 0; i < r->n; i++)
		r->entry[i].rule = (uint32_t)i;
	qsort(r->entry, r->n, sizeof(*r->entry), entry_order);
	for (size_t i = 0; i < r->n; i++)
		r->entry[i].priority = r->entry[i].rule = (uint32_t)i;
}

void rules_make(struct rules *r, enum rules_kind kind, size_t n)
{
	const struct profile *p = &profiles[kind];
	struct pool src = pool_new(n, p->src_pool, p->src_nets);
	struct pool dst = pool_new(n, p->dst_pool, p->dst_nets);
	struct seen seen = seen_new(n);

	*r = (struct rules){ .entry = calloc(n, sizeof(*r->entry)) };
	if (!r->entry)
		abort();
	while (r->n < n) {
		entry_make(p, &src, &dst, &r->entry[r->n]);
		r->n += !seen_before(&seen, &r->entry[r->n]);
	}
	rules_number(r);
	free(seen.hash);
	free(src.addr);
	free(dst.addr);
}

/* --- grown -------------------------------------------------------------------------------------- */

static uint32_t addr_copy(uint32_t addr, unsigned int len, uint64_t copy)
{
	uint32_t flips = 0;

	for (unsigned int i = KEEP_BITS; i < len; i++)
		flips |= (uint32_t)(mix64(copy << 8 | i, addr >> (32 - i)) & 1) << (31 - i);
	return addr ^ flips;
}

static void entry_copy(struct classifier_entry *e, const struct classifier_entry *from,
		       uint64_t copy)
{
	*e = *from;
	if (!copy)
		return;
	e->src.v4 = addr_copy(e->src.v4, e->src_len, 2 * copy);
	e->dst.v4 = addr_copy(e->dst.v4, e->dst_len, 2 * copy + 1);
}

void rules_grow(struct rules *r, size_t n)
{
	struct rules all = { .entry = calloc(n, sizeof(*all.entry)) };
	struct seen seen = seen_new(n);

	if (!all.entry)
		abort();
	/* The last copy is not whole: it takes its rules from everywhere. */
	for (uint64_t copy = 0, before = 1; all.n < n && all.n != before; copy++) {
		size_t step = 1 + (n - all.n < r->n ? r->n / (n - all.n) - 1 : 0);

		before = all.n;
		for (size_t i = 0; i < r->n && all.n < n; i += step) {
			entry_copy(&all.entry[all.n], &r->entry[i], copy);
			all.n += !seen_before(&seen, &all.entry[all.n]);
		}
	}
	free(seen.hash);
	free(r->entry);
	*r = all;
	rules_number(r);
}

/* --- packets ------------------------------------------------------------------------------------ */

static uint32_t point_pick(uint32_t lo, uint32_t hi)
{
	switch (rules_random_below(3)) {
	case 0: return lo;
	case 1: return hi;
	default: return lo + (uint32_t)(rules_random() % ((uint64_t)hi - lo + 1));
	}
}

static uint32_t addr_pick(uint32_t prefix, unsigned int len)
{
	return point_pick(prefix, len < 32 ? prefix | UINT32_MAX >> len : prefix);
}

/* A packet whose address, ports and protocol come from four rules. */
static struct classifier_key key_pick(const struct classifier_entry *src,
				      const struct classifier_entry *dst,
				      const struct classifier_entry *ports,
				      const struct classifier_entry *proto)
{
	return (struct classifier_key){
		.src.v4 = addr_pick(src->src.v4, src->src_len),
		.dst.v4 = addr_pick(dst->dst.v4, dst->dst_len),
		.sport = (uint16_t)point_pick(ports->sport_lo, ports->sport_hi),
		.dport = (uint16_t)point_pick(ports->dport_lo, ports->dport_hi),
		.proto = (uint8_t)(proto->proto == CLASSIFIER_ANY_PROTO ? rules_random() :
									  proto->proto),
		.has_ports = true,
	};
}

static struct classifier_key *keys_new(size_t n)
{
	struct classifier_key *key = calloc(n, sizeof(*key));

	if (!key)
		abort();
	return key;
}

struct classifier_key *rules_trace_make(const struct classifier_entry *e, size_t entries, size_t n)
{
	struct classifier_key *key = keys_new(n);

	for (size_t i = 0; i < n; i++) {
		const struct classifier_entry *r = &e[rules_random_below((unsigned int)entries)];

		key[i] = key_pick(r, r, r, r);
	}
	return key;
}

struct classifier_key *rules_trace_mix(const struct classifier_entry *e, size_t entries, size_t n)
{
	struct classifier_key *key = keys_new(n);

	for (size_t i = 0; i < n; i++) {
		const struct classifier_entry *r[4];

		for (unsigned int j = 0; j < 4; j++)
			r[j] = &e[rules_random_below((unsigned int)entries)];
		key[i] = key_pick(r[0], r[1], r[2], r[3]);
	}
	return key;
}
