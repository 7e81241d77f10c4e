/* SPDX-License-Identifier: Apache-2.0 */
/* Choice among routes, deletion, what the kernel drops in silence, next-hop objects, resync. */
#include <errno.h>

#include "rib_fixture.h"

static json_int_t count_routes(struct world *w, const char *key)
{
	json_t *summary = rib_summary(w->rib);
	json_int_t n = json_integer_value(json_object_get(summary, key));

	json_decref(summary);
	return n;
}

static void route_in(struct world *w, const char *prefix, uint32_t table, uint32_t metric,
		     bool is_static, const char *gateway)
{
	struct rib_route r = route_to(prefix);
	struct rib_hop h = hop(ETH0, gateway, 1);

	r.table = table;
	r.metric = metric;
	r.is_static = is_static;
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
}

static void del_in(struct world *w, const char *prefix, uint32_t table, uint32_t metric,
		   bool is_static)
{
	struct rib_route r = route_to(prefix);

	r.table = table;
	r.metric = metric;
	r.is_static = is_static;
	del_route(w, r, NULL, 0);
}

/* Choice */

static void the_lowest_metric_wins_in_both_families(void **state)
{
	static const struct {
		const char *prefix, *addr, *a, *b;
	} cases[] = {
		{ "10.0.0.0/8", "10.1.1.1", "192.0.2.1", "192.0.2.2" },
		{ "2001:db8::/32", "2001:db8::1", "fe80::1", "fe80::2" },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct world *w = *state;

		route_metric(w, cases[i].prefix, ETH0, cases[i].a, 200);
		assert_gateway(w, cases[i].addr, cases[i].a);
		route_metric(w, cases[i].prefix, ETH0, cases[i].b, 100);
		assert_gateway(w, cases[i].addr, cases[i].b);
		del_in(w, cases[i].prefix, MAIN, 100, false);
		assert_gateway(w, cases[i].addr, cases[i].a);
		del_in(w, cases[i].prefix, MAIN, 200, false);
		assert_leads(w, cases[i].addr, NEXTHOP_NONE);
	}
}

static void tables_count_in_the_configured_order_and_local_first(void **state)
{
	struct world *w = *state;
	static const uint32_t order[] = { 100, MAIN }, reverse[] = { MAIN, 100 };
	static const uint32_t only[] = { MAIN };

	assert_int_equal(rib_set_tables(w->rib, order, 2), 0);
	route_in(w, "10.0.0.0/8", MAIN, 0, false, "192.0.2.1");
	route_in(w, "10.0.0.0/8", 100, 50, false, "192.0.2.2");
	route_in(w, "10.0.0.0/8", 77, 0, false, "192.0.2.9"); /* does not count */
	assert_int_equal(count_routes(w, "routes4"), 2);
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	assert_int_equal(rib_set_tables(w->rib, reverse, 2), 0);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
	route_in(w, "10.0.0.0/8", LOCAL, 9, false, "192.0.2.3");
	assert_gateway(w, "10.1.1.1", "192.0.2.3");
	assert_int_equal(rib_set_tables(w->rib, only, 1), 0);
	rib_commit(w->rib);
	assert_int_equal(count_routes(w, "routes4"), 2);
	del_in(w, "10.0.0.0/8", LOCAL, 9, false);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
}

static void static_wins_at_equal_metric_only(void **state)
{
	struct world *w = *state;

	route_in(w, "10.0.0.0/8", MAIN, 5, false, "192.0.2.1");
	route_in(w, "10.0.0.0/8", MAIN, 5, true, "192.0.2.2");
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	route_in(w, "10.0.0.0/8", MAIN, 4, false, "192.0.2.3");
	assert_gateway(w, "10.1.1.1", "192.0.2.3");
	del_in(w, "10.0.0.0/8", MAIN, 4, false);
	del_in(w, "10.0.0.0/8", MAIN, 5, true);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
}

static void a_dead_hop_loses_to_the_next_candidate_and_comes_back(void **state)
{
	struct world *w = *state;

	route_metric(w, "10.0.0.0/8", ETH0, "192.0.2.1", 10);
	route_metric(w, "10.0.0.0/8", ETH1, "192.0.2.2", 20);
	route(w, "10.2.0.0/16", ETH0, "192.0.2.1");
	link_state(w, ETH0, true, false);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	assert_leads(w, "10.2.1.1", NEXTHOP_DOWN); /* alone: no shorter prefix takes it over */
	link_state(w, ETH0, true, true);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
	assert_leads(w, "10.2.1.1", NEXTHOP_INCOMPLETE);
}

