/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, numbers of flows, the log, and what senders are told. Time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants those above */
#include <cmocka.h>

#include "nf/firewall/limit.h"
#include "src/bytes.h"
#include "src/clock.h"
#include "src/flow_label.h"
#include "support_firewall.h"
#include "support_packet.h"

static struct asked ask_from(const char *from)
{
	return (struct asked){
		.probe = { .from = from, .to = strchr(from, ':') ? "2001:db8::7" : "198.51.100.7" },
		.iface = LAN
	};
}

static unsigned let_in(struct wall *wall, const struct asked *ask, unsigned tries)
{
	unsigned n = 0;

	for (unsigned i = 0; i < tries; i++)
		n += wall_ask(wall, ask) == NULL;
	return n;
}

static void a_rate_lets_its_burst_in_and_then_so_many_a_second(void **state)
{
	const struct asked ask = ask_from("10.0.0.5");

	for (unsigned stateful = 0; stateful < 2; stateful++) {
		struct wall *wall =
			wall_new("stateful = %s; rules = ( { rate = 10; rate_burst = 4; "
				 "action = \"accept\"; } );",
				 stateful ? "true" : "false");

		wall->s->dp.now_ns = 5 * SECOND_NS;
		assert_int_equal(let_in(wall, &ask, 20), 4);
		assert_string_equal(wall_ask(wall, &ask), "rate");
		wall->s->dp.now_ns += SECOND_NS / 20;
		assert_int_equal(let_in(wall, &ask, 20), 0);
		wall->s->dp.now_ns += SECOND_NS / 20;
		assert_int_equal(let_in(wall, &ask, 20), 1);
		wall->s->dp.now_ns += SECOND_NS / 5;
		assert_int_equal(let_in(wall, &ask, 20), 2);
		wall->s->dp.now_ns += 100 * SECOND_NS;
		assert_int_equal(let_in(wall, &ask, 20), 4);
		wall_free(wall);
	}
	(void)state;
}

static void what_is_over_a_rate_goes_on_to_the_next_rule(void **state)
{
	const struct asked ask = ask_from("10.0.0.5");
	struct wall *wall =
		wall_new("rules = ( { rate = 3; rate_per = \"minute\"; rate_burst = 2; "
			 "action = \"count\"; }, { rate = 1; rate_over = true; rate_burst = "
			 "3; action = \"drop\"; }, { action = \"accept\"; } );");

	wall->s->dp.now_ns = 5 * SECOND_NS;
	assert_int_equal(let_in(wall, &ask, 3), 3);
	assert_string_equal(wall_ask(wall, &ask), "rule");
	wall->s->dp.now_ns += SECOND_NS;
	assert_int_equal(let_in(wall, &ask, 5), 1);
	wall_free(wall);
	(void)state;
}

static void a_rate_by_source_is_each_sources_own(void **state)
{
	const struct asked a = ask_from("10.0.0.5"), b = ask_from("10.0.0.6");
	const struct asked c = ask_from("2001:db8:1::5"), d = ask_from("2001:db8:1::6");
	struct wall *wall = wall_new("rules = ( { rate = 10; rate_by = \"source\"; rate_burst = 2; "
				     "action = \"accept\"; } );");

	wall->s->dp.now_ns = 5 * SECOND_NS;
	assert_int_equal(let_in(wall, &a, 10), 2);
	assert_int_equal(let_in(wall, &b, 10), 2);
	assert_int_equal(let_in(wall, &c, 1), 1);
	assert_int_equal(let_in(wall, &d, 10), 1); /* of the same /64 */
	wall->s->dp.now_ns += SECOND_NS / 10;
	assert_int_equal(let_in(wall, &a, 10), 1);
	for (unsigned i = 0; i < 64; i++) /* empties what says nothing any more, and no more */
		wall->nf.ops->tick(&wall->nf, wall->s->dp.now_ns);
	assert_int_equal(let_in(wall, &a, 10), 0);
	wall->s->dp.now_ns += SECOND_NS;
	for (unsigned i = 0; i < 64; i++)
		wall->nf.ops->tick(&wall->nf, wall->s->dp.now_ns);
	assert_int_equal(let_in(wall, &a, 10), 2);
	wall_free(wall);
	(void)state;
}

