/* SPDX-License-Identifier: Apache-2.0 */
/* Flows: who talks to whom, and what let them. See view.h. */
#include <string.h>

#include "value.h"
#include "view.h"

/* 59s, 12m05s, 3h12m, 5d00h: a word, for those who cut columns. */
static void time_cell(struct table *table, const json_t *flow, const char *key)
{
	const json_int_t s = value_integer(flow, key);

	if (!json_object_get(flow, key))
		table_cell(table, COLOUR_NONE, "-");
	else if (s < 60)
		table_cell(table, COLOUR_NONE, "%ds", (int)s);
	else if (s < 3600)
		table_cell(table, COLOUR_NONE, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		table_cell(table, COLOUR_NONE, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		table_cell(table, COLOUR_NONE, "%dd%02dh", (int)(s / 86400), (int)(s / 3600 % 24));
}

/* 192.0.2.1:80 or [2001:db8::1]:80; without a port where the protocol has none. */
static void end_cell(struct table *table, const json_t *key, const char *address, const char *port)
{
	const char *text = value_string(key, address);
	const json_int_t number = value_integer(key, port);

	if (!number)
		table_cell(table, COLOUR_NONE, "%s", text);
	else
		table_cell(table, COLOUR_NONE,
			   strchr(text, ':') ? "[%s]:%" JSON_INTEGER_FORMAT :
					       "%s:%" JSON_INTEGER_FORMAT,
			   text, number);
}

/* What it leaves as, where that is not what it came as. */
static void out_cell(struct table *table, const json_t *flow, const char *address, const char *port)
{
	const json_t *key = json_object_get(flow, "key"), *out = json_object_get(flow, "out");

	if (!out || (json_equal(json_object_get(key, address), json_object_get(out, address)) &&
		     json_equal(json_object_get(key, port), json_object_get(out, port))))
		table_cell(table, COLOUR_NONE, "-");
	else
		end_cell(table, out, address, port);
}

static void flow_row(struct table *table, const json_t *flow, const struct style *style)
{
	const json_t *key = json_object_get(flow, "key");

	value_cell(table, COLOUR_NONE, flow, "protocol");
	value_cell(table, COLOUR_NONE, flow, "state");
	end_cell(table, key, "source", "sport");
	end_cell(table, key, "destination", "dport");
	out_cell(table, flow, "source", "sport");
	out_cell(table, flow, "destination", "dport");
	value_cell(table, COLOUR_NONE, flow, "in");
	value_cell(table, COLOUR_NONE, flow, "out_interface");
	value_cell(table, COLOUR_NONE, flow, "rule");
	value_count_cell(table, style, COLOUR_NONE, flow, "packets");
	value_bytes_cell(table, style, flow, "bytes");
	value_count_cell(table, style, COLOUR_NONE, flow, "reply_packets");
	value_bytes_cell(table, style, flow, "reply_bytes");
	time_cell(table, flow, "age_s");
	time_cell(table, flow, "idle_s");
	time_cell(table, flow, "timeout_s");
	value_cell(table, COLOUR_NONE, flow, "flags");
	value_cell(table, COLOUR_NONE, flow, "worker");
}

static void flows_table(const json_t *flows, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "PROTO", 0 },
		{ "STATE", 0 },
		{ "SOURCE", 0 },
		{ "DESTINATION", 0 },
		{ "OUT-SOURCE", COLUMN_OPTIONAL },
		{ "OUT-DESTINATION", COLUMN_OPTIONAL },
		{ "IN", 0 },
		{ "OUT", COLUMN_OPTIONAL },
		{ "RULE", COLUMN_OPTIONAL },
		{ "PACKETS", COLUMN_RIGHT },
		{ "BYTES", COLUMN_RIGHT },
		{ "REPLY-PACKETS", COLUMN_RIGHT },
		{ "REPLY-BYTES", COLUMN_RIGHT },
		{ "AGE", COLUMN_RIGHT },
		{ "IDLE", COLUMN_RIGHT },
		{ "LEFT", COLUMN_RIGHT },
		{ "FLAGS", COLUMN_OPTIONAL },
		{ "WORKER", COLUMN_RIGHT | COLUMN_DETAIL },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		flow_row(table, flow, style);
	}
	table_print(table, style, true, out);
	table_free(table);
}

