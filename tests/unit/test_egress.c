/* SPDX-License-Identifier: Apache-2.0 */
/* Egress: each kind of next hop, the link-layer header, groups, MTU. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/egress.h"
#include "src/parse.h"
#include "support_packet.h"

/* Parse and route one packet as a function without opinions would. */
static struct packet *send_one(struct support *s, const struct probe *probe)
{
	struct packet *p = support_probe(s, probe, LAN);

	s->counters.rx_packets++;
	assert_int_equal(parse_packet(p), DROP_NONE);
	egress_route(&s->dp, &p, 1);
	datapath_finish(&s->dp, &p, 1);
	egress_flush(&s->dp);
	return p;
}

static void done(struct support *s)
{
	assert_true(support_balanced(s));
	support_free(s);
}

static const struct probe to4 = { .from = "10.0.0.5", .to = "203.0.113.9" };
static const struct probe to6 = { .from = "2001:db8:1::5", .to = "2001:db8:bad::9" };

struct kind_case {
	enum nexthop_kind kind;
	uint16_t reason;
	int type4, code4, type6, code6; /* of the ICMP error; type -1: none */
};

static void each_kind_of_next_hop_has_its_name_and_its_error(void **state)
{
	static const struct kind_case cases[] = {
		{ NEXTHOP_NONE, DROP_NO_ROUTE, 3, 0, 1, 0 },
		{ NEXTHOP_FAILED, DROP_NEIGHBOUR_FAILED, 3, 1, 1, 3 },
		{ NEXTHOP_BLACKHOLE, DROP_BLACKHOLE, -1, 0, -1, 0 },
		{ NEXTHOP_UNREACHABLE, DROP_UNREACHABLE, 3, 1, 1, 0 },
		{ NEXTHOP_PROHIBIT, DROP_PROHIBIT, 3, 13, 1, 1 },
		{ NEXTHOP_LOCAL, DROP_LOCAL, -1, 0, -1, 0 },
		{ NEXTHOP_BROADCAST, DROP_BROADCAST, -1, 0, -1, 0 },
		{ NEXTHOP_NOT_A_PORT, DROP_NOT_A_PORT, 3, 0, 1, 0 },
		{ NEXTHOP_DOWN, DROP_EGRESS_DOWN, 3, 0, 1, 0 },
	};

	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const struct kind_case *c = &cases[i / 2];
		const bool six = i & 1;
		struct support *s = support_new();
		struct packet *p;

		support_hop(s, HOP_TEST, c->kind, WAN, six ? "fe80::9" : "192.0.2.9");
		support_route(s, six ? "2001:db8:bad::/48" : "203.0.113.0/24", HOP_TEST);
		p = send_one(s, six ? &to6 : &to4);
		assert_int_equal(p->verdict, PACKET_DROP);
		assert_int_equal(p->reason, c->reason);
		assert_int_equal(s->n_sent, (six ? c->type6 : c->type4) >= 0);
		if (s->n_sent) {
			const uint8_t *icmp = s->sent[0].data + 14 + (six ? 40 : 20);

			assert_int_equal(s->sent[0].iface, LAN);
			assert_int_equal(icmp[0], six ? c->type6 : c->type4);
			assert_int_equal(icmp[1], six ? c->code6 : c->code4);
			assert_true(
				support_checksums_good(s->sent[0].data + 14, s->sent[0].len - 14));
		}
		/* who failed to answer is asked again, for he may have come back */
		assert_int_equal(s->n_asked, c->kind == NEXTHOP_FAILED);
		done(s);
	}
	(void)state;
}

static void no_route_at_all_is_the_same(void **state)
{
	struct support *s = support_new();

	support_route(s, "0.0.0.0/0", 0);
	assert_int_equal(send_one(s, &to4)->reason, DROP_NO_ROUTE);
	assert_int_equal(s->n_sent, 1);
	done(s);
	(void)state;
}

