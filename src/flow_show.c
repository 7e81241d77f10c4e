/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `visorctl show flows` and `flush flows`. See flow_filter.h for what a filter is.
 *
 * One pass over the table counts what matches, by state, and keeps the rows to show: without an order
 * the first ones, with one the greatest, in a heap of as many as are to be shown. Ten million flows
 * cost a fraction of a second, and an answer is never longer than its limit.
 *
 * Flushing makes a flow FLOW_DEAD and nothing else: from then on no packet finds it. Its owner takes
 * it out of the index, tells the functions and frees it when the wheel comes by, within
 * FLOW_VISIT_TICKS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "flow_filter.h"
#include "flow_label.h"
#include "flow_route.h"
#include "flow_scan.h"
#include "flow_seen.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 20000 /* what an answer holds */
#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

enum order { ORDER_NONE, ORDER_BYTES, ORDER_PACKETS, ORDER_AGE, ORDER_IDLE, ORDERS };

static const char *const order_names[ORDERS] = { "none", "bytes", "packets", "age", "idle" };

struct candidate {
	uint64_t value;
	uint32_t handle;
};

struct query {
	const struct flows *flows;
	const struct fib *fib;
	struct flow_filter filter;
	enum order order;
	uint32_t limit, first, now;
	bool counts; /* totals as well: not for the pages that follow the first */
	/* what was found */
	uint64_t total, states[FLOW_STATES];
	struct candidate *heap; /* the least first; without an order, as they came */
	uint32_t n;
	uint32_t last; /* without an order: the last one in `heap` */
};

/* --- the question --- */

static json_t *refuse(char **error, const char *what, const char *value, const char *expected)
{
	if (asprintf(error, "%s: \"%s\": %s was expected", what, value, expected) < 0)
		*error = NULL;
	return NULL;
}

static bool check_members(const json_t *args, const char *const *own, char **error)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)args, name, value) {
		bool known = flow_filter_knows(name);

		for (unsigned i = 0; own[i]; i++)
			known = known || !strcmp(name, own[i]);
		if (!known) {
			refuse(error, "flows", name,
			       "no such filter; src, dst, host, sport, dport, port, proto, state, rule, in or family");
			return false;
		}
	}
	return true;
}

static bool read_order(struct query *query, const json_t *args, char **error)
{
	const json_t *value = json_object_get(args, "sort");
	const char *text = json_string_value(value);

	for (unsigned i = 0; value && i < ORDERS; i++)
		if (text && !strcmp(text, order_names[i])) {
			query->order = i;
			return true;
		}
	if (value)
		refuse(error, "sort", text ? text : "", "bytes, packets, age or idle");
	return !value;
}

static bool read_number(const json_t *args, const char *name, uint32_t max, uint32_t *number,
			char **error)
{
	const json_t *value = json_object_get(args, name);
	char expected[48];

	if (!value)
		return true;
	*number = (uint32_t)json_integer_value(value);
	if (json_is_integer(value) && json_integer_value(value) >= 1 &&
	    json_integer_value(value) <= max)
		return true;
	snprintf(expected, sizeof(expected), "1 to %u", max);
	refuse(error, name, "", expected);
	return false;
}

static bool query_read(struct query *query, const json_t *args, char **error)
{
	static const char *const own[] = { "sort", "limit", "next", NULL };

	if (!check_members(args, own, error) || !read_order(query, args, error) ||
	    !read_number(args, "limit", LIMIT_MAX, &query->limit, error) ||
	    !read_number(args, "next", FLOW_WIDE | FLOW_INDEX, &query->first, error))
		return false;
	query->counts = !query->first;
	if (query->first && query->order) {
		refuse(error, "next", "sort", "an order has no pages: the one or the other");
		return false;
	}
	return !flow_filter_read(&query->filter, args, query->fib, error);
}

/* --- the search --- */

static uint64_t sum(const uint64_t pair[2])
{
	return READ(pair[0]) + READ(pair[1]);
}

/* In ticks; a worker's clock may be ahead of ours. */
static uint32_t age(const struct query *query, uint32_t handle)
{
	const uint32_t created = READ(flow_cold(query->flows->table, handle)->created);

	return (int32_t)(query->now - created) < 0 ? 0 : query->now - created;
}

static uint32_t idle(const struct query *query, uint32_t handle)
{
	return query->now - flow_last_seen(flow_head(query->flows->table, handle),
					   flow_cold(query->flows->table, handle), query->now);
}

static uint64_t value_of(const struct query *query, uint32_t handle)
{
	const struct flow_table *table = query->flows->table;

	switch (query->order) {
	case ORDER_BYTES: return sum(flow_counters(table, handle)->bytes);
	case ORDER_PACKETS: return sum(flow_counters(table, handle)->packets);
	case ORDER_AGE: return age(query, handle);
	case ORDER_IDLE: return idle(query, handle);
	default: return 0;
	}
}

