/* SPDX-License-Identifier: Apache-2.0 */
/* Routes, neighbours, interfaces: where packets go. See view.h. */
#include <string.h>

#include "value.h"
#include "view.h"

/* A gateway of the route's own family, or `via` of the other: {"family", "host"}. */
static void gateway_cell(struct table *table, const json_t *hop)
{
	const json_t *via = json_object_get(hop, "via");

	if (json_is_object(via))
		value_cell(table, COLOUR_NONE, via, "host");
	else
		value_cell(table, COLOUR_NONE, hop, "gateway");
}

static void hop_cells(struct table *table, const json_t *hop)
{
	gateway_cell(table, hop);
	value_cell(table, COLOUR_NONE, hop, "interface");
	value_cell(table, COLOUR_NONE, hop, "dev");
	value_cell(table, COLOUR_NONE, hop, "weight");
	value_cell(table, COLOUR_WARN, hop, "flags");
}

static void blank_cells(struct table *table, int n)
{
	while (n--)
		table_cell(table, COLOUR_NONE, "%s", "");
}

/* Is this route in the forwarding table, or did another of its prefix win? */
static bool is_used(const json_t *route)
{
	return !json_is_false(json_object_get(route, "selected")) &&
	       !json_is_false(json_object_get(route, "installed"));
}

static void route_row(struct table *table, const json_t *route, bool mark)
{
	const json_t *hops = json_object_get(route, "nexthops");
	const char *type = value_string(route, "type");
	size_t n = json_array_size(hops);

	table_cell(table, COLOUR_GOOD, "%s", mark && is_used(route) ? ">" : "");
	value_cell(table, COLOUR_NONE, route, "dst");
	table_cell(table, COLOUR_NONE, "%s", strcmp(type, "-") ? type : "unicast");
	hop_cells(table, n ? json_array_get(hops, 0) : route);
	value_cell(table, COLOUR_NONE, route, "metric");
	value_cell(table, COLOUR_NONE, route, "protocol");
	value_cell(table, COLOUR_NONE, route, "table");
	for (size_t i = 1; i < n; i++) {
		blank_cells(table, 3);
		hop_cells(table, json_array_get(hops, i));
		blank_cells(table, 3);
	}
}

/* The winners are marked where there is a loser. */
static bool any_unused(const json_t *routes)
{
	json_t *route;
	size_t i;

	json_array_foreach (routes, i, route) {
		if (!is_used(route))
			return true;
	}
	return false;
}

static void routes_table(const json_t *routes, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "", COLUMN_OPTIONAL },
		{ "DESTINATION", 0 },
		{ "TYPE", 0 },
		{ "VIA", 0 },
		{ "INTERFACE", COLUMN_OPTIONAL },
		{ "DEVICE", 0 },
		{ "WEIGHT", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "FLAGS", COLUMN_OPTIONAL },
		{ "METRIC", COLUMN_RIGHT },
		{ "PROTOCOL", 0 },
		{ "TABLE", COLUMN_OPTIONAL },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	bool mark = any_unused(routes);
	json_t *route;
	size_t i;

	json_array_foreach (routes, i, route) {
		route_row(table, route, mark);
	}
	table_print(table, style, true, out);
	table_free(table);
}

void view_routes(const json_t *result, const struct style *style, FILE *out)
{
	const json_t *routes = json_object_get(result, "routes");
	size_t n = json_array_size(routes);
	json_int_t total = value_integer(result, "total");
	char shown[VALUE_TEXT], text[VALUE_TEXT];

	routes_table(routes, style, out);
	if (!n)
		fputs("no routes\n", out);
	else if (!style->all && total > (json_int_t)n)
		fprintf(out, "\n%s of %s routes; --all for every one, or name a PREFIX\n",
			value_count(shown, (json_int_t)n, style), value_count(text, total, style));
}