/* From every kind of ingress header to every kind of egress header. */
static void header_changes_its_length_with_the_vlans(void **state)
{
	static const uint16_t tags[3][2] = { { 0, 0 }, { 100, 0 }, { 100, 200 } };

	for (unsigned i = 0; i < 18; i++) {
		const unsigned in = i % 3, out = i / 3 % 3;
		const bool six = i >= 9;
		struct probe probe = six ? to6 : to4;
		struct support *s = support_new();
		struct nexthop *nh = support_hop(s, HOP_TEST, NEXTHOP_FORWARD, WAN, NULL);
		uint8_t before[256];
		struct packet *p;

		probe.vlan = tags[in][0];
		probe.outer_vlan = tags[in][1];
		nh->l2_len = (uint8_t)(14 + 4 * out);
		for (unsigned k = 12; k < sizeof(nh->l2); k++)
			nh->l2[k] = (uint8_t)(0xc0 + k);
		support_route(s, six ? "2001:db8:bad::/48" : "203.0.113.0/24", HOP_TEST);
		memcpy(before, support_probe(s, &probe, LAN)->data + 14 + 4 * in, 100);
		p = send_one(s, &probe);
		assert_int_equal(p->verdict, PACKET_TX);
		assert_int_equal(p->l3, 14 + 4 * out);
		assert_int_equal(p->len, 114 + 4 * out);
		assert_int_equal(p->first_len, p->len);
		assert_int_equal(p->l4, p->l3 + (six ? 40 : 20));
		assert_memory_equal(p->data, nh->l2, nh->l2_len - 2);
		assert_int_equal(bytes_get16(p->data + p->l3 - 2), six ? 0x86dd : 0x0800);
		assert_memory_equal(packet_l3(p), before, 100);
		assert_int_equal(p->out_port, nh->port);
		assert_int_equal(p->out_iface, WAN);
		assert_int_equal(nh->used, 1);
		done(s);
	}
	(void)state;
}

static void ip4_goes_by_a_next_hop_of_ip6(void **state)
{
	struct support *s = support_new();

	support_route(s, "203.0.113.0/24", HOP_WAN6);
	assert_int_equal(send_one(s, &to4)->verdict, PACKET_TX);
	assert_memory_equal(s->sent[0].data, s->hop[HOP_WAN6].l2, 12);
	assert_int_equal(bytes_get16(s->sent[0].data + 12), 0x0800);
	done(s);
	(void)state;
}

static void on_link_destination_is_its_own_neighbour(void **state)
{
	static const struct probe probes[] = {
		{ .from = "10.0.0.5", .to = "192.0.2.5" },
		{ .from = "2001:db8:1::5", .to = "2001:db8:2::5" },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct support *s = support_new();

		assert_int_equal(send_one(s, &probes[i])->verdict, PACKET_TX);
		assert_int_equal(s->sent[0].iface, WAN);
		assert_memory_equal(s->sent[0].data, ((uint8_t[]){ 2, 0xaa, 0, 0, 1, 5 }), 6);
		assert_int_equal(s->n_asked, 0);
		done(s);
	}
	(void)state;
}

static void the_smaller_mtu_of_route_and_neighbour_counts(void **state)
{
	const struct probe probe = {
		.from = "10.0.0.5", .to = "192.0.2.5", .ip_len = 1300, .fragment = 0x4000
	};
	struct support *s = support_new();

	s->hop[HOP_WAN_LINK].mtu = 1280;
	assert_int_equal(send_one(s, &probe)->reason, DROP_TOO_BIG);
	assert_int_equal(bytes_get16(s->sent[0].data + 14 + 20 + 6), 1280);
	s->hop[HOP_WAN_LINK].mtu = 9000;
	assert_int_equal(send_one(s, &probe)->verdict, PACKET_TX);
	done(s);
	(void)state;
}

static void make_group(struct support *s, uint32_t *buckets, unsigned n)
{
	struct nexthop *group = support_hop(s, HOP_TEST, NEXTHOP_GROUP, WAN, NULL);

	for (unsigned i = 0; i < n; i++)
		buckets[i] = HOP_TEST + 1 + i % 4;
	for (unsigned i = 1; i <= 4; i++)
		support_hop(s, HOP_TEST + i, NEXTHOP_FORWARD, WAN, NULL);
	group->buckets = buckets;
	group->bucket_mask = n - 1;
	group->mtu = 0;
	support_route(s, "203.0.113.0/24", HOP_TEST);
	support_route(s, "2001:db8:bad::/48", HOP_TEST);
}

