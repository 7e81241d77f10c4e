/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of nft's as numbers. nft prints a value by its name where it knows one ("echo-request",
 * "ef"), else as a number; both are read for every field. Names are those of nft's own tables.
 */
#include "import_nft.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

const char *const import_states[] = {
	"new", "established", "related", "invalid", "untracked", NULL
};

struct name {
	const char *name;
	unsigned value;
};

static const struct name families[] = {
	{ "ipv4", 0 }, { "ipv6", 1 }, { "ip", 0 }, { "ip6", 1 }, { NULL, 0 }
};
static const struct name protocols[] = {
	{ "icmp", 1 },	   { "igmp", 2 },   { "ipencap", 4 },  { "ipip", 4 },	{ "tcp", 6 },
	{ "egp", 8 },	   { "igp", 9 },    { "udp", 17 },     { "dccp", 33 },	{ "ipv6", 41 },
	{ "rsvp", 46 },	   { "gre", 47 },   { "esp", 50 },     { "ah", 51 },	{ "ipv6-icmp", 58 },
	{ "icmpv6", 58 },  { "ospf", 89 },  { "ospfigp", 89 }, { "pim", 103 },	{ "comp", 108 },
	{ "ipcomp", 108 }, { "vrrp", 112 }, { "l2tp", 115 },   { "sctp", 132 }, { "udplite", 136 },
	{ NULL, 0 },
};
static const struct name states[] = { { "new", 0 },	{ "established", 1 }, { "related", 2 },
				      { "invalid", 3 }, { "untracked", 4 },   { NULL, 0 } };
static const struct name tcp_flags[] = { { "fin", 1 },	{ "syn", 2 },  { "rst", 4 },
					 { "psh", 8 },	{ "ack", 16 }, { "urg", 32 },
					 { "ecn", 64 }, { "ece", 64 }, { "cwr", 128 },
					 { NULL, 0 } };
static const struct name dscps[] = {
	{ "cs0", 0 },	{ "be", 0 },	{ "df", 0 },	{ "lephb", 1 }, { "cs1", 8 },
	{ "af11", 10 }, { "af12", 12 }, { "af13", 14 }, { "cs2", 16 },	{ "af21", 18 },
	{ "af22", 20 }, { "af23", 22 }, { "cs3", 24 },	{ "af31", 26 }, { "af32", 28 },
	{ "af33", 30 }, { "cs4", 32 },	{ "af41", 34 }, { "af42", 36 }, { "af43", 38 },
	{ "cs5", 40 },	{ "va", 44 },	{ "ef", 46 },	{ "cs6", 48 },	{ "cs7", 56 },
	{ NULL, 0 },
};
static const struct name icmp_types[] = {
	{ "echo-reply", 0 },	       { "destination-unreachable", 3 },
	{ "source-quench", 4 },	       { "redirect", 5 },
	{ "echo-request", 8 },	       { "router-advertisement", 9 },
	{ "router-solicitation", 10 }, { "time-exceeded", 11 },
	{ "parameter-problem", 12 },   { "timestamp-request", 13 },
	{ "timestamp-reply", 14 },     { "info-request", 15 },
	{ "info-reply", 16 },	       { "address-mask-request", 17 },
	{ "address-mask-reply", 18 },  { NULL, 0 },
};
static const struct name icmp6_types[] = {
	{ "destination-unreachable", 1 }, { "packet-too-big", 2 },
	{ "time-exceeded", 3 },		  { "parameter-problem", 4 },
	{ "echo-request", 128 },	  { "echo-reply", 129 },
	{ "mld-listener-query", 130 },	  { "mld-listener-report", 131 },
	{ "mld-listener-done", 132 },	  { "mld-listener-reduction", 132 },
	{ "nd-router-solicit", 133 },	  { "nd-router-advert", 134 },
	{ "nd-neighbor-solicit", 135 },	  { "nd-neighbor-advert", 136 },
	{ "nd-redirect", 137 },		  { "router-renumbering", 138 },
	{ "ind-neighbor-solicit", 141 },  { "ind-neighbor-advert", 142 },
	{ "mld2-listener-report", 143 },  { NULL, 0 },
};
static const struct name icmp_codes[] = {
	{ "net-unreachable", 0 },  { "host-unreachable", 1 },  { "prot-unreachable", 2 },
	{ "port-unreachable", 3 }, { "frag-needed", 4 },       { "net-prohibited", 9 },
	{ "host-prohibited", 10 }, { "admin-prohibited", 13 }, { NULL, 0 },
};
static const struct name icmp6_codes[] = {
	{ "no-route", 0 },
	{ "admin-prohibited", 1 },
	{ "addr-unreachable", 3 },
	{ "port-unreachable", 4 },
	{ "policy-fail", 5 },
	{ "reject-route", 6 },
	{ NULL, 0 },
};

