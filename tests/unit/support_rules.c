/* SPDX-License-Identifier: Apache-2.0 */
/* Entries and keys at random. */
#include "support_rules.h"

#include <stdlib.h>
#include <string.h>

uint64_t rules_random_state = 1;

uint64_t rules_random(void)
{
	uint64_t z = rules_random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

unsigned int rules_random_below(unsigned int n)
{
	return (unsigned int)(rules_random() % n);
}

/* --- entries ------------------------------------------------------------------------------------ */

struct classifier_entry rules_entry_any(uint32_t priority)
{
	return (struct classifier_entry){ .sport_hi = 0xffff,
					  .dport_hi = 0xffff,
					  .proto = CLASSIFIER_ANY_PROTO,
					  .in = CLASSIFIER_ANY_ZONE,
					  .out = CLASSIFIER_ANY_ZONE,
					  .priority = priority,
					  .rule = priority };
}

/* Bytes in the order of the packet, for both families. */
static void addr_bytes(unsigned int family, const union classifier_addr *a, uint8_t byte[16])
{
	memset(byte, 0, 16);
	if (family == 6)
		memcpy(byte, &a->v6, 16);
	else
		for (unsigned int i = 0; i < 4; i++)
			byte[i] = (uint8_t)(a->v4 >> (24 - 8 * i));
}

static union classifier_addr addr_from(unsigned int family, const uint8_t byte[16])
{
	union classifier_addr a;

	memset(&a, 0, sizeof(a));
	if (family == 6)
		memcpy(&a.v6, byte, 16);
	else
		a.v4 = (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 |
		       byte[3];
	return a;
}

static void bytes_mask(uint8_t byte[16], unsigned int len)
{
	for (unsigned int bit = len; bit < 128; bit++)
		byte[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* Few different values in each byte, so that prefixes lie within others. */
static union classifier_addr addr_random(unsigned int family, unsigned int len)
{
	uint8_t byte[16];

	for (unsigned int i = 0; i < 16; i++)
		byte[i] = (uint8_t)(rules_random_below(4) ? 16 * rules_random_below(8) :
							    rules_random());
	bytes_mask(byte, len);
	return addr_from(family, byte);
}

static unsigned int bits_of(unsigned int family)
{
	return family == 6 ? 128 : 32;
}

static void ports_random(uint16_t *lo, uint16_t *hi)
{
	uint16_t a = (uint16_t)rules_random(), b = (uint16_t)rules_random();

	switch (rules_random_below(5)) {
	case 0: *lo = *hi = (uint16_t)rules_random_below(64); break;
	case 1: *lo = 1024, *hi = 0xffff; break;
	case 2: *lo = a < b ? a : b, *hi = a < b ? b : a; break;
	default: *lo = 0, *hi = 0xffff; break;
	}
}

void rules_shape_mixed(unsigned int family, struct classifier_entry *e)
{
	e->src_len = (uint8_t)(rules_random_below(4) ? rules_random_below(bits_of(family) + 1) : 0);
	e->dst_len = (uint8_t)(rules_random_below(4) ? rules_random_below(bits_of(family) + 1) : 0);
	e->src = addr_random(family, e->src_len);
	e->dst = addr_random(family, e->dst_len);
	ports_random(&e->sport_lo, &e->sport_hi);
	ports_random(&e->dport_lo, &e->dport_hi);
	if (rules_random_below(2))
		e->proto = (uint16_t)(rules_random_below(3) ? 6 : rules_random_below(256));
	if (rules_random_below(3) == 0)
		e->in = (uint16_t)(rules_random_below(5) ? rules_random_below(4) :
							   rules_random_below(CLASSIFIER_ZONES));
	if (rules_random_below(3) == 0)
		e->out = (uint16_t)(rules_random_below(5) ? rules_random_below(4) :
							    rules_random_below(CLASSIFIER_ZONES));
}

void rules_shape_tuples(unsigned int family, struct classifier_entry *e)
{
	e->src_len = (uint8_t)rules_random_below(bits_of(family) + 1);
	e->dst_len = (uint8_t)rules_random_below(bits_of(family) + 1);
	e->src = addr_random(family, e->src_len);
	e->dst = addr_random(family, e->dst_len);
}

void rules_shape_crossing(unsigned int family, struct classifier_entry *e)
{
	switch (rules_random_below(6)) {
	case 0:
		e->src_len = (uint8_t)bits_of(family);
		e->src = addr_random(family, e->src_len);
		break;
	case 1:
		e->dst_len = (uint8_t)bits_of(family);
		e->dst = addr_random(family, e->dst_len);
		break;
	case 2: e->sport_lo = e->sport_hi = (uint16_t)rules_random(); break;
	case 3: e->dport_lo = e->dport_hi = (uint16_t)rules_random(); break;
	case 4: e->in = (uint16_t)rules_random_below(CLASSIFIER_ZONES); break;
	case 5: e->out = (uint16_t)rules_random_below(CLASSIFIER_ZONES); break;
	}
}

void rules_shape_nested(unsigned int family, struct classifier_entry *e)
{
	(void)family;
	e->sport_lo = (uint16_t)rules_random_below(0x8000);
	e->sport_hi = (uint16_t)(0x8000 + rules_random_below(0x8000));
	e->dport_lo = (uint16_t)rules_random_below(0x8000);
	e->dport_hi = (uint16_t)(0x8000 + rules_random_below(0x8000));
	e->src_len = (uint8_t)rules_random_below(2);
	e->src = addr_random(family, e->src_len);
}

const rules_shape_fn rules_shapes[RULES_SHAPES] = { rules_shape_mixed, rules_shape_tuples,
						    rules_shape_crossing, rules_shape_nested };

struct classifier_entry *rules_entries_make(unsigned int family, rules_shape_fn shape, size_t n)
{
	struct classifier_entry *e = calloc(n, sizeof(*e));

	if (!e)
		abort();
	for (size_t i = 0; i < n; i++) {
		e[i] = rules_entry_any(rules_random_below((unsigned int)n));
		shape(family, &e[i]);
		if (i && rules_random_below(50) == 0)
			e[i] = e[rules_random_below((unsigned int)i)];
	}
	return e;
}

/* --- keys --------------------------------------------------------------------------------------- */

static union classifier_addr addr_within(unsigned int family, const union classifier_addr *prefix,
					 unsigned int len)
{
	uint8_t in[16], out[16];
	uint8_t fill = rules_random_below(3) ? (uint8_t)rules_random() :
		       rules_random_below(2) ? 0xff :
					       0;

	addr_bytes(family, prefix, in);
	for (unsigned int i = 0; i < 16; i++)
		out[i] = rules_random_below(3) ? fill : (uint8_t)rules_random();
	for (unsigned int bit = 0; bit < len; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		out[bit / 8] = (uint8_t)((out[bit / 8] & ~mask) | (in[bit / 8] & mask));
	}
	return addr_from(family, out);
}

/* A boundary of the range, next to one, or within. */
static uint16_t port_near(uint16_t lo, uint16_t hi)
{
	switch (rules_random_below(6)) {
	case 0: return lo;
	case 1: return hi;
	case 2: return (uint16_t)(lo - 1);
	case 3: return (uint16_t)(hi + 1);
	default: return (uint16_t)(lo + rules_random_below((unsigned int)(hi - lo) + 1));
	}
}

struct classifier_key rules_key_near(unsigned int family, const struct classifier_entry *e)
{
	struct classifier_key k;

	memset(&k, 0, sizeof(k));
	k.src = addr_within(family, &e->src, e->src_len);
	k.dst = addr_within(family, &e->dst, e->dst_len);
	k.has_ports = rules_random_below(8) != 0;
	if (k.has_ports) {
		k.sport = port_near(e->sport_lo, e->sport_hi);
		k.dport = port_near(e->dport_lo, e->dport_hi);
	}
	k.proto = (uint8_t)(e->proto == CLASSIFIER_ANY_PROTO || rules_random_below(16) == 0 ?
				    rules_random() :
				    e->proto);
	k.in = (uint16_t)(e->in == CLASSIFIER_ANY_ZONE || rules_random_below(16) == 0 ?
				  rules_random_below(CLASSIFIER_ZONES) :
				  e->in);
	k.out = (uint16_t)(e->out == CLASSIFIER_ANY_ZONE || rules_random_below(16) == 0 ?
				   rules_random_below(CLASSIFIER_ZONES) :
				   e->out);
	return k;
}
