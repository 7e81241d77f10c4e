/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments in the flow stage: one flow for all of a datagram, one answer, one rewriting. */
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
#include "src/flow_label.h"
#include "src/flow_policy.h"
#include "src/flow_route.h"
#include "src/flows.h"
#include "src/reassembly.h"
#include "support_fragment.h"
#include "support_packet.h"

#define REASON 900
#define EACH_FAMILY(f) for (unsigned f = 4; f <= 6; f += 2)

/* A stateless function, a stateful one, the router. */
static unsigned metered, asked, again;
static bool refuse, translate;

static void meter_process(struct nf *nf, struct datapath *dp, struct burst *burst)
{
	metered += burst->count;
	(void)nf;
	(void)dp;
}

static enum nf_verdict gate_open(struct nf *nf, struct datapath *dp, struct flow_open *open)
{
	open->again ? again++ : asked++;
	open->reason = REASON;
	if (translate && !open->again && open->out.family == 4) {
		open->out.v4.source = inet_addr("192.0.2.1");
		open->out.v4.sport = htons(40001);
	} else if (translate && !open->again) {
		inet_pton(AF_INET6, "2001:db8:2::77", &open->out.v6.source);
		open->out.v6.sport = htons(40001);
	}
	(void)nf;
	(void)dp;
	return refuse ? NF_DROP : NF_ACCEPT;
}

static const struct nf_ops meter_ops = { .abi = NF_ABI, .name = "meter", .process = meter_process };
static const struct nf_ops gate_ops = { .abi = NF_ABI, .name = "gate", .open = gate_open };

static struct {
	struct conf_where where;
	bool redirects;
} router_conf = { .redirects = true };

static struct nf functions[3] = {
	{ .ops = &meter_ops, .name = "a" },
	{ .ops = &gate_ops, .name = "b", .stateful = true },
	{ .name = "default", .conf = &router_conf, .drop_base = DROP_ENGINE_COUNT },
};
static struct chain *chain;

static void at(struct support *s, uint64_t ns)
{
	s->dp.now_ns = ns;
	s->dp.policy = flow_policy_generation();
	s->dp.route = flow_route_generation(s->fib.generation);
	flow_round(&s->dp);
}

static struct support *setup(void)
{
	struct flows_config config = { .ipv4 = 1024,
				       .ipv6 = 1024,
				       .fragments = {
					       .datagrams = 256, .held = 64, .timeout_ms = 1000 } };
	struct conf_errors *errors = conf_errors_new();
	void *timeouts = conf_struct_parse(&flow_timeouts_schema, "", errors);
	struct flow_functions *list = calloc(1, sizeof(*list));
	struct support *s = support_new();
	char why[256] = "";

	config.timeouts = *(struct flow_timeouts_config *)timeouts;
	conf_struct_free(timeouts);
	conf_errors_free(errors);
	metered = asked = again = 0;
	refuse = translate = false;
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
	flows_set_functions(s->dp.flows, list); /* nobody is told when a flow ends */
	at(s, clock_now_ns());
	return s;
}

static void teardown(struct support *s)
{
	assert_true(support_balanced(s));
	reassembly_drop_all(&s->dp);
	assert_int_equal(s->counters.held, 0);
	flows_free(s->dp.flows);
	flow_labels_stop();
	support_free(s);
	free(chain);
}

static struct packet *fragment(struct support *s, unsigned family, uint32_t id, unsigned start,
			       unsigned end, bool more)
{
	return support_cut(s, &(struct cut){ family, .id = id, .start = start, .end = end,
					     .more = more });
}

static struct packet *pass(struct support *s, struct packet *p)
{
	support_run_chain(s, chain, &p, 1);
	assert_true(support_balanced(s));
	return p;
}

static uint64_t opened(const struct support *s)
{
	return flow_worker(&s->dp)->stats.opened;
}

