/* SPDX-License-Identifier: Apache-2.0 */
/* The flow engine in numbers: how full, what became of packets and flows. Control thread. */
#include "flow_label.h"
#include "flow_scan.h"
#include "reassembly.h"

#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* --- room --- */

static json_t *room(uint32_t used, uint32_t size)
{
	return json_pack("{s:I,s:I,s:f}", "used", (json_int_t)used, "size", (json_int_t)size,
			 "percent", (double)(used * 1000ull / size) / 10);
}

static void add_room(const struct flow_table *table, json_t *out)
{
	struct flow_table_use use;

	flow_table_use(table, &use);
	json_object_set_new(out, "ipv4", room(use.narrow, table->narrow));
	json_object_set_new(out, "ipv6", room(use.wide, table->wide));
	json_object_set_new(out, "memory_bytes", number(use.bytes));
	json_object_set_new(out, "pages", json_string(table->pages));
}

/* --- counters --- */

struct field {
	const char *name;
	size_t offset;
};

static uint64_t sum(const struct flows *flows, size_t offset)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < flows->workers; i++)
		total += __atomic_load_n(
			(const uint64_t *)((const char *)&flows->worker[i]->stats + offset),
			__ATOMIC_RELAXED);
	return total;
}

static json_t *counters(const struct flows *flows)
{
#define FIELD(name)                                      \
	{                                                \
#name, offsetof(struct flow_stats, name) \
	}
	static const struct field fields[] = {
		FIELD(hits),	FIELD(misses),	FIELD(opened),	FIELD(refused),
		FIELD(expired), FIELD(denied),	FIELD(evicted), FIELD(reopened),
		FIELD(raced),	FIELD(related), FIELD(invalid),
	};
#undef FIELD
	uint64_t looked_up, missed;
	json_t *out = json_object();

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_object_set_new(out, fields[i].name, number(sum(flows, fields[i].offset)));
	/* workers count every packet that is looked up, and those that were not found */
	looked_up = sum(flows, offsetof(struct flow_stats, hits));
	missed = sum(flows, offsetof(struct flow_stats, misses));
	json_object_set_new(out, "hits", number(looked_up > missed ? looked_up - missed : 0));
	json_object_set_new(out, "flushed", number(flows->flushed));
	return out;
}

static json_t *fragments(const struct flows *flows)
{
	struct reassembly_stats total = { 0 };

	for (unsigned i = 0; i < flows->workers; i++) {
		const struct reassembly_stats *s = reassembly_stats(flows->worker[i]->reassembly);

		total.datagrams += READ(s->datagrams);
		total.completed += READ(s->completed);
		total.expired += READ(s->expired);
		total.evicted += READ(s->evicted);
	}
	return json_pack("{s:I,s:I,s:I,s:I}", "datagrams", (json_int_t)total.datagrams, "completed",
			 (json_int_t)total.completed, "expired", (json_int_t)total.expired,
			 "evicted", (json_int_t)total.evicted);
}

/* --- states, labels: a look at all flows --- */

static bool count_state(void *arg, uint32_t handle, uint8_t state)
{
	((uint64_t *)arg)[state]++;
	return true;
}

json_t *flow_states_json(const uint64_t states[FLOW_STATES])
{
	json_t *out = json_object();

	/* states of one name are one to the reader */
	for (unsigned s = FLOW_DEAD + 1; s < FLOW_STATES; s++) {
		const char *name = flow_state_name(s);
		const json_int_t before = json_integer_value(json_object_get(out, name));

		if (states[s])
			json_object_set_new(out, name, number((uint64_t)before + states[s]));
	}
	return out;
}

json_t *flows_summary(const struct flows *flows, bool states)
{
	json_t *out = json_object();

	add_room(flows->table, out);
	json_object_set_new(out, "counters", counters(flows));
	json_object_set_new(out, "fragments", fragments(flows));
	if (states) {
		uint64_t by_state[FLOW_STATES] = { 0 };

		flow_scan(flows, 0, count_state, by_state);
		json_object_set_new(out, "states", flow_states_json(by_state));
	}
	return out;
}

static bool count_living(void *arg, uint32_t handle, uint8_t state)
{
	const struct flow_table *table = ((const struct flows *)arg)->table;
	const uint32_t label = flow_cold(table, handle)->label;
	const struct flow_counters *c;

	if (!label)
		return true;
	c = flow_counters(table, handle);
	flow_label_living_add(label, READ(c->packets[0]) + READ(c->packets[1]),
			      READ(c->bytes[0]) + READ(c->bytes[1]));
	return true;
}

void flows_count_living(const struct flows *flows)
{
	flow_label_living_reset();
	flow_scan(flows, 0, count_living, (void *)flows);
}
