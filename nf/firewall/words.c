/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a rule as numbers. See words.h. */
#include "words.h"

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

/* A decimal number of at most `max`, and nothing behind it but what `end` may begin with. */
static bool number(const char *text, unsigned long max, unsigned *value, const char **end)
{
	char *stop;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return false;
	n = strtoul(text, &stop, 10);
	*value = (unsigned)n;
	*end = stop;
	return n <= max && stop - text <= 10;
}

static bool whole_number(const char *text, unsigned long max, unsigned *value)
{
	const char *end;

	return number(text, max, value, &end) && !*end;
}

/* IPv4-mapped ones, too: somebody may want to refuse them by name. */
static bool address(const char *text, unsigned *family, __uint128_t *value)
{
	struct in6_addr ip6;
	struct in_addr ip4;

	if (inet_pton(AF_INET, text, &ip4) == 1) {
		*family = 4;
		*value = be32toh(ip4.s_addr);
		return true;
	}
	*family = 6;
	if (inet_pton(AF_INET6, text, &ip6) != 1)
		return false;
	*value = span_address6(&ip6);
	return true;
}

/* The part of `word` in front of `end`, or all of it. */
static bool first_address(const char *word, const char *end, unsigned *family, __uint128_t *value)
{
	char text[INET6_ADDRSTRLEN + 1];
	size_t n = end ? (size_t)(end - word) : strlen(word);

	if (n >= sizeof(text))
		return false;
	memcpy(text, word, n);
	text[n] = '\0';
	return address(text, family, value);
}

static const char *address_range(const char *word, const char *dash, unsigned *family,
				 struct span *span)
{
	unsigned other;

	if (!first_address(word, dash, family, &span->lo) || !address(dash + 1, &other, &span->hi))
		return "two addresses such as \"10.0.0.1-10.0.0.9\"";
	if (*family != other)
		return "two addresses of one family";
	return span->lo <= span->hi ? NULL : "the lower address first";
}

const char *words_addresses(const char *word, unsigned *family, struct span *span)
{
	const char *dash = strchr(word, '-'), *slash = strchr(word, '/');
	unsigned bits, len;

	if (dash)
		return address_range(word, dash, family, span);
	if (!first_address(word, slash, family, &span->lo))
		return "a prefix, an address or a range, such as \"192.0.2.0/24\", "
		       "\"2001:db8::1\" or \"10.0.0.1-10.0.0.9\"";
	bits = len = *family == 4 ? 32 : 128;
	if (slash && !whole_number(slash + 1, bits, &len))
		return *family == 4 ? "a length of 0 to 32 behind the slash" :
				      "a length of 0 to 128 behind the slash";
	span->hi = span->lo | span_last(bits - len);
	if (span->lo & span_last(bits - len))
		return "no bits set after the prefix";
	return NULL;
}

const char *words_ports(const char *word, struct span *span)
{
	static const char *const expected = "a port or a range, such as 80 or \"8000-8080\"";
	unsigned lo, hi;
	const char *end;

	if (!number(word, UINT16_MAX, &lo, &end))
		return expected;
	hi = lo;
	if (*end && (*end != '-' || !whole_number(end + 1, UINT16_MAX, &hi)))
		return expected;
	*span = (struct span){ lo, hi };
	return lo <= hi ? NULL : "the lower port first";
}

struct name {
	const char *name;
	unsigned value;
};

static bool find_name(const struct name *names, const char *word, unsigned *value)
{
	for (; names->name; names++) {
		if (!strcmp(names->name, word)) {
			*value = names->value;
			return true;
		}
	}
	return false;
}