static void a_group_spreads_flows_and_keeps_each_together(void **state)
{
	uint32_t buckets[64];
	struct support *s = support_new();
	unsigned taken[4] = { 0 };

	make_group(s, buckets, 64);
	for (unsigned i = 0; i < 400; i++) {
		struct probe probe = i & 1 ? to6 : to4;
		struct packet *p;

		probe.sport = (uint16_t)(2000 + i);
		p = send_one(s, &probe);
		assert_int_equal(p->verdict, PACKET_TX);
		taken[p->nexthop - HOP_TEST - 1]++;
		assert_int_equal(send_one(s, &probe)->nexthop, p->nexthop);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(taken[i], 60, 140);
	done(s);
	(void)state;
}

/* A worker gets the flows of one residue of the hash: each of its members still has work. */
static void a_group_does_not_follow_the_spread_over_workers(void **state)
{
	uint32_t buckets[4];

	for (unsigned by = 0; by < 2; by++) {
		struct support *s = support_new();
		unsigned taken[4] = { 0 }, sent = 0;

		make_group(s, buckets, 4);
		for (unsigned i = 0; sent < 200; i++) {
			struct probe probe = to4;
			struct packet *p;

			probe.sport = (uint16_t)(2000 + i);
			p = support_probe(s, &probe, LAN);
			parse_packet(p);
			if (by ? p->hash % 4 : p->hash >> 30)
				continue;
			taken[send_one(s, &probe)->nexthop - HOP_TEST - 1]++;
			sent++;
		}
		for (unsigned i = 0; i < 4; i++)
			assert_in_range(taken[i], 25, 75);
		done(s);
	}
	(void)state;
}

static void a_groups_own_mtu_counts(void **state)
{
	uint32_t buckets[4];
	struct support *s = support_new();
	struct probe probe = to6;

	probe.ip_len = 1400;
	make_group(s, buckets, 4);
	s->hop[HOP_TEST].mtu = 1300;
	assert_int_equal(send_one(s, &probe)->reason, DROP_TOO_BIG);
	assert_int_equal(bytes_get32(s->sent[0].data + 14 + 40 + 4), 1300);
	done(s);
	(void)state;
}

static void too_big_is_told_with_the_mtu(void **state)
{
	for (unsigned six = 0; six < 2; six++) {
		struct probe probe = six ? to6 : to4;
		struct support *s = support_new();
		const uint8_t *icmp;

		probe.ip_len = 1401;
		probe.fragment = 0x4000;
		s->hop[six ? HOP_WAN6 : HOP_WAN].mtu = 1400;
		assert_int_equal(send_one(s, &probe)->reason, DROP_TOO_BIG);
		assert_int_equal(s->n_sent, 1);
		icmp = s->sent[0].data + 14 + (six ? 40 : 20);
		assert_int_equal(icmp[0], six ? 2 : 3);
		assert_int_equal(icmp[1], six ? 0 : 4);
		assert_int_equal(bytes_get32(icmp + 4), 1400);
		probe.ip_len = 1400;
		assert_int_equal(send_one(s, &probe)->verdict, PACKET_TX);
		done(s);
	}
	(void)state;
}

static void a_mixed_burst_keeps_its_packets_apart(void **state)
{
	struct support *s = support_new();
	struct packet *packets[BURST_MAX];

	for (unsigned i = 0; i < BURST_MAX; i++) {
		const struct probe probe = {
			.from = i % 3 ? "10.0.0.5" : "2001:db8:1::5",
			.to = i % 3 == 0 ? "2001:db8:2::5" :
			      i % 3 == 1 ? "192.0.2.5" :
					   "8.8.8.8",
			.sport = (uint16_t)(i + 1),
		};

		packets[i] = support_probe(s, &probe, LAN);
		assert_int_equal(parse_packet(packets[i]), DROP_NONE);
	}
	s->counters.rx_packets = BURST_MAX;
	egress_route(&s->dp, packets, BURST_MAX);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		assert_int_equal(packets[i]->verdict, PACKET_TX);
		assert_int_equal(packets[i]->data[5], i % 3 == 2 ? HOP_WAN : 5);
		assert_int_equal(bytes_get16(packet_l4(packets[i])), i + 1);
	}
	datapath_finish(&s->dp, packets, BURST_MAX);
	done(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_next_hop_has_its_name_and_its_error),
		cmocka_unit_test(no_route_at_all_is_the_same),
		cmocka_unit_test(header_changes_its_length_with_the_vlans),
		cmocka_unit_test(ip4_goes_by_a_next_hop_of_ip6),
		cmocka_unit_test(on_link_destination_is_its_own_neighbour),
		cmocka_unit_test(the_smaller_mtu_of_route_and_neighbour_counts),
		cmocka_unit_test(a_group_spreads_flows_and_keeps_each_together),
		cmocka_unit_test(a_group_does_not_follow_the_spread_over_workers),
		cmocka_unit_test(a_groups_own_mtu_counts),
		cmocka_unit_test(too_big_is_told_with_the_mtu),
		cmocka_unit_test(a_mixed_burst_keeps_its_packets_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
