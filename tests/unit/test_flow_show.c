/* SPDX-License-Identifier: Apache-2.0 */
/* Showing and flushing flows: a hand-made table, and what is seen of it. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/clock.h"
#include "src/flow_label.h"
#include "src/flow_route.h"
#include "src/flow_scan.h"
#include "src/flow_seen.h"

#define SIZE 1024
#define WAN 7
#define LAN 8

static struct fixture {
	struct flows *flows;
	struct fib fib;
	const struct interface *ifaces[IFACE_MAX];
	const struct nexthop *nexthops[16];
	uint32_t now;
} f;

static const struct interface wan = { .name = "wan", .slot = WAN };
static const struct interface lan = { .name = "lan", .slot = LAN };
static const struct nexthop hop = { .kind = NEXTHOP_FORWARD, .iface = WAN };

static int setup(void **state)
{
	struct flows_config config = { .ipv4 = SIZE, .ipv6 = SIZE };
	char why[256] = "";

	config.fragments.datagrams = 256;
	config.fragments.held = 64;
	config.fragments.timeout_ms = 1000;
	for (unsigned s = 0; s < FLOW_STATES; s++)
		config.timeouts.seconds[s] = 100;
	memset(&f, 0, sizeof(f));
	f.fib.ifaces = f.ifaces;
	f.fib.nexthops = f.nexthops;
	f.fib.generation = 5;
	f.ifaces[WAN] = &wan;
	f.ifaces[LAN] = &lan;
	f.nexthops[3] = &hop;
	assert_int_equal(flow_labels_start(2), 0);
	assert_int_equal(flows_new(&f.flows, &config, 2, HUGEPAGES_OFF, why), 0);
	flow_quiescent(f.flows->worker[0]->cache);
	f.now = flow_ticks(clock_now_ns());
	return 0;
}

static int teardown(void **state)
{
	flows_free(f.flows);
	flow_labels_stop();
	return 0;
}

/* --- making flows --- */

struct made {
	const char *src, *dst;
	uint16_t sport, dport;
	const char *out_src, *out_dst; /* NULL: the same */
	uint16_t out_sport, out_dport;
	uint8_t protocol, state, flags;
	uint32_t label;
	uint16_t iface;
	uint32_t age, idle; /* ticks */
	struct flow_counters counters;
};

static void key_make(struct flow_key *key, uint8_t protocol, const char *src, uint16_t sport,
		     const char *dst, uint16_t dport)
{
	*key = (struct flow_key){ .family = strchr(src, ':') ? 6 : 4, .protocol = protocol };
	if (key->family == 4) {
		assert_int_equal(inet_pton(AF_INET, src, &key->v4.source), 1);
		assert_int_equal(inet_pton(AF_INET, dst, &key->v4.destination), 1);
		key->v4.sport = htons(sport);
		key->v4.dport = htons(dport);
	} else {
		assert_int_equal(inet_pton(AF_INET6, src, &key->v6.source), 1);
		assert_int_equal(inet_pton(AF_INET6, dst, &key->v6.destination), 1);
		key->v6.sport = htons(sport);
		key->v6.dport = htons(dport);
	}
}

/* As a worker does, up to (not with) its insertion. */
static uint32_t prepare(const struct made *m, struct flow_key *key, struct flow_key *reply)
{
	const struct flow_table *table = f.flows->table;
	const uint8_t protocol = m->protocol ? m->protocol : IPPROTO_TCP;
	struct flow_cold *cold;
	struct flow_key out;
	uint32_t handle;

	key_make(key, protocol, m->src, m->sport, m->dst, m->dport);
	key_make(&out, protocol, m->out_src ? m->out_src : m->src,
		 m->out_sport ? m->out_sport : m->sport, m->out_dst ? m->out_dst : m->dst,
		 m->out_dport ? m->out_dport : m->dport);
	*reply = flow_key_turned(&out);
	handle = flow_alloc(f.flows->worker[0]->cache, key->family == 6);
	assert_int_not_equal(handle, 0);
	flow_head(table, handle)->flags = FLOW_PENDING | m->flags;
	flow_head(table, handle)->protocol = protocol;
	flow_head(table, handle)->seen = (uint16_t)(f.now - m->idle);
	flow_head(table, handle)->state = m->state ? m->state : FLOW_TCP_ESTABLISHED;
	cold = flow_cold(table, handle);
	cold->created = f.now - m->age;
	cold->seen = f.now - m->idle;
	cold->label = m->label;
	cold->iface = m->iface ? m->iface : LAN;
	*flow_counters(table, handle) = m->counters;
	return handle;
}

