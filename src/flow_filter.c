/* SPDX-License-Identifier: Apache-2.0 */
/* Which flows are meant. See flow_filter.h. Control thread. */
#include "flow_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_impl.h"
#include "flow_track.h"

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{ IPPROTO_TCP, "tcp" },	      { IPPROTO_UDP, "udp" },	{ IPPROTO_ICMP, "icmp" },
	{ IPPROTO_ICMPV6, "icmpv6" }, { IPPROTO_SCTP, "sctp" }, { IPPROTO_GRE, "gre" },
	{ IPPROTO_ESP, "esp" },	      { IPPROTO_AH, "ah" },	{ IPPROTO_DCCP, "dccp" },
	{ IPPROTO_IPIP, "ipip" },     { IPPROTO_IPV6, "ipv6" }, { IPPROTO_UDPLITE, "udplite" },
	{ IPPROTO_IGMP, "igmp" },     { 89, "ospf" },		{ 112, "vrrp" },
};

const char *flow_protocol_name(unsigned protocol)
{
	for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

/* --- reading --- */

__attribute__((format(printf, 2, 3))) static int refuse(char **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(error, format, args) < 0)
		*error = NULL;
	va_end(args);
	return -EINVAL;
}

/* A whole number of 0 to `max` at the start of a text. */
static bool number_read(const char **text, long max, long *value)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*value = strtol(*text, &end, 10);
	if (errno || *value > max)
		return false;
	*text = end;
	return true;
}

static int read_family(struct flow_filter *filter, const char *name, const json_t *value,
		       char **error)
{
	const json_int_t family = json_integer_value(value);

	if (family != 4 && family != 6)
		return refuse(error, "family: 4 or 6 was expected");
	filter->family = (uint8_t)family;
	return 0;
}

static int read_net(struct flow_filter *filter, const char *name, const json_t *value, char **error)
{
	struct flow_filter_net *net = *name == 's' ? &filter->source :
				      *name == 'd' ? &filter->destination :
						     &filter->host;
	const char *text = json_string_value(value);
	struct conf_prefix prefix;
	struct in6_addr mask = { 0 };
	bool host_bits;
	unsigned bits;

	if (!text || !conf_prefix_parse(text, &prefix, &host_bits))
		return refuse(
			error,
			"%s: \"%s\" is no address or prefix; 192.0.2.0/24 or 2001:db8::/32 was expected",
			name, text ? text : "");
	net->family = prefix.addr.family;
	bits = net->family == 4 ? prefix.len + 96u : prefix.len;
	for (unsigned i = 0; i < bits; i++)
		mask.s6_addr[i / 8] |= (uint8_t)(0x80 >> i % 8);
	memcpy(net->mask, &mask, sizeof(mask));
	memcpy(net->value, &prefix.addr.addr, sizeof(net->value));
	net->value[0] &= net->mask[0];
	net->value[1] &= net->mask[1];
	net->mask4 = mask.s6_addr32[3];
	memcpy(&net->value4, (const uint8_t *)net->value + 12, sizeof(net->value4));
	filter->ends = true;
	return 0;
}

static int read_ports(struct flow_filter *filter, const char *name, const json_t *value,
		      char **error)
{
	struct flow_filter_ports *ports = *name == 's' ? &filter->sport :
					  *name == 'd' ? &filter->dport :
							 &filter->port;
	char number[24];
	const char *text = json_string_value(value);
	long low, high;

	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		text = number;
	}
	if (!text || !number_read(&text, 65535, &low))
		return refuse(error, "%s: a port of 0 to 65535, or 8000-8999, was expected", name);
	high = low;
	if (*text == '-' && (text++, !number_read(&text, 65535, &high)))
		high = -1;
	if (*text || high < low)
		return refuse(error, "%s: a port of 0 to 65535, or 8000-8999, was expected", name);
	*ports = (struct flow_filter_ports){ true, (uint16_t)low, (uint16_t)high };
	filter->ends = true;
	return 0;
}

