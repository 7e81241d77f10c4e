/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions as terms. See import_nft.h.
 *
 * A term is true where each of its fields is in its set; terms is true where any of them is. `and`
 * is the product, field by field. `minus` takes a term apart along the other one's fields: what
 * fails the first of them, what holds the first and fails the second, and so on; the pieces are
 * disjoint, and in each of them the fields that a later one depends on (a port on its protocol)
 * still hold. Either may multiply the number of terms, so there is a limit to it.
 *
 * A named set stays a name as long as nothing else is asked of the same field but not being in
 * another set; two names that must both hold cannot stand in one rule, so the one whose elements
 * do not change is written out.
 */
#include "import_nft.h"

#include <string.h>

#define PARTS_MAX 500 /* to subtract: each takes the others apart */

static const enum field ref_fields[REFS][2] = {
	{ FIELD_SRC4, FIELD_SRC6 },
	{ FIELD_DST4, FIELD_DST6 },
	{ FIELD_SPORT, FIELD_SPORT },
	{ FIELD_DPORT, FIELD_DPORT },
};

void term_any(struct import *import, struct term *term)
{
	memset(term, 0, sizeof(*term));
	for (enum field f = 0; f < FIELDS; f++)
		term->field[f] = ranges_one(&import->arena, 0, import_field_max(f));
}

bool term_is_any(const struct term *term)
{
	for (enum field f = 0; f < FIELDS; f++)
		if (!ranges_full(term->field[f], import_field_max(f)))
			return false;
	for (enum ref r = 0; r < REFS; r++)
		if (term->in[r] || term->not_in[r])
			return false;
	return true;
}

void terms_add(struct import *import, struct terms *terms, const struct term *term)
{
	if (terms->n == terms->room) {
		const size_t room = terms->room ? 2 * terms->room : 1;
		struct term *t = arena_alloc(&import->arena, room * sizeof(*t));

		if (terms->n)
			memcpy(t, terms->t, terms->n * sizeof(*t));
		terms->t = t;
		terms->room = room;
	}
	terms->t[terms->n++] = *term;
}

struct terms terms_any(struct import *import)
{
	struct terms any = { 0 };
	struct term term;

	term_any(import, &term);
	terms_add(import, &any, &term);
	return any;
}

void term_restrict(struct import *import, struct term *term, enum field field, struct ranges value,
		   bool *empty)
{
	term->field[field] = ranges_and(&import->arena, term->field[field], value);
	*empty = *empty || !term->field[field].n;
}

static bool not_listed(const struct not_set *list, const struct import_set *set)
{
	for (; list; list = list->next)
		if (list->set == set)
			return false;
	return true;
}

static void exclude(struct import *import, struct term *term, enum ref ref,
		    const struct import_set *set)
{
	struct not_set *more;

	if (!not_listed(term->not_in[ref], set))
		return;
	more = arena_alloc(&import->arena, sizeof(*more));
	*more = (struct not_set){ set, term->not_in[ref] };
	term->not_in[ref] = more;
}

static enum field field_of(const struct import_set *set, enum ref ref)
{
	return ref_fields[ref][set->kind == SET_ADDRESS6];
}

/* The set's elements instead of its name. */
static const char *write_out(struct import *import, struct term *term, enum ref ref,
			     const struct import_set *set, bool *empty)
{
	const enum field field = field_of(set, ref);
	const char *why;
	struct ranges value;

	if (set->changes)
		return arena_print(&import->arena,
				   "being in two sets at once of which @%s changes by itself",
				   import_clean(import, set->name));
	why = import_set_value(import, set, field, &value);
	if (!why)
		term_restrict(import, term, field, value, empty);
	return why;
}

static const char *include(struct import *import, struct term *term, enum ref ref,
			   const struct import_set *set, bool *empty)
{
	const struct import_set *other = term->in[ref];

	if (!other || other == set) {
		term->in[ref] = set;
		return NULL;
	}
	if (set->changes && !other->changes) {
		term->in[ref] = set;
		set = other;
	}
	return write_out(import, term, ref, set, empty);
}