static uint32_t make(const struct made *m)
{
	struct flow_key key, reply;
	uint32_t handle = prepare(m, &key, &reply), winner;

	assert_int_equal(flow_insert(f.flows->table, handle, &key, &reply, &winner), 0);
	return handle;
}

/* Established, of TCP, from the LAN, unless it says otherwise. */
#define FLOW(s, sp, d, dp, ...) \
	(&(struct made){ .src = s, .sport = sp, .dst = d, .dport = dp, __VA_ARGS__ })

/* --- asking --- */

static json_t *ask(json_t *(*question)(struct flows *, const struct fib *, const json_t *, char **),
		   const char *args, char **error)
{
	json_t *parsed = json_loads(args, 0, NULL), *result;

	assert_non_null(parsed);
	*error = NULL;
	result = question(f.flows, &f.fib, parsed, error);
	json_decref(parsed);
	assert_true(!result == !!*error);
	return result;
}

static json_t *show(const char *args)
{
	char *error;
	json_t *result = ask(flows_show, args, &error);

	if (!result)
		fail_msg("%s: %s", args, error);
	return result;
}

static json_int_t member(const json_t *object, const char *name)
{
	assert_true(json_is_integer(json_object_get(object, name)));
	return json_integer_value(json_object_get(object, name));
}

/* The source ports of what is shown, in their order: "1 2 3". */
static void expect_ports(const char *args, const char *ports)
{
	json_t *result = show(args), *flow;
	char text[256] = "";
	size_t i;

	json_array_foreach (json_object_get(result, "flows"), i, flow)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i ? " " : "",
			 (int)member(json_object_get(flow, "key"), "sport"));
	if (strcmp(text, ports))
		fail_msg("%s: flows %s instead of %s", args, text, ports);
	if (member(result, "shown") != (json_int_t)i)
		fail_msg("%s: %zu flows, shown says otherwise", args, i);
	json_decref(result);
}

static void expect_refused(json_t *(*question)(struct flows *, const struct fib *, const json_t *,
					       char **),
			   const char *args, const char *part)
{
	char *error;
	json_t *result = ask(question, args, &error);

	if (result || !strstr(error, part))
		fail_msg("%s: expected \"%s\", got %s", args, part, error ? error : "an answer");
	free(error);
}

/* --- tests --- */