const char *words_protocol(const char *word, unsigned *protocol)
{
	static const struct name names[] = {
		{ "icmp", IPPROTO_ICMP },     { "igmp", IPPROTO_IGMP }, { "ipip", IPPROTO_IPIP },
		{ "tcp", IPPROTO_TCP },	      { "udp", IPPROTO_UDP },	{ "dccp", IPPROTO_DCCP },
		{ "ipv6", IPPROTO_IPV6 },     { "gre", IPPROTO_GRE },	{ "esp", IPPROTO_ESP },
		{ "ah", IPPROTO_AH },	      { "ospf", 89 },		{ "pim", IPPROTO_PIM },
		{ "icmpv6", IPPROTO_ICMPV6 }, { "vrrp", 112 },		{ "l2tp", 115 },
		{ "sctp", IPPROTO_SCTP },     { "udplite", 136 },	{ NULL, 0 },
	};

	if (find_name(names, word, protocol) || whole_number(word, 255, protocol))
		return NULL;
	return "a protocol such as \"tcp\", \"udp\", \"icmp\", \"icmpv6\" or its number";
}

const char *words_tcp_flags(const char *word, uint8_t *mask, uint8_t *value)
{
	static const struct name names[] = {
		{ "fin", 0x01 }, { "syn", 0x02 }, { "rst", 0x04 }, { "psh", 0x08 }, { "ack", 0x10 },
		{ "urg", 0x20 }, { "ece", 0x40 }, { "cwr", 0x80 }, { NULL, 0 },
	};
	static const char *const expected =
		"flags such as \"syn,!ack\": fin, syn, rst, psh, ack, urg, ece, cwr, each once";
	char copy[64], *save, *flag;
	unsigned bit;

	*mask = *value = 0;
	if (strlen(word) >= sizeof(copy))
		return expected;
	strcpy(copy, word);
	for (flag = strtok_r(copy, ", ", &save); flag; flag = strtok_r(NULL, ", ", &save)) {
		if (!find_name(names, flag + (*flag == '!'), &bit) || (*mask & bit))
			return expected;
		*mask |= (uint8_t)bit;
		*value |= *flag == '!' ? 0 : (uint8_t)bit;
	}
	return *mask ? NULL : expected;
}

const char *words_dscp(const char *word, unsigned *dscp)
{
	static const struct name names[] = {
		{ "be", 0 },	{ "le", 1 },	{ "cs0", 0 },	{ "cs1", 8 },	{ "cs2", 16 },
		{ "cs3", 24 },	{ "cs4", 32 },	{ "cs5", 40 },	{ "cs6", 48 },	{ "cs7", 56 },
		{ "af11", 10 }, { "af12", 12 }, { "af13", 14 }, { "af21", 18 }, { "af22", 20 },
		{ "af23", 22 }, { "af31", 26 }, { "af32", 28 }, { "af33", 30 }, { "af41", 34 },
		{ "af42", 36 }, { "af43", 38 }, { "ef", 46 },	{ "va", 44 },	{ NULL, 0 },
	};

	if (find_name(names, word, dscp) || whole_number(word, 63, dscp))
		return NULL;
	return "a DSCP such as \"ef\", \"af41\", \"cs6\" or a number of 0 to 63";
}

#define ANY_CODE 0x100

