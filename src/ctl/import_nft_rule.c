/* SPDX-License-Identifier: Apache-2.0 */
/* A rule as text of our configuration. */
#include "import_nft.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 100
#define RULE_INDENT 4

static void address_text(enum field field, number value, char text[INET6_ADDRSTRLEN])
{
	const bool six = field == FIELD_SRC6 || field == FIELD_DST6;
	unsigned char binary[16];

	for (int i = six ? 15 : 3; i >= 0; i--, value >>= 8)
		binary[i] = (unsigned char)value;
	inet_ntop(six ? AF_INET6 : AF_INET, binary, text, INET6_ADDRSTRLEN);
}

/* The prefix length of a range that is a prefix, else -1. */
static int prefix_length(struct range r, int bits)
{
	number span = r.hi - r.lo;
	int host = 0;

	if (r.lo & span)
		return -1;
	for (; span & 1; span >>= 1)
		host++;
	return span ? -1 : bits - host;
}

static void add_address(struct import *import, enum field field, struct range r, const char *mark,
			json_t *words)
{
	const int bits = field == FIELD_SRC4 || field == FIELD_DST4 ? 32 : 128;
	const int len = prefix_length(r, bits);
	char lo[INET6_ADDRSTRLEN], hi[INET6_ADDRSTRLEN];
	const char *text;

	address_text(field, r.lo, lo);
	address_text(field, r.hi, hi);
	if (len == bits)
		text = arena_print(&import->arena, "%s%s", mark, lo);
	else if (len >= 0)
		text = arena_print(&import->arena, "%s%s/%d", mark, lo, len);
	else
		text = arena_print(&import->arena, "%s%s-%s", mark, lo, hi);
	json_array_append_new(words, json_string(text));
}

static void add_number(struct import *import, struct range r, const char *mark, json_t *words)
{
	const unsigned lo = (unsigned)r.lo, hi = (unsigned)r.hi;
	const char *text = lo == hi ? arena_print(&import->arena, "%s%u", mark, lo) :
				      arena_print(&import->arena, "%s%u-%u", mark, lo, hi);

	json_array_append_new(words, json_string(text));
}

void import_words(struct import *import, enum field field, struct ranges value, const char *mark,
		  json_t *words)
{
	for (size_t i = 0; i < value.n; i++)
		if (import_field_max(field) > 65535)
			add_address(import, field, value.r[i], mark, words);
		else
			add_number(import, value.r[i], mark, words);
}

/* What stands in the brackets for a field: what it may be, or what it may not, whichever is
 * shorter; beside the name of a set the latter. */
static void field_words(struct import *import, enum field field, struct ranges value, bool in_set,
			json_t *words)
{
	const number max = import_field_max(field);
	const struct ranges other = ranges_not(&import->arena, value, max);

	if (in_set || other.n < value.n)
		import_words(import, field, other, "!", words);
	else if (other.n)
		import_words(import, field, value, "", words);
}

static void ref_words(struct import *import, struct instance *inst, const struct term *term,
		      enum ref ref, json_t *words)
{
	const struct not_set *not_in = term->not_in[ref];

	if (term->in[ref])
		json_array_insert_new(words, 0,
				      json_sprintf("@%s",
						   import_set_name(import, inst, term->in[ref])));
	for (; not_in; not_in = not_in->next)
		json_array_append_new(
			words, json_sprintf("!@%s", import_set_name(import, inst, not_in->set)));
}

static void iface_words(struct import *import, enum field field, struct ranges value, json_t *words)
{
	const number max = import_field_max(field);
	const bool negative = ranges_have(value, max);
	const struct ranges named = negative ? ranges_not(&import->arena, value, max) : value;

	for (size_t i = 0; i < named.n; i++)
		for (number place = named.r[i].lo; place <= named.r[i].hi; place++) {
			const char *name = json_string_value(
				json_array_get(import->port_names, (size_t)place));

			json_array_append_new(words,
					      json_sprintf("%s%s", negative ? "!" : "", name));
		}
}