static void a_port_that_cannot_be_used_counts_as_down(void **state)
{
	struct world *w = *state;

	route_metric(w, "10.0.0.0/8", ETH0, "192.0.2.1", 10);
	route_metric(w, "10.0.0.0/8", ETH1, "192.0.2.2", 20);
	rib_port_state(w->rib, 0, false);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	rib_port_state(w->rib, 0, true);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
}

static void a_blackhole_is_always_eligible(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.0.0.0/8");

	r.metric = 20;
	r.target.kind = NEXTHOP_BLACKHOLE;
	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), 0);
	route_metric(w, "10.0.0.0/8", ETH0, "192.0.2.1", 10);
	assert_leads(w, "10.1.1.1", NEXTHOP_INCOMPLETE);
	link_state(w, ETH0, true, false);
	rib_commit(w->rib);
	assert_leads(w, "10.1.1.1", NEXTHOP_BLACKHOLE);
}

static void a_local_address_wins_over_a_host_route(void **state)
{
	struct world *w = *state;
	struct rib_address a = address_of(ETH0, "10.0.0.1", 24);

	route(w, "10.0.0.1/32", ETH1, "192.0.2.2");
	assert_int_equal(rib_address_set(w->rib, &a), 0);
	assert_leads(w, "10.0.0.1", NEXTHOP_LOCAL);
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	assert_gateway(w, "10.0.0.1", "192.0.2.2");
}

/* Replacing, appending, deleting */

static void adding_the_same_key_replaces(void **state)
{
	struct world *w = *state;

	route(w, "10.0.0.0/8", ETH0, "192.0.2.1");
	route(w, "10.0.0.0/8", ETH1, "192.0.2.2");
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	assert_int_equal(count_routes(w, "routes4"), 1);
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	route(w, "2001:db8::/32", ETH1, "fe80::2");
	assert_gateway(w, "2001:db8::1", "fe80::2");
	assert_int_equal(count_routes(w, "routes6"), 1);
}

static void an_ipv4_append_stands_behind(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.0.0.0/8");
	struct rib_hop first = hop(ETH0, "192.0.2.1", 1), second = hop(ETH1, "192.0.2.2", 1);

	set_route(w, r, &first, 1, RIB_ROUTE_ADD);
	set_route(w, r, &second, 1, RIB_ROUTE_APPEND);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
	assert_int_equal(count_routes(w, "routes4"), 2);
	del_route(w, r, &first, 1);
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	set_route(w, r, &first, 1, RIB_ROUTE_APPEND);
	del_route(w, r, &first, 1); /* the one with this target, not the first */
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	assert_int_equal(count_routes(w, "routes4"), 1);
}

static unsigned members_of_group(const struct world *w, const char *addr)
{
	const struct nexthop *nh = found(w, addr);
	uint32_t seen[RIB_HOPS_MAX];
	unsigned n = 0, j;

	if (nh->kind != NEXTHOP_GROUP)
		return 0;
	for (uint32_t b = 0; b <= nh->bucket_mask; b++) {
		for (j = 0; j < n && seen[j] != nh->buckets[b]; j++)
			;
		if (j == n)
			seen[n++] = nh->buckets[b];
	}
	return n;
}

static void ipv6_legs_are_appended_and_deleted_one_by_one(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("2001:db8::/32");
	struct rib_hop legs[3] = { hop(ETH0, "fe80::1", 1), hop(ETH1, "fe80::2", 1),
				   hop(ETH1, "fe80::3", 1) };

	set_route(w, r, &legs[0], 1, RIB_ROUTE_ADD);
	set_route(w, r, &legs[1], 1, RIB_ROUTE_APPEND);
	assert_int_equal(members_of_group(w, "2001:db8::1"), 2);
	set_route(w, r, legs, 3, RIB_ROUTE_APPEND); /* the whole of it, as newer kernels say it */
	assert_int_equal(members_of_group(w, "2001:db8::1"), 3);
	assert_int_equal(count_routes(w, "routes6"), 1);
	del_route(w, r, &legs[1], 1);
	assert_int_equal(members_of_group(w, "2001:db8::1"), 2);
	del_route(w, r, &legs[1], 1); /* not there any more */
	assert_int_equal(members_of_group(w, "2001:db8::1"), 2);
	del_route(w, r, &legs[0], 1);
	assert_gateway(w, "2001:db8::1", "fe80::3");
	del_route(w, r, &legs[2], 1);
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
}

