/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of the configuration: from its text, to its text, present, equal.
 */
#include "conf_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool conf_bool_parse(const char *text, bool *value)
{
	*value = !strcmp(text, "true");
	return *value || !strcmp(text, "false");
}

bool conf_int_parse(const char *text, int64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoll(text, &end, 0);
	return end != text && !*end && !errno;
}

bool conf_enum_parse(const char *const *choices, const char *text, int *value)
{
	for (int i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], text)) {
			*value = i;
			return true;
		}
	}
	return false;
}

static void ip4_mapped(struct ip_addr *addr, struct in_addr ip4)
{
	memset(addr, 0, sizeof(*addr));
	addr->family = 4;
	addr->addr.s6_addr[10] = addr->addr.s6_addr[11] = 0xff;
	memcpy(&addr->addr.s6_addr[12], &ip4, sizeof(ip4));
}

/* ::ffff:a.b.c.d is how IPv4 is kept, so it is not taken as IPv6. */
bool conf_address_parse(const char *text, struct ip_addr *addr)
{
	struct in_addr ip4;
	struct in6_addr ip6;

	if (inet_pton(AF_INET, text, &ip4) == 1) {
		ip4_mapped(addr, ip4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &ip6) != 1 || IN6_IS_ADDR_V4MAPPED(&ip6))
		return false;
	memset(addr, 0, sizeof(*addr));
	addr->family = 6;
	addr->addr = ip6;
	return true;
}

/* Clear all bits from `len` on; were any set? */
static bool mask_host_bits(struct in6_addr *addr, unsigned len)
{
	bool any = false;

	for (unsigned bit = len; bit < 128; bit++) {
		uint8_t one = 0x80 >> (bit & 7);

		any |= addr->s6_addr[bit / 8] & one;
		addr->s6_addr[bit / 8] &= (uint8_t)~one;
	}
	return any;
}

bool conf_prefix_parse(const char *text, struct conf_prefix *prefix, bool *host_bits)
{
	char addr[CONF_VALUE_TEXT];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long len;
	unsigned bits;
	char *end;

	*host_bits = false;
	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (!conf_address_parse(addr, &prefix->addr))
		return false;
	bits = prefix->addr.family == 4 ? 32 : 128;
	len = bits;
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return false;
		len = strtoul(slash + 1, &end, 10);
		if (*end || len > bits)
			return false;
	}
	prefix->len = (uint8_t)len;
	*host_bits = mask_host_bits(&prefix->addr.addr, 128 - bits + (unsigned)len);
	return true;
}

bool conf_name_valid(const char *text)
{
	size_t n =
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

	return n >= 1 && n <= 31 && !text[n];
}

const char *conf_address_text(const struct ip_addr *addr, char text[CONF_VALUE_TEXT])
{
	if (addr->family == 4)
		inet_ntop(AF_INET, &addr->addr.s6_addr[12], text, CONF_VALUE_TEXT);
	else
		inet_ntop(AF_INET6, &addr->addr, text, CONF_VALUE_TEXT);
	return text;
}

const char *conf_prefix_text(const struct conf_prefix *prefix, char text[CONF_VALUE_TEXT])
{
	size_t n;

	conf_address_text(&prefix->addr, text);
	n = strlen(text);
	snprintf(text + n, CONF_VALUE_TEXT - n, "/%u", prefix->len);
	return text;
}

static const char *array_text(const struct conf_key *key, const void *member, char *text,
			      size_t size)
{
	const struct conf_strings *strings = member;
	const struct conf_ints *ints = member;
	bool numbers = key->type == CONF_INTS;
	unsigned n = numbers ? ints->n : strings->n;
	size_t used = 0;

	*text = '\0';
	for (unsigned i = 0; i < n && used < size; i++) {
		const char *comma = i ? ", " : "";

		used += (size_t)(numbers ? snprintf(text + used, size - used, "%s%" PRId64, comma,
						    ints->value[i]) :
					   snprintf(text + used, size - used, "%s%s", comma,
						    strings->value[i]));
	}
	return text;
}

const char *conf_key_text(const struct conf_key *key, const void *member, char *text, size_t size)
{
	char value[CONF_VALUE_TEXT];

	if (!conf_key_present(key, member))
		return "nothing";
	switch (key->type) {
	case CONF_BOOL: return *(const bool *)member ? "true" : "false";
	case CONF_INT: snprintf(text, size, "%" PRId64, *(const int64_t *)member); return text;
	case CONF_STRING:
	case CONF_NAME: return *(const char *const *)member;
	case CONF_ENUM: return key->choices[*(const int *)member];
	case CONF_ADDRESS:
		snprintf(text, size, "%s", conf_address_text(member, value));
		return text;
	case CONF_PREFIX: snprintf(text, size, "%s", conf_prefix_text(member, value)); return text;
	case CONF_INTS:
	case CONF_STRINGS:
	case CONF_WORDS: return array_text(key, member, text, size);
	case CONF_GROUP: return "{ … }";
	case CONF_LIST: return "( … )";
	}
	return "";
}

bool conf_key_present(const struct conf_key *key, const void *member)
{
	switch (key->type) {
	case CONF_STRING:
	case CONF_NAME: return *(const char *const *)member != NULL;
	case CONF_ADDRESS: return ((const struct ip_addr *)member)->family != 0;
	case CONF_PREFIX: return ((const struct conf_prefix *)member)->addr.family != 0;
	default: return true;
	}
}

static bool string_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool address_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family &&
	       (!a->family || !memcmp(&a->addr, &b->addr, sizeof(a->addr)));
}

static bool ints_equal(const struct conf_ints *a, const struct conf_ints *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->value, b->value, a->n * sizeof(*a->value)));
}

static bool strings_equal(const struct conf_strings *a, const struct conf_strings *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!string_equal(a->value[i], b->value[i]))
			return false;
	return true;
}

static bool lists_equal(const struct conf_schema *sub, const struct conf_list *a,
			const struct conf_list *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!conf_equal(sub, (const char *)a->item + i * sub->size,
				(const char *)b->item + i * sub->size))
			return false;
	return true;
}

bool conf_key_equal(const struct conf_key *key, const void *a, const void *b)
{
	const struct conf_prefix *pa = a, *pb = b;

	switch (key->type) {
	case CONF_BOOL: return *(const bool *)a == *(const bool *)b;
	case CONF_INT: return *(const int64_t *)a == *(const int64_t *)b;
	case CONF_ENUM: return *(const int *)a == *(const int *)b;
	case CONF_STRING:
	case CONF_NAME: return string_equal(*(const char *const *)a, *(const char *const *)b);
	case CONF_ADDRESS: return address_equal(a, b);
	case CONF_PREFIX: return pa->len == pb->len && address_equal(&pa->addr, &pb->addr);
	case CONF_INTS: return ints_equal(a, b);
	case CONF_STRINGS:
	case CONF_WORDS: return strings_equal(a, b);
	case CONF_GROUP: return conf_equal(key->sub, a, b);
	case CONF_LIST: return lists_equal(key->sub, a, b);
	}
	return false;
}