static const char *proto_name(unsigned proto)
{
	static const struct {
		unsigned number;
		const char *name;
	} names[] = { { 1, "icmp" },	{ 6, "tcp" },	    { 17, "udp" }, { 47, "gre" },
		      { 33, "dccp" },	{ 136, "udplite" }, { 51, "ah" },  { 50, "esp" },
		      { 58, "icmpv6" }, { 132, "sctp" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].number == proto)
			return names[i].name;
	return NULL;
}

/* Protocols one by one, by name where ours has one. */
static void proto_list(struct ranges value, const char *mark, json_t *words)
{
	for (size_t i = 0; i < value.n; i++) {
		for (number p = value.r[i].lo; p <= value.r[i].hi; p++) {
			const char *name = proto_name((unsigned)p);

			json_array_append_new(words,
					      name ? json_sprintf("%s%s", mark, name) :
						     json_sprintf("%s%u", mark, (unsigned)p));
		}
	}
}

static size_t members(struct ranges value)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++)
		n += (size_t)(value.r[i].hi - value.r[i].lo + 1);
	return n;
}

static void proto_words(struct import *import, struct ranges value, json_t *words)
{
	if (members(value) <= 128)
		proto_list(value, "", words);
	else
		proto_list(ranges_not(&import->arena, value, 255), "!", words);
}

static void icmp_words(struct import *import, struct ranges types, struct ranges codes,
		       json_t *words)
{
	const bool any_code = ranges_full(codes, 255);

	for (size_t i = 0; i < types.n; i++) {
		for (number type = types.r[i].lo; type <= types.r[i].hi; type++) {
			if (any_code)
				json_array_append_new(words, json_sprintf("%u", (unsigned)type));
			for (size_t c = 0; c < codes.n && !any_code; c++)
				for (number code = codes.r[c].lo; code <= codes.r[c].hi; code++)
					json_array_append_new(words,
							      json_sprintf("%u/%u", (unsigned)type,
									   (unsigned)code));
		}
	}
}

static const char *const icmp4_names[256] = {
	[0] = "echo-reply",	      [3] = "destination-unreachable",
	[4] = "source-quench",	      [5] = "redirect",
	[8] = "echo-request",	      [9] = "router-advertisement",
	[10] = "router-solicitation", [11] = "time-exceeded",
	[12] = "parameter-problem",   [13] = "timestamp-request",
	[14] = "timestamp-reply",
};
static const char *const icmp6_names[256] = {
	[1] = "destination-unreachable", [2] = "packet-too-big",     [3] = "time-exceeded",
	[4] = "parameter-problem",	 [128] = "echo-request",     [129] = "echo-reply",
	[133] = "nd-router-solicit",	 [134] = "nd-router-advert", [135] = "nd-neighbor-solicit",
	[136] = "nd-neighbor-advert",	 [137] = "nd-redirect",
};

/* Names for the numbers that have one in ours. */
static void icmp_rename(const char *const names[256], json_t *words)
{
	json_t *word;
	size_t i;

	json_array_foreach (words, i, word) {
		const char *text = json_string_value(word);
		const unsigned long type = strtoul(text, NULL, 10);

		if (!strchr(text, '/') && names[type])
			json_array_set_new(words, i, json_string(names[type]));
	}
}

static void dscp_words(struct ranges value, json_t *words)
{
	static const char *const names[64] = {
		[0] = "cs0",   [8] = "cs1",   [10] = "af11", [12] = "af12", [14] = "af13",
		[16] = "cs2",  [18] = "af21", [20] = "af22", [22] = "af23", [24] = "cs3",
		[26] = "af31", [28] = "af32", [30] = "af33", [32] = "cs4",  [34] = "af41",
		[36] = "af42", [38] = "af43", [40] = "cs5",  [46] = "ef",   [48] = "cs6",
		[56] = "cs7",
	};

	for (size_t i = 0; i < value.n; i++)
		for (number dscp = value.r[i].lo; dscp <= value.r[i].hi; dscp++)
			json_array_append_new(words, names[dscp] ?
							     json_string(names[dscp]) :
							     json_sprintf("%u", (unsigned)dscp));
}

/* --- lines --- */

/* A rule's text, broken between keys and, in long lists, between values. */
struct line {
	FILE *out;
	unsigned column;
	bool first;
};