/* *empty: they exclude each other. */
static const char *term_and(struct import *import, const struct term *a, const struct term *b,
			    struct term *out, bool *empty)
{
	const char *why = NULL;

	*out = *a;
	*empty = false;
	for (enum field f = 0; f < FIELDS && !*empty; f++)
		if (a->field[f].r != b->field[f].r)
			term_restrict(import, out, f, b->field[f], empty);
	for (enum ref r = 0; r < REFS && !*empty && !why; r++) {
		for (const struct not_set *one = b->not_in[r]; one; one = one->next)
			exclude(import, out, r, one->set);
		if (b->in[r])
			why = include(import, out, r, b->in[r], empty);
		if (out->in[r] && !not_listed(out->not_in[r], out->in[r]))
			*empty = true;
	}
	return why;
}

const char terms_too_many[] = "a condition that would take more than 4000 rules";

const char *terms_and(struct import *import, const struct terms *a, const struct terms *b,
		      struct terms *out)
{
	struct terms product = { 0 };
	struct term term;
	bool empty;

	for (size_t i = 0; i < a->n; i++) {
		for (size_t j = 0; j < b->n; j++) {
			const char *why = term_and(import, &a->t[i], &b->t[j], &term, &empty);

			if (!why && !empty && product.n == TERMS_MAX)
				why = terms_too_many;
			if (why)
				return why;
			if (!empty)
				terms_add(import, &product, &term);
		}
	}
	*out = product;
	return NULL;
}

/* The part of *rest that fails `b` in one field goes to `out`; the other one stays. */
static bool split_field(struct import *import, struct term *rest, const struct term *b,
			enum field field, struct terms *out)
{
	struct ranges other = ranges_not(&import->arena, b->field[field], import_field_max(field));
	struct term piece = *rest;
	bool empty = false;

	if (rest->field[field].r == b->field[field].r)
		return true;
	term_restrict(import, &piece, field, other, &empty);
	if (!empty)
		terms_add(import, out, &piece);
	empty = false;
	term_restrict(import, rest, field, b->field[field], &empty);
	return !empty;
}

static const char *split_ref(struct import *import, struct term *rest, const struct term *b,
			     enum ref ref, struct terms *out)
{
	const char *why = NULL;
	struct term piece;
	bool empty = false;

	if (b->in[ref] && rest->in[ref] != b->in[ref]) {
		piece = *rest;
		exclude(import, &piece, ref, b->in[ref]);
		terms_add(import, out, &piece);
		why = include(import, rest, ref, b->in[ref], &empty);
	}
	for (const struct not_set *one = b->not_in[ref]; one && !why; one = one->next) {
		if (!not_listed(rest->not_in[ref], one->set))
			continue;
		piece = *rest;
		empty = false;
		why = include(import, &piece, ref, one->set, &empty);
		if (!empty)
			terms_add(import, out, &piece);
		exclude(import, rest, ref, one->set);
	}
	return why;
}

static const char *term_minus(struct import *import, struct term rest, const struct term *b,
			      struct terms *out)
{
	const char *why = NULL;

	for (enum field f = 0; f < FIELDS; f++)
		if (!split_field(import, &rest, b, f, out))
			return NULL;
	for (enum ref r = 0; r < REFS && !why; r++)
		why = split_ref(import, &rest, b, r, out);
	return why;
}

const char *terms_minus(struct import *import, const struct terms *a, const struct terms *b,
			struct terms *out)
{
	struct terms rest = *a;

	if (b->n > PARTS_MAX)
		return "taking out a condition that has more than 500 parts";
	for (size_t j = 0; j < b->n; j++) {
		struct terms next = { 0 };

		for (size_t i = 0; i < rest.n; i++) {
			const char *why = term_minus(import, rest.t[i], &b->t[j], &next);

			if (!why && next.n > TERMS_MAX)
				why = terms_too_many;
			if (why)
				return why;
		}
		terms_merge(import, &next);
		rest = next;
	}
	*out = rest;
	return NULL;
}

