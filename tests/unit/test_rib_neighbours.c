/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours: what workers find, and when the kernel is asked. */
#include "rib_fixture.h"

#define SECOND 1000000000ull
#define FUTURE (1ull << 60) /* later than any clock, so that ticks decide what time it is */

static const struct nexthop *direct(const struct world *w, uint16_t slot, const char *addr)
{
	struct ip_addr a = ip(addr);

	return a.family == 4 ? fib_neighbour4(w->fib, slot, a.addr.s6_addr32[3]) :
			       fib_neighbour6(w->fib, slot, &a.addr);
}

static void use(const struct nexthop *nh)
{
	assert_non_null(nh);
	nexthop_mark_used(nh);
}

static void resolve(struct world *w, uint16_t slot, const char *addr)
{
	struct ip_addr a = ip(addr);

	rib_resolve(w->rib, slot, &a);
}

static void workers_find_neighbours_of_both_families(void **state)
{
	struct world *w = *state;

	assert_null(direct(w, w->wan, "10.0.0.2"));
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_REACHABLE);
	neighbour(w, ETH0, "2001:db8::2", RIB_NEIGHBOUR_STALE);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->kind, NEXTHOP_FORWARD);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->stale, 0);
	assert_int_equal(direct(w, w->wan, "2001:db8::2")->kind, NEXTHOP_FORWARD);
	assert_int_equal(direct(w, w->wan, "2001:db8::2")->stale, 1);
	assert_null(direct(w, w->lan, "10.0.0.2")); /* another interface */
	assert_null(direct(w, w->wan, "10.0.0.3"));
}

static void states_become_kinds(void **state)
{
	struct world *w = *state;
	struct ip_addr a = ip("10.0.0.2");

	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_INCOMPLETE);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->kind, NEXTHOP_INCOMPLETE);
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_FAILED);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->kind, NEXTHOP_FAILED);
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_INCOMPLETE); /* tried again: no news */
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->kind, NEXTHOP_FAILED);
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_REACHABLE);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->kind, NEXTHOP_FORWARD);
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_INCOMPLETE);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->kind, NEXTHOP_INCOMPLETE);
	assert_int_equal(rib_neighbour_del(w->rib, ETH0, &a), 0);
	assert_null(direct(w, w->wan, "10.0.0.2"));
}

static void a_gateway_follows_its_neighbour(void **state)
{
	struct world *w = *state;
	struct ip_addr a = ip("192.0.2.1");

	route(w, "10.0.0.0/8", ETH0, "192.0.2.1");
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_STALE);
	assert_leads(w, "10.1.1.1", NEXTHOP_FORWARD);
	assert_int_equal(found(w, "10.1.1.1")->stale, 1);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_FAILED);
	assert_leads(w, "10.1.1.1", NEXTHOP_FAILED);
	assert_int_equal(rib_neighbour_del(w->rib, ETH0, &a), 0);
	assert_leads(w, "10.1.1.1", NEXTHOP_FAILED); /* forgotten by the kernel, not yet back */
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_REACHABLE);
	assert_leads(w, "10.1.1.1", NEXTHOP_FORWARD);
	assert_int_equal(rib_neighbour_del(w->rib, ETH0, &a), 0);
	assert_leads(w, "10.1.1.1", NEXTHOP_INCOMPLETE);
}

static void a_neighbour_on_another_device_is_not_the_gateway(void **state)
{
	struct world *w = *state;

	route(w, "10.0.0.0/8", ETH0, "fe80::1");
	neighbour(w, ETH1, "fe80::1", RIB_NEIGHBOUR_REACHABLE);
	assert_leads(w, "10.1.1.1", NEXTHOP_INCOMPLETE);
}

static void waiting_packets_are_told_once_per_commit(void **state)
{
	struct world *w = *state;
	unsigned before = w->neighbour_events;

	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_REACHABLE);
	neighbour(w, ETH0, "10.0.0.3", RIB_NEIGHBOUR_REACHABLE);
	assert_int_equal(w->neighbour_events, before);
	rib_commit(w->rib);
	assert_int_equal(w->neighbour_events, before + 1);
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_REACHABLE); /* nothing new */
	neighbour(w, ETH9, "10.9.0.3", RIB_NEIGHBOUR_REACHABLE); /* not ours */
	link_state(w, ETH0, true, true);
	rib_commit(w->rib);
	assert_int_equal(w->neighbour_events, before + 1);
}