static void put(struct line *line, const char *text, bool space)
{
	const unsigned len = (unsigned)strlen(text);

	if (line->column + space + len > COLUMNS && line->column > RULE_INDENT) {
		fprintf(line->out, "\n%*s", RULE_INDENT, "");
		line->column = RULE_INDENT;
		space = false;
	}
	fprintf(line->out, "%s%s", space ? " " : "", text);
	line->column += space + len;
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* An array's elements have to be of one type in libconfig. */
static bool all_numbers(const json_t *words)
{
	const json_t *word;
	size_t i;

	json_array_foreach (words, i, word) {
		if (!is_number(json_string_value(word)))
			return false;
	}
	return true;
}

static const char *quoted(struct import *import, const char *text, bool bare, const char *behind)
{
	return arena_print(&import->arena, "%s%s%s%s", bare ? "" : "\"", text, bare ? "" : "\"",
			   behind);
}

/* `before` the first word stays on its line. */
static void put_words(struct import *import, struct line *line, const char *before,
		      const json_t *words)
{
	const size_t n = json_array_size(words);
	const bool bare = all_numbers(words);
	const json_t *word;
	size_t i;

	json_array_foreach (words, i, word) {
		const char *text = quoted(import, json_string_value(word), bare,
					  i + 1 < n ? "," :
					  n > 1	    ? " ];" :
						      ";");

		if (!i)
			text = arena_print(&import->arena, "%s%s%s", before, n > 1 ? "[ " : "",
					   text);
		put(line, text, true);
	}
}

void import_print_words(struct import *import, const char *key, const json_t *words,
			unsigned column, FILE *out)
{
	struct line line = { .out = out, .column = column };

	put_words(import, &line, arena_print(&import->arena, "%s = ", key), words);
}

/* `key = value;` for the words, which are forgotten; none: nothing. */
static void put_list(struct import *import, struct line *line, const char *key, json_t *words)
{
	put_words(import, line, arena_print(&import->arena, "%s = ", key), words);
	json_decref(words);
}

static void put_text(struct import *import, struct line *line, const char *key, const char *value)
{
	put(line, arena_print(&import->arena, "%s = \"%s\";", key, value), true);
}

static void put_number(struct import *import, struct line *line, const char *key,
		       unsigned long value)
{
	put(line, arena_print(&import->arena, "%s = %lu;", key, value), true);
}

/* --- the keys --- */

static void put_ifaces(struct import *import, struct line *line, const char *key,
		       const struct term *term, enum field field)
{
	json_t *words = json_array();

	iface_words(import, field, term->field[field], words);
	put_list(import, line, key, words);
}

static void put_addresses(struct import *import, struct instance *inst, struct line *line,
			  const char *key, const struct term *term, enum ref ref)
{
	static const enum field fields[2][2] = { { FIELD_SRC4, FIELD_SRC6 },
						 { FIELD_DST4, FIELD_DST6 } };
	json_t *words = json_array();

	for (int six = 0; six < 2; six++)
		field_words(import, fields[ref][six], term->field[fields[ref][six]],
			    term->in[ref] != NULL, words);
	ref_words(import, inst, term, ref, words);
	put_list(import, line, key, words);
}

static void put_ports(struct import *import, struct instance *inst, struct line *line,
		      const char *key, const struct term *term, enum ref ref)
{
	const enum field field = ref == REF_SPORT ? FIELD_SPORT : FIELD_DPORT;
	json_t *words = json_array();

	field_words(import, field, term->field[field], term->in[ref] != NULL, words);
	ref_words(import, inst, term, ref, words);
	put_list(import, line, key, words);
}

static void put_proto(struct import *import, struct line *line, const struct term *term)
{
	json_t *words = json_array();

	if (!ranges_full(term->field[FIELD_PROTO], 255))
		proto_words(import, term->field[FIELD_PROTO], words);
	put_list(import, line, "proto", words);
}

static void put_icmp(struct import *import, struct line *line, const struct term *term)
{
	const bool six = !ranges_full(term->field[FIELD_ICMP6_TYPE], 255) ||
			 !ranges_full(term->field[FIELD_ICMP6_CODE], 255);
	const struct ranges types = term->field[six ? FIELD_ICMP6_TYPE : FIELD_ICMP_TYPE];
	const struct ranges codes = term->field[six ? FIELD_ICMP6_CODE : FIELD_ICMP_CODE];
	json_t *words = json_array();

	if (!ranges_full(types, 255) || !ranges_full(codes, 255))
		icmp_words(import, types, codes, words);
	icmp_rename(six ? icmp6_names : icmp4_names, words);
	put_list(import, line, "icmp_type", words);
}

/* The term's flags are one cube: those that are the same in all of its bytes are asked for. */
static void put_flags(struct import *import, struct line *line, const struct term *term)
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};
	const struct ranges bytes = term->field[FIELD_TCP_FLAGS];
	unsigned all = 255, any = 0;
	char text[64] = "";

	if (ranges_full(bytes, 255))
		return;
	for (unsigned byte = 0; byte < 256; byte++) {
		if (ranges_have(bytes, byte)) {
			all &= byte;
			any |= byte;
		}
	}
	for (unsigned bit = 0; bit < 8; bit++)
		if ((all & 1u << bit) || !(any & 1u << bit))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s",
				 *text ? "," : "", all & 1u << bit ? "" : "!", names[bit]);
	put_text(import, line, "tcp_flags", text);
}