static void ipv6_on_link_routes_of_two_devices_stand_side_by_side(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("2001:db8::/64");
	struct rib_hop a = hop(ETH0, NULL, 1), b = hop(ETH1, NULL, 1);

	set_route(w, r, &a, 1, RIB_ROUTE_ADD);
	set_route(w, r, &b, 1, RIB_ROUTE_ADD);
	assert_int_equal(count_routes(w, "routes6"), 2);
	assert_int_equal(found(w, "2001:db8::1")->iface, w->wan);
	del_route(w, r, &a, 1);
	assert_int_equal(found(w, "2001:db8::1")->iface, w->lan);
	del_route(w, r, NULL, 0);
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
}

static void ipv6_replace_takes_the_place_of_another_kind_of_route(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("2001:db8::/64");
	struct rib_hop a = hop(ETH0, NULL, 1), b = hop(ETH1, "fe80::2", 1);

	set_route(w, r, &a, 1, RIB_ROUTE_ADD);
	set_route(w, r, &b, 1, RIB_ROUTE_REPLACE);
	assert_int_equal(count_routes(w, "routes6"), 1);
	assert_gateway(w, "2001:db8::1", "fe80::2");
}

static void deleting_what_is_not_there_is_nothing(void **state)
{
	struct world *w = *state;
	struct ip_addr nobody = ip("10.9.9.9");

	del_in(w, "10.0.0.0/8", MAIN, 0, false);
	route(w, "10.0.0.0/8", ETH0, "192.0.2.1");
	del_in(w, "10.0.0.0/8", MAIN, 7, false);
	del_in(w, "10.0.0.0/8", MAIN, 0, true);
	del_in(w, "10.0.0.0/9", MAIN, 0, false);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
	assert_int_equal(rib_link_del(w->rib, 999), 0);
	assert_int_equal(rib_neighbour_del(w->rib, 999, &nobody), 0);
	assert_int_equal(rib_nexthop_object_del(w->rib, 5), 0);
}

/* What the kernel drops in silence */

static void a_link_down_drops_the_kernels_routes_for_good(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[2] = { hop(ETH0, "192.0.2.1", 1), hop(ETH1, "192.0.2.2", 1) };

	route(w, "0.0.0.0/0", ETH1, "192.0.2.2");
	route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	set_route(w, route_to("10.2.0.0/16"), legs, 2, RIB_ROUTE_ADD);
	link_state(w, ETH0, false, false);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.0.1", "192.0.2.2"); /* now by the default route */
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
	assert_int_equal(members_of_group(w, "10.2.0.1"), 1);
	link_state(w, ETH0, true, true);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.0.1", "192.0.2.2");
	assert_int_equal(members_of_group(w, "10.2.0.1"), 2); /* the leg was only dead */
	route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
	assert_gateway(w, "10.1.0.1", "192.0.2.1");
}

static void a_group_goes_with_its_last_link(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[2] = { hop(ETH0, "192.0.2.1", 1), hop(ETH1, "192.0.2.2", 1) };

	set_route(w, route_to("10.2.0.0/16"), legs, 2, RIB_ROUTE_ADD);
	link_state(w, ETH0, false, false);
	link_state(w, ETH1, false, false);
	rib_commit(w->rib);
	assert_leads(w, "10.2.0.1", NEXTHOP_NONE);
	assert_int_equal(count_routes(w, "nexthops"), 0);
}

static void a_route_set_between_link_up_and_commit_survives(void **state)
{
	struct world *w = *state;

	route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
	link_state(w, ETH0, false, false);
	link_state(w, ETH0, true, true);
	route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_INCOMPLETE);
}

static void losing_the_carrier_drops_nothing(void **state)
{
	struct world *w = *state;

	route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
	link_state(w, ETH0, true, false);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_DOWN);
	link_state(w, ETH0, true, true);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_INCOMPLETE);
}

static void own_addresses_outlive_a_link_down(void **state)
{
	struct world *w = *state;
	struct rib_route local = route_to("10.0.0.1/32");
	struct rib_hop h = hop(ETH0, NULL, 1);

	local.table = LOCAL;
	local.target.kind = NEXTHOP_LOCAL;
	set_route(w, local, &h, 1, RIB_ROUTE_ADD);
	link_state(w, ETH0, false, false);
	rib_commit(w->rib);
	assert_leads(w, "10.0.0.1", NEXTHOP_LOCAL);
	assert_int_equal(rib_link_del(w->rib, ETH0), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.0.0.1", NEXTHOP_NONE);
}

static void static_routes_wait_for_their_interface(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.1.0.0/16");
	struct rib_hop h = { .interface = "wan", .gateway = ip("192.0.2.1"), .weight = 1 };
	struct rib_link l = link_of(ETH0);

	r.is_static = true;
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
	assert_leads(w, "10.1.0.1", NEXTHOP_INCOMPLETE);
	link_state(w, ETH0, false, false);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_DOWN);
	assert_int_equal(rib_link_del(w->rib, ETH0), 0);
	l.ifindex = 55; /* made anew */
	assert_int_equal(rib_link_set(w->rib, &l), 0);
	neighbour(w, 55, "192.0.2.1", RIB_NEIGHBOUR_REACHABLE);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_FORWARD);
}