/* established 12, syn-sent 3 */
static void states_line(const json_t *states, const struct style *style, FILE *out)
{
	char text[VALUE_TEXT];
	const char *name, *separator = "";
	json_t *count;

	json_object_foreach ((json_t *)states, name, count) {
		fprintf(out, "%s%s %s", separator, name,
			value_count(text, json_integer_value(count), style));
		separator = ", ";
	}
	if (*separator)
		fputc('\n', out);
}

struct meaning {
	const char *name, *meaning;
};

static void counters_table(const json_t *counters, const struct meaning *meanings, unsigned n,
			   const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "COUNTER", 0 },
		{ "COUNT", COLUMN_RIGHT },
		{ "MEANING", 0 },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (unsigned i = 0; i < n; i++) {
		table_cell(table, COLOUR_NONE, "%s", meanings[i].name);
		value_count_cell(table, style, COLOUR_NONE, counters, meanings[i].name);
		table_cell(table, COLOUR_DIM, "%s", meanings[i].meaning);
	}
	table_print(table, style, true, out);
	table_free(table);
}

static void room_line(const json_t *summary, const char *key, const char *title,
		      const struct style *style, FILE *out)
{
	const json_t *room = json_object_get(summary, key);
	char used[VALUE_TEXT], size[VALUE_TEXT];

	fprintf(out, "%s: %s of %s in use, %.1f %%\n", title,
		value_count(used, value_integer(room, "used"), style),
		value_count(size, value_integer(room, "size"), style),
		json_number_value(json_object_get(room, "percent")));
}

static void summary_view(const json_t *summary, const struct style *style, FILE *out)
{
	static const struct meaning flows[] = {
		{ "hits", "packets that found their flow" },
		{ "misses", "packets that found no flow, and asked the functions" },
		{ "opened", "flows" },
		{ "refused", "flows that did not come about: denied, or no room" },
		{ "expired", "flows that were idle for too long" },
		{ "denied", "flows that a changed policy ended" },
		{ "evicted", "flows that gave way to others, the table being nearly full" },
		{ "flushed", "flows that `flush flows` ended" },
		{ "reopened", "ended ones whose key a new conversation took" },
		{ "raced", "opened by two workers at once, one of them in vain" },
		{ "related", "ICMP errors about a flow" },
		{ "invalid", "packets that fit no flow and can open none" },
	};
	static const struct meaning fragments[] = {
		{ "datagrams", "fragmented ones under way" },
		{ "completed", "of which all fragments came" },
		{ "expired", "that were not complete in time" },
		{ "evicted", "that gave way to others" },
	};
	char text[VALUE_TEXT];

	room_line(summary, "ipv4", "IPv4", style, out);
	room_line(summary, "ipv6", "IPv6", style, out);
	fprintf(out, "memory: %s, %s\n",
		value_bytes(text, value_integer(summary, "memory_bytes"), style),
		value_string(summary, "pages"));
	states_line(json_object_get(summary, "states"), style, out);
	fputs("\nflows:\n", out);
	counters_table(json_object_get(summary, "counters"), flows,
		       sizeof(flows) / sizeof(flows[0]), style, out);
	fputs("\nfragments:\n", out);
	counters_table(json_object_get(summary, "fragments"), fragments,
		       sizeof(fragments) / sizeof(fragments[0]), style, out);
}

void view_flows(const json_t *result, const struct style *style, FILE *out)
{
	const json_t *flows = json_object_get(result, "flows");
	const size_t n = json_array_size(flows);
	const json_int_t total = value_integer(result, "total");
	char shown[VALUE_TEXT], all[VALUE_TEXT];

	if (json_object_get(result, "counters")) {
		summary_view(result, style, out);
		return;
	}
	flows_table(flows, style, out);
	if (!n)
		fputs("no flows\n", out);
	if (!n || style->all)
		return;
	fprintf(out, "\n%s of %s flows shown: ", value_count(shown, (json_int_t)n, style),
		value_count(all, total, style));
	states_line(json_object_get(result, "states"), style, out);
	if (total > (json_int_t)n)
		fputs("--all shows every one, limit N as many as that\n", out);
}

void view_flush(const json_t *result, const struct style *style, FILE *out)
{
	char text[VALUE_TEXT];

	fprintf(out, "%s flows ended\n",
		value_count(text, value_integer(result, "flushed"), style));
}
