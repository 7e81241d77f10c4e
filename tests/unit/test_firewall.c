/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firewall, packet in, verdict out: a table for each key of a rule, of what it meets and what it
 * does not. Each line is asked twice, of a stateless instance as a packet and of a stateful one as
 * the first packet of a flow, which must agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "support_firewall.h"
#include "support_packet.h"

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP
#define ICMP IPPROTO_ICMP
#define ICMP6 IPPROTO_ICMPV6

struct line {
	const char *rule; /* what stands in its braces, but for the action */
	const char *from, *to;
	uint8_t protocol;
	uint16_t sport, dport;
	uint16_t iface;
	bool met;
	int flags; /* TCP; -1: none given */
	uint8_t icmp_type, icmp_code, tos;
};

static void expect(const struct line *l, const char *config, bool stateful)
{
	const struct asked ask = { .probe = { .from = l->from,
					      .to = l->to,
					      .protocol = l->protocol,
					      .sport = l->sport,
					      .dport = l->dport,
					      .icmp_type = l->icmp_type },
				   .iface = l->iface,
				   .tcp_flags = (uint8_t)l->flags,
				   .icmp_code = l->icmp_code,
				   .tos = l->tos };
	struct wall *wall = wall_new("%s %s", stateful ? "" : "stateful = false;", config);
	const char *reason = wall_ask(wall, &ask);

	if (l->met ? reason != NULL : !reason || strcmp(reason, "default"))
		fail_msg("%s: %s → %s: %s", l->rule, l->from, l->to, reason ? reason : "let in");
	wall_free(wall);
}

static void table(const struct line *lines, size_t n, const char *before)
{
	char config[1024];

	for (size_t i = 0; i < n; i++) {
		snprintf(config, sizeof(config), "%s rules = ( { %s action = \"accept\"; } );",
			 before, lines[i].rule);
		expect(&lines[i], config, true);
		expect(&lines[i], config, false);
	}
}
#define TABLE(lines, before) table(lines, sizeof(lines) / sizeof((lines)[0]), before)

static void addresses_are_met_by_prefix_range_and_exception(void **state)
{
	static const char one[] = "from = \"10.0.0.5\";";
	static const char many[] = "from = [ \"10.0.0.0/24\", \"2001:db8:1::/64\" ];";
	static const char range[] = "to = \"198.51.100.7-198.51.100.9\";";
	static const char but[] = "from = [ \"10.0.0.0/8\", \"!10.0.0.0/29\" ];";
	static const char not_[] = "to = \"!198.51.100.7\";";
	static const char range6[] = "to = \"2001:db8::7-2001:db8::1:9\";";
	static const struct line lines[] = {
		{ one, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ one, "10.0.0.6", "198.51.100.7", UDP, .iface = LAN },
		{ one, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN },
		{ many, "10.0.0.255", "198.51.100.7", TCP, .iface = LAN, .met = true },
		{ many, "10.0.1.0", "198.51.100.7", TCP, .iface = LAN },
		{ many, "2001:db8:1::ffff", "2001:db8::7", TCP, .iface = LAN, .met = true },
		{ many, "2001:db8:2::1", "2001:db8::7", TCP, .iface = LAN },
		{ range, "10.0.0.5", "198.51.100.6", UDP, .iface = LAN },
		{ range, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ range, "10.0.0.5", "198.51.100.9", UDP, .iface = LAN, .met = true },
		{ range, "10.0.0.5", "198.51.100.10", UDP, .iface = LAN },
		{ but, "10.0.0.7", "198.51.100.7", UDP, .iface = LAN },
		{ but, "10.0.0.8", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ but, "11.0.0.8", "198.51.100.7", UDP, .iface = LAN },
		{ not_, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN },
		{ not_, "10.0.0.5", "198.51.100.8", UDP, .iface = LAN, .met = true },
		{ not_, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN, .met = true },
		{ range6, "2001:db8:1::5", "2001:db8::6", UDP, .iface = LAN },
		{ range6, "2001:db8:1::5", "2001:db8::ffff", UDP, .iface = LAN, .met = true },
		{ range6, "2001:db8:1::5", "2001:db8::1:9", UDP, .iface = LAN, .met = true },
		{ range6, "2001:db8:1::5", "2001:db8::1:a", UDP, .iface = LAN },
	};

	TABLE(lines, "");
	(void)state;
}