static void a_source_may_have_so_many_flows_at_a_time(void **state)
{
	const struct asked a = ask_from("10.0.0.5"), b = ask_from("10.0.0.6");
	static const char config[] =
		"rules = ( { name = \"few\"; max_flows_per_source = 3; action = "
		"\"accept\"; } );";
	struct wall *wall = wall_new("%s", config);

	assert_int_equal(let_in(wall, &a, 10), 3);
	assert_string_equal(wall_ask(wall, &a), "max_flows_per_source");
	assert_int_equal(let_in(wall, &b, 1), 1);
	assert_null(wall_ask(wall, &b));
	wall_close(wall);
	assert_int_equal(let_in(wall, &b, 10), 2);
	wall_reload(wall, "%s log = true;", config); /* flows that there are still count */
	assert_string_equal(wall_ask(wall, &a), "max_flows_per_source");
	wall_free(wall);
	(void)state;
}

/* Whatever the rules are while they end. */
static void flows_are_given_back_though_the_limit_has_gone_meanwhile(void **state)
{
	static const char limited[] = "rules = ( { name = \"r\"; log = true; max_flows = 2; "
				      "max_flows_per_source = 2; action = \"accept\"; } );";
	const struct asked ask = ask_from("10.0.0.5");
	struct wall *wall = wall_new("%s", limited);

	assert_int_equal(let_in(wall, &ask, 3), 2);
	wall_reload(wall, "rules = ( { name = \"r\"; log = true; action = \"accept\"; } );");
	assert_int_equal(let_in(wall, &ask, 5), 5);
	wall_close(wall);
	wall_reload(wall, "%s", limited);
	assert_int_equal(let_in(wall, &ask, 3), 1);
	wall_reload(wall, "rules = ( { name = \"r\"; action = \"accept\"; } );");
	wall_reload(wall, "%s", limited);
	for (unsigned i = 0; i < 20; i++) /* more than ever counted */
		wall_close(wall);
	assert_int_equal(let_in(wall, &ask, 5), 2);
	wall_free(wall);
	(void)state;
}

/* The one that names a flow in the end may be another function. */
static void flows_are_given_back_whatever_they_are_called(void **state)
{
	const struct asked ask = ask_from("2001:db8:1::5");
	struct wall *wall =
		wall_new("rules = ( { name = \"r\"; max_flows = 1; max_flows_per_source = 1; "
			 "action = \"accept\"; } );");

	assert_int_equal(let_in(wall, &ask, 2), 1);
	wall->open.label = 77;
	wall_close(wall);
	assert_int_equal(let_in(wall, &ask, 2), 1);
	wall_free(wall);
	(void)state;
}

/* The engine counts flows by their label: those from before there was a limit. */
static void a_rule_may_have_so_many_flows_at_a_time(void **state)
{
	const struct asked ask = ask_from("10.0.0.5");
	struct wall *wall = wall_new("rules = ( { name = \"three\"; action = \"accept\"; } );");
	uint32_t label;

	assert_null(wall_ask(wall, &ask));
	label = wall->open.label;
	flow_label_opened(flow_label_of(0, label));
	flow_label_opened(flow_label_of(0, label));
	wall_reload(wall, "rules = ( { name = \"three\"; max_flows = 3; action = \"accept\"; } );");
	assert_null(wall_ask(wall, &ask));
	flow_label_opened(flow_label_of(0, label));
	assert_string_equal(wall_ask(wall, &ask), "max_flows");
	flow_label_closed(flow_label_of(0, label), 1, 100);
	assert_null(wall_ask(wall, &ask));
	flow_label_closed(flow_label_of(0, label), 1, 100);
	flow_label_closed(flow_label_of(0, label), 1, 100);
	wall_free(wall);
	(void)state;
}

static json_int_t counted(struct wall *wall, const char *what)
{
	json_t *shown = json_object(), *all = json_object();
	json_int_t n;

	wall->nf.ops->show(&wall->nf, all, shown);
	json_decref(all);
	n = json_integer_value(
		json_object_get(json_array_get(json_object_get(shown, "rules"), 0), what));
	json_decref(shown);
	return n;
}

static void asking_again_uses_nothing_up(void **state)
{
	struct asked ask = ask_from("10.0.0.5");
	struct wall *wall =
		wall_new("rules = ( { name = \"one\"; rate = 1; rate_per = \"day\"; "
			 "rate_burst = 1; max_flows_per_source = 1; action = \"accept\"; } );");

	wall->s->dp.now_ns = 5 * SECOND_NS;
	assert_null(wall_ask(wall, &ask));
	ask.again = true;
	assert_int_equal(let_in(wall, &ask, 5), 5);
	assert_int_equal(counted(wall, "packets"), 0);
	wall_close(wall);
	ask.again = false;
	wall->s->dp.now_ns += 86400 * SECOND_NS;
	assert_null(wall_ask(wall, &ask));
	wall_free(wall);
	(void)state;
}