static void put_dscp(struct import *import, struct line *line, const struct term *term)
{
	json_t *words = json_array();

	if (!ranges_full(term->field[FIELD_DSCP], 63))
		dscp_words(term->field[FIELD_DSCP], words);
	put_list(import, line, "dscp", words);
}

static void put_states(struct import *import, struct line *line, const struct item *item,
		       bool stateful)
{
	json_t *words = json_array();

	for (unsigned state = 0; import_states[state] && stateful; state++)
		if (item->states & 1u << state)
			json_array_append_new(words, json_string(import_states[state]));
	put_list(import, line, "state", words);
}

static void put_limiter(struct import *import, struct line *line, const struct limiter *limiter)
{
	if (limiter->flows)
		put_number(import, line, limiter->by_source ? "max_flows_per_source" : "max_flows",
			   limiter->value);
	if (!limiter->rate)
		return;
	put_number(import, line, "rate", limiter->value);
	if (strcmp(limiter->per, "second"))
		put_text(import, line, "rate_per", limiter->per);
	if (limiter->burst != 5)
		put_number(import, line, "rate_burst", limiter->burst);
	if (limiter->by_source)
		put_text(import, line, "rate_by", "source");
	if (limiter->over)
		put(line, "rate_over = true;", true);
}

static void put_action(struct import *import, struct line *line, const struct item *item)
{
	static const char *const actions[] = { "", "accept", "drop", "reject", "count" };

	put_text(import, line, "action", actions[item->action]);
	if (item->reject_with)
		put_text(import, line, "reject_with", item->reject_with);
	if (item->log)
		put(line, "log = true;", true);
}

void import_print_rule(struct import *import, struct instance *inst, const struct item *item,
		       FILE *out)
{
	const struct ranges family = item->term.field[FIELD_FAMILY];
	const struct term *term = &item->term;
	struct line line = { .out = out, .column = RULE_INDENT - 1 };

	fprintf(out, "%*s{", RULE_INDENT - 2, "");
	put_text(import, &line, "name", item->name);
	put_ifaces(import, &line, "in", term, FIELD_IN);
	put_ifaces(import, &line, "out", term, FIELD_OUT);
	if (!ranges_full(family, 1))
		put_text(import, &line, "family", ranges_have(family, 1) ? "ipv6" : "ipv4");
	put_addresses(import, inst, &line, "from", term, REF_SRC);
	put_addresses(import, inst, &line, "to", term, REF_DST);
	put_proto(import, &line, term);
	put_ports(import, inst, &line, "sport", term, REF_SPORT);
	put_ports(import, inst, &line, "dport", term, REF_DPORT);
	put_flags(import, &line, term);
	put_icmp(import, &line, term);
	put_dscp(import, &line, term);
	put_states(import, &line, item, inst->asks_state);
	put_limiter(import, &line, &item->limiter);
	put_action(import, &line, item);
	put(&line, "}", true);
}