static void families_protocols_and_ports(void **state)
{
	static const char v4[] = "family = \"ipv4\";", v6[] = "family = \"ipv6\";";
	static const char web[] = "proto = \"tcp\"; dport = [ 80, \"8000-8080\" ];";
	static const char both[] = "proto = [ \"tcp\", 17 ]; sport = 1000; dport = 53;";
	static const char not_[] = "proto = \"tcp\"; dport = [ \"!22\", \"!1000-2000\" ];";
	static const char most[] = "proto = [ \"!udp\", \"!icmp\" ];";
	static const char gre[] = "proto = 47;";
	static const struct line lines[] = {
		{ v4, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ v4, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN },
		{ v6, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN },
		{ v6, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN, .met = true },
		{ web, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 80, .iface = LAN,
		  .met = true },
		{ web, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 81, .iface = LAN },
		{ web, "10.0.0.5", "198.51.100.7", UDP, .sport = 1, .dport = 80, .iface = LAN },
		{ web, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 7999, .iface = LAN },
		{ web, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 8000, .iface = LAN,
		  .met = true },
		{ web, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 8080, .iface = LAN,
		  .met = true },
		{ web, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 8081, .iface = LAN },
		{ web, "2001:db8:1::5", "2001:db8::7", TCP, .sport = 1, .dport = 8081,
		  .iface = LAN },
		{ web, "2001:db8:1::5", "2001:db8::7", TCP, .sport = 1, .dport = 8080, .iface = LAN,
		  .met = true },
		{ both, "10.0.0.5", "198.51.100.7", TCP, .sport = 1000, .dport = 53, .iface = LAN,
		  .met = true },
		{ both, "10.0.0.5", "198.51.100.7", UDP, .sport = 1000, .dport = 53, .iface = LAN,
		  .met = true },
		{ both, "10.0.0.5", "198.51.100.7", UDP, .sport = 1001, .dport = 53, .iface = LAN },
		{ both, "10.0.0.5", "198.51.100.7", UDP, .sport = 1000, .dport = 54, .iface = LAN },
		{ not_, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 22, .iface = LAN },
		{ not_, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 23, .iface = LAN,
		  .met = true },
		{ not_, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 1000, .iface = LAN },
		{ not_, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 2001, .iface = LAN,
		  .met = true },
		{ most, "10.0.0.5", "198.51.100.7", TCP, .iface = LAN, .met = true },
		{ most, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN },
		{ most, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 8 },
		{ gre, "10.0.0.5", "198.51.100.7", 47, .iface = LAN, .met = true },
		{ gre, "10.0.0.5", "198.51.100.7", TCP, .iface = LAN },
	};

	TABLE(lines, "");
	(void)state;
}

/* What a stateless instance that lets all but telnet in does with a packet of 8 bytes of TCP, or with
 * these fragments. */
static uint16_t without_a_whole_header(uint16_t fragment, uint16_t ip_len, uint8_t protocol)
{
	const struct probe probe = { .from = "10.0.0.5",
				     .to = "198.51.100.7",
				     .protocol = protocol,
				     .ip_len = ip_len,
				     .fragment = fragment,
				     .sport = 1000,
				     .dport = 23 };
	struct wall *wall = wall_new("stateful = false; default = \"accept\"; rules = ( "
				     "{ proto = \"tcp\"; dport = 23; action = \"drop\"; } );");
	struct packet *p = support_probe(wall->s, &probe, LAN);
	uint16_t reason;

	support_run(wall->s, &wall->nf, &p, 1);
	reason = p->verdict == PACKET_DROP && p->reason != DROP_END_OF_CHAIN ? p->reason : 0;
	if (reason >= wall->nf.drop_base)
		assert_string_equal(wall->nf.ops->drop_reasons[reason - wall->nf.drop_base],
				    "invalid");
	wall_free(wall);
	return reason;
}

