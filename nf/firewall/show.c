/* SPDX-License-Identifier: Apache-2.0 */
/* `visorctl show firewall`: rules and what they did, sets, limits. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "firewall.h"
#include "flow_label.h"

#define RULES_SHOWN 10000 /* where no limit is given */
#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* --- what a rule meets, in its own words --- */

struct text {
	char at[512];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format,
							   ...)
{
	va_list args;
	int n;

	if (text->n >= sizeof(text->at) - 1)
		return;
	va_start(args, format);
	n = vsnprintf(text->at + text->n, sizeof(text->at) - text->n, format, args);
	va_end(args);
	text->n += n > 0 ? (size_t)n : 0;
}

static void list_text(struct text *text, const char *key, const struct conf_strings *list)
{
	if (!list->n)
		return;
	text_add(text, "%s%s ", text->n ? " " : "", key);
	for (unsigned i = 0; i < list->n && i < 6; i++)
		text_add(text, "%s%s", i ? "," : "", list->value[i]);
	if (list->n > 6)
		text_add(text, ",… (%u)", list->n);
}

static void rule_text(struct text *text, const struct firewall_rule_keys *keys)
{
	static const char *const per[] = { "second", "minute", "hour", "day" };

	list_text(text, "in", &keys->in);
	list_text(text, "out", &keys->out);
	if (keys->family)
		text_add(text, "%s%s", text->n ? " " : "",
			 keys->family == FIREWALL_IP4 ? "ipv4" : "ipv6");
	list_text(text, "from", &keys->from);
	list_text(text, "to", &keys->to);
	list_text(text, "proto", &keys->proto);
	list_text(text, "sport", &keys->sport);
	list_text(text, "dport", &keys->dport);
	if (keys->tcp_flags)
		text_add(text, "%stcp_flags %s", text->n ? " " : "", keys->tcp_flags);
	list_text(text, "icmp_type", &keys->icmp_type);
	list_text(text, "dscp", &keys->dscp);
	list_text(text, "state", &keys->state);
	if (keys->rate)
		text_add(text, "%s%s %lld a %s%s", text->n ? " " : "",
			 keys->rate_over ? "over" : "up to", (long long)keys->rate,
			 per[keys->rate_per], keys->rate_by ? " and source" : "");
	if (!text->n)
		text_add(text, "any");
}

static void meets_show(const struct firewall *fw, unsigned index, json_t *out)
{
	const struct firewall_keys *keys = fw->keys;
	struct text text = { .n = 0 };

	if (index < keys->rules.n) {
		rule_text(&text, firewall_rule_at(keys, index));
	} else if (index + 1 < fw->n_rules) {
		const struct firewall_policy_keys *policy =
			firewall_policy_at(keys, index - keys->rules.n);

		list_text(&text, "in", &policy->in);
		list_text(&text, "out", &policy->out);
	}
	json_object_set_new(out, "meets", json_string(text.n ? text.at : "any"));
}

/* --- what it did --- */

static void limits_show(const struct firewall_rule *rule, json_t *out)
{
	const struct firewall_limits *limit = rule->limit;

	if (!limit)
		return;
	if (limit->log_cost_ns) {
		json_object_set_new(out, "logged", number(READ(limit->live->logged)));
		json_object_set_new(out, "log_left_out", number(firewall_left_out(limit->live)));
	}
	if (limit->max_flows)
		json_object_set_new(out, "max_flows", number(limit->max_flows));
	if (limit->max_flows_per_source)
		json_object_set_new(out, "max_flows_per_source",
				    number(limit->max_flows_per_source));
	if (limit->max_flows || limit->max_flows_per_source)
		json_object_set_new(out, "flows_refused", number(READ(limit->live->flows_refused)));
}

static json_t *rule_show(const struct firewall *fw, unsigned index, uint64_t now_ns)
{
	const struct firewall_rule *rule = &fw->rules[index];
	struct flow_label_counters c;
	json_t *out = json_object();

	flow_label_read(rule->label, &c);
	json_object_set_new(out, "name", json_string(rule->name));
	json_object_set_new(out, "action", json_string(firewall_action_names[rule->action]));
	meets_show(fw, index, out);
	json_object_set_new(out, "packets", number(c.packets));
	json_object_set_new(out, "bytes", number(c.bytes));
	json_object_set_new(out, "flows", number(flow_label_alive(rule->label)));
	json_object_set_new(out, "flows_opened", number(c.opened));
	json_object_set_new(out, "last_s",
			    c.last_ns ?
				    json_integer((json_int_t)((now_ns - c.last_ns) / SECOND_NS)) :
				    json_null());
	limits_show(rule, out);
	return out;
}

static void sources_show(const struct firewall_sources *sources, const char *name, json_t *out)
{
	uint64_t used, size, refused;

	if (!sources)
		return;
	firewall_sources_use(sources, &used, &size, &refused);
	json_object_set_new(out, name,
			    json_pack("{s:I,s:I,s:I}", "used", (json_int_t)used, "size",
				      (json_int_t)size, "refused", (json_int_t)refused));
}

static json_t *tables_show(const struct firewall *fw)
{
	size_t bytes = 0;

	for (unsigned f = 0; f < 2; f++)
		bytes +=
			classifier_bytes(fw->usual.family[f]) + classifier_bytes(fw->odd.family[f]);
	return json_pack("{s:I,s:I}", "entries", (json_int_t)fw->entries, "bytes",
			 (json_int_t)bytes);
}

/* Rules of that name, or `limit` of them all. */
static void rules_show(const struct firewall *fw, const json_t *args, json_t *out)
{
	const char *name = json_string_value(json_object_get(args, "rule"));
	const json_t *limit = json_object_get(args, "limit");
	const json_int_t most = json_is_integer(limit) ? json_integer_value(limit) : RULES_SHOWN;
	const uint64_t now_ns = clock_now_ns();
	json_t *rules = json_array();

	for (unsigned i = 0; i < fw->n_rules && (json_int_t)json_array_size(rules) < most; i++)
		if (!name || !strcmp(fw->rules[i].name, name))
			json_array_append_new(rules, rule_show(fw, i, now_ns));
	json_object_set_new(out, "rules", rules);
	json_object_set_new(out, "rules_total", number(fw->n_rules));
}

void firewall_show(const struct nf *nf, const json_t *args, json_t *out)
{
	const struct firewall *fw = nf->state;
	json_t *sets = json_array();

	json_object_set_new(out, "stateful", json_boolean(fw->keys->stateful));
	json_object_set_new(out, "default", json_string(firewall_action_names[fw->keys->dflt]));
	json_object_set_new(out, "on_change",
			    json_string(fw->keys->on_change ? "keep" : "recheck"));
	if (!args) {
		json_object_set_new(out, "rules", number(fw->keys->rules.n));
		json_object_set_new(out, "sets", number(fw->keys->sets.n));
		json_decref(sets);
		return;
	}
	rules_show(fw, args, out);
	for (unsigned i = 0; i < fw->keys->sets.n; i++)
		json_array_append_new(sets, firewall_set_show(fw->sets[i]));
	json_object_set_new(out, "sets", sets);
	json_object_set_new(out, "classifier", tables_show(fw));
	sources_show(fw->flows_by_source, "flows_by_source", out);
	sources_show(fw->rate_by_source, "rate_by_source", out);
}