number import_field_max(enum field field)
{
	static const unsigned max[FIELDS] = {
		[FIELD_FAMILY] = 1,	  [FIELD_PROTO] = 255,	   [FIELD_IN] = 65535,
		[FIELD_OUT] = 65535,	  [FIELD_SRC4] = ~0u,	   [FIELD_DST4] = ~0u,
		[FIELD_SPORT] = 65535,	  [FIELD_DPORT] = 65535,   [FIELD_TCP_FLAGS] = 255,
		[FIELD_ICMP_TYPE] = 255,  [FIELD_ICMP_CODE] = 255, [FIELD_ICMP6_TYPE] = 255,
		[FIELD_ICMP6_CODE] = 255, [FIELD_DSCP] = 63,	   [FIELD_STATE] = 4,
	};

	return field == FIELD_SRC6 || field == FIELD_DST6 ? ~(number)0 : max[field];
}

static bool by_name(const struct name *names, const char *text, number *value)
{
	for (; names->name; names++) {
		if (!strcmp(names->name, text)) {
			*value = names->value;
			return true;
		}
	}
	return false;
}

static bool address(int family, const char *text, number *value)
{
	unsigned char binary[16];
	size_t len = family == AF_INET ? 4 : 16;

	if (inet_pton(family, text, binary) != 1)
		return false;
	*value = 0;
	for (size_t i = 0; i < len; i++)
		*value = *value << 8 | binary[i];
	return true;
}

/* A number, written as one, or as a string with one. */
static bool by_number(const char *text, number *value)
{
	unsigned long parsed;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	parsed = strtoul(text, &end, 0);
	*value = parsed;
	return !*end;
}

static bool by_services(enum field field, const char *text, number *value)
{
	const struct protoent *proto = field == FIELD_PROTO ? getprotobyname(text) : NULL;
	const struct servent *service =
		field == FIELD_SPORT || field == FIELD_DPORT ? getservbyname(text, NULL) : NULL;

	if (proto)
		*value = (number)proto->p_proto;
	else if (service)
		*value = ntohs((uint16_t)service->s_port);
	return proto || service;
}

static bool parse_text(struct import *import, enum field field, const char *text, number *value)
{
	switch (field) {
	case FIELD_FAMILY: return by_name(families, text, value);
	case FIELD_PROTO:
		return by_name(protocols, text, value) || by_number(text, value) ||
		       by_services(field, text, value);
	case FIELD_SRC4:
	case FIELD_DST4: return address(AF_INET, text, value);
	case FIELD_SRC6:
	case FIELD_DST6: return address(AF_INET6, text, value);
	case FIELD_SPORT:
	case FIELD_DPORT: return by_number(text, value) || by_services(field, text, value);
	case FIELD_TCP_FLAGS: return by_name(tcp_flags, text, value) || by_number(text, value);
	case FIELD_ICMP_TYPE: return by_name(icmp_types, text, value) || by_number(text, value);
	case FIELD_ICMP_CODE: return by_name(icmp_codes, text, value) || by_number(text, value);
	case FIELD_ICMP6_TYPE: return by_name(icmp6_types, text, value) || by_number(text, value);
	case FIELD_ICMP6_CODE: return by_name(icmp6_codes, text, value) || by_number(text, value);
	case FIELD_DSCP: return by_name(dscps, text, value) || by_number(text, value);
	case FIELD_STATE: return by_name(states, text, value);
	default: return false;
	}
}

json_int_t import_iface(struct import *import, const char *name)
{
	const json_t *known = json_object_get(import->iface_index, name);
	json_int_t place = (json_int_t)json_array_size(import->ifaces);

	if (known)
		return json_integer_value(known);
	json_array_append_new(import->ifaces, json_string(name));
	json_object_set_new(import->iface_index, name, json_integer(place));
	return place;
}

/* The kernel's rule, and nothing that would have to be quoted. */
static bool device_name(const char *name)
{
	const size_t len = strlen(name);

	if (!len || len > 15 || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || strchr("/:\"\\\x7f", *name))
			return false;
	return true;
}