static void heap_sink(struct candidate *heap, uint32_t n, uint32_t at)
{
	const struct candidate moved = heap[at];

	for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && heap[child + 1].value < heap[child].value)
			child++;
		if (heap[child].value >= moved.value)
			break;
		heap[at] = heap[child];
	}
	heap[at] = moved;
}

static void heap_rise(struct candidate *heap, uint32_t at)
{
	const struct candidate moved = heap[at];

	for (; at && heap[(at - 1) / 2].value > moved.value; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = moved;
}

static void keep(struct query *query, uint32_t handle)
{
	const struct candidate found = { value_of(query, handle), handle };

	if (query->n < query->limit) {
		query->heap[query->n] = found;
		if (query->order)
			heap_rise(query->heap, query->n);
		query->n++;
	} else if (query->order && found.value > query->heap[0].value) {
		query->heap[0] = found;
		heap_sink(query->heap, query->n, 0);
	}
}

static bool look_at(void *arg, uint32_t handle, uint8_t state)
{
	struct query *query = arg;

	if (!flow_filter_matches(&query->filter, query->flows->table, handle))
		return true;
	query->total++;
	query->states[state]++;
	keep(query, handle);
	return query->counts || query->n < query->limit;
}

static int compare(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;

	if (left->value != right->value)
		return left->value < right->value ? 1 : -1;
	return left->handle < right->handle ? -1 : left->handle > right->handle;
}

/* --- a flow as JSON --- */

static json_t *seconds(uint32_t ticks)
{
	return json_integer((json_int_t)(ticks * FLOW_TICK_NS / SECOND_NS));
}

static json_t *key_json(const struct flow_key *key)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	const bool four = key->family == 4;
	const int family = four ? AF_INET : AF_INET6;

	inet_ntop(family, four ? (const void *)&key->v4.source : &key->v6.source, source,
		  sizeof(source));
	inet_ntop(family, four ? (const void *)&key->v4.destination : &key->v6.destination,
		  destination, sizeof(destination));
	return json_pack("{s:s,s:i,s:s,s:i}", "source", source, "sport",
			 ntohs(four ? key->v4.sport : key->v6.sport), "destination", destination,
			 "dport", ntohs(four ? key->v4.dport : key->v6.dport));
}

static json_t *flags_json(uint8_t flags)
{
	static const struct {
		uint8_t flag;
		const char *name;
	} names[] = {
		{ FLOW_ASSURED, "assured" },
		{ FLOW_TRANSLATED, "translated" },
		{ FLOW_LOOSE, "loose" },
		{ FLOW_ONE_WAY, "one-way" },
		{ FLOW_ENCAPSULATED, "encapsulated" },
		{ FLOW_SEQ_OFFSET, "proxied" },
	};
	json_t *out = json_array();

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].flag)
			json_array_append_new(out, json_string(names[i].name));
	return out;
}

static json_t *iface_json(const struct fib *fib, uint16_t slot)
{
	const struct interface *iface = fib_interface(fib, slot);

	return iface ? json_string(iface->name) : json_null();
}

/* Where its original packets leave, as far as the flow still knows. */
static json_t *out_json(const struct query *query, const struct flow_head *head)
{
	const uint64_t word = READ(head->route);
	const uint32_t generation = flow_route_generation(READ(query->fib->generation));
	const uint32_t id = flow_route_get(word, FLOW_ORIGINAL, generation);
	const struct nexthop *hop = id && query->fib->nexthops ? fib_nexthop(query->fib, id) : NULL;

	if (!hop || (hop->kind != NEXTHOP_FORWARD && hop->kind != NEXTHOP_ONLINK))
		return json_null();
	return iface_json(query->fib, hop->iface);
}

static void add_times(const struct query *query, json_t *row, uint32_t handle, uint8_t state)
{
	const uint32_t timeout = READ(query->flows->timeouts.ticks[state]);
	const uint32_t gone = idle(query, handle);

	json_object_set_new(row, "age_s", seconds(age(query, handle)));
	json_object_set_new(row, "idle_s", seconds(gone));
	json_object_set_new(row, "timeout_s", seconds(timeout > gone ? timeout - gone : 0));
}

static void add_counters(const struct query *query, json_t *row, uint32_t handle)
{
	const struct flow_counters *c = flow_counters(query->flows->table, handle);

	json_object_set_new(row, "packets", json_integer((json_int_t)READ(c->packets[0])));
	json_object_set_new(row, "bytes", json_integer((json_int_t)READ(c->bytes[0])));
	json_object_set_new(row, "reply_packets", json_integer((json_int_t)READ(c->packets[1])));
	json_object_set_new(row, "reply_bytes", json_integer((json_int_t)READ(c->bytes[1])));
}

