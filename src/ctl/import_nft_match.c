/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule asks about a packet, as terms. A question about a header implies that the packet has
 * it: `tcp dport != 80` is about TCP only, so each selector brings the family and protocol along,
 * and negation leaves those as they are.
 */
#include "import_nft.h"

#include <string.h>

enum { ANY_PROTO = 256, PROTOS_MAX = 5 };

struct selector {
	enum field field;
	int family;		     /* -1 any, 0 IPv4, 1 IPv6 */
	unsigned protos[PROTOS_MAX]; /* ends with 0; the first ANY_PROTO: any */
};

static const struct {
	const char *protocol, *name;
	struct selector selector;
} payloads[] = {
	{ "ip", "saddr", { FIELD_SRC4, 0, { ANY_PROTO } } },
	{ "ip", "daddr", { FIELD_DST4, 0, { ANY_PROTO } } },
	{ "ip", "protocol", { FIELD_PROTO, 0, { ANY_PROTO } } },
	{ "ip", "dscp", { FIELD_DSCP, 0, { ANY_PROTO } } },
	{ "ip6", "saddr", { FIELD_SRC6, 1, { ANY_PROTO } } },
	{ "ip6", "daddr", { FIELD_DST6, 1, { ANY_PROTO } } },
	{ "ip6", "nexthdr", { FIELD_PROTO, 1, { ANY_PROTO } } },
	{ "ip6", "dscp", { FIELD_DSCP, 1, { ANY_PROTO } } },
	{ "tcp", "sport", { FIELD_SPORT, -1, { 6 } } },
	{ "tcp", "dport", { FIELD_DPORT, -1, { 6 } } },
	{ "tcp", "flags", { FIELD_TCP_FLAGS, -1, { 6 } } },
	{ "udp", "sport", { FIELD_SPORT, -1, { 17 } } },
	{ "udp", "dport", { FIELD_DPORT, -1, { 17 } } },
	{ "dccp", "sport", { FIELD_SPORT, -1, { 33 } } },
	{ "dccp", "dport", { FIELD_DPORT, -1, { 33 } } },
	{ "udplite", "sport", { FIELD_SPORT, -1, { 136 } } },
	{ "udplite", "dport", { FIELD_DPORT, -1, { 136 } } },
	{ "sctp", "sport", { FIELD_SPORT, -1, { 132 } } },
	{ "sctp", "dport", { FIELD_DPORT, -1, { 132 } } },
	/* the transport header, whichever; those of which we read the ports */
	{ "th", "sport", { FIELD_SPORT, -1, { 6, 17, 33, 132, 136 } } },
	{ "th", "dport", { FIELD_DPORT, -1, { 6, 17, 33, 132, 136 } } },
	{ "icmp", "type", { FIELD_ICMP_TYPE, 0, { 1 } } },
	{ "icmp", "code", { FIELD_ICMP_CODE, 0, { 1 } } },
	{ "icmpv6", "type", { FIELD_ICMP6_TYPE, 1, { 58 } } },
	{ "icmpv6", "code", { FIELD_ICMP6_CODE, 1, { 58 } } },
};

static const struct {
	const char *name;
	enum field field;
} metas[] = {
	{ "iifname", FIELD_IN },      { "iif", FIELD_IN },	  { "oifname", FIELD_OUT },
	{ "oif", FIELD_OUT },	      { "l4proto", FIELD_PROTO }, { "nfproto", FIELD_FAMILY },
	{ "protocol", FIELD_FAMILY },
};

