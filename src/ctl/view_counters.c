/* SPDX-License-Identifier: Apache-2.0 */
/* Ports, workers, drops: what packets did. See view.h. */
#include <stdlib.h>
#include <string.h>

#include "value.h"
#include "view.h"

static enum colour state_colour(const char *state)
{
	if (!strcmp(state, "up"))
		return COLOUR_GOOD;
	return strcmp(state, "-") ? COLOUR_BAD : COLOUR_NONE;
}

static void ports_table(const json_t *ports, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "PORT", 0 },
		{ "DEVICE", 0 },
		{ "STATE", 0 },
		{ "MAC", 0 },
		{ "MTU", COLUMN_RIGHT },
		{ "XDP", 0 },
		{ "FALLBACK", 0 },
		{ "RX-PACKETS", COLUMN_RIGHT },
		{ "RX-BYTES", COLUMN_RIGHT },
		{ "TX-PACKETS", COLUMN_RIGHT },
		{ "TX-BYTES", COLUMN_RIGHT },
		{ "REASON", COLUMN_OPTIONAL },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		value_cell(table, COLOUR_NONE, port, "name");
		value_cell(table, COLOUR_NONE, port, "device");
		value_cell(table, state_colour(value_string(port, "state")), port, "state");
		value_cell(table, COLOUR_NONE, port, "mac");
		value_cell(table, COLOUR_NONE, port, "mtu");
		value_cell(table, COLOUR_NONE, port, "xdp");
		value_cell(table, COLOUR_NONE, port, "fallback");
		value_count_cell(table, style, COLOUR_NONE, port, "rx_packets");
		value_bytes_cell(table, style, port, "rx_bytes");
		value_count_cell(table, style, COLOUR_NONE, port, "tx_packets");
		value_bytes_cell(table, style, port, "tx_bytes");
		value_cell(table, COLOUR_NONE, port, "reason");
	}
	table_print(table, style, true, out);
	table_free(table);
}

/* Counters of trouble: shown where one of them is not zero, and then in colour. */
static const char *const trouble[] = { "rx_dropped", "rx_ring_full", "fill_ring_empty",
				       "rx_invalid", "tx_invalid",   "fill_starved",
				       "tx_full",    "kick_errors" };

static void queue_row(struct table *table, const struct style *style, const json_t *port,
		      const json_t *queue)
{
	const char *name = value_string(port, "name");

	table_cell(table, COLOUR_NONE, "%s/%" JSON_INTEGER_FORMAT, name,
		   value_integer(queue, "queue"));
	value_cell(table, COLOUR_NONE, queue, "worker");
	value_cell(table, COLOUR_NONE, queue, "mode");
	value_count_cell(table, style, COLOUR_NONE, queue, "rx_packets");
	value_bytes_cell(table, style, queue, "rx_bytes");
	value_count_cell(table, style, COLOUR_NONE, queue, "tx_packets");
	value_bytes_cell(table, style, queue, "tx_bytes");
	value_count_cell(table, style, COLOUR_NONE, queue, "tx_ring_empty");
	for (size_t t = 0; t < sizeof(trouble) / sizeof(trouble[0]); t++)
		value_count_cell(table, style,
				 value_integer(queue, trouble[t]) ? COLOUR_WARN : COLOUR_NONE,
				 queue, trouble[t]);
	value_count_cell(table, style, COLOUR_NONE, queue, "kicks");
}

static void queues_table(const json_t *ports, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "QUEUE", 0 },
		{ "WORKER", COLUMN_RIGHT },
		{ "MODE", 0 },
		{ "RX-PACKETS", COLUMN_RIGHT },
		{ "RX-BYTES", COLUMN_RIGHT },
		{ "TX-PACKETS", COLUMN_RIGHT },
		{ "TX-BYTES", COLUMN_RIGHT },
		{ "TX-RING-EMPTY",
		  COLUMN_RIGHT | COLUMN_DETAIL }, /* how often there was nothing to do */
		{ "RX-DROPPED", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "RX-RING-FULL", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "FILL-EMPTY", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "RX-INVALID", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "TX-INVALID", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "FILL-STARVED", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "TX-FULL", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "KICK-ERRORS", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "KICKS", COLUMN_RIGHT },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *port, *queue;
	size_t p, q, rows = 0;

	json_array_foreach (ports, p, port) {
		json_array_foreach (json_object_get(port, "queues"), q, queue) {
			queue_row(table, style, port, queue);
			rows++;
		}
	}
	if (rows)
		fputc('\n', out);
	table_print(table, style, true, out);
	table_free(table);
}

static bool same_note(const json_t *a, const json_t *b)
{
	return !strcmp(value_string(a, "mode"), value_string(b, "mode")) &&
	       !strcmp(value_string(a, "requested"), value_string(b, "requested")) &&
	       !strcmp(value_string(a, "why"), value_string(b, "why"));
}

/* Why a queue is not in a better mode, once for all queues of a port that say the same. */
static void queue_notes(const json_t *port, const struct style *style, FILE *out)
{
	const json_t *queues = json_object_get(port, "queues");
	json_t *queue;
	size_t q;

	json_array_foreach (queues, q, queue) {
		const char *why = value_string(queue, "why");

		if (!strcmp(why, "-") || (q && same_note(queue, json_array_get(queues, q - 1))))
			continue;
		fprintf(out, "%s%s/%" JSON_INTEGER_FORMAT ": %s (%s was asked for): %s%s\n",
			style_on(style, COLOUR_DIM), value_string(port, "name"),
			value_integer(queue, "queue"), value_string(queue, "mode"),
			value_string(queue, "requested"), why, style_off(style, COLOUR_DIM));
	}
}