/* What matched, the next hops that a packet may take, and the candidates for the prefix. */
void view_route(const json_t *result, const struct style *style, FILE *out)
{
	json_t *rest = json_copy((json_t *)result);
	const json_t *candidates = json_object_get(result, "candidates");

	json_object_del(rest, "candidates");
	view_fields(rest, style, out);
	json_decref(rest);
	if (json_array_size(candidates)) {
		fputc('\n', out);
		routes_table(candidates, style, out);
	}
}

void view_neighbours(const json_t *result, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "ADDRESS", 0 }, { "INTERFACE", 0 }, { "DEVICE", 0 },
		{ "MAC", 0 },	  { "STATE", 0 },     { "USED", COLUMN_OPTIONAL },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *neighbour;
	size_t i;

	json_array_foreach (json_object_get(result, "neighbours"), i, neighbour) {
		const char *state = value_string(neighbour, "state");

		value_cell(table, COLOUR_NONE, neighbour,
			   json_object_get(neighbour, "address") ? "address" : "dst");
		value_cell(table, COLOUR_NONE, neighbour, "interface");
		value_cell(table, COLOUR_NONE, neighbour, "dev");
		value_cell(table, COLOUR_NONE, neighbour, "mac");
		value_cell(table, strcasecmp(state, "failed") ? COLOUR_NONE : COLOUR_BAD, neighbour,
			   "state");
		value_cell(table, COLOUR_NONE, neighbour, "used");
	}
	if (!i)
		fputs("no neighbours\n", out);
	table_print(table, style, true, out);
	table_free(table);
}

/* 100, or 200.100 with the service tag first, or "-" where packets are untagged. */
static void vlan_cell(struct table *table, const json_t *interface)
{
	json_int_t inner = value_integer(interface, "vlan");
	json_int_t outer = value_integer(interface, "outer_vlan");

	if (outer)
		table_cell(table, COLOUR_NONE, "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT,
			   outer, inner);
	else if (inner)
		table_cell(table, COLOUR_NONE, "%" JSON_INTEGER_FORMAT, inner);
	else
		table_cell(table, COLOUR_NONE, "-");
}

static void state_cell(struct table *table, const json_t *interface)
{
	const char *state = value_string(interface, "state");
	const json_t *up = json_object_get(interface, "up");

	if (json_is_boolean(up))
		state = json_is_true(up) ? "up" : "down";
	table_cell(table, strcmp(state, "up") ? COLOUR_BAD : COLOUR_GOOD, "%s", state);
}

void view_interfaces(const json_t *result, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "INTERFACE", 0 },
		{ "PORT", 0 },
		{ "VLAN", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "DEVICE", 0 },
		{ "STATE", 0 },
		{ "MAC", 0 },
		{ "MTU", COLUMN_RIGHT },
		{ "RX-PACKETS", COLUMN_RIGHT },
		{ "RX-BYTES", COLUMN_RIGHT },
		{ "TX-PACKETS", COLUMN_RIGHT },
		{ "TX-BYTES", COLUMN_RIGHT },
		{ "CHAIN", 0 },
		{ "ADDRESSES", 0 },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *interface;
	size_t i;

	json_array_foreach (json_object_get(result, "interfaces"), i, interface) {
		const json_t *inner = json_object_get(interface, "counters");
		const json_t *counters = inner ? inner : interface;
		value_cell(table, COLOUR_NONE, interface, "name");
		value_cell(table, COLOUR_NONE, interface, "port");
		vlan_cell(table, interface);
		value_cell(table, COLOUR_NONE, interface, "device");
		state_cell(table, interface);
		value_cell(table, COLOUR_NONE, interface, "mac");
		value_cell(table, COLOUR_NONE, interface, "mtu");
		value_count_cell(table, style, COLOUR_NONE, counters, "rx_packets");
		value_bytes_cell(table, style, counters, "rx_bytes");
		value_count_cell(table, style, COLOUR_NONE, counters, "tx_packets");
		value_bytes_cell(table, style, counters, "tx_bytes");
		value_cell(table, COLOUR_NONE, interface, "chain");
		value_cell(table, COLOUR_NONE, interface, "addresses");
	}
	if (!i)
		fputs("no interfaces\n", out);
	table_print(table, style, true, out);
	table_free(table);
}