static const struct {
	const char *name;
	uint16_t type4, code4, type6, code6;
} icmp_names[] = {
	{ "echo-request", ICMP_ECHO, ANY_CODE, ICMP6_ECHO_REQUEST, ANY_CODE },
	{ "echo-reply", ICMP_ECHOREPLY, ANY_CODE, ICMP6_ECHO_REPLY, ANY_CODE },
	{ "destination-unreachable", ICMP_DEST_UNREACH, ANY_CODE, ICMP6_DST_UNREACH, ANY_CODE },
	{ "net-unreachable", ICMP_DEST_UNREACH, 0, WORDS_NO_TYPE, 0 },
	{ "host-unreachable", ICMP_DEST_UNREACH, 1, ICMP6_DST_UNREACH, 3 },
	{ "port-unreachable", ICMP_DEST_UNREACH, 3, ICMP6_DST_UNREACH, 4 },
	{ "fragmentation-needed", ICMP_DEST_UNREACH, 4, WORDS_NO_TYPE, 0 },
	{ "packet-too-big", ICMP_DEST_UNREACH, 4, ICMP6_PACKET_TOO_BIG, ANY_CODE },
	{ "admin-prohibited", ICMP_DEST_UNREACH, 13, ICMP6_DST_UNREACH, 1 },
	{ "no-route", ICMP_DEST_UNREACH, 0, ICMP6_DST_UNREACH, 0 },
	{ "source-quench", ICMP_SOURCE_QUENCH, ANY_CODE, WORDS_NO_TYPE, 0 },
	{ "redirect", ICMP_REDIRECT, ANY_CODE, ND_REDIRECT, ANY_CODE },
	{ "time-exceeded", ICMP_TIME_EXCEEDED, ANY_CODE, ICMP6_TIME_EXCEEDED, ANY_CODE },
	{ "parameter-problem", ICMP_PARAMETERPROB, ANY_CODE, ICMP6_PARAM_PROB, ANY_CODE },
	{ "timestamp-request", ICMP_TIMESTAMP, ANY_CODE, WORDS_NO_TYPE, 0 },
	{ "timestamp-reply", ICMP_TIMESTAMPREPLY, ANY_CODE, WORDS_NO_TYPE, 0 },
	{ "info-request", ICMP_INFO_REQUEST, ANY_CODE, WORDS_NO_TYPE, 0 },
	{ "info-reply", ICMP_INFO_REPLY, ANY_CODE, WORDS_NO_TYPE, 0 },
	{ "address-mask-request", ICMP_ADDRESS, ANY_CODE, WORDS_NO_TYPE, 0 },
	{ "address-mask-reply", ICMP_ADDRESSREPLY, ANY_CODE, WORDS_NO_TYPE, 0 },
	{ "router-advertisement", 9, ANY_CODE, ND_ROUTER_ADVERT, ANY_CODE },
	{ "router-solicitation", 10, ANY_CODE, ND_ROUTER_SOLICIT, ANY_CODE },
	{ "nd-router-solicit", WORDS_NO_TYPE, 0, ND_ROUTER_SOLICIT, ANY_CODE },
	{ "nd-router-advert", WORDS_NO_TYPE, 0, ND_ROUTER_ADVERT, ANY_CODE },
	{ "nd-neighbor-solicit", WORDS_NO_TYPE, 0, ND_NEIGHBOR_SOLICIT, ANY_CODE },
	{ "nd-neighbor-advert", WORDS_NO_TYPE, 0, ND_NEIGHBOR_ADVERT, ANY_CODE },
	{ "nd-redirect", WORDS_NO_TYPE, 0, ND_REDIRECT, ANY_CODE },
	{ "mld-listener-query", WORDS_NO_TYPE, 0, MLD_LISTENER_QUERY, ANY_CODE },
	{ "mld-listener-report", WORDS_NO_TYPE, 0, MLD_LISTENER_REPORT, ANY_CODE },
	{ "mld-listener-done", WORDS_NO_TYPE, 0, MLD_LISTENER_REDUCTION, ANY_CODE },
	{ "mld2-listener-report", WORDS_NO_TYPE, 0, 143, ANY_CODE },
};

const char *words_icmp(const char *word, struct words_icmp *icmp)
{
	unsigned type, code = ANY_CODE;
	const char *end;

	for (size_t i = 0; i < sizeof(icmp_names) / sizeof(icmp_names[0]); i++) {
		if (strcmp(icmp_names[i].name, word))
			continue;
		*icmp = (struct words_icmp){ { icmp_names[i].type4, icmp_names[i].type6 },
					     { icmp_names[i].code4, icmp_names[i].code6 },
					     true };
		return NULL;
	}
	if (!number(word, 255, &type, &end) ||
	    (*end && (*end != '/' || !whole_number(end + 1, 255, &code))))
		return "a message such as \"echo-request\", \"time-exceeded\", a type such as 3 or a "
		       "type and a code such as \"3/4\"";
	*icmp = (struct words_icmp){ { (uint16_t)type, (uint16_t)type },
				     { (uint16_t)code, (uint16_t)code },
				     false };
	return NULL;
}