/* The only field in which two terms differ; FIELDS: they are equal; FIELDS + 1: more than one. */
static unsigned difference(const struct term *a, const struct term *b)
{
	unsigned found = FIELDS;

	for (enum ref r = 0; r < REFS; r++)
		if (a->in[r] != b->in[r] || a->not_in[r] != b->not_in[r])
			return FIELDS + 1;
	for (enum field f = 0; f < FIELDS; f++) {
		if (ranges_equal(a->field[f], b->field[f]))
			continue;
		if (found != FIELDS)
			return FIELDS + 1;
		found = f;
	}
	return found;
}

bool term_same_but_state(const struct term *a, const struct term *b)
{
	const unsigned field = difference(a, b);

	return field == FIELD_STATE || field == FIELDS;
}

/* Two terms that differ in one field only are one, with either value. */
void terms_merge(struct import *import, struct terms *terms)
{
	for (size_t i = 0; i < terms->n; i++) {
		for (size_t j = i + 1; j < terms->n;) {
			const unsigned f = difference(&terms->t[i], &terms->t[j]);

			if (f > FIELDS) {
				j++;
				continue;
			}
			if (f < FIELDS)
				terms->t[i].field[f] = ranges_or(
					&import->arena, terms->t[i].field[f], terms->t[j].field[f]);
			terms->n--;
			memmove(&terms->t[j], &terms->t[j + 1], (terms->n - j) * sizeof(*terms->t));
			j = i + 1;
		}
	}
}

/* The flag bytes in which the bits under `mask` are `value`, if all of them are in `set`. */
static bool cube_within(const bool set[256], unsigned mask, unsigned value)
{
	for (unsigned byte = 0; byte < 256; byte++)
		if ((byte & mask) == value && !set[byte])
			return false;
	return true;
}

static bool cube_take(bool left[256], unsigned mask, unsigned value)
{
	bool any = false;

	for (unsigned byte = 0; byte < 256; byte++) {
		if ((byte & mask) == value && left[byte]) {
			left[byte] = false;
			any = true;
		}
	}
	return any;
}

static void cube_add(struct import *import, const struct term *term, unsigned mask, unsigned value,
		     struct terms *out)
{
	struct range *r = arena_alloc(&import->arena, 256 * sizeof(*r));
	struct term cube = *term;
	size_t n = 0;

	for (unsigned byte = 0; byte < 256; byte++)
		if ((byte & mask) == value)
			r[n++] = (struct range){ byte, byte };
	cube.field[FIELD_TCP_FLAGS] = ranges_of(r, n);
	terms_add(import, out, &cube);
}

/* Large ones first, which with eight flags gives few enough. */
static void term_cubes(struct import *import, const struct term *term, struct terms *out)
{
	bool set[256], left[256];

	for (unsigned byte = 0; byte < 256; byte++)
		set[byte] = left[byte] = ranges_have(term->field[FIELD_TCP_FLAGS], byte);
	for (int bits = 0; bits <= 8; bits++)
		for (unsigned mask = 0; mask < 256; mask++)
			for (unsigned value = 0; value < 256; value++)
				if (__builtin_popcount(mask) == bits && !(value & ~mask) &&
				    cube_within(set, mask, value) && cube_take(left, mask, value))
					cube_add(import, term, mask, value, out);
}

struct terms terms_cubes(struct import *import, const struct terms *terms)
{
	const number max = import_field_max(FIELD_TCP_FLAGS);
	struct terms out = { 0 };

	for (size_t i = 0; i < terms->n; i++)
		if (ranges_full(terms->t[i].field[FIELD_TCP_FLAGS], max))
			terms_add(import, &out, &terms->t[i]);
		else
			term_cubes(import, &terms->t[i], &out);
	return out;
}
