/* SPDX-License-Identifier: Apache-2.0 */
/* The flow engine: who is asked when, what a flow does to its packets, and how it ends. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "nf/nf.h"
#include "src/bytes.h"
#include "src/clock.h"
#include "src/flow_key.h"
#include "src/flow_label.h"
#include "src/flow_policy.h"
#include "src/flow_route.h"
#include "src/flows.h"
#include "support_packet.h"

#define CLIENT "10.0.0.5"
#define SERVER "198.51.100.7"
#define CLIENT6 "2001:db8:1::5"
#define SERVER6 "2001:db8:ffff::7"
#define REASON 900

/* A stateful function that does as it is told and remembers what it was asked. */
static struct gate {
	enum nf_verdict verdict;
	unsigned asked, again, closed, never_opened;
	struct flow_open last;
	struct flow_close last_close;
	void (*change)(struct flow_open *open);
	struct datapath *dp;
	bool ask_again;
	uint32_t label;
} gate, second;

static struct gate *gate_of(const struct nf *nf)
{
	return nf->state;
}

static enum nf_verdict gate_open(struct nf *nf, struct datapath *dp, struct flow_open *open)
{
	struct gate *g = gate_of(nf);

	(void)dp;
	open->again ? g->again++ : g->asked++;
	open->reason = REASON;
	open->label = g->label;
	if (g->change && (!open->again || g->ask_again) && g->verdict == NF_ACCEPT)
		g->change(open);
	g->last = *open;
	return g->verdict;
}

static void gate_close(struct nf *nf, struct datapath *dp, const struct flow_close *close)
{
	struct gate *g = gate_of(nf);

	(void)dp;
	close->opened ? g->closed++ : g->never_opened++;
	g->last_close = *close;
}

static const struct nf_ops gate_ops = {
	.abi = NF_ABI, .name = "gate", .open = gate_open, .close = gate_close
};

static struct {
	struct conf_where where;
	bool redirects;
} router_conf = { .redirects = true };

static struct nf functions[3] = {
	{ .ops = &gate_ops, .name = "a", .state = &gate, .stateful = true },
	{ .ops = &gate_ops, .name = "b", .state = &second, .stateful = true },
	{ .name = "default", .conf = &router_conf, .drop_base = DROP_ENGINE_COUNT },
};

static struct chain *chain;

static void at(struct support *s, uint64_t ns)
{
	s->dp.now_ns = ns;
	s->dp.policy = flow_policy_generation();
	s->dp.route = flow_route_generation(s->fib.generation);
	flow_wake(&s->dp);
	flow_round(&s->dp);
}

static struct support *setup_sized(uint32_t size)
{
	struct flows_config config = { .ipv4 = size,
				       .ipv6 = size,
				       .loose = false,
				       .fragments = {
					       .datagrams = 256, .held = 64, .timeout_ms = 1000 } };
	struct conf_errors *errors = conf_errors_new();
	void *timeouts = conf_struct_parse(&flow_timeouts_schema, "", errors);
	struct support *s = support_new();
	struct flow_functions *list = calloc(1, sizeof(*list) + 2 * sizeof(list->nf[0]));
	char why[256] = "";

	config.timeouts = *(struct flow_timeouts_config *)timeouts;
	conf_struct_free(timeouts);
	conf_errors_free(errors);
	memset(&gate, 0, sizeof(gate));
	memset(&second, 0, sizeof(second));
	functions[2].ops = nf_find("router");
	chain = calloc(1, sizeof(*chain) + 3 * sizeof(chain->functions[0]));
	chain->n = 3;
	chain->stateful = true;
	for (unsigned i = 0; i < 3; i++)
		chain->functions[i] = &functions[i];
	s->iface[LAN].chain = s->iface[WAN].chain = chain;
	assert_int_equal(flow_labels_start(1), 0);
	assert_int_equal(flows_new(&s->dp.flows, &config, 1, HUGEPAGES_OFF, why), 0);
	s->dp.reassembly = flow_worker(&s->dp)->reassembly;
	list->n = 2;
	list->nf[0] = &functions[0];
	list->nf[1] = &functions[1];
	flows_set_functions(s->dp.flows, list);
	s->fib.generation = 1;
	at(s, clock_now_ns());
	return s;
}