static void a_static_gateway_finds_its_interface_by_address(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.1.0.0/16");
	struct rib_hop h = hop(0, "192.0.2.1", 1);
	struct rib_address wide = address_of(ETH0, "192.0.2.130", 24);
	struct rib_address narrow = address_of(ETH1, "192.0.2.2", 25);

	r.is_static = true;
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
	assert_leads(w, "10.1.0.1", NEXTHOP_DOWN);
	assert_int_equal(rib_address_set(w->rib, &wide), 0);
	assert_int_equal(found(w, "10.1.0.1")->iface, w->wan);
	assert_int_equal(rib_address_set(w->rib, &narrow), 0);
	assert_int_equal(found(w, "10.1.0.1")->iface, w->lan);
	assert_int_equal(rib_address_del(w->rib, &narrow), 0);
	assert_int_equal(found(w, "10.1.0.1")->iface, w->wan);
}

static void routes_go_with_their_preferred_source(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.1.0.0/16");
	struct rib_hop h = hop(ETH1, "192.0.2.1", 1);
	struct rib_address a = address_of(ETH0, "10.0.0.1", 24);
	struct rib_address other = address_of(ETH0, "10.0.9.1", 24);
	struct rib_address again = address_of(ETH9, "10.0.0.1", 32);

	r.prefsrc = a.addr;
	assert_int_equal(rib_address_set(w->rib, &a), 0);
	assert_int_equal(rib_address_set(w->rib, &other), 0);
	assert_int_equal(rib_address_set(w->rib, &again), 0);
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_INCOMPLETE); /* another link still has it */
	assert_int_equal(rib_address_del(w->rib, &again), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_NONE);
}

static void a_late_word_about_a_dropped_route_takes_no_other(void **state)
{
	struct world *w = *state;
	struct rib_route hole = route_to("10.1.0.0/16"), r = hole;
	struct rib_hop h = hop(ETH1, NULL, 1);
	struct rib_address a = address_of(ETH1, "10.0.0.1", 24);

	hole.target.kind = NEXTHOP_UNREACHABLE;
	r.prefsrc = a.addr;
	for (unsigned commits = 0; commits < 2; commits++) {
		assert_int_equal(rib_address_set(w->rib, &a), 0);
		assert_int_equal(rib_route_set(w->rib, &hole, RIB_ROUTE_ADD), 0);
		set_route(w, r, &h, 1, RIB_ROUTE_APPEND);
		assert_int_equal(count_routes(w, "routes4"), 3); /* and the own address */
		assert_int_equal(rib_address_del(w->rib, &a), 0);
		if (commits)
			rib_commit(w->rib);
		del_route(w, r, &h, 1);
		rib_commit(w->rib);
		assert_leads(w, "10.1.0.1", NEXTHOP_UNREACHABLE);
	}
	assert_int_equal(rib_route_del(w->rib, &hole), 0);
	assert_leads(w, "10.1.0.1", NEXTHOP_NONE);
}

static void the_last_ipv4_address_takes_the_links_ipv4_routes(void **state)
{
	struct world *w = *state;
	struct rib_address a = address_of(ETH0, "10.0.0.1", 24);
	struct rib_address b = address_of(ETH0, "10.0.9.1", 24);
	struct rib_hop both[2] = { hop(ETH0, "10.0.0.2", 1), hop(ETH0, "10.0.9.2", 1) };

	assert_int_equal(rib_address_set(w->rib, &a), 0);
	assert_int_equal(rib_address_set(w->rib, &b), 0);
	route(w, "10.1.0.0/16", ETH0, "10.0.0.2");
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	set_route(w, route_to("10.2.0.0/16"), both, 2, RIB_ROUTE_ADD);
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_INCOMPLETE);
	assert_leads(w, "10.2.0.1", NEXTHOP_GROUP);
	assert_int_equal(rib_address_del(w->rib, &b), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_NONE);
	assert_leads(w, "10.2.0.1", NEXTHOP_NONE);
	assert_leads(w, "2001:db8::1", NEXTHOP_INCOMPLETE);
}