static void headers_that_are_cut_get_past_no_rule_of_a_stateless_instance(void **state)
{
	const uint16_t more = 0x2000;

	assert_int_equal(without_a_whole_header(more, 28, TCP), DROP_FRAGMENT_TINY);
	assert_int_equal(without_a_whole_header(1, 60, TCP), DROP_FRAGMENT_TINY);
	assert_true(without_a_whole_header(0, 28, TCP) >= DROP_ENGINE_COUNT);
	assert_true(without_a_whole_header(0, 24, UDP) >= DROP_ENGINE_COUNT);
	assert_int_equal(without_a_whole_header(3, 60, TCP), 0);
	assert_int_equal(without_a_whole_header(more | 1, 60, UDP), 0);
	assert_int_equal(without_a_whole_header(0, 24, 99), 0);
	(void)state;
}

static void flags_types_and_code_points(void **state)
{
	static const char syn[] = "proto = \"tcp\"; tcp_flags = \"syn,!ack\";";
	static const char ping[] =
		"proto = [ \"icmp\", \"icmpv6\" ]; icmp_type = \"echo-request\";";
	static const char port[] = "proto = \"icmp\"; icmp_type = \"3/3\";";
	static const char any3[] = "proto = \"icmp\"; icmp_type = [ 3, \"echo-reply\" ];";
	static const char ef[] = "dscp = [ \"ef\", 10 ];";
	static const struct line lines[] = {
		{ syn, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 2, .iface = LAN,
		  .met = true, .flags = 0x02 },
		{ syn, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 2, .iface = LAN,
		  .met = true, .flags = 0xc2 },
		{ syn, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 2, .iface = LAN,
		  .met = false, .flags = 0x12 },
		{ syn, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 2, .iface = LAN,
		  .met = false, .flags = 0x10 },
		{ ping, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 8,
		  .met = true },
		{ ping, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 13 },
		{ ping, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 128 },
		{ ping, "2001:db8:1::5", "2001:db8::7", ICMP6, .iface = LAN, .icmp_type = 128,
		  .met = true },
		{ ping, "2001:db8:1::5", "2001:db8::7", ICMP6, .iface = LAN, .icmp_type = 8 },
		{ port, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 3,
		  .icmp_code = 3, .met = true },
		{ port, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 3,
		  .icmp_code = 4 },
		{ any3, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 3,
		  .icmp_code = 4, .met = true },
		{ any3, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 0,
		  .met = true },
		{ any3, "10.0.0.5", "198.51.100.7", ICMP, .iface = LAN, .icmp_type = 8 },
		{ ef, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .tos = 46 << 2, .met = true },
		{ ef, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .tos = 46 << 2 | 3,
		  .met = true },
		{ ef, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .tos = 10 << 2, .met = true },
		{ ef, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .tos = 0 },
		{ ef, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN, .tos = 46 << 2,
		  .met = true },
		{ ef, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN, .tos = 45 << 2 },
	};

	TABLE(lines, "");
	(void)state;
}