/* Packets that are forwarded neither come from the loopback device nor leave by it. */
static const char *iface_value(struct import *import, const char *name, struct ranges *out)
{
	const size_t len = strlen(name);
	json_int_t place;

	if (!strcmp(name, "lo")) {
		*out = (struct ranges){ 0, NULL };
		return NULL;
	}
	if (!len || name[len - 1] == '*')
		return arena_print(&import->arena, "the interfaces '%s': a pattern of names",
				   import_clean(import, name));
	if (!device_name(name))
		return arena_print(&import->arena,
				   "the interface '%.40s': no device has such a name",
				   import_clean(import, name));
	place = import_iface(import, name);
	if (place >= (json_int_t)import_field_max(FIELD_IN))
		return "more interfaces than there can be";
	*out = ranges_one(&import->arena, (number)place, (number)place);
	return NULL;
}

static const char *not_understood(struct import *import, const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *why = arena_print(&import->arena, "the value %.60s",
				      import_clean(import, text ? text : "?"));

	free(text);
	return why;
}

/* A value that is not made of others. */
static const char *plain(struct import *import, enum field field, const json_t *value, number *out)
{
	if (json_is_integer(value)) {
		const json_int_t integer = json_integer_value(value);

		if (field == FIELD_FAMILY && (integer == 2 || integer == 10))
			*out = integer == 10;
		else if (field == FIELD_FAMILY && (integer == 0x800 || integer == 0x86dd))
			*out = integer == 0x86dd;
		else if (field == FIELD_FAMILY || integer < 0 || field == FIELD_STATE)
			return not_understood(import, value);
		else
			*out = (number)integer;
	} else if (!json_is_string(value) ||
		   !parse_text(import, field, json_string_value(value), out)) {
		return not_understood(import, value);
	}
	return *out <= import_field_max(field) ? NULL : not_understood(import, value);
}

/* `nft -n` prints the kernel's bits for the states. */
static const char *state_bits(struct import *import, const json_t *value, struct ranges *out)
{
	static const unsigned bits[] = { 8, 2, 4, 1, 64 }; /* in the order of import_states */
	const json_int_t mask = json_integer_value(value);
	struct range *r = arena_alloc(&import->arena, 5 * sizeof(*r));
	json_int_t known = 0;
	size_t n = 0;

	for (unsigned state = 0; state < 5; state++) {
		if (mask & bits[state])
			r[n++] = (struct range){ state, state };
		known |= bits[state];
	}
	if (!mask || mask & ~known)
		return not_understood(import, value);
	*out = ranges_of(r, n);
	return NULL;
}

/* IPv6 addresses with an IPv4 address in them (::ffff:0:0/96) are on no wire: the router drops them
 * wherever they come from, and our configuration does not take them for IPv6. */
static struct ranges without_mapped(struct import *import, enum field field, struct ranges value)
{
	const number lo = (number)0xffff << 32, hi = lo | 0xffffffff;

	if (value.n != 1 || (field != FIELD_SRC6 && field != FIELD_DST6))
		return value;
	if ((value.r[0].lo < lo || value.r[0].lo > hi) &&
	    (value.r[0].hi < lo || value.r[0].hi > hi))
		return value;
	return ranges_and(&import->arena, value,
			  ranges_not(&import->arena, ranges_one(&import->arena, lo, hi),
				     import_field_max(field)));
}

static const char *range_value(struct import *import, enum field field, const json_t *range,
			       struct ranges *out)
{
	const char *why;
	number lo, hi;

	if (json_array_size(range) != 2 || field == FIELD_IN || field == FIELD_OUT)
		return "a range of that kind";
	why = plain(import, field, json_array_get(range, 0), &lo);
	if (!why)
		why = plain(import, field, json_array_get(range, 1), &hi);
	if (!why && lo > hi)
		why = "a range that ends before it begins";
	if (!why)
		*out = without_mapped(import, field, ranges_one(&import->arena, lo, hi));
	return why;
}

static const char *prefix_value(struct import *import, enum field field, const json_t *prefix,
				struct ranges *out)
{
	const json_int_t bits = field == FIELD_SRC4 || field == FIELD_DST4 ? 32 : 128;
	const json_t *len = json_object_get(prefix, "len");
	const char *why;
	number addr, host;