static void a_link_that_is_deleted_takes_everything_by_it(void **state)
{
	struct world *w = *state;
	struct ip_addr n = ip("192.0.2.1");

	address(w, ETH0, "192.0.2.9", 24);
	route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
	route(w, "2001:db8::/32", ETH0, NULL);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_REACHABLE);
	assert_non_null(fib_neighbour4(w->fib, w->wan, n.addr.s6_addr32[3]));
	assert_int_equal(rib_link_del(w->rib, ETH0), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_NONE);
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
	assert_leads(w, "192.0.2.9", NEXTHOP_NONE);
	assert_null(fib_neighbour4(w->fib, w->wan, n.addr.s6_addr32[3]));
	assert_int_equal(count_routes(w, "nexthops"), 0);
	assert_int_equal(count_routes(w, "neighbours"), 0);
	assert_int_equal(count_routes(w, "links"), 2);
}

/* Next-hop objects */

static int object(struct world *w, uint32_t id, int ifindex, const char *gateway)
{
	struct rib_hop h = hop(ifindex, gateway, 1);
	struct rib_target t = { .kind = NEXTHOP_FORWARD, .n_hops = 1, .hops = &h };

	return rib_nexthop_object_set(w->rib, id, &t, NULL);
}

static int object_group(struct world *w, uint32_t id, const uint32_t *members, uint16_t n)
{
	struct rib_hop h[8] = { 0 };
	struct rib_target t = { .kind = NEXTHOP_FORWARD, .n_hops = n, .hops = h };

	for (unsigned i = 0; i < n; i++)
		h[i].weight = 1;
	return rib_nexthop_object_set(w->rib, id, &t, members);
}

static void route_by_object(struct world *w, const char *prefix, uint32_t id)
{
	struct rib_route r = route_to(prefix);

	r.target.nexthop_object = id;
	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), 0);
}

static void routes_follow_their_object(void **state)
{
	struct world *w = *state;
	struct rib_target hole = { .kind = NEXTHOP_BLACKHOLE };
	uint32_t id;

	assert_int_equal(object(w, 7, ETH0, "192.0.2.1"), 0);
	route_by_object(w, "10.0.0.0/8", 7);
	route_by_object(w, "2001:db8::/32", 7);
	id = found_id(w, "10.1.1.1");
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
	assert_int_equal(object(w, 7, ETH1, "fe80::7"), 0);
	assert_gateway(w, "10.1.1.1", "fe80::7");
	assert_gateway(w, "2001:db8::1", "fe80::7");
	assert_int_equal(found(w, "10.1.1.1")->iface, w->lan);
	assert_int_equal(found_id(w, "10.1.1.1"), id); /* the table was not touched */
	assert_int_equal(rib_nexthop_object_set(w->rib, 7, &hole, NULL), 0);
	assert_leads(w, "10.1.1.1", NEXTHOP_BLACKHOLE);
}

static void a_deleted_object_takes_its_routes(void **state)
{
	struct world *w = *state;

	route(w, "0.0.0.0/0", ETH1, "192.0.2.2");
	assert_int_equal(object(w, 7, ETH0, "192.0.2.1"), 0);
	route_by_object(w, "10.0.0.0/8", 7);
	assert_int_equal(rib_nexthop_object_del(w->rib, 7), 0);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	assert_int_equal(object(w, 7, ETH0, "192.0.2.1"), 0);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "192.0.2.2"); /* until the route is told anew */
	assert_int_equal(count_routes(w, "routes4"), 1);
}

static void a_route_may_come_before_its_object(void **state)
{
	struct world *w = *state;

	route_by_object(w, "10.0.0.0/8", 7);
	assert_leads(w, "10.1.1.1", NEXTHOP_DOWN);
	route_metric(w, "10.0.0.0/8", ETH1, "192.0.2.2", 9);
	assert_gateway(w, "10.1.1.1", "192.0.2.2");
	assert_int_equal(object(w, 7, ETH0, "192.0.2.1"), 0);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "192.0.2.1");
}