static void interfaces_and_zones(void **state)
{
	static const char zones[] =
		"zones = ( { name = \"inside\"; interfaces = [ \"lan\", \"x\" ]; },"
		" { name = \"outside\"; interfaces = \"wan\"; } );";
	static const char in[] = "in = \"lan\";", zone[] = "in = \"inside\";";
	static const char through[] = "in = \"inside\"; out = \"outside\";";
	static const char back[] = "in = [ \"outside\", \"x\" ]; out = \"lan\";";
	static const char away[] = "out = \"wan\";";
	static const char not_[] = "in = \"!inside\";", but[] = "in = [ \"inside\", \"!x\" ];";
	static const char but_lan[] = "in = [ \"inside\", \"!lan\" ];";
	static const struct line lines[] = {
		{ in, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ in, "198.51.100.7", "10.0.0.5", UDP, .iface = WAN },
		{ zone, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ zone, "198.51.100.7", "10.0.0.5", UDP, .iface = WAN },
		{ through, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ through, "10.0.0.5", "10.0.0.6", UDP, .iface = LAN },
		{ through, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN, .met = true },
		{ through, "198.51.100.7", "10.0.0.5", UDP, .iface = WAN },
		{ back, "198.51.100.7", "10.0.0.5", UDP, .iface = WAN, .met = true },
		{ back, "10.0.0.6", "10.0.0.5", UDP, .iface = LAN },
		{ away, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ away, "198.51.100.7", "10.0.0.5", UDP, .iface = WAN },
		{ away, "198.51.100.7", "10.0.0.1", UDP, .iface = WAN },
		{ not_, "198.51.100.7", "10.0.0.5", UDP, .iface = WAN, .met = true },
		{ not_, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN },
		{ but, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ but, "198.51.100.7", "10.0.0.5", UDP, .iface = WAN },
		{ but_lan, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN },
	};

	TABLE(lines, zones);
	(void)state;
}

static void sets_of_addresses_and_ports(void **state)
{
	static const char sets[] =
		"sets = ( { name = \"admins\"; addresses = [ \"10.0.0.0/28\", \"2001:db8:1::/64\" ]; },"
		" { name = \"bad\"; addresses = \"10.0.0.3-10.0.0.4\"; },"
		" { name = \"web\"; ports = [ 80, \"8000-8080\" ]; } );";
	static const char one[] = "from = \"@admins\";";
	static const char two[] = "from = [ \"@admins\", \"192.0.2.0/24\", \"!@bad\" ];";
	static const char not_[] = "from = \"!@bad\";";
	static const char port[] = "proto = \"tcp\"; dport = \"@web\";";
	static const char no_port[] = "proto = \"tcp\"; dport = [ \"!@web\", \"!443\" ];";
	static const struct line lines[] = {
		{ one, "10.0.0.15", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ one, "10.0.0.16", "198.51.100.7", UDP, .iface = LAN },
		{ one, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN, .met = true },
		{ one, "2001:db8:2::5", "2001:db8::7", UDP, .iface = LAN },
		{ two, "10.0.0.2", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ two, "10.0.0.3", "198.51.100.7", UDP, .iface = LAN },
		{ two, "192.0.2.77", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ two, "192.0.3.77", "198.51.100.7", UDP, .iface = LAN },
		{ not_, "10.0.0.4", "198.51.100.7", UDP, .iface = LAN },
		{ not_, "10.0.0.5", "198.51.100.7", UDP, .iface = LAN, .met = true },
		{ not_, "2001:db8:1::5", "2001:db8::7", UDP, .iface = LAN, .met = true },
		{ port, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 8001, .iface = LAN,
		  .met = true },
		{ port, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 8081, .iface = LAN },
		{ no_port, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 8001,
		  .iface = LAN },
		{ no_port, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 443,
		  .iface = LAN },
		{ no_port, "10.0.0.5", "198.51.100.7", TCP, .sport = 1, .dport = 8081, .iface = LAN,
		  .met = true },
	};

	TABLE(lines, sets);
	(void)state;
}