static void flows_that_changed_rules_deny_end_unless_they_may_stay(void **state)
{
	struct asked ask = ask_from("10.0.0.5");
	struct wall *wall = wall_new("rules = ( { action = \"accept\"; } );");

	assert_null(wall_ask(wall, &ask));
	ask.again = true;
	wall_reload(wall,
		    "rules = ( { state = [ \"established\", \"new\" ]; action = \"accept\"; } );");
	assert_null(wall_ask(wall, &ask));
	wall_reload(wall, "rules = ( { proto = \"tcp\"; action = \"accept\"; } );");
	assert_string_equal(wall_ask(wall, &ask), "default");
	wall_reload(wall, "on_change = \"keep\"; rules = ( { action = \"drop\"; } );");
	assert_null(wall_ask(wall, &ask));
	wall_free(wall);
	(void)state;
}

/* Replies have a code point of their own, and only a connection's first packet was a bare SYN. */
static void flows_that_came_by_flags_or_code_point_stay_until_the_rule_asks_for_others(void **state)
{
	static const char rules[] = "rules = ( { name = \"voice\"; proto = \"tcp\"; dscp = \"%s\"; "
				    "tcp_flags = \"%s\"; action = \"accept\"; } );";
	struct asked ask = ask_from("10.0.0.5"), later = ask;
	char before[160], text[160];
	struct wall *wall;

	snprintf(before, sizeof(before), rules, "ef", "syn,ece,!ack");
	ask.probe.protocol = later.probe.protocol = IPPROTO_TCP;
	ask.tos = 46 << 2;
	ask.tcp_flags = 0x42;
	later.again = true;
	wall = wall_new("%s", before);
	assert_string_equal(wall_ask(wall, &later), "default");
	assert_null(wall_ask(wall, &ask));
	assert_null(wall_ask(wall, &later));
	wall_reload(wall, "%s", before);
	assert_null(wall_ask(wall, &later));
	snprintf(text, sizeof(text), rules, "cs1", "syn,ece,!ack");
	wall_reload(wall, "%s", text);
	assert_string_equal(wall_ask(wall, &later), "default");
	snprintf(text, sizeof(text), rules, "cs1", "syn,!ack");
	wall_reload(wall, "%s", text);
	later.tos = 8 << 2;
	assert_null(wall_ask(wall, &later));
	wall_reload(wall, "%s", before);
	assert_string_equal(wall_ask(wall, &later), "default");
	wall_free(wall);
	(void)state;
}

/* A flow that another rule lets in now counts for that one's sources. */
static void a_flow_counts_for_the_rule_that_lets_it_in_now(void **state)
{
	struct asked ask = ask_from("10.0.0.5");
	static const char rules[] = "rules = ( { name = \"%s\"; max_flows_per_source = 1; action = "
				    "\"accept\"; } );";
	char first[128], second[128];
	struct wall *wall;

	snprintf(first, sizeof(first), rules, "first");
	snprintf(second, sizeof(second), rules, "second");
	wall = wall_new("%s", first);
	assert_null(wall_ask(wall, &ask));
	wall_reload(wall, "%s", second);
	ask.again = true;
	assert_null(wall_ask(wall, &ask));
	ask.again = false;
	assert_string_equal(wall_ask(wall, &ask), "max_flows_per_source");
	wall_reload(wall, "%s", first); /* nobody counts for that one any more */
	assert_null(wall_ask(wall, &ask));
	wall_free(wall);
	(void)state;
}

static void lines_are_logged_within_their_limit_and_the_others_counted(void **state)
{
	struct asked ask = ask_from("10.0.0.5");
	struct wall *wall =
		wall_new("rules = ( { name = \"ssh\"; log = true; log_limit = 3; action = "
			 "\"drop\"; } );");
	json_t *shown = json_object(), *all = json_object(), *rule;

	wall->s->dp.now_ns = 5 * SECOND_NS;
	ask.probe.protocol = IPPROTO_TCP;
	assert_int_equal(let_in(wall, &ask, 10), 0);
	assert_int_equal(wall->s->n_events, 3);
	wall->nf.ops->show(&wall->nf, all, shown);
	json_decref(all);
	rule = json_array_get(json_object_get(shown, "rules"), 0);
	assert_int_equal(json_integer_value(json_object_get(rule, "logged")), 3);
	assert_int_equal(json_integer_value(json_object_get(rule, "log_left_out")), 7);
	assert_int_equal(json_integer_value(json_object_get(rule, "packets")), 10);
	assert_int_equal(json_integer_value(json_object_get(rule, "bytes")), 1000);
	json_decref(shown);
	wall_free(wall);
	(void)state;
}