/* In every order of three, one by one and in one burst. */
static const unsigned orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
				       { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

static void send_three(struct support *s, unsigned family, const unsigned *order, bool burst)
{
	struct packet *p[3];

	for (unsigned i = 0; i < 3; i++) {
		p[i] = fragment(s, family, 7, order[i] * 64, order[i] * 64 + 64, order[i] < 2);
		if (!burst)
			pass(s, p[i]);
	}
	if (burst)
		support_run_chain(s, chain, p, 3);
}

static void a_datagram_is_one_flow_and_asks_once(void **state)
{
	EACH_FAMILY(family)
	{
		for (unsigned i = 0; i < 12; i++) {
			struct support *s = setup();

			send_three(s, family, orders[i / 2], i & 1);
			assert_int_equal(s->n_sent, 3);
			assert_int_equal(asked, 1);
			assert_int_equal(opened(s), 1);
			/* what stands before the flow stage has seen each packet once */
			assert_int_equal(metered, 3);
			teardown(s);
		}
	}
	(void)state;
}

static void a_denied_datagram_asks_once_and_nothing_of_it_leaves(void **state)
{
	EACH_FAMILY(family)
	{
		for (unsigned i = 0; i < 12; i++) {
			struct support *s = setup();

			refuse = true;
			send_three(s, family, orders[i / 2], i & 1);
			assert_int_equal(s->n_sent, 0);
			assert_int_equal(asked, 1);
			assert_int_equal(s->counters.drops[REASON], 1);
			assert_int_equal(s->counters.drops[DROP_FRAGMENT_DENIED], 2);
			assert_int_equal(s->counters.held, 0);
			teardown(s);
		}
	}
	(void)state;
}

/* A datagram of three, put together. */
struct whole {
	uint8_t addresses[32], payload[192];
};

static void put_together(struct whole *w, unsigned family, const uint8_t *ip)
{
	const unsigned at = family == 4 ? (bytes_get16(ip + 6) & 0x1fff) * 8u :
					  bytes_get16(ip + 42) & 0xfff8u;

	memcpy(w->payload + at, ip + (family == 4 ? 20 : 48), 64);
	memcpy(w->addresses, ip + (family == 4 ? 12 : 8), family == 4 ? 8 : 32);
}

/* What its checksum's sum comes to. */
static uint16_t residue(const struct whole *w)
{
	return support_checksum(w->payload, sizeof(w->payload),
				(uint16_t)~support_checksum(w->addresses, 32, 0));
}

static bool same_addresses(const struct support *s, unsigned family)
{
	const unsigned at = family == 4 ? 12 : 8, n = family == 4 ? 8 : 32;

	return !memcmp(s->sent[0].data + 14 + at, s->sent[1].data + 14 + at, n) &&
	       !memcmp(s->sent[0].data + 14 + at, s->sent[2].data + 14 + at, n);
}

/* The checksum in the first fragment is over all of them, and wrong by as much as it was before. */
static void a_translated_datagram_is_whole_at_the_other_end(void **state)
{
	EACH_FAMILY(family)
	{
		for (unsigned i = 0; i < 12; i++) {
			struct whole before = { 0 }, after = { 0 };
			struct support *s = setup();

			for (unsigned k = 0; k < 3; k++)
				put_together(
					&before, family,
					fragment(s, family, 7, k * 64, k * 64 + 64, k < 2)->data +
						14);
			translate = true;
			send_three(s, family, orders[i / 2], i & 1);
			assert_int_equal(s->n_sent, 3);
			for (unsigned k = 0; k < 3; k++) {
				const uint8_t *ip = s->sent[k].data + s->sent[k].l3;

				put_together(&after, family, ip);
				if (family == 4)
					assert_int_equal(support_checksum(ip, 20, 0), 0);
			}
			assert_true(same_addresses(s, family));
			assert_memory_not_equal(before.addresses, after.addresses, 32);
			assert_int_equal(bytes_get16(after.payload), 40001);
			assert_memory_equal(before.payload + 8, after.payload + 8, 184);
			assert_int_equal(residue(&before), residue(&after));
			teardown(s);
		}
	}
	(void)state;
}

static void a_later_fragment_opens_no_flow(void **state)
{
	EACH_FAMILY(family)
	{
		struct support *s = setup();

		pass(s, fragment(s, family, 1, 64, 128, true));
		assert_int_equal(asked, 0);
		assert_int_equal(s->counters.held, 1);
		at(s, s->dp.now_ns + 1000000000);
		reassembly_poll(&s->dp);
		assert_int_equal(s->counters.drops[DROP_FRAGMENT_TIMEOUT], 1);
		teardown(s);
	}
	(void)state;
}

/* Asked again of an established flow by a packet that shows no ports. */
static void a_changed_policy_is_asked_by_a_later_fragment_too(void **state)
{
	EACH_FAMILY(family)
	{
		struct support *s = setup();

		pass(s, fragment(s, family, 1, 0, 64, true));
		flow_policy_changed();
		at(s, s->dp.now_ns);
		assert_int_equal(pass(s, fragment(s, family, 1, 64, 128, true))->verdict,
				 PACKET_TX);
		assert_int_equal(again, 1);
		flow_policy_changed();
		at(s, s->dp.now_ns);
		refuse = true;
		assert_int_equal(pass(s, fragment(s, family, 1, 128, 192, true))->reason, REASON);
		/* the flow has ended: the rest of the datagram has none */
		assert_int_equal(pass(s, fragment(s, family, 1, 192, 200, false))->reason,
				 DROP_FRAGMENT_DENIED);
		assert_int_equal(asked, 1);
		teardown(s);
	}
	(void)state;
}

static void an_echo_and_its_reply_in_fragments_are_one_flow(void **state)
{
	EACH_FAMILY(family)
	{
		struct support *s = setup();
		struct cut cut = { family, .id = 1, .end = 64, .more = true };

		cut.protocol = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		cut.icmp_type = family == 4 ? 8 : 128;
		pass(s, support_cut(s, &cut));
		cut.start = 64;
		cut.end = 100;
		cut.more = false;
		assert_int_equal(pass(s, support_cut(s, &cut))->verdict, PACKET_TX);
		assert_int_equal(s->n_sent, 2);
		assert_int_equal(asked, 1);
		assert_int_equal(opened(s), 1);
		teardown(s);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_is_one_flow_and_asks_once),
		cmocka_unit_test(a_denied_datagram_asks_once_and_nothing_of_it_leaves),
		cmocka_unit_test(a_translated_datagram_is_whole_at_the_other_end),
		cmocka_unit_test(a_later_fragment_opens_no_flow),
		cmocka_unit_test(a_changed_policy_is_asked_by_a_later_fragment_too),
		cmocka_unit_test(an_echo_and_its_reply_in_fragments_are_one_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