static int read_protocol(struct flow_filter *filter, const char *name, const json_t *value,
			 char **error)
{
	const char *text = json_string_value(value);
	long number;

	if (json_is_integer(value)) {
		filter->protocol = (int)json_integer_value(value);
		return filter->protocol >= 0 && filter->protocol <= 255 ?
			       0 :
			       refuse(error, "proto: 0 to 255 or a name was expected");
	}
	for (unsigned i = 0; text && i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (!strcasecmp(text, protocols[i].name)) {
			filter->protocol = protocols[i].number;
			return 0;
		}
	if (text && (!strcasecmp(text, "icmp6") || !strcasecmp(text, "ipv6-icmp"))) {
		filter->protocol = IPPROTO_ICMPV6;
		return 0;
	}
	name = text;
	if (!text || !number_read(&text, 255, &number) || *text)
		return refuse(
			error,
			"proto: \"%s\" is not known; tcp, udp, icmp, icmpv6, sctp, gre, esp … or 0 to 255 was expected",
			name ? name : "");
	filter->protocol = (int)number;
	return 0;
}

static char *state_names(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (unsigned s = FLOW_DEAD + 1; s < FLOW_STATES; s++) {
		bool before = false;

		for (unsigned i = FLOW_DEAD + 1; i < s; i++)
			before = before || !strcmp(flow_state_name(i), flow_state_name(s));
		if (!before)
			fprintf(out, "%s%s", s > FLOW_DEAD + 1 ? ", " : "", flow_state_name(s));
	}
	fclose(out);
	return text;
}

/* TCP and SCTP both have an "established". */
static int read_state(struct flow_filter *filter, const char *name, const json_t *value,
		      char **error)
{
	const char *text = json_string_value(value);
	const uint32_t found = text ? flow_states_by_name(text) : 0;
	char *names;
	int err;

	filter->states |= found;
	if (found)
		return 0;
	names = state_names();
	err = refuse(error, "state: there is no \"%s\"; there are: %s", text ? text : "",
		     names ? names : "");
	free(names);
	return err;
}

static int read_states(struct flow_filter *filter, const char *name, const json_t *value,
		       char **error)
{
	json_t *item;
	size_t i;
	int err = 0;

	if (!json_is_array(value))
		return read_state(filter, name, value, error);
	if (!json_array_size(value))
		return refuse(error, "state: a state's name was expected");
	json_array_foreach (value, i, item) {
		err = read_state(filter, name, item, error);
		if (err)
			break;
	}
	return err;
}

static int read_rule(struct flow_filter *filter, const char *name, const json_t *value,
		     char **error)
{
	const char *text = json_string_value(value);

	if (!text || !*text)
		return refuse(error, "rule: a rule's name was expected");
	filter->rule = strdup(text);
	filter->labels = calloc(1, FLOW_LABELS_MAX);
	return filter->rule && filter->labels ? 0 : -ENOMEM;
}

static int read_iface(struct flow_filter *filter, const char *name, const json_t *value,
		      const struct fib *fib, char **error)
{
	const char *text = json_string_value(value);

	for (uint16_t slot = 0; text && slot < IFACE_MAX; slot++) {
		const struct interface *iface = fib_interface(fib, slot);

		if (iface && !strcmp(iface->name, text)) {
			filter->iface = slot;
			return 0;
		}
	}
	return refuse(error, "in: there is no interface \"%s\"", text ? text : "");
}

static const struct {
	const char *name;
	int (*read)(struct flow_filter *filter, const char *name, const json_t *value,
		    char **error);
} members[] = {
	{ "family", read_family }, { "src", read_net },	       { "dst", read_net },
	{ "host", read_net },	   { "sport", read_ports },    { "dport", read_ports },
	{ "port", read_ports },	   { "proto", read_protocol }, { "state", read_states },
	{ "rule", read_rule },
};

bool flow_filter_knows(const char *name)
{
	for (unsigned i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (!strcmp(members[i].name, name))
			return true;
	return !strcmp(name, "in");
}

/* What can never match is a mistake, not an empty answer. */
static int check_families(const struct flow_filter *filter, char **error)
{
	const struct flow_filter_net *nets[] = { &filter->source, &filter->destination,
						 &filter->host };

	for (unsigned i = 0; i < 3; i++)
		if (filter->family && nets[i]->family && nets[i]->family != filter->family)
			return refuse(error, "IPv%u was asked for, and an IPv%u address",
				      filter->family, nets[i]->family);
	return 0;
}

int flow_filter_read(struct flow_filter *filter, const json_t *args, const struct fib *fib,
		     char **error)
{
	int err = 0;

	*filter = (struct flow_filter){ .protocol = -1, .iface = -1 };
	for (unsigned i = 0; i < sizeof(members) / sizeof(members[0]) && !err; i++) {
		const json_t *value = json_object_get(args, members[i].name);

		if (!value)
			continue;
		filter->narrows = true;
		err = members[i].read(filter, members[i].name, value, error);
	}
	if (!err && json_object_get(args, "in")) {
		filter->narrows = true;
		err = read_iface(filter, "in", json_object_get(args, "in"), fib, error);
	}
	if (!err)
		err = check_families(filter, error);
	if (err)
		flow_filter_free(filter);
	return err;
}

void flow_filter_free(struct flow_filter *filter)
{
	free(filter->rule);
	free(filter->labels);
	filter->rule = NULL;
	filter->labels = NULL;
}

/* --- matching --- */

/* Both ends of a flow where they lie: [0] of its original packets as they come, [1] as they leave. */
struct ends {
	bool narrow; /* addresses of 4 bytes; else of 16, IPv4 mapped */
	uint8_t family[2];
	const void *source[2], *destination[2];
	__be16 sport[2], dport[2];
};

static void ends_narrow(struct ends *ends, const struct flow4 *flow)
{
	const struct flow_tuple4 *key = &flow->key[FLOW_ORIGINAL], *reply = &flow->key[FLOW_REPLY];

	*ends = (struct ends){
		.narrow = true,
		.family = { 4, 4 },
		.source = { &key->source, &reply->destination },
		.destination = { &key->destination, &reply->source },
		.sport = { key->sport, reply->dport },
		.dport = { key->dport, reply->sport },
	};
}

static void ends_wide(struct ends *ends, const struct flow6 *flow)
{
	const struct flow_tuple6 *key = &flow->key[FLOW_ORIGINAL], *reply = &flow->key[FLOW_REPLY];

	*ends = (struct ends){
		.family = { flow->family[FLOW_ORIGINAL], flow->family[FLOW_REPLY] },
		.source = { &key->source, &reply->destination },
		.destination = { &key->destination, &reply->source },
		.sport = { key->sport, reply->dport },
		.dport = { key->dport, reply->sport },
	};
}

static bool in_net(const struct flow_filter_net *net, const struct ends *ends, unsigned i,
		   const void *addr)
{
	uint64_t word[2];
	uint32_t four;

	if (net->family != ends->family[i])
		return false;
	if (ends->narrow) {
		memcpy(&four, addr, sizeof(four));
		return (four & net->mask4) == net->value4;
	}
	memcpy(word, addr, sizeof(word));
	return (word[0] & net->mask[0]) == net->value[0] &&
	       (word[1] & net->mask[1]) == net->value[1];
}

static bool in_ports(const struct flow_filter_ports *ports, __be16 port)
{
	return ntohs(port) >= ports->low && ntohs(port) <= ports->high;
}

static bool nets_match(const struct flow_filter *filter, const struct ends *ends)
{
	bool source = !filter->source.family, destination = !filter->destination.family;
	bool host = !filter->host.family;

	for (unsigned i = 0; i < 2; i++) {
		source = source || in_net(&filter->source, ends, i, ends->source[i]);
		destination = destination ||
			      in_net(&filter->destination, ends, i, ends->destination[i]);
		host = host || in_net(&filter->host, ends, i, ends->source[i]) ||
		       in_net(&filter->host, ends, i, ends->destination[i]);
	}
	return source && destination && host;
}

static bool ports_match(const struct flow_filter *filter, const struct ends *ends)
{
	bool sport = !filter->sport.set, dport = !filter->dport.set, port = !filter->port.set;

	for (unsigned i = 0; i < 2; i++) {
		sport = sport || in_ports(&filter->sport, ends->sport[i]);
		dport = dport || in_ports(&filter->dport, ends->dport[i]);
		port = port || in_ports(&filter->port, ends->sport[i]) ||
		       in_ports(&filter->port, ends->dport[i]);
	}
	return sport && dport && port;
}

enum { LABEL_UNKNOWN, LABEL_MATCHES, LABEL_DIFFERS };

/* The whole name, or what stands behind the function's. */
static bool rule_matches(const struct flow_filter *filter, uint32_t label)
{
	if (label >= FLOW_LABELS_MAX)
		return false;
	if (filter->labels[label] == LABEL_UNKNOWN) {
		const char *name = flow_label_name(label), *slash = strchr(name, '/');
		const bool same = !strcmp(name, filter->rule) ||
				  (slash && !strcmp(slash + 1, filter->rule));

		filter->labels[label] = same ? LABEL_MATCHES : LABEL_DIFFERS;
	}
	return filter->labels[label] == LABEL_MATCHES;
}

static bool family_matches(const struct flow_filter *filter, const struct flow_table *table,
			   uint32_t handle)
{
	const uint8_t *family;

	if (!(handle & FLOW_WIDE))
		return filter->family == 4;
	family = table->hot6[handle & FLOW_INDEX].family;
	return family[0] == filter->family || family[1] == filter->family;
}

bool flow_filter_matches(const struct flow_filter *filter, const struct flow_table *table,
			 uint32_t handle)
{
	const struct flow_head *head = flow_head(table, handle);
	struct ends ends;

	if (filter->states && !(filter->states >> flow_state(head) & 1))
		return false;
	if (filter->protocol >= 0 && head->protocol != filter->protocol)
		return false;
	if (filter->family && !family_matches(filter, table, handle))
		return false;
	if (filter->iface >= 0 && flow_cold(table, handle)->iface != (unsigned)filter->iface)
		return false;
	if (filter->rule && !rule_matches(filter, flow_cold(table, handle)->label))
		return false;
	if (!filter->ends)
		return true;
	if (handle & FLOW_WIDE)
		ends_wide(&ends, &table->hot6[handle & FLOW_INDEX]);
	else
		ends_narrow(&ends, &table->hot4[handle & FLOW_INDEX]);
	return nets_match(filter, &ends) && ports_match(filter, &ends);
}