static struct support *setup(void)
{
	return setup_sized(1024);
}

static void teardown(struct support *s)
{
	assert_true(support_balanced(s));
	for (unsigned i = 0; i < s->n_sent; i++)
		assert_true(support_checksums_good(s->sent[i].data + s->sent[i].l3,
						   s->sent[i].len - s->sent[i].l3));
	flows_free(s->dp.flows);
	flow_labels_stop();
	support_free(s);
	free(chain);
}

static struct packet *pass(struct support *s, const struct probe *probe, uint16_t iface)
{
	struct packet *p = support_probe(s, probe, iface);

	support_run_chain(s, chain, &p, 1);
	return p;
}

static const struct flow_stats *stats(const struct support *s)
{
	return &flow_worker(&s->dp)->stats;
}

static const struct probe there = { .from = CLIENT, .to = SERVER, .sport = 1000, .dport = 53 };
static const struct probe back = { .from = SERVER, .to = CLIENT, .sport = 53, .dport = 1000 };
static const struct probe there6 = { .from = CLIENT6, .to = SERVER6, .sport = 1000, .dport = 53 };
static const struct probe back6 = { .from = SERVER6, .to = CLIENT6, .sport = 53, .dport = 1000 };

static void functions_are_asked_once_for_both_directions(void **state)
{
	static const struct probe *const probes[][2] = { { &there, &back }, { &there6, &back6 } };

	for (unsigned i = 0; i < 2; i++) {
		struct support *s = setup();

		assert_int_equal(pass(s, probes[i][0], LAN)->verdict, PACKET_TX);
		assert_int_equal(pass(s, probes[i][1], WAN)->verdict, PACKET_TX);
		assert_int_equal(pass(s, probes[i][0], LAN)->verdict, PACKET_TX);
		assert_int_equal(gate.asked, 1);
		assert_int_equal(second.asked, 1);
		assert_int_equal(gate.last.class, FLOW_CLASS_NEW);
		assert_int_equal(gate.last.in_iface, LAN);
		assert_int_equal(stats(s)->opened, 1);
		assert_int_equal(s->n_sent, 3);
		assert_int_equal(s->sent[0].iface, WAN);
		assert_int_equal(s->sent[1].iface, LAN);
		teardown(s);
	}
	(void)state;
}

static void packets_of_a_new_flow_in_one_burst_ask_once(void **state)
{
	struct support *s = setup();
	struct packet *p[3];

	for (unsigned i = 0; i < 3; i++)
		p[i] = support_probe(s, &there, LAN);
	support_run_chain(s, chain, p, 3);
	assert_int_equal(gate.asked, 1);
	assert_int_equal(s->n_sent, 3);
	teardown(s);
	(void)state;
}

static void what_is_denied_leaves_no_flow_and_tells_who_was_asked_before(void **state)
{
	struct support *s = setup();
	struct packet *p;

	second.verdict = NF_DROP;
	p = pass(s, &there, LAN);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(p->reason, REASON);
	assert_int_equal(gate.never_opened, 1);
	assert_int_equal(second.never_opened, 0);
	assert_int_equal(pass(s, &back, WAN)->verdict, PACKET_DROP);
	assert_int_equal(second.asked, 2);
	assert_int_equal(stats(s)->opened, 0);
	teardown(s);
	(void)state;
}