static void a_row_tells_everything(void **state)
{
	const uint32_t label = (uint32_t)flow_label_register("firewall:edge", "web");
	uint32_t handle = make(
		FLOW("192.0.2.2", 40000, "198.51.100.2", 80, .out_src = "203.0.113.9",
		     .out_sport = 1024, .flags = FLOW_ASSURED | FLOW_TRANSLATED, .label = label,
		     .age = 400, .idle = 40, .counters = { { 10, 20 }, { 1000, 2000 } }));
	json_t *result, *row, *expected;

	flow_head(f.flows->table, handle)->route =
		flow_route_set(0, FLOW_ORIGINAL, flow_route_generation(5), 3);
	result = show("{}");
	row = json_array_get(json_object_get(result, "flows"), 0);
	/* a tick may have passed since the fixture's now */
	assert_in_range(member(row, "age_s"), 107, 108);
	assert_in_range(member(row, "idle_s"), 10, 11);
	assert_in_range(member(row, "timeout_s"), 88, 90);
	json_object_del(row, "age_s");
	json_object_del(row, "idle_s");
	json_object_del(row, "timeout_s");
	expected = json_loads(
		"{\"family\":4,\"protocol\":\"tcp\",\"state\":\"established\","
		"\"key\":{\"source\":\"192.0.2.2\",\"sport\":40000,"
		"\"destination\":\"198.51.100.2\",\"dport\":80},"
		"\"out\":{\"source\":\"203.0.113.9\",\"sport\":1024,"
		"\"destination\":\"198.51.100.2\",\"dport\":80},"
		"\"in\":\"lan\",\"out_interface\":\"wan\",\"rule\":\"firewall:edge/web\","
		"\"packets\":10,\"bytes\":1000,\"reply_packets\":20,\"reply_bytes\":2000,"
		"\"flags\":[\"assured\",\"translated\"],\"worker\":0}",
		0, NULL);
	if (!json_equal(row, expected)) {
		char *text = json_dumps(row, JSON_INDENT(2));

		fail_msg("%s", text);
	}
	assert_int_equal(member(result, "total"), 1);
	assert_int_equal(member(json_object_get(result, "states"), "established"), 1);
	assert_true(json_is_null(json_object_get(result, "next")));
	json_decref(expected);
	json_decref(result);
}

static void ipv6_and_what_is_not_known_is_null(void **state)
{
	json_t *result, *row;

	make(FLOW("2001:db8:1::2", 0, "2001:db8:2::2", 0, .protocol = 77, .state = FLOW_OTHER_NEW,
		  .iface = 9));
	result = show("{}");
	row = json_array_get(json_object_get(result, "flows"), 0);
	assert_int_equal(member(row, "family"), 6);
	assert_string_equal(json_string_value(json_object_get(row, "protocol")), "77");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(row, "out"), "destination")),
		"2001:db8:2::2");
	assert_true(json_is_null(json_object_get(row, "in")));
	assert_true(json_is_null(json_object_get(row, "out_interface")));
	assert_true(json_is_null(json_object_get(row, "rule")));
	assert_int_equal(json_array_size(json_object_get(row, "flags")), 0);
	json_decref(result);
}

static void make_several(void)
{
	const uint32_t web = (uint32_t)flow_label_register("firewall:edge", "web");
	const uint32_t dmz = (uint32_t)flow_label_register("firewall:dmz", "web");
	const uint32_t ssh = (uint32_t)flow_label_register("firewall:edge", "ssh");

	make(FLOW("192.0.2.2", 1, "198.51.100.2", 80, .label = web));
	make(FLOW("192.0.2.3", 2, "198.51.100.2", 443, .label = dmz, .state = FLOW_TCP_SYN_SENT));
	make(FLOW("198.51.100.9", 3, "192.0.2.77", 22, .label = ssh, .iface = WAN));
	make(FLOW("192.0.2.2", 4, "198.51.100.53", 53, .protocol = IPPROTO_UDP,
		  .state = FLOW_UDP_NEW));
	make(FLOW("10.1.1.1", 5, "198.51.100.2", 8080, .out_src = "192.0.2.2", .out_sport = 6000,
		  .out_dst = "198.51.100.3", .out_dport = 81, .state = FLOW_SCTP_ESTABLISHED,
		  .protocol = IPPROTO_SCTP));
	make(FLOW("2001:db8:1::2", 6, "2001:db8:2::2", 80, .label = web));
	make(FLOW("2001:db8:1::3", 7, "2001:db8:2::2", 443, .state = FLOW_TCP_SYN_SENT));
}

