/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that wait for their neighbour: who is asked, who goes when and in which order. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/egress.h"
#include "src/neighbour_wait.h"
#include "src/parse.h"
#include "support_packet.h"

#define MS 1000000ull

static const char to4[] = "192.0.2.77", to6[] = "2001:db8:2::77";

static struct packet *send_numbered(struct support *s, const char *to, uint16_t number)
{
	const struct probe probe = { .from = strchr(to, ':') ? "2001:db8:1::5" : "10.0.0.5",
				     .to = to,
				     .sport = number };
	struct packet *p = support_probe(s, &probe, LAN);

	s->counters.rx_packets++;
	assert_int_equal(parse_packet(p), DROP_NONE);
	egress_route(&s->dp, &p, 1);
	datapath_finish(&s->dp, &p, 1);
	egress_flush(&s->dp);
	assert_true(support_balanced(s));
	return p;
}

static void poll_after(struct support *s, uint64_t ns)
{
	s->dp.now_ns += ns;
	neighbour_wait_poll(&s->dp);
	assert_true(support_balanced(s));
}

/* The number that send_numbered() gave to what was sent as i-th. */
static unsigned number_of(const struct support *s, unsigned i)
{
	const uint8_t *ip = s->sent[i].data + s->sent[i].l3;

	return bytes_get16(ip + (ip[0] >> 4 == 4 ? 20 : 40));
}

static void a_packet_waits_until_its_neighbour_answers(void **state)
{
	static const char *const to[] = { to4, to6 };

	for (unsigned i = 0; i < 2; i++) {
		struct support *s = support_new();
		const struct ip_addr addr = support_addr(to[i]);
		struct packet *p = send_numbered(s, to[i], 1);

		assert_int_equal(p->verdict, PACKET_STOLEN);
		assert_int_equal(s->counters.waiting, 1);
		assert_int_equal(s->n_asked, 1);
		assert_int_equal(s->asked[0].iface, WAN);
		assert_int_equal(s->asked[0].addr.family, addr.family);
		assert_memory_equal(&s->asked[0].addr.addr, &addr.addr, 16);
		p->data = NULL; /* its descriptor is the burst's, and is used again */
		support_neighbour(s, WAN, to[i], NEXTHOP_INCOMPLETE);
		poll_after(s, MS);
		assert_int_equal(s->counters.waiting, 1);
		assert_int_equal(s->n_sent, 0);
		support_neighbour(s, WAN, to[i], NEXTHOP_FORWARD);
		poll_after(s, MS);
		assert_int_equal(s->counters.waiting, 0);
		assert_int_equal(s->n_sent, 1);
		assert_int_equal(s->sent[0].iface, WAN);
		assert_int_equal(s->sent[0].data[5], addr.addr.s6_addr[15]);
		support_free(s);
	}
	(void)state;
}

static void a_gateway_is_asked_for_in_its_own_family(void **state)
{
	struct support *s = support_new();

	support_hop(s, HOP_TEST, NEXTHOP_INCOMPLETE, WAN, "fe80::9");
	support_route(s, "203.0.113.0/24", HOP_TEST);
	send_numbered(s, "203.0.113.9", 1);
	send_numbered(s, "203.0.113.10", 2);
	assert_int_equal(s->n_asked, 1); /* one neighbour */
	assert_int_equal(s->asked[0].addr.family, 6);
	assert_memory_equal(&s->asked[0].addr.addr, support_addr("fe80::9").addr.s6_addr, 16);
	support_hop(s, HOP_TEST, NEXTHOP_FORWARD, WAN, "fe80::9");
	poll_after(s, MS);
	assert_int_equal(s->n_sent, 2);
	support_free(s);
	(void)state;
}