/* More entries than one rule may have: its lists are compared instead, and say the same. */
static void a_rule_of_long_lists_meets_the_same(void **state)
{
	char rule[8192] = "proto = \"tcp\"; from = [ ";
	struct line lines[] = {
		{ rule, "10.0.6.1", "198.51.100.6", TCP, .sport = 1, .dport = 106, .iface = LAN,
		  .met = true },
		{ rule, "10.0.7.1", "198.51.100.6", TCP, .sport = 1, .dport = 106, .iface = LAN },
		{ rule, "10.0.6.1", "198.51.100.7", TCP, .sport = 1, .dport = 106, .iface = LAN },
		{ rule, "10.0.6.1", "198.51.100.6", TCP, .sport = 1, .dport = 107, .iface = LAN },
		{ rule, "10.0.6.1", "198.51.100.6", UDP, .sport = 1, .dport = 106, .iface = LAN },
	};
	char config[9000];
	size_t n = strlen(rule);

	for (unsigned i = 0; i < 60; i++)
		n += (size_t)snprintf(rule + n, sizeof(rule) - n, "%s\"10.0.%u.0/24\"",
				      i ? ", " : "", 2 * i);
	n += (size_t)snprintf(rule + n, sizeof(rule) - n, " ]; to = [ ");
	for (unsigned i = 0; i < 60; i++)
		n += (size_t)snprintf(rule + n, sizeof(rule) - n, "%s\"198.51.100.%u\"",
				      i ? ", " : "", 2 * i);
	n += (size_t)snprintf(rule + n, sizeof(rule) - n, " ]; dport = [ ");
	for (unsigned i = 0; i < 60; i++)
		n += (size_t)snprintf(rule + n, sizeof(rule) - n, "%s%u", i ? ", " : "",
				      100 + 2 * i);
	snprintf(rule + n, sizeof(rule) - n, " ]; ");
	snprintf(config, sizeof(config), "rules = ( { %s action = \"accept\"; } );", rule);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		lines[i].rule = "long lists";
		expect(&lines[i], config, true);
		expect(&lines[i], config, false);
	}
	(void)state;
}

/* The longest list is of ports, which both families share. */
static void a_rule_of_many_ports_meets_the_same_in_both_families(void **state)
{
	static const struct {
		bool six;
		uint8_t protocol;
		uint16_t port;
		bool met;
	} cases[] = { { false, TCP, 7777, true }, { false, TCP, 7778, false },
		      { true, TCP, 1, true },	  { true, TCP, 9999, true },
		      { true, TCP, 2, false },	  { true, UDP, 1, false } };
	char *config = malloc(100000);

	for (size_t i = 0; i < 4 * sizeof(cases) / sizeof(cases[0]); i++) {
		const bool source = i & 1;
		const struct line line = {
			.rule = source ? "odd source ports" : "odd destination ports",
			.from = cases[i / 4].six ? "2001:db8:1::5" : "10.0.0.5",
			.to = cases[i / 4].six ? "2001:db8::7" : "198.51.100.7",
			.protocol = cases[i / 4].protocol,
			.sport = source ? cases[i / 4].port : 20000,
			.dport = source ? 20000 : cases[i / 4].port,
			.iface = LAN,
			.met = cases[i / 4].met,
		};
		size_t n = (size_t)sprintf(config, "rules = ( { proto = \"tcp\"; %s = [ 1",
					   source ? "sport" : "dport");

		for (unsigned port = 3; port < 10000; port += 2)
			n += (size_t)sprintf(config + n, ", %u", port);
		sprintf(config + n, " ]; action = \"accept\"; } );");
		expect(&line, config, i & 2);
	}
	free(config);
	(void)state;
}

static const struct asked lan_udp = {
	.probe = { .from = "10.0.0.5", .to = "198.51.100.7", .protocol = UDP }, .iface = LAN
};