static void filters_match(void **state)
{
	static const struct {
		const char *args, *ports;
	} cases[] = {
		{ "{}", "1 2 3 4 5 6 7" },
		{ "{\"family\":4}", "1 2 3 4 5" },
		{ "{\"family\":6}", "6 7" },
		{ "{\"src\":\"192.0.2.2\"}", "1 4 5" },
		{ "{\"src\":\"192.0.2.0/24\"}", "1 2 4 5" },
		{ "{\"src\":\"10.0.0.0/8\"}", "5" },
		{ "{\"dst\":\"192.0.2.0/24\"}", "3" },
		{ "{\"dst\":\"198.51.100.3\"}", "5" },
		{ "{\"host\":\"192.0.2.0/24\"}", "1 2 3 4 5" },
		{ "{\"host\":\"192.0.2.2\",\"dst\":\"198.51.100.2\"}", "1 5" },
		{ "{\"src\":\"0.0.0.0/0\"}", "1 2 3 4 5" },
		{ "{\"src\":\"::/0\"}", "6 7" },
		{ "{\"host\":\"2001:db8:1::2\"}", "6" },
		{ "{\"src\":\"2001:db8:1::/48\",\"dport\":443}", "7" },
		{ "{\"dst\":\"2001:db8:1::/48\"}", "" },
		{ "{\"sport\":2}", "2" },
		{ "{\"sport\":6000}", "5" },
		{ "{\"dport\":80}", "1 6" },
		{ "{\"dport\":\"80-443\"}", "1 2 5 6 7" },
		{ "{\"dport\":81}", "5" },
		{ "{\"port\":53}", "4" },
		{ "{\"port\":\"3\"}", "3" },
		{ "{\"proto\":\"udp\"}", "4" },
		{ "{\"proto\":132}", "5" },
		{ "{\"proto\":\"6\",\"dport\":443}", "2 7" },
		{ "{\"state\":\"established\"}", "1 3 5 6" },
		{ "{\"state\":[\"new\",\"syn-sent\"]}", "2 4 7" },
		{ "{\"state\":\"closed\"}", "" },
		{ "{\"rule\":\"web\"}", "1 2 6" },
		{ "{\"rule\":\"firewall:edge/web\"}", "1 6" },
		{ "{\"rule\":\"edge\"}", "" },
		{ "{\"in\":\"wan\"}", "3" },
		{ "{\"in\":\"lan\",\"proto\":\"tcp\",\"family\":4,\"state\":\"established\"}",
		  "1" },
	};

	make_several();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_ports(cases[i].args, cases[i].ports);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *args, *part;
	} cases[] = {
		{ "{\"sorce\":\"192.0.2.2\"}", "sorce" },
		{ "{\"src\":\"192.0.2\"}", "src: \"192.0.2\" is no address" },
		{ "{\"dst\":5}", "dst" },
		{ "{\"dport\":65536}", "dport" },
		{ "{\"port\":\"9-8\"}", "port" },
		{ "{\"port\":\"9-\"}", "port" },
		{ "{\"sport\":\"80x\"}", "sport" },
		{ "{\"proto\":\"tpc\"}", "\"tpc\" is not known" },
		{ "{\"proto\":256}", "0 to 255" },
		{ "{\"state\":\"open\"}", "there is no \"open\"; there are: syn-sent" },
		{ "{\"state\":[]}", "state" },
		{ "{\"rule\":\"\"}", "rule" },
		{ "{\"in\":\"dmz\"}", "no interface \"dmz\"" },
		{ "{\"family\":5}", "4 or 6" },
		{ "{\"family\":6,\"src\":\"192.0.2.2\"}", "IPv6 was asked for, and an IPv4" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_refused(flows_show, cases[i].args, cases[i].part);
		expect_refused(flows_flush, cases[i].args, cases[i].part);
	}
	expect_refused(flows_show, "{\"sort\":\"size\"}", "bytes, packets, age or idle");
	expect_refused(flows_show, "{\"limit\":0}", "1 to 20000");
	expect_refused(flows_show, "{\"limit\":20001}", "1 to 20000");
	expect_refused(flows_show, "{\"sort\":\"bytes\",\"next\":5}", "no pages");
	expect_refused(flows_show, "{\"all\":true}", "all");
	expect_refused(flows_flush, "{\"sort\":\"bytes\"}", "sort");
}