static void the_used_mark_survives_a_change(void **state)
{
	struct world *w = *state;

	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_REACHABLE);
	use(direct(w, w->wan, "10.0.0.2"));
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_STALE);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->used, 1);
	route(w, "10.7.0.0/16", ETH0, "10.0.0.2");
	use(found(w, "10.7.0.1"));
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_REACHABLE);
	assert_int_equal(found(w, "10.7.0.1")->used, 1);
}

static void stale_neighbours_in_use_are_confirmed(void **state)
{
	struct world *w = *state;
	uint64_t now = FUTURE;

	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_STALE);
	neighbour(w, ETH0, "10.0.0.3", RIB_NEIGHBOUR_REACHABLE);
	rib_tick(w->rib, now);
	assert_int_equal(w->probes, 0); /* not in use */
	use(direct(w, w->wan, "10.0.0.2"));
	use(direct(w, w->wan, "10.0.0.3"));
	rib_tick(w->rib, now += SECOND);
	assert_int_equal(w->probes, 1);
	assert_int_equal(w->probed.addr.s6_addr[15], 2);
	assert_int_equal(w->probed_ifindex, ETH0);
	assert_int_equal(direct(w, w->wan, "10.0.0.2")->used, 0);
	use(direct(w, w->wan, "10.0.0.2"));
	rib_tick(w->rib, now += SECOND); /* the kernel is at it */
	assert_int_equal(w->probes, 1);
	use(direct(w, w->wan, "10.0.0.2"));
	rib_tick(w->rib, now += 5 * SECOND);
	assert_int_equal(w->probes, 2);
}

static void a_stale_gateway_in_use_is_confirmed(void **state)
{
	struct world *w = *state;

	route(w, "10.0.0.0/8", ETH0, "192.0.2.1");
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_STALE);
	rib_tick(w->rib, FUTURE);
	assert_int_equal(w->probes, 0);
	use(found(w, "10.1.1.1"));
	rib_tick(w->rib, FUTURE + SECOND);
	assert_int_equal(w->probes, 1);
	assert_int_equal(found(w, "10.1.1.1")->used, 0);
}

static void failed_ones_are_asked_for_again_once_a_second(void **state)
{
	struct world *w = *state;
	uint64_t now = FUTURE;

	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_FAILED);
	rib_tick(w->rib, now);
	assert_int_equal(w->probes, 0);
	use(direct(w, w->wan, "10.0.0.2"));
	rib_tick(w->rib, now += SECOND);
	assert_int_equal(w->probes, 1);
	use(direct(w, w->wan, "10.0.0.2"));
	rib_tick(w->rib, now += SECOND / 10); /* too soon */
	assert_int_equal(w->probes, 1);
	use(direct(w, w->wan, "10.0.0.2"));
	rib_tick(w->rib, now += SECOND);
	assert_int_equal(w->probes, 2);
}

static void a_failed_gateway_is_asked_for_without_traffic(void **state)
{
	struct world *w = *state;
	struct ip_addr a = ip("192.0.2.1");

	route(w, "10.0.0.0/8", ETH0, "192.0.2.1");
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_FAILED);
	rib_tick(w->rib, FUTURE);
	assert_int_equal(w->probes, 1);
	assert_int_equal(rib_neighbour_del(w->rib, ETH0, &a), 0); /* the kernel forgot it */
	rib_tick(w->rib, FUTURE + SECOND);
	assert_int_equal(w->probes, 2);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_REACHABLE);
	rib_tick(w->rib, FUTURE + 2 * SECOND);
	assert_int_equal(w->probes, 2);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_FAILED);
	link_state(w, ETH0, true, false); /* nobody to ask */
	rib_tick(w->rib, FUTURE + 4 * SECOND);
	assert_int_equal(w->probes, 2);
}

static void a_tick_asks_for_some_hundred_and_goes_round(void **state)
{
	struct world *w = *state;
	char text[32];
	unsigned before = 0;

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 250, i % 250 + 1);
		neighbour(w, ETH0, text, RIB_NEIGHBOUR_STALE);
		use(direct(w, w->wan, text));
	}
	for (unsigned t = 0; t < 20 && w->probes < 1000; t++) {
		rib_tick(w->rib, FUTURE + t * SECOND);
		assert_true(w->probes - before <= 512);
		before = w->probes;
	}
	assert_int_equal(w->probes, 1000);
}