static void a_changed_policy_asks_again_and_ends_what_it_denies(void **state)
{
	struct support *s = setup();

	pass(s, &there, LAN);
	flow_policy_changed();
	at(s, s->dp.now_ns);
	assert_int_equal(pass(s, &back, WAN)->verdict, PACKET_TX);
	assert_int_equal(gate.again, 1);
	assert_int_equal(gate.last.in_iface, LAN);
	assert_int_equal(ntohs(gate.last.key.v4.dport), 53);
	assert_int_equal(pass(s, &there, LAN)->verdict, PACKET_TX);
	assert_int_equal(gate.again, 1);
	flow_policy_changed();
	at(s, s->dp.now_ns);
	second.verdict = NF_DROP;
	assert_int_equal(pass(s, &back, WAN)->verdict, PACKET_DROP);
	assert_int_equal(stats(s)->denied, 1);
	assert_int_equal(gate.closed, 1);
	assert_int_equal(second.closed, 1);
	assert_int_equal(pass(s, &there, LAN)->verdict, PACKET_DROP);
	assert_int_equal(second.asked, 2);
	teardown(s);
	(void)state;
}

static void flows_of_an_interface_without_a_chain_end_when_the_policy_changes(void **state)
{
	struct support *s = setup();
	struct packet *p;

	pass(s, &there, LAN);
	s->iface[LAN].chain = NULL;
	flow_policy_changed();
	at(s, s->dp.now_ns);
	p = pass(s, &back, WAN);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(p->reason, DROP_NO_CHAIN);
	assert_int_equal(stats(s)->denied, 1);
	assert_int_equal(gate.closed, 1);
	teardown(s);
	(void)state;
}

static struct flow_head *flow_of(struct support *s, const struct probe *probe)
{
	struct flow_key key = { .family = 4, .protocol = IPPROTO_UDP };
	uint32_t ref;

	key.v4 = (struct flow_tuple4){ inet_addr(probe->from), inet_addr(probe->to),
				       htons(probe->sport), htons(probe->dport) };
	flow_lookup(s->dp.flows->table, &key, &ref, 1);
	assert_int_not_equal(ref, 0);
	return flow_head(s->dp.flows->table, ref);
}

/* The other worker has taken the generation out of the flow, and not put the new one in. */
static void a_flow_that_another_worker_asks_for_is_not_counted_twice(void **state)
{
	struct support *s = setup();
	struct flow_head *head;

	pass(s, &there, LAN);
	second.label = (uint32_t)flow_label_register("gate:b", "other");
	flow_policy_changed();
	at(s, s->dp.now_ns);
	head = flow_of(s, &there);
	head->policy = 0;
	assert_int_equal(pass(s, &back, WAN)->verdict, PACKET_TX);
	assert_true(second.last.again && second.last.echo);
	assert_int_equal(head->policy, 0);
	assert_int_equal(flow_label_alive(second.label), 0);
	head->policy = s->dp.policy - 1;
	assert_int_equal(pass(s, &back, WAN)->verdict, PACKET_TX);
	assert_false(second.last.echo);
	assert_int_equal(head->policy, s->dp.policy);
	assert_int_equal(flow_label_alive(second.label), 1);
	head->policy = 0;
	second.verdict = NF_DROP;
	assert_int_equal(pass(s, &there, LAN)->verdict, PACKET_DROP);
	assert_int_equal(second.closed, 1);
	teardown(s);
	(void)state;
}

static void a_route_that_moves_takes_the_next_packet_along(void **state)
{
	struct support *s = setup();

	support_hop(s, HOP_TEST, NEXTHOP_FORWARD, LAN, "10.0.0.77");
	pass(s, &there, LAN);
	assert_int_equal(s->sent[0].iface, WAN);
	support_route(s, SERVER "/32", HOP_TEST);
	pass(s, &there, WAN);
	assert_int_equal(s->sent[1].iface, WAN); /* nobody has said that anything changed */
	s->fib.generation++;
	at(s, s->dp.now_ns);
	pass(s, &there, WAN);
	assert_int_equal(s->sent[2].iface, LAN);
	assert_memory_equal(s->sent[2].data, s->hop[HOP_TEST].l2, 12);
	teardown(s);
	(void)state;
}