static void the_greatest_come_first(void **state)
{
	make(FLOW("192.0.2.2", 1, "198.51.100.2", 80, .counters = { { 9, 9 }, { 10, 20 } },
		  .age = 30, .idle = 2));
	make(FLOW("192.0.2.2", 2, "198.51.100.2", 80, .counters = { { 1, 1 }, { 500, 1 } },
		  .age = 10, .idle = 9));
	make(FLOW("2001:db8::1", 3, "2001:db8::2", 80, .counters = { { 7, 0 }, { 0, 100 } },
		  .age = 90, .idle = 90));
	make(FLOW("192.0.2.2", 4, "198.51.100.2", 80, .counters = { { 90, 1 }, { 31, 0 } },
		  .age = 31, .idle = 0));
	expect_ports("{\"sort\":\"bytes\"}", "2 3 4 1");
	expect_ports("{\"sort\":\"packets\"}", "4 1 3 2");
	expect_ports("{\"sort\":\"age\"}", "3 4 1 2");
	expect_ports("{\"sort\":\"idle\"}", "3 2 1 4");
	expect_ports("{\"sort\":\"bytes\",\"limit\":2}", "2 3");
	expect_ports("{\"sort\":\"age\",\"limit\":1,\"family\":4}", "4");
}

static void make_many(unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		make(FLOW(i % 3 ? "192.0.2.2" : "2001:db8::1", (uint16_t)i,
			  i % 3 ? "198.51.100.2" : "2001:db8::2", 80,
			  .state = i % 2 ? FLOW_TCP_ESTABLISHED : FLOW_TCP_TIME_WAIT,
			  .counters = { .bytes = { i * 7919 % 1000 } }));
}

static void a_limit_bounds_what_is_shown_and_not_what_is_counted(void **state)
{
	json_t *result;

	make_many(300);
	result = show("{\"limit\":10}");
	assert_int_equal(member(result, "shown"), 10);
	assert_int_equal(member(result, "total"), 300);
	assert_int_equal(member(json_object_get(result, "states"), "established"), 150);
	assert_int_equal(member(json_object_get(result, "states"), "time-wait"), 150);
	assert_int_equal(json_object_size(json_object_get(result, "states")), 2);
	json_decref(result);
	result = show("{\"limit\":10,\"sort\":\"bytes\",\"state\":\"time-wait\"}");
	assert_int_equal(member(result, "shown"), 10);
	assert_int_equal(member(result, "total"), 150);
	assert_true(json_is_null(json_object_get(result, "next")));
	json_decref(result);
}

static void the_heap_keeps_the_same_as_sorting_everything(void **state)
{
	json_t *everything, *some, *flow;
	size_t i;

	make_many(300);
	everything = show("{\"sort\":\"bytes\",\"limit\":300}");
	some = show("{\"sort\":\"bytes\",\"limit\":37}");
	for (i = 1; i < 300; i++)
		assert_true(
			member(json_array_get(json_object_get(everything, "flows"), i - 1),
			       "bytes") >=
			member(json_array_get(json_object_get(everything, "flows"), i), "bytes"));
	json_array_foreach (json_object_get(some, "flows"), i, flow)
		assert_int_equal(member(flow, "bytes"),
				 member(json_array_get(json_object_get(everything, "flows"), i),
					"bytes"));
	json_decref(everything);
	json_decref(some);
}