static void the_first_rule_that_meets_decides(void **state)
{
	static const struct {
		const char *rules, *reason; /* NULL: let in */
	} cases[] = {
		{ "{ action = \"drop\"; }, { action = \"accept\"; }", "rule" },
		{ "{ action = \"accept\"; }, { action = \"drop\"; }", NULL },
		{ "{ action = \"count\"; }, { action = \"accept\"; }", NULL },
		{ "{ action = \"count\"; }", "default" },
		{ "{ proto = \"tcp\"; action = \"accept\"; }, { action = \"reject\"; }",
		  "rejected" },
		{ "{ dscp = 1; action = \"drop\"; }, { action = \"accept\"; }", NULL },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct wall *wall = wall_new("stateful = %s; rules = ( %s );",
					     i & 1 ? "true" : "false", cases[i / 2].rules);
		const char *reason = wall_ask(wall, &lan_udp);

		if (cases[i / 2].reason)
			assert_string_equal(reason, cases[i / 2].reason);
		else
			assert_null(reason);
		wall_free(wall);
	}
	(void)state;
}

static void policies_and_the_default_decide_what_no_rule_does(void **state)
{
	static const char policies[] =
		"policies = ( { in = \"lan\"; out = \"wan\"; action = \"accept\"; },"
		" { in = \"lan\"; action = \"reject\"; } );";
	struct asked inside = lan_udp, outside = lan_udp;
	struct wall *wall = wall_new("%s default = \"accept\";", policies);

	inside.probe.to = "10.0.0.6";
	outside.iface = WAN;
	assert_null(wall_ask(wall, &lan_udp));
	assert_string_equal(wall_ask(wall, &inside), "rejected");
	assert_null(wall_ask(wall, &outside));
	wall_free(wall);
	wall = wall_new("%s", policies);
	assert_string_equal(wall_ask(wall, &outside), "default");
	wall_free(wall);
	wall = wall_new("%s", "");
	assert_string_equal(wall_ask(wall, &lan_udp), "default");
	wall_free(wall);
	(void)state;
}

static void forged_sources_are_refused(void **state)
{
	static const struct {
		const char *mode, *from, *to;
		uint16_t iface;
		bool refused;
	} cases[] = {
		{ "strict", "10.0.0.77", "198.51.100.7", LAN, false },
		{ "strict", "10.0.1.77", "198.51.100.7", LAN, true },
		{ "strict", "10.0.0.77", "198.51.100.7", WAN, true },
		{ "strict", "8.8.8.8", "10.0.0.5", WAN, false },
		{ "strict", "10.0.0.1", "198.51.100.7", LAN, true },
		{ "strict", "2001:db8:1::77", "2001:db8::7", LAN, false },
		{ "strict", "2001:db8:3::77", "2001:db8::7", LAN, true },
		{ "strict", "fe80::77", "2001:db8::7", LAN, false },
		{ "loose", "10.0.1.77", "198.51.100.7", LAN, false },
		{ "loose", "203.0.113.7", "198.51.100.7", LAN, true },
		{ "off", "203.0.113.7", "198.51.100.7", LAN, false },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const struct asked ask = { .probe = { .from = cases[i / 2].from,
						      .to = cases[i / 2].to },
					   .iface = cases[i / 2].iface };
		struct wall *wall =
			wall_new("stateful = %s; default = \"accept\"; zones = ( { name = "
				 "\"all\"; interfaces = [ \"lan\", \"wan\" ]; antispoof = "
				 "\"%s\"; } );",
				 i & 1 ? "true" : "false", cases[i / 2].mode);
		const char *reason;

		support_route(wall->s, "203.0.113.0/24", HOP_TEST);
		support_hop(wall->s, HOP_TEST, NEXTHOP_BLACKHOLE, LAN, NULL);
		reason = wall_ask(wall, &ask);
		if (cases[i / 2].refused != (reason && !strcmp(reason, "antispoof")))
			fail_msg("%s %s: %s", cases[i / 2].mode, cases[i / 2].from,
				 reason ? reason : "let in");
		wall_free(wall);
	}
	(void)state;
}