static void a_flow_ends_when_it_was_idle_and_its_functions_hear_of_it_once(void **state)
{
	struct support *s = setup();
	uint64_t now = s->dp.now_ns;

	gate.label = second.label = (uint32_t)flow_label_register("gate:b", "rule");
	pass(s, &there, LAN);
	pass(s, &back, WAN);
	assert_int_equal(flow_label_alive(gate.label), 1);
	for (unsigned i = 0; i < 4000 && !gate.closed; i++)
		at(s, now += 1000000000);
	assert_int_equal(gate.closed, 1);
	assert_int_equal(second.closed, 1);
	assert_true(gate.last_close.opened);
	assert_int_equal(gate.last_close.counters.packets[0], 1);
	assert_int_equal(gate.last_close.counters.packets[1], 1);
	assert_int_equal(gate.last_close.counters.bytes[0], 100);
	assert_int_equal(flow_label_alive(gate.label), 0);
	assert_int_equal(stats(s)->expired, 1);
	pass(s, &there, LAN);
	assert_int_equal(gate.asked, 2);
	teardown(s);
	(void)state;
}

static void packets_keep_a_flow_alive(void **state)
{
	struct support *s = setup();
	uint64_t now = s->dp.now_ns;

	for (unsigned i = 0; i < 2000; i++) {
		at(s, now += 1000000000);
		if (i % 10 == 0)
			pass(s, &there, LAN);
	}
	assert_int_equal(gate.asked, 1);
	assert_int_equal(gate.closed, 0);
	teardown(s);
	(void)state;
}

static uint16_t asked_out;

static void ask_where_it_leaves(struct flow_open *open)
{
	asked_out = flow_open_out(gate.dp, open);
}

static void a_function_is_told_the_interface_that_the_packet_takes(void **state)
{
	static const uint32_t buckets[2] = { HOP_WAN, HOP_TEST + 1 };
	struct support *s = setup();
	struct nexthop *group = support_hop(s, HOP_TEST, NEXTHOP_GROUP, WAN, NULL);
	unsigned by_lan = 0;

	group->buckets = buckets;
	group->bucket_mask = 1;
	support_hop(s, HOP_TEST + 1, NEXTHOP_FORWARD, LAN, "10.0.0.77");
	support_route(s, SERVER "/32", HOP_TEST);
	gate.change = ask_where_it_leaves;
	gate.dp = &s->dp;
	gate.ask_again = true;
	for (uint16_t port = 1; port < 100; port++) {
		struct probe a = there, b = back;

		a.sport = b.dport = port;
		s->n_sent = 0;
		pass(s, &a, LAN);
		assert_int_equal(asked_out, s->sent[0].iface);
		by_lan += asked_out == LAN;
		flow_policy_changed();
		at(s, s->dp.now_ns);
		asked_out = IFACE_NONE;
		pass(s, &b, WAN); /* the answer asks again, for the other direction */
		assert_int_equal(asked_out, s->sent[0].iface);
	}
	assert_in_range(by_lan, 20, 80);
	teardown(s);
	(void)state;
}

/* --- translation --- */

static void to_another_server(struct flow_open *open)
{
	struct in6_addr other;

	inet_pton(AF_INET6, "2001:db8:ffff::99", &other);
	if (open->out.family == 4) {
		open->out.v4.destination = inet_addr("198.51.100.99");
		if (open->out.v4.dport)
			open->out.v4.dport = htons(5353);
	} else {
		open->out.v6.destination = other;
		if (open->out.v6.dport)
			open->out.v6.dport = htons(5353);
	}
}