static void pages_cover_every_flow_once(void **state)
{
	bool seen[301] = { false };
	json_int_t next = 0;
	unsigned pages = 0, n = 0;

	make_many(300);
	do {
		char args[64];
		json_t *result, *flow;
		size_t i;

		snprintf(args, sizeof(args), next ? "{\"limit\":70,\"next\":%u}" : "{\"limit\":70}",
			 (unsigned)next);
		result = show(args);
		assert_true(!json_object_get(result, "total") == !!next);
		json_array_foreach (json_object_get(result, "flows"), i, flow) {
			const json_int_t port = member(json_object_get(flow, "key"), "sport");

			assert_in_range(port, 1, 300);
			assert_false(seen[port]);
			seen[port] = true;
			n++;
		}
		next = json_integer_value(json_object_get(result, "next"));
		json_decref(result);
		pages++;
	} while (next);
	assert_int_equal(n, 300);
	assert_int_equal(pages, 5);
}

/* The last row of a page is the last of its array, and of the table. */
static void a_page_may_end_where_an_array_does(void **state)
{
	json_t *result;
	char args[64];
	json_int_t next;

	for (unsigned i = 1; i <= SIZE; i++) {
		struct flow_key key, reply;

		if (i == SIZE)
			make(FLOW("192.0.2.2", (uint16_t)i, "198.51.100.2", 80));
		else
			prepare(FLOW("192.0.2.2", (uint16_t)i, "198.51.100.2", 80), &key, &reply);
	}
	make(FLOW("2001:db8::1", 5000, "2001:db8::2", 80));
	result = show("{\"limit\":1}");
	next = member(result, "next");
	json_decref(result);
	snprintf(args, sizeof(args), "{\"limit\":1,\"next\":%u}", (unsigned)next);
	expect_ports(args, "5000");
	expect_ports("{\"limit\":1,\"next\":3221225471}", "");
}

static void what_is_not_visible_or_over_is_not_shown(void **state)
{
	struct flow_key key, reply;
	uint32_t ended = make(FLOW("192.0.2.2", 1, "198.51.100.2", 80));

	prepare(FLOW("192.0.2.2", 2, "198.51.100.2", 80), &key, &reply);
	make(FLOW("192.0.2.2", 3, "198.51.100.2", 80));
	assert_true(flow_state_change(flow_head(f.flows->table, ended), FLOW_TCP_ESTABLISHED,
				      FLOW_DEAD));
	expect_ports("{}", "3");
}

static json_int_t flush(const char *args)
{
	char *error;
	json_t *result = ask(flows_flush, args, &error);
	json_int_t n;

	if (!result)
		fail_msg("%s: %s", args, error);
	n = member(result, "flushed");
	json_decref(result);
	return n;
}

static uint32_t find(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct flow_key key;
	uint32_t ref;

	key_make(&key, IPPROTO_TCP, src, sport, dst, dport);
	flow_lookup(f.flows->table, &key, &ref, 1);
	return ref;
}

static void flushed_flows_are_found_no_more(void **state)
{
	make_several();
	assert_int_not_equal(find("192.0.2.2", 1, "198.51.100.2", 80), 0);
	assert_int_equal(flush("{\"dport\":\"80-442\",\"src\":\"192.0.2.2\"}"), 2);
	assert_int_equal(find("192.0.2.2", 1, "198.51.100.2", 80), 0);
	assert_int_equal(find("198.51.100.2", 80, "192.0.2.2", 1), 0);
	assert_int_not_equal(find("192.0.2.3", 2, "198.51.100.2", 443), 0);
	expect_ports("{}", "2 3 4 6 7");
	assert_int_equal(f.flows->flushed, 2);
	/* the same conversation may begin anew before the old flow's memory is free */
	make(FLOW("192.0.2.2", 1, "198.51.100.2", 80));
	assert_int_not_equal(find("192.0.2.2", 1, "198.51.100.2", 80), 0);
}