/* For who reads the messages: "ct mark", "tcp option", "meta hour". */
const char *import_expression_name(struct import *import, const json_t *expression)
{
	const char *kind = json_object_iter_key(json_object_iter((json_t *)expression));
	const json_t *detail = kind ? json_object_get(expression, kind) : NULL;
	const char *protocol = json_string_value(json_object_get(detail, "protocol"));
	const char *field = json_string_value(json_object_get(detail, "field"));
	const char *key = json_string_value(json_object_get(detail, "key"));

	if (!kind)
		return "an expression without a name";
	if (protocol && field)
		return arena_print(&import->arena, "`%s %s`", import_clean(import, protocol),
				   import_clean(import, field));
	if (key || field)
		return arena_print(&import->arena, "`%s %s`", import_clean(import, kind),
				   import_clean(import, key ? key : field));
	return arena_print(&import->arena, "`%s`", import_clean(import, kind));
}

/* "@th,16,16": bits by their place, which nft shows where it does not know the protocol. */
static const char *select_raw(struct import *import, const json_t *payload,
			      struct selector *selector)
{
	const char *base = json_string_value(json_object_get(payload, "base"));
	const json_int_t offset = json_integer_value(json_object_get(payload, "offset"));
	const json_int_t len = json_integer_value(json_object_get(payload, "len"));

	*selector = (struct selector){ offset ? FIELD_DPORT : FIELD_SPORT,
				       -1,
				       { 6, 17, 33, 132, 136 } };
	if (!strcmp(base, "th") && len == 16 && (offset == 0 || offset == 16))
		return NULL;
	return arena_print(&import->arena, "`@%s,%lld,%lld`", import_clean(import, base),
			   (long long)offset, (long long)len);
}

static const char *select_payload(struct import *import, const json_t *left,
				  struct selector *selector)
{
	const json_t *payload = json_object_get(left, "payload");
	const char *protocol = json_string_value(json_object_get(payload, "protocol"));
	const char *name = json_string_value(json_object_get(payload, "field"));

	if (json_is_string(json_object_get(payload, "base")))
		return select_raw(import, payload, selector);
	for (size_t i = 0; protocol && name && i < sizeof(payloads) / sizeof(*payloads); i++) {
		if (!strcmp(payloads[i].protocol, protocol) && !strcmp(payloads[i].name, name)) {
			*selector = payloads[i].selector;
			return NULL;
		}
	}
	return import_expression_name(import, left);
}

static const char *select_field(struct import *import, const json_t *left,
				struct selector *selector)
{
	const json_t *meta = json_object_get(left, "meta"), *ct = json_object_get(left, "ct");
	const char *key = json_string_value(json_object_get(meta ? meta : ct, "key"));

	if (json_object_get(left, "payload"))
		return select_payload(import, left, selector);
	*selector = (struct selector){ FIELD_NONE, -1, { ANY_PROTO } };
	for (size_t i = 0; meta && key && i < sizeof(metas) / sizeof(*metas); i++)
		if (!strcmp(metas[i].name, key))
			selector->field = metas[i].field;
	if (ct && key && !strcmp(key, "state") && !json_object_get(ct, "dir"))
		selector->field = FIELD_STATE;
	return selector->field == FIELD_NONE ? import_expression_name(import, left) : NULL;
}

/* The packet has the header that is asked about. */
static void imply(struct import *import, struct term *term, const struct selector *selector,
		  bool *empty)
{
	if (selector->family >= 0)
		term_restrict(import, term, FIELD_FAMILY,
			      ranges_one(&import->arena, (number)selector->family,
					 (number)selector->family),
			      empty);
	if (selector->protos[0] != ANY_PROTO) {
		struct range *r = arena_alloc(&import->arena, PROTOS_MAX * sizeof(*r));
		size_t n = 0;

		for (; n < PROTOS_MAX && selector->protos[n]; n++)
			r[n] = (struct range){ selector->protos[n], selector->protos[n] };
		term_restrict(import, term, FIELD_PROTO, ranges_of(r, n), empty);
	}
}