static void from_another_client(struct flow_open *open)
{
	if (open->out.family == 4) {
		open->out.v4.source = inet_addr("192.0.2.1");
		open->out.v4.sport = htons(40001);
	} else {
		inet_pton(AF_INET6, "2001:db8:2::77", &open->out.v6.source);
		open->out.v6.sport = htons(40001);
	}
}

static void is_from_to(const struct sent *sent, const char *from, const char *to)
{
	const uint8_t *ip = sent->data + sent->l3;
	const bool v6 = strchr(from, ':');
	uint8_t a[16], b[16];

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, from, a), 1);
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, to, b), 1);
	assert_memory_equal(ip + (v6 ? 8 : 12), a, v6 ? 16 : 4);
	assert_memory_equal(ip + (v6 ? 24 : 16), b, v6 ? 16 : 4);
}

static const uint8_t *l4_of(const struct sent *sent)
{
	const uint8_t *ip = sent->data + sent->l3;

	return ip + (ip[0] >> 4 == 4 ? 20 : 40);
}

static void both_directions_are_rewritten(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct probe a = v6 ? there6 : there, b = v6 ? back6 : back;
		struct support *s = setup();

		gate.change = to_another_server;
		second.change = from_another_client;
		b.from = v6 ? "2001:db8:ffff::99" : "198.51.100.99";
		b.to = v6 ? "2001:db8:2::77" : "192.0.2.1";
		b.sport = 5353;
		b.dport = 40001;
		pass(s, &a, LAN);
		assert_int_equal(s->n_sent, 1);
		is_from_to(&s->sent[0], b.to, b.from);
		assert_int_equal(bytes_get16(l4_of(&s->sent[0])), 40001);
		assert_int_equal(bytes_get16(l4_of(&s->sent[0]) + 2), 5353);
		pass(s, &b, WAN);
		assert_int_equal(s->n_sent, 2);
		is_from_to(&s->sent[1], a.to, a.from);
		assert_int_equal(bytes_get16(l4_of(&s->sent[1])), 53);
		assert_int_equal(bytes_get16(l4_of(&s->sent[1]) + 2), 1000);
		assert_int_equal(gate.asked, 1);
		teardown(s); /* looks at the checksums */
	}
	(void)state;
}

static void echo_identifiers_are_rewritten(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const uint8_t protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		const struct probe ask = { .from = v6 ? CLIENT6 : CLIENT,
					   .to = v6 ? SERVER6 : SERVER,
					   .protocol = protocol,
					   .icmp_type = v6 ? 128 : 8,
					   .icmp_id = 7 };
		const struct probe answer = { .from = ask.to,
					      .to = v6 ? "2001:db8:2::77" : "192.0.2.1",
					      .protocol = protocol,
					      .icmp_type = v6 ? 129 : 0,
					      .icmp_id = 40001 };
		struct support *s = setup();

		gate.change = from_another_client;
		pass(s, &ask, LAN);
		assert_int_equal(s->n_sent, 1);
		assert_int_equal(bytes_get16(l4_of(&s->sent[0]) + 4), 40001);
		pass(s, &answer, WAN);
		assert_int_equal(s->n_sent, 2);
		is_from_to(&s->sent[1], ask.to, ask.from);
		assert_int_equal(bytes_get16(l4_of(&s->sent[1]) + 4), 7);
		teardown(s);
	}
	(void)state;
}

/* An ICMP error of type 3 code 1 (1/3) about the packet at `quoted`, from a router on the way. */
static struct packet *error_about(struct support *s, const struct sent *quoted, const char *from,
				  const char *to)
{
	const bool v6 = strchr(from, ':');
	const struct probe probe = { .from = from,
				     .to = to,
				     .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				     .icmp_type = v6 ? 1 : 3,
				     .ip_len = (uint16_t)((v6 ? 48 : 28) + 60) };
	uint8_t frame[512];
	const uint32_t len = support_build(&probe, frame);
	uint8_t *icmp = frame + 14 + (v6 ? 40 : 20);
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;

	icmp[1] = v6 ? 3 : 1;
	memset(icmp + 4, 0, 4);
	memcpy(icmp + 8, quoted->data + quoted->l3, 60);
	bytes_store16(icmp + 2, 0);
	if (v6) {
		for (unsigned i = 8; i < 40; i += 2)
			sum += bytes_get16(ip + i);
		sum += 68 + IPPROTO_ICMPV6;
	}
	bytes_put16(icmp + 2, support_checksum(icmp, 68, sum));
	return support_packet(s, frame, len, WAN);
}