static void flush_all_takes_the_word_for_it(void **state)
{
	make_several();
	expect_refused(flows_flush, "{}", "a filter was expected, or \"all\"");
	expect_refused(flows_flush, "{\"all\":false}", "a filter was expected");
	expect_refused(flows_flush, "{\"all\":true,\"in\":\"lan\"}", "not both");
	expect_ports("{}", "1 2 3 4 5 6 7");
	assert_int_equal(flush("{\"all\":true}"), 7);
	expect_ports("{}", "");
	assert_int_equal(flush("{\"all\":true}"), 0);
}

/* An insertion that the control thread ended in the middle would be a dead flow in the index. */
static void a_flow_that_is_being_made_is_not_flushed(void **state)
{
	struct flow_key key, reply;
	uint32_t handle = prepare(FLOW("192.0.2.2", 2, "198.51.100.2", 80), &key, &reply), winner;

	assert_int_equal(flush("{\"all\":true}"), 0);
	assert_int_equal(flow_insert(f.flows->table, handle, &key, &reply, &winner), 0);
	assert_int_equal(flush("{\"all\":true}"), 1);
}

static bool retire_and_reuse(void *arg, uint32_t handle, uint8_t state)
{
	struct flow_cache *cache = f.flows->worker[0]->cache;
	uint32_t *again = arg;

	assert_true(flow_state_change(flow_head(f.flows->table, handle), state, FLOW_DEAD));
	flow_remove(f.flows->table, handle);
	flow_retire(cache, handle);
	for (unsigned i = 0; i < 10; i++)
		flow_quiescent(cache);
	for (unsigned i = 0; i < SIZE; i++)
		if (flow_alloc(cache, false) == handle)
			*again = handle;
	return false;
}

/* Whose memory a scan looks at is not somebody else's in the middle of it. */
static void memory_is_not_reused_under_a_scan(void **state)
{
	struct flow_cache *cache = f.flows->worker[0]->cache;
	uint32_t again = 0, handle = make(FLOW("192.0.2.2", 1, "198.51.100.2", 80));

	flow_scan(f.flows, 0, retire_and_reuse, &again);
	assert_int_equal(again, 0);
	for (unsigned i = 0; i < 10; i++)
		flow_quiescent(cache);
	assert_int_equal(flow_alloc(cache, false), handle);
}

/* Nor while a worker has woken up that may have found it. */
static void memory_is_not_reused_under_a_worker_that_is_awake(void **state)
{
	struct flow_cache *cache = f.flows->worker[0]->cache;
	struct datapath other = { .index = 1, .flows = f.flows, .now_ns = clock_now_ns() };
	uint32_t again = 0, handle = make(FLOW("192.0.2.2", 1, "198.51.100.2", 80));

	flow_sleep(&other);
	flow_wake(&other);
	assert_true(flow_state_change(flow_head(f.flows->table, handle), FLOW_TCP_ESTABLISHED,
				      FLOW_DEAD));
	flow_remove(f.flows->table, handle);
	flow_retire(cache, handle);
	for (unsigned i = 0; i < 10; i++)
		flow_quiescent(cache);
	for (unsigned i = 0; i < SIZE; i++)
		if (flow_alloc(cache, false) == handle)
			again = handle;
	assert_int_equal(again, 0);
	flow_sleep(&other);
	for (unsigned i = 0; i < 10; i++)
		flow_quiescent(cache);
	assert_int_equal(flow_alloc(cache, false), handle);
}