static void a_worker_asks_at_most_once_a_second_for_an_address(void **state)
{
	struct world *w = *state;

	rib_tick(w->rib, FUTURE);
	resolve(w, w->wan, "10.0.0.2");
	resolve(w, w->wan, "10.0.0.2");
	assert_int_equal(w->probes, 1);
	assert_int_equal(w->probed_ifindex, ETH0);
	resolve(w, w->lan, "10.0.0.2");
	assert_int_equal(w->probes, 2);
	rib_tick(w->rib, FUTURE + SECOND / 2);
	resolve(w, w->wan, "10.0.0.2");
	assert_int_equal(w->probes, 2);
	rib_tick(w->rib, FUTURE + SECOND);
	resolve(w, w->wan, "10.0.0.2");
	assert_int_equal(w->probes, 3);
	neighbour(w, ETH0, "10.0.0.9", RIB_NEIGHBOUR_REACHABLE);
	resolve(w, w->wan, "10.0.0.9"); /* came meanwhile */
	resolve(w, 999, "10.0.0.8");
	resolve(w, IFACE_NONE, "10.0.0.8");
	assert_int_equal(w->probes, 3);
}

static void a_scan_does_not_flood_the_kernel(void **state)
{
	struct world *w = *state;
	char text[32];

	rib_tick(w->rib, FUTURE);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.1", i / 250, i % 250);
		resolve(w, w->wan, text);
	}
	assert_int_equal(w->probes, 1000);
}

static void neighbours_follow_their_interface(void **state)
{
	struct world *w = *state;
	uint16_t slot;

	neighbour(w, ETH9, "10.9.0.2", RIB_NEIGHBOUR_REACHABLE);
	slot = interface_of(w, "mgmt", "eth9", 2, 0, 0);
	rib_port_state(w->rib, 2, true);
	assert_int_equal(direct(w, slot, "10.9.0.2")->kind, NEXTHOP_FORWARD);
	assert_int_equal(direct(w, slot, "10.9.0.2")->port, 2);
	assert_int_equal(rib_interface_del(w->rib, "mgmt"), 0);
	assert_null(direct(w, slot, "10.9.0.2"));
}

/* The workers' table keeps every key through growth, tombstones and reuse: against a plain array. */
static void the_table_holds_many_through_churn(void **state)
{
	struct world *w = *state;
	enum { N = 6000 };
	static uint8_t present[N];
	char text[INET6_ADDRSTRLEN];
	struct ip_addr a;

	srandom(7);
	memset(present, 0, sizeof(present));
	for (unsigned step = 0; step < 60000; step++) {
		unsigned i = (unsigned)random() % N;

		if (i & 1)
			snprintf(text, sizeof(text), "2001:db8::%x", i);
		else
			snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		a = ip(text);
		if (present[i] && random() % 3) {
			assert_int_equal(rib_neighbour_del(w->rib, ETH0, &a), 0);
			present[i] = 0;
		} else {
			neighbour(w, ETH0, text,
				  random() % 2 ? RIB_NEIGHBOUR_REACHABLE : RIB_NEIGHBOUR_STALE);
			present[i] = 1;
		}
		if (step % 100 == 0)
			rib_commit(w->rib);
	}
	for (unsigned i = 0; i < N; i++) {
		if (i & 1)
			snprintf(text, sizeof(text), "2001:db8::%x", i);
		else
			snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		assert_int_equal(direct(w, w->wan, text) != NULL, present[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(workers_find_neighbours_of_both_families),
		in_world(states_become_kinds),
		in_world(a_gateway_follows_its_neighbour),
		in_world(a_neighbour_on_another_device_is_not_the_gateway),
		in_world(waiting_packets_are_told_once_per_commit),
		in_world(the_used_mark_survives_a_change),
		in_world(stale_neighbours_in_use_are_confirmed),
		in_world(a_stale_gateway_in_use_is_confirmed),
		in_world(failed_ones_are_asked_for_again_once_a_second),
		in_world(a_failed_gateway_is_asked_for_without_traffic),
		in_world(a_tick_asks_for_some_hundred_and_goes_round),
		in_world(a_worker_asks_at_most_once_a_second_for_an_address),
		in_world(a_scan_does_not_flood_the_kernel),
		in_world(neighbours_follow_their_interface),
		in_world(the_table_holds_many_through_churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