static void an_error_about_a_translated_flow_finds_its_sender(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct probe *a = v6 ? &there6 : &there;
		struct support *s = setup();
		struct packet *p;
		const uint8_t *inner;

		gate.change = to_another_server;
		second.change = from_another_client;
		pass(s, a, LAN);
		p = error_about(s, &s->sent[0], v6 ? "2001:db8:2::5" : "192.0.2.5",
				v6 ? "2001:db8:2::77" : "192.0.2.1");
		support_run_chain(s, chain, &p, 1);
		assert_int_equal(p->verdict, PACKET_TX);
		assert_int_equal(gate.last.class, FLOW_CLASS_RELATED);
		assert_int_equal(s->n_sent, 2);
		assert_int_equal(s->sent[1].iface, LAN);
		is_from_to(&s->sent[1], v6 ? "2001:db8:2::5" : "192.0.2.5", a->from);
		/* inside: the packet as its sender knows it, IP checksum included */
		inner = l4_of(&s->sent[1]) + 8;
		is_from_to(&(struct sent){ .data = (uint8_t *)inner }, a->from, a->to);
		assert_int_equal(bytes_get16(inner + (v6 ? 40 : 20)), 1000);
		assert_int_equal(bytes_get16(inner + (v6 ? 40 : 20) + 2), 53);
		if (!v6)
			assert_int_equal(support_checksum(inner, 20, 0), 0);
		assert_int_equal(stats(s)->related, 1);
		teardown(s);
	}
	(void)state;
}

static void an_error_about_nothing_is_invalid(void **state)
{
	struct support *s = setup();
	struct packet *p;

	pass(s, &there, LAN);
	/* a port that nobody has used */
	bytes_put16(s->sent[0].data + s->sent[0].l3 + 20, 4711);
	p = error_about(s, &s->sent[0], "192.0.2.5", CLIENT);
	bytes_put16(s->sent[0].data + s->sent[0].l3 + 20, 1000);
	gate.verdict = NF_DROP;
	support_run_chain(s, chain, &p, 1);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(gate.last.class, FLOW_CLASS_INVALID);
	teardown(s);
	(void)state;
}

/* Whoever has not seen a packet of the flow may still know its ports: the answer to it, turned round
 * by nobody, or told to somebody else. */
static void an_error_that_its_sender_is_not_told_is_invalid(void **state)
{
	struct support *s = setup();
	struct packet *p;

	pass(s, &there, LAN);
	gate.verdict = NF_DROP;
	p = error_about(s, &s->sent[0], "192.0.2.5", SERVER);
	support_run_chain(s, chain, &p, 1);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(gate.last.class, FLOW_CLASS_INVALID);
	p = error_about(s, &s->sent[0], "192.0.2.5", "10.0.0.6");
	support_run_chain(s, chain, &p, 1);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(gate.last.class, FLOW_CLASS_INVALID);
	assert_int_equal(stats(s)->related, 0);
	teardown(s);
	(void)state;
}

static void an_error_about_a_flow_that_is_denied_now_ends_it(void **state)
{
	struct support *s = setup();
	struct packet *p;

	pass(s, &there, LAN);
	flow_policy_changed();
	at(s, s->dp.now_ns);
	second.verdict = NF_DROP;
	p = error_about(s, &s->sent[0], "192.0.2.5", CLIENT);
	support_run_chain(s, chain, &p, 1);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(p->reason, REASON);
	assert_int_equal(second.again, 1);
	assert_int_equal(second.asked, 1);
	assert_int_equal(second.closed, 1);
	assert_int_equal(stats(s)->related, 0);
	teardown(s);
	(void)state;
}