static bool field_takes(enum field field, const struct import_set *set, enum ref *ref)
{
	switch (field) {
	case FIELD_SRC4: *ref = REF_SRC; return set->kind == SET_ADDRESS4;
	case FIELD_DST4: *ref = REF_DST; return set->kind == SET_ADDRESS4;
	case FIELD_SRC6: *ref = REF_SRC; return set->kind == SET_ADDRESS6;
	case FIELD_DST6: *ref = REF_DST; return set->kind == SET_ADDRESS6;
	case FIELD_SPORT: *ref = REF_SPORT; return set->kind == SET_PORT;
	case FIELD_DPORT: *ref = REF_DPORT; return set->kind == SET_PORT;
	default: return false;
	}
}

/* "@name": the set, by whatever it is that we have for it. */
static const char *in_set(struct import *import, const struct place *place,
			  const struct selector *selector, const char *name, bool negate,
			  struct term *term, bool *empty)
{
	struct import_set *set = import_find_set(import, place, name);
	const struct place at = { place->family, place->table, NULL, 0 };
	struct ranges value;
	const char *why;
	enum ref ref;

	if (!set)
		return arena_print(&import->arena, "the set @%s, which is not in the ruleset",
				   import_clean(import, name));
	if (set->map)
		return arena_print(&import->arena, "the map @%s as a set",
				   import_clean(import, name));
	if (field_takes(selector->field, set, &ref)) {
		why = import_set_elements(import, set, &value);
		if (why)
			return why;
		if (set->expires)
			import_tell(import, NULL, IMPORT_DIFFERS, &at,
				    "elements of set %s that have a time-out are left out",
				    import_clean(import, name));
		if (negate) {
			struct not_set *one = arena_alloc(&import->arena, sizeof(*one));

			*one = (struct not_set){ set, term->not_in[ref] };
			term->not_in[ref] = one;
		} else {
			term->in[ref] = set;
		}
		return NULL;
	}
	if (set->changes)
		return arena_print(
			&import->arena,
			"the set @%s: its elements come and go, and of its type ours are not",
			import_clean(import, name));
	why = import_set_value(import, set, selector->field, &value);
	if (why)
		return why;
	if (negate)
		value = ranges_not(&import->arena, value, import_field_max(selector->field));
	term_restrict(import, term, selector->field, value, empty);
	return NULL;
}

/* The numbers that `field OP value` holds for. */
static const char *compare(struct import *import, enum field field, const char *op,
			   const json_t *right, struct ranges *out)
{
	const number max = import_field_max(field);
	const char *why = import_value(import, field, right, out);

	if (why || !strcmp(op, "==") || !strcmp(op, "in"))
		return why;
	if (!strcmp(op, "!=")) {
		*out = ranges_not(&import->arena, *out, max);
		return NULL;
	}
	if (out->n != 1 || out->r[0].lo != out->r[0].hi || field == FIELD_STATE ||
	    field == FIELD_IN || field == FIELD_OUT || field == FIELD_FAMILY)
		return arena_print(&import->arena, "the comparison '%s'", import_clean(import, op));
	if (!strcmp(op, "<") || !strcmp(op, ">=")) {
		const bool below = *op == '<';
		const number edge = out->r[0].lo;

		*out = edge ? ranges_one(&import->arena, 0, edge - 1) : (struct ranges){ 0, NULL };
		if (!below)
			*out = ranges_not(&import->arena, *out, max);
		return NULL;
	}
	if (!strcmp(op, ">") || !strcmp(op, "<=")) {
		const bool above = *op == '>';

		*out = ranges_one(&import->arena, 0, out->r[0].hi);
		if (above)
			*out = ranges_not(&import->arena, *out, max);
		return NULL;
	}
	return arena_print(&import->arena, "the comparison '%s'", import_clean(import, op));
}

/* Flag bytes of which the bits under `mask` are (not) one of `values`; or have any, or none. */
static struct ranges flag_bytes(struct import *import, unsigned mask, const char *op,
				struct ranges values)
{
	struct range *r = arena_alloc(&import->arena, 256 * sizeof(*r));
	size_t n = 0;