/* What the worker wrote down is what the control thread prints. */
static void a_line_names_rule_interfaces_addresses_and_flags(void **state)
{
	const struct {
		struct asked ask;
		const char *line;
	} cases[] = {
		{ { .probe = { .from = "10.0.0.5",
			       .to = "198.51.100.7",
			       .protocol = IPPROTO_TCP,
			       .sport = 1234,
			       .dport = 80 },
		    .iface = LAN,
		    .tcp_flags = 0x12 },
		  "firewall:edge/it: drop in=lan out=wan tcp 10.0.0.5:1234 > 198.51.100.7:80 "
		  "flags=syn,ack len=100" },
		{ { .probe = { .from = "2001:db8:1::5",
			       .to = "2001:db8::7",
			       .protocol = IPPROTO_ICMPV6,
			       .icmp_type = 128 },
		    .iface = LAN },
		  "firewall:edge/it: drop in=lan out=wan icmpv6 2001:db8:1::5 > 2001:db8::7 "
		  "type=128/0 len=100" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wall *wall =
			wall_new("rules = ( { name = \"it\"; out = \"wan\"; log = true; "
				 "action = \"drop\"; } );");
		char line[512] = "", path[] = "/tmp/visor-test-XXXXXX";
		int fd = mkstemp(path), old = dup(2);

		wall->s->dp.now_ns = 5 * SECOND_NS;
		assert_string_equal(wall_ask(wall, &cases[i].ask), "rule");
		assert_int_equal(wall->s->n_events, 1);
		fflush(stderr);
		dup2(fd, 2);
		wall->s->events[0].print(&wall->s->events[0]);
		fflush(stderr);
		dup2(old, 2);
		assert_true(pread(fd, line, sizeof(line) - 1, 0) > 0);
		close(fd);
		close(old);
		unlink(path);
		if (!strstr(line, cases[i].line))
			fail_msg("%s", line);
		wall_free(wall);
	}
	(void)state;
}

static const struct sent *reject(struct wall *wall, const char *with, const struct asked *ask)
{
	wall_reload(wall, "rules = ( { reject_with = \"%s\"; action = \"reject\"; } );", with);
	wall->s->n_sent = 0;
	assert_string_equal(wall_ask(wall, ask), "rejected");
	return wall->s->n_sent ? &wall->s->sent[0] : NULL;
}

static void a_rejected_sender_is_told_by_icmp(void **state)
{
	static const struct {
		const char *with;
		uint8_t type4, code4, type6, code6;
	} cases[] = {
		{ "auto", 3, 3, 1, 4 },
		{ "port-unreachable", 3, 3, 1, 4 },
		{ "admin-prohibited", 3, 13, 1, 1 },
		{ "host-unreachable", 3, 1, 1, 3 },
		{ "net-unreachable", 3, 0, 1, 0 },
		{ "no-route", 3, 0, 1, 0 },
	};
	struct asked v4 = ask_from("10.0.0.5"), v6 = ask_from("2001:db8:1::5");
	struct wall *wall = wall_new("%s", "");

	wall->s->dp.icmp_rate = 1000;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sent *sent;

		wall->s->dp.now_ns += SECOND_NS;
		sent = reject(wall, cases[i].with, &v4);
		assert_non_null(sent);
		assert_int_equal(sent->data[14 + 20], cases[i].type4);
		assert_int_equal(sent->data[14 + 21], cases[i].code4);
		sent = reject(wall, cases[i].with, &v6);
		assert_non_null(sent);
		assert_int_equal(sent->data[14 + 40], cases[i].type6);
		assert_int_equal(sent->data[14 + 41], cases[i].code6);
	}
	wall_free(wall);
	(void)state;
}

static void a_rejected_tcp_sender_gets_a_reset_that_it_believes(void **state)
{
	struct asked syn = ask_from("10.0.0.5"), ack = syn, reset = syn;
	struct wall *wall = wall_new("%s", "");
	const struct sent *sent;
	const uint8_t *tcp;

	wall->s->dp.icmp_rate = 1000;
	wall->s->dp.now_ns = SECOND_NS;
	syn.probe.protocol = ack.probe.protocol = reset.probe.protocol = IPPROTO_TCP;
	ack.tcp_flags = 0x10;
	reset.tcp_flags = 0x04;
	sent = reject(wall, "auto", &syn);
	assert_non_null(sent);
	tcp = sent->data + 34;
	assert_int_equal(tcp[13], 0x14);
	assert_int_equal(bytes_get32(tcp + 4), 0);
	assert_int_equal(bytes_get32(tcp + 8), bytes_get32(packet_l4(wall->last) + 4) + 60 + 1);
	assert_true(support_checksums_good(sent->data + 14, 40));
	sent = reject(wall, "tcp-reset", &ack);
	assert_non_null(sent);
	tcp = sent->data + 34;
	assert_int_equal(tcp[13], 0x04);
	assert_int_equal(bytes_get32(tcp + 4), bytes_get32(packet_l4(wall->last) + 8));
	for (unsigned i = 0; i < 200; i++) /* and they use nothing up */
		assert_null(reject(wall, "auto", &reset));
	assert_non_null(reject(wall, "auto", &syn));
	wall->s->dp.icmp_rate = 0;
	assert_null(reject(wall, "auto", &syn));
	sent = reject(wall, "admin-prohibited", &syn);
	assert_null(sent);
	wall_free(wall);
	(void)state;
}