static void the_summary_counts(void **state)
{
	json_t *summary, *counters;

	make_several();
	f.flows->worker[0]->stats.opened = 40;
	f.flows->worker[1]->stats.opened = 2;
	f.flows->worker[1]->stats.evicted = 3;
	f.flows->worker[0]->stats.hits = 70;
	f.flows->worker[1]->stats.hits = 30;
	f.flows->worker[1]->stats.misses = 11;
	flush("{\"state\":\"new\"}");
	summary = flows_summary(f.flows, true);
	counters = json_object_get(summary, "counters");
	assert_int_equal(member(counters, "opened"), 42);
	assert_int_equal(member(counters, "evicted"), 3);
	assert_int_equal(member(counters, "flushed"), 1);
	assert_int_equal(member(counters, "hits"), 89);
	assert_int_equal(member(counters, "misses"), 11);
	assert_int_equal(member(json_object_get(summary, "ipv4"), "used"), 5);
	assert_int_equal(member(json_object_get(summary, "ipv4"), "size"), SIZE);
	assert_int_equal(member(json_object_get(summary, "ipv6"), "used"), 2);
	assert_int_equal(member(json_object_get(summary, "states"), "syn-sent"), 2);
	assert_int_equal(member(json_object_get(summary, "states"), "established"), 4);
	assert_int_equal(member(json_object_get(summary, "fragments"), "completed"), 0);
	assert_true(member(summary, "memory_bytes") > SIZE * 128);
	json_decref(summary);
	summary = flows_summary(f.flows, false);
	assert_null(json_object_get(summary, "states"));
	json_decref(summary);
}

static void living_flows_count_for_their_rule(void **state)
{
	const uint32_t label = (uint32_t)flow_label_register("firewall:edge", "web");
	struct flow_label_counters sum;

	flow_label_add(&flow_label_of(0, label)->packets, 100);
	make(FLOW("192.0.2.2", 1, "198.51.100.2", 80, .label = label,
		  .counters = { { 1, 2 }, { 30, 40 } }));
	make(FLOW("2001:db8::1", 1, "2001:db8::2", 80, .label = label,
		  .counters = { { 3, 4 }, { 50, 60 } }));
	make(FLOW("192.0.2.2", 2, "198.51.100.2", 80, .counters = { { 1, 2 }, { 30, 40 } }));
	flows_count_living(f.flows);
	flows_count_living(f.flows);
	flow_label_read(label, &sum);
	assert_int_equal(sum.packets, 110);
	assert_int_equal(sum.bytes, 180);
}

static void the_last_packet_is_never_in_the_future(void **state)
{
	struct flow_head head = { 0 };
	struct flow_cold cold = { .seen = 1000000 };

	head.seen = (uint16_t)1000000;
	assert_int_equal(flow_last_seen(&head, &cold, 1000050), 1000000);
	head.seen = (uint16_t)1000049;
	assert_int_equal(flow_last_seen(&head, &cold, 1000050), 1000049);
	head.seen = (uint16_t)1000051; /* a worker whose clock is ahead */
	assert_int_equal(flow_last_seen(&head, &cold, 1000050), 1000050);
	head.seen = (uint16_t)1000000;
	assert_int_equal(flow_last_seen(&head, &cold, 999999), 999999);
	/* long ago, as the visits know */
	head.seen = (uint16_t)1000000;
	assert_int_equal(flow_last_seen(&head, &cold, 1000000 + 70000), 1000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_tells_everything),
		TEST(ipv6_and_what_is_not_known_is_null),
		TEST(filters_match),
		TEST(mistakes_are_named),
		TEST(the_greatest_come_first),
		TEST(a_limit_bounds_what_is_shown_and_not_what_is_counted),
		TEST(the_heap_keeps_the_same_as_sorting_everything),
		TEST(pages_cover_every_flow_once),
		TEST(a_page_may_end_where_an_array_does),
		TEST(what_is_not_visible_or_over_is_not_shown),
		TEST(flushed_flows_are_found_no_more),
		TEST(flush_all_takes_the_word_for_it),
		TEST(a_flow_that_is_being_made_is_not_flushed),
		TEST(memory_is_not_reused_under_a_scan),
		TEST(memory_is_not_reused_under_a_worker_that_is_awake),
		TEST(the_summary_counts),
		TEST(living_flows_count_for_their_rule),
		cmocka_unit_test(the_last_packet_is_never_in_the_future),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