	for (unsigned byte = 0; byte < 256; byte++) {
		const unsigned seen = byte & mask;
		bool match;

		if (!strcmp(op, "in"))
			match = seen != 0;
		else if (!strcmp(op, "!"))
			match = seen == 0;
		else
			match = ranges_have(values, seen) == !strcmp(op, "==");
		if (match)
			r[n++] = (struct range){ byte, byte };
	}
	return ranges_of(r, n);
}

static const char *match_flags(struct import *import, const json_t *mask_json, const char *op,
			       const json_t *right, struct ranges *out)
{
	struct ranges values = { 0, NULL };
	const char *why = NULL;
	unsigned mask = 255;

	if (strcmp(op, "in") && strcmp(op, "!") && strcmp(op, "==") && strcmp(op, "!="))
		return arena_print(&import->arena, "the comparison '%s'", import_clean(import, op));
	if (mask_json)
		why = import_flags(import, FIELD_TCP_FLAGS, mask_json, &mask);
	else if (!strcmp(op, "in") || !strcmp(op, "!"))
		return (why = import_flags(import, FIELD_TCP_FLAGS, right, &mask)) ?
			       why :
			       (*out = flag_bytes(import, mask, op, values), NULL);
	if (!why)
		why = import_value(import, FIELD_TCP_FLAGS, right, &values);
	if (!why)
		*out = flag_bytes(import, mask, strcmp(op, "in") ? op : "==", values);
	return why;
}

static const char *match_states(struct import *import, const char *op, const json_t *right,
				struct ranges *out)
{
	return compare(import, FIELD_STATE, strcmp(op, "!") ? op : "!=", right, out);
}

static void add_unless(struct import *import, struct terms *out, const struct term *term,
		       bool empty)
{
	if (!empty)
		terms_add(import, out, term);
}

static const char *match_one(struct import *import, const struct place *place, const json_t *left,
			     const char *op, const json_t *right, struct terms *out)
{
	const json_t *masked = json_object_get(left, "&");
	const json_t *base = masked ? json_array_get(masked, 0) : left;
	const char *set = json_string_value(right), *why;
	struct selector selector;
	struct ranges value;
	struct term term;
	bool empty = false;

	why = select_field(import, base, &selector);
	if (why)
		return why;
	if (masked && selector.field != FIELD_TCP_FLAGS)
		return arena_print(&import->arena, "%s under a mask",
				   import_expression_name(import, base));
	term_any(import, &term);
	imply(import, &term, &selector, &empty);
	if (set && *set == '@') {
		if (strcmp(op, "==") && strcmp(op, "!=") && strcmp(op, "in"))
			return "comparing with a set";
		why = in_set(import, place, &selector, set + 1, !strcmp(op, "!="), &term, &empty);
		if (!why)
			add_unless(import, out, &term, empty);
		return why;
	}
	if (selector.field == FIELD_TCP_FLAGS)
		why = match_flags(import, masked ? json_array_get(masked, 1) : NULL, op, right,
				  &value);
	else if (selector.field == FIELD_STATE)
		why = match_states(import, op, right, &value);
	else
		why = compare(import, selector.field, op, right, &value);
	if (why)
		return strncmp(why, "the value", 9) ?
			       why :
			       arena_print(&import->arena, "%s: %s",
					   import_expression_name(import, base), why);
	term_restrict(import, &term, selector.field, value, &empty);
	add_unless(import, out, &term, empty);
	return NULL;
}

/* One element of a concatenation: all its parts at once. */
static const char *match_concat_element(struct import *import, const struct place *place,
					const json_t *parts, const json_t *element,
					struct terms *out)
{
	const json_t *values = json_object_get(element, "concat"), *part;
	struct terms all = terms_any(import);
	size_t i;

	if (json_array_size(values) != json_array_size(parts) || !json_array_size(parts))
		return "a concatenation whose parts are not those of its values";
	json_array_foreach (parts, i, part) {
		struct terms one = { 0 };
		const char *why =
			match_one(import, place, part, "==", json_array_get(values, i), &one);

		if (!why)
			why = terms_and(import, &all, &one, &all);
		if (why)
			return why;
	}
	for (size_t t = 0; t < all.n; t++)
		terms_add(import, out, &all.t[t]);
	return NULL;
}