static void packets_leave_in_the_order_in_which_they_came(void **state)
{
	struct support *s = support_new();

	for (uint16_t i = 1; i <= 10; i++)
		send_numbered(s, i & 1 ? to4 : to6, i);
	support_neighbour(s, WAN, to4, NEXTHOP_FORWARD);
	support_neighbour(s, WAN, to6, NEXTHOP_FORWARD);
	poll_after(s, MS);
	assert_int_equal(s->n_sent, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(number_of(s, i), i + 1);
	support_free(s);
	(void)state;
}

/* The neighbour answered, and before the next poll comes another packet of the flow. */
static void a_late_packet_does_not_overtake_those_that_wait(void **state)
{
	struct support *s = support_new();

	for (uint16_t i = 1; i <= 3; i++)
		send_numbered(s, to4, i);
	send_numbered(s, to6, 9);
	support_neighbour(s, WAN, to4, NEXTHOP_FORWARD);
	send_numbered(s, to4, 4);
	assert_int_equal(s->n_sent, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(number_of(s, i), i + 1);
	assert_int_equal(s->counters.waiting, 1);
	support_free(s);
	(void)state;
}

static void one_neighbour_holds_the_newest_packets_only(void **state)
{
	struct support *s = support_new();

	send_numbered(s, to6, 100);
	for (uint16_t i = 1; i <= WAIT_PER_NEIGHBOUR + 5; i++)
		send_numbered(s, to4, i);
	assert_int_equal(s->counters.waiting, WAIT_PER_NEIGHBOUR + 1);
	assert_int_equal(s->counters.drops[DROP_NEIGHBOUR_QUEUE], 5);
	support_neighbour(s, WAN, to4, NEXTHOP_FORWARD);
	poll_after(s, MS);
	assert_int_equal(s->n_sent, WAIT_PER_NEIGHBOUR);
	for (unsigned i = 0; i < s->n_sent; i++)
		assert_int_equal(number_of(s, i), i + 6);
	support_free(s);
	(void)state;
}

static void a_scan_does_not_keep_others_from_waiting(void **state)
{
	struct support *s = support_new();
	char to[32];

	s->dp.icmp_rate = 0;
	for (unsigned i = 0; i < 3 * WAIT_PACKETS; i++) {
		snprintf(to, sizeof(to), "2001:db8:2::%x:1", i + 1);
		send_numbered(s, to, 1);
	}
	assert_int_equal(s->counters.waiting, WAIT_PACKETS);
	assert_int_equal(s->counters.drops[DROP_NEIGHBOUR_QUEUE], 2 * WAIT_PACKETS);
	assert_true(s->n_asked <= 256); /* in a quarter of a second */
	send_numbered(s, to4, 2);
	support_neighbour(s, WAN, to4, NEXTHOP_FORWARD);
	poll_after(s, MS);
	assert_int_equal(s->n_sent, 1);
	assert_int_equal(number_of(s, 0), 2);
	support_free(s);
	(void)state;
}

static void a_neighbour_is_asked_for_a_few_times_a_second(void **state)
{
	struct support *s = support_new();

	for (unsigned i = 0; i < 1000; i++) {
		send_numbered(s, to4, 1);
		poll_after(s, MS);
	}
	assert_in_range(s->n_asked, 4, 5);
	support_free(s);
	(void)state;
}

/* A question can be lost on its way to the kernel. */
static void waiting_packets_have_it_asked_again(void **state)
{
	struct support *s = support_new();

	send_numbered(s, to4, 1);
	for (unsigned i = 0; i < 100; i++)
		poll_after(s, 10 * MS);
	assert_in_range(s->n_asked, 4, 5);
	support_free(s);
	(void)state;
}

static void who_fails_to_answer_is_reported(void **state)
{
	static const char *const to[] = { to4, to6 };

	for (unsigned i = 0; i < 2; i++) {
		struct support *s = support_new();
		const unsigned icmp = i ? 40 : 20;

		send_numbered(s, to[i], 1);
		send_numbered(s, to[i], 2);
		support_neighbour(s, WAN, to[i], NEXTHOP_FAILED);
		poll_after(s, MS);
		assert_int_equal(s->counters.drops[DROP_NEIGHBOUR_FAILED], 2);
		assert_int_equal(s->counters.waiting, 0);
		assert_int_equal(s->n_sent, 2);
		for (unsigned k = 0; k < 2; k++) {
			const uint8_t *ip = s->sent[k].data + 14;

			assert_int_equal(s->sent[k].iface, LAN);
			assert_int_equal(bytes_get16(ip + icmp), i ? 0x0103 : 0x0301);
			assert_int_equal(bytes_get16(ip + icmp + 8 + icmp), k + 1);
		}
		support_free(s);
	}
	(void)state;
}

static void nobody_waits_for_ever(void **state)
{
	struct support *s = support_new();

	send_numbered(s, to4, 1);
	poll_after(s, 1000 * MS);
	send_numbered(s, to6, 2);
	poll_after(s, WAIT_NS - 1000 * MS - 1);
	assert_int_equal(s->counters.waiting, 2);
	poll_after(s, 1);
	assert_int_equal(s->counters.waiting, 1);
	assert_int_equal(s->counters.drops[DROP_NEIGHBOUR_TIMEOUT], 1);
	assert_int_equal(s->n_sent, 1); /* the sender was told */
	assert_int_equal(bytes_get16(s->sent[0].data + 34), 0x0301);
	poll_after(s, 1000 * MS);
	assert_int_equal(s->counters.waiting, 0);
	assert_int_equal(s->counters.drops[DROP_NEIGHBOUR_TIMEOUT], 2);
	support_free(s);
	(void)state;
}

static void a_route_that_moves_takes_waiting_packets_along(void **state)
{
	struct support *s = support_new();

	support_hop(s, HOP_TEST, NEXTHOP_INCOMPLETE, WAN, "192.0.2.9");
	support_route(s, "203.0.113.0/24", HOP_TEST);
	support_route(s, "198.51.100.0/24", HOP_TEST);
	send_numbered(s, "203.0.113.9", 1);
	send_numbered(s, "198.51.100.9", 2);
	send_numbered(s, "203.0.113.9", 3);
	support_route(s, "203.0.113.0/24", HOP_WAN);
	poll_after(s, MS);
	assert_int_equal(s->n_sent, 2);
	assert_int_equal(number_of(s, 0), 1);
	assert_int_equal(number_of(s, 1), 3);
	assert_int_equal(s->counters.waiting, 1);
	support_hop(s, HOP_TEST + 1, NEXTHOP_INCOMPLETE, WAN, "192.0.2.10");
	support_route(s, "198.51.100.0/24", HOP_TEST + 1); /* to another one to wait for */
	poll_after(s, 250 * MS);
	assert_int_equal(s->counters.waiting, 1);
	support_hop(s, HOP_TEST + 1, NEXTHOP_FORWARD, WAN, "192.0.2.10");
	poll_after(s, MS);
	assert_int_equal(s->n_sent, 3);
	support_free(s);
	(void)state;
}

static void too_big_after_waiting_is_still_too_big(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = to4, .ip_len = 1500 };
	struct support *s = support_new();
	struct packet *p = support_probe(s, &probe, LAN);

	s->counters.rx_packets++;
	parse_packet(p);
	s->iface[WAN].mtu = 1000;
	egress_route(&s->dp, &p, 1);
	assert_int_equal(p->verdict, PACKET_STOLEN);
	support_neighbour(s, WAN, to4, NEXTHOP_FORWARD);
	poll_after(s, MS);
	assert_int_equal(s->counters.drops[DROP_FRAGMENTED], 1);
	assert_int_equal(s->n_sent, 2);
	support_free(s);
	(void)state;
}

static void the_worker_knows_how_long_it_may_sleep(void **state)
{
	struct support *s = support_new();
	uint64_t start = s->dp.now_ns;

	assert_true(neighbour_wait_next_ns(&s->dp) == UINT64_MAX);
	send_numbered(s, to4, 1);
	poll_after(s, 1);
	assert_in_range(neighbour_wait_next_ns(&s->dp), s->dp.now_ns + 1, s->dp.now_ns + 250 * MS);
	s->fib.generation++; /* something changed: soon, but not at once */
	assert_in_range(neighbour_wait_next_ns(&s->dp), s->dp.now_ns + 1, s->dp.now_ns + MS);
	while (s->counters.waiting) {
		const uint64_t next = neighbour_wait_next_ns(&s->dp);

		assert_true(next > s->dp.now_ns && next <= start + WAIT_NS);
		poll_after(s, next - s->dp.now_ns);
	}
	assert_int_equal(s->dp.now_ns, start + WAIT_NS);
	assert_true(neighbour_wait_next_ns(&s->dp) == UINT64_MAX);
	support_free(s);
	(void)state;
}

static void routes_that_change_all_the_time_cost_little(void **state)
{
	struct support *s = support_new();
	unsigned retries = 0;
	uint64_t due = 0;

	send_numbered(s, to4, 1);
	poll_after(s, MS);
	for (unsigned i = 0; i < 10000; i++) {
		s->fib.generation++;
		if (neighbour_wait_next_ns(&s->dp) != due)
			retries++;
		due = neighbour_wait_next_ns(&s->dp);
		poll_after(s, 1000);
	}
	assert_in_range(retries, 40, 60); /* in 10 ms */
	support_free(s);
	(void)state;
}

/* A long random life: nothing is lost, doubled, or out of order for its neighbour. */
static void everything_at_once_stays_in_order_and_accounted(void **state)
{
	struct support *s = support_new();
	uint16_t last[16] = { 0 }, number = 0;
	unsigned seen = 0;
	char to[32];

	srandom(7);
	s->dp.icmp_rate = 0;
	for (unsigned round = 0; round < 2000; round++) {
		const unsigned host = (unsigned)random() % 16;

		snprintf(to, sizeof(to), "192.0.2.%u", 100 + host);
		if (random() % 8 == 0)
			support_neighbour(s, WAN, to,
					  random() % 3 ? NEXTHOP_NONE : NEXTHOP_FORWARD);
		else
			send_numbered(s, to, ++number);
		poll_after(s, (uint64_t)(random() % 20) * MS);
		for (; seen < s->n_sent; seen++) {
			const unsigned from = s->sent[seen].data[14 + 19] - 100u;

			assert_true(number_of(s, seen) > last[from]);
			last[from] = (uint16_t)number_of(s, seen);
		}
		if (s->n_sent > SUPPORT_SENT / 2)
			s->n_sent = seen = 0;
	}
	neighbour_wait_drop_all(&s->dp);
	assert_int_equal(s->counters.waiting, 0);
	assert_true(support_balanced(s));
	support_free(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_waits_until_its_neighbour_answers),
		cmocka_unit_test(a_gateway_is_asked_for_in_its_own_family),
		cmocka_unit_test(packets_leave_in_the_order_in_which_they_came),
		cmocka_unit_test(a_late_packet_does_not_overtake_those_that_wait),
		cmocka_unit_test(one_neighbour_holds_the_newest_packets_only),
		cmocka_unit_test(a_scan_does_not_keep_others_from_waiting),
		cmocka_unit_test(a_neighbour_is_asked_for_a_few_times_a_second),
		cmocka_unit_test(waiting_packets_have_it_asked_again),
		cmocka_unit_test(who_fails_to_answer_is_reported),
		cmocka_unit_test(nobody_waits_for_ever),
		cmocka_unit_test(a_route_that_moves_takes_waiting_packets_along),
		cmocka_unit_test(too_big_after_waiting_is_still_too_big),
		cmocka_unit_test(the_worker_knows_how_long_it_may_sleep),
		cmocka_unit_test(routes_that_change_all_the_time_cost_little),
		cmocka_unit_test(everything_at_once_stays_in_order_and_accounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