static void a_full_table_of_sources_refuses_by_name_and_counts_right(void **state)
{
	struct firewall_sources *sources = firewall_sources_new(16);
	uint64_t used, size, refused;

	for (uint64_t source = 1; source <= 16; source++)
		assert_int_equal(firewall_source_flow_take(sources, 7, source, 2), FIREWALL_TAKEN);
	assert_int_equal(firewall_source_flow_take(sources, 7, 99, 2), FIREWALL_TABLE_FULL);
	assert_int_equal(firewall_source_flow_take(sources, 7, 3, 2), FIREWALL_TAKEN);
	assert_int_equal(firewall_source_flow_take(sources, 7, 3, 2), FIREWALL_TOO_MANY);
	firewall_source_flow_give_back(sources, 7, 3);
	firewall_source_flow_give_back(sources, 7, 3);
	firewall_source_flow_give_back(sources, 7, 3); /* one too many: nobody else's */
	assert_int_equal(firewall_source_flow_take(sources, 7, 99, 2), FIREWALL_TAKEN);
	firewall_sources_use(sources, &used, &size, &refused);
	assert_int_equal(used, 16);
	assert_int_equal(refused, 1);
	firewall_sources_put(sources);
	(void)state;
}

static void one_rule_can_be_shown_or_some(void **state)
{
	struct wall *wall =
		wall_new("rules = ( { name = \"a\"; action = \"count\"; }, { name = \"b\"; "
			 "action = \"count\"; } );");
	static const struct {
		const char *args;
		size_t shown;
		const char *first;
	} cases[] = { { "{}", 3, "a" },
		      { "{\"rule\": \"b\"}", 1, "b" },
		      { "{\"rule\": \"default\"}", 1, "default" },
		      { "{\"limit\": 2}", 2, "a" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *args = json_loads(cases[i].args, 0, NULL), *out = json_object(), *rules;

		wall->nf.ops->show(&wall->nf, args, out);
		rules = json_object_get(out, "rules");
		assert_int_equal(json_array_size(rules), cases[i].shown);
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(rules, 0), "name")),
			cases[i].first);
		assert_int_equal(json_integer_value(json_object_get(out, "rules_total")), 3);
		json_decref(args);
		json_decref(out);
	}
	wall_free(wall);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_lets_its_burst_in_and_then_so_many_a_second),
		cmocka_unit_test(what_is_over_a_rate_goes_on_to_the_next_rule),
		cmocka_unit_test(a_rate_by_source_is_each_sources_own),
		cmocka_unit_test(a_source_may_have_so_many_flows_at_a_time),
		cmocka_unit_test(flows_are_given_back_though_the_limit_has_gone_meanwhile),
		cmocka_unit_test(flows_are_given_back_whatever_they_are_called),
		cmocka_unit_test(a_rule_may_have_so_many_flows_at_a_time),
		cmocka_unit_test(asking_again_uses_nothing_up),
		cmocka_unit_test(flows_that_changed_rules_deny_end_unless_they_may_stay),
		cmocka_unit_test(
			flows_that_came_by_flags_or_code_point_stay_until_the_rule_asks_for_others),
		cmocka_unit_test(a_flow_counts_for_the_rule_that_lets_it_in_now),
		cmocka_unit_test(lines_are_logged_within_their_limit_and_the_others_counted),
		cmocka_unit_test(a_line_names_rule_interfaces_addresses_and_flags),
		cmocka_unit_test(one_rule_can_be_shown_or_some),
		cmocka_unit_test(a_rejected_sender_is_told_by_icmp),
		cmocka_unit_test(a_rejected_tcp_sender_gets_a_reset_that_it_believes),
		cmocka_unit_test(a_full_table_of_sources_refuses_by_name_and_counts_right),
	};

	return cmocka_run_group_tests_name("firewall limits", tests, wall_start, wall_stop);
}