/* --- a full table --- */

static struct probe syn(unsigned i)
{
	return (struct probe){ .from = CLIENT,
			       .to = SERVER,
			       .protocol = IPPROTO_TCP,
			       .sport = (uint16_t)(1024 + i),
			       .dport = 80,
			       .tcp_flags = 2,
			       .seq = 1000 * i,
			       .window = 8192 };
}

static void establish(struct support *s, unsigned i)
{
	struct probe a = syn(i), b = a;

	pass(s, &a, LAN);
	b.from = SERVER;
	b.to = CLIENT;
	b.sport = 80;
	b.dport = a.sport;
	b.tcp_flags = 0x12;
	b.seq = 5000;
	b.ack = a.seq + 1;
	assert_int_equal(pass(s, &b, WAN)->verdict, PACKET_TX);
	a.tcp_flags = 0x10;
	a.seq++;
	a.ack = 5001;
	assert_int_equal(pass(s, &a, LAN)->verdict, PACKET_TX);
}

static void a_packet_out_of_the_window_counts_once_as_invalid(void **state)
{
	struct support *s = setup();
	struct probe far = syn(1);

	establish(s, 1);
	far.tcp_flags = 0x10;
	far.seq += 50000000;
	far.ack = 5001;
	gate.verdict = NF_DROP;
	assert_int_equal(pass(s, &far, LAN)->verdict, PACKET_DROP);
	assert_int_equal(gate.last.class, FLOW_CLASS_INVALID);
	assert_int_equal(stats(s)->invalid, 1);
	teardown(s);
	(void)state;
}

static void be_proxied(struct flow_open *open)
{
	open->flags |= FLOW_SEQ_OFFSET;
}

/* Behind a SYN proxy, too, an error has to quote a number that was sent. */
static void an_error_about_a_proxied_flow_quotes_its_window(void **state)
{
	struct support *s = setup();
	struct packet *p;
	uint8_t *seq;

	second.change = be_proxied;
	establish(s, 1);
	seq = s->sent[0].data + s->sent[0].l3 + 24;
	p = error_about(s, &s->sent[0], "192.0.2.5", CLIENT);
	support_run_chain(s, chain, &p, 1);
	assert_int_equal(p->verdict, PACKET_TX);
	assert_int_equal(stats(s)->related, 1);
	bytes_put32(seq, bytes_get32(seq) + 50000000);
	p = error_about(s, &s->sent[0], "192.0.2.5", CLIENT);
	bytes_put32(seq, bytes_get32(seq) - 50000000);
	gate.verdict = NF_DROP;
	support_run_chain(s, chain, &p, 1);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(gate.last.class, FLOW_CLASS_INVALID);
	assert_int_equal(stats(s)->related, 1);
	teardown(s);
	(void)state;
}

/* Both hosts have forgotten the connection: the client's SYNs, whatever their number, do not keep its
 * flow alive, and after the time that RFC 5382 gives it a new one takes its place. */