void view_ports(const json_t *result, const struct style *style, FILE *out)
{
	json_t *port;
	size_t i;

	if (!json_array_size(result)) {
		fputs("no ports\n", out);
		return;
	}
	ports_table(result, style, out);
	queues_table(result, style, out);
	json_array_foreach (result, i, port) {
		queue_notes(port, style, out);
	}
}

static void memory_line(const json_t *memory, const struct style *style, FILE *out)
{
	char total[VALUE_TEXT], spare[VALUE_TEXT];
	json_int_t frames = value_integer(memory, "frames");

	if (!json_is_object(memory))
		return;
	fprintf(out,
		"\nmemory: %s frames of %" JSON_INTEGER_FORMAT " bytes, %s of them free; "
		"pages: %s\n",
		value_count(total, frames, style), value_integer(memory, "frame_size"),
		value_count(spare, value_integer(memory, "free"), style),
		value_string(memory, "pages"));
}

void view_workers(const json_t *result, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "WORKER", COLUMN_RIGHT },
		{ "CPU", COLUMN_RIGHT },
		{ "POLL", 0 },
		{ "STATE", 0 },
		{ "BUSY-%", COLUMN_RIGHT },
		{ "PACKETS", COLUMN_RIGHT },
		{ "BURSTS", COLUMN_RIGHT },
		{ "AVG-BURST", COLUMN_RIGHT },
		{ "SLEEPS", COLUMN_RIGHT },
		{ "WAKEUPS", COLUMN_RIGHT },
		{ "ORIGINATED", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "WAITING", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "HANDED-OVER", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "TAKEN-OVER", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "EVENTS-LOST", COLUMN_RIGHT | COLUMN_OPTIONAL },
		{ "CACHED-FRAMES", COLUMN_RIGHT },
		{ "QUEUES", 0 },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *worker;
	size_t i;

	json_array_foreach (json_object_get(result, "workers"), i, worker) {
		value_cell(table, COLOUR_NONE, worker, "worker");
		value_cell(table, COLOUR_NONE, worker, "cpu");
		value_cell(table, COLOUR_NONE, worker, "poll");
		value_cell(table, COLOUR_NONE, worker, "state");
		value_cell(table, COLOUR_NONE, worker, "busy_percent");
		value_count_cell(table, style, COLOUR_NONE, worker, "packets");
		value_count_cell(table, style, COLOUR_NONE, worker, "bursts");
		value_cell(table, COLOUR_NONE, worker, "avg_burst");
		value_count_cell(table, style, COLOUR_NONE, worker, "sleeps");
		value_count_cell(table, style, COLOUR_NONE, worker, "wakeups");
		value_count_cell(table, style, COLOUR_NONE, worker, "originated");
		value_count_cell(table, style, COLOUR_NONE, worker, "waiting");
		value_count_cell(table, style, COLOUR_NONE, worker, "handed_over");
		value_count_cell(table, style, COLOUR_NONE, worker, "taken_over");
		value_count_cell(table, style, COLOUR_WARN, worker, "events_lost");
		value_count_cell(table, style, COLOUR_NONE, worker, "frames_cached");
		value_cell(table, COLOUR_NONE, worker, "queues");
	}
	if (!i)
		fputs("no workers\n", out);
	table_print(table, style, true, out);
	table_free(table);
	memory_line(json_object_get(result, "memory"), style, out);
}

/* The books: received + originated = transmitted + dropped + waiting. */
static void balance(const json_t *result, const struct style *style, FILE *out)
{
	static const char *const terms[] = { "received", "originated", "transmitted", "dropped",
					     "waiting" };
	static const char *const signs[] = { "", " + ", " = ", " + ", " + " };
	char text[VALUE_TEXT];
	const json_t *balanced = json_object_get(result, "balanced");
	enum colour colour = json_is_false(balanced) ? COLOUR_BAD : COLOUR_GOOD;

	if (!json_object_get(result, "received"))
		return;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++)
		fprintf(out, "%s%s %s", signs[i], terms[i],
			value_count(text, value_integer(result, terms[i]), style));
	if (json_is_boolean(balanced))
		fprintf(out, ": %s%s%s", style_on(style, colour),
			json_is_true(balanced) ? "balanced" : "NOT balanced",
			style_off(style, colour));
	fputc('\n', out);
}

void view_drops(const json_t *result, const struct style *style, FILE *out)
{
	static const struct column columns[] = {
		{ "REASON", 0 },
		{ "COUNT", COLUMN_RIGHT },
		{ "MEANING", COLUMN_OPTIONAL },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_t *drop;
	size_t i, rows = 0;

	json_array_foreach (json_object_get(result, "drops"), i, drop) {
		json_int_t count = value_integer(drop, "count");

		if (!count && !style->all)
			continue;
		value_cell(table, COLOUR_NONE, drop, "reason");
		value_count_cell(table, style, count ? COLOUR_WARN : COLOUR_NONE, drop, "count");
		value_cell(table, COLOUR_DIM, drop, "doc");
		rows++;
	}
	table_print(table, style, true, out);
	table_free(table);
	fputs(rows ? "\n" : "nothing was dropped\n", out);
	balance(result, style, out);
}