static void an_object_group_loses_the_member_that_is_deleted(void **state)
{
	struct world *w = *state;
	static const uint32_t both[] = { 1, 2 };

	assert_int_equal(object(w, 1, ETH0, "192.0.2.1"), 0);
	assert_int_equal(object(w, 2, ETH1, "192.0.2.2"), 0);
	assert_int_equal(object_group(w, 10, both, 2), 0);
	route_by_object(w, "10.0.0.0/8", 10);
	assert_int_equal(members_of_group(w, "10.1.1.1"), 2);
	assert_int_equal(rib_nexthop_object_del(w->rib, 1), 0);
	rib_commit(w->rib);
	assert_int_equal(members_of_group(w, "10.1.1.1"), 1);
	assert_int_equal(object(w, 1, ETH0, "192.0.2.1"), 0);
	rib_commit(w->rib);
	assert_int_equal(members_of_group(w, "10.1.1.1"), 1); /* the group is told anew, or not */
	assert_int_equal(object_group(w, 10, both, 2), 0);
	rib_commit(w->rib);
	assert_int_equal(members_of_group(w, "10.1.1.1"), 2);
	assert_int_equal(rib_nexthop_object_del(w->rib, 1), 0);
	assert_int_equal(rib_nexthop_object_del(w->rib, 2), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.1.1", NEXTHOP_NONE);
	assert_int_equal(count_routes(w, "objects"), 0);
	assert_int_equal(count_routes(w, "nexthops"), 0);
}

static void a_link_without_carrier_loses_its_objects(void **state)
{
	struct world *w = *state;
	static const uint32_t both[] = { 1, 2 };

	assert_int_equal(object(w, 1, ETH0, "192.0.2.1"), 0);
	assert_int_equal(object(w, 2, ETH1, "192.0.2.2"), 0);
	assert_int_equal(object_group(w, 10, both, 2), 0);
	route_by_object(w, "10.0.0.0/8", 10);
	route_by_object(w, "10.1.0.0/16", 1);
	link_state(w, ETH0, true, false);
	rib_commit(w->rib);
	assert_int_equal(count_routes(w, "objects"), 2);
	assert_int_equal(count_routes(w, "routes4"), 1);
	assert_int_equal(members_of_group(w, "10.1.1.1"), 1);
}

static void an_object_that_is_said_again_changes_nothing(void **state)
{
	struct world *w = *state;
	static const uint32_t both[] = { 1, 2 };
	uint64_t generation;

	assert_int_equal(object(w, 1, ETH0, "192.0.2.1"), 0);
	assert_int_equal(object(w, 2, ETH1, "192.0.2.2"), 0);
	assert_int_equal(object_group(w, 10, both, 2), 0);
	route_by_object(w, "10.0.0.0/8", 10);
	rib_commit(w->rib);
	generation = w->fib->generation;
	assert_int_equal(object(w, 1, ETH0, "192.0.2.1"), 0);
	assert_int_equal(object_group(w, 10, both, 2), 0);
	rib_commit(w->rib);
	assert_int_equal(w->fib->generation, generation);
	assert_int_equal(rib_nexthop_object_set(w->rib, 0, NULL, NULL), -EINVAL);
}

/* Resync */

static void say_world(struct world *w)
{
	link_state(w, ETH0, true, true);
	link_state(w, ETH1, true, true);
	link_state(w, ETH9, true, true);
	address(w, ETH0, "10.0.0.1", 24);
	neighbour(w, ETH0, "10.0.0.2", RIB_NEIGHBOUR_REACHABLE);
	assert_int_equal(object(w, 7, ETH0, "10.0.0.2"), 0);
	route(w, "10.1.0.0/16", ETH0, "10.0.0.2");
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	route_by_object(w, "10.3.0.0/16", 7);
}

static void an_unchanged_resync_disturbs_nothing(void **state)
{
	struct world *w = *state;
	const struct nexthop *before;
	uint64_t generation;
	unsigned on;

	say_world(w);
	rib_commit(w->rib);
	before = found(w, "10.1.0.1");
	generation = w->fib->generation;
	on = w->local_on;
	for (unsigned i = 0; i < 3; i++) {
		rib_resync_begin(w->rib);
		say_world(w);
		rib_resync_end(w->rib);
	}
	assert_ptr_equal(found(w, "10.1.0.1"), before);
	assert_int_equal(w->fib->generation, generation);
	assert_int_equal(w->local_on, on);
	assert_int_equal(w->local_off, 0);
}

static void a_resync_sweeps_what_was_not_seen(void **state)
{
	struct world *w = *state;
	struct rib_route fixed = route_to("10.7.0.0/16");
	struct rib_hop h = hop(ETH1, "192.0.2.1", 1);
	struct ip_addr n = ip("10.0.0.2");

	fixed.is_static = true;
	set_route(w, fixed, &h, 1, RIB_ROUTE_ADD);
	say_world(w);
	rib_commit(w->rib);
	rib_resync_begin(w->rib);
	link_state(w, ETH0, true, true);
	link_state(w, ETH1, true, true);
	route(w, "10.1.0.0/16", ETH1, "192.0.2.5"); /* moved */
	rib_resync_end(w->rib);
	assert_gateway(w, "10.1.0.1", "192.0.2.5");
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
	assert_leads(w, "10.3.0.1", NEXTHOP_NONE);
	assert_leads(w, "10.0.0.1", NEXTHOP_NONE);
	assert_leads(w, "10.7.0.1", NEXTHOP_INCOMPLETE);
	assert_null(fib_neighbour4(w->fib, w->wan, n.addr.s6_addr32[3]));
	assert_int_equal(w->local_off, 1);
	assert_int_equal(count_routes(w, "links"), 2);
	assert_int_equal(count_routes(w, "objects"), 0);
	rib_resync_begin(w->rib); /* and once more, with everything static left */
	rib_resync_end(w->rib);
	assert_leads(w, "10.7.0.1", NEXTHOP_DOWN);
	assert_int_equal(count_routes(w, "routes4"), 1);
}

static void a_resync_that_is_begun_again_starts_anew(void **state)
{
	struct world *w = *state;

	route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
	route(w, "10.2.0.0/16", ETH0, "192.0.2.1");
	for (unsigned begins = 1; begins < 4; begins++) {
		route(w, "10.2.0.0/16", ETH0, "192.0.2.1");
		for (unsigned i = 0; i < begins; i++) {
			rib_resync_begin(w->rib);
			link_state(w, ETH0, true, true);
			if (i + 1 < begins) /* seen in an attempt that came to nothing */
				route(w, "10.2.0.0/16", ETH0, "192.0.2.1");
			route(w, "10.1.0.0/16", ETH0, "192.0.2.1");
		}
		rib_resync_end(w->rib);
		assert_leads(w, "10.1.0.1", NEXTHOP_INCOMPLETE);
		assert_leads(w, "10.2.0.1", NEXTHOP_NONE);
	}
}

static void two_ipv4_routes_with_one_key_survive_a_resync(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.0.0.0/8");
	struct rib_hop first = hop(ETH0, "192.0.2.1", 1), second = hop(ETH1, "192.0.2.2", 1);

	for (unsigned i = 0; i < 2; i++) { /* learnt in a dump, then said again by one */
		rib_resync_begin(w->rib);
		link_state(w, ETH0, true, true);
		link_state(w, ETH1, true, true);
		set_route(w, r, &first, 1, RIB_ROUTE_ADD);
		set_route(w, r, &second, 1, RIB_ROUTE_ADD);
		rib_resync_end(w->rib);
		assert_int_equal(count_routes(w, "routes4"), 2);
		assert_gateway(w, "10.1.1.1", "192.0.2.1");
	}
}

/* Showing */

static const char *text_of(json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void json_shows_routes_in_order_with_their_words(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[2] = { hop(ETH0, "192.0.2.1", 3), hop(ETH1, "fe80::1", 5) };
	json_t *routes, *o, *hop1, *page, *answer, *rest;

	route(w, "10.2.0.0/16", ETH0, NULL);
	set_route(w, route_to("10.1.0.0/16"), legs, 2, RIB_ROUTE_ADD);
	route(w, "0.0.0.0/0", ETH0, "192.0.2.1");
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	link_state(w, ETH0, true, false);
	rib_commit(w->rib);
	page = json_pack("{s:i,s:i}", "family", 4, "limit", 2);
	answer = rib_show_routes(w->rib, page);
	routes = json_object_get(answer, "routes");
	assert_int_equal(json_array_size(routes), 2);
	assert_int_equal(json_integer_value(json_object_get(answer, "total")), 3);
	o = json_array_get(routes, 0);
	assert_string_equal(text_of(o, "dst"), "default");
	assert_string_equal(text_of(o, "gateway"), "192.0.2.1");
	assert_string_equal(text_of(o, "dev"), "eth0");
	assert_string_equal(text_of(o, "interface"), "wan");
	assert_string_equal(text_of(o, "protocol"), "boot");
	assert_string_equal(text_of(o, "table"), "main");
	assert_string_equal(json_string_value(json_array_get(json_object_get(o, "flags"), 0)),
			    "linkdown");
	o = json_array_get(routes, 1);
	assert_string_equal(text_of(o, "dst"), "10.1.0.0/16");
	assert_int_equal(json_array_size(json_object_get(o, "nexthops")), 2);
	for (unsigned i = 0; i < 2; i++) {
		hop1 = json_array_get(json_object_get(o, "nexthops"), i);
		if (json_integer_value(json_object_get(hop1, "weight")) == 5)
			assert_string_equal(text_of(json_object_get(hop1, "via"), "host"),
					    "fe80::1");
	}
	json_object_set(page, "next", json_object_get(answer, "next"));
	rest = rib_show_routes(w->rib, page);
	routes = json_object_get(rest, "routes");
	assert_int_equal(json_array_size(routes), 1);
	assert_string_equal(text_of(json_array_get(routes, 0), "dst"), "10.2.0.0/16");
	assert_true(json_is_null(json_object_get(rest, "next")));
	json_decref(rest);
	json_decref(answer);
	json_decref(page);
	answer = rib_show_routes(w->rib, NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "routes")), 4);
	json_decref(answer);
	page = json_pack("{s:s}", "prefix", "10.0.0.0/15");
	answer = rib_show_routes(w->rib, page);
	assert_int_equal(json_array_size(json_object_get(answer, "routes")), 1);
	json_decref(answer);
	json_decref(page);
}