static void any_leg_of_a_multipath_route_leads_back(void **state)
{
	static const uint32_t legs[] = { HOP_WAN, HOP_TEST };
	const struct asked ask = { .probe = { .from = "203.0.113.7", .to = "198.51.100.7" },
				   .iface = LAN };

	for (unsigned leads = 0; leads < 2; leads++) {
		struct wall *wall =
			wall_new("default = \"accept\"; zones = ( { name = \"all\"; interfaces = "
				 "[ \"lan\", \"wan\" ]; antispoof = \"strict\"; } );");
		struct nexthop *group;
		const char *reason;

		support_hop(wall->s, HOP_TEST, NEXTHOP_FORWARD, leads ? LAN : WAN, "10.0.0.5");
		group = support_hop(wall->s, HOP_TEST + 1, NEXTHOP_GROUP, WAN, NULL);
		group->buckets = legs;
		group->bucket_mask = 1;
		support_route(wall->s, "203.0.113.0/24", HOP_TEST + 1);
		reason = wall_ask(wall, &ask);
		assert_int_equal(reason == NULL, leads);
		wall_free(wall);
	}
	(void)state;
}

static void states_are_asked_for_by_name(void **state)
{
	static const struct {
		const char *rules;
		enum flow_class class;
		const char *reason; /* NULL: let in */
	} cases[] = {
		{ "{ action = \"accept\"; }", FLOW_CLASS_NEW, NULL },
		{ "{ action = \"accept\"; }", FLOW_CLASS_UNTRACKED, NULL },
		{ "{ action = \"accept\"; }", FLOW_CLASS_INVALID, "invalid" },
		{ "{ action = \"drop\"; }", FLOW_CLASS_RELATED, NULL },
		{ "{ state = \"related\"; action = \"drop\"; }", FLOW_CLASS_RELATED, "rule" },
		{ "{ state = \"related\"; action = \"accept\"; }", FLOW_CLASS_NEW, "default" },
		{ "{ state = \"invalid\"; action = \"accept\"; }", FLOW_CLASS_INVALID, NULL },
		{ "{ state = \"invalid\"; proto = \"tcp\"; action = \"accept\"; }",
		  FLOW_CLASS_INVALID, "invalid" },
		{ "{ state = [ \"new\", \"established\" ]; action = \"accept\"; }", FLOW_CLASS_NEW,
		  NULL },
		{ "{ state = \"new\"; action = \"accept\"; }", FLOW_CLASS_UNTRACKED, "default" },
		{ "{ state = \"established\"; action = \"accept\"; }", FLOW_CLASS_NEW, "default" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wall *wall = wall_new("rules = ( %s );", cases[i].rules);
		struct asked ask = lan_udp;
		const char *reason;

		ask.class = cases[i].class;
		reason = wall_ask(wall, &ask);
		if (cases[i].reason ? !reason || strcmp(reason, cases[i].reason) : reason != NULL)
			fail_msg("%s, class %d: %s", cases[i].rules, cases[i].class,
				 reason ? reason : "let in");
		wall_free(wall);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_met_by_prefix_range_and_exception),
		cmocka_unit_test(families_protocols_and_ports),
		cmocka_unit_test(headers_that_are_cut_get_past_no_rule_of_a_stateless_instance),
		cmocka_unit_test(flags_types_and_code_points),
		cmocka_unit_test(interfaces_and_zones),
		cmocka_unit_test(sets_of_addresses_and_ports),
		cmocka_unit_test(a_rule_of_long_lists_meets_the_same),
		cmocka_unit_test(a_rule_of_many_ports_meets_the_same_in_both_families),
		cmocka_unit_test(the_first_rule_that_meets_decides),
		cmocka_unit_test(policies_and_the_default_decide_what_no_rule_does),
		cmocka_unit_test(forged_sources_are_refused),
		cmocka_unit_test(any_leg_of_a_multipath_route_leads_back),
		cmocka_unit_test(states_are_asked_for_by_name),
	};

	return cmocka_run_group_tests_name("firewall", tests, wall_start, wall_stop);
}