/* Any of them. */
static const char *match_concat_elements(struct import *import, const struct place *place,
					 const json_t *parts, const json_t *elements,
					 struct terms *out)
{
	const json_t *element;
	bool expires = false;
	size_t i;

	json_array_foreach (elements, i, element) {
		const char *why = out->n > TERMS_MAX ?
					  terms_too_many :
					  match_concat_element(import, place, parts,
							       import_element(element, &expires),
							       out);

		if (why)
			return why;
	}
	terms_merge(import, out);
	return NULL;
}

/* Where the elements of a concatenation's right side are. */
static const char *concat_elements(struct import *import, const struct place *place,
				   const json_t *right, const json_t **elements)
{
	const char *name = json_string_value(right);
	const struct import_set *set;

	*elements = json_object_get(right, "set");
	if (!name)
		return json_is_array(*elements) || json_object_get(right, "concat") ?
			       NULL :
			       "a concatenation of that kind";
	set = *name == '@' ? import_find_set(import, place, name + 1) : NULL;
	if (!set || set->map)
		return "a concatenation with no set";
	if (set->changes)
		return arena_print(
			&import->arena,
			"the set @%s: its elements come and go, and of its type ours are not",
			import_clean(import, set->name));
	*elements = set->elements;
	return NULL;
}

/* The packet has all the headers that the parts ask about. */
static const char *headers_of(struct import *import, const json_t *parts, struct terms *out)
{
	const json_t *part;
	bool empty = false;
	struct term term;
	size_t i;

	term_any(import, &term);
	json_array_foreach (parts, i, part) {
		struct selector selector;
		const char *why = select_field(import, part, &selector);

		if (why)
			return why;
		imply(import, &term, &selector, &empty);
	}
	add_unless(import, out, &term, empty);
	return NULL;
}

static const char *match_concat(struct import *import, const struct place *place,
				const json_t *parts, const char *op, const json_t *right,
				struct terms *out)
{
	const json_t *elements = NULL;
	struct terms any = { 0 }, found = { 0 };
	const char *why = concat_elements(import, place, right, &elements);

	if (!why && !elements && !json_is_string(right))
		why = match_concat_element(import, place, parts, right, &found);
	else if (!why)
		why = match_concat_elements(import, place, parts, elements, &found);
	if (why)
		return why;
	if (!strcmp(op, "=="))
		*out = found;
	else if (strcmp(op, "!="))
		why = "a concatenation that is compared";
	else if (!(why = headers_of(import, parts, &any)))
		why = terms_minus(import, &any, &found, out);
	return why;
}

const char *import_match(struct import *import, const struct place *place, const json_t *match,
			 struct terms *out)
{
	const json_t *left = json_object_get(match, "left"),
		     *right = json_object_get(match, "right");
	const char *op = json_string_value(json_object_get(match, "op"));
	const json_t *parts = json_object_get(left, "concat");
	enum kind_asked kind;

	if (!json_is_object(left) || !right || !op)
		return "a match without op, left or right";
	kind = import_kind_asked(left, right);
	if (kind != KIND_UNKNOWN && (!strcmp(op, "==") || !strcmp(op, "!="))) {
		if ((kind == KIND_ALWAYS) == !strcmp(op, "=="))
			*out = terms_any(import);
		return NULL;
	}
	return parts ? match_concat(import, place, parts, op, right, out) :
		       match_one(import, place, left, op, right, out);
}

const char *import_key(struct import *import, const struct place *place, const json_t *key,
		       const json_t *elements, struct terms *out)
{
	const json_t *parts = json_object_get(key, "concat");

	return parts ? match_concat_elements(import, place, parts, elements, out) :
		       match_one(import, place, key, "==", elements, out);
}