static json_t *protocol_json(uint8_t protocol)
{
	const char *name = flow_protocol_name(protocol);

	return name ? json_string(name) : json_sprintf("%u", protocol);
}

static json_t *flow_json(const struct query *query, uint32_t handle, uint8_t state)
{
	const struct flow_table *table = query->flows->table;
	const struct flow_head *head = flow_head(table, handle);
	const struct flow_cold *cold = flow_cold(table, handle);
	struct flow_key key, out;
	json_t *row = json_object();

	flow_keys_out(table, handle, &key, &out);
	json_object_set_new(row, "family", json_integer(key.family));
	json_object_set_new(row, "protocol", protocol_json(head->protocol));
	json_object_set_new(row, "state", json_string(flow_state_name(state)));
	json_object_set_new(row, "key", key_json(&key));
	json_object_set_new(row, "out", key_json(&out));
	json_object_set_new(row, "in", iface_json(query->fib, cold->iface));
	json_object_set_new(row, "out_interface", out_json(query, head));
	json_object_set_new(row, "rule",
			    cold->label ? json_string(flow_label_name(cold->label)) : json_null());
	add_counters(query, row, handle);
	add_times(query, row, handle, state);
	json_object_set_new(row, "flags", flags_json(READ(head->flags)));
	json_object_set_new(row, "worker", json_integer(head->owner));
	return row;
}

/* --- the answer --- */

static json_t *rows_json(struct query *query)
{
	json_t *rows = json_array();

	if (query->order)
		qsort(query->heap, query->n, sizeof(query->heap[0]), compare);
	flow_scan_begin(query->flows);
	for (uint32_t i = 0; i < query->n; i++) {
		const uint32_t handle = query->heap[i].handle;
		const uint8_t state = flow_scan_state(query->flows, handle);

		/* it may have ended since, and be another one */
		if (state > FLOW_DEAD &&
		    flow_filter_matches(&query->filter, query->flows->table, handle))
			json_array_append_new(rows, flow_json(query, handle, state));
	}
	flow_scan_end(query->flows);
	return rows;
}

/* The place to go on from where there is more, for "next". */
static json_t *next_json(const struct query *query, uint32_t stopped)
{
	if (query->order || query->n < query->limit)
		return json_null();
	if (!query->counts)
		return stopped ? json_integer(stopped) : json_null();
	return query->total > query->n ? json_integer(query->heap[query->n - 1].handle + 1) :
					 json_null();
}

static json_t *answer(struct query *query, uint32_t stopped)
{
	json_t *next = next_json(query, stopped), *rows = rows_json(query);
	json_t *out = json_pack("{s:o,s:i,s:o}", "flows", rows, "shown", (int)json_array_size(rows),
				"next", next);

	if (query->counts) {
		json_object_set_new(out, "total", json_integer((json_int_t)query->total));
		json_object_set_new(out, "states", flow_states_json(query->states));
	}
	return out;
}

json_t *flows_show(struct flows *flows, const struct fib *fib, const json_t *args, char **error)
{
	struct query query = { .flows = flows, .fib = fib, .limit = LIMIT_DEFAULT };
	json_t *out = NULL;

	query.now = flow_ticks(clock_now_ns());
	if (!query_read(&query, args, error))
		return NULL;
	query.heap = calloc(query.limit, sizeof(query.heap[0]));
	if (query.heap)
		out = answer(&query, flow_scan(flows, query.first, look_at, &query));
	free(query.heap);
	flow_filter_free(&query.filter);
	return out;
}

/* --- flush --- */

struct flush {
	const struct flows *flows;
	struct flow_filter filter;
	uint64_t flushed;
};

static bool flush_one(void *arg, uint32_t handle, uint8_t state)
{
	struct flush *flush = arg;
	struct flow_head *head = flow_head(flush->flows->table, handle);

	if (!flow_filter_matches(&flush->filter, flush->flows->table, handle))
		return true;
	for (; state > FLOW_DEAD; state = flow_state(head))
		if (flow_state_change(head, state, FLOW_DEAD)) {
			flush->flushed++;
			break;
		}
	return true;
}

json_t *flows_flush(struct flows *flows, const struct fib *fib, const json_t *args, char **error)
{
	static const char *const own[] = { "all", NULL };
	struct flush flush = { .flows = flows };
	const bool all = json_is_true(json_object_get(args, "all"));

	if (!check_members(args, own, error) || flow_filter_read(&flush.filter, args, fib, error))
		return NULL;
	if (all == flush.filter.narrows) {
		*error = strdup(all ? "flush flows: either \"all\" or a filter, not both" :
				      "flush flows: a filter was expected, or \"all\"");
	} else {
		flow_scan(flows, 0, flush_one, &flush);
		flows->flushed += flush.flushed;
	}
	flow_filter_free(&flush.filter);
	return *error ? NULL : json_pack("{s:I}", "flushed", (json_int_t)flush.flushed);
}