static void json_explains_a_lookup_down_to_the_mac(void **state)
{
	struct world *w = *state;
	struct ip_addr addr = ip("10.1.2.3"), direct = ip("10.2.0.9");
	json_t *o;

	route(w, "10.0.0.0/8", ETH0, "192.0.2.1");
	route_metric(w, "10.1.0.0/16", ETH0, "192.0.2.1", 1);
	route_metric(w, "10.1.0.0/16", ETH1, "192.0.2.2", 2);
	route(w, "10.2.0.0/16", ETH0, NULL);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_STALE);
	neighbour(w, ETH0, "10.2.0.9", RIB_NEIGHBOUR_REACHABLE);
	o = rib_route_get(w->rib, &addr);
	assert_string_equal(text_of(o, "prefix"), "10.1.0.0/16");
	assert_int_equal(json_array_size(json_object_get(o, "candidates")), 2);
	assert_string_equal(text_of(json_object_get(o, "nexthop"), "kind"), "forward");
	assert_string_equal(text_of(json_object_get(o, "nexthop"), "mac"), "06:00:00:00:01:01");
	assert_string_equal(text_of(json_object_get(o, "nexthop"), "interface"), "wan");
	json_decref(o);
	o = rib_route_get(w->rib, &direct);
	assert_string_equal(text_of(json_object_get(o, "neighbour"), "mac"), "06:00:00:00:09:01");
	json_decref(o);
	addr = ip("192.0.2.77");
	o = rib_route_get(w->rib, &addr);
	assert_string_equal(text_of(json_object_get(o, "nexthop"), "kind"), "none");
	json_decref(o);
	o = rib_show_neighbours(w->rib);
	assert_int_equal(json_array_size(o), 3);
	json_decref(o);
	o = rib_show_interfaces(w->rib);
	assert_int_equal(json_array_size(o), 2);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(the_lowest_metric_wins_in_both_families),
		in_world(tables_count_in_the_configured_order_and_local_first),
		in_world(static_wins_at_equal_metric_only),
		in_world(a_dead_hop_loses_to_the_next_candidate_and_comes_back),
		in_world(a_port_that_cannot_be_used_counts_as_down),
		in_world(a_blackhole_is_always_eligible),
		in_world(a_local_address_wins_over_a_host_route),
		in_world(adding_the_same_key_replaces),
		in_world(an_ipv4_append_stands_behind),
		in_world(ipv6_legs_are_appended_and_deleted_one_by_one),
		in_world(ipv6_on_link_routes_of_two_devices_stand_side_by_side),
		in_world(ipv6_replace_takes_the_place_of_another_kind_of_route),
		in_world(deleting_what_is_not_there_is_nothing),
		in_world(a_link_down_drops_the_kernels_routes_for_good),
		in_world(a_group_goes_with_its_last_link),
		in_world(a_route_set_between_link_up_and_commit_survives),
		in_world(losing_the_carrier_drops_nothing),
		in_world(own_addresses_outlive_a_link_down),
		in_world(static_routes_wait_for_their_interface),
		in_world(a_static_gateway_finds_its_interface_by_address),
		in_world(routes_go_with_their_preferred_source),
		in_world(a_late_word_about_a_dropped_route_takes_no_other),
		in_world(the_last_ipv4_address_takes_the_links_ipv4_routes),
		in_world(a_link_that_is_deleted_takes_everything_by_it),
		in_world(routes_follow_their_object),
		in_world(a_deleted_object_takes_its_routes),
		in_world(a_route_may_come_before_its_object),
		in_world(an_object_group_loses_the_member_that_is_deleted),
		in_world(a_link_without_carrier_loses_its_objects),
		in_world(an_object_that_is_said_again_changes_nothing),
		in_world(an_unchanged_resync_disturbs_nothing),
		in_world(a_resync_sweeps_what_was_not_seen),
		in_world(a_resync_that_is_begun_again_starts_anew),
		in_world(two_ipv4_routes_with_one_key_survive_a_resync),
		in_world(json_shows_routes_in_order_with_their_words),
		in_world(json_explains_a_lookup_down_to_the_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