	if (import_field_max(field) <= 65535)
		return "a prefix of what is no address";
	if (!json_is_integer(len) || json_integer_value(len) < 0 || json_integer_value(len) > bits)
		return not_understood(import, prefix);
	why = plain(import, field, json_object_get(prefix, "addr"), &addr);
	if (why)
		return why;
	host = json_integer_value(len) ? ((number)1 << (bits - json_integer_value(len))) - 1 :
					 import_field_max(field);
	*out = without_mapped(import, field, ranges_one(&import->arena, addr & ~host, addr | host));
	return NULL;
}

const json_t *import_element(const json_t *element, bool *expires)
{
	const json_t *detail = json_object_get(element, "elem");

	if (!detail)
		return element;
	*expires = *expires || json_object_get(detail, "timeout") ||
		   json_object_get(detail, "expires");
	return json_object_get(detail, "val");
}

/* With `keep` none but the elements that stay. */
static const char *list_value(struct import *import, enum field field, const json_t *list,
			      bool keep, struct ranges *out)
{
	const size_t n = json_array_size(list);
	struct range *r;
	size_t i, used = 0;
	const json_t *element;
	bool expires = false;

	r = arena_alloc(&import->arena, (field == FIELD_STATE ? 5 : 1) * n * sizeof(*r));
	json_array_foreach (list, i, element) {
		const json_t *value = import_element(element, &expires);
		struct ranges one;
		const char *why;

		if (keep && expires) {
			expires = false;
			continue;
		}
		why = import_value(import, field, value, &one);
		if (why)
			return why;
		if (one.n > 1 && field != FIELD_STATE)
			return "a list in a list";
		for (size_t k = 0; k < one.n; k++)
			r[used++] = one.r[k];
	}
	*out = ranges_of(r, used);
	return NULL;
}

const char *import_value(struct import *import, enum field field, const json_t *value,
			 struct ranges *out)
{
	const char *why;
	unsigned mask;
	number one;

	if (json_is_object(value) && json_object_size(value) == 1) {
		const json_t *inner;

		if ((inner = json_object_get(value, "set")))
			return json_is_array(inner) ? list_value(import, field, inner, false, out) :
						      import_value(import, field, inner, out);
		if ((inner = json_object_get(value, "range")))
			return range_value(import, field, inner, out);
		if ((inner = json_object_get(value, "prefix")))
			return prefix_value(import, field, inner, out);
	}
	if (field == FIELD_TCP_FLAGS) {
		why = import_flags(import, field, value, &mask);
		if (!why)
			*out = ranges_one(&import->arena, mask, mask);
		return why;
	}
	if (json_is_array(value))
		return list_value(import, field, value, false, out);
	if (field == FIELD_IN || field == FIELD_OUT)
		return json_is_string(value) ? iface_value(import, json_string_value(value), out) :
					       "an interface by its number";
	if (field == FIELD_STATE && json_is_integer(value))
		return state_bits(import, value, out);
	why = plain(import, field, value, &one);
	if (!why)
		*out = without_mapped(import, field, ranges_one(&import->arena, one, one));
	return why;
}

const char *import_flags(struct import *import, enum field field, const json_t *value,
			 unsigned *mask)
{
	const json_t * or = json_object_get(value, "|"), *flag;
	const char *why;
	number one;
	size_t i;

	if (!json_is_array(value) && ! or) {
		why = plain(import, field, value, &one);
		*mask = why ? 0 : (unsigned)one;
		return why;
	}
	*mask = 0;
	json_array_foreach (or ? or : value, i, flag) {
		unsigned bits = 0;

		why = import_flags(import, field, flag, &bits);
		if (why)
			return why;
		*mask |= bits;
	}
	return NULL;
}

const char *import_set_value(struct import *import, const struct import_set *set, enum field field,
			     struct ranges *out)
{
	*out = (struct ranges){ 0, NULL };
	return set->elements ? list_value(import, field, set->elements, false, out) : NULL;
}

const char *import_set_elements(struct import *import, struct import_set *set, struct ranges *out)
{
	const enum field field = set->kind == SET_PORT	   ? FIELD_DPORT :
				 set->kind == SET_ADDRESS6 ? FIELD_SRC6 :
							     FIELD_SRC4;
	const json_t *element;
	size_t i;

	if (!set->read && set->elements)
		set->why = list_value(import, field, set->elements, true, &set->stays);
	json_array_foreach (set->elements, i, element) {
		if (set->read || set->expires)
			break;
		import_element(element, &set->expires);
	}
	set->read = true;
	*out = set->stays;
	return set->why;
}