static void a_long_silent_connection_gives_way_to_a_syn(void **state)
{
	struct support *s = setup();
	uint64_t now = s->dp.now_ns;
	struct probe again = syn(1), ack;

	establish(s, 1);
	again.seq = 77777;
	for (unsigned i = 0; i < 7440; i++) {
		at(s, now += SECOND_NS);
		if (i % 60 == 0)
			assert_int_equal(pass(s, &again, LAN)->verdict, PACKET_TX);
	}
	assert_int_equal(gate.asked, 1);
	at(s, now += SECOND_NS);
	assert_int_equal(pass(s, &again, LAN)->verdict, PACKET_TX);
	assert_int_equal(gate.asked, 2);
	assert_int_equal(gate.closed, 1);
	assert_int_equal(stats(s)->reopened, 1);
	ack = (struct probe){ .from = SERVER,
			      .to = CLIENT,
			      .protocol = IPPROTO_TCP,
			      .sport = again.dport,
			      .dport = again.sport,
			      .tcp_flags = 0x12,
			      .seq = 1,
			      .ack = 77778 };
	assert_int_equal(pass(s, &ack, WAN)->verdict, PACKET_TX);
	teardown(s);
	(void)state;
}

static void half_open_flows_give_way_and_established_ones_stay(void **state)
{
	struct support *s = setup();
	unsigned refused = 0;

	for (unsigned i = 0; i < 100; i++)
		establish(s, i);
	s->n_sent = 0;
	for (unsigned i = 1000; i < 6000; i++) {
		const struct probe probe = syn(i);

		at(s, s->dp.now_ns + 1000);
		refused += pass(s, &probe, LAN)->verdict != PACKET_TX;
		s->n_sent = 0;
	}
	assert_true(refused < 50);
	assert_true(stats(s)->evicted > 3000);
	gate.asked = 0;
	for (unsigned i = 0; i < 100; i++) {
		struct probe a = syn(i);

		a.tcp_flags = 0x10;
		a.seq++;
		a.ack = 5001;
		assert_int_equal(pass(s, &a, LAN)->verdict, PACKET_TX);
	}
	assert_int_equal(gate.asked, 0);
	teardown(s);
	(void)state;
}

static void a_table_full_of_established_flows_refuses_by_name(void **state)
{
	struct support *s = setup();
	const struct probe late = syn(5000);
	struct packet *p;

	for (unsigned i = 0; i < 1024; i++) {
		establish(s, i);
		s->n_sent = 0;
	}
	p = pass(s, &late, LAN);
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(p->reason, DROP_FLOW_TABLE_FULL);
	assert_int_equal(gate.never_opened, 1);
	assert_int_equal(stats(s)->refused, 1);
	teardown(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_asked_once_for_both_directions),
		cmocka_unit_test(packets_of_a_new_flow_in_one_burst_ask_once),
		cmocka_unit_test(what_is_denied_leaves_no_flow_and_tells_who_was_asked_before),
		cmocka_unit_test(a_changed_policy_asks_again_and_ends_what_it_denies),
		cmocka_unit_test(flows_of_an_interface_without_a_chain_end_when_the_policy_changes),
		cmocka_unit_test(a_flow_that_another_worker_asks_for_is_not_counted_twice),
		cmocka_unit_test(a_route_that_moves_takes_the_next_packet_along),
		cmocka_unit_test(a_flow_ends_when_it_was_idle_and_its_functions_hear_of_it_once),
		cmocka_unit_test(packets_keep_a_flow_alive),
		cmocka_unit_test(a_function_is_told_the_interface_that_the_packet_takes),
		cmocka_unit_test(both_directions_are_rewritten),
		cmocka_unit_test(echo_identifiers_are_rewritten),
		cmocka_unit_test(an_error_about_a_translated_flow_finds_its_sender),
		cmocka_unit_test(an_error_about_nothing_is_invalid),
		cmocka_unit_test(an_error_that_its_sender_is_not_told_is_invalid),
		cmocka_unit_test(an_error_about_a_flow_that_is_denied_now_ends_it),
		cmocka_unit_test(a_packet_out_of_the_window_counts_once_as_invalid),
		cmocka_unit_test(an_error_about_a_proxied_flow_quotes_its_window),
		cmocka_unit_test(a_long_silent_connection_gives_way_to_a_syn),
		cmocka_unit_test(half_open_flows_give_way_and_established_ones_stay),
		cmocka_unit_test(a_table_full_of_established_flows_refuses_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
